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

static void test_kinds(void **state)
{
    assert_true(endpoint_is_openai("https://API.openai.com/v1"));
    assert_false(endpoint_is_openai("https://api.openai.com.example/v1"));
    assert_false(endpoint_is_openai("https://api.openai.com@evil.example/v1"));
    assert_true(endpoint_is_azure("https://res.openai.azure.com/openai/v1"));
    assert_false(endpoint_is_azure("https://openai.azure.com.example/"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_join),
    cmocka_unit_test(test_kinds),
};

UNIT_MAIN(tests)
