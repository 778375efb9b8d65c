# What is not ours to touch: a store that another application owns, finished or not, and
# one that a newer or an older kvferry has written.  Every command that would write or
# prove says so, and nothing changes; in SQLite and, where a server is there, in PostgreSQL.
. "$TOP/tests/support/integration.sh"
if [ -x "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1)" ]; then
    . "$TOP/tests/support/pgtmp.sh"
    pg_start
    server=1
else
    server=
fi
sqlite3 other.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES(1, 'x'), (2, 'y')"
mkdir other
cat >other/application.yaml <<'Y'
application: other
store:
  version: {partition: meta, key: version, started: "0", done: "2"}
packages: [t]
Y
cat >other/t.yaml <<'Y'
package: t
version: 1
records:
  row:
    table: t
    entries:
      - {partition: t, key: "{id}", value: row}
values:
  row: {encoding: json, fields: {v: string}}
Y
sh "$TOP/samples/catalog/make-shop.sh" shop.db || die "make-shop.sh"
expect 0 export -f other sqlite:other.db other.kvf
expect 0 export -f "$TOP/formats/catalog" --chunk 4096 sqlite:shop.db shop.kvf
head -c "$(($(wc -c <shop.kvf) / 2))" shop.kvf >cut.kvf

change() { # SQL: of kvferry's own rows
    case $place in
    sqlite:*) sqlite3 "${place#sqlite:}" "PRAGMA ignore_check_constraints = ON; $1";;
    *) pg_sql "${place#dbname=}" "ALTER TABLE kvferry.control DROP CONSTRAINT IF EXISTS control_format_check; $1" ;;
    esac >/dev/null || die "$1"
}
contents_of() {
    case $place in
    sqlite:*) sqlite3 "${place#sqlite:}" .dump;;
    *) "$PG_BIN/pg_dump" -d "$place" | grep -v restrict;;
    esac | sha256sum
}
refused() { # STATUS TEXT COMMAND...: that, with these words, and nothing changes
    want=$1 words=$2; shift 2
    before=$(contents_of)
    expect "$want" "$@"
    says "$words"
    equal "$before" "$(contents_of)" "$*: something was changed"
}
gates() { # PLACE CONTROL-TABLE: an empty place
    place=$1
    owner="belongs to application 'catalog', not to 'other'"
    # An unfinished run of another application's, and then its data.
    expect 6 import cut.kvf "$place"
    for stream in cut.kvf shop.kvf; do
        [ "$stream" = cut.kvf ] || expect 0 import shop.kvf "$place"
        for how in '' --replace --merge --takeover; do refused 6 "$owner" import $how other.kvf "$place"; done
        refused 6 "$owner" migrate -f other sqlite:other.db "$place"
    done
    for layout in 'a newer 99' 'an older 1'; do
        change "UPDATE $2 SET format = ${layout##* }"
        for c in "status $place" "verify shop.kvf $place" "backup $place no.kvf" "import --replace shop.kvf $place" \
            "migrate --replace -f $TOP/formats/catalog sqlite:shop.db $place" "abort $place" "rollback $place --confirm x" \
            "cleanup $place --confirm x" "drop-legacy -f $TOP/formats/catalog sqlite:shop.db $place --confirm x"; do
            refused 7 "written by ${layout% *} kvferry" $c
        done
    done
}
gates sqlite:store.db kvferry_control
[ "$server" ] || { echo "REPORT no server of PostgreSQL: not tried there"; exit 0; }
pg_sql postgres "CREATE DATABASE store" || exit 1
gates dbname=store kvferry.control
exit 0
