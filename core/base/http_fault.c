/* SPDX-License-Identifier: MIT */
/* What went wrong below HTTP, in words. */
#include "core/base/http_fault.h"

#include <errno.h>

static int tell_connect(const struct http_fault *f, struct err *err)
{
    if (f->errnum == 0)
        return err_set(err, ERR_IO, "connecting to '%s': %s", f->target, f->words);
    errno = (int) f->errnum;
    return err_errno(err, f->errnum == ENOENT ? ERR_NOT_FOUND : ERR_IO, "connecting to '%s'", f->target);
}

static int tell_timeout(const struct http_fault *f, struct err *err)
{
    if (f->total_ms > 0 && f->elapsed_ms + 5 >= f->total_ms) /* 5: libcurl rounds */
        return err_set(err, ERR_TIMEOUT, "the exchange with '%s' took longer than %g s", f->target,
                       (double) f->total_ms / 1000);
    return err_set(err, ERR_TIMEOUT, "connecting to '%s' took longer than %g s", f->target,
                   (double) f->connect_ms / 1000);
}

/* libcurl's own words may quote the server (names in certificates). */
static const char *words_of(const struct http_fault *f)
{
    if (!f->words[0])
        return f->general;
    for (char *p = f->words; *p; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            *p = ' ';
    return f->words;
}

static int tell_talking(const struct http_fault *f, enum err_code code, struct err *err)
{
    return err_set(err, code, "talking to '%s': %s", f->target, words_of(f));
}

static int tell_broken(const struct http_fault *f, struct err *err)
{
    if (f->errnum == 0 ||
        f->errnum == ECONNREFUSED) /* the latter is left over from an address tried earlier */
        return tell_talking(f, ERR_PROTOCOL, err);
    errno = (int) f->errnum;
    return err_errno(err, ERR_IO, "talking to '%s'", f->target);
}

static int tell_certificate(const struct http_fault *f, struct err *err)
{
    (void) tell_talking(f, ERR_PROTOCOL, err);
    if (f->verdict <= 1)
        return err_hint(err, "the certificate is for another host: use the name that it was made for");
    if (f->tls_ca)
        return err_hint(err, "the authorities in '%s' are the only ones believed", f->tls_ca);
    return err_hint(err,
                    "if the server has a certificate of your own authority, name its file in SSL_CERT_FILE");
}

int http_fault_tell(const struct http_fault *fault, struct err *err)
{
    switch (fault->kind) {
    case HTTP_FAULT_REFUSED:
        return err_set(err, (enum err_code) - fault->refused, "the answer of '%s' was given up by its reader",
                       fault->target);
    case HTTP_FAULT_HOST:
        return err_set(err, ERR_NOT_FOUND, "connecting to '%s': %s", fault->target, words_of(fault));
    case HTTP_FAULT_CONNECT:
        return tell_connect(fault, err);
    case HTTP_FAULT_TIMEOUT:
        return tell_timeout(fault, err);
    case HTTP_FAULT_BROKEN:
        return tell_broken(fault, err);
    case HTTP_FAULT_MEMORY:
        return tell_talking(fault, ERR_INTERNAL, err);
    case HTTP_FAULT_INPUT:
        return tell_talking(fault, ERR_INVALID, err);
    case HTTP_FAULT_CERTIFICATE:
        return tell_certificate(fault, err);
    case HTTP_FAULT_PROTOCOL:
        break;
    }
    return tell_talking(fault, ERR_PROTOCOL, err);
}
