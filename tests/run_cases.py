#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs whole-program cases against a real engine and a scripted model:  run_cases.py AGENTBOX [options] [CASE ...]

A CASE is a file of tests/cases/ or its name without ending; none: all. The engine is the one of DOCKER_HOST, and there must
be one. Prints TAP. --jobs N runs so many at once; --without PATTERN leaves out cases of that name (of all); --keep leaves
the folders and says where; --define NAME=VALUE gives a case more to replace. What a case is: harness/case.py.

Beside what the case expects, after every case: nothing of the run is left in the engine, no sanitizer has spoken, the
journal's chain holds, the model server had nothing to object to, and the key is nowhere: not in output or state
folder, nor, at the time of any request, in a command line, in another process' environment, or in what the engine
knows of the containers.
"""
import argparse
import base64
import concurrent.futures
import fnmatch
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import case as case_file  # noqa: E402
from harness import check, engine, liar, match, server  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior|Thread)Sanitizer|runtime error:")
KEPT_ENV = ("PATH", "DOCKER_HOST", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TMPDIR", "LD_LIBRARY_PATH")


def find_python_with_schema():
    """The schema check wants jsonschema; another python of the machine may have it."""
    try:
        import jsonschema  # noqa: F401
    except ImportError:
        other = "/usr/bin/python3"
        if os.environ.get("AGENTBOX_PYTHON") != other and os.access(other, os.X_OK):
            os.environ["AGENTBOX_PYTHON"] = other
            os.execv(other, [other] + sys.argv)


class Failure(Exception):
    pass


class Run:
    """One case, from its folder to its verdict."""

    def __init__(self, case, options):
        self.case, self.options, self.engine = case, options, engine.Engine()
        self.key = "sk-test-" + secrets.token_hex(12)
        self.dir = tempfile.mkdtemp(prefix="agentbox-case-%s-" % case.name)
        self.state = os.path.join(self.dir, ".home/state")
        self.problems, self.leaks, self.server, self.liar, self.pids = [], set(), None, None, set()
        self.words = {"KEY": self.key, "DIR": self.dir, "IMAGE": "agentbox-demo:1",
                      "BASE_URL": "http://127.0.0.1:9/v1", "LOWER": engine.lowered(), **options.words}

    def fill_in(self, text):
        return re.sub(r"@([A-Z_]+)@", lambda m: self.words.get(m.group(1), m.group(0)), text)

    def path(self, name):
        return os.path.join(self.dir, name)

    # --- set-up ---

    def set_up(self):
        os.makedirs(self.state)
        if self.case.model is not None:
            script = json.loads(self.fill_in(self.case.model))
            self.server = server.ModelServer(script, self.key, self.path(".home/model.log"), schema=self.options.schema,
                                             on_request=self.watch)
            self.server.start()
            self.words["PORT"] = str(self.server.port)
            self.words["BASE_URL"] = "http://127.0.0.1:%d/v1" % self.server.port
        if self.case.liars:
            lies = self.case.liars.get(engine.family(), self.case.liars["docker"])
            self.liar = liar.Liar(self.engine.host, self.path(".home/liar.sock"), *lies)
            self.words["LIAR"] = "unix://" + self.path(".home/liar.sock")
        for kind, argument, content in self.case.setup:
            self.set_up_one(kind, argument, content)

    def set_up_one(self, kind, argument, content):
        if kind == "setup":
            env = self.environment()
            del env["OPENAI_API_KEY"], env["CASE_KEY"]  # what is started here may stay, and is not ours to hold the key
            subprocess.run(["sh", "-eu", "-c", self.fill_in(content)], cwd=self.dir, env=env, check=True, stdout=subprocess.DEVNULL)
            return
        name, _, mode = argument.partition(" mode=")
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        if kind == "link":
            os.symlink(self.fill_in(content).strip(), self.path(name))
            return
        data = base64.b64decode(content) if kind == "base64" else self.fill_in(content).encode("utf-8", "surrogateescape")
        with open(self.path(name), "wb") as f:
            f.write(data)
        if mode:
            os.chmod(self.path(name), int(mode, 8))

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k in KEPT_ENV}
        home = self.path(".home")
        env.update(HOME=home, XDG_STATE_HOME=self.state, XDG_CACHE_HOME=home + "/cache", XDG_CONFIG_HOME=home + "/config",
                   LC_ALL="C.UTF-8", TZ="UTC", OPENAI_API_KEY=self.key, AGENTBOX=self.options.agentbox, TESTS=HERE)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        env.update({"CASE_" + k: v for k, v in self.words.items()})
        env["RUN"] = (self.runs() or [""])[-1]
        return env

    def runs(self):
        """Folders of the runs so far, oldest first: ids sort by time."""
        return sorted(glob.glob(self.state + "/agentbox/runs/*/"))

    # --- the key must be nowhere ---

    def watch(self, n):
        key = self.key.encode()
        for proc in glob.glob("/proc/[0-9]*"):
            pid = int(proc[6:])
            for name in ("cmdline", "environ"):
                try:
                    with open(os.path.join(proc, name), "rb") as f:
                        found = key in f.read()
                except OSError:
                    continue
                if found and not (name == "environ" and self.is_ours(pid)):
                    self.leaks.add("the key is in the %s of process %d at request %d" % (name, pid, n))
        try:
            for c in self.engine.containers():
                if self.key in self.engine.inspect(c["Id"]):
                    self.leaks.add("the key is in what the engine knows of a container")
        except (OSError, ValueError):
            pass  # an engine that is being stopped by the case

    def is_ours(self, pid):
        """The program itself, and the scripts of the case around it."""
        while pid > 1:
            if pid in self.pids:
                with open("/proc/%d/cgroup" % os.getpid(), "rb") as a:
                    mine = a.read()
                try:
                    with open("/proc/%d/cgroup" % pid, "rb") as b:
                        return b.read() == mine
                except OSError:
                    return True
            try:
                with open("/proc/%d/stat" % pid, "rb") as f:
                    pid = int(f.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                return True
        return False

    def check_secret(self, stdout, stderr):
        for name, text in (("stdout", stdout), ("stderr", stderr)):
            if self.key in text:
                self.problem("the key is in %s" % name)
        for folder, _, names in os.walk(self.state):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    if self.key.encode() in f.read():
                        self.problem("the key is in %s" % os.path.relpath(path, self.dir))

    # --- steps ---

    def problem(self, text):
        self.problems.append(text)

    def name_runs(self):
        """@RUN_A@ is the id of the first run, @RUN_B@ of the second, and so on."""
        for letter, path in zip(string.ascii_uppercase, self.runs()):
            self.words["RUN_" + letter] = os.path.basename(path.rstrip("/"))

    def step(self, step):
        self.name_runs()
        env = self.environment()
        if self.server:
            self.server.new_conversation()
        if step.kind == "sh":
            argv = ["sh", "-eu", "-c", self.fill_in(step.text)]
        else:
            argv = [self.options.agentbox] + [self.fill_in(a) for a in step.arguments]
            env.update({k: self.fill_in(v) for k, v in step.env.items()})
            for name in step.unset:
                env.pop(name, None)
        status, stdout, stderr = self.execute(argv, env, step)
        self.name_runs()
        with open(self.path(".home/last.out"), "w", encoding="utf-8") as f:
            f.write("$ %s\n-- stdout --\n%s\n-- stderr --\n%s\n-- exit %d --\n" % (argv, stdout, stderr, status))
        if SANITIZER.search(stderr):
            self.problem("a sanitizer spoke")
        wanted = next((int(c) for k, _, c in step.expect if k == "exit"), 0)
        if status != wanted:
            self.problem("exit status %d, expected %d" % (status, wanted))
        for kind, argument, content in step.expect:
            getattr(self, EXPECTATIONS[kind])(kind, argument, self.fill_in(content), stdout, stderr)
        self.check_secret(stdout, stderr)
        if self.problems:
            self.problem("stderr was:\n%s\nstdout was:\n%s" % (stderr[-3000:], stdout[-2000:]))
            raise Failure()

    def execute(self, argv, env, step):
        process = subprocess.Popen(argv, cwd=self.dir, env=env, stdin=subprocess.PIPE if step.stdin is not None else subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.pids.add(process.pid)
        pieces = {"stdout": [], "stderr": []}
        threads = [threading.Thread(target=self.drain, args=(process, name, pieces, step)) for name in pieces]
        for t in threads:
            t.start()
        if step.stdin is not None:
            process.stdin.write(self.fill_in(step.stdin).encode())
            process.stdin.close()
        try:
            status = process.wait(step.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            self.problem("did not end within %g s" % step.timeout)
        for t in threads:
            t.join(60)
        text = {k: b"".join(v).decode("utf-8", "backslashreplace") for k, v in pieces.items()}
        return (128 - status if status < 0 else status), text["stdout"], text["stderr"]

    @staticmethod
    def drain(process, name, pieces, step):
        pending = step.signal if name == "stderr" else None
        for line in getattr(process, name):
            pieces[name].append(line)
            if pending and re.search(pending[2], b"".join(pieces[name]).decode("utf-8", "replace")):
                for _ in range(pending[1]):
                    process.send_signal(getattr(signal, "SIG" + pending[0]))
                pending = None

    # --- expectations ---

    def expect_nothing(self, *_):
        """`exit` has been looked at."""

    def expect_text(self, kind, _, content, stdout, stderr):
        got = stdout if kind == "stdout" else stderr
        if got != content:
            self.problem("%s is not as expected; expected:\n%s" % (kind, content))

    def expect_patterns(self, kind, _, content, stdout, stderr):
        self.patterns(kind, stdout if kind.startswith("stdout") else stderr, content)

    def patterns(self, what, text, content):
        at = 0
        for line in content.splitlines():
            if not line:
                continue
            found = re.compile(line, re.M).search(text, at)
            if not found:
                self.problem("%s: not found%s: %s" % (what, " after what came before" if at else "", line))
                return
            at = found.end()

    def expect_no_patterns(self, kind, _, content, stdout, stderr):
        text = stdout if kind.startswith("stdout") else stderr
        for line in content.splitlines():
            if line and re.search(line, text, re.M):
                self.problem("%s: must not be there: %s" % (kind, line))

    def expect_json(self, kind, _, content, stdout, stderr):
        try:
            value = json.loads(stdout) if kind == "json" else [json.loads(line) for line in stdout.splitlines()]
        except ValueError as e:
            self.problem("stdout is not JSON: %s" % e)
            return
        for text in match.check(matchers(content), value):
            self.problem("stdout: " + text)

    def journal(self):
        runs = self.runs()
        if not runs:
            raise Failure("there is no run folder")
        with open(runs[-1] + "journal.jsonl", encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def expect_journal(self, kind, _, content, stdout, stderr):
        records, at = self.journal(), 0
        types = [r["type"] for r in records]
        for line in content.splitlines():
            words = line.split(None, 1)
            if not words:
                continue
            if words[0] == "!":
                if words[1] in types:
                    self.problem("journal: '%s' must not be there" % words[1])
            elif re.match(r"\d+ \* ", line):
                count, name = line.split(" * ")
                if types.count(name) != int(count):
                    self.problem("journal: %d times '%s', expected %s" % (types.count(name), name, count))
            else:
                wanted = inline_matchers(words[1] if len(words) > 1 else "")
                found = next((i for i in range(at, len(records)) if records[i]["type"] == words[0]
                              and not list(match.check(wanted, records[i]))), None)
                if found is None:
                    self.problem("journal: not found in this order: %s\nit has: %s" % (line, " ".join(types)))
                    return
                at = found + 1

    def expect_requests(self, kind, _, content, stdout, stderr):
        if len(self.server.requests) != int(content):
            self.problem("%d requests, expected %s" % (len(self.server.requests), content.strip()))

    def expect_file(self, kind, argument, content, stdout, stderr):
        try:
            with open(self.path(argument), encoding="utf-8", errors="backslashreplace", newline="") as f:
                text = f.read()
        except OSError as e:
            self.problem("%s: %s" % (argument, e.strerror))
            return
        if kind == "file~":
            self.patterns(argument, text, content)
        elif text != content:
            self.problem("%s is not as expected; it holds:\n%s" % (argument, text[:2000]))

    def expect_missing(self, kind, argument, content, stdout, stderr):
        if os.path.lexists(self.path(argument)):
            self.problem("%s must not be there" % argument)

    def expect_check(self, kind, _, content, stdout, stderr):
        done = subprocess.run(["sh", "-eu", "-c", content], cwd=self.dir, env=self.environment(), timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            self.problem("check failed with %d:\n%s\n%s" % (done.returncode, content, done.stdout.decode("utf-8", "replace")[-2000:]))

    # --- what holds for every case ---

    def check_chain(self, path):
        before, number = None, 0
        with open(path, "rb") as f:
            for line in f.read().split(b"\n")[:-1]:
                record, number = json.loads(line), number + 1
                if record.get("seq") != number:
                    self.problem("%s: seq %s in line %d" % (path, record.get("seq"), number))
                if record.get("prev") != ("0" * 64 if before is None else hashlib.sha256(before).hexdigest()):
                    self.problem("%s: the chain breaks at line %d" % (path, number))
                before = line

    def check_after(self):
        if self.server:
            self.server.stop()
            self.problems += ["model server: " + v for v in self.server.violations]
        if self.liar:
            self.liar.stop()
            self.problems += ["the liar never saw '%s'" % text for text in self.liar.unseen()]
        self.problems += sorted(self.leaks)
        ids = [os.path.basename(r.rstrip("/")) for r in self.runs()]
        for run in self.runs():
            if os.path.exists(run + "journal.jsonl"):
                self.check_chain(run + "journal.jsonl")
            if os.stat(run).st_mode & 0o777 != 0o700:
                self.problem("the run folder's mode is not 0700")
        if ids:
            self.check_engine(ids)

    def end_strays(self):
        """Servers that the case's scripts started and did not end: they stand in its folder."""
        for proc in glob.glob("/proc/[0-9]*"):
            try:
                if os.readlink(proc + "/cwd") == self.dir:
                    os.kill(int(proc[6:]), signal.SIGKILL)
            except OSError:
                pass

    def check_engine(self, ids):
        containers, volumes = self.engine.of_runs(ids)
        if bool(containers) != ("container" in self.case.leaves):
            self.problem("containers left: %d" % len(containers))
        if volumes and not self.case.leaves:
            self.problem("volumes left: %s" % ", ".join(volumes))
        for c in containers:
            self.engine.remove(c)
        for v in volumes:
            self.engine.remove_volume(v)

    def __call__(self):
        try:
            self.set_up()
            for step in self.case.steps:
                self.step(step)
        except Failure as e:
            if str(e):
                self.problem(str(e))
        except Exception as e:  # a fault of the case or of ours: the case fails, the others go on
            self.problem("%s: %s" % (type(e).__name__, e))
        try:
            self.check_after()
        except Exception as e:
            self.problem("afterwards: %s: %s" % (type(e).__name__, e))
        self.end_strays()
        if self.options.keep:
            self.problems.append("folder: " + self.dir) if self.problems else print("# %s: %s" % (self.case.name, self.dir))
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        return self.problems


EXPECTATIONS = {"exit": "expect_nothing", "stdout": "expect_text", "stderr": "expect_text", "stdout~": "expect_patterns",
                "stderr~": "expect_patterns", "stdout!": "expect_no_patterns", "stderr!": "expect_no_patterns",
                "json": "expect_json", "json-lines": "expect_json", "journal": "expect_journal", "requests": "expect_requests",
                "file=": "expect_file", "file~": "expect_file", "missing": "expect_missing", "check": "expect_check"}


def value_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def matchers(content):
    """Lines `path = matcher`."""
    out = {}
    for line in content.splitlines():
        if line.strip():
            path, _, matcher = line.partition(" = ")
            out[path.strip()] = value_of(matcher.strip())
    return out


def inline_matchers(text):
    """`path=matcher path=matcher`; a matcher with blanks is JSON without a blank before a name and '='."""
    out = {}
    for part in re.split(r"\s+(?=[A-Za-z_][\w.\[\]#-]*=)", text):
        if part:
            path, _, matcher = part.partition("=")
            out[path] = value_of(matcher)
    return out


def load(names):
    paths = [n if os.path.exists(n) else os.path.join(HERE, "cases", n + ".case") for n in names]
    cases = []
    for path in paths or sorted(glob.glob(os.path.join(HERE, "cases", "*.case"))):
        name = os.path.basename(path)[:-len(".case")]
        try:
            with open(path, encoding="utf-8") as f:
                cases.append((name, case_file.parse(name, f.read()), None))
        except (OSError, case_file.CaseError) as e:
            cases.append((name, None, str(e)))
    return cases


def is_wanted(case, options):
    """One that cannot be read is, so that it fails."""
    name, parsed, _ = case
    is_left_out = not options.cases and any(fnmatch.fnmatch(name, pattern) for pattern in options.without)
    return parsed is None or (not is_left_out and (not parsed.engines or engine.family() in parsed.engines))


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--without", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--define", action="append", default=[])
    options = parser.parse_intermixed_args()
    options.agentbox = os.path.abspath(options.agentbox)
    options.words = dict(d.split("=", 1) for d in options.define)
    options.schema = check.find_schema()
    return options


def report(number, name, problems):
    print("%s %d - %s" % ("not ok" if problems else "ok", number, name))
    for problem in problems:
        for line in problem.splitlines():
            print("#   " + line)
    sys.stdout.flush()


def main():
    find_python_with_schema()
    options = read_options()
    cases = [c for c in load(options.cases) if is_wanted(c, options)]
    print("1..%d" % len(cases))
    if options.schema is None:
        print("# requests are not compared with the schema: it or jsonschema is not here")
    if not engine.Engine().answers():
        print("Bail out! no Docker Engine answers at %s" % engine.Engine().host)
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool, concurrent.futures.ThreadPoolExecutor(1) as afterwards:
        runs, together = [], []
        for _, case, problem in cases:
            if case and case.alone:
                runs.append(None)
                continue
            runs.append(pool.submit(Run(case, options)) if case else problem)
            if case:
                together.append(runs[-1])
            if len(together) == 1:
                together[0].result()  # alone: it puts the guest onto the engine
        for n, (_, case, _) in enumerate(cases):
            if runs[n] is None:
                concurrent.futures.wait(together)
                runs[n] = afterwards.submit(Run(case, options))
        for number, ((name, _, _), run) in enumerate(zip(cases, runs), 1):
            problems = [run] if isinstance(run, str) else run.result()
            failed += bool(problems)
            report(number, name, problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
