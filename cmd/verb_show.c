/* SPDX-License-Identifier: MIT */
/* `agentbox show RUN`: one run, from its journal. */
#include "cmd/advice.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/run/egress_sums.h"
#include "core/run/journal.h"
#include "core/run/snapshot.h"
#include "core/run/view.h"
#include "core/tool/approve.h"

#include <stdio.h>
#include <string.h>

#define SHOW_MAX     (64 * 1024 * 1024)
#define QUESTION_MAX ((size_t) 8 * 1024 * 1024)

/* Walk the journal and let `fn` see every record; damage ends the walk, the view has told about it. */
typedef void record_fn(void *data, const struct record *rec);

static int each_record(struct run_folder *folder, record_fn *fn, void *data, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(folder, &reader, err);

    if (r < 0)
        return r == -ERR_NOT_FOUND ? 0 : r; /* it never came to its first record */
    while (journal_next(&reader, &rec, NULL) > 0)
        fn(data, &rec);
    journal_close(&reader);
    return 0;
}

/* The final message of a run that ended well. */
static void final_message(struct run_folder *folder, const struct run_view *view, struct buf *out)
{
    struct run_state state;

    if (view->state != RUN_VIEW_DONE)
        return;
    run_state_init(&state);
    if (run_fold(folder, &state, NULL) == 0)
        (void) run_state_text(&state, out, NULL); /* the rest can be shown without it */
    run_state_done(&state);
}

/* What the view does not have: where it comes from, and what it went through. */
struct history {
    char parent[RUN_ID_SIZE + 24]; /* RUN@SEQ; "" */
    bool is_agent;                 /* of that run, no fork of it */
    bool is_put;    /* a fork that has not been begun: what comes next is its beginning and no resume */
    uint64_t ready; /* record of the last sandbox that became ready */
    int64_t resumes, rollbacks, checkpoints, checkpoint_bytes, unkept;
    struct egress_sums egress;
};

static void take_history(void *data, const struct record *rec)
{
    struct history *h = data;

    switch ((int) rec->type) {
    case RECORD_RUN_BEGIN:
        h->is_agent = rec->run_begin.agent;
        h->is_put = rec->run_begin.parent && !h->is_agent;
        if (rec->run_begin.parent)
            snprintf(h->parent, sizeof(h->parent), "%s@%lld", rec->run_begin.parent,
                     (long long) rec->run_begin.parent_seq);
        break;
    case RECORD_RUN_RESUME:
        h->resumes += !h->is_put;
        break;
    case RECORD_SANDBOX_READY:
        h->ready = rec->seq;
        break;
    case RECORD_ROLLBACK:
        h->rollbacks += !h->is_put;
        h->is_put = false;
        break;
    case RECORD_CHECKPOINT_DONE:
        if (rec->checkpoint.is_same)
            break;
        h->checkpoints++;
        if (__builtin_add_overflow(h->checkpoint_bytes, rec->checkpoint.pack_bytes, &h->checkpoint_bytes))
            h->checkpoint_bytes = INT64_MAX; /* somebody else's journal may say anything */
        h->unkept = rec->checkpoint.unkept;
        break;
    default:
        (void) egress_sums_take(&h->egress, rec, NULL); /* the rest can be shown without it */
        break;
    }
}

/* ---- subagents ---- */

typedef void agent_fn(void *data, const struct run_view *view);

static int each_agent(struct run_folder *folder, agent_fn *fn, void *data, struct err *err)
{
    char **keys;
    size_t count;
    int r = run_folder_children(folder, &keys, &count, err);

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct run_folder *child = NULL;
        struct run_view view;

        if (run_folder_open_child(folder, keys[i], &child, NULL) == 0 &&
            run_view_load(child, &view, NULL) == 0)
            fn(data, &view);
        run_folder_free(child);
    }
    if (r == 0)
        run_folder_list_free(keys, count);
    return r;
}

/* ---- JSON ---- */

static void json_agent(void *data, const struct run_view *v)
{
    struct json_writer *w = data;

    json_object(w);
    json_put_string(w, "id", v->id);
    json_put_string(w, "agent", v->agent);
    json_put_string(w, "state", run_view_state_name(v->state));
    json_put_string(w, "reason", v->reason[0] ? v->reason : NULL);
    json_put_int(w, "turns", v->turns);
    json_put_int(w, "calls", v->calls);
    json_put_int(w, "tokens", v->tokens);
    if (v->cost_micros >= 0)
        json_put_double(w, "cost", (double) v->cost_micros / 1e6);
    json_put_string(w, "container", v->container_name[0] ? v->container_name : NULL);
    json_object_end(w);
}

static void json_history(struct json_writer *w, const struct history *h)
{
    struct record_egress_total left = egress_sums_all(&h->egress);

    json_put_string(w, "parent", h->parent[0] ? h->parent : NULL);
    json_put_int(w, "resumes", h->resumes);
    json_put_int(w, "rollbacks", h->rollbacks);
    json_put_int(w, "checkpoints", h->checkpoints);
    json_put_int(w, "checkpoint_bytes", h->checkpoint_bytes);
    json_put_int(w, "unkept", h->unkept);
    json_key(w, "egress");
    json_object(w);
    json_put_int(w, "allowed", left.allowed);
    json_put_int(w, "denied", left.denied);
    json_put_int(w, "bytes_up", left.bytes_up);
    json_put_int(w, "bytes_down", left.bytes_down);
    json_object_end(w);
}

/* What the lists are made with. */
struct json_lists {
    struct json_writer *w;
    const struct history *history;
};

static void json_limits(struct json_writer *w, const struct record_call_end *c)
{
    if (c->limit_count == 0)
        return;
    json_key(w, "limits");
    json_array(w);
    for (size_t i = 0; i < c->limit_count; i++) {
        json_object(w);
        json_put_string(w, "limit", c->limits[i].limit);
        json_put_string(w, "text", c->limits[i].text);
        json_object_end(w);
    }
    json_array_end(w);
}

static void json_call(void *data, const struct record *rec)
{
    struct json_writer *w = ((const struct json_lists *) data)->w;
    const struct record_call_end *c = &rec->call_end;

    if (rec->type != RECORD_CALL_END)
        return;
    json_object(w);
    json_put_int(w, "turn", c->turn);
    json_put_int(w, "call", c->call);
    json_put_string(w, "call_id", c->call_id);
    json_put_string(w, "outcome", c->outcome);
    json_put_string(w, "summary", c->summary);
    json_put_int(w, "exit_code", c->exit_code);
    json_put_int(w, "output_bytes", c->output_bytes);
    json_put_int(w, "duration_ms", c->duration_ms);
    json_limits(w, c);
    json_object_end(w);
}

static void json_check(void *data, const struct record *rec)
{
    struct json_writer *w = ((const struct json_lists *) data)->w;
    const struct record_call_end *c = &rec->call_end;

    if (rec->type != RECORD_CHECK_END)
        return;
    json_object(w);
    json_put_int(w, "turn", c->turn);
    json_put_int(w, "check", c->check);
    json_put_string(w, "outcome", c->outcome);
    json_put_string(w, "summary", c->summary);
    json_put_int(w, "exit_code", c->exit_code);
    json_put_int(w, "duration_ms", c->duration_ms);
    json_limits(w, c);
    json_object_end(w);
}

static void json_approval(void *data, const struct record *rec)
{
    struct json_writer *w = ((const struct json_lists *) data)->w;
    const struct record_approval *a = &rec->approval;

    if (rec->type != RECORD_APPROVAL_ANSWER)
        return;
    json_object(w);
    json_put_int(w, "turn", a->turn);
    json_put_int(w, "call", a->call);
    json_put_string(w, "answer", a->answer);
    json_put_string(w, "by", a->by);
    json_put_string(w, "reason", a->reason);
    json_object_end(w);
}

static void json_answer(void *data, const struct record *rec)
{
    struct json_writer *w = ((const struct json_lists *) data)->w;
    const struct record_answer_check *c = &rec->answer_check;

    if (rec->type != RECORD_ANSWER_CHECK)
        return;
    json_object(w);
    json_put_int(w, "turn", c->turn);
    json_put_bool(w, "fits", c->fits);
    json_put_string(w, "path", c->path);
    json_put_string(w, "message", c->message);
    json_object_end(w);
}

static void json_output(void *data, const struct record *rec)
{
    struct json_writer *w = ((const struct json_lists *) data)->w;
    const struct record_output *o = &rec->output;

    if (rec->type != RECORD_OUTPUT_DONE && rec->type != RECORD_OUTPUT_FAILED)
        return;
    json_object(w);
    json_put_string(w, "path", o->path);
    json_put_string(w, "to", o->to);
    json_put_bool(w, "missing", o->is_missing);
    json_put_int(w, "files", o->files);
    json_put_int(w, "size", o->size);
    json_put_string(w, "sha256", o->sha256);
    json_put_string(w, "error", o->message);
    json_object_end(w);
}

static void json_scan(void *data, const struct record *rec)
{
    struct json_writer *w = ((const struct json_lists *) data)->w;
    const struct record_sandbox_scan *s = &rec->sandbox_scan;

    if (rec->type != RECORD_SANDBOX_SCAN)
        return;
    json_object(w);
    json_put_int(w, "attempt", s->attempt);
    json_put_string(w, "image_id", s->image_id);
    json_put_string(w, "scanner", s->command_count > 0 ? s->command[0].text : NULL);
    json_put_string(w, "answer", s->answer);
    json_put_int(w, "exit", s->exit_status);
    json_put_int(w, "age_ms", s->age_ms);
    json_put_string(w, "output", s->output);
    json_object_end(w);
}

static void json_rows(void *data, const struct record *rec)
{
    const struct json_lists *lists = data;
    struct json_writer *w = lists->w;
    const struct record_row *row;

    if (rec->type != RECORD_SANDBOX_READY || rec->seq != lists->history->ready)
        return;
    for (size_t i = 0; i < rec->sandbox_ready.row_count; i++) {
        row = &rec->sandbox_ready.rows[i];
        json_object(w);
        json_put_string(w, "name", row->name);
        json_put_string(w, "state", row->state);
        json_put_string(w, "asked", row->asked);
        json_put_string(w, "found", row->found);
        json_object_end(w);
    }
}

static bool can_go_on(const struct run_view *v)
{
    return v->state != RUN_VIEW_RUNNING && v->state != RUN_VIEW_DAMAGED && v->records > 0;
}

static void json_advice(struct json_writer *w, const struct run_view *v)
{
    struct buf command = BUF_INIT(4096);

    if (can_go_on(v))
        advice_command(&command, v->id, v->exit_status, v->reason);
    json_put_string(w, "go_on", command.len > 0 ? buf_text(&command) : NULL);
    buf_done(&command);
}

static int show_json(struct run_folder *folder, const struct run_view *view, const struct history *history,
                     struct buf *out, struct err *err)
{
    static const struct {
        const char *name;
        record_fn *fn;
    } lists[] = { { "scans", json_scan },         { "lockdown", json_rows },        { "calls", json_call },
                  { "approvals", json_approval }, { "schema_checks", json_answer }, { "checks", json_check },
                  { "outputs", json_output } };
    struct json_writer w;
    struct json_lists with = { &w, history };
    struct buf answer = BUF_INIT(SHOW_MAX);
    int r = 0, ended;

    final_message(folder, view, &answer);
    json_begin(&w, out);
    w.is_pretty = true;
    json_object(&w);
    report_view(&w, view);
    json_put_string(&w, "path", folder->path);
    json_put_int(&w, "records", (int64_t) view->records);
    json_history(&w, history);
    json_advice(&w, view);
    json_put_span(&w, "answer", buf_span(&answer));
    buf_done(&answer);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        json_key(&w, lists[i].name);
        json_array(&w);
        if (r == 0 && view->state != RUN_VIEW_DAMAGED)
            r = each_record(folder, lists[i].fn, &with, err);
        json_array_end(&w);
    }
    json_key(&w, "agents");
    json_array(&w);
    if (r == 0)
        r = each_agent(folder, json_agent, &w, err);
    json_array_end(&w);
    ended = report_end(&w, r < 0 ? NULL : err);
    return r < 0 ? r : ended;
}

/* ---- text ---- */

static void text_line(struct buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(out, "%-10s ", name);
    term_line(out, span_of(value));
    buf_add_char(out, '\n');
}

static void text_output(void *data, const struct record *rec)
{
    struct buf *out = data;
    const struct record_output *o = &rec->output;
    struct buf line = BUF_INIT(64 * 1024);
    char size[32];

    if (rec->type == RECORD_OUTPUT_DONE && o->is_missing)
        buf_printf(&line, "%s is not there (not required)", o->path);
    else if (rec->type == RECORD_OUTPUT_DONE)
        buf_printf(&line, "%s -> %s  %s  sha256:%s", o->path, o->to, units_format_size(size, o->size),
                   o->sha256 ? o->sha256 : "");
    else if (rec->type == RECORD_OUTPUT_FAILED)
        buf_printf(&line, "%s: %s", o->path, o->message ? o->message : "failed");
    text_line(out, "output", buf_text(&line));
    buf_done(&line);
}

/* Everything that somebody was asked about, or is yet to be: a title says too little to answer by. */
static void text_question(struct buf *out, const struct record_request_item *r)
{
    struct buf text = BUF_INIT(QUESTION_MAX);
    struct arena arena = ARENA_INIT(QUESTION_MAX);
    const struct tree *item;

    if (r->item.json.len == 0)
        text_line(out, "", "   | (large: `agentbox export` has all of it)");
    else if (json_parse(r->item.json, &arena, &item, NULL) == 0) {
        approve_show(item, &text);
        (void) term_quote(out, "              | ", buf_span(&text)); /* beneath the call's title */
    }
    buf_done(&text);
    arena_done(&arena);
}

static void text_call(void *data, const struct record *rec)
{
    struct buf line = BUF_INIT(64 * 1024);

    if (rec->type == RECORD_REQUEST_ITEM && rec->request_item.call > 0) {
        buf_printf(&line, "%lld: %s", (long long) rec->request_item.call,
                   rec->request_item.title ? rec->request_item.title : "");
        text_line(data, "call", buf_text(&line));
        if (rec->request_item.approve && strcmp(rec->request_item.approve, "ask") == 0)
            text_question(data, &rec->request_item);
    } else if (rec->type == RECORD_APPROVAL_ANSWER) {
        buf_printf(&line, "   %s, by %s%s%s", rec->approval.answer, rec->approval.by,
                   rec->approval.reason ? ": " : "", rec->approval.reason ? rec->approval.reason : "");
        text_line(data, "", buf_text(&line));
    } else if (rec->type == RECORD_CHECK_BEGIN) {
        buf_printf(&line, "%lld: $ %s", (long long) rec->call_begin.check, rec->call_begin.run);
        text_line(data, "check", buf_text(&line));
    } else if (rec->type == RECORD_ANSWER_CHECK && !rec->answer_check.fits) {
        buf_printf(&line, "%s%s%s", rec->answer_check.path ? rec->answer_check.path : "",
                   rec->answer_check.path && *rec->answer_check.path ? ": " : "",
                   rec->answer_check.message ? rec->answer_check.message : "");
        text_line(data, "schema", buf_text(&line));
    } else if (rec->type == RECORD_CALL_END || rec->type == RECORD_CHECK_END) {
        buf_printf(&line, "   %s", rec->call_end.summary ? rec->call_end.summary : "");
        text_line(data, "", buf_text(&line));
    }
    buf_done(&line);
}

static void text_agent(void *data, const struct run_view *v)
{
    struct buf line = BUF_INIT(4096);
    char text[32];

    buf_printf(&line, "%s  %s %s%s%s: %lld turn%s, %lld tool call%s, %s tokens", v->id, v->agent,
               run_view_state_name(v->state), v->reason[0] && v->state != RUN_VIEW_DONE ? ", " : "",
               v->state != RUN_VIEW_DONE ? v->reason : "", (long long) v->turns, v->turns == 1 ? "" : "s",
               (long long) v->calls, v->calls == 1 ? "" : "s", units_format_count(text, v->tokens));
    if (report_has_cost(v->cost_micros, v->tokens))
        buf_printf(&line, ", %s", units_format_money(text, v->cost_micros));
    text_line(data, "agent", buf_text(&line));
    buf_done(&line);
}

static void text_egress(struct buf *out, const struct history *h)
{
    struct record_egress_total left = egress_sums_all(&h->egress);
    struct buf line = BUF_INIT(4096);
    char up[32], down[32];

    if (left.allowed + left.denied > 0)
        buf_printf(&line, "%lld request%s allowed, %lld denied, %s up, %s down: `agentbox egress` has them",
                   (long long) left.allowed, left.allowed == 1 ? "" : "s", (long long) left.denied,
                   units_format_size(up, left.bytes_up), units_format_size(down, left.bytes_down));
    text_line(out, "egress", buf_text(&line));
    buf_done(&line);
}

/* Only what there was: most runs have none of it. */
static void text_history(struct buf *out, const struct history *h)
{
    struct buf line = BUF_INIT(4096);
    char size[32];

    text_line(out, h->is_agent ? "agent of" : "forked", h->parent);
    if (h->resumes > 0)
        buf_printf(&line, "%lld time%s", (long long) h->resumes, h->resumes == 1 ? "" : "s");
    text_line(out, "resumed", buf_text(&line));
    buf_clear(&line);
    if (h->rollbacks > 0)
        buf_printf(&line, "%lld time%s, to a checkpoint and with a new sandbox", (long long) h->rollbacks,
                   h->rollbacks == 1 ? "" : "s");
    text_line(out, "went back", buf_text(&line));
    buf_clear(&line);
    if (h->checkpoints > 0)
        buf_printf(&line, "%lld, %s", (long long) h->checkpoints,
                   units_format_size(size, h->checkpoint_bytes));
    if (h->unkept > 0)
        buf_printf(&line, "; %lld thing%s in the last one cannot be kept", (long long) h->unkept,
                   h->unkept == 1 ? "" : "s");
    text_line(out, "kept", buf_text(&line));
    buf_done(&line);
}

static int show_text(struct run_folder *folder, const struct run_view *v, const struct history *history,
                     struct buf *out, struct err *err)
{
    char started[CLOCK_TEXT], elapsed[32], tokens[32], cost[32];
    bool has_cost = report_has_cost(v->cost_micros, v->tokens);
    struct buf answer = BUF_INIT(SHOW_MAX);
    int r = 0;

    clock_text(v->started_ms, started);
    text_line(out, "run", v->id);
    text_line(out, "name", v->name);
    text_line(out, "model", v->model);
    text_line(out, "state", run_view_state_name(v->state));
    text_line(out, "reason", v->reason);
    text_line(out, "message", v->state == RUN_VIEW_DAMAGED ? v->problem.text : v->message);
    if (v->state == RUN_VIEW_CRASHED)
        text_line(out, "message", "its process ended without a word");
    text_line(out, "started", v->started_ms ? started : "");
    text_line(out, "elapsed", units_format_duration(elapsed, v->elapsed_ms));
    buf_printf(out, "%-10s %lld turn%s, %lld tool call%s, %s tokens%s%s\n", "used", (long long) v->turns,
               v->turns == 1 ? "" : "s", (long long) v->calls, v->calls == 1 ? "" : "s",
               units_format_count(tokens, v->tokens), has_cost ? ", " : "",
               has_cost ? units_format_money(cost, v->cost_micros) : "");
    text_history(out, history);
    text_egress(out, history);
    text_line(out, "container", v->container_name);
    text_line(out, "folder", folder->path);
    if (v->state != RUN_VIEW_DAMAGED) {
        r = each_record(folder, text_call, out, err);
        if (r == 0)
            r = each_record(folder, text_output, out, err);
        if (r == 0)
            r = each_agent(folder, text_agent, out, err);
    }
    final_message(folder, v, &answer);
    if (answer.len > 0) {
        buf_add_char(out, '\n');
        term_clean(out, buf_span(&answer), true);
        buf_add_char(out, '\n');
    }
    buf_done(&answer);
    if (can_go_on(v))
        advice_line(out, v->id, v->exit_status, v->reason);
    return r;
}

int verb_show(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(SHOW_MAX);
    struct run_folder *folder = NULL;
    struct history history = { 0 };
    struct run_view view;
    int r = run_folder_open(opts->args[0], &folder, err);

    if (r == 0)
        r = run_view_load(folder, &view, err);
    if (r == 0 && view.state != RUN_VIEW_DAMAGED)
        r = each_record(folder, take_history, &history, err);
    if (r == 0)
        r = opts->json ? show_json(folder, &view, &history, &out, err)
                       : show_text(folder, &view, &history, &out, err);
    egress_sums_done(&history.egress);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    run_folder_free(folder);
    buf_done(&out);
    return r;
}
