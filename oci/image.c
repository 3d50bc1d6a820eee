/* SPDX-License-Identifier: MIT */
/* The image of a sandbox: found, pulled, read. */
#include "oci/image.h"

#include "core/base/clock.h"
#include "core/base/secret.h"
#include "oci/image_name.h"
#include "oci/login.h"
#include "oci/pull.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PULL_IDLE_MS  120000 /* a registry that says nothing for so long */
#define STEP_EVERY_MS 250

struct image_query {
    struct engine *engine;
    char name[IMAGE_NAME_MAX];
    struct image_name parts;
    enum sandbox_pull policy;
    const char *config_path;
    struct image_ops ops;
    void *data;
    struct engine_call *call;
    struct login_query *login;
    struct pull pull;
    bool has_pulled;
    int pull_result; /* negative: an error line came */
    int64_t stepped_ms;
    struct arena arena;
    struct image image;
    struct err err;
};

/* ---- reading ---- */

/* Absolute, without "." and ".." and double slashes, not the root: a path a tmpfs may cover. */
static bool is_plain_path(struct span path)
{
    if (path.len < 2 || path.len > 255 || path.ptr[0] != '/' || path.ptr[path.len - 1] == '/' ||
        memchr(path.ptr, ':', path.len) || memchr(path.ptr, ',', path.len))
        return false;
    for (size_t i = 0; i < path.len; i++) {
        const char *p = path.ptr + i;
        size_t left = path.len - i;

        if ((unsigned char) *p < ' ' || *p == 0x7f)
            return false;
        if (*p != '/')
            continue;
        if (left >= 2 && (p[1] == '/' || (p[1] == '.' && (left == 2 || p[2] == '/'))))
            return false;
        if (left >= 3 && p[1] == '.' && p[2] == '.' && (left == 3 || p[3] == '/'))
            return false;
    }
    return true;
}

static bool is_kernel_path(const char *path)
{
    static const char *const trees[] = { "/proc", "/sys", "/dev", NULL };

    for (size_t i = 0; trees[i]; i++) {
        size_t len = strlen(trees[i]);

        if (strncmp(path, trees[i], len) == 0 && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

static int read_volumes(const struct tree *volumes, struct arena *arena, struct image *ret, struct err *err)
{
    tree_each (item, volumes) {
        struct span path = item->key;

        while (path.len > 1 && path.ptr[path.len - 1] == '/')
            path.len--;
        if (!is_plain_path(path)) {
            err_set(err, ERR_POLICY, "the image declares a VOLUME at '%.*s', which cannot be covered",
                    (int) (item->key.len > 200 ? 200 : item->key.len), item->key.ptr);
            return err_hint(err, "it would be writable space without a limit on the host; use another image");
        }
        if (ret->volume_count == IMAGE_VOLUMES_MAX)
            return err_set(err, ERR_POLICY, "the image declares more than %d VOLUMEs", IMAGE_VOLUMES_MAX);
        ret->volumes[ret->volume_count] = arena_copy(arena, path.ptr, path.len);
        if (!ret->volumes[ret->volume_count])
            return err_set(err, ERR_TOO_LARGE, "the description of the image is too large");
        if (is_kernel_path(ret->volumes[ret->volume_count]))
            return err_set(err, ERR_POLICY, "the image declares a VOLUME at '%s'",
                           ret->volumes[ret->volume_count]);
        ret->volume_count++;
    }
    return 0;
}

static int read_env(const struct tree *env, struct arena *arena, struct image *ret, struct err *err)
{
    tree_each (item, env) {
        const char *text = tree_string(item, NULL);

        if (!text)
            continue; /* nothing that a container could get */
        if (ret->env_count == IMAGE_ENV_MAX)
            return err_set(err, ERR_POLICY, "the image sets more than %d variables", IMAGE_ENV_MAX);
        ret->env[ret->env_count] = arena_text(arena, text);
        if (!ret->env[ret->env_count++])
            return err_set(err, ERR_TOO_LARGE, "the description of the image is too large");
    }
    return 0;
}

/* RepoDigests: ["name@sha256:..."]; all of them carry the digest of one manifest of this image. */
static struct span read_digest(const struct tree *t)
{
    struct span first = tree_span(tree_at(tree_get(t, "RepoDigests"), 0));
    const char *at = first.len ? memchr(first.ptr, '@', first.len) : NULL;

    return at ? span_make(at + 1, first.len - (size_t) (at + 1 - first.ptr)) : span_of("");
}

static const char *copy(struct arena *arena, struct span text)
{
    const char *own = arena_copy(arena, text.ptr ? text.ptr : "", text.len);

    return own ? own : "";
}

int image_decode(const struct tree *t, struct arena *arena, struct image *ret, struct err *err)
{
    const struct tree *config = tree_get(t, "Config");
    int r;

    *ret = (struct image){ 0 };
    ret->id = copy(arena, tree_span(tree_get(t, "Id")));
    ret->os = copy(arena, tree_span(tree_get(t, "Os")));
    ret->arch = copy(arena, tree_span(tree_get(t, "Architecture")));
    ret->variant = copy(arena, tree_span(tree_get(t, "Variant")));
    ret->digest = copy(arena, read_digest(t));
    if (strncmp(ret->id, "sha256:", 7) != 0 || strlen(ret->id) != 71)
        return err_set(err, ERR_PROTOCOL, "the engine describes an image without an id");
    r = read_env(tree_get(config, "Env"), arena, ret, err);
    return r < 0 ? r : read_volumes(tree_get(config, "Volumes"), arena, ret, err);
}

static bool ends_with(const char *name, size_t len, const char *end)
{
    size_t n = strlen(end);

    return len >= n && strncasecmp(name + len - n, end, n) == 0;
}

static bool contains(const char *name, size_t len, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= len; i++)
        if (strncasecmp(name + i, part, n) == 0)
            return true;
    return false;
}

static bool is_among(const char *name, size_t len, const char *const *names)
{
    for (; *names; names++)
        if (len == strlen(*names) && strncmp(name, *names, len) == 0)
            return true;
    return false;
}

bool image_keeps_env(const char *entry)
{
    static const char *const kept[] = { "LD_LIBRARY_PATH", NULL }; /* images have good reasons for it */
    static const char *const ours[] = { "HOME", "TMPDIR", "GLIBC_TUNABLES", "GCONV_PATH", NULL };
    /* what shells and interpreters run before what they were told to */
    static const char *const loaders[] = { "BASH_ENV",  "ENV",      "PROMPT_COMMAND",
                                           "SHELLOPTS", "BASHOPTS", "PYTHONSTARTUP",
                                           "PERL5OPT",  "RUBYOPT",  NULL };
    static const char *const starts[] = { "LD_", "DYLD_", "AGENTBOX_", "BASH_FUNC_", NULL };
    static const char *const ends[] = { "_PROXY", "_KEY", "_TOKEN", "APIKEY", NULL };
    static const char *const parts[] = { "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", NULL };
    const size_t len = strcspn(entry, "=");

    if (is_among(entry, len, kept))
        return true;
    if (is_among(entry, len, ours) || is_among(entry, len, loaders))
        return false;
    for (size_t i = 0; starts[i]; i++)
        if (strncmp(entry, starts[i], strlen(starts[i])) == 0)
            return false;
    for (size_t i = 0; ends[i]; i++)
        if (ends_with(entry, len, ends[i]))
            return false;
    for (size_t i = 0; parts[i]; i++)
        if (contains(entry, len, parts[i]))
            return false;
    return true;
}

/* ---- asking ---- */

static void finish(struct image_query *q, int result)
{
    q->ops.on_done(q->data, result, result < 0 ? NULL : &q->image, result < 0 ? &q->err : NULL);
}

static void fail(struct image_query *q, const struct err *err)
{
    q->err = *err;
    finish(q, -(int) err->code);
}

static void start_pull(struct image_query *q);

static int explain_missing(struct image_query *q)
{
    err_set(&q->err, ERR_ENGINE, "image '%s' is not on the engine", q->name);
    if (q->parts.is_id)
        return err_hint(&q->err, "an id names only what is there: see `docker images --no-trunc`");
    return err_hint(&q->err, "`docker pull %s`, or sandbox.pull: missing", q->name);
}

static void on_inspected(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct image_query *q = data;
    bool may_pull = q->policy != SANDBOX_PULL_NEVER && !q->has_pulled && !q->parts.is_id;

    if (result == -ERR_NOT_FOUND && may_pull) {
        start_pull(q);
        return;
    }
    if (result == -ERR_NOT_FOUND) {
        finish(q, explain_missing(q));
        return;
    }
    if (result < 0) {
        fail(q, err);
        return;
    }
    result = image_decode(answer->tree, &q->arena, &q->image, &q->err);
    if (result < 0)
        result = err_wrap(&q->err, "image '%s'", q->name);
    finish(q, result);
}

static int inspect(struct image_query *q, struct err *err)
{
    struct buf path = BUF_INIT(4096);
    int r = buf_add_text(&path, "/images/");

    if (r >= 0)
        r = engine_escape(&path, q->name, true);
    if (r >= 0)
        r = buf_add_text(&path, "/json");
    if (r >= 0) {
        const struct engine_request req = { .path = buf_text(&path) };

        engine_call_free(q->call);
        q->call = NULL;
        r = engine_start(q->engine, &req, on_inspected, q, &q->call, err);
    } else {
        r = err_set(err, ERR_INVALID, "the name of the image is too long");
    }
    buf_done(&path);
    return r;
}

/* ---- pulling ---- */

static void step(struct image_query *q)
{
    char text[IMAGE_NAME_MAX + 128], progress[96];
    int64_t now = clock_mono_ms();

    if (!q->ops.on_step || (q->stepped_ms && now - q->stepped_ms < STEP_EVERY_MS))
        return;
    q->stepped_ms = now;
    pull_text(&q->pull, progress, sizeof(progress));
    snprintf(text, sizeof(text), "pulling '%s': %s", q->name, progress);
    q->ops.on_step(q->data, text);
}

static void on_pull_chunk(void *data, struct span chunk)
{
    struct image_query *q = data;

    if (q->pull_result < 0)
        return;
    q->pull_result = pull_feed(&q->pull, chunk, &q->err);
    step(q);
}

static int explain_pull(struct image_query *q)
{
    bool is_denied = contains(q->err.text, strlen(q->err.text), "unauthorized") ||
                     contains(q->err.text, strlen(q->err.text), "denied") ||
                     contains(q->err.text, strlen(q->err.text), "authentication required") ||
                     contains(q->err.text, strlen(q->err.text), "no basic auth credentials");

    err_wrap(&q->err, "pulling image '%s'", q->name);
    if (is_denied)
        err_hint(&q->err, "log in with `docker login %s`, or check the name",
                 strcmp(q->parts.registry, "docker.io") == 0 ? "" : q->parts.registry);
    else if (!q->err.hint[0])
        err_hint(&q->err, "check the name, and that the engine's host can reach '%s'", q->parts.registry);
    if (q->err.code == ERR_NOT_FOUND || q->err.code == ERR_CONFLICT || q->err.code == ERR_PROTOCOL)
        err_recode(&q->err, ERR_ENGINE);
    return -(int) q->err.code;
}

static void on_pulled(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct image_query *q = data;
    int r = q->pull_result;

    if (r >= 0 && result < 0) {
        struct span words = tree_span(tree_get(answer ? answer->tree : NULL, "message"));

        q->err = *err;
        if (words.len) /* the registry's trouble in the engine's own words; which call it was does not matter
                        */
            err_set(&q->err, err->code, SPAN_FMT, (int) (words.len < 600 ? words.len : 600), words.ptr);
        r = result;
    }
    if (r >= 0)
        r = pull_end(&q->pull, &q->err);
    if (r < 0) {
        finish(q, explain_pull(q));
        return;
    }
    r = inspect(q, &q->err);
    if (r < 0)
        finish(q, r);
}

static int pull_path(const struct image_query *q, struct buf *out)
{
    int r = buf_add_text(out, "/images/create?fromImage=");

    if (r >= 0)
        r = engine_escape(out, q->parts.from, false);
    if (r >= 0)
        r = buf_add_text(out, "&tag="); /* without one every tag would be pulled */
    return r < 0 ? r : engine_escape(out, q->parts.digest[0] ? q->parts.digest : q->parts.tag, false);
}

static void on_login(void *data, int result, const char *header, const struct err *err)
{
    struct image_query *q = data;
    struct buf path = BUF_INIT(4096), auth = BUF_INIT(LOGIN_MAX + 64);
    int r = result;

    if (r < 0) {
        fail(q, err);
        return;
    }
    r = pull_path(q, &path);
    if (r >= 0 && *header)
        r = buf_printf(&auth, "X-Registry-Auth: %s", header);
    if (r >= 0) {
        const struct engine_request req = {
            .method = "POST",
            .path = buf_text(&path),
            .header = auth.len ? buf_text(&auth) : NULL,
            .deadline_ms = -1,
            .idle_ms = PULL_IDLE_MS,
            .on_chunk = on_pull_chunk,
        };

        engine_call_free(q->call);
        q->call = NULL;
        r = engine_start(q->engine, &req, on_pulled, q, &q->call, &q->err);
    } else {
        r = err_set(&q->err, ERR_INVALID, "the name of the image or its login is too long");
    }
    secret_wipe(&auth);
    buf_done(&path);
    if (r < 0)
        finish(q, r);
}

static void start_pull(struct image_query *q)
{
    int r;

    q->has_pulled = true;
    step(q);
    r = login_start(engine_loop(q->engine), q->config_path, image_name_login(&q->parts), on_login, q,
                    &q->login, &q->err);
    if (r < 0)
        finish(q, r);
}

int image_query_start(struct engine *engine, const char *name, enum sandbox_pull pull,
                      const char *config_path, const struct image_ops *ops, void *data,
                      struct image_query **ret, struct err *err)
{
    struct image_query *q = calloc(1, sizeof(*q));
    int r;

    if (!q)
        return err_set(err, ERR_INTERNAL, "no memory to look for an image");
    q->engine = engine;
    q->policy = pull;
    q->config_path = config_path;
    q->ops = *ops;
    q->data = data;
    arena_init(&q->arena, 1024 * 1024);
    pull_init(&q->pull);
    r = image_name_parse(name, &q->parts, err);
    if (r >= 0)
        snprintf(q->name, sizeof(q->name), "%s", name);
    if (r >= 0 && pull == SANDBOX_PULL_ALWAYS && !q->parts.is_id) {
        q->has_pulled = true;
        r = login_start(engine_loop(engine), config_path, image_name_login(&q->parts), on_login, q, &q->login,
                        err);
    } else if (r >= 0) {
        r = inspect(q, err);
    }
    if (r < 0) {
        image_query_free(q);
        return r;
    }
    *ret = q;
    return 0;
}

void image_query_free(struct image_query *q)
{
    if (!q)
        return;
    engine_call_free(q->call);
    login_free(q->login);
    pull_done(&q->pull);
    arena_done(&q->arena);
    free(q);
}
