# --json: exactly one document with the same members, whatever happens.
. "$TOP/tests/support/cli.sh"

envelope() { # EXIT: the members are there, and agree with the exit status
    is "$1"
    json "(keys == [\"error\",\"exit\",\"kvferry\",\"ok\",\"result\",\"verb\",\"warnings\"])
        and .exit == $rc and (.kvferry | type) == \"string\" and (.warnings | type) == \"array\"
        and .ok == ($rc == 0) and ((.error == null) == ($rc == 0))
        and (.error == null or (.error | keys == [\"code\",\"detail\",\"hint\",\"message\",\"status\"]))"
    err </dev/null
}
status_is() { json ".error.status == \"$1\""; }

sqlite3 shop.db "CREATE TABLE t(id INTEGER PRIMARY KEY, big INTEGER);
    INSERT INTO t VALUES (1, 9007199254740993), (2, 2);"

# Success, in every verb.
run kvferry plan --json sqlite:shop.db sqlite:store.db
envelope 0
json '.verb == "plan" and .result.records[0].rows == "2" and .result.store.exists == false'
run kvferry export --json sqlite:shop.db shop.kvf
envelope 0
json '.result.entries == "2" and (.result.root | length) == 64 and .result.published == false'
json '.result.records[0].table == "t" and .result.packages[0].name == "tables"'
run kvferry import --json shop.kvf sqlite:store.db
envelope 0
json '.result.published and (.result.already | not) and .result.steps[0].name == "load"'
run kvferry import --json shop.kvf sqlite:store.db
envelope 0
json '.result.already and (.result.published | not)'
run kvferry migrate --json sqlite:shop.db sqlite:two.db
envelope 0
run kvferry backup --json sqlite:store.db back.kvf
envelope 0
run kvferry verify --json shop.kvf
envelope 0
json '.result.entries == "2"'
run kvferry verify --json shop.kvf sqlite:store.db
envelope 0
json '.result.equal and .result.left == .result.right and .result.left.entries == "2"'
run kvferry diff --json shop.kvf back.kvf
envelope 0
json '.result.differences == []'
run kvferry status --json sqlite:store.db
envelope 0
json '.result.state == "live" and .result.control.state == "LIVE" and .result.store.entries == "2"'
run kvferry history --json sqlite:store.db
envelope 0
json '.result.runs[0].event == "begin" and .result.runs[0].document.head and
    .result.runs[1].event == "publish" and .result.runs[1].document.entries == "2"'
run kvferry info --json shop.kvf
envelope 0
json '.result.packages[0].kinds[0].encoding == "msgpack" and .result.partial == false'
run kvferry cat --json shop.kvf
envelope 0
json '.result.entries[0] == {"package":"tables","partition":"t","key":"1",
    "value":{"id":1,"big":"9007199254740993"}}'
run kvferry get --json shop.kvf t 2
envelope 0
json '.result.value == {"id":2,"big":2} and .result.package == "tables" and .result.decoded'
run kvferry init --json sqlite:shop.db formats
envelope 0
json '.result.app == "formats" and .result.tables == "1"'
run kvferry check --json formats sqlite:shop.db
envelope 0
json '.result.app == "formats" and .result.packages == "1"'
run kvferry help --json
envelope 0
run kvferry version --json
envelope 0
run kvferry completion --json bash
envelope 0

# Failure, of every class that can be had here.
run kvferry --json
envelope 2
json '.verb == null'
status_is usage
run kvferry --json frob
envelope 2
run kvferry export --json --frob sqlite:shop.db x.kvf
envelope 2
json '.verb == "export"'
run kvferry export --json sqlite:shop.db
envelope 2
run kvferry check --json missing-folder
envelope 3
status_is definition
run kvferry export --json sqlite:none.db x.kvf
envelope 4
status_is source
run kvferry import --json none.kvf sqlite:x.db
is 4
mkdir folder
run kvferry export --json sqlite:shop.db folder/none/x.kvf
envelope 5
status_is target
head -c 300 shop.kvf >cut.kvf
run kvferry import --json cut.kvf sqlite:x.db
envelope 6
status_is truncated
echo nonsense >bad.kvf
run kvferry verify --json bad.kvf
envelope 6
status_is stream
run kvferry get --json shop.kvf t 3
envelope 11
status_is not-found
sqlite3 shop.db "INSERT INTO t VALUES (3, 3)"
run kvferry verify --json shop.kvf tables:sqlite:shop.db
envelope 11
status_is mismatch
json '.result.only_right == "1" and .result.differences[0] ==
    {"side":"only-right","package":"tables","partition":"t","key":"3"}'
run kvferry import --json shop.kvf sqlite:store.db --dry-run
envelope 0
run kvferry migrate --json sqlite:shop.db sqlite:store.db
envelope 13
status_is preflight

# Where the stream has standard output, the document is all of standard error.
sh -c 'kvferry export --json -v sqlite:shop.db - >piped.kvf' 2>doc </dev/null
rc=$? ran='export --json to stdout'
cp doc out
: >err
envelope 0
json '.verb == "export" and .result.entries == "3"'
ok kvferry verify piped.kvf
sh -c 'kvferry export --json sqlite:none.db - >piped.kvf' 2>doc </dev/null
rc=$?
cp doc out
envelope 4
finish
