/* dialect - the tables of dialect.h, and how one of them is chosen. */
#include "pg/dialect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* Rows that a policy hides are an error, and never rows that are not there. */
#define READ_ONLY(snapshot)                                                                    \
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;" snapshot                            \
	"SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off"

/* The texts with which PostgreSQL does what CockroachDB does in its own words. */
#define POSTGRES_TEXTS                                                                         \
	.open = READ_ONLY(""), .moment = "SELECT pg_catalog.pg_export_snapshot()",             \
	.first = "", .join = READ_ONLY("SET TRANSACTION SNAPSHOT '%s';"),                      \
	.size = "SELECT pg_catalog.pg_database_size(current_database())",                      \
	.row_id = { "tableoid", "ctid" }, .evicts = 1, .visible = "", .create = NULL,          \
	.estimate = "SELECT CASE WHEN bool_or(c.reltuples < 0) THEN NULL ELSE"                 \
		    " sum(c.reltuples)::int8 END, sum(pg_catalog.pg_table_size(c.oid))::int8"  \
		    " FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm') AND c.oid IN"   \
		    " (SELECT %s UNION SELECT relid FROM pg_catalog.pg_partition_tree(%s))",   \
	.tables = "postgresql"

const struct kvf_pg_dialect kvf_pg_postgres = {
	.scheme = "postgresql",
	.product = "PostgreSQL",
	.tries = 1,
	.batch_bytes = 8 * MIB,
	.loaders = 1,
	.value_max = 1023 * MIB,
	.index_row = 2704,
	.begin = "BEGIN",
	.fence = "FOR SHARE",
	.durable = "SET LOCAL synchronous_commit = on",
	.staged = "SET LOCAL synchronous_commit = off",
	/* The number is "kvferry", for whoever looks at pg_locks. */
	.lock = "SELECT pg_catalog.pg_advisory_xact_lock(30248004668781177)",
	.only = "ONLY ",
	POSTGRES_TEXTS
};

/* The rules, on whatever server.  The statements in them are valid on both. */
#define COCKROACH_RULES(visible_too)                                                           \
	.scheme = "cockroachdb", .port = "26257", .tries = 20, .paged = 1, .pointed = 1,       \
	.durable = "", .staged = "", .batch_bytes = MIB, .statement_rows = 1000,               \
	.statement_bytes = MIB, .loaders = 4, .value_max = 15 * MIB,                           \
	.begin = "BEGIN ISOLATION LEVEL SERIALIZABLE",                                         \
	.lock = "SELECT 1 FROM kvferry.control WHERE id = 1 FOR UPDATE", .only = "",           \
	.as_text = "t.%s::text",                                                               \
	.settings = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD';"            \
		    "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 3;"  \
		    "SET LOCAL bytea_output = 'hex'",                                          \
	.keys = "SELECT k.contype = 'p', string_agg(p.place::text, ' ' ORDER BY u.nth),"       \
		" bool_or(NOT p.attnotnull), false FROM pg_catalog.pg_constraint k JOIN "      \
		"LATERAL"                                                                      \
		" unnest(k.conkey) WITH ORDINALITY AS u(attnum, nth) ON true JOIN (SELECT"     \
		" attnum, attnotnull, row_number() OVER (ORDER BY attnum) - 1 AS place FROM"   \
		" pg_catalog.pg_attribute a WHERE attrelid = %s AND attnum > 0 AND NOT"        \
		" attisdropped" visible_too                                                    \
		") p ON p.attnum = u.attnum WHERE k.conrelid = %s AND k.contype IN"            \
		" ('p', 'u') GROUP BY k.contype, k.conname ORDER BY k.contype, k.conname"

/*
 * Only CockroachDB parses these: they have not been run on a server
 * (docs/cockroachdb.md).  Nothing outside this table is for CockroachDB alone.
 */
const struct kvf_pg_dialect kvf_pg_cockroach = {
	COCKROACH_RULES(" AND NOT a.attishidden"),
	.product = "CockroachDB",
	.tables = "cockroachdb",
	.fence = "", /* serializable: who takes the store is in conflict with the reader */
	.open = "",
	.moment = "SELECT cluster_logical_timestamp()::text",
	.first = "BEGIN AS OF SYSTEM TIME '%s'",
	.join = "BEGIN AS OF SYSTEM TIME '%s'",
	.look = "",
	.lookup = "LOOKUP ",
	.size = NULL,
	.row_id = { "rowid" },
	.visible = " AND NOT a.attishidden",
	.create = "SELECT 'table', table_name, create_statement FROM [SHOW CREATE TABLE %s]",
	.estimate =
		"SELECT reltuples::int8, NULL FROM pg_catalog.pg_class WHERE oid IN (%s, %s)"
		" AND reltuples > 0",
	.live_mark = "SELECT coalesce(max(crdb_internal_mvcc_timestamp)::text, ''), count(*)"
		     " FROM %s",
};

static const struct kvf_pg_dialect cockroach_on_postgres = {
	COCKROACH_RULES(""), .product = "PostgreSQL (CockroachDB's rules)",
	.fence = "FOR SHARE",
	/* A new table has no statistics, and would be read whole. */
	.look = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
		" SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
		" SET LOCAL enable_sort = off",
	.lookup = "", POSTGRES_TEXTS
};

const struct kvf_pg_dialect *kvf_pg_dialect_of(const char *place)
{
	size_t n = strlen(kvf_pg_cockroach.scheme);

	return strncmp(place, kvf_pg_cockroach.scheme, n) == 0 && place[n] == ':'
		       ? &kvf_pg_cockroach
		       : &kvf_pg_postgres;
}

enum kvf_status kvf_pg_settle(struct kvf_pg *pg, PGconn *conn, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	char version[64];
	enum kvf_status st = KVF_OK;

	if (pg->dialect != &kvf_pg_postgres) {
		st = kvf_pg_query(pg, conn, "SELECT version()", &none, "ask its version", &res,
				  err);
		if (st)
			return st;
		kvf_pg_get_text(res, 0, 0, version, sizeof(version));
		PQclear(res);
		pg->dialect = strncmp(version, "CockroachDB", 11) == 0 ? &kvf_pg_cockroach
								       : &cockroach_on_postgres;
		return KVF_OK;
	}
	/* A CockroachDB says so to everybody who connects. */
	if (!PQparameterStatus(conn, "crdb_version"))
		return KVF_OK;
	st = kvf_fail(err, pg->side, "%s is a CockroachDB", pg->name);
	kvf_err_hint(err, "It has rules of its own: write cockroachdb:// in place of "
			  "postgresql://, or cockroachdb:KEYWORD=VALUE ...");
	return st;
}

char *kvf_pg_fill(const char *text, const char *first, const char *second)
{
	const char *const args[2] = { first ? first : "", second ? second : "" };
	size_t size = strlen(text) + strlen(args[0]) + strlen(args[1]) + 1, i;
	char *to = malloc(size), *p = to;
	const char *at;

	for (i = 0; to && i < 2 && (at = strstr(text, "%s")) != NULL; i++) {
		p += snprintf(p, size - (size_t)(p - to), "%.*s%s", (int)(at - text), text,
			      args[i]);
		text = at + 2;
	}
	if (to)
		snprintf(p, size - (size_t)(p - to), "%s", text);
	return to;
}

/* Its name becomes part of statements. */
static enum kvf_status fix_moment(const struct kvf_pg *pg, PGconn *conn, char *moment,
				  struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	enum kvf_status st =
		kvf_pg_query(pg, conn, pg->dialect->moment, &none, "fix a moment", &res, err);

	if (st)
		return st;
	kvf_pg_get_text(res, 0, 0, moment, KVF_PG_MOMENT);
	PQclear(res);
	if (*moment && strspn(moment, "0123456789ABCDEF-.") == strlen(moment))
		return KVF_OK;
	*moment = '\0';
	return kvf_fail(err, pg->side, "%s: the moment has no name that is known", pg->name);
}

enum kvf_status kvf_pg_read_at(const struct kvf_pg *pg, PGconn *conn, char *moment,
			       struct kvf_err *err)
{
	const struct kvf_pg_dialect *d = pg->dialect;
	int joins = moment && *moment, alone = !moment;
	const char *how = joins ? d->join : d->first;
	char own[KVF_PG_MOMENT] = "", *sql;
	enum kvf_status st = KVF_OK;

	if (alone)
		moment = own;
	if (!joins && *d->open)
		st = kvf_pg_exec(pg, conn, "begin to read", err, "%s", d->open);
	if (!st && !joins && (!alone || *how))
		st = fix_moment(pg, conn, moment, err);
	if (st || !*how)
		return st;
	sql = kvf_pg_fill(how, moment, NULL);
	st = sql ? kvf_pg_exec(pg, conn, "begin to read", err, "%s", sql) : kvf_fail_nomem(err);
	free(sql);
	return st;
}
