/* SPDX-License-Identifier: MIT */
/* Command line and stdin into what the manifest loader takes. */
#include "cmd/load.h"

#include "cmd/term.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/run/journal.h"
#include "core/run/replay.h"
#include "manifest/approve.h"
#include "manifest/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_MAX (4 * 1024 * 1024)
#define SETS_MAX   (16 * 1024 * 1024)

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

int load_sets(const struct options *opts, const char *ret[LOAD_SETS_MAX], struct err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < opts->sets.count; i++) {
        const char *equals = strchr(opts->sets.items[i], '=');

        ret[count++] = opts->sets.items[i];
        if (equals && equals != opts->sets.items[i])
            continue;
        err_set(err, ERR_USAGE, "'--set %s' is not of the form PATH=VALUE", opts->sets.items[i]);
        return err_hint(err, "for example: --set limits.turns=5");
    }
    if (opts->keep) /* a part of the manifest like any other: the run folder says so too */
        ret[count++] = "sandbox.keep=always";
    ret[count] = NULL;
    return 0;
}

static size_t count_sets(const char *const *sets)
{
    size_t count = 0;

    while (sets && sets[count])
        count++;
    return count;
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

int load_task(const struct options *opts, struct buf *text, const char **ret, struct err *err)
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

int load_approve(const struct options *opts, int *ret, struct err *err)
{
    for (*ret = 0; opts->least && approve_words[*ret]; ++*ret)
        if (strcmp(opts->least, approve_words[*ret]) == 0)
            return 0;
    return opts->least ? err_set(err, ERR_USAGE, "'--approve %s': it is one of auto, ask, deny", opts->least)
                       : 0;
}

/* A manifest of the command line, ready to be loaded. */
struct request {
    struct run_param params[OPTIONS_LIST_MAX];
    const char *sets[LOAD_SETS_MAX];
    struct arena names;
    struct buf task;
    struct manifest_options load;
};

static int request_init(struct request *q, const struct options *opts, struct err *err)
{
    int r;

    arena_init(&q->names, 1024 * 1024);
    buf_init(&q->task, LOAD_TASK_MAX);
    q->load = (struct manifest_options){
        .path = opts->args[0],
        .params = q->params,
        .param_count = opts->params.count,
        .sets = q->sets,
        .is_untrusted = opts->untrusted,
    };
    r = load_approve(opts, &q->load.approve, err);
    if (r == 0)
        r = split_params(opts, q->params, &q->names, err);
    if (r == 0)
        r = load_sets(opts, q->sets, err);
    if (r == 0)
        r = load_task(opts, &q->task, &q->load.task, err);
    if (r == 0)
        q->load.set_count = count_sets(q->sets);
    return r;
}

static void request_done(struct request *q)
{
    buf_done(&q->task);
    arena_done(&q->names);
}

int load_manifest(const struct options *opts, struct run_spec **ret, struct diags *diags, struct err *err)
{
    struct request request;
    int r = request_init(&request, opts, err);

    if (r == 0)
        r = manifest_load(&request.load, ret, diags, err);
    request_done(&request);
    return r;
}

static void tell(const struct buf *text)
{
    struct term term;

    term_init(&term, TERM_ERR);
    (void) term_write(&term, buf_span(text), NULL); /* there is nowhere left to say it */
}

/* What is wrong with the manifest goes to stderr, and then need not be said again. */
static int load_telling(const struct manifest_options *load, struct run_spec **ret, struct err *err)
{
    struct diags *diags = malloc(sizeof(*diags));
    struct buf text = BUF_INIT(REPORT_MAX);
    int r;

    if (!diags)
        return err_set(err, ERR_INTERNAL, "no memory for diagnostics");
    diags_init(diags);
    r = manifest_load(load, ret, diags, err);
    if (diags->count > 0) {
        diags_render(diags, &text);
        tell(&text);
        if (r < 0)
            term_say("agentbox: %zu problem%s in the manifest", diags->count + diags->dropped,
                     diags->count + diags->dropped == 1 ? "" : "s");
        err->text[0] = '\0';
    }
    buf_done(&text);
    diags_done(diags);
    free(diags);
    return r;
}

int load_spec(const struct options *opts, struct run_spec **ret, struct err *err)
{
    struct request request;
    int r = request_init(&request, opts, err);

    if (r == 0)
        r = load_telling(&request.load, ret, err);
    request_done(&request);
    return r;
}

/* A manifest that is nothing but an image. */
static int write_image_manifest(const char *image, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_int(&w, "version", 1);
    json_put_string(&w, "name", "scan");
    json_put_raw(&w, "model", span_of("{\"name\":\"none\"}"));
    json_put_raw(&w, "agent", span_of("{\"task\":\"none\"}"));
    json_key(&w, "sandbox");
    json_object(&w);
    json_put_string(&w, "image", image);
    json_object_end(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

int load_scan_spec(const struct options *opts, bool is_image, const char *set, struct run_spec **ret,
                   struct err *err)
{
    struct buf text = BUF_INIT(64 * 1024);
    struct request request;
    int r = request_init(&request, opts, err);

    if (r == 0 && set) {
        request.sets[request.load.set_count++] = set;
        request.sets[request.load.set_count] = NULL;
    }
    if (r == 0 && is_image)
        r = write_image_manifest(opts->args[0], &text, err);
    if (r == 0 && is_image)
        request.load.text = buf_span(&text);
    if (r == 0)
        r = load_telling(&request.load, ret, err);
    request_done(&request);
    buf_done(&text);
    return r;
}

static int write_tool_manifest(const char *name, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_int(&w, "version", 1);
    json_put_string(&w, "name", "tools");
    json_put_raw(&w, "model", span_of("{\"name\":\"none\"}"));
    json_put_raw(&w, "sandbox", span_of("{\"image\":\"none\"}"));
    json_key(&w, "agent");
    json_object(&w);
    json_put_string(&w, "task", "none");
    json_key(&w, "tools");
    json_array(&w);
    json_object(&w);
    json_put_string(&w, "from", "library");
    json_key(&w, "only");
    json_array(&w);
    json_string(&w, name);
    json_array_end(&w);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

int load_tool_spec(const struct options *opts, const char *name, const struct bundle *files,
                   struct run_spec **ret, struct err *err)
{
    static const char *const path[] = { "tools" };
    struct options of_manifest = *opts;
    struct buf text = BUF_INIT(64 * 1024);
    struct request request;
    int r;

    of_manifest.args = path;
    of_manifest.arg_count = 1;
    r = request_init(&request, &of_manifest, err);
    if (r == 0)
        r = write_tool_manifest(name, &text, err);
    request.load.text = buf_span(&text);
    request.load.tool = files;
    if (r == 0)
        r = load_telling(&request.load, ret, err);
    request_done(&request);
    buf_done(&text);
    return r;
}

/* ---- of a run that there is ---- */

struct set_list {
    struct arena texts;
    const char **items;
    size_t count, cap;
};

static int set_add(struct set_list *list, const char *text, struct err *err)
{
    const char *copy = arena_text(&list->texts, text);

    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        const char **more = realloc(list->items, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_INTERNAL, "no memory for what was set");
        list->items = more;
        list->cap = cap;
    }
    list->items[list->count++] = copy;
    return copy ? 0 : err_set(err, ERR_INTERNAL, "no memory for what was set");
}

static int set_add_all(struct set_list *list, const char *const *sets, struct err *err)
{
    int r = 0;

    for (; sets && *sets && r == 0; sets++)
        r = set_add(list, *sets, err);
    return r;
}

static int set_add_recorded(struct set_list *list, const struct record_run_resume *resume, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < resume->set_count && r == 0; i++)
        r = set_add(list, resume->sets[i].text, err);
    return r;
}

static int set_add_journal(struct set_list *list, struct run_folder *folder, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(folder, &reader, err);

    if (r < 0)
        return r == -ERR_NOT_FOUND ? 0 : r;
    while (r >= 0 && (r = journal_next(&reader, &rec, err)) > 0)
        if (rec.type == RECORD_RUN_RESUME)
            r = set_add_recorded(list, &rec.run_resume, err);
    journal_close(&reader);
    return r;
}

int load_recorded_spec(const struct load_recorded *from, struct run_spec **ret, struct err *err)
{
    struct set_list list = { .texts = ARENA_INIT(SETS_MAX) };
    CLEANUP(free) char *path = file_join(from->folder->path, RUN_MANIFEST);
    int r = path ? 0 : err_set(err, ERR_INTERNAL, "no memory for a path");

    if (r == 0)
        r = from->earlier ? set_add_all(&list, from->earlier, err)
                          : set_add_journal(&list, from->folder, err);
    if (r == 0)
        r = set_add_all(&list, from->sets, err);
    if (r == 0)
        r = load_telling(&(struct manifest_options){ .path = path,
                                                     .sets = list.items,
                                                     .set_count = list.count,
                                                     .approve = from->approve,
                                                     .task = from->task,
                                                     .has_begun = true },
                         ret, err);
    free(list.items);
    arena_done(&list.texts);
    return r;
}

int load_check_answers(const struct run_folder *folder, const struct run_spec *spec, struct err *err)
{
    const char *path = spec->model.replay;

    if (!path || (!replay_is_path(path) && access(path, R_OK) == 0))
        return 0;
    err_set(err, ERR_USAGE, "run '%s' had its answers from '%s', which is not there any more", folder->id,
            path);
    return replay_is_path(path)
               ? err_hint(err,
                          "it is a replay: `agentbox replay` of the run that it repeats makes another one")
               : err_hint(err, "'model.replay' names a recording: put it back where it was");
}
