#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/engine: starts twice without harm, says how it is, and leaves no process and no mount behind, also after its
# daemons were killed. TAP. Uses an engine of its own beside the one the other tests share.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
AGENTBOX_ENGINE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/abe.XXXXXX")
export AGENTBOX_ENGINE_DIR
engine=$root/scripts/engine
number=0
nap=9$$ # whose command line nobody else's process has

result() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

expect() { # NAME WANTED COMMAND...
    _name=$1 _wanted=$2
    shift 2
    "$@" >/dev/null 2>&1
    [ $? = "$_wanted" ]
    result $? "$_name"
}

# What was killed may take a moment to be gone.
nothing_left() {
    _tries=600
    until is_nothing_left; do
        _tries=$((_tries - 1))
        [ "$_tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

is_nothing_left() {
    ! grep -q "$AGENTBOX_ENGINE_DIR" /proc/self/mounts || return 1
    for file in /proc/[0-9]*/cmdline; do
        ! { tr '\0' ' ' <"$file" | grep -q -e "$AGENTBOX_ENGINE_DIR" -e "sleep $nap"; } 2>/dev/null || return 1
    done
}

# A container whose process ignores SIGTERM, on a volume that is a mount of the host.
run_container() {
    eval "$("$engine" env)"
    "$root/scripts/image" demo || return 1
    _post="curl -sf --unix-socket ${DOCKER_HOST#unix://} -H Content-Type:application/json"
    $_post -d '{"Name":"left","DriverOpts":{"type":"tmpfs","device":"tmpfs","o":"size=1m"}}' http://e/volumes/create &&
        $_post -d '{"Image":"agentbox-demo:1","Cmd":["sh","-c","trap : TERM; sleep '"$nap"'"],"NetworkDisabled":true,
                    "HostConfig":{"NetworkMode":"none","Binds":["left:/mnt"]}}' 'http://e/containers/create?name=left' &&
        $_post -X POST http://e/containers/left/start
}

kill_daemons() {
    kill -9 "$(cat "$AGENTBOX_ENGINE_DIR/dockerd.pid")" "$(cat "$AGENTBOX_ENGINE_DIR/containerd.pid")"
}

echo 1..14
expect 'status of none is 3' 3 "$engine" status
expect 'starts' 0 "$engine" start
expect 'starts again without harm' 0 "$engine" start
expect 'answers' 0 "$engine" status
expect 'runs a container' 0 run_container
expect 'stops' 0 "$engine" stop
expect 'nothing is left' 0 nothing_left
expect 'stops again without harm' 0 "$engine" stop
expect 'starts with what it had' 0 "$engine" start
expect 'runs a container' 0 run_container
expect 'its daemons are killed' 0 kill_daemons
expect 'is purged' 0 "$engine" purge
expect 'nothing is left after the kill' 0 nothing_left
expect 'its folder is gone' 1 test -e "$AGENTBOX_ENGINE_DIR"
