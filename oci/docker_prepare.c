/* SPDX-License-Identifier: MIT */
/* What stands before the container: engine, image, intent, volumes. */
#include "oci/docker_prepare.h"

#include "core/base/cleanup.h"
#include "oci/docker_explain.h"
#include "oci/docker_reattach.h"
#include "oci/guest_volume.h"

#include <stdio.h>

/* ---- open, fence, look ---- */

static void on_opened(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0)
        blueprint_set_kind(&sb->blueprint, engine_kind(sb->engine));
    if (result < 0)
        docker_sandbox_fail_with(sb, err);
    else if (sb->is_attaching || sb->blueprint.attempt_number > 1)
        docker_sandbox_enter(sb, STATE_FENCE);
    else
        docker_sandbox_enter(sb, STATE_LOOK);
}

int docker_prepare_open(struct docker_sandbox *sb)
{
    return engine_open(sb->engine, on_opened, sb, &sb->call, &sb->err);
}

static void on_fenced(void *data, int result, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result < 0)
        sb->err = *err;
    fence_free(TAKE_PTR(sb->fence));
    if (result < 0) {
        engine_call_free(TAKE_PTR(sb->side_call));
        docker_sandbox_fail(sb);
    } else if (!sb->is_attaching) {
        docker_sandbox_enter(sb, STATE_LOOK);
    } else if (!sb->is_looking) {
        docker_reattach_described(sb);
    }
}

int docker_prepare_fence(struct docker_sandbox *sb)
{
    int r;

    sb->fence_options =
        (struct fence_options){ .run = sb->blueprint.labels[0].value, .part = sb->blueprint.part };
    if (sb->is_attaching) {
        sb->fence_options.keep_id = sb->id;
        sb->fence_options.keep_attempt = sb->blueprint.attempt_number;
    }
    r = fence_start(sb->engine, &sb->fence_options, on_fenced, sb, &sb->fence, &sb->err);
    return r < 0 || !sb->is_attaching ? r : docker_reattach_describe(sb);
}

static void found_one(struct docker_sandbox *sb)
{
    if (!sb->image || sb->is_looking)
        return;
    docker_sandbox_enter(sb, sb->blueprint.spec->scan.command ? STATE_SCAN : STATE_INTENT);
}

static void on_image_step(void *data, const char *text)
{
    docker_sandbox_step(data, "pull", text);
}

static void on_image(void *data, int result, const struct image *image, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0)
        result = blueprint_set_image(&sb->blueprint, image, &sb->err);
    else
        sb->err = *err;
    if (result < 0) {
        engine_call_free(TAKE_PTR(sb->side_call));
        docker_sandbox_fail(sb);
        return;
    }
    sb->image = image;
    found_one(sb);
}

/* An engine that wants the path of the seccomp profile must say where it is. */
static bool has_place(struct docker_sandbox *sb, const char *mountpoint)
{
    return !sb->blueprint.lockdown.kind->seccomp_is_path ||
           blueprint_set_mountpoint(&sb->blueprint, mountpoint, &sb->err) >= 0;
}

static void on_volume(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    sb->is_looking = false;
    sb->has_volume = result >= 0 && has_place(sb, tree_string(tree_get(answer->tree, "Mountpoint"), ""));
    /* any other answer: filling will say what is wrong */
    found_one(sb);
}

int docker_prepare_look(struct docker_sandbox *sb)
{
    static const struct image_ops ops = { on_image_step, on_image };
    char path[160];
    const struct engine_request req = { .path = path };
    int r;

    docker_sandbox_step(sb, "image", "looking for the image");
    snprintf(path, sizeof(path), "/volumes/%s", sb->blueprint.guest_volume);
    sb->is_looking = true;
    r = image_query_start(sb->engine, sb->blueprint.spec->image, sb->blueprint.spec->pull, sb->config_path,
                          &ops, sb, &sb->image_query, &sb->err);
    return r < 0 ? r : engine_start(sb->engine, &req, on_volume, sb, &sb->side_call, &sb->err);
}

/* ---- scan, intent ---- */

static void on_scan_step(void *data, const char *text)
{
    docker_sandbox_step(data, "scan", text);
}

static void on_scanned(void *data, int result, const struct sandbox_scanned *scanned, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (scanned && sb->base.events->on_scan && !sb->wants_removal)
        sb->base.events->on_scan(sb->base.events_data, scanned);
    if (result < 0)
        sb->err = *err;
    image_scan_free(TAKE_PTR(sb->scan));
    if (result < 0)
        docker_sandbox_fail(sb);
    else
        docker_sandbox_enter(sb, STATE_INTENT);
}

int docker_prepare_scan(struct docker_sandbox *sb)
{
    static const struct image_scan_ops ops = { on_scan_step, on_scanned };
    const struct image_scan_request req = {
        .scan = &sb->blueprint.spec->scan,
        .image = sb->image,
        .name = sb->blueprint.spec->image,
        .folder = sb->scans,
    };

    return image_scan_start(sb->engine, &req, &ops, sb, &sb->scan, &sb->err);
}

int docker_prepare_intent(struct docker_sandbox *sb)
{
    struct sandbox_info info;

    lockdown_ask(&sb->blueprint.lockdown, sb->rows);
    sb->base.ops->info(&sb->base, &info);
    sb->base.events->on_intent(sb->base.events_data, &info);
    return 0;
}

/* ---- volumes ---- */

static enum docker_state after_workspace(const struct docker_sandbox *sb)
{
    return spaces_count(&sb->blueprint.lockdown) ? STATE_SPACES : STATE_CREATE;
}

enum docker_state docker_prepare_after_guest(const struct docker_sandbox *sb)
{
    if (sb->has_made)
        return STATE_CLEAR;
    return sb->blueprint.workspace_volume ? STATE_WORKSPACE : after_workspace(sb);
}

static void on_others(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0 && has_place(sb, tree_string(tree_get(answer->tree, "Mountpoint"), ""))) {
        sb->err = (struct err){ 0 };
        docker_sandbox_enter(sb, docker_prepare_after_guest(sb));
        return;
    }
    err_wrap(&sb->err, "putting the guest onto the engine");
    docker_sandbox_fail(sb);
}

/* Docker lets several runs make and fill one volume at once; Podman refuses all but one of them, and all once
 * its program runs. So what another run put there is used; should it be half filled still, the guest does not
 * start from it, and filling it again tells what is wrong. */
static bool look_again(struct docker_sandbox *sb)
{
    char path[160];

    if (sb->has_refilled || !sb->blueprint.lockdown.kind->is_libpod)
        return false;
    snprintf(path, sizeof(path), "/volumes/%s", sb->blueprint.guest_volume);
    return docker_sandbox_ask(sb, "GET", path, span_make(NULL, 0), on_others) >= 0;
}

static void on_filled(void *data, int result, const struct err *err)
{
    struct docker_sandbox *sb = data;

    sb->has_volume = true;
    if (result >= 0 && has_place(sb, volume_fill_mountpoint(sb->fill))) {
        docker_sandbox_enter(sb, docker_prepare_after_guest(sb));
        return;
    }
    if (result < 0) {
        sb->err = *err;
        if (look_again(sb))
            return;
    }
    err_wrap(&sb->err, "putting the guest onto the engine");
    docker_sandbox_fail(sb);
}

int docker_prepare_guest(struct docker_sandbox *sb)
{
    docker_sandbox_step(sb, "guest", "putting the guest onto the engine");
    volume_fill_free(TAKE_PTR(sb->fill));
    return guest_volume_fill(sb->engine, &sb->blueprint, on_filled, sb, &sb->fill, &sb->err);
}

static void on_workspace(void *data, int result, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0) {
        docker_sandbox_enter(sb, after_workspace(sb));
        return;
    }
    sb->err = *err;
    docker_explain_volume(&sb->err);
    docker_sandbox_fail(sb);
}

int docker_prepare_workspace(struct docker_sandbox *sb)
{
    volume_fill_free(TAKE_PTR(sb->fill));
    sb->has_made_volume = true; /* from here on, whatever the answer */
    return workspace_volume_make(sb->engine, &sb->blueprint, on_workspace, sb, &sb->fill, &sb->err);
}

static void on_spaces(void *data, int result, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0) {
        docker_sandbox_enter(sb, STATE_CREATE);
        return;
    }
    sb->err = *err;
    err_wrap(&sb->err, "making the sandbox's writable places");
    docker_sandbox_fail(sb);
}

int docker_prepare_spaces(struct docker_sandbox *sb)
{
    spaces_free(TAKE_PTR(sb->spaces));
    sb->has_made_volume = true; /* from here on, whatever the answer */
    return spaces_make(sb->engine, &sb->blueprint.lockdown, on_spaces, sb, &sb->spaces, &sb->err);
}
