/* SPDX-License-Identifier: MIT */
/* A state folder of the test's own, gone at its end. */
#ifndef TESTS_STATE_HOME_H
#define TESTS_STATE_HOME_H

#include "tests/unit/unit.h"

#include "core/base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char state_home[256];

static inline int state_home_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(state_home, sizeof(state_home), "%s/agentbox-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(state_home))
        return -1;
    return setenv("XDG_STATE_HOME", state_home, 1);
}

static inline int state_home_teardown(void **state)
{
    return file_remove_tree(AT_FDCWD, state_home, NULL);
}

#define in_state_home(test) cmocka_unit_test_setup_teardown(test, state_home_setup, state_home_teardown)

#endif
