/* convert - one row through the program of its record, into a sink. */
#include "formats/run.h"
#include "formats/tree.h"

static enum kvf_status put_entry(struct kvf_run *run, const struct kvf_prog_entry *e,
				 struct kvf_err *err)
{
	const struct kvf_def_value *value = e->def->value;
	enum kvf_status st;

	st = kvf_eval_into(run, e->partition, "partition", KVF_SINK_PART, err);
	if (!st)
		st = kvf_eval_into(run, e->key, "key", KVF_SINK_KEY, err);
	if (st)
		return st;
	kvf_sink_reset(run->sink, KVF_SINK_VALUE);
	switch (value->encoding) {
	case KVF_RAW: st = kvf_eval_into(run, e->raw, "raw value", KVF_SINK_VALUE, err); break;
	case KVF_JSON:
		st = kvf_encode_tree(run, &kvf_tree_json, e->fields, e->nfields, err);
		break;
	case KVF_MSGPACK:
		st = kvf_encode_tree(run, &kvf_tree_msgpack, e->fields, e->nfields, err);
		break;
	case KVF_PROTOBUF:
		st = e->raw ? kvf_encode_copied(run, e, err)
			    : kvf_encode_protobuf(run, e->fields, e->nfields, err);
		break;
	}
	if (st)
		return st;
	if (run->sink->buf[KVF_SINK_KEY].len == 0) {
		kvf_fail(err, KVF_EREJECT, "the key is empty");
		return kvf_run_blame(run, e->def->key->pos, "entry", e->def->kind, err);
	}
	return kvf_sink_put(run->sink, 0, err);
}

enum kvf_status kvf_formats_convert(const struct kvf_package *self, size_t record,
				    const struct kvf_row *row, struct kvf_sink *sink,
				    struct kvf_err *err)
{
	const struct kvf_prog *prog = self->state;
	const struct kvf_prog_record *r = &prog->records[record];
	struct kvf_run run = { sink, r, row, NULL };
	enum kvf_status st = KVF_OK;
	void *lets = NULL;
	size_t i;
	int made;

	if (!r->bound || row->ncells != r->ncells)
		return kvf_fail(err, KVF_EINTERNAL,
				"record %s: a row of %zu cells, the definition is %s",
				r->def->name, row->ncells,
				r->bound ? "bound to another number" : "not bound");
	kvf_scratch_reset(&sink->scratch);
	sink->tape.len = 0;
	if (r->def->nlets) {
		st = kvf_scratch_alloc(&sink->scratch, r->def->nlets * sizeof(*run.lets), &lets,
				       err);
		run.lets = lets;
		if (!st)
			st = kvf_eval_lets(&run, err);
	}
	for (i = 0; !st && i < r->def->nentries; i++) {
		const struct kvf_prog_entry *e = &r->entries[i];

		made = 1;
		if (e->when)
			st = kvf_eval_when(&run, e, &made, err);
		if (!st && made)
			st = put_entry(&run, e, err);
	}
	return st;
}
