/* SPDX-License-Identifier: MIT */
/* The fields of each type of record. */
#include "core/run/record_rows.h"

#include <stddef.h>

#define AT(type, member) offsetof(struct record_##type, member)
#define ROWS(type, rows_of)                                                           \
    {                                                                                 \
        rows_of, sizeof(rows_of) / sizeof((rows_of)[0]), sizeof(struct record_##type) \
    }
#define REC_INT(t, m)     \
    {                     \
#m, INT, AT(t, m) \
    }
#define REC_TEXT(t, m)     \
    {                      \
#m, TEXT, AT(t, m) \
    }
#define REC_NEED(t, m)                \
    {                                 \
#m, TEXT, AT(t, m), 0, NEEDED \
    }
#define REC_BLOB(t, m)                \
    {                                 \
#m, BLOB, AT(t, m), 0, NEEDED \
    }
#define REC_FLAG(t, word, m) \
    {                        \
        word, BOOL, AT(t, m) \
    }
#define REC_LIST(t, m, n, sub)               \
    {                                        \
#m, LIST, AT(t, m), AT(t, n), 0, sub \
    }
#define REC_SUB(t, m, sub)              \
    {                                   \
#m, OBJECT, AT(t, m), 0, 0, sub \
    }

static const struct row lock_down_row[] = {
    REC_NEED(row, name),
    REC_NEED(row, state),
    REC_TEXT(row, asked),
    REC_TEXT(row, found),
};
static const struct rows lock_down = ROWS(row, lock_down_row);

static const struct row usage_row[] = {
    REC_INT(usage, input),     REC_INT(usage, cached), REC_INT(usage, output),
    REC_INT(usage, reasoning), REC_INT(usage, total),  REC_FLAG(usage, "estimated", is_estimated),
};
static const struct rows usage = ROWS(usage, usage_row);

static const struct row stream_row[] = {
    REC_NEED(stream, name), REC_INT(stream, size),    REC_INT(stream, kept),
    REC_TEXT(stream, text), REC_TEXT(stream, object),
};
static const struct rows stream = ROWS(stream, stream_row);

static const struct row limit_row[] = { REC_NEED(limit, limit), REC_TEXT(limit, text) };
static const struct rows limit_met = ROWS(limit, limit_row);

static const struct row run_begin_row[] = {
    { "format", INT, AT(run_begin, format), 0, NEEDED },
    REC_NEED(run_begin, id),
    REC_TEXT(run_begin, name),
    REC_TEXT(run_begin, program),
    REC_TEXT(run_begin, manifest),
    REC_TEXT(run_begin, host),
    REC_TEXT(run_begin, boot),
    REC_INT(run_begin, pid),
    REC_TEXT(run_begin, model),
    REC_TEXT(run_begin, base_url),
    REC_TEXT(run_begin, parent),
    { "parent_seq", INT, AT(run_begin, parent_seq), 0, SPARSE },
    REC_TEXT(run_begin, parent_line),
    { "parent_calls", INT, AT(run_begin, parent_calls), 0, SPARSE },
    REC_TEXT(run_begin, agent),
    { "call", INT, AT(run_begin, call), 0, SPARSE },
};

static const struct row text_row[] = { REC_NEED(text, text) };
static const struct rows one_text = ROWS(text, text_row);

static const struct row run_resume_row[] = {
    REC_TEXT(run_resume, program),
    REC_TEXT(run_resume, host),
    REC_TEXT(run_resume, boot),
    REC_INT(run_resume, pid),
    REC_LIST(run_resume, sets, set_count, &one_text),
};

static const struct row sandbox_attach_row[] = {
    REC_INT(sandbox_attach, attempt),
    REC_NEED(sandbox_attach, container_id),
    REC_TEXT(sandbox_attach, container_name),
};

static const struct row rollback_row[] = {
    { "checkpoint", INT, AT(rollback, checkpoint), 0, NEEDED },
    { "turn", INT, AT(rollback, turn), 0, NEEDED },
    REC_INT(rollback, calls),
    REC_INT(rollback, turns_undone),
};

static const struct row checkpoint_begin_row[] = {
    { "number", INT, AT(checkpoint, number), 0, NEEDED },
    REC_INT(checkpoint, turn),
    REC_INT(checkpoint, calls),
};

#define REC_SPARSE(t, m)             \
    {                                \
#m, INT, AT(t, m), 0, SPARSE \
    }
static const struct row checkpoint_row[] = {
    { "number", INT, AT(checkpoint, number), 0, NEEDED },
    REC_INT(checkpoint, turn),
    REC_INT(checkpoint, calls),
    REC_FLAG(checkpoint, "same", is_same),
    REC_TEXT(checkpoint, tree),
    REC_TEXT(checkpoint, record),
    REC_TEXT(checkpoint, pack),
    REC_SPARSE(checkpoint, files),
    REC_SPARSE(checkpoint, folders),
    REC_SPARSE(checkpoint, links),
    REC_SPARSE(checkpoint, bytes),
    REC_SPARSE(checkpoint, new_files),
    REC_SPARSE(checkpoint, new_bytes),
    REC_SPARSE(checkpoint, pack_bytes),
    REC_SPARSE(checkpoint, unkept),
    REC_INT(checkpoint, duration_ms),
    REC_LIST(checkpoint, pruned, pruned_count, &one_text),
};

static const struct row looked_row[] = {
    REC_NEED(looked, folder), REC_SPARSE(looked, size),        REC_SPARSE(looked, shown),
    REC_TEXT(looked, sha256), REC_FLAG(looked, "cut", is_cut), REC_TEXT(looked, problem),
};
static const struct rows looked_into = ROWS(looked, looked_row);

static const struct row context_begin_row[] = { REC_INT(context, turn) };

static const struct row context_row[] = {
    REC_INT(context, turn),
    REC_LIST(context, looked, looked_count, &looked_into),
    REC_SPARSE(context, tree_shown),
    REC_SPARSE(context, tree_more),
    { "item", BLOB, AT(context, item), 0, SPARSE },
};

static const struct row input_item_row[] = { REC_FLAG(input_item, "history", is_history),
                                             { "notes", INT, AT(input_item, notes), 0, SPARSE },
                                             REC_BLOB(input_item, item) };

static const struct row sandbox_start_row[] = {
    REC_TEXT(sandbox_start, side),
    REC_INT(sandbox_start, attempt),
    REC_TEXT(sandbox_start, image),
    REC_TEXT(sandbox_start, engine),
};

static const struct row sandbox_intent_row[] = {
    REC_TEXT(sandbox_intent, side),
    REC_INT(sandbox_intent, attempt),
    REC_TEXT(sandbox_intent, backend),
    REC_TEXT(sandbox_intent, engine),
    REC_TEXT(sandbox_intent, engine_version),
    REC_TEXT(sandbox_intent, api_version),
    REC_TEXT(sandbox_intent, image),
    REC_TEXT(sandbox_intent, image_id),
    REC_TEXT(sandbox_intent, image_digest),
    REC_NEED(sandbox_intent, container_name),
    REC_LIST(sandbox_intent, rows, row_count, &lock_down),
};

static const struct row sandbox_scan_row[] = {
    REC_TEXT(sandbox_scan, side),         REC_INT(sandbox_scan, attempt),
    REC_TEXT(sandbox_scan, image),        REC_TEXT(sandbox_scan, image_id),
    REC_TEXT(sandbox_scan, image_digest), REC_LIST(sandbox_scan, command, command_count, &one_text),
    REC_NEED(sandbox_scan, answer),       { "exit", INT, AT(sandbox_scan, exit_status), 0, NEEDED },
    REC_SPARSE(sandbox_scan, age_ms),     REC_INT(sandbox_scan, duration_ms),
    REC_TEXT(sandbox_scan, output),       REC_TEXT(sandbox_scan, message),
};

static const struct row sandbox_ready_row[] = {
    REC_TEXT(sandbox_ready, side),
    REC_INT(sandbox_ready, attempt),
    REC_TEXT(sandbox_ready, container_id),
    REC_TEXT(sandbox_ready, container_name),
    REC_TEXT(sandbox_ready, guest_boot),
    REC_TEXT(sandbox_ready, guest_build),
    REC_LIST(sandbox_ready, rows, row_count, &lock_down),
};

static const struct row failure_row[] = {
    REC_TEXT(failure, side),    REC_INT(failure, attempt), REC_TEXT(failure, code),
    REC_TEXT(failure, message), REC_TEXT(failure, hint),
};

static const struct row workspace_row[] = {
    REC_INT(workspace, attempt), REC_INT(workspace, files),
    REC_INT(workspace, folders), REC_INT(workspace, links),
    REC_INT(workspace, bytes),   { "checkpoint", INT, AT(workspace, checkpoint), 0, SPARSE },
    REC_TEXT(workspace, tree),
};

static const struct row input_row[] = {
    REC_NEED(input, path),
    REC_FLAG(input, "folder", is_folder),
    REC_FLAG(input, "mount", is_mount),
    REC_INT(input, files),
    REC_INT(input, size),
    REC_TEXT(input, sha256),
};

static const struct row request_begin_row[] = {
    REC_INT(request_begin, turn),          { "try", INT, AT(request_begin, attempt), 0, NEEDED },
    REC_INT(request_begin, items),         REC_INT(request_begin, items_sent),
    REC_TEXT(request_begin, body),         REC_INT(request_begin, body_bytes),
    REC_TEXT(request_begin, tool_style),   REC_TEXT(request_begin, previous),
    REC_SPARSE(request_begin, compact_at),
};

static const struct row request_item_row[] = {
    REC_INT(request_item, turn),
    REC_INT(request_item, output_index),
    REC_NEED(request_item, kind),
    REC_TEXT(request_item, item_type),
    REC_FLAG(request_item, "incomplete", is_incomplete),
    REC_FLAG(request_item, "refusal", is_refusal),
    REC_FLAG(request_item, "commentary", is_commentary),
    REC_INT(request_item, call),
    REC_TEXT(request_item, call_id),
    REC_TEXT(request_item, tool),
    REC_TEXT(request_item, title),
    REC_LIST(request_item, folders, folder_count, &one_text),
    REC_TEXT(request_item, approve),
    REC_TEXT(request_item, rule),
    REC_BLOB(request_item, item),
};

static const struct row request_end_row[] = {
    REC_INT(request_end, turn),     REC_NEED(request_end, status),       REC_TEXT(request_end, reason),
    REC_TEXT(request_end, message), REC_TEXT(request_end, response_id),  REC_TEXT(request_end, request_id),
    REC_TEXT(request_end, model),   REC_SUB(request_end, usage, &usage), REC_INT(request_end, cost_micros),
    REC_INT(request_end, retry_ms),
};

static const struct row request_failed_row[] = {
    REC_INT(request_failed, turn),
    { "try", INT, AT(request_failed, attempt), 0, NEEDED },
    REC_TEXT(request_failed, code),
    REC_TEXT(request_failed, message),
    REC_TEXT(request_failed, hint),
    REC_INT(request_failed, http_status),
    REC_FLAG(request_failed, "will_retry", will_retry),
    REC_INT(request_failed, retry_ms),
    REC_TEXT(request_failed, repair),
    REC_TEXT(request_failed, request_id),
    REC_SUB(request_failed, usage, &usage),
    REC_INT(request_failed, cost_micros),
};

#define REC_COST(t) REC_SUB(t, usage, &usage), REC_INT(t, cost_micros)

static const struct row compaction_begin_row[] = {
    REC_INT(compaction, turn),       { "try", INT, AT(compaction, attempt), 0, NEEDED },
    REC_INT(compaction, keeps),      REC_INT(compaction, items),
    REC_INT(compaction, bytes),      REC_TEXT(compaction, body),
    REC_INT(compaction, body_bytes),
};

static const struct row compaction_done_row[] = {
    REC_INT(compaction, turn),
    { "keeps", INT, AT(compaction, keeps), 0, NEEDED },
    REC_INT(compaction, items),
    REC_INT(compaction, bytes),
    REC_BLOB(compaction, item),
    REC_TEXT(compaction, response_id),
    REC_TEXT(compaction, request_id),
    REC_TEXT(compaction, model),
    REC_COST(compaction),
};

static const struct row compaction_failed_row[] = {
    REC_INT(compaction, turn),
    REC_INT(compaction, attempt),
    REC_NEED(compaction, code),
    REC_TEXT(compaction, message),
    REC_TEXT(compaction, hint),
    REC_SPARSE(compaction, http_status),
    REC_FLAG(compaction, "will_retry", will_retry),
    REC_INT(compaction, retry_ms),
    REC_TEXT(compaction, request_id),
    REC_COST(compaction),
};

static const struct row call_begin_row[] = {
    REC_INT(call_begin, turn),
    REC_INT(call_begin, call),
    REC_NEED(call_begin, call_id),
    REC_TEXT(call_begin, tool),
    REC_INT(call_begin, exec_id),
    REC_FLAG(call_begin, "rerun", is_rerun),
    REC_FLAG(call_begin, "outside", is_outside),
};

static const struct row mcp_start_row[] = { REC_NEED(mcp, server) };
static const struct row mcp_down_row[] = { REC_NEED(mcp, server), REC_TEXT(mcp, code),
                                           REC_TEXT(mcp, message) };
static const struct row mcp_tools_row[] = {
    REC_NEED(mcp, server), REC_TEXT(mcp, protocol), REC_TEXT(mcp, title), REC_TEXT(mcp, release),
    REC_INT(mcp, count),   REC_INT(mcp, dropped),   REC_BLOB(mcp, tools),
};

static const struct row call_intent_row[] = {
    REC_INT(call_intent, turn),
    REC_INT(call_intent, call),
    REC_NEED(call_intent, call_id),
    REC_BLOB(call_intent, intent),
};

static const struct row call_end_row[] = {
    REC_INT(call_end, turn),
    REC_INT(call_end, call),
    REC_NEED(call_end, call_id),
    REC_NEED(call_end, outcome),
    REC_TEXT(call_end, summary),
    REC_INT(call_end, exit_code),
    { "session", INT, AT(call_end, session), 0, SPARSE },
    { "exec_id", INT, AT(call_end, exec_id), 0, SPARSE },
    REC_INT(call_end, output_bytes),
    REC_INT(call_end, duration_ms),
    REC_FLAG(call_end, "cached", cached),
    REC_TEXT(call_end, same),
    REC_BLOB(call_end, answer),
    REC_LIST(call_end, streams, stream_count, &stream),
    REC_LIST(call_end, limits, limit_count, &limit_met),
};

static const struct row call_lost_row[] = {
    REC_INT(call_lost, turn),
    REC_INT(call_lost, call),
    REC_NEED(call_lost, call_id),
};

static const struct row limit_hit_row[] = {
    REC_NEED(limit_hit, limit),
    REC_INT(limit_hit, value),
    REC_INT(limit_hit, max),
};

static const struct row outputs_row[] = {
    REC_INT(outputs, count),
    REC_TEXT(outputs, code),
    REC_TEXT(outputs, message),
    REC_TEXT(outputs, hint),
};

static const struct row output_row[] = {
    REC_NEED(output, path),
    REC_TEXT(output, to),
    REC_FLAG(output, "missing", is_missing),
    REC_FLAG(output, "folder", is_folder),
    REC_INT(output, files),
    REC_INT(output, size),
    REC_TEXT(output, sha256),
    REC_TEXT(output, list),
    REC_TEXT(output, code),
    REC_TEXT(output, message),
};

static const struct row egress_allow_row[] = {
    { "number", INT, AT(egress, number), 0, NEEDED },
    REC_TEXT(egress, side),
    REC_SPARSE(egress, call),
    REC_NEED(egress, method),
    REC_NEED(egress, host),
    REC_INT(egress, port),
    REC_TEXT(egress, rule),
};

static const struct row egress_deny_row[] = {
    { "number", INT, AT(egress, number), 0, NEEDED },
    REC_TEXT(egress, side),
    REC_SPARSE(egress, call),
    REC_TEXT(egress, method),
    REC_TEXT(egress, host),
    REC_SPARSE(egress, port),
    REC_TEXT(egress, rule),
    REC_NEED(egress, reason),
    REC_TEXT(egress, allow),
};

static const struct row egress_end_row[] = {
    { "number", INT, AT(egress, number), 0, NEEDED },
    REC_TEXT(egress, side),
    REC_SPARSE(egress, call),
    REC_TEXT(egress, method),
    REC_NEED(egress, host),
    REC_INT(egress, port),
    REC_TEXT(egress, rule),
    REC_TEXT(egress, address),
    REC_SPARSE(egress, status),
    REC_INT(egress, bytes_up),
    REC_INT(egress, bytes_down),
    REC_INT(egress, duration_ms),
    REC_FLAG(egress, "denied", is_denied),
    REC_TEXT(egress, reason),
};

static const struct row egress_total_row[] = {
    REC_TEXT(egress_total, side),  REC_INT(egress_total, connections), REC_INT(egress_total, allowed),
    REC_INT(egress_total, denied), REC_INT(egress_total, bytes_up),    REC_INT(egress_total, bytes_down),
};

static const struct row answer_check_row[] = {
    REC_INT(answer_check, turn),
    REC_FLAG(answer_check, "fits", fits),
    REC_TEXT(answer_check, path),
    REC_TEXT(answer_check, message),
    { "input", BLOB, AT(answer_check, input), 0, SPARSE },
};

static const struct row check_begin_row[] = {
    REC_INT(call_begin, turn), { "check", INT, AT(call_begin, check), 0, NEEDED },
    REC_INT(call_begin, call), REC_NEED(call_begin, call_id),
    REC_NEED(call_begin, run), REC_INT(call_begin, exec_id),
};

static const struct row check_end_row[] = {
    REC_INT(call_end, turn),
    { "check", INT, AT(call_end, check), 0, NEEDED },
    REC_INT(call_end, call),
    REC_NEED(call_end, call_id),
    REC_NEED(call_end, outcome),
    REC_TEXT(call_end, summary),
    REC_INT(call_end, exit_code),
    REC_INT(call_end, output_bytes),
    REC_INT(call_end, duration_ms),
    { "input", BLOB, AT(call_end, answer), 0, SPARSE },
    REC_LIST(call_end, streams, stream_count, &stream),
    REC_LIST(call_end, limits, limit_count, &limit_met),
};

static const struct row approval_ask_row[] = {
    REC_INT(approval, turn),
    REC_INT(approval, call),
    REC_NEED(approval, call_id),
};

static const struct row approval_answer_row[] = {
    REC_INT(approval, turn),    REC_INT(approval, call), REC_NEED(approval, call_id),
    REC_NEED(approval, answer), REC_NEED(approval, by),  REC_TEXT(approval, reason),
};

static const struct row interrupt_row[] = {
    REC_INT(interrupt, signum),
    REC_TEXT(interrupt, signal),
};

static const struct row agent_begin_row[] = {
    REC_INT(agent, turn),  REC_INT(agent, call), REC_NEED(agent, call_id),
    REC_NEED(agent, name), REC_NEED(agent, id),
};

static const struct row agent_end_row[] = {
    REC_INT(agent, turn),        REC_INT(agent, call),     REC_NEED(agent, call_id),
    REC_NEED(agent, name),       REC_NEED(agent, id),      REC_NEED(agent, state),
    REC_TEXT(agent, reason),     REC_TEXT(agent, line),    REC_INT(agent, turns),
    REC_INT(agent, calls),       REC_INT(agent, agents),   REC_SUB(agent, usage, &usage),
    REC_INT(agent, cost_micros), REC_INT(agent, asked_ms),
};

static const struct row run_end_row[] = {
    REC_NEED(run_end, state),
    REC_NEED(run_end, reason),
    REC_TEXT(run_end, code),
    REC_TEXT(run_end, message),
    REC_TEXT(run_end, hint),
    { "exit", INT, AT(run_end, exit_status), 0, NEEDED },
    REC_INT(run_end, turns),
    REC_INT(run_end, calls),
    REC_INT(run_end, tokens),
    REC_INT(run_end, cost_micros),
    REC_FLAG(run_end, "kept", is_kept),
};

/* A payload starts where the union does. */
const struct record_table record_tables[RECORD_TYPES] = {
    [RECORD_UNKNOWN] = { "unknown", { NULL, 0, 0 } },
    [RECORD_RUN_BEGIN] = { "run.begin", ROWS(run_begin, run_begin_row) },
    [RECORD_INPUT_ITEM] = { "input.item", ROWS(input_item, input_item_row) },
    [RECORD_SANDBOX_START] = { "sandbox.start", ROWS(sandbox_start, sandbox_start_row) },
    [RECORD_SANDBOX_INTENT] = { "sandbox.intent", ROWS(sandbox_intent, sandbox_intent_row) },
    [RECORD_SANDBOX_SCAN] = { "sandbox.scan", ROWS(sandbox_scan, sandbox_scan_row) },
    [RECORD_SANDBOX_READY] = { "sandbox.ready", ROWS(sandbox_ready, sandbox_ready_row) },
    [RECORD_SANDBOX_FAILED] = { "sandbox.failed", ROWS(failure, failure_row) },
    [RECORD_SANDBOX_LOST] = { "sandbox.lost", ROWS(failure, failure_row) },
    [RECORD_WORKSPACE_BEGIN] = { "workspace.begin", ROWS(workspace, workspace_row) },
    [RECORD_WORKSPACE_READY] = { "workspace.ready", ROWS(workspace, workspace_row) },
    [RECORD_WORKSPACE_FAILED] = { "workspace.failed", ROWS(failure, failure_row) },
    [RECORD_REQUEST_BEGIN] = { "request.begin", ROWS(request_begin, request_begin_row) },
    [RECORD_REQUEST_ITEM] = { "request.item", ROWS(request_item, request_item_row) },
    [RECORD_REQUEST_END] = { "request.end", ROWS(request_end, request_end_row) },
    [RECORD_REQUEST_FAILED] = { "request.failed", ROWS(request_failed, request_failed_row) },
    [RECORD_CALL_BEGIN] = { "call.begin", ROWS(call_begin, call_begin_row) },
    [RECORD_CALL_INTENT] = { "call.intent", ROWS(call_intent, call_intent_row) },
    [RECORD_CALL_END] = { "call.end", ROWS(call_end, call_end_row) },
    [RECORD_CALL_LOST] = { "call.lost", ROWS(call_lost, call_lost_row) },
    [RECORD_LIMIT_HIT] = { "limit.hit", ROWS(limit_hit, limit_hit_row) },
    [RECORD_OUTPUTS_BEGIN] = { "outputs.begin", ROWS(outputs, outputs_row) },
    [RECORD_OUTPUT_DONE] = { "output.done", ROWS(output, output_row) },
    [RECORD_OUTPUT_FAILED] = { "output.failed", ROWS(output, output_row) },
    [RECORD_OUTPUTS_END] = { "outputs.end", ROWS(outputs, outputs_row) },
    [RECORD_INTERRUPT] = { "interrupt", ROWS(interrupt, interrupt_row) },
    [RECORD_RUN_END] = { "run.end", ROWS(run_end, run_end_row) },
    [RECORD_SANDBOX_REMOVED] = { "sandbox.removed", ROWS(failure, failure_row) },
    [RECORD_RUN_RESUME] = { "run.resume", ROWS(run_resume, run_resume_row) },
    [RECORD_SANDBOX_ATTACH] = { "sandbox.attach", ROWS(sandbox_attach, sandbox_attach_row) },
    [RECORD_ROLLBACK] = { "rollback", ROWS(rollback, rollback_row) },
    [RECORD_CHECKPOINT_BEGIN] = { "checkpoint.begin", ROWS(checkpoint, checkpoint_begin_row) },
    [RECORD_CHECKPOINT_DONE] = { "checkpoint.done", ROWS(checkpoint, checkpoint_row) },
    [RECORD_CHECKPOINT_FAILED] = { "checkpoint.failed", ROWS(failure, failure_row) },
    [RECORD_INPUT_DONE] = { "input.done", ROWS(input, input_row) },
    [RECORD_EGRESS_ALLOW] = { "egress.allow", ROWS(egress, egress_allow_row) },
    [RECORD_EGRESS_DENY] = { "egress.deny", ROWS(egress, egress_deny_row) },
    [RECORD_EGRESS_END] = { "egress.end", ROWS(egress, egress_end_row) },
    [RECORD_EGRESS_TOTAL] = { "egress.total", ROWS(egress_total, egress_total_row) },
    [RECORD_CONTEXT_BEGIN] = { "context.begin", ROWS(context, context_begin_row) },
    [RECORD_CONTEXT_DONE] = { "context.done", ROWS(context, context_row) },
    [RECORD_ANSWER_CHECK] = { "answer.check", ROWS(answer_check, answer_check_row) },
    [RECORD_CHECK_BEGIN] = { "check.begin", ROWS(call_begin, check_begin_row) },
    [RECORD_CHECK_END] = { "check.end", ROWS(call_end, check_end_row) },
    [RECORD_APPROVAL_ASK] = { "approval.ask", ROWS(approval, approval_ask_row) },
    [RECORD_SIDE_START] = { "side.start", ROWS(sandbox_start, sandbox_start_row) },
    [RECORD_SIDE_SCAN] = { "side.scan", ROWS(sandbox_scan, sandbox_scan_row) },
    [RECORD_SIDE_INTENT] = { "side.intent", ROWS(sandbox_intent, sandbox_intent_row) },
    [RECORD_SIDE_READY] = { "side.ready", ROWS(sandbox_ready, sandbox_ready_row) },
    [RECORD_SIDE_FAILED] = { "side.failed", ROWS(failure, failure_row) },
    [RECORD_SIDE_LOST] = { "side.lost", ROWS(failure, failure_row) },
    [RECORD_SIDE_REMOVED] = { "side.removed", ROWS(failure, failure_row) },
    [RECORD_MCP_START] = { "mcp.start", ROWS(mcp, mcp_start_row) },
    [RECORD_MCP_TOOLS] = { "mcp.tools", ROWS(mcp, mcp_tools_row) },
    [RECORD_MCP_DOWN] = { "mcp.down", ROWS(mcp, mcp_down_row) },
    [RECORD_APPROVAL_ANSWER] = { "approval.answer", ROWS(approval, approval_answer_row) },
    [RECORD_COMPACTION_BEGIN] = { "compaction.begin", ROWS(compaction, compaction_begin_row) },
    [RECORD_COMPACTION_DONE] = { "compaction.done", ROWS(compaction, compaction_done_row) },
    [RECORD_COMPACTION_FAILED] = { "compaction.failed", ROWS(compaction, compaction_failed_row) },
    [RECORD_AGENT_BEGIN] = { "agent.begin", ROWS(agent, agent_begin_row) },
    [RECORD_AGENT_END] = { "agent.end", ROWS(agent, agent_end_row) },
};
