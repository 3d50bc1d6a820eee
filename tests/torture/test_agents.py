#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A run and its subagent die together at every record that either writes, and come back:  test_agents.py AGENTBOX SHIM ...

The subagent has a model of its own, as suspicious as the first one's: it must never be told anything that is not so, nor run
a command twice. Its container dies with the harness, or outlives it.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from model import Call, Model  # noqa: E402
from tap import Suite  # noqa: E402
from world import IMAGE, KILLED, Box, line  # noqa: E402

suite = Suite(__doc__.splitlines()[0])


class Task(Call):
    """A call of the subagent."""

    def shorthand(self, style):
        return {"call": "worker", "arguments": {"task": self.command}, "call_id": self.call_id, "id": "item_" + self.call_id}


def story(is_handoff):
    told = "Done." if is_handoff else "Done.\n\n(Files of it: made is in the workspace.)"
    return [[Call("a1", "mkdir -p out; " + line("a1") + "cat out/log", "a1\n")],
            [Task("w1", "Make it.", told)],
            [Call("z1", line("z1") + "cat made; xargs <out/log", "k1\nk2\na1 z1\n")]]


def below():
    return [[Call("k1", "echo k1 >>made; cat made", "k1\n")], [Call("k2", "echo k2 >>made; cat made", "k1\nk2\n")]]


def make_box(case, is_handoff=False):
    """The text 'Output:' makes a result look like that of any other call to the models."""
    box = Box(case, story(is_handoff))
    box.below = Model(below(), box.key, end="Output:\nDone.", log_path=box.dir + "/below.log")
    box.below.start()
    agent = {"type": "agent", "name": "worker", "handoff": is_handoff, "outputs": [] if is_handoff else ["made"],
             "manifest": {"version": 1, "agent": {"tools": ["shell"]}, "limits": {"repeat": 100},
                          "model": {"name": "below", "base_url": "http://127.0.0.1:%d/v1" % box.below.port, "tool_style": "native",
                                    "price": {"input": 1.0, "output": 1.0}},
                          "sandbox": {"image": IMAGE, "pull": "never", "memory": "64m"}, "workspace": {"size": "64m"}}}
    box.write_manifest("native", {"agent.tools": ["shell", agent]})
    return box


def settle(box, p):
    box.below.stop()
    for text in box.below.violations:
        box.case.check(False, "the subagent's model: " + text)
    box.case.check(p.status == 0, "it did not end well: " + box.told(p))
    box.case.check(box.outputs().get("log") == b"a1\nz1\n", "the log is %r" % box.outputs())
    box.case.check(box.verified() is not False, "it does not verify")
    box.nothing_left()
    box.model_is_content()


def whole(case, is_handoff):
    box = make_box(case, is_handoff)
    p = box.run()
    settle(box, p)
    return count(box)


def count(box):
    """Of all journals."""
    return sum(text.count("\n") for text in texts(box))


def texts(box):
    for folder, _, names in os.walk(box.path()):
        if "journal.jsonl" in names:
            with open(folder + "/journal.jsonl", encoding="utf-8") as f:
                yield f.read()


def die(case, kill, is_handoff, lose):
    box = make_box(case, is_handoff)
    p = box.run(kill=kill)
    if p.status == 0:
        return settle(box, p)
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    if lose:
        box.remove_containers()
    before = box.types()
    if "run.begin" not in before or "run.end" in before:
        return box.below.stop()
    settle(box, box.resume())
    if not lose and not is_handoff:
        rollbacks = sum(len(re.findall('"type":"rollback"', text)) for text in texts(box))
        case.check(rollbacks == 0 or "workspace.ready" not in before or rollbacks <= 1, "%d rollbacks" % rollbacks)
    return None


def at_every_record(total, is_handoff):
    what = "handoff" if is_handoff else "subagent"
    for k in suite.sample(range(1, total + 1), 2):
        yield "%s: killed after record %d of %d" % (what, k, total), lambda c, k=k: die(c, "after:%d" % k, is_handoff, False)
        yield "%s: killed with all sandboxes before record %d" % (what, k), lambda c, k=k: die(c, "before:%d" % k, is_handoff, True)
    for k in suite.sample(range(1, total + 1), 6):
        yield "%s: killed in the middle of record %d" % (what, k), lambda c, k=k: die(c, "tear:%d" % k, is_handoff, False)


for with_handoff in (False, True):
    found = []
    suite.group([("undisturbed, handoff %s" % with_handoff, lambda c: found.append(whole(c, with_handoff)))], always=True)
    if found:
        suite.group(list(at_every_record(found[0], with_handoff)))
suite.end()
