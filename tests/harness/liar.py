# SPDX-License-Identifier: MIT
"""A Docker Engine that does not do what it was asked: the real one behind a socket that changes requests on the way.

Proves that what was asked for is verified on what is. Replacements have the length of what they replace, so that no
protocol needs to be understood; responses pass as they are.
"""
import socket
import threading


class Liar:
    def __init__(self, engine_host, path, replacements):
        self.engine_path = engine_host.replace("unix://", "")
        self.pairs = [(a.encode(), b.encode()) for a, b in replacements]
        self.seen = set()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def unseen(self):
        return [a.decode() for a, _ in self.pairs if a not in self.seen]

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                upstream.connect(self.engine_path)
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client, upstream, self._lie), daemon=True).start()
            threading.Thread(target=self._pump, args=(upstream, client, bytes), daemon=True).start()

    def _lie(self, data):
        for a, b in self.pairs:
            if a in data:
                self.seen.add(a)
                data = data.replace(a, b)
        return data

    @staticmethod
    def _pump(source, target, change):
        try:
            while True:
                data = source.recv(1 << 20)
                if not data:
                    break
                target.sendall(change(data))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
