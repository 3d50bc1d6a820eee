/* SPDX-License-Identifier: MIT */
#include "core/guest/peer.h"

#include "core/guest/procs.h"
#include "core/guest/stray.h"
#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINKS_MAX = 16 * 1024, /* descriptors of others that one look reads */
    LINE_MAX_BYTES = 256,
    OWNERS = 8,     /* processes of which we know more */
    OWN_MAX = 4096, /* their descriptors below this */
    HOLES_MAX = 64, /* so many numbers in a row that stand for nothing: there are no more */
};

/* A process that connections were found at. */
struct owner {
    uint32_t id; /* of this entry, never used again; 0: free */
    pid_t pid;
    uint64_t born, command;
    uint8_t taken[OWN_MAX / 8]; /* descriptors that are connections which are open still */
};

static struct owner owners[OWNERS];
static uint32_t last_id;

struct look {
    struct peer *list;
    int count, missing;
    uint16_t server_port;
    int links;
    pid_t pid; /* whose descriptors are being read, and their folder */
    int folder_fd;
    uint64_t command;    /* of that process */
    struct owner *owner; /* it, when it is known */
};

/* ---- the kernel's table of sockets ---- */

/* "0100007F:A1B2", or the same as the end of a mapped v6 address; other addresses cannot reach us. */
static bool endpoint_parse(const char *text, uint16_t *ret_port)
{
    const char *colon = strchr(text, ':');
    char *end;

    if (!colon || colon - text < 8 || memcmp(colon - 8, "0100007F", 8) != 0)
        return false;
    *ret_port = (uint16_t) strtoul(colon + 1, &end, 16);
    return end == colon + 5;
}

/* "  SL: LOCAL REMOTE ST TX:RX TR:WHEN RETRANSMIT UID TIMEOUT INODE ..." */
static void socket_line(struct look *l, char *line)
{
    char *field[10], *save = NULL;
    uint16_t port = 0, to = 0;
    int n = 0;

    for (char *p = strtok_r(line, " ", &save); p && n < 10; p = strtok_r(NULL, " ", &save))
        field[n++] = p;
    if (n < 10 || !endpoint_parse(field[1], &port) || !endpoint_parse(field[2], &to) || to != l->server_port)
        return;
    for (int i = 0; i < l->count; i++) {
        if (l->list[i].port != port || l->list[i].inode != 0)
            continue;
        l->list[i].inode = strtoull(field[9], NULL, 10);
        l->missing += l->list[i].inode != 0;
    }
}

static void table_read(struct look *l, const char *path)
{
    char buf[4096];
    size_t have = 0;
    ssize_t n;
    int fd = procs_open_of(0, path);

    while (fd >= 0 && (n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        char *line = buf, *end;

        have += (size_t) n;
        buf[have] = 0;
        while ((end = strchr(line, '\n')) != NULL) {
            *end = 0;
            socket_line(l, line);
            line = end + 1;
        }
        have -= (size_t) (line - buf);
        if (have > LINE_MAX_BYTES) /* no line of the kernel's is */
            have = 0;
        memmove(buf, line, have);
    }
    if (fd >= 0)
        (void) close(fd);
}

/* ---- descriptors of the processes ---- */

static struct owner *owner_find(uint32_t id)
{
    for (int i = 0; i < OWNERS; i++) {
        if (owners[i].id == id)
            return &owners[i];
    }
    return NULL;
}

/* The process whose descriptors are being read is one of which we know more from now on. */
static struct owner *owner_of(struct look *l)
{
    if (!l->owner) {
        l->owner = &owners[last_id % OWNERS];
        memset(l->owner, 0, sizeof(*l->owner));
        l->owner->id = ++last_id ? last_id : ++last_id;
        l->owner->pid = l->pid;
        l->owner->born = procs_born(l->pid);
        l->owner->command = l->command;
    }
    return l->owner;
}

static bool is_taken(const struct owner *o, uint32_t fd)
{
    return o->taken[fd / 8] >> fd % 8 & 1;
}

static void seat_take(struct look *l, struct peer *p, long fd)
{
    struct owner *o = owner_of(l);

    if (fd >= OWN_MAX)
        return;
    o->taken[fd / 8] |= (uint8_t) (1 << fd % 8);
    p->seat = (struct peer_seat){ o->id, (uint32_t) fd };
}

void peer_left(const struct peer_seat *seat)
{
    struct owner *o = seat->owner ? owner_find(seat->owner) : NULL;

    if (o)
        o->taken[seat->fd / 8] &= (uint8_t) ~(1 << seat->fd % 8);
}

static void match(struct look *l, const char *target, long fd)
{
    uint64_t inode = strtoull(target + 8, NULL, 10);

    for (int i = 0; i < l->count; i++) {
        struct peer *p = &l->list[i];

        if (p->inode != inode || p->inode == 0)
            continue;
        p->command = l->command;
        p->inode = 0; /* that is settled */
        l->missing--;
        seat_take(l, p, fd);
    }
}

/* False: it does not stand for anything. */
static bool descriptor_look(struct look *l, const char *name)
{
    char target[64];
    ssize_t n = readlinkat(l->folder_fd, name, target, sizeof(target) - 1);

    if (n > 8) {
        target[n] = 0;
        if (memcmp(target, "socket:[", 8) == 0)
            match(l, target, strtol(name, NULL, 10));
    }
    l->links++;
    return n >= 0;
}

static bool goes_on(const struct look *l)
{
    return l->missing > 0 && l->links < LINKS_MAX;
}

static bool link_look(void *data, const char *name)
{
    (void) descriptor_look(data, name);
    return goes_on(data);
}

/* What we do not know of one of them: few, unless it has much else open. A new descriptor is the lowest that
 * is free, so behind many holes there is none. */
static void owner_look(struct look *l, struct owner *o)
{
    char name[16];

    l->pid = o->pid;
    l->command = o->command;
    l->owner = o;
    l->folder_fd = procs_open_of(o->pid, "fd");
    for (uint32_t fd = 0, holes = 0; l->folder_fd >= 0 && fd < OWN_MAX && holes < HOLES_MAX && goes_on(l);
         fd++) {
        if (is_taken(o, fd)) {
            holes = 0;
            continue;
        }
        (void) snprintf(name, sizeof(name), "%u", (unsigned) fd);
        holes = descriptor_look(l, name) ? 0 : holes + 1;
    }
    if (l->folder_fd >= 0)
        (void) close(l->folder_fd);
}

static void owners_look(struct look *l)
{
    for (int i = 0; i < OWNERS; i++) {
        struct owner *o = &owners[i];

        if (o->id && procs_born(o->pid) != o->born)
            o->id = 0; /* it is another's number */
        if (o->id && goes_on(l))
            owner_look(l, o);
    }
}

/* A process that does not let itself be read has no folder for us. */
static bool process_look(void *data, pid_t pid)
{
    struct look *l = data;
    pid_t keeper = procs_top(pid, stray_is_keeper);

    if (keeper == 0)
        return true;
    l->pid = pid;
    l->command = stray_command_of(keeper);
    l->owner = NULL;
    for (int i = 0; i < OWNERS; i++) {
        if (owners[i].id && owners[i].pid == pid)
            l->owner = &owners[i];
    }
    l->folder_fd = procs_open_of(pid, "fd");
    if (l->folder_fd < 0)
        return true;
    (void) procs_names(l->folder_fd, link_look, l);
    (void) close(l->folder_fd);
    return goes_on(l);
}

void peer_find(struct peer *list, int count, uint16_t server_port)
{
    struct look l = { .list = list, .count = count, .server_port = server_port };
    uint64_t one;
    int commands = stray_commands(&one);

    for (int i = 0; i < count; i++) {
        list[i].command = commands == 1 ? one : FRAME_COMMAND_UNKNOWN;
        list[i].inode = 0;
        list[i].seat = (struct peer_seat){ 0 };
    }
    if (commands < 2 || count == 0)
        return;
    table_read(&l, "net/tcp");
    if (l.missing < count)
        table_read(&l, "net/tcp6");
    owners_look(&l);
    if (goes_on(&l))
        procs_each(process_look, &l);
}
