/* SPDX-License-Identifier: MIT */
/* HTTP as servers speak it: answers by rule, whatever order the requests come in. */
#include "tests/unit/unit.h"

#include "core/tool/mcp_http.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* The first rule whose texts are all in the request, and which is not used up, answers. */
struct rule {
    const char *match, *also, *without;
    int times; /* 0: always */
    const char *answer;
    bool stalls; /* the connection stays open */
};

static struct rule rules[16];
static size_t rule_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buf seen; /* requests, one behind the other */
static int listener, stalled[64];
static size_t stalled_count;
static pthread_t server;
static char url[64];

static const char *find_answer(const char *request, bool *ret_stalls)
{
    for (size_t i = 0; i < rule_count; i++) {
        struct rule *r = &rules[i];

        if (r->times < 0 || !strstr(request, r->match) || (r->also && !strstr(request, r->also)) ||
            (r->without && strstr(request, r->without)))
            continue;
        if (r->times > 0 && --r->times == 0)
            r->times = -1;
        *ret_stalls = r->stalls;
        return r->answer;
    }
    return "HTTP/1.1 405 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

static bool is_whole(const char *request)
{
    const char *body = strstr(request, "\r\n\r\n"), *line = strcasestr(request, "content-length:");

    return body && strlen(body + 4) >= (line ? strtoul(line + 15, NULL, 10) : 0);
}

static void *serve(void *data)
{
    char request[65536];
    size_t len;
    ssize_t n;
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        bool stalls = false;
        const char *answer;

        for (len = 0, request[0] = '\0'; !is_whole(request); request[len] = '\0') {
            n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
            if (n <= 0)
                break;
            len += (size_t) n;
        }
        pthread_mutex_lock(&lock);
        if (buf_add(&seen, request, len) < 0)
            abort();
        answer = find_answer(request, &stalls);
        pthread_mutex_unlock(&lock);
        (void) send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        if (stalls)
            stalled[stalled_count++] = fd;
        else
            close(fd);
    }
    return NULL;
}

static struct loop *loop;
static struct http *http;
static struct mcp_session *session;
static struct mcp_http *link_http;
static struct credentials credentials;
static bool is_done, is_ready, is_broken, is_closed;
static char text[2048];
static int result;

static void on_ready(void *data)
{
    is_ready = is_done = true;
}

static void on_broken(void *data, const struct err *err)
{
    is_broken = is_done = true;
    snprintf(text, sizeof(text), "%s", err->text);
}

static const struct mcp_session_ops ops = { on_ready, on_ready, on_broken };

static void on_answer(void *data, const struct mcp_answer *a)
{
    is_done = true;
    result = a->result;
    if (a->result == 0)
        snprintf(text, sizeof(text), SPAN_FMT, SPAN_ARG(a->value->raw));
    else
        snprintf(text, sizeof(text), "%s", a->err->text);
}

static const struct mcp_request_ops request_ops = { on_answer, NULL };

static void wait_done(void)
{
    is_done = false;
    assert_int_equal(loop_run(loop, &is_done, NULL), 0);
}

static void call(void)
{
    assert_int_equal(
        mcp_session_call(session, "tools/call", span_of("{\"name\":\"a\"}"), &request_ops, NULL, NULL, NULL),
        0);
    wait_done();
}

static void begin(const struct rule *list, size_t count)
{
    static const struct mcp_session_spec spec = { .server = "s" };
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(addr);

    memcpy(rules, list, count * sizeof(*list));
    rule_count = count;
    stalled_count = 0;
    is_ready = is_broken = is_closed = false;
    buf_init(&seen, 1 << 20);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *) &addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &addr, &len), 0);
    assert_int_equal(listen(listener, 16), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/mcp", ntohs(addr.sin_port));
    assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(http_new(loop, &http, NULL), 0);
    assert_int_equal(mcp_session_new(loop, &spec, &ops, NULL, &session, NULL), 0);
    assert_int_equal(mcp_http_open(loop, http, url, &credentials, session, &link_http, NULL), 0);
    wait_done();
}

static void end(void)
{
    mcp_http_free(link_http);
    mcp_session_free(session);
    http_free(http);
    loop_free(loop);
    shutdown(listener, SHUT_RDWR);
    close(listener);
    pthread_join(server, NULL);
    for (size_t i = 0; i < stalled_count; i++)
        close(stalled[i]);
    buf_done(&seen);
}

static int times_seen(const char *what)
{
    int count = 0;

    pthread_mutex_lock(&lock);
    for (const char *at = buf_text(&seen); (at = strstr(at, what)); at++)
        count++;
    pthread_mutex_unlock(&lock);
    return count;
}

#define CLOSE      "Connection: close\r\n\r\n"
#define JSON       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" CLOSE
#define EVENTS     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" CLOSE
#define SESSION(x) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: " x "\r\n" CLOSE
#define ACCEPTED   "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n" CLOSE
#define HELLO(id)                                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{" \
    "\"tools\":{}}}}"
#define TOOLS(id) "{\"id\":" id ",\"result\":{\"tools\":[{\"name\":\"a\"}]}}"

#define ON_HELLO                                                       \
    {                                                                  \
        .match = "\"initialize\"", .answer = SESSION("abc") HELLO("1") \
    }
#define ON_INITIALIZED                                           \
    {                                                            \
        .match = "notifications/initialized", .answer = ACCEPTED \
    }
#define ON_LIST                                          \
    {                                                    \
        .match = "tools/list", .answer = JSON TOOLS("2") \
    }

static void test_json(void **state)
{
    const struct rule list[] = { ON_HELLO,
                                 ON_INITIALIZED,
                                 ON_LIST,
                                 { .match = "tools/call", .answer = JSON "{\"id\":3,\"result\":\"x\"}" } };

    begin(list, 4);
    assert_true(is_ready);
    call();
    assert_string_equal(text, "\"x\"");
    /* The handshake's first message knows no session and no version, all others both. */
    assert_int_equal(times_seen("POST /mcp"), 4);
    assert_int_equal(times_seen("Mcp-Session-Id: abc"), 3 + times_seen("GET /mcp"));
    assert_int_equal(times_seen("MCP-Protocol-Version: 2025-06-18"), 3 + times_seen("GET /mcp"));
    assert_int_equal(times_seen("Accept: application/json, text/event-stream"), 4);
    end();
}

static void test_events(void **state)
{
    const struct rule list[] = {
        { .match = "\"initialize\"", .answer = EVENTS "data: " HELLO("1") "\n\n" },
        ON_INITIALIZED,
        { .match = "tools/list", .answer = EVENTS "event: message\ndata: " TOOLS("2") "\n\n" },
        { .match = "tools/call",
          .answer = EVENTS "data: {\"method\":\"x\"}\n\ndata: {\"id\":3,\"result\":1}\n\n",
          .stalls = true }
    };

    begin(list, 4);
    assert_true(is_ready);
    call(); /* though the stream stays open */
    assert_string_equal(text, "1");
    assert_int_equal(times_seen("Mcp-Session-Id"), 0);
    end();
}

/* What the server says by itself comes over a stream of its own. */
static void test_stream(void **state)
{
    const struct rule list[] = {
        ON_HELLO,
        ON_INITIALIZED,
        { .match = "tools/list", .times = 1, .answer = JSON TOOLS("2") },
        { .match = "tools/list", .answer = JSON "{\"id\":3,\"result\":{\"tools\":[{\"name\":\"new\"}]}}" },
        { .match = "GET /mcp",
          .answer = EVENTS "data: {\"method\":\"notifications/tools/list_changed\"}\n\n",
          .times = 1,
          .stalls = true },
    };

    begin(list, 5);
    while (strcmp(mcp_session_tools(session)->items[0].name, "new") != 0)
        wait_done();
    assert_int_equal(times_seen("Accept: text/event-stream"), 1);
    end();
}

/* A stream breaks before the answer, and is taken up behind its last event. */
static void test_resume(void **state)
{
    const struct rule list[] = {
        ON_HELLO,
        ON_INITIALIZED,
        ON_LIST,
        { .match = "tools/call", .answer = EVENTS "id: ev-7\nretry: 10\ndata:\n\n" },
        { .match = "Last-Event-ID: ev-7",
          .times = 1,
          .answer = EVENTS "id: ev-8\ndata: {\"method\":\"x\"}\n\n" },
        { .match = "Last-Event-ID: ev-8", .answer = EVENTS "data: {\"id\":3,\"result\":\"late\"}\n\n" },
    };

    begin(list, 6);
    call();
    assert_string_equal(text, "\"late\"");
    assert_int_equal(times_seen("tools/call"), 1);
    end();
}

static void test_broken_off(void **state)
{
    const struct rule list[] = {
        ON_HELLO,
        ON_INITIALIZED,
        ON_LIST,
        { .match = "tools/call", .times = 1, .answer = EVENTS ": nothing\n\n" },
        { .match = "tools/call", .answer = EVENTS "id: 1\nretry: 1\ndata:\n\n" },
        { .match = "Last-Event-ID: 1", .answer = EVENTS "\n" },
    };

    begin(list, 6);
    call();
    assert_string_equal(text, "the answer broke off");
    call();
    assert_string_equal(text, "the answer broke off, and could not be taken up again");
    assert_int_equal(times_seen("Last-Event-ID: 1\r\n"), MCP_RESUMES_MAX);
    assert_false(is_broken);
    end();
}

/* The server has forgotten the session: a new one, and the call goes on in it. */
static void test_renewal(void **state)
{
    const struct rule list[] = {
        { .match = "\"initialize\"", .times = 1, .answer = SESSION("old") HELLO("1") },
        { .match = "\"initialize\"",
          .without = "Mcp-Session-Id",
          .times = 1,
          .answer = SESSION("new") HELLO("4") },
        ON_INITIALIZED,
        { .match = "tools/list", .also = "Id: old", .answer = JSON TOOLS("2") },
        { .match = "tools/list", .also = "Id: new", .answer = JSON TOOLS("5") },
        { .match = "tools/call",
          .also = "Id: old",
          .answer = "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n" CLOSE },
        { .match = "tools/call",
          .also = "Id: new",
          .times = 1,
          .answer = JSON "{\"id\":3,\"result\":\"again\"}" },
        { .match = "tools/call", .answer = "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n" CLOSE },
    };

    begin(list, 8);
    call();
    assert_string_equal(text, "\"again\"");
    assert_int_equal(times_seen("\"initialize\""), 2);
    end();
}

/* A server that forgets at once is not asked for ever. */
static void test_forgetful(void **state)
{
    const struct rule list[] = {
        { .match = "\"initialize\"", .times = 1, .answer = SESSION("old") HELLO("1") },
        { .match = "\"initialize\"", .answer = SESSION("new") HELLO("4") },
        ON_INITIALIZED,
        { .match = "tools/list", .also = "Id: old", .answer = JSON TOOLS("2") },
        { .match = "POST", .answer = "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n" CLOSE },
    };

    begin(list, 5);
    call();
    assert_int_equal(result, -ERR_PROTOCOL);
    assert_string_equal(text, "HTTP 404");
    assert_int_equal(times_seen("\"initialize\""), 2);
    end();
}

static void test_refusals(void **state)
{
    const struct rule list[] = {
        ON_HELLO,
        ON_INITIALIZED,
        ON_LIST,
        { .match = "tools/call", .times = 1, .answer = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n" CLOSE },
        { .match = "tools/call",
          .times = 1,
          .answer = "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n" CLOSE },
        { .match = "tools/call",
          .times = 1,
          .answer = "HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n" CLOSE "down\x1b" },
        { .match = "tools/call",
          .times = 1,
          .answer = "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\n" CLOSE
                    "{\"id\":6,\"error\":{\"code\":-1,\"message\":\"no\"}}"
                    "      " },
        { .match = "tools/call", .times = 1, .answer = JSON "{\"id\":99,\"result\":1}" },
        { .match = "tools/call", .times = 1, .answer = ACCEPTED },
    };
    static const char *const expected[] = { "HTTP 401: it wants other credentials",
                                            "HTTP 307: it leads to another place, which is not followed",
                                            "HTTP 500: down ",
                                            "no (code -1)",
                                            "its answer has no answer to the request",
                                            "its answer has no answer to the request" };

    begin(list, 9);
    for (size_t i = 0; i < 6; i++) {
        call();
        assert_string_equal(text, expected[i]);
    }
    assert_false(is_broken);
    end();
}

static void on_closed(void *data)
{
    is_closed = is_done = true;
}

static void test_close(void **state)
{
    const struct rule list[] = {
        ON_HELLO, ON_INITIALIZED, ON_LIST, { .match = "DELETE /mcp", .also = "Id: abc", .answer = ACCEPTED }
    };

    begin(list, 4);
    assert_int_equal(mcp_http_close(link_http, on_closed, NULL, NULL), 0);
    while (!is_closed)
        wait_done();
    assert_int_equal(times_seen("DELETE"), 1);
    end();
}

static void test_gone(void **state)
{
    const struct rule list[] = { ON_HELLO, ON_INITIALIZED, ON_LIST, { .match = "tools/call", .answer = "" } };

    begin(list, 4);
    call();
    assert_int_not_equal(result, 0);
    if (!is_broken)
        wait_done();
    assert_true(is_broken);
    end();
}

static void test_credentials(void **state)
{
    struct credential header = { "X-Key", "k1", { 0 } };
    struct secret_ref key = { .kind = SECRET_ENV, .value = "MCP_TEST_KEY" };
    const struct rule list[] = { ON_HELLO, ON_INITIALIZED, ON_LIST };
    struct err err = { 0 };

    setenv("MCP_TEST_KEY", "very-secret-key", 1);
    assert_int_equal(credentials_add_header(&credentials, &header, "headers", NULL), 0);
    assert_int_equal(credentials_add_secret(&credentials, "Authorization: Bearer ", &key, "api_key", NULL),
                     0);
    assert_int_equal(mcp_http_check("http://mcp.example.com/mcp", &credentials, &err), -ERR_INVALID);
    assert_int_equal(mcp_http_check("https://mcp.example.com/mcp", &credentials, &err), 0);
    assert_int_equal(mcp_http_check("https://me:pw@mcp.example.com/mcp", &credentials, &err), -ERR_INVALID);
    assert_int_equal(mcp_http_check("ftp://mcp.example.com/mcp", &credentials, &err), -ERR_INVALID);
    begin(list, 3);
    assert_int_equal(times_seen("Authorization: Bearer very-secret-key"), 3 + times_seen("GET /mcp"));
    assert_int_equal(times_seen("X-Key: k1"), 3 + times_seen("GET /mcp"));
    end();
    credentials_done(&credentials);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_json),      cmocka_unit_test(test_events),      cmocka_unit_test(test_stream),
    cmocka_unit_test(test_resume),    cmocka_unit_test(test_broken_off),  cmocka_unit_test(test_renewal),
    cmocka_unit_test(test_forgetful), cmocka_unit_test(test_refusals),    cmocka_unit_test(test_close),
    cmocka_unit_test(test_gone),      cmocka_unit_test(test_credentials),
};

UNIT_MAIN(tests)
