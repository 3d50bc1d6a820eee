/* SPDX-License-Identifier: MIT */
/*
 * A run among doubles: a model that follows a script, a sandbox that obeys, tools
 * that do what their arguments say, workspace and outputs that only say so. The
 * doubles stand under the real names; the linker takes them instead of the library's.
 * Nothing waits for time; every answer comes from the loop.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "core/base/loop.h"
#include "core/model/client.h"
#include "core/run/driver.h"
#include "core/sandbox/sandbox.h"

/* One thing that the scripted model does. */
enum rig_step {
    RIG_ITEM,      /* deliver `text` as an item */
    RIG_END,       /* end as `end` says; the next request goes on behind it */
    RIG_WAIT_CALLS /* go on when `count` calls have begun in all */
};

struct rig_script {
    enum rig_step step;
    const char *text;
    int64_t count;
    struct model_end end;
};

enum rig_fault {
    RIG_NO_FAULT,
    RIG_SANDBOX_REFUSED, /* start itself fails */
    RIG_SANDBOX_FAILS,   /* on_ready says so */
    RIG_LOCKDOWN_FAILS,  /* the same, by policy */
    RIG_FILL_FAILS,
    RIG_OUTPUT_FAILS,
    RIG_REMOVE_FAILS,
    RIG_ATTACH_FAILS, /* nothing to attach to */
    RIG_ATTACH_UNREACHABLE,
    RIG_CHECKPOINT_FAILS,
    RIG_CHECKPOINT_TOO_LARGE,
    RIG_CHECKPOINT_LOST, /* the sandbox goes while it is taken */
    RIG_SIDE_REFUSED,    /* one beside the agent's does not start */
    RIG_SIDE_STAYS,      /* it cannot be removed; the agent's can */
    RIG_NOTHING_CHANGES, /* checkpoints find what is known */
};

struct rig {
    struct sandbox sandbox; /* first: it is what the driver gets */
    struct sandbox_maker maker;
    struct loop *loop;
    struct run_folder *folder;
    struct run *run;
    struct run_spec spec;
    const struct rig_script *script;
    size_t script_count, script_at;
    enum rig_fault fault;
    int interrupt_after; /* records; 0 = never */
    int removal_ms;      /* how long the removal takes */
    int64_t asked_ms;    /* somebody is asked, who takes that long; 0: nobody is */
    int full_after;      /* so many records told, the disk is full; 0 = never */

    const char *const *sets; /* of a resume */

    /* what happened */
    int attempt;     /* of the sandbox made last */
    bool is_resumed; /* the model answers by what the request holds */
    int refused;     /* run_resume() */
    int64_t releases;
    char log[16384];   /* one word for each record and each call from outside, separated by blanks */
    struct buf bodies; /* request bodies, one a line */
    struct buf lines;  /* journal lines as told */
    size_t records;
    size_t removal_waits; /* so often the loop waited while the removal went on */
    int64_t calls_begun, sends;
    int64_t asked_call;
    struct later *ask_later;
    bool has_ended, is_removed;
    int end_status;
    enum run_end_state end_state;
    char end_reason[64], end_text[256], end_error[1200], end_hint[600];
    int64_t end_turns, end_calls, end_tokens, end_cost;
    size_t end_outputs;
    bool end_kept;
    int remove_result;
};

/* A spec with sensible members, a fresh state folder; script of `count` steps. */
void rig_init(struct rig *rig, const struct rig_script *script, size_t count);
/* There is something to be told of the workspace, and each call touches the folder that its arguments name.
 */
void rig_set_context(struct rig *rig);
/* Run to the end; then the folded journal must equal the live state, and so must hold for every prefix that
 * it can be folded and decided upon. */
void rig_run(struct rig *rig);
/* Another process goes on after the first `records` of a journal, in a folder of its own; torn every other
 * time. */
void rig_resume(struct rig *rig, const struct buf *lines, size_t records);
size_t rig_records(const struct buf *lines);
void rig_done(struct rig *rig);

#endif
