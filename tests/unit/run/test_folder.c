/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/state_home.h"

#include "core/run/folder.h"
#include "core/run/journal.h"
#include "core/run/object.h"

static struct run_folder *create(void)
{
    struct run_folder *folder = NULL;
    struct err err = { 0 };

    assert_int_equal(run_folder_create(&folder, &err), 0);
    return folder;
}

static void test_creates_a_closed_folder(void **state)
{
    struct run_folder *folder = create();
    struct stat st;
    char expected[512];

    snprintf(expected, sizeof(expected), "%s/agentbox/runs/%s", state_home, folder->id);
    assert_string_equal(folder->path, expected);
    assert_int_equal(strlen(folder->id), RUN_ROOT_ID);
    assert_int_equal(folder->id[8], '-');
    assert_int_equal(folder->id[15], '-');
    assert_int_equal(fstat(folder->fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(expected, sizeof(expected), "%s/agentbox/runs", state_home);
    assert_int_equal(stat(expected, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    run_folder_free(folder);
}

static void test_ids_sort_by_time(void **state)
{
    struct run_folder *folders[20];
    char **ids;
    size_t count;

    for (size_t i = 0; i < 20; i++)
        folders[i] = create();
    assert_int_equal(run_folder_list(&ids, &count, NULL), 0);
    assert_int_equal(count, 20);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(ids[i - 1], ids[i]) > 0);
    for (size_t i = 1; i < 20; i++) /* within a millisecond the order is open, beyond it is not */
        assert_true(strncmp(folders[i - 1]->id, folders[i]->id, 18) <= 0);
    run_folder_list_free(ids, count);
    for (size_t i = 0; i < 20; i++)
        run_folder_free(folders[i]);
}

static void test_opens_by_id_prefix_and_last(void **state)
{
    struct run_folder *a = create(), *found = NULL;
    struct err err = { 0 };

    assert_int_equal(run_folder_open(a->id, &found, &err), 0);
    assert_string_equal(found->id, a->id);
    run_folder_free(found);
    assert_int_equal(run_folder_open("last", &found, &err), 0);
    assert_string_equal(found->id, a->id);
    run_folder_free(found);
    assert_int_equal(run_folder_open("2", &found, &err), 0);
    run_folder_free(found);
    run_folder_free(create());
    assert_int_equal(run_folder_open("2", &found, &err), -ERR_USAGE);
    assert_string_equal(err.text, "'2' is the beginning of 2 run ids");
    assert_int_equal(run_folder_open("x", &found, &err), -ERR_NOT_FOUND);
    assert_string_equal(err.text, "no run 'x'");
    assert_string_equal(err.hint, "'agentbox ls' shows the runs there are");
    assert_int_equal(run_folder_open("20200101-000000-aaaaaa", &found, &err), -ERR_NOT_FOUND);
    assert_string_equal(err.text, "no run '20200101-000000-aaaaaa'");
    assert_int_equal(run_folder_open("../../etc", &found, &err), -ERR_NOT_FOUND);
    assert_int_equal(run_folder_open("", &found, &err), -ERR_NOT_FOUND);
    run_folder_free(a);
}

static void test_an_absent_root_is_an_empty_list(void **state)
{
    struct run_folder *found;
    struct err err = { 0 };
    char **ids;
    size_t count = 7;

    assert_int_equal(run_folder_list(&ids, &count, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(run_folder_open("last", &found, &err), -ERR_NOT_FOUND);
    assert_string_equal(err.text, "there is no run yet");
}

static void begin_journal(struct run_folder *folder, int64_t pid)
{
    struct record rec = { .type = RECORD_RUN_BEGIN,
                          .run_begin = { .format = RECORD_FORMAT, .id = folder->id, .pid = pid } };
    struct journal *j;

    assert_int_equal(journal_create(folder, &j, NULL), 0);
    assert_int_equal(journal_append(j, &rec, NULL, NULL), 0);
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
}

static void test_one_owner_at_a_time(void **state)
{
    struct run_folder *owner = create(), *other = NULL;
    struct err err = { 0 };
    char expected[128];

    assert_int_equal(run_folder_open(owner->id, &other, &err), 0);
    assert_true(run_folder_is_locked(other));
    assert_int_equal(run_folder_lock(other, &err), -ERR_CONFLICT);
    snprintf(expected, sizeof(expected), "run '%s' is running: another process has just begun", owner->id);
    assert_string_equal(err.text, expected);
    begin_journal(owner, getpid());
    assert_int_equal(run_folder_lock(other, &err), -ERR_CONFLICT);
    snprintf(expected, sizeof(expected), "run '%s' is running: process %d, since 20", owner->id,
             (int) getpid());
    assert_int_equal(strncmp(err.text, expected, strlen(expected)), 0);
    assert_int_equal(run_folder_remove(other, &err), -ERR_CONFLICT);
    run_folder_free(owner);
    assert_false(run_folder_is_locked(other));
    assert_int_equal(run_folder_lock(other, &err), 0);
    run_folder_free(other);
}

static void test_remove_takes_everything(void **state)
{
    struct run_folder *folder = create();
    char name[DIGEST_HEX];
    struct err err = { 0 };
    char **ids;
    size_t count;

    assert_int_equal(object_put(folder, span_of("x"), name, &err), 0);
    assert_int_equal(run_folder_remove(folder, &err), 0);
    assert_int_equal(access(folder->path, F_OK), -1);
    assert_int_equal(run_folder_list(&ids, &count, &err), 0);
    assert_int_equal(count, 0);
    run_folder_list_free(ids, count);
    run_folder_free(folder);
}

static void test_a_state_home_that_is_a_file(void **state)
{
    struct run_folder *folder;
    struct err err = { 0 };
    char path[512], expected[2048];
    FILE *f;

    snprintf(path, sizeof(path), "%s/agentbox", state_home);
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(run_folder_create(&folder, &err), -ERR_IO);
    snprintf(expected, sizeof(expected),
             "the state folder '%s/agentbox/runs' cannot be made: Not a directory", state_home);
    assert_string_equal(err.text, expected);
    assert_string_equal(err.hint, "set XDG_STATE_HOME to a folder that is yours and can be written");
}

static void test_a_state_folder_of_another_user(void **state)
{
    struct run_folder *folder = create();
    struct err err = { 0 };
    char root[512], expected[1024];

    run_folder_free(folder);
    if (geteuid() != 0)
        skip();
    snprintf(root, sizeof(root), "%s/agentbox/runs", state_home);
    assert_int_equal(chown(root, 12345, 12345), 0);
    assert_int_equal(run_folder_create(&folder, &err), -ERR_IO);
    snprintf(expected, sizeof(expected), "state folder '%s' belongs to another user (uid 12345, we are 0)",
             root);
    assert_string_equal(err.text, expected);
}

static void test_without_any_home(void **state)
{
    struct run_folder *folder;
    struct err err = { 0 };
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL, *root = NULL;

    unsetenv("HOME");
    setenv("XDG_STATE_HOME", "relative", 1);
    assert_int_equal(run_folder_create(&folder, &err), -ERR_IO);
    assert_string_equal(err.text,
                        "no place for the run folder: neither XDG_STATE_HOME nor HOME is an absolute path");
    setenv("HOME", "/nowhere", 1);
    assert_int_equal(run_folder_root(&root, &err), 0);
    assert_string_equal(root, "/nowhere/.local/state/agentbox/runs");
    free(root);
    if (home)
        setenv("HOME", home, 1);
    free(home);
    setenv("XDG_STATE_HOME", state_home, 1);
}

static void test_objects_are_what_their_name_says(void **state)
{
    static const char sum[] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    struct run_folder *folder = create();
    struct buf out = BUF_INIT(1000);
    struct object_writer *w;
    struct err err = { 0 };
    char name[DIGEST_HEX];
    int fd;

    assert_int_equal(object_put(folder, span_of("x"), name, &err), 0);
    assert_string_equal(name, sum);
    assert_int_equal(object_put(folder, span_of("x"), name, &err), 0);
    assert_int_equal(object_get(folder, name, &out, &err), 0);
    assert_string_equal(buf_text(&out), "x");

    assert_int_equal(object_begin(folder, &w, &err), 0);
    assert_int_equal(object_add(w, span_of("hel"), &err), 0);
    assert_int_equal(object_add(w, span_of("lo"), &err), 0);
    assert_int_equal(object_commit(w, name, &err), 0);
    assert_string_equal(name, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_int_equal(object_begin(folder, &w, &err), 0);
    object_drop(w);

    fd = openat(folder->objects_fd, sum, O_WRONLY);
    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
    buf_clear(&out);
    assert_int_equal(object_get(folder, sum, &out, &err), -ERR_INVALID);
    assert_int_equal(out.len, 0);
    assert_int_equal(object_get(folder, "../journal.jsonl", &out, &err), -ERR_INVALID);
    buf_done(&out);
    run_folder_free(folder);
}

static struct run_folder *open_or_fail(const char *name)
{
    struct run_folder *folder = NULL;
    struct err err = { 0 };

    assert_int_equal(run_folder_open(name, &folder, &err), 0);
    return folder;
}

static int open_code(const char *name)
{
    struct run_folder *folder = NULL;
    struct err err = { 0 };

    return run_folder_open(name, &folder, &err);
}

static void test_subagents_are_beneath(void **state)
{
    struct run_folder *top = create(), *child = NULL, *below = NULL, *found;
    char name[RUN_ID_SIZE + 8], **keys;
    struct err err = { 0 };
    size_t count;

    assert_int_equal(run_folder_children(top, &keys, &count, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(run_folder_create_child(top, "12", &child, &err), 0);
    assert_int_equal(run_folder_create_child(child, "3", &below, &err), 0);
    assert_int_equal(run_folder_create_child(top, "12", &found, &err), -ERR_CONFLICT);
    snprintf(name, sizeof(name), "%s/12/3", top->id);
    assert_string_equal(below->id, name);
    assert_true(run_folder_is_locked(below) && run_folder_is_child(below) && !run_folder_is_child(top));
    found = open_or_fail("last/12/3");
    assert_string_equal(found->id, name);
    assert_string_equal(found->path, below->path);
    assert_int_equal(run_folder_remove(found, &err), -ERR_USAGE);
    run_folder_free(found);
    run_folder_free(child);
    assert_int_equal(run_folder_create_child(top, "2", &child, &err), 0);
    assert_int_equal(run_folder_children(top, &keys, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(keys[0], "2");
    assert_string_equal(keys[1], "12");
    run_folder_list_free(keys, count);
    run_folder_discard_child(top, "2");
    assert_int_equal(open_code("last/2"), -ERR_NOT_FOUND);
    assert_int_equal(open_code("last/reviewer"), -ERR_NOT_FOUND);
    assert_int_equal(open_code("last/../x"), -ERR_NOT_FOUND);
    assert_int_equal(open_code("last/12/."), -ERR_NOT_FOUND);
    assert_int_equal(run_folder_create_child(top, "../x", &found, &err), -ERR_NOT_FOUND);
    assert_int_equal(run_folder_create_child(top, "0", &found, &err), -ERR_NOT_FOUND);
    run_folder_free(child);
    run_folder_free(below);
    run_folder_free(top);
}

static const struct CMUnitTest tests[] = {
    in_state_home(test_subagents_are_beneath),
    in_state_home(test_creates_a_closed_folder),
    in_state_home(test_ids_sort_by_time),
    in_state_home(test_opens_by_id_prefix_and_last),
    in_state_home(test_an_absent_root_is_an_empty_list),
    in_state_home(test_one_owner_at_a_time),
    in_state_home(test_remove_takes_everything),
    in_state_home(test_a_state_home_that_is_a_file),
    in_state_home(test_a_state_folder_of_another_user),
    in_state_home(test_without_any_home),
    in_state_home(test_objects_are_what_their_name_says),
};

UNIT_MAIN(tests)
