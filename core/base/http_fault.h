/* SPDX-License-Identifier: MIT */
/*
 * Private to http.c: what went wrong below HTTP, told as an error with its hint; the codes are those http.h
 * promises. Touches nothing but what it is given.
 */
#ifndef BASE_HTTP_FAULT_H
#define BASE_HTTP_FAULT_H

#include "core/base/err.h"

#include <stdint.h>

enum http_fault_kind {
    HTTP_FAULT_REFUSED,     /* the reader of the answer broke it off */
    HTTP_FAULT_HOST,        /* its name, or the proxy's, is not known */
    HTTP_FAULT_CONNECT,     /* no connection */
    HTTP_FAULT_TIMEOUT,     /* connecting, or everything, took too long */
    HTTP_FAULT_BROKEN,      /* the connection broke while bytes went over it */
    HTTP_FAULT_MEMORY,      /* none left */
    HTTP_FAULT_INPUT,       /* the URL or a file of TLS is not what it should be */
    HTTP_FAULT_CERTIFICATE, /* the server's is not believed */
    HTTP_FAULT_PROTOCOL,    /* anything else: the server does not speak as it should */
};

struct http_fault {
    enum http_fault_kind kind;
    int refused;         /* HTTP_FAULT_REFUSED: its code, negative */
    const char *target;  /* "https://host:1", as in http_call.h */
    char *words;         /* of the library on this very call, or ""; control bytes in it are blanked */
    const char *general; /* of the library on such calls */
    const char *tls_ca;  /* the file of authorities that the request names; NULL: the system's are believed */
    long errnum;         /* of the last system call, even of an address tried earlier; 0: none known */
    long verdict;        /* of the TLS library on the certificates; 0: fine, 1: libcurl broke off earlier */
    int64_t elapsed_ms, connect_ms;
    int64_t total_ms; /* 0: no limit */
};

/* Returns -code. */
int http_fault_tell(const struct http_fault *fault, struct err *err);

#endif
