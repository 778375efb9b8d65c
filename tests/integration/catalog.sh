#!/bin/sh
# formats/catalog on the sample shop: what the resources hold, that a second run
# gives the same, and that a row which breaks a rule is refused by name.
set -eu
fail() { echo "$1"; exit 1; }
f=$TOP/formats/catalog
make() { sh "$TOP/samples/catalog/make-shop.sh" "$@"; }
get() { "$KVFERRY" get --raw sqlite:store.db resources "$1"; }

make shop.db
before=$(sha256sum <shop.db)
"$KVFERRY" check -q "$f" sqlite:shop.db >/dev/null || fail "check finds errors"
"$KVFERRY" migrate -q -f "$f" --keep one.kvf sqlite:shop.db sqlite:store.db || fail "migrate"
[ "$before" = "$(sha256sum <shop.db)" ] || fail "the shop was changed"

# 113 resources and the version record.
[ "$(sqlite3 store.db "SELECT count(*) FROM kv")" = 114 ] || fail "not 114 rows in the store"
[ "$(sqlite3 store.db "SELECT value FROM kv WHERE partition_key = CAST('meta' AS BLOB) AND key = CAST('catalog/schema-version' AS BLOB)")" = 8 ] ||
	fail "the version record is not 8"
[ "$(sqlite3 store.db "PRAGMA user_version")" = 8 ] || fail "user_version is not 8"

# A uid is kept where the row has one; else it is the UUIDv5 of the identity
# (python3: uuid5(uuid5(NAMESPACE_DNS, "catalog.harbour.example"), IDENTITY)).
uid() { get "$1" | jq -r .metadata.uid; }
[ "$(uid Product/harbour/yirgacheffe)" = 5f0c1b9e-8a34-4c0e-9a3f-0d2f6f1c7a10 ] || fail "a uid was not kept"
[ "$(uid Product/harbour/harbour-espresso)" = 3cbd576f-505d-55f2-8398-b1c3cf39e2ef ] || fail "a derived uid is wrong: $(uid Product/harbour/harbour-espresso)"
[ "$(uid Product/outlet/harbour-espresso)" = 774687db-24e6-59b0-bc65-924befdb9f3f ] || fail "the namespace is not in the uid"
[ "$(get Variant/harbour/harbour-espresso.1kg | jq -r .spec.productUid)" = 3cbd576f-505d-55f2-8398-b1c3cf39e2ef ] || fail "a variant names another product"
[ "$(get Variant/harbour/yirgacheffe.1kg | jq -r .spec.productUid)" = 5f0c1b9e-8a34-4c0e-9a3f-0d2f6f1c7a10 ] || fail "a variant names another product"
[ "$("$KVFERRY" cat sqlite:store.db | jq -r '.value.metadata.uid? // empty' | sort -u | wc -l)" -eq 113 ] || fail "uids are not all different"

# Each product as the source has it.
"$KVFERRY" cat sqlite:store.db | jq -r 'select(.key | startswith("Product/")) | .value |
	[.metadata.namespace, .metadata.name, .spec.sku, .spec.title, .metadata.generation, .metadata.resourceVersion,
	 .spec.active, .metadata.creationTimestamp, (.spec.tags | sort | join("|"))] | @json' | LC_ALL=C sort >got
sqlite3 shop.db "SELECT json_array(shop, slug, sku, name, version, CAST(version AS TEXT), json(iif(active, 'true', 'false')),
	replace(created_at, ' ', 'T') || 'Z', coalesce((SELECT group_concat(tag, '|') FROM
	(SELECT tag FROM product_tags WHERE product_id = p.id ORDER BY tag)), '')) FROM products p" | LC_ALL=C sort >want
cmp want got || { diff want got | head; fail "the products in the store are not those of the shop"; }

# Money keeps its digits, as text.
"$KVFERRY" cat sqlite:store.db | jq -r 'select(.key | startswith("Variant/")) | .value.spec |
	"\(.product).\(.price).\(.compareAt)"' | LC_ALL=C sort >got
sqlite3 shop.db "SELECT printf('%s.%.2f.%s', slug, price, iif(compare_at IS NULL, 'null', printf('%.2f', compare_at)))
	FROM variants v JOIN products p ON p.id = v.product_id" | LC_ALL=C sort >want
cmp want got || { diff want got | head; fail "prices differ"; }

get Product/harbour/gesha | jq -e '.status.phase == "Archived" and .spec.attributes.score == 91.25' >/dev/null || fail "gesha"
get Product/harbour/voucher | grep -q 9007199254740993 || fail "a large number in JSON lost its digits"
get Product/harbour/yirgacheffe | jq -e '.metadata.labels == {"category": "coffee.beans.filter", "tag/fair trade": "true",
	"tag/organic": "true", "tag/single origin": "true"} and .spec.tags == ["fair trade", "fair trade", "fair trade", "organic", "single origin"]' \
	>/dev/null || fail "labels and tags of yirgacheffe"
get Category/harbour/coffee.beans.espresso | jq -e '.spec.parent == "coffee.beans" and .spec.path == "coffee/beans/espresso"' >/dev/null || fail "category"
get Collection/harbour/for-filter | jq -e '[.spec.products[].name] == ["yirgacheffe", "huila-supremo", "sidamo-natural", "v60", "filters-02", "scale"]
	and .status.publishedAt == "2016-11-11T11:00:00Z"' >/dev/null || fail "collection"
get Collection/harbour/christmas-24 | jq -e '.status.publishedAt == null' >/dev/null || fail "a draft was published"
get Setting/system/mail.sender | jq -e '.spec.value == "shop@harbour.example"' >/dev/null || fail "setting"

# Once more, and on a copy: the same bytes.
"$KVFERRY" migrate -q -f "$f" sqlite:shop.db sqlite:store.db || fail "a second run"
sqlite3 shop.db "VACUUM INTO 'copy.db'"
"$KVFERRY" export -q -f "$f" sqlite:copy.db two.kvf || fail "export of a copy"
"$KVFERRY" diff -q one.kvf two.kvf || fail "a copy of the shop gives other entries"

# In place: the legacy tables stay as they are.
cp shop.db place.db
dump() { sqlite3 "$1" ".dump settings shops categories products variants product_tags collections collection_products carts"; }
dump shop.db >want
"$KVFERRY" migrate -q -f "$f" sqlite:place.db sqlite:place.db || fail "in place"
dump place.db >got
cmp want got || fail "the legacy tables were changed by an upgrade in place"
[ "$(sqlite3 place.db "SELECT count(*) FROM kv")" = 114 ] || fail "in place: not 114 rows"

# refused STATUS PATTERN SQL: the shop with this change is refused, and nothing appears.
refused() {
	rm -rf bad; mkdir bad; cp shop.db bad/shop.db
	sqlite3 bad/shop.db "$3"
	rc=0; (cd bad && "$KVFERRY" migrate -q -f "$f" sqlite:shop.db sqlite:store.db) 2>err || rc=$?
	[ "$rc" -eq "$1" ] || { cat err; fail "status $rc instead of $1: $3"; }
	grep -q -- "$2" err || { cat err; fail "not named ($2): $3"; }
	# "7": the version record of a migration that is not done, and nothing else
	[ ! -e bad/store.db ] || [ "$(sqlite3 bad/store.db "SELECT value FROM kv")" = 7 ] ||
		fail "a refused run published something: $3"
}
n=0
make broken.db --broken
for id in $(sqlite3 broken.db "SELECT id FROM products WHERE sku LIKE 'BAD-%'"); do
	refused 64 "BAD-$id" "ATTACH 'broken.db' AS b; INSERT INTO products SELECT * FROM b.products WHERE id = $id"
	n=$((n + 1))
done
[ "$n" -eq 6 ] || fail "$n broken rows instead of 6"
refused 64 price "UPDATE variants SET price = 8.999 WHERE id = 1"
refused 64 uid "UPDATE products SET uid = 'not a uuid' WHERE id = 1"
refused 64 creationTimestamp "UPDATE products SET created_at = '2024-02-30' WHERE id = 1"
refused 64 name "INSERT INTO categories VALUES (99, 'outlet', NULL, 'a.b', 'a.b', 'A dot', 1)"
refused 7 6 "UPDATE settings SET value = '6' WHERE name = 'schema_version'"

# A key that two rows share: both are named, nothing is written.
mkdir twice
cp "$f"/*.yaml twice
sed -i 's|"Product/{shop.dns_label}/{name.dns_label}"|"Product/{name\|dns_label}"|' twice/catalog.yaml
rc=0; "$KVFERRY" export -q -f twice sqlite:shop.db twice.kvf 2>err || rc=$?
[ "$rc" -eq 3 ] || { cat err; fail "a key that is not unique ended with $rc, not 3"; }
grep -q 'sku=COF-001' err && grep -q 'sku=OUT-001' err || { cat err; fail "not both rows are named"; }
[ ! -e twice.kvf ] || fail "a stream with a key twice was written"

echo "REPORT catalog: 113 resources, $((n + 5)) damaged shops refused"
