/* SPDX-License-Identifier: MIT */
/* The driver's side to what follows a final message: its schema, and the checks. */
#include "core/base/json_schema.h"
#include "core/model/request.h"
#include "core/run/driver_impl.h"
#include "core/run/snapshot.h"

#include <stdio.h>

#define TEXT_MAX (64 * 1024 * 1024)
#define TREE_MAX ((size_t) 512 * 1024 * 1024) /* of a text of that size, at worst */
#define SAID_MAX (32 * 1024 * 1024)

/* ---- the schema ---- */

static void look(const struct run *run, struct span text, struct json_violation *ret, bool *ret_fits)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *value;
    struct err err = { 0 };

    memset(ret, 0, sizeof(*ret));
    if (json_parse(text, &arena, &value, &err) == 0)
        *ret_fits = json_schema_fits(run->spec->model.schema, value, ret);
    else
        (void) snprintf(ret->text, sizeof(ret->text), "it is not JSON alone: %.400s", err.text);
    arena_done(&arena);
}

static int say(struct buf *item, struct buf *text, struct err *err)
{
    int r = request_user_item(item, buf_text(text), NULL, 0, err);

    buf_done(text);
    return r;
}

static int say_violation(const struct json_violation *why, struct buf *item, struct err *err)
{
    struct buf text = BUF_INIT(SAID_MAX);

    (void) buf_printf(
        &text,
        "Your final message does not match the JSON schema that it must match.\n%s%s%s%s\nGive the whole "
        "message again, corrected: one JSON document that matches the schema, and nothing else.",
        why->path[0] ? "At " : "", why->path, why->path[0] ? ": " : "", why->text);
    return say(item, &text, err);
}

void act_check_answer(struct run *run, const struct run_action *action)
{
    struct record rec = { .type = RECORD_ANSWER_CHECK };
    struct buf text = BUF_INIT(TEXT_MAX), item = BUF_INIT(SAID_MAX);
    struct json_violation why;
    bool fits = false;
    struct err err = { 0 };
    int r = run_state_text(&run->state, &text, &err);

    look(run, buf_span(&text), &why, &fits);
    rec.answer_check = (struct record_answer_check){ .turn = run->state.turn, .fits = fits };
    if (!fits) {
        rec.answer_check.path = why.path;
        rec.answer_check.message = why.text;
    }
    if (r == 0 && !fits && !action->is_last)
        r = say_violation(&why, &item, &err);
    rec.answer_check.input.json = buf_span(&item);
    if (r < 0)
        run_break(run, &err);
    else
        (void) run_record(run, &rec);
    buf_done(&text);
    buf_done(&item);
}

/* ---- checks ---- */

void act_start_check(struct run *run, const struct run_action *action)
{
    struct record rec = { .type = RECORD_CHECK_BEGIN };
    char id[32];

    (void) snprintf(id, sizeof(id), "check_%lld", (long long) action->call);
    rec.call_begin = (struct record_call_begin){
        .turn = run->state.turn,
        .call = action->call,
        .call_id = id,
        .exec_id = (run->exec_base + action->call) * TOOL_EXEC_IDS,
        .check = action->check,
        .run = run->spec->checks[action->check - 1].run,
    };
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_CALL, action->call);
}

/* A check is what the shell tool does with a call of this form. Nobody asked for it, so it is no item of the
 * conversation. */
int drive_check_item(const struct run_call *call, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "type", "shell_call");
    json_put_string(&w, "call_id", call->call_id);
    json_key(&w, "action");
    json_object(&w);
    json_key(&w, "commands");
    json_array(&w);
    json_string(&w, call->title);
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

static void add_stream(struct buf *out, const char *name, const struct tree *entry)
{
    struct span text = tree_span(tree_get(entry, name));

    if (text.len > 0)
        (void) buf_printf(out, "%s:\n" SPAN_FMT "%s", name, SPAN_ARG(text),
                          text.ptr[text.len - 1] == '\n' ? "" : "\n");
}

static int say_failure(const struct run *run, const struct run_call *call, struct span answer,
                       const char *summary, struct buf *item, struct err *err)
{
    struct buf text = BUF_INIT(SAID_MAX);
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *tree = NULL, *entry;

    if (answer.len > 0)
        (void) json_parse(answer, &arena, &tree, NULL); /* it is of our own making */
    entry = tree_at(tree_get(tree, "output"), 0);
    (void) buf_printf(
        &text,
        "Your work is not done yet: check %lld of %zu failed. It is run in the sandbox after your final "
        "message.\n$ %s\n%s\n",
        (long long) call->check, run->spec->check_count, call->title, summary);
    add_stream(&text, "stdout", entry);
    add_stream(&text, "stderr", entry);
    (void) buf_add_text(&text, "Make it succeed, then give your final message again.");
    arena_done(&arena);
    return say(item, &text, err);
}

void drive_check_end(struct run *run, struct record_call_end *end, struct span answer)
{
    const struct run_call *call = run_state_call(&run->state, end->call);
    const struct run_check *check = &run->spec->checks[call->check - 1];
    struct record rec = { .type = RECORD_CHECK_END };
    struct buf item = BUF_INIT(SAID_MAX);
    struct err err = { 0 };
    bool is_bad = strcmp(end->outcome, "ok") != 0 || end->exit_code != 0;
    int r = 0;

    if (is_bad && strcmp(end->outcome, "ok") == 0)
        end->outcome = "failed";
    if (is_bad && run->state.checks_failed[call->check - 1] < check->retries)
        r = say_failure(run, call, answer, end->summary, &item, &err);
    end->turn = run->state.turn;
    end->check = call->check;
    end->answer.json = buf_span(&item);
    rec.call_end = *end;
    if (r < 0)
        run_break(run, &err);
    else
        (void) run_record(run, &rec);
    run->wants_release = true;
    buf_done(&item);
}
