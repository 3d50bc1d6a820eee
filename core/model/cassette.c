/* SPDX-License-Identifier: MIT */
/* Answers from a recording. */
#include "core/model/cassette.h"

#include "core/base/json.h"
#include "core/model/item.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TREE_MAX  ((size_t) 96 << 20)
#define CALLS_MAX 256 /* calls of one answer that are checked */

struct calls {
    char ids[CALLS_MAX][sizeof(((struct item_view *) 0)->call_id)];
    size_t count;
    bool is_complete; /* the answer ended with response.completed */
    bool has_items;   /* output_item.done was seen: the terminal event adds nothing */
};

struct cassette {
    FILE *file;
    char *path;
    struct buf bytes;   /* of the line */
    struct arena arena; /* of the line */
    struct cassette_line line;
    size_t line_no, answers;
    bool has_line; /* read, but not used up */
    bool is_at_end, has_started;
    bool is_in_order;
    bool is_aside;      /* the newest answer */
    struct calls calls; /* of the newest answer that is none */
};

/* -- lines --------------------------------------------------------------- */

static void decode_head(const struct tree *t, struct answer_head *head)
{
    *head = (struct answer_head){
        .status = (int) tree_int(tree_get(t, "status"), 200),
        .content_type = tree_span(tree_get(t, "content_type")),
        .retry_after = tree_span(tree_get(t, "retry_after")),
        .retry_after_ms = tree_span(tree_get(t, "retry_after_ms")),
        .should_retry = tree_span(tree_get(t, "should_retry")),
        .request_id = tree_span(tree_get(t, "request_id")),
        .location = tree_span(tree_get(t, "location")),
        .is_aside = tree_bool(tree_get(t, "aside"), false),
    };
}

static void decode_content(const struct tree *t, struct cassette_line *ret)
{
    const struct tree *value = tree_get(t, "event");

    ret->kind = value || tree_get(t, "data") ? CASSETTE_EVENT : CASSETTE_BODY;
    if (!value)
        value = tree_get(t, "body");
    ret->value = value;
    ret->name = tree_span(tree_get(t, "name"));
    if (value)
        ret->text = value->raw;
    else
        ret->text = tree_span(ret->kind == CASSETTE_EVENT ? tree_get(t, "data") : tree_get(t, "text"));
}

static bool has_any(const struct tree *t, const char *const *names)
{
    for (; *names; names++)
        if (tree_get(t, *names))
            return true;
    return false;
}

int cassette_decode(struct span line, struct arena *arena, struct cassette_line *ret, struct err *err)
{
    static const char *const content[] = { "event", "data", "body", "text", NULL };
    static const char *const nothing[] = { "agentbox_cassette", "request", "note", NULL };
    const struct tree *t;
    int r = json_parse(line, arena, &t, err);

    if (r < 0)
        return r;
    *ret = (struct cassette_line){ .kind = CASSETTE_NOTHING };
    if (tree_get(t, "agentbox_cassette") && tree_int(tree_get(t, "agentbox_cassette"), 0) != CASSETTE_VERSION)
        return err_set(err, ERR_INVALID, "a recording of another version than %d", CASSETTE_VERSION);
    if (tree_get(t, "answer")) {
        ret->kind = CASSETTE_ANSWER;
        decode_head(tree_get(t, "answer"), &ret->head);
    } else if (has_any(t, content)) {
        decode_content(t, ret);
    } else if (tree_get(t, "end")) {
        ret->kind = CASSETTE_END;
        ret->text = tree_span(tree_get(t, "end"));
    } else if (has_any(t, nothing)) {
        ret->is_in_order = tree_bool(tree_get(t, "in_order"), false);
    } else {
        return err_set(err, ERR_INVALID,
                       "a line that is neither request, answer, event, data, body, text, end nor note");
    }
    return 0;
}

/* -- the file ------------------------------------------------------------ */

int cassette_open(const char *path, struct cassette **ret, struct err *err)
{
    struct cassette *c = calloc(1, sizeof(*c));

    if (!c)
        return err_set(err, ERR_INTERNAL, "no memory for a recording");
    buf_init(&c->bytes, CASSETTE_LINE_MAX);
    arena_init(&c->arena, TREE_MAX);
    c->path = strdup(path);
    c->file = fopen(path, "re");
    if (!c->path || !c->file) {
        (void) err_errno(err, ERR_MODEL, "opening the recording '%s'", path);
        (void) err_hint(err, "'model.replay' must name a file that 'model.record' has made");
        cassette_free(c);
        return -ERR_MODEL;
    }
    *ret = c;
    return 0;
}

void cassette_free(struct cassette *c)
{
    if (!c)
        return;
    if (c->file)
        (void) fclose(c->file); /* only read */
    buf_done(&c->bytes);
    arena_done(&c->arena);
    free(c->path);
    free(c);
}

static int damaged(struct cassette *c, struct err *err)
{
    (void) err_wrap(err, "line %zu of the recording '%s'", c->line_no, c->path);
    (void) err_hint(err, "record it anew with 'model.record', or repair that line");
    return err_recode(err, ERR_MODEL);
}

/* 1: a line, 0: end of file. */
static int read_line(struct cassette *c, struct err *err)
{
    int byte = 0;

    if (c->bytes.cap > SSE_KEEP)
        buf_done(&c->bytes);
    buf_clear(&c->bytes);
    c->line_no++;
    while ((byte = getc_unlocked(c->file)) != EOF && byte != '\n') {
        if (buf_add_char(&c->bytes, (char) byte) < 0) {
            (void) err_set(err, ERR_TOO_LARGE, "longer than %zu bytes", CASSETTE_LINE_MAX);
            return damaged(c, err);
        }
    }
    if (ferror(c->file)) {
        (void) err_errno(err, ERR_IO, "reading");
        return damaged(c, err);
    }
    return byte != EOF || c->bytes.len > 0;
}

/* Make c->line the next one that says something, unless one is waiting. 1, 0 at the end. */
static int fetch(struct cassette *c, struct err *err)
{
    int r;

    while (!c->has_line) {
        r = read_line(c, err);
        if (r <= 0)
            return r;
        if (c->bytes.len == 0 || span_is(buf_span(&c->bytes), "\r"))
            continue;
        arena_done(&c->arena);
        r = cassette_decode(buf_span(&c->bytes), &c->arena, &c->line, err);
        if (r < 0)
            return damaged(c, err);
        c->has_line = c->line.kind != CASSETTE_NOTHING;
        c->is_in_order = c->is_in_order || c->line.is_in_order;
    }
    return 1;
}

/* -- calls --------------------------------------------------------------- */

static void note_item(struct calls *calls, const struct tree *item)
{
    struct item_view view;

    if (!item || calls->count == CALLS_MAX || item_inspect(item->raw, &view, NULL, NULL) < 0 ||
        view.kind != ITEM_CALL || !view.is_complete)
        return;
    memcpy(calls->ids[calls->count++], view.call_id, sizeof(view.call_id));
}

static void note_response(struct calls *calls, const struct tree *response)
{
    const struct tree *status = tree_get(response, "status");

    calls->is_complete = tree_get(response, "output") && (!status || tree_is_string(status, "completed"));
    if (!calls->has_items)
        tree_each (item, tree_get(response, "output"))
            note_item(calls, item);
}

/* Remember which calls an answer makes. */
static void note_line(struct calls *calls, const struct cassette_line *line)
{
    const struct tree *type = tree_get(line->value, "type");

    if (line->kind == CASSETTE_BODY) {
        note_response(calls, line->value);
    } else if (tree_is_string(type, "response.output_item.done")) {
        calls->has_items = true;
        note_item(calls, tree_get(line->value, "item"));
    } else if (tree_is_string(type, "response.completed")) {
        note_response(calls, tree_get(line->value, "response"));
        calls->is_complete = true;
    }
}

static bool is_output(const struct tree *item)
{
    static const char tail[] = "_output";
    struct span type = tree_span(tree_get(item, "type"));

    return type.len >= sizeof(tail) - 1 &&
           memcmp(type.ptr + type.len - (sizeof(tail) - 1), tail, sizeof(tail) - 1) == 0;
}

static bool has_answered(const struct tree *input, const char *call_id)
{
    tree_each (item, input) {
        /* local_shell_call_output may carry the call's id as its own. */
        if (is_output(item) && (tree_is_string(tree_get(item, "call_id"), call_id) ||
                                tree_is_string(tree_get(item, "id"), call_id)))
            return true;
    }
    return false;
}

static size_t count_calls(const struct tree *input)
{
    size_t count = 0;
    struct item_view view;

    tree_each (item, input)
        if (item_inspect(item->raw, &view, NULL, NULL) == 0 && view.kind == ITEM_CALL)
            count++;
    return count;
}

static const char *first_unanswered(const struct calls *calls, const struct tree *input)
{
    for (size_t i = 0; calls->is_complete && i < calls->count; i++)
        if (!has_answered(input, calls->ids[i]))
            return calls->ids[i];
    return NULL;
}

/* -- answers ------------------------------------------------------------- */

/* Past whatever is left of the answer before, up to an `answer` line. 1, 0 at the end. */
static int find_answer(struct cassette *c, struct err *err)
{
    int r;

    while ((r = fetch(c, err)) > 0 && c->line.kind != CASSETTE_ANSWER)
        c->has_line = false;
    return r;
}

/* The calls of the turn before an aside are answered after it. */
static void begin_answer(struct cassette *c)
{
    c->is_aside = c->has_line && c->line.head.is_aside;
    c->has_line = false;
    c->is_at_end = false;
    c->answers++;
    if (c->is_aside)
        return;
    c->calls.count = 0;
    c->calls.is_complete = c->calls.has_items = false;
}

/* Read an answer to its end for the calls it makes. */
static int skim_answer(struct cassette *c, struct err *err)
{
    int r;

    begin_answer(c);
    while ((r = fetch(c, err)) > 0 && c->line.kind != CASSETTE_ANSWER) {
        if (!c->is_aside)
            note_line(&c->calls, &c->line);
        c->has_line = false;
    }
    return r;
}

/* Where reading goes on. A file offset, not a copy: recordings may be large. */
struct mark {
    off_t offset;
    size_t line_no, answers;
};

static int go_to(struct cassette *c, struct mark mark, struct err *err)
{
    if (fseeko(c->file, mark.offset, SEEK_SET) < 0)
        return err_errno(err, ERR_MODEL, "reading the recording '%s'", c->path);
    c->line_no = mark.line_no;
    c->answers = mark.answers;
    c->has_line = false;
    begin_answer(c);
    c->answers--;
    return 0;
}

/* A run that goes on in the middle: skip the answers whose calls the conversation holds answered. */
static int skip_known(struct cassette *c, const struct tree *input, struct err *err)
{
    size_t limit = count_calls(input), seen = 0;
    struct mark after = { 0, 0, 0 };
    int r;

    while ((r = find_answer(c, err)) > 0) {
        r = skim_answer(c, err);
        if (r < 0)
            return r;
        if (c->is_aside || !c->calls.is_complete || c->calls.count == 0)
            continue;
        seen += c->calls.count;
        if (first_unanswered(&c->calls, input) || (limit > 0 && seen > limit))
            continue;
        /* The line that ended the skimming is read again. */
        after = (struct mark){ ftello(c->file), c->line_no, c->answers };
        if (c->has_line) {
            after.offset -= (off_t) c->bytes.len + 1;
            after.line_no--;
        }
    }
    return r < 0 ? r : go_to(c, after, err);
}

static bool has_outputs(const struct tree *input)
{
    tree_each (item, input)
        if (is_output(item))
            return true;
    return false;
}

static int run_out(struct cassette *c, struct err *err)
{
    (void) err_set(err, ERR_MODEL, "the recording '%s' has %zu answer%s, and one more was asked for", c->path,
                   c->answers, c->answers == 1 ? "" : "s");
    return err_hint(err,
                    "the run went another way than when it was recorded: record it anew with 'model.record'");
}

static int does_not_fit(struct cassette *c, const char *call_id, struct err *err)
{
    (void) err_set(err, ERR_MODEL,
                   "the recording '%s' does not fit: call '%s' of its answer %zu has no output", c->path,
                   call_id, c->answers);
    return err_hint(err,
                    "the run went another way than when it was recorded: record it anew with 'model.record'");
}

static int prepare(struct cassette *c, struct span body, bool is_aside, struct err *err)
{
    struct arena arena = ARENA_INIT(2 * TREE_MAX);
    const struct tree *request, *input;
    const char *open_call = NULL;
    int r = c->has_started ? 0 : fetch(c, err); /* the first line says how the others are given */

    if (r < 0 || (is_aside && c->has_started))
        return r < 0 ? r : 0;
    r = json_parse(body, &arena, &request, err);
    if (r == 0 && !c->is_in_order) {
        input = tree_get(request, "input");
        if (!c->has_started && has_outputs(input))
            r = skip_known(c, input, err);
        else
            open_call = first_unanswered(&c->calls, input);
        if (open_call)
            r = does_not_fit(c, open_call, err);
    }
    c->has_started = true;
    arena_done(&arena);
    return r < 0 ? err_recode(err, ERR_MODEL) : 0;
}

int cassette_next(struct cassette *c, struct span body, bool is_aside, struct answer_head *ret,
                  struct err *err)
{
    bool is_first = !c->has_started;
    int r = prepare(c, body, is_aside, err);

    if (r == 0)
        r = find_answer(c, err);
    /* a run that goes on with one tells nothing of the turn before it */
    while (r > 0 && is_aside != c->line.head.is_aside && (is_first || !is_aside)) {
        c->has_line = false;
        r = find_answer(c, err);
    }
    if (r < 0)
        return r;
    if (r == 0 || is_aside != c->line.head.is_aside)
        return run_out(c, err);
    begin_answer(c);
    *ret = c->line.head;
    return 0;
}

static int frame(struct buf *chunk, const struct cassette_line *line)
{
    int r = 0;

    if (line->kind == CASSETTE_BODY)
        return buf_add_span(chunk, line->text);
    if (line->name.len > 0 && !memchr(line->name.ptr, '\n', line->name.len))
        r = buf_printf(chunk, "event: " SPAN_FMT "\n", SPAN_ARG(line->name));
    if (r == 0)
        r = buf_add_text(chunk, "data: ");
    for (size_t i = 0; i < line->text.len && r == 0;) {
        const char *eol = memchr(line->text.ptr + i, '\n', line->text.len - i);
        size_t n = eol ? (size_t) (eol - line->text.ptr) + 1 - i : line->text.len - i;

        r = buf_add(chunk, line->text.ptr + i, n);
        if (r == 0 && eol)
            r = buf_add_text(chunk, "data: ");
        i += n;
    }
    return r == 0 ? buf_add_text(chunk, "\n\n") : r;
}

int cassette_read(struct cassette *c, struct buf *chunk, char *cut, struct err *err)
{
    int r = c->is_at_end ? 0 : fetch(c, err);

    buf_clear(chunk);
    cut[0] = '\0';
    if (r < 0)
        return r;
    if (r == 0 || c->line.kind == CASSETTE_ANSWER) {
        c->is_at_end = true;
        return 0;
    }
    c->has_line = false;
    if (c->line.kind == CASSETTE_END) {
        snprintf(cut, ERR_TEXT_MAX, SPAN_FMT, SPAN_ARG(c->line.text));
        c->is_at_end = true;
        return 0;
    }
    if (!c->is_aside)
        note_line(&c->calls, &c->line);
    if (frame(chunk, &c->line) < 0)
        return err_set(err, ERR_MODEL, "line %zu of the recording '%s' is too large", c->line_no, c->path);
    return 1;
}
