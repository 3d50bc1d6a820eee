/* SPDX-License-Identifier: MIT */
/* Events of libyaml to a bounded tree. */
#include "manifest/yaml.h"

#include "core/base/utf8.h"
#include "manifest/scalar.h"

#include <stdint.h>
#include <yaml.h>

/* A place in the text, counted both as libyaml does (characters) and as we do (bytes). */
struct cursor {
    size_t chars, bytes;
    size_t line, line_begin;
};

struct anchor {
    const char *name;
    const struct tree *node; /* NULL while it is still open */
    uint32_t depth;          /* levels beneath it */
};

struct builder {
    yaml_parser_t parser;
    struct span text;
    struct arena *arena;
    struct diags *diags;
    struct cursor at;
    size_t nodes, bytes;
    struct anchor *anchors;
    size_t anchor_count;
    bool is_out_of_memory;
};

/* Fatal for the document: reported, and the building ends. */
#define FATAL (-ERR_MANIFEST)

static void step_forward(struct builder *b)
{
    struct cursor *at = &b->at;
    const char *text = b->text.ptr;
    bool is_break =
        text[at->bytes] == '\n' ||
        (text[at->bytes] == '\r' && !(at->bytes + 1 < b->text.len && text[at->bytes + 1] == '\n'));

    do
        at->bytes++;
    while (at->bytes < b->text.len && ((uint8_t) text[at->bytes] & 0xc0) == 0x80);
    at->chars++;
    if (is_break) {
        at->line++;
        at->line_begin = at->bytes;
    }
}

/* Marks come nearly in order, so the walk is short; one that goes back starts over at its line or at the top.
 */
static size_t offset_of(struct builder *b, const yaml_mark_t *mark)
{
    if (mark->index < b->at.chars)
        b->at = (struct cursor){ .line = 1 };
    while (b->at.chars < mark->index && b->at.bytes < b->text.len)
        step_forward(b);
    return b->at.bytes;
}

static struct tree_pos pos_of(struct builder *b, const yaml_mark_t *mark)
{
    size_t offset = offset_of(b, mark);

    return (struct tree_pos){ (uint32_t) b->at.line, (uint32_t) (offset - b->at.line_begin + 1) };
}

static int out_of_memory(struct builder *b)
{
    b->is_out_of_memory = true;
    return -ERR_INTERNAL;
}

static void problem(struct builder *b, struct tree_pos pos, const char *hint, const char *message)
{
    diags_add(b->diags, pos, NULL, hint, "%s", message);
}

/* libyaml's words that a reader of manifests would not understand, and ours. */
static const struct {
    const char *theirs, *message, *hint;
    bool is_at_begin; /* shown where the thing begins, not where it went wrong */
} words[] = {
    { "mapping values are not allowed", "a ':' is not possible here",
      "put the text in quotes if it holds ': ', or check the indentation" },
    { "did not find expected key", "expected a key here", "is this line indented like the ones around it?" },
    { "did not find expected '-' indicator", "expected '- ' here",
      "are all items of the list indented alike?" },
    { "block sequence entries are not allowed", "a list cannot begin here",
      "put it on a line of its own, beneath its key" },
    { "could not find expected ':'", "expected ':' after this key", "is a ':' or a closing quote missing?",
      true },
    { "cannot start any token", "text cannot begin with this character",
      "put text that begins with '@', '`' or '%' in quotes" },
    { "found unexpected end of stream", "these quotes are not closed", "is a closing quote missing?", true },
    { "found unexpected document indicator", "these quotes are not closed", "is a closing quote missing?",
      true },
    { "found unknown escape character", "unknown escape in a text in double quotes",
      "write '\\\\' for a backslash, or use single quotes" },
    { "did not find expected ',' or ']'", "expected ',' or ']' here",
      "is the list closed? (in [ ] and { }, text with ${...} stands in quotes)" },
    { "did not find expected ',' or '}'", "expected ',' or '}' here",
      "is the map closed? (in [ ] and { }, text with ${...} stands in quotes)" },
    { "did not find expected node content", "expected a value here", NULL },
    { "found undefined tag handle", "tags are not supported", "remove it" },
    { "did not find expected <document start>", "expected the end of the document here", NULL },
    { "found incompatible YAML document", "this version of YAML is not supported", "remove the directive" },
    { "found duplicate %YAML directive", "this directive is there already", "remove it" },
};

static int syntax_problem(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *theirs = p->problem ? p->problem : "not YAML";
    size_t at;

    if (p->error == YAML_MEMORY_ERROR)
        return out_of_memory(b);
    at = offset_of(b, &p->problem_mark);
    if (at < b->text.len && b->text.ptr[at] == '\t') {
        problem(b, pos_of(b, &p->problem_mark), "indent with spaces", "a tab cannot be used here");
        return FATAL;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(theirs, words[i].theirs)) {
            const yaml_mark_t *mark = words[i].is_at_begin ? &p->context_mark : &p->problem_mark;

            problem(b, pos_of(b, mark), words[i].hint, words[i].message);
            return FATAL;
        }
    diags_add(b->diags, pos_of(b, &p->problem_mark), NULL, NULL, "not YAML: %s", theirs);
    return FATAL;
}

static int next_event(struct builder *b, yaml_event_t *event)
{
    return yaml_parser_parse(&b->parser, event) ? 0 : syntax_problem(b);
}

/* Every value passes here, copies too: the bound on the whole document. */
static int count_node(struct builder *b, struct tree_pos pos, size_t bytes)
{
    b->nodes++;
    b->bytes += bytes;
    if (b->nodes <= YAML_NODES_MAX && b->bytes <= YAML_BYTES_MAX)
        return 0;
    problem(b, pos, "aliases count as often as they are used", "the document holds too much");
    return FATAL;
}

static struct tree *add_node(struct builder *b, enum tree_kind kind, const yaml_event_t *event)
{
    struct yaml_node *node = arena_alloc(b->arena, sizeof(*node));

    if (!node) {
        (void) out_of_memory(b);
        return NULL;
    }
    node->tree.kind = kind;
    node->tree.pos = pos_of(b, &event->start_mark);
    node->begin = (uint32_t) offset_of(b, &event->start_mark);
    node->end = node->begin;
    return &node->tree;
}

static void refuse_tag(struct builder *b, const yaml_char_t *tag, struct tree_pos pos)
{
    if (tag)
        problem(b, pos, "remove it; quoted text is always a string", "tags are not supported");
}

static int open_anchor(struct builder *b, const yaml_char_t *name, struct tree_pos pos, struct anchor **ret)
{
    char *copy;

    *ret = NULL;
    if (!name)
        return 0;
    if (b->anchor_count == YAML_ANCHORS_MAX) {
        problem(b, pos, NULL, "too many anchors");
        return FATAL;
    }
    if (!b->anchors)
        b->anchors = arena_alloc(b->arena, YAML_ANCHORS_MAX * sizeof(*b->anchors));
    copy = arena_text(b->arena, (const char *) name);
    if (!b->anchors || !copy)
        return out_of_memory(b);
    *ret = &b->anchors[b->anchor_count++];
    **ret = (struct anchor){ .name = copy };
    return 0;
}

static const struct anchor *find_anchor(const struct builder *b, const char *name)
{
    for (size_t i = b->anchor_count; i > 0; i--)
        if (strcmp(b->anchors[i - 1].name, name) == 0)
            return &b->anchors[i - 1];
    return NULL;
}

/* A deep copy that counts; depth is bounded since only finished trees are copied. */
static int copy_node(struct builder *b, const struct tree *from, struct tree_pos pos, struct tree **ret)
{
    struct yaml_node *node;
    struct tree **tail;
    int r = count_node(b, pos, from->text.len + from->key.len);

    if (r < 0)
        return r;
    node = arena_alloc(b->arena, sizeof(*node));
    if (!node)
        return out_of_memory(b);
    *node = *yaml_node(from);
    node->tree.next = NULL;
    tail = &node->tree.child;
    tree_each (item, from) {
        r = copy_node(b, item, pos, tail);
        if (r < 0)
            return r;
        tail = &(*tail)->next;
    }
    *ret = &node->tree;
    return 0;
}

struct built {
    struct tree *node; /* NULL: reported and left out */
    uint32_t depth;    /* levels beneath it */
};

static int build_alias(struct builder *b, const yaml_event_t *event, unsigned level, struct built *ret)
{
    const char *name = (const char *) event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(b, name);
    struct tree_pos pos = pos_of(b, &event->start_mark);
    int r;

    *ret = (struct built){ add_node(b, TREE_NULL, event), 0 };
    if (!ret->node)
        return -ERR_INTERNAL;
    if (!anchor) {
        diags_add(b->diags, pos, NULL, "an anchor ('&name') must come before its aliases",
                  "unknown anchor '%.100s'", name);
        return 0;
    }
    if (!anchor->node) {
        diags_add(b->diags, pos, NULL, NULL, "'*%.100s' stands inside the value it repeats", name);
        return 0;
    }
    if (level + anchor->depth > YAML_DEPTH_MAX) {
        diags_add(b->diags, pos, NULL, NULL, "nested deeper than %d levels", YAML_DEPTH_MAX);
        return FATAL;
    }
    ret->depth = anchor->depth;
    r = copy_node(b, anchor->node, pos, &ret->node);
    if (r == 0)
        ret->node->key = (struct span){ NULL, 0 };
    return r;
}

static int build_scalar(struct builder *b, const yaml_event_t *event, struct built *ret)
{
    struct tree *node = add_node(b, TREE_STRING, event);
    size_t len = event->data.scalar.length;
    const char *why = NULL;
    struct anchor *anchor;
    int r;

    if (!node)
        return -ERR_INTERNAL;
    yaml_node(node)->end = (uint32_t) offset_of(b, &event->end_mark);
    r = count_node(b, node->pos, len);
    if (r < 0)
        return r;
    refuse_tag(b, event->data.scalar.tag, node->pos);
    r = open_anchor(b, event->data.scalar.anchor, node->pos, &anchor);
    if (r < 0)
        return r;
    node->text = span_make(arena_copy(b->arena, event->data.scalar.value, len), len);
    if (!node->text.ptr)
        return out_of_memory(b);
    yaml_node(node)->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    yaml_node(node)->is_based = span_starts(node->text, "0x") || span_starts(node->text, "0o");
    if (yaml_node(node)->is_plain && !scalar_resolve(node, b->arena, &why))
        problem(b, node->pos, "put it in quotes if it is text", why);
    if (anchor)
        anchor->node = node;
    *ret = (struct built){ node, 0 };
    return 0;
}

static int build_node(struct builder *b, const yaml_event_t *event, unsigned level, struct built *ret);

static int build_list(struct builder *b, struct tree *list, unsigned level, uint32_t *depth)
{
    struct tree **tail = &list->child;

    for (;;) {
        struct built item = { NULL, 0 };
        yaml_event_t event;
        bool is_end;
        int r = next_event(b, &event);

        if (r < 0)
            return r;
        is_end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!is_end)
            r = build_node(b, &event, level, &item);
        yaml_event_delete(&event);
        if (r < 0 || is_end)
            return r;
        if (item.depth + 1 > *depth)
            *depth = item.depth + 1;
        if (!item.node)
            continue;
        *tail = item.node;
        tail = &item.node->next;
        list->count++;
    }
}

/* A key must be text and new; reports and returns false otherwise. */
static bool check_key(struct builder *b, const struct tree *map, const struct yaml_node *key)
{
    struct span name = key->tree.text;
    struct tree_pos pos = key->tree.pos;

    if (!name.ptr && key->tree.kind == TREE_NULL)
        return false; /* an unknown alias, which is reported */
    if (key->tree.kind == TREE_ARRAY || key->tree.kind == TREE_OBJECT)
        problem(b, pos, "write a word before the ':'", "a key must be text");
    else if (key->is_plain && name.len == 0)
        problem(b, pos, NULL, "a key is missing before ':'");
    else if (name.len > YAML_KEY_MAX || memchr(name.ptr, '\0', name.len))
        problem(b, pos, NULL, name.len > YAML_KEY_MAX ? "this key is too long" : "a key cannot hold a NUL");
    else {
        tree_each (item, map) {
            if (!span_equal(item->key, name))
                continue;
            diags_add(b->diags, pos, NULL, NULL, "duplicate key '%.100s' (first in line %u)", name.ptr,
                      item->key_pos.line);
            return false;
        }
        return true;
    }
    return false;
}

static bool is_merge(const struct yaml_node *key)
{
    return key->is_plain && key->tree.kind == TREE_STRING && span_is(key->tree.text, "<<");
}

static void append(struct tree *map, struct tree ***tail, struct tree *item)
{
    **tail = item;
    *tail = &item->next;
    map->count++;
}

/* Members of `from` that the map does not have itself, copied: `from` may have an anchor of its own. */
static int merge_map(struct builder *b, struct tree *map, struct tree ***tail, const struct tree *from)
{
    if (from->kind != TREE_OBJECT) {
        problem(b, from->pos, "'<<: *name' or '<<: [*one, *two]'", "only maps can be merged");
        return 0;
    }
    tree_each (item, from) {
        struct tree *copy;
        int r;

        if (tree_get(map, item->key.ptr))
            continue;
        r = copy_node(b, item, from->pos, &copy);
        if (r < 0)
            return r;
        append(map, tail, copy);
    }
    return 0;
}

static int merge(struct builder *b, struct tree *map, struct tree ***tail, const struct tree *from)
{
    if (from->kind != TREE_ARRAY)
        return merge_map(b, map, tail, from);
    tree_each (item, from) {
        int r = merge_map(b, map, tail, item);

        if (r < 0)
            return r;
    }
    return 0;
}

static int build_value(struct builder *b, unsigned level, struct built *ret)
{
    yaml_event_t event;
    int r = next_event(b, &event);

    if (r < 0)
        return r;
    r = build_node(b, &event, level, ret);
    yaml_event_delete(&event);
    return r;
}

/* Key and value of one member. `merged` collects what '<<' brings, which goes behind the map's own keys. */
static int build_member(struct builder *b, struct tree *map, const yaml_event_t *event, unsigned level,
                        struct tree ***tail, struct tree **merged, uint32_t *depth)
{
    struct built key = { NULL, 0 }, value = { NULL, 0 };
    int r = build_node(b, event, level, &key);

    if (r < 0)
        return r;
    r = build_value(b, level, &value);
    if (r < 0)
        return r;
    if (value.depth + 1 > *depth)
        *depth = value.depth + 1;
    if (!key.node || !value.node)
        return 0;
    if (is_merge(yaml_node(key.node))) {
        if (*merged)
            problem(b, key.node->pos, "'<<: [*one, *two]' merges several", "duplicate key '<<'");
        else
            *merged = value.node;
        return 0;
    }
    if (!check_key(b, map, yaml_node(key.node)))
        return 0;
    value.node->key = key.node->text;
    value.node->key_pos = key.node->pos;
    append(map, tail, value.node);
    return 0;
}

static int build_map(struct builder *b, struct tree *map, unsigned level, uint32_t *depth)
{
    struct tree **tail = &map->child, *merged = NULL;

    for (;;) {
        yaml_event_t event;
        bool is_end;
        int r = next_event(b, &event);

        if (r < 0)
            return r;
        is_end = event.type == YAML_MAPPING_END_EVENT;
        if (!is_end)
            r = build_member(b, map, &event, level, &tail, &merged, depth);
        yaml_event_delete(&event);
        if (r == 0 && is_end && merged)
            r = merge(b, map, &tail, merged);
        if (r < 0)
            return r;
        if (map->count > YAML_MEMBERS_MAX) {
            diags_add(b->diags, map->pos, NULL, NULL, "more than %d keys in one map", YAML_MEMBERS_MAX);
            return FATAL;
        }
        if (is_end)
            return 0;
    }
}

static int build_group(struct builder *b, const yaml_event_t *event, unsigned level, struct built *ret)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    struct tree *node = add_node(b, is_map ? TREE_OBJECT : TREE_ARRAY, event);
    struct anchor *anchor;
    uint32_t depth = 0;
    int r;

    if (!node)
        return -ERR_INTERNAL;
    if (level == YAML_DEPTH_MAX) {
        diags_add(b->diags, node->pos, NULL, NULL, "nested deeper than %d levels", YAML_DEPTH_MAX);
        return FATAL;
    }
    refuse_tag(b, is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag, node->pos);
    r = count_node(b, node->pos, 0);
    if (r == 0)
        r = open_anchor(b, is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
                        node->pos, &anchor);
    if (r == 0)
        r = is_map ? build_map(b, node, level + 1, &depth) : build_list(b, node, level + 1, &depth);
    if (r < 0)
        return r;
    if (anchor)
        *anchor = (struct anchor){ anchor->name, node, depth };
    *ret = (struct built){ node, depth };
    return 0;
}

static int build_node(struct builder *b, const yaml_event_t *event, unsigned level, struct built *ret)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return build_alias(b, event, level, ret);
    case YAML_SCALAR_EVENT:
        return build_scalar(b, event, ret);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return build_group(b, event, level, ret);
    default:
        problem(b, pos_of(b, &event->start_mark), NULL, "expected a value here");
        return FATAL;
    }
}

/* The document's begin and what follows its end. */
static int build_document(struct builder *b, struct built *root)
{
    yaml_event_t event;
    bool has_root = false;

    for (;;) {
        yaml_event_type_t type;
        int r = next_event(b, &event);

        if (r < 0)
            return r;
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && has_root) {
            problem(b, pos_of(b, &event.start_mark), "one file is one manifest",
                    "a second document begins here");
            r = FATAL;
        } else if (type == YAML_DOCUMENT_START_EVENT && event.data.document_start.tag_directives.start !=
                                                            event.data.document_start.tag_directives.end) {
            problem(b, pos_of(b, &event.start_mark), "remove it", "tags are not supported");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                   type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
            has_root = true;
            r = build_node(b, &event, 0, root);
        }
        yaml_event_delete(&event);
        if (r < 0 || type == YAML_STREAM_END_EVENT)
            return r;
    }
}

/* What libyaml would refuse with a bare offset, or not at all. */
static bool check_bytes(struct span text, struct diags *diags)
{
    size_t valid = utf8_valid(text);

    if (text.len > YAML_SIZE_MAX) {
        diags_add(diags, (struct tree_pos){ 0, 0 }, NULL, "put large texts into files", "larger than 1 MiB");
        return false;
    }
    for (size_t i = 0; i < valid; i++) {
        uint8_t c = (uint8_t) text.ptr[i];
        uint8_t d = i + 1 < valid ? (uint8_t) text.ptr[i + 1] : 0;
        bool is_c1 = c == 0xc2 && d >= 0x80 && d < 0xa0 && d != 0x85;
        bool is_mark = c == 0xef && ((d == 0xbb && text.ptr[i + 2] == '\xbf') ||
                                     (d == 0xbf && (uint8_t) text.ptr[i + 2] >= 0xbe));

        if ((c >= 0x20 && c != 0x7f && !is_c1 && !is_mark) || c == '\t' || c == '\n' || c == '\r')
            continue;
        diags_add(diags, yaml_pos(text, i), NULL,
                  "in double quotes, an escape such as \"\\x1b\" stands for it",
                  is_c1     ? "control character 0x%02x"
                  : is_mark ? "character that YAML does not allow"
                            : "control character 0x%02x",
                  is_c1 ? d : c);
        return false;
    }
    if (valid == text.len)
        return true;
    diags_add(diags, yaml_pos(text, valid), NULL, "save the file as UTF-8", "not valid UTF-8 (byte 0x%02x)",
              (uint8_t) text.ptr[valid]);
    return false;
}

struct tree_pos yaml_pos(struct span text, size_t offset)
{
    struct tree_pos pos = { 1, 1 };

    for (size_t i = 0; i < offset && i < text.len; i++) {
        bool is_break =
            text.ptr[i] == '\n' || (text.ptr[i] == '\r' && !(i + 1 < text.len && text.ptr[i + 1] == '\n'));

        pos.column = is_break ? 1 : pos.column + 1;
        pos.line += is_break;
    }
    return pos;
}

int yaml_parse(struct span text, struct arena *arena, struct diags *diags, struct tree **ret, struct err *err)
{
    struct builder b = { .arena = arena, .diags = diags, .at = { .line = 1 } };
    struct built root = { NULL, 0 };
    int r;

    if (span_starts(text, "\xef\xbb\xbf"))
        text = span_make(text.ptr + 3, text.len - 3);
    if (!check_bytes(text, diags))
        return err_set(err, ERR_MANIFEST, "not a manifest");
    b.text = text;
    if (!yaml_parser_initialize(&b.parser))
        return err_set(err, ERR_INTERNAL, "no memory");
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *) (text.ptr ? text.ptr : ""), text.len);
    r = build_document(&b, &root);
    yaml_parser_delete(&b.parser);
    if (b.is_out_of_memory)
        return err_set(err, ERR_INTERNAL, "no memory for the manifest");
    if (r < 0)
        return err_set(err, ERR_MANIFEST, "not a manifest");
    if (!root.node)
        root.node = arena_alloc(arena, sizeof(struct yaml_node)); /* zeroed: a null */
    if (!root.node)
        return err_set(err, ERR_INTERNAL, "no memory for the manifest");
    *ret = root.node;
    return 0;
}
