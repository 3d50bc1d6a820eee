/* SPDX-License-Identifier: MIT */
/* Removing what earlier attempts of a run left. */
#include "oci/fence.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "oci/owner.h"
#include "oci/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GONE_MS  30000 /* somebody else's removal may take so long */
#define AGAIN_MS 50

/* A list and how far it has been dealt with. */
struct list {
    struct fence *fence;
    enum sweep_kind kind;
    struct engine_call *call; /* owns the entries */
    const struct tree *next;
    bool is_here;
};

struct fence {
    struct engine *engine;
    struct fence_options options;
    char self[OWNER_TEXT];
    struct list containers, volumes;
    struct sweep_item item; /* being removed */
    struct engine_call *call;
    struct loop_source *timer;
    int64_t deadline_ms;
    bool has_ended;
    fence_fn *fn;
    void *data;
    struct err err;
};

static void finish(struct fence *fence, int result)
{
    if (fence->has_ended)
        return;
    fence->has_ended = true;
    engine_call_free(TAKE_PTR(fence->containers.call));
    engine_call_free(TAKE_PTR(fence->volumes.call));
    fence->fn(fence->data, result, result < 0 ? &fence->err : NULL);
}

static int ask(struct fence *fence, const char *method, engine_fn *fn)
{
    char path[300];
    const struct engine_request req = { .method = method, .path = path };
    const bool is_removal = strcmp(method, "DELETE") == 0;

    if (fence->item.kind == SWEEP_CONTAINER)
        snprintf(path, sizeof(path), "/containers/%s%s", fence->item.id,
                 is_removal ? "?force=1&v=1" : "/json");
    else
        snprintf(path, sizeof(path), "/volumes/%s?force=1", fence->item.id);
    engine_call_free(TAKE_PTR(fence->call));
    return engine_start(fence->engine, &req, fn, fence, &fence->call, &fence->err);
}

static void refuse(struct fence *fence, const struct err *err)
{
    if (&fence->err != err)
        fence->err = *err;
    err_wrap(&fence->err, "an older sandbox of this run cannot be removed: '%s'", fence->item.name);
    if (fence->err.code != ERR_TIMEOUT)
        err_recode(&fence->err, ERR_ENGINE);
    err_hint(&fence->err, "`docker rm -f %s`, then resume the run again", fence->item.name);
    finish(fence, -(int) fence->err.code);
}

/* ---- one after the other ---- */

static void go_on(struct fence *fence);

static void on_asked_again(void *data, int result, const struct engine_answer *answer, const struct err *err);

static void ask_again(void *data)
{
    struct fence *fence = data;

    loop_source_free(TAKE_PTR(fence->timer));
    if (ask(fence, "GET", on_asked_again) < 0)
        finish(fence, -(int) fence->err.code);
}

/* Until the engine does not know it any more. */
static void on_asked_again(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct fence *fence = data;

    if (result == -ERR_NOT_FOUND) {
        go_on(fence);
        return;
    }
    if (result < 0) {
        refuse(fence, err);
        return;
    }
    if (clock_mono_ms() >= fence->deadline_ms) {
        err_set(&fence->err, ERR_TIMEOUT, "it has been going for %d s", GONE_MS / 1000);
        refuse(fence, &fence->err);
        return;
    }
    if (loop_timer(engine_loop(fence->engine), AGAIN_MS, ask_again, fence, &fence->timer, &fence->err) < 0)
        finish(fence, -(int) fence->err.code);
}

static void on_removed(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct fence *fence = data;

    if (result >= 0 || result == -ERR_NOT_FOUND || fence->item.kind != SWEEP_CONTAINER) {
        go_on(fence);
    } else if (result == -ERR_CONFLICT) { /* somebody else is removing it */
        fence->deadline_ms = clock_mono_ms() + GONE_MS;
        ask_again(fence);
    } else {
        refuse(fence, err);
    }
}

#define AGENT "agent-"

/* Does it go with ours? Beside the agent's own, what this very process has made goes on: after an attach that
 * came to nothing its servers and tools are up already. */
static bool is_part(const struct fence *fence, const struct sweep_item *item)
{
    const char *part = item->part;
    const char *ours = fence->options.part ? fence->options.part : "";
    size_t len = strlen(ours);
    bool is_same = strcmp(part, ours) == 0;
    bool is_agents =
        len ? strncmp(part, ours, len) == 0 && part[len] == '-' : strncmp(part, AGENT, strlen(AGENT)) == 0;

    if (is_same || (is_agents && (!len || strncmp(ours, AGENT, strlen(AGENT)) == 0)))
        return is_same || !fence->options.keep_id;
    return !len && strcmp(item->owner, fence->self) != 0;
}

/* Whether this entry of a list must go. */
static bool is_older(const struct fence *fence, const struct sweep_item *item)
{
    if (item->verdict != SWEEP_ASKED || !is_part(fence, item))
        return false;
    if (item->kind == SWEEP_CONTAINER)
        return !fence->options.keep_id || strcmp(item->id, fence->options.keep_id) != 0;
    return fence->options.keep_attempt == 0 || item->attempt != fence->options.keep_attempt;
}

static bool next_of(struct list *list)
{
    const struct sweep_options options = { .run = list->fence->options.run };

    while (list->next) {
        const struct tree *entry = list->next;

        list->next = entry->next;
        if (sweep_judge(list->kind, entry, &options, &list->fence->item) &&
            is_older(list->fence, &list->fence->item))
            return true;
    }
    return false;
}

static void go_on(struct fence *fence)
{
    if (!next_of(&fence->containers) && !next_of(&fence->volumes)) {
        finish(fence, 0);
        return;
    }
    if (ask(fence, "DELETE", on_removed) < 0)
        finish(fence, -(int) fence->err.code);
}

/* ---- the lists ---- */

static void on_listed(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct list *list = data;
    struct fence *fence = list->fence;
    const struct tree *entries = answer->tree;

    if (list->kind == SWEEP_VOLUME)
        entries = tree_get(answer->tree, "Volumes"); /* null when there are none */
    if (result < 0) {
        fence->err = *err;
    } else if (list->kind == SWEEP_CONTAINER && (!entries || entries->kind != TREE_ARRAY)) {
        result = err_set(&fence->err, ERR_ENGINE, "the engine's list of containers cannot be read");
    }
    if (result < 0) {
        err_wrap(&fence->err, "looking for older sandboxes of this run");
        finish(fence, result);
        return;
    }
    list->is_here = true;
    list->next = tree_at(entries, 0);
    if (fence->containers.is_here && fence->volumes.is_here)
        go_on(fence);
}

static int list_start(struct list *list, const char *what, struct err *err)
{
    char path[400];
    const struct engine_request req = { .path = path };

    /* {"label":["agentbox.run=ID"]}, encoded; an id needs no encoding */
    snprintf(path, sizeof(path), "%sfilters=%%7B%%22label%%22%%3A%%5B%%22agentbox.run%%3D%.64s%%22%%5D%%7D",
             what, list->fence->options.run);
    return engine_start(list->fence->engine, &req, on_listed, list, &list->call, err);
}

int fence_start(struct engine *engine, const struct fence_options *options, fence_fn *fn, void *data,
                struct fence **ret, struct err *err)
{
    struct fence *fence = calloc(1, sizeof(*fence));
    struct owner self;
    int r;

    if (!fence)
        return err_set(err, ERR_INTERNAL, "no memory to look for older sandboxes");
    fence->engine = engine;
    fence->options = *options;
    fence->fn = fn;
    fence->data = data;
    owner_self(&self);
    owner_text(&self, fence->self);
    fence->containers = (struct list){ .fence = fence, .kind = SWEEP_CONTAINER };
    fence->volumes = (struct list){ .fence = fence, .kind = SWEEP_VOLUME };
    r = list_start(&fence->containers, "/containers/json?all=1&", err);
    if (r >= 0)
        r = list_start(&fence->volumes, "/volumes?", err);
    if (r < 0) {
        fence_free(fence);
        return r;
    }
    *ret = fence;
    return 0;
}

void fence_free(struct fence *fence)
{
    if (!fence)
        return;
    engine_call_free(fence->containers.call);
    engine_call_free(fence->volumes.call);
    engine_call_free(fence->call);
    loop_source_free(fence->timer);
    free(fence);
}
