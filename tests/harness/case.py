# SPDX-License-Identifier: MIT
"""Reads a case file: what a run of the whole program is given, and what must come of it.

    # comment lines first: what the case shows
    --- manifest                      the same as `file manifest.yaml`; without it there is a small one (DEFAULT below)
    --- more                          lines put behind that small one
    --- file PATH [mode=0755]         a file of the case's folder, as it stands; `base64 PATH`, `link PATH` (content: target)
    --- model                         script of the model server (JSON, see server.py); without it there is no server
    --- liar [FAMILY]                 an engine that lies: lines `text => text of the same length`, replaced in every
                                      request to the engine, or `text <= text`: the second, in its answers, by the first;
                                      @LIAR@ is its address. FAMILY: the words are those of docker (also when it is not
                                      given) or podman
    --- setup                         shell script run in the folder before
    --- run                           one run of agentbox: the arguments as a shell would split them; then, line by line,
                                      (none: run manifest.yaml)
                                        env NAME=VALUE · unset NAME · stdin TEXT · timeout SECONDS ·
                                        signal NAME [TIMES] after PATTERN (seen on stderr)
    --- sh                            instead: a shell script; $AGENTBOX is the program
    --- exit                          expectations on the last `run` or `sh`: exit status (0 when not given)
    --- stdout, --- stderr            the exact text
    --- stdout~, --- stderr~          regular expressions, a line each, found in this order
    --- stdout!, --- stderr!          regular expressions that must not be found
    --- json, --- json-lines          stdout is JSON (lines): `path = matcher`, see match.py
    --- journal                       records of the newest run in this order, others may stand between:
                                        `type`, `type path=matcher path=matcher`; `! type` must not be there at all;
                                        `N * type` exactly so many
    --- requests                      how many the server got
    --- file= PATH, --- file~ PATH    a file of the folder afterwards: exact, or patterns; `missing PATH`: not there
    --- check                         shell script run in the folder at the end, must succeed ($RUN: the run's folder)
    --- leaves                        `container` when one is meant to stay
    --- engines                       FAMILY ...: only for these, docker, podman; without it for all
    --- alone                         WORD ...: no other case runs beside it, since the word would do something to it

Everywhere @NAME@ is replaced: @PORT@, @BASE_URL@, @KEY@, @DIR@ (the case's folder), @IMAGE@, @LOWER@ (behind the image: what the
engine cannot keep), @RUN_A@ (id of the first run), @RUN_B@ (of the second) ..., and what the runner was given.
A line `--- ` inside a content cannot be had; a file's content ends with the newline before the next section.
"""
import shlex

DEFAULT = """version: 1
name: case
model: {name: test-model, base_url: "@BASE_URL@", tool_style: native}
agent: {task: Do what the case says., tools: [shell]}
sandbox: {image: "@IMAGE@", pull: never@LOWER@}
"""
SETUP = {"manifest", "more", "file", "base64", "link", "model", "setup", "liar"}
STEPS = {"run", "sh"}
EXPECT = {"exit", "stdout", "stderr", "stdout~", "stderr~", "stdout!", "stderr!", "json", "json-lines", "journal", "requests",
          "file=", "file~", "missing", "check"}
WHOLE = {"leaves", "engines", "alone"}
OPTIONS = {"env", "unset", "stdin", "timeout", "signal"}


class CaseError(Exception):
    pass


class Step:
    def __init__(self, kind, text):
        self.kind, self.text, self.expect = kind, text, []
        self.env, self.unset, self.stdin, self.timeout, self.signal = {}, [], None, 300, None

    def read_options(self):
        """Of `run`: the lines after the first."""
        first, *rest = self.text.rstrip("\n").split("\n")
        if first.split(" ")[0] in OPTIONS:
            first, rest = "", [first] + rest
        self.arguments = shlex.split(first) or ["run", "manifest.yaml"]
        for line in rest:
            word, _, value = line.partition(" ")
            if word == "env":
                name, _, content = value.partition("=")
                self.env[name] = content
            elif word == "unset":
                self.unset.append(value)
            elif word == "stdin":
                self.stdin = (self.stdin or "") + value + "\n"
            elif word == "timeout":
                self.timeout = float(value)
            elif word == "signal":
                what, _, pattern = value.partition(" after ")
                name, _, times = what.partition(" ")
                self.signal = (name, int(times or 1), pattern)
            elif line.strip():
                raise CaseError("not an option of a run: '%s'" % line)


class Case:
    def __init__(self, name):
        self.name, self.about, self.setup, self.steps = name, "", [], []
        self.model, self.liars, self.leaves, self.engines, self.alone = None, {}, set(), set(), set()


def parse(name, text):
    case, sections, current = Case(name), [], None
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if line.startswith("--- "):
            kind, _, argument = line[4:].strip().partition(" ")
            current = [kind, argument.strip(), "", number]
            sections.append(current)
        elif current is None:
            case.about += line.lstrip("# ")
        else:
            current[2] += line
    for kind, argument, content, number in sections:
        try:
            _take(case, kind, argument, content)
        except (CaseError, ValueError) as e:
            raise CaseError("%s:%d: %s" % (name, number, e)) from e
    if not any(kind == "file" and path == "manifest.yaml" for kind, path, _ in case.setup):
        more = "".join(content for kind, _, content, _ in sections if kind == "more")
        case.setup.insert(0, ("file", "manifest.yaml", DEFAULT + more))
    if not case.steps:
        raise CaseError("%s: nothing is run" % name)
    return case


def read_lies(content):
    """(pairs for requests, pairs for answers), each what is there and what comes instead."""
    requests = [tuple(line.split(" => ")) for line in content.splitlines() if " => " in line]
    answers = [tuple(reversed(line.split(" <= "))) for line in content.splitlines() if " <= " in line]
    if any(len(pair) != 2 or len(pair[0]) != len(pair[1]) for pair in requests + answers):
        raise CaseError("both sides must have the same length")
    return requests, answers


def _take(case, kind, argument, content):
    if kind == "model":
        case.model = content
    elif kind == "liar":
        case.liars[argument or "docker"] = read_lies(content)
    elif kind == "more":
        pass
    elif kind == "manifest":
        case.setup.append(("file", "manifest.yaml", content))
    elif kind in SETUP:
        case.setup.append((kind, argument, content))
    elif kind in STEPS:
        case.steps.append(Step(kind, content))
        if kind == "run":
            case.steps[-1].read_options()
    elif kind in EXPECT:
        if not case.steps:
            raise CaseError("'%s' before the first run" % kind)
        case.steps[-1].expect.append((kind, argument, content))
    elif kind in WHOLE:
        getattr(case, kind).update(content.split())
    else:
        raise CaseError("no section '%s'" % kind)
