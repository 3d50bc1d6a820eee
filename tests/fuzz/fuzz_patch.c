/* SPDX-License-Identifier: MIT */
/* Any bytes as a patch, and, behind a NUL, as the file that all of its paths are. */
#include "tests/fuzz/fuzz.h"

#include "core/tool/patch_plan.h"

#include <stdlib.h>
#include <string.h>

static void must(bool claim)
{
    if (!claim)
        abort();
}

static void check_paths(const struct patch_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const char *path = plan->files[i].path;

        must(path[0] && path[0] != '/' && !strstr(path, "//") && strcmp(path, "..") != 0);
        must(strncmp(path, "../", 3) != 0 && !strstr(path, "/../") && path[strlen(path) - 1] != '/');
    }
}

static void check_result(const struct patch_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct patch_file *f = &plan->files[i];

        must(f->step != PATCH_WRITE || f->exists);
        must(f->step != PATCH_REMOVE || !f->exists);
        if (f->step == PATCH_WRITE && f->now.len > 0 &&
            !span_equal(buf_span(&f->now), buf_span(&f->before)) && !f->is_moved_here)
            must(f->now.data[f->now.len - 1] == '\n');
    }
}

static void run(const struct patch *patch, struct span file)
{
    struct patch_plan plan;
    struct err err = { 0 };

    if (patch_plan_init(&plan, patch, "/workspace", &err) == 0) {
        check_paths(&plan);
        for (size_t i = 0; i < plan.count; i++) {
            plan.files[i].was = i % 4 == 3 ? PATCH_ABSENT : PATCH_FILE;
            plan.files[i].has_contents = plan.files[i].was == PATCH_FILE;
            if (plan.files[i].has_contents)
                (void) buf_add_span(&plan.files[i].before, file);
        }
        if (patch_plan_run(&plan, &err) == 0)
            check_result(&plan);
        else
            must(err.text[0]);
    }
    patch_plan_done(&plan);
}

static void check_operation(enum patch_kind kind, struct span text, struct span file)
{
    struct patch patch;

    patch_init(&patch);
    if (patch_add_operation(&patch, kind, span_of("f"), text, NULL) == 0)
        run(&patch, file);
    patch_done(&patch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    struct span text = span_make(data, nul ? (size_t) (nul - data) : size);
    struct span file = nul ? span_make(nul + 1, size - text.len - 1) : span_make("a\nb\n", 4);
    struct patch patch;

    if (size > 1 << 16)
        return 0;
    patch_init(&patch);
    if (patch_parse(&patch, text, NULL) == 0)
        run(&patch, file);
    patch_done(&patch);
    check_operation(PATCH_ADD, text, file);
    check_operation(PATCH_UPDATE, text, file);
    return 0;
}
