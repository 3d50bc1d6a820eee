/* SPDX-License-Identifier: MIT */
/*
 * Property: whatever a conversation has gone through (turns with reasoning, calls, hosted items and messages,
 * compactions of the server's and of ours, one after the other), what is sent of it parts no call from its
 * answer and no reasoning from what it led to, and holds everything that is pinned. Driven by bytes from the
 * fuzzer, or by a seed for a loop in a unit test.
 */
#ifndef TESTS_HISTORY_H
#define TESTS_HISTORY_H

#include "core/run/conversation.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_MAX  1500
#define HISTORY_SIZE 4400

struct history {
    const uint8_t *data;
    size_t size, at;
    uint64_t seed;
    struct run_item items[HISTORY_MAX];
    size_t count;
    int64_t turn;
    int64_t ids;
};

static inline unsigned history_roll(struct history *h, unsigned bound)
{
    if (h->at < h->size)
        return h->data[h->at++] % bound;
    if (h->data)
        return 0;
    h->seed = h->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned) (h->seed >> 33) % bound;
}

static inline bool history_is_over(const struct history *h)
{
    return h->count + 64 > HISTORY_MAX || (h->data && h->at >= h->size);
}

static inline void history_add(struct history *h, enum run_item_kind kind, const char *type, const char *id,
                               size_t padding)
{
    struct run_item *item = &h->items[h->count];
    char *raw = malloc(HISTORY_SIZE + 256);
    int len = id ? snprintf(raw, 256, "{\"type\":\"%s\",\"call_id\":\"%s\",\"x\":\"", type, id)
                 : snprintf(raw, 256, "{\"type\":\"%s\",\"x\":\"", type);

    memset(raw + len, 'x', padding);
    memcpy(raw + len + padding, "\"}", 3);
    *item = (struct run_item){ .kind = kind, .turn = h->turn, .raw = raw, .len = (size_t) len + padding + 2 };
    item->is_pinned = kind == RUN_ITEM_INPUT && (h->turn == 0 || history_roll(h, 2));
    h->count++;
}

/* One answer of the model and what our tools say to it; ids of calls may be those of an earlier turn. */
static inline void history_turn(struct history *h)
{
    char ids[4][24];
    size_t first = h->count;
    unsigned calls = history_roll(h, 4);

    h->turn++;
    if (history_roll(h, 3) == 0)
        history_add(h, RUN_ITEM_OTHER, "web_search_call", NULL, history_roll(h, 3000));
    for (unsigned i = 0; i < calls; i++) {
        snprintf(ids[i], sizeof(ids[i]), "call_%lld",
                 history_roll(h, 3) ? (long long) h->ids++ : (long long) i);
        for (unsigned k = 0; k < i; k++)
            if (strcmp(ids[i], ids[k]) == 0)
                snprintf(ids[i], sizeof(ids[i]), "own_%lld", (long long) h->ids++);
        if (history_roll(h, 2))
            history_add(h, RUN_ITEM_REASONING, "reasoning", NULL, 40);
        history_add(h, RUN_ITEM_CALL, "shell_call", ids[i], history_roll(h, 200));
        if (history_roll(h, 6) == 0) {
            history_add(h, RUN_ITEM_COMPACTION, "compaction", NULL, 10);
            h->items[h->count - 1].keeps = (int64_t) first;
        }
    }
    if (calls == 0 || history_roll(h, 4) == 0)
        history_add(h, RUN_ITEM_MESSAGE, "message", NULL, history_roll(h, 3000));
    for (unsigned i = 0; i < calls; i++)
        history_add(h, RUN_ITEM_ANSWER, "shell_call_output", ids[i], history_roll(h, HISTORY_SIZE));
    if (history_roll(h, 4) == 0)
        history_add(h, RUN_ITEM_INPUT, "message", NULL, history_roll(h, 200));
}

/* NULL, or what is wrong. */
static inline const char *history_look(const struct history *h, const size_t *view, size_t count)
{
    bool in[HISTORY_MAX] = { false };

    for (size_t i = 0; i < count; i++) {
        if (in[view[i]])
            return "an item is sent twice";
        in[view[i]] = true;
    }
    for (size_t i = 0; i < h->count; i++)
        if (h->items[i].is_pinned && !in[i])
            return "what is pinned is left out";
    for (size_t i = 0; i < count; i++) {
        const struct run_item *item = &h->items[view[i]];

        if (item->kind == RUN_ITEM_REASONING && (i + 1 == count || view[i + 1] != view[i] + 1))
            return "reasoning is parted from what it led to";
        if (view[i] > 0 && h->items[view[i] - 1].kind == RUN_ITEM_REASONING && !in[view[i] - 1])
            return "something is parted from the reasoning that led to it";
        if (item->kind != RUN_ITEM_CALL && item->kind != RUN_ITEM_ANSWER)
            continue;
        for (size_t k = 0; k < h->count; k++) /* all calls and answers of a turn, or none */
            if ((h->items[k].kind == RUN_ITEM_CALL || h->items[k].kind == RUN_ITEM_ANSWER) &&
                h->items[k].turn == item->turn && !in[k])
                return "a call is parted from its answer";
    }
    return NULL;
}

static inline const char *history_compact(struct history *h)
{
    size_t view[HISTORY_MAX], count = conversation_view(h->items, h->count, NULL, NULL, view), sent = 0;
    size_t tail = 64 * (size_t) history_roll(h, 256),
           part = history_roll(h, 3) ? SIZE_MAX : 64 * (size_t) history_roll(h, 256);
    struct conversation_cut cut;

    if (!conversation_find_cut(h->items, view, count, tail, part, &cut))
        return NULL;
    if (cut.at == 0 || cut.at >= count || cut.keeps < 1 || cut.bytes > part)
        return "a cut that is none";
    for (size_t i = cut.at; i < count; i++)
        sent += h->items[view[i]].turn == h->turn && h->items[view[i]].kind != RUN_ITEM_SUMMARY;
    for (size_t i = 0; i < h->count; i++)
        sent -= h->items[i].turn == h->turn && h->items[i].kind != RUN_ITEM_SUMMARY;
    if (sent != 0)
        return "the newest turn is not whole";
    history_add(h, RUN_ITEM_SUMMARY, "message", NULL, 100);
    h->items[h->count - 1].keeps = cut.keeps;
    return NULL;
}

static inline const char *history_check(const uint8_t *data, size_t size, uint64_t seed)
{
    struct history *h = calloc(1, sizeof(*h));
    size_t view[HISTORY_MAX];
    const char *wrong = NULL;

    *h = (struct history){ .data = data, .size = size, .seed = seed };
    history_add(h, RUN_ITEM_INPUT, "message", NULL, 50);
    for (unsigned i = 0; i < 60 && !wrong && !history_is_over(h); i++) {
        history_turn(h);
        if (history_roll(h, 5) == 0)
            wrong = history_compact(h);
        if (!wrong)
            wrong = history_look(h, view, conversation_view(h->items, h->count, NULL, NULL, view));
    }
    for (size_t i = 0; i < h->count; i++)
        free(h->items[i].raw);
    free(h);
    return wrong;
}

#endif
