/* SPDX-License-Identifier: MIT */
/* Logins for registries, from docker's configuration and its credential helpers. */
#include "oci/login.h"

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/secret.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define HELPER_MS 60000

struct login_query {
    struct loop *loop;
    char server[300];
    struct login found;
    struct buf answer;
    struct loop_source *child, *reader, *timer, *deferred;
    int fd, pid;
    int exit_status;
    bool has_exited, has_ended;
    login_fn *fn;
    void *data;
    int result;
    struct err err;
};

void login_done(struct login *login)
{
    secret_wipe(&login->header);
}

/* "https://registry.example.com/v1/" -> "registry.example.com" */
static struct span host_of(struct span key)
{
    const char *sep, *slash;

    if (!key.ptr)
        return key;
    sep = memmem(key.ptr, key.len, "://", 3);
    if (sep)
        key = span_make(sep + 3, key.len - (size_t) (sep + 3 - key.ptr));
    slash = key.len ? memchr(key.ptr, '/', key.len) : NULL;
    return slash ? span_make(key.ptr, (size_t) (slash - key.ptr)) : key;
}

static const struct tree *find_server(const struct tree *map, const char *server)
{
    const struct tree *exact = tree_get(map, server);

    if (exact)
        return exact;
    tree_each (item, map) {
        if (span_equal(host_of(item->key), host_of(span_of(server))))
            return item;
    }
    return NULL;
}

static void make_url_safe(struct buf *b, size_t from)
{
    for (size_t i = from; i < b->len; i++)
        if (b->data[i] == '+')
            b->data[i] = '-';
        else if (b->data[i] == '/')
            b->data[i] = '_';
}

int login_encode(const char *server, struct span user, struct span password, struct buf *out)
{
    struct buf json = BUF_INIT(LOGIN_MAX);
    const size_t from = out->len;
    struct json_writer w;
    int r;

    json_begin(&w, &json);
    json_object(&w);
    if (user.ptr) {
        json_put_span(&w, "username", user);
        json_put_span(&w, "password", password);
    } else {
        json_put_span(&w, "identitytoken", password);
    }
    json_put_string(&w, "serveraddress", server);
    json_object_end(&w);
    r = json_end(&w, NULL);
    if (r >= 0)
        r = base64_encode(out, buf_span(&json));
    make_url_safe(out, from);
    secret_wipe(&json);
    return r;
}

/* `auth` is base64 of "user:password". */
static int decode_auth(const char *server, struct span auth, struct buf *out)
{
    struct buf plain = BUF_INIT(LOGIN_MAX);
    int r = base64_decode(&plain, auth);
    const char *colon = r >= 0 && plain.len ? memchr(plain.data, ':', plain.len) : NULL;

    if (!colon)
        r = -ERR_INVALID;
    if (r >= 0)
        r = login_encode(server, span_make(plain.data, (size_t) (colon - plain.data)),
                         span_make(colon + 1, plain.len - (size_t) (colon + 1 - plain.data)), out);
    secret_wipe(&plain);
    return r;
}

static int use_helper(const char *name, struct login *ret, struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len >= sizeof(ret->helper) ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != len)
        return err_set(err, ERR_INVALID,
                       "docker's configuration names a credential helper that cannot be one");
    snprintf(ret->helper, sizeof(ret->helper), "%s", name);
    ret->kind = LOGIN_HELPER;
    return 0;
}

int login_find(const struct tree *config, const char *server, struct login *ret, struct err *err)
{
    const char *helper = tree_string(find_server(tree_get(config, "credHelpers"), server), NULL);
    const struct tree *entry = find_server(tree_get(config, "auths"), server);
    struct span auth = tree_span(tree_get(entry, "auth"));
    struct span token = tree_span(tree_get(entry, "identitytoken"));
    int r;

    *ret = (struct login){ .header = BUF_INIT(LOGIN_MAX) };
    if (!helper && !auth.len && !token.len)
        helper = tree_string(tree_get(config, "credsStore"), NULL);
    if (helper)
        return use_helper(helper, ret, err);
    if (!auth.len && !token.len)
        return 0;
    r = token.len ? login_encode(server, span_make(NULL, 0), token, &ret->header)
                  : decode_auth(server, auth, &ret->header);
    if (r < 0) {
        login_done(ret);
        return err_set(err, ERR_INVALID, "docker's configuration holds a login for '%s' that cannot be read",
                       server);
    }
    ret->kind = LOGIN_AUTH;
    return 0;
}

int login_decode_helper(const char *server, struct span answer, struct buf *out, struct err *err)
{
    struct arena arena = ARENA_INIT(4 * LOGIN_MAX);
    const struct tree *tree = NULL;
    struct span user, secret;
    int r;

    r = json_parse(answer, &arena, &tree, NULL); /* its position would be all that an error could tell */
    user = tree_span(tree_get(tree, "Username"));
    secret = tree_span(tree_get(tree, "Secret"));
    if (r >= 0 && secret.len) {
        if (span_is(user, "<token>"))
            user = span_make(NULL, 0);
        else if (!user.ptr)
            user = span_of("");
        r = login_encode(server, user, secret, out);
    } else {
        r = -ERR_INVALID;
    }
    arena_done(&arena);
    return r < 0 ? err_set(err, ERR_INVALID, "the credential helper's answer for '%s' cannot be read", server)
                 : 0;
}

static void finish(void *data)
{
    struct login_query *q = data;
    const char *header = q->result >= 0 ? buf_text(&q->found.header) : "";

    loop_source_free(TAKE_PTR(q->deferred));
    q->fn(q->data, q->result, header, q->result < 0 ? &q->err : NULL);
}

/* The helper has ended and everything it wrote is here. */
static void finish_helper(struct login_query *q)
{
    if (!q->has_exited || !q->has_ended)
        return;
    loop_source_free(TAKE_PTR(q->timer));
    if (q->exit_status == 0) {
        q->result = login_decode_helper(q->server, buf_span(&q->answer), &q->found.header, &q->err);
    } else if (q->answer.len && memmem(q->answer.data, q->answer.len, "not found", 9)) {
        q->result = 0; /* the helper's way to say that there is no login */
    } else {
        q->result = err_set(&q->err, ERR_ENGINE, "'docker-credential-%s get' for '%s' ended with status %d",
                            q->found.helper, q->server, q->exit_status);
    }
    finish(q);
}

static void on_child(void *data, int exit_status, int term_signal)
{
    struct login_query *q = data;

    q->has_exited = true;
    q->exit_status = term_signal ? 128 + term_signal : exit_status;
    finish_helper(q);
}

static void on_readable(void *data, unsigned events)
{
    struct login_query *q = data;
    char chunk[4096];
    ssize_t n = read(q->fd, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && buf_add(&q->answer, chunk, (size_t) n) >= 0) {
        memset(chunk, 0, sizeof(chunk));
        return;
    }
    q->has_ended = true;
    loop_source_free(TAKE_PTR(q->reader));
    finish_helper(q);
}

static void on_helper_late(void *data)
{
    struct login_query *q = data;

    if (!q->has_exited)
        (void) kill(q->pid, SIGKILL); /* it may have ended this moment */
    q->result = err_set(&q->err, ERR_TIMEOUT, "'docker-credential-%s get' for '%s' did not end within %d s",
                        q->found.helper, q->server, HELPER_MS / 1000);
    loop_source_free(TAKE_PTR(q->timer));
    loop_source_free(TAKE_PTR(q->child));
    loop_source_free(TAKE_PTR(q->reader));
    finish(q);
}

/* The server is asked for on stdin. The shell only joins the two; nothing is pasted into its text. */
static int spawn_helper(struct login_query *q, struct err *err)
{
    char program[96];
    const char *argv[] = { "/bin/sh", "-c", "printf '%s' \"$1\" | \"$0\" get", program, q->server, NULL };
    int r;

    snprintf(program, sizeof(program), "docker-credential-%s", q->found.helper);
    r = loop_spawn(q->loop, argv, on_child, q, &q->fd, &q->pid, &q->child, err);
    if (r >= 0)
        r = loop_watch_fd(q->loop, q->fd, LOOP_READ, on_readable, q, &q->reader, err);
    if (r >= 0)
        r = loop_timer(q->loop, HELPER_MS, on_helper_late, q, &q->timer, err);
    return r < 0 ? err_wrap(err, "running '%s'", program) : 0;
}

const char *login_config_path(struct arena *arena)
{
    const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

    if (dir && *dir)
        return arena_printf(arena, "%s/config.json", dir);
    return home && *home ? arena_printf(arena, "%s/.docker/config.json", home) : NULL;
}

static int find_in_file(const char *path, struct login_query *q, struct err *err)
{
    struct buf text = BUF_INIT(1024 * 1024);
    struct arena arena = ARENA_INIT(16 * 1024 * 1024);
    const struct tree *config = NULL;
    int r = file_read(path, &text, err);

    if (r >= 0)
        r = json_parse(buf_span(&text), &arena, &config, err);
    if (r >= 0)
        r = login_find(config, q->server, &q->found, err);
    arena_done(&arena);
    secret_wipe(&text);
    if (r == -ERR_NOT_FOUND)
        return 0;
    return r < 0 ? err_wrap(err, "reading '%s'", path) : 0;
}

int login_start(struct loop *loop, const char *config_path, const char *server, login_fn *fn, void *data,
                struct login_query **ret, struct err *err)
{
    struct login_query *q = calloc(1, sizeof(*q));
    int r = 0;

    if (!q)
        return err_set(err, ERR_INTERNAL, "no memory to look for a login");
    q->loop = loop;
    q->fn = fn;
    q->data = data;
    q->fd = -1;
    q->found.header.max = LOGIN_MAX;
    q->answer.max = LOGIN_MAX;
    snprintf(q->server, sizeof(q->server), "%s", server);
    if (config_path)
        r = find_in_file(config_path, q, err);
    if (r >= 0 && q->found.kind == LOGIN_HELPER)
        r = spawn_helper(q, err);
    else if (r >= 0)
        r = loop_defer(loop, finish, q, &q->deferred, err);
    if (r < 0) {
        login_free(q);
        return r;
    }
    *ret = q;
    return 0;
}

void login_free(struct login_query *q)
{
    if (!q)
        return;
    loop_source_free(q->child);
    loop_source_free(q->reader);
    loop_source_free(q->timer);
    loop_source_free(q->deferred);
    if (q->fd >= 0)
        (void) close(q->fd); /* only read from */
    login_done(&q->found);
    secret_wipe(&q->answer);
    free(q);
}
