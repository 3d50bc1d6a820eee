# SPDX-License-Identifier: MIT
"""The frame of a live test: its tests, its options, and what it prints.

    @tap.test
    def something_holds(bench): tap.expect(1 + 1 == 2, "words for whoever reads the log")

    options = tap.options()
    sys.exit(tap.run(tap.chosen(options), options, lambda fn: fn(bench)))
"""
import argparse
import os
import re
import subprocess
import time

SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
LINES_MAX = 40
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Failure(Exception):
    pass


def expect(what, message):
    if not what:
        raise Failure(message)


def options():
    """AGENTBOX [--only TEXT] [--verbose]"""
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    given.agentbox = os.path.abspath(given.agentbox)
    return given


def chosen(given):
    return [t for t in TESTS if given.only in t.__name__]


def run(tests, given, one):
    """`one` runs a test; what it raises is why it failed. The status to exit with."""
    failed = 0
    print("1..%d" % len(tests))
    for n, fn in enumerate(tests, 1):
        began = time.monotonic()
        try:
            one(fn)
            took = " # %.1f s" % (time.monotonic() - began) if given.verbose else ""
            print("ok %d - %s%s" % (n, fn.__name__, took), flush=True)
        except (Failure, KeyError, IndexError, AttributeError, ValueError, OSError, subprocess.SubprocessError) as e:
            failed += 1
            print("not ok %d - %s" % (n, fn.__name__), flush=True)
            for line in ("%s: %s" % (type(e).__name__, e)).splitlines()[:LINES_MAX]:
                print("# " + line, flush=True)
    return 1 if failed else 0
