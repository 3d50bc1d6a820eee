/* SPDX-License-Identifier: MIT */
/*
 * The driver's side to servers of tools: started with the sandbox, and what they have is recorded before the
 * model is told of it. A call of theirs cannot be undone, and its server does not outlive the harness: see
 * drive_calls_adopt().
 */
#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"
#include "core/run/replay.h"
#include "core/tool/mcp.h"

#include <stdlib.h>

#define LIST_MAX ((size_t) 8 * MCP_DEFINITIONS_MAX) /* each byte may become six, and more is around them */

/* ---- what they say ---- */

static void encode_list(struct json_writer *w, const struct mcp_tools *tools)
{
    json_array(w);
    for (size_t i = 0; i < tools->count; i++) {
        const struct mcp_tool *tool = &tools->items[i];

        json_object(w);
        json_put_string(w, "name", tool->wire);
        json_put_string(w, "tool", tool->name);
        if (tool->kind != MCP_TOOL_CALL)
            json_put_string(w, "kind", mcp_kind_name(tool->kind));
        json_put_string(w, "description", tool->description);
        json_put_bool(w, "strict", tool->is_strict);
        json_put_raw(w, "parameters", span_of(tool->parameters));
        json_object_end(w);
    }
    json_array_end(w);
}

static void on_tools(void *data, const struct tool_mcp *spec, const struct mcp_hello *hello,
                     const struct mcp_tools *tools)
{
    struct run *run = data;
    struct record rec = { .type = RECORD_MCP_TOOLS };
    struct buf list = BUF_INIT(LIST_MAX);
    struct json_writer w;
    struct err err = { 0 };

    if (run->is_over)
        return;
    json_begin(&w, &list);
    encode_list(&w, tools);
    if (json_end(&w, &err) < 0) {
        run_break(run, &err);
    } else {
        rec.mcp = (struct record_mcp){ .server = spec->name,
                                       .protocol = hello->version,
                                       .title = hello->name,
                                       .release = hello->release,
                                       .count = (int64_t) tools->count,
                                       .dropped = (int64_t) tools->dropped,
                                       .tools.json = buf_span(&list) };
        (void) run_record(run, &rec);
    }
    buf_done(&list);
}

static void on_down(void *data, const struct tool_mcp *spec, const struct err *err)
{
    struct run *run = data;
    struct record rec = { .type = RECORD_MCP_DOWN };

    if (run->is_over)
        return;
    rec.mcp.server = spec->name;
    rec.mcp.code = err_code_name(err->code);
    rec.mcp.message = err->text;
    (void) run_record(run, &rec);
}

/* ---- in a replay ---- */

/* What it said last, which has all that it ever added to it. */
static void say_again(struct run *run, const struct tool_mcp *spec)
{
    const struct run_mcp *m = run_state_mcp(&run->spec->mcp_from->state, spec->name);
    struct record rec = { .type = RECORD_MCP_TOOLS };

    rec.mcp.server = spec->name;
    if (m && m->list.len > 0) {
        rec.mcp.count = (int64_t) m->own_count;
        rec.mcp.tools.json = m->list;
    } else {
        rec.type = RECORD_MCP_DOWN;
        rec.mcp.message = m && m->why.message ? m->why.message : "it never came up";
    }
    (void) run_record(run, &rec);
}

int drive_mcp_answer_again(struct run *run, const char *call_id, tool_done_fn *fn, void *data,
                           struct err *err)
{
    const struct replay_call *then = replay_call_of(run->spec->mcp_from, run->state.turn, call_id);
    struct tool_answer answer = { .exit_code = -1 };

    if (!then || !then->outcome)
        return err_set(err, ERR_NOT_FOUND, "the run that is replayed has no answer to this call");
    answer.outcome = strcmp(then->outcome, "ok") == 0 ? TOOL_OK : TOOL_FAILED;
    answer.item = then->answer;
    fn(data, &answer);
    return 0;
}

/* ---- the run's own tools ---- */

static bool is_taken(const struct run_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->own_count; i++)
        if (strcmp(spec->own[i].name, name) == 0)
            return true;
    return false;
}

const struct tool_own *drive_own(const struct run *run, size_t *ret_count)
{
    const struct run_spec *spec = run->spec;
    struct run_own *own = run->own;
    size_t count = 0;

    if (spec->mcp_count == 0 || !own) {
        *ret_count = spec->own_count;
        return spec->own;
    }
    for (; count < spec->own_count && count < RUN_OWN_MAX; count++)
        own->items[count] = spec->own[count];
    for (size_t i = 0; i < run->state.mcp_count; i++)
        for (size_t k = 0; k < run->state.mcp[i].own_count && count < RUN_OWN_MAX; k++)
            if (!is_taken(spec, run->state.mcp[i].own[k].name))
                own->items[count++] = run->state.mcp[i].own[k];
    *ret_count = count;
    return own->items;
}

/* What the model is told of servers that did not come up. */
void drive_mcp_words(const struct run *run, struct buf *out)
{
    for (size_t i = 0; i < run->state.mcp_count; i++) {
        const struct run_mcp *m = &run->state.mcp[i];

        if (m->phase == RUN_PART_FAILED)
            (void) buf_printf(out, "%sThe MCP server '%s' is not available in this run: %s",
                              out->len ? "\n\n" : "", m->server,
                              m->why.message ? m->why.message : "it did not come up");
    }
}

bool drive_mcp_is_outside(const struct run *run, const char *tool)
{
    size_t count;
    const struct tool_own *own = drive_own(run, &count);

    for (size_t i = 0; tool && i < count; i++)
        if (own[i].kind == TOOL_MCP && strcmp(own[i].name, tool) == 0)
            return true;
    return false;
}

/* ---- life ---- */

int drive_mcp_init(struct run *run, struct http *http, struct err *err)
{
    static const struct mcp_ops ops = { on_tools, on_down };
    const struct run_spec *spec = run->spec;

    run->host.http = http;
    if (spec->mcp_count == 0)
        return 0;
    run->own = calloc(1, sizeof(*run->own));
    if (!run->own)
        return err_set(err, ERR_INTERNAL, "no memory for tools");
    if (spec->mcp_from)
        return 0;
    return mcp_servers_new(&run->host, spec->mcp, spec->mcp_count, &ops, run, &run->host.mcp, err);
}

void act_start_server(struct run *run, const struct run_action *action)
{
    struct record rec = { .type = RECORD_MCP_START };

    rec.mcp.server = run->spec->mcp[action->server].name;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_SERVER, (int64_t) action->server);
}

void effect_server(struct run *run, int64_t index)
{
    if (run->spec->mcp_from)
        say_again(run, &run->spec->mcp[index]);
    else if (run->host.mcp)
        mcp_server_start(run->host.mcp, (size_t) index);
}

static void on_stopped(void *data)
{
    struct run *run = data;

    run->is_stopping_servers = false;
    if (run->has_ended)
        drive_sandbox_gone(run);
}

void drive_mcp_cancel(struct run *run)
{
    if (!run->host.mcp || run->has_stopped_servers)
        return;
    run->has_stopped_servers = true;
    run->is_stopping_servers = mcp_servers_stop(run->host.mcp, on_stopped, run, NULL) == 0;
}

void drive_mcp_free(struct run *run)
{
    mcp_servers_free(TAKE_PTR(run->host.mcp));
    free(TAKE_PTR(run->own));
}
