/* SPDX-License-Identifier: MIT */
/* Outputs out of a checkpoint: the same rules as in outputs.c, without a sandbox to ask. */
#include "core/base/cleanup.h"
#include "core/run/delivery.h"
#include "core/run/export.h"
#include "core/run/generated.h"
#include "core/run/hidden.h"
#include "core/run/output_digest.h"
#include "core/run/stage.h"

#include <stdlib.h>
#include <string.h>

/* A file of an output. */
struct wanted {
    struct gathered *owner;
    const char *rel; /* beneath the output's folder; "" for a single file */
    uint32_t mode;
    char sha256[DIGEST_HEX];
};

struct gathered {
    struct output_report *report;
    struct stage *stage; /* NULL: nothing to put in place */
    size_t first, count; /* of the collection's files */
};

struct collection {
    const struct listing *listing;
    const struct run_state *state;
    struct gathered *outputs;
    size_t output_count;
    struct wanted *files;
    struct delivery_item *items; /* one for each file */
    size_t file_count, file_cap;
    struct stage_file *target; /* that is being written */
    struct wanted *current;
    int result;
    struct err err; /* the first failure */
};

static void output_fail(struct collection *c, struct gathered *g, const struct err *err)
{
    if (g->report->result == 0) {
        g->report->err = *err;
        (void) err_recode(&g->report->err, ERR_OUTPUT);
        (void) err_wrap(&g->report->err, "output '%s'", g->report->output->path);
        g->report->result = -ERR_OUTPUT;
    }
    if (c->result == 0) {
        c->result = -ERR_OUTPUT;
        c->err = g->report->err;
    }
}

/* ---- what is there ---- */

static int add_file(struct collection *c, struct gathered *g, const struct listing_entry *e, struct err *err)
{
    size_t cap = c->file_cap ? c->file_cap * 2 : 64, prefix = strlen(g->report->output->path);
    struct wanted *files = c->files;
    struct delivery_item *items = c->items;

    if (c->file_count == c->file_cap) {
        files = realloc(files, cap * sizeof(*files));
        if (files)
            c->files = files;
        items = realloc(items, cap * sizeof(*items));
        if (items)
            c->items = items;
        if (!files || !items)
            return err_set(err, ERR_INTERNAL, "no memory for the list of files");
        c->file_cap = cap;
    }
    files[c->file_count] = (struct wanted){ .owner = g, .mode = e->mode & 0777 };
    files[c->file_count].rel = e->path + (e->path[prefix] ? prefix + 1 : prefix);
    /* another name has the content of the first; the listing was decoded, so that one is there */
    items[c->file_count].file = e->kind == LISTING_HARD ? listing_find(c->listing, e->link) : e;
    c->file_count++;
    g->count++;
    g->report->files++;
    g->report->size += items[c->file_count - 1].file->size;
    return 0;
}

static int refuse_link(const char *path, struct err *err)
{
    (void) err_set(err, ERR_OUTPUT, "'%s' is a link, which is not collected", path);
    return err_hint(err, "let the agent write a real file there");
}

static int add_folder(struct collection *c, struct gathered *g, struct err *err)
{
    const char *top = g->report->output->path;
    size_t prefix = strlen(top);
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->listing->count; i++) {
        const struct listing_entry *e = &c->listing->entries[i];

        if (strncmp(e->path, top, prefix) != 0 || e->path[prefix] != '/')
            continue;
        if (e->kind == LISTING_LINK)
            r = refuse_link(e->path, err);
        else if (e->kind == LISTING_DIR)
            r = stage_folder(g->stage, e->path + prefix + 1, strlen(e->path) - prefix - 1, err);
        else
            r = add_file(c, g, e, err);
    }
    return r;
}

/* Then nothing of it is taken, and the others are all the same. */
static bool is_left_out(struct collection *c, struct gathered *g)
{
    const struct run_output *output = g->report->output;
    struct err *err = &g->report->err;
    size_t prefix = strlen(output->path);
    struct hidden hidden = { 0 };

    for (size_t i = 0; output->is_hidden_refused && i < c->listing->count; i++) {
        const char *path = c->listing->entries[i].path;

        if (strncmp(path, output->path, prefix) == 0 && path[prefix] == '/')
            hidden_look(&hidden, output->path, span_of(path));
    }
    if (hidden_refuse(&hidden, err) == 0)
        return false;
    (void) err_wrap(err, "output '%s'", output->path);
    g->report->result = -ERR_OUTPUT;
    g->report->is_left_out = true;
    return true;
}

static int take_generated(struct collection *c, struct gathered *g, struct err *err)
{
    struct buf list = BUF_INIT(64 * 1024 * 1024);
    struct generated found;
    int r = generated_collect(c->state, g->report->output, &found, &list, err);

    buf_done(&list);
    if (r < 0)
        return r;
    g->stage = found.stage;
    g->report->is_folder = found.files > 0;
    g->report->is_missing = found.files == 0;
    g->report->files = found.files;
    g->report->size = found.size;
    memcpy(g->report->sha256, found.sha256, DIGEST_HEX);
    return 0;
}

static int look(struct collection *c, struct gathered *g, struct err *err)
{
    const struct run_output *output = g->report->output;
    const struct listing_entry *e = listing_find(c->listing, output->path);
    int r;

    g->first = c->file_count;
    if (output->from)
        return take_generated(c, g, err);
    if (!e && !output->required) {
        g->report->is_missing = true;
        return 0;
    }
    if (!e) {
        (void) err_set(err, ERR_OUTPUT, "it is required and not there");
        return err_hint(err, "take an earlier or later point of the run, or set `required: false`");
    }
    if (e->kind == LISTING_LINK)
        return refuse_link(output->path, err);
    g->report->is_folder = e->kind == LISTING_DIR;
    if (g->report->is_folder && is_left_out(c, g))
        return 0;
    r = stage_new(output->to, g->report->is_folder, &g->stage, err);
    if (r < 0)
        return r;
    return g->report->is_folder ? add_folder(c, g, err) : add_file(c, g, e, err);
}

/* ---- their contents ---- */

static int file_begin(void *data, const struct delivery_item *item, struct err *err)
{
    struct collection *c = data;

    c->current = item->user;
    return stage_file_begin(c->current->owner->stage, c->current->rel, c->current->mode, &c->target, err);
}

static int file_add(void *data, struct span piece, struct err *err)
{
    struct collection *c = data;

    return stage_file_add(c->target, piece, err);
}

static int file_end(void *data, struct err *err)
{
    struct collection *c = data;

    return stage_file_end(TAKE_PTR(c->target), c->current->sha256, err);
}

/* What is wrong with the checkpoint is returned, what is wrong with a target is its output's failure. */
static int deliver(struct collection *c, struct checkpoint_store *store, struct err *err)
{
    static const struct delivery_ops ops = { file_begin, file_add, file_end };
    struct err why = { 0 };
    int r;

    for (size_t i = 0; i < c->file_count; i++)
        c->items[i].user = &c->files[i];
    r = delivery_run(store, c->items, c->file_count, &ops, c, &why);
    stage_file_drop(c->target);
    c->target = NULL;
    if (r == 0)
        return 0;
    if (r == -ERR_INVALID || !c->current) {
        if (err)
            *err = why;
        return r;
    }
    output_fail(c, c->current->owner, &why);
    return 0;
}

/* ---- the end ---- */

static int sum_up(struct collection *c, struct gathered *g, struct err *err)
{
    struct output_digest_file *list;
    int r;

    if (!g->report->is_folder) {
        if (g->count == 1)
            memcpy(g->report->sha256, c->files[g->first].sha256, DIGEST_HEX);
        return 0;
    }
    list = calloc(g->count + 1, sizeof(*list));
    if (!list)
        return err_set(err, ERR_INTERNAL, "no memory for the list of files");
    for (size_t i = 0; i < g->count; i++)
        list[i] = (struct output_digest_file){ c->files[g->first + i].rel, c->files[g->first + i].sha256 };
    r = output_digest(list, g->count, g->report->sha256, err);
    free(list);
    return r;
}

/* Nothing is put in place before everything is written. */
static void place_all(struct collection *c)
{
    struct err err = { 0 };
    int r;

    for (size_t i = 0; i < c->output_count && c->result == 0; i++) {
        if (c->outputs[i].report->is_left_out)
            continue;
        r = stage_flush(c->outputs[i].stage, &err);
        if (r == 0 && !c->outputs[i].report->output->from)
            r = sum_up(c, &c->outputs[i], &err);
        if (r < 0)
            output_fail(c, &c->outputs[i], &err);
    }
    for (size_t i = 0; i < c->output_count && c->result == 0; i++) {
        r = stage_place(c->outputs[i].stage, &err);
        if (r < 0)
            output_fail(c, &c->outputs[i], &err);
    }
}

static int collect(struct collection *c, struct checkpoint_store *store, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < c->output_count; i++) { /* all of them, so that all problems are told at once */
        struct err why = { 0 };

        if (look(c, &c->outputs[i], &why) < 0)
            output_fail(c, &c->outputs[i], &why);
    }
    if (c->result == 0)
        r = deliver(c, store, err);
    if (r == 0)
        place_all(c);
    for (size_t i = 0; r == 0 && i < c->output_count && c->result == 0; i++) {
        if (!c->outputs[i].report->is_left_out)
            continue;
        c->result = -ERR_OUTPUT;
        c->err = c->outputs[i].report->err;
    }
    if (r == 0 && c->result < 0 && err)
        *err = c->err;
    return r < 0 ? r : c->result;
}

int export_outputs(struct checkpoint_store *store, int64_t number, const struct run_state *state,
                   const struct run_output *list, size_t count, struct output_report **ret_reports,
                   struct err *err)
{
    struct output_report *reports = calloc(count + 1, sizeof(*reports));
    struct gathered *outputs = calloc(count + 1, sizeof(*outputs));
    struct collection c = { .state = state, .outputs = outputs, .output_count = count };
    struct listing l;
    int r = -ERR_INTERNAL;

    listing_init(&l);
    if (!reports || !outputs)
        (void) err_set(err, ERR_INTERNAL, "no memory to collect outputs");
    else
        r = checkpoint_load(store, number, &l, err);
    if (r == 0) {
        for (size_t i = 0; i < count; i++) {
            reports[i].output = &list[i];
            outputs[i].report = &reports[i];
        }
        c.listing = &l;
        r = collect(&c, store, err);
    }
    for (size_t i = 0; outputs && i < count; i++)
        stage_free(outputs[i].stage);
    listing_done(&l);
    free(outputs);
    free(c.files);
    free(c.items);
    if (r == 0 || r == -ERR_OUTPUT)
        *ret_reports = reports;
    else
        free(reports);
    return r;
}
