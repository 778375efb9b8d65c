# Source and store are one file: the legacy tables stay, kv appears beside them.
. "$TOP/tests/support/integration.sh"
for mode in delete wal; do
    rm -f a.db*
    legacy a.db
    sql a.db "PRAGMA journal_mode = $mode" >/dev/null

    # A row that comes while the upgrade runs is not left behind: nothing is published.
    # (A run during which the writer never got its turn is no test of it.)
    for try in 1 2 3 4 5; do
        rm -f live.db*
        legacy live.db 60000
        sql live.db "PRAGMA journal_mode = $mode" >/dev/null
        ( i=0
        while [ ! -e stop ]; do
            sqlite3 -cmd '.timeout 5000' live.db "INSERT INTO log VALUES('late', $i)" 2>/dev/null
            i=$((i + 1))
        done ) &
        "$K" migrate --allow-live-source sqlite:live.db sqlite:live.db >out 2>err; got=$?
        touch stop; wait; rm stop
        [ "$got" -eq 0 ] || break
    done
    equal "$got" 13 "an in-place upgrade beside a writer, try $try"
    says 'the source was changed while it was migrated'
    equal "$(sql live.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0
    expect 0 migrate sqlite:live.db sqlite:live.db
    expect 0 verify tables:sqlite:live.db sqlite:live.db
    rm -f live.db*

    before=$(sqlite3 a.db .dump | sha256sum)
    expect 0 export sqlite:a.db $mode.kvf
    expect 0 migrate sqlite:a.db sqlite:a.db
    says published
    expect 0 verify $mode.kvf sqlite:a.db
    expect 0 verify tables:sqlite:a.db sqlite:a.db
    equal "$(sql a.db 'SELECT count(*) FROM users')" 300
    sqlite3 a.db ".dump users" ".dump log" | sha256sum >x
    expect 0 migrate sqlite:a.db sqlite:a.db
    says already
    equal "$(sql a.db 'PRAGMA integrity_check')" ok
    equal "$(sql a.db 'PRAGMA journal_mode')" $mode "the journal mode was changed"
done
