/* SPDX-License-Identifier: MIT */
/* Structs back to JSON by their tables. */
#include "manifest/resolve.h"

#include "manifest/kinds.h"

#include <inttypes.h>
#include <stdio.h>

static const void *at(const void *base, size_t offset)
{
    return (const char *) base + offset;
}

static int64_t int_of(const struct field *field, const void *base)
{
    return *(const int64_t *) at(base, field->offset);
}

static size_t count_of(const struct field *field, const void *base)
{
    return *(const size_t *) at(base, field->count_offset);
}

static bool has_member(const struct table *table, const void *base);

/* Is there something to write? What has a default always has a value; else absence is zero, or -1. */
static bool has_value(const struct field *field, const void *base)
{
    kind_encode_fn *encode;

    if (field->flags & FIELD_LATER)
        return false;
    switch (field->kind) {
    case FIELD_CUSTOM:
        encode = kind_find(field);
        return encode && encode(NULL, field, base);
    case FIELD_STRING:
        return *(const char *const *) at(base, field->offset) != NULL;
    case FIELD_BYTES:
        return ((const struct span *) at(base, field->offset))->ptr != NULL;
    case FIELD_STRINGS:
    case FIELD_TABLES:
    case FIELD_MAP:
        return field->fallback || count_of(field, base) > 0;
    case FIELD_TABLE:
        return has_member(field->sub, at(base, field->offset));
    case FIELD_BOOL:
    case FIELD_ENUM:
    case FIELD_NUMBER:
        return true;
    default:
        return field->fallback || int_of(field, base) != (field->flags & FIELD_UNSET_NEG ? -1 : 0);
    }
}

static bool has_member(const struct table *table, const void *base)
{
    for (size_t i = 0; i < table->count; i++)
        if (has_value(&table->fields[i], base))
            return true;
    return false;
}

static void write_strings(struct json_writer *w, const struct field *field, const void *base)
{
    const char *const *items = *(const char *const *const *) at(base, field->offset);

    json_array(w);
    for (size_t i = 0; i < count_of(field, base); i++)
        json_string(w, items[i]);
    json_array_end(w);
}

static void write_tables(struct json_writer *w, const struct field *field, const void *base)
{
    const char *items = *(const char *const *) at(base, field->offset);
    bool is_map = field->kind == FIELD_MAP;

    (is_map ? json_object : json_array)(w);
    for (size_t i = 0; i < count_of(field, base); i++) {
        const char *item = items + i * field->sub->size;

        if (is_map)
            json_key(w, *(const char *const *) at(item, field->sub->key_offset));
        resolve_table(w, field->sub, item);
    }
    (is_map ? json_object_end : json_array_end)(w);
}

/* Durations as text, since a plain number would be seconds; money as text, since it is decimal. */
static void write_amount(struct json_writer *w, const struct field *field, const void *base)
{
    int64_t value = int_of(field, base);
    char text[48];

    if (field->kind == FIELD_DURATION)
        (void) snprintf(text, sizeof(text), "%" PRId64 "ms", value);
    else
        (void) snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, value / 1000000, value % 1000000);
    json_string(w, text);
}

static void write_value(struct json_writer *w, const struct field *field, const void *base)
{
    const void *slot = at(base, field->offset);

    switch (field->kind) {
    case FIELD_BOOL:
        json_bool(w, *(const bool *) slot);
        return;
    case FIELD_NUMBER:
        json_double(w, *(const double *) slot);
        return;
    case FIELD_ENUM:
        json_string(w, field->names[*(const int *) slot]);
        return;
    case FIELD_STRING:
        json_string(w, *(const char *const *) slot);
        return;
    case FIELD_BYTES:
        json_span(w, *(const struct span *) slot);
        return;
    case FIELD_STRINGS:
        write_strings(w, field, base);
        return;
    case FIELD_TABLE:
        resolve_table(w, field->sub, slot);
        return;
    case FIELD_TABLES:
    case FIELD_MAP:
        write_tables(w, field, base);
        return;
    case FIELD_DURATION:
    case FIELD_MONEY:
        write_amount(w, field, base);
        return;
    case FIELD_TREE:
        json_tree(w, *(const struct tree *const *) slot);
        return;
    case FIELD_CUSTOM:
        (void) kind_find(field)(w, field, base);
        return;
    default:
        json_int(w, int_of(field, base));
    }
}

void resolve_table(struct json_writer *w, const struct table *table, const void *base)
{
    json_object(w);
    for (size_t i = 0; i < table->count; i++) {
        if (!has_value(&table->fields[i], base))
            continue;
        json_key(w, table->fields[i].name);
        write_value(w, &table->fields[i], base);
    }
    json_object_end(w);
}

/* Characters that JSON may hold as they are and YAML may not: DEL, U+0080 to U+009F, U+FEFF, U+FFFE, U+FFFF.
 * Returns how many bytes were handled, 0 for any other character. */
static size_t escape(struct buf *out, struct span s)
{
    unsigned char a = (unsigned char) s.ptr[0], b = s.len > 1 ? (unsigned char) s.ptr[1] : 0;
    unsigned char c = s.len > 2 ? (unsigned char) s.ptr[2] : 0;

    if (a == 0x7f) {
        (void) buf_add_text(out, "\\u007f");
        return 1;
    }
    if (a == 0xc2 && b < 0xa0) {
        (void) buf_printf(out, "\\u00%02x", b);
        return 2;
    }
    if (a != 0xef || !((b == 0xbb && c == 0xbf) || (b == 0xbf && c >= 0xbe)))
        return 0;
    (void) buf_printf(out, "\\u%s", b == 0xbb ? "feff" : c == 0xbe ? "fffe" : "ffff");
    return 3;
}

/* Length of the string that begins with a quote at s.ptr[0], quotes included. */
static size_t string_len(struct span s)
{
    size_t len = 1;

    while (len < s.len && s.ptr[len] != '"')
        len += s.ptr[len] == '\\' ? 2 : 1;
    return len + 1;
}

static int add_string(struct buf *out, struct span s, bool is_key)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < s.len;) {
        size_t used = escape(out, span_make(s.ptr + i, s.len - i));

        if (used > 0) {
            i += used;
            continue;
        }
        if (!is_key && s.ptr[i] == '$' && i + 1 < s.len && s.ptr[i + 1] == '{')
            r = buf_add_char(out, '$');
        if (r == 0)
            r = buf_add_char(out, s.ptr[i++]);
    }
    return r;
}

/* JSON as YAML reads it, with values that expand to themselves. */
static int add_as_yaml(struct buf *out, struct span json)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < json.len;) {
        size_t len = json.ptr[i] == '"' ? string_len(span_make(json.ptr + i, json.len - i)) : 1;

        if (len == 1)
            r = buf_add_char(out, json.ptr[i]);
        else
            r = add_string(out, span_make(json.ptr + i, len), i + len < json.len && json.ptr[i + len] == ':');
        i += len;
    }
    return r;
}

int resolve_write(const struct manifest *m, struct buf *out)
{
    struct buf json = BUF_INIT(RESOLVE_MAX);
    struct json_writer w;
    int r;

    json_begin(&w, &json);
    w.is_pretty = true;
    resolve_table(&w, &manifest_table, m);
    r = json_end(&w, NULL);
    if (r == 0)
        r = add_as_yaml(out, buf_span(&json));
    buf_done(&json);
    return r;
}
