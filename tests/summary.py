#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what `meson test` ran, test by test inside each program:  summary.py BUILD [SUITE ...]

Prints what failed with the lines that say why, a line for each suite, and last `N passed, N failed`. Ends with 1 when
anything failed or nothing ran. A program that failed although each of its tests passed (a leak found at the end, a
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
    passed, failed, planned = [], [], None
    for line in text.splitlines():
        plan, found = PLAN.match(line), LINE.match(line)
        if plan:
            planned = int(plan.group(1))
        elif found and (found.group(1) or found.group(3)):
            name = found.group(2).strip() or line.split("#")[-1].strip()
            failed.append([name + (" (skipped)" if found.group(3) else ""), []])
        elif found:
            passed.append(found.group(2).strip())
        elif line.startswith("#") and failed and not line.startswith("# ok"):
            failed[-1][1].append(line)
    return passed, failed, planned


def count(test):
    passed, failed, planned = read_tap(test.get("stdout", ""))
    is_ok = test["result"] == "OK"
    if planned is None:
        return ([test["name"]] if is_ok else []), ([] if is_ok else [["(whole program)", []]])
    if planned != len(passed) + len(failed):
        failed.append(["(%d of %d tests never ended)" % (planned - len(passed) - len(failed), planned), []])
    elif not is_ok and not failed:
        failed.append(["(at its end: %s)" % test["result"], []])
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


def never_ran(build, suites, tests):
    with open(os.path.join(build, "meson-info", "intro-tests.json"), encoding="utf-8") as f:
        known = [t for t in json.load(f) if not suites or any(s.split(":")[-1] in suites for s in t["suite"])]
    seen = collections.Counter(t["name"].split(" / ")[-1] for t in tests)
    return sorted((collections.Counter(t["name"] for t in known) - seen).elements())


def main():
    suites, failures, shown = {}, 0, []
    with open(os.path.join(sys.argv[1], "meson-logs", "testlog.json"), encoding="utf-8") as f:
        tests = [json.loads(line) for line in f]
    for test in tests:
        passed, failed = count(test)
        suite = test["name"].split(" / ")[0].split(":")[-1]
        sums = suites.setdefault(suite, [0, 0, 0.0])
        sums[0] += len(passed)
        sums[1] += len(failed)
        sums[2] += test.get("duration", 0)
        failures += len(failed)
        shown += [name for name in passed if SHOWN.match(name)]
        if failed:
            report(test, failed)
    for name in never_ran(sys.argv[1], sys.argv[2:], tests):
        print("FAILED %s: (it never ran)" % name)
        failures += 1
    for suite, (passed, failed, seconds) in sorted(suites.items()):
        print("%-20s %5d passed %4d failed %8.1f s" % (suite, passed, failed, seconds))
    for line in shown:
        print(line)
    print("%d passed, %d failed" % (sum(s[0] for s in suites.values()), failures))
    return 1 if failures or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
