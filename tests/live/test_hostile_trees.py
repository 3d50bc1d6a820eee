#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trees that an agent could leave to hurt whoever collects them:  test_hostile_trees.py AGENTBOX TREE [--only TEXT] [--jobs N] [--keep]

Each tree is made by a command in a real sandbox. Then its outputs are collected, its checkpoint is verified, exported to a folder
and to an archive, and compared with the one before. What must hold for each: the exit status and the words below, a result or a
reason; nothing beside the declared places is touched, a canary least of all; no link, pipe, socket, device or set-id bit reaches an
output; nothing of the image's /etc comes out; no control byte reaches a terminal; the key is nowhere. TREE is tree.c. Prints TAP.
"""
import argparse
import concurrent.futures
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import run_cases  # noqa: E402
from harness import case as case_file  # noqa: E402
from harness import check, engine  # noqa: E402

TREES = []
SPECIAL = "is a (link|special file), which is not collected"


def tree(name, script, exit=0, stderr="", host="", setup="", outputs='[{path: out, to: "./res", required: true}]', size="64m",
         calls=(), exports=True):
    """`script`: in the sandbox. `setup`, `host`: on the host, before and after; shell, in the case's folder."""
    TREES.append((name, dict(script=script, exit=exit, stderr=stderr, host=host, setup=setup, outputs=outputs, size=size,
                             calls=list(calls), exports=exports)))


# --- links ---
tree("a link to a file of the image", "mkdir out; ln -s /etc/passwd out/p", 8, SPECIAL)
tree("a link out by its way", "mkdir out; ln -s ../../../../../../../../@DIR@/canary/file out/p", 8, SPECIAL)
tree("a link to a link to a link", "mkdir out; ln -s b out/a; ln -s c out/b; ln -s /etc out/c", 8, SPECIAL)
tree("links in a circle", "mkdir out; ln -s b out/a; ln -s a out/b; ln -s c out/c", 8, SPECIAL)
tree("a link to its own folder", "mkdir out; ln -s . out/here; ln -s .. out/up", 8, SPECIAL)
tree("a link to a process' own files", "mkdir out; ln -s /proc/self/environ out/p; ln -s /proc/1/root out/r", 8, SPECIAL)
tree("a link with a target of 4,000 bytes", "mkdir out; ln -s $(printf 'x/%.0s' $(seq 2000)) out/p", 8, SPECIAL)
tree("a link with a target that is no text", "mkdir out; ln -s \"$(printf '\\033[2J\\377\\n')\" out/p", 8, SPECIAL)
tree("the output is a link to a folder", "ln -s /etc out", 8, "it is a link")
tree("a link on the way to the output", "mkdir out; ln -s /etc out/etc", 8, r"out/etc/passwd",
     outputs='[{path: out/etc/passwd, to: "./res", required: true}]')
tree("a link instead of the workspace's folder above", "mkdir a; echo x >a/f; ln -s a out", 8, r"out/f",
     outputs='[{path: out/f, to: "./res", required: true}]')
tree("hard links in the tree", "mkdir out; echo one >out/a; ln out/a out/b; mkdir out/d; ln out/a out/d/c", 0,
     host="test \"$(cat res/a res/b res/d/c | tr '\\n' ' ')\" = 'one one one '")
tree("a hard link to a file of the image", "mkdir out; ln /etc/passwd out/p 2>/dev/null || echo none >out/p", 0,
     host="test \"$(cat res/p)\" = none")

# --- what is neither file nor folder ---
tree("a pipe", "mkdir out; mkfifo out/p", 8, SPECIAL)
tree("the output is a pipe", "mkfifo out", 8, "it is a special file")
tree("a socket", "mkdir out; ./tree socket out/s", 8, SPECIAL)
tree("a device that cannot be made", "mkdir out; mknod out/n c 1 3; mknod out/b b 8 0; echo x >out/f", 0,
     host="test \"$(ls res)\" = f")
tree("set-uid and sticky bits", "mkdir out; echo x >out/f; chmod 4755 out/f; chmod 2755 out/f; chmod 1777 out; echo y >out/g; chmod 0777 out/g",
     0, host="test -z \"$(find res -perm /7000)\"")
tree("extended attributes", "mkdir out; echo x >out/f; setfattr -n user.a -v b out/f; setfattr -n security.capability -v x out/f; true", 0,
     host="test \"$(cat res/f)\" = x")

# --- names ---
tree("every single byte as a name", "mkdir out; cd out; ../tree bytes", 0,
     host="python3 -c 'import os; n = set(os.listdir(b\"res\")); w = {bytes([c]) for c in range(1, 256)} - {b\"/\", b\".\"}; assert n == w, n ^ w'")
tree("names that move a terminal", "mkdir out; cd out; touch \"$(printf 'a\\033[2Jb')\" \"$(printf '\\033]0;x\\007')\" \"$(printf 'c\\rd')\" \"$(printf 'e\\nf')\" \"$(printf '\\302\\233x')\" \"$(printf '\\342\\200\\256txt')\"",
     0, host="test \"$(find res -type f -printf x)\" = xxxxxx")
tree("a name with escapes that is refused", "mkdir out; ln -s x out/\"$(printf 'a\\033[2J\\nb')\"", 8, SPECIAL)
tree("names with newlines that look like records", "mkdir out; cd out; touch \"$(printf 'x\\n{\"seq\":1}\\ny')\" \"$(printf '0000  a\\n1111  b')\"", 0)
tree("names that look like ways up", "mkdir out; cd out; mkdir ... '.. ' '..a' 'a..' '. ' .hidden; for d in ... '.. ' ..a a.. '. ' .hidden; do echo x >\"$d/f\"; done",
     0, host="test \"$(find res -type f -printf x)\" = xxxxxx")
tree("names that look like options and patterns", "mkdir out; cd out; for n in -rf --help -- - '*' '?' '$(id)' '`id`' ';' '|' '~' '%s%n' '{}' '!' \"'\" '\"' '\\'; do echo x >./\"$n\"; done",
     0, host="test \"$(find res -type f -printf x | wc -c)\" = 17")
tree("names that are not UTF-8", "mkdir out; cd out; touch \"$(printf '\\377\\376')\" \"$(printf '\\300\\257')\" \"$(printf '\\355\\240\\200')\" \"$(printf 'ok\\303')\"", 0,
     host="test \"$(find res -type f -printf x)\" = xxxx")
tree("names of 255 bytes", "mkdir out; cd out; n=$(printf 'n%.0s' $(seq 255)); mkdir $n; echo x >$n/$n", 0,
     host="test \"$(find res -type f -printf x)\" = x")
tree("names that differ in case and form only", "mkdir out; cd out; touch A a \"$(printf '\\303\\251')\" \"$(printf 'e\\314\\201')\"; mkdir B b; echo 1 >B/x; echo 2 >b/x", 0,
     host="test \"$(cat res/B/x res/b/x | tr -d '\\n')\" = 12")
tree("names of our own temporary files", "mkdir out; cd out; touch .agentbox-0011223344556677.tmp .agentbox-guest journal.jsonl lock; mkdir checkpoints objects", 0,
     host="test -f res/journal.jsonl; test -d res/checkpoints")
tree("the same name as file and folder, one after the other", "mkdir out; mkdir out/x; echo 1 >out/x/f; rm -r out/x; echo 2 >out/x", 0,
     calls=["rm out/x; mkdir out/x; echo 3 >out/x/f"], host="test \"$(cat res/x/f)\" = 3")

# --- how deep, how many, how large ---
tree("a hundred folders in one another", "mkdir out; cd out; ../tree deep 100 d", 0, host="test \"$(find res -name end -exec cat {} +)\" = end")
tree("a thousand folders in one another", "mkdir out; cd out; ../tree deep 1000 d", 8, "deep|long")
tree("a way longer than any path", "mkdir out; cd out; ../tree deep 60 $(printf 'n%.0s' $(seq 250))", 8, "deep|long")
tree("twenty thousand tiny files", "mkdir out; cd out; i=0; while [ $i -lt 20000 ]; do echo >$i; i=$((i+1)); done", 0, size="256m",
     host="test \"$(ls res | wc -l)\" = 20000")
tree("a sparse terabyte", "mkdir out; truncate -s 1T out/huge || truncate -s 60M out/huge; truncate -s 60M out/more", 8, "add up to more than the workspace can hold")
tree("an empty folder and empty files", "mkdir -p out/a/b/c; touch out/e", 0, host="test -d res/a/b/c; test ! -s res/e")
tree("times before 1970 and after 2262", "mkdir out; touch -d @-99999999999 out/a; touch -d @99999999999 out/b; touch -d @0 out/c", 0)

# --- not to be read ---
# (they are the agent's own, so the guest may open them for the moment: nothing is left out)
tree("a file that nobody may read", "mkdir out; echo x >out/f; chmod 000 out/f", 0, host="test \"$(cat res/f)\" = x")
tree("a folder that nobody may read", "mkdir -p out/d/e; echo x >out/d/e/f; chmod 000 out/d/e/f out/d/e out/d", 0, host="test \"$(cat res/d/e/f)\" = x")
tree("a folder that may be listed and not entered", "mkdir -p out/d; echo x >out/d/f; chmod 600 out/d", 0, host="test \"$(cat res/d/f)\" = x")
tree("the output's own folder is closed", "mkdir out; echo x >out/f; chmod 000 out", 8, "[Pp]ermission")

# --- while it is collected: what a command leaves behind must not go on ---
SAFE = "! grep -rq 'root:x:0' res 2>/dev/null"
tree("a folder that swaps with a link", "mkdir -p out/d/e; echo x >out/d/e/passwd; ln -s /etc out/link; mkdir keep; ./tree swap out/d/e out/link",
     8, SPECIAL, host=SAFE)
tree("a folder that swaps with a link outside", "mkdir -p out/d; echo x >out/d/passwd; ln -s /etc link; ./tree swap out/d link", (0, 8), host=SAFE)
tree("a file that swaps with a link", "mkdir out; echo x >out/f; ln -s /etc/passwd link; ./tree swap out/f link", (0, 8), host=SAFE)
tree("a file that grows", "mkdir out; ./tree grow out/f; usleep 20000", (0, 8), "", host=SAFE)
tree("a file that shrinks", "mkdir out; ./tree shrink out/f; usleep 20000", (0, 8), "", host=SAFE)
tree("a file that is now this, now that", "mkdir out; ./tree retype out/f; usleep 20000", (0, 8), "", host=SAFE)

# --- what stands on the host already ---
tree("the target is a link to a folder", "mkdir out; echo new >out/file", 8, "is a link already", setup="ln -s canary res", host="test \"$(readlink res)\" = canary; rm res")
tree("the target is a link to a file", "mkdir out; echo new >out/file", 0, setup="ln -s canary/file res.txt",
     outputs='[{path: out/file, to: "./res.txt"}]', host="test ! -L res.txt; test \"$(cat res.txt)\" = new")
tree("the target is another name of a file", "mkdir out; echo new >out/file", 0, setup="ln canary/file res.txt",
     outputs='[{path: out/file, to: "./res.txt"}]', host="test \"$(cat res.txt)\" = new")
tree("the target is a link to nowhere", "mkdir out; echo new >out/file", 8, "is a link already", setup="ln -s nowhere/at/all res", host="test ! -e nowhere; rm res")
tree("the target's folder holds links", "mkdir -p out/d; echo new >out/file; echo new >out/d/f", 0,
     setup="mkdir res; ln -s ../canary/file res/file; ln -s ../canary res/d", host="test ! -L res/file; test ! -L res/d; test \"$(cat res/file res/d/f | tr '\\n' ' ')\" = 'new new '")
tree("a folder is in the way of a file", "mkdir out; echo new >out/file", 8, "is a folder already", setup="mkdir res.txt; echo old >res.txt/x",
     outputs='[{path: out/file, to: "./res.txt"}]', host="test \"$(cat res.txt/x)\" = old; rm -r res.txt")
tree("two outputs into one another", "mkdir -p out/in; echo 1 >out/f; echo 2 >out/in/g", (0, 3, 8), outputs='[{path: out, to: "./res"}, {path: out/in/g, to: "./res/f"}]')

TEXT = """# %(name)s
--- model
%(model)s
--- setup
mkdir canary; echo canary >canary/file
cp "@TREE@" tree; chmod 0755 tree
%(setup)s
--- more
workspace: {size: %(size)s, entries: {tree: {type: local_file, src: tree}}}
outputs: %(outputs)s
--- sh
status=0
"$AGENTBOX" run manifest.yaml || status=$?
echo "status $status" >.home/status
--- stderr~
%(stderr)s
--- stderr!
[\\x00-\\x08\\x0b-\\x1f\\x7f]
--- check
%(checks)s
%(exports)s
%(common)s
"""
EXPORTS = """
"$AGENTBOX" verify last >/dev/null
"$AGENTBOX" export last exported >.home/said 2>&1
"$AGENTBOX" export last exported.tar >>.home/said 2>&1
tar -tf exported.tar >/dev/null
"$AGENTBOX" diff last@turn:1 last >.home/diff 2>&1 || test $? = 1
"$AGENTBOX" diff --stat last@turn:1 last >>.home/said 2>&1 || test $? = 1
"$AGENTBOX" show last >>.home/said 2>&1
"$AGENTBOX" logs last >>.home/said 2>&1
! grep -aP '[\\x00-\\x08\\x0b-\\x1f\\x7f]' .home/said .home/diff
test -z "$(find exported -type p -o -type s -o -type b -o -type c -o -perm /6000)"
rm -rf exported exported.tar
"""
COMMON = """
test "$(cat canary/file)" = canary
test "$(find canary | wc -l)" = 2
test "$(stat -c %h canary/file)" -le 2
test -z "$(find . -path ./.home -prune -o \\( -type p -o -type s -o -type b -o -type c -o -perm /7000 \\) -print)"
test -z "$(find . -path ./.home -prune -o -type l -print)"
for f in $(ls -A); do case $f in .home|manifest.yaml|canary|tree|res|res.txt) ;; *) echo "left: $f"; exit 1 ;; esac; done
"""


def case_of(name, t):
    calls = ["echo base >base"] + [t["script"]] + t["calls"]
    turns = [{"reply": [{"shell": [c], "call_id": "c%d" % i}]} for i, c in enumerate(calls)] + [{"reply": [{"message": "done"}]}]
    wanted = t["exit"] if isinstance(t["exit"], tuple) else (t["exit"],)
    checks = 'case $(cat .home/status) in %s) ;; *) cat .home/status; exit 1 ;; esac' % "|".join('"status %d"' % w for w in wanted)
    if wanted == (8,) and not t["setup"]:
        checks += "\ntest ! -e res; test ! -e res.txt"
    text = TEXT % dict(name=name, model=json.dumps({"turns": turns}), setup=t["setup"], size=t["size"], outputs=t["outputs"],
                       stderr=t["stderr"], checks=checks + "\n" + t["host"], exports=EXPORTS if t["exports"] else "", common=COMMON)
    return case_file.parse(name.replace(" ", "-").replace(",", ""), text)


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("agentbox")
    parser.add_argument("tree")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.agentbox, options.schema = os.path.abspath(options.agentbox), check.find_schema()
    options.words = {"TREE": os.path.abspath(options.tree)}
    return options


def main():
    options = read_options()
    chosen = [(name, t) for name, t in TREES if options.only in name]
    print("1..%d" % len(chosen))
    if not engine.Engine().answers():
        print("Bail out! no Docker Engine answers at %s" % engine.Engine().host)
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run_cases.Run(case_of(name, t), options)) for name, t in chosen]
        for number, ((name, _), run) in enumerate(zip(chosen, runs), 1):
            problems = run.result()
            failed += bool(problems)
            run_cases.report(number, name, problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
