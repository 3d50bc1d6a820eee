/* SPDX-License-Identifier: MIT */
/*
 * From the command line to a decided run: manifest, parameters, --set, task.
 */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

#include "cmd/options.h"
#include "core/run/spec.h"
#include "manifest/diag.h"

/* Load the manifest of args[0]. Problems are collected in `diags` (initialized by the caller); -ERR_MANIFEST
 * then, with err empty when diags tell everything. */
int load_manifest(const struct options *opts, struct run_spec **ret, struct diags *diags, struct err *err);

/* The same for verbs that need the spec: problems go to stderr. */
int load_spec(const struct options *opts, struct run_spec **ret, struct err *err);

#endif
