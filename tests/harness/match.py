# SPDX-License-Identifier: MIT
"""Expectations on JSON as data: {path: matcher}.

A path is keys, [index] (negative ones from the end), [key=value] (the first element with that member; several pairs
with commas), and a last '#' for a length:   input[-1].output   tools[0].type   input[call_id=c1,type=x].output[0].stdout   input.#
A matcher is a value to be equal to, or an object with one or more of
    contains, lacks (text), matches (regular expression), absent (true), present (true), min, max, any (list of values)
"""
import json
import re

ABSENT = object()
STEP = re.compile(r"\.?([A-Za-z0-9_$-]+|#)|\[(-?\d+)\]|\[([^\]]+=[^\]]*)\]")
WORDS = {"contains", "lacks", "matches", "absent", "present", "min", "max", "any"}


def _pick(value, pairs):
    wanted = dict(p.split("=", 1) for p in pairs.split(","))
    for element in value if isinstance(value, list) else []:
        if isinstance(element, dict) and all(str(element.get(k, "")) == v for k, v in wanted.items()):
            return element
    return ABSENT


def find(path, value):
    at = 0
    while at < len(path):
        step = STEP.match(path, at)
        if not step:
            raise ValueError("not a path: %s" % path)
        at = step.end()
        key, index, pairs = step.groups()
        if value is ABSENT:
            return ABSENT
        if key == "#":
            return len(value)
        if pairs is not None:
            value = _pick(value, pairs)
        elif index is not None:
            inside = isinstance(value, list) and -len(value) <= int(index) < len(value)
            value = value[int(index)] if inside else ABSENT
        else:
            value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def show(value):
    return "(absent)" if value is ABSENT else json.dumps(value, ensure_ascii=False)[:400]


def holds(matcher, value):
    if not (isinstance(matcher, dict) and matcher and set(matcher) <= WORDS):
        return value is not ABSENT and value == matcher
    if "absent" in matcher or value is ABSENT:
        return matcher == {"absent": True} and value is ABSENT
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (("contains" not in matcher or matcher["contains"] in text)
            and ("lacks" not in matcher or matcher["lacks"] not in text)
            and ("matches" not in matcher or re.search(matcher["matches"], text, re.S) is not None)
            and ("min" not in matcher or value >= matcher["min"])
            and ("max" not in matcher or value <= matcher["max"])
            and ("any" not in matcher or value in matcher["any"]))


def check(expectations, value, dash=None):
    """Yields one line for each expectation that does not hold. `dash`: what '-' in paths stands for in `value`."""
    for path, matcher in expectations.items():
        found = find(path.replace("-", dash) if dash else path, value)
        if not holds(matcher, found):
            yield "%s is %s, expected %s" % (path, show(found), show(matcher))
