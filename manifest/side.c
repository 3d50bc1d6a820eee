/* SPDX-License-Identifier: MIT */
#include "manifest/side.h"

#include "manifest/load_impl.h"

void side_load(struct loader *l, struct manifest_side *side)
{
    for (size_t i = 0; i < side->network.rule_count; i++)
        load_secret(l, &side->network.rules[i].inject.value);
}

bool side_fill(struct loader *l, const char *name, const struct manifest_side *from, struct run_side *ret)
{
    struct sandbox_spec *s = &ret->sandbox;

    ret->name = arena_text(l->arena, name);
    *s = l->spec->sandbox;
    s->image = from->image ? from->image : s->image;
    s->memory_bytes = from->memory_bytes;
    s->nano_cpus = (int64_t) (from->cpus * 1e9 + 0.5);
    s->pids = from->pids;
    s->tmp_bytes = from->tmp_bytes;
    s->keep = SANDBOX_KEEP_NEVER;
    s->root = SANDBOX_SIDE_ROOT;
    s->storage = SANDBOX_STORAGE_MEMORY;
    s->size_bytes = from->size_bytes;
    s->mounts = NULL;
    s->mount_count = 0;
    if (!ret->name || !load_fill_environment(l, &from->environment, &from->network, s) ||
        !network_fill(&from->network, load_secret_ref, l->arena, &ret->network))
        return false;
    ret->network.run_ms = l->spec->life_ms;
    return true;
}
