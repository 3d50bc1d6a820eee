/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/suffix.h"

static void test_suffixes(void **state)
{
    static const char *const yes[] = { "org",         "co.uk",    "github.io",   "ck",
                                       "no-such-tld", "xn--p1ai", "kawasaki.jp", "s3.amazonaws.com" };
    static const char *const no[] = { "example.org",   "example.co.uk",    "x.github.io",
                                      "wikipedia.org", "corp.no-such-tld", "www.ck" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (suffix_is_public(yes[i], NULL) != 1)
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (suffix_is_public(no[i], NULL) != 0)
            fail_msg("%s", no[i]);
}

static const struct CMUnitTest tests[] = { cmocka_unit_test(test_suffixes) };

UNIT_MAIN(tests)
