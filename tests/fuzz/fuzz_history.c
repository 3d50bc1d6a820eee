/* SPDX-License-Identifier: MIT */
/* Whatever a conversation went through, what is sent of it is whole: see history.h. The same bytes as an
 * item: what it is bound to, and as a summary. */
#include "tests/fuzz/fuzz.h"

#include "tests/fuzz/history.h"

#include "core/model/item.h"

#include <assert.h>

static void check_item(struct span raw)
{
    struct buf item = BUF_INIT(4 << 20), text = BUF_INIT(4 << 20);
    struct item_bond bond;

    item_bond_of(raw, &bond);
    assert((bond.id[0] != '\0') == (bond.kind == ITEM_BOND_OPENS || bond.kind == ITEM_BOND_CLOSES));
    if (!conversation_judge_summary(raw, SIZE_MAX)) {
        assert(conversation_put_summary(&item, raw, NULL) == 0);
        assert(conversation_read_summary(buf_span(&item), &text, NULL) == 0);
        assert(text.len > 0);
    }
    buf_done(&item);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *wrong = size > 0 ? history_check(data, size, 0) : NULL;

    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    assert(!wrong);
    check_item(span_make(data, size));
    return 0;
}
