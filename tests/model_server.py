#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripted Responses server as a program of its own:  model_server.py SCRIPT.json [--port N] [--key K] [--log FILE]

Prints `port N` when it listens; runs until its stdin ends or SIGTERM. Ends with status 1 and a list on stderr when a
request broke a rule or the script was not used up. The log is JSON lines with monotonic nanoseconds: `request` (first
byte, whole body), `end` (of a stream), `violation`. --no-schema leaves the slow check out. See harness/server.py.
"""
import argparse
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import check, server  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("script")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="sk-test")
    parser.add_argument("--log")
    parser.add_argument("--no-schema", action="store_true")
    options = parser.parse_args()
    with open(options.script, encoding="utf-8") as f:
        script = json.load(f)
    schema = None if options.no_schema else check.find_schema()
    model = server.ModelServer(script, options.key, options.log, options.port, schema)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(end(model)))
    model.start()
    print("port %d" % model.port, flush=True)
    sys.stdin.read()
    sys.exit(end(model))


def end(model):
    model.stop()
    for text in model.violations:
        print(text, file=sys.stderr)
    return 1 if model.violations else 0


if __name__ == "__main__":
    main()
