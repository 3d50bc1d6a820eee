/* SPDX-License-Identifier: MIT */
/* list_dir and find_files: one walk of the guest, filtered here. */
#include "core/tool/files.h"

#include "core/base/units.h"
#include "core/tool/glob.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct list_args {
    const char *path, *pattern;
    int64_t depth, limit;
};

#define AT(member) offsetof(struct list_args, member)

#define LIMIT(most, usual)                                                                                   \
    {                                                                                                        \
        .name = "limit", .kind = FIELD_INT, .offset = AT(limit), .min = 1, .max = (most), .fallback = usual, \
        .help = "How many entries at most."                                                                  \
    }

static const struct field list_fields[] = {
    { .name = "path",
      .kind = FIELD_STRING,
      .offset = AT(path),
      .fallback = "\".\"",
      .help = "Folder, relative to the workspace." },
    { .name = "depth",
      .kind = FIELD_INT,
      .offset = AT(depth),
      .min = 1,
      .max = 20,
      .fallback = "1",
      .help = "How many levels of folders." },
    LIMIT(2000, "200"),
};

static const struct table list_table = { .name = "list_dir",
                                         .fields = list_fields,
                                         .count = FIELD_COUNT_OF(list_fields),
                                         .size = sizeof(struct list_args),
                                         .is_tolerant = true };

static const struct field find_fields[] = {
    { .name = "pattern",
      .kind = FIELD_STRING,
      .offset = AT(pattern),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = GLOB_MAX,
      .help = "A glob: *.py anywhere, src/**/*.py from the folder on." },
    { .name = "path",
      .kind = FIELD_STRING,
      .offset = AT(path),
      .fallback = "\".\"",
      .help = "Folder to look in, relative to the workspace." },
    LIMIT(2000, "200"),
};

static const struct table find_table = { .name = "find_files",
                                         .fields = find_fields,
                                         .count = FIELD_COUNT_OF(find_fields),
                                         .size = sizeof(struct list_args),
                                         .is_tolerant = true };

struct listing_run {
    struct function f; /* first */
    struct list_args args;
    const char *path;
    int64_t shown, more;
};

/* The path as the folder sees it. */
static struct span below(const struct listing_run *l, struct span path)
{
    size_t skipped = l->path[0] ? strlen(l->path) + 1 : 0;

    return span_make(path.ptr + skipped, path.len - skipped);
}

static int64_t depth_of(struct span path)
{
    int64_t depth = 1;

    for (size_t i = 0; i < path.len; i++)
        depth += path.ptr[i] == '/';
    return depth;
}

static bool is_wanted(const struct listing_run *l, struct span path, const struct guest_stat *st)
{
    if (l->args.pattern)
        return st->kind != GUEST_DIR && glob_match(span_of(l->args.pattern), path);
    return depth_of(path) <= l->args.depth;
}

static void add_entry(struct listing_run *l, struct span path, const struct guest_stat *st, struct span link)
{
    struct buf *text = &l->f.text;
    char size[32];

    if (st->kind == GUEST_DIR)
        (void) buf_printf(text, SPAN_FMT "/\n", SPAN_ARG(path));
    else if (st->kind == GUEST_LINK)
        (void) buf_printf(text, SPAN_FMT " -> " SPAN_FMT "\n", SPAN_ARG(path), SPAN_ARG(link));
    else if (l->args.pattern)
        (void) buf_printf(text, SPAN_FMT "\n", SPAN_ARG(path));
    else
        (void) buf_printf(text, SPAN_FMT "  %s\n", SPAN_ARG(path),
                          units_format_size(size, (int64_t) st->size));
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    struct listing_run *l = data;

    path = below(l, path);
    if (!is_wanted(l, path, st))
        return;
    if (l->shown >= l->args.limit ||
        l->f.text.len + path.len + link.len + 256 > (size_t) l->f.host->output_bytes) {
        l->more++;
        return;
    }
    l->shown++;
    add_entry(l, path, st, link);
}

static void on_done(void *data, int result, const struct err *err)
{
    struct listing_run *l = data;

    l->f.call = NULL;
    if (result < 0) {
        function_fail_with(&l->f, result, err);
    } else {
        if (l->shown == 0)
            (void) buf_add_text(&l->f.text,
                                l->args.pattern ? "(no file matches)\n" : "(the folder is empty)\n");
        if (l->more > 0)
            (void) buf_printf(&l->f.text, "(%" PRId64 " more are not shown)\n", l->more);
        snprintf(l->f.summary, sizeof(l->f.summary), "%" PRId64 " of %" PRId64 " entries", l->shown,
                 l->shown + l->more);
    }
    function_end(&l->f);
}

static const struct file_list_ops ops = { .on_entry = on_entry, .on_done = on_done };

static int start_walk(struct listing_run *l, bool recursive)
{
    struct channel *channel;
    struct err err = { 0 };
    int r;

    if (!function_path(&l->f, l->args.path, &l->path) || !(channel = function_channel(&l->f)))
        return 0;
    r = channel_list(channel, l->path, recursive, &ops, l, &l->f.call, &err);
    return r < 0 ? function_fail_with(&l->f, r, &err) : 1;
}

static int start_list(struct function *f)
{
    struct listing_run *l = (struct listing_run *) f;

    return function_args(f, &list_table, &l->args) ? start_walk(l, l->args.depth > 1) : 0;
}

static int start_find(struct function *f)
{
    struct listing_run *l = (struct listing_run *) f;

    return function_args(f, &find_table, &l->args) ? start_walk(l, true) : 0;
}

const struct files_function list_dir_function = {
    .name = "list_dir",
    .description = "Lists a folder: folders end with /, files have their size.",
    .table = &list_table,
    .shown = "path",
    .size = sizeof(struct listing_run),
    .start = start_list,
};

const struct files_function find_files_function = {
    .name = "find_files",
    .description = "Finds files by the pattern of their names.",
    .table = &find_table,
    .shown = "pattern",
    .size = sizeof(struct listing_run),
    .start = start_find,
};
