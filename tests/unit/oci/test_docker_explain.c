/* SPDX-License-Identifier: MIT */
#include "oci/docker_explain.h"

#include "core/base/json.h"
#include "tests/unit/unit.h"

static struct err err;
static bool had_memory_hit;

static void explain(const char *state, bool was_away)
{
    struct arena arena = ARENA_INIT(1 << 16);
    const struct tree *tree;

    assert_int_equal(json_parse(span_of(state), &arena, &tree, NULL), 0);
    err_set(&err, ERR_ENGINE, "the stream of the sandbox ended");
    docker_explain_end(tree, &(struct docker_end){ was_away, had_memory_hit, INT64_C(1) << 30 }, &err);
    arena_done(&arena);
}

static void explain_end(const char *state)
{
    explain(state, false);
}

static void every_end_has_its_words(void **state)
{
    explain_end("{\"Running\":true}");
    assert_string_equal(
        err.text,
        "the connection to the sandbox broke while it was running: the stream of the sandbox ended");
    explain_end("{\"Running\":false,\"OOMKilled\":true,\"ExitCode\":137}");
    assert_string_equal(err.text,
                        "out of memory (limit 1g): the sandbox itself was killed, not only a command");
    assert_string_equal(err.hint, "raise sandbox.memory");
    had_memory_hit = true;
    explain_end("{\"Running\":false,\"OOMKilled\":true,\"ExitCode\":137}");
    assert_string_equal(err.text, "the sandbox itself was killed: out of memory (limit 1g), or from outside");
    had_memory_hit = false;
    explain_end("{\"ExitCode\":137}");
    assert_string_equal(err.text, "the sandbox was killed from outside (or ran out of memory)");
    explain_end("{\"ExitCode\":0}");
    assert_string_equal(err.text, "the sandbox ended itself: nobody had spoken to it for too long");
    explain_end("{\"ExitCode\":64}");
    assert_string_equal(err.text, "the sandbox ended with status 64");
    explain_end("[]");
    assert_string_equal(err.text, "the sandbox ended with status -1");
}

static void a_restart_of_the_engine_is_told(void **state)
{
    explain("{\"Running\":true}", true);
    assert_string_equal(err.text,
                        "the container engine was restarted: the sandbox lives on, the connection does not");
    explain("{\"Running\":false,\"ExitCode\":137}", true);
    assert_int_equal(err.code, ERR_ENGINE);
    assert_string_equal(err.text, "the container engine was restarted, and the sandbox ended with it");
    docker_explain_gone(true, &err);
    assert_string_equal(err.text, "the container engine was restarted, and the sandbox is gone");
    docker_explain_gone(false, &err);
    assert_string_equal(err.text, "the sandbox was removed by somebody else");
}

static void a_missing_runtime_names_those_that_are_there(void **state)
{
    struct arena arena = ARENA_INIT(1 << 16);
    const struct tree *info;

    err = (struct err){ 0 };
    assert_int_equal(
        json_parse(span_of("{\"Runtimes\":{\"io.containerd.runc.v2\":{},\"runc\":{},\"runsc\":{}}}"), &arena,
                   &info, NULL),
        0);
    docker_explain_runtime("kata", info, &err);
    assert_string_equal(err.text, "the engine has no runtime 'kata'");
    assert_string_equal(err.hint,
                        "it has: runc, runsc; name one of them in sandbox.runtime, or leave that out");
    docker_explain_runtime("kata", NULL, &err);
    assert_string_equal(err.text, "the engine has no runtime 'kata'");
    arena_done(&arena);
}

static void a_refusal_has_a_hint(void **state)
{
    err = (struct err){ 0 };
    err_set(&err, ERR_ENGINE, "engine refused 'POST /containers/create' with status 400: bad seccomp");
    docker_explain_create(&err);
    assert_string_equal(err.hint,
                        "the engine's words say what it does not take: the runtime, the image, a limit or a "
                        "mount; `agentbox doctor` shows what it offers");
    err_set(&err, ERR_NOT_FOUND, "No such container");
    docker_explain_start(&err);
    assert_int_equal(err.code, ERR_ENGINE);
    assert_string_equal(err.text, "starting the sandbox: No such container");
    assert_string_equal(err.hint,
                        "the engine's words say what its runtime or kernel does not take; `agentbox doctor` "
                        "shows what it offers");
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
        cmocka_unit_test(a_restart_of_the_engine_is_told),
        cmocka_unit_test(a_missing_runtime_names_those_that_are_there),
        cmocka_unit_test(a_refusal_has_a_hint),
        cmocka_unit_test(a_volume_without_quota_is_a_matter_of_policy),
        cmocka_unit_test(a_create_that_failed_is_the_engines_failure),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
