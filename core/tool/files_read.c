/* SPDX-License-Identifier: MIT */
/* read_file: a range of a file's lines. The file goes by; only what is shown is kept. */
#include "core/tool/files.h"

#include "core/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SHOWN 2000
#define LINES_MAX  2000
#define BYTES_MAX  ((uint64_t) 256 * 1024 * 1024)
#define OUTPUT_MAX ((size_t) 64 * 1024 * 1024)

struct read_args {
    const char *path;
    int64_t offset, limit;
};

static const struct field fields[] = {
    { .name = "path",
      .kind = FIELD_STRING,
      .offset = offsetof(struct read_args, path),
      .flags = FIELD_REQUIRED,
      .help = "File to read, relative to the workspace; or output:N/stdout, as a cut result says." },
    { .name = "offset",
      .kind = FIELD_INT,
      .offset = offsetof(struct read_args, offset),
      .min = 1,
      .max = INT32_MAX,
      .fallback = "1",
      .help = "The line to begin with, from 1." },
    { .name = "limit",
      .kind = FIELD_INT,
      .offset = offsetof(struct read_args, limit),
      .min = 1,
      .max = LINES_MAX,
      .fallback = "500",
      .help = "How many lines at most." },
};

static const struct table table = { .name = "read_file",
                                    .fields = fields,
                                    .count = FIELD_COUNT_OF(fields),
                                    .size = sizeof(struct read_args),
                                    .is_tolerant = true };

struct reading {
    struct function f; /* first */
    struct read_args args;
    const char *path;
    int64_t line;      /* that is being read, from 1 */
    int64_t shown;     /* lines */
    size_t width, cut; /* of the line: bytes shown, and left out */
    uint64_t bytes;
    bool is_in_line, is_full, is_binary, is_cut_off;
};

static bool is_wanted(const struct reading *r)
{
    return !r->is_full && r->line >= r->args.offset && r->line < r->args.offset + r->args.limit;
}

static void begin_line(struct reading *r)
{
    r->is_in_line = true;
    r->width = r->cut = 0;
    if (is_wanted(r) && r->f.text.len + LINE_SHOWN + 64 > (size_t) r->f.host->output_bytes && r->shown > 0)
        r->is_full = true;
    if (!is_wanted(r))
        return;
    r->shown++;
    (void) buf_printf(&r->f.text, "L%" PRId64 ": ", r->line);
}

static void end_line(struct reading *r)
{
    if (is_wanted(r)) {
        if (r->cut > 0)
            (void) buf_printf(&r->f.text, " [%zu more bytes in this line]", r->cut);
        (void) buf_add_char(&r->f.text, '\n');
    }
    r->is_in_line = false;
    r->line++;
}

static void add(struct reading *r, struct span part)
{
    size_t room = LINE_SHOWN - r->width, n = part.len < room ? part.len : room;

    if (!is_wanted(r))
        return;
    (void) buf_add(&r->f.text, part.ptr, n);
    r->width += n;
    r->cut += part.len - n;
}

static void on_chunk(void *data, struct span chunk)
{
    struct reading *r = data;
    const char *at = chunk.ptr, *end = chunk.ptr + chunk.len;

    if (r->bytes < 8192 && memchr(chunk.ptr, '\0', chunk.len))
        r->is_binary = true;
    r->bytes += chunk.len;
    while (at < end) {
        const char *eol = memchr(at, '\n', (size_t) (end - at));

        if (!r->is_in_line)
            begin_line(r);
        add(r, span_make(at, (size_t) ((eol ? eol : end) - at)));
        if (eol)
            end_line(r);
        at = eol ? eol + 1 : end;
    }
}

static void close_text(struct reading *r)
{
    int64_t total, last = r->args.offset + r->shown - 1;
    char size[32];

    if (r->is_in_line)
        end_line(r);
    total = r->line - 1;
    if (total == 0)
        (void) buf_add_text(&r->f.text, "(the file is empty)\n");
    else if (r->shown == 0)
        function_fail(&r->f, "'%s' has %" PRId64 " lines, there is no line %" PRId64, r->path, total,
                      r->args.offset);
    else if (last < total)
        (void) buf_printf(
            &r->f.text, "(lines %" PRId64 " to %" PRId64 " of %" PRId64 "; go on with offset %" PRId64 ")\n",
            r->args.offset, last, total, last + 1);
    if (!r->f.is_failed)
        snprintf(r->f.summary, sizeof(r->f.summary), "%" PRId64 " of %" PRId64 " lines, %s", r->shown, total,
                 units_format_size(size, (int64_t) r->bytes));
}

static void on_done(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    struct reading *r = data;

    (void) st;
    r->f.call = NULL;
    if (result < 0)
        function_fail_with(&r->f, result, err);
    else if (r->is_binary)
        function_fail(&r->f, "'%s' is not text (%" PRIu64 " bytes)", r->path, r->bytes);
    else
        close_text(r);
    function_end(&r->f);
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_done };

/* output:NUMBER/STREAM, as the answer of a call says that was cut. Output is text, whatever bytes are in it.
 */
static int read_output(struct reading *r)
{
    struct tool_host *host = r->f.host;
    struct buf text = BUF_INIT(OUTPUT_MAX);
    struct err err = { 0 };
    const char *name = r->args.path + strlen(TOOL_OUTPUT);
    char *end;
    long long number = strtoll(name, &end, 10);
    int result = -ERR_NOT_FOUND;

    if (host->read_output && number > 0 && *end == '/')
        result = host->read_output(host->data, number, end + 1, &text, &err);
    r->path = r->args.path;
    if (result < 0) {
        function_fail(&r->f, "there is no output '%.60s'%s%s", name, err.code ? ": " : "", err.text);
    } else {
        on_chunk(r, buf_span(&text));
        r->is_binary = false;
        close_text(r);
    }
    buf_done(&text);
    return 0;
}

static void on_stat(void *data, int result, const struct guest_stat *st, struct span link,
                    const struct err *err)
{
    struct reading *r = data;
    struct channel *channel = function_channel(&r->f);
    struct err why = { 0 };

    r->f.call = NULL;
    if (result < 0)
        function_fail_with(&r->f, result, err);
    else if (st->kind == GUEST_DIR)
        function_fail(&r->f, "'%s' is a folder; use list_dir", r->path);
    else if (st->kind == GUEST_LINK)
        function_fail(&r->f, "'%s' is a symbolic link to '%.*s'; read that", r->path, (int) link.len,
                      link.ptr);
    else if (st->size > BYTES_MAX)
        function_fail(&r->f, "'%s' has %" PRIu64 " bytes, which is too large to be read here", r->path,
                      st->size);
    else if (channel && (result = channel_read(channel, r->path, &read_ops, r, &r->f.call, &why)) == 0)
        return;
    else if (channel)
        function_fail_with(&r->f, result, &why);
    function_end(&r->f);
}

static int start(struct function *f)
{
    struct reading *r = (struct reading *) f;
    struct channel *channel;
    struct err err = { 0 };
    int result;

    r->line = 1;
    if (!function_args(f, &table, &r->args))
        return 0;
    if (strncmp(r->args.path, TOOL_OUTPUT, strlen(TOOL_OUTPUT)) == 0)
        return read_output(r);
    if (!function_path(f, r->args.path, &r->path))
        return 0;
    channel = function_channel(f);
    if (!channel)
        return 0;
    result = channel_stat(channel, r->path, on_stat, r, &f->call, &err);
    return result < 0 ? function_fail_with(f, result, &err) : 1;
}

const struct files_function read_file_function = {
    .name = "read_file",
    .description = "Reads lines of a text file, each with its number (L12: ...).",
    .table = &table,
    .shown = "path",
    .size = sizeof(struct reading),
    .start = start,
};
