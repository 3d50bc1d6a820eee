/* SPDX-License-Identifier: MIT */
/*
 * Subagents: tools of `type: agent`, each a manifest of its own. It is loaded with the one that names it, so
 * that all problems are known before anything starts, each with its place in its own file; what was loaded
 * becomes part of the resolved manifest, in the place of the path. So a run folder needs no other file.
 *
 * What a subagent's manifest leaves out of `model` is its parent's, but: the key and headers only for the
 * same server, price and window only for the same model, and no recording. So is the engine. Its task comes
 * with the call. `limits` of the tool stand above those of its manifest.
 *
 * A manifest that is its own subagent, directly or through others, is refused; so is one with more levels of
 * subagents below it than its limits.depth.
 */
#ifndef MANIFEST_AGENTS_H
#define MANIFEST_AGENTS_H

#include "manifest/kinds.h"

#define AGENT_DEPTH_MAX 4 /* levels below the run itself; limits.depth goes up to here */

/* A manifest whose subagent is loaded. */
struct manifest_parent {
    const struct manifest_parent *up; /* NULL: it is the run's own */
    const char *path;                 /* of its file, links resolved; NULL: it has none */
    const struct manifest *manifest;  /* decoded, paths of its model absolute */
    int depth;                        /* 0: the run's own */
};

extern const struct table manifest_agent_tool_table;

/* {type: agent, ...} */
bool agents_take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools);
void agents_schema(struct json_writer *w);

/* The manifests that no spec took over. */
void agents_drop(struct manifest_tools *tools);

/* Can there be calls of theirs that somebody is asked about? Of those that are loaded. */
bool agents_may_ask(const struct manifest_tools *tools);

/* For the manifest of a subagent: what it leaves out. */
void agents_inherit(struct manifest *m, const struct tree *root, const struct manifest_parent *parent);

#endif
