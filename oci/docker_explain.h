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
void docker_explain_create(struct err *err);
void docker_explain_start(struct err *err);

/* A volume with a size needs an engine that can bound one: ERR_POLICY. */
void docker_explain_volume(struct err *err);

/* The stream of a running sandbox ended with `err`; `state` is State of its inspect. `was_away`: meanwhile
 * the engine did not answer, so it was restarted. */
void docker_explain_end(const struct tree *state, bool was_away, struct err *err);

/* The same when the engine knows it no more. */
void docker_explain_gone(bool was_away, struct err *err);

#endif
