# docs/objects.md names every object and every column that a store in SQLite has.
. "$TOP/tests/support/integration.sh"
columns() { sed -n "s/^| \`$1\` | \`\(.*\)\` |\$/\1/p" "$TOP/docs/objects.md"; }
legacy a.db 20
expect 0 migrate --freeze sqlite:a.db sqlite:s.db
for table in control generations progress units ledger; do
    equal "$(columns kvferry_$table)" \
        "$(sql s.db "SELECT group_concat(name, ' ') FROM pragma_table_info('kvferry_$table')")" "columns of kvferry_$table"
done
equal "$(sed -n 's/.*number of this layout (\([0-9]*\)).*/\1/p' "$TOP/docs/objects.md")" "$(sql s.db 'SELECT format FROM kvferry_control')"
for name in $(sql s.db "SELECT name FROM sqlite_schema WHERE type IN ('table', 'trigger') AND name NOT LIKE 'sqlite%'"); do
    case $name in
    kvferry_g[0-9]*) name='kvferry_g<N>';;
    kvferry_ledger_no_[dr]*) name=${name#kvferry_ledger};; # the first is written in full
    esac
    grep -qF "\`$name\`" "$TOP/docs/objects.md" || die "docs/objects.md does not know $name"
done
for name in $(sql a.db "SELECT DISTINCT replace(name, tbl_name, 'TABLE') FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'kvferry_freeze*' AND name NOT LIKE '% %'"); do
    grep -qF "\`$name\`" "$TOP/docs/objects.md" || die "docs/objects.md does not know $name"
done
