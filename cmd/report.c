/* SPDX-License-Identifier: MIT */
/* What `--json` documents have in common. */
#include "cmd/report.h"

#include "core/base/clock.h"

static void put_time(struct json_writer *w, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT];

    if (wall_ms > 0)
        clock_text(wall_ms, text);
    json_put_string(w, name, wall_ms > 0 ? text : NULL);
}

/* USD from millionths, null when there is none to speak of. */
static void put_cost(struct json_writer *w, const struct run_view *v)
{
    if (report_has_cost(v->cost_micros, v->tokens)) {
        json_put_double(w, "cost", (double) v->cost_micros / 1e6);
        return;
    }
    json_key(w, "cost");
    json_null(w);
}

void report_begin(struct json_writer *w, struct buf *out)
{
    json_begin(w, out);
    w->is_pretty = true;
    json_object(w);
    json_put_int(w, "version", REPORT_VERSION);
}

int report_end(struct json_writer *w, struct err *err)
{
    int r;

    json_object_end(w);
    r = json_end(w, err);
    if (r == 0 && buf_add_char(w->out, '\n') < 0)
        r = err_set(err, ERR_TOO_LARGE, "the report is too large");
    return r;
}

void report_view(struct json_writer *w, const struct run_view *v)
{
    json_put_int(w, "version", REPORT_VERSION);
    json_put_string(w, "id", v->id);
    json_put_string(w, "name", v->name);
    json_put_string(w, "state", run_view_state_name(v->state));
    json_put_string(w, "reason", v->reason[0] ? v->reason : NULL);
    json_put_string(w, "message", v->message[0] ? v->message : NULL);
    json_put_string(w, "model", v->model[0] ? v->model : NULL);
    put_time(w, "started", v->started_ms);
    put_time(w, "ended", v->ended_ms);
    json_put_int(w, "elapsed_ms", v->elapsed_ms);
    json_put_int(w, "turns", v->turns);
    json_put_int(w, "tool_calls", v->calls);
    json_put_int(w, "tokens", v->tokens);
    put_cost(w, v);
    if (v->exit_status >= 0)
        json_put_int(w, "exit", v->exit_status);
    json_put_string(w, "container", v->container_name[0] ? v->container_name : NULL);
}
