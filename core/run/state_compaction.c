/* SPDX-License-Identifier: MIT */
/* The fold of compactions: how long the conversation is, and the summaries that make it shorter. */
#include "core/run/state_impl.h"

#include <string.h>

#define BYTES_PER_TOKEN 4
#define ITEM_TOKENS_MAX 16384 /* images count less than their bytes */
#define REST_TURNS      8     /* after one that was given up */

/* ---- how long it is ---- */

static bool has_compaction(const struct run_state *s, size_t from)
{
    for (size_t i = from; i < s->item_count; i++)
        if (s->items[i].kind == RUN_ITEM_COMPACTION)
            return true;
    return false;
}

/* The server counted what it was sent, and what it said; when it made that shorter, what it counted is gone.
 * One that is sent more than it was to bear, and does nothing, never will. */
void state_count_turn(struct run_state *s, const struct record_usage *u)
{
    struct run_compaction *c = &s->compaction;
    bool is_shorter = has_compaction(s, c->counted_items < s->item_count ? c->counted_items : s->item_count);

    c->tokens = is_shorter ? 0 : state_add(u->input, u->output);
    c->counted_items = s->item_count;
    if (c->asked > 0 && !is_shorter && !u->is_estimated && u->input >= c->asked)
        c->is_ignored = true;
}

void state_uncount(struct run_state *s)
{
    struct run_compaction *c = &s->compaction;

    if (c->counted_items <= s->item_count)
        return;
    c->tokens = 0;
    c->counted_items = s->item_count;
    c->at_turn = 0;
    for (size_t i = 0; i < s->item_count; i++)
        if (s->items[i].kind == RUN_ITEM_SUMMARY)
            c->at_turn = s->items[i].turn;
}

int64_t run_state_tokens(const struct run_state *s)
{
    int64_t sum = s->compaction.tokens;

    for (size_t i = s->compaction.counted_items; i < s->item_count; i++) {
        int64_t tokens = (int64_t) (s->items[i].len / BYTES_PER_TOKEN);

        sum = state_add(sum, tokens < ITEM_TOKENS_MAX ? tokens : ITEM_TOKENS_MAX);
    }
    return sum;
}

/* ---- summaries ---- */

static bool is_between_turns(const struct run_state *s)
{
    return s->phase == RUN_TURN_ANSWERED || s->phase == RUN_TURN_VOID;
}

int apply_compaction_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_compaction *e = &rec->compaction;
    struct run_compaction *c = &s->compaction;

    if (!is_between_turns(s) || c->phase != RUN_PART_NONE || e->turn != s->turn || e->keeps < 1 ||
        e->keeps >= (int64_t) s->item_count)
        return state_misplaced(rec, err);
    c->phase = RUN_PART_STARTING;
    c->keeps = e->keeps;
    c->body_bytes = e->body_bytes;
    return 0;
}

static void spend(struct run_state *s, const struct record_compaction *e)
{
    struct record_usage last = s->last;

    state_spend(s, &e->usage, e->cost_micros);
    s->last = last; /* that of the conversation */
}

int apply_compaction_done(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_compaction *e = &rec->compaction;
    struct run_compaction *c = &s->compaction;
    struct run_item item = { .kind = RUN_ITEM_SUMMARY, .turn = s->turn, .keeps = c->keeps };
    int r;

    if (c->phase != RUN_PART_STARTING || e->keeps != c->keeps)
        return state_misplaced(rec, err);
    r = state_reserve_item(s, err);
    if (r == 0)
        r = state_set_raw(&item, &e->item, err);
    if (r < 0)
        return r;
    s->items[s->item_count++] = item;
    state_forget_previous(s); /* the server would go on with all of it */
    spend(s, e);
    memset(&s->last, 0, sizeof(s->last)); /* the next request has less */
    c->phase = RUN_PART_NONE;
    c->is_lost = c->is_wanted = false;
    c->failures = c->tokens = 0;
    c->counted_items = s->item_count;
    c->at_turn = s->turn;
    s->retry_at_ms = 0;
    return 0;
}

/* Given up: without it the run goes on as long as the server takes the conversation. */
static void give_up(struct run_state *s)
{
    struct run_compaction *c = &s->compaction;

    c->failures = 0;
    c->rest_turn = state_add(s->turn, REST_TURNS);
    if (c->is_wanted && s->phase == RUN_TURN_VOID)
        s->phase = RUN_TURN_FAILED; /* as the server has said */
}

/* Without a begin when there is nothing that a summary could take the place of. */
int apply_compaction_failed(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_compaction *e = &rec->compaction;
    struct run_compaction *c = &s->compaction;
    bool was_sent = c->phase == RUN_PART_STARTING;

    if (e->turn != s->turn || (!was_sent && (e->will_retry || !is_between_turns(s))))
        return state_misplaced(rec, err);
    c->phase = RUN_PART_NONE;
    c->is_lost = false;
    spend(s, e);
    s->retry_at_ms = state_add(rec->ms, e->retry_ms);
    if (!e->will_retry)
        give_up(s);
    else if (strcmp(e->code, "interrupted") != 0)
        c->failures = state_add(c->failures, 1);
    return 0;
}
