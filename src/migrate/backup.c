/*
 * backup - a store to a stream.
 *
 * The stream has the head and begin records of the import that filled the store,
 * so that a store nobody wrote to gives the very stream it was loaded from.  One
 * scan, in one snapshot, is dealt out to the packages; where there are several,
 * each collects its entries in a sorter, in the order in which they come.
 */
#include "migrate/run.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate/ledger.h"

struct backup {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_report *report;
	struct kvf_store *store;
	struct kvf_units units;
	struct kvf_head head; /* of the stream that is written */
	struct kvf_limits limits;
	struct kvf_sorter **sorters; /* one a package; NULL with one package */
	struct kvf_writer *writer;
	struct kvf_cursor *cursor;
	struct kvf_meter meter;
	const char *scratch;
};

/* A store that no import of ours filled: one package, without kinds. */
static const char *const plain_package[] = { "kv" };

static void make_head(struct backup *b)
{
	if (b->units.head) {
		b->head = *b->units.head;
		/* The application may have written larger values since. */
		if (b->o->max_value > b->head.lim.value)
			b->head.lim.value = b->o->max_value;
		if (b->o->chunk)
			b->head.chunk = b->o->chunk;
		if (b->o->max_value || b->o->chunk)
			b->head.lim.unit = 0; /* the writer adds the others up */
		return;
	}
	b->head.app = "";
	b->head.chunk = b->o->chunk;
	b->head.lim = b->limits;
	b->head.packages = plain_package;
	b->head.npackages = 1;
}

static enum kvf_status open_store(struct backup *b, struct kvf_err *err)
{
	struct kvf_store_options so = { .table = b->o->table };
	struct kvf_report *r = b->report;
	enum kvf_status st =
		kvf_store_open(b->o->source, KVF_STORE_READ, &so, b->env, &b->store, err);

	if (!st)
		st = kvf_store_inspect(b->store, &r->facts, err);
	if (st)
		return st == KVF_ENOTFOUND ? (err->status = KVF_ESOURCE) : st;
	kvf_report_name(r->source, sizeof(r->source), "%s", kvf_store_identity(b->store));
	/* Where that may not be read, nobody knows which table it is. */
	if (r->facts.has_control)
		st = kvf_store_control(b->store, &r->control, err);
	if (st && st != KVF_ENOTFOUND)
		return st;
	if (!r->facts.has_table || !r->facts.table_fits ||
	    (r->control.early && !r->facts.entries)) {
		kvf_fail(err, KVF_ESOURCE, "there is no key-value store to back up");
		kvf_err_detail(err, "%s%s", r->source,
			       r->control.early ? ": nothing is live in it yet" : "");
		kvf_err_hint(err, "For its tables, use 'kvferry export'.");
		return KVF_ESOURCE;
	}
	st = kvf_store_control(b->store, &r->control, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	} else if (!st) {
		r->has_control = 1;
		r->live = r->control.ver;
		st = kvf_units_load(b->store, &b->units, err);
	}
	make_head(b);
	snprintf(r->app, sizeof(r->app), "%s", b->head.app);
	r->from = b->head.from;
	r->schema = b->head.schema;
	r->partial = b->head.nfeatures != 0;
	return st;
}

static enum kvf_status put(struct backup *b, size_t n, const struct kvf_entry *e,
			   struct kvf_err *err)
{
	static const struct kvf_origin nowhere;

	if (b->sorters)
		return kvf_sorter_put(b->sorters[n], e, 0, nowhere, err);
	return kvf_writer_put(b->writer, e, err);
}

static enum kvf_status scan(struct backup *b, struct kvf_err *err)
{
	struct kvf_entry e;
	enum kvf_status st = kvf_store_scan(b->store, KVF_SCAN_LIVE, NULL, &b->cursor, err);

	while (!st && !(st = kvf_cursor_next(b->cursor, &e, err))) {
		st = put(b, b->sorters ? kvf_units_route(&b->units, &e) : 0, &e, err);
		kvf_meter_add(&b->meter, 1, e.part.len + e.key.len + e.value.len);
		if (!st && b->meter.p.entries % 4096 == 0)
			st = kvf_check_stop(b->env, err);
	}
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status collect(struct backup *b, struct kvf_err *err)
{
	uint64_t share = kvf_memory_budget(b->env) / b->head.npackages;
	enum kvf_status st = KVF_OK;
	size_t n;

	b->sorters = calloc(b->head.npackages, sizeof(*b->sorters));
	if (!b->sorters)
		return kvf_fail_nomem(err);
	for (n = 0; !st && n < b->head.npackages; n++)
		st = kvf_sorter_new(share, b->scratch, b->env, &b->sorters[n], err);
	if (!st)
		st = scan(b, err);
	for (n = 0; !st && n < b->head.npackages; n++)
		st = kvf_sorter_finish(b->sorters[n], err);
	return st;
}

static enum kvf_status write_package(struct backup *b, size_t n, struct kvf_err *err)
{
	struct kvf_report_package *row = &b->report->packages[n];
	struct kvf_begin plain = { .n = 0, .name = plain_package[0] };
	const struct kvf_begin *begin = b->units.n ? b->units.begins[n] : &plain;
	struct kvf_origin origin;
	struct kvf_entry e;
	struct kvf_end end;
	enum kvf_status st = kvf_writer_begin(b->writer, begin, err);

	if (!st && !b->sorters)
		st = scan(b, err);
	if (b->sorters) {
		while (!st && !(st = kvf_sorter_next(b->sorters[n], &e, &origin, err)))
			st = kvf_writer_put(b->writer, &e, err);
		st = st == KVF_EOF ? KVF_OK : st;
	}
	if (!st)
		st = kvf_writer_end(b->writer, NULL, 0, &end, err);
	if (st)
		return st;
	row->rev = begin->rev;
	row->chunks = end.chunks;
	row->totals = end.totals;
	row->rows = end.totals.entries;
	row->in_order = 1;
	memcpy(row->r, end.r, sizeof(row->r));
	return KVF_OK;
}

/*
 * Rows that were missing in what was published, which was accepted: the stream's note
 * tells whoever restores it.  Its packages do not: they are the entries that are live now.
 */
static enum kvf_status find_rejects(struct backup *b, char *buf, size_t size,
				    struct kvf_err *err)
{
	struct kvf_report *r = b->report;
	enum kvf_status st = kvf_ledger_read(b->store, r, err);

	buf[0] = '\0';
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	}
	if (!st && r->has_rejects) {
		snprintf(buf, size, "%.64s", r->rejects_by_reason);
		kvf_report_warn(r,
				"the store lacks rows that were rejected, as accepted (%s): so "
				"does this stream, and only its note says so",
				buf);
	}
	r->has_rejects = r->rejects_accepted = 0; /* none of this run */
	return st;
}

static enum kvf_status write_all(struct backup *b, struct kvf_output *out, struct kvf_err *err)
{
	char when[32], host[256] = "", rejects[65];
	const struct kvf_pair notes[] = { { "created", when },
					  { "host", host },
					  { "source", b->report->source },
					  { "tool", "kvferry " KVF_VERSION },
					  { "rejects", rejects } };
	struct kvf_writer_options wo = { .level = b->o->level_set ? b->o->level : 1,
					 .level_set = 1,
					 .notes = notes,
					 .nnotes = 4 };
	enum kvf_status st;
	size_t n;

	kvf_time_text(kvf_now_us(), when, sizeof(when));
	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	st = find_rejects(b, rejects, sizeof(rejects), err);
	if (*rejects)
		wo.nnotes++;
	if (!st && b->head.npackages > 1)
		st = collect(b, err);
	if (!st)
		st = kvf_writer_open(out, &b->head, &wo, b->env, &b->writer, err);
	for (n = 0; !st && n < b->head.npackages; n++)
		st = write_package(b, n, err);
	if (!st)
		st = kvf_writer_finish(b->writer, &b->report->tail, err);
	if (st && b->writer) {
		struct kvf_err ignored;

		if (kvf_writer_abort(b->writer, kvf_exit_status(st), err->message, &ignored))
			kvf_logf(b->env, KVF_LOG_DEBUG, "no abort record: %s", ignored.message);
	}
	b->report->file_bytes = kvf_output_tell(out);
	return st;
}

static void release(struct backup *b)
{
	size_t n;

	kvf_writer_close(b->writer);
	kvf_cursor_close(b->cursor);
	for (n = 0; b->sorters && n < b->head.npackages; n++)
		kvf_sorter_free(b->sorters[n]);
	free(b->sorters);
	kvf_units_release(&b->units);
	kvf_store_close(b->store);
}

enum kvf_status kvf_backup(const struct kvf_options *o, const struct kvf_env *env,
			   struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_output *out = o->output;
	struct backup b = {
		.o = o, .env = env, .report = report, .limits = kvf_options_limits(o)
	};
	const struct kvf_operand operands[] = {
		{ "the store", o->source, 0, -1, 0 },
		{ "the stream", out ? NULL : o->target, 0, STDOUT_FILENO, 1 },
		{ "the manifest", o->manifest, 1, -1, 1 },
	};
	enum kvf_status st = kvf_report_init(report, err);
	char dir[4096];
	size_t step;

	if (!st)
		st = kvf_refuse_same_file(operands, 3, err);
	if (st)
		return st;
	b.scratch = kvf_scratch_dir(o->target, env, dir, sizeof(dir));
	step = kvf_report_step(report, "backup");
	st = open_store(&b, err);
	if (!st)
		st = kvf_report_packages(report, b.head.packages, b.head.npackages, err);
	if (st || o->dry_run)
		goto out;
	kvf_meter_begin(&b.meter, env, "backup", 1, 1, report->facts.entries, 0);
	if (!out)
		st = kvf_open_output(o, o->target, &out, err);
	if (st)
		goto out;
	kvf_report_name(report->target, sizeof(report->target), "%s", kvf_output_name(out));
	st = write_all(&b, out, err);
	if (!st)
		st = kvf_output_commit(out, err);
	if (!st && o->manifest)
		st = kvf_manifest_write(o->manifest, report, o->target, o->overwrite, err);
	kvf_report_step_end(report, step, report->tail.entries, report->tail.bytes);
out:
	release(&b);
	if (out != o->output)
		kvf_output_close(out);
	return st;
}
