# The conformance suite of sources, on PostgreSQL, and what only that source has.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
export CMOCKA_MESSAGE_OUTPUT=TAP
KVF_TEST_PG='dbname=postgres' "$TOP/$B/tests/conform/source" >out 2>err || die "the suite"
[ "$(grep -c '^ok ' out)" -ge 9 ] || die "too few tests ran"
KVF_TEST_PG='cockroachdb:dbname=postgres' "$TOP/$B/tests/conform/source" >out 2>err || die "CockroachDB's rules"
[ "$(grep -c '^ok ' out)" -ge 9 ] || die "too few tests ran"
KVF_TEST_PG='dbname=postgres' "$TOP/$B/tests/conform/source_postgres" >out 2>err || die "what only PostgreSQL has"
[ "$(grep -c '^ok ' out)" -ge 11 ] || die "too few tests ran"
KVF_TEST_PG='host=/nonexistent' "$TOP/$B/tests/conform/source" >out 2>&1 && die "no server, and all is well"
exit 0
