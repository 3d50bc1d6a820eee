/* SPDX-License-Identifier: MIT */
/* Tidying of paths. */
#include "manifest/path.h"

#include <ctype.h>

/* The next name of `text` from *at on, '.' and empty ones skipped; false at the end. */
static bool next_name(struct span text, size_t *at, struct span *ret)
{
    while (*at < text.len) {
        size_t begin = *at, end = begin;

        while (end < text.len && text.ptr[end] != '/' && text.ptr[end] != '\\')
            end++;
        *at = end + 1;
        *ret = span_make(text.ptr + begin, end - begin);
        if (ret->len > 0 && !span_is(*ret, "."))
            return true;
    }
    return false;
}

static const char *check_names(struct span text)
{
    struct span name;

    if (text.len > PATH_TEXT_MAX)
        return "is too long";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char) text.ptr[i], before = i > 0 ? (unsigned char) text.ptr[i - 1] : 0;

        if (c < 0x20 || c == 0x7f || (before == 0xc2 && c < 0xa0)) /* the second range is U+0080 to U+009F */
            return "holds a control character";
    }
    for (size_t at = 0; next_name(text, &at, &name);) {
        if (span_is(name, ".."))
            return "must not hold '..'";
        if (name.len > PATH_NAME_MAX)
            return "holds a name of more than 255 bytes";
    }
    return NULL;
}

static const char *join_names(struct span text, struct arena *arena, bool is_absolute, const char **ret)
{
    char *out = arena_alloc(arena, text.len + 2);
    size_t len = 0;
    struct span name;

    if (!out)
        return "is too long";
    for (size_t at = 0; next_name(text, &at, &name); len += name.len) {
        if (is_absolute || len > 0)
            out[len++] = '/';
        memcpy(out + len, name.ptr, name.len);
    }
    if (len == 0 && is_absolute)
        out[len++] = '/';
    *ret = out;
    return len > 0 ? NULL : "names the workspace itself";
}

const char *path_beneath(struct span text, struct arena *arena, const char **ret)
{
    const char *why;
    bool has_drive = text.len > 2 && isalpha((unsigned char) text.ptr[0]) && text.ptr[1] == ':' &&
                     (text.ptr[2] == '/' || text.ptr[2] == '\\');

    if (text.len == 0)
        return "is empty";
    if (text.ptr[0] == '/' || text.ptr[0] == '\\' || has_drive)
        return "must be relative to the workspace, not absolute";
    why = check_names(text);
    return why ? why : join_names(text, arena, false, ret);
}

const char *path_absolute(struct span text, struct arena *arena, const char **ret)
{
    const char *why = check_names(text);

    if (text.len == 0 || text.ptr[0] != '/')
        return "must be an absolute path";
    if (memchr(text.ptr, '\\', text.len))
        return "holds a backslash";
    return why ? why : join_names(text, arena, true, ret);
}

const char *path_host(const char *base, const char *text, struct arena *arena)
{
    const char *joined = *text == '/' ? text : arena_printf(arena, "%s/%s", base, text);
    char *out = joined ? arena_alloc(arena, strlen(joined) + 2) : NULL;
    size_t len = 0;

    if (!out)
        return NULL;
    while (*joined) {
        size_t n = strcspn(joined, "/");

        if (n > 0 && !(n == 1 && *joined == '.')) {
            out[len++] = '/';
            memcpy(out + len, joined, n);
            len += n;
        }
        joined += n + (joined[n] == '/');
    }
    if (len == 0)
        out[len] = '/';
    return out;
}

bool path_is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 &&
           (path[len] == '/' || path[len] == '\0' || strcmp(folder, "/") == 0);
}

const char *path_target(const char *to, const char *path, struct arena *arena)
{
    size_t len = to ? strlen(to) : 0;

    if (!to)
        return path;
    return len > 0 && to[len - 1] == '/' ? arena_printf(arena, "%s%s", to, path_name(path)) : to;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
