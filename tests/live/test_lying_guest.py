#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that lies:  test_lying_guest.py AGENTBOX [--only TEXT] [--jobs N] [--verbose]

Between the program and a real engine stands a relay that understands the guest's frames (core/sandbox/frame.h) and lets each attack
change what the guest says: lengths, types, streams, credit, paths, sizes, sums, answers that never come or never end. What must
hold for each: the program ends in time with a status of its own and words, without a crash, in bounded memory; nothing is written
beside the declared output; what is written holds only what the guest said; no control byte reaches a terminal; nothing is left in
the engine; the key is nowhere. Prints TAP.
"""
import argparse
import concurrent.futures
import os
import random
import re
import shutil
import socket
import struct
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../torture"))
import relay  # noqa: E402
import run_cases  # noqa: E402
from harness import case as case_file  # noqa: E402
from harness import check, engine  # noqa: E402

(PAD, HELLO, PING, PONG, CREDIT, CANCEL, DATA, DONE, ENTRIES, EXEC, ADOPT, KILL, RELEASE, OUTPUT, EXIT, STAT, LIST, READ, WRITE, MKDIR,
 SYMLINK, RENAME, REMOVE, PROBE, STATS, SCAN, CHECKSUM, LINK, SET, HOLE, INPUT) = range(1, 32)
FILE, DIR, LNK, OTHER, GONE, DEEP = range(6)
FILES = 1 << 62
PEAK_MIB = 400  # a sanitizer's own memory with it
ATTACKS = []


def attack(kind, request=None, statuses=(4,), stderr=""):
    """The function gets a frame of that kind (answering that kind of request) and gives the bytes in its place; None: as it is."""
    def register(fn):
        ATTACKS.append((fn.__name__.strip("_").replace("_", " "), kind, request, fn, statuses, stderr))
        return fn
    return register


class Frame:
    def __init__(self, kind, flags, stream, payload, reserved=0):
        self.kind, self.flags, self.stream, self.payload, self.reserved = kind, flags, stream, payload, reserved

    def bytes(self, length=None):
        return struct.pack("<BBHIQ", self.kind, self.flags, self.reserved, len(self.payload) if length is None else length, self.stream) + self.payload

    def but(self, **more):
        values = dict(kind=self.kind, flags=self.flags, stream=self.stream, payload=self.payload, reserved=self.reserved)
        length = more.pop("length", None)
        return Frame(**{**values, **more}).bytes(length)


class Talk:
    """One attached stream: what the host asked for, by stream number."""

    def __init__(self, up):
        self.requests, self.counts, self.up, self.memory = {}, {}, up, {}

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]


def split(data, is_synced):
    """(frames, rest) of what follows the preamble."""
    frames = []
    while is_synced and len(data) >= 16:
        kind, flags, reserved, length, stream = struct.unpack("<BBHIQ", data[:16])
        if len(data) < 16 + length:
            break
        frames.append(Frame(kind, flags, stream, data[16:16 + length], reserved))
        data = data[16 + length:]
    return frames, data


class Liar:
    """Takes over the attached stream."""

    def __init__(self, kind, request, change):
        self.kind, self.request, self.change, self.lies = kind, request, change, 0

    def __call__(self, owner, conn, head, body):
        up = owner.open(conn, head, body)
        talk = Talk(up)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = up.recv(65536)
            if not piece:
                return
            answer += piece
        head, _, rest = answer.partition(b"\r\n\r\n")
        conn.sendall(head + b"\r\n\r\n")
        threading.Thread(target=self.from_host, args=(conn, up, talk), daemon=True).start()
        try:
            self.from_guest(conn, up, talk, rest)
        except OSError:
            pass
        for s in (conn, up):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def from_host(conn, up, talk):
        data, is_synced = b"", False
        try:
            while True:
                piece = conn.recv(1 << 16)
                if not piece:
                    break
                data += piece
                if not is_synced and len(data) >= 32:
                    data, is_synced = data[32:], True
                frames, data = split(data, is_synced)
                for f in frames:
                    if f.kind not in (CREDIT, CANCEL, DATA, HOLE, PING, KILL, RELEASE, PAD, INPUT):
                        talk.requests.setdefault(f.stream, f.kind)
                up.sendall(piece)
            up.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def from_guest(self, conn, up, talk, raw):
        data, is_synced = b"", False
        while True:
            while len(raw) >= 8 and len(raw) >= 8 + struct.unpack(">I", raw[4:8])[0]:
                length = struct.unpack(">I", raw[4:8])[0]
                if raw[0] == 1:
                    data += raw[8:8 + length]
                raw = raw[8 + length:]
            if not is_synced and len(data) >= 32:
                self.say(conn, data[:32])
                data, is_synced = data[32:], True
            frames, data = split(data, is_synced)
            for f in frames:
                self.one(conn, talk, f)
            piece = up.recv(1 << 16)
            if not piece:
                return
            raw += piece

    def one(self, conn, talk, f):
        said = None
        if f.kind == self.kind and (self.request is None or talk.requests.get(f.stream) == self.request):
            said = self.change(f, talk)
            self.lies += said is not None
        if said is None:
            self.say(conn, f.bytes())
        elif isinstance(said, bytes):
            self.say(conn, said)
        else:
            for piece in said:
                self.say(conn, piece)

    @staticmethod
    def say(conn, data):
        for at in range(0, len(data), 1 << 20):
            piece = data[at:at + (1 << 20)]
            conn.sendall(b"\1\0\0\0" + struct.pack(">I", len(piece)) + piece)


# --- pieces ---

def stat(kind=FILE, mode=0o644, links=1, size=5, inode=77, stored=4096, mtime=10**18, ctime=10**18):
    return struct.pack("<BIIQQQqq", kind, mode, links, size, inode, stored, mtime, ctime)


def entry(path, link=b"", total=b"", **more):
    return stat(**more) + struct.pack("<HHB", len(path), len(link), len(total)) + path + link + total


def done(code=0, errnum=0, text=b"", rest=b""):
    return struct.pack("<BIB", code, errnum, len(text)) + text + rest


def once(talk, f, said):
    return said if talk.count("once") == 1 else None


def repeat(piece, count):
    for _ in range(count):
        yield piece


# --- HELLO ---

for what, change in {
        "version 0": lambda p: struct.pack("<I", 0) + p[4:], "version 99": lambda p: struct.pack("<I", 99) + p[4:],
        "of nothing": lambda p: b"", "cut": lambda p: p[:-1], "too long": lambda p: p + b"x" * 1000, "all ones": lambda p: b"\xff" * len(p),
        "a build of escapes": lambda p: p[:24] + b"\x1b[2J" * 16 + p[88:], "65,535 commands": lambda p: p[:88] + b"\xff\xff",
        "a hundred commands": lambda p: p[:88] + struct.pack("<H", 100) + struct.pack("<QBQ", 1, 0, 0) * 100,
        "the same command twice": lambda p: p[:88] + struct.pack("<H", 2) + struct.pack("<QBQ", 5, 0, 0) * 2,
        "commands with numbers of files": lambda p: p[:88] + struct.pack("<H", 1) + struct.pack("<QBQ", FILES + 1, 7, 0)}.items():
    ATTACKS.append(("hello " + what, HELLO, None, lambda f, t, change=change: f.but(payload=change(f.payload)), (0, 4), ""))


@attack(HELLO)
def hello_twice(f, t):
    return f.bytes() * 2


@attack(HELLO, statuses=(4, 6))
def hello_never_comes(f, t):
    return b""


@attack(HELLO, statuses=(0, 4))
def hello_on_a_stream(f, t):
    return f.but(stream=5)


# --- headers ---

for what, change in {
        "type 0": dict(kind=0), "type 32": dict(kind=32), "type 127": dict(kind=127), "type 255": dict(kind=255), "flags 255": dict(flags=255),
        "reserved bits": dict(reserved=0xffff), "length 2^32-1": dict(length=0xffffffff), "length 65537": dict(length=65537),
"length 0 and bytes behind": dict(length=0), "stream 2^63": dict(stream=1 << 63),
        "stream 2^64-1": dict(stream=(1 << 64) - 1), "a stream that nobody opened": dict(stream=FILES + 999999), "stream 0": dict(stream=0)}.items():
    ATTACKS.append(("header with " + what, OUTPUT, None, lambda f, t, change=change: once(t, f, f.but(**change)), (4,), ""))
ATTACKS.append(("header with length 65536 that never comes", OUTPUT, None, lambda f, t: once(t, f, f.but(length=65536)), (4, 6), ""))
for kind in (EXEC, ADOPT, KILL, RELEASE, STAT, LIST, READ, WRITE, MKDIR, REMOVE, SCAN, INPUT, CANCEL):
    ATTACKS.append(("speaks as a host: type %d" % kind, OUTPUT, None, lambda f, t, kind=kind: once(t, f, f.but(kind=kind, payload=b"x\0") + f.bytes()), (4,), ""))


# --- commands ---

@attack(OUTPUT, statuses=(4, 6))
def output_without_end(f, t):
    return repeat(f.but(payload=b"x" * 65536), 4096)


@attack(OUTPUT)
def output_beyond_its_window(f, t):
    return once(t, f, f.but(payload=b"x" * 65536) * 6)


@attack(OUTPUT, statuses=(0, 4))
def output_of_nothing(f, t):
    return once(t, f, f.but(payload=b"") + f.bytes())


@attack(OUTPUT, statuses=(0, 4, 6))
def output_of_nothing_without_end(f, t):
    return repeat(f.but(payload=b"\1"), 200000)


@attack(OUTPUT)
def output_of_a_third_stream(f, t):
    return once(t, f, f.but(payload=b"\x09" + f.payload[1:], flags=3))


@attack(OUTPUT, statuses=(0,))
def output_full_of_escapes(f, t):
    return once(t, f, f.but(payload=f.payload[:-4] + b"\x1b[2J"))


@attack(EXIT)
def exit_twice(f, t):
    return f.bytes() * 2


@attack(EXIT)
def exit_of_nothing(f, t):
    return f.but(payload=b"")


@attack(EXIT)
def exit_too_long(f, t):
    return f.but(payload=f.payload + b"x")


@attack(EXIT)
def exit_of_all_ones(f, t):
    return f.but(payload=b"\xff" * len(f.payload))


@attack(EXIT, statuses=(0, 4))
def exit_with_a_code_of_32_bits(f, t):
    return f.but(payload=f.payload[:3] + b"\xff" * 4 + f.payload[7:])


@attack(EXIT, statuses=(0, 4))
def exit_says_that_exabytes_were_written(f, t):
    return f.but(payload=f.payload[:11] + b"\xff" * 7 + b"\x7f" + f.payload[19:])


@attack(EXIT, statuses=(0, 4, 6))
def exit_never_comes(f, t):
    return b""


@attack(EXIT)
def exit_of_another_command(f, t):
    return f.but(stream=f.stream + 1000)


@attack(EXIT)
def output_after_the_exit(f, t):
    return f.bytes() + f.but(kind=OUTPUT, payload=b"\1late")


@attack(EXIT)
def done_for_a_command(f, t):
    return f.but(kind=DONE, payload=done())


# --- credit and pings ---

for what, payload in {"2^64-1": b"\xff" * 8, "2^63": b"\0" * 7 + b"\x80", "nothing": b"", "0": b"\0" * 8, "4 GiB": struct.pack("<Q", 1 << 32), "cut": b"\1"}.items():
    ATTACKS.append(("credit of " + what, EXIT, None, lambda f, t, payload=payload: f.but(kind=CREDIT, payload=payload) + f.bytes(), (0, 4), ""))


@attack(OUTPUT, statuses=(0, 4))
def credit_for_everything(f, t):
    return once(t, f, b"".join(f.but(kind=CREDIT, stream=s, payload=struct.pack("<Q", 1 << 40)) for s in range(2000)) + f.bytes())


@attack(OUTPUT, statuses=(0, 4))
def pong_that_nobody_asked_for(f, t):
    return once(t, f, f.but(kind=PONG, stream=0, payload=b"") * 10000 + f.bytes())


@attack(OUTPUT, statuses=(0, 4))
def pings_of_its_own(f, t):
    return once(t, f, f.but(kind=PING, payload=b"") * 10 + f.bytes())


@attack(OUTPUT, statuses=(0, 4))
def pads_without_end(f, t):
    return repeat(f.but(kind=PAD, stream=0, payload=b""), 300000)


# --- plain answers ---

DONES = {"code 99": done(99), "an unknown errno": done(4, 0xffffffff, b"x"), "escapes in its text": done(4, 5, b"\x1b[2J\x07\n\x9b31m"), "nothing": b"",
         "a text that is longer than it": b"\4\0\0\0\0\xff", "a result nobody asked for": done(0, 0, b"", b"x" * 60000)}
for request, called in ((PROBE, "probe"), (STAT, "stat"), (LIST, "list"), (READ, "read"), (SCAN, "scan"), (STATS, "stats"), (CHECKSUM, "checksum")):
    for what, payload in DONES.items():
        ATTACKS.append(("done of %s with %s" % (called, what), DONE, request, lambda f, t, payload=payload: f.but(payload=payload), (0, 4, 7, 8, 9), "optional"))
    ATTACKS.append(("done of %s twice" % called, DONE, request, lambda f, t: f.bytes() * 2, (0, 4), "optional"))
    ATTACKS.append(("done of %s never comes" % called, DONE, request, lambda f, t: b"", (0, 4, 6, 7, 8), "optional"))


@attack(DATA, PROBE, statuses=(4, 7))
def probe_without_end(f, t):
    return repeat(f.but(payload=b"x" * 65536), 2000)


@attack(DATA, PROBE, statuses=(4, 7), stderr="lock-down")
def probe_of_nothing(f, t):
    return f.but(payload=b"\0" * len(f.payload))


@attack(DATA, PROBE, statuses=(4, 7), stderr="lock-down")
def probe_that_confesses(f, t):
    return f.but(payload=re.sub(rb"CapEff:\t0+", b"CapEff:\t000001ffffffffff", f.payload))


# --- what outputs are ---

for what, payload in {"kind 99": stat(kind=99), "kind gone": stat(kind=GONE), "kind deep": stat(kind=DEEP), "a size of 2^63": stat(size=1 << 63), "a size of 2^62": stat(size=1 << 62),
                      "a mode of 32 bits": stat(mode=0xffffffff), "cut": stat()[:-1], "set-uid": stat(mode=0o6755), "a file that is a folder": stat(kind=FILE),
                      "a link": stat(kind=LNK)}.items():
    ATTACKS.append(("stat with " + what, DONE, STAT, lambda f, t, payload=payload: f.but(payload=done(rest=payload)), (4, 8), ""))

PATHS = {"a way up": b"out/../../../canary/file", "only a way up": b"..", "an absolute path": b"/tmp/agentbox-evil", "a path beside it": b"other/x", "its own path": b"out",
         "a path that only begins like it": b"outside", "an empty path": b"", "an empty part": b"out//x", "a dot": b"out/./x", "NUL": b"out/a\0b", "a slash behind": b"out/x/",
         "5,000 bytes": b"out/" + b"d/" * 2500 + b"f", "a name of 300 bytes": b"out/" + b"n" * 300, "escapes": b"out/\x1b[2J", "no UTF-8": b"out/\xff\xfe"}
for what, path in PATHS.items():
    ATTACKS.append(("lists " + what, ENTRIES, LIST, lambda f, t, path=path: once(t, f, f.but(payload=entry(path) + f.payload)), (4, 8), ""))
    ATTACKS.append(("finds " + what, ENTRIES, SCAN, lambda f, t, path=path: once(t, f, f.but(payload=entry(path) + f.payload)), (0, 4, 8, 9), ""))
LISTED = {"a link": entry(b"out/l", b"/etc/passwd", kind=LNK), "a link that is also a folder": entry(b"out/x", b"/etc", kind=LNK) + entry(b"out/x", kind=DIR) + entry(b"out/x/f"),
          "a file in a file": entry(b"out/a") + entry(b"out/a/b"), "a folder that is a file": entry(b"out/a", kind=DIR) + entry(b"out/a"), "a file twice": entry(b"out/f") + entry(b"out/f"),
          "a file that is not there": entry(b"out/none"), "gone": entry(b"out/f", kind=GONE), "a device": entry(b"out/n", kind=OTHER), "a size of 2^63-1": entry(b"out/h", size=(1 << 63) - 1),
          "half an entry": entry(b"out/f")[:20], "an entry with a length that lies": entry(b"out/f")[:-5] , "a sum of 31 bytes": entry(b"out/f", total=b"s" * 31),
          "a thousand folders in one another": b"".join(entry(b"out/" + b"/".join([b"d"] * n), kind=DIR) for n in range(1, 170))}
for what, payload in LISTED.items():
    ATTACKS.append(("lists " + what, ENTRIES, LIST, lambda f, t, payload=payload: once(t, f, f.but(payload=payload) + f.bytes()), (0, 4, 8), ""))
FOUND = {"a sum of a folder": entry(b"d", kind=DIR, total=b"s" * 32), "a wrong sum": entry(b"x", total=b"s" * 32), "a file in no folder": entry(b"no/such/f"), "the same twice": entry(b"x") + entry(b"x"),
         "gone what was never there": entry(b"never", kind=GONE), "one inode for all": entry(b"x", links=3, inode=5) + entry(b"y", links=3, inode=5, size=9) + entry(b"z", kind=LNK, link=b"q", links=3, inode=5),
         "a file of 2^62 bytes": entry(b"huge", size=1 << 62), "a folder too deep that has content": entry(b"deep", kind=DEEP) + entry(b"deep/x"), "a folder in a file": entry(b"x") + entry(b"x/y", kind=DIR) + entry(b"x/y/z"),
         "times out of range": entry(b"x", mtime=-(1 << 63), ctime=(1 << 63) - 1), "a link without target": entry(b"l", kind=LNK), "a link with NUL": entry(b"l", b"a\0b", kind=LNK), "half an entry": entry(b"x")[:30]}
for what, payload in FOUND.items():
    ATTACKS.append(("finds " + what, ENTRIES, SCAN, lambda f, t, payload=payload: once(t, f, f.but(payload=payload) + f.bytes()), (0, 4, 8, 9), ""))


def many_entries(f, prefix):
    for n in range(4000):
        yield f.but(payload=b"".join(entry(b"%s%d-%d" % (prefix, n, i), inode=n * 1000 + i) for i in range(400)))


@attack(ENTRIES, LIST, statuses=(4, 8))
def lists_without_end(f, t):
    return many_entries(f, b"out/")


@attack(ENTRIES, SCAN, statuses=(0, 4))  # more than a checkpoint can hold ends no run
def finds_without_end(f, t):
    return many_entries(f, b"")


@attack(ENTRIES, LIST, statuses=(4, 8))
def lists_folders_without_end(f, t):
    return (f.but(payload=b"".join(entry(b"out/" + b"/".join([b"%d" % (n * 100 + i)] * 30), kind=DIR) for i in range(50))) for n in range(20000))


# --- what is in them ---

@attack(DATA, READ, statuses=(8, 4))
def content_without_end(f, t):
    return repeat(f.but(payload=b"x" * 65536), 4096)


@attack(DATA, READ, statuses=(0, 4, 8))
def content_is_longer(f, t):
    return f.but(payload=f.payload + b"x")


@attack(DATA, READ, statuses=(0, 4, 8))
def content_is_shorter(f, t):
    return f.but(payload=f.payload[:-1])


@attack(DATA, READ, statuses=(0,))
def content_is_another(f, t):
    return f.but(payload=bytes(b ^ 1 for b in f.payload))


@attack(DATA, READ, statuses=(0, 4, 8))
def content_of_nothing(f, t):
    return f.but(payload=b"") * 1000


@attack(DATA, READ, statuses=(4,))
def content_of_another_stream(f, t):
    return f.but(stream=f.stream + 500)


for what, payload in {"2^63-1": struct.pack("<Q", (1 << 63) - 1), "2^64-1": b"\xff" * 8, "0": b"\0" * 8, "nothing": b"", "4 bytes": b"\1\0\0\0"}.items():
    ATTACKS.append(("a hole of " + what, DATA, READ, lambda f, t, payload=payload: f.but(kind=HOLE, payload=payload) + f.bytes(), (0, 4, 8), ""))


@attack(DATA, READ, statuses=(0, 4, 8))
def holes_without_end(f, t):
    return repeat(f.but(kind=HOLE, payload=struct.pack("<Q", 1 << 40)), 100000)


@attack(DATA, READ, statuses=(4, 6, 8, 0))
def a_read_that_stops(f, t):
    t.memory["stopped"] = True
    return b""


# --- anything ---

def noise(seed):
    def change(f, t):
        dice = t.memory.setdefault("dice", random.Random(seed))
        data = bytearray(f.bytes())
        if dice.random() < 0.3:
            for _ in range(dice.randrange(1, 4)):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        return bytes(data)
    return change


for seed in range(12):
    for kind, called in ((OUTPUT, "output"), (DONE, "done"), (ENTRIES, "entries"), (DATA, "data"), (EXIT, "exit")):
        if seed % 4 == 0 or kind != OUTPUT:
            ATTACKS.append(("bits of %s flip, %d" % (called, seed), kind, None, noise(seed), (0, 4, 5, 6, 7, 8, 9), "optional"))

CASE = """# %(name)s
--- model
{"turns": [
  {"reply": [{"shell": ["mkdir -p out/d keep; echo five >out/f; echo seven7 >out/d/g; echo kept >keep/k; echo some output"], "call_id": "c1"}]},
  {"optional": true, "reply": [{"shell": ["echo more >>keep/k; seq 10"], "call_id": "c2"}]},
  {"optional": true, "forever": true, "reply": [{"message": "done"}]}
]}
--- setup
mkdir canary; echo canary >canary/file
cat >.home/peak.py <<'PYTHON'
import os, subprocess, sys
p = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(p.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss >> 10, file=open(".home/peak", "w"))
PYTHON
--- more
workspace: {size: 16m}
outputs: [{path: out, to: "./res", required: true}, {path: out/f, to: "./single"}]
limits: {wall: 45s, turns: 6, command: 15s, output: 64k}
--- sh
export DOCKER_HOST=@RELAY@
python3 .home/peak.py "$AGENTBOX" run manifest.yaml
--- stderr!
[\\x00-\\x08\\x0b-\\x1f\\x7f]
--- check
test "$(cat canary/file)" = canary
test "$(find canary | wc -l)" = 2
test ! -e /tmp/agentbox-evil
for f in $(ls -A); do case $f in .home|manifest.yaml|canary|res|single) ;; *) echo "left: $f"; exit 1 ;; esac; done
test -z "$(find . -path ./.home -prune -o \\( -type l -o -type p -o -perm /7000 \\) -print)"
test -z "$(find .home -name '*.tmp')"
"""


class EveryAttach(relay.Relay):
    """Also that of the next sandbox, when the program gave up one."""

    def __init__(self, host, path, action):
        self.action = action
        super().__init__(host, path)

    def _choose(self, name):
        return self.action if name == "POST /containers/ID/attach" else None


class Lied(run_cases.Run):
    """A case with the liar in its engine."""

    def __init__(self, name, attack, options):
        super().__init__(case_file.parse(re.sub("[^a-z0-9]+", "-", name.lower()), CASE % {"name": name}), options)
        self.kind, self.request, self.fn, self.statuses, self.wanted = attack
        self.place = tempfile.mkdtemp(prefix="agentbox-liar-")
        self.liar_of_guest = Liar(self.kind, self.request, self.fn)
        self.relay = EveryAttach(self.engine.host, self.place + "/s", self.liar_of_guest)
        self.words = {**self.words, "RELAY": self.relay.host}

    def __call__(self):
        problems = super().__call__()
        self.relay.stop()
        shutil.rmtree(self.place, ignore_errors=True)
        return problems

    def check_after(self):
        super().check_after()
        with open(self.path(".home/last.out"), encoding="utf-8", errors="backslashreplace") as f:
            said = f.read()
        with open(self.path(".home/peak"), encoding="ascii") as f:
            status, peak = (int(word) for word in f.read().split())
        errors = [line for line in said.splitlines() if line.startswith("agentbox: error")]
        self.note = "exit %d, %d MiB, %d lies: %s" % (status, peak, self.liar_of_guest.lies, errors[-1][:200] if errors else "")
        if status not in self.statuses:
            self.problem("exit status %d, expected one of %s: %s" % (status, self.statuses, said[-1500:]))
        if status != 0 and not errors and "failed" not in said:
            self.problem("no word of what is wrong: %s" % said[-1000:])
        if peak > PEAK_MIB:
            self.problem("%d MiB of memory" % peak)
        if self.liar_of_guest.lies == 0 and self.wanted != "optional":
            self.problem("it was never lied: %s" % said[-1500:])
        if self.wanted not in ("", "optional") and not re.search(self.wanted, said):
            self.problem("not said: %s: %s" % (self.wanted, said[-1500:]))


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=6, help="some wait for a time limit")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.agentbox, options.schema, options.keep, options.words = os.path.abspath(options.agentbox), check.find_schema(), False, {}
    return options


def main():
    # freed memory that the sanitizer holds back is not the program's
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=1") + ":quarantine_size_mb=16"
    options = read_options()
    if not engine.Engine().answers():
        print("1..1\nnot ok 1 - a Docker Engine answers at %s" % engine.Engine().host)
        return 1
    chosen = [a for a in ATTACKS if options.only in a[0]]
    print("1..%d" % len(chosen))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [Lied(a[0], a[1:], options) for a in chosen]
        results = [pool.submit(run) for run in runs]
        for number, (a, run, result) in enumerate(zip(chosen, runs, results), 1):
            problems = result.result()
            failed += bool(problems)
            run_cases.report(number, a[0], problems)
            if options.verbose:
                print("# " + getattr(run, "note", ""), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
