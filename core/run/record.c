/* SPDX-License-Identifier: MIT */
/* Encoding and decoding of records; both walk the tables of record_rows.c. */
#include "core/run/record.h"

#include "core/run/record_rows.h"

#include <stdio.h>
#include <string.h>

const char *record_type_name(enum record_type type)
{
    return type < RECORD_TYPES ? record_tables[type].name : record_tables[RECORD_UNKNOWN].name;
}

enum record_type record_type_of(struct span name)
{
    for (int i = RECORD_UNKNOWN + 1; i < RECORD_TYPES; i++)
        if (span_is(name, record_tables[i].name))
            return (enum record_type) i;
    return RECORD_UNKNOWN;
}

struct record_blob *record_blob_of(struct record *rec)
{
    const struct rows *rows = &record_tables[rec->type].rows;

    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].kind == BLOB)
            return (void *) ((char *) &rec->run_begin + rows->list[i].offset);
    return NULL;
}

/* ---- encoding ---- */

static void encode_rows(struct json_writer *w, const struct rows *rows, const char *from);

static bool has_bytes(const struct record_blob *blob)
{
    return blob->json.len > 0 || blob->object[0];
}

static void encode_blob(struct json_writer *w, const char *name, const struct record_blob *blob)
{
    char ref[64];

    if (!blob->object[0]) {
        json_put_raw(w, name, blob->json.len ? blob->json : span_of("null"));
        return;
    }
    snprintf(ref, sizeof(ref), "%s_ref", name);
    json_key(w, ref);
    json_object(w);
    json_put_string(w, "object", blob->object);
    json_put_int(w, "size", blob->size);
    json_object_end(w);
}

static void encode_list(struct json_writer *w, const struct row *row, const char *from)
{
    const char *element = *(const char *const *) (const void *) (from + row->offset);
    size_t count = *(const size_t *) (const void *) (from + row->count_offset);

    if (!count)
        return;
    json_key(w, row->name);
    json_array(w);
    for (size_t i = 0; i < count; i++, element += row->sub->size) {
        json_object(w);
        encode_rows(w, row->sub, element);
        json_object_end(w);
    }
    json_array_end(w);
}

static void encode_row(struct json_writer *w, const struct row *row, const char *from)
{
    const void *at = from + row->offset;

    switch (row->kind) {
    case INT:
        if (*(const int64_t *) at || !(row->flags & SPARSE))
            json_put_int(w, row->name, *(const int64_t *) at);
        break;
    case BOOL:
        if (*(const bool *) at)
            json_put_bool(w, row->name, true);
        break;
    case TEXT:
        if (*(const char *const *) at)
            json_put_string(w, row->name, *(const char *const *) at);
        break;
    case BLOB:
        if (!(row->flags & SPARSE) || has_bytes(at))
            encode_blob(w, row->name, at);
        break;
    case OBJECT:
        json_key(w, row->name);
        json_object(w);
        encode_rows(w, row->sub, at);
        json_object_end(w);
        break;
    case LIST:
        encode_list(w, row, from);
        break;
    }
}

static void encode_rows(struct json_writer *w, const struct rows *rows, const char *from)
{
    for (size_t i = 0; i < rows->count; i++)
        encode_row(w, &rows->list[i], from);
}

void record_encode(struct json_writer *w, const struct record *rec)
{
    encode_rows(w, &record_tables[rec->type].rows, (const char *) &rec->run_begin);
}

/* ---- decoding ---- */

static int decode_rows(const struct rows *rows, const struct tree *object, struct arena *arena, char *to,
                       struct err *err);

static int wrong(const struct row *row, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "field '%s' %s", row->name, what);
}

static bool is_digest(struct span s)
{
    if (s.len != DIGEST_HEX - 1)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdef", s.ptr[i]) || !s.ptr[i])
            return false;
    return true;
}

static int decode_int(const struct row *row, const struct tree *value, int64_t *to, struct err *err)
{
    int64_t number = value->kind == TREE_NUMBER ? tree_int(value, INT64_MIN) : INT64_MIN;

    if (number == INT64_MIN)
        return wrong(row, "is no integer", err);
    *to = number;
    return 0;
}

static int decode_text(const struct row *row, const struct tree *value, const char **to, struct err *err)
{
    const char *text = tree_string(value, NULL);

    if (!text)
        return wrong(row, "is no text", err);
    *to = text;
    return 0;
}

static int decode_ref(const struct row *row, const struct tree *ref, struct record_blob *to, struct err *err)
{
    struct span name = tree_span(tree_get(ref, "object"));
    int64_t size = tree_int(tree_get(ref, "size"), -1);

    if (!is_digest(name) || size < 0)
        return wrong(row, "is no reference to an object", err);
    memcpy(to->object, name.ptr, name.len);
    to->size = size;
    return 0;
}

static int decode_blob(const struct row *row, const struct tree *object, struct record_blob *to,
                       struct err *err)
{
    const struct tree *value = tree_get(object, row->name), *ref;
    char ref_name[64];

    snprintf(ref_name, sizeof(ref_name), "%s_ref", row->name);
    ref = tree_get(object, ref_name);
    if (!value && !ref && (row->flags & SPARSE))
        return 0;
    if (!value == !ref)
        return wrong(row, value ? "is there twice" : "is missing", err);
    if (ref)
        return decode_ref(row, ref, to, err);
    to->json = value->raw;
    to->size = (int64_t) value->raw.len;
    return 0;
}

static int decode_list(const struct row *row, const struct tree *value, struct arena *arena, char *to,
                       struct err *err)
{
    char *element;
    int r;

    if (value->kind != TREE_ARRAY || value->count > RECORD_LIST_MAX)
        return wrong(row, "is no list, or too long", err);
    if (!value->count)
        return 0;
    element = arena_alloc(arena, value->count * row->sub->size);
    if (!element)
        return err_set(err, ERR_TOO_LARGE, "field '%s' is too large", row->name);
    *(char **) (void *) (to + row->offset) = element;
    *(size_t *) (void *) (to + row->count_offset) = value->count;
    tree_each (item, value) {
        r = decode_rows(row->sub, item, arena, element, err);
        if (r < 0)
            return err_wrap(err, "field '%s'", row->name);
        element += row->sub->size;
    }
    return 0;
}

static int decode_row(const struct row *row, const struct tree *value, struct arena *arena, char *to,
                      struct err *err)
{
    void *at = to + row->offset;

    switch (row->kind) {
    case INT:
        return decode_int(row, value, at, err);
    case BOOL:
        if (value->kind != TREE_BOOL)
            return wrong(row, "is neither true nor false", err);
        *(bool *) at = value->is_true;
        return 0;
    case TEXT:
        return decode_text(row, value, at, err);
    case OBJECT:
        return decode_rows(row->sub, value, arena, at, err);
    case LIST:
        return decode_list(row, value, arena, to, err);
    case BLOB:
        break; /* by decode_rows(): it looks at two members */
    }
    return 0;
}

static int decode_rows(const struct rows *rows, const struct tree *object, struct arena *arena, char *to,
                       struct err *err)
{
    if (object->kind != TREE_OBJECT)
        return err_set(err, ERR_INVALID, "not an object");
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->list[i];
        const struct tree *value = row->kind == BLOB ? object : tree_get(object, row->name);
        int r = 0;

        if (row->kind == BLOB)
            r = decode_blob(row, object, (void *) (to + row->offset), err);
        else if (value)
            r = decode_row(row, value, arena, to, err);
        else if (row->flags & NEEDED)
            r = wrong(row, "is missing", err);
        if (r < 0)
            return r;
    }
    return 0;
}

int record_decode(const struct tree *line, struct arena *arena, struct record *ret, struct err *err)
{
    const struct rows *rows = &record_tables[ret->type].rows;
    char *payload = (char *) &ret->run_begin;

    memset(payload, 0, sizeof(*ret) - offsetof(struct record, run_begin));
    if (ret->type == RECORD_UNKNOWN)
        return 0;
    if (decode_rows(rows, line, arena, payload, err) < 0)
        return err_wrap(err, "record '%s'", record_tables[ret->type].name);
    return 0;
}
