/* SPDX-License-Identifier: MIT */
/*
 * The reference of the manifest as Markdown, from the field tables: for the
 * README and for `agentbox help manifest`. One section a table, one line a key.
 */
#ifndef MANIFEST_REFERENCE_H
#define MANIFEST_REFERENCE_H

#include "core/base/buf.h"

/* Append the text. Errors as buf_add(). */
int reference_write(struct buf *out);

#endif
