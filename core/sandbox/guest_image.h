/* SPDX-License-Identifier: MIT */
/*
 * The guest program that this build carries: a static Linux executable, made from
 * core/guest, or the file of the build option `guest` where it cannot be built (macOS).
 * It is carried compressed, since an engine that has it already, which is the usual case, is not sent it
 * again.
 */
#ifndef SANDBOX_GUEST_IMAGE_H
#define SANDBOX_GUEST_IMAGE_H

#include "core/base/buf.h"
#include "core/base/err.h"

/* Add its bytes. ERR_INTERNAL: no memory, or more than `out` takes; else as core/base/archive.h has it. */
int guest_image(struct buf *out, struct err *err);
const char *guest_image_digest(void); /* SHA-256, 64 hex digits */
const char *guest_image_arch(void);   /* in Docker's words: "amd64", "arm64"; "unknown" */

#endif
