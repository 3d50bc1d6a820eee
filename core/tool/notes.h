/* SPDX-License-Identifier: MIT */
/*
 * Notes that runs leave for later ones: one folder for an agent, with a file `notes.jsonl` in it, one JSON
 * object a line:
 *     {"id":3,"time":"2026-11-30T10:00:00.000Z","run":"20261130-...","call":7,"model":"gpt-5.1","text":"..."}
 * oldest first. It is the user's, and outside of every workspace; still it is read like anything foreign:
 * bounded, and refused as a whole when it is damaged.
 *
 * Whoever writes holds the lock of the folder (`lock`), reads the file, and puts a new one in its place. A
 * run that only reads needs no lock: it gets the file of before or after.
 */
#ifndef TOOL_NOTES_H
#define TOOL_NOTES_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

#define NOTES_FILE     "notes.jsonl"
#define NOTES_MAX      200           /* notes of one agent */
#define NOTES_RUN_MAX  20            /* of these by one run */
#define NOTES_FILE_MAX (1024 * 1024) /* bytes; the manifest sets less */
#define NOTES_TEXT_MAX 2048          /* bytes of one */

struct note {
    int64_t id; /* from 1, never given twice as long as a newer note is there */
    const char *time, *run, *model;
    int64_t call;
    const char *text;
};

struct notes {
    struct note list[NOTES_MAX + 1];
    size_t count;
    int64_t bytes; /* of the file */
    struct arena arena;
};

/* Pure. ERR_INVALID: the line that is no note; ERR_TOO_LARGE. */
int notes_decode(struct span text, struct notes *ret, struct err *err);
int notes_encode(const struct notes *notes, struct buf *out, struct err *err);
void notes_done(struct notes *notes);

/* No file: no notes. */
int notes_load(const char *dir, struct notes *ret, struct err *err);
/* With the lock held. */
int notes_save(const char *dir, const struct notes *notes, struct err *err);
/* Makes the folder when need be. ERR_CONFLICT: somebody else has it, for a moment. Closing gives it back. */
int notes_lock(const char *dir, int *ret_fd, struct err *err);

/* NULL, or why this text may not be kept: it looks like a key or password. */
const char *notes_suspect(struct span text);

/* What to put in; `note` has no id yet. */
struct notes_order {
    struct note note;
    int64_t replaces; /* 0: none */
    int64_t bytes_max;
};
/* 1: it is in. 0: nothing changes, this run has noted that already (by the same call, or in the same words).
 * ERR_TOO_LARGE, ERR_NOT_FOUND (what it replaces), with words for the model. */
int notes_put(struct notes *notes, const struct notes_order *order, struct err *err);

/* For the model: all of them, oldest first, as many of the newest as `bytes_max` allows; each line behind a
 * mark of ours, what would steer a terminal or make text read otherwise made visible. Nothing without notes.
 */
int notes_tell(const struct notes *notes, size_t bytes_max, struct buf *out, size_t *ret_count);

#endif
