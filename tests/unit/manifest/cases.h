/* SPDX-License-Identifier: MIT */
/* Where the manifests of the tests are, and the environment they see. */
#ifndef TESTS_MANIFEST_CASES_H
#define TESTS_MANIFEST_CASES_H

#include "tests/unit/unit.h"

#include <unistd.h>

static const char *const cases_env[] = {
    "HOME=/home/user", "REGION=eu", "EMPTY=", "TURNS=7", "OPENAI_API_KEY=sk-not-a-real-key",
    "BAD_BYTES=\xff",  NULL,
};

/* The folder of the cases becomes the working folder: manifests are named as a user would. */
static inline void cases_enter(void)
{
    const char *folder = getenv("MANIFEST_CASES");

    if (!folder || chdir(folder) < 0)
        fail_msg("MANIFEST_CASES does not name a folder");
}

#endif
