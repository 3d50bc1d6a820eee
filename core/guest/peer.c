/* SPDX-License-Identifier: MIT */
#include "core/guest/peer.h"

#include "core/guest/procs.h"
#include "core/guest/stray.h"
#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINKS_MAX = 16 * 1024, /* descriptors of others that one look reads */
    LINE_MAX_BYTES = 256,
};

struct look {
    struct peer *list;
    int count, missing;
    uint16_t server_port;
    int links;
    pid_t pid; /* whose descriptors are being read, and their folder */
    int folder_fd;
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
        if (l->list[i].port == port && l->list[i].inode == 0)
            l->list[i].inode = strtoull(field[9], NULL, 10);
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

static void match(struct look *l, const char *target)
{
    uint64_t inode = strtoull(target + 8, NULL, 10);

    for (int i = 0; i < l->count; i++) {
        struct peer *p = &l->list[i];

        if (p->inode != inode || p->inode == 0 || p->command != FRAME_COMMAND_UNKNOWN)
            continue;
        p->command = stray_command_of(procs_top(l->pid, stray_is_keeper));
        l->missing--;
    }
}

static bool link_look(void *data, const char *name)
{
    struct look *l = data;
    char target[64];
    ssize_t n = readlinkat(l->folder_fd, name, target, sizeof(target) - 1);

    if (n > 8) {
        target[n] = 0;
        if (memcmp(target, "socket:[", 8) == 0)
            match(l, target);
    }
    return l->missing > 0 && ++l->links < LINKS_MAX;
}

/* A process that does not let itself be read has no folder for us. */
static bool process_look(void *data, pid_t pid)
{
    struct look *l = data;

    l->pid = pid;
    l->folder_fd = procs_open_of(pid, "fd");
    if (l->folder_fd < 0)
        return true;
    (void) procs_names(l->folder_fd, link_look, l);
    (void) close(l->folder_fd);
    return l->missing > 0 && l->links < LINKS_MAX;
}

void peer_find(struct peer *list, int count, uint16_t server_port)
{
    struct look l = { .list = list, .count = count, .server_port = server_port };
    uint64_t only = stray_only_command();

    for (int i = 0; i < count; i++) {
        list[i].command = only;
        list[i].inode = 0;
    }
    if (only != FRAME_COMMAND_UNKNOWN || count == 0)
        return;
    table_read(&l, "net/tcp");
    table_read(&l, "net/tcp6");
    for (int i = 0; i < count; i++)
        l.missing += list[i].inode != 0;
    if (l.missing > 0)
        procs_each(process_look, &l);
}
