# Rows that cannot be carried: never dropped quietly, let pass by --max-rejects, written
# to a file whose digest has to be accepted before anything is published without them.
. "$TOP/tests/support/integration.sh"
big=$(printf '%03000d' 7)
sqlite3 a.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE u(x);
    INSERT INTO t VALUES(1, 'one'), (2, '$big'), (3, x'0001'), (4, 'z$big'), (5, NULL); INSERT INTO u VALUES(1)"
bad='--max-value 1000'
sha() { sha256sum <"$1" | cut -d' ' -f1; }

# By default one ends everything, and one too many does.
expect 64 export $bad sqlite:a.db a.kvf
expect 64 export $bad --max-rejects 1 sqlite:a.db a.kvf
says 'cannot be carried'
[ -e a.kvf ] || [ -e a.kvf.rejects ] && die "something was written"

expect 64 export $bad --max-rejects 2 --events e sqlite:a.db a.kvf
says '2 rows could not be carried'
says '2 too-large'
digest=$(sha a.kvf.rejects)
says "--accept-rejects $digest"
equal "$(jq -c '[.code, .table, .key.a, (.row.b | length)]' a.kvf.rejects | sort | tr '\n' ' ')" \
    '["too-large","t",2,3000] ["too-large","t",4,3001] '
equal "$(LC_ALL=C sort a.kvf.rejects | sha256sum)" "$(sha256sum <a.kvf.rejects)" "the lines are not sorted"
expect 0 verify a.kvf
expect 0 info a.kvf
says 'left out rows that could not be carried'
"$K" info --json - <a.kvf | jq -e .result.lacks_rows >x || die "info of a pipe"
equal "$("$K" cat --json a.kvf | jq '.result.entries | length')" 4
# The events name table and code, never the row.
/usr/bin/python3 "$TOP/tests/support/schema.py" "$TOP/docs/events.schema.json" e || die "the events"
equal "$(jq -c 'select(.event == "reject") | [.table, .code, .rejects]' e | tr '\n' ' ')" '["t","too-large","1"] ["t","too-large","2"] '
grep -q 000000 e && grep -v time e | grep -q 0000000000 && die "a row in the events"
# Without a bad row the option changes nothing.
expect 0 export sqlite:a.db whole.kvf
expect 0 info whole.kvf
says 'left out nothing'
expect 0 export --max-rejects 5 sqlite:a.db whole2.kvf
cmp -s whole2.kvf.rejects /dev/null; [ -e whole2.kvf.rejects ] && die "an empty file of rejects"
equal "$("$K" info --json whole.kvf | jq -r .result.root)" "$("$K" info --json whole2.kvf | jq -r .result.root)"

# The stream says it itself: an import does not publish it until that is accepted.
expect 64 import a.kvf sqlite:s.db
says 'the stream lacks rows'
says 'Nothing was published'
expect 9 status --exit-code sqlite:s.db
expect 64 import a.kvf sqlite:s.db --accept-rejects 0000000000000000000000000000000000000000000000000000000000000000
says 'others than those that were accepted'
equal "$(sql s.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0
expect 2 import a.kvf sqlite:s.db --accept-rejects abc
expect 0 import a.kvf sqlite:s.db --accept-rejects "$digest"
expect 0 history sqlite:s.db
says 'rejected rows accepted'
expect 0 backup --overwrite sqlite:s.db lacks.kvf
says 'the store lacks rows that were rejected'
"$K" info lacks.kvf | grep -q "$digest" || die "a backup's note does not tell what is missing"
"$K" history --json sqlite:s.db | jq -e ".result.runs[-1].document.rejects | .accepted and .digest == \"$digest\"" >x || die "history"
expect 0 status sqlite:s.db
says 'rejected rows are missing, as accepted'
says "$digest"

# migrate: stages, ends with 64, and the same command with the digest publishes.
expect 64 migrate $bad --max-rejects 9 sqlite:a.db sqlite:m.db
says '2 rows could not be carried'
says 'm.db.rejects'
equal "$(sha m.db.rejects)" "$digest"
equal "$(sql m.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0
"$K" migrate --json $bad --max-rejects 9 sqlite:a.db sqlite:m.db >out; equal $? 64
jq -e ".result.rejects | .digest == \"$digest\" and .rows == \"2\" and (.accepted | not)" out >x || die "json"
expect 0 migrate $bad --max-rejects 9 --accept-rejects "$digest" sqlite:a.db sqlite:m.db
says 'without the rows that were rejected, as accepted'
expect 0 status sqlite:m.db
says '2 rejected rows are missing'
expect 0 migrate $bad --accept-rejects "$digest" sqlite:a.db sqlite:m.db
says 'nothing to do'
# Another bad row is another file.
sqlite3 a.db "INSERT INTO t VALUES(6, 'y$big')"
expect 64 migrate $bad --replace --accept-rejects "$digest" sqlite:a.db sqlite:m.db
says 'others than those that were accepted'
# A file of one's own is not written over.
echo mine >mine
expect 13 export $bad --max-rejects 9 --rejects mine sqlite:a.db b.kvf
equal "$(cat mine)" mine
expect 64 export --overwrite $bad --max-rejects 9 --rejects mine sqlite:a.db b.kvf
equal "$(wc -l <mine)" 3

# A row goes whole or not at all: the first of its entries could be made, the second not.
mkdir f
printf 'application: shop\nstore: {version: {partition: v, key: v, started: "0", done: "1"}}\npackages: [p]\n' >f/application.yaml
cat >f/p.yaml <<'END'
package: p
version: 1
records:
  r:
    table: t
    entries:
      - {partition: a, key: "{a}", value: one}
      - {partition: b, key: "{a}", value: two}
values:
  one:
    encoding: json
    fields:
      a: {type: int}
  two:
    encoding: json
    fields:
      b: {type: int}
END
rm -f c.db; sqlite3 c.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1, 10), (2, 'two'), (3, 30), (4, 'four')"
expect 64 export -f f --max-rejects 2 sqlite:c.db c.kvf
equal "$("$K" cat --json c.kvf | jq -r '.result.entries[] | .partition + .key' | tr '\n' ' ')" "a1 a3 b1 b3 "
equal "$(jq -r .code c.kvf.rejects | uniq)" not-an-integer "$(cat c.kvf.rejects)"

# PostgreSQL: the same file for any number of connections.
. "$TOP/tests/support/pgtmp.sh"
pg_start
pg_sql postgres "CREATE TABLE t(a int PRIMARY KEY, b text);
    INSERT INTO t SELECT i, repeat('x', CASE WHEN i % 1000 = 0 THEN 3000 ELSE 200 END) FROM generate_series(1, 40000) AS i"
expect 64 export $bad -j 1 --max-rejects 100 dbname=postgres p1.kvf
expect 64 export $bad -j 4 --max-rejects 100 dbname=postgres p4.kvf
says '40 rows could not be carried'
cmp p1.kvf.rejects p4.kvf.rejects || die "another file of rejects"
expect 64 migrate $bad --max-rejects 100 dbname=postgres dbname=postgres
[ -s kvferry.rejects ] || die "no kvferry.rejects"
expect 0 migrate $bad --accept-rejects "$(sha kvferry.rejects)" dbname=postgres dbname=postgres
expect 0 status dbname=postgres
says '40 rejected rows are missing'
exit 0
