# Package definitions: a first draft, its examination, and what it exports.
. "$TOP/tests/support/cli.sh"

sqlite3 shop.db "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL);
    CREATE TABLE tag(product INTEGER REFERENCES product, tag TEXT, PRIMARY KEY (product, tag));
    CREATE INDEX by_name ON product(name);
    INSERT INTO product VALUES (1,'chair',49.5),(2,'table',NULL);
    INSERT INTO tag VALUES (1,'oak'),(2,'oak');"

run kvferry init sqlite:shop.db shop
is 0
err </dev/null
out <<'END'
wrote definitions of 2 tables to shop
next: edit them, then kvferry check shop sqlite:shop.db
END
ok test -f shop/application.yaml
run kvferry init sqlite:shop.db shop
is 13
err_has 'exists already'
run kvferry init --app market --exclude-table 't*' sqlite:shop.db other
is 0
out_has 'wrote definitions of 1 table to other'
ok grep -q 'application: market' other/application.yaml
run kvferry init --table nothing sqlite:shop.db none
is 2
err_has 'no table matches'
ok test ! -e none
run kvferry init sqlite:none.db none
is 4
ok test ! -e none

run kvferry check shop sqlite:shop.db
is 0
err </dev/null
out_has 'note: table product: index by_name stays behind [index-not-carried]'
out_has 'shop: 1 package, 2 records: 0 errors'
run kvferry check -q shop sqlite:shop.db
is 0
out </dev/null
run kvferry check shop
is 0
out_has '(no database was looked at)'

run kvferry export -f shop sqlite:shop.db shop.kvf
is 0
out_has 'exported: 4 entries'
run kvferry verify -f shop tables:sqlite:shop.db shop.kvf
is 0
run kvferry info shop.kvf
out_has 'app      shop, schema'
run kvferry migrate -f shop sqlite:shop.db sqlite:store.db
is 0
out_has 'published: schema '
out_has '4 entries verified (count, bytes, digest) in sqlite:store.db'
run kvferry status sqlite:store.db
is 0
out_has ' of shop is live, 4 entries'
out_has 'the old application must not run'
run kvferry plan -f shop sqlite:shop.db sqlite:new.db
is 0
out_has ' of shop'
out_has 'package'
err </dev/null

# What is wrong is told with its place.
cp -r shop broken
file=$(ls broken/*.yaml | grep -v application | head -1)
sed -i 's/^\( *\)table: product/\1tabel: product/' "$file"
run kvferry check broken
is 3
out </dev/null
err_has "$file:"
err_has tabel
err_has 'table'
run kvferry export -f broken sqlite:shop.db x.kvf
is 3
ok test ! -e x.kvf
run kvferry check missing
is 3
err_has missing/application.yaml
run kvferry check shop sqlite:none.db
is 4
sqlite3 less.db 'CREATE TABLE product(id INTEGER PRIMARY KEY)'
run kvferry check shop sqlite:less.db
is 3

# ... also what only the source can know is wrong, by check as by export.
wrong() { # PLACE-AND-MESSAGE [HINT]: the definition is on stdin
    mkdir -p wrong
    cat >wrong/application.yaml <<'END'
application: wrong
store: {version: {partition: meta, key: v, started: "0", done: "1"}}
packages: [p]
END
    { printf 'package: p\nversion: 1\nrecords:\n  u:\n'; cat; printf '%s\n' 'values:' '  v:' \
        '    encoding: json' '    fields:' '      id: {type: int}'; } >wrong/p.yaml
    for c in 'check wrong sqlite:shop.db' 'export -f wrong sqlite:shop.db wrong.kvf'; do
        run kvferry $c
        is 3
        out </dev/null
        err_has "kvferry: wrong/p.yaml:$1"
        [ -z "${2:-}" ] || err_has "$2"
    done
}
wrong '6:36: the row of record u has no column "idd"' 'Did you mean "id"?' <<'END'
    table: product
    entries: [{partition: p, key: "{idd}", value: v}]
END
wrong '5:12: product: the source refuses the SQL: no such column: nam' <<'END'
    table: product
    where: nam = 'chair'
    entries: [{partition: p, key: "{id}", value: v}]
END
wrong '7:54: the row of record u has no column "nam"' 'Did you mean "name"?' <<'END'
    table: product
    entries:
      - {partition: p, key: "{id}", value: v, when: "nam != ''"}
END
wrong '5:12: the source has no table or view named "prodcut"' 'Did you mean "product"?' <<'END'
    table: prodcut
    entries: [{partition: p, key: "{id}", value: v}]
END
for sql in 'SELECT idd AS id FROM product' 'SELEC id FROM product' 'DELETE FROM product RETURNING id' \
    'SELECT id FROM product; DROP TABLE product' 'SELECT id FROM product WHERE id = ?1'; do
    wrong '5:12: u: ' <<END
    query: "$sql"
    entries: [{partition: p, key: "{id}", value: v}]
END
done
[ "$(sqlite3 shop.db 'SELECT count(*) FROM product')" -gt 0 ] || fail 'a definition deleted rows'
ok test ! -e wrong.kvf
finish
