/* SPDX-License-Identifier: MIT */
/* Entry: find the verb, run it, turn what failed into a message and an exit status. */
#include "cmd/options.h"
#include "cmd/term.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define TASK_MAX (1024 * 1024)

static int dispatch(const struct options *opts, struct err *err)
{
    const struct verb *verb = opts->verb ? verb_find(opts->verb) : verb_find("help");
    struct options help = { .verb = "help", .args = &opts->verb, .arg_count = 1 };

    if (opts->verb && opts->help)
        return verb_find("help")->run(&help, err);
    if (!opts->verb && !opts->help) {
        err_set(err, ERR_USAGE, "no verb was given");
        return err_hint(err, "try `agentbox run MANIFEST`; `agentbox help` lists the verbs");
    }
    return verb->run(opts, err);
}

/* Whoever started us may have closed these: what we open next would take their numbers and get what is meant
 * for them. They are held by descriptors that refuse, so that a result which goes nowhere is an error. */
static void hold_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void) open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* takes the lowest free number: this */
}

int main(int argc, char **argv)
{
    struct buf task = BUF_INIT(TASK_MAX);
    struct options opts;
    struct err err = { 0 };
    int r;

    hold_standard_fds();
    /* a reader that goes away shows as EPIPE where we write, a limit on the size of files (ulimit -f) as
     * EFBIG: neither as our death */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    r = options_parse(argc, argv, &opts, &task, &err);
    if (r == 0)
        r = dispatch(&opts, &err);
    if (r < 0) {
        if (err.text[0])
            term_error(&err);
        r = err_exit_status((enum err_code) - r);
    }
    buf_done(&task);
    return r;
}
