/* SPDX-License-Identifier: MIT */
/*
 * Content-addressed files of a run: `objects/<sha256>`. What is there is complete
 * (written under a temporary name, flushed, renamed) and never changes, so a
 * digest in a record is as good as the bytes.
 */
#ifndef RUN_OBJECT_H
#define RUN_OBJECT_H

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/err.h"

#define OBJECT_MAX (256 * 1024 * 1024) /* one object read into memory */

struct run_folder;

/* Store by content; durable on return. Storing what is there already costs nothing. */
int object_put(struct run_folder *folder, struct span content, char ret_name[DIGEST_HEX], struct err *err);
/* Append the content; ERR_NOT_FOUND, ERR_INVALID when it is not what its name says. */
int object_get(const struct run_folder *folder, const char *name, struct buf *out, struct err *err);

/* An object that comes in pieces: begin, add ..., then commit (durable, named by its digest) or drop. */
struct object_writer;
int object_begin(struct run_folder *folder, struct object_writer **ret, struct err *err);
int object_add(struct object_writer *w, struct span piece, struct err *err);
int object_commit(struct object_writer *w, char ret_name[DIGEST_HEX],
                  struct err *err);        /* frees w in any case */
void object_drop(struct object_writer *w); /* NULL is fine */

#endif
