/* SPDX-License-Identifier: MIT */
/* Checkpoints of workspaces that are only told of: what a test keeps, it names. */
#ifndef TESTS_KEPT_H
#define TESTS_KEPT_H

#include "tests/unit/run/state_home.h"

#include "core/run/checkpoint.h"
#include "core/run/folder.h"

/* The record of a commit, with texts of its own. */
struct kept {
    struct record_checkpoint rec;
    char tree[DIGEST_HEX], record[DIGEST_HEX], pack[DIGEST_HEX];
    struct record_text pruned[16];
    char names[16][32];
    bool is_done;
    int result;
    struct err err;
};

static inline void kept_on_commit(void *data, int result, const struct record_checkpoint *ret,
                                  const struct err *err)
{
    struct kept *k = data;

    k->is_done = true;
    k->result = result;
    if (result < 0) {
        k->err = *err;
        return;
    }
    k->rec = *ret;
    snprintf(k->tree, sizeof(k->tree), "%s", ret->tree);
    snprintf(k->record, sizeof(k->record), "%s", ret->record);
    snprintf(k->pack, sizeof(k->pack), "%s", ret->pack ? ret->pack : "");
    k->rec.tree = k->tree;
    k->rec.record = k->record;
    k->rec.pack = ret->pack ? k->pack : NULL;
    assert_true(ret->pruned_count <= 16);
    for (size_t i = 0; i < ret->pruned_count; i++) {
        snprintf(k->names[i], sizeof(k->names[i]), "%s", ret->pruned[i].text);
        k->pruned[i].text = k->names[i];
    }
    k->rec.pruned = k->pruned;
}

/* Into the pack, unless it is known; and the file into the listing. */
static inline void kept_file(struct checkpoint_writer *w, struct listing *l, const char *path,
                             struct span content)
{
    struct listing_entry e = { .path = path, .kind = LISTING_FILE, .mode = 0644, .mtime_ns = 1 };

    assert_int_equal(checkpoint_content_begin(w, (int64_t) content.len, NULL), 0);
    assert_int_equal(checkpoint_content_add(w, content, NULL), 0);
    assert_int_equal(checkpoint_content_end(w, e.sha256, NULL), 0);
    e.size = (int64_t) content.len;
    assert_int_equal(listing_put(l, &e, NULL), 0);
}

static inline void kept_other(struct listing *l, const char *path, enum listing_kind kind, const char *link)
{
    struct listing_entry e = { .path = path, .kind = kind, .mode = 0755, .mtime_ns = 2, .link = link };

    assert_int_equal(listing_put(l, &e, NULL), 0);
}

static inline int kept_try(struct checkpoint_writer *w, const struct listing *l, int64_t keep,
                           struct kept *ret)
{
    struct listing_unkept unkept[] = { { "a socket", "a socket" } };
    struct checkpoint_commit commit = { .now = l, .unkept = unkept, .unkept_count = 1, .keep = keep };
    struct loop *loop = NULL;
    struct err err = { 0 };

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(checkpoint_commit(w, loop, &commit, kept_on_commit, ret, &err), 0);
    assert_false(ret->is_done);
    assert_int_equal(loop_run(loop, &ret->is_done, &err), 0);
    checkpoint_drop(w);
    loop_free(loop);
    return ret->result;
}

/* Commit, tell, prune: as a run does. */
static inline void kept_commit(struct checkpoint_store *store, struct checkpoint_writer *w,
                               const struct listing *l, int64_t keep, struct kept *ret)
{
    assert_int_equal(kept_try(w, l, keep, ret), 0);
    assert_int_equal(checkpoint_store_told(store, &ret->rec, NULL), 0);
    assert_int_equal(checkpoint_prune(store, &ret->rec, NULL), 0);
}

#endif
