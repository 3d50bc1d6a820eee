/* SPDX-License-Identifier: MIT */
/*
 * The files tools: read_file, list_dir, find_files, search_text. For models without good shell habits, and
 * for images without a shell: everything goes through the guest, no program of the image is used. Each result
 * is bounded by limits.output and by a count, and says how to go on.
 */
#ifndef TOOL_FILES_H
#define TOOL_FILES_H

#include "core/tool/function.h"

extern const struct tool_ops files_tool;

/* Each of the four: files_read.c, files_list.c (list_dir, find_files), files_search.c. */
struct files_function {
    const char *name, *description;
    const struct table *table;
    const char *shown; /* the argument that the title has */
    size_t size;       /* of its struct */
    /* 1: under way; 0: the text is the answer already. */
    int (*start)(struct function *f);
};

extern const struct files_function read_file_function, list_dir_function, find_files_function,
    search_text_function;

#endif
