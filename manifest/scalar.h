/* SPDX-License-Identifier: MIT */
/*
 * What plain (unquoted) text of YAML is, by the core schema of YAML 1.2:
 * null ~, true false, numbers in decimal, 0x hexadecimal and 0o octal;
 * everything else is a string: yes, no, on, off, 1_000, 12:30, 2026-01-02 too.
 *
 * Numbers are rewritten as JSON has them (0x10 is 16, +.5 is 0.5). With leading
 * zeros (0644) they stay text, since YAML 1.1 reads them as octal and YAML 1.2 as
 * decimal: where a number is wanted that is reported, where text or permissions
 * are wanted it is right. Infinities and NaN, which JSON does not have, are refused.
 */
#ifndef MANIFEST_SCALAR_H
#define MANIFEST_SCALAR_H

#include "core/base/arena.h"
#include "core/base/tree.h"

/* Give a TREE_STRING node its kind by its text. False: refused, *ret_problem says why, the node stays a
 * string; also without memory, when it stays a string with *ret_problem "no memory". */
bool scalar_resolve(struct tree *node, struct arena *arena, const char **ret_problem);

#endif
