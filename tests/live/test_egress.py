#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The way out, whole: real clients in a real sandbox, through the door, to real servers on this machine's loopback.

    test_egress.py AGENTBOX [--only TEXT] [--verbose]          prints TAP

The servers speak TLS with a certificate of a CA made here, and plain HTTP. That names lead to them is said by
AGENTBOX_TEST_EGRESS (core/run/egress_test.h), which only builds with tests know. Needs an engine (DOCKER_HOST) with
agentbox-clients:1.
"""
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import engine, server, tap  # noqa: E402
from harness.tap import SANITIZER, Failure, expect, test  # noqa: E402

KEY = "sk-egress-6b2f09d4c1"
TOKEN = "ghp_planted_9d1c77e0b2"
WAIT_S = 120
NAMES = ["github.com", "origin.example.com", "other.example.com", "git.example.net", "pypi.example.net"]


# --- servers ---

class Origin(http.server.BaseHTTPRequestHandler):
    """What it is asked for, and a note of it."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # heads and bodies are written one after the other

    def log_message(self, *args):
        pass

    def _body(self, data, status=200, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _serve(self):
        n = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(n)
        with self.server.lock:
            self.server.seen.append((self.command, self.headers.get("Host"), self.path))
            self.server.authorized.append(self.headers.get("Authorization"))
        path = self.path.split("?")[0]
        if path.startswith("/bytes/"):
            self._bytes(int(path[7:]))
        elif path == "/hold":
            self.server.held.set()
            self.server.go.wait(WAIT_S)
            self._body(b"held\n")
        elif path.startswith(("/git/", "/deb/")) or ".git/" in path:
            self._file(path[1:])
        elif path == "/echo":
            self._body(repr(self.headers.get("Authorization")).encode())
        elif path == "/sum":
            self._body(hashlib.sha256(sent).hexdigest().encode())
        else:
            self._body(b"hello from %s\n" % (self.headers.get("Host") or "").encode())

    do_GET = do_HEAD = do_POST = do_PUT = _serve

    def _bytes(self, n):
        self.send_response(200)
        self.send_header("Content-Length", str(n))
        self.end_headers()
        block = bytes(range(256)) * 256
        while n > 0:
            self.wfile.write(block[:n])
            n -= len(block[:n])

    def _file(self, path):
        try:
            with open(os.path.join(self.server.folder, path), "rb") as f:
                self._body(f.read(), kind="application/octet-stream")
        except OSError:
            self._body(b"no\n", 404)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, folder, context=None):
        super().__init__(("127.0.0.1", 0), Origin)
        self.folder, self.context = folder, context
        self.seen, self.authorized, self.lock = [], [], threading.Lock()
        self.held, self.go = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        conn, peer = super().get_request()
        if self.context:
            conn = self.context.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
        return conn, peer

    def handle_error(self, request, client_address):
        pass


def make_certificates(folder):
    def openssl(*args, text=None):
        subprocess.run(["openssl", *args], cwd=folder, check=True, input=text, capture_output=True, text=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key", "-out",
            "server.csr", "-subj", "/CN=origin")
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + n for n in NAMES) + "\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
            "-days", "2", "-extfile", "ext")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    return context


# --- one run ---

class Bench:
    """Folder, servers, and what is run against them."""

    def __init__(self, agentbox, verbose):
        self.agentbox, self.verbose = agentbox, verbose
        self.temporary = tempfile.TemporaryDirectory(prefix="agentbox-egress-")
        self.folder = self.temporary.name
        self.context = make_certificates(self.folder)
        self.fresh()

    def fresh(self):
        """Servers that have seen nothing."""
        self.tls, self.plain = Server(self.folder, self.context), Server(self.folder)
        self.model = None

    def manifest(self, network, more="", trust="CURL_CA_BUNDLE: /workspace/ca.pem, SSL_CERT_FILE: /workspace/ca.pem, "
                                            "GIT_SSL_CAINFO: /workspace/ca.pem"):
        text = """version: 1
name: egress
model: {name: m, base_url: "http://127.0.0.1:%d/v1", tool_style: native}
agent: {task: Go out., tools: [shell]}
sandbox: {image: "agentbox-clients:1", pull: never}
workspace:
  environment: {%s}
  entries: {ca.pem: {type: local_file, src: ca.pem}}
%snetwork: %s
""" % (self.model.port, trust, more, network)
        path = os.path.join(self.folder, "manifest.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "DOCKER_HOST", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS")}
        return {**env, "HOME": self.folder, "XDG_STATE_HOME": os.path.join(self.folder, "state"), "OPENAI_API_KEY": KEY,
                "AGENTBOX_TEST_EGRESS_CA": os.path.join(self.folder, "ca.pem"), "ORIGIN_TOKEN": TOKEN,
                "GITHUB_BASIC": TOKEN,
                "AGENTBOX_TEST_EGRESS": "443=%d,8443=%d,80=%d" % (self.tls.server_port, self.tls.server_port,
                                                                  self.plain.server_port)}

    def serve(self, turns):
        self.model = server.ModelServer({"turns": turns}, KEY)
        self.model.start()

    def start(self, *arguments):
        return subprocess.Popen([self.agentbox, *arguments], cwd=self.folder, env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, process, status=0):
        try:
            out, err = process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure("no end after %d s: %s" % (WAIT_S, process.communicate()[1][-2000:]))
        if self.verbose:
            sys.stderr.write(err)
        expect(not SANITIZER.search(err), "a sanitizer spoke:\n" + err)
        expect(process.returncode == status, "exit status %s, not %s:\n%s%s" % (process.returncode, status, out, err))
        return out, err

    def verb(self, *arguments, status=0):
        return self.finish(self.start(*arguments), status)[0]

    def run(self, network, *scripts, status=0, **more):
        """One command after the other; their outputs as the model got them, and stderr."""
        turns = [{"reply": [{"shell": [s], "call_id": "c%d" % i}]} for i, s in enumerate(scripts, 1)]
        self.serve(turns + [{"reply": [{"message": "over"}]}])
        _, err = self.finish(self.start("run", self.manifest(network, **more)), status)
        return self.outputs(), err

    def outputs(self):
        """stdout and stderr of each call that the model was told of, in order."""
        self.model.stop()
        expect(not self.model.violations, "the model server objects: %s" % self.model.violations)
        answers = [i for i in self.model.requests[-1]["input"] if i.get("type") == "shell_call_output"]
        return [o["stdout"] + o["stderr"] for a in answers for o in a["output"]]

    def egress(self):
        return json.loads(self.verb("egress", "last", "--json"))

    def journal(self):
        return [json.loads(line) for line in self.verb("logs", "last", "--json").splitlines()]


def requests_of(report, host):
    return [r for r in report["requests"] if r["host"] == host]


# --- tests ---

@test
def nothing_listens_without_a_network(b):
    outputs, _ = b.run("none", "cat /proc/net/tcp; env | grep -ic proxy; curl -sS https://origin.example.com/ 2>&1")
    lines = outputs[0].splitlines()
    expect("sl " in lines[0] and lines[1] == "0", "somebody listens, or a proxy is named: %s" % outputs[0])
    expect("Could not resolve host" in outputs[0], outputs[0])
    report = b.egress()
    expect(report["requests"] == [] and report["hosts"] == [], str(report))


@test
def clients_as_they_are(b):
    """curl, git, python and wget, with nothing but the variables that are set for every command."""
    for name in ("a", "b"):
        subprocess.run("rm -rf git && mkdir git && cd git && git init -q src && cd src && echo %s >f && git add f && git -c "
                       "user.name=x -c user.email=x@x commit -qm x && cd .. && git clone -q --bare src repo.git && cd repo.git && git "
                       "update-server-info" % name, shell=True, cwd=b.folder, check=True, env={**os.environ, "HOME": b.folder})
    outputs, _ = b.run('{allow: ["*.example.com", git.example.net, "pypi.example.net", "origin.example.com:80"]}',
                       "curl -sS https://origin.example.com/x",
                       "git clone -q https://git.example.net/git/repo.git && cat repo/f",
                       "python3 -c \"import urllib.request as u; print(u.urlopen('https://pypi.example.net/simple').read().decode())\"",
                       "wget -qO - http://origin.example.com/plain",
                       "python3 -c \"import os; print(sum(k.upper().endswith('_PROXY') for k in os.environ))\"",
                       "head -c 3000000 /dev/urandom >r; sha256sum <r | cut -c 1-64; curl -sS --data-binary @r https://origin.example.com/sum")
    expect(outputs[0] == "hello from origin.example.com\n", outputs[0])
    expect(outputs[1] == "b\n", outputs[1])
    expect(outputs[2] == "hello from pypi.example.net\n\n", outputs[2])
    expect(outputs[3] == "hello from origin.example.com\n", outputs[3])
    expect(outputs[4] == "9\n", outputs[4])
    there, back = outputs[5].split("\n")
    expect(there == back, outputs[5])
    report = b.egress()
    calls = {(r["host"], r["port"]): r["call"] for r in report["requests"]}
    expect(calls[("origin.example.com", 443)] == 6 and calls[("git.example.net", 443)] == 2 and
           calls[("pypi.example.net", 443)] == 3 and calls[("origin.example.com", 80)] == 4, str(calls))
    expect(all(r["allowed"] and r["ended"] and r["bytes_down"] > 0 for r in report["requests"]), str(report))
    expect(requests_of(report, "origin.example.com")[-1]["bytes_up"] > 3000000, str(report))
    plain = [r for r in report["requests"] if r["port"] == 80][0]
    expect(plain["method"] == "GET" and plain["status"] == 200, str(plain))
    left = json.loads(b.verb("attest", "last"))["predicate"]["buildDefinition"]["internalParameters"]["egress"]
    expect([rule["host"] for rule in left["allow"]] == ["*.example.com:443", "git.example.net:443", "pypi.example.net:443",
                                                        "origin.example.com:80"], str(left))
    total = report["total"]
    expect((left["connections"], left["requestsDenied"], left["bytesUp"], left["bytesDown"]) ==
           (total["connections"], 0, total["bytes_up"], total["bytes_down"]), "%s, and not %s" % (left, total))


def make_packages(folder):
    """A repository of one package, as flat as they can be; its architecture."""
    tree = os.path.join(folder, "deb", "tree", "DEBIAN")
    os.makedirs(tree)
    with open(os.path.join(tree, "control"), "w") as f:
        f.write("Package: greeting\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: says hello\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", "tree", "greeting_1_all.deb"], cwd=os.path.join(folder, "deb"), check=True,
                   capture_output=True)
    with open(os.path.join(folder, "deb", "greeting_1_all.deb"), "rb") as f:
        deb = f.read()
    with open(os.path.join(tree, "control")) as f, open(os.path.join(folder, "deb", "Packages"), "w") as out:
        out.write(f.read() + "Filename: ./greeting_1_all.deb\nSize: %d\nSHA256: %s\n" % (len(deb), hashlib.sha256(deb).hexdigest()))
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()


def apt_fetches_a_package(b):
    """apt-get as it comes, with folders of its own because it is not root, by the proxy variables alone."""
    arch = make_packages(b.folder)
    outputs, _ = b.run('{allow: [{host: "origin.example.com:80", methods: [GET, HEAD]}]}',
                       "mkdir -p r/etc/apt r/var/lib/apt/lists/partial r/var/lib/dpkg r/var/cache/apt/archives/partial && touch "
                       "r/var/lib/dpkg/status && echo 'deb [trusted=yes] http://origin.example.com/deb ./' >r/etc/apt/sources.list && "
                       "a='apt-get -q -o Dir=/workspace/r -o Dir::State::status=/workspace/r/var/lib/dpkg/status -o APT::Architecture=%s -o "
                       "APT::Sandbox::User='; $a update && $a download greeting; ls -l *.deb; sha256sum <greeting_1_all.deb | cut -c 1-64" % arch)
    with open(os.path.join(b.folder, "deb", "greeting_1_all.deb"), "rb") as f:
        expect(hashlib.sha256(f.read()).hexdigest() in outputs[0], outputs[0])
    asked = {r["status"] for r in requests_of(b.egress(), "origin.example.com") if r["allowed"]}
    expect(200 in asked, str(asked))


if shutil.which("apt-get") and shutil.which("dpkg-deb"):  # then the image has it, too
    test(apt_fetches_a_package)


@test
def what_is_denied_says_why(b):
    outputs, err = b.run('{allow: [origin.example.com]}',
                         "curl -sS https://evil.example.org/secret 2>&1; curl -s -D - http://evil.example.org/ | head -20",
                         "curl -sS https://origin.example.com:8443/ 2>&1", "curl -sS http://origin.example.com/",
                         "curl -sS --noproxy '*' http://93.184.215.14/ 2>&1")
    expect("403" in outputs[0], outputs[0])
    expect("evil.example.org" in outputs[0].split("HTTP/1.1 403", 1)[-1], outputs[0])
    expect("403" in outputs[1] and "network.allow" in outputs[2], outputs[1] + outputs[2])
    expect("Couldn't connect" in outputs[3], outputs[3])
    report = b.egress()
    hosts = {(h["host"], h["port"]): h for h in report["hosts"]}
    expect(hosts[("evil.example.org", 443)]["denied"] == 1, str(hosts))
    expect(hosts[("evil.example.org", 443)]["allow"] in ("evil.example.org", "evil.example.org:443"), str(hosts))
    expect(hosts[("origin.example.com", 8443)]["allow"] == "origin.example.com:8443", str(hosts))
    expect(b.tls.seen == [] and b.plain.seen == [], "something arrived")
    expect("denied: CONNECT evil.example.org:443" in err, err)
    expect(re.search(r"^egress +0 requests allowed, 4 denied, 0 B up, 0 B down", b.verb("show", "last"), re.M), "show has no word")
    text = b.verb("egress", "last")
    expect('    - "origin.example.com:8443"\n' in text, text)
    # and that line does it
    outputs, _ = b.run('{allow: ["origin.example.com:8443"]}', "curl -sS https://origin.example.com:8443/")
    expect(outputs[0] == "hello from origin.example.com:8443\n", outputs[0])


@test
def two_hundred_at_once(b):
    outputs, _ = b.run('{allow: [origin.example.com], connections: 300}',
                       "seq 200 | xargs -P 200 -I{} curl -sS -o {}.out -w '%{http_code} ' https://origin.example.com/bytes/20000; "
                       "cat *.out | wc -c", more="  size: 64m\n")
    expect(outputs[0].startswith("200 " * 200), outputs[0])
    expect(outputs[0].endswith("4000000\n"), outputs[0])
    report = b.egress()
    expect(len(report["requests"]) == 200 and all(r["call"] == 1 for r in report["requests"]), "not all are known")


@test
def two_calls_at_once_are_told_apart(b):
    """Each waits for the other, so that both run while both connect."""
    script = ("touch %s; until [ -e %s ]; do sleep 0.05; done; curl -sS https://%s/; touch %s.done; "
              "until [ -e %s.done ]; do sleep 0.05; done")
    b.serve([{"reply": [{"shell": [script % ("a", "b", "origin.example.com", "a", "b")], "call_id": "c1"},
                        {"shell": [script % ("b", "a", "other.example.com", "b", "a")], "call_id": "c2"}]},
             {"reply": [{"message": "over"}]}])
    b.finish(b.start("run", b.manifest('{allow: ["*.example.com"]}')))
    b.outputs()
    report = b.egress()
    expect(requests_of(report, "origin.example.com")[0]["call"] == 1, str(report))
    expect(requests_of(report, "other.example.com")[0]["call"] == 2, str(report))


@test
def the_background_downloads_while_the_model_thinks(b):
    def think():
        """The second request is answered when the download has come."""
        b.tls.held.wait(WAIT_S)
        b.tls.go.set()
    b.serve([{"reply": [{"shell": ["(curl -sS https://origin.example.com/hold >got; touch done) >/dev/null 2>&1 &"], "call_id": "c1"}]},
             {"delay_ms": 1500, "reply": [{"shell": ["until [ -e done ]; do sleep 0.05; done; cat got"], "call_id": "c2"}]},
             {"reply": [{"message": "over"}]}])
    threading.Thread(target=think, daemon=True).start()
    b.finish(b.start("run", b.manifest("{allow: [origin.example.com]}")))
    expect(b.outputs()[-1] == "held\n", "not what was held")
    expect(requests_of(b.egress(), "origin.example.com")[0]["call"] == 1, "not of the call that began it")


@test
def a_limit_of_bytes_cuts(b):
    outputs, _ = b.run("{allow: [origin.example.com], max_bytes: 3m}",
                       "curl -sS https://origin.example.com/bytes/500000000 2>&1 >big; wc -c <big; curl -sS https://origin.example.com/ 2>&1",
                       more="  size: 64m\n")
    size = int(re.search(r"^(\d+)$", outputs[0], re.M).group(1))
    expect(size <= 3 << 20, outputs[0])
    expect("403" in outputs[0], outputs[0])
    total = b.egress()["total"]
    expect(2 << 20 < total["bytes_up"] + total["bytes_down"] <= 3 << 20, str(total))


@test
def the_end_of_the_run_cuts(b):
    b.serve([{"reply": [{"shell": ["(curl -svS https://origin.example.com/hold &) >/dev/null 2>seen; "
                               "until grep -q 'GET /hold' seen; do sleep 0.05; done"], "call_id": "c1"}]},
             {"reply": [{"message": "over"}]}])
    b.finish(b.start("run", b.manifest("{allow: [origin.example.com]}")))
    b.outputs()
    r = requests_of(b.egress(), "origin.example.com")[0]
    expect(r["ended"] and r["reason"], str(r))
    kinds = [x["type"] for x in b.journal()]
    expect(kinds.index("egress.end") < kinds.index("run.end"), str(kinds))
    expect(kinds.index("egress.allow") < kinds.index("egress.end"), str(kinds))


def wait_for(b, process, pattern):
    """Until stderr has shown it; the rest is read by a thread, so that the process never waits."""
    text, found = [], threading.Event()

    def read():
        for line in process.stderr:
            text.append(line)
            if re.search(pattern, line):
                found.set()
    threading.Thread(target=read, daemon=True).start()
    expect(found.wait(WAIT_S), "'%s' was not seen: %s" % (pattern, "".join(text)))


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def remove_containers(b):
    e = engine.Engine()
    run = json.loads(b.verb("show", "last", "--json"))["id"]
    for container in e.of_runs([run])[0]:
        e.remove(container)


@test
def killed_and_taken_up_again(b):
    """The container lives: old connections are cut, new ones work, and what left before counts."""
    b.serve([{"reply": [{"shell": ["curl -sS https://origin.example.com/bytes/1000000 | wc -c; "
                                   "curl -sS https://origin.example.com/hold 2>&1; until curl -sS https://origin.example.com/again; "
                                   "do sleep 0.2; done 2>/dev/null"], "call_id": "c1"}]},
             {"reply": [{"message": "over"}]}])
    process = b.start("run", b.manifest("{allow: [origin.example.com], max_bytes: 5m}"))
    expect(b.tls.held.wait(WAIT_S), "the request did not come")
    kill(process)
    b.verb("resume", "last")
    outputs = b.outputs()
    lines = outputs[-1].splitlines()
    expect(lines[0] == "1000000" and lines[-1] == "hello from origin.example.com", outputs[-1])
    expect("reset" in outputs[-1] or "unexpected eof" in outputs[-1] or "SSL" in outputs[-1], outputs[-1])
    report = b.egress()
    numbers = [r["number"] for r in report["requests"]]
    expect(numbers == sorted(set(numbers)) and len(numbers) >= 3, str(numbers))
    expect(report["total"]["bytes_down"] > 1000000 and report["total"]["connections"] >= 3, str(report["total"]))
    kinds = [x["type"] for x in b.journal()]
    expect(kinds.count("call.begin") == 1, "it ran twice")


@test
def a_call_that_sent_something_is_not_run_again(b):
    """The container is gone too, and a tunnel was open: nobody knows what it did."""
    b.serve([{"reply": [{"shell": ["echo x >f; curl -sS -d order=1 https://origin.example.com/hold"], "call_id": "c1"}]},
             {"reply": [{"message": "over"}]}])
    process = b.start("run", b.manifest("{allow: [origin.example.com]}"))
    expect(b.tls.held.wait(WAIT_S), "the request did not come")
    kill(process)
    remove_containers(b)
    b.tls.go.set()
    b.verb("resume", "last")
    outputs = b.outputs()
    expect("had connections to the outside" in outputs[-1], outputs[-1])
    expect(len([s for s in b.tls.seen if s[0] == "POST"]) == 1, str(b.tls.seen))
    kinds = [x["type"] for x in b.journal()]
    expect(kinds.count("call.begin") == 1, "it ran again")


@test
def a_call_that_only_read_is_run_again(b):
    """Plain GET by our own record."""
    b.serve([{"reply": [{"shell": ["curl -sS http://origin.example.com/hold"], "call_id": "c1"}]},
             {"reply": [{"message": "over"}]}])
    process = b.start("run", b.manifest('{allow: ["origin.example.com:80"]}'))
    expect(b.plain.held.wait(WAIT_S), "the request did not come")
    kill(process)
    remove_containers(b)
    b.plain.go.set()
    b.verb("resume", "last")
    expect(b.outputs()[-1] == "held\n", "it did not run again")
    begins = [x for x in b.journal() if x["type"] == "call.begin"]
    expect(len(begins) == 2 and begins[1]["rerun"], str(begins))


@test
def fifteen_hundred_connections(b):
    """More than the guest carries, held open by one program that never finishes a head: it is late, and answered so."""
    program = ("import socket\\n"
               "open_ = []\\n"
               "try:\\n"
               "    for i in range(1500):\\n"
               "        s = socket.create_connection(('127.0.0.1', 3128)); open_.append(s); s.send(b'GET ')\\n"
               "except OSError as e:\\n"
               "    print(i, e.strerror)\\n"
               "s = open_[0]; s.settimeout(60)\\n"
               "print(s.recv(100)[:12])\\n")
    outputs, _ = b.run("{allow: [origin.example.com], connections: 1000}",
                       "ulimit -n 4096; printf \"%s\" >p.py; python3 p.py; curl -sS https://origin.example.com/" % program)
    expect("b'HTTP/1.1 408'" in outputs[0], outputs[0])
    expect(outputs[0].endswith("hello from origin.example.com\n"), outputs[0])


@test
def a_secret_is_added_outside(b):
    """The origin gets it; inside there is a placeholder, and what comes back has it blotted out."""
    rule = ("{allow: [{host: origin.example.com, inject: {header: Authorization, value: {from_env: ORIGIN_TOKEN, prefix: 'Bearer '}}}, "
            "{host: git.example.net, inject: {header: Authorization, value: {from_env: ORIGIN_TOKEN, prefix: 'Bearer '}}}]}")
    subprocess.run("rm -rf git && mkdir git && cd git && git init -q src && cd src && echo private >f && git add f && git -c user.name=x "
                   "-c user.email=x@x commit -qm x && cd .. && git clone -q --bare src repo.git && cd repo.git && git update-server-info",
                   shell=True, cwd=b.folder, check=True, env={**os.environ, "HOME": b.folder})
    outputs, _ = b.run(rule, "curl -sS http://origin.example.com/echo; echo; echo $ORIGIN_TOKEN",
                       "git clone -q http://git.example.net/git/repo.git && cat repo/f",
                       "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; grep -rs %s... /workspace /tmp" % TOKEN[:8])
    echoed, variable = outputs[0].splitlines()
    expect(echoed.startswith("'") and len(echoed) == len(repr("Bearer " + TOKEN)) and TOKEN not in echoed, outputs[0])
    expect(variable == "agentbox-placeholder", outputs[0])
    expect(outputs[1] == "private\n", outputs[1])
    expect(TOKEN not in "".join(outputs), "the secret is inside")
    found = subprocess.run(["grep", "-rls", TOKEN, os.path.join(b.folder, "state")], capture_output=True, text=True).stdout
    expect(not found, "the secret is in " + found)
    expect(len(b.tls.seen) >= 2 and not b.plain.seen, "it went out plain")


INTERCEPT = ("{allow: [{host: %s, methods: [GET, HEAD], inject: {header: Authorization, value: {from_env: ORIGIN_TOKEN, prefix: 'Bearer '}, "
             "intercept: true}}, other.example.com]}")


@test
def clients_that_insist_on_https(b):
    """curl, python and wget trust the run's authority by the variables alone; other hosts are still what they are."""
    outputs, _ = b.run(INTERCEPT % "'origin.example.com'", "curl -sS https://origin.example.com/echo; echo; echo $ORIGIN_TOKEN",
                       "python3 -c \"import urllib.request as u; print(u.urlopen('https://origin.example.com/echo').read().decode())\"",
                       "curl -sS https://other.example.com/ https://origin.example.com/ http://origin.example.com/",
                       "curl -sS -d x=1 https://origin.example.com/; curl -sS --http2-prior-knowledge https://origin.example.com/ -o /dev/null "
                       "2>&1 | head -c 5; curl -sS --cacert /workspace/ca.pem https://origin.example.com/ 2>&1 | cut -c 1-9",
                       "env; cat /proc/*/environ /tmp/.agentbox/* 2>/dev/null | tr '\\0' '\\n'; ls -la /tmp/.agentbox; grep -rs %s /workspace /tmp" % TOKEN[:8],
                       trust="")
    echoed, variable = outputs[0].splitlines()
    expect(echoed == repr("Bearer " + "*" * len(TOKEN)) and variable == "agentbox-placeholder", outputs[0])
    expect(outputs[1] == echoed + "\n", outputs[1])
    expect(outputs[2] == "hello from other.example.com\nhello from origin.example.com\nhello from origin.example.com\n", outputs[2])
    expect("POST is not among the methods" in outputs[3] and "curl: (60" in outputs[3], outputs[3])
    expect(TOKEN not in "".join(outputs) and "PRIVATE" not in outputs[4] and "BEGIN CERTIFICATE" in outputs[4], "it is inside: " + outputs[4])
    expect(b.tls.authorized.count("Bearer " + TOKEN) == 5 and not b.plain.seen, str(b.tls.authorized))
    found = subprocess.run(["grep", "-rlsE", "%s|PRIVATE KEY" % TOKEN, os.path.join(b.folder, "state")], capture_output=True, text=True).stdout
    expect(not found, "it is in " + found)
    report = b.egress()
    inside = [(r["method"], r["status"]) for r in requests_of(report, "origin.example.com") if r["allowed"] and r["port"] == 443]
    expect(inside == [("GET", 200)] * 4, str(report))
    refused = [r["reason"] for r in requests_of(report, "origin.example.com") if not r["allowed"]]
    expect(len(refused) == 2 and "does it trust this run's authority" in refused[1], str(refused))
    expect("https://, whose TLS ends in the harness" in b.verb("plan", os.path.join(b.folder, "manifest.yaml")), "plan has no word")


@test
def the_key_of_the_authority_is_nowhere(b):
    """What OpenSSL writes of a private key has the public one in it: that is looked for, as bytes and in base64."""
    outputs, _ = b.run(INTERCEPT % "'origin.example.com'", "curl -sS https://origin.example.com/; cat /tmp/.agentbox/ca.pem",
                       "find / -xdev -type f 2>/dev/null | xargs grep -ls 'PRIVATE KEY' 2>/dev/null; cat /proc/*/environ 2>/dev/null | grep -c PRIVATE",
                       trust="")
    pem = outputs[0][outputs[0].index("-----BEGIN"):]
    text = subprocess.run(["openssl", "x509", "-noout", "-pubkey", "-text"], input=pem, check=True, capture_output=True, text=True).stdout
    expect("Name Constraints: critical" in text and "DNS:origin.example.com" in text and "DNS:other" not in text, text)
    public = subprocess.run(["openssl", "ec", "-pubin", "-outform", "DER"], input=text[text.index("-----BEGIN"):].encode(), check=True,
                            capture_output=True).stdout[-65:]
    for folder, _, names in os.walk(os.path.join(b.folder, "state")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                expect(public not in f.read(), "the key is in " + name)
    expect(outputs[1].strip().splitlines()[-1] == "0" and "/tmp" not in outputs[1] and "/workspace" not in outputs[1], outputs[1])


@test
def a_new_harness_has_a_new_authority(b):
    """The container lives on, and what it trusts is written anew."""
    b.serve([{"reply": [{"shell": ["sha256sum </tmp/.agentbox/ca.pem; curl -sS https://origin.example.com/hold 2>&1; "
                                   "until curl -sS https://origin.example.com/again; do sleep 0.2; done 2>/dev/null; "
                                   "sha256sum </tmp/.agentbox/ca.pem"], "call_id": "c1"}]},
             {"reply": [{"message": "over"}]}])
    process = b.start("run", b.manifest(INTERCEPT % "'origin.example.com'", trust=""))
    expect(b.tls.held.wait(WAIT_S), "the request did not come")
    kill(process)
    b.verb("resume", "last")
    lines = b.outputs()[-1].splitlines()
    expect(lines[-2] == "hello from origin.example.com" and lines[0] != lines[-1] and len(lines[0]) == len(lines[-1]), str(lines))
    kinds = [x["type"] for x in b.journal()]
    expect(kinds.count("call.begin") == 1, "it ran twice")


@test
def the_example_of_a_private_repository(b):
    """As it is delivered, but for the model and the image: git clones over https, and the token stays outside."""
    subprocess.run("rm -rf org && mkdir org && cd org && git init -q src && cd src && echo private >f && git add f && git -c user.name=x "
                   "-c user.email=x@x commit -qm x && cd .. && git clone -q --bare src private.git && cd private.git && git update-server-info",
                   shell=True, cwd=b.folder, check=True, env={**os.environ, "HOME": b.folder})
    b.serve([{"reply": [{"shell": ["git clone -q https://github.com/org/private.git repo && mkdir out && cat repo/f >out/summary.md"],
                         "call_id": "c1"}]}, {"reply": [{"message": "over"}]}])
    example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "manifest", "examples", "private-repository", "manifest.yaml")
    with open(example) as f:
        text = re.sub(r"image: .*", "image: agentbox-clients:1\n  pull: never", f.read())
    with open(os.path.join(b.folder, "example.yaml"), "w") as f:
        f.write(text + 'model: {name: m, base_url: "http://127.0.0.1:%d/v1", tool_style: native}\n' % b.model.port)
    b.verb("run", "example.yaml", "-p", "repository=org/private")
    outputs = b.outputs()
    with open(os.path.join(b.folder, "out", "summary.md")) as f:
        expect(f.read() == "private\n", outputs[-1])
    expect(set(b.tls.authorized) == {"Basic " + TOKEN} and TOKEN not in "".join(outputs), str(b.tls.authorized))
    report = b.egress()
    expect(report["requests"] and all(r["host"] == "github.com" and r["method"] == "GET" and r["call"] == 1 for r in report["requests"]), str(report))


@test
def a_secret_that_is_not_there_ends_it_early(b):
    b.serve([])
    process = b.start("run", b.manifest("{allow: [{host: a.example.com, inject: {header: X-Key, value: {from_env: NOT_THERE_AT_ALL}}}]}"))
    _, err = process.communicate(timeout=WAIT_S)
    expect(process.returncode not in (0, -11) and "NOT_THERE_AT_ALL" in err, "%s %s" % (process.returncode, err))
    b.model.stop()


@test
def a_replay_has_no_way_out(b):
    """What its calls sent must not be sent again."""
    b.run("{allow: [origin.example.com]}", "curl -sS -d order=1 https://origin.example.com/ && echo sent")
    seen = len(b.tls.seen)
    expect(seen == 1, str(b.tls.seen))
    out = b.verb("replay", "last", status=1)
    expect("exit" in out or "differ" in out, out)
    expect(len(b.tls.seen) == seen, "it was sent again")


@test
def the_key_and_the_switch_stay_outside(b):
    outputs, _ = b.run("{allow: [origin.example.com]}", "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'")
    expect(KEY not in outputs[0] and "AGENTBOX_TEST" not in outputs[0], outputs[0])


# --- TAP ---

def main():
    options = tap.options()
    bench = Bench(options.agentbox, options.verbose)

    def one(fn):
        bench.fresh()
        fn(bench)

    return tap.run(tap.chosen(options), options, one)


if __name__ == "__main__":
    sys.exit(main())
