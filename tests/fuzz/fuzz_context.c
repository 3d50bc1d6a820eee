/* SPDX-License-Identifier: MIT */
/* Any bytes as AGENTS.md and as names of files: nothing that is obeyed gets through, nothing ends the
 * quotation. */
#include "core/base/glyph.h"
#include "core/base/utf8.h"
#include "core/run/context_text.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t count_of(const char *text, const char *mark)
{
    size_t count = 0;

    while ((text = strstr(text, mark)) != NULL) {
        text++;
        count++;
    }
    return count;
}

static void check(const struct buf *out)
{
    struct span rest = buf_span(out);

    assert(utf8_valid(rest) == rest.len && strlen(buf_text(out)) == rest.len);
    for (size_t used; rest.len > 0; rest = span_make(rest.ptr + used, rest.len - used)) {
        uint32_t c = glyph_next(rest, &used);

        assert(c == '\n' || c == '\t' || !glyph_is_unsafe(c));
    }
}

/* The first byte says how much may be told; the rest is the file, and each line of it a name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = BUF_INIT(1024 * 1024), tree_text = BUF_INIT(1024 * 1024);
    struct context_entry entries[64] = { 0 };
    struct context_tree tree = { .entries = entries };
    struct span text = size > 0 ? span_make(data + 1, size - 1) : span_make(data, 0);
    size_t max = size > 0 ? 16 * (size_t) data[0] : 0, told;
    bool is_cut;

    if (size > 65536)
        return 0;
    told = context_add_agents(&out, "/w", "a", text, max, NULL, &is_cut);
    assert(told <= max);
    check(&out);
    assert(count_of(buf_text(&out), "</INSTRUCTIONS>") == (max >= 2));
    for (size_t at = 0; at < text.len && tree.count < 64;) {
        const char *eol = memchr(text.ptr + at, '\n', text.len - at);
        size_t len = eol ? (size_t) (eol - text.ptr) - at : text.len - at;

        if (len > 0 && !memchr(text.ptr + at, '\0', len)) {
            entries[tree.count].is_folder = len % 3 == 0;
            entries[tree.count++].path = strndup(text.ptr + at, len);
        }
        at += len + 1;
    }
    qsort(entries, tree.count, sizeof(entries[0]), context_tree_compare);
    assert(context_add_tree(&tree_text, "/w", &tree) <= tree.count);
    check(&tree_text);
    assert(count_of(buf_text(&tree_text), "</WORKSPACE_FILES>") == (tree.count > 0));
    assert(tree_text.len <= CONTEXT_TREE_BYTES + 256);
    for (size_t i = 0; i < tree.count; i++)
        free(entries[i].path);
    buf_done(&out);
    buf_done(&tree_text);
    return 0;
}
