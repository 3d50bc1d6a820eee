#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our validator beside python3-jsonschema:  against_jsonschema.py PEER [COUNT [SEED]]     prints TAP

Makes COUNT schemas of the strict kind, and for each values that fit or nearly fit; both must say the same of each, and
of one that does not fit ours must name a place that the other names too. Made from SEED, which is printed.
"""
import json
import os
import random
import subprocess
import sys

SYSTEM = "/usr/bin/python3"
try:
    import jsonschema
except ImportError:
    if os.environ.get("AGENTBOX_PYTHON") != SYSTEM and os.access(SYSTEM, os.X_OK):
        os.environ["AGENTBOX_PYTHON"] = SYSTEM
        os.execv(SYSTEM, [SYSTEM] + sys.argv)
    print("1..0 # SKIP no python3-jsonschema here")
    sys.exit(0)

PATTERNS = ["^[a-c]+$", "b{2,3}", "^(ab|cd)*$", "^\\w\\d?$", "^[^x]{0,4}$", "a.c|^$", "\\bfoo\\b", "(a|aa)+$", "^-?\\d+(\\.\\d+)?$"]
FORMATS = {"date": ["2026-11-30", "2026-02-30", "26-1-1", ""], "ipv4": ["192.0.2.7", "1.2.3", "256.1.1.1"],
           "ipv6": ["::1", "2001:db8::", "1::2::3", "12345::"]}
TEXTS = ["", "a", "abc", "abab", "abcd", "bb", "foo bar", "foobar", "a1", "12.5", "-3", "x", "\u00e9t\u00e9", "\U0001f600", "null"]
NUMBERS = [0, 1, -1, 2, 2.0, 0.5, 1.5, 10, 100, -7, 3.25, 1e3, 12345678901234567890, -0.0]


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def scalar(self):
        kind = self.rng.choice(["string", "number", "integer", "boolean", "null"])
        schema = {"type": kind}
        more = self.rng.random()
        if kind == "string" and more < 0.35:
            schema["pattern"] = self.rng.choice(PATTERNS)
        elif kind == "string" and more < 0.5:
            schema["format"] = self.rng.choice(sorted(FORMATS))
        elif kind == "string" and more < 0.7:
            schema["enum"] = self.rng.sample(TEXTS, self.rng.randint(1, 4))
        elif kind in ("number", "integer") and more < 0.7:
            for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
                if self.rng.random() < 0.3:
                    schema[name] = self.rng.choice(NUMBERS)
            if self.rng.random() < 0.3:
                schema["multipleOf"] = self.rng.choice([1, 2, 0.5, 0.25, 10])
        elif kind in ("number", "integer") and more < 0.8:
            schema["const"] = self.rng.choice(NUMBERS)
        if self.rng.random() < 0.15:
            schema["type"] = [kind, "null"] if kind != "null" else ["null", "boolean"]
        return schema

    def schema(self, depth, names):
        pick = self.rng.random()
        if depth <= 0 or pick < 0.35:
            return self.scalar()
        if pick < 0.45 and names:
            return {"$ref": self.rng.choice(names)}
        if pick < 0.6:
            return {"anyOf": [self.schema(depth - 1, names) for _ in range(self.rng.randint(1, 3))]}
        if pick < 0.8:
            schema = {"type": "array", "items": self.schema(depth - 1, names)}
            if self.rng.random() < 0.4:
                schema["minItems"] = self.rng.randint(0, 2)
            if self.rng.random() < 0.4:
                schema["maxItems"] = self.rng.randint(0, 3)
            return schema
        return self.object(depth, names)

    def object(self, depth, names):
        keys = self.rng.sample(["a", "b", "c/d", "e~f", "\u00e9", "long name", "0"], self.rng.randint(0, 4))
        return {"type": "object", "properties": {k: self.schema(depth - 1, names) for k in keys}, "required": keys,
                "additionalProperties": False}

    def root(self):
        names = ["#", "#/$defs/x", "#/$defs/y"]
        schema = self.object(4, names)
        schema["$defs"] = {"x": self.object(2, names), "y": {"type": "array", "items": self.schema(2, names)}}
        return schema

    def junk(self):
        return self.rng.choice(TEXTS + NUMBERS + [True, False, None, [], {}, [1], {"a": 1}])

    def value(self, schema, root, depth=0):
        """One that most likely fits; now and then something else."""
        if self.rng.random() < 0.04 or depth > 8:
            return self.junk()
        if "$ref" in schema:
            name = schema["$ref"]
            return self.value(root if name == "#" else root["$defs"][name[8:]], root, depth + 1)
        if "anyOf" in schema:
            return self.value(self.rng.choice(schema["anyOf"]), root, depth + 1)
        if "enum" in schema and self.rng.random() < 0.9:
            return self.rng.choice(schema["enum"])
        if "const" in schema and self.rng.random() < 0.9:
            return schema["const"]
        kind = schema["type"] if isinstance(schema["type"], str) else self.rng.choice(schema["type"])
        if kind == "object":
            value = {k: self.value(s, root, depth + 1) for k, s in schema["properties"].items()}
            if value and self.rng.random() < 0.04:
                value.pop(self.rng.choice(sorted(value)))
            if self.rng.random() < 0.04:
                value["other"] = self.junk()
            return value
        if kind == "array":
            count = self.rng.randint(schema.get("minItems", 0), max(schema.get("maxItems", 3), schema.get("minItems", 0)))
            return [self.value(schema["items"], root, depth + 1) for _ in range(count)]
        if kind == "string":
            return self.rng.choice(FORMATS[schema["format"]] if "format" in schema else TEXTS)
        if kind in ("number", "integer"):
            return self.rng.choice(NUMBERS)
        return None if kind == "null" else self.rng.random() < 0.5


def pointer(path):
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)


def places(error):
    """Where it, or anything that led to it, is."""
    yield pointer(error.absolute_path)
    for inner in error.context or ():
        yield from places(inner)


def main():
    peer, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1500
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20261130
    maker, checker, jobs = Maker(random.Random(seed)), jsonschema.FormatChecker(sorted(FORMATS)), []
    for _ in range(count):
        schema = maker.root()
        validator = jsonschema.Draft7Validator(schema, format_checker=checker)
        for _ in range(4):
            jobs.append((schema, validator, maker.value(schema, schema)))
    lines = "".join(json.dumps(j[0]) + "\n" + json.dumps(j[2]) + "\n" for j in jobs)
    said = subprocess.run([peer], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    wrong, fitting, endless = [], 0, 0
    for (schema, validator, value), ours in zip(jobs, said):
        if ours == "outside":
            endless += 1  # a definition that comes back to itself
            continue
        try:
            errors = list(validator.iter_errors(value))
        except RecursionError:
            errors = None
        word, _, rest = ours.partition(" ")
        fitting += word == "fits"
        if errors is None or (word == "fits") != (not errors):
            wrong.append("%s of %s with %s; the other: %s" % (ours, json.dumps(schema), json.dumps(value), errors))
        elif errors and rest.split("\t")[0] not in {p for e in errors for p in places(e)}:
            wrong.append("%s is none of the places of %s with %s" % (ours, json.dumps(schema), json.dumps(value)))
    print("1..2\n# seed %d: %d values, %d fit, %d schemas outside" % (seed, len(jobs), fitting, endless))
    for text in wrong[:10]:
        print("# " + text)
    print("%s 1 - both say the same" % ("not ok" if wrong or len(said) != len(jobs) else "ok"))
    print("%s 2 - enough of both kinds" % ("ok" if len(jobs) / 5 < fitting < 0.95 * len(jobs) and endless < len(jobs) / 3 else "not ok"))
    return 0


sys.exit(main())
