/* SPDX-License-Identifier: MIT */
/*
 * Private to the door: the structs behind door.h, and what its files ask of each
 * other. door.c owns a run's door, conn.c a connection and its decisions,
 * conn_tunnel.c, conn_intercept.c and conn_plain.c what follows an allowed one.
 *
 *     HEAD ─► RATE ─► LAUNCH ─► DIAL ─► HELLO ─► TUNNEL ─► OVER        CONNECT
 *      ▲                         └────► PLAIN ─┬─► DRAIN ─► OVER       plain HTTP
 *      └───────────────────────────────────────┘                       the next request
 *     HEAD ─► RATE ─► HELLO ─► SHAKE ─► HEAD                           CONNECT that ends here
 *     a refusal goes to DRAIN from wherever it happens
 *
 * Everything that calls the owner runs from conn_run(), which the loop calls; it holds the connection
 * (`busy`), so that the owner may free it inside of any callback: after each one `is_freed` is looked at.
 */
#ifndef EGRESS_DOOR_IMPL_H
#define EGRESS_DOOR_IMPL_H

#include "core/base/buf.h"
#include "core/base/tls.h"
#include "core/egress/chunked.h"
#include "core/egress/client_hello.h"
#include "core/egress/dial.h"
#include "core/egress/door.h"
#include "core/egress/match.h"
#include "core/egress/outer.h"
#include "core/egress/redact.h"
#include "core/egress/request_head.h"
#include "core/egress/ring.h"

#define SCRATCH_BYTES     65536
#define IN_MAX            HEAD_MAX /* of the client, not yet used; a ClientHello has the same limit */
#define UP_MAX            16384 /* made for the origin, not yet taken by it; what is made at once may pass it by */
#define FRAMING_MAX       1024 /* ... IN_MAX and the framing of its chunks */
#define RESPONSE_HEAD_MAX 65536
#define OUT_MAX           (2 * (RESPONSE_HEAD_MAX + SCRATCH_BYTES)) /* for the client, beyond its credit */

enum conn_state {
    CONN_HEAD,   /* a request's head is read */
    CONN_RATE,   /* it is whole and waits for its turn (network.rate) */
    CONN_LAUNCH, /* allowed; waits until the record is durable */
    CONN_DIAL,
    CONN_HELLO, /* the tunnel is there, its ClientHello is not yet */
    CONN_SHAKE, /* it came, and TLS with the client is not up yet */
    CONN_TUNNEL,
    CONN_PLAIN, /* a request goes out and an answer comes back */
    CONN_DRAIN, /* the last was said; what the client still sends is dropped */
    CONN_OVER,  /* on_closed() was called */
};

/* What was decided about one request, until its end is told. */
struct ticket {
    bool is_open; /* allowed, on_end() is due */
    uint64_t number;
    uint32_t method;         /* 0: unknown */
    struct egress_host host; /* name "" when there is none */
    const struct egress_rule *rule;
    struct egress_address address;
    bool has_address;
    int status;
    int64_t up, down, since_ms;
};

/* One request and its answer on a plain connection. */
struct plain {
    enum body_kind up_kind, down_kind;
    int64_t up_left, down_left;
    struct chunked up_chunks, down_chunks;
    struct head_scan scan; /* of the answer's head */
    int minor;             /* the client's */
    struct redact redact;  /* of a rule that injects */
    int interims;          /* answers of status 1xx */
    bool up_done, down_done, has_head, must_close, expects_continue;
    bool is_spoiled; /* the origin sent more than its answer: not to be used again */
    bool may_repeat; /* on a fresh connection, when this one was kept too long */
};

struct door_conn {
    struct door *door;
    uint64_t tag;
    const struct door_conn_ops *ops;
    void *data;
    struct ring all, kicked, launching;
    enum conn_state state;
    int busy;
    bool is_freed;
    bool is_surplus; /* beyond a limit: its request is told so */
    bool client_eof, outer_eof, told_eof, wants_room, has_finished;
    bool is_blocked;   /* the origin takes nothing at the moment */
    bool is_up_broken; /* nor will it ever again: what is for it is dropped, its last words are still read */
    size_t credit;
    struct buf in, out, up, head; /* `head`: of the answer */
    struct buf again;             /* PLAIN, may_repeat: the whole request */
    struct head_scan scan;
    size_t hello_wanted;      /* HELLO: bytes before another look is worth it */
    struct hello_watch watch; /* TUNNEL: a second ClientHello */
    size_t watched;           /* TUNNEL: so many of the bytes that are fed next have been looked at */
    char cut_for[DOOR_REASON_MAX + HOST_TEXT]; /* TUNNEL: is to be cut from the loop, for this reason */
    size_t head_len;                           /* RATE: of the request's head in `in` */
    struct request_fault fault;                /* RATE: of a head that is no good; why is NULL otherwise */
    bool ends_here;                            /* a tunnel that is not one */
    bool inner_eof;                /* the client hung up; what it said before may still wait in `inner` */
    struct egress_host inner_host; /* ... and whom the client takes us for */
    struct tls_session *inner; /* from SHAKE on: what is in `in` came, and what is given goes, through it */
    struct outer *outer;
    struct egress_host outer_host; /* whom `outer` is connected to, or will be */
    bool outer_has_tls;
    struct egress_address outer_address;
    struct dial *dial;
    struct loop_source *timer;
    int64_t born_ms, moved_ms, phase_ms; /* phase_ms: the state's deadline; 0 = none */
    struct ticket ticket;
    struct plain plain;
};

/* What a rule injects, resolved. */
struct door_secret {
    struct buf value;        /* of the header */
    struct redact_text text; /* to look for in answers: the value without its prefix */
};

struct door {
    struct loop *loop;
    const struct egress_spec *spec;
    struct door_options options;
    const struct door_ops *ops;
    void *data;
    struct dialer dialer;
    struct ring conns, kicked;
    struct ring launching; /* decided since the loop last waited */
    struct ring recorded;  /* decided before: their records are durable by the time they have their turn */
    struct loop_source *kick, *launch, *before_wait;
    struct door_totals totals;
    int64_t earlier_bytes;
    uint64_t numbers, *last_number;  /* the latter may be shared */
    int64_t next_slot_us;            /* when the rate allows the next request */
    char *scratch;                   /* SCRATCH_BYTES, for one read at a time */
    struct buf frame;                /* a piece of an answer being put together */
    struct buf clean;                /* the same, once the secret is out of it */
    struct door_secret *secrets;     /* as many as rules */
    struct http *http;               /* speaks TLS for rules that inject; NULL when there are none */
    struct tls_authority *authority; /* of rules that intercept; NULL when there are none */
};

/* ---- door.c ---- */

int64_t door_left(const struct door *door); /* bytes that may still move */
void door_moved(struct door_conn *conn, size_t up, size_t down);
/* What the rule injects; NULL: nothing. */
const struct door_secret *door_secret(const struct door *door, const struct egress_rule *rule);
/* Call conn_run() soon, from the loop. */
void door_kick(struct door_conn *conn);
/* Call conn_launch() once what was recorded so far is durable. */
void door_launch(struct door_conn *conn);
/* How long this request has to wait for its turn, which is taken; -1: longer than `max_ms`. */
int64_t door_wait_ms(struct door *door, int64_t max_ms);
const char *door_spent(const struct door *door); /* why nothing moves any more, NULL: it does */
int64_t door_head_ms(const struct door *door);

/* ---- conn_decide.c ---- */

bool conn_head(struct door_conn *conn); /* a step of CONN_HEAD */
void conn_head_late(struct door_conn *conn);
void conn_decide(struct door_conn *conn); /* about the head_len first bytes of `in` */
void conn_launch(struct door_conn *conn);
void conn_redial(struct door_conn *conn); /* the same request, to the same host, on a fresh connection */

/* ---- conn.c ---- */

void conn_run(struct door_conn *conn);
void conn_let_go(struct door_conn *conn); /* after busy++ */
void conn_on_outer(void *data, unsigned events);
void conn_on_timer(void *data);
void conn_set_state(struct door_conn *conn, enum conn_state state, int64_t limit_ms); /* 0: no deadline */
void conn_release(struct door_conn *conn,
                  const char *reason); /* everything; the memory when nobody is busy */

/* A tunnel that ends here, before it could be answered: the record, the rest of what is for the client, the
 * end. */
void conn_deny(struct door_conn *conn, const char *reason);
/* Refuse the request: an answer to the client, the record, and the end of the connection. */
void conn_refuse(struct door_conn *conn, int status, const char *reason, const char *allow);
/* The same without a record, for what would flood them. */
void conn_turn_away(struct door_conn *conn, int status, const char *reason);
/* What was allowed is over; `reason` "" when it went well. */
void conn_end_ticket(struct door_conn *conn, const char *reason, bool is_denied);
/* Break off without another word; last thing to do. */
void conn_cut(struct door_conn *conn, const char *reason, bool is_denied);
/* No request follows: let what is queued out, then close. */
void conn_finish(struct door_conn *conn);

/* Of the next tunnel or request. */
static inline uint64_t door_number(struct door *door)
{
    return ++*door->last_number;
}

/* Bytes for the client: directly as far as its credit goes, the rest is kept. False: the connection is gone.
 */
bool conn_give(struct door_conn *conn, struct span bytes);
bool conn_give_text(struct door_conn *conn, const char *text);
bool conn_give_bare(struct door_conn *conn, struct span bytes); /* without TLS */
/* What the origin says, into the door's scratch, as much as the client takes and the limit allows: > 0 bytes,
 * which are counted; 0: its end; OUTER_AGAIN: nothing now; OUTER_BROKEN. */
ssize_t conn_recv(struct door_conn *conn);
/* Try to send `up` to the origin. */
void conn_flush_up(struct door_conn *conn);

/* ---- conn_tunnel.c and conn_plain.c: false when there is nothing more to do now ---- */

/* ---- conn_intercept.c ---- */

void intercept_begin(struct door_conn *conn, const struct request_head *head, const struct egress_rule *rule);
bool intercept_start(struct door_conn *conn); /* after the ClientHello, which is in `in` */
/* What came, decrypted, into `in`; true: there is something new. */
bool intercept_pull(struct door_conn *conn);
void intercept_gone(struct door_conn *conn); /* the client left in the middle of SHAKE: the record */
bool intercept_give(struct door_conn *conn, struct span bytes);
/* The same without a call to the owner, who gets it at the end of the turn; `is_last`: nothing follows. */
int intercept_queue(struct door_conn *conn, struct span bytes, bool is_last);

void tunnel_begin(struct door_conn *conn);
bool tunnel_hello(struct door_conn *conn);
bool tunnel_step(struct door_conn *conn);
size_t tunnel_feed(struct door_conn *conn, struct span bytes);
void tunnel_read(struct door_conn *conn);

int plain_prepare(struct door_conn *conn, const struct request_head *head);
void plain_keep(
    struct door_conn *conn); /* it goes out on a connection that was kept: it may have to go again */
void plain_begin(struct door_conn *conn);
bool plain_step(struct door_conn *conn);
void plain_read(struct door_conn *conn);

#endif
