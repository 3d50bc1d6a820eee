/* SPDX-License-Identifier: MIT */
/* The JSON writer; json.c says why it is our own. */
#include "core/base/json.h"

#include "core/base/glyph.h"
#include "core/base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put(struct json_writer *w, const void *ptr, size_t len)
{
    if (w->failed == 0)
        w->failed = buf_add(w->out, ptr, len);
}

static void put_text(struct json_writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void break_line(struct json_writer *w)
{
    if (!w->is_pretty || w->depth == 0)
        return;
    put_text(w, "\n");
    for (int i = 0; i < w->depth; i++)
        put_text(w, "  ");
}

/* The level whose flags count; those beyond the limit share the last, the text has failed already. */
static int level(const struct json_writer *w)
{
    return w->depth <= JSON_DEPTH_MAX ? w->depth : JSON_DEPTH_MAX;
}

/* What stands before an element or a key. */
static void separate(struct json_writer *w)
{
    bool *is_first = &w->is_first[level(w)];

    if (!*is_first)
        put_text(w, ",");
    *is_first = false;
    break_line(w);
}

static void before_value(struct json_writer *w)
{
    assert(w->is_too_deep || w->is_object[level(w)] == w->has_key);
    assert(w->depth > 0 || w->is_first[0]); /* one value per text */
    if (!w->has_key)
        separate(w);
    w->has_key = false;
}

void json_begin(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){ .out = out, .is_first = { true } };
}

int json_end(struct json_writer *w, struct err *err)
{
    assert(w->depth == 0 && !w->has_key);
    if (w->is_too_deep)
        return err_set(err, ERR_TOO_LARGE, "JSON nested deeper than %d levels", JSON_DEPTH_MAX);
    if (w->failed == -ERR_TOO_LARGE)
        return err_set(err, ERR_TOO_LARGE, "a JSON text of more than %zu bytes", w->out->max);
    if (w->failed < 0)
        return err_set(err, ERR_INTERNAL, "no memory");
    return 0;
}

static void open_level(struct json_writer *w, const char *bracket, bool is_object)
{
    before_value(w);
    put_text(w, bracket);
    if (++w->depth > JSON_DEPTH_MAX) {
        w->is_too_deep = true;
        if (w->failed == 0)
            w->failed = -ERR_TOO_LARGE;
    }
    w->is_first[level(w)] = true;
    w->is_object[level(w)] = is_object;
}

static void close_level(struct json_writer *w, const char *bracket, bool is_object)
{
    bool is_empty = w->is_first[level(w)];

    assert(w->depth > 0 && !w->has_key);
    assert(w->is_too_deep || w->is_object[level(w)] == is_object);
    w->depth--;
    if (!is_empty && w->depth == 0 && w->is_pretty)
        put_text(w, "\n");
    else if (!is_empty)
        break_line(w);
    put_text(w, bracket);
}

void json_object(struct json_writer *w)
{
    open_level(w, "{", true);
}

void json_object_end(struct json_writer *w)
{
    close_level(w, "}", true);
}

void json_array(struct json_writer *w)
{
    open_level(w, "[", false);
}

void json_array_end(struct json_writer *w)
{
    close_level(w, "]", false);
}

static void put_escape(struct json_writer *w, unsigned char c)
{
    static const char short_forms[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    char text[8];

    for (const char *form = short_forms; *form; form += 2) {
        if ((unsigned char) form[0] == c) {
            snprintf(text, sizeof(text), "\\%c", form[1]);
            put_text(w, text);
            return;
        }
    }
    snprintf(text, sizeof(text), "\\u%04x", c);
    put_text(w, text);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Length of the longest start that can be copied as it is. */
static size_t plain_run(struct span s)
{
    bool is_valid = true;
    size_t n = 0;

    while (n < s.len) {
        size_t step = 1;

        if ((unsigned char) s.ptr[n] >= 0x80)
            step = utf8_step(span_make(s.ptr + n, s.len - n), &is_valid);
        else
            is_valid = is_plain((unsigned char) s.ptr[n]);
        if (!is_valid)
            break;
        n += step;
    }
    return n;
}

static void put_quoted(struct json_writer *w, struct span s)
{
    put_text(w, "\"");
    while (s.len > 0 && w->failed == 0) {
        size_t step = plain_run(s);
        bool is_valid;

        put(w, s.ptr, step);
        s = span_make(s.ptr + step, s.len - step);
        if (s.len == 0)
            break;
        step = 1;
        if ((unsigned char) s.ptr[0] < 0x80) {
            put_escape(w, (unsigned char) s.ptr[0]);
        } else {
            step = utf8_step(s, &is_valid);
            put_text(w, "\xEF\xBF\xBD");
        }
        s = span_make(s.ptr + step, s.len - step);
    }
    put_text(w, "\"");
}

void json_key_span(struct json_writer *w, struct span name)
{
    assert(!w->has_key && (w->is_too_deep || (w->depth > 0 && w->is_object[level(w)])));
    separate(w);
    put_quoted(w, name);
    put_text(w, w->is_pretty ? ": " : ":");
    w->has_key = true;
}

void json_key(struct json_writer *w, const char *name)
{
    json_key_span(w, span_of(name));
}

void json_raw(struct json_writer *w, struct span value)
{
    before_value(w);
    put(w, value.ptr, value.len);
}

void json_null(struct json_writer *w)
{
    json_raw(w, span_of("null"));
}

void json_bool(struct json_writer *w, bool value)
{
    json_raw(w, span_of(value ? "true" : "false"));
}

void json_int(struct json_writer *w, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long) value);
    json_raw(w, span_of(text));
}

void json_double(struct json_writer *w, double value)
{
    char text[40];

    if (!isfinite(value)) {
        json_null(w);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_raw(w, span_of(text));
}

void json_span(struct json_writer *w, struct span text)
{
    before_value(w);
    put_quoted(w, text);
}

void json_string(struct json_writer *w, const char *text)
{
    if (text)
        json_span(w, span_of(text));
    else
        json_null(w);
}

static size_t digits_from(struct span s, size_t at)
{
    size_t n = at;

    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    return n - at;
}

/* Whether a number's text is one in JSON too: YAML also has 0o17, .5 and more. */
static bool is_json_number(struct span s)
{
    size_t at = s.len > 0 && s.ptr[0] == '-', digits = digits_from(s, at);

    if (digits == 0 || (digits > 1 && s.ptr[at] == '0'))
        return false;
    at += digits;
    if (at < s.len && s.ptr[at] == '.') {
        digits = digits_from(s, at + 1);
        if (digits == 0)
            return false;
        at += 1 + digits;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at++;
        if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+'))
            at++;
        digits = digits_from(s, at);
        if (digits == 0)
            return false;
        at += digits;
    }
    return at == s.len;
}

static void put_scalar(struct json_writer *w, const struct tree *value)
{
    if (value->kind == TREE_NULL)
        json_null(w);
    else if (value->kind == TREE_BOOL)
        json_bool(w, value->is_true);
    else if (value->kind == TREE_NUMBER && is_json_number(value->text))
        json_raw(w, value->text);
    else
        json_span(w, value->text);
}

/* Recursion ends where the writer's depth does. */
void json_tree(struct json_writer *w, const struct tree *value)
{
    if (!value) {
        json_null(w);
        return;
    }
    if (value->kind != TREE_ARRAY && value->kind != TREE_OBJECT) {
        put_scalar(w, value);
        return;
    }
    open_level(w, value->kind == TREE_OBJECT ? "{" : "[", value->kind == TREE_OBJECT);
    for (const struct tree *item = value->child; item && w->failed == 0; item = item->next) {
        if (value->kind == TREE_OBJECT)
            json_key_span(w, item->key);
        json_tree(w, item);
    }
    close_level(w, value->kind == TREE_OBJECT ? "}" : "]", value->kind == TREE_OBJECT);
}

void json_put_string(struct json_writer *w, const char *name, const char *text)
{
    json_key(w, name);
    json_string(w, text);
}

void json_put_span(struct json_writer *w, const char *name, struct span text)
{
    json_key(w, name);
    json_span(w, text);
}

void json_put_int(struct json_writer *w, const char *name, int64_t value)
{
    json_key(w, name);
    json_int(w, value);
}

void json_put_bool(struct json_writer *w, const char *name, bool value)
{
    json_key(w, name);
    json_bool(w, value);
}

void json_put_double(struct json_writer *w, const char *name, double value)
{
    json_key(w, name);
    json_double(w, value);
}

void json_put_raw(struct json_writer *w, const char *name, struct span value)
{
    json_key(w, name);
    json_raw(w, value);
}

/* Such characters stand inside of strings only, where this is how they are written; a control character
 * outside of them is white space. */
static int armor_one(struct buf *out, uint32_t c)
{
    if (c == '\n' || c == '\t')
        return buf_add_char(out, (char) c);
    if (c == '\r')
        return buf_add_char(out, ' ');
    if (c < 0x10000)
        return buf_printf(out, "\\u%04x", c);
    c -= 0x10000;
    return buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

static int armor(struct buf *out, struct span json, uint32_t last)
{
    struct buf valid = BUF_INIT(3 * json.len + 1);
    int r = utf8_repair(&valid, json);
    struct span s = buf_span(&valid);

    while (r == 0 && s.len > 0) {
        size_t at = 0, len = 0;
        uint32_t c = 0;

        for (; at < s.len; at += len) {
            c = glyph_next(span_make(s.ptr + at, s.len - at), &len);
            if (glyph_is_unsafe(c) && c <= last)
                break;
        }
        r = buf_add(out, s.ptr, at);
        if (r == 0 && at < s.len) {
            r = armor_one(out, c);
            at += len;
        }
        s = span_make(s.ptr + at, s.len - at);
    }
    buf_done(&valid);
    return r;
}

int json_armor(struct buf *out, struct span json)
{
    return armor(out, json, 0x10ffff);
}

int json_armor_yaml(struct buf *out, struct span json)
{
    return armor(out, json, 0xffff);
}
