/* SPDX-License-Identifier: MIT */
/* Folding a journal to go on from it. */
#include "core/run/past.h"

#include "core/run/object.h"

#include <stdlib.h>

static int take_record(struct run_past *past, struct record *rec, struct buf *object, struct err *err)
{
    int r = journal_resolve(past->folder, rec, object, err);

    if (r >= 0)
        r = run_apply(&past->state, rec, err);
    if (r >= 0 && rec->type == RECORD_CHECKPOINT_DONE)
        r = checkpoint_store_told(past->store, &rec->checkpoint, err);
    return r;
}

static int fold(struct run_past *past, struct err *err)
{
    struct buf object = BUF_INIT(OBJECT_MAX);
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(past->folder, &reader, err);

    while (r >= 0 && (r = journal_next(&reader, &rec, err)) > 0)
        r = take_record(past, &rec, &object, err);
    past->chain = reader.chain;
    past->end_offset = reader.offset;
    past->torn_bytes = reader.torn_bytes;
    journal_close(&reader);
    buf_done(&object);
    if (r == 0 && past->state.seq == 0)
        r = err_set(err, ERR_NOT_FOUND, "run '%s' never began: its journal is empty", past->folder->id);
    return r;
}

int run_past_load(struct run_folder *folder, struct run_past **ret, struct err *err)
{
    struct run_past *past = calloc(1, sizeof(*past));
    int r;

    if (!past)
        return err_set(err, ERR_INTERNAL, "no memory for a run");
    past->folder = folder;
    run_state_init(&past->state);
    r = checkpoint_store_new(folder, &past->store, err);
    if (r == 0)
        r = fold(past, err);
    if (r < 0)
        run_past_free(past);
    else
        *ret = past;
    return r;
}

void run_past_free(struct run_past *past)
{
    if (!past)
        return;
    run_state_done(&past->state);
    checkpoint_store_free(past->store);
    free(past);
}

const struct run_state *run_past_state(const struct run_past *past)
{
    return &past->state;
}

const char *const *run_past_sets(const struct run_past *past)
{
    static const char *const none[] = { NULL };

    return past->state.sets ? (const char *const *) past->state.sets : none;
}
