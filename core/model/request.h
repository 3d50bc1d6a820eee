/* SPDX-License-Identifier: MIT */
/*
 * The body of POST /responses from conversation items. Pure.
 *
 * Items are kept byte for byte; what the reference (section 4.1) says must not go
 * back is left out here: `created_by`, `"status":null`, dropped item kinds. Key order
 * and tool order never change between turns: the prompt cache depends on it.
 *
 * The portable subset is sent; `stream_options` (no padding of deltas) only to api.openai.com and
 * `prompt_cache_key` only there and to Azure. state: local sends `store: false` and asks for encrypted
 * reasoning; state: server sends `store: true`.
 *
 * `context_management` is sent when `compact_at` says so, only then, and not with an aside, which has
 * `tool_choice: none` instead: the tools stay, so that the prompt cache knows the beginning.
 *
 * `extra` of the manifest comes last word: its members replace ours in our place, others follow in their
 * order; of objects that both have (`reasoning`, `text`, `stream_options`) the members are merged; null
 * leaves a member of ours out. `model`, `instructions`, `input`, `tools`, `stream`, `store` and
 * `previous_response_id` cannot be set there (the loop depends on them): ERR_MANIFEST.
 */
#ifndef MODEL_REQUEST_H
#define MODEL_REQUEST_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/model/item.h"
#include "core/model/spec.h"

struct request_input {
    const char *instructions; /* NULL: none */
    struct span tools;        /* JSON array of tool definitions, or empty */
    const struct span *items; /* raw JSON items, in order */
    const bool *are_whole;    /* of each, item_is_sent_whole(); NULL: not known */
    size_t item_count;
    const char *previous_response_id; /* state: server; then `items` are only the new ones. NULL: none */
    bool strip_reasoning;             /* leave reasoning items out (repair of invalid_encrypted_content) */
    bool omit_schema;                 /* leave text.format out, although the spec has a schema */
    const char *cache_key; /* prompt_cache_key, sent only to api.openai.com and Azure; NULL: none */
    int64_t compact_at;    /* tokens from which the server is to make the conversation shorter; 0: not sent */
    bool is_aside;         /* no turn of the conversation: any text will do, and no tool may be called */
};

/* Appended to `out`, whose max is the ceiling of a request: ERR_TOO_LARGE. Items and tools must be valid
 * JSON. */
int request_encode(struct buf *out, const struct model_spec *spec, const struct request_input *in,
                   struct err *err);

/* One user message item with the task and attachments (data URLs for images, input_file for others). */
struct request_attachment {
    const char *name;
    const char *mime;
    struct span content;
};
/* `text` is repaired to valid UTF-8. Without files the content is a plain string, which every server takes.
 */
int request_user_item(struct buf *out, const char *text, const struct request_attachment *files, size_t count,
                      struct err *err);

#endif
