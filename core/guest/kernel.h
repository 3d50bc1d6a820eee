/* SPDX-License-Identifier: MIT */
/*
 * Which kernel this is, and what it says of us when it is asked by system calls: for sandboxes whose /proc
 * tells less than Linux does (gVisor), or shall not be believed in this.
 *
 *     release:\t6.1.0              uname(2); a namespace cannot change it
 *     version:\t#1 SMP ...
 *     vdso:\tlinux                 the code that the kernel maps into each process
 *                                  is marked as Linux' ("other": it is not;
 *                                  "none"); no file that another could cover
 *     new_privileges:\t1           PR_GET_NO_NEW_PRIVS
 *     rlimit 7:\t1024 4096         getrlimit(2): number, soft, hard; -1 = unlimited
 */
#ifndef GUEST_KERNEL_H
#define GUEST_KERNEL_H

/* A descriptor to read that from, or -errno. */
int kernel_open(void);

#endif
