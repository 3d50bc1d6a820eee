/* SPDX-License-Identifier: MIT */
/*
 * The memory of a change scan: what each path looked like when the host was
 * last told about it. Static: SCAN_ENTRIES paths, SCAN_BYTES of names; the pages
 * that are not used cost nothing.
 *
 * The memory is one host's. It is forgotten when a scan that should be remembered does not come to its end
 * (canceled, failed, host gone), because then nobody knows what was heard; the next scan reports everything.
 */
#ifndef GUEST_SCAN_H
#define GUEST_SCAN_H

#include "core/guest/walk.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCAN_ENTRIES = 256 * 1024, SCAN_BYTES = 16 * 1024 * 1024 };

void scan_forget(void);
void scan_begin(bool remember);

/* Compare with the memory. 1: changed or new, 0: as before, -EOVERFLOW: more than fits.
 * What changed within SCAN_RACY_NS of now counts as changed once more in the next scan: the file system's
 * clock ticks slowly, so a second change could look the same. */
enum { SCAN_RACY_NS = 20 * 1000 * 1000 };
int scan_see(const struct walk_item *item);

/* The ctime of what the first `len` bytes of `path` name was changed by us (pry.h), from `before` to `after`.
 */
void scan_settle(const char *path, size_t len, uint64_t inode, int64_t before, int64_t after);

/* After the walk: the next path of the memory that was not seen, its length, 0 when there is none left. */
size_t scan_gone(char ret[FRAME_PATH_MAX]);

#endif
