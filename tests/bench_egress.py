# SPDX-License-Identifier: MIT
"""The way out, measured: rows of bench.py that need a program built with tests (core/run/egress_test.h).

The same client, curl, fetches from the same TLS server on this machine's loopback: inside a sandbox through the door, on
the host directly, and on the host through tinyproxy. The client says itself what it measured, in JSON.
"""
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "live"))
import test_egress  # noqa: E402

MIB = 1 << 20
NETWORK = "{allow: [origin.example.com], max_bytes: 1t, connections: 1000}"
ROUNDS = 3
OPEN = 1000

# Arguments: what curl gets beside the URL.
CLIENT = """
import json, statistics, subprocess, sys, time
base, curl = 'https://origin.example.com', ['curl', '-sSf', *sys.argv[1:]]

def rate(count, size):
    start = time.monotonic()
    running = [subprocess.Popen([*curl, '-o', '/dev/null', '%s/bytes/%d' % (base, size)]) for _ in range(count)]
    assert not any([p.wait() for p in running])
    return count * size / (time.monotonic() - start)

def times(count):
    text = subprocess.run([*curl, '-w', '\\ntook %{time_total}\\n', *['%s/%d' % (base, i) for i in range(count)]],
                          check=True, capture_output=True, text=True).stdout
    return [float(line[5:]) * 1e3 for line in text.splitlines() if line.startswith('took ')]

print(json.dumps({'one': rate(1, 192 << 20), 'many': rate(32, 6 << 20), 'kept': statistics.median(times(60)[1:]),
                  'fresh': statistics.median([times(1)[0] for _ in range(20)])}))
"""

# So many tunnels, each with its TLS; the last one asks for something that is answered when they were looked at.
HOLDER = """
import socket, ssl, sys
context, held = ssl.create_default_context(cafile='ca.pem'), []
for _ in range(int(sys.argv[1])):
    s = socket.create_connection(('127.0.0.1', 3128))
    s.sendall(b'CONNECT origin.example.com:443 HTTP/1.1\\r\\nHost: origin.example.com:443\\r\\n\\r\\n')
    assert b' 200 ' in s.recv(1000)
    held.append(context.wrap_socket(s, server_hostname='origin.example.com'))
held[-1].sendall(b'GET /hold HTTP/1.1\\r\\nHost: origin.example.com\\r\\n\\r\\n')
print(held[-1].recv(12))
"""


class Tinyproxy:
    """As it comes: one allowed port, and nothing to filter, so that it does as little as it can."""

    def __init__(self, folder, port):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        path = os.path.join(folder, "tinyproxy.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write("Port %d\nListen 127.0.0.1\nMaxClients 200\nAllow 127.0.0.1\nConnectPort %d\nLogLevel Critical\nLogFile \"%s\"\n" % (
                self.port, port, os.path.join(folder, "tinyproxy.log")))
        self.process = subprocess.Popen([shutil.which("tinyproxy"), "-d", "-c", path], stdout=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise RuntimeError("tinyproxy ended") from None
                time.sleep(0.01)

    def close(self):
        self.process.terminate()
        self.process.wait()


def in_sandbox(door):
    outputs, _ = door.run(NETWORK, "cat >c.py <<'END'\n%s\nEND\npython3 c.py" % CLIENT)
    return json.loads(outputs[0])


def on_host(door, *more):
    arguments = ["--cacert", os.path.join(door.folder, "ca.pem"), "--connect-to",
                 "origin.example.com:443:localhost:%d" % door.tls.server_port, *more]
    return json.loads(subprocess.run([sys.executable, "-c", CLIENT, *arguments], check=True, capture_output=True, text=True).stdout)


class Pipe:
    """Into a container, through the engine alone: nobody who speaks through its attach stream can be faster."""

    def __init__(self, b):
        self.b, self.container, self.path = b, b.sleeper(), os.path.join(b.work, "zeros")
        with open(self.path, "wb") as f:
            f.truncate(192 * MIB)

    def rate(self):
        start = time.monotonic()
        self.b.engine.execute(self.container, ["sh", "-c", "cat >/dev/null"], feed=self.path)
        return 192 * MIB / (time.monotonic() - start)

    def close(self):
        self.b.engine.remove(self.container)


def resident(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) * 1024


def held_open(door, count):
    """What the harness has in memory with so many tunnels open."""
    door.fresh()
    script = "ulimit -n 4096; cat >h.py <<'END'\n%s\nEND\npython3 h.py %d" % (HOLDER, count)
    door.serve([{"reply": [{"shell": [script], "call_id": "c1"}]}, {"reply": [{"message": "over"}]}])
    process = door.start("run", door.manifest(NETWORK))
    if not door.tls.held.wait(test_egress.WAIT_S):
        process.kill()
        raise RuntimeError("the connections did not come: %s" % process.communicate()[1])
    size = resident(process.pid)
    door.tls.go.set()
    door.finish(process)
    if "200" not in door.outputs()[0]:
        raise RuntimeError("not all were open: %s" % door.outputs()[0])
    return size


def show(out, found, into):
    middle = {who: {key: statistics.median(f[key] for f in of) for key in of[0]} for who, of in found.items()}
    ours, direct, tiny = middle["ours"], middle["direct"], middle["tiny"]
    for key, what in (("one", "download by one connection through the door"), ("many", "the same, 32 at once")):
        out(what + ", median", "%.0f MiB/s" % (ours[key] / MIB), "tinyproxy: %.0f MiB/s, direct: %.0f MiB/s, the engine's pipe alone: %.0f MiB/s" % (
            tiny[key] / MIB, direct[key] / MIB, into / MIB), "%.2f of tinyproxy, %.2f of the pipe" % (ours[key] / tiny[key], ours[key] / into),
            ">= 200 MiB/s, or the pipe's limit")
    for key, what in (("kept", "added to a request on an open connection"), ("fresh", "added to a request with a new connection")):
        out(what + ", median", "%.2f ms" % (ours[key] - direct[key]), "tinyproxy: %.2f ms; direct it takes %.2f ms" % (
            tiny[key] - direct[key], direct[key]), "", "< 2 ms")


def compare(b, door):
    """What each of them measured, and the rates of the pipe; in turn."""
    found, into, pipe = {"ours": [], "direct": [], "tiny": []}, [], Pipe(b)
    with tempfile.TemporaryDirectory() as folder:
        proxy = Tinyproxy(folder, door.tls.server_port)
        try:
            for _ in range(ROUNDS):
                found["ours"].append(in_sandbox(door))
                found["direct"].append(on_host(door))
                found["tiny"].append(on_host(door, "--proxy", "http://127.0.0.1:%d" % proxy.port))
                into.append(pipe.rate())
        finally:
            proxy.close()
            pipe.close()
    return found, statistics.median(into)


def row_egress(b, out):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))  # 1,000 connections have an end here, too
    door = test_egress.Bench(b.program, False)
    show(out, *compare(b, door))
    few, many = held_open(door, 1), held_open(door, OPEN)
    out("memory of the harness for each of %d open connections" % OPEN, "%.1f KiB" % ((many - few) / (OPEN - 1) / 1024),
        "%.1f MiB with one, %.1f MiB with all" % (few / MIB, many / MIB), "", "")
