# SPDX-License-Identifier: MIT
"""The tools, measured: rows of bench.py beside what does the same on the host."""
import json
import os
import random
import shutil
import statistics
import subprocess
import time

LINE = 64
HUNKS, LARGE = 200, 10 << 20
FILES = 500
ECHOES = 60
TREE = 20000
ROUNDS = 5


def timed(fn):
    start = time.monotonic()
    fn()
    return (time.monotonic() - start) * 1e3


def call_ms(result, tool):
    """From the begin of each call of that tool to its end, in ms, as the journal has it."""
    begun, out = {}, []
    for r in result["journal"]:
        if r["type"] == "call.begin" and r["tool"] == tool:
            begun[r["call"]] = r["ms"]
        elif r["type"] == "call.end" and r["call"] in begun:
            out.append(r["duration_ms"])
    return out


def with_tree(source):
    return {"size": "2g", "entries": {"data": {"type": "local_dir", "src": source}}}


# --- apply_patch ---

def lines_of(rng, count):
    return ["%0*x" % (LINE - 1, rng.getrandbits(4 * (LINE - 1))) for _ in range(count)]


def edit(lines, hunks):
    """(ours, theirs): the hunks of one file in both formats; each replaces one line in the middle of six."""
    ours, theirs, step = [], [], len(lines) // hunks
    for i in range(hunks):
        at = i * step + step // 2
        before, old, after = lines[at - 3:at], lines[at], lines[at + 1:at + 4]
        body = [" " + x for x in before] + ["-" + old, "+changed " + old] + [" " + x for x in after]
        ours += ["@@"] + body
        theirs += ["@@ -%d,7 +%d,7 @@" % (at - 2, at - 2)] + body
    return ours, theirs


class Change:
    """A tree, and the same change of it for apply_patch and for git."""

    def __init__(self, work, files, lines, hunks):
        rng = random.Random(1)
        self.work, self.source = work, os.path.join(work, "patched%d" % files)
        os.makedirs(self.source)
        ours, theirs = ["*** Begin Patch"], []
        for i in range(files):
            text = lines_of(rng, lines)
            with open(os.path.join(self.source, "f%d" % i), "w", encoding="ascii") as f:
                f.write("\n".join(text) + "\n")
            a, b = edit(text, hunks)
            ours += ["*** Update File: data/f%d" % i] + a
            theirs += ["diff --git a/f%d b/f%d" % (i, i), "--- a/f%d" % i, "+++ b/f%d" % i] + b
        self.ours = "\n".join(ours + ["*** End Patch", ""])
        self.diff = os.path.join(work, "change.diff")
        with open(self.diff, "w", encoding="ascii") as f:
            f.write("\n".join(theirs) + "\n")

    def run(self, b):
        check = "cat data/* | grep -c ^changed"
        turns = [{"reply": [{"custom": "apply_patch", "input": self.ours, "call_id": "p"}]},
                 {"reply": [{"exec": check, "call_id": "c"}]}, {"reply": [{"message": "done"}]}]
        result = b.run(turns, workspace=with_tree(self.source), agent={"tools": ["shell", "apply_patch"]}, model={"tool_style": "custom"},
                       checkpoint={"every": "off"}, sandbox={"memory": "2g"}, limits={"command": "10m"})
        ends = [r for r in result["journal"] if r["type"] == "call.end"]
        if ends[0]["outcome"] != "ok":
            raise RuntimeError("the patch was not applied: %s" % ends[0]["summary"])
        return call_ms(result, "apply_patch")[0]

    def git(self):
        copy = os.path.join(self.work, "git")
        shutil.copytree(self.source, copy)
        took = timed(lambda: subprocess.run(["git", "apply", self.diff], cwd=copy, check=True,
                                            env=dict(os.environ, GIT_CEILING_DIRECTORIES=self.work)))
        shutil.rmtree(copy)
        return took


def row_patch(b, out):
    for title, files, lines, hunks in (("%d hunks over one file of 10 MiB" % HUNKS, 1, LARGE // LINE - 200, HUNKS),
                                       ("%d files, one hunk each" % FILES, FILES, 100, 1)):
        change = Change(b.work, files, lines, hunks)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(change.run(b))
            theirs.append(change.git())
        ours, theirs = statistics.median(ours), statistics.median(theirs)
        out("apply_patch, %s, median" % title, "%.0f ms" % ours, "`git apply` on the host: %.0f ms" % theirs, "%.2f" % (ours / theirs), "<= 1")


# --- write_stdin ---

def row_stdin(b, out):
    """Sessions that echo one line and end: what a model waits for the answer to its input."""
    turns = [{"reply": [{"exec": "stty -echo; exec head -n 1", "with": {"tty": True, "yield_time_ms": 250}, "call_id": "s%d" % i}
                        for i in range(ECHOES)]}]
    turns += [{"reply": [{"call": "write_stdin", "call_id": "w%d" % i,
                          "arguments": {"session_id": 1000 + i, "chars": "echo %d\n" % i, "yield_time_ms": 30000}}]} for i in range(ECHOES)]
    result = b.run(turns + [{"reply": [{"message": "done"}]}], model={"tool_style": "function"}, checkpoint={"every": "off"},
                   limits={"turns": 200})
    ends = {e["n"]: e["end_ns"] for e in result["events"] if e["kind"] == "end"}
    begins = {e["n"]: e["first_ns"] for e in result["events"] if e["kind"] == "request"}
    ours = statistics.median((begins[n + 1] - ends[n]) / 1e6 for n in range(7, ECHOES + 2))
    container = b.sleeper()
    theirs = statistics.median(timed(lambda: b.engine.execute(container, ["head", "-n", "1"], feed=os.devnull)) for _ in range(15))
    b.engine.remove(container)
    out("`write_stdin` echo turnaround, from the model and back to it, median", "%.2f ms" % ours,
        "Engine exec of `head`: %.1f ms" % theirs, "%.0f times less" % (theirs / ours), "< 3 ms")


# --- tools of an image of their own ---

def row_container(b, out):
    """Calls of a tool that gives back its arguments, in its warm sandbox; and the same one again and again, of which the result
    is stored."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    tool = {"type": "container", "description": "Echo.", "command": ["cat"], "parameters": schema}
    tools = [dict(tool, name="warm"), dict(tool, name="cached", cache=True)]
    turns = [{"reply": [{"call": "warm", "arguments": {"n": i}, "call_id": "w%d" % i}]} for i in range(ECHOES)]
    turns += [{"reply": [{"call": "cached", "arguments": {"n": 0}, "call_id": "c%d" % i}]} for i in range(ECHOES)]
    result = b.run(turns + [{"reply": [{"message": "done"}]}], agent={"tools": tools}, model={"tool_style": "function"},
                   checkpoint={"every": "off"}, limits={"turns": 200})
    calls = [r for r in result["journal"] if r["type"] == "call.end"]
    if sum(r.get("cached", False) for r in calls) != ECHOES - 1 or any(r["outcome"] != "ok" for r in calls):
        raise RuntimeError("the calls are not what they should be")
    ends = {e["n"]: e["end_ns"] for e in result["events"] if e["kind"] == "end"}
    begins = {e["n"]: e["first_ns"] for e in result["events"] if e["kind"] == "request"}
    first = min(ends)
    container = b.sleeper()
    theirs = statistics.median(timed(lambda: b.engine.execute(container, ["cat"], feed=os.devnull)) for _ in range(15))
    b.engine.remove(container)
    for title, aim, skip in (("warm call of a container tool", "< 3 ms", 5), ("stored result of a container tool", "< 1 ms", ECHOES + 5)):
        ours = statistics.median((begins[n + 1] - ends[n]) / 1e6 for n in range(first + skip, first + skip + ECHOES - 10))
        out("%s, from the model and back to it, median" % title, "%.2f ms" % ours, "Engine exec of `cat`: %.1f ms" % theirs,
            "%.0f times less" % (theirs / ours), aim)


# --- search_text ---

WORDS = ("sail mast keel rudder anchor tide harbour compass rope deck bow stern cabin galley beacon current reef shoal wind wave "
         "gull salt chart log crew captain voyage storm calm horizon").split()


def make_sources(top):
    rng = random.Random(2)
    for i in range(TREE):
        folder = os.path.join(top, "d%03d" % (i % 200))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "f%05d.txt" % i), "w", encoding="ascii") as f:
            for _ in range(30):
                f.write(" ".join(rng.choices(WORDS, k=10)) + "\n")
            if i % 1000 == 7:
                f.write("here is the needle of %d\n" % i)


def row_search(b, out):
    source = os.path.join(b.work, "sources")
    make_sources(source)
    find = {"call": "search_text", "arguments": {"pattern": "needle", "path": "data", "limit": 1000}}
    turns = [{"reply": [dict(find, call_id="s%d" % i)]} for i in range(ROUNDS)] + [{"reply": [{"message": "done"}]}]
    result = b.run(turns, workspace=with_tree(source), agent={"tools": ["files"]}, model={"tool_style": "function"},
                   checkpoint={"every": "off"}, sandbox={"memory": "2g"})
    found = [r["summary"] for r in result["journal"] if r["type"] == "call.end"]
    if any("%d lines in %d of %d files" % (TREE // 1000, TREE // 1000, TREE) not in s for s in found):
        raise RuntimeError("not all was found: %s" % found)
    ours = statistics.median(call_ms(result, "files"))
    for name, argv in (("rg -F", ["rg", "-F", "-n", "--no-ignore", "needle", source]), ("grep -rFn", ["grep", "-rFn", "needle", source])):
        if shutil.which(argv[0]):
            theirs = statistics.median(timed(lambda a=argv: subprocess.run(a, check=True, stdout=subprocess.DEVNULL)) for _ in range(ROUNDS))
            out("`search_text` over 20,000 files, median", "%.0f ms" % ours, "`%s` on the host: %.0f ms" % (name, theirs),
                "%.1f" % (ours / theirs), "")
