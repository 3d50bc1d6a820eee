#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A run dies at every record of its journal, and comes back:  test_kill.py AGENTBOX SHIM [--only TEXT] [--thorough] ...

The harness is killed exactly (shim.c) after, before and in the middle of the K-th line; the sandbox dies with it, or alone;
the resume itself dies at each of its own lines. What must come of it: world.py, done(): the same outputs, one line for each
call in a log that every call appends to, a model that was told nothing that is not so.
"""
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from model import Call, END  # noqa: E402
from tap import Suite  # noqa: E402
from world import Box, KILLED, hold, line  # noqa: E402

suite = Suite(__doc__.splitlines()[0])


# --- what holds of a run that was killed and came back ---

def come_back(box, lost=False, **more):
    """Resume what a kill has left. `lost`: the sandbox is gone too."""
    before = box.types()
    if "run.begin" not in before:
        return never_began(box)
    if "run.end" in before:
        return had_ended(box)
    p = box.resume(**more)
    box.done(p)
    if not lost and "workspace.ready" in before and p.status == 0:
        only_the_harness_died(box, len(before))
    return p


def never_began(box):
    p = box.resume()
    box.case.check(0 < p.status < 10 and p.stderr.strip(), "a run without a first record: " + box.told(p))
    box.nothing_left()
    p = box.execute(["rm", box.run_id])
    box.case.check(p.status == 0 and not box.run_ids(), "it cannot be removed: " + box.told(p))


def had_ended(box):
    p = box.resume()
    box.case.check(p.status == 2 and re.search("done|end", p.stderr), "a run that ended well was resumed: " + box.told(p))
    box.ended_before()


def only_the_harness_died(box, before):
    """Nothing was undone, nothing ran twice."""
    records = box.journal()
    types = [r["type"] for r in records]
    box.case.check("rollback" not in types and "call.lost" not in types, "the sandbox lived, but: %s" % " ".join(types[before:]))
    box.case.check(types.count("sandbox.intent") == 1, "a second container was made")
    ends = [r["call_id"] for r in records if r["type"] == "call.end"]
    box.case.check(len(ends) == len(set(ends)), "a call ended twice: %s" % ends)


def die(case, kill, lose=None, **more):
    box = Box(case, **more)
    p = box.run(kill=kill)
    if p.status == 0:
        return box.done(p)  # it needed fewer records this time
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    case.note("killed behind: %s" % box.types()[-1:])
    if lose:
        lose(box)
    return come_back(box, lost=lose is not None)


def reference(style="native"):
    """Types of the records of an undisturbed run; empty when that fails already."""
    found = []

    def whole(case):
        box = Box(case, style=style)
        p = box.run()
        box.done(p)
        found.extend(box.types())
        case.check(len(found) >= 12, "only %d records" % len(found))
    suite.group([("undisturbed, %s" % style, whole)], always=True)
    return found


# --- groups ---

def at_every_record(types):
    for k in range(1, len(types) + 1):
        where = "record %d of %d (%s)" % (k, len(types), types[k - 1])
        yield "harness killed after " + where, lambda c, k=k: die(c, "after:%d" % k)
        yield "harness killed before " + where, lambda c, k=k: die(c, "before:%d" % k)
        yield "harness and sandbox killed after " + where, lambda c, k=k: die(c, "after:%d" % k, lose=vanish(k))
    for k in suite.sample(range(1, len(types) + 1), 4):
        yield "harness killed in the middle of record %d" % k, lambda c, k=k: die(c, "tear:%d" % k)
        yield "harness and sandbox killed before record %d" % k, lambda c, k=k: die(c, "before:%d" % k, lose=vanish(k))


def vanish(k):
    """In turn: removed, killed so that a corpse stays."""
    return lambda box: box.remove_containers(gently=k % 2 == 0)


def function_style(types):
    for k in suite.sample(range(1, len(types) + 1), 5):
        yield "function tools: harness killed after record %d" % k, lambda c, k=k: die(c, "after:%d" % k, style="function")


def sandbox_alone(types):
    for k in suite.sample(range(1, len(types) - 1), 2):
        yield "sandbox alone dies at record %d (%s)" % (k, types[k - 1]), lambda c, k=k: lose_sandbox(c, k)


def lose_sandbox(case, k):
    """The harness lives: it goes on by itself, or ends with 4 and is resumed."""
    box = Box(case)
    p = box.begin("--json")
    p.await_line(k)
    (guest_dies if k % 3 == 0 else vanish(k))(box)
    p.wait()
    types = box.types()
    case.note("exit %s: %s" % (p.status, " ".join(types[k:])))
    if p.status == 0:
        return box.done(p)
    if not case.check(p.status == 4 and "resume" in p.stderr, "no exit 4 with a hint: " + box.told(p)):
        return None
    return box.done(box.resume())


def guest_dies(box):
    """As when the kernel takes PID 1 for want of memory."""
    import json
    for c in box.containers():
        pid = json.loads(box.docker.inspect(c))["State"]["Pid"]
        if pid > 0:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # the run had ended, and its sandbox with it


def resume_dies(types):
    """Killed in the middle, and then at every record that the resume itself writes."""
    middle = ([i for i, t in enumerate(types, 1) if t == "call.begin"] + [1] * 4)[3]
    count = {}

    def measure(case, lose):
        box = Box(case)
        box.run(kill="after:%d" % middle)
        if lose:
            lose(box)
        before = len(box.lines())
        box.done(box.resume())
        count[bool(lose)] = len(box.lines()) - before
    if not (suite.options.only in "resume killed" or "resume killed" in suite.options.only):
        return
    suite.group([("resumed once, sandbox alive", lambda c: measure(c, None)), ("resumed once, sandbox gone", lambda c: measure(c, vanish(1)))],
                always=True)
    for is_lost, kinds in ((False, ("after", "before")), (True, ("after",))):
        for j in range(1, count.get(is_lost, 0) + 1):
            for kind in kinds if suite.options.thorough or j < 16 or j % 4 == 0 else ():
                yield ("resume killed %s its record %d, sandbox %s" % (kind, j, "gone each time" if is_lost else "alive"),
                       lambda c, j=j, kind=kind, is_lost=is_lost: die_twice(c, middle, "%s:%d" % (kind, j), is_lost))


def die_twice(case, k, kill, is_lost):
    box = Box(case, manifest={"checkpoint.on_interrupt": "rerun"} if is_lost else None)  # the call may be lost twice here
    box.run(kill="after:%d" % k)
    if is_lost:
        vanish(1)(box)
    p = box.resume(kill=kill)
    if p.status == 0:
        return box.done(p)
    case.check(p.status == KILLED, "the resume was not killed: " + box.told(p))
    case.note("killed behind: %s" % " ".join(box.types()[k:]))
    if is_lost:
        vanish(2)(box)
    return come_back(box, lost=is_lost)


def tower(case):
    """Killed at every second record of every resume, until it gets through."""
    box = Box(case)
    p = box.run(kill="after:9")
    for _ in range(60):
        if p.status != KILLED:
            break
        p = box.resume(kill="after:4")
    case.note("%d deaths" % (box.types().count("run.resume")))
    if p.status == KILLED:
        p = box.resume()
    box.done(p)


# --- a stream, a long command, a checkpoint, outputs ---

def streams():
    for event in suite.sample(range(0, 26), 2):
        yield "harness killed at event %d of a stream" % event, lambda c, e=event: die_streaming(c, e, None)
    for event in (4, 9, 14):
        yield "both killed at event %d of a stream" % event, lambda c, e=event: die_streaming(c, e, vanish(1))


    for lose in (None, vanish(1)):
        yield "%s killed when a call of an answer has begun that is still streaming" % ("both" if lose else "harness"), lambda c, l=lose: die_with_early_call(c, l)


def die_with_early_call(case, lose):
    """The answer of turn 2 has two calls; the first has run when the stream stands still. It must not be asked for again."""
    box = Box(case)
    started = []

    def gate(_, event):
        if event["type"] == "response.output_item.added" and event["item"].get("call_id") == "b2" and len(started) == 1:
            box.until_record("call.end", call_id="b1")
            started[0].signal(signal.SIGKILL)
            started[0].wait()
            started.append(None)
    box.model.gates[2] = gate
    started.append(box.begin())
    started[0].wait()
    case.check(started[0].status == KILLED, box.told(started[0]))
    if lose:
        lose(box)
    come_back(box, lost=lose is not None)
    begins = [r["call_id"] for r in box.journal() if r["type"] == "call.begin"]
    case.check(begins.count("b1") == 1 or lose, "b1 began %d times" % begins.count("b1"))


def die_streaming(case, event, lose):
    box = Box(case)
    started = []

    def gate(count, _):
        if count == event and len(started) == 1:
            started[0].signal(signal.SIGKILL)
            started[0].wait()
            started.append(None)
    box.model.gates[2] = gate
    started.append(box.begin())
    p = started[0]
    p.wait()
    if p.status == 0:
        return box.done(p)
    case.check(p.status == KILLED, box.told(p))
    if lose:
        lose(box)
    return come_back(box, lost=lose is not None)


def long_story():
    return [[Call("a1", "mkdir -p out; " + line("a1") + "cat out/log", "a1\n")],
            [hold("h1", says="a1\nh1-begin\nh1\n")],
            [Call("z1", line("z1") + "cat out/log", "a1\nh1-begin\nh1\nz1\n")]]


LONG_LOG = b"a1\nh1-begin\nh1\nz1\n"


def long_done(box, p):
    box.done(p)
    if p.status == 0:
        box.case.check(box.outputs().get("log") == LONG_LOG, "the log: %r" % box.outputs().get("log"))


def begun(box, p=None):
    """The long command runs, as seen inside."""
    box.until(lambda: box.sandbox() and "h1-begin" in (box.docker.execute(box.sandbox(), "cat /workspace/out/log") or ""), "h1-begin")


def long_commands():
    for style in ("native", "function"):
        yield "%s: a command ends while no harness is there" % style, lambda c, s=style: ends_alone(c, s)
        yield "%s: a command still runs at resume" % style, lambda c, s=style: still_runs(c, s)
        yield "%s: a command runs when both die" % style, lambda c, s=style: both_in_command(c, s)
    yield "a command ends while the resume dies again and again", ends_between
    yield "a command's output was half delivered at death", half_delivered
    yield "parallel commands, one ends without a harness", parallel
    yield "a session goes on over the death of the harness", session


def ends_alone(case, style):
    box = Box(case, long_story(), style)
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    box.touch_go()
    box.until(lambda: "h1\r\n" in (box.docker.execute(box.sandbox(), "cat /workspace/out/log") or "").replace("h1-begin", ""), "h1")
    p = box.resume()
    long_done(box, p)
    only_the_harness_died(box, 0)


def still_runs(case, style):
    box = Box(case, long_story(), style)
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    p = box.start(["resume", box.run_id])
    box.until(lambda: box.types().count("sandbox.ready") >= 2, "a second sandbox.ready")
    box.touch_go()
    p.wait()
    long_done(box, p)
    only_the_harness_died(box, 0)


def both_in_command(case, style):
    box = Box(case, long_story(), style)
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    box.remove_containers()
    p = box.start(["resume", box.run_id])
    box.until(lambda: box.sandbox() and "rollback" in box.types(), "rollback and a new sandbox")
    begun(box)
    box.touch_go()
    p.wait()
    long_done(box, p)


def ends_between(case):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    for k in (1, 2, 3):
        p = box.resume(kill="after:%d" % k)
        case.check(p.status == KILLED, "not killed: " + box.told(p))
    box.touch_go()
    for k in (1, 2, 3):
        p = box.resume(kill="after:%d" % k)
        case.check(p.status == KILLED, "not killed: " + box.told(p))
    long_done(box, box.resume())
    only_the_harness_died(box, 0)


def half_delivered(case):
    """20,000 lines, half of them before the harness dies, half while nobody reads: less than what the guest holds."""
    count = 4000
    call = Call("h1", "mkdir -p out; echo h1-begin >> out/log; seq 1 %d; until [ -e /tmp/go ]; do sleep 0.02; done; seq %d %d; echo h1 >> out/log"
                % (count, count + 1, 2 * count), "".join("%d\n" % i for i in range(1, 2 * count + 1)))
    box = Box(case, [[call], [Call("z1", line("z1") + "cat out/log", "h1-begin\nh1\nz1\n")]], manifest={"limits.output": "1m"})
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    box.touch_go()
    box.until(lambda: "h1\r\n" in (box.docker.execute(box.sandbox(), "cat /workspace/out/log") or "").replace("h1-begin", ""), "h1")
    box.done(box.resume())


def parallel(case):
    quick = Call("p1", "mkdir -p out; echo p1 >> out/p1; until [ -e /tmp/go ]; do sleep 0.02; done; cat out/p1", "p1\n")
    slow = Call("h1", "mkdir -p out; echo h1-begin >> out/log; until [ -e /tmp/go2 ]; do sleep 0.02; done; echo h1 >> out/log; cat out/log",
                "h1-begin\nh1\n")
    done_already = Call("p0", "mkdir -p out; echo p0 >> out/p0; cat out/p0", "p0\n")
    box = Box(case, [[quick, slow, done_already], [Call("z1", "cat out/log out/p0 out/p1", "h1-begin\nh1\np0\np1\n")]])
    p = box.begin()
    begun(box)
    box.until_record("call.end", call_id="p0")
    p.signal(signal.SIGKILL)
    p.wait()
    box.touch_go()
    p = box.start(["resume", box.run_id])
    box.until_record("call.end", call_id="p1")
    box.docker.execute(box.sandbox(), "touch /tmp/go2")
    p.wait()
    box.done(p)
    only_the_harness_died(box, 0)


def session(case):
    """exec_command that gave a session number back; after the resume the model asks that session again."""
    first = Call("s1", "mkdir -p out; echo h1-begin >> out/log; until [ -e /tmp/go ]; do sleep 0.02; done; echo late", re.compile("session"))
    first.shorthand = lambda style: {"exec": first.command, "with": {"yield_time_ms": 250}, "call_id": "s1", "id": "item_s1"}
    again = Call("s2", "", re.compile(r"late\n"))
    again.shorthand = lambda style: {"call": "write_stdin", "arguments": {"session_id": number(), "chars": "", "yield_time_ms": 30000},
                                     "call_id": "s2", "id": "item_s2"}
    box = Box(case, [[first], [again], [Call("z1", line("z1") + "cat out/log", "h1-begin\nz1\n")]], "function")
    box.model.turn_texts = {}
    box.model.fits = lambda call, text: True if call is first else type(box.model).fits(call, text)

    def number():
        text = " ".join(str(i.get("output")) for i in box.model.requests[-1]["input"] if i.get("type") == "function_call_output")
        found = re.search(r"session (?:ID )?(\d+)", text)
        return int(found.group(1)) if found else 0
    box.model.may_interrupt.add("s1")  # its text has no 'Output:' of an end
    box.model.before[2] = lambda: (p.signal(signal.SIGKILL), p.wait()) if p.popen.poll() is None and not again_asked else None
    again_asked = []
    p = box.begin()
    p.wait()
    case.check(p.status == KILLED, box.told(p))
    again_asked.append(1)
    box.model.before.clear()
    box.touch_go()
    box.done(box.resume())
    only_the_harness_died(box, 0)


def checkpoints():
    """Killed while a large one is written."""
    for share in (0, 0.02, 0.2, 0.5, 0.9):
        yield "harness killed with %d %% of a checkpoint written" % (share * 100), lambda c, s=share: die_in_checkpoint(c, s, None)
    yield "both killed in a checkpoint", lambda c: die_in_checkpoint(c, 0.3, vanish(1))


BIG = 24 << 20
BIG_STORY = ("mkdir -p out; echo big >> out/log; head -c %d /dev/urandom > big; sha256sum < big > out/sum; cat out/log" % BIG, "big\n")


def die_in_checkpoint(case, share, lose):
    box = Box(case, [[Call("g1", *BIG_STORY)],
                     [Call("g2", line("g2") + "sha256sum < big | cmp - out/sum && cat out/log", "big\ng2\n")]])

    def written():
        total = 0
        for here, _, names in os.walk(box.path("checkpoints")):
            total += sum(os.path.getsize(os.path.join(here, n)) for n in names if os.path.exists(os.path.join(here, n)))
        return total
    p = box.begin()
    box.until_record("call.end", call_id="g1")
    if share:
        box.until(lambda: p.popen.poll() is not None or written() > share * BIG, "%d %% of the checkpoint" % (share * 100))
    p.signal(signal.SIGKILL)
    p.wait()
    case.note("killed behind: %s" % box.types()[-1:])
    if lose:
        lose(box)
    box.done(box.resume())
    case.check(box.outputs().get("log") == b"big\ng2\n", "the log: %r" % box.outputs().get("log"))
    strange = [n for n in os.listdir(box.path("checkpoints")) if not re.match(r"\d{6}\.(json|tar\.zst)$", n)]
    case.check(not strange, "left in checkpoints/: %s" % strange)


def outputs():
    for share in (0, 0.1, 0.5, 0.9):
        yield "harness killed with %d %% of the outputs collected" % (share * 100), lambda c, s=share: die_in_outputs(c, s, None)
    yield "both killed while outputs are collected", lambda c: die_in_outputs(c, 0.5, vanish(1))


def die_in_outputs(case, share, lose):
    size = 24 << 20
    box = Box(case, [[Call("g1", "mkdir -p out; head -c %d /dev/urandom > out/big; sha256sum < out/big > out/sum; echo ok" % size, "ok\n")]])
    known = set(os.listdir(box.dir))

    def written():
        total = 0
        for name in set(os.listdir(box.dir)) - known:
            for here, _, names in os.walk(os.path.join(box.dir, name)):
                if "/state" not in here:
                    total += sum(os.path.getsize(os.path.join(here, n)) for n in names if os.path.exists(os.path.join(here, n)))
        return total
    p = box.begin()
    box.until_record("outputs.begin")
    if share:
        box.until(lambda: p.popen.poll() is not None or written() > share * size, "%d %% of the outputs" % (share * 100))
    p.signal(signal.SIGKILL)
    p.wait()
    case.note("killed behind: %s" % box.types()[-1:])
    if p.status == 0:
        return box.done(p)
    if lose:
        lose(box)
    if "run.end" in box.types():
        return None
    p = box.resume()
    box.done(p)
    got = box.outputs()
    import hashlib
    case.check(hashlib.sha256(got.get("big", b"")).hexdigest() == got.get("sum", b"").decode()[:64], "the output is not what was there")
    strange = set(os.listdir(box.dir)) - known - {"result", "state", "home", "cache"}
    case.note("beside the outputs: %s" % sorted(strange))
    return None


# --- the sandbox is lost twice under one call ---

def lost_twice():
    for how in (None, "report", "rerun", "fail"):
        for is_alive in (True, False):
            yield ("a call's sandbox is lost twice, on_interrupt %s, harness %s" % (how or "as it is", "lives" if is_alive else "dies too"),
                   lambda c, h=how, a=is_alive: lose_twice(c, h, a))


def lose_twice(case, how, is_alive):
    turns = [[Call("a1", "mkdir -p out; " + line("a1") + "cat out/log", "a1\n")],
             [hold("h1", says="a1\nh1-begin\nh1\n")],
             [Call("z1", line("z1") + "cat out/log",
                   "a1\nz1\n" if how in (None, "report") else "a1\nh1-begin\nh1\nz1\n")]]
    box = Box(case, turns, manifest={"checkpoint.on_interrupt": how} if how else {})
    if how in (None, "report"):
        box.model.may_interrupt.add("h1")
    p = box.begin()
    for loss in (1, 2):
        begun(box)
        if not is_alive:
            p.signal(signal.SIGKILL)
            p.wait()
        old = box.containers()
        vanish(loss)(box)
        if not is_alive:
            p = box.start(["resume", box.run_id])
        else:
            box.until(lambda: p.popen.poll() is not None or (box.sandbox() and box.sandbox() not in old), "an end or a new sandbox")
            if p.popen.poll() is not None and not (how == "fail" and loss == 2):
                p.wait()
                case.check(p.status == 4, "the loss of the sandbox: " + box.told(p))
                p = box.start(["resume", box.run_id])
    if how == "rerun":
        begun(box)
        box.touch_go()
    p.wait()
    records = box.journal()
    begins = [r for r in records if r["type"] == "call.begin" and r.get("call_id") == "h1"]
    if how == "fail":
        case.check(p.status == 4 and re.search("interrupt|call 2 was running", p.stderr), "on_interrupt: fail: " + box.told(p))
        case.check(len(begins) == 2, "h1 began %d times" % len(begins))
        box.verified()
        return
    box.done(p)
    if how in (None, "report"):
        case.check(len(begins) == 2, "h1 began %d times, at most once again is allowed" % len(begins))
        case.check(box.model.interrupted, "the model was not told")
        case.check(box.outputs().get("log") == b"a1\nz1\n", "the log: %r" % box.outputs().get("log"))
        case.note("it was told: %s" % box.model.interrupted[:1])
    else:
        case.check(box.outputs().get("log") == LONG_LOG, "the log: %r" % box.outputs().get("log"))


# --- checks ---

# The second one sees to it that the first ran once in the sandbox there is: /tmp goes with it.
CHECKED = {"turns": [[Call("a1", "mkdir -p out; " + line("a1") + "cat out/log", "a1\n")]],
           "manifest": {"checks": [{"run": "grep -q a1 out/log && echo x >> /tmp/checked", "retries": 0},
                                   {"run": "test $(wc -l < /tmp/checked) = 1", "retries": 0}]}}


def checked():
    found = []

    def whole(case):
        box = Box(case, **CHECKED)
        box.done(box.run())
        found.extend(box.types())
        case.check(found.count("check.end") == 2, "checks: %s" % found)
    suite.group([("with checks, undisturbed", whole)], always=True)
    for k in (i for i, name in enumerate(found, 1) if name.startswith("check.")):
        where = "record %d (%s)" % (k, found[k - 1])
        yield "checks: harness killed after " + where, lambda c, k=k: die(c, "after:%d" % k, **CHECKED)
        yield "checks: harness killed before " + where, lambda c, k=k: die(c, "before:%d" % k, **CHECKED)
        yield "checks: harness and sandbox killed after " + where, lambda c, k=k: die(c, "after:%d" % k, lose=vanish(k), **CHECKED)


def main():
    native = reference()
    suite.group(at_every_record(native))
    suite.group(function_style(reference("function")))
    suite.group(sandbox_alone(native))
    suite.group(resume_dies(native))
    suite.group([("killed at every fourth record of every resume", tower)])
    for group in (streams, long_commands, checkpoints, outputs, lost_twice, checked):
        suite.group(group())
    suite.end()


if __name__ == "__main__":
    main()
