/* SPDX-License-Identifier: MIT */
/*
 * TLS for the servers of server.h, with an authority and certificates that are
 * made anew by each run of a test through the `openssl` command.
 */
#ifndef TESTS_UNIT_BASE_TLS_SERVER_H
#define TESTS_UNIT_BASE_TLS_SERVER_H

#include "tests/unit/base/server.h"

#include <openssl/ssl.h>

/* ca.pem signed leaf.pem (127.0.0.1, localhost), named.pem (server.test) and user.pem; other.pem signed
 * nothing. */
static const char tls_script[] =
    "set -e\n"
    "new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "authority() { openssl req -x509 $new -keyout $1.key -out $1.pem -days 2 -subj \"/CN=$1 of a test\"; }\n"
    "signed() {\n"
    "    openssl req $new -keyout $1.key -out $1.csr -subj \"/CN=$1\"\n"
    "    echo \"$3\" >$1.ext\n"
    "    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial $2 -days 2 -extfile $1.ext -out "
    "$1.pem\n"
    "}\n"
    "authority ca\n"
    "authority other\n"
    "signed leaf 2 'subjectAltName=IP:127.0.0.1,DNS:localhost'\n"
    "signed named 3 'subjectAltName=DNS:server.test'\n"
    "signed user 4 'extendedKeyUsage=clientAuth'\n";

static char tls_dir[32];

/* Files of tls_dir; several may be in use at once. */
static inline const char *tls_file(const char *name)
{
    static char paths[8][64];
    static size_t next;
    char *path = paths[next++ % 8];

    snprintf(path, 64, "%s/%s", tls_dir, name);
    return path;
}

static inline int tls_files_make(void)
{
    char command[sizeof(tls_script) + 128];

    strcpy(tls_dir, "/tmp/unit-tls-XXXXXX");
    if (!mkdtemp(tls_dir))
        return -1;
    snprintf(command, sizeof(command), "exec >%s/log 2>&1; cd %s\n%s", tls_dir, tls_dir, tls_script);
    return system(command) == 0 ? 0 : -1;
}

static inline void tls_files_remove(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", tls_dir);
    if (system(command) != 0)
        abort();
}

/* ---- for scripts ---- */

struct tls_options {
    const char *cert;   /* NULL: "leaf" */
    bool wants_user;    /* ask for a certificate of the client */
    int version_max;    /* 0 = any */
    const char *groups; /* NULL: any */
    int handshakes;     /* how many succeeded */
};

static struct tls_options tls_options; /* of the next server; set before it starts */

struct tls {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static inline SSL_CTX *tls_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char name[32];

    snprintf(name, sizeof(name), "%s.pem", tls_options.cert ? tls_options.cert : "leaf");
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, tls_file(name)) != 1)
        abort();
    snprintf(name, sizeof(name), "%s.key", tls_options.cert ? tls_options.cert : "leaf");
    if (SSL_CTX_use_PrivateKey_file(ctx, tls_file(name), SSL_FILETYPE_PEM) != 1)
        abort();
    if (tls_options.wants_user) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        if (SSL_CTX_load_verify_locations(ctx, tls_file("ca.pem"), NULL) != 1)
            abort();
    }
    if (tls_options.groups && SSL_CTX_set1_groups_list(ctx, tls_options.groups) != 1)
        abort();
    if (tls_options.version_max != 0) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_max_proto_version(ctx, tls_options.version_max);
    }
    return ctx;
}

/* Accept one connection; false: one side did not like what it saw. */
static inline bool tls_take(struct server *srv, struct tls *ret)
{
    ret->fd = take(srv);
    ret->ctx = tls_context();
    ret->ssl = SSL_new(ret->ctx);
    SSL_set_fd(ret->ssl, ret->fd);
    if (SSL_accept(ret->ssl) != 1) {
        wait_end(ret->fd); /* closed with bytes unread it would be a reset, and our alert might be lost */
        return false;
    }
    tls_options.handshakes++;
    return true;
}

static inline void tls_close(struct tls *t)
{
    (void) SSL_shutdown(t->ssl); /* the other side may be gone */
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    close(t->fd);
}

static inline void tls_say_bytes(struct tls *t, const void *ptr, size_t len)
{
    (void) !SSL_write(t->ssl, ptr, (int) len); /* as say() */
}

static inline void tls_say(struct tls *t, const char *text)
{
    tls_say_bytes(t, text, strlen(text));
}

/* As hear(). */
static inline bool tls_hear(struct server *srv, struct tls *t)
{
    size_t len = 0, want = 0;

    while (len < sizeof(srv->seen) - 1) {
        int n = SSL_read(t->ssl, srv->seen + len, (int) (sizeof(srv->seen) - 1 - len));
        char *end, *field;

        if (n <= 0)
            return false;
        len += (size_t) n;
        srv->seen[len] = '\0';
        end = strstr(srv->seen, "\r\n\r\n");
        if (!end)
            continue;
        field = strstr(srv->seen, "Content-Length: ");
        want = (size_t) (end - srv->seen) + 4 + (field ? strtoul(field + 16, NULL, 10) : 0);
        if (len >= want)
            return true;
    }
    return false;
}

static inline void tls_wait_end(struct tls *t)
{
    char bytes[256];

    while (SSL_read(t->ssl, bytes, sizeof(bytes)) > 0)
        continue;
}

#endif
