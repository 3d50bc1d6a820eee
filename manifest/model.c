/* SPDX-License-Identifier: MIT */
/* The rows of `model`. */
#include "manifest/model.h"

#include "manifest/rows.h"
#include "manifest/rules.h"

#define MODEL(member) offsetof(struct manifest_model, member)

static const char *const auth_names[] = { "bearer", "api-key", NULL };
static const char *const state_names[] = { "local", "server", NULL };
static const char *const style_names[] = { "auto", "native", "custom", "function", NULL };

static const struct field reasoning_rows[] = {
    { .name = "effort",
      .kind = FIELD_STRING,
      .offset = 0,
      .min = 1,
      .max = 32,
      .help = "none, minimal, low, medium, high, xhigh: what the model knows; sent only when given.",
      .example = "\"medium\"" },
    { .name = "summary",
      .kind = FIELD_STRING,
      .offset = sizeof(const char *),
      .min = 1,
      .max = 32,
      .help = "auto, concise, detailed; sent only when given.",
      .example = "\"auto\"" },
};

static const struct table reasoning_table = {
    TABLE(((struct manifest_model *) 0)->reasoning, "reasoning", reasoning_rows, "How the model thinks."),
};

static const struct field text_rows[] = {
    { .name = "verbosity",
      .kind = FIELD_STRING,
      .offset = 0,
      .min = 1,
      .max = 32,
      .help = "low, medium, high; sent only when given.",
      .example = "\"low\"" },
};

static const struct table text_table = {
    TABLE(((struct manifest_model *) 0)->text, "text", text_rows, "How the model writes."),
};

#define PRICE(key, text)                                                                       \
    {                                                                                          \
        .name = #key, .kind = FIELD_MONEY, .offset = offsetof(struct model_price, key),        \
        .flags = FIELD_UNSET_NEG, .min = 0, .max = INT64_C(1000000) * 1000000, .help = (text), \
    }

static const struct field price_rows[] = {
    PRICE(input, "USD per million input tokens."),
    PRICE(cached_input, "USD per million input tokens that the server had cached; as input when not given."),
    PRICE(output, "USD per million output tokens."),
};

static const struct table price_table = {
    TABLE(struct model_price, "price", price_rows, "What tokens cost, for limits.cost and the report."),
};

static const struct field model_rows[] = {
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = MODEL(name),
      .min = 1,
      .max = 256,
      .help = "Name of the model; when not given, that of the variable AGENTBOX_MODEL.",
      .example = "\"gpt-5.1\"" },
    { .name = "base_url",
      .kind = FIELD_STRING,
      .offset = MODEL(base_url),
      .min = 1,
      .max = 2048,
      .help = "Any server that speaks POST /responses; when not given, OPENAI_BASE_URL, else "
              "https://api.openai.com/v1.",
      .example = "\"https://api.openai.com/v1\"" },
    { .name = "api_key",
      .kind = FIELD_CUSTOM,
      .offset = MODEL(api_key),
      .decode = kind_secret_decode,
      .schema = kind_secret_schema,
      .fallback = "{\"from_env\": \"OPENAI_API_KEY\"}",
      .help = "Where the key is: from_env, from_file or from_command." },
    { .name = "auth_header",
      .kind = FIELD_ENUM,
      .offset = MODEL(auth_header),
      .names = auth_names,
      .fallback = "\"bearer\"",
      .help = "How the key is sent: as a bearer token, or in the header api-key (Azure)." },
    { .name = "headers",
      .kind = FIELD_CUSTOM,
      .offset = MODEL(headers),
      .decode = kind_headers_decode,
      .schema = kind_headers_schema,
      .help = "Extra request headers; a value is text or a secret like api_key, with an optional prefix.",
      .example = "{\"OpenAI-Project\": \"proj_1\"}" },
    { .name = "state",
      .kind = FIELD_ENUM,
      .offset = MODEL(state),
      .names = state_names,
      .fallback = "\"local\"",
      .help = "local: the server stores nothing, all items are sent; server: it keeps the conversation." },
    { .name = "tool_style",
      .kind = FIELD_ENUM,
      .offset = MODEL(tool_style),
      .names = style_names,
      .fallback = "\"auto\"",
      .help = "native: the API's own tool types; custom: functions, and patches as free text with a grammar; "
              "function: plain functions; auto: learnt from the first refusal." },
    { .name = "reasoning", .kind = FIELD_TABLE, .offset = MODEL(reasoning), .sub = &reasoning_table },
    { .name = "max_output_tokens",
      .kind = FIELD_COUNT,
      .offset = MODEL(max_output_tokens),
      .min = 1,
      .max = 100000000,
      .help = "Ceiling of one response; sent only when given.",
      .example = "32000" },
    { .name = "context_window",
      .kind = FIELD_COUNT,
      .offset = MODEL(context_window),
      .min = 4000,
      .max = 100000000,
      .help = "Tokens that the model can bear, for agent.compaction; when not given, it is not known.",
      .example = "\"400k\"" },
    { .name = "text", .kind = FIELD_TABLE, .offset = MODEL(text), .sub = &text_table },
    { .name = "service_tier",
      .kind = FIELD_STRING,
      .offset = MODEL(service_tier),
      .min = 1,
      .max = 32,
      .fallback = "\"auto\"",
      .help = "auto, default, flex, priority: what the server knows." },
    { .name = "idle_timeout",
      .kind = FIELD_DURATION,
      .offset = MODEL(idle_ms),
      .min = SECOND,
      .max = DAY,
      .fallback = "\"5m\"",
      .help = "A stream without a byte for this long is broken." },
    { .name = "retries",
      .kind = FIELD_INT,
      .offset = MODEL(retries),
      .min = 0,
      .max = 100,
      .fallback = "5",
      .help = "How often a failed request is tried again." },
    { .name = "price",
      .kind = FIELD_TABLE,
      .offset = MODEL(price),
      .sub = &price_table,
      .example = "{\"input\": 1.25, \"cached_input\": 0.125, \"output\": 10.0}" },
    { .name = "extra",
      .kind = FIELD_CUSTOM,
      .offset = MODEL(extra),
      .decode = kind_object_decode,
      .schema = kind_object_schema,
      .help = "Merged into the request body as it is." },
    { .name = "record",
      .kind = FIELD_STRING,
      .offset = MODEL(record),
      .min = 1,
      .max = 4096,
      .help = "Write every exchange to this file.",
      .example = "\"cassettes/q3.jsonl\"" },
    { .name = "replay",
      .kind = FIELD_STRING,
      .offset = MODEL(replay),
      .min = 1,
      .max = 4096,
      .help = "Answer from this file: no network, no key.",
      .example = "\"cassettes/q3.jsonl\"" },
};

const struct table manifest_model_table = {
    TABLE(struct manifest_model, "model", model_rows, "Which model, where, and how it is spoken to."),
    .check = rules_model,
};
