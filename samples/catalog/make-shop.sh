#!/bin/sh
# Build the legacy shop: make-shop.sh FILE [--broken]
# --broken adds the rows of shop-broken.sql, which formats/catalog refuses.
set -eu
here=$(dirname "$0")
[ $# -ge 1 ] || { echo "usage: make-shop.sh FILE [--broken]" >&2; exit 2; }
[ ! -e "$1" ] || { echo "make-shop.sh: $1 exists already" >&2; exit 1; }
sqlite3 -bail "$1" <"$here/shop.sql"
if [ "${2:-}" = --broken ]; then
	sqlite3 -bail "$1" <"$here/shop-broken.sql"
fi
