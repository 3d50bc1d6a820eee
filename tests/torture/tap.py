# SPDX-License-Identifier: MIT
"""Runs the cases of one test program and prints TAP; the plan comes last, since loops find out how many they are.

A case is a name and a function that takes a Case; it fails by what it notes with check() or fail(), or by raising. A
program may have several groups; within one, cases run side by side.
"""
import argparse
import concurrent.futures
import os
import signal
import sys
import threading
import time
import traceback

from harness import engine


class Failed(Exception):
    """The case cannot go on."""


class Case:
    def __init__(self, name, options):
        self.name, self.options, self.problems, self.notes, self.boxes = name, options, [], [], []

    def check(self, condition, text):
        if not condition:
            self.problems.append(text)
        return bool(condition)

    def fail(self, text):
        self.problems.append(text)
        raise Failed()

    def note(self, text):
        self.notes.append(text)


class Suite:
    def __init__(self, about):
        parser = argparse.ArgumentParser(description=about)
        parser.add_argument("agentbox")
        parser.add_argument("shim", nargs="?", default=os.environ.get("TORTURE_SHIM"))
        parser.add_argument("--only", default="", help="cases whose name has this text")
        parser.add_argument("--jobs", type=int, default=3, help="most of the time goes by in the engine")
        parser.add_argument("--thorough", action="store_true", help="every place, also where samples do in daily life")
        parser.add_argument("--keep", action="store_true", help="leave the folders of cases that failed")
        parser.add_argument("--verbose", action="store_true")
        self.options = parser.parse_args()
        self.options.agentbox = os.path.abspath(self.options.agentbox)
        self.options.shim = self.options.shim and os.path.abspath(self.options.shim)
        self.number = self.failed = 0
        self.lock = threading.Lock()
        self.begun = time.monotonic()
        self.cases, self.at_end = [], []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopped())
        if not engine.Engine().answers():
            print("Bail out! no Docker Engine answers at %s" % engine.Engine().host)
            sys.exit(1)

    def stopped(self):
        """From outside, as by a time limit: leave nothing behind all the same."""
        for box in [b for case in self.cases for b in case.boxes]:
            try:
                box.close()
            except Exception:
                pass
        for fn in self.at_end:
            fn()
        os._exit(1)

    def sample(self, numbers, step, always=()):
        """Every `step`-th of the numbers, or all when asked to be thorough."""
        numbers = list(numbers)
        if self.options.thorough or step <= 1:
            return numbers
        return [n for i, n in enumerate(numbers) if i % step == 0 or n in always or i == len(numbers) - 1]

    def group(self, cases, always=False):
        """cases: (name, function) pairs, or a generator of them. always: others build on them, whatever --only says."""
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for done in [pool.submit(self._one, name, fn) for name, fn in cases if always or self.options.only in name]:
                done.result()

    def _one(self, name, fn):
        case, begun = Case(name, self.options), time.monotonic()
        self.cases.append(case)
        try:
            fn(case)
        except Failed:
            pass
        except Exception:  # a fault of ours or of the product: this case fails, the others go on
            case.problems.append(traceback.format_exc())
        case.notes += ["run %s" % r for box in case.boxes for r in box.run_ids()]
        for box in case.boxes:
            try:
                box.close(failed=bool(case.problems))
            except Exception:
                case.problems.append("afterwards: " + traceback.format_exc())
        with self.lock:
            self.cases.remove(case)
            self.number += 1
            self.failed += bool(case.problems)
            print("%sok %d - %s" % ("not " if case.problems else "", self.number, name))
            for line in "\n".join(case.problems + (case.notes if self.options.verbose or case.problems else [])).splitlines():
                print("#   " + line)
            if self.options.verbose:
                print("#   %.1f s" % (time.monotonic() - begun))
            sys.stdout.flush()

    def end(self):
        print("# %d cases, %d failed, %.0f s" % (self.number, self.failed, time.monotonic() - self.begun))
        print("1..%d" % self.number)
        sys.exit(1 if self.failed or not self.number else 0)
