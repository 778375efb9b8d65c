/*
 * tables - one restore under way, shared by its parts: tables.c (the order of
 * things), tables_rows.c (entries as rows again), tables_prove.c (the proof).
 */
#ifndef KVF_MIGRATE_TABLES_H
#define KVF_MIGRATE_TABLES_H

#include "migrate/run.h"
#include "restore/restore.h"

struct kvf_tables_run {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_report *report;
	struct kvf_input *in;
	struct kvf_reader *reader;
	const struct kvf_head *head;
	struct kvf_begin *begin;     /* of the one package */
	struct kvf_restore *restore; /* whose tables are the chosen ones */
	size_t *chosen;              /* of each table of the stream: its place among the
				      * chosen ones, or SIZE_MAX */
	size_t current;              /* the chosen table whose rows are being written */
	struct kvf_totals *totals;   /* of each chosen table, as the stream has it */
	struct kvf_cell *cells;      /* of one row */
	size_t last;                 /* the table of the entry before */
	struct kvf_expected_root expected;
	struct kvf_meter meter;
};

/* tables_rows.c: every entry of a chunk. */
KVF_MUST_CHECK enum kvf_status kvf_tables_put_chunk(struct kvf_tables_run *run,
						    const struct kvf_chunk *chunk,
						    struct kvf_err *err);
/* The rows of the last table are all there. */
KVF_MUST_CHECK enum kvf_status kvf_tables_end_rows(struct kvf_tables_run *run,
						   struct kvf_err *err);

/* tables_prove.c: read everything back and compare.  KVF_EMISMATCH. */
KVF_MUST_CHECK enum kvf_status kvf_tables_prove(struct kvf_tables_run *run,
						struct kvf_err *err);

#endif
