/* SPDX-License-Identifier: MIT */
/* The built-in `shell` tool: shell_call in, shell_call_output out (reference, section 4.6). */
#include "core/tool/shell_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX 64
/* Commands that have ended stay in the sandbox until the call's answer is durable, so that a resumed run
 * finds them; with less room than that for new ones, older ones are given up. */
#define ROOM_MIN 16

struct native_run {
    struct tool_run run; /* first: the run is told by it */
    struct tool_host *host;
    struct shell_command command;
    struct loop_source *soon; /* the end of a call that could not begin */
    char *raw;                /* the item, ours */
    struct arena arena;
    const struct tree *item;
    const struct tree *next;      /* the next command */
    uint64_t ended[COMMANDS_MAX]; /* those that are still in the sandbox */
    size_t ended_count;
    struct buf outputs; /* JSON entries so far, comma separated */
    struct buf essence; /* of them, see struct tool_answer */
    int64_t timeout_ms;
    int64_t max_length; /* as asked; -1: not asked */
    size_t budget;      /* bytes left for outputs */
    int64_t number;     /* of the call, when its output can be read later; 0: it cannot */
    struct tool_answer answer;
    struct quota quotas[QUOTA_MAX]; /* met by any of the commands */
    size_t quota_count;
    struct quota was_cut; /* limit NULL: it was not */
    char summary[512];
    tool_done_fn *fn;
    void *data;
};

static void native_free(struct native_run *run)
{
    shell_command_done(&run->command);
    loop_source_free(run->soon);
    buf_done(&run->outputs);
    buf_done(&run->essence);
    arena_done(&run->arena);
    free(run->raw);
    free(run);
}

static void native_cancel(struct tool_run *base)
{
    native_free((struct native_run *) base);
}

/* Hand the answer over and be gone. */
static void finish(struct native_run *run, struct span item)
{
    run->answer.item = item;
    run->answer.essence = buf_span(&run->essence);
    run->answer.summary = run->summary;
    run->answer.quotas = run->quotas;
    run->answer.quota_count = run->quota_count;
    run->fn(run->data, &run->answer);
    native_free(run);
}

static int write_answer(struct native_run *run, struct buf *out)
{
    struct json_writer w;
    const struct tree *caller = tree_get(run->item, "caller");

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "type", "shell_call_output");
    json_put_span(&w, "call_id", tree_span(tree_get(run->item, "call_id")));
    if (caller && caller->kind == TREE_OBJECT)
        json_put_raw(&w, "caller", caller->raw);
    if (run->max_length >= 0)
        json_put_int(&w, "max_output_length", run->max_length);
    json_put_string(&w, "status", "completed");
    json_key(&w, "output");
    json_array(&w);
    if (run->outputs.len > 0)
        json_raw(&w, buf_span(&run->outputs));
    json_array_end(&w);
    json_object_end(&w);
    return json_end(&w, NULL);
}

static void answer(struct native_run *run)
{
    struct buf out = BUF_INIT(run->outputs.len + 64 * 1024);
    size_t used = strlen(run->summary);

    if (run->was_cut.limit) {
        quota_merge(run->quotas, &run->quota_count, &run->was_cut, 1);
        (void) snprintf(run->summary + used, sizeof(run->summary) - used, ", %s", run->was_cut.text);
    }

    if (write_answer(run, &out) < 0) {
        run->answer.outcome = TOOL_FAILED;
        buf_done(&out);
        tool_refuse(run->item, "the output could not be encoded", &out, NULL);
    }
    finish(run, buf_span(&out));
    buf_done(&out);
}

static void spend(struct native_run *run, size_t len)
{
    run->budget -= len < run->budget ? len : run->budget;
}

/* When it is cut, the place of the whole comes first, if there is room for both: so many bytes, the return
 * value. */
static size_t render(const struct native_run *run, const char *name, const struct capture *c,
                     struct buf *text, uint64_t *ret_tokens)
{
    char place[80];

    capture_place(run->number, name, place, sizeof(place));
    if (capture_render(c, run->budget, text, ret_tokens) < 0)
        buf_clear(text);
    if (*ret_tokens == 0 || !place[0] || run->budget < 2 * sizeof(place))
        return 0;
    buf_clear(text);
    (void) buf_add_text(text, place);
    if (capture_render(c, run->budget - text->len, text, ret_tokens) < 0)
        buf_clear(text);
    return text->len > 0 ? strlen(place) : 0;
}

/* One stream's text within what is left of the budget, and a line of ours. */
static void write_stream(struct native_run *run, struct json_writer *w, const char *name,
                         const struct capture *c, const char *line)
{
    struct buf text = BUF_INIT(run->budget + 1024);
    uint64_t tokens = 0;
    size_t place = render(run, name, c, &text, &tokens);

    spend(run, text.len);
    if (line[0] && text.len > 0 && text.data[text.len - 1] != '\n')
        buf_add_char(&text, '\n');
    buf_add_text(&text, line);
    json_put_span(w, name, buf_span(&text));
    (void) buf_printf(&run->essence, "%s %zu\n", name, text.len - place);
    (void) buf_add_span(&run->essence, span_make(text.data + place, text.len - place));
    buf_done(&text);
    if (tokens > 0 && run->max_length < 0) /* else as the model wanted it */
        quota_cut(run->host->output_bytes, &run->was_cut);
}

/* Which limits were met, as a line behind what the command wrote to stderr; its room is taken from the budget
 * before that. The shape of the API has no other place for it. */
static void write_reason(struct native_run *run, const struct quota *met, size_t count, char *ret,
                         size_t size)
{
    char text[400];

    ret[0] = '\0';
    quota_text(met, count, true, text, sizeof(text));
    if (!text[0] || run->budget < strlen(text) + 12)
        return;
    (void) snprintf(ret, size, "agentbox: %s\n", text);
    spend(run, strlen(ret) + 1);
}

/* {stdout, stderr, outcome} of one command. `failure`: why it could not be run. */
static int write_entry(struct native_run *run, const struct exec_result *result, const char *failure,
                       const char *reason)
{
    struct json_writer w;
    char line[600];

    if (run->outputs.len > 0)
        buf_add_char(&run->outputs, ',');
    json_begin(&w, &run->outputs);
    json_object(&w);
    write_stream(run, &w, "stdout", &run->command.out, "");
    (void) snprintf(line, sizeof(line), "%s%s%s", failure ? failure : "", failure && reason[0] ? "\n" : "",
                    reason);
    if (failure)
        json_put_string(&w, "stderr", line);
    else
        write_stream(run, &w, "stderr", &run->command.err, line);
    (void) buf_printf(&run->essence, "%s\n%d %d\n", failure ? line : "", (int) result->end,
                      shell_exit_code(result));
    json_key(&w, "outcome");
    json_object(&w);
    json_put_string(&w, "type", result->end == EXEC_TIMEOUT ? "timeout" : "exit");
    if (result->end != EXEC_TIMEOUT)
        json_put_int(&w, "exit_code", shell_exit_code(result));
    json_object_end(&w);
    json_object_end(&w);
    return json_end(&w, NULL);
}

/* One that the sandbox refused is not there, and has not taken anybody's place. */
static void note_ended(struct native_run *run)
{
    struct channel *channel = run->host->channel(run->host->data);

    if (!channel || !channel_exec_is_known(channel, run->command.exec_id))
        return;
    if (run->command.took_over)
        run->ended_count = 0;
    run->ended[run->ended_count++] = run->command.exec_id;
}

static void run_next(struct native_run *run);

static void on_command(void *data, const struct exec_result *result)
{
    struct native_run *run = data;
    struct quota met[QUOTA_MAX];
    char text[256], reason[420];
    size_t used, met_count;

    if (result->end == EXEC_LOST) {
        run->answer.outcome = TOOL_LOST;
        snprintf(run->summary, sizeof(run->summary), "sandbox lost");
        finish(run, (struct span){ 0 });
        return;
    }
    shell_result_text(result, run->timeout_ms, text, sizeof(text));
    met_count = shell_command_quotas(&run->command, result, met);
    quota_merge(run->quotas, &run->quota_count, met, met_count);
    write_reason(run, met, met_count, reason, sizeof(reason));
    write_entry(run, result, result->end == EXEC_FAILED ? text : NULL, reason);
    run->answer.output_bytes += run->command.out.total + run->command.err.total;
    run->answer.exit_code = shell_exit_code(result);
    used = strlen(run->summary);
    quota_text(met, met_count, false, reason, sizeof(reason));
    snprintf(run->summary + used, sizeof(run->summary) - used, "%s%s%s%s", used ? ", " : "", text,
             reason[0] ? ": " : "", reason);
    note_ended(run);
    shell_command_done(&run->command);
    if (result->end == EXEC_TIMEOUT) {
        run->answer.outcome = TOOL_TIMEOUT;
        run->next = NULL;
    }
    run_next(run);
}

static void lost(void *data)
{
    struct native_run *run = data;

    run->answer.outcome = TOOL_LOST;
    finish(run, (struct span){ 0 });
}

/* The summary says why. */
static void refuse(void *data)
{
    struct native_run *run = data;
    struct exec_result failed = { .end = EXEC_FAILED };

    run->answer.outcome = TOOL_FAILED;
    write_entry(run, &failed, run->summary, "");
    answer(run);
}

/* The latest one is never given up before the next is known in its place: a resumed run must see that it ran.
 * Whoever waits for room holds none by that, so calls cannot wait for each other. */
static void make_room(struct native_run *run, struct shell_command_spec *spec)
{
    struct channel *channel = run->host->channel(run->host->data);
    size_t dropped = 0;

    while (channel && run->ended_count - dropped > 1 && channel_exec_room(channel) < ROOM_MIN)
        channel_exec_release(channel, run->ended[dropped++]);
    run->ended_count -= dropped;
    memmove(run->ended, run->ended + dropped, run->ended_count * sizeof(run->ended[0]));
    spec->may_take_over = run->ended_count == 1 && channel && channel_exec_room(channel) < ROOM_MIN;
    spec->instead = run->ended[0];
}

static void run_next(struct native_run *run)
{
    struct shell_command_spec spec = {
        .call_id = tree_span(tree_get(run->item, "call_id")),
        .timeout_ms = run->timeout_ms,
        .budget = run->budget,
    };
    struct err err = { 0 };
    int r;

    if (!run->next) {
        answer(run);
        return;
    }
    spec.text = tree_span(run->next);
    run->next = run->next->next;
    make_room(run, &spec);
    r = shell_command_start(&run->command, run->host, &spec, on_command, run, &err);
    if (r < 0) {
        snprintf(run->summary, sizeof(run->summary), "%.150s", err.text);
        /* no memory: limits.wall remains */
        (void) loop_defer(run->host->loop, r == -ERR_ENGINE ? lost : refuse, run, &run->soon, NULL);
    }
}

/* NULL: fine; else what is wrong with the call, for the model. */
static const char *check(const struct tree *commands)
{
    if (!commands || commands->kind != TREE_ARRAY || commands->count == 0)
        return "action.commands must be a list of at least one command";
    if (commands->count > COMMANDS_MAX)
        return "too many commands in one call, at most 64 are run";
    tree_each (command, commands) {
        if (command->kind != TREE_STRING || memchr(command->text.ptr, '\0', command->text.len))
            return "each command must be a text without NUL";
    }
    return NULL;
}

static void take_limits(struct native_run *run, const struct tree *action)
{
    int64_t asked = tree_int(tree_get(action, "timeout_ms"), 0);

    run->timeout_ms = run->host->command_ms;
    if (asked > 0 && (run->timeout_ms <= 0 || asked < run->timeout_ms))
        run->timeout_ms = asked;
    run->max_length = tree_int(tree_get(action, "max_output_length"), -1);
    run->budget = (size_t) run->host->output_bytes;
    if (run->max_length >= 0 && (size_t) run->max_length < run->budget)
        run->budget = (size_t) run->max_length;
}

int shell_native_start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                       struct tool_run **ret, struct err *err)
{
    struct native_run *run = calloc(1, sizeof(*run));
    const struct tree *action;
    const char *wrong;
    int r;

    if (!run)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    run->run.cancel = native_cancel;
    run->host = host;
    run->fn = fn;
    run->data = data;
    run->number = host->read_output ? host->number(host->data, call->call_id) : 0;
    run->answer.exit_code = -1;
    arena_init(&run->arena, 16 * 1024 * 1024);
    buf_init(&run->outputs, 64 * 1024 * 1024);
    buf_init(&run->essence, 64 * 1024 * 1024);
    run->raw = strndup(call->raw.ptr, call->raw.len);
    r = run->raw ? json_parse(span_make(run->raw, call->raw.len), &run->arena, &run->item, err)
                 : err_set(err, ERR_INTERNAL, "no memory for a tool call");
    if (r == 0) {
        action = tree_get(run->item, "action");
        take_limits(run, action);
        wrong = check(tree_get(action, "commands"));
        if (wrong)
            snprintf(run->summary, sizeof(run->summary), "%s", wrong);
        else
            run->next = tree_get(action, "commands")->child;
        /* the answer always comes from the loop, never before this returns */
        if (wrong)
            r = loop_defer(host->loop, refuse, run, &run->soon, err);
        else
            run_next(run);
    }
    if (r < 0) {
        native_free(run);
        return r;
    }
    *ret = &run->run;
    return 0;
}
