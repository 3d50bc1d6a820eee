# SPDX-License-Identifier: MIT
# Which packages what needs, and installing those that are missing. Sourced after lib.sh.
#     packages_need build run test
# Debian and Ubuntu are served with apt-get; elsewhere the programs and libraries are looked for and,
# when some are missing, named. Quick, and without root, when everything is there.
# shellcheck shell=sh

packages_build='gcc libc6-dev meson ninja-build pkg-config python3 musl-tools ca-certificates curl libcurl4-openssl-dev
 libyajl-dev libyaml-dev libarchive-dev libuv1-dev libssl-dev libpsl-dev'
packages_run='busybox-static'
packages_engine='docker.io iptables'
# The engines of other kinds that the tests start, and runtimes beside runc.
packages_engines='podman conmon crun uidmap rootlesskit'
packages_test='libcmocka-dev clang clang-format universal-ctags python3-jsonschema docker-registry strace tmux jq procps openssl git
 tar zstd util-linux iproute2 yara tinyproxy-bin'

# What is measured beside ours.
packages_bench='ripgrep git'

# The sanitizer and fuzzer runtime is a package of its own, named by version.
packages_clang_rt() {
    _version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
    [ -z "$_version" ] || echo "libclang-rt-$_version-dev"
}

# gVisor, which not every architecture has.
packages_runsc() {
    ! apt-cache show runsc >/dev/null 2>&1 || echo runsc
}

# The tests call `docker`, which newer Debian keeps apart from its engine.
packages_docker_cli() {
    have docker || ! apt-cache show docker-cli >/dev/null 2>&1 || echo docker-cli
}

# Where node comes from elsewhere, its npm is no package of its own.
packages_npm() {
    have npm || echo npm
}

packages_of() {
    for _group in "$@"; do
        case $_group in
        build) echo "$packages_build" ;;
        run) echo "$packages_run" ;;
        engine) echo "$packages_engine" ;;
        engines) echo "$packages_engines" && packages_runsc ;;
        bench) echo "$packages_bench" ;;
        test) echo "$packages_test" && packages_clang_rt && packages_docker_cli && packages_npm ;;
        *) die "no package group '$_group'" ;;
        esac
    done
}

# Those of the named packages that are not installed.
packages_missing() {
    _installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
    for _package in "$@"; do
        echo "$_installed" | grep -qx -- "$_package" || echo "$_package"
    done
}

packages_apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >&2
}

packages_refresh() {
    note 'refreshing the package lists'
    packages_apt update || die 'apt-get update failed: is there a network, and are the sources right?'
}

# Without apt: are the programs and libraries there?
packages_look() {
    _lost=''
    for _program in cc meson ninja pkg-config python3 curl busybox; do
        have "$_program" || _lost="$_lost $_program"
    done
    for _library in libcurl yajl yaml-0.1 libarchive libuv libcrypto libssl libpsl; do
        pkg-config --exists "$_library" 2>/dev/null || _lost="$_lost $_library"
    done
    [ -z "$_lost" ] || die "this is not Debian or Ubuntu, so please install with your package manager:$_lost
   (wanted in all: a C compiler, musl, meson, ninja, pkg-config, python3, curl, static busybox, Docker Engine, and the
   development files of libcurl, yajl, libyaml, libarchive, libuv, openssl, libpsl; for the tests cmocka, clang, universal-ctags)"
}

packages_need() {
    if ! have apt-get; then
        packages_look
        return
    fi
    # shellcheck disable=SC2046
    _missing=$(packages_missing $(packages_of "$@"))
    [ -n "$_missing" ] || return 0
    if [ "$(id -u)" != 0 ] && ! have sudo; then
        die "there is neither root nor sudo. As root: apt-get install $(echo $_missing)"
    fi
    # Fresh machines have no lists, or old ones.
    # shellcheck disable=SC2086
    if ! apt-get -qq -s install --no-install-recommends $_missing >/dev/null 2>&1; then
        packages_refresh
        # Only now apt may know which runtime package belongs to its clang.
        # shellcheck disable=SC2046
        _missing=$(packages_missing $(packages_of "$@"))
    fi
    say "installing: $(echo $_missing)"
    # shellcheck disable=SC2086
    packages_apt install --no-install-recommends $_missing && return 0
    packages_refresh
    # shellcheck disable=SC2086
    packages_apt install --no-install-recommends $_missing || die "apt-get install failed: $(echo $_missing)"
}

# The engine's programs, whoever packaged them: another vendor's must not be thrown out for the distribution's.
packages_need_engine() {
    have dockerd && have containerd && return 0
    have apt-get || die "no 'dockerd' here: install Docker Engine with your package manager"
    packages_need engine
}
