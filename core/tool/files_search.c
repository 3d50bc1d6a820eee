/* SPDX-License-Identifier: MIT */
/*
 * search_text: a walk, then the files one after the other, several on their way at once. Lines that match are
 * told in the order of the files. A file that is not text is passed over.
 */
#include "core/tool/files.h"

#include "core/tool/glob.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE    64 /* as many requests as a guest takes at once */
#define FILES_MAX  100000
#define NAMES_MAX  ((size_t) 16 * 1024 * 1024)
#define FILE_MAX   ((uint64_t) 10 * 1024 * 1024)
#define HELD_MAX   ((uint64_t) 64 * 1024 * 1024) /* of the files that are on their way */
#define LINE_SHOWN 400
#define ASKED      16 /* requests at once that ask which files hold it at all */

struct search_args {
    const char *pattern, *path, *glob;
    bool ignore_case;
    int64_t limit;
};

#define AT(member) offsetof(struct search_args, member)

static const struct field fields[] = {
    { .name = "pattern",
      .kind = FIELD_STRING,
      .offset = AT(pattern),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 1000,
      .help = "The text to look for, as it stands within a line (no regular expression)." },
    { .name = "path",
      .kind = FIELD_STRING,
      .offset = AT(path),
      .fallback = "\".\"",
      .help = "Folder or file to look in, relative to the workspace." },
    { .name = "glob",
      .kind = FIELD_STRING,
      .offset = AT(glob),
      .max = GLOB_MAX,
      .min = 0,
      .help = "Only files whose name matches: *.c, src/**/*.h. Default: all." },
    { .name = "ignore_case",
      .kind = FIELD_BOOL,
      .offset = AT(ignore_case),
      .fallback = "false",
      .help = "Upper and lower case of ASCII letters are the same." },
    { .name = "limit",
      .kind = FIELD_INT,
      .offset = AT(limit),
      .min = 1,
      .max = 1000,
      .fallback = "100",
      .help = "How many lines at most." },
};

static const struct table table = { .name = "search_text",
                                    .fields = fields,
                                    .count = FIELD_COUNT_OF(fields),
                                    .size = sizeof(struct search_args),
                                    .is_tolerant = true };

struct searching;

/* A file on its way. */
struct look {
    struct searching *s;
    struct channel_call *call;
    size_t index;
    uint64_t size;
    struct buf bytes;
    bool is_busy, is_skipped;
};

/* Files of which the guest says whether it is worth reading them. */
struct asking {
    struct searching *s;
    struct channel_call *call; /* NULL: none is under way */
    size_t from, count;
};

struct searching {
    struct function f; /* first */
    struct search_args args;
    const char *path;
    struct buf names; /* NUL-terminated, one behind the other */
    struct found_file {
        size_t start; /* of its name */
        uint64_t size;
        bool lacks_it;
    } * files;
    size_t count, cap;
    struct buf **hits; /* by file; NULL: none */
    struct look looks[AT_ONCE];
    size_t at, active;
    struct asking asking[ASKED];
    size_t asked, asks; /* files that were asked for; requests under way */
    uint64_t held;
    int64_t found; /* lines */
    uint64_t skipped;
    bool is_too_many;
    int failed; /* while walking or reading */
    struct err err;
};

static void release(struct function *f)
{
    struct searching *s = (struct searching *) f;

    for (size_t i = 0; i < AT_ONCE; i++) {
        if (s->looks[i].is_busy)
            channel_cancel(s->looks[i].call);
        buf_done(&s->looks[i].bytes);
    }
    for (size_t i = 0; i < ASKED; i++)
        channel_cancel(s->asking[i].call);
    for (size_t i = 0; s->hits && i < s->count; i++)
        if (s->hits[i]) {
            buf_done(s->hits[i]);
            free(s->hits[i]);
        }
    free(s->hits);
    free(s->files);
    buf_done(&s->names);
}

static const char *name_of(const struct searching *s, size_t index)
{
    return s->names.data + s->files[index].start;
}

/* ---- lines ---- */

static bool is_at(const struct search_args *args, const char *at, size_t len)
{
    if (!args->ignore_case)
        return memcmp(at, args->pattern, len) == 0;
    for (size_t i = 0; i < len; i++)
        if (tolower((unsigned char) at[i]) != tolower((unsigned char) args->pattern[i]))
            return false;
    return true;
}

static const char *find_in(const struct search_args *args, struct span text)
{
    size_t len = strlen(args->pattern);

    if (!args->ignore_case)
        return memmem(text.ptr, text.len, args->pattern, len);
    for (size_t i = 0; len <= text.len && i <= text.len - len; i++)
        if (is_at(args, text.ptr + i, len))
            return text.ptr + i;
    return NULL;
}

static int add_hit(struct searching *s, size_t index, int64_t number, struct span line)
{
    size_t shown = line.len < LINE_SHOWN ? line.len : LINE_SHOWN;

    if (!s->hits[index]) {
        s->hits[index] = calloc(1, sizeof(*s->hits[index]));
        if (!s->hits[index])
            return -ERR_INTERNAL;
        buf_init(s->hits[index], (size_t) s->f.host->output_bytes + 64 * 1024);
    }
    s->found++;
    return buf_printf(s->hits[index], "%s:%" PRId64 ": %.*s%s\n", name_of(s, index), number, (int) shown,
                      line.ptr, shown < line.len ? " [...]" : "");
}

static int64_t count_newlines(const char *from, const char *to)
{
    int64_t count = 0;

    while (from < to && (from = memchr(from, '\n', (size_t) (to - from)))) {
        count++;
        from++;
    }
    return count;
}

/* One hit a line. */
static void scan(struct searching *s, size_t index, struct span text)
{
    const char *at = text.ptr, *end = text.ptr + text.len, *hit;
    int64_t number = 1;

    while (at < end && s->found < s->args.limit + 1 &&
           (hit = find_in(&s->args, span_make(at, (size_t) (end - at))))) {
        const char *begin = memrchr(at, '\n', (size_t) (hit - at)),
                   *eol = memchr(hit, '\n', (size_t) (end - hit));

        begin = begin ? begin + 1 : at;
        eol = eol ? eol : end;
        number += count_newlines(at, begin);
        if (add_hit(s, index, number++, span_make(begin, (size_t) (eol - begin))) < 0)
            return;
        at = eol + 1;
    }
}

/* ---- the answer ---- */

static void compose(struct searching *s)
{
    struct function *f = &s->f;
    int64_t files = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (!s->hits[i])
            continue;
        files++;
        if (f->text.len + s->hits[i]->len < (size_t) f->host->output_bytes)
            (void) buf_add_span(&f->text, buf_span(s->hits[i]));
        else
            s->found = s->args.limit + 1;
    }
    if (s->found == 0)
        (void) buf_printf(&f->text, "(no line in %zu files holds it)\n", s->count);
    if (s->found > s->args.limit)
        (void) buf_add_text(&f->text, "(there is more; narrow the pattern, the path or the glob)\n");
    if (s->is_too_many)
        (void) buf_printf(&f->text, "(only the first %d files were looked at)\n", FILES_MAX);
    if (s->skipped > 0)
        (void) buf_printf(&f->text,
                          "(%" PRIu64 " files were passed over: no text, larger than 10 MiB, or not "
                          "readable)\n",
                          s->skipped);
    snprintf(f->summary, sizeof(f->summary), "%" PRId64 " lines in %" PRId64 " of %zu files", s->found, files,
             s->count);
}

static void finish(struct searching *s)
{
    if (s->failed < 0)
        function_fail_with(&s->f, s->failed, &s->err);
    else
        compose(s);
    function_end(&s->f);
}

/* ---- reading ---- */

static void pump(struct searching *s);

static void on_chunk(void *data, struct span chunk)
{
    struct look *l = data;

    if (!l->is_skipped && buf_add_span(&l->bytes, chunk) < 0)
        l->is_skipped = true;
}

static void on_read(void *data, int r, const struct guest_stat *st, const struct err *err)
{
    struct look *l = data;
    struct searching *s = l->s;
    struct span text = buf_span(&l->bytes);

    (void) st;
    l->is_busy = false;
    l->call = NULL;
    s->active--;
    s->held -= l->size;
    if (r == -ERR_ENGINE && s->failed == 0) {
        s->failed = r;
        s->err = *err;
    } else if (r < 0 || l->is_skipped ||
               memchr(text.len ? text.ptr : "", '\0', text.len < 8192 ? text.len : 8192)) {
        s->skipped++;
    } else {
        scan(s, l->index, text);
    }
    pump(s);
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_read };

/* Few of the large ones at once. */
static struct look *free_look(struct searching *s)
{
    if (s->active > 0 && s->held + s->files[s->at].size > HELD_MAX)
        return NULL;
    for (size_t i = 0; i < AT_ONCE; i++)
        if (!s->looks[i].is_busy)
            return &s->looks[i];
    return NULL;
}

static void on_told(void *data, int r, struct span told, const struct err *err)
{
    struct asking *a = data;
    struct searching *s = a->s;

    a->call = NULL;
    s->asks--;
    if (r == -ERR_ENGINE && s->failed == 0) {
        s->failed = r;
        s->err = *err;
    }
    for (size_t i = 0; r == 0 && i < told.len; i++) /* refused: all of them are read */
        s->files[a->from + i].lacks_it = told.ptr[i] == 0;
    if (s->asks == 0)
        pump(s);
}

/* Contents are many, those that hold it few: only those come here. */
static void ask(struct searching *s, struct channel *channel)
{
    for (size_t i = 0; i < ASKED && s->asked < s->count && s->failed == 0; i++) {
        struct asking *a = &s->asking[i];
        const char *names[CHANNEL_FIND_MANY];

        *a = (struct asking){ .s = s, .from = s->asked };
        while (a->count < CHANNEL_FIND_MANY && s->asked < s->count)
            names[a->count++] = name_of(s, s->asked++);
        s->failed = channel_find(channel, s->args.pattern, names, a->count, on_told, a, &a->call, &s->err);
        s->asks += s->failed == 0;
    }
}

/* The files that are on their way when enough was found are all looked at, so that the first ones are told.
 */
static void pump(struct searching *s)
{
    struct look *l;

    while (s->asks == 0 && s->at < s->count && s->failed == 0 && s->found <= s->args.limit &&
           (l = free_look(s))) {
        struct channel *channel = function_channel(&s->f);

        if (!channel)
            s->failed = err_set(&s->err, ERR_ENGINE, "the sandbox is gone");
        if (!channel)
            break;
        if (s->at == s->asked) {
            ask(s, channel);
            continue;
        }
        if (s->files[s->at].lacks_it) {
            s->at++;
            continue;
        }
        l->s = s;
        l->index = s->at++;
        l->size = s->files[l->index].size;
        l->is_skipped = false;
        buf_clear(&l->bytes);
        s->failed = channel_read(channel, name_of(s, l->index), &read_ops, l, &l->call, &s->err);
        l->is_busy = s->failed == 0;
        s->active += l->is_busy;
        s->held += l->is_busy ? l->size : 0;
    }
    if (s->active == 0 && s->asks == 0)
        finish(s);
}

/* ---- walking ---- */

static int add_name(struct searching *s, struct span path, uint64_t size)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 256;
        struct found_file *grown = realloc(s->files, cap * sizeof(*grown));

        if (!grown)
            return -ERR_INTERNAL;
        s->files = grown;
        s->cap = cap;
    }
    s->files[s->count] = (struct found_file){ s->names.len, size, false };
    if (buf_add_span(&s->names, path) < 0 || buf_add_char(&s->names, '\0') < 0)
        return -ERR_TOO_LARGE;
    s->count++;
    return 0;
}

static bool is_in_git(struct span path)
{
    return span_starts(path, ".git/") || memmem(path.ptr, path.len, "/.git/", 6);
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    struct searching *s = data;
    size_t above = s->path[0] ? strlen(s->path) + 1 : 0;

    (void) link;
    if (st->kind != GUEST_FILE || is_in_git(path) || s->is_too_many)
        return;
    if (s->args.glob && s->args.glob[0] &&
        !glob_match(span_of(s->args.glob), span_make(path.ptr + above, path.len - above)))
        return;
    if (st->size > FILE_MAX)
        s->skipped++;
    else if (s->count == FILES_MAX || add_name(s, path, st->size) < 0)
        s->is_too_many = true;
}

static void look_at_all(struct searching *s)
{
    s->asked = s->args.ignore_case ? s->count : 0; /* the guest knows no case */
    s->hits = calloc(s->count + 1, sizeof(struct buf *));
    if (!s->hits)
        s->failed = err_set(&s->err, ERR_INTERNAL, "no memory for a search");
    pump(s);
}

static void on_walked(void *data, int r, const struct err *err)
{
    struct searching *s = data;

    s->f.call = NULL;
    if (r < 0) {
        s->failed = r;
        s->err = *err;
    }
    look_at_all(s);
}

static const struct file_list_ops list_ops = { .on_entry = on_entry, .on_done = on_walked };

static void on_stat(void *data, int r, const struct guest_stat *st, struct span link, const struct err *err)
{
    struct searching *s = data;
    struct channel *channel = function_channel(&s->f);

    (void) link;
    s->f.call = NULL;
    if (r < 0)
        function_fail_with(&s->f, r, err);
    else if (st->kind == GUEST_FILE && add_name(s, span_of(s->path), st->size) == 0) {
        look_at_all(s);
        return;
    } else if (channel && (r = channel_list(channel, s->path, true, &list_ops, s, &s->f.call, &s->err)) == 0)
        return;
    else if (channel)
        function_fail_with(&s->f, r, &s->err);
    function_end(&s->f);
}

static int start(struct function *f)
{
    struct searching *s = (struct searching *) f;
    struct channel *channel;
    int r;

    f->release = release;
    buf_init(&s->names, NAMES_MAX);
    for (size_t i = 0; i < AT_ONCE; i++)
        buf_init(&s->looks[i].bytes, FILE_MAX);
    if (!function_args(f, &table, &s->args) || !function_path(f, s->args.path, &s->path) ||
        !(channel = function_channel(f)))
        return 0;
    if (strchr(s->args.pattern, '\n'))
        return function_fail(f, "the pattern must be within one line");
    r = channel_stat(channel, s->path, on_stat, s, &f->call, &s->err);
    return r < 0 ? function_fail_with(f, r, &s->err) : 1;
}

const struct files_function search_text_function = {
    .name = "search_text",
    .description = "Looks for a text in the files of a folder and below it; prints path:line: text.",
    .table = &table,
    .shown = "pattern",
    .size = sizeof(struct searching),
    .start = start,
};
