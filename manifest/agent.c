/* SPDX-License-Identifier: MIT */
/* The rows of `agent`. */
#include "manifest/agent.h"

#include "manifest/answer.h"
#include "manifest/approve.h"
#include "manifest/compaction.h"
#include "manifest/memory.h"
#include "manifest/rows.h"
#include "manifest/rules.h"
#include "manifest/skill.h"
#include "manifest/skills.h"
#include "manifest/tools.h"

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
    { .name = "memory",
      .kind = FIELD_CUSTOM,
      .offset = AGENT(memory),
      .decode = memory_decode,
      .schema = memory_schema,
      .help = "Notes kept between runs, see `agent.memory`; without it there are none.",
      .example = "{\"dir\": \"memory\", \"write\": true}" },
    { .name = "compaction",
      .kind = FIELD_TABLE,
      .offset = AGENT(compaction),
      .sub = &manifest_compaction_table },
    { .name = "approve",
      .kind = FIELD_CUSTOM,
      .offset = AGENT(approve),
      .decode = approve_decode,
      .schema = approve_schema,
      .help =
          "Which calls run (`auto`, what is not named), which a terminal is asked about (`ask`), which never "
          "run "
          "(`deny`): a word for all, or by tool. For `shell` also a map: lists of patterns `auto`, `ask`, "
          "`deny`, and `else`, see Approvals. `else` beside the tools: a word for those that are not named. "
          "`without_terminal`: `deny` (when not given), or `wait`: the "
          "run "
          "ends with status 12 and is answered by `agentbox resume --approve` or `--deny`.",
      .example = "{\"shell\": {\"auto\": [\"ls *\", \"git log *\"], \"else\": \"ask\"}, \"apply_patch\": "
                 "\"auto\"}" },
};

const struct table manifest_agent_table = {
    TABLE(struct manifest_agent, "agent", agent_rows, "Who does what with which tools."),
    .check = rules_agent,
};
