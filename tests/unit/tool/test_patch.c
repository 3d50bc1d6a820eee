/* SPDX-License-Identifier: MIT */
/*
 * Patches over trees of files, as data: patch_cases.json says what there is before, the patch, and what there
 * is after; `after` null: it is refused, with an error that contains `error`, and nothing would be written.
 */
#include "tests/unit/unit.h"

#include "tests/fuzz/patch_edit.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/tool/patch_plan.h"

#include <stdio.h>
#include <stdlib.h>

static const struct tree *the_case;

/* ---- the tree before ---- */

static bool is_folder(const char *path)
{
    size_t len = strlen(path);

    tree_each (folder, tree_get(the_case, "folders"))
        if (span_is(folder->text, path))
            return true;
    tree_each (file, tree_get(the_case, "before"))
        if (file->key.len > len && memcmp(file->key.ptr, path, len) == 0 && file->key.ptr[len] == '/')
            return true;
    return false;
}

static bool is_blocked(const char *path)
{
    tree_each (file, tree_get(the_case, "before"))
        if (strncmp(path, file->key.ptr, file->key.len) == 0 && path[file->key.len] == '/')
            return true;
    return false;
}

static void fill(struct patch_file *f)
{
    const struct tree *file = tree_get(tree_get(the_case, "before"), f->path);

    f->was = file                  ? PATCH_FILE
             : is_folder(f->path)  ? PATCH_FOLDER
             : is_blocked(f->path) ? PATCH_BLOCKED
                                   : PATCH_ABSENT;
    f->why = "a folder on the way is a file";
    f->mode = 0600;
    if (file && f->needs_contents) {
        f->has_contents = true;
        assert_int_equal(buf_add_span(&f->before, file->text), 0);
    }
}

/* ---- the tree after ---- */

static const struct patch_file *planned(const struct patch_plan *plan, struct span path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (span_is(path, plan->files[i].path))
            return &plan->files[i];
    return NULL;
}

static void expect_file(const struct patch_plan *plan, const struct tree *file)
{
    const struct patch_file *f = planned(plan, file->key);
    const struct tree *before = tree_get(tree_get(the_case, "before"), file->key.ptr);

    if (!f || f->step == PATCH_KEEP) {
        assert_non_null(before);
        assert_true(span_equal(before->text, file->text));
        return;
    }
    assert_int_equal(f->step, PATCH_WRITE);
    assert_string_equal(buf_text(&f->now), file->text.ptr);
    assert_int_equal(f->now.len, file->text.len);
}

static void expect_tree(const struct patch_plan *plan, const struct tree *after)
{
    tree_each (file, after)
        expect_file(plan, file);
    for (size_t i = 0; i < plan->count; i++) {
        const struct patch_file *f = &plan->files[i];

        if (tree_get(after, f->path))
            continue;
        assert_int_not_equal(f->step, PATCH_WRITE);
        assert_true(f->step == PATCH_REMOVE || !tree_get(tree_get(the_case, "before"), f->path));
    }
}

static int run(struct patch *patch, struct patch_plan *plan, struct err *err)
{
    struct span text = tree_span(tree_get(the_case, "patch"));
    int r;

    patch_init(patch);
    r = patch_parse(patch, text, err);
    if (r == 0)
        r = patch_plan_init(plan, patch, "/workspace", err);
    for (size_t i = 0; r == 0 && i < plan->count; i++)
        fill(&plan->files[i]);
    return r < 0 ? r : patch_plan_run(plan, err);
}

static void run_case(void)
{
    const struct tree *after = tree_get(the_case, "after");
    const char *says = tree_string(tree_get(the_case, "says"), NULL);
    struct patch_plan plan = { 0 };
    struct patch patch;
    struct err err = { 0 };
    int r = run(&patch, &plan, &err);

    if (!after || after->kind == TREE_NULL) {
        const char *error = tree_string(tree_get(the_case, "error"), "");

        assert_true(r < 0);
        assert_int_equal(r, -(int) err.code);
        if (!strstr(err.text, error))
            assert_string_equal(err.text, error);
    } else {
        if (r < 0)
            assert_string_equal(err.text, "");
        expect_tree(&plan, after);
        if (says && !strstr(buf_text(&plan.notes), says))
            assert_string_equal(buf_text(&plan.notes), says);
    }
    patch_plan_done(&plan);
    patch_done(&patch);
}

static void test_all_cases(void **state)
{
    struct arena arena = ARENA_INIT(16 * 1024 * 1024);
    struct buf text = BUF_INIT(1024 * 1024);
    const struct tree *tree = NULL;
    size_t count = 0;

    (void) state;
    assert_int_equal(file_read(getenv("TEST_CASES"), &text, NULL), 0);
    assert_int_equal(json_parse(buf_span(&text), &arena, &tree, NULL), 0);
    tree_each (one, tree_get(tree, "cases")) {
        the_case = one;
        print_message("# %s\n", tree_string(tree_get(one, "name"), "?"));
        run_case();
        count++;
    }
    assert_true(count > 100);
    buf_done(&text);
    arena_done(&arena);
}

#define EDITS 20000

static void test_our_diff_of_random_edits_applies(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= EDITS; seed++)
        if (patch_edit_check(NULL, 0, seed) != 0)
            fail_msg("seed %llu", (unsigned long long) seed);
    print_message("# %d random edits, their diffs applied\n", EDITS);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_our_diff_of_random_edits_applies),
    cmocka_unit_test(test_all_cases),
};

UNIT_MAIN(tests)
