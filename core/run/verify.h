/* SPDX-License-Identifier: MIT */
/*
 * Is a run folder as it was written? The chain of the journal, the fold, the
 * manifest, every object, tree record and pack (each file's digest, each content's digest, each tree's), and
 * nothing beside them; and so for the runs of its subagents, which are those that its journal speaks of. One
 * byte changed anywhere is found, and told with its place.
 */
#ifndef RUN_VERIFY_H
#define RUN_VERIFY_H

#include "core/base/err.h"
#include "core/run/folder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_damage {
    char file[256]; /* in the run folder: "journal.jsonl", "checkpoints/000003.tar.zst"; else as it was named
                     */
    int64_t offset; /* of the first bad byte as far as it is known; -1 = not */
    struct err err; /* what is wrong */
};

struct run_verdict {
    struct run_damage damage[16]; /* the first ones found, the journal's first */
    size_t damage_count;          /* all of them; the list holds at most its size */
    struct run_damage
        leftovers[16]; /* files of a crash that no record speaks of: harmless, removed by resume */
    size_t leftover_count;
    int64_t torn_bytes; /* cut-off rest at the journal's end: harmless, cut by resume */
    int64_t records, objects, checkpoints, packs, bytes; /* that were checked */
    int64_t agents; /* runs of subagents, all of which were checked too */
    char head[65];  /* digest of the journal's last line: names the whole history */
};

/* One more, of whatever was checked besides the run folder. */
void run_verdict_add(struct run_verdict *v, const char *file, int64_t offset, const struct err *why);

/* 0: it could be looked at, whatever was found. ERR_IO: it could not. */
int run_verify(struct run_folder *folder, struct run_verdict *ret, struct err *err);

#endif
