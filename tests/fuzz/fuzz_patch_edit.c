/* SPDX-License-Identifier: MIT */
/* Random edits -> our diff -> the patch applied -> the edited file again. */
#include "tests/fuzz/fuzz.h"

#include "tests/fuzz/patch_edit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    for (uint64_t seed = 1; seed <= 8; seed++)
        if (patch_edit_check(data, size, seed) != 0)
            abort();
    return 0;
}
