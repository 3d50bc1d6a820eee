/* SPDX-License-Identifier: MIT */
/* `agentbox attest RUN`: what it wrote and from what, as a statement that others can check. */
#include "cmd/result.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/run/attest.h"
#include "core/run/statement.h"
#include "core/run/verify.h"

#include <stdlib.h>

/* Nobody should put a name to what was changed meanwhile. */
static int check_folder(struct run_folder *folder, struct err *err)
{
    struct run_verdict *verdict = calloc(1, sizeof(*verdict));
    int r = verdict ? run_verify(folder, verdict, err) : err_set(err, ERR_INTERNAL, "no memory to verify");

    if (r == 0 && verdict->damage_count > 0) {
        r = err_set(err, ERR_INVALID, "run '%s' is damaged: '%s': %s", folder->id, verdict->damage[0].file,
                    verdict->damage[0].err.text);
        (void) err_hint(err, "`agentbox verify %s` says all that is", folder->id);
    }
    free(verdict);
    return r;
}

int verb_attest(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(STATEMENT_MAX);
    struct run_folder *folder = NULL;
    int r = opts->output ? result_check(opts->output, err) : 0;

    if (r == 0)
        r = run_folder_open(opts->args[0], &folder, err);
    if (r == 0)
        r = check_folder(folder, err);
    if (r == 0)
        r = attest_write(folder, &out, err);
    if (r == 0)
        r = opts->output ? result_write(opts->output, buf_span(&out), err)
                         : term_print_json(buf_span(&out), err);
    run_folder_free(folder);
    buf_done(&out);
    return r;
}
