/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/err.h"

#include <errno.h>

static void test_reads_from_general_to_exact(void **state)
{
    struct err err = { 0 };

    errno = ENOSPC;
    assert_int_equal(err_errno(&err, ERR_IO, "writing '%s'", "journal"), -ERR_IO);
    assert_int_equal(err_wrap(&err, "recording call '%s'", "c1"), -ERR_IO);
    assert_string_equal(err.text, "recording call 'c1': writing 'journal': No space left on device");
    assert_int_equal(err.errnum, ENOSPC);
}

static void test_recode_keeps_text(void **state)
{
    struct err err = { 0 };

    err_set(&err, ERR_IO, "no");
    assert_int_equal(err_recode(&err, ERR_OUTPUT), -ERR_OUTPUT);
    assert_string_equal(err.text, "no");
    assert_int_equal(err_exit_status(err.code), 8);
}

static void test_every_code_has_a_name(void **state)
{
    for (int code = 0; code < ERR_CODES; code++) {
        assert_non_null(err_code_name(code));
        assert_true(code == ERR_NONE || err_exit_status(code) > 0);
    }
    assert_string_equal(err_code_name(ERR_CODES), "unknown");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reads_from_general_to_exact),
    cmocka_unit_test(test_recode_keeps_text),
    cmocka_unit_test(test_every_code_has_a_name),
};

UNIT_MAIN(tests)
