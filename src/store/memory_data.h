/*
 * memory_data - what a store in memory holds: generations as ordered tables of
 * entries, with their units and progress rows, and the ledger.
 */
#ifndef KVF_STORE_MEMORY_DATA_H
#define KVF_STORE_MEMORY_DATA_H

#include "base/buf.h"
#include "store/driver.h"

/* One entry, its three strings behind it. */
struct kvf_mem_item {
	size_t part, key, value;
	uint8_t bytes[];
};

struct kvf_mem_unit {
	struct kvf_mem_unit *next;
	char name[16];
	uint64_t n;
	size_t len;
	uint8_t bytes[];
};

struct kvf_mem_chunk {
	struct kvf_mem_chunk *next;
	struct kvf_chunk_info info;
	size_t len; /* of its marks */
	uint8_t marks[];
};

/* A generation: items ascending by key, units, progress rows. */
struct kvf_mem_table {
	struct kvf_mem_table *next;
	struct kvf_generation g;
	struct kvf_mem_item **items;
	size_t len, size;
	struct kvf_mem_unit *units;
	struct kvf_mem_chunk *chunks;
};

struct kvf_mem_line {
	struct kvf_mem_line *next;
	struct kvf_ledger_row row; /* texts in `arena` */
	struct kvf_arena arena;
};

/* What the handles on one store share. */
struct kvf_mem_data {
	unsigned handles;
	int has_control;
	struct kvf_control c;
	struct kvf_mem_table *tables;
	struct kvf_mem_line *ledger, **ledger_end;
	int64_t ledger_id;
};

static inline struct kvf_bytes kvf_mem_bytes(const uint8_t *p, size_t len)
{
	struct kvf_bytes b = { p, len };

	return b;
}

/* The entry of an item; valid as long as the item. */
struct kvf_entry kvf_mem_entry(const struct kvf_mem_item *it);
/* A copy, freed with free(); NULL if there is no memory. */
struct kvf_mem_item *kvf_mem_item_new(const struct kvf_entry *e);

/* Make room for one more pointer behind `len`. */
enum kvf_status kvf_mem_grow(struct kvf_mem_item ***items, size_t len, size_t *size,
			     struct kvf_err *err);

/* Where the key is or would be; *found says which. */
size_t kvf_mem_find(const struct kvf_mem_table *t, const struct kvf_entry *e, int *found);
/* Put an item at its place; the table owns it on KVF_OK. */
enum kvf_status kvf_mem_insert(struct kvf_mem_table *t, size_t at, struct kvf_mem_item *it,
			       struct kvf_err *err);

/* Is this the version record of the generation? */
int kvf_mem_is_version(const struct kvf_mem_table *t, const struct kvf_entry *e);

/*
 * Move items into the table, all of them or none; on failure they stay the
 * caller's.  A key that is there already is counted in `merge` and its item
 * freed; without `merge` it is KVF_ESTREAM.
 */
enum kvf_status kvf_mem_move(struct kvf_mem_table *t, struct kvf_mem_item **items, size_t n,
			     struct kvf_merge_stats *merge, struct kvf_err *err);

/* The live or the staged generation, or NULL. */
struct kvf_mem_table *kvf_mem_table_for(const struct kvf_mem_data *d, enum kvf_scan which);
/* The generation of that number, or NULL. */
struct kvf_mem_table *kvf_mem_table_of(const struct kvf_mem_data *d, uint64_t gen);
/* A fresh stage for a claim; NULL if there is no memory. */
struct kvf_mem_table *kvf_mem_stage_new(struct kvf_mem_data *d, const struct kvf_claim *claim,
					uint64_t gen);
/* An early live table (early.c) as generation `gen`; at the acquire, where there is to be
 * one, with number (*next)++. */
enum kvf_status kvf_mem_early_set(struct kvf_mem_data *d, const struct kvf_early_record *r,
				  uint64_t gen, struct kvf_err *err);
enum kvf_status kvf_mem_early_begin(struct kvf_mem_data *d, const struct kvf_claim *claim,
				    uint64_t *next, struct kvf_err *err);
/* Drop what is neither staged, active nor previous. */
void kvf_mem_drop_orphans(struct kvf_mem_data *d);

/* A line with copies of all texts, not yet in the ledger; NULL if no memory. */
struct kvf_mem_line *kvf_mem_line_new(const struct kvf_ledger_row *row);
void kvf_mem_line_free(struct kvf_mem_line *l);
void kvf_mem_append(struct kvf_mem_data *d, struct kvf_mem_line *l);

/* ---- memory.c, memory_look.c, memory_back.c: what the driver's table names -------------------- */

struct kvf_mem_data *kvf_mem_data_of(struct kvf_store *base);
enum kvf_status kvf_mem_control(struct kvf_store *base, struct kvf_control *c,
				struct kvf_err *err);
enum kvf_status kvf_mem_generation(struct kvf_store *base, enum kvf_scan which,
				   struct kvf_generation *g, struct kvf_err *err);
enum kvf_status kvf_mem_progress(struct kvf_store *base, uint64_t n, uint64_t i,
				 struct kvf_chunk_info *info, struct kvf_err *err);
enum kvf_status kvf_mem_applied(struct kvf_store *base, uint64_t *chunks, struct kvf_totals *t,
				struct kvf_err *err);
enum kvf_status kvf_mem_ledger_append(struct kvf_store *base, uint64_t epoch,
				      const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_mem_ledger_next(struct kvf_store *base, int64_t after,
				    struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_mem_abort(struct kvf_store *base, uint64_t seen,
			      const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_mem_marks(struct kvf_store *base, uint64_t n, uint64_t i,
			      struct kvf_chunk_info *info, struct kvf_bytes *marks,
			      struct kvf_err *err);
enum kvf_status kvf_mem_rollback(struct kvf_store *base, uint64_t seen,
				 const struct kvf_totals *live,
				 const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_mem_sweep(struct kvf_store *base, struct kvf_err *err);
enum kvf_status kvf_mem_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				  struct kvf_err *err);
enum kvf_status kvf_mem_cleanup(struct kvf_store *base, uint64_t seen,
				const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_mem_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
			       const struct kvf_ledger_row *row, struct kvf_err *err);

#endif
