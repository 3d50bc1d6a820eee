/* SPDX-License-Identifier: MIT */
/* The attach stream: the same bytes give the same content however they are cut; the first byte says how. */
#include "oci/attach.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

struct sum {
    uint64_t bytes[3], mix[3];
    bool is_bad;
};

static void decode(const uint8_t *data, size_t size, size_t step, struct sum *ret)
{
    struct attach_decoder d = { 0 };
    struct attach_piece piece;

    memset(ret, 0, sizeof(*ret));
    for (size_t at = 0; at < size && !ret->is_bad; at += step) {
        struct span in = span_make(data + at, size - at < step ? size - at : step);

        while (in.len > 0) {
            ssize_t used = attach_decode(&d, in, &piece, NULL);

            if (used < 0) {
                ret->is_bad = true;
                break;
            }
            assert(used > 0 && (size_t) used <= in.len);
            for (size_t i = 0; i < piece.bytes.len; i++)
                ret->mix[piece.fd] = ret->mix[piece.fd] * 31 + (uint8_t) piece.bytes.ptr[i];
            ret->bytes[piece.fd] += piece.bytes.len;
            in = span_make(in.ptr + used, in.len - (size_t) used);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum whole, cut;

    if (size < 2)
        return 0;
    decode(data + 1, size - 1, size, &whole);
    decode(data + 1, size - 1, (size_t) data[0] + 1, &cut);
    assert(memcmp(&whole, &cut, sizeof(whole)) == 0);
    return 0;
}
