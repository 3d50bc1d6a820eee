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

/* ---- what follows ---- */

#define CCS   "\x14\x03\x03\0\x01\x01"
#define DATA  "\x17\x03\x03\0\x04\x16\x03\x01\x01"
#define ALERT "\x15\x03\x03\0\x02\x01\x5a"
#define EMPTY "\x16\x03\x03\0\0"
#define KEY   "\x16\x03\x03\0\x05\x10\0\0\x01\x01"
#define OTHER                  \
    "\0\0\0\x10\0\x0e\0\0\x0b" \
    "evil.exampl"
#define EARLY "\0\x2a\0\0"

#define SPAN(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

struct follow {
    const char *name;
    struct span before;     /* the second hello */
    const char *extensions; /* of it; NULL: there is none */
    size_t extensions_len;
    bool has_early_data, is_noticed; /* told of, or cut */
    const char *why;
};

static const struct follow follows[] = {
    { "at once", SPAN(""), OTHER, sizeof(OTHER) - 1, false, true, NULL },
    { "behind a change of ciphers", SPAN(CCS), OTHER, sizeof(OTHER) - 1, false, true, NULL },
    { "behind two, and an alert", SPAN(CCS CCS ALERT), OTHER, sizeof(OTHER) - 1, false, true, NULL },
    { "behind early data", SPAN(CCS DATA DATA), OTHER, sizeof(OTHER) - 1, true, true, NULL },
    { "behind data", SPAN(CCS DATA), OTHER, sizeof(OTHER) - 1, false, false, NULL },
    { "without a name", SPAN(CCS), VERSIONS, sizeof(VERSIONS) - 1, false, true, NULL },
    { "with two names", SPAN(CCS), SNI_TWO, sizeof(SNI_TWO) - 1, false, true,
      "the TLS ClientHello has two server names" },
    { "hidden", SPAN(CCS), ECH, sizeof(ECH) - 1, false, true,
      "the TLS ClientHello hides its server name (ECH): switch that off" },
    { "behind an empty record", SPAN(EMPTY), OTHER, sizeof(OTHER) - 1, false, true,
      "an empty handshake record follows the TLS ClientHello" },
    { "behind a key exchange", SPAN(KEY), OTHER, sizeof(OTHER) - 1, false, false, NULL },
    { "none", SPAN(CCS DATA), NULL, 0, false, false, NULL },
};

static void check_follow(const struct follow *f, size_t record, size_t step)
{
    struct client_hello first = { .has_early_data = f->has_early_data }, got = { 0 };
    struct buf bytes = BUF_INIT(1 << 16), kept = BUF_INIT(CLIENT_HELLO_MAX);
    struct hello_watch w;
    const char *why = "";
    size_t taken = 0;
    int r = 0;

    put(&bytes, f->before.ptr, f->before.len);
    if (f->extensions)
        hello(&bytes, span_make(f->extensions, f->extensions_len), record);
    hello_watch_init(&w, &first);
    for (size_t at = 0, n; r == 0 && at < bytes.len; at += taken) {
        n = step < bytes.len - at ? step : bytes.len - at;
        r = hello_watch_feed(&w, span_make(bytes.data + at, n), &kept, &got, &taken, &why);
        assert_true(r != 0 || taken == n);
    }
    if (r != (f->why ? -1 : f->is_noticed) || (f->why && strcmp(why, f->why) != 0))
        fail_msg("%s: %d, %s", f->name, r, why);
    assert_true(w.is_over == !f->is_noticed);
    if (r > 0)
        assert_int_equal(got.has_name, f->extensions[0] == '\0' && f->extensions[1] == '\0');
    buf_done(&bytes);
    buf_done(&kept);
}

static void test_what_follows(void **state)
{
    static const size_t records[] = { 0, 1, 7 }, steps[] = { 1 << 16, 1, 3 };

    for (size_t i = 0; i < sizeof(follows) / sizeof(follows[0]); i++)
        for (size_t k = 0; k < 9; k++)
            check_follow(&follows[i], records[k / 3], steps[k % 3]);
}

/* A ServerHello is the end of it, unless it asks for another ClientHello. */
static void test_the_answer(void **state)
{
    static const char retry[] =
        "\x16\x03\x03\0\x58\x02\0\0\x54\x03\x03\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e"
        "\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
    const struct client_hello first = { 0 };
    char other[sizeof(retry)];
    struct hello_watch w;

    memcpy(other, retry, sizeof(retry));
    other[20] = 0;
    for (size_t step = 1; step <= sizeof(retry); step += sizeof(retry) - 1) {
        hello_watch_init(&w, &first);
        for (size_t at = 0; at < sizeof(retry) - 1; at += step)
            hello_watch_answer(&w,
                               span_make(retry + at, step < sizeof(retry) - 1 ? step : sizeof(retry) - 1));
        assert_false(w.is_over);
        hello_watch_init(&w, &first);
        for (size_t at = 0; at < sizeof(other) - 1; at += step)
            hello_watch_answer(&w,
                               span_make(other + at, step < sizeof(other) - 1 ? step : sizeof(other) - 1));
        assert_true(w.is_over);
    }
    hello_watch_init(&w, &first);
    hello_watch_answer(&w, EXT("HTTP/1.1 400 Bad Request, and whatever else a server has to say about it"));
    assert_false(w.is_over);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_samples),
    cmocka_unit_test(test_other_bytes),
    cmocka_unit_test(test_what_follows),
    cmocka_unit_test(test_the_answer),
};

UNIT_MAIN(tests)
