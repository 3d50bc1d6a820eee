/* SPDX-License-Identifier: MIT */
#include "oci/owner.h"

#include "tests/unit/unit.h"

#include <sys/wait.h>
#include <unistd.h>

static void a_label_is_read_back(void **state)
{
    struct owner a, b;
    char text[OWNER_TEXT];

    owner_self(&a);
    assert_int_equal(a.pid, getpid());
    owner_text(&a, text);
    assert_true(owner_parse(text, &b));
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(owner_state(&b), OWNER_ALIVE);
}

static void what_is_no_label_is_refused(void **state)
{
    struct owner o;

    assert_false(owner_parse("", &o));
    assert_false(owner_parse("host=a boot=b pid=x start=1", &o));
    assert_false(owner_parse("host=a boot=b pid=0 start=1", &o));
    assert_false(owner_parse("host=a boot=b pid=99999999999 start=1", &o));
    assert_false(owner_parse("host= boot=b pid=1 start=1", &o));
    assert_false(owner_parse("host=a boot=b pid=1", &o));
    assert_true(owner_parse("host=a boot=b pid=1 start=1 more=x", &o));
}

static void a_process_is_known_by_host_boot_and_start(void **state)
{
    const struct owner self = { "a", "boot2", 1, "5" };
    const struct owner same = { "a", "boot2", 7, "100" };
    const struct owner earlier = { "a", "boot1", 7, "100" };
    const struct owner elsewhere = { "b", "boot1", 7, "100" };
    const struct owner unknown = { "a", "-", 7, "-" };

    assert_int_equal(owner_judge(&same, &self, "100"), OWNER_ALIVE);
    assert_int_equal(owner_judge(&same, &self, "101"), OWNER_DEAD); /* the id is used again */
    assert_int_equal(owner_judge(&same, &self, NULL), OWNER_DEAD);
    assert_int_equal(owner_judge(&same, &self, "-"), OWNER_ALIVE);
    assert_int_equal(owner_judge(&earlier, &self, "100"), OWNER_DEAD);
    assert_int_equal(owner_judge(&elsewhere, &self, NULL), OWNER_ELSEWHERE);
    assert_int_equal(owner_judge(&unknown, &self, "3"), OWNER_ALIVE);
    assert_int_equal(owner_judge(&unknown, &self, NULL), OWNER_DEAD);
}

static void a_process_that_ended_is_dead(void **state)
{
    struct owner o;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    owner_self(&o);
    o.pid = pid;
    assert_int_equal(owner_state(&o), OWNER_DEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_is_read_back),
        cmocka_unit_test(what_is_no_label_is_refused),
        cmocka_unit_test(a_process_is_known_by_host_boot_and_start),
        cmocka_unit_test(a_process_that_ended_is_dead),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
