# SPDX-License-Identifier: MIT
"""Servers of tools, measured: a row of bench.py beside the same server behind `docker run -i`."""
import json
import statistics
import subprocess
import time

IMAGE, COMMAND = "agentbox-mcp:1", ["mcp-server-everything"]
CALLS, ROUNDS = 20, 7


class Bare:
    """The same server as `docker run -i` gives it, spoken to by its pipes."""

    def __init__(self):
        self.begin, self.id = time.monotonic(), 0
        self.child = subprocess.Popen(["docker", "run", "--rm", "-i", "--network", "none", "--user", "65532:65532", IMAGE] + COMMAND,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "bench", "version": "1"})
        self.say({"method": "notifications/initialized"})
        self.ask("tools/list")
        self.start_ms = (time.monotonic() - self.begin) * 1e3

    def say(self, message):
        self.child.stdin.write(json.dumps(dict(message, jsonrpc="2.0")).encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, method, **params):
        self.id += 1
        self.say({"id": self.id, "method": method, "params": params})
        while json.loads(self.child.stdout.readline()).get("id") != self.id:
            pass

    def echo(self):
        start = time.monotonic()
        self.ask("tools/call", name="echo", arguments={"message": "hi"})
        return (time.monotonic() - start) * 1e3

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def turnarounds(result):
    ends = {e["n"]: e["end_ns"] for e in result["events"] if e["kind"] == "end"}
    begins = {e["n"]: e["first_ns"] for e in result["events"] if e["kind"] == "request"}
    return [(begins[n + 1] - ends[n]) / 1e6 for n in sorted(ends) if n + 1 in begins]


def at(result, kind):
    return next(r["ms"] for r in result["journal"] if r["type"] == kind)


def row_mcp(b, out):
    tool = {"type": "mcp", "name": "every", "image": IMAGE, "command": COMMAND, "allow": ["echo"]}
    turns = [{"reply": [{"call": "every__echo", "arguments": {"message": "hi"}, "call_id": "c%d" % i}]} for i in range(CALLS)]
    ours, theirs, start, bare_start = [], [], [], []
    for _ in range(ROUNDS):
        result = b.run(turns + [{"reply": [{"message": "done"}]}], agent={"tools": [tool]}, checkpoint={"every": "off"})
        ours += turnarounds(result)
        start.append(at(result, "mcp.tools") - at(result, "side.start"))
        bare = Bare()
        bare_start.append(bare.start_ms)
        for _ in range(CALLS):
            time.sleep(0.005)  # as long as a model is silent at least
            theirs.append(bare.echo())
        bare.end()
    over = statistics.median(ours) - statistics.median(theirs)
    out("MCP call, with its records and the next request, median", "%.1f ms" % statistics.median(ours),
        "bare stdio round trip of the same server: %.1f ms" % statistics.median(theirs), "+%.1f ms" % over, "< +2 ms")
    out("start of an MCP server's sandbox until its tools are known, median", "%.0f ms" % statistics.median(start),
        "`docker run -i` of the same image until then: %.0f ms" % statistics.median(bare_start),
        "%.2f" % (statistics.median(start) / statistics.median(bare_start)), "<= 1.15")
