/* SPDX-License-Identifier: MIT */
#include "core/run/generated.h"

#include "core/base/json.h"
#include "core/run/output_digest.h"
#include "core/run/stage.h"
#include "core/tool/hosted.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_MAX ((size_t) 256 * 1024 * 1024)
#define NAME_LEN 96

struct collecting {
    const struct run_output *output;
    struct generated *ret;
    struct buf bytes;
    char (*names)[NAME_LEN];
    char (*sums)[DIGEST_HEX];
};

/* Ids come from the server. */
static void name_file(const struct tree *item, int64_t number, const char *suffix, char ret[NAME_LEN])
{
    struct span id = tree_span(tree_get(item, "id"));
    int len = snprintf(ret, NAME_LEN, "%lld", (long long) number);

    for (size_t i = 0; i < id.len && i < 64; i++) {
        if (i == 0)
            ret[len++] = '-';
        ret[len++] = isalnum((unsigned char) id.ptr[i]) || id.ptr[i] == '_' ? id.ptr[i] : '-';
    }
    (void) snprintf(ret + len, NAME_LEN - (size_t) len, "%s", suffix);
}

static int add(struct collecting *c, const struct tree *item, const char *suffix, struct err *err)
{
    struct generated *ret = c->ret;
    struct stage_file *file = NULL;
    int r = 0;

    if (ret->files == GENERATED_FILES_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d images", GENERATED_FILES_MAX);
    name_file(item, ret->files + 1, suffix, c->names[ret->files]);
    if (!ret->stage)
        r = stage_new(c->output->to, true, &ret->stage, err);
    if (r == 0)
        r = stage_file_begin(ret->stage, c->names[ret->files], 0644, &file, err);
    if (r == 0)
        r = stage_file_add(file, buf_span(&c->bytes), err);
    if (r == 0)
        r = stage_file_end(file, c->sums[ret->files], err);
    else
        stage_file_drop(file);
    if (r == 0) {
        ret->files++;
        ret->size += (int64_t) c->bytes.len;
    }
    return r;
}

static int take_item(struct collecting *c, const struct run_item *item, struct err *err)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *tree = NULL;
    const char *suffix = NULL, *tool;
    int r = json_parse(span_make(item->raw, item->len), &arena, &tree, err);

    tool = r == 0 ? hosted_find(tree) : NULL;
    for (size_t i = 0; r == 0 && tool && strcmp(tool, c->output->from) == 0; i++) {
        int found = hosted_image(tree, i, &c->bytes, &suffix, err);

        if (found < 0)
            r = err_wrap(err, "image %lld of %s", (long long) c->ret->files + 1, tool);
        if (found <= 0)
            break;
        r = add(c, tree, suffix, err);
    }
    arena_done(&arena);
    return r;
}

static int sum_up(struct collecting *c, struct buf *list, struct err *err)
{
    size_t count = (size_t) c->ret->files;
    struct output_digest_file *files = calloc(count + 1, sizeof(*files));
    int r;

    if (!files)
        return err_set(err, ERR_INTERNAL, "no memory for the list of files");
    for (size_t i = 0; i < count; i++)
        files[i] = (struct output_digest_file){ c->names[i], c->sums[i] };
    r = output_digest(files, count, c->ret->sha256, err);
    if (r == 0)
        (void) output_list(files, count, list); /* without it less can be told later, no more */
    free(files);
    return r;
}

int generated_collect(const struct run_state *s, const struct run_output *output, struct generated *ret,
                      struct buf *list, struct err *err)
{
    struct collecting c = { .output = output, .ret = ret, .bytes = BUF_INIT(GENERATED_FILE_MAX) };
    int r = 0;

    *ret = (struct generated){ 0 };
    c.names = calloc(GENERATED_FILES_MAX, sizeof(*c.names));
    c.sums = calloc(GENERATED_FILES_MAX, sizeof(*c.sums));
    if (!c.names || !c.sums)
        r = err_set(err, ERR_INTERNAL, "no memory for the list of files");
    for (size_t i = 0; i < s->item_count && r == 0; i++)
        if (s->items[i].kind == RUN_ITEM_OTHER && s->items[i].raw)
            r = take_item(&c, &s->items[i], err);
    if (r == 0 && ret->files > 0)
        r = sum_up(&c, list, err);
    if (r == 0 && ret->files == 0 && output->required) {
        (void) err_set(err, ERR_OUTPUT, "it is required, and the model's server sent no image");
        r = err_hint(err, "say in the task that one must be made, or set `required: false`");
    }
    if (r < 0) {
        stage_free(ret->stage);
        ret->stage = NULL;
    }
    buf_done(&c.bytes);
    free(c.names);
    free(c.sums);
    return r;
}
