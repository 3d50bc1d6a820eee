/* SPDX-License-Identifier: MIT */
/* A run's door: its connections, its limits, and the two ways in which a connection gets its turn. */
#include "core/egress/door_impl.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/http.h"
#include "core/egress/rule.h"

#include <stdlib.h>
#include <sys/resource.h>

#define HEAD_MS_DEFAULT 10000
#define SECRET_MAX      REDACT_MAX
#define RUN_MS_UNKNOWN  ((int64_t) 30 * 24 * 3600 * 1000)
#define RUN_MS_SPARE    ((int64_t) 24 * 3600 * 1000) /* the end of a run takes its time, too */
#define FILES_SPARE     256                          /* descriptors that the rest of the process may need */

static int64_t connections_max(const struct egress_spec *spec)
{
    return spec->connections > 0 ? spec->connections : EGRESS_CONNECTIONS_MAX;
}

/* ---- limits ---- */

int64_t door_left(const struct door *door)
{
    int64_t used = door->earlier_bytes + door->totals.bytes_up + door->totals.bytes_down;

    if (door->spec->max_bytes == 0)
        return INT64_MAX;
    return used < door->spec->max_bytes ? door->spec->max_bytes - used : 0;
}

const char *door_spent(const struct door *door)
{
    return door_left(door) > 0 ? NULL : "the run's limit of bytes (network.max_bytes) is used up";
}

void door_moved(struct door_conn *conn, size_t up, size_t down)
{
    struct door *door = conn->door;

    door->totals.bytes_up += (int64_t) up;
    door->totals.bytes_down += (int64_t) down;
    conn->ticket.up += (int64_t) up;
    conn->ticket.down += (int64_t) down;
    conn->moved_ms = clock_mono_ms();
    if (door_left(door) > 0)
        return;
    for (struct ring *r = door->conns.next; r != &door->conns; r = r->next)
        door_kick(RING_OWNER(r, struct door_conn, all)); /* all of them end now, not when they next move */
}

int64_t door_wait_ms(struct door *door, int64_t max_ms)
{
    int64_t now = clock_mono_us(), slot;

    if (door->spec->rate <= 0)
        return 0;
    slot = door->next_slot_us;
    if (slot < now - 1000000) /* what was not used in the last second may come at once */
        slot = now - 1000000;
    if (slot > now + max_ms * 1000)
        return -1;
    door->next_slot_us = slot + 1000000 / door->spec->rate;
    return slot > now ? (slot - now + 999) / 1000 : 0;
}

int64_t door_head_ms(const struct door *door)
{
    return door->options.head_ms > 0 ? door->options.head_ms : HEAD_MS_DEFAULT;
}

bool door_holds(const struct door *door, struct span text)
{
    for (size_t i = 0; i < door->spec->rule_count; i++) {
        const struct redact_text *secret = &door->secrets[i].text;

        if (secret->len > 0 && memmem(text.ptr, text.len, secret->text, secret->len))
            return true;
    }
    return false;
}

const struct door_secret *door_secret(const struct door *door, const struct egress_rule *rule)
{
    return rule->inject ? &door->secrets[rule - door->spec->rules] : NULL;
}

/* ---- turns ---- */

static void on_kick(void *data)
{
    struct door *door = data;
    struct ring now;

    loop_source_free(TAKE_PTR(door->kick));
    ring_move(&door->kicked, &now);
    while (!ring_is_alone(&now)) {
        struct door_conn *conn = RING_OWNER(now.next, struct door_conn, kicked);

        ring_remove(&conn->kicked);
        conn_run(conn);
    }
}

void door_kick(struct door_conn *conn)
{
    struct door *door = conn->door;

    ring_append(&door->kicked, &conn->kicked);
    if (!door->kick && loop_defer(door->loop, on_kick, door, &door->kick, NULL) < 0)
        door->kick = NULL; /* no memory: the connection's timer comes back to it */
}

static void on_launch(void *data)
{
    struct door *door = data;
    struct ring now;

    loop_source_free(TAKE_PTR(door->launch));
    ring_move(&door->recorded, &now);
    while (!ring_is_alone(&now)) {
        struct door_conn *conn = RING_OWNER(now.next, struct door_conn, launching);

        ring_remove(&conn->launching);
        conn_launch(conn);
    }
}

/* Deferred from here, because whoever makes records durable may be called after us. Only those that are there
 * now: others may be decided before the deferred call's turn comes, and their records are not durable then.
 */
static void on_before_wait(void *data)
{
    struct door *door = data;
    struct ring *next;

    while (!ring_is_alone(&door->launching)) {
        next = door->launching.next;
        ring_remove(next);
        ring_append(&door->recorded, next);
    }
    if (ring_is_alone(&door->recorded) || door->launch)
        return;
    if (loop_defer(door->loop, on_launch, door, &door->launch, NULL) < 0)
        door->launch = NULL; /* no memory: tried again before the next wait */
}

void door_launch(struct door_conn *conn)
{
    ring_append(&conn->door->launching, &conn->launching);
}

/* ---- life ---- */

/* As many files as connections, if the system lets us: its usual 1024 are too few. */
static void raise_files(int64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t) connections + FILES_SPARE;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted)
        wanted = limit.rlim_max;
    limit.rlim_cur = wanted;
    (void) setrlimit(RLIMIT_NOFILE, &limit); /* without it the last connections are refused */
}

static int resolve_secret(const struct egress_rule *rule, struct door_secret *secret, struct err *err)
{
    size_t prefix = rule->inject->value.prefix ? strlen(rule->inject->value.prefix) : 0;
    int r;

    buf_init(&secret->value, SECRET_MAX);
    r = secret_resolve(&rule->inject->value, &secret->value, err);
    if (r < 0)
        return err_wrap(err, "the secret of the network rule '%s'", rule->text);
    if (redact_text_init(&secret->text, span_make(secret->value.data + prefix, secret->value.len - prefix)) <
        0)
        return err_set(err, ERR_TOO_LARGE, "the secret of the network rule '%s' is too long", rule->text);
    return 0;
}

static int resolve_secrets(struct door *door, struct err *err)
{
    const struct egress_spec *spec = door->spec;
    int r = 0;

    door->secrets = calloc(spec->rule_count + 1, sizeof(*door->secrets));
    if (!door->secrets)
        return err_set(err, ERR_INTERNAL, "no memory for the network's door");
    for (size_t i = 0; r == 0 && i < spec->rule_count; i++) {
        if (!spec->rules[i].inject)
            continue;
        r = resolve_secret(&spec->rules[i], &door->secrets[i], err);
        if (r == 0 && !door->http)
            r = http_new(door->loop, &door->http, err);
    }
    door->dialer.http = door->http;
    return r;
}

/* ---- the authority ---- */

static int make_authority(struct door *door, struct err *err)
{
    const struct egress_spec *spec = door->spec;
    int64_t life_ms = (spec->run_ms > 0 ? spec->run_ms : RUN_MS_UNKNOWN) + RUN_MS_SPARE;
    const char **names = calloc(spec->rule_count + 1, sizeof(*names));
    size_t count = 0;
    int r = 0;

    if (!names)
        return err_set(err, ERR_INTERNAL, "no memory for the network's door");
    for (size_t i = 0; i < spec->rule_count; i++)
        if (egress_rule_intercepts(&spec->rules[i]))
            names[count++] = spec->rules[i].host;
    if (count > 0)
        r = tls_authority_new(names, count, life_ms, &door->authority, err);
    free(names);
    return r;
}

bool door_intercepts(const struct door *door)
{
    return door->authority;
}

int door_certificate(const struct door *door, struct buf *out, struct err *err)
{
    return tls_authority_certificate(door->authority, out, err);
}

int door_bundle(const struct door *door, struct buf *out, struct err *err)
{
    const char *path = door->options.tls_ca ? door->options.tls_ca : tls_trusted_file();
    int r = path ? file_read(path, out, err) : 0;

    if (r == 0 && buf_add_char(out, '\n') < 0)
        r = err_set(err, ERR_TOO_LARGE, "reading '%s': it is too large", path);
    if (r < 0)
        return err_wrap(err, "collecting what this machine trusts, for rules that intercept");
    return door_certificate(door, out, err);
}

static void wipe_secrets(struct door *door)
{
    for (size_t i = 0; door->secrets && i < door->spec->rule_count; i++) {
        secret_wipe(&door->secrets[i].value);
        redact_text_done(&door->secrets[i].text);
    }
    free(door->secrets);
}

int door_new(struct loop *loop, const struct egress_spec *spec, const struct door_options *options,
             const struct door_ops *ops, void *data, struct door **ret, struct err *err)
{
    struct door *door = calloc(1, sizeof(*door));
    int r;

    if (door)
        door->scratch = malloc(SCRATCH_BYTES);
    if (!door || !door->scratch) {
        free(door);
        return err_set(err, ERR_INTERNAL, "no memory for the network's door");
    }
    door->loop = loop;
    door->spec = spec;
    if (options)
        door->options = *options;
    door->last_number = door->options.numbers ? door->options.numbers : &door->numbers;
    door->ops = ops;
    door->data = data;
    ring_init(&door->conns);
    ring_init(&door->kicked);
    ring_init(&door->launching);
    ring_init(&door->recorded);
    buf_init(&door->frame, OUT_MAX);
    buf_init(&door->clean, OUT_MAX);
    dialer_init(&door->dialer, loop, spec, &door->options);
    r = resolve_secrets(door, err);
    if (r == 0)
        r = make_authority(door, err);
    if (r == 0)
        r = loop_before_wait(loop, on_before_wait, door, &door->before_wait, err);
    if (r < 0) {
        door_free(door);
        return r;
    }
    raise_files(connections_max(spec));
    *ret = door;
    return 0;
}

void door_free(struct door *door)
{
    if (!door)
        return;
    while (!ring_is_alone(&door->conns))
        conn_release(RING_OWNER(door->conns.next, struct door_conn, all), "the run ended");
    loop_source_free(door->kick);
    loop_source_free(door->launch);
    loop_source_free(door->before_wait);
    http_free(door->http);
    tls_authority_free(door->authority);
    wipe_secrets(door);
    buf_done(&door->frame);
    buf_done(&door->clean);
    free(door->scratch);
    free(door);
}

void door_count(struct door *door, int64_t bytes, int64_t connections)
{
    door->earlier_bytes += bytes;
    door->totals.connections += connections;
}

struct door_totals door_totals(const struct door *door)
{
    return door->totals;
}

static struct door_conn *conn_new(struct door *door, struct err *err)
{
    struct door_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        (void) err_set(err, ERR_INTERNAL, "no memory for a connection");
        return NULL;
    }
    conn->door = door;
    conn->born_ms = conn->moved_ms = clock_mono_ms();
    ring_init(&conn->all);
    ring_init(&conn->kicked);
    ring_init(&conn->launching);
    buf_init(&conn->in, IN_MAX);
    buf_init(&conn->out, OUT_MAX);
    buf_init(&conn->up, UP_MAX + IN_MAX + FRAMING_MAX);
    buf_init(&conn->again, UP_MAX + IN_MAX + FRAMING_MAX);
    buf_init(&conn->head, RESPONSE_HEAD_MAX + SCRATCH_BYTES);
    if (loop_timer(door->loop, -1, conn_on_timer, conn, &conn->timer, err) == 0)
        return conn;
    free(conn);
    return NULL;
}

int door_open(struct door *door, uint64_t tag, const struct door_conn_ops *ops, void *data,
              struct door_conn **ret, struct err *err)
{
    int64_t max = connections_max(door->spec), all = door->spec->connections_all;
    struct door_conn *conn;

    if ((int64_t) door->totals.open >= 2 * max)
        return err_set(err, ERR_LIMIT, "more than %lld connections at once", (long long) (2 * max));
    conn = conn_new(door, err);
    if (!conn)
        return -ERR_INTERNAL;
    conn->tag = tag;
    conn->ops = ops;
    conn->data = data;
    conn->is_surplus = (int64_t) door->totals.open >= max || (all > 0 && door->totals.connections >= all);
    if (!conn->is_surplus)
        door->totals.connections++;
    door->totals.open++;
    ring_append(&door->conns, &conn->all);
    conn_set_state(conn, CONN_HEAD, 0);
    *ret = conn;
    return 0;
}
