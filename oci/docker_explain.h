/* SPDX-License-Identifier: MIT */
/*
 * What an engine's answers mean for people, where its own words do not say it: each takes the error
 * as it came and leaves it as it is told. Pure.
 */
#ifndef OCI_DOCKER_EXPLAIN_H
#define OCI_DOCKER_EXPLAIN_H

#include "core/base/err.h"
#include "core/base/tree.h"

/* A create or start that was refused. */
/* A runtime that the engine has not: `info` is its GET /info, NULL when that failed. */
void docker_explain_runtime(const char *runtime, const struct tree *info, struct err *err);
void docker_explain_create(struct err *err);
void docker_explain_start(struct err *err);

/* A volume with a size needs an engine that can bound one: ERR_POLICY. */
void docker_explain_volume(struct err *err);

struct docker_end {
    bool was_away;        /* the engine did not answer meanwhile, so it was restarted */
    bool had_memory_hit;  /* a command was killed for want of memory, at any time */
    int64_t memory_bytes; /* the manifest's limit */
};

/* The stream of a running sandbox ended with `err`; `state` is State of its inspect. */
void docker_explain_end(const struct tree *state, const struct docker_end *end, struct err *err);

/* The same when the engine knows it no more. */
void docker_explain_gone(bool was_away, struct err *err);

#endif
