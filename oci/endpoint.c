/* SPDX-License-Identifier: MIT */
/* Which container engine to speak to: DOCKER_HOST, docker contexts, the usual sockets. */
#include "oci/endpoint.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_MAX (1024 * 1024)

const char *const endpoint_known_sockets[] = {
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/var/run/crio/crio.sock",
    NULL,
};

/* Tried in this order when nothing else decides. The variable's value goes in front of the path. */
static const struct {
    const char *variable;
    const char *path;
} usual_sockets[] = {
    { NULL, "/var/run/docker.sock" },       { "XDG_RUNTIME_DIR", "/docker.sock" },
    { "HOME", "/.docker/run/docker.sock" }, { "HOME", "/.docker/desktop/docker.sock" },
    { NULL, "/run/podman/podman.sock" },    { "XDG_RUNTIME_DIR", "/podman/podman.sock" },
};

struct resolver {
    const struct endpoint_env *env;
    struct arena *arena;
    struct endpoint *ret;
    struct err *err;
};

static const char *get(const struct resolver *r, const char *name)
{
    const char *value = r->env->get(r->env->data, name);

    return value && *value ? value : NULL;
}

static int no_memory(const struct resolver *r)
{
    return err_set(r->err, ERR_INTERNAL, "no memory to decide which engine to use");
}

/* ~/.docker, or where DOCKER_CONFIG says. NULL when there is no home. */
static const char *config_dir(const struct resolver *r)
{
    const char *dir = get(r, "DOCKER_CONFIG");
    const char *home = get(r, "HOME");

    if (dir)
        return dir;
    return home ? arena_printf(r->arena, "%s/.docker", home) : NULL;
}

static int set_unix(const struct resolver *r, const char *path)
{
    if (path[0] != '/')
        return err_set(r->err, ERR_ENGINE, "engine URL '%s': the path of the socket must be absolute",
                       r->ret->url);
    r->ret->unix_path = path;
    r->ret->base_url = "http://engine";
    r->ret->is_local = true;
    return 0;
}

/* "host:port" without anything behind it. */
static bool is_authority(const char *text)
{
    return *text && !strpbrk(text, "/?#@ \\") && strcspn(text, "\r\n\t") == strlen(text);
}

static bool is_loopback(const char *authority)
{
    return strncmp(authority, "127.", 4) == 0 || strncmp(authority, "localhost:", 10) == 0 ||
           strcmp(authority, "localhost") == 0 || strncmp(authority, "[::1]", 5) == 0;
}

static int set_tls(const struct resolver *r, const char *dir, const char *authority)
{
    r->ret->base_url = arena_printf(r->arena, "https://%s", authority);
    if (!dir)
        return r->ret->base_url ? 0 : no_memory(r);
    r->ret->tls_ca = arena_printf(r->arena, "%s/ca.pem", dir);
    r->ret->tls_cert = arena_printf(r->arena, "%s/cert.pem", dir);
    r->ret->tls_key = arena_printf(r->arena, "%s/key.pem", dir);
    return r->ret->base_url && r->ret->tls_ca && r->ret->tls_cert && r->ret->tls_key ? 0 : no_memory(r);
}

static int set_plain(const struct resolver *r, const char *authority)
{
    r->ret->base_url = arena_printf(r->arena, "http://%s", authority);
    return r->ret->base_url ? 0 : no_memory(r);
}

/* tcp://: whether it is TLS is said by the environment, as for the docker command. */
static int set_tcp(const struct resolver *r, const char *authority)
{
    const char *certs = get(r, "DOCKER_CERT_PATH");

    if (get(r, "DOCKER_TLS_VERIFY"))
        return set_tls(r, certs ? certs : config_dir(r), authority);
    if (is_loopback(authority))
        return set_plain(r, authority);
    err_set(r->err, ERR_ENGINE, "engine '%s' would be spoken to without TLS", r->ret->url);
    return err_hint(r->err,
                    "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or write http://%s if the network "
                    "between is yours alone",
                    authority);
}

static int unsupported(const struct resolver *r, const char *url)
{
    if (strncmp(url, "ssh://", 6) == 0) {
        err_set(r->err, ERR_ENGINE, "engine '%s': ssh:// is not supported yet", url);
        return err_hint(r->err,
                        "forward the socket yourself: ssh -N -L /tmp/engine.sock:/var/run/docker.sock "
                        "HOST, then use unix:///tmp/engine.sock");
    }
    if (strncmp(url, "npipe://", 8) == 0)
        return err_set(r->err, ERR_ENGINE, "engine '%s': named pipes are not supported", url);
    err_set(r->err, ERR_ENGINE, "engine '%s' is not a URL that is understood", url);
    return err_hint(r->err,
                    "use 'auto', unix:///path, tcp://host:port, https://host:port or http://host:port");
}

static int set_url(const struct resolver *r, const char *url)
{
    const char *rest = strstr(url, "://");
    size_t scheme = rest ? (size_t) (rest - url) : 0;

    r->ret->url = url;
    if (!rest)
        return unsupported(r, url);
    rest += 3;
    if (scheme == 4 && memcmp(url, "unix", 4) == 0)
        return set_unix(r, rest);
    if (!((scheme == 3 && memcmp(url, "tcp", 3) == 0) || (scheme == 4 && memcmp(url, "http", 4) == 0) ||
          (scheme == 5 && memcmp(url, "https", 5) == 0)))
        return unsupported(r, url);
    if (!is_authority(rest))
        return err_set(r->err, ERR_ENGINE, "engine URL '%s': expected host:port behind '://'", url);
    if (scheme == 3)
        return set_tcp(r, rest);
    if (scheme == 4)
        return set_plain(r, rest);
    return set_tls(r, get(r, "DOCKER_CERT_PATH"), rest);
}

static int read_json(const struct resolver *r, const char *path, struct buf *text, const struct tree **ret)
{
    int code = r->env->read(r->env->data, path, text, r->err);

    if (code < 0)
        return code;
    code = json_parse(buf_span(text), r->arena, ret, r->err);
    return code < 0 ? err_wrap(r->err, "reading '%s'", path) : 0;
}

/* The TLS files of a context: those that exist. */
static int context_tls(const struct resolver *r, const char *dir)
{
    static const char *const names[] = { "ca.pem", "cert.pem", "key.pem" };
    const char **slots[] = { &r->ret->tls_ca, &r->ret->tls_cert, &r->ret->tls_key };
    bool is_any = false;

    for (size_t i = 0; i < 3; i++) {
        struct buf text = BUF_INIT(CONFIG_MAX);
        const char *path = arena_printf(r->arena, "%s/%s", dir, names[i]);

        if (!path)
            return no_memory(r);
        if (r->env->read(r->env->data, path, &text, NULL) >= 0) {
            *slots[i] = path;
            is_any = true;
        }
        buf_done(&text);
    }
    return is_any;
}

static int use_context_host(const struct resolver *r, const char *name, const struct tree *meta,
                            const char *tls_dir)
{
    const struct tree *docker = tree_path(meta, "Endpoints", "docker", NULL);
    const char *host = tree_string(tree_get(docker, "Host"), NULL);
    const char *rest;
    int code;

    if (!host)
        return err_set(r->err, ERR_ENGINE, "docker context '%s' names no engine", name);
    if (strncmp(host, "tcp://", 6) != 0)
        return set_url(r, host);
    if (tree_bool(tree_get(docker, "SkipTLSVerify"), false)) {
        err_set(r->err, ERR_ENGINE, "docker context '%s' turns the check of the engine's certificate off",
                name);
        return err_hint(r->err, "give the context the engine's CA, or set DOCKER_HOST");
    }
    r->ret->url = host;
    rest = host + 6;
    code = context_tls(r, tls_dir);
    if (code <= 0)
        return code < 0 ? code : set_url(r, host);
    if (!is_authority(rest))
        return err_set(r->err, ERR_ENGINE, "engine URL '%s': expected host:port behind '://'", host);
    r->ret->base_url = arena_printf(r->arena, "https://%s", rest);
    return r->ret->base_url ? 0 : no_memory(r);
}

/* ~/.docker/contexts/meta/<sha256 of the name>/meta.json */
static int use_context(const struct resolver *r, const char *dir, const char *name)
{
    struct buf text = BUF_INIT(CONFIG_MAX);
    uint8_t sum[DIGEST_SIZE];
    char hex[DIGEST_HEX];
    struct digest *d = digest_new();
    const struct tree *meta = NULL;
    const char *path, *tls;
    int code;

    if (!d)
        return no_memory(r);
    digest_add(d, name, strlen(name));
    digest_end(d, sum);
    digest_free(d);
    digest_hex(sum, hex);
    path = arena_printf(r->arena, "%s/contexts/meta/%s/meta.json", dir, hex);
    tls = arena_printf(r->arena, "%s/contexts/tls/%s/docker", dir, hex);
    r->ret->source = arena_printf(r->arena, "docker context '%s'", name);
    if (!path || !tls || !r->ret->source)
        return no_memory(r);
    code = read_json(r, path, &text, &meta);
    if (code < 0) {
        err_wrap(r->err, "docker context '%s'", name);
        err_hint(r->err, "see `docker context ls`, or set DOCKER_HOST");
        err_recode(r->err, ERR_ENGINE);
        code = -ERR_ENGINE;
    } else {
        code = use_context_host(r, name, meta, tls);
    }
    buf_done(&text);
    return code;
}

/* The name of the active context, NULL when it is the default one (the usual sockets). */
static int active_context(const struct resolver *r, const char *dir, const char **ret)
{
    struct buf text = BUF_INIT(CONFIG_MAX);
    const char *name = get(r, "DOCKER_CONTEXT");
    const char *path = arena_printf(r->arena, "%s/config.json", dir);
    const struct tree *config = NULL;
    int code = 0;

    *ret = NULL;
    if (!path)
        return no_memory(r);
    if (!name) {
        code = read_json(r, path, &text, &config);
        if (code == -ERR_NOT_FOUND)
            code = 0; /* no configuration is an ordinary one */
        else if (code < 0)
            code = err_recode(r->err, ERR_ENGINE);
        name = tree_string(tree_get(config, "currentContext"), NULL);
    }
    if (code == 0 && name && *name && strcmp(name, "default") != 0) {
        *ret = arena_text(r->arena, name);
        code = *ret ? 0 : no_memory(r);
    }
    buf_done(&text);
    return code;
}

/* The socket of that row, if there is one; NULL also when there is no memory to say so. */
static const char *usual_socket(const struct resolver *r, size_t row)
{
    const char *prefix = usual_sockets[row].variable ? get(r, usual_sockets[row].variable) : "";
    const char *path = prefix ? arena_printf(r->arena, "%s%s", prefix, usual_sockets[row].path) : NULL;

    return path && r->env->is_socket(r->env->data, path) ? path : NULL;
}

const char *endpoint_usual(size_t index, const struct endpoint_env *env, struct arena *arena)
{
    const struct resolver r = { env, arena, NULL, NULL };

    for (size_t i = 0; i < sizeof(usual_sockets) / sizeof(usual_sockets[0]); i++) {
        const char *path = usual_socket(&r, i);

        if (path && index-- == 0)
            return arena_printf(arena, "unix://%s", path);
    }
    return NULL;
}

static int use_usual_socket(const struct resolver *r)
{
    for (size_t i = 0; i < sizeof(usual_sockets) / sizeof(usual_sockets[0]); i++) {
        const char *path = usual_socket(r, i);

        if (!path)
            continue;
        r->ret->source = "the usual place";
        r->ret->url = arena_printf(r->arena, "unix://%s", path);
        return r->ret->url ? set_unix(r, path) : no_memory(r);
    }
    err_set(r->err, ERR_ENGINE,
            "no container engine found: no socket at '/var/run/docker.sock' or the other "
            "usual places");
    return err_hint(r->err, "start one with `systemctl start docker`, or say where it is with DOCKER_HOST or "
                            "sandbox.engine");
}

int endpoint_resolve(const char *engine, const struct endpoint_env *env, struct arena *arena,
                     struct endpoint *ret, struct err *err)
{
    const struct resolver r = { env, arena, ret, err };
    const char *host, *dir, *name = NULL;
    int code;

    *ret = (struct endpoint){ .source = "sandbox.engine" };
    if (engine && strcmp(engine, "auto") != 0) {
        engine = arena_text(arena, engine);
        return engine ? set_url(&r, engine) : no_memory(&r);
    }
    host = get(&r, "DOCKER_HOST");
    if (host) {
        ret->source = "DOCKER_HOST";
        host = arena_text(arena, host);
        return host ? set_url(&r, host) : no_memory(&r);
    }
    dir = config_dir(&r);
    code = dir ? active_context(&r, dir, &name) : 0;
    if (code < 0)
        return code;
    return name ? use_context(&r, dir, name) : use_usual_socket(&r);
}

static const char *process_get(void *data, const char *name)
{
    return getenv(name);
}

static int process_read(void *data, const char *path, struct buf *out, struct err *err)
{
    return file_read(path, out, err);
}

static bool process_is_socket(void *data, const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

const struct endpoint_env endpoint_env_process = { process_get, process_read, process_is_socket, NULL };
