/* SPDX-License-Identifier: MIT */
/*
 * Why an operation failed: a plain value of the caller, nothing to free.
 *
 * A function that can fail returns a negative int (the negated code) and fills
 * its last parameter; on success it leaves it alone. err_set() is called where
 * the failure happens, err_wrap() only where something is known that the callee
 * could not know; both return the code, so failing is one statement:
 *
 *     if (fd < 0)
 *         return err_errno(err, ERR_IO, "opening '%s'", path);
 *     r = journal_append(j, &rec, err);
 *     if (r < 0)
 *         return err_wrap(err, "recording call '%s'", call->id);
 *
 * The text reads from general to exact on one line ("recording call 'c1':
 * writing 'journal.jsonl': No space left on device"). What to do next goes into
 * the hint, which cmd/ prints on a line of its own. Only cmd/ prints.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

/* The one list of failures. Callers branch on these, never on text. The exit
 * status is what `agentbox` ends with when the failure reaches main. */
enum err_code {
    ERR_NONE,
    ERR_AGENT,     /* the agent ended without success: refusal, incomplete */
    ERR_USAGE,     /* wrong command line */
    ERR_MANIFEST,  /* manifest not acceptable */
    ERR_ENGINE,    /* engine or sandbox: not reachable, refused, broken */
    ERR_MODEL,     /* model API: refused, broken, retries used up */
    ERR_LIMIT,     /* a limit of `limits` was reached */
    ERR_POLICY,    /* lock-down not verified, a gate said no */
    ERR_OUTPUT,    /* an output is missing or could not be written */
    ERR_INTERNAL,  /* ours: a bug, or memory used up */
    ERR_IO,        /* files of the host: state folder, inputs */
    ERR_NOT_FOUND, /* the thing named is not there */
    ERR_CONFLICT,  /* exists already, held by somebody, wrong state */
    ERR_PROTOCOL,  /* the other side broke the protocol */
    ERR_TIMEOUT,   /* a deadline passed */
    ERR_CANCELED,  /* our side gave up: interrupted, owner went away */
    ERR_TOO_LARGE, /* a ceiling of ours was hit */
    ERR_INVALID,   /* input that is not what it claims to be */
    ERR_ANSWER,    /* the final message does not match agent.output.schema */
    ERR_CHECK,     /* a command of `checks` goes on failing */
    ERR_APPROVAL,  /* the run waits for somebody to approve a call */
    ERR_CODES
};

#define ERR_TEXT_MAX 1024
#define ERR_HINT_MAX 512

struct err {
    enum err_code code;
    int errnum; /* errno of the moment, or 0 */
    char text[ERR_TEXT_MAX];
    char hint[ERR_HINT_MAX];
};

/* Fill `err` (may be NULL). Returns -code. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with ": strerror(errno)" appended and errno kept. */
int err_errno(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " before the text. Returns the code err already carries, negated. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Replace the hint: what the user can do about it. Returns -code of err. */
int err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Change the code, keep the text. For layers whose failure class differs from
 * the callee's (an ERR_IO while collecting outputs is ERR_OUTPUT). Returns -code. */
int err_recode(struct err *err, enum err_code code);

/* The word for a code in journal and --json ("engine", "timeout" ...); never NULL. */
const char *err_code_name(enum err_code code);

/* Exit status of the process when this failure reaches main. */
int err_exit_status(enum err_code code);

#endif
