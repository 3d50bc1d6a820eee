/* SPDX-License-Identifier: MIT */
#include "core/run/egress_sums.h"

#include "core/base/number.h"

#include <stdlib.h>
#include <string.h>

/* Numbers from disk: they can neither be negative nor overflow. */
static int64_t add(int64_t a, int64_t b)
{
    return b < 0 ? a : a > INT64_MAX - b ? INT64_MAX : a + b;
}

static bool is_of(const struct egress_sum *sum, const char *side)
{
    return sum->side && side ? strcmp(sum->side, side) == 0 : !sum->side && !side;
}

static const struct egress_sum *find(const struct egress_sums *s, const char *side)
{
    for (size_t i = 0; i < s->count; i++)
        if (is_of(&s->list[i], side))
            return &s->list[i];
    return NULL;
}

static struct egress_sum *find_or_add(struct egress_sums *s, const char *side)
{
    const struct egress_sum *found = find(s, side);
    struct egress_sum *more;

    if (found)
        return &s->list[found - s->list];
    if (s->count == s->cap) {
        more = realloc(s->list, (s->cap + 4) * sizeof(*more));
        if (!more)
            return NULL;
        s->list = more;
        s->cap += 4;
    }
    s->list[s->count] = (struct egress_sum){ .side = side ? strdup(side) : NULL };
    if (side && !s->list[s->count].side)
        return NULL;
    return &s->list[s->count++];
}

static const char *side_of(const struct record *rec)
{
    return rec->type == RECORD_EGRESS_TOTAL ? rec->egress_total.side : rec->egress.side;
}

int egress_sums_take(struct egress_sums *s, const struct record *rec, struct err *err)
{
    struct egress_sum *sum;

    if (rec->type != RECORD_EGRESS_ALLOW && rec->type != RECORD_EGRESS_DENY &&
        rec->type != RECORD_EGRESS_END && rec->type != RECORD_EGRESS_TOTAL)
        return 0;
    sum = find_or_add(s, side_of(rec));
    if (!sum)
        return err_set(err, ERR_INTERNAL, "no memory for what left the sandbox");
    if (rec->type == RECORD_EGRESS_TOTAL) {
        sum->told = rec->egress_total;
        sum->told.side = NULL; /* the record's */
    } else if (rec->type == RECORD_EGRESS_END) {
        sum->ended_up = add(sum->ended_up, rec->egress.bytes_up);
        sum->ended_down = add(sum->ended_down, rec->egress.bytes_down);
    } else {
        *(rec->type == RECORD_EGRESS_ALLOW ? &sum->allowed : &sum->denied) += 1;
    }
    return 0;
}

static struct record_egress_total best(const struct egress_sum *sum)
{
    return (struct record_egress_total){
        .connections = larger(sum->allowed, sum->told.connections),
        .allowed = larger(sum->allowed, sum->told.allowed),
        .denied = larger(sum->denied, sum->told.denied),
        .bytes_up = larger(sum->ended_up, sum->told.bytes_up),
        .bytes_down = larger(sum->ended_down, sum->told.bytes_down),
    };
}

struct record_egress_total egress_sums_of(const struct egress_sums *s, const char *side)
{
    const struct egress_sum *sum = find(s, side);

    return sum ? best(sum) : (struct record_egress_total){ 0 };
}

struct record_egress_total egress_sums_told(const struct egress_sums *s, const char *side)
{
    const struct egress_sum *sum = find(s, side);

    return sum ? sum->told : (struct record_egress_total){ 0 };
}

struct record_egress_total egress_sums_all(const struct egress_sums *s)
{
    struct record_egress_total all = { 0 };

    for (size_t i = 0; i < s->count; i++) {
        struct record_egress_total one = best(&s->list[i]);

        all.connections = add(all.connections, one.connections);
        all.allowed = add(all.allowed, one.allowed);
        all.denied = add(all.denied, one.denied);
        all.bytes_up = add(all.bytes_up, one.bytes_up);
        all.bytes_down = add(all.bytes_down, one.bytes_down);
    }
    return all;
}

void egress_sums_done(struct egress_sums *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->list[i].side);
    free(s->list);
    *s = (struct egress_sums){ 0 };
}
