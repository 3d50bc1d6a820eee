/* SPDX-License-Identifier: MIT */
/*
 * The rows. Ranges say what makes sense at all; memory and pids start where the
 * engine does. Help texts are sentences of the reference. Those of larger keys are
 * in files of their own: agent.h, model.h, entry.h, network.h, scan.h, answer.h.
 */
#include "manifest/grammar.h"

#include "manifest/agent.h"
#include "manifest/agents.h"
#include "manifest/answer.h"
#include "manifest/entry.h"
#include "manifest/kinds.h"
#include "manifest/model.h"
#include "manifest/network.h"
#include "manifest/rows.h"
#include "manifest/rules.h"
#include "manifest/scan.h"

static const char *const off_zero[] = { "0", NULL };

/* --- params --- */

static const char *const param_types[] = { "string", "int", "number", "bool", NULL };

static const struct field param_rows[] = {
    { .name = "type",
      .kind = FIELD_ENUM,
      .offset = offsetof(struct manifest_param, type),
      .names = param_types,
      .fallback = "\"string\"",
      .help = "What its value must be." },
    { .name = "default",
      .kind = FIELD_CUSTOM,
      .offset = offsetof(struct manifest_param, fallback),
      .decode = kind_scalar_decode,
      .schema = kind_scalar_schema,
      .help = "Its value when `-p` does not give one; without a default it must be given.",
      .example = "\"Q3\"" },
    { .name = "enum",
      .kind = FIELD_CUSTOM,
      .offset = offsetof(struct manifest_param, choices),
      .decode = kind_scalars_decode,
      .schema = kind_scalars_schema,
      .help = "The only values it may have.",
      .example = "[\"Q1\", \"Q2\", \"Q3\", \"Q4\"]" },
    { .name = "description",
      .kind = FIELD_STRING,
      .offset = offsetof(struct manifest_param, description),
      .max = 1000,
      .help = "What it is for." },
};

const struct table manifest_param_table = {
    TABLE(struct manifest_param, "parameter", param_rows,
          "A parameter of the run: `agentbox run -p quarter=Q3`, used as ${params.quarter}."),
    .key_offset = offsetof(struct manifest_param, name),
    .check = rules_param,
};

/* --- workspace --- */

#define WORKSPACE(member) offsetof(struct manifest_workspace, member)

static const char *const storage_names[] = { "memory", "volume", NULL };

static const struct field workspace_rows[] = {
    { .name = "root",
      .kind = FIELD_STRING,
      .offset = WORKSPACE(root),
      .min = 1,
      .max = 255,
      .fallback = "\"/workspace\"",
      .help = "Where it is in the sandbox; a folder of its own, nothing of the system." },
    { .name = "storage",
      .kind = FIELD_ENUM,
      .offset = WORKSPACE(storage),
      .names = storage_names,
      .fallback = "\"memory\"",
      .help = "memory: a tmpfs, fastest; volume: on the engine's disk." },
    { .name = "size",
      .kind = FIELD_SIZE,
      .offset = WORKSPACE(size_bytes),
      .min = 64 * KIB,
      .max = 16 * TIB,
      .fallback = "\"1g\"",
      .help = "A hard limit either way; in memory it also bounds the number of files, by at most 250,000." },
    { .name = "environment",
      .kind = FIELD_CUSTOM,
      .offset = WORKSPACE(environment),
      .decode = kind_environment_decode,
      .schema = kind_environment_schema,
      .help = "Variables of the commands; plain values only, secrets do not go in here.",
      .example = "{\"TZ\": \"UTC\"}" },
    { .name = "entries",
      .kind = FIELD_MAP,
      .offset = WORKSPACE(entries),
      .count_offset = WORKSPACE(entry_count),
      .sub = &manifest_entry_table,
      .help = "What is put into it before the run, by path." },
};

static const struct table workspace_table = {
    TABLE(struct manifest_workspace, "workspace", workspace_rows, "The folder the agent works in."),
    .check = rules_workspace,
};

/* --- outputs --- */

#define OUTPUT(member) offsetof(struct manifest_output, member)

static const struct field output_rows[] = {
    { .name = "path",
      .kind = FIELD_STRING,
      .offset = OUTPUT(path),
      .min = 1,
      .max = 512,
      .help = "File or folder beneath the workspace.",
      .example = "\"out/report.md\"" },
    { .name = "from",
      .kind = FIELD_STRING,
      .offset = OUTPUT(from),
      .min = 1,
      .max = 32,
      .help =
          "In the place of `path`: image_generation or code_interpreter; the images that this tool of the "
          "model's server has answered with, as files of a folder of its name.",
      .example = "\"image_generation\"" },
    { .name = "to",
      .kind = FIELD_STRING,
      .offset = OUTPUT(to),
      .min = 1,
      .max = 4096,
      .help = "Where it goes on the host, relative to the manifest's folder: ending in '/' a folder to put "
              "it into, else "
              "the target's own name; ./<path> when not given.",
      .example = "\"./out/\"" },
    { .name = "required",
      .kind = FIELD_BOOL,
      .offset = OUTPUT(required),
      .fallback = "false",
      .help = "The run fails when it is missing." },
    { .name = "hidden",
      .kind = FIELD_BOOL,
      .offset = OUTPUT(hidden),
      .fallback = "true",
      .help = "A folder may hold names that begin with a dot; with --untrusted none may." },
};

static const struct table output_table = {
    TABLE(struct manifest_output, "output", output_rows, "Something that is collected after the run."),
    .check = rules_output,
};

/* --- sandbox --- */

#define SANDBOX(member) offsetof(struct manifest_sandbox, member)

static const char *const pull_names[] = { "never", "missing", "always", NULL };
static const char *const keep_names[] = { "never", "on_failure", "always", NULL };

static const struct field sandbox_rows[] = {
    { .name = "image",
      .kind = FIELD_STRING,
      .offset = SANDBOX(image),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 512,
      .help = "Name, name:tag, name@sha256:..., or an image id; the digest is kept in the record of the run.",
      .example = "\"python:3.12-slim\"" },
    { .name = "pull",
      .kind = FIELD_ENUM,
      .offset = SANDBOX(pull),
      .names = pull_names,
      .fallback = "\"missing\"",
      .help = "When the image is fetched from its registry." },
    { .name = "engine",
      .kind = FIELD_STRING,
      .offset = SANDBOX(engine),
      .min = 1,
      .max = 1024,
      .fallback = "\"auto\"",
      .help = "auto: DOCKER_HOST, the docker context, /var/run/docker.sock, podman; or a URL: unix:// tcp:// "
              "ssh://" },
    { .name = "user",
      .kind = FIELD_STRING,
      .offset = SANDBOX(user),
      .min = 3,
      .max = 32,
      .fallback = "\"65532:65532\"",
      .help = "uid:gid of everything in the sandbox; never root unless `lower` has 'user'." },
    { .name = "memory",
      .kind = FIELD_SIZE,
      .offset = SANDBOX(memory_bytes),
      .min = 6 * MIB,
      .max = 16 * TIB,
      .fallback = "\"1g\"",
      .help = "For processes; the workspace and tmp come on top." },
    { .name = "cpus",
      .kind = FIELD_NUMBER,
      .offset = SANDBOX(cpus),
      .min = 0,
      .max = 1024,
      .fallback = "1",
      .help = "How many processors' worth of time, from 0.01." },
    { .name = "pids",
      .kind = FIELD_INT,
      .offset = SANDBOX(pids),
      .min = 8,
      .max = 4194304,
      .fallback = "256",
      .help = "Processes and threads at once." },
    { .name = "tmp",
      .kind = FIELD_SIZE,
      .offset = SANDBOX(tmp_bytes),
      .min = 64 * KIB,
      .max = 1 * TIB,
      .fallback = "\"64m\"",
      .help = "Size of /tmp." },
    { .name = "runtime",
      .kind = FIELD_STRING,
      .offset = SANDBOX(runtime),
      .min = 1,
      .max = 128,
      .fallback = "\"default\"",
      .help = "runsc, kata, ... where the engine has it." },
    { .name = "seccomp",
      .kind = FIELD_STRING,
      .offset = SANDBOX(seccomp),
      .min = 1,
      .max = 4096,
      .fallback = "\"strict\"",
      .help = "strict: ours; default: the engine's; or a file." },
    { .name = "lower",
      .kind = FIELD_STRINGS,
      .offset = SANDBOX(lower),
      .count_offset = SANDBOX(lower_count),
      .min = 0,
      .max = 64,
      .fallback = "[]",
      .help = "Rows of the lock-down table given up, by name; each is shown in plan and report." },
    OFF("warm", off_zero, "Sandboxes kept ready: not supported yet, only 0."),
    { .name = "keep",
      .kind = FIELD_ENUM,
      .offset = SANDBOX(keep),
      .names = keep_names,
      .fallback = "\"never\"",
      .help = "Is the container left after the run?" },
    { .name = "scan",
      .kind = FIELD_CUSTOM,
      .offset = SANDBOX(scan),
      .decode = scan_decode,
      .schema = scan_schema,
      .help =
          "A program of the host that must accept the image before its first run: trivy, grype, or a map, "
          "see `sandbox.scan`.",
      .example = "\"trivy\"" },
};

static const struct table sandbox_table = {
    TABLE(struct manifest_sandbox, "sandbox", sandbox_rows, "The container everything happens in."),
    .check = rules_sandbox,
};

/* --- limits --- */

#define LIMIT(member) offsetof(struct run_limits, member)

static const struct field limit_rows[] = {
    { .name = "turns",
      .kind = FIELD_COUNT,
      .offset = LIMIT(turns),
      .min = 1,
      .max = 1000000,
      .fallback = "100",
      .help = "Requests to the model." },
    { .name = "tool_calls",
      .kind = FIELD_COUNT,
      .offset = LIMIT(tool_calls),
      .min = 1,
      .max = 1000000,
      .fallback = "500",
      .help = "Calls of tools." },
    { .name = "wall",
      .kind = FIELD_DURATION,
      .offset = LIMIT(wall_ms),
      .min = SECOND,
      .max = 365 * DAY,
      .fallback = "\"1h\"",
      .help = "Running time; that in which somebody is asked for an approval does not count." },
    { .name = "tokens",
      .kind = FIELD_COUNT,
      .offset = LIMIT(tokens),
      .min = 1,
      .max = INT64_MAX,
      .help = "Input and output together; no limit when not given.",
      .example = "\"2m\"" },
    { .name = "cost",
      .kind = FIELD_MONEY,
      .offset = LIMIT(cost_micros),
      .min = 1,
      .max = INT64_MAX,
      .help = "USD, checked before each request; needs model.price. No limit when not given.",
      .example = "5.00" },
    { .name = "command",
      .kind = FIELD_DURATION,
      .offset = LIMIT(command_ms),
      .min = 100,
      .max = DAY,
      .fallback = "\"2m\"",
      .help = "One tool call." },
    { .name = "output",
      .kind = FIELD_SIZE,
      .offset = LIMIT(output_bytes),
      .min = KIB,
      .max = 16 * MIB,
      .fallback = "\"64k\"",
      .help = "Bytes of one result that the model sees; the full text is kept in the run folder." },
    { .name = "repeat",
      .kind = FIELD_INT,
      .offset = LIMIT(repeat),
      .min = 2,
      .max = 1000,
      .fallback = "5",
      .help = "The same call with the same result this often in a row ends the run." },
    { .name = "depth",
      .kind = FIELD_INT,
      .offset = LIMIT(depth),
      .min = 0,
      .max = AGENT_DEPTH_MAX,
      .fallback = "2",
      .help = "Levels of subagents that its manifests may have." },
    { .name = "agents",
      .kind = FIELD_INT,
      .offset = LIMIT(agents),
      .min = 0,
      .max = 1000,
      .fallback = "16",
      .help = "Subagents that it, and they, may start in all. The call that would start one more is refused; "
              "the run goes on." },
};

const struct table manifest_limit_table = {
    TABLE(struct run_limits, "limits", limit_rows, "Each ends the run with its own reason and exit code."),
};

/* --- checkpoint --- */

#define CHECKPOINT(member) offsetof(struct manifest_checkpoint, member)

static const char *const every_names[] = { "call", "turn", "off", NULL };
static const char *const on_interrupt_names[] = { "report", "rerun", "fail", NULL };

static const struct field checkpoint_rows[] = {
    { .name = "every",
      .kind = FIELD_ENUM,
      .offset = CHECKPOINT(every),
      .names = every_names,
      .fallback = "\"call\"",
      .help =
          "When a changed workspace is kept: after each call, when the calls of a turn are done, or never; "
          "off: a lost sandbox means to begin anew." },
    { .name = "keep",
      .kind = FIELD_INT,
      .offset = CHECKPOINT(keep),
      .min = 1,
      .max = 100000,
      .fallback = "20",
      .help = "So many of the last ones can be gone back to; what only older ones need is deleted." },
    { .name = "on_interrupt",
      .kind = FIELD_ENUM,
      .offset = CHECKPOINT(on_interrupt),
      .names = on_interrupt_names,
      .fallback = "\"report\"",
      .help =
          "A call that lost its sandbox is run again, once, unless something may have left the sandbox since "
          "it began. Then, and when its sandbox is lost again: report: the model is told; rerun: it is tried "
          "a few times more; fail: the run ends." },
};

static const struct table checkpoint_table = {
    TABLE(struct manifest_checkpoint, "checkpoint", checkpoint_rows,
          "What is kept of the workspace for resume, fork, diff and export."),
};

/* --- the whole --- */

#define TOP(member) offsetof(struct manifest, member)

static const struct field rows[] = {
    { .name = "version",
      .kind = FIELD_CUSTOM,
      .offset = TOP(version),
      .flags = FIELD_REQUIRED,
      .decode = kind_version_decode,
      .schema = kind_version_schema,
      .help = "Of the language." },
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = TOP(name),
      .min = 1,
      .max = 63,
      .help = "Name of the run: [a-z0-9][a-z0-9-]{0,62}; the file's name when not given.",
      .example = "\"quarterly-report\"" },
    { .name = "description",
      .kind = FIELD_STRING,
      .offset = TOP(description),
      .max = 1000,
      .fallback = "\"\"",
      .help = "Shown in ls, plan and report." },
    { .name = "params",
      .kind = FIELD_MAP,
      .offset = TOP(params),
      .count_offset = TOP(param_count),
      .sub = &manifest_param_table,
      .help = "Parameters of the run, by name." },
    { .name = "model", .kind = FIELD_TABLE, .offset = TOP(model), .sub = &manifest_model_table },
    { .name = "agent", .kind = FIELD_TABLE, .offset = TOP(agent), .sub = &manifest_agent_table },
    { .name = "workspace", .kind = FIELD_TABLE, .offset = TOP(workspace), .sub = &workspace_table },
    { .name = "outputs",
      .kind = FIELD_TABLES,
      .offset = TOP(outputs),
      .count_offset = TOP(output_count),
      .min = 0,
      .max = 1000,
      .sub = &output_table,
      .help = "Collected beneath their path, hashed, links refused, written atomically." },
    { .name = "sandbox",
      .kind = FIELD_TABLE,
      .offset = TOP(sandbox),
      .flags = FIELD_REQUIRED,
      .sub = &sandbox_table },
    { .name = "network",
      .kind = FIELD_CUSTOM,
      .offset = TOP(network),
      .sub = &manifest_network_table,
      .decode = kind_network_decode,
      .schema = kind_network_schema,
      .help = "none: nothing leaves the sandbox, and nothing listens in it; or what may.",
      .example = "{\"allow\": [\"*.wikipedia.org\"]}" },
    { .name = "limits", .kind = FIELD_TABLE, .offset = TOP(limits), .sub = &manifest_limit_table },
    { .name = "checkpoint", .kind = FIELD_TABLE, .offset = TOP(checkpoint), .sub = &checkpoint_table },
    { .name = "checks",
      .kind = FIELD_TABLES,
      .offset = TOP(checks),
      .count_offset = TOP(check_count),
      .min = 0,
      .max = 64,
      .sub = &manifest_check_table,
      .help = "Commands that must succeed after the final message, one after the other; the first that fails "
              "goes "
              "back to the model." },
    LATER("matrix", "One run per combination of parameters."),
};

const struct table manifest_table = {
    TABLE(struct manifest, "manifest", rows, "A manifest of agentbox: one run of one agent."),
    .check = rules_manifest,
};
