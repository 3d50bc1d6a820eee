/* SPDX-License-Identifier: MIT */
/*
 * Which limits a command met, in words that a model can act on: what ran out and how much of it there is, as
 * the manifest has it. Pure.
 *
 * Memory, processes and full places are known from the kernel, through the guest. That a program could not
 * open one more file, or was refused a longer file and did not die of it, is known to nobody but the program:
 * there its own words are taken for it, and only when it failed.
 */
#ifndef TOOL_QUOTA_H
#define TOOL_QUOTA_H

#include "core/sandbox/channel.h"
#include "core/sandbox/spec.h"
#include "core/tool/capture.h"

struct quota {
    const char *limit; /* a word for programs: memory pids cpu workspace tmp shm ... */
    char text[120];    /* "out of memory (limit 1g)" */
};

enum { QUOTA_MAX = 16 };

struct quota_facts {
    const struct exec_result *result;
    const struct sandbox_spec *spec;
    const struct capture *out, *err; /* what it wrote; err NULL: all is in out */
    int64_t deadline_ms;             /* limits.command, where that was its deadline; else 0 */
};

/* How many were found. */
size_t quota_find(const struct quota_facts *facts, struct quota ret[QUOTA_MAX]);

/* "output cut (limit 64k)": known to whoever cuts it. */
void quota_cut(int64_t output_max, struct quota *ret);

/* Add what is not in the list yet; a full list stays as it is. */
void quota_merge(struct quota *list, size_t *count, const struct quota *more, size_t more_count);

/* All of them in one line: "A, B". Those that are known from how the command ended (its deadline) are left
 * out, unless `all`. "" when nothing is left. */
void quota_text(const struct quota *list, size_t count, bool all, char *out, size_t size);

#endif
