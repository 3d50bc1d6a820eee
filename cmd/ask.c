/* SPDX-License-Identifier: MIT */
/* May this call run? */
#include "cmd/ask.h"

#include "cmd/term.h"
#include "core/base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_MAX  ((size_t) 256 * 1024 * 1024)
#define LINE_MAX_  4096
#define PAGE_LINES 40
#define TOLD_MAX   ((size_t) 64 * 1024)

/* One that waits for its turn: subagents ask when they like. */
struct waiting {
    struct waiting *next;
    struct buf shown;
    int64_t call;
    char agent_id[RUN_ID_SIZE];
    ask_fn *fn;
    void *data;
};

struct ask {
    struct loop *loop;
    struct waiting *waiting; /* the first first */
    struct loop_source *source;
    struct term term;
    int fd;
    struct buf shown; /* what is still to be shown */
    struct buf line;  /* what was typed, up to its end */
    int64_t call;
    char agent_id[RUN_ID_SIZE]; /* "": the run's own */
    ask_fn *fn;
    void *data;
};

int ask_new(struct loop *loop, struct ask **ret, struct err *err)
{
    CLEANUP(fd) int fd = term_open_input();
    struct ask *ask;

    *ret = NULL;
    if (fd < 0)
        return 0;
    ask = calloc(1, sizeof(*ask));
    if (!ask)
        return err_set(err, ERR_INTERNAL, "no memory for asking");
    ask->loop = loop;
    ask->fd = take_fd(&fd);
    term_init(&ask->term, TERM_ERR);
    buf_init(&ask->shown, SHOWN_MAX);
    buf_init(&ask->line, LINE_MAX_);
    *ret = ask;
    return 0;
}

static void drop(struct waiting **slot)
{
    struct waiting *w = *slot;

    *slot = w->next;
    buf_done(&w->shown);
    free(w);
}

void ask_free(struct ask *ask)
{
    if (!ask)
        return;
    loop_source_free(ask->source);
    while (ask->waiting)
        drop(&ask->waiting);
    (void) close(ask->fd);
    buf_done(&ask->shown);
    buf_done(&ask->line);
    free(ask);
}

static void ask_next(struct ask *ask);

static void say(const struct ask *ask, const char *text)
{
    (void) term_write(&ask->term, span_of(text), NULL); /* who cannot be told cannot answer either */
}

/* The next page, never more than fits beside its prompt; a line that is wider than the terminal goes on in
 * the next one of it. */
static void show_page(struct ask *ask)
{
    size_t len = 0, columns, room, rows = 0;

    term_measure(&ask->term);
    columns = ask->term.columns > 0 ? (size_t) ask->term.columns : 80;
    room = ask->term.rows > 8 && ask->term.rows < PAGE_LINES ? (size_t) ask->term.rows - 4 : PAGE_LINES - 4;
    while (len < ask->shown.len) {
        const char *at = ask->shown.data + len, *eol = memchr(at, '\n', ask->shown.len - len);
        size_t line = eol ? (size_t) (eol - at) + 1 : ask->shown.len - len;

        if (rows > 0 && rows + line / columns + 1 > room)
            break;
        if (line > columns * room)
            line = columns * room;
        rows += line / columns + 1;
        len += line;
    }
    (void) term_write(&ask->term, span_make(ask->shown.data, len), NULL);
    buf_drop(&ask->shown, len);
    if (ask->shown.len == 0)
        say(ask, "run it? y: yes, n: no, n REASON: no, and the model is told why, q: stop here and answer "
                 "later\n> ");
    else
        say(ask, "-- there is more: Enter shows it; n, q as at its end --\n> ");
}

static void finish(struct ask *ask, enum run_approve_answer answer, const char *reason)
{
    loop_source_free(TAKE_PTR(ask->source));
    buf_clear(&ask->shown);
    ask->fn(ask->data, ask->agent_id[0] ? ask->agent_id : NULL, ask->call, answer, reason);
    ask_next(ask);
}

static void take_line(struct ask *ask, const char *line)
{
    line += strspn(line, " \t");
    if (strcmp(line, "q") == 0 || strcmp(line, "quit") == 0) {
        finish(ask, RUN_APPROVE_LATER, NULL);
    } else if (strcmp(line, "n") == 0 || strcmp(line, "no") == 0) {
        finish(ask, RUN_APPROVE_NO, NULL);
    } else if (strncmp(line, "n ", 2) == 0 || strncmp(line, "no ", 3) == 0) {
        finish(ask, RUN_APPROVE_NO, strchr(line, ' ') + 1);
    } else if (ask->shown.len > 0) {
        show_page(ask); /* whatever it was: first all of it */
    } else if (strcmp(line, "y") == 0 || strcmp(line, "yes") == 0) {
        finish(ask, RUN_APPROVE_YES, NULL);
    } else {
        say(ask, "y, n or q\n> ");
    }
}

static void on_input(void *data, unsigned events)
{
    struct ask *ask = data;
    char text[512], line[LINE_MAX_ + 1];
    ssize_t n = read(ask->fd, text, sizeof(text));

    (void) events;
    if (n < 0)
        return; /* not yet; what is broken comes as its end */
    if (n == 0) {
        say(ask, "\n");
        finish(ask, RUN_APPROVE_LATER, NULL);
        return;
    }
    for (ssize_t i = 0; i < n && ask->source; i++) {
        if (text[i] != '\n') {
            (void) buf_add_char(&ask->line, text[i]); /* of a line that is too long the beginning */
            continue;
        }
        (void) snprintf(line, sizeof(line), "%s", buf_text(&ask->line));
        buf_clear(&ask->line);
        take_line(ask, line);
    }
}

static int put_question(struct buf *out, const struct run_question *question, size_t max)
{
    struct span text = question->text;
    int r = buf_printf(out, "\n%s%scall %lld wants to run (", question->agent ? question->agent : "",
                       question->agent ? ": " : "", (long long) question->call);
    size_t left = text.len > max ? text.len - max : 0;

    text.len -= left;
    if (r == 0)
        r = term_clean(out, span_of(question->rule ? question->rule : "ask"), false);
    if (r == 0)
        r = buf_add_text(out, "):\n");
    if (r == 0)
        r = term_quote(out, "| ", text);
    return r == 0 && left > 0 ? buf_printf(out, "(and %zu bytes more)\n", left) : r;
}

void ask_tell(const struct run_question *question)
{
    struct buf text = BUF_INIT(SHOWN_MAX);
    struct term term;

    term_init(&term, TERM_ERR);
    if (put_question(&text, question, TOLD_MAX) == 0)
        (void) term_write(&term, buf_span(&text), NULL); /* only for show */
    buf_done(&text);
}

/* It is this one's turn. */
static int ask_now(struct ask *ask, struct waiting *w, struct err *err)
{
    int r;

    buf_done(&ask->shown);
    ask->shown = w->shown;
    ask->call = w->call;
    memcpy(ask->agent_id, w->agent_id, sizeof(ask->agent_id));
    ask->fn = w->fn;
    ask->data = w->data;
    free(w);
    buf_clear(&ask->line);
    term_forget_input(ask->fd); /* what was typed before it was seen is no answer */
    r = loop_watch_fd(ask->loop, ask->fd, LOOP_READ, on_input, ask, &ask->source, err);
    if (r == 0)
        show_page(ask);
    return r;
}

static void ask_next(struct ask *ask)
{
    struct waiting *w = ask->waiting;
    struct err err = { 0 };

    if (!w)
        return;
    ask->waiting = w->next;
    if (ask_now(ask, w, &err) < 0)
        finish(ask, RUN_APPROVE_LATER, NULL);
}

int ask_about(struct ask *ask, const struct run_question *question, ask_fn *fn, void *data, struct err *err)
{
    struct waiting *w = calloc(1, sizeof(*w)), **slot = &ask->waiting;
    int r;

    if (!w)
        return err_set(err, ERR_INTERNAL, "no memory for asking");
    buf_init(&w->shown, SHOWN_MAX);
    w->call = question->call;
    snprintf(w->agent_id, sizeof(w->agent_id), "%s", question->agent_id ? question->agent_id : "");
    w->fn = fn;
    w->data = data;
    r = put_question(&w->shown, question, SIZE_MAX);
    if (r < 0) {
        buf_done(&w->shown);
        free(w);
        return err_set(err, ERR_TOO_LARGE, "the call is too large to be shown");
    }
    if (!ask->source)
        return ask_now(ask, w, err);
    while (*slot)
        slot = &(*slot)->next;
    *slot = w;
    return 0;
}

bool ask_withdraw(struct ask *ask, const char *agent_id)
{
    struct waiting **slot = &ask->waiting;

    while (*slot)
        if (strcmp((*slot)->agent_id, agent_id) == 0)
            drop(slot);
        else
            slot = &(*slot)->next;
    if (!ask->source || strcmp(ask->agent_id, agent_id) != 0)
        return false;
    loop_source_free(TAKE_PTR(ask->source));
    buf_clear(&ask->shown);
    say(ask, "\n(it has ended, and needs no answer any more)\n");
    ask_next(ask);
    return !ask->source;
}
