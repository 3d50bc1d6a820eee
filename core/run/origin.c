/* SPDX-License-Identifier: MIT */
/* Who begins a run. */
#include "core/run/origin.h"

#include "core/base/digest.h"

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
