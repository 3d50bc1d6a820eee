/* SPDX-License-Identifier: MIT */
/* Image names, taken apart. */
#include "oci/image_name.h"

#include <stdio.h>
#include <string.h>

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

static bool is_id(const char *text)
{
    if (strncmp(text, "sha256:", 7) == 0)
        text += 7;
    return strlen(text) == 64 && is_hex(text, 64);
}

static int bad(const char *text, const char *why, struct err *err)
{
    err_set(err, ERR_INVALID, "image '%.200s': %s", text, why);
    return err_hint(err, "write it as name:tag, registry/name:tag, name@sha256:..., or an image id");
}

/* "@sha256:..." at the end of `rest`, cut off. */
static int take_digest(const char *text, char *rest, struct image_name *ret, struct err *err)
{
    char *at = strchr(rest, '@');

    if (!at)
        return 0;
    if (strncmp(at + 1, "sha256:", 7) != 0 || strlen(at + 8) != 64 || !is_hex(at + 8, 64))
        return bad(text, "what follows '@' is no sha256 digest", err);
    snprintf(ret->digest, sizeof(ret->digest), "%s", at + 1);
    *at = '\0';
    return 0;
}

/* ":tag" behind the last slash, cut off. */
static int take_tag(const char *text, char *rest, struct image_name *ret, struct err *err)
{
    char *slash = strrchr(rest, '/');
    char *at = strchr(slash ? slash : rest, ':');
    size_t len;

    if (!at)
        return 0;
    len = strlen(at + 1);
    if (len == 0 || len > 128 || at[1] == '.' || at[1] == '-' ||
        strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len)
        return bad(text, "what follows ':' is no tag", err);
    snprintf(ret->tag, sizeof(ret->tag), "%s", at + 1);
    *at = '\0';
    return 0;
}

static bool is_registry(const char *first, size_t len)
{
    return memchr(first, '.', len) || memchr(first, ':', len) ||
           (len == 9 && memcmp(first, "localhost", 9) == 0);
}

static bool is_path(const char *path)
{
    size_t len = strlen(path);
    const char *last = NULL;

    if (len == 0 || strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789_.-/") != len)
        return false;
    for (const char *p = path; *p; p++) {
        bool is_edge = !last || *last == '/' || p[1] == '/' || !p[1];

        if (strchr("_.-/", *p) && is_edge)
            return false; /* empty components, and those that begin or end with a mark */
        last = p;
    }
    return true;
}

int image_name_parse(const char *text, struct image_name *ret, struct err *err)
{
    char rest[IMAGE_NAME_MAX];
    const char *slash, *path = rest;
    size_t len = 0;
    int r, used;

    *ret = (struct image_name){ 0 };
    if (!*text || strlen(text) >= sizeof(rest))
        return bad(text, *text ? "the name is too long" : "the name is empty", err);
    if (is_id(text)) {
        ret->is_id = true;
        memcpy(ret->id, text + strlen(text) - 64, 64);
        return 0;
    }
    snprintf(rest, sizeof(rest), "%s", text);
    r = take_digest(text, rest, ret, err);
    if (r == 0)
        r = take_tag(text, rest, ret, err);
    if (r < 0)
        return r;
    memcpy(ret->from, rest, sizeof(rest));
    slash = strchr(rest, '/');
    if (slash && is_registry(rest, (size_t) (slash - rest))) {
        len = (size_t) (slash - rest);
        path = slash + 1;
        if (len >= sizeof(ret->registry) || len == 0 || strchr(".:-]", rest[0]) ||
            strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]") < len)
            return bad(text, "the registry before the first '/' is no host name", err);
    }
    if (!is_path(path))
        return bad(text, "a name is made of lower-case letters, digits and single '.', '_', '-' between '/'",
                   err);
    if (len == 0 || (len == 15 && memcmp(rest, "index.docker.io", 15) == 0))
        memcpy(ret->registry, "docker.io", 10);
    else
        memcpy(ret->registry, rest, len); /* shorter than the field, which is zeroed */
    used = snprintf(ret->path, sizeof(ret->path), "%s%s",
                    strcmp(ret->registry, "docker.io") == 0 && !strchr(path, '/') ? "library/" : "", path);
    if (used < 0 || (size_t) used >= sizeof(ret->path))
        return bad(text, "the name is too long", err);
    if (!ret->tag[0] && !ret->digest[0])
        snprintf(ret->tag, sizeof(ret->tag), "latest");
    if (ret->digest[0])
        ret->tag[0] = '\0'; /* a digest says it all */
    return 0;
}

const char *image_name_login(const struct image_name *name)
{
    return strcmp(name->registry, "docker.io") == 0 ? "https://index.docker.io/v1/" : name->registry;
}
