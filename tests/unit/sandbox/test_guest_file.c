/* SPDX-License-Identifier: MIT */
/* Files in the real guest. TEST_OPENAT2=no: through the walk that replaces openat2(2). */
#include "tests/unit/sandbox/guest_fixture.h"

#include "core/base/digest.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    const char *openat2 = getenv("TEST_OPENAT2");

    *state = guest_start("0", openat2 ? openat2 : "yes");
    return 0;
}

static int teardown(void **state)
{
    guest_end(*state);
    return 0;
}

/* What the workspace looks like from outside. */
static const char *outside(struct guest *g, const char *path)
{
    static char full[4200];

    (void) snprintf(full, sizeof(full), "%s/%s", g->root, path);
    return full;
}

static void host_file(struct guest *g, const char *path, const char *text)
{
    int fd = open(outside(g, path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static mode_t mode_of(struct guest *g, const char *path)
{
    struct stat st;

    assert_int_equal(lstat(outside(g, path), &st), 0);
    return st.st_mode;
}

static void assert_missing(struct guest *g, const char *path)
{
    struct stat st;

    assert_int_equal(lstat(outside(g, path), &st), -1);
}

static void list_it(struct guest *g, const char *path, bool recursive, struct answer *a);

#define ANSWER(var)    \
    struct answer var; \
    answer_init(&var)

static void write_and_read(void **state)
{
    struct guest *g = *state;
    ANSWER(w);
    ANSWER(r);

    assert_int_equal(guest_write(g, "a/b/c.txt", 0750, span_of("contents"), &w), 0);
    assert_int_equal(mode_of(g, "a/b/c.txt"), S_IFREG | 0750);
    assert_int_equal(mode_of(g, "a/b"), S_IFDIR | 0755);
    assert_int_equal(guest_read(g, "a/b/c.txt", &r), 0);
    assert_string_equal(buf_text(&r.text), "contents");
    assert_int_equal(r.st.size, 8);
    assert_int_equal(r.st.mode, 0750);
    assert_int_equal(r.st.kind, GUEST_FILE);
    answer_free(&r);
}

static void overwrite_and_empty(void **state)
{
    struct guest *g = *state;
    struct answer a;

    for (int i = 0; i < 3; i++) {
        answer_init(&a);
        assert_int_equal(guest_write(g, "f", 0600, span_of(i == 2 ? "" : "old and long"), &a), 0);
    }
    answer_init(&a);
    assert_int_equal(guest_read(g, "f", &a), 0);
    assert_int_equal(a.text.len, 0);
    assert_int_equal(a.st.mode, 0600);
}

static void on_sum(void *data, int result, const uint8_t sum[32], const struct err *why)
{
    if (sum)
        memcpy(((struct answer *) data)->sum, sum, 32);
    on_done(data, result, why);
}

static void large_file_and_checksum(void **state)
{
    struct guest *g = *state;
    struct channel_call *call;
    struct err err;
    size_t len = 20 * 1024 * 1024 + 7;
    char *bytes = malloc(len), hex[DIGEST_HEX], inside[DIGEST_HEX];
    ANSWER(a);

    for (size_t i = 0; i < len; i++) /* marks at every place of a frame, whole and torn */
        bytes[i] = i % 1000 < 500 ? (char) frame_mark[i % 37 % FRAME_MARK] : (char) (i * 2654435761u >> 24);
    for (size_t i = 3; i + FRAME_MARK < len; i += 40009)
        memcpy(bytes + i, frame_mark, FRAME_MARK);
    digest_of(span_make(bytes, len), hex);
    assert_int_equal(guest_write(g, "big", 0644, span_make(bytes, len), &a), 0);
    answer_init(&a);
    assert_int_equal(guest_read(g, "big", &a), 0);
    assert_int_equal(a.text.len, len);
    assert_memory_equal(a.text.data, bytes, len);
    answer_free(&a);

    answer_init(&a);
    assert_int_equal(channel_checksum(g->host->ch, "big", on_sum, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    digest_hex(a.sum, inside);
    assert_string_equal(inside, hex);
    free(bytes);
}

/* The lengths at which padding goes wrong when it does. */
static void checksum_lengths(void **state)
{
    struct guest *g = *state;
    static const size_t lengths[] = { 0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 262144, 262145 };
    char *bytes = calloc(1, 262145), hex[DIGEST_HEX], inside[DIGEST_HEX];
    struct channel_call *call;
    struct err err;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        ANSWER(a);

        assert_int_equal(guest_write(g, "f", 0644, span_make(bytes, lengths[i]), &a), 0);
        answer_init(&a);
        assert_int_equal(channel_checksum(g->host->ch, "f", on_sum, &a, &call, &err), 0);
        assert_int_equal(answer_wait(g, &a), 0);
        digest_hex(a.sum, inside);
        digest_of(span_make(bytes, lengths[i]), hex);
        assert_string_equal(inside, hex);
    }
    free(bytes);
}

static void stat_it(struct guest *g, const char *path, struct answer *a)
{
    struct channel_call *call;
    struct err err;

    answer_init(a);
    assert_int_equal(channel_stat(g->host->ch, path, on_stat, a, &call, &err), 0);
    (void) answer_wait(g, a);
}

static void stat_kinds(void **state)
{
    struct guest *g = *state;
    struct answer a;

    host_file(g, "file", "12345");
    assert_int_equal(symlink("/etc/passwd", outside(g, "link")), 0);
    assert_int_equal(mkfifo(outside(g, "pipe"), 0600), 0);
    stat_it(g, "file", &a);
    assert_int_equal(a.st.kind, GUEST_FILE);
    assert_int_equal(a.st.size, 5);
    assert_int_equal(a.st.links, 1);
    stat_it(g, "link", &a);
    assert_int_equal(a.st.kind, GUEST_LINK);
    assert_string_equal(a.link, "/etc/passwd");
    stat_it(g, "pipe", &a);
    assert_int_equal(a.st.kind, GUEST_OTHER);
    stat_it(g, ".", &a);
    assert_int_equal(a.st.kind, GUEST_DIR);
    stat_it(g, "nothing", &a);
    assert_int_equal(a.result, -ERR_NOT_FOUND);
    assert_int_equal(a.err.errnum, 2);
    assert_string_equal(a.err.text, "'nothing' in the sandbox: No such file or directory");
}

static int refused(struct guest *g, const char *path)
{
    ANSWER(a);
    int r = guest_read(g, path, &a);

    answer_free(&a);
    return r;
}

static void no_way_out(void **state)
{
    struct guest *g = *state;
    struct channel_call *call;
    struct err err;
    const char *const bad[] = { "/etc/passwd", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "..", "/" };
    ANSWER(a);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(channel_read(g->host->ch, bad[i], &read_ops, &a, &call, &err), -ERR_INVALID);
        assert_int_equal(channel_stat(g->host->ch, bad[i], on_stat, &a, &call, &err), -ERR_INVALID);
        assert_int_equal(channel_rename(g->host->ch, "a", bad[i], on_done, &a, &call, &err), -ERR_INVALID);
    }
    assert_int_equal(symlink("/etc", outside(g, "out")), 0);
    assert_int_equal(symlink("/etc/passwd", outside(g, "passwd")), 0);
    assert_int_equal(symlink("..", outside(g, "up")), 0);
    assert_int_equal(symlink("/proc/self/root", outside(g, "magic")), 0);
    assert_int_equal(symlink("/proc/self/cwd", outside(g, "cwd")), 0);
    assert_int_equal(mkdir(outside(g, "in"), 0755), 0);
    assert_int_equal(symlink("in", outside(g, "inner")), 0);
    assert_int_equal(refused(g, "out/passwd"), -ERR_INVALID);
    assert_int_equal(refused(g, "passwd"), -ERR_INVALID);
    assert_int_equal(refused(g, "up/etc/passwd"), -ERR_INVALID);
    assert_int_equal(refused(g, "magic/etc/passwd"), -ERR_INVALID);
    assert_int_equal(refused(g, "cwd/x"), -ERR_INVALID);
    assert_int_equal(refused(g, "inner/x"), -ERR_INVALID);
    assert_int_equal(guest_write(g, "out/agentbox-was-here", 0644, span_of("x"), &a), -ERR_INVALID);
    assert_string_equal(a.err.text, "'out/agentbox-was-here' in the sandbox: "
                                    "a symbolic link is in the way, and links are not followed");
}

/* Straight to the guest, as a channel would not send it. */
static void no_way_out_for_liars(void **state)
{
    struct guest *g = *state;
    const char *const bad[] = { "/etc/passwd", "../x", "a/../../etc/passwd", "", "." };
    uint8_t frame[FRAME_HEADER + 64];

    host_drop(g);
    host_attach(g);
    host_greet(g);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        frame_header(frame, FRAME_READ, 0, FRAME_STREAM_FILES + 100 + i, (uint32_t) strlen(bad[i]) + 2);
        frame[FRAME_HEADER] = 0;
        memcpy(frame + FRAME_HEADER + 1, bad[i], strlen(bad[i]) + 1);
        host_send_raw(g, frame, FRAME_HEADER + strlen(bad[i]) + 2);
    }
    loop_run(g->loop, &g->host->is_broken,
             NULL); /* the channel did not ask: the guest's answers are an offence */
    assert_string_equal(g->host->why.text, "the sandbox's guest broke the protocol: an answer to nothing");
}

/* A request of ours as the host might be made to send it: its numbers, then texts. */
static void send_liar(struct guest *g, uint8_t type, uint64_t n, uint32_t number, size_t bytes,
                      const char *const *texts)
{
    uint8_t frame[FRAME_HEADER + 256];
    struct frame_out out = { frame + FRAME_HEADER, 0, 256, false };

    frame_put(&out, number, (int) bytes);
    for (; *texts; texts++)
        frame_put_bytes(&out, *texts, strlen(*texts) + 1);
    frame_header(frame, type, 0, FRAME_STREAM_FILES + n, (uint32_t) out.len);
    host_send_raw(g, frame, FRAME_HEADER + out.len);
}

static void no_way_out_for_many_names(void **state)
{
    struct guest *g = *state;
    char victim[64], other[64];
    const char *const remove[] = { victim, "mine", "/etc/passwd", "", NULL };
    const char *const keep[][3] = { { "kept", other, NULL },
                                    { "kept", "..", NULL },
                                    { "kept", "in/x", NULL } };
    struct stat st;
    uint8_t end[FRAME_HEADER];

    (void) snprintf(victim, sizeof(victim), "../agentbox-%d-victim", getpid());
    (void) snprintf(other, sizeof(other), "../agentbox-%d-other", getpid());
    assert_int_equal(mkdir(outside(g, "in"), 0755), 0);
    host_file(g, victim, "1");
    host_file(g, "mine", "2");
    host_file(g, "kept", "3");
    host_drop(g);
    host_attach(g);
    host_greet(g);
    for (uint64_t i = 0; i < 3; i++) {
        send_liar(g, FRAME_WRITE, 100 + i, 0644 | FRAME_WRITE_KEEP, 4, keep[i]);
        frame_header(end, FRAME_DATA, FRAME_END, FRAME_STREAM_FILES + 100 + i, 0);
        host_send_raw(g, end, sizeof(end));
    }
    send_liar(g, FRAME_FIND, 109, 'x', 1, remove); /* behind a text that begins with x */
    send_liar(g, FRAME_REMOVE, 110, FRAME_REMOVE_ALL, 1, remove);
    loop_run(g->loop, &g->host->is_broken, NULL);
    host_drop(g);
    host_attach(g);
    host_greet(g); /* it has read all that came before */
    assert_int_equal(stat(outside(g, victim), &st), 0);
    assert_int_equal(unlink(outside(g, victim)), 0);
    assert_missing(g, "mine");
    assert_missing(g, other);
    assert_missing(g, "in/x");
    assert_int_equal(stat(outside(g, "kept"), &st), 0);
    assert_int_equal(st.st_size, 1);
}

static void what_is_replaced_keeps_a_name(void **state)
{
    struct guest *g = *state;
    struct stat was, st;
    struct answer a;

    host_file(g, "f", "old");
    assert_int_equal(lstat(outside(g, "f"), &was), 0);
    answer_init(&a);
    assert_int_equal(guest_replace(g, "f", "f.was", span_of("new"), &a), 0);
    assert_int_equal(lstat(outside(g, "f.was"), &st), 0);
    assert_int_equal(st.st_ino, was.st_ino);
    assert_int_equal(st.st_nlink, 1);
    answer_init(&a);
    assert_int_equal(guest_read(g, "f", &a), 0);
    assert_string_equal(buf_text(&a.text), "new");
    answer_free(&a);
    answer_init(&a);
    assert_int_equal(guest_replace(g, "f", "f.was", span_of("newer"), &a), -ERR_CONFLICT); /* it is taken */
    answer_init(&a);
    assert_int_equal(guest_read(g, "f", &a), 0);
    assert_string_equal(buf_text(&a.text), "new");
    answer_free(&a);
    answer_init(&a);
    assert_int_equal(guest_replace(g, "none", "none.was", span_of("x"), &a), -ERR_NOT_FOUND);
    assert_missing(g, "none");
    assert_missing(g, "none.was");
    list_it(g, ".", true, &a);
    assert_int_equal(a.count, 2); /* and nothing unfinished */
    answer_free(&a);
}

static void many_are_removed_at_once(void **state)
{
    struct guest *g = *state;
    const char *const paths[] = { "a", "none", "full", "in/b", "in" };
    struct channel_call *call;
    struct err err;
    ANSWER(a);

    assert_int_equal(mkdir(outside(g, "in"), 0755), 0);
    assert_int_equal(mkdir(outside(g, "full"), 0755), 0);
    host_file(g, "a", "1");
    host_file(g, "in/b", "2");
    host_file(g, "full/c", "3");
    assert_int_equal(channel_remove_all(g->host->ch, paths, 5, on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a),
                     -ERR_CONFLICT); /* of the full one; the others are gone all the same */
    list_it(g, ".", true, &a);
    assert_int_equal(a.count, 2);
    answer_free(&a);
    answer_init(&a);
    assert_int_equal(channel_remove_all(g->host->ch, paths, 2, on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
}

static void big_file(struct guest *g, const char *path, size_t len)
{
    char *text = malloc(len + 1);

    memset(text, 'x', len);
    text[len] = '\0';
    host_file(g, path, text);
    free(text);
}

/* 0 is said of those alone that need not be read: whatever is not known for certain is read and seen. */
static void files_that_lack_a_text(void **state)
{
    struct guest *g = *state;
    const char *const paths[] = { "d/has",  "d/lacks", "d/e/has", "d/none", "d/link",   "d/e",    "d/binary",
                                  "d/late", "large",   "edge",    "empty",  "locked/f", "d/lacks" };
    struct channel_call *call;
    struct err err;
    ANSWER(a);

    assert_int_equal(mkdir(outside(g, "d"), 0755), 0);
    assert_int_equal(mkdir(outside(g, "d/e"), 0755), 0);
    assert_int_equal(mkdir(outside(g, "locked"), 0755), 0);
    host_file(g, "d/has", "a needle\n");
    host_file(g, "d/lacks", "a need le\n");
    host_file(g, "d/e/has", "needle");
    host_file(g, "d/link", "");
    host_file(g, "empty", "");
    assert_int_equal(unlink(outside(g, "d/link")), 0);
    assert_int_equal(symlink("lacks", outside(g, "d/link")), 0);
    big_file(g, "d/binary", 10);
    big_file(g, "d/late", FRAME_TEXT_LOOK + 10);
    assert_int_equal(truncate(outside(g, "d/binary"), 11), 0); /* a NUL at its end */
    assert_int_equal(truncate(outside(g, "d/late"), FRAME_TEXT_LOOK + 11), 0);
    big_file(g, "large", FRAME_FIND_BYTES + 1);
    big_file(g, "edge", FRAME_FIND_BYTES);
    assert_int_equal(channel_find(g->host->ch, "needle", paths, 13, on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(a.text.len, 13);
    assert_memory_equal(a.text.data, "\1\0\1\1\1\1\1\0\1\0\0\1\0", 13);
    answer_free(&a);
}

static void only_regular_files(void **state)
{
    struct guest *g = *state;

    assert_int_equal(mkfifo(outside(g, "pipe"), 0600), 0);
    assert_int_equal(mkdir(outside(g, "dir"), 0755), 0);
    assert_int_equal(refused(g, "pipe"), -ERR_INVALID);
    assert_int_equal(refused(g, "dir"), -ERR_CONFLICT);
    assert_int_equal(refused(g, "none"), -ERR_NOT_FOUND);
}

static void write_replaces_a_link_not_its_target(void **state)
{
    struct guest *g = *state;
    struct stat st;
    ANSWER(a);

    host_file(g, "target", "kept");
    assert_int_equal(symlink("target", outside(g, "link")), 0);
    assert_int_equal(guest_write(g, "link", 0644, span_of("new"), &a), 0);
    assert_int_equal(mode_of(g, "link"), S_IFREG | 0644);
    assert_int_equal(stat(outside(g, "target"), &st), 0);
    assert_int_equal(st.st_size, 4);
}

static void write_fails_cleanly(void **state)
{
    struct guest *g = *state;
    ANSWER(a);

    assert_int_equal(mkdir(outside(g, "dir"), 0755), 0);
    host_file(g, "dir/inside", "x");
    assert_int_equal(guest_write(g, "dir", 0644, span_of("x"), &a), -ERR_CONFLICT);
    answer_init(&a);
    assert_int_equal(guest_write(g, "dir/inside/below", 0644, span_of("x"), &a), -ERR_INVALID);
    answer_init(&a);
    struct channel_call *call;
    struct err err;

    assert_int_equal(channel_list(g->host->ch, ".", true, &list_ops, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_string_equal(buf_text(&a.text),
                        "d 0755 0 dir\nf 0644 1 dir/inside\n"); /* no temporary file is left */
    answer_free(&a);
}

static void folders_links_renames(void **state)
{
    struct guest *g = *state;
    struct channel *ch = g->host->ch;
    struct channel_call *call;
    struct err err;
    struct answer a;

    answer_init(&a);
    assert_int_equal(channel_mkdir(ch, "x/y/z", 0700, on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(mode_of(g, "x/y/z"), S_IFDIR | 0700);
    assert_int_equal(mode_of(g, "x/y"), S_IFDIR | 0755);
    answer_init(&a);
    assert_int_equal(channel_mkdir(ch, "x/y/z", 0755, on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(mode_of(g, "x/y/z"), S_IFDIR | 0755);
    answer_init(&a);
    assert_int_equal(channel_symlink(ch, "x/link", "../../anywhere", on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    answer_init(&a);
    assert_int_equal(channel_symlink(ch, "x/link", "again", on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), -ERR_CONFLICT);
    answer_init(&a);
    assert_int_equal(channel_rename(ch, "x/link", "x/y/moved", on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    stat_it(g, "x/y/moved", &a);
    assert_string_equal(a.link, "../../anywhere");
    answer_init(&a);
    assert_int_equal(channel_rename(ch, "x/y", "x/y/z/own-child", on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), -ERR_INVALID);
    answer_init(&a);
    assert_int_equal(channel_mkdir(ch, "x/y/moved", 0755, on_done, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), -ERR_CONFLICT);
}

static int remove_it(struct guest *g, const char *path, bool recursive)
{
    struct channel_call *call;
    struct err err;
    ANSWER(a);

    assert_int_equal(channel_remove(g->host->ch, path, recursive, on_done, &a, &call, &err), 0);
    return answer_wait(g, &a);
}

static void removal(void **state)
{
    struct guest *g = *state;
    struct command c;

    shell_run(g, &c, 1,
              "mkdir -p t/a/b/c t/locked/in t/readonly; touch t/a/1 t/a/b/2 t/locked/in/3 t/readonly/4; ln "
              "-s /etc t/a/etc;"
              "chmod 0 t/locked; chmod 555 t/readonly; mkdir empty; touch file; ln -s file link");
    assert_int_equal(c.result.code, 0);
    command_done(&c);
    assert_int_equal(remove_it(g, "t", false), -ERR_CONFLICT);
    assert_int_equal(remove_it(g, "t", true), 0);
    assert_missing(g, "t");
    assert_int_equal(remove_it(g, "link", true), 0);
    assert_missing(g, "link");
    assert_int_equal(mode_of(g, "file") & S_IFMT, S_IFREG);
    assert_int_equal(remove_it(g, "empty", false), 0);
    assert_int_equal(remove_it(g, "empty", true), -ERR_NOT_FOUND);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void list_it(struct guest *g, const char *path, bool recursive, struct answer *a)
{
    struct channel_call *call;
    struct err err;

    answer_init(a);
    assert_int_equal(channel_list(g->host->ch, path, recursive, &list_ops, a, &call, &err), 0);
    (void) answer_wait(g, a);
}

static void listing(void **state)
{
    struct guest *g = *state;
    struct command c;
    struct answer a;

    shell_run(g, &c, 1,
              "umask 022; mkdir -p d/sub d/a.b 'd/a b'; echo 12 >d/sub/f; echo >d/B; echo >d/a; ln -s ../x "
              "d/l; mkfifo d/p;"
              "printf x >\"d/$(printf '\\377')\"");
    command_done(&c);
    list_it(g, "d", true, &a);
    assert_int_equal(a.result, 0);
    assert_string_equal(buf_text(&a.text),
                        "f 0644 1 d/B\nf 0644 1 d/a\nd 0755 0 d/a b\nd 0755 0 d/a.b\nl 0777 0 d/l -> ../x\n"
                        "o 0644 0 d/p\nd 0755 0 d/sub\nf 0644 3 d/sub/f\nf 0644 1 d/\377\n");
    answer_free(&a);
    list_it(g, ".", false, &a);
    assert_string_equal(buf_text(&a.text), "d 0755 0 d\n");
    answer_free(&a);
    list_it(g, "d/B", true, &a);
    assert_int_equal(a.result, -ERR_INVALID);
    list_it(g, "none", true, &a);
    assert_int_equal(a.result, -ERR_NOT_FOUND);
    list_it(g, "d/l", true, &a);
    assert_int_equal(a.result, -ERR_INVALID);
}

static void twenty_thousand(void **state)
{
    struct guest *g = *state;
    struct command c;
    struct answer a;
    char last[64] = "";
    char *at;

    shell_run(g, &c, 1, "mkdir many; cd many; seq 20000 | xargs touch");
    assert_int_equal(c.result.code, 0);
    command_done(&c);
    list_it(g, "many", false, &a);
    assert_int_equal(a.result, 0);
    assert_int_equal(a.count, 20000);
    at = a.text.data;
    for (int i = 0; i < 20000; i++) { /* sorted by bytes, hence no two alike */
        char name[64];

        assert_int_equal(sscanf(at, "f 0644 0 many/%63[^\n]", name), 1);
        assert_true(strcmp(last, name) < 0);
        memcpy(last, name, sizeof(last));
        at = strchr(at, '\n') + 1;
    }
    answer_free(&a);
    assert_int_equal(remove_it(g, "many", true), 0);
    assert_missing(g, "many");
}

static void too_deep(void **state)
{
    struct guest *g = *state;
    struct command c;
    struct answer a;

    shell_run(g, &c, 1, "for i in $(seq 200); do mkdir d && cd d; done");
    assert_int_equal(c.result.code, 0);
    command_done(&c);
    list_it(g, ".", true, &a);
    assert_int_equal(a.result, -ERR_TOO_LARGE);
    assert_string_equal(a.err.text, "'.' in the sandbox: folders nested too deeply, or a path too long");
    answer_free(&a);
}

static void sh(struct guest *g, uint64_t id, const char *script)
{
    struct command c;

    shell_run(g, &c, id, script);
    assert_int_equal(c.result.code, 0);
    command_done(&c);
}

static void cancel_in_the_middle(void **state)
{
    struct guest *g = *state;
    struct channel_call *call;
    struct err err;
    ANSWER(a);
    ANSWER(b);

    sh(g, 1, "mkdir many; cd many; seq 5000 | xargs touch; truncate -s 50M ../sparse");
    assert_int_equal(channel_list(g->host->ch, ".", true, &list_ops, &a, &call, &err), 0);
    channel_cancel(call);
    assert_int_equal(channel_scan(g->host->ch, SCAN_REMEMBER, &scan_ops, &a, &call, &err), 0);
    channel_cancel(call);
    assert_int_equal(channel_read(g->host->ch, "sparse", &read_ops, &a, &call, &err), 0);
    channel_cancel(call);
    assert_int_equal(channel_ping(g->host->ch, on_done, &b, &call, &err), 0);
    assert_int_equal(answer_wait(g, &b), 0);
    list_it(g, "many", true, &b);
    assert_int_equal(b.count, 5000);
    answer_free(&b);
    assert_false(a.is_done);
    assert_false(g->host->is_broken);
}

static void on_stats(void *data, int result, const struct guest_stats *stats, const struct err *err)
{
    if (stats)
        ((struct answer *) data)->stats = *stats;
    on_done(data, result, err);
}

static void figures_and_probes(void **state)
{
    struct guest *g = *state;
    struct channel *ch = g->host->ch;
    struct channel_call *call;
    struct err err;
    ANSWER(a);

    assert_int_equal(channel_stats(ch, on_stats, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_true(a.stats.workspace_size > 0);
    assert_true(a.stats.workspace_used <= a.stats.workspace_size);
    answer_init(&a);
    assert_int_equal(channel_probe(ch, "/proc/self/status", on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_non_null(strstr(buf_text(&a.text), "SigBlk:"));
    answer_free(&a);
    const char *const refused_paths[] = { "/etc/shadow", "/proc/../etc/shadow", "/proc/self/root/etc/shadow",
                                          "/root/x",     "/proc/self/cwd/x",    "/proc//self",
                                          "/system/x" };

    for (size_t i = 0; i < sizeof(refused_paths) / sizeof(refused_paths[0]); i++) {
        answer_init(&a);
        assert_int_equal(channel_probe(ch, refused_paths[i], on_text, &a, &call, &err), 0);
        assert_int_equal(answer_wait(g, &a), -ERR_INVALID);
        answer_free(&a);
    }
    /* each fails, filtered or not: one line a call, none with 0 */
    answer_init(&a);
    assert_int_equal(channel_probe(ch, FRAME_PROBE_CALLS, on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(strncmp(buf_text(&a.text), "io_uring_setup ", 15), 0);
    assert_non_null(strstr(buf_text(&a.text), "\nsetxattr "));
    assert_null(strstr(buf_text(&a.text), " 0\n"));
    answer_free(&a);
    /* where tests run, the kernel is Linux */
    answer_init(&a);
    assert_int_equal(channel_probe(ch, FRAME_PROBE_KERNEL, on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    assert_int_equal(strncmp(buf_text(&a.text), "release:\t", 9), 0);
    assert_non_null(strstr(buf_text(&a.text), "\nvdso:\tlinux\n"));
    assert_non_null(strstr(buf_text(&a.text), "\nnew_privileges:\t"));
    assert_non_null(strstr(buf_text(&a.text), "\nrlimit 15:\t"));
    answer_free(&a);
    answer_init(&a);
    assert_int_equal(channel_probe(ch, "/proc/kallsyms", on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), -ERR_TOO_LARGE);
    answer_free(&a);
}

/* More than the guest has slots for. */
static void two_hundred_at_once(void **state)
{
    struct guest *g = *state;
    static struct answer a[200];
    struct channel_call *call;
    struct err err;

    for (int i = 0; i < 200; i++) {
        char path[32];

        (void) snprintf(path, sizeof(path), "p%d/q", i);
        answer_init(&a[i]);
        assert_int_equal(channel_mkdir(g->host->ch, path, 0755, on_done, &a[i], &call, &err), 0);
    }
    for (int i = 0; i < 200; i++)
        assert_int_equal(answer_wait(g, &a[i]), 0);
    list_it(g, ".", true, &a[0]);
    assert_int_equal(a[0].count, 400);
    answer_free(&a[0]);
}

#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_TEST(write_and_read),
        GUEST_TEST(overwrite_and_empty),
        GUEST_TEST(large_file_and_checksum),
        GUEST_TEST(checksum_lengths),
        GUEST_TEST(stat_kinds),
        GUEST_TEST(no_way_out),
        GUEST_TEST(no_way_out_for_liars),
        GUEST_TEST(no_way_out_for_many_names),
        GUEST_TEST(what_is_replaced_keeps_a_name),
        GUEST_TEST(many_are_removed_at_once),
        GUEST_TEST(files_that_lack_a_text),
        GUEST_TEST(only_regular_files),
        GUEST_TEST(write_replaces_a_link_not_its_target),
        GUEST_TEST(write_fails_cleanly),
        GUEST_TEST(folders_links_renames),
        GUEST_TEST(removal),
        GUEST_TEST(listing),
        GUEST_TEST(twenty_thousand),
        GUEST_TEST(too_deep),
        GUEST_TEST(cancel_in_the_middle),
        GUEST_TEST(figures_and_probes),
        GUEST_TEST(two_hundred_at_once),
    };

    (void) umask(022);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
