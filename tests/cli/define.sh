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
finish
