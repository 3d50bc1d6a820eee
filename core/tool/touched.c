/* SPDX-License-Identifier: MIT */
#include "core/tool/touched.h"

#include "core/base/json.h"
#include "core/tool/function.h"
#include "core/tool/patch.h"

#include <string.h>

#define PATHS_MAX ((size_t) 4 * 1024 * 1024)

void touched_init(struct touched *t, const char *root)
{
    memset(t, 0, sizeof(*t));
    t->root = root;
    arena_init(&t->arena, PATHS_MAX);
}

void touched_done(struct touched *t)
{
    arena_done(&t->arena);
}

void touched_add(struct touched *t, struct span path, bool is_folder)
{
    const char *tidy = NULL, *slash;
    struct err err = { 0 };

    while (is_folder && path.len > 1 && (path.ptr[path.len - 1] == '/' || path.ptr[path.len - 1] == '\\'))
        path.len--;
    if (t->count == TOUCHED_MAX || patch_path(t->root, path, &t->arena, &tidy, &err) < 0)
        return;
    slash = strrchr(tidy, '/');
    if (!is_folder)
        tidy = slash ? arena_copy(&t->arena, tidy, (size_t) (slash - tidy)) : NULL;
    for (size_t i = 0; tidy && i < t->count; i++)
        if (strcmp(t->folders[i], tidy) == 0)
            return;
    if (tidy)
        t->folders[t->count++] = tidy;
}

void touched_argument(struct touched *t, const struct tree *item, const char *name, bool is_folder)
{
    struct arena arena = ARENA_INIT(PATHS_MAX);
    const struct tree *args = NULL, *path;

    if (json_parse(function_input(item), &arena, &args, NULL) == 0) {
        path = tree_get(args, name);
        if (path && path->kind == TREE_STRING)
            touched_add(t, path->text, is_folder);
    }
    arena_done(&arena);
}
