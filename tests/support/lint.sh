#!/bin/sh
# Everything that can be said of the code without running it: `make lint`.
# CFLAGS must hold what the code is compiled with.  Each step prints its name and
# what it found; the exit status is 1 if any found something.
set -u
cd "$(dirname "$0")/../.." || exit 1
sh tests/support/deps.sh lint || exit 1
CFLAGS=${CFLAGS:-}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

step() { # NAME: reads findings from stdin; runs in a subshell, hence the file
    cat >"$tmp/findings"
    if [ -s "$tmp/findings" ]; then
        : >"$tmp/found"; printf '%-16s FOUND\n' "$1"; sed 's/^/    /' "$tmp/findings"
    else
        printf '%-16s ok\n' "$1"
    fi
}
code() { git ls-files 'src/*.[ch]' 'include/*.h' 'tests/*.[ch]' 'samples/*.[ch]'; }
# Without comments and strings, each line with its file and number.
bare() {
    for f in "$@"; do
        sed -e 's/"\([^"\\]\|\\.\)*"/""/g' -e 's|/\*.*\*/||g' -e 's|^[ \t]*/\*.*||' -e 's|^ \*.*||' "$f" |
            awk -v f="$f" '{ print f ":" NR ": " $0 }'
    done
}
calls() { # REGEX of names; FILES on stdin
    # shellcheck disable=SC2046
    bare $(cat) | grep -E "(^|[^A-Za-z0-9_.>])($1)[ \t]*\(" || true
}

# Every header stands alone; the public ones in C++ too.
for h in $(git ls-files 'include/*.h' 'src/*.h'); do
    printf '#include "%s"\nstruct one;\n' "$PWD/$h" >"$tmp/one.c" # it may be macros alone
    # shellcheck disable=SC2086
    cc -Wall -Wextra -Wpedantic -Werror -Wno-unused-function $CFLAGS -fsyntax-only "$tmp/one.c" 2>&1 ||
        echo "$h does not compile alone"
done | step "headers, C"
for h in $(git ls-files 'include/*.h'); do
    echo "#include \"$PWD/$h\"" >"$tmp/one.cc"
    c++ -std=c++11 -Wall -Wextra -Werror -Iinclude -fsyntax-only "$tmp/one.cc" 2>&1 ||
        echo "$h does not compile as C++"
done | step "headers, C++"

{
    code | calls 'strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|gets|localtime|gmtime|asctime|ctime|setjmp|longjmp|sigsetjmp|alloca|mktemp|tmpnam'
    git ls-files 'src/*.[ch]' | calls 'system|popen|setlocale|signal'
    # A failpoint is there to end the process, and not in what users install.
    git ls-files 'src/*.[ch]' | grep -vE '^src/(cli/|base/failpoint\.c)' | calls 'printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|fputc|fopen|fdopen|fwrite|fread|fclose|perror|exit|_exit|_Exit|quick_exit|abort|isatty'
} | step "banned calls"

code | while read -r f; do
    n=$(wc -l <"$f")
    case $f in tests/*) most=800;; *) most=600;; esac
    [ "$n" -le "$most" ] || echo "$f: $n lines; over $most is two files"
done | step "long files"

code | xargs grep -nE '\b(TODO|FIXME|XXX:)' | step "unfinished"

# shellcheck disable=SC2046
git ls-files '*.c' '*.h' '*.sh' '*.md' '*.yaml' '*.py' '*.sql' Makefile 'docs/man/*' src/LAYERS |
    xargs grep -nE '[ 	]+$' |
    grep -v '^tests/integration/pg_types.sh:[0-9]*:char(3)|' | # a value of three blanks
    cut -c1-120 | step "trailing blanks"

code | xargs clang-format --dry-run 2>&1 | sed -n 's/^\([^:]*\):[0-9:]* warning:.*/\1/p' | uniq -c |
    sed 's/^ *\([0-9]*\) \(.*\)/\2: \1 places; make fmt/' | step "clang-format"

# One process per file: several files at once give false reports of va_list.
cat >"$tmp/tidy" <<'X'
f=$1
flags="-include tests/support/analyzer.h"
case $f in src/base/status.c|tests/support/preload/*) flags=;; esac
clang-tidy --quiet "$f" -- $CFLAGS $flags -Wno-unknown-warning-option 2>/dev/null | grep -v '^$'
X
export CFLAGS
mkdir -p build
code | grep '\.c$' | xargs -P 2 -n 1 sh "$tmp/tidy" >build/clang-tidy.log
{
    grep -E '(error|warning):' build/clang-tidy.log | sed "s|^$PWD/||" | sort -u
} | step "clang-tidy"
[ ! -s build/clang-tidy.log ] || echo "                 how it comes to that: build/clang-tidy.log"

# Left out: what it says of variables that a function of another file fills.
# shellcheck disable=SC2046
cppcheck --std=c11 --enable=warning,performance,portability --inline-suppr --quiet -j 2 \
    --suppress=missingIncludeSystem --suppress=legacyUninitvar --suppress=uninitStructMember -Iinclude -Isrc -D__GNUC__=12 '-DKVF_VERSION="x"' \
    '--template={file}:{line}: {severity}: {message} [{id}]' \
    $(git ls-files 'src/*.c' 'samples/*.c') 2>&1 | step "cppcheck"

for m in $(git ls-files 'docs/man/*.[1-9]'); do
    mandoc -Tlint -W warning "$m"
done 2>&1 | step "manuals"

{
    for s in $(git ls-files '*.sh'); do sh -n "$s" 2>&1; done
    for s in $(git ls-files .ci/run '*.bash'); do bash -n "$s" 2>&1; done
    for s in $(git ls-files '*.py'); do
        /usr/bin/python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$s" 2>&1
    done
} | step "scripts"

# [text](path#anchor): the path exists, seen from the file.
git ls-files '*.md' | while read -r f; do
    sed '/^```/,/^```/d' "$f" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//; s/#.*//; s/ .*//' |
        grep -vE '^$|^[a-z]+:' | while read -r to; do
            [ -e "$(dirname "$f")/$to" ] || echo "$f: no such file: $to"
        done
done | step "links"

[ ! -e "$tmp/found" ]
