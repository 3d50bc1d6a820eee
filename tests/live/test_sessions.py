#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Interactive programs in a real sandbox, used as a model uses them: exec_command, write_stdin, and looking at what comes back.

    test_sessions.py AGENTBOX [--only TEXT] [--verbose]          prints TAP

Each test is a dialogue: a generator that yields calls and is given their outputs. It waits for what it looks at, by polling as
often as it takes. Needs an engine (DOCKER_HOST) with agentbox-clients:1.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import server, tap  # noqa: E402
from harness.tap import SANITIZER, Failure, expect, test  # noqa: E402

KEY = "sk-sessions-51c0b7"
RUN_S = 240
POLLS = 20  # of five seconds each


# --- the model ---

class Model(server.ModelServer):
    """Its turns come from a dialogue, one after the other."""

    def __init__(self, dialogue):
        super().__init__({"turns": []}, KEY)
        self.dialogue, self.problem, self.count = dialogue, None, 0
        self.start()

    def _take(self, method, path, headers, body):
        items = json.loads(body)["input"]
        outputs = {i["call_id"]: i["output"] for i in items if i.get("type", "").endswith("_output")}
        try:
            calls = next(self.dialogue) if self.count == 0 else self.dialogue.send([outputs[c] for c in self.asked])
            self.asked = ["c%d" % (self.count + i) for i in range(len(calls))]
            self.count += len(calls)
            self.main.turns.append({"reply": [dict(c, call_id=i) for c, i in zip(calls, self.asked)]})
        except StopIteration:
            self.main.turns.append({"reply": [{"message": "over"}]})
        except Failure as e:
            self.problem = str(e)
            self.main.turns.append({"reply": [{"message": "failed"}]})
        return super()._take(method, path, headers, body)


def call(name, **arguments):
    return {"call": name, "arguments": arguments}


def text_of(output):
    """What the process wrote, without what is said about it."""
    return output.partition("Output:\n")[2]


class Session:
    """A process that was started, seen through the tools."""

    def __init__(self, cmd, **more):
        self.cmd, self.more, self.text, self.code, self.id = cmd, more, "", None, None

    def take(self, output):
        self.last = output
        ended = re.search(r"Process exited with code (\d+)", output)
        if ended:
            self.code = int(ended.group(1))
        self.text += text_of(output)

    def start(self):
        outputs = yield [call("exec_command", cmd=self.cmd, **{"tty": True, "yield_time_ms": 250, **self.more})]
        running = re.search(r"Process running with session ID (\d+)", outputs[0])
        expect(running, "it did not stay: %s" % outputs[0])
        self.id = int(running.group(1))
        self.take(outputs[0])

    def send(self, chars="", **more):
        outputs = yield [call("write_stdin", session_id=self.id, chars=chars, yield_time_ms=250, **more)]
        self.take(outputs[0])

    def see(self, pattern):
        """Until it is there; what came before it is used up."""
        for _ in range(POLLS):
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            expect(self.code is None, "it ended with %s before %r: %r" % (self.code, pattern, self.text))
            yield from self.send()
        raise Failure("%r was not seen: %r" % (pattern, self.text))

    def say(self, chars, pattern):
        yield from self.send(chars)
        found = yield from self.see(pattern)
        return found

    def end(self, chars, code):
        if chars is not None:
            yield from self.send(chars)
        for _ in range(POLLS):
            if self.code is not None:
                break
            yield from self.send()
        expect(self.code == code, "it ended with %s, expected %s: %s" % (self.code, code, self.last))


def opened(cmd, **more):
    session = Session(cmd, **more)
    yield from session.start()
    return session


# --- dialogues ---

@test
def a_python_repl():
    s = yield from opened("python3 -q")
    yield from s.see(">>> ")
    yield from s.say("x = 40\n", ">>> ")
    yield from s.say("x + 2\n", r"(?m)^42\r\n")
    yield from s.say("1/0\n", "ZeroDivisionError")
    yield from s.say("import time; time.sleep(1000)\n", r"sleep\(1000\)\r\n")
    yield from s.say("\x03", r"KeyboardInterrupt[^>]*>>> ")
    yield from s.say("x * 2\n", r"(?m)^80\r\n")
    yield from s.end("exit(7)\n", 7)


@test
def a_debugger():
    program = "def f(n):\\n    m = n * 3\\n    return m\\nprint(f(14))\\n"
    s = yield from opened("printf '%s' > p.py; python3 -m pdb p.py" % program)
    yield from s.see(r"\(Pdb\) ")
    yield from s.say("b 3\n", r"Breakpoint 1 at .*p\.py:3")
    yield from s.say("c\n", r"-> return m")
    yield from s.say("p n, m\n", r"\(14, 42\)")
    yield from s.say("c\n", r"(?m)^42\r\n")
    yield from s.end("q\n", 0)


@test
def a_shell_with_jobs():
    s = yield from opened("sh")
    yield from s.say("cd /tmp; echo in:$PWD\n", r"in:/tmp\r\n")
    yield from s.say("sleep 1000; echo left:$?\n", r"sleep 1000; echo left:\$\?\r\n")
    yield from s.send("\x03")
    yield from s.say("echo still:here\n", r"(?m)^still:here\r\n")
    yield from s.say("kill -0 $$ && echo alive:$?\n", r"(?m)^alive:0\r\n")
    yield from s.end("exit 3\n", 3)


@test
def a_pager():
    s = yield from opened("seq 1000 1300 > f; less f")
    yield from s.see("1000")
    yield from s.say(" ", "1030")
    yield from s.say("G", "1300")
    yield from s.end("q", 0)


@test
def a_screen_that_is_drawn_again_and_again():
    s = yield from opened("top -d 1")
    yield from s.see("(?i)cpu")
    yield from s.see("(?i)cpu")
    yield from s.end("q", 0)


@test
def a_progress_bar():
    loop = "import time\nfor i in range(101):\n    print('\\r%3d%%' % i, end='', flush=True)\n    time.sleep(.01)\nprint()"
    s = yield from opened('python3 -c "%s"' % loop)
    yield from s.see(r"\r  0%")
    yield from s.see(r"\r 57%")
    yield from s.see(r"\r100%\r\n")
    yield from s.end(None, 0)


@test
def ctrl_c_without_a_terminal():
    s = yield from opened("trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done", tty=False)
    yield from s.see("ready\n")
    yield from s.send("x")
    expect("the input of session %d is closed" % s.id in s.last, s.last)
    yield from s.say("\x03", "caught\n")
    yield from s.end(None, 5)
    s = yield from opened("echo ready; exec sleep 1000", tty=False)
    yield from s.see("ready\n")
    yield from s.end("\x03", 130)


@test
def a_terminal_has_a_size():
    s = yield from opened("stty size; while read x; do stty size; done")
    yield from s.see(r"24 80\r\n")
    yield from s.end("\x04", 0)
    s = yield from opened("trap 'echo changed' WINCH; stty size; while :; do read x; stty size; done", rows=40, cols=100)
    yield from s.see(r"40 100\r\n")
    yield from s.send("\n", rows=50, cols=132)
    yield from s.see(r"50 132\r\n")
    yield from s.send("\n", rows=20)
    yield from s.see(r"20 132\r\n")
    yield from s.send("\x03")
    yield from s.end(None, 130)


@test
def drawing_programs_are_told_of_a_new_size():
    loop = ("import os,signal,time\nsignal.signal(signal.SIGWINCH, lambda *a: print('now', *os.get_terminal_size(), flush=True))\n"
            "print('ready', flush=True)\nwhile 1: time.sleep(.05)")
    s = yield from opened('python3 -c "%s"' % loop)
    yield from s.see("ready")
    yield from s.send("", rows=33, cols=77)
    yield from s.see("now 77 33")
    yield from s.end("\x1c", 131)  # Ctrl-\\


@test
def output_of_a_session_is_bounded():
    s = yield from opened("stty -onlcr; i=0; while [ $i -lt 30000 ]; do echo line $i of many; i=$((i+1)); done; read x; echo end")
    yield from s.see("line 29999")
    yield from s.send("\n")
    for _ in range(POLLS):
        if s.code is not None:
            break
        yield from s.send()
    expect(s.code == 0 and "end" in s.text, s.last)


@test
def the_oldest_of_too_many_goes():
    calls = [call("exec_command", cmd="exec sleep 1000", yield_time_ms=250) for _ in range(64)]
    outputs = yield calls
    ids = [int(re.search(r"session ID (\d+)", o).group(1)) for o in outputs]
    expect(len(set(ids)) == 64, str(ids))
    yield [call("write_stdin", session_id=ids[0], chars="", yield_time_ms=250)]  # the first is used again: the second is older now
    outputs = yield [call("exec_command", cmd="exec sleep 1000", yield_time_ms=250)]
    expect("Session %d was ended to make room" % ids[1] in outputs[0], outputs[0])
    outputs = yield [call("write_stdin", session_id=ids[1], chars="")]
    expect("unknown session %d" % ids[1] in outputs[0], outputs[0])
    outputs = yield [{"shell": ["echo beside"]}]  # and there is room for commands
    expect(outputs[0][0]["stdout"] == "beside\n", str(outputs[0]))
    outputs = yield [call("write_stdin", session_id=ids[0], chars="\x03", yield_time_ms=30000)]
    expect("Process exited with code 130" in outputs[0], outputs[0])


# --- runs ---

MANIFEST = """version: 1
name: sessions
model: {name: m, base_url: "http://127.0.0.1:%d/v1", tool_style: function}
agent: {task: t, tools: [shell]}
sandbox: {image: "agentbox-clients:1", pull: never}
limits: {tool_calls: 1000, turns: 300, repeat: 1000}
checkpoint: {every: "off"}
"""


def run(options, dialogue):
    work = tempfile.mkdtemp(prefix="agentbox-sessions-")
    model = Model(dialogue())
    try:
        with open(os.path.join(work, "m.yaml"), "w", encoding="utf-8") as f:
            f.write(MANIFEST % model.port)
        env = dict(os.environ, XDG_STATE_HOME=work, OPENAI_API_KEY=KEY)
        done = subprocess.run([options.agentbox, "run", "m.yaml"], cwd=work, env=env, timeout=RUN_S, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors = done.stderr.decode("utf-8", "replace")
        if options.verbose:
            sys.stderr.write(errors)
        expect(not SANITIZER.search(errors), errors)
        expect(model.problem is None, "%s" % model.problem)
        expect(done.returncode == 0 and done.stdout == b"over\n", "exit %d: %s%s" % (done.returncode, done.stdout, errors[-3000:]))
    finally:
        model.stop()
        shutil.rmtree(work, ignore_errors=True)
    expect(not model.violations, "; ".join(model.violations))


def main():
    options = tap.options()
    return tap.run(tap.chosen(options), options, lambda dialogue: run(options, dialogue))


if __name__ == "__main__":
    sys.exit(main())
