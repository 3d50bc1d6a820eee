/* SPDX-License-Identifier: MIT */
/* The driver's side to summaries: asked for in a request of their own, judged, put into the conversation. */
#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/model/item.h"
#include "core/run/driver_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES_MAX  3
#define ITEM_MAX   (2 * 1024 * 1024)
#define ANSWER_MAX (16 * 1024 * 1024) /* more is no summary */

/* ---- the ends ---- */

static void record_failed(struct run *run, const struct model_end *end, const char *code)
{
    struct record rec = { .type = RECORD_COMPACTION_FAILED };
    int64_t failures = run->state.compaction.failures, retry_ms = drive_model_retry_ms(run, end, failures);
    bool can_retry = retry_ms >= 0 || end->is_too_long || end->kind == MODEL_COMPLETED;

    rec.compaction = (struct record_compaction){
        .turn = run->state.turn,
        .attempt = failures + 1,
        .code = code,
        .message = end->err.text,
        .hint = end->err.hint[0] ? end->err.hint : NULL,
        .http_status = end->http_status,
        .will_retry = can_retry && failures + 1 < TRIES_MAX,
        .retry_ms = retry_ms > 0 ? retry_ms : 0,
        .request_id = end->request_id[0] ? end->request_id : NULL,
        .usage = drive_model_usage(run, end),
    };
    rec.compaction.cost_micros = drive_model_cost(run, &rec.compaction.usage);
    buf_clear(&run->summary);
    (void) run_record(run, &rec);
}

static int record_done(struct run *run, const struct model_end *end, struct err *err)
{
    struct record rec = { .type = RECORD_COMPACTION_DONE };
    struct buf item = BUF_INIT(ITEM_MAX);
    int r = conversation_put_summary(&item, buf_span(&run->summary), err);

    rec.compaction = (struct record_compaction){
        .turn = run->state.turn,
        .keeps = run->cut.keeps,
        .items = (int64_t) run->cut.items,
        .bytes = (int64_t) run->cut.bytes,
        .response_id = end->response_id[0] ? end->response_id : NULL,
        .request_id = end->request_id[0] ? end->request_id : NULL,
        .model = end->model[0] ? end->model : NULL,
        .usage = drive_model_usage(run, end),
    };
    rec.compaction.item.json = buf_span(&item);
    rec.compaction.cost_micros = drive_model_cost(run, &rec.compaction.usage);
    if (r == 0)
        r = run_record(run, &rec);
    buf_done(&item);
    buf_clear(&run->summary);
    return r;
}

/* ---- the exchange ---- */

/* Only what it says counts: calls that come all the same are nobody's. */
static void on_item(void *data, int64_t output_index, struct span raw)
{
    struct run *run = data;
    struct model_end end = { .kind = MODEL_BROKEN, .retry_after_ms = -1 };
    struct buf text = BUF_INIT(2 * CONVERSATION_SUMMARY_MAX);
    struct item_view view = { 0 };

    (void) output_index;
    if (run->is_over)
        return;
    run->answer_bytes += (int64_t) raw.len;
    if (run->answer_bytes > ANSWER_MAX) {
        model_exchange_free(TAKE_PTR(run->exchange));
        (void) err_set(&end.err, ERR_MODEL, "the summary is larger than %d MiB", ANSWER_MAX >> 20);
        record_failed(run, &end, "useless");
    } else if (item_inspect(raw, &view, &text, NULL) == 0 && view.kind == ITEM_MESSAGE &&
               !view.is_commentary && !view.is_refusal && buf_add_span(&run->summary, buf_span(&text)) < 0) {
        buf_clear(&run->summary); /* too long to be of use; what follows cannot make it so */
    }
    buf_done(&text);
}

static void on_end(void *data, const struct model_end *end)
{
    struct run *run = data;
    const char *why = conversation_judge_summary(buf_span(&run->summary), run->cut.bytes);
    struct model_end bad = *end;
    struct err err = { 0 };

    run->old_exchange = TAKE_PTR(run->exchange);
    if (run->is_over)
        return;
    if (end->kind == MODEL_COMPLETED && !why) {
        if (record_done(run, end, &err) < 0 && err.code)
            run_break(run, &err);
        return;
    }
    if (end->kind == MODEL_INCOMPLETE)
        (void) err_set(&bad.err, ERR_MODEL, "the summary is incomplete: %s", end->reason);
    else if (end->kind == MODEL_COMPLETED)
        (void) err_set(&bad.err, ERR_MODEL, "%s", why);
    record_failed(run, &bad, bad.kind == MODEL_COMPLETED ? "useless" : bad.reason[0] ? bad.reason : "failed");
}

static const struct model_ops summary_ops = { .is_aside = true, .on_item = on_item, .on_end = on_end };

void effect_compact(struct run *run)
{
    struct model_end end = { .kind = MODEL_FAILED, .retry_after_ms = -1 };

    if (model_send(run->model, buf_span(&run->body), &summary_ops, run, &run->exchange, &end.err) < 0)
        record_failed(run, &end, "failed");
    buf_done(&run->body);
}

void drive_compaction_close(struct run *run)
{
    struct record rec = { .type = RECORD_COMPACTION_FAILED };
    struct model_end end = { .kind = MODEL_BROKEN };

    run->body_bytes = run->state.compaction.body_bytes;
    run->answer_bytes = 1; /* the input was sent: it counts */
    rec.compaction = (struct record_compaction){
        .turn = run->state.turn,
        .attempt = run->state.compaction.failures + 1,
        .code = "interrupted",
        .message = "agentbox did not wait for the summary",
        .will_retry = true,
        .usage = drive_model_usage(run, &end),
    };
    rec.compaction.cost_micros = drive_model_cost(run, &rec.compaction.usage);
    buf_clear(&run->summary);
    (void) run_record(run, &rec);
}

/* ---- the request ---- */

/* A fifth of what is allowed stays word for word; after a failure less is summarised at once, if it can be.
 */
static bool cut(struct run *run, const size_t *view, size_t count, int64_t attempt)
{
    const struct run_state *s = &run->state;
    size_t all = 0, tail;

    for (size_t i = 0; i < count; i++)
        all += s->items[view[i]].len;
    tail = run->spec->compact.at_tokens > 0 ? (size_t) run->spec->compact.at_tokens * 4 / 5 : all / 5;
    if (tail > all / 2)
        tail = all / 2;
    return (attempt > 1 &&
            conversation_find_cut(s->items, view, count, tail, all >> (attempt - 1), &run->cut)) ||
           conversation_find_cut(s->items, view, count, tail, SIZE_MAX, &run->cut);
}

static int encode(struct run *run, const size_t *view, struct err *err)
{
    const struct run_state *s = &run->state;
    struct request_input in = { .is_aside = true };
    CLEANUP(free) struct span *items = calloc(run->cut.at + 1, sizeof(*items));
    struct buf ask = BUF_INIT(ITEM_MAX);
    int r =
        items ? conversation_ask_summary(&ask, err) : err_set(err, ERR_INTERNAL, "no memory for a request");

    for (size_t i = 0; r == 0 && i < run->cut.at; i++)
        items[i] = span_make(s->items[view[i]].raw, s->items[view[i]].len);
    if (r == 0) {
        items[run->cut.at] = buf_span(&ask);
        r = drive_model_encode(run, items, run->cut.at + 1, &in, err);
    }
    buf_done(&ask);
    return r;
}

static void record_begin(struct run *run, int64_t attempt)
{
    struct record rec = { .type = RECORD_COMPACTION_BEGIN };
    char digest[DIGEST_HEX];

    digest_of(buf_span(&run->body), digest);
    rec.compaction = (struct record_compaction){
        .turn = run->state.turn,
        .attempt = attempt,
        .keeps = run->cut.keeps,
        .items = (int64_t) run->cut.items,
        .bytes = (int64_t) run->cut.bytes,
        .body = digest,
        .body_bytes = (int64_t) run->body.len,
    };
    run->body_bytes = (int64_t) run->body.len;
    run->answer_bytes = 0;
    buf_clear(&run->summary);
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_COMPACT, 0);
}

static void record_nothing(struct run *run)
{
    struct record rec = { .type = RECORD_COMPACTION_FAILED };

    rec.compaction = (struct record_compaction){
        .turn = run->state.turn,
        .code = "nothing",
        .message = "nothing of the conversation is old enough to be summarised",
    };
    (void) run_record(run, &rec);
}

void act_compact(struct run *run, const struct run_action *action)
{
    const struct run_state *s = &run->state;
    CLEANUP(free) size_t *view = calloc(s->item_count + 1, sizeof(*view));
    struct err err = { 0 };
    int r = view ? 0 : err_set(&err, ERR_INTERNAL, "no memory for a request");
    size_t count = view ? conversation_view(s->items, s->item_count, NULL, NULL, view) : 0;

    if (r == 0 && !cut(run, view, count, action->attempt)) {
        record_nothing(run);
        return;
    }
    if (r == 0)
        r = encode(run, view, &err);
    if (r == 0)
        record_begin(run, action->attempt);
    else
        run_break(run, &err);
}
