/* SPDX-License-Identifier: MIT */
/* A tunnel: nothing of the client leaves before its ClientHello was seen whole and names the host of CONNECT.
 */
#include "core/egress/door_impl.h"

#include "core/base/clock.h"
#include "core/egress/client_hello.h"

#include <stdio.h>
#include <strings.h>

#define READS_AT_ONCE 4
#define TLS_HANDSHAKE 0x16
#define OTHER_TEXT    (DOOR_REASON_MAX + HOST_TEXT)

/* A fatal alert, so that a TLS client says "unrecognized name" instead of "connection closed". */
static const char alert[] = { 0x15, 3, 3, 0, 2, 2, 112 };

void tunnel_begin(struct door_conn *conn)
{
    conn->hello_wanted = 1;
    conn_set_state(conn, CONN_HELLO, door_head_ms(conn->door));
    (void) conn_give_text(conn, "HTTP/1.1 200 Connection established\r\n\r\n");
}

/* Whoever speaks HTTP into the tunnel is answered in it. */
static void refuse(struct door_conn *conn, const char *why)
{
    if (conn->in.len > 0 && conn->in.data[0] != TLS_HANDSHAKE) {
        conn_refuse(conn, 403, why, NULL);
        return;
    }
    if (conn_give(conn, span_make(alert, sizeof(alert))))
        conn_deny(conn, why);
}

static bool names(const struct client_hello *hello, const struct egress_host *host)
{
    if (!hello->has_name)
        return host->is_address; /* an address cannot be a server name */
    return strcasecmp(hello->name, host->name) == 0;
}

static const char *say_other(const struct door_conn *conn, const struct client_hello *hello,
                             const char *which, char ret[OTHER_TEXT])
{
    (void) snprintf(ret, OTHER_TEXT, "the %sTLS ClientHello %s, CONNECT named '%s'", which,
                    hello->has_name ? "asks for another server" : "names no server", conn->ticket.host.name);
    return ret;
}

/* Is there something in what follows that must not get out? Then the end comes from the loop. */
static bool is_clean(struct door_conn *conn, struct span bytes)
{
    char reason[OTHER_TEXT];
    struct client_hello hello;
    const char *why = "";
    size_t taken;
    int r;

    while (bytes.len > 0 && !conn->watch.is_over) {
        r = hello_watch_feed(&conn->watch, bytes, &conn->in, &hello, &taken, &why);
        if (r > 0 && !names(&hello, &conn->ticket.host))
            why = say_other(conn, &hello, "second ", reason);
        if (r < 0 || (r > 0 && why == reason)) {
            (void) snprintf(conn->cut_for, sizeof(conn->cut_for), "%s", why);
            door_kick(conn);
            return false;
        }
        if (r > 0)
            buf_done(&conn->in);
        bytes = span_make(bytes.ptr + taken, bytes.len - taken);
    }
    return true;
}

/* `len`: of the ClientHello in `in`. */
static bool start(struct door_conn *conn, size_t len)
{
    if (conn->ends_here)
        return intercept_start(conn);
    if (buf_add_span(&conn->up, buf_span(&conn->in)) < 0) {
        conn_cut(conn, "no memory", false);
        return false;
    }
    buf_done(&conn->in); /* a second ClientHello comes to lie there */
    conn_set_state(conn, CONN_TUNNEL, 0);
    if (is_clean(conn, span_make(conn->up.data + len, conn->up.len - len)))
        conn_flush_up(conn);
    return true;
}

static bool incomplete(struct door_conn *conn)
{
    if (conn->in.len >= IN_MAX)
        refuse(conn, "the TLS ClientHello is too long");
    else if (conn->client_eof && conn->in.len > 0)
        refuse(conn, "the TLS ClientHello ends in the middle");
    else if (conn->client_eof)
        conn_cut(conn, "", false);
    return false;
}

bool tunnel_hello(struct door_conn *conn)
{
    char reason[OTHER_TEXT];
    struct client_hello hello;
    const char *why = "";
    ssize_t len;

    if (conn->in.len < conn->hello_wanted && !conn->client_eof)
        return false; /* who sends it byte by byte does not make us read it again for each */
    len = client_hello_parse(buf_span(&conn->in), &hello, &why);
    conn->hello_wanted = hello.wanted < IN_MAX ? hello.wanted : IN_MAX;
    if (len == 0)
        return incomplete(conn);
    if (len < 0) {
        refuse(conn, why);
        return false;
    }
    hello_watch_init(&conn->watch, &hello);
    if (names(&hello, &conn->ticket.host))
        return start(conn, (size_t) len);
    refuse(conn, say_other(conn, &hello, "", reason));
    return false;
}

size_t tunnel_feed(struct door_conn *conn, struct span bytes)
{
    size_t len = bytes.len;
    ssize_t n;

    if (conn->is_up_broken)
        return len;
    if (conn->is_blocked || conn->up.len > 0 || conn->cut_for[0])
        return 0;
    if (!conn->watch.is_over && len > conn->watched) {
        if (!is_clean(conn, span_make(bytes.ptr + conn->watched, len - conn->watched)))
            return 0;
        conn->watched = len; /* what is not taken comes again */
    }
    if ((int64_t) len > door_left(conn->door))
        len = (size_t) door_left(conn->door);
    if (len == 0)
        return 0;
    n = outer_send(conn->outer, bytes.ptr, len);
    conn->is_up_broken = n == OUTER_BROKEN;
    conn->is_blocked = n == OUTER_AGAIN || (n >= 0 && (size_t) n < len);
    if (conn->is_up_broken)
        return bytes.len;
    if (n <= 0)
        return 0;
    conn->watched -= conn->watched < (size_t) n ? conn->watched : (size_t) n;
    door_moved(conn, (size_t) n, 0);
    return (size_t) n;
}

bool tunnel_step(struct door_conn *conn)
{
    if (conn->cut_for[0]) {
        conn_cut(conn, conn->cut_for, true);
        return false;
    }
    conn_flush_up(conn);
    if (!conn->client_eof || conn->up.len > 0)
        return false;
    if (!conn->has_finished) {
        conn->has_finished = true;
        outer_finish(conn->outer);
    }
    if (!conn->outer_eof || conn->out.len > 0)
        return false;
    conn_end_ticket(conn, "", false);
    conn_finish(conn); /* tells the end of file and, the client having told its own, closes */
    return false;
}

void tunnel_read(struct door_conn *conn)
{
    ssize_t n;

    for (int i = 0; i < READS_AT_ONCE && conn->out.len == 0 && !conn->outer_eof; i++) {
        n = conn_recv(conn);
        if (n == OUTER_AGAIN)
            return;
        if (n == OUTER_BROKEN) {
            conn_cut(conn, "the connection was reset", false);
            return;
        }
        conn->outer_eof = n == 0;
        if (n > 0)
            hello_watch_answer(&conn->watch, span_make(conn->door->scratch, (size_t) n));
        if (n > 0 && !conn_give(conn, span_make(conn->door->scratch, (size_t) n)))
            return;
    }
}
