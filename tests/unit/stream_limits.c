/* Hostile streams: what they claim buys them neither memory nor time. */
#include "../support/test.h"
#include "../support/streams.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#define ALLOWANCE ((size_t)112 << 20) /* unit cap (66 MiB) + control + code and stacks */

static struct blob head_l1;  /* MAGIC and head of a stream with one package */
static struct blob begin_l1; /* its begin unit */

static int make_head(void **state)
{
	struct recipe r = { .packages = 1, .entries = 3, .value = 10 };
	struct blob file = stream_build(&r, NULL), l1 = stream_l1(blob_view(&file));
	struct units units;

	(void)state;
	stream_units(blob_view(&l1), &units);
	head_l1 = blob_copy(units.u[0].ptr, units.u[0].len);
	begin_l1 = blob_copy(units.u[1].ptr, units.u[1].len);
	free(file.p);
	free(l1.p);
	return 0;
}

static int free_head(void **state)
{
	(void)state;
	free(head_l1.p);
	free(begin_l1.p);
	return 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_LIMIT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CAN_LIMIT 0
#endif
#endif
#ifndef CAN_LIMIT
#define CAN_LIMIT 1
#endif

/* Let this process have at most ALLOWANCE more of address space. */
static void limit_memory(void)
{
	unsigned long pages = 0;
	struct rlimit lim;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu", &pages) != 1)
		_exit(99);
	fclose(f);
	lim.rlim_cur = lim.rlim_max = pages * (size_t)sysconf(_SC_PAGESIZE) + ALLOWANCE;
	if (setrlimit(RLIMIT_AS, &lim) != 0)
		_exit(99);
	alarm(20);
}

/* Read in a child that has little memory and time: refused, and not for want of those. */
static void refused(const struct blob *file, enum kvf_status expected, const char *what)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct kvf_err err;
		enum kvf_status st;

		if (CAN_LIMIT)
			limit_memory();
		st = stream_read(blob_view(file), NULL, 1, NULL, NULL, &err);
		if (st != expected)
			fprintf(stderr, "%s: %d %s\n", what, (int)st, err.message);
		_exit(st == expected ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: status %x", what, (unsigned)status);
}

/* L1: the head, then these bytes; in one frame, in slices, in native frames. */
static void refuse_l1(const char *bytes, size_t n, enum kvf_status expected, const char *what)
{
	struct blob l1 = blob_copy(head_l1.p, head_l1.n), f;
	struct units units = { 2, { { head_l1.p, head_l1.n }, { (const uint8_t *)bytes, n } } };

	blob_add(&l1, bytes, n);
	f = stream_pack(blob_view(&l1), 0);
	refused(&f, expected, what);
	free(f.p);
	f = stream_frame(&units);
	refused(&f, expected, what);
	free(f.p);
	free(l1.p);
}
#define REFUSE_L1(s, expected) refuse_l1(s, sizeof(s) - 1, expected, #s)

static void msgpack_that_claims_much_is_refused(void **state)
{
	(void)state;
	REFUSE_L1("\xdd\xff\xff\xff\xff", KVF_ESTREAM);
	REFUSE_L1("\x87\xa1$\xa5"
		  "begin\xa5kinds\xdd\xff\xff\xff\xff",
		  KVF_ESTREAM);
	REFUSE_L1("\x87\xa1$\xa5"
		  "begin\xa5kinds\xdc\xff\xff",
		  KVF_ETRUNC);
	REFUSE_L1("\x87\xa1$\xa5"
		  "begin\xa5kinds\xc6\xff\xff\xff\xffxxx",
		  KVF_ESTREAM);
	REFUSE_L1("\x84\xa1$\xa5"
		  "chunk\xa1h\xc6\xff\xff\xff\xffxxx",
		  KVF_ESTREAM);
	REFUSE_L1("\x81\xa1$\xa5"
		  "chunk\x93\xc6\x80\x00\x00\x00xxx",
		  KVF_ESTREAM);
	REFUSE_L1("\x81\xa1$\xa5"
		  "chunk\x93\xc4\x00\xc4\x01k\xc6\x03\x00\x00\x00xxx",
		  KVF_ETRUNC);
	REFUSE_L1("\xc1", KVF_ESTREAM);
	REFUSE_L1("\x93\xc4\x00\xc4\x01k\xc4\x00", KVF_ESTREAM);
}

static void depth_is_refused_at_the_sixth_container(void **state)
{
	char *deep = malloc(1000000);

	(void)state;
	assert_non_null(deep);
	memset(deep, 0x91, 1000000);
	refuse_l1(deep, 1000000, KVF_ESTREAM, "depth");
	memcpy(deep,
	       "\x82\xa1$\xa5"
	       "begin\xa5kinds",
	       15);
	refuse_l1(deep, 1000000, KVF_ESTREAM, "depth in a record");
	free(deep);
}

/* A chunk whose value is `n` zeros, compressed to almost nothing. */
static void a_large_value_is_refused_by_its_length(void **state)
{
	static const size_t sizes[] = { (64u << 20) + 1, 500u << 20 };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		static const uint8_t zeros[1 << 20];
		uint8_t entry[16] = { 0x93, 0xc4, 0, 0xc4, 1, 'k', 0xc6 };
		struct blob file = { NULL, 0 };
		ZSTD_CCtx *c = ZSTD_createCCtx();
		uint8_t buf[1 << 16];
		size_t k, n = sizes[i] >> 20;

		assert_non_null(c);
		for (k = 0; k <= n + 2; k++) {
			ZSTD_inBuffer in = { zeros, sizeof(zeros), 0 };
			ZSTD_outBuffer out = { buf, sizeof(buf), 0 };

			if (k == 0) {
				in.src = head_l1.p;
				in.size = head_l1.n;
			} else if (k == 1) {
				in.src = begin_l1.p;
				in.size = begin_l1.n;
			} else if (k == 2) {
				struct blob b = blob_copy("\x84\xa1$\xa5"
							  "chunk\xa1h\xc4\x08"
							  "12345678\xa1i\x00\xa1n\x00",
							  27);

				kvf_put_be32(entry + 7, (uint32_t)sizes[i]);
				blob_add(&b, entry, 11);
				in.src = b.p;
				in.size = b.n;
				assert_false(ZSTD_isError(
					ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush)));
				blob_add(&file, buf, out.pos);
				free(b.p);
				continue;
			}
			assert_false(
				ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush)));
			blob_add(&file, buf, out.pos);
		}
		ZSTD_freeCCtx(c);
		assert_true(file.n < 100000);
		refused(&file, i ? KVF_ESTREAM : KVF_ETRUNC, "large value");
		free(file.p);
	}
}

/* ---- frames ------------------------------------------------------------------- */

/* A native file whose second frame is `frame`; its hint says the truth. */
static struct blob with_frame(const uint8_t *frame, size_t n)
{
	struct blob b = stream_frame_unit(blob_view(&head_l1));
	uint8_t hint[12] = { 0x50, 0x2a, 0x4d, 0x18, 4 };

	kvf_put_le32(hint + 8, (uint32_t)n);
	blob_add(&b, hint, 12);
	blob_add(&b, frame, n);
	return b;
}

static void a_frame_whose_header_lies_is_refused(void **state)
{
	/* content size 2^62, single segment; window 3.75 TB; content size too small,
	 * too large; a dictionary; a reserved bit; a checksum that does not match. */
	static const struct {
		const char *p;
		size_t n;
		enum kvf_status st;
	} frames[] = {
		{ "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x40\x01\0\0", 16, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\x00\xff\x01\0\0", 9, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\x20\x01\x11\0\0xy", 11, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\x20\x05\x11\0\0xy", 11, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\x21\x07\x02\x11\0\0xy", 12, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\x28\x02\x11\0\0xy", 11, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\x24\x02\x11\0\0xy\0\0\0\0", 15, KVF_ESTREAM },
		{ "\x28\xb5\x2f\xfd\xa4\0\0\0\x40", 9, KVF_ESTREAM },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct blob b = with_frame((const uint8_t *)frames[i].p, frames[i].n);
		char what[32];

		snprintf(what, sizeof(what), "frame %zu", i);
		refused(&b, frames[i].st, what);
		free(b.p);
	}
}

static void a_run_of_empty_or_skippable_frames_is_refused(void **state)
{
	static const uint8_t empty[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00 };
	static const uint8_t skip[] = { 0x53, 0x2a, 0x4d, 0x18, 0, 0, 0, 0 };
	static const uint8_t large[] = { 0x53, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 'x' };
	struct blob b = stream_frame_unit(blob_view(&head_l1)), c = blob_copy(b.p, b.n), d;
	size_t i;

	(void)state;
	d = blob_copy(b.p, b.n);
	for (i = 0; i < 17; i++) {
		blob_add(&b, empty, sizeof(empty));
		blob_add(&c, skip, sizeof(skip));
	}
	refused(&b, KVF_ESTREAM, "empty frames");
	refused(&c, KVF_ESTREAM, "skippable frames");
	blob_add(&d, large, sizeof(large));
	refused(&d, KVF_ESTREAM, "a skippable frame of 4 GiB");
	free(b.p);
	free(c.p);
	free(d.p);
}

static void a_hint_that_claims_much_is_not_believed(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 1u << 20, 60u << 20, 0x7fffffff, 0xffffffff };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct blob b = stream_frame_unit(blob_view(&head_l1));
		uint8_t hint[12] = { 0x50, 0x2a, 0x4d, 0x18, 4 };

		kvf_put_le32(hint + 8, sizes[i]);
		blob_add(&b, hint, 12);
		refused(&b, KVF_ETRUNC, "hint, then nothing");
		blob_add(&b, "\x28\xb5\x2f\xfd", 4);
		refused(&b, KVF_ETRUNC, "hint, then a little");
		free(b.p);
	}
}

/* ---- what the caller allows ------------------------------------------------------ */

static void limits_above_the_callers_are_refused_before_any_entry(void **state)
{
	struct recipe r = { .packages = 1, .entries = 3, .value = 10 };
	struct kvf_reader_options o = { .caps = { .value = 1000 } };
	struct blob b = stream_build(&r, NULL);
	struct kvf_err err;

	(void)state;
	assert_int_equal(stream_read(blob_view(&b), &o, 1, NULL, NULL, &err), KVF_EPREFLIGHT);
	assert_non_null(strstr(err.hint, "--max-value 67108864"));
	o.caps.value = 64u << 20;
	assert_int_equal(stream_read(blob_view(&b), &o, 1, NULL, NULL, &err), KVF_EOF);
	o.caps.unit = 1000;
	assert_int_equal(stream_read(blob_view(&b), &o, 1, NULL, NULL, &err), KVF_EPREFLIGHT);
	free(b.p);
}

static void features_are_known_or_refused(void **state)
{
	struct recipe r = { .packages = 1, .entries = 3, .value = 10, .partial = 1 };
	struct kvf_reader_options o = { .allow_features_partial = 1 };
	struct blob b = stream_build(&r, NULL), l1, f;
	struct kvf_err err;
	uint8_t *p;

	(void)state;
	assert_int_equal(stream_read(blob_view(&b), NULL, 1, NULL, NULL, &err), KVF_EPREFLIGHT);
	assert_non_null(strstr(err.hint, "--allow-partial"));
	assert_int_equal(stream_read(blob_view(&b), &o, 1, NULL, NULL, &err), KVF_EOF);
	l1 = stream_l1(blob_view(&b));
	p = memmem(l1.p, l1.n, "partial", 7);
	assert_non_null(p);
	memcpy(p, "parcial", 7);
	f = stream_pack(blob_view(&l1), 0);
	assert_int_equal(stream_read(blob_view(&f), &o, 1, NULL, NULL, &err), KVF_EVERSION);
	assert_non_null(strstr(err.message, "parcial"));
	free(f.p);
	free(l1.p);
	free(b.p);
}

static int no_bomb(void *ctx)
{
	return (*(int *)ctx)-- <= 0;
}

static void a_reader_stops_when_it_is_asked_to(void **state)
{
	struct recipe r = { .packages = 1, .entries = 3000, .value = 100 };
	struct blob b = stream_build(&r, NULL);
	int left = 5;
	struct kvf_env env = { .threads = 2, .ctx = &left, .stopped = no_bomb };
	struct kvf_input *in;
	struct kvf_reader *reader;
	struct kvf_item item;
	struct kvf_err err;
	enum kvf_status st;

	(void)state;
	assert_int_equal(kvf_input_memory(blob_view(&b), "m", &in, &err), KVF_OK);
	assert_int_equal(kvf_reader_open(in, NULL, &env, &reader, &err), KVF_OK);
	while (!(st = kvf_reader_next(reader, &item, &err)))
		;
	assert_int_equal(st, KVF_EINTERRUPTED);
	kvf_reader_close(reader);
	kvf_input_close(in);
	free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(msgpack_that_claims_much_is_refused),
		cmocka_unit_test(depth_is_refused_at_the_sixth_container),
		cmocka_unit_test(a_large_value_is_refused_by_its_length),
		cmocka_unit_test(a_frame_whose_header_lies_is_refused),
		cmocka_unit_test(a_run_of_empty_or_skippable_frames_is_refused),
		cmocka_unit_test(a_hint_that_claims_much_is_not_believed),
		cmocka_unit_test(limits_above_the_callers_are_refused_before_any_entry),
		cmocka_unit_test(features_are_known_or_refused),
		cmocka_unit_test(a_reader_stops_when_it_is_asked_to),
	};

	return cmocka_run_group_tests(tests, make_head, free_head);
}
