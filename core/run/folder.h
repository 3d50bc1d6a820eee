/* SPDX-License-Identifier: MIT */
/*
 * Where a run lives on disk: `$XDG_STATE_HOME/agentbox/runs/<id>/` (else
 * `~/.local/state/...`), mode 0700, holding
 *   manifest.json     the resolved manifest
 *   journal.jsonl     journal.h
 *   objects/<sha256>  large payloads and outputs of commands, by content (object.h)
 *   checkpoints/      checkpoint.h
 *   agents/<call>/    the run of a subagent, a folder like this one, by the number of the call that it
 * answers lock              empty; held (OFD or flock lock) by the one process that runs it. Who that is
 * follows from the journal's last run.begin or run.resume
 *
 * The id of a subagent's run is "ID/CALL", and so on down.
 *
 * An id is the UTC time of creation and a random part, "20261122-013000-k3x9ab", and
 * ids sort by time. The state folder must be ours and writable; that is checked
 * before anything starts: ERR_IO with a hint.
 */
#ifndef RUN_FOLDER_H
#define RUN_FOLDER_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define RUN_ID_SIZE  64 /* with the NUL */
#define RUN_ROOT_ID  22 /* bytes of the id of a run that is no subagent's; others begin with one */
#define RUN_AGENTS   "agents"
#define RUN_MANIFEST "manifest.json"

struct run_folder {
    char id[RUN_ID_SIZE];
    char *path; /* absolute */
    int fd;     /* of the folder */
    int objects_fd;
    int lock_fd; /* -1: not held by us */
};

/* Path of the folder that holds all runs; caller frees. ERR_IO: neither XDG_STATE_HOME nor HOME is there. */
int run_folder_root(char **ret, struct err *err);

/* Path of something else that is kept beside it: `$XDG_STATE_HOME/agentbox/<name>`. As above. */
int run_folder_beside(const char *name, char **ret, struct err *err);

/* A new folder, locked by us. */
int run_folder_create(struct run_folder **ret, struct err *err);

/* By id, by a prefix that only one run has, or "last"; then, each behind a '/', by the call of a subagent or
 * by its name, if it was called once. Not locked. ERR_NOT_FOUND, ERR_USAGE (prefix of several). */
int run_folder_open(const char *name, struct run_folder **ret, struct err *err);

/* The run of a subagent. `key`: number of the call; locked by us when it is made. */
int run_folder_create_child(struct run_folder *parent, const char *key, struct run_folder **ret,
                            struct err *err);
int run_folder_open_child(const struct run_folder *parent, const char *key, struct run_folder **ret,
                          struct err *err);
/* One of which nothing was recorded. */
void run_folder_discard_child(const struct run_folder *parent, const char *key);
/* Keys of all of them, by call. Free with run_folder_list_free(). */
int run_folder_children(const struct run_folder *parent, char ***ret_keys, size_t *ret_count,
                        struct err *err);
static inline bool run_folder_is_child(const struct run_folder *folder)
{
    return folder->id[RUN_ROOT_ID] == '/';
}

/* Unlocks. NULL is fine. */
void run_folder_free(struct run_folder *folder);

/* Become the one that runs it. ERR_CONFLICT says who does (pid, since when). */
int run_folder_lock(struct run_folder *folder, struct err *err);
/* What a crash at its creation may have left out is made up for. The one that holds the lock only. */
int run_folder_complete(struct run_folder *folder, struct err *err);
/* Does anybody (another open of the lock) hold it? Leaves no trace. */
bool run_folder_is_locked(const struct run_folder *folder);

/* Ids, newest first. An absent root is an empty list. Free with run_folder_list_free(). */
int run_folder_list(char ***ret_ids, size_t *ret_count, struct err *err);
void run_folder_list_free(char **ids, size_t count);

/* Delete it from disk: only when it is not running (ERR_CONFLICT). The struct stays to be freed. */
int run_folder_remove(struct run_folder *folder, struct err *err);

/* Says of a failure to write, whose cause `err` has, that it is this folder that cannot be written, and what
 * to do. */
int run_folder_unwritable(const struct run_folder *folder, struct err *err);
/* A file beside the journal, whole. */
int run_folder_save(struct run_folder *folder, const char *name, struct span content, struct err *err);
int run_folder_load(const struct run_folder *folder, const char *name, struct buf *out, struct err *err);

/* Boot id of this machine, "" when unknown. For records and lock messages. */
void boot_id(char *out, size_t size);

#endif
