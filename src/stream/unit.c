/* unit - check and digest the unit that holds entries. */
#include "stream/unit.h"

#include "base/hash.h"

#define ENTRY_BYTE 0x93 /* fixarray of three */

const uint8_t *kvf_unit_entry(const uint8_t *p, const uint8_t *end, struct kvf_entry *entry)
{
	if (p == end || *p != ENTRY_BYTE)
		return NULL;
	p = kvf_mp_entry_bin(p + 1, end, &entry->part);
	if (p)
		p = kvf_mp_entry_bin(p, end, &entry->key);
	if (p)
		p = kvf_mp_entry_bin(p, end, &entry->value);
	return p;
}

int kvf_chunk_next(const struct kvf_chunk *chunk, size_t *at, struct kvf_entry *entry)
{
	const uint8_t *p;

	if (*at >= chunk->entries.len)
		return 0;
	p = kvf_unit_entry(chunk->entries.ptr + *at, chunk->entries.ptr + chunk->entries.len,
			   entry);
	if (!p)
		return 0;
	*at = (size_t)(p - chunk->entries.ptr);
	return 1;
}

static enum kvf_status damaged(struct kvf_bytes unit, const uint8_t *at, struct kvf_err *err,
			       const char *what)
{
	kvf_fail(err, KVF_ESTREAM, "damaged stream: %s", what);
	kvf_err_detail(err, "byte %zu of the unit", (size_t)(at - unit.ptr));
	return KVF_ESTREAM;
}

/* NULL, or which limit the entry breaks. */
static const char *over_limit(const struct kvf_entry *e, const struct kvf_limits *lim)
{
	if (e->key.len == 0)
		return "an entry has an empty key";
	if (e->part.len > lim->part)
		return "a partition is over the limit (lim.part)";
	if (e->key.len > lim->key)
		return "a key is over the limit (lim.key)";
	if (e->value.len > lim->value)
		return "a value is over the limit (lim.val)";
	return NULL;
}

/* The entries from m->at on; leaves m at the first byte that is no array. */
static enum kvf_status check_entries(struct kvf_bytes bytes, struct kvf_mp *m,
				     const struct kvf_limits *lim, struct kvf_unit *unit,
				     struct kvf_err *err)
{
	struct kvf_totals *t = &unit->info.totals;
	struct kvf_entry e;
	const uint8_t *next;
	const char *wrong;

	while (m->at < m->end && (*m->at & 0xf0) == 0x90) {
		next = kvf_unit_entry(m->at, m->end, &e);
		if (!next)
			return damaged(bytes, m->at, err,
				       "an entry is not three bins in their shortest form");
		wrong = over_limit(&e, lim);
		if (wrong)
			return damaged(bytes, m->at, err, wrong);
		if (t->entries == KVF_CHUNK_ENTRIES_MAX)
			return damaged(bytes, m->at, err, "a chunk has more than 2^20 entries");
		if (t->entries == 0)
			unit->first = e;
		else if (kvf_entry_cmp(&unit->last, &e) >= 0)
			return damaged(bytes, m->at, err, "entries do not ascend strictly");
		kvf_totals_add(t, &e);
		unit->last = e;
		unit->last_len = (size_t)(next - m->at);
		m->at = next;
	}
	if (t->entries == 0)
		return damaged(bytes, m->at, err, "a chunk has no entries");
	return KVF_OK;
}

enum kvf_status kvf_unit_check(struct kvf_bytes bytes, const struct kvf_limits *lim,
			       struct kvf_unit *unit, struct kvf_err *err)
{
	struct kvf_mp m = kvf_mp_over(bytes.ptr, bytes.len);
	struct kvf_chunk_record c;
	struct kvf_endc_record e;
	enum kvf_status st;

	memset(unit, 0, sizeof(*unit));
	if (!kvf_read_chunk_record(&m, &c))
		return damaged(bytes, m.at, err, m.bad);
	unit->info.n = c.n;
	unit->info.i = c.i;
	memcpy(unit->h, c.h, sizeof(c.h));
	unit->entries.ptr = m.at;
	st = check_entries(bytes, &m, lim, unit, err);
	if (st)
		return st;
	unit->entries.len = (size_t)(m.at - unit->entries.ptr);
	kvf_sha256(bytes.ptr, (size_t)(m.at - bytes.ptr), unit->info.d);
	if (!kvf_read_endc_record(&m, &e))
		return damaged(bytes, m.at, err, m.bad);
	if (m.at != m.end)
		return damaged(bytes, m.at, err, "bytes follow the end of a chunk");
	if (memcmp(e.d, unit->info.d, sizeof(e.d)) != 0)
		return damaged(bytes, bytes.ptr, err, "the digest d of a chunk does not match");
	if (e.c != unit->info.totals.entries || e.b != unit->info.totals.bytes)
		return damaged(bytes, m.at, err, "the counts of a chunk do not match");
	if (memcmp(e.m, unit->info.totals.m, sizeof(e.m)) != 0)
		return damaged(bytes, m.at, err, "the digest m of a chunk does not match");
	return KVF_OK;
}

void kvf_unit_digest(struct kvf_bytes bytes, size_t head, struct kvf_unit *unit)
{
	const uint8_t *p = bytes.ptr + head, *end = bytes.ptr + bytes.len, *next;
	struct kvf_totals *t = &unit->info.totals;
	struct kvf_entry e;

	unit->entries = (struct kvf_bytes){ p, bytes.len - head };
	memset(t, 0, sizeof(*t));
	while (p < end && (next = kvf_unit_entry(p, end, &e))) {
		if (t->entries == 0)
			unit->first = e;
		kvf_totals_add(t, &e);
		unit->last = e;
		unit->last_len = (size_t)(next - p);
		p = next;
	}
	kvf_sha256(bytes.ptr, bytes.len, unit->info.d);
}
