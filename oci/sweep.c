/* SPDX-License-Identifier: MIT */
/* What runs have left on an engine. */
#include "oci/sweep.h"

#include "core/base/cleanup.h"
#include "core/base/units.h"
#include "oci/guest_volume.h"
#include "oci/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Percent-encoded {"label":["agentbox.run"]} and {"label":["agentbox.guest"]}. */
#define FILTER_RUN   "filters=%7B%22label%22%3A%5B%22agentbox.run%22%5D%7D"
#define FILTER_GUEST "filters=%7B%22label%22%3A%5B%22agentbox.guest%22%5D%7D"

enum sweep_state { LIST_CONTAINERS, LIST_VOLUMES, LIST_GUESTS, REMOVE };

struct sweep {
    struct engine *engine;
    struct sweep_options options;
    struct engine_call *lists[3]; /* own the trees that items point into */
    struct engine_call *call;
    enum sweep_state state;
    struct sweep_item *items;
    size_t count, at;
    struct sweep_result result;
    sweep_fn *fn;
    void *data;
    struct err err;
};

/* ---- judging ---- */

static const char *label(const struct tree *labels, const char *name)
{
    return tree_string(tree_get(labels, name), "");
}

static bool is_expired(const struct tree *labels, int64_t now_s)
{
    const char *text = label(labels, "agentbox.deadline");
    int64_t deadline;

    return *text && units_int(span_of(text), 1, INT64_MAX, &deadline) >= 0 && now_s >= deadline;
}

static bool is_owner(const struct tree *labels, enum owner_state state)
{
    struct owner owner;

    return owner_parse(label(labels, "agentbox.owner"), &owner) && owner_state(&owner) == state;
}

static enum sweep_verdict judge_run(const struct tree *labels, const struct sweep_options *options)
{
    enum sweep_verdict verdict = SWEEP_KEEP;

    if (options->run && strcmp(label(labels, "agentbox.run"), options->run) == 0)
        return SWEEP_ASKED;
    /* a clock that jumped makes everything late; whoever lives minds its own limits */
    if (is_expired(labels, options->now_s) && !is_owner(labels, OWNER_ALIVE))
        verdict = SWEEP_EXPIRED;
    else if (options->flags & SWEEP_DEAD && is_owner(labels, OWNER_DEAD))
        verdict = SWEEP_ORPHAN;
    if (verdict != SWEEP_KEEP && options->is_held && options->is_held(label(labels, "agentbox.run")))
        return SWEEP_KEEP;
    return verdict;
}

static bool is_plain_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len < 200 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len;
}

bool sweep_judge(enum sweep_kind kind, const struct tree *entry, const struct sweep_options *options,
                 struct sweep_item *ret)
{
    const struct tree *labels = tree_get(entry, "Labels");
    int64_t attempt = 0;

    *ret = (struct sweep_item){ .kind = kind,
                                .run = label(labels, "agentbox.run"),
                                .part = label(labels, "agentbox.part"),
                                .owner = label(labels, "agentbox.owner"),
                                .state = "" };
    (void) units_int(span_of(label(labels, "agentbox.attempt")), 0, INT32_MAX, &attempt); /* else 0 */
    ret->attempt = (int) attempt;
    if (kind == SWEEP_CONTAINER) {
        ret->id = tree_string(tree_get(entry, "Id"), "");
        ret->name = tree_string(tree_at(tree_get(entry, "Names"), 0), "");
        ret->name += *ret->name == '/';
        ret->state = tree_string(tree_get(entry, "State"), "");
    } else {
        ret->id = ret->name = tree_string(tree_get(entry, "Name"), "");
    }
    if (!is_plain_name(ret->id))
        return false;
    if (kind == SWEEP_GUEST_VOLUME) {
        const char *digest = label(labels, GUEST_VOLUME_LABEL);

        if (!*digest)
            return false;
        if (options->flags & SWEEP_GUESTS &&
            (!options->guest_digest || strcmp(digest, options->guest_digest) != 0))
            ret->verdict = SWEEP_OLD;
        return true;
    }
    if (!*ret->run || strncmp(ret->name, "agentbox-", 9) != 0)
        return false; /* labels alone are no proof: an image made by `docker commit` hands ours on */
    ret->verdict = judge_run(labels, options);
    return true;
}

/* ---- listing, removing ---- */

static int start_state(struct sweep *sweep, enum sweep_state state);

static void finish(struct sweep *sweep, int result)
{
    sweep->result.items = sweep->items;
    sweep->result.count = sweep->count;
    sweep->fn(sweep->data, result, &sweep->result, result < 0 || sweep->result.failed ? &sweep->err : NULL);
}

static int keep_item(struct sweep *sweep, const struct sweep_item *item)
{
    struct sweep_item *items;

    if (sweep->count == SWEEP_ITEMS_MAX)
        return 0; /* the next sweep goes on */
    items = realloc(sweep->items, (sweep->count + 1) * sizeof(*items));
    if (!items)
        return err_set(&sweep->err, ERR_INTERNAL, "no memory to look through the engine's containers");
    sweep->items = items;
    items[sweep->count++] = *item;
    return 0;
}

static void on_listed(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct sweep *sweep = data;
    enum sweep_kind kind = (enum sweep_kind) sweep->state;
    const struct tree *list = kind == SWEEP_CONTAINER ? answer->tree : tree_get(answer->tree, "Volumes");
    struct sweep_item item;

    if (result < 0) {
        sweep->err = *err;
        err_wrap(&sweep->err, "looking for what earlier runs left");
        finish(sweep, result);
        return;
    }
    result = 0;
    tree_each (entry, list) {
        if (result >= 0 && sweep_judge(kind, entry, &sweep->options, &item))
            result = keep_item(sweep, &item);
    }
    if (result >= 0)
        result = start_state(sweep, (enum sweep_state)(sweep->state + 1));
    if (result < 0)
        finish(sweep, result);
}

static void note_failure(struct sweep *sweep, const char *name, const struct err *err)
{
    if (sweep->result.failed++ == 0) {
        sweep->err = *err;
        err_wrap(&sweep->err, "removing '%s'", name);
    }
}

static int remove_next(struct sweep *sweep);

static void on_removed(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct sweep *sweep = data;
    struct sweep_item *item = &sweep->items[sweep->at];

    item->is_removed = result >= 0 || result == -ERR_NOT_FOUND;
    if (item->is_removed)
        sweep->result.removed++;
    else if (result != -ERR_CONFLICT) /* a volume in use stays; a container being removed goes */
        note_failure(sweep, item->name, err);
    sweep->at++;
    result = remove_next(sweep);
    if (result < 0)
        finish(sweep, result);
}

static int remove_next(struct sweep *sweep)
{
    const struct sweep_item *item;
    struct engine_request req = { .method = "DELETE" };
    char path[300];

    while (sweep->at < sweep->count && sweep->items[sweep->at].verdict == SWEEP_KEEP)
        sweep->at++;
    if (sweep->at == sweep->count || sweep->options.is_dry) {
        finish(sweep, 0);
        return 0;
    }
    item = &sweep->items[sweep->at];
    snprintf(path, sizeof(path), item->kind == SWEEP_CONTAINER ? "/containers/%s?force=1&v=1" : "/volumes/%s",
             item->id);
    req.path = path;
    engine_call_free(TAKE_PTR(sweep->call));
    return engine_start(sweep->engine, &req, on_removed, sweep, &sweep->call, &sweep->err);
}

static int start_state(struct sweep *sweep, enum sweep_state state)
{
    static const char *const paths[] = {
        [LIST_CONTAINERS] = "/containers/json?all=1&" FILTER_RUN,
        [LIST_VOLUMES] = "/volumes?" FILTER_RUN,
        [LIST_GUESTS] = "/volumes?" FILTER_GUEST,
    };
    struct engine_request req = { 0 };

    sweep->state = state;
    if (state == REMOVE || (state == LIST_GUESTS && !(sweep->options.flags & SWEEP_GUESTS)))
        return remove_next(sweep);
    req.path = paths[state];
    return engine_start(sweep->engine, &req, on_listed, sweep, &sweep->lists[state], &sweep->err);
}

int sweep_start(struct engine *engine, const struct sweep_options *options, sweep_fn *fn, void *data,
                struct sweep **ret, struct err *err)
{
    struct sweep *sweep = calloc(1, sizeof(*sweep));
    int r;

    if (!sweep)
        return err_set(err, ERR_INTERNAL, "no memory to look through the engine's containers");
    sweep->engine = engine;
    sweep->options = *options;
    sweep->fn = fn;
    sweep->data = data;
    r = start_state(sweep, LIST_CONTAINERS);
    if (r < 0) {
        if (err)
            *err = sweep->err;
        sweep_free(sweep);
        return r;
    }
    *ret = sweep;
    return 0;
}

void sweep_free(struct sweep *sweep)
{
    if (!sweep)
        return;
    for (size_t i = 0; i < 3; i++)
        engine_call_free(sweep->lists[i]);
    engine_call_free(sweep->call);
    free(sweep->items);
    free(sweep);
}

struct waiter {
    bool is_done;
    int result;
    struct sweep_result ret;
    struct err err;
};

static void on_waited(void *data, int result, const struct sweep_result *ret, const struct err *err)
{
    struct waiter *w = data;

    w->is_done = true;
    w->result = result;
    w->ret = *ret;
    if (err)
        w->err = *err;
}

int sweep_wait(struct engine *engine, const struct sweep_options *options, struct sweep **ret,
               struct sweep_result *ret_result, struct err *err)
{
    struct waiter w = { 0 };
    struct sweep *sweep = NULL;
    int r = sweep_start(engine, options, on_waited, &w, &sweep, err);

    if (r < 0)
        return r;
    r = loop_run(engine_loop(engine), &w.is_done, err);
    if (r >= 0 && !w.is_done)
        r = err_set(err, ERR_CANCELED, "interrupted while the engine was swept");
    if (r >= 0 && (w.result < 0 || w.ret.failed) && err)
        *err = w.err;
    if (r < 0 || w.result < 0) {
        sweep_free(sweep);
        return r < 0 ? r : w.result;
    }
    *ret = sweep;
    *ret_result = w.ret;
    return 0;
}
