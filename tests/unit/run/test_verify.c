/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/kept.h"

#include "core/run/journal.h"
#include "core/run/object.h"
#include "core/run/verify.h"

#include <dirent.h>
#include <unistd.h>

#define MANIFEST "{\"name\":\"demo\"}"

static struct run_folder *folder;
static struct run_verdict verdict;

static void append(struct journal *j, struct record *rec)
{
    struct err err = { 0 };

    assert_int_equal(journal_append(j, rec, NULL, &err), 0);
}

static void append_begin(struct journal *j)
{
    struct record rec = { .type = RECORD_RUN_BEGIN };
    char manifest[DIGEST_HEX];

    digest_of(span_of(MANIFEST), manifest);
    rec.run_begin = (struct record_run_begin){ .format = RECORD_FORMAT,
                                               .id = folder->id,
                                               .name = "demo",
                                               .program = "agentbox test",
                                               .manifest = manifest,
                                               .model = "m" };
    append(j, &rec);
}

/* Inline, or as an object when it is large. */
static void append_item(struct journal *j, size_t size)
{
    struct record rec = { .type = RECORD_INPUT_ITEM };
    struct buf json = BUF_INIT(1 << 20);

    assert_int_equal(buf_add_text(&json, "{\"text\":\""), 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(buf_add_char(&json, 'x'), 0);
    assert_int_equal(buf_add_text(&json, "\"}"), 0);
    rec.input_item.item.json = buf_span(&json);
    append(j, &rec);
    buf_done(&json);
}

static void append_checkpoint(struct journal *j, struct checkpoint_store *store, struct listing *l,
                              const char *path, const char *text)
{
    struct record rec = { .type = RECORD_CHECKPOINT_DONE };
    struct checkpoint_writer *w = NULL;
    struct kept kept;

    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    kept_file(w, l, path, span_of(text));
    kept_commit(store, w, l, 2, &kept);
    rec.checkpoint = kept.rec;
    append(j, &rec);
}

/* A small run with one of everything. */
static int setup(void **state)
{
    struct checkpoint_store *store = NULL;
    struct journal *j = NULL;
    struct listing l;

    if (state_home_setup(state) < 0 || run_folder_create(&folder, NULL) < 0)
        return -1;
    assert_int_equal(run_folder_save(folder, RUN_MANIFEST, span_of(MANIFEST), NULL), 0);
    assert_int_equal(checkpoint_store_new(folder, &store, NULL), 0);
    assert_int_equal(journal_create(folder, &j, NULL), 0);
    listing_init(&l);
    append_begin(j);
    append_item(j, 10);
    append_item(j, RECORD_INLINE_MAX + 1);
    kept_other(&l, "a-dir", LISTING_DIR, NULL);
    kept_other(&l, "b-link", LISTING_LINK, "somewhere");
    append_checkpoint(j, store, &l, "f", "first");
    append_checkpoint(j, store, &l, "f", "second");
    append_checkpoint(j, store, &l, "g",
                      "third"); /* prunes the first pack; its record is the base of others */
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
    listing_done(&l);
    checkpoint_store_free(store);
    return 0;
}

static int teardown(void **state)
{
    run_folder_free(folder);
    return state_home_teardown(state);
}

static void verify(void)
{
    struct err err = { 0 };

    assert_int_equal(run_verify(folder, &verdict, &err), 0);
}

static void expect_damage(const char *file)
{
    verify();
    assert_int_not_equal(verdict.damage_count, 0);
    assert_string_equal(verdict.damage[0].file, file);
    assert_true(verdict.damage[0].err.text[0] != '\0');
}

static void test_as_written(void **state)
{
    verify();
    for (size_t i = 0; i < verdict.damage_count && i < 16; i++)
        print_message("# %s: %s\n", verdict.damage[i].file, verdict.damage[i].err.text);
    assert_int_equal(verdict.damage_count, 0);
    assert_int_equal(verdict.leftover_count, 0);
    assert_int_equal(verdict.torn_bytes, 0);
    assert_int_equal(verdict.records, 6);
    assert_int_equal(verdict.objects, 1);
    assert_int_equal(verdict.checkpoints, 3);
    assert_int_equal(verdict.packs, 2);
    assert_int_equal(strlen(verdict.head), 64);
}

/* The files of the run, relative to its folder. */
struct names {
    char list[16][512];
    size_t count;
};

static void find_files(const char *dir, struct names *ret)
{
    int fd = openat(folder->fd, dir, O_RDONLY | O_DIRECTORY);
    DIR *d = fdopendir(fd);
    struct dirent *entry;
    struct stat st;

    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        char *name = ret->list[ret->count];

        snprintf(name, 512, "%s%s%s", strcmp(dir, ".") == 0 ? "" : dir, strcmp(dir, ".") == 0 ? "" : "/",
                 entry->d_name);
        if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_size > 0) {
            assert_true(ret->count < 15);
            ret->count++;
        }
    }
    closedir(d);
}

static void flip(const char *name, off_t at, unsigned char bits)
{
    int fd = openat(folder->fd, name, O_RDWR);
    unsigned char byte;

    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void flip_all(const char *name, const struct run_verdict *good)
{
    struct stat st;
    off_t step;

    assert_int_equal(fstatat(folder->fd, name, &st, 0), 0);
    step = st.st_size > 8192 ? st.st_size / 512 : 1;
    for (off_t at = 0; at < st.st_size; at += step) {
        unsigned char bits = (unsigned char) (1u << (at % 7));

        flip(name, at, bits);
        expect_damage(name);
        flip(name, at, bits);
    }
    flip(name, st.st_size - 1, 1);
    expect_damage(name);
    flip(name, st.st_size - 1, 1);
    verify();
    assert_int_equal(verdict.damage_count, 0);
    assert_string_equal(verdict.head, good->head);
}

static void test_every_byte(void **state)
{
    struct names names = { .count = 0 };
    struct run_verdict good;

    verify();
    good = verdict;
    find_files(".", &names);
    find_files("objects", &names);
    find_files("checkpoints", &names);
    assert_int_equal(names.count, 8); /* journal, manifest, object, three tree records, two packs */
    for (size_t i = 0; i < names.count; i++)
        flip_all(names.list[i], &good);
}

static void test_every_cut(void **state)
{
    struct names names = { .count = 0 };

    find_files(".", &names);
    find_files("objects", &names);
    find_files("checkpoints", &names);
    for (size_t i = 0; i < names.count; i++) {
        struct buf whole = BUF_INIT(1 << 20);
        int fd = openat(folder->fd, names.list[i], O_RDWR);
        bool is_journal = strcmp(names.list[i], JOURNAL_FILE) == 0;

        assert_int_equal(file_read_at(folder->fd, names.list[i], &whole, NULL), 0);
        assert_int_equal(ftruncate(fd, (off_t) whole.len - 1), 0);
        verify();
        if (is_journal) { /* as a crash leaves it */
            assert_true(verdict.torn_bytes > 0);
            assert_int_equal(verdict.records, 5);
        } else {
            assert_int_equal(verdict.damage_count, 1);
            assert_string_equal(verdict.damage[0].file, names.list[i]);
        }
        assert_int_equal(pwrite(fd, whole.data, whole.len, 0), whole.len);
        assert_int_equal(pwrite(fd, "x", 1, (off_t) whole.len), 1);
        verify();
        if (is_journal)
            assert_int_equal(verdict.torn_bytes, 1);
        else
            assert_int_equal(verdict.damage_count, 1);
        assert_int_equal(ftruncate(fd, (off_t) whole.len), 0);
        close(fd);
        buf_done(&whole);
    }
    verify();
    assert_int_equal(verdict.damage_count, 0);
}

static void test_missing_files(void **state)
{
    struct names names = { .count = 0 };

    find_files(".", &names);
    find_files("objects", &names);
    find_files("checkpoints", &names);
    for (size_t i = 0; i < names.count; i++) {
        assert_int_equal(renameat(folder->fd, names.list[i], folder->fd, "../gone"), 0);
        expect_damage(names.list[i]);
        assert_int_equal(renameat(folder->fd, "../gone", folder->fd, names.list[i]), 0);
    }
    verify();
    assert_int_equal(verdict.damage_count, 0);
}

static void put(const char *name, const char *text)
{
    int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_what_does_not_belong_here(void **state)
{
    static const char *const strangers[] = { "notes", "objects/notes", "checkpoints/notes",
                                             "checkpoints/000002.txt", "checkpoints/2.json" };

    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        put(strangers[i], "x");
        expect_damage(strangers[i]);
        assert_int_equal(verdict.damage_count, 1);
        assert_int_equal(unlinkat(folder->fd, strangers[i], 0), 0);
    }
    put("lock", "123");
    expect_damage("lock");
    put("lock", "");
    assert_int_equal(mkdirat(folder->fd, "more", 0700), 0);
    expect_damage("more");
    assert_int_equal(unlinkat(folder->fd, "more", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(folder->fd, RUN_MANIFEST, 0), 0);
    assert_int_equal(symlinkat("/etc/hostname", folder->fd, RUN_MANIFEST), 0);
    expect_damage(RUN_MANIFEST);
}

static void test_leftovers_of_a_crash(void **state)
{
    static const char *const names[] = { "checkpoints/000004.json",     "checkpoints/000004.tar.zst",
                                         "checkpoints/000004.json.tmp", "checkpoints/000004.tar.zst.tmp",
                                         "checkpoints/000001.tar.zst",  "objects/.0123456789abcdef.tmp",
                                         ".manifest.json.abcdef.tmp" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put(names[i], "left");
        verify();
        assert_int_equal(verdict.damage_count, 0);
        assert_int_equal(verdict.leftover_count, i + 1);
    }
}

/* One thing wrong is told once, not of everything that stands on it. */
static void test_a_damaged_base(void **state)
{
    flip("checkpoints/000002.json", 100, 1);
    verify();
    assert_int_equal(verdict.damage_count, 1);
    assert_string_equal(verdict.damage[0].file, "checkpoints/000002.json");
}

/* Written by nobody of ours: digests fit, what is in it does not. */
static void test_a_journal_that_makes_no_sense(void **state)
{
    struct record rec = { .type = RECORD_CALL_LOST };
    struct journal_reader reader;
    struct journal *j = NULL;
    struct record last;

    assert_int_equal(journal_open(folder, &reader, NULL), 0);
    while (journal_next(&reader, &last, NULL) > 0)
        continue;
    assert_int_equal(journal_continue(folder, &reader.chain, reader.offset, &j, NULL), 0);
    rec.call_lost = (struct record_call_lost){ .turn = 9, .call = 9, .call_id = "c" };
    append(j, &rec);
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
    expect_damage(JOURNAL_FILE);
    assert_int_equal(verdict.damage[0].offset, reader.offset);
    journal_close(&reader);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_as_written),
    CASE(test_every_byte),
    CASE(test_every_cut),
    CASE(test_missing_files),
    CASE(test_what_does_not_belong_here),
    CASE(test_leftovers_of_a_crash),
    CASE(test_a_damaged_base),
    CASE(test_a_journal_that_makes_no_sense),
};

UNIT_MAIN(tests)
