/* SPDX-License-Identifier: MIT */
#include "oci/pull.h"

#include "tests/unit/unit.h"

static struct pull pull;
static struct err err;

static int setup(void **state)
{
    pull_init(&pull);
    err = (struct err){ 0 };
    return 0;
}

static int done(void **state)
{
    pull_done(&pull);
    return 0;
}

static int feed(const char *text)
{
    return pull_feed(&pull, span_of(text), &err);
}

static void progress_is_added_up(void **state)
{
    char text[96];

    pull_text(&pull, text, sizeof(text));
    assert_string_equal(text, "waiting for the registry");
    assert_int_equal(feed("{\"status\":\"Pulling from library/x\",\"id\":\"latest\"}\r\n"), 0);
    assert_int_equal(
        feed("{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aaaaaaaaaaaa\"}\n"), 0);
    assert_int_equal(
        feed("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1048576,\"total\":4194304},\"id\":"
             "\"aaaaaaaaaaaa\"}\n{\"status\":\"Already exists\",\"id\":\"bbbbbbbbbbbb\"}\n"),
        0);
    pull_text(&pull, text, sizeof(text));
    assert_string_equal(text, "1 of 2 layers, 1 MiB of 4 MiB");
    assert_int_equal(feed("{\"status\":\"Pull complete\",\"id\":\"aaaaaaaaaaaa\"}\n"), 0);
    pull_text(&pull, text, sizeof(text));
    assert_string_equal(text, "2 of 2 layers, 4 MiB of 4 MiB");
    assert_int_equal(feed("{\"status\":\"Status: Downloaded newer image\"}"), 0);
    assert_int_equal(pull_end(&pull, &err), 0);
    assert_string_equal(buf_text(&pull.status), "Status: Downloaded newer image");
}

static void an_error_line_in_a_200_is_an_error(void **state)
{
    assert_int_equal(feed("{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"no "
                          "space\\nleft\"},\"error\":\"no space\"}\n"),
                     -ERR_ENGINE);
    assert_string_equal(err.text, "no space left");
}

static void an_error_without_detail_too(void **state)
{
    assert_int_equal(feed("{\"error\":\"denied\"}\n"), -ERR_ENGINE);
    assert_string_equal(err.text, "denied");
}

static void an_empty_error_is_one(void **state)
{
    assert_int_equal(feed("{\"error\":\"\"}\n"), -ERR_ENGINE);
    assert_string_equal(err.text, "the engine gave no reason");
}

static void lines_may_come_in_pieces(void **state)
{
    const char *line = "{\"error\":\"late\"}\n";

    for (size_t i = 0; i + 1 < strlen(line); i++)
        assert_int_equal(pull_feed(&pull, span_make(line + i, 1), &err), 0);
    assert_int_equal(feed("\n"), -ERR_ENGINE);
}

static void what_is_no_line_is_refused(void **state)
{
    assert_int_equal(feed("<html>\n"), -ERR_PROTOCOL);
    assert_int_equal(strncmp(err.text, "the engine's progress of the pull: ", 35), 0);
}

static void an_endless_line_is_refused(void **state)
{
    char *big = malloc(PULL_LINE_MAX + 1);

    memset(big, 'x', PULL_LINE_MAX + 1);
    assert_int_equal(pull_feed(&pull, span_make(big, PULL_LINE_MAX + 1), &err), -ERR_TOO_LARGE);
    assert_string_equal(err.text, "a line of the engine's progress is longer than 65536 bytes");
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(progress_is_added_up, setup, done),
        cmocka_unit_test_setup_teardown(an_error_line_in_a_200_is_an_error, setup, done),
        cmocka_unit_test_setup_teardown(an_error_without_detail_too, setup, done),
        cmocka_unit_test_setup_teardown(an_empty_error_is_one, setup, done),
        cmocka_unit_test_setup_teardown(lines_may_come_in_pieces, setup, done),
        cmocka_unit_test_setup_teardown(what_is_no_line_is_refused, setup, done),
        cmocka_unit_test_setup_teardown(an_endless_line_is_refused, setup, done),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
