/* SPDX-License-Identifier: MIT */
/* Texts of an answer are never longer than what they are taken from, but for the words that are put in for
 * outcomes. */
#include "tests/fuzz/fuzz.h"

#include "core/run/replay.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct replay_call call = { .answer = span_make(data, size), .outcome = "ok" };
    struct buf out = BUF_INIT(16 * size + 64);

    if (replay_answer_text(&call, &out, NULL) == 0 && out.len > 0)
        assert(out.data[out.len - 1] == '\n' || out.len == out.max);
    buf_done(&out);
    return 0;
}
