/* SPDX-License-Identifier: MIT */
/*
 * Conversation items as bytes: what one is to the loop, and what may go back of it
 * (reference, section 4.1). Pure.
 */
#ifndef MODEL_ITEM_H
#define MODEL_ITEM_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdbool.h>

/* What an output item is to the loop. */
enum item_kind { ITEM_OTHER, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };

struct item_view {
    enum item_kind kind;
    char type[64];
    char call_id[72];   /* ITEM_CALL: of a call the client must answer */
    bool is_complete;   /* status completed or absent */
    bool is_refusal;    /* a message with a refusal part */
    bool is_commentary; /* phase: commentary */
};

/* `text` gets a message's output_text (or refusal) appended, decoded; may be NULL. ERR_INVALID: not an item.
 */
int item_inspect(struct span raw, struct item_view *ret, struct buf *text, struct err *err);

/* What goes back to the server of `raw`, which is valid JSON: `raw` itself when nothing must be left out
 * (looked at, not parsed: histories are long), else `scratch` filled by splicing its bytes, else an empty
 * span when the item must not be sent. `scratch` is cleared first.
 *
 * Left out: `created_by`, `"status":null`, both also in the chunks of an `output` array; `additional_tools`
 * not by the developer; failed `computer_call_output`; `custom_tool_call_output` that is not completed (and
 * the `status` of one that is). With `strip_reasoning` also reasoning items, and the `id` of the items that
 * may do without: an item with its id wants its reasoning beside it. */
int item_replay(struct span raw, bool strip_reasoning, struct buf *scratch, struct span *ret,
                struct err *err);

/* Does item_replay() return all of `raw`, unless reasoning is stripped? Whoever sends an item again and again
 * asks once: the look at it costs more than all the rest of a request. */
bool item_is_sent_whole(struct span raw);
/* How an item hangs together with others: a call and its output may not be parted, nor reasoning from what
 * it led to. What is no item is bound to nothing. */
enum item_bond_kind { ITEM_BOND_NONE, ITEM_BOND_OPENS, ITEM_BOND_CLOSES, ITEM_BOND_LEADS };

struct item_bond {
    enum item_bond_kind kind;
    char id[72]; /* OPENS, CLOSES: the same for both */
};

void item_bond_of(struct span raw, struct item_bond *ret);

#endif
