/* SPDX-License-Identifier: MIT */
/* An item of a tool of the server's: its line for people, and the images in it. */
#include "tests/fuzz/fuzz.h"

#include "core/base/json.h"
#include "core/tool/hosted.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT((size_t) 64 << 20);
    struct buf bytes = BUF_INIT(1 << 20);
    const struct tree *item;
    const char *suffix = NULL;
    char title[128];

    if (json_parse(span_make(data, size), &arena, &item, NULL) == 0) {
        if (hosted_find(item)) {
            hosted_title(item, title, sizeof(title));
            assert(strlen(title) < sizeof(title));
        }
        for (size_t i = 0; i < 100; i++) {
            int r = hosted_image(item, i, &bytes, &suffix, NULL);

            assert(r != 1 || (bytes.len > 0 && suffix && suffix[0] == '.'));
            if (r == 0)
                break;
        }
    }
    buf_done(&bytes);
    arena_done(&arena);
    return 0;
}
