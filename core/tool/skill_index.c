/* SPDX-License-Identifier: MIT */
#include "core/tool/skill_index.h"

#include <string.h>

int skill_instructions(struct buf *out, const char *instructions, const struct tool_skill *skills,
                       size_t count, const char *root, struct err *err)
{
    int r = 0;

    if (count == 0)
        return 0;
    if (instructions && *instructions)
        r = buf_printf(out, "%s%s\n", instructions,
                       instructions[strlen(instructions) - 1] == '\n' ? "" : "\n");
    if (r == 0)
        r = buf_printf(
            out,
            "# Skills\n\n"
            "A skill is a text that says how something is done. Before you begin with what one of these "
            "is for, read it with %s. Its files, if it has any, are in %s/%s/NAME; scripts there can be "
            "run, and nothing there can be changed.\n\n",
            TOOL_LOAD_SKILL, root, TOOL_SKILLS_DIR);
    for (size_t i = 0; i < count && r == 0; i++)
        r = buf_printf(out, "- %s: %s\n", skills[i].name, skills[i].description);
    return r < 0 ? err_set(err, ERR_TOO_LARGE, "instructions and skills are too large") : 0;
}
