/* exact - tables carried as they are: keys that stay apart, values that come back. */
#include "../support/test.h"

#include <kvferry/formats.h>

#include "base/hash.h"
#include "base/text.h"
#include "formats/exact.h"
#include "value/msgpack.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_CAP 4096
#define VALUE_CAP (1 << 16)

/* What the sink was given last. */
struct taken {
	uint8_t part[2048], key[KEY_CAP], value[VALUE_CAP];
	size_t part_len, key_len, value_len;
	unsigned flags, n;
};

static enum kvf_status take(void *ctx, const struct kvf_entry *e, unsigned flags,
			    struct kvf_err *err)
{
	struct taken *t = ctx;

	(void)err;
	memcpy(t->part, e->part.ptr, e->part.len);
	memcpy(t->key, e->key.ptr, e->key.len);
	memcpy(t->value, e->value.ptr, e->value.len);
	t->part_len = e->part.len;
	t->key_len = e->key.len;
	t->value_len = e->value.len;
	t->flags = flags;
	t->n++;
	return KVF_OK;
}

static struct kvf_sink new_sink(struct taken *t)
{
	const struct kvf_sink_caps caps = { 1024, KEY_CAP, VALUE_CAP };
	struct kvf_sink sink;

	memset(t, 0, sizeof(*t));
	kvf_sink_init(&sink, &caps, take, t);
	return sink;
}

static struct kvf_cell null_cell(void)
{
	struct kvf_cell c = { KVF_CELL_NULL, { 0 } };

	return c;
}

static struct kvf_cell int_cell(int64_t i)
{
	struct kvf_cell c = { KVF_CELL_INT, { .i = i } };

	return c;
}

static struct kvf_cell real_cell(double r)
{
	struct kvf_cell c = { KVF_CELL_REAL, { .r = r } };

	return c;
}

static struct kvf_cell bytes_cell(enum kvf_cell_type type, const void *p, size_t n)
{
	struct kvf_cell c = { type, { .b = { p, n } } };

	return c;
}

static struct kvf_cell text_cell(const char *s)
{
	return bytes_cell(KVF_CELL_TEXT, s, strlen(s));
}

static int same(const struct kvf_cell *a, const struct kvf_cell *b)
{
	if (a->type != b->type)
		return 0;
	if (a->type == KVF_CELL_TEXT || a->type == KVF_CELL_BLOB)
		return kvf_bytes_cmp(a->u.b, b->u.b) == 0;
	return a->type == KVF_CELL_NULL || a->u.i == b->u.i;
}

/* ---- keys ----------------------------------------------------------------------- */

static void key_is(struct kvf_cell cell, const char *expected)
{
	struct taken t;
	struct kvf_sink sink = new_sink(&t);
	struct kvf_err err;
	char text[256];
	struct kvf_buf *key = &sink.buf[KVF_SINK_KEY];

	assert_int_equal(kvf_exact_key_cell(&sink, &cell, &err), KVF_OK);
	assert_true(key->len < sizeof(text));
	memcpy(text, key->ptr, key->len);
	text[key->len] = '\0';
	assert_string_equal(text, expected);
	kvf_sink_release(&sink);
}

static void keys_are_readable(void **state)
{
	(void)state;
	key_is(null_cell(), "~");
	key_is(int_cell(0), "0");
	key_is(int_cell(-1), "-1");
	key_is(int_cell(INT64_MAX), "9223372036854775807");
	key_is(int_cell(INT64_MIN), "-9223372036854775808");
	key_is(real_cell(1), "1.0");
	key_is(real_cell(-0.0), "-0.0");
	key_is(real_cell(0.1), "0.1");
	key_is(real_cell(1e22), "1e+22");
	key_is(real_cell(0.1 + 0.2), "0.30000000000000004");
	key_is(real_cell(-1.5e300), "-1.5e+300");
	key_is(real_cell((double)INFINITY), "+inf");
	key_is(real_cell((double)-INFINITY), "-inf");
	key_is(text_cell(""), "'");
	key_is(text_cell("1"), "'1");
	key_is(text_cell("0x31"), "'0x31");
	key_is(text_cell("~"), "'~");
	key_is(text_cell("'"), "''");
	key_is(text_cell("-"), "'-");
	key_is(text_cell("+inf"), "'+inf");
	key_is(text_cell("#a"), "'#a");
	key_is(text_cell("main"), "main");
	key_is(text_cell("_x y"), "_x y");
	key_is(text_cell("a/b%c"), "a%2Fb%25c");
	key_is(text_cell("/"), "'%2F");
	key_is(text_cell("caf\xc3\xa9"), "caf\xc3\xa9");
	key_is(text_cell("\xc3\xa9t\xc3\xa9"), "\xc3\xa9t\xc3\xa9");
	key_is(text_cell("\xc2\x85"), "'%C2%85");
	key_is(text_cell("a\xff"
			 "b"),
	       "a%FFb");
	key_is(text_cell("\xff"), "'%FF");
	key_is(bytes_cell(KVF_CELL_TEXT, "a\0b\n", 4), "a%00b%0A");
	key_is(bytes_cell(KVF_CELL_BLOB, "\x31", 1), "0x31");
	key_is(bytes_cell(KVF_CELL_BLOB, "", 0), "0x");
	key_is((struct kvf_cell){ KVF_CELL_BOOL, { .i = 1 } }, "+true");
}

/* The way back, written from docs/tables.md: one cell from its text. */
static int decode_cell(const char *p, size_t n, struct kvf_cell *c, uint8_t *room)
{
	size_t i = 0, out = 0;
	char text[64];

	memset(c, 0, sizeof(*c));
	if (n == 1 && *p == '~')
		return 1;
	if (n >= 2 && p[0] == '0' && p[1] == 'x') {
		*c = bytes_cell(KVF_CELL_BLOB, room, (n - 2) / 2);
		return n % 2 == 0 && kvf_unhex(p + 2, n - 2, room);
	}
	if (*p == '+' || *p == '-' || (*p >= '0' && *p <= '9')) {
		unsigned long long bits;

		assert_true(n < sizeof(text));
		memcpy(text, p, n);
		text[n] = '\0';
		if (strcmp(text, "+true") == 0 || strcmp(text, "+false") == 0) {
			c->type = KVF_CELL_BOOL;
			c->u.i = n > 1 && text[1] == 't';
		} else if (sscanf(text, "+nan:%llx", &bits) == 1) {
			c->type = KVF_CELL_REAL;
			c->u.i = (int64_t)bits;
		} else if (strpbrk(text, ".ei")) {
			*c = real_cell(strtod(text, NULL));
		} else {
			*c = int_cell((int64_t)strtoll(text, NULL, 10));
		}
		return 1;
	}
	if (*p == '\'')
		i = 1;
	for (; i < n; i++) {
		if (p[i] != '%') {
			room[out++] = (uint8_t)p[i];
			continue;
		}
		if (n - i < 3)
			return 0;
		text[0] = p[i + 1];
		text[1] = p[i + 2];
		text[2] = '\0';
		room[out++] = (uint8_t)strtoul(text, NULL, 16);
		i += 2;
	}
	*c = bytes_cell(KVF_CELL_TEXT, room, out);
	return 1;
}

/* Encode a list of cells, decode it, compare; *key is the encoded text. */
static void round_trip(const struct kvf_cell *cells, size_t n, char *key, size_t size)
{
	struct taken t;
	struct kvf_sink sink = new_sink(&t);
	struct kvf_err err;
	struct kvf_cell back;
	uint8_t room[1024];
	const char *p, *end, *slash;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i)
			assert_int_equal(kvf_sink_append(&sink, KVF_SINK_KEY, "/", 1, &err),
					 KVF_OK);
		assert_int_equal(kvf_exact_key_cell(&sink, &cells[i], &err), KVF_OK);
	}
	p = (const char *)sink.buf[KVF_SINK_KEY].ptr;
	end = p + sink.buf[KVF_SINK_KEY].len;
	assert_true((size_t)(end - p) < size);
	memcpy(key, p, (size_t)(end - p));
	key[end - p] = '\0';
	/* A key can be printed and typed: no control characters, valid UTF-8. */
	assert_int_equal(kvf_utf8_valid(p, (size_t)(end - p)), (size_t)(end - p));
	for (i = 0; i < n; i++) {
		slash = i + 1 < n ? memchr(p, '/', (size_t)(end - p)) : end;
		assert_non_null(slash);
		assert_true(decode_cell(p, (size_t)(slash - p), &back, room));
		assert_true(same(&back, &cells[i]));
		p = slash + 1;
	}
	kvf_sink_release(&sink);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every pair of nasty cells: each key decodes to its cells, no two are equal. */
static void no_two_lists_of_cells_have_one_key(void **state)
{
	static const char *const texts[] = {
		"",
		"1",
		"-1",
		"1.5",
		"1e5",
		"0x",
		"0x31",
		"~",
		"#",
		"'",
		"''",
		"'1",
		"%",
		"%2F",
		"/",
		"a/b",
		"a",
		"b",
		"a%2Fb",
		"+inf",
		"-inf",
		"inf",
		"nan",
		"+nan",
		"+true",
		"true",
		"NULL",
		"A",
		"a ",
		" a",
		"a'",
		"\n",
		"\x7f",
		"\xc2\x80",
		"\xc2\xa0",
		"\xe2\x80\xae",
		"\xff",
		"a\xff",
		"a%FF",
		"\xc3\xa9",
		"e\xcc\x81",
		"\xed\xa0\x80",
		"\xf0\x9f\x90\x9f",
		"9223372036854775807",
	};
	static const double reals[] = {
		0.0,       -0.0,     1.0,
		1.5,       -1.0,     0.1,
		0.1 + 0.2, 1e300,    5e-324,
		DBL_MAX,   DBL_MIN,  9223372036854775807.0,
		1e5,       100000.5, 3.141592653589793,
	};
	static const int64_t ints[] = { 0, 1, -1, 15, 100000, 31, INT64_MAX, INT64_MIN };
	static const uint64_t nans[] = { UINT64_C(0x7ff8000000000000),
					 UINT64_C(0xfff8000000000001) };
	struct kvf_cell cells[128];
	size_t n = 0, i, k, m = 0;
	char **keys, key[2048];

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cells[n++] = text_cell(texts[i]);
		if (i % 4 == 0)
			cells[n++] = bytes_cell(KVF_CELL_BLOB, texts[i], strlen(texts[i]));
	}
	cells[n++] = bytes_cell(KVF_CELL_TEXT, "\0", 1);
	cells[n++] = bytes_cell(KVF_CELL_TEXT, "a\0", 2);
	cells[n++] = bytes_cell(KVF_CELL_BLOB, "1", 1);
	for (i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
		cells[n++] = real_cell(reals[i]);
	for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
		cells[n++] = int_cell(ints[i]);
	for (i = 0; i < 2; i++) {
		cells[n] = int_cell((int64_t)nans[i]);
		cells[n++].type = KVF_CELL_REAL;
		cells[n] = int_cell((int64_t)i);
		cells[n++].type = KVF_CELL_BOOL;
	}
	cells[n++] = real_cell((double)INFINITY);
	cells[n++] = real_cell((double)-INFINITY);
	cells[n++] = null_cell();
	assert_true(n <= sizeof(cells) / sizeof(cells[0]));
	keys = calloc(n * n, sizeof(*keys));
	assert_non_null(keys);
	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++) {
			struct kvf_cell pair[2] = { cells[i], cells[k] };

			round_trip(pair, 2, key, sizeof(key));
			keys[m++] = strdup(key);
		}
	}
	qsort(keys, m, sizeof(*keys), by_text);
	for (i = 1; i < m; i++)
		assert_int_not_equal(strcmp(keys[i - 1], keys[i]), 0);
	for (i = 0; i < m; i++)
		free(keys[i]);
	free(keys);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void random_cells_decode_from_their_keys(void **state)
{
	uint64_t seed = 88172645463325252u, bits;
	struct kvf_cell cells[3];
	uint8_t bytes[3][24];
	char key[2048];
	size_t i, k, j, len;

	(void)state;
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < 3; k++) {
			bits = next_random(&seed);
			len = (size_t)(next_random(&seed) % sizeof(bytes[k]));
			for (j = 0; j < len; j++)
				bytes[k][j] = (uint8_t)(next_random(&seed) >> 32);
			cells[k] = int_cell((int64_t)bits);
			switch (next_random(&seed) >> 32 & 3) {
			case 0: cells[k].type = KVF_CELL_REAL; break;
			case 1: cells[k] = bytes_cell(KVF_CELL_TEXT, bytes[k], len); break;
			case 2: cells[k] = bytes_cell(KVF_CELL_BLOB, bytes[k], len); break;
			default: break;
			}
		}
		round_trip(cells, 3, key, sizeof(key));
	}
}

/* ---- rows ------------------------------------------------------------------------- */

static const struct kvf_column columns[] = {
	{ "id", "INTEGER", 0 },
	{ "name with \"quotes\"", "", 0 },
	{ "v", "BLOB", 0 },
};
static const uint32_t key_name_id[] = { 1, 0 };

/* One table with these key columns; convert one row. */
static enum kvf_status convert_row(size_t nkey, const struct kvf_cell *cells, struct taken *t,
				   struct kvf_err *err)
{
	struct kvf_table shape = {
		.name = "odd table",
		.dialect = "sqlite",
		.columns = columns,
		.ncolumns = 3,
		.key = key_name_id,
		.nkey = nkey,
	};
	struct kvf_application *app;
	struct kvf_sink sink = new_sink(t);
	struct kvf_row row = { cells, 3, 7 };
	enum kvf_status st;

	assert_int_equal(kvf_exact_application(&shape, 1, &app, err), KVF_OK);
	assert_string_equal(app->name, "");
	assert_int_equal(app->packages[0]->nkinds, 1);
	st = app->packages[0]->convert(app->packages[0], 0, &row, &sink, err);
	kvf_exact_application_free(app);
	kvf_sink_release(&sink);
	return st;
}

static void a_row_becomes_one_entry(void **state)
{
	struct kvf_cell cells[3] = { int_cell(5), text_cell("a/b"), text_cell("\xff") };
	static const uint8_t value[] = "\x83\xa2"
				       "id\x05\xb2"
				       "name with \"quotes\"\xa3"
				       "a/b\xa1"
				       "v\xd4\x01\xff";
	struct taken t;
	struct kvf_err err;

	(void)state;
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_OK);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.flags, 0);
	assert_int_equal(t.part_len, 9);
	assert_memory_equal(t.part, "odd table", 9);
	assert_int_equal(t.key_len, 7);
	assert_memory_equal(t.key, "a%2Fb/5", 7);
	assert_int_equal(t.value_len, sizeof(value) - 1);
	assert_memory_equal(t.value, value, sizeof(value) - 1);
}

static void a_row_without_a_key_is_named_by_its_digest(void **state)
{
	struct kvf_cell cells[3] = { int_cell(5), text_cell("x"), null_cell() };
	struct taken t;
	struct kvf_err err;
	uint8_t digest[32];
	char expected[66] = "#";
	size_t nkey;

	(void)state;
	/* No key at all, and a key in which a NULL stands. */
	for (nkey = 0; nkey <= 2; nkey += 2) {
		cells[1] = nkey ? null_cell() : text_cell("x");
		assert_int_equal(convert_row(nkey, cells, &t, &err), KVF_OK);
		assert_int_equal(t.flags, KVF_PUT_ORDINAL);
		kvf_sha256(t.value, t.value_len, digest);
		kvf_hex(digest, 32, expected + 1);
		assert_int_equal(t.key_len, 65);
		assert_memory_equal(t.key, expected, 65);
	}
}

static void a_row_over_a_cap_is_refused_by_name(void **state)
{
	static char big[VALUE_CAP + 1];
	struct kvf_cell cells[3] = { int_cell(5), text_cell("x"), null_cell() };
	struct taken t;
	struct kvf_err err;

	(void)state;
	memset(big, 'x', sizeof(big));
	cells[2] = bytes_cell(KVF_CELL_BLOB, big, sizeof(big));
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_EREJECT);
	assert_int_equal(t.n, 0);
	assert_non_null(strstr(err.message, "value"));
	assert_non_null(strstr(err.detail, "\"odd table\", key x/5"));
	assert_non_null(strstr(err.hint, "--max-value"));
	/* The longest value that fits, and one byte more. */
	cells[2].u.b.len = VALUE_CAP - 32;
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_OK);
	cells[2].u.b.len = VALUE_CAP - (t.value_len - cells[2].u.b.len);
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_OK);
	assert_int_equal(t.value_len, VALUE_CAP);
	cells[2].u.b.len++;
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_EREJECT);
	/* The key. */
	cells[2] = null_cell();
	cells[1] = bytes_cell(KVF_CELL_TEXT, big, KEY_CAP - 2);
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_OK);
	cells[1].u.b.len++;
	assert_int_equal(convert_row(2, cells, &t, &err), KVF_EREJECT);
	assert_non_null(strstr(err.message, "key"));
	assert_string_equal(err.detail, "Table \"odd table\", row 7.");
	assert_int_not_equal(err.hint[0], 0);
}

static void names_of_kinds_have_no_control_characters(void **state)
{
	struct kvf_table shape = {
		.name = "a\nb\xc2\x85", .dialect = "sqlite", .columns = columns, .ncolumns = 3
	};
	struct kvf_application *app;
	struct kvf_err err;
	const struct kvf_kind *kind;

	(void)state;
	assert_int_equal(kvf_exact_application(&shape, 1, &app, &err), KVF_OK);
	kind = &app->packages[0]->kinds[0];
	assert_string_equal(kind->name, "a%0Ab%C2%85");
	assert_int_equal(kind->part.npieces, 1);
	assert_int_equal(kind->part.pieces[0].len, 5);
	assert_int_equal(kind->key.npieces, 2);
	assert_int_equal(kind->enc, KVF_MSGPACK);
	kvf_exact_application_free(app);
	shape.name = "\xff";
	assert_int_equal(kvf_exact_application(&shape, 1, &app, &err), KVF_EREJECT);
	assert_null(app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_readable),
		cmocka_unit_test(no_two_lists_of_cells_have_one_key),
		cmocka_unit_test(random_cells_decode_from_their_keys),
		cmocka_unit_test(a_row_becomes_one_entry),
		cmocka_unit_test(a_row_without_a_key_is_named_by_its_digest),
		cmocka_unit_test(a_row_over_a_cap_is_refused_by_name),
		cmocka_unit_test(names_of_kinds_have_no_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
