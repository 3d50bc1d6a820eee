/* SPDX-License-Identifier: MIT */
#include "core/tool/remember.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/utf8.h"
#include "core/tool/function.h"
#include "core/tool/notes.h"
#include "core/tool/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_MS 20
#define TRIES  500 /* somebody who holds the lock does so for a moment */

struct remember_args {
    const char *note;
    int64_t replaces;
};

static const struct field fields[] = {
    { .name = "note",
      .kind = FIELD_STRING,
      .offset = offsetof(struct remember_args, note),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = NOTES_TEXT_MAX,
      .help = "What later runs should know, in a few sentences that can be understood without this "
              "conversation." },
    { .name = "replaces",
      .kind = FIELD_INT,
      .offset = offsetof(struct remember_args, replaces),
      .min = 0,
      .max = 1000000000,
      .fallback = "0",
      .help = "Number of the note whose place it takes (3 for n3); 0: none." },
};

static const struct table table = { .name = TOOL_REMEMBER,
                                    .fields = fields,
                                    .count = FIELD_COUNT_OF(fields),
                                    .size = sizeof(struct remember_args),
                                    .is_tolerant = true };

struct remembering {
    struct function f; /* first */
    struct remember_args args;
    char *call_id;
    int tries;
    struct loop_source *again;
};

static void release(struct function *f)
{
    struct remembering *r = (struct remembering *) f;

    loop_source_free(r->again);
    free(r->call_id);
}

static void say_done(struct function *f, int64_t replaced)
{
    if (replaced)
        (void) buf_printf(&f->text, "Noted, in the place of n%lld.", (long long) replaced);
    else
        (void) buf_add_text(&f->text, "Noted for later runs.");
    (void) snprintf(f->summary, sizeof(f->summary), "noted");
}

static int put(struct remembering *r, struct err *err)
{
    const struct tool_host *host = r->f.host;
    const struct tool_memory *memory = host->memory;
    struct notes *notes = calloc(1, sizeof(*notes));
    char time[CLOCK_TEXT];
    struct notes_order order = { .replaces = r->args.replaces, .bytes_max = memory->bytes_max };
    int result =
        notes ? notes_load(memory->dir, notes, err) : err_set(err, ERR_INTERNAL, "no memory for the notes");

    if (result == 0) {
        clock_text(clock_wall_ms(), time);
        order.note = (struct note){ .time = time,
                                    .run = host->run_id,
                                    .model = host->model,
                                    .call = host->number(host->data, r->call_id),
                                    .text = r->args.note };
        result = notes_put(notes, &order, err);
        if (result > 0)
            result = notes_save(memory->dir, notes, err);
        notes_done(notes);
    }
    free(notes);
    return result;
}

/* 1: somebody else has the notes, for a moment. */
static int try_once(struct remembering *r)
{
    CLEANUP(fd) int lock = -1;
    struct err err = { 0 };
    int result = notes_lock(r->f.host->memory->dir, &lock, &err);

    if (result == -ERR_CONFLICT && ++r->tries < TRIES)
        return 1;
    if (result == 0)
        result = put(r, &err);
    if (result < 0)
        return function_fail(&r->f, "not noted: %s", err.text);
    say_done(&r->f, r->args.replaces);
    return 0;
}

static void try_again(void *data)
{
    struct remembering *r = data;
    struct err err = { 0 };

    if (try_once(r) == 1 && loop_timer_set(r->again, TRY_MS, &err) == 0)
        return;
    if (err.code)
        function_fail(&r->f, "not noted: %s", err.text);
    function_end(&r->f);
}

static const char *refusal(const struct tool_host *host, struct span text)
{
    if (utf8_valid(text) < text.len)
        return "it is no valid UTF-8";
    if (host->holds_secret && host->holds_secret(host->data, text))
        return "it holds a secret of this run";
    return notes_suspect(text);
}

static int begin(struct remembering *r, struct err *err)
{
    const struct tool_host *host = r->f.host;
    const char *why;

    if (!function_args(&r->f, &table, &r->args))
        return 0;
    why = refusal(host, span_of(r->args.note));
    if (why)
        return function_fail(&r->f, "not noted: %s. Secrets are never kept: say it without.", why);
    if (host->memory->is_dry) { /* the same words, so that a replay can be compared */
        say_done(&r->f, r->args.replaces);
        return 0;
    }
    if (try_once(r) == 0)
        return 0;
    return loop_timer(host->loop, TRY_MS, try_again, r, &r->again, err) < 0 ? -ERR_INTERNAL : 1;
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    struct function *f = NULL;
    struct remembering *r;
    int result = function_new(sizeof(struct remembering), host, call, fn, data, &f, err);

    if (result < 0)
        return result;
    r = (struct remembering *) f;
    f->release = release;
    r->call_id = strdup(call->call_id);
    result = r->call_id ? begin(r, err) : err_set(err, ERR_INTERNAL, "no memory for a tool call");
    if (result == 0)
        result = function_end_soon(f, err);
    if (result < 0)
        function_free(f);
    else
        *ret = &f->run;
    return result < 0 ? result : 0;
}

static void describe(struct json_writer *w, enum tool_style style)
{
    (void) style;
    function_describe(
        w, TOOL_REMEMBER,
        "Leaves a note for later runs of this agent: what was learnt that is not in the workspace. "
        "Never a secret. Call it at the end, and only for what will still be true then.",
        &table);
}

static bool owns(const struct tree *item)
{
    return function_is(item, TOOL_REMEMBER);
}

static void title(const struct tree *item, char *out, size_t size)
{
    function_title(item, TOOL_REMEMBER, "note", out, size);
}

const struct tool_ops remember_tool = {
    .name = TOOL_REMEMBER,
    .describe = describe,
    .owns = owns,
    .title = title,
    .start = start,
};
