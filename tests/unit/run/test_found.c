/* SPDX-License-Identifier: MIT */
/* What follows from a scan: order, hard links, what is left out, what is remembered. */
#include "tests/unit/unit.h"

#include "core/base/buf.h"
#include "core/run/found.h"

#include <stdio.h>

/* A workspace as it is known: its listing and the memory beside it. */
static struct listing now;
static struct found_memory *memory;
static struct found found;

static int setup(void **state)
{
    listing_init(&now);
    found_init(&found);
    memory = NULL;
    return 0;
}

static int teardown(void **state)
{
    listing_done(&now);
    found_done(&found);
    found_memory_free(memory);
    return 0;
}

static struct guest_stat stat_of(enum guest_file_kind kind, uint64_t size, uint64_t inode, uint32_t links)
{
    return (struct guest_stat){ .kind = kind,
                                .mode = 0644,
                                .size = size,
                                .stored = size,
                                .inode = inode,
                                .links = links,
                                .mtime_ns = 7 };
}

static void tell(const char *path, const struct guest_stat *st, const char *link)
{
    struct err err;

    assert_int_equal(found_add(&found, span_of(path), st, span_of(link), NULL, &err), 0);
}

static void gone(const char *path)
{
    tell(path, NULL, NULL);
}

static void dir(const char *path)
{
    struct guest_stat st = stat_of(GUEST_DIR, 40, 1, 5); /* links of a folder say nothing */

    tell(path, &st, NULL);
}

static void file(const char *path, uint64_t size, uint64_t inode, uint32_t links)
{
    struct guest_stat st = stat_of(GUEST_FILE, size, inode, links);

    tell(path, &st, NULL);
}

static void settle(void)
{
    struct err err;

    assert_int_equal(found_settle(&found, &now, memory, &err), 0);
}

/* Every content is its inode's, then what follows becomes what is known. */
static void apply(void)
{
    struct found_memory *next;
    struct listing l;
    struct err err;

    for (size_t i = 0; i < found.count; i++)
        if (found.items[i].kind == FOUND_FILE && !found.items[i].sha256[0])
            snprintf(found.items[i].sha256, DIGEST_HEX, "%064x", (unsigned) found.items[i].inode);
    listing_init(&l);
    assert_int_equal(found_apply(&found, &now, &l, &err), 0);
    assert_int_equal(found_remember(&found, memory, &next, &err), 0);
    listing_done(&now);
    found_memory_free(memory);
    now = l;
    memory = next;
    found_done(&found);
}

static void settle_and_apply(void)
{
    settle();
    apply();
}

static void expect(const char *text)
{
    struct buf out = BUF_INIT(65536);

    for (size_t i = 0; i < now.count; i++) {
        const struct listing_entry *e = &now.entries[i];

        assert_int_equal(buf_printf(&out, "%c%s", "fdlh"[e->kind], e -> path), 0);
        if (e->link)
            assert_int_equal(buf_printf(&out, ">%s", e->link), 0);
        if (e->kind == LISTING_FILE && e->size > 0)
            assert_int_equal(buf_printf(&out, "=%lld:%ld", (long long) e->size, strtol(e->sha256, NULL, 16)),
                             0);
        assert_int_equal(buf_add_char(&out, ' '), 0);
    }
    assert_string_equal(buf_text(&out), text);
    buf_done(&out);
}

static void expect_unkept(const char *text)
{
    struct buf out = BUF_INIT(65536);
    size_t count;
    const struct listing_unkept *list = found_memory_unkept(memory, &count);

    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_printf(&out, "%s: %s\n", list[i].path, list[i].why), 0);
    assert_string_equal(buf_text(&out), text);
    buf_done(&out);
}

/* ---- */

static void test_order_does_not_matter(void **state)
{
    struct guest_stat st = stat_of(GUEST_LINK, 3, 4, 1);

    file("a/b", 5, 3, 1);
    tell("z", &st, "/nowhere");
    dir("a");
    file("a-b", 6, 2, 1);
    file("empty", 0, 9, 1);
    settle_and_apply();
    expect("da fa-b=6:0 fa/b=5:0 fempty lz>/nowhere ");
    assert_int_equal(now.entries[0].mode, 0644);
    assert_int_equal(now.entries[0].size, 0);
    assert_int_equal(now.entries[0].mtime_ns, 7);
    assert_int_equal(now.entries[4].mode, 0);
    assert_int_equal(now.entries[4].mtime_ns, 7);
}

static void test_changes_and_gone(void **state)
{
    dir("d");
    file("d/x", 1, 0, 1);
    file("y", 2, 0, 1);
    settle_and_apply();
    gone("d");
    gone("d/x");
    file("y", 3, 0, 1);
    gone("never there");
    settle();
    assert_true(found_differs(&found, &now));
    apply();
    expect("fy=3:0 ");
}

static void test_the_same_again_differs_not(void **state)
{
    dir("d");
    file("d/x", 1, 0, 1);
    settle_and_apply();
    file("d/x", 1, 0, 1);
    gone("z");
    settle();
    snprintf(found.items[0].sha256, DIGEST_HEX, "%064x", 0);
    assert_false(found_differs(&found, &now));
    found.items[0].mtime_ns++;
    assert_true(found_differs(&found, &now));
}

static void test_nonsense_is_left_out(void **state)
{
    struct err err;
    struct guest_stat st = stat_of(GUEST_FILE, 1, 0, 1);

    file("no/folder", 1, 0, 1);
    file("twice", 1, 0, 1);
    file("twice", 1, 0, 1);
    file("f", 1, 0, 1);
    file("f/below a file", 1, 0, 1);
    settle_and_apply();
    expect("ff=1:0 ftwice=1:0 ");
    assert_int_equal(found_add(&found, span_of("../out"), &st, span_of(NULL), NULL, &err), -ERR_ENGINE);
    assert_int_equal(found_add(&found, span_of("/abs"), &st, span_of(NULL), NULL, &err), -ERR_ENGINE);
    assert_int_equal(found_add(&found, span_make("a\0b", 3), &st, span_of(NULL), NULL, &err), -ERR_ENGINE);
}

static void test_unkept(void **state)
{
    struct guest_stat st = stat_of(GUEST_OTHER, 0, 0, 1);

    tell("sock", &st, NULL);
    st = stat_of(GUEST_FILE, (uint64_t) 5 << 30, 0, 1);
    tell("full", &st, NULL);
    st.stored = 4096;
    tell("hollow", &st, NULL);
    st.size = (uint64_t) 4 << 30;
    tell("large", &st, NULL);
    st.size = UINT64_MAX;
    tell("lie", &st, NULL);
    settle_and_apply();
    expect("ffull=5368709120:0 flarge=4294967296:0 ");
    expect_unkept("hollow: a file of 5 GiB that is nearly all hole\n"
                  "lie: a file of more than 4 TiB\n"
                  "sock: a socket, pipe or device\n");
    file("new", 1, 0, 1); /* they are not reported again, but still there */
    gone("lie");
    file("hollow", 1, 0, 1);
    settle_and_apply();
    expect("ffull=5368709120:0 fhollow=1:0 flarge=4294967296:0 fnew=1:0 ");
    expect_unkept("sock: a socket, pipe or device\n");
}

/* ---- hard links ---- */

static void make_three(void)
{
    dir("a");
    dir("b");
    file("b/two", 4, 77, 3);
    file("c", 4, 77, 3);
    file("a/one", 4, 77, 3);
    file("other", 4, 78, 2); /* its other name is nowhere to be seen */
    settle_and_apply();
    expect("da fa/one=4:77 db hb/two>a/one hc>a/one fother=4:78 ");
}

static void test_three_names(void **state)
{
    make_three();
    assert_int_equal(now.entries[3].mode, 0);
    assert_int_equal(now.entries[3].mtime_ns, 0);
}

static void test_content_changes_for_all(void **state)
{
    make_three();
    file("a/one", 5, 77, 3);
    file("b/two", 5, 77, 3);
    file("c", 5, 77, 3);
    settle_and_apply();
    expect("da fa/one=5:77 db hb/two>a/one hc>a/one fother=4:78 ");
}

static void test_first_name_removed(void **state)
{
    make_three();
    gone("a/one");
    file("b/two", 4, 77, 2);
    file("c", 4, 77, 2);
    settle_and_apply();
    expect("da db fb/two=4:77 hc>b/two fother=4:78 ");
    gone("b/two");
    file("c", 4, 77, 1);
    settle();
    assert_int_equal(found.inode_count, 0);
    snprintf(found.items[1].sha256, DIGEST_HEX, "%064x", 77);
    apply();
    expect("da db fc=4:77 fother=4:78 ");
}

/* The folder of the first name is renamed: of the other names nothing is reported. */
static void test_folder_moves_behind(void **state)
{
    make_three();
    gone("a");
    gone("a/one");
    dir("z");
    file("z/one", 4, 77, 3);
    settle();
    assert_string_equal(found_find(&found, "b/two")->sha256, now.entries[1].sha256); /* nothing to fetch */
    apply();
    expect("db fb/two=4:77 hc>b/two fother=4:78 dz hz/one>b/two ");
    assert_int_equal(now.entries[1].mode, 0644);
    assert_int_equal(now.entries[1].mtime_ns, 7);
    gone("b");
    gone("b/two");
    dir("x");
    file("x/two", 4, 77, 3);
    settle_and_apply(); /* and c, which was never reported since, is first */
    expect("fc=4:77 fother=4:78 dx hx/two>c dz hz/one>c ");
}

static void test_folder_moves_before(void **state)
{
    make_three();
    gone("b");
    gone("b/two");
    dir("A");
    file("A/two", 4, 77, 3);
    settle();
    assert_string_equal(found_find(&found, "A/two")->sha256, now.entries[1].sha256);
    apply();
    expect("dA fA/two=4:77 da ha/one>A/two hc>A/two fother=4:78 ");
}

static void test_inode_used_again(void **state)
{
    make_three();
    gone("a/one");
    gone("b/two");
    gone("c");
    file("b/new", 9, 77, 2);
    file("d", 9, 77, 2);
    settle_and_apply();
    expect("da db fb/new=9:77 hd>b/new fother=4:78 ");
}

static void test_link_becomes_file_of_its_own(void **state)
{
    make_three();
    file("a/one", 4, 77, 2);
    file("b/two", 4, 77, 2);
    file("c", 4, 80, 1); /* replaced by a copy */
    settle();
    snprintf(found.items[2].sha256, DIGEST_HEX, "%064x", 80);
    apply();
    expect("da fa/one=4:77 db hb/two>a/one fc=4:80 fother=4:78 ");
}

static void test_lost_while_reading(void **state)
{
    size_t next;

    dir("a");
    file("a/1", 4, 77, 3);
    file("a/2", 4, 77, 3);
    file("a/3", 4, 77, 3);
    file("b", 4, 0, 1);
    settle();
    assert_int_equal(found_lose(&found, 4), SIZE_MAX);
    next = found_lose(&found, 1);
    assert_int_equal(next, 2);
    assert_int_equal(found.items[2].kind, FOUND_FILE);
    assert_string_equal(found.items[3].link, "a/2");
    apply();
    expect("da fa/2=4:77 ha/3>a/2 ");
}

static void test_last_name_lost(void **state)
{
    file("1", 4, 77, 2);
    file("2", 4, 77, 2);
    settle();
    assert_int_equal(found_lose(&found, 0), 1);
    assert_int_equal(found_lose(&found, 1), SIZE_MAX);
    apply();
    expect("");
}

static void test_refused_with_all_names(void **state)
{
    file("1", 4, 77, 2);
    file("2", 4, 77, 2);
    file("3", 4, 78, 2);
    settle();
    found_refuse(&found, 0, "no");
    apply();
    expect("f3=4:78 ");
    expect_unkept("1: no\n2: no\n");
    file("2", 4, 77, 1);
    gone("1");
    settle();
    snprintf(found.items[1].sha256, DIGEST_HEX, "%064x", 77);
    apply();
    expect("f2=4:77 f3=4:78 ");
    expect_unkept("");
}

/* The inode changed for sure, but of one name the guest says nothing. */
static void test_report_with_a_gap(void **state)
{
    make_three();
    dir("a/one");
    gone("c");
    settle_and_apply();
    expect("da da/one db fb/two=4:77 fother=4:78 "); /* for all that was said, b/two is as it was */
}

/* Random edits of a few names, where the report is right: the listing must be what a first scan would give.
 */
static void test_any_order_of_edits(void **state)
{
    enum { NAMES = 8, FOLDERS = 3, ROUNDS = 3000 };
    static const char *const folders[FOLDERS][2] = { { "d0", "x0" }, { "d1", "B1" }, { "d2", "m2" } };
    int inode[FOLDERS][NAMES] = { { 0 } }, side[FOLDERS] = { 0 };
    int told[FOLDERS][NAMES] = { { 0 } }, told_side[FOLDERS] = { 0 };
    unsigned seed = 12345;

    for (int i = 0; i < FOLDERS; i++)
        dir(folders[i][0]);
    settle_and_apply();
    for (int round = 0; round < ROUNDS; round++) {
        bool is_dirty[64] = { false };
        int links[64] = { 0 };
        struct listing whole;
        struct found_memory *kept = memory;
        char path[32], a[DIGEST_HEX], b[DIGEST_HEX];

        for (int edits = 0; edits < 3; edits++) {
            int f = (int) (seed / 65536 % FOLDERS), n = (int) (seed / 1048576 % NAMES);

            seed = seed * 1103515245 + 12345;
            if (seed / 65536 % 4 == 0)
                side[f] = !side[f];
            else {
                is_dirty[inode[f][n]] = true;
                inode[f][n] = (int) (seed / 65536 % 6); /* 0: none; else a name of that file */
                is_dirty[inode[f][n]] = true;
            }
            seed = seed * 1103515245 + 12345;
        }
        for (int f = 0; f < FOLDERS; f++)
            for (int n = 0; n < NAMES; n++)
                links[inode[f][n]]++;
        for (int f = 0; f < FOLDERS; f++) {
            bool has_moved = side[f] != told_side[f];

            if (has_moved) {
                gone(folders[f][told_side[f]]);
                dir(folders[f][side[f]]);
            }
            for (int n = 0; n < NAMES; n++) {
                int i = inode[f][n];

                if (told[f][n] && (has_moved || !i)) {
                    snprintf(path, sizeof(path), "%s/%d", folders[f][told_side[f]], n);
                    gone(path);
                }
                snprintf(path, sizeof(path), "%s/%d", folders[f][side[f]], n);
                if (i && (has_moved || is_dirty[i] || told[f][n] != i))
                    file(path, 1 + (uint64_t) i, (uint64_t) i, (uint32_t) links[i]);
                told[f][n] = i;
            }
            told_side[f] = side[f];
        }
        settle();
        for (size_t i = 0; i < found.count; i++) /* of files with one name no inode is kept */
            if (found.items[i].kind == FOUND_FILE && !found.items[i].sha256[0])
                snprintf(found.items[i].sha256, DIGEST_HEX, "%064x", (unsigned) found.items[i].size - 1);
        apply();
        listing_digest(&now, a);

        whole = now;
        kept = memory;
        listing_init(&now);
        memory = NULL;
        for (int f = 0; f < FOLDERS; f++) {
            dir(folders[f][side[f]]);
            for (int n = 0; n < NAMES; n++) {
                snprintf(path, sizeof(path), "%s/%d", folders[f][side[f]], n);
                if (inode[f][n])
                    file(path, 1 + (uint64_t) inode[f][n], (uint64_t) inode[f][n],
                         (uint32_t) links[inode[f][n]]);
            }
        }
        settle();
        for (size_t i = 0; i < found.count; i++)
            if (found.items[i].kind == FOUND_FILE)
                snprintf(found.items[i].sha256, DIGEST_HEX, "%064x", (unsigned) found.items[i].size - 1);
        apply();
        listing_digest(&now, b);
        assert_string_equal(a, b);
        listing_done(&now);
        found_memory_free(memory);
        now = whole;
        memory = kept;
    }
}

#define clean(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
    clean(test_order_does_not_matter),
    clean(test_changes_and_gone),
    clean(test_the_same_again_differs_not),
    clean(test_nonsense_is_left_out),
    clean(test_unkept),
    clean(test_three_names),
    clean(test_content_changes_for_all),
    clean(test_first_name_removed),
    clean(test_folder_moves_behind),
    clean(test_folder_moves_before),
    clean(test_inode_used_again),
    clean(test_link_becomes_file_of_its_own),
    clean(test_lost_while_reading),
    clean(test_last_name_lost),
    clean(test_refused_with_all_names),
    clean(test_report_with_a_gap),
    clean(test_any_order_of_edits),
};

UNIT_MAIN(tests)
