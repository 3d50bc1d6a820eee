/* SPDX-License-Identifier: MIT */
#include "core/run/past_output.h"

#include "core/run/journal.h"
#include "core/run/object.h"

#include <stdio.h>
#include <string.h>

#define FORKS_MAX 64 /* a fork of a fork ... */

/* Where to look when it is not here. */
struct origin {
    char id[RUN_ID_SIZE];
    int64_t seq, calls; /* its point, and the calls that were asked for there */
};

static int add_stream(struct run_folder *folder, const struct record_call_end *end, const char *stream,
                      struct buf *out, struct err *err)
{
    for (size_t i = 0; i < end->stream_count; i++) {
        const struct record_stream *s = &end->streams[i];

        if (strcmp(s->name, stream) != 0)
            continue;
        return s->object ? object_get(folder, s->object, out, err)
                         : buf_add_text(out, s->text ? s->text : "");
    }
    return err_set(err, ERR_NOT_FOUND, "call %lld has printed nothing to it", (long long) end->call);
}

static void note_origin(const struct record_run_begin *begin, struct origin *ret)
{
    if (!begin->parent || begin->agent || strlen(begin->parent) >= RUN_ID_SIZE)
        return;
    (void) snprintf(ret->id, sizeof(ret->id), "%s", begin->parent);
    ret->seq = begin->parent_seq;
    ret->calls = begin->parent_calls;
}

/* As of record `seq`; 0: all of it. After a rollback the later one counts. */
static int look(struct run_folder *folder, uint64_t seq, int64_t number, const char *stream, struct buf *out,
                struct origin *origin, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int found = err_set(err, ERR_NOT_FOUND, "call %lld has no answer", (long long) number);
    int r = journal_open(folder, &reader, err);

    if (r < 0)
        return r;
    while ((r = journal_next(&reader, &rec, err)) == 1 && (seq == 0 || rec.seq <= seq)) {
        if (rec.type == RECORD_RUN_BEGIN)
            note_origin(&rec.run_begin, origin);
        if ((rec.type != RECORD_CALL_END && rec.type != RECORD_CHECK_END) || rec.call_end.call != number)
            continue;
        buf_clear(out);
        found = add_stream(folder, &rec.call_end, stream, out, err);
    }
    journal_close(&reader);
    return r < 0 ? r : found;
}

static int open_origin(const struct origin *origin, struct run_folder **ret, struct err *err)
{
    int r = run_folder_open(origin->id, ret, err);

    return r < 0 ? err_wrap(err, "this is a fork of run '%s', which has it", origin->id) : 0;
}

int past_output(struct run_folder *folder, int64_t number, const char *stream, struct buf *out,
                struct err *err)
{
    struct origin origin = { 0 };
    int r = look(folder, 0, number, stream, out, &origin, err);

    for (int i = 0; r == -ERR_NOT_FOUND && origin.id[0] && number <= origin.calls && i < FORKS_MAX; i++) {
        const struct origin from = origin;
        struct run_folder *parent = NULL;

        origin = (struct origin){ 0 };
        r = open_origin(&from, &parent, err);
        if (r == 0)
            r = look(parent, (uint64_t) from.seq, number, stream, out, &origin, err);
        run_folder_free(parent);
    }
    return r;
}
