/* SPDX-License-Identifier: MIT */
/* The sandbox behind a Docker Engine: its life, and the order of its states. */
#include "oci/docker_sandbox.h"

#include "core/base/cleanup.h"
#include "oci/docker_create.h"
#include "oci/docker_end.h"
#include "oci/docker_launch.h"
#include "oci/docker_prepare.h"
#include "oci/docker_reattach.h"
#include "oci/login.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct docker_sandbox *of(struct sandbox *sb)
{
    return (struct docker_sandbox *) (void *) sb;
}

/* ---- the states ---- */

int docker_sandbox_start_state(struct docker_sandbox *sb, enum docker_state state)
{
    sb->state = state;
    switch (state) {
    case STATE_OPEN:
        return docker_prepare_open(sb);
    case STATE_FENCE:
        return docker_prepare_fence(sb);
    case STATE_TAKE:
        return docker_reattach_take(sb);
    case STATE_LOOK:
        return docker_prepare_look(sb);
    case STATE_SCAN:
        return docker_prepare_scan(sb);
    case STATE_INTENT:
        return docker_prepare_intent(sb);
    case STATE_FILL:
        return docker_prepare_guest(sb);
    case STATE_WORKSPACE:
        return docker_prepare_workspace(sb);
    case STATE_SPACES:
        return docker_prepare_spaces(sb);
    case STATE_CLEAR:
        return docker_create_clear(sb);
    case STATE_CREATE:
        return docker_create(sb);
    case STATE_FIND:
        return docker_create_find(sb);
    case STATE_ATTACH:
        return docker_launch_attach(sb);
    case STATE_START:
        return docker_launch_start(sb);
    case STATE_VERIFY:
        return docker_launch_verify(sb);
    case STATE_LOST:
        return docker_end_explain(sb);
    case STATE_LEAVE:
        return docker_end_leave(sb);
    case STATE_REMOVE:
        return docker_end_remove(sb);
    case STATE_REMOVE_VOLUME:
        return docker_end_remove_volume(sb);
    case STATE_NEW:
    case STATE_READY:
    case STATE_ENDED:
    case STATE_REMOVED:
        break; /* entered by what led there */
    }
    return 0;
}

void docker_sandbox_step(struct docker_sandbox *sb, const char *word, const char *text)
{
    if (sb->base.events->on_step && !sb->wants_removal)
        sb->base.events->on_step(sb->base.events_data, word, text);
}

void docker_sandbox_fail(struct docker_sandbox *sb)
{
    sb->state = STATE_ENDED;
    loop_source_free(TAKE_PTR(sb->timer));
    if (sb->is_attaching) { /* several things are under way */
        docker_end_stop_work(sb);
        engine_call_free(TAKE_PTR(sb->call));
        wire_free(TAKE_PTR(sb->wire)); /* the guest goes on, and waits for the next one */
    }
    if (!sb->wants_removal)
        sb->base.events->on_ready(sb->base.events_data, -(int) sb->err.code, &sb->err);
    else if (docker_sandbox_start_state(sb, STATE_REMOVE) < 0)
        docker_end_tell(sb);
}

void docker_sandbox_enter(struct docker_sandbox *sb, enum docker_state state)
{
    bool must_look = sb->is_attaching && state == STATE_FENCE; /* is it ours to remove? */

    if (sb->wants_removal && state < STATE_REMOVE && !must_look)
        state = STATE_REMOVE;
    if (docker_sandbox_start_state(sb, state) < 0)
        docker_sandbox_fail(sb);
}

void docker_sandbox_fail_with(struct docker_sandbox *sb, const struct err *err)
{
    if (&sb->err != err)
        sb->err = *err;
    docker_sandbox_fail(sb);
}

/* ---- asking ---- */

int docker_sandbox_ask(struct docker_sandbox *sb, const char *method, const char *path, struct span body,
                       engine_fn *fn)
{
    const struct engine_request req = { .method = method, .path = path, .body = body };

    engine_call_free(TAKE_PTR(sb->call));
    return engine_start(sb->engine, &req, fn, sb, &sb->call, &sb->err);
}

int docker_sandbox_ask_container(struct docker_sandbox *sb, const char *method, const char *rest,
                                 engine_fn *fn)
{
    char path[256];

    snprintf(path, sizeof(path), "/containers/%s%s", sb->id[0] ? sb->id : sb->blueprint.container_name, rest);
    return docker_sandbox_ask(sb, method, path, span_make(NULL, 0), fn);
}

/* ---- struct sandbox_ops ---- */

static int docker_start(struct sandbox *base, struct err *err)
{
    struct docker_sandbox *sb = of(base);
    int r;

    assert(sb->state == STATE_NEW);
    r = docker_sandbox_start_state(sb, STATE_OPEN);
    if (r < 0)
        *err = sb->err;
    return r;
}

static int docker_attach(struct sandbox *base, const struct sandbox_known *known, struct err *err)
{
    struct docker_sandbox *sb = of(base);
    int r = docker_reattach_begin(sb, known, err);

    return r < 0 ? r : docker_start(base, err);
}

static void on_proceed(void *data)
{
    struct docker_sandbox *sb = data;

    loop_source_free(TAKE_PTR(sb->deferred));
    docker_sandbox_enter(sb, sb->has_volume ? docker_prepare_after_guest(sb) : STATE_FILL);
}

static int docker_proceed(struct sandbox *base, struct err *err)
{
    struct docker_sandbox *sb = of(base);

    if (sb->state != STATE_INTENT || sb->deferred)
        return 0; /* removed meanwhile, or said twice */
    return loop_defer(sb->loop, on_proceed, sb, &sb->deferred, err);
}

static void docker_info(const struct sandbox *base, struct sandbox_info *ret)
{
    const struct docker_sandbox *sb = (const struct docker_sandbox *) (const void *) base;
    const struct engine_about *about = engine_about(sb->engine);

    *ret = (struct sandbox_info){
        .backend = "docker",
        .engine = sb->at.url,
        .engine_version = about->version,
        .api_version = about->api,
        .image = sb->blueprint.spec->image,
        .image_id = sb->image ? sb->image->id : "",
        .image_digest = sb->image ? sb->image->digest : "",
        .container_id = sb->id,
        .container_name = sb->blueprint.container_name,
        .attempt = sb->blueprint.attempt_number,
        .rows = sb->rows,
        .row_count = lockdown_row_count(),
    };
}

static struct channel *docker_channel(struct sandbox *base)
{
    struct docker_sandbox *sb = of(base);

    return sb->state == STATE_READY ? wire_channel(sb->wire) : NULL;
}

/* While a container may be coming into being its name alone is no proof, so the answer is waited for; and
 * whether one that was left is ours is not known before it was looked at. */
static bool must_wait(const struct docker_sandbox *sb)
{
    switch (sb->state) {
    case STATE_OPEN:
    case STATE_FENCE:
        return sb->is_attaching;
    case STATE_FILL:
    case STATE_WORKSPACE:
    case STATE_SPACES:
    case STATE_CREATE:
    case STATE_CLEAR:
    case STATE_FIND:
        return true;
    default:
        return false;
    }
}

static int docker_remove(struct sandbox *base, sandbox_removed_fn *fn, void *data, struct err *err)
{
    struct docker_sandbox *sb = of(base);
    int r;

    if (sb->state == STATE_REMOVED)
        return err_set(err, ERR_CONFLICT, "the sandbox has been removed already");
    sb->removed = fn;
    sb->removed_data = data;
    if (sb->wants_removal) /* it is under way; who asks last is told */
        return 0;
    sb->wants_removal = true;
    if (must_wait(sb))
        return 0;
    r = docker_sandbox_start_state(sb, sb->state == STATE_READY ? STATE_LEAVE : STATE_REMOVE);
    if (r < 0) {
        *err = sb->err;
        sb->state = STATE_REMOVED; /* nothing follows */
    }
    return r;
}

static void docker_free(struct sandbox *base)
{
    struct docker_sandbox *sb = of(base);

    docker_end_stop_work(sb);
    image_query_free(sb->image_query);
    engine_call_free(sb->call);
    wire_free(sb->wire);
    engine_free(sb->engine);
    blueprint_done(&sb->blueprint);
    arena_done(&sb->arena);
    free(sb);
}

static const struct sandbox_ops docker_ops = {
    .name = "docker",
    .start = docker_start,
    .proceed = docker_proceed,
    .attach = docker_attach,
    .info = docker_info,
    .channel = docker_channel,
    .remove = docker_remove,
    .free = docker_free,
};

/* ---- making one ---- */

int docker_sandbox_new(struct loop *loop, struct http *http, const struct sandbox_spec *spec,
                       const struct docker_identity *id, const struct docker_guest *guest,
                       struct sandbox **ret, struct err *err)
{
    struct docker_sandbox *sb = calloc(1, sizeof(*sb));
    const struct docker_guest carried = docker_guest_carried();
    int r;

    if (!sb)
        return err_set(err, ERR_INTERNAL, "no memory for a sandbox");
    sb->base.ops = &docker_ops;
    sb->loop = loop;
    arena_init(&sb->arena, 32 * 1024 * 1024);
    sb->config_path = login_config_path(&sb->arena);
    sb->scans = id->scans ? arena_text(&sb->arena, id->scans) : NULL;
    r = endpoint_resolve(spec->engine, &endpoint_env_process, &sb->arena, &sb->at, err);
    if (r >= 0)
        r = blueprint_init(&sb->blueprint, spec, id, guest ? guest : &carried, err);
    if (r >= 0)
        r = blueprint_check_mounts(&sb->blueprint, &sb->at, err);
    if (r >= 0)
        r = engine_new(loop, http, &sb->at, &sb->engine, err);
    if (r < 0) {
        docker_free(&sb->base);
        return r;
    }
    lockdown_ask(&sb->blueprint.lockdown, sb->rows);
    *ret = &sb->base;
    return 0;
}

int docker_sandbox_plan(const struct sandbox_spec *spec, const struct docker_identity *id,
                        const struct docker_guest *guest, struct json_writer *w, struct err *err)
{
    struct arena arena = ARENA_INIT(32 * 1024 * 1024);
    const struct docker_guest carried = docker_guest_carried();
    struct blueprint b;
    struct endpoint at;
    bool has_engine = endpoint_resolve(spec->engine, &endpoint_env_process, &arena, &at, NULL) >= 0;
    int r = blueprint_init(&b, spec, id, guest ? guest : &carried, err);

    if (r >= 0) {
        r = blueprint_check_mounts(&b, has_engine ? &at : NULL, err);
        if (r >= 0) {
            json_object(w);
            json_put_string(w, "engine", has_engine ? at.url : NULL);
            json_key(w, "sandbox");
            r = blueprint_write(&b, w, err);
            if (r < 0)
                json_null(w);
            json_object_end(w);
        }
        blueprint_done(&b);
    }
    arena_done(&arena);
    return r;
}
