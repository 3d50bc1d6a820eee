/* SPDX-License-Identifier: MIT */
/*
 * The rows of `network`: `none`, or a map with the allow-list and its limits. A
 * rule is text, or a map when something is to be said about it. What a rule may
 * say is for core/egress/rule.h to know; here it gets its place in the manifest.
 */
#ifndef MANIFEST_NETWORK_H
#define MANIFEST_NETWORK_H

#include "manifest/kinds.h"

extern const struct table manifest_network_table; /* struct manifest_network */

/* struct manifest_network: none, or the table. */
kind_decode_fn kind_network_decode;
kind_schema_fn kind_network_schema;
kind_encode_fn network_encode;

/* struct manifest_network: `allow`. */
kind_decode_fn kind_rules_decode;
kind_schema_fn kind_rules_schema;
kind_encode_fn network_encode_rules;

/* The same for a run. Strings stay where they are, arrays go to `arena`. False: no memory. */
bool network_fill(const struct manifest_network *from,
                  struct secret_ref (*secret)(const struct manifest_secret *s), struct arena *arena,
                  struct egress_spec *ret);

#endif
