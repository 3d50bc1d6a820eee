/* SPDX-License-Identifier: MIT */
/* Lookups that need no network: names of the hosts file, and names that cannot be. */
#include "tests/unit/unit.h"

#include "core/base/resolve.h"

struct seen {
    struct resolve *r;
    bool is_done;
    int ends;
    struct resolve_answer answer;
    struct err err;
};

static void on_end(void *data, const struct resolve_answer *answer, const struct err *err)
{
    struct seen *s = data;

    s->ends++;
    s->is_done = true;
    if (answer)
        s->answer = *answer;
    else
        s->err = *err;
    resolve_free(s->r);
}

static void look_up(const char *name, struct seen *s)
{
    struct loop *loop;

    memset(s, 0, sizeof(*s));
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(resolve_start(loop, name, on_end, s, &s->r, NULL), 0);
    assert_int_equal(loop_run(loop, &s->is_done, NULL), 0);
    assert_int_equal(s->ends, 1);
    loop_free(loop);
}

static void test_a_name_of_the_hosts_file(void **state)
{
    static const uint8_t v4[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
    static const uint8_t v6[16] = { [15] = 1 };
    struct seen s;

    look_up("localhost", &s);
    assert_true(s.answer.count >= 1);
    for (size_t i = 0; i < s.answer.count; i++)
        assert_true(memcmp(s.answer.addresses[i], v4, 16) == 0 || memcmp(s.answer.addresses[i], v6, 16) == 0);
}

static void test_a_text_that_is_no_name(void **state)
{
    struct seen s;

    look_up("no name at all", &s);
    assert_int_equal(s.answer.count, 0);
    assert_true(s.err.code == ERR_NOT_FOUND || s.err.code == ERR_IO);
    assert_non_null(strstr(s.err.text, "looking up 'no name at all': "));
}

static void test_too_long(void **state)
{
    char name[300];
    struct resolve *r;
    struct err err;

    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(resolve_start(NULL, name, on_end, NULL, &r, &err), -ERR_INVALID);
}

/* Nothing is told, and the loop can go away at once, whatever the threads still do. */
static void test_given_up(void **state)
{
    struct seen s[8];
    struct loop *loop;

    memset(s, 0, sizeof(s));
    assert_int_equal(loop_new(&loop, NULL), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(resolve_start(loop, "localhost", on_end, &s[i], &s[i].r, NULL), 0);
        resolve_free(s[i].r);
    }
    resolve_free(NULL);
    loop_free(loop);
    for (int i = 0; i < 8; i++)
        assert_int_equal(s[i].ends, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_name_of_the_hosts_file),
    cmocka_unit_test(test_a_text_that_is_no_name),
    cmocka_unit_test(test_too_long),
    cmocka_unit_test(test_given_up),
};

UNIT_MAIN(tests)
