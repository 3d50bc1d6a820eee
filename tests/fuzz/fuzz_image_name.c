/* SPDX-License-Identifier: MIT */
/* Image names: what is accepted can go into a URL path as it is. */
#include "oci/image_name.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_name name;
    char text[1024];

    if (size >= sizeof(text) || memchr(data, '\0', size))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (image_name_parse(text, &name, NULL) < 0 || name.is_id)
        return 0;
    assert(name.path[0] && name.path[0] != '/' && !strstr(name.path, "//") && !strstr(name.path, "/../"));
    assert(!strpbrk(name.from, "?#% \r\n@"));
    assert(name.tag[0] || name.digest[0]);
    return 0;
}
