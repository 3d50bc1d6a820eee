# SPDX-License-Identifier: MIT
"""A container engine that does not do what it was asked: the real one behind a socket that changes requests on the way, and
answers, so that it can say of itself what is not so.

Proves that what was asked for is verified on what is. Replacements have the length of what they replace, so that no
protocol needs to be understood.
"""
import select
import socket
import threading

WHOLE_AFTER = 1.0  # seconds that the begin of a text waits for its rest


class Liar:
    def __init__(self, engine_host, path, requests, answers):
        self.engine_path = engine_host.replace("unix://", "")
        self.requests, self.answers = [[(a.encode(), b.encode()) for a, b in pairs] for pairs in (requests, answers)]
        self.seen = set()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def unseen(self):
        return [a.decode() for a, _ in self.requests + self.answers if a not in self.seen]

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                upstream.connect(self.engine_path)
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client, upstream, self.requests), daemon=True).start()
            threading.Thread(target=self._pump, args=(upstream, client, self.answers), daemon=True).start()

    def _lie(self, data, pairs):
        for a, b in pairs:
            if a in data:
                self.seen.add(a)
                data = data.replace(a, b)
        return data

    def _pump(self, source, target, pairs):
        held = b""
        try:
            while True:
                if held and not select.select([source], [], [], WHOLE_AFTER)[0]:
                    target.sendall(held)
                    held = b""
                data = source.recv(1 << 20)
                if not data:
                    break
                data = self._lie(held + data, pairs)
                keep = begun(data, pairs)
                held = data[len(data) - keep:]
                target.sendall(data[:len(data) - keep])
            target.sendall(held)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def begun(data, pairs):
    """How many bytes at the end may be the begin of a text that is to be replaced."""
    return max((n for a, _ in pairs for n in range(1, len(a)) if data.endswith(a[:n])), default=0)
