/* SPDX-License-Identifier: MIT */
/*
 * Our own seccomp profile: what a program in a sandbox may ask the kernel for.
 *
 * The profile is data (rows in seccomp.c: name, architectures, rule) and is sent
 * inline with the container's create request. It is an allow list of the native
 * architecture only: the i386 and x32 doors of x86_64 stay shut, since i386's
 * socketcall() passes by every rule about sockets. What is not listed answers
 * EPERM; what libc has a fallback for answers ENOSYS.
 *
 * What is left out on purpose, beyond Docker's own default: io_uring, ptrace and
 * process_vm_*, pidfd_getfd, kcmp, bpf, keyrings, userfaultfd, perf, memfd (a way
 * to run what no noexec mount stops), modify_ldt, vmsplice, namespaces in any
 * form, mounts, sockets other than unix, TCP, UDP and the routing table's netlink
 * (no vsock, no raw, no sctp or dccp, whose modules a bare socket() would load),
 * set-id bits (chmod, open), xattr writes.
 *
 * openat2() answers ENOSYS: its mode is in memory where no filter can look, so a
 * set-id bit could be made by it. The guest then walks paths by openat(), as programs
 * do on older kernels.
 *
 * Limits, priorities and scheduling can be set by a process for itself alone. The
 * guest runs under the same user, and the kernel would let a command set them for it: a
 * limit of processor time ends even the first process of a namespace.
 *
 * Rules seen on engines: `architectures` and `archMap` exclude each other;
 * errnoRet works per rule, defaultErrnoRet is ignored by 20.10; two conditions on
 * one argument are OR-ed, on different ones AND-ed; names that an engine's
 * libseccomp does not know are skipped by runc.
 */
#ifndef OCI_SECCOMP_H
#define OCI_SECCOMP_H

#include "core/base/buf.h"
#include "core/base/err.h"

#define SECCOMP_MAX (256 * 1024)

enum seccomp_arch { SECCOMP_X86_64, SECCOMP_ARM64 };

/* "amd64", "x86_64", "arm64", "aarch64". ERR_ENGINE for others: there is no profile of ours. */
int seccomp_arch_parse(const char *name, enum seccomp_arch *ret, struct err *err);

/* Append the profile as one line of JSON. */
int seccomp_write(enum seccomp_arch arch, struct buf *out, struct err *err);

/* The profile of a file, checked to be a JSON object and bounded, appended without what JSON does not need.
 */
int seccomp_load(const char *path, struct buf *out, struct err *err);

#endif
