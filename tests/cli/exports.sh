# The shared library exports exactly what the public headers declare.
. "$TOP/tests/support/cli.sh"

ran='nm -D libkvferry.so.0'
cat "$TOP"/include/kvferry/*.h | tr '\n' ' ' | grep -oE 'KVF_API[^;]*;' |
    grep -oE 'kvf_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u >declared
nm -D --defined-only "$TOP/$B/libkvferry.so.0" | awk '$2 ~ /[A-Z]/ { print $3 }' | grep '^kvf_' | sort >out
[ "$(wc -l <declared)" -gt 100 ] || fail "only $(wc -l <declared) functions were found in the headers"
out <declared
finish
