/* SPDX-License-Identifier: MIT */
/* Colours and foreign text. */
#include "cmd/tone.h"

#include <string.h>

#define LINE_MAX_BYTES (256 * 1024)

void tone_set(struct buf *out, const struct term *term, enum tone which)
{
    static const char *const codes[] = {
        "\033[0m", "\033[2m", "\033[32m", "\033[31m", "\033[1m", "\033[36m"
    };

    if (term->has_color)
        buf_add_text(out, codes[which]);
}

void tone_foreign(struct buf *out, const struct term *term, const char *text, int indent)
{
    struct buf clean = BUF_INIT(LINE_MAX_BYTES);
    int width = term->is_tty ? term->columns - indent : 160;

    if (text)
        term_clean(&clean, span_make(text, strnlen(text, LINE_MAX_BYTES / 8)), false);
    term_fit(out, buf_span(&clean), width > 20 ? width : 20);
    buf_done(&clean);
}
