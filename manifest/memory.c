/* SPDX-License-Identifier: MIT */
#include "manifest/memory.h"

#define MEMORY(member) offsetof(struct manifest_memory, member)

static const struct field rows[] = {
    { .name = "dir",
      .kind = FIELD_STRING,
      .offset = MEMORY(dir),
      .min = 1,
      .max = 4096,
      .help = "Folder that they are in, relative to the manifest's; when not given, one in agentbox' state "
              "folder that "
              "belongs to the manifest's `name`.",
      .example = "\"memory\"" },
    { .name = "read",
      .kind = FIELD_BOOL,
      .offset = MEMORY(read),
      .fallback = "true",
      .help = "The model is told of them before the task, as data and not as instructions." },
    { .name = "write",
      .kind = FIELD_BOOL,
      .offset = MEMORY(write),
      .fallback = "false",
      .help = "It may leave some, with the tool `remember`; they stay whatever becomes of the run." },
    { .name = "size",
      .kind = FIELD_SIZE,
      .offset = MEMORY(bytes_max),
      .min = 4096,
      .max = 1024 * 1024,
      .fallback = "\"64k\"",
      .help = "Of all together, of which the newest are told." },
};

const struct table manifest_memory_table = {
    .name = "memory",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows),
    .size = sizeof(struct manifest_memory),
    .help = "Durable notes kept between runs, outside of every workspace; without this key there are none. "
            "`agentbox "
            "memory` shows and removes them.",
};

bool memory_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct manifest_memory *memory = (void *) ((char *) out + field->offset);
    int r = table_decode(&manifest_memory_table, value, memory, ctx);

    memory->is_set = r >= 0;
    return r == 0;
}

void memory_schema(struct json_writer *w, const struct field *field)
{
    (void) field;
    table_schema(&manifest_memory_table, false, w);
}

bool memory_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_memory *memory = (const void *) ((const char *) base + field->offset);

    if (!memory->is_set || !w)
        return memory->is_set;
    json_object(w);
    if (memory->dir)
        json_put_string(w, "dir", memory->dir);
    json_put_bool(w, "read", memory->read);
    json_put_bool(w, "write", memory->write);
    json_put_int(w, "size", memory->bytes_max);
    json_object_end(w);
    return true;
}

struct tool_memory memory_of(const struct manifest_memory *from)
{
    if (!from->is_set)
        return (struct tool_memory){ 0 };
    return (struct tool_memory){
        .dir = from->dir, .read = from->read, .write = from->write, .bytes_max = from->bytes_max
    };
}
