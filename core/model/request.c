/* SPDX-License-Identifier: MIT */
/* The body of POST /responses. */
#include "core/model/request.h"

#include "core/base/digest.h"
#include "core/base/json.h"
#include "core/model/endpoint.h"

#include <assert.h>
#include <ctype.h>

#define ITEM_MAX ((size_t) 64 << 20)

static const char *const protected_names[] = { "model", "instructions",         "input", "tools", "stream",
                                               "store", "previous_response_id", NULL };

struct encoder {
    struct json_writer w;
    const struct model_spec *spec;
    const struct request_input *in;
    const struct tree *extra; /* object or NULL */
};

static bool is_one_of(struct span name, const char *const *names)
{
    for (; *names; names++)
        if (span_is(name, *names))
            return true;
    return false;
}

/* -- members that `extra` may replace -------------------------------------- */

/* True when `extra` has the last word on the member and it is written. */
static bool put_extra(struct encoder *e, const char *name)
{
    const struct tree *value = tree_get(e->extra, name);

    if (!value)
        return false;
    if (value->kind != TREE_NULL) {
        json_key(&e->w, name);
        json_tree(&e->w, value);
    }
    return true;
}

static void put_text(struct encoder *e, const char *name, const char *text)
{
    if (!put_extra(e, name) && text)
        json_put_string(&e->w, name, text);
}

static void put_int(struct encoder *e, const char *name, int64_t value)
{
    if (!put_extra(e, name) && value > 0)
        json_put_int(&e->w, name, value);
}

/* The answer has to match a schema; the name is a label for the server. */
static void put_format(struct encoder *e, const struct tree *schema)
{
    json_key(&e->w, "format");
    json_object(&e->w);
    json_put_string(&e->w, "type", "json_schema");
    json_put_string(&e->w, "name", "answer");
    json_put_bool(&e->w, "strict", true);
    json_key(&e->w, "schema");
    json_tree(&e->w, schema);
    json_object_end(&e->w);
}

/* An object of up to two of our texts and a schema, merged with that of `extra`. */
static void put_object(struct encoder *e, const char *name, const char *const names[2],
                       const char *const values[2], const struct tree *schema)
{
    const struct tree *more = tree_get(e->extra, name);
    bool has_ours = values[0] || values[1] || schema;

    if (more && more->kind != TREE_OBJECT) {
        put_extra(e, name);
        return;
    }
    if (!has_ours && !more)
        return;
    json_key(&e->w, name);
    json_object(&e->w);
    for (int i = 0; i < 2; i++)
        if (values[i] && !tree_get(more, names[i]))
            json_put_string(&e->w, names[i], values[i]);
    if (schema && !tree_get(more, "format"))
        put_format(e, schema);
    tree_each (member, more) {
        json_key_span(&e->w, member->key);
        json_tree(&e->w, member);
    }
    json_object_end(&e->w);
}

static void put_stream_options(struct encoder *e)
{
    const struct tree *more = tree_get(e->extra, "stream_options");

    if (!endpoint_is_openai(e->spec->base_url) || (more && more->kind != TREE_OBJECT)) {
        put_extra(e, "stream_options");
        return;
    }
    json_key(&e->w, "stream_options");
    json_object(&e->w);
    if (!tree_get(more, "include_obfuscation"))
        json_put_bool(&e->w, "include_obfuscation", false);
    tree_each (member, more) {
        json_key_span(&e->w, member->key);
        json_tree(&e->w, member);
    }
    json_object_end(&e->w);
}

static void put_include(struct encoder *e)
{
    if (put_extra(e, "include") || e->spec->state != MODEL_STATE_LOCAL)
        return;
    json_key(&e->w, "include");
    json_array(&e->w);
    json_string(&e->w, "reasoning.encrypted_content");
    json_array_end(&e->w);
}

static void put_compaction(struct encoder *e)
{
    if (e->in->is_aside || put_extra(e, "context_management") || e->in->compact_at <= 0)
        return;
    json_key(&e->w, "context_management");
    json_array(&e->w);
    json_object(&e->w);
    json_put_string(&e->w, "type", "compaction");
    json_put_int(&e->w, "compact_threshold", e->in->compact_at);
    json_object_end(&e->w);
    json_array_end(&e->w);
}

static void put_cache_key(struct encoder *e)
{
    const char *url = e->spec->base_url;
    bool is_known = endpoint_is_openai(url) || endpoint_is_azure(url);

    put_text(e, "prompt_cache_key", is_known ? e->in->cache_key : NULL);
}

static void put_settings(struct encoder *e)
{
    const struct model_spec *spec = e->spec;
    const char *tier =
        spec->service_tier && strcmp(spec->service_tier, "auto") != 0 ? spec->service_tier : NULL;

    put_include(e);
    put_object(e, "reasoning", (const char *const[]){ "effort", "summary" },
               (const char *const[]){ spec->reasoning_effort, spec->reasoning_summary }, NULL);
    put_object(e, "text", (const char *const[]){ "verbosity", "" },
               (const char *const[]){ spec->text_verbosity, NULL },
               e->in->omit_schema || e->in->is_aside ? NULL : spec->schema);
    put_int(e, "max_output_tokens", spec->max_output_tokens);
    put_text(e, "service_tier", tier);
    put_compaction(e);
    put_cache_key(e);
}

/* What `extra` has beyond the members above. */
static void put_more(struct encoder *e)
{
    static const char *const written[] = {
        "stream_options", "include",          "reasoning",          "text", "max_output_tokens",
        "service_tier",   "prompt_cache_key", "context_management", NULL
    };

    tree_each (member, e->extra) {
        if (is_one_of(member->key, written) || member->kind == TREE_NULL ||
            (e->in->is_aside && span_is(member->key, "tool_choice")))
            continue;
        json_key_span(&e->w, member->key);
        json_tree(&e->w, member);
    }
}

/* -- the conversation ---------------------------------------------------- */

static int put_items(struct encoder *e, struct err *err)
{
    struct buf scratch = BUF_INIT(ITEM_MAX);
    struct span item;
    int r = 0;

    json_key(&e->w, "input");
    json_array(&e->w);
    for (size_t i = 0; i < e->in->item_count && r == 0; i++) {
        item = e->in->items[i];
        if (!e->in->are_whole || !e->in->are_whole[i] || e->in->strip_reasoning)
            r = item_replay(item, e->in->strip_reasoning, &scratch, &item, err);
        if (r < 0)
            r = err_wrap(err, "item %zu of the conversation", i + 1);
        else if (item.len > 0)
            json_raw(&e->w, item);
    }
    json_array_end(&e->w);
    buf_done(&scratch);
    return r;
}

static bool is_empty_array(struct span tools)
{
    size_t n = 1;

    while (n < tools.len && isspace((unsigned char) tools.ptr[n]))
        n++;
    return tools.len == 0 || (n < tools.len && tools.ptr[n] == ']');
}

static int check_extra(const struct tree *extra, struct err *err)
{
    if (extra && extra->kind != TREE_OBJECT && extra->kind != TREE_NULL) {
        err_set(err, ERR_MANIFEST, "'model.extra' must be a mapping");
        return -ERR_MANIFEST;
    }
    tree_each (member, extra) {
        if (!is_one_of(member->key, protected_names))
            continue;
        err_set(err, ERR_MANIFEST, "'model.extra' cannot set '" SPAN_FMT "'", SPAN_ARG(member->key));
        return err_hint(err,
                        "that member is made from the rest of the manifest: remove it from 'model.extra'");
    }
    return 0;
}

int request_encode(struct buf *out, const struct model_spec *spec, const struct request_input *in,
                   struct err *err)
{
    struct encoder e = { .spec = spec, .in = in };
    int r = check_extra(spec->extra, err);
    int ended;

    if (r < 0)
        return r;
    if (spec->extra && spec->extra->kind == TREE_OBJECT)
        e.extra = spec->extra;
    json_begin(&e.w, out);
    json_object(&e.w);
    json_put_string(&e.w, "model", spec->name);
    json_put_bool(&e.w, "stream", true);
    put_stream_options(&e);
    json_put_bool(&e.w, "store", spec->state == MODEL_STATE_SERVER);
    put_settings(&e);
    put_more(&e);
    if (in->instructions)
        json_put_string(&e.w, "instructions", in->instructions);
    if (!is_empty_array(in->tools))
        json_put_raw(&e.w, "tools", in->tools);
    if (in->is_aside && !is_empty_array(in->tools))
        json_put_string(&e.w, "tool_choice", "none");
    if (in->previous_response_id)
        json_put_string(&e.w, "previous_response_id", in->previous_response_id);
    r = put_items(&e, err);
    json_object_end(&e.w);
    ended = json_end(&e.w, r < 0 ? NULL : err);
    if (r == 0 && ended < 0)
        r = err_wrap(err, "encoding the request");
    return r;
}

/* -- the task ------------------------------------------------------------ */

static int put_data_url(struct json_writer *w, const char *name, const struct request_attachment *file,
                        struct err *err)
{
    struct buf url = BUF_INIT(2 * ITEM_MAX);
    int r = buf_printf(&url, "data:%s;base64,", file->mime);

    if (r == 0)
        r = base64_encode(&url, file->content);
    if (r == 0)
        json_put_span(w, name, buf_span(&url));
    buf_done(&url);
    return r < 0 ? err_set(err, ERR_TOO_LARGE, "attachment '%s' is too large to send", file->name) : 0;
}

static int put_file(struct json_writer *w, const struct request_attachment *file, struct err *err)
{
    bool is_image = strncmp(file->mime, "image/", 6) == 0;
    int r;

    json_object(w);
    json_put_string(w, "type", is_image ? "input_image" : "input_file");
    if (is_image)
        json_put_string(w, "detail", "auto");
    else
        json_put_string(w, "filename", file->name);
    r = put_data_url(w, is_image ? "image_url" : "file_data", file, err);
    json_object_end(w);
    return r;
}

int request_user_item(struct buf *out, const char *text, const struct request_attachment *files, size_t count,
                      struct err *err)
{
    struct json_writer w;
    int r = 0, ended;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "type", "message");
    json_put_string(&w, "role", "user");
    if (count == 0) {
        json_put_string(&w, "content", text);
    } else {
        json_key(&w, "content");
        json_array(&w);
        json_object(&w);
        json_put_string(&w, "type", "input_text");
        json_put_string(&w, "text", text);
        json_object_end(&w);
        for (size_t i = 0; i < count && r == 0; i++)
            r = put_file(&w, &files[i], err);
        json_array_end(&w);
    }
    json_object_end(&w);
    ended = json_end(&w, r < 0 ? NULL : err);
    if (r == 0 && ended < 0)
        r = err_wrap(err, "encoding the task");
    return r;
}
