#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images nobody should trust, against the whole program:  test_hostile_images.py AGENTBOX [--only TEXT] [--verbose]

Each is made by hand, config and layer, and given to the engine (DOCKER_HOST) as `docker load` does. What must come of it:
it works, with nothing of its config in effect; or it is refused, by us (status 7) or by the engine (4), with a reason; and
never is anything of it written to a terminal raw. Some the engine does not even take; then there is nothing to run, and
the answer to that is checked. Prints TAP.
"""
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from harness import engine, server, tap  # noqa: E402
from harness.tap import SANITIZER  # noqa: E402

# C0 but tab, newline and return; DEL; C1; what turns text around
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")
EVIL = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202eevil"
KEY = "sk-test-hostile-images"
MANIFEST = """version: 1
name: hostile-image
model: {name: test-model, base_url: "%s", tool_style: native, retries: 0}
agent: {task: Do it., tools: [shell]}
sandbox: {image: "%s", pull: never, memory: 64m}
workspace: {size: 16m, environment: {NAMED: by-the-manifest}}
limits: {wall: 200s, turns: 4}
"""
LOOK = ("id -u; pwd; env | sort; ls -ld /tmp; touch /tmp/t && echo tmp-writable; touch /x 2>/dev/null || echo root-read-only; "
        "echo '--mounts'; cat /proc/self/mountinfo")
IMAGES = []


def image(exit=0, sees=(), lacks=(), stderr=".", command=LOOK, **config):
    """`sees`, `lacks`: patterns of what the command printed. The function gives the files of the layer (see layer())."""
    def register(fn):
        IMAGES.append((fn.__name__, fn, exit, sees, lacks, stderr, command, config))
        return fn
    return register


BUSYBOX = shutil.which("busybox")
APPLETS = "sh env id pwd ls touch cat sort echo mount".split()


def programs():
    with open(BUSYBOX, "rb") as f:
        yield "bin/busybox", 0o755, f.read()
    for name in APPLETS:
        yield "bin/" + name, None, "/bin/busybox"


# --- what works, without effect ---

@image(sees=[r"^65532$", r"^/workspace$", r"tmp-writable", r"root-read-only", r"^NAMED=by-the-manifest$", r"^PATH=/bin$",
             r"^JAVA_HOME=/j$"],
       lacks=[r"BASH_ENV", r"LD_PRELOAD", r"from-the-image", r"PYTHONPATH", r"FOO="],
       Env=["PATH=/bin", "JAVA_HOME=/j", "LD_PRELOAD=/x.so", "BASH_ENV=/etc/evil", "PYTHONPATH=/evil", "FOO=bar",
            "API_TOKEN=from-the-image", "NAMED=from-the-image", "HOME=/from-the-image"],
       User="root", Entrypoint=["/bin/false"], Cmd=["never"], WorkingDir="/does/not/exist", OnBuild=["RUN evil"],
       Healthcheck={"Test": ["CMD", "/bin/false"], "Interval": 1000000000}, StopSignal="SIGUSR1", Shell=["/bin/false"],
       ExposedPorts={"80/tcp": {}})
def config_has_no_effect():
    yield from programs()
    yield "etc/evil", 0o644, b"echo from-the-image"


@image(sees=[r"^65532$"], lacks=["^0$"], command="/bin/up; id -u")
def set_uid_file_gives_nothing():
    yield from programs()
    with open(BUSYBOX, "rb") as f:
        yield "bin/up", 0o4755, f.read()


@image(sees=[r"tmp-writable", r"root-read-only", r"^PATH=/usr/local/sbin:.*/bin$"])
def nothing_but_a_shell():  # no /tmp, /etc, /proc, /dev, /sys, /workspace
    yield from programs()


@image(stderr="no such file|not found|No such file")
def no_program_at_all():
    yield "etc/nothing", 0o644, b""


@image(sees=[r"tmp-writable", r" /data .* - tmpfs ", r" /data/in/it .* - tmpfs ", r" /workspace .*size=16384k",
             r" /tmp .*noexec"],
       lacks=[r" /data [^\n]* - (ext4|xfs|overlay)"],
       Volumes={"/data": {}, "/data/in/it/": {}, "/workspace": {}, "/tmp": {}, "/.agentbox": {}, "/tmp/under": {}})
def volumes_are_covered():
    yield from programs()
    yield "data/kept", 0o666, b"hidden by what covers it"


@image(sees=[r"^PATH=/usr/local/sbin:.*/bin$", r"^LANG=C.UTF-8$"], lacks=["owned", r"^B=", "VERSION"],
       Env=["PATH=/bin:" + EVIL, "LANG=" + EVIL, "B=1\n2", "A_VERSION=" + EVIL, EVIL + "=x", "BARE", "PATH=/bin", "C\x7f\x01=1"],
       Labels={EVIL: EVIL, "agentbox.run": "another", "agentbox.deadline": "1", "agentbox.owner": "x"},
       Cmd=[EVIL], Entrypoint=[EVIL], StopSignal=EVIL, OnBuild=[EVIL])
def escapes_everywhere():
    yield from programs()


@image(sees=[r"^65532$"], Labels={"a": "x" * 100000}, Env=["X%d=%s" % (i, "y" * 500) for i in range(400)])
def large_but_bearable():
    yield from programs()


# --- what is refused ---

@image(exit=7, stderr="has more than 256 KiB of labels", Labels={"a": "x" * 300000})
def labels_too_large():
    yield from programs()


@image(exit=7, stderr="is larger than 4 MiB", Labels={"a%d" % i: "x" * 10000 for i in range(600)})
def megabytes_of_labels():
    yield from programs()


@image(exit=7, stderr="more than 512 variables", Env=["V%d=1" % i for i in range(20000)])
def thousands_of_variables():
    yield from programs()


@image(exit=7, stderr="more than 16 VOLUMEs", Volumes={"/v%d" % i: {} for i in range(5000)})
def thousands_of_volumes():
    yield from programs()


@image(exit=7, stderr="that has no name", Env=["=x"])
def variable_without_a_name():
    yield from programs()


def volume(path, stderr=r"declares a VOLUME at '", exit=7):
    def layer():
        yield from programs()
    layer.__name__ = "volume_" + (re.sub(r"[^a-z0-9]+", "_", path.replace("..", "up")).strip("_") or "root" + "_" * len(path))[:40]
    image(exit=exit, stderr=stderr, Volumes={path: {}})(layer)


for _path, _why in [("/", "cannot be covered"), ("//", "cannot be covered"), ("data", "cannot be covered"),
                    ("../data", "cannot be covered"), ("/a/../etc", "cannot be covered"), ("/a//b", "cannot be covered"),
                    ("/proc", "kernel's own"), ("/proc/sys/kernel", "kernel's own"), ("/dev/shm", "kernel's own"),
                    ("/sys/fs/cgroup", "kernel's own"), ("/etc", "of the system"), ("/usr/", "of the system"),
                    ("/.agentbox/guest", "where our guest is"), ("/workspace/data", "inside of the workspace"),
                    ("/x:/y", "cannot be covered"), ("/" + EVIL, "cannot be covered"), ("/" + "a/" * 200 + "b", "cannot be covered"),
                    ("C:\\x", "cannot be covered")]:
    volume(_path, _why)


@image(exit=4, stderr=r"is for linux/\\x1b\]0;owned\\x07", architecture=EVIL)
def architecture_is_an_escape():
    yield from programs()


@image(exit=(4, 7), stderr=r"tmpfs|mount|link", Volumes={"/data": {}})
def volume_is_a_link_to_proc():
    yield from programs()
    yield "data", None, "/proc"


@image(exit=(4, 7), stderr=r"tmpfs|mount|link|workspace")
def workspace_is_a_link():
    yield from programs()
    yield "workspace", None, "/tmp"


@image(exit=(4, 7), stderr=".")
def guest_folder_is_a_link():
    yield from programs()
    yield ".agentbox", None, "/bin"


@image(exit=(0, 4, 7), sees=[r" /proc [^\n]* - proc "])
def proc_is_a_link():
    yield from programs()
    yield "proc", None, "/bin"


# --- what the engine does not take (or takes, and then one of the above) ---

def odd(name, **config):
    def layer():
        yield from programs()
    layer.__name__ = "odd_" + name
    image(exit=(0, 4, 7), **config)(layer)


odd("env_of_numbers", Env=[1, 2])
odd("env_is_an_object", Env={"A": "b"})
odd("env_with_nul", Env=["A=\0b"])
odd("name_with_nul", Env=["A\0B=b"])
odd("volumes_is_a_list", Volumes=["/data"])
odd("labels_of_numbers", Labels={"a": 1})
odd("config_is_a_list", config=[1])
odd("config_is_null", config=None)
odd("os_is_windows", os="windows")
odd("os_is_a_number", os=7)
odd("created_is_odd", created=EVIL)
odd("user_is_a_number", User=0)


# --- making one ---

def layer_of(fn):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode, content in fn():
            info = tarfile.TarInfo(name)
            if mode is None:
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.mode, info.size = mode, len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def archive(name, layer, config):
    top = {k: config.pop(k) for k in ("architecture", "os", "created", "config") if k in config}
    text = {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}, **top}
    members = {"config.json": json.dumps(text).encode("utf-8", "surrogateescape"), "layer.tar": layer,
               "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Tester:
    def __init__(self, options):
        self.options, self.engine, self.number, self.failed = options, engine.Engine(), 0, 0

    def load(self, data):
        connection = engine._Connection(self.engine.host[len("unix://"):])
        try:
            connection.request("POST", "/images/load?quiet=1", body=data, headers={"Content-Type": "application/x-tar"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (http.client.HTTPException, OSError) as e:
            return 0, str(e)
        finally:
            connection.close()

    def run(self, name, command, folder):
        script = {"turns": [{"optional": True, "reply": [{"shell": [command], "call_id": "c1"}]},
                            {"optional": True, "reply": [{"message": "seen"}]}]}
        model = server.ModelServer(script, KEY)
        model.start()
        try:
            with open(folder + "/manifest.yaml", "w") as f:
                f.write(MANIFEST % ("http://127.0.0.1:%d/v1" % model.port, name))
            env = {k: v for k, v in os.environ.items() if k in ("PATH", "DOCKER_HOST", "ASAN_OPTIONS", "UBSAN_OPTIONS")}
            env.update(HOME=folder, XDG_STATE_HOME=folder + "/state", OPENAI_API_KEY=KEY, LC_ALL="C.UTF-8")
            done = subprocess.run([self.options.agentbox, "run", "manifest.yaml"], cwd=folder, env=env, timeout=300,
                                  stdin=subprocess.DEVNULL, capture_output=True)
            shown = subprocess.run("%s show last; %s logs last" % (2 * (self.options.agentbox,)), shell=True, cwd=folder,
                                   env=env, timeout=300, stdin=subprocess.DEVNULL, capture_output=True)
        finally:
            model.stop()
        return done, shown.stdout + shown.stderr

    def output(self, folder):
        """What the command printed: the streams of the last call."""
        text = ""
        for run in os.listdir(folder + "/state/agentbox/runs"):
            with open("%s/state/agentbox/runs/%s/journal.jsonl" % (folder, run)) as f:
                for line in f:
                    record = json.loads(line)
                    for stream in record.get("streams", []) if record["type"] == "call.end" else []:
                        text += stream.get("text") or ""
                        if stream.get("object"):
                            with open("%s/state/agentbox/runs/%s/objects/%s" % (folder, run, stream["object"]),
                                      errors="replace") as o:
                                text += o.read()
        return text

    def check(self, done, shown, seen, exit, sees, lacks, stderr):
        err = done.stderr.decode("utf-8", "replace")
        wanted = exit if isinstance(exit, tuple) else (exit,)
        if done.returncode not in wanted:
            yield "exit status %d, expected %s" % (done.returncode, exit)
        for what, text in (("stdout", done.stdout), ("stderr", done.stderr), ("show and logs", shown)):
            found = RAW.search(text.decode("utf-8", "backslashreplace"))
            if found:
                yield "%s holds a raw %r" % (what, found.group())
        if SANITIZER.search(err):
            yield "a sanitizer has spoken"
        if done.returncode != 0 and not re.search(stderr, err, re.S):
            yield "stderr does not say: %s" % stderr
        if done.returncode == 0:
            yield from ("not seen inside: %s" % p for p in sees if not re.search(p, seen, re.M))
            yield from ("seen inside: %s" % p for p in lacks if re.search(p, seen, re.M))

    def one(self, label, fn, exit, sees, lacks, stderr, command, config):
        name, folder = "agentbox-hostile:" + label.replace("_", "-")[:100], tempfile.mkdtemp(prefix="agentbox-hostile-")
        problems, err = [], ""
        try:
            status, answer = self.load(archive(name, layer_of(fn), dict(config)))
            before = {v["Name"] for v in self.engine.volumes()}
            done, shown = self.run(name, command, folder)
            err = done.stderr.decode("utf-8", "replace")
            seen = self.output(folder)
            if '"errorDetail"' in answer or status != 200:
                err += "(the engine: %s)" % answer[-200:]
                exit = (4,) if isinstance(exit, tuple) else exit
            problems = list(self.check(done, shown, seen, exit, sees, lacks, stderr))
            left = {v["Name"] for v in self.engine.volumes()} - before
            problems += ["volume left: %s" % v for v in left if not v.startswith("agentbox-guest-")]
            problems += ["container left" for c in self.engine.containers() if "hostile" in c.get("Image", "")]
            err += "\n" + seen if problems else ""
        except (OSError, ValueError, subprocess.TimeoutExpired) as e:
            problems = ["%s: %s" % (type(e).__name__, e)]
        finally:
            self.engine.call("DELETE", "/images/%s?force=1" % name)
            shutil.rmtree(folder, ignore_errors=True)
        self.report(label, problems, err)

    def report(self, label, problems, err):
        self.number += 1
        self.failed += bool(problems)
        print("%s %d - %s" % ("not ok" if problems else "ok", self.number, label))
        if problems or self.options.verbose:
            for line in problems + err.splitlines()[:60]:
                print("#   " + repr(line)[1:-1])
        sys.stdout.flush()


def main():
    options = tap.options()
    chosen = [i for i in IMAGES if options.only in i[0]]
    tester = Tester(options)
    print("1..%d" % len(chosen))
    for one in chosen:
        tester.one(*one)
    return 1 if tester.failed else 0


if __name__ == "__main__":
    sys.exit(main())
