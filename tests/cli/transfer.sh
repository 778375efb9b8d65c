# A small installation goes all the way: what each verb prints, exactly.
. "$TOP/tests/support/cli.sh"

sqlite3 shop.db "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT, price REAL, picture BLOB);
    INSERT INTO product VALUES (1,'chair',49.5,x'00ff'),(2,'table',NULL,NULL),(3,'lamp',20.0,'');
    CREATE TABLE tag(product INTEGER, tag TEXT);
    INSERT INTO tag VALUES (1,'oak'),(1,'oak'),(3,NULL);
    CREATE TABLE empty(a, b, PRIMARY KEY (a, b));"

run kvferry plan sqlite:shop.db sqlite:store.db
is 0
err </dev/null
steady
out <<'END'
source  SQLite VERSION, shop.db
store   sqlite:store.db (will be created)

table    rows
empty       0
product     3
tag         3
total       6

nothing was written; nothing stands in the way of migrate
END
run kvferry plan --exit-code sqlite:shop.db sqlite:store.db
is 10

run kvferry export sqlite:shop.db shop.kvf
is 0
err </dev/null
steady
root=$(sed -n 's/^root    //p' out)
[ ${#root} -eq 64 ] || fail "no root in the report: $root"
sed -i "s/$root/ROOT/" out
out <<'END'
table    rows  entries
empty       0        0
product     3        3
tag         3        3
total       6        6

root    ROOT
stream  ...
time    ...
exported: 6 entries, 426 B, from sqlite:shop.db to shop.kvf
END

run kvferry import shop.kvf sqlite:store.db
is 0
err </dev/null
steady
sed -i "s/$root/ROOT/" out
out <<'END'
package  entries  bytes
tables         6    426

root    ROOT
time    ...
published: 6 entries verified (count, bytes, digest) in sqlite:store.db
END
run kvferry import shop.kvf sqlite:store.db
is 0
out <<'END'
nothing to do: sqlite:store.db holds exactly these data already
END

run kvferry migrate sqlite:shop.db sqlite:other.db
is 0
err </dev/null
steady
sed -i "s/$root/ROOT/" out
out <<'END'
table    rows  entries
empty       0        0
product     3        3
tag         3        3
total       6        6

root    ROOT
time    ...
published: 6 entries verified (count, bytes, digest) in sqlite:other.db
END

run kvferry verify shop.kvf
is 0
out <<END
root    $root
whole: 6 entries, 426 B, in 1 chunk, every digest matches
END
run kvferry verify sqlite:shop.db shop.kvf
is 0
out <<'END'
sqlite:shop.db: 6 entries, 426 B
shop.kvf: 6 entries, 426 B
equal: 6 entries, compared by count, bytes and digest
END
run kvferry verify --entries shop.kvf sqlite:store.db
is 0
out <<'END'
shop.kvf: 6 entries, 426 B
sqlite:store.db: 6 entries, 426 B
equal: 6 entries, compared entry by entry
END
run kvferry verify sqlite:store.db sqlite:other.db
is 0
out_has 'equal: 6 entries'

run kvferry backup sqlite:store.db back.kvf
is 0
out_has "root    $root"
out_has 'backed up: 6 entries, 426 B, from sqlite:store.db to back.kvf'
run kvferry diff back.kvf shop.kvf
is 0
out <<'END'
equal: 6 entries, compared entry by entry
END

# Through pipes, in both directions.
run sh -c 'kvferry export sqlite:shop.db - | kvferry import - sqlite:piped.db'
is 0
out_has 'published: 6 entries verified (count, bytes, digest) in sqlite:piped.db'
err_has 'exported: 6 entries, 426 B, from sqlite:shop.db to standard output'
out_lacks exported
run sh -c 'kvferry backup sqlite:piped.db - | kvferry verify - sqlite:shop.db'
is 0
out_has 'equal: 6 entries'

# Looking inside.
run kvferry cat shop.kvf
is 0
err </dev/null
grep '"product"' out >lines
ok grep -qxF '{"package":"tables","partition":"product","key":"1","value":{"id":1,"name":"chair","price":49.5,"picture":"hex:00ff"}}' lines
ok grep -qxF '{"package":"tables","partition":"product","key":"2","value":{"id":2,"name":"table","price":null,"picture":null}}' lines
ok grep -qxF '{"package":"tables","partition":"product","key":"3","value":{"id":3,"name":"lamp","price":20.0,"picture":""}}' lines
[ "$(wc -l <out)" -eq 6 ] || fail "cat printed $(wc -l <out) lines, not 6"
run kvferry cat --keys --table product tables:sqlite:shop.db
is 0
out <<'END'
{"package":"tables","partition":"product","key":"1"}
{"package":"tables","partition":"product","key":"2"}
{"package":"tables","partition":"product","key":"3"}
END
for place in shop.kvf sqlite:store.db tables:sqlite:shop.db sqlite:shop.db; do
    run kvferry get $place product 3
    is 0
    out <<'END'
{"id":3,"name":"lamp","price":20.0,"picture":""}
END
    run kvferry get $place hex:70726f64756374 hex:33
    is 0
    out_has lamp
    printf 3 >key
    run kvferry get $place product @key
    out_has lamp
    run kvferry get --raw $place product 1
    is 0
    cp out raw
    ok /usr/bin/python3 -c 'import msgpack; v = msgpack.unpackb(open("raw", "rb").read())
assert v == {"id": 1, "name": "chair", "price": 49.5, "picture": b"\x00\xff"}, v'
    run kvferry get $place product 4
    is 11
    out </dev/null
    err <<END
kvferry: no entry 4 in partition product
next: kvferry cat --keys $place
END
done
run sh -c 'kvferry get - product 3 <shop.kvf'
is 0
out_has lamp

run kvferry info shop.kvf
is 0
steady
out_has 'app      none: tables as they are'
out_has "root     $root"
out_has 'source SQLite VERSION, shop.db'
out_has 'left out nothing'
out_has 'consistent: 6 entries in 1 chunk, not decoded (kvferry verify does)'
run sh -c 'cat shop.kvf | kvferry info -'
is 0
out_has "root     $root"
out_has 'whole: 6 entries in 1 chunk, every digest matches'
zstd -qdc shop.kvf | zstd -q -o again.kvf
run kvferry info again.kvf
is 0
out_has "root     $root"
out_has 'whole: 6 entries'
run kvferry verify --quick shop.kvf
is 0
out <<END
root    $root
consistent, chunks not decoded: 6 entries, 426 B, in 1 chunk
END
run kvferry verify --quick shop.kvf sqlite:store.db
is 2
err_has '--quick looks at one stream in a file'
# Only the stream that was expected is good, looked at quickly or not.
other=$(printf '%064d' 0)
kvferry backup -q sqlite:store.db again.kvf --manifest good.txt --overwrite
sed "s/^root .*/root $other/" good.txt >bad.txt
for quick in '' --quick; do
    run kvferry verify $quick shop.kvf --expect-root $root
    is 0
    run kvferry verify $quick shop.kvf --expect-root $other
    is 6
    err_has "expected root $other, the stream has $root"
    run kvferry verify $quick shop.kvf --manifest good.txt
    is 0
    run kvferry verify $quick shop.kvf --manifest bad.txt
    is 6
done
run kvferry verify shop.kvf sqlite:store.db --expect-root $root
is 2
err_has '--expect-root looks at one stream'
# A flipped byte in an end record is seen without decoding; so is a cut.
head -c $(($(wc -c <shop.kvf) - 400)) shop.kvf >cut.kvf
run kvferry verify --quick cut.kvf
is 6
run kvferry info cut.kvf
is 6

# What has changed is named by its key.
sqlite3 shop.db "UPDATE product SET price = 21 WHERE id = 3; DELETE FROM product WHERE id = 2;
    INSERT INTO product VALUES (4,'bed',1,NULL);"
run kvferry diff shop.kvf tables:sqlite:shop.db
is 11
err </dev/null
out <<'END'
- product	2
~ product	3	39 and 39 bytes
+ product	4
different: compared entry by entry; 1 only in A (-), 1 only in B (+), 1 with other values (~)
END
run kvferry verify sqlite:store.db tables:sqlite:shop.db
is 11
out_has '~ product	3'
out_has 'different: compared by count, bytes and digest'
run kvferry diff --limit 1 shop.kvf tables:sqlite:shop.db
is 11
out_has '... and 2 more (--limit N)'

# The store holds other data: nothing happens unless it is said what.
cp store.db before.db
run kvferry migrate sqlite:shop.db sqlite:store.db
is 13
out </dev/null
err_has 'the store is not empty: it holds 6 entries'
err_has --replace
ok cmp before.db store.db
run kvferry migrate --merge sqlite:shop.db sqlite:store.db
is 5
err_has 'product 3'
run kvferry migrate --replace sqlite:shop.db sqlite:store.db
is 0
out_has 'published: 6 entries verified'
run kvferry verify tables:sqlite:shop.db sqlite:store.db
is 0

run kvferry status sqlite:store.db
is 0
out <<'END'
now   NEW, sqlite:store.db: 6 entries are published, without an application
old   the old application may run: no version was bumped
next  kvferry history sqlite:store.db  # nothing to do
END
run kvferry history sqlite:shop.db
is 0
out <<'END'
no runs yet
END
run kvferry history sqlite:store.db
is 0
steady
[ "$(grep -c publish out)" -eq 2 ] || fail "history does not show two publications: $(cat out)"
out_has 'event    outcome  schema'

# In place: legacy tables and store in one file.
run kvferry migrate sqlite:shop.db sqlite:shop.db
is 0
out_has 'published: 6 entries verified'
run kvferry verify tables:sqlite:shop.db sqlite:shop.db
is 0
out_has 'equal: 6 entries'

# A selection says so, everywhere, and is not loaded by accident.
run kvferry export sqlite:shop.db -t 'pro*' part.kvf
is 0
out_has 'exported a selection: 3 entries'
run kvferry info part.kvf
out_has 'left out yes: this is a selection of its source'
run kvferry import part.kvf sqlite:part.db
is 13
err_has --allow-partial
run kvferry import --allow-partial part.kvf sqlite:part.db
is 0
out_has 'published a selection, version not bumped: 3 entries'

sqlite3 names.db 'CREATE TABLE "a*b"(id INTEGER PRIMARY KEY); CREATE TABLE axb(id INTEGER PRIMARY KEY);
    INSERT INTO "a*b" VALUES (1); INSERT INTO axb VALUES (1)'
run kvferry export sqlite:names.db -t '"a*b"' names.kvf
is 0
out_has 'exported a selection: 1 entry'
run kvferry export sqlite:names.db -t 'AXB' names2.kvf
is 2
err_has "Did you mean 'axb'?"
run kvferry export sqlite:names.db -t axb -T axb names2.kvf
is 2
err_has 'the patterns leave no table'

# --expect-root, --manifest.
run kvferry import --expect-root "$root" shop.kvf sqlite:root.db
is 0
run kvferry import --expect-root "$(echo "$root" | tr 0-9a-f 1-9a-f0)" shop.kvf sqlite:root2.db
is 6
err_has 'not the expected stream'
run kvferry backup --manifest m.txt sqlite:root.db m.kvf
is 0
run kvferry import --manifest m.txt m.kvf sqlite:m.db
is 0
run kvferry import --manifest m.txt part.kvf --allow-partial sqlite:m2.db
is 6

# -q prints nothing when all is well.
run kvferry -q export sqlite:shop.db quiet.kvf
is 0
out </dev/null
err </dev/null
finish
