/* SPDX-License-Identifier: MIT */
/*
 * The fields of each type of record, as tables that encoding and decoding walk. Inside of record.h:
 * only record.c and record_rows.c use it.
 */
#ifndef RUN_RECORD_ROWS_H
#define RUN_RECORD_ROWS_H

#include "core/run/record.h"

enum kind {
    INT,    /* int64_t; always written, with SPARSE when it is not 0 */
    BOOL,   /* bool; written when true */
    TEXT,   /* const char *; left out when NULL */
    BLOB,   /* struct record_blob; null when empty; with SPARSE left out */
    OBJECT, /* embedded struct of `sub` */
    LIST,   /* pointer to structs of `sub`, count at count_offset; left out when empty */
};

enum { NEEDED = 1, SPARSE = 2 };

struct row {
    const char *name;
    enum kind kind;
    size_t offset, count_offset;
    unsigned flags;
    const struct rows *sub;
};

struct rows {
    const struct row *list;
    size_t count, size;
};

struct record_table {
    const char *name; /* "call.begin" */
    struct rows rows;
};

extern const struct record_table record_tables[RECORD_TYPES];

#endif
