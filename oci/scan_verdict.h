/* SPDX-License-Identifier: MIT */
/*
 * What a scanner said of an image, and the file that keeps it until it is too old:
 *
 *     <state folder>/scans/<scan_command_key()>.json
 *     {"version":1,"image_id":"sha256:...","command":["trivy",...],"answer":"accepted","exit":0,
 *      "time":"2026-11-22T01:02:03.456Z","duration_ms":1234,"output":"..."}
 *
 * Kept are yes and no, never that there was no answer. A file that cannot be read, is about something
 * else, or is from the future, is as if it were not there.
 */
#ifndef OCI_SCAN_VERDICT_H
#define OCI_SCAN_VERDICT_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/tree.h"

#include <stdbool.h>
#include <stdint.h>

#define SCAN_OUTPUT_MAX 4096
#define SCAN_FILE_MAX   (256 * 1024)

enum scan_answer { SCAN_ACCEPTED, SCAN_REFUSED, SCAN_FAILED };

struct scan_verdict {
    enum scan_answer answer;
    int64_t exit_status; /* -1: it did not end by itself */
    int64_t time_ms;     /* wall clock: when the answer was given */
    int64_t duration_ms;
    char output[3 * SCAN_OUTPUT_MAX + 1]; /* its last words, any UTF-8 without NUL */
    char why[256];                        /* SCAN_FAILED */
};

const char *scan_answer_name(enum scan_answer answer);

/* `output` raw bytes. */
void scan_verdict_set_output(struct scan_verdict *v, struct span output);

/* The last lines that say something, on one line, without control characters: for a message. */
void scan_verdict_last_words(const struct scan_verdict *v, char *ret, size_t size);

/* Pure. */
int scan_verdict_encode(const struct scan_verdict *v, const char *image_id, const char *const *command,
                        struct buf *out, struct err *err);
int scan_verdict_decode(struct span text, const char *image_id, struct scan_verdict *ret, struct err *err);

/* Is it young enough? */
bool scan_verdict_holds(const struct scan_verdict *v, int64_t now_ms, int64_t max_age_ms);

/* With files of `folder`, made when it is not there. ERR_NOT_FOUND: there is none that can be used. */
int scan_verdict_load(const char *folder, const char *key, const char *image_id, struct scan_verdict *ret,
                      struct err *err);
int scan_verdict_save(const struct scan_verdict *v, const char *folder, const char *key, const char *image_id,
                      const char *const *command, struct err *err);

#endif
