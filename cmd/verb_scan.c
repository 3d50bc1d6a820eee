/* SPDX-License-Identifier: MIT */
/* `agentbox scan IMAGE|MANIFEST`: ask the scanner now, and keep its answer for the runs to come. */
#include "cmd/backend.h"
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/sweeping.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "oci/image.h"
#include "oci/image_scan.h"
#include "oci/login.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_MAX (1024 * 1024)
#define SIGNALS    3

static const int watched[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

/* One scan under our eyes. */
struct asking {
    const struct options *opts;
    const struct run_spec *spec;
    struct engine_session session;
    const struct image *image;
    struct image_query *query;
    struct image_scan *scan;
    struct loop_source *signals[SIGNALS];
    struct buf report;
    int signum;
    bool is_done;
    int result;
    struct err *err;
};

/* ---- which scanner ---- */

static bool is_in_path(const char *program)
{
    const char *path = getenv("PATH");
    char full[4096];

    for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
        int len = snprintf(full, sizeof(full), "%.*s/%s", (int) strcspn(path, ":"), path, program);

        if (len > 0 && (size_t) len < sizeof(full) && access(full, X_OK) == 0)
            return true;
    }
    return false;
}

/* The first known one that is here. */
static const char *usual_scanner(struct err *err)
{
    if (is_in_path("trivy"))
        return "sandbox.scan=trivy";
    if (is_in_path("grype"))
        return "sandbox.scan=grype";
    err_set(err, ERR_USAGE, "no scanner is named, and neither 'trivy' nor 'grype' is here");
    err_hint(err, "install one, or name another: --set 'sandbox.scan.command=[PROGRAM, \"{archive}\"]'");
    return NULL;
}

/* A manifest when there is such a file, or its name looks like one. */
static bool is_manifest(const char *word)
{
    const char *dot = strrchr(word, '.');

    return strcmp(word, "-") == 0 || access(word, F_OK) == 0 ||
           (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0));
}

static int load(const struct options *opts, struct run_spec **ret, struct err *err)
{
    const bool is_image = !is_manifest(opts->args[0]);
    struct run_spec *spec = NULL;
    const char *usual;
    int r = load_scan_spec(opts, is_image, NULL, &spec, err);

    if (r < 0 || spec->sandbox.scan.command) {
        *ret = spec;
        return r;
    }
    run_spec_free(spec);
    usual = usual_scanner(err);
    return usual ? load_scan_spec(opts, is_image, usual, ret, err) : -ERR_USAGE;
}

/* ---- what it said ---- */

static void text_line(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%-9s ", name);
    term_clean(out, span_of(value), false);
    buf_add_char(out, '\n');
}

static void text_command(struct buf *out, const char *const *command)
{
    struct buf line = BUF_INIT(REPORT_MAX);

    for (; *command; command++)
        buf_printf(&line, "%s%s", line.len ? " " : "", *command);
    text_line(out, "scanner", buf_text(&line));
    buf_done(&line);
}

/* Indented, as its lines could be taken for ours. */
static void text_output(struct buf *out, const char *text)
{
    for (size_t len; *text; text += len + (text[len] != '\0')) {
        len = strcspn(text, "\n");
        buf_add_text(out, "    ");
        term_clean(out, span_make(text, len), false);
        buf_add_char(out, '\n');
    }
}

static void text_report(struct buf *out, const struct sandbox_scanned *s, const struct sandbox_scan *scan)
{
    char answer[128], took[32], age[32];

    text_line(out, "image", s->image);
    text_line(out, "id", s->image_id);
    if (s->image_digest[0])
        text_line(out, "digest", s->image_digest);
    text_command(out, s->command);
    units_format_duration(took, s->duration_ms);
    units_format_duration(age, scan->max_age_ms);
    if (s->why)
        snprintf(answer, sizeof(answer), "none in %s: %.80s", took, s->why);
    else
        snprintf(answer, sizeof(answer), "%s with status %lld in %s; holds for %s", s->answer,
                 (long long) s->exit_status, took, age);
    text_line(out, "answer", answer);
    if (s->output[0]) {
        buf_add_char(out, '\n');
        text_output(out, s->output);
    }
}

static int json_report(struct buf *out, const struct sandbox_scanned *s, const struct sandbox_scan *scan,
                       struct err *err)
{
    struct json_writer w;
    char expires[CLOCK_TEXT];

    clock_text(clock_wall_ms() + scan->max_age_ms, expires);
    report_begin(&w, out);
    json_put_string(&w, "image", s->image);
    json_put_string(&w, "image_id", s->image_id);
    json_put_string(&w, "image_digest", s->image_digest[0] ? s->image_digest : NULL);
    json_key(&w, "command");
    json_array(&w);
    for (const char *const *word = s->command; *word; word++)
        json_string(&w, *word);
    json_array_end(&w);
    json_put_string(&w, "answer", s->answer);
    json_put_string(&w, "message", s->why);
    json_put_int(&w, "exit", s->exit_status);
    json_put_int(&w, "duration_ms", s->duration_ms);
    json_put_string(&w, "expires", s->why ? NULL : expires);
    json_put_string(&w, "output", s->output);
    return report_end(&w, err);
}

/* ---- asking ---- */

static void end(struct asking *a, int result, const struct err *err)
{
    a->is_done = true;
    a->result = result;
    if (result < 0)
        *a->err = *err;
}

static void on_step(void *data, const char *text)
{
    const struct asking *a = data;

    if (!a->opts->quiet)
        term_say("%s", text);
}

static void on_scanned(void *data, int result, const struct sandbox_scanned *scanned, const struct err *err)
{
    struct asking *a = data;

    if (scanned && a->opts->json)
        (void) json_report(&a->report, scanned, &a->spec->sandbox.scan, NULL); /* it fits */
    else if (scanned)
        text_report(&a->report, scanned, &a->spec->sandbox.scan);
    end(a, result, err);
}

static int print(const struct asking *a, struct err *err)
{
    struct span text = buf_span(&a->report);

    if (text.len == 0)
        return 0;
    return a->opts->json ? term_print_json(text, err) : term_print(text, err);
}

static int ask(struct asking *a, const char *folder)
{
    static const struct image_scan_ops ops = { on_step, on_scanned };
    const struct image_scan_request req = {
        .scan = &a->spec->sandbox.scan,
        .image = a->image,
        .name = a->spec->sandbox.image,
        .folder = folder,
        .is_fresh = true,
    };

    a->is_done = false;
    return image_scan_start(a->session.engine, &req, &ops, a, &a->scan, a->err);
}

static void on_image(void *data, int result, const struct image *image, const struct err *err)
{
    struct asking *a = data;

    a->image = image;
    end(a, result, err);
}

static void on_signal(void *data, int signum)
{
    struct asking *a = data;

    a->signum = signum;
    loop_quit(a->session.loop);
}

static int wait_for(struct asking *a)
{
    int r = loop_run(a->session.loop, &a->is_done, a->err);

    if (r == 0 && !a->is_done)
        return err_set(a->err, ERR_CANCELED, "interrupted; the scanner was ended");
    return r < 0 ? r : a->result;
}

static int find_and_ask(struct asking *a)
{
    static const struct image_ops ops = { on_step, on_image };
    const struct sandbox_spec *spec = &a->spec->sandbox;
    CLEANUP(free) char *folder = backend_scans();
    int r = 0;

    for (size_t i = 0; i < SIGNALS && r == 0; i++)
        r = loop_signal(a->session.loop, watched[i], on_signal, a, &a->signals[i], a->err);
    if (r == 0)
        r = image_query_start(a->session.engine, spec->image, spec->pull,
                              login_config_path(&a->session.arena), &ops, a, &a->query, a->err);
    if (r == 0)
        r = wait_for(a);
    if (r == 0)
        r = ask(a, folder);
    if (r == 0)
        r = wait_for(a);
    image_scan_free(a->scan);
    image_query_free(a->query);
    for (size_t i = 0; i < SIGNALS; i++)
        loop_source_free(a->signals[i]);
    return r;
}

int verb_scan(const struct options *opts, struct err *err)
{
    struct asking a = { .opts = opts, .report = BUF_INIT(REPORT_MAX), .err = err };
    struct run_spec *spec = NULL;
    int r = load(opts, &spec, err), printed;

    if (r < 0)
        return r;
    a.spec = spec;
    r = engine_session_open(&a.session, spec->sandbox.engine, err);
    if (r == 0) {
        r = find_and_ask(&a);
        engine_session_close(&a.session);
    }
    printed = print(&a, r < 0 ? NULL : err);
    run_spec_free(spec);
    buf_done(&a.report);
    if (a.signum)
        return 128 + a.signum;
    return r < 0 ? r : printed;
}
