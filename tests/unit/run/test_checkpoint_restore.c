/* SPDX-License-Identifier: MIT */
/* Restores, with the real guest: everything comes back, whatever it is. */
#include "tests/unit/run/carrying.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- everything awkward ---- */

static void make_deep(struct box *box)
{
    char path[1024] = "deep";

    put_dir(box, path, 0755);
    for (int i = 0; i < 100; i++) {
        strcat(path, "/x");
        put_dir(box, path, 0755);
    }
    strcat(path, "/bottom");
    put_text(box, path, "down here");
}

static void make_many(struct box *box, int count)
{
    char path[64];

    put_dir(box, "many", 0755);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "many/%d", i);
        if (i % 50 == 0) {
            snprintf(path, sizeof(path), "many/d%d", i / 50);
            put_dir(box, path, 0755);
        }
        snprintf(path, sizeof(path), "many/d%d/%d", i / 50, i);
        put_noise(box, path, 1 + (size_t) i * 7 % 5000, (unsigned) i / 3); /* some are the same */
    }
}

static void make_awkward(struct box *box, bool is_huge)
{
    char name[256];

    put_text(box, "new\nline", "1");
    put_text(box, "bytes\xff\xfe\x80", "2");
    put_text(box, "-rf", "3");
    put_text(box, " blank ", "");
    memset(name, 'n', 255);
    name[255] = 0;
    put_text(box, name, "long");
    put_dir(box, "void", 0711);
    put_dir(box, "a", 0755);
    put_dir(box, "a-b", 0755); /* sorts between a and a/... */
    put_dir(box, "a/c", 0755);
    put_text(box, "a/c/first", "three names");
    put_name(box, "a-b/second", "a/c/first");
    put_name(box, "third", "a/c/first");
    put_link(box, "absolute", "/usr/bin/python3");
    put_link(box, "dangling", "no/where\n");
    put_link(box, "up", "../../../..");
    set_time(box, "dangling", 5, 6);
    put_hole(box, "sparse", is_huge ? (int64_t) 2 << 30 : 64 << 20, "in the middle", 33 << 20);
    put_hole(box, "sparse to the end", 5 << 20, "start", 0);
    put_noise(box, "large", (7 << 20) + 13, 5);
    put_text(box, "program", "#!/bin/sh\n");
    set_mode(box, "program", 04755);
    put_text(box, "group", "g");
    set_mode(box, "group", 02750);
    put_dir(box, "sticky", 01777);
    put_text(box, "secret", "nobody may read this");
    set_mode(box, "secret", 0);
    put_text(box, "old", "1970");
    set_time(box, "old", 0, 1);
    put_text(box, "older", "1969");
    set_time(box, "older", -1, 999999999);
    put_text(box, "new", "2100");
    set_time(box, "new", 4102444800, 123456789);
    make_deep(box);
    make_many(box, 5000);
    put_dir(box, "readonly", 0755);
    put_text(box, "readonly/content", "kept");
    put_dir(box, "readonly/sub", 0500);
    set_time(box, "readonly/sub", 1000000000, 7);
    set_mode(box, "readonly", 0555);
    set_time(box, "readonly", 1000000001, 8);
    put_dir(box, "closed", 0755);
    put_text(box, "closed/inside", "kept, too");
    set_mode(box, "closed", 0);
}

static void awkward(bool is_user)
{
    struct box *box = box_new(is_user), *copy = box_new(is_user);

    make_awkward(box, true);
    take(box);
    assert_int_equal(box->rec.unkept, 0);
    restore(copy, 1);
    assert_string_equal(copy->restored.tree, box->tree);
    assert_int_equal(copy->restored.files, box->rec.files);
    assert_int_equal(copy->restored.bytes, box->rec.bytes);
    assert_same_workspace(box, copy);
    take_same(box);
    take_same(copy);
    box_forget(copy);
    take_same(copy);
    box_free(copy);
    box_free(box);
}

static void test_awkward(void **state)
{
    awkward(true);
}

static void test_awkward_as_root(void **state)
{
    awkward(false);
}

static void test_nothing(void **state)
{
    struct box *box = box_new(true);

    restore(box, 0);
    assert_int_equal(box->restored.files, 0);
    take_same(box);
    put_text(box, "a", "x");
    take(box);
    assert_int_equal(box->rec.number, 1);
    box_free(box);
}

/* One content, more files than can be written at once. */
static void test_many_copies(void **state)
{
    struct box *box = box_new(true), *copy = box_new(true);
    char path[32];

    for (int i = 0; i < 50; i++) {
        snprintf(path, sizeof(path), "large%d", i);
        put_noise(box, path, 400000, 1);
        snprintf(path, sizeof(path), "other%d", i);
        put_noise(box, path, 400000, 2 + (unsigned) i % 2);
        snprintf(path, sizeof(path), "small%d", i);
        put_noise(box, path, 200000, 7);
    }
    take(box);
    assert_int_equal(box->rec.new_files, 4);
    restore(copy, 1);
    assert_same_workspace(box, copy);
    box_free(copy);
    box_free(box);
}

/* ---- random edits ---- */

enum { ROUNDS = 24, EDITS = 12, NAMES = 7, FOLDERS = 4 };

static uint64_t dice_state;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned) (dice_state >> 33) % sides;
}

static const char *some_path(char ret[64])
{
    static const char *const folders[FOLDERS] = { "", "d1/", "d1/d2/", "d-3/" };

    snprintf(ret, 64, "%sn%u", folders[dice(FOLDERS)], dice(NAMES));
    return ret;
}

/* Most of these fail at times, because what they need is not there; that is fine. */
static void edit(struct box *box)
{
    char a[64], b[64];
    const char *x = box_path(box, some_path(a)), *y = box_path(box, some_path(b));
    struct stat st;
    int fd;

    as_user(box);
    switch (dice(12)) {
    case 0:
        (void) mkdir(box_path(box, "d1"), 0755);
        (void) mkdir(box_path(box, "d1/d2"), 0755);
        (void) mkdir(box_path(box, "d-3"), 0755);
        break;
    case 1:
        (void) unlink(x);
        break;
    case 2:
        (void) link(x, y);
        break;
    case 3:
        (void) rename(x, y);
        break;
    case 4:
        (void) symlink(b, x);
        break;
    case 5:
        (void) chmod(x, dice(01000));
        break;
    case 6:
        (void) rename(box_path(box, "d1"), box_path(box, "d-3/n1"));
        break;
    case 7:
        (void) rename(box_path(box, "d-3/n1"), box_path(box, "d1"));
        break;
    default:
        if (lstat(x, &st) == 0 && !S_ISREG(st.st_mode))
            break;
        (void) chmod(x, 0600);
        fd = open(x, O_WRONLY | O_CREAT | (dice(2) ? O_TRUNC : O_APPEND), 0644);
        if (fd < 0)
            break;
        for (unsigned i = dice(6) == 0 ? 60000 : dice(3); i > 0; i--)
            assert_int_equal(write(fd, "0123456789", 3 + i % 8), 3 + i % 8);
        close(fd);
    }
    as_ourselves(box);
}

static void test_random_edits(void **state)
{
    struct box *box = box_new(true);
    char *texts[ROUNDS + 1] = { NULL };
    int64_t last = 0;

    dice_state = 4711;
    texts[0] = workspace_text(box);
    for (int round = 1; round <= ROUNDS; round++) {
        struct box *copy;
        char *text;
        int64_t number;

        for (int i = 0; i < EDITS; i++)
            edit(box);
        if (round % 5 == 0)
            box_forget(box);
        take(box);
        if (!box->rec.is_same) {
            assert_int_equal(box->rec.number, last + 1);
            last++;
            texts[last] = workspace_text(box);
        }
        copy = box_new(true);
        number = dice((unsigned) last + 1);
        restore(copy, number);
        text = workspace_text(copy);
        assert_string_equal(text, texts[number]);
        free(text);
        if (number == last) { /* as a resume does */
            box_free(box);
            box = copy;
        } else {
            box_free(copy);
        }
    }
    assert_true(last > ROUNDS / 2);
    for (int i = 0; i <= ROUNDS; i++)
        free(texts[i]);
    box_free(box);
}

/* ---- what is there already ---- */

static void test_not_empty(void **state)
{
    struct box *box = box_new(true), *copy = box_new(true);

    put_text(box, "a", "x");
    take(box);
    put_text(copy, "b", "y");
    restore_start(copy, 1);
    assert_int_equal(box_wait(copy), -ERR_IO);
    assert_string_equal(copy->err.text, "the workspace is not empty: 'b' is there already");
    assert_false(copy->view.is_scanned);
    box_free(copy);
    box_free(box);
}

/* What changed a moment ago is told again by the next scan. */
static void grow_old(struct box *box, const char *path)
{
    struct timespec now;
    struct stat st;

    assert_int_equal(stat(box_path(box, path), &st), 0);
    do
        clock_gettime(CLOCK_REALTIME, &now);
    while ((now.tv_sec - st.st_ctim.tv_sec) * 1000 + (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000 < 25);
}

/* Folders that an engine made, on the way to what it mounted there: not ours, so they stay as they are. */
static void test_folders_that_are_there(void **state)
{
    struct box *box = box_new(true), *copy = box_new(true), *extra = box_new(true);

    if (box->guest->is_user) {
        assert_int_equal(mkdir(box_path(box, "to"), 0755), 0);
        assert_int_equal(mkdir(box_path(box, "to/bind"), 0755), 0);
        put_dir(box, "ours", 0750);
        put_text(box, "ours/a", "x");
        take(box);
        assert_int_equal(mkdir(box_path(copy, "to"), 0755), 0);
        assert_int_equal(mkdir(box_path(copy, "to/bind"), 0755), 0);
        put_dir(copy, "ours", 0700);
        assert_int_equal(mkdir(box_path(extra, "to"), 0755), 0);
        assert_int_equal(mkdir(box_path(extra, "to/bind"), 0755), 0);
        assert_int_equal(mkdir(box_path(extra, "another"), 0755), 0);
        grow_old(copy, "ours");
        grow_old(extra, "another");
        restore(copy, 1);
        assert_string_equal(copy->restored.tree, box->tree);
        take_same(copy);
        restore(extra, 1);
        take_same(extra);
    }
    box_free(extra);
    box_free(copy);
    box_free(box);
}

/* ---- damage, death, cancel ---- */

static void make_some(struct box *box)
{
    char path[32];

    put_dir(box, "d", 0755);
    for (int i = 0; i < 60; i++) {
        snprintf(path, sizeof(path), "d/%d", i);
        put_noise(box, path, 5000, (unsigned) i / 2);
    }
    put_noise(box, "large", 1200 * 1024, 99);
    put_name(box, "large2", "large");
    put_link(box, "link", "large");
    put_text(box, "empty", "");
}

static void flip(const char *name, off_t at)
{
    char path[512], c;
    int fd;

    snprintf(path, sizeof(path), "%s/checkpoints/%s", carry_folder->path, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void test_damage(void **state)
{
    struct box *box = box_new(true), *copy = box_new(true), *other = box_new(true);

    make_some(box);
    take(box);
    flip("000001.tar.zst", 700000);
    restore_start(copy, 1);
    assert_int_equal(box_wait(copy), -ERR_INVALID);
    flip("000001.tar.zst", 700000);
    restore(other, 1);
    assert_same_workspace(box, other);
    box_free(other);
    box_free(copy);
    box_free(box);
}

static void cancel(struct box *box)
{
    checkpoint_restore_free(box->restore);
    box->restore = NULL;
    box->at_turn = NULL;
    loop_quit(box->guest->loop);
}

static void kill_guest(struct box *box)
{
    box->at_turn = NULL;
    kill(box->guest->pid, SIGKILL);
}

static void end_at_any_time(void (*at_turn)(struct box *box))
{
    struct box *box = box_new(false);
    bool has_ended = true;
    struct err err;

    make_some(box);
    take(box);
    for (int k = 0; has_ended; k = k * 5 / 4 + 1) {
        struct box *copy = box_new(false);

        copy->turns_left = k;
        copy->at_turn = at_turn;
        restore_start(copy, 1);
        while (copy->restore)
            assert_int_equal(loop_run(copy->guest->loop, &copy->is_done, &err), 0);
        has_ended = copy->at_turn == NULL;
        if (copy->is_done && copy->result < 0)
            assert_int_equal(copy->result, -ERR_ENGINE);
        assert_int_equal(copy->view.is_scanned, copy->is_done && copy->result == 0);
        if (copy->is_done && copy->result == 0)
            assert_same_workspace(box, copy);
        has_ended = has_ended && !(copy->is_done && copy->result == 0);
        box_free(copy);
    }
    box_free(box);
}

static void test_cancel_at_any_time(void **state)
{
    end_at_any_time(cancel);
}

static void test_guest_dies_at_any_time(void **state)
{
    end_at_any_time(kill_guest);
}

static const struct CMUnitTest tests[] = {
    carried(test_awkward),
    carried(test_awkward_as_root),
    carried(test_nothing),
    carried(test_many_copies),
    carried(test_random_edits),
    carried(test_not_empty),
    carried(test_folders_that_are_there),
    carried(test_damage),
    carried(test_cancel_at_any_time),
    carried(test_guest_dies_at_any_time),
};

UNIT_MAIN(tests)
