#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Attacks on the wall from inside a real sandbox:  test_attacks.py AGENTBOX PROBE [--list]

PROBE (probe.c and its parts) is run by a tool call as any command of a model would be. Each of its attempts has a name that
begins with the row of the lock-down it is aimed at. Prints TAP: a test for each row of `agentbox plan`, which fails when an
attempt went through or when nothing attacks the row. Then the same program is run in an ordinary container of the same engine,
as `docker run` makes one without options, and both scores are printed. --list prints every attempt with what came of it.
"""
import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import run_cases  # noqa: E402
from harness import case as case_file  # noqa: E402
from harness import check, engine  # noqa: E402

LEAST = 220  # attempts by name; fewer mean that some were lost
IMAGE = "agentbox-demo:1"
# Everything a command can read of itself and of others goes out as well: the key must not be in it.
CASE = """# Every row of the lock-down, attacked from inside.
--- model
{"turns": [
  {"reply": [{"shell": ["./probe >probe.txt 2>probe.err; echo status $?"], "call_id": "c1", "timeout_ms": 500000}]},
  {"expect": {"input[-1].output[0].stdout": "status 0\\n"},
   "reply": [{"shell": ["cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/self/mountinfo /etc/* /run/* /tmp/* /.agentbox/* >seen.bin 2>/dev/null; env >>seen.bin; echo alive"], "call_id": "c2"}]},
  {"expect": {"input[-1].output[0].stdout": "alive\\n"}, "reply": [{"message": "probed"}]}
]}
--- setup
cp "@PROBE@" probe
chmod 0755 probe
--- more
workspace: {size: 24m, entries: {probe: {type: local_file, src: probe}}}
outputs: [{path: probe.txt, required: true}, {path: seen.bin, required: true}]
--- run
run --set sandbox.cpus=0.5 --set sandbox.memory=96m --set sandbox.pids=64 --set sandbox.tmp=16m --set limits.command=10m manifest.yaml
timeout 900
--- stdout
probed
--- check
cp probe.txt "@RESULT@"
test "$(wc -c <seen.bin)" -gt 1000
! grep -a -F "@KEY@" seen.bin
"$AGENTBOX" plan --json manifest.yaml >"@RESULT@.plan"
"""


def rows_of(tree):
    if isinstance(tree, dict):
        yield from (row["name"] for row in tree.get("rows", []))
        for value in tree.values():
            yield from rows_of(value)


def read_attempts(text):
    """{name: details of what went through}, all of the same name together; and whether it came to its end."""
    attempts, lines = {}, text.splitlines()
    for line in lines:
        name, _, rest = line.partition(" ")
        verdict, _, detail = rest.partition(" ")
        if "/" in name and verdict in ("blocked", "OPEN"):
            attempts.setdefault(name, [])
            if verdict == "OPEN":
                attempts[name].append(detail)
    return attempts, bool(lines) and lines[-1] == "end"


# --- ours ---

def attack_ours(options, folder):
    result = os.path.join(folder, "ours")
    options.words = {"PROBE": os.path.abspath(options.probe), "RESULT": result}
    problems = run_cases.Run(case_file.parse("attacks", CASE), options)()
    attempts, is_whole, rows = {}, False, []
    if os.path.exists(result):
        with open(result, encoding="utf-8", errors="backslashreplace") as f:
            attempts, is_whole = read_attempts(f.read())
    if os.path.exists(result + ".plan"):
        with open(result + ".plan", encoding="utf-8") as f:
            rows = sorted(set(rows_of(json.load(f))))
    if not is_whole:
        problems.append("the probe did not come to its end")
    return attempts, rows, problems


# --- an ordinary container ---

def packed(path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("probe")
        info.mode, info.size = 0o755, os.path.getsize(path)
        with open(path, "rb") as f:
            tar.addfile(info, f)
    return out.getvalue()


def read_logs(raw):
    """Docker's chunks: type, three zeros, length, bytes."""
    out = b""
    while len(raw) >= 8:
        length = int.from_bytes(raw[4:8], "big")
        out += raw[8:8 + length] if raw[0] == 1 else b""
        raw = raw[8 + length:]
    return out.decode("utf-8", "backslashreplace")


def attack_plain(probe, seconds=600):
    """What `docker run IMAGE sh -c /probe` asks for: an image and a command, nothing else."""
    e = engine.Engine()
    status, text = e.send("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["sh", "-c", "/probe; exit 0"],
                                                         "Labels": {"agentbox.test": "plain"}})
    if status != 201:
        return {}, ["an ordinary container could not be made: %s" % text]
    container = json.loads(text)["Id"]
    try:
        status, text = e.send("PUT", "/containers/%s/archive?path=/" % container, packed(probe))
        status, text = e.send("POST", "/containers/%s/start" % container) if status == 200 else (status, text)
        if status != 204:
            return {}, ["an ordinary container could not be started: %s" % text]
        end = time.monotonic() + seconds
        while json.loads(e.inspect(container))["State"]["Running"] and time.monotonic() < end:
            time.sleep(0.2)
        raw = e.raw("GET", "/containers/%s/logs?stdout=1&stderr=1" % container)
        attempts, is_whole = read_attempts(read_logs(raw))
        return attempts, [] if is_whole else ["the probe did not come to its end in an ordinary container"]
    finally:
        e.remove(container)


# --- the verdict ---

def tests_of(attempts, rows, problems, plain, plain_problems):
    yield "the probe runs in a sandbox, and the key is nowhere", problems
    for row in rows:
        aimed = {name: went for name, went in attempts.items() if name.split("/")[0] == row}
        wrong = ["%s: %s" % (name, detail) for name, went in aimed.items() for detail in went]
        yield "%s: %d attempts blocked" % (row, len(aimed)), wrong if aimed else ["no attempt attacks it"]
    strays = sorted({name.split("/")[0] for name in attempts} - set(rows))
    yield "every attempt names a row", ["there is no row '%s'" % s for s in strays]
    blocked = sum(not went for went in attempts.values())
    there = sum(not plain.get(name) for name in attempts)  # what cannot be tried there counts as blocked
    score = "attacks: %d blocked of %d; plain docker run: %d of %d" % (blocked, len(attempts), there, len(attempts))
    wrong = list(plain_problems)
    if len(attempts) < LEAST:
        wrong.append("only %d attempts" % len(attempts))
    if blocked <= there:
        wrong.append("no better than an ordinary container: the attempts attack nothing")
    yield score, wrong


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("probe")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    options.agentbox, options.keep, options.schema = os.path.abspath(options.agentbox), False, check.find_schema()
    return options


def main():
    options = read_options()
    if not engine.Engine().answers():
        print("1..1\nnot ok 1 - a Docker Engine answers at %s" % engine.Engine().host)
        return 1
    with tempfile.TemporaryDirectory(prefix="agentbox-attacks-") as folder:
        attempts, rows, problems = attack_ours(options, folder)
    plain, plain_problems = attack_plain(options.probe)
    if options.list:
        for name in attempts:
            print("%-60s ours: %-8s plain: %s" % (name, "OPEN" if attempts[name] else "blocked",
                                                  "OPEN" if plain.get(name) else "blocked" if name in plain else "-"))
    tests = list(tests_of(attempts, rows, problems, plain, plain_problems))
    print("1..%d" % len(tests))
    failed = 0
    for number, (name, wrong) in enumerate(tests, 1):
        failed += bool(wrong)
        run_cases.report(number, name, wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
