/* Writer and reader together: the same data, the same bytes, every framing. */
#include "../support/test.h"
#include "../support/streams.h"

#include "base/hash.h"
#include "io/parcel.h"
#include "stream/frame.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void every_number_of_threads_writes_the_same_bytes(void **state)
{
	struct recipe r = { .packages = 3, .entries = 3000, .value = 100, .threads = 1 };
	struct kvf_tail tail, first_tail;
	struct blob first = stream_build(&r, &first_tail), b;
	struct kvf_err err;
	uint8_t sum[32], first_sum[32];
	size_t warnings;

	(void)state;
	assert_int_equal(first_tail.entries, 9000);
	assert_true(first_tail.chunks > 200);
	assert_int_equal(stream_read(blob_view(&first), NULL, 1, first_sum, &warnings, &err),
			 KVF_EOF);
	assert_int_equal(warnings, 0);
	for (r.threads = 2; r.threads <= 8; r.threads++) {
		b = stream_build(&r, &tail);
		assert_int_equal(b.n, first.n);
		assert_memory_equal(b.p, first.p, b.n);
		assert_memory_equal(&tail, &first_tail, sizeof(tail));
		assert_int_equal(stream_read(blob_view(&b), NULL, r.threads, sum, NULL, &err),
				 KVF_EOF);
		assert_memory_equal(sum, first_sum, 32);
		free(b.p);
	}
	free(first.p);
}

static void every_level_gives_the_same_l1(void **state)
{
	static const int levels[] = { -5, 1, 3, 9, 19 };
	struct recipe r = { .packages = 1, .entries = 200, .value = 100, .level_set = 1 };
	struct blob first = { NULL, 0 }, b, l1;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		r.level = levels[i];
		b = stream_build(&r, NULL);
		l1 = stream_l1(blob_view(&b));
		if (i == 0) {
			first = l1;
		} else {
			assert_int_equal(l1.n, first.n);
			assert_memory_equal(l1.p, first.p, l1.n);
			free(l1.p);
		}
		free(b.p);
	}
	free(first.p);
}

static void a_stream_without_packages_or_entries_is_complete(void **state)
{
	struct kvf_err err;
	size_t packages;

	(void)state;
	for (packages = 0; packages < 3; packages++) {
		struct recipe r = { .packages = packages };
		struct kvf_tail tail;
		struct blob b = stream_build(&r, &tail);
		size_t warnings;

		assert_int_equal(tail.packages, packages);
		assert_int_equal(tail.entries, 0);
		assert_int_equal(tail.chunks, 0);
		assert_int_equal(stream_read(blob_view(&b), NULL, 1, NULL, &warnings, &err),
				 KVF_EOF);
		assert_int_equal(warnings, 0);
		free(b.p);
	}
}

/* ---- other framings -------------------------------------------------------------- */

static void same_data(const struct blob *b, const uint8_t sum[32], int warned)
{
	struct kvf_reader_options strict = { .strict_physical = 1 };
	struct kvf_err err;
	uint8_t again[32];
	size_t warnings;
	unsigned j;

	for (j = 1; j <= 3; j += 2) {
		if (stream_read(blob_view(b), NULL, j, again, &warnings, &err) != KVF_EOF)
			fail_msg("%s (%s)", err.message, err.detail);
		assert_memory_equal(again, sum, 32);
		assert_int_equal(warnings > 0, warned);
	}
	assert_int_equal(stream_read(blob_view(b), &strict, 1, NULL, NULL, &err),
			 warned ? KVF_ESTREAM : KVF_EOF);
}

static void any_framing_of_the_same_l1_is_the_same_stream(void **state)
{
	static const size_t slices[] = { 0, 1, 7, 100, 4096, 5000, 100000 };
	struct recipe r = { .packages = 2, .entries = 300, .value = 50, .notes = 1 };
	struct blob b = stream_build(&r, NULL), l1 = stream_l1(blob_view(&b)), f;
	struct kvf_err err;
	struct units units;
	uint8_t sum[32];
	size_t i;

	(void)state;
	assert_int_equal(stream_read(blob_view(&b), NULL, 1, sum, NULL, &err), KVF_EOF);
	same_data(&b, sum, 0);
	for (i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		f = stream_pack(blob_view(&l1), slices[i]);
		same_data(&f, sum, 1);
		free(f.p);
	}
	/* Native frames without what follows the tail. */
	stream_units(blob_view(&l1), &units);
	f = stream_frame(&units);
	same_data(&f, sum, 1);
	free(f.p);
	/* Two units in one frame, behind a hint: native at first sight. */
	for (i = 1; i + 1 < units.n; i += 3) {
		struct units joined = units;

		joined.u[i].len += joined.u[i + 1].len;
		memmove(&joined.u[i + 1], &joined.u[i + 2],
			(joined.n - i - 2) * sizeof(joined.u[0]));
		joined.n--;
		f = stream_frame(&joined);
		same_data(&f, sum, 1);
		free(f.p);
	}
	/* A unit in two frames. */
	for (i = 0; i < units.n; i += 3) {
		struct units cut = units;

		memmove(&cut.u[i + 1], &cut.u[i], (cut.n - i) * sizeof(cut.u[0]));
		cut.n++;
		cut.u[i].len = 5;
		cut.u[i + 1].ptr += 5;
		cut.u[i + 1].len -= 5;
		f = stream_frame(&cut);
		same_data(&f, sum, 1);
		free(f.p);
	}
	free(l1.p);
	free(b.p);
}

/* Copy a native file, with something done at each frame. */
enum what { STRIP_HINTS, WRONG_HINT, SKIPPABLE, EMPTY_FRAME };
static struct blob change_frames(const struct blob *b, enum what what, size_t which)
{
	static const uint8_t skippable[] = {
		0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'
	};
	static const uint8_t empty[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00 };
	struct blob out = { NULL, 0 };
	size_t at = 0, i = 0, size, end = stream_tail_end(blob_view(b));

	while (at < end) {
		uint8_t hint[12];

		memcpy(hint, b->p + at, 12);
		size = kvf_get_le32(hint + 8);
		if (i == which && what == SKIPPABLE)
			blob_add(&out, skippable, sizeof(skippable));
		if (i == which && what == EMPTY_FRAME)
			blob_add(&out, empty, sizeof(empty));
		if (i == which && what == WRONG_HINT)
			kvf_put_le32(hint + 8, (uint32_t)(size + (i % 2 ? 1 : 1000000)));
		if (what != STRIP_HINTS)
			blob_add(&out, hint, 12);
		blob_add(&out, b->p + at + 12, size);
		at += 12 + size;
		i++;
	}
	blob_add(&out, b->p + end, b->n - end);
	return out;
}

static void hints_notes_and_table_carry_no_meaning(void **state)
{
	struct recipe r = { .packages = 2, .entries = 100, .value = 100, .notes = 1 };
	struct blob b = stream_build(&r, NULL), f;
	struct kvf_err err;
	uint8_t sum[32];
	enum what what;
	size_t i;

	(void)state;
	assert_int_equal(stream_read(blob_view(&b), NULL, 1, sum, NULL, &err), KVF_EOF);
	for (what = STRIP_HINTS; what <= EMPTY_FRAME; what++)
		for (i = 0; i < 10; i++) {
			f = change_frames(&b, what, i);
			same_data(&f, sum, 1);
			free(f.p);
		}
	f = blob_copy(b.p, b.n);
	f.p[f.n - 20] ^= 1; /* the last pair of the seek table */
	same_data(&f, sum, 1);
	free(f.p);
	free(b.p);
}

static void a_level_with_a_large_window_is_read_in_any_framing(void **state)
{
	struct recipe r = { .packages = 1,
			    .entries = 30,
			    .value = 1 << 20,
			    .level = 12,
			    .level_set = 1,
			    .chunk = KVF_CHUNK_MAX };
	struct blob b = stream_build(&r, NULL), f;
	struct kvf_err err;
	uint8_t sum[32];

	(void)state;
	assert_int_equal(stream_read(blob_view(&b), NULL, 2, sum, NULL, &err), KVF_EOF);
	f = change_frames(&b, STRIP_HINTS, 0);
	same_data(&f, sum, 1);
	free(f.p);
	free(b.p);
}

/* ---- the calls -------------------------------------------------------------------- */

struct rig {
	struct kvf_output *out;
	struct kvf_writer *w;
	struct kvf_env env;
};
static const char *const one_name[] = { "p0" };

static void rig_open(struct rig *g, uint64_t value_max)
{
	struct kvf_head head = {
		.app = "", .packages = one_name, .npackages = 1, .chunk = KVF_CHUNK_MIN
	};
	struct kvf_begin begin = { .name = "p0" };
	struct kvf_err err;

	head.lim.value = value_max;
	g->env.threads = 2;
	assert_int_equal(kvf_output_memory(1 << 26, &g->out, &err), KVF_OK);
	assert_int_equal(kvf_writer_open(g->out, &head, NULL, &g->env, &g->w, &err), KVF_OK);
	assert_int_equal(kvf_writer_begin(g->w, &begin, &err), KVF_OK);
}

static void rig_close(struct rig *g)
{
	kvf_writer_close(g->w);
	kvf_output_close(g->out);
}

static enum kvf_status put(struct rig *g, const char *part, const char *key, size_t len,
			   struct kvf_err *err)
{
	static const uint8_t zeros[8192];
	struct kvf_entry e = { kvf_bytes_str(part), kvf_bytes_str(key), { zeros, len } };

	return kvf_writer_put(g->w, &e, err);
}

static void entries_out_of_order_are_refused_and_named(void **state)
{
	struct rig g = { 0 };
	struct kvf_err err;

	(void)state;
	rig_open(&g, 0);
	assert_int_equal(put(&g, "b", "k2", 1, &err), KVF_OK);
	assert_int_equal(put(&g, "b", "k2", 2, &err), KVF_EDEFINITION);
	assert_non_null(strstr(err.message, "two entries have one key: k2"));
	assert_int_equal(put(&g, "b", "k1", 2, &err), KVF_EDEFINITION);
	assert_non_null(strstr(err.message, "k1"));
	assert_non_null(strstr(err.message, "k2"));
	assert_int_equal(put(&g, "a", "k3", 2, &err), KVF_EDEFINITION);
	/* It goes on as if nothing had been, also behind the end of a chunk. */
	assert_int_equal(put(&g, "b", "k3", 8192, &err), KVF_OK);
	assert_int_equal(put(&g, "b", "k3", 1, &err), KVF_EDEFINITION);
	assert_int_equal(put(&g, "b", "k20", 1, &err), KVF_EDEFINITION);
	assert_int_equal(put(&g, "b", "k30", 1, &err), KVF_OK);
	assert_int_equal(kvf_writer_end(g.w, NULL, 0, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_finish(g.w, NULL, &err), KVF_OK);
	assert_int_equal(stream_read(kvf_output_bytes(g.out), NULL, 1, NULL, NULL, &err),
			 KVF_EOF);
	rig_close(&g);
}

static void entries_over_a_limit_are_rejected_with_the_option(void **state)
{
	struct rig g = { 0 };
	struct kvf_err err;
	char part[1026];

	(void)state;
	memset(part, 'x', sizeof(part));
	part[1025] = '\0';
	rig_open(&g, 100);
	assert_int_equal(put(&g, "p", "k", 101, &err), KVF_EREJECT);
	assert_non_null(strstr(err.hint, "--max-value 101"));
	assert_int_equal(put(&g, "p", "", 1, &err), KVF_EREJECT);
	assert_int_equal(put(&g, part, "k", 1, &err), KVF_EREJECT);
	assert_int_equal(put(&g, part + 1, "k", 100, &err), KVF_OK);
	assert_int_equal(kvf_writer_end(g.w, NULL, 0, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_finish(g.w, NULL, &err), KVF_OK);
	rig_close(&g);
}

static void calls_at_the_wrong_time_are_refused(void **state)
{
	struct kvf_begin begin = { .name = "p0" };
	struct rig g = { 0 };
	struct kvf_err err;

	(void)state;
	rig_open(&g, 0);
	assert_int_equal(kvf_writer_begin(g.w, &begin, &err), KVF_EUSAGE);
	assert_int_equal(kvf_writer_finish(g.w, NULL, &err), KVF_EUSAGE);
	assert_int_equal(kvf_writer_end(g.w, NULL, 0, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_end(g.w, NULL, 0, NULL, &err), KVF_EUSAGE);
	assert_int_equal(put(&g, "p", "k", 1, &err), KVF_EUSAGE);
	assert_int_equal(kvf_writer_begin(g.w, &begin, &err), KVF_EUSAGE);
	assert_int_equal(kvf_writer_finish(g.w, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_abort(g.w, 4, "too late", &err), KVF_EUSAGE);
	rig_close(&g);
}

static void an_aborted_stream_shows_what_its_producer_said(void **state)
{
	struct rig g = { 0 };
	struct kvf_err err;
	int i;

	(void)state;
	rig_open(&g, 0);
	for (i = 0; i < 50; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%03d", i);
		assert_int_equal(put(&g, "p", key, 1000, &err), KVF_OK);
	}
	assert_int_equal(kvf_writer_abort(g.w, 4, "disk\x1b[31m on fire", &err), KVF_OK);
	assert_int_equal(stream_read(kvf_output_bytes(g.out), NULL, 1, NULL, NULL, &err),
			 KVF_ETRUNC);
	assert_non_null(strstr(err.message, "exit status 4"));
	assert_non_null(strstr(err.message, "on fire"));
	assert_null(strchr(err.message, 0x1b));
	rig_close(&g);
}

static int always(void *ctx)
{
	(void)ctx;
	return 1;
}

static void a_stop_is_heard_and_the_stream_can_still_be_aborted(void **state)
{
	struct rig g = { 0 };
	struct kvf_err err;
	enum kvf_status st = KVF_OK;
	int i;

	(void)state;
	g.env.stopped = always;
	rig_open(&g, 0);
	for (i = 0; i < 50 && !st; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%03d", i);
		st = put(&g, "p", key, 1000, &err);
	}
	assert_int_equal(st, KVF_EINTERRUPTED);
	assert_true(i < 20);
	assert_int_equal(put(&g, "q", "k", 1, &err), KVF_EINTERRUPTED);
	assert_int_equal(kvf_writer_abort(g.w, 130, "interrupted", &err), KVF_OK);
	assert_int_equal(stream_read(kvf_output_bytes(g.out), NULL, 1, NULL, NULL, &err),
			 KVF_ETRUNC);
	assert_non_null(strstr(err.message, "130"));
	rig_close(&g);
}

static void an_output_that_fails_stops_the_writer(void **state)
{
	struct kvf_head head = { .packages = one_name, .npackages = 1, .chunk = KVF_CHUNK_MIN };
	struct kvf_begin begin = { .name = "p0" };
	struct rig g = { 0 };
	struct kvf_err err;
	enum kvf_status st = KVF_OK;
	int i;

	(void)state;
	g.env.threads = 2;
	assert_int_equal(kvf_output_memory(1500, &g.out, &err), KVF_OK);
	assert_int_equal(kvf_writer_open(g.out, &head, NULL, &g.env, &g.w, &err), KVF_OK);
	assert_int_equal(kvf_writer_begin(g.w, &begin, &err), KVF_OK);
	for (i = 0; i < 2000 && !st; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%05d", i);
		st = put(&g, "p", key, 1000, &err);
	}
	assert_int_equal(st, KVF_ETARGET);
	assert_int_equal(kvf_writer_end(g.w, NULL, 0, NULL, &err), KVF_ETARGET);
	assert_int_equal(kvf_writer_abort(g.w, 5, "x", &err), KVF_ETARGET);
	rig_close(&g);
}

/* ---- pipes -------------------------------------------------------------------------- */

static void *write_into_pipe(void *arg)
{
	struct kvf_output *out = arg;
	struct kvf_env env = { .threads = 2 };
	struct kvf_head head = { .packages = one_name, .npackages = 1, .chunk = KVF_CHUNK_MIN };
	struct kvf_begin begin = { .name = "p0" };
	struct kvf_writer *w = NULL;
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	char key[16];
	int i;

	st = kvf_writer_open(out, &head, NULL, &env, &w, &err);
	if (!st)
		st = kvf_writer_begin(w, &begin, &err);
	for (i = 0; i < 20000 && !st; i++) {
		snprintf(key, sizeof(key), "%06d", i);
		e.part = kvf_bytes_str("p");
		e.key = kvf_bytes_str(key);
		e.value = kvf_bytes_str(key);
		st = kvf_writer_put(w, &e, &err);
	}
	if (!st)
		st = kvf_writer_end(w, NULL, 0, NULL, &err);
	if (!st)
		st = kvf_writer_finish(w, NULL, &err);
	kvf_writer_close(w);
	if (!st)
		st = kvf_output_commit(out, &err);
	kvf_output_close(out);
	return st ? out : NULL;
}

/* What a reader tells of a stream: entries, and a digest over all that it says. */
static void listen(struct kvf_input *in, size_t *n, uint8_t said[32])
{
	struct kvf_env env = { .threads = 2 };
	struct kvf_reader *r;
	struct kvf_sha256 h;
	struct kvf_item item;
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	size_t at;

	*n = 0;
	kvf_sha256_begin(&h);
	assert_int_equal(kvf_reader_open(in, NULL, &env, &r, &err), KVF_OK);
	kvf_sha256_update(&h, kvf_reader_head_unit(r).ptr, kvf_reader_head_unit(r).len);
	while (!(st = kvf_reader_next(r, &item, &err))) {
		if (item.type == KVF_ITEM_CHUNK) {
			const struct kvf_chunk_info *c = &item.u.chunk->info;

			for (at = 0; kvf_chunk_next(item.u.chunk, &at, &e);) {
				kvf_sha256_update(&h, e.key.ptr, e.key.len);
				kvf_sha256_update(&h, e.value.ptr, e.value.len);
				++*n;
			}
			kvf_sha256_update(&h, &c->i, sizeof(c->i));
			kvf_sha256_update(&h, c->d, sizeof(c->d));
			kvf_sha256_update(&h, c->totals.m, sizeof(c->totals.m));
			kvf_sha256_update(&h, &c->totals.entries, sizeof(c->totals.entries));
		} else if (item.type != KVF_ITEM_TAIL) {
			kvf_sha256_update(&h, item.raw.ptr, item.raw.len);
		}
		if (item.type == KVF_ITEM_TAIL)
			kvf_sha256_update(&h, item.u.tail->r, 32);
	}
	assert_int_equal(st, KVF_EOF);
	assert_int_equal(kvf_reader_next(r, &item, &err), KVF_EOF);
	assert_int_equal(kvf_reader_warnings(r), 0);
	kvf_sha256_end(&h, said);
	kvf_reader_close(r);
	kvf_input_close(in);
}

static void a_stream_flows_through_a_small_pipe(void **state)
{
	struct kvf_output *out;
	struct kvf_input *in;
	struct kvf_err err;
	pthread_t t;
	uint8_t said[32];
	size_t n;
	void *failed;

	(void)state;
	assert_int_equal(kvf_pipe_new(1000, &in, &out, &err), KVF_OK);
	assert_int_equal(pthread_create(&t, NULL, write_into_pipe, out), 0);
	listen(in, &n, said);
	assert_int_equal(n, 20000);
	assert_int_equal(pthread_join(t, &failed), 0);
	assert_null(failed);
}

static void units_that_are_handed_over_say_what_their_bytes_would_say(void **state)
{
	uint8_t said[2][32];
	size_t n[2], i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct kvf_output *out;
		struct kvf_input *in;
		struct kvf_err err;
		pthread_t t;
		void *failed;

		assert_int_equal((i ? kvf_parcels_new : kvf_pipe_new)(9000, &in, &out, &err),
				 KVF_OK);
		assert_int_equal(pthread_create(&t, NULL, write_into_pipe, out), 0);
		listen(in, &n[i], said[i]);
		assert_int_equal(pthread_join(t, &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(said[0], said[1], 32);
}

static void a_writer_that_goes_away_does_not_end_what_it_hands_over(void **state)
{
	struct kvf_head head = { .app = "test", .schema = 1 };
	struct kvf_output *out;
	struct kvf_writer *w;
	struct kvf_reader *r;
	struct kvf_input *in;
	struct kvf_item item;
	struct kvf_err err;
	int committed;

	(void)state;
	for (committed = 0; committed < 2; committed++) {
		assert_int_equal(kvf_parcels_new(1u << 20, &in, &out, &err), KVF_OK);
		assert_int_equal(kvf_writer_open(out, &head, NULL, NULL, &w, &err), KVF_OK);
		kvf_writer_close(w);
		if (committed)
			assert_int_equal(kvf_output_commit(out, &err), KVF_OK);
		kvf_output_close(out);
		assert_int_equal(kvf_reader_open(in, NULL, NULL, &r, &err), KVF_OK);
		assert_int_equal(kvf_reader_next(r, &item, &err), KVF_ETRUNC);
		assert_int_equal(kvf_reader_next(r, &item, &err), KVF_ETRUNC);
		kvf_reader_close(r);
		kvf_input_close(in);
	}
}

static void notes_are_shown_and_kept_out_of_l1(void **state)
{
	struct recipe with = { .packages = 1, .entries = 5, .value = 5, .notes = 1 };
	struct recipe without = { .packages = 1, .entries = 5, .value = 5 };
	struct blob a = stream_build(&with, NULL), b = stream_build(&without, NULL);
	struct blob a1 = stream_l1(blob_view(&a)), b1 = stream_l1(blob_view(&b));
	struct kvf_input *in;
	struct kvf_reader *r;
	struct kvf_item item;
	struct kvf_err err;

	(void)state;
	assert_int_equal(a1.n, b1.n);
	assert_memory_equal(a1.p, b1.p, a1.n);
	assert_int_equal(kvf_input_memory(blob_view(&a), "a", &in, &err), KVF_OK);
	assert_int_equal(kvf_reader_open(in, NULL, NULL, &r, &err), KVF_OK);
	while (!kvf_reader_next(r, &item, &err))
		assert_string_equal(kvf_reader_note(r), "");
	assert_string_equal(kvf_reader_note(r), "created 2026-01-01\ntool test\n");
	kvf_reader_close(r);
	kvf_input_close(in);
	free(a.p);
	free(b.p);
	free(a1.p);
	free(b1.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_of_threads_writes_the_same_bytes),
		cmocka_unit_test(every_level_gives_the_same_l1),
		cmocka_unit_test(a_stream_without_packages_or_entries_is_complete),
		cmocka_unit_test(any_framing_of_the_same_l1_is_the_same_stream),
		cmocka_unit_test(hints_notes_and_table_carry_no_meaning),
		cmocka_unit_test(a_level_with_a_large_window_is_read_in_any_framing),
		cmocka_unit_test(entries_out_of_order_are_refused_and_named),
		cmocka_unit_test(entries_over_a_limit_are_rejected_with_the_option),
		cmocka_unit_test(calls_at_the_wrong_time_are_refused),
		cmocka_unit_test(an_aborted_stream_shows_what_its_producer_said),
		cmocka_unit_test(a_stop_is_heard_and_the_stream_can_still_be_aborted),
		cmocka_unit_test(an_output_that_fails_stops_the_writer),
		cmocka_unit_test(a_stream_flows_through_a_small_pipe),
		cmocka_unit_test(units_that_are_handed_over_say_what_their_bytes_would_say),
		cmocka_unit_test(a_writer_that_goes_away_does_not_end_what_it_hands_over),
		cmocka_unit_test(notes_are_shown_and_kept_out_of_l1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
