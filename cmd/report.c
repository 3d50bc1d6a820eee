/* SPDX-License-Identifier: MIT */
/* What `ls --json` and `show --json` say of a run. */
#include "cmd/report.h"

#include "core/base/clock.h"

static void put_time(struct json_writer *w, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT];

    if (wall_ms > 0)
        clock_text(wall_ms, text);
    json_put_string(w, name, wall_ms > 0 ? text : NULL);
}

/* USD from millionths, null when negative. */
static void put_cost(struct json_writer *w, const char *name, int64_t micros)
{
    if (micros >= 0) {
        json_put_double(w, name, (double) micros / 1e6);
        return;
    }
    json_key(w, name);
    json_null(w);
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
    put_cost(w, "cost", v->cost_micros);
    if (v->exit_status >= 0)
        json_put_int(w, "exit", v->exit_status);
    json_put_string(w, "container", v->container_name[0] ? v->container_name : NULL);
}
