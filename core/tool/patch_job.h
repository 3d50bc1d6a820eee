/* SPDX-License-Identifier: MIT */
/*
 * One patch on its way into the sandbox: files are looked at, the plan is made, what is to be written is kept
 * durably, then written. In phases: each does one thing for every file, several at once.
 *
 *     load -> plan -> declare -> remove, write -> clean          all is well
 *                                    `-> undo                    a write failed: nothing has changed
 *     check -> clean, or undo -> load ...                        an earlier harness had begun
 *
 * A file that is replaced or removed first gets a second name beside it, so taking back needs no
 * space: it is a rename.
 */
#ifndef TOOL_PATCH_JOB_H
#define TOOL_PATCH_JOB_H

#include "core/sandbox/channel.h"
#include "core/tool/patch_intent.h"
#include "core/tool/tool.h"

#define PATCH_AT_ONCE   64                           /* files: as many requests as a guest takes at once */
#define PATCH_TOTAL_MAX ((size_t) 128 * 1024 * 1024) /* bytes of all files that are read */

struct patch_job;

/* A file that is being dealt with. */
struct patch_item {
    struct patch_job *job;
    struct channel_call *call;
    size_t index;
    struct span rest; /* still to be written */
    const char *at;   /* the folder that is looked at */
    bool is_busy;
};

struct patch_phase {
    int (*start)(struct patch_item *item); /* 1: under way; 0: nothing to do; negative: failed, job->err */
    void (*done)(struct patch_job *job);
    bool goes_on;   /* after a failure with the rest */
    bool is_single; /* one after the other */
};

enum { PATCH_HAS_BACKUP = 1, PATCH_IS_WRITTEN = 2, PATCH_IS_FOREIGN = 4, PATCH_IS_UNTOUCHED = 8 };

typedef void patch_end_fn(struct patch_job *job);

struct patch_job {
    struct tool_run run; /* first */
    struct tool_host *host;
    struct patch_job *next;              /* in the queue */
    struct loop_source *soon, *deadline; /* deadline NULL: what is done now is not counted */
    const char *call_id;
    uint64_t id;

    struct patch patch;
    struct patch_plan plan;
    struct patch_intent intent;
    uint8_t *states; /* of the writes */
    size_t folder_cap;
    size_t read_total;
    struct buf unrestored; /* paths */

    const struct patch_phase *phase;
    size_t at, count, active;
    struct patch_item items[PATCH_AT_ONCE];
    struct err err; /* the first failure; code 0: none */
    bool is_lost, is_late;
    patch_end_fn *undone; /* goes on behind an undo */
    patch_end_fn *end;    /* all is over: err, is_lost, or well */
    /* the rest is apply_patch.c's */
    char *raw;
    struct arena arena;
    const struct tree *item;
    tool_done_fn *fn;
    void *data;
};

/* `patch` is parsed; `end` comes from the loop, once. */
void patch_job_begin(struct patch_job *job, patch_end_fn *end);
void patch_job_done(struct patch_job *job); /* forgets what is under way */

/* Inside of the job. */
void patch_phase_run(struct patch_job *job, const struct patch_phase *phase, size_t count);
void patch_item_end(struct patch_item *item, int r, const struct err *err);
void patch_item_done(void *data, int r, const struct err *err);        /* as channel_done_fn, of an item */
void patch_item_done_anyhow(void *data, int r, const struct err *err); /* whose failure does not matter */
struct channel *patch_channel(struct patch_job *job);                  /* NULL: lost, and job->err says so */
void patch_fail(struct patch_job *job, int r, const struct err *err);
int patch_add_folder(struct patch_job *job, const char *path); /* that will be made; no copy */
void patch_load(struct patch_job *job);                        /* and plan, then patch_commit() */
void patch_commit(struct patch_job *job);                      /* the plan is made */
/* What an earlier harness declared: find out how far it came. */
void patch_recover(struct patch_job *job, struct span intent);
void patch_in_time(struct patch_job *job); /* the deadline is past caring */
void patch_undo(struct patch_job *job, patch_end_fn *then);
void patch_clean(struct patch_job *job);

#endif
