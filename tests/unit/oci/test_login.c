/* SPDX-License-Identifier: MIT */
#include "oci/login.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUB "https://index.docker.io/v1/"

static struct err err;

/* Header value back to JSON. */
static const char *plain(const struct buf *header, struct buf *out)
{
    struct buf copy = BUF_INIT(LOGIN_MAX);

    assert_int_equal(buf_add_span(&copy, buf_span(header)), 0);
    for (size_t i = 0; i < copy.len; i++)
        copy.data[i] = copy.data[i] == '-' ? '+' : copy.data[i] == '_' ? '/' : copy.data[i];
    assert_int_equal(base64_decode(out, buf_span(&copy)), 0);
    buf_done(&copy);
    return buf_text(out);
}

static int find(const char *config, const char *server, struct login *ret)
{
    struct arena arena = ARENA_INIT(1 << 16);
    const struct tree *tree;
    int r;

    assert_int_equal(json_parse(span_of(config), &arena, &tree, &err), 0);
    r = login_find(tree, server, ret, &err);
    arena_done(&arena);
    return r;
}

static void user_and_password_of_auths(void **state)
{
    struct login login;
    struct buf out = BUF_INIT(LOGIN_MAX);

    /* "u:p:w" */
    assert_int_equal(
        find("{\"auths\":{\"localhost:5000\":{\"auth\":\"dTpwOnc=\"}}}", "localhost:5000", &login), 0);
    assert_int_equal(login.kind, LOGIN_AUTH);
    assert_string_equal(plain(&login.header, &out),
                        "{\"username\":\"u\",\"password\":\"p:w\",\"serveraddress\":\"localhost:5000\"}");
    login_done(&login);
    buf_done(&out);
}

static void a_registry_is_found_by_its_host(void **state)
{
    struct login login;

    assert_int_equal(
        find("{\"auths\":{\"https://reg.example.com/v2/\":{\"auth\":\"dTpw\"}}}", "reg.example.com", &login),
        0);
    assert_int_equal(login.kind, LOGIN_AUTH);
    login_done(&login);
    assert_int_equal(find("{\"auths\":{\"" HUB "\":{\"auth\":\"dTpw\"}}}", HUB, &login), 0);
    assert_int_equal(login.kind, LOGIN_AUTH);
    login_done(&login);
    assert_int_equal(
        find("{\"auths\":{\"reg.example.com.evil\":{\"auth\":\"dTpw\"}}}", "reg.example.com", &login), 0);
    assert_int_equal(login.kind, LOGIN_NONE);
}

static void helpers_go_before_the_store(void **state)
{
    struct login login;

    assert_int_equal(
        find("{\"credsStore\":\"desktop\",\"credHelpers\":{\"a.io\":\"gcloud\"}}", "a.io", &login), 0);
    assert_int_equal(login.kind, LOGIN_HELPER);
    assert_string_equal(login.helper, "gcloud");
    assert_int_equal(find("{\"credsStore\":\"desktop\",\"auths\":{\"b.io\":{}}}", "b.io", &login), 0);
    assert_string_equal(login.helper, "desktop");
    assert_int_equal(find("{}", "b.io", &login), 0);
    assert_int_equal(login.kind, LOGIN_NONE);
}

static void what_cannot_be_read_says_nothing_secret(void **state)
{
    struct login login;

    assert_int_equal(find("{\"auths\":{\"a.io\":{\"auth\":\"c2VjcmV0\"}}}", "a.io", &login), -ERR_INVALID);
    assert_string_equal(err.text, "docker's configuration holds a login for 'a.io' that cannot be read");
    assert_int_equal(find("{\"credsStore\":\"../evil\"}", "a.io", &login), -ERR_INVALID);
    assert_string_equal(err.text, "docker's configuration names a credential helper that cannot be one");
}

static void a_helpers_answer_is_read(void **state)
{
    struct buf header = BUF_INIT(LOGIN_MAX), out = BUF_INIT(LOGIN_MAX);

    assert_int_equal(
        login_decode_helper("a.io", span_of("{\"ServerURL\":\"a.io\",\"Username\":\"u\",\"Secret\":\"s\"}"),
                            &header, &err),
        0);
    assert_string_equal(plain(&header, &out),
                        "{\"username\":\"u\",\"password\":\"s\",\"serveraddress\":\"a.io\"}");
    buf_clear(&header);
    buf_clear(&out);
    assert_int_equal(
        login_decode_helper("a.io", span_of("{\"Username\":\"<token>\",\"Secret\":\"s\"}"), &header, &err),
        0);
    assert_string_equal(plain(&header, &out), "{\"identitytoken\":\"s\",\"serveraddress\":\"a.io\"}");
    assert_int_equal(login_decode_helper("a.io", span_of("secret words"), &header, &err), -ERR_INVALID);
    assert_string_equal(err.text, "the credential helper's answer for 'a.io' cannot be read");
    buf_done(&header);
    buf_done(&out);
}

/* ---- with a file and a helper ---- */

struct answer {
    bool is_done;
    int result;
    char header[512];
    struct err err;
};

static void on_login(void *data, int result, const char *header, const struct err *why)
{
    struct answer *a = data;

    a->is_done = true;
    a->result = result;
    snprintf(a->header, sizeof(a->header), "%s", header);
    if (why)
        a->err = *why;
}

static void ask(const char *path, struct answer *a)
{
    struct loop *loop;
    struct login_query *query = NULL;

    *a = (struct answer){ 0 };
    assert_int_equal(loop_new(&loop, &err), 0);
    assert_int_equal(login_start(loop, path, "a.io", on_login, a, &query, &err), 0);
    assert_int_equal(loop_run(loop, &a->is_done, &err), 0);
    login_free(query);
    loop_free(loop);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    assert_int_equal(file_write_atomic(path, span_of(text), mode, &err), 0);
}

static void a_helper_is_asked_on_stdin(void **state)
{
    char dir[] = "/tmp/agentbox-login-XXXXXX";
    char config[64], helper[80], path[512];
    const char *old = getenv("PATH");
    struct buf header = BUF_INIT(1024), out = BUF_INIT(1024);
    struct answer a;

    assert_non_null(mkdtemp(dir));
    snprintf(config, sizeof(config), "%s/config.json", dir);
    snprintf(helper, sizeof(helper), "%s/docker-credential-test", dir);
    snprintf(path, sizeof(path), "%s:%s", dir, old);
    ask(config, &a); /* not there: no login */
    assert_int_equal(a.result, 0);
    assert_string_equal(a.header, "");
    write_file(config, "{\"credsStore\":\"test\"}", 0600);
    write_file(
        helper,
        "#!/bin/sh\nread -r server\nprintf '{\"Username\":\"u\",\"Secret\":\"%s %s\"}' \"$1\" \"$server\"\n",
        0755);
    assert_int_equal(setenv("PATH", path, 1), 0);
    ask(config, &a);
    assert_int_equal(a.result, 0);
    assert_int_equal(buf_add_text(&header, a.header), 0);
    assert_string_equal(plain(&header, &out),
                        "{\"username\":\"u\",\"password\":\"get a.io\",\"serveraddress\":\"a.io\"}");
    write_file(helper, "#!/bin/sh\necho credentials not found in native keychain\nexit 1\n", 0755);
    ask(config, &a);
    assert_int_equal(a.result, 0);
    assert_string_equal(a.header, "");
    write_file(helper, "#!/bin/sh\necho the-secret\nexit 3\n", 0755);
    ask(config, &a);
    assert_int_equal(a.result, -ERR_ENGINE);
    assert_string_equal(a.err.text, "'docker-credential-test get' for 'a.io' ended with status 3");
    assert_int_equal(setenv("PATH", old, 1), 0);
    (void) unlink(config);
    (void) unlink(helper);
    (void) rmdir(dir);
    buf_done(&header);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_and_password_of_auths),
        cmocka_unit_test(a_registry_is_found_by_its_host),
        cmocka_unit_test(helpers_go_before_the_store),
        cmocka_unit_test(what_cannot_be_read_says_nothing_secret),
        cmocka_unit_test(a_helpers_answer_is_read),
        cmocka_unit_test(a_helper_is_asked_on_stdin),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
