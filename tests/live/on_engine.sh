#!/bin/sh
# SPDX-License-Identifier: MIT
# A test on a private engine of another kind:  on_engine.sh KIND PROGRAM ARGUMENT...
# Starts it (scripts/engine, with its images), runs the program against it, purges it. What the program prints is TAP and
# stays it; one that leaves a process, a mount, a user or a file behind has failed.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
export AGENTBOX_ENGINE_KIND="$1"
AGENTBOX_ENGINE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/abe.XXXXXX")
export AGENTBOX_ENGINE_DIR
shift
engine=$root/scripts/engine

finish() {
    "$engine" purge >/dev/null 2>&1
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

bail() {
    echo "Bail out! $AGENTBOX_ENGINE_KIND: $1"
    exit 1
}

# What this engine was the only one to make. The words come from stdin: grep's own command line must not have them.
traces() {
    grep "$AGENTBOX_ENGINE_DIR" /proc/self/mounts
    echo "$AGENTBOX_ENGINE_DIR" | grep -l -a -F -f - /proc/[0-9]*/cmdline 2>/dev/null
    grep "$AGENTBOX_ENGINE_DIR" /etc/passwd
    ls -d "$AGENTBOX_ENGINE_DIR" 2>/dev/null
}

"$engine" start >&2 || bail 'does not start'
eval "$("$engine" env)"
"$root/scripts/image" demo test >&2 || bail 'takes no images'
"$@"
status=$?
finish
tries=600 # what was killed may take a moment to be gone
while left=$(traces) && [ -n "$left" ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.1
done
[ -z "$left" ] || { echo "# left behind: $left" && exit 1; }
exit $status
