/* SPDX-License-Identifier: MIT */
/*
 * Logins for registries, found where `docker login` put them: config.json's
 * credHelpers and credsStore (a program docker-credential-NAME is asked) or its
 * `auths`. The result is the value of the X-Registry-Auth header, which goes to the
 * engine and nowhere else; it never appears in an error, and its memory is wiped.
 *
 * login_find() and the two encoders are pure; login_start() reads the file and runs
 * the helper on the loop.
 */
#ifndef OCI_LOGIN_H
#define OCI_LOGIN_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/base/tree.h"

#define LOGIN_MAX (64 * 1024) /* a header's value, a helper's answer */

enum login_kind {
    LOGIN_NONE,
    LOGIN_HELPER, /* ask docker-credential-<helper> */
    LOGIN_AUTH,   /* header is filled */
};

struct login {
    enum login_kind kind;
    char helper[64];
    struct buf header; /* LOGIN_AUTH; wipe with login_done() */
};

void login_done(struct login *login);

/* What config.json (parsed) says about `server` (image_name_login()). Returns 0, or -ERR_INVALID: an entry
 * that is there but cannot be understood. */
int login_find(const struct tree *config, const char *server, struct login *ret, struct err *err);

/* The header value for user and password, or for an identity token (user NULL): URL-safe base64 of a JSON
 * object. */
int login_encode(const char *server, struct span user, struct span password, struct buf *out);

/* A helper's answer: {"ServerURL","Username","Secret"}. */
int login_decode_helper(const char *server, struct span answer, struct buf *out, struct err *err);

/* Where `docker login` keeps logins: config.json in DOCKER_CONFIG or ~/.docker. NULL: nowhere. */
const char *login_config_path(struct arena *arena);

struct login_query;

/* header is "" when there is no login; valid during the call only. */
typedef void login_fn(void *data, int result, const char *header, const struct err *err);

/* `config_path`: usually ~/.docker/config.json; NULL or a missing file = no logins. `fn` comes once, from the
 * loop. */
int login_start(struct loop *loop, const char *config_path, const char *server, login_fn *fn, void *data,
                struct login_query **ret, struct err *err);
void login_free(struct login_query *query); /* NULL is fine; no callback follows */

#endif
