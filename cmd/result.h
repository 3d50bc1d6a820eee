/* SPDX-License-Identifier: MIT */
/*
 * The file of `--output`. A regular file is replaced in one step (that of a link,
 * where a link is given); what is no regular file, such as /dev/null or a named
 * pipe, is written to and stays what it is. A terminal by its name is shown what one may be shown.
 */
#ifndef CMD_RESULT_H
#define CMD_RESULT_H

#include "core/base/err.h"
#include "core/base/span.h"

/* Before a run costs anything: can `path` be written? ERR_USAGE says why not. Touches nothing. */
int result_check(const char *path, struct err *err);

int result_write(const char *path, struct span content, struct err *err);

#endif
