/* SPDX-License-Identifier: MIT */
/* What an image is, by its first bytes; never by its name. Pure. */
#ifndef TOOL_IMAGE_H
#define TOOL_IMAGE_H

#include "core/base/span.h"

#include <stdint.h>

struct image_info {
    const char *type;       /* "image/png"; NULL: no image that is known */
    const char *name;       /* "PNG" */
    uint32_t width, height; /* 0: not known */
    bool is_text;           /* SVG */
};

/* False: none of PNG, JPEG, GIF, WebP, BMP, TIFF, SVG, or its header is cut off. */
bool image_inspect(struct span bytes, struct image_info *ret);

#endif
