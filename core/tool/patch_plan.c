/* SPDX-License-Identifier: MIT */
#include "core/tool/patch_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NEW_MODE 0644

/* ---- which files ---- */

static size_t file_index(struct patch_plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->files[i].path, path) == 0)
            return i;
    plan->files[plan->count] = (struct patch_file){ .path = path };
    buf_init(&plan->files[plan->count].before, PATCH_TEXT_MAX);
    buf_init(&plan->files[plan->count].now, PATCH_RESULT_MAX);
    return plan->count++;
}

static int add_path(struct patch_plan *plan, const char *root, const char *text, size_t *ret, struct err *err)
{
    const char *path = NULL;
    int r = patch_path(root, span_of(text), &plan->arena, &path, err);

    if (r == 0)
        *ret = file_index(plan, path);
    return r;
}

int patch_plan_init(struct patch_plan *plan, const struct patch *patch, const char *root, struct err *err)
{
    int r = 0;

    *plan = (struct patch_plan){ .patch = patch };
    arena_init(&plan->arena, 64 * 1024 * 1024);
    buf_init(&plan->notes, 64 * 1024);
    plan->files = calloc(2 * patch->count + 1, sizeof(*plan->files));
    plan->of_op = calloc(patch->count + 1, sizeof(*plan->of_op));
    plan->to_op = calloc(patch->count + 1, sizeof(*plan->to_op));
    if (!plan->files || !plan->of_op || !plan->to_op)
        r = err_set(err, ERR_INTERNAL, "no memory for a patch");
    for (size_t i = 0; r == 0 && i < patch->count; i++) {
        const struct patch_op *op = &patch->ops[i];

        r = add_path(plan, root, op->path, &plan->of_op[i], err);
        plan->to_op[i] = plan->of_op[i];
        if (r == 0 && op->move_to)
            r = add_path(plan, root, op->move_to, &plan->to_op[i], err);
        if (r == 0 && op->kind == PATCH_UPDATE)
            plan->files[plan->of_op[i]].needs_contents = true;
    }
    return r;
}

void patch_plan_done(struct patch_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        buf_done(&plan->files[i].before);
        buf_done(&plan->files[i].now);
    }
    free(plan->files);
    free(plan->of_op);
    free(plan->to_op);
    buf_done(&plan->notes);
    arena_done(&plan->arena);
    *plan = (struct patch_plan){ 0 };
}

/* ---- operations ---- */

static int refuse(const struct patch_file *f, const char *what, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, "cannot %s '%s': %s", what, f->path, why);
}

/* May a regular file come to be there? */
static int check_target(const struct patch_file *f, const char *what, struct err *err)
{
    if (f->was == PATCH_FOLDER)
        return refuse(f, what, "it is a folder", err);
    if (f->was == PATCH_LINK && f->exists)
        return refuse(f, what, f->why, err);
    return 0;
}

static int add_file(struct patch_plan *plan, const struct patch_op *op, struct patch_file *f, struct err *err)
{
    struct patch_effect effect;
    int r = check_target(f, "create", err);

    if (r == 0)
        r = patch_apply(op, span_make(NULL, 0), &f->now, &effect, err);
    if (r < 0)
        return r;
    if (f->exists) /* no room for a note is no failure */
        (void) buf_printf(&plan->notes, "Note: '%s' was there and was replaced.\n", f->path);
    else
        f->now_mode = NEW_MODE;
    f->exists = f->has_contents = true;
    f->step = PATCH_WRITE;
    f->added += effect.added;
    return 0;
}

static int delete_file(struct patch_file *f, struct err *err)
{
    if (f->was == PATCH_FOLDER)
        return refuse(f, "delete", "it is a folder, and only files can be deleted", err);
    if (!f->exists)
        return refuse(f, "delete", "there is no such file", err);
    f->exists = false;
    f->has_contents = true; /* none */
    buf_clear(&f->now);
    f->step = f->was == PATCH_FILE || f->was == PATCH_LINK ? PATCH_REMOVE : PATCH_KEEP;
    return 0;
}

static int check_source(const struct patch_file *f, struct err *err)
{
    if (f->was == PATCH_FOLDER)
        return refuse(f, "update", "it is a folder", err);
    if (!f->exists)
        return refuse(f, "update",
                      f->was == PATCH_BLOCKED ? f->why : "there is no such file; to make it, use Add File",
                      err);
    if (!f->has_contents)
        return refuse(f, "update", f->why ? f->why : "its contents are not known", err);
    return 0;
}

static void swap(struct buf *a, struct buf *b)
{
    struct buf c = *a;

    *a = *b;
    *b = c;
}

/* A move onto itself is none. */
static int move_file(struct patch_plan *plan, struct patch_file *from, struct patch_file *to, struct err *err)
{
    int r;

    if (from == to)
        return 0;
    r = check_target(to, "move to", err);
    if (r < 0)
        return r;
    if (to->exists)
        (void) buf_printf(&plan->notes, "Note: '%s' was there and was replaced.\n", to->path);
    swap(&from->now, &to->now);
    to->now_mode = from->now_mode;
    to->added = from->added;
    to->removed = from->removed;
    to->exists = to->has_contents = to->is_moved_here = true;
    to->step = PATCH_WRITE;
    from->added = from->removed = 0;
    return delete_file(from, err);
}

static int update_file(struct patch_plan *plan, const struct patch_op *op, struct patch_file *f,
                       struct patch_file *to, struct err *err)
{
    struct buf after = BUF_INIT(PATCH_RESULT_MAX);
    struct patch_effect effect = { 0 };
    int r = check_source(f, err);

    if (r == 0 && op->hunk_count > 0)
        r = patch_apply(op, buf_span(&f->now), &after, &effect, err);
    if (r == 0 && op->hunk_count > 0) {
        if (!span_equal(buf_span(&f->now), buf_span(&after)))
            f->step = PATCH_WRITE;
        swap(&f->now, &after);
        f->added += effect.added;
        f->removed += effect.removed;
        if (effect.note[0])
            (void) buf_printf(&plan->notes, "Note: '%s': %s.\n", f->path, effect.note);
    }
    buf_done(&after);
    return r < 0 ? r : move_file(plan, f, to, err);
}

/* ---- the tree as a whole ---- */

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* A file that is to be may not have a file for its folder; one that this patch takes away is none. */
static int check_ways(const struct patch_plan *plan, const struct patch_file *f, struct err *err)
{
    bool is_freed = false;

    for (size_t i = 0; i < plan->count; i++) {
        const struct patch_file *other = &plan->files[i];

        if (!is_beneath(f->path, other->path))
            continue;
        if (other->exists)
            return err_set(err, ERR_INVALID, "cannot write '%s': '%s' is a file, not a folder", f->path,
                           other->path);
        is_freed |= other->step == PATCH_REMOVE;
    }
    return f->was == PATCH_BLOCKED && !is_freed ? refuse(f, "write", f->why, err) : 0;
}

static int start_from(struct patch_file *f, struct err *err)
{
    f->exists = f->was == PATCH_FILE || f->was == PATCH_LINK;
    f->now_mode = f->mode;
    if (f->has_contents && buf_add_span(&f->now, buf_span(&f->before)) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for a patch");
    return 0;
}

int patch_plan_run(struct patch_plan *plan, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->count; i++)
        r = start_from(&plan->files[i], err);
    for (size_t i = 0; r == 0 && i < plan->patch->count; i++) {
        const struct patch_op *op = &plan->patch->ops[i];
        struct patch_file *f = &plan->files[plan->of_op[i]], *to = &plan->files[plan->to_op[i]];

        r = op->kind == PATCH_ADD      ? add_file(plan, op, f, err)
            : op->kind == PATCH_DELETE ? delete_file(f, err)
                                       : update_file(plan, op, f, to, err);
    }
    for (size_t i = 0; r == 0 && i < plan->count; i++)
        if (plan->files[i].step == PATCH_WRITE)
            r = check_ways(plan, &plan->files[i], err);
    return r;
}

static int report_file(const struct patch_file *f, struct buf *out)
{
    if (f->step == PATCH_REMOVE)
        return buf_printf(out, "D %s\n", f->path);
    return buf_printf(out, "%c %s (+%" PRId64 " -%" PRId64 ")\n",
                      f->was == PATCH_FILE || f->is_moved_here ? 'M' : 'A', f->path, f->added, f->removed);
}

int patch_plan_report(const struct patch_plan *plan, struct buf *out)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->count; i++)
        if (plan->files[i].step != PATCH_KEEP)
            r = report_file(&plan->files[i], out);
    return r < 0 ? r : buf_add_span(out, buf_span(&plan->notes));
}
