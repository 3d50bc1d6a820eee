/* SPDX-License-Identifier: MIT */
#include "oci/scan_verdict.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID  "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char *const command[] = { "trivy", "image", "{image}", NULL };
static struct err err;

static struct scan_verdict verdict(void)
{
    struct scan_verdict v = {
        .answer = SCAN_REFUSED, .exit_status = 1, .time_ms = 1700000000123, .duration_ms = 7
    };

    scan_verdict_set_output(&v, span_of("one\ntwo\n"));
    return v;
}

static void comes_back_as_it_was(void **state)
{
    struct scan_verdict v = verdict(), back;
    struct buf text = BUF_INIT(SCAN_FILE_MAX);

    assert_int_equal(scan_verdict_encode(&v, ID, command, &text, &err), 0);
    assert_string_equal(
        buf_text(&text),
        "{\"version\":1,\"image_id\":\"" ID "\",\"command\":[\"trivy\",\"image\",\"{image}\"],"
        "\"answer\":\"refused\",\"exit\":1,\"time\":\"2023-11-14T22:13:20.123Z\",\"duration_ms\":7,"
        "\"output\":\"one\\ntwo\\n\"}");
    assert_int_equal(scan_verdict_decode(buf_span(&text), ID, &back, &err), 0);
    assert_memory_equal(&v, &back, sizeof(v));
    buf_done(&text);
}

static void what_is_no_answer_counts_as_none(void **state)
{
    static const char good[] = "{\"version\":1,\"image_id\":\"" ID "\",\"answer\":\"accepted\",\"exit\":0,"
                               "\"time\":\"2023-11-14T22:13:20.123Z\"}";
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"version\":2,\"image_id\":\"" ID
        "\",\"answer\":\"accepted\",\"exit\":0,\"time\":\"2023-11-14T22:13:20.123Z\"}",
        "{\"version\":1,\"image_id\":\"x\",\"answer\":\"accepted\",\"exit\":0,\"time\":\"2023-11-14T22:13:20."
        "123Z\"}",
        "{\"version\":1,\"image_id\":\"" ID
        "\",\"answer\":\"failed\",\"exit\":0,\"time\":\"2023-11-14T22:13:20.123Z\"}",
        "{\"version\":1,\"image_id\":\"" ID
        "\",\"answer\":\"accepted\",\"exit\":1,\"time\":\"2023-11-14T22:13:20.123Z\"}",
        "{\"version\":1,\"image_id\":\"" ID
        "\",\"answer\":\"refused\",\"exit\":0,\"time\":\"2023-11-14T22:13:20.123Z\"}",
        "{\"version\":1,\"image_id\":\"" ID
        "\",\"answer\":\"accepted\",\"time\":\"2023-11-14T22:13:20.123Z\"}",
        "{\"version\":1,\"image_id\":\"" ID "\",\"answer\":\"accepted\",\"exit\":0,\"time\":\"now\"}",
        "{\"version\":1,\"image_id\":\"" ID "\",\"answer\":\"accepted\",\"exit\":0}",
    };
    struct scan_verdict v;

    assert_int_equal(scan_verdict_decode(span_of(good), ID, &v, &err), 0);
    assert_int_equal(v.answer, SCAN_ACCEPTED);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(scan_verdict_decode(span_of(bad[i]), ID, &v, &err), -ERR_INVALID);
}

static void an_answer_holds_for_some_time(void **state)
{
    struct scan_verdict v = { .time_ms = 1000 };

    assert_true(scan_verdict_holds(&v, 1000, 10));
    assert_true(scan_verdict_holds(&v, 1009, 10));
    assert_false(scan_verdict_holds(&v, 1010, 10));
    assert_false(scan_verdict_holds(&v, 999, 10)); /* it is from the future */
}

static const char *last_words(const char *output, size_t size)
{
    static char words[256];
    struct scan_verdict v = { 0 };

    scan_verdict_set_output(&v, span_of(output));
    scan_verdict_last_words(&v, words, size);
    return words;
}

static void last_words_are_one_safe_line(void **state)
{
    assert_string_equal(last_words("", 256), "");
    assert_string_equal(last_words("\n \n\n", 256), "");
    assert_string_equal(last_words("one", 256), "one");
    assert_string_equal(last_words("one\ntwo\n\n  \nthree\nfour\n", 256), "two / three / four");
    assert_string_equal(last_words("a\033[2Jb\x07"
                                   "c\302\233d\342\200\256e\377f",
                                   256),
                        "a [2Jb c d e\357\277\275f");
    assert_string_equal(last_words("abcdef", 4), "abc");
    assert_string_equal(last_words("ab\303\244", 4), "ab"); /* no half characters */
}

static void only_the_end_of_the_output_is_kept(void **state)
{
    static char flood[3 * SCAN_OUTPUT_MAX];
    struct scan_verdict v = { 0 };

    memset(flood, '\377', sizeof(flood));
    scan_verdict_set_output(&v, span_make(flood, sizeof(flood)));
    assert_int_equal(strlen(v.output), 3 * SCAN_OUTPUT_MAX); /* each byte became U+FFFD */
    memset(flood, 'x', sizeof(flood));
    flood[sizeof(flood) - 2] = '\0';
    scan_verdict_set_output(&v, span_make(flood, sizeof(flood)));
    assert_int_equal(strlen(v.output), SCAN_OUTPUT_MAX);
    assert_string_equal(v.output + SCAN_OUTPUT_MAX - 3, "x x");
}

static void files_keep_it(void **state)
{
    char dir[] = "/tmp/agentbox-verdict-XXXXXX", folder[64], path[192];
    struct scan_verdict v = verdict(), back;
    struct stat st;

    assert_non_null(mkdtemp(dir));
    snprintf(folder, sizeof(folder), "%s/a/scans", dir);
    assert_int_equal(scan_verdict_load(folder, KEY, ID, &back, &err), -ERR_NOT_FOUND);
    assert_int_equal(scan_verdict_save(&v, folder, KEY, ID, command, &err), 0);
    snprintf(path, sizeof(path), "%s/" KEY ".json", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(scan_verdict_load(folder, KEY, ID, &back, &err), 0);
    assert_int_equal(back.answer, SCAN_REFUSED);
    assert_int_equal(scan_verdict_load(folder, KEY, "sha256:x", &back, &err), -ERR_NOT_FOUND);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/a", dir);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(what_is_no_answer_counts_as_none),
        cmocka_unit_test(an_answer_holds_for_some_time),
        cmocka_unit_test(last_words_are_one_safe_line),
        cmocka_unit_test(only_the_end_of_the_output_is_kept),
        cmocka_unit_test(files_keep_it),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
