/* SPDX-License-Identifier: MIT */
/*
 * Records are put together first (they rarely are more than one, and then a copy
 * of at most CLIENT_HELLO_MAX bytes is made on the stack), then the message is read by one
 * reader that cannot pass its end.
 */
#include "core/egress/client_hello.h"

#include <stdint.h>

#define RECORD_HEADER   5
#define MESSAGE_HEADER  4
#define RECORD_MAX      16384
#define HANDSHAKE       22
#define CLIENT_HELLO    1
#define EXT_SERVER_NAME 0
#define EXT_EARLY_DATA  42
#define EXT_ECH         0xfe0d
#define EXT_ESNI        0xffce
#define EXT_ECH_OUTER   0xfd00
#define NAME_TYPE_HOST  0
#define RANDOM_BYTES    32
#define SESSION_ID_MAX  32

static int fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -1;
}

/* ---- a reader ---- */

struct reader {
    const unsigned char *at;
    size_t left;
};

static bool skip(struct reader *r, size_t len)
{
    if (len > r->left)
        return false;
    r->at += len;
    r->left -= len;
    return true;
}

/* A big-endian number of `size` bytes. */
static bool number(struct reader *r, size_t size, size_t *ret)
{
    const unsigned char *p = r->at;

    if (!skip(r, size))
        return false;
    *ret = 0;
    for (size_t i = 0; i < size; i++)
        *ret = *ret << 8 | p[i];
    return true;
}

/* A vector whose length has `size` bytes. */
static bool vector(struct reader *r, size_t size, struct reader *ret)
{
    size_t len;

    if (!number(r, size, &len) || len > r->left)
        return false;
    *ret = (struct reader){ r->at, len };
    return skip(r, len);
}

/* ---- the message ---- */

static const char malformed[] = "the TLS ClientHello is malformed";

static int read_server_name(struct reader ext, struct client_hello *ret, const char **ret_why)
{
    struct reader list, name;
    size_t type;

    if (ret->has_name)
        return fail(ret_why, "the TLS ClientHello has two server names");
    if (!vector(&ext, 2, &list) || ext.left > 0 || !number(&list, 1, &type) || !vector(&list, 2, &name))
        return fail(ret_why, malformed);
    if (type != NAME_TYPE_HOST || list.left > 0)
        return fail(ret_why, "the TLS ClientHello has two server names");
    if (name.left == 0 || name.left >= sizeof(ret->name) || memchr(name.at, '\0', name.left))
        return fail(ret_why, malformed);
    memcpy(ret->name, name.at, name.left);
    ret->name[name.left] = '\0';
    ret->has_name = true;
    return 0;
}

static int read_extensions(struct reader list, struct client_hello *ret, const char **ret_why)
{
    struct reader ext;
    size_t type;

    while (list.left > 0) {
        if (!number(&list, 2, &type) || !vector(&list, 2, &ext))
            return fail(ret_why, malformed);
        if (type == EXT_ECH || type == EXT_ESNI || type == EXT_ECH_OUTER)
            return fail(ret_why, "the TLS ClientHello hides its server name (ECH): switch that off");
        if (type == EXT_EARLY_DATA)
            ret->has_early_data = true;
        if (type == EXT_SERVER_NAME && read_server_name(ext, ret, ret_why) < 0)
            return -1;
    }
    return 0;
}

static int read_message(struct reader r, struct client_hello *ret, const char **ret_why)
{
    struct reader id, ciphers, compression, extensions;
    size_t version;

    if (!number(&r, 2, &version) || version >> 8 != 3 || !skip(&r, RANDOM_BYTES))
        return fail(ret_why, malformed);
    if (!vector(&r, 1, &id) || id.left > SESSION_ID_MAX || !vector(&r, 2, &ciphers) || ciphers.left < 2 ||
        ciphers.left % 2 != 0 || !vector(&r, 1, &compression) || compression.left < 1)
        return fail(ret_why, malformed);
    if (r.left == 0)
        return 0; /* without extensions, as of old */
    if (!vector(&r, 2, &extensions) || r.left > 0)
        return fail(ret_why, malformed);
    return read_extensions(extensions, ret, ret_why);
}

/* ---- records ---- */

struct message {
    unsigned char copy[CLIENT_HELLO_MAX];
    size_t len;
    size_t wanted; /* with its header; 0: not known yet */
};

static int check_record(const unsigned char *p, size_t len, const char **ret_why)
{
    size_t size;

    if (p[0] != HANDSHAKE)
        return fail(ret_why, "what goes through this tunnel is not TLS");
    if (len < RECORD_HEADER)
        return len > 1 && p[1] != 3 ? fail(ret_why, "what goes through this tunnel is not TLS") : 0;
    size = (size_t) p[3] << 8 | p[4];
    if (p[1] != 3 || p[2] > 4 || size == 0 || size > RECORD_MAX)
        return fail(ret_why, "what goes through this tunnel is not TLS");
    return 0;
}

/* Append what has arrived of a record's payload; 0 or -1. */
static int take_payload(struct message *m, const unsigned char *p, size_t len, const char **ret_why)
{
    if (len > sizeof(m->copy) - m->len)
        return fail(ret_why, "the TLS ClientHello is too long");
    memcpy(m->copy + m->len, p, len);
    m->len += len;
    if (m->len > 0 && m->copy[0] != CLIENT_HELLO)
        return fail(ret_why, "TLS begins with something else than a ClientHello");
    if (m->wanted == 0 && m->len >= MESSAGE_HEADER)
        m->wanted = MESSAGE_HEADER + ((size_t) m->copy[1] << 16 | (size_t) m->copy[2] << 8 | m->copy[3]);
    if (m->wanted > sizeof(m->copy))
        return fail(ret_why, "the TLS ClientHello is too long");
    if (m->wanted > 0 && m->len > m->wanted)
        return fail(ret_why, "something follows the TLS ClientHello in its record");
    return 0;
}

ssize_t client_hello_parse(struct span bytes, struct client_hello *ret, const char **ret_why)
{
    const unsigned char *p = (const unsigned char *) bytes.ptr;
    struct message m;
    size_t at = 0, size;

    m.len = m.wanted = 0;
    memset(ret, 0, sizeof(*ret));
    while (at < bytes.len) {
        ret->wanted = at + RECORD_HEADER;
        if (check_record(p + at, bytes.len - at, ret_why) < 0)
            return -1;
        if (bytes.len - at < RECORD_HEADER)
            return 0;
        size = (size_t) p[at + 3] << 8 | p[at + 4];
        at += RECORD_HEADER;
        ret->wanted = at + size;
        if (take_payload(&m, p + at, size < bytes.len - at ? size : bytes.len - at, ret_why) < 0)
            return -1;
        if (size > bytes.len - at)
            return 0;
        at += size;
        if (m.wanted == 0 || m.len < m.wanted)
            continue;
        if (read_message((struct reader){ m.copy + MESSAGE_HEADER, m.len - MESSAGE_HEADER }, ret, ret_why) <
            0)
            return -1;
        return (ssize_t) at;
    }
    ret->wanted = at + RECORD_HEADER;
    return 0;
}

/* ---- what follows ---- */

#define CHANGE_CIPHERS 20
#define ALERT          21
#define APPLICATION    23
#define SERVER_HELLO   2
#define RANDOM_AT      (RECORD_HEADER + MESSAGE_HEADER + 2)

void hello_watch_init(struct hello_watch *w, const struct client_hello *first)
{
    memset(w, 0, sizeof(*w));
    w->has_early_data = first->has_early_data;
}

/* A ServerHello with this random asks for a second ClientHello (RFC 8446, 4.1.3). */
static const unsigned char retry[RANDOM_BYTES] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

void hello_watch_answer(struct hello_watch *w, struct span bytes)
{
    size_t room = sizeof(w->answer) - w->answer_len, len = bytes.len < room ? bytes.len : room;

    if (room == 0)
        return;
    memcpy(w->answer + w->answer_len, bytes.ptr, len);
    w->answer_len += len;
    if (w->answer_len < sizeof(w->answer) || w->answer[0] != HANDSHAKE ||
        w->answer[RECORD_HEADER] != SERVER_HELLO)
        return;
    w->is_over = w->is_over || memcmp(w->answer + RANDOM_AT, retry, sizeof(retry)) != 0;
}

static size_t payload_len(const struct hello_watch *w)
{
    return (size_t) w->record[3] << 8 | w->record[4];
}

/* Bytes of the record that must be seen to know what it is. */
static size_t needed(const struct hello_watch *w)
{
    bool is_handshake = w->have >= RECORD_HEADER && w->record[0] == HANDSHAKE && payload_len(w) > 0;

    return RECORD_HEADER + is_handshake;
}

static int begin_record(struct hello_watch *w, struct buf *hello, const char **ret_why)
{
    size_t seen = w->have - RECORD_HEADER;

    w->have = 0;
    w->left = payload_len(w) - seen;
    if (w->record[0] == HANDSHAKE && seen == 0) /* some servers pass over those */
        return fail(ret_why, "an empty handshake record follows the TLS ClientHello");
    if (hello->len > 0 || (w->record[0] == HANDSHAKE && w->record[RECORD_HEADER] == CLIENT_HELLO)) {
        w->is_hello = true;
        if (buf_add(hello, w->record, RECORD_HEADER + seen) < 0)
            return fail(ret_why, "the second TLS ClientHello is too long");
    } else if (w->record[0] != CHANGE_CIPHERS && w->record[0] != ALERT) {
        w->is_over = w->record[0] != APPLICATION || !w->has_early_data;
    }
    return 0;
}

/* The beginning of a record, up to where it is known what it is. */
static size_t take_beginning(struct hello_watch *w, struct span bytes)
{
    size_t taken = 0;

    while (taken < bytes.len && w->have < needed(w))
        w->record[w->have++] = (unsigned char) bytes.ptr[taken++];
    return taken;
}

/* 1: it has begun; 0: more is needed; -1: cut. */
static int take_record(struct hello_watch *w, struct span bytes, struct buf *hello, size_t *ret_taken,
                       const char **ret_why)
{
    *ret_taken = take_beginning(w, bytes);
    if (w->have < needed(w))
        return 0;
    return begin_record(w, hello, ret_why) < 0 ? -1 : 1;
}

static int take_rest(struct hello_watch *w, struct span bytes, struct buf *hello, size_t *ret_taken,
                     const char **ret_why)
{
    size_t len = w->left < bytes.len ? w->left : bytes.len;

    *ret_taken = len;
    w->left -= len;
    if (w->is_hello && buf_add(hello, bytes.ptr, len) < 0)
        return fail(ret_why, "the second TLS ClientHello is too long");
    return 1;
}

/* At the end of a record that is one, or a part of one. */
static int look(struct hello_watch *w, struct buf *hello, struct client_hello *ret, const char **ret_why)
{
    ssize_t n;

    if (!w->is_hello || w->left > 0)
        return 0;
    w->is_hello = false;
    n = client_hello_parse(buf_span(hello), ret, ret_why);
    return n > 0 ? 1 : (int) n;
}

int hello_watch_feed(struct hello_watch *w, struct span bytes, struct buf *hello, struct client_hello *ret,
                     size_t *ret_taken, const char **ret_why)
{
    size_t at = 0, taken;
    int r = 0;

    while (r == 0 && at < bytes.len && !w->is_over) {
        struct span rest = span_make(bytes.ptr + at, bytes.len - at);

        r = w->left == 0 ? take_record(w, rest, hello, &taken, ret_why)
                         : take_rest(w, rest, hello, &taken, ret_why);
        at += taken;
        if (r > 0)
            r = look(w, hello, ret, ret_why);
    }
    *ret_taken = w->is_over ? bytes.len : at;
    return r;
}
