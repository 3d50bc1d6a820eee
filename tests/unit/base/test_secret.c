/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/secret.h"

#include <stdio.h>
#include <unistd.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void check(struct secret_ref ref, const char *want)
{
    struct buf out = BUF_INIT(200000);
    struct err err = { 0 };

    assert_int_equal(secret_resolve(&ref, &out, &err), 0);
    assert_string_equal(buf_text(&out), want);
    secret_wipe(&out);
    assert_null(out.data);
}

static void check_error(struct secret_ref ref, enum err_code code, const char *want)
{
    struct buf out = BUF_INIT(200000);
    struct err err = { 0 };

    assert_int_equal(secret_resolve(&ref, &out, &err), -(int) code);
    assert_string_equal(err.text, want);
    assert_null(strstr(err.text, "s3cret"));
    assert_null(strstr(err.hint, "s3cret"));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

/* A file that lives for one check. */
static const char *put(const char *text, size_t len)
{
    static char path[32];
    int fd;

    strcpy(path, "/tmp/unit-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    return path;
}

static void check_file(const char *text, size_t len, const char *want)
{
    const char *path = put(text, len);

    check((struct secret_ref){ .kind = SECRET_FILE, .value = path }, want);
    unlink(path);
}

static void check_file_error(const char *text, size_t len, enum err_code code, const char *format)
{
    const char *path = put(text, len);
    char want[256];

    snprintf(want, sizeof(want), "%s'%s'%s", format, path, strchr(format, '\0') + 1);
    check_error((struct secret_ref){ .kind = SECRET_FILE, .value = path }, code, want);
    unlink(path);
}

static void test_none(void **state)
{
    check((struct secret_ref){ .kind = SECRET_NONE, .prefix = "Bearer " }, "");
}

static void test_env(void **state)
{
    struct secret_ref ref = { .kind = SECRET_ENV, .value = "UNIT_SECRET" };

    unsetenv("UNIT_SECRET");
    check_error(ref, ERR_NOT_FOUND, "environment variable 'UNIT_SECRET' is not set");
    setenv("UNIT_SECRET", "", 1);
    check_error(ref, ERR_NOT_FOUND, "environment variable 'UNIT_SECRET' is empty");
    setenv("UNIT_SECRET", "s3cret\n", 1);
    check_error(ref, ERR_INVALID, "the secret from 'UNIT_SECRET' holds control bytes");
    setenv("UNIT_SECRET", "s3cret", 1);
    check(ref, "s3cret");
    ref.prefix = "Bearer ";
    check(ref, "Bearer s3cret");
    unsetenv("UNIT_SECRET");
}

static void test_file(void **state)
{
    check_file("s3cret", 6, "s3cret");
    check_file("s3cret\n", 7, "s3cret");
    check_file("s3cret\r\n", 8, "s3cret");
    check_file("s3 cret \xc3\xa4", 10, "s3 cret \xc3\xa4");
    check_error((struct secret_ref){ .kind = SECRET_FILE, .value = "/nowhere/key" }, ERR_NOT_FOUND,
                "opening secret file '/nowhere/key': No such file or directory");
    check_error((struct secret_ref){ .kind = SECRET_FILE, .value = "/" }, ERR_IO,
                "reading secret file '/': Is a directory");
    check_file_error("", 0, ERR_NOT_FOUND, "secret file \0 is empty");
    check_file_error("\n", 1, ERR_NOT_FOUND, "secret file \0 is empty");
    check_file_error("s3cret\nmore\n", 12, ERR_INVALID, "the secret from \0 holds control bytes");
    check_file_error("s3cret\0", 7, ERR_INVALID, "the secret from \0 holds control bytes");
}

static void test_file_at_and_over_its_ceiling(void **state)
{
    char *text = malloc(65538);

    memset(text, 'x', 65537);
    text[65537] = '\0';
    check_file_error(text, 65537, ERR_TOO_LARGE, "secret file \0 holds more than 65536 bytes");
    text[65536] = '\0';
    check_file(text, 65536, text);
    free(text);
}

static void check_command(const char *script, const char *want)
{
    check((struct secret_ref){ .kind = SECRET_COMMAND, .argv = ARGV("sh", "-c", script) }, want);
}

static void check_command_error(const char *script, enum err_code code, const char *want)
{
    check_error((struct secret_ref){ .kind = SECRET_COMMAND, .argv = ARGV("sh", "-c", script) }, code, want);
}

static void test_command(void **state)
{
    check_command("cat; echo s3cret", "s3cret"); /* stdin is empty */
    check_command("printf s3; exec printf cret", "s3cret");
    check_command("echo s3cret; exec >&-; kill -0 $$", "s3cret"); /* ends after its output did */
    check((struct secret_ref){ .kind = SECRET_COMMAND, .argv = ARGV("printf", "%s", "$HOME;`id`") },
          "$HOME;`id`"); /* no shell of ours */
    check_command_error("echo s3cret; exit 3", ERR_INVALID, "secret command 'sh' ended with status 3");
    check_command_error("echo s3cret; kill -9 $$", ERR_INVALID, "secret command 'sh' was ended by signal 9");
    check_command_error(":", ERR_NOT_FOUND, "secret command 'sh' printed nothing");
    check_command_error("printf 's3cret\\033'", ERR_INVALID, "the secret from 'sh' holds control bytes");
    check_command_error("yes s3cret | head -c 70000", ERR_TOO_LARGE,
                        "secret command 'sh' wrote more than 65536 bytes");
    check_error((struct secret_ref){ .kind = SECRET_COMMAND, .argv = ARGV("no-such-program") }, ERR_NOT_FOUND,
                "starting secret command 'no-such-program': No such file or directory");
}

static void test_command_that_does_not_end(void **state)
{
    struct secret_ref ref = { .kind = SECRET_COMMAND, .timeout_ms = 300 };

    ref.argv = ARGV("tail", "-f", "/dev/null");
    check_error(ref, ERR_TIMEOUT, "secret command 'tail' did not end in time");
    ref.argv = ARGV("sh", "-c", "exec sleep 1000 >&-"); /* output ends, the program does not */
    check_error(ref, ERR_TIMEOUT, "secret command 'sh' did not end in time");
}

static void test_no_room(void **state)
{
    struct secret_ref ref = { .kind = SECRET_COMMAND, .argv = ARGV("echo", "s3cret"), .prefix = "Bearer " };
    struct buf out = BUF_INIT(12);
    struct err err = { 0 };

    assert_int_equal(secret_resolve(&ref, &out, &err), -ERR_TOO_LARGE);
    assert_string_equal(err.text, "a secret does not fit where it is needed");
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_none),    cmocka_unit_test(test_env),
    cmocka_unit_test(test_file),    cmocka_unit_test(test_file_at_and_over_its_ceiling),
    cmocka_unit_test(test_command), cmocka_unit_test(test_command_that_does_not_end),
    cmocka_unit_test(test_no_room),
};

UNIT_MAIN(tests)
