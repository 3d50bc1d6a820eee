/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/digest.h"
#include "core/base/resident.h"

#include <stdio.h>

/* Pages of files in our memory, KiB; 0 where that is not told. */
static long file_pages_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (f && !kib && fgets(line, sizeof(line), f))
        (void) sscanf(line, "RssFile: %ld", &kib);
    if (f)
        (void) fclose(f);
    return kib;
}

static void test_libraries_are_smaller_and_work(void **state)
{
    const struct span text = span_make("abc", 3);
    char before[DIGEST_HEX], after[DIGEST_HEX];
    long held, left;

    digest_of(text, before);
    held = file_pages_kib();
    resident_trim();
    left = file_pages_kib();
    digest_of(text, after);
    assert_string_equal(before, after);
    if (held > 0)
        assert_true(left < held - 1024);
    resident_trim(); /* what came back goes again */
    digest_of(text, after);
    assert_string_equal(before, after);
}

static const struct CMUnitTest tests[] = { cmocka_unit_test(test_libraries_are_smaller_and_work) };

UNIT_MAIN(tests)
