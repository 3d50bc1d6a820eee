/* SPDX-License-Identifier: MIT */
#include "core/base/json.h"
#include "manifest/grammar.h"
#include "manifest/schema.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct buf text = BUF_INIT(1024 * 1024);
static const struct tree *schema;

static int set_up(void **state)
{
    struct err err;

    arena_init(&arena, 16 * 1024 * 1024);
    assert_int_equal(0, schema_write(&text, &err));
    assert_int_equal(0, json_parse(buf_span(&text), &arena, &schema, &err));
    return 0;
}

static int tear_down(void **state)
{
    arena_done(&arena);
    buf_done(&text);
    return 0;
}

static void says_which_draft(void **state)
{
    assert_string_equal(tree_string(tree_get(schema, "$schema"), ""),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_string_equal(tree_string(tree_get(schema, "type"), ""), "object");
    assert_string_equal(tree_string(tree_at(tree_get(schema, "required"), 0), ""), "version");
    assert_string_equal(tree_string(tree_at(tree_get(schema, "required"), 1), ""), "sandbox");
}

/* Where the schema of a row's own table stands. */
static const struct tree *inner(const struct field *field, const struct tree *node)
{
    if (field->kind == FIELD_TABLES)
        return tree_get(node, "items");
    if (field->kind == FIELD_CUSTOM) { /* a word or text, or else the table; of a list, its items */
        const struct tree *item;

        node = tree_at(tree_get(node, "allOf"), 0);
        item = tree_get(node, "items");
        return tree_at(tree_get(item ? item : node, "anyOf"), 1);
    }
    return field->kind == FIELD_MAP ? tree_get(node, "additionalProperties") : node;
}

static void assert_has_rows(const struct table *table, const struct tree *node)
{
    const struct tree *properties = tree_get(node, "properties");

    assert_non_null(properties);
    assert_int_equal(properties->count, table->count);
    assert_false(tree_bool(tree_get(node, "additionalProperties"), true));
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        const struct tree *row = tree_get(properties, field->name);

        if (!row)
            fail_msg("no '%s' in '%s'", field->name, table->name);
        if (!tree_get(row, "description"))
            fail_msg("'%s' in '%s' is not described", field->name, table->name);
        if (field->sub && !(field->flags & FIELD_LATER))
            assert_has_rows(field->sub, inner(field, row));
    }
}

static void has_every_key(void **state)
{
    assert_has_rows(&manifest_table, schema);
}

static void ranges_and_words(void **state)
{
    const struct tree *sandbox = tree_path(schema, "properties", "sandbox", "properties", NULL);
    const struct tree *pids = tree_get(sandbox, "pids"), *pull = tree_get(sandbox, "pull");

    assert_int_equal(tree_int(tree_get(pids, "minimum"), 0), 8);
    assert_int_equal(tree_int(tree_get(pids, "default"), 0), 256);
    assert_string_equal(tree_string(tree_at(tree_get(pull, "enum"), 1), ""), "missing");
    assert_string_equal(tree_string(tree_get(pull, "default"), ""), "missing");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(says_which_draft),
    cmocka_unit_test(has_every_key),
    cmocka_unit_test(ranges_and_words),
};

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
