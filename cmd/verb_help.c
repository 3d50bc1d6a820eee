/* SPDX-License-Identifier: MIT */
/* `agentbox help`, `version`, `schema`: what the program says of itself. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/sandbox/guest_image.h"
#include "manifest/reference.h"
#include "manifest/schema.h"

#include <string.h>

#define TEXT_MAX (4 * 1024 * 1024)

static const struct {
    const char *status;
    const char *meaning;
} exit_codes[] = {
    { "0", "done: the agent gave its final message, and the outputs are at their places" },
    { "1",
      "the agent ended without success: it refused, or its answer was incomplete or empty; replay: results "
      "differ" },
    { "2", "usage: the command line is wrong, or names a run that is not there" },
    { "3", "manifest: it cannot be read or accepted" },
    { "4", "engine or sandbox: not reachable, could not be started, or lost on the way" },
    { "5", "model API: it refused, or stayed broken after all retries" },
    { "6", "a limit of 'limits' was reached" },
    { "7",
      "policy: the lock-down could not be verified, the image is refused, or its scanner did not accept it" },
    { "8", "outputs: a required one is missing, or one could not be written" },
    { "9",
      "internal error, or the host's files cannot be used (disk full, no permission); verify: the run folder "
      "is damaged, or a statement or an output is not what the run says" },
    { "10", "the final message does not match agent.output.schema, after one repair" },
    { "11", "a command of 'checks' goes on failing" },
    { "12", "a call waits for approval: `agentbox resume RUN --approve`, or --deny" },
    { "130", "interrupted by SIGINT (Ctrl-C)" },
    { "143", "interrupted by SIGTERM; 129 by SIGHUP (the terminal went away)" },
};

static int print(struct buf *out, bool is_json, struct err *err)
{
    int r = is_json ? term_print_json(buf_span(out), err) : term_print(buf_span(out), err);

    buf_done(out);
    return r;
}

static void help_exit_codes(struct buf *out)
{
    for (size_t i = 0; i < sizeof(exit_codes) / sizeof(exit_codes[0]); i++)
        buf_printf(out, "%4s  %s\n", exit_codes[i].status, exit_codes[i].meaning);
}

int verb_help(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    const struct verb *verb;
    int r = 0;

    if (opts->arg_count == 0) {
        help_all(&out);
    } else if (strcmp(opts->args[0], "manifest") == 0) {
        r = reference_write(&out);
    } else if (strcmp(opts->args[0], "exit-codes") == 0) {
        help_exit_codes(&out);
    } else {
        verb = verb_find(opts->args[0]);
        if (!verb) {
            err_set(err, ERR_USAGE, "there is no help on '%s'", opts->args[0]);
            return err_hint(err, "`agentbox help` lists what there is");
        }
        help_verb(&out, verb);
    }
    if (r < 0) {
        buf_done(&out);
        return r;
    }
    return print(&out, false, err);
}

int verb_schema(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    int r = schema_write(&out, err);

    (void) opts;
    if (r < 0) {
        buf_done(&out);
        return r;
    }
    return print(&out, true, err);
}

int verb_version(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    struct json_writer w;

    if (!opts->json) {
        buf_printf(&out, "agentbox %s\n", AGENTBOX_VERSION);
        return print(&out, false, err);
    }
    report_begin(&w, &out);
    json_put_string(&w, "agentbox", AGENTBOX_VERSION);
    json_put_string(&w, "guest_sha256", guest_image_digest());
    json_put_string(&w, "guest_arch", guest_image_arch());
    if (report_end(&w, err) < 0) {
        buf_done(&out);
        return -ERR_TOO_LARGE;
    }
    return print(&out, true, err);
}
