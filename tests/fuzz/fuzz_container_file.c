/* SPDX-License-Identifier: MIT */
/* Any bytes as a registry of tools, and as the tool.yaml of a tool: what is taken is whole. */
#include "core/base/json_schema.h"
#include "manifest/document.h"
#include "manifest/library.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

static void registry(struct span text, struct diags *diags)
{
    struct arena arena = ARENA_INIT(96 * 1024 * 1024);
    struct manifest_registry ret = { 0 };
    struct err err = { 0 };
    int r = document_decode("registry.yaml", text, &manifest_registry_table, &ret, &arena, diags, &err);

    if (r == 0 && diags->count + diags->dropped == 0) {
        assert(ret.version == 1 && ret.count > 0);
        for (size_t i = 0; i < ret.count; i++)
            assert(container_is_name(ret.tools[i].name) && ret.tools[i].command_count > 0 &&
                   ret.tools[i].side.image);
    }
    arena_done(&arena);
}

static void tool(struct span text, struct diags *diags)
{
    const struct bundle_file file = { LIBRARY_FILE, text, false };
    struct arena arena = ARENA_INIT(96 * 1024 * 1024);
    struct manifest_container ret = { 0 };
    struct bundle files;
    struct err err = { 0 };

    bundle_init(&files);
    if (bundle_add(&files, &file, NULL) == 0) {
        bundle_seal(&files);
        if (library_decode(&files, &arena, diags, &ret, &err) == 0)
            assert(container_is_name(ret.name) && ret.test_count > 0 && !ret.parameters.file);
        else
            assert(err.text[0]);
    }
    bundle_done(&files);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make(size ? (const char *) data : "", size);
    struct diags *diags = malloc(sizeof(*diags));

    assert(diags);
    diags_init(diags);
    registry(text, diags);
    diags_done(diags);
    diags_init(diags);
    tool(text, diags);
    diags_done(diags);
    free(diags);
    return 0;
}
