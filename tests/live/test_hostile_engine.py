#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An engine that answers nonsense, lies, or dies, against the whole program:  test_hostile_engine.py AGENTBOX [--only TEXT] [--verbose] [--jobs N]

The real engine (DOCKER_HOST) stands behind a proxy that understands requests; each attack takes some of them over. What must
come of it: an exit status of the engine's or the policy's kind, words, no crash, no hang, bounded memory. A second part takes
every member of the create request away, one after the other: whatever an engine forgets must be found out before the first
call (or be harmless, and then the list says why). Prints TAP.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import engine  # noqa: E402

SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
MEMORY_MAX = 400 << 20
MANIFEST = """version: 1
name: hostile-engine
model: {name: test-model, base_url: "http://127.0.0.1:%d/v1", tool_style: native, retries: 0}
agent: {task: Do it., tools: [shell]}
sandbox: {image: "agentbox-demo:1", pull: never, memory: 64m}
workspace: {size: 16m}
limits: {wall: 10m, turns: 4}
"""
ATTACKS = []


def attack(path, exit=(4,), stderr=".", seconds=180):
    def register(fn):
        ATTACKS.append((fn.__name__, re.compile(path), fn, dict(exit=exit, stderr=stderr, seconds=seconds)))
        return fn
    return register


def reply(conn, status, body, headers=b"Content-Type: application/json\r\n"):
    conn.sendall(b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, headers, len(body), body))


VERSION = r"^GET /(_ping|version)"
CREATE, START, ATTACH = r"^POST /[^ ]*containers/create", r"^POST /[^ ]*/start", r"^POST /[^ ]*/attach"
INSPECT, IMAGE, ANY = r"^GET /[^ ]*containers/[0-9a-f]{12,}/json", r"^GET /[^ ]*images/", r"."


@attack(VERSION)
def never_answers(conn, head, body):
    time.sleep(400)


@attack(VERSION)
def answers_garbage(conn, head, body):
    conn.sendall(os.urandom(1000))


@attack(VERSION)
def version_is_garbage(conn, head, body):
    reply(conn, 200, b"\x00\xff{{{")


@attack(VERSION)
def version_is_a_list(conn, head, body):
    reply(conn, 200, b"[1,2,3]")


@attack(VERSION)
def version_is_odd(conn, head, body):
    reply(conn, 200, json.dumps({"ApiVersion": "9" * 100000 + ".x\x1b[2J", "MinAPIVersion": "-1"}).encode())


@attack(VERSION)
def version_is_endless(conn, head, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"ApiVersion\":\"")
    for _ in range(4096):
        conn.sendall(b"a" * (1 << 20))


@attack(VERSION)
def header_bomb(conn, head, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(1 << 20):
        conn.sendall(b"X: " + b"y" * 60000 + b"\r\n")


@attack(VERSION)
def slow_drip(conn, head, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(800):
        conn.sendall(b" ")
        time.sleep(0.5)


@attack(IMAGE)
def image_is_nested(conn, head, body):
    reply(conn, 200, b"[" * 200000 + b"]" * 200000)


@attack(IMAGE)
def image_says_nothing(conn, head, body):
    reply(conn, 200, b"{}")


@attack(IMAGE)
def image_is_odd(conn, head, body):
    reply(conn, 200, json.dumps({"Id": "sha256:\x1b[2J" + "a" * 500, "Os": "linux", "Architecture": "amd64", "RepoDigests": [1, None],
                                 "Config": {"Env": [1, "=", "A", "B=\0"], "Volumes": {"/\x1b[2J": {}}}}).encode(), b"")


@attack(IMAGE, exit=(4, 7))
def image_with_a_million_volumes(conn, head, body):
    reply(conn, 200, json.dumps({"Id": "sha256:" + "a" * 64, "Os": "linux", "Architecture": "amd64",
                                 "Config": {"Volumes": {"/v%d" % i: {} for i in range(1000000)}}}).encode())


@attack(CREATE)
def create_fails_with_escapes(conn, head, body):
    reply(conn, 500, json.dumps({"message": "\x1b[2J\x07 no\nnew lines " + "x" * 100000}).encode())


@attack(CREATE)
def create_gives_no_id(conn, head, body):
    reply(conn, 201, b"{}")


@attack(CREATE)
def create_gives_a_path_as_id(conn, head, body):
    reply(conn, 201, b'{"Id":"../../containers/x?y=1 HTTP/1.1\\r\\nX: y"}')


@attack(CREATE)
def create_gives_anothers_id(conn, head, body):
    reply(conn, 201, b'{"Id":"%s"}' % (b"ab" * 32))


@attack(CREATE)
def create_says_204(conn, head, body):
    conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


@attack(CREATE)
def create_closes(conn, head, body):
    pass


@attack(START)
def start_fails(conn, head, body):
    reply(conn, 500, b'{"message":"OCI runtime create failed"}')


@attack(START)
def start_does_nothing(conn, head, body):
    conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


@attack(START)
def start_never_answers(conn, head, body):
    time.sleep(400)


@attack(ATTACH)
def attach_is_refused(conn, head, body):
    reply(conn, 409, b'{"message":"is paused"}')


@attack(ATTACH)
def attach_is_no_stream(conn, head, body):
    reply(conn, 200, b'{"ok":true}')


@attack(ATTACH)
def attach_closes_at_once(conn, head, body):
    conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")


@attack(ATTACH)
def attach_never_speaks(conn, head, body):
    conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    time.sleep(400)


@attack(ATTACH)
def attach_speaks_garbage(conn, head, body):
    conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    for _ in range(4096):
        conn.sendall(os.urandom(1 << 16))


@attack(ATTACH)
def attach_speaks_without_end(conn, head, body):
    conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    piece = (b"\x01\x00\x00\x00\x00\x01\x00\x00" + b"A" * 65536) * 16
    for _ in range(4096):
        conn.sendall(piece)


@attack(ATTACH)
def attach_lies_about_lengths(conn, head, body):
    conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\x01\x00\x00\x00\xff\xff\xff\xff" + b"A" * 100000)
    time.sleep(400)


@attack(ATTACH)
def attach_writes_to_stderr(conn, head, body):
    conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\x02\x00\x00\x00\x00\x00\x00\x20"
                 b"\x1b[2Jagentbox-guest: it is all lie\n")


@attack(INSPECT, stderr="the engine does not describe the sandbox")
def inspect_is_empty(conn, head, body):
    reply(conn, 200, b"{}")


@attack(INSPECT, stderr="the engine does not describe the sandbox")
def inspect_is_garbage(conn, head, body):
    reply(conn, 200, b"{" * 100000)


@attack(INSPECT)
def inspect_is_gone(conn, head, body):
    reply(conn, 404, b'{"message":"No such container"}')


@attack(INSPECT, stderr="the engine does not describe the sandbox")
def inspect_of_another(conn, head, body):
    reply(conn, 200, b'{"Id":"%s","State":{"Running":true},"HostConfig":{},"Config":{"Labels":{}}}' % (b"cd" * 32))


# --- the proxy ---

class Proxy:
    """Passes requests on; `take(conn, head, body)` answers those that match itself."""

    def __init__(self, upstream, path, pattern=None, take=None, change=None):
        self.upstream, self.pattern, self.take, self.change, self.taken = upstream, pattern, take, change, 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(conn,), daemon=True).start()

    def one(self, conn):
        try:
            self.request(conn)
        except OSError:
            pass
        finally:
            conn.close()

    def request(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = conn.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"\ncontent-length: *(\d+)", head, re.I)
        while length and len(body) < int(length.group(1)):
            body += conn.recv(1 << 20)
        if self.pattern and self.pattern.search(head.decode("latin-1")) and b"agentbox-fill" not in head:
            self.taken += 1
            if self.take:
                self.take(conn, head, body)
                return
            body = self.change(body)
            head = re.sub(rb"(?i)\ncontent-length: *\d+", b"\ncontent-length: %d" % len(body), head)
        self.forward(conn, head, body)

    def forward(self, conn, head, body):
        up = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        up.connect(self.upstream)
        if b"upgrade" not in head.lower():
            head += b"\r\nConnection: close"
        up.sendall(head + b"\r\n\r\n" + body)
        threading.Thread(target=self.pump, args=(conn, up), daemon=True).start()
        self.pump(up, conn)

    @staticmethod
    def pump(source, target):
        try:
            while True:
                data = source.recv(1 << 16)
                if not data:
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


# --- the model: one call, then the end ---

def model(listener, calls):
    while True:
        try:
            conn, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=model_one, args=(conn, calls), daemon=True).start()


def event(kind, **fields):
    return b"data: " + json.dumps({"type": kind, **fields}).encode() + b"\n\n"


def model_one(conn, calls):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
    while len(body) < length:
        body += conn.recv(65536)
    is_first = b"shell_call_output" not in body
    item = {"id": "s", "type": "shell_call", "status": "completed", "call_id": "c1", "action": {"commands": ["id -u; echo ran"]}}
    if not is_first:
        calls.append(json.loads(body)["input"][-1])
        item = {"id": "m", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "fine", "annotations": []}]}
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" +
                 event("response.output_item.done", output_index=0, item=item) +
                 event("response.completed", response={"id": "r", "status": "completed", "output": [],
                                                       "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}))
    conn.close()


def run(agentbox, upstream, seconds, pattern=None, take=None, change=None):
    """(exit status, stderr, memory, seconds, calls that were answered, requests taken over, containers left)"""
    folder = tempfile.mkdtemp(prefix="agentbox-hostile-")
    calls = []
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=model, args=(listener, calls), daemon=True).start()
    proxy = Proxy(upstream, folder + "/engine.sock", pattern, take, change)
    with open(folder + "/manifest.yaml", "w", encoding="utf-8") as f:
        f.write(MANIFEST % listener.getsockname()[1])
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH")}
    env.update(HOME=folder, XDG_STATE_HOME=folder + "/state", OPENAI_API_KEY="k", LC_ALL="C.UTF-8", DOCKER_HOST="unix://" + folder +
               "/engine.sock", ASAN_OPTIONS="detect_leaks=1:quarantine_size_mb=1", UBSAN_OPTIONS="halt_on_error=1")
    begun = time.monotonic()
    with open(folder + "/err", "wb") as err:
        process = subprocess.Popen([agentbox, "run", "manifest.yaml"], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=err)
    killer = threading.Timer(seconds + 20, process.kill)
    killer.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    killer.cancel()
    proxy.listener.close()
    listener.close()
    with open(folder + "/err", "rb") as f:
        text = f.read()
    left = clean_up(upstream, folder)
    shutil.rmtree(folder)
    return process.returncode, text, used.ru_maxrss * 1024, time.monotonic() - begun, calls, proxy.taken, left


def clean_up(upstream, folder):
    """Removes what an engine that lied to its user has kept, and the helper that it did not let go; how many."""
    left = 0
    runs = os.listdir(folder + "/state/agentbox/runs") if os.path.isdir(folder + "/state/agentbox/runs") else []
    real = engine.Engine("unix://" + upstream)
    for container in real.of_runs(runs)[0] if runs else []:
        real.remove(container)
        left += 1
    return left


def judge_attack(agentbox, upstream, name, pattern, fn, want):
    status, err, memory, seconds, calls, taken, _ = run(agentbox, upstream, want["seconds"], pattern, take=fn)
    text, problems = err.decode("utf-8", "replace"), []
    if status not in want["exit"]:
        problems.append("exit status %d" % status)
    if not re.search(want["stderr"], text):
        problems.append("no '%s' on stderr" % want["stderr"])
    if calls:
        problems.append("a call was run: %s" % calls)
    if not taken:
        problems.append("nothing was attacked")
    if seconds > want["seconds"]:
        problems.append("took %.1f s" % seconds)
    if memory > MEMORY_MAX:
        problems.append("took %d MiB" % (memory >> 20))
    if SANITIZER.search(text):
        problems.append("a sanitizer spoke")
    if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", err):
        problems.append("control bytes on stderr")
    if problems:
        problems.append("stderr: " + text[-1200:])
    return problems, "exit %d, %.1f s, %d MiB: %s" % (status, seconds, memory >> 20, text.strip().splitlines()[-1][:150] if text.strip() else "")


# --- answers that get lost: what was asked for is done all the same ---

def lose_answers(upstream, conn, head, body):
    """The engine does it, and its answer is read to the end; nobody hears it."""
    up = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    up.connect(upstream)
    up.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
    while up.recv(65536):
        pass


def judge_lost(agentbox, upstream):
    status, err, _, seconds, calls, taken, left = run(agentbox, upstream, 180, re.compile(CREATE),
                                                      take=lambda *args: lose_answers(upstream, *args))
    problems = []
    if status != 0 or len(calls) != 1:
        problems.append("exit status %d, %d calls were run: %s" % (status, len(calls), err.decode("utf-8", "replace")[-800:]))
    if taken != 1:
        problems.append("%d containers were asked for" % taken)
    if left:
        problems.append("%d containers are left" % left)
    return problems, "exit %d, %.1f s" % (status, seconds)


# --- forgetting members of the create request ---

# What may be forgotten, and why that is harmless. Everything else must end in status 4 or 7 before the first call.
HARMLESS = {
    "Healthcheck": "the demo image has none", "Cmd": "the entrypoint is ours", "WorkingDir": "the guest changes folders itself",
    "Tty": "false anyway", "AttachStdin": "of the client only", "AttachStdout": "of the client only", "AttachStderr": "of the client only",
    "StdinOnce": "false anyway", "StopSignal": "never stopped, only killed", "StopTimeout": "never stopped, only killed",
    "HostConfig.Privileged": "false anyway", "HostConfig.CapAdd": "empty", "HostConfig.Devices": "empty",
    "HostConfig.DeviceCgroupRules": "empty", "HostConfig.Dns": "empty", "HostConfig.ExtraHosts": "empty",
    "HostConfig.PublishAllPorts": "false anyway", "HostConfig.PidMode": "own anyway", "HostConfig.UTSMode": "own anyway",
    "HostConfig.UsernsMode": "the engine's anyway", "HostConfig.CgroupParent": "the engine's anyway", "HostConfig.AutoRemove": "false anyway",
    "HostConfig.Init": "false anyway", "HostConfig.RestartPolicy": "none anyway", "HostConfig.OomKillDisable": "false anyway",
    "HostConfig.CpuShares": "a weight, no limit", "HostConfig.Sysctls": "shared memory is bounded by the container's", "NetworkDisabled": "NetworkMode does it too", "Env": "what the image has",
    "HostConfig.CgroupnsMode": "private where the engine's default is", "HostConfig.MemorySwap": "found out where the host has swap",
    "HostConfig.Ulimits[5]": "0 anyway", "HostConfig.Ulimits[6]": "0 anyway", "HostConfig.ReadonlyPaths": "the engine's own hold /proc/sys",
}


def forget(path):
    def change(body):
        tree = json.loads(body)
        at = tree
        *parents, last = path.split(".")
        for name in parents:
            at = at[name]
        at.pop(last)
        return json.dumps(tree).encode()
    return change


def forget_entry(path, key):
    def change(body):
        tree = json.loads(body)
        at = tree
        for name in path.split("."):
            at = at[name]
        if isinstance(at, dict):
            at.pop(key)
        else:
            at.pop(int(key))
        return json.dumps(tree).encode()
    return change


def asked_for(agentbox, upstream):
    """The create request as it is."""
    seen = []
    run(agentbox, upstream, 180, re.compile(CREATE), change=lambda body: (seen.append(json.loads(body)), body)[1])
    return seen[-1]


def members(body):
    for name in body:
        if name not in ("HostConfig", "Image"):
            yield name, forget(name)
    for name, value in body["HostConfig"].items():
        yield "HostConfig." + name, forget("HostConfig." + name)
        if name in ("Tmpfs", "SecurityOpt", "Mounts", "Ulimits", "MaskedPaths"):
            for i, key in enumerate(value):
                if name != "MaskedPaths" or i % 8 == 0:
                    key = key if isinstance(value, dict) else str(i)
                    yield "HostConfig.%s[%s]" % (name, key), forget_entry("HostConfig." + name, key)


def judge_forgotten(agentbox, upstream, name, change):
    status, err, _, seconds, calls, taken, _ = run(agentbox, upstream, 180, re.compile(CREATE), change=change)
    text = err.decode("utf-8", "replace")
    problems = []
    if name in HARMLESS:
        if status not in (0, 4, 7):
            problems.append("exit status %d" % status)
    elif status not in (4, 7) or calls:
        problems.append("exit status %d, %d calls were run" % (status, len(calls)))
    if not taken:
        problems.append("nothing was attacked")
    if SANITIZER.search(text):
        problems.append("a sanitizer spoke")
    if problems:
        problems.append("stderr: " + text[-800:])
    last = [line for line in text.splitlines() if "error" in line]
    return problems, "exit %d, %.1f s: %s" % (status, seconds, last[-1][:160] if last else "harmless: " + HARMLESS.get(name, "?"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--jobs", type=int, default=8, help="most attacks wait for a time limit")
    options = parser.parse_args()
    agentbox, upstream = os.path.abspath(options.agentbox), os.environ["DOCKER_HOST"].replace("unix://", "")
    jobs = [(name, lambda a=(name, pattern, fn, want): judge_attack(agentbox, upstream, *a)) for name, pattern, fn, want in ATTACKS]
    jobs.append(("create_answer_is_lost", lambda: judge_lost(agentbox, upstream)))
    jobs += [("forgets " + name, lambda a=(name, change): judge_forgotten(agentbox, upstream, *a))
             for name, change in members(asked_for(agentbox, upstream))]
    jobs = [job for job in jobs if options.only in job[0]]
    failed = 0
    print("1..%d" % len(jobs))
    pool = concurrent.futures.ThreadPoolExecutor(options.jobs)
    results = [(name, pool.submit(job)) for name, job in jobs]
    for number, (name, result) in enumerate(results, 1):
        problems, note = result.result()
        print("%sok %d - %s" % ("not " if problems else "", number, name), flush=True)
        if problems or options.verbose:
            print("# " + note)
        for line in "\n".join(problems).splitlines():
            print("#   " + line)
        failed += bool(problems)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
