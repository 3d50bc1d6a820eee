/* SPDX-License-Identifier: MIT */
/* Tree records: complete, and on top of a base. What is accepted says the same when it is written again. */
#include "core/run/listing.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct listing *l)
{
    struct listing_text text = { 0 };
    struct buf again = BUF_INIT(1 << 26);
    struct listing_totals totals;
    struct listing same;
    char a[DIGEST_HEX], b[DIGEST_HEX];

    for (size_t i = 1; i < l->count; i++)
        assert(strcmp(l->entries[i - 1].path, l->entries[i].path) < 0);
    listing_totals(l, &totals);
    listing_digest(l, a);
    if (listing_encode(l, NULL, &text, &again, NULL) == 0) {
        int r = listing_decode(buf_span(&again), NULL, &same, NULL);

        assert(r == 0);
        (void) r;
        listing_digest(&same, b);
        assert(strcmp(a, b) == 0);
        listing_done(&same);
    }
    buf_done(&again);
}

static void make_base(struct listing *l)
{
    struct listing_entry e = { .path = "a", .kind = LISTING_DIR, .mode = 0755 };

    listing_init(l);
    (void) listing_put(l, &e, NULL); /* without memory there is nothing to find here */
    e.path = "old";
    (void) listing_put(l, &e, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span record = span_make(data, size);
    struct arena arena = ARENA_INIT(1 << 24);
    struct listing_text head;
    struct listing base, l;

    (void) listing_decode_head(record, &arena, &head, NULL); /* may refuse */
    arena_done(&arena);
    make_base(&base);
    if (listing_decode(record, NULL, &l, NULL) == 0) {
        check(&l);
        listing_done(&l);
    }
    if (listing_decode(record, &base, &l, NULL) == 0) {
        check(&l);
        listing_done(&l);
    }
    listing_done(&base);
    return 0;
}
