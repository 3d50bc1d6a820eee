/* SPDX-License-Identifier: MIT */
/*
 * Which container engine to speak to, and how.
 *
 * 'auto' looks where the docker command looks, in its order: DOCKER_HOST, the
 * active docker context (DOCKER_CONTEXT, or currentContext of config.json), then
 * the sockets that engines usually listen on: /var/run/docker.sock, rootless
 * Docker, Docker Desktop, Podman. Anything else is taken as the engine's URL:
 *
 *     unix:///path         a socket of this machine
 *     tcp://host:port      TLS when DOCKER_TLS_VERIFY is set (DOCKER_CERT_PATH, or
 *                          ~/.docker: ca.pem, cert.pem, key.pem); without TLS only to
 *                          this machine itself, because whoever speaks to an engine owns
 *                          its host
 *     https://host:port    the same, always TLS
 *     http://host:port     plain on purpose
 *
 * Deciding is pure: what it asks the machine goes through struct endpoint_env.
 */
#ifndef OCI_ENDPOINT_H
#define OCI_ENDPOINT_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

struct endpoint {
    const char *url;       /* for people: "unix:///var/run/docker.sock" */
    const char *source;    /* what decided: "DOCKER_HOST", "docker context 'x'", "sandbox.engine" ... */
    const char *base_url;  /* for HTTP, no slash at the end: "http://engine", "https://host:2376" */
    const char *unix_path; /* NULL = TCP */
    const char *tls_ca, *tls_cert, *tls_key; /* files; NULL = none */
    bool is_local;                           /* host paths mean the same to the engine and to us */
};

/* The machine, as far as deciding needs it. */
struct endpoint_env {
    const char *(*get)(void *data, const char *name); /* environment variable, NULL = unset */
    int (*read)(void *data, const char *path, struct buf *out, struct err *err); /* as file_read() */
    bool (*is_socket)(void *data, const char *path);
    void *data;
};

extern const struct endpoint_env endpoint_env_process; /* the real one */

/* `engine` is "auto" (or NULL) or a URL. Strings live in `arena`. ERR_ENGINE with a hint when there is
 * none, when the URL cannot be understood, or its kind is not supported. */
int endpoint_resolve(const char *engine, const struct endpoint_env *env, struct arena *arena,
                     struct endpoint *ret, struct err *err);

/* The usual sockets that are there, by number from 0, as URLs; NULL past the end. Strings live in `arena`. */
const char *endpoint_usual(size_t index, const struct endpoint_env *env, struct arena *arena);

/* Sockets by which engines of this machine are usually driven; NULL-terminated. No sandbox may see one. */
extern const char *const endpoint_known_sockets[];

#endif
