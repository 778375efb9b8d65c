#!/bin/sh
# make install brings everything that a user and a program need, and make
# uninstall takes all of it away.
set -eu
case $B in
build/release|build/clang) ;;
*) echo "a program linked to an instrumented library needs its run-time library"; exit 77;;
esac
unset MAKEFLAGS MAKELEVEL MFLAGS
dest=$PWD/dest
run_make() { make -s -C "$TOP" VARIANT="${B#build/}" DESTDIR="$dest" PREFIX=/opt/kv "$@"; }

run_make install
root=$dest/opt/kv
for f in bin/kvferry lib/libkvferry.a lib/libkvferry.so.0 lib/libkvferry.so lib/pkgconfig/kvferry.pc \
    include/kvferry/kvferry.h include/kvferry/package.h share/man/man1/kvferry.1 \
    share/bash-completion/completions/kvferry share/zsh/site-functions/_kvferry \
    share/fish/vendor_completions.d/kvferry.fish share/kvferry/formats/catalog/application.yaml; do
    [ -s "$root/$f" ] || { echo "not installed: $f"; exit 1; }
done
bash -n "$root/share/bash-completion/completions/kvferry"
[ "$("$root/bin/kvferry" version | head -1)" = "$("$KVFERRY" version | head -1)" ]

# Every public header is there, and nothing of the inside.
(cd "$TOP/include/kvferry" && ls) >want
(cd "$root/include/kvferry" && ls) >got
diff want got

cat >program.c <<'X'
#include <kvferry/kvferry.h>
#include <stdio.h>
int main(void)
{
	struct kvf_err err;
	struct kvf_output *out = NULL;
	enum kvf_status st = kvf_output_memory(100, &out, &err);

	if (st == KVF_OK)
		st = kvf_output_write(out, "abc", 3, &err);
	if (st == KVF_OK)
		printf("%s %zu\n", kvf_version(), kvf_output_bytes(out).len);
	kvf_output_close(out);
	return kvf_exit_status(st);
}
X
pc() { PKG_CONFIG_PATH=$root/lib/pkgconfig pkg-config --define-variable=prefix="$root" "$@" kvferry; }
version=$(pc --modversion)
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Werror -o shared program.c $(pc --cflags --libs)
[ "$(LD_LIBRARY_PATH=$root/lib ./shared)" = "$version 3" ]
LD_LIBRARY_PATH=$root/lib ldd ./shared | grep -q "libkvferry.so.0 => $root/lib"
# Statically into the program, the other libraries from the system.
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Werror -o static program.c $(pc --cflags) "$root/lib/libkvferry.a" \
    $(pkg-config --libs $(pc --print-requires-private)) -pthread
[ "$(./static)" = "$version 3" ]
# The shared library shows kvf_ names and no others.
nm -D --defined-only "$root/lib/libkvferry.so.0" | awk '$2 ~ /[A-TV-Z]/ && $3 !~ /^kvf_/ {print; bad = 1} END {exit bad}'

echo mine >"$root/share/kvferry/formats/mine.yaml"
run_make uninstall
left=$(cd "$dest" && find . ! -type d)
[ "$left" = ./opt/kv/share/kvferry/formats/mine.yaml ] || { echo "left behind: $left"; exit 1; }
rm "$root/share/kvferry/formats/mine.yaml"
run_make uninstall
left=$(cd "$dest" && find . -name '*kvferry*' ! -name 'bash-completion')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
