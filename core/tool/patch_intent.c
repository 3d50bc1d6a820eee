/* SPDX-License-Identifier: MIT */
#include "core/tool/patch_intent.h"

#include "core/base/json.h"
#include "core/sandbox/frame.h"

#include <string.h>

static void encode_write(struct json_writer *w, const struct patch_write *write)
{
    json_object(w);
    json_put_string(w, "path", write->path);
    json_put_string(w, "step", write->is_removal ? "remove" : "write");
    if (write->backup) {
        json_put_string(w, "backup", write->backup);
        json_put_int(w, "inode", (int64_t) write->inode);
        json_put_int(w, "mtime_ns", write->mtime_ns);
    }
    if (write->sum)
        json_put_string(w, "sha256", write->sum);
    json_object_end(w);
}

int patch_intent_encode(const struct patch_intent *intent, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_key(&w, "writes");
    json_array(&w);
    for (size_t i = 0; i < intent->count; i++)
        encode_write(&w, &intent->writes[i]);
    json_array_end(&w);
    json_key(&w, "folders");
    json_array(&w);
    for (size_t i = 0; i < intent->folder_count; i++)
        json_string(&w, intent->folders[i]);
    json_array_end(&w);
    json_put_string(&w, "report", intent->report);
    json_object_end(&w);
    return json_end(&w, err);
}

static bool take_path(const struct tree *t, struct arena *arena, const char **ret)
{
    struct span path = tree_span(t);

    if (path.len == 0 || memchr(path.ptr, '\0', path.len) || !frame_path_ok(path.ptr, path.len))
        return false;
    *ret = arena_copy(arena, path.ptr, path.len);
    return *ret != NULL;
}

static bool decode_write(const struct tree *t, struct arena *arena, struct patch_write *ret)
{
    const struct tree *backup = tree_get(t, "backup");
    struct span sum = tree_span(tree_get(t, "sha256"));

    ret->is_removal = tree_is_string(tree_get(t, "step"), "remove");
    if (!take_path(tree_get(t, "path"), arena, &ret->path) ||
        (backup && !take_path(backup, arena, &ret->backup)))
        return false;
    if (ret->is_removal ? !backup : sum.len != DIGEST_HEX - 1)
        return false;
    ret->inode = (uint64_t) tree_int(tree_get(t, "inode"), 0);
    ret->mtime_ns = tree_int(tree_get(t, "mtime_ns"), 0);
    ret->sum = ret->is_removal ? NULL : arena_copy(arena, sum.ptr, sum.len);
    return ret->is_removal || ret->sum;
}

static bool decode(const struct tree *t, struct arena *arena, struct patch_intent *ret)
{
    const struct tree *writes = tree_get(t, "writes"), *folders = tree_get(t, "folders");

    if (!writes || writes->kind != TREE_ARRAY || !folders || folders->kind != TREE_ARRAY)
        return false;
    ret->writes = arena_alloc(arena, (writes->count + 1) * sizeof(*ret->writes));
    ret->folders = arena_alloc(arena, (folders->count + 1) * sizeof(*ret->folders));
    if (!ret->writes || !ret->folders)
        return false;
    tree_each (write, writes)
        if (!decode_write(write, arena, &ret->writes[ret->count++]))
            return false;
    tree_each (folder, folders)
        if (!take_path(folder, arena, &ret->folders[ret->folder_count++]))
            return false;
    ret->report = arena_text(arena, tree_string(tree_get(t, "report"), ""));
    return ret->report != NULL;
}

int patch_intent_decode(struct span json, struct arena *arena, struct patch_intent *ret, struct err *err)
{
    const struct tree *tree = NULL;
    int r = json_parse(json, arena, &tree, err);

    *ret = (struct patch_intent){ 0 };
    if (r == 0 && !decode(tree, arena, ret))
        r = err_set(err, ERR_INVALID, "what this call was about to do cannot be read");
    return r;
}
