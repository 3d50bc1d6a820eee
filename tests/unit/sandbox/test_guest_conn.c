/* SPDX-License-Identifier: MIT */
/*
 * The real guest's listener and connections. The processes of the "sandbox" are this
 * test itself, which shares its network with the guest, and where it matters who
 * they are, commands of the guest.
 */
#include "tests/unit/sandbox/guest_fixture.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = CHANNEL_CONNS + 100 };

/* One connection as the host has it. */
struct end {
    struct channel_conn *conn;
    uint64_t command;
    struct buf got;
    bool has_ended, is_closed, holds; /* holds: nothing is dealt with */
    bool echoes;
    struct span to_send; /* the rest of it */
    bool ends;           /* half close after it */
    size_t held, granted;
};

struct line {
    struct guest *g;
    uint16_t port;
    int reserved; /* a socket that keeps the port from everybody else, and does not listen */
    bool is_listening;
    int result;
    struct err err;
    struct end ends[CLIENTS];
    size_t count, closed, ended, wanted; /* wanted: so many are waited for */
    uint64_t bytes;
    bool is_enough; /* as many as are wanted */
    size_t *counted;
    bool echoes, holds, refuses;
};

static struct line line;

static void check(void)
{
    line.is_enough = line.counted && *line.counted >= line.wanted;
}

/* Run the loop until `counter` has reached `wanted`. */
static void wait_for(size_t *counter, size_t wanted)
{
    line.counted = counter;
    line.wanted = wanted;
    check();
    if (!line.is_enough)
        guest_run(line.g, &line.is_enough);
    line.counted = NULL;
}

/* What was sent before has arrived, in both directions, once this was answered. */
static void settle(void)
{
    struct answer a;

    answer_init(&a);
    assert_int_equal(channel_ping(line.g->host->ch, on_done, &a, NULL, NULL), 0);
    assert_int_equal(answer_wait(line.g, &a), 0);
    answer_free(&a);
}

/* ---- the host's side ---- */

static void push(struct end *e)
{
    if (!e->conn)
        return;
    e->granted += channel_conn_grant(e->conn);
    while (e->to_send.len > 0 && e->granted > 0) {
        size_t n = e->to_send.len < e->granted ? e->to_send.len : e->granted;

        channel_conn_write(e->conn, span_make(e->to_send.ptr, n));
        e->to_send.ptr += n;
        e->to_send.len -= n;
        e->granted -= n;
        e->granted += channel_conn_grant(e->conn);
    }
    if (e->to_send.len == 0 && e->ends) {
        e->ends = false;
        channel_conn_end(e->conn);
    }
}

static void on_data(void *data, struct span bytes)
{
    struct end *e = data;

    assert_int_equal(buf_add_span(&e->got, bytes), 0);
    line.bytes += bytes.len;
    if (e->holds)
        e->held += bytes.len;
    else
        channel_conn_dealt(e->conn, bytes.len);
    if (e->echoes) {
        e->to_send =
            span_make(e->got.data + (e->got.len - bytes.len - e->to_send.len), e->to_send.len + bytes.len);
        push(e);
    }
    check();
}

static void on_end(void *data)
{
    struct end *e = data;

    assert_false(e->has_ended);
    e->has_ended = true;
    line.ended++;
    if (e->echoes) {
        e->ends = true;
        push(e);
    }
    check();
}

static void on_room(void *data)
{
    push(data);
}

static void on_closed(void *data)
{
    struct end *e = data;

    assert_false(e->is_closed);
    e->is_closed = true;
    e->conn = NULL;
    line.closed++;
    check();
}

static void on_open(void *data, struct channel_conn *conn, uint64_t command)
{
    static const struct conn_ops ops = { on_data, on_end, on_room, on_closed };
    struct end *e = &line.ends[line.count++];

    (void) data;
    assert_true(line.count <= CLIENTS);
    memset(e, 0, sizeof(*e));
    buf_init(&e->got, 64 << 20);
    e->command = command;
    e->echoes = line.echoes;
    e->holds = line.holds;
    if (!line.refuses) {
        e->conn = conn;
        channel_conn_accept(conn, &ops, e);
        e->granted = channel_conn_grant(conn);
    }
    check();
}

static void on_listening(void *data, int result, const struct err *err)
{
    (void) data;
    line.is_listening = true;
    line.result = result;
    if (err)
        line.err = *err;
}

/* Ask, and wait for the answer. */
static int ask_to_listen(void)
{
    static const struct listen_ops ops = { on_listening, on_open };
    struct err err;

    line.is_listening = false;
    if (channel_listen(line.g->host->ch, line.port, &ops, NULL, &err) < 0)
        fail_msg("%s", err.text);
    guest_run(line.g, &line.is_listening);
    return line.result;
}

/* ---- the processes' side ---- */

static struct sockaddr_in address(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(line.port) };

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

/* -errno when it is refused. */
static int client(void)
{
    struct sockaddr_in at = address();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *) &at, sizeof(at)) == 0)
        return fd;
    int r = -errno;

    close(fd);
    return r;
}

/* The guest listens on it all the same, because both of us let the other have it. */
static uint16_t reserve_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    line.reserved = fd;
    return ntohs(at.sin_port);
}

static int setup(void **state)
{
    memset(&line, 0, sizeof(line));
    line.g = guest_start("0", "yes");
    line.port = reserve_port();
    *state = line.g;
    return 0;
}

static int teardown(void **state)
{
    guest_end(*state);
    close(line.reserved);
    for (size_t i = 0; i < line.count; i++)
        buf_done(&line.ends[i].got);
    return 0;
}

static void new_host(void)
{
    host_drop(line.g);
    host_attach(line.g);
    host_greet(line.g);
}

static uint8_t *pattern(size_t len)
{
    uint8_t *p = malloc(len);
    uint32_t x = 12345;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (uint8_t) (x >> 24);
    }
    return p;
}

/* ---- tests ---- */

static void nothing_listens_before_it_was_asked_for(void **state)
{
    int fd;

    settle();
    assert_int_equal(client(), -ECONNREFUSED);
    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    assert_true(fd >= 0);
    wait_for(&line.count, 1);
    assert_int_equal(line.ends[0].command, CHANNEL_COMMAND_UNKNOWN); /* we are none of its processes */
    close(fd);
}

static void a_port_that_is_taken_is_said(void **state)
{
    struct sockaddr_in at = address();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(ask_to_listen(), -ERR_CONFLICT);
    assert_non_null(
        strstr(line.err.text, "'listener' in the sandbox: Address ")); /* each libc ends it its way */
    close(fd);
}

/* Send all while reading all that comes; then half close, and read to the end. */
static void exchange(int fd, const uint8_t *send_p, size_t send_len, struct buf *got)
{
    static char chunk[65536];
    bool is_over = false;

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (!is_over) {
        struct pollfd p = { fd, (short) (POLLIN | (send_len > 0 ? POLLOUT : 0)), 0 };
        ssize_t n;

        assert_true(poll(&p, 1, 0) >= 0);
        if (p.revents & POLLOUT) {
            n = write(fd, send_p, send_len);
            assert_true(n > 0);
            send_p += n;
            send_len -= (size_t) n;
            if (send_len == 0)
                assert_int_equal(shutdown(fd, SHUT_WR), 0);
        }
        if (p.revents & POLLIN) {
            n = read(fd, chunk, sizeof(chunk));
            assert_true(n >= 0);
            is_over = n == 0;
            assert_int_equal(buf_add(got, chunk, (size_t) n), 0);
        }
        settle(); /* the other side's turn */
    }
}

static void bytes_go_both_ways_and_each_way_ends_by_itself(void **state)
{
    size_t len = 5 * 1024 * 1024 + 17;
    uint8_t *p = pattern(len);
    struct buf got;
    int fd;

    buf_init(&got, 64 << 20);
    line.echoes = true;
    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    exchange(fd, p, len, &got);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, p, len);
    wait_for(&line.closed, 1);
    assert_int_equal(line.ended, 1);
    close(fd);
    buf_done(&got);
    free(p);
}

/* The mark of the protocol itself, over and over, is as good as any bytes. */
static void marks_inside_are_bytes(void **state)
{
    uint8_t p[FRAME_MARK * 1000];
    struct buf got;
    int fd;

    for (size_t i = 0; i < sizeof(p); i += FRAME_MARK)
        memcpy(p + i, frame_mark, FRAME_MARK);
    buf_init(&got, 1 << 20);
    line.echoes = true;
    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    exchange(fd, p, sizeof(p), &got);
    assert_int_equal(got.len, sizeof(p));
    assert_memory_equal(got.data, p, sizeof(p));
    close(fd);
    buf_done(&got);
}

static ssize_t read_now(int fd)
{
    char c;

    return read(fd, &c, 1) < 0 ? -errno : 0;
}

static void a_cut_is_a_reset_for_the_process(void **state)
{
    int fd;

    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    wait_for(&line.count, 1);
    channel_conn_cut(line.ends[0].conn);
    settle();
    assert_int_equal(read_now(fd), -ECONNRESET);
    assert_int_equal(line.closed, 0); /* no callback follows */
    close(fd);
    /* the place is free again */
    fd = client();
    wait_for(&line.count, 2);
    close(fd);
}

static void what_nobody_accepts_is_cut(void **state)
{
    int fd;

    line.refuses = true;
    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    wait_for(&line.count, 1);
    settle();
    assert_int_equal(read_now(fd), -ECONNRESET);
    close(fd);
}

static void a_reset_by_the_process_closes(void **state)
{
    struct linger now = { .l_onoff = 1 };
    int fd;

    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    wait_for(&line.count, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
    wait_for(&line.closed, 1);
    assert_int_equal(line.ended, 0);
}

/* Nothing is dealt with: the process can send what sockets and the window hold, and then it waits. */
static void a_host_without_room_stops_the_process(void **state)
{
    static uint8_t zeros[1 << 20];
    struct end *e = &line.ends[0];
    size_t sent = 0;
    ssize_t n;
    int fd;

    line.holds = true;
    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    wait_for(&line.count, 1);
    for (int quiet = 0; quiet < 3 || e->held < FRAME_WINDOW_CONN;) {
        n = write(fd, zeros, sizeof(zeros));
        quiet = n > 0 ? 0 : quiet + 1;
        sent += n > 0 ? (size_t) n : 0;
        settle();
    }
    assert_int_equal(e->held, FRAME_WINDOW_CONN);
    assert_true(sent > FRAME_WINDOW_CONN);
    /* then all of it */
    e->holds = false;
    channel_conn_dealt(e->conn, e->held);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    wait_for(&line.ended, 1);
    assert_int_equal(e->got.len, sent);
    close(fd);
}

/* A process that does not read: the host may send what sockets and its share of the guest's memory hold. */
static void a_process_that_does_not_read_stops_the_host(void **state)
{
    size_t len = 24 * 1024 * 1024;
    uint8_t *p = pattern(len);
    struct end *e = &line.ends[0];
    struct buf got;
    size_t before;
    int fd;

    buf_init(&got, 64 << 20);
    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    wait_for(&line.count, 1);
    e->to_send = span_make(p, len);
    e->ends = true;
    push(e);
    do {
        before = e->to_send.len;
        settle();
        settle();
    } while (e->to_send.len < before);
    assert_true(e->to_send.len > len / 2);
    exchange(fd, (const uint8_t *) "x", 1, &got);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, p, len);
    close(fd);
    buf_done(&got);
    free(p);
}

static void files_raise(void)
{
    struct rlimit r;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    r.rlim_cur = r.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* All that may be open at once, the others wait in the kernel and get their turn. Each echoes its own words.
 */
static void a_thousand_and_some_more(void **state)
{
    static int fds[CLIENTS];
    char text[32], back[32];
    struct command c;

    files_raise();
    line.echoes = true;
    assert_int_equal(ask_to_listen(), 0);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client();
        assert_true(fds[i] >= 0);
        assert_true(write(fds[i], text, (size_t) snprintf(text, sizeof(text), "I am %d\n", i)) > 0);
        settle();
    }
    wait_for(&line.count, CHANNEL_CONNS);
    settle();
    assert_int_equal(line.count, CHANNEL_CONNS);
    shell_run(line.g, &c, 1, "ulimit -n"); /* commands go on meanwhile */
    assert_int_equal(c.result.end, EXEC_EXITED);
    command_done(&c);
    for (int i = 0; i < CLIENTS; i++) {
        int len = snprintf(text, sizeof(text), "I am %d\n", i);

        assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
        wait_for(&line.closed, (size_t) i + 1);
        assert_int_equal(read(fds[i], back, sizeof(back)), len);
        assert_memory_equal(back, text, (size_t) len);
        assert_int_equal(read(fds[i], back, sizeof(back)), 0);
        close(fds[i]);
    }
    assert_int_equal(line.count, CLIENTS);
}

/* A thousand processes that do not read get no more than the guest has for all of them. */
static void a_thousand_slow_readers(void **state)
{
    static int fds[CHANNEL_CONNS];
    size_t len = 1024 * 1024, before, sent = 0;
    uint8_t *p = pattern(len);

    files_raise();
    assert_int_equal(ask_to_listen(), 0);
    for (size_t i = 0; i < CHANNEL_CONNS; i++) {
        int small = 2048;

        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = address();

        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *) &at, sizeof(at)), 0);
        wait_for(&line.count, i + 1);
    }
    for (size_t i = 0; i < CHANNEL_CONNS; i++) {
        line.ends[i].to_send = span_make(p, len);
        push(&line.ends[i]);
    }
    for (sent = 0, before = 1; sent != before;) {
        before = sent;
        settle();
        settle();
        sent = 0;
        for (size_t i = 0; i < CHANNEL_CONNS; i++)
            sent += len - line.ends[i].to_send.len;
    }
    assert_true(sent > (size_t) CHANNEL_CONNS * FRAME_WINDOW_CONN_MIN);
    for (size_t i = 0; i < CHANNEL_CONNS; i++) {
        static char back[1 << 20];
        ssize_t n = recv(fds[i], back, sizeof(back), 0);

        assert_true(n > 0);
        assert_memory_equal(back, p, (size_t) n);
        close(fds[i]);
    }
    wait_for(&line.closed, CHANNEL_CONNS);
    free(p);
}

/* Old connections are cut, new ones wait until the new host asks. */
static void a_new_host_begins_anew(void **state)
{
    int old, waiting;

    assert_int_equal(ask_to_listen(), 0);
    old = client();
    wait_for(&line.count, 1);
    line.count = 0;
    buf_done(&line.ends[0].got);
    new_host();
    assert_int_equal(read_now(old), -ECONNRESET);
    waiting = client();
    assert_true(waiting >= 0);
    settle();
    assert_int_equal(line.count, 0);
    assert_int_equal(ask_to_listen(), 0);
    wait_for(&line.count, 1);
    close(old);
    close(waiting);
}

static void all_are_told_when_the_sandbox_goes(void **state)
{
    struct err err;
    int fd;

    assert_int_equal(ask_to_listen(), 0);
    fd = client();
    wait_for(&line.count, 1);
    err_set(&err, ERR_ENGINE, "gone");
    channel_eof(line.g->host->ch, &err);
    line.counted = &line.closed;
    line.wanted = 1;
    assert_int_equal(loop_run(line.g->loop, &line.g->host->is_broken, NULL), 0);
    assert_int_equal(line.closed, 1);
    line.counted = NULL;
    close(fd);
}

/* ---- whose it is ---- */

#define CONNECT "exec 3<>/dev/tcp/127.0.0.1/%d && read line <&3; exec 3<&-; "

static const char *script(const char *more)
{
    static char text[512];
    int n = snprintf(text, sizeof(text), CONNECT, line.port);

    (void) snprintf(text + n, sizeof(text) - (size_t) n, "%s", more);
    return text;
}

static void bash_start(struct command *c, uint64_t id, const char *text)
{
    const char *const argv[] = { "bash", "-c", text, NULL };
    struct exec_request req = { .id = id, .argv = argv, .output_max = 1000 };

    command_init(c);
    command_start(line.g, c, &req);
}

static void one_command_has_all_connections(void **state)
{
    struct command c;

    assert_int_equal(ask_to_listen(), 0);
    bash_start(&c, 4096, script(""));
    wait_for(&line.count, 1);
    assert_int_equal(line.ends[0].command, 4096);
    channel_conn_end(line.ends[0].conn);
    guest_run(line.g, &c.is_done);
    command_done(&c);
}

static void each_connection_is_its_commands(void **state)
{
    struct command c[3];

    assert_int_equal(ask_to_listen(), 0);
    for (uint64_t i = 0; i < 3; i++)
        bash_start(&c[i], 4096 * (i + 1), i == 1 ? "read x <<<y; exec sleep 1000" : script(""));
    wait_for(&line.count, 2);
    assert_true(line.ends[0].command + line.ends[1].command == 4 * 4096 &&
                line.ends[0].command != line.ends[1].command);
    for (int i = 0; i < 2; i++)
        channel_conn_end(line.ends[i].conn);
    channel_exec_kill(c[1].call);
    for (int i = 0; i < 3; i++) {
        guest_run(line.g, &c[i].is_done);
        command_done(&c[i]);
    }
}

/* What a command left behind is still its own, also while others run, twice forked and in a session of its
 * own. */
static void what_runs_on_is_still_its_commands(void **state)
{
    struct command c, other;
    char text[600];

    (void) snprintf(text, sizeof(text), "mkfifo go; (setsid bash -c 'read x <go; %s' &) & exit 0",
                    script(""));
    assert_int_equal(ask_to_listen(), 0);
    bash_start(&c, 4096, text);
    guest_run(line.g, &c.is_done); /* and released by the fixture */
    command_done(&c);
    bash_start(&other, 8192, "until test -p go; do :; done; echo go >go; exec sleep 1000");
    wait_for(&line.count, 1);
    assert_int_equal(line.ends[0].command, 4096);
    channel_exec_kill(other.call);
    guest_run(line.g, &other.is_done);
    command_done(&other);
}

#define OPEN_ONE "exec {f}<>/dev/tcp/127.0.0.1/$port && echo >&$f && read -u $f || exit 9; "

/* One after the other, each told before the next, among others that are open, were closed, and are another
 * command's. */
static void many_connections_are_their_commands(void **state)
{
    enum { MANY = 80, LESS = 40, OTHERS = 3 };
    struct command c, other;
    size_t of_c = 0, of_other = 0;
    char text[1024];

    line.echoes = true;
    assert_int_equal(ask_to_listen(), 0);
    (void) snprintf(text, sizeof(text), "port=%d; for i in {1..%d}; do " OPEN_ONE "done; exec sleep 1000",
                    line.port, OTHERS);
    bash_start(&other, 8192, text);
    (void) snprintf(text, sizeof(text),
                    "port=%d; for i in {1..%d}; do " OPEN_ONE "done; "
                    "for i in {1..%d}; do exec {f}>&-; let --f; done; "
                    "for i in {1..%d}; do " OPEN_ONE "done; exec sleep 1000",
                    line.port, MANY, LESS, LESS);
    bash_start(&c, 4096, text);
    wait_for(&line.count, MANY + LESS + OTHERS);
    wait_for(&line.closed, LESS);
    for (size_t i = 0; i < line.count; i++) {
        of_c += line.ends[i].command == 4096;
        of_other += line.ends[i].command == 8192;
    }
    assert_int_equal(of_c, MANY + LESS);
    assert_int_equal(of_other, OTHERS);
    channel_exec_kill(c.call);
    channel_exec_kill(other.call);
    guest_run(line.g, &c.is_done);
    guest_run(line.g, &other.is_done);
    command_done(&c);
    command_done(&other);
}

static void commands_keep_their_limit_of_files(void **state)
{
    struct command before, after, spared;

    shell_run(line.g, &before, 1, "ulimit -n; ulimit -Hn");
    assert_int_equal(ask_to_listen(), 0);
    shell_run(line.g, &spared, 2, "ulimit -n; ulimit -Hn"); /* perhaps by a keeper that was there already */
    shell_run(line.g, &after, 3, "ulimit -n; ulimit -Hn");
    assert_string_equal(buf_text(&before.out[0]), buf_text(&spared.out[0]));
    assert_string_equal(buf_text(&before.out[0]), buf_text(&after.out[0]));
    command_done(&before);
    command_done(&spared);
    command_done(&after);
}

/* A host that sends more than it was promised loses that connection, nothing else. */
static void a_host_that_sends_too_much(void **state)
{
    static uint8_t frame[FRAME_HEADER + FRAME_PAYLOAD_MAX];
    struct command c;
    int small = 2048, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = address();
    struct pollfd p = { .fd = fd };

    assert_int_equal(ask_to_listen(), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &at, sizeof(at)), 0);
    wait_for(&line.count, 1);
    frame_header(frame, FRAME_DATA, 0, FRAME_STREAM_CONNS + 1, FRAME_PAYLOAD_MAX);
    for (int i = 0; i < 200; i++) /* far beyond what the kernel takes for it */
        host_send_raw(line.g, frame, sizeof(frame));
    assert_int_equal(poll(&p, 1, -1), 1);
    assert_true(p.revents & POLLERR);
    /* our own end knows nothing of what was sent behind its back */
    new_host();
    shell_run(line.g, &c, 1, "true");
    assert_int_equal(c.result.end, EXEC_EXITED);
    command_done(&c);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_listens_before_it_was_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_that_is_taken_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_go_both_ways_and_each_way_ends_by_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(marks_inside_are_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_is_a_reset_for_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_accepts_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_by_the_process_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_host_without_room_stops_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_that_does_not_read_stops_the_host, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thousand_and_some_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thousand_slow_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_host_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(all_are_told_when_the_sandbox_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(one_command_has_all_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(each_connection_is_its_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(what_runs_on_is_still_its_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(many_connections_are_their_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(commands_keep_their_limit_of_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_host_that_sends_too_much, setup, teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
