/* SPDX-License-Identifier: MIT */
/* Any body, by any content type, comes to exactly one end; items are always one line of JSON with a type, and
 * no error text ever holds a secret. */
#include "tests/fuzz/fuzz.h"

#include "core/base/json.h"
#include "core/model/answer.h"

#include <assert.h>
#include <stdlib.h>

#define SECRET "secret-key"

static void on_delta(void *data, enum model_delta kind, struct span text)
{
    assert(text.len > 0);
}

static void on_item(void *data, int64_t index, struct span raw)
{
    struct arena arena = ARENA_INIT((size_t) 64 << 20);
    const struct tree *item = NULL;

    assert(index >= 0);
    assert(!memchr(raw.ptr, '\n', raw.len) && !memchr(raw.ptr, '\r', raw.len));
    assert(json_parse(raw, &arena, &item, NULL) == 0);
    assert(tree_span(tree_get(item, "type")).len > 0);
    arena_done(&arena);
}

static void check_end(const struct model_end *end)
{
    assert(!strstr(end->err.text, SECRET) && !strstr(end->reason, SECRET) &&
           !strstr(end->response_id, SECRET));
    if (end->kind == MODEL_FAILED || end->kind == MODEL_BROKEN)
        assert(end->err.code == ERR_MODEL && end->err.text[0]);
    for (const char *p = end->err.text; *p; p++)
        assert((unsigned char) *p >= 0x20 && *p != 0x7f);
    assert(end->usage.cached_tokens <= end->usage.input_tokens);
}

static void run(struct span body, const struct answer_head *head, bool has_display)
{
    static const struct model_spec spec = { .name = "m", .base_url = "https://models.example/v1" };
    static const struct span secrets[] = { { SECRET, sizeof(SECRET) - 1 } };
    static const struct error_context ctx = { &spec, secrets, 1 };
    const struct stream_ops ops = { has_display ? on_delta : NULL, on_item };
    struct answer *a = malloc(sizeof(*a));

    assert(a);
    answer_init(a, &ops, NULL, &ctx);
    answer_head(a, head);
    (void) answer_body(a, body);
    answer_close(a, NULL);
    assert(a->stream.has_ended);
    check_end(&a->stream.end);
    answer_done(a);
    free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = span_make(data, size);

    run(body, &(struct answer_head){ .status = 200, .content_type = span_of("text/event-stream") }, true);
    run(body, &(struct answer_head){ .status = 200, .content_type = span_of("text/event-stream") }, false);
    run(body, &(struct answer_head){ .status = 200, .content_type = span_of("application/json") }, true);
    run(body, &(struct answer_head){ .status = 200 }, true);
    run(body, &(struct answer_head){ .status = 400, .retry_after = body }, true);
    return 0;
}
