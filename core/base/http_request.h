/* SPDX-License-Identifier: MIT */
/*
 * Private to http*.c: what a request may hold, and its bytes where we write
 * them ourselves.
 */
#ifndef BASE_HTTP_REQUEST_H
#define BASE_HTTP_REQUEST_H

#include "core/base/http.h"

/* ERR_INVALID for control bytes (a line break in a URL or header would smuggle in a second request),
 * headers without a colon, and socket paths that the system cannot hold. */
int http_request_check(const struct http_request *req, struct err *err);

/* Given or implied. */
const char *http_request_method(const struct http_request *req);

/* An upgrade: request line, "Host:", the caller's headers, body. Appends. */
int http_request_write_upgrade(const struct http_request *req, const char *host, const char *resource,
                               struct buf *out, struct err *err);

/* Where the certificates of the authorities are: each NULL for libcurl's own choice, else to be freed.
 * SSL_CERT_FILE and SSL_CERT_DIR are honoured. Without them the hashed folder of the system is taken: it is
 * read one certificate at a time in 3 ms, the bundle file costs 40 to 75 ms. */
int http_request_authorities(char **ret_file, char **ret_dir, struct err *err);

#endif
