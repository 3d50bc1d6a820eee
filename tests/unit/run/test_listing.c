/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/run/listing.h"

#include <stdio.h>

#define SUM_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SUM_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct listing_entry file_entry(const char *path, int64_t size, const char *sha256)
{
    struct listing_entry e = { .path = path, .kind = LISTING_FILE, .mode = 0644, .size = size };

    e.mtime_ns = INT64_C(1700000000000000001);
    memcpy(e.sha256, sha256, DIGEST_HEX);
    return e;
}

static void put_file(struct listing *l, const char *path, int64_t size, const char *sha256)
{
    struct listing_entry e = file_entry(path, size, sha256);

    assert_int_equal(listing_put(l, &e, NULL), 0);
}

static void put(struct listing *l, const char *path, enum listing_kind kind, const char *link)
{
    struct listing_entry e = { .path = path, .kind = kind, .mode = 0755, .mtime_ns = -1, .link = link };

    assert_int_equal(listing_put(l, &e, NULL), 0);
}

/* Of every kind, with names as bad as they come. */
static void fill(struct listing *l)
{
    listing_init(l);
    put(l, "dir", LISTING_DIR, NULL);
    put_file(l, "dir/a\nb", 5, SUM_A);
    put_file(l, "dir/\xff\xfe", 0, SUM_B);
    put_file(l, "big", INT64_MAX, SUM_B);
    put(l, "link", LISTING_LINK, "/abs/\xff");
    put(l, "text\"\\\x01\x7f", LISTING_LINK, "..");
    put(l, "dir/hard", LISTING_HARD, "big");
    put(l, "\xc3\xa9", LISTING_DIR, NULL);
}

static void expect_same(const struct listing *a, const struct listing *b)
{
    char x[DIGEST_HEX], y[DIGEST_HEX];

    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_true(listing_same_entry(&a->entries[i], &b->entries[i]));
    listing_digest(a, x);
    listing_digest(b, y);
    assert_string_equal(x, y);
}

static void expect_sorted(const struct listing *l)
{
    for (size_t i = 1; i < l->count; i++)
        assert_true(strcmp(l->entries[i - 1].path, l->entries[i].path) < 0);
}

static void test_put_find_remove(void **state)
{
    struct listing l, copy;
    struct listing_totals totals;

    fill(&l);
    assert_int_equal(l.count, 8);
    expect_sorted(&l);
    listing_totals(&l, &totals);
    assert_int_equal(totals.files, 3);
    assert_int_equal(totals.folders, 2);
    assert_int_equal(totals.links, 3);
    assert_int_equal(listing_find(&l, "dir/a\nb")->size, 5);
    assert_null(listing_find(&l, "di"));
    put_file(&l, "dir/a\nb", 6, SUM_B);
    assert_int_equal(l.count, 8);
    assert_int_equal(listing_find(&l, "dir/a\nb")->size, 6);
    assert_int_equal(listing_copy(&l, &copy, NULL), 0);
    expect_same(&l, &copy);
    listing_remove(&l, "dir/a\nb");
    listing_remove(&l, "dir/a\nb");
    assert_int_equal(l.count, 7);
    assert_null(listing_find(&l, "dir/a\nb"));
    assert_non_null(listing_find(&copy, "dir/a\nb"));
    listing_done(&l);
    listing_done(&copy);
}

static void test_bad_entries_are_refused(void **state)
{
    struct listing_entry bad[] = {
        file_entry("/abs", 1, SUM_A),
        file_entry("a/../b", 1, SUM_A),
        file_entry("", 1, SUM_A),
        file_entry("a", -1, SUM_A),
        { .path = "a", .kind = LISTING_FILE },
        { .path = "a", .kind = LISTING_DIR, .link = "x" },
        { .path = "a", .kind = LISTING_LINK },
        { .path = "a", .kind = LISTING_LINK, .link = "" },
        { .path = "a", .kind = LISTING_HARD, .link = "b" },
        { .path = "a", .kind = LISTING_HARD, .link = "../0" },
    };
    struct listing l;
    struct err err;

    listing_init(&l);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(listing_put(&l, &bad[i], &err), -ERR_INVALID);
        assert_int_equal(listing_append(&l, &bad[i], &err), -ERR_INVALID);
    }
    assert_int_equal(l.count, 0);
    listing_done(&l);
}

static void test_append_and_sort(void **state)
{
    struct listing l, want;
    char path[32];

    listing_init(&l);
    listing_init(&want);
    for (int i = 0; i < 500; i++) {
        struct listing_entry e;

        snprintf(path, sizeof(path), "f%d", i * 7919 % 300);
        e = file_entry(path, i, SUM_A);
        assert_int_equal(listing_append(&l, &e, NULL), 0);
        assert_int_equal(listing_put(&want, &e, NULL), 0);
    }
    listing_sort(&l);
    expect_same(&l, &want);
    assert_int_equal(l.live, want.live);
    listing_done(&l);
    listing_done(&want);
}

static void test_merge(void **state)
{
    static const char *const gone[] = { "b", "nobody", "d" };
    struct listing l, changes, want;

    listing_init(&l);
    listing_init(&changes);
    listing_init(&want);
    put_file(&l, "a", 1, SUM_A);
    put_file(&l, "b", 1, SUM_A);
    put(&l, "c", LISTING_LINK, "old");
    put_file(&l, "d", 1, SUM_A);
    put_file(&changes, "0", 2, SUM_B);
    put(&changes, "c", LISTING_LINK, "new");
    put_file(&changes, "d", 2, SUM_B); /* gone and there again */
    put_file(&changes, "e", 2, SUM_B);
    put_file(&want, "0", 2, SUM_B);
    put_file(&want, "a", 1, SUM_A);
    put(&want, "c", LISTING_LINK, "new");
    put_file(&want, "d", 2, SUM_B);
    put_file(&want, "e", 2, SUM_B);
    assert_int_equal(listing_merge(&l, &changes, gone, 3, NULL), 0);
    listing_done(&changes);
    expect_same(&l, &want);
    assert_int_equal(l.live, want.live);
    listing_done(&l);
    listing_done(&want);
}

/* Names come and go for ever: memory does not grow. */
static void test_texts_of_removed_entries_are_freed(void **state)
{
    struct listing l;
    char path[64];

    fill(&l);
    for (int i = 0; i < 50000; i++) {
        snprintf(path, sizeof(path), "one-of-many-names-%d", i);
        put_file(&l, path, i, SUM_A);
        listing_remove(&l, path);
    }
    assert_int_equal(l.count, 8);
    assert_true(l.arena.used < 512 * 1024);
    assert_non_null(listing_find(&l, "dir/\xff\xfe"));
    listing_done(&l);
}

static void test_any_difference_changes_the_digest(void **state)
{
    struct listing_entry e = file_entry("f", 1, SUM_A);
    struct listing_entry others[] = { e, e, e, e, e, e };
    char first[DIGEST_HEX], sum[DIGEST_HEX];
    struct listing l;

    others[0].path = "g";
    others[1].mode = 0600;
    others[2].mtime_ns++;
    others[3].size++;
    memcpy(others[4].sha256, SUM_B, DIGEST_HEX);
    others[5].kind = LISTING_DIR;
    listing_init(&l);
    assert_int_equal(listing_put(&l, &e, NULL), 0);
    listing_digest(&l, first);
    for (size_t i = 0; i < 6; i++) {
        listing_remove(&l, "f");
        assert_int_equal(listing_put(&l, &others[i], NULL), 0);
        listing_digest(&l, sum);
        assert_string_not_equal(first, sum);
        listing_remove(&l, others[i].path);
        assert_int_equal(listing_put(&l, &e, NULL), 0);
    }
    listing_digest(&l, sum);
    assert_string_equal(first, sum);
    listing_done(&l);
}

/* ---- as text ---- */

static const struct listing_content contents[] = { { SUM_A, 5 }, { SUM_B, INT64_MAX } };
static const struct listing_unkept unkept[] = { { "s\xff", "a socket" }, { "p", "a pipe" } };

static void encode(const struct listing *l, const struct listing *base, struct buf *out)
{
    struct listing_text text = { .base = base ? SUM_A : NULL,
                                 .depth = base ? 3 : 0,
                                 .contents = contents,
                                 .content_count = 2,
                                 .unkept = unkept,
                                 .unkept_count = 2 };

    assert_int_equal(listing_encode(l, base, &text, out, NULL), 0);
}

static void expect_head(const struct buf *record, bool has_base)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct listing_text head;

    assert_int_equal(listing_decode_head(buf_span(record), &arena, &head, NULL), 0);
    assert_int_equal(head.base != NULL, has_base);
    if (has_base)
        assert_string_equal(head.base, SUM_A);
    assert_int_equal(head.depth, has_base ? 3 : 0);
    assert_int_equal(head.content_count, 2);
    assert_string_equal(head.contents[1].sha256, SUM_B);
    assert_int_equal(head.contents[1].size, INT64_MAX);
    assert_int_equal(head.unkept_count, 2);
    assert_string_equal(head.unkept[0].path, "s\xff");
    assert_string_equal(head.unkept[1].why, "a pipe");
    arena_done(&arena);
}

static void test_complete_record(void **state)
{
    struct buf record = BUF_INIT(1 << 20);
    struct listing l, again;

    fill(&l);
    encode(&l, NULL, &record);
    assert_int_equal(listing_decode(buf_span(&record), NULL, &again, NULL), 0);
    expect_same(&l, &again);
    expect_head(&record, false);
    assert_int_equal(listing_decode(buf_span(&record), &l, &again, NULL), -ERR_INVALID);
    listing_done(&again);
    listing_done(&l);
    buf_done(&record);
}

static void test_the_text_is_as_documented(void **state)
{
    struct listing_text text = { .contents = contents, .content_count = 1 };
    struct buf record = BUF_INIT(1 << 20);
    struct listing l;

    listing_init(&l);
    put_file(&l, "a", 5, SUM_A);
    put(&l, "\xff", LISTING_LINK, "x");
    assert_int_equal(listing_encode(&l, NULL, &text, &record, NULL), 0);
    assert_memory_equal(record.data,
                        "{\"format\":1,\"entries\":[\n"
                        "{\"path\":\"a\",\"type\":\"file\",\"mode\":420,\"mtime\":"
                        "\"1700000000.000000001\",\"size\":5,\"sha256\":\"" SUM_A "\"},\n"
                        "{\"path64\":\"/w==\",\"type\":\"link\",\"mode\":0,\"mtime\":"
                        "\"-0.000000001\",\"link\":\"x\"}\n"
                        "],\"gone\":[\n"
                        "],\"contents\":[\n"
                        "{\"sha256\":\"" SUM_A "\",\"size\":5}\n"
                        "],\"unkept\":[\n"
                        "],\"tree\":\"",
                        390);
    listing_done(&l);
    buf_done(&record);
}

static void test_delta(void **state)
{
    struct buf record = BUF_INIT(1 << 20);
    struct listing base, l, again;

    fill(&base);
    fill(&l);
    listing_remove(&l, "dir/\xff\xfe");
    listing_remove(&l, "\xc3\xa9");
    put_file(&l, "dir/a\nb", 6, SUM_B);
    put_file(&l, "zz", 1, SUM_A);
    encode(&l, &base, &record);
    assert_null(memmem(record.data, record.len, "\"big\"", 5));
    assert_int_equal(listing_decode(buf_span(&record), &base, &again, NULL), 0);
    expect_same(&l, &again);
    expect_head(&record, true);
    listing_done(&again);
    assert_int_equal(listing_decode(buf_span(&record), NULL, &again, NULL), -ERR_INVALID);
    assert_int_equal(listing_decode(buf_span(&record), &l, &again, NULL), 0); /* idempotent */
    listing_done(&again);
    put_file(&base, "big", 7, SUM_A);
    assert_int_equal(listing_decode(buf_span(&record), &base, &again, NULL), -ERR_INVALID);
    listing_done(&base);
    listing_done(&l);
    buf_done(&record);
}

/* No change of one byte and no cut is taken for the same workspace with other entries. */
static void test_every_byte_counts(void **state)
{
    struct buf record = BUF_INIT(1 << 20);
    struct listing l, again;

    fill(&l);
    encode(&l, NULL, &record);
    for (size_t i = 0; i < record.len; i++) {
        record.data[i] ^= 1;
        if (listing_decode(buf_span(&record), NULL, &again, NULL) == 0) {
            expect_same(&l, &again);
            listing_done(&again);
        }
        record.data[i] ^= 1;
        assert_int_equal(listing_decode(span_make(record.data, i), NULL, &again, NULL), -ERR_INVALID);
    }
    listing_done(&l);
    buf_done(&record);
}

static void test_times(void **state)
{
    static const int64_t times[] = { 0, 1, -1, INT64_MAX, INT64_MIN, -1000000000, 999999999 };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct listing_text text = { 0 };
        struct buf record = BUF_INIT(1 << 20);
        struct listing_entry e = { .path = "d", .kind = LISTING_DIR, .mtime_ns = times[i] };
        struct listing l, again;

        listing_init(&l);
        assert_int_equal(listing_put(&l, &e, NULL), 0);
        assert_int_equal(listing_encode(&l, NULL, &text, &record, NULL), 0);
        assert_int_equal(listing_decode(buf_span(&record), NULL, &again, NULL), 0);
        expect_same(&l, &again);
        listing_done(&l);
        listing_done(&again);
        buf_done(&record);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_put_find_remove),
    cmocka_unit_test(test_bad_entries_are_refused),
    cmocka_unit_test(test_append_and_sort),
    cmocka_unit_test(test_merge),
    cmocka_unit_test(test_texts_of_removed_entries_are_freed),
    cmocka_unit_test(test_any_difference_changes_the_digest),
    cmocka_unit_test(test_complete_record),
    cmocka_unit_test(test_the_text_is_as_documented),
    cmocka_unit_test(test_delta),
    cmocka_unit_test(test_every_byte_counts),
    cmocka_unit_test(test_times),
};

UNIT_MAIN(tests)
