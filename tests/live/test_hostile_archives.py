#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Archives and run folders that somebody else made:  test_hostile_archives.py AGENTBOX LIST [--only TEXT] [--jobs N]

1. Each archive of hostile_tars.py is read by our reader (LIST is list_archive.c): the exact outcome, in little memory.
2. Each stands where the pack of a checkpoint was, alone and behind the right members, in a run folder whose digests and hash chain
   were made anew, so that nothing but the reading itself can object.
3. The same with tree records, journals and files that lie (RECORDS, LINES, FILES below).
Of 2 and 3 `verify`, `export` to a folder and to an archive, `diff`, `show`, `logs` and `ls` must come to an end with a status of
theirs and words, write nothing but what was asked for, and leave a canary alone. Prints TAP. One run in the engine makes the folder.
"""
import argparse
import base64
import concurrent.futures
import hashlib
import json
import os
import queue
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile_tars  # noqa: E402
import run_cases  # noqa: E402
from harness import case as case_file  # noqa: E402
from harness import check, engine  # noqa: E402

SECONDS, READER_MIB, PROGRAM_MIB = 300, 64, 512  # the latter with a sanitizer's own memory
CASE = """# a run to be spoilt
--- model
{"turns": [
  {"reply": [{"shell": ["echo base >base"], "call_id": "c1"}]},
  {"reply": [{"shell": ["echo one >f; mkdir d; echo two >d/g; ln -s f l; seq 100000"], "call_id": "c2"}]},
  {"reply": [{"message": "done"}]}
]}
--- run
--- stdout
done
--- check
cp -r "$RUN" "@COPY@"
"""
SHA = {name: hashlib.sha256(name).hexdigest() for name in (b"base\n", b"one\n", b"two\n")}


# --- a run folder, made anew ---

def digest_of(entries):
    """listing_digest() of core/run/listing.h."""
    h = hashlib.sha256()
    for e in sorted(entries, key=lambda e: raw(e, "path")):
        kind = e["type"]
        seconds, _, rest = e["mtime"].lstrip("-").partition(".")
        if not (seconds + rest).isdigit() or not isinstance(e.get("size", 0), int):
            return "0" * 64  # no record that could have one
        ns = (int(seconds) * 10**9 + int(rest)) * (-1 if e["mtime"].startswith("-") else 1)
        h.update({"file": b"F", "dir": b"D", "link": b"L", "hard": b"H"}.get(kind, b"?"))
        h.update(struct.pack(">Iqq", e.get("mode", 0) & 0xffffffff, ns, e.get("size", 0)))
        h.update(e["sha256"].encode() if kind == "file" else b"")
        h.update(raw(e, "path") + b"\0" + (raw(e, "link") + b"\0" if kind in ("link", "hard") else b""))
    return h.hexdigest()


def raw(e, key):
    return base64.b64decode(e[key + "64"]) if key + "64" in e else e.get(key, "").encode("utf-8", "surrogatepass")


def record_text(entries, contents=(b"one\n", b"two\n"), head='{"format":1,"entries":[', unkept=(), tree=None):
    def lines(elements):
        return "".join("\n" + json.dumps(e, separators=(",", ":"), ensure_ascii=False) + "," for e in elements).rstrip(",")
    return "%s%s\n],\"gone\":[\n],\"contents\":[%s\n],\"unkept\":[%s\n],\"tree\":\"%s\"}\n" % (
        head, lines(entries), lines({"sha256": SHA[c], "size": len(c)} for c in contents), lines(unkept), tree or digest_of(entries))


class Folder:
    """A copy of the run that may be changed, and then closed: digests and chain are right again."""

    def __init__(self, original, top):
        self.id = os.path.basename(os.readlink(original + ".id"))
        self.path = os.path.join(top, ".home/state/agentbox/runs", self.id)
        subprocess.run(["rm", "-rf", os.path.join(top, ".home")], check=True)
        os.makedirs(os.path.dirname(self.path))
        shutil.copytree(original, self.path)
        with open(self.path + "/journal.jsonl", "rb") as f:
            self.lines = [json.loads(line) for line in f]

    def file(self, name):
        return os.path.join(self.path, name)

    def checkpoint(self, number=2):
        return next(r for r in self.lines if r["type"] == "checkpoint.done" and r["number"] == number and not r.get("same"))

    def write(self, name, data):
        with open(self.file(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))

    def set_pack(self, data):
        self.write("checkpoints/000002.tar.zst", data)
        self.checkpoint()["pack"], self.checkpoint()["pack_bytes"] = hashlib.sha256(data).hexdigest(), len(data)

    def set_record(self, text):
        data = text.encode("utf-8", "surrogatepass")
        self.write("checkpoints/000002.json", data)
        self.checkpoint()["record"] = hashlib.sha256(data).hexdigest()
        found = re.search(r'"tree":"([0-9a-f]{64})"', text)
        if found:
            self.checkpoint()["tree"] = found.group(1)

    def close(self):
        before, out = "0" * 64, b""
        for record in self.lines:
            record = {k: v for k, v in record.items() if k not in ("prev", "sum")}
            line = json.dumps({**record, "prev": before}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")[:-1]
            line += b',"sum":"%s"}' % hashlib.sha256(line).hexdigest().encode()
            before, out = hashlib.sha256(line).hexdigest(), out + line + b"\n"
        self.write("journal.jsonl", out)


# --- tree records that lie ---

DIR = {"path": "d", "type": "dir", "mode": 0o755, "mtime": "1.000000000"}
FILE = {"path": "f", "type": "file", "mode": 0o644, "mtime": "1.000000000", "size": 4, "sha256": SHA[b"one\n"]}
TWO = {**FILE, "path": "g", "sha256": SHA[b"two\n"]}


def b64(data):
    return base64.b64encode(data).decode()


def link(path, to, kind="link"):
    return {"path": path, "type": kind, "mode": 0, "mtime": "1.000000000", "link": to}


def odd_records():
    """(what, text)"""
    def with_entry(*entries):
        return record_text(sorted([*entries, TWO], key=lambda e: raw(e, "path")))
    for path in ("../x", "/tmp/agentbox-evil", "a/../../x", "..", ".", "", "a//b", "a/", "./a", "d/../../x", "a\0b"):
        yield "a path %r" % path, with_entry({**FILE, "path": path})
        yield "a folder %r" % path, with_entry({**DIR, "path": path})
        yield "a link at %r" % path, with_entry(FILE, link(path, "x"))
    yield "a path up in base64", with_entry({**{k: v for k, v in FILE.items() if k != "path"}, "path64": b64(b"../x")})
    yield "a path with NUL in base64", with_entry({**{k: v for k, v in FILE.items() if k != "path"}, "path64": b64(b"x\0/../../y")})
    yield "a path that is no base64", with_entry({**{k: v for k, v in FILE.items() if k != "path"}, "path64": "!!!!"})
    yield "a link out, and a file through it", with_entry(link("l", "@CANARY@"), {**FILE, "path": "l/file"})
    yield "a link up, and a file through it", with_entry(link("l", "../.."), {**FILE, "path": "l/x"})
    yield "a link out, and a folder at its place", with_entry(link("l", "@CANARY@"), {**DIR, "path": "l/d"}, {**FILE, "path": "l/d/f"})
    yield "a link out, alone", with_entry(FILE, link("l", "@CANARY@/file"))
    yield "a hard link out", with_entry(FILE, link("h", "@CANARY@/file", "hard"))
    yield "a hard link up", with_entry(FILE, link("h", "../../canary/file", "hard"))
    yield "a hard link to a link out", with_entry(FILE, link("h", "a", "hard"), link("a", "@CANARY@/file"))
    yield "a hard link to a folder", with_entry(FILE, DIR, link("h", "d", "hard"))
    yield "a hard link to itself", with_entry(FILE, link("h", "h", "hard"))
    yield "a hard link to nothing", with_entry(FILE, link("h", "a", "hard"))
    yield "a hard link through a link", with_entry(FILE, link("l", "@CANARY@"), link("m", "l/file", "hard"))
    yield "a file in a file", with_entry(FILE, {**FILE, "path": "f/x"})
    yield "a folder that is not listed", with_entry({**FILE, "path": "no/such/f"})
    yield "a folder after what is in it", record_text([{**FILE, "path": "d/f"}, DIR, TWO])
    yield "the same path twice", record_text([FILE, {**FILE, "mode": 0o600}, TWO])
    yield "a path as file and as link", record_text([link("f", "@CANARY@/file"), FILE, TWO])
    yield "set-uid of root", with_entry({**FILE, "mode": 0o6755})
    yield "a mode out of range", with_entry({**FILE, "mode": 1 << 40})
    yield "a folder closed to us", with_entry({**DIR, "mode": 0}, {**FILE, "path": "d/f"})
    yield "a type that nobody knows", with_entry({**FILE, "type": "device"})
    yield "a size that is larger than its content", with_entry({**FILE, "size": 1 << 62})
    yield "a size that is smaller", with_entry({**FILE, "size": 1})
    yield "a negative size", with_entry({**FILE, "size": -1})
    yield "a size that is a text", with_entry({**FILE, "size": "4"})
    yield "a content that no pack has", with_entry({**FILE, "sha256": "ab" * 32})
    yield "a digest that is a path", with_entry({**FILE, "sha256": "../" * 20 + "ab/x"})
    yield "a time before all", with_entry({**FILE, "mtime": "-9223372036.854775808"})
    yield "a time after all", with_entry({**FILE, "mtime": "9223372036.854775807"})
    yield "a time that is none", with_entry({**FILE, "mtime": "1e99"})
    yield "a link without target", with_entry(link("l", ""))
    yield "a link of a megabyte", with_entry(link("l", "x" * (1 << 20)))
    yield "a path of 5,000 bytes", with_entry({**FILE, "path": "d/" * 2500 + "f"})
    yield "a name of 300 bytes", with_entry({**FILE, "path": "n" * 300})
    yield "two thousand folders in one another", with_entry(*({**DIR, "path": "/".join("d" * n)} for n in range(1, 2000)))
    yield "names that move a terminal", with_entry({**FILE, "path": "\x1b[2J\u202e\x9b"}, {**FILE, "path": "a\nb"})
    yield "twenty thousand files of one content", record_text([{**FILE, "path": "f%05d" % i} for i in range(20000)] + [TWO])
    yield "unkept things that move a terminal", record_text([FILE, TWO], unkept=[{"path": "\x1b[2J", "why": "\x1b]0;x\x07"}])
    yield "no contents", record_text([FILE, TWO], contents=())
    yield "contents in another order", record_text([FILE, TWO], contents=(b"two\n", b"one\n"))
    yield "the same content twice", record_text([FILE, TWO], contents=(b"one\n", b"one\n", b"two\n"))
    yield "a digest of its own that is wrong", record_text([FILE, TWO], tree="ab" * 32)
    yield "a base that is not there", record_text([FILE, TWO], head='{"format":1,"base":"%s","depth":1,"entries":[' % ("ab" * 32))
    yield "a depth without base", record_text([FILE, TWO], head='{"format":1,"depth":5,"entries":[')
    yield "a depth out of range", record_text([FILE, TWO], head='{"format":1,"base":"%s","depth":9999999999,"entries":[' % ("ab" * 32))
    yield "another format", record_text([FILE, TWO], head='{"format":2,"entries":[')
    yield "nothing at all", ""
    yield "no JSON", "\x00\x01" * 1000
    yield "JSON without lines", record_text([FILE, TWO]).replace("\n", "")
    yield "a line of 20 MiB", record_text([FILE, TWO]) + "x" * (20 << 20)
    yield "nested without end", '{"format":1,"entries":[\n' + "[" * 1000000
    yield "cut in the middle", record_text([FILE, TWO])[:300]


# --- journals that lie ---

def odd_lines():
    """(what, function that changes the folder)"""
    def every(key, value):
        def change(folder):
            for record in folder.lines:
                if key in record:
                    record[key] = value
        return change

    def text_everywhere(text):
        def change(folder):
            for record in folder.lines:
                for key, value in record.items():
                    if isinstance(value, str) and key not in ("type", "time", "prev", "sum") and not re.fullmatch("[0-9a-f]{64}|[0-9TZ:.-]+", value):
                        record[key] = text
        return change

    def first(kind, **values):
        def change(folder):
            next(r for r in folder.lines if r["type"] == kind).update(values)
        return change
    for what, text in (("escapes", "\x1b[2J\x07\x1b]0;evil\x07\r\n\u202e\x9b31m"), ("a way up", "../../../../canary/file"),
                       ("a megabyte", "x" * (1 << 20)), ("nothing", ""), ("percent signs", "%s%n%x")):
        yield what + " in every text", text_everywhere(text)
    for key in ("number", "turn", "calls", "attempt", "files", "folders", "bytes", "pack_bytes", "exit", "ms", "duration_ms", "size", "tokens"):
        for value in (-1, 1 << 62, "x", None):
            yield "'%s' is everywhere %s" % (key, json.dumps(value)), every(key, value)
    for key in ("tree", "record", "pack", "sha256", "object"):
        for value in ("ab" * 32, "../" * 21 + "x", "/etc/passwd", "AB" * 32, ""):
            yield "'%s' is everywhere %s" % (key, value[:20]), every(key, value)
    yield "all types are one", every("type", "checkpoint.done")
    yield "a type that nobody knows", first("sandbox.removed", type="sandbox.exploded")
    yield "no line but the first", lambda folder: folder.lines.__delitem__(slice(1, None))
    yield "every line twice", lambda folder: folder.lines.__setitem__(slice(None), [x for line in folder.lines for x in (line, line)])
    yield "lines in another order", lambda folder: folder.lines.reverse()
    yield "ten thousand lines", lambda folder: folder.lines.__setitem__(slice(-1, None), folder.lines[-1:] * 10000)
    yield "the run's id is a path", first("run.begin", id="../../../canary")


# --- files that are not what they should be ---

PLACES = ("journal.jsonl", "manifest.json", "lock", "checkpoints", "checkpoints/000002.json", "checkpoints/000002.tar.zst", "objects", "objects/*")


def spoil(path, kind, canary):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        os.mkdir(path)
    elif kind == "a link to a canary":
        os.symlink(canary, path)
    elif kind == "a link to itself":
        os.symlink(os.path.basename(path), path)
    elif kind == "a link to what never ends":
        os.symlink("/dev/zero", path)
    elif kind == "a device that never ends":
        os.mknod(path, 0o20600, os.makedev(1, 5))
    elif kind == "all hole":  # what may be large is read to its end, which takes its time and no memory
        with open(path, "wb") as f:
            f.truncate(1 << (30 if path.endswith(".zst") or "/objects/" in path else 40))
    elif kind == "empty":
        open(path, "wb").close()


def odd_files():
    for place in PLACES:
        for kind in ("a pipe", "a folder", "a link to a canary", "a link to itself", "a link to what never ends", "a device that never ends",
                     "all hole", "empty", "gone"):
            def change(folder, place=place, kind=kind):
                names = sorted(os.listdir(folder.file("objects"))) if place.endswith("*") else []
                spoil(folder.file("objects/" + names[0] if names else place), kind, folder.canary)
            yield "%s is %s" % (place, kind), change


# --- what must hold ---

class Bench:
    def __init__(self, options, original, folder):
        self.options, self.original, self.folder = options, original, folder
        self.canary = os.path.join(folder, "canary")
        os.makedirs(self.canary)
        with open(os.path.join(self.canary, "file"), "w", encoding="utf-8") as f:
            f.write("canary\n")
        self.top = os.path.join(folder, "top")
        os.mkdir(self.top)

    def run(self, *argv):
        """(status, what was said, MiB)"""
        env = {k: v for k, v in os.environ.items() if k in run_cases.KEPT_ENV}
        home = os.path.join(self.top, ".home")
        env.update(HOME=home, XDG_STATE_HOME=home + "/state", XDG_CACHE_HOME=home + "/cache", XDG_CONFIG_HOME=home + "/config", TZ="UTC", LC_ALL="C.UTF-8")
        said = os.path.join(self.folder, "said")
        with open(said, "wb") as out:
            process = subprocess.Popen(["timeout", "-s", "KILL", str(SECONDS), *argv], cwd=self.top, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            peak = 0
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            peak = usage.ru_maxrss >> 10
        with open(said, "rb") as f:
            return os.waitstatus_to_exitcode(status), f.read(1 << 20).decode("utf-8", "backslashreplace"), peak

    def judge(self, what, got, statuses):
        status, said, peak = got
        if status in (137, -9):
            yield "%s: did not end within %d s" % (what, SECONDS)
        elif status not in statuses:
            yield "%s: exit status %s, expected one of %s: %s" % (what, status, statuses, said[-1500:])
        if run_cases.SANITIZER.search(said):
            yield "%s: a sanitizer spoke: %s" % (what, said[:2000])
        if re.search("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202e]", said):
            yield "%s: control characters reach the terminal: %r" % (what, re.search("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202e].{0,80}", said).group(0))
        if not said.strip() and status != 0:
            yield "%s: no word of what is wrong" % what
        if peak > PROGRAM_MIB + self.base_mib():
            yield "%s: %d MiB of memory" % (what, peak)

    @staticmethod
    def base_mib():
        """What a child of ours begins with: the kernel counts it in."""
        with open("/proc/self/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4096 >> 20

    def left(self):
        for name in sorted(os.listdir(self.top)):
            if name != ".home":
                yield name

    def check_outside(self, what):
        with open(os.path.join(self.canary, "file"), encoding="utf-8") as f:
            if f.read() != "canary\n" or os.listdir(self.canary) != ["file"] or os.stat(self.canary + "/file").st_nlink != 1:
                yield "%s: the canary is hurt" % what
        if os.path.lexists("/tmp/agentbox-evil"):
            yield "%s: it wrote to an absolute path" % what

    def check_exported(self, what, path):
        odd = subprocess.run(["find", path, "(", "-perm", "/6000", "-o", "-not", "-type", "f,d,l", ")", "-printf", "%f %M\\n"],
                             capture_output=True, text=True, errors="backslashreplace", check=False)
        if odd.stdout or odd.stderr:
            yield "%s: what is no file, folder or link, or has a set-id bit: %s%s" % (what, odd.stdout[:500], odd.stderr[:500])

    def export(self, target):
        got = self.run(self.options.agentbox, "export", "last", target)
        path = os.path.join(self.top, target)
        yield from self.judge("export " + target, got, (0, 2, 9))
        if got[0] == 0 and os.path.isdir(path):
            yield from self.check_exported("export", path)
        if got[0] != 0 and os.path.lexists(path):
            yield "export %s: failed, and left something" % target
        subprocess.run(["rm", "-rf", path], check=True)

    def look(self, folder, wants_damage, verbs):
        got = self.run(self.options.agentbox, "verify", "last")
        yield from self.judge("verify", got, (2, 9) if wants_damage else (0, 2, 9))
        yield from self.export("folder")
        if "tar" in verbs:
            yield from self.export("archive.tar")
        for verb in verbs:
            if verb != "tar":
                argv = verb.split()
                yield from self.judge(verb, self.run(self.options.agentbox, *argv), (0, 1, 2, 3, 8, 9))
        yield from ("left behind: " + name for name in self.left())
        yield from self.check_outside("all of it")

    def spoilt(self, change, wants_damage, verbs=()):
        folder = Folder(self.original, self.top)
        folder.canary = self.canary + "/file"
        change(folder)
        return list(self.look(folder, wants_damage, verbs))


def with_pack(data):
    def change(folder):
        folder.set_pack(data)
        folder.close()
    return change


def with_record(text, canary):
    def change(folder):
        folder.set_record(text.replace("@CANARY@", canary))
        folder.close()
    return change


def with_lines(edit):
    def change(folder):
        edit(folder)
        folder.close()
    return change


def read_by_us(options, folder, data, wanted):
    path = os.path.join(folder, "archive")
    with open(path, "wb") as f:
        f.write(data)
    done = subprocess.run([options.list, path], capture_output=True, timeout=SECONDS, check=False)
    got = re.sub("(error the archive is damaged): .*", r"\1", " | ".join(done.stdout.decode().splitlines()))
    if done.returncode != 0 or run_cases.SANITIZER.search(done.stderr.decode("utf-8", "replace")):
        yield "exit status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[:2000])
    if got != wanted:
        yield "expected %.300s" % wanted
        yield "but got  %.300s" % got
    peak = int(re.search(rb"VmHWM:\s*(\d+)", done.stderr).group(1)) >> 10
    if peak > READER_MIB:
        yield "%d MiB of memory" % peak


def tests_of(options):
    """(name, function of a bench that gives problems)"""
    archives = hostile_tars.archives()
    good = hostile_tars.good_pack([b"one\n", b"two\n"])
    for name, (data, wanted) in archives.items():
        yield "reads: " + name, lambda b, data=data, wanted=wanted: read_by_us(options, b.folder, data, wanted)
    yield "the folder as it was", lambda b: b.spoilt(lambda folder: folder.close(), False, ("tar", "diff last@turn:1 last", "show last", "logs last", "ls", "ls --json"))
    yield "a pack of our own", lambda b: b.spoilt(with_pack(good + hostile_tars.END), False, ("tar",))
    for name, (data, _) in archives.items():
        if len(data) < 32 << 20:
            yield "as pack: " + name, lambda b, data=data: b.spoilt(with_pack(data), True)
    for name, (data, wanted) in archives.items():
        if 512 < len(data) < 1 << 20 and wanted != "end" and not data.startswith((b"\x28\xb5", b"\x1f\x8b", b"\0")):
            yield "behind a pack: " + name, lambda b, data=data: b.spoilt(with_pack(good + data), True)
    for name, text in odd_records():
        yield "record: " + name, lambda b, text=text: b.spoilt(with_record(text, b.canary), False, ("tar", "diff --stat last@turn:1 last"))
    for name, edit in odd_lines():
        yield "journal: " + name, lambda b, edit=edit: b.spoilt(with_lines(edit), False, ("show last", "logs last", "ls"))
    for name, change in odd_files():
        yield "files: " + name, lambda b, change=change: b.spoilt(change, False, ("show last", "ls"))


def at_a_bench(benches, test):
    bench = benches.get()
    try:
        return list(test(bench))
    finally:
        benches.put(bench)


def make_run(options, folder):
    original = os.path.join(folder, "original")
    options.words = {"COPY": original}
    run = run_cases.Run(case_file.parse("spoilt", CASE), options)
    problems = run()
    if not problems:
        os.symlink(run.words["RUN_A"], original + ".id")
    return original, problems


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("list")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.agentbox, options.list = os.path.abspath(options.agentbox), os.path.abspath(options.list)
    options.keep, options.schema = False, check.find_schema()
    return options


def main():
    options = read_options()
    if not engine.Engine().answers():
        print("1..1\nnot ok 1 - a Docker Engine answers at %s" % engine.Engine().host)
        return 1
    failed = 0
    folder = tempfile.mkdtemp(prefix="agentbox-archives-")
    try:
        original, problems = make_run(options, folder)
        tests = [("a run to be spoilt", lambda _: problems)] + [t for t in tests_of(options) if options.only in t[0]]
        print("1..%d" % len(tests))
        benches = queue.Queue()
        for n in range(options.jobs):
            benches.put(Bench(options, original, os.path.join(folder, str(n))))
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = [pool.submit(at_a_bench, benches, test) for _, test in tests]
            for number, ((name, _), result) in enumerate(zip(tests, results), 1):
                wrong = result.result()
                failed += bool(wrong)
                run_cases.report(number, name, wrong)
    finally:
        subprocess.run(["rm", "-rf", folder], check=False)  # it may be too deep for shutil
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
