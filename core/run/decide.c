/* SPDX-License-Identifier: MIT */
/* The decision: questions in a fixed order, the first with an answer wins. */
#include "core/run/decide.h"

#include "core/run/snapshot.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LOSSES_MAX \
    5 /* `on_interrupt: rerun`: a call that always ends its sandbox must end the run some day */

static bool finish(struct run_action *a, enum run_end_state end, const char *reason, enum err_code code)
{
    a->kind = RUN_FINISH;
    a->end = end;
    a->reason = reason;
    a->code = code;
    return true;
}

static bool hit(struct run_action *a, const char *limit, int64_t value, int64_t max)
{
    a->kind = RUN_HIT_LIMIT;
    a->limit = limit;
    a->value = value;
    a->max = max < 0 ? 0 : max; /* of a subagent for which nothing is left */
    return true;
}

/* Failures of these classes keep their own exit status; others take that of the part which failed. */
static enum err_code code_of(const struct run_failure *f, enum err_code part)
{
    static const enum err_code own[] = { ERR_POLICY, ERR_MANIFEST, ERR_INTERNAL, ERR_ENGINE };

    for (size_t i = 0; f->code && i < sizeof(own) / sizeof(own[0]); i++)
        if (strcmp(f->code, err_code_name(own[i])) == 0)
            return own[i];
    return part;
}

static const char *signal_word(int64_t signum)
{
    return signum == SIGINT    ? "SIGINT"
           : signum == SIGTERM ? "SIGTERM"
           : signum == SIGHUP  ? "SIGHUP"
                               : "signal";
}

/* ---- checkpoints ---- */

/* A call whose sandbox has just gone counts too: nothing is known of what it did. */
static bool is_running(const struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++) {
        const struct run_call *call = &s->calls[i];

        if (call->phase == RUN_CALL_RUNNING || (call->phase == RUN_CALL_LOST && call->begin_order))
            return true;
    }
    return false;
}

/* Is there a call that runs, or may: nobody need be asked about it. */
static bool is_busy(const struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase == RUN_CALL_WAITING && s->calls[i].approval != RUN_APPROVAL_NEEDED &&
            s->calls[i].approval != RUN_APPROVAL_ASKED)
            return true;
    return is_running(s);
}

/* `every: turn`: the calls of this turn are not all answered, and some did something already. */
static bool is_amid_calls(const struct run_state *s)
{
    if (s->phase == RUN_TURN_ANSWERED)
        return false;
    for (size_t i = 0; i < s->call_count; i++)
        if (run_state_is_uncovered(s, &s->calls[i]))
            return true;
    return false;
}

static bool is_uncovered(const struct run_state *s, const struct run_spec *spec)
{
    return spec->checkpoints.every != RUN_CHECKPOINT_OFF && s->sandbox == RUN_PART_READY &&
           s->workspace == RUN_PART_READY && s->passed_over != 1 + s->begins &&
           (!s->has_checkpoint || s->begins > s->covered_begins);
}

static bool wants_checkpoint(const struct run_state *s, const struct run_spec *spec)
{
    return is_uncovered(s, spec) && s->keeping == RUN_PART_NONE && !is_running(s) &&
           (spec->checkpoints.every == RUN_CHECKPOINT_CALL || !is_amid_calls(s));
}

static bool take_checkpoint(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    if (!wants_checkpoint(s, spec))
        return false;
    a->kind = RUN_TAKE_CHECKPOINT;
    return true;
}

/* Before a run ends: what calls have done is kept, so that it can go on from here. Of calls that still run
 * nothing can be kept that fits the conversation. */
static bool settle(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    if (s->sandbox != RUN_PART_READY || s->workspace != RUN_PART_READY)
        return false;
    if (s->keeping == RUN_PART_STARTING)
        return true; /* wait */
    if (!is_uncovered(s, spec) || s->keeping != RUN_PART_NONE || is_running(s))
        return false;
    a->kind = RUN_TAKE_CHECKPOINT;
    return true;
}

static bool finish_settled(const struct run_state *s, const struct run_spec *spec, struct run_action *a,
                           enum run_end_state end, const char *reason, enum err_code code)
{
    return settle(s, spec, a) || finish(a, end, reason, code);
}

/* ---- servers of tools ---- */

/* They are started together with the sandbox. */
static bool start_servers(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    for (size_t i = 0; i < spec->mcp_count; i++) {
        const struct run_mcp *m = run_state_mcp(s, spec->mcp[i].name);

        if (m && m->phase != RUN_PART_NONE)
            continue;
        a->kind = RUN_START_SERVER;
        a->server = i;
        return true;
    }
    return false;
}

/* The one that the run cannot go on without. */
static const struct run_mcp *failed_server(const struct run_state *s, const struct run_spec *spec)
{
    for (size_t i = 0; i < spec->mcp_count; i++) {
        const struct run_mcp *m = run_state_mcp(s, spec->mcp[i].name);

        if (m && m->phase == RUN_PART_FAILED && spec->mcp[i].is_required)
            return m;
    }
    return NULL;
}

/* The model is told of their tools, or that they are not there. */
static bool await_servers(const struct run_state *s)
{
    for (size_t i = 0; i < s->mcp_count; i++)
        if (s->mcp[i].phase == RUN_PART_STARTING)
            return true;
    return false;
}

/* What ends the run whatever else there is to do. */
static bool must_end(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    if (s->interrupt)
        return finish_settled(s, spec, a, RUN_INTERRUPTED, signal_word(s->interrupt), ERR_CANCELED);
    if (s->limit)
        return finish_settled(s, spec, a, RUN_LIMIT, s->limit, ERR_LIMIT);
    if (s->waits_for_approval && !is_busy(s))
        return finish_settled(s, spec, a, RUN_INTERRUPTED, "approval", ERR_APPROVAL);
    if (s->sandbox == RUN_PART_FAILED)
        return finish(a, RUN_FAILED, "sandbox", code_of(&s->sandbox_failure, ERR_ENGINE));
    if (s->sandbox == RUN_PART_LOST)
        return finish(a, RUN_FAILED, "sandbox_lost", code_of(&s->sandbox_failure, ERR_ENGINE));
    if (s->workspace == RUN_PART_FAILED)
        return finish(a, RUN_FAILED, "workspace", code_of(&s->workspace_failure, ERR_ENGINE));
    if (failed_server(s, spec))
        return finish_settled(s, spec, a, RUN_FAILED, "mcp",
                              code_of(&failed_server(s, spec)->why, ERR_ENGINE));
    if (s->keeping == RUN_PART_FAILED)
        return finish(a, RUN_FAILED, "checkpoint", code_of(&s->checkpoint_failure, ERR_IO));
    if (s->phase == RUN_TURN_FAILED)
        return finish_settled(s, spec, a, RUN_FAILED, "model", ERR_MODEL);
    return false;
}

/* ---- after a resume ---- */

static bool go_on(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    bool is_void = s->must_roll_back && s->phase == RUN_TURN_OPEN && run_state_rollback_unsays(s);
    bool is_summing = s->compaction.phase == RUN_PART_STARTING;

    if (s->is_request_lost || is_void || s->compaction.is_lost || (is_summing && s->must_roll_back)) {
        a->kind = RUN_CLOSE_REQUEST;
        return true;
    }
    if (s->must_roll_back) {
        a->kind = RUN_ROLL_BACK;
        a->turn = run_state_rollback_turn(s);
        return true;
    }
    if (s->has_unsaid_left && spec->checkpoints.on_interrupt != RUN_INTERRUPT_RERUN)
        return finish(a, RUN_FAILED, "egress", ERR_ENGINE);
    return false;
}

/* ---- the end ---- */

/* May a call begin, as far as the workspace goes? */
static bool can_begin(const struct run_state *s, const struct run_spec *spec)
{
    return s->sandbox == RUN_PART_READY && s->workspace == RUN_PART_READY &&
           s->keeping != RUN_PART_STARTING && !wants_checkpoint(s, spec);
}

/* Does the final message match its schema? One that does not is told once; then it must. */
static bool check_answer(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    if (!spec->model.schema || s->answer == RUN_ANSWER_FITS)
        return false;
    if (s->answer == RUN_ANSWER_WRONG)
        return finish_settled(s, spec, a, RUN_FAILED, "answer", ERR_ANSWER);
    a->kind = RUN_CHECK_ANSWER;
    a->is_last = s->answers_wrong > 0;
    return true;
}

/* The next check, when what the calls did is kept: should the sandbox go, they are run again. Not true when
 * there is something else to wait for. */
static bool run_checks(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    size_t ended = s->call_count;

    if (s->check_wrong)
        return finish_settled(s, spec, a, RUN_FAILED, "check", ERR_CHECK);
    if (ended == spec->check_count || is_running(s) || !can_begin(s, spec))
        return false;
    a->kind = RUN_START_CHECK;
    a->call = s->call_total + 1;
    a->check = (int64_t) ended + 1;
    a->is_last = s->checks_failed[ended] >= spec->checks[ended].retries;
    return true;
}

static bool are_checks_done(const struct run_state *s, const struct run_spec *spec)
{
    return s->call_count >= spec->check_count && !is_running(s);
}

/* A final message is there: outputs, then the end. The workspace must stand even when nothing was done in it:
 * else a manifest with a broken sandbox would end well or badly by which of the two answers first. */
static bool conclude(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    if (s->sandbox != RUN_PART_READY || s->workspace != RUN_PART_READY)
        return false;
    if (s->outputs == RUN_PART_FAILED)
        return finish_settled(s, spec, a, RUN_FAILED, "outputs", code_of(&s->output_failure, ERR_OUTPUT));
    if (!spec->output_count || s->outputs == RUN_PART_READY)
        return finish_settled(s, spec, a, RUN_DONE, "answer", ERR_NONE);
    /* a checkpoint that is not begun yet waits: both read the same files, and somebody waits for these */
    if (s->outputs == RUN_PART_NONE)
        a->kind = RUN_COLLECT_OUTPUTS;
    return true;
}

static bool accept_answer(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    return check_answer(s, spec, a) || run_checks(s, spec, a) ||
           (are_checks_done(s, spec) && conclude(s, spec, a));
}

static bool has_final_answer(const struct run_state *s)
{
    return s->phase == RUN_TURN_CLOSED && !run_state_has_calls(s) && !s->was_incomplete &&
           run_state_has_message(s) && !run_state_is_refusal(s);
}

/* A closed turn without calls that is no answer. */
static bool give_up(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    if (s->phase != RUN_TURN_CLOSED || run_state_has_calls(s))
        return false;
    if (run_state_is_refusal(s))
        return finish_settled(s, spec, a, RUN_FAILED, "refusal", ERR_AGENT);
    if (s->was_incomplete)
        return finish_settled(s, spec, a, RUN_FAILED, "incomplete", ERR_AGENT);
    if (!run_state_has_message(s))
        return finish_settled(s, spec, a, RUN_FAILED, "no_answer", ERR_AGENT);
    return false;
}

static bool prepare_sandbox(const struct run_state *s, struct run_action *a)
{
    if (s->sandbox == RUN_PART_NONE)
        a->kind = RUN_START_SANDBOX;
    else if (s->sandbox == RUN_PART_DETACHED)
        a->kind = RUN_ATTACH_SANDBOX;
    else if (s->sandbox == RUN_PART_READY && s->workspace == RUN_PART_NONE)
        a->kind = RUN_FILL_WORKSPACE;
    return a->kind != RUN_WAIT;
}

static bool refuse(struct run_action *a, const char *outcome, const char *why)
{
    a->kind = RUN_REFUSE_CALL;
    a->outcome = outcome;
    a->why = why;
    return true;
}

static const struct run_agent *agent_of(const struct run_spec *spec, const struct run_call *call)
{
    const struct run_agent *agent;

    for (size_t i = 0; call->tool && i < spec->own_count; i++) {
        agent = run_spec_agent(&spec->own[i]);
        if (agent && strcmp(agent->name, call->tool) == 0)
            return agent;
    }
    return NULL;
}

/* May it do something outside of the sandbox that it works in? That is in its own journal only. */
static bool reaches_out(const struct run_spec *spec)
{
    bool does = spec->mcp_count > 0;

    for (size_t i = 0; i < spec->side_count; i++)
        does = does || spec->sides[i].network.rule_count > 0;
    for (size_t i = 0; i < spec->own_count; i++) {
        const struct run_agent *agent = run_spec_agent(&spec->own[i]);

        does = does || (agent && (agent->spec->network.rule_count > 0 || reaches_out(agent->spec)));
    }
    return does;
}

/* It ran in a sandbox that is gone. */
static bool handle_lost(const struct run_state *s, const struct run_spec *spec, const struct run_call *call,
                        struct run_action *a)
{
    enum run_on_interrupt on = spec->checkpoints.on_interrupt;
    const struct run_agent *agent = agent_of(spec, call);
    /* a handoff that lost its sandbox begins anew, and does again what it did elsewhere */
    bool has_left = call->has_left || (agent && call->has_agent && reaches_out(agent->spec));
    /* any other goes on from where its run folder says, whatever became of this run's sandbox */
    bool goes_on = agent && !agent->is_handoff;

    if ((call->begin_order && !call->is_outside) || call->check ||
        !can_begin(s, spec)) /* not rolled back: the sandbox is about to say why it went */
        return false;
    if ((goes_on && call->losses < LOSSES_MAX) || (call->losses <= 1 && !has_left) ||
        (on == RUN_INTERRUPT_RERUN && call->losses < LOSSES_MAX)) {
        a->kind = RUN_START_CALL;
        a->is_rerun = true;
        return true;
    }
    if (on == RUN_INTERRUPT_FAIL)
        return finish_settled(s, spec, a, RUN_FAILED, "call_lost", ERR_ENGINE);
    if (call->is_outside)
        return refuse(a, "interrupted",
                      "This call was interrupted: it had no answer yet when the run, or what carries it out, "
                      "ended. What it has done by then is not known: find out before you do it again.");
    if (has_left)
        return refuse(
            a, "interrupted",
            "This call was interrupted: its sandbox ended before what it did was kept. The workspace is "
            "as it was before the call. But it had connections to the outside, and what was sent there "
            "cannot be undone: find out what has been done before you do it again.");
    return refuse(
        a, "interrupted",
        "This call was interrupted: its sandbox ended while it ran, twice. The workspace is as it was before "
        "the call; what the call did, inside the sandbox, is undone. It may itself be what ended the sandbox "
        "(by using too much memory, for example).");
}

/* One question at a time, and only about what stands: of an answer that comes in anything may still be void.
 */
static bool ask_approval(const struct run_state *s, const struct run_call *call, struct run_action *a)
{
    if (call->approval == RUN_APPROVAL_ASKED || s->phase != RUN_TURN_CLOSED || s->waits_for_approval)
        return false;
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase == RUN_CALL_WAITING && s->calls[i].approval == RUN_APPROVAL_ASKED)
            return false;
    a->kind = RUN_ASK_APPROVAL;
    return true;
}

/* With those of subagents; a journal may say anything. */
static int64_t calls_of(const struct run_state *s)
{
    int64_t sum;

    return __builtin_add_overflow(s->calls_begun, s->calls_below, &sum) ? INT64_MAX : sum;
}

static bool handle_waiting(const struct run_state *s, const struct run_spec *spec,
                           const struct run_call *call, struct run_action *a)
{
    const struct run_limits *l = &spec->limits;

    if (l->tool_calls && calls_of(s) >= l->tool_calls)
        return hit(a, "tool_calls", calls_of(s), l->tool_calls);
    if (call->is_incomplete) {
        /* an incomplete answer takes the call out of the conversation: wait how it ends */
        if (s->phase == RUN_TURN_CLOSED)
            return refuse(a, "refused", "This call was cut off before it was complete and was not run.");
        return false;
    }
    if (!call->tool)
        return refuse(a, "refused", "There is no such tool here. The call was not run.");
    if (call->approval == RUN_APPROVAL_DENIED)
        return refuse(a, "refused", NULL);
    if (call->approval == RUN_APPROVAL_NEEDED || call->approval == RUN_APPROVAL_ASKED)
        return ask_approval(s, call, a);
    if (!can_begin(s, spec))
        return false;
    a->kind = RUN_START_CALL;
    return true;
}

static bool handle_call(const struct run_state *s, const struct run_spec *spec, const struct run_call *call,
                        struct run_action *a)
{
    a->call = call->number;
    if (call->phase == RUN_CALL_LOST)
        return handle_lost(s, spec, call, a);
    return call->phase == RUN_CALL_WAITING && handle_waiting(s, spec, call, a);
}

static bool handle_calls(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (handle_call(s, spec, &s->calls[i], a))
            return true;
    return false;
}

/* The least that the next request can cost: the input of the last one once more, all of it cached. */
static int64_t least_cost(const struct run_state *s, const struct model_price *price)
{
    int64_t rate = price->cached_input >= 0 ? price->cached_input : price->input;
    int64_t product;

    if (rate <= 0 || s->last.input <= 0)
        return 0;
    return __builtin_mul_overflow(rate, s->last.input, &product) ? INT64_MAX / 2 : product / 1000000;
}

static bool check_limits(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    const struct run_limits *l = &spec->limits;
    bool is_new_turn = s->phase != RUN_TURN_VOID;

    if (l->turns && is_new_turn && s->turns_spent >= l->turns)
        return hit(a, "turns", s->turns_spent, l->turns);
    if (l->tokens && s->usage.total >= l->tokens)
        return hit(a, "tokens", s->usage.total, l->tokens);
    if (l->cost_micros && (s->cost_micros >= l->cost_micros ||
                           least_cost(s, &spec->model.price) > l->cost_micros - s->cost_micros))
        return hit(a, "cost", s->cost_micros, l->cost_micros);
    return false;
}

/* Is it the model's turn? */
static bool is_models_turn(const struct run_state *s)
{
    return s->phase == RUN_TURN_NONE || s->phase == RUN_TURN_VOID || s->phase == RUN_TURN_ANSWERED;
}

/* Is there something in the workspace, when it is filled, that the model is told of at once? What the harness
 * itself puts there is not. */
static bool has_context(const struct run_spec *spec)
{
    for (size_t i = 0; i < spec->entry_count; i++) {
        const struct run_entry *entry = &spec->entries[i];

        if (!entry->is_skill &&
            (spec->file_tree || (spec->agents_md && strcmp(entry->path, RUN_AGENTS_MD) == 0)))
            return true;
    }
    return false;
}

/* True: the request waits for it. */
static bool look_around(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    bool is_wanted = s->phase == RUN_TURN_NONE
                         ? has_context(spec) && !run_state_has_looked(s, "")
                         : s->phase == RUN_TURN_ANSWERED && s->context.touched_count > 0;

    if (is_wanted && s->context.phase == RUN_PART_NONE && s->sandbox == RUN_PART_READY &&
        s->workspace == RUN_PART_READY)
        a->kind = RUN_LOOK_AROUND;
    return is_wanted;
}

/* True: the request waits for it. */
static bool compact(const struct run_state *s, const struct run_spec *spec, struct run_action *a)
{
    const struct run_compaction *c = &s->compaction;
    const struct run_compact *how = &spec->compact;
    bool is_ours = how->by == RUN_COMPACT_LOCAL || c->is_refused || c->is_ignored || c->asked == 0;
    bool is_long = how->at_tokens > 0 && s->phase == RUN_TURN_ANSWERED && s->turn >= c->rest_turn &&
                   run_state_tokens(s) >= how->at_tokens;

    if (how->by == RUN_COMPACT_OFF || (!c->is_wanted && (!is_ours || !is_long || c->at_turn == s->turn)))
        return false;
    a->kind = RUN_COMPACT;
    a->attempt = c->failures + 1;
    return true;
}

static bool send_request(const struct run_state *s, const struct run_spec *spec, int64_t elapsed_ms,
                         struct run_action *a)
{
    if (!is_models_turn(s) || s->compaction.phase == RUN_PART_STARTING)
        return false;
    if (spec->limits.repeat && s->repeat_count >= spec->limits.repeat)
        return hit(a, "repeat", s->repeat_count, spec->limits.repeat);
    if (s->retry_at_ms < 0)
        return finish(a, RUN_FAILED, "model", ERR_MODEL);
    if (check_limits(s, spec, a))
        return true;
    if (s->retry_at_ms > elapsed_ms) {
        a->wake_ms = s->retry_at_ms;
        return true;
    }
    if (look_around(s, spec, a) || await_servers(s) || compact(s, spec, a))
        return true;
    a->kind = RUN_SEND_REQUEST;
    a->turn = s->phase == RUN_TURN_VOID ? s->turn : s->turn + 1;
    a->attempt = s->phase == RUN_TURN_VOID ? s->try_count + 1 : 1;
    return true;
}

struct run_action run_decide_at(const struct run_state *s, const struct run_spec *spec, int64_t elapsed_ms,
                                int64_t below_ms)
{
    struct run_action a = { .kind = RUN_WAIT, .wake_ms = -1 };
    const struct run_limits *l = &spec->limits;
    const int64_t worked_ms = run_state_worked_at(s, elapsed_ms, below_ms);

    if (s->end != RUN_ACTIVE || must_end(s, spec, &a) || go_on(s, spec, &a))
        return a;
    if (has_final_answer(s) && accept_answer(s, spec, &a))
        return a;
    if (give_up(s, spec, &a))
        return a;
    if (l->wall_ms && worked_ms >= l->wall_ms && s->outputs != RUN_PART_STARTING) {
        (void) hit(&a, "wall", worked_ms, l->wall_ms);
        return a;
    }
    if (start_servers(s, spec, &a) || prepare_sandbox(s, &a) || take_checkpoint(s, spec, &a) ||
        handle_calls(s, spec, &a))
        return a;
    (void) send_request(s, spec, elapsed_ms, &a); /* none of it: wait */
    return a;
}

/* ---- what to tell ---- */

static void from_failure(const struct run_failure *f, enum err_code code, const char *what, struct err *ret)
{
    (void) err_set(ret, code, "%s%s", what, f->message ? f->message : "failed for an unknown reason");
    if (f->hint && f->hint[0])
        (void) err_hint(ret, "%s", f->hint);
}

static void limit_err(const struct run_state *s, const struct run_action *f, struct err *ret)
{
    if (strcmp(f->reason, "cost") == 0)
        (void) err_set(ret, ERR_LIMIT, "limit 'cost' of $%.4f reached: $%.4f spent",
                       (double) s->limit_max / 1e6, (double) s->limit_value / 1e6);
    else if (strcmp(f->reason, "wall") == 0)
        (void) err_set(ret, ERR_LIMIT, "limit 'wall' of %.1f s reached", (double) s->limit_max / 1e3);
    else if (strcmp(f->reason, "repeat") == 0)
        (void) err_set(ret, ERR_LIMIT,
                       "limit 'repeat' reached: the same call had the same result %lld times in a row",
                       (long long) s->limit_value);
    else
        (void) err_set(ret, ERR_LIMIT, "limit '%s' of %lld reached: %lld used", f->reason,
                       (long long) s->limit_max, (long long) s->limit_value);
    (void) err_hint(ret, "raise limits.%s in the manifest, or pass --set limits.%s=...", f->reason,
                    f->reason);
}

static void agent_err(const struct run_state *s, const struct run_action *f, struct err *ret)
{
    if (strcmp(f->reason, "refusal") == 0) {
        (void) err_set(ret, ERR_AGENT, "the model refused the task");
    } else if (strcmp(f->reason, "incomplete") == 0) {
        (void) err_set(ret, ERR_AGENT, "the model's answer is incomplete: %s",
                       s->incomplete_reason ? s->incomplete_reason : "unknown reason");
        if (s->incomplete_reason && strcmp(s->incomplete_reason, "max_output_tokens") == 0)
            (void) err_hint(ret, "raise model.max_output_tokens in the manifest");
    } else {
        (void) err_set(ret, ERR_AGENT, "the model ended without a message");
    }
}

static void answer_err(const struct run_state *s, const struct run_action *f, struct err *ret)
{
    const struct run_failure *why = &s->answer_failure;
    const char *where = why->code ? why->code : "", *what = why->message ? why->message : "failed";

    if (f->code == ERR_CHECK) {
        (void) err_set(ret, f->code, "check %lld still fails: '%.200s': %.200s", (long long) s->check_wrong,
                       where, what);
        return;
    }
    (void) err_set(ret, f->code, "the final message does not match agent.output.schema: %s%s%.400s", where,
                   *where ? ": " : "", what);
}

static void approval_err(struct err *ret)
{
    (void) err_set(ret, ERR_APPROVAL, "a call waits for approval");
    (void) err_hint(
        ret, "`agentbox resume RUN --approve` lets it run, --deny does not; without either the run asks "
             "again");
}

static void unsaid_err(const struct run_action *f, struct err *ret)
{
    (void) err_set(
        ret, f->code,
        "the sandbox is lost, and with it calls that had connections to the outside: to begin anew would "
        "do again what cannot be undone");
    (void) err_hint(
        ret, "see `agentbox egress` for what left; with checkpoint.every: call the run could go on from "
             "before them, with checkpoint.on_interrupt: rerun it begins anew all the same");
}

static void server_err(const struct run_state *s, const struct run_action *f, struct err *ret)
{
    for (size_t i = 0; i < s->mcp_count; i++)
        if (s->mcp[i].phase == RUN_PART_FAILED) /* the first of them is as good as any */
            (void) err_set(ret, f->code, "the MCP server '%s' did not come up: %s", s->mcp[i].server,
                           s->mcp[i].why.message ? s->mcp[i].why.message : "failed for an unknown reason");
    (void) err_hint(ret, "with `required: false` the run goes on without its tools");
}

void run_finish_err(const struct run_state *s, const struct run_action *f, struct err *ret)
{
    if (f->end == RUN_LIMIT)
        limit_err(s, f, ret);
    else if (f->code == ERR_APPROVAL)
        approval_err(ret);
    else if (f->end == RUN_INTERRUPTED)
        (void) err_set(ret, ERR_CANCELED, "interrupted by %s", f->reason);
    else if (f->code == ERR_AGENT)
        agent_err(s, f, ret);
    else if (f->code == ERR_ANSWER || f->code == ERR_CHECK)
        answer_err(s, f, ret);
    else if (strcmp(f->reason, "model") == 0)
        from_failure(&s->request_failure, f->code, "", ret);
    else if (strcmp(f->reason, "sandbox") == 0)
        from_failure(&s->sandbox_failure, f->code, "", ret);
    else if (strcmp(f->reason, "sandbox_lost") == 0)
        from_failure(&s->sandbox_failure, f->code, "", ret);
    else if (strcmp(f->reason, "workspace") == 0)
        from_failure(&s->workspace_failure, f->code, "filling the workspace: ", ret);
    else if (strcmp(f->reason, "checkpoint") == 0)
        from_failure(&s->checkpoint_failure, f->code, "keeping a checkpoint: ", ret);
    else if (strcmp(f->reason, "egress") == 0)
        unsaid_err(f, ret);
    else if (strcmp(f->reason, "mcp") == 0)
        server_err(s, f, ret);
    else if (strcmp(f->reason, "call_lost") == 0)
        (void) err_set(ret, f->code,
                       "a call was interrupted, and may not be run again: its sandbox ended while it ran");
    else
        from_failure(&s->output_failure, f->code, "", ret);
}
