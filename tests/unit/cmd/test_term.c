/* SPDX-License-Identifier: MIT */
/* Text made safe for terminals, and what terminals can do. */
#include "tests/unit/unit.h"

#include "cmd/term.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- term_clean ---- */

static void cleaned(const char *ptr, size_t len, bool keep_lines, const char *want)
{
    struct buf out = BUF_INIT(8192);

    assert_int_equal(buf_add_text(&out, ">"), 0); /* it appends */
    assert_int_equal(term_clean(&out, span_make(ptr, len), keep_lines), 0);
    assert_string_equal(buf_text(&out) + 1, want);
    assert_int_equal(out.len, strlen(want) + 1);
    buf_done(&out);
}

#define CLEAN(text, want)       cleaned(text, sizeof(text) - 1, false, want)
#define CLEAN_LINES(text, want) cleaned(text, sizeof(text) - 1, true, want)

static void test_plain_text_is_kept(void **state)
{
    CLEAN("", "");
    cleaned(NULL, 0, false, "");
    CLEAN("ls -l 'a b' \\n", "ls -l 'a b' \\n");
    CLEAN("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
    CLEAN("\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80 e\xcc\x81",
          "\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80 e\xcc\x81");
    CLEAN("\xc2\xa0\xf4\x8f\xbf\xbf", "\xc2\xa0\xf4\x8f\xbf\xbf"); /* U+00A0, U+10FFFF */
}

static void test_escape_sequences(void **state)
{
    CLEAN("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m");
    CLEAN("\x1b]0;title\a", "\\x1b]0;title\\x07");
    CLEAN("\x1b]8;;http://x\x1b\\link", "\\x1b]8;;http://x\\x1b\\link");
    CLEAN("\x1bP1$r\x1b\\", "\\x1bP1$r\\x1b\\");
    CLEAN("\x1b[2J\x1b[H\x1b"
          "c",
          "\\x1b[2J\\x1b[H\\x1bc");
}

static void test_control_bytes(void **state)
{
    CLEAN("a\0b", "a\\x00b");
    CLEAN("a\rb\bc\x7f", "a\\x0db\\x08c\\x7f");
    CLEAN("\x01\x0b\x0c\x0e\x1f", "\\x01\\x0b\\x0c\\x0e\\x1f");
}

/* 8-bit controls: U+009B is CSI to some terminals. */
static void test_c1(void **state)
{
    CLEAN("\xc2\x9b"
          "31m",
          "\\x9b31m");
    CLEAN("\xc2\x80\xc2\x90\xc2\x9d\xc2\x9f", "\\x80\\x90\\x9d\\x9f");
    CLEAN("\x9b"
          "31m",
          "\xef\xbf\xbd"
          "31m"); /* the bare byte is no UTF-8 */
}

static void test_direction_and_separators(void **state)
{
    CLEAN("a\xe2\x80\xae"
          "b",
          "a\\u202eb"); /* right-to-left override */
    CLEAN("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad", "\\u202a\\u202b\\u202c\\u202d");
    CLEAN("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "\\u2066\\u2067\\u2068\\u2069"); /* isolates */
    CLEAN("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\u200e\\u200f\\u061c");                        /* marks */
    CLEAN("\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"); /* line and paragraph separator */
    CLEAN("\xef\xbb\xbf#", "\\ufeff#");
    CLEAN("\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xb0",
          "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xb0"); /* their neighbours */
}

static void test_what_nobody_sees(void **state)
{
    CLEAN("a\xe2\x80\x8b\xe2\x80\x8c\xe2\x80\x8d\xe2\x81\xa0\xc2\xad", "a\\u200b\\u200c\\u200d\\u2060\\xad");
    CLEAN("\xf3\xa0\x81\x81z", "\\U000e0041z"); /* a tag: text that is hidden in text */
}

static void line_of(size_t len, const char *want)
{
    struct buf out = BUF_INIT(8192);
    char text[8000];

    memset(text, 'x', sizeof(text));
    assert_int_equal(term_line(&out, span_make(text, len)), 0);
    assert_memory_equal(out.data, text, len < TERM_LINE_MAX ? len : TERM_LINE_MAX);
    assert_string_equal(out.data + (len < TERM_LINE_MAX ? len : TERM_LINE_MAX), want);
    buf_done(&out);
}

static void test_long_lines_are_cut(void **state)
{
    struct buf out = BUF_INIT(8192);

    line_of(3, "");
    line_of(TERM_LINE_MAX, "");
    line_of(TERM_LINE_MAX + 1, "\xe2\x80\xa6 (4097 bytes)");
    assert_int_equal(term_line(&out, span_of("a\nb\x1b\xe2\x80\xae")), 0);
    assert_string_equal(buf_text(&out), "a b\\x1b\\u202e");
    buf_done(&out);
}

static void test_invalid_utf8(void **state)
{
    CLEAN("a\xff\xfe"
          "b",
          "a\xef\xbf\xbd\xef\xbf\xbd"
          "b");
    CLEAN("\xe6\xbc", "\xef\xbf\xbd");                             /* cut */
    CLEAN("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong '/' */
    CLEAN("\xc1\x9b\x1b", "\xef\xbf\xbd\xef\xbf\xbd\\x1b");        /* overlong '[' */
    CLEAN("\xe0\x80\x9b", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* overlong escape */
    CLEAN("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* half of a pair */
    CLEAN("\xe6\x1b[m", "\xef\xbf\xbd\\x1b[m");                    /* the escape is no part of it */
}

static void test_lines_are_kept_when_asked(void **state)
{
    CLEAN_LINES("a\n\tb\r\n\x1b[m", "a\n\tb\\x0d\n\\x1b[m");
    CLEAN("a\n\tb\r\n\x1b[m", "a  b\\x0d \\x1b[m");
}

static void test_clean_keeps_the_ceiling(void **state)
{
    struct buf out = BUF_INIT(6);

    assert_int_equal(term_clean(&out, span_of("\x1b\x1b"), false), -ERR_TOO_LARGE);
    assert_true(out.len <= 6);
    buf_done(&out);
}

/* ---- term_fit ---- */

static void fitted(const char *line, int columns, const char *want)
{
    struct buf out = BUF_INIT(8192);

    assert_int_equal(term_fit(&out, span_of(line), columns), 0);
    assert_string_equal(buf_text(&out), want);
    buf_done(&out);
}

#define DOTS "\xe2\x80\xa6"

static void test_fit(void **state)
{
    fitted("", 10, "");
    fitted(NULL, 10, "");
    fitted("hello", 6, "hello");
    fitted("hello", 5, "hello");
    fitted("hello", 4, "hel" DOTS);
    fitted("hello", 2, "h" DOTS);
    fitted("hello", 1, DOTS);
    fitted("h", 1, "h");
}

static void test_fit_without_room(void **state)
{
    fitted("hello", 0, "");
    fitted("hello", -3, "");
    fitted("", 0, "");
}

static void test_fit_counts_cells(void **state)
{
    fitted("\xc3\xbc\xc3\xbc\xc3\xbc", 3, "\xc3\xbc\xc3\xbc\xc3\xbc");
    fitted("\xc3\xbc\xc3\xbc\xc3\xbc", 2, "\xc3\xbc" DOTS);
    fitted("a\xf0\x9f\x98\x80z.", 4, "a\xf0\x9f\x98\x80" DOTS);
    fitted("a\xf0\x9f\x98\x80z.", 3, "a" DOTS);
    fitted("\xe6\xbc\xa2\xe5\xad\x97", 4, "\xe6\xbc\xa2\xe5\xad\x97");
    fitted("\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2" DOTS);
    fitted("\xe6\xbc\xa2\xe5\xad\x97", 2, DOTS);
    fitted("\xe6\xbc\xa2\xe5\xad\x97", 1, DOTS);
    fitted("e\xcc\x81x", 2, "e\xcc\x81x"); /* a combining accent takes no room */
}

static void test_fit_on_wide_limits(void **state)
{
    struct buf out = BUF_INIT(8192);
    char line[4001];

    memset(line, 'x', 4000);
    line[4000] = '\0';
    fitted(line, 4000, line);
    fitted(line, 100000, line);
    fitted(line, 2147483647, line);
    assert_int_equal(term_fit(&out, span_of(line), 3999), 0);
    assert_int_equal(out.len, 3998 + strlen(DOTS));
    assert_string_equal(buf_text(&out) + 3998, DOTS);
    buf_done(&out);
}

static void test_fit_keeps_the_ceiling(void **state)
{
    struct buf out = BUF_INIT(4);

    assert_int_equal(term_fit(&out, span_of("hello"), 10), -ERR_TOO_LARGE);
    assert_int_equal(term_fit(&out, span_of("hello!"), 5), -ERR_TOO_LARGE);
    buf_done(&out);
}

/* ---- terminals ---- */

static struct term of_fd(int fd)
{
    struct term t;

    term_init(&t, fd);
    return t;
}

static void test_a_file_is_no_terminal(void **state)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct term t;

    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    t = of_fd(fd);
    assert_false(t.is_tty || t.has_color);
    assert_true(t.is_plain);
    assert_int_equal(t.columns, 80);
    assert_int_equal(t.fd, fd);
    close(fd);
}

static void test_a_terminal(void **state)
{
    struct winsize size = { .ws_row = 40, .ws_col = 123 };
    struct term t;
    int top = posix_openpt(O_RDWR | O_NOCTTY), fd;

    assert_true(top >= 0);
    assert_int_equal(grantpt(top), 0);
    assert_int_equal(unlockpt(top), 0);
    fd = open(ptsname(top), O_RDWR | O_NOCTTY);
    assert_true(fd >= 0);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(of_fd(fd).is_tty && of_fd(fd).has_color);
    assert_int_equal(of_fd(fd).columns, 80); /* it says 0 */
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
    assert_int_equal(of_fd(fd).columns, 123);
    t = of_fd(fd);
    size.ws_col = 20;
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
    assert_int_equal(t.columns, 123);
    term_measure(&t); /* a window that changed */
    assert_int_equal(t.columns, 20);
    setenv("NO_COLOR", "", 1); /* no-color.org: "when present and not an empty string" */
    assert_true(of_fd(fd).has_color);
    setenv("NO_COLOR", "1", 1);
    assert_true(of_fd(fd).is_tty);
    assert_false(of_fd(fd).has_color || of_fd(fd).is_plain);
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(of_fd(fd).has_color);
    assert_true(of_fd(fd).is_plain); /* it would print what is meant to take a line back */
    unsetenv("TERM");
    assert_false(of_fd(fd).has_color);
    assert_true(of_fd(fd).is_plain);
    close(fd);
    close(top);
}

/* ---- what is said on stderr ---- */

static int saved, reading;

static void capture(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    reading = fds[0];
    saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
}

static void expect_said(const char *want)
{
    char text[8192];
    ssize_t n;

    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(reading, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(reading);
    assert_string_equal(text, want);
}

static void test_errors(void **state)
{
    struct err err = { .code = ERR_USAGE, .text = "no \x1b[31mway\nto go", .hint = "try\xe2\x80\xae this" };

    capture();
    term_error(&err);
    expect_said("agentbox: error: no \\x1b[31mway to go\n  hint: try\\u202e this\n");
    err.hint[0] = '\0';
    capture();
    term_error(&err);
    expect_said("agentbox: error: no \\x1b[31mway to go\n");
}

static void test_warnings_and_words(void **state)
{
    capture();
    term_warning("%s is %d", "a\rb", 7);
    term_warning("%s", "one\nagentbox: error: two");
    term_say("%s %d", "plain\n\x1b[31m", 1);
    expect_said("agentbox: warning: a\\x0db is 7\nagentbox: warning: one agentbox: error: two\n"
                "plain \\x1b[31m 1\n");
}

/* ---- writing ---- */

/* What arrives of `text`, whichever of them wrote it. */
static void written(int (*write_it)(const struct term *, struct span, struct err *), bool has_color,
                    struct span text, const char *want)
{
    struct term t = { .has_color = has_color };
    struct err err = { 0 };
    char got[512] = "";
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    t.fd = fds[1];
    assert_int_equal(write_it(&t, text, &err), 0);
    close(fds[1]);
    assert_true(read(fds[0], got, sizeof(got) - 1) >= 0);
    close(fds[0]);
    assert_string_equal(got, want);
}

#define WRITTEN(fn, color, text, want) written(fn, color, span_make(text, sizeof(text) - 1), want)

/* Whatever a verb forgot to clean. */
static void test_nothing_passes_the_door(void **state)
{
    WRITTEN(term_write, false, "plain\n\ttext \xe6\xbc\xa2\n", "plain\n\ttext \xe6\xbc\xa2\n");
    WRITTEN(term_write, false, "a\x1b[2J\x1b]52;c;eA==\a\rb\0\x7f\xc2\x9b\xff\xe2\x80\xae\n",
            "a\\x1b[2J\\x1b]52;c;eA==\\x07\\x0db\\x00\\x7f\\x9b\xef\xbf\xbd\\u202e\n");
    WRITTEN(term_write, false, "\xef\xbf\xbd\xe6\xbc", "\xef\xbf\xbd\xef\xbf\xbd"); /* a true one stays */
}

static void test_only_colours_of_ours_pass(void **state)
{
    WRITTEN(term_write, true, "\033[1;31merror\033[0m \033[2J\033[m\033[8m\033[31",
            "\033[1;31merror\033[0m \\x1b[2J\\x1b[m\\x1b[8m\\x1b[31");
    WRITTEN(term_write, true, "\033[38;5;196;48;5;196mx\033[?25hy", "\\x1b[38;5;196;48;5;196mx\\x1b[?25hy");
    WRITTEN(term_write, false, "\033[1;31merror\033[0m", "\\x1b[1;31merror\\x1b[0m");
}

static void test_bytes_are_kept_when_asked(void **state)
{
    WRITTEN(term_keep, false, "a\x1b[2J\r\xff", "a\x1b[2J\r\xff");
}

static void test_json_says_the_same(void **state)
{
    WRITTEN(term_json, false, "{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x81\x81\xc3\xbc\"\r\n\t}",
            "{\"a\":\"\\u007f\\u009b\\u202e\\udb40\\udc41\xc3\xbc\" \n\t}");
    WRITTEN(term_json, true, "[\"\xff\x1b[0m\"]", "[\"\xef\xbf\xbd\\u001b[0m\"]");
}

static void test_the_live_line(void **state)
{
    struct term t = { .has_color = true };
    char got[64] = "";
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    t.fd = fds[1];
    term_redraw(&t, span_of("\033[2mx\r\033[K\033[0m"));
    close(fds[1]);
    assert_true(read(fds[0], got, sizeof(got) - 1) > 0);
    close(fds[0]);
    assert_string_equal(got, "\r\033[K\033[2mx\\x0d\\x1b[K\033[0m");
}

static void test_a_reader_that_went_away_is_no_error(void **state)
{
    struct err err = { 0 };
    struct term t = { 0 };
    int fds[2];

    signal(SIGPIPE, SIG_IGN); /* as main does */
    assert_int_equal(pipe(fds), 0);
    t.fd = fds[1];
    assert_true(term_has_reader(&t));
    close(fds[0]);
    assert_false(term_has_reader(&t));
    assert_int_equal(term_write(&t, span_of("text"), &err), 0);
    assert_int_equal(err.code, ERR_NONE);
    close(fds[1]);
}

static void test_a_device_that_is_full(void **state)
{
    struct err err = { 0 };
    struct term t = { .fd = open("/dev/full", O_WRONLY | O_CLOEXEC) };
    int out;

    if (t.fd < 0)
        skip(); /* not every system has it */
    assert_int_equal(term_write(&t, span_of("text"), &err), -ERR_IO);
    assert_string_equal(err.text, "writing to the terminal: No space left on device");
    assert_int_equal(err.errnum, ENOSPC);
    fflush(stdout);
    out = dup(STDOUT_FILENO);
    dup2(t.fd, STDOUT_FILENO);
    close(t.fd);
    t.fd = STDOUT_FILENO;
    assert_int_equal(term_write(&t, span_of("text"), &err), -ERR_IO);
    dup2(out, STDOUT_FILENO);
    close(out);
    assert_string_equal(err.text, "writing to stdout: No space left on device");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_plain_text_is_kept),
    cmocka_unit_test(test_escape_sequences),
    cmocka_unit_test(test_control_bytes),
    cmocka_unit_test(test_c1),
    cmocka_unit_test(test_direction_and_separators),
    cmocka_unit_test(test_invalid_utf8),
    cmocka_unit_test(test_lines_are_kept_when_asked),
    cmocka_unit_test(test_clean_keeps_the_ceiling),
    cmocka_unit_test(test_fit),
    cmocka_unit_test(test_fit_without_room),
    cmocka_unit_test(test_fit_counts_cells),
    cmocka_unit_test(test_fit_on_wide_limits),
    cmocka_unit_test(test_fit_keeps_the_ceiling),
    cmocka_unit_test(test_a_file_is_no_terminal),
    cmocka_unit_test(test_a_terminal),
    cmocka_unit_test(test_errors),
    cmocka_unit_test(test_warnings_and_words),
    cmocka_unit_test(test_what_nobody_sees),
    cmocka_unit_test(test_long_lines_are_cut),
    cmocka_unit_test(test_nothing_passes_the_door),
    cmocka_unit_test(test_only_colours_of_ours_pass),
    cmocka_unit_test(test_bytes_are_kept_when_asked),
    cmocka_unit_test(test_json_says_the_same),
    cmocka_unit_test(test_the_live_line),
    cmocka_unit_test(test_a_reader_that_went_away_is_no_error),
    cmocka_unit_test(test_a_device_that_is_full),
};

UNIT_MAIN(tests)
