/* SPDX-License-Identifier: MIT */
#include "oci/endpoint.h"

#include "tests/unit/unit.h"

#include <stdio.h>

struct pair {
    const char *name, *value;
};

struct machine {
    const struct pair *variables, *files;
    const char *sockets[4];
};

static const char *find(const struct pair *pairs, const char *name)
{
    for (; pairs && pairs->name; pairs++)
        if (strcmp(pairs->name, name) == 0)
            return pairs->value;
    return NULL;
}

static const char *get(void *data, const char *name)
{
    return find(((struct machine *) data)->variables, name);
}

static int read_file(void *data, const char *path, struct buf *out, struct err *err)
{
    const char *text = find(((struct machine *) data)->files, path);

    if (!text)
        return err_set(err, ERR_NOT_FOUND, "opening '%s': No such file or directory", path);
    return buf_add_text(out, text);
}

static bool is_socket(void *data, const char *path)
{
    for (const char *const *s = ((struct machine *) data)->sockets; *s; s++)
        if (strcmp(*s, path) == 0)
            return true;
    return false;
}

static struct arena arena = ARENA_INIT(1 << 20);
static struct endpoint at;
static struct err err;

static int resolve(const char *engine, const struct pair *variables, const struct pair *files,
                   const char *socket)
{
    struct machine m = { variables, files, { socket, NULL } };
    const struct endpoint_env env = { get, read_file, is_socket, &m };

    arena_done(&arena);
    err = (struct err){ 0 };
    return endpoint_resolve(engine, &env, &arena, &at, &err);
}

static void a_url_says_it_all(void **state)
{
    assert_int_equal(resolve("unix:///run/x.sock", NULL, NULL, NULL), 0);
    assert_string_equal(at.unix_path, "/run/x.sock");
    assert_string_equal(at.base_url, "http://engine");
    assert_string_equal(at.source, "sandbox.engine");
    assert_true(at.is_local);
    assert_int_equal(resolve("http://host:2375", NULL, NULL, NULL), 0);
    assert_null(at.unix_path);
    assert_string_equal(at.base_url, "http://host:2375");
    assert_false(at.is_local);
    assert_int_equal(resolve("https://host:2376", NULL, NULL, NULL), 0);
    assert_string_equal(at.base_url, "https://host:2376");
    assert_null(at.tls_ca);
}

static void tcp_is_tls_when_the_environment_says_so(void **state)
{
    const struct pair tls[] = { { "DOCKER_TLS_VERIFY", "1" }, { "DOCKER_CERT_PATH", "/certs" }, { 0 } };
    const struct pair home[] = { { "DOCKER_TLS_VERIFY", "1" }, { "HOME", "/home/u" }, { 0 } };

    assert_int_equal(resolve("tcp://host:2376", tls, NULL, NULL), 0);
    assert_string_equal(at.base_url, "https://host:2376");
    assert_string_equal(at.tls_ca, "/certs/ca.pem");
    assert_string_equal(at.tls_cert, "/certs/cert.pem");
    assert_string_equal(at.tls_key, "/certs/key.pem");
    assert_int_equal(resolve("tcp://host:2376", home, NULL, NULL), 0);
    assert_string_equal(at.tls_ca, "/home/u/.docker/ca.pem");
    assert_int_equal(resolve("tcp://127.0.0.1:2375", NULL, NULL, NULL), 0);
    assert_string_equal(at.base_url, "http://127.0.0.1:2375");
    assert_int_equal(resolve("tcp://host:2375", NULL, NULL, NULL), -ERR_ENGINE);
    assert_string_equal(err.text, "engine 'tcp://host:2375' would be spoken to without TLS");
    assert_string_equal(err.hint,
                        "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or write http://host:2375 if the "
                        "network between is yours alone");
}

static void what_is_no_engine_is_refused_with_a_way_out(void **state)
{
    static const struct {
        const char *url, *text;
    } cases[] = {
        { "ssh://me@host", "engine 'ssh://me@host': ssh:// is not supported yet" },
        { "npipe:////./pipe/docker", "engine 'npipe:////./pipe/docker': named pipes are not supported" },
        { "docker", "engine 'docker' is not a URL that is understood" },
        { "ftp://host", "engine 'ftp://host' is not a URL that is understood" },
        { "unix://run/x", "engine URL 'unix://run/x': the path of the socket must be absolute" },
        { "tcp://", "engine URL 'tcp://': expected host:port behind '://'" },
        { "http://host:1/x", "engine URL 'http://host:1/x': expected host:port behind '://'" },
        { "http://u:p@host:1", "engine URL 'http://u:p@host:1': expected host:port behind '://'" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(resolve(cases[i].url, NULL, NULL, NULL), -ERR_ENGINE);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void docker_host_goes_before_contexts(void **state)
{
    const struct pair variables[] = {
        { "DOCKER_HOST", "unix:///a.sock" }, { "DOCKER_CONTEXT", "x" }, { "HOME", "/h" }, { 0 }
    };

    assert_int_equal(resolve("auto", variables, NULL, "/var/run/docker.sock"), 0);
    assert_string_equal(at.url, "unix:///a.sock");
    assert_string_equal(at.source, "DOCKER_HOST");
}

/* sha256("remote") */
#define REMOTE "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a"

static void the_active_context_decides(void **state)
{
    char meta[200], ca[200];
    const struct pair home[] = { { "HOME", "/h" }, { 0 } };
    struct pair files[4] = {
        { "/h/.docker/config.json", "{\"currentContext\":\"remote\"}" },
        { meta, "{\"Name\":\"remote\",\"Endpoints\":{\"docker\":{\"Host\":\"tcp://far:2376\"}}}" },
        { ca, "x" },
        { 0 }
    };

    snprintf(meta, sizeof(meta), "/h/.docker/contexts/meta/%s/meta.json", REMOTE);
    snprintf(ca, sizeof(ca), "/h/.docker/contexts/tls/%s/docker/ca.pem", REMOTE);
    assert_int_equal(resolve("auto", home, files, NULL), 0);
    assert_string_equal(at.source, "docker context 'remote'");
    assert_string_equal(at.url, "tcp://far:2376");
    assert_string_equal(at.base_url, "https://far:2376");
    assert_string_equal(at.tls_ca, ca);
    assert_null(at.tls_cert);
    files[1].value = "{\"Endpoints\":{\"docker\":{\"Host\":\"unix:///c.sock\"}}}";
    assert_int_equal(resolve(NULL, home, files, NULL), 0);
    assert_string_equal(at.unix_path, "/c.sock");
    files[1].value = "{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://far:1\",\"SkipTLSVerify\":true}}}";
    assert_int_equal(resolve("auto", home, files, NULL), -ERR_ENGINE);
    assert_string_equal(err.text, "docker context 'remote' turns the check of the engine's certificate off");
    files[1].value = "{}";
    assert_int_equal(resolve("auto", home, files, NULL), -ERR_ENGINE);
    assert_string_equal(err.text, "docker context 'remote' names no engine");
    files[1].name = "/nowhere";
    assert_int_equal(resolve("auto", home, files, NULL), -ERR_ENGINE);
    assert_int_equal(strncmp(err.text, "docker context 'remote': opening '/h/.docker/contexts/meta/", 58), 0);
    files[0].value = "{\"currentContext\":\"default\"}";
    assert_int_equal(resolve("auto", home, files, "/var/run/docker.sock"), 0);
    assert_string_equal(at.url, "unix:///var/run/docker.sock");
    files[0].value = "{";
    assert_int_equal(resolve("auto", home, files, NULL), -ERR_ENGINE);
    assert_int_equal(strncmp(err.text, "reading '/h/.docker/config.json': ", 34), 0);
}

static void usual_sockets_are_tried_in_order(void **state)
{
    const struct pair variables[] = { { "HOME", "/h" }, { "XDG_RUNTIME_DIR", "/run/user/1" }, { 0 } };
    static const char *const sockets[] = { "/var/run/docker.sock",       "/run/user/1/docker.sock",
                                           "/h/.docker/run/docker.sock", "/h/.docker/desktop/docker.sock",
                                           "/run/podman/podman.sock",    "/run/user/1/podman/podman.sock" };

    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
        assert_int_equal(resolve("auto", variables, NULL, sockets[i]), 0);
        assert_string_equal(at.unix_path, sockets[i]);
        assert_string_equal(at.source, "the usual place");
    }
    assert_int_equal(resolve("auto", NULL, NULL, NULL), -ERR_ENGINE);
    assert_string_equal(err.text,
                        "no container engine found: no socket at '/var/run/docker.sock' or the other usual "
                        "places");
    assert_string_equal(err.hint,
                        "start one with `systemctl start docker`, or say where it is with DOCKER_HOST or "
                        "sandbox.engine");
}

static int done(void **state)
{
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_says_it_all),
        cmocka_unit_test(tcp_is_tls_when_the_environment_says_so),
        cmocka_unit_test(what_is_no_engine_is_refused_with_a_way_out),
        cmocka_unit_test(docker_host_goes_before_contexts),
        cmocka_unit_test(the_active_context_decides),
        cmocka_unit_test(usual_sockets_are_tried_in_order),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, done);
}
