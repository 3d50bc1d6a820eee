/* SPDX-License-Identifier: MIT */
/* Servers: up, down, and up again. */
#include "core/tool/mcp.h"

#include "core/base/cleanup.h"
#include "core/base/credentials.h"
#include "core/base/units.h"
#include "core/sandbox/spec.h"
#include "core/tool/mcp_http.h"
#include "core/tool/mcp_stdio.h"

#include <stdio.h>
#include <stdlib.h>

enum server_state {
    SERVER_IDLE,
    SERVER_OPENING, /* its sandbox */
    SERVER_SHAKING, /* hands */
    SERVER_UP,
    SERVER_DOWN, /* for good */
};

struct mcp_server {
    struct mcp_servers *m;
    const struct tool_mcp *spec;
    enum server_state state;
    bool was_up, was_restarted;
    struct credentials credentials;             /* header lines, or variables */
    const char *env[CREDENTIALS_LINES_MAX + 1]; /* "NAME=value", into them */
    struct tool_side *side;
    uint64_t execs;
    struct mcp_session *session;
    struct mcp_stdio *stdio;
    struct mcp_http *http;
    struct loop_source *timer;
    struct mcp_waiter *waiting;
    struct err why;
};

struct mcp_servers {
    struct tool_host *host;
    const struct mcp_ops *ops;
    void *data;
    struct loop_source *soon;
    loop_fn *on_stopped;
    void *on_stopped_data;
    size_t closing; /* sessions that are being ended */
    size_t count;
    struct mcp_server items[];
};

static void server_open(struct mcp_server *s);

/* ---- down ---- */

static void hang_up(struct mcp_server *s)
{
    loop_source_free(TAKE_PTR(s->timer));
    mcp_stdio_free(TAKE_PTR(s->stdio));
    mcp_http_free(TAKE_PTR(s->http));
    mcp_session_free(TAKE_PTR(s->session));
}

static void wake(struct mcp_server *s)
{
    struct mcp_waiter *waiter, *list = TAKE_PTR(s->waiting);

    while ((waiter = list)) {
        list = waiter->next;
        waiter->next = NULL;
        waiter->fn(waiter);
    }
}

static void put_down(struct mcp_server *s, const struct err *err)
{
    s->state = SERVER_DOWN;
    s->why = *err;
    s->m->host->close_side(TAKE_PTR(s->side));
    wake(s);
    s->m->ops->on_down(s->m->data, s->spec, err);
}

/* It is over with this conversation. A server that was up gets another chance. */
static void fail(struct mcp_server *s, const struct err *err)
{
    struct err why = *err;

    if (s->state == SERVER_DOWN) /* it was stopped */
        return;
    hang_up(s);
    if (!s->was_up || s->was_restarted) {
        put_down(s, &why);
        return;
    }
    s->was_restarted = true;
    server_open(s);
}

static void on_late(void *data)
{
    struct mcp_server *s = data;
    struct err err = { 0 };
    char time[32];

    (void) err_set(&err, ERR_TIMEOUT, "it did not say within %s what tools it has",
                   units_format_duration(time, s->spec->start_ms));
    fail(s, &err);
}

/* ---- up ---- */

static void on_ready(void *data)
{
    struct mcp_server *s = data;
    const struct mcp_tools *tools = mcp_session_tools(s->session);
    const char *missing = mcp_tools_missing(tools);
    struct err err = { 0 };

    loop_source_free(TAKE_PTR(s->timer));
    if (missing && !s->was_up) {
        (void) err_set(&err, ERR_NOT_FOUND, "it has no tool '%.100s', which 'allow' names", missing);
        mcp_session_lost(s->session, &err);
        return;
    }
    s->state = SERVER_UP;
    s->was_up = true;
    s->m->ops->on_tools(s->m->data, s->spec, mcp_session_hello(s->session), tools);
    wake(s);
}

static void on_changed(void *data)
{
    struct mcp_server *s = data;

    s->m->ops->on_tools(s->m->data, s->spec, mcp_session_hello(s->session), mcp_session_tools(s->session));
}

static void on_broken(void *data, const struct err *err)
{
    fail(data, err);
}

static const struct mcp_session_ops session_ops = { on_ready, on_changed, on_broken };

static int shake_hands(struct mcp_server *s, struct err *err)
{
    const struct mcp_session_spec spec = { .server = s->spec->name,
                                           .allow = s->spec->allow,
                                           .root = s->spec->command ? SANDBOX_SIDE_ROOT : NULL,
                                           .secrets = s->credentials.secrets,
                                           .secret_count = s->credentials.secret_count };
    const struct mcp_stdio_command command = { .argv = s->spec->command,
                                               .env = s->env,
                                               .exec_id = ++s->execs };
    struct tool_host *host = s->m->host;
    int r = mcp_session_new(host->loop, &spec, &session_ops, s, &s->session, err);

    s->state = SERVER_SHAKING;
    if (r == 0)
        r = loop_timer(host->loop, s->spec->start_ms, on_late, s, &s->timer, err);
    if (r < 0)
        return r;
    return s->spec->command
               ? mcp_stdio_open(host->side_channel(s->side), &command, s->session, &s->stdio, err)
               : mcp_http_open(host->loop, host->http, s->spec->url, &s->credentials, s->session, &s->http,
                               err);
}

/* ---- its sandbox ---- */

static void on_side_ready(void *data, int result, const struct err *err)
{
    struct mcp_server *s = data;
    struct err why = { 0 };

    if (result < 0) {
        why = *err;
        s->was_restarted = true; /* what its sandbox fails with is told at once */
    } else if (shake_hands(s, &why) == 0) {
        return;
    }
    fail(s, &why);
}

static void on_side_lost(void *data, const struct err *err)
{
    struct mcp_server *s = data;
    struct err why = *err;

    if (s->session)
        mcp_session_lost(s->session, &why); /* whoever waits for an answer is told first, then fail() */
    mcp_stdio_free(TAKE_PTR(s->stdio));
    s->m->host->close_side(TAKE_PTR(s->side));
    s->execs = 0;
    if (!s->session)
        fail(s, &why);
}

static const struct tool_side_ops side_ops = { on_side_ready, on_side_lost };

static void server_open(struct mcp_server *s)
{
    struct tool_host *host = s->m->host;
    struct err err = { 0 };
    int r;

    s->state = SERVER_OPENING;
    if (s->spec->command && !(s->side && host->side_channel(s->side))) {
        host->close_side(TAKE_PTR(s->side));
        r = host->open_side(host->data, s->spec->side, &side_ops, s, &s->side, &err);
    } else {
        r = shake_hands(s, &err);
    }
    if (r < 0) {
        s->was_restarted = true;
        fail(s, &err);
    }
}

void mcp_server_start(struct mcp_servers *m, size_t index)
{
    if (m->items[index].state == SERVER_IDLE)
        server_open(&m->items[index]);
}

/* ---- for calls ---- */

struct mcp_server *mcp_server_find(struct mcp_servers *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].spec->name, name) == 0)
            return &m->items[i];
    return NULL;
}

struct mcp_session *mcp_server_session(struct mcp_server *s, struct mcp_waiter *waiter, const char **ret_why)
{
    *ret_why = s->state == SERVER_DOWN ? s->why.text : NULL;
    if (s->state == SERVER_UP)
        return s->session;
    if (s->state != SERVER_DOWN && waiter) {
        waiter->next = s->waiting;
        s->waiting = waiter;
    }
    return NULL;
}

void mcp_server_leave(struct mcp_server *s, struct mcp_waiter *waiter)
{
    for (struct mcp_waiter **at = &s->waiting; *at; at = &(*at)->next)
        if (*at == waiter) {
            *at = waiter->next;
            return;
        }
}

/* ---- life ---- */

static int load_headers(struct mcp_server *s, const char *where, struct err *err)
{
    const struct tool_mcp *spec = s->spec;
    char what[100];
    int r = 0;

    (void) snprintf(what, sizeof(what), "%s.api_key", where);
    if (spec->api_key.kind != SECRET_NONE)
        r = credentials_add_secret(&s->credentials, "Authorization: Bearer ", &spec->api_key, what, err);
    (void) snprintf(what, sizeof(what), "%s.headers", where);
    for (size_t i = 0; i < spec->header_count && r == 0; i++)
        r = credentials_add_header(&s->credentials, &spec->headers[i], what, err);
    return r == 0 ? mcp_http_check(spec->url, &s->credentials, err) : r;
}

static int load_variables(struct mcp_server *s, const char *where, struct err *err)
{
    const struct tool_mcp *spec = s->spec;
    char what[200], lead[300];
    int r = 0;

    for (size_t i = 0; i < spec->variable_count && r == 0; i++) {
        (void) snprintf(what, sizeof(what), "%s.secrets.%.60s", where, spec->variables[i].name);
        (void) snprintf(lead, sizeof(lead), "%.256s=", spec->variables[i].name);
        r = credentials_add_secret(&s->credentials, lead, &spec->variables[i].secret, what, err);
        if (r == 0)
            s->env[i] = buf_text(&s->credentials.lines[i]);
    }
    return r;
}

bool mcp_servers_hold(const struct mcp_servers *m, struct span text)
{
    for (size_t i = 0; i < m->count; i++)
        if (credentials_hold(&m->items[i].credentials, text))
            return true;
    return false;
}

static int load_credentials(struct mcp_server *s, struct err *err)
{
    char where[80];
    int r;

    (void) snprintf(where, sizeof(where), "agent.tools.%s", s->spec->name);
    r = s->spec->command ? load_variables(s, where, err) : load_headers(s, where, err);
    return r < 0 ? err_wrap(err, "MCP server '%s'", s->spec->name) : 0;
}

int mcp_servers_new(struct tool_host *host, const struct tool_mcp *specs, size_t count,
                    const struct mcp_ops *ops, void *data, struct mcp_servers **ret, struct err *err)
{
    struct mcp_servers *m = calloc(1, sizeof(*m) + count * sizeof(m->items[0]));
    int r = m ? 0 : err_set(err, ERR_INTERNAL, "no memory for servers");

    for (size_t i = 0; i < count && r == 0; i++) {
        m->items[i].m = m;
        m->items[i].spec = &specs[i];
        m->count++;
        r = load_credentials(&m->items[i], err);
    }
    if (r < 0) {
        mcp_servers_free(m);
        return r;
    }
    m->host = host;
    m->ops = ops;
    m->data = data;
    *ret = m;
    return 0;
}

static void stopped(void *data)
{
    struct mcp_servers *m = data;

    loop_source_free(TAKE_PTR(m->soon));
    m->on_stopped(m->on_stopped_data);
}

static void on_closed(void *data)
{
    struct mcp_servers *m = data;

    if (--m->closing == 0)
        stopped(m);
}

int mcp_servers_stop(struct mcp_servers *m, loop_fn *fn, void *data, struct err *err)
{
    m->on_stopped = fn;
    m->on_stopped_data = data;
    for (size_t i = 0; i < m->count; i++) {
        struct mcp_server *s = &m->items[i];

        loop_source_free(TAKE_PTR(s->timer));
        if (s->http && s->state == SERVER_UP && mcp_http_close(s->http, on_closed, m, NULL) == 0)
            m->closing++;
        else
            hang_up(s);
        s->state = SERVER_DOWN;
    }
    return m->closing > 0 ? 0 : loop_defer(m->host->loop, stopped, m, &m->soon, err);
}

void mcp_servers_free(struct mcp_servers *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        hang_up(&m->items[i]); /* its sandbox is left to the run */
        credentials_done(&m->items[i].credentials);
    }
    loop_source_free(m->soon);
    free(m);
}
