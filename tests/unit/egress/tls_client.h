/* SPDX-License-Identifier: MIT */
/* A TLS client inside, over two buffers. What it is given counts from `used` on. */
#ifndef TESTS_UNIT_EGRESS_TLS_CLIENT_H
#define TESTS_UNIT_EGRESS_TLS_CLIENT_H

#include "tests/unit/egress/world.h"

#include <openssl/ssl.h>

struct client {
    struct inside c;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    size_t used; /* bytes of c.got given to TLS */
};

static inline void client_init(struct client *t, struct world *w, const char *name)
{
    inside_init(&t->c, w, 65536);
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->ssl = SSL_new(t->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    t->used = 0;
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_connect_state(t->ssl);
    if (name)
        assert_int_equal(SSL_set_tlsext_host_name(t->ssl, name), 1);
}

static inline void client_done(struct client *t)
{
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    inside_done(&t->c);
}

static inline size_t client_take(struct client *t, char *ret, size_t size)
{
    int n = BIO_read(t->out, ret, (int) size);

    return n > 0 ? (size_t) n : 0;
}

static inline void client_flush(struct client *t)
{
    char bytes[16384];
    size_t n;

    while ((n = client_take(t, bytes, sizeof(bytes))) > 0)
        inside_send(&t->c, span_make(bytes, n));
}

/* More for TLS to read; false: nothing will come. */
static inline bool client_more(struct client *t)
{
    t->c.wanted = t->used + 1;
    while (t->c.got.len <= t->used && !t->c.is_closed && !t->c.is_eof) {
        t->c.w->has_event = false;
        assert_int_equal(loop_run(t->c.w->loop, &t->c.w->has_event, NULL), 0);
    }
    if (t->c.got.len <= t->used)
        return false;
    BIO_write(t->in, t->c.got.data + t->used, (int) (t->c.got.len - t->used));
    t->used = t->c.got.len;
    return true;
}

static inline bool client_shake(struct client *t)
{
    int r;

    while ((r = SSL_do_handshake(t->ssl)) != 1) {
        client_flush(t);
        if (SSL_get_error(t->ssl, r) != SSL_ERROR_WANT_READ || !client_more(t))
            return false;
    }
    client_flush(t);
    return true;
}

/* All that the server says until it closes. */
static inline void client_read(struct client *t, char *ret, size_t size)
{
    size_t len = 0;
    int n;

    for (;;) {
        n = SSL_read(t->ssl, ret + len, (int) (size - 1 - len));
        if (n > 0)
            len += (size_t) n;
        else if (SSL_get_error(t->ssl, n) != SSL_ERROR_WANT_READ || !client_more(t))
            break;
    }
    ret[len] = '\0';
}

#endif
