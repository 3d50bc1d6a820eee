/* SPDX-License-Identifier: MIT */
/* The manifest of a run that there is: as its folder has it, with what its resumes have set. */
#include "tests/unit/run/state_home.h"

#include "cmd/load.h"
#include "core/run/journal.h"

static const char manifest[] = "{\"version\": 1, \"name\": \"demo\", \"model\": {\"name\": \"m\"},"
                               " \"agent\": {\"task\": \"work\", \"attachments\": [\"/nowhere/a.png\"]},"
                               " \"workspace\": {\"entries\": {\"d\": {\"type\": \"local_dir\", \"src\": "
                               "\"/nowhere/d\"}}},"
                               " \"limits\": {\"turns\": 5}, \"sandbox\": {\"image\": \"alpine\"}}";

static struct run_folder *begin(void)
{
    struct run_folder *folder;

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(run_folder_save(folder, RUN_MANIFEST, span_of(manifest), NULL), 0);
    return folder;
}

static void resume(struct journal *j, const char *set)
{
    struct record_text text = { set };
    struct record rec = { .type = RECORD_RUN_RESUME, .run_resume = { .sets = &text, .set_count = 1 } };

    assert_int_equal(journal_append(j, &rec, NULL, NULL), 0);
}

static void write_journal(struct run_folder *folder)
{
    struct record first = { .type = RECORD_RUN_BEGIN };
    struct journal *j;

    first.run_begin = (struct record_run_begin){ .format = RECORD_FORMAT, .id = folder->id, .name = "demo" };
    assert_int_equal(journal_create(folder, &j, NULL), 0);
    assert_int_equal(journal_append(j, &first, NULL, NULL), 0);
    resume(j, "limits.turns=10");
    resume(j, "limits.tool_calls=7");
    resume(j, "limits.turns=20");
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
}

static struct run_spec *load(struct load_recorded from)
{
    struct run_spec *spec = NULL;
    struct err err = { 0 };

    if (load_recorded_spec(&from, &spec, &err) < 0)
        fail_msg("%s", err.text);
    return spec;
}

static void test_as_it_was(void **state)
{
    struct run_folder *folder = begin();
    struct run_spec *spec = load((struct load_recorded){ .folder = folder });

    assert_string_equal(spec->name, "demo");
    assert_string_equal(spec->task, "work");
    assert_int_equal(spec->limits.turns, 5);
    assert_string_equal(spec->entries[0].src, "/nowhere/d"); /* was read when it began */
    run_spec_free(spec);
    run_folder_free(folder);
}

static void test_what_resumes_have_set_is_part_of_it(void **state)
{
    struct run_folder *folder = begin();
    struct run_spec *spec;

    write_journal(folder);
    spec = load((struct load_recorded){ .folder = folder });
    assert_int_equal(spec->limits.turns, 20);
    assert_int_equal(spec->limits.tool_calls, 7);
    run_spec_free(spec);
    run_folder_free(folder);
}

static void test_what_is_set_now_wins(void **state)
{
    static const char *const now[] = { "limits.turns=30", "model.name=other", NULL };
    static const char *const earlier[] = { "limits.turns=8", "limits.tool_calls=9", NULL };
    struct run_folder *folder = begin();
    struct run_spec *spec;

    write_journal(folder);
    spec = load((struct load_recorded){ .folder = folder, .sets = now, .task = "something else" });
    assert_int_equal(spec->limits.turns, 30);
    assert_int_equal(spec->limits.tool_calls, 7);
    assert_string_equal(spec->model.name, "other");
    assert_string_equal(spec->task, "something else");
    run_spec_free(spec);
    spec = load((struct load_recorded){ .folder = folder, .earlier = earlier, .sets = now });
    assert_int_equal(spec->limits.turns, 30); /* the journal is not asked */
    assert_int_equal(spec->limits.tool_calls, 9);
    run_spec_free(spec);
    run_folder_free(folder);
}

static void test_a_folder_without_a_manifest(void **state)
{
    struct run_spec *spec = NULL;
    struct run_folder *folder;
    struct err err = { 0 };

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(load_recorded_spec(&(struct load_recorded){ .folder = folder }, &spec, &err),
                     -ERR_MANIFEST);
    assert_non_null(strstr(err.text, RUN_MANIFEST));
    assert_null(spec);
    run_folder_free(folder);
}

static void test_sets_of_a_command_line(void **state)
{
    struct options opts = { .sets = { { "a=1", "b.c=" }, 2 }, .keep = true };
    const char *sets[LOAD_SETS_MAX];
    struct err err = { 0 };

    assert_int_equal(load_sets(&opts, sets, &err), 0);
    assert_string_equal(sets[0], "a=1");
    assert_string_equal(sets[1], "b.c=");
    assert_string_equal(sets[2], "sandbox.keep=always");
    assert_null(sets[3]);
    opts.sets.items[1] = "=x";
    assert_int_equal(load_sets(&opts, sets, &err), -ERR_USAGE);
    assert_string_equal(err.text, "'--set =x' is not of the form PATH=VALUE");
}

static const struct CMUnitTest tests[] = {
    in_state_home(test_as_it_was),
    in_state_home(test_what_resumes_have_set_is_part_of_it),
    in_state_home(test_what_is_set_now_wins),
    in_state_home(test_a_folder_without_a_manifest),
    cmocka_unit_test(test_sets_of_a_command_line),
};

UNIT_MAIN(tests)
