# Help, manual and completions come from one table: every verb and every
# option is in all of them, and the manual in docs/ is the one of this binary.
. "$TOP/tests/support/cli.sh"

run kvferry help
is 0
cp out help
verbs=$(sed -n '/^Verbs/,/^$/s/^  \([a-z-]\{3,\}\).*/\1/p' help)
[ "$(echo "$verbs" | wc -l)" -eq 21 ] || fail "21 verbs in help, not: $verbs"
for verb in migrate export import backup verify plan status history info cat get diff check \
    init help version completion; do
    case " $(echo "$verbs" | tr '\n' ' ') " in
    *" $verb "*) ;;
    *) fail "help lacks $verb" ;;
    esac
done

kvferry __man >man.1
ok cmp man.1 "$TOP/docs/man/kvferry.1"
if command -v mandoc >/dev/null; then
    mandoc -Tlint -W warning man.1 >lint 2>/dev/null
    ok test ! -s lint
    mandoc -Tascii man.1 2>/dev/null | sed 's/.\x08//g' >man.txt
else
    sed 's/\\-/-/g' man.1 >man.txt
fi
kvferry completion bash >c.bash
kvferry completion zsh >c.zsh
kvferry completion fish >c.fish
ok bash -n c.bash

for verb in $verbs; do
    run kvferry help "$verb"
    is 0
    out_has "Usage: kvferry $verb"
    out_has 'Examples'
    cp out by_help
    run kvferry "$verb" --help
    is 0
    ok cmp out by_help
    run kvferry -h "$verb"
    ok cmp out by_help
    ok grep -qF -e " $verb" man.txt
    ok grep -qF -e "	$verb) options=" c.bash
    ok grep -qF -e "	$verb)" c.zsh
    ok grep -qF -e "-a $verb -d" c.fish
    for o in $(sed -n 's/^  *\(-[a-zA-Z], \)*--\([a-z-]*\).*/\2/p' by_help); do
        echo "$o" >>options
        ok grep -qF -e "--$o" man.txt
        ok sh -c "grep -F -e '	$verb) options=' c.bash | grep -qF -e '--$o '"
        ok sh -c "sed -n '/^	$verb)/,/;;/p' c.zsh | grep -qF -e '*--$o'"
        ok sh -c "grep -e ' -l $o ' c.fish | grep -qw -e '$verb'"
        # The parser knows it, too.
        run kvferry "$verb" "--$o"
        err_lacks 'unknown option'
    done
done
[ "$(sort -u options | wc -l)" -ge 30 ] || fail "only $(sort -u options | wc -l) options seen"

# bash really completes.
complete() {
    bash -c '. ./c.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kvferry
        printf "%s\n" "${COMPREPLY[@]}"' x "$@" 2>/dev/null | sort | tr '\n' ' '
}
got=$(complete kvferry mi)
[ "$got" = 'migrate ' ] || fail "completion of 'mi': $got"
got=$(complete kvferry import --re)
[ "$got" = '--replace ' ] || fail "completion of 'import --re': $got"
got=$(complete kvferry export --color '')
[ "$got" = 'always auto never ' ] || fail "completion of '--color ': $got"
got=$(complete kvferry help hist)
[ "$got" = 'history ' ] || fail "completion of 'help hist': $got"

# Every exit status of the help is in the manual.
for n in $(sed -n '/^Exit status/,/^$/s/^ *\([0-9][0-9]*\)  .*/\1/p' help); do
    ok grep -q "^.It $n\$" man.1
done

run kvferry --version
is 0
out_has 'kvferry 0.'
run kvferry version --json
is 0
json '.ok and .verb == "version" and (.result.version | startswith("0."))'
run kvferry help export --json
json '.ok and (.result.text | contains("kvferry export"))'
finish
