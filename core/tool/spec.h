/* SPDX-License-Identifier: MIT */
/*
 * What the tools are given by a manifest, decoded: tools that the server runs, skills, and which calls may
 * run without asking (`agent.approve`; how it is applied: core/tool/approve.h). Plain data; strings live in
 * the arena of the run's spec.
 */
#ifndef TOOL_SPEC_H
#define TOOL_SPEC_H

#include "core/base/bundle.h"
#include "core/base/credentials.h"
#include "core/base/tree.h"
#include "core/sandbox/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tool that the model's server runs: web_search and its like. Nothing of it is executed here, and the
 * lock-down of the sandbox says nothing about it. */
struct tool_hosted {
    const char *type;            /* as the API calls it */
    const struct tree *settings; /* object, beside `type`; NULL: none */
};

/* A tool of the run's own: a function that the manifest describes, or that a server of the manifest's does.
 */
enum tool_kind { TOOL_CONTAINER, TOOL_MCP, TOOL_AGENT };

struct tool_own {
    enum tool_kind kind;
    const char *name;  /* of the function, unlike those of all other tools: [a-zA-Z0-9_-]{1,64} */
    const char *group; /* that it belongs to, for agent.approve: a server's name; NULL: none */
    const char *description;
    const char *parameters; /* a JSON Schema of an object, as JSON text */
    bool is_strict;         /* the schema is one that the API's strict mode takes */
    const void *spec;       /* what its kind needs to know */
};

/* A server of tools that speaks MCP: a command in a sandbox of its own, or a URL. */
struct tool_mcp {
    const char *name;           /* [a-z0-9-]{1,32}; its tools are NAME__TOOL */
    const char *const *command; /* NULL-terminated; NULL: a URL */
    const char *side;           /* the sandbox of the command */
    const char *url;
    const char *const *allow; /* names of its tools, NULL-terminated; NULL: all */
    bool is_required;         /* the run ends when it does not come up */
    int64_t start_ms;         /* so long that may take */
    struct secret_ref api_key;
    const struct credential *headers;
    size_t header_count;
    const struct credential *variables; /* of the command: secrets */
    size_t variable_count;
};

/* Where the folders of skills are in the workspace, each under the skill's name. */
#define TOOL_SKILLS_DIR ".agentbox/skills"

#define TOOL_LOAD_SKILL "load_skill" /* the tool's name; there whenever there are skills */

struct tool_skill {
    const char *name;        /* small letters, digits, '-' */
    const char *description; /* one line */
    const char *text;        /* of SKILL.md, after its front matter */
    bool has_files;          /* its folder is in the workspace */
};

#define TOOL_REMEMBER "remember" /* the tool's name; there when notes may be written */

/* Notes kept between runs (notes.h). */
struct tool_memory {
    const char *dir; /* absolute; NULL: the one that belongs to the name of the manifest */
    bool read, write;
    bool is_dry; /* a replay: what was noted then is not noted again */
    int64_t bytes_max;
};

/* ---- tools of an image of their own ---- */

/* A file or folder of the agent's workspace that a call gets a copy of, at the same path. */
struct tool_input {
    const char *path;     /* beneath the workspace; NULL: what an argument says */
    const char *argument; /* a text, or a list of texts */
};

#define TOOL_CONTAINER_PLACE "{tool}"         /* in a command: the folder with the tool's own files */
#define TOOL_CONTAINER_DIR   ".agentbox/tool" /* which is this one of its workspace */

struct tool_container {            /* struct tool_own has its name and what the model is told */
    const struct tree *parameters; /* a JSON Schema of the strict kind (core/base/json_schema.h) */
    const char *const *command;    /* NULL-terminated; may hold TOOL_CONTAINER_PLACE */
    const struct tool_input *inputs;
    size_t input_count;
    int64_t timeout_ms; /* of one call */
    bool caches;
    const struct bundle_file *files; /* its own, from the library */
    size_t file_count;
    const char *digest;                 /* of these; NULL: the image has all */
    const char *side;                   /* the sandbox of the run that it runs in */
    const struct sandbox_spec *sandbox; /* of that one */
    bool has_network;                   /* something may leave it */
};

enum approve_word { APPROVE_AUTO, APPROVE_ASK, APPROVE_DENY, APPROVE_WORDS }; /* the stricter is the larger */

struct approve_rule {
    const char *tool;
    enum approve_word otherwise;
    struct {
        const char *const *items; /* patterns */
        size_t count;
    } commands[APPROVE_WORDS];
};

struct approve_spec {
    const struct approve_rule *rules;
    size_t count;
    enum approve_word otherwise; /* of tools that no rule names */
    bool waits; /* without a terminal `ask` ends the run, to be answered by a resume; else it is `deny` */
};

#endif
