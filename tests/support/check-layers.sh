#!/bin/sh
# Every #include "module/..." and <kvferry/...> must be allowed by src/LAYERS.
set -u
bad=0
module_of() {
    case $1 in
    base.h|package.h) echo base;; io.h) echo io;; stream.h) echo stream;; source.h) echo source;;
    store.h) echo store;; formats.h) echo formats;; migrate.h|kvferry.h) echo migrate;; *) echo "?$1";;
    esac
}
for f in src/*/*.c src/*/*.h; do
    m=${f#src/}; m=${m%%/*}
    allowed=" $m $(sed -n "s/^$m://p" src/LAYERS) "
    for inc in $(sed -n 's/^[ \t]*#[ \t]*include[ \t]*[<"]\([^>"]*\)[>"].*/\1/p' "$f"); do
        case $inc in
        kvferry/*) to=$(module_of "${inc#kvferry/}");;
        base/*|io/*|par/*|pg/*|value/*|sort/*|stream/*|source/*|store/*|formats/*|restore/*|migrate/*|cli/*) to=${inc%%/*};;
        *) continue;;
        esac
        case $allowed in *" $to "*) ;; *) echo "$f: $m may not include $inc ($to)"; bad=1;; esac
    done
done
exit $bad
