/* SPDX-License-Identifier: MIT */
/*
 * The first flight of TLS: a ClientHello, whole, and the one name it asks for.
 * Pure; nothing is decrypted and nothing is guessed.
 *
 * It may come in any number of records of any size (RFC 8446, 5.1) and in any
 * number of pieces. Refused is what could show the server another name than us: anything but
 * handshake records before it is whole, bytes of another message behind it in its last
 * record, two server_name extensions or two names in one, and the extensions of encrypted
 * ClientHello, an empty one of the GREASE kind included: without the server's key the two cannot be told
 * apart.
 */
#ifndef EGRESS_CLIENT_HELLO_H
#define EGRESS_CLIENT_HELLO_H

#include "core/base/span.h"

#include <sys/types.h>

#define CLIENT_HELLO_MAX 16384 /* bytes, record headers included; large ones have about 2,000 */

struct client_hello {
    size_t wanted; /* after "need more": with fewer bytes than this the answer is the same */
    bool has_name;
    char name[256]; /* server_name as sent, terminated; holds no NUL */
};

/* Bytes of the records that hold it, from the first byte of the connection on; 0: need more; -1: not one of
 * these, *ret_why says why in one line that quotes nothing. */
ssize_t client_hello_parse(struct span bytes, struct client_hello *ret, const char **ret_why);

#endif
