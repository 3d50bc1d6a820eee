/* SPDX-License-Identifier: MIT */
/*
 * The records of a run: what the journal holds, typed. One enum of types, one
 * struct per type, one table of fields per struct; encoding and decoding both
 * come from the table. Pure: no files, no clock.
 *
 * A record on disk is one JSON object on one line (journal.h has the envelope):
 *   {"seq":3,"time":"2026-11-22T01:30:00.123Z","ms":412,"type":"call.begin", ...fields..., "prev":"<sha256>"}
 * `time` is for people. `ms` is how long the run has been running: monotonic, it
 * continues over a resume, and it is the only time that limits and waits know.
 *
 * Blobs are JSON values taken over byte for byte. Up to RECORD_INLINE_MAX bytes
 * they stand in the record under their name; larger ones are objects of the run folder and the record has
 * "<name>_ref":{"object":"<sha256>","size":N} instead. After decoding such a blob has no bytes until somebody
 * loads the object (journal_resolve()).
 *
 * Rule for changes: fields and types may be added; readers skip what they do not
 * know. Whatever changes the meaning of what is there raises RECORD_FORMAT.
 */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/tree.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD_FORMAT     1
#define RECORD_INLINE_MAX 65536 /* bytes of one blob that stay in the line */
#define RECORD_LIST_MAX   256   /* elements of a list in a record */

/* Of one run: nothing leaves without a record, and records must not fill the disk. */
#define RECORD_EGRESS_ALLOWS_MAX 50000
#define RECORD_EGRESS_DENIES_MAX 1000 /* later ones are only counted */

/* What the words in the journal mean to a run; names in record_type_name(). */
enum record_type {
    RECORD_UNKNOWN,         /* of a newer version: kept by its name, changes nothing */
    RECORD_RUN_BEGIN,       /* always the first */
    RECORD_INPUT_ITEM,      /* an item the harness puts into the conversation: the task */
    RECORD_SANDBOX_START,   /* intent: look for the image, pull it if allowed */
    RECORD_SANDBOX_INTENT,  /* intent: create this container */
    RECORD_SANDBOX_SCAN,    /* a program of the host looked at the image before anything of it ran */
    RECORD_SANDBOX_READY,   /* it runs, the guest answers, the lock-down was verified */
    RECORD_SANDBOX_FAILED,  /* it never became ready */
    RECORD_SANDBOX_LOST,    /* it was ready and is gone */
    RECORD_WORKSPACE_BEGIN, /* intent: fill the workspace */
    RECORD_WORKSPACE_READY,
    RECORD_WORKSPACE_FAILED,
    RECORD_REQUEST_BEGIN,  /* intent: this body goes to the model */
    RECORD_REQUEST_ITEM,   /* one complete output item */
    RECORD_REQUEST_END,    /* the turn's answer is complete as far as it will ever be */
    RECORD_REQUEST_FAILED, /* this try is void, its items are not part of the conversation */
    RECORD_CALL_BEGIN,     /* intent: run this call */
    RECORD_CALL_INTENT,    /* what the call is about to do, said by its tool before it does it */
    RECORD_CALL_END,       /* its answer */
    RECORD_CALL_LOST,      /* it was running when the sandbox went away: no answer, effect unknown */
    RECORD_LIMIT_HIT,
    RECORD_OUTPUTS_BEGIN, /* intent: collect the outputs */
    RECORD_OUTPUT_DONE,   /* one output is at its place */
    RECORD_OUTPUT_FAILED,
    RECORD_OUTPUTS_END,
    RECORD_INTERRUPT, /* a signal asked the run to stop */
    RECORD_RUN_END,   /* the result; only sandbox.removed and run.resume may follow */
    RECORD_SANDBOX_REMOVED,
    RECORD_RUN_RESUME,       /* another process goes on from here */
    RECORD_SANDBOX_ATTACH,   /* intent: go on with the container of the dead harness; ready or lost follows */
    RECORD_ROLLBACK,         /* conversation and workspace go back to a checkpoint, together */
    RECORD_CHECKPOINT_BEGIN, /* intent: keep the workspace */
    RECORD_CHECKPOINT_DONE,
    RECORD_CHECKPOINT_FAILED,
    RECORD_INPUT_DONE,   /* one entry of the manifest is in the workspace */
    RECORD_EGRESS_ALLOW, /* intent: this request, or tunnel, leaves the sandbox */
    RECORD_EGRESS_DENY,
    RECORD_EGRESS_END,    /* of one that was allowed */
    RECORD_EGRESS_TOTAL,  /* what left in the whole run so far */
    RECORD_CONTEXT_BEGIN, /* intent: look into folders of the workspace for what the model is told of them */
    RECORD_CONTEXT_DONE,  /* what was found there, and the item that says so */
    RECORD_ANSWER_CHECK,  /* the final message beside agent.output.schema */
    RECORD_CHECK_BEGIN,   /* intent: run this command of `checks` */
    RECORD_CHECK_END,
    RECORD_APPROVAL_ASK,    /* intent: somebody is asked whether this call may run */
    RECORD_APPROVAL_ANSWER, /* and what was answered */
    RECORD_SIDE_START,      /* intent: a sandbox beside the agent's, for a tool or a server of tools */
    RECORD_SIDE_SCAN,       /* these as those of the agent's own */
    RECORD_SIDE_INTENT,
    RECORD_SIDE_READY,
    RECORD_SIDE_FAILED,
    RECORD_SIDE_LOST,
    RECORD_SIDE_REMOVED,
    RECORD_COMPACTION_BEGIN,  /* intent: this body asks the model for a summary of the conversation */
    RECORD_COMPACTION_DONE,   /* it takes the place of older items from now on */
    RECORD_COMPACTION_FAILED, /* there is none, or none of use */
    RECORD_AGENT_BEGIN,       /* intent: a subagent's run, in a folder of its own, answers this call */
    RECORD_AGENT_END,         /* it has ended, or stopped with this run */
    RECORD_MCP_START,         /* intent: start this server of tools */
    RECORD_MCP_TOOLS,         /* it is up, or has another list: what the model is told of from now on */
    RECORD_MCP_DOWN,          /* it did not come up, or died for good */
    RECORD_TYPES
};

struct record_blob {
    struct span json;        /* the bytes; empty when stored and not loaded, or when there is none */
    char object[DIGEST_HEX]; /* "" when inline */
    int64_t size;            /* bytes, also when not loaded */
};

/* ---- one struct per type; NULL texts and empty blobs are left out ---- */

struct record_run_begin {
    int64_t format;
    const char *id, *name, *program; /* program: "agentbox 0.1.0" */
    const char *manifest;            /* sha256 of manifest.json */
    const char *host, *boot;         /* boot id of the machine */
    int64_t pid;
    const char *model, *base_url;
    /* a fork, or a subagent: of which run, as of which record, and the SHA-256 of that line of its journal */
    const char *parent, *parent_line;
    int64_t parent_seq;
    int64_t parent_calls; /* numbers that its calls have: ours go on behind them */
    const char *agent;    /* a subagent: the name that it is called by; NULL: it is none */
    int64_t call;         /* of its parent, which it answers; 0 = it is none */
};

struct record_text {
    const char *text;
};

struct record_run_resume {
    const char *program, *host, *boot;
    int64_t pid;
    const struct record_text *sets; /* --set of this resume: "limits.turns=40" */
    size_t set_count;
};

struct record_sandbox_attach {
    int64_t attempt;
    const char *container_id, *container_name;
};

struct record_rollback {
    int64_t checkpoint;   /* number; 0 = the empty workspace, filled again from the manifest */
    int64_t turn;         /* the turn to go on from; 0 = the beginning */
    int64_t calls;        /* so many calls of it lost their effects */
    int64_t turns_undone; /* answers of the model that are no longer part of the conversation */
};

struct record_checkpoint {
    int64_t number;      /* from 1; the last one's when nothing has changed */
    int64_t turn, calls; /* as of so many turns, and all calls up to this number */
    bool is_same;        /* "same": nothing changed, nothing stored; the members below are empty then */
    const char *tree;    /* listing_digest() */
    const char *record;  /* SHA-256 of the tree record's file */
    const char *pack;    /* SHA-256 of the pack; NULL: no new contents */
    int64_t files, folders, links, bytes; /* in the workspace */
    int64_t new_files, new_bytes;         /* contents in the pack */
    int64_t pack_bytes;                   /* size of its file */
    int64_t unkept;                       /* things that cannot be kept, named in the tree record */
    int64_t duration_ms;
    const struct record_text *pruned; /* files no longer needed, deleted next: "000001.tar.zst" */
    size_t pruned_count;
};

struct record_input_item {
    bool is_history; /* "history": of a fork, what was said after the task; the rest is never replaced */
    int64_t notes; /* it tells so many notes of earlier runs, and goes in front of the task; 0: it does not */
    struct record_blob item;
};

/* `side`, in these: which of those beside the agent's, "docs-1"; NULL: the agent's own. */
struct record_sandbox_start {
    const char *side;
    int64_t attempt;
    const char *image, *engine; /* as the manifest has them */
};

struct record_row {
    const char *name, *state, *asked, *found; /* state: asked verified lowered failed */
};

struct record_sandbox_intent {
    const char *side;
    int64_t attempt;
    const char *backend, *engine, *engine_version, *api_version;
    const char *image, *image_id, *image_digest, *container_name;
    const struct record_row *rows; /* the lock-down as it will be asked for */
    size_t row_count;
};

struct record_sandbox_scan {
    const char *side;
    int64_t attempt;
    const char *image, *image_id, *image_digest;
    const struct record_text *command; /* as the manifest has it */
    size_t command_count;
    const char *answer;  /* accepted refused failed (there was none) */
    int64_t exit_status; /* "exit"; -1: it did not end by itself */
    int64_t age_ms;      /* the answer was given so long before; 0: now */
    int64_t duration_ms;
    const char *output;  /* its last words */
    const char *message; /* failed: why */
};

struct record_sandbox_ready {
    const char *side;
    int64_t attempt;
    const char *container_id, *container_name;
    const char *guest_boot; /* hex; another one is another sandbox */
    const char *guest_build;
    const struct record_row *rows; /* as found */
    size_t row_count;
};

/* For *.failed, *.lost and *.removed. */
struct record_failure {
    const char *side;
    int64_t attempt;
    const char *code; /* err_code_name(); NULL: all went well */
    const char *message, *hint;
};

struct record_workspace {
    int64_t attempt, files, folders, links, bytes;
    int64_t checkpoint; /* restored from this one; 0 = filled from the manifest */
    const char *tree;   /* workspace.ready after a restore: the digest found inside */
};

struct record_input {
    const char *path; /* in the workspace */
    bool is_folder, is_mount;
    int64_t files, size;
    const char *sha256; /* of a folder as in output_digest.h; NULL: mounted, so that nobody read it */
};

struct record_request_begin {
    int64_t turn, attempt; /* "try" on disk; both from 1 */
    int64_t items;         /* of the conversation, sent or known to the server */
    int64_t items_sent;
    const char *body; /* sha256 of the request body, which the fold can build again */
    int64_t body_bytes;
    const char *tool_style; /* native | custom | function */
    const char *previous;   /* previous_response_id */
    int64_t compact_at;     /* context_management was sent with that many tokens; 0: not */
};

/* A folder that was looked into, and its AGENTS.md. */
struct record_looked {
    const char *folder;  /* beneath the workspace, "" = itself */
    int64_t size, shown; /* bytes of the file, and of it as it was given to the model */
    const char *sha256;  /* of what was read; NULL: there is none */
    bool is_cut;         /* "cut": not all of it was given */
    const char *problem; /* why nothing of it was */
};

struct record_context {
    int64_t turn; /* before the answer of the turn after it */
    const struct record_looked *looked;
    size_t looked_count;
    int64_t tree_shown, tree_more; /* entries of the listing; those it left out, as far as they were seen */
    struct record_blob item;       /* for the conversation; empty: there was nothing to tell */
};

struct record_request_item {
    int64_t turn, output_index;
    const char *kind; /* message | reasoning | call | other */
    const char *item_type;
    bool is_incomplete;                /* "incomplete": its status is not completed */
    bool is_refusal, is_commentary;    /* messages */
    int64_t call;                      /* calls: number in the run, from 1; 0 = no call */
    const char *call_id, *tool;        /* tool NULL: nobody's */
    const char *title;                 /* one line for people */
    const struct record_text *folders; /* of the workspace that it touches, as far as the call says */
    size_t folder_count;
    const char *approve; /* calls: ask | deny, by agent.approve; NULL: may run */
    const char *rule;    /* and what of it says so */
    struct record_blob item;
};

struct record_usage {
    int64_t input, cached, output, reasoning, total;
    bool is_estimated; /* the server said nothing: counted from bytes */
};

struct record_request_end {
    int64_t turn;
    const char *status;  /* completed | incomplete | cut (broken after a call had begun) */
    const char *reason;  /* of incomplete and cut */
    const char *message; /* cut: what broke */
    const char *response_id, *request_id, *model;
    struct record_usage usage;
    int64_t cost_micros; /* of this exchange; -1 = price unknown */
    int64_t retry_ms;    /* cut: wait this long before the next request */
};

struct record_request_failed {
    int64_t turn, attempt;
    const char *code; /* the server's word or ours */
    const char *message, *hint;
    int64_t http_status;
    bool will_retry;
    int64_t retry_ms;
    /* function_tools | full_input | no_reasoning | told_schema | no_compaction | compact: sent again, changed
     */
    const char *repair;
    const char *request_id;
    struct record_usage usage;
    int64_t cost_micros;
};

/* compaction.begin, .done, .failed */
struct record_compaction {
    int64_t turn;         /* after its answers, or in the place of its answer */
    int64_t attempt;      /* "try" */
    int64_t keeps;        /* the conversation's items from this number on (from 0) stay */
    int64_t items, bytes; /* that are replaced */
    const char *body;     /* begin: as in request.begin */
    int64_t body_bytes;
    struct record_blob item; /* done: the summary as an item */
    const char *response_id, *request_id, *model;
    const char *code, *message, *hint; /* failed; "interrupted": nobody knows what became of it */
    int64_t http_status;
    bool will_retry;
    int64_t retry_ms;
    struct record_usage usage;
    int64_t cost_micros; /* -1 = price unknown */
};

struct record_call_begin {
    int64_t turn, call;
    const char *call_id, *tool;
    int64_t exec_id; /* first of the ids its commands have in the sandbox */
    bool is_rerun;   /* "rerun": it ran before, in a sandbox that is gone with all its effects */
    bool is_outside; /* "outside": what it does is not done in the sandbox, and cannot be undone with it */
    int64_t check;   /* check.begin: which of `checks`, from 1 */
    const char *run; /* check.begin: its command */
};

/* mcp.start (server), mcp.tools, mcp.down (server, code, message). */
struct record_mcp {
    const char *server;          /* name in the manifest */
    const char *protocol;        /* version that was agreed upon */
    const char *title, *release; /* what it says of itself; foreign */
    int64_t count, dropped;      /* tools; those that were too many, too large, or none */
    struct record_blob tools;    /* list of {name, tool, kind, description, strict, parameters} */
    const char *code, *message;
};

struct record_call_intent {
    int64_t turn, call;
    const char *call_id;
    struct record_blob intent; /* the tool's own */
};

struct record_stream {
    const char *name;
    int64_t size;       /* bytes seen */
    int64_t kept;       /* of these kept, from the start */
    const char *text;   /* small and clean ones, in full */
    const char *object; /* others */
};

struct record_limit {
    const char *limit, *text; /* "memory", "out of memory (limit 1g)"; words in tool/quota.c */
};

struct record_call_end {
    int64_t turn, call;
    const char *call_id;
    const char *outcome; /* ok | failed | timeout | refused | interrupted */
    const char *summary;
    int64_t exit_code; /* -1 = none */
    int64_t session;   /* its command goes on, the model knows it by this number; 0 = none */
    int64_t exec_id;   /* of that command */
    int64_t output_bytes;
    int64_t duration_ms;
    bool cached;      /* nothing ran: the result was stored by an earlier call */
    const char *same; /* fingerprint of call and answer without ids: repeats are found by it */
    struct record_blob answer;
    const struct record_stream *streams;
    size_t stream_count;
    const struct record_limit *limits; /* of the sandbox, met by its commands */
    size_t limit_count;
    int64_t check; /* check.end: which of `checks`, from 1; `answer` is the item that tells the model of a
                      failure ("input"), empty when there is nothing to tell */
};

struct record_answer_check {
    int64_t turn;
    bool fits;
    const char *path;         /* where it does not, a JSON pointer */
    const char *message;      /* what is wrong there */
    struct record_blob input; /* the item that tells the model; empty: it is told no more */
};

/* approval.ask, approval.answer. */
struct record_approval {
    int64_t turn, call;
    const char *call_id;
    const char *answer; /* approve | deny | later: the run ends, and asks again when it goes on */
    const char *by;     /* terminal | resume | nobody */
    const char *reason; /* of a denial; for the model */
};

/* agent.begin (without what follows `id`), agent.end. */
struct record_agent {
    int64_t turn, call;
    const char *call_id, *name, *id; /* id: of its run */
    const char *state, *reason;      /* of its run.end */
    const char *line;                /* SHA-256 of the last line of its journal */
    struct record_usage usage;       /* of all that it used so far, with what is below it */
    int64_t cost_micros;             /* -1 = price unknown */
    int64_t turns, calls, agents;    /* agents: below it */
    int64_t asked_ms; /* of the run that writes this: so long any of its subagents waited for an
                         answer while it did not itself, in all */
};

struct record_call_lost {
    int64_t turn, call;
    const char *call_id;
};

struct record_limit_hit {
    const char *limit; /* turns tool_calls wall tokens cost repeat */
    int64_t value, max;
};

struct record_outputs {
    int64_t count;
    const char *code, *message, *hint; /* outputs.end: why nothing was written; NULL: all went well */
};

struct record_output {
    const char *path, *to;
    bool is_missing; /* not required and not there */
    bool is_folder;
    int64_t files, size;
    const char *sha256;
    const char *list;           /* folders: the object that names each file with its digest */
    const char *code, *message; /* output.failed */
};

/* egress.allow, egress.deny, egress.end. */
struct record_egress {
    const char *side;   /* the sandbox beside the agent's that it is of; NULL: the agent's own */
    int64_t number;     /* from 1, of a request that wanted out; the end has that of its begin */
    int64_t call;       /* of the tool call whose process it is, as far as the sandbox shows; 0 = unknown */
    const char *method; /* CONNECT: a tunnel */
    const char *host;
    int64_t port;
    const char *rule;    /* that allowed it, in its normal form */
    const char *reason;  /* deny: why not; end: why it was cut */
    const char *allow;   /* deny: what network.allow would have to have */
    const char *address; /* end: connected to */
    int64_t status;      /* end: of the answer to a plain request; 0 = none */
    int64_t bytes_up, bytes_down, duration_ms;
    bool is_denied; /* end: refused after all, before anything was sent that the sandbox wanted to say */
};

/* Sums over the run, of all its processes, for one of its sandboxes. */
struct record_egress_total {
    const char *side;                     /* as above */
    int64_t connections, allowed, denied; /* denied: those without a record too */
    int64_t bytes_up, bytes_down;
};

struct record_interrupt {
    int64_t signum;
    const char *signal; /* "SIGINT" */
};

struct record_run_end {
    const char *state; /* done | failed | limit | interrupted */
    const char *reason;
    const char *code; /* err_code_name(); NULL: done */
    const char *message, *hint;
    int64_t exit_status; /* "exit" */
    int64_t turns, calls, tokens, cost_micros;
    bool is_kept; /* the container stays */
};

struct record {
    enum record_type type;
    uint64_t seq;        /* from 1; set by the journal */
    int64_t time_ms;     /* wall clock; set by the journal */
    int64_t ms;          /* running time */
    const char *unknown; /* RECORD_UNKNOWN: the word */
    union {
        struct record_run_begin run_begin;
        struct record_input_item input_item;
        struct record_sandbox_start sandbox_start;
        struct record_sandbox_intent sandbox_intent;
        struct record_sandbox_scan sandbox_scan;
        struct record_sandbox_ready sandbox_ready;
        struct record_failure
            failure; /* sandbox.failed, sandbox.lost, sandbox.removed, workspace.failed, checkpoint.failed */
        struct record_input input;
        struct record_workspace workspace; /* workspace.begin, workspace.ready */
        struct record_request_begin request_begin;
        struct record_request_item request_item;
        struct record_request_end request_end;
        struct record_request_failed request_failed;
        struct record_compaction compaction;
        struct record_call_begin call_begin; /* call.begin, check.begin */
        struct record_call_intent call_intent;
        struct record_mcp mcp;
        struct record_call_end call_end; /* call.end, check.end */
        struct record_call_lost call_lost;
        struct record_limit_hit limit_hit;
        struct record_outputs outputs; /* outputs.begin, outputs.end */
        struct record_output output;   /* output.done, output.failed */
        struct record_egress egress;   /* egress.allow, egress.deny, egress.end */
        struct record_egress_total egress_total;
        struct record_answer_check answer_check;
        struct record_approval approval;
        struct record_agent agent; /* agent.begin, agent.end */
        struct record_interrupt interrupt;
        struct record_run_end run_end;
        struct record_run_resume run_resume;
        struct record_sandbox_attach sandbox_attach;
        struct record_rollback rollback;
        struct record_checkpoint checkpoint; /* checkpoint.begin (number, turn, calls), checkpoint.done */
        struct record_context context;       /* context.begin (turn), context.done */
    };
};

/* "call.begin"; never NULL. */
const char *record_type_name(enum record_type type);
enum record_type record_type_of(struct span name);

/* The fields of the payload as members of the object being written. */
void record_encode(struct json_writer *w, const struct record *rec);

/* The payload from the members of `line` into `ret` (whose type is set). Texts point into the tree, lists go
 * to `arena`; blobs point into the bytes that `line` was parsed from. Absent fields are zero, NULL, empty.
 * ERR_INVALID: a field is not what it must be, or a required one is missing. */
int record_decode(const struct tree *line, struct arena *arena, struct record *ret, struct err *err);

/* The blob of a record, NULL when its type has none. */
struct record_blob *record_blob_of(struct record *rec);

#endif
