/* SPDX-License-Identifier: MIT */
/*
 * The header lines that a manifest adds to each request of a server, secrets resolved, and the
 * secret values by themselves, so that they can be kept out of every text.
 * Memory that held a secret is wiped when it is given up.
 */
#ifndef BASE_CREDENTIALS_H
#define BASE_CREDENTIALS_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/secret.h"

#define CREDENTIALS_LINES_MAX 33 /* the key and 32 of `headers` */
#define CREDENTIALS_SHORT     6  /* shorter values are no secrets, and hiding them would garble every text */

/* A header as a manifest has it. */
struct credential {
    const char *name;
    const char *value; /* NULL when `secret` is used */
    struct secret_ref secret;
};

struct credentials {
    struct buf lines[CREDENTIALS_LINES_MAX]; /* "Name: value" */
    size_t line_count;
    struct span secrets[CREDENTIALS_LINES_MAX]; /* into lines */
    size_t secret_count;
};

/* Add a line to what was zeroed at first; the values never appear in an error. After a failure
 * credentials_done() is due. `what` and `where` name the place in the manifest: "model.headers". */
int credentials_add_header(struct credentials *c, const struct credential *header, const char *where,
                           struct err *err);
/* `lead` ("Authorization: Bearer ") and the value of `ref`. */
int credentials_add_secret(struct credentials *c, const char *lead, const struct secret_ref *ref,
                           const char *what, struct err *err);
bool credentials_hold(const struct credentials *c, struct span text); /* is one of the secrets in it? */
void credentials_done(struct credentials *c);

#endif
