#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The engine fails, the daemon restarts, signals come, two want the same run:  test_engine.py AGENTBOX SHIM [--only TEXT] ...

A relay between program and engine breaks each single request of a resume in every way; a private engine is killed under a run,
with and without live-restore. What must come of it: an exit status and words, and a later `resume` that brings the run to
its end with nothing left behind.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import relay as relays  # noqa: E402
from model import Call  # noqa: E402
from tap import Suite  # noqa: E402
from world import Box, Docker, KILLED, hold, line  # noqa: E402

suite = Suite(__doc__.splitlines()[0])
ROOT = os.path.dirname(os.path.dirname(HERE))


def long_story():
    return [[Call("a1", "mkdir -p out; " + line("a1") + "cat out/log", "a1\n")],
            [hold("h1", says="a1\nh1-begin\nh1\n")],
            [Call("z1", line("z1") + "cat out/log", "a1\nh1-begin\nh1\nz1\n")]]


LONG_LOG = b"a1\nh1-begin\nh1\nz1\n"


def long_done(box, p):
    box.done(p)
    if p.status == 0:
        box.case.check(box.outputs().get("log") == LONG_LOG, "the log: %r" % box.outputs().get("log"))


def begun(box):
    box.until(lambda: box.sandbox() and "h1-begin" in (box.docker.execute(box.sandbox(), "cat /workspace/out/log") or ""), "h1-begin")


# --- the relay ---

FAULTS = (("500", relays.error_500), ("garbage", relays.garbage), ("nonsense", relays.nonsense), ("closed", relays.refused),
          ("cut", relays.cut), ("lost", relays.lose), ("slow", relays.slow))


def with_relay(case, **more):
    box = Box(case, **more)
    box.relay = relays.Relay(box.docker.host, box.dir + "/relay.sock")
    box.env["DOCKER_HOST"] = box.relay.host
    return box


def middle_of(case, lose):
    box = with_relay(case)
    p = box.run(kill="after:%d" % middle["record"])
    case.check(p.status == KILLED, "not killed: " + box.told(p))
    if lose:
        box.remove_containers()
    del box.relay.seen[:]
    return box


middle = {"record": 1}


def faults():
    seen = {}

    def whole(case):
        box = with_relay(case)
        box.done(box.run())
        begins = [i for i, t in enumerate(box.types(), 1) if t == "call.begin"]
        middle["record"] = begins[3] if len(begins) > 3 else 1
        seen["run"] = list(box.relay.seen)
        case.note(str(seen["run"]))

    def resumed(case, lose):
        box = middle_of(case, lose)
        box.done(box.resume())
        seen[lose] = list(box.relay.seen)
        case.note(str(seen[lose]))
    suite.group([("a run through the relay", whole)], always=True)
    suite.group([("a resume through the relay, sandbox alive", lambda c: resumed(c, False)),
                 ("a resume through the relay, sandbox gone", lambda c: resumed(c, True))], always=True)
    for which, requests in seen.items():
        for number, request in enumerate(requests, 1):
            for i, (word, action) in enumerate(FAULTS):
                if suite.options.thorough or which != "run" and (i + number) % 2 == 0 or which == "run" and i == number % len(FAULTS):
                    yield ("%s, request %d (%s): %s" % ("a run" if which == "run" else "sandbox " + ("gone" if which else "alive"), number, request, word),
                           lambda c, which=which, n=number, a=action: break_request(c, which, n, a))


def break_request(case, which, number, action):
    if which == "run":
        box = with_relay(case)
        box.relay.fault = (number, action)
        p = box.run()
    else:
        box = middle_of(case, which)
        box.relay.fault = (number, action)
        p = box.resume()
    case.note("exit %s: %s" % (p.status, p.stderr.strip().splitlines()[-2:]))
    box.relay.fault = None
    if p.status == 0:
        if box.containers():  # it could not be removed: which is said, except when the engine had said that it was
            case.check("could not be removed" in p.stderr or action is relays.nonsense, "a container is left: " + box.told(p))
            return box.ended_before()
        return box.done(p)
    case.check(p.status in (4, 7, 8) and "error" in p.stderr, "exit status: " + box.told(p))
    types = box.types()
    if "run.begin" not in types:
        box.nothing_left()
        return None
    return box.done(box.resume())


def lost_answers():
    for path in ("POST /containers/create", "POST /containers/ID/start", "DELETE /containers/ID", "POST /containers/ID/attach"):
        yield "the answer to %s is lost" % path, lambda c, p=path: lose_answer(c, p, False)
        yield "the harness dies before the answer to %s" % path, lambda c, p=path: lose_answer(c, p, True)
    for count in (0, 1, 200, 700, 3000):
        yield "the channel is cut after %d bytes" % count, lambda c, n=count: cut_channel(c, n)
    yield "the channel is cut in a command", cut_in_command


def lose_answer(case, path, dies):
    box = with_relay(case)

    def action(relay, conn, head, body):
        relays.lose(relay, conn, head, body)
        if dies:
            p.signal(signal.SIGKILL)
            p.wait()
    box.relay.match = (path.replace("ID", r"\S+") + "$", action)
    p = box.begin()
    p.wait()
    case.check(box.relay.taken, "never asked for; there were: %s" % sorted(set(box.relay.seen)))
    if p.status == 0:
        return box.done(p)
    case.check(p.status == (KILLED if dies else 4), box.told(p))
    if not dies and p.status == 4:
        box.nothing_left()  # found again by its labels, without a resume
    if "run.end" in box.types() and not dies and p.status == 0:
        return None
    ended_well = any(r["type"] == "run.end" and r.get("exit") == 0 for r in box.journal())
    if ended_well:
        return box.ended_before()
    return box.done(box.resume())


def cut_channel(case, count):
    box = with_relay(case)
    box.relay.match = (r"POST /containers/\S+/attach", relays.cut_stream(count))
    p = box.run()
    case.note("exit %s: %s" % (p.status, " ".join(box.types()[-8:])))
    if p.status == 0:
        return box.done(p)
    case.check(p.status in (4, 7), "exit status: " + box.told(p))
    return box.done(box.resume())


def cut_in_command(case):
    """The connection of the channel is torn while a command runs; the sandbox itself is well."""
    box = with_relay(case, turns=long_story())
    streams = []

    def action(relay, conn, head, body):
        up = relay.open(conn, head, body)
        streams.extend([up, conn])
        import threading
        threading.Thread(target=relay.pump, args=(conn, up), daemon=True).start()
        relay.pump(up, conn)
    box.relay.match = (r"POST /containers/\S+/attach", action)
    p = box.begin()
    begun(box)
    for s in streams:
        try:
            s.shutdown(2)
        except OSError:
            pass  # the first one took it along
    box.touch_go_always()
    p.wait()
    case.note("exit %s: %s" % (p.status, " ".join(box.types()[-8:])))
    if p.status != 0:
        case.check(p.status == 4 and "resume" in p.stderr, "exit status: " + box.told(p))
        p = box.resume()
    long_done(box, p)


# --- signals ---

SIGNALS = (("INT", 130), ("TERM", 143), ("HUP", 129))


def signals():
    for i, k in enumerate(suite.sample(range(1, 70), 3)):
        for name, status in SIGNALS if suite.options.thorough else (SIGNALS[i % 3],):
            yield "SIG%s at record %d" % (name, k), lambda c, n=name, s=status, k=k: signal_at(c, n, s, k)
    for name, status in SIGNALS:
        yield "SIG%s in a command" % name, lambda c, n=name, s=status: signal_in_command(c, n, s)
        yield "SIG%s in a stream" % name, lambda c, n=name, s=status: signal_in_stream(c, n, s)
        yield "SIG%s while outputs are collected" % name, lambda c, n=name, s=status: signal_in_outputs(c, n, s)
    yield "SIGINT in a resume", signal_in_resume
    yield "SIGINT with keep: always, then resume", signal_and_keep
    yield "SIGINT twice, then resume", signal_twice


def interrupted(box, p, status):
    """The process has ended: by itself, or as the signal asks."""
    if p.status == 0:
        box.done(p)
        return False
    if p.status < 0 and box.types()[-1:] == ["sandbox.removed"]:
        return False  # it was at its end
    box.case.check(p.status == status, "exit status, expected %d: %s" % (status, box.told(p)))
    box.case.check("agentbox resume" in p.stderr, "no hint how to go on: " + box.told(p))
    box.nothing_left()
    box.verified()
    return True


def signal_at(case, name, status, k):
    box = Box(case)
    p = box.begin("--json")
    p.await_line(k)
    p.signal(getattr(signal, "SIG" + name))
    p.wait()
    if interrupted(box, p, status):
        box.done(box.resume())


def signal_in_command(case, name, status):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    p.signal(getattr(signal, "SIG" + name))
    p.wait()
    if interrupted(box, p, status):
        box.touch_go_always()
        long_done(box, box.resume())


def signal_in_stream(case, name, status):
    box = Box(case)
    box.model.gates[3] = lambda count, _: (p.signal(getattr(signal, "SIG" + name)), p.wait()) if count == 7 and not sent and not sent.append(1) else None
    sent = []
    p = box.begin()
    p.wait()
    if interrupted(box, p, status):
        box.done(box.resume())


def signal_in_outputs(case, name, status):
    box = Box(case)
    p = box.begin("--json")
    with p.changed:
        p.changed.wait_for(lambda: b"outputs.begin" in p.out or not p.threads[0].is_alive(), 30)
    p.signal(getattr(signal, "SIG" + name))
    p.wait()
    if interrupted(box, p, status):
        box.done(box.resume())


def signal_in_resume(case):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    p = box.start(["resume", box.run_id])
    box.until(lambda: box.types().count("sandbox.ready") >= 2, "a second sandbox.ready")
    p.signal(signal.SIGINT)
    p.wait()
    if interrupted(box, p, 130):
        box.touch_go_always()
        long_done(box, box.resume())


def signal_and_keep(case):
    box = Box(case, long_story(), manifest={"sandbox.keep": "always"})
    p = box.begin()
    begun(box)
    p.signal(signal.SIGINT)
    p.wait()
    case.check(p.status == 130 and "agentbox resume" in p.stderr, box.told(p))
    kept = box.containers()
    case.check(len(kept) == 1, "the container was not kept")
    box.touch_go_always()
    p = box.resume()
    box.done(p, is_over=False)
    case.check(box.outputs().get("log") == LONG_LOG, "the log: %r" % box.outputs().get("log"))
    case.check(len(box.containers()) == 1, "%d containers after a run that keeps its own" % len(box.containers()))
    case.note(" ".join(box.types()))


def signal_twice(case):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    p.signal(signal.SIGINT)
    p.signal(signal.SIGINT)
    p.wait()
    case.check(p.status == 130, box.told(p))
    box.until(lambda: not box.containers(), "the removal of the container") if box.containers() else None
    box.touch_go_always()
    long_done(box, box.resume())


# --- two at once ---

def rivals():
    yield "two resumes, one after the other", second_resume
    yield "four resumes at the same moment", four_at_once
    yield "a resume of a run that is running", resume_of_running
    yield "a resume of a run that ended well", resume_of_done
    yield "resume of what is not there", resume_of_nothing


def refused(box, p, winner):
    text = p.stderr
    if "just begun" in text:
        return  # it has the lock, and has not said yet who it is
    box.case.check(p.status not in (0, None) and 0 < p.status < 10, "exit status: " + box.told(p))
    box.case.check(str(winner.pid) in text, "it does not say who (process %d): %s" % (winner.pid, box.told(p)))
    box.case.check(re.search(r"since|\d\d:\d\d", text), "it does not say since when: " + box.told(p))


def second_resume(case):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    winner = box.start(["resume", box.run_id])
    box.until(lambda: box.types().count("sandbox.ready") >= 2, "a second sandbox.ready")
    lines = len(box.lines())
    refused(box, box.resume(), winner)
    case.check(len(box.lines()) == lines, "the loser wrote to the journal")
    box.touch_go()
    winner.wait()
    long_done(box, winner)


def four_at_once(case):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    all_of_them = [box.start(["resume", box.run_id]) for _ in range(4)]
    box.until(lambda: sum(q.popen.poll() is None for q in all_of_them) == 1, "three of four refused")
    winner = next(q for q in all_of_them if q.popen.poll() is None)
    begun(box)
    box.touch_go_always()
    winner.wait()
    for q in all_of_them:
        if q is not winner:
            q.wait()
            refused(box, q, winner)
    long_done(box, winner)


def resume_of_running(case):
    box = Box(case, long_story())
    p = box.begin()
    begun(box)
    refused(box, box.resume(), p)
    box.touch_go()
    p.wait()
    long_done(box, p)


def resume_of_done(case):
    box = Box(case)
    box.done(box.run())
    before = box.lines()
    p = box.resume()
    case.check(p.status == 2 and p.stderr.strip(), "resume of a run that ended well: " + box.told(p))
    case.check(box.lines() == before, "its journal was changed")


def resume_of_nothing(case):
    box = Box(case)
    for arguments in (["resume", "20200101-000000-aaaaaa"], ["resume", "last"], ["resume", "--last"], ["resume"], ["resume", "../../etc"]):
        p = box.execute(arguments)
        case.check(p.status == 2 and p.stderr.strip(), "%s: %s" % (arguments, box.told(p)))


# --- what stands in the sandbox's place ---

def impostors():
    for what in ("paused", "its guest stopped", "another memory limit", "another limit of processes", "another restart policy", "renamed", "stopped",
                 "a second one of the same attempt", "an older attempt still runs", "somebody's with its labels", "gone, and somebody's with its labels"):
        yield "the sandbox is found, but: %s" % what, lambda c, w=what: found_odd(c, w)


def found_odd(case, what):
    """Whatever is found is either the sandbox as it was, or fenced off before another one starts."""
    box = Box(case)
    p = box.run(kill="after:%d" % middle["record"])
    case.check(p.status == KILLED, box.told(p))
    sandbox, docker = box.containers()[0], box.docker
    twin = None
    if what == "paused":
        docker._post("/containers/%s/pause" % sandbox)
    elif what == "its guest stopped":
        os.kill(json.loads(docker.inspect(sandbox))["State"]["Pid"], signal.SIGSTOP)
    elif what == "another memory limit":
        docker._post("/containers/%s/update" % sandbox, {"Memory": 900 << 20, "MemorySwap": 900 << 20})
    elif what == "another limit of processes":
        docker._post("/containers/%s/update" % sandbox, {"PidsLimit": 9999})
    elif what == "another restart policy":
        docker._post("/containers/%s/update" % sandbox, {"RestartPolicy": {"Name": "always"}})
    elif what == "renamed":
        docker._post("/containers/%s/rename?name=other-%s" % (sandbox, box.run_id))
    elif what == "stopped":
        docker._post("/containers/%s/stop?t=1" % sandbox)
    else:
        twin = make_twin(box, sandbox, what)
        if "gone" in what:
            docker.remove(sandbox)
    p = box.resume()
    case.note("exit %s: %s" % (p.status, " ".join(box.types()[middle["record"]:])))
    if p.status in (4, 7):
        case.note(p.stderr[-300:])
        p = box.resume()
    if twin:
        is_there = twin in [c["Id"] for c in docker.containers()]
        case.check(is_there == ("somebody" in what), "the other container is %s" % ("left" if is_there else "gone"))
        docker.remove(twin)
    box.done(p)
    if "limit" in what or "policy" in what:
        case.check(box.types().count("sandbox.intent") == 2, "a sandbox whose lock-down was changed is used again")


def make_twin(box, sandbox, what):
    """A container that looks like the run's; only those with a name of ours are."""
    labels = dict(json.loads(box.docker.inspect(sandbox))["Config"]["Labels"])
    if "older" in what:
        labels = {k: "0" if "attempt" in k else v for k, v in labels.items()}
    name = "somebody-%s" % box.run_id if "somebody" in what else "agentbox-%s-%d" % (box.run_id, 0 if "older" in what else 7)
    status, text = box.docker._post("/containers/create?name=" + name, {"Image": "agentbox-demo:1", "Cmd": ["sleep", "600"], "Labels": labels,
                                                                        "NetworkDisabled": True})
    box.case.check(status == 201, "no twin: " + text)
    twin = json.loads(text)["Id"]
    box.docker._post("/containers/%s/start" % twin)
    return twin


# --- the daemon ---

class PrivateEngine:
    """scripts/engine in a folder of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="abt-engine-", dir=os.environ.get("TMPDIR", "/tmp"))
        self.env = dict(os.environ, AGENTBOX_ENGINE_DIR=self.dir)
        self.host = "unix://%s/docker.sock" % self.dir
        self.script("engine", "start")
        self.script("image", "demo")
        self.docker = Docker(self.host)

    def script(self, name, *arguments):
        subprocess.run([os.path.join(ROOT, "scripts", name), *arguments], env=dict(self.env, DOCKER_HOST=self.host), check=True, timeout=600,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sudo(self, *argv):
        return ([] if os.geteuid() == 0 else ["sudo", "-n"]) + list(argv)

    def daemon(self):
        with open(self.dir + "/dockerd.pid", encoding="ascii") as f:
            return int(f.read())

    def live_restore(self, is_on):
        text = json.dumps({"live-restore": is_on})
        subprocess.run(self.sudo("tee", self.dir + "/daemon.json"), input=text, text=True, stdout=subprocess.DEVNULL, check=True)
        subprocess.run(self.sudo("kill", "-HUP", str(self.daemon())), check=True)
        end = time.monotonic() + 120
        while json.loads(self.docker.call("GET", "/info")[1]).get("LiveRestoreEnabled") != is_on:
            if time.monotonic() > end:
                raise RuntimeError("live-restore could not be set")
            time.sleep(0.1)

    def stop_daemon(self, name):
        """dockerd alone: containerd and shims stay, as when the service is restarted."""
        pid = self.daemon()
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            self.argv = [a.decode() for a in f.read().split(b"\0")[:-1]]
        subprocess.run(self.sudo("kill", "-" + name, str(pid)), check=True)
        end = time.monotonic() + 120
        while os.path.exists("/proc/%d" % pid) and "Z" not in open("/proc/%d/stat" % pid, encoding="ascii").read().rsplit(")", 1)[1][:3]:
            if time.monotonic() > end:
                raise RuntimeError("dockerd does not end")
            time.sleep(0.05)

    def start_daemon(self):
        subprocess.run(self.sudo("rm", "-f", self.dir + "/dockerd-own.pid", self.dir + "/docker.sock"), check=True)
        with open(os.devnull, "wb") as nothing:
            shell = 'echo $$ >"$1/dockerd.pid"; shift; exec "$@"'
            subprocess.Popen(self.sudo("setsid", "sh", "-c", shell, "sh", self.dir, *self.argv), stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing)
        end = time.monotonic() + 180
        while not self.docker.answers():
            if time.monotonic() > end:
                raise RuntimeError("dockerd does not come up again")
            time.sleep(0.1)

    def purge(self):
        self.script("engine", "purge")
        shutil.rmtree(self.dir, ignore_errors=True)


def daemons(engine):
    for name in ("KILL", "TERM"):
        for live in (False, True):
            for dies in (False, True):
                yield ("dockerd gets SIG%s in a command, live-restore %s, harness %s" % (name, "on" if live else "off", "dies too" if dies else "lives"),
                       lambda c, n=name, l=live, d=dies: restart(c, engine, n, l, d))
    yield "resume while the daemon is away, then again", lambda c: resume_without_daemon(c, engine)


def restart(case, engine, name, live, dies):
    engine.live_restore(live)
    box = Box(case, long_story(), docker=engine.docker)
    p = box.begin()
    begun(box)
    if dies:
        p.signal(signal.SIGKILL)
        p.wait()
    engine.stop_daemon(name)
    if not dies:
        p.wait()
        case.check(p.status == 4 and "agentbox resume" in p.stderr, "the loss of the engine: " + box.told(p))
    engine.start_daemon()
    alive = bool(box.sandbox())
    case.check(not live or alive or not dies, "live-restore, and the container is gone")
    case.note("after the restart the container is %s" % ("alive" if alive else "dead"))
    box.touch_go_always()
    p = box.resume()
    long_done(box, p)
    if alive and dies and p.status == 0:
        case.check("rollback" not in box.types(), "the sandbox lived, and was given up: %s" % " ".join(box.types()[-30:]))


def resume_without_daemon(case, engine):
    engine.live_restore(True)
    box = Box(case, long_story(), docker=engine.docker)
    p = box.begin()
    begun(box)
    p.signal(signal.SIGKILL)
    p.wait()
    run_id = box.run_id
    engine.stop_daemon("KILL")
    p = box.execute(["resume", run_id])
    case.check(p.status == 4 and "agentbox resume" in p.stderr, "resume without an engine: " + box.told(p))
    engine.start_daemon()
    box.touch_go_always()
    p = box.resume()
    long_done(box, p)
    case.check("rollback" not in box.types(), "the sandbox lived, and was given up: %s" % " ".join(box.types()[-30:]))


def main():
    for group in (faults, lost_answers, signals, rivals, impostors):
        suite.group(group())
    if any(suite.options.only in name for name, _ in daemons(None)):
        engine, suite.options.jobs = PrivateEngine(), 1
        suite.at_end.append(engine.purge)
        try:
            suite.group(daemons(engine))
        finally:
            engine.purge()
    suite.end()


if __name__ == "__main__":
    main()
