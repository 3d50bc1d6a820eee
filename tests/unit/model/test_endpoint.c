/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/model/endpoint.h"

static void check_join(const char *base, const char *expected)
{
    struct buf out = BUF_INIT(200);

    assert_int_equal(endpoint_join(&out, base, "responses"), 0);
    assert_string_equal(buf_text(&out), expected);
    buf_done(&out);
}

static void test_join(void **state)
{
    check_join("https://api.openai.com/v1", "https://api.openai.com/v1/responses");
    check_join("https://api.openai.com/v1/", "https://api.openai.com/v1/responses");
    check_join("https://h/v1//", "https://h/v1/responses");
    check_join("https://h", "https://h/responses");
    check_join("https://h/v1?api-version=preview", "https://h/v1/responses?api-version=preview");
    check_join("https://h/v1/?a=b/c&d#frag", "https://h/v1/responses?a=b/c&d");
    check_join("https://h/v1#frag?x", "https://h/v1/responses");
}

static void check_host(const char *url, const char *expected)
{
    struct span host = endpoint_host(span_of(url));

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
    assert_true(endpoint_has_userinfo("https://a:b@h/"));
    assert_false(endpoint_has_userinfo("https://h/a@b"));
}

static void test_kinds(void **state)
{
    assert_true(endpoint_is_openai("https://API.openai.com/v1"));
    assert_false(endpoint_is_openai("https://api.openai.com.example/v1"));
    assert_false(endpoint_is_openai("https://api.openai.com@evil.example/v1"));
    assert_true(endpoint_is_azure("https://res.openai.azure.com/openai/v1"));
    assert_false(endpoint_is_azure("https://openai.azure.com.example/"));
    assert_true(endpoint_is_plain("HTTP://h"));
    assert_false(endpoint_is_plain("https://h"));
    assert_true(endpoint_is_loopback(span_of("127.0.0.1")));
    assert_true(endpoint_is_loopback(span_of("localhost")));
    assert_true(endpoint_is_loopback(span_of("a.localhost")));
    assert_true(endpoint_is_loopback(span_of("::1")));
    assert_false(endpoint_is_loopback(span_of("127.0.0.1.example.org")));
    assert_false(endpoint_is_loopback(span_of("localhost.example")));
    assert_false(endpoint_is_loopback(span_of("10.0.0.1")));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_join),
    cmocka_unit_test(test_host),
    cmocka_unit_test(test_kinds),
};

UNIT_MAIN(tests)
