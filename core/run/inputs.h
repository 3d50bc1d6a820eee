/* SPDX-License-Identifier: MIT */
/*
 * What has been put into a workspace, summed up for the journal: each entry of
 * the manifest with its files, their bytes and one digest. A folder's is that of output_digest.h: of its
 * files, whatever links and empty folders are beside them.
 *
 * inputs_new() -> inputs_add() for each file once all of it went -> inputs_end() -> inputs_free().
 */
#ifndef RUN_INPUTS_H
#define RUN_INPUTS_H

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/run/spec.h"

#include <stdbool.h>
#include <stdint.h>

struct inputs;

struct input_report {
    const struct run_entry *entry;
    bool is_folder;
    int64_t files, size;
    char sha256[DIGEST_HEX]; /* "": mounted, so that nobody read it */
};

/* `entries` is borrowed. */
int inputs_new(const struct run_entry *entries, size_t count, struct inputs **ret, struct err *err);
void inputs_free(struct inputs *in); /* NULL is fine */

/* A file of entry `at`: `name` beneath it, "" when the entry is the file. */
int inputs_add(struct inputs *in, size_t at, const char *name, int64_t size, const char *sha256,
               struct err *err);

/* One report for each entry, in order; they live as long as `in`. */
int inputs_end(struct inputs *in, const struct input_report **ret, struct err *err);

#endif
