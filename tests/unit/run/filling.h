/* SPDX-License-Identifier: MIT */
/*
 * For test_workspace.c: the guest's end of the channel, played by the test, and
 * real files of the host. What the guest is asked for is kept as lines: folders
 * and links when they are asked for, files when they are complete.
 */
#ifndef TESTS_UNIT_RUN_FILLING_H
#define TESTS_UNIT_RUN_FILLING_H

#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/run/workspace.h"
#include "core/sandbox/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST(x) x, sizeof(x) / sizeof((x)[0])

/* ---- the guest ---- */

struct channel_call {
    struct channel_call *next;
    bool is_file, has_end;
    size_t room; /* bytes it still takes in this turn */
    char *path;
    uint32_t mode;
    struct buf content;
    struct file_write_ops ops; /* files */
    channel_done_fn *fn;       /* the others */
    void *data;
};

static struct loop *loop;
static bool is_over; /* fn was called, or the guest went silent: end of loop_run() */

static struct {
    struct loop_source *turn;
    struct channel_call *calls; /* the oldest first */
    size_t open, open_max, asked, answered, canceled;
    size_t room;                          /* bytes taken of one file in a turn, 0 = all there are */
    size_t writes;                        /* calls of channel_write_data() that took something */
    const char *refused;                  /* this path is answered with `why` ... */
    const char *broken;                   /* ... requests for this path fail on the spot ... */
    size_t broken_after;                  /* ... once there were that many ... */
    const char *broken_data, *broken_end; /* ... or only their bytes, their end */
    size_t lost_after, silent_after;      /* that many answers; 0 = never */
    struct err why;
    void (*on_turn)(void);
    struct buf made;
} guest;

static void guest_turn(void *data);

static void guest_wake(void)
{
    if (!guest.turn)
        assert_int_equal(loop_defer(loop, guest_turn, NULL, &guest.turn, NULL), 0);
}

static void call_drop(struct channel_call *call)
{
    struct channel_call **at = &guest.calls;

    while (*at != call) {
        assert_non_null(*at); /* else it is not an open request */
        at = &(*at)->next;
    }
    *at = call->next;
    guest.open--;
    buf_done(&call->content);
    free(call->path);
    free(call);
}

static bool is_path(const char *want, const char *path)
{
    return want && strcmp(want, path) == 0;
}

static int call_add(const char *path, uint32_t mode, void *data, struct channel_call **ret, struct err *err)
{
    struct channel_call **at = &guest.calls, *call;

    if (is_path(guest.broken, path) && guest.asked >= guest.broken_after) {
        *err = guest.why;
        return -(int) err->code;
    }
    call = calloc(1, sizeof(*call));
    *call = (struct channel_call){ .path = strdup(path), .mode = mode, .data = data, .room = guest.room };
    buf_init(&call->content, 16 * 1024 * 1024);
    while (*at)
        at = &(*at)->next;
    *at = call;
    guest.asked++;
    if (++guest.open > guest.open_max)
        guest.open_max = guest.open;
    guest_wake();
    *ret = call;
    return 0;
}

int channel_write(struct channel *ch, const char *path, uint32_t mode, const struct file_write_ops *ops,
                  void *data, struct channel_call **ret, struct err *err)
{
    int r = call_add(path, mode, data, ret, err);

    if (r < 0)
        return r;
    (*ret)->is_file = true;
    (*ret)->ops = *ops;
    return 0;
}

ssize_t channel_write_data(struct channel_call *call, struct span bytes, struct err *err)
{
    size_t n = bytes.len;

    assert_false(call->has_end);
    assert_true(n > 0);
    if (is_path(guest.broken_data, call->path)) {
        *err = guest.why;
        return -(int) err->code;
    }
    if (guest.room > 0 && n > call->room)
        n = call->room;
    if (n == 0)
        return 0;
    if (guest.room > 0)
        call->room -= n;
    assert_int_equal(buf_add(&call->content, bytes.ptr, n), 0);
    guest.writes++;
    return (ssize_t) n;
}

int channel_write_end(struct channel_call *call, struct err *err)
{
    assert_false(call->has_end);
    if (is_path(guest.broken_end, call->path)) {
        *err = guest.why;
        return -(int) err->code;
    }
    call->has_end = true;
    guest_wake();
    return 0;
}

int channel_mkdir(struct channel *ch, const char *path, uint32_t mode, channel_done_fn *fn, void *data,
                  struct channel_call **ret, struct err *err)
{
    int r = call_add(path, mode, data, ret, err);

    if (r < 0)
        return r;
    (*ret)->fn = fn;
    assert_int_equal(buf_printf(&guest.made, "dir %s %o\n", path, mode), 0);
    return 0;
}

int channel_symlink(struct channel *ch, const char *path, const char *target, channel_done_fn *fn, void *data,
                    struct channel_call **ret, struct err *err)
{
    int r = call_add(path, 0, data, ret, err);

    if (r < 0)
        return r;
    (*ret)->fn = fn;
    assert_int_equal(buf_printf(&guest.made, "link %s -> %s\n", path, target), 0);
    return 0;
}

void channel_cancel(struct channel_call *call)
{
    if (!call)
        return;
    guest.canceled++;
    call_drop(call);
}

/* Ends one request as the real channel does: the call is gone when its owner hears of it. */
static void call_answer(struct channel_call *call, const struct err *err)
{
    channel_done_fn *fn = call->is_file ? call->ops.on_done : call->fn;
    int result = err ? -(int) err->code : 0;
    void *data = call->data;

    if (call->is_file && !err)
        assert_int_equal(buf_printf(&guest.made, "file %s %o %zu " SPAN_FMT "\n", call->path, call->mode,
                                    call->content.len, (int) (call->content.len < 60 ? call->content.len : 0),
                                    buf_text(&call->content)),
                         0);
    guest.answered++;
    call_drop(call);
    fn(data, result, err);
}

/* The next request that can be answered. */
static struct channel_call *ready(void)
{
    struct channel_call *call = guest.calls;

    while (call && call->is_file && !call->has_end && !is_path(guest.refused, call->path))
        call = call->next;
    return call;
}

static void guest_lose(void)
{
    static const struct err lost = { .code = ERR_ENGINE, .text = "sandbox lost: the stream ended" };

    while (guest.calls)
        call_answer(guest.calls, &lost);
}

static void give_room(void)
{
    bool again = true;

    for (struct channel_call *call = guest.calls; call; call = call->next)
        call->room = guest.room;
    while (again && guest.room > 0) {
        again = false;
        for (struct channel_call *call = guest.calls; call && !again; call = call->next) {
            again = call->is_file && !call->has_end && call->room == guest.room;
            if (again)
                call->ops.on_room(call->data); /* the list may be another one now */
        }
    }
}

static void guest_turn(void *data)
{
    struct channel_call *call;

    loop_source_free(guest.turn);
    guest.turn = NULL;
    if (guest.on_turn)
        guest.on_turn();
    give_room();
    while ((call = ready())) {
        if (guest.silent_after > 0 && guest.answered == guest.silent_after) {
            is_over = true;
            return;
        }
        if (guest.lost_after > 0 && guest.answered == guest.lost_after) {
            guest_lose();
            return;
        }
        if (is_path(guest.refused, call->path)) {
            call_answer(call, &guest.why);
            guest_wake(); /* the others in another turn */
            return;
        }
        call_answer(call, NULL);
    }
    if (guest.calls && guest.room > 0)
        guest_wake();
}

/* ---- the host ---- */

static char top[64];
static int fds_before;

static int count_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Paths beneath `top`; several may be in use at once. */
static const char *host(const char *name)
{
    static char paths[8][256];
    static size_t next;
    char *path = paths[next++ % 8];

    snprintf(path, 256, "%s%s%s", top, *name ? "/" : "", name);
    return path;
}

static void put_bytes(const char *name, const void *ptr, size_t len, mode_t mode)
{
    int fd = open(host(name), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, ptr, len, NULL), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put(const char *name, const char *text, mode_t mode)
{
    put_bytes(name, text, strlen(text), mode);
}

static void put_dir(const char *name, mode_t mode)
{
    if (access(host(name), F_OK) != 0)
        assert_int_equal(mkdir(host(name), 0700), 0);
    assert_int_equal(chmod(host(name), mode), 0);
}

static void put_link(const char *name, const char *target)
{
    assert_int_equal(symlink(target, host(name)), 0);
}

static void put_socket(const char *name)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", host(name));
    assert_int_equal(bind(fd, (struct sockaddr *) &addr, sizeof(addr)), 0);
    close(fd);
}

/* ---- entries ---- */

static struct run_entry folder(const char *path, int64_t mode)
{
    return (struct run_entry){ .path = path, .kind = RUN_ENTRY_DIR, .mode = mode };
}

static struct run_entry text(const char *path, const char *ptr, size_t len, int64_t mode)
{
    return (struct run_entry){ .path = path, .kind = RUN_ENTRY_FILE, .content = { ptr, len }, .mode = mode };
}

/* host() is for the moment, a source for the whole test. */
static const char *source(const char *path)
{
    static char paths[16][256];
    static size_t next;
    char *copy = paths[next++ % 16];

    snprintf(copy, 256, "%s", path);
    return copy;
}

static struct run_entry local_file(const char *path, const char *src)
{
    return (struct run_entry){ .path = path, .kind = RUN_ENTRY_LOCAL_FILE, .src = source(src), .mode = -1 };
}

static struct run_entry local_dir(const char *path, const char *src)
{
    return (struct run_entry){ .path = path, .kind = RUN_ENTRY_LOCAL_DIR, .src = source(src), .mode = -1 };
}

static struct run_entry mounted(struct run_entry entry)
{
    entry.mount = true;
    return entry;
}

/* ---- the run ---- */

static struct workspace_fill *fill;
static struct workspace_report report;
static struct input_report inputs[256]; /* of report */
static int result, ends;
static struct err why;
static bool frees_inside;

static int set_up(void **state)
{
    assert_int_equal(loop_new(&loop, NULL), 0); /* the first one opens what stays open */
    loop_free(loop);
    fds_before = count_fds();
    snprintf(top, sizeof(top), "/tmp/agentbox-fill-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(loop_new(&loop, NULL), 0);
    memset(&guest, 0, sizeof(guest));
    buf_init(&guest.made, 4 * 1024 * 1024);
    report = (struct workspace_report){ 0 };
    why = (struct err){ 0 };
    result = 1;
    ends = 0;
    is_over = frees_inside = false;
    return 0;
}

static int tear_down(void **state)
{
    workspace_fill_free(fill);
    fill = NULL;
    assert_int_equal(guest.open, 0); /* nothing is left open in the guest */
    loop_source_free(guest.turn);
    buf_done(&guest.made);
    loop_free(loop);
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    assert_int_equal(count_fds(), fds_before);
    return 0;
}

static void on_filled(void *data, int r, const struct workspace_report *told, const struct err *err)
{
    assert_ptr_equal(data, &report);
    assert_true((r < 0) == (err != NULL));
    ends++;
    result = r;
    report = *told;
    assert_true(told->input_count <= 256);
    for (size_t i = 0; i < told->input_count; i++)
        inputs[i] = told->inputs[i];
    if (err)
        why = *err;
    assert_int_equal(r, -(int) why.code);
    is_over = true;
    if (frees_inside) {
        workspace_fill_free(fill);
        fill = NULL;
    }
}

static void start(const struct run_entry *entries, size_t count)
{
    assert_int_equal(workspace_fill_start(loop, NULL, entries, count, on_filled, &report, &fill, NULL), 0);
    assert_int_equal(ends, 0); /* never from inside start */
}

static void fill_all(const struct run_entry *entries, size_t count)
{
    start(entries, count);
    assert_int_equal(loop_run(loop, &is_over, NULL), 0);
    assert_true(is_over);
}

/* Everything that is under way has happened, should there be anything. */
static void run_dry(void)
{
    assert_int_equal(loop_run(loop, NULL, NULL), -ERR_INTERNAL);
}

static void expect_done(const struct run_entry *entries, size_t count)
{
    fill_all(entries, count);
    if (result < 0)
        print_message("# got: %s\n", why.text);
    assert_int_equal(result, 0);
    assert_int_equal(ends, 1);
    run_dry();
    assert_int_equal(ends, 1);
}

/* `want` and the hint may be NULL: not looked at. "@" stands for the folder of the test. */
static void expect_failure(int code, const char *want, const char *hint)
{
    struct buf text = BUF_INIT(4096);

    for (; want && *want; want++)
        assert_int_equal(*want == '@' ? buf_add_text(&text, top) : buf_add_char(&text, *want), 0);
    assert_int_equal(result, -code);
    assert_int_equal(ends, 1);
    assert_string_equal(why.text, buf_text(&text));
    assert_string_equal(why.hint, hint ? hint : "");
    buf_done(&text);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Order of a folder's entries is the file system's: compare as a set. */
static void expect_made_sorted(const char *want)
{
    struct buf sorted = BUF_INIT(4096);
    char *lines[64], *save = NULL;
    size_t count = 0;

    for (char *line = strtok_r(guest.made.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        assert_true(count < 64);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof(lines[0]), by_bytes);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_printf(&sorted, "%s\n", lines[i]), 0);
    assert_string_equal(buf_text(&sorted), want);
    buf_done(&sorted);
}

static void expect_report(int64_t files, int64_t folders, int64_t links, int64_t bytes)
{
    assert_int_equal(report.files, files);
    assert_int_equal(report.folders, folders);
    assert_int_equal(report.links, links);
    assert_int_equal(report.bytes, bytes);
}

#endif
