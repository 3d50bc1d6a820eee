/* SPDX-License-Identifier: MIT */
/* What terminals can do, and how text gets there safely. */
#include "cmd/term.h"

#include "core/base/file.h"
#include "core/base/glyph.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define SAY_MAX  (64 * 1024)

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
}

bool term_has_reader(const struct term *t)
{
    struct pollfd p = { .fd = t->fd };

    return poll(&p, 1, 0) < 0 || !(p.revents & (POLLERR | POLLNVAL));
}

int term_write(const struct term *t, struct span text, struct err *err)
{
    struct err why = { 0 };
    int r = file_write_all(t->fd, text.ptr, text.len, &why);

    if (r == 0 || why.errnum == EPIPE)
        return 0;
    errno = why.errnum;
    return err_errno(err, ERR_IO, "writing to %s", t->fd == STDOUT_FILENO ? "stdout" : "the terminal");
}

int term_print(struct span text, struct err *err)
{
    struct term t;

    term_init(&t, STDOUT_FILENO);
    return term_write(&t, text, err);
}

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list ap)
{
    struct term t = { .fd = STDERR_FILENO };
    struct buf text = BUF_INIT(SAY_MAX);

    if (buf_vprintf(&text, format, ap) == 0)
        (void) term_write(&t, buf_span(&text), NULL); /* there is nowhere left to say it */
    buf_done(&text);
}

void term_say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(format, ap);
    va_end(ap);
}

static int clean_one(struct buf *out, struct span s, size_t *ret_len, bool keep_lines)
{
    uint32_t c = glyph_next(s, ret_len);

    if (c == '\n' || c == '\t')
        return buf_add_char(out, keep_lines ? (char) c : ' ');
    if (!glyph_is_unsafe(c))
        return buf_add(out, s.ptr, *ret_len);
    return c < 0x100 ? buf_printf(out, "\\x%02x", c) : buf_printf(out, "\\u%04x", c);
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

    term_init(&t, STDERR_FILENO);
    buf_add_text(&text, t.has_color ? "agentbox: \033[1;31merror:\033[0m " : "agentbox: error: ");
    term_clean(&text, span_of(err->text), true);
    buf_add_char(&text, '\n');
    if (err->hint[0]) {
        buf_add_text(&text, t.has_color ? "  \033[1mhint:\033[0m " : "  hint: ");
        term_clean(&text, span_of(err->hint), true);
        buf_add_char(&text, '\n');
    }
    (void) term_write(&t, buf_span(&text), NULL); /* there is nowhere left to say it */
    buf_done(&text);
}

void term_warning(const char *format, ...)
{
    struct buf text = BUF_INIT(SAY_MAX), clean = BUF_INIT(4 * SAY_MAX);
    va_list ap;

    va_start(ap, format);
    if (buf_vprintf(&text, format, ap) == 0 && term_clean(&clean, buf_span(&text), true) == 0)
        term_say("agentbox: warning: %s\n", buf_text(&clean));
    va_end(ap);
    buf_done(&text);
    buf_done(&clean);
}
