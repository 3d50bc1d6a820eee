/* SPDX-License-Identifier: MIT */
/*
 * What tools that are plain functions share: a call with its arguments in, a text out. Embedded as
 * the first member of a tool's own struct, which function_end() frees.
 */
#ifndef TOOL_FUNCTION_H
#define TOOL_FUNCTION_H

#include "core/base/table.h"
#include "core/sandbox/channel.h"
#include "core/tool/tool.h"

struct function {
    struct tool_run run; /* first */
    struct tool_host *host;
    char *raw;
    struct arena arena; /* lives as long as the call */
    const struct tree *item;
    struct loop_source *soon, *deadline;
    struct channel_call *call; /* canceled with it */
    struct buf text;           /* the answer so far */
    struct buf parts;          /* JSON content parts in place of the text; empty: the text */
    char summary[160];
    bool is_failed, is_lost, is_late;
    bool is_cached;             /* its answer was stored */
    int exit_code;              /* of what it ran; -1: nothing */
    const struct quota *quotas; /* limits that were met */
    size_t quota_count;
    void (*release)(struct function *f); /* of what the tool's struct has more; may be NULL */
    tool_done_fn *fn;
    void *data;
};

/* A zeroed struct of `size` bytes that begins with a struct function. */
int function_new(size_t size, struct tool_host *host, const struct tool_call *call, tool_done_fn *fn,
                 void *data, struct function **ret, struct err *err);
void function_free(struct function *f); /* before the call was handed out */
/* The `start` of a tool: the same, and it is on its way. `begin` returns 0 when all has been said. */
int function_start(size_t size, int (*begin)(struct function *f), struct tool_host *host,
                   const struct tool_call *call, tool_done_fn *fn, void *data, struct tool_run **ret,
                   struct err *err);

/* False: the text says what is wrong, and is_failed is set. */
bool function_args(struct function *f, const struct table *table, void *out);
/* A path of the arguments beneath the workspace, "" for the workspace itself. False: as above. */
bool function_path(struct function *f, const char *text, const char **ret);

/* The text becomes this; returns 0, so that failing is one statement. */
int function_fail(struct function *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whatever a request to the sandbox failed with. */
int function_fail_with(struct function *f, int r, const struct err *err);

void function_end(struct function *f); /* the answer goes out; from the loop only */
int function_end_soon(struct function *f, struct err *err);
struct channel *function_channel(struct function *f); /* NULL: it is lost, end it */

void function_describe(struct json_writer *w, const char *name, const char *description,
                       const struct table *table);
/* A call of that function, as a function or as a custom tool, whose free text then is its arguments. */
bool function_is(const struct tree *item, const char *name);
struct span function_input(const struct tree *item); /* the arguments as they came */
/* "NAME WHAT", with a string of the arguments. */
void function_title(const struct tree *item, const char *name, const char *argument, char *out, size_t size);

#endif
