/* SPDX-License-Identifier: MIT */
/* What goes to the host: output, room for input, results; and what a host that comes anew is told. */
#include "core/guest/exec.h"
#include "core/guest/exec_impl.h"
#include "core/guest/out.h"

static int turn; /* whose turn it is to speak */
static int stream_turn;

bool exec_is_gathering(const struct exec *e, int64_t now_us)
{
    const uint64_t unsent = e->out[0].written - e->out[0].sent + e->out[1].written - e->out[1].sent;

    return (e->state == EXEC_RUNNING || e->state == EXEC_CLOSING) && unsent > 0 && unsent < GATHER_MAX &&
           now_us < e->started_us + GATHER_US;
}

static bool credit_produce(struct exec *e)
{
    if (e->is_exit_sent || /* nothing follows that */
        (e->in_credit < FRAME_WINDOW_STDIN / 4 && (e->in_credit == 0 || e->in_to > e->in_from)))
        return false;
    struct frame_out out = { out_begin(), 0, OUT_PAYLOAD, false };

    if (!out.p)
        return false;
    frame_put(&out, 0, 1);
    frame_put(&out, e->in_credit, 4);
    e->in_credit = 0;
    out_commit(FRAME_CREDIT, 0, e->id, (uint32_t) out.len);
    return true;
}

static bool output_produce(struct exec *e, int i)
{
    struct frame_out out = { out_begin(), 0, OUT_PAYLOAD, false };
    uint8_t *p = out.p;
    uint64_t at = 0;

    if (!p)
        return false;
    size_t n = tape_take(&e->out[i], e->state == EXEC_ENDED, p + 9, OUT_PAYLOAD, &at);

    if (n == 0)
        return false;
    frame_put(&out, (uint64_t) i + 1, 1);
    frame_put(&out, at, 8);
    out_commit(FRAME_OUTPUT, 0, e->id, (uint32_t) (9 + n));
    return true;
}

static bool exit_produce(struct exec *e)
{
    struct frame_out out = { NULL, 0, OUT_PAYLOAD, false };

    if (e->state != EXEC_ENDED || e->is_exit_sent || !tape_is_sent(&e->out[0]) || !tape_is_sent(&e->out[1]))
        return false;
    out.p = out_begin();
    if (!out.p)
        return false;
    frame_exit_encode(&out, &e->exit);
    out_commit(FRAME_EXIT, 0, e->id, (uint32_t) out.len);
    e->is_exit_sent = true;
    return true;
}

bool exec_produce(void)
{
    for (int i = 0; i < FRAME_EXECS; i++) {
        struct exec *e = &exec_all[turn = (turn + 1) % FRAME_EXECS];

        if (e->state == EXEC_FREE || !e->is_attached)
            continue;
        stream_turn = !stream_turn;
        if (credit_produce(e))
            return true;
        if (exec_is_gathering(e, exec_turn_us))
            continue;
        if (output_produce(e, stream_turn) || output_produce(e, !stream_turn) || exit_produce(e))
            return true;
    }
    return false;
}

/* ---- hosts come and go ---- */

bool exec_adopt(uint64_t id)
{
    struct exec *e = exec_find(id);

    if (!e)
        return false;
    e->is_attached = true;
    e->is_exit_sent = false;
    e->in_credit =
        (uint32_t) sizeof(e->input) - (e->in_to - e->in_from); /* it starts with no window at all */
    tape_rewind(&e->out[0]);
    tape_rewind(&e->out[1]);
    return true;
}

void exec_detach(void)
{
    for (int i = 0; i < FRAME_EXECS; i++)
        exec_all[i].is_attached = false;
}

void exec_known(struct frame_hello *ret)
{
    ret->execs = 0;
    for (int i = 0; i < FRAME_EXECS; i++) {
        if (exec_all[i].state == EXEC_FREE)
            continue;
        ret->exec_id[ret->execs] = exec_all[i].id;
        ret->exec_input[ret->execs] = exec_all[i].in_number;
        ret->exec_state[ret->execs++] =
            (uint8_t) ((exec_all[i].state == EXEC_ENDED ? FRAME_EXEC_ENDED : FRAME_EXEC_RUNNING) |
                       (exec_reads(&exec_all[i]) ? FRAME_EXEC_READS : 0));
    }
}
