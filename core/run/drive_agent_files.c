/* SPDX-License-Identifier: MIT */
/* Files between the workspaces of a run and its subagent. */
#include "core/run/drive_agent_files.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/run/driver_impl.h"
#include "core/sandbox/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ARENA_MAX (1024 * 1024)
#define INPUTS    "inputs"
#define OUTPUTS   "outputs"

struct agent_files {
    struct run *up;
    const struct run_agent *agent;
    int64_t call;
    struct run_folder *folder;
    struct arena arena;
    struct outputs *taking;
    struct workspace_fill *filling;
    struct channel_call *step;
    struct run_output *inputs;
    struct run_entry *entries; /* to be put beside their places */
    const char **places;       /* of these */
    size_t entry_count, placed;
    bool is_removed; /* what was at the next place */
    agent_files_fn *fn;
    void *data;
    int result;
    struct err err;
};

int agent_files_new(struct run *up, const struct run_agent *agent, int64_t call, struct run_folder *folder,
                    struct agent_files **ret, struct err *err)
{
    struct agent_files *f = calloc(1, sizeof(*f));

    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory for the files of a subagent");
    f->up = up;
    f->agent = agent;
    f->call = call;
    f->folder = folder;
    arena_init(&f->arena, ARENA_MAX);
    *ret = f;
    return 0;
}

void agent_files_free(struct agent_files *f)
{
    if (!f)
        return;
    outputs_free(f->taking);
    workspace_fill_free(f->filling);
    channel_cancel(f->step);
    arena_done(&f->arena);
    free(f);
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for the files of a subagent");
}

static struct channel *channel_of(const struct agent_files *f)
{
    return f->up->box.sb ? sandbox_channel(f->up->box.sb) : NULL;
}

static int lost(struct err *err)
{
    return err_set(err, ERR_ENGINE, "the sandbox is lost");
}

static const char *path_of(struct agent_files *f, const char *dir, size_t i)
{
    return arena_printf(&f->arena, "%s/%s/%zu", f->folder->path, dir, i);
}

/* Where it is kept; mode 0: it is not there. */
static mode_t kind_of(const struct agent_files *f, const char *dir, size_t i)
{
    char path[48];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%zu", dir, i);
    return fstatat(f->folder->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & S_IFMT;
}

static int make_dir(const struct agent_files *f, const char *dir, struct err *err)
{
    if (mkdirat(f->folder->fd, dir, 0700) < 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "making folder '%s' of run '%s'", dir, f->folder->id);
    return 0;
}

/* ---- what it is handed ---- */

static void on_taken_one(void *data, const struct output_report *report)
{
    struct agent_files *f = data;

    if (report->result < 0 && !f->err.code)
        f->err = report->err;
}

static void on_taken(void *data, int result, const struct err *err)
{
    struct agent_files *f = data;
    struct err why = { 0 };

    if (result < 0) {
        why = result == -ERR_ENGINE || !f->err.code ? *err : f->err;
        (void) err_wrap(&why, "an input of '%s' cannot be handed over", f->agent->name);
    }
    outputs_free(TAKE_PTR(f->taking));
    f->fn(f->data, result, result < 0 ? &why : NULL);
}

static const struct outputs_ops taking_ops = { on_taken_one, on_taken };

int agent_files_take(struct agent_files *f, agent_files_fn *fn, void *data, struct err *err)
{
    const struct run_agent *agent = f->agent;
    struct channel *channel = channel_of(f);
    int r;

    f->fn = fn;
    f->data = data;
    if (!agent->input_count) {
        fn(data, 0, NULL);
        return 0;
    }
    if (!channel)
        return lost(err);
    f->inputs = arena_alloc(&f->arena, agent->input_count * sizeof(*f->inputs));
    r = f->inputs ? make_dir(f, INPUTS, err) : no_memory(err);
    for (size_t i = 0; r == 0 && i < agent->input_count; i++) {
        const char *to = path_of(f, INPUTS, i);

        f->inputs[i] =
            (struct run_output){ .path = agent->inputs[i], .to = to, .to_as_given = to, .required = true };
        r = to ? 0 : no_memory(err);
    }
    if (r == 0)
        r = outputs_start(f->up->loop, channel, f->inputs, agent->input_count, &taking_ops, f, &f->taking,
                          err);
    if (r == 0)
        outputs_set_max(f->taking, f->up->spec->sandbox.size_bytes);
    return r;
}

/* ---- its manifest ---- */

static int add_entries(struct agent_files *f, struct run_spec *spec)
{
    size_t count = spec->entry_count;
    struct run_entry *entries =
        arena_alloc(&f->arena, (count + f->agent->input_count + 1) * sizeof(*entries));

    if (!entries)
        return -ERR_INTERNAL;
    if (count)
        memcpy(entries, spec->entries, count * sizeof(*entries));
    for (size_t i = 0; i < f->agent->input_count; i++) {
        mode_t kind = kind_of(f, INPUTS, i);

        if (kind != S_IFREG && kind != S_IFDIR)
            continue;
        entries[count] = (struct run_entry){
            .path = f->agent->inputs[i],
            .kind = kind == S_IFDIR ? RUN_ENTRY_LOCAL_DIR : RUN_ENTRY_LOCAL_FILE,
            .src = path_of(f, INPUTS, i),
            .mode = -1,
        };
        if (!entries[count++].src)
            return -ERR_INTERNAL;
    }
    spec->entries = entries;
    spec->entry_count = count;
    return 0;
}

static int add_outputs(struct agent_files *f, struct run_spec *spec)
{
    size_t count = spec->output_count;
    struct run_output *outputs =
        arena_alloc(&f->arena, (count + f->agent->output_count + 1) * sizeof(*outputs));

    if (!outputs)
        return -ERR_INTERNAL;
    if (count)
        memcpy(outputs, spec->outputs, count * sizeof(*outputs));
    for (size_t i = 0; i < f->agent->output_count; i++) {
        const char *to = path_of(f, OUTPUTS, i);

        outputs[count++] = (struct run_output){ .path = f->agent->outputs[i], .to = to, .to_as_given = to };
        if (!to)
            return -ERR_INTERNAL;
    }
    spec->outputs = outputs;
    spec->output_count = count;
    return 0;
}

int agent_files_spec(struct agent_files *f, struct run_spec *spec, struct err *err)
{
    int r = f->agent->output_count ? make_dir(f, OUTPUTS, err) : 0;

    if (r == 0 && (add_entries(f, spec) < 0 || add_outputs(f, spec) < 0))
        r = no_memory(err);
    return r;
}

/* ---- what it hands back ---- */

static void end(struct agent_files *f, int result, const struct err *err)
{
    struct err why = { 0 };

    if (result < 0) {
        why = *err;
        (void) err_wrap(&why, "what '%s' made cannot be put into the workspace", f->agent->name);
    }
    f->fn(f->data, result, result < 0 ? &why : NULL);
}

static void place_next(struct agent_files *f);

static void on_placed(void *data, int result, const struct err *err)
{
    struct agent_files *f = data;

    f->step = NULL;
    if (result < 0) {
        end(f, result, err);
        return;
    }
    f->placed++;
    f->is_removed = false;
    place_next(f);
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct agent_files *f = data;

    f->step = NULL;
    if (result < 0 && result != -ERR_NOT_FOUND) {
        end(f, result, err);
        return;
    }
    f->is_removed = true;
    place_next(f);
}

/* A file replaces what is there at once. A folder cannot: what is there goes first. */
static void place_next(struct agent_files *f)
{
    struct channel *channel = channel_of(f);
    const struct run_entry *entry = &f->entries[f->placed];
    const char *place = f->places[f->placed];
    struct err err = { 0 };
    int r;

    if (f->placed == f->entry_count) {
        end(f, 0, NULL);
        return;
    }
    if (!channel)
        r = lost(&err);
    else if (!f->is_removed)
        r = channel_remove(channel, place, true, on_removed, f, &f->step, &err);
    else
        r = channel_rename(channel, entry->path, place, on_placed, f, &f->step, &err);
    if (r < 0)
        end(f, r, &err);
}

static void on_filled(void *data, int result, const struct workspace_report *report, const struct err *err)
{
    struct agent_files *f = data;
    struct err why = { 0 };

    if (result < 0)
        why = *err;
    workspace_fill_free(TAKE_PTR(f->filling));
    if (result < 0)
        end(f, result, &why);
    else
        place_next(f);
}

/* A hidden name beside the place, so that a rename gets it there. */
static const char *beside(struct agent_files *f, const char *place, size_t i)
{
    const char *slash = strrchr(place, '/');
    int len = slash ? (int) (slash + 1 - place) : 0;

    return arena_printf(&f->arena, "%.*s.agentbox-%lld-%zu", len, place, (long long) f->call, i);
}

static int list_made(struct agent_files *f, struct err *err)
{
    const struct run_agent *agent = f->agent;

    f->entries = arena_alloc(&f->arena, agent->output_count * sizeof(*f->entries));
    f->places = arena_alloc(&f->arena, agent->output_count * sizeof(*f->places));
    if (!f->entries || !f->places)
        return no_memory(err);
    for (size_t i = 0; i < agent->output_count; i++) {
        mode_t kind = kind_of(f, OUTPUTS, i);
        struct run_entry *entry = &f->entries[f->entry_count];

        if (kind != S_IFREG && kind != S_IFDIR)
            continue;
        *entry = (struct run_entry){
            .path = beside(f, agent->outputs[i], i),
            .kind = kind == S_IFDIR ? RUN_ENTRY_LOCAL_DIR : RUN_ENTRY_LOCAL_FILE,
            .src = path_of(f, OUTPUTS, i),
            .mode = -1,
        };
        if (!entry->path || !entry->src)
            return no_memory(err);
        f->places[f->entry_count++] = agent->outputs[i];
    }
    return 0;
}

int agent_files_give(struct agent_files *f, agent_files_fn *fn, void *data, struct err *err)
{
    struct channel *channel = channel_of(f);
    int r;

    f->fn = fn;
    f->data = data;
    if (!f->agent->output_count) {
        fn(data, 0, NULL);
        return 0;
    }
    if (!channel)
        return lost(err);
    r = list_made(f, err);
    return r < 0 ? r
                 : workspace_fill_start(f->up->loop, channel, f->entries, f->entry_count, on_filled, f,
                                        &f->filling, err);
}

void agent_files_tell(const struct agent_files *f, struct buf *out)
{
    const struct run_agent *agent = f->agent;

    if (agent->output_count)
        (void) buf_add_text(out, "\n\n(Files of it:");
    for (size_t i = 0; i < agent->output_count; i++) {
        bool is_there = false;

        for (size_t k = 0; k < f->entry_count; k++)
            is_there = is_there || f->places[k] == agent->outputs[i];
        (void) buf_printf(out, "%s %s%s", i ? "," : "", agent->outputs[i],
                          is_there ? " is in the workspace" : " was not made");
    }
    if (agent->output_count)
        (void) buf_add_text(out, ".)");
}
