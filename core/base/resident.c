/* SPDX-License-Identifier: MIT */
#include "core/base/resident.h"

#ifdef __linux__
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Text that was relocated in place is changed, and would be lost. */
static bool has_changed_text(const struct dl_phdr_info *lib)
{
    for (int i = 0; i < lib->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &lib->dlpi_phdr[i];

        if (part->p_type != PT_DYNAMIC)
            continue;
        for (const ElfW(Dyn) *d = (const ElfW(Dyn) *) (lib->dlpi_addr + part->p_vaddr); d->d_tag != DT_NULL;
             d++)
            if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL)))
                return true;
    }
    return false;
}

struct range {
    uintptr_t begin, end; /* whole pages */
};

static struct range pages_of(const struct dl_phdr_info *lib, const ElfW(Phdr) * part)
{
    const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE), at = lib->dlpi_addr + part->p_vaddr;

    return (struct range){ at & ~(page - 1), (at + part->p_memsz + page - 1) & ~(page - 1) };
}

static bool is_written(const ElfW(Phdr) * part)
{
    return part->p_type == PT_LOAD && (part->p_flags & PF_W);
}

/* No linker puts what is written into a page of what is not; a page like that would lose its changes. */
static bool has_written(const struct dl_phdr_info *lib, struct range r)
{
    for (int i = 0; i < lib->dlpi_phnum; i++) {
        struct range other = pages_of(lib, &lib->dlpi_phdr[i]);

        if (is_written(&lib->dlpi_phdr[i]) && other.begin < r.end && r.begin < other.end)
            return true;
    }
    return false;
}

static int trim_library(struct dl_phdr_info *lib, size_t size, void *data)
{
    bool *is_past_program = data;
    bool is_library = *is_past_program && lib->dlpi_name && lib->dlpi_name[0] == '/';

    *is_past_program = true; /* it comes first */
    if (!is_library || has_changed_text(lib))
        return 0;
    for (int i = 0; i < lib->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &lib->dlpi_phdr[i];
        struct range r = pages_of(lib, part);

        if (part->p_type == PT_LOAD && !is_written(part) && !has_written(lib, r))
            (void) madvise((void *) r.begin, r.end - r.begin, MADV_DONTNEED);
    }
    return 0;
}

void resident_trim(void)
{
    bool is_past_program = false;

    (void) dl_iterate_phdr(trim_library, &is_past_program);
}
#else
void resident_trim(void)
{
}
#endif
