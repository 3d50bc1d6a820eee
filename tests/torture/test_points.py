#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Any point of a run, again:  test_points.py AGENTBOX SHIM [--only TEXT] [--thorough] ...

Limits raised, forks, diffs, exports, outputs, replays, pruning; workspaces with everything a file system can hold, put into
another sandbox; and each byte of a run folder that changes is found.
"""
import filecmp
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from model import Call, END, said  # noqa: E402
from tap import Suite  # noqa: E402
from world import Box, KILLED, STORY_OUT, line, story  # noqa: E402

suite = Suite(__doc__.splitlines()[0])


def checkpoints(box, run_id=None):
    return [r for r in box.journal(run_id) if r["type"] == "checkpoint.done"]


def finished(case, **more):
    box = Box(case, **more)
    box.done(box.run())
    box.first = box.run_id
    return box


def killed_in_turn(case, turn, lose, **more):
    """The harness dies when the model is asked for this turn; the sandbox too, if it shall."""
    box = Box(case, **more)
    box.model.before[turn] = lambda: (p.signal(signal.SIGKILL), p.wait())
    p = box.begin()
    p.wait()
    box.model.before.clear()
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    if lose:
        box.remove_containers()
    return box


# --- the promise ---

def promise():
    yield "step 19 of 20 fails, its sandbox is destroyed, resume ends it", nineteen
    yield "a limit is hit and raised", limit_raised
    yield "running time goes on counting", wall_goes_on
    yield "what a resume may not set", may_not_set
    yield "the model's server is away, then back", server_back
    yield "run --resume and resume --last", other_words
    for every in ("call", "turn", "off"):
        yield "checkpoint.every: %s, sandbox lost" % every, lambda c, e=every: every_what(c, e)
    yield "checkpoint.keep prunes, and what is left can be restored", pruned
    for lose in (False, True):
        for turn in (2, 4, 6):
            yield "conversation on the server's side, killed in turn %d%s" % (turn, ", sandbox lost" if lose else ""), \
                lambda c, t=turn, x=lose: server_state(c, t, x)


def nineteen(case):
    turns = [[Call("s%02d" % i, "mkdir -p out; " + line("s%02d" % i) + "wc -l < out/log", "%d\n" % i)] for i in range(1, 21)]
    box = killed_in_turn(case, 20, True, turns=turns)
    p = box.resume()
    box.done(p)
    log = box.outputs().get("log", b"")
    case.check(log == b"".join(b"s%02d\n" % i for i in range(1, 21)), "the log: %r" % log)
    end = [r for r in box.journal() if r["type"] == "run.end"][-1]
    case.check(21 <= end["turns"] <= 23 and 20 <= end["calls"] <= 21, "%s turns, %s calls" % (end["turns"], end["calls"]))
    case.note("turns %s, calls %s, tokens %s, cost_micros %s, requests %d" % (end["turns"], end["calls"], end["tokens"], end["cost_micros"],
                                                                            len(box.model.requests)))
    case.note(" ".join(r["type"] for r in box.journal()[-24:]))


def ended_by(box, p, limit):
    box.case.check(p.status == 6 and "resume" in p.stderr and "limits." + limit in p.stderr, "no exit 6 with a hint: " + box.told(p))
    box.nothing_left()


def limit_raised(case):
    box = Box(case, manifest={"limits.turns": 3})
    ended_by(box, box.run(), "turns")
    asked = len(box.model.requests)
    ended_by(box, box.resume(), "turns")
    case.check(len(box.model.requests) == asked, "a request in spite of the limit")
    ended_by(box, box.resume("--set", "limits.turns=5"), "turns")
    p = box.resume("--set", "limits.turns=20")
    box.done(p)
    case.check(len(box.model.requests) == 7, "%d requests" % len(box.model.requests))


def wall_goes_on(case):
    box = Box(case, manifest={"limits.wall": "5s"})
    box.model.delays[3] = 1500
    box.model.before[4] = lambda: (p.signal(signal.SIGKILL), p.wait())
    p = box.begin()
    p.wait()
    box.model.before.clear()
    before = box.journal()[-1]["ms"]
    box.model.delays[5] = 6000
    p = box.resume()
    ended_by(box, p, "wall")
    records = box.journal()
    resumed = [r["ms"] for r in records if r["type"] == "run.resume"][0]
    case.check(before <= resumed <= before + 1000, "running time was %d, the resume begins with %d" % (before, resumed))
    case.check(1500 <= before and records[-1]["ms"] < 9000, "running times: %d, %d" % (before, records[-1]["ms"]))
    box.model.delays.clear()
    box.done(box.resume("--set", "limits.wall=1h"))


def may_not_set(case):
    box = killed_in_turn(case, 3, False)
    for what in ("model.name=other", "agent.task=x", "sandbox.image=other", "nothing=1", "limits.turns=-1", "limits.nothing=3", "limits"):
        p = box.resume("--set", what)
        case.check(p.status in (2, 3) and p.stderr.strip(), "--set %s: %s" % (what, box.told(p)))
    case.check(box.types()[-1] != "run.resume", "it was resumed")
    box.done(box.resume())


def server_back(case):
    box = Box(case, manifest={"model.retries": 0})
    box.model.before[4] = lambda: 1 // 0  # the connection breaks
    import socketserver
    socketserver.BaseServer.handle_error, keep = lambda *_: None, socketserver.BaseServer.handle_error
    p = box.run()
    socketserver.BaseServer.handle_error = keep
    case.check(p.status == 5 and "agentbox resume" in p.stderr, "no exit 5 with a hint: " + box.told(p))
    box.nothing_left()
    box.model.before.clear()
    box.done(box.resume())


def other_words(case):
    box = killed_in_turn(case, 2, False)
    p = box.execute(["run", "--resume", box.run_id], kill="after:6")
    case.check(p.status == KILLED and "run.resume" in box.types(), "run --resume: " + box.told(p))
    box.done(box.execute(["resume", "--last"]))


def every_what(case, every):
    box = killed_in_turn(case, 5, True, manifest={"checkpoint.every": every})
    kinds = [r for r in checkpoints(box)]
    case.check(bool(kinds) == (every != "off"), "%d checkpoints" % len(kinds))
    p = box.resume()
    box.done(p)
    if every == "off":
        back = [r for r in box.journal() if r["type"] == "rollback"]
        case.check(back and back[-1]["checkpoint"] == 0, "rollback to %s" % back)
        case.check(not os.path.isdir(box.path("checkpoints")) or not os.listdir(box.path("checkpoints")), "checkpoints were stored")


def pruned(case):
    turns = [[Call("s%02d" % i, "mkdir -p out; head -c 50000 /dev/urandom > out/f%d; cp out/f%d out/last; " % (i % 4, i % 4) + line("s%02d" % i)
                   + "wc -l < out/log", "%d\n" % i)] for i in range(1, 15)]
    turns.append([Call("t1", "sha256sum out/f* out/last", None)])
    turns.append([Call("t2", "sha256sum out/f* out/last", None)])
    box = killed_in_turn(case, 16, True, turns=turns, manifest={"checkpoint.keep": 3})
    packs = sorted(os.listdir(box.path("checkpoints")))
    case.check(sum(n.endswith(".zst") for n in packs) <= 8, "kept: %s" % packs)
    case.check(sum(os.path.getsize(box.path("checkpoints/" + n)) for n in packs) < 14 * 50000 * 0.8, "nothing was pruned: %s" % packs)
    box.verified()
    old = checkpoints(box)[1]["seq"]
    p = box.execute(["export", "%s@%d" % (box.run_id, old), box.dir + "/old"])
    case.check(p.status == 2 and p.stderr.strip() and not os.path.exists(box.dir + "/old"), "a point that was pruned: " + box.told(p))
    p = box.execute(["export", box.run_id, box.dir + "/new"])
    case.check(p.status == 0, "export of what is left: " + box.told(p))
    p = box.resume()
    box.done(p)
    texts = {i["call_id"]: said(i)[0] for i in box.model.requests[-1]["input"] if i.get("type") == "shell_call_output"}
    case.check(texts.get("t1") and texts.get("t1") == texts.get("t2"), "contents differ after the restore")


def server_state(case, turn, lose):
    """model.state: server. What is built upon after a resume must be a response whose past is the one that is true now; the model
    looks at the whole of it."""
    box = killed_in_turn(case, turn, lose, manifest={"model.state": "server"})
    asked = len(box.model.chained)
    case.check(box.model.chained[0] is None and all(box.model.chained[1:]), "before the kill: %s" % box.model.chained)
    box.done(box.resume())
    case.check(all(box.model.chained[asked + 1:]), "after the resume: %s" % box.model.chained[asked:])
    case.note(" ".join(str(c) for c in box.model.chained))


# --- fork ---

def forks():
    yield "fork at turn 3 with another model and another task", fork_other_model
    for turn in range(0, 7):
        yield "fork at turn %d" % turn, lambda c, t=turn: fork_at_turn(c, t)
    yield "fork at every record of a run", fork_everywhere
    yield "fork without running, then resume; the parent is removed", fork_no_run
    yield "fork of a fork of a dead run", fork_of_fork
    for k in suite.sample(range(1, 40), 4):
        yield "a fork is killed after record %d of its own" % k, lambda c, k=k: fork_dies(c, k)
    yield "what cannot be forked", fork_refused


def child_of(case, box, parent, task=None, seq=None):
    """What holds of the newest run, a fork of `parent`."""
    begin = box.journal()[0]
    case.check(begin.get("parent") == parent, "the parent is %s" % begin.get("parent"))
    lines = box.lines(parent)
    at = begin.get("parent_seq", 0)
    case.check(0 < at <= len(lines) and begin.get("parent_line") == hashlib.sha256(lines[at - 1]).hexdigest(), "the parent's digest: %s" % begin)


def fork_other_model(case):
    box = finished(case)
    before = box.lines(box.first)
    box.model.settings = None
    shutil.rmtree(box.dir + "/result")
    p = box.execute(["fork", box.first + "@turn:3", "--set", "model.name=other-model", "--", "Now look again."])
    case.check(p.status == 0 and p.stdout == END + "\n", "fork: " + box.told(p))
    box.model_is_content()
    asked = box.model.requests[7:]
    case.check(all(r["model"] == "other-model" for r in asked), "the model of its requests")
    case.check("Now look again." in json.dumps(asked[0]["input"][-1]), "the new task is not what was said last")
    made = [i["call_id"] for i in asked[0]["input"] if i.get("type") == "shell_call"]
    case.check(made == ["a1", "b1", "b2", "c1"], "it begins with %s" % made)
    case.check(box.lines(box.first) == before, "the parent was changed")
    child_of(case, box, box.first)
    box.story_out()
    box.check_chain()
    box.verified()
    box.verified(box.first)
    box.nothing_left()
    end = [r for r in box.journal() if r["type"] == "run.end"][-1]
    case.note("the fork took %s turns, %s calls, %s tokens" % (end["turns"], end["calls"], end["tokens"]))


def fork_at_turn(case, turn):
    box = finished(case)
    shutil.rmtree(box.dir + "/result")
    asked = len(box.model.requests)
    p = box.execute(["fork", "%s@turn:%d" % (box.first, turn)])
    case.check(p.status == 0, "fork: " + box.told(p))
    box.model_is_content()
    case.check(len(box.model.requests) - asked == 7 - turn, "%d requests after turn %d" % (len(box.model.requests) - asked, turn))
    child_of(case, box, box.first)
    box.story_out()
    box.verified()
    box.nothing_left()


def fork_everywhere(case):
    """Of a run that died in its seventh turn; every record is a point. What the model is told to have run has left its line in the
    log, and nothing else has: calls that had no answer yet are answered with a word about the fork."""
    turns = [[Call("s%d" % i, "mkdir -p out; " + line("s%d" % i) + "echo s%d" % i, "s%d\n" % i)] for i in range(1, 7)]
    turns[2:3] = [turns[2] + [Call("p3", "mkdir -p out; " + line("p3") + "echo p3", "p3\n")]]
    box = killed_in_turn(case, 6, True, turns=turns)
    box.model.may_interrupt.update(c.call_id for t in turns for c in t)
    first, count, tried = box.run_id, len(box.lines()), 0
    for seq in suite.sample(range(1, count + 1), 3):
        p = box.execute(["fork", "%s@%d" % (first, seq)])
        if p.status == 2 and seq < 5:
            continue  # before there was anything to go on from
        tried += 1
        if not case.check(p.status == 0 and box.run_id != first, "fork at record %d: %s" % (seq, box.told(p))):
            continue
        child_of(case, box, first)
        answers = [i for i in box.model.requests[-1]["input"] if i.get("type") == "shell_call_output"]
        ran = sorted(i["call_id"].encode() for i in answers if said(i)[0] == i["call_id"] + "\n")
        log = sorted(box.outputs().get("log", b"").split())
        case.check(log == ran and len(ran) >= 5, "fork at record %d: the model was told of %s, the log has %s" % (seq, ran, log))
        box.verified()
    box.model_is_content()
    case.note("%d forks" % tried)


def fork_no_run(case):
    box = finished(case)
    asked = len(box.model.requests)
    p = box.execute(["fork", "--no-run", box.first + "@turn:2"])
    new = p.stdout.strip()
    case.check(p.status == 0 and new == box.run_id and new != box.first, "fork --no-run: " + box.told(p))
    case.check(len(box.model.requests) == asked, "it ran")
    case.check(box.execute(["rm", box.first]).status == 0 and box.run_ids() == [new], "the parent cannot be removed")
    box.verified(new)
    shutil.rmtree(box.dir + "/result")
    p = box.execute(["resume", new])
    case.check(p.status == 0 and len(box.model.requests) == asked + 5, "resume of the fork: " + box.told(p))
    box.story_out()
    box.model_is_content()
    box.verified()
    box.nothing_left()


def fork_of_fork(case):
    box = killed_in_turn(case, 5, True)
    box.model.may_interrupt.add("n1")  # its checkpoint may not have been done
    first = box.run_id
    case.check(box.execute(["fork", "--no-run", first + "@turn:4"]).status == 0, "the first fork")
    second = box.run_id
    p = box.execute(["fork", second + "@turn:0"])
    case.check(p.status == 0, "fork of a fork: " + box.told(p))
    box.story_out()
    child_of(case, box, second)
    box.model_is_content()
    for run in box.run_ids():
        box.verified(run)


def fork_dies(case, k):
    box = finished(case)
    shutil.rmtree(box.dir + "/result")
    p = box.execute(["fork", box.first + "@turn:3"], kill="after:%d" % k)
    if p.status == 0:
        return box.story_out()
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    if k % 2:
        box.remove_containers()
    runs = [r for r in box.run_ids() if r != box.first]
    case.check(runs, "no run folder")
    p = box.execute(["resume", runs[-1]])
    if p.status == 2 and k < 20 and "run.end" not in box.types():
        case.note("refused: " + p.stderr[:200])  # the fork was not complete
        case.check(box.execute(["rm", runs[-1]]).status == 0, "rm")
        return box.nothing_left()
    types = box.types()
    if "run.end" in types and p.status == 2:
        return box.ended_before()
    case.check(p.status == 0, "resume of the fork: " + box.told(p))
    box.story_out()
    box.model_is_content()
    box.verified(runs[-1])
    return box.nothing_left()


def fork_refused(case):
    box = finished(case)
    for point in (box.first, "%s@turn:99" % box.first, "%s@0" % box.first, "%s@x" % box.first, "%s@turn:-1" % box.first, "nobody@3", "%s@99999" % box.first):
        p = box.execute(["fork", point])
        case.check(p.status == 2 and p.stderr.strip(), "fork %s: %s" % (point, box.told(p)))
    case.check(box.run_ids() == [box.first], "a run was left behind: %s" % box.run_ids())


# --- diff, export, outputs, replay ---

def looking():
    yield "diff: names, numbers, text", diff
    yield "diff: a patch turns one export into the next", diff_is_patch
    yield "export: folder, archive, standard output", export
    yield "export: what is refused", export_refused
    yield "packs and tree records are readable with standard tools", packs
    yield "outputs again after exit status 8", outputs_again
    yield "resume after exit status 8", outputs_resume
    yield "replay: the same", replay_same
    yield "replay: a call that says something else", replay_other
    yield "replay of a run that died and came back", replay_resumed


def diff(case):
    box = finished(case)
    p = box.execute(["diff", "--json", box.first + "@turn:1", box.first + "@turn:2"])
    case.check(p.status == 0, "diff: " + box.told(p))
    changes = {c["path"]: c for c in json.loads(p.stdout)["changes"]}
    case.check(set(changes) == {"out/b1", "out/b2", "out/log"}, "changes: %s" % sorted(changes))
    case.check(changes["out/log"]["kind"] == "changed" and changes["out/log"]["lines_added"] == 2, "out/log: %s" % changes.get("out/log"))
    case.check(changes["out/b1"]["kind"] == "added", "out/b1: %s" % changes.get("out/b1"))
    p = box.execute(["diff", "--json", box.first + "@turn:2", box.first + "@turn:3"])
    changes = {c["path"]: c["kind"] for c in json.loads(p.stdout)["changes"]}
    case.check(changes == {"out/b1": "mode", "out/log": "changed"}, "changes: %s" % changes)
    p = box.execute(["diff", box.first + "@turn:1", box.first + "@turn:2"])
    case.check(p.status == 0 and "+b1\n" in p.stdout and "--- a/out/log" in p.stdout, "text: " + box.told(p))
    p = box.execute(["diff", "--stat", box.first + "@turn:1", box.first + "@turn:2"])
    case.check(p.status == 0 and "out/b2" in p.stdout and "+b1" not in p.stdout.replace("+ ", ""), "--stat: " + box.told(p))
    p = box.execute(["diff", box.first + "@turn:3", box.first + "@turn:4"])
    case.check(p.status == 0 and not p.stdout.strip(), "of an unchanged workspace: " + box.told(p))
    p = box.execute(["diff", box.first])
    case.check(p.status == 0 and "out/log" in p.stdout, "of one run: " + box.told(p))
    p = box.execute(["diff", box.first + "@turn:6", box.first + "@turn:1"])
    case.check(p.status == 0 and "-b1" in p.stdout, "backwards: " + box.told(p))


def tree_of(top):
    found = {}
    for here, folders, names in os.walk(top):
        for name in folders + names:
            path = os.path.join(here, name)
            st = os.lstat(path)
            what = os.readlink(path) if os.path.islink(path) else None
            if os.path.isfile(path) and what is None:
                with open(path, "rb") as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            found[os.path.relpath(path, top)] = (st.st_mode if not os.path.islink(path) else 0, what)
    return found


def diff_is_patch(case):
    box = finished(case)
    for a, b in ((0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (1, 6), (6, 2)):
        for n in (a, b):
            if not os.path.exists(box.dir + "/at%d" % n):
                p = box.execute(["export", "%s@turn:%d" % (box.first, n), box.dir + "/at%d" % n])
                case.check(p.status == 0, "export: " + box.told(p))
        patched = box.dir + "/patched%d%d" % (a, b)
        shutil.copytree(box.dir + "/at%d" % a, patched, symlinks=True)
        p = box.execute(["diff", "%s@turn:%d" % (box.first, a), "%s@turn:%d" % (box.first, b)])
        if p.stdout:
            done = subprocess.run(["git", "apply", "--unsafe-paths", "-"], cwd=patched, input=p.out, capture_output=True, check=False,
                                  env=dict(box.env, GIT_DIR=box.dir + "/nowhere", GIT_CEILING_DIRECTORIES=box.dir))
            case.check(done.returncode == 0, "git apply %d..%d: %s" % (a, b, done.stderr.decode()[-600:]))
        left = {k: v for k, v in tree_of(patched).items() if v[0] & 0o170000 != 0o040000}
        right = {k: v for k, v in tree_of(box.dir + "/at%d" % b).items() if v[0] & 0o170000 != 0o040000}
        right_modes = {k: (v[0] & 0o100, v[1]) for k, v in right.items()}  # git knows of one mode bit
        case.check({k: (v[0] & 0o100, v[1]) for k, v in left.items()} == right_modes, "%d..%d: differ: %s" % (
            a, b, sorted(k for k in set(left) | set(right) if left.get(k) != right.get(k))))


def export(case):
    box = finished(case)
    p = box.execute(["export", box.first, box.dir + "/whole"])
    case.check(p.status == 0, "export: " + box.told(p))
    out = {k: v for k, v in box.outputs("whole/out").items()}
    log = b" ".join(sorted(out.pop("log", b"").split()))
    case.check(log == STORY_OUT["log"] and out == {k: v for k, v in STORY_OUT.items() if k != "log"}, "out/ differs: %s" % sorted(out))
    case.check(os.readlink(box.dir + "/whole/short") == "out/log", "the link")
    case.check(os.stat(box.dir + "/whole/out/b1").st_mode & 0o777 == 0o640, "the mode")
    case.check(os.path.samefile(box.dir + "/whole/out/seq", box.dir + "/whole/out/hard"), "the hard link")
    want = tree_of(box.dir + "/whole")
    for name, unpack in (("x.tar", ["tar", "-xf"]), ("x.tar.zst", ["tar", "--zstd", "-xf"]), ("x.tgz", ["tar", "-xzf"])):
        p = box.execute(["export", box.first, box.dir + "/" + name])
        case.check(p.status == 0, "export %s: %s" % (name, box.told(p)))
        os.mkdir(box.dir + "/un-" + name)
        subprocess.run(unpack + [box.dir + "/" + name, "-p", "-C", box.dir + "/un-" + name], check=True)
        case.check(tree_of(box.dir + "/un-" + name) == want, "%s differs" % name)
    p = box.execute(["export", box.first + "@turn:1", "-"])
    listed = subprocess.run(["tar", "-t"], input=p.out, capture_output=True, check=False)
    case.check(p.status == 0 and b"out/log" in listed.stdout and b"out/b1" not in listed.stdout, "to standard output: %s" % listed.stdout)


def export_refused(case):
    box = finished(case)
    os.mkdir(box.dir + "/full")
    with open(box.dir + "/full/file", "w", encoding="ascii") as f:
        f.write("x")
    for target in ("full", "manifest.yaml", "manifest.yaml/beneath"):
        p = box.execute(["export", box.first, box.dir + "/" + target])
        case.check(p.status != 0 and p.stderr.strip(), "export to %s: %s" % (target, box.told(p)))
    case.check(os.listdir(box.dir + "/full") == ["file"], "something was left")


def packs(case):
    box = finished(case)
    top = box.path("checkpoints")
    names = sorted(os.listdir(top))
    case.check(any(n.endswith(".json") for n in names) and any(n.endswith(".tar.zst") for n in names), "there is: %s" % names)
    for name in names:
        if name.endswith(".json"):
            with open(os.path.join(top, name), encoding="utf-8") as f:
                json.load(f)
        else:
            done = subprocess.run(["tar", "--zstd", "-tf", os.path.join(top, name)], capture_output=True, check=False)
            case.check(done.returncode == 0 and done.stdout, "%s: %s" % (name, done.stderr))
    same = [r for r in checkpoints(box) if r.get("same")]
    case.check(same, "the call that changed nothing has stored something")
    stored = sum(os.path.getsize(os.path.join(top, n)) for n in names if n.endswith(".zst"))
    case.check(stored < 80000, "%d bytes for 109 KiB of digits, twice the same file" % stored)


def outputs_again(case):
    box = Box(case, manifest={"outputs": [{"path": "out", "to": "./blocked/result", "required": True}]})
    box.model.before[7] = lambda: open(box.dir + "/blocked", "w", encoding="ascii").close()
    p = box.run()
    case.check(p.status == 8 and re.search("agentbox (outputs|resume)", p.stderr), "no exit 8 with a hint: " + box.told(p))
    box.nothing_left()
    os.unlink(box.dir + "/blocked")
    p = box.execute(["outputs", box.run_id])
    case.check(p.status == 0, "outputs: " + box.told(p))
    got = box.outputs("blocked/result")
    case.check(b" ".join(sorted(got.pop("log", b"").split())) == STORY_OUT["log"] and got == {k: v for k, v in STORY_OUT.items() if k != "log"},
               "outputs: %s" % sorted(got))
    box.verified()


def outputs_resume(case):
    box = Box(case)
    box.model.before[7] = lambda: open(box.dir + "/result", "w", encoding="ascii").close()
    box.model.may = None
    p = box.run()
    if p.status == 0:
        return case.note("a file in the place of the folder was replaced")
    case.check(p.status == 8, "no exit 8: " + box.told(p))
    os.unlink(box.dir + "/result")
    box.model.before.clear()
    p = box.resume()
    case.check(p.status == 0, "resume: " + box.told(p))
    return box.story_out()


def replay_same(case):
    box = finished(case)
    asked = len(box.model.requests)
    box.model.stop()
    shutil.rmtree(box.dir + "/result")
    box.env.pop("OPENAI_API_KEY")
    p = box.execute(["replay", box.first])
    case.check(p.status == 0, "replay: " + box.told(p))
    case.check(len(box.model.requests) == asked and not os.path.exists(box.dir + "/result"), "it asked the model, or wrote outputs")
    for run in box.run_ids():
        box.verified(run)
    box.nothing_left()


def replay_other(case):
    turns = story()[:2] + [[Call("u1", "cat /proc/sys/kernel/random/uuid", None)], [Call("z1", "echo same", "same\n")]]
    box = finished(case, turns=turns)
    box.model.stop()
    p = box.execute(["replay", box.first])
    text = p.stdout + p.stderr
    case.check(p.status == 1 and "uuid" in text, "replay: " + box.told(p))
    case.check("echo same" not in p.stdout, "a call that said the same is listed: " + box.told(p))
    p = box.execute(["replay", "--json", box.first])
    case.check(p.status == 1 and json.loads(p.stdout), "replay --json: " + box.told(p))
    box.nothing_left()


def replay_resumed(case):
    box = killed_in_turn(case, 4, True)
    box.done(box.resume())
    p = box.execute(["replay", box.run_id])
    case.check(p.status == 0, "replay: " + box.told(p))
    box.nothing_left()


# --- verify ---

def damage():
    yield "every file of a run folder, one byte changed", flip_everywhere
    yield "the last line of a journal, each byte", flip_last_line
    yield "lines of a journal taken away, doubled, put elsewhere", rearrange
    yield "files taken away, cut, longer, exchanged", files_wrong
    yield "a torn line and leftovers are told from damage", torn
    yield "a damaged run is not resumed", damaged_resume


def found(case, box, run_id, name, what):
    p = box.execute(["verify", run_id])
    ok = case.check(p.status == 9, "%s: %s: not found: %s" % (name, what, box.told(p)))
    case.check(not ok or os.path.basename(name) in p.stdout + p.stderr, "%s: %s: the file is not named: %s" % (name, what, box.told(p)))


def files_of(box, run_id):
    top = box.path("", run_id)
    return sorted(os.path.relpath(os.path.join(here, n), top) for here, _, names in os.walk(top) for n in names)


def with_bytes(path, change):
    """Yields while the file is changed, in place; puts it back as it was."""
    st = os.stat(path)
    with open(path, "rb") as f:
        data = f.read()
    os.chmod(path, 0o600)
    with open(path, "wb") as f:
        f.write(change(data))
    yield data
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, st.st_mode & 0o777)


def flipped(data, at, bit=0):
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1:]


def flip_everywhere(case):
    box = killed_in_turn(case, 6, True)
    box.done(box.resume())
    run, count = box.run_id, 0
    for name in files_of(box, run):
        path = box.path(name, run)
        size = os.path.getsize(path)
        spots = sorted({0, 1, size // 4, size // 3, size // 2, 2 * size // 3, size - 2, size - 1} & set(range(size)))
        for i, at in enumerate(spots):
            for _ in with_bytes(path, lambda d, at=at, i=i: flipped(d, at, i % 8)):
                found(case, box, run, name, "byte %d of %d" % (at, size))
                count += 1
    box.verified()
    case.note("%d bytes in %d files" % (count, len(files_of(box, run))))


def flip_last_line(case):
    box = finished(case)
    path = box.path("journal.jsonl")
    with open(path, "rb") as f:
        data = f.read()
    begin = data[:-1].rfind(b"\n") + 1
    for at in suite.sample(range(begin, len(data)), 9, always=(len(data) - 1, begin)):
        for _ in with_bytes(path, lambda d, at=at: flipped(d, at, at % 7)):
            p = box.execute(["verify", box.run_id])
            if at == len(data) - 1:
                # Without its newline a line is a torn one, and the run has lost its end: which must at least be told.
                case.check(p.status == 9 or "torn" in p.stdout + p.stderr or "cut" in p.stdout + p.stderr, "the last newline: " + box.told(p))
            else:
                case.check(p.status == 9, "byte %d of the last line: %s" % (at - begin, box.told(p)))
    box.verified()


def rearrange(case):
    box = finished(case)
    path, run = box.path("journal.jsonl"), box.run_id
    count = len(box.lines())

    def change(fn):
        def to(data):
            lines = data.split(b"\n")[:-1]
            fn(lines)
            return b"\n".join(lines) + b"\n"
        return to
    for k in suite.sample(range(count - 1), 6):
        for what, fn in (("missing", lambda ls, k=k: ls.pop(k)), ("doubled", lambda ls, k=k: ls.insert(k, ls[k])),
                         ("exchanged", lambda ls, k=k: ls.insert(k, ls.pop(k + 1))), ("empty", lambda ls, k=k: ls.insert(k, b""))):
            for _ in with_bytes(path, change(fn)):
                found(case, box, run, "journal.jsonl", "line %d %s" % (k + 1, what))
                for verb in ("show", "logs", "ls"):
                    p = box.execute([verb] + ([run] if verb != "ls" else []))
                    case.check(p.status in (0, 2, 9), "%s of a damaged run: %s" % (verb, box.told(p)))
    box.verified()


def files_wrong(case):
    box = finished(case)
    run = box.run_id
    names = [n for n in files_of(box, run) if n not in ("lock",)]
    for name in names:
        path = box.path(name, run)
        for what, change in (("a byte less", lambda d: d[:-1]), ("a byte more", lambda d: d + b"x"), ("empty", lambda d: b"")):
            if name == "journal.jsonl":
                continue  # a torn line, see there; without any, a run that never began
            for _ in with_bytes(path, change):
                found(case, box, run, name, what)
        if name != "journal.jsonl":
            os.rename(path, box.dir + "/aside")
            found(case, box, run, name, "gone")
            os.symlink(box.dir + "/aside", path)
            found(case, box, run, name, "a link")
            os.unlink(path)
            os.rename(box.dir + "/aside", path)
    zst = [n for n in names if n.endswith(".tar.zst")]
    if len(zst) >= 2:
        a, b = (box.path(n, run) for n in zst[:2])
        os.rename(a, a + ".x"), os.rename(b, a), os.rename(a + ".x", b)
        found(case, box, run, zst[0], "exchanged")
        os.rename(a, a + ".x"), os.rename(b, a), os.rename(a + ".x", b)
    for _ in with_bytes(box.path("lock", run), lambda d: b"1"):
        found(case, box, run, "lock", "not empty")
    box.verified()


def torn(case):
    box = killed_in_turn(case, 4, True)
    with open(box.path("journal.jsonl"), "ab") as f:
        f.write(b'{"seq":99,"time":"20')
    for name in ("checkpoints/000077.json", "checkpoints/000077.tar.zst.tmp", "objects/.00112233aabbccdd.tmp", "objects/" + hashlib.sha256(b"leftover").hexdigest()):
        os.makedirs(os.path.dirname(box.path(name)), exist_ok=True)
        with open(box.path(name), "wb") as f:
            f.write(b"leftover")
    p = box.execute(["verify", box.run_id])
    case.note(p.stdout[-600:] + p.stderr[-600:])
    case.check(p.status == 0, "what a crash leaves is no damage: " + box.told(p))
    case.check("000077.json" in p.stdout + p.stderr, "leftovers are not named: " + box.told(p))
    box.done(box.resume())
    case.check(not os.path.exists(box.path("checkpoints/000077.json")) or "000077" in str(checkpoints(box)), "the leftover was not removed")


def damaged_resume(case):
    box = killed_in_turn(case, 5, True)
    asked = len(box.model.requests)
    path = box.path("journal.jsonl")
    with open(path, "rb") as f:
        size = len(f.read())
    for at in (0, size // 3, size // 2, size - 3):
        for _ in with_bytes(path, lambda d, at=at: flipped(d, at)):
            p = box.resume()
            case.check(p.status == 9 and "verify" in p.stderr, "resume of a damaged run: " + box.told(p))
    case.check(len(box.model.requests) == asked, "a request was sent")
    box.nothing_left()
    names = [n for n in os.listdir(box.path("checkpoints")) if n.endswith(".zst")]
    whole = {n: open(box.path("checkpoints/" + n), "rb").read() for n in names}
    for name, data in whole.items():
        os.chmod(box.path("checkpoints/" + name), 0o600)
        with open(box.path("checkpoints/" + name), "wb") as f:
            f.write(flipped(data, len(data) // 2))
    p = box.resume()
    case.check(p.status in (4, 9) and "damage" in p.stderr, "resume from damaged packs: " + box.told(p))
    case.check(len(box.model.requests) <= asked + 1, "the conversation went on over a damaged workspace")
    for name, data in whole.items():
        with open(box.path("checkpoints/" + name), "wb") as f:
            f.write(data)
    box.done(box.resume())


# --- faithful ---

def faithful():
    yield "everything a file system can hold, in another sandbox", awkward
    yield "a sparse file of 2 GiB", sparse
    yield "20,000 files", many
    yield "changes that look like none", sly
    yield "files that change while nobody looks (background writers)", background


LIST = ("cd /workspace; find . -print0 | sort -z | xargs -0 stat -c '%n|%A|%y|%h' | sed '/\\/fifo|/d; /^\\.|/d'; find . ! -type d -print0 | sort -z | xargs -0 stat -c '%n|%s' | sed '/fifo/d'; "
        "find . -type l -print0 | sort -z | xargs -0 -n 1 readlink; find . -type f -size -20000k -print0 | sort -z | xargs -0 sha256sum")

AWKWARD = r"""
mkdir -p out empty deep/a/b/c venv/bin venv/lib sticky locked; echo start > out/log
printf 'new\nline' > "$(printf 'name with\nnewline')"; echo x > "$(printf 'bad\377\376bytes')"; echo x > ' leading'; echo x > 'trailing '
echo x > -- ; echo x > -rf; echo x > "quote'\"\\"; echo x > 'tab	tab'; echo x > "$(printf 'esc\033[2J')"; echo x > '*'; echo x > 'ä€😀'
ln -s /usr/bin/python3 venv/bin/python; ln -s python venv/bin/python3; ln -s /workspace/venv/lib venv/lib64; ln -s /nowhere/at/all dangling
ln -s ../../../../etc/passwd climbing; ln -s "$(printf 'odd\ntarget\377')" oddlink; ln -s . self
echo hard > h1; ln h1 h2; ln h1 deep/a/h3; ln "$(printf 'bad\377\376bytes')" deep/b4
: > zero; printf x > one; head -c 4096 /dev/zero > zeros; head -c 65536 /dev/urandom > block; head -c 65537 /dev/urandom > block1; head -c 1000003 /dev/urandom > odd
cp odd copy; i=0; while [ $i -lt 40 ]; do mkdir -p "deep/$i/$i"; echo $i > "deep/$i/$i/f"; i=$((i+1)); done
n=$(printf '%0255d' 7); echo long > "$n"; d=.; i=0; while [ $i -lt 12 ]; do d="$d/$(printf '%0100d' $i)"; mkdir "$d"; i=$((i+1)); done; echo deep > "$d/end"
echo run > tool; chmod 0755 tool; echo secret > private; chmod 0400 private; chmod 1777 sticky; chmod 0711 deep
echo in > locked/file; chmod 0444 locked/file; chmod 0555 locked; chmod 0700 empty
touch -d '1999-12-31 23:59:59' h1 one; touch -d '2030-01-02 03:04:05' zero; touch -h -d '2001-01-01 00:00:00' dangling 2>/dev/null; touch -d '1985-10-26 01:21:00' venv/lib empty
mkfifo fifo; printf done
"""


def answers(box):
    return {i["call_id"]: said(i)[0] for i in box.model.requests[-1]["input"] if i.get("type") in ("shell_call_output", "function_call_output")}


def faithful_story(case, make, look, made=None, **manifest):
    """Looked at twice, in two sandboxes: the first look is in a checkpoint once the call behind it has begun. (The root of the
    workspace is the engine's: its own time is not kept.)"""
    turns = [[Call("m1", make, made)], [Call("l1", look, None)], [Call("k1", "true", "")], [Call("l2", look, None)], [Call("z1", "mkdir -p out; echo z1 >> out/log; true", "")]]
    box = killed_in_turn(case, 4, True, turns=turns, manifest={"limits.output": "4m", **manifest})
    p = box.resume()
    box.done(p)
    if p.status != 0:
        return box
    texts = answers(box)
    a, b = texts.get("l1", ""), texts.get("l2", "")
    case.check(len(a) > 20, "the first look: %r" % a)
    if a != b:
        left, right = a.split("\n"), b.split("\n")
        case.check(False, "differs: was %r, is %r" % ([x for x in left if x not in right][:12], [x for x in right if x not in left][:12]))
    box.case.check("rollback" in box.types() or "sandbox.start" in box.types()[20:], "it was not another sandbox")
    return box


def awkward(case):
    box = faithful_story(case, AWKWARD, LIST, "done")
    named = [r for r in checkpoints(box) if r.get("unkept")]
    case.check(named and named[0]["unkept"] == 1, "the pipe is not named: %s" % [r.get("unkept") for r in checkpoints(box)])
    case.note("the look has %d lines" % answers(box).get("l1", "").count("\n"))
    p = box.execute(["export", box.run_id + "@turn:1", box.dir + "/exported"])
    case.check(p.status == 0, "export: " + box.told(p))
    if p.status == 0:
        names = {os.fsencode(n) for n in os.listdir(box.dir + "/exported")}
        case.check({b"name with\nnewline", b"bad\xff\xfebytes", b"-rf", b"*", b"locked"} <= names, "exported: %s" % sorted(names))
        os.chmod(box.dir + "/exported/locked", 0o755)


def sparse(case):
    make = ("truncate -s 2147483648 big; echo middle | dd of=big bs=1 seek=1073741824 conv=notrunc 2>/dev/null; echo end | dd of=big bs=1 seek=2147483640 "
            "conv=notrunc 2>/dev/null; truncate -s 100000000 holes; truncate -s 5000000 tail; echo x >> tail; du -k big | cut -f 1")
    look = ("stat -c '%n %s' big holes tail; for f in big holes tail; do [ $(du -k $f | cut -f 1) -le 64 ] && echo sparse; done; dd if=big bs=1 skip=1073741824 count=7 2>/dev/null; "
            "dd if=big bs=1 skip=2147483640 count=4 2>/dev/null; tail -c 2 tail; head -c 50000000 big | sha256sum; sha256sum holes tail"
            + ("; sha256sum big" if suite.options.thorough else ""))
    box = faithful_story(case, make, look, None, **{"workspace.size": "3g"})
    text = answers(box).get("l2", "")
    case.check(text.count("sparse") == 3 and "middle\n" in text and "end\n" in text, "holes: %r" % text[:600])
    stored = sum(os.path.getsize(box.path("checkpoints/" + n)) for n in os.listdir(box.path("checkpoints")))
    case.check(stored < 4 << 20, "%d bytes stored for holes" % stored)


def many(case):
    make = ("i=0; while [ $i -lt 200 ]; do mkdir -p d$i; j=0; while [ $j -lt 100 ]; do echo $i $j > d$i/f$j; j=$((j+1)); done; i=$((i+1)); done; find . -type f | wc -l")
    look = ("find . -type f | wc -l; find . | sort | sha256sum; find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum; "
            "find d* -print0 | sort -z | xargs -0 stat -c '%n %A %y %h' | sha256sum")
    box = faithful_story(case, make, look, "20002\n", **{"workspace.size": "200m"})
    marks = checkpoints(box)
    case.check(any(r.get("files", 0) >= 20000 for r in marks), "files: %s" % [r.get("files") for r in marks])
    case.note("checkpoints took: %s ms" % [r.get("duration_ms") for r in marks])


def sly(case):
    """Same size, same mtime; renames; a file in the place of a folder and back; content swapped under two names."""
    make = "mkdir -p out d e; echo aaaa > f; touch -d '2020-01-01' f; echo one > p; echo two > q; echo x > d/x; ln -s a l; echo keep > k; echo g > h1; ln h1 h2"
    change = ("echo bbbb > f; touch -d '2020-01-01' f; mv p t; mv q p; mv t q; rm -r d; echo file > d; rm -r e; ln -s d e; ln -sfn b l; chmod 0600 k; "
              "rm h2; echo g > h2; touch -d '2020-01-01' h1 h2; mkdir -p n/n/n; echo done")
    look = LIST
    turns = [[Call("m1", make, "")], [Call("m2", change, "done\n")], [Call("l1", look, None)], [Call("k1", "true", "")], [Call("l2", look, None)], [Call("z1", "echo z1 > out/log", "")]]
    box = killed_in_turn(case, 4, True, turns=turns, manifest={"limits.output": "4m"})
    p = box.resume()
    box.done(p)
    texts = answers(box)
    case.check(texts.get("l1") == texts.get("l2") and "bbbb" not in texts.get("l1", "bbbb"), "differs: %r | %r" % (texts.get("l1"), texts.get("l2")))


def background(case):
    """A daemon of the sandbox writes on and on; each checkpoint is of some moment, the restore is whole, the tree is proven."""
    turns = [[Call("m1", "mkdir -p out; (i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i > busy; cp busy b$((i % 50)); rm -f b$((i % 7)); done) >/dev/null 2>&1 & echo on", "on\n")],
             *[[Call("s%d" % i, line("s%d" % i) + "cat out/log | wc -l", "%d\n" % i)] for i in range(1, 6)]]
    box = killed_in_turn(case, 6, True, turns=turns)
    p = box.resume()
    box.done(p)


def main():
    for group in (promise, forks, looking, damage, faithful):
        suite.group(group())
    suite.end()


if __name__ == "__main__":
    main()
