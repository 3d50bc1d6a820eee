/* SPDX-License-Identifier: MIT */
/*
 * The rows. Ranges say what makes sense at all; memory and pids start where the
 * engine does. Help texts are sentences of the reference.
 */
#include "manifest/grammar.h"

#include "manifest/answer.h"
#include "manifest/approve.h"
#include "manifest/entry.h"
#include "manifest/kinds.h"
#include "manifest/network.h"
#include "manifest/rules.h"
#include "manifest/scan.h"
#include "manifest/skill.h"
#include "manifest/skills.h"
#include "manifest/tools.h"

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

/* --- model --- */

#define MODEL(member) offsetof(struct manifest_model, member)

static const char *const auth_names[] = { "bearer", "api-key", NULL };
static const char *const state_names[] = { "local", "server", NULL };
static const char *const style_names[] = { "auto", "native", "custom", "function", NULL };

static const struct field reasoning_rows[] = {
    { .name = "effort",
      .kind = FIELD_STRING,
      .offset = 0,
      .min = 1,
      .max = 32,
      .help = "none, minimal, low, medium, high, xhigh: what the model knows; sent only when given.",
      .example = "\"medium\"" },
    { .name = "summary",
      .kind = FIELD_STRING,
      .offset = sizeof(const char *),
      .min = 1,
      .max = 32,
      .help = "auto, concise, detailed; sent only when given.",
      .example = "\"auto\"" },
};

static const struct table reasoning_table = {
    TABLE(((struct manifest_model *) 0)->reasoning, "reasoning", reasoning_rows, "How the model thinks."),
};

static const struct field text_rows[] = {
    { .name = "verbosity",
      .kind = FIELD_STRING,
      .offset = 0,
      .min = 1,
      .max = 32,
      .help = "low, medium, high; sent only when given.",
      .example = "\"low\"" },
};

static const struct table text_table = {
    TABLE(((struct manifest_model *) 0)->text, "text", text_rows, "How the model writes."),
};

#define PRICE(key, text)                                                                       \
    {                                                                                          \
        .name = #key, .kind = FIELD_MONEY, .offset = offsetof(struct model_price, key),        \
        .flags = FIELD_UNSET_NEG, .min = 0, .max = INT64_C(1000000) * 1000000, .help = (text), \
    }

static const struct field price_rows[] = {
    PRICE(input, "USD per million input tokens."),
    PRICE(cached_input, "USD per million input tokens that the server had cached; as input when not given."),
    PRICE(output, "USD per million output tokens."),
};

static const struct table price_table = {
    TABLE(struct model_price, "price", price_rows, "What tokens cost, for limits.cost and the report."),
};

static const struct field model_rows[] = {
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = MODEL(name),
      .min = 1,
      .max = 256,
      .help = "Name of the model; when not given, that of the variable AGENTBOX_MODEL.",
      .example = "\"gpt-5.1\"" },
    { .name = "base_url",
      .kind = FIELD_STRING,
      .offset = MODEL(base_url),
      .min = 1,
      .max = 2048,
      .help = "Any server that speaks POST /responses; when not given, OPENAI_BASE_URL, else "
              "https://api.openai.com/v1.",
      .example = "\"https://api.openai.com/v1\"" },
    { .name = "api_key",
      .kind = FIELD_CUSTOM,
      .offset = MODEL(api_key),
      .decode = kind_secret_decode,
      .schema = kind_secret_schema,
      .fallback = "{\"from_env\": \"OPENAI_API_KEY\"}",
      .help = "Where the key is: from_env, from_file or from_command." },
    { .name = "auth_header",
      .kind = FIELD_ENUM,
      .offset = MODEL(auth_header),
      .names = auth_names,
      .fallback = "\"bearer\"",
      .help = "How the key is sent: as a bearer token, or in the header api-key (Azure)." },
    { .name = "headers",
      .kind = FIELD_CUSTOM,
      .offset = MODEL(headers),
      .decode = kind_headers_decode,
      .schema = kind_headers_schema,
      .help = "Extra request headers; a value is text or a secret like api_key, with an optional prefix.",
      .example = "{\"OpenAI-Project\": \"proj_1\"}" },
    { .name = "state",
      .kind = FIELD_ENUM,
      .offset = MODEL(state),
      .names = state_names,
      .fallback = "\"local\"",
      .help = "local: the server stores nothing, all items are sent; server: it keeps the conversation." },
    { .name = "tool_style",
      .kind = FIELD_ENUM,
      .offset = MODEL(tool_style),
      .names = style_names,
      .fallback = "\"auto\"",
      .help = "native: the API's own tool types; custom: functions, and patches as free text with a grammar; "
              "function: plain functions; auto: learnt from the first refusal." },
    { .name = "reasoning", .kind = FIELD_TABLE, .offset = MODEL(reasoning), .sub = &reasoning_table },
    { .name = "max_output_tokens",
      .kind = FIELD_COUNT,
      .offset = MODEL(max_output_tokens),
      .min = 1,
      .max = 100000000,
      .help = "Ceiling of one response; sent only when given.",
      .example = "32000" },
    { .name = "text", .kind = FIELD_TABLE, .offset = MODEL(text), .sub = &text_table },
    { .name = "service_tier",
      .kind = FIELD_STRING,
      .offset = MODEL(service_tier),
      .min = 1,
      .max = 32,
      .fallback = "\"auto\"",
      .help = "auto, default, flex, priority: what the server knows." },
    { .name = "idle_timeout",
      .kind = FIELD_DURATION,
      .offset = MODEL(idle_ms),
      .min = SECOND,
      .max = DAY,
      .fallback = "\"5m\"",
      .help = "A stream without a byte for this long is broken." },
    { .name = "retries",
      .kind = FIELD_INT,
      .offset = MODEL(retries),
      .min = 0,
      .max = 100,
      .fallback = "5",
      .help = "How often a failed request is tried again." },
    { .name = "price",
      .kind = FIELD_TABLE,
      .offset = MODEL(price),
      .sub = &price_table,
      .example = "{\"input\": 1.25, \"cached_input\": 0.125, \"output\": 10.0}" },
    { .name = "extra",
      .kind = FIELD_CUSTOM,
      .offset = MODEL(extra),
      .decode = kind_object_decode,
      .schema = kind_object_schema,
      .help = "Merged into the request body as it is." },
    { .name = "record",
      .kind = FIELD_STRING,
      .offset = MODEL(record),
      .min = 1,
      .max = 4096,
      .help = "Write every exchange to this file.",
      .example = "\"cassettes/q3.jsonl\"" },
    { .name = "replay",
      .kind = FIELD_STRING,
      .offset = MODEL(replay),
      .min = 1,
      .max = 4096,
      .help = "Answer from this file: no network, no key.",
      .example = "\"cassettes/q3.jsonl\"" },
};

static const struct table model_table = {
    TABLE(struct manifest_model, "model", model_rows, "Which model, where, and how it is spoken to."),
    .check = rules_model,
};

/* --- agent --- */

#define AGENT(member) offsetof(struct manifest_agent, member)

#define SKILL(member) offsetof(struct manifest_skill, member)

static const struct field skill_rows[] = {
    { .name = "from",
      .kind = FIELD_STRING,
      .offset = SKILL(from),
      .min = 1,
      .max = 4096,
      .help = "Folder of a skill, or of several, each with SKILL.md; relative to the manifest's folder.",
      .example = "\"./skills\"" },
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = SKILL(name),
      .min = 1,
      .max = SKILL_NAME_MAX,
      .help = "Of a skill that is written here: small letters, digits and '-'.",
      .example = "\"release\"" },
    { .name = "description",
      .kind = FIELD_STRING,
      .offset = SKILL(description),
      .min = 1,
      .max = 4 * SKILL_DESCRIPTION_MAX,
      .help = "What it is for, in a line." },
    { .name = "text",
      .kind = FIELD_STRING,
      .offset = SKILL(text),
      .max = SKILL_TEXT_MAX,
      .help = "What load_skill gives to the model." },
};

static const struct table skill_table = {
    TABLE(struct manifest_skill, "skill", skill_rows,
          "How something is done: a folder with SKILL.md, or name, description and text."),
    .check = rules_skill,
};

static const struct field agent_rows[] = {
    { .name = "instructions",
      .kind = FIELD_STRING,
      .offset = AGENT(instructions),
      .max = MIB,
      .help = "Who the agent is and how it works.",
      .example = "\"You are a careful analyst.\"" },
    { .name = "instructions_file",
      .kind = FIELD_STRING,
      .offset = AGENT(instructions_file),
      .min = 1,
      .max = 4096,
      .help = "The same from a file." },
    { .name = "task",
      .kind = FIELD_STRING,
      .offset = AGENT(task),
      .max = MIB,
      .help = "What is to be done. Required, unless it comes from task_file or the command line.",
      .example = "\"Read data/sales.csv and write out/report.md.\"" },
    { .name = "task_file",
      .kind = FIELD_STRING,
      .offset = AGENT(task_file),
      .min = 1,
      .max = 4096,
      .help = "The same from a file." },
    { .name = "attachments",
      .kind = FIELD_STRINGS,
      .offset = AGENT(attachments),
      .count_offset = AGENT(attachment_count),
      .min = 0,
      .max = 100,
      .help = "Images and files that are sent with the task, each at most 20 MiB.",
      .example = "[\"chart.png\"]" },
    { .name = "tools",
      .kind = FIELD_CUSTOM,
      .offset = AGENT(tools),
      .decode = tools_decode,
      .schema = tools_schema,
      .fallback = "[\"shell\", \"apply_patch\"]",
      .help = "Least privilege: only what is listed exists. web_search, file_search, code_interpreter and "
              "image_generation are run by the model's server, outside of the sandbox and of `network`." },
    { .name = "agents_md",
      .kind = FIELD_BOOL,
      .offset = AGENT(agents_md),
      .fallback = "true",
      .help = "AGENTS.md of the workspace is given to the model, those of folders in it when a tool first "
              "touches "
              "them; 32 KiB in all." },
    { .name = "file_tree",
      .kind = FIELD_BOOL,
      .offset = AGENT(file_tree),
      .fallback = "true",
      .help = "What `entries` puts into the workspace is listed for the model: three levels, at most 200 "
              "lines." },
    { .name = "output", .kind = FIELD_TABLE, .offset = AGENT(output), .sub = &manifest_answer_table },
    { .name = "skills",
      .kind = FIELD_TABLES,
      .offset = AGENT(skills),
      .count_offset = AGENT(skill_count),
      .min = 0,
      .max = SKILLS_MAX,
      .sub = &skill_table,
      .help = "Folders with SKILL.md: the model is told name and description, and reads the rest with "
              "load_skill. "
              "Their files are in .agentbox/skills/NAME of the workspace.",
      .example = "[{\"from\": \"./skills\"}]" },
    LATER("memory", "Durable notes kept between runs."),
    LATER("compaction", "When the context is made smaller."),
    { .name = "approve",
      .kind = FIELD_CUSTOM,
      .offset = AGENT(approve),
      .decode = approve_decode,
      .schema = approve_schema,
      .help =
          "Which calls run (`auto`, what is not named), which a terminal is asked about (`ask`), which never "
          "run "
          "(`deny`): a word for all, or by tool. For `shell` also a map: lists of patterns `auto`, `ask`, "
          "`deny`, and `else`, see Approvals. `without_terminal`: `deny` (when not given), or `wait`: the "
          "run "
          "ends with status 12 and is answered by `agentbox resume --approve` or `--deny`.",
      .example = "{\"shell\": {\"auto\": [\"ls *\", \"git log *\"], \"else\": \"ask\"}, \"apply_patch\": "
                 "\"auto\"}" },
};

static const struct table agent_table = {
    TABLE(struct manifest_agent, "agent", agent_rows, "Who does what with which tools."),
    .check = rules_agent,
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
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 512,
      .help = "File or folder beneath the workspace.",
      .example = "\"out/report.md\"" },
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
      .help = "Time from begin to end." },
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
};

static const struct table limit_table = {
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
    { .name = "model", .kind = FIELD_TABLE, .offset = TOP(model), .sub = &model_table },
    { .name = "agent", .kind = FIELD_TABLE, .offset = TOP(agent), .sub = &agent_table },
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
    { .name = "limits", .kind = FIELD_TABLE, .offset = TOP(limits), .sub = &limit_table },
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
