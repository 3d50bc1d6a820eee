/* SPDX-License-Identifier: MIT */
/* Pattern to tree, tree to instructions, and all threads of them at once over the text. */
#include "core/base/regexp.h"

#include "core/base/glyph.h"

#include <stdlib.h>

#define CHAR_MAX_VALUE 0x10ffff
#define GROUPS_MAX     50 /* inside each other */

enum node_kind { NODE_CAT, NODE_ALT, NODE_REPEAT, NODE_SET, NODE_ASSERT };
enum assertion { ASSERT_BEGIN, ASSERT_END, ASSERT_WORD, ASSERT_NO_WORD };

struct range {
    uint32_t first, last;
    struct range *next;
};

struct set {
    struct range *ranges;
    bool is_negated;
};

struct node {
    enum node_kind kind;
    enum assertion assertion;
    int min, max; /* NODE_REPEAT; max -1: no end */
    struct set set;
    struct node *child, *next;
};

enum op { OP_SET, OP_ASSERT, OP_SPLIT, OP_JUMP, OP_MATCH };

struct instruction {
    enum op op;
    enum assertion assertion;
    uint32_t to, or_to; /* OP_SPLIT both, OP_JUMP the first */
    const struct set *set;
};

struct regexp {
    struct instruction *code;
    uint32_t count;
};

struct parser {
    struct arena *arena;
    const char *at, *end;
    const char *why;
    int depth, visits; /* visits: of nodes, while instructions are made */
    struct regexp *re;
};

static const char no_memory[] = "is too large";

/* ---- pattern to tree ---- */

static void *take(struct parser *p, size_t size)
{
    void *ret = arena_alloc(p->arena, size);

    if (!ret)
        p->why = no_memory;
    else
        memset(ret, 0, size);
    return ret;
}

static struct node *new_node(struct parser *p, enum node_kind kind)
{
    struct node *node = take(p, sizeof(*node));

    if (node)
        node->kind = kind;
    return node;
}

static bool add_range(struct parser *p, struct set *set, uint32_t first, uint32_t last)
{
    struct range *range = take(p, sizeof(*range));

    if (!range)
        return false;
    *range = (struct range){ first, last, set->ranges };
    set->ranges = range;
    return true;
}

static const uint32_t digits[][2] = { { '0', '9' } };
static const uint32_t words[][2] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
static const uint32_t spaces[][2] = { { 0x09, 0x0d },     { 0x20, 0x20 },     { 0xa0, 0xa0 },
                                      { 0x1680, 0x1680 }, { 0x2000, 0x200a }, { 0x2028, 0x2029 },
                                      { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 },
                                      { 0xfeff, 0xfeff } };
static const uint32_t line_ends[][2] = { { '\n', '\n' }, { '\r', '\r' }, { 0x2028, 0x2029 } };

/* The class of a letter as \d; of the large letter everything else. False: it is none. */
static bool add_class(struct parser *p, struct set *set, char letter)
{
    char small = (char) (letter | 0x20);
    const uint32_t(*rows)[2] = small == 'd' ? digits : small == 'w' ? words : spaces;
    size_t count = small == 'd' ? 1 : small == 'w' ? 4 : 10;
    uint32_t from = 0;

    if (small != 'd' && small != 'w' && small != 's')
        return false;
    for (size_t i = 0; i < count; i++) {
        if (letter == small)
            (void) add_range(p, set, rows[i][0], rows[i][1]);
        else if (rows[i][0] > from)
            (void) add_range(p, set, from, rows[i][0] - 1);
        from = rows[i][1] + 1;
    }
    if (letter != small)
        (void) add_range(p, set, from, CHAR_MAX_VALUE);
    return true;
}

static uint32_t next_char(struct parser *p)
{
    size_t len;
    uint32_t c = glyph_next(span_make(p->at, (size_t) (p->end - p->at)), &len);

    p->at += len;
    return c;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static bool take_hex(struct parser *p, int count, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < count; i++, p->at++) {
        if (p->at == p->end || hex_digit(*p->at) < 0)
            return false;
        *ret = *ret * 16 + (uint32_t) hex_digit(*p->at);
    }
    return true;
}

/* \u0041, \u{1f600}, and pairs of surrogates. */
static bool take_unicode(struct parser *p, uint32_t *ret)
{
    uint32_t low;
    int count = 0;

    if (p->at < p->end && *p->at == '{') {
        p->at++;
        while (p->at + count < p->end && hex_digit(p->at[count]) >= 0 && count < 7)
            count++;
        if (count == 0 || !take_hex(p, count, ret) || p->at == p->end || *p->at++ != '}')
            return false;
        return *ret <= CHAR_MAX_VALUE;
    }
    if (!take_hex(p, 4, ret))
        return false;
    if (*ret < 0xd800 || *ret > 0xdbff || p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
        return true;
    p->at += 2;
    if (!take_hex(p, 4, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* What follows a backslash and is one character. */
static uint32_t take_escape(struct parser *p)
{
    static const char letters[] = "tnvfr", values[] = "\t\n\v\f\r";
    uint32_t c = next_char(p), value = 0;
    const char *letter = c < 0x80 && c ? strchr(letters, (int) c) : NULL;

    if (letter)
        return (uint32_t) values[letter - letters];
    if (c == '0')
        return 0;
    if (c >= '1' && c <= '9')
        p->why = "refers back to a group, which is not supported";
    else if (c == 'x' || c == 'u') {
        if (c == 'x' ? !take_hex(p, 2, &value) : !take_unicode(p, &value))
            p->why = "has an escape that is not complete";
        return value;
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80)
        p->why = "has an escape that is not supported";
    return c;
}

static bool is_escape(const struct parser *p)
{
    return *p->at == '\\' && p->end - p->at > 1;
}

/* One member of a class, or the whole of \d; false: it was that. */
static bool take_member(struct parser *p, struct set *set, uint32_t *ret)
{
    if (!is_escape(p)) {
        *ret = next_char(p);
        return true;
    }
    p->at++;
    if (add_class(p, set, *p->at)) {
        p->at++;
        return false;
    }
    if (*p->at == 'b' || *p->at == '-') {
        *ret = *p->at++ == 'b' ? '\b' : '-';
        return true;
    }
    *ret = take_escape(p);
    return true;
}

static void take_set(struct parser *p, struct set *set)
{
    uint32_t first, last;

    if (p->at < p->end && *p->at == '^') {
        set->is_negated = true;
        p->at++;
    }
    while (!p->why && p->at < p->end && *p->at != ']') {
        if (!take_member(p, set, &first))
            continue;
        last = first;
        if (p->end - p->at > 1 && p->at[0] == '-' && p->at[1] != ']') {
            p->at++;
            if (!take_member(p, set, &last)) { /* [a-\d]: three members */
                (void) add_range(p, set, '-', '-');
                last = first;
            }
        }
        if (last < first)
            p->why = "has a range that ends before it begins";
        else
            (void) add_range(p, set, first, last);
    }
    if (p->at == p->end)
        p->why = p->why ? p->why : "has a '[' that is not closed";
    else
        p->at++;
}

static struct node *parse_either(struct parser *p);

static struct node *parse_group(struct parser *p)
{
    struct node *inner;

    if (p->end - p->at > 1 && p->at[0] == '?') {
        bool is_named = p->at[1] == '<' && p->end - p->at > 2 && p->at[2] != '=' && p->at[2] != '!';

        if (is_named)
            while (p->at < p->end && *p->at != '>')
                p->at++;
        else if (p->at[1] != ':')
            p->why = "looks around or sets flags, which is not supported";
        p->at += is_named ? 1 : 2;
    }
    if (p->at > p->end)
        p->why = "has a group without an end";
    if (++p->depth > GROUPS_MAX)
        p->why = "has too many groups inside each other";
    if (p->why)
        return NULL;
    inner = parse_either(p);
    p->depth--;
    if (!p->why && (p->at == p->end || *p->at++ != ')'))
        p->why = "has a '(' that is not closed";
    return inner;
}

static struct node *assert_node(struct parser *p, enum assertion assertion)
{
    struct node *node = new_node(p, NODE_ASSERT);

    if (node)
        node->assertion = assertion;
    return node;
}

static struct node *parse_escape(struct parser *p)
{
    struct node *node;
    uint32_t c;

    if (*p->at == 'b' || *p->at == 'B')
        return assert_node(p, *p->at++ == 'b' ? ASSERT_WORD : ASSERT_NO_WORD);
    node = new_node(p, NODE_SET);
    if (node && add_class(p, &node->set, *p->at)) {
        p->at++;
    } else if (node) {
        c = take_escape(p);
        (void) add_range(p, &node->set, c, c);
    }
    return node;
}

static struct node *parse_plain(struct parser *p)
{
    struct node *node = new_node(p, NODE_SET);
    uint32_t c = next_char(p);

    if (!node)
        return NULL;
    if (c == '[') {
        take_set(p, &node->set);
    } else if (c == '.') {
        node->set.is_negated = true;
        for (size_t i = 0; i < 3; i++)
            (void) add_range(p, &node->set, line_ends[i][0], line_ends[i][1]);
    } else {
        (void) add_range(p, &node->set, c, c);
    }
    return node;
}

static struct node *parse_atom(struct parser *p)
{
    switch (*p->at) {
    case '^':
        p->at++;
        return assert_node(p, ASSERT_BEGIN);
    case '$':
        p->at++;
        return assert_node(p, ASSERT_END);
    case '(':
        p->at++;
        return parse_group(p);
    case '*':
    case '+':
    case '?':
        p->why = "has a quantifier with nothing before it";
        return NULL;
    case '\\':
        if (++p->at == p->end) {
            p->why = "ends with a backslash";
            return NULL;
        }
        return parse_escape(p);
    default:
        return parse_plain(p);
    }
}

static bool take_number(const char **at, const char *end, int *ret)
{
    const char *from = *at;

    for (*ret = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        if (*ret <= REGEXP_REPEAT_MAX)
            *ret = *ret * 10 + (**at - '0');
    return *at > from;
}

/* {2}, {2,}, {2,5}; anything else that begins with '{' is text. */
static bool take_counts(struct parser *p, int *min, int *max)
{
    const char *at = p->at + 1;

    if (!take_number(&at, p->end, min))
        return false;
    *max = *min;
    if (at < p->end && *at == ',') {
        at++;
        if (!take_number(&at, p->end, max))
            *max = -1;
    }
    if (at == p->end || *at != '}')
        return false;
    p->at = at + 1;
    if (*min > REGEXP_REPEAT_MAX || *max > REGEXP_REPEAT_MAX)
        p->why = "repeats something more than 1000 times";
    else if (*max >= 0 && *max < *min)
        p->why = "has a quantifier whose numbers are the wrong way round";
    return true;
}

static bool take_quantifier(struct parser *p, int *min, int *max)
{
    if (p->at == p->end)
        return false;
    *min = *p->at == '+';
    *max = *p->at == '?' ? 1 : -1;
    if (*p->at == '{')
        return take_counts(p, min, max);
    if (*p->at != '*' && *p->at != '+' && *p->at != '?')
        return false;
    p->at++;
    return true;
}

static struct node *parse_repeated(struct parser *p)
{
    struct node *atom = parse_atom(p), *node;
    int min, max;

    if (p->why || !take_quantifier(p, &min, &max))
        return atom;
    if (p->at < p->end && *p->at == '?')
        p->at++; /* lazy: whether it is found is the same */
    node = new_node(p, NODE_REPEAT);
    if (!node)
        return NULL;
    node->child = atom;
    node->min = min;
    node->max = max;
    return node;
}

static struct node *parse_sequence(struct parser *p)
{
    struct node *node = new_node(p, NODE_CAT), **slot = node ? &node->child : NULL;

    while (!p->why && p->at < p->end && *p->at != '|' && *p->at != ')') {
        *slot = parse_repeated(p);
        if (*slot)
            slot = &(*slot)->next;
    }
    return node;
}

static struct node *parse_either(struct parser *p)
{
    struct node *node = new_node(p, NODE_ALT), **slot = node ? &node->child : NULL;

    while (!p->why) {
        *slot = parse_sequence(p);
        if (p->why || p->at == p->end || *p->at != '|')
            break;
        p->at++;
        slot = &(*slot)->next;
    }
    return node;
}

/* ---- tree to instructions ---- */

static struct instruction *emit(struct parser *p, enum op op)
{
    struct instruction *in;

    if (p->re->count == REGEXP_CODE_MAX) {
        p->why = no_memory;
        return &p->re->code[REGEXP_CODE_MAX - 1];
    }
    in = &p->re->code[p->re->count++];
    *in = (struct instruction){ .op = op };
    return in;
}

static void emit_node(struct parser *p, const struct node *node);

/* A branch into what follows; its other way is set when that is known. */
static uint32_t emit_branch(struct parser *p)
{
    uint32_t at = p->re->count;

    emit(p, OP_SPLIT)->to = at + 1;
    return at;
}

static void emit_jump(struct parser *p, uint32_t to)
{
    emit(p, OP_JUMP)->to = to;
}

static void emit_repeat(struct parser *p, const struct node *node)
{
    uint32_t first = 0, stride = 0, from;

    for (int i = 0; i < node->min && !p->why; i++)
        emit_node(p, node->child);
    if (node->max < 0) {
        from = emit_branch(p);
        emit_node(p, node->child);
        emit_jump(p, from);
        if (!p->why)
            p->re->code[from].or_to = p->re->count;
        return;
    }
    for (int i = node->min; i < node->max && !p->why; i++) {
        from = emit_branch(p);
        stride = i == node->min ? 0 : from - first; /* every copy is as long as the others */
        first = from;
        emit_node(p, node->child);
    }
    for (int i = node->min; i < node->max && !p->why; i++)
        p->re->code[first - (uint32_t) (i - node->min) * stride].or_to = p->re->count;
}

static void emit_either(struct parser *p, const struct node *node)
{
    uint32_t from, exits = 0;

    for (const struct node *one = node->child; one && !p->why; one = one->next) {
        from = p->re->count;
        if (one->next)
            (void) emit_branch(p);
        emit_node(p, one);
        if (!one->next)
            break;
        emit_jump(p, exits); /* a chain of jumps, each to the one before, until the end is known */
        exits = p->re->count - 1;
        if (!p->why)
            p->re->code[from].or_to = p->re->count;
    }
    while (exits && !p->why) {
        uint32_t before = p->re->code[exits].to;

        p->re->code[exits].to = p->re->count;
        exits = before;
    }
}

static void emit_node(struct parser *p, const struct node *node)
{
    if (++p->visits > 4 * REGEXP_CODE_MAX) { /* counts of counts of nothing */
        p->why = no_memory;
        return;
    }
    switch (node->kind) {
    case NODE_CAT:
        for (const struct node *one = node->child; one && !p->why; one = one->next)
            emit_node(p, one);
        break;
    case NODE_ALT:
        emit_either(p, node);
        break;
    case NODE_REPEAT:
        emit_repeat(p, node);
        break;
    case NODE_SET:
        emit(p, OP_SET)->set = &node->set;
        break;
    case NODE_ASSERT:
        emit(p, OP_ASSERT)->assertion = node->assertion;
        break;
    }
}

const char *regexp_compile(struct span pattern, struct arena *arena, const struct regexp **ret)
{
    struct parser p = { .arena = arena, .at = pattern.ptr, .end = pattern.ptr + pattern.len };
    struct node *root;

    if (pattern.len > REGEXP_PATTERN_MAX)
        return no_memory;
    p.re = take(&p, sizeof(*p.re));
    if (p.re)
        p.re->code = take(&p, REGEXP_CODE_MAX * sizeof(*p.re->code));
    if (p.why)
        return p.why;
    root = parse_either(&p);
    if (!p.why && p.at < p.end)
        p.why = "has a ')' without a '('";
    if (!p.why)
        emit_node(&p, root);
    if (!p.why)
        (void) emit(&p, OP_MATCH);
    *ret = p.re;
    return p.why;
}

/* ---- over the text ---- */

struct threads {
    uint32_t *list;
    uint32_t count;
};

struct search {
    const struct regexp *re;
    uint32_t *seen; /* by instruction: the round it was added in */
    uint32_t round;
    uint32_t *stack;
    uint32_t before, after; /* characters around the place; UINT32_MAX: none */
    int64_t *steps;
    bool is_found;
};

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

static bool holds(const struct search *s, enum assertion assertion)
{
    bool is_border = is_word(s->before) != is_word(s->after);

    return assertion == ASSERT_BEGIN  ? s->before == UINT32_MAX
           : assertion == ASSERT_END  ? s->after == UINT32_MAX
           : assertion == ASSERT_WORD ? is_border
                                      : !is_border;
}

/* A thread, and all that it leads to without a character. */
static void add_thread(struct search *s, struct threads *to, uint32_t at)
{
    uint32_t depth = 0;

    s->stack[depth++] = at;
    while (depth > 0) {
        const struct instruction *in = &s->re->code[at = s->stack[--depth]];

        if (s->seen[at] == s->round)
            continue;
        s->seen[at] = s->round;
        --*s->steps;
        if (in->op == OP_MATCH)
            s->is_found = true;
        else if (in->op == OP_SET)
            to->list[to->count++] = at;
        else if (in->op != OP_ASSERT)
            s->stack[depth++] = in->to;
        else if (holds(s, in->assertion))
            s->stack[depth++] = at + 1;
        if (in->op == OP_SPLIT)
            s->stack[depth++] = in->or_to;
    }
}

static bool set_has(const struct set *set, uint32_t c, int64_t *steps)
{
    const struct range *range = set->ranges;

    while (range && (c < range->first || c > range->last)) {
        range = range->next;
        --*steps;
    }
    return (range != NULL) != set->is_negated;
}

static uint32_t char_at(struct span text, size_t at, size_t *ret_len)
{
    *ret_len = 0;
    return at < text.len ? glyph_next(span_make(text.ptr + at, text.len - at), ret_len) : UINT32_MAX;
}

static void run(struct search *s, struct span text, struct threads now, struct threads then)
{
    size_t len, next_len;

    s->before = UINT32_MAX;
    s->after = char_at(text, 0, &len);
    s->round = 1;
    add_thread(s, &now, 0);
    for (size_t at = 0; at < text.len && !s->is_found && *s->steps > 0; at += len, len = next_len) {
        struct threads old = now;

        s->before = s->after;
        s->after = char_at(text, at + len, &next_len);
        s->round++;
        then.count = 0;
        for (uint32_t i = 0; i < now.count; i++)
            if (set_has(s->re->code[now.list[i]].set, s->before, s->steps))
                add_thread(s, &then, now.list[i] + 1);
        add_thread(s, &then, 0); /* it may begin here */
        now = then;
        then = old;
    }
}

int regexp_search(const struct regexp *re, struct span text, int64_t *steps)
{
    uint32_t *memory = calloc(5 * (size_t) re->count + 8, sizeof(*memory)), count = re->count;
    struct search s = { .re = re, .seen = memory, .stack = memory, .steps = steps };

    if (!memory)
        return -1;
    s.stack = memory + count; /* each instruction puts at most two there */
    run(&s, text, (struct threads){ memory + 3 * (size_t) count + 2, 0 },
        (struct threads){ memory + 4 * (size_t) count + 4, 0 });
    free(memory);
    return *steps <= 0 && !s.is_found ? -1 : s.is_found;
}
