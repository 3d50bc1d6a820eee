/* SPDX-License-Identifier: MIT */
/*
 * view_image: an image of the workspace into the conversation. What it is follows from its bytes. Of an SVG,
 * which models read better than servers take it, the source is shown.
 */
#ifndef TOOL_VIEW_IMAGE_H
#define TOOL_VIEW_IMAGE_H

#include "core/tool/tool.h"

extern const struct tool_ops view_image_tool;

#endif
