/* SPDX-License-Identifier: MIT */
/* ClientHellos made by hand, those that a TLS library does not make. */
#include "tests/unit/unit.h"

#include "core/base/buf.h"
#include "core/egress/client_hello.h"

static void put(struct buf *b, const void *ptr, size_t len)
{
    assert_int_equal(buf_add(b, ptr, len), 0);
}

static void put_number(struct buf *b, size_t value, int size)
{
    for (int i = size - 1; i >= 0; i--)
        assert_int_equal(buf_add_char(b, (char) (value >> (8 * i))), 0);
}

#define BODY_FIXED (2 + 32 + 1 + 2 + 2 + 1 + 1)

/* A message with these extensions, in records of `size` bytes, 0 for one. */
static void hello(struct buf *out, struct span extensions, size_t size)
{
    struct buf m = BUF_INIT(1 << 16);

    put(&m, "\x01", 1);
    put_number(&m, BODY_FIXED + 2 + extensions.len, 3);
    put(&m, "\x03\x03", 2);
    for (int i = 0; i < 32; i++)
        put(&m, "r", 1);
    put(&m, "\0\0\x02\x13\x01\x01\0", 7);
    put_number(&m, extensions.len, 2);
    put(&m, extensions.ptr, extensions.len);
    if (size == 0)
        size = m.len;
    for (size_t at = 0; at < m.len; at += size) {
        size_t n = size < m.len - at ? size : m.len - at;

        put(out, "\x16\x03\x01", 3);
        put_number(out, n, 2);
        put(out, m.data + at, n);
    }
    buf_done(&m);
}

#define EXT(text) span_make(text, sizeof(text) - 1)
#define SNI                    \
    "\0\0\0\x10\0\x0e\0\0\x0b" \
    "example.org"
#define SNI_TWO                \
    "\0\0\0\x1e\0\x1c\0\0\x0b" \
    "example.org"              \
    "\0\0\x0b"                 \
    "evil.exampl"
#define SNI_NUL                \
    "\0\0\0\x10\0\x0e\0\0\x0b" \
    "exam\0le.org"
#define SNI_TYPE                 \
    "\0\0\0\x10\0\x0e\x01\0\x0b" \
    "example.org"
#define SNI_EMPTY "\0\0\0\x05\0\x03\0\0\0"
#define VERSIONS  "\0\x2b\0\x03\x02\x03\x04"
#define ECH       "\xfe\x0d\0\x01\0"
#define ESNI      "\xff\xce\0\x01\0"

struct sample {
    const char *name;
    struct span extensions;
    const char *sni, *why;
};

static void check(const struct sample *s, size_t size)
{
    struct buf bytes = BUF_INIT(1 << 16);
    struct client_hello got;
    const char *why = "";
    ssize_t n;

    hello(&bytes, s->extensions, size);
    for (size_t len = 0; len < bytes.len; len++) { /* never before it is whole */
        n = client_hello_parse(span_make(bytes.data, len), &got, &why);
        assert_int_equal(n, 0);
        assert_true(got.wanted > len && got.wanted <= bytes.len);
    }
    n = client_hello_parse(buf_span(&bytes), &got, &why);
    if (s->why ? n != -1 || strcmp(why, s->why) != 0 : n != (ssize_t) bytes.len)
        fail_msg("%s: %zd, %s", s->name, n, why);
    if (!s->why) {
        assert_int_equal(got.has_name, s->sni != NULL);
        assert_string_equal(got.has_name ? got.name : "", s->sni ? s->sni : "");
    }
    buf_done(&bytes);
}

static void test_samples(void **state)
{
    static const char malformed[] = "the TLS ClientHello is malformed",
                      hidden[] = "the TLS ClientHello hides its server name (ECH): switch that off",
                      two[] = "the TLS ClientHello has two server names";
    const struct sample samples[] = {
        { "a name", EXT(VERSIONS SNI), "example.org", NULL },
        { "no name", EXT(VERSIONS), NULL, NULL },
        { "no extensions", EXT(""), NULL, NULL },
        { "two names", EXT(SNI_TWO), NULL, two },
        { "two extensions", EXT(SNI VERSIONS SNI), NULL, two },
        { "another type of name", EXT(SNI_TYPE), NULL, two },
        { "NUL in the name", EXT(SNI_NUL), NULL, malformed },
        { "an empty name", EXT(SNI_EMPTY), NULL, malformed },
        { "ECH", EXT(SNI ECH), NULL, hidden },
        { "ECH first", EXT(ECH SNI), NULL, hidden },
        { "ESNI", EXT(ESNI), NULL, hidden },
        { "an extension beyond the end", EXT("\0\x2b\0\x09\x02"), NULL, malformed },
        { "half an extension", EXT("\0\x2b\0"), NULL, malformed },
    };

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        check(&samples[i], 0);
        check(&samples[i], 1);
        check(&samples[i], 7);
    }
}

static void check_bytes(const char *bytes, size_t len, const char *expected)
{
    struct client_hello got;
    const char *why = "";

    assert_int_equal(client_hello_parse(span_make(bytes, len), &got, &why), -1);
    assert_string_equal(why, expected);
}

static void test_other_bytes(void **state)
{
    static const char no_tls[] = "what goes through this tunnel is not TLS";
    struct buf bytes = BUF_INIT(1 << 16);

    check_bytes("G", 1, no_tls);
    check_bytes("\x16G", 2, no_tls);
    check_bytes("\x16\x03\x01\0\0", 5, no_tls);     /* an empty record */
    check_bytes("\x16\x03\x01\x7f\xff", 5, no_tls); /* longer than any */
    check_bytes("\x17\x03\x03\0\x01x", 6, no_tls);  /* application data */
    check_bytes("\x16\x03\x01\0\x04\x02\0\0\0", 9, "TLS begins with something else than a ClientHello");
    check_bytes("\x16\x03\x01\0\x04\x01\x01\0\0", 9, "the TLS ClientHello is too long");
    check_bytes("\x16\x03\x01\0\x05\x01\0\0\0\x02", 10,
                "something follows the TLS ClientHello in its record");
    hello(&bytes, EXT(SNI), 40); /* a record of another kind between those of the message */
    assert_int_equal(bytes.data[45], 0x16);
    bytes.data[45] = 0x14;
    check_bytes(bytes.data, bytes.len, no_tls);
    buf_done(&bytes);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_samples),
    cmocka_unit_test(test_other_bytes),
};

UNIT_MAIN(tests)
