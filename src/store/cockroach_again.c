/*
 * cockroach_again - transactions that are given again until they are through, and
 * what is counted on the way.
 *
 *   begin, fence, run, COMMIT ---- ok
 *     ^                   |
 *     '-- pause <- conflict, or no answer: then `happened` is asked first
 */
#include "store/cockroach.h"

#include "base/failpoint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count(struct kvf_pgs *s, const struct kvf_err *err)
{
	if (strcmp(err->code, "40003") == 0)
		atomic_fetch_add(&s->unknown, 1);
	else if (kvf_pg_is_conflict(err))
		atomic_fetch_add(&s->conflicts, 1);
	else
		atomic_fetch_add(&s->lost, 1);
}

void kvf_roach_report(struct kvf_pgs *s)
{
	unsigned long long conflicts = atomic_exchange(&s->conflicts, 0);
	unsigned long long unknown = atomic_exchange(&s->unknown, 0);
	unsigned long long lost = atomic_exchange(&s->lost, 0);
	char text[256];

	if (conflicts + unknown + lost == 0 || !s->base.env || !s->base.env->log)
		return;
	snprintf(text, sizeof(text),
		 "transactions that were given again: %llu after a conflict (40001), %llu "
		 "without a certain answer (40003), %llu after a lost connection",
		 conflicts, unknown, lost);
	s->base.env->log(s->base.env->ctx, KVF_LOG_INFO, text);
}

/* One try up to COMMIT; *sent = the error, if any, is that of COMMIT. */
static enum kvf_status once(struct kvf_pgs *s, const struct kvf_roach_work *w, int *sent,
			    struct kvf_err *err)
{
	enum kvf_status st =
		w->bare ? kvf_pg_exec(w->pg, *w->conn, "begin to write", err, "%s",
				      w->pg->dialect->begin)
			: kvf_pgs_begin(s, w->pg, *w->conn, w->state, w->lock, err);

	*sent = 0;
	if (!st)
		st = w->run(s, *w->conn, w->ctx, err);
	KVF_FAILPOINT(st, err, "cockroach.written");
	if (st)
		return st;
	*sent = 1;
	st = kvf_pgs_end(s, w->pg, *w->conn, err);
	KVF_FAILPOINT(st, err, "cockroach.committed");
	return st;
}

/* Whatever is open is rolled back; a connection that does not even do that is given
 * up. */
static void roll_back(struct kvf_pgs *s, PGconn **conn)
{
	kvf_pgs_rollback(s, *conn);
	if (*conn && PQtransactionStatus(*conn) != PQTRANS_IDLE) {
		PQfinish(*conn);
		*conn = NULL;
	}
}

static enum kvf_status connect(const struct kvf_roach_work *w, struct kvf_err *err)
{
	if (*w->conn && PQstatus(*w->conn) == CONNECTION_OK)
		return KVF_OK;
	PQfinish(*w->conn);
	*w->conn = NULL;
	return kvf_pg_connect(w->pg, w->conn, err);
}

enum kvf_status kvf_roach_transact(struct kvf_pgs *s, const struct kvf_roach_work *w,
				   struct kvf_err *err)
{
	struct kvf_pg_tries t = { 0 };
	struct kvf_err local;
	enum kvf_status st;
	int yes, sent;

	if (!err)
		err = &local;
	for (;;) {
		yes = sent = 0;
		st = connect(w, err);
		if (!st && t.unknown && w->happened)
			st = w->happened(s, *w->conn, w->ctx, &yes, err);
		if (!st && !yes)
			st = once(s, w, &sent, err);
		if (!st)
			break;
		roll_back(s, w->conn);
		if (sent && kvf_pg_is_unknown(err))
			t.unknown = 1;
		if (st != w->pg->side || !kvf_pg_again(w->pg, &t, err))
			return st;
		count(s, err);
	}
	if (t.n)
		kvf_err_clear(err);
	return st;
}

int kvf_roach_again(struct kvf_pgs *s, struct kvf_pg_tries *t, const struct kvf_err *err)
{
	roll_back(s, &s->conn);
	if (!kvf_pg_again(&s->pg, t, err))
		return 0;
	count(s, err);
	return 1;
}

int kvf_roach_is_made(const struct kvf_err *err)
{
	return strcmp(err->code, "23505") == 0 || strcmp(err->code, "42P06") == 0 ||
	       strcmp(err->code, "42P07") == 0;
}

enum kvf_status kvf_roach_ddl(struct kvf_pgs *s, const char *doing, struct kvf_err *err,
			      const char *fmt, ...)
{
	struct kvf_pg_tries t = { 0 };
	struct kvf_err local;
	enum kvf_status st;
	char *sql = NULL;
	va_list ap;
	int n;

	if (!err)
		err = &local;
	va_start(ap, fmt);
	n = vasprintf(&sql, fmt, ap);
	va_end(ap);
	if (n < 0)
		return kvf_fail_nomem(err);
	do {
		st = kvf_pgs_ready(s, err);
		if (!st)
			st = kvf_pg_exec(&s->pg, s->conn, doing, err, "%s", sql);
		if (st == KVF_ETARGET && kvf_roach_is_made(err))
			snprintf(err->code, sizeof(err->code), "40001");
		KVF_FAILPOINT(st, err, "cockroach.ddl");
	} while (st == KVF_ETARGET && kvf_roach_again(s, &t, err));
	free(sql);
	return st;
}
