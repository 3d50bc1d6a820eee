/* SPDX-License-Identifier: MIT */
/*
 * One exchange with a server that speaks POST /responses: body out, stream of
 * events in, a typed end. One call is one HTTP request; whether to try again is the
 * run's decision (it must be journaled and counted), helped by model_retry_ms().
 *
 * With `replay` the answers come from a cassette (core/model/cassette.h), with neither network nor key, and
 * nothing is waited for (retry_after_ms is 0); with `record` each exchange is appended to one
 * (core/model/recorder.h). The API key goes to libcurl and nowhere else: not over plain HTTP to another
 * machine, not along a redirect, and a server that echoes it gets "***" into the error's text.
 *
 * Callbacks come from the loop, never from inside model_send(). Items are
 * delivered as the exact bytes of `output_item.done` on one line, in order of arrival: some servers finish
 * them out of order, so `output_index` says where in the conversation they belong. Calls that came with an
 * exchange that ended FAILED or BROKEN are void: the next exchange does not know them. An exchange ends with
 * exactly one on_end unless it is canceled; model_exchange_free() may be called inside any callback.
 */
#ifndef MODEL_CLIENT_H
#define MODEL_CLIENT_H

#include "core/base/err.h"
#include "core/base/http.h"
#include "core/base/loop.h"
#include "core/model/spec.h"

struct model_client;
struct model_exchange;

struct model_usage {
    int64_t input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens;
};

enum model_end_kind {
    MODEL_COMPLETED,  /* response.completed */
    MODEL_INCOMPLETE, /* response.incomplete: reason says why; items delivered so far are complete */
    MODEL_FAILED,     /* the server said no: HTTP error, error event, response.failed, cancelled */
    MODEL_BROKEN,     /* no answer or a cut one: connection, idle time, end without terminal event, not SSE */
};

struct model_end {
    enum model_end_kind kind;
    struct model_usage usage; /* zeros when the server said none */
    bool has_usage;
    char response_id[128];     /* "" when unknown */
    char model[128];           /* as the server names it */
    char request_id[128];      /* x-request-id */
    char reason[64];           /* incomplete reason, or the error's code; "" */
    int http_status;           /* 0: none came */
    bool can_retry;            /* by the reference's table */
    int64_t retry_after_ms;    /* the server's wish; -1: none */
    bool wants_function_tools; /* the server refused native tools: use functions (tool_style auto) */
    bool wants_no_schema;      /* the server refused text.format: tell the schema in the instructions */
    bool lost_previous;        /* previous_response_not_found: send everything */
    bool bad_reasoning;        /* invalid_encrypted_content: strip reasoning and try once more */
    bool is_too_long;          /* the conversation does not fit the model any more */
    bool refuses_compaction;   /* the server does not know context_management: leave it out */
    struct err err;            /* FAILED and BROKEN: for people, with a hint; ERR_MODEL */
};

enum model_delta { MODEL_DELTA_TEXT, MODEL_DELTA_REASONING, MODEL_DELTA_ARGUMENTS, MODEL_DELTA_OTHER };

struct model_ops {
    void (*on_delta)(void *data, enum model_delta kind, struct span text); /* for display only; may be NULL */
    void (*on_item)(void *data, int64_t output_index, struct span raw);    /* one complete output item */
    void (*on_end)(void *data, const struct model_end *end);
    /* Of no turn of the conversation. A recording marks such an answer, and gives it to such requests only:
     * one that is asked where none is has no answer, one that is not asked is passed over. */
    bool is_aside;
};

/* `spec` is borrowed and outlives the client. Resolves secrets unless replaying: ERR_MODEL with a hint when
 * the key is missing. */
int model_client_new(struct loop *loop, struct http *http, const struct model_spec *spec,
                     struct model_client **ret, struct err *err);
void model_client_free(struct model_client *c);

/* Is one of the secrets that go with the requests in this text? */
bool model_client_holds(const struct model_client *c, struct span text);

int model_send(struct model_client *c, struct span body, const struct model_ops *ops, void *data,
               struct model_exchange **ret, struct err *err);
void model_exchange_free(struct model_exchange *x); /* NULL is fine; cancels */

/* Milliseconds to wait before try number `attempt` + 1 (attempt counts from 1), or -1: do not try again.
 * The server's wish (Retry-After, or "try again in 1.2s" in its words) is honoured up to 2 minutes; a longer
 * one means -1. Without a wish: 0.5 s doubling to 8 s, less up to a quarter by `random` (0..1). An overloaded
 * server (503, slow_down) is left alone for at least 15 s, doubling to 60 s, plus up to a quarter. */
int64_t model_retry_ms(const struct model_end *end, int attempt, int64_t retries, double random);

/* USD millionths of a usage; -1 when the price is not known. */
int64_t model_cost(const struct model_price *price, const struct model_usage *usage);

#endif
