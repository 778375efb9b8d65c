# A table of PostgreSQL becomes the same stream however its rows lie: in order, nearly in
# order, in order but for one, in no order, and with rows that cannot be carried.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start "autovacuum = off" # rows stay where they are put
pg_sql postgres "CREATE DATABASE s" || exit 1

make() { # TABLE ORDER-BY: 60,000 rows of some 500 bytes, of which some are shorter
    pg_sql s "SET client_min_messages = warning; DROP TABLE IF EXISTS rows" "CREATE TABLE rows (a int, b text, v text, PRIMARY KEY (a, b))" \
        "INSERT INTO rows SELECT i / 1000, lpad((i % 1000)::text, 4, 'x'), repeat(md5(i::text), CASE WHEN i % 10 = 3 THEN 9 ELSE 14 END)
         FROM generate_series(1000000, 1059999) i ORDER BY $1" || exit 1
}
# A pipe cannot take anything back: there the keys are looked at before.
same_everywhere() { # WHAT
    whole=$("$K" export -q dbname=s - 2>err | zstd -dc | sha256sum)
    [ "$("$K" export -q dbname=s - | zstd -dc | wc -c)" -gt 20000000 ] || die "$1: nothing came"
    for j in 1 2 3; do
        expect 0 export -j $j --overwrite dbname=s out.kvf
        equal "$(zstd -dc out.kvf | sha256sum)" "$whole" "$1, -j $j"
    done
    expect 0 export --memory 1M --overwrite dbname=s out.kvf
    equal "$(zstd -dc out.kvf | sha256sum)" "$whole" "$1, little memory"
}
make "i"
same_everywhere "in order"
ordered=$whole
make "i + CASE WHEN i % 10 = 3 THEN -300 ELSE 0 END"
same_everywhere "nearly in order"
equal "$whole" "$ordered" "the same rows"
expect 0 migrate dbname=s sqlite:store.db
expect 0 verify out.kvf sqlite:store.db
make "md5(i::text)"
same_everywhere "in no order"
equal "$whole" "$ordered" "the same rows"
make "i DESC"
same_everywhere "backwards"
equal "$whole" "$ordered" "the same rows"
# The first row lies last: that shows when nearly all was written.
make "i"
pg_sql s "UPDATE rows SET v = v WHERE a = 1000 AND b = 'xxx0'" || exit 1
same_everywhere "in order but for one"
equal "$whole" "$ordered" "the same rows"

# --- a migration guesses by the beginning of a table, and begins anew where that was wrong ------
pg_sql s "DELETE FROM rows WHERE a = 1000" "INSERT INTO rows SELECT i / 1000, lpad((i % 1000)::text, 4, 'x'), repeat(md5(i::text), 14)
    FROM generate_series(1060000, 1129999) i" || exit 1
guess() { # STORE HOW-OFTEN-IT-BEGINS-ANEW
    expect 0 export --overwrite dbname=s out.kvf
    expect 0 migrate -v dbname=s "$1"
    equal "$(grep -c "starting over: the rows of rows do not lie in the order of their keys" err)" "$2" "$1: begun anew"
    expect 0 verify out.kvf "$1"
    expect 0 history --json "$1"
    equal "$(jq -c '[.result.runs[] | select(.event != "begin") | .event + " " + .outcome]' out)" '["publish ok"]' "$1: one run, and no failure"
}
guess sqlite:guessed.db 0
pg_sql s "INSERT INTO rows VALUES (1001, 'aaa', 'first of all, and last in the table')" || exit 1
pg_sql postgres "CREATE DATABASE t" || exit 1
guess sqlite:wrong.db 1
guess dbname=t 1

# --- keys that need all rows; rows that cannot be carried ------------------------------------
pg_sql s "ALTER TABLE rows DROP CONSTRAINT rows_pkey" "INSERT INTO rows SELECT * FROM rows WHERE a < 1002" || exit 1
same_everywhere "without a key"
pg_sql s "DELETE FROM rows WHERE ctid IN (SELECT max(ctid) FROM rows GROUP BY a, b HAVING count(*) > 1)" \
    "ALTER TABLE rows ADD PRIMARY KEY (a, b)" "UPDATE rows SET v = repeat(v, 20) WHERE a = 1042 AND b = 'xx17'" || exit 1
expect 64 export --max-value 4K --overwrite dbname=s out.kvf
says "a=1042, b=xx17"
expect 64 export --max-value 4K dbname=s -
grep -q "a=1042, b=xx17" err || die "a pipe: the row is not named"
mkdir def
cat >def/application.yaml <<'END'
application: rows
store: {schema: 1}
packages: [rows]
END
cat >def/rows.yaml <<'END'
package: rows
version: 1
records:
  row:
    table: rows
    entries:
      - {partition: p, key: "{b}", value: row}
values:
  row: {encoding: json, fields: {a: {type: int, from: "{a}"}}}
END
make "i"
expect 3 export -f def --overwrite dbname=s out.kvf
says "two rows give one key"
# Which two of its 60 rows they are depends on which connection came first to which piece.
equal "$(grep -Eo 'b=x100, a=10[0-9]{2}' err | sort -u | wc -l)" 2 "rows that are named"
sed -i 's/{b}/{a}-{b}/' def/rows.yaml
for j in 1 2; do
    expect 0 export -f def -j $j --overwrite dbname=s out.kvf
    equal "$(zstd -dc out.kvf | sha256sum)" "$("$K" export -q -f def dbname=s - | zstd -dc | sha256sum)" "with a definition"
done
