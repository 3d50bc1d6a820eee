/* SPDX-License-Identifier: MIT */
/* Telling what a state is. */
#include "core/run/snapshot.h"

#include "core/base/json.h"
#include "core/model/request.h"
#include "core/tool/spec.h"

/* ---- the whole ---- */

static void put_failure(struct json_writer *w, const char *name, const struct run_failure *f)
{
    if (!f->code && !f->message)
        return;
    json_key(w, name);
    json_object(w);
    json_put_string(w, "code", f->code);
    json_put_string(w, "message", f->message);
    json_put_string(w, "hint", f->hint);
    json_object_end(w);
}

static void put_item(struct json_writer *w, const struct run_item *item)
{
    char digest[DIGEST_HEX];

    digest_of(span_make(item->raw, item->len), digest);
    json_object(w);
    json_put_int(w, "kind", item->kind);
    json_put_int(w, "turn", item->turn);
    json_put_int(w, "index", item->output_index);
    json_put_int(w, "call", item->call);
    json_put_bool(w, "incomplete", item->is_incomplete);
    json_put_bool(w, "refusal", item->is_refusal);
    json_put_bool(w, "commentary", item->is_commentary);
    json_put_bool(w, "pinned", item->is_pinned);
    json_put_int(w, "keeps", item->keeps);
    json_put_int(w, "size", (int64_t) item->len);
    json_put_string(w, "sha256", digest);
    json_object_end(w);
}

static void put_items(struct json_writer *w, const char *name, const struct run_item *items, size_t count)
{
    json_key(w, name);
    json_array(w);
    for (size_t i = 0; i < count; i++)
        put_item(w, &items[i]);
    json_array_end(w);
}

static void put_texts(struct json_writer *w, const char *name, char *const *texts, size_t count)
{
    json_key(w, name);
    json_array(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, texts[i]);
    json_array_end(w);
}

static void put_context(struct json_writer *w, const struct run_context *c)
{
    json_key(w, "context");
    json_object(w);
    json_put_int(w, "phase", c->phase);
    put_texts(w, "touched", c->touched, c->touched_count);
    json_key(w, "looked");
    json_array(w);
    for (size_t i = 0; i < c->looked_count; i++) {
        json_object(w);
        json_put_string(w, "folder", c->looked[i].folder);
        json_put_int(w, "shown", c->looked[i].shown);
        json_put_int(w, "at", (int64_t) c->looked[i].at);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void put_compaction(struct json_writer *w, const struct run_compaction *c)
{
    json_key(w, "compaction");
    json_object(w);
    json_put_int(w, "phase", c->phase);
    json_put_bool(w, "lost", c->is_lost);
    json_put_bool(w, "wanted", c->is_wanted);
    json_put_bool(w, "refused", c->is_refused);
    json_put_bool(w, "ignored", c->is_ignored);
    json_put_int(w, "asked", c->asked);
    json_put_int(w, "keeps", c->keeps);
    json_put_int(w, "body_bytes", c->body_bytes);
    json_put_int(w, "failures", c->failures);
    json_put_int(w, "at_turn", c->at_turn);
    json_put_int(w, "rest_turn", c->rest_turn);
    json_put_int(w, "tokens", c->tokens);
    json_put_int(w, "counted_items", (int64_t) c->counted_items);
    json_object_end(w);
}

static void put_usage(struct json_writer *w, const char *name, const struct record_usage *u)
{
    json_key(w, name);
    json_object(w);
    json_put_int(w, "input", u->input);
    json_put_int(w, "cached", u->cached);
    json_put_int(w, "output", u->output);
    json_put_int(w, "reasoning", u->reasoning);
    json_put_int(w, "total", u->total);
    json_put_bool(w, "estimated", u->is_estimated);
    json_object_end(w);
}

static void put_call(struct json_writer *w, const struct run_call *call)
{
    json_object(w);
    json_put_int(w, "number", call->number);
    json_put_int(w, "index", call->output_index);
    json_put_int(w, "phase", call->phase);
    json_put_bool(w, "incomplete", call->is_incomplete);
    json_put_string(w, "call_id", call->call_id);
    json_put_string(w, "tool", call->tool);
    json_put_string(w, "title", call->title);
    json_put_int(w, "exec_id", call->exec_id);
    json_put_int(w, "began_ms", call->began_ms);
    json_put_int(w, "begin_order", call->begin_order);
    json_put_int(w, "runs", call->runs);
    json_put_int(w, "losses", call->losses);
    json_put_string(w, "same", call->same);
    put_texts(w, "folders", call->folders, call->folder_count);
    json_put_int(w, "check", call->check);
    json_put_bool(w, "has_left", call->has_left);
    json_put_bool(w, "outside", call->is_outside);
    json_put_bool(w, "has_agent", call->has_agent);
    put_usage(w, "spent", &call->spent.usage);
    json_put_int(w, "spent_micros", call->spent.cost_micros);
    json_put_int(w, "spent_calls", call->spent.calls);
    json_put_int(w, "spent_agents", call->spent.agents);
    json_put_bool(w, "spent_unknown", call->spent.is_cost_unknown);
    json_put_int(w, "approval", call->approval);
    json_put_string(w, "approval_why", call->approval_why);
    json_put_bool(w, "was_asked", call->was_asked);
    json_put_bool(w, "by_nobody", call->approval_by_nobody);
    json_key(w, "intent");
    put_item(w, &call->intent);
    json_key(w, "answer");
    put_item(w, &call->answer);
    json_object_end(w);
}

static void put_held(struct json_writer *w, const struct run_held *h)
{
    json_key(w, "held");
    json_object(w);
    json_put_int(w, "turn", h->turn);
    json_put_int(w, "answers_at", (int64_t) h->answers_at);
    json_put_string(w, "previous_id", h->previous_id);
    json_put_int(w, "previous_items", (int64_t) h->previous_items);
    json_key(w, "calls");
    json_array(w);
    for (size_t i = 0; i < h->call_count; i++)
        put_call(w, &h->calls[i]);
    json_array_end(w);
    json_object_end(w);
}

static void put_checkpoints(struct json_writer *w, const struct run_state *s)
{
    json_put_int(w, "keeping", s->keeping);
    json_put_bool(w, "has_checkpoint", s->has_checkpoint);
    json_put_int(w, "checkpoint", s->checkpoint);
    json_put_int(w, "begins", s->begins);
    json_put_int(w, "covered_begins", s->covered_begins);
    json_put_int(w, "passed_over", s->passed_over);
    json_put_int(w, "checkpoints_taken", s->taken);
    json_put_int(w, "checkpoints_same", s->same);
    put_failure(w, "checkpoint_failure", &s->checkpoint_failure);
}

static void put_resume(struct json_writer *w, const struct run_state *s)
{
    json_put_int(w, "resumes", s->resumes);
    json_put_bool(w, "request_lost", s->is_request_lost);
    json_put_bool(w, "attaching", s->is_attaching);
    json_put_bool(w, "must_roll_back", s->must_roll_back);
    json_put_bool(w, "has_ended_sandbox", s->has_ended_sandbox);
    json_key(w, "sets");
    json_array(w);
    for (size_t i = 0; i < s->set_count; i++)
        json_string(w, s->sets[i]);
    json_array_end(w);
    json_key(w, "sessions");
    json_array(w);
    for (size_t i = 0; i < s->session_count; i++) {
        json_int(w, s->sessions[i].number);
        json_int(w, s->sessions[i].exec_id);
    }
    json_array_end(w);
}

static void put_turn(struct json_writer *w, const struct run_state *s)
{
    json_put_int(w, "turn", s->turn);
    json_put_int(w, "turns_spent", s->turns_spent);
    json_put_int(w, "answers_at", (int64_t) s->answers_at);
    json_put_int(w, "phase", s->phase);
    json_put_bool(w, "was_incomplete", s->was_incomplete);
    json_put_string(w, "incomplete_reason", s->incomplete_reason);
    json_put_int(w, "tries", s->try_count);
    json_put_int(w, "body_bytes", s->body_bytes);
    json_put_int(w, "failures", s->failures);
    json_put_int(w, "retry_at_ms", s->retry_at_ms);
    json_put_bool(w, "has_begun", s->has_begun);
    put_items(w, "fresh", s->fresh, s->fresh_count);
    json_key(w, "calls");
    json_array(w);
    for (size_t i = 0; i < s->call_count; i++)
        put_call(w, &s->calls[i]);
    json_array_end(w);
    json_put_int(w, "answer", s->answer);
    json_put_int(w, "answers_wrong", s->answers_wrong);
    put_failure(w, "answer_failure", &s->answer_failure);
    json_key(w, "checks_failed");
    json_array(w);
    for (size_t i = 0; i < RUN_CHECKS_MAX; i++)
        json_int(w, s->checks_failed[i]);
    json_array_end(w);
    json_put_int(w, "check_wrong", s->check_wrong);
    put_failure(w, "request_failure", &s->request_failure);
    json_put_bool(w, "function_tools", s->use_function_tools);
    json_put_bool(w, "no_reasoning", s->drop_reasoning);
    json_put_bool(w, "told_schema", s->tell_schema);
    json_put_bool(w, "asking", s->is_asking);
    json_put_int(w, "asked_ms", s->asked_ms);
    json_put_int(w, "asked_at_ms", s->asked_at_ms);
    json_put_int(w, "asked_below_ms", s->asked_below_ms);
}

static void put_budget(struct json_writer *w, const struct run_state *s)
{
    json_put_int(w, "call_total", s->call_total);
    json_put_int(w, "calls_begun", s->calls_begun);
    json_put_int(w, "calls_below", s->calls_below);
    json_put_int(w, "agents", s->agents);
    put_usage(w, "usage", &s->usage);
    put_usage(w, "last", &s->last);
    json_put_int(w, "cost_micros", s->cost_micros);
    json_put_bool(w, "cost_unknown", s->is_cost_unknown);
    json_put_string(w, "repeat", s->repeat);
    json_put_int(w, "repeat_count", s->repeat_count);
}

static void put_parts(struct json_writer *w, const struct run_state *s)
{
    json_put_int(w, "sandbox", s->sandbox);
    json_put_int(w, "workspace", s->workspace);
    json_put_int(w, "outputs", s->outputs);
    json_put_int(w, "attempt", s->attempt);
    json_put_string(w, "container_id", s->container_id);
    json_put_string(w, "container_name", s->container_name);
    json_put_string(w, "guest_boot", s->guest_boot);
    put_failure(w, "sandbox_failure", &s->sandbox_failure);
    put_failure(w, "workspace_failure", &s->workspace_failure);
    put_failure(w, "output_failure", &s->output_failure);
    json_put_int(w, "outputs_done", s->outputs_done);
    json_put_int(w, "outputs_failed", s->outputs_failed);
}

static void put_servers(struct json_writer *w, const struct run_state *s)
{
    json_key(w, "mcp");
    json_array(w);
    for (size_t i = 0; i < s->mcp_count; i++) {
        const struct run_mcp *m = &s->mcp[i];

        json_object(w);
        json_put_string(w, "server", m->server);
        json_put_int(w, "phase", m->phase);
        put_failure(w, "why", &m->why);
        json_key(w, "own");
        json_array(w);
        for (size_t k = 0; k < m->own_count; k++)
            json_string(w, m->own[k].name);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_sum(struct json_writer *w, const struct egress_sum *sum)
{
    json_object(w);
    json_put_string(w, "side", sum->side);
    json_put_int(w, "allowed", sum->allowed);
    json_put_int(w, "denied", sum->denied);
    json_put_int(w, "ended_up", sum->ended_up);
    json_put_int(w, "ended_down", sum->ended_down);
    json_put_int(w, "told_connections", sum->told.connections);
    json_put_int(w, "told_allowed", sum->told.allowed);
    json_put_int(w, "told_denied", sum->told.denied);
    json_put_int(w, "told_up", sum->told.bytes_up);
    json_put_int(w, "told_down", sum->told.bytes_down);
    json_object_end(w);
}

static void put_egress(struct json_writer *w, const struct run_state *s)
{
    const struct run_egress *e = &s->egress;

    json_key(w, "egress");
    json_object(w);
    json_put_int(w, "numbers", e->numbers);
    json_put_int(w, "allowed", e->allowed);
    json_put_int(w, "denied", e->denied);
    json_key(w, "sums");
    json_array(w);
    for (size_t i = 0; i < e->sums.count; i++)
        put_sum(w, &e->sums.list[i]);
    json_array_end(w);
    json_key(w, "open");
    json_array(w);
    for (size_t i = 0; i < e->open_count; i++)
        json_int(w, e->open[i]);
    json_array_end(w);
    json_put_bool(w, "has_left", e->has_left);
    json_put_bool(w, "unsaid_left", s->has_unsaid_left);
    json_object_end(w);
}

static void put_end(struct json_writer *w, const struct run_state *s)
{
    json_put_int(w, "interrupt", s->interrupt);
    json_put_bool(w, "waits_for_approval", s->waits_for_approval);
    json_put_string(w, "limit", s->limit);
    json_put_int(w, "limit_value", s->limit_value);
    json_put_int(w, "limit_max", s->limit_max);
    json_put_string(w, "end", run_end_name(s->end));
    json_put_string(w, "reason", s->reason);
    put_failure(w, "end_failure", &s->end_failure);
    json_put_int(w, "exit", s->exit_status);
    json_put_bool(w, "kept", s->is_kept);
    json_put_bool(w, "removed", s->is_removed);
}

int run_state_encode(const struct run_state *s, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_int(&w, "seq", (int64_t) s->seq);
    json_put_int(&w, "ms", s->ms);
    json_put_int(&w, "began_ms", s->began_ms);
    json_put_int(&w, "changed_ms", s->changed_ms);
    json_put_string(&w, "id", s->id);
    json_put_string(&w, "name", s->name);
    json_put_string(&w, "model", s->model);
    put_items(&w, "items", s->items, s->item_count);
    json_put_string(&w, "previous_id", s->previous_id);
    json_put_int(&w, "previous_items", (int64_t) s->previous_items);
    json_put_int(&w, "base_items", (int64_t) s->base_items);
    json_put_string(&w, "agent", s->agent);
    json_put_string(&w, "parent", s->parent);
    json_put_int(&w, "parent_seq", s->parent_seq);
    json_put_int(&w, "parent_calls", s->parent_calls);
    put_turn(&w, s);
    put_held(&w, &s->held);
    put_context(&w, &s->context);
    put_compaction(&w, &s->compaction);
    put_budget(&w, s);
    put_parts(&w, s);
    put_checkpoints(&w, s);
    put_resume(&w, s);
    put_servers(&w, s);
    put_egress(&w, s);
    put_end(&w, s);
    json_object_end(&w);
    return json_end(&w, err);
}

/* ---- the answer ---- */

static bool is_last_message(const struct run_state *s, const struct run_item *item)
{
    return item->kind == RUN_ITEM_MESSAGE && item->turn == s->turn && s->turn > 0;
}

bool run_state_has_message(const struct run_state *s)
{
    for (size_t i = 0; i < s->item_count; i++)
        if (is_last_message(s, &s->items[i]))
            return true;
    return false;
}

bool run_state_is_refusal(const struct run_state *s)
{
    for (size_t i = 0; i < s->item_count; i++)
        if (is_last_message(s, &s->items[i]) && s->items[i].is_refusal)
            return true;
    return false;
}

static int add_text(const struct run_item *item, struct buf *out, struct err *err)
{
    struct item_view view;
    size_t before = out->len;
    int r;

    if (!item->raw)
        return 0;
    if (before && buf_add_char(out, '\n') < 0)
        return err_set(err, ERR_TOO_LARGE, "the answer is larger than %zu bytes", out->max);
    r = item_inspect(span_make(item->raw, item->len), &view, out, err);
    if (r == 0 && before && out->len == before + 1)
        out->len = before; /* an empty message makes no line */
    return r;
}

int run_state_text(const struct run_state *s, struct buf *out, struct err *err)
{
    bool has_answer = false;

    for (size_t i = 0; i < s->item_count; i++)
        if (is_last_message(s, &s->items[i]) && !s->items[i].is_commentary)
            has_answer = true;
    for (size_t i = 0; i < s->item_count; i++) {
        const struct run_item *item = &s->items[i];
        int r;

        if (!is_last_message(s, item) || (has_answer && item->is_commentary))
            continue;
        r = add_text(item, out, err);
        if (r < 0)
            return r;
    }
    return 0;
}
