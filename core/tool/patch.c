/* SPDX-License-Identifier: MIT */
/* What a patch is made of: operations, and the paths that they name. */
#include "core/tool/patch.h"

#include "core/base/json.h"
#include "core/sandbox/frame.h"

#include <string.h>

#define ARENA_MAX ((size_t) 512 * 1024 * 1024) /* a line of one byte takes 24 of them */

void patch_init(struct patch *p)
{
    *p = (struct patch){ 0 };
    arena_init(&p->arena, ARENA_MAX);
}

void patch_done(struct patch *p)
{
    arena_done(&p->arena);
    *p = (struct patch){ 0 };
}

bool patch_kind_of(struct span word, enum patch_kind *ret)
{
    static const char *const words[] = {
        [PATCH_ADD] = "create_file", [PATCH_UPDATE] = "update_file", [PATCH_DELETE] = "delete_file"
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (span_is(word, words[i])) {
            *ret = (enum patch_kind) i;
            return true;
        }
    return false;
}

static int bad_path(struct span path, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, "the path '%.*s' %s", (int) (path.len < 300 ? path.len : 300),
                   path.len ? path.ptr : "", why);
}

/* One component onto the end of `out`, ".." takes the last one away again. */
static int add_component(struct buf *out, struct span name)
{
    size_t len = out->len;

    if (name.len == 0 || span_is(name, "."))
        return 0;
    if (!span_is(name, "..")) {
        if (len > 0 && buf_add_char(out, '/') < 0)
            return -ERR_TOO_LARGE;
        return buf_add_span(out, name);
    }
    if (len == 0)
        return -ERR_INVALID;
    while (len > 0 && out->data[len - 1] != '/')
        len--;
    out->len = len > 0 ? len - 1 : 0;
    out->data[out->len] = '\0';
    return 0;
}

static int clean(struct span path, struct buf *out)
{
    const char *at = path.ptr, *end = path.ptr + path.len;
    int r = 0;

    while (r == 0 && at < end) {
        const char *next = at;

        while (next < end && *next != '/' && *next != '\\')
            next++;
        r = add_component(out, span_make(at, (size_t) (next - at)));
        at = next + 1;
    }
    return r;
}

/* The rest of an absolute path behind the root; false: it is elsewhere. */
static bool strip_root(const char *root, struct span *path)
{
    size_t len = strlen(root);

    while (len > 1 && root[len - 1] == '/')
        len--;
    if (path->len < len || memcmp(path->ptr, root, len) != 0)
        return false;
    if (len > 1 && path->len > len && path->ptr[len] != '/')
        return false;
    *path = span_make(path->ptr + len, path->len - len);
    return true;
}

int patch_path(const char *root, struct span path, struct arena *arena, const char **ret, struct err *err)
{
    struct buf out = BUF_INIT(FRAME_PATH_MAX - 1);
    struct span rest = path;
    int r = 0;

    if (path.len == 0)
        return err_set(err, ERR_INVALID, "a path is missing");
    if (memchr(path.ptr, '\0', path.len))
        return bad_path(path, "holds a NUL", err);
    if (path.ptr[0] == '/' && !strip_root(root, &rest))
        return bad_path(path, "is outside of the workspace; use a relative path", err);
    r = clean(rest, &out);
    if (r == -ERR_INVALID)
        r = bad_path(path, "leads out of the workspace", err);
    else if (r < 0)
        r = bad_path(path, "is too long", err);
    else if (out.len == 0)
        r = bad_path(path, "is the workspace itself, not a file", err);
    else if (path.ptr[path.len - 1] == '/' || path.ptr[path.len - 1] == '\\')
        r = bad_path(path, "ends with a slash, which is a folder's", err);
    if (r == 0) {
        *ret = arena_copy(arena, out.data, out.len);
        if (!*ret)
            r = err_set(err, ERR_INTERNAL, "no memory for a path");
    }
    buf_done(&out);
    return r;
}
