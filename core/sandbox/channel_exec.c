/* SPDX-License-Identifier: MIT */
/* Commands. */
#include "core/sandbox/channel_impl.h"

#include <stdio.h>
#include <string.h>

/* ---- what the guest knows ---- */

static struct exec_slot *slot_find(const struct channel *ch, uint64_t id)
{
    for (size_t i = 0; i < ch->slot_count; i++) {
        if (ch->slots[i].id == id)
            return (struct exec_slot *) &ch->slots[i];
    }
    return NULL;
}

static void slot_add(struct channel *ch, uint64_t id, bool has_ended)
{
    if (!slot_find(ch, id) && ch->slot_count < CHANNEL_EXECS)
        ch->slots[ch->slot_count++] = (struct exec_slot){ .id = id, .has_ended = has_ended };
}

static void slot_drop(struct channel *ch, struct exec_slot *slot)
{
    *slot = ch->slots[--ch->slot_count];
}

void exec_greet(struct channel *ch)
{
    for (int i = 0; i < ch->hello.execs; i++) {
        struct exec_slot *slot;

        slot_add(ch, ch->hello.exec_id[i], ch->hello.exec_state[i] & FRAME_EXEC_ENDED);
        slot = slot_find(ch, ch->hello.exec_id[i]);
        slot->reads = ch->hello.exec_state[i] & FRAME_EXEC_READS;
        slot->input = ch->hello.exec_input[i];
    }
}

/* The one whose place it takes, if it is still there to be taken. */
static struct exec_slot *slot_instead(const struct channel_call *call)
{
    struct exec_slot *slot = call->takes_over ? slot_find(call->ch, call->instead) : NULL;

    return slot && slot->has_ended ? slot : NULL;
}

bool exec_has_room(const struct channel_call *call)
{
    return call->kind == &adopt_kind || slot_instead(call) || call->ch->slot_count < FRAME_EXECS;
}

void exec_sending(struct channel_call *call)
{
    struct exec_slot *slot = slot_find(call->ch, call->stream), *instead = slot_instead(call);

    if (call->kind == &adopt_kind) {
        slot->has_ended = false; /* until we hear of it */
        call->has_input = slot->reads;
    } else {
        call->takes_over = instead != NULL;
        if (instead)
            slot_drop(call->ch, instead);
        slot_add(call->ch, call->stream, false);
    }
}

void channel_exec_release(struct channel *ch, uint64_t id)
{
    struct exec_slot *slot = slot_find(ch, id);

    if (!slot || !slot->has_ended)
        return;
    slot_drop(ch, slot);
    channel_say(ch, FRAME_RELEASE, 0, id, span_make(NULL, 0));
}

size_t channel_exec_ended(const struct channel *ch, uint64_t *ret_ids, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < ch->slot_count && count < max; i++) {
        if (ch->slots[i].has_ended)
            ret_ids[count++] = ch->slots[i].id;
    }
    return count;
}

size_t channel_exec_list(const struct channel *ch, uint64_t *ret_ids, size_t max)
{
    size_t count = ch->slot_count < max ? ch->slot_count : max;

    for (size_t i = 0; i < count; i++)
        ret_ids[i] = ch->slots[i].id;
    return count;
}

bool channel_exec_is_known(const struct channel *ch, uint64_t id)
{
    return slot_find(ch, id) != NULL;
}

int channel_exec_room(const struct channel *ch)
{
    int room = FRAME_EXECS - (int) ch->slot_count;

    for (const struct channel_call *c = ch->waiting.first; c; c = c->next)
        room -= c->kind == &exec_kind && !slot_instead(c);
    return room < 0 ? 0 : room;
}

bool channel_had_memory_hit(const struct channel *ch)
{
    return ch->had_memory_hit;
}

uint64_t channel_exec_last_input(const struct channel *ch, uint64_t id)
{
    const struct exec_slot *slot = slot_find(ch, id);

    return slot ? slot->input : 0;
}

/* ---- ends ---- */

/* Linux' numbers, which a guest uses whatever the host is. */
static const char *linux_error(uint32_t errnum)
{
    static const struct {
        uint32_t number;
        const char *text;
    } rows[] = {
        { 1, "not permitted" },
        { 2, "no such file or directory" },
        { 5, "input/output error" },
        { 7, "argument list too long" },
        { 8, "not a program" },
        { 11, "too many processes or commands" },
        { 12, "out of memory" },
        { 13, "permission denied" },
        { 17, "its number is in use" },
        { 20, "not a directory" },
        { 21, "is a directory" },
        { 22, "invalid request" },
        { 23, "too many open files" },
        { 24, "too many open files" },
        { 26, "the program is being written" },
        { 28, "no space left" },
        { 36, "name too long" },
        { 38, "not supported" },
        { 40, "too many levels of symbolic links" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].number == errnum)
            return rows[i].text;
    }
    return NULL;
}

static void failure_text(const struct channel_call *call, const struct frame_exit *x, char *ret, size_t size)
{
    const char *why = linux_error(x->errnum);
    char number[32];

    (void) snprintf(number, sizeof(number), "error %u", x->errnum);
    if (x->step == FRAME_STEP_CHDIR)
        (void) snprintf(ret, size, "folder '%s': %s", call->cwd, why ? why : number);
    else
        (void) snprintf(ret, size, "starting '%s'%s: %s", call->shown, call->alternative, why ? why : number);
}

_Static_assert((int) EXEC_PLACES == FRAME_PLACES && (int) EXEC_WORKSPACE == FRAME_PLACE_ROOT &&
                   (int) EXEC_TMP == FRAME_PLACE_TMP && (int) EXEC_SHM == FRAME_PLACE_SHM,
               "the same places");

static void tell_exit(struct channel_call *call, const struct frame_exit *x)
{
    static const enum exec_end ends[] = {
        [FRAME_EXIT_EXITED] = EXEC_EXITED,   [FRAME_EXIT_SIGNALED] = EXEC_SIGNALED,
        [FRAME_EXIT_TIMEOUT] = EXEC_TIMEOUT, [FRAME_EXIT_KILLED] = EXEC_KILLED,
        [FRAME_EXIT_FAILED] = EXEC_FAILED,
    };
    char text[CHANNEL_PATH_SHOWN + 128];
    struct exec_result result = {
        .end = ends[x->end],
        .code = (int) x->code,
        .errnum = (int) x->errnum,
        .stdout_bytes = x->written[0],
        .stderr_bytes = x->written[1],
        .duration_us = (int64_t) x->duration_us,
        .memory_hit = x->hits & FRAME_HIT_MEMORY,
        .pids_hit = x->hits & FRAME_HIT_PIDS,
        .was_swept = x->hits & FRAME_HIT_SWEPT,
        .cpu_hit = x->hits & FRAME_HIT_CPU,
        .files_max = x->files,
    };

    for (int i = 0; i < EXEC_PLACES; i++) {
        result.bytes_hit[i] = x->hits & (FRAME_HIT_BYTES << i);
        result.files_hit[i] = x->hits & (FRAME_HIT_FILES << i);
        result.was_full[i] = x->hits & (FRAME_HIT_BEFORE << i);
    }

    if (x->end == FRAME_EXIT_FAILED) {
        failure_text(call, x, text, sizeof(text));
        result.text = text;
        result.is_missing = x->step == FRAME_STEP_EXEC && x->errnum == 2; /* ENOENT of Linux */
    }
    if (call_is_wanted(call))
        call->to.exec->on_exit(call->data, &result);
}

static void on_fail(struct channel_call *call, int r, const struct err *why)
{
    struct exec_result result = { .end = EXEC_LOST, .text = why->text };

    (void) r;
    call->to.exec->on_exit(call->data, &result);
}

/* Refused: it has no slot in the guest, and the one whose place it was to take still has. Else it has ended.
 */
static void slot_end(struct channel_call *call, const struct frame_exit *x)
{
    struct channel *ch = call->ch;
    struct exec_slot *slot = slot_find(ch, call->stream);
    bool is_refused =
        x->end == FRAME_EXIT_FAILED && (x->step == FRAME_STEP_TABLE || x->step == FRAME_STEP_REQUEST);

    if (slot && !is_refused)
        slot->has_ended = true;
    if (!slot || !is_refused || x->errnum == 17) /* EEXIST of Linux: the number is another's */
        return;
    slot_drop(ch, slot);
    if (call->takes_over)
        slot_add(ch, call->instead, true);
}

int exec_exit(struct channel_call *call, struct frame_in in, struct err *err)
{
    struct channel *ch = call->ch;
    struct frame_exit x;
    struct err lost;

    if (!frame_exit_decode(in, &x))
        return call_offence(err, "an exit that cannot be read");
    if (x.written[0] < call->at[0] || x.written[1] < call->at[1])
        return call_offence(err, "a command that wrote less than it did");
    slot_end(call, &x);
    ch->had_memory_hit |= x.hits & FRAME_HIT_MEMORY;
    if (call->kind == &adopt_kind && x.end == FRAME_EXIT_FAILED && x.step == FRAME_STEP_TABLE) {
        err_set(&lost, ERR_NOT_FOUND, "the sandbox does not know command %llu",
                (unsigned long long) call->stream);
        if (call_is_wanted(call))
            on_fail(call, -ERR_NOT_FOUND, &lost);
    } else
        tell_exit(call, &x);
    if (!ch->is_freed && call->is_detached) /* nobody wants it */
        channel_exec_release(ch, call->stream);
    return 1;
}

static int on_output(struct channel_call *call, struct frame_in in, struct err *err)
{
    uint64_t fd = frame_get(&in, 1), at = frame_get(&in, 8), gap;
    int i = (int) fd - 1;

    if (in.is_bad || in.len == 0 || fd < 1 || fd > 2 || at < call->at[i] || at > INT64_MAX)
        return call_offence(err, "output that cannot be read");
    if (call_receive(call, i, in.len, err) < 0)
        return -ERR_PROTOCOL;
    call->delivered[i] += in.len;
    if (call->delivered[i] > call->delivered_max)
        return call_offence(err, "more output than was asked for");
    gap = at - call->at[i];
    call->at[i] = at + in.len;
    if (call_is_wanted(call) && call->to.exec->on_output)
        call->to.exec->on_output(call->data, (int) fd, span_make(in.p, in.len), gap);
    if (!call->ch->is_freed)
        call_give_back(call, i, in.len);
    return 0;
}

const struct call_kind exec_kind = {
    .type = FRAME_EXEC, .is_exec = true, .on_data = on_output, .on_fail = on_fail
};
const struct call_kind adopt_kind = {
    .type = FRAME_ADOPT, .is_exec = true, .on_data = on_output, .on_fail = on_fail
};

/* ---- starting ---- */

static size_t strings_len(const char *const *list, uint32_t *ret_count)
{
    size_t len = 0;

    for (*ret_count = 0; list && list[*ret_count]; (*ret_count)++)
        len += strlen(list[*ret_count]) + 1;
    return len;
}

static void strings_put(struct frame_out *out, const char *const *list)
{
    for (; list && *list; list++)
        frame_put_bytes(out, *list, strlen(*list) + 1);
}

static bool is_open(struct channel *ch, uint64_t id)
{
    struct call_list *lists[] = { &ch->open, &ch->waiting };

    for (size_t i = 0; i < 2; i++) {
        for (struct channel_call *c = lists[i]->first; c; c = c->next) {
            if (c->kind->is_exec && c->stream == id)
                return true;
        }
    }
    return false;
}

static int request_check(struct channel *ch, const struct exec_request *req, const struct frame_exec *x,
                         struct err *err)
{
    if (req->id >= FRAME_STREAM_FILES)
        return err_set(err, ERR_INVALID, "command number %llu is out of range", (unsigned long long) req->id);
    if (is_open(ch, req->id))
        return err_set(err, ERR_CONFLICT, "command %llu runs already", (unsigned long long) req->id);
    if (slot_find(ch, req->id))
        return err_set(err, ERR_CONFLICT, "command %llu has run already", (unsigned long long) req->id);
    if (x->argc == 0)
        return err_set(err, ERR_INVALID, "a command without a program");
    if (x->argc > FRAME_ARGS_MAX || x->envc > FRAME_ARGS_MAX)
        return err_set(err, ERR_TOO_LARGE, "a command with more than %d arguments or variables",
                       FRAME_ARGS_MAX);
    if (strlen(x->alternative) >= FRAME_PATH_MAX)
        return err_set(err, ERR_TOO_LARGE, "the path of a program is longer than %d bytes",
                       FRAME_PATH_MAX - 1);
    if (strlen(x->cwd) >= FRAME_PATH_MAX)
        return err_set(err, ERR_TOO_LARGE, "the path of a command's folder is longer than %d bytes",
                       FRAME_PATH_MAX - 1);
    if (req->input.len > CHANNEL_INPUT_MAX)
        return err_set(err, ERR_TOO_LARGE, "the input of a command is larger than %d bytes",
                       CHANNEL_INPUT_MAX);
    return 0;
}

static int64_t clamp(int64_t value, int64_t max)
{
    return value < 0 ? 0 : value > max ? max : value;
}

static struct channel_call *exec_new(struct channel *ch, const struct call_kind *kind, uint64_t id,
                                     const char *shown, const struct exec_ops *ops, void *data,
                                     struct err *err)
{
    struct channel_call *call = call_new(ch, kind, data, shown, err);

    if (!call)
        return NULL;
    call->stream = id;
    call->to.exec = ops;
    call->delivered_max = UINT64_MAX;
    return call;
}

static int input_copy(struct channel_call *call, const struct exec_request *req, struct err *err)
{
    call->has_input = req->keep_input || req->tty || req->input.len > 0;
    call->is_ending = call->has_input && !req->keep_input && !req->tty;
    call->window = call->has_input ? FRAME_WINDOW_STDIN : 0;
    call->input_max = req->input_max;
    buf_init(&call->input, CHANNEL_INPUT_MAX + req->input_max);
    if (buf_add_span(&call->input, req->input) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for the input of a command");
    return 0;
}

static uint32_t tty_size(const struct exec_request *req)
{
    return (uint32_t) clamp(req->rows, FRAME_TTY_MAX) << FRAME_EXEC_ROWS |
           (uint32_t) clamp(req->cols, FRAME_TTY_MAX) << FRAME_EXEC_COLS;
}

int channel_exec(struct channel *ch, const struct exec_request *req, const struct exec_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    struct frame_exec x = {
        .flags = (req->tty ? FRAME_EXEC_TTY | tty_size(req) : 0) |
                 (req->keep_input || req->input.len > 0 ? FRAME_EXEC_INPUT : 0) |
                 (req->takes_over ? FRAME_EXEC_INSTEAD : 0),
        .instead = req->instead,
        .timeout_ms = clamp(req->timeout_ms, INT64_MAX / 1000000),
        .output_max = (uint64_t) clamp(req->output_max, INT64_MAX / 2),
        .tail_max = (uint32_t) clamp(req->tail_max, FRAME_TAIL_MAX),
        .cwd = req->cwd ? req->cwd : "",
        .alternative = req->alternative ? req->alternative : "",
    };
    size_t len = strings_len(req->argv, &x.argc) + strings_len(req->env, &x.envc) + strlen(x.cwd) +
                 strlen(x.alternative) + 64;
    int r = request_check(ch, req, &x, err);
    struct channel_call *call =
        r < 0 ? NULL : exec_new(ch, &exec_kind, req->id, req->argv[0], ops, data, err);

    if (!call)
        return r < 0 ? r : -(int) (ch->is_broken ? ERR_ENGINE : ERR_INTERNAL);
    (void) snprintf(call->cwd, sizeof(call->cwd), "%s", x.cwd);
    if (req->alternative)
        (void) snprintf(call->alternative, sizeof(call->alternative), " or '%.64s'", req->alternative);
    call->delivered_max = x.output_max + x.tail_max;
    call->takes_over = req->takes_over;
    call->instead = req->instead;
    r = input_copy(call, req, err);
    if (r < 0) {
        call_free(call);
        return r;
    }
    struct frame_out out = call_request(call, len);

    frame_exec_encode(&out, &x);
    strings_put(&out, req->argv);
    strings_put(&out, req->env);
    return call_submit(call, &out, ret, err);
}

/* ---- input ---- */

void exec_pump(struct channel_call *call)
{
    size_t left = call->input.len - call->input_sent;
    size_t n = left < call->window ? left : call->window;
    const struct span none = { NULL, 0 };
    bool is_last = call->is_ending && n == left;

    if (call->state != CALL_OPEN || !call->has_input || (n == 0 && !is_last))
        return;
    channel_say_long(call->ch, FRAME_DATA, call->stream,
                     n > 0 ? span_make(call->input.data + call->input_sent, n) : none, 0,
                     is_last ? FRAME_END : 0);
    call->window -= (uint32_t) n;
    call->input_sent += n;
    if (is_last)
        call->has_input = false;
    if (call->input_sent == call->input.len) {
        buf_done(&call->input);
        call->input_sent = 0;
    }
}

int channel_exec_write(struct channel_call *call, struct span input, bool eof, struct err *err)
{
    size_t waiting = call->input.len - call->input_sent;
    size_t max = call->input_max ? call->input_max : CHANNEL_WRITE_MAX;

    if (!call->has_input || call->is_ending)
        return err_set(err, ERR_CONFLICT, "the input of '%s' is closed", call->shown);
    if (call->state == CALL_ENDED || call->ch->is_broken)
        return err_set(err, ERR_ENGINE, "sandbox lost: %s", call->ch->why.text);
    if (input.len > max || waiting > max - input.len)
        return err_set(err, ERR_TOO_LARGE, "'%s' does not read its input: more than %zu bytes wait",
                       call->shown, max);
    if (call->input_sent > 0) {
        buf_drop(&call->input, call->input_sent);
        call->input_sent = 0;
    }
    if (buf_add_span(&call->input, input) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for the input of '%s'", call->shown);
    call->is_ending = eof;
    exec_pump(call);
    return 0;
}

int channel_exec_write_numbered(struct channel_call *call, uint64_t number, struct span input,
                                struct err *err)
{
    struct exec_slot *slot = slot_find(call->ch, call->stream);
    struct buf both = BUF_INIT(FRAME_PAYLOAD_MAX);
    char le[8];
    bool needs_pad, is_whole, is_interrupt = !call->has_input && span_is(input, "\003");

    for (int i = 0; i < 8; i++)
        le[i] = (char) (uint8_t) (number >> (8 * i));
    is_whole = buf_add(&both, le, 8) == 0 && buf_add_span(&both, input) == 0 &&
               frame_cut((const uint8_t *) both.data, both.len, &needs_pad) == both.len;
    if (!is_whole || call->state != CALL_OPEN || call->ch->is_broken ||
        (!is_interrupt && (!call->has_input || call->is_ending || call->input.len > call->input_sent ||
                           input.len > call->window))) {
        buf_done(&both);
        return channel_exec_write(call, input, false, err);
    }
    channel_say(call->ch, FRAME_INPUT, 0, call->stream, buf_span(&both));
    buf_done(&both);
    call->window -= is_interrupt ? 0 : (uint32_t) input.len;
    if (slot)
        slot->input = number;
    return 0;
}

void channel_exec_resize(struct channel_call *call, int rows, int cols)
{
    uint8_t payload[4];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    frame_put(&out, (uint64_t) clamp(rows, FRAME_TTY_MAX), 2);
    frame_put(&out, (uint64_t) clamp(cols, FRAME_TTY_MAX), 2);
    if (call->state == CALL_OPEN)
        channel_say(call->ch, FRAME_RESIZE, 0, call->stream, span_make((const char *) payload, out.len));
}

void channel_exec_kill(struct channel_call *call)
{
    struct channel *ch = call->ch;

    if (call->state == CALL_OPEN)
        channel_say(ch, FRAME_KILL, 0, call->stream, span_make(NULL, 0));
    else if (call->state == CALL_WAITING) /* it is sent first, then killed: one way for everything */
        call->is_killed = true;
}

/* ---- after a re-attach ---- */

int channel_exec_adopt(struct channel *ch, uint64_t id, const struct exec_ops *ops, void *data,
                       struct channel_call **ret, struct err *err)
{
    struct channel_call *call;
    char shown[32];

    if (is_open(ch, id))
        return err_set(err, ERR_CONFLICT, "command %llu is ours already", (unsigned long long) id);
    (void) snprintf(shown, sizeof(shown), "command %llu", (unsigned long long) id);
    call = exec_new(ch, &adopt_kind, id, shown, ops, data, err);
    if (!call)
        return -(int) (ch->is_broken ? ERR_ENGINE : ERR_INTERNAL);
    call->has_input = true; /* the guest says how much it takes, and HELLO whether it does */
    struct frame_out out = call_request(call, 1);

    return call_submit(call, &out, ret, err);
}
