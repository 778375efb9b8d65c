/*
 * postgres_left - what a table of the stream has beside its columns, keys and
 * indexes, and why none of it is made here.  Every piece is listed.
 */
#include "restore/postgres.h"

#include <stdio.h>
#include <string.h>

#define STORED "how rows are stored is left to the target"
#define ROLES "it names roles, which are not part of a table"
#define HIDES "it names roles and hides rows from them: until it is made, SELECT shows all rows"
#define BESIDE "it is no part of a table"
#define PARTITION "only what all partitions have is made"

static const struct {
	const char *kind, *why;
} reasons[] = {
	{ "privilege", ROLES },
	{ "row-security",
	  "until it is switched on, SELECT shows all rows to all who may read" },
	{ "policy", HIDES },
	{ "security-label", "labels belong to the server" },
	{ "foreign-table", "it is an ordinary partition here, with the rows that it had" },
	{ "inheritance", "the table stands alone, with its own rows" },
	{ "type-of-table", "the columns are made one by one" },
	{ "rule", "what it does is not known" },
	{ "publication", BESIDE },
	{ "view", BESIDE },
	{ "materialized-view", BESIDE },
	{ "comment", "comments are not made" },
	{ "storage-parameters", STORED },
	{ "tablespace", STORED },
	{ "access-method", STORED },
	{ "unlogged", STORED },
	{ "column-storage", STORED },
	{ "column-statistics", STORED },
	{ "statistics", STORED },
	{ "cluster", STORED },
	{ "replica-identity", "replication is set up anew" },
	{ "partition-index", PARTITION },
	{ "partition-constraint", PARTITION },
	{ "partition-trigger", PARTITION },
	{ "partition-default", PARTITION },
	{ "partition-not-null", PARTITION },
};

/* Listed for another table already?  A view stands on several, an owner has many. */
static int is_listed(const struct kvf_restore *r, const struct kvf_ddl *d)
{
	size_t i;

	for (i = 0; i < r->nleft; i++)
		if (strcmp(r->left[i].kind, d->kind) == 0 &&
		    strcmp(r->left[i].name, d->name) == 0)
			return 1;
	return 0;
}

/* Whoever restores owns what is made. */
static enum kvf_status leave_owner(struct kvf_pgr *p, const struct kvf_table *t,
				   const struct kvf_ddl *d, struct kvf_err *err)
{
	PGresult *res = NULL;
	char role[64] = "", why[160];
	static const struct kvf_pg_args none;
	enum kvf_status st = kvf_pg_query(&p->pg, p->conn, "SELECT current_user::text", &none,
					  "see who we are", &res, err);

	if (!st)
		kvf_pg_get_text(res, 0, 0, role, sizeof(role));
	PQclear(res);
	if (st || strcmp(role, d->name) == 0)
		return st;
	snprintf(why, sizeof(why), "here it, and all else that was %.40s's, is owned by %.40s",
		 d->name, role);
	return kvf_restore_leave(&p->base, t->name, d->kind, d->name, why, err);
}

enum kvf_status kvf_pgr_leave(struct kvf_pgr *p, const struct kvf_table *t,
			      const struct kvf_ddl *d, struct kvf_err *err)
{
	int owner = strcmp(d->kind, "owner") == 0;
	size_t i, n = sizeof(reasons) / sizeof(reasons[0]);

	if ((owner || strstr(d->kind, "view")) && is_listed(&p->base, d))
		return KVF_OK;
	if (owner)
		return leave_owner(p, t, d, err);
	for (i = 0; i < n && strcmp(reasons[i].kind, d->kind) != 0; i++)
		;
	return kvf_restore_leave(&p->base, t->name, d->kind, d->name,
				 i < n ? reasons[i].why : "nobody here knows what it is", err);
}
