/* SPDX-License-Identifier: MIT */
/*
 * The Docker sandbox against an engine of the test's own that fails in the ways engines do: answers that get
 * lost, names that are taken, a start that is refused. A child serves one connection after the other and
 * answers by method and path; each line is used once, in order, and what was asked is written down.
 */
#include "oci/docker_sandbox.h"

#include "core/base/file.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CUT "" /* the connection closes without an answer */

struct line {
    const char *request; /* beginning of "METHOD /path" without the version */
    const char *status;
    const char *body;
};

#define VERSION                                                                  \
    {                                                                            \
        "GET /version", "200 OK", "{\"ApiVersion\":\"1.41\",\"Arch\":\"amd64\"}" \
    }
#define IMAGE                                                                        \
    {                                                                                \
        "GET /images/x:1/json", "200 OK",                                            \
            "{\"Id\":\"sha256:" ID "\",\"Os\":\"linux\",\"Architecture\":\"amd64\"}" \
    }
#define GUEST                                            \
    {                                                    \
        "GET /volumes/agentbox-guest-d1", "200 OK", "{}" \
    }
#define CREATED                                                                            \
    {                                                                                      \
        "POST /containers/create?name=agentbox-r1-1", "201 Created", "{\"Id\":\"" ID "\"}" \
    }
#define NO_ATTACH                                                                   \
    {                                                                               \
        "POST /containers/" ID "/attach", "404 Not Found", "{\"message\":\"gone\"}" \
    }
#define REMOVED                                     \
    {                                               \
        "DELETE /containers/", "204 No Content", "" \
    }

static char dir[64], path[100], url[128], heard[128];
static pid_t server;
static struct loop *loop;
static struct http *http;
static struct sandbox *sb;
static struct sandbox_spec spec;
static struct err err, ready_err;
static bool is_ready, is_removed, has_intent, must_hold;
static int ready_result, removed_result;

/* ---- the engine ---- */

static void note(const char *request)
{
    FILE *f = fopen(heard, "a");

    if (f) {
        (void) fprintf(f, "%.*s\n", (int) strcspn(request, " ?\r") == 0 ? 0 : (int) strcspn(request, "\r"),
                       request);
        (void) fclose(f);
    }
}

/* "GET /v1.41/x HTTP/1.1" -> "GET /x" */
static void plain_request(const char *text, char *ret, size_t size)
{
    char method[16] = "", target[512] = "";
    const char *rest = target;

    (void) !sscanf(text, "%15s %511s", method, target);
    if (strncmp(target, "/v1.41/", 7) == 0)
        rest = target + 6;
    snprintf(ret, size, "%s %s", method, rest);
}

static void answer(int fd, struct line *lines)
{
    char text[65536], request[600];
    size_t n = 0;
    ssize_t got;

    text[0] = '\0';
    while (!strstr(text, "\r\n\r\n") && (got = read(fd, text + n, sizeof(text) - n - 1)) > 0) {
        n += (size_t) got;
        text[n] = '\0';
    }
    plain_request(text, request, sizeof(request));
    note(request);
    for (; lines->request; lines++) {
        if (!*lines->request || strncmp(request, lines->request, strlen(lines->request)) != 0)
            continue;
        lines->request = "";
        if (*lines->status)
            dprintf(fd, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", lines->status,
                    strlen(lines->body), lines->body);
        (void) shutdown(fd, SHUT_RDWR);
        return;
    }
    dprintf(fd, "HTTP/1.1 500 Not expected\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

static void serve(const struct line *lines)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct line own[16] = { 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    for (size_t i = 0; lines[i].request; i++)
        own[i] = lines[i];
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    server = fork();
    while (server == 0) {
        int one = accept(fd, NULL, NULL);

        answer(one, own);
        (void) close(one);
    }
    (void) close(fd);
}

static void assert_heard(const char *wanted)
{
    struct buf is = BUF_INIT(65536);

    assert_int_equal(file_read(heard, &is, &err), 0);
    if (!strstr(buf_text(&is), wanted))
        fail_msg("no '%s' in:\n%s", wanted, buf_text(&is));
    buf_done(&is);
}

/* ---- the owner ---- */

static void on_intent(void *data, const struct sandbox_info *info)
{
    has_intent = true;
    if (!must_hold)
        assert_int_equal(sandbox_proceed(sb, &err), 0);
}

static void on_ready(void *data, int result, const struct err *why)
{
    is_ready = true;
    ready_result = result;
    if (why)
        ready_err = *why;
}

static void on_removed(void *data, int result, const struct err *why)
{
    is_removed = true;
    removed_result = result;
}

static const struct sandbox_events events = { NULL, on_intent, on_ready, NULL };

static void start(const struct line *lines)
{
    static const struct docker_guest guest = { { "ELF", 3 }, "d1", "amd64" };
    const struct docker_identity id = { "r1", "n", "0", 1, 0 };

    serve(lines);
    assert_int_equal(docker_sandbox_new(loop, http, &spec, &id, &guest, &sb, &err), 0);
    assert_int_equal(sandbox_start(sb, &events, NULL, &err), 0);
}

static void start_and_fail(const struct line *lines, const char *text)
{
    start(lines);
    assert_int_equal(loop_run(loop, &is_ready, &err), 0);
    assert_true(ready_result < 0);
    assert_string_equal(ready_err.text, text);
}

static void remove_it(void)
{
    assert_int_equal(sandbox_remove(sb, on_removed, NULL, &err), 0);
    assert_int_equal(loop_run(loop, &is_removed, &err), 0);
    assert_int_equal(removed_result, 0);
}

/* ---- what may go wrong ---- */

static void a_lost_answer_to_create_finds_its_container(void **state)
{
    const struct line lines[] = {
        VERSION,
        IMAGE,
        GUEST,
        { "POST /containers/create", CUT, NULL },
        { "GET /containers/agentbox-r1-1/json", "200 OK",
          "{\"Id\":\"" ID
          "\",\"State\":{\"Status\":\"created\"},\"Config\":{\"Labels\":{\"agentbox.run\":\"r1\","
          "\"agentbox.attempt\":\"1\"}}}" },
        NO_ATTACH,
        REMOVED,
        { 0 }
    };

    start_and_fail(lines, "attaching to the sandbox: gone");
    remove_it();
    assert_heard("DELETE /containers/" ID "?force=1&v=1\n");
}

static void a_lost_answer_without_a_container_is_the_failure_it_is(void **state)
{
    const struct line lines[] = { VERSION,
                                  IMAGE,
                                  GUEST,
                                  { "POST /containers/create", CUT, NULL },
                                  { "GET /containers/agentbox-r1-1/json", "404 Not Found",
                                    "{\"message\":\"No such container\"}" },
                                  { 0 } };

    start(lines);
    assert_int_equal(loop_run(loop, &is_ready, &err), 0);
    assert_int_equal(ready_result, -ERR_ENGINE);
    assert_int_equal(strncmp(ready_err.text, "creating the sandbox: ", 22), 0);
    remove_it(); /* nothing to remove, nothing asked: the server has no answer for it */
}

static void a_leftover_of_the_same_attempt_is_replaced(void **state)
{
    const struct line lines[] = {
        VERSION,
        IMAGE,
        GUEST,
        { "POST /containers/create", "409 Conflict", "{\"message\":\"name in use\"}" },
        { "GET /containers/agentbox-r1-1/json", "200 OK",
          "{\"Id\":\"" ID
          "\",\"State\":{\"Status\":\"exited\"},\"Config\":{\"Labels\":{\"agentbox.run\":\"r1\","
          "\"agentbox.attempt\":\"1\"}}}" },
        REMOVED,
        CREATED,
        NO_ATTACH,
        REMOVED,
        { 0 }
    };

    start_and_fail(lines, "attaching to the sandbox: gone");
    assert_heard("DELETE /containers/agentbox-r1-1?force=1&v=1\n");
    remove_it();
}

static void somebody_elses_container_is_left_alone(void **state)
{
    const struct line lines[] = {
        VERSION,
        IMAGE,
        GUEST,
        { "POST /containers/create", "409 Conflict", "{\"message\":\"name in use\"}" },
        { "GET /containers/agentbox-r1-1/json", "200 OK", "{\"Id\":\"" ID "\",\"Config\":{\"Labels\":{}}}" },
        { 0 }
    };

    start_and_fail(lines, "a container 'agentbox-r1-1' exists that is not of this run");
    remove_it(); /* without a DELETE, for which there is no answer */
}

static void a_create_that_is_refused_says_why(void **state)
{
    const struct line lines[] = { VERSION,
                                  IMAGE,
                                  GUEST,
                                  { "POST /containers/create", "400 Bad Request",
                                    "{\"message\":\"bad seccomp\"}" },
                                  { 0 } };

    start_and_fail(
        lines, "creating the sandbox: engine refused 'POST /containers/create' with status 400: bad seccomp");
    remove_it();
}

static void an_image_for_another_machine_is_refused_before_anything_is_made(void **state)
{
    const struct line lines[] = { VERSION,
                                  { "GET /images/x:1/json", "200 OK",
                                    "{\"Id\":\"sha256:" ID
                                    "\",\"Os\":\"linux\",\"Architecture\":\"arm64\"}" },
                                  GUEST,
                                  { 0 } };

    start_and_fail(lines, "image 'x:1' is for linux/arm64; the guest of this program is for linux/amd64");
    assert_false(has_intent);
    remove_it();
}

static void a_start_that_is_refused_says_why(void **state)
{
    const struct line lines[] = { VERSION,
                                  IMAGE,
                                  GUEST,
                                  CREATED,
                                  { "POST /containers/" ID "/attach", "101 UPGRADED", "" },
                                  { "POST /containers/" ID "/start", "500 Oops",
                                    "{\"message\":\"OCI runtime create failed: seccomp\"}" },
                                  REMOVED,
                                  { 0 } };

    start_and_fail(lines, "starting the sandbox: engine refused 'POST /containers/" ID
                          "/start' with status 500: OCI runtime create failed: seccomp");
    remove_it();
}

static void nothing_is_made_before_the_intent_is_recorded(void **state)
{
    const struct line lines[] = { VERSION, IMAGE, GUEST, { 0 } };

    must_hold = true;
    start(lines);
    assert_int_equal(loop_run(loop, &has_intent, &err), 0);
    remove_it();
    assert_false(is_ready);
    assert_int_equal(sandbox_proceed(sb, &err), 0); /* too late: means nothing */
}

static void an_unreachable_engine_fails_ready_not_start(void **state)
{
    static const struct docker_guest guest = { { "ELF", 3 }, "d1", "amd64" };
    const struct docker_identity id = { "r1", "n", "0", 1, 0 };
    char text[256];

    assert_int_equal(docker_sandbox_new(loop, http, &spec, &id, &guest, &sb, &err), 0);
    assert_int_equal(sandbox_start(sb, &events, NULL, &err), 0);
    assert_int_equal(loop_run(loop, &is_ready, &err), 0);
    assert_int_equal(ready_result, -ERR_ENGINE);
    snprintf(text, sizeof(text), "engine not reachable at %s: there is no such socket", url);
    assert_string_equal(ready_err.text, text);
    assert_null(sandbox_channel(sb));
    remove_it();
}

static int setup(void **state)
{
    strcpy(dir, "/tmp/agentbox-sandbox-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(url, sizeof(url), "unix://%s", path);
    snprintf(heard, sizeof(heard), "%s/heard", dir);
    spec = (struct sandbox_spec){ .image = "x:1",
                                  .engine = url,
                                  .uid = 7,
                                  .gid = 8,
                                  .memory_bytes = 1 << 28,
                                  .nano_cpus = 1000000000,
                                  .pids = 9,
                                  .tmp_bytes = 1 << 20,
                                  .runtime = "default",
                                  .seccomp = "strict",
                                  .root = "/workspace",
                                  .size_bytes = 1 << 20 };
    server = 0;
    sb = NULL;
    is_ready = is_removed = has_intent = must_hold = false;
    assert_int_equal(loop_new(&loop, &err), 0);
    return http_new(loop, &http, &err);
}

static int done(void **state)
{
    sandbox_free(sb);
    http_free(http);
    loop_free(loop);
    if (server > 0) {
        (void) kill(server, SIGKILL);
        (void) waitpid(server, NULL, 0);
    }
    (void) unlink(path);
    (void) unlink(heard);
    return rmdir(dir);
}

int main(void)
{
#define ONE(x) cmocka_unit_test_setup_teardown(x, setup, done)
    const struct CMUnitTest tests[] = {
        ONE(a_lost_answer_to_create_finds_its_container),
        ONE(a_lost_answer_without_a_container_is_the_failure_it_is),
        ONE(a_leftover_of_the_same_attempt_is_replaced),
        ONE(somebody_elses_container_is_left_alone),
        ONE(a_create_that_is_refused_says_why),
        ONE(an_image_for_another_machine_is_refused_before_anything_is_made),
        ONE(a_start_that_is_refused_says_why),
        ONE(nothing_is_made_before_the_intent_is_recorded),
        ONE(an_unreachable_engine_fails_ready_not_start),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
