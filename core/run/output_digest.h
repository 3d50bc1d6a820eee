/* SPDX-License-Identifier: MIT */
/* The digest of a folder that is an output: that of the text which `sha256sum` prints for its files. */
#ifndef RUN_OUTPUT_DIGEST_H
#define RUN_OUTPUT_DIGEST_H

#include "core/base/digest.h"
#include "core/base/err.h"

#include <stddef.h>

struct output_digest_file {
    const char *name; /* relative to the folder */
    const char *sha256;
};

/* Append the text itself; sorts the list by name. -ERR_TOO_LARGE: the buffer's ceiling. */
int output_list(struct output_digest_file *list, size_t count, struct buf *out);

/* Sorts the list by name. */
int output_digest(struct output_digest_file *list, size_t count, char ret_sha256[DIGEST_HEX],
                  struct err *err);

#endif
