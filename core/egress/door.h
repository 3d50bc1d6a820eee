/* SPDX-License-Identifier: MIT */
/*
 * The door: the only way out of a sandbox, in the harness. One `struct door` a
 * run; one `struct door_conn` a connection that was accepted on the loopback
 * inside. It speaks HTTP proxy towards the inside (CONNECT, and absolute-form
 * requests for plain HTTP), decides, resolves the name itself, refuses every
 * address that is not global, connects to exactly the address it vetted, lets
 * nothing but TLS for the same name through a tunnel, and counts.
 *
 * It knows neither channels nor journals: bytes come by door_conn_feed(), go by
 * door_conn_ops, and what was decided is told by door_ops.
 *
 *     conn = door_open(door, tag, &conn_ops, data)    a connection was accepted inside
 *     door_conn_credit(conn, 65536)                   so many bytes may be sent towards the inside
 *     taken = door_conn_feed(conn, bytes)             bytes from inside; fewer taken: again after on_room()
 *     door_conn_eof(conn)                             the inside will send nothing more
 *     on_bytes(), on_eof(), on_closed()               towards the inside
 *     door_conn_free(conn)                            at any time; required after on_closed() too
 *
 * Callbacks come from the loop, never from inside a door_* function, so each may call any door_* function,
 * door_conn_free() of its own connection included; only door_free() may not be called inside one.
 *
 * A tunnel to a rule that says `intercept` ends here: once its ClientHello named the host, the harness shakes
 * hands with the client under this run's authority (core/base/tls.h), and what comes inside is read as
 * requests, each decided, sent and answered like one in plain HTTP. The tunnel itself lets nothing out and
 * has no record, unless it is refused.
 *
 * Records. Each tunnel and each request on a kept-alive connection gets a number, one on_decision(), and,
 * when it was allowed, one on_end(). on_decision() comes before anything of it leaves the process: name
 * lookups and connecting begin in a later turn of the loop, after its loop_before_wait() functions ran, so a
 * journal that flushes there is durable before anything is visible. What is refused only later (the name
 * resolves to a private address, the SNI is another name) ends with `is_denied` and its reason.
 * All texts in records are one line of printable ASCII, whatever was asked for.
 *
 * A refusal is an answer the client can read: status 403 (400 where it was no HTTP of ours), the reason in
 * the status line and in the body, the manifest line that would allow it, `Connection: close`.
 */
#ifndef EGRESS_DOOR_H
#define EGRESS_DOOR_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/span.h"
#include "core/egress/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct door;
struct door_conn;

#define DOOR_REASON_MAX 256 /* with NUL */

/* Valid inside the callback only. */
struct door_decision {
    uint64_t number; /* 1, 2, ... in the life of this door, or of those it shares them with */
    uint64_t tag;    /* of door_open() */
    bool is_allowed;
    const char *method;             /* "CONNECT", "GET" ...; "" when it did not come that far */
    const char *host;               /* the validated name or address; "" when there was none that is valid */
    uint16_t port;                  /* 0: none */
    const struct egress_rule *rule; /* that allowed it, or whose `methods` did not; NULL: none */
    const char *reason;             /* one line; "" when allowed */
    const char *allow; /* denied for lack of a rule: what to add to network.allow, e.g. "example.org:8443";
                          else NULL */
};

/* The end of what was allowed. */
struct door_end {
    uint64_t number, tag;
    const char *method, *host; /* as in the decision */
    uint16_t port;
    const struct egress_rule *rule;
    const char *address;          /* that was connected to, as text; "" when it did not come to that */
    int status;                   /* of the answer of a plain request; 0: none, or a tunnel */
    int64_t bytes_up, bytes_down; /* on the outer connection */
    int64_t duration_ms;          /* since the decision */
    bool is_denied;               /* refused after all: reason */
    const char *reason;           /* one line: why it was cut or failed; "" when it ended by itself */
};

struct door_ops {
    void (*on_decision)(void *data, const struct door_decision *decision); /* may be NULL */
    void (*on_end)(void *data, const struct door_end *end);                /* may be NULL */
};

struct door_conn_ops {
    /* For the client inside; never more than the credit that is left. */
    void (*on_bytes)(void *data, struct span bytes);
    /* After door_conn_feed() took less than it was given: feed again. */
    void (*on_room)(void *data);
    /* No more bytes follow for the client (send it a FIN); it may still be sending. May be NULL: on_closed()
     * is enough for those who cannot close one direction only. */
    void (*on_eof)(void *data);
    /* Over: nothing follows, door_conn_feed() takes and drops everything. Free it. */
    void (*on_closed)(void *data);
};

/* Everything that is not policy. Zeroed is right for a run; no manifest can write any of it. */
struct door_options {
    /* For tests: the answer for a name, instead of the system's resolver; at most `max` addresses, the number
     * of them is returned, 0 = no such name. Called on the loop. */
    size_t (*resolve)(void *data, const char *name, struct egress_address *ret, size_t max);
    /* For tests: an address that counts as global although it is not, e.g. of a server on the loopback. */
    bool (*is_global)(void *data, const struct egress_address *address);
    /* For tests: the port to connect to in the place of the one that was asked for and decided on. */
    uint16_t (*real_port)(void *data, uint16_t port);
    const char *tls_ca; /* for tests: a file of authorities, instead of the system's */
    void *data;
    uint64_t *numbers;  /* the last number given out, shared by several doors; NULL: this door's own */
    int64_t head_ms;    /* for a whole request head, and for a ClientHello; 0 = 10 s */
    int64_t connect_ms; /* for lookup and connecting; 0 = 15 s */
};

/* Resolves the secrets of `inject`, which may block (a command may ask a person); ERR_NOT_FOUND and others of
 * secret.h, with the rule in the text. `spec` and what it points to must outlive the door; `options` is
 * copied, NULL = none. */
int door_new(struct loop *loop, const struct egress_spec *spec, const struct door_options *options,
             const struct door_ops *ops, void *data, struct door **ret, struct err *err);
/* Cuts everything: on_end() is called for what is open (inside this function), no door_conn_ops are. All
 * connections are gone after it: call no door_conn_free() for them. NULL is fine. */
void door_free(struct door *door);

/* Is a secret that some rule injects in this text? */
bool door_holds(const struct door *door, struct span text);

/* A run that goes on after a crash: what earlier harnesses let through counts. Before the first connection.
 */
void door_count(struct door *door, int64_t bytes, int64_t connections);

/* Does any rule intercept? Then commands must trust door_certificate(): PEM, appended. */
bool door_intercepts(const struct door *door);
int door_certificate(const struct door *door, struct buf *out, struct err *err);
/* The same behind everything that this machine trusts, since most programs take one file for all. */
int door_bundle(const struct door *door, struct buf *out, struct err *err);

struct door_totals {
    int64_t bytes_up, bytes_down, connections, allowed, denied;
    size_t open; /* connections now */
};
struct door_totals door_totals(const struct door *door);

/* One connection accepted inside. `tag` is the caller's name for whom it belongs to (a tool call); it comes
 * back in the records. Fails (ERR_LIMIT, with the reason) past twice the spec's `connections`, so that a
 * flood costs nothing: close it. Between once and twice it is accepted to tell its client a readable 403. */
int door_open(struct door *door, uint64_t tag, const struct door_conn_ops *ops, void *data,
              struct door_conn **ret, struct err *err);

/* Bytes of the client; returns how many were taken (possibly 0). The rest is the caller's: give it again
 * after on_room(). */
size_t door_conn_feed(struct door_conn *conn, struct span bytes);
/* `bytes` more may be sent to the client. Starts at 0. */
void door_conn_credit(struct door_conn *conn, size_t bytes);
/* The client closed its sending side, everything it sent was fed. */
void door_conn_eof(struct door_conn *conn);
/* Cuts it if it is open; its on_end() is called from inside, or on_decision() when TLS that was to end here
 * did not come about. NULL is fine. */
void door_conn_free(struct door_conn *conn);

#endif
