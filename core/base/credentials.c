/* SPDX-License-Identifier: MIT */
/* Header lines with secrets. */
#include "core/base/credentials.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define LINE_MAX_BYTES ((size_t) 64 << 10)

bool credentials_hold(const struct credentials *c, struct span text)
{
    for (size_t i = 0; i < c->secret_count; i++)
        if (memmem(text.ptr, text.len, c->secrets[i].ptr, c->secrets[i].len))
            return true;
    return false;
}

void credentials_done(struct credentials *c)
{
    for (size_t i = 0; i < c->line_count; i++)
        secret_wipe(&c->lines[i]);
    *c = (struct credentials){ 0 };
}

/* Token characters of HTTP; anything else could end the header and begin another. */
static bool is_header_name(const char *name)
{
    size_t n = 0;

    for (; name[n]; n++)
        if (!isalnum((unsigned char) name[n]) && !strchr("!#$%&'*+-.^_`|~", name[n]))
            return false;
    return n > 0;
}

static bool is_header_value(const char *value)
{
    for (; *value; value++)
        if (((unsigned char) *value < 0x20 && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

static void keep_secret(struct credentials *c, struct span value, const char *prefix)
{
    if (prefix && span_starts(value, prefix))
        value = span_make(value.ptr + strlen(prefix), value.len - strlen(prefix));
    if (value.len >= CREDENTIALS_SHORT)
        c->secrets[c->secret_count++] = value;
}

int credentials_add_secret(struct credentials *c, const char *lead, const struct secret_ref *ref,
                           const char *what, struct err *err)
{
    struct buf *line = &c->lines[c->line_count];
    size_t from = strlen(lead);
    int r;

    if (c->line_count == CREDENTIALS_LINES_MAX)
        return err_set(err, ERR_TOO_LARGE, "'%s' is one header too many", what);
    buf_init(line, LINE_MAX_BYTES);
    c->line_count++;
    /* Room for all of it first: growing would leave a copy of the secret behind in freed memory. */
    if (!buf_reserve(line, 8192) || buf_add_text(line, lead) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for a header");
    r = secret_resolve(ref, line, err);
    if (r < 0)
        return err_wrap(err, "reading '%s'", what);
    keep_secret(c, span_make(line->data + from, line->len - from), ref->prefix);
    return 0;
}

int credentials_add_header(struct credentials *c, const struct credential *header, const char *where,
                           struct err *err)
{
    struct buf *line = &c->lines[c->line_count];
    char lead[300], what[400];
    size_t len = strlen(header->name);

    if (!is_header_name(header->name) || len > 256)
        return err_set(err, ERR_INVALID, "'%s' has a name that is none of a header", where);
    if (header->value && !is_header_value(header->value))
        return err_set(err, ERR_INVALID, "the value of '%s.%s' holds control characters", where,
                       header->name);
    (void) snprintf(lead, sizeof(lead), "%s: ", header->name);
    (void) snprintf(what, sizeof(what), "%s.%s", where, header->name);
    if (!header->value)
        return credentials_add_secret(c, lead, &header->secret, what, err);
    if (c->line_count == CREDENTIALS_LINES_MAX)
        return err_set(err, ERR_TOO_LARGE, "'%s' is one header too many", what);
    buf_init(line, LINE_MAX_BYTES);
    c->line_count++;
    if (buf_printf(line, "%s%s", lead, header->value) < 0)
        return err_set(err, ERR_TOO_LARGE, "the value of '%s' is too long", what);
    return 0;
}
