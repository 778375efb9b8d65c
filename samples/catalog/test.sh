#!/bin/sh
# The demo runs to its end and shows what it promises; and it fails loudly when
# a step of it fails.
set -eu
fail() { echo "$1"; tail -20 out; exit 1; }
sh "$TOP/samples/catalog/demo.sh" >out 2>&1 </dev/null || fail "the demo failed"
for what in '^published: schema 7' '^equal: ' '"uid": *"5f0c1b9e' 'BAD-901' '^nothing to do' '^Try next'; do
	grep -q "$what" out || fail "the demo does not show: $what"
done

# What it says to try next can be tried.
dir=$(sed -n 's/^Try next, in \(.*\) (remove.*/\1/p' out)
bin=$(cd "$(dirname "$KVFERRY")" && pwd)
sed -n 's/^  \([a-z].*[^ ]\)   .*/\1/p' out | sed 's/   *$//' >tries
[ "$(wc -l <tries)" -eq 5 ] || fail "$(wc -l <tries) commands to try next, not 5"
while read -r line; do
	(cd "$dir" && PATH=$bin:$PATH sh -euc "$line") >>out 2>&1 </dev/null || fail "cannot be tried: $line"
done <tries

# With a kvferry that cannot verify, the demo must not end well.
mkdir -p sham
cat >sham/kvferry <<EOT
#!/bin/sh
[ "\$1" = verify ] && exit 11
exec "$KVFERRY" "\$@"
EOT
chmod +x sham/kvferry
rc=0; KVFERRY=sham/kvferry sh "$TOP/samples/catalog/demo.sh" >out 2>&1 </dev/null || rc=$?
[ "$rc" -eq 1 ] || fail "a failing step went unnoticed: status $rc"
grep -q 'The demo failed' out || fail "the demo does not say that it failed"
