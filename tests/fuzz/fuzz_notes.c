/* SPDX-License-Identifier: MIT */
/* A file of notes: what is decoded is encoded and decoded again to the same; what the model is told of it is
 * valid UTF-8 and each line of a note stays behind its mark; a note put in is there once. */
#include "tests/fuzz/fuzz.h"

#include "core/base/utf8.h"
#include "core/tool/notes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_told(const struct notes *notes)
{
    struct buf told = BUF_INIT(16 << 20);
    size_t count = 0;

    notes_tell(notes, 64 * 1024, &told, &count);
    assert(count <= notes->count && (count > 0) == (told.len > 0));
    for (size_t i = 0; i < told.len; i++) {
        unsigned char c = (unsigned char) told.data[i];

        assert((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
    }
    buf_done(&told);
}

static void check_put(struct notes *notes, struct span text)
{
    char *word = strndup(text.ptr ? text.ptr : "", text.len < NOTES_TEXT_MAX ? text.len : NOTES_TEXT_MAX);
    struct notes_order order = { .note = { .time = "t", .run = "r", .model = "m", .call = 1, .text = word },
                                 .bytes_max = 1 << 20 };
    int r = notes_put(notes, &order, NULL);

    assert(notes->count <= NOTES_MAX + 1);
    if (r == 1)
        assert(notes_put(notes, &order, NULL) == 0);
    (void) notes_suspect(span_of(word));
    notes->count -= r == 1;
    free(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct notes *notes = calloc(1, sizeof(*notes)), *again = calloc(1, sizeof(*again));
    struct buf text = BUF_INIT(8 << 20);
    struct span raw = span_make(data, size);

    if (notes_decode(raw, notes, NULL) == 0) {
        check_told(notes);
        if (notes_encode(notes, &text, NULL) == 0 && text.len <= NOTES_FILE_MAX) {
            assert(notes_decode(buf_span(&text), again, NULL) == 0);
            assert(again->count == notes->count);
            for (size_t i = 0; i < notes->count; i++)
                assert(notes->list[i].id == again->list[i].id);
            notes_done(again);
        }
        check_put(notes, raw);
        notes_done(notes);
    }
    (void) utf8_valid(raw);
    buf_done(&text);
    free(notes);
    free(again);
    return 0;
}
