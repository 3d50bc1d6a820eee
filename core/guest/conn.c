/* SPDX-License-Identifier: MIT */
#include "core/guest/conn.h"

#include "core/guest/hold.h"
#include "core/guest/out.h"
#include "core/guest/peer.h"
#include "core/guest/spawn.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    FDS_SPARED = 512, /* for commands: pipes, keepers' sockets, files that are read and written */
    FULL_US = 100 * 1000,
    SILENT_US = 2000, /* who connects speaks first: OPEN waits so long, to go with that */
};

enum conn_state {
    CONN_FREE,
    CONN_OPENING, /* its OPEN is to be sent */
    CONN_OPEN,
    CONN_ENDED, /* its DONE is to be sent */
};

struct conn {
    enum conn_state state;
    int fd;
    uint64_t stream, command;
    uint16_t port;
    struct peer_seat seat;
    int64_t open_us;      /* when it is told of at the latest; ... */
    bool is_due;          /* ... that is now */
    bool is_readable;     /* as far as we know */
    bool has_said_end;    /* the process will send nothing more, and the host was told */
    bool has_heard_end;   /* nor will the host; ... */
    bool is_shut;         /* ... and the process was told */
    uint32_t credit;      /* we may send so much */
    uint32_t taken, owed; /* of the host's window: used; of that, delivered and not yet given back */
    struct hold hold;
    struct frame_done done;
};

static struct conn conns[FRAME_CONNS];
static int used; /* places that are not free */
static int turn; /* whose turn it is to speak */
static int listener = -1;
static uint16_t listener_port;
static bool is_accepting;
static int places;            /* that may be used: so many descriptors there are */
static int64_t full_until_us; /* something ran out: not tried again before that */
static struct conn *polled[FRAME_CONNS];

/* ---- listening ---- */

/* The runtime brings the loopback up. Where it does not we may not either, and say so. */
static int loopback_check(int fd)
{
    struct ifreq lo = { .ifr_name = "lo" };

    if (ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
        return -errno;
    if (lo.ifr_flags & IFF_UP)
        return 0;
    lo.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? -ENETDOWN : 0;
}

static int listener_open(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    int r = fd < 0 ? -errno : loopback_check(fd);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (r == 0)
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (r ==
        0) /* those that are accepted have it from here; else the end of an answer would wait for 40 ms */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (r == 0 && (bind(fd, (struct sockaddr *) &at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0))
        r = -errno;
    if (r < 0 && fd >= 0)
        (void) close(fd);
    if (r < 0)
        return r;
    if (listener >= 0)
        (void) close(listener);
    listener = fd;
    listener_port = port;
    return 0;
}

int conn_listen(uint32_t port)
{
    int r = 0;

    if (port == 0 || port > UINT16_MAX)
        return -EINVAL;
    if (listener < 0 || listener_port != port)
        r = listener_open((uint16_t) port);
    if (r < 0)
        return r;
    places = spawn_raise_files(FRAME_CONNS + FDS_SPARED) - FDS_SPARED;
    if (places > FRAME_CONNS)
        places = FRAME_CONNS;
    if (places < 1)
        return -EMFILE;
    is_accepting = true;
    full_until_us = 0;
    return 0;
}

/* ---- ends ---- */

/* `hard`: the process must not take what it got for all there was. */
static void conn_close(struct conn *c, bool hard)
{
    struct linger now = { .l_onoff = 1 };

    if (c->fd < 0)
        return;
    if (hard)
        (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void) close(c->fd);
    c->fd = -1;
    peer_left(&c->seat);
    hold_done(&c->hold);
    full_until_us = 0;
}

static void finish(struct conn *c, uint8_t code, int errnum, const char *text)
{
    if (c->state == CONN_ENDED)
        return;
    conn_close(c, code != FRAME_OK);
    c->state = CONN_ENDED;
    c->done = (struct frame_done){ .code = code, .errnum = (uint32_t) errnum, .text = text };
    c->done.text_len = (uint8_t) strlen(text);
}

static void finish_errno(struct conn *c, int errnum)
{
    const char *text = strerror(errnum);

    finish(c, FRAME_IO, errnum, strlen(text) <= FRAME_TEXT_MAX ? text : "");
}

static void finish_if_over(struct conn *c)
{
    if (c->has_said_end && c->is_shut)
        finish(c, FRAME_OK, 0, "");
}

void conn_reset(void)
{
    for (int i = 0; i < FRAME_CONNS; i++) {
        if (conns[i].state != CONN_FREE)
            conn_close(&conns[i], true);
        conns[i].state = CONN_FREE;
    }
    used = 0;
    is_accepting = false;
    (void) spawn_raise_files(0); /* the next host may want to see it as it was */
}

/* ---- accepting ---- */

static struct conn *place_get(void)
{
    static int last;

    for (int i = 0; i < FRAME_CONNS && used < places; i++) {
        last = (last + 1) % FRAME_CONNS;
        if (conns[last].state == CONN_FREE)
            return &conns[last];
    }
    return NULL;
}

static void begin(struct conn *c, int fd, uint16_t port, int64_t now_us)
{
    uint64_t place = (uint64_t) (c - conns), stream = c->stream;

    *c = (struct conn){ .state = CONN_OPENING, .fd = fd, .port = port, .command = FRAME_COMMAND_UNKNOWN };
    c->stream = stream ? stream + FRAME_CONNS : FRAME_STREAM_CONNS + place;
    c->credit = FRAME_WINDOW_CONN;
    c->open_us = now_us + SILENT_US;
    hold_init(&c->hold);
    used++;
}

static void accept_all(int64_t now_us)
{
    struct peer peers[PEER_LOOK];
    struct conn *fresh[PEER_LOOK], *c;
    int count = 0;

    while (count < PEER_LOOK && (c = place_get()) != NULL) {
        struct sockaddr_in from = { 0 };
        socklen_t len = sizeof(from);
        int fd = accept4(listener, (struct sockaddr *) &from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR || errno == EPROTO))
            continue;
        if (fd < 0) {
            full_until_us = errno == EAGAIN ? 0 : now_us + FULL_US;
            break;
        }
        begin(c, fd, ntohs(from.sin_port), now_us);
        peers[count] = (struct peer){ .port = c->port };
        fresh[count++] = c;
    }
    peer_find(peers, count, listener_port);
    for (int i = 0; i < count; i++) {
        fresh[i]->command = peers[i].command;
        fresh[i]->seat = peers[i].seat;
    }
}

/* ---- from the host ---- */

static struct conn *find(uint64_t stream)
{
    struct conn *c = &conns[(stream - FRAME_STREAM_CONNS) % FRAME_CONNS];

    return stream >= FRAME_STREAM_CONNS && c->state == CONN_OPEN && c->stream == stream ? c : NULL;
}

/* Bytes that the process took; 0: none now; -1: it takes no more, and the connection has ended. */
static ssize_t give(struct conn *c, const uint8_t *p, size_t len)
{
    ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0) {
        finish_errno(c, errno);
        return -1;
    }
    c->owed += (uint32_t) n;
    return n;
}

static void shut(struct conn *c)
{
    if (!c->has_heard_end || c->is_shut || c->hold.len > 0)
        return;
    (void) shutdown(c->fd, SHUT_WR); /* it may have gone: then the other direction says so */
    c->is_shut = true;
    finish_if_over(c);
}

static void held_give(struct conn *c)
{
    const uint8_t *p;
    ssize_t n = 1;
    size_t len;

    while (n > 0 && (len = hold_front(&c->hold, &p)) > 0) {
        n = give(c, p, len);
        if (n > 0)
            hold_drop(&c->hold, (size_t) n);
    }
    if (n >= 0)
        shut(c);
}

void conn_data(uint64_t stream, const uint8_t *p, size_t len, bool is_end)
{
    struct conn *c = find(stream);
    ssize_t n = 0;

    if (!c || c->has_heard_end)
        return;
    if (len > c->hold.max - c->taken) {
        finish(c, FRAME_INVALID, EINVAL, "more data than it has credit for");
        return;
    }
    c->taken += (uint32_t) len;
    if (c->hold.len == 0 && len > 0)
        n = give(c, p, len);
    if (n < 0)
        return;
    (void) hold_add(&c->hold, p + n, len - (size_t) n); /* what was promised has room */
    c->has_heard_end = is_end;
    shut(c);
}

void conn_credit(uint64_t stream, uint32_t bytes)
{
    struct conn *c = find(stream);

    if (c)
        c->credit += bytes < FRAME_WINDOW_CONN_WIDE - c->credit ? bytes : FRAME_WINDOW_CONN_WIDE - c->credit;
}

void conn_cancel(uint64_t stream)
{
    struct conn *c = find(stream);

    if (c)
        finish(c, FRAME_CANCELED, ECANCELED, "");
}

/* ---- from the main loop ---- */

static short events_of(const struct conn *c)
{
    short events = 0;

    if (c->state == CONN_OPENING)
        return c->is_readable || c->is_due ? 0 : POLLIN;
    if (c->state != CONN_OPEN)
        return 0;
    if (!c->has_said_end && !c->is_readable && c->credit > 0)
        events |= POLLIN;
    if (c->hold.len > 0)
        events |= POLLOUT;
    return events;
}

/* A connection of which we want nothing now is not looked at: the kernel tells of hang-ups unasked, for ever.
 */
int conn_poll(struct pollfd *fds, int64_t now_us, int64_t *wake_us)
{
    bool has_room = is_accepting && used < places;
    int n = 1;

    fds[0] = (struct pollfd){ .fd = has_room && full_until_us <= now_us ? listener : -1, .events = POLLIN };
    if (has_room && full_until_us > now_us && full_until_us < *wake_us)
        *wake_us = full_until_us;
    for (int i = 0, left = used; left > 0 && i < FRAME_CONNS; i++) {
        struct conn *c = &conns[i];
        short events = events_of(c);

        left -= c->state != CONN_FREE;
        if (events == 0)
            continue;
        if (c->state == CONN_OPENING) {
            c->is_due = now_us >= c->open_us;
            *wake_us = c->open_us < *wake_us ? c->open_us : *wake_us;
        }
        polled[n - 1] = c;
        fds[n++] = (struct pollfd){ .fd = c->fd, .events = events };
    }
    return n;
}

static int error_of(int fd)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0 ? errno : errnum;
}

void conn_ready(const struct pollfd *fds, int count, int64_t now_us)
{
    for (int i = 1; i < count; i++) {
        struct conn *c = polled[i - 1];
        short came = fds[i].revents;

        if (came == 0 || c->fd != fds[i].fd || c->state == CONN_FREE || c->state == CONN_ENDED)
            continue;
        if ((came & POLLERR) && c->state == CONN_OPEN) {
            finish_errno(c, error_of(c->fd));
            continue;
        }
        if ((came & (POLLIN | POLLHUP)) || c->state == CONN_OPENING)
            c->is_readable = true;
        if ((came & (POLLOUT | POLLHUP)) && c->hold.len > 0)
            held_give(c);
    }
    if (fds[0].revents)
        accept_all(now_us);
}

/* ---- to the host ---- */

static void open_produce(struct conn *c, uint8_t *p)
{
    struct frame_out out = { p, 0, OUT_PAYLOAD, false };
    struct frame_open o = { .command = c->command, .window = c->hold.max };

    frame_open_encode(&out, &o);
    out_commit(FRAME_OPEN, 0, c->stream, (uint32_t) out.len);
    c->state = CONN_OPEN;
}

static void done_produce(struct conn *c, uint8_t *p)
{
    struct frame_out out = { p, 0, OUT_PAYLOAD, false };

    frame_done_encode(&out, &c->done);
    out_commit(FRAME_DONE, 0, c->stream, (uint32_t) out.len);
    c->state = CONN_FREE;
    used--;
}

static bool credit_produce(struct conn *c, uint8_t *p)
{
    struct frame_out out = { p, 0, OUT_PAYLOAD, false };

    if (c->has_heard_end || c->owed < c->hold.max / 4)
        return false;
    frame_put(&out, 0, 1);
    frame_put(&out, c->owed, 4);
    c->taken -= c->owed;
    c->owed = 0;
    out_commit(FRAME_CREDIT, 0, c->stream, (uint32_t) out.len);
    return true;
}

static bool data_produce(struct conn *c, uint8_t *p)
{
    uint32_t max = c->credit < OUT_PAYLOAD ? c->credit : OUT_PAYLOAD;

    if (!c->is_readable || c->has_said_end || max == 0)
        return false;
    ssize_t n = recv(c->fd, p, max, MSG_DONTWAIT);

    if (n < 0) {
        c->is_readable = false;
        if (errno != EAGAIN && errno != EINTR)
            finish_errno(c, errno);
        return c->state == CONN_ENDED;
    }
    out_commit(FRAME_DATA, n == 0 ? FRAME_END : 0, c->stream, (uint32_t) n);
    c->credit -= (uint32_t) n;
    c->is_readable = (uint32_t) n == max; /* else poll(2) says when there is more */
    c->has_said_end = n == 0;
    finish_if_over(c);
    return true;
}

bool conn_produce(void)
{
    for (int i = 0, left = used; left > 0 && i < FRAME_CONNS; i++) {
        struct conn *c = &conns[turn = (turn + 1) % FRAME_CONNS];
        uint8_t *p = c->state == CONN_FREE ? NULL : out_begin();
        bool has_spoken = p != NULL;

        left -= c->state != CONN_FREE;
        if (!p)
            continue;
        if (c->state == CONN_OPENING && (has_spoken = c->is_readable || c->is_due))
            open_produce(c, p);
        else if (c->state == CONN_OPENING)
            continue;
        else if (c->state == CONN_ENDED)
            done_produce(c, p);
        else
            has_spoken = credit_produce(c, p) || data_produce(c, p);
        if (has_spoken)
            return true;
    }
    return false;
}
