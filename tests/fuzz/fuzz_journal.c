/* SPDX-License-Identifier: MIT */
/* Journal lines: the chain, the records, and the state they are folded into. */
#include "core/run/decide.h"
#include "core/run/journal.h"
#include "core/run/snapshot.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Once as it is, and once line by line with the chain made to fit, so that what lies behind it is reached. */
static void fold(struct span rest, bool mend)
{
    struct run_spec spec = { .limits = { 3, 3, 1000, 1000, 1000, 1000, 1000, 2 } };
    struct journal_chain chain;
    struct run_state s;
    ssize_t n = 1;

    run_state_init(&s);
    journal_chain_init(&chain);
    while (rest.len && n > 0) {
        struct arena arena = ARENA_INIT(1 << 26);
        struct record rec;

        if (mend) {
            const char *end = memchr(rest.ptr, '\n', rest.len);
            struct span line = span_make(rest.ptr, end ? (size_t) (end - rest.ptr) : rest.len);

            n = (ssize_t) line.len + 1;
            if (journal_peek(line, &arena, &rec, NULL) == 0)
                (void) run_apply(&s, &rec, NULL); /* may refuse */
            n = end ? n : 0;
        } else {
            n = journal_decode(rest, &chain, &arena, &rec, NULL);
            if (n > 0)
                (void) run_apply(&s, &rec, NULL);
        }
        (void) run_decide(&s, &spec, s.ms);
        arena_done(&arena);
        if (n > 0)
            rest = span_make(rest.ptr + n, rest.len - (size_t) n);
    }
    struct buf out = BUF_INIT(1 << 26);

    (void) run_state_encode(&s, &out, NULL);
    buf_done(&out);
    run_state_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fold(span_make(data, size), false);
    fold(span_make(data, size), true);
    return 0;
}
