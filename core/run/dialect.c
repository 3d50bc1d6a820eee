/* SPDX-License-Identifier: MIT */
#include "core/run/dialect.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/url.h"
#include "core/run/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX 4096
#define DAY_MS   ((int64_t) 24 * 60 * 60 * 1000)

/* Caller frees; NULL: there is no such place. */
static char *path_of(const char *base_url)
{
    char sum[DIGEST_HEX], name[DIGEST_HEX + 8];
    char *folder = NULL, *path;

    if (run_folder_beside("servers", &folder, NULL) < 0)
        return NULL;
    digest_of(span_of(base_url), sum);
    (void) snprintf(name, sizeof(name), "%s.json", sum);
    path = file_join(folder, name);
    free(folder);
    return path;
}

/* Nothing, when it is not what we wrote. */
static unsigned read_text(struct span text, int64_t *ret_at)
{
    struct arena arena = ARENA_INIT(64 * 1024);
    const struct tree *tree = NULL;
    unsigned known = 0;

    if (json_parse(text, &arena, &tree, NULL) == 0 &&
        clock_parse(tree_string(tree_get(tree, "learnt"), ""), ret_at) == 0)
        known = (tree_is_string(tree_get(tree, "tool_style"), "function") ? DIALECT_FUNCTIONS : 0) |
                (tree_is_string(tree_get(tree, "schema"), "none") ? DIALECT_NO_SCHEMA : 0) |
                (tree_is_string(tree_get(tree, "compaction"), "none") ? DIALECT_NO_COMPACTION : 0);
    arena_done(&arena);
    return known;
}

static unsigned look_up(const char *base_url, int64_t now_ms, int64_t *ret_at)
{
    char *path = path_of(base_url);
    struct buf text = BUF_INIT(FILE_MAX);
    int64_t at = -1;
    unsigned known = path && file_read(path, &text, NULL) == 0 ? read_text(buf_span(&text), &at) : 0;

    buf_done(&text);
    free(path);
    *ret_at = at;
    return at >= 0 && at <= now_ms && now_ms - at < DIALECT_DAYS * DAY_MS ? known : 0;
}

unsigned dialect_known(const char *base_url, int64_t now_ms)
{
    int64_t at;

    return look_up(base_url, now_ms, &at);
}

static int write_text(const char *base_url, int64_t at_ms, unsigned known, struct buf *out)
{
    char day[CLOCK_TEXT];
    struct json_writer w;

    clock_text(at_ms, day);
    json_begin(&w, out);
    json_object(&w);
    json_put_span(&w, "host", url_host(span_of(base_url))); /* the rest of it may be secret */
    if (known & DIALECT_FUNCTIONS)
        json_put_string(&w, "tool_style", "function");
    if (known & DIALECT_NO_SCHEMA)
        json_put_string(&w, "schema", "none");
    if (known & DIALECT_NO_COMPACTION)
        json_put_string(&w, "compaction", "none");
    json_put_string(&w, "learnt", day);
    json_object_end(&w);
    return json_end(&w, NULL);
}

void dialect_learn(const char *base_url, int64_t now_ms, unsigned what)
{
    int64_t at;
    unsigned known = look_up(base_url, now_ms, &at);
    char *path = path_of(base_url), *slash = path ? strrchr(path, '/') : NULL;
    struct buf text = BUF_INIT(FILE_MAX);
    int r = slash ? write_text(base_url, known ? at : now_ms, known | what, &text) : -1;

    if (r == 0) {
        *slash = '\0';
        r = file_make_dirs(path, 0700, NULL);
        *slash = '/';
    }
    if (r == 0)
        (void) file_write_atomic(path, buf_span(&text), 0600, NULL);
    buf_done(&text);
    free(path);
}

bool dialect_is_kept(const struct model_spec *model)
{
    return !model->record && !model->replay;
}

static bool is_known(const struct model_spec *model, unsigned what)
{
    return dialect_is_kept(model) && (dialect_known(model->base_url, clock_wall_ms()) & what);
}

enum tool_style dialect_of(const struct model_spec *model)
{
    if (model->tool_style == MODEL_TOOLS_FUNCTION)
        return TOOL_STYLE_FUNCTION;
    if (model->tool_style == MODEL_TOOLS_CUSTOM)
        return TOOL_STYLE_CUSTOM;
    return model->tool_style == MODEL_TOOLS_AUTO && is_known(model, DIALECT_FUNCTIONS) ? TOOL_STYLE_FUNCTION
                                                                                       : TOOL_STYLE_NATIVE;
}

bool dialect_takes_schema(const struct model_spec *model)
{
    return !is_known(model, DIALECT_NO_SCHEMA);
}

bool dialect_takes_compaction(const struct model_spec *model)
{
    return !is_known(model, DIALECT_NO_COMPACTION);
}
