/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/notes.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/agentbox-notes-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static struct notes_order order(const char *run, int64_t call, const char *text)
{
    return (struct notes_order){
        .note = { .time = "2026-11-30T10:00:00.000Z", .run = run, .model = "m", .call = call, .text = text },
        .bytes_max = NOTES_FILE_MAX
    };
}

static int put(struct notes *notes, struct notes_order o, struct err *err)
{
    return notes_put(notes, &o, err);
}

static void test_what_is_put_is_there_in_order_and_once(void **state)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    struct notes_order o;
    struct err err = { 0 };

    assert_int_equal(notes_load(dir, notes, &err), 0);
    assert_int_equal(notes->count, 0);
    assert_int_equal(put(notes, order("a", 1, "one"), &err), 1);
    assert_int_equal(put(notes, order("a", 1, "another"), &err), 0); /* the call runs again */
    assert_int_equal(put(notes, order("a", 2, "one"), &err), 0);     /* the turn is said again */
    assert_int_equal(put(notes, order("b", 2, "one"), &err), 1);     /* another run's */
    o = order("b", 3, "newer");
    o.replaces = 1;
    assert_int_equal(put(notes, o, &err), 1);
    assert_int_equal(notes->count, 2);
    assert_int_equal(notes->list[0].id, 2);
    assert_int_equal(notes->list[1].id, 3);
    o = order("b", 4, "newest");
    o.replaces = 1;
    assert_int_equal(put(notes, o, &err), -ERR_NOT_FOUND);
    assert_int_equal(notes_save(dir, notes, &err), 0);
    notes_done(notes);
    assert_int_equal(notes_load(dir, notes, &err), 0);
    assert_int_equal(notes->count, 2);
    assert_string_equal(notes->list[1].text, "newer");
    assert_string_equal(notes->list[1].run, "b");
    notes_done(notes);
    free(notes);
}

static void test_they_are_bounded(void **state)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    char texts[NOTES_MAX + 1][16], run[16][16];
    struct notes_order o;
    struct err err = { 0 };

    for (int i = 0; i < NOTES_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "note %d", i);
        snprintf(run[i / NOTES_RUN_MAX], sizeof(run[0]), "run %d", i / NOTES_RUN_MAX);
        assert_int_equal(put(notes, order(run[i / NOTES_RUN_MAX], i + 1, texts[i]), &err), 1);
        if (i == NOTES_RUN_MAX - 1)
            assert_int_equal(put(notes, order(run[0], 999, "one more of this run"), &err), -ERR_TOO_LARGE);
    }
    assert_int_equal(put(notes, order("z", 1, "one more"), &err), -ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "replaces"));
    o = order("z", 1, "in the place of one");
    o.replaces = 5;
    assert_int_equal(put(notes, o, &err), 1);
    o = order("z", 2, "too much");
    o.replaces = 6;
    o.bytes_max = 1000;
    assert_int_equal(put(notes, o, &err), -ERR_TOO_LARGE);
    free(notes);
}

static void test_damage_is_told_with_its_line(void **state)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    struct err err = { 0 };

    assert_int_equal(
        notes_decode(span_of("{\"id\":1,\"text\":\"a\"}\n{\"id\":1,\"text\":\"b\"}\n"), notes, &err),
        -ERR_INVALID);
    assert_non_null(strstr(err.text, "line 2"));
    assert_int_equal(notes_decode(span_of("{\"id\":1}\n"), notes, &err), -ERR_INVALID);
    assert_int_equal(notes_decode(span_of("x"), notes, &err), -ERR_INVALID);
    free(notes);
}

static void test_somebody_else_has_the_lock(void **state)
{
    struct err err = { 0 };
    int one = -1, two = -1;

    assert_int_equal(notes_lock(dir, &one, &err), 0);
    assert_int_equal(notes_lock(dir, &two, &err), -ERR_CONFLICT);
    close(one);
    assert_int_equal(notes_lock(dir, &two, &err), 0);
    close(two);
}

static void test_no_link_is_followed(void **state)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    struct err err = { 0 };
    char name[128];

    snprintf(name, sizeof(name), "%s/" NOTES_FILE, dir);
    (void) unlink(name);
    assert_int_equal(symlink("/etc/hostname", name), 0);
    assert_true(notes_load(dir, notes, &err) < 0);
    assert_int_equal(unlink(name), 0);
    free(notes);
}

static void test_keys_are_seen(void **state)
{
    static const char *const bad[] = { "sk-abcdefghijklmnopqrst",
                                       "x ghp_abcdefghijklmnopqrstuvwxyz012345",
                                       "AKIAABCDEFGHIJKLMNOP",
                                       "-----BEGIN OPENSSH PRIVATE KEY-----",
                                       "password: hunter22",
                                       "API_KEY=abcd1234efgh",
                                       "Authorization: Bearer abcdefghijkl",
                                       "secret='s3cr3t-value'" };
    static const char *const good[] = { "the password is asked for at the start",
                                        "token counts are estimates",
                                        "use sk-learn",
                                        "the secret santa list",
                                        "read keys.txt first",
                                        "bearer of news" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!notes_suspect(span_of(bad[i])))
            fail_msg("not seen: %s", bad[i]);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (notes_suspect(span_of(good[i])))
            fail_msg("seen where there is none: %s", good[i]);
}

static void test_what_is_told_shows_what_is_hidden(void **state)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    struct buf told = BUF_INIT(1 << 20);
    struct err err = { 0 };
    size_t count;

    put(notes, order("a", 1, "one\n\x1b[2Jtwo"), &err);
    put(notes, order("a", 2, "n1: fake"), &err);
    notes_tell(notes, 1000, &told, &count);
    assert_int_equal(count, 2);
    assert_non_null(
        strstr(buf_text(&told), "n1 (2026-11-30):\n| one\n| \\u{1b}[2Jtwo\nn2 (2026-11-30):\n| n1: fake\n"));
    buf_clear(&told);
    notes_tell(notes, 9, &told, &count); /* the newest */
    assert_int_equal(count, 1);
    assert_null(strstr(buf_text(&told), "one"));
    buf_done(&told);
    free(notes);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_what_is_put_is_there_in_order_and_once, make_dir, remove_dir),
    cmocka_unit_test(test_they_are_bounded),
    cmocka_unit_test(test_damage_is_told_with_its_line),
    cmocka_unit_test_setup_teardown(test_somebody_else_has_the_lock, make_dir, remove_dir),
    cmocka_unit_test_setup_teardown(test_no_link_is_followed, make_dir, remove_dir),
    cmocka_unit_test(test_keys_are_seen),
    cmocka_unit_test(test_what_is_told_shows_what_is_hidden),
};

UNIT_MAIN(tests)
