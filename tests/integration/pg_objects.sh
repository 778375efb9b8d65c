# docs/objects.md names every column of kvferry's tables in PostgreSQL.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
legacy a.db 20
expect 0 migrate sqlite:a.db dbname=postgres
columns() { sed -n "s/^| \`$1\` | \`\(.*\)\` |\$/\1/p" "$TOP/docs/objects.md"; }
for table in control generations progress units ledger; do
    documented=$(columns "kvferry[.]$table")
    equal "${documented:-$(columns "kvferry_$table")}" "$(pg_sql postgres "SELECT string_agg(attname, ' ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = 'kvferry.$table'::regclass AND attnum > 0 AND NOT attisdropped")" "columns of kvferry.$table"
done
