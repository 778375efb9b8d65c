#!/bin/sh
# Install what building and testing need and this machine lacks.  Debian and
# its kin: apt.  Elsewhere: say what is missing.
set -u
missing=
need() { # PACKAGE COMMAND...: missing if the command fails
    p=$1; shift
    "$@" >/dev/null 2>&1 || missing="$missing $p"
}
need gcc command -v gcc
need libc6-dev sh -c 'test -e /usr/include/stdio.h'
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
need python3-msgpack /usr/bin/python3 -c 'import msgpack'
need protobuf-compiler command -v protoc
[ -z "$missing" ] && exit 0
echo "installing:$missing"
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
if ! command -v apt-get >/dev/null 2>&1; then
    echo "this machine has no apt-get; install these (Debian's names) by hand:$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
try() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1; }
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
$sudo apt-get update >"$log" 2>&1
try && exit 0
tail -20 "$log" >&2
echo "could not install:$missing" >&2
exit 1
