/* SPDX-License-Identifier: MIT */
/*
 * A way to let a run reach servers on the loopback, for tests with real servers and
 * real clients. No manifest can write it, and it is there only in builds that
 * are configured with -Dtests=enabled.
 *
 * AGENTBOX_TEST_EGRESS="443=40443,80=40080": every name is looked up as 127.0.0.1, which counts as global,
 * and what goes to the port on the left is connected to the one on the right. AGENTBOX_TEST_EGRESS_CA is a
 * file of authorities for the TLS that the harness itself speaks.
 */
#ifndef RUN_EGRESS_TEST_H
#define RUN_EGRESS_TEST_H

#include "core/egress/door.h"

#ifdef AGENTBOX_TESTS
void egress_test_options(struct door_options *ret);
#else
static inline void egress_test_options(struct door_options *ret)
{
    (void) ret;
}
#endif

#endif
