/* SPDX-License-Identifier: MIT */
/* Whatever parses keeps its source bytes, and survives being written and parsed again. */
#include "tests/fuzz/fuzz.h"

#include "core/base/json.h"
#include "core/base/utf8.h"

#include <stdlib.h>

#define MEMORY_MAX ((size_t) 64 << 20)

static void must(bool claim)
{
    if (!claim)
        abort();
}

static bool is_same(const struct tree *a, const struct tree *b)
{
    const struct tree *y = b->child;

    if (a->kind != b->kind || a->is_true != b->is_true || a->count != b->count ||
        !span_equal(a->key, b->key) || !span_equal(a->text, b->text))
        return false;
    tree_each (x, a) {
        if (!y || !is_same(x, y))
            return false;
        y = y->next;
    }
    return y == NULL;
}

/* The source bytes of every scalar, parsed alone, are that scalar. (Of containers only the bounds are
 * checked: parsing each again would take quadratic time.) */
static void check_node(const struct tree *node, struct span text)
{
    must(node->raw.len > 0 && node->raw.ptr >= text.ptr &&
         node->raw.ptr + node->raw.len <= text.ptr + text.len);
    must(node->pos.line > 0 && node->pos.column > 0);
    must(utf8_valid(node->text) == node->text.len && utf8_valid(node->key) == node->key.len);
    must(tree_int(node, 1) == tree_int(node, 1));
    (void) tree_double(node, 0);
    if (node->kind == TREE_OBJECT)
        must(node->raw.ptr[0] == '{' && node->raw.ptr[node->raw.len - 1] == '}');
    if (node->kind == TREE_ARRAY)
        must(node->raw.ptr[0] == '[' && node->raw.ptr[node->raw.len - 1] == ']');
    if (!node->child && node->raw.len < 64) {
        struct arena arena = ARENA_INIT(MEMORY_MAX);
        const struct tree *again = NULL;

        must(json_parse(node->raw, &arena, &again, NULL) == 0);
        must(again->kind == node->kind && span_equal(again->text, node->text) &&
             again->is_true == node->is_true);
        arena_done(&arena);
    }
    tree_each (child, node)
        check_node(child, text);
}

static void check_written(const struct tree *t, bool is_pretty)
{
    struct arena arena = ARENA_INIT(2 * MEMORY_MAX);
    struct buf out = BUF_INIT(MEMORY_MAX);
    const struct tree *again = NULL;
    struct json_writer w;

    json_begin(&w, &out);
    w.is_pretty = is_pretty;
    json_tree(&w, t);
    must(json_end(&w, NULL) == 0);
    must(json_parse(buf_span(&out), &arena, &again, NULL) == 0);
    must(is_same(t, again));
    buf_done(&out);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make(data, size);
    struct arena arena = ARENA_INIT(MEMORY_MAX);
    const struct tree *t = NULL;
    struct err err = { 0 };
    int r = json_parse(text, &arena, &t, &err);

    if (r == 0) {
        check_node(t, text);
        check_written(t, false);
        check_written(t, true);
    } else {
        must(err.text[0] != '\0' && r == -(int) err.code);
    }
    arena_done(&arena);
    return 0;
}
