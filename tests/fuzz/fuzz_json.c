/*
 * fuzz_json - any bytes to the JSON parser.
 *
 * What it accepts is written canonically, accepted again, and then written as
 * the same bytes.
 */
#include "fuzz.h"

#include "value/json.h"

#include <stdlib.h>
#include <string.h>

static enum kvf_status canonical(struct kvf_bytes text, struct kvf_buf *out,
				 struct kvf_err *err)
{
	struct kvf_scratch scratch;
	struct kvf_json json;
	struct kvf_buf tape;
	enum kvf_status st;

	kvf_scratch_init(&scratch, 1 << 26);
	kvf_buf_init(&tape, 1 << 26);
	st = kvf_json_parse(text, &tape, &json, err);
	if (!st)
		st = kvf_json_write(out, &json, json.root, &scratch, err);
	kvf_buf_release(&tape);
	kvf_scratch_release(&scratch);
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvf_bytes text = { data, size };
	struct kvf_buf once, twice;
	struct kvf_err err;
	enum kvf_status st;

	kvf_buf_init(&once, 1 << 26);
	kvf_buf_init(&twice, 1 << 26);
	st = canonical(text, &once, &err);
	fuzz_saw(kvf_status_word(st));
	if (st && st != KVF_EREJECT && st != KVF_ENOMEM)
		abort();
	if (!st) {
		st = canonical(kvf_buf_bytes(&once), &twice, &err);
		if (st == KVF_EREJECT || (!st && (once.len != twice.len ||
						  memcmp(once.ptr, twice.ptr, once.len) != 0)))
			abort();
	}
	kvf_buf_release(&once);
	kvf_buf_release(&twice);
	return 0;
}
