/* SPDX-License-Identifier: MIT */
/*
 * Pulling from a registry: a real one (docker-registry) on the loopback, with and without a login, through
 * the engine of DOCKER_HOST. The image is the demo image under another name.
 */
#include "oci/engine.h"
#include "oci/image.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* agent:secret */
#define HTPASSWD "agent:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
#define AUTH     "YWdlbnQ6c2VjcmV0"

static char dir[64], config[96], name[96];
static int reserved; /* nobody else takes the port; the registry can, since both say SO_REUSEADDR */
static pid_t registry;
static int port;
static struct loop *loop;
static struct http *http;
static struct engine *engine;
static struct err err;

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...)
{
    char command[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(command, sizeof(command), format, ap);
    va_end(ap);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static int connect_to(int number)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) number) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r = connect(fd, (struct sockaddr *) &a, sizeof(a));
    (void) close(fd);
    return r;
}

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &len), 0);
    reserved = fd;
    return ntohs(a.sin_port);
}

static void write_text(const char *file, const char *text)
{
    char path[160];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void start_registry(bool has_login)
{
    char yaml[1024];
    int tries = 3000;

    if (reserved > 0)
        (void) close(reserved);
    port = free_port();
    snprintf(yaml, sizeof(yaml),
             "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\n"
             "http: {addr: '127.0.0.1:%d'}\n%s%s%s",
             dir, port, has_login ? "auth: {htpasswd: {realm: test, path: " : "", has_login ? dir : "",
             has_login ? "/htpasswd}}\n" : "");
    write_text("registry.yml", yaml);
    write_text("htpasswd", HTPASSWD);
    snprintf(yaml, sizeof(yaml), "%s/registry.yml", dir);
    registry = fork();
    if (registry == 0) {
        (void) !freopen("/dev/null", "w", stdout);
        (void) !freopen("/dev/null", "w", stderr);
        execlp("docker-registry", "docker-registry", "serve", yaml, (char *) NULL);
        _exit(127);
    }
    while (connect_to(port) < 0 && tries-- > 0)
        (void) poll(NULL, 0, 20);
    assert_true(tries > 0);
    snprintf(name, sizeof(name), "127.0.0.1:%d/agentbox/pulled:1", port);
    snprintf(config, sizeof(config), "%s/config.json", dir);
}

static void log_in(const char *auth)
{
    char text[256];

    snprintf(text, sizeof(text), "{\"auths\":{\"127.0.0.1:%d\":{\"auth\":\"%s\"}}}", port, auth);
    write_text("config.json", text);
}

static void push(void)
{
    log_in(AUTH);
    shell("docker tag agentbox-demo:1 %s && docker --config %s push -q %s >/dev/null && docker rmi %s "
          ">/dev/null",
          name, dir, name, name);
}

struct found {
    bool is_done;
    int result, steps;
    char id[80], digest[80];
    struct err err;
};

static void on_step(void *data, const char *text)
{
    ((struct found *) data)->steps++;
}

static void on_done(void *data, int result, const struct image *image, const struct err *why)
{
    struct found *f = data;

    f->is_done = true;
    f->result = result;
    if (image) {
        snprintf(f->id, sizeof(f->id), "%s", image->id);
        snprintf(f->digest, sizeof(f->digest), "%s", image->digest);
    }
    if (why)
        f->err = *why;
}

static struct found pull(const char *what, enum sandbox_pull policy)
{
    static const struct image_ops ops = { on_step, on_done };
    struct image_query *query = NULL;
    struct found f = { 0 };

    assert_int_equal(image_query_start(engine, what, policy, config, &ops, &f, &query, &err), 0);
    assert_int_equal(loop_run(loop, &f.is_done, &err), 0);
    image_query_free(query);
    return f;
}

static void a_missing_image_is_pulled_and_its_digest_known(void **state)
{
    struct found f;
    char by_digest[256];

    start_registry(false);
    push();
    f = pull(name, SANDBOX_PULL_NEVER);
    assert_int_equal(f.result, -ERR_ENGINE);
    f = pull(name, SANDBOX_PULL_MISSING);
    if (f.result < 0)
        fail_msg("%s", f.err.text);
    assert_true(f.steps > 0);
    assert_int_equal(strncmp(f.id, "sha256:", 7), 0);
    assert_int_equal(strncmp(f.digest, "sha256:", 7), 0);
    f = pull(name, SANDBOX_PULL_MISSING);
    assert_int_equal(f.steps, 0); /* it is there */
    f = pull(name, SANDBOX_PULL_ALWAYS);
    assert_int_equal(f.result, 0);
    snprintf(by_digest, sizeof(by_digest), "127.0.0.1:%d/agentbox/pulled@%s", port, f.digest);
    shell("docker rmi %s >/dev/null", name);
    f = pull(by_digest, SANDBOX_PULL_MISSING);
    assert_int_equal(f.result, 0);
    shell("docker rmi %s >/dev/null", by_digest);
}

static void what_the_registry_does_not_have_is_told(void **state)
{
    struct found f;
    char text[256];

    start_registry(false);
    f = pull(name, SANDBOX_PULL_MISSING);
    assert_int_equal(f.result, -ERR_ENGINE);
    snprintf(text, sizeof(text), "pulling image '%s': ", name);
    assert_int_equal(strncmp(f.err.text, text, strlen(text)), 0);
    assert_non_null(strstr(f.err.text, "unknown"));
    snprintf(text, sizeof(text), "check the name, and that the engine's host can reach '127.0.0.1:%d'", port);
    assert_string_equal(f.err.hint, text);
}

static void a_login_opens_what_is_closed_without(void **state)
{
    struct found f;
    char text[256];

    start_registry(true);
    push();
    f = pull(name, SANDBOX_PULL_MISSING);
    if (f.result < 0)
        fail_msg("%s", f.err.text);
    shell("docker rmi %s >/dev/null", name);
    write_text("config.json", "{}");
    f = pull(name, SANDBOX_PULL_MISSING);
    assert_int_equal(f.result, -ERR_ENGINE);
    snprintf(text, sizeof(text), "log in with `docker login 127.0.0.1:%d`, or check the name", port);
    assert_string_equal(f.err.hint, text);
    log_in("YWdlbnQ6d3Jvbmc="); /* agent:wrong */
    f = pull(name, SANDBOX_PULL_MISSING);
    assert_int_equal(f.result, -ERR_ENGINE);
    assert_string_equal(f.err.hint, text);
    assert_null(strstr(f.err.text, "wrong"));
}

/* A helper as docker has them: `docker-credential-NAME get`, the server on stdin, JSON on stdout. */
static void write_helper(const char *helper, const char *script)
{
    char path[160], file[64];

    snprintf(file, sizeof(file), "docker-credential-%s", helper);
    write_text(file, script);
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    assert_int_equal(chmod(path, 0755), 0);
}

#define HELPER(body) \
    "#!/bin/sh\n[ \"$1\" = get ] || exit 9\nread -r server\necho \"$server\" >>\"${0%/*}/asked\"\n" body "\n"

/* Pulls once with this configuration, and the image is gone again. */
static struct found pull_with(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct found pull_with(const char *format, ...)
{
    char text[512];
    struct found f;
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    write_text("config.json", text);
    f = pull(name, SANDBOX_PULL_MISSING);
    if (f.result == 0)
        shell("docker rmi %s >/dev/null", name);
    return f;
}

static void helpers_are_asked_for_logins(void **state)
{
    const char *before = getenv("PATH");
    char path[4096], asked[64];
    struct found f;

    start_registry(true);
    push();
    snprintf(path, sizeof(path), "%s:%s", dir, before);
    assert_int_equal(setenv("PATH", path, 1), 0);
    write_helper(
        "good",
        HELPER("printf '{\"ServerURL\":\"%s\",\"Username\":\"agent\",\"Secret\":\"secret\"}' \"$server\""));
    write_helper("wrong", HELPER("echo '{\"Username\":\"agent\",\"Secret\":\"not-this\"}'"));
    write_helper("empty", HELPER("echo 'credentials not found in native keychain'; exit 1"));
    write_helper("broken", HELPER("echo 'panic: secret'; exit 2"));
    write_helper("liar", HELPER("echo 'secret {'"));
    f = pull_with("{\"credHelpers\":{\"127.0.0.1:%d\":\"good\"},\"credsStore\":\"broken\"}", port);
    if (f.result < 0)
        fail_msg("%s", f.err.text);
    f = pull_with("{\"credsStore\":\"good\"}");
    if (f.result < 0)
        fail_msg("%s", f.err.text);
    snprintf(asked, sizeof(asked), "127.0.0.1:%d", port);
    shell("[ \"$(sort -u %s/asked)\" = %s ]", dir, asked);
    f = pull_with("{\"credsStore\":\"wrong\"}");
    assert_int_equal(f.result, -ERR_ENGINE);
    assert_null(strstr(f.err.text, "not-this"));
    f = pull_with("{\"credsStore\":\"empty\"}"); /* no login, so the registry refuses */
    assert_int_equal(f.result, -ERR_ENGINE);
    assert_non_null(strstr(f.err.hint, "docker login"));
    f = pull_with("{\"credsStore\":\"broken\"}");
    snprintf(path, sizeof(path), "'docker-credential-broken get' for '127.0.0.1:%d' ended with status 2",
             port);
    assert_string_equal(f.err.text, path);
    f = pull_with("{\"credsStore\":\"liar\"}");
    snprintf(path, sizeof(path), "the credential helper's answer for '127.0.0.1:%d' cannot be read", port);
    assert_string_equal(f.err.text, path);
    f = pull_with("{\"credsStore\":\"nowhere\"}");
    assert_true(f.result < 0);
    f = pull_with("{\"credsStore\":\"../../bin/sh\"}");
    assert_true(f.result < 0);
    assert_non_null(
        strstr(f.err.text, "docker's configuration names a credential helper that cannot be one"));
}

static int setup(void **state)
{
    struct arena arena = ARENA_INIT(1 << 24);
    struct endpoint at;

    strcpy(dir, "/tmp/agentbox-registry-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_non_null(getenv("DOCKER_HOST"));
    assert_int_equal(loop_new(&loop, &err), 0);
    assert_int_equal(http_new(loop, &http, &err), 0);
    assert_int_equal(endpoint_resolve("auto", &endpoint_env_process, &arena, &at, &err), 0);
    assert_int_equal(engine_new(loop, http, &at, &engine, &err), 0);
    arena_done(&arena);
    return engine_open_wait(engine, &err);
}

static int done(void **state)
{
    engine_free(engine);
    http_free(http);
    loop_free(loop);
    if (registry > 0) {
        (void) kill(registry, SIGTERM);
        (void) waitpid(registry, NULL, 0);
    }
    shell("rm -r %s", dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_image_is_pulled_and_its_digest_known, setup, done),
        cmocka_unit_test_setup_teardown(what_the_registry_does_not_have_is_told, setup, done),
        cmocka_unit_test_setup_teardown(a_login_opens_what_is_closed_without, setup, done),
        cmocka_unit_test_setup_teardown(helpers_are_asked_for_logins, setup, done),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
