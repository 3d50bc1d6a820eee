/* SPDX-License-Identifier: MIT */
/*
 * The engine client against a server of the test's own: a unix socket, a child that answers
 * each request with the next prepared text.
 */
#include "oci/engine.h"

#include "core/base/json.h"
#include "oci/image.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION_141                                                                                        \
    "{\"Version\":\"20.10\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\",\"Os\":\"linux\",\"Arch\":" \
    "\"amd64\"}"
#define SILENCE "" /* an answer that never comes */
#define PING                                                                                             \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24+x (linux)\r\n" \
    "Ostype: linux\r\nContent-Length: 2\r\n\r\nOK"
#define NO_PING http_answer("200 OK", "OK") /* without a word about versions */

static char dir[64], path[100];
static pid_t server;
static struct loop *loop;
static struct http *http;
static struct engine *engine;
static struct err err;

static int listen_at(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    (void) unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* One request a connection is enough: every answer closes. */
static void answer(int fd, const char *text)
{
    char request[65536];
    size_t n = 0;
    ssize_t got;

    request[0] = '\0';
    while (!strstr(request, "\r\n\r\n") && (got = read(fd, request + n, sizeof(request) - n - 1)) > 0) {
        n += (size_t) got;
        request[n] = '\0';
    }
    if (!*text)
        pause();
    (void) !write(fd, text, strlen(text));
    (void) close(fd);
}

static void serve(const char *const *answers)
{
    int fd = listen_at();

    server = fork();
    if (server == 0) {
        for (; *answers; answers++)
            answer(accept(fd, NULL, NULL), *answers);
        _exit(0);
    }
    (void) close(fd);
}

static const char *http_answer(const char *status, const char *body)
{
    static char texts[8][8192];
    static int at;
    char *text = texts[at++ % 8];

    snprintf(text, sizeof(texts[0]), "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
             status, strlen(body), body);
    return text;
}

static char url[160];

static int setup(void **state)
{
    struct endpoint at = {
        .url = url, .source = "the test", .base_url = "http://engine", .unix_path = path, .is_local = true
    };

    strcpy(dir, "/tmp/agentbox-engine-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(url, sizeof(url), "unix://%s", path);
    server = 0;
    err = (struct err){ 0 };
    assert_int_equal(loop_new(&loop, &err), 0);
    assert_int_equal(http_new(loop, &http, &err), 0);
    return engine_new(loop, http, &at, &engine, &err);
}

static int done(void **state)
{
    engine_free(engine);
    http_free(http);
    loop_free(loop);
    if (server > 0) {
        (void) kill(server, SIGKILL);
        (void) waitpid(server, NULL, 0);
    }
    (void) unlink(path);
    return rmdir(dir);
}

static void assert_err(const char *format)
{
    char text[1024];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), format, url);
#pragma GCC diagnostic pop
    assert_string_equal(err.text, text);
}

/* ---- reaching it ---- */

static void an_engine_is_opened(void **state)
{
    const char *const answers[] = { PING, NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), 0);
    assert_string_equal(engine_about(engine)->api, "1.41");
    assert_string_equal(engine_about(engine)->version, "20.10.24+x");
    assert_string_equal(engine_about(engine)->os, "linux");
    assert_string_equal(engine_about(engine)->arch, "");
    assert_false(engine_about(engine)->is_podman);
}

static void an_engine_without_headers_is_asked_for_its_version(void **state)
{
    const char *const answers[] = { NO_PING, http_answer("200 OK", VERSION_141), NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), 0);
    assert_string_equal(engine_about(engine)->api, "1.41");
    assert_string_equal(engine_about(engine)->version, "20.10");
    assert_string_equal(engine_about(engine)->arch, "amd64");
}

static void an_engine_that_refuses_pings_is_asked_for_its_version(void **state)
{
    const char *const answers[] = { http_answer("404 Not Found", "page not found"),
                                    http_answer("200 OK", VERSION_141), NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), 0);
    assert_string_equal(engine_about(engine)->api, "1.41");
}

static void an_engine_is_described(void **state)
{
    const char *const answers[] = { http_answer("200 OK", VERSION_141), NULL };

    serve(answers);
    assert_int_equal(engine_describe_wait(engine, &err), 0);
    assert_string_equal(engine_about(engine)->api_oldest, "1.12");
    assert_string_equal(engine_about(engine)->arch, "amd64");
}

static void odd_headers_of_a_ping_are_not_believed(void **state)
{
    const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nApi-Version: 9999999999999999999\r\n\r\n",
        http_answer("500 Oops", "{\"message\":\"starting\"}"), NULL
    };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
    assert_string_equal(err.text, "engine refused 'GET /version' with status 500: starting");
}

static void no_socket_says_how_to_start_it(void **state)
{
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
    assert_err("engine not reachable at %s: there is no such socket");
    assert_string_equal(err.hint,
                        "start it with `systemctl start docker`, or say where it is with DOCKER_HOST or "
                        "sandbox.engine");
}

static void nobody_listening_is_refused(void **state)
{
    (void) close(listen_at());
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
    assert_err("engine not reachable at %s: connection refused");
    assert_string_equal(err.hint, "nothing listens there: start it with `systemctl start docker`");
}

static void no_permission_names_the_group(void **state)
{
    int fd, status = 0;
    pid_t pid;

    if (getuid() != 0)
        skip();
    fd = listen_at();
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    pid = fork(); /* root may speak to every socket: so somebody else does */
    if (pid == 0) {
        int r = setuid(65534) == 0 ? engine_open_wait(engine, &err) : 0;
        char text[256];

        snprintf(text, sizeof(text), "engine not reachable at %s: permission denied", url);
        _exit(r == -ERR_ENGINE && strcmp(err.text, text) == 0 &&
                      strncmp(err.hint, "add yourself to the group docker", 32) == 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void) close(fd);
}

static void a_web_server_is_no_engine(void **state)
{
    const char *const answers[] = { NO_PING, http_answer("200 OK", "<html>hello</html>"), NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
    assert_err("what listens at %s is not a container engine: its '/version' names no API");
    assert_string_equal(err.hint, "the test decided for it");
}

static void garbage_is_no_engine(void **state)
{
    const char *const answers[] = { "SSH-2.0-OpenSSH_9.2\r\n", NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
    assert_int_equal(strncmp(err.text, "what listens at unix://", 23), 0);
    assert_non_null(strstr(err.text, "does not speak like a container engine: 'GET /_ping'"));
}

static void a_cut_answer_is_an_error(void **state)
{
    const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"ApiV", NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
}

static void an_old_engine_is_told_what_is_needed(void **state)
{
    const char *const answers[] = { "HTTP/1.1 200 OK\r\nConnection: close\r\nApi-Version: 1.40\r\n\r\nOK",
                                    NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), -ERR_ENGINE);
    assert_err("engine at %s: the engine speaks API 1.40 only; 1.41 is needed");
    assert_string_equal(err.hint, "update it: Docker Engine 20.10 and newer, Podman 4 and newer will do");
}

static void versions_are_settled(void **state)
{
    char api[16];

    assert_int_equal(engine_settle("1.41", "1.12", api, &err), 0);
    assert_string_equal(api, "1.41");
    assert_int_equal(engine_settle("1.52", "1.44", api, &err), 0);
    assert_string_equal(api, "1.47");
    assert_int_equal(engine_settle("1.43", "", api, &err), 0);
    assert_string_equal(api, "1.43");
    assert_int_equal(engine_settle("1.99", "1.60", api, &err), -ERR_ENGINE);
    assert_string_equal(err.text, "the engine speaks no API older than 1.60; this program knows up to 1.47");
    assert_int_equal(engine_settle("2.0", "", api, &err), -ERR_ENGINE);
    assert_int_equal(engine_settle("1.x", "", api, &err), -ERR_ENGINE);
    assert_string_equal(err.text, "the engine offers API version '1.x', which is none");
}

static void podman_is_recognised(void **state)
{
    const char *const answers[] = { "HTTP/1.1 200 OK\r\nConnection: close\r\nApi-Version: 1.41\r\n"
                                    "Libpod-Api-Version: 4.3.1\r\nServer: Libpod/4.3.1 (linux)\r\n\r\nOK",
                                    NULL };

    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), 0);
    assert_true(engine_about(engine)->is_podman);
    assert_string_equal(engine_about(engine)->version, "4.3.1");
}

static void podman_is_recognised_by_its_components(void **state)
{
    const char *const answers[] = {
        http_answer("200 OK", "{\"ApiVersion\":\"1.41\",\"Components\":[{\"Name\":\"Podman Engine\"}]}"), NULL
    };

    serve(answers);
    assert_int_equal(engine_describe_wait(engine, &err), 0);
    assert_true(engine_about(engine)->is_podman);
}

/* ---- asking it ---- */

static int ask(const char *const *more, struct engine_answer *ret, struct engine_call **call,
               int64_t deadline_ms)
{
    const char *answers[8] = { PING };
    const struct engine_request req = { .path = "/thing?x=1", .deadline_ms = deadline_ms };

    for (size_t i = 0; more[i]; i++)
        answers[i + 1] = more[i];
    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), 0);
    return engine_wait(engine, &req, call, ret, &err);
}

static void an_answer_is_parsed(void **state)
{
    const char *const answers[] = { http_answer("200 OK", "{\"a\":1}"), NULL };
    struct engine_answer got;
    struct engine_call *call = NULL;

    assert_int_equal(ask(answers, &got, &call, 0), 0);
    assert_int_equal(got.status, 200);
    assert_int_equal(tree_int(tree_get(got.tree, "a"), 0), 1);
    engine_call_free(call);
}

static void refused(const char *status, const char *body, int code, const char *text)
{
    const char *const answers[] = { http_answer(status, body), NULL };
    struct engine_answer got;
    struct engine_call *call = NULL;

    assert_int_equal(ask(answers, &got, &call, 0), code);
    assert_string_equal(err.text, text);
    assert_null(call);
}

static void the_engines_own_words_are_kept(void **state)
{
    refused("500 Oops", "{\"message\":\"disk\\nfull\"}", -ERR_ENGINE,
            "engine refused 'GET /thing' with status 500: disk full");
}

static void not_found_has_its_code(void **state)
{
    refused("404 Not Found", "{\"message\":\"no such thing\"}", -ERR_NOT_FOUND, "no such thing");
}

static void conflict_has_its_code(void **state)
{
    refused("409 Conflict", "{\"message\":\"name is taken\"}", -ERR_CONFLICT, "name is taken");
}

static void html_of_a_proxy_is_not_quoted(void **state)
{
    refused("502 Bad Gateway", "<html>secret</html>", -ERR_ENGINE,
            "engine refused 'GET /thing' with status 502: status 502 without a word");
}

static void plain_text_is_quoted(void **state)
{
    refused("400 Bad Request", "no good\n", -ERR_ENGINE,
            "engine refused 'GET /thing' with status 400: no good");
}

static void silence_ends_at_the_deadline(void **state)
{
    const char *const answers[] = { SILENCE, NULL };
    struct engine_answer got;
    struct engine_call *call = NULL;

    assert_int_equal(ask(answers, &got, &call, 500), -ERR_TIMEOUT);
    assert_err("engine at %s did not answer 'GET /thing' in time");
    assert_string_equal(err.hint, "see whether `docker ps` answers");
}

static void a_lost_answer_is_typed(void **state)
{
    const char *const answers[] = { "HTTP/1.1 201 Created\r\nContent-Length: 90\r\n\r\n{\"Id\":", NULL };
    struct engine_answer got;
    struct engine_call *call = NULL;

    assert_int_equal(ask(answers, &got, &call, 0), -ERR_ENGINE);
    assert_non_null(strstr(err.text, "'GET /thing'"));
}

static void names_are_escaped(void **state)
{
    struct buf out = BUF_INIT(100);

    assert_int_equal(engine_escape(&out, "a/b?c&d#e %\x01", true), 0);
    assert_string_equal(buf_text(&out), "a/b%3Fc%26d%23e%20%25%01");
    buf_clear(&out);
    assert_int_equal(engine_escape(&out, "a/b:1@x", false), 0);
    assert_string_equal(buf_text(&out), "a%2Fb:1@x");
    buf_done(&out);
}

/* ---- images ---- */

struct found {
    bool is_done;
    int result;
    char id[80];
    struct err err;
};

static void on_image(void *data, int result, const struct image *image, const struct err *why)
{
    struct found *f = data;

    f->is_done = true;
    f->result = result;
    if (image)
        snprintf(f->id, sizeof(f->id), "%s", image->id);
    if (why)
        f->err = *why;
}

#define IMAGE \
    "{\"Id\":\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"Os\":\"linux\"}"
#define MISSING http_answer("404 Not Found", "{\"message\":\"No such image\"}")

static void look_for(const char *const *more, enum sandbox_pull pull, struct found *f)
{
    static const struct image_ops ops = { NULL, on_image };
    const char *answers[8] = { PING };
    struct image_query *query = NULL;

    for (size_t i = 0; more[i]; i++)
        answers[i + 1] = more[i];
    *f = (struct found){ 0 };
    serve(answers);
    assert_int_equal(engine_open_wait(engine, &err), 0);
    assert_int_equal(image_query_start(engine, "reg.example.com/x:1", pull, NULL, &ops, f, &query, &err), 0);
    assert_int_equal(loop_run(loop, &f->is_done, &err), 0);
    image_query_free(query);
}

static void an_image_that_is_there_is_not_pulled(void **state)
{
    const char *const answers[] = { http_answer("200 OK", IMAGE), NULL };
    struct found f;

    look_for(answers, SANDBOX_PULL_MISSING, &f);
    assert_int_equal(f.result, 0);
    assert_int_equal(strncmp(f.id, "sha256:0123", 11), 0);
}

static void an_image_that_is_missing_is_pulled(void **state)
{
    const char *const answers[] = { MISSING, http_answer("200 OK", "{\"status\":\"Pulling\"}\r\n"),
                                    http_answer("200 OK", IMAGE), NULL };
    struct found f;

    look_for(answers, SANDBOX_PULL_MISSING, &f);
    assert_int_equal(f.result, 0);
}

static void never_means_never(void **state)
{
    const char *const answers[] = { MISSING, NULL };
    struct found f;

    look_for(answers, SANDBOX_PULL_NEVER, &f);
    assert_int_equal(f.result, -ERR_ENGINE);
    assert_string_equal(f.err.text, "image 'reg.example.com/x:1' is not on the engine");
    assert_string_equal(f.err.hint, "`docker pull reg.example.com/x:1`, or sandbox.pull: missing");
}

static void an_error_line_inside_a_200_fails_the_pull(void **state)
{
    const char *const answers[] = {
        MISSING, http_answer("200 OK", "{\"status\":\"x\"}\n{\"error\":\"manifest unknown\"}\n"), NULL
    };
    struct found f;

    look_for(answers, SANDBOX_PULL_MISSING, &f);
    assert_int_equal(f.result, -ERR_ENGINE);
    assert_string_equal(f.err.text, "pulling image 'reg.example.com/x:1': manifest unknown");
    assert_string_equal(f.err.hint, "check the name, and that the engine's host can reach 'reg.example.com'");
}

static void a_refused_login_says_so(void **state)
{
    const char *const answers[] = { http_answer("500 Oops", "{\"message\":\"no basic auth credentials\"}"),
                                    NULL };
    struct found f;

    look_for(answers, SANDBOX_PULL_ALWAYS, &f);
    assert_int_equal(f.result, -ERR_ENGINE);
    assert_string_equal(f.err.text, "pulling image 'reg.example.com/x:1': no basic auth credentials");
    assert_string_equal(f.err.hint, "log in with `docker login reg.example.com`, or check the name");
}

int main(void)
{
#define ONE(x) cmocka_unit_test_setup_teardown(x, setup, done)
    const struct CMUnitTest tests[] = {
        ONE(an_engine_is_opened),
        ONE(an_engine_without_headers_is_asked_for_its_version),
        ONE(an_engine_that_refuses_pings_is_asked_for_its_version),
        ONE(an_engine_is_described),
        ONE(odd_headers_of_a_ping_are_not_believed),
        ONE(no_socket_says_how_to_start_it),
        ONE(nobody_listening_is_refused),
        ONE(no_permission_names_the_group),
        ONE(a_web_server_is_no_engine),
        ONE(garbage_is_no_engine),
        ONE(a_cut_answer_is_an_error),
        ONE(an_old_engine_is_told_what_is_needed),
        ONE(versions_are_settled),
        ONE(podman_is_recognised),
        ONE(podman_is_recognised_by_its_components),
        ONE(an_answer_is_parsed),
        ONE(the_engines_own_words_are_kept),
        ONE(not_found_has_its_code),
        ONE(conflict_has_its_code),
        ONE(html_of_a_proxy_is_not_quoted),
        ONE(plain_text_is_quoted),
        ONE(silence_ends_at_the_deadline),
        ONE(a_lost_answer_is_typed),
        ONE(names_are_escaped),
        ONE(an_image_that_is_there_is_not_pulled),
        ONE(an_image_that_is_missing_is_pulled),
        ONE(never_means_never),
        ONE(an_error_line_inside_a_200_fails_the_pull),
        ONE(a_refused_login_says_so),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
