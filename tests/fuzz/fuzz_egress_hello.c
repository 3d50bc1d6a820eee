/* SPDX-License-Identifier: MIT */
/* A ClientHello: its end does not depend on what follows, and nothing shorter is enough. */
#include "core/egress/client_hello.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_make(data, size < CLIENT_HELLO_MAX ? size : CLIENT_HELLO_MAX);
    struct client_hello hello, again;
    const char *why = NULL;
    ssize_t len = client_hello_parse(bytes, &hello, &why);

    assert(len >= 0 || why);
    if (len == 0) {
        assert(hello.wanted > bytes.len);
        return 0;
    }
    if (len < 0)
        return 0;
    assert((size_t) len <= bytes.len && (!hello.has_name || strlen(hello.name) > 0));
    assert(client_hello_parse(span_make(bytes.ptr, (size_t) len), &again, &why) == len);
    assert(again.has_name == hello.has_name && (!again.has_name || strcmp(again.name, hello.name) == 0));
    assert(client_hello_parse(span_make(bytes.ptr, (size_t) len - 1), &again, &why) == 0);
    return 0;
}
