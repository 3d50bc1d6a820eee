# SPDX-License-Identifier: MIT
"""From the shorthand of a test script to what a real server sends: output items and their stream of events.

Shorthand of one item of a reply (strings may hold {n}: the number of the request, from 1):

    {"message": "text"}                     an assistant message; "phase": "commentary" | "final_answer"
    {"refusal": "text"}                     a message that refuses
    {"reasoning": "summary"}                with "encrypted": "..." when wanted
    {"shell": ["cmd", ...]}                 a local shell_call; "timeout_ms", "max_output_length"
    {"exec": "cmd"}                         a function_call of exec_command; more arguments in "with": {...}
    {"call": "name", "arguments": X}        any function_call; a string X is sent as it is, else as JSON
    {"patch": {"type", "path", "diff"}}     an apply_patch_call
    {"custom": "name", "input": "text"}     a custom_tool_call
    {"raw": {...}}                          an item as it stands, known or not; no deltas

Calls take "call_id" (default call_<request>_<position>); every item takes "id" and "status".
"""
import json

MODEL = "test-model-1"


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def odd(value):
    """The same JSON written as nobody would: a client that re-encodes items gives itself away."""
    text = json.dumps(value, ensure_ascii=True, separators=(" ,  ", " : "))
    return text.replace("/", "\\/")


def substitute(value, n):
    if isinstance(value, str):
        return value.replace("{n}", str(n))
    if isinstance(value, list):
        return [substitute(v, n) for v in value]
    if isinstance(value, dict):
        return {k: substitute(v, n) for k, v in value.items()}
    return value


def _message(short, item_id):
    if "refusal" in short:
        part = {"type": "refusal", "refusal": short["refusal"]}
    else:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": short["message"]}
    item = {"id": item_id, "type": "message", "status": "completed", "content": [part], "role": "assistant"}
    if "phase" in short:
        item["phase"] = short["phase"]
    return item


def _reasoning(short, item_id):
    summary = [{"type": "summary_text", "text": short["reasoning"]}] if short["reasoning"] else []
    return {"id": item_id, "type": "reasoning", "summary": summary,
            "encrypted_content": short.get("encrypted", "opaque-" + item_id)}


def _shell(short, item_id, call_id):
    action = {"commands": short["shell"], "timeout_ms": short.get("timeout_ms"),
              "max_output_length": short.get("max_output_length")}
    return {"id": item_id, "type": "shell_call", "status": "completed", "call_id": call_id,
            "environment": {"type": "local"}, "action": action}


def _function(short, item_id, call_id):
    if "exec" in short:
        name, arguments = "exec_command", {"cmd": short["exec"], **short.get("with", {})}
    else:
        name, arguments = short["call"], short.get("arguments", {})
    if not isinstance(arguments, str):
        arguments = compact(arguments)
    return {"id": item_id, "type": "function_call", "status": "completed", "call_id": call_id, "name": name,
            "arguments": arguments}


def _patch(short, item_id, call_id):
    return {"id": item_id, "type": "apply_patch_call", "status": "completed", "call_id": call_id, "operation": short["patch"]}


def _custom(short, item_id, call_id):
    return {"id": item_id, "type": "custom_tool_call", "status": "completed", "call_id": call_id, "name": short["custom"],
            "input": short["input"]}


def expand(short, n, position):
    """One shorthand item -> the item as output_item.done carries it."""
    short = substitute(short, n)
    item_id = short.get("id", "item_%d_%d" % (n, position))
    call_id = short.get("call_id", "call_%d_%d" % (n, position))
    if "raw" in short:
        return short["raw"]
    if "message" in short or "refusal" in short:
        item = _message(short, item_id)
    elif "reasoning" in short:
        item = _reasoning(short, item_id)
    elif "shell" in short:
        item = _shell(short, item_id, call_id)
    elif "patch" in short:
        item = _patch(short, item_id, call_id)
    elif "custom" in short:
        item = _custom(short, item_id, call_id)
    elif "exec" in short or "call" in short:
        item = _function(short, item_id, call_id)
    else:
        raise ValueError("not a reply item: %s" % compact(short))
    if "status" in short:
        item["status"] = short["status"]
    item.update(short.get("more", {}))
    return item


def usage(given):
    given = {"input": 100, "cached": 0, "output": 20, "reasoning": 0, **(given or {})}
    return {"input_tokens": given["input"],
            "input_tokens_details": {"cached_tokens": given["cached"], "cache_write_tokens": 0},
            "output_tokens": given["output"], "output_tokens_details": {"reasoning_tokens": given["reasoning"]},
            "total_tokens": given["input"] + given["output"]}


def response(n, request, status, output=(), used=None, error=None, reason=None):
    """The Response object around it, with the request's settings echoed as servers do."""
    done = status == "completed"
    return {"id": "resp_%d" % n, "object": "response", "created_at": 1790000000 + n,
            "completed_at": 1790000001 + n if done else None, "status": status, "background": False,
            "error": error, "incomplete_details": {"reason": reason} if reason else None,
            "instructions": request.get("instructions"), "max_output_tokens": request.get("max_output_tokens"),
            "model": MODEL, "output": list(output), "parallel_tool_calls": True,
            "previous_response_id": request.get("previous_response_id"), "reasoning": {"effort": None, "summary": None},
            "store": request.get("store", True), "temperature": 1.0, "text": {"format": {"type": "text"}},
            "tool_choice": "auto", "tools": request.get("tools", []), "top_p": 1.0, "truncation": "disabled",
            "usage": used, "user": None, "metadata": {}}


def pieces(text, size=12):
    return [text[i:i + size] for i in range(0, len(text), size)]


def _message_events(item, index):
    where = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    is_text = part["type"] == "output_text"
    key = "text" if is_text else "refusal"
    kind = "response.output_text" if is_text else "response.refusal"
    extra = {"logprobs": []} if is_text else {}
    yield {"type": "response.content_part.added", **where, "part": {**part, key: ""}}
    for piece in pieces(part[key]):
        yield {"type": kind + ".delta", **where, "delta": piece, **extra}
    yield {"type": kind + ".done", **where, key: part[key], **extra}
    yield {"type": "response.content_part.done", **where, "part": part}


def _reasoning_events(item, index):
    for i, part in enumerate(item["summary"]):
        where = {"item_id": item["id"], "output_index": index, "summary_index": i}
        kind = "response.reasoning_summary"
        yield {"type": kind + "_part.added", **where, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield {"type": kind + "_text.delta", **where, "delta": piece}
        yield {"type": kind + "_text.done", **where, "text": part["text"]}
        yield {"type": kind + "_part.done", **where, "part": part}


def _function_events(item, index):
    where = {"item_id": item["id"], "output_index": index}
    for piece in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"]}


def _patch_events(item, index):
    where = {"item_id": item["id"], "output_index": index}
    if "diff" not in item["operation"]:
        return
    for piece in pieces(item["operation"]["diff"]):
        yield {"type": "response.apply_patch_call_operation_diff.delta", **where, "delta": piece}
    yield {"type": "response.apply_patch_call_operation_diff.done", **where, "diff": item["operation"]["diff"]}


def _custom_events(item, index):
    where = {"item_id": item["id"], "output_index": index}
    for piece in pieces(item["input"]):
        yield {"type": "response.custom_tool_call_input.delta", **where, "delta": piece}
    yield {"type": "response.custom_tool_call_input.done", **where, "input": item["input"]}


def _shell_events(item, index):
    for i, command in enumerate(item["action"]["commands"]):
        where = {"output_index": index, "command_index": i}
        kind = "response.shell_call_command"
        yield {"type": kind + ".added", **where, "command": ""}
        for piece in pieces(command):
            yield {"type": kind + ".delta", **where, "delta": piece}
        yield {"type": kind + ".done", **where, "command": command}


def _begun(item):
    """The item as output_item.added shows it: before anything has been said."""
    kind = item.get("type")
    item = dict(item)
    if "status" in item:
        item["status"] = "in_progress"
    if kind == "message":
        item["content"] = []
    elif kind == "reasoning":
        item["summary"] = []
    elif kind == "function_call":
        item["arguments"] = ""
    elif kind == "custom_tool_call":
        item["input"] = ""
    elif kind == "apply_patch_call" and "diff" in item["operation"]:
        item["operation"] = {**item["operation"], "diff": ""}
    elif kind == "shell_call":
        item["action"] = {**item["action"], "commands": []}
    return item


BETWEEN = {"message": _message_events, "reasoning": _reasoning_events, "function_call": _function_events,
           "shell_call": _shell_events, "apply_patch_call": _patch_events, "custom_tool_call": _custom_events}


def item_events(item, index, is_raw):
    yield {"type": "response.output_item.added", "output_index": index, "item": item if is_raw else _begun(item)}
    if not is_raw and item.get("type") in BETWEEN:
        yield from BETWEEN[item["type"]](item, index)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def stream(n, request, shorthand, status="completed", used=None, error=None, reason=None, failed_error=None):
    """All events of one answer, numbered."""
    items = [expand(s, n, i) for i, s in enumerate(shorthand)]

    def plain():
        yield {"type": "response.created", "response": response(n, request, "in_progress")}
        yield {"type": "response.in_progress", "response": response(n, request, "in_progress")}
        for i, item in enumerate(items):
            yield from item_events(item, i, "raw" in shorthand[i])
        if failed_error is not None:
            yield {"type": "error", "error": failed_error}
        end = {"completed": "completed", "incomplete": "incomplete", "failed": "failed"}.get(status)
        if end:
            yield {"type": "response." + end,
                   "response": response(n, request, end, items, usage(used) if end != "failed" else None, error, reason)}

    for number, event in enumerate(plain()):
        event["sequence_number"] = number
        yield event
