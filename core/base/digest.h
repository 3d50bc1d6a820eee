/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, base64 and random bytes; the only door to libcrypto.
 * A digest's text form is 64 lower-case hex digits.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

#define DIGEST_SIZE 32
#define DIGEST_HEX  65 /* with the NUL */

struct digest; /* a running SHA-256 */

struct digest *digest_new(void); /* NULL: no memory */
void digest_free(struct digest *d);
void digest_add(struct digest *d, const void *ptr, size_t len);
void digest_end(struct digest *d, uint8_t ret[DIGEST_SIZE]); /* once; then only free */

void digest_hex(const uint8_t sum[DIGEST_SIZE], char ret[DIGEST_HEX]);
void digest_of(struct span s, char ret[DIGEST_HEX]); /* in one go */
/* What is left to be read of a file, and how much that was. 0 or the code; *ret_size is set either way. */
int digest_fd(int fd, char ret[DIGEST_HEX], int64_t *ret_size, struct err *err);

int base64_encode(struct buf *out, struct span s);
int base64_decode(struct buf *out, struct span s); /* -ERR_INVALID: not base64 */

/* Unpredictable bytes; cannot fail on a working system (asserts). */
void random_bytes(void *ptr, size_t len);

#endif
