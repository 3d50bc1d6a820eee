/* SPDX-License-Identifier: MIT */
/* What our reader makes of an archive:  list_archive FILE
 * A line for each entry, "KIND MODE SIZE NAME [-> LINK]", with the bytes that really came as size; last
 * "end", "enough" (more than LINES_MAX entries or BYTES_MAX bytes) or "error TEXT". Bytes that are no plain
 * ASCII are written as \ooo. */
#include "core/base/archive.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 200
#define BYTES_MAX (256 * 1024 * 1024)

static int source(void *data, struct span *ret, struct err *err)
{
    static char bytes[8192];
    ssize_t n = read(*(int *) data, bytes, sizeof(bytes));

    if (n < 0)
        return err_errno(err, ERR_IO, "reading");
    *ret = span_make(bytes, (size_t) n);
    return 0;
}

static void put(const char *text)
{
    for (; *text; text++) {
        if (*text >= ' ' && *text < 127 && *text != '\\')
            (void) putchar(*text);
        else
            (void) printf("\\%03o", (unsigned char) *text);
    }
}

/* Bytes of the content, or a negative code. */
static long long drain(struct archive_reader *r, struct err *err)
{
    static char bytes[65536];
    long long total = 0;
    ssize_t n;

    while (total < BYTES_MAX && (n = archive_reader_read(r, bytes, sizeof(bytes), err)) != 0) {
        if (n < 0)
            return n;
        total += n;
    }
    return total;
}

/* What it took at most, to stderr. */
static void put_peak(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            (void) fputs(line, stderr);
    if (f)
        (void) fclose(f);
}

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1, got = 0, lines = 0;
    struct archive_reader *r = NULL;
    struct archive_item item;
    long long size = 0, all = 0;
    struct err err = { 0 };

    if (fd < 0)
        return 2;
    got = archive_reader_new(&r, source, &fd, &err);
    while (got >= 0 && lines < LINES_MAX && all < BYTES_MAX &&
           (got = archive_reader_next(r, &item, &err)) > 0) {
        size = item.kind == ARCHIVE_FILE ? drain(r, &err) : 0;
        (void) printf("%c %04o %lld ", "fdlh"[item.kind], (unsigned) item.mode, size < 0 ? item.size : size);
        put(item.name);
        (void) printf("%s", item.link ? " -> " : "");
        put(item.link ? item.link : "");
        (void) putchar('\n');
        if (size < 0)
            got = (int) size;
        all += size > 0 ? size : 0;
        lines++;
    }
    archive_reader_free(r);
    (void) close(fd);
    (void) printf("%s", got > 0 ? "enough" : got == 0 ? "end" : "error ");
    put(got < 0 ? err.text : "");
    (void) putchar('\n');
    put_peak();
    return 0;
}
