/* SPDX-License-Identifier: MIT */
/* Answers of scanners, kept. */
#include "oci/scan_verdict.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/glyph.h"
#include "core/base/json.h"
#include "core/base/utf8.h"

#include <stdio.h>

#define VERSION     1
#define SHOWN_LINES 3

static const char *const names[] = { "accepted", "refused", "failed" };

const char *scan_answer_name(enum scan_answer answer)
{
    return names[answer];
}

/* ---- words ---- */

void scan_verdict_set_output(struct scan_verdict *v, struct span output)
{
    struct buf text = BUF_INIT(sizeof(v->output) - 1);
    struct span repaired;
    size_t n = 0;

    if (output.len > SCAN_OUTPUT_MAX)
        output = span_make(output.ptr + output.len - SCAN_OUTPUT_MAX, SCAN_OUTPUT_MAX);
    (void) utf8_repair(&text, output); /* three bytes for one at most: it fits */
    repaired = buf_span(&text);
    for (size_t i = 0; i < repaired.len; i++)
        v->output[n++] = repaired.ptr[i] ? repaired.ptr[i] : ' ';
    v->output[n] = '\0';
    buf_done(&text);
}

/* The next line that says something, without blanks around it; len 0 at the end. */
static struct span next_line(struct span *rest)
{
    while (rest->len > 0 && (unsigned char) rest->ptr[0] <= ' ')
        *rest = span_make(rest->ptr + 1, rest->len - 1);

    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct span line = span_make(rest->ptr, end ? (size_t) (end - rest->ptr) : rest->len);

    *rest = span_make(rest->ptr + line.len, rest->len - line.len);
    while (line.len > 0 && (unsigned char) line.ptr[line.len - 1] <= ' ')
        line.len--;
    return line;
}

/* Whole characters, as many as fit; what a terminal would obey becomes a blank. */
static size_t add_safe(char *ret, size_t n, size_t size, struct span text)
{
    for (size_t used; text.len > 0; text = span_make(text.ptr + used, text.len - used)) {
        bool is_unsafe = glyph_is_unsafe(glyph_next(text, &used));
        size_t len = is_unsafe ? 1 : used;

        if (n + len >= size)
            break;
        memcpy(ret + n, is_unsafe ? " " : text.ptr, len);
        n += len;
    }
    ret[n] = '\0';
    return n;
}

void scan_verdict_last_words(const struct scan_verdict *v, char *ret, size_t size)
{
    struct span last[SHOWN_LINES] = { { NULL, 0 } }, rest = span_of(v->output), line;
    size_t n = 0;

    ret[0] = '\0';
    while ((line = next_line(&rest)).len > 0) {
        memmove(last, last + 1, sizeof(last) - sizeof(last[0]));
        last[SHOWN_LINES - 1] = line;
    }
    for (size_t i = 0; i < SHOWN_LINES; i++) {
        if (last[i].len > 0 && n > 0)
            n = add_safe(ret, n, size, span_of(" / "));
        n = add_safe(ret, n, size, last[i]);
    }
}

/* ---- text ---- */

int scan_verdict_encode(const struct scan_verdict *v, const char *image_id, const char *const *command,
                        struct buf *out, struct err *err)
{
    char time[CLOCK_TEXT];
    struct json_writer w;

    clock_text(v->time_ms, time);
    json_begin(&w, out);
    json_object(&w);
    json_put_int(&w, "version", VERSION);
    json_put_string(&w, "image_id", image_id);
    json_key(&w, "command");
    json_array(&w);
    for (; *command; command++)
        json_string(&w, *command);
    json_array_end(&w);
    json_put_string(&w, "answer", names[v->answer]);
    json_put_int(&w, "exit", v->exit_status);
    json_put_string(&w, "time", time);
    json_put_int(&w, "duration_ms", v->duration_ms);
    json_put_string(&w, "output", v->output);
    json_object_end(&w);
    return json_end(&w, err);
}

static int decode(const struct tree *t, const char *image_id, struct scan_verdict *ret, struct err *err)
{
    const char *time = tree_string(tree_get(t, "time"), "");
    struct span output = tree_span(tree_get(t, "output"));

    *ret = (struct scan_verdict){ 0 };
    ret->answer = tree_is_string(tree_get(t, "answer"), names[SCAN_ACCEPTED]) ? SCAN_ACCEPTED : SCAN_REFUSED;
    ret->exit_status = tree_int(tree_get(t, "exit"), -1);
    ret->duration_ms = tree_int(tree_get(t, "duration_ms"), 0);
    scan_verdict_set_output(ret, output);
    if (tree_int(tree_get(t, "version"), 0) != VERSION ||
        !tree_is_string(tree_get(t, "image_id"), image_id) || clock_parse(time, &ret->time_ms) < 0 ||
        (ret->answer == SCAN_REFUSED && !tree_is_string(tree_get(t, "answer"), names[SCAN_REFUSED])) ||
        (ret->answer == SCAN_ACCEPTED) != (ret->exit_status == 0))
        return err_set(err, ERR_INVALID, "this is no answer of a scanner");
    return 0;
}

int scan_verdict_decode(struct span text, const char *image_id, struct scan_verdict *ret, struct err *err)
{
    struct arena arena = ARENA_INIT(16 * SCAN_FILE_MAX);
    const struct tree *t = NULL;
    int r = json_parse(text, &arena, &t, err);

    if (r >= 0)
        r = decode(t, image_id, ret, err);
    arena_done(&arena);
    return r;
}

bool scan_verdict_holds(const struct scan_verdict *v, int64_t now_ms, int64_t max_age_ms)
{
    return v->time_ms <= now_ms && now_ms - v->time_ms < max_age_ms;
}

/* ---- files ---- */

static char *path_of(const char *folder, const char *key)
{
    char name[80];

    snprintf(name, sizeof(name), "%.64s.json", key);
    return file_join(folder, name);
}

int scan_verdict_load(const char *folder, const char *key, const char *image_id, struct scan_verdict *ret,
                      struct err *err)
{
    CLEANUP(free) char *path = path_of(folder, key);
    struct buf text = BUF_INIT(SCAN_FILE_MAX);
    int r = path ? file_read(path, &text, err) : err_set(err, ERR_INTERNAL, "no memory for a path");

    if (r >= 0)
        r = scan_verdict_decode(buf_span(&text), image_id, ret, err);
    buf_done(&text);
    return r < 0 ? err_recode(err, ERR_NOT_FOUND) : 0;
}

int scan_verdict_save(const struct scan_verdict *v, const char *folder, const char *key, const char *image_id,
                      const char *const *command, struct err *err)
{
    CLEANUP(free) char *path = path_of(folder, key);
    struct buf text = BUF_INIT(SCAN_FILE_MAX);
    int r = path ? file_make_dirs(folder, 0700, err) : err_set(err, ERR_INTERNAL, "no memory for a path");

    if (r >= 0)
        r = scan_verdict_encode(v, image_id, command, &text, err);
    if (r >= 0)
        r = file_write_atomic(path, buf_span(&text), 0600, err);
    buf_done(&text);
    return r;
}
