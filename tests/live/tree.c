/* SPDX-License-Identifier: MIT */
/*
 * Runs inside a sandbox and makes of a folder what no shell can:
 *     tree socket PATH            a socket with a name
 *     tree deep COUNT NAME        so many folders in one another, a file `end` in the last
 *     tree bytes                  a file named by each single byte that a name may be
 *     tree swap A B               A and B change places for as long as it lives
 *     tree grow PATH, tree shrink PATH, tree retype PATH      one file, over and over
 * The last four leave the session and let go of everything, so that they outlive the call if anything can.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int make_socket(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    return bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 ? fail(path) : 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_NONBLOCK, 0644);

    if (fd < 0)
        return -1;
    (void) !write(fd, text, strlen(text));
    return close(fd);
}

static int make_deep(int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (mkdir(name, 0755) < 0 || chdir(name) < 0)
            return fail(name);
    return write_file("end", "end\n") < 0 ? fail("end") : 0;
}

static int make_bytes(void)
{
    for (int c = 1; c < 256; c++) {
        char name[2] = { (char) c, '\0' };

        if (c != '/' && c != '.' && write_file(name, name) < 0)
            return fail("a name of one byte");
    }
    return 0;
}

/* Gone from its parent and from its session; the parent goes on when the first round is done. */
static void leave(void)
{
    if (fork() > 0)
        _exit(0);
    (void) setsid();
    (void) signal(SIGHUP, SIG_IGN);
    (void) signal(SIGTERM, SIG_IGN);
    for (int fd = 0; fd < 3; fd++) {
        (void) close(fd);
        (void) open("/dev/null", O_RDWR);
    }
}

static __attribute__((noreturn)) void swap_for_ever(const char *a, const char *b)
{
    leave();
    for (;;)
        (void) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}

static __attribute__((noreturn)) void change_for_ever(const char *kind, const char *path)
{
    static const char block[4096];

    leave();
    for (unsigned i = 0;; i++) {
        int fd = kind[0] == 'r' ? -1 : open(path, O_CREAT | O_WRONLY | O_APPEND, 0644);

        if (kind[0] == 'g')
            (void) !write(fd, block, sizeof(block));
        if (kind[0] == 'g' && i % 1000 == 999)
            (void) ftruncate(fd, 4096);
        if (kind[0] == 's')
            (void) ftruncate(fd, i % 2 ? 0 : 1 << 20);
        if (fd >= 0)
            (void) close(fd);
        if (kind[0] != 'r')
            continue;
        (void) (unlink(path) < 0 ? rmdir(path) : 0);
        if (i % 4 == 0)
            (void) mkfifo(path, 0644);
        else if (i % 4 == 1)
            (void) symlink("/etc/passwd", path);
        else if (i % 4 == 2)
            (void) mkdir(path, 0755);
        else
            (void) write_file(path, "text\n");
    }
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    if (strcmp(verb, "socket") == 0 && argc == 3)
        return make_socket(argv[2]);
    if (strcmp(verb, "deep") == 0 && argc == 4)
        return make_deep(atoi(argv[2]), argv[3]);
    if (strcmp(verb, "bytes") == 0)
        return make_bytes();
    if (strcmp(verb, "swap") == 0 && argc == 4)
        swap_for_ever(argv[2], argv[3]);
    if (argc == 3)
        change_for_ever(verb, argv[2]);
    (void) fprintf(stderr, "tree: what?\n");
    return 2;
}
