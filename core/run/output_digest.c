/* SPDX-License-Identifier: MIT */
#include "core/run/output_digest.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct output_digest_file *) a)->name,
                  ((const struct output_digest_file *) b)->name);
}

int output_list(struct output_digest_file *list, size_t count, struct buf *out)
{
    int r = 0;

    if (count > 0)
        qsort(list, count, sizeof(*list), by_name);
    for (size_t i = 0; i < count && r == 0; i++)
        r = buf_printf(out, "%s  %s\n", list[i].sha256, list[i].name);
    return r;
}

int output_digest(struct output_digest_file *list, size_t count, char ret_sha256[DIGEST_HEX], struct err *err)
{
    struct digest *sum = digest_new();
    uint8_t raw[DIGEST_SIZE];

    if (!sum)
        return err_set(err, ERR_INTERNAL, "no memory for a digest");
    if (count > 0)
        qsort(list, count, sizeof(*list), by_name);
    for (size_t i = 0; i < count; i++) {
        digest_add(sum, list[i].sha256, DIGEST_HEX - 1);
        digest_add(sum, "  ", 2);
        digest_add(sum, list[i].name, strlen(list[i].name));
        digest_add(sum, "\n", 1);
    }
    digest_end(sum, raw);
    digest_hex(raw, ret_sha256);
    digest_free(sum);
    return 0;
}
