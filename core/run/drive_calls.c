/* SPDX-License-Identifier: MIT */
/* The driver's side to the tools: starting calls, keeping what they print, recording their answers. */
#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/utf8.h"
#include "core/run/driver_impl.h"
#include "core/run/past_output.h"
#include "core/sandbox/channel.h"
#include "core/tool/approve.h"
#include "core/tool/mcp.h"
#include "core/tool/quota.h"
#include "core/tool/result_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_MAX   (64 * 1024 * 1024)
#define ANSWER_MAX (32 * 1024 * 1024)

/* ---- what a call prints ---- */

static struct live_stream *stream_of(struct live_call *call, const char *name)
{
    struct live_stream *s;

    for (size_t i = 0; i < call->stream_count; i++)
        if (strcmp(call->streams[i].name, name) == 0)
            return &call->streams[i];
    if (call->stream_count == STREAMS_MAX)
        return NULL;
    s = &call->streams[call->stream_count++];
    snprintf(s->name, sizeof(s->name), "%s", name);
    buf_init(&s->head, STREAM_INLINE_MAX);
    return s;
}

static int stream_spill(struct run *run, struct live_stream *s, struct err *err)
{
    int r = object_begin(run->folder, &s->object, err);

    if (r == 0)
        r = object_add(s->object, buf_span(&s->head), err);
    buf_done(&s->head);
    return r;
}

static int stream_add(struct run *run, struct live_stream *s, struct span piece, struct err *err)
{
    size_t room = (size_t) (STREAM_KEEP_MAX - s->kept);
    int r = 0;

    s->size += (int64_t) piece.len;
    if (piece.len > room)
        piece.len = room;
    s->kept += (int64_t) piece.len;
    if (!s->object && buf_add_span(&s->head, piece) == 0)
        return 0;
    if (!s->object)
        r = stream_spill(run, s, err);
    return r < 0 ? r : object_add(s->object, piece, err);
}

/* Small and clean text stays in the record, everything else becomes an object. */
static int stream_end(struct run *run, struct live_stream *s, char object[DIGEST_HEX],
                      struct record_stream *ret, struct err *err)
{
    struct span head = buf_span(&s->head);
    int r = 0;

    object[0] = '\0';
    *ret = (struct record_stream){ .name = s->name, .size = s->size, .kept = s->kept };
    if (s->object)
        r = object_commit(TAKE_PTR(s->object), object, err);
    else if (head.len && (utf8_valid(head) != head.len || memchr(head.ptr, '\0', head.len)))
        r = object_put(run->folder, head, object, err);
    if (object[0])
        ret->object = object;
    else
        ret->text = buf_text(&s->head);
    return r;
}

static struct live_call *call_by_id(struct run *run, const char *call_id)
{
    for (struct live_call *call = run->calls; call; call = call->next)
        if (strcmp(call->call_id, call_id) == 0)
            return call;
    return NULL;
}

static void keep_output(void *data, const char *call_id, const char *name, struct span piece)
{
    struct run *run = data;
    struct live_call *call = call_by_id(run, call_id);
    struct live_stream *s = call ? stream_of(call, name) : NULL;
    struct err err = { 0 };

    if (s && stream_add(run, s, piece, &err) < 0)
        run_break(run, &err);
}

static void show_output(void *data, const char *call_id, int fd, struct span piece)
{
    struct run *run = data;
    struct live_call *call = call_by_id(run, call_id);

    if (call && run->events->on_output)
        run->events->on_output(run->data, call->number, fd, piece);
}

/* ---- the host of the tools ---- */

static struct channel *host_channel(void *data)
{
    struct run *run = data;

    return box_channel(&run->box);
}

/* Numbers follow from the call alone, so that after a crash it is known whose command is whose. */
static uint64_t next_exec_id(void *data, const char *call_id)
{
    struct run *run = data;
    struct live_call *call = call_by_id(run, call_id);

    if (!call)
        return 0;
    return (uint64_t) ((run->exec_base + call->number) * TOOL_EXEC_IDS + call->execs++ % TOOL_EXEC_IDS);
}

/* Decide, record, act, for what a tool decides. */
static int declare(void *data, const char *call_id, struct span intent, loop_fn *fn, void *fn_data,
                   struct err *err)
{
    struct run *run = data;
    struct live_call *call = call_by_id(run, call_id);
    struct record rec = { .type = RECORD_CALL_INTENT };

    if (!call)
        return err_set(err, ERR_INTERNAL, "a call that does not run");
    rec.call_intent.turn = run->state.turn;
    rec.call_intent.call = call->number;
    rec.call_intent.call_id = call->call_id;
    rec.call_intent.intent.json = intent;
    if (run_record(run, &rec) < 0)
        return err_set(err, ERR_IO, "the journal cannot go on");
    drive_calls_when_durable(run, call_id, fn, fn_data);
    return 0;
}

int64_t drive_calls_number(struct run *run, const char *call_id)
{
    const struct live_call *call = call_by_id(run, call_id);

    return call ? call->number : 0;
}

void drive_calls_when_durable(struct run *run, const char *call_id, loop_fn *fn, void *data)
{
    struct live_call *call = call_by_id(run, call_id);

    if (!call)
        return;
    call->on_declared = fn;
    call->on_declared_data = data;
    run_queue(run, EFFECT_DECLARED, call->number);
}

void effect_declared(struct run *run, int64_t number)
{
    for (struct live_call *call = run->calls; call; call = call->next)
        if (call->number == number && call->on_declared) {
            TAKE_PTR(call->on_declared)(call->on_declared_data);
            return;
        }
}

static struct span declared(void *data, const char *call_id)
{
    struct run *run = data;
    struct live_call *live = call_by_id(run, call_id);
    const struct run_call *call = live ? run_state_call(&run->state, live->number) : NULL;

    return call ? span_make(call->intent.raw, call->intent.len) : span_make(NULL, 0);
}

static int64_t number_of(void *data, const char *call_id)
{
    const struct live_call *call = call_by_id(data, call_id);

    return call ? call->number : 0;
}

/* Rarely asked for, and the journal has it: so nothing of it is held in memory. */
static int read_output(void *data, int64_t number, const char *stream, struct buf *out, struct err *err)
{
    struct run *run = data;
    struct run_folder *from = run->folder, *then = run->spec->agents_from;
    int r = journal_write(run->journal, err);

    if (r < 0)
        return r;
    while ((r = past_output(from, number, stream, out, err)) == -ERR_NOT_FOUND && then && from != then)
        from = then; /* a replay: what was not done again */
    return r;
}

static bool holds_secret(const void *data, struct span text)
{
    const struct run *run = data;
    bool is_held = (run->model && model_client_holds(run->model, text)) ||
                   (run->out.door && door_holds(run->out.door, text)) ||
                   (run->host.mcp && mcp_servers_hold(run->host.mcp, text));

    for (size_t i = 0; i < run->spec->side_count && !is_held; i++)
        is_held = run->side_outs && run->side_outs[i].door && door_holds(run->side_outs[i].door, text);
    return is_held;
}

static bool has_tool(const struct run_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->tool_count; i++)
        if (strcmp(spec->tools[i], name) == 0)
            return true;
    return false;
}

void drive_calls_init(struct run *run)
{
    bool can_read = has_tool(run->spec, "files");

    (void) run_folder_beside(RESULTS_FOLDER, &run->results, NULL); /* without it nothing is stored */
    run->host = (struct tool_host){
        .loop = run->loop,
        .channel = host_channel,
        .next_exec_id = next_exec_id,
        .keep_output = keep_output,
        .on_output = show_output,
        .declare = declare,
        .declared = declared,
        .number = number_of,
        .read_output = can_read ? read_output : NULL,
        .open_side = drive_side_open,
        .side_channel = drive_side_channel,
        .close_side = drive_side_close,
        .side_image = drive_side_image,
        .results = run->results,
        .data = run,
        .root = run->spec->sandbox.root,
        .sandbox = &run->spec->sandbox,
        .command_ms = run->spec->limits.command_ms,
        .has_no_startup = approve_trusts_words(&run->spec->approve),
        .output_bytes = run->spec->limits.output_bytes,
        .skills = run->spec->skills,
        .skill_count = run->spec->skill_count,
        .memory = run->spec->memory.write ? &run->memory : NULL,
        .run_id = run->folder->id,
        .model = run->spec->model.name,
        .holds_secret = holds_secret,
    };
}

static void live_call_free(struct live_call *call)
{
    for (size_t i = 0; i < call->stream_count; i++) {
        object_drop(call->streams[i].object);
        buf_done(&call->streams[i].head);
    }
    free(call->call_id);
    free(call);
}

static void live_call_remove(struct live_call *call)
{
    struct live_call **slot = &call->run->calls;

    while (*slot != call)
        slot = &(*slot)->next;
    *slot = call->next;
    live_call_free(call);
}

static struct live_call *live_call_new(struct run *run, const struct run_call *from)
{
    struct live_call *call = calloc(1, sizeof(*call)), **slot = &run->calls;

    if (!call)
        return NULL;
    call->call_id = strdup(from->call_id);
    if (!call->call_id) {
        free(call);
        return NULL;
    }
    call->run = run;
    call->number = from->number;
    call->began_ms = run_elapsed(run);
    while (*slot)
        slot = &(*slot)->next;
    *slot = call;
    return call;
}

/* ---- answers ---- */

/* Members that differ between calls which are the same otherwise. */
static bool is_name_only(struct span key)
{
    return span_is(key, "id") || span_is(key, "call_id") || span_is(key, "status") ||
           span_is(key, "created_by");
}

static void add_essence(struct json_writer *w, struct span item)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *tree = NULL;

    json_object(w);
    if (json_parse(item, &arena, &tree, NULL) == 0)
        tree_each (member, tree) {
            if (is_name_only(member->key))
                continue;
            json_key_span(w, member->key);
            json_raw(w, member->raw);
        }
    json_object_end(w);
    arena_done(&arena);
}

static void fingerprint(struct span call, struct span answer, struct span essence, char ret[DIGEST_HEX])
{
    struct buf text = BUF_INIT(2 * ANSWER_MAX);
    struct json_writer w;

    json_begin(&w, &text);
    json_array(&w);
    add_essence(&w, call);
    if (essence.len > 0)
        json_span(&w, essence);
    else
        add_essence(&w, answer);
    json_array_end(&w);
    if (json_end(&w, NULL) < 0)
        ret[0] = '\0'; /* too large to compare: counts as different */
    else
        digest_of(buf_span(&text), ret);
    buf_done(&text);
}

/* The item of a call: among the fresh ones while the answer still comes in, in the conversation after that.
 */
struct span drive_item_of(const struct run *run, int64_t number)
{
    const struct run_state *s = &run->state;

    for (size_t i = 0; i < s->fresh_count; i++)
        if (s->fresh[i].call == number)
            return span_make(s->fresh[i].raw, s->fresh[i].len);
    for (size_t i = s->item_count; i > 0; i--)
        if (s->items[i - 1].call == number && s->items[i - 1].kind == RUN_ITEM_CALL)
            return span_make(s->items[i - 1].raw, s->items[i - 1].len);
    return span_make(NULL, 0);
}

static void record_answer(struct run *run, struct record_call_end *end, struct span item, struct span essence)
{
    struct record rec = { .type = RECORD_CALL_END };
    char same[DIGEST_HEX];

    fingerprint(drive_item_of(run, end->call), item, essence, same);
    end->turn = run->state.turn;
    end->same = same;
    end->answer.json = item;
    rec.call_end = *end;
    (void) run_record(run, &rec);
    run->wants_release = true;
}

/* An answer that says in words why there is no better one. */
static void answer_in_words(struct run *run, int64_t number, const char *outcome, const char *words)
{
    const struct run_call *call = run_state_call(&run->state, number);
    struct record_call_end end = { .call = number, .outcome = outcome, .summary = words, .exit_code = -1 };
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct buf out = BUF_INIT(ANSWER_MAX);
    const struct tree *item = NULL;
    struct err err = { 0 };
    int r;

    if (call && call->check) {
        end.call_id = call->call_id;
        drive_check_end(run, &end, (struct span){ 0 });
        return;
    }
    r = json_parse(drive_item_of(run, number), &arena, &item, &err);
    if (r == 0)
        r = tool_refuse(item, words, &out, &err);
    if (r < 0)
        run_break(run, &err);
    else if (call) {
        end.call_id = call->call_id;
        record_answer(run, &end, buf_span(&out), (struct span){ 0 });
    }
    buf_done(&out);
    arena_done(&arena);
}

static const char *outcome_word(enum tool_outcome outcome)
{
    return outcome == TOOL_OK ? "ok" : outcome == TOOL_TIMEOUT ? "timeout" : "failed";
}

static int end_streams(struct live_call *call, char objects[][DIGEST_HEX], struct record_stream *ret,
                       struct err *err)
{
    for (size_t i = 0; i < call->stream_count; i++) {
        int r = stream_end(call->run, &call->streams[i], objects[i], &ret[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}

static void on_answer(struct live_call *call, const struct tool_answer *answer)
{
    struct run *run = call->run;
    char objects[STREAMS_MAX][DIGEST_HEX];
    struct record_stream streams[STREAMS_MAX];
    struct record_limit limits[QUOTA_MAX];
    struct record_call_end end = {
        .call = call->number,
        .call_id = call->call_id,
        .outcome = outcome_word(answer->outcome),
        .summary = answer->summary,
        .exit_code = answer->exit_code,
        .session = answer->session,
        .exec_id = answer->session ? (int64_t) answer->session_exec_id : 0,
        .output_bytes = answer->output_bytes > INT64_MAX ? INT64_MAX : (int64_t) answer->output_bytes,
        .duration_ms = run_elapsed(run) - call->began_ms,
        .cached = answer->is_cached,
        .streams = streams,
        .stream_count = call->stream_count,
        .limits = limits,
        .limit_count = answer->quota_count,
    };
    struct err err = { 0 };

    for (size_t i = 0; i < answer->quota_count; i++)
        limits[i] = (struct record_limit){ answer->quotas[i].limit, answer->quotas[i].text };
    if (end_streams(call, objects, streams, &err) < 0)
        run_break(run, &err);
    else if (run_state_call(&run->state, call->number)->check)
        drive_check_end(run, &end, answer->item);
    else if (!answer->item.len)
        answer_in_words(run, call->number, "failed", "The tool gave no answer.");
    else
        record_answer(run, &end, answer->item, answer->essence);
}

static void record_lost(struct run *run, int64_t number, const char *call_id)
{
    struct record rec = { .type = RECORD_CALL_LOST };

    rec.call_lost.turn = run->state.turn;
    rec.call_lost.call = number;
    rec.call_lost.call_id = call_id;
    (void) run_record(run, &rec);
}

static void on_done(void *data, const struct tool_answer *answer)
{
    struct live_call *call = data;
    struct run *run = call->run;

    call->tool_run = NULL;
    if (answer->outcome == TOOL_LOST) {
        record_lost(run, call->number, call->call_id);
        drive_sandbox_suspect(run); /* it will say why, soon */
    } else {
        on_answer(call, answer);
    }
    live_call_remove(call);
}

/* ---- starting ---- */

void act_start_call(struct run *run, const struct run_action *action)
{
    const struct run_call *call = run_state_call(&run->state, action->call);
    struct record rec = { .type = RECORD_CALL_BEGIN };

    rec.call_begin = (struct record_call_begin){
        .turn = run->state.turn,
        .call = call->number,
        .call_id = call->call_id,
        .tool = call->tool,
        .exec_id = (run->exec_base + call->number) * TOOL_EXEC_IDS,
        .is_rerun = action->is_rerun,
        .is_outside = drive_mcp_is_outside(run, call->tool),
    };
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_CALL, action->call);
}

void act_refuse_call(struct run *run, const struct run_action *action)
{
    const struct run_call *call = run_state_call(&run->state, action->call);
    struct buf words = BUF_INIT(64 * 1024);

    if (!action->why)
        drive_approve_deny(run, call, &words);
    answer_in_words(run, action->call, action->outcome, action->why ? action->why : buf_text(&words));
    buf_done(&words);
}

struct tool_list drive_tools(const struct run *run)
{
    const struct run_spec *spec = run->spec;
    struct tool_list list = {
        .names = spec->tools,
        .count = spec->tool_count,
        .hosted = spec->hosted,
        .hosted_count = spec->hosted_count,
    };

    list.own = drive_own(run, &list.own_count);
    return list;
}

static int start(struct run *run, struct live_call *live, struct span raw, bool is_check, struct err *err)
{
    static const char *const shell[] = { "shell" }; /* checks need it, whatever the model may use */
    const struct tool_list tools =
        is_check ? (struct tool_list){ .names = shell, .count = 1 } : drive_tools(run);
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct tool_call call = { .call_id = live->call_id, .raw = raw };
    struct tool_found tool = { 0 };
    int r = json_parse(raw, &arena, &call.item, err);

    if (r == 0 && tool_find(&tools, call.item, &tool) && tool.own && tool.own->kind == TOOL_AGENT)
        tool.ops = &drive_agent_ops;
    if (r == 0 && !tool.ops)
        r = err_set(err, ERR_NOT_FOUND, "there is no such tool here");
    call.own = tool.own;
    if (r == 0 && run->spec->mcp_from && tool.own && tool.own->kind == TOOL_MCP)
        r = drive_mcp_answer_again(run, live->call_id, on_done, live, err);
    else if (r == 0)
        r = tool.ops->start(&run->host, &call, on_done, live, &live->tool_run, err);
    arena_done(&arena);
    return r;
}

static int start_check(struct run *run, struct live_call *live, const struct run_call *call, struct err *err)
{
    struct buf item = BUF_INIT(ANSWER_MAX);
    int r = drive_check_item(call, &item, err);

    if (r == 0)
        r = start(run, live, buf_span(&item), true, err);
    buf_done(&item);
    return r;
}

void effect_call(struct run *run, int64_t number)
{
    const struct run_call *call = run_state_call(&run->state, number);
    struct live_call *live = call ? live_call_new(run, call) : NULL;
    struct err err = { 0 };
    int r;

    if (!live)
        r = err_set(&err, ERR_INTERNAL, "no memory for a call");
    else
        r = call->check ? start_check(run, live, call, &err)
                        : start(run, live, drive_item_of(run, number), false, &err);
    if (r < 0 && live)
        live_call_remove(live);
    if (r < 0)
        answer_in_words(run, number, "failed", err.text);
}

/* ---- after a resume ---- */

/* Tools start their calls again under the same ids; what the sandbox knows by its id is taken up, not run
 * again. */
void drive_calls_adopt(struct run *run)
{
    const struct run_state *s = &run->state;

    for (size_t i = 0; i < s->session_count; i++)
        (void) tools_restore_session(&run->host, s->sessions[i].number, (uint64_t) s->sessions[i].exec_id,
                                     NULL);
    for (size_t i = 0; i < s->call_count; i++) {
        if (s->calls[i].phase != RUN_CALL_RUNNING)
            continue;
        if (s->calls[i].is_outside) /* nothing of it can be taken up: it is decided on */
            record_lost(run, s->calls[i].number, s->calls[i].call_id);
        else
            run_queue(run, EFFECT_CALL, s->calls[i].number);
    }
    run->wants_release = true;
}

static bool is_call_running(const struct run_state *s, int64_t number)
{
    const struct run_call *call = run_state_call(s, number);

    return call && call->phase == RUN_CALL_RUNNING;
}

void drive_calls_release(struct run *run)
{
    struct channel *channel = box_channel(&run->box);
    uint64_t ids[CHANNEL_EXECS];
    size_t count = channel ? channel_exec_ended(channel, ids, CHANNEL_EXECS) : 0;

    run->wants_release = false;
    for (size_t i = 0; i < count; i++) {
        int64_t number = (int64_t) (ids[i] / TOOL_EXEC_IDS) - run->exec_base;

        if (number < 0 || number > run->state.call_total) /* of another run in the same sandbox */
            continue;
        if (!is_call_running(&run->state, number) && !tools_holds(&run->host, ids[i]))
            channel_exec_release(channel, ids[i]);
    }
}

/* ---- the end ---- */

void drive_calls_lost(struct run *run)
{
    while (run->calls) {
        record_lost(run, run->calls->number, run->calls->call_id);
        tool_cancel(TAKE_PTR(run->calls->tool_run));
        live_call_remove(run->calls);
    }
}

void drive_calls_cancel(struct run *run)
{
    while (run->calls) {
        tool_cancel(TAKE_PTR(run->calls->tool_run));
        live_call_remove(run->calls);
    }
    tools_release(&run->host);
}
