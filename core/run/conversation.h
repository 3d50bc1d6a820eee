/* SPDX-License-Identifier: MIT */
/*
 * Which items of a conversation are sent to the model, and which of them a summary may take the place of.
 * Pure.
 *
 * The run's state keeps every item. A compaction is one more of them: an item of the server's own
 * (RUN_ITEM_COMPACTION), or a summary that the same model was asked for (RUN_ITEM_SUMMARY). The newest
 * counts: items before the one that it `keeps` are left out, but for those that are pinned (the task, and
 * what the harness told of the workspace). A summary stands where the items were that it replaces; an item of
 * the server's stays where it came. When items leave the conversation (a rollback), so does a compaction that
 * came after them, and what it had replaced is sent again.
 */
#ifndef RUN_CONVERSATION_H
#define RUN_CONVERSATION_H

#include "core/run/state.h"

/* True: leave it out, as if it had never been said. */
typedef bool conversation_skip_fn(const void *data, const struct run_item *item);

/* The items in the order in which they are sent, by their index; `ret` has room for `count`. `skip` may be
 * NULL. */
size_t conversation_view(const struct run_item *items, size_t count, conversation_skip_fn *skip,
                         const void *data, size_t *ret);

/* A cut through the conversation: what stands before it is summarised, what is not pinned of that is then
 * replaced. */
struct conversation_cut {
    size_t at;           /* so many of `view` are before it */
    int64_t keeps;       /* the item from which on they stay: index in `items` */
    size_t items, bytes; /* that are replaced */
};

/* `tail_bytes`: as much as may stay behind the cut, more only when the newest turn alone is more. At most
 * `part_bytes` are replaced. Nothing that hangs together is parted, the newest turn stays whole, and so
 * does what follows an item of the server's. False: there is no such cut, or it would be hardly worth it. */
bool conversation_find_cut(const struct run_item *items, const size_t *view, size_t count, size_t tail_bytes,
                           size_t part_bytes, struct conversation_cut *ret);

/* ---- summaries as items ---- */

#define CONVERSATION_SUMMARY_MAX (256 * 1024) /* bytes of one */

/* What asks the model for a summary, and the item that its text becomes: both are messages of the user. */
int conversation_ask_summary(struct buf *out, struct err *err);
int conversation_put_summary(struct buf *out, struct span text, struct err *err);
/* The text out of such an item, appended. */
int conversation_read_summary(struct span item, struct buf *out, struct err *err);
/* NULL, or why it is of no use in the place of so many bytes. */
const char *conversation_judge_summary(struct span text, size_t replaced_bytes);

#endif
