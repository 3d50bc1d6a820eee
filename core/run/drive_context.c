/* SPDX-License-Identifier: MIT */
/* The driver's side to what the model is told of the workspace: looked for, recorded, told. */
#include "core/base/cleanup.h"
#include "core/model/request.h"
#include "core/run/context.h"
#include "core/run/context_text.h"
#include "core/run/driver_impl.h"

#include <stdlib.h>

#define ITEM_MAX (2 * 1024 * 1024)

void act_look_around(struct run *run)
{
    struct record rec = { .type = RECORD_CONTEXT_BEGIN };

    rec.context.turn = run->state.turn;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_LOOK, 0);
}

static void record_found(struct run *run, const struct context_found *found)
{
    struct record rec = { .type = RECORD_CONTEXT_DONE };
    struct buf item = BUF_INIT(ITEM_MAX);
    struct err err = { 0 };

    rec.context = (struct record_context){
        .turn = run->state.turn,
        .looked = found->looked,
        .looked_count = found->count,
        .tree_shown = found->tree_shown,
        .tree_more = found->tree_more,
    };
    if (found->text.len > 0 && request_user_item(&item, found->text.ptr, NULL, 0, &err) < 0) {
        (void) err_wrap(&err, "telling of the workspace");
        run_break(run, &err);
    } else {
        rec.context.item.json = buf_span(&item);
        (void) run_record(run, &rec);
    }
    buf_done(&item);
}

static void on_found(void *data, int result, const struct context_found *found, const struct err *err)
{
    struct run *run = data;

    (void) err;
    if (result < 0)
        drive_sandbox_suspect(run); /* it will say why, soon */
    else
        record_found(run, found);
    context_look_free(TAKE_PTR(run->look));
}

void effect_look(struct run *run)
{
    static const char *const root[] = { "" };
    const struct run_context *c = &run->state.context;
    bool is_first = run->state.turn == 0;
    struct context_ask ask = {
        .loop = run->loop,
        .channel = box_channel(&run->box),
        .root = run->spec->sandbox.root,
        .folders = is_first ? root : (const char *const *) c->touched,
        .count = is_first ? 1 : c->touched_count,
        .wants_agents = run->spec->agents_md,
        .wants_tree = is_first && run->spec->file_tree,
        .agents_max = CONTEXT_AGENTS_MAX - run_state_told_bytes(&run->state),
    };
    struct err err = { 0 };

    if (!ask.channel)
        drive_sandbox_suspect(run);
    else if (context_look_start(&ask, on_found, run, &run->look, &err) < 0)
        run_break(run, &err);
}

void drive_context_cancel(struct run *run)
{
    context_look_free(TAKE_PTR(run->look));
}
