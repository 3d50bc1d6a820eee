/* SPDX-License-Identifier: MIT */
/* Whose command a keeper is, while others come and go. The keepers are numbers here: nothing is killed. */
#include "tests/unit/unit.h"

#include "core/guest/stray.h"
#include "core/sandbox/frame.h"

static bool is_third(pid_t keeper)
{
    return keeper == 3;
}

static void condemning_leaves_each_keeper_its_command(void **state)
{
    uint64_t one;

    assert_int_equal(stray_commands(&one), 0);
    assert_int_equal(one, FRAME_COMMAND_UNKNOWN);
    for (pid_t keeper = 1; keeper <= 3; keeper++) {
        stray_add_keeper(keeper);
        stray_set_command(keeper, 4096 * (uint64_t) keeper);
    }
    assert_int_equal(stray_commands(&one), 3);
    assert_true(stray_condemn(is_third));
    assert_true(stray_is_due());
    assert_int_equal(stray_command_of(1), FRAME_COMMAND_UNKNOWN);
    assert_int_equal(stray_command_of(3), 3 * 4096);
    assert_int_equal(stray_commands(&one), 1);
    assert_int_equal(one, 3 * 4096);
    assert_false(stray_condemn(is_third));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(condemning_leaves_each_keeper_its_command),
};

UNIT_MAIN(tests)
