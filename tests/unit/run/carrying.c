/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/carrying.h"

#include "core/base/digest.h"
#include "core/base/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct run_folder *carry_folder;
struct checkpoint_store *carry_store;

static char state_home[256];

static void remove_all(const char *path)
{
    const char *const argv[] = { "rm", "-rf", "--", path, NULL };
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execvp(argv[0], (char *const *) (uintptr_t) argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int carry_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct err err;

    snprintf(state_home, sizeof(state_home), "%s/agentbox-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(state_home) || setenv("XDG_STATE_HOME", state_home, 1) < 0)
        return -1;
    if (run_folder_create(&carry_folder, &err) < 0)
        return -1;
    return checkpoint_store_new(carry_folder, &carry_store, &err);
}

int carry_teardown(void **state)
{
    checkpoint_store_free(carry_store);
    run_folder_free(carry_folder);
    remove_all(state_home);
    return 0;
}

/* ---- boxes ---- */

static void on_turn(void *data)
{
    struct box *box = data;

    if (box->at_turn && box->turns_left-- == 0)
        box->at_turn(box);
}

struct box *box_new(bool is_user)
{
    struct box *box = calloc(1, sizeof(*box));
    struct err err;

    box->guest = is_user && geteuid() == 0 ? guest_start_user() : guest_start("0", "yes");
    checkpoint_view_init(&box->view);
    assert_int_equal(loop_before_wait(box->guest->loop, on_turn, box, &box->turns, &err), 0);
    return box;
}

void box_free(struct box *box)
{
    checkpoint_take_free(box->take);
    checkpoint_restore_free(box->restore);
    checkpoint_view_done(&box->view);
    loop_source_free(box->turns);
    guest_end(box->guest);
    free(box);
}

void box_forget(struct box *box)
{
    checkpoint_view_done(&box->view);
    host_drop(box->guest);
    host_attach(box->guest);
    host_greet(box->guest);
}

static void on_taken(void *data, int result, const struct record_checkpoint *rec, const struct err *err)
{
    struct box *box = data;
    struct err why;

    assert_false(box->is_done);
    box->is_done = true;
    box->result = result;
    if (result < 0) {
        assert_int_equal(result, -(int) err->code);
        box->err = *err;
    } else {
        assert_int_equal(checkpoint_store_told(carry_store, rec, &why), 0);
        box->rec = *rec;
        snprintf(box->tree, sizeof(box->tree), "%s", rec->tree ? rec->tree : "");
    }
    checkpoint_take_free(box->take);
    box->take = NULL;
}

void take_start(struct box *box)
{
    const struct checkpoint_site site = { box->guest->loop, box->guest->host->ch, carry_store, &box->view };
    struct err err;

    box->is_done = false;
    assert_int_equal(checkpoint_take_start(&site, 0, on_taken, box, &box->take, &err), 0);
}

static void on_restored(void *data, int result, const struct checkpoint_restored *ret, const struct err *err)
{
    struct box *box = data;

    assert_false(box->is_done);
    box->is_done = true;
    box->result = result;
    if (result < 0) {
        assert_int_equal(result, -(int) err->code);
        box->err = *err;
    } else {
        box->restored = *ret;
    }
    checkpoint_restore_free(box->restore);
    box->restore = NULL;
}

void restore_start(struct box *box, int64_t number)
{
    const struct checkpoint_site site = { box->guest->loop, box->guest->host->ch, carry_store, &box->view };
    struct err err;

    box->is_done = false;
    assert_int_equal(checkpoint_restore_start(&site, number, on_restored, box, &box->restore, &err), 0);
}

int box_wait(struct box *box)
{
    struct err err;

    while (!box->is_done) /* a channel that breaks ends loop_run(), too */
        assert_int_equal(loop_run(box->guest->loop, &box->is_done, &err), 0);
    return box->result;
}

static void well(struct box *box)
{
    if (box_wait(box) < 0)
        print_message("# %s\n", box->err.text);
    assert_int_equal(box->result, 0);
}

void take(struct box *box)
{
    take_start(box);
    well(box);
    assert_true(box->view.is_scanned);
}

void take_same(struct box *box)
{
    int64_t last = checkpoint_store_last(carry_store);

    take(box);
    assert_true(box->rec.is_same);
    assert_int_equal(box->rec.number, last);
    assert_int_equal(checkpoint_store_last(carry_store), last);
}

void restore(struct box *box, int64_t number)
{
    restore_start(box, number);
    well(box);
    assert_true(box->view.is_scanned);
}

/* ---- what is there ---- */

static void content_digest(const struct walk_entry *e, char ret[DIGEST_HEX])
{
    static char buf[1024 * 1024];
    struct digest *d = digest_new();
    uint8_t sum[DIGEST_SIZE];
    int fd = openat(e->dir_fd, e->name, O_RDONLY | O_NOFOLLOW);
    ssize_t n;

    assert_true(fd >= 0);
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        digest_add(d, buf, (size_t) n);
    assert_int_equal(n, 0);
    close(fd);
    digest_end(d, sum);
    digest_hex(sum, ret);
    digest_free(d);
}

struct seen {
    char *path;
    char *line; /* without the first name */
    char *target;
    ino_t inode; /* of files with several names */
};

static struct seen seen_make(const struct walk_entry *e)
{
    char sum[DIGEST_HEX] = "-", target[4096] = "";
    struct buf line = BUF_INIT(8192);
    bool is_file = S_ISREG(e->st.st_mode);

    if (is_file)
        content_digest(e, sum);
    if (S_ISLNK(e->st.st_mode))
        assert_true(readlinkat(e->dir_fd, e->name, target, sizeof(target) - 1) > 0);
    assert_int_equal(buf_printf(&line, "%06o %lld.%09ld %lld %s", (unsigned) e->st.st_mode,
                                (long long) e->st.st_mtim.tv_sec, e->st.st_mtim.tv_nsec,
                                is_file ? (long long) e->st.st_size : 0LL, sum),
                     0);
    return (struct seen){ strdup(e->path), buf_take(&line), strdup(target),
                          is_file && e->st.st_nlink > 1 ? e->st.st_ino : 0 };
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct seen *) a)->path, ((const struct seen *) b)->path);
}

static const char *first_name(const struct seen *list, const struct seen *s)
{
    const struct seen *first = list;

    while (s->inode && first->inode != s->inode)
        first++;
    return s->inode ? first->path : s->path;
}

char *workspace_text(struct box *box)
{
    int fd = open(box->guest->root, O_RDONLY | O_DIRECTORY);
    struct seen *list = NULL;
    size_t count = 0;
    struct buf out = BUF_INIT(256 * 1024 * 1024);
    struct walk *walk;
    struct walk_entry e;
    struct err err;
    int r;

    assert_int_equal(walk_new(fd, &walk, &err), 0);
    while ((r = walk_next(walk, &e, &err)) > 0) {
        if (count % 1024 == 0)
            list = realloc(list, (count + 1024) * sizeof(*list));
        list[count++] = seen_make(&e);
    }
    assert_int_equal(r, 0);
    walk_free(walk);
    close(fd);
    if (count > 0)
        qsort(list, count, sizeof(*list), by_path);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_printf(&out, "%s %s %s %s\n", list[i].line, first_name(list, &list[i]),
                                    list[i].path, list[i].target),
                         0);
    for (size_t i = 0; i < count; i++) {
        free(list[i].path);
        free(list[i].line);
        free(list[i].target);
    }
    free(list);
    assert_int_equal(buf_add_char(&out, '.'), 0); /* never empty */
    return buf_take(&out);
}

void assert_same_workspace(struct box *a, struct box *b)
{
    char *x = workspace_text(a), *y = workspace_text(b);

    if (strcmp(x, y) != 0) {
        size_t i = 0;

        while (x[i] == y[i])
            i++;
        while (i > 0 && x[i - 1] != '\n')
            i--;
        print_message("# %.400s\n# but\n# %.400s\n", x + i, y + i);
    }
    assert_true(strcmp(x, y) == 0);
    free(x);
    free(y);
}

/* ---- making things ---- */

void as_user(struct box *box)
{
    if (!box->guest->is_user)
        return;
    assert_int_equal(setegid(65533), 0);
    assert_int_equal(seteuid(65533), 0);
}

void as_ourselves(struct box *box)
{
    if (!box->guest->is_user)
        return;
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
}

const char *box_path(struct box *box, const char *path)
{
    static char text[4][4352];
    static int at;

    at = (at + 1) % 4;
    snprintf(text[at], sizeof(text[at]), "%s/%s", box->guest->root, path);
    return text[at];
}

void put(struct box *box, const char *path, const void *bytes, size_t len, mode_t mode)
{
    const char *at = bytes;
    int fd;

    as_user(box);
    fd = open(box_path(box, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    while (len > 0) {
        ssize_t n = write(fd, at, len);

        assert_true(n > 0);
        at += n;
        len -= (size_t) n;
    }
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    as_ourselves(box);
}

void put_text(struct box *box, const char *path, const char *text)
{
    put(box, path, text, strlen(text), 0644);
}

void put_noise(struct box *box, const char *path, size_t len, unsigned seed)
{
    uint32_t *p = malloc(len + 4);
    uint64_t x = seed + UINT64_C(88172645463325252);

    for (size_t i = 0; i < (len + 3) / 4; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (uint32_t) x;
    }
    put(box, path, p, len, 0644);
    free(p);
}

void put_dir(struct box *box, const char *path, mode_t mode)
{
    as_user(box);
    assert_int_equal(mkdir(box_path(box, path), 0700), 0);
    assert_int_equal(chmod(box_path(box, path), mode), 0);
    as_ourselves(box);
}

void put_link(struct box *box, const char *path, const char *target)
{
    as_user(box);
    assert_int_equal(symlink(target, box_path(box, path)), 0);
    as_ourselves(box);
}

void put_name(struct box *box, const char *path, const char *existing)
{
    as_user(box);
    assert_int_equal(link(box_path(box, existing), box_path(box, path)), 0);
    as_ourselves(box);
}

void put_hole(struct box *box, const char *path, int64_t size, const char *text, int64_t at)
{
    int fd;

    as_user(box);
    fd = open(box_path(box, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
    close(fd);
    as_ourselves(box);
}

void set_time(struct box *box, const char *path, int64_t seconds, long ns)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { seconds, ns } };

    assert_int_equal(utimensat(AT_FDCWD, box_path(box, path), times, AT_SYMLINK_NOFOLLOW), 0);
}

void set_mode(struct box *box, const char *path, mode_t mode)
{
    as_user(box);
    assert_int_equal(chmod(box_path(box, path), mode), 0);
    as_ourselves(box);
}

void drop(struct box *box, const char *path)
{
    remove_all(box_path(box, path));
}
