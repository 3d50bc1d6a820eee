/* SPDX-License-Identifier: MIT */
/* What every unit test starts with: cmocka in its required order, TAP output, one main. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Each line at once: of a test that hangs, and is killed, it shall be known how far it came. */
__attribute__((constructor)) static void unit_lines_at_once(void)
{
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
}

#define UNIT_MAIN(tests)                                  \
    int main(void)                                        \
    {                                                     \
        cmocka_set_message_output(CM_OUTPUT_TAP);         \
        return cmocka_run_group_tests(tests, NULL, NULL); \
    }

#endif
