#!/bin/sh
# make demo: a legacy shop becomes a verified key-value store, before your eyes.
# Every command is shown before it runs; any that fails ends the demo.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
KVFERRY=${KVFERRY:-$top/build/release/kvferry}
bin=$(cd "$(dirname "$KVFERRY")" && pwd)
PATH=$bin:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/kvferry-demo.XXXXXX")
ln -s "$top/formats" "$dir/formats"
ln -s "$here" "$dir/catalog"
cd "$dir"

bold= dim= off=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
fi
say() { printf '\n%s%s%s\n' "$dim" "$*" "$off"; }
show() { # the command line, as it could be typed
	line='$'
	for word; do
		case $word in
		'|') line="$line |";;
		*[!A-Za-z0-9_./:=,+-]*) line="$line '$word'";;
		*) line="$line $word";;
		esac
	done
	printf '%s%s%s\n' "$bold" "$line" "$off"
}
expect() { # expect STATUS COMMAND...: it must end so
	want=$1; shift
	show "$@"
	rc=0; "$@" 2>&1 || rc=$?
	[ "$rc" -eq "$want" ] && return
	printf '\nThe demo failed: the command above ended with status %s, not %s. Its files are in %s\n' \
		"$rc" "$want" "$dir" >&2
	exit 1
}
run() { expect 0 "$@"; }

say "A small shop has kept its catalog in SQLite for some years: ids, decimal prices, JSON in
text, tags without a key, a uid on newer rows only. 40,000 cups are added, to have work."
run sh catalog/make-shop.sh shop.db --products 40000
run sqlite3 -box shop.db "SELECT slug, uid, active, version, substr(attributes, 1, 34) AS attributes FROM products WHERE id IN (1, 4, 8)"

say "What would happen? A plan writes nothing."
run kvferry plan -f formats/catalog sqlite:shop.db sqlite:store.db

say "Export, load, verify, publish. Readers of the store see nothing of it until all is proven;
the schema version moves with the last write."
run kvferry migrate -f formats/catalog sqlite:shop.db sqlite:store.db

say "Is it all there? Both sides are read again."
run kvferry verify -f formats/catalog sqlite:shop.db sqlite:store.db

say "One row became one resource; its tags are labels, and its uid is the one it had."
if command -v jq >/dev/null; then
	show kvferry get --raw sqlite:store.db resources Product/harbour/yirgacheffe '|' jq .
	kvferry get --raw sqlite:store.db resources Product/harbour/yirgacheffe >resource.json
	jq . resource.json
else
	run kvferry get sqlite:store.db resources Product/harbour/yirgacheffe
fi

say "Running it again changes nothing."
run kvferry migrate -f formats/catalog sqlite:shop.db sqlite:store.db

say "A product whose name breaks the rules is refused and named, never cut to fit. Status 64."
run sh catalog/make-shop.sh broken.db --broken
expect 64 kvferry migrate -f formats/catalog sqlite:broken.db sqlite:other.db

say "Where the store stands."
run kvferry status sqlite:store.db

cat <<EOT

Try next, in $dir (remove it when you are done):

  kvferry backup sqlite:store.db shop.kvf            the store as one file
  zstd -dc shop.kvf | strings | head -1              which any zstd and msgpack can read
  kvferry check formats/catalog sqlite:shop.db       what the definition does not carry
  kvferry migrate sqlite:shop.db sqlite:as-is.db     the same without any definition
  sqlite3 store.db "SELECT key FROM kv LIMIT 5"      it is an ordinary table

with   PATH=$bin:\$PATH
EOT
