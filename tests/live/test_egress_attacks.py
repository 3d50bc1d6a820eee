#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The attacks on the door, thrown at tinyproxy too:  test_egress_attacks.py PROGRAM... [--list]

Each PROGRAM (tests/unit/egress) prints its attacks with --attacks: what is sent, what no server may see of it, and whether the
door fended it off just now. The same bytes go to a tinyproxy that is configured as carefully as it can be for the same rules: a
filter that denies by default, CONNECT to 443 only. It lives in a network of its own in which every name resolves and every
address is a server of ours, so that whatever gets out arrives. What counts is the door's rule, also where a request that it
refuses would do no harm by itself. Prints TAP; the last test's name has both scores.
"""
import collections
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

LEAST = 150  # attacks; fewer mean that some were lost
PORTS = (22, 80, 443, 8080)
OUTSIDE = "93.184.216.34"  # what a name resolves to unless an attack says otherwise
RULES = (r"^ok\.example\.org$", r"^[a-z0-9.-]+\.wild\.example\.org$", r"^ro\.example\.org$", r"^xn--bcher-kva\.example\.org$")
CONFIG = """Port 3128
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 3
MaxClients 100
LogLevel Critical
LogFile "%(folder)s/log"
PidFile "%(folder)s/pid"
ConnectPort 443
Filter "%(folder)s/filter"
FilterDefaultDeny Yes
FilterExtended Yes
FilterCaseSensitive Yes
DisableViaHeader Yes
"""
Attack = collections.namedtuple("Attack", "name blocked answers request then never")


# --- what the door did ---

def attacks_of(program):
    text = subprocess.run([program, "--attacks"], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "backslashreplace")
    for line in text.split("\n"):
        if line.count("\t") != 5:  # why the one that follows got through
            print("# " + line if line and line[0] != "#" else line, end="\n" if line else "")
            continue
        name, verdict, answers, request, then, never = line.split("\t")
        yield Attack(name, verdict == "blocked", answers.split(",") if answers else [OUTSIDE], bytes.fromhex(request),
                     bytes.fromhex(then), None if never == "connection" else bytes.fromhex(never))


# --- a network in which everything is ours ---

def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def enter(folder):
    """In the new network: all addresses are here, and names are asked of us."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo")
    if os.path.exists("/proc/net/if_inet6"):
        run("ip", "-6", "route", "add", "local", "::/0", "dev", "lo")
    path = os.path.join(folder, "resolv.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    run("mount", "--bind", path, os.path.realpath("/etc/resolv.conf"))


class Names:
    """Answers every question with what is in `addresses`."""

    def __init__(self):
        self.addresses = [OUTSIDE]
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.sock.recvfrom(2048)
            end = 12
            while query[end]:
                end += query[end] + 1
            question, kind = query[12:end + 5], struct.unpack(">H", query[end + 1:end + 3])[0]
            family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
            data = [socket.inet_pton(family, a) for a in self.addresses if (":" in a) == (family == socket.AF_INET6)] if family else []
            answer = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(data), 0, 0) + question
            for d in data:
                answer += struct.pack(">HHHIH", 0xc00c, kind, 1, 0, len(d)) + d
            self.sock.sendto(answer, peer)


class Servers:
    """On every address: who connects is counted, what it says is kept, and it is answered."""

    def __init__(self):
        self.lock, self.connections, self.seen, self.threads = threading.Lock(), 0, b"", []
        self.marks = threading.Semaphore(0)
        for port in PORTS:
            s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::", port))
            s.listen(64)
            threading.Thread(target=self.accept, args=(s,), daemon=True).start()

    def accept(self, listener):
        while True:
            conn, peer = listener.accept()
            if peer[0] == "::ffff:127.9.9.9":  # ours: all that came before it has been counted
                conn.close()
                self.marks.release()
                continue
            thread = threading.Thread(target=self.talk, args=(conn,), daemon=True)
            with self.lock:
                self.connections += 1
                self.threads.append(thread)
            thread.start()

    def talk(self, conn):
        conn.settimeout(10)
        try:
            while True:
                data = conn.recv(65536)
                if not data:
                    break
                with self.lock:
                    self.seen += data
                if b"\r\n\r\n" in data:
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            pass
        conn.close()

    def settle(self):
        """(connections, bytes) since the last time, when all that was under way has ended."""
        for port in PORTS:
            socket.create_connection(("127.0.0.1", port), source_address=("127.9.9.9", 0)).close()
            self.marks.acquire()
        with self.lock:
            threads, self.threads = self.threads, []
        for thread in threads:
            thread.join()
        with self.lock:
            found, self.connections, self.seen = (self.connections, self.seen), 0, b""
        return found


class Tinyproxy:
    def __init__(self, folder):
        with open(os.path.join(folder, "conf"), "w", encoding="ascii") as f:
            f.write(CONFIG % {"folder": folder})
        with open(os.path.join(folder, "filter"), "w", encoding="ascii") as f:
            f.write("\n".join(RULES) + "\n")
        self.process = subprocess.Popen([shutil.which("tinyproxy"), "-d", "-c", os.path.join(folder, "conf")], stdout=subprocess.DEVNULL)
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", 3128)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise RuntimeError("tinyproxy ended")

    def close(self):
        self.process.terminate()
        self.process.wait()


def throw(attack):
    """What the client got back, until the proxy closed or was silent for long."""
    got = b""
    with socket.create_connection(("127.0.0.1", 3128)) as s:
        s.settimeout(8)
        try:
            s.sendall(attack.request)
            if attack.then:
                got += s.recv(65536)
                s.sendall(attack.then)
            s.shutdown(socket.SHUT_WR)
            while True:
                data = s.recv(65536)
                if not data:
                    break
                got += data
        except OSError:
            pass
    return got


def is_out(attack, connections, seen):
    if attack.never is None:
        return connections > 0
    return attack.never in seen if attack.never else bool(seen)


# --- the verdict ---

def tests_of(attacks, out, control):
    yield "tinyproxy lets through what it should", ["%s does not arrive" % name for name, came in control if not came]
    yield "the door fends off all of them", ["%s got through" % a.name for a in attacks if not a.blocked]
    ours, theirs = sum(a.blocked for a in attacks), sum(not o for o in out)
    wrong = ["only %d attacks" % len(attacks)] if len(attacks) < LEAST else []
    if ours <= theirs:
        wrong.append("no better than tinyproxy: the attempts attack nothing")
    yield "egress attacks: %d blocked of %d; tinyproxy: %d of %d" % (ours, len(attacks), theirs, len(attacks)), wrong


def measure(attacks):
    with tempfile.TemporaryDirectory(prefix="agentbox-egress-attacks-") as folder:
        os.chmod(folder, 0o755)
        enter(folder)
        names, servers, proxy = Names(), Servers(), Tinyproxy(folder)
        try:
            servers.settle()
            control, out = [], []
            for name, request, then in (("a request", b"GET http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n\r\n", b""),
                                        ("a tunnel", b"CONNECT ok.example.org:443 HTTP/1.1\r\nHost: ok.example.org:443\r\n\r\n", b"\x16\x03\x01")):
                throw(Attack(name, True, [OUTSIDE], request, then, b""))
                control.append((name, bool(servers.settle()[1])))
            for attack in attacks:
                names.addresses = attack.answers
                throw(attack)
                out.append(is_out(attack, *servers.settle()))
        finally:
            proxy.close()
    return out, control


def main():
    if os.environ.get("AGENTBOX_NET") != "own":
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.execvpe("unshare", ["unshare", *user, "--net", "--mount", sys.executable, *sys.argv], {**os.environ, "AGENTBOX_NET": "own"})
    run("ip", "link", "set", "lo", "up")
    attacks = [a for program in sys.argv[1:] if program != "--list" for a in attacks_of(program)]
    out, control = measure(attacks)
    if "--list" in sys.argv:
        for attack, went in zip(attacks, out):
            print("# %-50s ours: %-8s tinyproxy: %s" % (attack.name, "blocked" if attack.blocked else "OPEN", "OPEN" if went else "blocked"))
    failed = 0
    print("1..3")
    for number, (name, wrong) in enumerate(tests_of(attacks, out, control), 1):
        failed += bool(wrong)
        print("%sok %d - %s" % ("not " if wrong else "", number, name))
        for line in wrong[:40]:
            print("# " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
