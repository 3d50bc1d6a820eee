/* SPDX-License-Identifier: MIT */
#include "core/tool/container_inputs.h"

#include "core/tool/spec.h"

#include <stdlib.h>
#include <string.h>

struct container_inputs {
    struct channel *channel;
    const char *const *paths;
    size_t path_count, at; /* the path that is looked at */
    int64_t bytes_max, bytes;
    struct arena arena; /* paths */
    struct bundle_file *files;
    struct buf *contents; /* of each */
    size_t count, read;
    struct channel_call *call;
    struct err err; /* code set: what was wrong with an entry */
    container_inputs_fn *fn;
    void *data;
};

void container_inputs_free(struct container_inputs *in)
{
    if (!in)
        return;
    channel_cancel(in->call);
    for (size_t i = 0; i < in->count; i++)
        buf_done(&in->contents[i]);
    free(in->contents);
    free(in->files);
    arena_done(&in->arena);
    free(in);
}

static void end(struct container_inputs *in, int r, const struct err *err)
{
    in->fn(in->data, r, in->files, in->count, err);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct bundle_file *) a)->path, ((const struct bundle_file *) b)->path);
}

/* ---- which files ---- */

/* In the tool's sandbox its own files are there: the agent has no say in them. */
static bool is_of_tool(struct span path)
{
    const size_t len = sizeof(TOOL_CONTAINER_DIR) - 1;

    return path.len >= len && memcmp(path.ptr, TOOL_CONTAINER_DIR, len) == 0 &&
           (path.len == len || path.ptr[len] == '/');
}

static int add(struct container_inputs *in, struct span path, const struct guest_stat *st, struct err *err)
{
    if (st->kind == GUEST_DIR)
        return 0;
    if (st->kind != GUEST_FILE)
        return err_set(err, ERR_INVALID, "input '" SPAN_FMT "' is no regular file", SPAN_ARG(path));
    if (is_of_tool(path))
        return err_set(err, ERR_INVALID, "input '" SPAN_FMT "' is where the tool's own files go",
                       SPAN_ARG(path));
    for (size_t i = 0; i < in->count; i++)
        if (span_is(path, in->files[i].path))
            return 0;
    if (in->count == CONTAINER_INPUT_FILES)
        return err_set(err, ERR_TOO_LARGE, "the inputs are more than %d files", CONTAINER_INPUT_FILES);
    if (st->size > (uint64_t) (in->bytes_max - in->bytes))
        return err_set(err, ERR_TOO_LARGE, "the inputs are larger than %lld KiB",
                       (long long) in->bytes_max >> 10);
    in->files[in->count] = (struct bundle_file){ .path = arena_copy(&in->arena, path.ptr, path.len),
                                                 .is_program = st->mode & 0100 };
    if (!in->files[in->count].path)
        return err_set(err, ERR_INTERNAL, "no memory for inputs");
    buf_init(&in->contents[in->count], (size_t) st->size);
    in->bytes += (int64_t) st->size;
    in->count++;
    return 0;
}

static void next_path(struct container_inputs *in);

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span target)
{
    struct container_inputs *in = data;

    (void) target;
    if (!in->err.code)
        (void) add(in, path, st, &in->err);
}

static void on_listed(void *data, int r, const struct err *err)
{
    struct container_inputs *in = data;

    in->call = NULL;
    if (r == 0 && in->err.code) {
        r = -(int) in->err.code;
        err = &in->err;
    }
    if (r < 0)
        end(in, r, err);
    else
        next_path(in);
}

static void on_stat(void *data, int r, const struct guest_stat *st, struct span target, const struct err *err)
{
    static const struct file_list_ops ops = { on_entry, on_listed };
    struct container_inputs *in = data;
    const char *path = in->paths[in->at - 1];
    struct err own = { 0 };

    (void) target;
    in->call = NULL;
    if (r == -ERR_NOT_FOUND)
        r = err_set(&own, ERR_NOT_FOUND, "there is no input '%s' in the workspace", path);
    else if (r == 0 && st->kind != GUEST_DIR)
        r = add(in, span_of(path), st, &own);
    else if (r == 0 && (r = channel_list(in->channel, path, true, &ops, in, &in->call, &own)) == 0)
        return;
    if (r < 0)
        end(in, r, own.code ? &own : err);
    else
        next_path(in);
}

/* ---- what is in them ---- */

static void next_content(struct container_inputs *in);

static void on_chunk(void *data, struct span chunk)
{
    struct container_inputs *in = data;

    if (!in->err.code && buf_add_span(&in->contents[in->read], chunk) < 0)
        (void) err_set(&in->err, ERR_TOO_LARGE, "input '%s' grew while it was read",
                       in->files[in->read].path);
}

static void on_read(void *data, int r, const struct guest_stat *st, const struct err *err)
{
    struct container_inputs *in = data;

    (void) st;
    in->call = NULL;
    if (r == 0 && in->err.code) {
        r = -(int) in->err.code;
        err = &in->err;
    }
    if (r < 0) {
        end(in, r, err);
        return;
    }
    in->files[in->read].content = buf_span(&in->contents[in->read]);
    in->read++;
    next_content(in);
}

static void next_content(struct container_inputs *in)
{
    static const struct file_read_ops ops = { .on_chunk = on_chunk, .on_done = on_read };
    struct err err = { 0 };
    int r;

    if (in->read == in->count) {
        if (in->count > 1)
            qsort(in->files, in->count, sizeof(*in->files), compare);
        end(in, 0, NULL);
        return;
    }
    r = channel_read(in->channel, in->files[in->read].path, &ops, in, &in->call, &err);
    if (r < 0)
        end(in, r, &err);
}

static int look(struct container_inputs *in, struct err *err)
{
    return channel_stat(in->channel, in->paths[in->at++], on_stat, in, &in->call, err);
}

static void next_path(struct container_inputs *in)
{
    struct err err = { 0 };

    if (in->at == in->path_count)
        next_content(in);
    else if (look(in, &err) < 0)
        end(in, -(int) err.code, &err);
}

int container_inputs_start(struct channel *channel, const char *const *paths, size_t count, int64_t bytes_max,
                           container_inputs_fn *fn, void *data, struct container_inputs **ret,
                           struct err *err)
{
    struct container_inputs *in = calloc(1, sizeof(*in));
    int r;

    if (!in)
        return err_set(err, ERR_INTERNAL, "no memory for inputs");
    *in = (struct container_inputs){
        .channel = channel,
        .paths = paths,
        .path_count = count,
        .bytes_max = bytes_max < CONTAINER_INPUT_BYTES ? bytes_max : CONTAINER_INPUT_BYTES,
        .arena = ARENA_INIT(1024 * 1024),
        .files = calloc(CONTAINER_INPUT_FILES, sizeof(*in->files)),
        .contents = calloc(CONTAINER_INPUT_FILES, sizeof(*in->contents)),
        .fn = fn,
        .data = data,
    };
    r = in->files && in->contents ? look(in, err) : err_set(err, ERR_INTERNAL, "no memory for inputs");
    if (r < 0)
        container_inputs_free(in);
    else
        *ret = in;
    return r;
}
