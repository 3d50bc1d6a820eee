# SPDX-License-Identifier: MIT
"""A scripted server that speaks POST /responses, and every way in which a real one can go wrong.

A script is an object:

    {"turns": [TURN, ...], "auth": "bearer" | "api-key", "schema": false (for items that no schema knows),
     "functions_only": true (as llama.cpp and Ollama: other tools and items are refused, which takes no turn),
     "no_schema": true (so is text.format),
     "agents": {"NAME-OF-MODEL": {"turns": [TURN, ...]}, ...}}: requests of these models are subagents'. Each run of one
     (they differ in their task) begins with the first turn of its script; "runs" says how many there must be.

Each request is answered by the next turn:

    "expect"     {path: matcher}, see match.py; on the parsed request body
    "headers"    {name: matcher} on the request's headers
    "reply"      [shorthand items], see events.py
    "usage"      {"input", "cached", "output", "reasoning"}
    "status"     "completed" (default), "incomplete" with "reason", "failed" with "error", or "none": no terminal event
    "error_event"  error object sent as an `error` event before the end
    "http"       {"status": 429, "headers": {...}, "json": {...} or "text": "..."}: no stream at all
    "delay_ms"   before the answer; "item_ms": before each item after the first
    "until"      path: no answer before this file is there; "touch": path of one that is made before that
    "times"      this turn answers so many requests; "forever": true for all the rest; "while": {path: matcher} for those
                 that match, maybe none
    "aside"      the request is no turn of the conversation: it asks for a summary, and the next one may be shorter
    "repair"     the next request may differ (another tool style, full input)
    "optional"   the script may end before this turn
  how the stream is written:
    "crlf", "cr", "no_event", "no_space", "comments", "data_first", "multi_data", "bom", "no_sequence", "no_deltas",
    "done" ([DONE] at the end), "no_final_blank", "odd" (legal JSON in odd spelling), "close" (ends with the connection,
    not with a last chunk), "split": n bytes at a time, "huge_mib": n (one delta of that size), "json_body" (the
    Response object instead of a stream), "content_type", "garbage": text put in as a data line before the end
  how it breaks:
    "reset_after": n, "truncate_after": n, "stall_after": n     after n events: connection reset, clean end, silence
                   (until the client goes away); "cut": n        truncate_after, but n bytes into the next event

A broken or failed answer is not part of the conversation: the next request must repeat this one.
"""
import json
import os
import socket
import socketserver
import struct
import threading
import time

from . import check, events, match

BODY_MAX = 512 << 20
HELD_MAX_S = 120


class Broken(Exception):
    """The answer ends here, before its time."""


class Writer:
    """Chunked (or plain) body of one answer."""

    def __init__(self, connection, turn):
        self.connection, self.turn = connection, turn
        self.chunked = not turn.get("close")

    def head(self, status, headers):
        text = "HTTP/1.1 %d Status\r\n" % status + "".join("%s: %s\r\n" % h for h in headers) + "\r\n"
        self.connection.sendall(text.encode("latin-1"))

    def body(self, data):
        step = self.turn.get("split") or len(data) or 1
        for i in range(0, len(data), step):
            piece = data[i:i + step]
            self.connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece)

    def end(self):
        if self.chunked:
            self.connection.sendall(b"0\r\n\r\n")


def frame(event, turn, raw):
    """One event as bytes on the wire."""
    newline = "\r\n" if turn.get("crlf") else "\r" if turn.get("cr") else "\n"
    colon = ":" if turn.get("no_space") else ": "
    if turn.get("no_sequence"):
        event = {k: v for k, v in event.items() if k != "sequence_number"}
    text = raw if raw is not None else dump(event, turn)
    data = ["data" + colon + text]
    if turn.get("multi_data") and '","' in text:
        first, rest = text.split('","', 1)
        data = ["data" + colon + first + '"', "data" + colon + ',"' + rest]
    name = [] if turn.get("no_event") else ["event" + colon + event["type"]]
    comments = [": keep-alive", ""] if turn.get("comments") else []
    inside = [":inside"] if turn.get("comments") else []
    lines = comments + (data + name if turn.get("data_first") else name + inside + data)
    return (newline.join(lines) + newline * 2).encode("utf-8")


def dump(value, turn):
    return events.odd(value) if turn.get("odd") else events.compact(value)


def refusal_of(body, functions_only, no_schema):
    """What a server says that does not know all of the API; None when it has nothing to object to."""
    if no_schema and "format" in body.get("text", {}):
        return {"code": None, "message": "Unknown parameter: 'text.format'.", "type": "invalid_request_error", "param": "text.format"}
    if not functions_only:
        return None
    for tool in body.get("tools", []):
        if tool.get("type") != "function":
            return {"code": 400, "message": "'type' of tool must be 'function'", "type": "invalid_request_error"}
    for item in body.get("input", []):
        if item.get("type", "message") not in ("message", "reasoning", "function_call", "function_call_output"):
            return {"code": 400, "message": "Cannot determine type of 'item'", "type": "invalid_request_error"}
    return None


class Handler(socketserver.BaseRequestHandler):
    """One connection, any number of requests."""

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.request.makefile("rb", 1 << 16)

    def handle(self):
        try:
            while self.one_request():
                pass
        except (ConnectionError, socket.timeout, ValueError, OSError):
            pass

    def one_request(self):
        line = self.file.readline(65536)
        if not line.strip():
            return False
        first_ns = time.monotonic_ns()
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        for line in iter(lambda: self.file.readline(65536).decode("latin-1").strip(), ""):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        if length > BODY_MAX:
            raise ValueError("body too large")
        body = self.file.read(length)
        owner = self.server.owner
        if method == "GET":
            return self.health(owner)
        return owner.answer(self, method, path, headers, body, first_ns)

    def health(self, owner):
        text = b"{}"
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        return True

    def reset(self):
        """Close with RST instead of FIN."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.request.close()


class Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


class Lane:
    """One conversation and what is left of its script."""

    def __init__(self, turns):
        self.turns, self.next, self.talk = turns, 0, check.Conversation()

    def turn_for(self, parsed):
        """There is one more, at least."""
        while self.next + 1 < len(self.turns) and list(match.check(self.turns[self.next].get("while", {}), parsed)):
            self.next += 1
        turn = self.turns[self.next]
        if not turn.get("forever") and "while" not in turn:
            self.next += 1
        return turn

    def left(self):
        return [t for t in self.turns[self.next:] if not (t.get("optional") or t.get("forever") or "while" in t)]


class ModelServer:
    """Start with start(), end with stop(); then `violations` says what was wrong."""

    def __init__(self, script, key, log_path=None, port=0, schema=None, on_request=None):
        self.main = Lane(self._unroll(script["turns"]))
        self.agents, self.lanes, self.of_request = script.get("agents", {}), {}, {}
        self.auth, self.key = script.get("auth", "bearer"), key
        self.schema = schema if script.get("schema", True) else None
        self.on_request = on_request
        self.functions_only, self.no_schema = script.get("functions_only", False), script.get("no_schema", False)
        self.violations, self.requests, self.sent_events, self.noted = [], [], [], []
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.log = open(log_path, "w", encoding="utf-8") if log_path else None
        self.listener = Listener(("127.0.0.1", port), Handler)
        self.listener.owner = self
        self.port = self.listener.server_address[1]

    @staticmethod
    def _unroll(turns):
        out = []
        for turn in turns:
            out += [turn] * turn.get("times", 1)
        return out

    def start(self):
        threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()

    def new_conversation(self):
        """Another run begins: its requests owe nothing to those before."""
        with self.lock:
            self.main.talk = check.Conversation()

    def stop(self):
        """Idempotent. Does the slow checks, which would have disturbed the clock before."""
        self.stopping.set()
        self.listener.shutdown()
        self.listener.server_close()
        for lane in [self.main] + list(self.lanes.values()):
            if lane.left():
                self.violation("%d turns of the script were not asked for" % len(lane.left()))
        for model, script in self.agents.items():
            runs = len([key for key in self.lanes if key[0] == model])
            if runs != script.get("runs", runs or 1):
                self.violation("%d runs of %s" % (runs, model))
        if self.schema:
            for n, body in enumerate(self.requests, 1):
                for text in self.schema.check("CreateResponseClosed", body):
                    self.violation("request %d: %s" % (n, text))
            for event in self.sent_events:
                for text in self.schema.check("AnyStreamEvent", event):
                    self.violation("our own event %s: %s" % (event["type"], text))
        self.sent_events = []
        if self.log:
            self.write_log("stop")
            self.log.close()
            self.log = None

    def violation(self, text):
        self.violations.append(text)
        self.write_log("violation", text=text)

    def write_log(self, kind, **fields):
        self.note_log(kind, **fields)
        if self.log:
            lines, self.noted = self.noted, []
            self.log.write("".join(json.dumps(line) + "\n" for line in lines))
            self.log.flush()

    def note_log(self, kind, **fields):
        """Written with what comes next: the client has its answer, and the clock that measures it shall not see us."""
        self.noted.append({"kind": kind, "t_ns": time.monotonic_ns(), **fields})

    # --- one request ---

    def answer(self, handler, method, path, headers, body, first_ns):
        t_ns = time.monotonic_ns()
        with self.lock:
            turn, n, members, parsed = self._take(method, path, headers, body)
            self.write_log("request", n=n, first_ns=first_ns, body_ns=t_ns, bytes=len(body),
                           body=parsed if len(body) < 1 << 20 else None)
        if self.on_request:
            self.on_request(n)
        if turn is None:
            self._plain(handler, n, {"status": 500, "json": {"error": {"message": "the script is over", "type": "server_error",
                                                                       "param": None, "code": "script_over"}}})
            return False
        time.sleep(turn.get("delay_ms", 0) / 1000)
        if turn.get("touch"):
            open(turn["touch"], "w", encoding="utf-8").close()
        self._await_file(turn.get("until"))
        raw_items = []
        try:
            if "http" in turn:
                self._settle(turn, members, None, n)  # before the answer goes out: the client may be back at once
                self._plain(handler, n, events.substitute(turn["http"], n))
                return True
            self._stream(handler, turn, n, parsed, raw_items, members)
            return not turn.get("close")
        except Broken:
            self._settle(turn, members, raw_items, n)
            return False
        except (ConnectionError, BrokenPipeError, socket.timeout):
            self._settle(turn, members, raw_items, n)
            self.write_log("client_gone", n=n)
            return False

    @staticmethod
    def _await_file(path):
        end = time.monotonic() + HELD_MAX_S
        while path and not os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.02)

    def _lane_of(self, parsed):
        model = parsed.get("model")
        if model not in self.agents:
            return self.main
        items = parsed.get("input") or []
        said = next((i for i, item in enumerate(items) if item.get("role") != "user"), len(items))
        key = (model, json.dumps(items[:said]))
        if key not in self.lanes:
            self.lanes[key] = Lane(self._unroll(self.agents[model]["turns"]))
        return self.lanes[key]

    def _take(self, method, path, headers, body):
        """Check a request and find its turn."""
        self.requests.append(None)
        n = len(self.requests)
        for text in check.check_head(method, path, headers, self.key, self.auth):
            self.violation("request %d: %s" % (n, text))
        try:
            text = body.decode("utf-8")
            parsed, members = check.parse(text), check.raw_members(text)
        except (ValueError, IndexError) as e:
            self.violation("request %d: body is not JSON: %s" % (n, e))
            parsed, members = {}, {}
        self.requests[-1] = parsed
        if parsed.get("stream") is not True:
            self.violation("request %d: no stream asked for" % n)
        lane = self.of_request[n] = self._lane_of(parsed)
        for text in lane.talk.check(members, parsed):
            self.violation("request %d: %s" % (n, text))
        refusal = refusal_of(parsed, self.functions_only, self.no_schema)
        if refusal:
            return {"http": {"status": 400, "json": {"error": refusal}}, "repair": True}, n, members, parsed
        if lane.next >= len(lane.turns):
            self.violation("request %d: the script has no turn for it" % n)
            return None, n, members, parsed
        turn = lane.turn_for(parsed)
        if bool(turn.get("aside")) != check.is_aside(parsed):
            self.violation("request %d: %s" % (n, "a summary was to be asked for" if turn.get("aside") else "it asks for a summary"))
        for text in match.check(turn.get("expect", {}), parsed):
            self.violation("request %d: %s" % (n, text))
        for name, matcher in turn.get("headers", {}).items():
            for text in match.check({name.lower(): matcher}, {k.replace("-", "_"): v for k, v in headers.items()}, "_"):
                self.violation("request %d: header %s" % (n, text))
        return turn, n, members, parsed

    def _settle(self, turn, members, raw_items, n):
        """The request was answered without success."""
        with self.lock:
            if not turn.get("aside"):
                talk = self.of_request[n].talk
                talk.failed(members, raw_items or [])
                talk.may_change = bool(turn.get("repair"))
            self.write_log("end", n=n, success=False)

    def _plain(self, handler, n, http):
        body = (json.dumps(http["json"]) if "json" in http else http.get("text", "")).encode("utf-8")
        kind = "application/json" if "json" in http else "text/html"
        headers = {"Content-Type": kind, "x-request-id": "req_%d" % n, "Content-Length": len(body), **http.get("headers", {})}
        head = "HTTP/1.1 %d Status\r\n" % http["status"] + "".join("%s: %s\r\n" % h for h in headers.items())
        handler.request.sendall(head.encode("latin-1") + b"\r\n" + body)

    def _events(self, turn, n, parsed):
        reply = turn.get("reply", [])
        for event in events.stream(n, parsed, reply, turn.get("status", "completed"), turn.get("usage"), turn.get("error"),
                                   turn.get("reason"), turn.get("error_event")):
            if not (turn.get("no_deltas") and (".delta" in event["type"] or "_part." in event["type"])):
                yield event

    def _stream(self, handler, turn, n, parsed, raw_items, members):
        writer = Writer(handler.request, turn)
        if turn.get("json_body"):
            items = [events.expand(s, n, i) for i, s in enumerate(turn.get("reply", []))]
            body = events.response(n, parsed, "completed", items, events.usage(turn.get("usage")))
            self._plain(handler, n, {"status": 200, "json": body})
            raise Broken()
        headers = [("Content-Type", turn.get("content_type", "text/event-stream; charset=utf-8")), ("x-request-id", "req_%d" % n),
                   ("Transfer-Encoding", "chunked") if writer.chunked else ("Connection", "close")]
        writer.head(200, headers)
        if turn.get("bom"):
            writer.body(b"\xef\xbb\xbf")
        frames = self._frames(turn, n, parsed, raw_items)
        rest = b""
        if turn.get("item_ms") or any(k in turn for k in ("reset_after", "truncate_after", "stall_after", "cut")):
            self._write_slowly(handler, writer, turn, frames)
        else:
            rest = b"".join(f for f, _ in frames)
        # Before the end goes out: the client may be back at once. And no work of ours runs beside its own.
        self._finish(turn, n, members, raw_items)
        end_ns = time.monotonic_ns()  # before, too: what the client does at once is seen by another thread than this one
        if rest:
            writer.body(rest)
        writer.end()
        self.note_log("end", n=n, end_ns=end_ns, success=turn.get("status", "completed") == "completed")

    def _finish(self, turn, n, members, raw_items):
        with self.lock:
            talk = self.of_request[n].talk
            if turn.get("aside"):
                talk.may_be_shorter = True
                return
            if turn.get("status", "completed") == "completed" and "error_event" not in turn and "garbage" not in turn:
                talk.done(members, raw_items, "resp_%d" % n)
            else:
                talk.failed(members, raw_items)
            talk.may_change = bool(turn.get("repair"))

    def _frames(self, turn, n, parsed, raw_items):
        """(bytes, event) of the whole answer; notes the items as they will have arrived."""
        for event in self._events(turn, n, parsed):
            if not turn.get("no_sequence"):
                self.sent_events.append(event)
            if turn.get("huge_mib") and event["type"] == "response.output_item.added":
                huge = {"type": "response.output_text.delta", "item_id": "x", "output_index": 0, "content_index": 0,
                        "delta": "x" * (turn["huge_mib"] << 20), "logprobs": [], "sequence_number": event["sequence_number"]}
                yield frame(huge, turn, None), huge
            raw = None
            if event["type"] == "response.output_item.done":
                item = dump(event["item"], turn)
                outer = {k: v for k, v in event.items() if k != "item" and not (turn.get("no_sequence") and k == "sequence_number")}
                raw = events.compact(outer)[:-1] + ',"item":' + item + "}"
                if turn.get("multi_data"):
                    raw = None
                    item = events.compact(event["item"])
                raw_items.append(item)
            is_end = event["type"] in ("response.completed", "response.incomplete", "response.failed")
            if is_end and "garbage" in turn:
                yield ("data: %s\n\n" % turn["garbage"]).encode("utf-8"), {"type": "garbage"}
            data = frame(event, turn, raw)
            if is_end and turn.get("no_final_blank") and not turn.get("done"):
                data = data.rstrip(b"\r\n")
            yield data, event
        if turn.get("done"):
            yield b"data: [DONE]" + (b"" if turn.get("no_final_blank") else b"\n\n"), {"type": "done"}

    def _write_slowly(self, handler, writer, turn, frames):
        """Event by event, since something happens on the way."""
        seen_items = 0
        for count, (data, event) in enumerate(frames):
            if turn.get("reset_after") == count:
                handler.reset()
                raise Broken()
            if turn.get("truncate_after") == count or ("cut" in turn and turn["cut"][0] == count):
                if "cut" in turn:
                    writer.body(data[:turn["cut"][1]])
                if turn.get("close"):
                    handler.request.shutdown(socket.SHUT_RDWR)
                raise Broken()
            if turn.get("stall_after") == count:
                self._hold(handler)
                raise Broken()
            if event["type"] == "response.output_item.added":
                seen_items += 1
                if seen_items > 1:
                    time.sleep(turn.get("item_ms", 0) / 1000)
            writer.body(data)

    def _hold(self, handler):
        """Say nothing until the client goes away."""
        handler.request.settimeout(HELD_MAX_S)
        try:
            handler.request.recv(1)
        except OSError:
            pass
