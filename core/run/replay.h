/* SPDX-License-Identifier: MIT */
/*
 * What a run came to, to be done again: the model's answers as a recording
 * (core/model/cassette.h) and its calls with their results, to compare two runs call by call.
 *
 * What a rollback undid is no part of it, nor are tries that failed. An answer that was cut off after a call
 * had begun is as complete as the run took it for.
 */
#ifndef RUN_REPLAY_H
#define RUN_REPLAY_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/run/folder.h"
#include "core/run/state.h"

#include <stdbool.h>
#include <stdint.h>

struct replay_turn {
    char status[16]; /* of request.end */
    const char *reason, *response_id, *model;
    struct record_usage usage;
};

struct replay_call {
    int64_t number, turn;
    const char *call_id, *title;
    const char *outcome;                                  /* NULL: it was never answered */
    int64_t exit_code;                                    /* -1: none */
    const char *approval, *approval_by, *approval_reason; /* NULL: nobody was to be asked */
    char same[DIGEST_HEX];
    struct span answer; /* the item; empty without an answer */
};

/* Was the conversation made shorter by summaries? Then they are answers too. */
bool replay_has_summaries(const struct run_state *s);

struct replay {
    char id[RUN_ID_SIZE];
    struct run_state state;    /* of the whole journal; items and answers live here */
    struct replay_turn *turns; /* number 1 first */
    size_t turn_count, turn_cap;
    struct replay_call *calls; /* in the order of the conversation */
    size_t call_count, call_cap;
    struct arena arena; /* texts */
};

/* Reads a journal with its objects. ERR_INVALID: damaged; ERR_NOT_FOUND: it never began. */
int replay_load(struct run_folder *folder, struct replay *ret, struct err *err);
void replay_done(struct replay *r);
/* The call of that turn, by which a rollback changes no number; NULL: there is none. */
const struct replay_call *replay_call_of(const struct replay *r, int64_t turn, const char *call_id);

/* The answers as a recording, whose answers are given in order whatever is asked; into a file that has no
 * name any more. ERR_IO. The caller closes it. */
int replay_record(const struct replay *r, int *ret_fd, struct err *err);
/* The path that such a file is opened by, by this process only. */
#define REPLAY_PATH_SIZE 32
void replay_path(int fd, char ret[REPLAY_PATH_SIZE]);
/* Does this path name such a file of a process that may be gone? */
bool replay_is_path(const char *path);

enum replay_verdict {
    REPLAY_SAME,
    REPLAY_DIFFERS,
    REPLAY_MISSING,   /* it was never answered in `now` */
    REPLAY_UNCERTAIN, /* it was never answered in `then`, or with the word that it was interrupted */
};
/* Call `then` of the run that was recorded, and `now`, the same one of its replay (NULL: there is none). */
enum replay_verdict replay_compare(const struct replay_call *then, const struct replay_call *now);
const char *replay_verdict_name(enum replay_verdict v);

/* What the model was told: the texts of an answer, one after the other, exit statuses in words; without
 * times. */
int replay_answer_text(const struct replay_call *call, struct buf *out, struct err *err);

#endif
