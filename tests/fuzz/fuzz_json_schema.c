/* SPDX-License-Identifier: MIT */
/* A schema, a NUL, a value: both parsed, the schema checked, and the value fitted whatever the check said. */
#include "tests/fuzz/fuzz.h"

#include "core/base/json.h"
#include "core/base/json_schema.h"

#include <stdlib.h>

static void note(void *data, const struct tree *at, bool at_key, const char *path, const char *message,
                 const char *hint)
{
    (void) at_key;
    (void) hint;
    if (!at || !path || !message[0])
        abort();
    ++*(size_t *) data;
}

static void look(const struct tree *schema, const struct tree *value)
{
    struct json_violation why, again;
    size_t told = 0, count = json_schema_check(schema, note, &told);

    if (told > count || (count > 0 && told == 0))
        abort();
    if (count > 0)
        return; /* json_schema_fits() is only asked about those that are fine */
    if (json_schema_fits(schema, value, &why))
        return;
    if (!why.text[0] || (why.path[0] && why.path[0] != '/'))
        abort();
    if (json_schema_fits(schema, value, &again) || strcmp(why.text, again.text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    struct arena arena = ARENA_INIT((size_t) 16 << 20);
    const struct tree *schema, *value;

    if (!nul || size > 65536)
        return 0;
    if (json_parse(span_make(data, (size_t) (nul - data)), &arena, &schema, NULL) == 0 &&
        json_parse(span_make(nul + 1, size - (size_t) (nul - data) - 1), &arena, &value, NULL) == 0)
        look(schema, value);
    arena_done(&arena);
    return 0;
}
