# Tables -> stream -> store -> stream: the same at every station.
. "$TOP/tests/support/integration.sh"
legacy a.db
before=$(sha256sum a.db)

expect 0 export sqlite:a.db a.kvf
expect 0 verify a.kvf
expect 0 verify tables:sqlite:a.db a.kvf
expect 0 import a.kvf sqlite:s.db
says published
expect 0 verify a.kvf sqlite:s.db
expect 0 verify --entries a.kvf sqlite:s.db
expect 0 verify tables:sqlite:a.db sqlite:s.db
expect 0 diff sqlite:s.db a.kvf
expect 0 backup sqlite:s.db b.kvf
zstd -dcq a.kvf >a.l1 && zstd -dcq b.kvf >b.l1 || die "zstd"
cmp a.l1 b.l1 || die "the backup differs from the export"
equal "$(sql s.db 'SELECT count(*) FROM kv')" 605
equal "$before" "$(sha256sum a.db)" "the source was changed"
equal "$(sql s.db 'PRAGMA integrity_check')" ok

# migrate gives the same store as export and import
expect 0 migrate sqlite:a.db sqlite:m.db
says published
equal "$(contents s.db)" "$(contents m.db)"
expect 0 migrate --keep kept.kvf sqlite:a.db sqlite:m2.db
zstd -dcq kept.kvf | cmp - a.l1 || die "--keep kept another stream"
equal "$(contents s.db)" "$(contents m2.db)"

# the same for every -j and every --memory
for j in 1 2 5; do
    expect 0 export -j $j --memory 1M sqlite:a.db j$j.kvf
    zstd -dcq j$j.kvf | cmp - a.l1 || die "-j $j gives other bytes"
done

# what changes is seen, and named
sql s.db "UPDATE kv SET value = x'00' WHERE key = CAST('17' AS BLOB)"
expect 11 verify a.kvf sqlite:s.db
expect 11 diff a.kvf sqlite:s.db
says 17
sql s.db "DELETE FROM kv WHERE key = CAST('18' AS BLOB)"
expect 11 diff a.kvf sqlite:s.db
says 18
