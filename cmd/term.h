/* SPDX-License-Identifier: MIT */
/*
 * The terminal: what stderr and stdout can do, and text made safe to show.
 * The only code of the program that prints, and the only one that knows the descriptors.
 *
 * Nothing of what a model, a tool, an image, a server, a manifest or a file name says reaches a terminal as
 * something that it would act upon. That is held twice: verbs clean what is foreign where they put
 * it into a line (term_clean(), tone_foreign()), so that it also stays on its line; and term_write(), through
 * which all text goes, lets nothing pass but text, newlines, tabs and our own colours.
 *
 * Two things stay as they are, byte for byte, because they are data: what term_keep() is given, which its
 * callers do only when no terminal is there (tests/style knows them), and JSON, in which
 * the same characters are escaped as JSON can (term_json()).
 *
 * Writing to a pipe whose reader has gone is not an error: the rest is dropped.
 */
#ifndef CMD_TERM_H
#define CMD_TERM_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdbool.h>

enum { TERM_OUT = 1, TERM_ERR = 2 };

struct term {
    int fd;
    bool is_tty;
    bool is_plain;  /* not a terminal, or one that cannot take a line back (TERM unset or dumb) */
    bool has_color; /* not plain, and NO_COLOR not set (no-color.org) */
    int columns;    /* 80 when unknown */
    int rows;       /* 0 when unknown */
};

void term_init(struct term *t, int fd);
void term_measure(struct term *t); /* its size now: windows change */

/* Lines of text; ERR_IO when the device is full or broken. */
int term_write(const struct term *t, struct span text, struct err *err);

/* A JSON document or a line of one. */
int term_json(const struct term *t, struct span json, struct err *err);

/* Bytes that somebody else is to read as they are: a result, a patch, an archive; never for a terminal. */
int term_keep(const struct term *t, struct span bytes, struct err *err);

/* The same to stdout: the whole result of a verb. */
int term_print(struct span text, struct err *err);
int term_print_json(struct span json, struct err *err);

/* The live line of a terminal: what stands there goes, `line` takes its place. Failing is no harm. */
void term_redraw(const struct term *t, struct span line);

/* False once the reader of a pipe has gone: what lasts need not go on. */
bool term_has_reader(const struct term *t);

/* Where somebody who sees stderr types, when stdin is a terminal too: a descriptor of its own, since the loop
 * makes it non-blocking, which the shell's must not become. -1: there is nobody. */
int term_open_input(void);
void term_forget_input(int fd); /* what was typed there and not read yet */

/* One line to stderr, without its newline: whatever the arguments hold stays on it. Failures there have
 * nobody to be told to. */
void term_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Append `text` for people: valid UTF-8, controls escaped as \x1b, \u202e or \U000e0041, newlines and tabs
 * kept when `keep_lines`, else shown as blanks. */
int term_clean(struct buf *out, struct span text, bool keep_lines);

/* Each line of a foreign text, cleaned, behind a mark of ours ("| "), so that none passes for words of ours;
 * appended. */
int term_quote(struct buf *out, const char *mark, struct span text);

/* What of a cleaned line fits into `columns` cells of a terminal, with an ellipsis when cut; appended. */
int term_fit(struct buf *out, struct span line, int columns);

/* One line of foreign text, cleaned; of more than TERM_LINE_MAX bytes the beginning, and how many there are.
 */
#define TERM_LINE_MAX 4096
int term_line(struct buf *out, struct span text);

/* "agentbox: error: TEXT" and the hint on a line of its own, to stderr. */
void term_error(const struct err *err);
void term_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
