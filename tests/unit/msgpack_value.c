/* msgpack_value - packing cells, and walking over bytes that nobody vouches for. */
#include "value/msgpack.h"

#include "base/hash.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kvf_bytes view(const void *p, size_t len)
{
	struct kvf_bytes b = { p, len };

	return b;
}

static struct kvf_cell cell_int(int64_t i)
{
	struct kvf_cell c = { KVF_CELL_INT, { .i = i } };

	return c;
}

static struct kvf_cell cell_real(double r)
{
	struct kvf_cell c = { KVF_CELL_REAL, { .r = r } };

	return c;
}

static struct kvf_cell cell_bytes(enum kvf_cell_type type, const void *p, size_t len)
{
	struct kvf_cell c = { type, { .b = { p, len } } };

	return c;
}

/* Pack one cell and compare with hex. */
static void packs_to(struct kvf_cell cell, const char *hex)
{
	struct kvf_pack p;
	struct kvf_buf b;
	struct kvf_err err;
	char text[512];

	kvf_buf_init(&b, 4096);
	kvf_pack_init(&p, &b, &err);
	kvf_pack_cell(&p, &cell);
	assert_int_equal(p.st, KVF_OK);
	assert_true(b.len * 2 < sizeof(text));
	kvf_hex(b.ptr, b.len, text);
	assert_string_equal(text, hex);
	kvf_buf_release(&b);
}

static void each_cell_type_has_its_form(void **state)
{
	struct kvf_cell null = { KVF_CELL_NULL, { 0 } }, yes = { KVF_CELL_BOOL, { .i = 7 } };

	(void)state;
	packs_to(null, "c0");
	packs_to(yes, "c3");
	packs_to(cell_int(0), "00");
	packs_to(cell_int(127), "7f");
	packs_to(cell_int(128), "cc80");
	packs_to(cell_int(65536), "ce00010000");
	packs_to(cell_int(INT64_MAX), "cf7fffffffffffffff");
	packs_to(cell_int(-1), "ff");
	packs_to(cell_int(-33), "d0df");
	packs_to(cell_int(INT64_MIN), "d38000000000000000");
	packs_to(cell_real(1.0), "cb3ff0000000000000");
	packs_to(cell_real(-0.0), "cb8000000000000000");
	packs_to(cell_real((double)INFINITY), "cb7ff0000000000000");
	packs_to(cell_bytes(KVF_CELL_TEXT, NULL, 0), "a0");
	packs_to(cell_bytes(KVF_CELL_TEXT, "a\0b", 3), "a3610062");
	packs_to(cell_bytes(KVF_CELL_TEXT, "\xff", 1), "d401ff");
	packs_to(cell_bytes(KVF_CELL_TEXT, "\xed\xa0\x80", 3), "c70301eda080");
	packs_to(cell_bytes(KVF_CELL_BLOB, NULL, 0), "c400");
	packs_to(cell_bytes(KVF_CELL_BLOB, "\xff", 1), "c401ff");
}

/* The same cell, bit by bit. */
static void same_cell(const struct kvf_cell *a, const struct kvf_cell *b)
{
	assert_int_equal(a->type, b->type);
	if (a->type == KVF_CELL_TEXT || a->type == KVF_CELL_BLOB) {
		assert_int_equal(a->u.b.len, b->u.b.len);
		if (a->u.b.len)
			assert_memory_equal(a->u.b.ptr, b->u.b.ptr, a->u.b.len);
	} else if (a->type != KVF_CELL_NULL) {
		assert_int_equal(a->u.i, b->u.i); /* also the bits of a real */
	}
}

static void a_cell_comes_back_as_it_went(void **state)
{
	static uint8_t big[70000];
	uint64_t nan_bits = UINT64_C(0xfff8dead0000beef);
	struct kvf_cell cells[64];
	size_t n = 0, i;
	struct kvf_pack p;
	struct kvf_unpack u;
	struct kvf_cell back;
	struct kvf_buf b;
	struct kvf_err err;
	double odd;

	(void)state;
	memset(big, 'x', sizeof(big));
	memcpy(&odd, &nan_bits, sizeof(odd));
	for (i = 0; i < 64; i += 7) {
		cells[n++] = cell_int((int64_t)(UINT64_C(1) << i));
		cells[n++] = cell_int(-(int64_t)(UINT64_C(1) << (i % 63)));
	}
	cells[n++] = cell_int(INT64_MAX);
	cells[n++] = cell_int(INT64_MIN);
	cells[n++] = cell_real(odd);
	cells[n++] = cell_real(DBL_MIN);
	cells[n++] = cell_real(-0.0);
	cells[n].type = KVF_CELL_BOOL;
	cells[n++].u.i = 1;
	cells[n].type = KVF_CELL_NULL;
	cells[n++].u.i = 0;
	for (i = 0; i < 3; i++) {
		static const size_t len[] = { 0, 255, 70000 };

		cells[n++] = cell_bytes(KVF_CELL_TEXT, big, len[i]);
		cells[n++] = cell_bytes(KVF_CELL_BLOB, big, len[i]);
	}
	cells[n++] = cell_bytes(KVF_CELL_TEXT, "\xc0\x80 not utf-8", 12);
	kvf_buf_init(&b, 1 << 20);
	kvf_pack_init(&p, &b, &err);
	for (i = 0; i < n; i++)
		kvf_pack_cell(&p, &cells[i]);
	assert_int_equal(p.st, KVF_OK);
	kvf_unpack_init(&u, kvf_buf_bytes(&b));
	for (i = 0; i < n; i++) {
		assert_int_equal(kvf_unpack_cell(&u, &back, &err), KVF_OK);
		same_cell(&cells[i], &back);
	}
	assert_int_equal(kvf_unpack_cell(&u, &back, &err), KVF_ESTREAM);
	kvf_buf_release(&b);
}

static void containers_announce_their_members(void **state)
{
	struct kvf_pack p;
	struct kvf_unpack u;
	struct kvf_object o;
	struct kvf_buf b;
	struct kvf_err err;
	/* {"a": [1, []], "b": {}}, and what each object is and how deep */
	static const enum kvf_object_type types[] = {
		KVF_OBJECT_MAP,   KVF_OBJECT_STR, KVF_OBJECT_ARRAY, KVF_OBJECT_INT,
		KVF_OBJECT_ARRAY, KVF_OBJECT_STR, KVF_OBJECT_MAP,
	};
	static const unsigned depths[] = { 0, 1, 1, 2, 2, 1, 1 };
	size_t i;

	(void)state;
	kvf_buf_init(&b, 4096);
	kvf_pack_init(&p, &b, &err);
	kvf_pack_map(&p, 2);
	kvf_pack_str(&p, view("a", 1));
	kvf_pack_array(&p, 2);
	kvf_pack_int(&p, 1);
	kvf_pack_array(&p, 0);
	kvf_pack_str(&p, view("b", 1));
	kvf_pack_map(&p, 0);
	assert_int_equal(p.st, KVF_OK);
	assert_int_equal(kvf_msgpack_check(kvf_buf_bytes(&b), &err), KVF_OK);
	kvf_unpack_init(&u, kvf_buf_bytes(&b));
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(kvf_unpack_next(&u, &o, &err), KVF_OK);
		assert_int_equal(o.type, types[i]);
		assert_int_equal(o.depth, depths[i]);
	}
	assert_int_equal(kvf_unpack_next(&u, &o, &err), KVF_EOF);
	for (i = 0; i < b.len; i++)
		assert_int_equal(kvf_msgpack_check(view(b.ptr, i), &err), KVF_ESTREAM);
	kvf_buf_release(&b);
}

static void claims_beyond_the_bytes_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\xdd\xff\xff\xff\xff", 5 },         /* array of 2^32-1 */
		{ "\xdf\xff\xff\xff\xff\x01\x02", 7 }, /* map of 2^32-1 */
		{ "\xdd\x0f\xff\xff\xff", 5 },
		{ "\xc6\xff\xff\xff\xff\x00", 6 }, /* bin of 2^32-1 */
		{ "\xdb\x00\x00\x00\x02\x61", 6 }, /* str of 2, one there */
		{ "\xc1", 1 },                     /* begins nothing */
		{ "\x92\x92\x01\x01", 4 },         /* the outer one lacks a member */
		{ "\x82\x01\x02\x03", 4 },
		{ "\xd4\x01", 2 },
		{ "\xc7\x00", 2 },
		{ "\xcb\x00", 2 },
		{ "", 0 },
		{ "\x01\x01", 2 }, /* two objects */
	};
	struct kvf_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kvf_msgpack_check(view(bad[i].bytes, bad[i].len), &err),
				 KVF_ESTREAM);
}

static void nesting_has_a_limit(void **state)
{
	uint8_t deep[KVF_UNPACK_DEPTH + 2];
	struct kvf_err err;

	(void)state;
	memset(deep, 0x91, sizeof(deep));
	deep[KVF_UNPACK_DEPTH] = 0x01;
	assert_int_equal(kvf_msgpack_check(view(deep, KVF_UNPACK_DEPTH + 1), &err), KVF_OK);
	deep[KVF_UNPACK_DEPTH] = 0x91;
	deep[KVF_UNPACK_DEPTH + 1] = 0x01;
	assert_int_equal(kvf_msgpack_check(view(deep, KVF_UNPACK_DEPTH + 2), &err),
			 KVF_ESTREAM);
}

/* Every third string of three bytes: whatever it is, the walk ends and stays inside. */
static void any_three_bytes_are_walked_safely(void **state)
{
	uint8_t *bytes = malloc(3); /* exact, so that a sanitizer sees one step too far */
	struct kvf_object o;
	struct kvf_unpack u;
	uint32_t i, good = 0;
	enum kvf_status st;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < 1u << 24; i += 3) {
		bytes[0] = (uint8_t)(i >> 16);
		bytes[1] = (uint8_t)(i >> 8);
		bytes[2] = (uint8_t)i;
		kvf_unpack_init(&u, view(bytes, 3));
		do
			st = kvf_unpack_next(&u, &o, NULL);
		while (!st);
		assert_true(st == KVF_EOF || st == KVF_ESTREAM);
		good += st == KVF_EOF;
	}
	assert_true(good > 1000000);
	free(bytes);
}

static void what_is_no_cell_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\x90", 1 },
		{ "\x80", 1 },
		{ "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9 }, /* over INT64_MAX */
		{ "\xca\x3f\x80\x00\x00", 5 },                 /* float 32 */
		{ "\xd4\x02\xff", 3 },                         /* another ext */
		{ "\xd4\x01\x61", 3 },                         /* text in the wrong form */
		{ "\xa1\xff", 2 },
	};
	struct kvf_unpack u;
	struct kvf_cell c;
	struct kvf_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		kvf_unpack_init(&u, view(bad[i].bytes, bad[i].len));
		assert_int_equal(kvf_unpack_cell(&u, &c, &err), KVF_ESTREAM);
	}
}

static void the_first_failure_of_packing_is_kept(void **state)
{
	struct kvf_pack p;
	struct kvf_buf b;
	struct kvf_err err;

	(void)state;
	kvf_buf_init(&b, 8);
	kvf_pack_init(&p, &b, &err);
	kvf_pack_int(&p, 1);
	kvf_pack_str(&p, view("123456789", 9));
	assert_int_equal(p.st, KVF_EREJECT);
	assert_int_equal(err.status, KVF_EREJECT);
	kvf_pack_int(&p, 2);
	assert_int_equal(p.st, KVF_EREJECT);
	kvf_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cell_type_has_its_form),
		cmocka_unit_test(a_cell_comes_back_as_it_went),
		cmocka_unit_test(containers_announce_their_members),
		cmocka_unit_test(claims_beyond_the_bytes_are_refused),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(any_three_bytes_are_walked_safely),
		cmocka_unit_test(what_is_no_cell_is_refused),
		cmocka_unit_test(the_first_failure_of_packing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
