/* SPDX-License-Identifier: MIT */
/* Taking over a container that an earlier process of the run left. */
#include "oci/docker_reattach.h"

#include "core/base/cleanup.h"
#include "oci/docker_end.h"
#include "oci/docker_launch.h"

#include <stdio.h>
#include <string.h>

#define HELLO_MS 15000

int docker_reattach_begin(struct docker_sandbox *sb, const struct sandbox_known *known, struct err *err)
{
    const char *id = known->container_id ? known->container_id : "";
    const size_t len = strlen(id);

    if (len < 12 || len >= sizeof(sb->id) || strspn(id, "0123456789abcdef") != len)
        return err_set(err, ERR_INVALID, "'%.80s' is no id of a container", id);
    memcpy(sb->id, id, len + 1);
    sb->known_boot = known->guest_boot;
    sb->is_attaching = true;
    return 0;
}

/* ---- what is there? ---- */

static int judge(struct docker_sandbox *sb, int result, const struct engine_answer *answer,
                 const struct err *err)
{
    const struct tree *image = tree_get(answer->tree, "Image");
    char volume[BLUEPRINT_VOLUME];

    if (result == -ERR_NOT_FOUND)
        return err_set(&sb->left_err, ERR_NOT_FOUND, "the sandbox that was left, '%s', is gone",
                       sb->blueprint.container_name);
    if (result < 0) {
        sb->left_err = *err;
        return err_wrap(&sb->left_err, "looking for the sandbox that was left");
    }
    sb->has_made = blueprint_is_ours(&sb->blueprint, answer->tree); /* and so may be removed */
    sb->has_made_volume = sb->has_made && blueprint_volume_at(&sb->blueprint, 0, volume);
    snprintf(sb->left_image, sizeof(sb->left_image), "%s", tree_string(image, ""));
    result = blueprint_check_left(&sb->blueprint, answer->tree, sb->id, &sb->left_err);
    if (result >= 0 && sb->blueprint.lockdown.kind->closes_stdin)
        return err_set(&sb->left_err, ERR_CONFLICT,
                       "the sandbox that was left cannot be taken over: %s closes the input of a container "
                       "when its client goes",
                       sb->blueprint.lockdown.kind->name);
    return result < 0 ? result : blueprint_adopt(&sb->blueprint, answer->tree, &sb->left_err);
}

static void on_described(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    sb->is_looking = false;
    sb->left_result = judge(sb, result, answer, err);
    engine_call_free(TAKE_PTR(sb->side_call));
    if (!sb->fence) /* first the others */
        docker_reattach_described(sb);
}

void docker_reattach_described(struct docker_sandbox *sb)
{
    if (sb->left_result < 0)
        docker_sandbox_fail_with(sb, &sb->left_err);
    else if (sb->state == STATE_FENCE)
        docker_sandbox_enter(sb, STATE_TAKE);
    else
        docker_sandbox_fail(sb); /* sb->err says why its stream ended */
}

int docker_reattach_describe(struct docker_sandbox *sb)
{
    char path[256];
    const struct engine_request req = { .path = path };

    snprintf(path, sizeof(path), "/containers/%s/json", sb->id);
    sb->is_looking = true;
    engine_call_free(TAKE_PTR(sb->side_call));
    return engine_start(sb->engine, &req, on_described, sb, &sb->side_call, &sb->err);
}

/* ---- take it ---- */

/* The image of the container, which need not be what its name stands for now. */
static void on_image(void *data, int result, const struct image *image, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0)
        result = blueprint_set_image(&sb->blueprint, image, &sb->err);
    else
        sb->err = *err;
    if (result >= 0) {
        sb->image = image;
        lockdown_ask(&sb->blueprint.lockdown, sb->rows);
        result = inspection_ask(sb->inspection, sb->id, &sb->err);
    }
    if (result < 0) {
        err_wrap(&sb->err, "the sandbox that was left");
        docker_sandbox_fail(sb);
    }
}

static void on_late(void *data)
{
    struct docker_sandbox *sb = data;

    if (sb->has_hello) {
        err_set(&sb->err, ERR_TIMEOUT, "the engine did not describe the sandbox that was left within %d s",
                HELLO_MS / 1000);
    } else {
        err_set(&sb->err, ERR_CONFLICT, "the guest of the sandbox that was left did not answer within %d s",
                HELLO_MS / 1000);
        err_hint(&sb->err, "a process that is stopped and still holds its stream keeps all others out");
    }
    docker_sandbox_fail(sb);
}

int docker_reattach_take(struct docker_sandbox *sb)
{
    static const struct image_ops ops = { NULL, on_image };
    int r = loop_timer(sb->loop, HELLO_MS, on_late, sb, &sb->timer, &sb->err);

    docker_sandbox_step(sb, "attach", "attaching to the sandbox that was left");
    if (r >= 0)
        r = docker_launch_inspect(sb);
    if (r >= 0)
        r = docker_launch_attach(sb);
    if (r >= 0)
        r = image_query_start(sb->engine, sb->left_image, SANDBOX_PULL_NEVER, NULL, &ops, sb,
                              &sb->image_query, &sb->err);
    return r;
}

/* Another process under the id that we know: the engine started the container again. */
void docker_reattach_hello(struct docker_sandbox *sb)
{
    const struct channel_guest *guest = channel_guest(wire_channel(sb->wire));

    if (!guest || guest->boot != sb->known_boot) {
        err_set(&sb->err, ERR_CONFLICT,
                "the sandbox '%s' is not the one that was left: its guest is another process",
                sb->blueprint.container_name);
        docker_sandbox_fail(sb);
    } else if (strcmp(guest->build, sb->blueprint.guest.digest) != 0) {
        err_set(&sb->err, ERR_CONFLICT, "the sandbox that was left runs another guest than this program's");
        docker_sandbox_fail(sb);
    } else if (inspection_enter(sb->inspection, wire_channel(sb->wire), &sb->err) < 0) {
        docker_sandbox_fail(sb);
    }
}

void docker_reattach_explain(struct docker_sandbox *sb)
{
    err_wrap(&sb->err, "the sandbox that was left");
    if (sb->err.code == ERR_POLICY)
        err_hint(&sb->err, "somebody changed it, or the manifest: the run can only go on in a new one");
}

/* Its stream has ended. Has it, too? */
void docker_reattach_ended(struct docker_sandbox *sb, const struct err *err)
{
    sb->err = *err;
    err_wrap(&sb->err, "attaching to the sandbox that was left");
    err_recode(&sb->err,
               err->code == ERR_PROTOCOL ? ERR_CONFLICT : ERR_ENGINE); /* its guest is no longer ours */
    docker_end_stop_work(sb);
    if (docker_reattach_describe(sb) < 0)
        docker_sandbox_fail(sb);
}
