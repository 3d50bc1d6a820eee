/* SPDX-License-Identifier: MIT */
/* Any bytes as an image. */
#include "tests/fuzz/fuzz.h"

#include "core/tool/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_info info;

    if (image_inspect(span_make(data, size), &info) != (info.type != NULL))
        abort();
    return 0;
}
