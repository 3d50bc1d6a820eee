/* SPDX-License-Identifier: MIT */
/* The lines of a pull, cut where the first byte says. */
#include "oci/pull.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pull pull;
    struct err err;
    char text[96];
    int r = 0;

    if (size < 2)
        return 0;
    pull_init(&pull);
    for (size_t at = 1; at < size && r >= 0; at += (size_t) data[0] + 1) {
        size_t left = size - at;

        r = pull_feed(&pull, span_make(data + at, left < (size_t) data[0] + 1 ? left : (size_t) data[0] + 1),
                      &err);
    }
    if (r >= 0)
        r = pull_end(&pull, &err);
    assert(r == 0 || r == -ERR_ENGINE || r == -ERR_PROTOCOL || r == -ERR_TOO_LARGE);
    pull_text(&pull, text, sizeof(text));
    assert(memchr(text, '\0', sizeof(text)));
    pull_done(&pull);
    return 0;
}
