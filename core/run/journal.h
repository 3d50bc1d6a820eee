/* SPDX-License-Identifier: MIT */
/*
 * The journal of a run: `journal.jsonl`, one record per line, appended only.
 * It is recovery log, audit trail and event stream at once.
 *
 * Every line is one JSON object: seq (1, 2, 3 ...), time, ms, type, the record's
 * fields, `prev`, the SHA-256 of the line before without its newline (64 zeros in
 * the first), and last `sum`, the SHA-256 of this line up to the comma before it. So a byte
 * that changed anywhere breaks the chain, and one in the last line is found too.
 *
 * Writing: journal_append() puts a line into memory, journal_sync() writes and
 * fdatasync()s what was appended: durable before visible. Once a write or a sync
 * has failed the journal is broken for good and says the same error again; a sync
 * is never tried twice, because the second one may lie.
 *
 * Reading: bytes after the last newline are a torn write; they are reported and
 * cut when the journal is opened for writing again. Anything wrong before that
 * is an error with its offset, never repaired.
 */
#ifndef RUN_JOURNAL_H
#define RUN_JOURNAL_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/span.h"
#include "core/run/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JOURNAL_FILE     "journal.jsonl"
#define JOURNAL_HIDDEN   ".journal.tmp"
#define JOURNAL_LINE_MAX (4 * 1024 * 1024)

struct run_folder;

/* Where a chain stands: what the next line must say. */
struct journal_chain {
    uint64_t seq;          /* of the last line; 0 before the first */
    char prev[DIGEST_HEX]; /* of the last line; zeros before the first */
};

void journal_chain_init(struct journal_chain *chain);

/* Decode the first line of `bytes`: syntax, seq, prev, type, fields. Pure. Returns the bytes consumed,
 * newline included; 0 when there is no newline yet; -ERR_INVALID (damaged), -ERR_TOO_LARGE, -ERR_PROTOCOL (a
 * format that we do not know). On success `chain` has moved on; `ret` points into `bytes` and `arena`. */
ssize_t journal_decode(struct span bytes, struct journal_chain *chain, struct arena *arena,
                       struct record *ret, struct err *err);

/* One line (without newline) that is known to be ours: no chain is checked. */
int journal_peek(struct span line, struct arena *arena, struct record *ret, struct err *err);

/* ---- writing ---- */

struct journal;

/* The journal of a new run; ERR_CONFLICT when there is one. `folder` is borrowed. */
int journal_create(struct run_folder *folder, struct journal **ret, struct err *err);
/* One that is not there before journal_publish(): what it holds then appears at once, or never. */
int journal_create_hidden(struct run_folder *folder, struct journal **ret, struct err *err);
int journal_publish(struct journal *j, struct err *err); /* syncs */
/* Go on behind `chain`, whose last line ends at `end_offset`; a torn rest is cut off. */
int journal_continue(struct run_folder *folder, const struct journal_chain *chain, int64_t end_offset,
                     struct journal **ret, struct err *err);
void journal_free(struct journal *j); /* NULL is fine; what was not synced is gone */

/* Append one record; sets its seq and time. Large blobs are stored as objects first. `ret_line` (may be NULL)
 * is the line without newline, valid until the next call. */
int journal_append(struct journal *j, struct record *rec, struct span *ret_line, struct err *err);
bool journal_is_broken(const struct journal *j);
/* Where it stands: seq and digest of the line that was appended last. */
const struct journal_chain *journal_head(const struct journal *j);
/* Hand what was appended to the system: it survives our own death from now on, a power cut only after
 * journal_sync(). */
int journal_write(struct journal *j, struct err *err);
bool journal_is_dirty(const struct journal *j);
int journal_sync(struct journal *j, struct err *err);

/* ---- reading ---- */

struct journal_reader {
    struct run_folder *folder; /* borrowed */
    int fd;
    struct buf buf;     /* bytes read and not yet decoded */
    size_t used;        /* of these, decoded already */
    int64_t offset;     /* in the file, of the next line */
    int64_t torn_bytes; /* at the end of the file: bytes without newline; set by a 0 from next */
    struct journal_chain chain;
    struct arena arena; /* of the record returned last */
    struct span line;   /* of the record returned last, without newline */
};

int journal_open(struct run_folder *folder, struct journal_reader *ret, struct err *err);
void journal_close(struct journal_reader *r);
/* 1 = a record, valid until the next call; 0 = end (for now); negative = damaged, with the offset in the
 * text. */
int journal_next(struct journal_reader *r, struct record *ret, struct err *err);

/* Load the record's blob from the objects if it is there; checks its digest. The bytes live in `out`. */
int journal_resolve(struct run_folder *folder, struct record *rec, struct buf *out, struct err *err);

#endif
