#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model server that breaks every rule, against the whole program:  test_hostile_model.py AGENTBOX [--only TEXT] [--verbose] [--jobs N]

Prints TAP. Each attack is a function that gets the connection after the request was read; what must come of it is its
exit status, a pattern in stderr, and always: no crash, no hang, no control byte on stderr, the key nowhere, and memory
that stays below MEMORY_MAX whatever is sent. Needs an engine (DOCKER_HOST) with agentbox-demo:1.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

KEY = "sk-hostile-5f0e1c2d3b4a59687706"
MEMORY_MAX = 420 << 20
SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
MANIFEST = """version: 1
name: hostile
model: {name: test-model, base_url: "http://127.0.0.1:%d/v1", tool_style: %s, idle_timeout: %s, retries: %d}
agent: {task: Do it., tools: [shell]}
sandbox: {image: "agentbox-demo:1", pull: never, memory: 64m}
workspace: {size: 16m}
limits: {wall: %s, turns: %d, tool_calls: 300}
"""
ATTACKS = []


def attack(exit, stderr="", stdout="", seconds=120, style="native", idle="20s", wall="90s", retries=0, turns=4, memory=MEMORY_MAX):
    def register(fn):
        ATTACKS.append((fn.__name__, fn, dict(exit=exit, stderr=stderr, stdout=stdout, seconds=seconds, style=style, idle=idle,
                                              wall=wall, retries=retries, turns=turns, memory=memory)))
        return fn
    return register


# --- pieces of answers ---

def event(kind, **fields):
    return b"data: " + json.dumps({"type": kind, **fields}).encode() + b"\n\n"


def item_done(item, index=0):
    return event("response.output_item.done", output_index=index, item=item)


def message(text="fine"):
    return {"id": "m", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}


def shell(command="true", call_id="c1", **more):
    return {"id": "s", "type": "shell_call", "status": "completed", "call_id": call_id,
            "action": {"commands": [command], "timeout_ms": None, "max_output_length": None}, **more}


def function(arguments, call_id="c1", name="exec_command"):
    return {"id": "f", "type": "function_call", "status": "completed", "call_id": call_id, "name": name, "arguments": arguments}


def usage(n=10):
    return {"input_tokens": n, "output_tokens": n, "total_tokens": n}


def completed(used=None, **more):
    return event("response.completed", response={"id": "r", "status": "completed", "model": "m", "output": [],
                                                 "usage": usage() if used is None else used, **more})


def answer(*items, used=None):
    return HEAD + b"".join(item_done(x, i) for i, x in enumerate(items)) + completed(used)


def endless(conn, piece, seconds=60, total=4 << 30):
    """Until the other side has enough."""
    end, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end and sent < total:
        conn.sendall(piece)
        sent += len(piece)


# --- heads ---

@attack(5, "header|head|talking")
def header_bomb(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    endless(conn, b"X-Bomb: " + b"a" * 8000 + b"\r\n")


@attack(5, "header|head|talking|answer")
def one_endless_header(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    endless(conn, b"a" * 65536)


@attack(5, ".")
def endless_status_line(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 ")
    endless(conn, b"a" * 65536)


@attack(5, "answer|byte|silent|idle")
def endless_interim_answers(conn, n, body):
    endless(conn, b"HTTP/1.1 100 Continue\r\n\r\n" * 100, seconds=12)


@attack(5, ".")
def not_http(conn, n, body):
    conn.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + os.urandom(4096))


@attack(5, ".")
def http_0_9(conn, n, body):
    conn.sendall(b"data: {}\n\n" * 1000)


@attack(5, "30[0-9]|redirect")
def redirect_to_file(conn, n, body):
    conn.sendall(b"HTTP/1.1 307 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")


@attack(5, "30[0-9]|redirect")
def redirect_elsewhere(conn, n, body):
    conn.sendall(b"HTTP/1.1 308 X\r\nLocation: http://127.0.0.1:1/steal\x1b[2J\r\nContent-Length: 0\r\n\r\n")


@attack(5, ".")
def key_in_every_place(conn, n, body):
    text = json.dumps({"error": {"message": "bad key %s \x1b[31m" % KEY, "type": KEY, "code": KEY, "param": KEY}}).encode()
    conn.sendall(b"HTTP/1.1 401 %s\r\nx-request-id: %s\r\nWWW-Authenticate: %s\r\nContent-Type: application/json\r\nContent-Length: "
                 b"%d\r\n\r\n%s" % (KEY.encode(), KEY.encode(), KEY.encode(), len(text), text))


@attack(5, ".")
def key_in_redirect(conn, n, body):
    conn.sendall(b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1/?k=%s\r\nContent-Length: 0\r\n\r\n" % KEY.encode())


@attack(5, ".")
def huge_error_body(conn, n, body):
    conn.sendall(b"HTTP/1.1 400 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"")
    endless(conn, b"a" * 1048576, total=1 << 30)


@attack(5, ".", retries=1, wall="10s")
def retry_after_for_ever(conn, n, body):
    conn.sendall(b"HTTP/1.1 429 X\r\nRetry-After: 99999999999999999999\r\nContent-Length: 2\r\n\r\n{}")


@attack(5, "HTTP 500", retries=2)
def retry_after_negative(conn, n, body):
    conn.sendall(b"HTTP/1.1 500 X\r\nRetry-After: -5\r\nretry-after-ms: NaN\r\nContent-Length: 2\r\n\r\n{}")


# --- bodies ---

@attack(5, "event of more than")
def one_gibibyte_of_one_line(conn, n, body):
    conn.sendall(HEAD + b'data: {"type":"response.output_text.delta","delta":"')
    endless(conn, b"a" * 1048576, total=1 << 30)


@attack(6, "wall", wall="4s")
def endless_comments(conn, n, body):
    conn.sendall(HEAD)
    endless(conn, b": keep-alive\n\n" * 1000, seconds=15)


@attack(6, "wall", wall="4s")
def endless_unknown_events(conn, n, body):
    conn.sendall(HEAD)
    endless(conn, b'event: x\ndata: {"type":"x.y","n":[1,2,3]}\n\n' * 100, seconds=15)


@attack(6, "wall", wall="4s")
def endless_deltas(conn, n, body):
    conn.sendall(HEAD)
    endless(conn, event("response.output_text.delta", delta="\x1b[2J\x07abc\u202e", output_index=0) * 100, seconds=15)


@attack(6, "wall", wall="4s", idle="2s")
def slow_drip(conn, n, body):
    conn.sendall(HEAD)
    for _ in range(30):
        conn.sendall(b": x\n")
        time.sleep(0.5)


@attack(5, "the answer is larger than 64 MiB")
def endless_items(conn, n, body):
    conn.sendall(HEAD)
    for i in range(3000):
        conn.sendall(item_done({"type": "reasoning", "id": "x%d" % i, "summary": [], "encrypted_content": "a" * (1 << 20)}, i))


@attack(5, "more than 1024 items")
def endless_small_items(conn, n, body):
    conn.sendall(HEAD)
    for i in range(200000):
        conn.sendall(item_done({"type": "reasoning", "id": "x%d" % i, "summary": []}, i))


@attack(6, "wall", wall="4s")
def one_item_for_ever(conn, n, body):
    conn.sendall(HEAD)
    endless(conn, item_done({"type": "reasoning", "id": "x", "summary": []}) * 50, seconds=15)


@attack(5, ".")
def gzip_bomb(conn, n, body):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = squeeze.compress(b'data: {"type":"response.output_text.delta","delta":"')
    for _ in range(1024):
        data += squeeze.compress(b"a" * (1 << 20))
    data += squeeze.flush()
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" %
                 (len(data), data))


@attack(5, ".")
def chunk_lies(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata: {}\n\nzz\r\n")


@attack(5, ".")
def chunk_of_2_to_64(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc")


@attack(5, ".")
def length_lies(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000000\r\n\r\n" + item_done(message()))


@attack(5, ".")
def two_lengths(conn, n, body):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 500\r\nContent-Type: text/event-stream\r\n\r\ndata:")


@attack(5, "ended before|never|silent|byte")
def never_completed(conn, n, body):
    conn.sendall(HEAD + item_done(message()))


@attack(5, "JSON")
def deep_nesting(conn, n, body):
    conn.sendall(HEAD + b'data: {"type":"response.completed","response":' + b"[" * 100000 + b"]" * 100000 + b"}\n\n")


@attack(5, "JSON|UTF-8|malformed")
def invalid_utf8(conn, n, body):
    conn.sendall(HEAD + b'data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","role":"assistant",'
                 b'"content":[{"type":"output_text","text":"\xff\xfe\xc0\x80"}]}}\n\n' + completed())


@attack(5, "JSON|control|NUL|malformed")
def raw_nul_bytes(conn, n, body):
    conn.sendall(HEAD + b'data: {"type":"response.output_item.done","item":{"type":"mess\0age"}}\n\n' + completed())


@attack(5, ".")
def many_zeros(conn, n, body):
    conn.sendall(HEAD + b'data: {"type":"response.completed","response":{"output":[' + b"0," * (12 << 20) + b"0]}}\n\n")


@attack(5, ".")
def one_event_of_empty_objects(conn, n, body):
    conn.sendall(HEAD + b'data: {"type":"response.output_item.done","item":{"type":"x","a":[' + b"{}," * (9 << 20) + b"0]}}\n\n")


# --- answers that are JSON and still wrong ---

@attack(0, stdout="fine")
def unknown_items(conn, n, body):
    conn.sendall(answer({"type": "x" * 60}, {"type": "alien", "a": [[[[1e400]]]] if False else [[[1]]]}, message()))


@attack(5, ".")
def item_without_type(conn, n, body):
    conn.sendall(answer({"id": "x"}, message()))


@attack(5, ".")
def item_is_a_number(conn, n, body):
    conn.sendall(HEAD + event("response.output_item.done", output_index=0, item=5) + completed())


@attack(0, stdout="^fine\n$")
def done_twice(conn, n, body):
    conn.sendall(HEAD + item_done(message()) + item_done(message()) + completed())


@attack(0, stdout="fine")
def odd_indexes(conn, n, body):
    conn.sendall(HEAD + b"".join(item_done(message(), i) for i in (-1, 2**63 - 1, -2**63, 2**70, 10**30, 1.5, "x", None, 4096)) +
                 completed())


@attack(0, stdout="fine")
def after_the_end(conn, n, body):
    conn.sendall(answer(message()) + item_done(shell("echo evil")) + completed() + completed())


@attack(0, stdout="fine")
def endless_after_the_end(conn, n, body):
    conn.sendall(answer(message()))
    endless(conn, b"data: " + b"x" * 60000 + b"\n\n", seconds=10)


@attack(0, stdout="fine")
def odd_usage(conn, n, body):
    conn.sendall(answer(message(), used={"input_tokens": -5, "output_tokens": 1e300, "total_tokens": "many",
                                         "input_tokens_details": {"cached_tokens": 2**63}, "output_tokens_details": [1]}))


@attack(0, stdout="fine")
def float_usage(conn, n, body):
    conn.sendall(answer(message(), used={"input_tokens": 10.7, "output_tokens": 2**64, "total_tokens": -(2**63)}))


@attack(0, stdout="fine", turns=4)
def same_call_id(conn, n, body):
    if n == 1:
        conn.sendall(answer(shell("echo one", "same"), shell("echo two", "same")))
    else:
        conn.sendall(answer(message("fine %d" % sum(x.get("type") == "shell_call_output" for x in body["input"]))))


@attack(0, stdout="fine", turns=6)
def same_call_id_again(conn, n, body):
    conn.sendall(answer(shell("echo %d" % n, "same")) if n < 4 else answer(message()))


@attack(5, "call_id")
def call_id_missing(conn, n, body):
    item = shell()
    del item["call_id"]
    conn.sendall(answer(item))


@attack(5, "call_id")
def call_id_of_a_mebibyte(conn, n, body):
    conn.sendall(answer({**shell(call_id="x" * (1 << 20)), "id": "y" * (1 << 20)}))


@attack(0, stdout="fine")
def call_id_with_control_bytes(conn, n, body):
    evil = "\x1b[2J\n\r\u202e/../../x"
    if n == 1:
        conn.sendall(answer(shell(call_id=evil)))
    else:
        conn.sendall(answer(message("fine" if body["input"][-1].get("call_id") == evil else "lost")))


@attack(5, "call_id")
def call_id_with_nul(conn, n, body):
    conn.sendall(answer(shell(call_id="a\u0000b")))


@attack(0, stdout="fine", seconds=240, wall="200s")
def a_thousand_calls(conn, n, body):
    if n == 1:
        conn.sendall(answer(*[shell("echo %d" % i, "c%d" % i) for i in range(200)]))
    else:
        outputs = [x for x in body["input"] if x.get("type") == "shell_call_output"]
        good = [x["output"][0]["stdout"] for x in outputs] == ["%d\n" % i for i in range(200)]
        conn.sendall(answer(message("fine" if good else "bad: %s" % outputs[:3])))


@attack(6, "tool_calls", seconds=360, wall="300s")
def more_calls_than_allowed(conn, n, body):
    conn.sendall(answer(*[shell("true", "c%d" % i) for i in range(1000)]))


@attack(0, stdout="fine")
def a_command_of_10_mebibytes(conn, n, body):
    conn.sendall(answer(shell(": " + "x" * (10 << 20))) if n == 1 else answer(message()))


@attack(0, stdout="fine", style="function")
def arguments_nested_deeply(conn, n, body):
    conn.sendall(answer(function('{"cmd":' + "[" * 5000 + "]" * 5000 + "}")) if n == 1 else answer(message()))


@attack(0, stdout="fine", style="function")
def arguments_not_json(conn, n, body):
    bad = ["", "{", "null", "[]", "\"x\"", '{"cmd":"a\\u0000b"}', '{"cmd":5}', '{"cmd":"true","workdir":"../../etc"}',
           '{"cmd":"true","yield_time_ms":-1,"max_output_tokens":1e99}', '{"cmd":"true","workdir":"/nowhere\\u0000"}', '{"cmd":"\\ud800"}']
    if n == 1:
        conn.sendall(answer(*[function(a, "c%d" % i) for i, a in enumerate(bad)]))
    else:
        conn.sendall(answer(message()))


@attack(0, stdout="fine")
def odd_shell_actions(conn, n, body):
    odd = [{}, {"commands": None}, {"commands": []}, {"commands": [1, None, {}]}, {"commands": ["true"] * 5000}, {"commands": ["a\0b"]},
           {"commands": ["true"], "timeout_ms": -1}, {"commands": ["true"], "timeout_ms": 1e300}, {"commands": ["true"], "timeout_ms": "x"},
           {"commands": ["echo x"], "max_output_length": -5}, {"commands": ["echo x"], "max_output_length": 2**63}, "x", [], None]
    if n == 1:
        conn.sendall(answer(*[{**shell(call_id="c%d" % i), "action": a} for i, a in enumerate(odd)]))
    else:
        conn.sendall(answer(message()))


@attack(0, stdout="fine", style="function")
def unknown_tools(conn, n, body):
    if n == 1:
        conn.sendall(answer(function("{}", "c1", "rm"), function("{}", "c2", ""), function("{}", "c3", "x" * 100000),
                            {"type": "custom_tool_call", "call_id": "c4", "name": "a\x1b[2J", "input": "b"},
                            {"type": "computer_call", "call_id": "c5", "action": {}}))
    else:
        conn.sendall(answer(message()))


@attack(0, stdout="fine")
def escapes_in_everything_shown(conn, n, body):
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e"
    if n == 1:
        conn.sendall(answer(shell("printf '%s' '" + evil + "'; : " + evil, call_id="c" + evil)))
    else:
        conn.sendall(HEAD + item_done(message("fine " + evil)) + event("response.completed", response={
            "id": "r" + evil, "status": "completed", "model": evil, "output": [], "usage": usage()}))


@attack(5, ".")
def error_event_with_escapes_and_key(conn, n, body):
    conn.sendall(HEAD + event("error", error={"message": "\x1b[2J%s\n\n\nfake: agentbox: done" % KEY, "code": "\x07" + KEY, "type": KEY}))


@attack(1, "incomplete")
def incomplete_with_odd_reason(conn, n, body):
    conn.sendall(HEAD + event("response.incomplete", response={"id": "r", "status": "incomplete", "output": [],
                                                               "incomplete_details": {"reason": "\x1b[2J" + "x" * 100000}}))


@attack(5, ".")
def resets(conn, n, body):
    conn.sendall(HEAD + b"data: {")
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@attack(5, ".", idle="2s")
def says_nothing(conn, n, body):
    time.sleep(400)


# --- the server and the verdict ---

def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
    if b"100-continue" in head.lower():
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < length:
        body += conn.recv(1 << 20)
    return json.loads(body)


class Server:
    def __init__(self, fn):
        self.fn, self.count = fn, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
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
            body = read_request(conn)
            if body is not None:
                self.count += 1
                self.fn(conn, self.count, body)
        except (OSError, ValueError):
            pass
        finally:
            conn.close()


def run(agentbox, fn, want):
    """(problems, note)"""
    server = Server(fn)
    folder = tempfile.mkdtemp(prefix="agentbox-hostile-")
    with open(folder + "/manifest.yaml", "w", encoding="utf-8") as f:
        f.write(MANIFEST % (server.port, want["style"], want["idle"], want["retries"], want["wall"], want["turns"]))
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "DOCKER_HOST", "LD_LIBRARY_PATH")}
    env.update(HOME=folder, XDG_STATE_HOME=folder + "/state", OPENAI_API_KEY=KEY, LC_ALL="C.UTF-8",
               ASAN_OPTIONS="detect_leaks=1:quarantine_size_mb=1", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    begun = time.monotonic()
    with open(folder + "/out", "wb") as out, open(folder + "/err", "wb") as err:
        process = subprocess.Popen([agentbox, "run", "manifest.yaml"], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    killer = threading.Timer(want["seconds"] + 30, process.kill)
    killer.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    killer.cancel()
    server.listener.close()
    seconds = time.monotonic() - begun
    problems = judge(folder, process.returncode, seconds, used.ru_maxrss * 1024, want)
    shutil.rmtree(folder)
    return problems, "exit %d, %.1f s, %d MiB" % (process.returncode, seconds, used.ru_maxrss >> 10)


def judge(folder, status, seconds, memory, want):
    problems = []
    with open(folder + "/out", "rb") as f:
        out = f.read()
    with open(folder + "/err", "rb") as f:
        err = f.read()
    text = err.decode("utf-8", "replace")
    if status != want["exit"]:
        problems.append("exit status %d instead of %d" % (status, want["exit"]))
    if not re.search(want["stderr"], text, re.S):
        problems.append("stderr has no '%s'" % want["stderr"])
    if not re.search(want["stdout"], out.decode("utf-8", "replace"), re.S):
        problems.append("stdout has no '%s': %r" % (want["stdout"], out[:300]))
    if seconds > want["seconds"]:
        problems.append("took %.1f s" % seconds)
    if memory > want["memory"]:
        problems.append("took %d MiB of memory" % (memory >> 20))
    if SANITIZER.search(text):
        problems.append("a sanitizer spoke")
    if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]", err):
        problems.append("control bytes on stderr")
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as f:
                if KEY.encode() in f.read():
                    problems.append("the key is in '%s'" % name)
    if problems:
        problems.append("stderr: " + text[-1500:])
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--jobs", type=int, default=3, help="most attacks wait for a time limit")
    options = parser.parse_args()
    chosen = [a for a in ATTACKS if options.only in a[0]]
    failed = 0
    print("1..%d" % len(chosen))
    pool = concurrent.futures.ThreadPoolExecutor(options.jobs)
    results = [(name, pool.submit(run, os.path.abspath(options.agentbox), fn, want)) for name, fn, want in chosen]
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
