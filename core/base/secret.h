/* SPDX-License-Identifier: MIT */
/*
 * Secrets by reference: where a value is found, and the value only at the last
 * moment, in the harness. A resolved secret is never copied into a journal, an
 * error, argv or the sandbox; its memory is wiped when it is given up.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

enum secret_kind {
    SECRET_NONE,
    SECRET_ENV,     /* value: variable name */
    SECRET_FILE,    /* value: path; a trailing newline is cut */
    SECRET_COMMAND, /* argv: program and arguments, no shell; its stdout, trailing newline cut */
};

struct secret_ref {
    enum secret_kind kind;
    const char *value;
    const char *const *argv; /* NULL-terminated; SECRET_COMMAND only */
    const char *prefix;      /* put before the value, may be NULL */
    int64_t timeout_ms;      /* SECRET_COMMAND; 0 = 60 s */
};

/* Append prefix and value to `out`; SECRET_NONE appends nothing. Blocks: a command may ask a person. A value
 * has at most 64 KiB. A command inherits stderr (to ask for a pass phrase) and the terminal, has no stdin,
 * and must end with status 0. ERR_NOT_FOUND when the variable is unset or empty or the file missing, with a
 * hint; ERR_INVALID when it holds control bytes (it would break a header). Values never appear in err. */
int secret_resolve(const struct secret_ref *ref, struct buf *out, struct err *err);

/* Overwrite and free. */
void secret_wipe(struct buf *b);

#endif
