/* SPDX-License-Identifier: MIT */
/* The driver's side to the model: requests out, items and ends in, what to repeat and what to repair. */
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/model/request.h"
#include "core/run/attachment.h"
#include "core/run/dialect.h"
#include "core/run/driver_impl.h"
#include "core/tool/approve.h"
#include "core/tool/hosted.h"
#include "core/tool/skill_index.h"
#include "core/tool/touched.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX        (256 * 1024 * 1024)
#define TREE_MAX        (64 * 1024 * 1024)
#define TITLE_MAX       512
#define BYTES_PER_TOKEN 4 /* for answers without usage: a rough but never absurd count */
/* Of all items of one answer: what comes back in each request. */
#define ANSWER_MAX (64 * 1024 * 1024)

/* ---- set up ---- */

int drive_model_init(struct run *run, struct http *http, bool with_task, struct err *err)
{
    const struct run_spec *spec = run->spec;
    int r = 0;

    buf_init(&run->task, BODY_MAX);
    buf_init(&run->body, BODY_MAX);
    buf_init(&run->tools, BODY_MAX);
    buf_init(&run->summary, 2 * CONVERSATION_SUMMARY_MAX);
    run->dialect = (dialect_of(&spec->model) == TOOL_STYLE_FUNCTION ? DIALECT_FUNCTIONS : 0) |
                   (spec->model.schema && !dialect_takes_schema(&spec->model) ? DIALECT_NO_SCHEMA : 0) |
                   (dialect_takes_compaction(&spec->model) ? 0 : DIALECT_NO_COMPACTION);
    buf_init(&run->instructions, BODY_MAX);
    r = skill_instructions(&run->instructions, spec->instructions, spec->skills, spec->skill_count,
                           spec->sandbox.root, err);
    if (r == 0 && with_task)
        r = attachment_user_item(&run->task, spec->task, spec->attachments, spec->attachment_count, err);
    return r < 0 ? r : model_client_new(run->loop, http, &spec->model, &run->model, err);
}

/* ---- the request ---- */

static bool uses_functions(const struct run *run)
{
    return run->state.use_function_tools || (run->dialect & DIALECT_FUNCTIONS);
}

/* Is the schema of the answer part of the instructions, since the server does not take it? */
static bool tells_schema(const struct run *run)
{
    return run->spec->model.schema && (run->state.tell_schema || (run->dialect & DIALECT_NO_SCHEMA));
}

/* Only now is it sure that it was this that the server refused. */
static void remember_dialect(struct run *run)
{
    unsigned found = (run->state.use_function_tools ? DIALECT_FUNCTIONS : 0) |
                     (run->state.tell_schema ? DIALECT_NO_SCHEMA : 0) |
                     (run->state.compaction.is_refused ? DIALECT_NO_COMPACTION : 0);

    if (!(found & ~run->dialect) || !dialect_is_kept(&run->spec->model))
        return;
    dialect_learn(run->spec->model.base_url, clock_wall_ms(), found);
    run->dialect |= found;
}

static enum tool_style style_of(const struct run *run)
{
    if (uses_functions(run))
        return TOOL_STYLE_FUNCTION;
    return run->spec->model.tool_style == MODEL_TOOLS_CUSTOM ? TOOL_STYLE_CUSTOM : TOOL_STYLE_NATIVE;
}

/* The server continues from an answer it has: only what is new is sent. */
static const char *previous_of(const struct run *run)
{
    return run->spec->model.state == MODEL_STATE_SERVER ? run->state.previous_id : NULL;
}

static const char *instructions_of(const struct run *run)
{
    return run->instructions.len > 0 ? buf_text(&run->instructions) : run->spec->instructions;
}

/* As text.format would have had it. */
static int put_schema(const struct run *run, struct buf *out, struct err *err)
{
    struct json_writer w;
    int r =
        buf_printf(out,
                   "%sYour final message must be one JSON document that matches the JSON schema below, and "
                   "nothing else: no text around it, no code fence.\n\n",
                   out->len > 0 ? "\n\n" : "");

    json_begin(&w, out);
    json_tree(&w, run->spec->model.schema);
    return r < 0 ? err_set(err, ERR_TOO_LARGE, "the instructions are too large") : json_end(&w, err);
}

/* What the manifest says, with its skills; which servers are not there; what the answer must be. */
static int put_instructions(const struct run *run, struct buf *out, struct err *err)
{
    const char *text = instructions_of(run);
    int r = buf_add_text(out, text ? text : "");

    drive_mcp_words(run, out);
    if (r < 0)
        return err_set(err, ERR_TOO_LARGE, "the instructions are too large");
    return tells_schema(run) ? put_schema(run, out, err) : 0;
}

int drive_model_encode(struct run *run, const struct span *items, size_t count, struct request_input *in,
                       struct err *err)
{
    const struct tool_list tools = drive_tools(run);
    struct buf instructions = BUF_INIT(BODY_MAX);
    int r = put_instructions(run, &instructions, err);

    in->instructions = instructions.len > 0 ? buf_text(&instructions) : NULL;
    in->omit_schema = tells_schema(run);
    buf_clear(&run->tools);
    if (r == 0)
        r = tools_describe(&tools, style_of(run), &run->tools, err);
    in->tools = buf_span(&run->tools);
    in->strip_reasoning = run->state.drop_reasoning;
    in->cache_key = run->folder->id;
    in->items = items;
    in->item_count = count;
    buf_clear(&run->body);
    if (r == 0)
        r = request_encode(&run->body, &run->spec->model, in, err);
    buf_done(&instructions);
    return r;
}

/* Those that the server does not have, or all that are sent. */
static size_t choose_items(const struct run_state *s, bool is_continued, size_t *order)
{
    size_t count = 0;

    if (!is_continued)
        return conversation_view(s->items, s->item_count, NULL, NULL, order);
    for (size_t i = s->previous_items; i < s->item_count; i++)
        order[count++] = i;
    return count;
}

/* Not where somebody else does it: a server that refused that, or did not. */
static int64_t compact_at(const struct run *run)
{
    const struct run_compaction *c = &run->state.compaction;
    const struct run_compact *how = &run->spec->compact;

    return how->by != RUN_COMPACT_AUTO || c->is_refused || c->is_ignored ||
                   (run->dialect & DIALECT_NO_COMPACTION)
               ? 0
               : how->at_tokens;
}

static int encode_body(struct run *run, struct record_request_begin *ret, struct err *err)
{
    const struct run_state *s = &run->state;
    struct request_input in = { .previous_response_id = previous_of(run), .compact_at = compact_at(run) };
    CLEANUP(free) size_t *order = calloc(s->item_count + 1, sizeof(*order));
    CLEANUP(free) struct span *items = calloc(s->item_count + 1, sizeof(*items));
    CLEANUP(free) bool *are_whole = calloc(s->item_count + 1, sizeof(*are_whole));
    size_t count;
    int r;

    if (!order || !items || !are_whole)
        return err_set(err, ERR_INTERNAL, "no memory for a request");
    count = choose_items(s, in.previous_response_id, order);
    for (size_t i = 0; i < count; i++) {
        items[i] = span_make(s->items[order[i]].raw, s->items[order[i]].len);
        are_whole[i] = s->items[order[i]].is_whole;
    }
    in.are_whole = are_whole;
    r = drive_model_encode(run, items, count, &in, err);
    ret->tool_style = tool_style_name(style_of(run));
    ret->previous = in.previous_response_id;
    ret->items = (int64_t) s->item_count;
    ret->items_sent = (int64_t) count;
    ret->body_bytes = (int64_t) run->body.len;
    ret->compact_at = in.compact_at;
    return r;
}

void act_send_request(struct run *run, const struct run_action *action)
{
    struct record rec = { .type = RECORD_REQUEST_BEGIN };
    char digest[DIGEST_HEX];
    struct err err = { 0 };

    rec.request_begin.turn = action->turn;
    rec.request_begin.attempt = action->attempt;
    if (encode_body(run, &rec.request_begin, &err) < 0) {
        (void) err_wrap(&err, "making request %lld", (long long) action->turn);
        run_break(run, &err);
        return;
    }
    digest_of(buf_span(&run->body), digest);
    rec.request_begin.body = digest;
    run->body_bytes = (int64_t) run->body.len;
    run->answer_bytes = 0;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_SEND, 0);
}

/* ---- items ---- */

static const char *kind_word(enum item_kind kind)
{
    static const char *const names[] = { [ITEM_OTHER] = "other",
                                         [ITEM_MESSAGE] = "message",
                                         [ITEM_REASONING] = "reasoning",
                                         [ITEM_CALL] = "call" };

    return names[kind];
}

static void describe_folders(const struct run *run, const struct tree *item, struct touched *touched,
                             struct record_text folders[TOUCHED_MAX], struct record_request_item *ret)
{
    const struct tool_list tools = drive_tools(run);
    struct tool_found tool;

    if (tool_find(&tools, item, &tool) && tool.ops && tool.ops->touch)
        tool.ops->touch(item, touched);
    for (size_t i = 0; i < touched->count; i++)
        folders[i].text = touched->folders[i];
    ret->folders = folders;
    ret->folder_count = touched->count;
}

static void describe_call(struct run *run, const struct tree *item, struct record_request_item *ret,
                          char title[TITLE_MAX], char why[APPROVE_WHY_MAX])
{
    const struct tool_list tools = drive_tools(run);
    struct tool_found tool;

    ret->call = run->state.call_total + 1;
    if (!tool_find(&tools, item, &tool))
        return;
    ret->tool = tool.name;
    title[0] = '\0';
    tool_title(&tool, item, title, TITLE_MAX);
    ret->title = title;
    drive_approve_judge(run, &tool, item, why, ret);
}

/* What the server did itself, with a tool that need not have been offered to it: it is recorded either way.
 */
static void describe_hosted(const struct tree *item, struct record_request_item *ret, char title[TITLE_MAX])
{
    ret->tool = hosted_find(item);
    if (!ret->tool)
        return;
    hosted_title(item, title, TITLE_MAX);
    ret->title = title;
}

static void record_item(struct run *run, int64_t output_index, struct span raw, const struct item_view *view,
                        const struct tree *item)
{
    struct record rec = { .type = RECORD_REQUEST_ITEM };
    struct record_text folders[TOUCHED_MAX];
    struct touched touched;
    char title[TITLE_MAX], why[APPROVE_WHY_MAX];

    touched_init(&touched, run->spec->sandbox.root);
    rec.request_item = (struct record_request_item){
        .turn = run->state.turn,
        .output_index = output_index,
        .kind = kind_word(view->kind),
        .item_type = view->type,
        .is_incomplete = !view->is_complete,
        .is_refusal = view->is_refusal,
        .is_commentary = view->is_commentary,
    };
    rec.request_item.item.json = raw;
    if (view->kind == ITEM_CALL) {
        rec.request_item.call_id = view->call_id;
        describe_call(run, item, &rec.request_item, title, why);
        if (run->spec->agents_md && rec.request_item.tool)
            describe_folders(run, item, &touched, folders, &rec.request_item);
    } else
        describe_hosted(item, &rec.request_item, title);
    (void) run_record(run, &rec);
    touched_done(&touched);
}

/* The very same item at the same place: told twice, as some servers do. */
static bool is_told(const struct run_state *s, int64_t output_index, struct span raw)
{
    for (size_t i = 0; i < s->fresh_count; i++)
        if (s->fresh[i].output_index == output_index && s->fresh[i].len == raw.len &&
            memcmp(s->fresh[i].raw, raw.ptr, raw.len) == 0)
            return true;
    return false;
}

static void take_item(struct run *run, int64_t output_index, struct span raw, struct err *err)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *item;
    struct item_view view;

    if (run->state.fresh_count >= RUN_TURN_ITEMS_MAX)
        (void) err_set(err, ERR_MODEL, "the answer has more than %d items", RUN_TURN_ITEMS_MAX);
    else if (run->answer_bytes > ANSWER_MAX)
        (void) err_set(err, ERR_MODEL, "the answer is larger than %d MiB", ANSWER_MAX >> 20);
    else if (json_parse(raw, &arena, &item, err) < 0 || item_inspect(raw, &view, NULL, err) < 0)
        (void) err_wrap(err, "an item of the answer is malformed");
    else
        record_item(run, output_index, raw, &view, item);
    arena_done(&arena);
}

static void reject_answer(struct run *run, const struct err *why);

static void on_item(void *data, int64_t output_index, struct span raw)
{
    struct run *run = data;
    struct err err = { 0 };

    if (run->is_over || is_told(&run->state, output_index, raw))
        return;
    run->answer_bytes += (int64_t) raw.len;
    take_item(run, output_index, raw, &err);
    if (err.code)
        reject_answer(run, &err);
}

/* ---- ends ---- */

struct record_usage drive_model_usage(const struct run *run, const struct model_end *end)
{
    const struct model_usage *u = &end->usage;
    struct record_usage ret = { u->input_tokens,     u->cached_tokens, u->output_tokens,
                                u->reasoning_tokens, u->total_tokens,  false };

    if (end->has_usage ||
        (end->kind != MODEL_COMPLETED && end->kind != MODEL_INCOMPLETE && !run->answer_bytes))
        return ret;
    ret.input = run->body_bytes / BYTES_PER_TOKEN;
    ret.output = run->answer_bytes / BYTES_PER_TOKEN;
    ret.total = ret.input + ret.output;
    ret.is_estimated = true;
    return ret;
}

/* Nothing used costs nothing, whatever the price. */
int64_t drive_model_cost(const struct run *run, const struct record_usage *u)
{
    struct model_usage usage = { u->input, u->cached, u->output, u->reasoning, u->total };

    return u->total || u->input ? model_cost(&run->spec->model.price, &usage) : 0;
}

static void record_end(struct run *run, const struct model_end *end, const char *status, int64_t retry_ms)
{
    struct record rec = { .type = RECORD_REQUEST_END };
    bool is_cut = strcmp(status, "cut") == 0;

    rec.request_end = (struct record_request_end){
        .turn = run->state.turn,
        .status = status,
        .reason = end->reason[0] ? end->reason : NULL,
        .message = is_cut ? end->err.text : NULL,
        .response_id = end->response_id[0] ? end->response_id : NULL,
        .request_id = end->request_id[0] ? end->request_id : NULL,
        .model = end->model[0] ? end->model : NULL,
        .usage = drive_model_usage(run, end),
        .retry_ms = retry_ms,
    };
    rec.request_end.cost_micros = drive_model_cost(run, &rec.request_end.usage);
    (void) run_record(run, &rec);
}

/* What the server's refusal asks us to change; each is tried once. */
static const char *repair_for(const struct run *run, const struct model_end *end)
{
    if (end->wants_function_tools && run->spec->model.tool_style == MODEL_TOOLS_AUTO && !uses_functions(run))
        return "function_tools";
    if (end->wants_no_schema && !tells_schema(run))
        return "told_schema";
    if (end->lost_previous && previous_of(run))
        return "full_input";
    if (end->bad_reasoning && !run->state.drop_reasoning)
        return "no_reasoning";
    if (end->refuses_compaction && compact_at(run))
        return "no_compaction";
    if (end->is_too_long && run->spec->compact.by != RUN_COMPACT_OFF &&
        run->state.compaction.at_turn != run->state.turn && !run->state.compaction.is_wanted)
        return "compact";
    return NULL;
}

static void record_failed(struct run *run, const struct model_end *end, const char *repair, int64_t retry_ms)
{
    struct record rec = { .type = RECORD_REQUEST_FAILED };

    rec.request_failed = (struct record_request_failed){
        .turn = run->state.turn,
        .attempt = run->state.try_count,
        .code = end->reason[0]              ? end->reason
                : end->kind == MODEL_BROKEN ? "broken"
                                            : "failed",
        .message = end->err.text,
        .hint = end->err.hint[0] ? end->err.hint : NULL,
        .http_status = end->http_status,
        .will_retry = repair || retry_ms >= 0,
        .retry_ms = repair || retry_ms < 0 ? 0 : retry_ms,
        .repair = repair,
        .request_id = end->request_id[0] ? end->request_id : NULL,
        .usage = drive_model_usage(run, end),
    };
    rec.request_failed.cost_micros = drive_model_cost(run, &rec.request_failed.usage);
    (void) run_record(run, &rec);
}

static double random_unit(void)
{
    uint32_t noise;

    random_bytes(&noise, sizeof(noise));
    return (double) noise / 4294967296.0;
}

int64_t drive_model_retry_ms(const struct run *run, const struct model_end *end, int64_t failures)
{
    int tried = failures < INT_MAX - 1 ? (int) failures : INT_MAX - 2;

    return model_retry_ms(end, tried + 1, run->spec->model.retries, random_unit());
}

/* No usable answer. Calls that have begun cannot be undone: then the turn ends with what was completed. */
static void fail(struct run *run, const struct model_end *end)
{
    const char *repair = run->state.has_begun ? NULL : repair_for(run, end);
    int64_t retry_ms = drive_model_retry_ms(run, end, run->state.failures);

    if (run->state.has_begun)
        record_end(run, end, "cut", retry_ms);
    else
        record_failed(run, end, repair, retry_ms);
}

/* What else it may say is not waited for: it may go on for ever. */
static void reject_answer(struct run *run, const struct err *why)
{
    struct model_end bad = { .kind = MODEL_BROKEN, .can_retry = true, .retry_after_ms = -1, .err = *why };

    model_exchange_free(TAKE_PTR(run->exchange));
    (void) err_recode(&bad.err, ERR_MODEL);
    fail(run, &bad);
}

static void on_end(void *data, const struct model_end *end)
{
    struct run *run = data;

    run->old_exchange = TAKE_PTR(run->exchange);
    if (run->is_over)
        return;
    if (end->kind == MODEL_COMPLETED) {
        remember_dialect(run);
        record_end(run, end, "completed", 0);
    } else if (end->kind == MODEL_INCOMPLETE) {
        record_end(run, end, "incomplete", 0);
    } else {
        fail(run, end);
    }
}

static void on_delta(void *data, enum model_delta kind, struct span text)
{
    struct run *run = data;

    if (run->events->on_delta && !run->is_over)
        run->events->on_delta(run->data, kind, text);
}

static const struct model_ops model_ops = { on_delta, on_item, on_end };

void effect_send(struct run *run)
{
    struct model_end end = { .kind = MODEL_FAILED, .retry_after_ms = -1 };

    if (model_send(run->model, buf_span(&run->body), &model_ops, run, &run->exchange, &end.err) < 0)
        fail(run, &end);
    buf_done(&run->body); /* the exchange has its copy; this may be large */
}

/* Nobody knows what became of it: the server may have answered and charged for it. So it is counted as far as
 * it is known, and sent again unless a call of its answer has begun. */
void act_close_request(struct run *run)
{
    struct model_end end = { .kind = MODEL_BROKEN, .can_retry = true, .retry_after_ms = -1 };
    bool is_ours = run->exchange != NULL;

    model_exchange_free(TAKE_PTR(run->exchange));
    if (run->state.compaction.phase == RUN_PART_STARTING) {
        drive_compaction_close(run);
        return;
    }
    (void) err_set(&end.err, ERR_MODEL, "%s",
                   is_ours ? "what the model was told is no longer so: the run goes back to a checkpoint"
                           : "agentbox ended while the model answered");
    (void) snprintf(end.reason, sizeof(end.reason), "interrupted");
    run->body_bytes = run->state.body_bytes;
    run->answer_bytes = 0;
    for (size_t i = 0; i < run->state.fresh_count; i++)
        run->answer_bytes += (int64_t) run->state.fresh[i].len;
    if (!run->answer_bytes)
        run->answer_bytes = 1; /* the input was sent: it counts */
    if (run->state.has_begun)
        record_end(run, &end, "cut", 0);
    else
        record_failed(run, &end, NULL, 0);
}

void drive_model_cancel(struct run *run)
{
    model_exchange_free(TAKE_PTR(run->exchange));
    model_exchange_free(TAKE_PTR(run->old_exchange));
}
