/* SPDX-License-Identifier: MIT */
/* Decoder of the engine's multiplexed attach stream. */
#include "oci/attach.h"

#include <assert.h>

static int read_head(struct attach_decoder *d, struct err *err)
{
    const uint8_t *h = d->head;
    uint32_t len = (uint32_t) h[4] << 24 | (uint32_t) h[5] << 16 | (uint32_t) h[6] << 8 | h[7];

    /* 0 is an echo of stdin, which only comes with a TTY; 3 is the engine's own error text. */
    if (h[0] < 1 || h[0] > 3 || h[1] || h[2] || h[3])
        return err_set(err, ERR_PROTOCOL,
                       "the engine's attach stream holds a head that is none: %02x %02x %02x %02x", h[0],
                       h[1], h[2], h[3]);
    if (len > ATTACH_CHUNK_MAX)
        return err_set(err, ERR_PROTOCOL, "the engine's attach stream announces a chunk of %u bytes", len);
    d->fd = h[0] == 1 ? 1 : 2;
    d->left = len;
    d->head_len = 0;
    return 0;
}

ssize_t attach_decode(struct attach_decoder *d, struct span in, struct attach_piece *ret, struct err *err)
{
    size_t used = 0, take;
    int r;

    assert(in.len > 0);
    *ret = (struct attach_piece){ 0 };
    if (d->left == 0) {
        while (used < in.len && d->head_len < sizeof(d->head))
            d->head[d->head_len++] = (uint8_t) in.ptr[used++];
        if (d->head_len < sizeof(d->head))
            return (ssize_t) used;
        r = read_head(d, err);
        if (r < 0)
            return r;
    }
    take = in.len - used < d->left ? in.len - used : d->left;
    d->left -= (uint32_t) take;
    *ret = (struct attach_piece){ d->fd, span_make(in.ptr + used, take) };
    return (ssize_t) (used + take);
}

bool attach_is_between(const struct attach_decoder *d)
{
    return d->left == 0 && d->head_len == 0;
}
