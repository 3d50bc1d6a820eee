/* SPDX-License-Identifier: MIT */
/* The lines of a pull. */
#include "oci/pull.h"

#include "core/base/json.h"
#include "core/base/units.h"

#include <stdio.h>
#include <string.h>

void pull_init(struct pull *pull)
{
    *pull = (struct pull){ .line = BUF_INIT(PULL_LINE_MAX), .status = BUF_INIT(512) };
}

void pull_done(struct pull *pull)
{
    buf_done(&pull->line);
    buf_done(&pull->status);
}

static struct pull_layer *find_layer(struct pull *pull, struct span id)
{
    struct pull_layer *layer;

    if (id.len == 0 || id.len >= sizeof(layer->id))
        return NULL;
    for (size_t i = 0; i < pull->layer_count; i++)
        if (span_is(id, pull->layers[i].id))
            return &pull->layers[i];
    if (pull->layer_count == PULL_LAYERS)
        return NULL;
    layer = &pull->layers[pull->layer_count++];
    memcpy(layer->id, id.ptr, id.len);
    layer->id[id.len] = '\0';
    return layer;
}

static int64_t clamp(int64_t bytes)
{
    return bytes < 0 ? 0 : bytes > INT64_C(1) << 50 ? INT64_C(1) << 50 : bytes;
}

static void note_layer(struct pull_layer *layer, struct span status, const struct tree *detail)
{
    if (span_is(status, "Downloading")) {
        layer->done = clamp(tree_int(tree_get(detail, "current"), layer->done));
        layer->size = clamp(tree_int(tree_get(detail, "total"), layer->size));
    } else if (span_is(status, "Download complete")) {
        layer->done = layer->size;
    } else if (span_is(status, "Pull complete") || span_is(status, "Already exists")) {
        layer->done = layer->size;
        layer->is_complete = true;
    }
}

static int report(struct span text, struct err *err)
{
    char plain[600];
    size_t n = 0;

    for (size_t i = 0; i < text.len && n + 1 < sizeof(plain); i++)
        plain[n++] = (unsigned char) text.ptr[i] < ' ' || text.ptr[i] == 0x7f ? ' ' : text.ptr[i];
    plain[n] = '\0';
    return err_set(err, ERR_ENGINE, "%s", n ? plain : "the engine gave no reason");
}

static int read_line(struct pull *pull, struct span line, struct err *err)
{
    struct arena arena = ARENA_INIT(16 * PULL_LINE_MAX);
    const struct tree *t = NULL;
    const struct tree *error;
    struct span id, status;
    struct pull_layer *layer;
    int r = json_parse(line, &arena, &t, err);

    if (r < 0) {
        arena_done(&arena);
        err_wrap(err, "the engine's progress of the pull");
        return err_recode(err, ERR_PROTOCOL);
    }
    error = tree_path(t, "errorDetail", "message", NULL);
    if (!tree_span(error).len)
        error = tree_get(t, "error");
    id = tree_span(tree_get(t, "id"));
    status = tree_span(tree_get(t, "status"));
    layer = id.len == 12 ? find_layer(pull, id) : NULL; /* other ids are the tag */
    if (error && error->kind != TREE_NULL) {
        r = report(tree_span(error), err);
    } else if (layer) {
        note_layer(layer, status, tree_get(t, "progressDetail"));
    } else if (status.len) {
        buf_clear(&pull->status);
        (void) buf_add_span(&pull->status, status); /* too long to show is not shown */
    }
    arena_done(&arena);
    return r;
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!strchr(" \t\r\n", line.ptr[i]) || !line.ptr[i])
            return false;
    return true;
}

int pull_end(struct pull *pull, struct err *err)
{
    int r = is_blank(buf_span(&pull->line)) ? 0 : read_line(pull, buf_span(&pull->line), err);

    buf_clear(&pull->line);
    return r;
}

int pull_feed(struct pull *pull, struct span chunk, struct err *err)
{
    while (chunk.len > 0) {
        const char *eol = memchr(chunk.ptr, '\n', chunk.len);
        size_t len = eol ? (size_t) (eol - chunk.ptr) : chunk.len;
        int r = 0;

        if (buf_add(&pull->line, chunk.ptr, len) < 0)
            return err_set(err, ERR_TOO_LARGE, "a line of the engine's progress is longer than %d bytes",
                           PULL_LINE_MAX);
        if (eol)
            r = pull_end(pull, err);
        if (r < 0)
            return r;
        len += eol ? 1 : 0;
        chunk = span_make(chunk.ptr + len, chunk.len - len);
    }
    return 0;
}

void pull_text(const struct pull *pull, char *ret, size_t size)
{
    int64_t done = 0, total = 0;
    size_t complete = 0;
    char a[32], b[32];

    for (size_t i = 0; i < pull->layer_count; i++) {
        done += pull->layers[i].done;
        total += pull->layers[i].size;
        complete += pull->layers[i].is_complete;
    }
    if (pull->layer_count == 0)
        snprintf(ret, size, "waiting for the registry");
    else
        snprintf(ret, size, "%zu of %zu layers, %s of %s", complete, pull->layer_count,
                 units_format_size(a, done), units_format_size(b, total));
}
