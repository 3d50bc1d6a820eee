/* SPDX-License-Identifier: MIT */
/* What checkpoints need of the real guest: scans, sums, holes, hard links, modes and times. TEST_OPENAT2=no
 * as in test_guest_file.c. */
#include "tests/unit/sandbox/guest_fixture.h"

#include "core/base/digest.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    const char *openat2 = getenv("TEST_OPENAT2");

    *state = guest_start("0", openat2 ? openat2 : "yes");
    return 0;
}

static int setup_user(void **state)
{
    *state = getuid() == 0 ? guest_start_user() : NULL;
    return 0;
}

static int teardown(void **state)
{
    if (*state)
        guest_end(*state);
    return 0;
}

static const char *outside(struct guest *g, const char *path)
{
    static char full[4200];

    (void) snprintf(full, sizeof(full), "%s/%s", g->root, path);
    return full;
}

static struct stat look(struct guest *g, const char *path)
{
    struct stat st;

    assert_int_equal(lstat(outside(g, path), &st), 0);
    return st;
}

static void sh(struct guest *g, const char *script)
{
    static uint64_t id = 1000;
    struct command c;

    shell_run(g, &c, ++id, script);
    if (c.result.end != EXEC_EXITED || c.result.code != 0)
        print_message("# %s: %s%s\n", script, c.text, buf_text(&c.out[1]));
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 0);
    command_done(&c);
}

#define ANSWER(var)    \
    struct answer var; \
    answer_init(&var)

/* ---- scans ---- */

static void scan(struct guest *g, unsigned flags, struct answer *a)
{
    struct channel_call *call;
    struct err err;

    answer_init(a);
    assert_int_equal(channel_scan(g->host->ch, flags, &scan_ops, a, &call, &err), 0);
    assert_int_equal(answer_wait(g, a), 0);
}

/* Until the clock has ticked on: what changed just now is told again and again before. */
static void scan_until_quiet(struct guest *g)
{
    size_t told = 1;

    while (told > 0) {
        struct answer a;

        scan(g, SCAN_REMEMBER, &a);
        told = a.text.len;
        answer_free(&a);
    }
}

static void scan_it(struct guest *g, unsigned flags, const char *expected, uint64_t count)
{
    struct answer a;

    scan(g, flags, &a);
    assert_string_equal(buf_text(&a.text), expected);
    assert_int_equal(a.count, count);
    answer_free(&a);
}

static void scanning(void **state)
{
    struct guest *g = *state;

    sh(g, "mkdir -p a/b; echo 1 >a/b/f; echo 2 >a/g; echo 3 >h; ln -s h l");
    scan_it(g, 0, "+a\n+a/b\n+a/b/f\n+a/g\n+h\n+l\n", 6);
    scan_it(g, SCAN_REMEMBER, "+a\n+a/b\n+a/b/f\n+a/g\n+h\n+l\n", 6);
    scan_until_quiet(g);
    sh(g, "echo x >a/g; chmod 600 h; ln -sfn a l");
    scan_it(g, 0, "+a/g\n+h\n+l\n", 6);
    scan_it(g, SCAN_REMEMBER, "+a/g\n+h\n+l\n", 6);
    scan_until_quiet(g);
    sh(g, "rm -r a/b; touch n");
    scan_it(g, SCAN_REMEMBER, "+a\n+n\n-a/b/f\n-a/b\n", 5);
    scan_until_quiet(g);
    sh(g, "rm -r a; echo now a file >a; mkdir -p b/c");
    scan_it(g, SCAN_REMEMBER, "+a\n+b\n+b/c\n-a/g\n", 6);
    scan_until_quiet(g);
    host_drop(g); /* the memory was that host's */
    host_attach(g);
    host_greet(g);
    scan_it(g, SCAN_REMEMBER, "+a\n+b\n+b/c\n+h\n+l\n+n\n", 6);
    scan_until_quiet(g);
    scan_it(g, SCAN_ANEW | SCAN_REMEMBER, "+a\n+b\n+b/c\n+h\n+l\n+n\n", 6);
    scan_until_quiet(g);
    scan_it(g, SCAN_REMEMBER, "", 6);
}

/* A change that leaves no trace, because it falls into the same tick of the clock: here one where the trace
 * is wiped away by an entry that looks as before. */
static void what_is_new_is_told_twice(void **state)
{
    struct guest *g = *state;
    struct answer a;

    for (int round = 0; round < 20;
         round++) { /* the scan comes within 20 ms of the write, or it is not told */
        sh(g, "echo 1 >f");
        scan(g, SCAN_REMEMBER, &a);
        assert_string_equal(buf_text(&a.text), "+f\n");
        answer_free(&a);
        scan(g, SCAN_REMEMBER, &a);
        if (a.text.len > 0)
            assert_string_equal(buf_text(&a.text), "+f\n");
        bool was_told = a.text.len > 0;

        answer_free(&a);
        scan_until_quiet(g);
        if (was_told)
            return;
    }
    fail_msg("never told again");
}

/* Names that come and go do not use the memory up. */
static void scan_memory_is_used_again(void **state)
{
    struct guest *g = *state;

    sh(g, "mkdir d");
    for (int round = 0; round < 20; round++) { /* 20 * 3500 * 250 bytes is more than there is */
        char script[256];
        struct answer a;

        (void) snprintf(script, sizeof(script),
                        "rm -rf d; mkdir d; cd d; p=$(printf '%%0240d' %d); seq 1000 4499 | sed \"s/^/$p/\" "
                        "| xargs touch",
                        round);
        sh(g, script);
        scan(g, SCAN_REMEMBER, &a);
        assert_int_equal(a.count, 3501);
        answer_free(&a);
    }
}

static void sums(void **state)
{
    struct guest *g = *state;
    size_t len = 3 * 1024 * 1024 + 5;
    uint8_t sum[32];
    char *bytes = malloc(len), expected[256], hex[DIGEST_HEX];
    ANSWER(a);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char) (i * 2654435761u >> 24);
    digest_of(span_make(bytes, len), hex);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &sum[i]), 1);
    assert_int_equal(guest_write(g, "d/large", 0644, span_make(bytes, len), &a), 0);
    free(bytes);
    sh(g, "printf abc >d/abc; : >empty; ln -s d/abc l; mkfifo p; truncate -s 2G sparse");
    /* FIPS 180-4's own example, and the sum of nothing */
    (void) snprintf(expected, sizeof(expected),
                    "+d\n+d/abc ba7815ad\n+d/large %02x%02x%02x%02x\n+empty e3b0b855\n+l\n+p\n+sparse\n",
                    sum[0], sum[1], sum[30], sum[31]);
    scan_it(g, SCAN_REMEMBER | SCAN_SUMS, expected, 7);
    scan_until_quiet(g);
    sh(g, "printf abc >d/large");
    scan_it(g, SCAN_REMEMBER | SCAN_SUMS, "+d/large ba7815ad\n", 7);
}

static void many_sums(void **state)
{
    struct guest *g = *state;
    struct answer a;

    sh(g, "mkdir d; cd d; for i in $(seq 3000); do echo $i >$i; done");
    scan(g, SCAN_REMEMBER | SCAN_SUMS, &a);
    assert_int_equal(a.count, 3001);
    assert_non_null(strstr(buf_text(&a.text), "+d/1 4355d865\n"));
    assert_non_null(strstr(buf_text(&a.text), "+d/3000 "));
    answer_free(&a);
}

/* Somebody writes while the guest reads: it comes to an end, and it is told again. */
static void sums_of_what_grows(void **state)
{
    struct guest *g = *state;
    struct command c;
    struct answer a;

    shell_start(g, &c, 5, "while :; do echo more >>f; done");
    do { /* until it is there */
        scan(g, 0, &a);
    } while (a.text.len == 0 && (answer_free(&a), true));
    answer_free(&a);
    for (int i = 0; i < 20; i++) {
        scan(g, SCAN_REMEMBER | SCAN_SUMS, &a);
        assert_true(a.text.len >= 3 && memcmp(a.text.data, "+f", 2) == 0);
        answer_free(&a);
    }
    channel_cancel(c.call);
    command_done(&c);
}

static void mounts_are_left_out(void **state)
{
    struct guest *g = *state;
    struct command c;

    shell_run(g, &c, 1, "mkdir -p d/m e; echo 1 >d/f; echo 2 >g; mount -t tmpfs x d/m");
    if (c.result.code != 0) {
        command_done(&c);
        skip();
    }
    command_done(&c);
    sh(g, "echo in >d/m/in; mount --bind d/f g; mount --bind d e");
    scan_it(g, SCAN_REMEMBER, "+d\n+d/f\n", 2);
    scan_until_quiet(g);
    sh(g, "umount e; umount g; umount d/m");
    scan_it(g, 0, "+d/m\n+e\n+g\n", 5);
}

/* ---- what its owner may not read ---- */

static int list_all(struct guest *g, struct answer *a)
{
    struct channel_call *call;
    struct err err;

    answer_init(a);
    assert_int_equal(channel_list(g->host->ch, ".", true, &list_ops, a, &call, &err), 0);
    return answer_wait(g, a);
}

static void closed_files_and_folders(void **state)
{
    static const char first[] = "+a 6b865b4b\n+b\n+b/c\n+b/c/f d473ab35\n+d\n+d/f 4e079fce\n+e\n+e/f ";
    struct guest *g = *state;
    struct answer a;

    if (!g)
        skip();
    sh(g, "umask 022; printf 1 >a; mkdir -p b/c d e; printf 2 >b/c/f; printf 3 >d/f; printf 4 >e/f;"
          "chmod 000 a b/c/f b/c b; chmod 400 d; chmod 555 e");
    scan(g, SCAN_REMEMBER | SCAN_SUMS, &a);
    assert_memory_equal(buf_text(&a.text), first, strlen(first));
    assert_int_equal(a.count, 8);
    answer_free(&a);
    scan_until_quiet(g); /* opening them leaves traces, which are not taken for changes */
    assert_int_equal(look(g, "a").st_mode, S_IFREG);
    assert_int_equal(look(g, "b").st_mode, S_IFDIR);
    assert_int_equal(look(g, "b/c").st_mode, S_IFDIR);
    assert_int_equal(look(g, "d").st_mode, S_IFDIR | 0400);

    answer_init(&a);
    assert_int_equal(guest_read(g, "b/c/f", &a), 0);
    assert_string_equal(buf_text(&a.text), "2");
    answer_free(&a);
    answer_init(&a);
    assert_int_equal(guest_read(g, "d/f", &a), 0);
    assert_string_equal(buf_text(&a.text), "3");
    answer_free(&a);
    answer_init(&a);
    assert_int_equal(guest_read(g, "b/none", &a), -ERR_NOT_FOUND);
    answer_free(&a);
    assert_int_equal(look(g, "b").st_mode, S_IFDIR);
    assert_int_equal(look(g, "b/c/f").st_mode, S_IFREG);
    scan_it(g, SCAN_REMEMBER, "", 8);
    scan_it(g, SCAN_REMEMBER | SCAN_SUMS, "", 8);

    assert_int_equal(list_all(g, &a), 0);
    assert_non_null(strstr(buf_text(&a.text), "f 0000 1 b/c/f\n"));
    assert_non_null(strstr(buf_text(&a.text), "d 0400 "));
    assert_non_null(strstr(buf_text(&a.text), "f 0644 1 d/f\n"));
    answer_free(&a);
    assert_int_equal(look(g, "b").st_mode, S_IFDIR);
    scan_it(g, SCAN_REMEMBER | SCAN_SUMS, "", 8);

    sh(g, "chmod 600 a; echo more >>a; chmod 000 a");
    scan(g, SCAN_REMEMBER | SCAN_SUMS, &a);
    assert_memory_equal(buf_text(&a.text), "+a ", 3);
    answer_free(&a);
    scan_until_quiet(g);
    sh(g, "chmod 755 b b/c; chmod 700 d"); /* or they could not be cleared away */
}

/* A file of another user that we may not read stays closed, and a link does not help. */
static void what_is_not_ours_stays_closed(void **state)
{
    struct guest *g = *state;
    ANSWER(a);

    if (!g)
        skip();
    assert_int_equal(close(open(outside(g, "secret"), O_WRONLY | O_CREAT, 0000)), 0);
    assert_int_equal(mkdir(outside(g, "room"), 0700), 0);
    assert_int_equal(guest_read(g, "secret", &a), -ERR_IO);
    assert_string_equal(a.err.text, "'secret' in the sandbox: Permission denied");
    scan_it(g, SCAN_SUMS, "+room\n+secret\n", 2);
    answer_free(&a);
    assert_int_equal(list_all(g, &a), -ERR_IO); /* all of it, or an error: not a folder that looks empty */
    assert_string_equal(a.err.text, "'.' in the sandbox: Permission denied");
    answer_free(&a);
    assert_int_equal(symlink("/etc/shadow", outside(g, "l")), 0);
    answer_init(&a);
    assert_int_equal(guest_read(g, "l", &a), -ERR_INVALID);
}

/* What lies deeper than the guest can go is told of as such, and the rest is looked at. */
static void folders_nested_too_deeply(void **state)
{
    struct guest *g = *state;
    struct answer a;

    if (!g)
        skip();
    sh(g, "echo 1 >z; for i in $(seq 200); do mkdir d && cd d; done; echo 1 >f");
    scan(g, SCAN_REMEMBER | SCAN_SUMS, &a);
    assert_int_equal(a.count, 128 + 1);
    assert_non_null(strstr(buf_text(&a.text), "\n+z "));
    answer_free(&a);
    scan_until_quiet(g);
    sh(g,
       "rm -r d; n=$(printf 'n%.0s' $(seq 250)); for i in $(seq 40); do mkdir $n && cd $n; done; echo 1 >f");
    scan(g, SCAN_REMEMBER | SCAN_SUMS, &a);
    assert_int_equal(a.count, 16 + 1); /* the 16th is the first where not every further name would fit */
    answer_free(&a);
}

static void the_root_itself_is_closed(void **state)
{
    struct guest *g = *state;

    if (!g)
        skip();
    sh(g, "echo 1 >f; chmod 000 .");
    scan_it(g, SCAN_REMEMBER, "+f\n", 1);
}

/* ---- making what was there ---- */

#define MAKE(call_of)                 \
    do {                              \
        struct channel_call *made;    \
        struct err why;               \
                                      \
        answer_init(&a);              \
        assert_int_equal(call_of, 0); \
        (void) answer_wait(g, &a);    \
    } while (0)

static void hard_links(void **state)
{
    struct guest *g = *state;
    struct channel *ch = g->host->ch;
    struct answer a;

    sh(g, "mkdir d; echo 1 >f; ln -s f l; ln -s /etc out");
    MAKE(channel_link(ch, "d/same", "f", on_done, &a, &made, &why));
    assert_int_equal(a.result, 0);
    assert_int_equal(look(g, "d/same").st_ino, look(g, "f").st_ino);
    assert_int_equal(look(g, "f").st_nlink, 2);
    MAKE(channel_link(ch, "d/same", "f", on_done, &a, &made, &why));
    assert_int_equal(a.result, -ERR_CONFLICT);
    MAKE(channel_link(ch, "d/l", "l", on_done, &a, &made, &why)); /* the link itself */
    assert_int_equal(a.result, 0);
    assert_int_equal(look(g, "d/l").st_ino, look(g, "l").st_ino);
    MAKE(channel_link(ch, "x", "d", on_done, &a, &made, &why));
    assert_int_equal(a.result, -ERR_IO); /* EPERM: a folder */
    MAKE(channel_link(ch, "x", "out/passwd", on_done, &a, &made, &why));
    assert_int_equal(a.result, -ERR_INVALID);
    MAKE(channel_link(ch, "none/x", "f", on_done, &a, &made, &why));
    assert_int_equal(a.result, -ERR_NOT_FOUND);
    struct err err;

    assert_int_equal(channel_link(ch, "x", "../f", on_done, &a, NULL, &err), -ERR_INVALID);
}

static void modes_and_times(void **state)
{
    struct guest *g = *state;
    struct channel *ch = g->host->ch;
    struct answer a;
    struct stat st;
    const int64_t then = INT64_C(1234567890123456789);

    answer_init(&a);
    assert_int_equal(guest_write(g, "d/f", 0644, span_of("x"), &a), 0);
    MAKE(channel_mkdir(ch, "d/e", 0755, on_done, &a, &made, &why));
    MAKE(channel_symlink(ch, "d/l", "../f", on_done, &a, &made, &why));
    MAKE(channel_set(ch, "d/f", 04711, then, on_done, &a, &made, &why));
    assert_int_equal(a.result, 0);
    MAKE(channel_set(ch, "d/e", 01000, -1, on_done, &a, &made, &why)); /* before the epoch */
    assert_int_equal(a.result, 0);
    MAKE(channel_set(ch, "d/l", 0, 5, on_done, &a, &made, &why));
    assert_int_equal(a.result, 0);
    MAKE(channel_set(ch, "d", 0555, 7000000000, on_done, &a, &made, &why)); /* at last: now it is read-only */
    assert_int_equal(a.result, 0);
    st = look(g, "d/f");
    assert_int_equal(st.st_mode, S_IFREG | 04711);
    assert_int_equal(st.st_mtim.tv_sec, 1234567890);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
    st = look(g, "d/e");
    assert_int_equal(st.st_mode, S_IFDIR | 01000);
    assert_int_equal(st.st_mtim.tv_sec, -1);
    assert_int_equal(st.st_mtim.tv_nsec, 999999999);
    assert_int_equal(look(g, "d/l").st_mtim.tv_nsec, 5);
    st = look(g, "d");
    assert_int_equal(st.st_mode, S_IFDIR | 0555);
    assert_int_equal(st.st_mtim.tv_sec, 7);
    MAKE(channel_set(ch, "none", 0644, 0, on_done, &a, &made, &why));
    assert_int_equal(a.result, -ERR_NOT_FOUND);
}

static void any_link_target(void **state)
{
    static char longest[PATH_MAX];
    const char *const targets[] = { "/usr/bin/python3", "does/not/exist", "\377\376 \n", "..", "/", longest };
    struct guest *g = *state;
    struct answer a;

    memset(longest, 'x', sizeof(longest) - 1);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        char name[16], target[PATH_MAX + 1];
        ssize_t n;

        (void) snprintf(name, sizeof(name), "l%zu", i);
        MAKE(channel_symlink(g->host->ch, name, targets[i], on_done, &a, &made, &why));
        assert_int_equal(a.result, 0);
        n = readlink(outside(g, name), target, sizeof(target) - 1);
        assert_true(n >= 0);
        target[n] = 0;
        assert_string_equal(target, targets[i]);
        MAKE(channel_stat(g->host->ch, name, on_stat, &a, &made, &why));
        assert_string_equal(a.link, targets[i]);
    }
}

/* ---- holes ---- */

static void holes_are_told(void **state)
{
    struct guest *g = *state;
    struct channel_call *call;
    struct err err;
    ANSWER(a);

    sh(g, "truncate -s 1M f; printf data | dd of=f bs=1 seek=524288 conv=notrunc status=none;"
          "truncate -s 5E huge; printf end >>huge; truncate -s 60000 small");
    assert_int_equal(channel_read(g->host->ch, "f", &sparse_read_ops, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_true(a.hole_count == 2 && a.holes + a.text.len == 1024 * 1024);
    assert_true(a.text.len <= 65536);
    assert_memory_equal(a.text.data, "data", 5);
    assert_int_equal(a.st.stored, a.text.len);
    answer_free(&a);

    answer_init(&a); /* whoever does not ask for them gets zeros */
    assert_int_equal(guest_read(g, "f", &a), 0);
    assert_int_equal(a.text.len, 1024 * 1024);
    assert_memory_equal(a.text.data + 524288, "data", 5);
    answer_free(&a);

    answer_init(&a);
    assert_int_equal(channel_read(g->host->ch, "huge", &sparse_read_ops, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(a.st.size, (UINT64_C(5) << 60) + 3);
    assert_int_equal(a.holes + a.text.len, a.st.size);
    assert_memory_equal(a.text.data, "end", 3);
    answer_free(&a);

    answer_init(&a); /* not worth telling */
    assert_int_equal(channel_read(g->host->ch, "small", &sparse_read_ops, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(a.hole_count, 0);
    assert_int_equal(a.text.len, 60000);
    assert_int_equal(a.st.stored, 0);
    answer_free(&a);
}

static void zeros_become_holes(void **state)
{
    struct guest *g = *state;
    size_t len = 8 * 1024 * 1024 + 100;
    char *bytes = calloc(1, len);
    struct stat st;
    ANSWER(a);

    memcpy(bytes + 4095, "ab", 2);
    memcpy(bytes + len / 2, "middle", 6);
    assert_int_equal(guest_write(g, "f", 0644, span_make(bytes, len), &a), 0);
    st = look(g, "f");
    assert_int_equal(st.st_size, len);
    assert_int_equal(st.st_blocks * 512, 3 * 4096);
    answer_init(&a);
    assert_int_equal(guest_read(g, "f", &a), 0);
    assert_int_equal(a.text.len, len);
    assert_memory_equal(a.text.data, bytes, len);
    answer_free(&a);
    free(bytes);
    answer_init(&a);
    assert_int_equal(guest_write(g, "zero", 0644, span_make("\0\0\0", 3), &a), 0);
    st = look(g, "zero");
    assert_int_equal(st.st_size, 3);
    assert_int_equal(st.st_blocks, 0);
}

static void on_written(void *data, int result, const struct err *err)
{
    on_done(data, result, err);
}

static void on_room(void *data)
{
    ((struct answer *) data)->count++;
}

static void holes_are_made(void **state)
{
    static const struct file_write_ops ops = { on_room, on_written };
    struct guest *g = *state;
    struct channel_call *call;
    struct err err;
    struct stat st;
    ANSWER(a);

    for (int round = 0; round < 2; round++) {
        answer_init(&a);
        assert_int_equal(channel_write(g->host->ch, "f", 0644, &ops, &a, &call, &err), 0);
        assert_int_equal(channel_write_hole(call, UINT64_C(1) << 50, &err), 1);
        assert_int_equal(channel_write_data(call, span_of("data"), &err), 4);
        assert_int_equal(channel_write_hole(call, round == 0 ? 1000 : UINT64_MAX, &err), 1);
        assert_int_equal(channel_write_end(call, &err), 0);
        assert_int_equal(answer_wait(g, &a), round == 0 ? 0 : -ERR_TOO_LARGE);
    }
    st = look(g, "f");
    assert_int_equal(st.st_size, (INT64_C(1) << 50) + 1004);
    assert_int_equal(st.st_blocks * 512, 4096);
    sh(g, "test $(ls -A | wc -l) = 1");
}

#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define USER_TEST(f)  cmocka_unit_test_setup_teardown(f, setup_user, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_TEST(scanning),
        GUEST_TEST(what_is_new_is_told_twice),
        GUEST_TEST(scan_memory_is_used_again),
        GUEST_TEST(sums),
        GUEST_TEST(many_sums),
        GUEST_TEST(sums_of_what_grows),
        GUEST_TEST(mounts_are_left_out),
        USER_TEST(closed_files_and_folders),
        USER_TEST(what_is_not_ours_stays_closed),
        USER_TEST(folders_nested_too_deeply),
        USER_TEST(the_root_itself_is_closed),
        GUEST_TEST(hard_links),
        GUEST_TEST(modes_and_times),
        GUEST_TEST(any_link_target),
        GUEST_TEST(holes_are_told),
        GUEST_TEST(zeros_become_holes),
        GUEST_TEST(holes_are_made),
    };

    (void) umask(022);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
