#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the program against the Docker Engine's own ways, in one run on one machine.  See scripts/bench.

Every figure is a median, shown beside what it is compared with and as their ratio. Comparisons run in turn (A B A B),
so that a machine that changes its speed changes both. Nothing here passes or fails.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

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
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


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

    def run(self, turns, **more):
        """One whole run against a scripted model; what was seen from outside and what its journal says."""
        self.count += 1
        state = os.path.join(self.work, "state%d" % self.count)
        script, log = os.path.join(self.work, "script.json"), os.path.join(self.work, "log%d.jsonl" % self.count)
        with open(script, "w", encoding="utf-8") as f:
            json.dump({"turns": turns, "schema": False}, f)
        server = subprocess.Popen([sys.executable, os.path.join(HERE, "model_server.py"), script, "--key", KEY, "--log", log,
                                   "--no-schema"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().split()[1])
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
        runs = os.path.join(state, "agentbox", "runs")
        with open(os.path.join(runs, os.listdir(runs)[0], "journal.jsonl"), encoding="utf-8") as f:
            journal = [json.loads(line) for line in f]
        return {"shown": shown, "total": total, "rss_kib": peak, "events": events, "journal": journal}

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
    floor = statistics.median(timed(spawn_hi) for _ in range(100))
    out("the same beside a plain `sh -c 'echo hi'` on the host", "%.2f ms" % ours, "spawn, read, wait: %.2f ms" % floor,
        "%.2f" % (ours / floor), "")
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


def make_tree(top, files, size):
    os.makedirs(top)
    for i in range(files):
        folder = os.path.join(top, "d%02d" % (i % 50))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "f%05d" % i), "wb") as f:
            f.write(os.urandom(64) * (size // 64))


def tar_both_ways(b, source):
    """The same tree in and out by tar over Engine exec: ms each."""
    container = b.sleeper(Memory=4 << 30, MemorySwap=4 << 30, Tmpfs={"/workspace": "rw,size=2147483648,uid=65532,gid=65532,mode=0700"})
    archive = os.path.join(b.work, "in.tar")

    def into():
        with tarfile.open(archive, "w") as tar:
            tar.add(source, "data")
        b.engine.execute(container, ["tar", "-x", "-C", "/workspace"], feed=archive)

    def out_of():
        with tempfile.TemporaryDirectory(dir=b.work) as folder:
            tar = subprocess.Popen(["tar", "-x", "-C", folder], stdin=subprocess.PIPE)
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
            result = b.run([{"reply": [{"message": "done"}]}],
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


ROWS = {"turn": row_turn, "start": row_start, "run": row_run, "memory": row_memory, "flood": row_flood, "copy": row_copy}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
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
        with tempfile.TemporaryDirectory(dir=MEMORY if name == "copy" else None) as work:
            ROWS[name](Bench(options.program, work), out)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"version": 1, "rows": lines}, f, indent=2)


if __name__ == "__main__":
    main()
