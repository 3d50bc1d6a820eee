/* SPDX-License-Identifier: MIT */
/* Header lines with secrets. */
#include "core/model/credentials.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define LINE_MAX_BYTES ((size_t) 64 << 10)

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

/* "Name: " and the value of `ref`, resolved. `what` names the place in the manifest. */
static int add_secret(struct credentials *c, const char *lead, const struct secret_ref *ref, const char *what,
                      struct err *err)
{
    struct buf *line = &c->lines[c->line_count];
    size_t from = strlen(lead);
    int r;

    buf_init(line, LINE_MAX_BYTES);
    c->line_count++;
    /* Room for all of it first: growing would leave a copy of the secret behind in freed memory. */
    if (!buf_reserve(line, 8192) || buf_add_text(line, lead) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for a header");
    r = secret_resolve(ref, line, err);
    if (r < 0) {
        (void) err_wrap(err, "reading '%s'", what);
        return err_recode(err, ERR_MODEL);
    }
    keep_secret(c, span_make(line->data + from, line->len - from), ref->prefix);
    return 0;
}

static int add_key(struct credentials *c, const struct model_spec *spec, struct err *err)
{
    const char *lead = spec->auth_header == MODEL_AUTH_API_KEY ? "api-key: " : "Authorization: Bearer ";
    const char *name = spec->auth_header == MODEL_AUTH_API_KEY ? "api-key" : "Authorization";

    if (spec->api_key.kind == SECRET_NONE)
        return 0;
    for (size_t i = 0; i < spec->header_count; i++)
        if (strcasecmp(spec->headers[i].name, name) == 0)
            return 0;
    return add_secret(c, lead, &spec->api_key, "model.api_key", err);
}

static int add_header(struct credentials *c, const struct model_header *header, struct err *err)
{
    struct buf *line = &c->lines[c->line_count];
    char lead[300], what[300];
    size_t len = strlen(header->name);

    if (!is_header_name(header->name) || len > 256)
        return err_set(err, ERR_MODEL, "'model.headers' has a name that is none of a header");
    if (header->value && !is_header_value(header->value))
        return err_set(err, ERR_MODEL, "the value of 'model.headers.%s' holds control characters",
                       header->name);
    if (header->value) {
        buf_init(line, LINE_MAX_BYTES);
        c->line_count++;
        if (buf_printf(line, "%s: %s", header->name, header->value) < 0)
            return err_set(err, ERR_MODEL, "the value of 'model.headers.%s' is too long", header->name);
        return 0;
    }
    (void) snprintf(lead, sizeof(lead), "%s: ", header->name);
    (void) snprintf(what, sizeof(what), "model.headers.%s", header->name);
    return add_secret(c, lead, &header->secret, what, err);
}

int credentials_load(struct credentials *c, const struct model_spec *spec, struct err *err)
{
    int r = 0;

    if (spec->header_count >= CREDENTIALS_LINES_MAX)
        r = err_set(err, ERR_MODEL, "'model.headers' has more than %d entries", CREDENTIALS_LINES_MAX - 1);
    else
        r = add_key(c, spec, err);
    for (size_t i = 0; i < spec->header_count && r == 0; i++)
        r = add_header(c, &spec->headers[i], err);
    if (r < 0)
        credentials_done(c);
    return r;
}
