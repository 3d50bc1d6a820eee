/* SPDX-License-Identifier: MIT */
#include "core/tool/container_result.h"

#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/utf8.h"

#include <stdio.h>

#define QUOTE_MAX 200                         /* bytes of stdout that are shown when they are no JSON */
#define WORDS_MAX 1500                        /* bytes of stderr */
#define TREE_MAX  (24 * CONTAINER_RESULT_MAX) /* a tree takes some 16 times the bytes of its text */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = span_make(s.ptr + 1, s.len - 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static bool is_json(struct span s, struct err *err)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *tree = NULL;
    int r = json_parse(s, &arena, &tree, err);

    arena_done(&arena);
    return r == 0;
}

size_t container_quotas(const struct tool_container *tool, const struct container_done *done,
                        struct quota ret[QUOTA_MAX])
{
    struct capture none = { 0 };
    const struct quota_facts facts = {
        .result = done->exec,
        .spec = tool->sandbox,
        .out = &none,
        .err = done->words,
    };

    return done->exec ? quota_find(&facts, ret) : 0;
}

/* How it ended, when it did not end well. */
static void how(const struct tool_container *tool, const struct container_done *done, int64_t timeout_ms,
                struct buf *text)
{
    struct quota list[QUOTA_MAX];
    char met[300], time[32];

    quota_text(list, container_quotas(tool, done, list), true, met, sizeof(met));
    if (done->result < 0)
        (void) buf_printf(text, "the tool's sandbox failed: %s", done->err->text);
    else if (done->is_flooded)
        (void) buf_printf(text, "the tool wrote more than %zu MiB and was ended", CONTAINER_RESULT_MAX >> 20);
    else if (done->exec->end == EXEC_TIMEOUT)
        (void) buf_printf(text, "the tool gave no result in %s and was ended",
                          units_format_duration(time, timeout_ms));
    else if (done->exec->end == EXEC_FAILED)
        (void) buf_printf(text, "the tool could not be started: %s",
                          done->exec->text ? done->exec->text : "");
    else if (done->exec->end == EXEC_SIGNALED)
        (void) buf_printf(text, "the tool was killed by signal %d", done->exec->code);
    else if (done->exec->end == EXEC_KILLED)
        (void) buf_add_text(text, "the tool was killed");
    else if (done->exec->code != 0)
        (void) buf_printf(text, "the tool failed with exit status %d", done->exec->code);
    if (met[0])
        (void) buf_printf(text, "%s%s", text->len > 0 ? ": " : "", met);
}

static void quote(struct buf *text, const char *title, struct span bytes, size_t max)
{
    (void) buf_printf(text, "\n%s%s:\n", title, bytes.len > max ? " begins" : "");
    (void) utf8_repair(text, span_make(bytes.ptr, utf8_cut(bytes, max)));
}

static void quote_words(struct buf *text, const struct capture *words)
{
    uint64_t tokens;

    if (!words || words->total == 0)
        return;
    (void) buf_add_text(text, "\nstderr:\n");
    (void) capture_render(words, WORDS_MAX, text, &tokens); /* what does not fit is left out */
}

bool container_result(const struct tool_container *tool, const struct container_done *done,
                      int64_t timeout_ms, struct buf *text, char summary[CONTAINER_SUMMARY_MAX])
{
    struct span out = trim(done->out);
    struct err err = { 0 };
    char size[32];
    size_t len;

    how(tool, done, timeout_ms, text);
    if (text->len == 0 && is_json(out, &err)) {
        (void) snprintf(summary, CONTAINER_SUMMARY_MAX, "%s of JSON",
                        units_format_size(size, (int64_t) out.len));
        return buf_add_span(text, out) == 0;
    }
    if (text->len == 0)
        (void) buf_printf(text, "the tool's result is not JSON: %s", out.len ? err.text : "it wrote nothing");
    len = utf8_cut(buf_span(text), CONTAINER_SUMMARY_MAX - 10);
    (void) snprintf(summary, CONTAINER_SUMMARY_MAX, "%.*s", (int) len, buf_text(text));
    if (out.len > 0)
        quote(text, "stdout", out, QUOTE_MAX);
    quote_words(text, done->words);
    return false;
}
