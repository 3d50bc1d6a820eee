/* SPDX-License-Identifier: MIT */
/* How a sandbox ends: lost, or removed. */
#include "oci/docker_end.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "oci/docker_explain.h"

#include <stdio.h>

#define AWAY_MS  30000 /* an engine that is being restarted is waited for */
#define AGAIN_MS 250
#define DOUBT_MS 400 /* from the end of its containers to that of an engine that is being stopped */
#define LEAVE_MS 500 /* for a guest to end that was asked to */

/* ---- lost ---- */

void docker_end_tell_lost(struct docker_sandbox *sb)
{
    sb->state = STATE_ENDED;
    if (sb->base.events->on_lost)
        sb->base.events->on_lost(sb->base.events_data, &sb->err);
}

static void ask_again(void *data)
{
    struct docker_sandbox *sb = data;

    loop_source_free(TAKE_PTR(sb->timer));
    if (docker_end_explain(sb) < 0)
        docker_end_tell_lost(sb);
}

/* The stream ends first, and then nobody is there to say why. Whoever stops an engine mostly starts it again,
 * and then it knows. False: it has been away for too long. */
static bool wait_for_engine(struct docker_sandbox *sb)
{
    const int64_t now = clock_mono_ms();

    if (sb->away_ms == 0) {
        sb->away_ms = now;
        docker_sandbox_step(sb, "engine", "the engine does not answer: waiting for it");
    }
    return now - sb->away_ms < AWAY_MS &&
           loop_timer(sb->loop, AGAIN_MS, ask_again, sb, &sb->timer, NULL) >= 0;
}

static bool is_killed(const struct tree *state, bool had_memory_hit)
{
    bool is_told = !had_memory_hit && tree_bool(tree_get(state, "OOMKilled"), false);

    return !tree_bool(tree_get(state, "Running"), false) && !is_told &&
           tree_int(tree_get(state, "ExitCode"), -1) == 137;
}

/* An engine that is being stopped kills its containers first, and still tells of it. Is it there a moment
 * later? False: it has been asked twice. */
static bool doubt(struct docker_sandbox *sb)
{
    if (sb->has_doubted || sb->away_ms != 0)
        return false;
    sb->has_doubted = true;
    return loop_timer(sb->loop, DOUBT_MS, ask_again, sb, &sb->timer, NULL) >= 0;
}

static void on_lost_inspected(void *data, int result, const struct engine_answer *answer,
                              const struct err *err)
{
    struct docker_sandbox *sb = data;
    const struct tree *state = tree_get(answer->tree, "State");
    const struct channel *channel = wire_channel(sb->wire);
    const struct docker_end end = { .was_away = sb->away_ms != 0,
                                    .had_memory_hit = channel && channel_had_memory_hit(channel),
                                    .memory_bytes = sb->blueprint.spec->memory_bytes };

    if (result < 0 && answer->status == 0 && wait_for_engine(sb))
        return;
    if (result >= 0 && is_killed(state, end.had_memory_hit) && doubt(sb))
        return;
    if (result < 0 && answer->status == 0) {
        sb->err = *err;
        err_wrap(&sb->err, "the sandbox is lost, for its engine went away");
    } else if (result >= 0 && state) {
        docker_explain_end(state, &end, &sb->err);
    } else if (result == -ERR_NOT_FOUND) {
        docker_explain_gone(sb->away_ms != 0, &sb->err);
    } else {
        err_wrap(&sb->err, "the sandbox is lost, and its engine does not say why");
    }
    docker_end_tell_lost(sb);
}

int docker_end_explain(struct docker_sandbox *sb)
{
    return docker_sandbox_ask_container(sb, "GET", "/json", on_lost_inspected);
}

/* ---- leave ---- */

static void on_left(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    docker_sandbox_enter(data, STATE_REMOVE); /* whatever it says: what is left is removed by force */
}

static void on_stays(void *data)
{
    docker_sandbox_enter(data, STATE_REMOVE);
}

int docker_end_leave(struct docker_sandbox *sb)
{
    int r;

    docker_end_stop_work(sb);
    channel_quit(wire_channel(sb->wire));
    r = loop_timer(sb->loop, LEAVE_MS, on_stays, sb, &sb->timer, &sb->err);
    if (r == 0)
        r = docker_sandbox_ask_container(sb, "POST", "/wait?condition=not-running", on_left);
    return r < 0 ? docker_sandbox_start_state(sb, STATE_REMOVE) : 0;
}

/* ---- remove ---- */

void docker_end_stop_work(struct docker_sandbox *sb)
{
    loop_source_free(TAKE_PTR(sb->timer));
    inspection_free(TAKE_PTR(sb->inspection));
    loop_source_free(TAKE_PTR(sb->deferred));
    if (!sb->image) /* else it owns what sandbox_info() shows */
        image_query_free(TAKE_PTR(sb->image_query));
    engine_call_free(TAKE_PTR(sb->side_call));
    fence_free(TAKE_PTR(sb->fence));
    volume_fill_free(TAKE_PTR(sb->fill));
    image_scan_free(TAKE_PTR(sb->scan));
    spaces_free(TAKE_PTR(sb->spaces));
}

void docker_end_tell(struct docker_sandbox *sb)
{
    sb->state = STATE_REMOVED;
    if (sb->removed)
        sb->removed(sb->removed_data, sb->removal_result, sb->removal_result < 0 ? &sb->removal_err : NULL);
}

static void on_removed_deferred(void *data)
{
    struct docker_sandbox *sb = data;

    loop_source_free(TAKE_PTR(sb->deferred));
    docker_end_tell(sb);
}

/* The next one, if there is one. */
static void remove_volume_or_tell(struct docker_sandbox *sb)
{
    char name[BLUEPRINT_VOLUME];

    if (!blueprint_volume_at(&sb->blueprint, sb->volume_at, name))
        docker_end_tell(sb);
    else if (docker_sandbox_start_state(sb, STATE_REMOVE_VOLUME) < 0) {
        sb->removal_result = -(int) sb->err.code;
        sb->removal_err = sb->err;
        docker_end_tell(sb);
    }
}

static void on_removed_volume(void *data, int result, const struct engine_answer *answer,
                              const struct err *err)
{
    struct docker_sandbox *sb = data;

    if (result < 0 && result != -ERR_NOT_FOUND && sb->removal_result >= 0) {
        sb->removal_result = result;
        sb->removal_err = *err;
    }
    sb->volume_at++;
    remove_volume_or_tell(sb);
}

static void on_removed(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct docker_sandbox *sb = data;

    /* 409: somebody is removing it already */
    if (result < 0 && result != -ERR_NOT_FOUND && result != -ERR_CONFLICT) {
        sb->removal_result = result;
        sb->removal_err = *err;
    }
    sb->has_made = false;
    if (!sb->has_made_volume)
        docker_end_tell(sb);
    else
        remove_volume_or_tell(sb);
}

int docker_end_remove_volume(struct docker_sandbox *sb)
{
    char name[BLUEPRINT_VOLUME] = "", path[BLUEPRINT_VOLUME + 32];

    (void) blueprint_volume_at(&sb->blueprint, sb->volume_at, name); /* there is one */
    snprintf(path, sizeof(path), "/volumes/%s?force=1", name);
    return docker_sandbox_ask(sb, "DELETE", path, span_make(NULL, 0), on_removed_volume);
}

int docker_end_remove(struct docker_sandbox *sb)
{
    int r;

    docker_end_stop_work(sb);
    if (!sb->has_made && sb->has_made_volume) {
        r = docker_sandbox_start_state(sb, STATE_REMOVE_VOLUME);
    } else if (!sb->has_made) {
        engine_call_free(TAKE_PTR(sb->call));
        r = loop_defer(sb->loop, on_removed_deferred, sb, &sb->deferred, &sb->err);
    } else {
        r = docker_sandbox_ask_container(sb, "DELETE", "?force=1&v=1", on_removed);
    }
    if (r < 0) {
        sb->removal_result = r;
        sb->removal_err = sb->err;
    }
    return r;
}
