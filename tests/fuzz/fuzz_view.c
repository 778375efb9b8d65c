/*
 * Looking keys up in anything.  What a full read accepts, a view must agree
 * with: each key that the reader handed out is found, with its value.
 */
#include "fuzz.h"

#include <kvferry/stream.h>

#include <stdlib.h>
#include <string.h>

static const struct kvf_reader_options options = { .allow_features_partial = 1 };

static void must_find(struct kvf_view *v, const char *package, const struct kvf_entry *e)
{
	struct kvf_bytes value;
	struct kvf_err err;

	if (kvf_view_get(v, package, e->part, e->key, &value, NULL, &err) ||
	    kvf_bytes_cmp(value, e->value) != 0)
		abort();
}

/* Read it all; with a view, look up all that is read. */
static enum kvf_status read_all(struct kvf_bytes file, struct kvf_view *v)
{
	struct kvf_env env = { .threads = 1 };
	const char *package = "";
	struct kvf_input *in = NULL;
	struct kvf_reader *r = NULL;
	struct kvf_item item;
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	size_t at;

	if (kvf_input_memory(file, "fuzz", &in, &err))
		abort();
	st = kvf_reader_open(in, &options, &env, &r, &err);
	while (!st) {
		st = kvf_reader_next(r, &item, &err);
		if (!st && item.type == KVF_ITEM_BEGIN)
			package = item.u.begin->name;
		if (!st && v && item.type == KVF_ITEM_CHUNK)
			for (at = 0; kvf_chunk_next(item.u.chunk, &at, &e);)
				must_find(v, package, &e);
	}
	kvf_reader_close(r);
	kvf_input_close(in);
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvf_bytes file = { data, size }, value;
	struct kvf_input *in = NULL;
	struct kvf_view *v = NULL;
	struct kvf_err err;
	enum kvf_status st;

	if (kvf_input_memory(file, "fuzz", &in, &err))
		abort();
	st = kvf_view_open(in, &options, &v, &err);
	fuzz_saw(kvf_status_word(st));
	if (st == KVF_EINTERNAL)
		abort();
	if (st == KVF_OK) {
		st = kvf_view_get(v, NULL, kvf_bytes_str("n"), kvf_bytes_str("id/1"), &value,
				  NULL, &err);
		fuzz_saw(st == KVF_OK          ? "found"
			 : st == KVF_ENOTFOUND ? "not-found"
					       : "damaged");
		if (read_all(file, NULL) == KVF_EOF) {
			fuzz_saw("complete");
			if (read_all(file, v) != KVF_EOF)
				abort();
		}
	}
	kvf_view_close(v);
	kvf_input_close(in);
	return 0;
}
