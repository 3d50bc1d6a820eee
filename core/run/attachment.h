/* SPDX-License-Identifier: MIT */
/*
 * The task as the first item of the conversation, with the files that go with it.
 */
#ifndef RUN_ATTACHMENT_H
#define RUN_ATTACHMENT_H

#include "core/base/buf.h"
#include "core/base/err.h"

#define ATTACHMENT_MAX (50 * 1024 * 1024) /* bytes of one file; what servers take */

/* Append the user message item: text and the contents of `paths` (absolute, on the host), read now.
 * ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE name the file. */
int attachment_user_item(struct buf *out, const char *text, const char *const *paths, size_t count,
                         struct err *err);

/* By the name's ending; "application/octet-stream" when unknown. */
const char *attachment_mime(const char *name);

#endif
