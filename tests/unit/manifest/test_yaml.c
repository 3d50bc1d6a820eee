/* SPDX-License-Identifier: MIT */
/* What is refused, and how that is said, is in tests/cases/manifests; here is what trees look like. */
#include "core/base/json.h"
#include "manifest/yaml.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct diags diags;

static int set_up(void **state)
{
    arena_init(&arena, 64 * 1024 * 1024);
    diags_init(&diags);
    return 0;
}

static int tear_down(void **state)
{
    arena_done(&arena);
    diags_done(&diags);
    return 0;
}

static struct tree *parse(const char *text)
{
    struct tree *root = NULL;
    struct err err;

    assert_int_equal(0, diags_source(&diags, "t", span_of(text)));
    assert_int_equal(0, yaml_parse(span_of(text), &arena, &diags, &root, &err));
    return root;
}

/* The tree as JSON. */
static void assert_reads(const char *text, const char *json)
{
    struct buf out = BUF_INIT(1024 * 1024);
    struct json_writer w;
    struct err err;

    json_begin(&w, &out);
    json_tree(&w, parse(text));
    assert_int_equal(0, json_end(&w, &err));
    assert_string_equal(buf_text(&out), json);
    buf_done(&out);
    assert_int_equal(0, diags.count);
}

static void plain_scalars_by_the_core_schema(void **state)
{
    assert_reads("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    assert_reads("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    assert_reads("[yes, no, on, off, y, n, nULL, tRUE]",
                 "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"nULL\",\"tRUE\"]");
    assert_reads("[0, 12, -7, +7, 1_000, 12:30, 2026-01-02, 0644, 00]",
                 "[0,12,-7,7,\"1_000\",\"12:30\",\"2026-01-02\",\"0644\",\"00\"]");
    assert_reads("[0x1F, 0o17, 0b1, 0x, -0x1]", "[31,15,\"0b1\",\"0x\",\"-0x1\"]");
    assert_reads("[1.5, .5, 5., -.5, +1.5, 1e3, 1.E+3, 1e, ., -, e5]",
                 "[1.5,0.5,5.0,-0.5,1.5,1e3,1.0E+3,\"1e\",\".\",\"-\",\"e5\"]");
}

static void quoted_is_always_text(void **state)
{
    assert_reads("['true', \"12\", 'null', \"\", '~', \"a\\tb\\u00e9\"]",
                 "[\"true\",\"12\",\"null\",\"\",\"~\",\"a\\tb\xc3\xa9\"]");
    assert_reads("a: |\n  one\n  two\nb: >\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\\n\"}");
}

static void merge_keys(void **state)
{
    assert_reads("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n",
                 "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3,\"y\":2}}");
    assert_reads("- &a {x: 1}\n- &b {x: 2, y: 2}\n- {<<: [*a, *b]}\n",
                 "[{\"x\":1},{\"x\":2,\"y\":2},{\"x\":1,\"y\":2}]");
    assert_reads("{<<: &i {x: 1}, z: *i}", "{\"z\":{\"x\":1},\"x\":1}");
    assert_reads("{'<<': 1}", "{\"<<\":1}");
}

static void aliases_are_copies(void **state)
{
    struct tree *root = parse("- &a [1, 2]\n- *a\n- {k: *a}\n");
    const struct tree *first = tree_at(root, 0), *second = tree_at(root, 1);

    assert_ptr_not_equal(first->child, second->child);
    assert_int_equal(second->count, 2);
    assert_int_equal(second->pos.line, 1); /* where it was written */
    assert_null(second->key.ptr);
    assert_string_equal(tree_get(tree_at(root, 2), "k")->key.ptr, "k");
}

static void an_anchor_may_be_given_again(void **state)
{
    assert_reads("[&a 1, *a, &a 2, *a]", "[1,1,2,2]");
}

static void positions_count_bytes(void **state)
{
    struct tree *root = parse("\xc3\xa4: 1\r\nb:\n  - \"\xe6\x97\xa5\": x\n");
    const struct tree *b = tree_get(root, "b"), *x = tree_at(b, 0)->child;

    assert_int_equal(root->child->key_pos.column, 1);
    assert_int_equal(root->child->pos.column, 5);
    assert_int_equal(b->key_pos.line, 2);
    assert_int_equal(x->key_pos.line, 3);
    assert_int_equal(x->key_pos.column, 5);
    assert_int_equal(x->pos.column, 12);
}

static void what_yaml_1_1_calls_a_line_is_not_one(void **state)
{
    struct tree *root = parse("a: \"x\xc2\x85y\"\nb: 1\n");

    assert_int_equal(tree_get(root, "b")->key_pos.line, 2);
    assert_int_equal(tree_get(root, "b")->key_pos.column, 1);
}

static void a_bom_is_skipped(void **state)
{
    assert_reads("\xef\xbb\xbf{a: 1}", "{\"a\":1}");
}

static void nothing_is_null(void **state)
{
    assert_reads("", "null");
    assert_reads("---\n...\n", "null");
    assert_reads("# only this", "null");
}

static void json_is_yaml(void **state)
{
    assert_reads("{\"a\":[1,-2.5,\"\\u00e9\\/\\n\",true,null],\"b\":{}}",
                 "{\"a\":[1,-2.5,\"\xc3\xa9/\\n\",true,null],\"b\":{}}");
}

static void assert_refused(const char *text, size_t len, const char *message)
{
    struct tree *root = NULL;
    struct err err;

    assert_int_equal(-ERR_MANIFEST, yaml_parse(span_make(text, len), &arena, &diags, &root, &err));
    assert_int_equal(1, diags.count);
    assert_string_equal(diags.items[0].message, message);
    assert_null(root);
}

static void too_large(void **state)
{
    char *text = malloc(YAML_SIZE_MAX + 1);

    assert_non_null(text);
    memset(text, ' ', YAML_SIZE_MAX + 1);
    assert_refused(text, YAML_SIZE_MAX + 1, "larger than 1 MiB");
    free(text);
}

static void too_many_values(void **state)
{
    char *text = malloc(2 * YAML_NODES_MAX + 3);

    assert_non_null(text);
    for (size_t i = 0; i <= YAML_NODES_MAX; i++)
        memcpy(text + 2 * i, i ? ",1" : "[1", 2);
    text[2 * YAML_NODES_MAX + 2] = ']';
    assert_refused(text, 2 * YAML_NODES_MAX + 3, "the document holds too much");
    free(text);
}

static void too_many_keys(void **state)
{
    struct buf text = BUF_INIT(YAML_SIZE_MAX);

    for (int i = 0; i <= YAML_MEMBERS_MAX; i++)
        assert_int_equal(0, buf_printf(&text, "k%d: 1\n", i));
    assert_refused(text.data, text.len, "more than 5000 keys in one map");
    buf_done(&text);
}

static void a_nul_is_not_the_end(void **state)
{
    assert_refused("a: 1\0b: 2", 9, "control character 0x00");
}

static void every_cut_of_a_document_ends_well(void **state)
{
    static const char text[] = "a: &x [1, \"t\\u00e9\", 'q']\nb: {<<: {c: *x}, d: |\n  text\n  }\n? e\n: f\n";

    for (size_t len = 0; len < sizeof(text); len++) {
        struct tree *root;
        struct err err;

        (void) yaml_parse(span_make(text, len), &arena, &diags, &root, &err);
    }
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    TEST(plain_scalars_by_the_core_schema),
    TEST(quoted_is_always_text),
    TEST(merge_keys),
    TEST(aliases_are_copies),
    TEST(an_anchor_may_be_given_again),
    TEST(positions_count_bytes),
    TEST(what_yaml_1_1_calls_a_line_is_not_one),
    TEST(a_bom_is_skipped),
    TEST(nothing_is_null),
    TEST(json_is_yaml),
    TEST(too_large),
    TEST(too_many_values),
    TEST(too_many_keys),
    TEST(a_nul_is_not_the_end),
    TEST(every_cut_of_a_document_ends_well),
};

UNIT_MAIN(tests)
