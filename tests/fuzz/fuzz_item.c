/* SPDX-License-Identifier: MIT */
/* What goes back of an item is valid JSON again, without the members that must not go back, and
 * going back twice changes nothing more. */
#include "tests/fuzz/fuzz.h"

#include "core/base/json.h"
#include "core/model/item.h"

#include <assert.h>

#define TREE_MAX ((size_t) 64 << 20)

static void check_replayed(struct span out)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *item, *status;

    assert(json_parse(out, &arena, &item, NULL) == 0);
    status = tree_get(item, "status");
    assert(!tree_get(item, "created_by"));
    assert(!status || status->kind != TREE_NULL);
    arena_done(&arena);
}

/* Escaped names ("created\u005fby") are only seen when the item is parsed; raw ones always are. */
static bool has_escapes(struct span s)
{
    return memchr(s.ptr, '\\', s.len) != NULL;
}

static void replay(struct span raw, bool strip)
{
    struct buf first = BUF_INIT(TREE_MAX), second = BUF_INIT(TREE_MAX);
    struct span once, twice;

    assert(item_replay(raw, strip, &first, &once, NULL) == 0);
    assert(strip || !item_is_sent_whole(raw) || span_equal(once, raw));
    if (once.len > 0 && !has_escapes(raw)) {
        check_replayed(once);
        assert(item_replay(once, strip, &second, &twice, NULL) == 0);
        assert(span_equal(once, twice));
    }
    buf_done(&first);
    buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct span raw = span_make(data, size);
    struct buf text = BUF_INIT(TREE_MAX);
    const struct tree *item;
    struct item_view view;
    bool is_object = json_parse(raw, &arena, &item, NULL) == 0 && item->kind == TREE_OBJECT;

    if (is_object)
        raw = item->raw;
    if (item_inspect(raw, &view, &text, NULL) == 0)
        assert(is_object && view.type[0] && (view.kind != ITEM_CALL || view.call_id[0]));
    if (is_object) {
        replay(raw, false);
        replay(raw, true);
    }
    arena_done(&arena);
    buf_done(&text);
    return 0;
}
