/* SPDX-License-Identifier: MIT */
/*
 * The digest of a folder that is an output or an input: that of the text which
 * `sha256sum` prints for its files, sorted by their bytes, names relative to the folder. In-toto calls it
 * dirHash. As sha256sum does, a name with a backslash or a line end is written with these escaped, and its
 * line then begins with a backslash: so that the text says one thing only.
 */
#ifndef RUN_OUTPUT_DIGEST_H
#define RUN_OUTPUT_DIGEST_H

#include "core/base/digest.h"
#include "core/base/err.h"

#include <stddef.h>

struct output_digest_file {
    const char *name; /* relative to the folder */
    const char *sha256;
};

/* Append the text; sorts the list by name. -ERR_TOO_LARGE: the buffer's ceiling. */
int output_list(struct output_digest_file *list, size_t count, struct buf *out);

/* The digest of the text, however long that is. Sorts the list too. */
int output_digest(struct output_digest_file *list, size_t count, char ret_sha256[DIGEST_HEX],
                  struct err *err);

/* One line of such a text, without its newline: the digest, and the name appended to `name`. ERR_INVALID: it
 * is none. */
int output_list_line(struct span line, char ret_sha256[DIGEST_HEX], struct buf *name, struct err *err);

#endif
