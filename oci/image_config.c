/* SPDX-License-Identifier: MIT */
/* The description of an image, read and judged. */
#include "oci/image_config.h"

#include "core/base/glyph.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <strings.h>

#define DIGEST_TEXT 71 /* "sha256:" and 64 digits */

static int too_large(struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the description of the image is too large");
}

/* ---- volumes ---- */

/* Absolute, without "." and ".." and double slashes, not the root: a path a tmpfs may cover. */
static bool is_plain_path(struct span path)
{
    if (path.len < 2 || path.len > 255 || path.ptr[0] != '/' || path.ptr[path.len - 1] == '/' ||
        memchr(path.ptr, ':', path.len) || memchr(path.ptr, ',', path.len) ||
        memchr(path.ptr, '\\', path.len))
        return false;
    for (size_t i = 0; i < path.len; i++) {
        const char *p = path.ptr + i;
        size_t left = path.len - i;

        if ((unsigned char) *p < ' ' || *p == 0x7f)
            return false;
        if (*p != '/')
            continue;
        if (left >= 2 && (p[1] == '/' || (p[1] == '.' && (left == 2 || p[2] == '/'))))
            return false;
        if (left >= 3 && p[1] == '.' && p[2] == '.' && (left == 3 || p[3] == '/'))
            return false;
    }
    return true;
}

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

static bool is_kernel_path(const char *path)
{
    static const char *const trees[] = { "/proc", "/sys", "/dev", NULL };

    for (size_t i = 0; trees[i]; i++)
        if (strcmp(path, trees[i]) == 0 || is_beneath(path, trees[i]))
            return true;
    return false;
}

/* Covered by an empty tmpfs, there would be nothing left to run. */
static bool is_system_folder(const char *path)
{
    static const char *const folders[] = {
        "/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc", "/usr/bin", NULL
    };

    for (size_t i = 0; folders[i]; i++)
        if (strcmp(path, folders[i]) == 0)
            return true;
    return false;
}

static int refuse_volume(struct span path, const char *why, struct err *err)
{
    err_set(err, ERR_POLICY, "the image declares a VOLUME at '%.*s', %s",
            (int) (path.len > 200 ? 200 : path.len), path.ptr, why);
    return err_hint(err, "it would be writable space without a limit on the host; use another image");
}

static int read_volume(struct span key, struct arena *arena, struct image *ret, struct err *err)
{
    struct span path = key;
    const char *text;

    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (!is_plain_path(path))
        return refuse_volume(key, "which cannot be covered", err);
    for (size_t i = 0; i < ret->volume_count; i++)
        if (span_is(path, ret->volumes[i]))
            return 0;
    text = arena_copy(arena, path.ptr, path.len);
    if (!text)
        return too_large(err);
    if (is_kernel_path(text))
        return refuse_volume(path, "among the kernel's own files", err);
    if (is_system_folder(text))
        return refuse_volume(path, "a folder of the system", err);
    if (ret->volume_count == IMAGE_VOLUMES_MAX)
        return err_set(err, ERR_POLICY, "the image declares more than %d VOLUMEs", IMAGE_VOLUMES_MAX);
    ret->volumes[ret->volume_count++] = text;
    return 0;
}

static int read_volumes(const struct tree *volumes, struct arena *arena, struct image *ret, struct err *err)
{
    if (volumes && volumes->kind != TREE_OBJECT && volumes->kind != TREE_NULL)
        return err_set(err, ERR_PROTOCOL, "the engine describes the image's VOLUMEs in another way");
    tree_each (item, volumes) {
        int r = read_volume(item->key, arena, ret, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int image_check_volumes(const struct image *image, const char *root, const char *guest, struct err *err)
{
    for (size_t i = 0; i < image->volume_count; i++) {
        const char *path = image->volumes[i];

        if (is_beneath(path, guest))
            return refuse_volume(span_of(path), "where our guest is", err);
        if (is_beneath(path, root)) {
            (void) refuse_volume(span_of(path), "inside of the workspace", err);
            return err_hint(err, "put the workspace elsewhere (workspace.root), or use another image");
        }
    }
    return 0;
}

/* ---- variables ---- */

static int read_env(const struct tree *env, struct arena *arena, struct image *ret, struct err *err)
{
    if (env && env->kind != TREE_ARRAY && env->kind != TREE_NULL)
        return err_set(err, ERR_PROTOCOL, "the engine describes the image's variables in another way");
    tree_each (item, env) {
        struct span text = tree_span(item);

        if (!text.len || text.ptr[0] == '=' || memchr(text.ptr, '\0', text.len))
            return err_set(err, ERR_POLICY, "the image sets a variable that has no name or is no text");
        if (ret->env_count == IMAGE_ENV_MAX)
            return err_set(err, ERR_POLICY, "the image sets more than %d variables", IMAGE_ENV_MAX);
        ret->env[ret->env_count] = arena_copy(arena, text.ptr, text.len);
        if (!ret->env[ret->env_count++])
            return too_large(err);
    }
    return 0;
}

static bool ends_with(const char *name, size_t len, const char *end)
{
    size_t n = strlen(end);

    return len > n && strncmp(name + len - n, end, n) == 0;
}

static bool contains(const char *name, size_t len, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= len; i++)
        if (strncasecmp(name + i, part, n) == 0)
            return true;
    return false;
}

static bool is_kept_name(const char *name, size_t len)
{
    static const char *const names[] = {
        "PATH",           "LANG",       "LANGUAGE",     "TZ",          "TERM",
        "COLORTERM",      "JAVA_HOME",  "JRE_HOME",     "MAVEN_HOME",  "GRADLE_HOME",
        "KOTLIN_HOME",    "SCALA_HOME", "ANDROID_HOME", "CARGO_HOME",  "RUSTUP_HOME",
        "RUST_TOOLCHAIN", "GOPATH",     "GOROOT",       "GOTOOLCHAIN", "GEM_HOME",
        "DOTNET_ROOT",    "NVM_DIR",    "VIRTUAL_ENV",  "CONDA_DIR",   "CONDA_PREFIX",
        "PYENV_ROOT",     "RBENV_ROOT", "PHP_INI_DIR",  "POETRY_HOME", "PGDATA",
    };
    static const char *const secrets[] = { "SECRET", "TOKEN", "PASS", "CREDENTIAL", "_KEY", "APIKEY" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (len == strlen(names[i]) && strncmp(name, names[i], len) == 0)
            return true;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (contains(name, len, secrets[i]))
            return false;
    return (len > 3 && strncmp(name, "LC_", 3) == 0) || ends_with(name, len, "_VERSION");
}

bool image_keeps_env(const char *entry)
{
    const size_t len = strcspn(entry, "=");
    struct span value = span_of(entry[len] ? entry + len + 1 : "");
    size_t used;

    if (!entry[len] || value.len > IMAGE_ENV_VALUE_MAX || utf8_valid(value) != value.len ||
        strspn(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return false;
    for (; value.len > 0; value = span_make(value.ptr + used, value.len - used))
        if (glyph_is_unsafe(glyph_next(value, &used)))
            return false;
    return is_kept_name(entry, len);
}

/* ---- digests ---- */

static bool is_digest(const char *text)
{
    return strlen(text) == DIGEST_TEXT && strncmp(text, "sha256:", 7) == 0 &&
           strspn(text + 7, "0123456789abcdef") == DIGEST_TEXT - 7;
}

/* RepoDigests: ["name@sha256:..."], one for each registry and name it came by. */
static int read_digests(const struct tree *list, struct arena *arena, struct image *ret, struct err *err)
{
    ret->digest = "";
    tree_each (item, list) {
        const char *text = arena_text(arena, tree_string(item, ""));
        const char *at = text ? strrchr(text, '@') : NULL;

        if (!text)
            return too_large(err);
        if (!at || !is_digest(at + 1) || ret->digest_count == IMAGE_DIGESTS_MAX)
            continue;
        ret->digests[ret->digest_count++] = text;
        if (!ret->digest[0])
            ret->digest = at + 1;
    }
    return 0;
}

static bool is_of_name(const char *digest, const struct image_name *name)
{
    struct image_name other;

    return image_name_parse(digest, &other, NULL) == 0 && strcmp(other.registry, name->registry) == 0 &&
           strcmp(other.path, name->path) == 0;
}

static int pin_id(const struct image *image, const struct image_name *name, struct err *err)
{
    if (strcmp(image->id + 7, name->id) == 0)
        return 0;
    err_set(err, ERR_POLICY, "the engine has another image under this id: '%s'", image->id);
    return err_hint(err, "an engine that mixes ids up cannot hold a sandbox");
}

int image_pin(struct image *image, const struct image_name *name, struct err *err)
{
    bool is_here = false;

    if (name->is_id)
        return pin_id(image, name, err);
    for (size_t i = 0; i < image->digest_count; i++) {
        const char *digest = strrchr(image->digests[i], '@') + 1;

        if (!is_of_name(image->digests[i], name) || is_here)
            continue;
        if (name->digest[0] && strcmp(digest, name->digest) != 0)
            continue;
        is_here = true;
        image->digest = digest;
    }
    if (is_here || !name->digest[0])
        return 0;
    if (strcmp(image->id, name->digest) == 0) { /* stores that know images by their manifest */
        image->digest = image->id;
        return 0;
    }
    err_set(err, ERR_POLICY, "the engine's image is not the one whose digest is asked for: it has '%s'",
            image->digest[0] ? image->digest : image->id);
    return err_hint(err, "pull it again by its digest, or name the one you trust");
}

/* ---- the whole ---- */

static int check_labels(const struct tree *labels, struct err *err)
{
    size_t bytes = 0;

    tree_each (item, labels)
        bytes += item->key.len + item->raw.len;
    if (bytes <= IMAGE_LABELS_MAX)
        return 0;
    return err_set(err, ERR_POLICY, "the image has more than %d KiB of labels", IMAGE_LABELS_MAX / 1024);
}

static const char *copy(struct arena *arena, const struct tree *text)
{
    const char *own = arena_text(arena, tree_string(text, ""));

    return own ? own : "";
}

int image_decode(const struct tree *t, struct arena *arena, struct image *ret, struct err *err)
{
    const struct tree *config = tree_get(t, "Config");
    int r;

    *ret = (struct image){ 0 };
    ret->id = copy(arena, tree_get(t, "Id"));
    ret->os = copy(arena, tree_get(t, "Os"));
    ret->arch = copy(arena, tree_get(t, "Architecture"));
    ret->variant = copy(arena, tree_get(t, "Variant"));
    ret->size = tree_int(tree_get(t, "Size"), 0);
    if (!is_digest(ret->id))
        return err_set(err, ERR_PROTOCOL, "the engine describes an image without an id");
    r = read_digests(tree_get(t, "RepoDigests"), arena, ret, err);
    if (r >= 0)
        r = check_labels(tree_get(config, "Labels"), err);
    if (r >= 0)
        r = read_env(tree_get(config, "Env"), arena, ret, err);
    return r < 0 ? r : read_volumes(tree_get(config, "Volumes"), arena, ret, err);
}
