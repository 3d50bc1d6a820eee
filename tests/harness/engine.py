# SPDX-License-Identifier: MIT
"""The few requests to a Docker Engine that the tests make beside the program: looking, and clearing away."""
import hashlib
import http.client
import io
import json
import os
import socket
import tarfile
import urllib.parse


def kind():
    """Of scripts/engine."""
    return os.environ.get("AGENTBOX_ENGINE_KIND") or "docker"


def family():
    """docker or podman."""
    return kind().split("-")[0]


def lowered():
    """For a manifest's sandbox: what the engine cannot keep. Limits of cgroups, which ordinary users are not given here."""
    return ", lower: [memory, cpus, pids]" if kind().endswith("-rootless") else ""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Engine:
    def __init__(self, host=None):
        self.host = host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"

    def _exchange(self, method, path, body=None, headers=None):
        url = urllib.parse.urlsplit(self.host)
        c = _Connection(url.path) if url.scheme == "unix" else http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            c.request(method, path, body, headers or {})
            answer = c.getresponse()
            return answer.status, answer.read()
        finally:
            c.close()

    def call(self, method, path):
        status, body = self._exchange(method, path)
        return status, body.decode("utf-8", "replace")

    def send(self, method, path, body=None):
        """`body`: bytes of a tar archive, or what becomes JSON."""
        is_tar = isinstance(body, bytes)
        kind = {"Content-Type": "application/x-tar" if is_tar else "application/json"} if body is not None else {}
        status, answer = self._exchange(method, path, body if is_tar or body is None else json.dumps(body), kind)
        return status, answer.decode("utf-8", "replace")

    def load(self, name, layer, config):
        """An image of one layer, whose configuration is `config`."""
        image = json.dumps({"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux",
                            "config": config, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
        names = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for member, content in (("config.json", image.encode()), ("layer.tar", layer), ("manifest.json", json.dumps(names).encode())):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return self.send("POST", "/images/load?quiet=1", out.getvalue())

    def raw(self, method, path):
        return self._exchange(method, path)[1]

    def answers(self):
        try:
            return self.call("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def containers(self):
        return json.loads(self.call("GET", "/containers/json?all=1")[1])

    def volumes(self):
        return json.loads(self.call("GET", "/volumes")[1]).get("Volumes") or []

    def inspect(self, container):
        return self.call("GET", "/containers/%s/json" % container)[1]

    def remove(self, container):
        self.call("DELETE", "/containers/%s?force=1&v=1" % container)

    def remove_volume(self, name):
        self.call("DELETE", "/volumes/%s?force=1" % name)

    def of_runs(self, run_ids):
        """Ids of containers and names of volumes that belong to one of the runs, by name or label."""
        def belongs(thing):
            text = json.dumps([thing.get("Labels"), thing.get("Names"), thing.get("Name")])
            return any(run in text for run in run_ids)
        return ([c["Id"] for c in self.containers() if belongs(c)], [v["Name"] for v in self.volumes() if belongs(v)])
