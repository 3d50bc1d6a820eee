#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every verb against a run, a model, an engine, a manifest and an environment whose every string is hostile:
test_hostile_strings.py AGENTBOX [--only TEXT] [--verbose]

Each verb is run twice: with pipes, and on a terminal of its own. Whatever it prints, no byte of it may be one that a terminal
would act upon, but for newlines, tabs, and on the terminal the colours and the live line of our own; and no text of somebody
else's may begin a line (FORGED below), where one would take it for ours. What is data and goes to a pipe (the result, a patch)
is the exception, and is checked to be as it was. Prints TAP. Needs an engine (DOCKER_HOST) with agentbox-demo:1.
"""
import argparse
import hashlib
import http.server
import json
import os
import pty
import re
import select
import shutil
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time

SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
FORGED = "FORGED"
# Clear, title, link, clipboard, answer back, colours that hide, cursor, charset; overwriting; DEL, C1, direction, no width,
# separators, tags, annotation.
EVIL = ("\x1b[31mCOLOUR\x1b[2J\x1b[H\x1b]0;title\x07\x1b]8;;http://x.test\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;ZXZpbA==\x07\x1bP$q\x1b\\\x1b[6n\x1b[8m\x1b[31mCOLOUR\x1b[?25l"
        "\x1b(0\x1bc\x0e\x08\x08\x0c\x0b\r" + FORGED + "\x7f\x85\x9b2J\x9d0;t\x9c\u202edesrever\u202c\u2066i\u2069\u200b\u200d\u00ad\u2028" + FORGED +
        "\u2029\ufeff\u061c\u200f\U000e0041\ufff9\n" + FORGED + ": agentbox: error: no\r\n" + FORGED)
SHORT = "\x1b[2J\r\n%s\x9b\u202e\u200b" % FORGED
NAME = "n\x1b[2J\r\x7f\u202e\n%s\u0085" % FORGED  # of files; no slash, and beneath 255 bytes
LONG = SHORT + "x" * 100000
SOFT = "p\u202edesrever\u200b\u2028%s\ufeff" % FORGED  # a manifest's paths hold no control characters
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")
OURS = re.compile("\r\x1b\\[K|\x1b\\[(0|1|2|31|32|33|36|1;31)m")
LINE_MAX = 32 * 1024
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


# --- what is printed ---

def judge(data, is_terminal, is_text=True, may_begin_lines=False):
    """Problems of what came."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        return ["no UTF-8: %r" % data[max(0, e.start - 40):e.end + 20]]
    problems = []
    shown = OURS.sub("", text) if is_terminal else text
    for found in list(UNSAFE.finditer(shown))[:3]:
        problems.append("U+%04X in %r" % (ord(found.group()), shown[max(0, found.start() - 60):found.end() + 20]))
    if "mCOLOUR" in text and re.search("\x1b\\[[0-9;]*mCOLOUR", text):
        problems.append("a colour that is not ours")
    if not may_begin_lines and re.search(r"^[+ -]?%s" % FORGED, shown, re.M):
        problems.append("a line that is not ours: %r" % shown[max(0, shown.find("\n" + FORGED) - 80):][:200])
    if is_text and max(map(len, shown.split("\n"))) > LINE_MAX:
        problems.append("a line of %d characters" % max(map(len, shown.split("\n"))))
    if SANITIZER.search(text):
        problems.append("a sanitizer spoke")
    return problems + (["stderr: " + text[-1500:]] if SANITIZER.search(text) else [])


def raw_terminal():
    """Two ends of a terminal that changes no byte, 100 columns wide."""
    import fcntl
    import termios
    top, end = pty.openpty()
    mode = termios.tcgetattr(end)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(end, termios.TCSANOW, mode)
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    return top, end


class Program:
    def __init__(self, agentbox, folder, **env):
        self.agentbox, self.folder = os.path.abspath(agentbox), folder
        self.env = {k: v for k, v in os.environ.items() if k in ("PATH", "DOCKER_HOST", "LD_LIBRARY_PATH")}
        self.env.update(HOME=folder, XDG_STATE_HOME=folder + "/state", OPENAI_API_KEY="sk-test", LC_ALL="C.UTF-8", TERM="xterm",
                        ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1", **env)

    def piped(self, *args, stdin=b""):
        done = subprocess.run([self.agentbox, *args], cwd=self.folder, env=self.env, input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def on_terminal(self, *args):
        top, end = raw_terminal()
        process = subprocess.Popen([self.agentbox, *args], cwd=self.folder, env=self.env, stdin=end, stdout=end, stderr=end)
        os.close(end)
        data, until = b"", time.monotonic() + 300
        while time.monotonic() < until and select.select([top], [], [], 300)[0]:
            try:
                piece = os.read(top, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            data += piece
        os.close(top)
        process.kill()
        return process.wait(), data

    def check(self, *args, is_data=False, exits=None, **how):
        """Both ways; problems."""
        status, out, err = self.piped(*args)
        problems = judge(err, False, **how) + ([] if is_data else judge(out, False, is_text="--json" not in args and args[0] != "attest", **how))
        if exits is not None and status != exits:
            problems.append("exit status %d instead of %d: %r" % (status, exits, err[-400:]))
        if "--json" in args and out:
            for document in out.decode("utf-8").splitlines() if args[0] in ("logs", "run") else [out]:
                json.loads(document)
        _, shown = self.on_terminal(*args)
        problems += judge(shown, True, is_text="--json" not in args and args[0] != "attest", **how)
        return ["%s: %s" % (" ".join(args)[:60].encode("unicode_escape").decode(), p) for p in problems]


# --- a model ---

def event(kind, **fields):
    return b"data: " + json.dumps({"type": kind, **fields}, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n\n"


class Model:
    """Answers each request with the next of its turns: lists of items, or bytes as they are."""

    def __init__(self, turns):
        self.turns, model = list(turns), self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                turn = model.turns.pop(0) if len(model.turns) > 1 else model.turns[0]
                self.close_connection = True
                if isinstance(turn, bytes):
                    self.wfile.write(turn)
                    return
                data = event("response.reasoning_summary_text.delta", delta=EVIL) + event("response.output_text.delta", delta=EVIL)
                data += b"".join(event("response.output_item.done", output_index=i, item=x) for i, x in enumerate(turn))
                data += event("response.completed", response={"id": "r" + EVIL, "status": "completed", "model": "m" + EVIL, "output": [],
                                                              "usage": {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}})
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: q\x1b[2J\x9b\r\nConnection: close\r\n\r\n" + data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda request, address: None  # a client that has heard enough
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/v1" % self.server.server_port


def message(text):
    return {"id": "m" + SHORT, "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}


def shell(*commands, call_id="c" + SHORT):
    return {"id": "s", "type": "shell_call", "status": "completed", "call_id": call_id,
            "action": {"commands": list(commands), "timeout_ms": None, "max_output_length": None}}


def quoted(text):
    return "\"$(printf '%s.')\"" % "".join("\\%03o" % b for b in text.encode())  # a command substitution keeps no newline at its end


MANIFEST = """version: 1
name: strings
description: %(evil)s
params: {p: {default: %(evil)s}}
model: {name: %(evil)s, base_url: "%(url)s", tool_style: native, retries: 0}
agent: {task: %(evil)s, tools: [shell]}
sandbox: {image: "agentbox-demo:1", pull: never, memory: 64m}
workspace: {size: 16m, entries: {%(name)s: {type: file, content: %(evil)s}, "d/%(bare)s": {type: file, content: x}}}
outputs: [{path: %(name)s, to: %(name)s}, {path: out, to: "o/%(bare)s/"}, {path: %(long)s}]
limits: {wall: 200s, turns: 6}
"""


def yaml(text):
    """A quoted scalar with everything odd escaped."""
    return '"%s"' % "".join(c if c.isascii() and c.isalnum() else "\\U%08x" % ord(c) for c in text)


def manifest(folder, url, text=MANIFEST):
    words = {"evil": yaml(EVIL), "name": yaml(SOFT), "bare": yaml(SOFT)[1:-1], "long": yaml("y" + SOFT), "url": url}
    for name in ("manifest.yaml", NAME + ".yaml"):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text % words)


COMMANDS = ["mkdir -p out; cat d/* >out/%s; printf '\\033[2J\\r\\n%s\\200\\377' | tee out/bytes; printf a >f" % (quoted(NAME), FORGED),
            "echo b >>f; printf '\\033]0;x\\007\\n%s\\n' >>f; ln -s %s l; exit 3 # %s" % (FORGED, quoted(NAME), SHORT.replace("\n", " "))]


def turns(final):
    return [[shell(COMMANDS[0]), shell(COMMANDS[1], call_id="d" + SHORT), shell("true; # " + LONG.replace("\n", " "), call_id="e")],
            [{"type": "function_call", "id": "f", "status": "completed", "call_id": "u", "name": "tool" + EVIL, "arguments": EVIL},
             {"type": "alien" + SHORT, "x": EVIL}],
            [{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": EVIL}]}, message(final)]]


# --- an engine ---

class Engine:
    """Answers everything, with nothing but hostile strings."""

    def __init__(self, folder):
        self.path = folder + "/engine.sock"
        engine = self
        labels = {"agentbox.run": EVIL, "agentbox.owner": EVIL, "agentbox.deadline": "1", "agentbox.attempt": EVIL, "agentbox.guest": EVIL}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "-"

            def log_message(self, *args):
                pass

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body, status = engine.body(self.path)
                data = json.dumps(body, ensure_ascii=False).encode("utf-8")
                self.wfile.write(b"HTTP/1.1 %d X\x1b[2J\r\nContent-Type: application/json\r\nServer: \x1b[2J\r\nContent-Length: %d\r\n\r\n" %
                                 (status, len(data)) + data)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a client that has heard enough

        self.labels = labels
        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def body(self, path):
        if path.endswith("/version"):
            return {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": EVIL, "Os": "linux", "Arch": "amd64", "KernelVersion": EVIL,
                    "Components": [{"Name": EVIL, "Version": EVIL}]}, 200
        if "/containers/json" in path:
            return [{"Id": "ab" * 32, "Names": ["/agentbox-" + EVIL], "Image": EVIL, "State": EVIL, "Status": EVIL, "Labels": self.labels}], 200
        if "/volumes?" in path:
            return {"Volumes": [{"Name": "v" + EVIL, "Driver": EVIL, "Labels": self.labels}], "Warnings": [EVIL]}, 200
        if path.endswith("/info"):
            return {k: EVIL for k in ("OperatingSystem", "KernelVersion", "Driver", "CgroupDriver", "CgroupVersion", "DefaultRuntime", "OSType",
                                      "Name", "ServerVersion")} | {"SecurityOptions": [EVIL, "name=" + EVIL], "Runtimes": {EVIL: {"path": EVIL}},
                                                                   "DriverStatus": [[EVIL, EVIL]], "Warnings": [EVIL], "NCPU": 1, "MemTotal": 1}, 200
        return {"message": EVIL + " " + LONG[:3000], "errorDetail": {"message": EVIL}}, 500


# --- a run that is only told of ---

def journal(records):
    """Lines with their chain."""
    prev, lines = "0" * 64, []
    for seq, record in enumerate(records, 1):
        line = json.dumps({"seq": seq, "time": "2026-11-22T01:30:00.123Z", "ms": seq, **record, "prev": prev}, ensure_ascii=False,
                          separators=(",", ":"))[:-1]
        line += ",\"sum\":\"%s\"}" % hashlib.sha256(line.encode()).hexdigest()
        prev = hashlib.sha256(line.encode()).hexdigest()
        lines.append(line)
    return ("\n".join(lines) + "\n").encode()


def told_records(item_of):
    """One of each type; item_of gives the JSON of an item."""
    sha = "a" * 64
    failure = {"attempt": 1, "code": EVIL, "message": EVIL, "hint": EVIL}
    rows = [{"name": EVIL, "state": "verified", "asked": EVIL, "found": EVIL}, {"name": EVIL, "state": EVIL, "asked": LONG[:5000], "found": EVIL}]
    yield {"type": "run.begin", "format": 1, "id": EVIL, "name": EVIL, "program": EVIL, "manifest": EVIL, "host": EVIL, "boot": EVIL, "pid": 1,
           "model": EVIL, "base_url": EVIL, "parent": EVIL, "parent_seq": 3, "parent_line": EVIL}
    yield {"type": "input.item", "item": item_of(EVIL)}
    yield {"type": EVIL, "anything": EVIL}
    yield {"type": "sandbox.start", "attempt": 1, "image": EVIL, "engine": EVIL}
    yield {"type": "sandbox.intent", "attempt": 1, "backend": EVIL, "engine": EVIL, "engine_version": EVIL, "api_version": EVIL, "image": EVIL,
           "image_id": EVIL, "image_digest": EVIL, "container_name": EVIL, "rows": rows}
    yield {"type": "sandbox.ready", "attempt": 1, "container_id": EVIL, "container_name": EVIL, "guest_boot": EVIL, "guest_build": EVIL, "rows": rows}
    yield {"type": "sandbox.scan", "attempt": 1, "image": EVIL, "image_id": EVIL, "image_digest": EVIL, "command": [{"text": EVIL}, {"text": LONG[:5000]}], "answer": EVIL,
           "exit": 1, "age_ms": 1, "duration_ms": 1, "output": EVIL, "message": EVIL}
    yield {"type": "workspace.begin", "attempt": 1, "files": 1, "folders": 1, "links": 1, "bytes": 1}
    yield {"type": "input.done", "path": EVIL, "files": 1, "size": 1, "sha256": EVIL}
    yield {"type": "workspace.ready", "attempt": 1, "files": 1, "folders": 1, "links": 1, "bytes": 1, "tree": EVIL}
    yield {"type": "request.begin", "turn": 1, "try": 1, "items": 1, "items_sent": 1, "body": EVIL, "body_bytes": 1, "tool_style": EVIL, "previous": EVIL}
    yield {"type": "request.failed", "turn": 1, "try": 1, "code": EVIL, "message": EVIL, "hint": EVIL, "http_status": 500, "will_retry": True,
           "retry_ms": 1, "repair": EVIL, "request_id": EVIL}
    yield {"type": "request.begin", "turn": 1, "try": 2, "items": 1, "items_sent": 1, "body": sha}
    yield {"type": "request.item", "turn": 1, "output_index": 0, "kind": "call", "item_type": EVIL, "call": 1, "call_id": EVIL, "tool": EVIL,
           "title": LONG, "item": item_of(EVIL)}
    yield {"type": "request.end", "turn": 1, "status": "completed", "reason": EVIL, "message": EVIL, "response_id": EVIL, "request_id": EVIL, "model": EVIL}
    yield {"type": "call.begin", "turn": 1, "call": 1, "call_id": EVIL, "tool": EVIL, "exec_id": 1}
    yield {"type": "call.end", "turn": 1, "call": 1, "call_id": EVIL, "outcome": EVIL, "summary": EVIL, "same": "a" * 64, "answer": item_of(EVIL),
           "streams": [{"name": EVIL, "size": 1, "kept": 1, "text": EVIL}]}
    for number, port in ((1, 443), (2, 2 ** 62), (3, -1), (4, 443)):
        yield {"type": "egress.allow", "number": number, "call": 1, "method": EVIL, "host": EVIL, "port": port, "rule": EVIL}
        yield {"type": "egress.end", "number": number, "call": 1, "method": EVIL, "host": EVIL, "port": port, "rule": EVIL, "address": EVIL, "status": 200,
               "bytes_up": 2 ** 63 - 1, "bytes_down": 2 ** 63 - 1, "duration_ms": -1, "denied": number == 2, "reason": EVIL}
    yield {"type": "egress.deny", "number": 5, "method": EVIL, "host": LONG, "port": 80, "rule": EVIL, "reason": EVIL, "allow": EVIL}
    yield {"type": "egress.deny", "number": 6, "host": "", "reason": LONG, "allow": LONG}
    yield {"type": "egress.total", "connections": 2 ** 63 - 1, "allowed": -1, "denied": 1, "bytes_up": -1, "bytes_down": 2 ** 63 - 1}
    yield {"type": "checkpoint.begin", "number": 1, "turn": 1, "calls": 1}
    yield {"type": "checkpoint.failed", **failure}
    yield {"type": "outputs.begin", "count": 2}
    yield {"type": "output.done", "path": EVIL, "to": "/" + EVIL, "files": 1, "size": 1, "sha256": EVIL}
    yield {"type": "output.failed", "path": EVIL, "to": EVIL, "code": EVIL, "message": EVIL}
    yield {"type": "outputs.end", "count": 2, "code": "output", "message": EVIL, "hint": EVIL}
    yield {"type": "interrupt", "signum": 2, "signal": EVIL}
    yield {"type": "limit.hit", "limit": EVIL, "value": 1, "max": 1}
    yield {"type": "run.end", "state": "limit", "reason": EVIL, "code": "limit", "message": EVIL, "hint": EVIL, "exit": 6, "turns": 1, "calls": 1,
           "tokens": 1, "cost_micros": 1, "kept": True}


def told_run(folder, records, name="20261122-013000-k3x9ab"):
    run = "%s/state/agentbox/runs/%s" % (folder, name)
    os.makedirs(run + "/objects", mode=0o700)
    for path, data in (("journal.jsonl", journal(records)), ("lock", b""), ("manifest.json", json.dumps({"version": 1, EVIL: EVIL}).encode())):
        with open(run + "/" + path, "wb") as f:
            f.write(data)
    open(run + "/" + NAME, "w").close()  # something that does not belong there
    return run


# --- the tests ---

class Context:
    def __init__(self, agentbox, folder):
        self.agentbox, self.folder = agentbox, folder
        self.program = Program(agentbox, folder)

    def run(self, final):
        model = Model(turns(final))
        manifest(self.folder, model.url)
        return model


FINAL = EVIL.replace(FORGED, "final")


@test
def a_run_and_its_result(c):
    c.run(FINAL)
    status, out, err = c.program.piped("run", "manifest.yaml")
    problems = judge(err, False)
    if status != 0:
        problems.append("exit status %d: %r" % (status, err[-600:]))
    if out != FINAL.encode() + b"\n":
        problems.append("the result in a pipe is not what it was: %r" % out)
    c.run(FINAL)
    _, shown = c.program.on_terminal("run", NAME + ".yaml")
    problems += judge(shown, True)
    if b"\\x1b]52;c;" not in shown:
        problems.append("the result is not shown: %r" % shown[-400:])
    return problems


@test
def a_run_to_a_terminal_by_its_name(c):
    c.run(FINAL)
    top, end = raw_terminal()
    done = subprocess.run([c.program.agentbox, "run", "-q", "-o", os.ttyname(end), "manifest.yaml"], cwd=c.folder, env=c.program.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    data = os.read(top, 65536) if select.select([top], [], [], 10)[0] else b""
    os.close(top)
    os.close(end)
    return judge(data, True) + judge(done.stderr, False) + ([] if b"\\x1b]52" in data else ["nothing was shown: %r" % data])


@test
def a_run_as_events(c):
    c.run(FINAL)
    problems = c.program.check("run", "manifest.yaml", "--json")
    c.run(FINAL)
    return problems + c.program.check("run", "manifest.yaml", "-q", "--json", "-o", "result")


@test
def what_verbs_say_of_a_run(c):
    problems = []
    c.run(FINAL)
    status, _, err = c.program.piped("run", "manifest.yaml")
    if status != 0:
        return ["exit status %d: %r" % (status, err[-600:])]
    with open(os.path.join(c.folder, SOFT), "ab") as f:
        f.write(b"x")  # an output that is no longer what it was
    with open(os.path.join(c.folder, "attestation"), "w", encoding="utf-8") as f:
        json.dump({"_type": EVIL, EVIL: EVIL}, f, ensure_ascii=False)
    status, out, _ = c.program.piped("attest", "last")
    with open(os.path.join(c.folder, NAME + "2"), "wb") as f:
        f.write(out.replace(b"strings", b"str\\u001b[2J"))
    for args in (["ls"], ["ls", "--json"], ["show", "last"], ["show", "last", "--json"], ["logs", "last"], ["logs", "last", "--json"],
                 ["logs", "-f", "last"], ["diff", "last", "--stat"], ["diff", "last", "--json"], ["verify", "last"], ["verify", "last", "--json"],
                 ["verify", "last", "--outputs"], ["verify", "last", "--attestation", "attestation"], ["verify", "last", "--outputs", "--json"],
                 ["verify", "last", "--attestation", NAME + "2"], ["verify", "last", "--attestation", NAME + "2", "--json"],
                 ["verify", "last", "--outputs-in", EVIL], ["attest", "last"], ["outputs", "last"], ["outputs", "last", "--json"],
                 ["export", "last", "e" + NAME, "--json"], ["export", "last", "e" + NAME], ["export", "last", NAME + ".tar"],
                 ["fork", "last", "--no-run", "--", EVIL], ["resume", "last"], ["diff", "last@" + SHORT]):
        problems += c.program.check(*args, is_data=args[0] == "resume")
    status, out, err = c.program.piped("diff", "last")
    problems += judge(err, False)
    if b"+\x1b[2J\r\n" not in out:
        problems.append("the patch in a pipe is not what it was: %r" % out[:400])
    problems += judge(c.program.on_terminal("diff", "last")[1], True, may_begin_lines=True)
    shown = c.program.on_terminal("export", "last", "-")[1]
    problems += judge(shown, True) + ([] if b"an archive is nothing for a terminal" in shown else ["export: %r" % shown[:200]])
    return problems


@test
def a_replay(c):
    c.run(FINAL)
    c.program.piped("run", "manifest.yaml")
    return c.program.check("replay", "last~" + SHORT) + c.program.check("replay", "last", may_begin_lines=True) + \
        c.program.check("replay", "last", "--json")


@test
def a_replay_that_differs(c):
    c.run(FINAL)
    model = Model([[shell("cat /proc/sys/kernel/random/uuid; printf '\\033[2J\\033]0;x\\007\\r\\n%s\\n'" % FORGED)], [message("done")]])
    manifest(c.folder, model.url)
    c.program.piped("run", "manifest.yaml")
    return c.program.check("replay", "last", exits=1, may_begin_lines=True)


@test
def answers_of_a_server(c):
    body = json.dumps({"error": {"message": EVIL, "type": EVIL, "code": EVIL, "param": EVIL}}, ensure_ascii=False).encode()
    head = b"HTTP/1.1 %d X\x1b[2J\r\nContent-Type: application/json\r\nx-request-id: q\x1b[2J\r\nRetry-After: \x1b[2J\r\nContent-Length: %d\r\n\r\n%s"
    answers = [head % (status, len(body), body) for status in (400, 401, 403, 404, 429, 500)]
    answers += [b"HTTP/1.1 307 X\r\nLocation: http://x.test/\x1b[2J\x9b\r\nContent-Length: 0\r\n\r\n",
                b"HTTP/1.1 502 X\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(EVIL.encode()), EVIL.encode()),
                EVIL.encode() + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/\x1b[2J\x9b\r\n\r\n" + EVIL.encode(),
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event("error", code=EVIL, message=EVIL, param=EVIL),
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event(
                    "response.failed", response={"id": EVIL, "status": "failed", "error": {"code": EVIL, "message": EVIL}}),
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event(
                    "response.incomplete", response={"id": EVIL, "status": "incomplete", "incomplete_details": {"reason": EVIL}, "output": []}),
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event("response.output_item.done", output_index=0, item=message(
                    "x") | {"content": [{"type": "refusal", "refusal": EVIL}]}) + event("response.completed", response={"id": "r", "status": "completed"})]
    problems = []
    for answer in answers:
        manifest(c.folder, Model([answer]).url)
        problems += c.program.check("run", "manifest.yaml", is_data=True, may_begin_lines=b"refusal" in answer)
        problems += c.program.check("show", "last")
    return problems


@test
def a_run_that_is_told(c):
    run = told_run(c.folder, told_records(lambda text: {"type": "message", "role": "user", "content": text}))
    problems = []
    for args in (["ls"], ["ls", "--json"], ["show", "last"], ["show", "last", "--json"], ["logs", "last"], ["logs", "last", "--json"],
                 ["egress", "last"], ["egress", "last", "--json"],
                 ["verify", "last"], ["verify", "last", "--json"], ["attest", "last"], ["outputs", "last"], ["diff", "last"], ["replay", "last"],
                 ["resume", "last"], ["fork", "last", "--", "x"], ["export", "last", "x"]):
        problems += c.program.check(*args)
    status, out, _ = c.program.piped("logs", "last")
    if status != 0 or out.count(b"\\x1b[2J") < 15:
        problems.append("its records are not shown (exit %d): %r" % (status, out))
    status, out, err = c.program.piped("egress", "last")
    if status != 0 or out.count(b"\\x1b[2J") < 8:
        problems.append("what left it is not shown (exit %d): %r %r" % (status, out, err))
    status, out, err = c.program.piped("egress", "last", "--json")
    if status != 0 or json.loads(out)["hosts"][0]["host"] != EVIL:
        problems.append("what left it is not told (exit %d): %r %r" % (status, out[:400], err))
    shutil.rmtree(run)
    return problems


@test
def a_run_whose_every_string_is_hostile(c):
    """A journal that goes wrong after each record in turn."""
    problems = []
    records = list(told_records(lambda text: {"type": text, "role": text, "content": text}))
    for i, record in enumerate(records):
        broken = {**record, **{k: EVIL for k, v in record.items() if isinstance(v, (int, str)) and k != "type"}}
        run = told_run(c.folder, records[:i] + [broken])
        for args in (["show", "last"], ["logs", "last"], ["verify", "last"], ["egress", "last"]):
            status, out, err = c.program.piped(*args)
            problems += judge(out, False) + judge(err, False)
        shutil.rmtree(run)
    return problems


@test
def an_engine(c):
    engine = Engine(c.folder)
    url = "unix://" + engine.path
    problems = []
    for args in (["gc", "--engine", url], ["gc", "-n", "--engine", url], ["gc", "--json", "-n", "--engine", url], ["doctor", "--engine", url],
                 ["doctor", "--json", "--engine", url],
                 ["scan", "x:1", "--set", "sandbox.engine=" + url, "--set", "sandbox.scan.command=[cat, %s]" % yaml(EVIL)]):
        problems += c.program.check(*args)
    status, out, _ = c.program.piped("gc", "-n", "--engine", url)
    if status != 0 or b"\\x1b[2J" not in out:
        problems.append("gc shows none of it (exit %d): %r" % (status, out))
    c.run(FINAL)
    c.program.env["DOCKER_HOST"] = url
    problems += c.program.check("run", "manifest.yaml", exits=4) + c.program.check("show", "last") + c.program.check("plan", "manifest.yaml")
    told_run(c.folder, told_records(lambda text: {"type": "message", "role": "user", "content": text}))
    return problems + c.program.check("rm", "20261122", "--engine", url)


@test
def a_manifest(c):
    problems = []
    c.run(FINAL)
    for name in ("manifest.yaml", NAME + ".yaml"):
        for args in (["validate", name], ["validate", name, "--json"], ["plan", name], ["plan", name, "--json"],
                     ["plan", name, "-p", "p=" + EVIL], ["plan", name, "--", EVIL + LONG[:20000]]):
            problems += c.program.check(*args)
    wrong = MANIFEST.replace("name: strings", "name: %(evil)s").replace("outputs:", "%(evil)s: %(evil)s\noutputs:").replace("memory: 64m", "memory: %(evil)s")
    manifest(c.folder, "http://x.test/", wrong + "%(evil)s: {%(evil)s: [%(evil)s]}\n")
    for name in ("manifest.yaml", NAME + ".yaml"):
        for args in (["validate", name], ["validate", name, "--json"], ["plan", name], ["run", name]):
            problems += c.program.check(*args)
    for text in (EVIL, "version: 1\nname: a\n\x1b[2J: x\n", "version: 1\nx: \"\x9b\u202e\n", "version: 1\nname: [" + LONG, "\x00\x1b\xff"):
        with open(os.path.join(c.folder, "manifest.yaml"), "wb") as f:
            f.write(text.encode("utf-8"))
        for args in (["validate", "manifest.yaml"], ["validate", "manifest.yaml", "--json"]):
            problems += c.program.check(*args)
    return problems


SCANNED = MANIFEST.replace("pull: never", "pull: never, scan: {command: [%(scanner)s, %(evil)s, \"{image}\"]}")
# What it says; and how it ends: it accepts, refuses, gave no answer, is killed, takes too long, cannot be started.
SCANNERS = [("accepts", "exit 0", 0), ("refuses", "exit 1", 7), ("fails", "exit 126", 7), ("dies", "kill -SEGV $$", 7), ("floods", "yes \"$2\"", 7)]


def scanner(c, ending):
    """Its name is hostile, as are its arguments, which it says."""
    path = os.path.join(c.folder, SOFT + ".sh")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nprintf '%s\\n' \"$@\"\nprintf '%s\\n' \"$@\" >&2\n" + ending + "\n")
    os.chmod(path, 0o755)
    return "./" + SOFT + ".sh"


@test
def a_scanner(c):
    problems = []
    for what, ending, status in SCANNERS:
        name = scanner(c, ending)
        manifest(c.folder, Model(turns(FINAL)).url, SCANNED.replace("%(scanner)s", yaml(name).replace("%", "%%")))
        scan = ["scan", "manifest.yaml", "--set", "sandbox.scan.timeout=60"]
        for args in (scan, scan + ["--json"], scan + ["--quiet"]):
            problems += ["%s: %s" % (what, p) for p in c.program.check(*args, exits=status)]
        problems += c.program.check("run", "manifest.yaml", "--set", "sandbox.scan.timeout=60", is_data=True, exits=status)
        for args in (["show", "last"], ["show", "last", "--json"], ["logs", "last"], ["plan", "manifest.yaml"], ["validate", "manifest.yaml"],
                     ["plan", "manifest.yaml", "--json"], ["ls"], ["doctor"]):
            problems += ["%s: %s" % (what, p) for p in c.program.check(*args)]
    shown = c.program.piped(*scan)[1]
    if b"\\x1b" not in shown:
        problems.append("what it said is not shown: %r" % shown[:300])
    manifest(c.folder, "http://127.0.0.1:1/v1", SCANNED.replace("%(scanner)s", "%(evil)s"))
    for args in (["scan", "manifest.yaml"], ["scan", NAME + ".yaml", "--json"], ["run", "manifest.yaml"], ["plan", "manifest.yaml"],
                 ["scan", "agentbox-demo:1", "--set", "sandbox.scan=" + EVIL], ["scan", "nosuch\u202eimage:1", "--set", "sandbox.scan.command=[cat]"]):
        problems += c.program.check(*args)
    return problems


@test
def what_may_leave(c):
    problems = []
    hosts = [EVIL, SHORT, "x" + SOFT + ".test", "example.org:" + SOFT, "b\u00fccher.example", "[::1" + SHORT, "*." + SOFT]
    fine = "network: {allow: [{host: api.example.org, paths: [/x], inject: {name: x-key, value: {from_env: %(evil)s}}}, example.org]}\n"
    for text in ["network: {allow: [%s]}\n" % yaml(host) for host in hosts] + [
            "network: {allow: [{host: %s, methods: [%s], paths: [%s]}]}\n" % ((yaml(EVIL),) * 3),
            "network: {allow: [{host: a.example.org, methods: [%s]}]}\n" % yaml(EVIL),
            "network: {allow: [{host: a.example.org, paths: [%s]}]}\n" % yaml("/" + SOFT),
            "network: {%s: %s, allow: [example.org]}\n" % (yaml(EVIL), yaml(EVIL)), "network: %s\n" % yaml(LONG[:3000]), fine]:
        manifest(c.folder, "http://127.0.0.1:1/v1", MANIFEST + text.replace("%(evil)s", yaml(EVIL)))
        for args in (["validate", "manifest.yaml"], ["validate", "manifest.yaml", "--json"], ["plan", "manifest.yaml"], ["plan", "manifest.yaml", "--json"],
                     ["run", "manifest.yaml"], ["plan", "--untrusted", "manifest.yaml"]):
            problems += c.program.check(*args)
    return problems


@test
def what_a_command_asks_for(c):
    """Heads of requests that no client would send, to the door of a real sandbox."""
    heads = ["CONNECT %s:443 HTTP/1.1\r\n\r\n" % SOFT, "GET http://x%s/ HTTP/1.1\r\nHost: %s\r\n\r\n" % (SOFT, SOFT),
             "\x1b[2J\x1b]0;t\x07 http://denied.test/ HTTP/1.1\r\n\r\n", "CONNECT denied.test:443 HTTP/1.1\r\nHost: %s\r\n\r\n" % SOFT,
             "G\x1b[31mCOLOUR http://denied.test:80/%s HTTP/1.1\r\nHost: denied.test\r\n\r\n" % SOFT, EVIL, "GET http://[%s]/ HTTP/1.1\r\n\r\n" % SHORT]
    commands = ["printf '%%b' '%s' | nc -w 5 127.0.0.1 3128 | head -c 2000" % "".join("\\0%03o" % b for b in head.encode()) for head in heads]
    manifest(c.folder, Model([[shell(*commands)], [message(FINAL)]] * 2).url, MANIFEST + "network: {allow: [example.org]}\n")
    problems = c.program.check("run", "manifest.yaml", is_data=True, exits=0)
    for args in (["egress", "last"], ["egress", "last", "--json"], ["show", "last"], ["show", "last", "--json"], ["logs", "last"], ["logs", "last", "--json"]):
        problems += c.program.check(*args, exits=0)
    shown = c.program.piped("egress", "last")[1]
    if b"denied.test:443" not in shown:
        problems.append("what was denied is not shown: %r" % shown)
    return problems


@test
def an_image_name(c):
    problems = []
    for image in (EVIL, "agentbox-demo:1" + EVIL, "x.test/" + SHORT, "nosuch\u202eimage:1"):
        manifest(c.folder, "http://127.0.0.1:1/v1", MANIFEST.replace("\"agentbox-demo:1\"", yaml(image)))
        for args in (["validate", "manifest.yaml"], ["plan", "manifest.yaml"], ["run", "manifest.yaml"]):
            problems += c.program.check(*args)
    return problems


@test
def a_command_line(c):
    problems = []
    for args in ([EVIL], ["--" + EVIL], ["run"], ["run", EVIL], ["run", "--" + EVIL], ["run", "x", EVIL], ["run", "--set", EVIL, "x"], ["help", EVIL],
                 ["run", "-p", EVIL, "x"], ["show", EVIL], ["show", SHORT], ["logs", EVIL], ["verify", EVIL], ["rm", EVIL, SHORT], ["resume", EVIL],
                 ["fork", EVIL], ["egress", EVIL], ["egress", SHORT, "--json"], ["scan", EVIL], ["scan", SHORT, "--json"], ["scan", NAME + ".yaml"],
                 ["scan", "x.test/" + EVIL, "--set", "sandbox.scan=" + EVIL], ["outputs", EVIL], ["diff", EVIL, EVIL], ["export", EVIL, EVIL], ["gc", "--engine", EVIL], ["doctor", "--engine", "unix://" + EVIL],
                 ["doctor", "--engine", "tcp://" + SHORT + ":1"], ["attest", EVIL, "-o", EVIL + "/x"], ["run", "-o", "/" + NAME + "/x", "x"],
                 ["validate", "/" + NAME], ["resume", EVIL, "--set", EVIL]):
        problems += c.program.check(*args)
    return problems


@test
def an_environment(c):
    problems = []
    home = os.path.join(c.folder, NAME)
    os.makedirs(home)
    c.run(FINAL)
    for env in ({"XDG_STATE_HOME": home}, {"XDG_STATE_HOME": "/dev/null/" + NAME}, {"HOME": home, "XDG_STATE_HOME": ""}, {"DOCKER_HOST": EVIL},
                {"DOCKER_HOST": "unix:///" + NAME}, {"OPENAI_API_KEY": EVIL}, {"OPENAI_BASE_URL": EVIL}, {"AGENTBOX_MODEL": EVIL},
                {"DOCKER_CONTEXT": EVIL}, {"DOCKER_CONFIG": home}, {"TERM": "x" + SHORT}, {"https_proxy": EVIL}):
        program = Program(c.agentbox, c.folder)
        program.env.update(env)
        if "DOCKER_CONTEXT" in env:
            program.env.pop("DOCKER_HOST")
        for args in (["ls"], ["doctor"], ["plan", "manifest.yaml"], ["run", "manifest.yaml"], ["scan", "manifest.yaml"], ["gc", "-n"]):
            problems += ["%s: %s" % (list(env)[0], p) for p in program.check(*args, is_data=args[0] == "run", may_begin_lines=args[0] == "run")]
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    chosen = [fn for fn in TESTS if options.only in fn.__name__]
    failed = 0
    print("1..%d" % len(chosen))
    for number, fn in enumerate(chosen, 1):
        folder = tempfile.mkdtemp(prefix="agentbox-strings-")
        begun = time.monotonic()
        problems = fn(Context(options.agentbox, folder))
        shutil.rmtree(folder, ignore_errors=True)
        print("%sok %d - %s" % ("not " if problems else "", number, fn.__name__), flush=True)
        if options.verbose:
            print("# %.1f s" % (time.monotonic() - begun))
        for problem in problems[:40]:
            print("#   " + problem.encode("unicode_escape").decode()[:600])
        failed += bool(problems)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
