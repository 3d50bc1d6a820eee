/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "manifest/library.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static struct arena arena;
static struct diags diags;

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/agentbox-library-XXXXXX");
    assert_non_null(mkdtemp(top));
    arena_init(&arena, 64 * 1024 * 1024);
    diags_init(&diags);
    return 0;
}

static int tear_down(void **state)
{
    diags_done(&diags);
    arena_done(&arena);
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    return 0;
}

static void fill(struct bundle *b, const char *yaml)
{
    const struct bundle_file file = { LIBRARY_FILE, span_of(yaml), false };

    bundle_init(b);
    assert_int_equal(bundle_add(b, &file, NULL), 0);
    bundle_seal(b);
}

static const char *save(const char *name, const char *content, int64_t added_ms, bool is_approved)
{
    struct bundle b;
    struct library_tool tool = { .name = name, .from = "/x", .image_id = "", .added_ms = added_ms };

    fill(&b, content);
    tool.digest = arena_text(&arena, b.digest);
    tool.is_approved = is_approved;
    assert_int_equal(library_save(top, &tool, &b, NULL), 0);
    bundle_done(&b);
    return tool.digest;
}

static int find(const char *word, bool approved, struct library_tool *ret)
{
    struct err err = { 0 };

    return library_find(top, word, approved, &arena, ret, &err);
}

/* Approved is a digest: a later version of the same name is off. */
static void test_approved_is_a_version(void **state)
{
    const char *old = save("t", "one", 1, true), *new = save("t", "two", 2, false);
    struct library_tool found;
    char word[80];

    assert_int_equal(find("t", false, &found), 0);
    assert_string_equal(found.digest, new);
    assert_int_equal(find("t", true, &found), 0);
    assert_string_equal(found.digest, old);
    snprintf(word, sizeof(word), "t@%.10s", new);
    assert_int_equal(find(word, true, &found), -ERR_POLICY);
    assert_int_equal(find(word, false, &found), 0);
    assert_int_equal(find("t@123", false, &found), -ERR_USAGE);
    assert_int_equal(find("t@0123456789", false, &found), -ERR_NOT_FOUND);
    assert_int_equal(find("tt", false, &found), -ERR_NOT_FOUND);
}

static void test_a_changed_folder_is_refused(void **state)
{
    const char *digest = save("t", "one", 1, true);
    struct library_tool found;
    struct err err = { 0 };
    struct bundle b;
    char path[256];

    assert_int_equal(find("t", true, &found), 0);
    bundle_init(&b);
    assert_int_equal(library_load(top, &found, &b, NULL), 0);
    bundle_done(&b);
    snprintf(path, sizeof(path), "%s/t/%s/more", top, digest);
    assert_int_equal(file_write_atomic(path, span_of("x"), 0600, NULL), 0);
    bundle_init(&b);
    assert_int_equal(library_load(top, &found, &b, &err), -ERR_POLICY);
    assert_non_null(strstr(err.text, "was changed"));
    bundle_done(&b);
}

static void test_what_a_crash_left_is_not_there(void **state)
{
    const char *digest = save("t", "one", 1, true);
    struct library_tool *list;
    char path[256];
    size_t count;

    snprintf(path, sizeof(path), "%s/t/%s.json", top, digest);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(library_list(top, &arena, &list, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_string_equal(save("t", "one", 2, false), digest);
    assert_int_equal(library_list(top, &arena, &list, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_false(list[0].is_approved);
    assert_int_equal(library_remove(top, &list[0], NULL), 0);
    snprintf(path, sizeof(path), "%s/t", top);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(library_list("/nowhere/at/all", &arena, &list, &count, NULL), 0);
    assert_int_equal(count, 0);
}

#define TOOL "version: 1\nname: t\nimage: i\ndescription: d\ncommand: [x]\n"

static void test_what_is_wrong_with_a_tool(void **state)
{
    static const struct {
        const char *yaml;
        uint32_t line;
        const char *words;
    } cases[] = {
        { TOOL, 1, "missing 'tests'" },
        { TOOL "tests: []\n", 6, "must not be empty" },
        { TOOL "tests: [{arguments: {}}]\n", 6, "a test says what must come of it" },
        { TOOL "tests: [{arguments: {}, result: 1, fails: true}]\n", 6, "a test says what must come of it" },
        { TOOL "tests: [{arguments: {}, result: 1, workspace: w}]\n", 6, "there is no folder 'w'" },
        { TOOL "parameters: s.json\ntests: [{arguments: {}, result: 1}]\n", 6, "there is no file 's.json'" },
        { TOOL "parameters: {type: object}\ntests: [{arguments: {}, result: 1}]\n", 6, "" },
        { TOOL "inputs: [{argument: a}]\ntests: [{arguments: {}, result: 1}]\n", 6,
          "'a' is no argument that can be a path" },
        { "version: 1\nname: t\ndescription: d\ncommand: [x]\ntests: [{arguments: {}, result: 1}]\n", 1,
          "missing 'image'" },
        { "version: 1\nname: t t\nimage: i\ndescription: d\ncommand: [x]\ntests: [{arguments: {}, fails: "
          "true}]\n",
          2, "this is not a name of a tool" },
        { "[]\n", 1, "keys and values" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct manifest_container tool;
        struct bundle b;
        struct err err = { 0 };

        diags_done(&diags);
        diags_init(&diags);
        fill(&b, cases[i].yaml);
        assert_int_equal(library_decode(&b, &arena, &diags, &tool, &err), -ERR_MANIFEST);
        assert_true(diags.count > 0);
        assert_int_equal(diags.items[0].pos.line, cases[i].line);
        if (!strstr(diags.items[0].message, cases[i].words))
            assert_string_equal(diags.items[0].message, cases[i].words);
        bundle_done(&b);
    }
}

static void test_a_good_tool(void **state)
{
    struct manifest_container tool;
    struct bundle b;
    struct err err = { 0 };

    fill(&b, TOOL "tests: [{arguments: {}, result: {a: [1]}}]\nnetwork: none\nmemory: 64m\n");
    assert_int_equal(library_decode(&b, &arena, &diags, &tool, &err), 0);
    assert_string_equal(tool.name, "t");
    assert_int_equal(tool.side.memory_bytes, 64 * 1024 * 1024);
    assert_int_equal(tool.test_count, 1);
    bundle_done(&b);
}

static void test_where_it_is(void **state)
{
    static const char *const data[] = { "HOME=/h", "XDG_DATA_HOME=/d", NULL };
    static const char *const home[] = { "XDG_DATA_HOME=d", "HOME=/h", NULL };
    static const char *const none[] = { "HOME=", NULL };

    assert_string_equal(library_root(data, &arena), "/d/agentbox/tools");
    assert_string_equal(library_root(home, &arena), "/h/.local/share/agentbox/tools");
    assert_null(library_root(none, &arena));
}

#define LIBRARY_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    LIBRARY_TEST(test_approved_is_a_version),
    LIBRARY_TEST(test_a_changed_folder_is_refused),
    LIBRARY_TEST(test_what_a_crash_left_is_not_there),
    LIBRARY_TEST(test_what_is_wrong_with_a_tool),
    LIBRARY_TEST(test_a_good_tool),
    LIBRARY_TEST(test_where_it_is),
};

UNIT_MAIN(tests)
