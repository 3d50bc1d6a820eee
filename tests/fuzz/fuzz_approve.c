/* SPDX-License-Identifier: MIT */
/* A pattern, a NUL, a command. What lets run under a pattern of plain characters is plain itself, and
 * whatever lets run would also match without that rule. */
#include "tests/fuzz/fuzz.h"

#include "core/tool/approve.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(unsigned char c)
{
    return c < 0x80 && (isalnum(c) || (c && strchr(" _-.,/:=@%+", c)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const char *pattern = (const char *) data;
    struct span text;
    bool lets;

    if (!nul || size > 4096)
        return 0;
    text = span_make(nul + 1, size - (size_t) (nul - data) - 1);
    lets = approve_matches(pattern, text, true);
    if (lets && !approve_matches(pattern, text, false))
        abort();
    for (const char *c = pattern; *c; c++)
        if (!is_plain((unsigned char) *c) && *c != '*' && *c != '?')
            return 0;
    for (size_t i = 0; lets && i < text.len; i++)
        if (!is_plain((unsigned char) text.ptr[i]))
            abort();
    return 0;
}
