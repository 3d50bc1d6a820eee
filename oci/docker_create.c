/* SPDX-License-Identifier: MIT */
/* Making the container, or finding that it is there. */
#include "oci/docker_create.h"

#include "oci/docker_explain.h"
#include "oci/libpod.h"

#include <stdio.h>
#include <string.h>

static void on_gone(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result < 0 && result != -ERR_NOT_FOUND) {
        docker_sandbox_fail_with(sb, err);
        return;
    }
    sb->id[0] = '\0';
    sb->has_made = false;
    docker_sandbox_enter(sb, STATE_CREATE);
}

static void on_cleared(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    /* Its own end, or somebody else, is removing it at this moment. */
    if (result == -ERR_CONFLICT) {
        if (docker_sandbox_ask_container(sb, "POST", "/wait?condition=removed", on_gone) < 0)
            docker_sandbox_fail(sb);
        return;
    }
    on_gone(data, result, answer, err);
}

int docker_create_clear(struct docker_sandbox *sb)
{
    sb->has_cleared = true;
    return docker_sandbox_ask_container(sb, "DELETE", "?force=1&v=1", on_cleared);
}

/* In the words of Docker Engine: "Unknown runtime specified x", "unknown or invalid runtime name: x". */
static bool is_runtime_missing(const struct docker_sandbox *sb)
{
    return strcmp(sb->blueprint.spec->runtime, "default") != 0 && strcasestr(sb->err.text, "unknown") &&
           strstr(sb->err.text, "runtime");
}

static void on_runtimes(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    docker_explain_runtime(sb->blueprint.spec->runtime, result >= 0 ? answer->tree : NULL, &sb->err);
    docker_sandbox_fail(sb);
}

static void on_created(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result >= 0) {
        if (engine_read_id(answer->tree, sb->id, &sb->err) < 0)
            docker_sandbox_fail(sb);
        else
            docker_sandbox_enter(sb, STATE_ATTACH);
        return;
    }
    sb->err = *err;
    sb->is_answer_lost = answer->status == 0;
    /* The volume of the guest is there, but was filled for another profile. */
    if (strstr(err->text, "seccomp profile") && sb->blueprint.lockdown.kind->seccomp_is_path &&
        !sb->has_refilled) {
        sb->has_refilled = true;
        docker_sandbox_enter(sb, STATE_FILL);
        return;
    }
    /* No answer, or the name is taken (409; 500 on Podman): there may be a container. */
    if (answer->status == 0 || answer->status == 409 || answer->status == 500) {
        docker_sandbox_enter(sb, STATE_FIND);
        return;
    }
    sb->has_made = false;
    if (is_runtime_missing(sb)) {
        if (docker_sandbox_ask(sb, "GET", "/info", span_make(NULL, 0), on_runtimes) < 0)
            docker_sandbox_fail(sb);
        return;
    }
    docker_explain_create(&sb->err);
    docker_sandbox_fail(sb);
}

int docker_create(struct docker_sandbox *sb)
{
    struct buf body = BUF_INIT(LOCKDOWN_BODY_MAX);
    const struct engine_kind *kind = sb->blueprint.lockdown.kind;
    char path[160];
    int r;

    snprintf(path, sizeof(path), "%s/create%s%s", kind->containers,
             kind->is_libpod ? "" : "?name=", kind->is_libpod ? "" : sb->blueprint.container_name);
    r = kind->is_libpod ? libpod_write(&sb->blueprint.lockdown, sb->blueprint.container_name, &body, &sb->err)
                        : lockdown_write(&sb->blueprint.lockdown, &body, &sb->err);
    if (r >= 0) {
        sb->has_made = true; /* from here on, whatever the answer */
        r = docker_sandbox_ask(sb, "POST", path, buf_span(&body), on_created);
    }
    buf_done(&body);
    return r;
}

/* sb->err still says why create failed. */
static void on_found(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;
    const char *status = tree_string(tree_path(answer->tree, "State", "Status", NULL), "");

    if (result < 0) {
        sb->has_made = result != -ERR_NOT_FOUND;
        docker_explain_create(&sb->err);
        docker_sandbox_fail(sb);
        return;
    }
    if (!blueprint_is_ours(&sb->blueprint, answer->tree)) {
        sb->has_made = false; /* not ours to remove */
        err_set(&sb->err, ERR_CONFLICT, "a container '%s' exists that is not of this run",
                sb->blueprint.container_name);
        err_recode(&sb->err, ERR_ENGINE);
        docker_sandbox_fail(sb);
        return;
    }
    if (sb->is_answer_lost && strcmp(status, "created") == 0 &&
        engine_read_id(answer->tree, sb->id, &sb->err) >= 0)
        docker_sandbox_enter(sb, STATE_ATTACH);
    else if (!sb->has_cleared)
        docker_sandbox_enter(sb, STATE_CLEAR);
    else
        docker_sandbox_fail(sb);
}

int docker_create_find(struct docker_sandbox *sb)
{
    return docker_sandbox_ask_container(sb, "GET", "/json", on_found);
}
