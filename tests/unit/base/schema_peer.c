/* SPDX-License-Identifier: MIT */
/* For against_jsonschema.py: a line with a schema, a line with a value, and the answer: "outside", "fits" or
 * "violated" with the place. Until the input ends. */
#include "core/base/json.h"
#include "core/base/json_schema.h"

#include <stdio.h>
#include <stdlib.h>

static char *next_line(size_t *cap, char **line, size_t *len)
{
    ssize_t n = getline(line, cap, stdin);

    if (n <= 0)
        return NULL;
    *len = (size_t) n - 1;
    return *line;
}

static void answer(struct span schema, struct span value)
{
    struct arena arena = ARENA_INIT((size_t) 16 << 20);
    const struct tree *s, *v;
    struct json_violation why;

    if (json_parse(schema, &arena, &s, NULL) < 0 || json_parse(value, &arena, &v, NULL) < 0)
        puts("no JSON");
    else if (json_schema_check(s, NULL, NULL) > 0)
        puts("outside");
    else if (json_schema_fits(s, v, &why))
        puts("fits");
    else
        printf("violated %s\t%s\n", why.path, why.text);
    arena_done(&arena);
}

int main(void)
{
    char *schema = NULL, *value = NULL;
    size_t schema_cap = 0, value_cap = 0, schema_len, value_len;

    while (next_line(&schema_cap, &schema, &schema_len) && next_line(&value_cap, &value, &value_len))
        answer(span_make(schema, schema_len), span_make(value, value_len));
    free(schema);
    free(value);
    return 0;
}
