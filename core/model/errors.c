/* SPDX-License-Identifier: MIT */
/* What a refusal means. */
#include "core/model/errors.h"

#include "core/base/json.h"
#include "core/base/url.h"
#include "core/base/utf8.h"
#include "core/model/retry.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define TREE_MAX ((size_t) 2 << 20) /* nodes of an error body */

/* One error, whatever shape it came in. */
struct report {
    int status; /* HTTP; 0 inside a stream */
    struct span code, type, param, message;
    struct span details; /* bytes to look for words in: the message, or the whole body */
};

enum verdict { NEVER, RETRY };

/* Codes (or types) that decide, whatever the status says. */
static const struct rule {
    const char *code;
    enum verdict verdict;
    const char *hint;
} rules[] = {
    { "insufficient_quota", NEVER,
      "the account behind this key has no credit left: check its plan and billing; waiting does not help" },
    { "billing_hard_limit_reached", NEVER,
      "the account's spending limit is reached: raise it, or use another key" },
    { "usage_not_included", NEVER, "the plan behind this key does not include this model" },
    { "rate_limit_exceeded", RETRY,
      "wait a little, use a smaller 'model.max_output_tokens', or raise 'model.retries'" },
    { "slow_down", RETRY, "the server is overloaded: wait a few minutes" },
    { "server_is_overloaded", RETRY, "the server is overloaded: wait a few minutes" },
    { "server_error", RETRY, "the fault is the server's: wait a little, then run it again" },
    { "vector_store_timeout", RETRY, "the fault is the server's: wait a little, then run it again" },
    { "context_length_exceeded", NEVER,
      "the conversation no longer fits the model: lower 'limits.output', or use a model with a larger "
      "context" },
    { "invalid_prompt", NEVER, "the server refuses this prompt: change the task or the instructions" },
    { "cyber_policy", NEVER, "the server's usage policy refuses this: change the task or the instructions" },
    { "bio_policy", NEVER, "the server's usage policy refuses this: change the task or the instructions" },
    { "misalignment_policy_violation", NEVER,
      "the server's usage policy refuses this: change the task or the instructions" },
    { "invalid_encrypted_content", NEVER, "the reasoning kept from earlier turns is not this model's" },
    { "previous_response_not_found", NEVER,
      "the server no longer has the conversation: use 'model.state: local'" },
    { "unknown_parameter", NEVER, NULL },
    { "unsupported_parameter", NEVER, NULL },
    { "unsupported_value", NEVER, NULL },
    { "invalid_request_error", NEVER, NULL },
};

static const struct rule *rule_of(struct span word)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (span_is(word, rules[i].code))
            return &rules[i];
    return NULL;
}

static bool contains(struct span text, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.ptr + i, word, len) == 0)
            return true;
    return false;
}

static bool contains_any(struct span text, const char *const *words)
{
    for (; *words; words++)
        if (contains(text, *words))
            return true;
    return false;
}

/* -- text ---------------------------------------------------------------- */

void errors_scrub(const struct error_context *ctx, struct buf *b)
{
    for (size_t i = 0; ctx && i < ctx->secret_count; i++) {
        struct span secret = ctx->secrets[i];
        char *at = b->data;

        if (secret.len == 0 || b->len == 0)
            continue;
        while ((at = memmem(at, b->len - (size_t) (at - b->data), secret.ptr, secret.len))) {
            size_t stars = secret.len < 3 ? secret.len : 3;
            size_t rest = b->len - (size_t) (at - b->data) - secret.len;

            memset(at, '*', stars);
            memmove(at + stars, at + secret.len, rest + 1);
            b->len -= secret.len - stars;
            at += stars;
        }
    }
}

/* C0, DEL, and C1 in its two-byte UTF-8 form: nothing may steer a terminal. */
static size_t control_length(const char *p, size_t len)
{
    unsigned char c = (unsigned char) p[0];

    if (c < 0x20 || c == 0x7f)
        return 1;
    if (c == 0xc2 && len > 1 && (unsigned char) p[1] >= 0x80 && (unsigned char) p[1] < 0xa0)
        return 2;
    return 0;
}

/* Blanks and control characters become single blanks, in place. */
static void one_line(struct buf *b)
{
    size_t from = 0, to = 0, skip;

    while (from < b->len) {
        skip = b->data[from] == ' ' ? 1 : control_length(b->data + from, b->len - from);
        if (skip == 0) {
            b->data[to++] = b->data[from++];
            continue;
        }
        from += skip;
        if (to > 0 && b->data[to - 1] != ' ')
            b->data[to++] = ' ';
    }
    while (to > 0 && b->data[to - 1] == ' ')
        to--;
    if (b->data) {
        b->len = to;
        b->data[to] = '\0';
    }
}

void errors_clean(struct buf *out, const struct error_context *ctx, struct span text, size_t max)
{
    struct buf b = BUF_INIT(4 * ERRORS_BODY_MAX);
    bool is_cut;

    if (text.len > ERRORS_BODY_MAX)
        text.len = ERRORS_BODY_MAX;
    if (utf8_repair(&b, text) < 0) {
        buf_done(&b);
        return; /* no memory: an error without the server's words */
    }
    one_line(&b);
    errors_scrub(ctx, &b);
    is_cut = b.len > max;
    (void) buf_add(out, buf_text(&b), is_cut ? utf8_cut(buf_span(&b), max - 3) : b.len);
    if (is_cut)
        (void) buf_add_text(out, "..."); /* `out` of the callers has the room */
    buf_done(&b);
}

void errors_copy(char *field, size_t size, const struct error_context *ctx, struct span text)
{
    struct buf b = BUF_INIT(size + 3);

    errors_clean(&b, ctx, text, size - 1);
    snprintf(field, size, "%s", buf_text(&b));
    buf_done(&b);
}

/* -- hints --------------------------------------------------------------- */

static void hint_key(struct err *err, const struct secret_ref *ref)
{
    const char *value = ref->value ? ref->value : "";

    switch (ref->kind) {
    case SECRET_ENV:
        (void) err_hint(err, "check the key in the environment variable '%s' ('model.api_key')", value);
        break;
    case SECRET_FILE:
        (void) err_hint(err, "check the key in the file '%s' ('model.api_key')", value);
        break;
    case SECRET_COMMAND:
        (void) err_hint(err, "check the key that the command '%s' prints ('model.api_key')",
                        ref->argv && ref->argv[0] ? ref->argv[0] : "");
        break;
    case SECRET_NONE:
    default:
        (void) err_hint(err, "the server wants a key: set 'model.api_key'");
        break;
    }
}

static void hint_path(struct err *err, const struct model_spec *spec)
{
    struct span host = url_host(span_of(spec->base_url));

    (void) err_hint(
        err, "check 'model.base_url' and 'model.name': does '" SPAN_FMT "' serve POST /responses for '%s'?",
        SPAN_ARG(host), spec->name ? spec->name : "");
}

/* History bugs and refused fields all come as 400 or 422; the parameter tells them apart. */
static void hint_request(struct err *err, const struct error_context *ctx, const struct report *rep)
{
    char param[80];

    errors_copy(param, sizeof(param), ctx, rep->param);
    if (contains(rep->details, "previous_response_id"))
        (void) err_hint(err, "this server keeps no conversations: use 'model.state: local'");
    else if (span_starts(rep->param, "input"))
        (void) err_hint(
            err, "the server does not accept the conversation as it was sent: try another 'model.state', "
                 "or start the run anew");
    else if (rep->param.len > 0)
        (void) err_hint(
            err, "this model or server does not accept '%s' as it was sent: check 'model' in the manifest",
            param);
    else
        (void) err_hint(err, "check the 'model' part of the manifest against what this server accepts");
}

static void hint_status(struct err *err, const struct error_context *ctx, const struct report *rep)
{
    switch (rep->status) {
    case 401:
        hint_key(err, &ctx->spec->api_key);
        break;
    case 403:
        (void) err_hint(
            err, "the key is known but may not do this: check its project, its permissions and the region");
        break;
    case 404:
    case 405:
        hint_path(err, ctx->spec);
        break;
    case 413:
        (void) err_hint(err, "the request is too large for this server: send fewer or smaller attachments");
        break;
    case 400:
    case 422:
        hint_request(err, ctx, rep);
        break;
    case 429:
        (void) err_hint(err, "wait a little, or raise 'model.retries'");
        break;
    default:
        if (rep->status == 0 || rep->status >= 500)
            (void) err_hint(err, "the fault is the server's: wait a little, then run it again");
        break;
    }
}

static void set_hint(struct err *err, const struct error_context *ctx, const struct report *rep,
                     const struct rule *rule)
{
    if (rule && rule->hint)
        (void) err_hint(err, "%s", rule->hint);
    else if (span_is(rep->code, "invalid_api_key"))
        hint_key(err, &ctx->spec->api_key);
    else if (span_is(rep->code, "model_not_found"))
        (void) err_hint(err, "check 'model.name' ('%s'), and whether this key may use that model",
                        ctx->spec->name ? ctx->spec->name : "");
    else
        hint_status(err, ctx, rep);
}

/* -- verdicts ------------------------------------------------------------ */

static bool status_can_retry(int status)
{
    return status == 408 || status == 409 || status == 429 ||
           (status >= 500 && status != 501 && status != 505);
}

static bool can_retry(const struct report *rep, const struct rule *rule)
{
    if (rule && rule->verdict == NEVER)
        return false;
    if (rep->status > 0)
        return status_can_retry(rep->status);
    if (rule)
        return true;
    /* Inside a stream an unknown code is an accident of the server, unless it names our input. */
    return !span_is(rep->type, "invalid_request_error") && !span_starts(rep->code, "invalid_") &&
           !span_starts(rep->code, "image_") && !contains(rep->code, "policy");
}

/* Native tools refused. Servers say it in their own words, with 400, 422 or even 500. */
static bool is_tool_refusal(const struct report *rep)
{
    static const char *const what[] = { "type", "shell", "only function", "apply_patch", NULL };
    static const char *const why[] = { "unsupported", "not supported", "unknown",          "invalid",
                                       "must be",     "should be",     "only function",    "unrecognized",
                                       "expected",    "not allowed",   "does not support", NULL };

    if (rep->status != 400 && rep->status != 422 && rep->status != 404 && rep->status != 500)
        return false;
    if (span_is(rep->code, "invalid_function_parameters") || contains(rep->details, "invalid schema"))
        return false;
    if (rep->param.len > 0 && !span_starts(rep->param, "tools"))
        return false;
    if (rep->param.len == 0 && !contains(rep->details, "tool"))
        return false;
    return contains_any(rep->details, what) && contains_any(rep->details, why);
}

/* A schema for the answer refused, by servers that do not know the parameter. One that objects to what this
 * schema says is another matter. */
static bool is_schema_refusal(const struct error_context *ctx, const struct report *rep)
{
    static const char *const what[] = { "text.format",     "json_schema", "json schema",
                                        "response_format", "'format'",    "structured output",
                                        "'text'",          "\"text\"",    NULL };
    static const char *const why[] = {
        "unsupported",   "not supported",    "unknown",        "invalid",     "must be",
        "should be",     "unrecognized",     "unexpected",     "not allowed", "not permitted",
        "not available", "does not support", "not recognized", NULL
    };

    if (!ctx || !ctx->spec->schema || (rep->status != 400 && rep->status != 422 && rep->status != 500))
        return false;
    if (span_is(rep->code, "invalid_json_schema") || contains(rep->details, "invalid schema"))
        return false;
    if (rep->param.len > 0 && !span_is(rep->param, "text") && !span_starts(rep->param, "text.format") &&
        !span_starts(rep->param, "response_format"))
        return false;
    return (rep->param.len > 0 || contains_any(rep->details, what)) && contains_any(rep->details, why);
}

static bool is_previous_lost(const struct report *rep)
{
    return span_is(rep->code, "previous_response_not_found") ||
           (contains(rep->details, "previous response") && contains(rep->details, "not found"));
}

static bool is_reasoning_bad(const struct report *rep)
{
    return span_is(rep->code, "invalid_encrypted_content") ||
           (contains(rep->details, "encrypted content") && contains(rep->details, "could not be"));
}

/* Servers of their own say it in their own words. */
static bool is_too_long(const struct report *rep)
{
    static const char *const words[] = { "context_length_exceeded", "exceed_context_size",
                                         "maximum context length",  "context window",
                                         "available context size",  NULL };

    return span_is(rep->code, words[0]) ||
           (rep->status != 429 && (contains_any(rep->type, words) || contains_any(rep->details, words)));
}

static bool is_compaction_refused(const struct report *rep)
{
    static const char name[] = "context_management";

    return (rep->status == 0 || rep->status == 400 || rep->status == 404 || rep->status == 422 ||
            rep->status == 500) &&
           (span_starts(rep->param, name) || contains(rep->details, name));
}

static void describe(struct model_end *end, const struct error_context *ctx, const struct report *rep)
{
    struct buf text = BUF_INIT(ERRORS_MESSAGE_MAX + 16);

    errors_clean(&text, ctx, rep->message, ERRORS_MESSAGE_MAX);
    if (text.len == 0)
        (void) buf_add_text(&text, "no reason given");
    if (rep->status > 0)
        (void) err_set(&end->err, ERR_MODEL, "the model server refused the request (HTTP %d%s%s): %s",
                       rep->status, end->reason[0] ? ", " : "", end->reason, buf_text(&text));
    else
        (void) err_set(&end->err, ERR_MODEL, "the model server reported an error%s%s%s: %s",
                       end->reason[0] ? " (" : "", end->reason, end->reason[0] ? ")" : "", buf_text(&text));
    buf_done(&text);
}

static void judge(struct model_end *end, const struct error_context *ctx, const struct report *rep)
{
    const struct rule *rule = rule_of(rep->code);

    if (!rule)
        rule = rule_of(rep->type);
    end->kind = MODEL_FAILED;
    errors_copy(end->reason, sizeof(end->reason), ctx, rep->code.len ? rep->code : rep->type);
    describe(end, ctx, rep);
    set_hint(&end->err, ctx, rep, rule);
    end->lost_previous = is_previous_lost(rep);
    end->bad_reasoning = is_reasoning_bad(rep);
    end->refuses_compaction = is_compaction_refused(rep);
    end->is_too_long = !end->refuses_compaction && is_too_long(rep);
    end->wants_function_tools =
        !end->lost_previous && !end->bad_reasoning && !end->refuses_compaction && is_tool_refusal(rep);
    end->wants_no_schema = !end->lost_previous && !end->bad_reasoning && !end->refuses_compaction &&
                           !end->wants_function_tools && is_schema_refusal(ctx, rep);
    end->can_retry =
        !end->wants_function_tools && !end->wants_no_schema && !end->is_too_long && can_retry(rep, rule);
    if (end->wants_function_tools)
        (void) err_hint(&end->err,
                        "this model or server takes plain functions only: use 'model.tool_style: function'");
    if (end->can_retry && end->retry_after_ms < 0)
        end->retry_after_ms = retry_after_text(rep->message);
}

/* -- shapes -------------------------------------------------------------- */

static struct span text_of(const struct tree *t)
{
    return t && t->kind == TREE_NUMBER ? t->text : tree_span(t);
}

/* `error` as an object, or as a plain string. */
static void read_error(struct report *rep, const struct tree *error)
{
    if (!error)
        return;
    if (error->kind == TREE_STRING) {
        rep->message = error->text;
    } else {
        rep->code = text_of(tree_get(error, "code"));
        rep->type = tree_span(tree_get(error, "type"));
        rep->param = tree_span(tree_get(error, "param"));
        rep->message = tree_span(tree_get(error, "message"));
    }
    rep->details = rep->message;
}

/* {"error": {...}}, {"error": "text"}, {"message": ..}, {"detail": ..} (FastAPI), {"errors": ..}. */
static void read_body(struct report *rep, const struct tree *body)
{
    const struct tree *detail = tree_get(body, "detail");
    const struct tree *error = tree_get(body, "error");

    read_error(rep, error && error->kind != TREE_NULL ? error : body);
    if (rep->message.len > 0)
        return;
    if (detail)
        rep->message = detail->kind == TREE_STRING ? detail->text : detail->raw;
    else
        rep->message = body->raw;
    rep->details = rep->message;
}

static bool is_html(struct span body)
{
    size_t n = 0;

    while (n < body.len && isspace((unsigned char) body.ptr[n]))
        n++;
    return n < body.len && body.ptr[n] == '<';
}

void errors_from_body(struct model_end *end, const struct error_context *ctx, int status, struct span body)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct report rep = { .status = status, .message = body, .details = body };
    const struct tree *tree = NULL;
    struct buf page = BUF_INIT(ERRORS_BODY_MAX + 32);

    if (json_parse(body, &arena, &tree, NULL) == 0) {
        read_body(&rep, tree);
    } else if (is_html(body)) {
        (void) buf_add_text(&page, "an HTML page: ");
        (void) buf_add(&page, body.ptr, body.len < ERRORS_BODY_MAX ? body.len : ERRORS_BODY_MAX);
        rep.message = buf_span(&page);
    }
    end->http_status = status;
    judge(end, ctx, &rep);
    arena_done(&arena);
    buf_done(&page);
}

/* Some servers put the HTTP status they would have sent into `code`. */
static int status_in_code(struct span code)
{
    if (code.len != 3 || (code.ptr[0] != '4' && code.ptr[0] != '5') ||
        !isdigit((unsigned char) code.ptr[1]) || !isdigit((unsigned char) code.ptr[2]))
        return 0;
    return (code.ptr[0] - '0') * 100 + (code.ptr[1] - '0') * 10 + code.ptr[2] - '0';
}

void errors_from_event(struct model_end *end, const struct error_context *ctx, const struct tree *error)
{
    struct report rep = { 0 };

    read_error(&rep, error);
    rep.status = status_in_code(rep.code);
    judge(end, ctx, &rep);
}

void errors_from_redirect(struct model_end *end, const struct error_context *ctx, int status,
                          struct span location)
{
    struct buf host = BUF_INIT(256);

    errors_clean(&host, ctx, url_host(location), 200);
    end->kind = MODEL_FAILED;
    end->http_status = status;
    end->can_retry = false;
    if (host.len > 0)
        (void) err_set(&end->err, ERR_MODEL, "the model server redirects (HTTP %d) to the host '%s'", status,
                       buf_text(&host));
    else
        (void) err_set(&end->err, ERR_MODEL, "the model server redirects (HTTP %d)", status);
    (void) err_hint(&end->err,
                    "redirects are not followed, the key would go along: set 'model.base_url' to the "
                    "final address");
    buf_done(&host);
}

void errors_broken(struct model_end *end, const struct error_context *ctx, bool can_retry, const char *format,
                   ...)
{
    struct buf raw = BUF_INIT(ERRORS_BODY_MAX), text = BUF_INIT(ERR_TEXT_MAX);
    va_list ap;

    va_start(ap, format);
    (void) buf_vprintf(&raw, format, ap);
    va_end(ap);
    errors_clean(&text, ctx, buf_span(&raw), ERR_TEXT_MAX - 4);
    end->kind = MODEL_BROKEN;
    end->can_retry = can_retry;
    (void) err_set(&end->err, ERR_MODEL, "%s", buf_text(&text));
    buf_done(&raw);
    buf_done(&text);
}
