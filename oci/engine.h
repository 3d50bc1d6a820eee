/* SPDX-License-Identifier: MIT */
/*
 * Client of the Docker Engine API, on the loop.
 *
 * Life: engine_new() -> engine_open() (asks GET /_ping and settles on the newest
 * API that both sides know, at least 1.41) -> engine_start() as often as wanted ->
 * engine_free(), after all calls were freed.
 *
 * /_ping tells in its headers all that is needed, in a fraction of the time that /version
 * takes (Engine 20.10: 0.3 ms instead of 15); where they are missing /version is asked.
 *
 * A call ends with exactly one `fn`, from the loop. Its answer and error live until
 * engine_call_free(), which may be called inside `fn`; freed earlier, it cancels and
 * no `fn` follows. Every call has a deadline.
 *
 * Errors, always with what to do about it in the hint:
 *   ERR_ENGINE    not reachable, not an engine, too old, or it refused (the engine's own words)
 *   ERR_NOT_FOUND 404      ERR_CONFLICT 409
 *   ERR_TIMEOUT   no answer within the deadline
 * Podman answers 500 where Docker says 404 or 409: whoever cares looks at the status
 * *and* asks again what is.
 */
#ifndef OCI_ENGINE_H
#define OCI_ENGINE_H

#include "core/base/http.h"
#include "core/base/tree.h"
#include "oci/endpoint.h"
#include "oci/engine_kind.h"

#define ENGINE_API_OURS    47 /* the minor number of 1.x */
#define ENGINE_API_OLDEST  41
#define ENGINE_ANSWER_MAX  (4 * 1024 * 1024)
#define ENGINE_DEADLINE_MS 60000

struct engine;
struct engine_call;

struct engine_about {
    char version[64];    /* "20.10.24" */
    char api[16];        /* settled on: "1.41" */
    char api_newest[16]; /* what it offers */
    char os[32];
    char api_oldest[16], arch[32], kernel[64]; /* "" unless /version was asked */
    bool is_podman;
    char libpod[16]; /* version of its own API, "" when not told */
};

struct engine_request {
    const char *method; /* NULL = GET, or POST when there is a body */
    const char *path;   /* behind the version, encoded: "/containers/create?name=x"; "/libpod/..." too */
    struct span body;   /* ptr NULL = none */
    const char *content_type; /* NULL = application/json */
    const char *header;       /* one more "Name: value", or NULL */
    int64_t deadline_ms;      /* 0 = ENGINE_DEADLINE_MS; negative: none, only idle_ms */
    int64_t idle_ms;          /* silence; 0 = no limit */
    void (*on_chunk)(void *data, struct span chunk); /* body of a 2xx as it comes; NULL = collected */
};

struct engine_answer {
    int status; /* 0: there was none */
    struct span body;
    const struct tree *tree; /* of a JSON body, else NULL */
    const char *path_stat;   /* X-Docker-Container-Path-Stat, "" when absent */
};

typedef void engine_fn(void *data, int result, const struct engine_answer *answer, const struct err *err);

/* `at` is copied. */
int engine_new(struct loop *loop, struct http *http, const struct endpoint *at, struct engine **ret,
               struct err *err);
void engine_free(struct engine *engine); /* NULL is fine */

int engine_open(struct engine *engine, engine_fn *fn, void *data, struct engine_call **ret, struct err *err);
/* In its place, for those who want to know more: /version at once. */
int engine_describe(struct engine *engine, engine_fn *fn, void *data, struct engine_call **ret,
                    struct err *err);
int engine_start(struct engine *engine, const struct engine_request *req, engine_fn *fn, void *data,
                 struct engine_call **ret, struct err *err);
void engine_call_free(struct engine_call *call); /* NULL is fine */

/* For verbs: run the loop until the answer is there. Not inside callbacks. *ret_call owns the answer. */
int engine_open_wait(struct engine *engine, struct err *err);
int engine_describe_wait(struct engine *engine, struct err *err);
int engine_wait(struct engine *engine, const struct engine_request *req, struct engine_call **ret_call,
                struct engine_answer *ret, struct err *err);

/* A hijacked stream; `stream` is the callee's, NULL with an error. */
typedef void engine_stream_fn(void *data, struct http_stream *stream, const struct err *err);
int engine_attach(struct engine *engine, const char *path, engine_stream_fn *fn, void *data,
                  struct engine_call **ret, struct err *err);

const struct engine_about *engine_about(const struct engine *engine); /* empty strings before engine_open() */
const struct engine_kind *engine_kind(const struct engine *engine);   /* likewise: Docker Engine's */
const struct endpoint *engine_endpoint(const struct engine *engine);
struct loop *engine_loop(const struct engine *engine);

/* Append `text` percent-encoded for a query or a path segment; '/' stays when `is_path`. */
int engine_escape(struct buf *out, const char *text, bool is_path);

/* Pure: "Id" of an answer that made a container. ERR_PROTOCOL when it is none. */
#define ENGINE_ID 72
int engine_read_id(const struct tree *answer, char ret[ENGINE_ID], struct err *err);

/* Pure: settle on a version. `newest` and `oldest` as the engine offers them ("1.24"; oldest may be ""). */
int engine_settle(const char *newest, const char *oldest, char ret[16], struct err *err);

#endif
