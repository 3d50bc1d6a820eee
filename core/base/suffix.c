/* SPDX-License-Identifier: MIT */
/* The list of public suffixes, loaded for the few questions that a manifest asks. */
#include "core/base/suffix.h"

#include <libpsl.h>

int suffix_is_public(const char *name, struct err *err)
{
    psl_ctx_t *list = psl_latest(NULL);
    int is_public;

    if (!list)
        return err_set(err, ERR_INTERNAL, "the list of public suffixes is missing");
    is_public = psl_is_public_suffix(list, name);
    psl_free(list);
    return is_public;
}
