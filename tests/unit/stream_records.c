/* The msgpack profile, head and begin records, kinds, shapes of tables. */
#include "../support/test.h"

#include "stream/record.h"

#include <stdlib.h>
#include <string.h>

/* ---- the profile -------------------------------------------------------------- */

static void numbers_and_lengths_have_one_form(void **state)
{
	static const uint64_t values[] = { 0,          1,           0x7f,      0x80,
					   0xff,       0x100,       0xffff,    0x10000,
					   0xffffffff, 0x100000000, UINT64_MAX };
	struct kvf_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct kvf_buf b;
		struct kvf_mpw w = { &b, KVF_OK, &err };
		struct kvf_mp m;
		uint64_t v;

		kvf_buf_init(&b, 100);
		kvf_mpw_uint(&w, values[i]);
		m = kvf_mp_over(b.ptr, b.len);
		assert_true(kvf_mp_uint(&m, &v));
		assert_true(v == values[i] && m.at == m.end);
		m = kvf_mp_over(b.ptr, b.len - 1);
		assert_false(kvf_mp_uint(&m, &v));
		kvf_buf_release(&b);
	}
}

struct bad {
	const char *bytes;
	size_t len;
};
#define BAD(s)                                                                                 \
	{                                                                                      \
		s, sizeof(s) - 1                                                               \
	}

static void other_forms_are_refused(void **state)
{
	static const struct bad bad[] = {
		BAD("\xcc\x7f"),
		BAD("\xcd\x00\xff"),
		BAD("\xce\x00\x00\xff\xff"),
		BAD("\xcf\x00\x00\x00\x00\xff\xff\xff\xff"),
		BAD("\xc5\x00\x01x"),
		BAD("\xc6\x00\x00\x00\x01x"),
		BAD("\xd9\x01x"),
		BAD("\xda\x00\x01x"),
		BAD("\xdc\x00\x01\x00"),
		BAD("\xdd\x00\x00\x00\x01\x00"),
		BAD("\xdb\x00\x00\x00\x01x"),
		BAD("\xdf\x00\x00\x00\x00"),
		BAD("\xde\x00\x00"),
		BAD("\xc0"),
		BAD("\xc1"),
		BAD("\xc2"),
		BAD("\xc3"),
		BAD("\xff"),
		BAD("\xd0\x01"),
		BAD("\xd3\0\0\0\0\0\0\0\1"),
		BAD("\xca\0\0\0\0"),
		BAD("\xcb\0\0\0\0\0\0\0\0"),
		BAD("\xd4\1x"),
		BAD("\xc7\1\1x"),
		BAD("\xa1\xff"),
		BAD("\xa2\xc0\x80"),
		BAD("\xa3\xed\xa0\x80"),
		BAD("\xa2x"),
		BAD("\xc4\x05xxxx"),
		BAD("\xc6\xff\xff\xff\xffxxx"),
		BAD("\xdc\xff\xffx"),
		BAD("\x82\xa1"
		    "b\x01\xa1"
		    "a\x01"),
		BAD("\x82\xa1"
		    "a\x01\xa1"
		    "a\x01"),
		BAD("\x81\x01\x01"),
		BAD("\x91\x91\x91\x91\x91\x91\x01"),
		BAD(""),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kvf_mp m = kvf_mp_over((const uint8_t *)bad[i].bytes, bad[i].len);

		if (kvf_mp_skip(&m, 0))
			fail_msg("form %zu was read", i);
		assert_non_null(m.bad);
		/* A failure is sticky. */
		assert_false(kvf_mp_skip(&m, 0));
	}
}

static void five_containers_may_be_open(void **state)
{
	struct kvf_mp m = kvf_mp_over((const uint8_t *)"\x91\x91\x91\x91\x91\x01", 6);

	(void)state;
	assert_true(kvf_mp_skip(&m, 0));
	m = kvf_mp_over((const uint8_t *)"\x91\x91\x91\x91\x01", 5);
	assert_true(kvf_mp_skip(&m, 1));
	m = kvf_mp_over((const uint8_t *)"\x91\x91\x91\x91\x91\x01", 6);
	assert_false(kvf_mp_skip(&m, 1));
}

static void a_scan_in_slices_finds_the_same_end(void **state)
{
	static const uint8_t object[] = "\x82\xa1"
					"a\x93\xc4\x03xyz\xcd\x12\x34\xa3"
					"abc\xa1"
					"b\x91\x91\x05\x93";
	size_t whole = sizeof(object) - 2, slice, len;

	(void)state;
	for (slice = 1; slice < sizeof(object); slice++) {
		struct kvf_mp_scan s = { { 0 }, 0 };
		enum kvf_mp_seen seen = KVF_MP_MORE;
		const char *why;
		size_t pos = 0;

		for (len = slice; seen == KVF_MP_MORE; len += slice) {
			if (len > whole + 1)
				len = whole + 1;
			seen = kvf_mp_scan(&s, object, len, &pos, 1000, &why);
		}
		assert_int_equal(seen, KVF_MP_DONE);
		assert_int_equal(pos, whole);
	}
}

static void a_scan_refuses_what_leads_beyond_its_cap(void **state)
{
	static const struct bad bad[] = {
		BAD("\xc6\xff\xff\xff\xff"), BAD("\xdc\xff\xff"),
		BAD("\xdd\xff\xff\xff\xff"), BAD("\xc1"),
		BAD("\xda\xff\xff"),         BAD("\x91\x91\x91\x91\x91\x91")
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kvf_mp_scan s = { { 0 }, 0 };
		const char *why = NULL;
		size_t pos = 0;

		assert_int_equal(kvf_mp_scan(&s, (const uint8_t *)bad[i].bytes, bad[i].len,
					     &pos, 1000, &why),
				 KVF_MP_BAD);
		assert_non_null(why);
	}
}

/* ---- head ------------------------------------------------------------------------ */

static void a_head_comes_back_as_it_was(void **state)
{
	static const struct kvf_pair args[] = { { "as_of", "2026-01-01" },
						{ "filter", "a\nb" } };
	static const char *const packages[] = { "a", "b.c-d_9" }, *const features[] = {
		"partial"
	};
	struct kvf_head h = { .app = "lakefs",
			      .from = 38,
			      .schema = UINT64_MAX,
			      .minor = 7,
			      .chunk = 1 << 20,
			      .lim = { 1024, 4096, 1000, 2000000 },
			      .args = args,
			      .nargs = 2,
			      .packages = packages,
			      .npackages = 2,
			      .features = features,
			      .nfeatures = 1,
			      .has_nonce = 1 };
	struct kvf_head *back;
	struct kvf_buf b;
	struct kvf_err err;

	(void)state;
	memset(h.nonce, 0xab, sizeof(h.nonce));
	kvf_buf_init(&b, KVF_CONTROL_MAX);
	assert_int_equal(kvf_write_head(&b, &h, &err), KVF_OK);
	assert_int_equal(kvf_head_parse(kvf_buf_bytes(&b), &back, &err), KVF_OK);
	assert_string_equal(back->app, "lakefs");
	assert_true(back->from == 38 && back->schema == UINT64_MAX && back->minor == 7);
	assert_true(back->chunk == h.chunk && memcmp(&back->lim, &h.lim, sizeof(h.lim)) == 0);
	assert_int_equal(back->nargs, 2);
	assert_string_equal(back->args[1].value, "a\nb");
	assert_int_equal(back->npackages, 2);
	assert_string_equal(back->packages[1], "b.c-d_9");
	assert_string_equal(back->features[0], "partial");
	assert_true(back->has_nonce);
	assert_memory_equal(back->nonce, h.nonce, 16);
	assert_int_equal(back->version_key.len, 0);
	kvf_head_free(back);
	kvf_head_free(NULL);
	kvf_buf_release(&b);
}

static void a_version_record_comes_back_as_it_was(void **state)
{
	static const uint8_t odd[256] = { 0, 0xff, '\n' };
	struct kvf_head h = { .app = "x",
			      .chunk = 4096,
			      .lim = { 1, 1, 1, 100000 },
			      .version_part = { odd, 256 },
			      .version_key = { odd, 3 },
			      .version_done = { odd + 1, 1 } };
	struct kvf_head *back;
	struct kvf_buf b;
	struct kvf_err err;
	uint8_t *at;

	(void)state;
	kvf_buf_init(&b, KVF_CONTROL_MAX);
	assert_int_equal(kvf_write_head(&b, &h, &err), KVF_OK);
	assert_int_equal(kvf_head_parse(kvf_buf_bytes(&b), &back, &err), KVF_OK);
	assert_int_equal(kvf_bytes_cmp(back->version_part, h.version_part), 0);
	assert_int_equal(kvf_bytes_cmp(back->version_key, h.version_key), 0);
	assert_int_equal(back->version_started.len, 0);
	assert_int_equal(kvf_bytes_cmp(back->version_done, h.version_done), 0);
	kvf_head_free(back);
	at = memmem(b.ptr, b.len, "vrec", 4);
	assert_non_null(at);
	at[4] = 0x93; /* an array of three, and something behind it */
	assert_int_equal(kvf_head_parse(kvf_buf_bytes(&b), &back, &err), KVF_ESTREAM);
	h.version_part.len = 257;
	assert_int_equal(kvf_write_head(&b, &h, &err), KVF_EDEFINITION);
	kvf_buf_release(&b);
}

static void heads_that_break_a_rule_are_not_written(void **state)
{
	static const char *const twice[] = { "a", "a" }, *const path[] = { "../a" },
				 *const large[] = { "A" }, *const good[] = { "a" };
	static const struct kvf_pair unsorted[] = { { "b", "" }, { "a", "" } };
	const struct kvf_head ok = { .app = "x",
				     .chunk = 4096,
				     .packages = good,
				     .npackages = 1,
				     .lim = { 1, 1, 1, 100000 } };
	struct kvf_head h[9];
	struct kvf_buf b;
	struct kvf_err err;
	size_t i;

	(void)state;
	for (i = 0; i < 9; i++)
		h[i] = ok;
	h[0].packages = twice;
	h[0].npackages = 2;
	h[1].packages = path;
	h[2].packages = large;
	h[3].chunk = 4095;
	h[4].chunk = (16u << 20) + 1;
	h[5].args = unsorted;
	h[5].nargs = 2;
	h[6].app = "esc\x1b";
	h[7].lim.unit = 4096;
	h[8].lim.key = 65536;
	kvf_buf_init(&b, KVF_CONTROL_MAX);
	assert_int_equal(kvf_write_head(&b, &ok, &err), KVF_OK);
	for (i = 0; i < 9; i++)
		assert_int_equal(kvf_write_head(&b, &h[i], &err), KVF_EDEFINITION);
	kvf_buf_release(&b);
}

/* ---- begin ----------------------------------------------------------------------- */

static struct kvf_bytes bytes(const char *s)
{
	return kvf_bytes_str(s);
}

struct sample {
	struct kvf_begin begin;
	struct kvf_bytes part[1], key[2];
	struct kvf_kind kinds[2];
	struct kvf_field f0[3], f1[1];
	struct kvf_message messages[2];
	struct kvf_column columns[3];
	uint32_t key_columns[2], unique_columns[1];
	struct kvf_unique unique[1];
	struct kvf_ddl ddl[2];
	struct kvf_table table;
};

static const char *const sources[] = { "Order Details", "caf\xe9" };

static void make_sample(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->part[0] = bytes("auth");
	s->key[0] = bytes("policies/");
	s->key[1] = bytes("");
	s->kinds[0] = (struct kvf_kind){ "policy",     1, KVF_PROTOBUF, 0, { s->part, 1 },
					 { s->key, 2 } };
	s->kinds[1] =
		(struct kvf_kind){ "rest", 2, KVF_JSON, 0, { s->part, 1 }, { s->key + 1, 1 } };
	s->f0[0] = (struct kvf_field){ 1, "at", "timestamp", -1 };
	s->f0[1] = (struct kvf_field){ 2, "st", "repeated message", 1 };
	s->f0[2] = (struct kvf_field){ (1u << 29) - 1, "m", "map<string,message>", 0 };
	s->f1[0] = (struct kvf_field){ 1, "e", "map<int32,string>", -1 };
	s->messages[0] = (struct kvf_message){ "PolicyData", s->f0, 3 };
	s->messages[1] = (struct kvf_message){ "Statement", s->f1, 1 };
	s->columns[0] = (struct kvf_column){ "id", "INTEGER", KVF_COLUMN_NOTNULL };
	s->columns[1] = (struct kvf_column){ "weird \"name\"\xff", "", 0 };
	s->columns[2] =
		(struct kvf_column){ "g", "TEXT", KVF_COLUMN_GENERATED | KVF_COLUMN_STORED };
	s->key_columns[0] = 2;
	s->unique_columns[0] = 1;
	s->unique[0] = (struct kvf_unique){ s->unique_columns, 1, 1, 1 };
	s->ddl[0] = (struct kvf_ddl){ "table", "t", "CREATE TABLE t (...)" };
	s->ddl[1] = (struct kvf_ddl){ "index", "i", "CREATE INDEX i ON t (\xff)" };
	s->table = (struct kvf_table){ "Order Details",
				       "sqlite",
				       KVF_TABLE_STRICT,
				       s->columns,
				       3,
				       s->key_columns,
				       2,
				       s->unique,
				       1,
				       s->ddl,
				       2,
				       5,
				       6,
				       1 };
	s->begin = (struct kvf_begin){ 1, "auth",      3, sources,   2, s->kinds,
				       2, s->messages, 2, &s->table, 1 };
}

static void a_begin_record_keeps_all_that_a_restore_needs(void **state)
{
	struct kvf_begin *b;
	struct sample s;
	struct kvf_buf buf;
	struct kvf_err err;
	const struct kvf_table *t;

	(void)state;
	make_sample(&s);
	kvf_buf_init(&buf, KVF_CONTROL_MAX);
	assert_int_equal(kvf_write_begin(&buf, &s.begin, &err), KVF_OK);
	assert_int_equal(kvf_begin_parse(kvf_buf_bytes(&buf), &b, &err), KVF_OK);
	assert_true(b->n == 1 && b->rev == 3 && strcmp(b->name, "auth") == 0);
	assert_int_equal(b->nsources, 2);
	assert_string_equal(b->sources[1], sources[1]);
	assert_int_equal(b->nkinds, 2);
	assert_true(b->kinds[0].enc == KVF_PROTOBUF && b->kinds[0].msg == 0);
	assert_true(b->kinds[1].enc == KVF_JSON && b->kinds[1].rev == 2);
	assert_int_equal(kvf_bytes_cmp(b->kinds[0].key.pieces[0], s.key[0]), 0);
	assert_int_equal(b->messages[0].nfields, 3);
	assert_true(b->messages[0].fields[1].ref == 1 && b->messages[0].fields[0].ref == -1);
	assert_string_equal(b->messages[0].fields[2].type, "map<string,message>");
	assert_int_equal(b->ntables, 1);
	t = &b->tables[0];
	assert_string_equal(t->name, "Order Details");
	assert_string_equal(t->dialect, "sqlite");
	assert_int_equal(t->flags, KVF_TABLE_STRICT);
	assert_int_equal(t->ncolumns, 3);
	assert_string_equal(t->columns[1].name, s.columns[1].name);
	assert_string_equal(t->columns[0].type, "INTEGER");
	assert_int_equal(t->columns[2].flags, KVF_COLUMN_GENERATED | KVF_COLUMN_STORED);
	assert_int_equal(t->nkey, 2);
	assert_true(t->key[0] == 2 && t->key[1] == 0);
	assert_true(t->nunique == 1 && t->unique[0].columns[0] == 1 && t->unique[0].nullable &&
		    t->unique[0].partial);
	assert_int_equal(t->nddl, 2);
	assert_string_equal(t->ddl[1].kind, "index");
	assert_string_equal(t->ddl[1].sql, s.ddl[1].sql);
	assert_true(t->rows == UINT64_MAX && t->bytes == UINT64_MAX);
	kvf_begin_free(b);
	kvf_begin_free(NULL);
	kvf_buf_release(&buf);
}

static void no_changed_byte_of_a_record_breaks_the_parser(void **state)
{
	struct kvf_begin *b;
	struct sample s;
	struct kvf_buf buf;
	struct kvf_err err;
	size_t i, len;
	unsigned v, read = 0;
	uint8_t old, *exact;

	(void)state;
	make_sample(&s);
	kvf_buf_init(&buf, KVF_CONTROL_MAX);
	assert_int_equal(kvf_write_begin(&buf, &s.begin, &err), KVF_OK);
	for (len = 0; len < buf.len; len++) { /* in a block of its own: no byte beyond */
		struct kvf_bytes cut;

		exact = malloc(len ? len : 1);
		assert_non_null(exact);
		memcpy(exact, buf.ptr, len);
		cut.ptr = exact;
		cut.len = len;
		assert_int_equal(kvf_begin_parse(cut, &b, &err), KVF_ESTREAM);
		free(exact);
	}
	for (i = 0; i < buf.len; i++) {
		old = buf.ptr[i];
		for (v = 0; v < 256; v++) {
			buf.ptr[i] = (uint8_t)v;
			if (kvf_begin_parse(kvf_buf_bytes(&buf), &b, &err) == KVF_OK)
				read++;
			else
				assert_true(err.message[0]);
			kvf_begin_free(b);
		}
		buf.ptr[i] = old;
	}
	assert_true(read > buf.len); /* many bytes are names: any letter will do */
	kvf_buf_release(&buf);
}

static void begin_records_that_break_a_rule_are_not_written(void **state)
{
	struct kvf_bytes nine[9] = { { NULL, 0 } };
	struct kvf_buf buf;
	struct kvf_err err;
	struct sample s;
	int i;

	(void)state;
	kvf_buf_init(&buf, KVF_CONTROL_MAX);
	for (i = 0; i < 14; i++) {
		make_sample(&s);
		switch (i) {
		case 0: s.begin.name = "Auth"; break;
		case 1: s.kinds[0].msg = 2; break;
		case 2: s.kinds[0].name = ""; break;
		case 3: s.kinds[0].name = "a\nb"; break;
		case 4: s.kinds[0].key = (struct kvf_pattern){ nine, 9 }; break;
		case 5: s.kinds[0].key.npieces = 0; break;
		case 6: s.f0[1].number = 1; break;
		case 7: s.f0[0].number = 0; break;
		case 8: s.f0[2].number = 1u << 29; break;
		case 9: s.f0[1].ref = 2; break;
		case 10: s.f0[1].ref = -1; break;
		case 11: s.f0[0].type = "map<string,nothing>"; break;
		case 12: s.key_columns[0] = 3; break;
		case 13: s.unique_columns[0] = 3; break;
		}
		if (kvf_write_begin(&buf, &s.begin, &err) != KVF_EDEFINITION)
			fail_msg("case %d", i);
	}
	kvf_buf_release(&buf);
}

static void keys_that_begin_with_an_underscore_are_passed_over(void **state)
{
	/* {"$":"tail","_x":[{"a":1}],"b":0,"c":0,"k":0,"p":0,"r":bin 32} */
	uint8_t unit[128] = "\x87\xa1$\xa4tail\xa2_x\x91\x81\xa1"
			    "a\x01\xa1"
			    "b\x00\xa1"
			    "c\x00\xa1"
			    "k\x00\xa1"
			    "p\x00\xa1"
			    "r\xc4\x20";
	struct kvf_bytes b = { unit, 8 + 8 + 12 + 4 + 32 };
	struct kvf_tail tail;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_read_tail(b, &tail, &err), KVF_OK);
	unit[9] = 'x'; /* an unknown key that is not to be passed over */
	assert_int_equal(kvf_read_tail(b, &tail, &err), KVF_ESTREAM);
}

/* ---- kinds ------------------------------------------------------------------------- */

static size_t kind_of(const char *first, const char *middle, const char *last, const char *key)
{
	struct kvf_bytes pieces[3] = { bytes(first), bytes(middle ? middle : ""),
				       bytes(last ? last : "") };
	struct kvf_bytes any[2] = { bytes(""), bytes("") };
	struct kvf_kind kind = { "k", 1,          KVF_RAW,
				 0,   { any, 2 }, { pieces, middle ? 3u : last ? 2u : 1u } };
	struct kvf_entry e = { bytes("p"), bytes(key), { NULL, 0 } };

	if (last && !middle)
		pieces[1] = pieces[2];
	return kvf_kind_match(&kind, 1, &e);
}

static void patterns_match_prefix_suffix_and_what_lies_between(void **state)
{
	struct kvf_entry e = { bytes(""), bytes("k"), { NULL, 0 } };

	(void)state;
	assert_int_equal(kind_of("abc", NULL, NULL, "abc"), 0);
	assert_int_equal(kind_of("abc", NULL, NULL, "abcd"), 1);
	assert_int_equal(kind_of("a/", NULL, "", "a/"), 0);
	assert_int_equal(kind_of("a/", NULL, "", "a"), 1);
	assert_int_equal(kind_of("a/", NULL, "/z", "a/z"), 1); /* no overlap */
	assert_int_equal(kind_of("a/", NULL, "/z", "a//z"), 0);
	assert_int_equal(kind_of("a/", "/m/", "", "a/x/m/y"), 0);
	assert_int_equal(kind_of("a/", "/m/", "", "a/m/y"), 1);
	assert_int_equal(kind_of("a/", "/m/", "/z", "a/x/m/y/m/z"), 0);
	assert_int_equal(kind_of("a/", "mm", "m", "a/mmm"), 0);
	assert_int_equal(kind_of("a/", "mm", "mm", "a/mmm"), 1);
	assert_int_equal(kvf_kind_match(NULL, 0, &e), 0);
}

static void the_first_kind_that_matches_wins(void **state)
{
	struct kvf_bytes any[2] = { bytes(""), bytes("") }, exact[1] = { bytes("k") };
	struct kvf_kind kinds[3] = {
		{ "exact", 1, KVF_RAW, 0, { exact, 1 }, { exact, 1 } },
		{ "any", 1, KVF_RAW, 0, { any, 2 }, { any, 2 } },
		{ "never", 1, KVF_RAW, 0, { any, 2 }, { any, 2 } },
	};
	struct kvf_entry e = { bytes("k"), bytes("k"), { NULL, 0 } };

	(void)state;
	assert_int_equal(kvf_kind_match(kinds, 3, &e), 0);
	e.part = bytes("p");
	assert_int_equal(kvf_kind_match(kinds, 3, &e), 1);
	assert_int_equal(kvf_kind_match(kinds, 1, &e), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_lengths_have_one_form),
		cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(five_containers_may_be_open),
		cmocka_unit_test(a_scan_in_slices_finds_the_same_end),
		cmocka_unit_test(a_scan_refuses_what_leads_beyond_its_cap),
		cmocka_unit_test(a_head_comes_back_as_it_was),
		cmocka_unit_test(a_version_record_comes_back_as_it_was),
		cmocka_unit_test(heads_that_break_a_rule_are_not_written),
		cmocka_unit_test(a_begin_record_keeps_all_that_a_restore_needs),
		cmocka_unit_test(no_changed_byte_of_a_record_breaks_the_parser),
		cmocka_unit_test(begin_records_that_break_a_rule_are_not_written),
		cmocka_unit_test(keys_that_begin_with_an_underscore_are_passed_over),
		cmocka_unit_test(patterns_match_prefix_suffix_and_what_lies_between),
		cmocka_unit_test(the_first_kind_that_matches_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
