/* SPDX-License-Identifier: MIT */
#include "core/run/egress_test.h"

#include <stdlib.h>
#include <string.h>

static size_t resolve(void *data, const char *name, struct egress_address *ret, size_t max)
{
    static const uint8_t loopback[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 };

    (void) data;
    (void) name;
    if (max == 0)
        return 0;
    memcpy(ret->bytes, loopback, sizeof(loopback));
    return 1;
}

static bool is_global(void *data, const struct egress_address *address)
{
    (void) data;
    return address->bytes[12] == 127;
}

/* "443=40443,80=40080" */
static uint16_t real_port(void *data, uint16_t port)
{
    const char *at = data;

    while (at && *at) {
        char *end;
        unsigned long from = strtoul(at, &end, 10);
        unsigned long to = *end == '=' ? strtoul(end + 1, &end, 10) : 0;

        if (from == port && to > 0 && to <= UINT16_MAX)
            return (uint16_t) to;
        at = *end == ',' ? end + 1 : NULL;
    }
    return port;
}

void egress_test_options(struct door_options *ret)
{
    char *ports = getenv("AGENTBOX_TEST_EGRESS");

    if (!ports)
        return;
    ret->resolve = resolve;
    ret->is_global = is_global;
    ret->real_port = real_port;
    ret->data = ports;
    ret->tls_ca = getenv("AGENTBOX_TEST_EGRESS_CA");
}
