/* SPDX-License-Identifier: MIT */
/*
 * Sandboxes beside the agent's, for tools and servers of tools that have a wall of their own. They are made
 * as the agent's is: announced, verified before anything of theirs runs, let out only by their own rules, and
 * removed by the end of the run. Nothing of the run depends on what is in them, so they are not kept: after a
 * resume they are made anew, and one that a dead harness left goes by its name (docker_sandbox.h) or by
 * itself.
 */
#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"
#include "core/sandbox/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDES_MAX 64 /* at once */

struct tool_side {
    struct box box; /* first */
    struct tool_side *next;
    int64_t number; /* in this process */
    char name[64];
    char part[RUN_ID_SIZE + 80];     /* of a subagent's */
    const struct tool_side_ops *ops; /* NULL: nobody is told any more */
    void *data;
    struct loop_source *soon;
    struct err why;
    bool has_started, is_ready, is_removing, wants_start;
};

static void side_free(struct tool_side *side)
{
    struct tool_side **at = &side->box.run->sides;

    while (*at != side)
        at = &(*at)->next;
    *at = side->next;
    loop_source_free(side->soon);
    drive_egress_cut(&side->box);
    drive_trust_cancel(&side->box);
    sandbox_free(side->box.sb);
    free(side);
}

static struct tool_side *side_by(struct run *run, int64_t number)
{
    for (struct tool_side *side = run->sides; side; side = side->next)
        if (side->number == number)
            return side;
    return NULL;
}

/* ---- removed ---- */

static void on_removed(void *data, int result, const struct err *err)
{
    struct tool_side *side = data;
    struct run *run = side->box.run;

    drive_record_box_failure(&side->box, RECORD_SIDE_REMOVED, result < 0 ? err : NULL);
    drive_removed(run, result, err);
    side_free(side);
    if (run->has_ended)
        drive_sandbox_gone(run);
}

static void tell_not_removed(void *data)
{
    struct tool_side *side = data;
    struct err why = side->why;

    on_removed(side, -(int) why.code, &why);
}

/* From the loop, as any other end: this may be a callback of the sandbox itself. */
static void not_removed(struct tool_side *side, const struct err *err)
{
    side->why = *err;
    if (loop_defer(side->box.run->loop, tell_not_removed, side, &side->soon, NULL) < 0)
        on_removed(side, -(int) err->code, err);
}

/* `side` is gone afterwards, now or once it is removed. */
static void side_remove(struct tool_side *side)
{
    struct err err = { 0 };
    int r;

    if (side->is_removing)
        return;
    side->ops = NULL;
    side->is_removing = true;
    loop_source_free(TAKE_PTR(side->soon));
    drive_egress_cut(&side->box);
    drive_trust_cancel(&side->box);
    if (!side->has_started) {
        side_free(side);
        return;
    }
    r = sandbox_remove(side->box.sb, on_removed, side, &err);
    if (r < 0)
        not_removed(side, &err);
}

/* ---- what it says ---- */

static void tell_failed(void *data)
{
    struct tool_side *side = data;
    struct err why = side->why;

    loop_source_free(TAKE_PTR(side->soon));
    side->ops->on_ready(side->data, -(int) why.code, &why);
}

/* It is told from the loop, never from inside the call that opened it. */
static void fail(struct tool_side *side, const struct err *err)
{
    drive_record_box_failure(&side->box, RECORD_SIDE_FAILED, err);
    side->why = *err;
    if (side->ops && loop_defer(side->box.run->loop, tell_failed, side, &side->soon, &side->why) < 0)
        run_break(side->box.run, &side->why);
}

static void trusted(struct box *box, int result, const struct err *err)
{
    struct tool_side *side = (struct tool_side *) box;

    if (box->run->is_over || !side->ops)
        return;
    if (result < 0) {
        fail(side, err);
        return;
    }
    drive_record_ready(box, RECORD_SIDE_READY);
    side->is_ready = true;
    drive_egress_open(box);
    if (side->is_ready)
        side->ops->on_ready(side->data, 0, NULL);
}

static void lose(struct box *box, const struct err *err)
{
    struct tool_side *side = (struct tool_side *) box;

    if (box->run->is_over || !side->ops || !side->is_ready)
        return;
    side->is_ready = false;
    drive_egress_cut(box);
    drive_record_box_failure(box, RECORD_SIDE_LOST, err);
    side->ops->on_lost(side->data, err);
}

static void on_step(void *data, const char *step, const char *text)
{
    struct tool_side *side = data;
    struct run *run = side->box.run;

    if (run->events->on_step && !run->is_over)
        run->events->on_step(run->data, step, text);
}

static void on_intent(void *data, const struct sandbox_info *info)
{
    struct tool_side *side = data;

    if (side->ops && drive_record_intent(&side->box, RECORD_SIDE_INTENT, info) == 0)
        run_queue(side->box.run, EFFECT_SIDE_PROCEED, side->number);
}

static void on_scan(void *data, const struct sandbox_scanned *scanned)
{
    struct tool_side *side = data;

    if (side->ops)
        drive_record_scan(&side->box, RECORD_SIDE_SCAN, scanned);
}

static void on_ready(void *data, int result, const struct err *err)
{
    struct tool_side *side = data;

    if (!side->ops)
        return;
    if (result < 0)
        trusted(&side->box, result, err);
    else
        drive_trust_start(&side->box);
}

static void on_lost(void *data, const struct err *err)
{
    struct tool_side *side = data;

    lose(&side->box, err);
}

static const struct sandbox_events events = { on_step, on_intent, on_ready, on_lost, on_scan };

/* ---- opened ---- */

/* In the run's spec; its count: none. */
static size_t find(const struct run *run, const char *name)
{
    size_t i = 0;

    while (i < run->spec->side_count && strcmp(run->spec->sides[i].name, name) != 0)
        i++;
    return i;
}

static size_t count(const struct run *run)
{
    size_t n = 0;

    for (const struct tool_side *side = run->sides; side; side = side->next)
        n++;
    return n;
}

static int side_new(struct run *run, size_t index, struct tool_side **ret, struct err *err)
{
    static const struct box_ops ops = { trusted, lose };
    const struct run_side *spec = &run->spec->sides[index];
    struct tool_side *side = calloc(1, sizeof(*side));
    int r;

    if (!side)
        return err_set(err, ERR_INTERNAL, "no memory for another sandbox");
    side->number = ++run->side_total;
    snprintf(side->name, sizeof(side->name), "%.40s-%lld", spec->name, (long long) side->number);
    side->box = (struct box){ .run = run, .side = side->name, .out = &run->side_outs[index], .ops = &ops };
    side->box.order =
        drive_sandbox_order(run, &spec->sandbox, run->state.attempt > 0 ? run->state.attempt : 1);
    snprintf(side->part, sizeof(side->part), "%s-s-%s", side->box.run->part, side->name);
    side->box.order.part = side->box.run->part[0] ? side->part : side->name;
    side->next = run->sides;
    run->sides = side;
    r = run->maker->make(run->maker->data, &side->box.order, &side->box.sb, err);
    if (r < 0)
        side_free(side);
    else
        *ret = side;
    return r;
}

int drive_side_open(void *data, const char *name, const struct tool_side_ops *ops, void *ops_data,
                    struct tool_side **ret, struct err *err)
{
    struct run *run = data;
    size_t index = find(run, name);
    struct record rec = { .type = RECORD_SIDE_START };
    struct tool_side *side = NULL;
    int r;

    if (index == run->spec->side_count)
        return err_set(err, ERR_INTERNAL, "the manifest has no sandbox '%.80s'", name);
    if (run->is_over)
        return err_set(err, ERR_CANCELED, "the run is over");
    if (count(run) >= SIDES_MAX)
        return err_set(err, ERR_LIMIT, "there are %d sandboxes beside the agent's already", SIDES_MAX);
    r = side_new(run, index, &side, err);
    if (r < 0)
        return r;
    side->ops = ops;
    side->data = ops_data;
    rec.sandbox_start.side = side->name;
    rec.sandbox_start.attempt = side->box.order.attempt;
    rec.sandbox_start.image = run->spec->sides[index].sandbox.image;
    rec.sandbox_start.engine = run->spec->sides[index].sandbox.engine;
    if (run_record(run, &rec) < 0) {
        side_free(side);
        return err_set(err, ERR_IO, "the journal cannot go on");
    }
    run_queue(run, EFFECT_SIDE_START, side->number);
    *ret = side;
    return 0;
}

void effect_side_start(struct run *run, int64_t number)
{
    struct tool_side *side = side_by(run, number);
    struct err err = { 0 };

    if (!side || side->is_removing) /* closed meanwhile */
        return;
    side->has_started = true;
    if (sandbox_start(side->box.sb, &events, side, &err) < 0)
        fail(side, &err);
}

void effect_side_proceed(struct run *run, int64_t number)
{
    struct tool_side *side = side_by(run, number);
    struct err err = { 0 };

    if (side && !side->is_removing && sandbox_proceed(side->box.sb, &err) < 0)
        fail(side, &err);
}

struct channel *drive_side_channel(struct tool_side *side)
{
    return side->is_ready ? box_channel(&side->box) : NULL;
}

const char *drive_side_image(struct tool_side *side)
{
    struct sandbox_info info = { 0 };

    sandbox_info(side->box.sb, &info);
    return info.image_id ? info.image_id : "";
}

void drive_side_close(struct tool_side *side)
{
    if (side)
        side_remove(side);
}

/* ---- all of them ---- */

void drive_sides_cancel(struct run *run)
{
    for (struct tool_side *side = run->sides; side; side = side->next) {
        side->ops = NULL;
        loop_source_free(TAKE_PTR(side->soon));
        drive_egress_cut(&side->box);
        drive_trust_cancel(&side->box);
    }
}

void drive_sides_remove(struct run *run)
{
    struct tool_side *next;

    for (struct tool_side *side = run->sides; side; side = next) {
        next = side->next;
        side_remove(side);
    }
}

struct sandbox *drive_sides_take(struct run *run)
{
    struct sandbox *sandbox = NULL;

    while (run->sides && !sandbox) {
        if (run->sides->has_started)
            sandbox = TAKE_PTR(run->sides->box.sb);
        side_free(run->sides);
    }
    return sandbox;
}

void drive_sides_free(struct run *run)
{
    while (run->sides)
        side_free(run->sides);
}
