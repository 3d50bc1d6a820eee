/* SPDX-License-Identifier: MIT */
#include "core/tool/result_cache.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t) 8 * 1024 * 1024)
#define HEAD_MAX 1024

bool result_cache_decode(struct span file, struct span *ret, char run[RESULTS_RUN_MAX])
{
    const char *eol = file.len ? memchr(file.ptr, '\n', file.len < HEAD_MAX ? file.len : HEAD_MAX) : NULL;
    struct arena arena = ARENA_INIT(64 * HEAD_MAX);
    const struct tree *head = NULL;
    struct span body;
    char sum[DIGEST_HEX];
    bool is_good;

    if (!eol)
        return false;
    body = span_make(eol + 1, file.len - (size_t) (eol + 1 - file.ptr));
    digest_of(body, sum);
    is_good = json_parse(span_make(file.ptr, (size_t) (eol - file.ptr)), &arena, &head, NULL) == 0 &&
              tree_int(tree_get(head, "version"), 0) == 1 && tree_is_string(tree_get(head, "sha256"), sum);
    if (is_good) {
        (void) snprintf(run, RESULTS_RUN_MAX, "%.63s", tree_string(tree_get(head, "run"), ""));
        *ret = body;
    }
    arena_done(&arena);
    return is_good;
}

bool result_cache_get(const char *folder, const char *key, struct buf *out, char run[RESULTS_RUN_MAX])
{
    CLEANUP(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct buf file = BUF_INIT(FILE_MAX);
    struct span result;
    bool is_there = fd >= 0 && file_read_at(fd, key, &file, NULL) == 0 &&
                    result_cache_decode(buf_span(&file), &result, run) && buf_add_span(out, result) == 0;

    buf_done(&file);
    return is_there;
}

/* ---- bounds ---- */

struct kept {
    char name[DIGEST_HEX];
    int64_t bytes, at_ms;
};

static int by_age(const void *a, const void *b)
{
    const struct kept *one = a, *other = b;

    return (one->at_ms > other->at_ms) - (one->at_ms < other->at_ms);
}

/* Names of other lengths are temporary ones, or somebody else's. */
static size_t look(DIR *dir, struct kept *list, size_t max)
{
    struct dirent *entry;
    struct stat st;
    size_t count = 0;

    while (count < max && (entry = readdir(dir)) != NULL)
        if (strlen(entry->d_name) == DIGEST_HEX - 1 &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            struct kept *k = &list[count++];

            memcpy(k->name, entry->d_name, DIGEST_HEX);
            k->bytes = st.st_size;
            k->at_ms = (int64_t) st.st_mtime * 1000;
        }
    qsort(list, count, sizeof(*list), by_age);
    return count;
}

static int sweep(DIR *dir, int64_t before_ms, bool is_dry, struct result_cache_swept *ret, struct err *err)
{
    const size_t max = 4 * (size_t) RESULTS_MAX; /* more is dealt with by the next one */
    CLEANUP(free) struct kept *list = calloc(max, sizeof(*list));
    size_t count = list ? look(dir, list, max) : 0;

    if (!list)
        return err_set(err, ERR_INTERNAL, "no memory for a list of results");
    for (size_t i = 0; i < count; i++)
        ret->kept_bytes += list[i].bytes;
    ret->kept = (int64_t) count;
    for (size_t i = 0; i < count; i++) {
        if (list[i].at_ms >= before_ms && ret->kept <= RESULTS_MAX && ret->kept_bytes <= RESULTS_BYTES_MAX)
            break;
        if (!is_dry && unlinkat(dirfd(dir), list[i].name, 0) < 0 && errno != ENOENT)
            return err_errno(err, ERR_IO, "removing a stored result");
        ret->files++;
        ret->bytes += list[i].bytes;
        ret->kept--;
        ret->kept_bytes -= list[i].bytes;
    }
    return 0;
}

int result_cache_sweep(const char *folder, int64_t before_ms, bool is_dry, struct result_cache_swept *ret,
                       struct err *err)
{
    DIR *dir = opendir(folder);
    int r;

    *ret = (struct result_cache_swept){ 0 };
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(err, ERR_IO, "opening '%s'", folder);
    r = sweep(dir, before_ms, is_dry, ret, err);
    (void) closedir(dir); /* only read */
    return r;
}

int result_cache_put(const char *folder, const char *key, const char *run, struct span result,
                     struct err *err)
{
    struct buf file = BUF_INIT(FILE_MAX);
    struct result_cache_swept swept;
    struct json_writer w;
    char sum[DIGEST_HEX];
    CLEANUP(free) char *path = file_join(folder, key);
    int r = path ? file_make_dirs(folder, 0700, err) : err_set(err, ERR_INTERNAL, "no memory");

    digest_of(result, sum);
    json_begin(&w, &file);
    json_object(&w);
    json_put_int(&w, "version", 1);
    json_put_string(&w, "run", run);
    json_put_string(&w, "sha256", sum);
    json_object_end(&w);
    if (r == 0)
        r = json_end(&w, err);
    if (r == 0 && (buf_add_char(&file, '\n') < 0 || buf_add_span(&file, result) < 0))
        r = err_set(err, ERR_TOO_LARGE, "the result is too large to be stored");
    if (r == 0)
        r = file_write_atomic(path, buf_span(&file), 0600, err);
    if (r == 0)
        r = result_cache_sweep(folder, 0, false, &swept, err);
    buf_done(&file);
    return r;
}
