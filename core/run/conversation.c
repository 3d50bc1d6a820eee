/* SPDX-License-Identifier: MIT */
/* What is sent of a conversation, and where it may be cut. */
#include "core/run/conversation.h"

#include "core/model/item.h"
#include "core/model/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORTH_BYTES 2048 /* less is not worth a request */
#define LOOK_BACK   4096 /* items; a turn has at most RUN_TURN_ITEMS_MAX, and as many answers */

/* ---- what is sent ---- */

static bool is_compaction(const struct run_item *item)
{
    return item->kind == RUN_ITEM_COMPACTION || item->kind == RUN_ITEM_SUMMARY;
}

/* `count`: there is none. */
static size_t newest_of(const struct run_item *items, size_t count, conversation_skip_fn *skip,
                        const void *data)
{
    for (size_t i = count; i > 0; i--)
        if (is_compaction(&items[i - 1]) && !(skip && skip(data, &items[i - 1])))
            return i - 1;
    return count;
}

size_t conversation_view(const struct run_item *items, size_t count, conversation_skip_fn *skip,
                         const void *data, size_t *ret)
{
    size_t newest = newest_of(items, count, skip, data), used = 0;
    size_t from = newest < count ? (size_t) items[newest].keeps : 0;
    bool is_ours = newest < count && items[newest].kind == RUN_ITEM_SUMMARY;

    for (size_t i = 0; i < from; i++)
        if (items[i].is_pinned && !(skip && skip(data, &items[i])))
            ret[used++] = i;
    if (is_ours)
        ret[used++] = newest;
    for (size_t i = from; i < count; i++)
        if (!(items[i].kind == RUN_ITEM_SUMMARY) && !(skip && skip(data, &items[i])))
            ret[used++] = i;
    return used;
}

/* ---- where it may be cut ---- */

/* may[i]: between `view[i - 1]` and `view[i]` nothing hangs together. */
static bool find_joints(const struct run_item *items, const size_t *view, size_t count, bool *may)
{
    struct item_bond *bonds = calloc(count, sizeof(*bonds));

    if (!bonds)
        return false;
    for (size_t i = 0; i < count; i++) {
        item_bond_of(span_make(items[view[i]].raw, items[view[i]].len), &bonds[i]);
        may[i] = i > 0 && bonds[i - 1].kind != ITEM_BOND_LEADS;
    }
    for (size_t i = 0; i < count; i++) {
        if (bonds[i].kind != ITEM_BOND_CLOSES)
            continue;
        for (size_t k = i; k > 0 && i - k < LOOK_BACK; k--) {
            if (bonds[k - 1].kind != ITEM_BOND_OPENS || strcmp(bonds[k - 1].id, bonds[i].id) != 0)
                continue;
            bonds[k - 1].kind = ITEM_BOND_NONE; /* ids of calls may come again in another turn */
            for (size_t j = k; j <= i; j++)
                may[j] = false;
            break;
        }
    }
    free(bonds);
    return true;
}

static bool is_replaced(const struct run_item *item)
{
    return !item->is_pinned;
}

/* The newest turn begins here, or the last item: it has not been seen by the model yet. */
static size_t newest_turn(const struct run_item *items, const size_t *view, size_t count)
{
    size_t at = count - 1;

    while (at > 0 && items[view[at]].turn > 0 && items[view[at - 1]].turn == items[view[at]].turn &&
           items[view[at - 1]].kind != RUN_ITEM_SUMMARY)
        at--;
    return at;
}

/* Behind the last item of the server's: what that stands for is nowhere else. */
static size_t first_cut(const struct run_item *items, const size_t *view, size_t count)
{
    for (size_t i = count; i > 0; i--)
        if (items[view[i - 1]].kind == RUN_ITEM_COMPACTION)
            return i;
    return 1;
}

static size_t choose(const struct run_item *items, const size_t *view, size_t count, const bool *may,
                     size_t tail_bytes, size_t part_bytes)
{
    size_t last = newest_turn(items, view, count), first = first_cut(items, view, count);
    size_t behind = 0, before = 0, best = 0, wanted;

    for (wanted = count; wanted > 0 && behind + items[view[wanted - 1]].len <= tail_bytes; wanted--)
        behind += items[view[wanted - 1]].len;
    for (size_t i = 1; i <= last; i++) {
        before += is_replaced(&items[view[i - 1]]) ? items[view[i - 1]].len : 0;
        if (before > part_bytes)
            break;
        if (i >= first && may[i])
            best = i;
        if (best && best >= wanted) /* as little as is enough */
            break;
    }
    return best;
}

bool conversation_find_cut(const struct run_item *items, const size_t *view, size_t count, size_t tail_bytes,
                           size_t part_bytes, struct conversation_cut *ret)
{
    struct conversation_cut cut = { 0 };
    bool *may = count > 1 ? calloc(count, sizeof(*may)) : NULL;

    if (may && find_joints(items, view, count, may))
        cut.at = choose(items, view, count, may, tail_bytes, part_bytes);
    free(may);
    for (size_t i = 0; i < cut.at; i++)
        if (is_replaced(&items[view[i]])) {
            cut.items++;
            cut.bytes += items[view[i]].len;
        }
    if (cut.bytes < WORTH_BYTES)
        return false;
    cut.keeps = (int64_t) view[cut.at];
    *ret = cut;
    return true;
}

/* ---- summaries ---- */

static const char ask_text[] = "This conversation is about to become too long: its older part is taken out. "
                               "First write the summary that takes its "
                               "place; you will go on from that, the task, and the last turns, which stay. "
                               "Briefly and exactly: what was asked for, "
                               "with every requirement; what was done, found out and decided, with names, "
                               "paths, numbers and errors as they were; "
                               "the state of files and of what is under way; what is left to do. Call no "
                               "tool; answer with the summary alone.";

static const char lead[] =
    "The older part of this conversation was taken out because it had become too long. This summary of it, "
    "written by you before that, takes its place:\n\n";

int conversation_ask_summary(struct buf *out, struct err *err)
{
    return request_user_item(out, ask_text, NULL, 0, err);
}

static struct span trimmed(struct span text)
{
    while (text.len > 0 && isspace((unsigned char) text.ptr[0]))
        text = span_make(text.ptr + 1, text.len - 1);
    while (text.len > 0 && isspace((unsigned char) text.ptr[text.len - 1]))
        text.len--;
    return text;
}

int conversation_put_summary(struct buf *out, struct span text, struct err *err)
{
    struct buf whole = BUF_INIT(CONVERSATION_SUMMARY_MAX + sizeof(lead));
    int r = buf_add_text(&whole, lead);

    if (r == 0)
        r = buf_add_span(&whole, trimmed(text));
    r = r < 0 ? err_set(err, ERR_TOO_LARGE, "the summary is too long")
              : request_user_item(out, buf_text(&whole), NULL, 0, err);
    buf_done(&whole);
    return r;
}

int conversation_read_summary(struct span item, struct buf *out, struct err *err)
{
    struct buf whole = BUF_INIT(CONVERSATION_SUMMARY_MAX + sizeof(lead));
    struct item_view view;
    int r = item_inspect(item, &view, &whole, err);
    struct span text = buf_span(&whole);

    if (r == 0 && span_starts(text, lead))
        text = span_make(text.ptr + sizeof(lead) - 1, text.len - (sizeof(lead) - 1));
    if (r == 0 && buf_add_span(out, text) < 0)
        r = err_set(err, ERR_TOO_LARGE, "the summary is too long");
    buf_done(&whole);
    return r;
}

const char *conversation_judge_summary(struct span text, size_t replaced_bytes)
{
    size_t len = trimmed(text).len;

    if (len == 0)
        return "the model wrote no summary";
    if (len > CONVERSATION_SUMMARY_MAX || len > replaced_bytes / 2)
        return "the summary is hardly shorter than what it is to replace";
    return memchr(text.ptr, '\0', text.len) ? "the summary holds a NUL byte" : NULL;
}
