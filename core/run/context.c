/* SPDX-License-Identifier: MIT */
/* Looking around in a workspace: one request after the other, as there are few. */
#include "core/run/context.h"

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/run/context_text.h"
#include "core/run/spec.h"
#include "core/sandbox/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4352 /* a folder's path and a name in it */
#define TEXT_MAX  (256 * 1024)
#define WORDS_MAX (256 * 1024)

struct context_look {
    struct context_ask ask;
    struct channel_call *call;
    struct loop_source *soon;
    struct arena words; /* of the report */
    struct record_looked *looked;
    size_t at; /* the folder that is looked into */
    char path[PATH_SIZE];
    bool has_hopped;
    bool is_too_large; /* more came than stat said */
    struct buf file, text;
    int64_t told;
    struct context_tree tree;
    size_t next; /* entry of the tree that is looked at next */
    context_done_fn *fn;
    void *data;
};

static void step(struct context_look *look);

static void step_soon(void *data)
{
    struct context_look *look = data;

    loop_source_free(TAKE_PTR(look->soon));
    step(look);
}

static void finish(struct context_look *look, int result, const struct err *err)
{
    struct context_found found = {
        .looked = look->looked,
        .count = look->ask.count,
        .text = buf_span(&look->text),
    };

    if (result == 0 && look->ask.wants_tree) {
        qsort(look->tree.entries, look->tree.count, sizeof(*look->tree.entries), context_tree_compare);
        found.tree_shown = (int64_t) context_add_tree(&look->text, look->ask.root, &look->tree);
        found.tree_more = look->tree.more + (int64_t) look->tree.count - found.tree_shown;
        found.text = buf_span(&look->text);
    }
    look->fn(look->data, result, &found, err);
}

/* ---- AGENTS.md ---- */

static void next_folder(struct context_look *look)
{
    look->at++;
    look->has_hopped = look->is_too_large = false;
    buf_clear(&look->file);
    step(look);
}

/* It is there, and nobody gets it. */
static void pass_over(struct context_look *look, const char *why)
{
    struct record_looked *to = &look->looked[look->at];

    to->problem = arena_text(&look->words, why);
    (void) context_add_agents(&look->text, look->ask.root, to->folder, (struct span){ 0 }, 0, why,
                              &to->is_cut);
    next_folder(look);
}

static void tell_file(struct context_look *look)
{
    struct record_looked *to = &look->looked[look->at];
    int64_t room = look->ask.agents_max - look->told;
    struct span text = buf_span(&look->file);
    char sha256[DIGEST_HEX];
    size_t told;

    to->size = (int64_t) text.len;
    digest_of(text, sha256);
    to->sha256 = arena_text(&look->words, sha256);
    if (text.len > 0) {
        told = context_add_agents(&look->text, look->ask.root, to->folder, text, room > 0 ? (size_t) room : 0,
                                  NULL, &to->is_cut);
        to->shown = (int64_t) told;
        look->told += to->shown;
        if (room < 2)
            to->problem = "no room left";
    }
    next_folder(look);
}

static void on_chunk(void *data, struct span chunk)
{
    struct context_look *look = data;

    if (look->is_too_large || buf_add_span(&look->file, chunk) == 0)
        return;
    look->is_too_large = true;
    channel_cancel(TAKE_PTR(look->call)); /* it grows: it might do so for ever */
    if (loop_defer(look->ask.loop, step_soon, look, &look->soon, NULL) < 0)
        finish(look, -ERR_ENGINE, &(struct err){ .code = ERR_INTERNAL, .text = "no memory for a callback" });
}

static void on_read(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    struct context_look *look = data;

    (void) st;
    look->call = NULL;
    if (result == -ERR_ENGINE)
        finish(look, result, err);
    else if (result < 0)
        pass_over(look, err->text);
    else
        tell_file(look);
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_read };

static void look_at_file(struct context_look *look);

/* The name of a file beside it takes the place of the link's. */
static void follow(struct context_look *look, struct span link)
{
    char *slash = strrchr(look->path, '/');
    size_t prefix = slash ? (size_t) (slash - look->path) + 1 : 0;

    if (look->has_hopped || link.len == 0 || link.len > 255 || memchr(link.ptr, '/', link.len) ||
        memchr(link.ptr, '\0', link.len) || span_is(link, ".") || span_is(link, "..")) {
        pass_over(look, "it is a link that leads elsewhere");
        return;
    }
    look->has_hopped = true;
    memcpy(look->path + prefix, link.ptr, link.len);
    look->path[prefix + link.len] = '\0';
    look_at_file(look);
}

static void on_stat(void *data, int result, const struct guest_stat *st, struct span link,
                    const struct err *err)
{
    struct context_look *look = data;
    struct err why = { 0 };
    int r;

    look->call = NULL;
    if (result == -ERR_ENGINE) {
        finish(look, result, err);
    } else if (result < 0) {
        next_folder(look);
    } else if (st->kind == GUEST_LINK) {
        follow(look, link);
    } else if (st->kind != GUEST_FILE) {
        pass_over(look, "it is no file");
    } else if (st->size > CONTEXT_FILE_MAX) {
        pass_over(look, "it is larger than 1 MiB");
    } else {
        r = channel_read(look->ask.channel, look->path, &read_ops, look, &look->call, &why);
        if (r < 0)
            on_read(look, r, NULL, &why);
    }
}

static void look_at_file(struct context_look *look)
{
    struct err why = { 0 };
    int r = channel_stat(look->ask.channel, look->path, on_stat, look, &look->call, &why);

    if (r < 0)
        on_stat(look, r, NULL, (struct span){ 0 }, &why);
}

/* ---- the listing ---- */

static int depth_of(const char *path)
{
    int depth = 1;

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    struct context_look *look = data;
    struct context_tree *tree = &look->tree;
    struct context_entry *entry = &tree->entries[tree->count];

    (void) link;
    if (tree->count == CONTEXT_TREE_ENTRIES || path.len == 0 || memchr(path.ptr, '\0', path.len)) {
        tree->more++;
        return;
    }
    *entry = (struct context_entry){
        .path = strndup(path.ptr, path.len),
        .is_folder = st->kind == GUEST_DIR,
        .is_link = st->kind == GUEST_LINK,
        .size = st->size,
    };
    if (entry->path)
        tree->count++;
    else
        tree->more++;
}

static void on_listed(void *data, int result, const struct err *err)
{
    struct context_look *look = data;

    look->call = NULL;
    if (result == -ERR_ENGINE)
        finish(look, result, err);
    else
        step(look); /* a folder that is gone meanwhile is empty */
}

static const struct file_list_ops list_ops = { .on_entry = on_entry, .on_done = on_listed };

static void list(struct context_look *look, const char *path)
{
    struct err why = { 0 };
    int r = channel_list(look->ask.channel, path, false, &list_ops, look, &look->call, &why);

    if (r < 0)
        on_listed(look, r, &why);
}

/* Level by level, so that what is above is shown first when there is more than is shown. */
static const char *next_listed(struct context_look *look)
{
    struct context_tree *tree = &look->tree;

    while (look->next < tree->count) {
        const struct context_entry *entry = &tree->entries[look->next++];
        const char *slash = strrchr(entry->path, '/');

        if (!entry->is_folder)
            continue;
        if (tree->count < CONTEXT_TREE_ENTRIES && depth_of(entry->path) < CONTEXT_TREE_DEPTH &&
            !context_tree_skips(span_of(slash ? slash + 1 : entry->path)))
            return entry->path;
        tree->unseen++;
    }
    return NULL;
}

/* ---- all of it ---- */

static void step(struct context_look *look)
{
    const char *folder;

    if (look->is_too_large) {
        pass_over(look, "it is larger than 1 MiB");
        return;
    }
    if (look->ask.wants_agents && look->at < look->ask.count) {
        folder = look->looked[look->at].folder;
        (void) snprintf(look->path, sizeof(look->path), "%s%s" RUN_AGENTS_MD, folder, *folder ? "/" : "");
        look_at_file(look);
        return;
    }
    if (look->ask.wants_tree && !look->tree.entries) {
        look->tree.entries = calloc(CONTEXT_TREE_ENTRIES + 1, sizeof(*look->tree.entries));
        if (look->tree.entries) {
            list(look, "");
            return;
        }
    }
    folder = look->ask.wants_tree && look->tree.entries ? next_listed(look) : NULL;
    if (folder)
        list(look, folder);
    else
        finish(look, 0, NULL);
}

int context_look_start(const struct context_ask *ask, context_done_fn *fn, void *data,
                       struct context_look **ret, struct err *err)
{
    struct context_look *look = calloc(1, sizeof(*look));
    int r;

    if (look)
        look->looked = calloc(ask->count + 1, sizeof(*look->looked));
    if (!look || !look->looked) {
        free(look);
        return err_set(err, ERR_INTERNAL, "no memory to look around in the workspace");
    }
    look->ask = *ask;
    look->fn = fn;
    look->data = data;
    arena_init(&look->words, WORDS_MAX);
    buf_init(&look->file, CONTEXT_FILE_MAX);
    buf_init(&look->text, TEXT_MAX);
    for (size_t i = 0; i < ask->count; i++)
        look->looked[i].folder = ask->folders[i];
    r = loop_defer(ask->loop, step_soon, look, &look->soon, err);
    if (r < 0)
        context_look_free(look);
    else
        *ret = look;
    return r;
}

void context_look_free(struct context_look *look)
{
    if (!look)
        return;
    channel_cancel(look->call);
    loop_source_free(look->soon);
    for (size_t i = 0; i < look->tree.count; i++)
        free(look->tree.entries[i].path);
    free(look->tree.entries);
    free(look->looked);
    buf_done(&look->file);
    buf_done(&look->text);
    arena_done(&look->words);
    free(look);
}
