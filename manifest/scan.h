/* SPDX-License-Identifier: MIT */
/*
 * `sandbox.scan`: a program of the host that must accept the image. Written as the name of a scanner that is
 * known, as a map with it and what it shall mind, or as a command:
 *
 *     scan: trivy
 *     scan: {preset: grype, severity: high, max_age: 7d}
 *     scan: {command: [clamscan, --no-summary, "{archive}"]}
 *
 * Known ones run in '/', not in the manifest's folder: they would take settings from files there that say
 * what to overlook. They become commands here (scan_command()); nothing behind this module knows their names.
 */
#ifndef MANIFEST_SCAN_H
#define MANIFEST_SCAN_H

#include "manifest/kinds.h"

extern const struct table manifest_scan_table; /* struct manifest_scan */

/* FIELD_CUSTOM at a struct manifest_scan. */
kind_decode_fn scan_decode;
kind_schema_fn scan_schema;
kind_encode_fn scan_encode;

/* The command, NULL-terminated; of a known scanner in `arena`. NULL: there is none, or no memory. */
const char *const *scan_command(const struct manifest_scan *scan, struct arena *arena);

#endif
