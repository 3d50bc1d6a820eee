/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: the network (or a cassette) on one side, an answer on the other.
 *
 * The end is told one turn of the loop after the terminal event was decoded, without waiting for the
 * end of the body. The owner then frees the exchange; the rest of the body is read
 * on for LINGER_MS, because a connection that was read to its end serves the next request and
 * a cut one costs a new handshake.
 */
#include "core/model/client.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/url.h"
#include "core/model/answer.h"
#include "core/model/cassette.h"
#include "core/model/credentials.h"
#include "core/model/endpoint.h"
#include "core/model/recorder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LINGER_MS  1000
#define LINGER_MAX ((size_t) 256 << 10) /* bytes behind the terminal event */

struct model_client {
    struct loop *loop;
    struct http *http;
    const struct model_spec *spec;
    struct buf url;
    struct credentials credentials;
    struct error_context ctx;
    struct cassette *cassette;
    struct recorder *recorder;
    struct model_exchange *exchanges;
};

struct model_exchange {
    struct model_client *client;
    struct model_exchange *next;
    struct model_ops ops;
    void *data;
    struct answer answer;
    struct buf body; /* replay: the request, until it is answered */
    struct http_exchange *http;
    struct loop_source *soon; /* the deferred call: replay, or telling the end */
    struct loop_source *linger;
    size_t late_bytes;
    bool is_closed;  /* the answer's end is complete */
    bool is_freed;   /* by its owner: nothing is told any more */
    bool is_calling; /* an owner's function is running */
};

/* -- client -------------------------------------------------------------- */

static int check_url(const struct model_spec *spec, struct err *err)
{
    const char *url = spec->base_url;

    if (url_host(span_of(url)).len == 0 ||
        (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)) {
        (void) err_set(err, ERR_MODEL, "'model.base_url' is not an address of the form https://HOST/PATH");
        return err_hint(err, "for OpenAI it is https://api.openai.com/v1");
    }
    if (url_has_userinfo(url)) {
        (void) err_set(err, ERR_MODEL, "'model.base_url' holds a user name or password");
        return err_hint(err, "put credentials into 'model.api_key' or 'model.headers', as references");
    }
    return 0;
}

static int check_wire(const struct model_client *c, struct err *err)
{
    struct span host = url_host(span_of(c->spec->base_url));

    if (c->credentials.secret_count == 0 || !url_is_plain(c->spec->base_url) || url_is_loopback(host))
        return 0;
    (void) err_set(err, ERR_MODEL, "the key would go to '" SPAN_FMT "' over plain HTTP, readable on the way",
                   SPAN_ARG(host));
    return err_hint(
        err, "use https, a tunnel to localhost, or a server that wants no key (leave 'model.api_key' out)");
}

static int open_live(struct model_client *c, struct err *err)
{
    int r = check_url(c->spec, err);

    if (r == 0)
        r = credentials_load(&c->credentials, c->spec, err);
    if (r == 0)
        r = check_wire(c, err);
    if (r == 0 && endpoint_join(&c->url, c->spec->base_url, "responses") < 0)
        r = err_set(err, ERR_MODEL, "'model.base_url' is too long");
    if (r == 0 && c->spec->record)
        r = recorder_open(c->spec->record, &c->ctx, &c->recorder, err);
    return r;
}

int model_client_new(struct loop *loop, struct http *http, const struct model_spec *spec,
                     struct model_client **ret, struct err *err)
{
    struct model_client *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(err, ERR_INTERNAL, "no memory for the model client");
    c->loop = loop;
    c->http = http;
    c->spec = spec;
    buf_init(&c->url, 8192);
    r = spec->replay ? cassette_open(spec->replay, &c->cassette, err) : open_live(c, err);
    if (r < 0) {
        model_client_free(c);
        return r;
    }
    c->ctx = (struct error_context){ spec, c->credentials.secrets, c->credentials.secret_count };
    *ret = c;
    return 0;
}

bool model_client_holds(const struct model_client *c, struct span text)
{
    return credentials_hold(&c->credentials, text);
}

static void destroy(struct model_exchange *x)
{
    struct model_exchange **at = &x->client->exchanges;

    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    http_exchange_free(x->http);
    loop_source_free(x->soon);
    loop_source_free(x->linger);
    answer_done(&x->answer);
    buf_done(&x->body);
    free(x);
}

void model_client_free(struct model_client *c)
{
    if (!c)
        return;
    while (c->exchanges) {
        assert(c->exchanges->is_freed); /* its owner must have freed it */
        destroy(c->exchanges);
    }
    recorder_free(c->recorder);
    cassette_free(c->cassette);
    credentials_done(&c->credentials);
    buf_done(&c->url);
    free(c);
}

/* -- what the owner is told ---------------------------------------------- */

static void on_delta(void *data, enum model_delta kind, struct span text)
{
    struct model_exchange *x = data;

    if (!x->is_freed && x->ops.on_delta)
        x->ops.on_delta(x->data, kind, text);
}

static void on_item(void *data, int64_t output_index, struct span raw)
{
    struct model_exchange *x = data;

    if (!x->is_freed)
        x->ops.on_item(x->data, output_index, raw);
}

static const struct stream_ops stream_ops = { on_delta, on_item };
static const struct stream_ops silent_ops = { NULL, on_item };

static void tap_event(void *data, struct span name, struct span payload)
{
    struct model_exchange *x = data;

    recorder_event(x->client->recorder, name, payload);
}

static void tap_body(void *data, struct span body)
{
    struct model_exchange *x = data;

    recorder_body(x->client->recorder, body);
}

static const struct answer_tap recording_tap = { tap_event, tap_body };

/* An answer that should be on record and is not has failed, or the recording would lie. */
static void check_recording(struct model_exchange *x)
{
    struct model_end *end = &x->answer.stream.end;
    struct err err;

    if (!x->client->recorder || recorder_result(x->client->recorder, &err) == 0)
        return;
    end->kind = MODEL_BROKEN;
    end->can_retry = false;
    end->err = err;
    (void) err_recode(&end->err, ERR_MODEL);
    (void) err_hint(&end->err, "make room for the recording, or take 'model.record' out");
}

static void reap(struct model_exchange *x);

static void tell_end(void *data)
{
    struct model_exchange *x = data;

    loop_source_free(x->soon);
    x->soon = NULL;
    check_recording(x);
    x->is_calling = true;
    x->ops.on_end(x->data, &x->answer.stream.end);
    x->is_calling = false;
    if (x->is_freed)
        reap(x);
}

/* Complete the end; the owner hears of it in the next turn. */
static void close_answer(struct model_exchange *x, const struct err *cut)
{
    if (x->is_closed)
        return;
    x->is_closed = true;
    answer_close(&x->answer, cut);
    if (x->client->recorder)
        recorder_end(x->client->recorder, cut ? cut->text : NULL);
    if (!x->is_freed && loop_defer(x->client->loop, tell_end, x, &x->soon, NULL) < 0)
        x->soon = NULL; /* no memory for a few bytes: nothing works any more */
}

/* -- network ------------------------------------------------------------- */

static void on_head(void *data, const struct http_head *head)
{
    struct model_exchange *x = data;
    struct answer_head h = {
        .status = head->status,
        .content_type = head->header(head, "content-type"),
        .retry_after = head->header(head, "retry-after"),
        .retry_after_ms = head->header(head, "retry-after-ms"),
        .should_retry = head->header(head, "x-should-retry"),
        .request_id = head->header(head, "x-request-id"),
        .location = head->header(head, "location"),
        .now_wall_ms = clock_wall_ms(),
    };

    h.is_aside = x->ops.is_aside;
    if (x->client->recorder)
        recorder_answer(x->client->recorder, &h);
    answer_head(&x->answer, &h);
}

static int on_body(void *data, struct span chunk)
{
    struct model_exchange *x = data;
    int r;

    if (x->is_closed) {
        x->late_bytes += chunk.len;
        return x->late_bytes > LINGER_MAX ? -ERR_CANCELED : 0;
    }
    x->is_calling = true;
    r = answer_body(&x->answer, chunk);
    x->is_calling = false;
    if (x->is_freed) {
        x->is_closed = true; /* on_done() follows and destroys */
        return -ERR_CANCELED;
    }
    if (r > 0)
        close_answer(x, NULL);
    return 0;
}

static void on_done(void *data, int result, const struct err *err)
{
    struct model_exchange *x = data;

    http_exchange_free(x->http);
    x->http = NULL;
    if (!x->is_closed)
        close_answer(x, result < 0 ? err : NULL);
    else if (x->is_freed)
        destroy(x);
}

static const struct http_ops http_ops = { on_head, on_body, on_done };

static void on_linger(void *data)
{
    struct model_exchange *x = data;

    if (x->is_freed)
        destroy(x);
}

/* The owner has let go, and no function of ours is on the stack below. */
static void reap(struct model_exchange *x)
{
    bool is_late = x->http && x->is_closed && x->answer.stream.has_ended;

    if (!is_late || loop_timer_set(x->linger, LINGER_MS, NULL) < 0)
        destroy(x);
}

static int start_http(struct model_exchange *x, struct span body, struct err *err)
{
    const struct model_client *c = x->client;
    const char *headers[CREDENTIALS_LINES_MAX + 5];
    char request_id[64], id_line[96];
    uint8_t random[16];
    size_t n = 0;
    int r;

    random_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(request_id + 2 * i, 3, "%02x", random[i]);
    snprintf(id_line, sizeof(id_line), "X-Client-Request-Id: %s", request_id);
    headers[n++] = "Content-Type: application/json";
    headers[n++] = "Accept: text/event-stream";
    headers[n++] = "User-Agent: agentbox/" AGENTBOX_VERSION;
    headers[n++] = id_line;
    for (size_t i = 0; i < c->credentials.line_count; i++)
        headers[n++] = buf_text(&c->credentials.lines[i]);
    headers[n] = NULL;
    r = loop_timer(c->loop, -1, on_linger, x, &x->linger, err);
    if (r < 0)
        return r;
    return http_start(c->http,
                      &(struct http_request){ .method = "POST",
                                              .url = buf_text(&c->url),
                                              .headers = headers,
                                              .body = body,
                                              .idle_ms = c->spec->idle_ms },
                      &http_ops, x, &x->http, err);
}

/* -- replay -------------------------------------------------------------- */

static int play(struct model_exchange *x, struct err *err)
{
    struct cassette *cassette = x->client->cassette;
    struct buf chunk = BUF_INIT(CASSETTE_LINE_MAX + 4096);
    struct answer_head head;
    struct err cut = { .code = ERR_PROTOCOL };
    int r = cassette_next(cassette, buf_span(&x->body), x->ops.is_aside, &head, err);

    buf_done(&x->body);
    if (r < 0)
        return r;
    if (head.status > 0)
        answer_head(&x->answer, &head);
    while (!x->is_freed && (r = cassette_read(cassette, &chunk, cut.text, err)) > 0)
        if (answer_body(&x->answer, buf_span(&chunk)) > 0)
            break;
    buf_done(&chunk);
    if (r >= 0)
        answer_close(&x->answer, r == 0 && cut.text[0] ? &cut : NULL);
    return r;
}

static void replay(void *data)
{
    struct model_exchange *x = data;
    struct model_end *end = &x->answer.stream.end;
    struct err err;

    x->is_calling = true;
    if (play(x, &err) < 0) {
        end->kind = MODEL_BROKEN;
        end->can_retry = false;
        end->err = err;
    }
    x->is_calling = false;
    x->is_closed = true;
    if (end->can_retry)
        end->retry_after_ms = 0; /* nobody needs time to recover */
    if (x->is_freed)
        destroy(x);
    else
        tell_end(x);
}

/* -- exchange ------------------------------------------------------------ */

static int start(struct model_exchange *x, struct span body, struct err *err)
{
    struct model_client *c = x->client;

    if (c->cassette) {
        buf_init(&x->body, SIZE_MAX);
        if (buf_add_span(&x->body, body) < 0)
            return err_set(err, ERR_INTERNAL, "no memory for a request");
        return loop_defer(c->loop, replay, x, &x->soon, err);
    }
    if (c->recorder) {
        recorder_request(c->recorder, body);
        x->answer.tap = &recording_tap;
        x->answer.tap_data = x;
    }
    return start_http(x, body, err);
}

int model_send(struct model_client *c, struct span body, const struct model_ops *ops, void *data,
               struct model_exchange **ret, struct err *err)
{
    struct model_exchange *x = calloc(1, sizeof(*x));
    int r;

    if (!x)
        return err_set(err, ERR_INTERNAL, "no memory for an exchange");
    x->client = c;
    x->ops = *ops;
    x->data = data;
    x->next = c->exchanges;
    c->exchanges = x;
    answer_init(&x->answer, ops->on_delta ? &stream_ops : &silent_ops, x, &c->ctx);
    r = start(x, body, err);
    if (r < 0) {
        destroy(x);
        (void) err_wrap(err, "asking the model");
        return err_recode(err, ERR_MODEL);
    }
    *ret = x;
    return 0;
}

void model_exchange_free(struct model_exchange *x)
{
    if (!x)
        return;
    assert(!x->is_freed);
    x->is_freed = true;
    loop_source_free(x->soon); /* nothing is told any more */
    x->soon = NULL;
    if (!x->is_calling)
        reap(x);
}
