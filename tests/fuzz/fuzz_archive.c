/* SPDX-License-Identifier: MIT */
/* Tar archives, compressed or not: every entry and what is in it, as far as anybody would read. */
#include "core/base/archive.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define READ_MAX    (4 * 1024 * 1024)
#define ENTRIES_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int source(void *data, struct span *ret, struct err *err)
{
    struct span *rest = data;

    *ret = span_make(rest->ptr, rest->len < 4096 ? rest->len : 4096);
    *rest = span_make(rest->ptr + ret->len, rest->len - ret->len);
    return 0;
}

static void check_name(const char *name)
{
    assert(name[0] && name[0] != '/' && strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 &&
           !strstr(name, "/../") && !strstr(name, "//"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_make(data, size);
    struct archive_reader *r = NULL;
    struct archive_item item;
    static char bytes[65536];
    size_t total = 0;

    if (archive_reader_new(&r, source, &rest, NULL) < 0)
        return 0;
    for (int i = 0; i < ENTRIES_MAX && total < READ_MAX && archive_reader_next(r, &item, NULL) == 1; i++) {
        ssize_t n = 0;

        check_name(item.name);
        assert((item.link != NULL) == (item.kind == ARCHIVE_LINK || item.kind == ARCHIVE_HARD));
        while (item.kind == ARCHIVE_FILE && total < READ_MAX &&
               (n = archive_reader_read(r, bytes, sizeof(bytes), NULL)) > 0)
            total += (size_t) n;
        if (n < 0)
            break;
    }
    archive_reader_free(r);
    return 0;
}
