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
says 'SELECT on table a, SELECT on table own, USAGE on schema other, BYPASSRLS (row-level security of table ruled)'
grep -q 'below\|fine\|exclude-table' err && die "more than is missing is named"
pg_sql legacy 'GRANT SELECT ON a, own, other.t TO reader' 'GRANT USAGE ON SCHEMA other TO reader' 'ALTER ROLE reader BYPASSRLS' || exit 1
expect 0 export -f def "$R" yes.kvf
# More than a message has room for: each is named in a line of its own.
pg_sql legacy 'DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE $x$CREATE TABLE many_$x$ || i || $x$(a int)$x$; END LOOP; END $$' || exit 1
expect 13 export -t 'many_*' "$R" no.kvf
says 'lacks 40 privileges to read'
equal "$(grep -c 'reader lacks SELECT on table many_' err)" 40
exit 0
