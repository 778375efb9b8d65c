/*
 * The reader over anything.
 *
 * The first byte chooses the door: 0 = the bytes are a file; 1 = they are L1, in
 * one zstd frame; 2 = L1 whose digests are made true first, cut into native
 * frames, so that what lies behind the digests is reached; 3 = a begin unit;
 * 4 = a head unit.  A stream that is accepted must survive another framing of
 * its L1 with the same root.
 */
#include "fuzz.h"

#include <kvferry/stream.h>

#include "base/hash.h"
#include "stream/frame.h"
#include "stream/record.h"
#include "stream/unit.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define UNITS_MAX 64 /* that are repaired: more show nothing new, slowly */

static const char *const items[] = { "begin", "chunk", "end", "tail" };

static enum kvf_status read_all(struct kvf_bytes file, struct kvf_tail *tail)
{
	struct kvf_reader_options o = { .allow_features_partial = 1 };
	struct kvf_env env = { .threads = 1 };
	struct kvf_input *in = NULL;
	struct kvf_reader *r = NULL;
	struct kvf_item item;
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	size_t at;

	if (kvf_input_memory(file, "fuzz", &in, &err))
		abort();
	st = kvf_reader_open(in, &o, &env, &r, &err);
	while (!st) {
		st = kvf_reader_next(r, &item, &err);
		if (st)
			break;
		fuzz_saw(items[item.type]);
		if (item.type == KVF_ITEM_CHUNK)
			for (at = 0; kvf_chunk_next(item.u.chunk, &at, &e);)
				if (e.key.len == 0)
					abort();
		if (item.type == KVF_ITEM_TAIL)
			*tail = *item.u.tail;
	}
	if (st == KVF_ETRUNC && strstr(err.message, "gave up"))
		fuzz_saw("abort");
	if (r && kvf_reader_warnings(r))
		fuzz_saw("warning");
	fuzz_saw(kvf_status_word(st));
	if (st == KVF_EINTERNAL || (st != KVF_EOF && !err.message[0]))
		abort();
	kvf_reader_close(r);
	kvf_input_close(in);
	return st;
}

struct bytes {
	uint8_t *p;
	size_t n;
};

static void add(struct bytes *b, const void *p, size_t n)
{
	b->p = realloc(b->p, b->n + n + 1);
	if (!b->p)
		abort();
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static struct bytes pack(const uint8_t *p, size_t n)
{
	struct bytes out = { malloc(ZSTD_compressBound(n)), 0 };

	if (!out.p)
		abort();
	out.n = ZSTD_compress(out.p, ZSTD_compressBound(n), p, n, 1);
	if (ZSTD_isError(out.n))
		abort();
	return out;
}

static void add_native(struct bytes *out, const uint8_t *p, size_t n)
{
	uint8_t hint[KVF_HINT_LEN];
	struct kvf_buf frame;
	struct kvf_bytes unit = { p, n };

	kvf_buf_init(&frame, 1 << 26);
	if (kvf_frame_raw(&frame, unit, NULL))
		abort();
	kvf_put_hint(hint, (uint32_t)frame.len);
	add(out, hint, sizeof(hint));
	add(out, frame.ptr, frame.len);
	kvf_buf_release(&frame);
}

/* What repairing keeps from unit to unit. */
struct chains {
	uint8_t h[8], r[32], root[32], d[32];
	struct kvf_totals package;
	struct kvf_tail tail;
	uint64_t chunks;
};

static void chain(uint8_t state[32], const uint8_t d[32])
{
	struct kvf_sha256 h;

	kvf_sha256_begin(&h);
	kvf_sha256_update(&h, state, 32);
	kvf_sha256_update(&h, d, 32);
	kvf_sha256_end(&h, state);
}

/* The end of the object at `at`, or 0. */
static size_t object_end(const uint8_t *p, size_t n, size_t at)
{
	struct kvf_mp_scan s;
	const char *why;

	memset(&s, 0, sizeof(s));
	return at < n && kvf_mp_scan(&s, p, n, &at, n, &why) == KVF_MP_DONE ? at : 0;
}

/* A chunk unit from `at`: entries as they are, then a true endc. */
static size_t repair_chunk(struct bytes *out, struct chains *c, uint8_t *p, size_t n, size_t at)
{
	size_t end = object_end(p, n, at), begin = at, next;
	struct kvf_endc_record e;
	struct kvf_mp m = kvf_mp_over(p + at, end - at);
	struct kvf_chunk_record rec;
	struct kvf_unit made;
	uint8_t endc[KVF_ENDC_RECORD_MAX];
	struct kvf_bytes bytes;
	struct bytes unit = { NULL, 0 };

	if (!kvf_read_chunk_record(&m, &rec))
		return 0;
	memcpy(rec.h, c->h, 8);
	unit.p = malloc(KVF_CHUNK_RECORD_MAX);
	if (!unit.p)
		abort();
	unit.n = kvf_write_chunk_record(unit.p, &rec);
	memset(&made, 0, sizeof(made));
	begin = unit.n;
	for (at = end; at < n && (p[at] & 0xf0) == 0x90; at = next) {
		next = object_end(p, n, at);
		if (!next)
			break;
		add(&unit, p + at, next - at);
	}
	bytes.ptr = unit.p;
	bytes.len = unit.n;
	kvf_unit_digest(bytes, begin, &made);
	e.b = made.info.totals.bytes;
	e.c = made.info.totals.entries;
	memcpy(e.d, made.info.d, 32);
	memcpy(e.m, made.info.totals.m, 16);
	add(&unit, endc, kvf_write_endc_record(endc, &e));
	add_native(out, unit.p, unit.n);
	free(unit.p);
	chain(c->r, made.info.d);
	kvf_totals_merge(&c->package, &made.info.totals);
	c->chunks++;
	next = object_end(p, n, at); /* the endc of the input, if there is one */
	return next ? next : n;
}

static void repair_end(struct bytes *out, struct chains *c, uint64_t n)
{
	struct kvf_end end = { .n = n, .chunks = c->chunks, .totals = c->package };
	struct kvf_buf b;
	uint8_t d[32];

	memcpy(end.r, c->r, 32);
	kvf_buf_init(&b, 1 << 20);
	if (kvf_write_end(&b, &end, NULL))
		abort();
	add_native(out, b.ptr, b.len);
	kvf_sha256(b.ptr, b.len, d);
	chain(c->root, d);
	kvf_buf_release(&b);
	c->tail.packages++;
	c->tail.chunks += c->chunks;
	c->tail.entries += c->package.entries;
	c->tail.bytes += c->package.bytes;
	memset(&c->package, 0, sizeof(c->package));
	c->chunks = 0;
}

static struct bytes repair(uint8_t *p, size_t n)
{
	struct bytes out = { NULL, 0 };
	size_t at = KVF_MAGIC_LEN, next;
	size_t units = 0;
	struct chains c;
	struct kvf_buf b;
	uint8_t d[32];

	memset(&c, 0, sizeof(c));
	next = n > at ? object_end(p, n, at) : 0;
	add(&out, NULL, 0);
	if (!next)
		return out;
	memcpy(p, kvf_magic, KVF_MAGIC_LEN);
	kvf_sha256(p, next, c.root);
	memcpy(c.h, c.root, 8);
	add_native(&out, p, next);
	for (at = next; at < n && units < UNITS_MAX; at = next, units++) {
		enum kvf_record_type type = kvf_record_peek(p + at, n - at);

		next = object_end(p, n, at);
		if (!next)
			break;
		if (type == KVF_REC_CHUNK) {
			next = repair_chunk(&out, &c, p, n, at);
			if (!next)
				break;
		} else if (type == KVF_REC_END) {
			repair_end(&out, &c, c.tail.packages);
		} else if (type == KVF_REC_TAIL) {
			memcpy(c.tail.r, c.root, 32);
			kvf_buf_init(&b, 1 << 20);
			if (kvf_write_tail(&b, &c.tail, NULL))
				abort();
			add_native(&out, b.ptr, b.len);
			kvf_buf_release(&b);
		} else {
			if (type == KVF_REC_BEGIN) {
				kvf_sha256(p + at, next - at, d);
				memcpy(c.r, d, 32);
			}
			add_native(&out, p + at, next - at);
		}
	}
	return out;
}

/* Everything of the frames, decoded by zstd itself. */
static struct bytes l1_of(const struct bytes *file)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_inBuffer in = { file->p, file->n, 0 };
	struct bytes out = { NULL, 0 };
	static uint8_t buf[1 << 17];
	size_t rc = 0;

	while (in.pos < in.size || rc) {
		ZSTD_outBuffer o = { buf, sizeof(buf), 0 };

		rc = ZSTD_decompressStream(d, &o, &in);
		if (ZSTD_isError(rc) || (in.pos == in.size && o.pos == 0))
			break;
		add(&out, buf, o.pos);
	}
	ZSTD_freeDCtx(d);
	return out;
}

static void one_file(struct bytes *file)
{
	struct kvf_tail tail, again;
	struct kvf_bytes view = { file->p, file->n };
	struct bytes l1, packed;

	memset(&tail, 0, sizeof(tail));
	memset(&again, 0, sizeof(again));
	if (read_all(view, &tail) != KVF_EOF)
		return;
	l1 = l1_of(file);
	packed = pack(l1.p, l1.n);
	view.ptr = packed.p;
	view.len = packed.n;
	if (read_all(view, &again) != KVF_EOF || memcmp(&tail, &again, sizeof(tail)) != 0)
		abort();
	free(packed.p);
	free(l1.p);
}

static void one_record(const uint8_t *data, size_t size, int begin)
{
	struct kvf_bytes unit = { data, size };
	struct kvf_begin *b = NULL;
	struct kvf_head *h = NULL;
	struct kvf_buf again;
	struct kvf_err err;
	enum kvf_status st;

	st = begin ? kvf_begin_parse(unit, &b, &err) : kvf_head_parse(unit, &h, &err);
	if (st == KVF_OK) {
		fuzz_saw(begin ? "begin-record" : "head-record");
		kvf_buf_init(&again, KVF_CONTROL_MAX);
		st = begin ? kvf_write_begin(&again, b, &err) : kvf_write_head(&again, h, &err);
		/* Bytes and data are in one-to-one relation, but for "_" keys. */
		if (st || again.len > size)
			abort();
		if (again.len == size && memcmp(again.ptr, data, size) != 0)
			abort();
		kvf_buf_release(&again);
	}
	kvf_begin_free(b);
	kvf_head_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes copy = { NULL, 0 }, file;

	if (size < 1)
		return 0;
	switch (data[0]) {
	case 0:
		add(&copy, data + 1, size - 1);
		one_file(&copy);
		break;
	case 1:
		file = pack(data + 1, size - 1);
		one_file(&file);
		free(file.p);
		break;
	case 2:
		add(&copy, data + 1, size - 1);
		file = repair(copy.p, copy.n);
		one_file(&file);
		free(file.p);
		break;
	case 3: one_record(data + 1, size - 1, 1); break;
	case 4: one_record(data + 1, size - 1, 0); break;
	default: break;
	}
	free(copy.p);
	return 0;
}
