/* SPDX-License-Identifier: MIT */
#include "oci/scan_command.h"

#include "tests/unit/unit.h"

#define ID     "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define OTHER  "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static struct arena arena = ARENA_INIT(1 << 20);
static struct err err;

static const struct image local = { .id = ID, .digest = "" };
static const struct image pulled = {
    .id = ID, .digest = DIGEST, .digests = { "other@" OTHER, "r.example/a/b@" DIGEST }, .digest_count = 2
};

static void assert_filled(const char *const *command, const struct image *image, const char *name,
                          const char *const *want)
{
    const char *const *got;
    size_t i = 0;

    assert_int_equal(scan_command_fill(command, image, name, "/t/image.tar", &arena, &got, &err), 0);
    for (; want[i]; i++)
        assert_string_equal(got[i], want[i]);
    assert_null(got[i]);
}

#define LIST(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static void places_are_filled_in(void **state)
{
    assert_filled(LIST("trivy", "{image}"), &local, "demo:1", LIST("trivy", "demo:1"));
    assert_filled(LIST("x", "--a={id},{digest}", "{image}{image}", "{nothing}", "{", "", "{imag"), &local,
                  "demo:1", LIST("x", "--a=" ID "," ID, "demo:1demo:1", "{nothing}", "{", "", "{imag"));
    assert_filled(LIST("x", "{image}", "{digest}", "{archive}"), &pulled, "r.example/a/b:1",
                  LIST("x", "r.example/a/b@" DIGEST, DIGEST, "/t/image.tar"));
    assert_filled(LIST("x", "{image}"), &pulled, "c/d:1",
                  LIST("x", "c/d:1")); /* the digest of another name */
    assert_filled(LIST("x", "{image}"), &pulled, ID, LIST("x", ID));
    assert_true(scan_command_uses(LIST("x", "a={archive}"), "{archive}"));
    assert_false(scan_command_uses(LIST("x", "{archiv}"), "{archive}"));
}

static void endless_commands_are_refused(void **state)
{
    const char *many[SCAN_WORDS_MAX + 2] = { NULL };
    const char *const *got;

    for (size_t i = 0; i < SCAN_WORDS_MAX; i++)
        many[i] = "x";
    assert_int_equal(scan_command_fill(many, &local, "demo:1", NULL, &arena, &got, &err), 0);
    many[SCAN_WORDS_MAX] = "x";
    assert_int_equal(scan_command_fill(many, &local, "demo:1", NULL, &arena, &got, &err), -ERR_TOO_LARGE);
}

static void secrets_stay_here(void **state)
{
    const char *const env[] = { "PATH=/bin",        "KEY=secret-value",
                                "KEYS=x",           "COPY=secret-value",
                                "SHORT=1",          "ONE=1",
                                "NO_EQUALS",        "DOCKER_HOST=unix:///a",
                                "X=secret-value-2", NULL };
    const char *const want[] = { "PATH=/bin", "KEYS=x",           "ONE=1",
                                 "NO_EQUALS", "X=secret-value-2", "DOCKER_HOST=unix:///b",
                                 NULL };
    const char *const *got = scan_command_env(env, LIST("KEY", "SHORT", "UNSET"), "unix:///b", &arena);
    size_t i = 0;

    assert_non_null(got);
    for (; want[i]; i++)
        assert_string_equal(got[i], want[i]);
    assert_null(got[i]);
    got = scan_command_env(env, NULL, NULL, &arena);
    for (i = 0; env[i]; i++)
        assert_string_equal(got[i], env[i]);
}

static void each_question_has_a_key_of_its_own(void **state)
{
    const struct {
        const char *const *command;
        const char *dir, *id;
    } questions[] = {
        { LIST("a", "b"), "/d", ID }, { LIST("ab"), "/d", ID },        { LIST("a", "b"), "/e", ID },
        { LIST("a", "b"), NULL, ID }, { LIST("a", "b"), "/d", OTHER }, { LIST("a", "b", ""), "/d", ID },
    };
    char keys[6][SCAN_KEY], again[SCAN_KEY];

    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(
            scan_command_key(questions[i].command, questions[i].dir, questions[i].id, keys[i], &err), 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(keys[i], keys[k]);
    }
    assert_int_equal(scan_command_key(questions[0].command, "/d", ID, again, &err), 0);
    assert_string_equal(keys[0], again);
}

static int done(void **state)
{
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_filled_in),
        cmocka_unit_test(endless_commands_are_refused),
        cmocka_unit_test(secrets_stay_here),
        cmocka_unit_test(each_question_has_a_key_of_its_own),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, done);
}
