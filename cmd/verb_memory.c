/* SPDX-License-Identifier: MIT */
/* `agentbox memory ls | show NAME | rm NAME [NUMBER...]`: the notes that runs leave for later ones. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/units.h"
#include "core/run/folder.h"
#include "core/tool/notes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX (16 * 1024 * 1024)

/* The folder of a name, or the one that is meant; caller frees. */
static int find_dir(const char *name, char **ret, struct err *err)
{
    CLEANUP(free) char *all = NULL;
    int r = 0;

    if (strchr(name, '/'))
        *ret = strdup(name);
    else if (!*name || name[0] == '.')
        return err_set(err, ERR_USAGE, "'%s' is no name of a manifest", name);
    else if ((r = run_folder_beside("memory", &all, err)) == 0)
        *ret = file_join(all, name);
    if (r == 0 && !*ret)
        r = err_set(err, ERR_INTERNAL, "no memory");
    return r;
}

static int load(const char *name, char **ret_dir, struct notes **ret, struct err *err)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    int r = notes ? find_dir(name, ret_dir, err) : err_set(err, ERR_INTERNAL, "no memory");

    if (r == 0)
        r = notes_load(*ret_dir, notes, err);
    if (r == 0 && notes->count == 0) {
        r = err_set(err, ERR_NOT_FOUND, "there are no notes of '%s'", name);
        (void) err_hint(err, "`agentbox memory ls` lists those that there are");
    }
    if (r < 0)
        free(notes);
    else
        *ret = notes;
    return r;
}

static void notes_free(struct notes *notes)
{
    if (notes)
        notes_done(notes);
    free(notes);
}

/* ---- show ---- */

static void put_note(struct json_writer *w, const struct note *note)
{
    json_object(w);
    json_put_int(w, "id", note->id);
    json_put_string(w, "time", note->time);
    json_put_string(w, "run", note->run);
    json_put_int(w, "call", note->call);
    json_put_string(w, "model", note->model);
    json_put_string(w, "text", note->text);
    json_object_end(w);
}

static int show_json(const struct notes *notes, const char *dir, struct buf *out, struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_string(&w, "dir", dir);
    json_key(&w, "notes");
    json_array(&w);
    for (size_t i = 0; i < notes->count; i++)
        put_note(&w, &notes->list[i]);
    json_array_end(&w);
    return report_end(&w, err);
}

static void show_note(struct buf *out, const struct note *note)
{
    buf_printf(out, "n%lld  ", (long long) note->id);
    term_clean(out, span_of(note->time ? note->time : "?"), false);
    buf_add_text(out, "  run ");
    term_clean(out, span_of(note->run ? note->run : "?"), false);
    buf_printf(out, ", call %lld, ", (long long) note->call);
    term_clean(out, span_of(note->model ? note->model : "?"), false);
    buf_add_char(out, '\n');
    term_quote(out, "| ", span_of(note->text));
}

static int show(const struct options *opts, struct err *err)
{
    CLEANUP(free) char *dir = NULL;
    struct buf out = BUF_INIT(OUT_MAX);
    struct notes *notes = NULL;
    int r = load(opts->args[1], &dir, &notes, err);

    if (r == 0 && opts->json)
        r = show_json(notes, dir, &out, err);
    for (size_t i = 0; r == 0 && !opts->json && i < notes->count; i++)
        show_note(&out, &notes->list[i]);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    notes_free(notes);
    buf_done(&out);
    return r;
}

/* ---- rm ---- */

static int take_out(struct notes *notes, const char *word, struct err *err)
{
    char *end;
    long long id = strtoll(word[0] == 'n' ? word + 1 : word, &end, 10);

    for (size_t i = 0; i < notes->count && *end == '\0'; i++)
        if (notes->list[i].id == id) {
            notes->count--;
            memmove(&notes->list[i], &notes->list[i + 1], (notes->count - i) * sizeof(notes->list[0]));
            return 0;
        }
    return err_set(err, ERR_NOT_FOUND, "there is no note '%s'", word);
}

static int take_all_out(const struct options *opts, const char *dir, struct notes *notes, struct err *err)
{
    size_t before = notes->count;
    int r = 0;

    if (opts->arg_count == 2)
        notes->count = 0;
    for (size_t i = 2; i < opts->arg_count && r == 0; i++)
        r = take_out(notes, opts->args[i], err);
    if (r == 0)
        r = notes_save(dir, notes, err);
    if (r == 0)
        term_say("removed %zu note%s of %s", before - notes->count, before - notes->count == 1 ? "" : "s",
                 opts->args[1]);
    return r;
}

/* Also those that are damaged: nothing of them is read then. */
static int remove_notes(const struct options *opts, struct err *err)
{
    CLEANUP(free) char *dir = NULL, *dir_again = NULL;
    CLEANUP(fd) int lock = -1;
    struct notes *notes = NULL;
    int r = load(opts->args[1], &dir, &notes, err);

    if (r == -ERR_INVALID && opts->arg_count == 2) {
        notes = calloc(1, sizeof(*notes));
        r = notes ? 0 : -ERR_INTERNAL;
    }
    if (r == 0)
        r = notes_lock(dir, &lock, err);
    if (r == -ERR_CONFLICT)
        (void) err_hint(err, "a run writes a note at this moment: try again");
    if (r == 0 && opts->arg_count > 2) { /* as they are now that nobody else writes */
        notes_free(notes);
        notes = NULL;
        r = load(opts->args[1], &dir_again, &notes, err);
    }
    if (r == 0)
        r = take_all_out(opts, dir, notes, err);
    notes_free(notes);
    return r;
}

/* ---- ls ---- */

static void list_one(const char *name, struct json_writer *w, struct buf *out)
{
    CLEANUP(free) char *dir = NULL;
    struct notes *notes = NULL;
    char size[32];

    if (load(name, &dir, &notes, NULL) < 0)
        return;
    if (w) {
        json_object(w);
        json_put_string(w, "name", name);
        json_put_int(w, "notes", (int64_t) notes->count);
        json_put_int(w, "bytes", notes->bytes);
        json_put_string(w, "last", notes->list[notes->count - 1].time);
        json_object_end(w);
    } else {
        term_clean(out, span_of(name), false);
        buf_printf(out, "  %zu note%s, %s\n", notes->count, notes->count == 1 ? "" : "s",
                   units_format_size(size, notes->bytes));
    }
    notes_free(notes);
}

static int list_all(const char *all, struct json_writer *w, struct buf *out, struct err *err)
{
    struct dirent **names = NULL;
    int count = scandir(all, &names, NULL, alphasort);

    if (count < 0 && errno != ENOENT)
        return err_errno(err, ERR_IO, "reading the folder '%s'", all);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.')
            list_one(names[i]->d_name, w, out);
        free(names[i]);
    }
    free(names);
    return 0;
}

static int list(const struct options *opts, struct err *err)
{
    CLEANUP(free) char *all = NULL;
    struct buf out = BUF_INIT(OUT_MAX);
    struct json_writer w;
    int r = run_folder_beside("memory", &all, err);

    if (opts->json) {
        report_begin(&w, &out);
        json_key(&w, "memory");
        json_array(&w);
    }
    if (r == 0)
        r = list_all(all, opts->json ? &w : NULL, &out, err);
    if (opts->json) {
        json_array_end(&w);
        r = r < 0 ? r : report_end(&w, err);
    }
    if (r == 0 && out.len == 0)
        term_say("no notes yet; agent.memory: {write: true} lets runs leave some");
    else if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    buf_done(&out);
    return r;
}

int verb_memory(const struct options *opts, struct err *err)
{
    const char *what = opts->args[0];

    if (strcmp(what, "ls") == 0 && opts->arg_count == 1)
        return list(opts, err);
    if (strcmp(what, "show") == 0 && opts->arg_count == 2)
        return show(opts, err);
    if (strcmp(what, "rm") == 0 && opts->arg_count >= 2)
        return remove_notes(opts, err);
    (void) err_set(err, ERR_USAGE,
                   "expected `memory ls`, `memory show NAME` or `memory rm NAME [NUMBER...]`");
    return err_hint(err, "`agentbox help memory` says more");
}
