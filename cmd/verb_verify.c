/* SPDX-License-Identifier: MIT */
/* `agentbox verify RUN`: is its folder as it was written, and if not, where. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/units.h"
#include "core/run/verify.h"

#include <stdlib.h>

#define REPORT_MAX (1024 * 1024)

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

static int verify_json(const struct run_folder *folder, const struct run_verdict *v, struct buf *out,
                       struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_string(&w, "id", folder->id);
    json_put_bool(&w, "ok", v->damage_count == 0);
    json_put_string(&w, "head", v->head[0] ? v->head : NULL);
    json_put_int(&w, "records", v->records);
    json_put_int(&w, "objects", v->objects);
    json_put_int(&w, "checkpoints", v->checkpoints);
    json_put_int(&w, "packs", v->packs);
    json_put_int(&w, "bytes", v->bytes);
    json_put_int(&w, "damaged", (int64_t) v->damage_count);
    json_list(&w, "damage", v->damage, v->damage_count);
    json_list(&w, "leftovers", v->leftovers, v->leftover_count);
    json_put_int(&w, "torn_bytes", v->torn_bytes);
    return report_end(&w, err);
}

static void text_damage(struct buf *out, const struct run_damage *d)
{
    buf_add_text(out, "DAMAGED  ");
    term_clean(out, span_of(d->file), false);
    if (d->offset >= 0)
        buf_printf(out, " at byte %lld", (long long) d->offset);
    buf_add_text(out, ": ");
    term_clean(out, span_of(d->err.text), false);
    buf_add_char(out, '\n');
}

static void verify_text(const struct run_folder *folder, const struct run_verdict *v, struct buf *out)
{
    char size[32];

    for (size_t i = 0; i < shown(v->damage_count); i++)
        text_damage(out, &v->damage[i]);
    if (v->damage_count > shown(v->damage_count))
        buf_printf(out, "and %zu more\n", v->damage_count - shown(v->damage_count));
    for (size_t i = 0; i < shown(v->leftover_count); i++) {
        buf_add_text(out, "left by a crash, harmless: ");
        term_clean(out, span_of(v->leftovers[i].file), false);
        buf_add_char(out, '\n');
    }
    if (v->torn_bytes > 0)
        buf_printf(out, "left by a crash, harmless: %lld bytes of a record at the journal's end\n",
                   (long long) v->torn_bytes);
    buf_printf(out, "%s  %s: %lld records, %lld objects, %lld checkpoints, %s checked\n", folder->id,
               v->damage_count == 0 ? "as it was written" : "damaged", (long long) v->records,
               (long long) v->objects, (long long) v->checkpoints, units_format_size(size, v->bytes));
    if (v->damage_count == 0 && v->head[0])
        buf_printf(out, "head  sha256:%s\n", v->head);
}

int verb_verify(const struct options *opts, struct err *err)
{
    struct run_verdict *verdict = calloc(1, sizeof(*verdict));
    struct buf out = BUF_INIT(REPORT_MAX);
    struct run_folder *folder = NULL;
    int r = verdict ? 0 : err_set(err, ERR_INTERNAL, "no memory for the verdict");

    if (r == 0)
        r = run_folder_open(opts->args[0], &folder, err);
    if (r == 0)
        r = run_verify(folder, verdict, err);
    if (r == 0 && opts->json)
        r = verify_json(folder, verdict, &out, err);
    else if (r == 0)
        verify_text(folder, verdict, &out);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    if (r == 0 && verdict->damage_count > 0)
        r = err_exit_status(ERR_INVALID);
    run_folder_free(folder);
    buf_done(&out);
    free(verdict);
    return r;
}
