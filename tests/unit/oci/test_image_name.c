/* SPDX-License-Identifier: MIT */
#include "oci/image_name.h"

#include "tests/unit/unit.h"

#define SUM "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *registry, *path, *tag, *digest, *from;
    } cases[] = {
        { "python", "docker.io", "library/python", "latest", "", "python" },
        { "python:3.12-slim", "docker.io", "library/python", "3.12-slim", "", "python" },
        { "me/tool", "docker.io", "me/tool", "latest", "", "me/tool" },
        { "docker.io/python", "docker.io", "library/python", "latest", "", "docker.io/python" },
        { "index.docker.io/me/x:1", "docker.io", "me/x", "1", "", "index.docker.io/me/x" },
        { "ghcr.io/a/b/c:v1", "ghcr.io", "a/b/c", "v1", "", "ghcr.io/a/b/c" },
        { "localhost/x", "localhost", "x", "latest", "", "localhost/x" },
        { "localhost:5000/x", "localhost:5000", "x", "latest", "", "localhost:5000/x" },
        { "127.0.0.1:5000/x@" SUM, "127.0.0.1:5000", "x", "", SUM, "127.0.0.1:5000/x" },
        { "python:3.12@" SUM, "docker.io", "library/python", "", SUM, "python" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image_name name;
        struct err err;

        assert_int_equal(image_name_parse(cases[i].text, &name, &err), 0);
        assert_false(name.is_id);
        assert_string_equal(name.registry, cases[i].registry);
        assert_string_equal(name.path, cases[i].path);
        assert_string_equal(name.tag, cases[i].tag);
        assert_string_equal(name.digest, cases[i].digest);
        assert_string_equal(name.from, cases[i].from);
    }
}

static void ids_are_recognised(void **state)
{
    struct image_name name;

    assert_int_equal(image_name_parse(SUM, &name, NULL), 0);
    assert_true(name.is_id);
    assert_int_equal(image_name_parse(&SUM[7], &name, NULL), 0);
    assert_true(name.is_id);
}

static void what_is_no_name_is_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "image '': the name is empty" },
        { "Python", "image 'Python': a name is made of lower-case letters, digits and single '.', '_', '-' "
                    "between '/'" },
        { "a//b",
          "image 'a//b': a name is made of lower-case letters, digits and single '.', '_', '-' between '/'" },
        { "/a",
          "image '/a': a name is made of lower-case letters, digits and single '.', '_', '-' between '/'" },
        { "../a", "image '../a': the registry before the first '/' is no host name" },
        { "a:", "image 'a:': what follows ':' is no tag" },
        { "a:-x", "image 'a:-x': what follows ':' is no tag" },
        { "a:b c", "image 'a:b c': what follows ':' is no tag" },
        { "a@sha256:12", "image 'a@sha256:12': what follows '@' is no sha256 digest" },
        { "a@md5:12", "image 'a@md5:12': what follows '@' is no sha256 digest" },
        { "a?x=1", "image 'a?x=1': a name is made of lower-case letters, digits and single '.', '_', '-' "
                   "between '/'" },
        { "ex ample.com/a", "image 'ex ample.com/a': the registry before the first '/' is no host name" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image_name name;
        struct err err;

        assert_int_equal(image_name_parse(cases[i].text, &name, &err), -ERR_INVALID);
        assert_string_equal(err.text, cases[i].why);
    }
}

static void docker_hub_has_a_login_of_its_own_name(void **state)
{
    struct image_name name;

    assert_int_equal(image_name_parse("python", &name, NULL), 0);
    assert_string_equal(image_name_login(&name), "https://index.docker.io/v1/");
    assert_int_equal(image_name_parse("localhost:5000/x", &name, NULL), 0);
    assert_string_equal(image_name_login(&name), "localhost:5000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(ids_are_recognised),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(docker_hub_has_a_login_of_its_own_name),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
