/* SPDX-License-Identifier: MIT */
/*
 * Runs a run: decide -> record -> act. All decisions are run_decide()'s, all state
 * is run_apply()'s; this module only carries out. Callbacks from model, sandbox and
 * tools append records; once a turn of the loop, just before it waits, the driver
 * asks what to do, appends the intents, makes everything durable with one
 * sync, and only then starts the effects and tells about the records.
 *
 * Life: run_new() -> run_start() -> loop_run() ... on_end (the result is durable, show it now)
 * ... on_removed (the container is gone, or kept as asked: the process may end) -> run_free().
 * Each comes exactly once after a successful run_start(), from the loop. Nothing may free the run from inside
 * one of its callbacks.
 *
 * The loop, the folder (locked by us), the spec and the maker are borrowed; the
 * caller frees them after run_free(). Sandboxes that the maker made are the run's.
 */
#ifndef RUN_DRIVER_H
#define RUN_DRIVER_H

#include "core/base/err.h"
#include "core/base/http.h"
#include "core/base/loop.h"
#include "core/model/client.h"
#include "core/run/folder.h"
#include "core/run/outputs.h"
#include "core/run/past.h"
#include "core/run/record.h"
#include "core/run/spec.h"
#include "core/run/state.h"
#include "core/sandbox/sandbox.h"

#include <stdbool.h>
#include <stdint.h>

struct run;

struct run_event {
    struct span line;              /* the journal line, without newline: what --json prints */
    const struct record *record;   /* the same, decoded (blobs in objects are not loaded) */
    const struct run_state *state; /* now, which may be further than the record */
    const char *agent;             /* id of the subagent's run that it is of; NULL: of this one's own */
    const char *agent_name;
};

struct run_summary {
    const char *id, *path; /* run and its folder */
    enum run_end_state end;
    const char *reason;
    int exit_status;
    const struct err *err; /* NULL when done; with hint */
    int64_t turns, calls;
    struct record_usage usage;
    int64_t cost_micros; /* -1: price unknown */
    int64_t elapsed_ms;
    const struct output_report *outputs; /* those collected, or those that failed */
    size_t output_count;
    struct span text;           /* the final message, "" when there is none */
    bool is_kept;               /* the container is left, see container_name */
    const char *container_name; /* NULL: there was none */
    int64_t kept_ms;            /* so long its guest waits for a harness before it ends the container */
};

/* May this call run? */
struct run_question {
    int64_t call;
    const char *rule;             /* of agent.approve */
    struct span text;             /* everything that the call wants, foreign */
    const char *agent, *agent_id; /* a subagent's: its name and id; NULL */
};
enum run_approve_answer { RUN_APPROVE_YES, RUN_APPROVE_NO, RUN_APPROVE_LATER };

/* NULL members are not called. */
struct run_events {
    /* True: somebody is asked, and run_approve() will come. */
    bool (*on_ask)(void *data, const struct run_question *question);
    void (*on_record)(void *data, const struct run_event *ev);              /* durable ones, in order */
    void (*on_delta)(void *data, enum model_delta kind, struct span text);  /* display only, not recorded */
    void (*on_output)(void *data, int64_t call, int fd, struct span piece); /* the same, of a command */
    void (*on_step)(void *data, const char *step, const char *text);        /* sandbox: "pull", ... */
    void (*on_end)(void *data, const struct run_summary *summary);
    void (*on_removed)(void *data, int result, const struct err *err);
};

/* Checks what can be checked without starting anything: inputs exist, outputs can be written, key is there,
 * price is known when a cost is limited. `past` NULL: a new run; else it is taken over, also on failure. */
int run_new(struct loop *loop, struct http *http, const struct run_spec *spec, struct run_folder *folder,
            const struct sandbox_maker *maker, struct run_past *past, struct run **ret, struct err *err);
/* Write manifest and first records; from then on events come. `program` ("agentbox 0.1.0") goes into the
 * first record. */
int run_start(struct run *run, const char *program, const struct run_events *events, void *data,
              struct err *err);
/* The same for a run with a past. `sets`: what this resume sets, NULL-terminated, recorded. ERR_USAGE: it has
 * ended well. */
int run_resume(struct run *run, const char *program, const char *const *sets, const struct run_events *events,
               void *data, struct err *err);

/* The answer to a question of this run, or of the subagent with that id, with a reason for the model when it
 * is no; LATER ends the run, which asks again when it goes on. Nothing happens when the question is not open
 * any more. */
void run_approve(struct run *run, const char *agent_id, int64_t call, enum run_approve_answer answer,
                 const char *reason);
/* Before run_resume(): the answer to what was asked before the run ended. */
int run_approve_resumed(struct run *run, bool is_approved, const char *reason, struct err *err);

/* Stop cleanly: cancel what is open, record it, remove the container as `keep` says. Exit 128 + signum. The
 * caller handles a second signal. Nothing happens when the run has ended. */
void run_interrupt(struct run *run, int signum);

/* Hand over a sandbox of now, those of subagents first, which is no longer the run's: after a second signal,
 * to remove it. Asked again, the next one; NULL: there is none. Only run_free() may follow, without running
 * the loop in between. */
struct sandbox *run_take_sandbox(struct run *run);

/* Also in the middle: cancels everything, removes nothing. NULL is fine. */
void run_free(struct run *run);

const struct run_state *run_state_of(const struct run *run);

#endif
