# SPDX-License-Identifier: MIT
"""What every request must obey, whatever the case: our own rules, and the schema of the API when it is there.

Rules: POST of JSON with the right key; a stream is asked for; no key twice; every call answered exactly once by the
right kind of item and no answer without a call; what was said before comes back byte for byte and in order; tools,
instructions and model do not change between requests; a repeated request is the same request.
"""
import json
import os

ANSWER_OF = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output",
             "shell_call": "shell_call_output", "apply_patch_call": "apply_patch_call_output",
             "local_shell_call": "local_shell_call_output", "computer_call": "computer_call_output",
             "tool_search_call": "tool_search_output"}
ANSWERS = set(ANSWER_OF.values())
SPACE = " \t\r\n"


def is_ours(item):
    """Is it a call that the client must answer? A search for tools may be the server's own."""
    kind = item.get("type")
    return kind in ANSWER_OF and (kind != "tool_search_call" or item.get("execution") == "client")


def no_duplicates(pairs):
    keys = [k for k, _ in pairs]
    twice = {k for k in keys if keys.count(k) > 1}
    if twice:
        raise ValueError("key twice: %s" % ", ".join(sorted(twice)))
    return dict(pairs)


def parse(text):
    def never(name):
        raise ValueError("'%s' is not JSON" % name)
    return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=never)


def raw_members(text):
    """The members of an object, each as the bytes it was written with."""
    decoder, members, at = json.JSONDecoder(), {}, text.index("{") + 1
    while True:
        while text[at] in SPACE + ",":
            at += 1
        if text[at] == "}":
            return members
        key, at = decoder.raw_decode(text, at)
        while text[at] in SPACE + ":":
            at += 1
        _, end = decoder.raw_decode(text, at)
        members[key] = text[at:end]
        at = end


def raw_elements(text):
    decoder, elements, at = json.JSONDecoder(), [], text.index("[") + 1
    while True:
        while text[at] in SPACE + ",":
            at += 1
        if text[at] == "]":
            return elements
        _, end = decoder.raw_decode(text, at)
        elements.append(text[at:end])
        at = end


def may_differ(raw):
    """Items that the reference says must not go back as they came: without created_by and null status."""
    item = json.loads(raw)
    return "created_by" in item or item.get("status", 0) is None


def trimmed(raw):
    item = json.loads(raw)
    item.pop("created_by", None)
    if item.get("status", 0) is None:
        del item["status"]
    return item


def same_item(sent, returned):
    return sent == returned or (may_differ(sent) and trimmed(sent) == json.loads(returned))


def starts_with(items, prefix):
    return len(items) >= len(prefix) and all(same_item(p, i) for p, i in zip(prefix, items))


def left_over(items, known):
    """Those of `items` that are not in `known`, the others in its order."""
    at, new = 0, []
    for item in items:
        found = next((i for i in range(at, len(known)) if same_item(known[i], item)), None)
        if found is None:
            new.append(item)
        else:
            at = found + 1
    return new


def is_aside(body):
    """A request for a summary: no turn of the conversation."""
    return body.get("tool_choice") == "none"


class Conversation:
    """What was said so far, and what the next request may therefore look like."""

    def __init__(self):
        self.items = []          # raw items the next request must begin with
        self.alternative = None  # or with these: after a broken stream, the items that had arrived whole
        self.last = None         # members of the last request, raw
        self.must_repeat = False  # the last answer was a failure: the same body again
        self.may_change = False   # the script says that the next request is a repaired one
        self.open_calls = {}      # state server: calls of the response that is built upon
        self.response_id = None
        self.may_be_shorter = False  # a compaction took place: items may be missing, and a summary may be there

    def check(self, members, body):
        raw = raw_elements(members["input"]) if members.get("input", "").startswith("[") else []
        if is_aside(body):
            yield from self._check_aside(raw, members)
            yield from self._check_answers(body)
            return
        yield from self._check_settings(members)
        if body.get("previous_response_id") is not None:
            yield from self._check_chained(body)
        elif self.last is not None and not self.may_change:
            yield from self._check_history(raw)
        yield from self._check_answers(body)

    def _check_settings(self, members):
        if self.last is None or self.may_change:
            return
        for key in ("tools", "instructions", "model", "store", "include", "reasoning"):
            if members.get(key) != self.last.get(key):
                yield "'%s' changed between requests" % key

    def _check_history(self, raw):
        if self.may_be_shorter and not starts_with(raw, self.items):
            yield from self._check_shorter(raw)
            return
        if starts_with(raw, self.items):
            if self.must_repeat and len(raw) != len(self.items):
                if self.alternative is None or not starts_with(raw, self.alternative):
                    yield "after a failed answer the request must be repeated as it was"
        elif self.alternative is None or not starts_with(raw, self.alternative):
            at = next((i for i, item in enumerate(self.items) if i >= len(raw) or not same_item(item, raw[i])), 0)
            yield "item %d of the history did not come back as it was: %.200s | sent was: %.200s" % (
                at, raw[at] if at < len(raw) else "(missing)", self.items[at] if at < len(self.items) else "(none)")

    def _check_aside(self, raw, members):
        if members.get("tools") != self.last.get("tools") or members.get("instructions") != self.last.get("instructions"):
            yield "a request for a summary has other tools or instructions"
        if "context_management" in members:
            yield "a request for a summary asks for a compaction"
        if not self.may_change and len(left_over(raw, self.items)) != 1:
            yield "a request for a summary has more than one item that was not there before"

    def _check_shorter(self, raw):
        new = [json.loads(item) for item in left_over(raw, self.items)]
        # answers and what follows them are behind; a summary is a message of the user
        if sum(1 for item in new if item.get("role") == "user") > 2:
            yield "after a compaction there is more than one new message"

    def _check_chained(self, body):
        if body["previous_response_id"] != self.response_id:
            yield "previous_response_id '%s', expected '%s'" % (body["previous_response_id"], self.response_id)

    def _check_answers(self, body):
        items = body.get("input")
        if not isinstance(items, list):
            return
        calls = dict(self.open_calls) if body.get("previous_response_id") is not None else {}
        answered = set()
        for item in items:
            kind, call_id = item.get("type", "message"), item.get("call_id")
            if kind == "local_shell_call_output":
                call_id = item.get("id")  # all that this kind has
            if is_ours(item):
                if call_id in calls and call_id not in answered:
                    yield "call '%s' came up again before it was answered" % call_id
                calls[call_id] = ANSWER_OF[kind]
                answered.discard(call_id)
            elif kind in ANSWERS:
                if call_id not in calls:
                    yield "answer to a call that was never made: '%s'" % call_id
                elif call_id in answered:
                    yield "call '%s' answered twice" % call_id
                elif calls[call_id] != kind:
                    yield "call '%s' answered by a '%s'" % (call_id, kind)
                answered.add(call_id)
        for call_id in calls:
            if call_id not in answered:
                yield "call '%s' was not answered" % call_id

    def done(self, members, raw_items, response_id):
        """The answer went out whole."""
        self._remember(members)
        self.items = self.sent + raw_items
        self.must_repeat, self.alternative = False, None
        self.response_id = response_id
        self.may_be_shorter = any(json.loads(raw).get("type") == "compaction" for raw in raw_items)
        parsed = [json.loads(raw) for raw in raw_items]
        self.open_calls = {i["call_id"]: ANSWER_OF[i["type"]] for i in parsed if is_ours(i)}

    def failed(self, members, raw_items):
        """The answer broke or was an error; `raw_items` had arrived whole before."""
        self._remember(members)
        self.items = self.sent
        self.must_repeat = True
        self.alternative = self.sent + raw_items if raw_items else None

    def _remember(self, members):
        text = members.get("input", "")
        self.sent = raw_elements(text) if text.startswith("[") else []
        self.last = members
        self.may_change = False


def check_head(method, path, headers, key, auth):
    if method != "POST" or not path.split("?")[0].endswith("/responses"):
        yield "%s %s: only POST .../responses is served" % (method, path)
    if headers.get("content-type", "").split(";")[0] != "application/json":
        yield "Content-Type is '%s'" % headers.get("content-type")
    if "expect" in headers:
        yield "an Expect header costs a round trip"
    name, value = ("api-key", key) if auth == "api-key" else ("authorization", "Bearer %s" % key)
    if headers.get(name) != value:
        yield "the header '%s' does not carry the key" % name


class Schema:
    """The public schema of the API, when somebody put it beside the project and jsonschema is installed."""

    def __init__(self, path):
        import jsonschema  # absent in many places; then there is no schema check
        with open(path, encoding="utf-8") as f:
            self.document = json.load(f)
        self.jsonschema = jsonschema
        self.validators = {}

    def check(self, definition, value):
        if definition not in self.validators:
            schema = {"$schema": self.document["$schema"], "$ref": "#/$defs/" + definition, "$defs": self.document["$defs"]}
            self.validators[definition] = self.jsonschema.Draft202012Validator(schema)
        best = self.jsonschema.exceptions.best_match(self.validators[definition].iter_errors(value))
        if best is not None:
            yield "schema %s: at %s: %.300s" % (definition, best.json_path, best.message)


def find_schema():
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.environ.get("AGENTBOX_RESPONSES_SCHEMA") or os.path.join(here, "../../../shared/openai/responses.schema.json")
    if not os.path.exists(path):
        return None
    try:
        return Schema(path)
    except ImportError:
        return None
