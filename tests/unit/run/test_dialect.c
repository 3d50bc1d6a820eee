/* SPDX-License-Identifier: MIT */
/* What is remembered of servers, and for how long. */
#include "tests/unit/unit.h"

#include "tests/unit/run/state_home.h"

#include "core/base/clock.h"
#include "core/run/dialect.h"

#include <glob.h>

#define DAY INT64_C(86400000)
#define NOW (INT64_C(20000) * DAY)

static void test_is_learnt_and_forgotten(void **state)
{
    assert_false(dialect_known("http://a.example/v1", NOW));
    dialect_learn("http://a.example/v1", NOW, DIALECT_FUNCTIONS);
    assert_true(dialect_known("http://a.example/v1", NOW));
    assert_false(dialect_known("http://a.example/v2", NOW));
    assert_true(dialect_known("http://a.example/v1", NOW + (DIALECT_DAYS - 1) * DAY));
    assert_false(dialect_known("http://a.example/v1", NOW + DIALECT_DAYS * DAY));
    assert_false(dialect_known("http://a.example/v1", NOW - DAY)); /* a clock that was set back: ask again */
    dialect_learn("http://a.example/v1", NOW + DIALECT_DAYS * DAY, DIALECT_FUNCTIONS);
    assert_true(dialect_known("http://a.example/v1", NOW + DIALECT_DAYS * DAY));
}

/* One after the other, and for as long as the first of them. */
static void test_more_is_learnt(void **state)
{
    dialect_learn("http://a.example/v1", NOW, DIALECT_NO_SCHEMA);
    assert_int_equal(dialect_known("http://a.example/v1", NOW), DIALECT_NO_SCHEMA);
    dialect_learn("http://a.example/v1", NOW + DAY, DIALECT_FUNCTIONS);
    assert_int_equal(dialect_known("http://a.example/v1", NOW + DAY), DIALECT_NO_SCHEMA | DIALECT_FUNCTIONS);
    assert_int_equal(dialect_known("http://a.example/v1", NOW + DIALECT_DAYS * DAY), 0);
    dialect_learn("http://a.example/v1", NOW + DIALECT_DAYS * DAY, DIALECT_FUNCTIONS);
    assert_int_equal(dialect_known("http://a.example/v1", NOW + DIALECT_DAYS * DAY), DIALECT_FUNCTIONS);
}

/* A recording is to hold all of an exchange, and answers whatever was asked when it was made. */
static void test_recordings_know_nothing(void **state)
{
    struct model_spec model = { .base_url = "http://a.example/v1", .tool_style = MODEL_TOOLS_AUTO };

    dialect_learn(model.base_url, clock_wall_ms(), DIALECT_NO_SCHEMA | DIALECT_FUNCTIONS);
    assert_false(dialect_takes_schema(&model));
    assert_int_equal(dialect_of(&model), TOOL_STYLE_FUNCTION);
    model.record = "x";
    assert_true(dialect_takes_schema(&model));
    assert_int_equal(dialect_of(&model), TOOL_STYLE_NATIVE);
    model.record = NULL;
    model.tool_style = MODEL_TOOLS_NATIVE;
    assert_false(dialect_takes_schema(&model));
    assert_int_equal(dialect_of(&model), TOOL_STYLE_NATIVE);
}

static void only_file(char *path, size_t size)
{
    char pattern[300];
    glob_t found;

    snprintf(pattern, sizeof(pattern), "%s/agentbox/servers/*", state_home);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    snprintf(path, size, "%s", found.gl_pathv[0]);
    globfree(&found);
}

/* Addresses can hold keys. */
static void test_nothing_secret_is_kept(void **state)
{
    struct buf text = BUF_INIT(4096);
    struct stat st;
    char path[400];

    dialect_learn("https://user:hush@host.example/v1?key=hush", NOW, DIALECT_FUNCTIONS);
    only_file(path, sizeof(path));
    assert_int_equal(file_read(path, &text, NULL), 0);
    assert_string_equal(
        buf_text(&text),
        "{\"host\":\"host.example\",\"tool_style\":\"function\",\"learnt\":\"2024-10-04T00:00:00.000Z\"}");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_done(&text);
}

static void test_what_is_not_ours_counts_for_nothing(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{\"tool_style\":\"function\"}",
        "{\"tool_style\":\"native\",\"learnt\":\"2024-10-04T00:00:00.000Z\"}"
    };
    char path[400];

    dialect_learn("http://a.example/v1", NOW, DIALECT_FUNCTIONS);
    only_file(path, sizeof(path));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(file_write_atomic(path, span_of(texts[i]), 0600, NULL), 0);
        assert_false(dialect_known("http://a.example/v1", NOW));
    }
    assert_int_equal(setenv("XDG_STATE_HOME", "/proc/nowhere", 1), 0);
    dialect_learn("http://a.example/v1", NOW, DIALECT_FUNCTIONS); /* nothing happens */
    assert_false(dialect_known("http://a.example/v1", NOW));
}

static const struct CMUnitTest tests[] = {
    in_state_home(test_is_learnt_and_forgotten),
    in_state_home(test_more_is_learnt),
    in_state_home(test_recordings_know_nothing),
    in_state_home(test_nothing_secret_is_kept),
    in_state_home(test_what_is_not_ours_counts_for_nothing),
};

UNIT_MAIN(tests)
