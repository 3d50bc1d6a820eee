/* SPDX-License-Identifier: MIT */
/*
 * What runs have left on an engine: containers and volumes with our labels, and
 * which of them may go.
 *
 * A container goes when its deadline has passed, or (with SWEEP_DEAD) when the
 * process it belongs to has ended on this host and no other goes on with its run; with `run`, when it is of
 * that one. Workspace volumes go with the same judgement, volumes of other guests (SWEEP_GUESTS) when nothing
 * uses them. Nothing without our labels is ever touched, and nothing whose labels cannot be read: those are
 * reported.
 *
 * `agentbox gc` sweeps DEAD and GUESTS; `agentbox rm` sweeps one run; every run sweeps what
 * is expired.
 */
#ifndef OCI_SWEEP_H
#define OCI_SWEEP_H

#include "oci/engine.h"

enum { SWEEP_DEAD = 1, SWEEP_GUESTS = 2 };

#define SWEEP_ITEMS_MAX 4096

enum sweep_kind { SWEEP_CONTAINER, SWEEP_VOLUME, SWEEP_GUEST_VOLUME };
enum sweep_verdict {
    SWEEP_KEEP,
    SWEEP_EXPIRED, /* its deadline has passed */
    SWEEP_ORPHAN,  /* its owner is dead */
    SWEEP_ASKED,   /* of the run that was named */
    SWEEP_OLD,     /* guest of another version */
};

struct sweep_item {
    enum sweep_kind kind;
    const char *id; /* of a container; name of a volume */
    const char *name;
    const char *run;   /* agentbox.run, "" */
    const char *part;  /* agentbox.part, "": the agent's own */
    const char *owner; /* agentbox.owner, "" */
    const char *state; /* "running", "exited" ...; "" for volumes */
    int attempt;
    enum sweep_verdict verdict;
    bool is_removed;
};

struct sweep_options {
    unsigned flags;
    /* Is the run going on in some process, whatever its labels say? They name the process that made the
     * container, and a resumed run is another. NULL: not known. Not asked about the run that was named. */
    bool (*is_held)(const char *run);
    const char *run;          /* this run's too, whatever their state; NULL: none */
    const char *guest_digest; /* of the volume that stays; NULL with SWEEP_GUESTS: all go */
    bool is_dry;              /* judge only */
    int64_t now_s;            /* seconds since the epoch */
};

struct sweep_result {
    const struct sweep_item *items;
    size_t count;
    size_t removed;
    size_t failed; /* err is the first one's */
};

struct sweep;

typedef void sweep_fn(void *data, int result, const struct sweep_result *ret, const struct err *err);

/* The engine must be open. `fn` comes once, from the loop; what it gets lives until sweep_free(). A single
 * thing that cannot be removed is counted, not an error. */
int sweep_start(struct engine *engine, const struct sweep_options *options, sweep_fn *fn, void *data,
                struct sweep **ret, struct err *err);
void sweep_free(struct sweep *sweep); /* NULL is fine */

/* For verbs: the same, running the loop. *ret owns the items. */
int sweep_wait(struct engine *engine, const struct sweep_options *options, struct sweep **ret,
               struct sweep_result *ret_result, struct err *err);

/* Pure: one entry of GET /containers/json or of Volumes of GET /volumes. False: not ours. Strings stay the
 * tree's. */
bool sweep_judge(enum sweep_kind kind, const struct tree *entry, const struct sweep_options *options,
                 struct sweep_item *ret);

#endif
