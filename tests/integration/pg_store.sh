#!/bin/sh
# The conformance suites for stores on PostgreSQL, plain and partitioned, and
# what only this store has (tests/conform/store_postgres.c).
set -u
. "$TOP/tests/support/pgtmp.sh"
pg_start "max_connections = 40"
KVF_TEST_POSTGRES=1 CMOCKA_MESSAGE_OUTPUT=TAP; export KVF_TEST_POSTGRES CMOCKA_MESSAGE_OUTPUT
failed=0
for suite in store store_protocol store_resume store_back store_early store_postgres thaw; do
    "$TOP/$B/tests/conform/$suite" >"$suite.log" 2>&1 && ! grep -q '^not ok' "$suite.log" ||
        { failed=1; echo "$suite:"; cat "$suite.log"; }
    grep -q '^ok ' "$suite.log" || { failed=1; echo "$suite ran no test"; }
done
exit $failed
