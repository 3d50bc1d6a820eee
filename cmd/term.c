/* SPDX-License-Identifier: MIT */
/* What terminals can do, and how text gets there safely. */
#include "cmd/term.h"

#include "core/base/file.h"
#include "core/base/glyph.h"
#include "core/base/json.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ELLIPSIS   "\xe2\x80\xa6"
#define SAY_MAX    (64 * 1024)

#define SAFE_TIMES 6 /* a byte that is made visible takes at most so many */

void term_init(struct term *t, int fd)
{
    const char *kind = getenv("TERM"), *no_color = getenv("NO_COLOR");

    *t = (struct term){ .fd = fd, .columns = 80 };
    t->is_tty = isatty(fd) == 1;
    t->is_plain = !t->is_tty || !kind || !*kind || strcmp(kind, "dumb") == 0;
    t->has_color = !t->is_plain && !(no_color && *no_color);
    term_measure(t);
}

void term_measure(struct term *t)
{
    struct winsize size = { 0 };

    if (t->is_tty && ioctl(t->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        t->columns = size.ws_col;
    t->rows = t->is_tty ? size.ws_row : 0;
}

bool term_has_reader(const struct term *t)
{
    struct pollfd p = { .fd = t->fd };

    return poll(&p, 1, 0) < 0 || !(p.revents & (POLLERR | POLLNVAL));
}

/* ---- making text safe ---- */

static int clean_one(struct buf *out, struct span s, size_t *ret_len, bool keep_lines)
{
    uint32_t c = glyph_next(s, ret_len);

    if (c == '\n' || c == '\t')
        return buf_add_char(out, keep_lines ? (char) c : ' ');
    if (!glyph_is_unsafe(c))
        return buf_add(out, s.ptr, *ret_len);
    return buf_printf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

int term_clean(struct buf *out, struct span text, bool keep_lines)
{
    struct buf valid = BUF_INIT(3 * text.len + 1);
    int r = utf8_repair(&valid, text);
    size_t len;

    for (struct span s = buf_span(&valid); r == 0 && s.len > 0; s.ptr += len, s.len -= len)
        r = clean_one(out, s, &len, keep_lines);
    buf_done(&valid);
    return r;
}

int term_line(struct buf *out, struct span text)
{
    size_t shown = text.len > TERM_LINE_MAX ? utf8_cut(text, TERM_LINE_MAX) : text.len;
    int r = term_clean(out, span_make(text.ptr, shown), false);

    if (r == 0 && shown < text.len)
        r = buf_printf(out, ELLIPSIS " (%zu bytes)", text.len);
    return r;
}

/* The colours that this program uses, at the beginning of `s`: how many bytes. Not any other: there are some
 * that hide text. */
static size_t style_at(struct span s)
{
    static const char *const ours[] = { "\033[0m",  "\033[1m",  "\033[2m",  "\033[31m",
                                        "\033[32m", "\033[33m", "\033[36m", "\033[1;31m" };

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (span_starts(s, ours[i]))
            return strlen(ours[i]);
    return 0;
}

/* How much of `s` can go as it is. */
static size_t safe_part(const struct term *t, struct span s)
{
    size_t at = 0, len;
    uint32_t c;

    for (; at < s.len; at += len) {
        struct span rest = span_make(s.ptr + at, s.len - at);

        c = glyph_next(rest, &len);
        if (c == '\033' && t->has_color && style_at(rest) > 0)
            len = style_at(rest);
        else if (c != '\n' && c != '\t' && (glyph_is_unsafe(c) || (c == 0xfffd && len == 1)))
            break;
    }
    return at;
}

static int guard(const struct term *t, struct buf *out, struct span s)
{
    int r = 0;

    while (r == 0 && s.len > 0) {
        size_t part = safe_part(t, s), len = 0;
        bool is_valid = true;

        r = buf_add(out, s.ptr, part);
        s = span_make(s.ptr + part, s.len - part);
        if (r < 0 || s.len == 0)
            break;
        len = utf8_step(s, &is_valid);
        r = is_valid ? clean_one(out, s, &len, true) : buf_add_text(out, "\xef\xbf\xbd");
        s = span_make(s.ptr + len, s.len - len);
    }
    return r;
}

/* ---- writing ---- */

int term_keep(const struct term *t, struct span bytes, struct err *err)
{
    struct err why = { 0 };
    int r = file_write_all(t->fd, bytes.ptr, bytes.len, &why);

    if (r == 0 || why.errnum == EPIPE)
        return 0;
    errno = why.errnum;
    return err_errno(err, ERR_IO, "writing to %s", t->fd == TERM_OUT ? "stdout" : "the terminal");
}

int term_write(const struct term *t, struct span text, struct err *err)
{
    struct buf safe = BUF_INIT(SAFE_TIMES * text.len);
    int r;

    if (safe_part(t, text) == text.len)
        return term_keep(t, text, err);
    r = guard(t, &safe, text) < 0 ? err_set(err, ERR_TOO_LARGE, "the text is too large to be shown")
                                  : term_keep(t, buf_span(&safe), err);
    buf_done(&safe);
    return r;
}

int term_json(const struct term *t, struct span json, struct err *err)
{
    struct buf safe = BUF_INIT(SAFE_TIMES * json.len + 1);
    int r = json_armor(&safe, json) < 0 ? err_set(err, ERR_TOO_LARGE, "the report is too large to be written")
                                        : term_keep(t, buf_span(&safe), err);

    buf_done(&safe);
    return r;
}

int term_print(struct span text, struct err *err)
{
    struct term t;

    term_init(&t, TERM_OUT);
    return term_write(&t, text, err);
}

int term_print_json(struct span json, struct err *err)
{
    return term_json(&(struct term){ .fd = TERM_OUT }, json, err);
}

void term_redraw(const struct term *t, struct span line)
{
    struct buf text = BUF_INIT(SAY_MAX);

    if (buf_add_text(&text, "\r\033[K") == 0 && guard(t, &text, line) == 0)
        (void) term_keep(t, buf_span(&text), NULL); /* only for show */
    buf_done(&text);
}

/* ---- words to people ---- */

static void say(const char *intro, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

static void say(const char *intro, const char *format, va_list ap)
{
    struct buf text = BUF_INIT(SAY_MAX), line = BUF_INIT(SAFE_TIMES * SAY_MAX);
    const struct term t = { .fd = TERM_ERR };

    if (buf_vprintf(&text, format, ap) == 0 && buf_add_text(&line, intro) == 0 &&
        term_clean(&line, buf_span(&text), false) == 0 && buf_add_char(&line, '\n') == 0)
        (void) term_write(&t, buf_span(&line), NULL); /* there is nowhere left to say it */
    buf_done(&text);
    buf_done(&line);
}

int term_open_input(void)
{
    return isatty(STDIN_FILENO) && isatty(TERM_ERR) ? open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1;
}

void term_forget_input(int fd)
{
    (void) tcflush(fd, TCIFLUSH); /* no terminal any more: nothing to forget */
}

void term_say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say("", format, ap);
    va_end(ap);
}

void term_warning(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say("agentbox: warning: ", format, ap);
    va_end(ap);
}

int term_quote(struct buf *out, const char *mark, struct span text)
{
    int r = 0;

    while (r == 0 && text.len > 0) {
        const char *eol = memchr(text.ptr, '\n', text.len);
        size_t len = eol ? (size_t) (eol - text.ptr) : text.len, step = eol ? len + 1 : len;

        r = buf_add_text(out, mark);
        if (r == 0)
            r = term_clean(out, span_make(text.ptr, len), false);
        if (r == 0)
            r = buf_add_char(out, '\n');
        text = span_make(text.ptr + step, text.len - step);
    }
    return r;
}

int term_fit(struct buf *out, struct span line, int columns)
{
    size_t at = 0, cut = 0, len;
    int used = 0;

    for (; at < line.len && used <= columns; at += len) {
        used += glyph_width(glyph_next(span_make(line.ptr + at, line.len - at), &len));
        if (used < columns) /* room is left for the ellipsis */
            cut = at + len;
    }
    if (used <= columns)
        return buf_add_span(out, line);
    if (columns < 1)
        return 0;
    return buf_add(out, line.ptr, cut) < 0 ? -ERR_TOO_LARGE : buf_add_text(out, ELLIPSIS);
}

void term_error(const struct err *err)
{
    struct buf text = BUF_INIT(SAY_MAX);
    struct term t;

    term_init(&t, TERM_ERR);
    buf_add_text(&text, t.has_color ? "agentbox: \033[1;31merror:\033[0m " : "agentbox: error: ");
    term_clean(&text, span_of(err->text), false);
    buf_add_char(&text, '\n');
    if (err->hint[0]) {
        buf_add_text(&text, t.has_color ? "  \033[1mhint:\033[0m " : "  hint: ");
        term_clean(&text, span_of(err->hint), false);
        buf_add_char(&text, '\n');
    }
    (void) term_write(&t, buf_span(&text), NULL); /* there is nowhere left to say it */
    buf_done(&text);
}
