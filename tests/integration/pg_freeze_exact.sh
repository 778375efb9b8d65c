# A freeze is undone exactly: nothing in the catalog tells, after abort or rollback, that it
# was there.  (freeze.sh compares SQLite's whole schema, and pg_dump, in many more cases.)
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
# Owners that are not us, privileges with grant options and on columns, handed on by others,
# default privileges, row security: abort and rollback leave all of it as it was.
pg_sql postgres "CREATE ROLE app_owner; CREATE ROLE clerk; CREATE ROLE auditor; CREATE ROLE admin LOGIN BYPASSRLS IN ROLE app_owner" \
    "CREATE DATABASE acl OWNER app_owner" || exit 1
in_acl() { pg_sql acl "$@" >x || die "psql acl"; }
in_acl "GRANT CREATE ON DATABASE acl TO admin; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO clerk; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES FOR ROLE admin GRANT SELECT ON TABLES TO auditor; ALTER DEFAULT PRIVILEGES FOR ROLE admin GRANT USAGE ON SCHEMAS TO clerk WITH GRANT OPTION;
    CREATE SCHEMA app AUTHORIZATION app_owner; SET ROLE app_owner;
    CREATE TABLE app.orders(id int PRIMARY KEY, who text, secret text); CREATE TABLE app.own(a int PRIMARY KEY);
    CREATE TABLE app.parts(a int) PARTITION BY LIST (a); CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES IN (1);
    INSERT INTO app.orders VALUES(1, 'a', 'b'); INSERT INTO app.own VALUES(1); INSERT INTO app.parts VALUES(1);
    REVOKE DELETE ON app.orders FROM app_owner; GRANT USAGE ON SCHEMA app TO clerk, auditor;
    GRANT SELECT (id, who), UPDATE (who) ON app.orders TO clerk WITH GRANT OPTION; GRANT TRIGGER, INSERT ON app.own TO clerk WITH GRANT OPTION;
    GRANT SELECT ON app.parts TO PUBLIC; ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON app.orders FOR UPDATE TO clerk USING (who = 'a');
    CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; REVOKE ALL ON FUNCTION app.f() FROM PUBLIC;
    CREATE TRIGGER own BEFORE INSERT ON app.own FOR EACH ROW EXECUTE FUNCTION app.f(); ALTER TABLE app.own DISABLE TRIGGER own;
    RESET ROLE; SET ROLE clerk; GRANT SELECT (id) ON app.orders TO auditor; GRANT INSERT ON app.own TO auditor WITH GRANT OPTION"
acls() {
    "$PG_BIN/pg_dump" acl | grep -v '^.\(un\)\{0,1\}restrict '
    for sql in "SELECT oid, relname, relnamespace::regnamespace, relowner::regrole, relacl, relrowsecurity, reloptions, relkind FROM pg_class WHERE oid > 16000 AND relnamespace <> 'pg_toast'::regnamespace" \
        "SELECT attrelid::regclass, attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid > 16000" \
        "SELECT oid, nspname, nspowner::regrole, nspacl FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'" "SELECT * FROM pg_default_acl" \
        "SELECT oid, proname, proowner::regrole, proacl FROM pg_proc WHERE oid > 16000" "SELECT tgrelid::regclass, tgname, tgenabled, tgfoid::regproc FROM pg_trigger" \
        "SELECT datname, datdba::regrole, datacl FROM pg_database" "SELECT classid::regclass, objid, deptype, refclassid::regclass, refobjid FROM pg_shdepend WHERE objid > 16000"; do
        pg_sql acl "$sql ORDER BY 1, 2" || die "$sql"
    done
}
acls >acl.was
grep -q 'GRANT SELECT(id) ON TABLE app.orders TO auditor' acl.was || die "the fixture has no privilege that was handed on"
for who in postgres admin; do
    from="dbname=acl user=$who"
    rm -f s.db*
    expect 64 migrate --freeze --max-value 1 --schema app "$from" sqlite:s.db
    acls >acl.now; cmp -s acl.was acl.now && die "$who: nothing was frozen"
    for table in orders own parts parts_1; do
        for as in postgres app_owner clerk; do
            pg_sql acl "SET ROLE $as; INSERT INTO app.$table DEFAULT VALUES" >x 2>&1 && die "$as wrote into $table"
        done
    done
    expect 0 abort sqlite:s.db
    acls >acl.now; cmp acl.was acl.now || { diff acl.was acl.now | head; die "$who: abort left another catalog"; }
    expect 0 migrate --freeze --schema app "$from" sqlite:s.db
    expect 0 rollback sqlite:s.db --confirm "$("$K" history --json sqlite:s.db | jq -r '.result.runs[-1].run')"
    says 'the source may be written again'
    acls >acl.now; cmp acl.was acl.now || { diff acl.was acl.now | head; die "$who: rollback left another catalog"; }
done
exit 0
