# Names that the store needs and that somebody else has: refused with a reason
# and a way out, never touched; what only names kv stays.
. "$TOP/tests/support/integration.sh"
legacy a.db 20
expect 0 export sqlite:a.db a.kvf

# taken NAME SQL TEXT: nothing changes, whatever is asked for; --table-name is a way out
taken() {
    sqlite3 -bail "$1.db" "$2" || die "making $1.db"
    before=$(sha256sum <"$1.db")
    for how in '' --replace --merge; do
        expect 13 import $how a.kvf "sqlite:$1.db"
        says "$3"
        says 'Nothing was changed'
        equal "$before" "$(sha256sum <"$1.db")" "$1 $how"
    done
}
kv='CREATE TABLE kv(partition_key BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY(partition_key, key)) WITHOUT ROWID'
taken layout "CREATE TABLE kv(k TEXT PRIMARY KEY, v TEXT); INSERT INTO kv VALUES('a', 'b')" 'another layout'
taken text "CREATE TABLE kv(partition_key TEXT, key TEXT, value TEXT, PRIMARY KEY(partition_key, key))" \
    'another layout'
taken view "CREATE TABLE z(a); CREATE VIEW kv AS SELECT a AS key FROM z" 'is a view'
taken index "CREATE TABLE z(a); CREATE INDEX kv ON z(a)" 'is an index'
for t in layout text view index; do
    expect 13 import a.kvf sqlite:$t.db
    says --table-name
    expect 0 import --table-name entries a.kvf sqlite:$t.db
    expect 0 verify a.kvf sqlite:$t.db
done
taken indexed "$kv; CREATE INDEX ix ON kv(value)" 'index "ix"'
taken triggered "$kv; CREATE TRIGGER tr AFTER INSERT ON kv BEGIN SELECT 1; END" 'trigger "tr"'
taken control "CREATE TABLE kvferry_control(a); INSERT INTO kvferry_control VALUES(1);
    CREATE TABLE kvferry_log(b); INSERT INTO kvferry_log VALUES(2)" 'not one that kvferry made'
expect 13 status sqlite:control.db
says 'not one that kvferry made'

# ... and such tables are data like any other where they are the source.
expect 0 export sqlite:control.db control.kvf
expect 0 cat --keys control.kvf
equal "$(wc -l <out)" 2 'tables whose names begin like our own'

# A control row that is gone is not guessed.
expect 0 import a.kvf sqlite:lost.db
sql lost.db 'DELETE FROM kvferry_control'
live=$(contents lost.db)
expect 5 import --replace a.kvf sqlite:lost.db
says 'lost its row'
says next:
equal "$live" "$(contents lost.db)"

# What another application keeps in the file stays as it is: views on kv, numbers.
sqlite3 -bail mine.db "$kv; INSERT INTO kv VALUES(x'61', x'62', x'63'); CREATE TABLE z(a);
    CREATE VIEW v AS SELECT count(*) AS n FROM kv; PRAGMA user_version = 42; PRAGMA application_id = 77"
expect 13 import a.kvf sqlite:mine.db
says 'it holds 1 entry'
expect 0 import --replace a.kvf sqlite:mine.db
equal "$(sql mine.db 'SELECT n FROM v')" "$(sql mine.db 'SELECT count(*) FROM kv')"
equal "$(sql mine.db 'PRAGMA user_version; PRAGMA application_id' | tr '\n' ' ')" '42 77 '
expect 0 verify a.kvf sqlite:mine.db

# An entry that is no byte string is named; nothing is published over it.
sqlite3 -bail typed.db "$kv; INSERT INTO kv VALUES('part', 'the key', 'text')"
expect 5 backup sqlite:typed.db typed.kvf
says 'the key'
[ ! -e typed.kvf ] || die 'a backup of what cannot be backed up'
expect 5 import --merge a.kvf sqlite:typed.db
equal "$(sql typed.db 'SELECT typeof(value), count(*) FROM kv')" 'text|1'
exit 0
