# Command lines that make no sense are refused with exit 2, before anything is
# opened, and say what would make sense.
. "$TOP/tests/support/cli.sh"

run kvferry
is 2
out </dev/null
err <<'END'
kvferry: a verb is missing
next: kvferry help
END

run kvferry improt x.kvf sqlite:y.db
is 2
err <<'END'
kvferry: unknown verb 'improt'
next: did you mean kvferry import?
END

run kvferry frobnicate
is 2
err <<'END'
kvferry: unknown verb 'frobnicate'
next: kvferry help
END

# What does not exist yet is not there: no half verbs.
for verb in recover repair; do
    run kvferry $verb sqlite:x.db
    is 2
    err_has "unknown verb '$verb'"
done

run kvferry export
is 2
err <<'END'
kvferry: export: SOURCE is missing
  usage: kvferry export [OPTION...] SOURCE STREAM
next: for example: kvferry export sqlite:shop.db shop.kvf
END

run kvferry export sqlite:shop.db
is 2
err_has 'export: STREAM is missing'

run kvferry status sqlite:a.db b
is 2
err <<'END'
kvferry: status: one operand too many: 'b'
  usage: kvferry status [OPTION...] STORE
next: kvferry help status
END

# A database says nothing of itself that it could be compared with.
run kvferry verify sqlite:a.db
is 2
err <<'END'
kvferry: there is nothing to compare 'sqlite:a.db' with
  A stream can be verified alone, a database only against another place. Nothing was read.
next: kvferry verify FILE.kvf sqlite:a.db compares it with a stream; kvferry status sqlite:a.db says where a store stands.
END

run kvferry export --tabel x sqlite:a.db b.kvf
is 2
err <<'END'
kvferry: unknown option --tabel for export
next: did you mean --table?
END

# An option of another verb is not one of this verb.
run kvferry status --replace sqlite:a.db
is 2
err_has 'unknown option --replace for status'

run kvferry export -Z sqlite:a.db b.kvf
is 2
err <<'END'
kvferry: unknown option -Z for export
next: kvferry help export
END

run kvferry export --level sqlite:a.db b.kvf
is 2
err_has "--level: 'sqlite:a.db' is not a number from -7 to 19"
run kvferry export sqlite:a.db b.kvf --level
is 2
err_has '--level needs a value: N'
run kvferry export sqlite:a.db b.kvf --level 20
is 2
run kvferry export sqlite:a.db b.kvf --level=
is 2
run kvferry export sqlite:a.db b.kvf --chunk 1K
is 2
err_has "--chunk: '1K' is not a size that is allowed here"
run kvferry export sqlite:a.db b.kvf --chunk 12X
is 2
run kvferry export sqlite:a.db b.kvf -j 0
is 2
run kvferry export sqlite:a.db b.kvf --memory lots
is 2
run kvferry export sqlite:a.db b.kvf --overwrite=yes
is 2
err_has '--overwrite takes no value'
run kvferry import a.kvf sqlite:b.db --replace --merge
is 2
err_has '--replace and --merge exclude each other'
run kvferry verify a.kvf sqlite:b.db --quick --entries
is 2
run kvferry import a.kvf sqlite:b.db --expect-root 12
is 2
err_has "--expect-root: '12' is not 64 hex digits"
run kvferry version --color sometimes
is 2
err <<'END'
kvferry: --color: 'sometimes' is not a colour rule
next: one of: auto always never
END
run kvferry completion tcsh
is 2
err_has 'bash, zsh or fish'
run kvferry help improt
is 2
err_has 'did you mean kvferry help import?'

# Options stand anywhere; -- ends them; both spellings of a value.
run kvferry --color=never version
is 0
run kvferry version --color never
is 0
run kvferry -- version
is 0
run kvferry version -- --color
is 2
err_has "one operand too many: '--color'"
run kvferry export --json -- --json
is 2
json '.error.message == "export: STREAM is missing"'

# What is no place.
run kvferry export shop.db out.kvf
is 2
err_has 'sqlite:shop.db'
run kvferry export sqlite: out.kvf
is 2
run kvferry verify - -
is 2
err_has "only one of A and B can be '-'"
run kvferry info sqlite:x.db
is 2
err_has 'kvferry status sqlite:x.db'
run kvferry get x.kvf hex:1 k
is 2
err_has 'an even number of hex digits'
run kvferry get x.kvf @missing k
is 2

run kvferry export shop.db x.kvf
is 2
err_has "'shop.db' names no source of tables"
err_has 'write sqlite:shop.db'
run kvferry export --manifest - sqlite:shop.db x.kvf
is 2
err <<'END'
kvferry: --manifest: '-' is not a file's path
END

# Nothing was made on the way.
rm -f out err wanted ok.log
run ls -A
out <<'END'
err
out
END
finish
