/* SPDX-License-Identifier: MIT */
/* `agentbox validate MANIFEST`: every problem at once, as text or as data. */
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"

#include <stdlib.h>
#include <unistd.h>

#define REPORT_MAX (4 * 1024 * 1024)

static int validate_json(const struct options *opts, struct err *err)
{
    struct diags *diags = malloc(sizeof(*diags));
    struct buf out = BUF_INIT(REPORT_MAX);
    struct run_spec *spec = NULL;
    struct json_writer w;
    struct term term;
    int r, written;

    if (!diags)
        return err_set(err, ERR_INTERNAL, "no memory for diagnostics");
    diags_init(diags);
    r = load_manifest(opts, &spec, diags, err);
    json_begin(&w, &out);
    w.is_pretty = true;
    json_object(&w);
    json_put_int(&w, "version", REPORT_VERSION);
    json_put_bool(&w, "ok", r == 0);
    json_put_string(&w, "error", r < 0 && diags->count == 0 ? err->text : NULL);
    if (diags->count > 0)
        err->text[0] = '\0'; /* it has been told */
    json_key(&w, "diagnostics");
    diags_json(diags, &w);
    json_object_end(&w);
    written = json_end(&w, err);
    buf_add_char(&out, '\n');
    term_init(&term, STDOUT_FILENO);
    if (written == 0)
        written = term_write(&term, buf_span(&out), err);
    run_spec_free(spec);
    diags_done(diags);
    free(diags);
    buf_done(&out);
    return r < 0 ? r : written;
}

int verb_validate(const struct options *opts, struct err *err)
{
    struct run_spec *spec = NULL;
    int r;

    if (opts->json)
        return validate_json(opts, err);
    r = load_spec(opts, &spec, err);
    if (r == 0)
        term_say("%s: fine\n", opts->args[0]);
    run_spec_free(spec);
    return r;
}
