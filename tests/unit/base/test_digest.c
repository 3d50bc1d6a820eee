/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/digest.h"
#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_known_sums(void **state)
{
    char hex[DIGEST_HEX];

    digest_of(span_of("abc"), hex);
    assert_string_equal(hex, ABC);
    digest_of((struct span){ NULL, 0 }, hex);
    assert_string_equal(hex, EMPTY);
}

static void test_of_a_file(void **state)
{
    char hex[DIGEST_HEX];
    struct err err;
    int64_t size;
    int pipes[2], folder = open("/", O_RDONLY | O_DIRECTORY);

    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "abc", 3), 3);
    assert_int_equal(close(pipes[1]), 0);
    assert_int_equal(digest_fd(pipes[0], hex, &size, &err), 0);
    assert_string_equal(hex, ABC);
    assert_int_equal(size, 3);
    assert_int_equal(digest_fd(folder, hex, &size, &err), -ERR_IO);
    assert_int_equal(err.errnum, EISDIR);
    assert_int_equal(close(pipes[0]), 0);
    assert_int_equal(close(folder), 0);
}

static void test_in_pieces(void **state)
{
    struct digest *d = digest_new();
    uint8_t sum[DIGEST_SIZE];
    char hex[DIGEST_HEX];

    digest_add(d, "a", 1);
    digest_add(d, NULL, 0);
    digest_add(d, "bc", 2);
    digest_end(d, sum);
    digest_hex(sum, hex);
    digest_free(d);
    digest_free(NULL);
    assert_string_equal(hex, ABC);
}

static void test_a_million_bytes(void **state)
{
    struct digest *d = digest_new();
    uint8_t sum[DIGEST_SIZE];
    char hex[DIGEST_HEX], block[1000];

    memset(block, 'a', sizeof(block));
    for (int i = 0; i < 1000; i++)
        digest_add(d, block, sizeof(block));
    digest_end(d, sum);
    digest_hex(sum, hex);
    digest_free(d);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void check_base64(const char *plain, size_t len, const char *text)
{
    struct buf out = BUF_INIT(1000);

    assert_int_equal(base64_encode(&out, span_make(plain, len)), 0);
    assert_string_equal(buf_text(&out), text);
    buf_clear(&out);
    assert_int_equal(base64_decode(&out, span_of(text)), 0);
    assert_int_equal(out.len, len);
    if (len > 0)
        assert_memory_equal(out.data, plain, len);
    buf_done(&out);
}

static void test_base64_both_ways(void **state)
{
    check_base64("", 0, "");
    check_base64("f", 1, "Zg==");
    check_base64("fo", 2, "Zm8=");
    check_base64("foo", 3, "Zm9v");
    check_base64("foob", 4, "Zm9vYg==");
    check_base64("fooba", 5, "Zm9vYmE=");
    check_base64("foobar", 6, "Zm9vYmFy");
    check_base64("\0\xFF\xFE\xFB", 4, "AP/++w==");
}

static void test_base64_is_strict(void **state)
{
    static const char *const texts[] = {
        "Z",      "Zg",    "Zg=",      "Zg===", "=",    "====", "Z===", "Zg==Zg==", "Zm 9v",
        "Zm9v\n", " Zm9v", "Zm9v    ", "Zh==",  "Zm9=", "Zm-_", "Zm=v", "Zm9v=g==",
    };
    struct buf out = BUF_INIT(1000);

    buf_add_text(&out, "kept");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(base64_decode(&out, span_of(texts[i])), -ERR_INVALID);
        assert_string_equal(buf_span(&out).len == 4 ? "kept" : "changed", "kept");
    }
    buf_done(&out);
}

static void test_base64_stays_within_the_buffer(void **state)
{
    struct buf out = BUF_INIT(5);

    assert_int_equal(base64_encode(&out, span_of("foob")), -ERR_TOO_LARGE);
    assert_int_equal(base64_decode(&out, span_of("Zm9vYmFy")), -ERR_TOO_LARGE);
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void test_random_bytes_differ(void **state)
{
    char a[32] = { 0 }, b[32] = { 0 };

    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_known_sums),
    cmocka_unit_test(test_of_a_file),
    cmocka_unit_test(test_in_pieces),
    cmocka_unit_test(test_a_million_bytes),
    cmocka_unit_test(test_base64_both_ways),
    cmocka_unit_test(test_base64_is_strict),
    cmocka_unit_test(test_base64_stays_within_the_buffer),
    cmocka_unit_test(test_random_bytes_differ),
};

UNIT_MAIN(tests)
