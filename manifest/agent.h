/* SPDX-License-Identifier: MIT */
/* `agent`: who does what with which tools. */
#ifndef MANIFEST_AGENT_H
#define MANIFEST_AGENT_H

#include "manifest/grammar.h"

extern const struct table manifest_agent_table; /* struct manifest_agent */

#endif
