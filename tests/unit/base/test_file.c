/* SPDX-License-Identifier: MIT */
/* The module itself is included, so that the walk can be tried where the kernel has openat2. */
#include "core/base/file.c" /* NOLINT */

#include "tests/unit/unit.h"

static char root[64]; /* a folder for each test */
static int root_fd = -1;
static struct err err;

static int make_root(void **state)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(root, sizeof(root), "%.40s/file-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(root));
    root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(root_fd >= 0);
    memset(&err, 0, sizeof(err));
    return 0;
}

static int drop_root(void **state)
{
    (void) close(root_fd);
    return file_remove_tree(AT_FDCWD, root, &err);
}

static const char *at_root(const char *name)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    int fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text, strlen(text), &err), 0);
    (void) close(fd);
}

static void check_content(const char *name, const char *text)
{
    struct buf b = BUF_INIT(1000);

    assert_int_equal(file_read_at(root_fd, name, &b, &err), 0);
    assert_string_equal(buf_text(&b), text);
    buf_done(&b);
}

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += !is_dots(e->d_name);
    closedir(dir);
    return n;
}

static void test_reads_up_to_the_ceiling(void **state)
{
    struct buf b = BUF_INIT(5);
    char message[400];

    put("five", "12345");
    put("six", "123456");
    assert_int_equal(file_read(at_root("five"), &b, &err), 0);
    assert_string_equal(buf_text(&b), "12345");
    buf_clear(&b);
    assert_int_equal(file_read(at_root("six"), &b, &err), -ERR_TOO_LARGE);
    snprintf(message, sizeof(message), "'%s' is larger than 5 bytes", at_root("six"));
    assert_string_equal(err.text, message);
    buf_done(&b);
}

static void test_reads_more_than_a_step(void **state)
{
    struct buf b = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);

    for (int i = 0; i < 30000; i++)
        buf_printf(&b, "%d ", i);
    assert_int_equal(file_write_atomic_at(root_fd, "large", buf_span(&b), 0644, &err), 0);
    assert_int_equal(file_read_at(root_fd, "large", &again, &err), 0);
    assert_true(span_equal(buf_span(&b), buf_span(&again)));
    buf_done(&b);
    buf_done(&again);
}

static void test_missing_files_are_not_found(void **state)
{
    struct buf b = BUF_INIT(5);

    assert_int_equal(file_read_at(root_fd, "none", &b, &err), -ERR_NOT_FOUND);
    assert_string_equal(err.text, "opening 'none': No such file or directory");
    assert_int_equal(file_read(root, &b, &err), -ERR_IO);
    assert_int_equal(err.errnum, EISDIR);
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void test_writes_the_new_or_keeps_the_old(void **state)
{
    struct stat st;

    assert_int_equal(file_write_atomic(at_root("f"), span_of("old"), 0600, &err), 0);
    check_content("f", "old");
    assert_int_equal(stat(at_root("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(file_write_atomic(at_root("f"), span_of("new"), 0666, &err), 0);
    check_content("f", "new");
    assert_int_equal(stat(at_root("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666); /* the umask has no say */
    assert_int_equal(count_entries(root), 1);
}

static void test_a_failed_write_leaves_nothing_behind(void **state)
{
    assert_int_equal(mkdirat(root_fd, "taken", 0700), 0);
    assert_int_equal(file_write_atomic_at(root_fd, "taken", span_of("x"), 0600, &err), -ERR_IO);
    assert_string_equal(err.text, "replacing 'taken': Is a directory");
    assert_int_equal(count_entries(root), 1);
    assert_int_equal(file_write_atomic(at_root("none/f"), span_of("x"), 0600, &err), -ERR_NOT_FOUND);
    assert_int_equal(file_write_atomic_at(root_fd, "a/b", span_of("x"), 0600, &err), -ERR_INVALID);
    assert_string_equal(err.text, "'a/b' is not the name of a file");
    assert_int_equal(file_write_atomic_at(root_fd, "", span_of("x"), 0600, &err), -ERR_INVALID);
}

static void test_a_full_disk_keeps_the_old_file(void **state)
{
    if (access("/dev/full", W_OK) != 0)
        skip();
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_int_equal(fill_temp(fd, "f", span_of("new"), 0600, &err), -ERR_IO);
    assert_string_equal(err.text, "writing 'f': No space left on device");
    (void) close(fd);
}

static void test_replaces_a_link_not_its_target(void **state)
{
    put("target", "safe");
    assert_int_equal(symlinkat("target", root_fd, "link"), 0);
    assert_int_equal(file_write_atomic_at(root_fd, "link", span_of("new"), 0644, &err), 0);
    check_content("target", "safe");
    check_content("link", "new");
}

static void test_the_longest_name_can_be_written(void **state)
{
    char name[NAME_MAX + 1];

    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    assert_int_equal(file_write_atomic_at(root_fd, name, span_of("x"), 0644, &err), 0);
    check_content(name, "x");
}

static void test_makes_folders(void **state)
{
    struct stat st;

    assert_int_equal(file_make_dirs(at_root("a/b//c/"), 0700, &err), 0);
    assert_int_equal(file_make_dirs(at_root("a/b/c"), 0700, &err), 0);
    assert_int_equal(fstatat(root_fd, "a/b/c", &st, 0), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(file_make_dirs("/", 0700, &err), 0);
    put("f", "");
    assert_int_equal(file_make_dirs(at_root("f/x"), 0700, &err), -ERR_IO);
    assert_int_equal(err.errnum, ENOTDIR);
    assert_int_equal(symlinkat("nowhere", root_fd, "dangling"), 0);
    assert_int_equal(file_make_dirs(at_root("dangling"), 0700, &err), -ERR_IO);
    assert_int_equal(err.errnum, ENOTDIR); /* and not: no such file */
}

typedef int opener(int dir_fd, const char *path, int flags, mode_t mode);

static void make_trap(void)
{
    assert_int_equal(mkdirat(root_fd, "in", 0700), 0);
    assert_int_equal(mkdirat(root_fd, "in/sub", 0700), 0);
    put("secret", "secret");
    put("in/sub/f", "fine");
    assert_int_equal(symlinkat("sub", root_fd, "in/dirlink"), 0);
    assert_int_equal(symlinkat("../secret", root_fd, "in/filelink"), 0);
    assert_int_equal(symlinkat("/", root_fd, "in/rootlink"), 0);
}

static void check_open(opener *open_it, const char *path, int flags, int errnum)
{
    int in_fd = openat(root_fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open_it(in_fd, path, flags, 0600), saved = errno;

    if (fd >= 0)
        (void) close(fd);
    (void) close(in_fd);
    if ((fd < 0 ? saved : 0) != errnum)
        fail_msg("'%s': %s", path, fd < 0 ? strerror(saved) : "opened");
}

static void check_opener(opener *open_it)
{
    check_open(open_it, "sub/f", O_RDONLY, 0);
    check_open(open_it, "sub//f", O_RDONLY, 0);
    check_open(open_it, "./sub/./f", O_RDONLY, 0);
    check_open(open_it, "sub", O_RDONLY | O_DIRECTORY, 0);
    check_open(open_it, "sub/", O_RDONLY, 0);
    check_open(open_it, "sub/new", O_WRONLY | O_CREAT | O_EXCL, 0);
    check_open(open_it, "sub/new", O_WRONLY | O_CREAT | O_EXCL, EEXIST);
    check_open(open_it, "none", O_RDONLY, ENOENT);
    check_open(open_it, "none/f", O_RDONLY, ENOENT);
    check_open(open_it, "sub/f/x", O_RDONLY, ENOTDIR);
    check_open(open_it, "sub/f/", O_RDONLY, ENOTDIR);
    check_open(open_it, "dirlink", O_RDONLY | O_DIRECTORY, ELOOP);
    check_open(open_it, "dirlink/f", O_RDONLY, ELOOP);
    check_open(open_it, "filelink", O_RDONLY, ELOOP);
    check_open(open_it, "filelink", O_WRONLY | O_TRUNC, ELOOP);
    check_open(open_it, "rootlink/etc", O_RDONLY, ELOOP);
    assert_int_equal(unlinkat(root_fd, "in/sub/new", 0), 0);
    check_content("secret", "secret");
}

static void test_the_kernel_stays_beneath(void **state)
{
    make_trap();
    check_opener(open_by_kernel);
}

static void test_the_walk_stays_beneath(void **state)
{
    make_trap();
    check_opener(open_by_walk);
}

static void check_beneath(const char *path, const char *message)
{
    int fd = -1;

    assert_int_equal(file_open_beneath(root_fd, path, O_RDONLY, 0, &fd, &err), -ERR_INVALID);
    assert_string_equal(err.text, message);
    assert_int_equal(fd, -1);
}

static void test_bad_paths_are_named(void **state)
{
    int fd = -1;

    make_trap();
    check_beneath("", "'' is an empty path");
    check_beneath("/etc/passwd", "'/etc/passwd' is an absolute path");
    check_beneath("..", "'..' is a path with '..'");
    check_beneath("in/../secret", "'in/../secret' is a path with '..'");
    check_beneath("in/sub/..", "'in/sub/..' is a path with '..'");
    check_beneath("in/filelink", "'in/filelink' goes through a symbolic link");
    check_beneath("in/rootlink/etc", "'in/rootlink/etc' goes through a symbolic link");
    assert_int_equal(file_open_beneath(root_fd, "in/..none", O_RDONLY, 0, &fd, &err), -ERR_NOT_FOUND);
    assert_int_equal(file_open_beneath(root_fd, "in/sub/f", O_RDONLY, 0, &fd, &err), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void) close(fd);
}

static void test_parents_are_made_beneath(void **state)
{
    struct stat here, there;
    int fd = -1;

    make_trap();
    assert_int_equal(file_make_parents_beneath(root_fd, "x/y/file", 0700, &fd, &err), 0);
    assert_int_equal(fstat(fd, &here), 0);
    assert_int_equal(fstatat(root_fd, "x/y", &there, 0), 0);
    assert_true(here.st_ino == there.st_ino);
    assert_int_equal(fstatat(root_fd, "x/y/file", &there, 0), -1);
    (void) close(fd);
    assert_int_equal(file_make_parents_beneath(root_fd, "file", 0700, &fd, &err), 0);
    (void) close(fd);
    assert_int_equal(file_make_parents_beneath(root_fd, "in/dirlink/new/f", 0700, &fd, &err), -ERR_INVALID);
    assert_string_equal(err.text,
                        "making the folders of 'in/dirlink/new/f': 'dirlink' goes through a symbolic link");
    assert_int_equal(file_make_parents_beneath(root_fd, "a/../f", 0700, &fd, &err), -ERR_INVALID);
    assert_int_equal(file_make_parents_beneath(root_fd, "secret/f", 0700, &fd, &err), -ERR_IO);
}

static void test_removes_a_tree_but_not_what_links_point_to(void **state)
{
    make_trap();
    assert_int_equal(fchmodat(root_fd, "in/sub", 0, 0), 0);
    assert_int_equal(file_remove_tree(root_fd, "in", &err), 0);
    assert_int_equal(count_entries(root), 1);
    check_content("secret", "secret");
    assert_int_equal(file_remove_tree(root_fd, "in", &err), 0); /* a missing one is fine */
    assert_int_equal(file_remove_tree(root_fd, "secret", &err), 0);
    assert_int_equal(count_entries(root), 0);
}

static void test_removes_very_deep_trees(void **state)
{
    int fd = dup(root_fd);

    for (int i = 0; i < 3000; i++) {
        int next;

        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void) close(fd);
        fd = next;
    }
    (void) close(fd);
    assert_int_equal(file_remove_tree(root_fd, "d", &err), 0);
    assert_int_equal(count_entries(root), 0);
}

static void check_join(const char *base, const char *rel, const char *joined)
{
    char *path = file_join(base, rel);

    assert_string_equal(path, joined);
    free(path);
}

static void test_joins_with_one_slash(void **state)
{
    check_join("a", "b", "a/b");
    check_join("a/", "b", "a/b");
    check_join("a//", "b/c", "a/b/c");
    check_join("/", "b", "/b");
    check_join("a", "/b", "/b");
    check_join("", "b", "b");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_root, drop_root)

static const struct CMUnitTest tests[] = {
    CASE(test_reads_up_to_the_ceiling),
    CASE(test_reads_more_than_a_step),
    CASE(test_missing_files_are_not_found),
    CASE(test_writes_the_new_or_keeps_the_old),
    CASE(test_a_failed_write_leaves_nothing_behind),
    CASE(test_a_full_disk_keeps_the_old_file),
    CASE(test_replaces_a_link_not_its_target),
    CASE(test_the_longest_name_can_be_written),
    CASE(test_makes_folders),
    CASE(test_the_kernel_stays_beneath),
    CASE(test_the_walk_stays_beneath),
    CASE(test_bad_paths_are_named),
    CASE(test_parents_are_made_beneath),
    CASE(test_removes_a_tree_but_not_what_links_point_to),
    CASE(test_removes_very_deep_trees),
    CASE(test_joins_with_one_slash),
};

UNIT_MAIN(tests)
