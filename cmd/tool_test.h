/* SPDX-License-Identifier: MIT */
/*
 * The tests of a tool of the library, in its own image behind its own wall, without a network: each is one
 * call, made as a run would make it, and what comes of it is compared. Runs a loop of its own; an interrupt
 * removes the sandbox and ends it (ERR_CANCELED).
 */
#ifndef CMD_TOOL_TEST_H
#define CMD_TOOL_TEST_H

#include "cmd/options.h"
#include "core/run/spec.h"
#include "manifest/container.h"

struct tool_tested {
    const char *name;  /* of the test */
    const char *words; /* why it did not pass; NULL: it did */
    int64_t took_ms;
};

struct tool_test {
    struct arena arena; /* of the rest */
    struct tool_tested *tests;
    size_t count, failed;
    const char *image_id; /* that they ran in */
    int signum;           /* that interrupted it; 0: none */
};

/* `spec`: a run with this tool alone (load_tool_spec()). Failed tests are no failure of this. */
int tool_test(const struct options *opts, const struct run_spec *spec, const struct manifest_container *tool,
              struct tool_test *ret, struct err *err);
void tool_test_done(struct tool_test *t);

#endif
