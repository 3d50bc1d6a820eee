/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over its corpus in an ordinary test: the empty input, every file whole, and
 * every file cut short, since a cut is what a decoder of streams meets most. TAP on stdout.
 *
 * Each input is copied into a block of exactly its size, so that the address sanitizer
 * sees a read of one byte too many.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX  (16u << 20)
#define CUTS_MAX  512
#define FILES_MAX 4096

static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(1, size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    (void) LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void feed_cuts(const uint8_t *data, size_t size)
{
    size_t step = size / CUTS_MAX + 1;

    for (size_t cut = 0; cut < size; cut += step)
        feed(data, cut);
    feed(data, size);
}

static uint8_t *read_file(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;

    if (!f)
        return NULL;
    data = malloc(FILE_MAX);
    if (data) {
        *ret_size = fread(data, 1, FILE_MAX, f);
        if (ferror(f)) {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Names of the corpus in a fixed order; readdir has none. */
static size_t list_corpus(const char *dir, char **names, size_t max)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    if (!d)
        return 0;
    for (struct dirent *e = readdir(d); e && n < max; e = readdir(d)) {
        if (e->d_name[0] != '.')
            names[n++] = strdup(e->d_name);
    }
    closedir(d);
    qsort(names, n, sizeof(*names), by_name);
    return n;
}

static int replay_file(const char *dir, const char *name)
{
    char path[4096];
    size_t size = 0;
    uint8_t *data;

    (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
    data = read_file(path, &size);
    if (!data)
        return -1;
    feed_cuts(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    static char *names[FILES_MAX];
    size_t count;
    int failed = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    feed((const uint8_t *) "", 0);
    count = list_corpus(argv[1], names, FILES_MAX);
    printf("1..%zu\n", count ? count : 1);
    if (!count) {
        printf("not ok 1 - no corpus in %s\n", argv[1]);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        int r = replay_file(argv[1], names[i]);

        printf("%s %zu - %s\n", r < 0 ? "not ok" : "ok", i + 1, names[i]);
        fflush(stdout);
        failed |= r < 0;
        free(names[i]);
    }
    return failed;
}
