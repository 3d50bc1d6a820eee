/* SPDX-License-Identifier: MIT */
/*
 * Tools of an image of their own (`agent.tools: - type: container`), as they are written: in a manifest, in a
 * registry file that several manifests share, or as the tool.yaml of a tool of the library. The rows are the
 * same in all three.
 *
 * What of them is a file (a schema, a registry, a version in the library) is read when the manifest is
 * loaded, and becomes part of it, so that a run that goes on has the same tools as at its beginning; of a
 * tool of the library its digest does, and its files are looked for again.
 */
#ifndef MANIFEST_CONTAINER_H
#define MANIFEST_CONTAINER_H

#include "core/base/bundle.h"
#include "manifest/diag.h"
#include "manifest/kinds.h"
#include "manifest/side.h"

#define CONTAINER_NAME_MAX   64 /* as the API has it for functions */
#define CONTAINER_ONLY_MAX   32
#define CONTAINER_INPUTS_MAX 32
#define CONTAINER_FROM_SHELF "library" /* of `from`: the user's library */

struct manifest_input {
    const char *path; /* normalized; NULL: an argument says it */
    const char *argument;
};

struct manifest_tool_test {
    const char *name;
    const struct tree *arguments, *result; /* NULL: not given */
    bool fails;
    const char *workspace; /* a folder of the tool; NULL: an empty one */
};

struct manifest_container {
    int64_t version; /* of tool.yaml */
    int type;        /* there is one */
    const char *name, *description;
    struct manifest_side side;
    struct manifest_answer parameters;
    const char *const *command;
    size_t command_count;
    int64_t timeout_ms; /* 0: limits.command */
    struct {
        struct manifest_input *items;
        size_t count;
    } inputs;
    bool cache;
    struct manifest_tool_test *tests; /* of the library */
    size_t test_count;
    const struct bundle *files; /* of the library; NULL: not from there */
    const struct tree *node;    /* where it stands; NULL: in no file that is open */
    /* Until it is loaded: from where, under which name; NULL: it is here. */
    const char *from, *word;
};

struct manifest_registry {
    int64_t version;
    struct manifest_container *tools;
    size_t count;
};

extern const struct table manifest_container_table; /* struct manifest_container, in a manifest */
extern const struct table manifest_registry_table;  /* struct manifest_registry */
extern const struct table manifest_library_table;   /* struct manifest_container with tests: tool.yaml */
extern const struct table manifest_tool_test_table; /* struct manifest_tool_test */
extern const struct table manifest_source_table;    /* {from: ..., only: [...]} */

/* struct manifest_container: `inputs`, paths and {argument: NAME}; `parameters`, as answer.h has it. */
kind_decode_fn container_inputs_decode;
kind_schema_fn container_inputs_schema;
kind_encode_fn container_inputs_encode;
kind_decode_fn container_parameters_decode;
kind_encode_fn container_parameters_encode;

/* Items of agent.tools, {type: container, ...} and {from: ..., only: [...]}, into the list. The second one
 * takes as many places as `only` has names. */
bool container_take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools);
bool container_take_from(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools);
void container_from_schema(struct json_writer *w);

/* What such an item does once it is decoded (tools.h). */
struct loader;
void container_load(struct loader *l, struct manifest_own *own);
bool container_fill(struct loader *l, const struct manifest_own *own, struct tool_own *ret,
                    struct run_side *side);

bool container_is_name(const char *text);

#endif
