/* SPDX-License-Identifier: MIT */
#include "oci/image.h"

#include "core/base/json.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct arena arena = ARENA_INIT(1 << 20);
static struct image image;
static struct err err;

static int decode(const char *members)
{
    char text[4096];
    const struct tree *tree;

    arena_done(&arena);
    snprintf(text, sizeof(text), "{\"Id\":\"" ID "\",\"Os\":\"linux\",\"Architecture\":\"amd64\"%s}",
             members);
    assert_int_equal(json_parse(span_of(text), &arena, &tree, &err), 0);
    return image_decode(tree, &arena, &image, &err);
}

static void what_matters_is_read(void **state)
{
    assert_int_equal(
        decode(",\"RepoDigests\":[\"x/y@sha256:77\"],\"Config\":{\"Env\":[\"PATH=/bin\",\"A=b\"],"
               "\"Volumes\":{\"/data\":{},\"/var/lib/x/\":{}}}"),
        0);
    assert_string_equal(image.id, ID);
    assert_string_equal(image.digest, "sha256:77");
    assert_string_equal(image.os, "linux");
    assert_string_equal(image.arch, "amd64");
    assert_int_equal(image.env_count, 2);
    assert_string_equal(image.env[1], "A=b");
    assert_int_equal(image.volume_count, 2);
    assert_string_equal(image.volumes[1], "/var/lib/x");
    assert_int_equal(decode(",\"Config\":null"), 0);
    assert_string_equal(image.digest, "");
    assert_int_equal(image.env_count + image.volume_count, 0);
}

static void volumes_that_cannot_be_covered_are_refused(void **state)
{
    static const char *const bad[] = { "/",    "",     "data", "/a/../etc", "/a//b",
                                       "/a/.", "/a:b", "/a,b", "/a\\u0001" };
    char members[256];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(members, sizeof(members), ",\"Config\":{\"Volumes\":{\"%s\":{}}}", bad[i]);
        assert_int_equal(decode(members), -ERR_POLICY);
    }
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/a/../etc\":{}}}"), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/a/../etc', which cannot be covered");
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/proc/sys\":{}}}"), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/proc/sys'");
}

static void an_image_needs_an_id(void **state)
{
    const struct tree *tree;

    arena_done(&arena);
    assert_int_equal(json_parse(span_of("{\"Id\":\"x\"}"), &arena, &tree, &err), 0);
    assert_int_equal(image_decode(tree, &arena, &image, &err), -ERR_PROTOCOL);
    assert_int_equal(image_decode(NULL, &arena, &image, &err), -ERR_PROTOCOL);
}

static void secrets_and_loaders_of_an_image_go(void **state)
{
    static const char *const kept[] = { "PATH=/bin",       "LANG=C",
                                        "JAVA_HOME=/j",    "PYTHONPATH=/p",
                                        "KEYBOARD=us",     "TOKENIZERS_PARALLELISM=1",
                                        "NODE_VERSION=20", "LD_LIBRARY_PATH=/x",
                                        "ENVIRONMENT=x" };
    static const char *const removed[] = { "LD_PRELOAD=/x.so",
                                           "LD_LIBRARY_PATH_=/x",
                                           "LD_AUDIT=/x",
                                           "BASH_ENV=/x",
                                           "ENV=/x",
                                           "PROMPT_COMMAND=x",
                                           "BASH_FUNC_ls%%=() { :; }",
                                           "SHELLOPTS=x",
                                           "PYTHONSTARTUP=/x",
                                           "HTTP_PROXY=x",
                                           "https_proxy=x",
                                           "NO_PROXY",
                                           "AWS_SECRET_ACCESS_KEY=x",
                                           "OPENAI_API_KEY=x",
                                           "GITHUB_TOKEN=x",
                                           "DB_PASSWORD=x",
                                           "my_secret=1",
                                           "HOME=/root",
                                           "TMPDIR=/x",
                                           "GLIBC_TUNABLES=x",
                                           "GOOGLE_APPLICATION_CREDENTIALS=/x" };

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        assert_true(image_keeps_env(kept[i]));
    for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
        assert_false(image_keeps_env(removed[i]));
}

static int done(void **state)
{
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matters_is_read),
        cmocka_unit_test(volumes_that_cannot_be_covered_are_refused),
        cmocka_unit_test(an_image_needs_an_id),
        cmocka_unit_test(secrets_and_loaders_of_an_image_go),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, done);
}
