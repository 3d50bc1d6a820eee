/* SPDX-License-Identifier: MIT */
/* What an engine says of containers, images and volumes, as JSON: read by everything that judges it. */
#include "core/base/json.h"
#include "oci/blueprint.h"
#include "oci/sweep.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool nobody(const char *run)
{
    return strlen(run) > 1000;
}

static void judge_container(const struct tree *tree)
{
    static const struct sandbox_spec spec = { .image = "x:1",
                                              .uid = 7,
                                              .gid = 8,
                                              .memory_bytes = 1 << 28,
                                              .nano_cpus = 1000000000,
                                              .pids = 9,
                                              .tmp_bytes = 1 << 20,
                                              .runtime = "default",
                                              .seccomp = "default",
                                              .root = "/workspace",
                                              .size_bytes = 1 << 20 };
    const struct docker_identity id = { "r1", "n", "0", 1, 0 };
    const struct docker_guest guest = { NULL, "d1", "amd64" };
    struct lockdown_evidence evidence = { .inspect = tree };
    struct sandbox_row rows[LOCKDOWN_ROWS];
    struct blueprint b;
    struct err err;
    int r = blueprint_init(&b, &spec, &id, &guest, &err);

    assert(r == 0);
    r = blueprint_check_left(&b, tree, ID, &err);
    assert(r == 0 || r == -ERR_NOT_FOUND || r == -ERR_CONFLICT || r == -ERR_ENGINE);
    assert(r < 0 || blueprint_is_ours(&b, tree));
    r = blueprint_adopt(&b, tree, &err);
    assert(r == 0 || r == -ERR_INTERNAL);
    lockdown_ask(&b.lockdown, rows);
    r = lockdown_verify(&b.lockdown, &evidence, rows, &err);
    assert(r == -ERR_POLICY); /* nothing comes from inside */
    blueprint_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sweep_options options = { .flags = SWEEP_DEAD | SWEEP_GUESTS,
                                           .is_held = nobody,
                                           .now_s = 2000 };
    struct arena arena = ARENA_INIT(1 << 24);
    const struct tree *tree = NULL;
    struct sweep_item item;
    struct image image;
    struct err err;

    if (json_parse(span_make(data, size), &arena, &tree, &err) == 0) {
        judge_container(tree);
        for (int kind = SWEEP_CONTAINER; kind <= SWEEP_GUEST_VOLUME; kind++)
            if (sweep_judge((enum sweep_kind) kind, tree, &options, &item))
                assert(*item.id && !strchr(item.id, '/') && !strchr(item.id, '?'));
        (void) image_decode(tree, &arena, &image, &err);
    }
    arena_done(&arena);
    return 0;
}
