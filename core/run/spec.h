/* SPDX-License-Identifier: MIT */
/*
 * One run, fully decided: what a manifest says after decoding, expansion and
 * checks. The only thing that manifest/ hands to the rest of the program.
 * Plain data in one arena; secrets are references still.
 */
#ifndef RUN_SPEC_H
#define RUN_SPEC_H

#include "core/base/arena.h"
#include "core/egress/spec.h"
#include "core/model/spec.h"
#include "core/sandbox/spec.h"
#include "core/tool/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct replay;
struct run_folder;

#define RUN_AGENTS_MD "AGENTS.md" /* what projects call the file that tells agents about them */

enum run_entry_kind { RUN_ENTRY_DIR, RUN_ENTRY_FILE, RUN_ENTRY_LOCAL_FILE, RUN_ENTRY_LOCAL_DIR };

struct run_entry {
    const char *path; /* beneath the workspace root, normalized, no leading slash */
    enum run_entry_kind kind;
    const char *src;     /* absolute host path; local_* only */
    struct span content; /* file only */
    bool mount;          /* bind read-only instead of copying */
    bool is_skill;       /* a skill's folder, copied without any permission to write */
    int64_t mode;        /* permission bits, -1 = as the source (or 0644 / 0755) */
};

struct run_output {
    const char *path; /* beneath the workspace root, normalized */
    const char *to;   /* absolute host path of the target itself (a trailing '/' is resolved already) */
    const char *to_as_given;
    bool required;
    bool is_hidden_refused; /* a folder may hold no name that begins with a dot */
    const char *from; /* images out of what this tool of the server's said; NULL: out of the workspace */
};

struct run_check { /* run in the sandbox after a final message */
    const char *run;
    int64_t retries; /* so often the model is told that it fails */
};

struct run_limits { /* 0 = no limit, unless said */
    int64_t turns, tool_calls, wall_ms, tokens, cost_micros, command_ms, output_bytes, repeat;
    int64_t depth;  /* levels of subagents; 0: none */
    int64_t agents; /* subagents that may be started, those of subagents too; 0: none */
};

enum run_checkpoint_every { RUN_CHECKPOINT_CALL, RUN_CHECKPOINT_TURN, RUN_CHECKPOINT_OFF };
enum run_on_interrupt { RUN_INTERRUPT_REPORT, RUN_INTERRUPT_RERUN, RUN_INTERRUPT_FAIL };

struct run_checkpoints {
    enum run_checkpoint_every every;
    int64_t keep; /* so many can be restored; 0 = all */
    enum run_on_interrupt on_interrupt;
};

enum run_compact_by { RUN_COMPACT_AUTO, RUN_COMPACT_LOCAL, RUN_COMPACT_OFF };

/* When the conversation is made shorter (state.h, struct run_compaction). */
struct run_compact {
    enum run_compact_by by;
    int64_t at_tokens; /* 0: the model's window is not known; then only when the server says so */
};

struct run_param {
    const char *name;
    const char *value;
};

/* A sandbox of the run beside the agent's, for a tool or a server of tools. */
struct run_side {
    const char *name; /* [a-z0-9-]{1,40}, one of its kind in the run */
    struct sandbox_spec sandbox;
    struct egress_spec network;
};

/* An agent that is a tool of another (tool_own.spec of TOOL_AGENT): a run of its own. */
struct run_agent {
    const char *name;
    struct run_spec *spec;                      /* owned by the other's; the task is NULL */
    const char *const *inputs, *const *outputs; /* beneath both workspaces */
    size_t input_count, output_count;
    bool is_handoff; /* it works in its parent's sandbox */
};

struct run_spec {
    struct arena arena; /* owns everything below */
    const char *source; /* absolute path of the manifest, for messages */
    const char *name;
    const char *description; /* "" when none */
    const struct run_param *params;
    size_t param_count;

    struct model_spec model;

    const char *instructions; /* text, file already read; NULL: none */
    const char *task;
    const char *const *attachments; /* absolute host paths */
    size_t attachment_count;
    const char *const *tools; /* words: "shell"; "load_skill" when there are skills */
    size_t tool_count;
    const struct tool_hosted *hosted; /* run by the model's server */
    size_t hosted_count;
    const struct tool_own *own; /* tools of the manifest's own; servers may add theirs */
    size_t own_count;
    const struct tool_mcp *mcp; /* those servers */
    size_t mcp_count;
    bool agents_md, file_tree;
    const struct tool_skill *skills; /* sorted by name */
    size_t skill_count;
    struct approve_spec approve;
    struct tool_memory memory;

    struct sandbox_spec sandbox;
    struct egress_spec network; /* no rule: nothing may leave */
    struct run_side *sides;     /* a replay takes their rules away */
    size_t side_count;
    const struct run_entry *entries;
    size_t entry_count;
    const struct run_output *outputs;
    size_t output_count;
    const struct run_check *checks;
    size_t check_count;
    struct run_limits limits;
    int64_t life_ms; /* so long its sandboxes may be needed, from their start; 0 = nobody knows */
    struct run_checkpoints checkpoints;
    struct run_compact compact;

    struct run_folder *agents_from; /* a replay: the run whose subagents' results are given again; NULL: none.
                                       Borrowed */
    const struct replay *mcp_from;  /* a replay: what servers of tools had and answered then; none is started,
                                       and  their secrets are not read. NULL: none. Borrowed */

    const char *resolved; /* JSON text: the manifest after expansion, secrets as references; what the run
                             folder keeps */
};

/* NULL: it is no agent. */
static inline const struct run_agent *run_spec_agent(const struct tool_own *own)
{
    return own->kind == TOOL_AGENT ? (const struct run_agent *) own->spec : NULL;
}

/* The spec and everything in it, those of its agents too; NULL is fine. */
static inline void run_spec_free(struct run_spec *spec)
{
    if (!spec)
        return;
    for (size_t i = 0; i < spec->own_count; i++)
        if (run_spec_agent(&spec->own[i]))
            run_spec_free(run_spec_agent(&spec->own[i])->spec);
    arena_done(&spec->arena);
    free(spec);
}

#endif
