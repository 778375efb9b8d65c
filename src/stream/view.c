/*
 * view - look one key up without reading the file.
 *
 * The layout (where each unit's frame is) comes from the seek table and the
 * index at the end of the file, or, if they are missing or lie, from hopping
 * along the hints.  A search then halves the chunks of a package: it decodes
 * the beginning of a chunk, as far as its first key, and only the chunk that
 * must hold the key is decoded as a whole and checked by its digest.
 */
#include <kvferry/stream.h>

#include "base/hash.h"
#include "stream/view.h"

#include <stdlib.h>

#define HOP 96 /* bytes of a frame that tell what it is */
#define PROBE ((size_t)16 << 10)
#define NO_UNIT UINT64_MAX

enum kvf_status kvf_view_fetch(struct kvf_view *v, uint64_t at, void *buf, size_t want,
			       size_t *got, struct kvf_err *err)
{
	enum kvf_status st = kvf_input_pread(v->in, at, buf, want, got, err);

	if (!st)
		v->bytes_read += *got;
	return st;
}

enum kvf_status kvf_view_damaged(struct kvf_view *v, uint64_t at, struct kvf_err *err,
				 const char *what)
{
	kvf_fail(err, KVF_ESTREAM, "damaged stream: %s", what);
	kvf_err_detail(err, "%s: file offset %llu", kvf_input_name(v->in),
		       (unsigned long long)at);
	kvf_err_hint(err, "Check the whole stream: kvferry verify STREAM");
	return KVF_ESTREAM;
}

/* Read the frame at `p` into v->packed and its content into v->unit. */
enum kvf_status kvf_view_load(struct kvf_view *v, const struct kvf_frame_place *p, size_t max,
			      struct kvf_err *err)
{
	struct kvf_frame_head h;
	enum kvf_status st;
	size_t got, n;

	v->loaded = NO_UNIT;
	if (p->size > ZSTD_COMPRESSBOUND(max) || p->at + p->size > v->size)
		return kvf_view_damaged(v, p->at, err,
					"a frame goes on beyond its limit or the file");
	v->packed.len = 0;
	st = kvf_buf_reserve(&v->packed, p->size, err);
	if (!st)
		st = kvf_view_fetch(v, p->at, v->packed.ptr, p->size, &got, err);
	if (st)
		return st;
	if (got != p->size || kvf_frame_head_parse(v->packed.ptr, got, &h) != 1 ||
	    h.content > max || h.dictionary)
		return kvf_view_damaged(v, p->at, err,
					"a frame is not what its place promises");
	v->unit.len = 0;
	st = kvf_buf_reserve(&v->unit, h.content ? (size_t)h.content : 1, err);
	if (st)
		return st;
	n = ZSTD_decompressDCtx(v->decoder, v->unit.ptr, (size_t)h.content, v->packed.ptr, got);
	if (n != h.content)
		return kvf_view_damaged(v, p->at, err, "a frame cannot be decompressed");
	v->unit.len = n;
	return KVF_OK;
}

/* What the hint at `at` promises; 0 if there is none, or it cannot be true. */
static enum kvf_status read_hint(struct kvf_view *v, uint64_t at, size_t max, uint8_t *look,
				 size_t *got, struct kvf_frame_place *p, struct kvf_err *err)
{
	enum kvf_status st = kvf_view_fetch(v, at, look, HOP, got, err);

	p->at = at + KVF_HINT_LEN;
	p->size = 0;
	if (st || *got < KVF_HINT_LEN || kvf_get_le32(look) != KVF_SKIP_MAGIC ||
	    kvf_get_le32(look + 4) != 4)
		return st;
	p->size = kvf_get_le32(look + 8);
	if (p->size > ZSTD_COMPRESSBOUND(max) || p->size > v->size - p->at)
		p->size = 0;
	return KVF_OK;
}

static enum kvf_status add_unit(struct kvf_view *v, const struct kvf_frame_place *p,
				struct kvf_err *err)
{
	struct kvf_frame_place *more;

	if (v->nunits == v->room) {
		v->room = v->room ? 2 * v->room : 64;
		more = realloc(v->units, (size_t)v->room * sizeof(*more));
		if (!more)
			return kvf_fail_nomem(err);
		v->units = more;
	}
	v->units[v->nunits++] = *p;
	return KVF_OK;
}

/* ---- the layout ----------------------------------------------------------------------- */

static size_t unit_max(const struct kvf_view *v)
{
	return v->head->lim.unit > KVF_CONTROL_MAX ? (size_t)v->head->lim.unit
						   : KVF_CONTROL_MAX;
}

/*
 * Number of chunks of each package from the index, whose frame has `len` bytes
 * and ends at `end`.  1 = good.
 */
static enum kvf_status read_index(struct kvf_view *v, uint64_t end, uint32_t len, int *good,
				  struct kvf_err *err)
{
	size_t n = v->head->npackages, want = KVF_SKIP_HEAD + 12 + 8 * n, got, i;
	struct kvf_bytes payload;
	enum kvf_status st;
	uint64_t *chunks;

	*good = 0;
	if (len != want)
		return KVF_OK;
	v->packed.len = 0;
	st = kvf_buf_reserve(&v->packed, want, err);
	if (!st)
		st = kvf_view_fetch(v, end - len, v->packed.ptr, want, &got, err);
	if (st)
		return st;
	if (got != want || kvf_get_le32(v->packed.ptr) != KVF_NOTE_MAGIC)
		return KVF_OK;
	chunks = calloc(n ? n : 1, sizeof(*chunks));
	if (!chunks)
		return kvf_fail_nomem(err);
	payload.ptr = v->packed.ptr + KVF_SKIP_HEAD;
	payload.len = want - KVF_SKIP_HEAD;
	*good = kvf_frame_index_parse(payload, chunks, n);
	for (i = 0; i < n; i++)
		v->packages[i].chunks = chunks[i];
	free(chunks);
	return KVF_OK;
}

/* Units from the pairs of a seek table: hint, frame, hint, frame, ..., notes. */
static enum kvf_status units_of_table(struct kvf_view *v, const uint8_t *pairs, size_t n,
				      uint64_t end, int *good, struct kvf_err *err)
{
	uint64_t at = 0, total = 0, units = 2;
	struct kvf_frame_place p;
	enum kvf_status st = KVF_OK;
	size_t i;

	*good = 0;
	for (i = 0; i < n; i++)
		total += kvf_get_le32(pairs + 8 * i);
	if (total != end)
		return KVF_OK;
	for (i = 0; i < v->head->npackages; i++) {
		if (v->packages[i].chunks > n)
			return KVF_OK;
		v->packages[i].begin = units - 1;
		units += 2 + v->packages[i].chunks;
	}
	if (2 * units > n)
		return KVF_OK;
	for (i = 0; i < 2 * units && !st; i += 2) {
		if (kvf_get_le32(pairs + 8 * i) != KVF_HINT_LEN ||
		    kvf_get_le32(pairs + 8 * i + 4))
			return KVF_OK;
		p.at = at + KVF_HINT_LEN;
		p.size = kvf_get_le32(pairs + 8 * i + 8);
		at = p.at + p.size;
		st = add_unit(v, &p, err);
	}
	*good = !st;
	return st;
}

static enum kvf_status layout_by_table(struct kvf_view *v, int *good, struct kvf_err *err)
{
	uint8_t head[KVF_SKIP_HEAD], foot[9], *pairs = NULL;
	enum kvf_status st;
	uint64_t begin;
	size_t got, n;

	*good = 0;
	v->nunits = 0;
	if (v->size < sizeof(foot) + sizeof(head))
		return KVF_OK;
	st = kvf_view_fetch(v, v->size - sizeof(foot), foot, sizeof(foot), &got, err);
	if (st)
		return st;
	n = kvf_get_le32(foot);
	if (got != sizeof(foot) || kvf_get_le32(foot + 5) != KVF_SEEK_MAGIC || foot[4] != 0 ||
	    n == 0 || n > KVF_TABLE_FRAMES_MAX ||
	    8 * (uint64_t)n + sizeof(foot) + sizeof(head) > v->size)
		return KVF_OK;
	begin = v->size - sizeof(foot) - sizeof(head) - 8 * (uint64_t)n;
	st = kvf_view_fetch(v, begin, head, sizeof(head), &got, err);
	if (st || kvf_get_le32(head) != KVF_TABLE_MAGIC ||
	    kvf_get_le32(head + 4) != 8 * n + sizeof(foot))
		return st;
	pairs = malloc(8 * n); /* as large as what is in the file */
	if (!pairs)
		return kvf_fail_nomem(err);
	st = kvf_view_fetch(v, begin + sizeof(head), pairs, 8 * n, &got, err);
	if (!st && got == 8 * n)
		st = read_index(v, begin, kvf_get_le32(pairs + 8 * (n - 1)), good, err);
	if (!st && *good)
		st = units_of_table(v, pairs, n, begin, good, err);
	free(pairs);
	return st;
}

/* From hint to hint: the raw frames show what they are, the others are chunks. */
static enum kvf_status layout_by_hints(struct kvf_view *v, struct kvf_err *err)
{
	enum kvf_record_type type;
	const uint8_t *content;
	uint8_t look[HOP];
	enum kvf_status st;
	size_t got, n, package = 0;
	struct kvf_frame_place p;
	uint64_t at = 0;

	v->nunits = 0;
	for (;;) {
		st = read_hint(v, at, unit_max(v), look, &got, &p, err);
		if (st)
			return st;
		if (got == 0 && v->nunits) {
			kvf_fail(err, KVF_ETRUNC, "truncated stream: it ends without its tail");
			kvf_err_hint(
				err,
				"The stream is not complete: get it again, or export again.");
			return KVF_ETRUNC;
		}
		if (p.size == 0)
			return kvf_view_damaged(v, at, err,
						"neither index nor hints lead through it");
		n = kvf_frame_raw_start(look + KVF_HINT_LEN, got - KVF_HINT_LEN, &content);
		type = n ? kvf_record_peek(content, n) : KVF_REC_CHUNK;
		if (type == KVF_REC_BEGIN) {
			if (package == v->head->npackages)
				return kvf_view_damaged(
					v, at, err, "it has more packages than its head names");
			v->packages[package].begin = v->nunits;
			v->packages[package++].chunks = 0;
		} else if (type == KVF_REC_CHUNK) {
			if (package == 0)
				return kvf_view_damaged(v, at, err,
							"a chunk stands outside a package");
			v->packages[package - 1].chunks++;
		}
		st = add_unit(v, &p, err);
		if (st)
			return st;
		at = p.at + p.size;
		if (type == KVF_REC_TAIL && package == v->head->npackages)
			return KVF_OK;
		if (type == KVF_REC_TAIL || type == KVF_REC_ABORT)
			return kvf_view_damaged(v, at, err,
						"it ends before all its packages were there");
	}
}

static enum kvf_status read_begins(struct kvf_view *v, struct kvf_err *err)
{
	enum kvf_status st;
	size_t i;

	for (i = 0; i < v->head->npackages; i++) {
		struct kvf_view_package *p = &v->packages[i];

		kvf_begin_free(p->record);
		p->record = NULL;
		st = kvf_view_load(v, &v->units[p->begin], KVF_CONTROL_MAX, err);
		if (!st)
			st = kvf_begin_parse(kvf_buf_bytes(&v->unit), &p->record, err);
		if (st)
			return st;
		if (p->record->n != i || strcmp(p->record->name, v->head->packages[i]) != 0)
			return kvf_view_damaged(
				v, v->units[p->begin].at, err,
				"a package is not the one that the head names here");
	}
	return KVF_OK;
}

/* ---- opening ---------------------------------------------------------------------------- */

static enum kvf_status read_head(struct kvf_view *v, struct kvf_err *err)
{
	uint8_t look[HOP], digest[32];
	enum kvf_status st;
	struct kvf_frame_place p;
	size_t got;

	st = read_hint(v, 0, KVF_CONTROL_MAX, look, &got, &p, err);
	if (st)
		return st;
	if (got == 0)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it is empty");
	if (p.size == 0) {
		kvf_fail(err, KVF_EUSAGE,
			 "the stream is not in native form: it cannot be searched");
		kvf_err_hint(err, "Read it from front to back: kvferry cat STREAM");
		if (got >= 4 && kvf_get_le32(look) != KVF_ZSTD_MAGIC &&
		    !kvf_is_skippable(kvf_get_le32(look)))
			return kvf_diagnose(
				look, got, kvf_fail(err, KVF_ESTREAM, "not a KVF stream"), err);
		return KVF_EUSAGE;
	}
	st = kvf_view_load(v, &p, KVF_CONTROL_MAX, err);
	if (!st)
		st = kvf_magic_check(v->unit.ptr, v->unit.len, err);
	if (!st)
		st = kvf_head_parse(kvf_buf_bytes(&v->unit), &v->head, err);
	if (st)
		return kvf_diagnose(look, got, st, err);
	kvf_sha256(v->unit.ptr, v->unit.len, digest);
	memcpy(v->h, digest, sizeof(v->h));
	return KVF_OK;
}

static enum kvf_status find_units(struct kvf_view *v, struct kvf_err *err)
{
	enum kvf_status st;
	int good;

	st = layout_by_table(v, &good, err);
	if (st)
		return st;
	if (good) {
		st = read_begins(v, err);
		if (st != KVF_ESTREAM)
			return st;
	}
	st = layout_by_hints(v, err);
	return st ? st : read_begins(v, err);
}

enum kvf_status kvf_view_open(struct kvf_input *in, const struct kvf_reader_options *options,
			      struct kvf_view **out, struct kvf_err *err)
{
	struct kvf_view *v;
	enum kvf_status st;
	uint64_t size;

	*out = NULL;
	if (!kvf_input_seekable(in, &size))
		return kvf_fail(err, KVF_EUSAGE, "%s is a pipe: it cannot be searched",
				kvf_input_name(in));
	v = calloc(1, sizeof(*v));
	if (!v)
		return kvf_fail_nomem(err);
	v->in = in;
	v->size = size;
	v->loaded = NO_UNIT;
	if (options)
		v->caps = options->caps;
	kvf_buf_init(&v->packed, ZSTD_COMPRESSBOUND((size_t)KVF_UNIT_MAX));
	kvf_buf_init(&v->unit, KVF_UNIT_MAX);
	kvf_buf_init(&v->probe, 4 * (size_t)KVF_KEY_MAX);
	v->decoder = ZSTD_createDCtx();
	st = v->decoder ? read_head(v, err) : kvf_fail_nomem(err);
	if (!st)
		st = kvf_reader_accept(v->head, &v->caps,
				       options ? options->allow_features_partial : 0, err);
	if (!st) {
		v->packages = calloc(v->head->npackages ? v->head->npackages : 1,
				     sizeof(*v->packages));
		st = v->packages ? find_units(v, err) : kvf_fail_nomem(err);
	}
	if (st) {
		kvf_view_close(v);
		return st;
	}
	*out = v;
	return KVF_OK;
}

const struct kvf_head *kvf_view_head(const struct kvf_view *v)
{
	return v->head;
}

const struct kvf_begin *kvf_view_begin(const struct kvf_view *v, size_t n)
{
	return n < v->head->npackages ? v->packages[n].record : NULL;
}

uint64_t kvf_view_bytes_read(const struct kvf_view *v)
{
	return v->bytes_read;
}

/* ---- searching ---------------------------------------------------------------------------- */

/* Is there enough of a chunk to see its first key?  1, 0, or -1 if it is no chunk. */
static int first_key(const struct kvf_view *v, uint64_t n, uint64_t i, struct kvf_entry *e)
{
	struct kvf_mp m = kvf_mp_over(v->probe.ptr, v->probe.len);
	struct kvf_chunk_record c;
	const uint8_t *p;

	if (!kvf_read_chunk_record(&m, &c))
		return v->probe.len < KVF_CHUNK_RECORD_MAX ? 0 : -1;
	if (c.n != n || c.i != i || memcmp(c.h, v->h, sizeof(c.h)) != 0)
		return -1;
	if (m.at == m.end)
		return 0;
	if (*m.at != 0x93)
		return -1;
	p = kvf_mp_entry_bin(m.at + 1, m.end, &e->part);
	if (p)
		p = kvf_mp_entry_bin(p, m.end, &e->key);
	return p != NULL;
}

/* The first entry of a chunk (partition and key), from its first block. */
static enum kvf_status probe(struct kvf_view *v, uint64_t n, uint64_t i, struct kvf_entry *e,
			     struct kvf_err *err)
{
	const struct kvf_frame_place *p = &v->units[v->packages[n].begin + 1 + i];
	ZSTD_inBuffer in = { NULL, 0, 0 };
	struct kvf_frame_head h;
	ZSTD_outBuffer out;
	enum kvf_status st;
	size_t got, rc, fetched = 0;
	int seen;

	ZSTD_DCtx_reset(v->decoder, ZSTD_reset_session_only);
	ZSTD_DCtx_setParameter(v->decoder, ZSTD_d_windowLogMax, 30);
	v->loaded = NO_UNIT;
	v->probe.len = 0;
	st = kvf_buf_reserve(&v->probe, v->probe.cap, err);
	if (!st)
		st = kvf_buf_reserve(&v->packed, PROBE, err);
	while (!st) {
		if (in.pos == in.size) {
			got = p->size - fetched < PROBE ? p->size - fetched : PROBE;
			if (got)
				st = kvf_view_fetch(v, p->at + fetched, v->packed.ptr, got,
						    &got, err);
			if (st || got == 0)
				break;
			if (fetched == 0 &&
			    (kvf_frame_head_parse(v->packed.ptr, got, &h) != 1 ||
			     h.content > unit_max(v) || h.window > unit_max(v) || h.dictionary))
				break;
			fetched += got;
			in.src = v->packed.ptr;
			in.size = got;
			in.pos = 0;
		}
		out.dst = v->probe.ptr;
		out.size = v->probe.cap;
		out.pos = v->probe.len;
		rc = ZSTD_decompressStream(v->decoder, &out, &in);
		v->probe.len = out.pos;
		seen = first_key(v, n, i, e);
		if (seen > 0)
			return KVF_OK;
		if (seen < 0 || rc == 0 || ZSTD_isError(rc) || out.pos == out.size)
			break;
	}
	return st ? st
		  : kvf_view_damaged(v, p->at, err, "a chunk is not what its place promises");
}

/* The last chunk of package n that begins at or before the key; -1 if none does. */
static enum kvf_status bisect(struct kvf_view *v, uint64_t n, const struct kvf_entry *want,
			      int64_t *found, struct kvf_err *err)
{
	int64_t low = -1, high = (int64_t)v->packages[n].chunks, middle;
	struct kvf_entry e;
	enum kvf_status st;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		st = probe(v, n, (uint64_t)middle, &e, err);
		if (st)
			return st;
		if (kvf_entry_cmp(&e, want) <= 0)
			low = middle;
		else
			high = middle;
	}
	*found = low;
	return KVF_OK;
}

/* Decode chunk i of package n as a whole, and check it. */
static enum kvf_status load_chunk(struct kvf_view *v, uint64_t n, uint64_t i,
				  struct kvf_err *err)
{
	uint64_t unit = v->packages[n].begin + 1 + i;
	enum kvf_status st;

	if (v->loaded == unit)
		return KVF_OK;
	st = kvf_view_load(v, &v->units[unit], unit_max(v), err);
	if (!st)
		st = kvf_unit_check(kvf_buf_bytes(&v->unit), &v->head->lim, &v->chunk, err);
	if (st)
		return st;
	if (v->chunk.info.n != n || v->chunk.info.i != i ||
	    memcmp(v->chunk.h, v->h, sizeof(v->h)) != 0)
		return kvf_view_damaged(v, v->units[unit].at, err,
					"a chunk is not what its place promises");
	v->loaded = unit;
	return KVF_OK;
}

static enum kvf_status get_in(struct kvf_view *v, uint64_t n, const struct kvf_entry *want,
			      struct kvf_bytes *value, struct kvf_err *err)
{
	struct kvf_chunk chunk;
	enum kvf_status st;
	struct kvf_entry e;
	int64_t i = -1;
	size_t at = 0;
	int c;

	st = bisect(v, n, want, &i, err);
	if (st || i < 0)
		return st ? st : KVF_ENOTFOUND;
	st = load_chunk(v, n, (uint64_t)i, err);
	if (st)
		return st;
	chunk.info = v->chunk.info;
	chunk.entries = v->chunk.entries;
	while (kvf_chunk_next(&chunk, &at, &e)) {
		c = kvf_entry_cmp(&e, want);
		if (c == 0) {
			*value = e.value;
			return KVF_OK;
		}
		if (c > 0)
			break;
	}
	return KVF_ENOTFOUND;
}

enum kvf_status kvf_view_get(struct kvf_view *v, const char *package, struct kvf_bytes part,
			     struct kvf_bytes key, struct kvf_bytes *value, size_t *n,
			     struct kvf_err *err)
{
	struct kvf_entry want = { part, key, { NULL, 0 } };
	char text[200];
	enum kvf_status st;
	size_t i;

	for (i = 0; i < v->head->npackages; i++) {
		if (package && strcmp(package, v->head->packages[i]) != 0)
			continue;
		st = get_in(v, i, &want, value, err);
		if (!st && n)
			*n = i;
		if (st != KVF_ENOTFOUND)
			return st;
	}
	return kvf_fail(err, KVF_ENOTFOUND, "no entry has the key %s",
			kvf_bytes_print(key, text, sizeof(text)));
}

void kvf_view_close(struct kvf_view *v)
{
	size_t i;

	if (!v)
		return;
	for (i = 0; v->packages && i < v->head->npackages; i++)
		kvf_begin_free(v->packages[i].record);
	free(v->packages);
	kvf_head_free(v->head);
	free(v->units);
	ZSTD_freeDCtx(v->decoder);
	kvf_buf_release(&v->packed);
	kvf_buf_release(&v->unit);
	kvf_buf_release(&v->probe);
	free(v);
}
