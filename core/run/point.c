/* SPDX-License-Identifier: MIT */
/* Points: the journal is read once, in order, and the point is where the last thing that belongs to it stood.
 */
#include "core/run/point.h"

#include "core/run/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum form { FORM_LAST, FORM_FIRST, FORM_SEQ, FORM_TURN };

struct search {
    enum form form;
    int64_t value; /* record or turn */
    /* while reading */
    uint64_t seq;       /* of the last record */
    int64_t turn;       /* the last that asked */
    int64_t checkpoint; /* the workspace is this one's, as far as it is kept */
    /* FORM_TURN: where the turn after it asked */
    bool is_found, is_open; /* open: a checkpoint of what was before may still come */
    uint64_t found_seq;
    int64_t found_checkpoint;
};

/* ---- what people write ---- */

static int bad_form(const char *text, struct err *err)
{
    (void) err_set(err, ERR_USAGE, "'%s' is no point of a run", text);
    (void) err_hint(err,
                    "RUN, RUN@first, RUN@SEQ (a record of its journal) or RUN@turn:N, as in last@turn:3");
    return -ERR_USAGE;
}

static int parse(const char *text, char name[64], struct search *ret, struct err *err)
{
    const char *at = strchr(text, '@'), *digits = at ? at + 1 : "";
    size_t len = at ? (size_t) (at - text) : strlen(text);
    char *end;

    if (len == 0 || len >= 64)
        return bad_form(text, err);
    snprintf(name, 64, "%.*s", (int) len, text);
    if (!at)
        return 0;
    ret->form = FORM_SEQ;
    if (strcmp(digits, "first") == 0) {
        ret->form = FORM_FIRST;
        return 0;
    }
    if (strncmp(digits, "turn:", 5) == 0) {
        ret->form = FORM_TURN;
        digits += 5;
    }
    if (!*digits || strlen(digits) > 18 || strspn(digits, "0123456789") != strlen(digits))
        return bad_form(text, err);
    ret->value = strtoll(digits, &end, 10);
    return ret->form == FORM_SEQ && ret->value == 0 ? bad_form(text, err) : 0;
}

/* ---- the journal ---- */

/* The turn behind the wanted one asks: what is there now is the point. Its last checkpoint may still be on
 * its way then, since a request does not wait for it; the first call does. */
static void on_request(struct search *s, const struct record *rec)
{
    s->turn = rec->request_begin.turn;
    if (s->form != FORM_TURN || s->turn != s->value + 1)
        return;
    s->is_found = s->is_open = true;
    s->found_seq = rec->seq - 1;
    s->found_checkpoint = s->checkpoint;
}

static void on_checkpoint(struct search *s, const struct record *rec)
{
    s->checkpoint = rec->checkpoint.number;
    if (!s->is_open)
        return;
    s->found_seq = rec->seq;
    s->found_checkpoint = s->checkpoint;
}

/* Turns that were undone never were. */
static void on_rollback(struct search *s, const struct record *rec)
{
    s->checkpoint = rec->rollback.checkpoint;
    s->is_open = false;
    if (s->turn > rec->rollback.turn)
        s->turn = rec->rollback.turn;
    if (s->turn <= s->value)
        s->is_found = false;
}

static void take(struct search *s, const struct record *rec)
{
    s->seq = rec->seq;
    switch (rec->type) {
    case RECORD_REQUEST_BEGIN:
        on_request(s, rec);
        break;
    case RECORD_CALL_BEGIN:
        s->is_open = false;
        break;
    case RECORD_CHECKPOINT_DONE:
        on_checkpoint(s, rec);
        break;
    case RECORD_ROLLBACK:
        on_rollback(s, rec);
        break;
    default:
        break;
    }
}

/* All of it: the store has to know what was pruned later. */
static int read_journal(struct run_point *p, struct search *s, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(p->folder, &reader, err);

    while (r >= 0 && (r = journal_next(&reader, &rec, err)) > 0) {
        if (rec.type == RECORD_CHECKPOINT_DONE)
            r = checkpoint_store_told(p->store, &rec.checkpoint, err);
        if (s->form != FORM_SEQ || rec.seq <= (uint64_t) s->value)
            take(s, &rec);
    }
    if (r == 0 && s->form == FORM_SEQ && reader.chain.seq < (uint64_t) s->value)
        r = err_set(err, ERR_NOT_FOUND, "run '%s' has only %" PRIu64 " records", p->folder->id,
                    reader.chain.seq);
    journal_close(&reader);
    return r;
}

static int settle(const struct run_point *p, struct search *s, struct err *err)
{
    if (s->form == FORM_TURN && s->is_found) {
        s->seq = s->found_seq;
        s->checkpoint = s->found_checkpoint;
    }
    if (s->form != FORM_TURN || s->is_found || s->turn >= s->value)
        return 0;
    return err_set(err, ERR_NOT_FOUND, "run '%s' has only %" PRId64 " turns", p->folder->id, s->turn);
}

/* ---- pruned or not ---- */

static bool is_there(struct checkpoint_store *store, int64_t number, struct err *err)
{
    struct listing l;
    int r = checkpoint_load(store, number, &l, err);

    if (r == 0)
        listing_done(&l);
    return r != -ERR_NOT_FOUND; /* a damaged one is there; whoever reads it will say so */
}

/* The record of the oldest checkpoint that is still there; 0 = none. */
static uint64_t find_oldest(struct run_point *p, int64_t *ret_number)
{
    struct journal_reader reader;
    struct record rec;
    uint64_t seq = 0;
    int r = journal_open(p->folder, &reader, NULL);

    while (r >= 0 && !seq && (r = journal_next(&reader, &rec, NULL)) > 0) {
        if (rec.type != RECORD_CHECKPOINT_DONE)
            continue;
        *ret_number = rec.checkpoint.number;
        if (is_there(p->store, *ret_number, NULL))
            seq = rec.seq;
    }
    journal_close(&reader);
    return seq;
}

static void hint_oldest(struct run_point *p, struct err *err)
{
    int64_t number;
    uint64_t seq = find_oldest(p, &number);

    if (seq)
        (void) err_hint(err, "the oldest one left is that of %s@%" PRIu64, p->folder->id, seq);
    else
        (void) err_hint(err, "none is left");
}

/* A run without any checkpoint has its empty workspace. */
static void settle_first(struct run_point *p, struct search *s)
{
    int64_t number = 0;
    uint64_t seq = find_oldest(p, &number);

    s->checkpoint = seq ? number : 0;
    if (seq)
        s->seq = seq;
}

static int check_there(struct run_point *p, struct err *err)
{
    struct err why = { 0 };

    if (is_there(p->store, p->checkpoint, &why))
        return 0;
    if (err)
        *err = why;
    hint_oldest(p, err);
    return -ERR_NOT_FOUND;
}

/* ---- all of it ---- */

void run_point_done(struct run_point *p)
{
    checkpoint_store_free(p->store);
    run_folder_free(p->folder);
    memset(p, 0, sizeof(*p));
}

int run_point_open(const char *text, struct run_point *ret, struct err *err)
{
    struct search search = { 0 };
    struct run_point p = { 0 };
    char name[64];
    int r = parse(text, name, &search, err);

    if (r == 0)
        r = run_folder_open(name, &p.folder, err);
    if (r == 0)
        r = checkpoint_store_new(p.folder, &p.store, err);
    if (r == 0)
        r = read_journal(&p, &search, err);
    if (r == 0)
        r = settle(&p, &search, err);
    if (r == 0 && search.form == FORM_FIRST)
        settle_first(&p, &search);
    p.seq = search.seq;
    p.checkpoint = search.checkpoint;
    p.is_turn = search.form == FORM_TURN;
    p.turn = search.value;
    if (r == 0)
        r = check_there(&p, err);
    if (r < 0)
        run_point_done(&p);
    else
        *ret = p;
    return r;
}
