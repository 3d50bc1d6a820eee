/* SPDX-License-Identifier: MIT */
/*
 * What the model may call. A tool says how it is described to the model, which
 * output items are its calls, and runs one call to one answer item. It never
 * fails the run: whatever goes wrong is an answer that the model can read.
 *
 * A call: tool_start() -> ... -> on_done with the answer item, from the loop;
 * exactly once unless tool_cancel() came first.
 */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/loop.h"

#include <stdint.h>

struct channel;
struct container_lane;
struct http;
struct mcp_servers;
struct quota;
struct sandbox_spec;
struct shell_sessions;
struct patch_queue;
struct tool_skill;
struct tool_memory;
struct touched;

/* A call that is running: the first member of the tool's own struct. */
struct tool_run {
    void (*cancel)(struct tool_run *run);
};

enum { TOOL_EXEC_IDS = 4096 }; /* of one call */
#define TOOL_OUTPUT "output:"  /* read_file of "output:4/stdout" reads what call 4 printed */

/* How tools are told to the server. Calls are understood in each of them, whatever was told. */
enum tool_style {
    TOOL_STYLE_NATIVE,   /* those that the API has built in, where there is one */
    TOOL_STYLE_CUSTOM,   /* functions, and custom tools with a grammar for free text */
    TOOL_STYLE_FUNCTION, /* functions only */
};

/* The word in manifest and journal. */
static inline const char *tool_style_name(enum tool_style style)
{
    return style == TOOL_STYLE_NATIVE ? "native" : style == TOOL_STYLE_CUSTOM ? "custom" : "function";
}

struct tool_side; /* a sandbox beside the agent's, while a tool has it */

/* From the loop. */
struct tool_side_ops {
    void (*on_ready)(void *data, int result, const struct err *err); /* once; the wall was verified */
    void (*on_lost)(void *data, const struct err *err); /* after a good on_ready: it is gone, close it */
};

/* What a tool may use of the world: handed in by the run, so that tools know neither run nor engine. */
struct tool_host {
    struct loop *loop;
    struct channel *(*channel)(void *data); /* the sandbox's channel now; NULL: lost */
    /* Unique for the life of the sandbox: number of the call * TOOL_EXEC_IDS + a count from 0. A call that is
     * started again after a re-attach gets the same ones in the same order, so that what runs or ran already
     * is taken up instead of run twice. */
    uint64_t (*next_exec_id)(void *data, const char *call_id);
    /* Keep the whole output of a call in the run folder: a stream of pieces under a name
     * ("call_1.stdout"); bounded by the store. */
    void (*keep_output)(void *data, const char *call_id, const char *stream, struct span piece);
    void (*on_output)(void *data, const char *call_id, int fd,
                      struct span piece); /* for display; may be NULL */
    /* What a call is about to do, as JSON, kept durably before it does it: `fn` comes once that is so, unless
     * the call is canceled before. NULL: nobody keeps it, the call may go on at once. */
    int (*declare)(void *data, const char *call_id, struct span intent, loop_fn *fn, void *fn_data,
                   struct err *err);
    /* What this call had declared when an earlier host died over it, in a sandbox that lives; else empty. May
     * be NULL. */
    struct span (*declared)(void *data, const char *call_id);
    void *data;
    /* What calls printed, beyond what the model was shown: the number of a call, by which it is named, and
     * what was kept of one of its streams (ERR_NOT_FOUND: there is none). NULL: none of it can be read later.
     */
    int64_t (*number)(void *data, const char *call_id);
    int (*read_output)(void *data, int64_t number, const char *stream, struct buf *out, struct err *err);
    /* Another sandbox of the kind that the manifest has under `name` (core/run/spec.h: sides). As many as one
     * likes; each is started anew, and none is there any more after a resume. */
    int (*open_side)(void *data, const char *name, const struct tool_side_ops *ops, void *ops_data,
                     struct tool_side **ret, struct err *err);
    struct channel *(*side_channel)(struct tool_side *side); /* NULL: not ready yet, or lost */
    /* In any state; no callback follows. It is removed meanwhile. NULL is fine. */
    void (*close_side)(struct tool_side *side);
    const char *(*side_image)(struct tool_side *side); /* the id of the image that runs in a ready one */
    const char *results;                /* folder of results that are stored between runs; NULL: none are */
    const char *root;                   /* workspace root in the sandbox */
    const struct sandbox_spec *sandbox; /* its limits, for words about them */
    int64_t command_ms;                 /* limits.command */
    bool has_no_startup;             /* commands are trusted by their words: no start-up files of a shell */
    int64_t output_bytes;            /* limits.output: of one result shown to the model */
    const struct tool_skill *skills; /* that can be loaded */
    size_t skill_count;
    const struct tool_memory *memory; /* NULL: no notes can be left */
    const char *run_id, *model;       /* whose they are; results too */
    /* Does the text hold a secret that the run uses? May be NULL. */
    bool (*holds_secret)(const void *data, struct span text);

    /* What tools learn and keep between calls; zero at first, see tools_release(). */
    struct shell_sessions *sessions; /* commands that outlived their call */
    struct patch_queue *patches;     /* one is applied at a time, in the order of their calls */
    struct container_lane *lanes;    /* sandboxes of container tools, and who waits for them */
    struct http *http;               /* for tools that are elsewhere */
    struct mcp_servers *mcp;         /* of the run; NULL: none */
};

enum tool_outcome {
    TOOL_OK,     /* ran to an end; a command's exit status does not matter here */
    TOOL_FAILED, /* the call was wrong or could not be done: the answer says why */
    TOOL_TIMEOUT,
    TOOL_LOST, /* the sandbox went away; there is no answer */
};

struct tool_answer {
    enum tool_outcome outcome;
    struct span item;         /* raw JSON of the answer item, without newline; empty for TOOL_LOST */
    struct span essence;      /* what it comes to without what changes from call to call (times): repeats are
                                 found by it; empty: the item itself */
    const char *summary;      /* one line for people: "exit 0, 12 lines" */
    int exit_code;            /* of the (last) command, -1 = none */
    int64_t session;          /* the command goes on: the number by which the model knows it; else 0 */
    uint64_t session_exec_id; /* by which the sandbox knows it; 0 without a session */
    uint64_t output_bytes;    /* produced in all */
    bool is_cached;           /* nothing ran: it is what an earlier call gave */
    const struct quota *quotas; /* limits that were met; the answer says it to the model, too */
    size_t quota_count;
};

typedef void tool_done_fn(void *data, const struct tool_answer *answer);

struct tool_call {
    const char *call_id;
    const struct tool_own *own; /* the tool, where it is one of the run's own; lives as long as the run */
    struct span raw;            /* the item as it came */
    const struct tree *item;    /* the same, parsed; valid during start only */
};

struct tool_ops {
    const char *name; /* word in the manifest: "shell"; of the run's own tools: of their kind */
    /* The four of them are NULL in tools of the run's own: those are functions, and described as such.
     * Append this tool's definitions (one or more JSON objects) to the array being written. */
    void (*describe)(struct json_writer *w, enum tool_style style);
    bool (*owns)(const struct tree *item); /* is this output item a call of mine */
    /* One line for people of what the call does: "$ ls -la". */
    void (*title)(const struct tree *item, char *out, size_t size);
    int (*start)(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err);
    void (*touch)(const struct tree *item, struct touched *ret); /* NULL: no call of it has a path */
};

/* End a call that is still running, and what it runs inside; no callback follows. NULL is fine. Not needed
 * (and not allowed) after on_done: the call is gone then. */
static inline void tool_cancel(struct tool_run *run)
{
    if (run)
        run->cancel(run);
}

/* Give up what tools keep in the host: sessions that still run are killed. Before the host goes. */
void tools_release(struct tool_host *host);

/* After a re-attach, before calls are started again: take up a command that outlived its call, running or
 * ended, as that session. What it wrote so far, as much as is still held, is told once more. ERR_NOT_FOUND:
 * the sandbox does not know it any more. */
int tools_restore_session(struct tool_host *host, int64_t session, uint64_t exec_id, struct err *err);
/* Does a session still need this command's result? Then it must not be released. */
bool tools_holds(const struct tool_host *host, uint64_t exec_id);

/* All tools there are, NULL-terminated, in the order the model sees them. */
extern const struct tool_ops *const tools_all[];

/* What a manifest lists. */
struct tool_list {
    const char *const *names;
    size_t count;
    const struct tool_hosted *hosted;
    size_t hosted_count;
    const struct tool_own *own; /* the run's own, beside those of `names` */
    size_t own_count;
};

struct tool_found {
    const char *name;           /* that records and rules know it by */
    const struct tool_ops *ops; /* NULL: of a kind that this folder does not run (agents) */
    const struct tool_own *own; /* NULL: built in */
};

/* In the list the tool that owns the item. False: none. */
bool tool_find(const struct tool_list *list, const struct tree *item, struct tool_found *ret);

/* The one line for people, for any tool. */
void tool_title(const struct tool_found *tool, const struct tree *item, char *out, size_t size);

/* The JSON array for a request's `tools`: built in, the run's own, then those that the server runs. */
int tools_describe(const struct tool_list *list, enum tool_style style, struct buf *out, struct err *err);

/* The item that answers `item` with a text, in the shape that its type has: the API refuses a conversation
 * with a call that has no answer of its kind. Those of computer_call and tool_search_call have no place for a
 * text; we offer neither. Not for shell calls that ran. */
int tool_answer(const struct tree *item, struct span text, bool is_failed, struct buf *out, struct err *err);

/* The answer for a call that nobody owns or that may not run (text becomes its output). */
int tool_refuse(const struct tree *item, const char *text, struct buf *out, struct err *err);

#endif
