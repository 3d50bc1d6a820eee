/* SPDX-License-Identifier: MIT */
#include "oci/image_config.h"

#include "core/base/json.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct arena arena = ARENA_INIT(1 << 20);
static struct image image;
static struct err err;

static int decode(const char *members)
{
    char text[12288];
    const struct tree *tree;

    arena_done(&arena);
    snprintf(text, sizeof(text), "{\"Id\":\"" ID "\",\"Os\":\"linux\",\"Architecture\":\"amd64\"%s}",
             members);
    assert_int_equal(json_parse(span_of(text), &arena, &tree, &err), 0);
    return image_decode(tree, &arena, &image, &err);
}

#define DIGEST(digit) "sha256:" digit "111111111111111111111111111111111111111111111111111111111111111"

static void what_matters_is_read(void **state)
{
    assert_int_equal(
        decode(",\"RepoDigests\":[\"x/y@sha256:77\",7,\"x/y@" DIGEST("a") "\",\"z@" DIGEST(
            "b") "\"],"
                 "\"Size\":1234,\"Config\":{\"Env\":[\"PATH=/bin\",\"A=b\"],"
                 "\"Volumes\":{\"/data\":{},\"/var/lib/x/\":{},\"/data/\":{},\"/data/in/it\":{}}}"),
        0);
    assert_string_equal(image.id, ID);
    assert_string_equal(image.digest, DIGEST("a"));
    assert_int_equal(image.digest_count, 2);
    assert_int_equal(image.size, 1234);
    assert_string_equal(image.os, "linux");
    assert_string_equal(image.arch, "amd64");
    assert_int_equal(image.env_count, 2);
    assert_string_equal(image.env[1], "A=b");
    assert_int_equal(image.volume_count, 3);
    assert_string_equal(image.volumes[1], "/var/lib/x");
    assert_string_equal(image.volumes[2], "/data/in/it");
    assert_int_equal(decode(",\"Config\":null"), 0);
    assert_string_equal(image.digest, "");
    assert_int_equal(image.env_count + image.volume_count, 0);
}

static void volumes_that_cannot_be_covered_are_refused(void **state)
{
    static const char *const bad[] = { "/",    "",     "data", "/a/../etc", "/a//b",   "/..",
                                       "/a/.", "/a:b", "/a,b", "/a\\u0001", "/a\\\\b", "//" };
    char members[8192] = ",\"Config\":{\"Volumes\":{";

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(members, sizeof(members), ",\"Config\":{\"Volumes\":{\"%s\":{}}}", bad[i]);
        assert_int_equal(decode(members), -ERR_POLICY);
    }
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/a/../etc\":{}}}"), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/a/../etc', which cannot be covered");
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/proc/sys\":{}}}"), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/proc/sys', among the kernel's own files");
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/usr/\":{}}}"), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/usr', a folder of the system");
    assert_int_equal(decode(",\"Config\":{\"Volumes\":[\"/data\"]}"), -ERR_PROTOCOL);
    strcpy(members, ",\"Config\":{\"Volumes\":{\"/0\":{}");
    for (int i = 1; i < 300; i++)
        snprintf(members + strlen(members), sizeof(members) - strlen(members), ",\"/%d\":{}", i);
    strcat(members, "}}");
    assert_int_equal(decode(members), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares more than 16 VOLUMEs");
}

static void volumes_inside_of_our_mounts_are_refused(void **state)
{
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/work\":{},\"/.agentbox\":{},\"/work2/x\":{},"
                            "\"/tmp/x\":{}}}"),
                     0);
    assert_int_equal(image_check_volumes(&image, "/work", "/.agentbox", &err), 0);
    assert_int_equal(image_check_volumes(&image, "/work2", "/.agentbox", &err), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/work2/x', inside of the workspace");
    assert_string_equal(err.hint, "put the workspace elsewhere (workspace.root), or use another image");
    assert_int_equal(decode(",\"Config\":{\"Volumes\":{\"/.agentbox/guest\":{}}}"), 0);
    assert_int_equal(image_check_volumes(&image, "/work", "/.agentbox", &err), -ERR_POLICY);
    assert_string_equal(err.text, "the image declares a VOLUME at '/.agentbox/guest', where our guest is");
}

static void variables_that_cannot_be_taken_out_are_refused(void **state)
{
    static const char *const bad[] = { "\"\"", "\"=x\"", "\"A\\u0000B=x\"", "7", "null", "[]" };
    char members[256];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(members, sizeof(members), ",\"Config\":{\"Env\":[%s]}", bad[i]);
        assert_int_equal(decode(members), -ERR_POLICY);
        assert_string_equal(err.text, "the image sets a variable that has no name or is no text");
    }
    assert_int_equal(decode(",\"Config\":{\"Env\":{\"A\":\"b\"}}"), -ERR_PROTOCOL);
}

static void too_many_labels_are_refused(void **state)
{
    static char text[IMAGE_LABELS_MAX + 1024];
    const struct tree *tree;
    size_t n = (size_t) snprintf(text, sizeof(text), "{\"Id\":\"" ID "\",\"Config\":{\"Labels\":{\"a\":\"");

    memset(text + n, 'x', IMAGE_LABELS_MAX);
    strcpy(text + n + IMAGE_LABELS_MAX, "\"}}}");
    arena_done(&arena);
    assert_int_equal(json_parse(span_of(text), &arena, &tree, &err), 0);
    assert_int_equal(image_decode(tree, &arena, &image, &err), -ERR_POLICY);
    assert_string_equal(err.text, "the image has more than 256 KiB of labels");
}

static int pin(const char *name)
{
    struct image_name parts;

    assert_int_equal(image_name_parse(name, &parts, &err), 0);
    return image_pin(&image, &parts, &err);
}

static void what_is_asked_for_by_digest_is_compared(void **state)
{
    assert_int_equal(decode(",\"RepoDigests\":[\"x/y@" DIGEST("a") "\",\"r.example/z@" DIGEST(
                         "b") "\",\"python@" DIGEST("c") "\"]"),
                     0);
    assert_int_equal(pin("python:3"), 0);
    assert_string_equal(image.digest, DIGEST("c"));
    assert_int_equal(pin("docker.io/library/python@" DIGEST("c")), 0);
    assert_int_equal(pin("r.example/z:7"), 0);
    assert_string_equal(image.digest, DIGEST("b"));
    assert_int_equal(pin("r.example/z@" DIGEST("a")), -ERR_POLICY); /* another name's */
    assert_string_equal(
        err.text, "the engine's image is not the one whose digest is asked for: it has '" DIGEST("b") "'");
    assert_int_equal(pin("python@" DIGEST("d")), -ERR_POLICY);
    assert_int_equal(pin(ID), 0);
    assert_int_equal(pin(&ID[7]), 0);
    assert_int_equal(pin(DIGEST("a")), -ERR_POLICY);
    assert_string_equal(err.text, "the engine has another image under this id: '" ID "'");
    assert_int_equal(pin("any@" ID), 0); /* a store that knows images by their manifest */
    assert_string_equal(image.digest, ID);
}

static void an_image_needs_an_id(void **state)
{
    const struct tree *tree;

    arena_done(&arena);
    assert_int_equal(json_parse(span_of("{\"Id\":\"x\"}"), &arena, &tree, &err), 0);
    assert_int_equal(image_decode(tree, &arena, &image, &err), -ERR_PROTOCOL);
    assert_int_equal(image_decode(NULL, &arena, &image, &err), -ERR_PROTOCOL);
}

static void only_variables_that_are_known_stay(void **state)
{
    static const char *const kept[] = { "PATH=/bin",       "LANG=C",   "LC_ALL=C.UTF-8",      "TZ=UTC",
                                        "JAVA_HOME=/j",    "GOPATH=/", "PYTHON_VERSION=3.12", "LANG=",
                                        "NODE_VERSION=20", "TERM=x" };
    static const char *const removed[] = { "PATH",
                                           "PATH=/bin\033[2J",
                                           "PATH=/bin\302\233",
                                           "PATH=/\342\200\256bin",
                                           "PATH=\377",
                                           "PATH\n=x",
                                           "PATHS=x",
                                           "LC_=x",
                                           "_VERSION=1",
                                           "API_TOKEN_VERSION=1",
                                           "SECRET_VERSION=1",
                                           "LD_PRELOAD=/x.so",
                                           "LD_LIBRARY_PATH=/x",
                                           "PYTHONPATH=/p",
                                           "PYTHONHOME=/p",
                                           "NODE_OPTIONS=--require=x",
                                           "BASH_ENV=/x",
                                           "ENV=/x",
                                           "BASH_FUNC_ls%%=() { :; }",
                                           "HTTP_PROXY=x",
                                           "https_proxy=x",
                                           "AWS_SECRET_ACCESS_KEY=x",
                                           "OPENAI_API_KEY=x",
                                           "DB_PASSWORD=x",
                                           "HOME=/root",
                                           "TMPDIR=/x",
                                           "ANYTHING=x" };
    static char large[IMAGE_ENV_VALUE_MAX + 16] = "PATH=";

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (!image_keeps_env(kept[i]))
            fail_msg("%s", kept[i]);
    for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
        if (image_keeps_env(removed[i]))
            fail_msg("%s", removed[i]);
    memset(large + 5, 'x', IMAGE_ENV_VALUE_MAX);
    assert_true(image_keeps_env(large));
    large[5 + IMAGE_ENV_VALUE_MAX] = 'x';
    assert_false(image_keeps_env(large));
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
        cmocka_unit_test(volumes_inside_of_our_mounts_are_refused),
        cmocka_unit_test(variables_that_cannot_be_taken_out_are_refused),
        cmocka_unit_test(too_many_labels_are_refused),
        cmocka_unit_test(what_is_asked_for_by_digest_is_compared),
        cmocka_unit_test(an_image_needs_an_id),
        cmocka_unit_test(only_variables_that_are_known_stay),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, done);
}
