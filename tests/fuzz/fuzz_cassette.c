/* SPDX-License-Identifier: MIT */
/* Any line of a cassette is refused or makes sense. */
#include "tests/fuzz/fuzz.h"

#include "core/model/cassette.h"

#include <assert.h>

static void check_line(struct span line)
{
    struct arena arena = ARENA_INIT((size_t) 64 << 20);
    struct cassette_line l;
    struct err err;
    int r = cassette_decode(line, &arena, &l, &err);

    if (r == 0) {
        assert(l.kind <= CASSETTE_END);
        assert(l.text.len <= line.len && (l.text.len == 0 || l.text.ptr));
        assert(!l.value || l.kind == CASSETTE_EVENT || l.kind == CASSETTE_BODY);
    } else {
        assert(err.code == ERR_INVALID || err.code == ERR_TOO_LARGE);
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *eol;

    while (size > 0) {
        eol = memchr(data, '\n', size);
        check_line(span_make(data, eol ? (size_t) (eol - data) : size));
        size -= eol ? (size_t) (eol - data) + 1 : size;
        data = eol ? eol + 1 : data;
    }
    return 0;
}
