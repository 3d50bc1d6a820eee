/* SPDX-License-Identifier: MIT */
/* `agentbox egress RUN`: what left the sandbox and what was refused, by host, from the journal. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/units.h"
#include "core/run/egress_sums.h"
#include "core/run/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EGRESS_TEXT_MAX (64 * 1024 * 1024)
#define CALLS_SHOWN     8

/* One request, or tunnel, that wanted out. */
struct request {
    struct record_egress begin, end; /* texts are in the arena */
    bool is_allowed, has_ended;
};

/* All of them to one place. */
struct place {
    const char *host;
    int64_t port;
    int64_t allowed, denied, bytes_up, bytes_down;
    const char *reason, *allow; /* of the last that was denied */
    int64_t first, last_denied; /* numbers of requests */
    int64_t calls[CALLS_SHOWN], last_call;
    size_t call_count; /* may be more than are kept */
};

struct egress {
    struct request *requests; /* by number */
    size_t count, cap;
    struct place *places; /* in the order of their first request */
    size_t place_count, place_cap;
    struct egress_sums sums;
    bool has_total;
    struct arena arena;
};

/* ---- from the journal ---- */

static int grow(void **list, size_t *cap, size_t count, size_t size, struct err *err)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *grown = count < *cap ? *list : realloc(*list, more * size);

    if (!grown)
        return err_set(err, ERR_INTERNAL, "no memory for what left the sandbox");
    if (count == *cap)
        *cap = more;
    *list = grown;
    return 0;
}

static const char *keep(struct egress *e, const char *text)
{
    return text ? arena_text(&e->arena, text) : NULL;
}

static struct record_egress copy(struct egress *e, const struct record_egress *from)
{
    struct record_egress to = *from;

    to.side = keep(e, from->side);
    to.method = keep(e, from->method);
    to.host = keep(e, from->host);
    to.rule = keep(e, from->rule);
    to.reason = keep(e, from->reason);
    to.allow = keep(e, from->allow);
    to.address = keep(e, from->address);
    return to;
}

static int add_request(struct egress *e, const struct record *rec, struct err *err)
{
    void *list = e->requests;
    int r = grow(&list, &e->cap, e->count, sizeof(*e->requests), err);

    e->requests = list;
    if (r == 0)
        e->requests[e->count++] = (struct request){ .begin = copy(e, &rec->egress),
                                                    .is_allowed = rec->type == RECORD_EGRESS_ALLOW };
    return r;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = ((const struct request *) b)->begin.number;

    return x < y ? -1 : x > y;
}

static void end_request(struct egress *e, const struct record_egress *end)
{
    struct request *r = bsearch(&end->number, e->requests, e->count, sizeof(*e->requests), by_number);

    if (!r)
        return;
    r->end = copy(e, end);
    r->has_ended = true;
    if (end->is_denied)
        r->is_allowed = false;
}

static int take(struct egress *e, const struct record *rec, struct err *err)
{
    int r = egress_sums_take(&e->sums, rec, err);

    if (r < 0)
        return r;
    switch ((int) rec->type) {
    case RECORD_EGRESS_ALLOW:
    case RECORD_EGRESS_DENY:
        return add_request(e, rec, err);
    case RECORD_EGRESS_END:
        end_request(e, &rec->egress);
        return 0;
    case RECORD_EGRESS_TOTAL:
        e->has_total = true;
        return 0;
    default:
        return 0;
    }
}

static int read_journal(struct run_folder *folder, struct egress *e, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(folder, &reader, err);

    if (r < 0)
        return r;
    while ((r = journal_next(&reader, &rec, err)) > 0) {
        r = take(e, &rec, err);
        if (r < 0)
            break;
    }
    journal_close(&reader);
    return r;
}

/* ---- by place ---- */

static const char *text_of(const char *text)
{
    return text ? text : "";
}

/* By place, and in it by call. */
static int by_place(const void *a, const void *b)
{
    const struct record_egress *x = &(*(const struct request *const *) a)->begin;
    const struct record_egress *y = &(*(const struct request *const *) b)->begin;
    int r = strcmp(text_of(x->host), text_of(y->host));

    if (r == 0)
        r = (x->port > y->port) - (x->port < y->port);
    if (r == 0)
        r = (x->call > y->call) - (x->call < y->call);
    return r ? r : (x->number > y->number) - (x->number < y->number);
}

static int by_first(const void *a, const void *b)
{
    int64_t x = ((const struct place *) a)->first, y = ((const struct place *) b)->first;

    return (x > y) - (x < y);
}

static bool is_at(const struct place *p, const struct request *r)
{
    return p->port == r->begin.port && strcmp(p->host, text_of(r->begin.host)) == 0;
}

/* That of the request before, or the next one. */
static struct place *place_of(struct egress *e, const struct request *r, struct err *err)
{
    void *list = e->places;

    if (e->place_count > 0 && is_at(&e->places[e->place_count - 1], r))
        return &e->places[e->place_count - 1];
    if (grow(&list, &e->place_cap, e->place_count, sizeof(*e->places), err) < 0)
        return NULL;
    e->places = list;
    e->places[e->place_count] =
        (struct place){ .host = text_of(r->begin.host), .port = r->begin.port, .first = r->begin.number };
    return &e->places[e->place_count++];
}

/* Calls come in their order. */
static void add_call(struct place *p, int64_t call)
{
    if (p->call_count > 0 && p->last_call == call)
        return;
    p->last_call = call;
    if (p->call_count < CALLS_SHOWN)
        p->calls[p->call_count] = call;
    p->call_count++;
}

/* A journal may say anything: more than can be counted is the most that can. */
static void add_bytes(int64_t *sum, int64_t more)
{
    if (__builtin_add_overflow(*sum, more, sum))
        *sum = INT64_MAX;
}

static void add_to(struct place *p, const struct request *r)
{
    p->allowed += r->is_allowed;
    p->denied += !r->is_allowed;
    add_bytes(&p->bytes_up, r->end.bytes_up);
    add_bytes(&p->bytes_down, r->end.bytes_down);
    if (r->begin.number < p->first)
        p->first = r->begin.number;
    if (!r->is_allowed && r->begin.number > p->last_denied) {
        p->last_denied = r->begin.number;
        p->reason = r->has_ended ? r->end.reason : r->begin.reason;
        p->allow = r->has_ended ? r->end.allow : r->begin.allow;
    }
    add_call(p, r->begin.call);
}

static int sum_up(struct egress *e, struct err *err)
{
    const struct request **order = calloc(e->count + 1, sizeof(*order));
    struct place *p;

    if (!order)
        return err_set(err, ERR_INTERNAL, "no memory for what left the sandbox");
    for (size_t i = 0; i < e->count; i++)
        order[i] = &e->requests[i];
    qsort(order, e->count, sizeof(*order), by_place);
    for (size_t i = 0; i < e->count; i++) {
        p = place_of(e, order[i], err);
        if (!p) {
            free(order);
            return -ERR_INTERNAL;
        }
        add_to(p, order[i]);
    }
    free(order);
    if (e->place_count > 0)
        qsort(e->places, e->place_count, sizeof(*e->places), by_first);
    return 0;
}

/* ---- JSON ---- */

static void json_place(struct json_writer *w, const struct place *p)
{
    json_object(w);
    json_put_string(w, "host", p->host);
    json_put_int(w, "port", p->port);
    json_put_int(w, "allowed", p->allowed);
    json_put_int(w, "denied", p->denied);
    json_put_int(w, "bytes_up", p->bytes_up);
    json_put_int(w, "bytes_down", p->bytes_down);
    json_put_string(w, "reason", p->reason);
    json_put_string(w, "allow", p->allow);
    json_object_end(w);
}

static void json_request(struct json_writer *w, const struct request *r)
{
    const struct record_egress *e = r->has_ended ? &r->end : &r->begin;

    json_object(w);
    json_put_int(w, "number", r->begin.number);
    json_put_string(w, "sandbox", r->begin.side);
    json_put_int(w, "call", r->begin.call);
    json_put_bool(w, "allowed", r->is_allowed);
    json_put_bool(w, "ended", r->has_ended || !r->is_allowed);
    json_put_string(w, "method", r->begin.method);
    json_put_string(w, "host", r->begin.host);
    json_put_int(w, "port", r->begin.port);
    json_put_string(w, "rule", r->begin.rule);
    json_put_string(w, "reason", e->reason);
    json_put_string(w, "address", e->address);
    json_put_int(w, "status", e->status);
    json_put_int(w, "bytes_up", e->bytes_up);
    json_put_int(w, "bytes_down", e->bytes_down);
    json_put_int(w, "duration_ms", e->duration_ms);
    json_object_end(w);
}

static void json_total(struct json_writer *w, const struct egress *e)
{
    const struct record_egress_total all = egress_sums_all(&e->sums);

    if (!e->has_total)
        return;
    json_key(w, "total");
    json_object(w);
    json_put_int(w, "connections", all.connections);
    json_put_int(w, "allowed", all.allowed);
    json_put_int(w, "denied", all.denied);
    json_put_int(w, "bytes_up", all.bytes_up);
    json_put_int(w, "bytes_down", all.bytes_down);
    json_object_end(w);
}

/* Each has its own: `agentbox egress ID/CALL`. */
static int json_agents(struct json_writer *w, const struct run_folder *folder, struct err *err)
{
    char id[RUN_ID_SIZE + 16], **keys;
    size_t count;
    int r = run_folder_children(folder, &keys, &count, err);

    json_key(w, "agents");
    json_array(w);
    for (size_t i = 0; i < count; i++) {
        (void) snprintf(id, sizeof(id), "%s/%s", folder->id, keys[i]);
        json_string(w, id);
    }
    json_array_end(w);
    run_folder_list_free(keys, count);
    return r;
}

static int show_json(const struct egress *e, const struct run_folder *folder, struct buf *out,
                     struct err *err)
{
    struct json_writer w;
    int r;

    report_begin(&w, out);
    json_put_string(&w, "run", folder->id);
    r = json_agents(&w, folder, err);
    if (r < 0)
        return r;
    json_total(&w, e);
    json_key(&w, "hosts");
    json_array(&w);
    for (size_t i = 0; i < e->place_count; i++)
        json_place(&w, &e->places[i]);
    json_array_end(&w);
    json_key(&w, "requests");
    json_array(&w);
    for (size_t i = 0; i < e->count; i++)
        json_request(&w, &e->requests[i]);
    json_array_end(&w);
    return report_end(&w, err);
}

/* ---- text ---- */

/* "api.github.com:443", cleaned; "(unreadable request)" when it did not come that far. */
static void put_place(struct buf *out, const struct place *p)
{
    size_t before = out->len;

    if (!p->host[0])
        (void) buf_add_text(out, "(no valid host)");
    else
        (void) term_line(out, span_of(p->host));
    if (p->host[0] && p->port > 0)
        (void) buf_printf(out, ":%lld", (long long) p->port);
    while (out->len - before < 40 && buf_add_char(out, ' ') == 0)
        ;
}

static void put_calls(struct buf *out, const struct place *p)
{
    (void) buf_add_text(out, "  call ");
    for (size_t i = 0; i < p->call_count && i < CALLS_SHOWN; i++) {
        (void) buf_add_text(out, i > 0 ? ", " : "");
        if (p->calls[i] > 0)
            (void) buf_printf(out, "%lld", (long long) p->calls[i]);
        else
            (void) buf_add_text(out, "?");
    }
    if (p->call_count > CALLS_SHOWN)
        (void) buf_add_text(out, " ...");
    (void) buf_add_char(out, '\n');
}

static void put_reason(struct buf *out, const struct place *p)
{
    if (!p->reason)
        return;
    (void) buf_add_text(out, "    ");
    (void) term_line(out, span_of(p->reason));
    (void) buf_add_char(out, '\n');
}

static void put_advice(struct buf *out, const struct egress *e)
{
    bool is_first = true;

    for (size_t i = 0; i < e->place_count; i++) {
        const struct place *p = &e->places[i];

        if (!p->allow)
            continue;
        if (is_first)
            (void) buf_add_text(out, "\nto allow what was denied, in the manifest:\nnetwork:\n  allow:\n");
        is_first = false;
        (void) buf_add_text(out, "    - \"");
        (void) term_line(out, span_of(p->allow));
        (void) buf_add_text(out, "\"\n");
    }
}

static void show_text(const struct egress *e, struct buf *out)
{
    const struct record_egress_total all = egress_sums_all(&e->sums);
    char up[32], down[32];

    if (e->place_count == 0) {
        (void) buf_add_text(out, "nothing left the sandbox, and nothing was denied\n");
        return;
    }
    (void) buf_printf(out, "%-40s %7s %7s %10s %10s\n", "HOST", "ALLOWED", "DENIED", "UP", "DOWN");
    for (size_t i = 0; i < e->place_count; i++) {
        const struct place *p = &e->places[i];

        put_place(out, p);
        (void) buf_printf(out, " %7lld %7lld %10s %10s", (long long) p->allowed, (long long) p->denied,
                          units_format_size(up, p->bytes_up), units_format_size(down, p->bytes_down));
        put_calls(out, p);
        put_reason(out, p);
    }
    if (e->has_total)
        (void) buf_printf(out, "\n%lld connection%s, %lld allowed, %lld denied, %s up, %s down\n",
                          (long long) all.connections, all.connections == 1 ? "" : "s",
                          (long long) all.allowed, (long long) all.denied,
                          units_format_size(up, all.bytes_up), units_format_size(down, all.bytes_down));
    put_advice(out, e);
}

/* ---- the run and its subagents ---- */

static int look(const struct options *opts, struct run_folder *folder, struct buf *out, struct err *err)
{
    struct egress e = { .arena = ARENA_INIT(EGRESS_TEXT_MAX) };
    int r = read_journal(folder, &e, err);

    if (r == 0)
        r = sum_up(&e, err);
    if (r == 0 && opts->json)
        r = show_json(&e, folder, out, err);
    else if (r == 0)
        show_text(&e, out);
    free(e.requests);
    free(e.places);
    egress_sums_done(&e.sums);
    arena_done(&e.arena);
    return r;
}

/* Each with its own, below its name. */
static int look_below(const struct options *opts, struct run_folder *folder, struct buf *out, struct err *err)
{
    char **keys;
    size_t count;
    int r = run_folder_children(folder, &keys, &count, err);

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct run_folder *child = NULL;

        r = run_folder_open_child(folder, keys[i], &child, err);
        if (r == 0)
            r = buf_printf(out, "\n%s:\n", child->id);
        if (r == 0)
            r = look(opts, child, out, err);
        if (r == 0)
            r = look_below(opts, child, out, err);
        run_folder_free(child);
    }
    run_folder_list_free(keys, count);
    return r;
}

int verb_egress(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(EGRESS_TEXT_MAX);
    struct run_folder *folder = NULL;
    int r = run_folder_open(opts->args[0], &folder, err);

    if (r == 0)
        r = look(opts, folder, &out, err);
    if (r == 0 && !opts->json)
        r = look_below(opts, folder, &out, err);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    run_folder_free(folder);
    buf_done(&out);
    return r;
}
