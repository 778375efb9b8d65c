#!/bin/sh
# Install what this machine lacks: sh tests/support/deps.sh [GROUP ...]
#   base  what building and `make test` need (without an argument: this)
#   lint  clang-tidy, clang-format, cppcheck
#   fuzz  clang with libFuzzer and its sanitizers
#   cov   gcovr
#   model spin
#   peers what `make bench-pg` compares with; it does without what cannot be had
# A server of PostgreSQL is installed with `base` where that can be done.
# Debian and its kin: apt-get, with sudo where needed.  Elsewhere: say what is
# missing.  Prints nothing and asks nobody when all is there.
set -u
missing=
need() { # PACKAGE COMMAND...: missing if the command fails
    p=$1; shift
    case "$missing " in *" $p "*) return;; esac
    "$@" >/dev/null 2>&1 || missing="$missing $p"
}
header() { # does the compiler find it?
    printf '#include <%s>\n' "$1" | cc -E -
}
need_base() {
    need gcc command -v cc
    need make command -v make
    need libc6-dev header stdio.h
    need pkg-config command -v pkg-config
    need libzstd-dev pkg-config --exists libzstd
    need libmsgpack-dev sh -c 'pkg-config --exists msgpack || pkg-config --exists msgpack-c'
    need libpq-dev pkg-config --exists libpq
    need libsqlite3-dev pkg-config --exists sqlite3
    need libyaml-dev pkg-config --exists yaml-0.1
    need libjansson-dev pkg-config --exists jansson
    need libxxhash-dev pkg-config --exists libxxhash
    need libssl-dev pkg-config --exists libcrypto
    need libcmocka-dev pkg-config --exists cmocka
    need sqlite3 command -v sqlite3
    need zstd command -v zstd
    need jq command -v jq
    need mandoc command -v mandoc
    need strace command -v strace
    need xxhash command -v xxhsum
    need python3 test -x /usr/bin/python3
    need python3-msgpack /usr/bin/python3 -c 'import msgpack'
    need protobuf-compiler command -v protoc
    need python3-protobuf /usr/bin/python3 -c 'import google.protobuf'
}
# What tests can do without: they are skipped then, and say so.
has_server() {
    ls /usr/lib/postgresql/*/bin/initdb || "$(pg_config --bindir)/initdb" --version
}
has_pooler() {
    PATH=$PATH:/usr/sbin command -v pgbouncer
}
need_optional() {
    need postgresql has_server
    need pgbouncer has_pooler
}
need_peers() {
    need pgcopydb command -v pgcopydb
}
need_lint() {
    need_base
    need g++ command -v c++
    need git command -v git
    need clang command -v clang
    need clang-tidy command -v clang-tidy
    need clang-format command -v clang-format
    need cppcheck command -v cppcheck
}
# The run-time libraries of the sanitizers are a package of their own, named
# after the version of clang.
has_fuzzer() {
    echo 'int LLVMFuzzerTestOneInput(const char *, long); int LLVMFuzzerTestOneInput(const char *p, long n) { (void)p; (void)n; return 0; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null -
}
need_fuzz() {
    need_base
    need clang command -v clang
    version=$(clang --version 2>/dev/null | sed -n 's/.*clang version \([0-9]*\).*/\1/p')
    [ -n "$version" ] || version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*clang-\([0-9]*\)$/\1/p')
    need "libclang-rt-$version-dev" has_fuzzer
}
need_cov() {
    need_base
    need gcovr command -v gcovr
}
need_model() {
    need gcc command -v cc
    need spin command -v spin
}
collect() {
    missing=
    for group in "$@"; do
        case $group in
        base|lint|fuzz|cov|model) "need_$group";;
        peers) ;;
        *) echo "deps.sh: no group $group" >&2; exit 2;;
        esac
    done
}
[ $# -gt 0 ] || set -- base
optional() {
    missing=
    case " $* " in *" base "*) need_optional;; esac
    case " $* " in *" peers "*) need_peers;; esac
}
optional "$@"; extra=$missing
collect "$@"
[ -z "$missing$extra" ] && exit 0
[ -n "$missing" ] || command -v apt-get >/dev/null 2>&1 || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "this machine has no apt-get; install these (Debian's names) by hand:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    [ -n "$missing" ] || sudo -n true 2>/dev/null || exit 0
    command -v sudo >/dev/null 2>&1 || { echo "as root: apt-get install$missing" >&2; exit 1; }
fi
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
$sudo apt-get update >"$log" 2>&1 || { tail -20 "$log" >&2; }
if [ -n "$extra" ]; then
    echo "installing:$extra"
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $extra >"$log" 2>&1 ||
        echo "could not install:$extra; what needs it will be left out"
fi
collect "$@" # apt knows more now
[ -z "$missing" ] && exit 0
echo "installing:$missing"
# shellcheck disable=SC2086
if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "could not install:$missing" >&2
    exit 1
fi
collect "$@"
[ -z "$missing" ] && exit 0
echo "installed, but still not found:$missing" >&2
exit 1
