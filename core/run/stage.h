/* SPDX-License-Identifier: MIT */
/*
 * Something new beside its target on the host, under a temporary name: one file,
 * or a folder with files, that replaces the target in one step or not at all.
 *
 * stage_new() -> stage_folder() / stage_file_begin() ... -> stage_flush() ->
 * stage_place() -> stage_free(). Freed before it was placed, it leaves nothing
 * behind and the target as it was. Names come from inside a sandbox and cannot lead out of the staged
 * folder. Errors are ERR_IO with errno, or ERR_INVALID for a name.
 */
#ifndef RUN_STAGE_H
#define RUN_STAGE_H

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/span.h"

#include <stdint.h>

struct stage;
struct stage_file;

/* Before anything starts: is there a folder in which `target` or its parents can be made, and does nothing
 * stand there that is not to be replaced? Touches nothing. */
int stage_check(const char *target, struct err *err);

/* `target` is an absolute path; its parents are created. A target that is a folder is replaced only by a
 * folder, a file only by a file: ERR_CONFLICT. */
int stage_new(const char *target, bool is_folder, struct stage **ret, struct err *err);

/* A folder in a staged folder, with parents. */
int stage_folder(struct stage *s, const char *path, size_t len, struct err *err);

/* The staged folder itself, for what the functions here cannot make; still the stage's. */
int stage_fd(const struct stage *s);

/* A file: `path` beneath the staged folder, "" when the stage is one file. */
int stage_file_begin(struct stage *s, const char *path, uint32_t mode, struct stage_file **ret,
                     struct err *err);
int stage_file_add(struct stage_file *f, struct span piece, struct err *err);
int stage_file_end(struct stage_file *f, char ret_sha256[DIGEST_HEX],
                   struct err *err);        /* frees it in any case */
void stage_file_drop(struct stage_file *f); /* NULL is fine */

/* Everything written is on the disk. NULL is fine: nothing to do. */
int stage_flush(struct stage *s, struct err *err);

/* Replace the target. */
int stage_place(struct stage *s, struct err *err);

void stage_free(struct stage *s); /* NULL is fine */

#endif
