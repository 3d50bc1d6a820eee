/* SPDX-License-Identifier: MIT */
#include "cmd/tools_library.h"

#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/tool_test.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/run/point.h"
#include "manifest/library.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REPORT_MAX   ((size_t) 4 * 1024 * 1024)
#define ARENA_MAX    ((size_t) 32 * 1024 * 1024)
#define DIGEST_SHOWN 12

extern char **environ;

/* A tool under our eyes: where it is from, what it says. */
struct tool {
    struct arena arena;
    const char *root; /* of the library */
    const char *from;
    struct bundle files;
    struct diags *diags;
    struct manifest_container said;
};

static int tool_init(struct tool *t, struct err *err)
{
    *t = (struct tool){ .arena = ARENA_INIT(ARENA_MAX), .diags = malloc(sizeof(*t->diags)) };
    bundle_init(&t->files);
    if (!t->diags)
        return err_set(err, ERR_INTERNAL, "no memory for a tool");
    diags_init(t->diags);
    t->root = library_root((const char *const *) environ, &t->arena);
    if (t->root)
        return 0;
    (void) err_set(err, ERR_IO,
                   "no place for the library: neither XDG_DATA_HOME nor HOME is an absolute path");
    return err_hint(err, "set XDG_DATA_HOME to an absolute path");
}

static void tool_done(struct tool *t)
{
    if (t->diags)
        diags_done(t->diags);
    free(t->diags);
    bundle_done(&t->files);
    arena_done(&t->arena);
}

/* ---- where it comes from ---- */

static int add_entry(struct tool *t, const struct run_point *point, const struct listing_entry *e,
                     const char *path, struct err *err)
{
    struct buf content = BUF_INIT(BUNDLE_BYTES_MAX);
    struct bundle_file file = { .path = path, .content = span_of(""), .is_program = e->mode & 0100 };
    int r = 0;

    if (e->kind == LISTING_DIR)
        return 0;
    if (e->kind != LISTING_FILE)
        return err_set(err, ERR_INVALID, "'%s' is a link", e->path);
    if (e->size > 0) {
        r = checkpoint_get(point->store, e->sha256, &content, err);
        file.content = buf_span(&content);
    }
    if (r == 0)
        r = bundle_add(&t->files, &file, err);
    buf_done(&content);
    return r;
}

static int read_point(struct tool *t, const struct run_point *point, const char *folder, struct err *err)
{
    struct listing listing;
    size_t len = strlen(folder);
    int r;

    while (len > 0 && folder[len - 1] == '/')
        len--;
    listing_init(&listing);
    r = checkpoint_load(point->store, point->checkpoint, &listing, err);
    for (size_t i = 0; i < listing.count && r == 0; i++) {
        const char *path = listing.entries[i].path;

        if (strncmp(path, folder, len) == 0 && path[len] == '/')
            r = add_entry(t, point, &listing.entries[i], path + len + 1, err);
    }
    listing_done(&listing);
    if (r == 0 && t->files.count == 0)
        r = err_set(err, ERR_NOT_FOUND, "there is no folder '%s' in the workspace of run '%s'", folder,
                    point->folder->id);
    bundle_seal(&t->files);
    return r;
}

/* RUN[@POINT]:PATH; a point may have a ':' too, a path has none. */
static int read_run(struct tool *t, const char *word, const char *colon, struct err *err)
{
    const char *run = arena_copy(&t->arena, word, (size_t) (colon - word));
    struct run_point point = { 0 };
    int r = run ? run_point_open(run, &point, err) : err_set(err, ERR_INTERNAL, "no memory for a name");

    if (r == 0)
        r = read_point(t, &point, colon + 1, err);
    if (r == 0)
        t->from = arena_printf(&t->arena, "%s:%s", point.folder->id, colon + 1);
    run_point_done(&point);
    return r;
}

static int read_from(struct tool *t, const char *word, struct err *err)
{
    const char *colon = strrchr(word, ':');
    struct stat st;
    char *real;
    int r;

    if (stat(word, &st) < 0 && colon)
        return read_run(t, word, colon, err);
    r = bundle_load(&t->files, word, err);
    if (r == -ERR_NOT_FOUND)
        return err_hint(err, "a folder with " LIBRARY_FILE ", or RUN:PATH, a folder of that run's workspace");
    real = realpath(word, NULL);
    t->from = arena_text(&t->arena, real ? real : word);
    free(real);
    return r;
}

/* What it says, with all problems told. */
static int decode(struct tool *t, struct err *err)
{
    struct buf text = BUF_INIT(REPORT_MAX);
    struct term term;
    int r = library_decode(&t->files, &t->arena, t->diags, &t->said, err);

    if (t->diags->count > 0) {
        term_init(&term, TERM_ERR);
        diags_render(t->diags, &text);
        (void) term_write(&term, buf_span(&text), NULL); /* there is nowhere left to say it */
    }
    buf_done(&text);
    return r;
}

/* ---- tests ---- */

static void test_text(struct buf *out, const struct tool_test *test)
{
    char took[32];

    for (size_t i = 0; i < test->count; i++) {
        const struct tool_tested *one = &test->tests[i];

        buf_printf(out, "%s  ", one->words ? "FAIL" : "pass");
        term_line(out, span_of(one->name));
        buf_printf(out, " (%s)\n", units_format_duration(took, one->took_ms));
        if (one->words)
            (void) term_quote(out, "      | ", span_of(one->words));
        if (one->words && out->len > 0 && out->data[out->len - 1] != '\n')
            buf_add_char(out, '\n');
    }
}

static void test_json(struct json_writer *w, const struct tool_test *test)
{
    json_key(w, "tests");
    json_array(w);
    for (size_t i = 0; i < test->count; i++) {
        json_object(w);
        json_put_string(w, "name", test->tests[i].name);
        json_put_bool(w, "passed", !test->tests[i].words);
        json_put_string(w, "words", test->tests[i].words);
        json_put_int(w, "duration_ms", test->tests[i].took_ms);
        json_object_end(w);
    }
    json_array_end(w);
    json_put_int(w, "failed", (int64_t) test->failed);
}

static int run_tests(const struct options *opts, struct tool *t, struct tool_test *ret, struct err *err)
{
    struct run_spec *spec = NULL;
    int r = load_tool_spec(opts, t->said.name, &t->files, &spec, err);

    if (r == 0)
        r = tool_test(opts, spec, &t->said, ret, err);
    run_spec_free(spec);
    return r;
}

/* ---- what is told at the end ---- */

static int tell(const struct options *opts, const struct library_tool *tool, const struct tool_test *test,
                const char *state, struct err *err)
{
    struct buf out = BUF_INIT(REPORT_MAX);
    struct json_writer w;
    int r = 0;

    if (opts->json) {
        report_begin(&w, &out);
        json_put_string(&w, "name", tool->name);
        json_put_string(&w, "digest", tool->digest);
        json_put_string(&w, "state", state);
        if (test)
            test_json(&w, test);
        r = report_end(&w, err);
    } else {
        if (test)
            test_text(&out, test);
        buf_printf(&out, "%s@%.*s  %s\n", tool->name, DIGEST_SHOWN, tool->digest, state);
    }
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    buf_done(&out);
    return r;
}

static const char *state_of(const struct library_tool *tool)
{
    return tool->is_approved ? "approved" : "off";
}

/* ---- add, test ---- */

/* The same files again change nothing but, with --approve, the state. */
static int keep(const struct options *opts, const struct tool *t, const struct tool_test *test,
                struct library_tool *tool, struct err *err)
{
    struct arena arena = ARENA_INIT(ARENA_MAX);
    struct library_tool *list = NULL;
    size_t count = 0;
    int r = library_list(t->root, &arena, &list, &count, err);

    *tool = (struct library_tool){ .name = t->said.name, .digest = t->files.digest };
    for (size_t i = 0; i < count && r == 0; i++)
        if (strcmp(list[i].name, tool->name) == 0 && strcmp(list[i].digest, tool->digest) == 0)
            tool->is_approved = list[i].is_approved;
    arena_done(&arena);
    tool->is_approved = tool->is_approved || opts->approve;
    tool->from = t->from;
    tool->image_id = test->image_id;
    tool->added_ms = clock_wall_ms();
    tool->tests = (int64_t) test->count;
    return r < 0 ? r : library_save(t->root, tool, &t->files, err);
}

/* A folder, a folder of a run, or a version of the library. */
static int read_any(struct tool *t, const char *word, bool is_add, struct err *err)
{
    struct library_tool known;
    int r;

    if (is_add || strpbrk(word, "/:"))
        return read_from(t, word, err);
    r = library_find(t->root, word, false, &t->arena, &known, err);
    return r < 0 ? r : library_load(t->root, &known, &t->files, err);
}

/* Its tests are run, and with `is_add` it is kept when they pass. */
static int try(const struct options *opts, bool is_add, struct err *err)
{
    struct library_tool tool = { 0 };
    struct tool_test test = { 0 };
    const char *state;
    struct tool t;
    int r = tool_init(&t, err);

    if (r == 0)
        r = read_any(&t, opts->args[1], is_add, err);
    if (r == 0)
        r = decode(&t, err);
    if (r == 0)
        r = run_tests(opts, &t, &test, err);
    tool = (struct library_tool){ .name = t.said.name, .digest = t.files.digest };
    state = test.failed ? "tests fail" : "tests pass";
    if (r == 0 && is_add && test.failed == 0) {
        r = keep(opts, &t, &test, &tool, err);
        state = state_of(&tool);
    }
    if (r == 0)
        r = tell(opts, &tool, &test, state, err);
    if (r == 0 && test.failed > 0)
        r = err_set(err, ERR_CHECK, "%zu of %zu tests did not pass", test.failed, test.count);
    else if (r == 0 && is_add && !tool.is_approved && !opts->quiet)
        term_say("no run is offered it before: agentbox tools approve %s@%.*s", tool.name, DIGEST_SHOWN,
                 tool.digest);
    if (test.signum)
        r = 128 + test.signum;
    tool_test_done(&test);
    tool_done(&t);
    return r;
}

int tools_add(const struct options *opts, struct err *err)
{
    return try(opts, true, err);
}

int tools_test(const struct options *opts, struct err *err)
{
    return try(opts, false, err);
}

/* ---- approve, rm ---- */

int tools_approve(const struct options *opts, struct err *err)
{
    struct library_tool tool = { 0 };
    struct tool t;
    int r = tool_init(&t, err);

    if (r == 0)
        r = library_find(t.root, opts->args[1], false, &t.arena, &tool, err);
    if (r == 0)
        r = library_load(t.root, &tool, &t.files, err); /* what is approved is what is there */
    tool.is_approved = true;
    if (r == 0)
        r = library_save(t.root, &tool, NULL, err);
    if (r == 0)
        r = tell(opts, &tool, NULL, state_of(&tool), err);
    tool_done(&t);
    return r;
}

/* NAME alone is all its versions. */
int tools_remove(const struct options *opts, struct err *err)
{
    const bool is_one = strchr(opts->args[1], '@');
    struct library_tool tool;
    size_t count = 0;
    struct tool t;
    int r = tool_init(&t, err);

    while (r == 0 && (count == 0 || !is_one)) {
        r = library_find(t.root, opts->args[1], false, &t.arena, &tool, err);
        if (r == -ERR_NOT_FOUND && count > 0) {
            r = 0;
            break;
        }
        if (r == 0)
            r = library_remove(t.root, &tool, err);
        if (r == 0)
            r = tell(opts, &tool, NULL, "removed", err);
        count++;
    }
    tool_done(&t);
    return r;
}

/* ---- ls ---- */

/* Are its files what they are named by? */
static bool is_changed(const char *root, const struct library_tool *tool)
{
    struct bundle files;
    struct err err = { 0 };
    int r;

    bundle_init(&files);
    r = library_load(root, tool, &files, &err);
    bundle_done(&files);
    return r < 0;
}

static void list_text(const struct tool *t, const struct library_tool *list, size_t count, struct buf *out)
{
    char added[CLOCK_TEXT];

    for (size_t i = 0; i < count; i++) {
        clock_text(list[i].added_ms, added);
        term_line(out, span_of(list[i].name));
        buf_printf(out, "@%.*s  %-9s%.10s  ", DIGEST_SHOWN, list[i].digest,
                   is_changed(t->root, &list[i]) ? "CHANGED" : state_of(&list[i]), added);
        term_line(out, span_of(list[i].from));
        buf_add_char(out, '\n');
    }
    if (count == 0)
        buf_add_text(out, "the library is empty: `agentbox tools add` puts tools into it\n");
}

static int list_json(const struct tool *t, const struct library_tool *list, size_t count, struct buf *out,
                     struct err *err)
{
    struct json_writer w;
    char added[CLOCK_TEXT];

    report_begin(&w, out);
    json_key(&w, "tools");
    json_array(&w);
    for (size_t i = 0; i < count; i++) {
        clock_text(list[i].added_ms, added);
        json_object(&w);
        json_put_string(&w, "name", list[i].name);
        json_put_string(&w, "digest", list[i].digest);
        json_put_string(&w, "state", is_changed(t->root, &list[i]) ? "changed" : state_of(&list[i]));
        json_put_string(&w, "from", list[i].from);
        json_put_string(&w, "added", added);
        json_put_string(&w, "image_id", list[i].image_id);
        json_put_int(&w, "tests", list[i].tests);
        json_object_end(&w);
    }
    json_array_end(&w);
    return report_end(&w, err);
}

int tools_list(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(REPORT_MAX);
    struct library_tool *list = NULL;
    size_t count = 0;
    struct tool t;
    int r = tool_init(&t, err);

    if (r == 0)
        r = library_list(t.root, &t.arena, &list, &count, err);
    if (r == 0 && opts->json)
        r = list_json(&t, list, count, &out, err);
    else if (r == 0)
        list_text(&t, list, count, &out);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    tool_done(&t);
    buf_done(&out);
    return r;
}
