/* SPDX-License-Identifier: MIT */
/* `agentbox verify RUN`: is its folder as it was written, are an attestation and the outputs what it says;
 * and if not, where. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/file.h"
#include "core/base/units.h"
#include "core/run/attest.h"
#include "core/run/recheck.h"
#include "core/run/statement.h"
#include "core/run/verify.h"

#include <stdlib.h>

#define REPORT_MAX (1024 * 1024)

/* All that was asked for. */
struct verifying {
    const struct options *opts;
    struct run_folder *folder;
    struct run_verdict verdict;
    struct run_verdict beside; /* what is not the run's folder: `damage` is all that is used */
    bool has_checked_outputs;
    int64_t outputs;
};

static size_t shown(size_t count)
{
    size_t room = sizeof(((struct run_verdict *) 0)->damage) / sizeof(struct run_damage);

    return count < room ? count : room;
}

static void json_list(struct json_writer *w, const char *name, const struct run_damage *list, size_t count)
{
    json_key(w, name);
    json_array(w);
    for (size_t i = 0; i < shown(count); i++) {
        json_object(w);
        json_put_string(w, "file", list[i].file);
        if (list[i].offset >= 0)
            json_put_int(w, "offset", list[i].offset);
        json_put_string(w, "text", list[i].err.text);
        json_object_end(w);
    }
    json_array_end(w);
}

static bool is_fine(const struct verifying *v)
{
    return v->verdict.damage_count == 0 && v->beside.damage_count == 0;
}

static int verify_json(const struct verifying *all, struct buf *out, struct err *err)
{
    const struct run_folder *folder = all->folder;
    const struct run_verdict *v = &all->verdict;
    struct json_writer w;

    report_begin(&w, out);
    json_put_string(&w, "id", folder->id);
    json_put_bool(&w, "ok", is_fine(all));
    json_put_string(&w, "head", v->head[0] ? v->head : NULL);
    json_put_int(&w, "records", v->records);
    json_put_int(&w, "objects", v->objects);
    json_put_int(&w, "checkpoints", v->checkpoints);
    json_put_int(&w, "packs", v->packs);
    json_put_int(&w, "bytes", v->bytes);
    json_put_int(&w, "agents", v->agents);
    json_put_string(&w, "attestation", all->opts->attestation);
    if (all->has_checked_outputs)
        json_put_int(&w, "outputs", all->outputs);
    json_put_int(&w, "damaged", (int64_t) v->damage_count);
    json_list(&w, "damage", v->damage, v->damage_count);
    json_list(&w, "differences", all->beside.damage, all->beside.damage_count);
    json_list(&w, "leftovers", v->leftovers, v->leftover_count);
    json_put_int(&w, "torn_bytes", v->torn_bytes);
    return report_end(&w, err);
}

static void text_damage(struct buf *out, const char *word, const struct run_damage *d)
{
    buf_printf(out, "%s  ", word);
    term_clean(out, span_of(d->file), false);
    if (d->offset >= 0)
        buf_printf(out, " at byte %lld", (long long) d->offset);
    buf_add_text(out, ": ");
    term_clean(out, span_of(d->err.text), false);
    buf_add_char(out, '\n');
}

static void text_damages(struct buf *out, const char *word, const struct run_verdict *v)
{
    for (size_t i = 0; i < shown(v->damage_count); i++)
        text_damage(out, word, &v->damage[i]);
    if (v->damage_count > shown(v->damage_count))
        buf_printf(out, "and %zu more\n", v->damage_count - shown(v->damage_count));
}

static void verify_text(const struct verifying *all, struct buf *out)
{
    const struct run_folder *folder = all->folder;
    const struct run_verdict *v = &all->verdict;
    char size[32];

    text_damages(out, "DAMAGED", v);
    text_damages(out, "DIFFERS", &all->beside);
    for (size_t i = 0; i < shown(v->leftover_count); i++) {
        buf_add_text(out, "left by a crash, harmless: ");
        term_clean(out, span_of(v->leftovers[i].file), false);
        buf_add_char(out, '\n');
    }
    if (v->torn_bytes > 0)
        buf_printf(out, "left by a crash, harmless: %lld bytes of a record at the journal's end\n",
                   (long long) v->torn_bytes);
    buf_printf(out, "%s  %s: %lld records, %lld objects, %lld checkpoints, %s checked", folder->id,
               v->damage_count == 0 ? "as it was written" : "damaged", (long long) v->records,
               (long long) v->objects, (long long) v->checkpoints, units_format_size(size, v->bytes));
    if (v->agents > 0)
        buf_printf(out, ", %lld run%s of subagents with it", (long long) v->agents,
                   v->agents == 1 ? "" : "s");
    if (all->has_checked_outputs)
        buf_printf(out, ", %lld output%s", (long long) all->outputs, all->outputs == 1 ? "" : "s");
    buf_add_char(out, '\n');
    if (is_fine(all) && all->opts->attestation) {
        buf_add_text(out, "attested by ");
        term_line(out, span_of(all->opts->attestation));
        buf_add_char(out, '\n');
    }
    if (v->damage_count == 0 && v->head[0])
        buf_printf(out, "head  sha256:%s\n", v->head);
}

/* A run that is damaged cannot say what its statement would be. */
static int check_statement(struct verifying *v, struct err *err)
{
    struct buf theirs = BUF_INIT(STATEMENT_MAX), ours = BUF_INIT(STATEMENT_MAX);
    const char *file = v->opts->attestation;
    struct statement_difference difference;
    struct err why = { 0 };
    int r = file_read(file, &theirs, err);

    if (r == 0)
        r = attest_write(v->folder, &ours, err);
    if (r == 0)
        r = statement_compare(buf_span(&theirs), buf_span(&ours), &difference, err);
    if (r > 0) {
        (void) err_set(&why, ERR_INVALID, "%s", difference.text);
        run_verdict_add(&v->beside, file, difference.offset, &why);
    }
    buf_done(&theirs);
    buf_done(&ours);
    return r < 0 ? r : 0;
}

static void on_output(void *data, const char *place, const struct err *why)
{
    run_verdict_add(data, place, -1, why);
}

static int check_all(struct verifying *v, struct err *err)
{
    const struct options *opts = v->opts;
    int r = run_verify(v->folder, &v->verdict, err);

    if (r < 0 || v->verdict.damage_count > 0)
        return r;
    if (opts->attestation)
        r = check_statement(v, err);
    v->has_checked_outputs = opts->attestation || opts->outputs || opts->outputs_in;
    if (r == 0 && v->has_checked_outputs)
        r = recheck_outputs(v->folder, opts->outputs_in, on_output, &v->beside, &v->outputs, err);
    return r;
}

int verb_verify(const struct options *opts, struct err *err)
{
    struct verifying *v = calloc(1, sizeof(*v));
    struct buf out = BUF_INIT(REPORT_MAX);
    int r;

    if (!v)
        return err_set(err, ERR_INTERNAL, "no memory for the verdict");
    v->opts = opts;
    r = run_folder_open(opts->args[0], &v->folder, err);
    if (r == 0)
        r = check_all(v, err);
    if (r == 0 && opts->json)
        r = verify_json(v, &out, err);
    else if (r == 0)
        verify_text(v, &out);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    if (r == 0 && !is_fine(v))
        r = err_exit_status(ERR_INVALID);
    run_folder_free(v->folder);
    buf_done(&out);
    free(v);
    return r;
}
