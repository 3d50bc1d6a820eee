/* SPDX-License-Identifier: MIT */
/* The schema's head; everything else is table_schema_members(). */
#include "manifest/schema.h"

#include "manifest/grammar.h"

int schema_write(struct buf *out, struct err *err)
{
    struct json_writer w;
    int r;

    json_begin(&w, out);
    w.is_pretty = true;
    json_object(&w);
    json_put_string(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_put_string(&w, "title", "agentbox manifest");
    table_schema_members(&manifest_table, false, &w);
    json_object_end(&w);
    r = json_end(&w, err);
    return r < 0 ? r : buf_add_char(out, '\n');
}
