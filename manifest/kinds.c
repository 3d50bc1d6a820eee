/* SPDX-License-Identifier: MIT */
/* Kinds of values of our own: decode, describe, write back. */
#include "manifest/kinds.h"

#include "core/base/units.h"
#include "manifest/answer.h"
#include "manifest/approve.h"
#include "manifest/container.h"
#include "manifest/memory.h"
#include "manifest/network.h"
#include "manifest/scan.h"
#include "manifest/tools.h"
#include "manifest/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define KIND_TEXT_MAX  (64 * 1024)
#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

bool kind_refuse(struct table_ctx *ctx, const struct tree *at, const char *hint, const char *message)
{
    table_problem(ctx, at, hint, "%s", message);
    return false;
}

bool kind_refuse_key(struct table_ctx *ctx, const struct tree *member, const char *hint, const char *message)
{
    struct tree at = *member;

    at.pos = at.key_pos;
    return kind_refuse(ctx, &at, hint, message);
}

/* --- secrets --- */

static bool find_row(struct span name);

static void check_secret(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_secret *s = out;
    bool is_known = true;
    int given = (s->from_env != NULL) + (s->from_file != NULL) + (s->from_command != NULL);

    tree_each (item, value)
        is_known = is_known && find_row(item->key); /* a typo is reported already */
    if (given > 1 || (given == 0 && is_known))
        table_problem(ctx, value, NULL, "a secret is one of 'from_env', 'from_file', 'from_command'");
    else if (s->from_command && s->from_command_count == 0)
        table_problem(ctx, tree_get(value, "from_command"), NULL, "the command is empty");
}

static const struct field secret_rows[] = {
    { .name = "from_env",
      .kind = FIELD_STRING,
      .offset = offsetof(struct manifest_secret, from_env),
      .min = 1,
      .max = 255,
      .help = "Name of the environment variable that holds it.",
      .example = "\"OPENAI_API_KEY\"" },
    { .name = "from_file",
      .kind = FIELD_STRING,
      .offset = offsetof(struct manifest_secret, from_file),
      .min = 1,
      .max = 4096,
      .help = "File that holds it; a newline at its end is cut." },
    { .name = "from_command",
      .kind = FIELD_STRINGS,
      .offset = offsetof(struct manifest_secret, from_command),
      .count_offset = offsetof(struct manifest_secret, from_command_count),
      .help = "Program with arguments that prints it; no shell is involved.",
      .example = "[\"pass\", \"show\", \"openai\"]" },
    { .name = "prefix",
      .kind = FIELD_STRING,
      .offset = offsetof(struct manifest_secret, prefix),
      .max = 255,
      .help = "Text put before the value.",
      .example = "\"Bearer \"" },
};

static bool find_row(struct span name)
{
    for (size_t i = 0; i < FIELD_COUNT_OF(secret_rows); i++)
        if (span_is(name, secret_rows[i].name))
            return true;
    return false;
}

const struct table manifest_secret_table = {
    .name = "secret",
    .fields = secret_rows,
    .count = FIELD_COUNT_OF(secret_rows),
    .size = sizeof(struct manifest_secret),
    .help = "A secret by reference; it is read in the last moment, by the harness only.",
    .check = check_secret,
};

bool kind_secret_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    if (value->kind != TREE_OBJECT)
        return kind_refuse(ctx, value, "write {from_env: NAME}, {from_file: path} or {from_command: [...]}",
                           "a secret does not go into a manifest");
    return table_decode(&manifest_secret_table, value, kind_slot(out, field), ctx) == 0;
}

void kind_secret_schema(struct json_writer *w, const struct field *field)
{
    table_schema(&manifest_secret_table, false, w);
}

bool kind_secret_write(struct json_writer *w, const struct manifest_secret *s)
{
    if (!s->from_env && !s->from_file && !s->from_command)
        return false;
    if (!w)
        return true;
    json_object(w);
    if (s->from_env)
        json_put_string(w, "from_env", s->from_env);
    if (s->from_file)
        json_put_string(w, "from_file", s->from_file);
    if (s->from_command) {
        json_key(w, "from_command");
        json_array(w);
        for (size_t i = 0; i < s->from_command_count; i++)
            json_string(w, s->from_command[i]);
        json_array_end(w);
    }
    if (s->prefix)
        json_put_string(w, "prefix", s->prefix);
    json_object_end(w);
    return true;
}

static bool encode_secret(struct json_writer *w, const struct field *field, const void *base)
{
    return kind_secret_write(w, kind_slot_of(base, field));
}

/* --- maps of texts --- */

/* A scalar as text; numbers and bools as written. NULL: reported. */
static const char *text_of(struct table_ctx *ctx, const struct tree *value, const char *hint)
{
    if (value->kind == TREE_ARRAY || value->kind == TREE_OBJECT || value->kind == TREE_NULL)
        (void) kind_refuse(ctx, value, hint, "expected text");
    else if (memchr(value->text.ptr, '\0', value->text.len))
        (void) kind_refuse(ctx, value, NULL, "text with a NUL is not possible here");
    else if (value->text.len > KIND_TEXT_MAX)
        (void) kind_refuse(ctx, value, NULL, "more than 64 KiB of text");
    else
        return value->text.ptr;
    return NULL;
}

typedef bool pair_fn(struct table_ctx *ctx, const struct tree *value, struct manifest_pair *out);

static bool decode_pairs(struct table_ctx *ctx, const struct tree *value, struct manifest_pairs *out,
                         pair_fn *one)
{
    bool is_good = true;

    if (value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, "keys and values");
        return false;
    }
    out->items = arena_alloc(ctx->arena, (value->count + 1) * sizeof(*out->items));
    if (!out->items)
        return kind_refuse(ctx, value, NULL, "too large");
    tree_each (item, value) {
        size_t mark = table_enter(ctx, item->key);

        out->items[out->count].name = item->key.ptr;
        if (one(ctx, item, &out->items[out->count]))
            out->count++;
        else
            is_good = false;
        table_leave(ctx, mark);
    }
    return is_good;
}

/* RFC 9110: token for names; values without control characters. Some names are the client's own. */
static bool check_header(struct table_ctx *ctx, const struct tree *value, const struct manifest_pair *pair)
{
    static const char *const own[] = { "host",       "content-length", "transfer-encoding",
                                       "connection", "content-type",   "expect",
                                       "upgrade" };

    if (strspn(pair->name, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") !=
            value->key.len ||
        value->key.len == 0)
        return kind_refuse_key(ctx, value, NULL, "not the name of a header");
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcasecmp(pair->name, own[i]) == 0)
            return kind_refuse_key(ctx, value, "remove it", "this header is set by agentbox itself");
    for (const char *c = pair->value; c && *c; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            return kind_refuse(ctx, value, NULL, "a header cannot hold control characters");
    return true;
}

static bool decode_header(struct table_ctx *ctx, const struct tree *value, struct manifest_pair *out)
{
    if (value->kind == TREE_OBJECT) {
        if (table_decode(&manifest_secret_table, value, &out->secret, ctx) != 0)
            return false;
    } else {
        out->value = text_of(ctx, value, "or a secret: {from_env: NAME}");
        if (!out->value)
            return false;
    }
    return check_header(ctx, value, out);
}

bool kind_headers_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                         void *out)
{
    return decode_pairs(ctx, value, kind_slot(out, field), decode_header);
}

void kind_headers_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "object");
    json_key(w, "additionalProperties");
    json_object(w);
    json_key(w, "anyOf");
    json_array(w);
    json_object(w);
    json_put_raw(w, "type", span_of("[\"string\",\"number\",\"boolean\"]"));
    json_object_end(w);
    table_schema(&manifest_secret_table, false, w);
    json_array_end(w);
    json_object_end(w);
    json_object_end(w);
}

static bool check_variable(struct table_ctx *ctx, const struct tree *value)
{
    bool is_name = value->key.len > 0 && !isdigit((unsigned char) value->key.ptr[0]);

    for (size_t i = 0; i < value->key.len; i++)
        if (!isalnum((unsigned char) value->key.ptr[i]) && value->key.ptr[i] != '_')
            is_name = false;
    return is_name || kind_refuse_key(ctx, value, "letters, digits and '_', not beginning with a digit",
                                      "not the name of a variable");
}

static bool decode_variable(struct table_ctx *ctx, const struct tree *value, struct manifest_pair *out)
{
    if (!check_variable(ctx, value))
        return false;
    if (value->kind == TREE_OBJECT)
        return kind_refuse(ctx, value, "the sandbox never holds a secret",
                           "secrets do not go in here, only plain values");
    out->value = text_of(ctx, value, NULL);
    return out->value != NULL;
}

bool kind_environment_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                             void *out)
{
    return decode_pairs(ctx, value, kind_slot(out, field), decode_variable);
}

static bool decode_secret_variable(struct table_ctx *ctx, const struct tree *value, struct manifest_pair *out)
{
    if (!check_variable(ctx, value))
        return false;
    if (value->kind != TREE_OBJECT)
        return kind_refuse(ctx, value, "{from_env: NAME}; plain values go into 'environment'",
                           "expected a secret by reference");
    return table_decode(&manifest_secret_table, value, &out->secret, ctx) == 0;
}

bool kind_secrets_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                         void *out)
{
    return decode_pairs(ctx, value, kind_slot(out, field), decode_secret_variable);
}

void kind_secrets_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "object");
    json_put_raw(w, "propertyNames", span_of("{\"pattern\":\"^[A-Za-z_][A-Za-z0-9_]*$\"}"));
    json_key(w, "additionalProperties");
    table_schema(&manifest_secret_table, false, w);
    json_object_end(w);
}

void kind_environment_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "object");
    json_put_raw(w, "propertyNames", span_of("{\"pattern\":\"^[A-Za-z_][A-Za-z0-9_]*$\"}"));
    json_put_raw(w, "additionalProperties", span_of("{\"type\":[\"string\",\"number\",\"boolean\"]}"));
    json_object_end(w);
}

static bool encode_pairs(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_pairs *pairs = kind_slot_of(base, field);

    if (pairs->count == 0 || !w)
        return pairs->count > 0;
    json_object(w);
    for (size_t i = 0; i < pairs->count; i++) {
        json_key(w, pairs->items[i].name);
        if (pairs->items[i].value)
            json_string(w, pairs->items[i].value);
        else
            (void) kind_secret_write(w, &pairs->items[i].secret);
    }
    json_object_end(w);
    return true;
}

/* --- permissions --- */

/* As ls writes them: "drwxr-xr-x", "-rw-r--r--.", the type and the mark at the end may be left out. Set-id
 * and sticky bits are dropped, what they say about execution is kept. */
static bool parse_listing(struct span text, int64_t *ret)
{
    int64_t mode = 0;

    if (text.len >= 10 && memchr("-dl", text.ptr[0], 3))
        text = span_make(text.ptr + 1, text.len - 1);
    if (text.len == 10 && memchr(".+@", text.ptr[9], 3))
        text.len--;
    if (text.len != 9)
        return false;
    for (size_t i = 0; i < 9; i++) {
        char c = text.ptr[i], special = i == 8 ? 't' : 's';

        if (c == "rwx"[i % 3] || (i % 3 == 2 && c == special))
            mode |= 0400 >> i;
        else if (c != '-' && !(i % 3 == 2 && c == toupper((unsigned char) special)))
            return false;
    }
    *ret = mode;
    return true;
}

/* Digits are octal as they are written, quoted or not; 0o644 is what it is. */
bool kind_mode_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    int64_t *ret = kind_slot(out, field);
    bool is_word = value->kind == TREE_STRING || value->kind == TREE_NUMBER;
    bool is_based = value->kind == TREE_NUMBER && yaml_node(value)->is_based;
    uint32_t bits = 0;
    int r = -ERR_INVALID;

    if (is_word && parse_listing(value->text, ret))
        return true;
    if (is_based)
        r = units_int(value->text, 0, 0777, ret);
    else if (is_word)
        r = units_octal(value->text, 0777, &bits);
    if (r == 0 && !is_based)
        *ret = bits;
    if (r == -ERR_TOO_LARGE)
        return kind_refuse(ctx, value, "set-id and sticky bits are not possible",
                           "must be between 0000 and 0777");
    if (r < 0)
        table_wrong(ctx, value, "permissions such as \"0644\" or \"rw-r--r--\"");
    return r == 0;
}

void kind_mode_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_raw(w, "type", span_of("[\"string\",\"integer\"]"));
    json_put_string(w, "pattern", "^(0?[0-7]{1,3}|[-dl]?([r-][w-][xsStT-]){3}[.+@]?)$");
    json_object_end(w);
}

static bool encode_mode(struct json_writer *w, const struct field *field, const void *base)
{
    int64_t mode = *(const int64_t *) kind_slot_of(base, field);
    char text[8];

    if (mode < 0 || !w)
        return mode >= 0;
    (void) snprintf(text, sizeof(text), "%04o", (unsigned) mode & 0777);
    json_string(w, text);
    return true;
}

/* --- the rest --- */

bool kind_off_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    const struct tree *first = value->kind == TREE_OBJECT ? value->child : NULL;
    struct tree at = first ? *first : *value;

    at.pos = at.key_pos.line > 0 ? at.key_pos : at.pos;
    for (const char *const *name = field->names; *name; name++)
        if (value->kind != TREE_ARRAY && value->kind != TREE_OBJECT && span_is(value->text, *name))
            return true;
    if (value->kind == TREE_STRING || value->kind == TREE_NULL)
        table_wrong(ctx, value, field->names[0]);
    else
        table_problem(ctx, &at, NULL, "not supported yet: %s%s%s", ctx->path, first ? "." : "",
                      first ? first->key.ptr : "");
    return false;
}

void kind_off_schema(struct json_writer *w, const struct field *field)
{
    const char *word = field->names[0];
    bool is_text = !isdigit((unsigned char) word[0]) && strcmp(word, "false") != 0;

    json_object(w);
    json_key(w, "const");
    if (is_text)
        json_string(w, word);
    else
        json_raw(w, span_of(word));
    json_object_end(w);
}

bool kind_version_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                         void *out)
{
    if (value->kind != TREE_NUMBER || !span_is(value->text, "1")) {
        table_wrong(ctx, value, "1, the version of this language");
        return false;
    }
    *(int64_t *) kind_slot(out, field) = 1;
    return true;
}

void kind_version_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_int(w, "const", 1);
    json_object_end(w);
}

static bool encode_version(struct json_writer *w, const struct field *field, const void *base)
{
    if (w)
        json_int(w, *(const int64_t *) kind_slot_of(base, field));
    return true;
}

bool kind_object_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    if (value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, "keys and values");
        return false;
    }
    *(const struct tree **) kind_slot(out, field) = value;
    return true;
}

void kind_object_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "object");
    json_object_end(w);
}

static bool is_scalar(const struct tree *value)
{
    return value->kind == TREE_STRING || value->kind == TREE_NUMBER || value->kind == TREE_BOOL;
}

bool kind_scalars_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                         void *out)
{
    if (value->kind != TREE_ARRAY || value->count == 0)
        return kind_refuse(ctx, value, NULL, "must be a list with at least one value");
    tree_each (item, value)
        if (!is_scalar(item))
            return kind_refuse(ctx, item, NULL, "must be text, a number or a bool");
    *(const struct tree **) kind_slot(out, field) = value;
    return true;
}

void kind_scalars_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "array");
    json_put_raw(w, "items", span_of("{\"type\":[\"string\",\"number\",\"boolean\"]}"));
    json_put_int(w, "minItems", 1);
    json_object_end(w);
}

bool kind_scalar_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    if (!is_scalar(value))
        return kind_refuse(ctx, value, NULL, "must be text, a number or a bool");
    *(const struct tree **) kind_slot(out, field) = value;
    return true;
}

void kind_scalar_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_raw(w, "type", span_of("[\"string\",\"number\",\"boolean\"]"));
    json_object_end(w);
}

static bool encode_tree(struct json_writer *w, const struct field *field, const void *base)
{
    const struct tree *value = *(const struct tree *const *) kind_slot_of(base, field);

    if (value && w)
        json_tree(w, value);
    return value != NULL;
}

static const struct kind {
    kind_decode_fn *decode;
    kind_encode_fn *encode;
    const char *word;
} kinds[] = {
    { kind_secret_decode, encode_secret, "secret" },
    { kind_headers_decode, encode_pairs, "map of text or secrets" },
    { kind_environment_decode, encode_pairs, "map of text" },
    { kind_secrets_decode, encode_pairs, "map of secrets" },
    { tools_decode, tools_encode, "list of tools" },
    { kind_object_decode, encode_tree, "map" },
    { kind_scalars_decode, encode_tree, "list of values" },
    { kind_scalar_decode, encode_tree, "value" },
    { kind_mode_decode, encode_mode, "permissions" },
    { kind_version_decode, encode_version, "1" },
    { scan_decode, scan_encode, "word or map" },
    { memory_decode, memory_encode, "map" },
    { answer_decode, answer_encode, "schema or path" },
    { approve_decode, approve_encode, "word or map" },
    { kind_network_decode, network_encode, "none, or a map, see below" },
    { kind_rules_decode, network_encode_rules, "list of text or maps, see below" },
    { container_parameters_decode, container_parameters_encode, "schema or path" },
    { container_inputs_decode, container_inputs_encode, "list of paths" },
    { kind_off_decode, NULL, "" },
};

static const struct kind *find_kind(const struct field *field)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].decode == field->decode)
            return &kinds[i];
    return NULL;
}

kind_encode_fn *kind_find(const struct field *field)
{
    const struct kind *kind = find_kind(field);

    return kind ? kind->encode : NULL;
}

const char *kind_word(const struct field *field)
{
    const struct kind *kind = find_kind(field);

    if (kind && kind->decode == kind_off_decode)
        return field->names[0];
    return kind ? kind->word : "map";
}
