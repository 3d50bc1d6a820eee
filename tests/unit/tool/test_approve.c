/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/json.h"
#include "core/tool/approve.h"

static void test_patterns_that_let_run_are_strict(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool lets, restricts;
    } rows[] = {
        { "ls", "ls", true, true },
        { "ls", "ls ", false, false },
        { "ls", " ls", false, false },
        { "ls *", "ls -la src", true, true },
        { "ls *", "ls", false, false },
        { "ls*", "ls", true, true },
        { "ls *", "ls; rm x", false, false },
        { "ls *", "ls & rm x", false, true },
        { "ls *", "ls x | sh", false, true },
        { "ls *", "ls x\nrm x", false, true },
        { "ls *", "ls x\rrm x", false, true },
        { "ls *", "ls $(rm x)", false, true },
        { "ls *", "ls `rm x`", false, true },
        { "ls *", "ls > x", false, true },
        { "ls *", "ls 'x'", false, true },
        { "ls *", "ls \"x\"", false, true },
        { "ls *", "ls \\x", false, true },
        { "ls *", "ls {a,b}", false, true },
        { "ls *", "ls ~", false, true },
        { "ls *", "ls *", false, true },
        { "ls *", "ls # x", false, true },
        { "ls *", "ls !x", false, true },
        { "ls *", "ls \tx", false, true },
        { "ls *", "ls \xc3\xa9", false, true },
        { "git log | head *", "git log | head -3", true, true },
        { "git log | head *", "git log | head -3 | sh", false, true },
        { "?s", "ls", true, true },
        { "?s", ";s", false, true },
        { "*", "", true, true },
        { "*", "rm -rf /", true, true },
        { "a*b*c", "a1b2b3c", true, true },
        { "a*b*c", "a1b2b3", false, false },
        { "**", "x", true, true },
        { "[ab]", "a", false, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (approve_matches(rows[i].pattern, span_of(rows[i].text), true) != rows[i].lets ||
            approve_matches(rows[i].pattern, span_of(rows[i].text), false) != rows[i].restricts)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
    assert_false(approve_matches("ls *", span_make("ls a\0b", 6), true));
    assert_true(approve_matches("ls *", span_make("ls a\0b", 6), false));
}

static const char *const autos[] = { "ls *", "echo fine" };
static const char *const asks[] = { "* --force*" };
static const char *const denies[] = { "rm *", "*evil*" };
static const struct approve_rule rules[] = {
    { .tool = "shell",
      .otherwise = APPROVE_ASK,
      .commands = { [APPROVE_AUTO] = { autos, 2 },
                    [APPROVE_ASK] = { asks, 1 },
                    [APPROVE_DENY] = { denies, 2 } } },
    { .tool = "apply_patch", .otherwise = APPROVE_DENY },
};
static const struct approve_spec spec = { .rules = rules, .count = 2 };

static enum approve_word judge(const char *tool, const char *item, char why[APPROVE_WHY_MAX])
{
    struct arena arena = ARENA_INIT(1 << 20);
    const struct tree *tree;
    enum approve_word word;

    assert_int_equal(0, json_parse(span_of(item), &arena, &tree, NULL));
    word = approve_judge(&spec, tool, NULL, tree, why);
    arena_done(&arena);
    return word;
}

#define NATIVE(commands)    "{\"type\":\"shell_call\",\"action\":{\"commands\":[" commands "]}}"
#define CALL(name, args)    "{\"type\":\"function_call\",\"name\":\"" name "\",\"arguments\":\"{" args "}\"}"

#define CUSTOM(name, input) "{\"type\":\"custom_tool_call\",\"name\":\"" name "\",\"input\":\"" input "\"}"

static void test_what_no_rule_names(void **state)
{
    static const struct approve_rule named[] = {
        { .tool = "docs", .otherwise = APPROVE_DENY },
        { .tool = "docs__read", .otherwise = APPROVE_AUTO },
    };
    static const struct approve_spec rest = { .rules = named, .count = 2, .otherwise = APPROVE_ASK };
    static const struct {
        const char *tool, *group;
        enum approve_word word;
        const char *why;
    } rows[] = {
        { "docs__read", "docs", APPROVE_AUTO, "docs__read: auto" }, /* its own before its server's */
        { "docs__write", "docs", APPROVE_DENY, "docs: deny" },
        { "docs__write", NULL, APPROVE_ASK, "else: ask" },
        { "shell", NULL, APPROVE_ASK, "else: ask" },
        { "load_skill", NULL, APPROVE_AUTO, "" },
    };
    struct tree call = { .kind = TREE_OBJECT };
    char why[APPROVE_WHY_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(approve_judge(&rest, rows[i].tool, rows[i].group, &call, why), rows[i].word);
        assert_string_equal(why, rows[i].why);
    }
}

static void test_the_strictest_of_a_call_counts(void **state)
{
    static const struct {
        const char *tool, *item;
        enum approve_word word;
        const char *why;
    } rows[] = {
        { "shell", NATIVE("\"ls x\""), APPROVE_AUTO, "shell.auto: ls *" },
        { "shell", NATIVE("\"ls x\",\"pwd\""), APPROVE_ASK, "shell: ask" },
        { "shell", NATIVE("\"pwd\",\"rm x\",\"ls x\""), APPROVE_DENY, "shell.deny: rm *" },
        { "shell", NATIVE("\"ls --force\""), APPROVE_ASK, "shell.ask: * --force*" },
        { "shell", NATIVE("\"ls evil\""), APPROVE_DENY, "shell.deny: *evil*" },
        { "shell", NATIVE(""), APPROVE_ASK, "shell: ask" },
        { "shell", NATIVE("1"), APPROVE_ASK, "shell: ask" },
        { "shell", "{\"type\":\"shell_call\"}", APPROVE_ASK, "shell: ask" },
        { "shell", CALL("exec_command", "\\\"cmd\\\":\\\"ls x\\\""), APPROVE_AUTO, "shell.auto: ls *" },
        { "shell", CALL("exec_command", "\\\"cmd\\\":\\\"ls x\\\",\\\"shell\\\":null"), APPROVE_AUTO,
          "shell.auto: ls *" },
        { "shell", CALL("exec_command", "\\\"cmd\\\":\\\"ls x\\\",\\\"shell\\\":\\\"./mine\\\""), APPROVE_ASK,
          "shell: ask" },
        { "shell", CALL("exec_command", "\\\"cmd\\\":\\\"rm x\\\",\\\"shell\\\":\\\"./mine\\\""),
          APPROVE_DENY, "shell.deny: rm *" },
        { "shell", CALL("exec_command", "\\\"cmd\\\":\\\"ls x\\\",\\\"tty\\\":true"), APPROVE_ASK,
          "shell: ask" },
        { "shell", CALL("exec_command", "nonsense"), APPROVE_ASK, "shell: ask" },
        { "shell", CALL("write_stdin", "\\\"session_id\\\":1"), APPROVE_AUTO, "" },
        { "shell", CALL("write_stdin", "\\\"session_id\\\":1,\\\"chars\\\":\\\"\\\\u0003\\\""), APPROVE_AUTO,
          "" },
        { "shell", CALL("write_stdin", "\\\"session_id\\\":1,\\\"chars\\\":\\\"echo fine\\\""), APPROVE_ASK,
          "shell: ask" },
        { "shell", CALL("write_stdin", "\\\"session_id\\\":1,\\\"chars\\\":\\\"rm x\\\\n\\\""), APPROVE_DENY,
          "shell.deny: rm *" },
        { "shell", CALL("exec_command", "\\\"cmd\\\":7"), APPROVE_ASK, "shell: ask" },
        { "shell", CUSTOM("exec_command", "ls x"), APPROVE_AUTO, "shell.auto: ls *" },
        { "shell", CUSTOM("exec_command", "rm x"), APPROVE_DENY, "shell.deny: rm *" },
        { "shell", CUSTOM("exec_command", "[\\\"rm x\\\"]"), APPROVE_ASK, "shell: ask" },
        { "shell", CUSTOM("exec_command", "{\\\"cmd\\\":\\\"rm x\\\"}"), APPROVE_DENY, "shell.deny: rm *" },
        { "shell", CUSTOM("exec_command", "{\\\"cmd\\\":\\\"ls x\\\",\\\"shell\\\":\\\"x\\\"}"), APPROVE_ASK,
          "shell: ask" },
        { "shell", CUSTOM("write_stdin", "{\\\"session_id\\\":1,\\\"chars\\\":\\\"rm x\\\"}"), APPROVE_DENY,
          "shell.deny: rm *" },
        { "apply_patch", "{\"type\":\"apply_patch_call\"}", APPROVE_DENY, "apply_patch: deny" },
        { "files", CALL("read_file", ""), APPROVE_AUTO, "" },
    };
    char why[APPROVE_WHY_MAX];

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (judge(rows[i].tool, rows[i].item, why) != rows[i].word || strcmp(why, rows[i].why) != 0)
            fail_msg("%s: %s", rows[i].item, why);
}

static void test_who_is_asked_sees_everything(void **state)
{
    static const struct {
        const char *item, *shown;
    } rows[] = {
        { NATIVE("\"ls\",\"a\\nb\""), "$ ls\n$ a\nb\n" },
        { CALL("exec_command", "\\\"cmd\\\":\\\"ls\\\",\\\"workdir\\\":\\\"x\\\",\\\"odd\\\":[1]"),
          "$ ls\nworkdir: x\nodd: [1]\n" },
        { CALL("exec_command", "nonsense"), "{nonsense}\n" },
        { "{\"type\":\"apply_patch_call\",\"operation\":{\"type\":\"update_file\",\"path\":\"f\",\"diff\":\"@"
          "@\\n-a\\n+b\\n\"}}",
          "type: update_file\npath: f\ndiff:\n@@\n-a\n+b\n\n" },
        { "{\"type\":\"custom_tool_call\",\"input\":\"*** Begin\\n\\u001b[2J\"}", "*** Begin\n\x1b[2J\n" },
        { CUSTOM("exec_command", "{\\\"cmd\\\":\\\"ls\\\"}"), "$ ls\n" },
        /* what is looked at and not run */
        { "{\"type\":\"function_call\",\"action\":{\"commands\":[\"ls\"]},\"input\":\"ls\",\"arguments\":\"{"
          "\\\"cmd\\\":\\\"rm\\\"}\"}",
          "$ rm\n" },
        { "{\"type\":\"apply_patch_call\",\"action\":{\"commands\":[\"ls\"]},\"operation\":{\"path\":\"f\"}}",
          "path: f\n" },
        { "{\"type\":\"odd\"}", "{\"type\":\"odd\"}\n" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = ARENA_INIT(1 << 20);
        struct buf out = BUF_INIT(1 << 20);
        const struct tree *tree;

        assert_int_equal(0, json_parse(span_of(rows[i].item), &arena, &tree, NULL));
        approve_show(tree, &out);
        assert_string_equal(buf_text(&out), rows[i].shown);
        buf_done(&out);
        arena_done(&arena);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_no_rule_names),
    cmocka_unit_test(test_patterns_that_let_run_are_strict),
    cmocka_unit_test(test_the_strictest_of_a_call_counts),
    cmocka_unit_test(test_who_is_asked_sees_everything),
};

UNIT_MAIN(tests)
