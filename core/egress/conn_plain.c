/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer over plain HTTP. Both are taken apart and put
 * together anew, so that origin and client agree on where each ends, and
 * nothing can hide behind a message.
 */
#include "core/egress/door_impl.h"

#include "core/base/cleanup.h"
#include "core/egress/response_head.h"

#define READS_AT_ONCE 4
#define INTERIMS_MAX  16
#define CHUNK_LAST    "0\r\n\r\n"

/* ---- the request ---- */

int plain_prepare(struct door_conn *conn, const struct request_head *head)
{
    const struct door_secret *secret = door_secret(conn->door, conn->ticket.rule);
    struct request_extra extra;
    struct plain *p = &conn->plain;

    memset(p, 0, sizeof(*p));
    p->minor = head->minor;
    p->must_close = head->must_close;
    p->expects_continue = head->expects_continue && head->body != BODY_NONE;
    p->up_kind = head->body;
    p->up_left = head->length;
    p->up_done = head->body == BODY_NONE || (head->body == BODY_LENGTH && head->length == 0);
    buf_clear(&conn->up);
    buf_clear(&conn->head);
    if (!secret)
        return request_head_write(head, NULL, &conn->up);
    p->redact.text = &secret->text;
    extra = (struct request_extra){ conn->ticket.rule->inject->header, buf_span(&secret->value) };
    /* All it will ever hold, at once: a buffer that grows leaves copies of the secret. */
    if (!buf_reserve(&conn->up, UP_MAX + IN_MAX + FRAMING_MAX))
        return -ERR_INTERNAL;
    return request_head_write(head, &extra, &conn->up);
}

/* An origin may close a connection that it kept in the moment in which a request is on its way, and that says
 * nothing about the request (RFC 9112, 9.3.1). One that means the same twice, and of which all is still here,
 * goes out once more. */
void plain_keep(struct door_conn *conn)
{
    static const uint32_t repeatable = EGRESS_GET | EGRESS_HEAD | EGRESS_OPTIONS | EGRESS_PUT | EGRESS_DELETE;
    struct plain *p = &conn->plain;

    secret_wipe(&conn->again);
    p->may_repeat = (conn->ticket.method & repeatable) && p->up_done &&
                    buf_reserve(&conn->again, conn->up.len) &&
                    buf_add_span(&conn->again, buf_span(&conn->up)) == 0;
}

static bool repeat(struct door_conn *conn)
{
    struct plain *p = &conn->plain;

    if (!p->may_repeat || p->has_head || p->interims > 0 || conn->head.len > 0)
        return false;
    p->may_repeat = false;
    secret_wipe(&conn->up);
    conn->up = conn->again;
    conn->again = (struct buf) BUF_INIT(conn->up.max);
    conn_redial(conn);
    return true;
}

void plain_begin(struct door_conn *conn)
{
    conn_set_state(conn, CONN_PLAIN, 0);
    conn_flush_up(conn);
    if (conn->plain.expects_continue && conn->plain.minor > 0)
        (void) conn_give_text(conn, "HTTP/1.1 100 Continue\r\n\r\n");
}

static int add_chunk(struct buf *out, struct span data)
{
    int r = data.len == 0 ? 0 : buf_printf(out, "%zx\r\n", data.len);

    if (r == 0 && data.len > 0)
        r = buf_add_span(out, data);
    if (r == 0 && data.len > 0)
        r = buf_add_text(out, "\r\n");
    return r;
}

static int move_length(struct door_conn *conn)
{
    struct plain *p = &conn->plain;
    size_t len = conn->in.len;

    if ((int64_t) len > p->up_left)
        len = (size_t) p->up_left;
    if (buf_add(&conn->up, conn->in.data, len) < 0)
        return -1;
    buf_drop(&conn->in, len);
    p->up_left -= (int64_t) len;
    p->up_done = p->up_left == 0;
    return 0;
}

static int move_chunks(struct door_conn *conn, const char **ret_why)
{
    struct plain *p = &conn->plain;
    struct span rest = buf_span(&conn->in), data;
    ssize_t n;
    int r = 0;

    while (r == 0 && rest.len > 0 && !p->up_chunks.is_done && conn->up.len < UP_MAX) {
        n = chunked_next(&p->up_chunks, rest, &data, ret_why);
        if (n < 0)
            return -1;
        rest = span_make(rest.ptr + n, rest.len - (size_t) n);
        r = add_chunk(&conn->up, data);
    }
    p->up_done = p->up_chunks.is_done;
    if (r == 0 && p->up_done)
        r = buf_add_text(&conn->up, CHUNK_LAST);
    buf_drop(&conn->in, conn->in.len - rest.len);
    return r;
}

/* A body that breaks off or is no good: the origin may have part of it, so its connection is not used again.
 */
static void fail_request(struct door_conn *conn, const char *why)
{
    if (conn->plain.has_head)
        conn_cut(conn, why, false);
    else
        conn_refuse(conn, 400, why, NULL);
}

/* False: the request failed. */
static bool move_up(struct door_conn *conn)
{
    const char *why = "no memory";
    struct plain *p = &conn->plain;
    int r = 0;

    while (r == 0 && !p->up_done && conn->in.len > 0 && conn->up.len < UP_MAX) {
        r = p->up_kind == BODY_LENGTH ? move_length(conn) : move_chunks(conn, &why);
        conn_flush_up(conn);
    }
    if (r < 0)
        fail_request(conn, why);
    else if (!p->up_done && conn->in.len == 0 && conn->client_eof)
        fail_request(conn, "the request's body ends in the middle");
    else
        return true;
    return false;
}

/* ---- both ---- */

static bool end(struct door_conn *conn)
{
    struct plain *p = &conn->plain;
    bool goes_on = p->up_done && !p->must_close && conn->up.len == 0;

    conn_end_ticket(conn, "", false);
    if (conn->is_freed)
        return false;
    if (!goes_on) {
        conn_finish(conn);
        return false;
    }
    if (p->is_spoiled)
        outer_free(TAKE_PTR(conn->outer));
    else
        outer_watch(conn->outer, 0);
    conn_set_state(conn, CONN_HEAD, 0);
    return true;
}

bool plain_step(struct door_conn *conn)
{
    conn_flush_up(conn);
    if (conn->plain.down_done)
        return end(conn);
    (void) move_up(conn);
    return false;
}

/* ---- the answer ---- */

static void fail_answer(struct door_conn *conn, const char *why)
{
    if (conn->plain.has_head)
        conn_cut(conn, why, false);
    else
        conn_refuse(conn, 502, why, NULL);
}

/* A piece of a body without the secret in it, valid until the next call. `is_last`: nothing of it follows. */
static int clean(struct door_conn *conn, struct span bytes, bool is_last, struct span *ret)
{
    struct buf *out = &conn->door->clean;
    int r;

    *ret = bytes;
    if (!conn->plain.redact.text)
        return 0;
    buf_clear(out);
    r = redact_feed(&conn->plain.redact, bytes, out);
    if (r == 0 && is_last)
        r = redact_end(&conn->plain.redact, out);
    *ret = buf_span(out);
    return r;
}

static bool give_clean(struct door_conn *conn, struct span bytes, bool is_last)
{
    struct span out;

    if (clean(conn, bytes, is_last, &out) == 0)
        return conn_give(conn, out);
    conn_cut(conn, "no memory", false);
    return false;
}

/* One piece of a chunked answer, decoded, into the frame that goes on. */
static int frame_piece(struct door_conn *conn, struct span data, bool is_last)
{
    struct buf *frame = &conn->door->frame;
    int r = clean(conn, data, is_last, &data);

    if (r == 0)
        r = conn->plain.minor > 0 ? add_chunk(frame, data) : buf_add_span(frame, data);
    if (r == 0 && is_last && conn->plain.minor > 0)
        r = buf_add_text(frame, CHUNK_LAST);
    return r;
}

static bool give_chunks(struct door_conn *conn, struct span bytes)
{
    struct plain *p = &conn->plain;
    struct buf *frame = &conn->door->frame;
    const char *why = "no memory";
    struct span data;
    ssize_t n = 0;
    int r = 0;

    buf_clear(frame);
    while (r == 0 && n >= 0 && bytes.len > 0 && !p->down_chunks.is_done) {
        n = chunked_next(&p->down_chunks, bytes, &data, &why);
        if (n < 0)
            break;
        bytes = span_make(bytes.ptr + n, bytes.len - (size_t) n);
        r = frame_piece(conn, data, p->down_chunks.is_done);
    }
    p->down_done = p->down_chunks.is_done;
    p->is_spoiled = p->is_spoiled || bytes.len > 0;
    if (frame->len > 0 && !conn_give(conn, buf_span(frame)))
        return false;
    if (r == 0 && n >= 0)
        return true;
    fail_answer(conn, why);
    return false;
}

static bool give_body(struct door_conn *conn, struct span bytes)
{
    struct plain *p = &conn->plain;

    if (bytes.len == 0)
        return true;
    if (p->down_done) {
        p->is_spoiled = true; /* what follows an answer is nobody's answer */
        return true;
    }
    if (p->down_kind == BODY_CHUNKED)
        return give_chunks(conn, bytes);
    if (p->down_kind == BODY_LENGTH && (int64_t) bytes.len >= p->down_left) {
        p->is_spoiled = p->is_spoiled || (int64_t) bytes.len > p->down_left;
        bytes.len = (size_t) p->down_left;
        p->down_done = true;
    }
    p->down_left -= (int64_t) bytes.len;
    return give_clean(conn, bytes, p->down_done);
}

/* The head as text; a secret in it goes the way of one in the body. */
static int write_head(struct door_conn *conn, const struct response_head *head, struct span *ret)
{
    struct buf *frame = &conn->door->frame;
    int r;

    buf_clear(frame);
    r = response_head_write(head, conn->plain.minor, conn->plain.must_close, frame);
    return r < 0 ? r : clean(conn, buf_span(frame), true, ret);
}

static bool give_head(struct door_conn *conn, const struct response_head *head)
{
    struct plain *p = &conn->plain;
    struct span text;

    p->has_head = true;
    p->down_kind = head->body;
    p->down_left = head->length;
    p->down_done = head->body == BODY_NONE || (head->body == BODY_LENGTH && head->length == 0);
    p->is_spoiled = head->must_close;
    p->must_close = p->must_close || head->body == BODY_UNTIL_CLOSE;
    conn->ticket.status = head->status;
    if (write_head(conn, head, &text) == 0)
        return conn_give(conn, text);
    conn_cut(conn, "no memory", false);
    return false;
}

/* One head off conn->head: 1 when it was a final one, 0 for an interim one, -1 for the end. */
static int take_one_head(struct door_conn *conn, size_t len)
{
    struct response_head head;
    const char *why;

    if (response_head_parse(span_make(conn->head.data, len), conn->ticket.method, &head, &why) < 0) {
        conn_refuse(conn, 502, why, NULL);
        return -1;
    }
    if (head.status == 101) {
        conn_refuse(conn, 502, "the server changed the protocol without being asked", NULL);
        return -1;
    }
    conn->plain.scan = (struct head_scan){ 0 };
    if (head.status < 200 && ++conn->plain.interims > INTERIMS_MAX) {
        conn_refuse(conn, 502, "the server sends interim answers without end", NULL);
        return -1;
    }
    if (head.status < 200) {
        buf_drop(&conn->head, len);
        return 0;
    }
    if (head.is_encoded && conn->plain.redact.text && head.body != BODY_NONE) {
        conn_refuse(conn, 502, "the server's answer is compressed, so it cannot be searched for the secret",
                    NULL);
        return -1;
    }
    if (!give_head(conn, &head))
        return -1;
    buf_drop(&conn->head, len);
    return 1;
}

/* False: the connection is done for. */
static bool take_head(struct door_conn *conn, struct span bytes)
{
    const char *why = "no memory";
    struct span rest;
    ssize_t len;
    int r;
    bool goes_on;

    if (buf_add_span(&conn->head, bytes) < 0) {
        fail_answer(conn, why);
        return false;
    }
    do {
        len = head_scan(&conn->plain.scan, buf_span(&conn->head), &why);
        if (len == 0 && conn->head.len <= RESPONSE_HEAD_MAX)
            return true;
        if (len <= 0) {
            fail_answer(conn, len < 0 ? why : "the head of the server's answer is too long");
            return false;
        }
        r = take_one_head(conn, (size_t) len);
    } while (r == 0);
    if (r < 0)
        return false;
    rest = buf_span(&conn->head);
    goes_on = give_body(conn, rest);
    if (!conn->is_freed)
        buf_done(&conn->head);
    return goes_on;
}

static void on_origin_eof(struct door_conn *conn)
{
    struct plain *p = &conn->plain;

    if (repeat(conn))
        return;
    conn->outer_eof = true;
    if (p->has_head && p->down_kind == BODY_UNTIL_CLOSE)
        p->down_done = give_clean(conn, span_make("", 0), true);
    else
        fail_answer(conn, p->has_head ? "the server's answer was cut short"
                                      : "the server closed the connection without an answer");
}

void plain_read(struct door_conn *conn)
{
    struct span bytes;
    ssize_t n;

    for (int i = 0; i < READS_AT_ONCE && conn->out.len == 0 && !conn->plain.down_done; i++) {
        n = conn_recv(conn);
        if (n == OUTER_AGAIN)
            return;
        if (n <= 0) {
            if (n == 0)
                on_origin_eof(conn);
            else if (!repeat(conn))
                fail_answer(conn, "the connection was reset");
            return;
        }
        bytes = span_make(conn->door->scratch, (size_t) n);
        if (!(conn->plain.has_head ? give_body(conn, bytes) : take_head(conn, bytes)))
            return;
    }
}
