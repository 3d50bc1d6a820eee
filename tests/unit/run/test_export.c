/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/kept.h"

#include "core/run/export.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LARGE ((size_t) 3 * 1024 * 1024) /* more than is held in memory */

static struct run_folder *folder;
static struct checkpoint_store *store;
static struct listing listing;
static char top[300]; /* a folder to export to */

static void put(const char *path, enum listing_kind kind, uint32_t mode, int64_t mtime_ns, const char *link)
{
    struct listing_entry e = { .path = path, .kind = kind, .mode = mode, .mtime_ns = mtime_ns, .link = link };

    assert_int_equal(listing_put(&listing, &e, NULL), 0);
}

static void set(const char *path, uint32_t mode, int64_t mtime_ns)
{
    struct listing_entry e = *listing_find(&listing, path);

    e.path = path;
    e.mode = mode;
    e.mtime_ns = mtime_ns;
    assert_int_equal(listing_put(&listing, &e, NULL), 0);
}

/* Of everything something. */
static int setup(void **state)
{
    struct checkpoint_writer *w = NULL;
    char *large = calloc(1, LARGE);
    struct kept kept;

    if (state_home_setup(state) < 0 || run_folder_create(&folder, NULL) < 0)
        return -1;
    snprintf(top, sizeof(top), "%s/out", state_home);
    assert_int_equal(mkdir(top, 0700), 0);
    assert_int_equal(checkpoint_store_new(folder, &store, NULL), 0);
    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    listing_init(&listing);
    for (size_t i = 0; i < LARGE; i += 4096)
        snprintf(large + i, 16, "%zu", i);
    put("closed", LISTING_DIR, 0555, INT64_C(1600000000123456789), NULL);
    put("closed/empty dir", LISTING_DIR, 01777, 5, NULL);
    kept_file(w, &listing, "closed/a\nb", span_of("newline\n"));
    kept_file(w, &listing, "closed/\xff\xfe", span_of("bytes"));
    kept_file(w, &listing, "empty", span_of(""));
    kept_file(w, &listing, "empty2", span_of(""));
    kept_file(w, &listing, "large", span_make(large, LARGE));
    kept_file(w, &listing, "large again", span_make(large, LARGE));
    kept_file(w, &listing, "small again", span_of("bytes"));
    kept_file(w, &listing, "suid", span_of("#!"));
    set("suid", 06755, INT64_C(-2000000000));
    set("closed/a\nb", 0400, INT64_C(1700000000999999999));
    put("abs", LISTING_LINK, 0, INT64_C(1500000000000000001), "/nowhere/\xff");
    put("z-hard", LISTING_HARD, 06755, INT64_C(-2000000000), "suid");
    kept_commit(store, w, &listing, 0, &kept);
    free(large);
    return 0;
}

static int teardown(void **state)
{
    checkpoint_store_free(store);
    listing_done(&listing);
    run_folder_free(folder);
    return state_home_teardown(state);
}

static const char *in_top(const char *name)
{
    static char path[2][2000];
    static int at;

    at = !at;
    snprintf(path[at], sizeof(path[at]), "%s/%s", top, name);
    return path[at];
}

static int count_in(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static void expect_entry(const char *dir, const char *name, mode_t mode, int64_t mtime_ns)
{
    char path[600];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, mode);
    assert_int_equal(st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec, mtime_ns);
}

static void expect_content(const char *dir, const char *name, const char *want)
{
    struct buf text = BUF_INIT(1 << 20);
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(file_read(path, &text, NULL), 0);
    assert_string_equal(buf_text(&text), want);
    buf_done(&text);
}

static void expect_tree(const char *dir)
{
    struct buf a = BUF_INIT(LARGE), b = BUF_INIT(LARGE);
    char path[600], link[100] = { 0 };
    struct stat st, other;

    assert_int_equal(count_in(dir), 9);
    expect_entry(dir, "closed", S_IFDIR | 0555, INT64_C(1600000000123456789));
    expect_entry(dir, "closed/empty dir", S_IFDIR | 01777, 5);
    expect_entry(dir, "closed/a\nb", S_IFREG | 0400, INT64_C(1700000000999999999));
    expect_entry(dir, "suid", S_IFREG | 0755, INT64_C(-2000000000));
    expect_content(dir, "closed/a\nb", "newline\n");
    expect_content(dir, "closed/\xff\xfe", "bytes");
    expect_content(dir, "small again", "bytes");
    expect_content(dir, "empty", "");
    expect_content(dir, "empty2", "");
    expect_content(dir, "z-hard", "#!");
    snprintf(path, sizeof(path), "%s/abs", dir);
    assert_int_equal(readlink(path, link, sizeof(link)), 10);
    assert_string_equal(link, "/nowhere/\xff");
    snprintf(path, sizeof(path), "%s/suid", dir);
    assert_int_equal(stat(path, &st), 0);
    snprintf(path, sizeof(path), "%s/z-hard", dir);
    assert_int_equal(stat(path, &other), 0);
    assert_int_equal(st.st_ino, other.st_ino);
    snprintf(path, sizeof(path), "%s/large", dir);
    assert_int_equal(file_read(path, &a, NULL), 0);
    snprintf(path, sizeof(path), "%s/large again", dir);
    assert_int_equal(file_read(path, &b, NULL), 0);
    assert_int_equal(a.len, LARGE);
    assert_true(span_equal(buf_span(&a), buf_span(&b)));
    assert_string_equal(a.data + 8192, "8192");
    buf_done(&a);
    buf_done(&b);
}

static void test_folder(void **state)
{
    struct listing_totals totals;
    struct err err = { 0 };

    assert_int_equal(export_folder(store, 1, in_top("deep/tree///"), &totals, &err), 0);
    assert_int_equal(totals.files, 8);
    assert_int_equal(totals.folders, 2);
    assert_int_equal(totals.links, 2);
    expect_tree(in_top("deep/tree"));
    expect_entry(in_top("deep/tree"), "abs", S_IFLNK | 0777, INT64_C(1500000000000000001));
    assert_int_equal(count_in(in_top("deep")), 1);
    assert_int_equal(mkdir(in_top("ready"), 0755), 0);
    assert_int_equal(export_folder(store, 1, in_top("ready"), &totals, &err), 0);
    expect_tree(in_top("ready"));
    assert_int_equal(export_folder(store, 1, in_top("ready"), &totals, &err), -ERR_CONFLICT);
    assert_int_equal(symlink("ready", in_top("link")), 0);
    assert_int_equal(export_folder(store, 1, in_top("link"), &totals, &err), -ERR_CONFLICT);
    assert_int_equal(export_folder(store, 7, in_top("new"), &totals, &err), -ERR_NOT_FOUND);
    assert_int_equal(export_folder(store, 0, in_top("none"), &totals, &err), 0);
    assert_int_equal(count_in(in_top("none")), 0);
    assert_int_equal(count_in(top), 4);
}

static void test_tar_as_tar_reads_it(void **state)
{
    static const char *const names[] = { "a.tar", "a.tar.zst", "a.tgz" };
    struct listing_totals totals;
    struct err err = { 0 };
    char command[4000], name[32];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(export_tar(store, 1, in_top(names[i]), &totals, &err), 0);
        assert_int_equal(export_tar(store, 1, in_top(names[i]), &totals, &err), 0); /* replaced */
        assert_int_equal(totals.files, 8);
        snprintf(command, sizeof(command), "mkdir '%s/x%zu' && tar -C '%s/x%zu' -xpf '%s' 2>'%s/said'", top,
                 i, top, i, in_top(names[i]), top);
        assert_int_equal(system(command), 0);
        snprintf(name, sizeof(name), "x%zu", i);
        expect_tree(in_top(name));
    }
    assert_int_equal(count_in(top), 7);
}

static void test_names_of_archives(void **state)
{
    static const char *const yes[] = { "a.tar", "b/a.tar.zst", "a.tzst", "a.tgz", "a.tar.gz" };
    static const char *const no[] = { "", "-", "a", ".tar", "a.zip", "tar", "a.tar/", "a.zst" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(export_is_tar(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(export_is_tar(no[i]));
}

/* Nothing is left of what was not finished. */
static void test_no_room(void **state)
{
    struct rlimit old, limit;
    struct listing_totals totals;
    struct err err = { 0 };

    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(export_tar(store, 1, in_top("a.tar"), &totals, &err), -ERR_IO);
    assert_int_equal(err.errnum, EFBIG);
    assert_int_equal(export_folder(store, 1, in_top("tree"), &totals, &err), -ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(count_in(top), 0);
}

/* ---- outputs ---- */

static void test_outputs(void **state)
{
    char file[400], other[400], dir[400];
    struct run_output list[] = { { .path = "large", .to = file, .required = true },
                                 { .path = "closed", .to = dir, .required = true },
                                 { .path = "nowhere", .to = other },
                                 { .path = "z-hard", .to = other, .required = true } };
    struct output_report *reports = NULL;
    struct err err = { 0 };
    char want[DIGEST_HEX], lines[400];

    snprintf(file, sizeof(file), "%s/copy", top);
    snprintf(other, sizeof(other), "%s/deep/hard", top);
    snprintf(dir, sizeof(dir), "%s/dir", top);
    assert_int_equal(export_outputs(store, 1, NULL, list, 4, &reports, &err), 0);
    assert_string_equal(reports[0].sha256, listing_find(&listing, "large")->sha256);
    assert_int_equal(reports[0].size, LARGE);
    assert_true(reports[1].is_folder);
    assert_int_equal(reports[1].files, 2);
    snprintf(lines, sizeof(lines), "\\%s  a\\nb\n%s  \xff\xfe\n",
             listing_find(&listing, "closed/a\nb")->sha256,
             listing_find(&listing, "closed/\xff\xfe")->sha256);
    digest_of(span_of(lines), want);
    assert_string_equal(reports[1].sha256, want);
    assert_true(reports[2].is_missing);
    assert_int_equal(reports[3].size, 2);
    expect_content(top, "deep/hard", "#!");
    expect_content(top, "dir/a\nb", "newline\n");
    assert_int_equal(count_in(in_top("dir/empty dir")), 0);
    assert_int_equal(count_in(top), 3);
    free(reports);
}

static void test_outputs_are_all_or_nothing(void **state)
{
    char good[400], bad[400], link[400];
    struct run_output list[] = { { .path = "suid", .to = good, .required = true },
                                 { .path = "nowhere", .to = bad, .required = true },
                                 { .path = "abs", .to = link } };
    struct output_report *reports = NULL;
    struct err err = { 0 };

    snprintf(good, sizeof(good), "%s/good", top);
    snprintf(bad, sizeof(bad), "%s/bad", top);
    snprintf(link, sizeof(link), "%s/link", top);
    assert_int_equal(export_outputs(store, 1, NULL, list, 3, &reports, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "output 'nowhere': it is required and not there");
    assert_int_equal(reports[0].result, 0);
    assert_int_equal(reports[1].result, -ERR_OUTPUT);
    assert_string_equal(reports[2].err.text, "output 'abs': 'abs' is a link, which is not collected");
    free(reports);
    assert_int_equal(count_in(top), 0);
    assert_int_equal(mkdir(good, 0700), 0); /* in the way */
    assert_int_equal(export_outputs(store, 1, NULL, list, 1, &reports, &err), -ERR_OUTPUT);
    free(reports);
    assert_int_equal(export_outputs(store, 9, NULL, list, 1, &reports, &err), -ERR_NOT_FOUND);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_folder),
    CASE(test_tar_as_tar_reads_it),
    CASE(test_names_of_archives),
    CASE(test_no_room),
    CASE(test_outputs),
    CASE(test_outputs_are_all_or_nothing),
};

UNIT_MAIN(tests)
