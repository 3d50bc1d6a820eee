/* SPDX-License-Identifier: MIT */
#include "core/run/drive_agent_stray.h"

#include "core/run/driver_impl.h"

#include <stdlib.h>
#include <string.h>

struct agent_stray {
    struct sandbox *sb;
    struct sandbox_order order;
    char part[DRIVE_PART_SIZE];
    char *container_id, *container_name;
    struct loop *loop;
    struct loop_source *soon;
    loop_fn *fn;
    void *data;
};

bool agent_stray_is(const struct run_state *s)
{
    return s->container_id && !s->is_removed && !s->is_kept;
}

static void tell(void *data)
{
    struct agent_stray *stray = data;

    stray->fn(stray->data);
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct agent_stray *stray = data;
    struct err why;

    if (loop_defer(stray->loop, tell, stray, &stray->soon, &why) < 0)
        tell(stray);
}

static void on_step(void *data, const char *step, const char *text)
{
}

static void on_intent(void *data, const struct sandbox_info *info)
{
}

/* Whether it could be taken over or not. */
static void on_ready(void *data, int result, const struct err *err)
{
    struct agent_stray *stray = data;

    if (sandbox_remove(stray->sb, on_removed, stray, NULL) < 0)
        on_removed(stray, 0, NULL);
}

static void on_lost(void *data, const struct err *err)
{
}

static const struct sandbox_events events = { on_step, on_intent, on_ready, on_lost, NULL };

int agent_stray_remove(struct run *up, const struct run_spec *spec, const struct run_folder *folder,
                       const struct run_state *s, loop_fn *fn, void *data, struct agent_stray **ret,
                       struct err *err)
{
    struct agent_stray *stray = calloc(1, sizeof(*stray));
    struct sandbox_known known = { .guest_boot = s->guest_boot ? strtoull(s->guest_boot, NULL, 16) : 0 };
    int r;

    if (!stray)
        return err_set(err, ERR_INTERNAL, "no memory for a sandbox");
    stray->loop = up->loop;
    stray->fn = fn;
    stray->data = data;
    drive_part_of(folder->id, stray->part);
    stray->order = (struct sandbox_order){ .spec = &spec->sandbox,
                                           .run_id = up->root_id,
                                           .name = spec->name,
                                           .part = stray->part,
                                           .attempt = (int) s->attempt };
    known.container_id = stray->container_id = strdup(s->container_id);
    known.container_name = stray->container_name = strdup(s->container_name ? s->container_name : "");
    r = known.container_id && known.container_name
            ? up->maker->make(up->maker->data, &stray->order, &stray->sb, err)
            : err_set(err, ERR_INTERNAL, "no memory for a sandbox");
    if (r == 0)
        r = sandbox_attach(stray->sb, &known, &events, stray, err);
    if (r < 0)
        agent_stray_free(stray);
    else
        *ret = stray;
    return r;
}

void agent_stray_free(struct agent_stray *stray)
{
    if (!stray)
        return;
    loop_source_free(stray->soon);
    sandbox_free(stray->sb);
    free(stray->container_id);
    free(stray->container_name);
    free(stray);
}
