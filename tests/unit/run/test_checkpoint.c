/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/kept.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static struct run_folder *folder;
static struct checkpoint_store *store;

static int setup(void **state)
{
    if (state_home_setup(state) < 0 || run_folder_create(&folder, NULL) < 0)
        return -1;
    return checkpoint_store_new(folder, &store, NULL);
}

static int teardown(void **state)
{
    checkpoint_store_free(store);
    run_folder_free(folder);
    return state_home_teardown(state);
}

/* A store that was told the same, as after a restart. */
static void reopen(const struct kept *list, size_t count)
{
    checkpoint_store_free(store);
    assert_int_equal(checkpoint_store_new(folder, &store, NULL), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(checkpoint_store_told(store, &list[i].rec, NULL), 0);
}

static struct checkpoint_writer *begin(void)
{
    struct checkpoint_writer *w = NULL;

    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    return w;
}

static void expect_same(const struct listing *a, const struct listing *b)
{
    char x[DIGEST_HEX], y[DIGEST_HEX];

    listing_digest(a, x);
    listing_digest(b, y);
    assert_string_equal(x, y);
}

static bool has_name(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "checkpoints/%s", name);
    return faccessat(folder->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int count_names(void)
{
    int fd = openat(folder->fd, "checkpoints", O_RDONLY | O_DIRECTORY), count = 0;
    DIR *dir = fdopendir(fd);

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

/* The contents of checkpoint `number` are there, each once, the empty one too if there is one. */
static void expect_contents(int64_t number, size_t want)
{
    struct checkpoint_reader *r = NULL;
    struct listing_content c;
    struct listing l;
    struct err err = { 0 };
    char bytes[1000];
    size_t count = 0;
    int64_t size;
    ssize_t n;
    int result;

    assert_int_equal(checkpoint_load(store, number, &l, &err), 0);
    assert_int_equal(checkpoint_reader_new(store, &l, &r, &err), 0);
    while ((result = checkpoint_reader_next(r, &c, &err)) > 0) {
        for (size = 0; (n = checkpoint_reader_read(r, bytes, sizeof(bytes), &err)) > 0;)
            size += n;
        assert_int_equal(n, 0);
        assert_int_equal(checkpoint_reader_read(r, bytes, sizeof(bytes), &err), 0);
        assert_int_equal(size, c.size);
        count++;
    }
    assert_int_equal(result, 0);
    assert_int_equal(count, want);
    checkpoint_reader_free(r);
    listing_done(&l);
}

static void test_round_trip(void **state)
{
    struct checkpoint_writer *w = begin();
    struct kept kept;
    struct listing l, again;
    struct buf text = BUF_INIT(100);

    listing_init(&l);
    kept_other(&l, "dir", LISTING_DIR, NULL);
    kept_file(w, &l, "dir/a\nb", span_of("one"));
    kept_file(w, &l, "dir/\xff", span_of("two"));
    kept_file(w, &l, "same", span_of("one"));
    kept_file(w, &l, "empty", span_of(""));
    kept_other(&l, "link", LISTING_LINK, "/abs/\xff");
    kept_other(&l, "zz", LISTING_HARD, "same");
    kept_commit(store, w, &l, 0, &kept);
    assert_int_equal(kept.rec.number, 1);
    assert_int_equal(kept.rec.files, 4);
    assert_int_equal(kept.rec.folders, 1);
    assert_int_equal(kept.rec.links, 2);
    assert_int_equal(kept.rec.bytes, 9);
    assert_int_equal(kept.rec.new_files, 2);
    assert_int_equal(kept.rec.new_bytes, 6);
    assert_int_equal(kept.rec.unkept, 1);
    assert_int_equal(count_names(), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(checkpoint_store_last(store), 1);
        assert_int_equal(checkpoint_load(store, 1, &again, NULL), 0);
        expect_same(&l, &again);
        listing_done(&again);
        expect_contents(1, 3);
        assert_true(checkpoint_has(store, listing_find(&l, "same")->sha256));
        assert_true(checkpoint_has(store, listing_find(&l, "empty")->sha256));
        assert_true(checkpoint_has_size(store, 3));
        assert_false(checkpoint_has_size(store, 4));
        buf_clear(&text);
        assert_int_equal(checkpoint_get(store, listing_find(&l, "dir/\xff")->sha256, &text, NULL), 0);
        assert_int_equal(checkpoint_get(store, listing_find(&l, "same")->sha256, &text, NULL), 0);
        assert_string_equal(buf_text(&text), "twoone");
        reopen(&kept, 1);
    }
    buf_done(&text);
    listing_done(&l);
}

static void test_the_empty_workspace(void **state)
{
    struct listing l;

    assert_int_equal(checkpoint_store_last(store), 0);
    assert_int_equal(checkpoint_load(store, 0, &l, NULL), 0);
    assert_int_equal(l.count, 0);
    listing_done(&l);
    expect_contents(0, 0);
    assert_int_equal(checkpoint_load(store, 1, &l, NULL), -ERR_NOT_FOUND);
    assert_int_equal(checkpoint_clean(store, NULL), 0);
}

static void test_only_what_is_new(void **state)
{
    struct checkpoint_writer *w = begin();
    struct kept kept[3];
    struct listing l, again;
    char path[32];

    listing_init(&l);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "f%d", i);
        kept_file(w, &l, path, span_of(path));
    }
    kept_commit(store, w, &l, 0, &kept[0]);
    w = begin();
    kept_file(w, &l, "f7", span_of("new"));
    kept_file(w, &l, "f8", span_of("f9")); /* known */
    listing_remove(&l, "f50");
    kept_commit(store, w, &l, 0, &kept[1]);
    assert_int_equal(kept[1].rec.new_files, 1);
    w = begin();
    kept_other(&l, "d", LISTING_DIR, NULL);
    kept_commit(store, w, &l, 0, &kept[2]);
    assert_null(kept[2].rec.pack);
    assert_false(has_name("000003.tar.zst"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(checkpoint_load(store, 3, &again, NULL), 0);
        expect_same(&l, &again);
        listing_done(&again);
        expect_contents(3, 98);
        expect_contents(1, 100);
        reopen(kept, 3);
    }
    listing_done(&l);
}

/* Records stand on each other, but not for ever. */
static void test_many_steps(void **state)
{
    static struct kept kept[150];
    struct listing l, again;
    char text[32];

    listing_init(&l);
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "dir%d", i);
        kept_other(&l, text, LISTING_DIR, NULL);
    }
    for (int i = 0; i < 150; i++) {
        struct checkpoint_writer *w = begin();

        snprintf(text, sizeof(text), "step %d", i);
        kept_file(w, &l, "f", span_of(text));
        kept_commit(store, w, &l, 0, &kept[i]);
        if (i == 70)
            reopen(kept, 71);
    }
    reopen(kept, 150);
    for (int i = 0; i < 150; i += 37) {
        struct buf out = BUF_INIT(100);

        assert_int_equal(checkpoint_load(store, i + 1, &again, NULL), 0);
        snprintf(text, sizeof(text), "step %d", i);
        assert_int_equal(checkpoint_get(store, listing_find(&again, "f")->sha256, &out, NULL), 0);
        assert_string_equal(buf_text(&out), text);
        buf_done(&out);
        listing_done(&again);
    }
    assert_int_equal(checkpoint_load(store, 150, &again, NULL), 0);
    expect_same(&l, &again);
    listing_done(&again);
    listing_done(&l);
}

static void test_large_contents(void **state)
{
    const size_t size = 9 * 1024 * 1024;
    char *noise = malloc(size);
    struct checkpoint_writer *w = begin();
    struct listing_entry zeros = { .path = "zeros", .kind = LISTING_FILE, .size = INT64_C(2) << 30 };
    struct listing_entry shrunk = { .path = "shrunk", .kind = LISTING_FILE, .size = 1 << 20 };
    struct kept kept;
    struct listing l;

    random_bytes(noise, size);
    listing_init(&l);
    kept_file(w, &l, "noise", span_make(noise, size));
    assert_int_equal(checkpoint_content_begin(w, zeros.size, NULL), 0);
    for (int i = 0; i < 32; i++)
        assert_int_equal(checkpoint_content_zeros(w, zeros.size / 32, NULL), 0);
    assert_int_equal(checkpoint_content_end(w, zeros.sha256, NULL), 0);
    assert_string_equal(zeros.sha256, "a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51");
    assert_int_equal(listing_put(&l, &zeros, NULL), 0);
    assert_int_equal(checkpoint_content_begin(w, shrunk.size, NULL), 0);
    assert_int_equal(checkpoint_content_add(w, span_of("only this"), NULL), 0);
    assert_int_equal(checkpoint_content_end(w, shrunk.sha256, NULL), 0);
    assert_int_equal(listing_put(&l, &shrunk, NULL), 0);
    kept_commit(store, w, &l, 0, &kept);
    assert_true(kept.rec.pack_bytes < (int64_t) size + (1 << 20));
    expect_contents(1, 3);
    free(noise);
    listing_done(&l);
}

/* Pieces of one byte, more than was announced. */
static void test_surplus_is_ignored(void **state)
{
    struct checkpoint_writer *w = begin();
    char sha256[DIGEST_HEX], want[DIGEST_HEX];

    digest_of(span_of("abc"), want);
    assert_int_equal(checkpoint_content_begin(w, 3, NULL), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(checkpoint_content_add(w, span_make(&"abcde"[i], 1), NULL), 0);
    assert_int_equal(checkpoint_content_end(w, sha256, NULL), 0);
    assert_string_equal(sha256, want);
    checkpoint_drop(w);
}

static void test_dropped(void **state)
{
    struct checkpoint_commit commit = { 0 };
    struct checkpoint_writer *w = begin();
    struct kept kept = { 0 };
    struct loop *loop = NULL;
    struct listing l;

    listing_init(&l);
    kept_file(w, &l, "a", span_of("one"));
    assert_true(checkpoint_has(store, listing_find(&l, "a")->sha256));
    checkpoint_drop(w);
    assert_false(checkpoint_has(store, listing_find(&l, "a")->sha256));
    assert_int_equal(count_names(), 0);

    w = begin(); /* the content is stored again; then given up while it is committed */
    kept_file(w, &l, "a", span_of("one"));
    assert_int_equal(loop_new(&loop, NULL), 0);
    commit.now = &l;
    assert_int_equal(checkpoint_commit(w, loop, &commit, kept_on_commit, &kept, NULL), 0);
    checkpoint_drop(w);
    loop_free(loop);
    assert_false(kept.is_done);
    assert_int_equal(count_names(), 0);

    w = begin();
    kept_file(w, &l, "a", span_of("one"));
    kept_commit(store, w, &l, 0, &kept);
    assert_int_equal(kept.rec.number, 1);
    expect_contents(1, 1);
    listing_done(&l);
}

static void test_content_that_was_not_stored(void **state)
{
    struct checkpoint_writer *w = begin();
    struct listing_entry e = { .path = "a", .kind = LISTING_FILE, .size = 5 };
    struct kept kept;
    struct listing l;

    listing_init(&l);
    memset(e.sha256, 'a', DIGEST_HEX - 1);
    assert_int_equal(listing_put(&l, &e, NULL), 0);
    assert_int_equal(kept_try(w, &l, 0, &kept), -ERR_INTERNAL);
    assert_int_equal(count_names(), 0);
    listing_done(&l);
}

static void expect_pruned(const struct kept *k, const char *const *names)
{
    size_t count = 0;

    for (; names[count]; count++) {
        assert_true(count < k->rec.pruned_count);
        assert_string_equal(k->rec.pruned[count].text, names[count]);
        assert_false(has_name(names[count]));
    }
    assert_int_equal(k->rec.pruned_count, count);
}

#define PRUNED(k, ...) expect_pruned(k, (const char *const[]){ __VA_ARGS__, NULL })

static void test_prune(void **state)
{
    struct kept kept[5];
    struct listing l, again;
    struct checkpoint_writer *w;

    listing_init(&l);
    w = begin(); /* 1: stays is needed to the end */
    kept_file(w, &l, "stays", span_of("stays"));
    kept_file(w, &l, "f", span_of("first"));
    kept_commit(store, w, &l, 2, &kept[0]);
    w = begin(); /* 2 */
    kept_file(w, &l, "f", span_of("second"));
    kept_commit(store, w, &l, 2, &kept[1]);
    assert_int_equal(kept[1].rec.pruned_count, 0);
    w = begin(); /* 3: complete, since more than half has changed */
    kept_file(w, &l, "f", span_of("third"));
    kept_file(w, &l, "g", span_of("third too"));
    kept_commit(store, w, &l, 2, &kept[2]);
    assert_int_equal(kept[2].rec.pruned_count, 0); /* 2 stays, and 1 has what it needs */
    w = begin();                                   /* 4 */
    kept_file(w, &l, "f", span_of("fourth"));
    kept_commit(store, w, &l, 2, &kept[3]);
    PRUNED(&kept[3], "000002.tar.zst", "000002.json");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(checkpoint_load(store, 2, &again, NULL), -ERR_NOT_FOUND);
        assert_int_equal(checkpoint_load(store, 1, &again, NULL), 0); /* by chance */
        listing_done(&again);
        expect_contents(3, 3);
        expect_contents(4, 3);
        reopen(kept, 4);
    }
    listing_remove(&l, "stays");
    w = begin(); /* 5: after a restart all contents count as needed */
    kept_file(w, &l, "f", span_of("fifth"));
    kept_commit(store, w, &l, 1, &kept[4]);
    expect_contents(5, 2);
    assert_false(has_name("000002.json"));
    assert_int_equal(checkpoint_clean(store, NULL), 0);
    expect_contents(5, 2);
    listing_done(&l);
}

static void test_keep_one(void **state)
{
    struct kept kept[3];
    struct listing l, again;
    struct checkpoint_writer *w;

    listing_init(&l);
    w = begin();
    kept_file(w, &l, "f", span_of("first"));
    kept_commit(store, w, &l, 1, &kept[0]);
    w = begin();
    kept_file(w, &l, "f", span_of("second"));
    kept_commit(store, w, &l, 1, &kept[1]);
    PRUNED(&kept[1], "000001.tar.zst", "000001.json");
    w = begin();
    kept_file(w, &l, "f", span_of("first")); /* known once, but its pack is gone */
    kept_commit(store, w, &l, 1, &kept[2]);
    assert_int_equal(kept[2].rec.new_files, 1);
    assert_int_equal(checkpoint_load(store, 1, &again, NULL), -ERR_NOT_FOUND);
    expect_contents(3, 1);
    assert_int_equal(count_names(), 2);
    listing_done(&l);
}

/* After a restart nothing goes that a checkpoint which stays may need, however little was read by then. */
static void test_prune_after_a_restart(void **state)
{
    struct kept kept[4];
    struct listing l, again;
    struct checkpoint_writer *w;

    listing_init(&l);
    w = begin();
    kept_file(w, &l, "stays", span_of("stays"));
    kept_file(w, &l, "f", span_of("first"));
    kept_commit(store, w, &l, 2, &kept[0]);
    w = begin();
    kept_file(w, &l, "f", span_of("second"));
    kept_commit(store, w, &l, 2, &kept[1]);
    reopen(kept, 2);
    assert_int_equal(checkpoint_load(store, 2, &again, NULL), 0);
    listing_done(&again);
    listing_remove(&l, "stays");
    w = begin();
    kept_file(w, &l, "f", span_of("third"));
    kept_commit(store, w, &l, 2, &kept[2]);
    assert_int_equal(kept[2].rec.pruned_count, 0);
    expect_contents(2, 2);
    w = begin();
    kept_file(w, &l, "f", span_of("fourth"));
    kept_commit(store, w, &l, 2, &kept[3]);
    expect_contents(3, 1);
    expect_contents(4, 1);
    assert_false(has_name("000001.tar.zst"));
    assert_false(has_name("000002.tar.zst"));
    reopen(kept, 4);
    expect_contents(3, 1);
    expect_contents(4, 1);
    assert_int_equal(checkpoint_clean(store, NULL), 0);
    expect_contents(3, 1);
    listing_done(&l);
}

static void write_file(const char *name, const char *text)
{
    char path[64];

    snprintf(path, sizeof(path), "checkpoints/%s", name);
    int fd = openat(folder->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_clean(void **state)
{
    struct checkpoint_writer *w = begin();
    struct kept kept;
    struct listing l;

    listing_init(&l);
    kept_file(w, &l, "f", span_of("first"));
    kept_commit(store, w, &l, 0, &kept);
    write_file("000002.json", "left");
    write_file("000002.tar.zst", "left");
    write_file("000002.json.tmp", "left");
    write_file("000009.tar.zst.tmp", "left");
    write_file("notes", "not ours");
    reopen(&kept, 1);
    assert_int_equal(checkpoint_clean(store, NULL), 0);
    assert_int_equal(count_names(), 3);
    assert_true(has_name("notes"));
    expect_contents(1, 1);
    listing_done(&l);
}

/* A pack of a crash is not taken for ours. */
static void test_leftovers_are_replaced(void **state)
{
    struct checkpoint_writer *w = begin();
    struct kept kept;
    struct listing l;

    write_file("000001.tar.zst", "left");
    write_file("000001.json.tmp", "left, and longer than what comes");
    listing_init(&l);
    kept_other(&l, "d", LISTING_DIR, NULL);
    kept_commit(store, w, &l, 0, &kept);
    assert_false(has_name("000001.tar.zst"));
    assert_int_equal(count_names(), 1);
    reopen(&kept, 1);
    expect_contents(1, 0);
    listing_done(&l);
}

/* Every byte of both files, and their absence. */
static void test_damage(void **state)
{
    static const char *const names[] = { "000001.json", "000001.tar.zst" };
    struct checkpoint_writer *w = begin();
    struct kept kept;
    struct listing l, again;

    listing_init(&l);
    kept_file(w, &l, "f", span_of("first"));
    kept_commit(store, w, &l, 0, &kept);
    for (int i = 0; i < 2; i++) {
        struct buf whole = BUF_INIT(1 << 20);
        char path[64];

        snprintf(path, sizeof(path), "checkpoints/%s", names[i]);
        assert_int_equal(file_read_at(folder->fd, path, &whole, NULL), 0);
        for (size_t at = 0; at < whole.len; at++) {
            int fd = openat(folder->fd, path, O_WRONLY);
            char byte = (char) (whole.data[at] ^ 0x10);
            struct buf out = BUF_INIT(100);
            int r;

            assert_int_equal(pwrite(fd, &byte, 1, (off_t) at), 1);
            reopen(&kept, 1);
            r = checkpoint_load(store, 1, &again, NULL);
            if (r == 0) {
                r = checkpoint_get(store, listing_find(&again, "f")->sha256, &out, NULL);
                listing_done(&again);
            }
            assert_true(r == -ERR_INVALID || (i == 1 && r == 0 && strcmp(buf_text(&out), "first") == 0));
            assert_int_equal(pwrite(fd, &whole.data[at], 1, (off_t) at), 1);
            close(fd);
            buf_done(&out);
        }
        assert_int_equal(unlinkat(folder->fd, path, 0), 0);
        reopen(&kept, 1);
        if (checkpoint_load(store, 1, &again, NULL) == 0) {
            struct checkpoint_reader *r = NULL;
            struct listing_content c;

            assert_int_equal(i, 1);
            assert_int_equal(checkpoint_reader_new(store, &again, &r, NULL), 0);
            assert_int_equal(checkpoint_reader_next(r, &c, NULL), -ERR_INVALID);
            checkpoint_reader_free(r);
            listing_done(&again);
        }
        file_write_atomic_at(folder->fd, "x", buf_span(&whole), 0600, NULL);
        renameat(folder->fd, "x", folder->fd, path);
        buf_done(&whole);
    }
    listing_done(&l);
}

static void test_told_in_disorder(void **state)
{
    struct record_checkpoint same = { .number = 7, .is_same = true };
    struct record_checkpoint none = { .number = 1 };

    assert_int_equal(checkpoint_store_told(store, &same, NULL), 0);
    assert_int_equal(checkpoint_store_last(store), 0);
    assert_int_equal(checkpoint_store_told(store, &none, NULL), -ERR_INVALID);
}

/* A disk that takes no more: nothing is left, and the same store works once there is room. */
static void with_limit(rlim_t bytes, size_t size)
{
    struct rlimit old, limit;
    struct checkpoint_writer *w = begin();
    char *noise = malloc(size), sha256[DIGEST_HEX];
    struct err err = { 0 };
    struct kept kept;
    struct listing l;
    int r = 0;

    random_bytes(noise, size);
    listing_init(&l);
    kept_other(&l, "d", LISTING_DIR, NULL);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(checkpoint_content_begin(w, (int64_t) size, NULL), 0);
    for (size_t at = 0, n; at < size; at += n) {
        n = size - at < 65536 ? size - at : 65536;
        r = checkpoint_content_add(w, span_make(noise + at, n), &err);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = checkpoint_content_end(w, sha256, &err);
    if (r == 0) {
        r = kept_try(w, &l, 0, &kept);
        err = kept.err;
    } else {
        checkpoint_drop(w);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(r, -ERR_IO);
    assert_int_equal(err.errnum, EFBIG);
    assert_non_null(strstr(err.text, "cannot be written"));
    assert_int_equal(count_names(), 0);
    w = begin();
    kept_file(w, &l, "noise", span_make(noise, size));
    assert_int_equal(kept_try(w, &l, 0, &kept), 0);
    assert_int_equal(kept.rec.number, 1);
    free(noise);
    listing_done(&l);
}

static void test_no_room_for_a_pack(void **state)
{
    (void) signal(SIGXFSZ, SIG_IGN);
    with_limit(4096, 100000);
}

static void test_no_room_for_a_large_pack(void **state)
{
    (void) signal(SIGXFSZ, SIG_IGN);
    with_limit(1 << 20, 12 << 20);
}

static void test_no_room_for_a_record(void **state)
{
    (void) signal(SIGXFSZ, SIG_IGN);
    with_limit(200, 10);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_round_trip),
    CASE(test_the_empty_workspace),
    CASE(test_only_what_is_new),
    CASE(test_many_steps),
    CASE(test_large_contents),
    CASE(test_surplus_is_ignored),
    CASE(test_dropped),
    CASE(test_content_that_was_not_stored),
    CASE(test_prune),
    CASE(test_keep_one),
    CASE(test_prune_after_a_restart),
    CASE(test_clean),
    CASE(test_leftovers_are_replaced),
    CASE(test_damage),
    CASE(test_told_in_disorder),
    CASE(test_no_room_for_a_pack),
    CASE(test_no_room_for_a_large_pack),
    CASE(test_no_room_for_a_record),
};

UNIT_MAIN(tests)
