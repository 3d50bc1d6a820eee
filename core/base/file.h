/* SPDX-License-Identifier: MIT */
/*
 * Files of the host: whole reads with a ceiling, atomic writes, folders, and
 * access beneath a folder that untrusted names cannot leave.
 * Errors are ERR_IO (with errno), ERR_NOT_FOUND (ENOENT), ERR_TOO_LARGE.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <sys/types.h>

/* Open a regular file of a folder for reading. Whoever made the folder may have put a link, a pipe that
 * nobody writes to, or a device without end there: those are refused, ERR_INVALID, and never waited for. */
int file_open_regular_at(int dir_fd, const char *name, int *ret_fd, struct err *err);

/* Append a whole file to `out`; its max is the ceiling. `path` "-" is not special. */
int file_read(const char *path, struct buf *out, struct err *err);
/* Beneath a folder of ours: a regular file, as above. */
int file_read_at(int dir_fd, const char *path, struct buf *out, struct err *err);

/* Write a file so that it is either the old or the new one at every moment:
 * temporary name beside it, write, fsync, rename, fsync of the folder. */
int file_write_atomic(const char *path, struct span content, mode_t mode, struct err *err);
int file_write_atomic_at(int dir_fd, const char *name, struct span content, mode_t mode, struct err *err);

/* A copy of a regular file under a name that nobody has, flushed; made of what is read when it is read. */
int file_copy_at(int from_dir_fd, const char *from, int to_dir_fd, const char *to, mode_t mode,
                 struct err *err);

/* Write all bytes, through EINTR and short writes. */
int file_write_all(int fd, const void *ptr, size_t len, struct err *err);

/* The file's bytes and size are on the disk. Never to be called again after a failure: the second time may
 * lie. */
int file_sync_data(int fd, struct err *err);

/* fsync of a folder, so that a rename or create in it lasts. */
int file_sync_dir(int dir_fd, struct err *err);

/* Create a folder and its parents. An existing folder is fine. */
int file_make_dirs(const char *path, mode_t mode, struct err *err);

/* Open `path` (relative, may have slashes) beneath dir_fd. Never leaves it:
 * absolute paths, `..`, symlinks in any component and magic links are ERR_INVALID.
 * openat2 where the kernel has it, a walk with O_NOFOLLOW elsewhere. */
int file_open_beneath(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd, struct err *err);

/* Create the folders of `path`'s parent beneath dir_fd, same rules; returns an fd of the parent. */
int file_make_parents_beneath(int dir_fd, const char *path, mode_t mode, int *ret_fd, struct err *err);

/* Remove a tree without following links. A missing one is fine. */
int file_remove_tree(int dir_fd, const char *name, struct err *err);

/* "a/b" joined with exactly one slash; absolute `rel` wins. Caller frees; NULL: no memory. */
char *file_join(const char *base, const char *rel);

#endif
