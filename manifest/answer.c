/* SPDX-License-Identifier: MIT */
/* The final answer, as a manifest has it. */
#include "manifest/answer.h"

#include "core/base/json_schema.h"
#include "manifest/path.h"
#include "manifest/yaml.h"

#include <stdio.h>

#define ANSWER(member) offsetof(struct manifest_answer, member)
#define CHECK(member)  offsetof(struct manifest_check, member)

static const struct field answer_rows[] = {
    { .name = "schema",
      .kind = FIELD_CUSTOM,
      .offset = ANSWER(schema),
      .flags = FIELD_REQUIRED,
      .decode = answer_decode,
      .schema = answer_schema,
      .help = "A JSON Schema, or the JSON file that has it, of the kind that the API accepts as strict: an "
              "object "
              "at the root, every object with `additionalProperties: false` and all properties required.",
      .example = "\"report.schema.json\"" },
};

const struct table manifest_answer_table = {
    .name = "output",
    .fields = answer_rows,
    .count = FIELD_COUNT_OF(answer_rows),
    .size = sizeof(struct manifest_answer),
    .help =
        "What the final message must match. It is sent to the API and checked here; a message that does not "
        "match is told once, with the place; what matches goes to stdout as it is: JSON alone.",
};

static void check_command(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct manifest_check *check = out;

    if (check->run && check->run[strspn(check->run, " \t\r\n")] == '\0')
        table_problem(ctx, tree_get(value, "run"), NULL, "the command is empty");
}

static const struct field check_rows[] = {
    { .name = "run",
      .kind = FIELD_STRING,
      .offset = CHECK(run),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 65536,
      .help = "A shell command, run in the sandbox after the final message; it must exit with 0.",
      .example = "\"test -s out/report.md\"" },
    { .name = "retries",
      .kind = FIELD_INT,
      .offset = CHECK(retries),
      .min = 0,
      .max = 100,
      .fallback = "2",
      .help =
          "So often a failure goes back to the model, with what the command printed; then the run ends." },
};

const struct table manifest_check_table = {
    .name = "check",
    .fields = check_rows,
    .count = FIELD_COUNT_OF(check_rows),
    .size = sizeof(struct manifest_check),
    .help = "A command that must succeed before the run is done.",
    .check = check_command,
};

/* ---- the schema ---- */

static void on_inline(void *data, const struct tree *at, bool at_key, const char *path, const char *message,
                      const char *hint)
{
    struct table_ctx *ctx = data;
    struct tree place = *at;

    (void) path;
    if (at_key)
        place.pos = at->key_pos;
    table_problem(ctx, &place, hint, "%s", message);
}

bool answer_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct manifest_answer *answer = out;

    (void) field;
    if (value->kind == TREE_STRING && value->text.len > 0 &&
        !memchr(value->text.ptr, '\0', value->text.len)) {
        answer->file = value->text.ptr;
        return true;
    }
    if (value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, "a schema, or the path of a file");
        return false;
    }
    answer->schema = value;
    return json_schema_check(value, on_inline, ctx) == 0;
}

void answer_schema(struct json_writer *w, const struct field *field)
{
    (void) field;
    json_raw(w, span_of("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\"}]}"));
}

bool answer_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_answer *answer = base;

    (void) field;
    if (w && answer->schema)
        json_tree(w, answer->schema);
    return answer->schema;
}

struct reading {
    const struct tree *at;
    const char *file;
    struct span text;
    struct diags *diags;
};

static void on_file(void *data, const struct tree *at, bool at_key, const char *path, const char *message,
                    const char *hint)
{
    const struct reading *r = data;
    struct tree_pos pos = yaml_pos(r->text, (size_t) (at->raw.ptr - r->text.ptr));

    (void) at_key;
    diags_add(r->diags, r->at ? r->at->pos : (struct tree_pos){ 0, 0 }, "agent.output.schema", hint,
              "%s:%u:%u: %s%s%s", path_name(r->file), pos.line, pos.column, path, *path ? ": " : "", message);
}

void answer_read(struct manifest_answer *answer, const char *text, const struct tree *at, struct arena *arena,
                 struct diags *diags)
{
    struct reading r = { at, answer->file, span_of(text), diags };
    struct err err = { 0 };

    if (json_parse(r.text, arena, &answer->schema, &err) < 0)
        diags_add(diags, at ? at->pos : (struct tree_pos){ 0, 0 }, "agent.output.schema", NULL, "%s: %s",
                  path_name(r.file), err.text);
    else
        (void) json_schema_check(answer->schema, on_file, &r);
    answer->file = NULL;
}
