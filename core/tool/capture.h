/* SPDX-License-Identifier: MIT */
/*
 * What a command wrote, kept in bounded memory: its beginning, its end, and how
 * much there was. Rendering gives the text a model is shown: whole when it fits
 * the budget, else head and tail with a marker between that says how much is
 * missing, counted in tokens of four bytes as models know it from other harnesses.
 */
#ifndef TOOL_CAPTURE_H
#define TOOL_CAPTURE_H

#include "core/base/buf.h"

#include <stdint.h>

struct capture {
    struct buf head; /* the first bytes, up to its max */
    char *tail;      /* ring of the last bytes behind the head */
    size_t tail_max, tail_len, tail_at;
    uint64_t total; /* bytes in all, lost ones included */
    uint64_t newlines;
    bool has_gap; /* something between head and tail is lost */
    bool ends_in_newline;
};

/* `budget` bytes of head and as many of tail are kept. -ERR_INTERNAL without memory. */
int capture_init(struct capture *c, size_t budget);
void capture_done(struct capture *c);

/* The next piece; `gap` bytes were lost before it. */
void capture_add(struct capture *c, struct span piece, uint64_t gap);

/* Start again for what comes next (a session's next answer). */
void capture_reset(struct capture *c);

/* Are these words (in small letters) in what is kept of it? */
bool capture_has(const struct capture *c, const char *words);

/* Append the text for the model: valid UTF-8, at most `budget` bytes. Sets
 * *ret_tokens to the size of the whole output in tokens when it was cut, else 0. */
int capture_render(const struct capture *c, size_t budget, struct buf *out, uint64_t *ret_tokens);

/* The line that says where the model can read all of it: "Full output: read_file output:4/stdout"; "" when
 * nowhere
 * (`number` 0). */
void capture_place(int64_t number, const char *stream, char *out, size_t size);

#endif
