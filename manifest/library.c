/* SPDX-License-Identifier: MIT */
#include "manifest/library.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "manifest/document.h"
#include "manifest/expand.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX ((size_t) 64 * 1024)
#define HINT_LS    "`agentbox tools ls` shows the library"

const char *library_root(const char *const *env, struct arena *arena)
{
    const char *data = expand_env(env, span_of("XDG_DATA_HOME")), *home = expand_env(env, span_of("HOME"));

    if (data && data[0] == '/') /* the XDG rules: a relative one is ignored */
        return arena_printf(arena, "%s/agentbox/tools", data);
    return home && home[0] == '/' ? arena_printf(arena, "%s/.local/share/agentbox/tools", home) : NULL;
}

/* ---- what is known of a version ---- */

static int read_known(const char *path, struct arena *arena, struct library_tool *ret, struct err *err)
{
    struct buf text = BUF_INIT(RECORD_MAX);
    const struct tree *tree = NULL;
    int r = file_read(path, &text, err);

    if (r == 0)
        r = json_parse(buf_span(&text), arena, &tree, err);
    if (r == 0 && tree_int(tree_get(tree, "version"), 0) != 1)
        r = err_set(err, ERR_INVALID, "'%s' is damaged", path);
    if (r == 0) {
        ret->is_approved = tree_bool(tree_get(tree, "approved"), false);
        ret->from = tree_string(tree_get(tree, "from"), "");
        ret->image_id = tree_string(tree_get(tree, "image_id"), "");
        ret->added_ms = tree_int(tree_get(tree, "added"), 0);
        ret->tests = tree_int(tree_get(tree, "tests"), 0);
    }
    buf_done(&text);
    return r;
}

static int write_known(const char *path, const struct library_tool *tool, struct err *err)
{
    struct buf text = BUF_INIT(RECORD_MAX);
    struct json_writer w;
    int r;

    json_begin(&w, &text);
    json_object(&w);
    json_put_int(&w, "version", 1);
    json_put_bool(&w, "approved", tool->is_approved);
    json_put_string(&w, "from", tool->from);
    json_put_string(&w, "image_id", tool->image_id);
    json_put_int(&w, "added", tool->added_ms);
    json_put_int(&w, "tests", tool->tests);
    json_object_end(&w);
    r = json_end(&w, err);
    if (r == 0)
        r = file_write_atomic(path, buf_span(&text), 0600, err);
    buf_done(&text);
    return r;
}

/* ---- looking ---- */

static bool is_digest(struct span s)
{
    return s.len == DIGEST_HEX - 1 && strspn(s.ptr, "0123456789abcdef") >= DIGEST_HEX - 1;
}

struct looking {
    const char *root;
    struct arena *arena;
    struct library_tool *list;
    size_t count;
};

/* A version is there when its record is. */
static int look_version(struct looking *l, const char *name, const char *entry, struct err *err)
{
    size_t len = strlen(entry);
    struct library_tool *tool = &l->list[l->count];
    const char *path;

    if (len != DIGEST_HEX - 1 + 5 || strcmp(entry + DIGEST_HEX - 1, ".json") != 0 ||
        !is_digest(span_make(entry, DIGEST_HEX - 1)) || l->count == LIBRARY_TOOLS_MAX)
        return 0;
    path = arena_printf(l->arena, "%s/%s/%s", l->root, name, entry);
    *tool = (struct library_tool){ .name = arena_text(l->arena, name),
                                   .digest = arena_copy(l->arena, entry, DIGEST_HEX - 1) };
    if (!path || !tool->name || !tool->digest)
        return err_set(err, ERR_INTERNAL, "no memory for the library");
    l->count++;
    return read_known(path, l->arena, tool, err);
}

typedef int look_fn(struct looking *l, const char *name, const char *entry, struct err *err);

static int each(struct looking *l, const char *name, look_fn *fn, struct err *err)
{
    const char *path = name ? arena_printf(l->arena, "%s/%s", l->root, name) : l->root;
    DIR *dir = path ? opendir(path) : NULL;
    struct dirent *entry;
    int r = 0;

    if (!dir)
        return !path || (errno != ENOENT && errno != ENOTDIR)
                   ? err_errno(err, ERR_IO, "reading the library '%s'", path ? path : l->root)
                   : 0;
    while (r == 0 && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            r = fn(l, name, entry->d_name, err);
    (void) closedir(dir); /* only read */
    return r;
}

static int look_name(struct looking *l, const char *name, const char *entry, struct err *err)
{
    (void) name;
    return container_is_name(entry) ? each(l, entry, look_version, err) : 0;
}

static int compare(const void *a, const void *b)
{
    const struct library_tool *one = a, *other = b;
    int order = strcmp(one->name, other->name);

    if (order == 0)
        order = (one->added_ms < other->added_ms) - (one->added_ms > other->added_ms);
    return order ? order : strcmp(one->digest, other->digest);
}

int library_list(const char *root, struct arena *arena, struct library_tool **ret, size_t *ret_count,
                 struct err *err)
{
    struct looking l = { root, arena, arena_alloc(arena, LIBRARY_TOOLS_MAX * sizeof(*l.list)), 0 };
    int r = l.list ? each(&l, NULL, look_name, err) : err_set(err, ERR_INTERNAL, "no memory for the library");

    if (r < 0)
        return r;
    if (l.count > 1)
        qsort(l.list, l.count, sizeof(*l.list), compare);
    *ret = l.list;
    *ret_count = l.count;
    return 0;
}

static int not_there(const char *word, const struct library_tool *off, struct err *err)
{
    if (!off) {
        (void) err_set(err, ERR_NOT_FOUND, "the library has no tool '%.150s'", word);
        return err_hint(err, HINT_LS);
    }
    (void) err_set(err, ERR_POLICY, "tool '%s@%.12s' of the library is not approved", off->name, off->digest);
    return err_hint(err, "look at it, then: agentbox tools approve %s@%.12s", off->name, off->digest);
}

int library_find(const char *root, const char *word, bool approved, struct arena *arena,
                 struct library_tool *ret, struct err *err)
{
    size_t len = strcspn(word, "@"), digest_len = word[len] ? strlen(word + len + 1) : 0, count = 0;
    const struct library_tool *found = NULL, *off = NULL;
    struct library_tool *list = NULL;
    int r;

    if (word[len] && (digest_len < LIBRARY_DIGEST_MIN || digest_len >= DIGEST_HEX))
        return err_set(err, ERR_USAGE, "'%.150s' is not NAME or NAME@DIGEST, of at least %d digits", word,
                       LIBRARY_DIGEST_MIN);
    r = library_list(root, arena, &list, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (strlen(list[i].name) != len || memcmp(list[i].name, word, len) != 0 ||
            (digest_len > 0 && memcmp(list[i].digest, word + len + 1, digest_len) != 0))
            continue;
        if (approved && !list[i].is_approved)
            off = off ? off : &list[i];
        else if (found && digest_len > 0)
            return err_set(err, ERR_USAGE, "several versions begin with '%.150s'", word);
        else
            found = found ? found : &list[i];
    }
    if (r == 0 && !found)
        return not_there(word, off, err);
    if (r == 0)
        *ret = *found;
    return r;
}

/* ---- keeping ---- */

static const char *path_of(const char *root, const struct library_tool *tool, const char *suffix,
                           struct arena *arena)
{
    const char *path = arena_printf(arena, "%s/%s/%s%s", root, tool->name, tool->digest, suffix);

    return path ? path : "";
}

int library_load(const char *root, const struct library_tool *tool, struct bundle *ret, struct err *err)
{
    struct arena arena = ARENA_INIT(RECORD_MAX);
    int r = bundle_load(ret, path_of(root, tool, "", &arena), err);

    if (r == 0 && strcmp(ret->digest, tool->digest) != 0) {
        (void) err_set(err, ERR_POLICY, "tool '%s@%.12s' of the library was changed: its files are %.12s now",
                       tool->name, tool->digest, ret->digest);
        r = err_hint(err, "remove it, and add what is right again: agentbox tools rm %s@%.12s", tool->name,
                     tool->digest);
    }
    arena_done(&arena);
    return r;
}

int library_save(const char *root, const struct library_tool *tool, const struct bundle *files,
                 struct err *err)
{
    struct arena arena = ARENA_INIT(RECORD_MAX);
    const char *folder = path_of(root, tool, "", &arena);
    int r = 0;

    if (files) {
        r = file_make_dirs(root, 0700, err);
        if (r == 0)
            r = file_remove_tree(AT_FDCWD, folder, err); /* of a crash: no record speaks of it */
        if (r == 0)
            r = bundle_save(files, folder, err);
    }
    if (r == 0)
        r = write_known(path_of(root, tool, ".json", &arena), tool, err);
    arena_done(&arena);
    return r;
}

int library_remove(const char *root, const struct library_tool *tool, struct err *err)
{
    struct arena arena = ARENA_INIT(RECORD_MAX);
    const char *record = path_of(root, tool, ".json", &arena);
    const char *name = arena_printf(&arena, "%s/%s", root, tool->name);
    int r = unlink(record) < 0 && errno != ENOENT
                ? err_errno(err, ERR_IO, "removing '%s'", record)
                : file_remove_tree(AT_FDCWD, path_of(root, tool, "", &arena), err);

    if (r == 0 && name)
        (void) rmdir(name); /* it may hold other versions */
    arena_done(&arena);
    return r;
}

/* ---- what the files say ---- */

static void read_parameters(const struct bundle *files, struct manifest_container *tool, struct arena *arena,
                            struct diags *diags)
{
    const struct tree *at = tree_get(tool->node, "parameters");
    const struct bundle_file *file = tool->parameters.file ? bundle_find(files, tool->parameters.file) : NULL;

    if (!tool->parameters.file)
        return;
    if (!file)
        diags_add(diags, at->pos, "parameters", "it must be in the folder of the tool",
                  "there is no file '%s'", tool->parameters.file);
    else
        document_parameters(tool, file->content, arena, diags);
}

/* A test's workspace is a folder in which there is something. */
static void check_tests(const struct bundle *files, const struct manifest_container *tool,
                        struct diags *diags)
{
    for (size_t i = 0; i < tool->test_count; i++) {
        const char *folder = tool->tests[i].workspace;
        size_t len = folder ? strlen(folder) : 0;
        bool is_there = !folder;

        while (len > 0 && folder[len - 1] == '/')
            len--;
        for (size_t k = 0; k < files->count && !is_there; k++)
            is_there = strncmp(files->files[k].path, folder, len) == 0 && files->files[k].path[len] == '/';
        if (!is_there)
            diags_add(diags, tree_at(tree_get(tool->node, "tests"), i)->pos, "tests", NULL,
                      "there is no folder '%s' in the tool", folder);
    }
}

int library_decode(const struct bundle *files, struct arena *arena, struct diags *diags,
                   struct manifest_container *ret, struct err *err)
{
    const struct bundle_file *file = bundle_find(files, LIBRARY_FILE);
    int r;

    if (!file) {
        (void) err_set(err, ERR_MANIFEST, "there is no " LIBRARY_FILE " in it");
        return err_hint(err, "a tool is a folder with " LIBRARY_FILE ", see `agentbox help tools`");
    }
    r = document_decode(LIBRARY_FILE, file->content, &manifest_library_table, ret, arena, diags, err);
    if (r < 0)
        return r;
    ret->files = files;
    read_parameters(files, ret, arena, diags);
    check_tests(files, ret, diags);
    document_check(ret, diags);
    return document_problems(LIBRARY_FILE, diags, err);
}
