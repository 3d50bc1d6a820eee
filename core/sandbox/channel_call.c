/* SPDX-License-Identifier: MIT */
/* The open requests: their order, their credit, their ends. */
#include "core/sandbox/channel_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int call_offence(struct err *err, const char *what)
{
    return err_set(err, ERR_PROTOCOL, "the sandbox's guest broke the protocol: %s", what);
}

/* ---- lists ---- */

static void unlink_call(struct channel_call *call)
{
    struct call_list *l = call->list;

    if (!l)
        return;
    *(call->prev ? &call->prev->next : &l->first) = call->next;
    *(call->next ? &call->next->prev : &l->last) = call->prev;
    call->prev = call->next = NULL;
    call->list = NULL;
}

/* Of those that are bounded by FRAME_REQUESTS. */
static bool is_counted(const struct channel_call *call)
{
    return call->list == &call->ch->open && call->kind != &ping_kind && !call->kind->is_exec;
}

void call_move(struct channel_call *call, struct call_list *to)
{
    struct channel *ch = call->ch;

    if (is_counted(call))
        ch->open_requests--;
    unlink_call(call);
    call->prev = to->last;
    *(to->last ? &to->last->next : &to->first) = call;
    to->last = call;
    call->list = to;
    call->state = to == &ch->waiting ? CALL_WAITING : to == &ch->open ? CALL_OPEN : CALL_ENDED;
    if (is_counted(call))
        ch->open_requests++;
}

struct channel_call *call_find(struct channel *ch, uint64_t stream)
{
    struct channel_call *c = ch->open.first;

    while (c && (c->stream != stream || c->kind == &ping_kind))
        c = c->next;
    return c;
}

/* ---- making and ending ---- */

struct channel_call *call_new(struct channel *ch, const struct call_kind *kind, void *data, const char *shown,
                              struct err *err)
{
    struct channel_call *call = ch->is_broken ? NULL : calloc(1, sizeof(*call));

    if (!call) {
        if (ch->is_broken)
            err_set(err, ERR_ENGINE, "sandbox lost: %s", ch->why.text);
        else
            err_set(err, ERR_INTERNAL, "no memory for a request to the sandbox");
        return NULL;
    }
    call->ch = ch;
    call->kind = kind;
    call->data = data;
    (void) snprintf(call->shown, sizeof(call->shown), "%s", shown ? shown : "");
    buf_init(&call->request, FRAME_REQUEST_MAX);
    buf_init(&call->input, CHANNEL_INPUT_MAX);
    buf_init(&call->text, FRAME_PROBE_MAX);
    return call;
}

void call_free(struct channel_call *call)
{
    if (is_counted(call))
        call->ch->open_requests--;
    unlink_call(call);
    buf_done(&call->request);
    buf_done(&call->input);
    buf_done(&call->text);
    free(call);
}

struct frame_out call_request(struct channel_call *call, size_t max)
{
    char *p = buf_reserve(&call->request, max);

    return (struct frame_out){ (uint8_t *) p, 0, p ? max : 0, !p };
}

int call_submit(struct channel_call *call, struct frame_out *request, struct channel_call **ret,
                struct err *err)
{
    struct channel *ch = call->ch;

    if (request->is_full) {
        call_free(call);
        return err_set(err, ERR_TOO_LARGE, "the request to the sandbox is larger than %d bytes",
                       FRAME_REQUEST_MAX);
    }
    buf_commit(&call->request, request->len);
    call_move(call, &ch->waiting);
    channel_soon(ch);
    if (!ch->waiting.first->next) /* nobody before us: do not wait for the loop */
        call_pump(ch);
    if (ret)
        *ret = call;
    return 0;
}

void channel_cancel(struct channel_call *call)
{
    if (!call || call->is_detached)
        return;
    call->is_detached = true;
    call->wants_room = false;
    if (call->is_calling)
        return;
    if (call->state == CALL_WAITING && call->kind == &adopt_kind) { /* it runs: taken up first, then killed */
        call->is_killed = true;
        return;
    }
    if (call->state != CALL_OPEN) {
        call_free(call);
        return;
    }
    buf_done(&call->input);
    if (call->kind->is_exec)
        channel_say(call->ch, FRAME_KILL, 0, call->stream, span_make(NULL, 0));
    else if (call->kind != &ping_kind)
        channel_say(call->ch, FRAME_CANCEL, 0, call->stream, span_make(NULL, 0));
}

/* ---- sending ---- */

static bool has_slot(const struct channel_call *call)
{
    if (call->kind == &ping_kind)
        return true;
    return call->kind->is_exec ? exec_has_room(call) : call->ch->open_requests < FRAME_REQUESTS;
}

static void send_request(struct channel_call *call)
{
    struct channel *ch = call->ch;

    if (call->kind == &adopt_kind && !channel_exec_is_known(ch, call->stream)) {
        call_move(call, &ch->ended);
        channel_soon(ch);
        return;
    }
    if (call->kind->is_exec)
        exec_sending(call);
    else
        call->stream = ch->next_stream++;
    call_move(call, &ch->open);
    if (call->kind == &ping_kind) {
        channel_ping_send(ch);
        call->stream = ch->ping_sent;
        return;
    }
    channel_say_long(ch, call->kind->type, call->stream, buf_span(&call->request), FRAME_MORE, 0);
    buf_done(&call->request);
    if (call->kind == &write_kind && call->is_ending) /* an empty file, closed before it could be opened */
        channel_say(ch, FRAME_DATA, FRAME_END, call->stream, span_make(NULL, 0));
    if (call->is_killed)
        channel_say(ch, FRAME_KILL, 0, call->stream, span_make(NULL, 0));
}

void call_pump(struct channel *ch)
{
    if (!ch->is_greeted || ch->is_broken)
        return;
    for (struct channel_call *c = ch->open.first; c && !channel_is_crowded(ch) && !ch->is_broken;
         c = c->next) {
        if (c->kind->is_exec && !c->is_detached)
            exec_pump(c);
    }
    for (struct channel_call *c = ch->waiting.first, *next; c && !channel_is_crowded(ch) && !ch->is_broken;
         c = next) {
        next = c->next;
        if (has_slot(c))
            send_request(c);
    }
    for (struct channel_call *c = ch->open.first; c; c = c->next) {
        if (c->wants_room && c->window > 0 && !channel_is_crowded(ch))
            channel_soon(ch);
        if (c->kind->is_exec && !c->is_detached && !ch->is_broken)
            exec_pump(c);
    }
}

/* ---- credit ---- */

/* Of what the guest sends. */
static uint32_t window_of(const struct channel_call *call)
{
    return call->kind->is_exec ? FRAME_WINDOW_OUTPUT : FRAME_WINDOW;
}

int call_receive(struct channel_call *call, int which, size_t len, struct err *err)
{
    if (len > window_of(call) - call->received[which])
        return call_offence(err, "more data than it has credit for");
    call->received[which] += (uint32_t) len;
    return 0;
}

void call_give_back(struct channel_call *call, int which, size_t len)
{
    uint8_t payload[5];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    call->owed[which] += (uint32_t) len;
    if (call->owed[which] < window_of(call) / 4 || call->state != CALL_OPEN || call->is_held)
        return;
    frame_put(&out, call->kind->is_exec ? (uint64_t) which + 1 : 0, 1);
    frame_put(&out, call->owed[which], 4);
    call->received[which] -= call->owed[which];
    call->owed[which] = 0;
    channel_say(call->ch, FRAME_CREDIT, 0, call->stream, span_make(payload, out.len));
}

/* The guest gives back of the window that we use. */
static int credit(struct channel_call *call, struct frame_in in, struct err *err)
{
    uint32_t max = call->kind->is_exec ? FRAME_WINDOW_STDIN : FRAME_WINDOW;
    uint64_t fd = frame_get(&in, 1);
    uint32_t bytes = (uint32_t) frame_get(&in, 4);

    if (in.is_bad || in.len > 0 || fd != 0 || bytes > max - call->window)
        return call_offence(err, "credit that was not used");
    if (!call->kind->is_exec && call->kind != &write_kind)
        return call_offence(err, "credit where none is needed");
    call->window += bytes;
    return 0;
}

/* ---- frames ---- */

static enum err_code code_of(uint8_t code)
{
    static const enum err_code codes[FRAME_CODES] = {
        [FRAME_NOT_FOUND] = ERR_NOT_FOUND, [FRAME_CONFLICT] = ERR_CONFLICT,
        [FRAME_INVALID] = ERR_INVALID,     [FRAME_IO] = ERR_IO,
        [FRAME_TOO_LARGE] = ERR_TOO_LARGE, [FRAME_CANCELED] = ERR_CANCELED,
    };

    return codes[code];
}

static void failure(const struct channel_call *call, const struct frame_done *d, struct err *ret)
{
    char text[FRAME_TEXT_MAX + 1];

    for (size_t i = 0; i < d->text_len; i++)
        text[i] = (char) (d->text[i] >= 0x20 && d->text[i] < 0x7f ? d->text[i] : '?');
    text[d->text_len] = 0;
    err_set(ret, code_of(d->code), "'%s' in the sandbox: %s", call->shown, text);
    ret->errnum = (int) d->errnum;
}

static int done(struct channel_call *call, struct frame_in in, struct err *err)
{
    struct frame_done d;
    struct err why;
    int r = 0;

    if (!frame_done_decode(&in, &d))
        return call_offence(err, "an answer that cannot be read");
    if (d.code == FRAME_CANCELED && !call->is_detached)
        return call_offence(err, "a request canceled that was not");
    if (d.code == FRAME_OK)
        r = call->kind->on_done(call, in, err);
    else if (call_is_wanted(call)) {
        failure(call, &d, &why);
        call->kind->on_fail(call, -(int) why.code, &why);
    }
    return r;
}

/* 1: the call is over. */
static int dispatch(struct channel_call *call, const struct frame *f, struct err *err)
{
    struct frame_in in = { f->payload, f->len, false };
    const struct call_kind *k = call->kind;
    int r;

    if (f->type == FRAME_CREDIT)
        return credit(call, in, err);
    if (f->type == FRAME_DONE && !k->is_exec) {
        r = done(call, in, err);
        return r < 0 ? r : 1;
    }
    if (f->type == FRAME_EXIT && k->is_exec) {
        r = exec_exit(call, in, err);
        return r < 0 ? r : 1;
    }
    if (f->type == FRAME_HOLE && k->on_hole)
        return k->on_hole(call, in, err);
    if (f->type == FRAME_ENTRIES && k->on_entries)
        return k->on_entries(call, in, err);
    if ((f->type == FRAME_DATA || f->type == FRAME_OUTPUT) && k->on_data &&
        (f->type == FRAME_OUTPUT) == k->is_exec)
        return k->on_data(call, in, err);
    return call_offence(err, "a frame that does not belong to its request");
}

int call_frame(struct channel *ch, const struct frame *f, struct err *err)
{
    struct channel_call *call = call_find(ch, f->stream);
    int r;

    if (!call)
        return call_offence(err, "an answer to nothing");
    call->is_calling = true;
    r = dispatch(call, f, err);
    call->is_calling = false;
    if (ch->is_freed || r < 0)
        return r;
    if (r == 1)
        call_free(call);
    else if (call->is_detached && call->state == CALL_OPEN &&
             !ch->is_broken) { /* canceled in there: now for real */
        call->is_detached = false;
        channel_cancel(call);
    }
    return 0;
}

/* ---- telling owners, from the loop ---- */

void call_lose_all(struct channel *ch)
{
    struct call_list *lists[] = { &ch->open, &ch->waiting };

    for (size_t i = 0; i < 2; i++) {
        for (struct channel_call *c = lists[i]->first, *next; c; c = next) {
            next = c->next;
            c->wants_room = false;
            if (c->is_detached && !c->is_calling)
                call_free(c);
            else
                call_move(c, &ch->ended);
        }
    }
}

static void tell(struct channel_call *call)
{
    struct channel *ch = call->ch;
    struct frame_in empty = { NULL, 0, false };
    struct err lost;

    if (call->is_detached)
        return;
    if (call->kind == &ping_kind && !ch->is_broken) {
        (void) call->kind->on_done(call, empty, NULL);
        return;
    }
    if (call->kind == &adopt_kind && !ch->is_broken) {
        err_set(&lost, ERR_NOT_FOUND, "the sandbox does not know command %llu",
                (unsigned long long) call->stream);
        call->kind->on_fail(call, -ERR_NOT_FOUND, &lost);
        return;
    }
    err_set(&lost, ERR_ENGINE, "sandbox lost: %s", ch->why.text);
    call->kind->on_fail(call, -ERR_ENGINE, &lost);
}

bool call_tell_ended(struct channel *ch)
{
    for (;;) {
        struct channel_call *call = ch->ended.first;

        while (call && call->is_calling) /* we are inside its owner's function already */
            call = call->next;
        if (!call)
            return true;
        call->is_calling = true;
        tell(call);
        if (ch->is_freed)
            return false;
        call_free(call);
    }
}

bool call_tell_room(struct channel *ch)
{
    for (struct channel_call *c = ch->open.first, *next; c && !channel_is_crowded(ch); c = next) {
        next = c->next;
        if (!c->wants_room || c->window == 0)
            continue;
        c->wants_room = false;
        c->is_calling = true;
        c->to.write->on_room(c->data);
        if (ch->is_freed)
            return false;
        c->is_calling = false;
        next = c->next; /* the owner may have opened or canceled others; none of the open ones was freed */
        if (c->list == &ch->ended)
            return true; /* broken meanwhile: all are there now */
        if (c->is_detached) {
            c->is_detached = false;
            channel_cancel(c);
        }
    }
    return true;
}
