/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/mcp_content.h"

/* The smallest PNG that says its size. */
#define PNG "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

static struct mcp_content c;

static const char *render(void (*fn)(struct mcp_content *c, const struct tree *result), const char *text)
{
    struct arena arena = ARENA_INIT(16 << 20);
    const struct tree *tree = NULL;

    mcp_content_done(&c);
    assert_int_equal(json_parse(span_of(text), &arena, &tree, NULL), 0);
    fn(&c, tree);
    arena_done(&arena);
    return buf_text(&c.text);
}

static void check(const char *text, const char *expected)
{
    assert_string_equal(render(mcp_content_call, text), expected);
}

static int done(void **state)
{
    mcp_content_done(&c);
    return 0;
}

static void test_texts(void **state)
{
    check("{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\\n\"},"
          "{\"type\":\"text\",\"text\":\"c\"}]}",
          "a\nb\nc");
    check("{\"content\":[{\"type\":\"text\",\"text\":\"no\"}],\"isError\":true}", "no");
    assert_true(c.is_error);
    check("{\"content\":\"x\"}", "");
    check("17", "");
    check("{\"content\":[{\"type\":\"hologram\\n\"},3]}",
          "[content of an unknown kind: hologram ]\n[content of an unknown kind]");
}

static void test_structured(void **state)
{
    check("{\"structuredContent\":{\"a\": 1}}", "{\"a\":1}");
    check(
        "{\"content\":[{\"type\":\"text\",\"text\":\"{ \\\"a\\\" : 1 }\"}],\"structuredContent\":{\"a\":1}}",
        "{ \"a\" : 1 }");
    check("{\"content\":[{\"type\":\"text\",\"text\":\"ok\"}],\"structuredContent\":{\"a\":1}}",
          "ok\n{\"a\":1}");
    check("{\"structuredContent\":[1]}", "");
}

static void test_images(void **state)
{
    struct buf parts = BUF_INIT(65536);

    check("{\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":\"image\",\"mimeType\":\"text/html\","
          "\"data\":\"" PNG "\"},{\"type\":\"text\",\"text\":\"end\"}]}",
          "see\n[image 1: PNG, 1 x 1, 70 B]\nend");
    assert_int_equal(c.image_count, 1);
    assert_int_equal(mcp_content_parts(&c, span_of("t"), &parts), 0);
    assert_string_equal(
        buf_text(&parts),
        "[{\"type\":\"input_text\",\"text\":\"t\"},{\"type\":\"input_image\",\"image_url\":\"data:image/"
        "png;base64," PNG "\",\"detail\":\"auto\"}]");
    buf_done(&parts);
    check("{\"content\":[{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"aGVsbG8=\"}]}",
          "[image of 5 B that cannot be shown, said to be image/png]");
    check("{\"content\":[{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"!!\"}]}",
          "[image that is no base64, said to be image/png]");
    check("{\"content\":[{\"type\":\"image\"}]}", "[image of 0 B that cannot be shown]");
    check("{\"content\":[{\"type\":\"audio\",\"mimeType\":\"audio/wav\",\"data\":\"aGVsbG8=\"}]}",
          "[audio of 5 B that cannot be shown, said to be audio/wav]");
}

static void test_many_images(void **state)
{
    struct buf text = BUF_INIT(65536);

    assert_int_equal(buf_add_text(&text, "{\"content\":["), 0);
    for (int i = 0; i < MCP_IMAGES_MAX + 1; i++)
        assert_int_equal(buf_printf(&text, "%s{\"type\":\"image\",\"data\":\"" PNG "\"}", i ? "," : ""), 0);
    assert_int_equal(buf_add_text(&text, "]}"), 0);
    (void) render(mcp_content_call, buf_text(&text));
    assert_int_equal(c.image_count, MCP_IMAGES_MAX);
    assert_non_null(strstr(buf_text(&c.text), "[image of 70 B that cannot be shown]"));
    buf_done(&text);
}

static void test_resources(void **state)
{
    check("{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"file:///a\",\"mimeType\":\"text/"
          "plain\","
          "\"text\":\"hello\"}},{\"type\":\"resource\",\"resource\":{\"uri\":\"x://b\",\"blob\":\"AAEC\"}}]}",
          "[resource file:///a, text/plain]\nhello\n[resource x://b]\n[data of 3 B that cannot be shown]");
    check("{\"content\":[{\"type\":\"resource_link\",\"uri\":\"x://"
          "c\\u0000\\u001b\",\"name\":\"n\",\"description\":\"d\","
          "\"mimeType\":\"m\"}]}",
          "[resource link] x://c   - n: d (m)");
    assert_string_equal(render(mcp_content_read, "{\"contents\":[{\"uri\":\"a:b\",\"text\":\"T\"}]}"),
                        "[resource a:b]\nT");
    assert_string_equal(render(mcp_content_list,
                               "{\"resources\":[{\"uri\":\"a:b\",\"name\":\"N\"},{\"uri\":\"a:c\"}],"
                               "\"nextCursor\":\"q\"}"),
                        "a:b - N\na:c\nnextCursor: q");
    assert_string_equal(
        render(mcp_content_list, "{\"resourceTemplates\":[{\"uriTemplate\":\"a:{x}\",\"name\":\"N\"}]}"),
        "[template] a:{x} - N\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_texts),
    cmocka_unit_test(test_structured),
    cmocka_unit_test(test_images),
    cmocka_unit_test(test_many_images),
    cmocka_unit_test_teardown(test_resources, done),
};

UNIT_MAIN(tests)
