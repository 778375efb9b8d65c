/*
 * side - the entries of any place: tables, stream or store.
 *
 * Tables and streams come in packages, each ascending; a store is one ascending
 * scan.  Where two sides have to be walked in the order of keys over all
 * packages, those with more than one go through a sorter.
 */
#include "migrate/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kvf_side_entries {
	const struct kvf_options *o;
	const struct kvf_head *earlier; /* for the arguments of tables */
	const struct kvf_env *env;
	struct kvf_meter *meter;
	struct kvf_place place;
	enum kvf_side_kind kind;
	char scratch_dir[4096];
	const char *scratch;
	char identity[512];
	struct kvf_limits limits;
	const char **names; /* of the packages */
	size_t nnames;

	struct kvf_source *source; /* tables */
	struct kvf_bound bound;
	struct kvf_gather gather;
	int gather_open;
	const char **gather_sources;
	struct kvf_begin gather_begin;

	struct kvf_input *in; /* stream */
	struct kvf_reader *reader;
	int fresh;    /* only the head was read so far */
	int reopened; /* opened before: a pipe cannot be again */
	struct kvf_chunk chunk;
	int chunk_open;
	size_t at;
	struct kvf_begin *begin; /* of the current package, a copy */

	struct kvf_store *store;
	struct kvf_units units; /* what its last import left behind */
	struct kvf_cursor *cursor;

	size_t package;            /* current; npackages = all done */
	struct kvf_sorter *sorter; /* when the order goes over packages */
};

/* ---- opening ------------------------------------------------------------------ */

static enum kvf_status open_tables(struct kvf_side_entries *s, struct kvf_err *err)
{
	enum kvf_status st = kvf_source_open(s->place.text, s->env, &s->source, err);

	s->kind = KVF_SIDE_TABLES;
	if (!st)
		st = kvf_bound_open(s->o, s->source, s->earlier, 1, &s->bound, err);
	if (st)
		return st;
	kvf_report_name(s->identity, sizeof(s->identity), "tables of %s",
			kvf_source_identity(s->source));
	s->names = s->bound.names;
	s->nnames = s->bound.nselected;
	return KVF_OK;
}

static enum kvf_status open_store(struct kvf_side_entries *s, int *is_store,
				  struct kvf_err *err)
{
	struct kvf_store_options so = { .table = s->o->table };
	struct kvf_store_facts facts;
	enum kvf_status st =
		kvf_store_open(s->place.text, KVF_STORE_READ, &so, s->env, &s->store, err);

	*is_store = 0;
	if (!st)
		st = kvf_store_inspect(s->store, &facts, err);
	if (st)
		return st;
	*is_store = facts.has_control || (facts.has_table && facts.table_fits);
	if (!*is_store) {
		kvf_store_close(s->store);
		s->store = NULL;
		return KVF_OK;
	}
	s->kind = KVF_SIDE_STORE;
	kvf_report_name(s->identity, sizeof(s->identity), "store %s",
			kvf_store_identity(s->store));
	return facts.has_control ? kvf_units_load(s->store, &s->units, err) : KVF_OK;
}

static enum kvf_status open_reader(struct kvf_side_entries *s, struct kvf_err *err)
{
	struct kvf_reader_options ro;
	enum kvf_status st;

	kvf_reader_close(s->reader);
	s->reader = NULL;
	if (s->in != s->o->input)
		kvf_input_close(s->in);
	s->in = NULL;
	if (s->reopened && s->place.kind == KVF_PLACE_STDIO) {
		kvf_fail(err, KVF_EUSAGE, "a pipe can be read only once");
		kvf_err_hint(err, "Save the stream to a file and name that.");
		return KVF_EUSAGE;
	}
	s->reopened = 1;
	s->fresh = 1;
	memset(&ro, 0, sizeof(ro));
	ro.caps = s->limits;
	ro.allow_features_partial = 1;
	if (s->o->input && s->place.kind == KVF_PLACE_STDIO) {
		s->in = s->o->input;
		st = KVF_OK;
	} else {
		st = kvf_open_input(s->place.text, &s->in, err);
	}
	return st ? st : kvf_reader_open(s->in, &ro, s->env, &s->reader, err);
}

static enum kvf_status open_stream(struct kvf_side_entries *s, struct kvf_err *err)
{
	const struct kvf_head *head;
	enum kvf_status st = open_reader(s, err);
	size_t i;

	s->kind = KVF_SIDE_STREAM;
	if (st)
		return st;
	head = kvf_reader_head(s->reader);
	kvf_report_name(s->identity, sizeof(s->identity), "stream %s", kvf_input_name(s->in));
	s->names =
		kvf_arena_zalloc(&s->bound.memory, (head->npackages + 1) * sizeof(*s->names));
	if (!s->names)
		return kvf_fail_nomem(err);
	for (i = 0; i < head->npackages; i++) {
		s->names[i] = kvf_arena_strdup(&s->bound.memory, head->packages[i]);
		if (!s->names[i])
			return kvf_fail_nomem(err);
	}
	s->nnames = head->npackages;
	return KVF_OK;
}

const struct kvf_head *kvf_side_head(const struct kvf_side_entries *s)
{
	return s->reader ? kvf_reader_head(s->reader) : s->units.head;
}

enum kvf_status kvf_side_open(const struct kvf_options *o, const char *place,
			      const struct kvf_head *earlier, const struct kvf_env *env,
			      struct kvf_meter *meter, struct kvf_side_entries **out,
			      struct kvf_err *err)
{
	struct kvf_side_entries *s = calloc(1, sizeof(*s));
	enum kvf_status st;
	int is_store = 0;

	*out = NULL;
	if (!s)
		return kvf_fail_nomem(err);
	s->o = o;
	s->earlier = earlier;
	s->env = env;
	s->meter = meter;
	s->limits = kvf_options_limits(o);
	kvf_arena_init(&s->bound.memory);
	s->scratch = kvf_scratch_dir(NULL, env, s->scratch_dir, sizeof(s->scratch_dir));
	st = kvf_place_parse(place, &s->place, err);
	if (!st && s->place.kind != KVF_PLACE_DATABASE) {
		st = open_stream(s, err);
	} else if (!st) {
		if (!s->place.tables)
			st = open_store(s, &is_store, err);
		if (!st && !is_store)
			st = open_tables(s, err);
	}
	if (st == KVF_ENOTFOUND)
		st = err->status = KVF_ESOURCE;
	if (st)
		kvf_side_close(s);
	else
		*out = s;
	return st;
}

static void end_walk(struct kvf_side_entries *s)
{
	if (s->gather_open)
		kvf_gather_close(&s->gather);
	s->gather_open = 0;
	free(s->gather_sources);
	s->gather_sources = NULL;
	kvf_begin_free(s->begin);
	s->begin = NULL;
	kvf_cursor_close(s->cursor);
	s->cursor = NULL;
	kvf_sorter_free(s->sorter);
	s->sorter = NULL;
	s->chunk_open = 0;
	s->package = 0;
}

void kvf_side_close(struct kvf_side_entries *s)
{
	if (!s)
		return;
	end_walk(s);
	kvf_reader_close(s->reader);
	if (s->in != s->o->input)
		kvf_input_close(s->in);
	kvf_units_release(&s->units);
	kvf_store_close(s->store);
	kvf_bound_close(&s->bound);
	kvf_source_close(s->source);
	free(s);
}

enum kvf_side_kind kvf_side_kind(const struct kvf_side_entries *s)
{
	return s->kind;
}

const char *kvf_side_identity(const struct kvf_side_entries *s)
{
	return s->identity;
}

size_t kvf_side_packages(const struct kvf_side_entries *s, const char *const **names)
{
	*names = s->names;
	return s->nnames;
}

int kvf_side_has_package(const struct kvf_side_entries *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nnames; i++)
		if (strcmp(s->names[i], name) == 0)
			return 1;
	for (i = 0; i < s->units.n; i++)
		if (strcmp(s->units.begins[i]->name, name) == 0)
			return 1;
	return 0;
}

/* ---- walking by package --------------------------------------------------------- */

static enum kvf_status next_of_tables(struct kvf_side_entries *s, struct kvf_entry *entry,
				      struct kvf_err *err)
{
	size_t package;
	enum kvf_status st;

	for (;; s->package++) {
		if (s->package == s->nnames)
			return KVF_EOF;
		package = s->bound.selected[s->package];
		if (!s->gather_open) {
			free(s->gather_sources);
			s->gather_sources =
				calloc(s->bound.app->packages[package]->nrecords + 1,
				       sizeof(*s->gather_sources));
			if (!s->gather_sources)
				return kvf_fail_nomem(err);
			kvf_bound_begin(&s->bound, package, s->package, s->gather_sources,
					&s->gather_begin);
			st = kvf_gather_open(&s->gather, &s->bound, package, &s->limits,
					     s->scratch, s->env, NULL, err);
			s->gather_open = 1;
			if (st)
				return st;
		}
		st = kvf_gather_next(&s->gather, entry, err);
		if (st != KVF_EOF)
			return st;
		kvf_gather_close(&s->gather);
		s->gather_open = 0;
	}
}

static enum kvf_status next_of_stream(struct kvf_side_entries *s, struct kvf_entry *entry,
				      struct kvf_err *err)
{
	struct kvf_item item;
	enum kvf_status st;

	for (;;) {
		if (s->chunk_open && kvf_chunk_next(&s->chunk, &s->at, entry))
			return KVF_OK;
		s->chunk_open = 0;
		st = kvf_reader_next(s->reader, &item, err);
		if (st)
			return st;
		if (item.type == KVF_ITEM_BEGIN) {
			s->package = item.u.begin->n;
			kvf_begin_free(s->begin);
			s->begin = NULL;
			st = kvf_begin_parse(item.raw, &s->begin, err);
			if (st)
				return st;
		} else if (item.type == KVF_ITEM_CHUNK) {
			s->chunk = *item.u.chunk;
			s->chunk_open = 1;
			s->at = 0;
		}
	}
}

static enum kvf_status next_raw(struct kvf_side_entries *s, struct kvf_entry *entry,
				struct kvf_err *err)
{
	switch (s->kind) {
	case KVF_SIDE_TABLES: return next_of_tables(s, entry, err);
	case KVF_SIDE_STREAM: return next_of_stream(s, entry, err);
	case KVF_SIDE_STORE: return kvf_cursor_next(s->cursor, entry, err);
	}
	return KVF_EOF;
}

/* All packages into one sorter, so that they come out in the order of keys. */
static enum kvf_status sort_all(struct kvf_side_entries *s, struct kvf_err *err)
{
	struct kvf_origin origin = { 0, 0 };
	struct kvf_entry e;
	enum kvf_status st = kvf_sorter_new(kvf_memory_budget(s->env) / 2, s->scratch, s->env,
					    &s->sorter, err);

	while (!st && !(st = next_raw(s, &e, err))) {
		origin.record = (uint32_t)s->package;
		st = kvf_sorter_put(s->sorter, &e, 0, origin, err);
		if (!st && ++origin.ordinal % 1024 == 0)
			st = kvf_check_stop(s->env, err);
	}
	return st == KVF_EOF ? kvf_sorter_finish(s->sorter, err) : st;
}

enum kvf_status kvf_side_begin(struct kvf_side_entries *s, int by_package, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	end_walk(s);
	if (s->kind == KVF_SIDE_STORE)
		return kvf_store_scan(s->store, KVF_SCAN_LIVE, NULL, &s->cursor, err);
	if (s->kind == KVF_SIDE_STREAM && !s->fresh)
		st = open_reader(s, err);
	s->fresh = 0;
	if (!st && !by_package && s->nnames > 1)
		st = sort_all(s, err);
	return st;
}

enum kvf_status kvf_side_next(struct kvf_side_entries *s, struct kvf_entry *entry,
			      size_t *package, const struct kvf_begin **begin,
			      struct kvf_err *err)
{
	struct kvf_origin origin;
	enum kvf_status st;

	*begin = NULL;
	*package = 0;
	if (s->sorter) {
		st = kvf_sorter_next(s->sorter, entry, &origin, err);
		if (!st)
			*package = origin.record;
		return st;
	}
	st = next_raw(s, entry, err);
	if (st)
		return st;
	*package = s->package;
	if (s->kind == KVF_SIDE_TABLES)
		*begin = &s->gather_begin;
	else if (s->kind == KVF_SIDE_STREAM)
		*begin = s->begin;
	else if (s->units.n)
		*begin = s->units.begins[kvf_units_route(&s->units, entry)];
	return KVF_OK;
}

enum kvf_status kvf_side_totals(struct kvf_side_entries *s, struct kvf_totals *t,
				struct kvf_err *err)
{
	struct kvf_item item;
	struct kvf_entry e;
	enum kvf_status st;

	memset(t, 0, sizeof(*t));
	if (s->kind == KVF_SIDE_STORE)
		return kvf_store_totals(s->store, KVF_SCAN_LIVE, t, err);
	st = kvf_side_begin(s, 1, err);
	if (st)
		return st;
	if (s->kind == KVF_SIDE_STREAM) {
		while (!(st = kvf_reader_next(s->reader, &item, err))) {
			if (item.type == KVF_ITEM_CHUNK)
				kvf_totals_merge(t, &item.u.chunk->info.totals);
			st = kvf_check_stop(s->env, err);
			if (st)
				return st;
		}
		return st == KVF_EOF ? KVF_OK : st;
	}
	while (!(st = next_raw(s, &e, err))) {
		kvf_totals_add(t, &e);
		if (s->meter)
			kvf_meter_add(s->meter, 1, e.part.len + e.key.len + e.value.len);
	}
	return st == KVF_EOF ? KVF_OK : st;
}
