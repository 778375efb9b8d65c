/* Places, owners, run ids, reports: the small parts that the verbs stand on. */
#include "migrate/ledger.h"
#include "migrate/run.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct kvf_place parse(const char *text, enum kvf_status want)
{
	struct kvf_place p;
	struct kvf_err err;

	kvf_err_clear(&err);
	assert_int_equal(kvf_place_parse(text, &p, &err), want);
	assert_int_equal(err.status, want);
	assert_true(!want == !err.message[0]);
	return p;
}

static void a_place_is_a_stream_a_pipe_or_a_database(void **state)
{
	struct kvf_place p = parse("sqlite:/srv/a b.db", KVF_OK);

	(void)state;
	assert_int_equal(p.kind, KVF_PLACE_DATABASE);
	assert_string_equal(p.scheme, "sqlite");
	assert_string_equal(p.rest, "/srv/a b.db");
	assert_false(p.tables);
	p = parse("tables:sqlite:x.kvf", KVF_OK);
	assert_true(p.tables);
	assert_string_equal(p.text, "sqlite:x.kvf");
	assert_string_equal(p.rest, "x.kvf");
	assert_int_equal(parse("-", KVF_OK).kind, KVF_PLACE_STDIO);
	assert_int_equal(parse("dir/x.kvf", KVF_OK).kind, KVF_PLACE_STREAM);
	assert_int_equal(parse("/dev/full", KVF_OK).kind, KVF_PLACE_STREAM);
	assert_string_equal(parse("postgresql://u@h/db", KVF_OK).scheme, "postgresql");
	p = parse("service=legacy", KVF_OK);
	assert_int_equal(p.kind, KVF_PLACE_DATABASE);
	assert_string_equal(p.scheme, "postgresql");
	assert_string_equal(p.rest, "service=legacy");
	assert_string_equal(parse("host = /tmp dbname=x.kvf", KVF_OK).scheme, "postgresql");
	assert_string_equal(parse("tables:sslmode=require", KVF_OK).scheme, "postgresql");
	assert_int_equal(parse("run=1.kvf", KVF_OK).kind, KVF_PLACE_STREAM);
}

static void what_is_no_place_is_a_usage_error_with_a_way_out(void **state)
{
	static const char *const bad[] = { "",        "shop",     "shop.db",      ".kvf",
					   "sqlite:", "tables:-", "tables:x.kvf", "tables:",
					   "x.kvf/" };
	struct kvf_place p;
	struct kvf_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		parse(bad[i], KVF_EUSAGE);
	kvf_err_clear(&err);
	assert_int_equal(kvf_place_parse("shop.db", &p, &err), KVF_EUSAGE);
	assert_non_null(strstr(err.hint, "sqlite:shop.db"));
}

static struct kvf_control own_control(void)
{
	struct kvf_control c;

	memset(&c, 0, sizeof(c));
	c.state = KVF_RUN_STAGING;
	c.pid = getpid();
	c.pid_start = kvf_pid_start(getpid());
	c.beat = kvf_now_us();
	c.lease = 60;
	gethostname(c.host, sizeof(c.host) - 1);
	return c;
}

static void an_owner_is_alive_while_its_process_is(void **state)
{
	struct kvf_control c = own_control();

	(void)state;
	assert_true(c.pid_start > 0);
	assert_true(kvf_owner_alive(&c));
	c.state = KVF_RUN_SEALED;
	assert_true(kvf_owner_alive(&c));
	c.state = KVF_RUN_LIVE;
	assert_false(kvf_owner_alive(&c));
}

static void a_process_id_that_was_given_anew_is_not_the_owner(void **state)
{
	struct kvf_control c = own_control();

	(void)state;
	c.pid_start--;
	assert_false(kvf_owner_alive(&c));
	c = own_control();
	c.pid = 0x7ffffff0; /* above any pid_max */
	assert_false(kvf_owner_alive(&c));
}

static void an_owner_elsewhere_is_believed_until_it_lets_go(void **state)
{
	struct kvf_control c = own_control();

	(void)state;
	snprintf(c.host, sizeof(c.host), "another.example");
	c.pid = 1;
	assert_true(kvf_owner_alive(&c));
	c.beat -= INT64_C(3600) * 1000000; /* clocks of two hosts are not compared */
	assert_true(kvf_owner_alive(&c));
	c.lease = 0;
	assert_false(kvf_owner_alive(&c));
}

static void run_ids_differ(void **state)
{
	char a[64], b[64];

	(void)state;
	kvf_run_id(a, sizeof(a));
	kvf_run_id(b, sizeof(b));
	assert_int_equal(strlen(a), strlen("20261120T091703Z-0123abcd"));
	assert_string_not_equal(a, b);
}

static void times_are_printed_in_utc(void **state)
{
	char text[32];

	(void)state;
	kvf_time_text(INT64_C(1700000000123456), text, sizeof(text));
	assert_string_equal(text, "2023-11-14 22:13:20 UTC");
}

static void the_scratch_folder_is_the_target_s(void **state)
{
	const struct kvf_env env = { .scratch = "/var/scratch" };
	char buf[64];

	(void)state;
	assert_string_equal(kvf_scratch_dir("sqlite:/srv/x/s.db", &env, buf, sizeof(buf)),
			    "/srv/x");
	assert_string_equal(kvf_scratch_dir("/x.kvf", &env, buf, sizeof(buf)), "/");
	assert_string_equal(kvf_scratch_dir("x.kvf", &env, buf, sizeof(buf)), ".");
	assert_string_equal(kvf_scratch_dir("/dev/null", &env, buf, sizeof(buf)),
			    "/var/scratch");
	assert_string_equal(kvf_scratch_dir("-", &env, buf, sizeof(buf)), "/var/scratch");
	assert_string_equal(kvf_scratch_dir("-", NULL, buf, sizeof(buf)), "/tmp");
}

static void warnings_are_kept_in_order(void **state)
{
	struct kvf_report r;
	struct kvf_err err;
	int i;

	(void)state;
	assert_int_equal(kvf_report_init(&r, &err), KVF_OK);
	for (i = 0; i < 100; i++)
		kvf_report_warn(&r, "warning %d", i);
	assert_int_equal(r.nwarnings, 100);
	assert_string_equal(r.warnings[0], "warning 0");
	assert_string_equal(r.warnings[99], "warning 99");
	kvf_report_free(&r);
	kvf_report_free(&r); /* twice is no harm */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_a_stream_a_pipe_or_a_database),
		cmocka_unit_test(what_is_no_place_is_a_usage_error_with_a_way_out),
		cmocka_unit_test(an_owner_is_alive_while_its_process_is),
		cmocka_unit_test(a_process_id_that_was_given_anew_is_not_the_owner),
		cmocka_unit_test(an_owner_elsewhere_is_believed_until_it_lets_go),
		cmocka_unit_test(run_ids_differ),
		cmocka_unit_test(times_are_printed_in_utc),
		cmocka_unit_test(the_scratch_folder_is_the_target_s),
		cmocka_unit_test(warnings_are_kept_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
