/* SPDX-License-Identifier: MIT */
#include "oci/docker_explain.h"

#include "core/base/json.h"
#include "tests/unit/unit.h"

static struct err err;

static void explain_end(const char *state)
{
    struct arena arena = ARENA_INIT(1 << 16);
    const struct tree *tree;

    assert_int_equal(json_parse(span_of(state), &arena, &tree, NULL), 0);
    err_set(&err, ERR_ENGINE, "the stream of the sandbox ended");
    docker_explain_end(tree, &err);
    arena_done(&arena);
}

static void every_end_has_its_words(void **state)
{
    explain_end("{\"Running\":true}");
    assert_string_equal(
        err.text,
        "the connection to the sandbox broke while it was running: the stream of the sandbox ended");
    explain_end("{\"Running\":false,\"OOMKilled\":true,\"ExitCode\":137}");
    assert_string_equal(err.text, "the sandbox ran out of memory and was killed");
    assert_string_equal(err.hint, "raise sandbox.memory");
    explain_end("{\"ExitCode\":137}");
    assert_string_equal(err.text, "the sandbox was killed from outside (or ran out of memory)");
    explain_end("{\"ExitCode\":0}");
    assert_string_equal(err.text, "the sandbox ended itself: nobody had spoken to it for too long");
    explain_end("{\"ExitCode\":64}");
    assert_string_equal(err.text, "the sandbox ended with status 64");
    explain_end("[]");
    assert_string_equal(err.text, "the sandbox ended with status -1");
}

static void a_volume_without_quota_is_a_matter_of_policy(void **state)
{
    err_set(&err, ERR_ENGINE, "quota size requested but no quota support");
    docker_explain_volume(&err);
    assert_int_equal(err.code, ERR_POLICY);
    assert_string_equal(err.text,
                        "this engine cannot bound the size of a volume, so `storage: volume` would let the "
                        "sandbox fill its disk");
    err_set(&err, ERR_ENGINE, "disk is full");
    docker_explain_volume(&err);
    assert_int_equal(err.code, ERR_ENGINE);
    assert_string_equal(err.text, "making the workspace's volume: disk is full");
}

static void a_create_that_failed_is_the_engines_failure(void **state)
{
    err_set(&err, ERR_NOT_FOUND, "No such image");
    docker_explain_create(&err);
    assert_int_equal(err.code, ERR_ENGINE);
    assert_string_equal(err.text, "creating the sandbox: No such image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_words),
        cmocka_unit_test(a_volume_without_quota_is_a_matter_of_policy),
        cmocka_unit_test(a_create_that_failed_is_the_engines_failure),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
