# A stream from a stranger, restored to PostgreSQL by a superuser, changes nothing but its own table.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
export CMOCKA_MESSAGE_OUTPUT=TAP
KVF_TEST_POSTGRES='dbname=postgres' "$TOP/$B/tests/conform/restore_postgres" >out 2>err || die "hostile streams"
[ "$(grep -c '^ok ' out)" -ge 7 ] || die "too few tests ran"
