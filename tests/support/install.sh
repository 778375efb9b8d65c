#!/bin/sh
# Called by make: install.sh install|uninstall, with VERSION B DESTDIR PREFIX
# LIBDIR MANDIR PKGS in the environment.  Both walk over the same list, so that
# uninstall removes exactly what install brought.
set -eu
action=$1
DESTDIR=${DESTDIR:-}
share=$PREFIX/share
bash=$share/bash-completion/completions/kvferry
zsh=$share/zsh/site-functions/_kvferry
fish=$share/fish/vendor_completions.d/kvferry.fish

put() { # MODE FILE TO
    case $action in
    install) install -D -m "$1" "$2" "$DESTDIR$3";;
    uninstall) rm -f "$DESTDIR$3";;
    *) echo "usage: install.sh install|uninstall" >&2; exit 2;;
    esac
}

pc() {
    cat <<EOF
prefix=$PREFIX
libdir=$LIBDIR
includedir=$PREFIX/include

Name: kvferry
Description: moves legacy tables into a key-value store through one portable stream
Version: $VERSION
Requires.private: $PKGS
Libs: -L\${libdir} -lkvferry
Libs.private: -pthread
Cflags: -I\${includedir}
EOF
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if [ "$action" = install ]; then
    # Paths inside the prefix follow it: pkg-config --define-variable=prefix=...
    pc | sed -e "s|^libdir=$PREFIX/|libdir=\${prefix}/|" -e "s|^includedir=$PREFIX/|includedir=\${prefix}/|" >"$tmp/kvferry.pc"
    for shell in bash zsh fish; do "$B/kvferry" completion "$shell" >"$tmp/$shell"; done
fi
put 755 "$B/kvferry" "$PREFIX/bin/kvferry"
put 644 "$B/libkvferry.a" "$LIBDIR/libkvferry.a"
put 755 "$B/libkvferry.so.0" "$LIBDIR/libkvferry.so.0"
if [ "$action" = install ]; then
    ln -sf libkvferry.so.0 "$DESTDIR$LIBDIR/libkvferry.so"
else
    rm -f "$DESTDIR$LIBDIR/libkvferry.so"
fi
put 644 "$tmp/kvferry.pc" "$LIBDIR/pkgconfig/kvferry.pc"
for h in include/kvferry/*.h; do put 644 "$h" "$PREFIX/$h"; done
for m in docs/man/*.[1-9]; do
    [ -e "$m" ] || continue
    put 644 "$m" "$MANDIR/man${m##*.}/${m##*/}"
done
put 644 "$tmp/bash" "$bash"
put 644 "$tmp/zsh" "$zsh"
put 644 "$tmp/fish" "$fish"
find formats -type f | sort >"$tmp/formats"
while read -r f; do put 644 "$f" "$share/kvferry/$f"; done <"$tmp/formats"

if [ "$action" = uninstall ]; then
    # Only folders of our own, and only when they are empty.
    for d in "$PREFIX/include/kvferry" "$share/kvferry"; do
        [ -d "$DESTDIR$d" ] && find "$DESTDIR$d" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
    exit 0
fi
