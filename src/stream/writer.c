/*
 * writer - ascending entries into a native stream.
 *
 * The submitting thread copies each entry into the L1 bytes of the chunk under
 * construction, and that is all it does per entry.  A full chunk goes to the
 * pipeline (packer.c); its last key stays, for the order across chunks.
 */
#include <kvferry/stream.h>

#include "base/hash.h"
#include "stream/unit.h"
#include "stream/writer.h"

#include <stdlib.h>

static enum kvf_status fail_again(struct kvf_writer *w, struct kvf_err *err)
{
	if (err)
		*err = w->failure;
	return w->sticky;
}

/* Remember the first failure of the stream; returns it. */
enum kvf_status kvf_writer_stick(struct kvf_writer *w, enum kvf_status st, struct kvf_err *err)
{
	if (st && !w->sticky) {
		w->sticky = st;
		if (err)
			w->failure = *err;
		else
			kvf_fail(&w->failure, st, "the stream could not be written");
	}
	return st;
}

static int stopped(const struct kvf_writer *w)
{
	return w->env && w->env->stopped && w->env->stopped(w->env->ctx);
}

/* Keep the last entry's partition and key: its chunk is about to leave. */
static enum kvf_status keep_last(struct kvf_writer *w, struct kvf_err *err)
{
	const uint8_t *p = w->open->unit.ptr;
	enum kvf_status st;

	w->last_copy.len = 0;
	st = kvf_buf_append(&w->last_copy, p + w->last_part.at, w->last_part.len, err);
	if (!st)
		st = kvf_buf_append(&w->last_copy, p + w->last_key.at, w->last_key.len, err);
	if (st)
		return st;
	w->last_part.at = 0;
	w->last_key.at = w->last_part.len;
	return KVF_OK;
}

/* Hand the open chunk to the workers. */
static enum kvf_status close_chunk(struct kvf_writer *w, struct kvf_err *err)
{
	enum kvf_status st;

	if (stopped(w))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	st = keep_last(w, err);
	if (!st)
		st = kvf_packer_submit(&w->pack, w->open, err);
	if (st)
		return st;
	w->open = NULL;
	w->chunk++;
	return KVF_OK;
}

/* Begin a chunk: its record is the first thing that d covers. */
enum kvf_status kvf_writer_open_chunk(struct kvf_writer *w, struct kvf_err *err)
{
	struct kvf_chunk_record c;
	enum kvf_status st;
	struct kvf_packer_job *j = NULL;

	st = kvf_packer_job(&w->pack, &j, err);
	if (st)
		return st;
	w->open = j;
	w->open_entries = 0;
	st = kvf_buf_reserve(&j->unit, (size_t)w->head->chunk + KVF_UNIT_SLACK, err);
	if (st)
		return st;
	memcpy(c.h, w->h, sizeof(c.h));
	c.i = w->chunk;
	c.n = w->package;
	j->head = kvf_write_chunk_record(j->unit.ptr, &c);
	j->unit.len = j->head;
	memcpy(j->chunk.h, w->h, sizeof(j->chunk.h));
	j->chunk.info.n = w->package;
	j->chunk.info.i = w->chunk;
	return KVF_OK;
}

/* tail.m is the sum over packages; entries and bytes are summed by the caller. */
static void add_m(struct kvf_tail *tail, const struct kvf_totals *totals)
{
	struct kvf_totals sum;

	memset(&sum, 0, sizeof(sum));
	memcpy(sum.m, tail->m, sizeof(sum.m));
	kvf_totals_merge(&sum, totals);
	memcpy(tail->m, sum.m, sizeof(sum.m));
}

/* ---- the public calls -------------------------------------------------------------------- */

enum kvf_status kvf_writer_expect(struct kvf_writer *w, enum kvf_writer_state state,
				  const char *call, struct kvf_err *err)
{
	if (w->sticky)
		return fail_again(w, err);
	if (w->state != state)
		return kvf_fail(err, KVF_EUSAGE, "%s() came at the wrong time", call);
	return KVF_OK;
}

/* name value\n: for people, so that a newline in a value is not worth an error. */
static enum kvf_status make_notes(struct kvf_writer *w,
				  const struct kvf_writer_options *options, struct kvf_err *err)
{
	enum kvf_status st;
	size_t i, at;

	kvf_buf_init(&w->notes, KVF_NOTE_MAX);
	if (!options || !options->nnotes)
		return KVF_OK;
	st = kvf_buf_append(&w->notes, "KVFN", 4, err);
	for (i = 0; !st && i < options->nnotes; i++) {
		at = w->notes.len;
		st = kvf_buf_printf(&w->notes, err, "%s %s", options->notes[i].name,
				    options->notes[i].value);
		for (; !st && at < w->notes.len; at++)
			if (w->notes.ptr[at] < 0x20 || w->notes.ptr[at] == 0x7f)
				w->notes.ptr[at] = ' ';
		if (!st)
			st = kvf_buf_append(&w->notes, "\n", 1, err);
	}
	if (st == KVF_EREJECT)
		return kvf_fail(err, KVF_EUSAGE, "the notes are over 64 KiB");
	return st;
}

static enum kvf_status take_options(struct kvf_writer *w,
				    const struct kvf_writer_options *options,
				    struct kvf_err *err)
{
	if (!options || !options->level_set)
		return KVF_OK;
	if (options->level < ZSTD_minCLevel() || options->level > ZSTD_maxCLevel()) {
		kvf_fail(err, KVF_EUSAGE, "there is no compression level %d", options->level);
		kvf_err_hint(err, "Choose --level 1 (fast) to --level %d (small).",
			     ZSTD_maxCLevel());
		return KVF_EUSAGE;
	}
	w->pack.level = options->level;
	return KVF_OK;
}

/* Fill in what the head leaves to us. */
static void complete_head(struct kvf_head *own)
{
	struct kvf_limits normal = kvf_limits_default();

	if (!own->app)
		own->app = "";
	if (!own->chunk)
		own->chunk = KVF_CHUNK_DEFAULT;
	if (!own->lim.part)
		own->lim.part = normal.part;
	if (!own->lim.key)
		own->lim.key = normal.key;
	if (!own->lim.value)
		own->lim.value = normal.value;
	if (!own->lim.unit)
		own->lim.unit = own->chunk + own->lim.part + own->lim.key + own->lim.value +
				KVF_UNIT_SLACK;
}

enum kvf_status kvf_writer_open(struct kvf_output *out, const struct kvf_head *head,
				const struct kvf_writer_options *options,
				const struct kvf_env *env, struct kvf_writer **result,
				struct kvf_err *err)
{
	struct kvf_writer *w = calloc(1, sizeof(*w));
	enum kvf_status st;
	uint8_t digest[32];

	*result = NULL;
	if (!w)
		return kvf_fail_nomem(err);
	w->env = env;
	w->own = *head;
	complete_head(&w->own);
	w->head = &w->own;
	kvf_buf_init(&w->scratch, KVF_CONTROL_MAX);
	kvf_buf_init(&w->last_copy, KVF_PART_MAX + KVF_KEY_MAX);
	kvf_buf_init(&w->mark.bytes, (size_t)w->own.lim.unit + KVF_UNIT_SLACK);
	st = kvf_packer_init(&w->pack, out, env, w->own.lim.unit, err);
	if (!st)
		st = take_options(w, options, err);
	if (!st)
		st = make_notes(w, options, err);
	if (st)
		goto out;
	st = kvf_write_head(&w->scratch, w->head, err);
	if (st)
		goto out;
	w->chunks = calloc(head->npackages ? head->npackages : 1, sizeof(*w->chunks));
	if (!w->chunks) {
		st = kvf_fail_nomem(err);
		goto out;
	}
	kvf_sha256(w->scratch.ptr, w->scratch.len, digest);
	memcpy(w->h, digest, sizeof(w->h));
	memcpy(w->root, digest, sizeof(w->root));
	st = kvf_packer_control(&w->pack, kvf_buf_bytes(&w->scratch), err);
out:
	if (st) {
		kvf_writer_close(w);
		return st;
	}
	*result = w;
	return KVF_OK;
}

enum kvf_status kvf_writer_begin(struct kvf_writer *w, const struct kvf_begin *begin,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_writer_expect(w, KVF_IN_STREAM, "kvf_writer_begin", err);

	if (st)
		return st;
	if (w->package >= w->head->npackages || begin->n != w->package ||
	    strcmp(begin->name, w->head->packages[w->package]) != 0)
		return kvf_fail(err, KVF_EUSAGE,
				"packages must come in the order that the head names");
	w->scratch.len = 0;
	st = kvf_write_begin(&w->scratch, begin, err);
	if (st)
		return st; /* nothing was written: not sticky */
	kvf_sha256(w->scratch.ptr, w->scratch.len, w->pack.r);
	st = kvf_packer_control(&w->pack, kvf_buf_bytes(&w->scratch), err);
	if (st)
		return kvf_writer_stick(w, st, err);
	memset(&w->pack.totals, 0, sizeof(w->pack.totals));
	w->chunk = 0;
	w->has_last = 0;
	w->state = KVF_IN_PACKAGE;
	return KVF_OK;
}

/* An entry that breaks the order: both keys are named. */
static enum kvf_status not_ascending(const struct kvf_entry *last,
				     const struct kvf_entry *entry, struct kvf_err *err)
{
	char part[160], key[160], before_part[160], before_key[160];

	kvf_bytes_print(entry->part, part, sizeof(part));
	kvf_bytes_print(entry->key, key, sizeof(key));
	if (kvf_entry_cmp(last, entry) == 0)
		return kvf_fail(err, KVF_EDEFINITION,
				"two entries have one key: %s in "
				"partition %s",
				key, part);
	kvf_bytes_print(last->part, before_part, sizeof(before_part));
	kvf_bytes_print(last->key, before_key, sizeof(before_key));
	return kvf_fail(
		err, KVF_EDEFINITION,
		"entries do not ascend: %s in partition %s came after %s in partition %s", key,
		part, before_key, before_part);
}

static enum kvf_status too_large(const struct kvf_writer *w, const struct kvf_entry *e,
				 struct kvf_err *err)
{
	const struct kvf_limits *lim = &w->head->lim;
	char part[160], key[160];

	kvf_bytes_print(e->part, part, sizeof(part));
	kvf_bytes_print(e->key, key, sizeof(key));
	if (e->key.len == 0)
		return kvf_fail(err, KVF_EREJECT, "an entry in partition %s has an empty key",
				part);
	if (e->part.len > lim->part)
		return kvf_fail(err, KVF_EREJECT,
				"a partition of %zu bytes (the limit is %llu): %s", e->part.len,
				(unsigned long long)lim->part, part);
	if (e->key.len > lim->key)
		return kvf_fail(err, KVF_EREJECT,
				"a key of %zu bytes in partition %s (the limit is %llu): %s",
				e->key.len, part, (unsigned long long)lim->key, key);
	kvf_fail(err, KVF_EREJECT,
		 "the value of key %s in partition %s has %zu bytes, the limit is %llu", key,
		 part, e->value.len, (unsigned long long)lim->value);
	if (e->value.len <= KVF_VALUE_MAX)
		kvf_err_hint(err,
			     "Raise the limit with --max-value %zu, here and when importing.",
			     e->value.len);
	else
		kvf_err_hint(err, "A stream cannot hold values over 1 GiB.");
	return KVF_EREJECT;
}

/* Compare by offset with the last entry; see struct kvf_writer. */
static enum kvf_status check_order(const struct kvf_writer *w, const struct kvf_entry *entry,
				   struct kvf_err *err)
{
	const uint8_t *base = w->open ? w->open->unit.ptr : w->last_copy.ptr;
	struct kvf_entry last;

	last.part.ptr = base + w->last_part.at;
	last.part.len = w->last_part.len;
	last.key.ptr = base + w->last_key.at;
	last.key.len = w->last_key.len;
	if (kvf_entry_cmp(&last, entry) >= 0)
		return not_ascending(&last, entry, err);
	return KVF_OK;
}

static uint8_t *put_bin(uint8_t *p, struct kvf_bytes b)
{
	p = kvf_mp_put_bin(p, b.len);
	if (b.len)
		memcpy(p, b.ptr, b.len);
	return p + b.len;
}

enum kvf_status kvf_writer_put(struct kvf_writer *w, const struct kvf_entry *entry,
			       struct kvf_err *err)
{
	const struct kvf_limits *lim = &w->head->lim;
	enum kvf_status st;
	struct kvf_buf *unit;
	uint8_t *p;

	if (w->sticky || w->state != KVF_IN_PACKAGE)
		return kvf_writer_expect(w, KVF_IN_PACKAGE, "kvf_writer_put", err);
	if (entry->key.len == 0 || entry->part.len > lim->part || entry->key.len > lim->key ||
	    entry->value.len > lim->value)
		return too_large(w, entry, err);
	if (w->has_last) {
		st = check_order(w, entry, err);
		if (st)
			return st;
	}
	if (!w->open) {
		st = kvf_writer_open_chunk(w, err);
		if (st)
			return kvf_writer_stick(w, st, err);
	}
	unit = &w->open->unit;
	st = kvf_buf_reserve(unit, 16 + entry->part.len + entry->key.len + entry->value.len,
			     err);
	if (st)
		return kvf_writer_stick(w, st, err);
	p = unit->ptr + unit->len;
	*p++ = 0x93;
	p = put_bin(p, entry->part);
	w->last_part.at = (size_t)(p - unit->ptr) - entry->part.len;
	w->last_part.len = entry->part.len;
	p = put_bin(p, entry->key);
	w->last_key.at = (size_t)(p - unit->ptr) - entry->key.len;
	w->last_key.len = entry->key.len;
	p = put_bin(p, entry->value);
	unit->len = (size_t)(p - unit->ptr);
	w->has_last = 1;
	w->open_entries++;
	if (unit->len - w->open->head >= w->head->chunk ||
	    w->open_entries == KVF_CHUNK_ENTRIES_MAX)
		return kvf_writer_stick(w, close_chunk(w, err), err);
	return KVF_OK;
}

enum kvf_status kvf_writer_end(struct kvf_writer *w, const struct kvf_side *sides,
			       size_t nsides, struct kvf_end *out, struct kvf_err *err)
{
	enum kvf_status st = kvf_writer_expect(w, KVF_IN_PACKAGE, "kvf_writer_end", err);
	struct kvf_end end;
	uint8_t digest[32];

	if (st)
		return st;
	if (w->open)
		st = close_chunk(w, err);
	if (!st)
		st = kvf_packer_drain(&w->pack, err);
	if (st)
		return kvf_writer_stick(w, st, err);
	memset(&end, 0, sizeof(end));
	end.n = w->package;
	end.chunks = w->chunk;
	end.totals = w->pack.totals;
	memcpy(end.r, w->pack.r, sizeof(end.r));
	end.sides = sides;
	end.nsides = nsides;
	w->scratch.len = 0;
	st = kvf_write_end(&w->scratch, &end, err);
	if (st)
		return st;
	kvf_sha256(w->scratch.ptr, w->scratch.len, digest);
	st = kvf_packer_control(&w->pack, kvf_buf_bytes(&w->scratch), err);
	if (st)
		return kvf_writer_stick(w, st, err);
	kvf_sha256_chain(w->root, digest);
	w->mark.set = 0;
	w->chunks[w->package++] = w->chunk;
	w->tail.packages++;
	w->tail.chunks += w->chunk;
	w->tail.entries += w->pack.totals.entries;
	w->tail.bytes += w->pack.totals.bytes;
	add_m(&w->tail, &w->pack.totals);
	w->state = KVF_IN_STREAM;
	if (out)
		*out = end;
	return KVF_OK;
}

enum kvf_status kvf_writer_finish(struct kvf_writer *w, struct kvf_tail *out,
				  struct kvf_err *err)
{
	enum kvf_status st = kvf_writer_expect(w, KVF_IN_STREAM, "kvf_writer_finish", err);

	if (st)
		return st;
	if (w->package != w->head->npackages)
		return kvf_fail(err, KVF_EUSAGE, "a package that the head names is missing");
	memcpy(w->tail.r, w->root, sizeof(w->tail.r));
	w->scratch.len = 0;
	st = kvf_write_tail(&w->scratch, &w->tail, err);
	if (!st)
		st = kvf_packer_control(&w->pack, kvf_buf_bytes(&w->scratch), err);
	if (!st && w->notes.len)
		st = kvf_packer_note(&w->pack, kvf_buf_bytes(&w->notes), err);
	if (!st) {
		w->scratch.len = 0;
		st = kvf_frame_index(&w->scratch, w->chunks, w->head->npackages, err);
	}
	if (!st)
		st = kvf_packer_note(&w->pack, kvf_buf_bytes(&w->scratch), err);
	if (!st)
		st = kvf_packer_table(&w->pack, err);
	if (st)
		return kvf_writer_stick(w, st, err);
	w->state = KVF_FINISHED;
	if (out)
		*out = w->tail;
	return KVF_OK;
}

enum kvf_status kvf_writer_abort(struct kvf_writer *w, int code, const char *message,
				 struct kvf_err *err)
{
	enum kvf_status st;

	if (w->state == KVF_FINISHED)
		return kvf_fail(err, KVF_EUSAGE, "kvf_writer_abort() came at the wrong time");
	/* An interruption leaves the output usable; nothing else does. */
	if (w->sticky && w->sticky != KVF_EINTERRUPTED)
		return fail_again(w, err);
	st = kvf_packer_drain(&w->pack, err);
	if (!st) {
		w->scratch.len = 0;
		st = kvf_write_abort(&w->scratch, code, message, err);
	}
	if (!st)
		st = kvf_packer_control(&w->pack, kvf_buf_bytes(&w->scratch), err);
	if (st)
		return kvf_writer_stick(w, st, err);
	w->state = KVF_FINISHED;
	return KVF_OK;
}

int kvf_writer_follows(const struct kvf_writer *w)
{
	return w->pack.follows && w->pack.next < w->pack.earlier.n;
}

uint64_t kvf_writer_kept(const struct kvf_writer *w)
{
	return w->pack.kept;
}

void kvf_writer_close(struct kvf_writer *w)
{
	if (!w)
		return;
	kvf_packer_release(&w->pack);
	kvf_packer_job_free(w->open);
	free(w->chunks);
	kvf_buf_release(&w->notes);
	kvf_buf_release(&w->scratch);
	kvf_buf_release(&w->last_copy);
	kvf_buf_release(&w->mark.bytes);
	free(w);
}
