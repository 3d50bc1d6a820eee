/* SPDX-License-Identifier: MIT */
/*
 * The grammar of the manifest: every key as a row of a field table
 * (core/base/table.h), and the structs the rows decode into. Decoding, defaults,
 * checks, unknown-key hints, the JSON Schema, the resolved manifest and the
 * reference all come from these rows; nothing else knows a key.
 *
 * What is meant to work one day has a row too and is refused with
 * "not supported yet"; a value that only says that it is off (warm: 0) is accepted.
 *
 * Everything here is pure: no file is looked at (manifest/load.h does).
 */
#ifndef MANIFEST_GRAMMAR_H
#define MANIFEST_GRAMMAR_H

#include "core/base/table.h"
#include "core/run/spec.h"

enum manifest_param_type { PARAM_STRING, PARAM_INT, PARAM_NUMBER, PARAM_BOOL };

struct manifest_param {
    const char *name;
    int type; /* enum manifest_param_type */
    const struct tree *fallback;
    const struct tree *choices;
    const char *description;
    const struct tree *node;
};

/* A secret by reference, as written. */
struct manifest_secret {
    const char *from_env;
    const char *from_file;
    const char *const *from_command;
    size_t from_command_count;
    const char *prefix;
};

/* Member of a map of texts: a header (value or secret), a variable. */
struct manifest_pair {
    const char *name;
    const char *value; /* NULL: secret */
    struct manifest_secret secret;
};

struct manifest_pairs {
    struct manifest_pair *items;
    size_t count;
};

/* A tool that the list describes, by the type that it is of (tools.c). */
struct manifest_own {
    const struct manifest_own_ops *ops;
    const char *name;
    const struct tree *node;
    const void *decoded; /* the type's own, in the arena */
};

struct manifest_tools {
    struct manifest_own *own;
    size_t own_count;
    const char **names; /* of those that agentbox runs */
    size_t count;
    struct tool_hosted *hosted;
    size_t hosted_count;
};

struct manifest_model {
    const char *name, *base_url;
    struct manifest_secret api_key;
    int auth_header, state, tool_style;
    struct manifest_pairs headers;
    struct {
        const char *effort, *summary;
    } reasoning;
    int64_t max_output_tokens, context_window;
    struct {
        const char *verbosity;
    } text;
    const char *service_tier;
    int64_t idle_ms, retries;
    struct model_price price;
    const struct tree *extra;
    const char *record, *replay;
};

struct manifest_skill {
    const char *from;                      /* a folder, as written; after loading absolute, or NULL */
    const char *name, *description, *text; /* NULL: to be read there */
    bool has_place;                        /* after loading: its folder goes into the workspace */
    const struct tree *node;
};

struct manifest_answer {
    const char *file; /* until it has been read */
    const struct tree *schema;
};

struct manifest_check {
    const char *run;
    int64_t retries;
};

struct manifest_compaction {
    double at; /* of model.context_window */
    int by;    /* enum run_compact_by */
};

struct manifest_memory {
    bool is_set, read, write;
    const char *dir; /* NULL: by name; absolute after loading */
    int64_t bytes_max;
};

struct manifest_agent {
    const char *instructions, *instructions_file, *task, *task_file;
    const char *const *attachments;
    size_t attachment_count;
    struct manifest_tools tools;
    bool agents_md, file_tree;
    struct manifest_skill *skills;
    size_t skill_count;
    struct manifest_answer output;
    struct approve_spec approve;
    struct manifest_compaction compaction;
    struct manifest_memory memory;
};

enum manifest_entry_type {
    ENTRY_DIR,
    ENTRY_FILE,
    ENTRY_LOCAL_FILE,
    ENTRY_LOCAL_DIR,
    ENTRY_LATER, /* this and all behind it */
};

struct manifest_entry {
    const char *key;  /* as written */
    const char *path; /* normalized, with the parents' paths before it; NULL: not acceptable */
    int type;         /* enum manifest_entry_type */
    const char *src;
    struct span content;
    int64_t permissions; /* -1: not given */
    bool mount;
    struct {
        struct manifest_entry *items;
        size_t count;
    } children; /* of a dir */
    const struct tree *node;
};

struct manifest_workspace {
    const char *root;
    int storage;
    int64_t size_bytes;
    struct manifest_pairs environment;
    struct manifest_entry *entries;
    size_t entry_count;
};

struct manifest_output {
    const char *from;
    const char *path; /* normalized by the check; NULL: not acceptable */
    const char *to;
    bool required;
    bool hidden;
    const struct tree *node;
};

struct manifest_scan {
    bool is_set;
    const char *const *command;
    size_t command_count;
    int preset, severity; /* indices of their words; preset -1: none */
    int64_t max_age_ms, timeout_ms, archive_bytes;
    const char *dir;
};

struct manifest_sandbox {
    const char *image, *engine, *user, *runtime, *seccomp;
    int pull, keep;
    int64_t uid, gid; /* of `user` */
    int64_t memory_bytes, pids, tmp_bytes;
    double cpus;
    const char *const *lower;
    size_t lower_count;
    struct manifest_scan scan;
};

struct manifest_inject {
    const char *header, *variable;
    struct manifest_secret value;
    bool intercept;
};

struct manifest_rule {
    const char *host; /* as written */
    const char *const *methods;
    size_t method_count;
    struct manifest_inject inject; /* header NULL: none */
    struct egress_rule rule;
};

struct manifest_network {
    struct manifest_rule *rules;
    size_t rule_count; /* 0: none */
    int64_t max_bytes, connections, max_connections, rate, lifetime_ms, idle_ms;
};

struct manifest_checkpoint {
    int every, on_interrupt; /* enum run_checkpoint_every, enum run_on_interrupt */
    int64_t keep;
};

struct manifest {
    int64_t version;
    const char *name, *description;
    struct manifest_param *params;
    size_t param_count;
    struct manifest_model model;
    struct manifest_agent agent;
    struct manifest_workspace workspace;
    struct manifest_output *outputs;
    size_t output_count;
    struct manifest_sandbox sandbox;
    struct manifest_network network;
    struct run_limits limits;
    struct manifest_check *checks;
    size_t check_count;
    struct manifest_checkpoint checkpoint;
};

extern const struct table manifest_table;       /* struct manifest */
extern const struct table manifest_limit_table; /* struct run_limits */
extern const struct table
    manifest_param_table; /* struct manifest_param: `params` is decoded before the rest */

#endif
