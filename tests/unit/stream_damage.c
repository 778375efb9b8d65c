/* Damaged streams: whatever is done to one, no other data come out of it. */
#include "../support/test.h"
#include "../support/streams.h"

#include "stream/frame.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static struct blob small; /* a stream of two packages, some chunks */
static struct blob small_l1;
static uint8_t small_sum[32];

static int make_small(void **state)
{
	struct recipe r = { .packages = 2, .entries = 9, .value = 560, .notes = 1 };
	struct kvf_err err;

	(void)state;
	small = stream_build(&r, NULL);
	small_l1 = stream_l1(blob_view(&small));
	return stream_read(blob_view(&small), NULL, 1, small_sum, NULL, &err) != KVF_EOF;
}

static int free_small(void **state)
{
	(void)state;
	free(small.p);
	free(small_l1.p);
	return 0;
}

/* Read; if it is accepted, it must be the same data.  Returns 1 if accepted. */
static int accepted(const struct blob *b, size_t *warnings)
{
	struct kvf_err err;
	uint8_t sum[32];
	enum kvf_status st = stream_read(blob_view(b), NULL, 1, sum, warnings, &err);

	if (st != KVF_EOF) {
		assert_int_not_equal(st, KVF_OK);
		assert_int_not_equal(st, KVF_EINTERNAL);
		assert_int_not_equal(st, KVF_ENOMEM);
		assert_true(err.message[0]);
		return 0;
	}
	assert_memory_equal(sum, small_sum, 32);
	return 1;
}

static void a_file_cut_anywhere_before_its_tail_is_truncated(void **state)
{
	size_t n, end = stream_tail_end(blob_view(&small)), warnings;
	struct kvf_err err;

	(void)state;
	for (n = 0; n < small.n; n++) {
		struct blob cut = blob_copy(small.p, n);

		if (n < end) {
			enum kvf_status st =
				stream_read(blob_view(&cut), NULL, 1, NULL, NULL, &err);

			assert_int_equal(kvf_exit_status(st), 6);
			if (st != KVF_ETRUNC)
				fail_msg("cut at %zu: %s", n, err.message);
			assert_true(err.detail[0]);
		} else {
			assert_true(accepted(&cut, &warnings));
			assert_true(warnings > 0);
		}
		free(cut.p);
	}
}

static void l1_cut_anywhere_is_truncated(void **state)
{
	struct kvf_bytes l1 = blob_view(&small_l1);
	struct kvf_err err;

	(void)state;
	for (; l1.len-- > 0;) {
		struct blob file = stream_pack(l1, 0);
		enum kvf_status st = stream_read(blob_view(&file), NULL, 1, NULL, NULL, &err);

		if (st != KVF_ETRUNC)
			fail_msg("L1 cut at %zu: %s", l1.len, err.message);
		free(file.p);
	}
}

static void no_flipped_bit_of_the_file_gives_other_data(void **state)
{
	size_t i, harmless = 0, warnings;

	(void)state;
	for (i = 0; i < small.n * 8; i++) {
		small.p[i / 8] ^= (uint8_t)(1u << i % 8);
		harmless += (size_t)accepted(&small, &warnings);
		small.p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	/* Hints, notes and table are not needed; a check that sees every bit
	 * as damage would be another format. */
	assert_true(harmless > 0 && harmless < small.n * 4);
}

static void no_flipped_bit_of_l1_is_accepted(void **state)
{
	struct units units;
	struct blob file;
	size_t i, warnings;

	(void)state;
	for (i = 0; i < small_l1.n * 8; i++) {
		small_l1.p[i / 8] ^= (uint8_t)(1u << i % 8);
		file = stream_pack(blob_view(&small_l1), 0);
		if (accepted(&file, &warnings))
			fail_msg("bit %zu of L1 does not matter", i);
		free(file.p);
		small_l1.p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	/* The same in native framing, byte-wise: units of the true stream. */
	stream_units(blob_view(&small_l1), &units);
	for (i = 0; i < small_l1.n; i++) {
		small_l1.p[i] ^= 0x81;
		file = stream_frame(&units);
		if (accepted(&file, &warnings))
			fail_msg("byte %zu of L1 does not matter", i);
		free(file.p);
		small_l1.p[i] ^= 0x81;
	}
}

static void set_field(size_t at, uint32_t v)
{
	uint8_t old[4];
	size_t warnings;

	memcpy(old, small.p + at, 4);
	kvf_put_le32(small.p + at, v);
	accepted(&small, &warnings);
	memcpy(small.p + at, old, 4);
}

static void no_byte_or_field_set_to_an_extreme_gives_other_data(void **state)
{
	static const uint32_t fields[] = { 0, 1, 0x80000000u, 0xffffffffu };
	size_t i, k, warnings;
	uint8_t old;

	(void)state;
	for (i = 0; i + 4 <= small.n; i++) {
		uint8_t bytes[3];

		old = small.p[i];
		bytes[0] = 0;
		bytes[1] = 0xff;
		bytes[2] = (uint8_t)(old + 1);
		for (k = 0; k < 3; k++) {
			small.p[i] = bytes[k];
			accepted(&small, &warnings);
		}
		small.p[i] = old;
		for (k = 0; k < 4; k++)
			set_field(i, fields[k]);
	}
}

/* ---- units ------------------------------------------------------------------ */

static void refuse_units(const struct units *units, const char *what, size_t a, size_t b)
{
	struct blob file = stream_frame(units), l1 = { NULL, 0 }, packed;
	size_t i, warnings;

	if (accepted(&file, &warnings))
		fail_msg("accepted (native): %s %zu %zu", what, a, b);
	for (i = 0; i < units->n; i++)
		blob_add(&l1, units->u[i].ptr, units->u[i].len);
	packed = stream_pack(blob_view(&l1), 0);
	if (accepted(&packed, &warnings))
		fail_msg("accepted (one frame): %s %zu %zu", what, a, b);
	free(packed.p);
	free(l1.p);
	free(file.p);
}

static void units_cannot_be_omitted_doubled_or_swapped(void **state)
{
	struct units all, changed;
	size_t a, b;

	(void)state;
	stream_units(blob_view(&small_l1), &all);
	assert_true(all.n >= 10);
	for (a = 0; a < all.n; a++) {
		changed = all;
		memmove(&changed.u[a], &changed.u[a + 1], (all.n - a - 1) * sizeof(all.u[0]));
		changed.n--;
		refuse_units(&changed, "omit", a, a);
		for (b = 0; b <= all.n; b++) {
			changed = all;
			memmove(&changed.u[b + 1], &changed.u[b],
				(all.n - b) * sizeof(all.u[0]));
			changed.u[b] = all.u[a];
			changed.n++;
			refuse_units(&changed, "double", a, b);
		}
		for (b = a + 1; b < all.n; b++) {
			changed = all;
			changed.u[a] = all.u[b];
			changed.u[b] = all.u[a];
			refuse_units(&changed, "swap", a, b);
		}
	}
}

static void a_chunk_of_another_stream_with_the_same_head_is_refused(void **state)
{
	struct recipe r = { .packages = 2, .entries = 9, .value = 561, .notes = 1 };
	struct blob other = stream_build(&r, NULL), other_l1 = stream_l1(blob_view(&other));
	struct units a, b, mixed;
	size_t i;

	(void)state;
	stream_units(blob_view(&small_l1), &a);
	stream_units(blob_view(&other_l1), &b);
	assert_int_equal(a.n, b.n);
	assert_int_equal(kvf_bytes_cmp(a.u[0], b.u[0]), 0);
	for (i = 1; i < a.n; i++) {
		if (kvf_bytes_cmp(a.u[i], b.u[i]) == 0)
			continue;
		mixed = a;
		mixed.u[i] = b.u[i];
		refuse_units(&mixed, "foreign", i, i);
	}
	free(other.p);
	free(other_l1.p);
}

static void two_streams_in_one_file_are_refused(void **state)
{
	struct blob two = blob_copy(small.p, small.n), l1 = blob_copy(small_l1.p, small_l1.n),
		    f;
	size_t end = stream_tail_end(blob_view(&small)), slice;
	struct kvf_err err;

	(void)state;
	blob_add(&two, small.p, small.n);
	assert_int_equal(stream_read(blob_view(&two), NULL, 1, NULL, NULL, &err), KVF_ESTREAM);
	if (!strstr(err.message, "second stream"))
		fail_msg("%s", err.message);
	two.n = end; /* directly behind the tail */
	blob_add(&two, small.p, small.n);
	assert_int_equal(stream_read(blob_view(&two), NULL, 1, NULL, NULL, &err), KVF_ESTREAM);
	assert_non_null(strstr(err.message, "second stream"));
	blob_add(&l1, small_l1.p, small_l1.n);
	for (slice = 0; slice < 2; slice++) {
		f = stream_pack(blob_view(&l1), slice * 1000);
		assert_int_equal(stream_read(blob_view(&f), NULL, 1, NULL, NULL, &err),
				 KVF_ESTREAM);
		free(f.p);
	}
	free(l1.p);
	free(two.p);
}

static void garbage_after_the_end_is_refused(void **state)
{
	static const char *const garbage[] = { "\n", "garbage", "\x50\x2a\x4d\x19" };
	struct kvf_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct blob b = blob_copy(small.p, small.n);

		blob_add(&b, garbage[i], strlen(garbage[i]));
		assert_int_equal(stream_read(blob_view(&b), NULL, 1, NULL, NULL, &err),
				 KVF_ESTREAM);
		assert_non_null(strstr(err.message, "garbage"));
		free(b.p);
	}
}

/* ---- what people do to files ---------------------------------------------------- */

static struct blob replace_bytes(const struct blob *b, const char *from, const char *to)
{
	struct blob out = { NULL, 0 };
	size_t i, n = strlen(from);

	for (i = 0; i < b->n;) {
		if (b->n - i >= n && memcmp(b->p + i, from, n) == 0) {
			blob_add(&out, to, strlen(to));
			i += n;
		} else {
			blob_add(&out, b->p + i++, 1);
		}
	}
	return out;
}

static void expect_named(const struct blob *b, const char *what)
{
	struct kvf_err err;

	assert_int_equal(stream_read(blob_view(b), NULL, 1, NULL, NULL, &err), KVF_ESTREAM);
	if (!strstr(err.message, what))
		fail_msg("expected \"%s\", got \"%s\"", what, err.message);
	assert_true(err.hint[0]);
}

static void text_mode_transfer_is_named(void **state)
{
	struct blob b, utf8 = { NULL, 0 }, seven = blob_copy(small.p, small.n);
	size_t i;

	(void)state;
	b = replace_bytes(&small, "\n", "\r\n");
	expect_named(&b, "text-mode transfer: LF became CR LF");
	free(b.p);
	b = replace_bytes(&small, "\r\n", "\n");
	expect_named(&b, "text-mode transfer: CR LF became LF");
	free(b.p);
	for (i = 0; i < small.n; i++) {
		uint8_t two[2] = { (uint8_t)(0xc0 | small.p[i] >> 6),
				   (uint8_t)(0x80 | (small.p[i] & 0x3f)) };

		if (small.p[i] < 0x80)
			blob_add(&utf8, &small.p[i], 1);
		else
			blob_add(&utf8, two, 2);
		seven.p[i] &= 0x7f;
	}
	expect_named(&utf8, "re-encoded as UTF-8");
	expect_named(&seven, "eighth bit");
	free(utf8.p);
	free(seven.p);
}

static void other_files_are_named(void **state)
{
	struct blob gz = blob_copy("\x1f\x8b\x08\0\0\0\0\0", 8);
	struct blob db = blob_copy("SQLite format 3\0................", 32);
	struct blob nothing = { NULL, 0 };
	struct kvf_err err;

	(void)state;
	expect_named(&gz, "gzip");
	expect_named(&db, "SQLite");
	expect_named(&small_l1, "decompressed");
	assert_int_equal(stream_read(blob_view(&nothing), NULL, 1, NULL, NULL, &err),
			 KVF_ETRUNC);
	free(gz.p);
	free(db.p);
}

static void an_unknown_major_version_is_named(void **state)
{
	struct blob b = blob_copy(small_l1.p, small_l1.n), f;
	struct units units;
	struct kvf_err err;

	(void)state;
	stream_units(blob_view(&small_l1), &units);
	b.p[4] = '2';
	f = stream_pack(blob_view(&b), 0);
	assert_int_equal(stream_read(blob_view(&f), NULL, 1, NULL, NULL, &err), KVF_EVERSION);
	assert_non_null(strstr(err.message, "major version 2"));
	free(f.p);
	units.u[0].ptr = b.p;
	f = stream_frame(&units);
	assert_int_equal(stream_read(blob_view(&f), NULL, 1, NULL, NULL, &err), KVF_EVERSION);
	free(f.p);
	free(b.p);
}

static void an_error_says_where_and_what_to_do(void **state)
{
	struct kvf_err err;
	size_t end = stream_tail_end(blob_view(&small));

	(void)state;
	small.p[end / 2] ^= 0x10;
	assert_int_equal(stream_read(blob_view(&small), NULL, 1, NULL, NULL, &err),
			 KVF_ESTREAM);
	assert_non_null(strstr(err.detail, "file offset "));
	assert_non_null(strstr(err.detail, "stream offset "));
	assert_non_null(strstr(err.detail, "unit "));
	assert_non_null(strstr(err.detail, "good up to"));
	assert_non_null(strstr(err.hint, "kvferry verify"));
	small.p[end / 2] ^= 0x10;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_cut_anywhere_before_its_tail_is_truncated),
		cmocka_unit_test(l1_cut_anywhere_is_truncated),
		cmocka_unit_test(no_flipped_bit_of_the_file_gives_other_data),
		cmocka_unit_test(no_flipped_bit_of_l1_is_accepted),
		cmocka_unit_test(no_byte_or_field_set_to_an_extreme_gives_other_data),
		cmocka_unit_test(units_cannot_be_omitted_doubled_or_swapped),
		cmocka_unit_test(a_chunk_of_another_stream_with_the_same_head_is_refused),
		cmocka_unit_test(two_streams_in_one_file_are_refused),
		cmocka_unit_test(garbage_after_the_end_is_refused),
		cmocka_unit_test(text_mode_transfer_is_named),
		cmocka_unit_test(other_files_are_named),
		cmocka_unit_test(an_unknown_major_version_is_named),
		cmocka_unit_test(an_error_says_where_and_what_to_do),
	};

	return cmocka_run_group_tests(tests, make_small, free_small);
}
