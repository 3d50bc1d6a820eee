/* SPDX-License-Identifier: MIT */
/* What a journal says a patch was about to do; what can be read is written the same again. */
#include "tests/fuzz/fuzz.h"

#include "core/tool/patch_intent.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT(16 << 20);
    struct buf one = BUF_INIT(8 << 20), two = BUF_INIT(8 << 20);
    struct patch_intent intent;

    if (size < 1 << 16 && patch_intent_decode(span_make(data, size), &arena, &intent, NULL) == 0) {
        if (patch_intent_encode(&intent, &one, NULL) < 0 ||
            patch_intent_decode(buf_span(&one), &arena, &intent, NULL) < 0 ||
            patch_intent_encode(&intent, &two, NULL) < 0 || !span_equal(buf_span(&one), buf_span(&two)))
            abort();
    }
    buf_done(&one);
    buf_done(&two);
    arena_done(&arena);
    return 0;
}
