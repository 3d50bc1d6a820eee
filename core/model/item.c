/* SPDX-License-Identifier: MIT */
/* Conversation items as bytes. */
#include "core/model/item.h"

#include "core/base/json.h"

#include <ctype.h>
#include <stdio.h>

#define TREE_MAX ((size_t) 96 << 20) /* an item may hold 32 MiB of text, copied once by the parser */

static bool copy_text(char *field, size_t size, struct span s)
{
    if (s.len == 0 || s.len >= size || memchr(s.ptr, '\0', s.len))
        return false;
    memcpy(field, s.ptr, s.len);
    field[s.len] = '\0';
    return true;
}

static int parse_item(struct span raw, struct arena *arena, const struct tree **ret, struct err *err)
{
    const struct tree *item = NULL;
    int r = json_parse(raw, arena, &item, err);

    if (r < 0)
        return err_wrap(err, "reading an item");
    if (item->kind != TREE_OBJECT)
        return err_set(err, ERR_INVALID, "an item that is no object");
    *ret = item;
    return 0;
}

/* -- inspection ---------------------------------------------------------- */

static bool is_local_shell(const struct tree *item)
{
    const struct tree *environment = tree_get(item, "environment");

    return !environment || environment->kind != TREE_OBJECT ||
           tree_is_string(tree_get(environment, "type"), "local");
}

/* Calls that the client answers. Everything else with "call" in its name is the server's. */
static bool is_client_call(const struct tree *item, const char *type)
{
    static const char *const always[] = { "function_call",    "custom_tool_call", "local_shell_call",
                                          "apply_patch_call", "computer_call",    NULL };

    for (size_t i = 0; always[i]; i++)
        if (strcmp(type, always[i]) == 0)
            return true;
    if (strcmp(type, "shell_call") == 0)
        return is_local_shell(item);
    return strcmp(type, "tool_search_call") == 0 && tree_is_string(tree_get(item, "execution"), "client");
}

static int add_text(struct buf *text, struct span s, struct err *err)
{
    if (text && buf_add_span(text, s) < 0)
        return err_set(err, ERR_TOO_LARGE, "the text of a message is larger than %zu bytes", text->max);
    return 0;
}

static int inspect_message(const struct tree *item, struct item_view *view, struct buf *text, struct err *err)
{
    const struct tree *content = tree_get(item, "content");
    int r = 0;

    view->kind = ITEM_MESSAGE;
    view->is_commentary = tree_is_string(tree_get(item, "phase"), "commentary");
    if (content && content->kind == TREE_STRING)
        return add_text(text, content->text, err);
    if (!content || content->kind != TREE_ARRAY)
        return 0;
    tree_each (part, content) {
        if (tree_is_string(tree_get(part, "type"), "output_text")) {
            r = add_text(text, tree_span(tree_get(part, "text")), err);
        } else if (tree_is_string(tree_get(part, "type"), "refusal")) {
            view->is_refusal = true;
            r = add_text(text, tree_span(tree_get(part, "refusal")), err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int inspect_call(const struct tree *item, struct item_view *view, struct err *err)
{
    view->kind = ITEM_CALL;
    if (copy_text(view->call_id, sizeof(view->call_id), tree_span(tree_get(item, "call_id"))))
        return 0;
    /* the only kind that is answered by its id */
    if (strcmp(view->type, "local_shell_call") == 0 &&
        copy_text(view->call_id, sizeof(view->call_id), tree_span(tree_get(item, "id"))))
        return 0;
    return err_set(err, ERR_INVALID, "a '%s' without a usable 'call_id'", view->type);
}

static int inspect(const struct tree *item, struct item_view *view, struct buf *text, struct err *err)
{
    const struct tree *status = tree_get(item, "status");
    struct span type = tree_span(tree_get(item, "type"));

    if (type.len == 0 && tree_get(item, "role"))
        type = span_of("message"); /* the easy form may leave it out */
    if (!copy_text(view->type, sizeof(view->type), type))
        return err_set(err, ERR_INVALID, "an item without a usable 'type'");
    view->is_complete = !status || status->kind == TREE_NULL || tree_is_string(status, "completed");
    if (strcmp(view->type, "message") == 0)
        return inspect_message(item, view, text, err);
    if (strcmp(view->type, "reasoning") == 0)
        view->kind = ITEM_REASONING;
    if (is_client_call(item, view->type))
        return inspect_call(item, view, err);
    return 0;
}

int item_inspect(struct span raw, struct item_view *ret, struct buf *text, struct err *err)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct item_view view = { .kind = ITEM_OTHER };
    const struct tree *item = NULL;
    int r = parse_item(raw, &arena, &item, err);

    if (r == 0)
        r = inspect(item, &view, text, err);
    arena_done(&arena);
    if (r == 0)
        *ret = view;
    return r;
}

/* -- replay -------------------------------------------------------------- */

static bool has(struct span raw, const char *needle)
{
    return memmem(raw.ptr, raw.len, needle, strlen(needle)) != NULL;
}

/* A member "status" whose value is null, wherever; being wrong costs a parse, nothing else. */
static bool has_null_status(struct span raw)
{
    static const char key[] = "\"status\"";
    const char *p = raw.ptr, *end = raw.ptr + raw.len;

    while ((p = memmem(p, (size_t) (end - p), key, sizeof(key) - 1))) {
        p += sizeof(key) - 1;
        while (p < end && (isspace((unsigned char) *p) || *p == ':'))
            p++;
        if (p < end && *p == 'n')
            return true;
    }
    return false;
}

static bool may_need_work(struct span raw)
{
    return has(raw, "created_by") || has(raw, "computer_call_output") ||
           has(raw, "custom_tool_call_output") || has(raw, "additional_tools") || has_null_status(raw);
}

/* Around it: what is parsed loses them too. */
static struct span without_blanks(struct span raw)
{
    while (raw.len > 0 && isspace((unsigned char) raw.ptr[0]))
        raw = span_make(raw.ptr + 1, raw.len - 1);
    while (raw.len > 0 && isspace((unsigned char) raw.ptr[raw.len - 1]))
        raw.len--;
    return raw;
}

struct replay {
    bool strip_reasoning;
    bool drop_status; /* of the item itself */
    bool drop_id;
};

static bool is_dropped(const struct tree *item, const struct replay *how)
{
    const struct tree *type = tree_get(item, "type");
    const struct tree *status = tree_get(item, "status");

    if (tree_is_string(type, "reasoning"))
        return how->strip_reasoning;
    if (tree_is_string(type, "additional_tools"))
        return !tree_is_string(tree_get(item, "role"), "developer");
    if (tree_is_string(type, "computer_call_output"))
        return tree_is_string(status, "failed");
    if (tree_is_string(type, "custom_tool_call_output"))
        return status && status->kind == TREE_STRING && !tree_is_string(status, "completed");
    return false;
}

static bool can_lose_id(const struct tree *item)
{
    static const char *const types[] = { "message",          "function_call", "custom_tool_call",
                                         "apply_patch_call", "shell_call",    NULL };

    for (size_t i = 0; types[i]; i++)
        if (tree_is_string(tree_get(item, "type"), types[i]))
            return true;
    return false;
}

static bool is_member_dropped(const struct tree *member, const struct replay *how)
{
    if (span_is(member->key, "created_by"))
        return true;
    if (span_is(member->key, "status"))
        return member->kind == TREE_NULL || how->drop_status;
    return span_is(member->key, "id") && how->drop_id;
}

/* Bytes from..to of the source. */
static int add_range(struct buf *out, const char *from, const char *to)
{
    return buf_add(out, from, (size_t) (to - from));
}

static const char *end_of(struct span raw)
{
    return raw.ptr + raw.len;
}

static int splice_object(struct buf *out, const struct tree *object, const struct replay *how);

/* The chunks of an `output` array; one level, so no recursion beyond it. */
static int splice_chunks(struct buf *out, const struct tree *array)
{
    static const struct replay chunk = { false, false, false };
    const char *at = array->raw.ptr;
    int r;

    tree_each (entry, array) {
        if (entry->kind != TREE_OBJECT)
            continue;
        r = add_range(out, at, entry->raw.ptr);
        if (r == 0)
            r = splice_object(out, entry, &chunk);
        if (r < 0)
            return r;
        at = end_of(entry->raw);
    }
    return add_range(out, at, end_of(array->raw));
}

/* What stands between the end of the member before (or the brace) and the value: comma, key, colon. The first
 * member that stays must not bring a comma along. */
static int add_lead(struct buf *out, const char *from, const char *to, bool is_first_kept)
{
    while (is_first_kept && from < to && (*from == ',' || isspace((unsigned char) *from)))
        from++;
    return add_range(out, from, to);
}

static int splice_object(struct buf *out, const struct tree *object, const struct replay *how)
{
    const char *at = object->raw.ptr + 1;
    bool is_first = true, lost_any = false;
    int r = buf_add_char(out, '{');

    tree_each (member, object) {
        if (r < 0)
            return r;
        if (is_member_dropped(member, how)) {
            at = end_of(member->raw);
            lost_any = true;
            continue;
        }
        r = add_lead(out, at, member->raw.ptr, is_first && lost_any);
        if (r == 0 && member->kind == TREE_ARRAY && span_is(member->key, "output"))
            r = splice_chunks(out, member);
        else if (r == 0)
            r = buf_add_span(out, member->raw);
        at = end_of(member->raw);
        is_first = false;
    }
    return r < 0 ? r : add_range(out, at, end_of(object->raw));
}

static int replay_parsed(const struct tree *item, struct replay *how, struct buf *scratch, struct span *ret,
                         struct err *err)
{
    if (is_dropped(item, how)) {
        *ret = span_make(NULL, 0);
        return 0;
    }
    how->drop_status = tree_is_string(tree_get(item, "type"), "custom_tool_call_output");
    how->drop_id = how->strip_reasoning && can_lose_id(item);
    if (splice_object(scratch, item, how) < 0)
        return err_set(err, ERR_TOO_LARGE, "an item of %zu bytes is larger than a request may be",
                       item->raw.len);
    *ret = buf_span(scratch);
    return 0;
}

bool item_is_sent_whole(struct span raw)
{
    return !may_need_work(raw) && without_blanks(raw).len == raw.len;
}

int item_replay(struct span raw, bool strip_reasoning, struct buf *scratch, struct span *ret, struct err *err)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct replay how = { .strip_reasoning = strip_reasoning };
    const struct tree *item = NULL;
    int r;

    buf_clear(scratch);
    if (!strip_reasoning && !may_need_work(raw)) {
        *ret = without_blanks(raw);
        return 0;
    }
    r = parse_item(raw, &arena, &item, err);
    if (r == 0)
        r = replay_parsed(item, &how, scratch, ret, err);
    arena_done(&arena);
    return r;
}

/* -- bonds --------------------------------------------------------------- */

static bool is_closing(struct span type)
{
    static const char output[] = "_output", response[] = "_response";

    return (type.len > sizeof(output) - 1 &&
            memcmp(type.ptr + type.len - (sizeof(output) - 1), output, sizeof(output) - 1) == 0) ||
           (type.len > sizeof(response) - 1 &&
            memcmp(type.ptr + type.len - (sizeof(response) - 1), response, sizeof(response) - 1) == 0);
}

/* Calls have a `call_id`, programs too; approvals of hosted MCP and local shells are answered by an `id`. */
static struct span bond_id(const struct tree *item, struct span type)
{
    struct span id = tree_span(tree_get(item, "call_id"));

    if (id.len == 0)
        id = tree_span(tree_get(item, "approval_request_id"));
    if (id.len == 0 && (span_is(type, "mcp_approval_request") || span_starts(type, "local_shell_call")))
        id = tree_span(tree_get(item, "id"));
    return id;
}

void item_bond_of(struct span raw, struct item_bond *ret)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *item = NULL;
    struct span type;

    *ret = (struct item_bond){ .kind = ITEM_BOND_NONE };
    if (parse_item(raw, &arena, &item, NULL) == 0) {
        type = tree_span(tree_get(item, "type"));
        if (span_is(type, "reasoning"))
            ret->kind = ITEM_BOND_LEADS;
        else if (copy_text(ret->id, sizeof(ret->id), bond_id(item, type)))
            ret->kind = is_closing(type) ? ITEM_BOND_CLOSES : ITEM_BOND_OPENS;
    }
    arena_done(&arena);
}
