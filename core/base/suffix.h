/* SPDX-License-Identifier: MIT */
/*
 * Public suffixes: names beneath which anybody can get a name ("org", "co.uk",
 * "github.io"). The only door to libpsl, which knows the list of publicsuffix.org
 * (that of the system when it is newer than the library's own).
 */
#ifndef BASE_SUFFIX_H
#define BASE_SUFFIX_H

#include "core/base/err.h"

/* 1: it is one, registries' and companies' alike; 0: it is not. `name` in lower case, xn-- for other scripts.
 * A name of one label that the list does not know counts as one. ERR_INTERNAL: there is no list. */
int suffix_is_public(const char *name, struct err *err);

#endif
