/* SPDX-License-Identifier: MIT */
/* Command line and stdin into what the manifest loader takes. */
#include "cmd/load.h"

#include "cmd/term.h"
#include "manifest/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TASK_MAX   (1024 * 1024)
#define REPORT_MAX (4 * 1024 * 1024)

/* "name=value" of -p. `names` owns the copies of the names. */
static int split_params(const struct options *opts, struct run_param *params, struct arena *names,
                        struct err *err)
{
    const char *equals;

    for (size_t i = 0; i < opts->params.count; i++) {
        equals = strchr(opts->params.items[i], '=');
        if (!equals || equals == opts->params.items[i]) {
            err_set(err, ERR_USAGE, "'-p %s' is not of the form NAME=VALUE", opts->params.items[i]);
            return err_hint(err, "for example: -p quarter=Q3");
        }
        params[i].name = arena_copy(names, opts->params.items[i], (size_t) (equals - opts->params.items[i]));
        params[i].value = equals + 1;
        if (!params[i].name)
            return err_set(err, ERR_INTERNAL, "no memory for parameters");
    }
    return 0;
}

static int check_sets(const struct options *opts, struct err *err)
{
    for (size_t i = 0; i < opts->sets.count; i++) {
        const char *equals = strchr(opts->sets.items[i], '=');

        if (equals && equals != opts->sets.items[i])
            continue;
        err_set(err, ERR_USAGE, "'--set %s' is not of the form PATH=VALUE", opts->sets.items[i]);
        return err_hint(err, "for example: --set limits.turns=5");
    }
    return 0;
}

/* A task of "-" is read from stdin. */
static int read_task(struct buf *out, struct err *err)
{
    char piece[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, "reading the task from stdin");
        if (buf_add(out, piece, (size_t) n) < 0)
            return err_set(err, ERR_USAGE, "the task on stdin is larger than 1 MiB");
    }
    return 0;
}

static int pick_task(const struct options *opts, struct buf *text, const char **ret, struct err *err)
{
    bool is_stdin = opts->arg_count > 1 || (opts->task && strcmp(opts->task, "-") == 0);
    int r;

    if (opts->arg_count > 1 && strcmp(opts->args[1], "-") != 0) {
        err_set(err, ERR_USAGE, "'agentbox %s' does not take '%s'", opts->verb, opts->args[1]);
        return err_hint(err, "a task goes after '--', or '-' reads it from stdin");
    }
    if (is_stdin && strcmp(opts->args[0], "-") == 0)
        return err_set(err, ERR_USAGE, "manifest and task cannot both come from stdin");
    *ret = opts->task;
    if (!is_stdin)
        return 0;
    r = read_task(text, err);
    *ret = buf_text(text);
    if (r == 0 && strlen(*ret) != text->len)
        return err_set(err, ERR_USAGE, "the task on stdin is no text: it has a NUL byte");
    return r;
}

int load_manifest(const struct options *opts, struct run_spec **ret, struct diags *diags, struct err *err)
{
    struct run_param params[OPTIONS_LIST_MAX];
    const char *sets[OPTIONS_LIST_MAX + 1];
    struct manifest_options load = {
        .path = opts->args[0],
        .params = params,
        .param_count = opts->params.count,
        .sets = sets,
        .set_count = opts->sets.count,
    };
    struct arena names = ARENA_INIT(1024 * 1024);
    struct buf task = BUF_INIT(TASK_MAX);
    int r = split_params(opts, params, &names, err);

    if (r == 0)
        r = check_sets(opts, err);
    memcpy(sets, opts->sets.items, sizeof(opts->sets.items));
    if (opts->keep) /* a part of the manifest like any other: the run folder says so too */
        sets[load.set_count++] = "sandbox.keep=always";
    if (r == 0)
        r = pick_task(opts, &task, &load.task, err);
    if (r == 0)
        r = manifest_load(&load, ret, diags, err);
    buf_done(&task);
    arena_done(&names);
    return r;
}

int load_spec(const struct options *opts, struct run_spec **ret, struct err *err)
{
    struct diags *diags = malloc(sizeof(*diags));
    struct buf text = BUF_INIT(REPORT_MAX);
    int r;

    if (!diags)
        return err_set(err, ERR_INTERNAL, "no memory for diagnostics");
    diags_init(diags);
    r = load_manifest(opts, ret, diags, err);
    if (diags->count > 0) {
        diags_render(diags, &text);
        term_say("%s", buf_text(&text));
        if (r < 0)
            term_say("agentbox: %zu problem%s in the manifest\n", diags->count + diags->dropped,
                     diags->count + diags->dropped == 1 ? "" : "s");
        err->text[0] = '\0'; /* it has been told */
    }
    buf_done(&text);
    diags_done(diags);
    free(diags);
    return r;
}
