#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the judge: does the model of these tests object to what must not be?  No engine, no program."""
import copy
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from harness import check, events  # noqa: E402
from model import Call, Model  # noqa: E402

TURNS = [[Call("a1", "echo a1", "a1\n")], [Call("b1", "echo b1", "b1\n"), Call("b2", "echo b2", "b2\n")]]
USER = {"role": "user", "content": "go"}


def answer(call_id, text=None):
    return {"type": "shell_call_output", "call_id": call_id, "output": [
        {"stdout": (call_id if text is None else text) + "\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}


class Talk:
    """A client that keeps the conversation, and can be told to get it wrong."""

    def __init__(self):
        self.model = Model(TURNS, "k")
        self.items = [USER]

    def objections(self, items=None, **more):
        body = {"stream": True, "model": "m", "tools": [], "input": self.items if items is None else items, **more}
        text = events.compact(body)
        return list(self.model._objections(check.parse(text), check.raw_members(text)))

    def turn(self):
        """The next answer of the model joins the conversation, with results."""
        made = {i.get("call_id") for i in self.items if i.get("type") in check.ANSWER_OF}
        _, missing = self.model._next(made)
        new = [events.expand(s, 1, i) for i, s in enumerate(self.model._reply(1, missing))]
        for item in new:
            self.model.raw[item["id"]] = events.compact(item)
        self.items = self.items + new + [answer(c.call_id) for c in missing]
        return self


def changed(items, fn):
    out = copy.deepcopy(items)
    fn(out)
    return out


def cases():
    two = Talk().turn().turn()
    two.objections([USER])
    yield "a good conversation", [], two.objections()
    yield "a shorter one, after a rollback", [], two.objections(two.items[:4])
    a, b = Talk().turn().items, two.items
    index = {i.get("call_id", "") + i["type"]: n for n, i in enumerate(b) if "type" in i}
    b1, b2 = index["b1shell_call_output"], index["b2shell_call_output"]
    for name, word, fn in (
            ("an answer is missing", "was not answered", lambda x: x.pop(b2)),
            ("an answer is there twice", "answered twice", lambda x: x.insert(b2, x[b2])),
            ("answers in the wrong order", "answers come as", lambda x: x.insert(b1, x.pop(b2))),
            ("an item is there twice", "is there twice", lambda x: x.insert(1, x[1])),
            ("a call is missing", "calls come as", lambda x: (x.pop(index["a1shell_call"]), x.pop(index["a1shell_call_output"] - 1))),
            ("an item was changed", "not as it was sent", lambda x: x[index["a1shell_call"]]["action"].update(timeout_ms=7)),
            ("an item that was never sent", "never sent", lambda x: x.insert(1, {"type": "reasoning", "id": "item_x", "summary": []})),
            ("a result from another workspace", "said", lambda x: x[b1].update(answer("b1", "b1\nb1"))),
            ("another task", "another one", lambda x: x[0].update(content="stop")),
            ("an interruption where none may be", "said", lambda x: x[b1].update(answer("b1", "this call was interrupted")))):
        yield name, [word], two.objections(changed(b, fn))
    yield "another model", ["changed"], two.objections(model="n")
    yield "no stream", ["no stream"], two.objections(stream=False)
    two.model.may_interrupt.add("b1")
    yield "an interruption that may be", [], two.objections(changed(b, lambda x: x[b1].update(answer("b1", "interrupted"))))
    yield "nothing was said yet", [], Talk().objections(a[:1])


def main():
    number = failed = 0
    for number, (name, wanted, got) in enumerate(cases(), 1):
        ok = bool(got) == bool(wanted) and all(any(w in g for g in got) for w in wanted)
        failed += not ok
        print("%sok %d - %s" % ("" if ok else "not ", number, name))
        if not ok:
            print("#   wanted %s, got %s" % (wanted, json.dumps(got)[:600]))
    print("1..%d" % number)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
