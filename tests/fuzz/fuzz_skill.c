/* SPDX-License-Identifier: MIT */
/* Any bytes as SKILL.md: a name, one line and a text within their bounds, or words with a place. */
#include "core/base/glyph.h"
#include "core/base/utf8.h"
#include "manifest/skill.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT(64 * 1024 * 1024);
    struct skill_problem why = { 0 };
    struct skill_file file;
    struct span line;

    if (!skill_parse(span_make(data, size), &arena, &file, &why)) {
        assert(why.message[0] && why.pos.line > 0);
    } else {
        line = span_of(file.description);
        assert(skill_is_name(file.name));
        assert(line.len > 0 && line.len <= 4 * SKILL_DESCRIPTION_MAX && utf8_valid(line) == line.len);
        for (size_t used; line.len > 0; line = span_make(line.ptr + used, line.len - used))
            assert(!glyph_is_unsafe(glyph_next(line, &used)));
        assert(strlen(file.text) <= SKILL_TEXT_MAX && utf8_valid(span_of(file.text)) == strlen(file.text));
    }
    arena_done(&arena);
    return 0;
}
