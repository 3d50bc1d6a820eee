#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what `meson test` ran, test by test inside each program:  summary.py BUILD [SUITE ...]

Prints what failed with the lines that say why, a line for each suite, once more and short what failed, and last
`N passed, N failed`. Ends with 1 when anything failed or nothing ran. A program that failed although each of its tests passed (a leak found at the end, a
crash, a missing plan) counts as one more failed test; so does a skipped one: here nothing is skipped. Nor is a
program left out: each that meson knows (of the suites named) and that the log has no result of counts as failed.
"""
import collections
import json
import os
import re
import sys

LINE = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*([^#]*)(#\s*(SKIP|T[O]DO)\b)?", re.I)
PLAN = re.compile(r"^1\.\.(\d+)")
SHOWN = re.compile(r"^(egress )?attacks: ")  # a passed test whose name is a figure that people want to see


def read_tap(text):
    """(names that passed, [name, explanation lines] that failed, tests planned)"""
    passed, failed, planned, why = [], [], None, []
    for line in text.splitlines():
        plan, found = PLAN.match(line), LINE.match(line)
        if plan:
            planned = int(plan.group(1))
        elif found and (found.group(1) or found.group(3)):
            name, why = found.group(2).strip() or line.split("#")[-1].strip(), []
            failed.append([name + (" (skipped)" if found.group(3) else ""), why])
        elif found:
            passed.append(found.group(2).strip())
            why = []  # what follows explains this one
        elif line.startswith("#") and not line.startswith("# ok"):
            why.append(line)
    return passed, failed, planned


def count(test):
    """(names that passed, [name, explanation lines] that failed); a program that did not end well has failed at least once"""
    text = test.get("stdout", "")
    passed, failed, planned = read_tap(text)
    is_ok, ended = test["result"] == "OK", len(passed) + len(failed)
    how = "%s after %.0f s; its last lines:" % (test["result"], test.get("duration", 0))
    if planned is None and is_ok and not ended:
        return [test["name"]], []
    if planned is None:
        failed.append(["(it planned no tests) " + how, tail(text, 12)])
    elif planned != ended:
        failed.append(["(%d of %d tests never ended) %s" % (planned - ended, planned, how), tail(text, 12)])
    elif not is_ok and not failed:
        failed.append(["(at its end) " + how, tail(text, 12)])
    return passed, failed


def tail(text, lines):
    return text.strip().splitlines()[-lines:]


def report(test, failed):
    for name, why in failed:
        print("FAILED %s: %s" % (test["name"], name))
        for line in why[:60]:
            print("    " + line)
    for line in tail(test.get("stderr", ""), 40):
        print("    | " + line)


def digest(failures):
    """Once more and short, at the end: it may be all that somebody gets to see."""
    each = max(2, 24 // len(failures))
    for name, why in failures[:12]:
        print("FAILED " + name[:300])
        for line in why[:each]:
            print("    " + line[:200])
    if len(failures) > 12:
        print("... and %d more" % (len(failures) - 12))


def read_log(build):
    """What meson wrote of each test; of one that was cut off in the middle of a line, nothing."""
    tests = []
    try:
        with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8") as f:
            for line in f:
                tests.append(json.loads(line))
    except (FileNotFoundError, ValueError):
        pass
    return tests


def never_ran(build, suites, tests):
    with open(os.path.join(build, "meson-info", "intro-tests.json"), encoding="utf-8") as f:
        known = [t for t in json.load(f) if not suites or any(s.split(":")[-1] in suites for s in t["suite"])]
    seen = collections.Counter(t["name"].split(" / ")[-1] for t in tests)
    return sorted((collections.Counter(t["name"] for t in known) - seen).elements())


def main():
    suites, failures, shown = {}, [], []
    tests = read_log(sys.argv[1])
    for test in tests:
        passed, failed = count(test)
        suite = test["name"].split(" / ")[0].split(":")[-1]
        sums = suites.setdefault(suite, [0, 0, 0.0])
        sums[0] += len(passed)
        sums[1] += len(failed)
        sums[2] += test.get("duration", 0)
        said = tail(test.get("stderr", ""), 12)
        for name, why in failed:  # of a whole program, what it said on both sides
            lines = why[-3:] + said[-5:] if name.startswith("(") else why or said
            failures.append(("%s: %s" % (test["name"], name), lines))
        shown += [name for name in passed if SHOWN.match(name)]
        if failed:
            report(test, failed)
    failures += [("%s: (it never ran)" % name, []) for name in never_ran(sys.argv[1], sys.argv[2:], tests)]
    for suite, (passed, failed, seconds) in sorted(suites.items()):
        print("%-20s %5d passed %4d failed %8.1f s" % (suite, passed, failed, seconds))
    for line in shown:
        print(line)
    if failures:
        digest(failures)
    print("%d passed, %d failed" % (sum(s[0] for s in suites.values()), len(failures)))
    return 1 if failures or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
