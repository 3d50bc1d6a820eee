/* SPDX-License-Identifier: MIT */
/* A pattern, a NUL, a path; and what must hold of any path. */
#include "tests/fuzz/fuzz.h"

#include "core/tool/glob.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    struct span pattern = span_make(data, nul ? (size_t) (nul - data) : size);
    struct span path = nul ? span_make(nul + 1, size - pattern.len - 1) : span_make("a/b.c", 5);

    if (size > 4096)
        return 0;
    (void) glob_match(pattern, path);
    if (!glob_match(span_of("**"), path))
        abort();
    return 0;
}
