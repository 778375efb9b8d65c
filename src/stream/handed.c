/* handed - units from a writer to a reader of the same program. */
#include "stream/handed.h"

#include <stdlib.h>

static void drop(struct kvf_parcel *p)
{
	struct kvf_handed *h = (struct kvf_handed *)p;

	kvf_buf_release(&h->unit);
	free(h);
}

static enum kvf_status get_empty(struct kvf_output *out, struct kvf_handed **h,
				 struct kvf_err *err)
{
	*h = (struct kvf_handed *)kvf_output_empty(out);
	if (*h)
		return KVF_OK;
	*h = calloc(1, sizeof(**h));
	if (!*h)
		return kvf_fail_nomem(err);
	(*h)->parcel.drop = drop;
	kvf_buf_init(&(*h)->unit, KVF_UNIT_MAX);
	return KVF_OK;
}

static enum kvf_status give(struct kvf_output *out, struct kvf_handed *h, struct kvf_err *err)
{
	enum kvf_status st;

	h->parcel.size = h->unit.len;
	st = kvf_output_give(out, &h->parcel, err);
	if (st)
		drop(&h->parcel);
	return st;
}

enum kvf_status kvf_hand_control(struct kvf_output *out, struct kvf_bytes unit,
				 struct kvf_err *err)
{
	struct kvf_handed *h;
	enum kvf_status st = get_empty(out, &h, err);

	if (st)
		return st;
	h->is_chunk = 0;
	h->unit.len = 0;
	st = kvf_buf_append(&h->unit, unit.ptr, unit.len, err);
	if (st) {
		drop(&h->parcel);
		return st;
	}
	return give(out, h, err);
}

enum kvf_status kvf_hand_chunk(struct kvf_output *out, struct kvf_buf *unit,
			       const struct kvf_unit *chunk, struct kvf_err *err)
{
	struct kvf_handed *h;
	enum kvf_status st = get_empty(out, &h, err);

	if (st)
		return st;
	h->is_chunk = 1;
	h->chunk = *chunk;
	kvf_buf_swap(&h->unit, unit);
	return give(out, h, err);
}

enum kvf_status kvf_hand_take(struct kvf_input *in, struct kvf_buf *unit, int *is_chunk,
			      struct kvf_unit *chunk, struct kvf_err *err)
{
	struct kvf_parcel *p;
	enum kvf_status st = kvf_input_take(in, &p, err);
	struct kvf_handed *h = (struct kvf_handed *)p;

	if (st)
		return st;
	*is_chunk = h->is_chunk;
	if (h->is_chunk)
		*chunk = h->chunk;
	kvf_buf_swap(&h->unit, unit);
	kvf_input_give_back(in, p);
	return KVF_OK;
}
