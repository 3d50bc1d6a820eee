/* SPDX-License-Identifier: MIT */
/*
 * A tunnel that ends in the harness: TLS between the client and us, and inside of it requests that the rest
 * of the door takes for plain ones. Nothing of the handshake leaves the harness.
 */
#include "core/egress/door_impl.h"

#include "core/base/cleanup.h"

#include <stdio.h>

void intercept_begin(struct door_conn *conn, const struct request_head *head, const struct egress_rule *rule)
{
    conn->ticket.rule = rule;
    conn->ends_here = true;
    conn->inner_host = head->host;
    buf_drop(&conn->in, conn->head_len);
    tunnel_begin(conn);
}

/* The client's own words, the ClientHello that was looked at among them, go to the library as they came. */
bool intercept_start(struct door_conn *conn)
{
    struct err err;

    if (tls_session_new(conn->door->authority, conn->inner_host.name, &conn->inner, &err) < 0) {
        conn_deny(conn, err.text);
        return false;
    }
    (void) tls_session_feed(conn->inner, buf_span(&conn->in)); /* takes more than `in` can hold */
    buf_clear(&conn->in);
    conn->inner_eof = conn->client_eof; /* from now on what counts is said inside */
    conn->client_eof = false;
    conn_set_state(conn, CONN_SHAKE, door_head_ms(conn->door));
    return true;
}

/* What the library has for the client. */
static bool push(struct door_conn *conn)
{
    struct span bytes = tls_session_pending(conn->inner);

    if (bytes.len == 0)
        return true;
    if (!conn_give_bare(conn, bytes))
        return false;
    tls_session_sent(conn->inner);
    return true;
}

/* Why there is no TLS: in the end it is the client that decides whom it trusts. */
static const char *say_refused(const struct err *err, char ret[DOOR_REASON_MAX])
{
    (void) snprintf(ret, DOOR_REASON_MAX,
                    "the client broke off the TLS that the harness speaks for this rule: does it trust this "
                    "run's authority? (%.80s)",
                    err->text);
    return ret;
}

static void broken(struct door_conn *conn, const struct err *err)
{
    char reason[DOOR_REASON_MAX];

    if (conn->state == CONN_SHAKE) {
        conn_deny(conn, say_refused(err, reason));
    } else {
        (void) snprintf(reason, sizeof(reason), "the client broke its TLS (%.80s)", err->text);
        conn_cut(conn, reason, false);
    }
}

void intercept_gone(struct door_conn *conn)
{
    char reason[DOOR_REASON_MAX];
    struct err err;
    ssize_t n = tls_session_read(conn->inner, conn->door->scratch, SCRATCH_BYTES, &err);

    if (n >= 0 || n == -ERR_TIMEOUT)
        (void) err_set(&err, ERR_PROTOCOL, "it hung up");
    conn_deny(conn, say_refused(&err, reason));
}

static bool keep(struct door_conn *conn, const char *ptr, size_t len)
{
    if (conn->state == CONN_SHAKE)
        conn_set_state(conn, CONN_HEAD, 0);
    if (buf_add(&conn->in, ptr, len) == 0)
        return true;
    conn_cut(conn, "no memory", false);
    return false;
}

/* Everything that came was read. */
static void waits(struct door_conn *conn)
{
    struct err err;

    if (conn->state == CONN_SHAKE && tls_session_is_up(conn->inner)) {
        conn_set_state(conn, CONN_HEAD, 0);
    } else if (conn->state == CONN_SHAKE && conn->inner_eof) {
        (void) err_set(&err, ERR_PROTOCOL, "it hung up");
        broken(conn, &err);
    }
    if (conn->inner_eof)
        conn->client_eof = true;
}

bool intercept_pull(struct door_conn *conn)
{
    size_t room = IN_MAX - conn->in.len;
    struct err err;
    ssize_t n;

    if (conn->state == CONN_DRAIN || conn->state == CONN_OVER || room == 0 ||
        conn->out.len > 0) /* who makes us answer and does not take the answers is not heard either */
        return false;
    n = tls_session_read(conn->inner, conn->door->scratch, room < SCRATCH_BYTES ? room : SCRATCH_BYTES, &err);
    if (!push(conn) || conn->is_freed)
        return false;
    if (n > 0)
        return keep(conn, conn->door->scratch, (size_t) n);
    if (n == -ERR_TIMEOUT)
        waits(conn);
    else if (n < 0)
        broken(conn, &err);
    else
        conn->client_eof = true;
    return false;
}

int intercept_queue(struct door_conn *conn, struct span bytes, bool is_last)
{
    int r = 0;

    if (bytes.len > 0)
        r = tls_session_write(conn->inner, bytes);
    if (is_last)
        tls_session_end(conn->inner);
    if (r == 0)
        r = buf_add_span(&conn->out, tls_session_pending(conn->inner));
    tls_session_sent(conn->inner);
    return r;
}

bool intercept_give(struct door_conn *conn, struct span bytes)
{
    if (tls_session_write(conn->inner, bytes) == 0)
        return push(conn);
    conn_cut(conn, "the TLS with the client is broken", false);
    return false;
}
