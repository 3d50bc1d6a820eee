/* SPDX-License-Identifier: MIT */
/* From the bytes of a request's head to a decision, and from the decision to a connection. */
#include "core/egress/door_impl.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/egress/address.h"
#include "core/egress/rule.h"

#include <stdio.h>

#define WAIT_MS_MAX 10000 /* a longer queue before the rate's limit is refused */

/* ---- a refusal's words ---- */

static void refuse_limit(struct door_conn *conn)
{
    const struct egress_spec *spec = conn->door->spec;
    char reason[DOOR_REASON_MAX];

    if (spec->connections_all > 0 && conn->door->totals.connections >= spec->connections_all)
        (void) snprintf(reason, sizeof(reason), "the run's %lld connections are used up",
                        (long long) spec->connections_all);
    else
        (void) snprintf(reason, sizeof(reason), "too many connections at once (network.connections is %lld)",
                        (long long) (spec->connections > 0 ? spec->connections : EGRESS_CONNECTIONS_MAX));
    conn_refuse(conn, 403, reason, NULL);
}

/* What a user would write to allow it; NULL: nothing would. */
static const char *suggestion(const struct egress_host *host, char ret[HOST_TEXT])
{
    if (host->is_address && address_kind(&host->address, NULL) == ADDRESS_BARRED)
        return NULL;
    return host_text(host, host->port == EGRESS_PORT_TLS ? 0 : host->port, ret);
}

static void refuse_match(struct door_conn *conn, const struct request_head *head, const struct match *match)
{
    char reason[DOOR_REASON_MAX + HOST_TEXT], allow[HOST_TEXT];
    const struct egress_host *host = &head->host;
    const char *what;

    conn->ticket.rule = match->verdict == MATCH_OTHER_METHOD ? match->rule : NULL;
    if (match->verdict == MATCH_OTHER_METHOD)
        (void) snprintf(reason, sizeof(reason), "%s is not among the methods that are allowed for '%s'",
                        egress_method_name(head->method), host->name);
    else if (host->is_address && address_kind(&host->address, &what) == ADDRESS_BARRED)
        (void) snprintf(reason, sizeof(reason), "'%s' is %s, which no rule can allow", host->name, what);
    else if (match->verdict == MATCH_OTHER_PORT)
        (void) snprintf(reason, sizeof(reason), "'%s' is allowed on port %u, not on port %u", host->name,
                        match->rule->port, host->port);
    else
        (void) snprintf(reason, sizeof(reason), "'%s' port %u is not in network.allow", host->name,
                        host->port);
    conn_refuse(conn, 403, reason, match->verdict == MATCH_OTHER_METHOD ? NULL : suggestion(host, allow));
}

/* ---- the decision ---- */

/* Port 80 is for requests that can be looked at, every other one for TLS. */
static const char *wrong_port(const struct request_head *head)
{
    if (head->method == EGRESS_CONNECT && head->host.port == EGRESS_PORT_PLAIN)
        return "port 80 is for plain HTTP: ask for http://host/path without CONNECT";
    if (head->method != EGRESS_CONNECT && head->host.port != EGRESS_PORT_PLAIN)
        return "plain HTTP goes to port 80 only; other ports are for TLS through CONNECT";
    return NULL;
}

static void allow(struct door_conn *conn, const struct request_head *head, const struct egress_rule *rule)
{
    struct ticket *t = &conn->ticket;
    struct door *door = conn->door;

    t->rule = rule;
    if (head->method != EGRESS_CONNECT && plain_prepare(conn, head) < 0) {
        conn_refuse(conn, 431, "the request's head is too long", NULL);
        return;
    }
    buf_drop(&conn->in, conn->head_len);
    t->is_open = true;
    t->number = door_number(door);
    t->since_ms = clock_mono_ms();
    door->totals.allowed++;
    conn_set_state(conn, CONN_LAUNCH, 0);
    door_launch(conn);
    if (door->ops && door->ops->on_decision)
        door->ops->on_decision(door->data, &(struct door_decision){
                                               .number = t->number,
                                               .tag = conn->tag,
                                               .is_allowed = true,
                                               .method = egress_method_name(t->method),
                                               .host = t->host.name,
                                               .port = t->host.port,
                                               .rule = rule,
                                               .reason = "",
                                           });
}

static void decide_head(struct door_conn *conn, const struct request_head *head)
{
    const char *why = door_spent(conn->door);
    struct match match = match_request(conn->door->spec, &head->host, head->host.port, head->method);

    if (!why && match.verdict != MATCH_ALLOWED && match.verdict != MATCH_OTHER_METHOD)
        why = wrong_port(head);
    if (why)
        conn_refuse(conn, 403, why, NULL);
    else if (match.verdict == MATCH_ALLOWED && head->method == EGRESS_CONNECT &&
             egress_rule_intercepts(match.rule))
        intercept_begin(conn, head, match.rule);
    else if (match.verdict == MATCH_ALLOWED)
        allow(conn, head, match.rule);
    else
        refuse_match(conn, head, &match);
}

void conn_decide(struct door_conn *conn)
{
    struct request_head head;
    struct request_fault fault;
    int r;

    if (conn->fault.why) {
        conn_refuse(conn, conn->fault.status, conn->fault.why, NULL);
        return;
    }
    if (conn->inner)
        r = request_head_parse_inside(span_make(conn->in.data, conn->head_len), &conn->inner_host, &head,
                                      &fault);
    else
        r = request_head_parse(span_make(conn->in.data, conn->head_len), &head, &fault);
    conn->ticket.method = head.method;
    if (head.has_host)
        conn->ticket.host = head.host;
    if (r < 0)
        conn_refuse(conn, fault.status, fault.why, NULL);
    else if (conn->is_surplus)
        refuse_limit(conn);
    else
        decide_head(conn, &head);
}

/* Refusals wait for their turn too: each makes a record, and nobody inside shall fill a disk with those. */
static void queue(struct door_conn *conn)
{
    int64_t wait = door_wait_ms(conn->door, WAIT_MS_MAX);

    memset(&conn->ticket, 0, sizeof(conn->ticket)); /* that of an earlier request */
    if (conn->inner)
        conn->ticket.host = conn->inner_host;
    if (wait < 0)
        conn_turn_away(conn, 429, "too many requests wait for their turn (network.rate)");
    else if (wait > 0)
        conn_set_state(conn, CONN_RATE, wait);
    else
        conn_decide(conn);
}

static void queue_fault(struct door_conn *conn, int status, const char *why)
{
    conn->fault = (struct request_fault){ status, why };
    queue(conn);
}

void conn_head_late(struct door_conn *conn)
{
    queue_fault(conn, 408, "the request's head took too long");
}

static void head_incomplete(struct door_conn *conn)
{
    if (conn->in.len >= IN_MAX)
        queue_fault(conn, 431, "the request's head is longer than 16 KiB");
    else if (conn->client_eof)
        queue_fault(conn, 400, "the request's head ends in the middle");
    else if (conn->phase_ms == 0)
        conn_set_state(conn, CONN_HEAD, door_head_ms(conn->door));
}

bool conn_head(struct door_conn *conn)
{
    const char *why;
    ssize_t len;

    if (conn->in.len == 0) {
        if (conn->client_eof)
            conn_finish(conn);
        return false;
    }
    len = head_scan(&conn->scan, buf_span(&conn->in), &why);
    if (len < 0) {
        queue_fault(conn, 400, why);
    } else if (len == 0) {
        head_incomplete(conn);
    } else {
        conn->head_len = (size_t) len;
        conn->scan = (struct head_scan){ 0 };
        queue(conn);
    }
    return false;
}

/* ---- the connection ---- */

static void begin(struct door_conn *conn)
{
    conn->ticket.address = conn->outer_address;
    conn->ticket.has_address = true;
    conn->is_blocked = conn->is_up_broken = conn->outer_eof = conn->has_finished = false;
    if (conn->ticket.method == EGRESS_CONNECT)
        tunnel_begin(conn);
    else
        plain_begin(conn);
}

static void use_outer(struct door_conn *conn, const struct dial_result *result)
{
    conn->outer = result->outer;
    outer_listen(conn->outer, conn_on_outer, conn);
    conn->outer_address = result->address;
    begin(conn);
}

static void on_dialed(void *data, const struct dial_result *result)
{
    static const int statuses[] = { [DIAL_DENIED] = 403, [DIAL_FAILED] = 502, [DIAL_TIMEOUT] = 504 };
    struct door_conn *conn = data;
    char why[DOOR_REASON_MAX];

    conn->busy++;
    if (result->end == DIAL_CONNECTED) {
        dial_free(TAKE_PTR(conn->dial));
        use_outer(conn, result);
    } else {
        (void) snprintf(why, sizeof(why), "%s", result->why); /* it goes with the dial */
        dial_free(TAKE_PTR(conn->dial));
        conn_refuse(conn, statuses[result->end], why, NULL);
    }
    conn_run(conn);
    conn_let_go(conn);
}

static bool can_reuse(const struct door_conn *conn, const struct egress_host *host, bool has_tls)
{
    return conn->outer && conn->ticket.method != EGRESS_CONNECT && has_tls == conn->outer_has_tls &&
           host_equal(&conn->outer_host, host) && conn->outer_host.port == host->port &&
           outer_is_quiet(conn->outer);
}

static void dial(struct door_conn *conn, const struct egress_host *host, bool has_tls)
{
    struct err err;

    outer_free(TAKE_PTR(conn->outer));
    conn->outer_host = *host;
    conn->outer_has_tls = has_tls;
    conn_set_state(conn, CONN_DIAL, 0);
    if (dial_start(&conn->door->dialer, host, has_tls, on_dialed, conn, &conn->dial, &err) < 0)
        conn_refuse(conn, 502, "no room for another connection", NULL);
}

void conn_redial(struct door_conn *conn)
{
    struct egress_host host = conn->outer_host;

    dial(conn, &host, conn->outer_has_tls);
}

void conn_launch(struct door_conn *conn)
{
    struct egress_host host = conn->ticket.host;
    bool has_tls = conn->ticket.rule->inject && conn->ticket.method != EGRESS_CONNECT;

    conn->busy++;
    if (has_tls)
        host.port = conn->ticket.rule->port;
    if (can_reuse(conn, &host, has_tls)) {
        plain_keep(conn);
        begin(conn);
    } else
        dial(conn, &host, has_tls);
    conn_run(conn);
    conn_let_go(conn);
}
