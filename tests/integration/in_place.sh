# Source and store are one file: the legacy tables stay, kv appears beside them.
. "$TOP/tests/support/integration.sh"
for mode in delete wal; do
    rm -f a.db*
    legacy a.db
    sql a.db "PRAGMA journal_mode = $mode" >/dev/null
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
