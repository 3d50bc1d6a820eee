/* SPDX-License-Identifier: MIT */
/*
 * A statement that somebody hands in beside one of ours. What stands before the first NUL byte is theirs,
 * what follows is ours, which may be anything here too. The same is the same, and whatever differs has a
 * place and words.
 */
#include "core/base/err.h"
#include "core/run/statement.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void compare(struct span theirs, struct span ours)
{
    struct statement_difference d;
    struct err err = { 0 };
    int r = statement_compare(theirs, ours, &d, &err);

    must(r == 0 || r == 1 || r == -ERR_INTERNAL);
    must((r == 0) == span_equal(theirs, ours));
    if (r == 1) {
        must(d.text[0] && memchr(d.text, '\0', sizeof(d.text)));
        must(d.offset >= 0 && (size_t) d.offset <= theirs.len && (size_t) d.offset <= ours.len);
        must(memcmp(theirs.ptr ? theirs.ptr : "", ours.ptr ? ours.ptr : "", (size_t) d.offset) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t len = nul ? (size_t) (nul - data) : size;
    struct span theirs = span_make(data, len);
    struct span ours =
        nul ? span_make(nul + 1, size - len - 1) : span_of("{\"_type\":[1,{\"a\":\"b\"},null]}");

    compare(theirs, ours);
    compare(ours, theirs);
    compare(theirs, theirs);
    return 0;
}
