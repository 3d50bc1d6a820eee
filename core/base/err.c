/* SPDX-License-Identifier: MIT */
/* Errors as values: one table of codes, four ways to fill one. */
#include "core/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_status;
} codes[ERR_CODES] = {
    [ERR_NONE] = { "none", 0 },
    [ERR_AGENT] = { "agent", 1 },
    [ERR_USAGE] = { "usage", 2 },
    [ERR_MANIFEST] = { "manifest", 3 },
    [ERR_ENGINE] = { "engine", 4 },
    [ERR_MODEL] = { "model", 5 },
    [ERR_LIMIT] = { "limit", 6 },
    [ERR_POLICY] = { "policy", 7 },
    [ERR_OUTPUT] = { "output", 8 },
    [ERR_INTERNAL] = { "internal", 9 },
    [ERR_IO] = { "io", 9 },
    [ERR_NOT_FOUND] = { "not_found", 2 },
    [ERR_CONFLICT] = { "conflict", 2 },
    [ERR_PROTOCOL] = { "protocol", 9 },
    [ERR_TIMEOUT] = { "timeout", 9 },
    [ERR_CANCELED] = { "canceled", 130 },
    [ERR_TOO_LARGE] = { "too_large", 9 },
    [ERR_INVALID] = { "invalid", 9 },
    [ERR_ANSWER] = { "answer", 10 },
    [ERR_CHECK] = { "check", 11 },
    [ERR_APPROVAL] = { "approval", 12 },
};

__attribute__((format(printf, 3, 0))) static void fill(struct err *err, enum err_code code,
                                                       const char *format, va_list ap)
{
    err->code = code;
    err->errnum = 0;
    err->hint[0] = '\0';
    vsnprintf(err->text, sizeof(err->text), format, ap);
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list ap;

    if (err) {
        va_start(ap, format);
        fill(err, code, format, ap);
        va_end(ap);
    }
    return -(int) code;
}

int err_errno(struct err *err, enum err_code code, const char *format, ...)
{
    int saved = errno;
    size_t used;
    va_list ap;

    if (err) {
        va_start(ap, format);
        fill(err, code, format, ap);
        va_end(ap);
        err->errnum = saved;
        used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(saved));
    }
    errno = saved;
    return -(int) code;
}

int err_wrap(struct err *err, const char *format, ...)
{
    char inner[ERR_TEXT_MAX];
    size_t used;
    va_list ap;

    if (!err)
        return -(int) ERR_INTERNAL;
    memcpy(inner, err->text, sizeof(inner));
    va_start(ap, format);
    vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
    return -(int) err->code;
}

int err_hint(struct err *err, const char *format, ...)
{
    va_list ap;

    if (!err)
        return -(int) ERR_INTERNAL;
    va_start(ap, format);
    vsnprintf(err->hint, sizeof(err->hint), format, ap);
    va_end(ap);
    return -(int) err->code;
}

int err_recode(struct err *err, enum err_code code)
{
    if (err)
        err->code = code;
    return -(int) code;
}

const char *err_code_name(enum err_code code)
{
    return (unsigned) code < ERR_CODES ? codes[code].name : "unknown";
}

int err_exit_status(enum err_code code)
{
    return (unsigned) code < ERR_CODES ? codes[code].exit_status : 9;
}
