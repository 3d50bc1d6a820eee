/* SPDX-License-Identifier: MIT */
#include "core/tool/quota.h"

#include "core/base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SIGXFSZ_LINUX = 25 };

struct finding {
    const struct quota_facts *facts;
    struct quota *list;
    size_t count;
    char size[32];
};

static const char deadline[] = "command";

__attribute__((format(printf, 3, 4))) static void add(struct finding *f, const char *limit,
                                                      const char *format, ...)
{
    struct quota *q = &f->list[f->count];
    va_list args;

    if (f->count == QUOTA_MAX)
        return;
    f->count++;
    q->limit = limit;
    va_start(args, format);
    (void) vsnprintf(q->text, sizeof(q->text), format, args);
    va_end(args);
}

static const char *size(struct finding *f, int64_t bytes)
{
    return units_write_size(f->size, bytes);
}

/* ---- places ---- */

static const char *place_path(const struct sandbox_spec *spec, int place)
{
    return place == EXEC_WORKSPACE ? spec->root : place == EXEC_TMP ? "/tmp" : "/dev/shm";
}

static int64_t place_bytes(const struct sandbox_spec *spec, int place)
{
    return place == EXEC_WORKSPACE ? spec->size_bytes
           : place == EXEC_TMP     ? spec->tmp_bytes
                                   : SANDBOX_SHM_BYTES;
}

static void find_places(struct finding *f, bool were_full)
{
    static const char *const bytes[EXEC_PLACES] = { "workspace", "tmp", "shm" };
    static const char *const files[EXEC_PLACES] = { "workspace_files", "tmp_files", "shm_files" };
    const struct exec_result *r = f->facts->result;
    const struct sandbox_spec *spec = f->facts->spec;

    for (int i = 0; i < EXEC_PLACES; i++) {
        if (r->was_full[i] != were_full)
            continue;
        if (r->bytes_hit[i])
            add(f, bytes[i], "disk full (limit %s): %.60s", size(f, place_bytes(spec, i)),
                place_path(spec, i));
        if (r->files_hit[i])
            add(f, files[i], "too many files (limit %u): %.60s", r->files_max, place_path(spec, i));
    }
}

/* ---- what only the program knows ---- */

static bool has_failed(const struct exec_result *r)
{
    return r->end == EXEC_SIGNALED || r->end == EXEC_TIMEOUT || (r->end == EXEC_EXITED && r->code != 0);
}

static bool says(const struct quota_facts *facts, const char *words)
{
    return capture_has(facts->out, words) || (facts->err && capture_has(facts->err, words));
}

/* A shell reports the death of its child as 128 + signal. */
static bool is_file_too_long(const struct quota_facts *facts)
{
    const struct exec_result *r = facts->result;

    if ((r->end == EXEC_SIGNALED && r->code == SIGXFSZ_LINUX) ||
        (r->end == EXEC_EXITED && r->code == 128 + SIGXFSZ_LINUX))
        return true;
    return says(facts, "file too large") || says(facts, "file size limit exceeded");
}

/* A place that fills up while a command runs that fails is why; one that was full before may have nothing to
 * do with it. A file may be as long as the largest place, so what fills that may be told either. */
static void find_room(struct finding *f)
{
    const struct sandbox_spec *spec = f->facts->spec;
    const size_t before = f->count;
    char tmp[32];

    find_places(f, false);
    if (f->count > before)
        return;
    if (is_file_too_long(f->facts)) {
        add(f, "file_size", "file size limit (%s)", size(f, sandbox_file_max(spec)));
    } else if (says(f->facts, "no space left on device")) {
        find_places(f, true);
        if (f->count == before)
            add(f, "disk", "disk full (limit %s in %.40s, %s in /tmp) while it ran, not any more",
                size(f, spec->size_bytes), spec->root, units_write_size(tmp, spec->tmp_bytes));
    }
}

/* ---- all ---- */

size_t quota_find(const struct quota_facts *facts, struct quota ret[QUOTA_MAX])
{
    struct finding f = { .facts = facts, .list = ret };
    const struct exec_result *r = facts->result;
    const struct sandbox_spec *spec = facts->spec;
    char time[32];

    if (r->end == EXEC_LOST)
        return 0;
    if (r->memory_hit)
        add(&f, "memory", "out of memory (limit %s)", size(&f, spec->memory_bytes));
    if (r->pids_hit || r->was_swept)
        add(&f, "pids", "process limit (%lld)%s", (long long) spec->pids,
            r->was_swept ? ": what was left running in the background was killed" : "");
    if (has_failed(r))
        find_room(&f);
    if (has_failed(r) && says(facts, "too many open files"))
        add(&f, "open_files", "too many open files (limit %d, ulimit -n takes up to %d)", SANDBOX_OPEN_FILES,
            SANDBOX_OPEN_FILES_MAX);
    if (r->cpu_hit)
        add(&f, "cpu", "processor limit (%g): held back most of the time", (double) spec->nano_cpus / 1e9);
    if (r->end == EXEC_TIMEOUT && facts->deadline_ms > 0)
        add(&f, deadline, "command deadline (limit %s)", units_format_duration(time, facts->deadline_ms));
    return f.count;
}

void quota_cut(int64_t output_max, struct quota *ret)
{
    char text[32];

    ret->limit = "output";
    (void) snprintf(ret->text, sizeof(ret->text), "output cut (limit %s)",
                    units_write_size(text, output_max));
}

void quota_merge(struct quota *list, size_t *count, const struct quota *more, size_t more_count)
{
    for (size_t i = 0; i < more_count; i++) {
        bool is_there = false;

        for (size_t j = 0; j < *count; j++)
            is_there |= strcmp(list[j].limit, more[i].limit) == 0;
        if (!is_there && *count < QUOTA_MAX)
            list[(*count)++] = more[i];
    }
}

void quota_text(const struct quota *list, size_t count, bool all, char *out, size_t size_max)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used < size_max; i++) {
        if (!all && strcmp(list[i].limit, deadline) == 0)
            continue;
        used += (size_t) snprintf(out + used, size_max - used, "%s%s", used ? ", " : "", list[i].text);
    }
}
