/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/container_result.h"

static const struct sandbox_spec sandbox = {
    .root = "/workspace", .memory_bytes = 64 << 20, .size_bytes = 1 << 20, .tmp_bytes = 1 << 20
};
static const struct tool_container tool = { .sandbox = &sandbox };

struct said {
    const char *out, *words;
    enum exec_end end;
    int code;
    bool memory_hit, is_flooded;
};

static bool decode(const struct said *said, struct buf *text, char summary[CONTAINER_SUMMARY_MAX])
{
    const struct exec_result exec = {
        .end = said->end, .code = said->code, .text = "no such program", .memory_hit = said->memory_hit
    };
    struct capture words;
    bool is_good;

    assert_int_equal(capture_init(&words, CONTAINER_WORDS_MAX), 0);
    capture_add(&words, span_of(said->words ? said->words : ""), 0);
    const struct container_done done = {
        .exec = &exec, .out = span_of(said->out), .words = &words, .is_flooded = said->is_flooded
    };

    is_good = container_result(&tool, &done, 5000, text, summary);
    capture_done(&words);
    return is_good;
}

static void test_what_works(void **state)
{
    static const struct {
        const char *out, *text;
    } cases[] = { { "{\"a\": 1}\n", "{\"a\": 1}" },
                  { " [1,\n2] ", "[1,\n2]" },
                  { "null", "null" },
                  { "\"\\u0000\"", "\"\\u0000\"" } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = BUF_INIT(65536);
        char summary[CONTAINER_SUMMARY_MAX];
        const struct said said = { .out = cases[i].out, .words = "a warning", .end = EXEC_EXITED };

        assert_true(decode(&said, &text, summary));
        assert_string_equal(buf_text(&text), cases[i].text);
        assert_non_null(strstr(summary, "of JSON"));
        buf_done(&text);
    }
}

static void test_what_does_not(void **state)
{
    static const struct {
        struct said said;
        const char *begin, *also;
    } cases[] = {
        { { .out = "", .end = EXEC_EXITED }, "the tool's result is not JSON: it wrote nothing", "" },
        { { .out = "hello\n", .words = "oops\n", .end = EXEC_EXITED },
          "the tool's result is not JSON: ",
          "\nstdout:\nhello\nstderr:\noops\n" },
        { { .out = "{} {}", .end = EXEC_EXITED }, "the tool's result is not JSON: ", "\nstdout:\n{} {}" },
        { { .out = "\xff\xfe", .end = EXEC_EXITED },
          "the tool's result is not JSON: ",
          "stdout:\n\xef\xbf\xbd\xef\xbf\xbd" },
        { { .out = "{}", .words = "Traceback", .end = EXEC_EXITED, .code = 3 },
          "the tool failed with exit status 3",
          "stderr:\nTraceback" },
        { { .out = "", .end = EXEC_SIGNALED, .code = 9, .memory_hit = true },
          "the tool was killed by signal 9: out of memory (limit 64m)",
          "" },
        { { .out = "[", .end = EXEC_TIMEOUT }, "the tool gave no result in 5 s and was ended", "stdout:\n[" },
        { { .out = "", .end = EXEC_FAILED }, "the tool could not be started: no such program", "" },
        { { .out = "xxx", .end = EXEC_KILLED, .is_flooded = true },
          "the tool wrote more than 4 MiB and was ended",
          "stdout:\nxxx" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = BUF_INIT(65536);
        char summary[CONTAINER_SUMMARY_MAX];

        assert_false(decode(&cases[i].said, &text, summary));
        assert_int_equal(strncmp(buf_text(&text), cases[i].begin, strlen(cases[i].begin)), 0);
        assert_non_null(strstr(buf_text(&text), cases[i].also));
        assert_int_equal(strncmp(summary, cases[i].begin, strlen(cases[i].begin)), 0);
        buf_done(&text);
    }
}

static void test_quotes_are_short(void **state)
{
    struct said said = { .end = EXEC_EXITED, .code = 1 };
    struct buf text = BUF_INIT(65536);
    char summary[CONTAINER_SUMMARY_MAX], *out = calloc(1, 30001), *words = calloc(1, 30001);

    memset(out, 'o', 30000);
    memset(words, 'w', 30000);
    memcpy(words + 29995, "last\n", 5);
    said.out = out;
    said.words = words;
    assert_false(decode(&said, &text, summary));
    assert_true(text.len < 2000);
    assert_non_null(strstr(buf_text(&text), "stdout begins:\noooo"));
    assert_non_null(strstr(buf_text(&text), "last\n"));
    buf_done(&text);
    free(out);
    free(words);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_works),
    cmocka_unit_test(test_what_does_not),
    cmocka_unit_test(test_quotes_are_short),
};

UNIT_MAIN(tests)
