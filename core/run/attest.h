/* SPDX-License-Identifier: MIT */
/*
 * What a run that is done can be held to: an in-toto Statement v1 with SLSA
 * provenance v1 as its predicate. Everything in it comes from the run folder, nothing from the clock, the
 * host or the outputs' places, and in a fixed order: the same run gives the same bytes.
 *
 *   subject                 each output (a file: sha256; a folder: dirHash, see output_digest.h, and the
 *                           files in it with their sha256, unless it has more than ATTEST_FILES_MAX),
 *                           and the final message
 *   buildDefinition         externalParameters: name, model, what resumes set
 *                           internalParameters.sandboxes: each one with engine, image, guest and the
 *                           lock-down as it was found; .egress: what was allowed out, and how much left
 *                           resolvedDependencies: manifest, image, inputs, the run that it was forked from
 *   runDetails              builder with version, run id, times, agentbox_model (each response, with the
 *                           digest of its request) and agentbox_journal (its head, which names all of the
 *                           history), and agentbox_agents, when there were subagents: the run of each with
 *                           what it came to and the head of its journal
 *
 * Characters that a terminal would act upon are escaped (json_armor()).
 */
#ifndef RUN_ATTEST_H
#define RUN_ATTEST_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/folder.h"

#define ATTEST_TYPE       "https://in-toto.io/Statement/v1"
#define ATTEST_PREDICATE  "https://slsa.dev/provenance/v1"
#define ATTEST_BUILD_TYPE "urn:agentbox:run:v1" /* README says what it means */
#define ATTEST_BUILDER    "urn:agentbox"
#define ATTEST_FILES_MAX  4096

/* Append the statement with a newline at its end; `out` holds at most STATEMENT_MAX. The folder is taken as
 * it is: run_verify() comes first. ERR_USAGE: the run is not done, so there is nothing to be held to. */
int attest_write(struct run_folder *folder, struct buf *out, struct err *err);

#endif
