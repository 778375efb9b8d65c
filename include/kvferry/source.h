/*
 * kvferry/source.h - rows out of legacy relational tables, read in one
 * snapshot, never changing anything.
 */
#ifndef KVFERRY_SOURCE_H
#define KVFERRY_SOURCE_H

#include <kvferry/base.h>
#include <kvferry/package.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvf_source;
struct kvf_rows;

/*
 * Open a place ("sqlite:PATH", or a connection string of PostgreSQL) and begin one read-only snapshot that all later
 * calls share and that lasts until close.  Nothing at the place changes, not
 * even the list of files beside it.  KVF_ESOURCE when it cannot be read,
 * KVF_EUSAGE when no driver knows the place, KVF_EINTERRUPTED when env->stopped
 * says so.  `env` must outlive the source.
 *
 * The snapshot may hold back whoever wants to write: where source and store
 * are one SQLite file, close the source before the store is written to.
 *
 * A source belongs to one thread at a time, except for the rows of different
 * parts of one record (see kvf_source_plan()).
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_open(const char *place, const struct kvf_env *env, struct kvf_source **out,
		struct kvf_err *err);

/*
 * Which schemas kvf_source_tables() lists, by pg_dump's patterns ("*" = all);
 * tables are then called "schema.table".  Without this call it is the schema
 * in which the source makes new tables.  To be called before kvf_source_tables().
 * KVF_EUSAGE where there are no schemas.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_schemas(struct kvf_source *s,
							  const char *const *patterns, size_t n,
							  struct kvf_err *err);

/*
 * Which of the tables the caller wants, by patterns of their names: what is not carried is
 * a warning only where one of them matches; else it is told at KVF_LOG_INFO at most.  To be
 * called before kvf_source_tables(), which lists them all the same; the patterns must
 * outlive that call.
 */
KVF_API void kvf_source_wanted(struct kvf_source *s, const char *const *patterns, size_t n);

/*
 * The tables that can be carried without a definition, ascending by name
 * (bytes), without the source's own tables and kvferry's.  Valid until close.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_tables(struct kvf_source *s,
							 const struct kvf_table **tables,
							 size_t *n, struct kvf_err *err);

/*
 * The shape of one record: of its table (also a view) with all columns, or of
 * its query.  KVF_EDEFINITION if the source does not know the table or refuses
 * the query; the nearest name is suggested.  Valid until close.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_describe(struct kvf_source *s, const struct kvf_record *record,
		    const struct kvf_table **shape, struct kvf_err *err);

/*
 * How many rows the record has in the snapshot, exactly.  This may read the
 * whole table; `rows` of a shape is what is known for nothing.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_count(struct kvf_source *s,
							const struct kvf_record *record,
							uint64_t *rows, struct kvf_err *err);

/* Run a query that yields one row of one column; NULL or no row is ENOTFOUND.
 * The text form is written to buf (NUL-terminated). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_scalar(struct kvf_source *s, const char *sql,
							 char *buf, size_t size,
							 struct kvf_err *err);

/*
 * May these records be read?  KVF_EPREFLIGHT names every privilege that is missing, of
 * all records at once; with `exact`, also those on what is carried beside the rows of a
 * table (where its sequences stand).  Records that the source does not understand are
 * passed over.  The tables of queries count as read from then on.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_may_read(struct kvf_source *s, const struct kvf_record *const *records, size_t n,
		    int exact, struct kvf_err *err);

/*
 * Begin to read a record in `parts` disjoint parts (at least 1); the source
 * may offer fewer: *parts is updated.  Then open each part once.  Different
 * parts may be read by different threads at the same time.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_plan(struct kvf_source *s,
						       const struct kvf_record *record,
						       unsigned *parts, struct kvf_err *err);
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_rows_open(struct kvf_source *s, const struct kvf_record *record, unsigned part,
	      struct kvf_rows **out, struct kvf_err *err);

/*
 * The same in small parts, of which at most *at_once are open at a time: for
 * readers that want to begin with what lies first.  Parts follow each other as
 * the rows lie in the source.  *at_once (at least 1) may become fewer.  A driver
 * that has no small parts plans as kvf_source_plan() does.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_plan_small(struct kvf_source *s, const struct kvf_record *record, unsigned *at_once,
		      unsigned *parts, struct kvf_err *err);

/* The next row, valid until the next call; KVF_EOF after the last one.  Errors
 * and the end are sticky.  Rows must be closed before their source. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_rows_next(struct kvf_rows *rows, const struct kvf_row **row, struct kvf_err *err);
KVF_API void kvf_rows_close(struct kvf_rows *rows);

/*
 * Was anything of what was read - the rows of records, and the list of tables if
 * it was asked for - committed anew since the snapshot began?  *changed = 0 only
 * if certainly not: what was read is all there is.  A driver that cannot tell its
 * tables apart may say 1 after any commit to the same database (SQLite), never
 * after one to another.  Where tables have to be compared this reads them again.
 * Not to be called while rows are open.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_changed(struct kvf_source *s, int *changed,
							  struct kvf_err *err);

/*
 * Keep everybody from changing what was read so far, until close, where the source
 * can: then kvf_source_changed() gives an answer that lasts.  *held = 0 where it
 * cannot, or may not.  KVF_EPREFLIGHT if somebody has not finished writing.
 * PostgreSQL: LOCK TABLE ... IN SHARE MODE on a connection of its own.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_hold(struct kvf_source *s, int *held,
						       struct kvf_err *err);
/* Was it held all the time, up to now? */
KVF_API int kvf_source_is_held(struct kvf_source *s);

/* "SQLite 3.40.1, /srv/shop.db" for people and notes; never a secret. */
KVF_API const char *kvf_source_identity(const struct kvf_source *s);

/* Where it lies, in full, to be typed again and to be compared: the same text for the
 * same database.  Never a secret; "" = not known. */
KVF_API const char *kvf_source_place(const struct kvf_source *s);

/* Non-zero if the other place is the same database file or server. */
KVF_API int kvf_source_is_place(const struct kvf_source *s, const char *place);

KVF_API void kvf_source_close(struct kvf_source *s);

/* ---- freeze: the source refuses writes, also when this process is gone -------- */

/*
 * Who else could write to a place now, as far as can be known without touching
 * it.  PostgreSQL: sessions connected to the database whose role may write to one
 * of its tables, replication into it, prepared transactions.  SQLite: other
 * processes that have the file open for writing or hold a lock on it.  Ask before
 * the place is opened: handles of this process do not count, other connections of
 * it to a server would.  n = 0 means that nobody was seen, not that nobody is
 * there.  Where there is nothing at the place, nobody is.
 */
struct kvf_writers {
	unsigned n;
	char named[512]; /* "psql of user shop from 10.0.0.7 (2), ..." */
};
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_writers(const char *place, const struct kvf_env *env, struct kvf_writers *w,
		   struct kvf_err *err);

/* What a frozen source says of itself. */
struct kvf_freeze {
	char run[64], host[256], who[64], tool[32]; /* of who stamped it last */
	char stamp[80];                             /* of that, and of nothing else */
	char over[64];   /* the run whose data were live in the store when the freeze was
			    made; "" = none */
	int64_t at;      /* microseconds since 1970: stamped */
	uint64_t tables; /* that refuse writes */
	int fresh;       /* set: there was no freeze before */
	char place[512]; /* where it lies, to be typed; never a secret */
	char store[512]; /* the store for whose run it is, as kvf_freeze_request says */
	char open[256];  /* set: tables that go on taking writes, because they cannot
			    refuse: SQLite's virtual ones; or "" */
};
/* Is the source frozen, in its snapshot?  KVF_ENOTFOUND: no. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_frozen(struct kvf_source *s, struct kvf_freeze *f, struct kvf_err *err);
/* Is the place frozen now?  KVF_ENOTFOUND: no. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_freeze_look(const char *place, const struct kvf_env *env, struct kvf_freeze *f,
		struct kvf_err *err);

struct kvf_freeze_request {
	const char *run, *host, *who;
	const char *store;      /* where the data go, as kvf_store_place() names it */
	const char *live_table; /* of a store in the same database, which is not
				   frozen; NULL = none */
	const char *stamp;      /* another one each time; NULL: the run */
	const char *over;       /* the run whose data are live there; NULL = none */
};
/*
 * Have every table at the place refuse writes from now on, for everybody, until
 * kvf_freeze_lift(): in one transaction, which waits for those that write.  A
 * freeze that is there is completed and stamped anew: from now on it is that of this
 * run, and who saw the old stamp does not lift it.  That of another store is left as
 * it is: KVF_EPREFLIGHT.  `over` stays what it was when the freeze was made.  Not frozen are kvferry's own tables and `live_table`.  KVF_EPREFLIGHT where the
 * place does not let us, with what is missing; nothing was changed then.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_freeze_set(const char *place, const struct kvf_env *env,
	       const struct kvf_freeze_request *request, struct kvf_freeze *f,
	       struct kvf_err *err);
/*
 * Undo it exactly, if it still has the stamp that the caller saw: the schema is as
 * it was.  `f` is what was there.  KVF_EBUSY: another one is there now, and stays.
 * KVF_ENOTFOUND: the place is not frozen, nothing was to be done.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_freeze_lift(const char *place, const struct kvf_env *env, const char *stamp,
		struct kvf_freeze *f, struct kvf_err *err);

/* ---- the end of the legacy tables ------------------------------------------------ */

/*
 * Which of these are at the place?  Sets there[0...n-1].  Names are those of
 * kvf_source_tables(): "table", or "schema.table".  SQLite has tables and views only.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_legacy_present(const char *place, const struct kvf_env *env, const struct kvf_drop *list,
		   size_t n, int *there, struct kvf_err *err);
/*
 * Drop those that are there, all or none, in one transaction (n > 0; ascending by
 * kind).  What outside the list depends on one of them stops it.  After a lost
 * connection it is not known whether it took effect: ask kvf_legacy_present().
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_legacy_drop(const char *place, const struct kvf_env *env, const struct kvf_drop *list,
		size_t n, struct kvf_err *err);

/* ---- the memory driver, for tests and embedding ------------------------- */

/* A table with its rows; everything borrowed until kvf_source_close(). */
struct kvf_memory_table {
	struct kvf_table shape;
	const struct kvf_cell *cells; /* nrows * shape.ncolumns */
	size_t nrows;
};
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_memory(const struct kvf_memory_table *tables, size_t n, const struct kvf_env *env,
		  struct kvf_source **out, struct kvf_err *err);

#ifdef __cplusplus
}
#endif

#endif
