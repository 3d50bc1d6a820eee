/* SPDX-License-Identifier: MIT */
#include "core/run/drive_agent_share.h"

#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"

#include <stdlib.h>

struct share {
    struct sandbox sb; /* first */
    struct run *up;    /* not after run_take_sandbox(): it goes first */
    struct loop *loop; /* outlives it */
    struct loop_source *soon;
    sandbox_removed_fn *on_removed;
    void *data;
};

static void share_info(const struct sandbox *sb, struct sandbox_info *ret)
{
    const struct run *up = ((const struct share *) sb)->up;

    *ret = (struct sandbox_info){ .backend = "", .image = "", .container_id = "", .container_name = "" };
    if (up->box.sb)
        sandbox_info(up->box.sb, ret);
}

static struct channel *share_channel(struct sandbox *sb)
{
    const struct run *up = ((struct share *) sb)->up;

    return up->box.sb ? sandbox_channel(up->box.sb) : NULL;
}

static void tell_intent(void *data)
{
    struct share *s = data;
    struct sandbox_info info;

    loop_source_free(TAKE_PTR(s->soon));
    share_info(&s->sb, &info);
    s->sb.events->on_intent(s->sb.events_data, &info);
}

static void tell_ready(void *data)
{
    struct share *s = data;
    struct err err = { 0 };
    int r = share_channel(&s->sb) ? 0 : err_set(&err, ERR_ENGINE, "the sandbox is gone");

    loop_source_free(TAKE_PTR(s->soon));
    s->sb.events->on_ready(s->sb.events_data, r, r < 0 ? &err : NULL);
}

static void tell_removed(void *data)
{
    struct share *s = data;

    loop_source_free(TAKE_PTR(s->soon));
    if (s->on_removed)
        s->on_removed(s->data, 0, NULL);
}

static int later(struct share *s, loop_fn *fn, struct err *err)
{
    loop_source_free(TAKE_PTR(s->soon));
    return loop_defer(s->loop, fn, s, &s->soon, err);
}

static int share_start(struct sandbox *sb, struct err *err)
{
    return later((struct share *) sb, tell_intent, err);
}

static int share_proceed(struct sandbox *sb, struct err *err)
{
    return later((struct share *) sb, tell_ready, err);
}

static int share_attach(struct sandbox *sb, const struct sandbox_known *known, struct err *err)
{
    return later((struct share *) sb, tell_ready, err);
}

static int share_remove(struct sandbox *sb, sandbox_removed_fn *fn, void *data, struct err *err)
{
    struct share *s = (struct share *) sb;

    s->on_removed = fn;
    s->data = data;
    return later(s, tell_removed, err);
}

static void share_free(struct sandbox *sb)
{
    loop_source_free(((struct share *) sb)->soon);
    free(sb);
}

static const struct sandbox_ops share_ops = { "shared",   share_start,   share_proceed, share_attach,
                                              share_info, share_channel, share_remove,  share_free };

static int make(void *data, const struct sandbox_order *order, struct sandbox **ret, struct err *err)
{
    const struct agent_share *share = data;
    const struct sandbox_maker *others = share->up->maker;
    struct share *s;

    if (order->spec != share->own)
        return others->make(others->data, order, ret, err);
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_INTERNAL, "no memory for a sandbox");
    s->sb.ops = &share_ops;
    s->up = share->up;
    s->loop = share->up->loop;
    *ret = &s->sb;
    return 0;
}

void agent_share_init(struct agent_share *share, struct run *up, const struct sandbox_spec *own)
{
    *share = (struct agent_share){ { make, share }, up, own };
}
