/* SPDX-License-Identifier: MIT */
/*
 * The JSON parser: yajl's push parser finds the tokens and checks the grammar,
 * everything else is ours. Writing is in json_write.c and needs no yajl, whose
 * generator prints 0.1 as 0.10000000000000000555 and stops at depth 127.
 *
 * The whole text is fed in one piece, so that yajl_get_bytes_consumed() is an
 * offset into it; inside a callback that is the end of the token. Its start is
 * found from the end of the token before: only blanks, ',' and ':' stand between.
 * Strings are decoded here from those bytes, since yajl turns a lone surrogate
 * into '?', swallows what follows it, and lets encoded surrogates through.
 */
#include "core/base/json.h"

#include "core/base/utf8.h"

#include <assert.h>
#include <stdlib.h>

#include <yajl/yajl_parse.h>

/* Lines and columns are 32 bits wide. */
#define TEXT_MAX ((size_t) 1 << 30)

/* Objects with more members look for duplicates by sorting. */
#define PAIRWISE_MAX 16

struct frame {
    struct tree *node;
    struct tree *last; /* its newest child */
};

struct parse {
    struct span text;
    struct arena *arena;
    struct err *err;
    yajl_handle yajl;
    bool is_ending; /* inside yajl_complete_parse(): offsets no longer count */
    size_t end;     /* of the newest token */
    size_t counted; /* up to here lines have been counted */
    size_t line_at; /* where the last of them begins */
    uint32_t line;
    struct tree *root;
    struct span key; /* of the member whose value comes next */
    struct tree_pos key_pos;
    int failed; /* our own error; err is filled */
    unsigned depth;
    struct frame stack[JSON_DEPTH_MAX];
};

/* Lines are counted from where the last call left off: places are asked for in the order of the text. */
static struct tree_pos position(struct parse *p, size_t at)
{
    const char *eol;

    while (p->counted < at && (eol = memchr(p->text.ptr + p->counted, '\n', at - p->counted))) {
        p->line_at = p->counted = (size_t) (eol - p->text.ptr) + 1;
        p->line++;
    }
    if (p->counted < at)
        p->counted = at;
    return (struct tree_pos){ p->line, (uint32_t) (at - p->line_at + 1) };
}

static int fail(struct parse *p, struct tree_pos pos, enum err_code code, const char *what)
{
    p->failed = err_set(p->err, code, "line %u, column %u: %s", pos.line, pos.column, what);
    return p->failed;
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':';
}

static size_t skip_between(const struct parse *p, size_t at, size_t end)
{
    while (at < end && is_between(p->text.ptr[at]))
        at++;
    return at;
}

/* The source bytes of the token that yajl is reporting. False: reported. yajl
 * takes \v and \f for blanks, which JSON does not have. */
static bool take_token(struct parse *p, struct span *ret)
{
    size_t end = p->is_ending ? p->text.len : yajl_get_bytes_consumed(p->yajl);
    size_t start = skip_between(p, p->end, end);

    if (p->text.ptr[start] == '\v' || p->text.ptr[start] == '\f') {
        fail(p, position(p, start), ERR_INVALID, "a character that cannot begin a value");
        return false;
    }
    p->end = end;
    *ret = span_make(p->text.ptr + start, end - start);
    return true;
}

static unsigned hex4(const char *at)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        char c = at[i];

        value = value * 16 + (unsigned) (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static size_t put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char) c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char) (0xC0 | c >> 6);
        out[1] = (char) (0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char) (0xE0 | c >> 12);
        out[1] = (char) (0x80 | (c >> 6 & 0x3F));
        out[2] = (char) (0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char) (0xF0 | c >> 18);
    out[1] = (char) (0x80 | (c >> 12 & 0x3F));
    out[2] = (char) (0x80 | (c >> 6 & 0x3F));
    out[3] = (char) (0x80 | (c & 0x3F));
    return 4;
}

static bool is_high(unsigned unit)
{
    return (unit & 0xFC00) == 0xD800;
}

static bool is_low(unsigned unit)
{
    return (unit & 0xFC00) == 0xDC00;
}

/* \uXXXX at `at` (behind the 'u'), with its other half if there is one. */
static const char *decode_unit(const char *at, const char *end, unsigned *ret)
{
    unsigned unit = hex4(at), low;

    at += 4;
    if (is_high(unit) && end - at >= 6 && at[0] == '\\' && at[1] == 'u' && is_low(low = hex4(at + 2))) {
        *ret = 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
        return at + 6;
    }
    *ret = is_high(unit) || is_low(unit) ? 0xFFFD : unit;
    return at;
}

static char unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* " \ and / stand for themselves; yajl let nothing else through */
    }
}

/* Decode what stands between the quotes; never longer than its source. */
static size_t decode_string(char *out, struct span in)
{
    const char *at = in.ptr, *end = at + in.len, *escape;
    char *start = out;

    while ((escape = memchr(at, '\\', (size_t) (end - at)))) {
        memcpy(out, at, (size_t) (escape - at));
        out += escape - at;
        at = escape + 2;
        if (escape[1] == 'u') {
            unsigned c;

            at = decode_unit(at, end, &c);
            out += put_utf8(out, c);
        } else {
            *out++ = unescape(escape[1]);
        }
    }
    memcpy(out, at, (size_t) (end - at));
    return (size_t) (out - start) + (size_t) (end - at);
}

static int no_room(struct parse *p, size_t at)
{
    struct tree_pos pos = position(p, at);

    p->failed =
        err_set(p->err, ERR_TOO_LARGE, "line %u, column %u: the document needs more than %zu bytes of memory",
                pos.line, pos.column, p->arena->max);
    return 0;
}

/* A quoted token as text in the arena; NULL: no room, reported. */
static const char *keep_string(struct parse *p, struct span token, struct span *ret)
{
    struct span inner = span_make(token.ptr + 1, token.len - 2);
    char *copy = arena_alloc(p->arena, inner.len + 1);

    if (!copy) {
        no_room(p, (size_t) (token.ptr - p->text.ptr));
        return NULL;
    }
    *ret = span_make(copy, decode_string(copy, inner));
    copy[ret->len] = '\0';
    return copy;
}

/* Make a node for the token and hang it in. NULL: reported. */
static struct tree *add_node(struct parse *p, enum tree_kind kind, struct span token)
{
    size_t at = (size_t) (token.ptr - p->text.ptr);
    struct tree *node = arena_alloc(p->arena, sizeof(*node));
    struct frame *top = p->depth > 0 ? &p->stack[p->depth - 1] : NULL;

    if (!node) {
        no_room(p, at);
        return NULL;
    }
    node->kind = kind;
    node->raw = token;
    node->pos = position(p, at);
    node->key = p->key;
    node->key_pos = p->key_pos;
    p->key = (struct span){ NULL, 0 };
    p->key_pos = (struct tree_pos){ 0, 0 };
    if (!top) {
        p->root = node;
        return node;
    }
    if (top->last)
        top->last->next = node;
    else
        top->node->child = node;
    top->last = node;
    top->node->count++;
    return node;
}

static int add_string(struct parse *p)
{
    struct span token;
    struct tree *node;

    if (!take_token(p, &token))
        return 0;
    node = add_node(p, TREE_STRING, token);
    return node && keep_string(p, token, &node->text);
}

static int add_number(struct parse *p)
{
    struct span token;
    struct tree *node;
    char *copy;

    if (!take_token(p, &token))
        return 0;
    node = add_node(p, TREE_NUMBER, token);
    if (!node)
        return 0;
    copy = arena_copy(p->arena, token.ptr, token.len);
    if (!copy)
        return no_room(p, (size_t) (token.ptr - p->text.ptr));
    node->text = span_make(copy, token.len);
    return 1;
}

/* null, true, false: their text needs no copy. */
static int add_word(struct parse *p, enum tree_kind kind, const char *word)
{
    struct span token;
    struct tree *node;

    if (!take_token(p, &token))
        return 0;
    node = add_node(p, kind, token);
    if (!node)
        return 0;
    node->text = span_of(word);
    node->is_true = word[0] == 't';
    return 1;
}

static int on_null(void *data)
{
    return add_word(data, TREE_NULL, "null");
}

static int on_boolean(void *data, int value)
{
    return add_word(data, TREE_BOOL, value ? "true" : "false");
}

static int on_number(void *data, const char *text, size_t len)
{
    return add_number(data);
}

static int on_string(void *data, const unsigned char *text, size_t len)
{
    return add_string(data);
}

static int on_key(void *data, const unsigned char *text, size_t len)
{
    struct parse *p = data;
    struct span token;

    if (!take_token(p, &token))
        return 0;
    p->key_pos = position(p, (size_t) (token.ptr - p->text.ptr));
    return keep_string(p, token, &p->key) != NULL;
}

static int open_container(struct parse *p, enum tree_kind kind)
{
    struct span token;
    struct tree *node;

    if (!take_token(p, &token))
        return 0;
    if (p->depth == JSON_DEPTH_MAX) {
        fail(p, position(p, (size_t) (token.ptr - p->text.ptr)), ERR_INVALID,
             "nested deeper than 100 levels");
        return 0;
    }
    node = add_node(p, kind, token);
    if (!node)
        return 0;
    p->stack[p->depth++] = (struct frame){ node, NULL };
    return 1;
}

static int close_container(struct parse *p)
{
    struct tree *node = p->stack[p->depth - 1].node;
    struct span bracket;

    if (!take_token(p, &bracket))
        return 0;
    p->depth--;
    node->raw.len = (size_t) (p->text.ptr + p->end - node->raw.ptr);
    return 1;
}

static bool is_before(struct tree_pos a, struct tree_pos b)
{
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* Order by key, then by place, so that of two equal keys the later one comes second. */
static int compare_members(const void *a, const void *b)
{
    const struct tree *x = *(const struct tree *const *) a, *y = *(const struct tree *const *) b;
    int order;

    if (x->key.len != y->key.len)
        return x->key.len < y->key.len ? -1 : 1;
    order = x->key.len > 0 ? memcmp(x->key.ptr, y->key.ptr, x->key.len) : 0;
    if (order != 0)
        return order;
    return is_before(x->key_pos, y->key_pos) ? -1 : 1;
}

static const struct tree *earlier(const struct tree *a, const struct tree *b)
{
    return !a || is_before(b->key_pos, a->key_pos) ? b : a;
}

/* The first member whose key was there before, by sorting. */
static int find_duplicate_sorted(const struct tree *object, const struct tree **ret)
{
    const struct tree **members = malloc(object->count * sizeof(*members));
    const struct tree *found = NULL;
    size_t n = 0;

    if (!members)
        return -ERR_INTERNAL;
    tree_each (member, object)
        members[n++] = member;
    qsort(members, n, sizeof(*members), compare_members);
    for (size_t i = 1; i < n; i++) {
        if (span_equal(members[i - 1]->key, members[i]->key))
            found = earlier(found, members[i]);
    }
    free(members);
    *ret = found;
    return 0;
}

static const struct tree *find_duplicate_pairwise(const struct tree *object)
{
    tree_each (member, object) {
        for (const struct tree *other = object->child; other != member; other = other->next) {
            if (span_equal(other->key, member->key))
                return member;
        }
    }
    return NULL;
}

static int check_duplicates(struct parse *p, const struct tree *object)
{
    const struct tree *found = NULL;
    int r = 0;

    if (object->count <= PAIRWISE_MAX)
        found = find_duplicate_pairwise(object);
    else
        r = find_duplicate_sorted(object, &found);
    if (r < 0)
        return p->failed = err_set(p->err, ERR_INTERNAL, "no memory");
    if (!found)
        return 0;
    p->failed = err_set(p->err, ERR_INVALID, "line %u, column %u: duplicate key '%.*s'", found->key_pos.line,
                        found->key_pos.column,
                        found->key.len > 100 ? (int) utf8_cut(found->key, 100) : (int) found->key.len,
                        found->key.ptr);
    return p->failed;
}

static int on_object(void *data)
{
    return open_container(data, TREE_OBJECT);
}

static int on_object_end(void *data)
{
    struct parse *p = data;

    return close_container(p) && check_duplicates(p, p->stack[p->depth].node) == 0;
}

static int on_array(void *data)
{
    return open_container(data, TREE_ARRAY);
}

static int on_array_end(void *data)
{
    return close_container(data);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_array_end,
};

/* Where the mistake is: yajl's offset is sometimes that of the byte it did not
 * like and sometimes of the one behind. */
enum place { AT_LAST, AT_NEXT, AT_TOKEN };

/* What yajl says, in words that tell what to look for. It gives no codes, so
 * these are pieces of its texts; an unknown one is reported without detail. */
static const struct {
    const char *yajl;
    const char *ours;
    enum place place;
} reasons[] = {
    { "premature EOF", "the text ends in the middle of a value", AT_NEXT },
    { "trailing garbage", "there is something after the end of the value", AT_TOKEN },
    { "must be a string", "a key must be a string in double quotes", AT_TOKEN },
    { "separated by a colon", "a ':' is missing between key and value", AT_TOKEN },
    { "inside map, I expect", "a ',' or '}' is missing after a member", AT_TOKEN },
    { "after array element", "a ',' or ']' is missing after an element", AT_TOKEN },
    { "unallowed token", "a value is missing here", AT_TOKEN },
    { "occurs before a character", "'\\' must be followed by one of \"\\/bfnrtu", AT_LAST },
    { "invalid character inside string", "a control character in a string must be escaped", AT_NEXT },
    { "non-hex", "'\\u' must be followed by four hex digits", AT_NEXT },
    { "invalid string", "a word that is not true, false or null", AT_NEXT },
    { "after the exponent", "a digit is missing after the exponent of a number", AT_NEXT },
    { "after the decimal point", "a digit is missing after the point of a number", AT_NEXT },
    { "after the minus sign", "a digit is missing after the '-' of a number", AT_NEXT },
    { "probable comment", "comments are not allowed in JSON", AT_LAST },
    { "invalid char in json", "a character that cannot begin a value", AT_LAST },
};

/* Where the token starts that yajl refused: behind the blanks, and behind the ',' or ':' unless that is it.
 */
static size_t refused_start(const struct parse *p, size_t consumed)
{
    size_t at = p->end;

    while (at < p->text.len && is_between(p->text.ptr[at])) {
        if ((p->text.ptr[at] == ',' || p->text.ptr[at] == ':') && at + 1 >= consumed)
            break;
        at++;
    }
    return at;
}

static int report_syntax(struct parse *p)
{
    unsigned char *said = yajl_get_error(p->yajl, 0, (const unsigned char *) p->text.ptr, p->text.len);
    size_t consumed = p->is_ending ? p->text.len : yajl_get_bytes_consumed(p->yajl);
    const char *what = "not valid JSON";
    enum place place = AT_LAST;
    size_t at;

    for (size_t i = 0; said && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strstr((const char *) said, reasons[i].yajl)) {
            what = reasons[i].ours;
            place = reasons[i].place;
            break;
        }
    }
    yajl_free_error(p->yajl, said);
    if (place == AT_TOKEN)
        at = refused_start(p, consumed);
    else
        at = place == AT_NEXT || p->is_ending || consumed == 0 ? consumed : consumed - 1;
    return fail(p, position(p, at), ERR_INVALID, what);
}

static int run(struct parse *p)
{
    const unsigned char *bytes = (const unsigned char *) p->text.ptr;
    yajl_status status = yajl_parse(p->yajl, bytes, p->text.len);
    size_t at;

    if (status == yajl_status_ok) {
        p->is_ending = true;
        status = yajl_complete_parse(p->yajl);
    }
    if (status == yajl_status_client_canceled)
        return p->failed;
    if (status != yajl_status_ok)
        return report_syntax(p);
    assert(p->root && p->depth == 0);
    at = skip_between(p, p->end, p->text.len);
    if (at < p->text.len) /* \v or \f */
        return fail(p, position(p, at), ERR_INVALID, "there is something after the end of the value");
    return 0;
}

static bool is_blank(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!strchr(" \t\r\n", text.ptr[i]) || text.ptr[i] == '\0')
            return false;
    }
    return true;
}

int json_parse(struct span text, struct arena *arena, const struct tree **ret, struct err *err)
{
    struct parse p = { .text = text, .arena = arena, .err = err, .line = 1 };
    size_t valid;
    int r;

    if (text.len > TEXT_MAX)
        return err_set(err, ERR_TOO_LARGE, "a JSON text of %zu bytes is too long", text.len);
    if (is_blank(text))
        return err_set(err, ERR_INVALID, "an empty text where JSON was expected");
    valid = utf8_valid(text);
    if (valid < text.len)
        return fail(&p, position(&p, valid), ERR_INVALID, "bytes that are not UTF-8");
    p.yajl = yajl_alloc(&callbacks, NULL, &p);
    if (!p.yajl)
        return err_set(err, ERR_INTERNAL, "no memory");
    (void) yajl_config(p.yajl, yajl_dont_validate_strings, 1); /* done above, and more strictly */
    r = run(&p);
    yajl_free(p.yajl);
    if (r == 0)
        *ret = p.root;
    return r;
}
