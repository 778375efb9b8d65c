/* units - the head and begin records that a store keeps of its last import. */
#include "migrate/run.h"

#include <stdlib.h>
#include <string.h>

enum kvf_status kvf_units_head(struct kvf_store *store, enum kvf_scan which,
			       struct kvf_head **head, struct kvf_err *err)
{
	struct kvf_bytes unit;
	enum kvf_status st = kvf_store_unit(store, which, "head", 0, &unit, err);

	*head = NULL;
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	return st ? st : kvf_head_parse(unit, head, err);
}

enum kvf_status kvf_units_load(struct kvf_store *store, struct kvf_units *u,
			       struct kvf_err *err)
{
	struct kvf_bytes unit;
	enum kvf_status st;

	memset(u, 0, sizeof(*u));
	st = kvf_units_head(store, KVF_SCAN_LIVE, &u->head, err);
	if (st || !u->head)
		return st;
	u->begins = calloc(u->head->npackages + 1, sizeof(*u->begins));
	if (!u->begins)
		st = kvf_fail_nomem(err);
	while (!st && u->n < u->head->npackages) {
		st = kvf_store_unit(store, KVF_SCAN_LIVE, "begin", u->n, &unit, err);
		if (!st)
			st = kvf_begin_parse(unit, &u->begins[u->n], err);
		if (!st)
			u->n++;
	}
	if (st)
		kvf_units_release(u);
	return st == KVF_ENOTFOUND
		       ? kvf_fail(err, KVF_ESOURCE, "the store lost a record of its import")
		       : st;
}

size_t kvf_units_route(const struct kvf_units *u, const struct kvf_entry *e)
{
	size_t n;

	for (n = 0; n + 1 < u->n; n++)
		if (kvf_kind_match(u->begins[n]->kinds, u->begins[n]->nkinds, e) <
		    u->begins[n]->nkinds)
			break;
	return n;
}

void kvf_units_release(struct kvf_units *u)
{
	size_t i;

	for (i = 0; u->begins && i < u->n; i++)
		kvf_begin_free(u->begins[i]);
	free(u->begins);
	kvf_head_free(u->head);
	memset(u, 0, sizeof(*u));
}
