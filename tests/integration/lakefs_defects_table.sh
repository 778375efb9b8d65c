# The table of lakeFS's 27 defects in formats/lakefs/README.md: each stands there once, and what it
# names as its test is there and says the number.
. "$TOP/tests/support/integration.sh"
sed -n '/^| # | lakeFS |/,/^$/p' "$TOP/formats/lakefs/README.md" | grep '^| *[0-9]' >rows
equal "$(cut -d'|' -f2 rows | tr -d ' ')" "$(seq 27)" "the numbers"
while read -r row; do
    n=$(echo "$row" | cut -d'|' -f2 | tr -d ' ')
    files=$(echo "$row" | cut -d'|' -f5 | tr -d ' \140' | tr ',' ' ')
    [ -n "$files" ] || die "defect $n has no test"
    for file in $files; do
        [ -f "$TOP/$file" ] || die "defect $n: there is no $file"
        case $file in
        tests/torture/lakefs.sh) file=tests/torture/lakefs.py;;
        tests/integration/*|tests/bench/*) ;;
        *) die "defect $n: $file is no test";;
        esac
        grep -q "defect $n[: ]" "$TOP/$file" || die "$file says nothing of defect $n"
    done
done <rows
