/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into the program under test, this ends it at an exact place of its journal, or gives it a clock
 * that jumps. No timing, no tracer.
 *
 *   TORTURE_KILL=after:K    the K-th line that this process writes is in the file, newline and all;
 *                           nothing after it
 *   TORTURE_KILL=before:K   what caused the K-th line has happened, the line is not in the file
 *   TORTURE_KILL=tear:K     half of that line is in the file
 *   TORTURE_CLOCK=SECONDS   the wall clock is wrong by so many seconds, now to the one side, now to the
 *                           other, and right every third time
 *
 * Lines that are written in one go are taken apart. Killed means SIGKILL, by our own hand.
 */
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL "/journal.jsonl"

enum kill_when { KILL_NOT_READ, KILL_NEVER, KILL_AFTER, KILL_BEFORE, KILL_TEAR };

static enum kill_when when;
static long wanted, lines;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void read_wish(void)
{
    static const struct {
        const char *word;
        enum kill_when when;
    } words[] = { { "after:", KILL_AFTER }, { "before:", KILL_BEFORE }, { "tear:", KILL_TEAR } };
    const char *wish = getenv("TORTURE_KILL");

    when = KILL_NEVER;
    for (size_t i = 0; wish && i < sizeof(words) / sizeof(*words); i++) {
        size_t len = strlen(words[i].word);

        if (strncmp(wish, words[i].word, len) == 0) {
            wanted = strtol(wish + len, NULL, 10);
            when = words[i].when;
        }
    }
}

static bool is_journal(int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path));
    return n >= (ssize_t) strlen(JOURNAL) &&
           memcmp(path + n - strlen(JOURNAL), JOURNAL, strlen(JOURNAL)) == 0;
}

/* Bytes of this write that may still reach the file; -1: all, and we live on. */
static ssize_t last_bytes(const char *data, size_t len)
{
    size_t begin = 0;

    while (begin < len) {
        const char *newline = memchr(data + begin, '\n', len - begin);
        size_t end = newline ? (size_t) (newline - data) + 1 : len;

        if (lines + 1 == wanted && when == KILL_BEFORE)
            return (ssize_t) begin;
        if (lines + 1 == wanted && when == KILL_TEAR)
            return (ssize_t) (begin + (end - begin) / 2);
        lines += newline != NULL;
        if (lines == wanted && when == KILL_AFTER)
            return (ssize_t) end;
        begin = end;
    }
    return -1;
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);
    ssize_t last;

    if (!real)
        *(void **) &real = next("write");
    if (when == KILL_NOT_READ)
        read_wish();
    if (when == KILL_NEVER || !is_journal(fd))
        return real(fd, data, len);
    last = last_bytes(data, len);
    if (last < 0)
        return real(fd, data, len);
    if (last > 0)
        (void) !real(fd, data, (size_t) last);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* ---- the clock on the wall ---- */

static int64_t wrong_by(void)
{
    static int count;
    const char *text = getenv("TORTURE_CLOCK");
    int64_t seconds = text ? strtoll(text, NULL, 10) : 0;

    return seconds * (++count % 3 - 1);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    int r;

    if (!real)
        *(void **) &real = next("clock_gettime");
    r = real(id, ret);
    if (r == 0 && id == CLOCK_REALTIME)
        ret->tv_sec += (time_t) wrong_by();
    return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return -1;
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
