#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the program against the Docker Engine's own ways, in one run on one machine.  See scripts/bench.

Every figure is a median, shown beside what it is compared with and as their ratio. Comparisons run in turn (A B A B),
so that a machine that changes its speed changes both. Nothing here passes or fails.
"""
import argparse
import datetime
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from bench_egress import row_egress  # noqa: E402
from bench_mcp import row_mcp  # noqa: E402
from bench_tools import row_container, row_patch, row_search, row_stdin  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGE = "agentbox-demo:1"
KEY = "sk-bench"
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a file system that costs nothing, for both sides


# --- the engine, spoken to directly ---

class Engine:
    """One kept connection for ordinary requests, a new one for each hijacked stream, as a good client would."""

    def __init__(self):
        self.path = os.environ["DOCKER_HOST"].replace("unix://", "")
        self.sock = None

    def _connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(self.path)
        return s

    @staticmethod
    def _send(s, method, path, body, extra=""):
        data = b"" if body is None else json.dumps(body).encode()
        head = "%s /v1.41%s HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (
            method, path, extra, len(data))
        s.sendall(head.encode() + data)

    @staticmethod
    def _head(f):
        status = int(f.readline().split()[1])
        headers = {}
        for line in iter(f.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    @classmethod
    def _answer(cls, f):
        status, headers = cls._head(f)
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(f.readline().split(b";")[0], 16)
                body += f.read(size)
                f.readline()
                if size == 0:
                    break
        else:
            body = f.read(int(headers.get("content-length", 0)))
        return status, body

    def call(self, method, path, body=None):
        if self.sock is None:
            self.sock = self._connect()
            self.file = self.sock.makefile("rb")
        self._send(self.sock, method, path, body)
        status, text = self._answer(self.file)
        if status >= 400:
            raise RuntimeError("%s %s: %d %s" % (method, path, status, text.decode("utf-8", "replace")))
        return json.loads(text) if text else None

    def hijack(self, path, body=None):
        s = self._connect()
        self._send(s, "POST", path, body, "Connection: Upgrade\r\nUpgrade: tcp\r\n")
        f = s.makefile("rb")
        status, _ = self._head(f)
        if status not in (101, 200):
            raise RuntimeError("POST %s: %d" % (path, status))
        return s, f

    def create(self, body):
        return self.call("POST", "/containers/create", body)["Id"]

    def remove(self, container):
        self.call("DELETE", "/containers/%s?force=1&v=1" % container)

    def execute(self, container, cmd, feed=None, sink=None):
        """create + start + until EOF + inspect. Output (without its chunk heads) goes to `sink` when given."""
        spec = {"Cmd": cmd, "AttachStdout": True, "AttachStderr": True, "AttachStdin": feed is not None}
        exec_id = self.call("POST", "/containers/%s/exec" % container, spec)["Id"]
        s, f = self.hijack("/exec/%s/start" % exec_id, {"Detach": False, "Tty": False})
        if feed is not None:
            with open(feed, "rb") as source:
                s.sendfile(source)
            s.shutdown(socket.SHUT_WR)
        while True:
            head = f.read(8)
            if len(head) < 8:
                break
            data = f.read(int.from_bytes(head[4:], "big"))
            if sink is not None:
                sink.write(data)
        s.close()
        return self.call("GET", "/exec/%s/json" % exec_id)["ExitCode"]


# --- the program under test ---

def peak_kib(pid):
    """Of the program itself: what wait4 tells is at least what this script's own process had when it forked."""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next((int(line.split()[1]) for line in f if line.startswith("VmHWM")), 0)  # 0: it has ended already


class Bench:
    def __init__(self, program, work):
        self.program, self.work, self.engine = os.path.abspath(program), work, Engine()
        self.count = 0

    def manifest(self, port, **more):
        base = {"version": 1, "name": "bench", "model": {"name": "scripted", "base_url": "http://127.0.0.1:%d/v1" % port},
                "agent": {"task": "measure"}, "sandbox": {"image": IMAGE, "pull": "never"},
                "limits": {"repeat": 1000, "command": "10m"}}
        for key, value in more.items():
            base.setdefault(key, {}).update(value) if isinstance(value, dict) else base.update({key: value})
        path = os.path.join(self.work, "bench%d.yaml" % self.count)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(base, f)
        return path

    def serve(self, turns, agents=None):
        """A scripted model, and those of subagents: (process, its port, its log)."""
        self.count += 1
        script, log = os.path.join(self.work, "script.json"), os.path.join(self.work, "log%d.jsonl" % self.count)
        with open(script, "w", encoding="utf-8") as f:
            json.dump({"turns": turns, "schema": False, "agents": agents or {}}, f)
        server = subprocess.Popen([sys.executable, os.path.join(HERE, "model_server.py"), script, "--key", KEY, "--log", log,
                                   "--no-schema"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return server, int(server.stdout.readline().split()[1]), log

    def run(self, turns, agents=None, **more):
        """One whole run against a scripted model; what was seen from outside and what its journal says."""
        server, port, log = self.serve(turns, agents)
        state = os.path.join(self.work, "state%d" % self.count)
        env = dict(os.environ, XDG_STATE_HOME=state, OPENAI_API_KEY=KEY)
        path = self.manifest(port, **more)
        start = time.monotonic()
        child = subprocess.Popen([self.program, "run", "--quiet", path], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.read(1)
        shown = time.monotonic() - start
        peak = peak_kib(child.pid)
        child.stdout.read()
        errors = child.stderr.read().decode()
        _, status = os.waitpid(child.pid, 0)
        total = time.monotonic() - start
        server.stdin.close()
        if server.wait() != 0 or status != 0:
            raise RuntimeError("the run failed (%d): %s" % (status, errors))
        with open(log, encoding="utf-8") as f:
            events = [json.loads(line) for line in f]
        return {"shown": shown, "total": total, "rss_kib": peak, "events": events, "journal": journal_of(state)}

    def resume(self, turns, lose=False, **more):
        """A run whose harness is killed while the model is silent at request number `stall` of the turns, and its sandbox with
        it if it shall; then resumed. ms from the start of `resume` to the first byte of each request after that."""
        server, port, log = self.serve(turns)
        state = os.path.join(self.work, "state%d" % self.count)
        env = dict(os.environ, XDG_STATE_HOME=state, OPENAI_API_KEY=KEY)
        stalled = 1 + next(i for i, turn in enumerate(turns) if "stall_after" in turn)
        child = subprocess.Popen([self.program, "run", "--quiet", self.manifest(port, **more)], env=env, stdout=subprocess.DEVNULL)
        while len(requests_of(log)) < stalled:
            time.sleep(0.005)
        time.sleep(0.3)  # the last call's checkpoint shall be there
        child.kill()
        child.wait()
        run_id = os.listdir(os.path.join(state, "agentbox", "runs"))[0]
        if lose:
            for c in self.engine.call("GET", "/containers/json?all=1"):
                if run_id in json.dumps(c["Names"]):
                    self.engine.remove(c["Id"])
        start = time.monotonic_ns()
        done = subprocess.run([self.program, "resume", "--quiet", run_id], env=env, capture_output=True, check=False)
        server.stdin.close()
        if server.wait() != 0 or done.returncode != 0:
            raise RuntimeError("the resume failed (%d): %s" % (done.returncode, done.stderr.decode()))
        return [(ns - start) / 1e6 for ns in requests_of(log)[stalled:]]

    def create_body(self):
        plan = subprocess.run([self.program, "plan", "--json", self.manifest(1)], check=True, capture_output=True,
                              env=dict(os.environ, OPENAI_API_KEY=KEY))
        return json.loads(plan.stdout)["plan"]["sandbox"]["request"]

    def sleeper(self, **host):
        """A container of the same shape that just waits, to run execs in."""
        body = self.create_body()
        body["Entrypoint"], body["Cmd"], body["Image"] = [], ["sleep", "600"], IMAGE
        body["HostConfig"]["Mounts"] = []
        body["HostConfig"].update(host)
        container = self.engine.create(body)
        self.engine.call("POST", "/containers/%s/start" % container)
        return container


def journal_of(state):
    runs = os.path.join(state, "agentbox", "runs")
    with open(os.path.join(runs, os.listdir(runs)[0], "journal.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def requests_of(log):
    """When the first byte of each request came, ns."""
    with open(log, encoding="utf-8") as f:
        events = [json.loads(line) for line in f if line.endswith("\n")]
    return [e["first_ns"] for e in events if e["kind"] == "request"]


def checkpoints(result):
    """(record, ms from its begin to its end) of each checkpoint."""
    out, begun = [], None
    for r in result["journal"]:
        if r["type"] == "checkpoint.begin":
            begun = r["ms"]
        elif r["type"] == "checkpoint.done" and begun is not None:
            out.append((r, r["ms"] - begun))
            begun = None
    return out


def calls(n, command="echo hi"):
    return [{"reply": [{"shell": [command], "call_id": "c%d" % i}]} for i in range(n)] + [{"reply": [{"message": "done"}]}]


def turnarounds(result):
    """From the end of each stream to the first byte of the next request, in ms."""
    ends = {e["n"]: e["end_ns"] for e in result["events"] if e["kind"] == "end"}
    begins = {e["n"]: e["first_ns"] for e in result["events"] if e["kind"] == "request"}
    return [(begins[n + 1] - ends[n]) / 1e6 for n in sorted(ends) if n + 1 in begins]


def model_ms(result):
    """What the model itself took: from the first byte of each request to the end of its stream."""
    ends = {e["n"]: e["end_ns"] for e in result["events"] if e["kind"] == "end"}
    begins = {e["n"]: e["first_ns"] for e in result["events"] if e["kind"] == "request"}
    return sum(ends[n] - begins[n] for n in ends) / 1e6


def record(result, kind, last=False):
    found = [r for r in result["journal"] if r["type"] == kind]
    return found[-1 if last else 0]["ms"]


def timed(fn):
    start = time.monotonic()
    fn()
    return (time.monotonic() - start) * 1e3


def spawn_hi():
    """As few steps as a script can take: subprocess.run would cost as much again as the shell itself."""
    reader, writer = os.pipe()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo hi"], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
    os.close(writer)
    while os.read(reader, 64):
        pass
    os.close(reader)
    os.waitpid(pid, 0)


def append_durably(fd):
    os.write(fd, b"x" * 700)  # about what a turn adds to the journal
    os.fdatasync(fd)


def after_a_pause(fn, *args):
    """As it is between two turns of a model: what runs all the time is warm, and nothing here does."""
    time.sleep(0.002)
    return timed(lambda: fn(*args))


def floor_ms(work):
    """What no program can save as long as intents are durable before their effects: the shell itself, and two appends."""
    with open(os.path.join(work, "floor"), "wb", buffering=0) as f:
        syncs = statistics.median(after_a_pause(append_durably, f.fileno()) for _ in range(100))
    return statistics.median(after_a_pause(spawn_hi) for _ in range(100)), syncs


# --- rows ---

def row_turn(b, out):
    result = b.run(calls(60))
    ours = statistics.median(turnarounds(result)[5:])
    container = b.sleeper()
    theirs = statistics.median(timed(lambda: b.engine.execute(container, ["true"])) for _ in range(15))
    b.engine.remove(container)
    out("tool call turnaround, `echo hi`, median", "%.2f ms" % ours, "Engine exec of `true`: %.1f ms" % theirs,
        "%.0f times less" % (theirs / ours), "<= 2 ms and >= 50 times less")
    with tempfile.TemporaryDirectory(dir=MEMORY) as work:
        quick = statistics.median(turnarounds(Bench(b.program, work).run(calls(60)))[5:])
    out("the same with the state folder in memory", "%.2f ms" % quick, "on disk: %.2f ms" % ours, "%.2f" % (quick / ours), "")
    shell, sync = floor_ms(b.work)
    floor = shell + 2 * sync
    out("the same beside the least it can be here: `sh -c 'echo hi'` on the host, and two durable appends", "%.2f ms" % ours,
        "%.2f ms + 2 x %.2f ms = %.2f ms, %.0f times less than the exec" % (shell, sync, floor, theirs / floor), "%.2f" % (ours / floor), "")
    slow = b.run([dict(t, delay_ms=200) for t in calls(1)])
    out("the sandbox's part of a first turn whose model answers after 200 ms", "%.1f ms" % turnarounds(slow)[0],
        "model: 200 ms", "%.2f" % (turnarounds(slow)[0] / 200), "< 20 ms")


def bare_start(b, body):
    """create + attach + start of the same container by hand: ms, and ms of its removal."""
    ids = []

    def start():
        ids.append(b.engine.create(body))
        s, _ = b.engine.hijack("/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1" % ids[0])
        b.engine.call("POST", "/containers/%s/start" % ids[0])
        s.close()
    took = timed(start)
    return took, timed(lambda: b.engine.remove(ids[0]))


def row_start(b, out):
    body = b.create_body()
    b.run(calls(1))
    ours, theirs = [], []
    for _ in range(9):
        result = b.run(calls(1))
        ours.append(record(result, "call.end") - record(result, "sandbox.intent"))
        theirs.append(bare_start(b, body)[0])
    out("create -> first tool result, median", "%.0f ms" % statistics.median(ours),
        "bare create+attach+start: %.0f ms" % statistics.median(theirs),
        "%.2f" % (statistics.median(ours) / statistics.median(theirs)), "<= 1.15")


def row_run(b, out):
    body = b.create_body()
    ours, shown, theirs, model = [], [], [], []
    for _ in range(7):
        result = b.run(calls(20))
        ours.append(result["total"] * 1e3)
        model.append(model_ms(result))
        shown.append(result["shown"] * 1e3)
        start, removal = bare_start(b, body)
        theirs.append(start + removal + 20)
    out("whole run of 20 tool calls, median", "%.0f ms" % statistics.median(ours),
        "cold start + removal + 20 x 1 ms: %.0f ms" % statistics.median(theirs),
        "%.2f" % (statistics.median(ours) / statistics.median(theirs)), "<= 1.5")
    out("the same without the time that the scripted model itself took", "%.0f ms" % (statistics.median(ours) - statistics.median(model)),
        "the model: %.0f ms" % statistics.median(model),
        "%.2f" % ((statistics.median(ours) - statistics.median(model)) / statistics.median(theirs)), "<= 1.5")
    out("its result on stdout, median", "%.0f ms" % statistics.median(shown), "end of the process: %.0f ms" % statistics.median(ours),
        "%.2f" % (statistics.median(shown) / statistics.median(ours)), "removal does not delay the result")


def row_memory(b, out):
    result = b.run(calls(20))
    out("peak resident memory of the harness, 20 calls", "%.1f MiB" % (result["rss_kib"] / 1024), "", "", "<= 12 MiB")
    stripped = os.path.join(b.work, "stripped")
    subprocess.run(["strip", "-o", stripped, b.program], check=True)
    out("size of the stripped program, guest inside", "%.0f KiB" % (os.path.getsize(stripped) / 1024), "", "", "<= 1 MiB")
    for folder, _, names in os.walk(os.path.dirname(b.program)):
        for name in names:
            if name == "agentbox-guest":
                out("size of the guest", "%.0f KiB" % (os.path.getsize(os.path.join(folder, name)) / 1024), "", "", "<= 150 KiB")


def row_flood(b, out):
    def shout(count):
        return b.run(calls(1, "echo first; head -c %d /dev/zero; echo last" % count))
    small, flood = shout(1 << 20), shout(1 << 30)
    end = [r for r in flood["journal"] if r["type"] == "call.end"][0]
    answer = json.dumps([e["body"]["input"] for e in flood["events"] if e["kind"] == "request"][-1])
    out("1 GiB of output from one command: harness memory", "%.1f MiB" % (flood["rss_kib"] / 1024),
        "with 1 MiB of output: %.1f MiB" % (small["rss_kib"] / 1024), "%.2f" % (flood["rss_kib"] / small["rss_kib"]), "unchanged")
    kept = "first\\n" in answer and "last\\n" in answer
    out("the same: the call returned after", "%.1f s" % (end["duration_ms"] / 1000),
        "head and tail kept: %s" % ("yes" if kept else "NO"), "", "returns, both kept")


def row_verify(b, out):
    """What verification adds: from the engine's answer to start, without which nothing could go on, to the record that the lock-down
    holds. The guest is asked while the engine still starts, so beside it stands the time since its first word. A relay notes both."""
    sys.path.insert(0, os.path.join(HERE, "torture"))
    import relay
    host, started, spoke, added, asked, whole = os.environ["DOCKER_HOST"], [], [], [], [], []

    def attach(owner, conn, head, body):
        owner.match = ("POST /containers/ID/start", start)
        up, data = owner.open(conn, head, body), b""
        threading.Thread(target=owner.pump, args=(conn, up), daemon=True).start()
        while b"\r\n\r\n" not in data or data.endswith(b"\r\n\r\n"):
            piece = up.recv(1 << 16)
            if not piece:
                return
            data += piece
            now = time.time() * 1e3
            conn.sendall(piece)
        spoke.append(now)
        owner.pump(up, conn)

    def start(owner, conn, head, body):
        up = owner.open(conn, head, body)
        answer = b"".join(iter(lambda: up.recv(1 << 16), b""))
        started.append(time.time() * 1e3)
        conn.sendall(answer)
    between = relay.Relay(host, os.path.join(b.work, "relay"))
    os.environ["DOCKER_HOST"] = between.host
    try:
        for n in range(1, 16):
            between.match = ("POST /containers/ID/attach", attach)
            journal = b.run(calls(1))["journal"]
            if (len(started), len(spoke)) != (n, n):
                raise RuntimeError("the relay did not see start and the guest's first word")
            ready = [r for r in journal if r["type"] == "sandbox.ready"][0]
            until = datetime.datetime.fromisoformat(ready["time"].replace("Z", "+00:00")).timestamp() * 1e3 + 0.5  # of a millisecond that was cut off
            added.append(until - started[-1])
            asked.append(until - spoke[-1])
            whole.append(ready["ms"] - [r for r in journal if r["type"] == "sandbox.intent"][0]["ms"])
    finally:
        os.environ["DOCKER_HOST"] = host
        between.stop()
    added, asked, whole = (statistics.median(x) for x in (added, asked, whole))
    out("verifying every row of the lock-down at start: added to it, median", "%.1f ms" % added,
        "since the guest's first word: %.1f ms; create to ready: %.0f ms" % (asked, whole), "%.3f" % (added / whole), "< 10 ms")


def row_frames(b, out):
    """The host's decoder alone, in one thread, fed with what a guest may say."""
    program = os.path.join(os.path.dirname(b.program), "tests/bench_frames")
    for line in subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        what, bytes_rate, frame_rate = line.split("\t")
        out(what, bytes_rate, frame_rate, "", "")


def make_tree(top, files, size):
    os.makedirs(top)
    for i in range(files):
        folder = os.path.join(top, "d%02d" % (i % 50))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "f%05d" % i), "wb") as f:
            f.write(os.urandom(64) * (size // 64))


def tar_both_ways(b, source, take=None):
    """The same tree in and out by tar over Engine exec: ms each. `take`: a shell command that takes what comes out."""
    container = b.sleeper(Memory=4 << 30, MemorySwap=4 << 30, Tmpfs={"/workspace": "rw,size=2147483648,uid=65532,gid=65532,mode=0700"})
    archive = os.path.join(b.work, "in.tar")

    def into():
        with tarfile.open(archive, "w") as tar:
            tar.add(source, "data")
        b.engine.execute(container, ["tar", "-x", "-C", "/workspace"], feed=archive)

    def out_of():
        with tempfile.TemporaryDirectory(dir=b.work) as folder:
            tar = subprocess.Popen(["bash", "-c", take] if take else ["tar", "-x"], cwd=folder, stdin=subprocess.PIPE)
            b.engine.execute(container, ["tar", "-c", "-C", "/workspace", "data"], sink=tar.stdin)
            tar.stdin.close()
            tar.wait()
    times = timed(into), timed(out_of)
    b.engine.remove(container)
    return times


def row_copy(b, out):
    for title, files, size in (("5,000 files of 4 KiB", 5000, 4096), ("one file of 100 MiB", 1, 100 << 20)):
        source = os.path.join(b.work, "tree%d" % files)
        make_tree(source, files, size)
        ours_in, ours_out, theirs_in, theirs_out = [], [], [], []
        for i in range(3):
            target = os.path.join(b.work, "collected%d-%d" % (files, i))
            # a model takes its time; without any, the first checkpoint would still be read beside the outputs
            result = b.run([{"reply": [{"message": "done"}], "delay_ms": 3000}],
                           workspace={"size": "2g", "entries": {"data": {"type": "local_dir", "src": source}}},
                           outputs=[{"path": "data", "to": target}])
            ours_in.append(record(result, "workspace.ready") - record(result, "workspace.begin"))
            ours_out.append(record(result, "outputs.end") - record(result, "outputs.begin"))
            shutil.rmtree(target)
            tar_in, tar_out = tar_both_ways(b, source)
            theirs_in.append(tar_in)
            theirs_out.append(tar_out)
        for word, ours, theirs in (("in", ours_in, theirs_in), ("out", ours_out, theirs_out)):
            out("%s copied %s, median" % (title, word), "%.0f ms" % statistics.median(ours),
                "tar over Engine exec: %.0f ms" % statistics.median(theirs),
                "%.2f" % (statistics.median(ours) / statistics.median(theirs)), "< 1")


class Commits:
    """`docker commit` of a container with the same tree: put into it, as a workspace is; or `is_apart`, when its image has the
    tree already, so that only the change has to be kept."""

    def __init__(self, b, source, is_apart):
        self.b, self.images = b, []
        archive = os.path.join(b.work, "commit.tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(source, "data")
        self.container = self.sleeper(IMAGE)
        b.engine.execute(self.container, ["tar", "-x", "-C", "/home"], feed=archive)
        if is_apart:
            image = self.commit()
            b.engine.remove(self.container)
            self.container = self.sleeper(image)

    def sleeper(self, image):
        body = {"Image": image, "Cmd": ["sleep", "600"], "User": "0:0", "NetworkDisabled": True, "HostConfig": {"LogConfig": {"Type": "none"}}}
        container = self.b.engine.create(body)
        self.b.engine.call("POST", "/containers/%s/start" % container)
        return container

    def commit(self):
        self.images.append(self.b.engine.call("POST", "/commit?container=%s" % self.container, {})["Id"])
        return self.images[-1]

    def one(self, command):
        """ms of the commit after this change."""
        self.b.engine.execute(self.container, ["sh", "-c", "cd /home/data; " + command])
        return timed(self.commit)

    def close(self):
        self.b.engine.remove(self.container)
        for image in reversed(self.images):
            try:
                self.b.engine.call("DELETE", "/images/%s?force=1" % image)
            except RuntimeError:
                pass  # it went with its last child


def with_tree(source):
    return {"size": "2g", "entries": {"data": {"type": "local_dir", "src": source}}}


def row_checkpoint(b, out):
    source, change = os.path.join(b.work, "tree"), "head -c 4096 /dev/urandom > d07/new"
    make_tree(source, 5000, 4096)
    inside, apart = Commits(b, source, False), Commits(b, source, True)
    ours, theirs, least = [], [], []
    for _ in range(3):
        result = b.run(calls(10, "cd data; " + change), workspace=with_tree(source))
        ours += [ms for r, ms in checkpoints(result) if not r.get("same")][1:]
        theirs += [inside.one(change) for _ in range(3)]
        least += [apart.one(change) for _ in range(3)]
    inside.close()
    apart.close()
    ours, theirs, least = statistics.median(ours), statistics.median(theirs), statistics.median(least)
    out("checkpoint after a call that changed one file of 4 KiB, 5,000 files, median", "%.1f ms" % ours,
        "`docker commit` of the same change: %.0f ms" % theirs, "1/%.0f" % (theirs / max(ours, 0.5)), "< 1/20 and < 15 ms")
    out("the same beside a commit that finds the 5,000 files in its image", "%.1f ms" % ours, "`docker commit`: %.0f ms" % least,
        "1/%.0f" % (least / max(ours, 0.5)), "")


def row_unchanged(b, out):
    source = os.path.join(b.work, "tree")
    make_tree(source, 20000, 64)
    result = b.run(calls(15, "ls data | wc -l"), workspace=with_tree(source))
    same = [ms for r, ms in checkpoints(result) if r.get("same")]
    stored = sum(not r.get("same") for r, _ in checkpoints(result))
    out("checkpoint when nothing changed, 20,000 files, median", "%.1f ms" % statistics.median(same),
        "%d checkpoints, %d stored (the first)" % (len(same) + stored, stored), "", "< 40 ms, nothing stored")


# What a checkpoint has to do with the bytes beside getting them: the digest of what is in it, and of the pack itself.
SAME_WORK = "tee >(openssl dgst -sha256 >/dev/null) | zstd -q -1 | tee pack | openssl dgst -sha256 >/dev/null; wait"


def row_bulk(b, out):
    source = os.path.join(b.work, "tree")
    make_tree(source, 100, 1 << 20)
    for i in range(100):  # as the sandbox will have it: nothing to press together
        with open(os.path.join(source, "d%02d" % (i % 50), "f%05d" % i), "wb") as f:
            f.write(os.urandom(1 << 20))
    ours, theirs, carried, least = [], [], [], []
    for _ in range(3):
        result = b.run(calls(1, "for i in $(seq 100); do head -c 1048576 /dev/urandom > f$i; done"), workspace={"size": "2g"})
        ours += [ms for r, ms in checkpoints(result) if r.get("new_bytes", 0) >= 100 << 20]
        archive = os.path.join(b.work, "host.tar.zst")
        theirs.append(timed(lambda: subprocess.run(["tar", "--zstd", "-cf", archive, "-C", source, "."], check=True)))
        carried.append(tar_both_ways(b, source)[1])
        least.append(tar_both_ways(b, source, SAME_WORK)[1])
    ours, theirs, carried, least = (statistics.median(x) for x in (ours, theirs, carried, least))
    out("checkpoint of 100 MiB of new data, median", "%.0f ms" % ours, "`tar --zstd` of such a tree on the host: %.0f ms" % theirs,
        "%.2f of its speed" % (theirs / ours), ">= 0.5 of its speed")
    out("the same beside getting such a tree out of a container", "%.0f ms" % ours, "tar over Engine exec, neither hashed nor compressed: "
        "%.0f ms" % carried, "%.2f" % (ours / carried), "")
    out("the same beside tools that do the same work", "%.0f ms" % ours, "tar over Engine exec, hashed, compressed and hashed: %.0f ms, "
        "%.2f of the speed of `tar --zstd`" % (least, theirs / least), "%.2f" % (ours / least), "")


def row_overhead(b, out):
    command, on, off = "echo x >> file", [], []
    for _ in range(5):
        on.append(b.run(calls(100, command), limits={"turns": 200})["total"] * 1e3)
        off.append(b.run(calls(100, command), limits={"turns": 200}, checkpoint={"every": "off"})["total"] * 1e3)
    on, off = statistics.median(on), statistics.median(off)
    out("run of 100 calls that each change one small file, state folder in memory, median", "%.0f ms" % on,
        "without checkpoints: %.0f ms" % off, "%+.0f %%" % (100 * (on - off) / off), "< +20 %")


def silent(n, command="echo hi"):
    """n calls, a request that is never answered, one more call, the end."""
    return calls(n, command)[:-1] + [{"reply": [{"message": "never"}], "stall_after": 1}] + [
        {"reply": [{"shell": ["echo again"], "call_id": "again"}]}, {"reply": [{"message": "done"}]}]


def row_resume(b, out):
    ours = [b.resume(silent(3, "echo x >> file"))[0] for _ in range(7)]
    version = statistics.median(timed(lambda: subprocess.run([b.program, "version"], check=True, stdout=subprocess.DEVNULL)) for _ in range(15))
    out("harness killed, sandbox alive: `resume` to the next request, median", "%.0f ms" % statistics.median(ours),
        "`agentbox version`: %.1f ms" % version, "", "< 100 ms")


def row_restore(b, out):
    source = os.path.join(b.work, "tree")
    make_tree(source, 5000, 4096)
    body = b.create_body()
    ours, theirs = [], []
    for _ in range(5):
        ours.append(b.resume(silent(2, "echo x >> data/more"), lose=True, workspace=with_tree(source))[1])
        theirs.append(bare_start(b, body)[0] + tar_both_ways(b, source)[0])
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    out("sandbox lost, 5,000 files of 4 KiB: `resume` to the end of the next call, median", "%.0f ms" % ours,
        "cold start + untar over Engine exec: %.0f ms" % theirs, "%.2f" % (ours / theirs), "< 2")


def row_agents(b, out):
    """Each: a sandbox of its own, a command of a fifth of a second, an answer."""
    count, turns = 8, calls(1, "sleep 0.2; echo hi")
    worker = {"type": "agent", "name": "worker", "manifest": {
        "version": 1, "model": {"name": "below"}, "agent": {"tools": ["shell"]}, "sandbox": {"image": IMAGE, "pull": "never"}}}
    asked = [{"call": "worker", "arguments": {"task": "task %d" % i}, "call_id": "w%d" % i} for i in range(count)]
    together, apart = [], []
    for _ in range(3):
        result = b.run([{"reply": asked}, {"reply": [{"message": "done"}]}], agents={"below": {"turns": turns, "runs": count}},
                       agent={"tools": ["shell", worker]})
        together.append(result["total"] * 1e3)
        apart.append(sum(b.run(turns)["total"] * 1e3 for _ in range(count)))
    ours, theirs = statistics.median(together), statistics.median(apart)
    out("8 subagents at once, and the run that called them", "%.0f ms" % ours, "8 runs one after another: %.0f ms" % theirs,
        "%.2f" % (ours / theirs), "< 0.5")


ROWS = {"turn": row_turn, "start": row_start, "run": row_run, "memory": row_memory, "flood": row_flood, "verify": row_verify, "frames": row_frames, "copy": row_copy,
        "checkpoint": row_checkpoint, "unchanged": row_unchanged, "bulk": row_bulk, "overhead": row_overhead, "resume": row_resume,
        "restore": row_restore, "patch": row_patch, "stdin": row_stdin, "container": row_container, "search": row_search,
        "egress": row_egress, "agents": row_agents, "mcp": row_mcp}
IN_MEMORY = ("copy", "checkpoint", "unchanged", "bulk", "overhead", "restore", "patch", "stdin", "container", "search")
WITH_TESTS = ("egress",)  # of the program that is built with tests: only that one can be led to servers on this machine


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--with-tests", metavar="PROGRAM", help="the same, configured with -Dtests=enabled")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    lines = []

    def out(what, ours, beside, ratio, aim):
        lines.append({"what": what, "ours": ours, "beside": beside, "ratio": ratio, "aim": aim})
        print("| %s | %s | %s | %s | %s |" % (what, ours, beside, ratio, aim), flush=True)

    print("| what | agentbox | beside it | ratio | aim |\n|---|---|---|---|---|")
    for name in options.rows or ROWS:
        if name not in ROWS:
            parser.error("no row '%s'; there are: %s" % (name, " ".join(ROWS)))
        if name in WITH_TESTS and not options.with_tests:
            parser.error("row '%s' needs --with-tests" % name)
        with tempfile.TemporaryDirectory(dir=MEMORY if name in IN_MEMORY else None) as work:
            ROWS[name](Bench(options.with_tests if name in WITH_TESTS else options.program, work), out)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"version": 1, "rows": lines}, f, indent=2)


if __name__ == "__main__":
    main()
