/* SPDX-License-Identifier: MIT */
/*
 * Look what is there (nothing, but for folders that lead to binds), make
 * folders, contents, links, other names, set modes and times, and scan. Each phase goes
 * through the listing and keeps many requests under way.
 */
#include "core/run/checkpoint_restore.h"

#include "core/base/cleanup.h"
#include "core/run/checkpoint_place.h"
#include "core/run/found.h"
#include "core/sandbox/channel.h"

#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 32

enum phase {
    PHASE_LOAD,
    PHASE_LOOK, /* what is there already */
    PHASE_BINDS,
    PHASE_FOLDERS, /* from here on through the listing */
    PHASE_CONTENTS,
    PHASE_LINKS, /* and empty files */
    PHASE_NAMES,
    PHASE_FILES,
    PHASE_CLOSE, /* folders, from the inside out: they may become read-only */
    PHASE_PROVE,
    PHASE_SUMS, /* of what the scan gave none for */
    PHASE_END,
    PHASE_OVER
};

struct job {
    struct checkpoint_restore *restore;
    struct channel_call *call;
    const struct listing_entry *entry; /* else ... */
    struct found_item *item;
};

struct checkpoint_restore {
    struct checkpoint_site site;
    int64_t number;
    checkpoint_restored_fn *fn;
    void *data;

    enum phase phase;
    struct listing wanted;
    struct found there; /* before we began */
    struct found found; /* at the end; before that, what one folder holds */
    struct channel_call *look;
    struct checkpoint_place *place;
    size_t at; /* of the phase */
    struct job jobs[JOBS_MAX];
    bool is_busy[JOBS_MAX];
    size_t open;
    struct loop_source *soon;
    struct checkpoint_restored restored;
    int result;
    struct err err;
};

static void pump(void *data);

static void fail(struct checkpoint_restore *r, int result, const struct err *err)
{
    if (r->result < 0)
        return;
    r->result = result;
    memcpy(&r->err, err, sizeof(r->err));
}

static void pump_soon(struct checkpoint_restore *r)
{
    struct err err = { 0 };

    if (!r->soon && r->phase != PHASE_OVER && loop_defer(r->site.loop, pump, r, &r->soon, &err) < 0)
        fail(r, -(int) err.code, &err);
}

static void go_on(struct checkpoint_restore *r, enum phase phase)
{
    r->phase = phase;
    r->at = 0;
    pump_soon(r);
}

/* ---- one request for each entry ---- */

/* Only while `open` is below JOBS_MAX. */
static struct job *job_take(struct checkpoint_restore *r)
{
    size_t i = 0;

    while (r->is_busy[i])
        i++;
    r->jobs[i] = (struct job){ .restore = r };
    r->is_busy[i] = true;
    r->open++;
    return &r->jobs[i];
}

static void job_end(struct job *job)
{
    struct checkpoint_restore *r = job->restore;

    job->call = NULL;
    r->is_busy[job - r->jobs] = false;
    r->open--;
}

/* A folder that was there before us need not be ours. */
static bool is_excused(const struct checkpoint_restore *r, const struct listing_entry *e,
                       const struct err *err)
{
    return r->phase == PHASE_CLOSE && err->code != ERR_ENGINE && found_find(&r->there, e->path);
}

static void on_done(void *data, int result, const struct err *err)
{
    struct job *job = data;
    struct checkpoint_restore *r = job->restore;
    struct err why;

    if (result < 0 && !is_excused(r, job->entry, err)) {
        why = *err;
        result = checkpoint_place_explain(job->entry->path, &why);
        fail(r, result, &why);
    }
    job_end(job);
    pump_soon(r);
}

static void on_no_room(void *data)
{
    (void) data; /* an empty file has nothing to send */
}

static int make_empty(struct checkpoint_restore *r, struct job *job, struct err *err)
{
    static const struct file_write_ops ops = { on_no_room, on_done };
    int result = channel_write(r->site.channel, job->entry->path, 0600, &ops, job, &job->call, err);

    return result < 0 ? result : channel_write_end(job->call, err);
}

/* What the phase asks for an entry. */
static bool is_meant(const struct checkpoint_restore *r, const struct listing_entry *e)
{
    switch (r->phase) {
    case PHASE_FOLDERS:
        return e->kind == LISTING_DIR && !found_find(&r->there, e->path);
    case PHASE_LINKS:
        return e->kind == LISTING_LINK || (e->kind == LISTING_FILE && e->size == 0);
    case PHASE_NAMES:
        return e->kind == LISTING_HARD;
    case PHASE_FILES:
        return e->kind == LISTING_FILE || e->kind == LISTING_LINK;
    case PHASE_CLOSE:
        return e->kind == LISTING_DIR;
    default:
        return false;
    }
}

static int ask(struct checkpoint_restore *r, struct job *job, struct err *err)
{
    const struct listing_entry *e = job->entry;

    switch (r->phase) {
    case PHASE_FOLDERS:
        return channel_mkdir(r->site.channel, e->path, 0700, on_done, job, &job->call, err);
    case PHASE_LINKS:
        if (e->kind == LISTING_FILE)
            return make_empty(r, job, err);
        return channel_symlink(r->site.channel, e->path, e->link, on_done, job, &job->call, err);
    case PHASE_NAMES:
        return channel_link(r->site.channel, e->path, e->link, on_done, job, &job->call, err);
    default:
        return channel_set(r->site.channel, e->path, e->mode, e->mtime_ns, on_done, job, &job->call, err);
    }
}

static void start(struct checkpoint_restore *r, const struct listing_entry *e)
{
    struct job *job = job_take(r);
    struct err err = { 0 };

    job->entry = e;
    if (ask(r, job, &err) == 0)
        return;
    fail(r, checkpoint_place_explain(e->path, &err), &err);
    channel_cancel(job->call);
    job_end(job);
}

static void go_through(struct checkpoint_restore *r)
{
    const struct listing *l = &r->wanted;

    while (r->result == 0 && r->open < JOBS_MAX && r->at < l->count) {
        const struct listing_entry *e = &l->entries[r->phase == PHASE_CLOSE ? l->count - 1 - r->at : r->at];

        r->at++;
        if (is_meant(r, e))
            start(r, e);
    }
    if (r->result == 0 && r->open == 0 && r->at == l->count)
        go_on(r, r->phase + 1);
}

/* ---- what is there ---- */

static void look_failed(struct checkpoint_restore *r, const struct err *err)
{
    struct err why = *err;

    if (why.code != ERR_ENGINE)
        err_recode(&why, ERR_IO);
    fail(r, err_wrap(&why, "looking into the workspace"), &why);
}

static void take_change(struct checkpoint_restore *r, struct found *to, struct span path,
                        const struct guest_stat *st, struct span link, const uint8_t *sum)
{
    struct err err = { 0 };
    int result = r->result < 0 ? 0 : found_add(to, path, st, link, sum, &err);

    if (result == 0)
        return;
    fail(r, result, &err);
    channel_cancel(TAKE_PTR(r->look));
    pump_soon(r);
}

static void on_there(void *data, struct span path, const struct guest_stat *st, struct span link,
                     const uint8_t *sum)
{
    struct checkpoint_restore *r = data;

    take_change(r, &r->there, path, st, link, sum);
}

static void on_listed(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    struct checkpoint_restore *r = data;

    take_change(r, &r->found, path, st, link, NULL);
}

static void on_found(void *data, struct span path, const struct guest_stat *st, struct span link,
                     const uint8_t *sum)
{
    struct checkpoint_restore *r = data;

    take_change(r, &r->found, path, st, link, sum);
}

static void on_looked(void *data, int result, const struct err *err)
{
    struct checkpoint_restore *r = data;

    r->look = NULL;
    if (result < 0)
        look_failed(r, err);
    if (r->phase == PHASE_BINDS)
        pump_soon(r); /* the next folder */
    else
        go_on(r, r->phase + 1);
}

static void on_scanned(void *data, int result, uint64_t seen, const struct err *err)
{
    (void) seen;
    on_looked(data, result, err);
}

static void scan(struct checkpoint_restore *r, unsigned flags, const struct scan_ops *ops)
{
    struct err err = { 0 };
    int result = channel_scan(r->site.channel, flags, ops, r, &r->look, &err);

    if (result < 0)
        look_failed(r, &err);
}

static int load(struct checkpoint_restore *r, struct err *err)
{
    int result = r->number > 0 ? checkpoint_load(r->site.store, r->number, &r->wanted, err) : 0;

    return result < 0 ? err_wrap(err, "checkpoint %lld", (long long) r->number) : 0;
}

/* Only folders may be there: an engine makes those that lead to binds. */
static int check_there(struct checkpoint_restore *r, struct err *err)
{
    struct listing none;
    int result;

    listing_init(&none);
    result = found_settle(&r->there, &none, NULL, err);
    for (size_t i = 0; i < r->there.count && result == 0; i++)
        if (r->there.items[i].kind != FOUND_DIR)
            result = err_set(err, ERR_IO, "the workspace is not empty: '%s' is there already",
                             r->there.items[i].path);
    return result;
}

/* What a folder holds and the scan did not tell is mounted there. Nothing of ours may go into it. */
static int check_binds(struct checkpoint_restore *r, struct err *err)
{
    int result = 0;

    for (size_t i = 0; i < r->found.count && result == 0; i++) {
        const char *path = r->found.items[i].path;

        if (found_find(&r->there, path) || !listing_find(&r->wanted, path))
            continue;
        result =
            err_set(err, ERR_IO,
                    "'%s' is a file or folder of the checkpoint, but now something is mounted there", path);
        err_hint(err, "leave out the entry with `mount: true`, or give it another path");
    }
    found_done(&r->found);
    return result;
}

/* The root, then each folder that is there. */
static void look_for_binds(struct checkpoint_restore *r)
{
    static const struct file_list_ops ops = { on_listed, on_looked };
    struct err err = { 0 };
    int result = check_binds(r, &err);

    if (result < 0) {
        fail(r, result, &err);
        return;
    }
    if (r->at > r->there.count) {
        go_on(r, PHASE_FOLDERS);
        return;
    }
    result = channel_list(r->site.channel, r->at == 0 ? "" : r->there.items[r->at - 1].path, false, &ops, r,
                          &r->look, &err);
    r->at++;
    if (result < 0)
        look_failed(r, &err);
}

/* ---- contents ---- */

static void on_placed(void *data, int result, const struct err *err)
{
    struct checkpoint_restore *r = data;

    if (result < 0)
        fail(r, result, err);
    checkpoint_place_free(TAKE_PTR(r->place));
    go_on(r, PHASE_LINKS);
}

static void place(struct checkpoint_restore *r)
{
    struct err err = { 0 };
    int result = checkpoint_place_start(r->site.loop, r->site.channel, r->site.store, &r->wanted, on_placed,
                                        r, &r->place, &err);

    if (result < 0)
        fail(r, result, &err);
}

/* ---- the proof ---- */

static void on_sum(void *data, int result, const uint8_t sum[32], const struct err *err)
{
    struct job *job = data;
    struct checkpoint_restore *r = job->restore;

    if (result == 0)
        digest_hex(sum, job->item->sha256);
    else if (err->code == ERR_ENGINE)
        look_failed(r, err);
    job_end(job);
    pump_soon(r);
}

/* Files with large holes have no sums in a scan. */
static void ask_sums(struct checkpoint_restore *r)
{
    struct err err = { 0 };
    struct job *job;

    while (r->result == 0 && r->open < JOBS_MAX && r->at < r->found.count) {
        struct found_item *item = &r->found.items[r->at++];

        if (item->kind != FOUND_FILE || item->sha256[0])
            continue;
        job = job_take(r);
        job->item = item;
        if (channel_checksum(r->site.channel, item->path, on_sum, job, &job->call, &err) < 0) {
            look_failed(r, &err);
            job_end(job);
        }
    }
    if (r->result == 0 && r->open == 0 && r->at == r->found.count)
        go_on(r, PHASE_END);
}

/* What was there before and may not be ours counts as it should be. Of a file that may not be read we know
 * what we wrote, and the guest said that it did. */
static void excuse(struct checkpoint_restore *r)
{
    for (size_t i = 0; i < r->found.count; i++) {
        struct found_item *item = &r->found.items[i];
        const struct listing_entry *e = listing_find(&r->wanted, item->path);

        if (found_find(&r->there, item->path)) {
            if (e && item->kind == FOUND_DIR) {
                item->mode = e->mode;
                item->mtime_ns = e->mtime_ns;
            } else if (!e) {
                item->kind = FOUND_GONE;
            }
        } else if (item->kind == FOUND_FILE && !item->sha256[0]) {
            if (e && e->kind == LISTING_FILE && item->size == e->size)
                memcpy(item->sha256, e->sha256, DIGEST_HEX);
            else
                found_refuse(&r->found, i, "a file that may not be read");
        }
    }
}

/* Where two listings differ first. */
static const char *difference(const struct listing *a, const struct listing *b)
{
    size_t i = 0;

    while (i < a->count && i < b->count && listing_same_entry(&a->entries[i], &b->entries[i]))
        i++;
    if (i == a->count || i == b->count)
        return i < a->count ? a->entries[i].path : i < b->count ? b->entries[i].path : "";
    return strcmp(a->entries[i].path, b->entries[i].path) <= 0 ? a->entries[i].path : b->entries[i].path;
}

static int compare(struct checkpoint_restore *r, const struct listing *now, struct err *err)
{
    char tree[DIGEST_HEX];

    listing_digest(&r->wanted, r->restored.tree);
    listing_digest(now, tree);
    if (strcmp(tree, r->restored.tree) == 0)
        return 0;
    return err_set(err, ERR_INTERNAL, "the workspace does not hold what checkpoint %lld says: '%s' differs",
                   (long long) r->number, difference(&r->wanted, now));
}

static int prove(struct checkpoint_restore *r, struct err *err)
{
    struct found_memory *memory = NULL;
    struct listing none, now;
    int result;

    listing_init(&none);
    listing_init(&now);
    result = found_settle(&r->found, &none, NULL, err);
    if (result == 0) {
        excuse(r);
        result = found_apply(&r->found, &none, &now, err);
    }
    if (result == 0)
        result = compare(r, &now, err);
    if (result == 0)
        result = found_remember(&r->found, NULL, &memory, err);
    if (result == 0)
        checkpoint_view_set(r->site.view, &now, &memory);
    listing_done(&now);
    return result;
}

static int finish(struct checkpoint_restore *r, struct err *err)
{
    struct listing_totals totals;

    listing_totals(&r->wanted, &totals);
    r->restored.files = totals.files;
    r->restored.folders = totals.folders;
    r->restored.links = totals.links;
    r->restored.bytes = totals.bytes;
    return prove(r, err);
}

/* ---- the order of things ---- */

static void step(struct checkpoint_restore *r)
{
    static const struct scan_ops look = { on_there, on_scanned }, proof = { on_found, on_scanned };
    struct err err = { 0 };
    int result = 0;

    switch (r->phase) {
    case PHASE_LOAD:
        r->site.view->is_scanned = false;
        result = load(r, &err);
        r->phase = PHASE_LOOK;
        if (result == 0)
            scan(r, SCAN_ANEW, &look);
        break;
    case PHASE_LOOK:
        break;
    case PHASE_BINDS:
        if (r->at == 0)
            result = check_there(r, &err);
        if (result == 0)
            look_for_binds(r);
        break;
    case PHASE_CONTENTS:
        if (!r->place)
            place(r);
        break;
    case PHASE_PROVE:
        r->found.keeps_hollow = true; /* zeros that were stored may have become holes on the way */
        if (!r->look)
            scan(r, SCAN_ANEW | SCAN_REMEMBER | SCAN_SUMS, &proof);
        break;
    case PHASE_SUMS:
        ask_sums(r);
        break;
    case PHASE_END:
        result = finish(r, &err);
        r->phase = PHASE_OVER;
        break;
    case PHASE_OVER:
        break;
    default:
        go_through(r);
        break;
    }
    if (result < 0)
        fail(r, result, &err);
}

static void pump(void *data)
{
    struct checkpoint_restore *r = data;

    loop_source_free(TAKE_PTR(r->soon));
    if (r->result == 0)
        step(r);
    if (r->result == 0 && r->phase != PHASE_OVER)
        return;
    r->phase = PHASE_OVER;
    loop_source_free(TAKE_PTR(r->soon));
    r->fn(r->data, r->result, r->result < 0 ? NULL : &r->restored, r->result < 0 ? &r->err : NULL);
}

int checkpoint_restore_start(const struct checkpoint_site *site, int64_t number, checkpoint_restored_fn *fn,
                             void *data, struct checkpoint_restore **ret, struct err *err)
{
    struct checkpoint_restore *r = calloc(1, sizeof(*r));
    int result;

    if (!r)
        return err_set(err, ERR_INTERNAL, "no memory to restore a checkpoint");
    r->site = *site;
    r->number = number;
    r->fn = fn;
    r->data = data;
    listing_init(&r->wanted);
    found_init(&r->there);
    found_init(&r->found);
    result = loop_defer(site->loop, pump, r, &r->soon, err);
    if (result < 0) {
        free(r);
        return result;
    }
    *ret = r;
    return 0;
}

void checkpoint_restore_free(struct checkpoint_restore *r)
{
    if (!r)
        return;
    loop_source_free(r->soon);
    channel_cancel(r->look);
    checkpoint_place_free(r->place);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!r->is_busy[i])
            continue;
        channel_cancel(r->jobs[i].call);
        job_end(&r->jobs[i]);
    }
    listing_done(&r->wanted);
    found_done(&r->there);
    found_done(&r->found);
    free(r);
}
