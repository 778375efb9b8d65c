/* ledger - the append-only history of a store, and the small facts it records. */
#ifndef KVF_MIGRATE_LEDGER_H
#define KVF_MIGRATE_LEDGER_H

#include "migrate/run.h"

#include <sys/types.h>

/* A row together with the texts it points to. */
struct kvf_ledger_line {
	struct kvf_ledger_row row;
	char *document;
	char who[64], host[256];
};

/* What is known of an import that takes a store. */
struct kvf_work {
	const struct kvf_report *report;
	const struct kvf_options *options;
	const struct kvf_head *head;
	const uint8_t *stream;      /* SHA-256 of the head unit */
	const uint8_t *definitions; /* digest, or NULL */
	const uint8_t *expected;    /* the root that was promised, or NULL */
	const char *after;          /* the unfinished run that was there, or NULL ... */
	int resumes;                /* ... which this one goes on with */
	const char *takeover;       /* why it was taken from a living owner, or NULL */
};
/* The row of the acquire: what was decided.  It stays when nothing else comes. */
KVF_MUST_CHECK enum kvf_status kvf_ledger_begin(struct kvf_ledger_line *line,
						const struct kvf_work *w, struct kvf_err *err);
/* The row of a publication: what was put in, proven and set. */
KVF_MUST_CHECK enum kvf_status
kvf_ledger_publish(struct kvf_ledger_line *line, const struct kvf_work *w, struct kvf_err *err);
/* One thing that a row says beside its columns; "" is left out. */
struct kvf_fact {
	const char *name, *text;
};
/* The row of anything else. */
KVF_MUST_CHECK enum kvf_status
kvf_ledger_event(struct kvf_ledger_line *line, const struct kvf_report *r, const char *event,
		 const char *outcome, const struct kvf_fact *facts, size_t n,
		 struct kvf_err *err);
/* Fill in who runs this, where, by which tool, and the time. */
void kvf_ledger_who(struct kvf_ledger_line *line);
void kvf_ledger_line_release(struct kvf_ledger_line *line);

/* Hand each row to `fn`, oldest first; it is valid until fn returns. */
typedef void kvf_ledger_fn(void *ctx, const struct kvf_ledger_row *row);
KVF_MUST_CHECK enum kvf_status kvf_ledger_each(struct kvf_store *store, kvf_ledger_fn *fn,
					       void *ctx, struct kvf_err *err);

/* What all rows say together, into the report: does what is live lack rows that were
 * rejected (the digest of their file stands for the reasons); which digest does a run
 * wait for (rejects_pending); what is to be typed again (command, folder). */
KVF_MUST_CHECK enum kvf_status kvf_ledger_read(struct kvf_store *store, struct kvf_report *r,
					       struct kvf_err *err);

/* Is a rollback of `run` the last that happened to what is live? */
KVF_MUST_CHECK enum kvf_status kvf_ledger_rolled_back(struct kvf_store *store, const char *run,
						      int *yes, struct kvf_err *err);
/* Does the ledger know an event (NULL = any) of a run?  0 also where it cannot be read. */
int kvf_ledger_has(struct kvf_store *store, const char *run, const char *event);

/* Append a failed run; best effort, because the first error must not be covered. */
void kvf_ledger_failure(struct kvf_store *store, const struct kvf_report *r, enum kvf_status st,
			const struct kvf_err *why);

/* When a process began, in clock ticks since boot; 0 = unknown. */
int64_t kvf_pid_start(pid_t pid);

/* "2026-11-20 09:17:03 UTC" */
void kvf_time_text(int64_t us, char *buf, size_t size);

#endif
