/* SPDX-License-Identifier: MIT */
/* Who begins a run. */
#include "core/run/origin.h"

#include "core/base/digest.h"
#include "core/run/journal.h"

#include <string.h>
#include <unistd.h>

static void look(struct run_origin *o)
{
    o->host[0] = '\0';
    (void) gethostname(o->host, sizeof(o->host) - 1);
    o->host[sizeof(o->host) - 1] = '\0';
    boot_id(o->boot, sizeof(o->boot));
}

void run_origin_begin(struct run_origin *o, const struct run_spec *spec, const struct run_folder *folder,
                      const char *program, struct record_run_begin *ret)
{
    look(o);
    digest_of(span_of(spec->resolved), o->manifest);
    *ret = (struct record_run_begin){
        .format = RECORD_FORMAT,
        .id = folder->id,
        .name = spec->name,
        .program = program,
        .manifest = o->manifest,
        .host = o->host,
        .boot = o->boot,
        .pid = getpid(),
        .model = spec->model.name,
        .base_url = spec->model.base_url,
    };
}

void run_origin_resume(struct run_origin *o, const char *program, struct record_run_resume *ret)
{
    look(o);
    *ret =
        (struct record_run_resume){ .program = program, .host = o->host, .boot = o->boot, .pid = getpid() };
}

static bool is_same(const char *text, const char *ours)
{
    return text && ours[0] && strcmp(text, ours) == 0;
}

int run_origin_is_here(struct run_folder *folder, bool *ret, struct err *err)
{
    struct journal_reader reader;
    struct run_origin here;
    struct record rec;
    int r = journal_open(folder, &reader, err);

    *ret = false;
    if (r < 0)
        return r;
    look(&here);
    while ((r = journal_next(&reader, &rec, err)) > 0) {
        if (rec.type == RECORD_RUN_BEGIN)
            *ret = is_same(rec.run_begin.host, here.host) && is_same(rec.run_begin.boot, here.boot);
        else if (rec.type == RECORD_RUN_RESUME)
            *ret = is_same(rec.run_resume.host, here.host) && is_same(rec.run_resume.boot, here.boot);
    }
    journal_close(&reader);
    return r;
}
