/* SPDX-License-Identifier: MIT */
/* An authority, certificates under it, and sessions over two buffers, on libssl. */
#include "core/base/tls.h"

#include "core/base/digest.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define LEAVES_MAX   32     /* certificates kept; older ones are made again when they are needed again */
#define CLOCK_S      3600   /* so far may the clock of a sandbox be behind ours */
#define NAMES_MAX    524288 /* text of all names */
#define SERIAL_BYTES 16
#define HOST_MAX     256

struct leaf {
    char host[HOST_MAX];
    X509 *certificate;
};

struct tls_authority {
    SSL_CTX *ctx;
    EVP_PKEY *key, *leaf_key; /* one for all leaves: none of them is worth more than another */
    X509 *certificate;
    int64_t life_s;
    struct leaf leaves[LEAVES_MAX];
    size_t next; /* to be replaced */
};

struct tls_session {
    SSL *ssl;
    BIO *in, *out; /* owned by `ssl` */
};

/* The first complaint of the library, in its own words: literals of it, printable and short. */
static int fail(struct err *err, enum err_code code, const char *what)
{
    unsigned long e = ERR_peek_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    int r = err_set(err, code, "%s: %s", what, reason ? reason : "no reason is known");

    ERR_clear_error();
    return r;
}

/* ---- certificates ---- */

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    bool is_added;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    is_added = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_added;
}

static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *n;
    bool is_set;

    random_bytes(bytes, sizeof(bytes));
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and of one length */
    n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    is_set = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return is_set;
}

static bool set_name(X509_NAME *name, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) text, -1, -1, 0) == 1;
}

/* What all certificates have; not signed yet. */
static X509 *certificate_new(EVP_PKEY *key, const char *name, int64_t life_s)
{
    X509 *x = X509_new();

    if (x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -CLOCK_S) &&
        X509_gmtime_adj(X509_getm_notAfter(x), (long) life_s) && X509_set_pubkey(x, key) == 1 &&
        set_name(X509_get_subject_name(x), name))
        return x;
    X509_free(x);
    return NULL;
}

/* Addresses are none of its business at all. */
static bool write_constraints(const char *const *names, size_t count, struct buf *out)
{
    int r =
        buf_add_text(out, "critical,excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0");

    for (size_t i = 0; r == 0 && i < count; i++)
        r = buf_printf(out, ",permitted;DNS:%s", names[i]);
    return r == 0;
}

static bool make_authority(struct tls_authority *a, const char *const *names, size_t count)
{
    struct buf constraints = BUF_INIT(NAMES_MAX);
    X509 *x = certificate_new(a->key, "agentbox: authority of one run", a->life_s);
    bool is_made = x && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
                   write_constraints(names, count, &constraints) &&
                   add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                   add_extension(x, x, NID_key_usage, "critical,keyCertSign") &&
                   add_extension(x, x, NID_subject_key_identifier, "hash") &&
                   add_extension(x, x, NID_name_constraints, buf_text(&constraints)) &&
                   X509_sign(x, a->key, EVP_sha256()) > 0;

    buf_done(&constraints);
    a->certificate = x;
    return is_made;
}

static X509 *make_leaf(struct tls_authority *a, const char *host)
{
    struct buf name = BUF_INIT(HOST_MAX + 8);
    X509 *x = certificate_new(a->leaf_key, "agentbox: a host of one run", a->life_s);

    if (x && X509_set_issuer_name(x, X509_get_subject_name(a->certificate)) == 1 &&
        buf_printf(&name, "DNS:%s", host) == 0 &&
        add_extension(x, a->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, a->certificate, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, a->certificate, NID_ext_key_usage, "serverAuth") &&
        add_extension(x, a->certificate, NID_subject_key_identifier, "hash") &&
        add_extension(x, a->certificate, NID_authority_key_identifier, "keyid:always") &&
        add_extension(x, a->certificate, NID_subject_alt_name, buf_text(&name)) &&
        X509_sign(x, a->key, EVP_sha256()) > 0) {
        buf_done(&name);
        return x;
    }
    buf_done(&name);
    X509_free(x);
    return NULL;
}

static X509 *leaf_for(struct tls_authority *a, const char *host)
{
    struct leaf *leaf = &a->leaves[a->next];
    X509 *fresh;

    for (size_t i = 0; i < LEAVES_MAX; i++)
        if (a->leaves[i].certificate && strcmp(a->leaves[i].host, host) == 0)
            return a->leaves[i].certificate;
    fresh = strlen(host) < HOST_MAX ? make_leaf(a, host) : NULL;
    if (!fresh)
        return NULL;
    X509_free(leaf->certificate);
    leaf->certificate = fresh;
    memcpy(leaf->host, host, strlen(host) + 1);
    a->next = (a->next + 1) % LEAVES_MAX;
    return fresh;
}

/* ---- the authority ---- */

/* Whoever offers protocols must offer ours. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *in, unsigned int len, void *data)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours) - 1, in, len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool make_context(struct tls_authority *a)
{
    a->ctx = SSL_CTX_new(TLS_server_method());
    if (!a->ctx || SSL_CTX_set_min_proto_version(a->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(a->ctx, 0) != 1)
        return false;
    (void) SSL_CTX_set_options(a->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void) SSL_CTX_set_session_cache_mode(a->ctx, SSL_SESS_CACHE_OFF);
    (void) SSL_CTX_set_mode(a->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_alpn_select_cb(a->ctx, choose_protocol, NULL);
    return true;
}

int tls_authority_new(const char *const *names, size_t count, int64_t life_ms, struct tls_authority **ret,
                      struct err *err)
{
    struct tls_authority *a = calloc(1, sizeof(*a));

    if (!a)
        return err_set(err, ERR_INTERNAL, "no memory for an authority");
    ERR_clear_error();
    a->life_s = life_ms / 1000;
    a->key = EVP_EC_gen("P-256");
    a->leaf_key = EVP_EC_gen("P-256");
    if (!a->key || !a->leaf_key || !make_authority(a, names, count) || !make_context(a)) {
        tls_authority_free(a);
        return fail(err, ERR_INTERNAL, "making an authority for this run");
    }
    *ret = a;
    return 0;
}

void tls_authority_free(struct tls_authority *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < LEAVES_MAX; i++)
        X509_free(a->leaves[i].certificate);
    SSL_CTX_free(a->ctx);
    X509_free(a->certificate);
    EVP_PKEY_free(a->key); /* wiped by the library */
    EVP_PKEY_free(a->leaf_key);
    free(a);
}

int tls_authority_certificate(const struct tls_authority *a, struct buf *out, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;
    int r = -1;

    if (bio && PEM_write_bio_X509(bio, a->certificate) == 1 && (len = BIO_get_mem_data(bio, &text)) > 0)
        r = buf_add(out, text, (size_t) len);
    BIO_free(bio);
    return r == 0 ? 0 : fail(err, ERR_INTERNAL, "writing this run's certificate");
}

const char *tls_trusted_file(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* openSUSE */
        "/etc/ssl/cert.pem",                  /* macOS, BSD */
    };
    const char *named = getenv(X509_get_default_cert_file_env());

    if (named && *named)
        return named;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    named = X509_get_default_cert_file();
    return access(named, R_OK) == 0 ? named : NULL;
}

/* ---- sessions ---- */

int tls_session_new(struct tls_authority *a, const char *host, struct tls_session **ret, struct err *err)
{
    struct tls_session *s = calloc(1, sizeof(*s));
    X509 *leaf;

    if (!s)
        return err_set(err, ERR_INTERNAL, "no memory for TLS");
    ERR_clear_error();
    leaf = leaf_for(a, host);
    s->ssl = SSL_new(a->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (s->ssl && s->in && s->out)
        SSL_set_bio(s->ssl, s->in, s->out); /* theirs from now on */
    if (!leaf || !s->ssl || !s->in || !s->out || SSL_use_certificate(s->ssl, leaf) != 1 ||
        SSL_use_PrivateKey(s->ssl, a->leaf_key) != 1) {
        (void) fail(err, ERR_INTERNAL, "preparing TLS towards the sandbox");
        tls_session_free(s);
        return -ERR_INTERNAL;
    }
    SSL_set_accept_state(s->ssl);
    *ret = s;
    return 0;
}

void tls_session_free(struct tls_session *s)
{
    if (!s)
        return;
    if (!s->ssl || SSL_get_rbio(s->ssl) != s->in) {
        BIO_free(s->in);
        BIO_free(s->out);
    }
    SSL_free(s->ssl);
    free(s);
}

size_t tls_session_room(const struct tls_session *s)
{
    size_t held = BIO_ctrl_pending(s->in);

    return held < TLS_FEED_MAX ? TLS_FEED_MAX - held : 0;
}

size_t tls_session_feed(struct tls_session *s, struct span bytes)
{
    size_t room = tls_session_room(s);
    int n;

    if (bytes.len > room)
        bytes.len = room;
    n = bytes.len > 0 ? BIO_write(s->in, bytes.ptr, (int) bytes.len) : 0;
    return n > 0 ? (size_t) n : 0;
}

ssize_t tls_session_read(struct tls_session *s, void *ptr, size_t size, struct err *err)
{
    size_t n = 0;

    ERR_clear_error();
    if (SSL_read_ex(s->ssl, ptr, size, &n) == 1)
        return (ssize_t) n;
    switch (SSL_get_error(s->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -ERR_TIMEOUT;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return fail(err, ERR_PROTOCOL, "TLS");
    }
}

int tls_session_write(struct tls_session *s, struct span bytes)
{
    size_t n = 0;

    ERR_clear_error();
    if (bytes.len == 0 || SSL_write_ex(s->ssl, bytes.ptr, bytes.len, &n) == 1)
        return 0;
    return -ERR_PROTOCOL;
}

bool tls_session_is_up(const struct tls_session *s)
{
    return SSL_is_init_finished(s->ssl) == 1;
}

void tls_session_end(struct tls_session *s)
{
    ERR_clear_error();
    if (tls_session_is_up(s))
        (void) SSL_shutdown(s->ssl); /* a broken one says nothing, and that says enough */
}

struct span tls_session_pending(const struct tls_session *s)
{
    char *text = NULL;
    long len = BIO_get_mem_data(s->out, &text);

    return span_make(text, len > 0 ? (size_t) len : 0);
}

void tls_session_sent(struct tls_session *s)
{
    (void) BIO_reset(s->out);
}
