/* SPDX-License-Identifier: MIT */
/*
 * Outputs that are not in the workspace: images that a tool of the model's server has answered with. They are
 * staged as files of a folder, "NUMBER-ID.png" with their number in the conversation from 1 and the id of the
 * item that they are from.
 */
#ifndef RUN_GENERATED_H
#define RUN_GENERATED_H

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/run/spec.h"
#include "core/run/state.h"

struct stage;

#define GENERATED_FILES_MAX 1000
#define GENERATED_FILE_MAX  (48 * 1024 * 1024)

struct generated {
    struct stage *stage; /* NULL: there are none */
    int64_t files, size;
    char sha256[DIGEST_HEX]; /* as of any folder: output_digest.h */
};

/* The list of the folder's files is appended to `list`. ERR_OUTPUT: one of them is no image, or it is
 * required and there are none; else errors of stage.h. */
int generated_collect(const struct run_state *s, const struct run_output *output, struct generated *ret,
                      struct buf *list, struct err *err);

#endif
