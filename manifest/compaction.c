/* SPDX-License-Identifier: MIT */
#include "manifest/compaction.h"

#define AT_LEAST   0.1
#define TOKENS_MIN 1000 /* the API takes no less */

static const char *const by_names[] = { "auto", "local", "off", NULL };

static const struct field rows[] = {
    { .name = "at",
      .kind = FIELD_NUMBER,
      .offset = offsetof(struct manifest_compaction, at),
      .min = 0,
      .max = 1,
      .fallback = "0.9",
      .help = "Of model.context_window, from 0.1 to 1. Without a window: once the server says that it is too "
              "long." },
    { .name = "by",
      .kind = FIELD_ENUM,
      .offset = offsetof(struct manifest_compaction, by),
      .names = by_names,
      .fallback = "\"auto\"",
      .help = "auto: the server does it (context_management), else, as its first refusal teaches, the same "
              "model is "
              "asked for a summary; local: always that; off: never." },
};

static void check(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct manifest_compaction *c = out;

    if (c->at < AT_LEAST)
        table_problem(ctx, tree_get(value, "at"), "0.9 is nine tenths of model.context_window",
                      "must be at least 0.1");
}

const struct table manifest_compaction_table = {
    .name = "compaction",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows),
    .size = sizeof(struct manifest_compaction),
    .help = "When a summary takes the place of the conversation's older part.",
    .check = check,
};

struct run_compact compaction_of(const struct manifest_compaction *from, int64_t context_window)
{
    struct run_compact ret = { .by = (enum run_compact_by) from->by };
    double at = from->at * (double) context_window;

    if (context_window > 0)
        ret.at_tokens = at < TOKENS_MIN ? TOKENS_MIN : (int64_t) at;
    return ret;
}
