/* SPDX-License-Identifier: MIT */
/* Lookup, vetting, connecting: the states of a dial, one function each. */
#include "core/egress/dial.h"

#include "core/base/cleanup.h"
#include "core/base/http.h"
#include "core/base/resolve.h"
#include "core/egress/address.h"
#include "core/egress/match.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#define CONNECT_MS_DEFAULT 15000
#define ATTEMPT_MS         4000 /* for an address, while there is another one to try */

struct dial {
    struct dialer *dialer;
    struct egress_host host;
    struct ring waiting;
    struct resolve *resolve;
    struct loop_source *begin, *deadline, *attempt, *watch;
    struct egress_address addresses[RESOLVE_MAX];
    size_t count, at;
    int fd;
    bool with_tls;
    struct http_exchange *tls;
    bool has_lookup; /* counted in dialer->lookups */
    dial_fn *fn;
    void *data;
    char why[DOOR_REASON_MAX];
};

static int64_t connect_limit(const struct door_options *o)
{
    return o->connect_ms > 0 ? o->connect_ms : CONNECT_MS_DEFAULT;
}

void dialer_init(struct dialer *dialer, struct loop *loop, const struct egress_spec *spec,
                 const struct door_options *options)
{
    *dialer = (struct dialer){ .loop = loop, .spec = spec, .options = options };
    ring_init(&dialer->waiting);
}

/* ---- ends; each is the last thing its caller does ---- */

static void next_lookup(struct dialer *dialer);

static void end_lookup(struct dial *d)
{
    resolve_free(TAKE_PTR(d->resolve));
    if (!d->has_lookup)
        return;
    d->has_lookup = false;
    d->dialer->lookups--;
    next_lookup(d->dialer);
}

static void quiet(struct dial *d)
{
    ring_remove(&d->waiting);
    loop_source_free(TAKE_PTR(d->begin));
    loop_source_free(TAKE_PTR(d->deadline));
    loop_source_free(TAKE_PTR(d->attempt));
    loop_source_free(TAKE_PTR(d->watch));
    http_exchange_free(TAKE_PTR(d->tls));
    end_lookup(d);
}

static void __attribute__((format(printf, 3, 4)))
fail(struct dial *d, enum dial_end end, const char *format, ...)
{
    va_list ap;

    quiet(d);
    va_start(ap, format);
    (void) vsnprintf(d->why, sizeof(d->why), format, ap);
    va_end(ap);
    for (char *c = d->why; *c; c++) /* words of the system may be of any language */
        if (*c < ' ' || *c > '~')
            *c = '?';
    d->fn(d->data, &(struct dial_result){ .end = end, .why = d->why });
}

static void succeed(struct dial *d, struct http_stream *stream)
{
    struct outer *outer;
    struct err err;
    int on = 1;

    quiet(d);
    if (d->fd >= 0) /* slower without, nothing worse */
        (void) setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (outer_new(d->dialer->loop, take_fd(&d->fd), stream, &outer, &err) < 0) {
        fail(d, DIAL_FAILED, "%.200s", err.text);
        return;
    }
    d->fn(d->data, &(struct dial_result){
                       .end = DIAL_CONNECTED,
                       .outer = outer,
                       .address = d->addresses[d->at],
                   });
}

static void on_deadline(void *data)
{
    struct dial *d = data;

    if (d->has_lookup || !ring_is_alone(&d->waiting))
        fail(d, DIAL_TIMEOUT, "looking up '%s' took too long", d->host.name);
    else
        fail(d, DIAL_TIMEOUT, "connecting to '%s' port %u took too long", d->host.name, d->host.port);
}

/* ---- connecting ---- */

static void try_address(struct dial *d);

static void next_address(struct dial *d, const char *why)
{
    char text[ADDRESS_TEXT];
    const struct egress_address *address = &d->addresses[d->at];

    loop_source_free(TAKE_PTR(d->watch));
    loop_source_free(TAKE_PTR(d->attempt));
    http_exchange_free(TAKE_PTR(d->tls));
    if (d->fd >= 0)
        (void) close(take_fd(&d->fd)); /* never connected */
    if (++d->at < d->count)
        try_address(d);
    else
        fail(d, DIAL_FAILED, "connecting to '%s' port %u (%s): %s", d->host.name, d->host.port,
             address_text(address, text), why);
}

static void on_attempt(void *data)
{
    next_address(data, strerror(ETIMEDOUT));
}

static void on_socket(void *data, unsigned events)
{
    struct dial *d = data;
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    if (errnum != 0)
        next_address(d, strerror(errnum));
    else
        succeed(d, NULL);
}

static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM, 0), flags;

    if (fd < 0)
        return -1;
    flags = fcntl(fd, F_GETFL);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
        return fd;
    (void) close(fd); /* errno stays that of fcntl for all that matters */
    return -1;
}

static int begin_connect(const struct egress_address *address, uint16_t port, int *ret_fd)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    bool is_v4 = address_is_v4(address);
    int r;

    *ret_fd = open_socket(is_v4 ? AF_INET : AF_INET6);
    if (*ret_fd < 0)
        return -1;
    memcpy(&v4.sin_addr, address->bytes + 12, 4);
    memcpy(&v6.sin6_addr, address->bytes, 16);
    r = is_v4 ? connect(*ret_fd, (const struct sockaddr *) (const void *) &v4, sizeof(v4))
              : connect(*ret_fd, (const struct sockaddr *) (const void *) &v6, sizeof(v6));
    return r < 0 && errno == EINPROGRESS ? 0 : r;
}

static void on_tls(void *data, struct http_stream *stream, int status, const struct err *err)
{
    struct dial *d = data;
    char why[DOOR_REASON_MAX];

    if (stream) {
        succeed(d, stream);
        return;
    }
    (void) snprintf(why, sizeof(why), "%.200s", err->text);
    next_address(d, why);
}

/* The certificate is checked against the host's name, the connection goes to the vetted address. */
static int begin_tls(struct dial *d, uint16_t port, struct err *err)
{
    const struct door_options *o = d->dialer->options;
    char url[HOST_TEXT + 16], host[HOST_TEXT], address[ADDRESS_TEXT];
    struct http_request req = {
        .url = url,
        .address = address_text(&d->addresses[d->at], address),
        .tls_ca = o->tls_ca,
        .connect_ms = connect_limit(o),
    };

    (void) snprintf(url, sizeof(url), "https://%s/", host_text(&d->host, port, host));
    return http_connect(d->dialer->http, &req, on_tls, d, &d->tls, err);
}

static void try_address(struct dial *d)
{
    const struct door_options *o = d->dialer->options;
    uint16_t port = o->real_port ? o->real_port(o->data, d->host.port) : d->host.port;
    struct err err;

    if (d->with_tls) {
        if (begin_tls(d, port, &err) < 0) {
            fail(d, DIAL_FAILED, "%.200s", err.text);
            return;
        }
    } else if (begin_connect(&d->addresses[d->at], port, &d->fd) < 0) {
        next_address(d, strerror(errno));
        return;
    }
    if ((d->fd >= 0 &&
         loop_watch_fd(d->dialer->loop, d->fd, LOOP_WRITE, on_socket, d, &d->watch, &err) < 0) ||
        (d->at + 1 < d->count &&
         loop_timer(d->dialer->loop, ATTEMPT_MS, on_attempt, d, &d->attempt, &err) < 0))
        fail(d, DIAL_FAILED, "connecting to '%s' port %u: %s", d->host.name, d->host.port, err.text);
}

/* ---- vetting ---- */

static bool may_connect(const struct dialer *dialer, const struct egress_address *address, uint16_t port)
{
    const struct door_options *o = dialer->options;

    return match_address(dialer->spec, address, port) || (o->is_global && o->is_global(o->data, address));
}

static void vet(struct dial *d)
{
    char text[ADDRESS_TEXT];
    const char *what;

    for (size_t i = 0; i < d->count; i++) {
        const struct egress_address *address = &d->addresses[i];

        if (may_connect(d->dialer, address, d->host.port))
            continue;
        (void) address_kind(address, &what);
        if (d->host.is_address)
            fail(d, DIAL_DENIED, "'%s' is %s, not an address of the internet", d->host.name, what);
        else
            fail(d, DIAL_DENIED, "'%s' resolves to %s, which is %s, not an address of the internet",
                 d->host.name, address_text(address, text), what);
        return;
    }
    d->at = 0;
    try_address(d);
}

/* ---- lookup ---- */

static void on_resolved(void *data, const struct resolve_answer *answer, const struct err *err)
{
    struct dial *d = data;
    char text[ERR_TEXT_MAX];

    if (!answer) {
        memcpy(text, err->text, sizeof(text)); /* it goes with the lookup */
        fail(d, DIAL_FAILED, "%.200s", text);
        return;
    }
    d->count = answer->count;
    memcpy(d->addresses, answer->addresses, sizeof(d->addresses));
    end_lookup(d);
    vet(d);
}

static void look_up(struct dial *d)
{
    struct err err;

    d->has_lookup = true;
    d->dialer->lookups++;
    if (resolve_start(d->dialer->loop, d->host.name, on_resolved, d, &d->resolve, &err) < 0)
        fail(d, DIAL_FAILED, "%.200s", err.text);
}

static void next_lookup(struct dialer *dialer)
{
    if (ring_is_alone(&dialer->waiting) || dialer->lookups >= DIAL_LOOKUPS)
        return;
    struct dial *d = RING_OWNER(dialer->waiting.next, struct dial, waiting);

    ring_remove(&d->waiting);
    (void) loop_timer_set(d->begin, 0, NULL); /* from the loop: its owner may not expect an end right now */
}

static void resolve_by_hook(struct dial *d)
{
    const struct door_options *o = d->dialer->options;

    d->count = o->resolve(o->data, d->host.name, d->addresses, RESOLVE_MAX);
    if (d->count == 0)
        fail(d, DIAL_FAILED, "looking up '%s': there is no such name", d->host.name);
    else
        vet(d);
}

static void on_begin(void *data)
{
    struct dial *d = data;

    if (d->host.is_address) {
        d->count = 1;
        d->addresses[0] = d->host.address;
        vet(d);
    } else if (d->dialer->options->resolve) {
        resolve_by_hook(d);
    } else if (d->dialer->lookups < DIAL_LOOKUPS) {
        look_up(d);
    } else {
        ring_append(&d->dialer->waiting, &d->waiting);
    }
}

int dial_start(struct dialer *dialer, const struct egress_host *host, bool with_tls, dial_fn *fn, void *data,
               struct dial **ret, struct err *err)
{
    struct dial *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return err_set(err, ERR_INTERNAL, "no memory for a connection");
    d->dialer = dialer;
    d->host = *host;
    d->with_tls = with_tls;
    d->fd = -1;
    d->fn = fn;
    d->data = data;
    ring_init(&d->waiting);
    r = loop_timer(dialer->loop, connect_limit(dialer->options), on_deadline, d, &d->deadline, err);
    if (r == 0)
        r = loop_timer(dialer->loop, 0, on_begin, d, &d->begin, err);
    if (r < 0) {
        dial_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

void dial_free(struct dial *d)
{
    if (!d)
        return;
    quiet(d);
    if (d->fd >= 0)
        (void) close(d->fd);
    free(d);
}
