/* streams - build, take apart and put together again small streams in memory. */
#include "streams.h"

#include "base/hash.h"
#include "stream/frame.h"
#include "stream/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* A helper that cannot do its work ends the test program. */
#define MUST(condition)                                                                        \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "streams: not so: %s\n", #condition);                  \
			abort();                                                               \
		}                                                                              \
	} while (0)

void blob_add(struct blob *b, const void *p, size_t n)
{
	b->p = realloc(b->p, b->n + n + 1);
	if (!b->p)
		abort();
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

struct blob blob_copy(const void *p, size_t n)
{
	struct blob b = { NULL, 0 };

	blob_add(&b, p, n);
	return b;
}

struct kvf_bytes blob_view(const struct blob *b)
{
	struct kvf_bytes v = { b->p, b->n };

	return v;
}

static void put_entries(struct kvf_writer *w, const struct recipe *r, size_t package)
{
	struct kvf_err err;
	uint8_t *value = malloc(r->value + 1);
	char key[64];
	size_t i, k;

	if (!value)
		abort();
	for (i = 0; i < r->entries; i++) {
		struct kvf_entry e;

		snprintf(key, sizeof(key), "key/%08zu", i);
		for (k = 0; k < r->value; k++) {
			value[k] = (uint8_t)("abcdefgh"[(i * 7 + k * k + package) % 8]);
			if (r->noise && k)
				value[k] = (uint8_t)((i * 2654435761u + k * 40503u) * (k + i) >>
						     11);
		}
		e.part = kvf_bytes_str(i < r->entries / 2 ? "part" : "part2");
		e.key = kvf_bytes_str(key);
		e.value.ptr = value;
		e.value.len = r->value;
		MUST(!kvf_writer_put(w, &e, &err));
	}
	free(value);
}

struct blob stream_build(const struct recipe *r, struct kvf_tail *out_tail)
{
	static const char *const features[] = { KVF_FEATURE_PARTIAL };
	static const struct kvf_pair notes[] = { { "created", "2026-01-01" },
						 { "tool", "test" } };
	const struct kvf_bytes any[2] = { { NULL, 0 }, { NULL, 0 } };
	struct kvf_kind kind = { "thing", 1, KVF_RAW, 0, { any, 2 }, { any, 2 } };
	struct kvf_writer_options options = { .level = r->level,
					      .level_set = r->level_set,
					      .notes = notes,
					      .nnotes = r->notes ? 2u : 0u };
	struct kvf_env env = { .threads = r->threads ? r->threads : 1 };
	const char *names[16];
	char name[16][24];
	struct kvf_head head = { .app = "test", .from = 3, .schema = 4 };
	struct kvf_output *out;
	struct kvf_writer *w;
	struct kvf_err err;
	struct blob b;
	size_t i;

	for (i = 0; i < r->packages; i++) {
		snprintf(name[i], sizeof(name[i]), "p%zu", i);
		names[i] = name[i];
	}
	head.packages = names;
	head.npackages = r->packages;
	head.chunk = r->chunk ? r->chunk : KVF_CHUNK_MIN;
	if (r->partial) {
		head.features = features;
		head.nfeatures = 1;
	}
	head.has_nonce = r->nonce;
	MUST(!kvf_output_memory((size_t)1 << 30, &out, &err));
	MUST(!kvf_writer_open(out, &head, &options, &env, &w, &err));
	for (i = 0; i < r->packages; i++) {
		struct kvf_begin begin = {
			.n = i, .name = names[i], .rev = 1, .kinds = &kind, .nkinds = 1
		};

		MUST(!kvf_writer_begin(w, &begin, &err));
		put_entries(w, r, i);
		MUST(!kvf_writer_end(w, NULL, 0, NULL, &err));
	}
	MUST(!kvf_writer_finish(w, out_tail, &err));
	kvf_writer_close(w);
	b = blob_copy(kvf_output_bytes(out).ptr, kvf_output_bytes(out).len);
	kvf_output_close(out);
	return b;
}

static void sum_item(struct kvf_sha256 *h, const struct kvf_item *item)
{
	struct kvf_entry e;
	size_t at = 0;

	kvf_sha256_update(h, &item->type, sizeof(item->type));
	switch (item->type) {
	case KVF_ITEM_BEGIN:
	case KVF_ITEM_END: kvf_sha256_update(h, item->raw.ptr, item->raw.len); break;
	case KVF_ITEM_TAIL: kvf_sha256_update(h, item->u.tail->r, 32); break;
	case KVF_ITEM_CHUNK:
		while (kvf_chunk_next(item->u.chunk, &at, &e)) {
			uint64_t len[3] = { e.part.len, e.key.len, e.value.len };

			kvf_sha256_update(h, len, sizeof(len));
			kvf_sha256_update(h, e.part.ptr, e.part.len);
			kvf_sha256_update(h, e.key.ptr, e.key.len);
			kvf_sha256_update(h, e.value.ptr, e.value.len);
		}
		break;
	}
}

enum kvf_status stream_read(struct kvf_bytes file, const struct kvf_reader_options *o,
			    unsigned threads, uint8_t sum[32], size_t *warnings,
			    struct kvf_err *err)
{
	struct kvf_env env = { .threads = threads ? threads : 1 };
	struct kvf_reader *r = NULL;
	struct kvf_input *in;
	struct kvf_sha256 h;
	struct kvf_item item;
	enum kvf_status st;
	uint8_t ignored[32];

	MUST(!kvf_input_memory(file, "memory", &in, err));
	kvf_sha256_begin(&h);
	st = kvf_reader_open(in, o, &env, &r, err);
	if (!st)
		kvf_sha256_update(&h, kvf_reader_head_unit(r).ptr, kvf_reader_head_unit(r).len);
	while (!st) {
		st = kvf_reader_next(r, &item, err);
		if (!st)
			sum_item(&h, &item);
	}
	kvf_sha256_end(&h, sum ? sum : ignored);
	if (warnings)
		*warnings = r ? kvf_reader_warnings(r) : 0;
	kvf_reader_close(r);
	kvf_input_close(in);
	return st;
}
struct blob stream_l1(struct kvf_bytes file)
{
	struct blob l1 = { NULL, 0 };
	ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_inBuffer in = { file.ptr, file.len, 0 };
	uint8_t buf[65536];
	size_t rc = 0;

	MUST(d);
	while (in.pos < in.size) {
		ZSTD_outBuffer out = { buf, sizeof(buf), 0 };

		rc = ZSTD_decompressStream(d, &out, &in);
		MUST(!ZSTD_isError(rc));
		blob_add(&l1, buf, out.pos);
	}
	while (rc) {
		ZSTD_outBuffer out = { buf, sizeof(buf), 0 };

		rc = ZSTD_decompressStream(d, &out, &in);
		MUST(!ZSTD_isError(rc) && out.pos);
		blob_add(&l1, buf, out.pos);
	}
	ZSTD_freeDCtx(d);
	return l1;
}

struct blob stream_pack(struct kvf_bytes l1, size_t slice)
{
	struct blob out = { NULL, 0 };
	size_t bound, at = 0, n, c;
	uint8_t *buf;

	if (slice == 0 || slice > l1.len)
		slice = l1.len ? l1.len : 1;
	bound = ZSTD_compressBound(slice);
	buf = malloc(bound);
	MUST(buf);
	do {
		n = l1.len - at < slice ? l1.len - at : slice;
		c = ZSTD_compress(buf, bound, l1.ptr + at, n, 1);
		MUST(!ZSTD_isError(c));
		blob_add(&out, buf, c);
		at += n;
	} while (at < l1.len);
	free(buf);
	return out;
}

void stream_units(struct kvf_bytes l1, struct units *units)
{
	struct kvf_split s;
	struct kvf_buf unit;
	struct kvf_err err;
	size_t len, at = 0;

	kvf_split_init(&s);
	kvf_split_limit(&s, KVF_UNIT_MAX);
	kvf_buf_init(&unit, KVF_UNIT_MAX);
	units->n = 0;
	MUST(!kvf_split_feed(&s, l1.ptr, l1.len, &err));
	while (at < l1.len) {
		MUST(!kvf_split_next(&s, &len, &err) && len);
		MUST(units->n < sizeof(units->u) / sizeof(units->u[0]));
		units->u[units->n].ptr = l1.ptr + at;
		units->u[units->n++].len = len;
		at += len;
		MUST(!kvf_split_take(&s, len, &unit, &err));
	}
	kvf_buf_release(&unit);
	kvf_split_release(&s);
}

struct blob stream_frame_unit(struct kvf_bytes unit)
{
	struct blob out = { NULL, 0 };
	uint8_t hint[KVF_HINT_LEN];
	struct kvf_buf frame;
	struct kvf_err err;

	kvf_buf_init(&frame, KVF_UNIT_MAX);
	MUST(!kvf_frame_raw(&frame, unit, &err));
	kvf_put_hint(hint, (uint32_t)frame.len);
	blob_add(&out, hint, sizeof(hint));
	blob_add(&out, frame.ptr, frame.len);
	kvf_buf_release(&frame);
	return out;
}

struct blob stream_frame(const struct units *units)
{
	struct blob out = { NULL, 0 }, one;
	size_t i;

	for (i = 0; i < units->n; i++) {
		one = stream_frame_unit(units->u[i]);
		blob_add(&out, one.p, one.n);
		free(one.p);
	}
	return out;
}

size_t stream_tail_end(struct kvf_bytes file)
{
	size_t at = 0;

	while (file.len - at >= KVF_HINT_LEN && kvf_get_le32(file.ptr + at) == KVF_SKIP_MAGIC)
		at += KVF_HINT_LEN + kvf_get_le32(file.ptr + at + 8);
	return at;
}
