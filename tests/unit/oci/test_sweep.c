/* SPDX-License-Identifier: MIT */
#include "oci/sweep.h"

#include "core/base/json.h"
#include "oci/owner.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct arena arena = ARENA_INIT(1 << 20);

static bool judge(enum sweep_kind kind, const char *text, struct sweep_options options,
                  struct sweep_item *ret)
{
    const struct tree *tree;

    arena_done(&arena);
    assert_int_equal(json_parse(span_of(text), &arena, &tree, NULL), 0);
    return sweep_judge(kind, tree, &options, ret);
}

#define DEAD 2147483646

static const char *container(const char *deadline, int64_t pid)
{
    static char text[1024];
    struct owner owner;
    char label[OWNER_TEXT];

    owner_self(&owner);
    if (pid != 0) {
        owner.pid = pid;
        strcpy(owner.start, "1");
    }
    owner_text(&owner, label);
    snprintf(text, sizeof(text),
             "{\"Id\":\"abc\",\"Names\":[\"/"
             "agentbox-r1-2\"],\"State\":\"running\",\"Labels\":{\"agentbox.run\":\"r1\","
             "\"agentbox.attempt\":\"2\",\"agentbox.owner\":\"%s\",\"agentbox.deadline\":\"%s\"}}",
             label, deadline);
    return text;
}

static void a_container_goes_when_its_time_is_over(void **state)
{
    struct sweep_item item;

    assert_true(judge(SWEEP_CONTAINER, container("1000", 0), (struct sweep_options){ .now_s = 999 }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    assert_string_equal(item.id, "abc");
    assert_string_equal(item.name, "agentbox-r1-2");
    assert_string_equal(item.run, "r1");
    assert_string_equal(item.state, "running");
    assert_int_equal(item.attempt, 2);
    assert_true(
        judge(SWEEP_CONTAINER, container("1000", DEAD), (struct sweep_options){ .now_s = 1000 }, &item));
    assert_int_equal(item.verdict, SWEEP_EXPIRED);
    /* a clock that jumped does not end what lives */
    assert_true(judge(SWEEP_CONTAINER, container("1000", 0), (struct sweep_options){ .now_s = 1000 }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    assert_true(judge(SWEEP_CONTAINER, container("soon", 0), (struct sweep_options){ .now_s = 1000 }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
}

static bool r1_is_held(const char *run)
{
    return strcmp(run, "r1") == 0;
}

static bool nothing_is_held(const char *run)
{
    return false;
}

static void a_run_that_goes_on_keeps_its_container(void **state)
{
    struct sweep_options options = { .flags = SWEEP_DEAD, .is_held = r1_is_held, .now_s = 2000 };
    struct sweep_item item;

    assert_true(judge(SWEEP_CONTAINER, container("1000", 0), options, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    assert_true(judge(SWEEP_CONTAINER, container("0", 99999999), options, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    options.is_held = nothing_is_held;
    assert_true(judge(SWEEP_CONTAINER, container("1000", DEAD), options, &item));
    assert_int_equal(item.verdict, SWEEP_EXPIRED);
    assert_true(judge(SWEEP_CONTAINER, container("0", 99999999), options, &item));
    assert_int_equal(item.verdict, SWEEP_ORPHAN);
    options = (struct sweep_options){ .run = "r1", .is_held = r1_is_held };
    assert_true(judge(SWEEP_CONTAINER, container("0", 0), options, &item));
    assert_int_equal(item.verdict, SWEEP_ASKED);
}

static void a_container_goes_when_its_owner_is_dead_and_gc_asks(void **state)
{
    struct sweep_item item;

    assert_true(
        judge(SWEEP_CONTAINER, container("", 2147483646), (struct sweep_options){ .now_s = 1 }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    assert_true(judge(SWEEP_CONTAINER, container("", 2147483646),
                      (struct sweep_options){ .now_s = 1, .flags = SWEEP_DEAD }, &item));
    assert_int_equal(item.verdict, SWEEP_ORPHAN);
    assert_true(judge(SWEEP_CONTAINER, container("", 0),
                      (struct sweep_options){ .now_s = 1, .flags = SWEEP_DEAD }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP); /* we live */
    assert_true(judge(SWEEP_CONTAINER,
                      "{\"Id\":\"abc\",\"Names\":[\"/agentbox-r1-1\"],\"Labels\":{\"agentbox.run\":\"r1\"}}",
                      (struct sweep_options){ .now_s = 1, .flags = SWEEP_DEAD }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP); /* whose it is cannot be read */
}

static void a_run_that_is_named_goes(void **state)
{
    struct sweep_item item;

    assert_true(
        judge(SWEEP_CONTAINER, container("", 0), (struct sweep_options){ .now_s = 1, .run = "r1" }, &item));
    assert_int_equal(item.verdict, SWEEP_ASKED);
    assert_true(
        judge(SWEEP_CONTAINER, container("", 0), (struct sweep_options){ .now_s = 1, .run = "r" }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
}

static void what_is_not_ours_is_not_touched(void **state)
{
    static const char *const foreign[] = {
        "{\"Id\":\"abc\",\"Labels\":{}}",
        "{\"Id\":\"abc\",\"Labels\":null}",
        "{\"Id\":\"abc\",\"Labels\":{\"agentbox.run\":\"\"}}",
        "{\"Id\":\"../x\",\"Labels\":{\"agentbox.run\":\"r1\"}}",
        "{\"Id\":\"a?force=1\",\"Labels\":{\"agentbox.run\":\"r1\"}}",
        "{\"Labels\":{\"agentbox.run\":\"r1\"}}",
        "{\"Id\":\"abc\",\"Names\":[\"/web\"],\"Labels\":{\"agentbox.run\":\"r1\"}}",
        "[]",
    };
    struct sweep_item item;

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_false(
            judge(SWEEP_CONTAINER, foreign[i], (struct sweep_options){ .now_s = 1, .run = "r1" }, &item));
}

static void volumes_are_judged_too(void **state)
{
    static const char work[] = "{\"Name\":\"agentbox-r1-1-workspace\",\"Labels\":{\"agentbox.run\":\"r1\","
                               "\"agentbox.deadline\":\"5\"}}";
    static const char guest[] = "{\"Name\":\"agentbox-guest-x\",\"Labels\":{\"agentbox.guest\":\"d1\"}}";
    struct sweep_item item;

    assert_true(judge(SWEEP_VOLUME, work, (struct sweep_options){ .now_s = 5 }, &item));
    assert_int_equal(item.verdict, SWEEP_EXPIRED);
    assert_true(
        judge(SWEEP_GUEST_VOLUME, guest, (struct sweep_options){ .now_s = 5, .guest_digest = "d2" }, &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    assert_true(judge(SWEEP_GUEST_VOLUME, guest,
                      (struct sweep_options){ .now_s = 5, .guest_digest = "d2", .flags = SWEEP_GUESTS },
                      &item));
    assert_int_equal(item.verdict, SWEEP_OLD);
    assert_true(judge(SWEEP_GUEST_VOLUME, guest,
                      (struct sweep_options){ .now_s = 5, .guest_digest = "d1", .flags = SWEEP_GUESTS },
                      &item));
    assert_int_equal(item.verdict, SWEEP_KEEP);
    assert_false(
        judge(SWEEP_GUEST_VOLUME, work, (struct sweep_options){ .now_s = 5, .flags = SWEEP_GUESTS }, &item));
}

static int done(void **state)
{
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_goes_when_its_time_is_over),
        cmocka_unit_test(a_run_that_goes_on_keeps_its_container),
        cmocka_unit_test(a_container_goes_when_its_owner_is_dead_and_gc_asks),
        cmocka_unit_test(a_run_that_is_named_goes),
        cmocka_unit_test(what_is_not_ours_is_not_touched),
        cmocka_unit_test(volumes_are_judged_too),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, done);
}
