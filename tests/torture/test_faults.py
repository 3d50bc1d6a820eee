#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call that can fail does:  test_faults.py AGENTBOX SHIM [--only TEXT] [--thorough] ...

strace ends the program at the K-th fsync, write, rename ... for every K, or lets that call fail; the disk is full, the state
folder read-only or somebody else's; there are no descriptors, nobody reads, the machine sleeps, the clock jumps. After each
of them `resume` must bring the run to its end once the trouble is over.
"""
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from model import Call  # noqa: E402
from tap import Suite  # noqa: E402
from world import Box, KILLED, hold, line  # noqa: E402

suite = Suite(__doc__.splitlines()[0])
SYNCS, RENAMES = ("fdatasync", "fsync"), ("renameat", "renameat2", "rename")
TRACED = SYNCS + RENAMES + ("write", "pwrite64", "writev", "connect", "unlinkat", "linkat", "mkdirat", "ftruncate", "fallocate", "fchmod", "openat")


def strace(*more, out="/dev/null"):
    return ["strace", "-f", "-qq", "-o", out] + list(more)


def inject(names, what, when):
    names = ",".join([names] if isinstance(names, str) else names)
    return strace("-e", "trace=" + names, "-e", "inject=%s:%s:when=%s" % (names, what, when))


def count_calls(path):
    """{syscall: the most often that one thread has made it}"""
    found = {}
    with open(path, encoding="utf-8", errors="replace") as f:
        for text in f:
            made = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)\(", text)
            if made:
                key = made.group(2), made.group(1)
                found[key] = found.get(key, 0) + 1
    most = {}
    for (name, _), n in found.items():
        most[name] = max(most.get(name, 0), n)
    return most


class Counts:
    """How often an undisturbed run, and resumes of one that was killed in its middle, make each call."""

    def __init__(self):
        self.run, self.alive, self.gone, self.middle = {}, {}, {}, 1

    def take(self):
        suite.group([("undisturbed under strace", self.undisturbed)], always=True)
        suite.group([("resumed under strace, sandbox alive", lambda c: self.resumed(c, False, self.alive)),
                     ("resumed under strace, sandbox gone", lambda c: self.resumed(c, True, self.gone))], always=True)

    def undisturbed(self, case):
        box = Box(case)
        p = box.run(wrap=strace("-e", "trace=" + ",".join(TRACED), out=box.dir + "/trace"))
        box.done(p)
        begins = [i for i, t in enumerate(box.types(), 1) if t == "call.begin"]
        self.middle = begins[3] if len(begins) > 3 else 1
        self.run.update(count_calls(box.dir + "/trace"))
        case.note(str(self.run))

    def resumed(self, case, lose, counts):
        box = middle_of(case, lose)
        box.done(box.resume(wrap=strace("-e", "trace=" + ",".join(TRACED), out=box.dir + "/trace")))
        counts.update(count_calls(box.dir + "/trace"))
        case.note(str(counts))


counts = Counts()


# A call may be lost more often than once here: first with the trouble, then with a resume that comes too early.
RERUN = {"checkpoint.on_interrupt": "rerun"}


def middle_of(case, lose):
    box = Box(case, manifest=RERUN)
    p = box.run(kill="after:%d" % counts.middle)
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    if lose:
        box.remove_containers()
    return box


# --- ended at the K-th call ---

STEPS = {"write": 12, "pwrite64": 4, "writev": 4, "connect": 1, "openat": 25, "unlinkat": 2, "fchmod": 2}


def numbers(made, name):
    return suite.sample(range(1, made.get(name, 0) + 1), STEPS.get(name, 1))


def kills():
    for name in TRACED:
        for k in numbers(counts.run, name):
            yield "run killed at %s number %d" % (name, k), lambda c, n=name, k=k: kill_run(c, n, k)
    for made, lose in ((counts.alive, False), (counts.gone, True)):
        for name in SYNCS + RENAMES + ("connect", "ftruncate", "mkdirat"):
            for k in suite.sample(range(1, made.get(name, 0) + 1), 2 if name in SYNCS else 1):
                yield ("resume killed at %s number %d, sandbox %s" % (name, k, "gone" if lose else "alive"),
                       lambda c, n=name, k=k, lose=lose: kill_resume(c, n, k, lose))


def finish(box, p):
    """Whatever state the last process has left."""
    types = box.types() if box.run_ids() else []
    if "run.begin" not in types:
        if box.run_ids():
            box.case.check(box.execute(["rm", box.run_id]).status == 0, "what is left of it cannot be removed")
        box.nothing_left()
        return
    if "run.end" in types and [r for r in box.journal() if r["type"] == "run.end"][-1].get("exit") == 0:
        box.ended_before()
        return
    box.done(box.resume())


def kill_run(case, name, k):
    box = Box(case, manifest=RERUN)
    p = box.run(wrap=inject(name, "signal=KILL", k))
    if p.status == 0:
        return box.done(p)
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    case.note("killed behind: %s" % (box.types()[-1:] if box.run_ids() else "-"))
    return finish(box, p)


def kill_resume(case, name, k, lose):
    box = middle_of(case, lose)
    p = box.resume(wrap=inject(name, "signal=KILL", k))
    if p.status == 0:
        return box.done(p)
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    return finish(box, p)


# --- the K-th call fails ---

def errors():
    for name in SYNCS:
        for error in ("EIO", "ENOSPC"):
            for k in suite.sample(range(1, counts.run.get(name, 0) + 1), 1 if error == "EIO" else 3):
                yield "%s number %d: %s" % (name, k, error), lambda c, n=name, e=error, k=k: fail(c, n, e, k, must=True)
    for name in RENAMES + ("mkdirat", "linkat"):
        for k in numbers(counts.run, name):
            yield "%s number %d: ENOSPC" % (name, k), lambda c, n=name, k=k: fail(c, n, "ENOSPC", k)
    for k in numbers(counts.run, "write"):
        yield "write number %d: EINTR" % k, lambda c, k=k: fail(c, "write", "EINTR", k, harmless=True)
    for k in range(1, 12):
        for error in ("ENOSPC", "EIO", "EINTR"):
            yield "resume, write number %d of its journal: %s" % (k, error), lambda c, e=error, k=k: fail_journal(c, e, k)
    for error in ("ECONNREFUSED", "EAGAIN", "EINTR"):
        for k in numbers(counts.run, "connect"):
            yield "connect number %d: %s" % (k, error), lambda c, e=error, k=k: fail(c, "connect", e, k)
    for name in SYNCS:
        for k in suite.sample(range(1, counts.gone.get(name, 0) + 1), 2):
            yield "resume, %s number %d: EIO" % (name, k), lambda c, n=name, k=k: fail_resume(c, n, k)


def judge(case, box, p, must, harmless):
    if p.status == 0:
        case.check(not must, "the error was not noticed: " + box.told(p))
        return
    case.check(not harmless, "it should have done no harm: " + box.told(p))
    case.check(p.status in (4, 5, 8, 9), "exit status: " + box.told(p))


def fail(case, name, error, k, must=False, harmless=False):
    box = Box(case, manifest=RERUN)
    p = box.run(wrap=inject(name, "error=" + error, k))
    if p.status == 0 and not must:
        return box.done(p)
    is_output = box.run_ids() and "outputs.begin" in box.types()
    judge(case, box, p, must and not is_output, harmless)
    if must and p.status:
        case.check(re.search("rror|space|writ|sync", p.stderr), "it does not say so: " + box.told(p))
    return finish(box, p)


def fail_resume(case, name, k):
    box = middle_of(case, True)
    p = box.resume(wrap=inject(name, "error=EIO", k))
    judge(case, box, p, "outputs.begin" not in box.types(), False)
    return finish(box, p)


def fail_journal(case, error, k):
    """One write to the journal fails; the next ones would go well, but nobody may try them."""
    box = middle_of(case, k % 2 == 0)
    p = box.resume(wrap=strace("-P", box.path("journal.jsonl"), "-e", "trace=write", "-e", "inject=write:error=%s:when=%d" % (error, k)))
    if p.status == 0 and error != "EINTR":
        case.check(box.types().count("run.resume") == 1 and k > 9, "the error was not noticed: " + box.told(p))
        return box.done(p)
    if error == "EINTR":
        return box.done(p)
    case.check(p.status == 9 and re.search("rror|space", p.stderr), "exit status: " + box.told(p))
    return finish(box, p)


# --- durable before visible ---

def order():
    yield "intents are on disk before what they announce leaves", check_order


def check_order(case):
    """In a trace: each request and each command, and the journal as far as it was synced at that moment."""
    box = Box(case)
    p = box.run(wrap=strace("-yy", "-s", "200000", "-e", "trace=write,fdatasync,sendto,sendmsg,writev,pwrite64", out=box.dir + "/trace"))
    box.done(p)
    written = durable = ""
    requests, calls = 0, set()
    with open(box.dir + "/trace", encoding="utf-8", errors="replace") as f:
        for text in f:
            text = re.sub(r"^\d+ +", "", text)
            name = text.split("(")[0]
            if "/journal.jsonl>" in text.split('"')[0]:
                if name == "fdatasync":
                    durable = written
                else:
                    written += text
                continue
            if name not in ("sendto", "sendmsg", "write", "writev"):
                continue
            if "POST /v1/responses" in text[:200]:
                requests += 1
                case.check(durable.count('\\"type\\":\\"request.begin\\"') >= requests, "request %d left before its record was on disk" % requests)
            elif ".sock" in text.split('"')[0] or "UNIX" in text.split('"')[0]:
                for call_id in re.findall(r"echo (\w\d) >> out/log", text):
                    if call_id not in calls:
                        calls.add(call_id)
                        begun = re.search(r'\\"type\\":\\"call.begin\\"[^\n]*?\\"call_id\\":\\"%s\\"' % call_id, durable)
                        case.check(begun, "call %s left before its record was on disk" % call_id)
    case.check(requests == 7 and calls >= {"a1", "b1", "b2", "c1", "d1", "e1"}, "the trace has %d requests, commands of %s" % (requests, sorted(calls)))


# --- no room ---

def full():
    for size in suite.sample(range(8, 120, 4), 2) + [160, 220, 300]:
        yield "state folder of %d KiB" % size, lambda c, s=size: run_full(c, s << 10)
    yield "disk full in a pack", lambda c: run_full(c, 300 << 10, [Call("g1", "mkdir -p out; head -c 2000000 /dev/urandom > out/big; echo g1 > out/log; echo ok", "ok\n")])
    yield "disk full in an object", lambda c: run_full(c, 300 << 10, [Call("g1", "mkdir -p out; echo g1 > out/log; head -c 600000 /dev/urandom | od -v | head -c 600000", re.compile("0"))])
    for size in (16, 60, 200):
        yield "files of at most %d KiB" % size, lambda c, s=size: run_limited(c, s)


def run_full(case, size, turn=None):
    box = Box(case, None if turn is None else [turn], manifest=RERUN)
    box.mount_small(size)
    p = box.run()
    case.note(box.told(p))
    after_full(case, box, p)


def after_full(case, box, p):
    if p.status != 0:
        case.check(p.status in (4, 9), "exit status: " + box.told(p))
        case.check(re.search("space|large|room|full", p.stderr), "it does not say so: " + box.told(p))
        had_run = bool(box.run_ids())
        if had_run:
            still = box.resume()
            case.check(still.status in (0, 2, 4, 9), "a resume without room: " + box.told(still))
            if still.status == 0:
                return box.done(still)
        else:
            case.check(not box.model.requests, "it began without a place for its record")
    if box.mounts:
        box.grow()
    if not box.is_story:
        p = box.resume() if p.status else p
        box.done(p)
        return case.check(box.outputs().get("log") == b"g1\n", "outputs: %s" % sorted(box.outputs()))
    if p.status == 0:
        return box.done(p)
    return finish(box, p)


def run_limited(case, kib):
    box = Box(case, manifest=RERUN)
    p = box.run(wrap=["sh", "-c", "ulimit -f %d; exec \"$@\"" % (kib * 2), "sh"])
    after_full(case, box, p)


# --- a state folder that cannot be ours ---

def places():
    yield "read-only state folder: run", read_only_run
    yield "read-only state folder: resume", read_only_resume
    yield "foreign-owned state folder: run and resume", foreign


def nothing_began(case, box, p):
    case.check(p.status in (3, 9) and p.stderr.strip(), "exit status: " + box.told(p))
    case.check(not box.model.requests, "a request was sent")
    box.nothing_left()


def read_only_run(case):
    box = Box(case)
    os.makedirs(box.state)
    box.make_read_only()
    p = box.run()
    nothing_began(case, box, p)
    case.check(re.search("ead-only", p.stderr), "it does not say so: " + box.told(p))
    box.unmount()
    box.done(box.run())


def read_only_resume(case):
    box = middle_of(case, False)
    asked, lines = len(box.model.requests), len(box.lines())
    box.make_read_only()
    p = box.resume()
    case.check(p.status == 9 and re.search("ead-only", p.stderr), "resume: " + box.told(p))
    case.check(len(box.model.requests) == asked and len(box.lines()) == lines, "something was done")
    case.check(box.execute(["verify", box.run_id]).status == 0, "verify of a read-only folder")
    box.unmount()
    box.done(box.resume())


def foreign(case):
    box = middle_of(case, False)
    asked = len(box.model.requests)
    top = box.state + "/agentbox"
    owner = "%d:%d" % (os.geteuid(), os.getegid())
    box.as_root("chown", "65534:65534", top, top + "/runs", box.path())
    for arguments in (["run", "manifest.yaml"], ["resume", os.path.basename(box.path().rstrip("/"))]):
        p = box.execute(arguments)
        case.check(p.status in (2, 9) and re.search("belong|own", p.stderr), "%s: %s" % (arguments[0], box.told(p)))
    case.check(len(box.model.requests) == asked, "a request was sent")
    box.as_root("chown", owner, top, top + "/runs", top + "/runs/" + sorted(os.listdir(top + "/runs"))[-1])
    box.done(box.resume())


# --- life ---

def life():
    for where in ("in a command", "in a stream"):
        yield "stopped and continued %s" % where, lambda c, w=where: sleeps(c, w)
    for n in suite.sample(list(range(4, 24, 2)) + [28, 32], 1):
        yield "only %d descriptors" % n, lambda c, n=n: descriptors(c, n)
    for n in (8, 12, 16, 20):
        yield "resume with only %d descriptors" % n, lambda c, n=n: descriptors_resume(c, n)
    yield "nobody reads: run --json | head -1", lambda c: pipe(c, "--json")
    yield "nobody reads stderr", lambda c: pipe(c, None)


def clocks():
    for seconds in (3600, 86400 * 400):
        yield "the clock jumps by %d s" % seconds, lambda c, s=seconds: clock(c, s)


def sleeps(case, where):
    seconds = 60 if suite.options.thorough or where == "in a stream" else 4
    box = Box(case, [[Call("a1", "mkdir -p out; " + line("a1") + "cat out/log", "a1\n")],
                     [hold("h1", says="a1\nh1-begin\nh1\n")]] if where == "in a command" else None, manifest={"limits.command": "10m"})
    if where == "in a stream":
        box.model.gates[2] = lambda count, _: asleep(p, seconds) if count == 6 else None
    p = box.begin()
    if where == "in a command":
        box.until(lambda: box.sandbox() and "h1-begin" in (box.docker.execute(box.sandbox(), "cat /workspace/out/log") or ""), "h1-begin")
        asleep(p, seconds)
        box.touch_go()
    p.wait(seconds + 300)
    box.done(p)


def asleep(p, seconds):
    p.signal(signal.SIGSTOP)
    time.sleep(seconds)
    p.signal(signal.SIGCONT)


def descriptors(case, n):
    box = Box(case, manifest=RERUN)
    p = box.run(wrap=["prlimit", "--nofile=%d" % n])
    case.note(box.told(p))
    if p.status == 127 or "error while loading shared libraries" in p.stderr:
        return None  # the loader's, not ours
    if p.status == 0:
        return box.done(p)
    case.check(p.status in (3, 4, 5, 8, 9) and p.stderr.strip(), "exit status: " + box.told(p))
    return finish(box, p)


def descriptors_resume(case, n):
    box = middle_of(case, n % 8 == 0)
    p = box.resume(wrap=["prlimit", "--nofile=%d" % n])
    if p.status == 0:
        return box.done(p)
    case.check(p.status in (2, 3, 4, 5, 8, 9, 127) and p.stderr.strip(), "exit status: " + box.told(p))
    return finish(box, p)


def pipe(case, option):
    box = Box(case, manifest=RERUN)
    if option:
        script = '{ "$@" run --json manifest.yaml 2>err; echo $? >status; } | head -n 1 >first'
    else:
        script = '{ "$@" run manifest.yaml 2>&1 >out; echo $? >status; } | head -n 1 >first'
    env = dict(box.env)
    subprocess.run(["sh", "-c", script, "sh", box.options.agentbox], cwd=box.dir, env=env, timeout=300, check=False, stdin=subprocess.DEVNULL)
    with open(box.dir + "/status", encoding="ascii") as f:
        status = int(f.read())
    with open(box.dir + "/first", encoding="utf-8") as f:
        first = f.read()
    case.check(first.count("\n") == 1 and (not option or '"run.begin"' in first), "the first line: %r" % first)
    case.check(status in (0, 9, 141), "exit status %d" % status)
    case.note("exit status %d: %s" % (status, box.types()[-1:]))

    class Ended:
        pass
    p = Ended()
    p.status, p.stdout, p.stderr, p.out = status, "", "", b'{"seq"'
    if status == 0:
        return box.done(p)
    return finish(box, p)


def clock(case, seconds):
    box = Box(case, manifest={"limits.wall": "30m"})
    env = {"TORTURE_CLOCK": str(seconds)}
    p = box.run(kill="after:%d" % counts.middle, env=env)
    case.check(p.status == KILLED, "the clock ended it: " + box.told(p))
    box.done(box.resume(env=env))
    times = [r["ms"] for r in box.journal()]
    case.check(times == sorted(times) and times[-1] < 30 * 60000, "running time: %s" % times)


def main():
    counts.take()
    for group in (order, kills, errors, full, places, life):
        suite.group(group())
    suite.options.jobs = 1  # who lives in another year sweeps away what others have resumed
    suite.group(clocks())
    suite.end()


if __name__ == "__main__":
    main()
