/* SPDX-License-Identifier: MIT */
#include "core/tool/view_image.h"

#include "core/base/digest.h"
#include "core/base/units.h"
#include "core/tool/function.h"
#include "core/tool/image.h"
#include "core/tool/touched.h"

#include <inttypes.h>
#include <stdio.h>

#define IMAGE_MAX ((size_t) 10 * 1024 * 1024)

struct image_args {
    const char *path;
};

static const struct field fields[] = {
    { .name = "path",
      .kind = FIELD_STRING,
      .offset = offsetof(struct image_args, path),
      .flags = FIELD_REQUIRED,
      .help = "Image file, relative to the workspace." },
};

static const struct table table = { .name = "view_image",
                                    .fields = fields,
                                    .count = FIELD_COUNT_OF(fields),
                                    .size = sizeof(struct image_args),
                                    .is_tolerant = true };

struct viewing {
    struct function f; /* first */
    struct image_args args;
    const char *path;
    struct buf bytes;
    bool is_too_large;
};

static void release(struct function *f)
{
    buf_done(&((struct viewing *) f)->bytes);
}

static int write_parts(struct viewing *v, const struct image_info *info)
{
    struct buf url = BUF_INIT(2 * IMAGE_MAX);
    struct json_writer w;
    int r = buf_printf(&url, "data:%s;base64,", info->type);

    if (r == 0)
        r = base64_encode(&url, buf_span(&v->bytes));
    if (r == 0) {
        json_begin(&w, &v->f.parts);
        json_array(&w);
        json_object(&w);
        json_put_string(&w, "type", "input_text");
        json_put_string(&w, "text", buf_text(&v->f.text));
        json_object_end(&w);
        json_object(&w);
        json_put_string(&w, "type", "input_image");
        json_put_span(&w, "image_url", buf_span(&url));
        json_put_string(&w, "detail", "auto");
        json_object_end(&w);
        json_array_end(&w);
        r = json_end(&w, NULL);
    }
    buf_done(&url);
    return r;
}

static void show(struct viewing *v, const struct image_info *info)
{
    char size[32], dimensions[40] = "";

    if (info->width)
        snprintf(dimensions, sizeof(dimensions), ", %" PRIu32 " x %" PRIu32, info->width, info->height);
    snprintf(v->f.summary, sizeof(v->f.summary), "%s%s, %s", info->name, dimensions,
             units_format_size(size, (int64_t) v->bytes.len));
    (void) buf_printf(&v->f.text, "%s: %s\n", v->path, v->f.summary);
    if (!info->is_text) {
        if (write_parts(v, info) < 0)
            function_fail(&v->f, "'%s' could not be encoded", v->path);
    } else if (v->f.text.len + v->bytes.len > (size_t) v->f.host->output_bytes) {
        function_fail(&v->f, "'%s' is an SVG of %zu bytes, too large to be shown; read parts of it as text",
                      v->path, v->bytes.len);
    } else {
        (void) buf_add_text(&v->f.text, "An SVG is text; this is its source:\n");
        (void) buf_add_span(&v->f.text, buf_span(&v->bytes));
    }
}

static void on_chunk(void *data, struct span chunk)
{
    struct viewing *v = data;

    if (buf_add_span(&v->bytes, chunk) < 0)
        v->is_too_large = true;
}

static void on_done(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    struct viewing *v = data;
    struct image_info info;

    (void) st;
    v->f.call = NULL;
    if (result < 0)
        function_fail_with(&v->f, result, err);
    else if (v->is_too_large)
        function_fail(&v->f, "'%s' is larger than 10 MiB, too large to be viewed", v->path);
    else if (v->bytes.len == 0)
        function_fail(&v->f, "'%s' is empty", v->path);
    else if (!image_inspect(buf_span(&v->bytes), &info))
        function_fail(&v->f,
                      "'%s' is no image: its contents are none of PNG, JPEG, GIF, WebP, BMP, TIFF, SVG, or "
                      "are cut off",
                      v->path);
    else
        show(v, &info);
    function_end(&v->f);
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_done };

static void on_stat(void *data, int result, const struct guest_stat *st, struct span link,
                    const struct err *err)
{
    struct viewing *v = data;
    struct channel *channel = function_channel(&v->f);
    struct err why = { 0 };

    v->f.call = NULL;
    if (result < 0)
        function_fail_with(&v->f, result, err);
    else if (st->kind == GUEST_LINK)
        function_fail(&v->f, "'%s' is a symbolic link to '%.*s'; view that", v->path, (int) link.len,
                      link.ptr);
    else if (st->kind != GUEST_FILE)
        function_fail(&v->f, "'%s' is a folder or no regular file", v->path);
    else if (st->size > IMAGE_MAX)
        function_fail(&v->f, "'%s' is larger than 10 MiB, too large to be viewed", v->path);
    else if (channel && (result = channel_read(channel, v->path, &read_ops, v, &v->f.call, &why)) == 0)
        return;
    else if (channel)
        function_fail_with(&v->f, result, &why);
    function_end(&v->f);
}

static int begin(struct function *f)
{
    struct viewing *v = (struct viewing *) f;
    struct channel *channel;
    struct err err = { 0 };
    int r;

    v->f.release = release;
    buf_init(&v->bytes, IMAGE_MAX);
    if (!function_args(&v->f, &table, &v->args) || !function_path(&v->f, v->args.path, &v->path) ||
        !(channel = function_channel(&v->f)))
        return 0;
    r = channel_stat(channel, v->path, on_stat, v, &v->f.call, &err);
    return r < 0 ? function_fail_with(&v->f, r, &err) : 1;
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    return function_start(sizeof(struct viewing), begin, host, call, fn, data, ret, err);
}

static void describe(struct json_writer *w, enum tool_style style)
{
    (void) style;
    function_describe(w, "view_image",
                      "Shows an image file of the workspace (PNG, JPEG, GIF, WebP, BMP, TIFF, SVG).", &table);
}

static bool owns(const struct tree *item)
{
    return function_is(item, "view_image");
}

static void title(const struct tree *item, char *out, size_t size)
{
    function_title(item, "view", "path", out, size);
}

static void touch(const struct tree *item, struct touched *ret)
{
    touched_argument(ret, item, "path", false);
}

const struct tool_ops view_image_tool = {
    .name = "view_image",
    .describe = describe,
    .owns = owns,
    .title = title,
    .touch = touch,
    .start = start,
};
