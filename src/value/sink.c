/* sink - where convert() puts its entries. */
#include "value/sink.h"

#include <string.h>

/* Scratch of one row: its texts, unescaped and filtered, and JSON tokens. */
#define SCRATCH_FACTOR 8
#define SCRATCH_LEAST ((uint64_t)64 << 20)

static const char *const buffer_names[] = { "partition", "key", "value" };
static const char *const cap_options[] = { "", "", "Raise the limit with --max-value SIZE." };

static size_t as_size(uint64_t n)
{
	return n < SIZE_MAX / 2 ? (size_t)n : SIZE_MAX / 2;
}

void kvf_sink_init(struct kvf_sink *sink, const struct kvf_sink_caps *caps,
		   kvf_sink_put_fn *put, void *ctx)
{
	uint64_t scratch = caps->value < UINT64_MAX / SCRATCH_FACTOR
				   ? caps->value * SCRATCH_FACTOR
				   : UINT64_MAX;

	if (scratch < SCRATCH_LEAST)
		scratch = SCRATCH_LEAST;
	kvf_buf_init(&sink->buf[KVF_SINK_PART], as_size(caps->part));
	kvf_buf_init(&sink->buf[KVF_SINK_KEY], as_size(caps->key));
	kvf_buf_init(&sink->buf[KVF_SINK_VALUE], as_size(caps->value));
	kvf_scratch_init(&sink->scratch, as_size(scratch));
	kvf_buf_init(&sink->tape, as_size(scratch));
	sink->put = put;
	sink->ctx = ctx;
}

void kvf_sink_release(struct kvf_sink *sink)
{
	size_t i;

	if (!sink)
		return;
	for (i = 0; i < 3; i++)
		kvf_buf_release(&sink->buf[i]);
	kvf_scratch_release(&sink->scratch);
	kvf_buf_release(&sink->tape);
}

void kvf_sink_reset(struct kvf_sink *sink, enum kvf_sink_buffer which)
{
	sink->buf[which].len = 0;
}

static enum kvf_status over_cap(const struct kvf_sink *sink, size_t which, size_t len,
				struct kvf_err *err)
{
	kvf_fail(err, KVF_EREJECT, "the %s has at least %zu bytes, the limit is %zu",
		 buffer_names[which], len, sink->buf[which].cap);
	if (cap_options[which][0])
		kvf_err_hint(err, "%s", cap_options[which]);
	return KVF_EREJECT;
}

enum kvf_status kvf_sink_append(struct kvf_sink *sink, enum kvf_sink_buffer which,
				const void *bytes, size_t len, struct kvf_err *err)
{
	struct kvf_buf *b = &sink->buf[which];

	if (len > b->cap - b->len)
		return over_cap(sink, which, len < SIZE_MAX - b->len ? b->len + len : len, err);
	return kvf_buf_append(b, bytes, len, err);
}

enum kvf_status kvf_sink_put(struct kvf_sink *sink, unsigned flags, struct kvf_err *err)
{
	struct kvf_entry entry = {
		kvf_buf_bytes(&sink->buf[KVF_SINK_PART]),
		kvf_buf_bytes(&sink->buf[KVF_SINK_KEY]),
		kvf_buf_bytes(&sink->buf[KVF_SINK_VALUE]),
	};

	return kvf_sink_put_entry(sink, &entry, flags, err);
}

enum kvf_status kvf_sink_put_entry(struct kvf_sink *sink, const struct kvf_entry *entry,
				   unsigned flags, struct kvf_err *err)
{
	if (entry->key.len == 0)
		return kvf_fail(err, KVF_EREJECT, "the key is empty");
	if (entry->part.len > sink->buf[KVF_SINK_PART].cap)
		return over_cap(sink, KVF_SINK_PART, entry->part.len, err);
	if (entry->key.len > sink->buf[KVF_SINK_KEY].cap)
		return over_cap(sink, KVF_SINK_KEY, entry->key.len, err);
	if (entry->value.len > sink->buf[KVF_SINK_VALUE].cap)
		return over_cap(sink, KVF_SINK_VALUE, entry->value.len, err);
	return sink->put(sink->ctx, entry, flags, err);
}
