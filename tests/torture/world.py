# SPDX-License-Identifier: MIT
"""Where a case happens: a folder with manifest and state of its own, a model of its own, the engine of DOCKER_HOST.

    box = Box(case)                    its script is STORY unless told otherwise
    dead = box.run(kill="after:12")    runs to its end; kill: see shim.c
    box.resume(); box.done(result)     everything that must hold of a run that came through
"""
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import engine  # noqa: E402

from model import Call, END, Model  # noqa: E402

IMAGE = "agentbox-demo:1"
SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior|Thread)Sanitizer|runtime error:")
KEPT_ENV = ("PATH", "DOCKER_HOST", "TMPDIR", "LD_LIBRARY_PATH")
KILLED = -signal.SIGKILL


# --- stories ---

def line(call_id):
    """The side effect that is counted in the end."""
    return "echo %s >> out/log; " % call_id


def story():
    """Six turns; native or function calls; two at once; one that changes nothing; one whose output is an object of the
    run folder; every answer tells what the workspace held."""
    return [
        [Call("a1", "mkdir -p out; " + line("a1") + "cat out/log given/text", "a1\ngiven\n")],
        [Call("b1", line("b1") + "echo b1 >> out/b1; cat out/b1", "b1\n"),
         Call("b2", line("b2") + "echo b2 >> out/b2; cat out/b2", "b2\n")],
        [Call("c1", line("c1") + "chmod 0640 out/b1; sort out/log | xargs", "a1 b1 b2 c1\n")],
        [Call("n1", "sort /workspace/out/log | xargs", "a1 b1 b2 c1\n", workdir="given")],
        [Call("d1", line("d1") + "seq 1 20000 > out/seq; ln out/seq out/hard; ln -s out/log short; head -c 90000 /dev/zero | tr '\\0' x",
              re.compile(r"x{1000,}"))],
        [Call("e1", line("e1") + "sort out/log | xargs; stat -c %a out/b1; cmp out/seq out/hard && readlink short",
              "a1 b1 b2 c1 d1 e1\n640\nout/log\n")],
    ]


STORY_OUT = {"log": b"a1 b1 b2 c1 d1 e1", "b1": b"b1\n", "b2": b"b2\n",
             "seq": b"".join(b"%d\n" % i for i in range(1, 20001)), "hard": b"".join(b"%d\n" % i for i in range(1, 20001))}


def hold(call_id="h1", says="h1-begin\nh1\n"):
    """A command that goes on until somebody makes /tmp/go in its sandbox."""
    return Call(call_id, "mkdir -p out; echo %s-begin >> out/log; until [ -e /tmp/go ]; do sleep 0.02; done; %scat out/log"
                % (call_id, line(call_id)), says)


# --- the engine ---

class Docker(engine.Engine):
    def _post(self, path, body=None):
        import urllib.parse
        url = urllib.parse.urlsplit(self.host)
        c = engine._Connection(url.path)
        try:
            c.request("POST", path, json.dumps(body or {}), {"Content-Type": "application/json"})
            answer = c.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            c.close()

    def kill(self, container, name="KILL"):
        return self._post("/containers/%s/kill?signal=%s" % (container, name))[0]

    def execute(self, container, command):
        """Runs it as the agent, waits for its end, gives its output."""
        status, text = self._post("/containers/%s/exec" % container, {"Cmd": ["sh", "-c", command], "User": "65532:65532",
                                                                       "AttachStdout": True, "AttachStderr": True, "Tty": True})
        if status != 201:
            return None
        return self._post("/exec/%s/start" % json.loads(text)["Id"], {"Detach": False, "Tty": True})[1]

    def running(self, ids):
        return [c["Id"] for c in self.containers() if c["State"] == "running"
                and any(run in json.dumps([c.get("Labels"), c.get("Names")]) for run in ids)]


# --- a process ---

class Process:
    """The program, with what it says as it comes."""

    def __init__(self, argv, env, cwd, stdin=subprocess.DEVNULL, **more):
        self.argv, self.out, self.err = argv, b"", b""
        self.changed = threading.Condition()
        self.popen = subprocess.Popen(argv, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      start_new_session=True, **more)
        self.pid = self.popen.pid
        self.threads = [threading.Thread(target=self._drain, args=(n,), daemon=True) for n in ("out", "err")]
        for t in self.threads:
            t.start()

    def _drain(self, name):
        source = self.popen.stdout if name == "out" else self.popen.stderr
        for text in iter(lambda: os.read(source.fileno(), 1 << 16), b""):
            with self.changed:
                setattr(self, name, getattr(self, name) + text)
                self.changed.notify_all()
        source.close()

    def signal(self, number):
        if self.popen.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds=300):
        """Exit status (negative: signal). A hang is an end by force, and None."""
        try:
            self.status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()
            self.status = None
        for t in self.threads:
            t.join(60)
        return self.status

    @property
    def stdout(self):
        return self.out.decode("utf-8", "backslashreplace")

    @property
    def stderr(self):
        return self.err.decode("utf-8", "backslashreplace")

    def await_line(self, number, seconds=120):
        """Until stdout (with --json: the journal) has so many lines, or the end."""
        with self.changed:
            return self.changed.wait_for(lambda: self.out.count(b"\n") >= number or not self.threads[0].is_alive(), seconds)


# --- the folder of a case ---

class Box:
    def __init__(self, case, turns=None, style="native", manifest=None, docker=None, more=None, timeout=300):
        self.case, self.options, self.timeout = case, case.options, timeout
        self.dir = tempfile.mkdtemp(prefix="agentbox-torture-")
        self.state = self.dir + "/state"
        self.key = "sk-torture-" + secrets.token_hex(8)
        self.docker = docker or Docker()
        self.turns = story() if turns is None else turns
        self.is_story = turns is None
        self.model = Model(self.turns, self.key, style, log_path=self.dir + "/model.log")
        self.model.start()
        self.processes, self.mounts = [], []
        self.env = {k: v for k, v in os.environ.items() if k in KEPT_ENV}
        self.env.update(HOME=self.dir + "/home", XDG_STATE_HOME=self.state, XDG_CACHE_HOME=self.dir + "/cache", LC_ALL="C.UTF-8",
                        TZ="UTC", OPENAI_API_KEY=self.key, DOCKER_HOST=self.docker.host,
                        ASAN_OPTIONS="detect_leaks=1:verify_asan_link_order=0", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        os.makedirs(self.dir + "/given")
        with open(self.dir + "/given/text", "w", encoding="ascii") as f:
            f.write("given\n")
        with open(self.dir + "/given/AGENTS.md", "w", encoding="ascii") as f:
            f.write("Leave what is given as it is.\n")
        self.write_manifest(style, manifest or {})
        case.boxes.append(self)

    def write_manifest(self, style, changes):
        base = {"version": 1, "name": "torture",
                "model": {"name": "test-model", "base_url": "http://127.0.0.1:%d/v1" % self.model.port, "tool_style": style,
                          "price": {"input": 1.0, "output": 10.0}},
                "agent": {"task": "Do what the story says.", "tools": ["shell"]},
                "sandbox": {"image": IMAGE, "pull": "never", "memory": "64m"},
                "workspace": {"size": "64m", "entries": {"given": {"type": "local_dir", "src": "./given"}}},
                "outputs": [{"path": "out", "to": "./result", "required": True}],
                "limits": {"wall": "20m", "command": "5m", "repeat": 100}}
        for path, value in changes.items():
            at = base
            *parents, last = path.split(".")
            for name in parents:
                at = at.setdefault(name, {})
            if value is None:
                at.pop(last, None)
            else:
                at[last] = value
        with open(self.dir + "/manifest.yaml", "w", encoding="utf-8") as f:
            json.dump(base, f)

    # --- running ---

    def start(self, arguments, kill=None, wrap=(), env=None, **more):
        """kill: what the shim is told. wrap: what stands before the program (strace, prlimit ...)."""
        full = dict(self.env, **(env or {}))
        if kill or "TORTURE_CLOCK" in full:
            full.update(LD_PRELOAD=self.options.shim, **({"TORTURE_KILL": kill} if kill else {}))
        if any("strace" in w for w in wrap):
            full["ASAN_OPTIONS"] += ":detect_leaks=0"  # its tracer cannot be traced
        p = Process(list(wrap) + [self.options.agentbox] + list(arguments), full, self.dir, **more)
        self.processes.append(p)
        return p

    def execute(self, arguments, seconds=None, **more):
        p = self.start(arguments, **more)
        p.wait(seconds or self.timeout)
        if p.status is None:
            self.case.fail("did not end: %s\n%s" % (arguments, self.told(p)))
        self.case.check(not SANITIZER.search(p.stderr), "a sanitizer spoke: " + p.stderr[-3000:])
        return p

    def run(self, *arguments, **more):
        return self.execute(["run", *arguments, "manifest.yaml"], **more)

    def begin(self, *arguments, **more):
        return self.start(["run", *arguments, "manifest.yaml"], **more)

    def resume(self, *arguments, **more):
        return self.execute(["resume", self.run_id, *arguments], **more)

    @staticmethod
    def told(p):
        return "exit %s\nstderr: %s\nstdout: %s" % (getattr(p, "status", "?"), p.stderr[-1500:], p.stdout[-600:])

    def as_root(self, *argv):
        subprocess.run(([] if os.geteuid() == 0 else ["sudo", "-n"]) + list(argv), check=True, stdout=subprocess.DEVNULL)

    def mount_small(self, size):
        """The state folder on a tmpfs of this size (bytes); grow() makes room."""
        os.makedirs(self.state, exist_ok=True)
        self.as_root("mount", "-t", "tmpfs", "-o", "size=%d,mode=0700,uid=%d,gid=%d" % (size, os.geteuid(), os.getegid()), "tmpfs", self.state)
        self.mounts.append(self.state)

    def grow(self, size=256 << 20):
        self.as_root("mount", "-o", "remount,size=%d" % size, self.state)

    def make_read_only(self):
        self.as_root("mount", "--bind", self.state, self.state)
        self.mounts.append(self.state)
        self.as_root("mount", "-o", "remount,ro,bind", self.state)

    def unmount(self):
        self.as_root("umount", "-l", self.mounts.pop())

    # --- what is there ---

    def run_ids(self):
        return sorted(os.path.basename(r) for r in glob.glob(self.state + "/agentbox/runs/*"))

    @property
    def run_id(self):
        ids = self.run_ids()
        if not ids:
            self.case.fail("there is no run folder")
        return ids[-1]

    def path(self, name="", run_id=None):
        return os.path.join(self.state, "agentbox/runs", run_id or self.run_id, name)

    def lines(self, run_id=None):
        """Whole lines of the journal."""
        try:
            with open(self.path("journal.jsonl", run_id), "rb") as f:
                return f.read().split(b"\n")[:-1]
        except OSError:
            return []

    def journal(self, run_id=None):
        return [json.loads(text) for text in self.lines(run_id)]

    def types(self):
        return [r["type"] for r in self.journal()]

    def until(self, condition, what, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            if all(p.popen.poll() is not None for p in self.processes) and not condition():
                self.case.fail("never happened: %s; %s" % (what, self.told(self.processes[-1]) if self.processes else ""))
            if time.monotonic() > end:
                self.case.fail("never happened: %s; journal: %s" % (what, " ".join(self.types()) if self.run_ids() else "-"))
            time.sleep(0.01)

    def until_record(self, kind, seconds=120, **fields):
        def there():
            return self.run_ids() and any(r["type"] == kind and all(r.get(k) == v for k, v in fields.items()) for r in self.journal())
        self.until(there, "%s %s" % (kind, fields or ""), seconds)

    def containers(self):
        return self.docker.of_runs(self.run_ids())[0] if self.run_ids() else []

    def sandbox(self):
        ids = self.docker.running(self.run_ids())
        return ids[0] if ids else None

    def remove_containers(self, gently=False):
        """Gone before the next step; `gently`: only killed, the remains stay."""
        for c in self.containers():
            self.docker.kill(c) if gently else self.docker.remove(c)

    def touch_go(self):
        for c in self.docker.running(self.run_ids()):
            self.docker.execute(c, "touch /tmp/go")

    def touch_go_always(self):
        """From now on in every sandbox of this box."""
        def loop():
            while not self.closed:
                try:
                    self.touch_go()
                except (OSError, ValueError, engine.http.client.HTTPException):
                    pass
                time.sleep(0.1)
        threading.Thread(target=loop, daemon=True).start()

    # --- what must hold ---

    def outputs(self, folder="result"):
        top, found = os.path.join(self.dir, folder), {}
        for here, _, names in os.walk(top):
            for name in names:
                with open(os.path.join(here, name), "rb") as f:
                    found[os.path.relpath(os.path.join(here, name), top)] = f.read()
        return found

    def check_chain(self, run_id=None):
        before = None
        for number, text in enumerate(self.lines(run_id), 1):
            record = json.loads(text)
            wanted = "0" * 64 if before is None else hashlib.sha256(before).hexdigest()
            self.case.check(record.get("seq") == number and record.get("prev") == wanted, "the chain breaks at line %d" % number)
            cut = text.rfind(b',"sum":"')
            if cut > 0:
                self.case.check(hashlib.sha256(text[:cut]).hexdigest() == record["sum"], "the sum of line %d is wrong" % number)
            before = text

    def verified(self, run_id=None):
        p = self.execute(["verify", run_id or self.run_id])
        self.case.check(p.status == 0, "verify is not content: " + self.told(p))

    def model_is_content(self):
        for text in self.model.violations[:5]:
            self.case.problems.append("model: " + text)

    def nothing_left(self):
        containers, volumes = self.docker.of_runs(self.run_ids())
        self.is_over = not containers
        self.case.check(not containers, "containers left: %d" % len(containers))
        self.case.check(not volumes, "volumes left: %s" % volumes)

    def story_out(self):
        """The outputs of the story are at their places, with one line for each call."""
        got = self.outputs()
        log = b" ".join(sorted(got.pop("log", b"(none)").split()))
        wanted = dict(STORY_OUT)
        self.case.check(log == wanted.pop("log"), "the log has: %r" % log)
        self.case.check(got == wanted, "outputs differ: %s" % sorted(k for k in set(got) | set(wanted) if got.get(k) != wanted.get(k)))

    def done(self, p, is_over=True):
        """p: the process that brought the run to its end."""
        case = self.case
        if p.status != 0:
            case.problems.append("it should have ended well: %s\njournal: %s" % (self.told(p), " ".join(self.types())))
        else:
            case.check(p.stdout == END + "\n" or p.out.startswith(b'{"seq"'), "stdout is %r" % p.stdout[:300])
        self.model_is_content()
        if self.is_story and p.status == 0:
            self.story_out()
            self.budgets()
        self.check_chain()
        self.verified()
        if is_over:
            self.nothing_left()
            self.no_secret()

    def ended_before(self):
        """The run had come to its good end when its process died: nothing but the container may be left, and goes with the run."""
        self.story_out()
        self.model_is_content()
        self.verified()
        p = self.execute(["rm", self.run_id])
        self.case.check(p.status == 0 and not self.containers(), "rm: " + self.told(p))
        self.nothing_left()

    def budgets(self):
        """Turns and calls are those of the story; every request was counted, none twice."""
        records = self.journal()
        ends = [r for r in records if r["type"] == "run.end"]
        end = ends[-1] if ends else {}
        turns, calls = len(self.turns) + 1, sum(len(t) for t in self.turns)
        undone = sum(r.get("turns_undone", 0) for r in records if r["type"] == "rollback")
        lost = sum(r.get("calls", 0) for r in records if r["type"] == "rollback")
        deaths = sum(r["type"] in ("run.resume", "rollback", "request.failed") or r.get("status") == "cut" for r in records)
        self.case.check(turns <= end.get("turns", 0) <= turns + undone + deaths, "%s turns, expected %d" % (end.get("turns"), turns))
        self.case.check(calls <= end.get("calls", 0) <= calls + lost + undone * 2, "%s calls, expected %d" % (end.get("calls"), calls))
        # What a request cost that was never answered is estimated from its size: up to 64 KiB of 'x' here.
        most = 300 * len(self.model.requests) + 2000 + 25000 * deaths
        self.case.check(2100 <= end.get("cost_micros", 0) <= most, "cost %s for %d requests, %d deaths" % (
            end.get("cost_micros"), len(self.model.requests), deaths))
        self.case.check(end.get("tokens", 0) >= 120 * turns, "%s tokens for %d turns" % (end.get("tokens"), turns))

    def no_secret(self):
        for here, _, names in os.walk(self.state):
            for name in names:
                with open(os.path.join(here, name), "rb") as f:
                    self.case.check(self.key.encode() not in f.read(), "the key is in %s" % name)

    # --- the end ---

    closed = is_over = False

    def sweep(self):
        containers, volumes = self.docker.of_runs(self.run_ids())
        names = [c["Names"] for c in self.docker.containers() if c["Id"] in containers] if containers else []
        for c in containers:
            self.docker.remove(c)
        for v in volumes:
            self.docker.remove_volume(v)
        return names

    def close(self, failed=False):
        self.closed = True
        for p in self.processes:
            if p.popen.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
                self.is_over = False
        self.model.stop()
        if self.run_ids():
            late = self.sweep()
            self.case.check(not late or failed or not self.is_over, "a container came after the end: %s" % late)
            if not self.is_over:
                time.sleep(0.2)  # what the engine was still about to make for a dead harness
                self.sweep()
        for mount in reversed(self.mounts):
            self.as_root("umount", "-l", mount)
        if failed and self.options.keep:
            self.case.problems.append("folder: " + self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
