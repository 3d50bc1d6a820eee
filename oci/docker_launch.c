/* SPDX-License-Identifier: MIT */
/* From a container that was made to a guest that may be trusted. */
#include "oci/docker_launch.h"

#include "core/base/cleanup.h"
#include "oci/docker_end.h"
#include "oci/docker_explain.h"
#include "oci/docker_reattach.h"

#include <stdio.h>
#include <string.h>

#define HELLO_MS 15000

/* The guest did not start or did not speak: perhaps its volume is half filled. Once. */
static void try_again_or_fail(struct docker_sandbox *sb)
{
    if (sb->has_refilled || sb->wants_removal) {
        docker_sandbox_fail(sb);
        return;
    }
    sb->has_refilled = true;
    loop_source_free(TAKE_PTR(sb->timer));
    inspection_free(TAKE_PTR(sb->inspection));
    wire_free(TAKE_PTR(sb->wire));
    docker_sandbox_enter(sb, STATE_FILL);
}

/* In a user namespace (rootless engines) kernels before 5.19 let nobody set it. */
static void try_without_sysctl(struct docker_sandbox *sb)
{
    sb->blueprint.lockdown.leaves_shm = true;
    inspection_free(TAKE_PTR(sb->inspection));
    wire_free(TAKE_PTR(sb->wire));
    docker_sandbox_enter(sb, STATE_CLEAR);
}

/* ---- attach ---- */

static void on_wire_hello(void *data)
{
    struct docker_sandbox *sb = data;

    sb->has_hello = true;
    if (!sb->inspection) /* it is being removed, and the guest was quicker */
        return;
    if (sb->is_attaching)
        docker_reattach_hello(sb);
    else if (inspection_enter(sb->inspection, wire_channel(sb->wire), &sb->err) < 0)
        docker_sandbox_fail(sb);
}

static void on_wire_end(void *data, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (sb->state == STATE_READY) {
        sb->err = *err;
        if (docker_sandbox_start_state(sb, STATE_LOST) < 0)
            docker_end_tell_lost(sb);
    } else if (sb->state == STATE_TAKE) {
        docker_reattach_ended(sb, err);
    } else if (sb->state == STATE_VERIFY && !sb->has_hello) {
        const char *words = wire_last_words(sb->wire);

        if (err->code == ERR_PROTOCOL)
            sb->err = *err; /* it said something, and what it said was wrong */
        else
            err_set(&sb->err, ERR_ENGINE, "the guest ended before it said anything%s%s", *words ? ": " : "",
                    words);
        try_again_or_fail(sb);
    } else if (sb->state == STATE_VERIFY) {
        docker_sandbox_fail_with(sb, err);
    }
    /* before: start's answer says more */
}

static void on_attached(void *data, struct http_stream *stream, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (!stream) {
        sb->err = *err;
        err_wrap(&sb->err, "attaching to the sandbox");
        if (sb->is_attaching) {
            docker_reattach_ended(sb, err);
            return;
        }
        if (sb->err.code != ERR_TIMEOUT)
            err_recode(&sb->err, ERR_ENGINE);
        docker_sandbox_fail(sb);
        return;
    }
    if (wire_take(sb->wire, stream, &sb->err) < 0)
        docker_sandbox_fail(sb);
    else if (!sb->is_attaching)
        docker_sandbox_enter(sb, STATE_START);
}

int docker_launch_attach(struct docker_sandbox *sb)
{
    static const struct wire_ops ops = { on_wire_hello, on_wire_end };
    char path[256];
    int r;

    wire_free(TAKE_PTR(sb->wire));
    r = wire_new(sb->loop, &ops, sb, &sb->wire, &sb->err);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1", sb->id);
    engine_call_free(TAKE_PTR(sb->call));
    return engine_attach(sb->engine, path, on_attached, sb, &sb->call, &sb->err);
}

/* ---- start ---- */

static void on_started(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0) {
        docker_sandbox_enter(sb, STATE_VERIFY);
        if (sb->state == STATE_VERIFY && wire_has_ended(sb->wire))
            on_wire_end(sb, wire_why_ended(sb->wire));
        return;
    }
    sb->err = *err;
    docker_explain_start(&sb->err);
    if (strstr(sb->err.text, LOCKDOWN_SYSCTL) && !sb->blueprint.lockdown.leaves_shm)
        try_without_sysctl(sb);
    else if (strstr(sb->err.text, LOCKDOWN_GUEST_DIR))
        try_again_or_fail(sb);
    else
        docker_sandbox_fail(sb);
}

static void on_verified(void *data, int result, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (sb->state == STATE_ENDED)
        return; /* the stream broke while it was looked at, and that was told already */
    loop_source_free(TAKE_PTR(sb->timer));
    if (result < 0) {
        sb->err = *err;
        if (sb->is_attaching)
            docker_reattach_explain(sb);
        docker_sandbox_fail(sb);
        return;
    }
    if (sb->wants_removal) {
        docker_sandbox_enter(sb, STATE_REMOVE);
        return;
    }
    sb->state = STATE_READY;
    sb->base.events->on_ready(sb->base.events_data, 0, NULL);
}

int docker_launch_inspect(struct docker_sandbox *sb)
{
    return inspection_new(sb->engine, &sb->blueprint.lockdown, sb->rows, on_verified, sb, &sb->inspection,
                          &sb->err);
}

/* The guest is greeted before it exists: the engine keeps the bytes, and it answers while start does. */
int docker_launch_start(struct docker_sandbox *sb)
{
    int r;

    docker_sandbox_step(sb, "start", "starting the sandbox");
    sb->has_hello = false;
    r = docker_launch_inspect(sb);
    return r < 0 ? r : docker_sandbox_ask_container(sb, "POST", "/start", on_started);
}

/* ---- verify ---- */

static void on_hello_late(void *data)
{
    struct docker_sandbox *sb = data;

    loop_source_free(TAKE_PTR(sb->timer));
    err_set(&sb->err, ERR_TIMEOUT, "the guest did not answer within %d s", HELLO_MS / 1000);
    if (sb->has_hello)
        docker_sandbox_fail(sb);
    else
        try_again_or_fail(sb);
}

int docker_launch_verify(struct docker_sandbox *sb)
{
    int r;

    docker_sandbox_step(sb, "verify", "verifying the lock-down");
    r = loop_timer(sb->loop, HELLO_MS, on_hello_late, sb, &sb->timer, &sb->err);
    return r < 0 ? r : inspection_ask(sb->inspection, sb->id, &sb->err);
}
