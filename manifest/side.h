/* SPDX-License-Identifier: MIT */
/*
 * What a sandbox beside the agent's may be told, by the tool or server that it is for: the same words as in
 * `sandbox`, `workspace` and `network`. What it is not told is as the agent's sandbox has it: engine, user,
 * runtime, seccomp, the rows given up, scan. It has no mounts, a workspace in memory, and no way out unless
 * it is given one of its own.
 *
 *     struct manifest_server { ...; struct manifest_side side; };
 *     static const struct field rows[] = { ..., SIDE_ROWS(struct manifest_server, side) };
 */
#ifndef MANIFEST_SIDE_H
#define MANIFEST_SIDE_H

#include "core/run/spec.h"
#include "manifest/network.h"
#include "manifest/rows.h"

struct manifest_side {
    const char *image; /* NULL: the agent's */
    int64_t memory_bytes, pids, tmp_bytes, size_bytes;
    double cpus;
    struct manifest_pairs environment;
    struct manifest_network network;
};

#define SIDE_ROWS(type, member)                                                                              \
    { .name = "image",                                                                                       \
      .kind = FIELD_STRING,                                                                                  \
      .offset = offsetof(type, member.image),                                                                \
      .min = 1,                                                                                              \
      .max = 512,                                                                                            \
      .help = "Of its own sandbox; the agent's image when not given." },                                     \
        { .name = "network",                                                                                 \
          .kind = FIELD_CUSTOM,                                                                              \
          .offset = offsetof(type, member.network),                                                          \
          .sub = &manifest_network_table,                                                                    \
          .decode = kind_network_decode,                                                                     \
          .schema = kind_network_schema,                                                                     \
          .help = "What may leave its own sandbox, in the words of the manifest's `network`; none when not " \
                  "given." },                                                                                \
        { .name = "environment",                                                                             \
          .kind = FIELD_CUSTOM,                                                                              \
          .offset = offsetof(type, member.environment),                                                      \
          .decode = kind_environment_decode,                                                                 \
          .schema = kind_environment_schema,                                                                 \
          .help = "Variables in its own sandbox; plain values only." },                                      \
        { .name = "memory",                                                                                  \
          .kind = FIELD_SIZE,                                                                                \
          .offset = offsetof(type, member.memory_bytes),                                                     \
          .min = 6 * MIB,                                                                                    \
          .max = 16 * TIB,                                                                                   \
          .fallback = "\"512m\"",                                                                            \
          .help = "For processes of its own sandbox." },                                                     \
        { .name = "cpus",                                                                                    \
          .kind = FIELD_NUMBER,                                                                              \
          .offset = offsetof(type, member.cpus),                                                             \
          .min = 0,                                                                                          \
          .max = 1024,                                                                                       \
          .fallback = "1",                                                                                   \
          .help = "How many processors' worth of time." },                                                   \
        { .name = "pids",                                                                                    \
          .kind = FIELD_INT,                                                                                 \
          .offset = offsetof(type, member.pids),                                                             \
          .min = 8,                                                                                          \
          .max = 4194304,                                                                                    \
          .fallback = "128",                                                                                 \
          .help = "Processes and threads at once." },                                                        \
        { .name = "tmp",                                                                                     \
          .kind = FIELD_SIZE,                                                                                \
          .offset = offsetof(type, member.tmp_bytes),                                                        \
          .min = 64 * KIB,                                                                                   \
          .max = 1 * TIB,                                                                                    \
          .fallback = "\"64m\"",                                                                             \
          .help = "Size of its /tmp." },                                                                     \
    {                                                                                                        \
        .name = "size", .kind = FIELD_SIZE, .offset = offsetof(type, member.size_bytes), .min = 64 * KIB,    \
        .max = 1 * TIB, .fallback = "\"256m\"", .help = "Size of its workspace, /workspace."                 \
    }

struct loader;

/* Secrets' files get their whole path. Before everything else. */
void side_load(struct loader *l, struct manifest_side *side);

/* After the agent's own sandbox. `name`: [a-z0-9-]{1,40}, one of its kind. Arrays go to the arena. False: no
 * memory. */
bool side_fill(struct loader *l, const char *name, const struct manifest_side *from, struct run_side *ret);

#endif
