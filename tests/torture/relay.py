# SPDX-License-Identifier: MIT
"""The engine of DOCKER_HOST behind a socket that can fail: knows requests, one on each connection, and answers some itself.

    relay = Relay(engine_host, path);  relay.fault = (number, action)      the number-th request from now gets the action
    relay.match = (pattern, action)                                        the first request that matches does
    relay.seen                                                             "POST /containers/create" and so on, in order
"""
import os
import re
import socket
import threading
import time

NAMES = [(re.compile(p), w) for p, w in ((r"^/v[\d.]+", ""), (r"\?.*", ""), (r"/(containers|volumes|images|exec)/[^/]*[0-9a-f]{6,}[^/]*", r"/\1/ID"),
                                         (r"/images/.*/json", "/images/ID/json"))]


def short(head):
    """What a request is, without what changes from run to run."""
    method, path = head.split(b"\r\n")[0].decode("latin-1").split(" ")[:2]
    for pattern, word in NAMES:
        path = pattern.sub(word, path)
    return "%s %s" % (method, path)


def answer(conn, status, body):
    conn.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))


def error_500(relay, conn, head, body):
    answer(conn, 500, b'{"message":"the relay says no"}')


def garbage(relay, conn, head, body):
    conn.sendall(b"\x00\xff\x7fHTTP/9 what\r\n\r\n" + os.urandom(600))


def nonsense(relay, conn, head, body):
    answer(conn, 200, b'[{"Id":17,"State":[],"Names":null}]')


def refused(relay, conn, head, body):
    pass


def cut(relay, conn, head, body):
    """Half of the answer's first piece."""
    up = relay.open(conn, head, body)
    data = up.recv(1 << 16)
    conn.sendall(data[:len(data) // 2])
    up.close()


def lose(relay, conn, head, body):
    """The engine does it; nobody hears of it."""
    up = relay.open(conn, head, body)
    up.settimeout(20)
    while up.recv(1 << 16) and not relay.is_stream(head):
        pass
    up.close()


def slow(relay, conn, head, body):
    """The answer comes in drops; a stream does for its first kilobyte."""
    up = relay.open(conn, head, body)
    sent = 0
    threading.Thread(target=relay.pump, args=(conn, up), daemon=True).start()
    while True:
        data = up.recv(16 if sent < 1024 else 1 << 16)
        if not data:
            break
        conn.sendall(data)
        sent += len(data)
        time.sleep(0.02 if sent < 1024 else 0)


def cut_stream(count):
    """A stream that ends after so many bytes from the engine."""
    def action(relay, conn, head, body):
        up = relay.open(conn, head, body)
        threading.Thread(target=relay.pump, args=(conn, up), daemon=True).start()
        sent = 0
        while sent < count:
            data = up.recv(min(4096, count - sent))
            if not data:
                break
            conn.sendall(data)
            sent += len(data)
        for s in (up, conn):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    return action


class Relay:
    def __init__(self, engine_host, path):
        self.engine_path, self.host = engine_host.replace("unix://", ""), "unix://" + path
        self.seen, self.fault, self.match, self.taken, self.lock = [], None, None, 0, threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        try:
            self._request(conn)
        except OSError:
            pass
        finally:
            conn.close()

    def _request(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = conn.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"\ncontent-length: *(\d+)", head, re.I)
        while length and len(body) < int(length.group(1)):
            body += conn.recv(1 << 20)
        action = self._choose(short(head))
        if action:
            action(self, conn, head, body)
            return
        up = self.open(conn, head, body)
        threading.Thread(target=self.pump, args=(conn, up), daemon=True).start()
        self.pump(up, conn)

    def _choose(self, name):
        with self.lock:
            self.seen.append(name)
            if self.fault:
                number, action = self.fault
                self.fault = (number - 1, action) if number > 1 else None
                if number == 1:
                    self.taken += 1
                    return action
            if self.match and re.search(self.match[0], name):
                action, self.match = self.match[1], None
                self.taken += 1
                return action
        return None

    @staticmethod
    def is_stream(head):
        return b"upgrade" in head.lower()

    def open(self, conn, head, body):
        up = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        up.connect(self.engine_path)
        if not self.is_stream(head):
            head += b"\r\nConnection: close"
        up.sendall(head + b"\r\n\r\n" + body)
        return up

    @staticmethod
    def pump(source, target):
        try:
            while True:
                data = source.recv(1 << 16)
                if not data:
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
