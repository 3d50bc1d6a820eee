/* SPDX-License-Identifier: MIT */
/* The driver's side to notes of earlier runs: where they are, and how the model is told of them. */
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/run/driver_impl.h"
#include "core/tool/notes.h"

#include <stdlib.h>

#define ITEM_MAX (8 * 1024 * 1024)

/* Per name: runs of one manifest know of each other, and of nobody else. */
static int find_dir(struct run *run, struct err *err)
{
    CLEANUP(free) char *all = NULL;
    int r;

    run->memory = run->spec->memory;
    if (run->memory.dir)
        return 0;
    r = run_folder_beside("memory", &all, err);
    if (r < 0)
        return r;
    run->memory_dir = file_join(all, run->spec->name);
    run->memory.dir = run->memory_dir;
    return run->memory_dir ? 0 : err_set(err, ERR_INTERNAL, "no memory for a run");
}

static int put_notes(struct run *run, struct err *err)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    struct buf text = BUF_INIT(ITEM_MAX);
    int r =
        notes ? notes_load(run->memory.dir, notes, err) : err_set(err, ERR_INTERNAL, "no memory for notes");

    if (r == 0) {
        notes_tell(notes, (size_t) run->memory.bytes_max, &text, &run->note_count);
        notes_done(notes);
    }
    if (r == 0 && text.len > 0)
        r = request_user_item(&run->notes, buf_text(&text), NULL, 0, err);
    buf_done(&text);
    free(notes);
    return r;
}

int drive_memory_init(struct run *run, bool with_notes, struct err *err)
{
    const struct tool_memory *memory = &run->spec->memory;
    int r = memory->read || memory->write ? find_dir(run, err) : 0;

    buf_init(&run->notes, ITEM_MAX);
    return r == 0 && memory->read && with_notes ? put_notes(run, err) : r;
}

int drive_memory_record(struct run *run)
{
    struct record rec = { .type = RECORD_INPUT_ITEM };
    int r;

    if (run->notes.len == 0)
        return 0;
    rec.input_item.notes = (int64_t) run->note_count;
    rec.input_item.item.json = buf_span(&run->notes);
    r = run_record(run, &rec);
    buf_done(&run->notes);
    return r;
}
