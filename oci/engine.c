/* SPDX-License-Identifier: MIT */
/* Client of the Docker Engine API. */
#include "oci/engine.h"

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/units.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MS 15000

struct engine {
    struct loop *loop;
    struct http *http;
    struct arena arena; /* of `at` */
    struct endpoint at;
    struct engine_about about;
};

struct engine_call {
    struct engine *engine;
    struct http_exchange *exchange;
    struct loop_source *deadline; /* of an attach, whose exchange has none of its own */
    char what[200];               /* "GET /version", for errors */
    struct buf body;
    struct arena arena;
    struct engine_answer answer;
    char path_stat[1024];
    void (*on_chunk)(void *data, struct span chunk);
    engine_fn *fn;
    engine_stream_fn *stream_fn;
    void *data;
    enum { ASK, PING, VERSION } kind;
    struct engine_about offered; /* in the headers of PING's answer */
    struct err err;
};

/* ---- what went wrong ---- */

static int explain_missing(const struct endpoint *at, struct err *err)
{
    if (at->unix_path) {
        err_set(err, ERR_ENGINE, "engine not reachable at %s: there is no such socket", at->url);
        return err_hint(err, "start it with `systemctl start docker`, or say where it is with DOCKER_HOST or "
                             "sandbox.engine");
    }
    err_set(err, ERR_ENGINE, "engine not reachable at %s: no such host", at->url);
    return err_hint(err, "%s decided for it", at->source);
}

static int explain_io(const struct endpoint *at, int errnum, struct err *err)
{
    if (errnum == EACCES || errnum == EPERM) {
        err_set(err, ERR_ENGINE, "engine not reachable at %s: permission denied", at->url);
        return err_hint(err, "add yourself to the group docker (`sudo usermod -aG docker $USER`, then log in "
                             "again), or use a rootless engine");
    }
    if (errnum == ECONNREFUSED) {
        err_set(err, ERR_ENGINE, "engine not reachable at %s: connection refused", at->url);
        return err_hint(err, "nothing listens there: start it with `systemctl start docker`");
    }
    return 0;
}

/* From what HTTP says to what the user can do. */
static int explain(const struct engine_call *call, int result, const struct err *cause, struct err *err)
{
    const struct endpoint *at = &call->engine->at;
    int r;

    *err = *cause;
    if (result == -ERR_NOT_FOUND)
        return explain_missing(at, err);
    if (result == -ERR_IO) {
        r = explain_io(at, cause->errnum, err);
        if (r < 0)
            return r;
        err_wrap(err, "engine at %s: '%s'", at->url, call->what);
        return err_recode(err, ERR_ENGINE);
    }
    if (result == -ERR_TIMEOUT) {
        err_set(err, ERR_TIMEOUT, "engine at %s did not answer '%s' in time", at->url, call->what);
        err_hint(err, "see whether `docker ps` answers");
        return -ERR_TIMEOUT;
    }
    if (result == -ERR_PROTOCOL) {
        err_wrap(err, "what listens at %s does not speak like a container engine: '%s'", at->url, call->what);
        err_hint(err, "%s decided for it", at->source);
        return err_recode(err, ERR_ENGINE);
    }
    return err_wrap(err, "engine at %s: '%s'", at->url, call->what);
}

/* The engine's own words: {"message"} (Docker), {"cause","message"} (Podman), or what it is. */
static void refusal_text(const struct engine_call *call, char *ret, size_t size)
{
    struct span text = tree_span(tree_get(call->answer.tree, "message"));
    size_t n = 0;

    if (!text.len && call->answer.body.len && call->answer.body.ptr[0] != '<')
        text = call->answer.body;
    for (size_t i = 0; i < text.len && n + 1 < size && n < 600; i++) {
        unsigned char c = (unsigned char) text.ptr[i];

        ret[n++] = c < ' ' || c == 0x7f ? ' ' : (char) c;
    }
    while (n > 0 && ret[n - 1] == ' ')
        n--;
    ret[n] = '\0';
    if (n == 0)
        snprintf(ret, size, "status %d without a word", call->answer.status);
}

static int refuse(const struct engine_call *call, struct err *err)
{
    const int status = call->answer.status;
    char text[700];

    refusal_text(call, text, sizeof(text));
    if (status == 404)
        return err_set(err, ERR_NOT_FOUND, "%s", text);
    if (status == 409)
        return err_set(err, ERR_CONFLICT, "%s", text);
    return err_set(err, ERR_ENGINE, "engine refused '%s' with status %d: %s", call->what, status, text);
}

/* ---- versions ---- */

static int minor_of(const char *version, int64_t *ret)
{
    if (strncmp(version, "1.", 2) != 0)
        return -ERR_INVALID;
    return units_int(span_of(version + 2), 0, 9999, ret);
}

int engine_settle(const char *newest, const char *oldest, char ret[16], struct err *err)
{
    int64_t theirs = 0, least = 0, use;

    if (minor_of(newest, &theirs) < 0)
        return err_set(err, ERR_ENGINE, "the engine offers API version '%.20s', which is none", newest);
    if (minor_of(oldest, &least) < 0)
        least = 0; /* not said: as old as can be */
    use = theirs < ENGINE_API_OURS ? theirs : ENGINE_API_OURS;
    if (use < ENGINE_API_OLDEST) {
        err_set(err, ERR_ENGINE, "the engine speaks API 1.%d only; 1.%d is needed", (int) theirs,
                ENGINE_API_OLDEST);
        return err_hint(err, "update it: Docker Engine 20.10 and newer, Podman 4 and newer will do");
    }
    if (use < least) {
        err_set(err, ERR_ENGINE, "the engine speaks no API older than 1.%d; this program knows up to 1.%d",
                (int) least, ENGINE_API_OURS);
        return err_hint(err, "update this program");
    }
    snprintf(ret, 16, "1.%d", (int) use);
    return 0;
}

static void copy_text(char *ret, size_t size, const struct tree *value)
{
    snprintf(ret, size, "%s", tree_string(value, ""));
}

/* The version becomes part of paths. */
static void note_podman(struct engine_about *about, struct span version)
{
    size_t n = 0;

    about->is_podman = true;
    while (n < version.len && strchr("0123456789.", version.ptr[n]) && version.ptr[n])
        n++;
    if (n > 0 && n == version.len && n < sizeof(about->libpod))
        snprintf(about->libpod, sizeof(about->libpod), SPAN_FMT, (int) n, version.ptr);
}

static int read_version(struct engine_call *call, struct err *err)
{
    struct engine_about *about = &call->engine->about;
    const struct tree *t = call->answer.tree;
    int r;

    if (!tree_string(tree_get(t, "ApiVersion"), NULL)) {
        err_set(err, ERR_ENGINE, "what listens at %s is not a container engine: its '/version' names no API",
                call->engine->at.url);
        return err_hint(err, "%s decided for it", call->engine->at.source);
    }
    copy_text(about->version, sizeof(about->version), tree_get(t, "Version"));
    copy_text(about->api_newest, sizeof(about->api_newest), tree_get(t, "ApiVersion"));
    copy_text(about->api_oldest, sizeof(about->api_oldest), tree_get(t, "MinAPIVersion"));
    copy_text(about->os, sizeof(about->os), tree_get(t, "Os"));
    copy_text(about->arch, sizeof(about->arch), tree_get(t, "Arch"));
    copy_text(about->kernel, sizeof(about->kernel), tree_get(t, "KernelVersion"));
    tree_each (part, tree_get(t, "Components")) {
        if (span_starts(tree_span(tree_get(part, "Name")), "Podman"))
            note_podman(about, tree_span(tree_get(part, "Version")));
    }
    r = engine_settle(about->api_newest, about->api_oldest, about->api, err);
    return r < 0 ? err_wrap(err, "engine at %s", call->engine->at.url) : 0;
}

/* "Docker/20.10.24 (linux)" -> "20.10.24" */
static struct span version_in(struct span server)
{
    const char *slash = server.len ? memchr(server.ptr, '/', server.len) : NULL;
    struct span rest;
    size_t n = 0;

    if (!slash)
        return span_of("");
    rest = span_make(slash + 1, server.len - (size_t) (slash + 1 - server.ptr));
    while (n < rest.len && n < 60 && rest.ptr[n] > ' ' && rest.ptr[n] < 0x7f)
        n++;
    return span_make(rest.ptr, n);
}

static void copy_header(char *ret, size_t size, struct span value)
{
    snprintf(ret, size, SPAN_FMT, (int) (value.len < size ? value.len : 0), value.len ? value.ptr : "");
}

static void read_ping_head(struct engine_about *ret, const struct http_head *head)
{
    copy_header(ret->api_newest, sizeof(ret->api_newest), head->header(head, "Api-Version"));
    copy_header(ret->version, sizeof(ret->version), version_in(head->header(head, "Server")));
    copy_header(ret->os, sizeof(ret->os), head->header(head, "Ostype"));
}

/* Whether that was enough. Headers that name no API: an engine older than any that will do, a proxy that
 * drops them, or something else altogether. */
static bool take_ping(struct engine_call *call, int *ret, struct err *err)
{
    struct engine_about *about = &call->engine->about;
    const bool is_podman = about->is_podman;
    char libpod[sizeof(about->libpod)];

    if (call->answer.status != 200 || !call->offered.api_newest[0])
        return false;
    memcpy(libpod, about->libpod,
           sizeof(libpod)); /* told by the headers of the same answer, or an earlier one */
    *about = call->offered;
    about->is_podman = is_podman;
    memcpy(about->libpod, libpod, sizeof(libpod));
    *ret = engine_settle(about->api_newest, "", about->api, err);
    if (*ret < 0)
        err_wrap(err, "engine at %s", call->engine->at.url);
    return true;
}

/* ---- calls ---- */

static void on_head(void *data, const struct http_head *head)
{
    struct engine_call *call = data;
    struct span stat = head->header(head, "X-Docker-Container-Path-Stat");

    call->answer.status = head->status;
    if (call->kind == PING)
        read_ping_head(&call->offered, head);
    snprintf(call->path_stat, sizeof(call->path_stat), "%.*s", (int) (stat.len > 1000 ? 0 : stat.len),
             stat.ptr ? stat.ptr : "");
    if (head->header(head, "Libpod-Api-Version").len)
        note_podman(&call->engine->about, head->header(head, "Libpod-Api-Version"));
}

static bool is_success(const struct engine_call *call)
{
    return (call->answer.status >= 200 && call->answer.status < 300) || call->answer.status == 304;
}

static int on_body(void *data, struct span chunk)
{
    struct engine_call *call = data;

    if (call->on_chunk && is_success(call)) {
        call->on_chunk(call->data, chunk);
        return 0;
    }
    return buf_add_span(&call->body, chunk);
}

static int ask_version(struct engine_call *call);

static void on_done(void *data, int result, const struct err *cause)
{
    struct engine_call *call = data;
    int r = result;

    if (call->kind == PING && result >= 0 && !take_ping(call, &r, &call->err)) {
        r = ask_version(call);
        if (r >= 0)
            return;
        call->fn(call->data, r, &call->answer, &call->err);
        return;
    }
    call->answer.body = buf_span(&call->body);
    call->answer.path_stat = call->path_stat;
    if (result < 0) {
        r = explain(call, result, cause, &call->err);
    } else if (call->kind != PING) {
        if (call->body.len)
            (void) json_parse(buf_span(&call->body), &call->arena, &call->answer.tree,
                              NULL); /* tree stays NULL */
        if (!is_success(call))
            r = refuse(call, &call->err);
        else if (call->kind == VERSION)
            r = read_version(call, &call->err);
    }
    call->fn(call->data, r, &call->answer, r < 0 ? &call->err : NULL);
}

static struct engine_call *call_new(struct engine *engine, const char *method, const char *path, void *data)
{
    struct engine_call *call = calloc(1, sizeof(*call));
    size_t len = strcspn(path, "?");

    if (!call)
        return NULL;
    call->engine = engine;
    call->data = data;
    buf_init(&call->body, ENGINE_ANSWER_MAX);
    arena_init(&call->arena, 16 * ENGINE_ANSWER_MAX);
    snprintf(call->what, sizeof(call->what), "%s %.*s", method ? method : "GET",
             (int) (len > 150 ? 150 : len), path);
    return call;
}

static void fill_request(const struct engine *engine, struct http_request *ret)
{
    *ret = (struct http_request){
        .unix_path = engine->at.unix_path,
        .tls_ca = engine->at.tls_ca,
        .tls_cert = engine->at.tls_cert,
        .tls_key = engine->at.tls_key,
        .connect_ms = 10000,
    };
}

static int start_http(struct engine_call *call, const char *api, const struct engine_request *req,
                      struct err *err)
{
    static const struct http_ops ops = { on_head, on_body, on_done };
    struct buf url = BUF_INIT(16384), type = BUF_INIT(256);
    const char *headers[3] = { NULL };
    struct http_request http;
    size_t n = 0;
    int r;

    fill_request(call->engine, &http);
    r = buf_printf(&url, "%s%s%s%s", call->engine->at.base_url, api ? "/v" : "", api ? api : "", req->path);
    if (r >= 0 && req->body.ptr) {
        r = buf_printf(&type, "Content-Type: %s", req->content_type ? req->content_type : "application/json");
        headers[n++] = buf_text(&type);
    }
    if (req->header)
        headers[n++] = req->header;
    http.method = req->method;
    http.url = buf_text(&url);
    http.headers = headers;
    http.body = req->body;
    http.idle_ms = req->idle_ms;
    http.total_ms = req->deadline_ms ? (req->deadline_ms < 0 ? 0 : req->deadline_ms) : ENGINE_DEADLINE_MS;
    if (r >= 0)
        r = http_start(call->engine->http, &http, &ops, call, &call->exchange, err);
    else
        r = err_set(err, ERR_INTERNAL, "request '%s' is too long", call->what);
    buf_done(&url);
    buf_done(&type);
    return r;
}

static int start_call(struct engine *engine, const char *api, const struct engine_request *req, engine_fn *fn,
                      void *data, struct engine_call **ret, struct err *err)
{
    const char *method = req->method ? req->method : req->body.ptr ? "POST" : "GET";
    struct engine_call *call = call_new(engine, method, req->path, data);
    int r;

    if (!call)
        return err_set(err, ERR_INTERNAL, "no memory for a request to the engine");
    call->fn = fn;
    call->on_chunk = req->on_chunk;
    call->kind = api ? ASK : strcmp(req->path, "/_ping") == 0 ? PING : VERSION;
    r = start_http(call, api, req, err);
    if (r < 0) {
        engine_call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

int engine_open(struct engine *engine, engine_fn *fn, void *data, struct engine_call **ret, struct err *err)
{
    const struct engine_request req = { .path = "/_ping", .deadline_ms = OPEN_MS };

    return start_call(engine, NULL, &req, fn, data, ret, err);
}

/* The ping has ended without a word about versions: the same call goes on. */
static int ask_version(struct engine_call *call)
{
    const struct engine_request req = { .path = "/version", .deadline_ms = OPEN_MS };

    http_exchange_free(TAKE_PTR(call->exchange));
    buf_clear(&call->body);
    call->answer = (struct engine_answer){ 0 };
    call->kind = VERSION;
    snprintf(call->what, sizeof(call->what), "GET /version");
    return start_http(call, NULL, &req, &call->err);
}

int engine_describe(struct engine *engine, engine_fn *fn, void *data, struct engine_call **ret,
                    struct err *err)
{
    const struct engine_request req = { .path = "/version", .deadline_ms = OPEN_MS };

    return start_call(engine, NULL, &req, fn, data, ret, err);
}

int engine_start(struct engine *engine, const struct engine_request *req, engine_fn *fn, void *data,
                 struct engine_call **ret, struct err *err)
{
    const bool is_own = strncmp(req->path, "/libpod/", 8) == 0 && engine->about.libpod[0];

    assert(engine->about.api[0]);
    return start_call(engine, is_own ? engine->about.libpod : engine->about.api, req, fn, data, ret, err);
}

void engine_call_free(struct engine_call *call)
{
    if (!call)
        return;
    http_exchange_free(call->exchange);
    loop_source_free(call->deadline);
    buf_done(&call->body);
    arena_done(&call->arena);
    free(call);
}

/* ---- attach ---- */

static void on_open(void *data, struct http_stream *stream, int status, const struct err *cause)
{
    struct engine_call *call = data;
    int r = 0;

    loop_source_free(TAKE_PTR(call->deadline));
    if (!stream && status == 0) {
        r = explain(call, -(int) cause->code, cause, &call->err);
    } else if (!stream) {
        call->answer.status = status;
        (void) buf_add_text(&call->body, cause->text); /* the refusal's body, which cannot be too long */
        call->answer.body = buf_span(&call->body);
        (void) json_parse(call->answer.body, &call->arena, &call->answer.tree, NULL);
        r = refuse(call, &call->err);
    }
    call->stream_fn(call->data, stream, r < 0 ? &call->err : NULL);
}

static void on_attach_late(void *data)
{
    struct engine_call *call = data;

    loop_source_free(TAKE_PTR(call->deadline));
    http_exchange_free(TAKE_PTR(call->exchange));
    err_set(&call->err, ERR_TIMEOUT, "engine at %s did not answer '%s' in time", call->engine->at.url,
            call->what);
    call->stream_fn(call->data, NULL, &call->err);
}

int engine_attach(struct engine *engine, const char *path, engine_stream_fn *fn, void *data,
                  struct engine_call **ret, struct err *err)
{
    struct engine_call *call = call_new(engine, "POST", path, data);
    const char *const headers[] = { "Content-Type: application/vnd.docker.raw-stream", NULL };
    struct buf url = BUF_INIT(16384);
    struct http_request http;
    int r;

    if (!call)
        return err_set(err, ERR_INTERNAL, "no memory for a request to the engine");
    call->stream_fn = fn;
    fill_request(engine, &http);
    r = buf_printf(&url, "%s/v%s%s", engine->at.base_url, engine->about.api, path);
    http.method = "POST";
    http.url = buf_text(&url);
    http.headers = headers;
    if (r >= 0)
        r = loop_timer(engine->loop, ENGINE_DEADLINE_MS, on_attach_late, call, &call->deadline, err);
    if (r >= 0)
        r = http_upgrade(engine->http, &http, on_open, call, &call->exchange, err);
    buf_done(&url);
    if (r < 0) {
        engine_call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

/* ---- waiting ---- */

struct waiter {
    bool is_done;
    int result;
    struct engine_answer answer;
    struct err *err;
};

static void on_waited(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct waiter *w = data;

    w->is_done = true;
    w->result = result;
    w->answer = *answer;
    if (result < 0 && w->err)
        *w->err = *err;
}

static int wait_for(struct engine *engine, struct waiter *w, struct err *err)
{
    int r = loop_run(engine->loop, &w->is_done, err);

    if (r < 0)
        return r;
    if (!w->is_done)
        return err_set(err, ERR_CANCELED, "interrupted while the engine was asked");
    return w->result;
}

typedef int open_fn(struct engine *engine, engine_fn *fn, void *data, struct engine_call **ret,
                    struct err *err);

static int open_wait(struct engine *engine, open_fn *open, struct err *err)
{
    struct waiter w = { .err = err };
    struct engine_call *call = NULL;
    int r = open(engine, on_waited, &w, &call, err);

    if (r >= 0)
        r = wait_for(engine, &w, err);
    engine_call_free(call);
    return r;
}

int engine_open_wait(struct engine *engine, struct err *err)
{
    return open_wait(engine, engine_open, err);
}

int engine_describe_wait(struct engine *engine, struct err *err)
{
    return open_wait(engine, engine_describe, err);
}

int engine_wait(struct engine *engine, const struct engine_request *req, struct engine_call **ret_call,
                struct engine_answer *ret, struct err *err)
{
    struct waiter w = { .err = err };
    struct engine_call *call = NULL;
    int r = engine_start(engine, req, on_waited, &w, &call, err);

    if (r >= 0)
        r = wait_for(engine, &w, err);
    if (r < 0) {
        engine_call_free(call);
        return r;
    }
    *ret = w.answer;
    *ret_call = call;
    return 0;
}

/* ---- life ---- */

static const char *copy(struct arena *arena, const char *text, bool *failed)
{
    char *own = text ? arena_text(arena, text) : NULL;

    if (text && !own)
        *failed = true;
    return own;
}

int engine_new(struct loop *loop, struct http *http, const struct endpoint *at, struct engine **ret,
               struct err *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    bool failed = false;

    if (!engine)
        return err_set(err, ERR_INTERNAL, "no memory for the engine client");
    engine->loop = loop;
    engine->http = http;
    arena_init(&engine->arena, 64 * 1024);
    engine->at.is_local = at->is_local;
    engine->at.url = copy(&engine->arena, at->url, &failed);
    engine->at.source = copy(&engine->arena, at->source, &failed);
    engine->at.base_url = copy(&engine->arena, at->base_url, &failed);
    engine->at.unix_path = copy(&engine->arena, at->unix_path, &failed);
    engine->at.tls_ca = copy(&engine->arena, at->tls_ca, &failed);
    engine->at.tls_cert = copy(&engine->arena, at->tls_cert, &failed);
    engine->at.tls_key = copy(&engine->arena, at->tls_key, &failed);
    if (failed) {
        engine_free(engine);
        return err_set(err, ERR_INTERNAL, "no memory for the engine client");
    }
    *ret = engine;
    return 0;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    arena_done(&engine->arena);
    free(engine);
}

const struct engine_about *engine_about(const struct engine *engine)
{
    return &engine->about;
}

const struct engine_kind *engine_kind(const struct engine *engine)
{
    return engine->about.is_podman ? &engine_kind_podman : &engine_kind_docker;
}

const struct endpoint *engine_endpoint(const struct engine *engine)
{
    return &engine->at;
}

struct loop *engine_loop(const struct engine *engine)
{
    return engine->loop;
}

int engine_escape(struct buf *out, const char *text, bool is_path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@";
    int r = 0;

    for (; *text && r >= 0; text++) {
        if (strchr(plain, *text) || (is_path && *text == '/'))
            r = buf_add_char(out, *text);
        else
            r = buf_printf(out, "%%%02X", (unsigned char) *text);
    }
    return r;
}

int engine_read_id(const struct tree *answer, char ret[ENGINE_ID], struct err *err)
{
    const char *id = tree_string(tree_get(answer, "Id"), "");
    const size_t len = strlen(id);

    if (len < 12 || len >= ENGINE_ID || strspn(id, "0123456789abcdef") != len)
        return err_set(err, ERR_PROTOCOL, "the engine made a container without an id");
    memcpy(ret, id, len + 1);
    return 0;
}
