/* SPDX-License-Identifier: MIT */
/*
 * Which model, where, and how it is spoken to: the `model` part of a manifest,
 * decoded. Plain data; strings live in the arena of the run's spec.
 */
#ifndef MODEL_SPEC_H
#define MODEL_SPEC_H

#include "core/base/credentials.h"
#include "core/base/tree.h"

#include <stdbool.h>
#include <stdint.h>

enum model_state_mode { MODEL_STATE_LOCAL, MODEL_STATE_SERVER };
enum model_tool_style { MODEL_TOOLS_AUTO, MODEL_TOOLS_NATIVE, MODEL_TOOLS_CUSTOM, MODEL_TOOLS_FUNCTION };
enum model_auth { MODEL_AUTH_BEARER, MODEL_AUTH_API_KEY };

struct model_price { /* millionths of a USD per million tokens; -1 = not given */
    int64_t input, cached_input, output;
};

struct model_spec {
    const char *name;
    const char *base_url;
    struct secret_ref api_key;
    enum model_auth auth_header;
    const struct credential *headers;
    size_t header_count;
    enum model_state_mode state;
    enum model_tool_style tool_style;
    const char *reasoning_effort; /* NULL: not sent */
    const char *reasoning_summary;
    int64_t max_output_tokens;  /* 0: not sent */
    int64_t context_window;     /* tokens; 0: not known */
    const char *text_verbosity; /* NULL: not sent */
    const struct tree *schema;  /* of the final message: text.format; NULL: any text */
    const char *service_tier;   /* "auto": not sent */
    int64_t idle_ms;
    int64_t retries;
    struct model_price price;
    const struct tree *extra; /* object merged into the request body; NULL: none */
    const char *record;       /* absolute path of a cassette to write, NULL: none */
    const char *replay;       /* absolute path of a cassette to answer from, NULL: none */
};

#endif
