/* SPDX-License-Identifier: MIT */
/* The kernel's text files, which come through a guest that may lie. */
#include "oci/procfs.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make(data, size), rest = text, word;
    struct procfs_mount mount;
    uint64_t soft, hard;

    while (procfs_next_mount(&rest, &mount)) {
        struct procfs_mount again;

        assert(mount.options.ptr >= text.ptr && mount.super.ptr + mount.super.len <= text.ptr + text.len);
        assert(procfs_mount_at(text, mount.point, &again));
        (void) procfs_has_option(mount.options, "ro");
        (void) procfs_size_option(mount.super, "size", &soft);
    }
    (void) procfs_field(text, "Pid");
    (void) procfs_single(text);
    (void) procfs_limit(text, "Max open files", &soft, &hard);
    rest = text;
    while (procfs_line(&rest, &word))
        while (procfs_word(&word, &mount.type))
            ;
    return 0;
}
