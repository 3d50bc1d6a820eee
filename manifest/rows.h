/* SPDX-License-Identifier: MIT */
/* What those who write rows of the grammar share. For files with rows only. */
#ifndef MANIFEST_ROWS_H
#define MANIFEST_ROWS_H

#include "manifest/kinds.h"

#define KIB    INT64_C(1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define TIB    (1024 * GIB)

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

#define TABLE(type, label, rows, text) \
    .name = (label), .fields = (rows), .count = FIELD_COUNT_OF(rows), .size = sizeof(type), .help = (text)

/* A key of later work that is refused whatever it says. */
#define LATER(key, text)                                                         \
    {                                                                            \
        .name = (key), .kind = FIELD_TREE, .flags = FIELD_LATER, .help = (text), \
    }

/* A key of later work that may say that it is off. */
#define OFF(key, words, text)                                                             \
    {                                                                                     \
        .name = (key), .kind = FIELD_CUSTOM, .names = (words), .decode = kind_off_decode, \
        .schema = kind_off_schema, .help = (text),                                        \
    }

#endif
