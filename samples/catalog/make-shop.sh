#!/bin/sh
# Build the legacy shop: make-shop.sh FILE [--products N] [--broken]
#
# --products N  as many more products, each with a variant and a tag: a shop of
#               a size at which one can watch the work
# --broken      the rows of shop-broken.sql as well, which formats/catalog refuses
set -eu
here=$(dirname "$0")
usage() { echo "usage: make-shop.sh FILE [--products N] [--broken]" >&2; exit 2; }
[ $# -ge 1 ] || usage
file=$1 products=0 broken=
shift
while [ $# -gt 0 ]; do
	case $1 in
	--products) [ $# -ge 2 ] || usage; products=$2; shift 2;;
	--broken) broken=1; shift;;
	*) usage;;
	esac
done
case $products in *[!0-9]*) usage;; esac
[ ! -e "$file" ] || { echo "make-shop.sh: $file exists already" >&2; exit 1; }

sqlite3 -bail "$file" <"$here/shop.sql"
[ "$products" -eq 0 ] || sqlite3 -bail "$file" <<EOT
BEGIN;
CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $products)
	SELECT i FROM n;
INSERT INTO products (id, shop, sku, slug, name, description, category_id, attributes, created_at, version)
	SELECT 10000 + i, 'outlet', printf('CUP-%07d', i), printf('cup-%d', i), printf('Cup no. %d', i),
	       'Turned and glazed by hand; no two are alike.', 14, json_object('kiln', i % 7, 'ml', 180 + i % 60),
	       datetime(1600000000 + 60 * i, 'unixepoch'), 1 + i % 9 FROM n;
INSERT INTO variants (product_id, code, title, price, weight_g, stock)
	SELECT 10000 + i, 'default', 'Cup', 4 + (i % 40) / 4.0, 300 + i % 50, i % 5 FROM n;
INSERT INTO product_tags SELECT 10000 + i, 'handmade' FROM n;
COMMIT;
EOT
[ -z "$broken" ] || sqlite3 -bail "$file" <"$here/shop-broken.sql"
