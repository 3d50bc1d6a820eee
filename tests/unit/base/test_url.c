/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/url.h"

static void check_host(const char *url, const char *expected)
{
    struct span host = url_host(span_of(url));

    assert_int_equal(host.len, strlen(expected));
    if (host.len > 0)
        assert_memory_equal(host.ptr, expected, host.len);
}

static void test_host(void **state)
{
    check_host("https://api.openai.com/v1", "api.openai.com");
    check_host("http://user:pa@ss@h.example:8080/x@y", "h.example");
    check_host("http://[::1]:80/", "::1");
    check_host("http://[::1", "");
    check_host("https://h?x@y", "h");
    check_host("/v1/responses", "");
    check_host("", "");
    assert_true(url_has_userinfo("https://a:b@h/"));
    assert_false(url_has_userinfo("https://h/a@b"));
}

static void test_listeners(void **state)
{
    assert_true(url_is_plain("HTTP://h"));
    assert_false(url_is_plain("https://h"));
    assert_true(url_is_loopback(span_of("127.0.0.1")));
    assert_true(url_is_loopback(span_of("localhost")));
    assert_true(url_is_loopback(span_of("a.localhost")));
    assert_true(url_is_loopback(span_of("::1")));
    assert_false(url_is_loopback(span_of("127.0.0.1.example.org")));
    assert_false(url_is_loopback(span_of("localhost.example")));
    assert_false(url_is_loopback(span_of("10.0.0.1")));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_host),
    cmocka_unit_test(test_listeners),
};

UNIT_MAIN(tests)
