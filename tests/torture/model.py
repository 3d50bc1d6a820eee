# SPDX-License-Identifier: MIT
"""A model that knows its lines by what it is told, not by how often it was asked.

After a crash a request comes again, or the conversation is shorter than it was: the answer follows from the calls that the
conversation already holds. And it is a suspicious one: each conversation must be one that it could have had.

- its own items come back byte for byte, in order, each once, and from the beginning of the script without a gap;
- every call has exactly one answer, of the right kind, behind it and in the order of the calls;
- each answer is what that command says in a workspace in which exactly the calls before it have run;
- the task, tools, instructions and the model stay as they were in the first request.
"""
import json
import re
import threading

from harness import check, events, server

END = "All is well."


class Call:
    """One command of the script. `says`: its output: exact text, a compiled pattern, or None for anything. `workdir`: where it
    runs, which only a call of a function can say; the AGENTS.md of that folder is told behind the answers of its turn."""

    def __init__(self, call_id, command, says=None, timeout_ms=None, workdir=None):
        self.call_id, self.command, self.says, self.timeout_ms, self.workdir = call_id, command, says, timeout_ms, workdir

    def shorthand(self, style):
        ids = {"call_id": self.call_id, "id": "item_" + self.call_id}
        if style == "function":
            more = {"workdir": self.workdir} if self.workdir else {}
            return {"exec": self.command, "with": {"yield_time_ms": 30000, **more}, **ids}
        return {"shell": [self.command], "timeout_ms": self.timeout_ms, **ids}


def said(item):
    """(text that a command wrote, whether it looks like an ordinary result) of an answer item."""
    output = item.get("output")
    if item.get("type") == "shell_call_output" and isinstance(output, list):
        return ("".join(o.get("stdout", "") + o.get("stderr", "") for o in output),
                all((o.get("outcome") or {}).get("type") == "exit" for o in output))
    text = output if isinstance(output, str) else json.dumps(output)
    _, found, rest = text.partition("Output:\n")
    return (rest, True) if found else (text, False)


class Model(server.ModelServer):
    """turns: lists of Calls; then END. `more`: turns that follow when the user speaks again (a fork)."""

    def __init__(self, turns, key, style="native", end=END, log_path=None, more=()):
        super().__init__({"turns": [], "schema": False}, key, log_path)
        self.script, self.style, self.final, self.more = [list(t) for t in turns], style, end, list(more)
        self.settings = self.task = None
        self.interrupted = []  # (call id, text) of answers that said so
        self.may_interrupt = set()
        self.gates = {}        # turn: fn(count of events so far, event)
        self.before = {}       # turn: fn(), called before its answer begins
        self.delays = {}       # turn: ms
        self.turn_log = []     # turn of each request
        self.raw = {}
        self.past = {}         # response id: the whole conversation up to it, raw (model.state: server)
        self.chained = []      # previous_response_id of each request
        self.watch = threading.Condition()

    # --- the answer ---

    def _reply(self, turn, missing):
        if not missing:
            return [{"reasoning": "That was it.", "id": "item_end_reason_%d" % turn}, {"message": self.final, "id": "item_end"}]
        return ([{"reasoning": "Now %s." % missing[0].call_id, "id": "item_reason_" + missing[0].call_id}] +
                [c.shorthand(self.style) for c in missing])

    def _next(self, made):
        """(turn, its calls that were not made yet)"""
        for turn, calls in enumerate(self.script, 1):
            missing = [c for c in calls if c.call_id not in made]
            if missing:
                return turn, missing
        return len(self.script) + 1, []

    def _take(self, method, path, headers, body):
        self.requests.append(None)
        n = len(self.requests)
        for text in check.check_head(method, path, headers, self.key, self.auth):
            self.violation("request %d: %s" % (n, text))
        text = body.decode("utf-8")
        parsed, members = check.parse(text), check.raw_members(text)
        self._remind(n, parsed, members)
        self.requests[-1] = parsed
        for text in self._objections(parsed, members):
            self.violation("request %d: %s" % (n, text))
        made = {i.get("call_id") for i in parsed.get("input", []) if i.get("type") in check.ANSWER_OF}
        turn, missing = self._next(made)
        with self.watch:
            self.turn_log.append(turn)
            self.watch.notify_all()
        if self.before.get(turn):
            self.before[turn]()
        reply = self._reply(turn, missing)
        for i, short in enumerate(reply):
            item = events.expand(short, n, i)
            self.raw[item["id"]] = events.compact(item)
        out = {"reply": reply, "delay_ms": self.delays.get(turn, 0)}
        if turn in self.gates:
            out.update(stall_after=-1, gate=self.gates[turn])  # written event by event
        return out, n, members, parsed

    def _write_slowly(self, handler, writer, turn, frames):
        for count, (data, event) in enumerate(frames):
            turn["gate"](count, event)
            writer.body(data)

    def _settle(self, turn, members, raw_items, n):
        pass

    def _finish(self, turn, n, members, raw_items):
        self.past["resp_%d" % n] = check.raw_elements(members["input"]) + raw_items

    def _remind(self, n, parsed, members):
        """Put what the server itself remembers before what was sent, so that every rule holds for the whole of it."""
        before = parsed.get("previous_response_id")
        self.chained.append(before)
        if before is None:
            return
        if before not in self.past:
            self.violation("request %d: there never was a response '%s'" % (n, before))
            return
        raw = self.past[before] + check.raw_elements(members["input"])
        members["input"] = "[%s]" % ",".join(raw)
        parsed["input"] = json.loads(members["input"])

    # --- what it objects to ---

    def _objections(self, parsed, members):
        if parsed.get("stream") is not True:
            yield "no stream asked for"
        raw = check.raw_elements(members["input"]) if members.get("input", "").startswith("[") else []
        if not raw:
            yield "no input"
            return
        settings = {k: members.get(k) for k in ("tools", "instructions", "model", "store", "include", "reasoning")}
        self.settings, self.task = self.settings or settings, self.task or raw[0]
        if settings != self.settings:
            yield "%s changed" % [k for k in settings if settings[k] != self.settings[k]]
        if raw[0] != self.task:
            yield "the task is another one: %.200s" % raw[0]
        yield from check.Conversation()._check_answers(parsed)
        yield from self._own_items(parsed["input"], raw)
        yield from self._order(parsed["input"])
        yield from self._told(parsed["input"])
        yield from self._results(parsed["input"])

    def _own_items(self, items, raw):
        seen = set()
        for item, text in zip(items, raw):
            own = item.get("id")
            if own is None:
                continue
            if own in seen:
                yield "item '%s' is there twice" % own
            seen.add(own)
            if own in self.raw and not check.same_item(self.raw[own], text):
                yield "item '%s' is not as it was sent: %.300s" % (own, text)
            elif own not in self.raw:
                yield "item '%s' was never sent" % own

    def _order(self, items):
        made = [i["call_id"] for i in items if i.get("type") in check.ANSWER_OF]
        wanted = [c.call_id for turn in self.script for c in turn]
        if made != wanted[:len(made)]:
            yield "calls come as %s, the script has %s" % (made, wanted)
        answered = [i["call_id"] for i in items if i.get("type") in check.ANSWERS]
        if answered != made:
            yield "answers come as %s, the calls as %s" % (answered, made)
        waiting = []
        for item in items:
            if item.get("type") in check.ANSWER_OF:
                waiting.append(item["call_id"])
            elif item.get("type") in check.ANSWERS:
                if item["call_id"] not in waiting:
                    yield "the answer to '%s' stands before its call" % item["call_id"]
            elif waiting and item.get("type") == "reasoning" and item.get("id", "")[12:] in waiting:
                yield "the thought before '%s' stands behind it" % item["id"][12:]

    def _told(self, items):
        """The AGENTS.md of each folder comes once, behind the answer of the first turn that touched it."""
        for call in (c for turn in self.script for c in turn if c.workdir and self.style == "function"):
            mark = "# AGENTS.md instructions for /workspace/%s\n" % call.workdir
            told = [i for i, item in enumerate(items) if mark in json.dumps(item.get("content")).replace("\\n", "\n")]
            answers = [i for i, item in enumerate(items) if item.get("type") in check.ANSWERS and item["call_id"] == call.call_id]
            if call.call_id not in self.may_interrupt and (len(told) != len(answers) or (told and told[0] < answers[0])):
                yield "AGENTS.md of '%s' is told at %s, the answer of '%s' is at %s" % (call.workdir, told, call.call_id, answers)

    def _results(self, items):
        calls = {c.call_id: c for turn in self.script for c in turn}
        for item in items:
            call = calls.get(item.get("call_id")) if item.get("type") in check.ANSWERS else None
            if call is None:
                continue
            text, is_plain = said(item)
            if self.fits(call, text) and is_plain:
                continue
            if call.call_id in self.may_interrupt and re.search("interrupt|lost|forked", json.dumps(item), re.I):
                self.interrupted.append((call.call_id, text))
                continue
            yield "'%s' said %.300r, expected %.300r; all of it: %.500s" % (
                call.call_id, text, call.says if isinstance(call.says, str) else call.says.pattern, json.dumps(item))

    @staticmethod
    def fits(call, text):
        if call.says is None:
            return True
        return text == call.says if isinstance(call.says, str) else call.says.search(text) is not None

    # --- for the tests ---

    def await_request(self, turn, count=1, seconds=120):
        """Until so many requests for this turn have come."""
        with self.watch:
            return self.watch.wait_for(lambda: self.turn_log.count(turn) >= count, seconds)
