/* SPDX-License-Identifier: MIT */
/*
 * `agentbox replay RUN`: a new run from where RUN began, with the answers that the
 * model gave then; and which calls came to something else.
 */
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/session.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/base/textdiff.h"
#include "core/run/fork.h"
#include "core/run/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX      (64 * 1024 * 1024)
#define CONTEXT_LINES 3
#define NAME_PREFIX   "replay-of-"
#define NAME_MAX_LEN  63

struct replaying {
    const struct options *opts;
    struct run_folder *folder; /* of the run that is replayed */
    struct replay then, now;
    int fd; /* of the answers; -1: none */
    char new_id[RUN_ID_SIZE];
    struct session session; /* how the replay ended */
    int status;
    size_t counts[REPLAY_UNCERTAIN + 1];
};

/* ---- the new run ---- */

/* What a run that was resumed has used before counts anew here: only the end of the answers ends it. */
static size_t lift_limits(const char **sets, size_t count)
{
    static const char *const lifted[] = { "limits.wall=365d", "limits.tool_calls=1000000",
                                          "limits.repeat=1000", "limits.tokens=", "limits.cost=" };

    for (size_t i = 0; i < sizeof(lifted) / sizeof(lifted[0]); i++)
        sets[count++] = lifted[i];
    return count;
}

/* The same run, but: the answers come from the file, nothing of it is kept or goes to where the first one's
 * went. */
static int make_spec(const struct replaying *r, struct run_spec **ret, struct err *err)
{
    char answers[64], path[REPLAY_PATH_SIZE], turns[64], name[NAME_MAX_LEN + 8];
    const char *sets[16] = {
        answers,       turns, name, "model.record=", "outputs=", "sandbox.keep=never", "checkpoint.every=off",
        "network=none" /* what went out then must not go out again */
    };
    size_t count = 8;

    replay_path(r->fd, path);
    snprintf(answers, sizeof(answers), "model.replay=%s", path);
    snprintf(turns, sizeof(turns), "limits.turns=%zu", r->then.turn_count);
    snprintf(name, sizeof(name), "name=" NAME_PREFIX "%.*s", NAME_MAX_LEN - (int) sizeof(NAME_PREFIX) + 1,
             r->then.state.name ? r->then.state.name : "run");
    if (r->then.state.resumes > 0)
        count = lift_limits(sets, count);
    if (replay_has_summaries(
            &r->then.state)) /* the server of then refused, or did not, what it is asked now */
        sets[count++] = "agent.compaction.by=local";
    sets[count] = NULL;
    if (load_recorded_spec(&(struct load_recorded){ .folder = r->folder, .sets = sets }, ret, err) < 0)
        return -(int) err->code;
    (*ret)->memory.is_dry = true; /* what was noted then is noted */
    return 0;
}

/* No sandbox of it reaches anything, and no server is asked again. */
static void cut_off(const struct replaying *r, struct run_spec *spec)
{
    for (size_t i = 0; i < spec->side_count; i++)
        spec->sides[i].network.rule_count = 0;
    spec->agents_from = r->folder;
    spec->mcp_from = &r->then;
}

/* From its own first checkpoint. When that is not kept any more, from the manifest again; which a fork
 * cannot. */
static int make_folder(struct replaying *r, const struct run_spec *spec, struct run_folder **ret,
                       struct err *err)
{
    struct run_point point = { 0 };
    char text[RUN_ID_SIZE + 16];
    int result;

    snprintf(text, sizeof(text), "%s@turn:0", r->folder->id);
    result = run_point_open(text, &point, err);
    if (result == 0)
        result = run_fork(&(struct run_fork){ .from = &point, .spec = spec, .program = PROGRAM }, ret, err);
    else if (result == -ERR_NOT_FOUND && !r->then.state.parent)
        return run_folder_create(ret, err);
    if (result == 0)
        result = run_past_load(*ret, &r->session.past, err);
    run_point_done(&point);
    return result;
}

static int run_again(struct replaying *r, struct run_spec *spec, struct err *err)
{
    static const char *const nothing[] = { NULL };
    struct run_folder *folder = NULL;
    bool has_begun = false;
    int result;

    r->session = (struct session){
        .opts = r->opts, .spec = spec, .sets = nothing, .answers = &r->then, .is_silent = true
    };
    cut_off(r, spec);
    result = make_folder(r, spec, &folder, err);
    r->session.folder = folder;
    if (result == 0)
        result = session_run(&r->session, &has_begun, err);
    if (has_begun) {
        memcpy(r->new_id, folder->id, sizeof(r->new_id));
        r->status = result;
        result = result < 0 ? result : replay_load(folder, &r->now, err);
    } else if (folder) {
        (void) run_folder_remove(folder, NULL); /* `rm` can do it too */
    }
    run_folder_free(folder);
    return result;
}

/* Did it come to the end of the answers, whatever that end is? */
static bool has_come_through(const struct replaying *r)
{
    enum err_code code = r->session.end_err.code;

    return r->session.end == RUN_DONE || code == ERR_AGENT || code == ERR_LIMIT || code == ERR_ANSWER ||
           code == ERR_CHECK;
}

/* ---- what came of it ---- */

static const struct replay_call *call_now(const struct replaying *r, size_t i)
{
    return i < r->now.call_count ? &r->now.calls[i] : NULL;
}

static int put_diff(const struct replaying *r, size_t i, struct buf *out, struct err *err)
{
    const struct replay_call *now = call_now(r, i);
    struct buf before = BUF_INIT(TEXT_MAX), after = BUF_INIT(TEXT_MAX);
    struct textdiff_counts counts;
    int result = replay_answer_text(&r->then.calls[i], &before, err);

    if (result == 0 && now)
        result = replay_answer_text(now, &after, err);
    if (result == 0 && now)
        result = textdiff(buf_span(&before), buf_span(&after), CONTEXT_LINES, out, &counts, err);
    buf_done(&before);
    buf_done(&after);
    return result;
}

static void count_all(struct replaying *r)
{
    for (size_t i = 0; i < r->then.call_count; i++)
        r->counts[replay_compare(&r->then.calls[i], call_now(r, i))]++;
}

static int json_call(struct json_writer *w, const struct replaying *r, size_t i, struct err *err)
{
    const struct replay_call *then = &r->then.calls[i], *now = call_now(r, i);
    enum replay_verdict verdict = replay_compare(then, now);
    struct buf diff = BUF_INIT(TEXT_MAX);
    int result = 0;

    json_object(w);
    json_put_int(w, "call", then->number);
    json_put_int(w, "turn", then->turn);
    json_put_string(w, "title", then->title);
    json_put_string(w, "verdict", replay_verdict_name(verdict));
    json_put_int(w, "exit_then", then->exit_code);
    json_put_int(w, "exit_now", now ? now->exit_code : -1);
    if (verdict == REPLAY_DIFFERS) {
        result = put_diff(r, i, &diff, err);
        json_put_span(w, "diff", buf_span(&diff));
    }
    json_object_end(w);
    buf_done(&diff);
    return result;
}

static int replay_json(const struct replaying *r, struct buf *out, struct err *err)
{
    struct json_writer w;
    int result = 0, ended;

    report_begin(&w, out);
    json_put_string(&w, "id", r->then.id);
    json_put_string(&w, "replay", r->new_id);
    json_put_bool(&w, "complete", has_come_through(r));
    for (size_t v = 0; v <= REPLAY_UNCERTAIN; v++)
        json_put_int(&w, replay_verdict_name((enum replay_verdict) v), (int64_t) r->counts[v]);
    json_key(&w, "calls");
    json_array(&w);
    for (size_t i = 0; i < r->then.call_count && result == 0; i++)
        result = json_call(&w, r, i, err);
    json_array_end(&w);
    ended = report_end(&w, result < 0 ? NULL : err);
    return result < 0 ? result : ended;
}

static int text_call(const struct replaying *r, size_t i, struct buf *out, struct err *err)
{
    const struct replay_call *then = &r->then.calls[i], *now = call_now(r, i);
    enum replay_verdict verdict = replay_compare(then, now);
    struct buf diff = BUF_INIT(TEXT_MAX);
    int result = 0;

    if (verdict == REPLAY_SAME)
        return 0;
    buf_printf(out, "call %lld  ", (long long) then->number);
    term_clean(out, span_of(then->title ? then->title : ""), false);
    buf_printf(out, ": %s",
               verdict == REPLAY_UNCERTAIN ? "had no result of its own" : replay_verdict_name(verdict));
    if (verdict == REPLAY_DIFFERS && now->exit_code != then->exit_code)
        buf_printf(out, ", exit %lld instead of %lld", (long long) now->exit_code,
                   (long long) then->exit_code);
    buf_add_char(out, '\n');
    if (verdict == REPLAY_DIFFERS)
        result = put_diff(r, i, &diff, err);
    if (result == 0)
        result = term_clean(out, buf_span(&diff), true);
    buf_done(&diff);
    return result;
}

static int replay_text(const struct replaying *r, struct buf *out, struct err *err)
{
    const size_t *n = r->counts;
    int result = 0;

    for (size_t i = 0; i < r->then.call_count && result == 0; i++)
        result = text_call(r, i, out, err);
    buf_printf(out, "%zu call%s: %zu same, %zu differ%s", r->then.call_count,
               r->then.call_count == 1 ? "" : "s", n[REPLAY_SAME], n[REPLAY_DIFFERS],
               n[REPLAY_DIFFERS] == 1 ? "s" : "");
    if (n[REPLAY_MISSING] > 0)
        buf_printf(out, ", %zu missing", n[REPLAY_MISSING]);
    if (n[REPLAY_UNCERTAIN] > 0)
        buf_printf(out, ", %zu not compared", n[REPLAY_UNCERTAIN]);
    buf_printf(out, "  (replayed as %s)\n", r->new_id);
    return result;
}

static int tell(struct replaying *r, struct err *err)
{
    struct buf out = BUF_INIT(4 * (size_t) TEXT_MAX);
    int result;

    count_all(r);
    result = r->opts->json ? replay_json(r, &out, err) : replay_text(r, &out, err);
    if (result == 0)
        result = r->opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    buf_done(&out);
    if (result < 0)
        return result;
    if (!has_come_through(r)) {
        if (r->session.end_err.code)
            term_error(&r->session.end_err);
        return r->status;
    }
    return r->counts[REPLAY_DIFFERS] + r->counts[REPLAY_MISSING] > 0 ? err_exit_status(ERR_AGENT) : 0;
}

static int replay(struct replaying *r, struct err *err)
{
    struct run_spec *spec = NULL;
    int result = replay_load(r->folder, &r->then, err);

    if (result == 0 && r->then.turn_count == 0) {
        err_set(err, ERR_USAGE, "there is nothing to replay: the model never gave run '%s' an answer",
                r->folder->id);
        return -ERR_USAGE;
    }
    if (result == 0)
        result = replay_record(&r->then, &r->fd, err);
    if (result == 0)
        result = make_spec(r, &spec, err);
    if (result == 0)
        result = run_again(r, spec, err);
    if (result == 0)
        result = tell(r, err);
    run_spec_free(spec);
    return result;
}

int verb_replay(const struct options *opts, struct err *err)
{
    struct replaying r = { .opts = opts, .fd = -1 };
    int result = run_folder_open(opts->args[0], &r.folder, err);

    if (result == 0)
        result = replay(&r, err);
    replay_done(&r.then);
    replay_done(&r.now);
    if (r.fd >= 0)
        (void) close(r.fd); /* only read */
    run_folder_free(r.folder);
    return result;
}
