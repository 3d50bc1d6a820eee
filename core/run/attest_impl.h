/* SPDX-License-Identifier: MIT */
/* Between attest.c (what the run was) and attest_parts.c (the lists that its records become). */
#ifndef RUN_ATTEST_IMPL_H
#define RUN_ATTEST_IMPL_H

#include "core/base/json.h"
#include "core/run/journal.h"
#include "core/run/state.h"

/* Of sandboxes of the same name the last one counts; `what.side` NULL: the agent's own. */
struct attest_asked {
    struct record_sandbox_intent what;
    struct attest_asked *next;
};

/* What one look at the journal finds. Where something happened more than once, the last one counts. */
struct attest {
    struct run_folder *folder;
    struct run_state state;
    struct json_writer w;
    struct buf scratch; /* an object */
    struct arena manifest_arena;
    const struct tree *manifest; /* resolved; only its texts outlive the next use of `scratch` */
    struct arena arena;          /* texts of what follows */
    struct record_run_begin begin;
    int64_t began_ms, ended_ms; /* wall clock */
    uint64_t intent;            /* the record that asked for the last sandbox that became ready */
    uint64_t last_intent;
    uint64_t filled;                  /* of the last workspace.begin that fills from the manifest */
    uint64_t collected;               /* of the last outputs.begin */
    struct record_workspace restored; /* the first workspace that came from a checkpoint */
    char head[DIGEST_HEX];
    int64_t records;
    char body[DIGEST_HEX];      /* of the request under way */
    struct attest_asked *asked; /* what sandboxes were asked to be, in the arena */
    struct err *err;
    int failed; /* of a callback */
};

/* Each writes elements of a list for the records that belong into it. */
typedef void attest_record_fn(struct attest *a, const struct record *rec);

attest_record_fn attest_agent, attest_subject, attest_input, attest_sandbox, attest_response, attest_resume,
    attest_image;

/* What was allowed out of the sandboxes, and how much left. */
void attest_egress(struct attest *a);

/* A text of a record, to outlive it. */
const char *attest_keep(struct attest *a, const char *text);

/* {"name":...,"digest":{algorithm:hex}} without its end. */
void attest_resource(struct json_writer *w, const char *name, const char *algorithm, const char *hex);

/* Walk the journal. */
int attest_each(struct attest *a, attest_record_fn *fn);

#endif
