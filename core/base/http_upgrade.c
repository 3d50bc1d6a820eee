/* SPDX-License-Identifier: MIT */
/*
 * A request that turns its connection into a raw stream, written and read by
 * hand on a connection that http.c made: send, wait for the head, keep what is
 * glued behind it, hand over.
 */
#include "core/base/http_call.h"

#include "core/base/cleanup.h"
#include "core/base/http_head.h"
#include "core/base/http_request.h"

#include <stdlib.h>
#include <strings.h>

#define UPGRADE_MS_DEFAULT 10000
#define REQUEST_MAX        (1024 * 1024)
#define HEAD_MAX           16384
#define REFUSAL_MAX        4096
#define READ_BYTES         4096

enum upgrade_state {
    UPGRADE_CONNECT,
    UPGRADE_SEND,
    UPGRADE_HEAD,
    UPGRADE_REFUSAL, /* the answer is a no: its body says why */
    UPGRADE_TOLD,
};

struct upgrade {
    struct http_exchange exchange; /* first */
    struct loop *loop;
    struct http_call *call;
    struct loop_source *deadline, *watch;
    http_upgrade_fn *fn;
    void *data;
    enum upgrade_state state;
    int64_t limit_ms;
    struct buf out, in;
    size_t sent, refusal_len; /* refusal_len: bytes to wait for */
    int status;
    bool is_chunked;
    bool is_bare; /* the connection is all that was asked for */
};

struct http_stream {
    struct loop *loop;
    struct http_call *call;
    struct loop_source *watch;
    struct loop_source *again; /* stands in for the descriptor while bytes wait in memory */
    loop_fd_fn *fn;
    void *data;
    unsigned events;
    struct buf left; /* came with the head */
    size_t left_read;
    bool may_have_more; /* TLS: the last read was not the one that found nothing */
};

/* ---- streams ---- */

static bool has_buffered(const struct http_stream *s)
{
    return s->left_read < s->left.len || s->may_have_more;
}

static void wake_again(struct http_stream *s)
{
    if ((s->events & LOOP_READ) && has_buffered(s))
        (void) loop_timer_set(s->again, 0, NULL); /* fails only for a timer being closed */
}

static void on_again(void *data)
{
    struct http_stream *s = data;

    if (!(s->events & LOOP_READ) || !has_buffered(s))
        return;
    wake_again(s);
    s->fn(s->data, LOOP_READ);
}

static void on_stream_fd(void *data, unsigned events)
{
    struct http_stream *s = data;

    s->fn(s->data, events);
}

ssize_t http_stream_read(struct http_stream *s, void *ptr, size_t size, struct err *err)
{
    size_t len = s->left.len - s->left_read;
    ssize_t n;

    if (len > 0) {
        len = len < size ? len : size;
        memcpy(ptr, s->left.data + s->left_read, len);
        s->left_read += len;
        if (s->left_read == s->left.len) {
            s->left_read = 0;
            buf_done(&s->left);
        }
        return (ssize_t) len;
    }
    n = http_call_recv(s->call, ptr, size, err);
    s->may_have_more = n > 0 && http_call_is_tls(s->call);
    wake_again(s);
    return n;
}

ssize_t http_stream_write(struct http_stream *s, const void *ptr, size_t len, struct err *err)
{
    return len == 0 ? 0 : http_call_send(s->call, ptr, len, err);
}

int http_stream_watch(struct http_stream *s, unsigned events, loop_fd_fn *fn, void *data, struct err *err)
{
    int r;

    s->fn = fn;
    s->data = data;
    if (s->watch)
        r = loop_watch_events(s->watch, events, err);
    else
        r = loop_watch_fd(s->loop, http_call_fd(s->call), events, on_stream_fd, s, &s->watch, err);
    if (r < 0)
        return r;
    s->events = events;
    wake_again(s);
    return 0;
}

void http_stream_free(struct http_stream *s)
{
    if (!s)
        return;
    loop_source_free(s->again);
    loop_source_free(s->watch); /* before its descriptor is closed */
    http_call_free(s->call);
    buf_done(&s->left);
    free(s);
}

static struct http_stream *stream_new(struct upgrade *u, size_t head_len, struct err *err)
{
    struct http_stream *s = calloc(1, sizeof(*s));

    if (!s) {
        (void) err_set(err, ERR_INTERNAL, "no memory for a stream");
        return NULL;
    }
    s->loop = u->loop;
    if (loop_timer(u->loop, -1, on_again, s, &s->again, err) < 0) {
        free(s);
        return NULL;
    }
    s->call = TAKE_PTR(u->call);
    s->left = u->in;
    s->left_read = head_len;
    s->may_have_more = http_call_is_tls(s->call);
    buf_init(&u->in, 0);
    return s;
}

/* ---- ends of an upgrade; each is the last thing its caller does ---- */

static void quiet(struct upgrade *u)
{
    u->state = UPGRADE_TOLD;
    loop_source_free(TAKE_PTR(u->watch));
    loop_source_free(TAKE_PTR(u->deadline));
}

static void tell_failure(struct upgrade *u, const struct err *err)
{
    quiet(u);
    u->fn(u->data, NULL, 0, err);
}

static void tell_stream(struct upgrade *u, size_t head_len)
{
    struct http_stream *s;
    struct err err;

    quiet(u);
    s = stream_new(u, head_len, &err);
    if (s)
        u->fn(u->data, s, u->status, NULL);
    else
        u->fn(u->data, NULL, 0, &err);
}

static enum err_code code_of_status(int status)
{
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    default:
        return ERR_PROTOCOL;
    }
}

/* One line of text of what the server said, whatever it was. */
static void clean_text(struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if ((unsigned char) b->data[i] < 0x20 || b->data[i] == 0x7f)
            b->data[i] = ' ';
    while (b->len > 0 && b->data[b->len - 1] == ' ')
        b->data[--b->len] = '\0';
}

static void tell_refusal(struct upgrade *u)
{
    struct err err;
    enum err_code code = code_of_status(u->status);

    if (u->is_chunked && u->in.len > 0)
        (void) http_head_dechunk(u->in.data, &u->in.len); /* cut or not, it is what there is */
    if (!u->is_chunked && u->in.len > u->refusal_len)
        u->in.len = u->refusal_len;
    if (u->in.len > 0)
        u->in.data[u->in.len] = '\0';
    clean_text(&u->in);
    if (u->in.len > 0)
        (void) err_set(&err, code, "%s", buf_text(&u->in));
    else
        (void) err_set(&err, code, "'%s' refused the upgrade with status %d", http_call_target(u->call),
                       u->status);
    quiet(u);
    u->fn(u->data, NULL, u->status, &err);
}

/* ---- steps ---- */

/* Returns whether the refusal's body is complete, or as much of it as we take. */
static bool is_refusal_complete(struct upgrade *u)
{
    char copy[REFUSAL_MAX];
    size_t len = u->in.len;

    if (len >= REFUSAL_MAX)
        return true;
    if (!u->is_chunked)
        return len >= u->refusal_len;
    memcpy(copy, buf_text(&u->in), len);
    return http_head_dechunk(copy, &len);
}

static size_t parse_length(struct span value)
{
    size_t n = 0;

    if (value.len == 0)
        return REFUSAL_MAX;
    for (size_t i = 0; i < value.len && n < REFUSAL_MAX; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return REFUSAL_MAX;
        n = n * 10 + (size_t) (value.ptr[i] - '0');
    }
    return n < REFUSAL_MAX ? n : REFUSAL_MAX;
}

static void begin_refusal(struct upgrade *u, const struct http_head_parts *head, size_t head_len)
{
    struct span coding = http_head_find(head->fields, "Transfer-Encoding");

    u->is_chunked = coding.len == 7 && strncasecmp(coding.ptr, "chunked", 7) == 0;
    u->refusal_len = parse_length(http_head_find(head->fields, "Content-Length"));
    u->state = UPGRADE_REFUSAL;
    buf_drop(&u->in, head_len);
}

/* Returns false when the upgrade has ended inside: `u` may be gone. */
static bool step_head(struct upgrade *u)
{
    struct http_head_parts head;
    struct err err;
    ssize_t n;

    while ((n = http_head_decode(buf_span(&u->in), &head, &err)) > 0) {
        if (head.status >= 200 || head.status == 101)
            break;
        buf_drop(&u->in, (size_t) n); /* an interim answer */
    }
    if (n == 0 && u->in.len >= HEAD_MAX)
        n = err_set(&err, ERR_TOO_LARGE, "the headers are too large");
    if (n < 0) {
        (void) err_wrap(&err, "talking to '%s'", http_call_target(u->call));
        tell_failure(u, &err);
        return false;
    }
    if (n == 0)
        return true;
    u->status = head.status;
    if (http_head_is_upgrade(&head)) {
        tell_stream(u, (size_t) n);
        return false;
    }
    begin_refusal(u, &head, (size_t) n);
    return true;
}

static void on_input(struct upgrade *u)
{
    if (u->state == UPGRADE_HEAD && !step_head(u))
        return;
    if (u->state == UPGRADE_REFUSAL && is_refusal_complete(u))
        tell_refusal(u);
}

static void on_input_end(struct upgrade *u)
{
    struct err err;

    if (u->state == UPGRADE_REFUSAL) {
        tell_refusal(u);
        return;
    }
    (void) err_set(&err, ERR_PROTOCOL, "'%s' closed the connection without an answer",
                   http_call_target(u->call));
    tell_failure(u, &err);
}

/* One read per event; TLS may keep more in memory, hence the loop over what is decrypted. */
static void step_read(struct upgrade *u)
{
    struct err err;
    ssize_t n;

    for (;;) {
        char *at = buf_reserve(&u->in, READ_BYTES);

        if (!at) {
            (void) err_set(&err, ERR_INTERNAL, "no memory for an answer");
            tell_failure(u, &err);
            return;
        }
        n = http_call_recv(u->call, at, READ_BYTES, &err);
        if (n <= 0 || !http_call_is_tls(u->call) || u->in.len + (size_t) n >= HEAD_MAX)
            break;
        buf_commit(&u->in, (size_t) n);
    }
    if (n == -ERR_TIMEOUT) {
        on_input(u);
    } else if (n < 0) {
        tell_failure(u, &err);
    } else if (n == 0) {
        on_input_end(u);
    } else {
        buf_commit(&u->in, (size_t) n);
        on_input(u);
    }
}

static void step_send(struct upgrade *u)
{
    struct err err;
    ssize_t n = http_call_send(u->call, u->out.data + u->sent, u->out.len - u->sent, &err);

    if (n >= 0) {
        u->sent += (size_t) n;
        if (u->sent < u->out.len)
            return;
        buf_done(&u->out);
        u->state = UPGRADE_HEAD;
        n = loop_watch_events(u->watch, LOOP_READ, &err);
    }
    if (n < 0)
        tell_failure(u, &err);
}

static void on_fd(void *data, unsigned events)
{
    struct upgrade *u = data;

    if (u->state == UPGRADE_SEND)
        step_send(u);
    else
        step_read(u);
}

static void on_connected(void *owner, const struct err *cause)
{
    struct upgrade *u = owner;
    struct err err;

    if (cause) {
        tell_failure(u, cause);
        return;
    }
    if (u->is_bare) {
        tell_stream(u, 0);
        return;
    }
    u->state = UPGRADE_SEND;
    if (loop_watch_fd(u->loop, http_call_fd(u->call), LOOP_WRITE, on_fd, u, &u->watch, &err) < 0) {
        (void) err_wrap(&err, "connecting to '%s'", http_call_target(u->call));
        tell_failure(u, &err);
    }
}

static void on_deadline(void *data)
{
    struct upgrade *u = data;
    struct err err;

    if (u->state == UPGRADE_REFUSAL) { /* the no is certain, its words are not worth more waiting */
        tell_refusal(u);
        return;
    }
    (void) err_set(&err, ERR_TIMEOUT, "%s '%s' took longer than %g s",
                   u->state == UPGRADE_CONNECT ? "connecting to" : "the upgrade at",
                   http_call_target(u->call), (double) u->limit_ms / 1000);
    tell_failure(u, &err);
}

/* ---- life ---- */

static void upgrade_free(struct http_exchange *x)
{
    struct upgrade *u = (struct upgrade *) (void *) x;

    loop_source_free(u->watch); /* before its descriptor is closed */
    loop_source_free(u->deadline);
    http_call_free(u->call);
    buf_done(&u->out);
    buf_done(&u->in);
    free(u);
}

static int start(struct http *http, const struct http_request *req, bool is_bare, http_upgrade_fn *fn,
                 void *data, struct http_exchange **ret, struct err *err)
{
    static const struct http_call_ops ops = { .on_end = on_connected };
    struct upgrade *u = calloc(1, sizeof(*u));
    int r;

    if (!u)
        return err_set(err, ERR_INTERNAL, "no memory for an upgrade");
    u->exchange.free = upgrade_free;
    u->loop = http_loop(http);
    u->fn = fn;
    u->data = data;
    u->is_bare = is_bare;
    u->limit_ms = req->connect_ms > 0 ? req->connect_ms : UPGRADE_MS_DEFAULT;
    buf_init(&u->out, REQUEST_MAX);
    buf_init(&u->in, HEAD_MAX + REFUSAL_MAX + READ_BYTES);
    r = http_call_new(http, req, true, &ops, u, &u->call, err);
    if (r == 0 && !is_bare)
        r = http_request_write_upgrade(req, http_call_host(u->call), http_call_resource(u->call), &u->out,
                                       err);
    if (r == 0)
        r = loop_timer(u->loop, u->limit_ms, on_deadline, u, &u->deadline, err);
    if (r < 0) {
        upgrade_free(&u->exchange);
        return r;
    }
    *ret = &u->exchange;
    return 0;
}

int http_upgrade(struct http *http, const struct http_request *req, http_upgrade_fn *fn, void *data,
                 struct http_exchange **ret, struct err *err)
{
    return start(http, req, false, fn, data, ret, err);
}

int http_connect(struct http *http, const struct http_request *req, http_upgrade_fn *fn, void *data,
                 struct http_exchange **ret, struct err *err)
{
    return start(http, req, true, fn, data, ret, err);
}
