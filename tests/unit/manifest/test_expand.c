/* SPDX-License-Identifier: MIT */
/* Problems with their carets are in tests/cases/manifests/expand-*.yaml. */
#include "manifest/expand.h"
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

static const char *expand(const char *text)
{
    static const char *const env[] = { "A=one", "EMPTY=", "LOOP=${LOOP}", "AB=two", NULL };
    static const struct run_param params[] = { { "x", "ex" }, { "quarter", "Q3" } };
    struct expand *x = calloc(1, sizeof(*x));
    struct tree *root = NULL;
    struct buf yaml = BUF_INIT(4 * 1024 * 1024);
    struct err err;

    assert_non_null(x);
    assert_int_equal(0, buf_printf(&yaml, "\"%s\"", text));
    *x = (struct expand){ .env = env,
                          .params = params,
                          .param_count = 2,
                          .has_params = true,
                          .text = buf_span(&yaml),
                          .arena = &arena,
                          .diags = &diags };
    assert_int_equal(0, yaml_parse(buf_span(&yaml), &arena, &diags, &root, &err));
    assert_int_equal(0, expand_tree(x, root));
    free(x);
    buf_done(&yaml);
    return root->text.ptr;
}

static void variables(void **state)
{
    assert_string_equal(expand("${A}"), "one");
    assert_string_equal(expand("<${A}${AB}>"), "<onetwo>");
    assert_string_equal(expand("${EMPTY}"), "");
    assert_string_equal(expand("${EMPTY:-d}${NONE:-}${NONE:-a b:c}"), "da b:c");
    assert_string_equal(expand("${A:-d}${A:?m}"), "oneone");
    assert_string_equal(expand("${params.x} ${params.quarter}"), "ex Q3");
    assert_int_equal(0, diags.count);
}

static void literals(void **state)
{
    assert_string_equal(expand("$A $$ $ {A} $"), "$A $$ $ {A} $");
    assert_string_equal(expand("$${A}"), "${A}");
    assert_string_equal(expand("$$${A}"), "$${A}");
    assert_string_equal(expand("$${A} ${A}"), "${A} one");
    assert_int_equal(0, diags.count);
}

static void what_comes_in_is_not_looked_at_again(void **state)
{
    assert_string_equal(expand("${LOOP}"), "${LOOP}");
    assert_int_equal(0, diags.count);
}

static void keys_are_left_alone(void **state)
{
    struct expand *x = calloc(1, sizeof(*x));
    struct tree *root = NULL;
    struct err err;

    assert_non_null(x);
    *x = (struct expand){ .arena = &arena, .diags = &diags };
    assert_int_equal(0, yaml_parse(span_of("{\"${A}\": 1}"), &arena, &diags, &root, &err));
    assert_int_equal(0, expand_tree(x, root));
    assert_string_equal(root->child->key.ptr, "${A}");
    assert_int_equal(0, diags.count);
    free(x);
}

static void problems(void **state)
{
    (void) expand("${NONE}");
    (void) expand("x ${NONE2:?say it}");
    assert_int_equal(2, diags.count);
    assert_string_equal(diags.items[0].message, "variable 'NONE' is not set");
    assert_string_equal(diags.items[1].message, "'NONE2' is not set: say it");
    assert_int_equal(diags.items[1].pos.column, 4);
}

static void bounded(void **state)
{
    struct buf text = BUF_INIT(4 * 1024 * 1024);
    static const char *env[] = { NULL, NULL };
    struct expand *x = calloc(1, sizeof(*x));
    char *big = malloc(600 * 1024);
    struct tree *root = NULL;
    struct err err;

    assert_non_null(x);
    assert_non_null(big);
    memset(big, 'x', 600 * 1024);
    memcpy(big, "BIG=", 4);
    big[600 * 1024 - 1] = '\0';
    env[0] = big;
    assert_int_equal(0, buf_add_text(&text, "- a ${BIG}\n- '${BIG}${BIG}'\n"));
    *x = (struct expand){ .env = env, .text = buf_span(&text), .arena = &arena, .diags = &diags };
    assert_int_equal(0, yaml_parse(buf_span(&text), &arena, &diags, &root, &err));
    assert_int_equal(0, expand_tree(x, root));
    assert_int_equal(1, diags.count);
    assert_string_equal(diags.items[0].message, "too large after its variables are put in");
    assert_int_equal(diags.items[0].pos.line, 2);
    free(big);
    free(x);
    buf_done(&text);
}

static void names_of_secrets(void **state)
{
    static const char *const secrets[] = { "OPENAI_API_KEY", "apikey",      "GITHUB_TOKEN", "X-Api-Key",
                                           "DB_PASSWORD",    "my_secret_x", "PASSPHRASE",   "AWS_CREDENTIALS",
                                           "TOKEN",          "SSH_KEY_FILE" };
    static const char *const others[] = { "HOME", "MAX_TOKENS", "KEYBOARD", "TOKENIZER",
                                          "PATH", "",           "_",        "KEYS" };

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (!expand_is_secret(span_of(secrets[i])))
            fail_msg("%s", secrets[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (expand_is_secret(span_of(others[i])))
            fail_msg("%s", others[i]);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    TEST(variables),           TEST(literals), TEST(what_comes_in_is_not_looked_at_again),
    TEST(keys_are_left_alone), TEST(problems), TEST(bounded),
    TEST(names_of_secrets),
};

UNIT_MAIN(tests)
