/* SPDX-License-Identifier: MIT */
/* `agentbox logs RUN`: the journal for people, or with --json as it is. */
#include "cmd/line.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/run/follow.h"
#include "core/run/view.h"

#define LINE_BYTES_MAX (8 * 1024 * 1024)

struct logs {
    struct loop *loop;
    struct run_folder *folder;
    struct term term;
    bool is_json;
    bool is_live; /* somebody held the run when we looked last: there may be more */
    int result;
    struct err *err;
};

static void show(struct logs *logs, struct span line, const struct record *rec)
{
    struct buf out = BUF_INIT(LINE_BYTES_MAX);
    int r = 0;

    if (logs->is_json) {
        r = buf_add_span(&out, line);
        if (r == 0)
            r = buf_add_char(&out, '\n');
    } else {
        r = line_record(&out, rec, &logs->term);
    }
    if (r == 0 && out.len > 0)
        r = logs->is_json ? term_json(&logs->term, buf_span(&out), logs->err)
                          : term_write(&logs->term, buf_span(&out), logs->err);
    if (r < 0)
        logs->result = r;
    buf_done(&out);
}

static void on_record(void *data, struct span line, const struct record *rec)
{
    struct logs *logs = data;

    show(logs, line, rec);
    if (logs->result < 0)
        loop_quit(logs->loop);
}

/* Everything was shown that was there. Whoever runs it may have written more before letting go, so that it
 * is the look after the last one which ends this. */
static void on_quiet(void *data)
{
    struct logs *logs = data;

    if (!logs->is_live || !term_has_reader(&logs->term))
        loop_quit(logs->loop);
    logs->is_live = run_folder_is_locked(logs->folder);
}

static void on_error(void *data, const struct err *err)
{
    struct logs *logs = data;

    *logs->err = *err;
    logs->result = -(int) err->code;
    loop_quit(logs->loop);
}

int verb_logs(const struct options *opts, struct err *err)
{
    static const struct journal_follow_ops ops = { on_record, on_quiet, on_error };
    struct logs logs = { .is_json = opts->json, .is_live = opts->follow, .err = err };
    struct journal_follow *follow = NULL;
    int r = run_folder_open(opts->args[0], &logs.folder, err);

    term_init(&logs.term, TERM_OUT);
    if (r == 0)
        r = loop_new(&logs.loop, err);
    if (r == 0)
        r = journal_follow_start(logs.loop, logs.folder, &ops, &logs, &follow, err);
    if (r == 0)
        r = loop_run(logs.loop, NULL, err);
    journal_follow_free(follow);
    loop_free(logs.loop);
    run_folder_free(logs.folder);
    return r < 0 ? r : logs.result;
}
