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

#include "core/base/buf.h"
#include "core/base/span.h"

#include <sys/types.h>

#define CLIENT_HELLO_MAX 16384 /* bytes, record headers included; large ones have about 2,000 */

struct client_hello {
    bool has_early_data; /* what follows may be data before a second one */
    size_t wanted;       /* after "need more": with fewer bytes than this the answer is the same */
    bool has_name;
    char name[256]; /* server_name as sent, terminated; holds no NUL */
};

/* Bytes of the records that hold it, from the first byte of the connection on; 0: need more; -1: not one of
 * these, *ret_why says why in one line that quotes nothing. */
ssize_t client_hello_parse(struct span bytes, struct client_hello *ret, const char **ret_why);

/*
 * What follows in a tunnel. A server may ask for a second ClientHello (RFC 8446, 4.1.4), which some would
 * take another name from: so what the client sends is followed record by record until no such message can
 * come any more, and a second one has to name what the first one named. Nothing that would complete one with
 * another name has been passed on when it is noticed.
 *
 * It is over when the server has answered with a ServerHello of its own instead, with the client's first
 * encrypted record unless early data was offered, which may stand before a second ClientHello, and with
 * another handshake message.
 */
struct hello_watch {
    unsigned char record[6];  /* of the client: the header and the first byte of the payload */
    size_t have, left;        /* `left`: of the payload, not seen yet */
    unsigned char answer[43]; /* of the server: up to the end of a ServerHello's random */
    size_t answer_len;
    bool is_over, is_hello, has_early_data;
};

void hello_watch_init(struct hello_watch *w, const struct client_hello *first);
void hello_watch_answer(struct hello_watch *w, struct span bytes); /* the next ones of the server */
/* The next bytes of the client, each once. Those of a ClientHello are appended to `hello` (CLIENT_HELLO_MAX).
 * 1: one is whole in it, and *ret tells of it: compare, empty `hello`, and call again with what follows the
 * *ret_taken bytes; 0: all taken; -1: cut, *ret_why says why in one line. */
int hello_watch_feed(struct hello_watch *w, struct span bytes, struct buf *hello, struct client_hello *ret,
                     size_t *ret_taken, const char **ret_why);

#endif
