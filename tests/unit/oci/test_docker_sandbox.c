/* SPDX-License-Identifier: MIT */
/*
 * The Docker sandbox against an engine of the test's own that fails in the ways engines do: answers that get
 * lost, names that are taken, a start that is refused. A child serves one connection after the other and
 * answers by method and path; each line is used once, in order, and what was asked is written down.
 */
#include "oci/docker_sandbox.h"
#include "oci/owner.h"

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

/* Its status line goes on with what a ping tells in its head. */
#define PING                                                               \
    {                                                                      \
        "GET /_ping", "200 OK\r\nApi-Version: 1.41\r\nOstype: linux", "OK" \
    }
#define PODMAN_PING                                                                                          \
    {                                                                                                        \
        "GET /_ping",                                                                                        \
            "200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\nServer: Libpod/4.3.1 (linux)", "OK" \
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

/* What a fence asks. */
#define CONTAINERS(list)                                              \
    {                                                                 \
        "GET /containers/json?all=1&filters=", "200 OK", "[" list "]" \
    }
#define VOLUMES(list)                                                 \
    {                                                                 \
        "GET /volumes?filters=", "200 OK", "{\"Volumes\":[" list "]}" \
    }
#define OLD                           "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LABELS(run, attempt)          "\"Labels\":{\"agentbox.run\":\"" run "\",\"agentbox.attempt\":\"" attempt "\"}"
#define ENTRY(id, name, run, attempt) "{\"Id\":\"" id "\",\"Names\":[\"/" name "\"]," LABELS(run, attempt) "}"
#define VOLUME(name, run, attempt)    "{\"Name\":\"" name "\"," LABELS(run, attempt) "}"

/* The container that was left, as its engine describes it. */
#define LEFT_AS(state, run, attempt, guest)                                                                \
    {                                                                                                      \
        "GET /containers/" ID "/json", "200 OK",                                                           \
            "{\"Id\":\"" ID "\",\"Image\":\"sha256:" ID "\",\"State\":{" state                             \
            "},\"Config\":{\"Image\":\"sha256:" ID                                                         \
            "\"," LABELS(run, attempt) "},\"HostConfig\":{},\"Mounts\":[{\"Name\":\"agentbox-guest-" guest \
                                       "\",\"Destination\":\"/.agentbox\"}]}"                              \
    }
#define RUNNING "\"Running\":true,\"Status\":\"running\""

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

/* "GET /v1.41/x HTTP/1.1" -> "GET /x"; the same for Podman's own, "/v4.3.1/libpod/x" -> "/libpod/x" */
static void plain_request(const char *text, char *ret, size_t size)
{
    char method[16] = "", target[512] = "";
    const char *rest = target;

    (void) !sscanf(text, "%15s %511s", method, target);
    if (strncmp(target, "/v1.41/", 7) == 0)
        rest = target + 6;
    if (strncmp(target, "/v4.3.1/", 8) == 0)
        rest = target + 7;
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

static void assert_not_heard(const char *unwanted)
{
    struct buf is = BUF_INIT(65536);

    assert_int_equal(file_read(heard, &is, &err), 0);
    if (strstr(buf_text(&is), unwanted))
        fail_msg("'%s' in:\n%s", unwanted, buf_text(&is));
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

static const struct sandbox_events events = { NULL, on_intent, on_ready, NULL, NULL };

static int a_guest(struct buf *out, struct err *why)
{
    return buf_add_text(out, "ELF");
}

static void make(const struct line *lines, int attempt)
{
    static const struct docker_guest guest = { a_guest, "d1", "amd64" };
    const struct docker_identity id = { "r1", "n", "0", attempt, 0 };

    serve(lines);
    assert_int_equal(docker_sandbox_new(loop, http, &spec, &id, &guest, &sb, &err), 0);
}

static void start(const struct line *lines)
{
    make(lines, 1);
    assert_int_equal(sandbox_start(sb, &events, NULL, &err), 0);
}

static void attach_and_fail(const struct line *lines, enum err_code code, const char *text)
{
    const struct sandbox_known known = { ID, "agentbox-r1-1", 7 };

    make(lines, 1);
    assert_int_equal(sandbox_attach(sb, &known, &events, NULL, &err), 0);
    assert_int_equal(loop_run(loop, &is_ready, &err), 0);
    assert_int_equal(ready_result, -(int) code);
    assert_string_equal(ready_err.text, text);
    assert_false(has_intent);
    assert_null(sandbox_channel(sb));
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
        PING,
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
    const struct line lines[] = { PING,
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

/* Podman lets only one of two runs make the guest's volume, or write to it. */
#define NO_GUEST                                                                    \
    {                                                                               \
        "GET /volumes/agentbox-guest-d1", "404 Not Found", "{\"message\":\"none\"}" \
    }
#define GUEST_TAKEN                                                                       \
    {                                                                                     \
        "POST /volumes/create", "500 Internal", "{\"message\":\"volume already exists\"}" \
    }
#define GUEST_MADE                                                             \
    {                                                                          \
        "POST /volumes/create", "201 Created", "{\"Mountpoint\":\"/p/_data\"}" \
    }
#define GUEST_PLACED                                                                \
    {                                                                               \
        "GET /volumes/agentbox-guest-d1", "200 OK", "{\"Mountpoint\":\"/p/_data\"}" \
    }

/* What comes after the guest. */
#define FAR_ENOUGH                                                                                      \
    "making the sandbox's writable places: engine refused 'POST /volumes/create' with status 500: far " \
    "enough"

/* What it made of the next step is not what the test is about: the double has no answer for that. */
static void give_up(void)
{
    assert_int_equal(sandbox_remove(sb, on_removed, NULL, &err), 0);
    assert_int_equal(loop_run(loop, &is_removed, &err), 0);
}

static void on_podman_the_guest_of_another_run_is_used(void **state)
{
    const struct line made[] = {
        PODMAN_PING, IMAGE,        NO_GUEST,
        GUEST_TAKEN, GUEST_PLACED, { "POST /volumes/create", "500 Internal", "{\"message\":\"far enough\"}" },
        { 0 }
    };

    start_and_fail(made, FAR_ENOUGH);
    give_up();
}

static void on_podman_a_guest_that_is_being_written_is_used(void **state)
{
    const struct line written[] = {
        PODMAN_PING,
        IMAGE,
        NO_GUEST,
        GUEST_MADE,
        { "POST /containers/create?name=agentbox-fill-", "201 Created", "{\"Id\":\"" ID "\"}" },
        { "PUT /containers/" ID "/archive", "500 Internal", "{\"message\":\"text file busy\"}" },
        REMOVED,
        GUEST_PLACED,
        { "POST /volumes/create", "500 Internal", "{\"message\":\"far enough\"}" },
        { 0 }
    };

    start_and_fail(written, FAR_ENOUGH);
    give_up();
}

static void on_podman_what_nobody_made_is_said(void **state)
{
    const struct line lines[] = { PODMAN_PING, IMAGE, NO_GUEST, GUEST_TAKEN, NO_GUEST, { 0 } };

    start_and_fail(lines, "putting the guest onto the engine: engine refused 'POST /volumes/create' with "
                          "status 500: volume already exists");
    remove_it();
}

/* Docker takes both, so there it is what it is. */
static void on_docker_no_second_look(void **state)
{
    const struct line lines[] = { PING, IMAGE, NO_GUEST, GUEST_TAKEN, GUEST_PLACED, { 0 } };

    start_and_fail(lines, "putting the guest onto the engine: engine refused 'POST /volumes/create' with "
                          "status 500: volume already exists");
    remove_it();
}

static void a_leftover_of_the_same_attempt_is_replaced(void **state)
{
    const struct line lines[] = {
        PING,
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
        PING,
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
    const struct line lines[] = { PING,
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
    const struct line lines[] = { PING,
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
    const struct line lines[] = { PING,
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
    const struct line lines[] = { PING, IMAGE, GUEST, { 0 } };

    must_hold = true;
    start(lines);
    assert_int_equal(loop_run(loop, &has_intent, &err), 0);
    remove_it();
    assert_false(is_ready);
    assert_int_equal(sandbox_proceed(sb, &err), 0); /* too late: means nothing */
}

static void an_unreachable_engine_fails_ready_not_start(void **state)
{
    static const struct docker_guest guest = { a_guest, "d1", "amd64" };
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

/* ---- older attempts ---- */

static void start_second_and_fail(const struct line *lines, const char *text)
{
    make(lines, 2);
    assert_int_equal(sandbox_start(sb, &events, NULL, &err), 0);
    assert_int_equal(loop_run(loop, &is_ready, &err), 0);
    assert_true(ready_result < 0);
    assert_string_equal(ready_err.text, text);
}

static void older_attempts_go_before_anything_is_looked_for(void **state)
{
    const struct line lines[] = {
        PING,
        CONTAINERS(
            ENTRY(OLD, "agentbox-r1-1", "r1", "1") "," ENTRY(ID, "agentbox-fill-1", "r1", "x") "," ENTRY(
                "eeee456789ab", "agentbox-r2-1", "r2", "1") "," ENTRY("dddd456789ab", "web", "r1", "1")),
        VOLUMES(VOLUME("agentbox-r1-1-workspace", "r1", "1")),
        { "DELETE /containers/" OLD "?force=1&v=1", "204 No Content", "" },
        { "DELETE /containers/" ID "?force=1&v=1", "404 Not Found", "{\"message\":\"gone\"}" },
        { "DELETE /volumes/agentbox-r1-1-workspace?force=1", "500 Oops", "{\"message\":\"in use\"}" },
        { "GET /images/x:1/json", "500 Oops", "{\"message\":\"enough\"}" },
        GUEST,
        { 0 }
    };

    start_second_and_fail(lines, "engine refused 'GET /images/x:1/json' with status 500: enough");
    assert_heard("DELETE /containers/" OLD "?force=1&v=1");
    assert_heard("DELETE /containers/" ID "?force=1&v=1");
    assert_heard("workspace?force=1\nGET /images/x:1/json");
    assert_not_heard("eeee");
    assert_not_heard("dddd");
    remove_it();
}

static const char *entry_of(const char *id, const char *name, const char *part, bool is_ours)
{
    static char texts[8][1024];
    static size_t next;
    char *text = texts[next++ % 8], label[OWNER_TEXT];
    struct owner owner;

    owner_self(&owner);
    owner.pid += !is_ours;
    owner_text(&owner, label);
    snprintf(
        text, sizeof(texts[0]),
        "{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Labels\":{\"agentbox.run\":\"r1\",\"agentbox.attempt\":\"1\","
        "\"agentbox.part\":\"%s\",\"agentbox.owner\":\"%s\"}}",
        id, name, part, label);
    return text;
}

/* An attach came to nothing: servers and tools that the same process has started by then go on. */
static void other_parts_that_this_process_has_made_stay(void **state)
{
    char list[8192];
    const struct line lines[] = { PING,
                                  { "GET /containers/json?all=1&filters=", "200 OK", list },
                                  VOLUMES(""),
                                  { "DELETE /containers/a1?force=1&v=1", "204 No Content", "" },
                                  { "DELETE /containers/b1?force=1&v=1", "204 No Content", "" },
                                  { "DELETE /containers/c1?force=1&v=1", "204 No Content", "" },
                                  { "GET /images/x:1/json", "500 Oops", "{\"message\":\"enough\"}" },
                                  GUEST,
                                  { 0 } };

    snprintf(list, sizeof(list), "[%s,%s,%s,%s,%s]", entry_of("a1", "agentbox-r1-1", "", true),
             entry_of("b1", "agentbox-r1-1-mcp-docs-1", "mcp-docs-1", false),
             entry_of("c1", "agentbox-r1-1-agent-1", "agent-1", true),
             entry_of("d1", "agentbox-r1-1-mcp-docs-2", "mcp-docs-2", true),
             entry_of("e1", "agentbox-r1-1-tool-3", "tool-3", true));
    start_second_and_fail(lines, "engine refused 'GET /images/x:1/json' with status 500: enough");
    assert_heard("DELETE /containers/a1?");
    assert_heard("DELETE /containers/b1?");
    assert_heard("DELETE /containers/c1?");
    assert_not_heard("DELETE /containers/d1?");
    assert_not_heard("DELETE /containers/e1?");
    remove_it();
}

static void a_first_attempt_looks_for_no_others(void **state)
{
    const struct line lines[] = {
        PING, { "GET /images/x:1/json", "500 Oops", "{\"message\":\"enough\"}" }, GUEST, { 0 }
    };

    start_and_fail(lines, "engine refused 'GET /images/x:1/json' with status 500: enough");
    assert_not_heard("/containers/json");
    remove_it();
}

static void an_older_attempt_that_stays_is_an_error(void **state)
{
    const struct line lines[] = { PING,
                                  CONTAINERS(ENTRY(OLD, "agentbox-r1-1", "r1", "1")),
                                  VOLUMES(""),
                                  { "DELETE /containers/" OLD, "500 Oops",
                                    "{\"message\":\"could not kill\"}" },
                                  { 0 } };

    start_second_and_fail(lines,
                          "an older sandbox of this run cannot be removed: 'agentbox-r1-1': engine refused "
                          "'DELETE /containers/" OLD "' with status 500: could not kill");
    assert_int_equal(ready_result, -ERR_ENGINE);
    assert_string_equal(ready_err.hint, "`docker rm -f agentbox-r1-1`, then resume the run again");
    remove_it();
}

static void a_removal_under_way_is_waited_for(void **state)
{
    const struct line lines[] = {
        PING,
        CONTAINERS(ENTRY(OLD, "agentbox-r1-1", "r1", "1")),
        { "GET /volumes?filters=", "200 OK", "{\"Volumes\":null}" },
        { "DELETE /containers/" OLD, "409 Conflict", "{\"message\":\"removal is already in progress\"}" },
        { "GET /containers/" OLD "/json", "200 OK", "{}" },
        { "GET /containers/" OLD "/json", "404 Not Found", "{\"message\":\"gone\"}" },
        { "GET /images/x:1/json", "500 Oops", "{\"message\":\"enough\"}" },
        GUEST,
        { 0 }
    };

    start_second_and_fail(lines, "engine refused 'GET /images/x:1/json' with status 500: enough");
    remove_it();
}

static void a_list_that_is_none_is_an_error(void **state)
{
    const struct line lines[] = { PING, { "GET /containers/json", "200 OK", "{}" }, VOLUMES(""), { 0 } };

    start_second_and_fail(
        lines, "looking for older sandboxes of this run: the engine's list of containers cannot be "
               "read");
    remove_it();
}

/* ---- one that was left ---- */

static void what_was_left_may_be_gone(void **state)
{
    const struct line lines[] = { PING,
                                  CONTAINERS(""),
                                  VOLUMES(""),
                                  { "GET /containers/" ID "/json", "404 Not Found",
                                    "{\"message\":\"No such container\"}" },
                                  { 0 } };

    attach_and_fail(lines, ERR_NOT_FOUND, "the sandbox that was left, 'agentbox-r1-1', is gone");
    remove_it();
    assert_not_heard("DELETE");
}

static void what_was_left_may_have_ended(void **state)
{
    const struct line lines[] = {
        PING,        CONTAINERS(ENTRY(ID, "agentbox-r1-1", "r1", "1")),
        VOLUMES(""), LEFT_AS("\"Running\":false,\"Status\":\"exited\",\"ExitCode\":137", "r1", "1", "d1"),
        REMOVED,     { 0 }
    };

    attach_and_fail(lines, ERR_NOT_FOUND,
                    "the sandbox that was left, 'agentbox-r1-1', no longer runs: exited, status 137");
    assert_not_heard("DELETE"); /* it stays as it is */
    remove_it();
    assert_heard("DELETE /containers/" ID "?force=1&v=1");
}

static void a_container_of_another_run_is_neither_taken_nor_removed(void **state)
{
    const struct line lines[] = {
        PING, CONTAINERS(""), VOLUMES(""), LEFT_AS(RUNNING, "r2", "1", "d1"), { 0 }
    };

    attach_and_fail(lines, ERR_CONFLICT, "the container that was left is of another run: 'r2'");
    remove_it();
    assert_not_heard("POST");
    assert_not_heard("DELETE");
}

static void a_container_of_another_attempt_is_not_taken(void **state)
{
    const struct line lines[] = {
        PING, CONTAINERS(""), VOLUMES(""), LEFT_AS(RUNNING, "r1", "2", "d1"), { 0 }
    };

    attach_and_fail(lines, ERR_CONFLICT, "the container that was left is of attempt '2', not 1");
    remove_it();
    assert_not_heard("DELETE");
}

static void a_container_with_another_guest_is_not_taken(void **state)
{
    const struct line lines[] = { PING,    CONTAINERS(""), VOLUMES(""), LEFT_AS(RUNNING, "r1", "1", "d0"),
                                  REMOVED, { 0 } };

    attach_and_fail(lines, ERR_CONFLICT, "the sandbox that was left runs another guest than this program's");
    assert_not_heard("POST");
    remove_it();
    assert_heard("DELETE /containers/" ID);
}

static void an_engine_that_describes_nothing_is_to_blame(void **state)
{
    const struct line lines[] = {
        PING, CONTAINERS(""), VOLUMES(""), { "GET /containers/" ID "/json", "200 OK", "{}" }, { 0 }
    };

    attach_and_fail(lines, ERR_ENGINE, "the engine does not describe the sandbox that was left");
    remove_it();
}

static void what_ends_while_it_is_taken_no_longer_runs(void **state)
{
    const struct line lines[] = {
        PING,
        CONTAINERS(ENTRY(ID, "agentbox-r1-1", "r1", "1")),
        VOLUMES(""),
        LEFT_AS(RUNNING, "r1", "1", "d1"),
        { "POST /containers/" ID "/attach", "409 Conflict", "{\"message\":\"is not running\"}" },
        { "GET /images/sha256:" ID "/json", "200 OK",
          "{\"Id\":\"sha256:" ID "\",\"Os\":\"linux\",\"Architecture\":\"amd64\"}" },
        LEFT_AS("\"Running\":false,\"Status\":\"exited\",\"ExitCode\":1", "r1", "1", "d1"),
        LEFT_AS("\"Running\":false,\"Status\":\"exited\",\"ExitCode\":1", "r1", "1", "d1"),
        REMOVED,
        { 0 }
    };

    attach_and_fail(lines, ERR_NOT_FOUND,
                    "the sandbox that was left, 'agentbox-r1-1', no longer runs: exited, status 1");
    remove_it();
}

static void older_ones_go_before_one_is_taken(void **state)
{
    const struct line lines[] = { PING,
                                  CONTAINERS(ENTRY(ID, "agentbox-r1-1", "r1",
                                                   "1") "," ENTRY(OLD, "agentbox-r1-0", "r1", "0")),
                                  VOLUMES(VOLUME("agentbox-r1-1-workspace", "r1", "1")),
                                  LEFT_AS(RUNNING, "r1", "1", "d1"),
                                  { "DELETE /containers/" OLD, "500 Oops", "{\"message\":\"no\"}" },
                                  { 0 } };

    attach_and_fail(lines, ERR_ENGINE,
                    "an older sandbox of this run cannot be removed: 'agentbox-r1-0': engine refused 'DELETE "
                    "/containers/" OLD "' with status 500: no");
    assert_not_heard("DELETE /volumes");
    assert_not_heard("POST");
}

static void an_id_that_is_none_is_refused(void **state)
{
    const struct line lines[] = { { 0 } };
    const struct sandbox_known known = { "../../images/x", "agentbox-r1-1", 7 };

    make(lines, 1);
    assert_int_equal(sandbox_attach(sb, &known, &events, NULL, &err), -ERR_INVALID);
    assert_string_equal(err.text, "'../../images/x' is no id of a container");
}

/* ---- what an engine may not set ---- */

static void an_engine_that_may_not_set_the_sysctl_goes_without(void **state)
{
    const struct line lines[] = {
        PING,
        IMAGE,
        GUEST,
        CREATED,
        { "POST /containers/" ID "/attach", "101 UPGRADED", "" },
        { "POST /containers/" ID "/start", "500 Oops",
          "{\"message\":\"open sysctl kernel.shm_rmid_forced file: permission denied\"}" },
        REMOVED,
        CREATED,
        { "POST /containers/" ID "/attach", "101 UPGRADED", "" },
        { "POST /containers/" ID "/start", "500 Oops", "{\"message\":\"enough\"}" },
        REMOVED,
        { 0 }
    };

    start_and_fail(lines, "starting the sandbox: engine refused 'POST /containers/" ID
                          "/start' with status 500: enough");
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
        ONE(on_podman_the_guest_of_another_run_is_used),
        ONE(on_podman_a_guest_that_is_being_written_is_used),
        ONE(on_podman_what_nobody_made_is_said),
        ONE(on_docker_no_second_look),
        ONE(a_leftover_of_the_same_attempt_is_replaced),
        ONE(somebody_elses_container_is_left_alone),
        ONE(a_create_that_is_refused_says_why),
        ONE(an_image_for_another_machine_is_refused_before_anything_is_made),
        ONE(a_start_that_is_refused_says_why),
        ONE(nothing_is_made_before_the_intent_is_recorded),
        ONE(an_unreachable_engine_fails_ready_not_start),
        ONE(older_attempts_go_before_anything_is_looked_for),
        ONE(other_parts_that_this_process_has_made_stay),
        ONE(a_first_attempt_looks_for_no_others),
        ONE(an_older_attempt_that_stays_is_an_error),
        ONE(a_removal_under_way_is_waited_for),
        ONE(a_list_that_is_none_is_an_error),
        ONE(what_was_left_may_be_gone),
        ONE(what_was_left_may_have_ended),
        ONE(a_container_of_another_run_is_neither_taken_nor_removed),
        ONE(a_container_of_another_attempt_is_not_taken),
        ONE(a_container_with_another_guest_is_not_taken),
        ONE(an_engine_that_describes_nothing_is_to_blame),
        ONE(what_ends_while_it_is_taken_no_longer_runs),
        ONE(older_ones_go_before_one_is_taken),
        ONE(an_id_that_is_none_is_refused),
        ONE(an_engine_that_may_not_set_the_sysctl_goes_without),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
