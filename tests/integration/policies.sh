# What happens when the store holds something already.
. "$TOP/tests/support/integration.sh"
legacy a.db
legacy b.db 400
expect 0 export sqlite:a.db a.kvf
expect 0 export sqlite:b.db b.kvf
expect 0 import a.kvf sqlite:s.db
first=$(contents s.db)

# again: nothing to do, nothing written
sum=$(sha256sum s.db)
expect 0 import a.kvf sqlite:s.db
says already
expect 0 migrate sqlite:a.db sqlite:s.db
says already
equal "$sum" "$(sha256sum s.db)" "doing nothing wrote something"

# other data: refused, untouched
expect 13 import b.kvf sqlite:s.db
says --replace
expect 13 migrate sqlite:b.db sqlite:s.db
says --replace
equal "$sum" "$(sha256sum s.db)" "a refusal wrote something"

# the live data were changed: no longer "already"
cp s.db t.db
sql t.db "DELETE FROM kv WHERE key = CAST('18' AS BLOB)"
expect 13 import a.kvf sqlite:t.db
says --replace

# --replace
expect 0 import --replace b.kvf sqlite:s.db
expect 0 verify b.kvf sqlite:s.db
expect 0 history sqlite:s.db
[ "$first" != "$(contents s.db)" ] || die "--replace replaced nothing"

# --merge: entries of both
sqlite3 c.db "CREATE TABLE more(id INTEGER PRIMARY KEY, t TEXT); INSERT INTO more VALUES(1,'x'),(2,'y')"
expect 0 import a.kvf sqlite:m.db
expect 0 migrate --merge sqlite:c.db sqlite:m.db
equal "$(sql m.db 'SELECT count(*) FROM kv')" 607
# equal entries are no conflict
expect 0 import --merge a.kvf sqlite:m.db
equal "$(sql m.db 'SELECT count(*) FROM kv')" 607
# a key with another value is, and nothing changes
sql c.db "UPDATE more SET t = 'other' WHERE id = 2"
sum=$(contents m.db)
expect 5 migrate --merge sqlite:c.db sqlite:m.db
says 'a key is in the store with another value'
says 'more 2'
equal "$sum" "$(contents m.db)" "a conflict changed the live data"
expect 0 status sqlite:m.db

# of many, the first twenty are named
sqlite3 many.db "CREATE TABLE more(id INTEGER PRIMARY KEY, t TEXT);
    WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 30)
    INSERT INTO more SELECT i, 'x' FROM c"
expect 0 migrate sqlite:many.db sqlite:n.db
sqlite3 many.db "UPDATE more SET t = 'y'"
expect 5 migrate --merge sqlite:many.db sqlite:n.db
says '30 keys are in the store'
equal "$(grep -o 'more [0-9][0-9]*' err | sort -u | wc -l)" 20

# a root that is not the expected one: staged, not published
root=$("$K" info --json a.kvf | jq -r '.. | .root? // empty' | head -1)
[ ${#root} -eq 64 ] || die "no root in info: '$root'"
expect 0 import --expect-root "$root" a.kvf sqlite:e.db
expect 6 import --expect-root "$root" b.kvf sqlite:f.db
equal "$(sql f.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0
expect 0 export --manifest a.mf sqlite:a.db a2.kvf
expect 0 import --manifest a.mf a2.kvf sqlite:g.db
expect 6 import --manifest a.mf b.kvf sqlite:h.db
expect 2 import --expect-root 12 a.kvf sqlite:i.db
[ ! -e i.db ] || die "a usage error made a store"

# a selection says so, and never bumps
expect 0 export --table users sqlite:a.db part.kvf
expect 13 import part.kvf sqlite:p.db
says --allow-partial
expect 0 import --allow-partial part.kvf sqlite:p.db
equal "$(sql p.db 'SELECT count(*) FROM kv')" 300
expect 2 export --table nosuch sqlite:a.db x.kvf
[ ! -e x.kvf ] || die "a refused export left a file"

# --dry-run
cp a.db dry.db
ls -la --time-style=full-iso | grep -v -e '^total' -e ' out$' -e ' err$' -e ' \.$' -e ' \.\.$' >before
expect 0 migrate -n sqlite:dry.db sqlite:new.db
expect 0 import -n a.kvf sqlite:new.db
expect 0 export -n sqlite:dry.db new.kvf
ls -la --time-style=full-iso | grep -v -e '^total' -e ' out$' -e ' err$' -e ' \.$' -e ' \.\.$' -e ' before$' -e ' after$' >after
grep -v ' before$' before | diff - after || die "--dry-run left something"

# --package of a place that has none of that name
expect 2 cat --package nosuch a.kvf
says nosuch
expect 2 cat --package nosuch sqlite:m.db
expect 0 cat --package tables sqlite:m.db
