/* SPDX-License-Identifier: MIT */
#include "core/guest/sha256.h"

#include <stdbool.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

/* Round i, where the eight values have moved on by i places instead of being moved; w[i % 16] is made anew
 * from round 16 on. */
static inline __attribute__((always_inline)) void round_do(uint32_t v[8], uint32_t w[16], int i)
{
    uint32_t a = v[-i & 7], b = v[(1 - i) & 7], c = v[(2 - i) & 7];
    uint32_t e = v[(4 - i) & 7], f = v[(5 - i) & 7], g = v[(6 - i) & 7];
    uint32_t t;

    if (i >= 16) {
        uint32_t w1 = w[(i + 1) & 15], w14 = w[(i + 14) & 15];

        w[i & 15] += (rotr(w1, 7) ^ rotr(w1, 18) ^ (w1 >> 3)) + w[(i + 9) & 15] +
                     (rotr(w14, 17) ^ rotr(w14, 19) ^ (w14 >> 10));
    }
    t = v[(7 - i) & 7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + round_constants[i] +
        w[i & 15];
    v[(3 - i) & 7] += t;
    v[(7 - i) & 7] = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
}

static void blocks_plainly(uint32_t h[8], const uint8_t *p, size_t count)
{
    while (count-- > 0) {
        uint32_t w[16], v[8];

        for (int i = 0; i < 16; i++, p += 4)
            w[i] = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
        memcpy(v, h, sizeof(v));
#pragma GCC unroll 64
        for (int i = 0; i < 64; i++)
            round_do(v, w, i);
        for (int i = 0; i < 8; i++)
            h[i] += v[i];
    }
}

#ifdef __x86_64__
/* Processors with instructions for it are five to ten times as fast. */
__attribute__((target("sha,sse4.1"))) static void blocks_by_processor(uint32_t h[8], const uint8_t *p,
                                                                      size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *) (const void *) h), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *) (const void *) (h + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);

    for (; count > 0; count--, p += 64) {
        __m128i abef_before = abef, cdgh_before = cdgh, w[4];

#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* four rounds each */
            __m128i *now = &w[i & 3], k;

            if (i < 4)
                *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *) (const void *) (p + 16 * i)), swap);
            else
                *now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) & 3]),
                                                          _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4)),
                                            w[(i + 3) & 3]);
            k = _mm_add_epi32(
                *now, _mm_loadu_si128((const __m128i *) (const void *) (round_constants + (size_t) 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *) (void *) h, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *) (void *) (h + 4), _mm_alignr_epi8(high, low, 8));
}

static bool processor_can(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}
#else
static void blocks_by_processor(uint32_t h[8], const uint8_t *p, size_t count)
{
    blocks_plainly(h, p, count);
}

static bool processor_can(void)
{
    return false;
}
#endif

static void blocks(uint32_t h[8], const uint8_t *p, size_t count)
{
    static int can; /* 0: not known yet */

    if (can == 0)
        can = processor_can() ? 1 : -1;
    if (can > 0)
        blocks_by_processor(h, p, count);
    else
        blocks_plainly(h, p, count);
}

void sha256_init(struct sha256 *s)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

    memcpy(s->h, start, sizeof(start));
    s->len = 0;
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t at = s->len % 64;

    s->len += len;
    if (at > 0) {
        size_t n = len < 64 - at ? len : 64 - at;

        memcpy(s->block + at, p, n);
        p += n;
        len -= n;
        if (at + n < 64)
            return;
        blocks(s->h, s->block, 1);
    }
    blocks(s->h, p, len / 64);
    memcpy(s->block, p + len / 64 * 64, len % 64);
}

void sha256_end(struct sha256 *s, uint8_t ret[32])
{
    static const uint8_t pad[64] = { 0x80 };
    uint64_t bits = s->len * 8;
    uint8_t be[8];

    for (int i = 0; i < 8; i++)
        be[i] = (uint8_t) (bits >> (56 - 8 * i));
    sha256_add(s, pad, 1 + (119 - s->len % 64) % 64);
    sha256_add(s, be, 8);
    for (int i = 0; i < 32; i++)
        ret[i] = (uint8_t) (s->h[i / 4] >> (24 - 8 * (i % 4)));
}
