/*
 * driver - what a source has to implement.
 *
 * A driver is one `static const struct kvf_source_driver` with every member
 * set (but schemas, where there are none), and a line in the table of source.c.  The wrappers there check their
 * arguments and keep the state of rows; a driver is only called when the call
 * makes sense, and nobody else calls through the table.
 *
 * The snapshot.  `open` takes it, every other member sees it, `close` ends it.
 * Where a part is read on a connection of its own, that connection joins the
 * same snapshot (PostgreSQL: SET TRANSACTION SNAPSHOT).
 *
 * Parts.  `plan` is called once for each record that is read, by the thread
 * that owns the source, and decides how many parts there are; whatever a part
 * needs to know is kept in the driver's source by then.  `rows_open`,
 * `rows_next` and `rows_close` of *different parts* of that record may run in
 * different threads at the same time; everything else comes from one thread,
 * while no rows are open in another.  A driver with one connection offers one
 * part, and needs no lock.  Between them the parts hold every row once; a row
 * has the ordinal that it has in its part.
 */
#ifndef KVF_SOURCE_DRIVER_H
#define KVF_SOURCE_DRIVER_H

#include <kvferry/source.h>

struct kvf_source_driver {
	/* NULL where tables have no schemas. */
	enum kvf_status (*schemas)(struct kvf_source *s, const char *const *patterns, size_t n,
				   struct kvf_err *err);
	/* As the public functions of the same name; contracts are there. */
	enum kvf_status (*tables)(struct kvf_source *s, const struct kvf_table **tables,
				  size_t *n, struct kvf_err *err);
	enum kvf_status (*describe)(struct kvf_source *s, const struct kvf_record *record,
				    const struct kvf_table **shape, struct kvf_err *err);
	enum kvf_status (*count)(struct kvf_source *s, const struct kvf_record *record,
				 uint64_t *rows, struct kvf_err *err);
	enum kvf_status (*scalar)(struct kvf_source *s, const char *sql, char *buf, size_t size,
				  struct kvf_err *err);
	/* NULL where there are no privileges. */
	enum kvf_status (*may_read)(struct kvf_source *s,
				    const struct kvf_record *const *records, size_t n,
				    int exact, struct kvf_err *err);

	/* *parts >= 1 is the wish; the driver lowers it, never raises it. */
	enum kvf_status (*plan)(struct kvf_source *s, const struct kvf_record *record,
				unsigned *parts, struct kvf_err *err);
	/* NULL where there are no small parts. */
	enum kvf_status (*plan_small)(struct kvf_source *s, const struct kvf_record *record,
				      unsigned *at_once, unsigned *parts, struct kvf_err *err);

	/* Allocates its own struct with a struct kvf_rows first, which the
	 * wrapper fills. */
	enum kvf_status (*rows_open)(struct kvf_source *s, const struct kvf_record *record,
				     unsigned part, struct kvf_rows **out, struct kvf_err *err);
	/* Fills rows->row but for the ordinal.  KVF_EOF only when the server has
	 * said that all rows were sent, never when a connection just ended. */
	enum kvf_status (*rows_next)(struct kvf_rows *rows, struct kvf_err *err);
	void (*rows_close)(struct kvf_rows *rows);

	/* Compares with a mark that `open` took before the snapshot. */
	enum kvf_status (*changed)(struct kvf_source *s, int *changed, struct kvf_err *err);
	/* NULL: cannot. */
	enum kvf_status (*hold)(struct kvf_source *s, int *held, struct kvf_err *err);
	int (*is_held)(struct kvf_source *s);
	/* The marker of a freeze; NULL where nothing can be frozen. */
	enum kvf_status (*frozen)(struct kvf_source *s, struct kvf_freeze *f,
				  struct kvf_err *err);
	const char *(*identity)(const struct kvf_source *s);
	/* The place in two pieces; 0 for another driver's scheme. */
	int (*is_place)(const struct kvf_source *s, const char *scheme, const char *rest);
	void (*close)(struct kvf_source *s);
};

/* Comes first in each driver's own struct. */
struct kvf_source {
	const struct kvf_source_driver *driver;
	const struct kvf_env *env; /* never NULL */
	char place[512];           /* set by `open`; "" where it does not fit */
	const char *const *wanted; /* patterns; of no table: all are */
	size_t nwanted;
};

struct kvf_rows {
	struct kvf_source *source;
	struct kvf_row row;
	enum kvf_status st; /* sticky: KVF_EOF or the first error */
	struct kvf_err err;
};

/* Set driver and env; `env` may be NULL. */
void kvf_source_init(struct kvf_source *s, const struct kvf_source_driver *driver,
		     const struct kvf_env *env);

/* Tell env->log, if there is one. */
void kvf_source_log(const struct kvf_source *s, enum kvf_log_level level, const char *fmt, ...)
	KVF_PRINTF(3, 4);

/* How loudly to say that a table of this name is not carried. */
enum kvf_log_level kvf_source_left_out(const struct kvf_source *s, const char *name);

/* Non-zero: the caller wants to stop. */
int kvf_source_stopped(const struct kvf_source *s);

/* For describe(): KVF_EDEFINITION, with the nearest of the names in the hint. */
enum kvf_status kvf_source_unknown_table(const char *name, const char *const *names, size_t n,
					 struct kvf_err *err);

/* What can be done to a place without a snapshot of it; contracts in source.h.
 * `rest` is what open() would get. */
struct kvf_freezer {
	enum kvf_status (*writers)(const char *rest, const struct kvf_env *env,
				   struct kvf_writers *w, struct kvf_err *err);
	enum kvf_status (*set)(const char *rest, const struct kvf_env *env,
			       const struct kvf_freeze_request *request, struct kvf_freeze *f,
			       struct kvf_err *err);
	enum kvf_status (*lift)(const char *rest, const struct kvf_env *env, const char *stamp,
				struct kvf_freeze *f, struct kvf_err *err);
	enum kvf_status (*present)(const char *rest, const struct kvf_env *env,
				   const struct kvf_drop *list, size_t n, int *there,
				   struct kvf_err *err);
	enum kvf_status (*drop)(const char *rest, const struct kvf_env *env,
				const struct kvf_drop *list, size_t n, struct kvf_err *err);
};
extern const struct kvf_freezer kvf_sqlite_freezer, kvf_postgres_freezer, kvf_cockroach_freezer;

/* Add one to those who may write, with its name. */
void kvf_writers_add(struct kvf_writers *w, unsigned n, const char *fmt, ...) KVF_PRINTF(3, 4);
/* KVF_EPREFLIGHT if the freeze that is there is for another store than asked for. */
enum kvf_status kvf_freeze_for(const struct kvf_freeze *f,
			       const struct kvf_freeze_request *request, struct kvf_err *err);
/* "'kvferry status STORE' ...": what a frozen table tells whoever writes to it. */
void kvf_freeze_text(const struct kvf_freeze_request *request, char *buf, size_t size);
/* KVF_EBUSY unless the freeze that is there has this stamp. */
KVF_MUST_CHECK enum kvf_status kvf_freeze_is(const struct kvf_freeze *f, const char *stamp,
					     struct kvf_err *err);

/* Opens sqlite:REST. */
KVF_MUST_CHECK enum kvf_status
kvf_source_sqlite_open(const char *rest, const struct kvf_env *env, struct kvf_source **out,
		       struct kvf_err *err);

/* Opens any connection string of libpq: the whole place. */
KVF_MUST_CHECK enum kvf_status
kvf_source_postgres_open(const char *place, const struct kvf_env *env, struct kvf_source **out,
			 struct kvf_err *err);

/* Opens cockroachdb://... or cockroachdb:KEYWORD=VALUE ...; `place` is the whole. */
KVF_MUST_CHECK enum kvf_status
kvf_source_cockroach_open(const char *place, const struct kvf_env *env, struct kvf_source **out,
			  struct kvf_err *err);

#endif
