#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tree must look like, as tests:  check_style.py [CHECK ...]     prints TAP, one test a check

arrows      includes go along the arrows of the architecture (ARROWS below), from the project's root
doors       each outside library is included by one file only; Linux-only headers by the guest, or beneath an #if that asks
alone       every header compiles by itself
sizes       functions to 100 lines, 7 parameters (`err` not counted) and depth 5; .c files to 800 lines
spdx        the licence line stands first
banned      functions that are not used here, and who may print or exit
printing    one door to stdout and stderr, and who may send bytes through it as they are
marks       no notes to self, no typedef of structs
format      clang-format has nothing to change
top         the top of the tree is fixed
hosts       no path of some machine, no host but the known ones
text        no blanks at line ends, a newline at the end of each file
scripts     shell and python files are well-formed
limits      every test program has a time limit that a busy machine does not reach
complete    every test and fuzz target is built, and every fuzz target has a corpus
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("cmd/", "core/", "oci/", "manifest/")

# Who may include what, by folder; a path with .h is that header only.
SPECS = ["core/run/spec.h", "core/model/spec.h", "core/sandbox/spec.h", "core/tool/spec.h", "core/egress/spec.h",
         "core/store/spec.h"]
ARROWS = {
    "cmd": ["cmd", "manifest", "oci", "core"],
    "manifest": ["manifest", "core/base", "core/egress/rule.h"] + SPECS,
    "oci": ["oci", "core/base", "core/sandbox"],
    "core/run": ["core/run", "core/tool", "core/model", "core/sandbox", "core/egress", "core/store", "core/base"],
    "core/tool": ["core/tool", "core/sandbox", "core/base"],
    "core/model": ["core/model", "core/base"],
    "core/sandbox": ["core/sandbox", "core/base"],
    "core/egress": ["core/egress", "core/base"],
    "core/store": ["core/store", "core/base"],
    "core/guest": ["core/guest", "core/sandbox/frame.h"],
    "core/base": ["core/base"],
}
DOORS = {"curl/": "core/base/http.c", "yajl/": "core/base/json.c", "yaml.h": "manifest/yaml.c",
         "archive": "core/base/archive.c", "uv.h": "core/base/loop.c", "openssl/ssl.h": "core/base/tls.c", "openssl/x509": "core/base/tls.c",
         "openssl/pem.h": "core/base/tls.c", "openssl/err.h": "core/base/tls.c", "openssl/": "core/base/digest.c",
         "libpsl.h": "core/base/suffix.c"}
LINUX = re.compile(r"^(linux/|asm/|elf\.h|link\.h|sys/(auxv|epoll|eventfd|signalfd|timerfd|inotify|prctl|capability|syscall|vfs|sysmacros|"
                   r"fsuid|xattr|personality|sendfile|random)\.h)")
PORTABLE = re.compile(r"^(assert|ctype|dirent|dlfcn|endian|errno|fcntl|fnmatch|ftw|glob|grp|iconv|inttypes|langinfo|libgen|limits|locale|"
                      r"math|netdb|poll|pthread|pty|pwd|regex|resolv|sched|search|semaphore|setjmp|signal|spawn|stdalign|stdarg|"
                      r"stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syslog|termios|time|unistd|"
                      r"utime|util|wchar|wctype|arpa/inet|net/if|netinet/in|netinet/tcp|sys/file|sys/ioctl|sys/mman|sys/mount|"
                      r"sys/param|sys/resource|sys/select|sys/socket|sys/stat|sys/statvfs|sys/time|sys/times|sys/types|sys/uio|"
                      r"sys/un|sys/utsname|sys/wait|sys/sysctl|mach/mach|mach-o/dyld|copyfile|libproc|cpuid|immintrin)\.h$")
BANNED = re.compile(r"\b(strcpy|strcat|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|system|popen|alloca|rand|srand|"
                    r"random|tmpnam|tempnam|mktemp|setjmp|longjmp|sleep|usleep|nanosleep|asctime|ctime|gmtime|localtime|"
                    r"scanf|getwd|vfork)\s*\(")
WAITS = re.compile(r"\b(sleep|usleep|nanosleep)\s*\(")
SPEAKS = re.compile(r"\b(exit|_exit|_Exit|quick_exit|abort|printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|err|errx|"
                    r"warn|warnx|dprintf)\s*\(|(?<![.>\w])(stdout|stderr)\b")
# Everything that is printed goes through cmd/term.c, which lets nothing pass that a terminal would act upon. Others neither write
# by other means nor know the descriptors; children that inherit one are named here.
PRINTER = "cmd/term.c"
PRINTS = re.compile(r"\b(printf|fprintf|vprintf|vfprintf|dprintf|vdprintf|puts|fputs|putchar|putc|fputc|fwrite|fdopen|perror|psignal|"
                    r"syslog)\s*\(|(?<![.>\w])(stdout|stderr)\b|\bSTD(OUT|ERR)_FILENO\b")
INHERITS = {"core/base/secret.c": "STDOUT_FILENO", "core/base/loop.c": "STDERR_FILENO"}
# Bytes as they are: the result to a pipe or a file, a patch that is to be applied, an archive; each asks first whether that is a
# terminal. And what writes files of the user.
KEEPS = re.compile(r"\b(term_keep|file_write_all|write|writev|pwrite|send|sendmsg|open|fopen)\s*\(")
KEEPERS = {"cmd/session.c", "cmd/verb_diff.c", "cmd/verb_export.c", "cmd/result.c", "cmd/main.c"}
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP|TBD)\b")
TYPEDEF = re.compile(r"\btypedef\s+(struct|union|enum)\b")
TOP = {"cmd", "core", "oci", "manifest", "tests", "scripts", "meson.build", "meson_options.txt", "README.md", "LICENSE"}
MACHINE = re.compile(r"/(work|root|Users)/[A-Za-z0-9._]|\.pyenv|/home/(?!agent\b)[a-z]+/|/tmp/b-")
MACHINE_IN_TESTS = re.compile(r"/work/(main|shared)\b|\.pyenv|/tmp/b-")  # there such paths are data
GENERATED = {"guest_image_data.h"}
URL = re.compile(r"\b(?:https?|wss?|ftp)://([A-Za-z0-9._-]+)")
HOSTS = re.compile(r"^([a-z]|127\.0\.0\.1|localhost|host|engine|docker|[a-z-]*\.?example(\.(org|com|net|test))?|.*\.(test|invalid|"
                   r"example)|api\.openai\.com|json-schema\.org|in-toto\.io|slsa\.dev|github\.com|docs\.docker\.com|index\.docker\.io|"
                   r"registry-1\.docker\.io|.*\.openai\.azure\.com|openrouter\.ai|.*\.(example|test|invalid)(\.org|\.com)?)$", re.I)


def walk():
    for folder, folders, names in os.walk(ROOT):
        here = os.path.relpath(folder, ROOT)
        folders[:] = sorted(f for f in folders if f not in (".git", "__pycache__") and not (here == "." and f.startswith("build")))
        for name in sorted(names):
            # links are test data, and what they lead to is looked at there; .git is a file where a work tree is linked
            if not os.path.islink(os.path.join(folder, name)) and name != ".git":
                yield os.path.normpath(os.path.join(here, name))


FILES = list(walk())
C_FILES = [f for f in FILES if f.endswith((".c", ".h"))]
CORPUS = "tests/fuzz/corpus/"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def text_files():
    for path in FILES:
        if not path.startswith(CORPUS):
            with open(os.path.join(ROOT, path), "rb") as f:
                if b"\0" not in f.read(8192):
                    yield path


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code(path):
    """The file with comments and texts blanked out, line numbers kept."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, read(path), flags=re.S)


def lines_with(pattern, path, text):
    for number, line in enumerate(text.split("\n"), 1):
        for found in pattern.finditer(line):
            yield "%s:%d: %s" % (path, number, found.group(0).strip())


def is_product(path):
    return path.startswith(PRODUCT)


def asks_for_linux(path, number):
    """Does the line stand beneath an #if about the system?"""
    stack = []
    for line in read(path).split("\n")[:number]:
        if re.match(r"\s*#\s*if", line):
            stack.append(line)
        elif re.match(r"\s*#\s*endif", line):
            stack.pop()
    return any(re.search(r"__linux__|__has_include|SYS_", line) for line in stack)


def includes(path):
    for number, line in enumerate(read(path).split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1) == "<", found.group(2)


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "core" else parts[0]


def check_arrows():
    for path in filter(is_product, C_FILES):
        allowed = ARROWS.get(folder_of(path))
        if allowed is None:
            yield "%s: no such folder in the architecture" % path
            continue
        for number, is_system, name in includes(path):
            if not is_system and name not in GENERATED and not any(name == a or name.startswith(a + "/") for a in allowed):
                yield "%s:%d: may not include '%s'" % (path, number, name)


def check_doors():
    for path in C_FILES:
        for number, is_system, name in includes(path):
            if not is_system:
                continue
            door = next((d for prefix, d in DOORS.items() if name.startswith(prefix)), None)
            if door:
                if path != door and is_product(path):
                    yield "%s:%d: <%s> belongs into %s only" % (path, number, name, door)
            elif LINUX.match(name):
                if is_product(path) and not path.startswith("core/guest/") and not asks_for_linux(path, number):
                    yield "%s:%d: <%s> is there on Linux only" % (path, number, name)
            elif is_product(path) and not PORTABLE.match(name):
                yield "%s:%d: <%s> is neither portable nor a library with a door" % (path, number, name)


def compile_alone(path):
    done = subprocess.run(["cc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter",
                           "-Werror", "-D_GNU_SOURCE", "-I" + ROOT, "-x", "c", "-include", os.path.join(ROOT, path), os.devnull],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    errors = [line for line in done.stdout.decode("utf-8", "replace").split("\n") if "error:" in line]
    return [] if done.returncode == 0 else (errors or ["%s: does not compile" % path])[:1]


def check_alone():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(compile_alone, [p for p in C_FILES if p.endswith(".h") and is_product(p)]):
            yield from found


def parameters(signature):
    inner = signature.strip()[1:-1].strip()
    if inner in ("", "void"):
        return 0
    depth, count = 0, 0 if re.search(r"struct err \*\s*\w+$", inner) else 1
    for c in inner:
        depth += (c in "([{") - (c in ")]}")
        count += c == "," and depth == 0
    return count


def depth_of(lines):
    depth = deepest = 0
    for c in "\n".join(lines):
        depth += (c == "{") - (c == "}")
        deepest = max(deepest, depth)
    return deepest


def functions():
    done = subprocess.run(["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+neS", "--output-format=json", "-f", "-",
                           "-L", "-"], input="\n".join(C_FILES), cwd=ROOT, stdout=subprocess.PIPE, check=True, universal_newlines=True)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        if tag.get("_type") == "tag" and "end" in tag:
            yield tag["path"], tag["name"], tag["line"], tag["end"], tag.get("signature", "()")


def check_sizes():
    for path in C_FILES:
        count = read(path).count("\n")
        if path.endswith(".c") and count > 800 and is_product(path):
            yield "%s: %d lines, at most 800" % (path, count)
    bodies = {}
    for path, name, first, last, signature in functions():
        if path not in bodies:
            bodies[path] = code(path).split("\n")
        if last - first + 1 > 100:
            yield "%s:%d: %s() has %d lines, at most 100" % (path, first, name, last - first + 1)
        if parameters(signature) > 7:
            yield "%s:%d: %s() has %d parameters, at most 7" % (path, first, name, parameters(signature))
        if depth_of(bodies[path][first - 1:last]) > 5:
            yield "%s:%d: %s() is nested deeper than 5" % (path, first, name)


def check_spdx():
    for path in FILES:
        head = read(path).split("\n")[:2] if path.endswith((".c", ".h", ".py", ".sh")) or path.startswith("scripts/") else None
        if path.endswith((".c", ".h")) and head[0] != "/* SPDX-License-Identifier: MIT */":
            yield "%s: the first line is not the licence's" % path
        elif head and not path.endswith((".c", ".h")) and "# SPDX-License-Identifier: MIT" not in head:
            yield "%s: no licence line" % path


def check_banned():
    for path in C_FILES:
        text = code(path)
        yield from lines_with(BANNED if is_product(path) else WAITS, path, text)
        if is_product(path) and not path.startswith("cmd/"):
            for found in lines_with(SPEAKS, path, text):
                if not (path.startswith("core/guest/") and "_exit" in found):
                    yield found


def check_printing():
    for path in filter(is_product, C_FILES):
        if path.startswith("core/guest/") or path.startswith(PRINTER[:-2]):
            continue
        text = code(path)
        for found in lines_with(PRINTS, path, text):
            if not found.endswith(": " + INHERITS.get(path, "nothing")):
                yield found
        if path.startswith("cmd/"):
            if path not in KEEPERS:
                yield from lines_with(KEEPS, path, text)
            elif "term_keep" in text and "is_tty" not in text:
                yield "%s: sends bytes as they are without asking for a terminal" % path


def check_marks():
    for path in text_files():
        if not path.startswith("tests/style/"):
            yield from lines_with(MARKS, path, read(path))
    for path in C_FILES:
        yield from lines_with(TYPEDEF, path, code(path))


def check_format():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror"] + C_FILES, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stdout.decode("utf-8", "replace"), re.M)))
        yield from ("%s: run scripts/format" % path for path in bad or ["clang-format failed"])


def check_top():
    for name in sorted(os.listdir(ROOT)):
        if name not in TOP and not name.startswith((".", "build")):
            yield "'%s' does not belong to the top of the tree" % name


def check_hosts():
    for path in text_files():
        if path.startswith("tests/style/"):
            continue
        text = read(path)
        yield from lines_with(MACHINE_IN_TESTS if path.startswith("tests/") else MACHINE, path, text)
        for number, line in enumerate(text.split("\n"), 1):
            for host in URL.findall(line):
                if not HOSTS.match(host) and not path.startswith(("tests/unit/", "tests/live/", "tests/cases/")):
                    yield "%s:%d: host '%s' is not among those we name" % (path, number, host)


def check_text():
    for path in text_files():
        text = read(path)
        if text and not text.endswith("\n") and not path.startswith("tests/cases/manifests/"):
            yield "%s: no newline at the end" % path
        if not path.startswith("tests/cases/"):
            for number, line in enumerate(text.split("\n"), 1):
                if line != line.rstrip(" \t\r"):
                    yield "%s:%d: blanks at the end" % (path, number)


def check_scripts():
    for path in FILES:
        first = read(path).split("\n")[0] if path.startswith(("scripts/", ".ci/", "tests/")) and not path.startswith(CORPUS) else ""
        shell = re.match(r"#!.*\b(sh|bash|dash)\b", first)
        if shell or path.endswith(".sh"):
            done = subprocess.run([shell.group(1) if shell else "sh", "-n", path], cwd=ROOT, stderr=subprocess.PIPE)
            if done.returncode != 0:
                yield done.stderr.decode("utf-8", "replace").strip()
        if first.startswith("#!") and not os.access(os.path.join(ROOT, path), os.X_OK):
            yield "%s: not executable" % path
        if path.endswith(".py"):
            try:
                compile(read(path), path, "exec")
            except SyntaxError as e:
                yield "%s:%s: %s" % (path, e.lineno, e.msg)


def check_complete():
    fuzz = read("tests/fuzz/meson.build")
    built = re.findall(r"^\s*'(\w+)':", fuzz, re.M)
    there = [f[len("tests/fuzz/fuzz_"):-2] for f in FILES if f.startswith("tests/fuzz/fuzz_") and f.endswith(".c")]
    for name in sorted(set(built) ^ set(there)):
        yield "tests/fuzz/fuzz_%s.c and tests/fuzz/meson.build disagree" % name
    for name in built:
        if not any(f.startswith(CORPUS + name + "/") for f in FILES):
            yield "fuzz target '%s' has no corpus" % name
    for path in FILES:
        found = re.match(r"tests/unit/(\w+)/test_(\w+)\.c$", path)
        if found and "'%s'" % found.group(2) not in (meson := read("tests/unit/%s/meson.build" % found.group(1))) \
                and "test_%s" % found.group(2) not in meson:
            yield "%s is not built" % path


def check_limits():
    for path in FILES:
        if re.match(r"tests/.*meson\.build$", path):
            text = re.sub(r"#[^\n]*", blank, read(path))
            tests = len(re.findall(r"^ *test\(", text, re.M))
            limits = [int(n) for n in re.findall(r"^ *(?:test\(.*)?\btimeout: (\d+)", text, re.M)]
            if len(limits) != tests:
                yield "%s: %d tests, %d with a timeout: meson's own is 30 s" % (path, tests, len(limits))
            for n in limits:
                if n < 600:
                    yield "%s: a timeout of %d s is near what a busy machine takes" % (path, n)


TOOLS = {"check_sizes": "ctags", "check_format": "clang-format", "check_alone": "cc"}


def main():
    names = sys.argv[1:] or re.findall(r"^(\w+)  ", __doc__, re.M)
    print("1..%d" % len(names))
    failed = 0
    for number, name in enumerate(names, 1):
        tool = TOOLS.get("check_" + name)
        if tool and not shutil.which(tool):
            problems = ["'%s' is not installed" % tool]
        else:
            problems = list(globals()["check_" + name]())
        failed += bool(problems)
        print("%s %d - %s" % ("not ok" if problems else "ok", number, name))
        for problem in problems:
            print("#   " + problem)
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
