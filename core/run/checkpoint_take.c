/* SPDX-License-Identifier: MIT */
/*
 * Load what the last checkpoint held (only when the view does not know), scan,
 * contents, pack. The view is touched at the very end, when all went well.
 */
#include "core/run/checkpoint_take.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/run/checkpoint_fetch.h"
#include "core/run/found.h"
#include "core/sandbox/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_BEGIN, PHASE_SCAN, PHASE_SETTLE, PHASE_FETCH, PHASE_COMMIT, PHASE_OVER };

struct checkpoint_take {
    struct checkpoint_site site;
    int64_t keep;
    checkpoint_taken_fn *fn;
    void *data;

    enum phase phase;
    bool is_whole; /* the scan tells of everything, not of changes to the view */
    struct channel_call *scan;
    struct found found;
    struct listing none;
    struct listing last; /* is_whole: as of the last checkpoint */
    struct listing next; /* what the workspace holds now ... */
    bool has_next;       /* ... unless that is what the view says */
    struct found_memory *memory;
    struct checkpoint_fetch *fetch;
    struct checkpoint_writer *writer;
    struct record_checkpoint rec;
    struct loop_source *soon;
    int64_t began_ms;
    int result;
    struct err err;
};

/* ---- the view ---- */

void checkpoint_view_init(struct checkpoint_view *view)
{
    *view = (struct checkpoint_view){ 0 };
    listing_init(&view->now);
}

void checkpoint_view_done(struct checkpoint_view *view)
{
    listing_done(&view->now);
    found_memory_free(view->memory);
    checkpoint_view_init(view);
}

void checkpoint_view_set(struct checkpoint_view *view, struct listing *now, struct found_memory **memory)
{
    if (now) {
        listing_done(&view->now);
        view->now = *now;
        listing_init(now);
    }
    found_memory_free(view->memory);
    view->memory = *memory;
    *memory = NULL;
    view->is_scanned = true;
}

/* ---- steps ---- */

static void pump(void *data);

static void fail(struct checkpoint_take *t, int result, const struct err *err)
{
    if (t->result < 0)
        return;
    t->result = result;
    t->err = *err;
}

static void go_on(struct checkpoint_take *t, enum phase phase)
{
    struct err err = { 0 };

    t->phase = phase;
    if (!t->soon && loop_defer(t->site.loop, pump, t, &t->soon, &err) < 0)
        fail(t, -(int) err.code, &err);
}

/* What the scan's report differs from. */
static const struct listing *before(const struct checkpoint_take *t)
{
    return t->is_whole ? &t->none : &t->site.view->now;
}

static void on_change(void *data, struct span path, const struct guest_stat *st, struct span link,
                      const uint8_t *sum)
{
    struct checkpoint_take *t = data;
    struct err err = { 0 };
    int r = t->result < 0 ? 0 : found_add(&t->found, path, st, link, sum, &err);

    if (r == 0)
        return;
    fail(t, r, &err);
    channel_cancel(TAKE_PTR(t->scan));
    go_on(t, PHASE_OVER);
}

static void on_scanned(void *data, int result, uint64_t seen, const struct err *err)
{
    struct checkpoint_take *t = data;
    struct err why;

    (void) seen;
    t->scan = NULL;
    if (result < 0) {
        why = *err;
        if (why.errnum == EOVERFLOW || why.errnum == ENAMETOOLONG) {
            err_recode(&why, ERR_TOO_LARGE);
            err_hint(&why, "a checkpoint holds about 250,000 paths");
        } else if (why.code != ERR_ENGINE && why.code != ERR_TOO_LARGE) {
            err_recode(&why, ERR_ENGINE);
        }
        fail(t, err_wrap(&why, "looking what has changed in the workspace"), &why);
    }
    go_on(t, PHASE_SETTLE);
}

static void begin(struct checkpoint_take *t)
{
    static const struct scan_ops ops = { on_change, on_scanned };
    unsigned flags = SCAN_REMEMBER;
    struct err err = { 0 };
    int r = 0;

    if (t->is_whole && checkpoint_store_last(t->site.store) > 0) {
        r = checkpoint_load(t->site.store, checkpoint_store_last(t->site.store), &t->last, &err);
        flags |= SCAN_SUMS;
    }
    if (t->is_whole)
        flags |= SCAN_ANEW;
    t->site.view->is_scanned = false; /* until all is well */
    if (r == 0)
        r = channel_scan(t->site.channel, flags, &ops, t, &t->scan, &err);
    t->phase = PHASE_SCAN;
    if (r < 0)
        fail(t, r, &err);
}

static void on_fetched(void *data, int result, const struct err *err)
{
    struct checkpoint_take *t = data;

    if (result < 0)
        fail(t, result, err);
    t->writer = checkpoint_fetch_writer(t->fetch);
    checkpoint_fetch_free(TAKE_PTR(t->fetch));
    go_on(t, PHASE_COMMIT);
}

static void settle(struct checkpoint_take *t)
{
    struct err err = { 0 };
    int r = found_settle(&t->found, before(t), t->is_whole ? NULL : t->site.view->memory, &err);

    if (r == 0)
        r = checkpoint_fetch_start(t->site.loop, t->site.channel, t->site.store, &t->found, on_fetched, t,
                                   &t->fetch, &err);
    t->phase = PHASE_FETCH;
    if (r < 0)
        fail(t, r, &err);
}

static void finish(struct checkpoint_take *t)
{
    t->phase = PHASE_OVER;
    loop_source_free(TAKE_PTR(t->soon));
    if (t->result == 0) { /* not earlier: a canceled take must not have changed the view */
        t->rec.duration_ms = clock_mono_ms() - t->began_ms;
        checkpoint_view_set(t->site.view, t->has_next ? &t->next : NULL, &t->memory);
    }
    t->fn(t->data, t->result, t->result < 0 ? NULL : &t->rec, t->result < 0 ? &t->err : NULL);
}

/* At once: between the files being there and the owner being told nothing may happen. */
static void on_committed(void *data, int result, const struct record_checkpoint *rec, const struct err *err)
{
    struct checkpoint_take *t = data;

    if (result < 0) {
        fail(t, result, err);
    } else {
        t->rec = *rec;
        t->has_next = true;
    }
    finish(t);
}

static void is_same(struct checkpoint_take *t)
{
    checkpoint_drop(TAKE_PTR(t->writer));
    t->rec = (struct record_checkpoint){ .number = checkpoint_store_last(t->site.store), .is_same = true };
    t->has_next = t->is_whole;
    t->phase = PHASE_OVER;
}

/* A whole report is compared as a whole: nobody says what is gone since. */
static bool whole_differs(const struct checkpoint_take *t)
{
    bool differs = t->last.count != t->next.count;

    for (size_t i = 0; i < t->next.count && !differs; i++)
        differs = !listing_same_entry(&t->last.entries[i], &t->next.entries[i]);
    return differs;
}

static int store(struct checkpoint_take *t, struct err *err)
{
    size_t count;
    const struct listing_unkept *unkept = found_memory_unkept(t->memory, &count);
    int r = t->writer ? 0 : checkpoint_begin(t->site.store, &t->writer, err);

    if (r == 0) {
        const struct checkpoint_commit what = { &t->next, unkept, count, t->keep };

        r = checkpoint_commit(t->writer, t->site.loop, &what, on_committed, t, err);
    }
    return r;
}

static void commit(struct checkpoint_take *t)
{
    bool has_changed = t->is_whole || found_differs(&t->found, before(t));
    struct err err = { 0 };
    int r = found_remember(&t->found, t->is_whole ? NULL : t->site.view->memory, &t->memory, &err);

    if (r == 0 && has_changed)
        r = found_apply(&t->found, before(t), &t->next, &err);
    found_done(&t->found);
    if (r == 0 && (!has_changed || (t->is_whole && !whole_differs(t)))) {
        is_same(t);
        return;
    }
    listing_done(&t->last);
    if (r == 0)
        r = store(t, &err);
    if (r < 0)
        fail(t, r, &err);
}

static void pump(void *data)
{
    struct checkpoint_take *t = data;

    loop_source_free(TAKE_PTR(t->soon));
    if (t->result == 0 && t->phase == PHASE_BEGIN)
        begin(t);
    else if (t->result == 0 && t->phase == PHASE_SETTLE)
        settle(t);
    else if (t->result == 0 && t->phase == PHASE_COMMIT)
        commit(t);
    if (t->result == 0 && t->phase != PHASE_OVER)
        return;
    finish(t);
}

int checkpoint_take_start(const struct checkpoint_site *site, int64_t keep, checkpoint_taken_fn *fn,
                          void *data, struct checkpoint_take **ret, struct err *err)
{
    struct checkpoint_take *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return err_set(err, ERR_INTERNAL, "no memory to take a checkpoint");
    t->site = *site;
    t->keep = keep;
    t->fn = fn;
    t->data = data;
    t->is_whole = !site->view->is_scanned;
    t->began_ms = clock_mono_ms();
    found_init(&t->found);
    listing_init(&t->none);
    listing_init(&t->last);
    listing_init(&t->next);
    r = loop_defer(site->loop, pump, t, &t->soon, err);
    if (r < 0) {
        free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void checkpoint_take_free(struct checkpoint_take *t)
{
    if (!t)
        return;
    loop_source_free(t->soon);
    channel_cancel(t->scan);
    checkpoint_fetch_free(t->fetch);
    checkpoint_drop(t->writer);
    found_done(&t->found);
    listing_done(&t->none);
    listing_done(&t->last);
    listing_done(&t->next);
    found_memory_free(t->memory);
    free(t);
}
