/* SPDX-License-Identifier: MIT */
/*
 * Heads of HTTP/1 messages as lines: finding the end of one in what has arrived,
 * and going through its fields. Pure; nothing is copied.
 *
 * Strict (RFC 9112 without its leniencies): lines end in CRLF, no folding, no
 * blank before the colon, no control bytes but TAB inside a value.
 */
#ifndef EGRESS_FIELDS_H
#define EGRESS_FIELDS_H

#include "core/base/span.h"

#include <sys/types.h>

#define HEAD_MAX   16384 /* bytes of a head, its blank line included */
#define FIELDS_MAX 128

/* How far a head was looked at; zeroed to begin. Each byte is looked at once however they arrive. */
struct head_scan {
    size_t at, line; /* `line`: where the current one began */
};

/* Length of the head including its blank line; 0: not whole yet; -1: bad, *ret_why says in one line why.
 * `bytes` is everything since the head began, and may grow between calls only. */
ssize_t head_scan(struct head_scan *scan, struct span bytes, const char **ret_why);

struct field {
    struct span name, value; /* the value without blanks around it */
    struct span line;        /* the whole line with its CRLF */
};

/* Cut the first line off `lines`: without CRLF into *ret. */
bool head_line(struct span *lines, struct span *ret);

/* The next field of `fields` (which shrinks): 1; 0: no more; -1: bad. The blank line of a head is no field:
 * leave it out. */
int field_next(struct span *fields, struct field *ret, const char **ret_why);

bool field_is_name(struct span text);                       /* a token */
bool field_is(const struct field *field, const char *name); /* any case */

/* The next element of a comma-separated list: false when there is none. Empty ones are skipped. */
bool list_next(struct span *list, struct span *ret);

bool span_is_nocase(struct span text, const char *other);

/* Decimal digits only, at most 15 of them. */
bool parse_length(struct span text, int64_t *ret);

#endif
