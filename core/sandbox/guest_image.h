/* SPDX-License-Identifier: MIT */
/*
 * The guest program that this build carries: a static Linux executable, made from
 * core/guest, or the file of the build option `guest` where it cannot be built (macOS).
 */
#ifndef SANDBOX_GUEST_IMAGE_H
#define SANDBOX_GUEST_IMAGE_H

#include "core/base/span.h"

struct span guest_image(void);
const char *guest_image_digest(void); /* SHA-256, 64 hex digits */
const char *guest_image_arch(void);   /* in Docker's words: "amd64", "arm64"; "unknown" */

#endif
