/* SPDX-License-Identifier: MIT */
/*
 * A line of a list of files. What is taken is what would be written: so no two texts say the same, and no
 * name can be more than a name.
 */
#include "core/run/output_digest.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf name = BUF_INIT(1 << 16), again = BUF_INIT(1 << 17);
    struct output_digest_file file;
    char sha256[DIGEST_HEX];

    if (output_list_line(span_make(data, size), sha256, &name, NULL) == 0) {
        must(strlen(sha256) == DIGEST_HEX - 1 && name.len > 0 && strlen(name.data) == name.len);
        file = (struct output_digest_file){ name.data, sha256 };
        must(output_list(&file, 1, &again) == 0);
        must(again.len == size + 1 && memcmp(again.data, data, size) == 0);
    }
    buf_done(&name);
    buf_done(&again);
    return 0;
}
