/* SPDX-License-Identifier: MIT */
/*
 * The wall as an interface. A backend (oci/docker_sandbox.c) makes an isolated
 * place in which our guest runs, proves that it is as locked down as asked, and
 * carries bytes to the guest; everything that happens inside goes through the
 * channel (channel.h), the same for all backends.
 *
 * Life: backend's ..._new() -> sandbox_start() -> on_ready -> use
 * sandbox_channel() -> sandbox_remove() -> sandbox_free(). All callbacks come
 * from the loop, never from inside the call. on_ready comes exactly once; after
 * a successful one, on_lost may come once. Before on_ready(0) the lock-down has
 * been verified; there is no way to get a channel before.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "core/base/err.h"
#include "core/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;
struct sandbox;

/* One row of the lock-down table as it was found on the running container. */
enum sandbox_row_state { SANDBOX_ROW_ASKED, SANDBOX_ROW_VERIFIED, SANDBOX_ROW_LOWERED, SANDBOX_ROW_FAILED };

struct sandbox_row {
    const char *name;  /* stable word, the one `sandbox.lower` takes */
    const char *title; /* for people */
    enum sandbox_row_state state;
    char asked[128]; /* what we asked for, in one line */
    char found[128]; /* what is; empty before verification */
};

struct sandbox_info {
    const char *backend; /* "docker" */
    const char *engine;  /* URL it was reached at */
    const char *engine_version;
    const char *api_version;
    const char *image;        /* as given */
    const char *image_id;     /* sha256:... of the image that runs */
    const char *image_digest; /* repo digest, or "" for a local image */
    const char *container_id; /* "" before creation */
    const char *container_name;
    int attempt;
    const struct sandbox_row *rows;
    size_t row_count;
};

/* What a scanner said of the image. */
struct sandbox_scanned {
    const char *image, *image_id, *image_digest;
    const char *const *command; /* as the manifest has it, NULL-terminated */
    const char *answer;         /* "accepted", "refused", "failed": it gave none */
    int64_t exit_status;        /* -1: it did not end by itself */
    int64_t age_ms;             /* 0: just now; else the answer was given so long ago */
    int64_t duration_ms;
    const char *output; /* its last words; any UTF-8 */
    const char *why;    /* failed; else NULL */
};

struct sandbox_events {
    /* What start is doing now: word such as "pull", and a line for people. */
    void (*on_step)(void *data, const char *step, const char *text);
    /* About to create the container: names and digests are known. The owner records the intent;
     * creation goes on after sandbox_proceed(). Not called when re-attaching. */
    void (*on_intent)(void *data, const struct sandbox_info *info);
    void (*on_ready)(void *data, int result, const struct err *err);
    /* The channel broke or the container ended. err says which and why (OOM kill, exit status). */
    void (*on_lost)(void *data, const struct err *err);
    /* The image was scanned; on_intent follows when it was accepted, else on_ready with ERR_POLICY. May be
     * NULL. */
    void (*on_scan)(void *data, const struct sandbox_scanned *scanned);
};

/* A container that an earlier harness left, as the journal knows it. */
struct sandbox_known {
    const char *container_id, *container_name;
    uint64_t guest_boot; /* of HELLO: another one is another sandbox */
};

typedef void sandbox_removed_fn(void *data, int result, const struct err *err);

struct sandbox_ops {
    const char *name;
    int (*start)(struct sandbox *sb, struct err *err);
    int (*proceed)(struct sandbox *sb, struct err *err);
    int (*attach)(struct sandbox *sb, const struct sandbox_known *known, struct err *err);
    void (*info)(const struct sandbox *sb, struct sandbox_info *ret);
    struct channel *(*channel)(struct sandbox *sb);
    int (*remove)(struct sandbox *sb, sandbox_removed_fn *fn, void *data, struct err *err);
    void (*free)(struct sandbox *sb);
};

/* First member of every backend's struct. */
struct sandbox {
    const struct sandbox_ops *ops;
    const struct sandbox_events *events;
    void *events_data;
};

static inline int sandbox_start(struct sandbox *sb, const struct sandbox_events *events, void *data,
                                struct err *err)
{
    sb->events = events;
    sb->events_data = data;
    return sb->ops->start(sb, err);
}

/* The intent is durable: create the container now. */
static inline int sandbox_proceed(struct sandbox *sb, struct err *err)
{
    return sb->ops->proceed(sb, err);
}

/* In the place of sandbox_start(): take over a running container of the same run and attempt. It is checked
 * (labels, guest, the whole lock-down) before on_ready(0); any other outcome leaves it as it is, for
 * sandbox_remove() or the next attempt's start. Older attempts of the run are removed first, in both ways of
 * starting. */
static inline int sandbox_attach(struct sandbox *sb, const struct sandbox_known *known,
                                 const struct sandbox_events *events, void *data, struct err *err)
{
    sb->events = events;
    sb->events_data = data;
    return sb->ops->attach(sb, known, err);
}

struct sandbox_spec;

/* Which sandbox is wanted, and for whom. Borrowed by the sandbox that is made, until it is freed. */
struct sandbox_order {
    const struct sandbox_spec *spec;
    const char *run_id; /* [a-z0-9][a-z0-9-]*, at most 64 */
    const char *name;   /* of the manifest */
    const char *part;   /* of the run: NULL: the agent's own; else as run_id, one of its kind in the run at a
                           time */
    int attempt;        /* from 1 */
    int64_t life_ms;    /* so long it may be needed; 0 = nobody knows */
};

/* Makes a sandbox; not started. What the manifest asks for is checked as far as it can be without an engine.
 */
struct sandbox_maker {
    int (*make)(void *data, const struct sandbox_order *order, struct sandbox **ret, struct err *err);
    void *data;
};

/* Pointers are the sandbox's and valid until it is freed. */
static inline void sandbox_info(const struct sandbox *sb, struct sandbox_info *ret)
{
    sb->ops->info(sb, ret);
}

/* NULL before on_ready(0) and after on_lost. */
static inline struct channel *sandbox_channel(struct sandbox *sb)
{
    return sb->ops->channel(sb);
}

/* Kill and remove container and volumes, in any state, also while starting. fn may be NULL. Asked again while
 * that goes on, only the last `fn` is called; ERR_CONFLICT once it has ended. */
static inline int sandbox_remove(struct sandbox *sb, sandbox_removed_fn *fn, void *data, struct err *err)
{
    return sb->ops->remove(sb, fn, data, err);
}

/* Leave the container as it is and release our side. NULL is fine. */
static inline void sandbox_free(struct sandbox *sb)
{
    if (sb)
        sb->ops->free(sb);
}

#endif
