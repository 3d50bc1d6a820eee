/* SPDX-License-Identifier: MIT */
/* `agentbox validate MANIFEST`: every problem at once, as text or as data. */
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"

#include <stdlib.h>

#define REPORT_MAX (4 * 1024 * 1024)

static int validate_json(const struct options *opts, struct err *err)
{
    struct diags *diags = malloc(sizeof(*diags));
    struct buf out = BUF_INIT(REPORT_MAX);
    struct run_spec *spec = NULL;
    struct json_writer w;
    int r, written;

    if (!diags)
        return err_set(err, ERR_INTERNAL, "no memory for diagnostics");
    diags_init(diags);
    r = load_manifest(opts, &spec, diags, err);
    report_begin(&w, &out);
    json_put_bool(&w, "ok", r == 0);
    json_put_string(&w, "error", r < 0 && diags->count == 0 ? err->text : NULL);
    if (diags->count > 0)
        err->text[0] = '\0'; /* it has been told */
    json_key(&w, "diagnostics");
    diags_json(diags, &w);
    written = report_end(&w, err);
    if (written == 0)
        written = term_print_json(buf_span(&out), err);
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
        term_say("%s: fine", opts->args[0]);
    run_spec_free(spec);
    return r;
}
