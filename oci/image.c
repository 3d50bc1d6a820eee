/* SPDX-License-Identifier: MIT */
/* The image of a sandbox: found, pulled, read. */
#include "oci/image.h"

#include "core/base/clock.h"
#include "core/base/secret.h"
#include "oci/image_name.h"
#include "oci/login.h"
#include "oci/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool contains(const char *text, const char *part)
{
    return strcasestr(text, part) != NULL;
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
    if (result == -ERR_TOO_LARGE) {
        q->err = *err;
        err_set(&q->err, ERR_POLICY, "the description of image '%s' is larger than %d MiB", q->name,
                ENGINE_ANSWER_MAX >> 20);
        finish(q, err_hint(&q->err, "no honest image has so many labels or variables; use another one"));
        return;
    }
    if (result < 0) {
        fail(q, err);
        return;
    }
    result = image_decode(answer->tree, &q->arena, &q->image, &q->err);
    if (result >= 0)
        result = image_pin(&q->image, &q->parts, &q->err);
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
    bool is_denied = contains(q->err.text, "unauthorized") || contains(q->err.text, "denied") ||
                     contains(q->err.text, "authentication required") ||
                     contains(q->err.text, "no basic auth credentials");

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
