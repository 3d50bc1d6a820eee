/* SPDX-License-Identifier: MIT */
/* What a container tool says: a byte for how it ended, one for where stderr begins, the rest are its words.
 * And the same bytes as a stored result. */
#include "core/base/json.h"
#include "core/base/utf8.h"
#include "core/tool/container_result.h"
#include "core/tool/result_cache.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

static void stored(struct span file)
{
    char run[RESULTS_RUN_MAX];
    struct span body;

    if (result_cache_decode(file, &body, run))
        assert(body.len < file.len && strlen(run) < RESULTS_RUN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sandbox_spec sandbox = { .root = "/workspace", .memory_bytes = 1 << 20 };
    const struct tool_container tool = { .sandbox = &sandbox };
    size_t split = size > 2 ? (size - 2) * data[1] / 256 : 0;
    const struct exec_result exec = { .end = size > 0 ? (enum exec_end)(data[0] % EXEC_LOST) : EXEC_EXITED,
                                      .code = size > 0 && data[0] & 0x80 ? 1 : 0,
                                      .memory_hit = size > 0 && data[0] & 0x40,
                                      .text = "why" };
    struct buf text = BUF_INIT(2 * CONTAINER_RESULT_MAX);
    char summary[CONTAINER_SUMMARY_MAX];
    struct capture words;

    stored(span_make(data, size));
    assert(capture_init(&words, CONTAINER_WORDS_MAX) == 0);
    if (size > 2)
        capture_add(&words, span_make(data + 2 + split, size - 2 - split), 0);
    const struct container_done done = { .exec = &exec,
                                         .out = size > 2 ? span_make(data + 2, split) : span_of(""),
                                         .words = &words };

    if (container_result(&tool, &done, 1000, &text, summary)) {
        struct arena arena = ARENA_INIT(64 * 1024 * 1024);
        const struct tree *tree = NULL;

        assert(exec.end == EXEC_EXITED && exec.code == 0 && !exec.memory_hit);
        assert(json_parse(buf_span(&text), &arena, &tree, NULL) == 0);
        arena_done(&arena);
    } else {
        assert(text.len > 0 && text.len < 16 * 1024);
    }
    assert(summary[0] && strlen(summary) < CONTAINER_SUMMARY_MAX && utf8_valid(buf_span(&text)) == text.len &&
           utf8_valid(span_of(summary)) == strlen(summary));
    capture_done(&words);
    buf_done(&text);
    return 0;
}
