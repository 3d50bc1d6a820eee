/* SPDX-License-Identifier: MIT */
/* exec_command and write_stdin: commands as functions, with sessions for what outlives a call. */
#include "core/tool/shell_impl.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/table.h"
#include "core/base/units.h"
#include "core/tool/function.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX     64
#define SESSION_ID_FIRST 1000
#define SESSION_ID_LAST  99999
#define YIELD_MIN_MS     250
#define YIELD_MAX_MS     30000
#define POLL_MIN_MS      5000
#define BYTES_PER_TOKEN  4

struct exec_args {
    const char *cmd, *workdir, *shell;
    bool login, tty;
    int64_t yield_ms, max_output_tokens, rows, cols;
};

#define SIZE(type, member, text)                                                        \
    {                                                                                   \
        .name = #member, .kind = FIELD_INT, .offset = offsetof(type, member), .min = 1, \
        .max = CHANNEL_TTY_MAX, .help = text                                            \
    }

static const struct field exec_fields[] = {
    { .name = "cmd",
      .kind = FIELD_STRING,
      .offset = offsetof(struct exec_args, cmd),
      .flags = FIELD_REQUIRED,
      .help = "Shell command to execute." },
    { .name = "workdir",
      .kind = FIELD_STRING,
      .offset = offsetof(struct exec_args, workdir),
      .help = "Working directory of the command, relative to the workspace. Default: the workspace root." },
    { .name = "shell",
      .kind = FIELD_STRING,
      .offset = offsetof(struct exec_args, shell),
      .help = "Shell binary to launch. Default: bash where there is one, else sh." },
    { .name = "login",
      .kind = FIELD_BOOL,
      .offset = offsetof(struct exec_args, login),
      .fallback = "true",
      .help = "Whether to run the shell as a login shell (-l)." },
    { .name = "tty",
      .kind = FIELD_BOOL,
      .offset = offsetof(struct exec_args, tty),
      .fallback = "false",
      .help = "Whether to give the command a terminal; needed to send it input later." },
    { .name = "yield_time_ms",
      .kind = FIELD_INT,
      .offset = offsetof(struct exec_args, yield_ms),
      .fallback = "10000",
      .help = "How long to wait (in milliseconds) for output before yielding; a command that still runs then "
              "becomes a session." },
    { .name = "max_output_tokens",
      .kind = FIELD_INT,
      .offset = offsetof(struct exec_args, max_output_tokens),
      .flags = FIELD_UNSET_NEG,
      .help = "Maximum number of tokens to return. Excess output is cut in the middle." },
    SIZE(struct exec_args, rows, "Height of the terminal. Default: 24."),
    SIZE(struct exec_args, cols, "Width of the terminal. Default: 80."),
};

static const struct table exec_table = {
    .name = "exec_command",
    .fields = exec_fields,
    .count = FIELD_COUNT_OF(exec_fields),
    .size = sizeof(struct exec_args),
    .is_tolerant = true,
};

struct stdin_args {
    int64_t session_id;
    struct span chars;
    int64_t yield_ms, max_output_tokens, rows, cols;
};

static const struct field stdin_fields[] = {
    { .name = "session_id",
      .kind = FIELD_INT,
      .offset = offsetof(struct stdin_args, session_id),
      .flags = FIELD_REQUIRED,
      .help = "Identifier of the running session." },
    { .name = "chars",
      .kind = FIELD_BYTES,
      .offset = offsetof(struct stdin_args, chars),
      .fallback = "\"\"",
      .help = "Characters to write to its input (may be empty to poll). \\u0003 is Ctrl-C, also without a "
              "terminal." },
    { .name = "yield_time_ms",
      .kind = FIELD_INT,
      .offset = offsetof(struct stdin_args, yield_ms),
      .fallback = "250",
      .help =
          "How long to wait (in milliseconds) for output before yielding: 250 to 30000, 5000 at least when "
          "chars is empty. The end of the process is told at once." },
    { .name = "max_output_tokens",
      .kind = FIELD_INT,
      .offset = offsetof(struct stdin_args, max_output_tokens),
      .flags = FIELD_UNSET_NEG,
      .help = "Maximum number of tokens to return." },
    SIZE(struct stdin_args, rows, "New height of the terminal."),
    SIZE(struct stdin_args, cols, "New width of the terminal."),
};

static const struct table stdin_table = {
    .name = "write_stdin",
    .fields = stdin_fields,
    .count = FIELD_COUNT_OF(stdin_fields),
    .size = sizeof(struct stdin_args),
    .is_tolerant = true,
};

struct function_run;

/* A command that runs, or ran and has not been asked about since. */
struct shell_session {
    int64_t id;
    uint64_t used; /* tick of the last call: the oldest goes first */
    struct shell_command command;
    struct exec_result result;
    char why[256]; /* the words of a result that is a failure */
    bool has_ended;
    bool is_restored;            /* and that was not said yet */
    int rows, cols;              /* of its terminal; 0: as it began */
    struct function_run *waiter; /* the call that waits for it now */
};

struct shell_sessions {
    struct shell_session *slots[SESSIONS_MAX];
    uint64_t tick;
};

struct function_run {
    struct tool_run run; /* first */
    struct tool_host *host;
    struct shell_session *session;
    struct loop_source *timer; /* the yield */
    struct loop_source *soon;  /* an answer that is known already */
    const char *call_id;       /* during the start */
    char *raw;
    struct arena arena;
    const struct tree *item;
    int64_t started_us;
    int64_t yield_ms;
    int64_t timeout_ms;
    int64_t number;   /* of the call, when its output can be read later; 0: it cannot */
    int64_t given_up; /* the session that was ended for this one; 0: none */
    size_t budget;
    char text[512]; /* of an immediate answer */
    tool_done_fn *fn;
    void *data;
};

static void session_free(struct shell_session *session)
{
    if (!session)
        return;
    shell_command_done(&session->command);
    free(session);
}

void shell_sessions_free(struct shell_sessions *sessions)
{
    if (!sessions)
        return;
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        session_free(sessions->slots[i]);
    free(sessions);
}

static struct shell_session **session_slot(struct shell_sessions *sessions, int64_t id)
{
    for (size_t i = 0; sessions && i < SESSIONS_MAX; i++)
        if (sessions->slots[i] && sessions->slots[i]->id == id)
            return &sessions->slots[i];
    return NULL;
}

static void session_drop(struct tool_host *host, struct shell_session *session)
{
    struct shell_sessions *sessions = host->sessions;

    for (size_t i = 0; session && sessions && i < SESSIONS_MAX; i++)
        if (sessions->slots[i] == session)
            sessions->slots[i] = NULL;
    session_free(session);
}

/* Its end will not be told any more. */
static void release(struct tool_host *host, const struct shell_session *session)
{
    struct channel *channel = session->has_ended ? host->channel(host->data) : NULL;

    if (channel)
        channel_exec_release(channel, session->command.exec_id);
}

/* A free slot; when all are taken the one that nobody asked about for longest is given up (*ret_given_up). */
static struct shell_session **slot_take(struct tool_host *host, int64_t *ret_given_up)
{
    struct shell_sessions *sessions = host->sessions;
    struct shell_session **oldest = NULL;

    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct shell_session **slot = &sessions->slots[i];

        if (!*slot)
            return slot;
        if (!(*slot)->waiter && (!oldest || (*slot)->used < (*oldest)->used))
            oldest = slot;
    }
    if (oldest) {
        *ret_given_up = (*oldest)->id;
        release(host, *oldest);
        session_free(*oldest);
        *oldest = NULL;
    }
    return oldest;
}

/* A number that no live session has; follows from the call, so that it is another one after a resume too. */
static int64_t session_number(const struct shell_sessions *sessions, uint64_t exec_id)
{
    const int64_t count = SESSION_ID_LAST - SESSION_ID_FIRST + 1;
    int64_t id =
        SESSION_ID_FIRST + (int64_t) ((exec_id / TOOL_EXEC_IDS + (uint64_t) count - 1) % (uint64_t) count);

    while (session_slot((struct shell_sessions *) sessions, id))
        id = id == SESSION_ID_LAST ? SESSION_ID_FIRST : id + 1;
    return id;
}

/* Without a number. */
static struct shell_session *session_new(struct tool_host *host, int64_t *ret_given_up)
{
    struct shell_sessions *sessions = host->sessions;
    struct shell_session **slot;

    if (!sessions) {
        sessions = host->sessions = calloc(1, sizeof(*sessions));
        if (!sessions)
            return NULL;
    }
    slot = slot_take(host, ret_given_up);
    if (!slot)
        return NULL;
    *slot = calloc(1, sizeof(**slot));
    if (!*slot)
        return NULL;
    (*slot)->used = ++sessions->tick;
    return *slot;
}

static void run_free(struct function_run *run)
{
    if (run->session)
        run->session->waiter = NULL;
    loop_source_free(run->timer);
    loop_source_free(run->soon);
    arena_done(&run->arena);
    free(run->raw);
    free(run);
}

static void function_cancel(struct tool_run *base)
{
    struct function_run *run = (struct function_run *) base;
    struct shell_session *session = run->session;
    struct tool_host *host = run->host;

    run_free(run);
    session_drop(host, session);
}

/* The end of every path: the answer goes out, the call is gone. */
static void finish(struct function_run *run, struct tool_answer *answer, struct span text)
{
    struct buf item = BUF_INIT(8 * text.len + 64 * 1024);

    if (answer->outcome != TOOL_LOST && tool_answer(run->item, text, false, &item, NULL) == 0)
        answer->item = buf_span(&item);
    run->fn(run->data, answer);
    buf_done(&item);
    run_free(run);
}

static void state_line(const struct function_run *run, const char *reason, struct buf *out)
{
    const struct shell_session *session = run->session;
    const char *colon = reason[0] ? ": " : "";
    char text[256];

    if (!session->has_ended) {
        buf_printf(out, "Process running with session ID %lld\n", (long long) session->id);
    } else if (session->result.end == EXEC_EXITED || session->result.end == EXEC_SIGNALED) {
        buf_printf(out, "Process exited with code %d%s%s\n", shell_exit_code(&session->result), colon,
                   reason);
    } else {
        shell_result_text(&session->result, run->timeout_ms, text, sizeof(text));
        buf_printf(out, "Process %s%s (exit code %d)%s%s\n",
                   session->result.end == EXEC_FAILED ? "could not start: " : "", text,
                   shell_exit_code(&session->result), colon, reason);
    }
}

static void chunk_id(const struct function_run *run, char ret[7])
{
    char hex[DIGEST_HEX];

    digest_of(tree_get(run->item, "call_id") ? tree_get(run->item, "call_id")->raw : span_of(""), hex);
    memcpy(ret, hex, 6);
    ret[6] = '\0';
}

/* Limits that were met, for the run; `reason` is what the model is told of them. */
struct met {
    struct quota list[QUOTA_MAX];
    size_t count;
    char reason[400];
    struct quota cut; /* limit NULL: the output was not, or as the model wanted it */
};

static void met_find(const struct function_run *run, struct met *ret)
{
    const struct shell_session *session = run->session;

    ret->cut.limit = NULL;
    ret->count =
        session->has_ended ? shell_command_quotas(&session->command, &session->result, ret->list) : 0;
    quota_text(ret->list, ret->count, false, ret->reason, sizeof(ret->reason));
}

/* `essence`: what is the same when the same happens again, so neither times nor the number of the call. */
static void compose(struct function_run *run, struct met *met, struct buf *out, struct buf *essence)
{
    struct buf text = BUF_INIT(run->budget + 64);
    uint64_t tokens = 0;
    size_t from, at;
    char chunk[7], place[80];

    capture_place(run->number, "stdout", place, sizeof(place));
    chunk_id(run, chunk);
    buf_printf(out, "Chunk ID: %s\nWall time: %.4f seconds\n", chunk,
               (double) (clock_mono_us() - run->started_us) / 1e6);
    from = out->len;
    state_line(run, met->reason, out);
    if (capture_render(&run->session->command.out, run->budget, &text, &tokens) < 0)
        buf_clear(&text);
    if (run->session->is_restored)
        buf_add_text(out,
                     "The session was taken up again after an interruption; output that was shown before may "
                     "come again.\n");
    run->session->is_restored = false;
    if (run->given_up > 0)
        buf_printf(out,
                   "Session %lld was ended to make room: at most %d run at once, and it was the one unused "
                   "for longest.\n",
                   (long long) run->given_up, SESSIONS_MAX);
    if (tokens > 0 && run->budget == (size_t) run->host->output_bytes)
        quota_cut(run->host->output_bytes, &met->cut);
    if (tokens > 0)
        buf_printf(out, "Original token count: %llu\n", (unsigned long long) tokens);
    buf_add_span(essence, span_make(out->data + from, out->len - from));
    if (tokens > 0)
        buf_add_text(out, place);
    at = out->len;
    buf_add_text(out, "Output:\n");
    buf_add_span(out, buf_span(&text));
    buf_add_span(essence, span_make(out->data + at, out->len - at));
    buf_done(&text);
}

/* What the session has to say now: its end, or that it still runs. */
static void answer_session(struct function_run *run)
{
    struct shell_session *session = run->session;
    struct tool_host *host = run->host;
    struct buf text = BUF_INIT(run->budget + 4096), essence = BUF_INIT(run->budget + 4096);
    struct tool_answer answer = { .exit_code = -1 };
    char summary[700] = "still running", state[256];
    struct met met;

    met_find(run, &met);
    if (session->has_ended) {
        shell_result_text(&session->result, run->timeout_ms, state, sizeof(state));
        (void) snprintf(summary, sizeof(summary), "%s%s%s", state, met.reason[0] ? ": " : "", met.reason);
        answer.exit_code = shell_exit_code(&session->result);
        answer.outcome = session->result.end == EXEC_LOST      ? TOOL_LOST
                         : session->result.end == EXEC_TIMEOUT ? TOOL_TIMEOUT
                         : session->result.end == EXEC_FAILED  ? TOOL_FAILED
                                                               : TOOL_OK;
    }
    answer.summary = summary;
    answer.session = session->has_ended ? 0 : session->id;
    answer.session_exec_id = session->has_ended ? 0 : session->command.exec_id;
    answer.output_bytes = session->command.out.total;
    compose(run, &met, &text, &essence);
    if (met.cut.limit) {
        quota_merge(met.list, &met.count, &met.cut, 1);
        (void) snprintf(summary + strlen(summary), sizeof(summary) - strlen(summary), ", %s", met.cut.text);
    }
    answer.quotas = met.list;
    answer.quota_count = met.count;
    answer.essence = buf_span(&essence);
    capture_reset(&session->command.out);
    if (session->has_ended) {
        run->session = NULL;
        session_drop(host, session);
    }
    finish(run, &answer, buf_span(&text));
    buf_done(&text);
    buf_done(&essence);
}

static void on_yield(void *data)
{
    answer_session(data);
}

static void on_command(void *data, const struct exec_result *result)
{
    struct shell_session *session = data;

    session->has_ended = true;
    session->result = *result;
    snprintf(session->why, sizeof(session->why), "%s", result->text ? result->text : "failed");
    session->result.text = session->why; /* the other is the channel's */
    if (session->waiter)
        answer_session(session->waiter);
}

static void answer_text(void *data)
{
    struct function_run *run = data;
    struct tool_answer answer = { .outcome = TOOL_FAILED, .exit_code = 1, .summary = run->text };

    finish(run, &answer, span_of(run->text));
}

static void answer_lost(void *data)
{
    struct function_run *run = data;
    struct tool_answer answer = { .outcome = TOOL_LOST, .exit_code = -1, .summary = "sandbox lost" };

    finish(run, &answer, (struct span){ 0 });
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static void take_budget(struct function_run *run, int64_t max_output_tokens)
{
    run->budget = (size_t) run->host->output_bytes;
    if (max_output_tokens >= 0 && max_output_tokens < run->host->output_bytes / BYTES_PER_TOKEN)
        run->budget = (size_t) max_output_tokens * BYTES_PER_TOKEN;
}

static void note_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                         const char *hint)
{
    struct function_run *run = data;
    size_t used = strlen(run->text);

    (void) pos;
    snprintf(run->text + used, sizeof(run->text) - used, "%s%s: %s", used ? "; " : "", path, message);
}

/* All defaults, and the text as the command. */
static bool decode_plain(struct function_run *run, struct table_ctx *ctx, struct exec_args *out)
{
    struct span text = function_input(run->item);

    if (text.len == 0 || memchr(text.ptr, '\0', text.len) || table_decode(&exec_table, NULL, out, ctx) != 0)
        return false;
    out->cmd = arena_copy(&run->arena, text.ptr, text.len);
    return out->cmd != NULL;
}

static bool decode_args(struct function_run *run, const struct table *table, void *out)
{
    struct table_ctx ctx = { .arena = &run->arena, .problem = note_problem, .data = run };
    const struct tree *args = NULL;
    struct err err = { 0 };
    int r = json_parse(function_input(run->item), &run->arena, &args, &err);

    if (shell_is_plain(run->item, args) && decode_plain(run, &ctx, out))
        return true;
    if (r < 0)
        snprintf(run->text, sizeof(run->text), "the arguments are not valid JSON: %.400s", err.text);
    else if (args->kind != TREE_OBJECT)
        snprintf(run->text, sizeof(run->text), "the arguments must be a JSON object");
    else if (table_decode(table, args, out, &ctx) == 0)
        return true;
    return false;
}

/* Start the wait for a session: its end or the yield, whatever comes first. */
static int wait_session(struct function_run *run, struct err *err)
{
    run->session->waiter = run;
    if (run->session->has_ended)
        return loop_defer(run->host->loop, on_yield, run, &run->soon, err);
    return loop_timer(run->host->loop, run->yield_ms, on_yield, run, &run->timer, err);
}

static int start_exec(struct function_run *run, struct err *err)
{
    struct exec_args args;
    struct shell_command_spec spec = { .is_merged = true };
    struct err why = { 0 };
    int r;

    if (!decode_args(run, &exec_table, &args))
        return loop_defer(run->host->loop, answer_text, run, &run->soon, err);
    run->session = session_new(run->host, &run->given_up);
    if (!run->session)
        return err_set(err, ERR_CONFLICT, "exec_command failed: %d commands are waited for at once already",
                       SESSIONS_MAX);
    take_budget(run, args.max_output_tokens);
    run->yield_ms = clamp(args.yield_ms, YIELD_MIN_MS, YIELD_MAX_MS);
    /* a call may not last longer than limits.command; a session, which outlives its call, may */
    if (run->host->command_ms > 0 && run->host->command_ms <= run->yield_ms)
        run->timeout_ms = run->host->command_ms;
    if (run->timeout_ms > 0)
        run->yield_ms = run->timeout_ms + YIELD_MAX_MS;
    spec.call_id = tree_span(tree_get(run->item, "call_id"));
    spec.text = span_of(args.cmd);
    spec.shell = args.shell ? span_of(args.shell) : (struct span){ 0 };
    spec.cwd = args.workdir ? span_of(args.workdir) : (struct span){ 0 };
    spec.login = args.login && !run->host->has_no_startup;
    spec.tty = spec.keep_input = args.tty;
    spec.rows = (int) args.rows;
    spec.cols = (int) args.cols;
    spec.timeout_ms = run->timeout_ms;
    spec.budget = (size_t) run->host->output_bytes;
    r = shell_command_start(&run->session->command, run->host, &spec, on_command, run->session, &why);
    if (r < 0) {
        session_drop(run->host, run->session);
        run->session = NULL;
        snprintf(run->text, sizeof(run->text), "exec_command failed: %.400s", why.text);
        return loop_defer(run->host->loop, r == -ERR_ENGINE ? answer_lost : answer_text, run, &run->soon,
                          err);
    }
    run->session->id = session_number(run->host->sessions, run->session->command.exec_id);
    run->session->rows = spec.rows;
    run->session->cols = spec.cols;
    return wait_session(run, err);
}

/* Input has the call's number, so that it is not sent again when the call is started again after a re-attach.
 */
static int send_input(struct function_run *run, struct shell_session *session, const char *call_id,
                      struct span input, struct err *err)
{
    struct channel *channel = run->host->channel(run->host->data);
    uint64_t number = run->host->next_exec_id(run->host->data, call_id);

    if (!channel)
        return err_set(err, ERR_ENGINE, "the sandbox is gone");
    if (channel_exec_last_input(channel, session->command.exec_id) == number)
        return 0;
    return channel_exec_write_numbered(session->command.call, number, input, err);
}

/* What is not given stays as it is. */
static void resize(struct shell_session *session, int64_t rows, int64_t cols)
{
    if (session->has_ended || (rows == 0 && cols == 0))
        return;
    session->rows = rows > 0 ? (int) rows : session->rows;
    session->cols = cols > 0 ? (int) cols : session->cols;
    channel_exec_resize(session->command.call, session->rows, session->cols);
}

static int start_stdin(struct function_run *run, struct err *err)
{
    struct shell_session **slot;
    struct stdin_args args;
    struct err problem = { 0 };

    if (!decode_args(run, &stdin_table, &args))
        return loop_defer(run->host->loop, answer_text, run, &run->soon, err);
    slot = session_slot(run->host->sessions, args.session_id);
    if (!slot || (*slot)->waiter) {
        snprintf(run->text, sizeof(run->text), "write_stdin failed: %s session %lld, exit code 1",
                 slot ? "another call waits for" : "unknown", (long long) args.session_id);
        return loop_defer(run->host->loop, answer_text, run, &run->soon, err);
    }
    if (args.chars.len > 0 && !(*slot)->has_ended) {
        if (!(*slot)->command.keep_input && !span_is(args.chars, "\003"))
            snprintf(run->text, sizeof(run->text),
                     "write_stdin failed: the input of session %lld is closed; start it with tty=true to "
                     "send to it (but for \\u0003, Ctrl-C)",
                     (long long) args.session_id);
        else if (send_input(run, *slot, run->call_id, args.chars, &problem) < 0)
            snprintf(run->text, sizeof(run->text), "write_stdin failed: %.400s", problem.text);
        if (run->text[0])
            return loop_defer(run->host->loop, answer_text, run, &run->soon, err);
    }
    resize(*slot, args.rows, args.cols);
    take_budget(run, args.max_output_tokens);
    if (shell_command_hand_over(&(*slot)->command, tree_span(tree_get(run->item, "call_id")), err) < 0)
        return -ERR_INTERNAL;
    run->session = *slot;
    run->session->used = ++run->host->sessions->tick;
    run->yield_ms = clamp(args.yield_ms, args.chars.len > 0 ? YIELD_MIN_MS : POLL_MIN_MS, YIELD_MAX_MS);
    return wait_session(run, err);
}

int shell_session_restore(struct tool_host *host, int64_t id, uint64_t exec_id, struct err *err)
{
    struct shell_session *session;
    int64_t given_up = 0;
    int r;

    if (session_slot(host->sessions, id))
        return err_set(err, ERR_CONFLICT, "session %lld is there already", (long long) id);
    session = session_new(host, &given_up);
    if (!session)
        return err_set(err, ERR_INTERNAL, "no memory for a session");
    session->id = id;
    session->is_restored = true;
    r = shell_command_adopt(&session->command, host, exec_id, (size_t) host->output_bytes, on_command,
                            session, err);
    if (r < 0)
        session_drop(host, session);
    return r;
}

bool shell_sessions_hold(const struct shell_sessions *sessions, uint64_t exec_id)
{
    for (size_t i = 0; sessions && i < SESSIONS_MAX; i++)
        if (sessions->slots[i] && sessions->slots[i]->command.exec_id == exec_id)
            return true;
    return false;
}

int shell_function_start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                         struct tool_run **ret, struct err *err)
{
    struct function_run *run = calloc(1, sizeof(*run));
    int r;

    if (!run)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    run->run.cancel = function_cancel;
    run->host = host;
    run->fn = fn;
    run->data = data;
    run->call_id = call->call_id;
    run->started_us = clock_mono_us();
    run->number = host->read_output ? host->number(host->data, call->call_id) : 0;
    arena_init(&run->arena, 32 * 1024 * 1024);
    run->raw = strndup(call->raw.ptr, call->raw.len);
    r = run->raw ? json_parse(span_make(run->raw, call->raw.len), &run->arena, &run->item, err)
                 : err_set(err, ERR_INTERNAL, "no memory for a tool call");
    if (r == 0)
        r = tree_is_string(tree_get(run->item, "name"), "write_stdin") ? start_stdin(run, err)
                                                                       : start_exec(run, err);
    if (r < 0) {
        run_free(run);
        return r;
    }
    *ret = &run->run;
    return 0;
}

void shell_function_describe(struct json_writer *w)
{
    function_describe(
        w, "exec_command",
        "Runs a shell command in the sandbox and returns its output, or a session ID while it still runs.",
        &exec_table);
    function_describe(w, "write_stdin",
                      "Writes characters to a running session and returns its recent output.", &stdin_table);
}
