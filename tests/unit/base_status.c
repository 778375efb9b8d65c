/* Status codes, the error record, printing of bytes. */
#include "../support/test.h"

#include <errno.h>
#include <kvferry/base.h>
#include <string.h>

static void exit_statuses_are_those_of_the_manual(void **state)
{
	static const struct {
		enum kvf_status st;
		int exit;
	} want[] = {
		{ KVF_OK, 0 },
		{ KVF_EINTERNAL, 1 },
		{ KVF_EUSAGE, 2 },
		{ KVF_EDEFINITION, 3 },
		{ KVF_ESOURCE, 4 },
		{ KVF_ETARGET, 5 },
		{ KVF_ESTREAM, 6 },
		{ KVF_EVERSION, 7 },
		{ KVF_EBUSY, 8 },
		{ KVF_EUNFINISHED, 9 },
		{ KVF_PENDING, 10 },
		{ KVF_EMISMATCH, 11 },
		{ KVF_EDECISION, 12 },
		{ KVF_EPREFLIGHT, 13 },
		{ KVF_EREJECT, 64 },
		{ KVF_ECANCELLED, 80 },
		{ KVF_EINTERRUPTED, 130 },
		{ KVF_EOF, 0 },
		{ KVF_ETRUNC, 6 },
		{ KVF_ENOMEM, 1 },
		{ KVF_ENOTFOUND, 11 },
		{ (enum kvf_status)999, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(kvf_exit_status(want[i].st), want[i].exit);
}

static void every_status_has_a_word_of_its_own(void **state)
{
	static const enum kvf_status all[] = {
		KVF_OK,           KVF_EINTERNAL,   KVF_EUSAGE,  KVF_EDEFINITION,
		KVF_ESOURCE,      KVF_ETARGET,     KVF_ESTREAM, KVF_EVERSION,
		KVF_EBUSY,        KVF_EUNFINISHED, KVF_PENDING, KVF_EMISMATCH,
		KVF_EDECISION,    KVF_EPREFLIGHT,  KVF_EREJECT, KVF_ECANCELLED,
		KVF_EINTERRUPTED, KVF_EOF,         KVF_ETRUNC,  KVF_ENOMEM,
		KVF_ENOTFOUND,
	};
	const size_t n = sizeof(all) / sizeof(all[0]);
	size_t i, j;

	(void)state;
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			assert_string_not_equal(kvf_status_word(all[i]),
						kvf_status_word(all[j]));
	assert_string_equal(kvf_status_word((enum kvf_status)999), "internal");
}

static void an_error_is_filled_whole(void **state)
{
	struct kvf_err err;

	(void)state;
	memset(&err, 'x', sizeof(err));
	assert_int_equal(kvf_fail(&err, KVF_ESOURCE, "table %s is gone", "orders"),
			 KVF_ESOURCE);
	assert_int_equal(err.status, KVF_ESOURCE);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.code, "");
	assert_string_equal(err.message, "table orders is gone");
	assert_string_equal(err.detail, "");
	assert_string_equal(err.hint, "");
	kvf_err_detail(&err, "%s: nothing was changed", err.message);
	kvf_err_hint(&err, "Run it again.");
	assert_string_equal(err.detail, "table orders is gone: nothing was changed");
	assert_string_equal(err.hint, "Run it again.");
	kvf_err_clear(&err);
	assert_int_equal(err.status, KVF_OK);
	assert_string_equal(err.message, "");
}

static void an_error_may_be_made_from_itself(void **state)
{
	struct kvf_err err;

	(void)state;
	kvf_fail(&err, KVF_ESTREAM, "bad count");
	kvf_err_detail(&err, "first");
	kvf_err_detail(&err, "%s, second", err.detail);
	assert_string_equal(err.detail, "first, second");
	kvf_fail(&err, KVF_ETARGET, "cannot load: %s (%s)", err.message, err.detail);
	assert_string_equal(err.message, "cannot load: bad count (first, second)");
	assert_string_equal(err.detail, "");
}

static void an_errno_is_named_even_behind_a_long_message(void **state)
{
	char path[2000];
	struct kvf_err err;
	const char *end = ": No space left on device";

	(void)state;
	assert_int_equal(kvf_fail_errno(&err, KVF_ETARGET, ENOSPC, "cannot write %s", "x.kvf"),
			 KVF_ETARGET);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_string_equal(err.message, "cannot write x.kvf: No space left on device");
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	kvf_fail_errno(&err, KVF_ETARGET, ENOSPC, "cannot write %s", path);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
	assert_string_equal(err.message + strlen(err.message) - strlen(end), end);
}

static void a_long_message_is_cut_between_characters(void **state)
{
	char text[3000];
	struct kvf_err err;
	size_t i, pad;

	(void)state;
	for (pad = 0; pad < 3; pad++) {
		memset(text, 'x', pad);
		for (i = pad; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[i] = '\0';
		kvf_fail(&err, KVF_EUSAGE, "%s", text);
		assert_true(strlen(err.message) + 3 >= sizeof(err.message) - 1);
		assert_null(strchr(err.message, '?'));
		assert_memory_equal(err.message, text, strlen(err.message));
		assert_int_equal((strlen(err.message) - pad) % 3, 0);
	}
}

static void control_bytes_never_reach_a_message(void **state)
{
	struct kvf_err err;

	(void)state;
	kvf_fail(&err, KVF_ESOURCE, "no table \"%s\"",
		 "a\x1b[2Jb\r\nc\x7f\xc2\x9b"
		 "d\xff\xc3");
	assert_string_equal(err.message, "no table \"a?[2Jb??c???d??\"");
	kvf_err_detail(&err, "%s", "one\ntwo\x1b");
	assert_string_equal(err.detail, "one\ntwo?");
	kvf_err_hint(&err, "%s", "caf\xc3\xa9\a");
	assert_string_equal(err.hint, "caf\xc3\xa9?");
}

static void without_a_record_only_the_status_travels(void **state)
{
	(void)state;
	assert_int_equal(kvf_fail(NULL, KVF_EBUSY, "x"), KVF_EBUSY);
	assert_int_equal(kvf_fail_errno(NULL, KVF_ESOURCE, EIO, "x"), KVF_ESOURCE);
	assert_int_equal(kvf_fail_nomem(NULL), KVF_ENOMEM);
	kvf_err_detail(NULL, "x");
	kvf_err_hint(NULL, "x");
	kvf_err_clear(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_statuses_are_those_of_the_manual),
		cmocka_unit_test(every_status_has_a_word_of_its_own),
		cmocka_unit_test(an_error_is_filled_whole),
		cmocka_unit_test(an_error_may_be_made_from_itself),
		cmocka_unit_test(an_errno_is_named_even_behind_a_long_message),
		cmocka_unit_test(a_long_message_is_cut_between_characters),
		cmocka_unit_test(control_bytes_never_reach_a_message),
		cmocka_unit_test(without_a_record_only_the_status_travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
