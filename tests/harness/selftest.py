#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the judge: the rules for requests, the matchers, the model server with a client that behaves and ones that do not."""
import contextlib
import http.client
import io
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import summary  # noqa: E402
from harness import case, check, events, match, server  # noqa: E402

KEY = "sk-selftest"
USER = '{"role":"user","content":"hi"}'
TOOLS = '[{"type":"shell","environment":{"type":"local"}}]'


def body(items, tools=TOOLS, more=""):
    return '{"model":"m","stream":true,"store":false,%s"tools":%s,"input":[%s]}' % (more, tools, ",".join(items))


def answer(call_id, text="x"):
    return events.compact({"type": "shell_call_output", "call_id": call_id, "output": [
        {"stdout": text, "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]})


class Client:
    def __init__(self, turns, schema=None):
        self.model = server.ModelServer({"turns": turns}, KEY, schema=schema)
        self.model.start()

    def post(self, text, key=KEY):
        c = http.client.HTTPConnection("127.0.0.1", self.model.port, timeout=10)
        c.request("POST", "/v1/responses", text.encode(), {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
        try:
            reply = c.getresponse()
            return reply.status, reply.read().decode()
        except (http.client.HTTPException, OSError):
            return 0, ""
        finally:
            c.close()

    def items(self, text):
        """Raw items of output_item.done, as a client must keep them."""
        out = []
        for line in text.replace("\r", "\n").split("\n"):
            if line.startswith("data:") and '"response.output_item.done"' in line.split('"item"')[0]:
                out.append(line[line.index('"item":') + 7:-1])
        return out

    def end(self):
        self.model.stop()
        return self.model.violations


class Rules(unittest.TestCase):
    def talk(self, second, turns=None, schema=None):
        client = Client(turns or [{"reply": [{"shell": ["ls"], "call_id": "c1"}]}, {"reply": [{"message": "ok"}]}], schema)
        _, text = client.post(body([USER]))
        client.post(second(client.items(text)))
        return client.end()

    def test_a_good_client(self):
        self.assertEqual(self.talk(lambda items: body([USER] + items + [answer("c1")]), schema=check.find_schema()), [])

    def test_odd_spelling_must_come_back(self):
        turns = [{"odd": True, "crlf": True, "reply": [{"shell": ["ls"], "call_id": "c1"}]}, {"reply": [{"message": "ok"}]}]
        self.assertEqual(self.talk(lambda items: body([USER] + items + [answer("c1")]), turns), [])
        again = self.talk(lambda items: body([USER] + [events.compact(json.loads(i)) for i in items] + [answer("c1")]), turns)
        self.assertIn("did not come back as it was", again[0])

    def test_unanswered_call(self):
        self.assertEqual(self.talk(lambda items: body([USER] + items)), ["request 2: call 'c1' was not answered"])

    def test_answered_twice(self):
        found = self.talk(lambda items: body([USER] + items + [answer("c1"), answer("c1")]))
        self.assertEqual(found, ["request 2: call 'c1' answered twice"])

    def test_orphan_answer(self):
        found = self.talk(lambda items: body([USER] + items + [answer("c1"), answer("c9")]))
        self.assertEqual(found, ["request 2: answer to a call that was never made: 'c9'"])

    def test_changed_tools(self):
        found = self.talk(lambda items: body([USER] + items + [answer("c1")], '[{"environment":{"type":"local"},"type":"shell"}]'))
        self.assertEqual(found, ["request 2: 'tools' changed between requests"])

    def test_key_twice_and_wrong_key(self):
        client = Client([{"reply": [{"message": "x"}]}])
        client.post('{"model":"m","model":"m","stream":true,"input":[]}', key="other")
        self.assertEqual(client.end(), ["request 1: the header 'authorization' does not carry the key",
                                        "request 1: body is not JSON: key twice: model", "request 1: no stream asked for"])

    def test_a_turn_for_as_long_as_something_holds(self):
        client = Client([{"reply": [{"shell": ["ls"], "call_id": "c1"}]},
                         {"while": {"input[-1].output[0].stdout": "no"}, "reply": [{"shell": ["ls"], "call_id": "c2"}]},
                         {"reply": [{"message": "ok"}]}])
        said, begun = [USER], []
        for call, text in ("c1", "no"), ("c2", "no"), ("c2", "yes"):
            _, answered = client.post(body(said))
            begun.append('"call_id":"%s"' % call in answered)
            said += client.items(answered) + [answer(call, text)]
        _, answered = client.post(body(said))
        self.assertEqual((begun, '"ok"' in answered, client.end()), ([True, True, True], True, []))

    def test_unused_turns(self):
        client = Client([{"reply": [{"message": "x"}]}, {"reply": []}, {"reply": [], "optional": True}])
        client.post(body([USER]))
        self.assertEqual(client.end(), ["1 turns of the script were not asked for"])

    def test_schema_objects(self):
        if check.find_schema() is None:
            return
        client = Client([{"reply": [{"message": "x"}]}], check.find_schema())
        client.post(body([USER], more='"nonsense":1,'))
        self.assertIn("nonsense", client.end()[0])

    def test_repeat_after_failure(self):
        for second, good in ((body([USER]), True), (body([USER, USER]), False)):
            client = Client([{"http": {"status": 500, "json": {}}}, {"reply": [{"message": "x"}]}])
            self.assertEqual(client.post(body([USER]))[0], 500)
            client.post(second)
            self.assertEqual(client.end() == [], good)

    def test_broken_stream_keeps_whole_items(self):
        turns = [{"reply": [{"shell": ["ls"], "call_id": "c1"}, {"message": "rest"}], "truncate_after": 9}, {"reply": [{"message": "ok"}]}]
        whole = [events.compact(events.expand({"shell": ["ls"], "call_id": "c1"}, 1, 0))]
        for second in (body([USER]), body([USER] + whole + [answer("c1")])):
            client = Client(turns)
            client.post(body([USER]))
            client.post(second)
            self.assertEqual(client.end(), [])


class Events(unittest.TestCase):
    def test_every_event_fits_the_schema(self):
        schema = check.find_schema()
        if schema is None:
            return
        shorthand = [{"reasoning": "r"}, {"message": "m", "phase": "commentary"}, {"refusal": "no"}, {"shell": ["a", "b"]}, {"exec": "c"}]
        for status in ("completed", "incomplete", "failed"):
            error = {"code": "server_error", "message": "m"} if status == "failed" else None
            for event in events.stream(1, {"tools": []}, shorthand, status, error=error):
                self.assertEqual(list(schema.check("AnyStreamEvent", event)), [], event["type"])

    def test_shapes_carry_the_same(self):
        for shape in ("crlf", "cr", "no_event", "no_space", "comments", "data_first", "multi_data", "no_sequence", "odd"):
            event = {"type": "response.output_text.delta", "delta": "a/b", "sequence_number": 3}
            lines = server.frame(event, {shape: True}, None).decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
            data = "\n".join(line[5:].lstrip(" ") for line in lines if line.startswith("data"))
            self.assertEqual(json.loads(data)["delta"], "a/b", shape)


class Match(unittest.TestCase):
    def test_paths(self):
        value = {"input": [{"type": "a", "n": 1}, {"type": "b", "output": [{"stdout": "x"}]}]}
        self.assertEqual(match.find("input[type=b].output[0].stdout", value), "x")
        self.assertEqual(match.find("input[-2].n", value), 1)
        self.assertEqual(match.find("input.#", value), 2)
        self.assertIs(match.find("input[7].n", value), match.ABSENT)

    def test_matchers(self):
        self.assertEqual(list(match.check({"a": {"contains": "x"}, "b": {"absent": True}, "c": {"min": 2}}, {"a": "xyz", "c": 2})), [])
        self.assertEqual(list(match.check({"a": 1}, {"a": 2})), ["a is 2, expected 1"])
        self.assertEqual(list(match.check({"b": {"contains": "x"}}, {})), ['b is (absent), expected {"contains": "x"}'])


class Cases(unittest.TestCase):
    def test_reading(self):
        c = case.parse("t", "# about\n--- manifest\nversion: 1\n--- run\nrun -p 'a=b c' m\nenv A=1\nsignal INT 2 after x y\n--- exit\n3\n--- stdout\nx\n")
        self.assertEqual((c.about, c.setup, c.steps[0].arguments), ("about\n", [("file", "manifest.yaml", "version: 1\n")], ["run", "-p", "a=b c", "m"]))
        self.assertEqual((c.steps[0].env, c.steps[0].signal, c.steps[0].expect), ({"A": "1"}, ("INT", 2, "x y"), [("exit", "", "3\n"), ("stdout", "", "x\n")]))

    def test_mistakes(self):
        for text, words in (("--- nosuch\n", "no section 'nosuch'"), ("--- exit\n1\n", "before the first run"), ("# x\n", "nothing is run")):
            with self.assertRaisesRegex(case.CaseError, words):
                case.parse("t", text)


class Summary(unittest.TestCase):
    """What scripts/test says in the end: whatever did not pass has failed, by its name, with its last words."""

    def summary(self, *results, known=("a",), log=None):
        with tempfile.TemporaryDirectory() as build:
            for name in ("meson-info", "meson-logs"):
                os.mkdir(os.path.join(build, name))
            with open(os.path.join(build, "meson-info/intro-tests.json"), "w", encoding="utf-8") as f:
                json.dump([{"name": n, "suite": ["agentbox:unit"]} for n in known], f)
            if log is None:
                log = "".join(json.dumps(dict({"name": "agentbox:unit / a", "result": "OK", "duration": 2}, **r)) + "\n" for r in results)
            if results or log:
                with open(os.path.join(build, "meson-logs/testlog.json"), "w", encoding="utf-8") as f:
                    f.write(log)
            out, sys.argv = io.StringIO(), ["summary.py", build, "unit"]
            with contextlib.redirect_stdout(out):
                status = summary.main()
        return status, out.getvalue().splitlines()

    def test_all_well(self):
        status, lines = self.summary({"stdout": "1..2\nok 1 - x\nok 2 - y\n"})
        self.assertEqual((status, lines), (0, ["unit                     2 passed    0 failed      2.0 s", "2 passed, 0 failed"]))

    def test_one_failed(self):
        status, lines = self.summary({"result": "FAIL", "stdout": "1..3\nnot ok 1 - x\n# why\nok 2 - y\n# not of x\nok 3 - z\n"})
        self.assertEqual((status, lines[-3:]), (1, ["FAILED agentbox:unit / a: x", "    # why", "2 passed, 1 failed"]))

    def test_one_that_hangs(self):
        status, lines = self.summary({"result": "TIMEOUT", "stdout": "1..3\nok 1 - x\n", "stderr": "last words\n"})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertIn("FAILED agentbox:unit / a: (2 of 3 tests never ended) TIMEOUT after 2 s; its last lines:", lines)
        self.assertIn("    ok 1 - x", lines)
        self.assertIn("    | last words", lines)

    def test_one_that_hangs_before_its_plan(self):
        status, lines = self.summary({"result": "TIMEOUT", "stdout": "ok 1 - x\nnot ok 2 - y\n#   why\n"})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 2 failed"))
        self.assertIn("FAILED agentbox:unit / a: y", lines)
        self.assertIn("    #   why", lines)

    def test_one_that_fails_at_its_end(self):
        status, lines = self.summary({"result": "FAIL", "stdout": "1..1\nok 1 - x\n", "stderr": "LeakSanitizer: of x\n"})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertIn("    | LeakSanitizer: of x", lines)

    def test_skipped(self):
        for text in ("1..0 # SKIP no engine\n", "1..1\nok 1 - x # SKIP no engine\n"):
            status, lines = self.summary({"result": "SKIP", "stdout": text})
            self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))

    def test_never_ran(self):
        for status, lines in (self.summary({"stdout": "1..1\nok 1 - x\n"}, known=("a", "b")),
                              self.summary(log='{"name": "agentbox:unit / a", "result": "OK", "stdout": "1..1\\nok 1 - x"}\n{"name": "agentb', known=("a", "b"))):
            self.assertEqual((status, lines[-2:]), (1, ["FAILED b: (it never ran)", "1 passed, 1 failed"]))
        self.assertEqual(self.summary(log=""), (1, ["FAILED a: (it never ran)", "0 passed, 1 failed"]))

    def test_many_failed(self):
        status, lines = self.summary({"result": "FAIL", "stdout": "1..40\n" + "".join("not ok %d - x\n# why\n" % n for n in range(1, 41))})
        self.assertEqual((status, lines[-2:]), (1, ["... and 28 more", "0 passed, 40 failed"]))


class Tap(unittest.TestResult):
    number = 0

    def say(self, test, ok, why=""):
        self.number += 1
        print("%s %d - %s" % ("ok" if ok else "not ok", self.number, test.id().split(".", 1)[-1]))
        for line in why.splitlines():
            print("#   " + line)

    def addSuccess(self, test):
        self.say(test, True)

    def addFailure(self, test, err):
        self.say(test, False, self._exc_info_to_string(err, test))

    addError = addFailure


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print("1..%d" % suite.countTestCases())
    suite.run(Tap())
