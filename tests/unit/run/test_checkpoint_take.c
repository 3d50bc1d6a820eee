/* SPDX-License-Identifier: MIT */
/* Takes, with the real guest: what is stored, what is not, and what happens when something happens meanwhile.
 */
#include "tests/unit/run/carrying.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what is stored ---- */

static void test_nothing_is_number_0(void **state)
{
    struct box *box = box_new(true);

    take_same(box);
    assert_int_equal(box->rec.number, 0);
    put_text(box, "a", "x");
    take(box);
    assert_int_equal(box->rec.number, 1);
    assert_int_equal(box->rec.new_files, 1);
    box_free(box);
}

static void test_only_what_is_new(void **state)
{
    struct box *box = box_new(true);

    put_dir(box, "d", 0755);
    put_text(box, "d/a", "same");
    put_text(box, "d/b", "same");
    put_noise(box, "d/large", 3 * 1024 * 1024, 1);
    put_noise(box, "d/twin", 3 * 1024 * 1024, 1);
    put_text(box, "empty", "");
    take(box);
    assert_int_equal(box->rec.files, 5);
    assert_int_equal(box->rec.folders, 1);
    assert_int_equal(box->rec.new_files, 2);
    assert_int_equal(box->rec.new_bytes, 4 + 3 * 1024 * 1024);
    take_same(box);

    as_user(box);
    assert_int_equal(rename(box_path(box, "d"), box_path(box, "e")),
                     0); /* everything is new, but nothing is */
    as_ourselves(box);
    take(box);
    assert_int_equal(box->rec.new_files, 0);
    assert_null(box->rec.pack);
    set_mode(box, "e/a", 0600);
    take(box);
    assert_int_equal(box->rec.new_files, 0);
    put_text(box, "e/b", "diff"); /* same size, other content */
    take(box);
    assert_int_equal(box->rec.new_files, 1);
    assert_int_equal(box->rec.new_bytes, 4);
    drop(box, "e");
    take(box);
    assert_int_equal(box->rec.files, 1);
    assert_int_equal(box->rec.bytes, 0);
    put_noise(box, "large", 3 * 1024 * 1024, 1); /* known since the first */
    take(box);
    assert_int_equal(box->rec.new_files, 0);
    box_free(box);
}

/* Written again and again within one tick of the clock, the same size: never missed. */
static void test_quick_changes(void **state)
{
    struct box *box = box_new(true);
    char last[DIGEST_HEX] = "";

    put_text(box, "f", "0000");
    take(box);
    for (int i = 1; i < 60; i++) {
        char text[8];

        snprintf(text, sizeof(text), "%04d", i);
        put_text(box, "f", text);
        set_time(box, "f", 1700000000, 0);
        take(box);
        assert_false(box->rec.is_same);
        assert_string_not_equal(box->tree, last);
        memcpy(last, box->tree, sizeof(last));
    }
    box_free(box);
}

static void test_new_harness(void **state)
{
    struct box *box = box_new(true);
    char path[32];

    put_dir(box, "d", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "d/%d", i);
        put_noise(box, path, 1000 + (size_t) i % 7, (unsigned) i);
    }
    put_noise(box, "large", 1024 * 1024, 9);
    put_name(box, "other", "d/7");
    take(box);
    box_forget(box);
    take_same(box); /* the whole workspace is looked at, and nothing is sent */
    take_same(box);
    box_forget(box);
    put_noise(box, "d/8", 1500, 1000);
    take(box);
    assert_int_equal(box->rec.new_files, 1);
    assert_int_equal(box->rec.new_bytes, 1500);
    box_free(box);
}

static void test_unkept(void **state)
{
    struct box *box = box_new(true);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    put_text(box, "file", "x");
    as_user(box);
    assert_int_equal(mkfifo(box_path(box, "pipe"), 0600), 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", box_path(box, "socket"));
    assert_int_equal(bind(fd, (struct sockaddr *) &addr, sizeof(addr)), 0);
    as_ourselves(box);
    close(fd);
    put_hole(box, "hollow", (int64_t) 5 << 30, "x", 100);
    take(box);
    assert_int_equal(box->rec.unkept, 3);
    assert_int_equal(box->rec.files, 1);
    put_text(box, "more", "y");
    take(box);
    assert_int_equal(box->rec.unkept, 3);
    assert_int_equal(box->rec.files, 2);
    drop(box, "hollow");
    drop(box, "more");
    take(box);
    assert_int_equal(box->rec.unkept, 2);
    box_free(box);
}

/* A file of somebody else that we may not read. */
static void test_unreadable(void **state)
{
    struct box *box = box_new(true);

    if (box->guest->is_user) {
        put_text(box, "own", "own");
        set_mode(box, "own", 0);
        put_text(box, "foreign", "secret");
        assert_int_equal(chown(box_path(box, "foreign"), 0, 0), 0);
        assert_int_equal(chmod(box_path(box, "foreign"), 0600), 0);
        put_noise(box, "large", 1024 * 1024, 1);
        assert_int_equal(chown(box_path(box, "large"), 0, 0), 0);
        assert_int_equal(chmod(box_path(box, "large"), 0600), 0);
        take(box);
        assert_int_equal(box->rec.files, 1);
        assert_int_equal(box->rec.unkept, 2);
        assert_int_equal(box->rec.new_bytes, 3);
        take_same(box);
        assert_int_equal(chmod(box_path(box, "foreign"), 0644), 0);
        take(box);
        assert_int_equal(box->rec.files, 2);
        assert_int_equal(box->rec.unkept, 1);
    }
    box_free(box);
}

/* ---- when something happens meanwhile ---- */

static void make_some(struct box *box)
{
    char path[32];

    put_dir(box, "d", 0755);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "d/%d", i);
        put_noise(box, path, 5000, (unsigned) i);
    }
    put_noise(box, "large", 1200 * 1024, 99);
    put_name(box, "large2", "large");
    put_hole(box, "hole", 40 << 20, "end", 39 << 20);
}

static void cancel(struct box *box)
{
    checkpoint_take_free(box->take);
    box->take = NULL;
    box->at_turn = NULL;
    loop_quit(box->guest->loop);
}

/* The take ends at the k-th turn of the loop, for every k; the next one knows nothing but is right. */
static void test_cancel_at_any_time(void **state)
{
    struct box *box = box_new(true), *copy;
    bool is_canceled = true;
    struct err err;

    make_some(box);
    for (int k = 0; is_canceled; k++) {
        checkpoint_view_done(&box->view); /* as if it were the first */
        box->turns_left = k;
        box->at_turn = cancel;
        take_start(box);
        while (box->take)
            assert_int_equal(loop_run(box->guest->loop, &box->is_done, &err), 0);
        is_canceled = box->at_turn == NULL;
        assert_true(is_canceled || box->result == 0);
        if (is_canceled)
            assert_int_equal(checkpoint_store_last(carry_store), 0);
        assert_true(k < 10000);
    }
    box->at_turn = NULL;
    copy = box_new(true);
    restore(copy, 1);
    assert_same_workspace(box, copy);
    box_free(copy);
    box_free(box);
}

static void test_after_a_cancel_nothing_is_missed(void **state)
{
    struct box *box = box_new(true), *copy;
    bool is_canceled = true;
    struct err err;

    make_some(box);
    take(box);
    for (int k = 0; is_canceled; k += 2) {
        put_noise(box, "d/1", 5000, 1000 + (unsigned) k);
        drop(box, "d/2");
        box->turns_left = k;
        box->at_turn = cancel;
        take_start(box);
        while (box->take)
            assert_int_equal(loop_run(box->guest->loop, &box->is_done, &err), 0);
        is_canceled = box->at_turn == NULL;
        box->at_turn = NULL;
        take(box);
        copy = box_new(true);
        restore(copy, checkpoint_store_last(carry_store));
        assert_same_workspace(box, copy);
        box_free(copy);
        put_noise(box, "d/2", 5000, 2);
    }
    box_free(box);
}

static void kill_guest(struct box *box)
{
    box->at_turn = NULL;
    kill(box->guest->pid, SIGKILL);
}

static void test_guest_dies_at_any_time(void **state)
{
    bool is_dead = true;

    for (int k = 0; is_dead; k = k * 5 / 4 + 1) {
        struct box *box = box_new(false);

        make_some(box);
        box->turns_left = k;
        box->at_turn = kill_guest;
        take_start(box);
        (void) box_wait(box);
        is_dead = box->at_turn == NULL;
        if (box->result < 0) /* else all was said before it died */
            assert_int_equal(box->result, -ERR_ENGINE);
        assert_int_equal(box->view.is_scanned, box->result == 0);
        is_dead = is_dead && box->result < 0;
        box_free(box);
    }
}

static void shrink(struct box *box)
{
    box->at_turn = NULL;
    assert_int_equal(truncate(box_path(box, "large"), 1000), 0);
    assert_int_equal(unlink(box_path(box, "d/7")), 0);
    put_noise(box, "d/8", 9000, 77);
}

/* Whatever a take gets hold of, it has the sizes that it says, and the next one is right. */
static void test_changes_at_any_time(void **state)
{
    for (int k = 1; k < 40; k += 3) {
        struct box *box = box_new(true), *copy = box_new(true), *again = box_new(true);

        make_some(box);
        box->turns_left = k;
        box->at_turn = shrink;
        take(box);
        restore(copy, box->rec.number);
        if (box->at_turn)
            shrink(box);
        take(box);
        restore(again, box->rec.number);
        assert_same_workspace(box, again);
        box_free(again);
        box_free(copy);
        box_free(box);
    }
}

/* Somebody works in the workspace without rest. */
static void test_restless_workspace(void **state)
{
    struct box *box = box_new(true), *copy = box_new(true);
    static const char script[] =
        "i=0; while :; do i=$((i+1)); d=w$((i%5)); mkdir -p $d; head -c $((i%7*50000)) /dev/urandom "
        ">$d/$((i%11)); "
        "ln -f $d/$((i%11)) $d/name 2>/dev/null; mv $d v$d 2>/dev/null; rm -rf vw$(((i+2)%5)); "
        "echo $i >>log; ln -sfn $i link; : >log2; seq $i >>log2; done";
    pid_t pid = fork();

    if (pid == 0) {
        if (box->guest->is_user && (setgid(65533) < 0 || setuid(65533) < 0))
            _exit(1);
        if (chdir(box->guest->root) < 0 || setpgid(0, 0) < 0)
            _exit(1);
        execl("/bin/sh", "sh", "-c", script, (char *) NULL);
        _exit(127);
    }
    (void) setpgid(pid, pid);
    for (int taken = 0; taken < 300;) {
        take(box);
        taken += !box->rec.is_same;
    }
    kill(-pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    take(box);
    restore(copy, checkpoint_store_last(carry_store));
    assert_same_workspace(box, copy);
    box_free(copy);
    box_free(box);
}

static const struct CMUnitTest tests[] = {
    carried(test_nothing_is_number_0),
    carried(test_only_what_is_new),
    carried(test_quick_changes),
    carried(test_new_harness),
    carried(test_unkept),
    carried(test_unreadable),
    carried(test_cancel_at_any_time),
    carried(test_after_a_cancel_nothing_is_missed),
    carried(test_guest_dies_at_any_time),
    carried(test_changes_at_any_time),
    carried(test_restless_workspace),
};

UNIT_MAIN(tests)
