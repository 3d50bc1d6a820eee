/* SPDX-License-Identifier: MIT */
#include "core/guest/kernel.h"

#include "core/guest/told.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

/* A note named Linux, with the number of its version: in every vDSO since 2.6.18 (vdso/note.S of each
 * architecture). */
static const char linux_note[] = "\x06\0\0\0\x04\0\0\0\0\0\0\0Linux\0";

/* The kernel put it there: what it says about itself is taken as it is. */
static const char *vdso_kind(void)
{
    const char *image = (const char *) (uintptr_t) getauxval(AT_SYSINFO_EHDR);
    ElfW(Ehdr) head;
    ElfW(Phdr) part;

    if (!image)
        return "none";
    memcpy(&head, image, sizeof(head));
    for (unsigned i = 0; i < head.e_phnum; i++) {
        memcpy(&part, image + head.e_phoff + i * sizeof(part), sizeof(part));
        if (part.p_type == PT_NOTE &&
            memmem(image + part.p_offset, part.p_filesz, linux_note, sizeof(linux_note) - 1))
            return "linux";
    }
    return "other";
}

int kernel_open(void)
{
    char text[TOLD_MAX];
    struct utsname name;
    struct rlimit limit;
    size_t n;

    if (uname(&name) < 0)
        return -errno;
    n = (size_t) snprintf(text, sizeof(text),
                          "release:\t%.64s\nversion:\t%.64s\nvdso:\t%s\nnew_privileges:\t%d\n", name.release,
                          name.version, vdso_kind(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    for (int i = 0; i < RLIM_NLIMITS; i++)
        if (getrlimit(i, &limit) == 0)
            n += (size_t) snprintf(text + n, sizeof(text) - n, "rlimit %d:\t%lld %lld\n", i,
                                   (long long) limit.rlim_cur, (long long) limit.rlim_max);
    return told_open(text, n);
}
