/* SPDX-License-Identifier: MIT */
/* Any bytes as YAML: a tree within its bounds, or problems that can be shown. */
#include "core/base/utf8.h"
#include "manifest/yaml.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

/* Levels, and that counts and texts are what they say. */
static int check(const struct tree *node, size_t *nodes)
{
    uint32_t count = 0;
    int depth = 0;

    assert(++*nodes <= YAML_NODES_MAX);
    assert(!node->text.ptr || node->text.ptr[node->text.len] == '\0');
    assert(utf8_valid(node->text) == node->text.len);
    tree_each (item, node) {
        int below = check(item, nodes);

        depth = below > depth ? below : depth;
        count++;
    }
    assert(count == node->count);
    return depth + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT(64 * 1024 * 1024);
    struct diags *diags = calloc(1, sizeof(*diags));
    struct buf said = BUF_INIT(4 * 1024 * 1024);
    struct tree *root = NULL;
    size_t nodes = 0;
    int r;

    assert(diags);
    diags_init(diags);
    r = diags_source(diags, "fuzz", span_make(data, size));
    if (r == 0)
        r = yaml_parse(span_make(data, size), &arena, diags, &root, NULL);
    assert(r == 0 || r == -ERR_MANIFEST || r == -ERR_INTERNAL);
    assert(r != -ERR_MANIFEST || diags->count > 0);
    if (r == 0)
        assert(check(root, &nodes) <= YAML_DEPTH_MAX + 1);
    diags_render(diags, &said);
    assert(utf8_valid(buf_span(&said)) == said.len);
    buf_done(&said);
    diags_done(diags);
    free(diags);
    arena_done(&arena);
    return 0;
}
