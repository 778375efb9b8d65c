# Every privilege that a run needs, taken away alone: it is named before anything is written, with
# status 13, and `plan` says beforehand what is needed.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
sqlite3 o.db "CREATE TABLE o (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO o VALUES (1, 'old')"
expect 0 export sqlite:o.db o.kvf
pg_sql postgres 'CREATE ROLE runner LOGIN' 'CREATE ROLE boss' 'CREATE DATABASE s' || exit 1
U="dbname=s user=runner"

# All that is needed, and nothing else.
pg_sql s 'CREATE SCHEMA app' 'GRANT USAGE, CREATE ON SCHEMA app TO runner' 'GRANT CREATE ON DATABASE s TO runner' || exit 1
nothing() { # not a trace of kvferry in the database
    equal "$(pg_sql s "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^kvferry'")" 0 "$1"
}
# lacks WHAT TAKE GIVE: without it the import is refused, and the plan too
lacks() {
    pg_sql s "$2" || exit 1
    before=$(pg_sql s "SELECT string_agg(n.nspname || '.' || relname, ' ' ORDER BY 1) FROM pg_class c JOIN pg_namespace n
        ON n.oid = relnamespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")
    expect 13 import o.kvf "$U" --table-name app.kv --replace
    says 'lacks privileges'
    says "$1"
    says 'Nothing was changed'
    expect 13 migrate sqlite:o.db "$U" --table-name app.kv --replace
    says "$1"
    expect 13 plan sqlite:o.db "$U" --table-name app.kv
    says "$1"
    equal "$(pg_sql s "SELECT string_agg(n.nspname || '.' || relname, ' ' ORDER BY 1) FROM pg_class c JOIN pg_namespace n
        ON n.oid = relnamespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")" "$before" "written without: $1"
    pg_sql s "$3" || exit 1
}
expect 0 plan sqlite:o.db "$U" --table-name app.kv
says 'CREATE on database s, USAGE on language plpgsql, USAGE on schema app, CREATE on schema app'
pg_sql postgres 'CREATE TABLE o(id int PRIMARY KEY)' 'INSERT INTO o VALUES (1)' || exit 1
expect 0 plan dbname=postgres "$U" --table-name app.kv
says 'needed in tablespace pg_default; what is free there the server does not tell'
"$K" plan --json sqlite:o.db "$U" --table-name app.kv | jq -e '.result.store | (.needs | test("CREATE on schema app")) and
    .where == "tablespace pg_default" and .free == null' >/dev/null || die "plan --json"

# --- a store that is not there yet
lacks 'CREATE on database s' 'REVOKE CREATE ON DATABASE s FROM runner' 'GRANT CREATE ON DATABASE s TO runner'
lacks 'CREATE on schema app' 'REVOKE CREATE ON SCHEMA app FROM runner' 'GRANT CREATE ON SCHEMA app TO runner'
lacks 'USAGE on schema app' 'REVOKE USAGE ON SCHEMA app FROM runner' 'GRANT USAGE ON SCHEMA app TO runner'
lacks 'USAGE on language plpgsql' 'REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC' 'GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC'
mkdir "$PG_DIR/space"
[ "$(id -u)" -ne 0 ] || chown "$PG_USER" "$PG_DIR/space"
pg_sql s "CREATE TABLESPACE space LOCATION '$PG_DIR/space'" || exit 1
lacks 'CREATE on tablespace space' "ALTER ROLE runner SET default_tablespace = space" 'GRANT CREATE ON TABLESPACE space TO runner'
expect 0 plan dbname=postgres "$U" --table-name app.kv
says "tablespace space ($PG_DIR/space)"
pg_sql s 'ALTER ROLE runner RESET default_tablespace' || exit 1
nothing "after every refusal"
expect 13 import o.kvf "$U" --table-name gone.kv
says 'there is no schema "gone"'
nothing "after a schema that is not there"

# --- with what is left, it works
expect 0 import o.kvf "$U" --table-name app.kv
expect 0 verify o.kvf "$U"
expect 0 import o.kvf "$U" --replace
expect 0 get "$U" o 1

# --- a store that is there
lacks 'ownership of schema kvferry' 'ALTER SCHEMA kvferry OWNER TO boss' 'ALTER SCHEMA kvferry OWNER TO runner'
pg_sql s 'REVOKE ALL ON SCHEMA kvferry FROM PUBLIC' || exit 1
lacks 'ownership of table kvferry.control' 'ALTER TABLE kvferry.control OWNER TO boss' 'ALTER TABLE kvferry.control OWNER TO runner'
lacks 'ownership of table kvferry.ledger' 'ALTER TABLE kvferry.ledger OWNER TO boss' 'ALTER TABLE kvferry.ledger OWNER TO runner'
lacks 'ownership of table app.kv' 'ALTER TABLE app.kv OWNER TO boss' 'ALTER TABLE app.kv OWNER TO runner'
pg_sql s 'CREATE SCHEMA seen' 'CREATE VIEW seen.all_of_it AS SELECT key FROM app.kv' \
    'GRANT USAGE, CREATE ON SCHEMA seen TO runner, boss' 'ALTER VIEW seen.all_of_it OWNER TO runner' || exit 1
lacks 'ownership of view seen.all_of_it' 'ALTER VIEW seen.all_of_it OWNER TO boss' 'ALTER VIEW seen.all_of_it OWNER TO runner'
lacks 'CREATE on schema seen' 'REVOKE CREATE ON SCHEMA seen FROM runner' 'GRANT CREATE ON SCHEMA seen TO runner'
# The table belongs to a role that the user is a member of, and goes back to it.
pg_sql s 'GRANT boss TO runner' 'ALTER TABLE app.kv OWNER TO boss' || exit 1
lacks 'CREATE on schema app for boss, who owns the table' 'SELECT' 'GRANT CREATE, USAGE ON SCHEMA app TO boss'
expect 0 import o.kvf "$U" --replace
equal "$(pg_sql s "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'app.kv'::regclass")" boss
equal "$(pg_sql s "SELECT count(*) FROM seen.all_of_it")" 1 "the view"
expect 0 verify o.kvf "$U"

# Of many partitions the plan tells the number, a refusal those that are missing, as many as there is room for.
pg_sql postgres 'CREATE DATABASE cut' || exit 1
pg_sql cut 'GRANT CREATE ON DATABASE cut TO runner' 'GRANT USAGE, CREATE ON SCHEMA public TO runner' || exit 1
C="dbname=cut user=runner"
expect 0 import --partitions 40 o.kvf "$C"
expect 0 plan sqlite:o.db "$C"
says 'ownership of table public.kv, ownership of its 40 partitions, ownership of schema kvferry'
last=$(pg_sql cut "SELECT max(relname) FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = 'public'::regnamespace")
pg_sql cut "ALTER TABLE $last OWNER TO postgres" || exit 1
expect 13 import --replace o.kvf "$C"
says "lacks privileges: ownership of table public.$last;"
pg_sql cut 'DO $$ DECLARE t text; BEGIN FOR t IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = $x$kv$x$::regclass LOOP
    EXECUTE $x$ALTER TABLE $x$ || t || $x$ OWNER TO postgres$x$; END LOOP; END $$' || exit 1
expect 13 import --replace o.kvf "$C"
named=$(grep -o 'ownership of table public.kv_[^,;]*' err | wc -l)
equal "$((named + $(sed -n 's/.*, and \([0-9]*\) more; let.*/\1/p' err)))" 40 "partitions that are named, and the rest"

# --- who may not even look: 5 for looking, and the reason; nothing is taken for empty
pg_sql s 'CREATE ROLE guest LOGIN' || exit 1
G="dbname=s user=guest"
expect 5 status "$G"
says 'permission denied'
says 'GRANT'
for verb in "get|$G|o|1" "verify|o.kvf|$G" "backup|$G|b.kvf"; do
    (IFS='|'; set -- $verb; IFS=' '; "$K" "$@" >out 2>err); got=$?
    [ "$got" -eq 5 ] || [ "$got" -eq 4 ] || die "$verb: exit $got"
    says 'permission denied'
done
[ ! -e b.kvf ] || die "a backup of what may not be read"
expect 13 import o.kvf "$G" --replace
says 'ownership of schema kvferry'

# --- to read: all that is missing is named at once, before anything is written
pg_sql postgres 'CREATE DATABASE legacy' 'CREATE ROLE reader LOGIN' || exit 1
pg_sql legacy 'CREATE TABLE a(id int PRIMARY KEY, v text)' 'CREATE TABLE "B c"(id serial PRIMARY KEY)' \
    'CREATE TABLE ruled(id int)' 'CREATE POLICY odd ON ruled USING (id = 1)' 'ALTER TABLE ruled ENABLE ROW LEVEL SECURITY' \
    'GRANT SELECT ON ruled TO reader' 'CREATE SCHEMA other' 'CREATE TABLE other.t(n int)' 'INSERT INTO other.t VALUES (1)' \
    'CREATE TABLE own(id int)' 'CREATE TABLE below(id int, v text)' 'CREATE VIEW above AS SELECT * FROM below' \
    'CREATE TABLE fine(id int, v text)' 'GRANT SELECT (id) ON fine TO reader' 'GRANT SELECT ON above TO reader' || exit 1
R="dbname=legacy user=reader"
may_not() { # VERB OPERAND...
    expect 13 "$@" -T own -T below -T fine
    says 'SELECT on sequence "B c_id_seq", SELECT on table "B c", SELECT on table a, BYPASSRLS (row-level security of table ruled)'
    says 'GRANT SELECT ON SEQUENCE "B c_id_seq" TO reader; GRANT SELECT ON TABLE "B c", a TO reader'
    says 'Nothing was written'
    [ -z "$(ls -d no.* 2>/dev/null)" ] || die "$1 wrote $(ls -d no.*)"
}
may_not export "$R" no.kvf
may_not plan "$R" sqlite:no.db
may_not migrate "$R" sqlite:no.db
may_not migrate --allow-live-source "$R" sqlite:no.db
may_not verify "tables:$R" o.kvf
# ... of source and store together
pg_sql s 'CREATE ROLE nobody LOGIN' || exit 1
pg_sql postgres 'CREATE DATABASE shut' || exit 1
for verb in plan migrate; do
    expect 13 $verb -T own -T below -T fine "$R" "dbname=shut user=nobody"
    says 'user "nobody" lacks privileges: CREATE on database shut, CREATE on schema public'
    says 'And of the source: user reader lacks privileges to read: SELECT on sequence "B c_id_seq", SELECT on table "B c"'
    says 'GRANT SELECT ON SEQUENCE "B c_id_seq" TO reader'
done
mkdir def
cat >def/application.yaml <<'END'
application: shop
store: {version: {partition: meta, key: version, started: "0", done: "1"}}
source: {version: "SELECT max(n) FROM other.t", requires: 1}
packages: [p]
END
cat >def/p.yaml <<'END'
package: p
version: 1
records:
  q:
    query: SELECT x.id, x.v FROM above x JOIN a USING (id) JOIN fine f ON f.id = x.id
    entries: [{partition: q, key: "{id}", value: q}]
  r:
    table: ruled
    entries: [{partition: r, key: "{id}", value: q}]
  s:
    query: SELECT id, 'x' AS v FROM own
    entries: [{partition: s, key: "{id}", value: q}]
values:
  q: {encoding: json, fields: {v: {type: string}}}
END
sed -i 's/fields: {v: {type: string}}/fields: {id: {type: int}}/' def/p.yaml
expect 13 export -f def "$R" no.kvf
says 'SELECT on table a, SELECT on table other.t, SELECT on table own, USAGE on schema other, BYPASSRLS (row-level security of table ruled)'
grep -q 'below\|fine\|exclude-table' err && die "more than is missing is named"
pg_sql legacy 'GRANT SELECT ON a, own, other.t TO reader' 'GRANT USAGE ON SCHEMA other TO reader' 'ALTER ROLE reader BYPASSRLS' || exit 1
expect 0 export -f def "$R" yes.kvf
# Columns, functions, and what lies in a schema that is closed, beside tables: all of it at once.
pg_sql legacy 'CREATE TABLE partly(id int, open text, shut text, "Also Shut" text, unused text)' 'GRANT SELECT (id, open) ON partly TO reader' \
    'CREATE TABLE every(id int, v text)' 'GRANT SELECT (id, v) ON every TO reader' 'CREATE TABLE star(id int, v text)' 'GRANT SELECT (id) ON star TO reader' \
    'CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS $$SELECT 2 * $1$$' 'REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC' \
    'CREATE SCHEMA closed' 'CREATE TABLE closed.t(id int)' 'CREATE TABLE closed.u(id int)' 'GRANT SELECT ON closed.u TO reader' 'CREATE TABLE plain(id int)' \
    'CREATE FUNCTION closed.f(int) RETURNS int LANGUAGE sql AS $$SELECT $1$$' || exit 1
query() { # NAME QUERY
    printf '  %s:\n    query: %s\n    entries: [{partition: %s, key: "{id}", value: q}]\n' "$1" "$2" "$1"
}
cp -r def all
sed -i '/^source/d' all/application.yaml
{
    printf 'package: p\nversion: 1\nrecords:\n'
    query c 'SELECT every.id, every.v FROM every JOIN partly s USING (id) WHERE s."Also Shut" <> s.shut AND s.open IS NOT NULL'
    query f 'SELECT twice(e.id) AS id FROM every e JOIN above USING (id)'
    query n 'SELECT t.id FROM closed.t t JOIN closed.u USING (id) JOIN plain USING (id) WHERE closed.f(t.id) > 0'
    query s 'SELECT * FROM star'
    printf 'values:\n  q: {encoding: json, fields: {id: {type: int}}}\n'
} >all/p.yaml
expect 13 export -f all "$R" no.kvf
says 'lacks privileges to read: EXECUTE on function twice(integer), SELECT on column "Also Shut" of table partly, SELECT on column shut of table partly, SELECT on column v of table star, SELECT on table closed.t, SELECT on table plain, USAGE on schema closed
'
says 'GRANT EXECUTE ON FUNCTION'
says 'GRANT SELECT (shut) ON TABLE partly TO reader'
[ ! -e no.kvf ] || die "a file is there after a refusal"
# Exactly these are enough.
pg_sql legacy 'GRANT EXECUTE ON FUNCTION twice TO reader' 'GRANT SELECT ("Also Shut", shut) ON partly TO reader' 'GRANT SELECT (v) ON star TO reader' \
    'GRANT SELECT ON closed.t, plain TO reader' 'GRANT USAGE ON SCHEMA closed TO reader' || exit 1
expect 0 export -f all "$R" yes_all.kvf
# Partitions that may be read through their table only.
pg_sql legacy 'CREATE TABLE cut(id int, v text) PARTITION BY RANGE (id)' 'CREATE TABLE cut_low PARTITION OF cut FOR VALUES FROM (0) TO (10)' \
    'CREATE TABLE cut_high PARTITION OF cut FOR VALUES FROM (10) TO (20)' "INSERT INTO cut SELECT i, 'v' FROM generate_series(1, 19) i" \
    'GRANT SELECT ON cut TO reader' || exit 1
(for i in $(seq 60); do pg_sql postgres 'SELECT txid_current()' >noise || break; done) & # so that rows are asked
expect 0 migrate --allow-live-source --allow-partial -t cut "$R" sqlite:cut.db
wait $!
equal "$("$K" verify -t cut "tables:$R" sqlite:cut.db | tail -1)" 'equal: 19 entries, compared by count, bytes and digest'
# More than a message has room for: each is named in a line of its own.
pg_sql legacy 'DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE $x$CREATE TABLE many_$x$ || i || $x$(a int)$x$; END LOOP; END $$' || exit 1
expect 13 export -t 'many_*' "$R" no.kvf
says 'lacks 40 privileges to read'
equal "$(grep -c 'reader lacks SELECT on table many_' err)" 40

# --- back to tables: what is missing there, also of tables that are there already, and nothing is written
pg_sql postgres 'CREATE DATABASE two' 'CREATE DATABASE back' || exit 1
pg_sql two 'CREATE SCHEMA x' 'CREATE SCHEMA y' 'CREATE TABLE x.a(id int PRIMARY KEY)' 'CREATE TABLE y.b(id int PRIMARY KEY)' \
    'CREATE TABLE public.c(id int PRIMARY KEY)' 'INSERT INTO x.a VALUES (1)' || exit 1
expect 0 export --schema '*' dbname=two two.kvf
pg_sql back 'CREATE SCHEMA x' 'CREATE TABLE x.a(id int PRIMARY KEY)' 'CREATE ROLE restorer LOGIN' || exit 1
for dry in --dry-run ''; do
    expect 13 import --as tables $dry two.kvf "dbname=back user=restorer"
    says 'user "restorer" lacks privileges: CREATE on database back, CREATE on schema public, CREATE on schema x, USAGE on schema x, ownership of table x.a'
    says 'Nothing was changed'
    equal "$(pg_sql back "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('public', 'y')")" 0
done
pg_sql back 'GRANT CREATE ON DATABASE back TO restorer' 'GRANT CREATE ON SCHEMA public TO restorer' 'GRANT USAGE, CREATE ON SCHEMA x TO restorer' \
    'ALTER TABLE x.a OWNER TO restorer' || exit 1
expect 0 import --as tables two.kvf "dbname=back user=restorer"
exit 0
