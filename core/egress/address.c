/* SPDX-License-Identifier: MIT */
/*
 * The special-purpose registries of IANA (RFC 6890 and its updates), as a table,
 * with the addresses of cloud metadata services that lie outside of them. The
 * first row that covers an address decides, so the narrow ones stand first.
 */
#include "core/egress/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

/* clang-format off */
#define V4(a, b, c, d) { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d } }
#define V6(a, b, c, d) { { (a) >> 8, (a) & 255, (b) >> 8, (b) & 255, (c) >> 8, (c) & 255, (d) >> 8, (d) & 255, \
                           0, 0, 0, 0, 0, 0, 0, 0 } }
#define V4_BITS 96

static const struct {
    struct egress_address network;
    unsigned bits;
    enum address_kind kind;
    const char *what;
} kinds[] = {
    { V4(100, 100, 100, 200), 128, ADDRESS_BARRED, "a metadata service" },
    { V4(168, 63, 129, 16), 128, ADDRESS_BARRED, "a metadata service" },
    { V4(169, 254, 169, 254), 128, ADDRESS_BARRED, "a metadata service" },
    { V4(192, 0, 0, 192), 128, ADDRESS_BARRED, "a metadata service" },
    { V4(0, 0, 0, 0), V4_BITS + 8, ADDRESS_BARRED, "this host" },
    { V4(10, 0, 0, 0), V4_BITS + 8, ADDRESS_PRIVATE, "private" },
    { V4(100, 64, 0, 0), V4_BITS + 10, ADDRESS_PRIVATE, "shared address space" },
    { V4(127, 0, 0, 0), V4_BITS + 8, ADDRESS_BARRED, "loopback" },
    { V4(169, 254, 0, 0), V4_BITS + 16, ADDRESS_BARRED, "link-local" },
    { V4(172, 16, 0, 0), V4_BITS + 12, ADDRESS_PRIVATE, "private" },
    { V4(192, 0, 0, 0), V4_BITS + 24, ADDRESS_BARRED, "reserved for protocols" },
    { V4(192, 0, 2, 0), V4_BITS + 24, ADDRESS_PRIVATE, "for documentation" },
    { V4(192, 88, 99, 0), V4_BITS + 24, ADDRESS_BARRED, "a 6to4 relay" },
    { V4(192, 168, 0, 0), V4_BITS + 16, ADDRESS_PRIVATE, "private" },
    { V4(198, 18, 0, 0), V4_BITS + 15, ADDRESS_PRIVATE, "for benchmarks" },
    { V4(198, 51, 100, 0), V4_BITS + 24, ADDRESS_PRIVATE, "for documentation" },
    { V4(203, 0, 113, 0), V4_BITS + 24, ADDRESS_PRIVATE, "for documentation" },
    { V4(224, 0, 0, 0), V4_BITS + 4, ADDRESS_BARRED, "multicast" },
    { V4(240, 0, 0, 0), V4_BITS + 4, ADDRESS_BARRED, "reserved" },
    { V4(0, 0, 0, 0), V4_BITS, ADDRESS_GLOBAL, "global" },

    { { { 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 } }, 128, ADDRESS_BARRED,
      "a metadata service" },
    { { { 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 } }, 128, ADDRESS_BARRED,
      "a metadata service" },
    { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, 128, ADDRESS_BARRED, "loopback" },
    { V6(0xfc00, 0, 0, 0), 7, ADDRESS_PRIVATE, "private" },
    { V6(0xfe80, 0, 0, 0), 10, ADDRESS_BARRED, "link-local" },
    { V6(0xff00, 0, 0, 0), 8, ADDRESS_BARRED, "multicast" },
    { V6(0x2001, 0, 0, 0), 32, ADDRESS_BARRED, "a Teredo tunnel" },
    { V6(0x2001, 0, 0, 0), 23, ADDRESS_BARRED, "reserved for protocols" },
    { V6(0x2001, 0xdb8, 0, 0), 32, ADDRESS_PRIVATE, "for documentation" },
    { V6(0x2002, 0, 0, 0), 16, ADDRESS_BARRED, "a 6to4 tunnel" },
    { V6(0x3fff, 0, 0, 0), 20, ADDRESS_PRIVATE, "for documentation" },
    { V6(0x2000, 0, 0, 0), 3, ADDRESS_GLOBAL, "global" },
    { V6(0, 0, 0, 0), 0, ADDRESS_BARRED, "reserved" },
};

static const struct egress_address v4_space = V4(0, 0, 0, 0);
static const struct egress_address nat64 = V6(0x64, 0xff9b, 0, 0);
/* clang-format on */

bool address_is_v4(const struct egress_address *a)
{
    return memcmp(a->bytes, v4_space.bytes, 12) == 0;
}

bool address_equal(const struct egress_address *a, const struct egress_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool address_in(const struct egress_address *a, const struct egress_address *network, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a->bytes, network->bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ network->bytes[whole]) >> (8 - rest)) == 0;
}

bool address_is_network(const struct egress_address *a, unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        if (a->bytes[i / 8] & (0x80u >> (i % 8)))
            return false;
    return true;
}

static enum address_kind look_up(const struct egress_address *a, const char **ret_what)
{
    size_t i = 0;

    while (!address_in(a, &kinds[i].network, kinds[i].bits)) /* the last row covers everything */
        i++;
    *ret_what = kinds[i].what;
    return kinds[i].kind;
}

enum address_kind address_kind(const struct egress_address *a, const char **ret_what)
{
    struct egress_address inner = v4_space;
    const char *what;
    enum address_kind kind;

    if (address_in(a, &nat64, 96)) {
        memcpy(inner.bytes + 12, a->bytes + 12, 4);
        a = &inner;
    }
    kind = look_up(a, &what);
    if (ret_what)
        *ret_what = what;
    return kind;
}

/* ---- text ---- */

static bool parse_octet(struct span text, size_t *at, uint8_t *ret)
{
    unsigned value = 0;
    size_t first = *at;

    while (*at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9' && *at - first < 3)
        value = value * 10 + (unsigned) (text.ptr[(*at)++] - '0');
    if (*at == first || value > 255 || (text.ptr[first] == '0' && *at - first > 1))
        return false;
    *ret = (uint8_t) value;
    return true;
}

bool address_parse_v4(struct span text, struct egress_address *ret)
{
    struct egress_address a = v4_space;
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        if (i > 0 && (at >= text.len || text.ptr[at++] != '.'))
            return false;
        if (!parse_octet(text, &at, &a.bytes[12 + i]))
            return false;
    }
    if (at != text.len)
        return false;
    *ret = a;
    return true;
}

bool address_parse_v6(struct span text, struct egress_address *ret)
{
    static const struct egress_address compatible = { { 0 } };
    char copy[INET6_ADDRSTRLEN];
    struct egress_address a;

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdefABCDEF:.", text.ptr[i]) || text.ptr[i] == '\0')
            return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, a.bytes) != 1)
        return false;
    if (address_is_v4(&a) || (address_in(&a, &compatible, 96) && (a.bytes[12] || a.bytes[13])))
        return false;
    *ret = a;
    return true;
}

const char *address_text(const struct egress_address *a, char ret[ADDRESS_TEXT])
{
    const uint8_t *b = a->bytes;

    if (address_is_v4(a))
        (void) snprintf(ret, ADDRESS_TEXT, "%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
    else if (!inet_ntop(AF_INET6, b, ret, ADDRESS_TEXT))
        ret[0] = '\0'; /* cannot happen: there is room */
    return ret;
}
