/*
 * postgres_schema - which tables there are, and the shape of a record.
 *
 * What is described stays in the arena until the source is closed.
 */
#include "source/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every relation with rows in it that is not the server's own. */
#define RELATIONS                                                                              \
	"SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition,"   \
	" n.nspname = pg_catalog.current_schema(), pg_catalog.pg_table_is_visible(c.oid),"     \
	" EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE"                                  \
	"  d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND"     \
	"  d.deptype = 'e')"                                                                   \
	" FROM pg_catalog.pg_class c"                                                          \
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                            \
	" WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v')"                                        \
	" AND (n.nspname !~ '^pg_' OR c.relpersistence = 't')"                                 \
	" AND n.nspname NOT IN ('information_schema', 'kvferry_freeze', 'crdb_internal')"

enum { OID, SCHEMA, NAME, KIND, PERSISTENCE, IS_PARTITION, IN_SCHEMA, VISIBLE, OF_EXTENSION };

static int is_true(const PGresult *res, int row, int column)
{
	return *PQgetvalue(res, row, column) == 't';
}

/* A shape that has its name and knows where its rows are. */
static enum kvf_status new_shape(struct kvf_postgres *s, const PGresult *res, int row,
				 int with_schema, struct kvf_postgres_shape **out,
				 struct kvf_err *err)
{
	struct kvf_postgres_shape *shape = kvf_arena_zalloc(&s->arena, sizeof(*shape));
	const char *schema = PQgetvalue(res, row, SCHEMA), *name = PQgetvalue(res, row, NAME);
	char quoted[2][KVF_PG_QUOTED];

	if (!shape)
		return kvf_fail_nomem(err);
	kvf_pg_quote(schema, quoted[0]);
	kvf_pg_quote(name, quoted[1]);
	shape->oid = kvf_postgres_oid(res, row, OID);
	shape->relkind = *PQgetvalue(res, row, KIND);
	/* Of a table that others inherit from, only its own rows. */
	shape->from = kvf_arena_printf(&s->arena, "%s%s.%s",
				       shape->relkind == 'r' ? s->pg.dialect->only : "",
				       quoted[0], quoted[1]);
	shape->table.name = with_schema ? kvf_arena_printf(&s->arena, "%s.%s", schema, name)
					: kvf_arena_strdup(&s->arena, name);
	if (!shape->from || !shape->table.name)
		return kvf_fail_nomem(err);
	*out = shape;
	return KVF_OK;
}

/* ---- kvferry's own tables ------------------------------------------------------------------ */

/* The store that kvferry keeps in this database, if it does. */
struct own {
	int is_kept;
	char schema[64], table[64]; /* the live table; "" = not to be read */
};

/* The lock that reading takes is given back: the store may be at work. */
static enum kvf_status read_live_name(struct kvf_postgres *s, PGconn *conn, struct own *own,
				      struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	enum kvf_status st =
		kvf_pg_exec(&s->pg, conn, "set a savepoint", err, "SAVEPOINT kvferry_own");

	if (!st)
		st = kvf_pg_query(&s->pg, conn,
				  "SELECT live_schema, live FROM kvferry.control WHERE id = 1",
				  &none, "read kvferry's control row", &res, err);
	if (!st && PQntuples(res) == 1) {
		kvf_pg_get_text(res, 0, 0, own->schema, sizeof(own->schema));
		kvf_pg_get_text(res, 0, 1, own->table, sizeof(own->table));
	}
	PQclear(res);
	return st ? st
		  : kvf_pg_exec(&s->pg, conn, "go back to a savepoint", err,
				"ROLLBACK TO SAVEPOINT kvferry_own;"
				"RELEASE SAVEPOINT kvferry_own");
}

static enum kvf_status find_own(struct kvf_postgres *s, PGconn *conn, struct own *own,
				struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	enum kvf_status st;
	int readable;

	memset(own, 0, sizeof(*own));
	st = kvf_pg_query(
		&s->pg, conn,
		"SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND"
		" pg_catalog.has_table_privilege(c.oid, 'SELECT')"
		" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
		" ON n.oid = c.relnamespace WHERE n.nspname = 'kvferry' AND c.relname ="
		" 'control' AND (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE"
		" a.attrelid = c.oid AND a.attname IN ('epoch', 'live_schema', 'live')) = 3",
		&none, "look for a store", &res, err);
	if (!st)
		own->is_kept = PQntuples(res) == 1;
	readable = own->is_kept && kvf_pg_get_number(res, 0, 0);
	PQclear(res);
	if (st || !own->is_kept)
		return st;
	if (readable)
		return read_live_name(s, conn, own, err);
	kvf_source_log(&s->base, KVF_LOG_WARN,
		       "a store is kept in this database, but its control row is not to be "
		       "read: its table is taken for one of yours");
	return KVF_OK;
}

static int is_own(const struct own *own, const PGresult *res, int row)
{
	const char *schema = PQgetvalue(res, row, SCHEMA);
	size_t digits;

	if (!own->is_kept)
		return 0;
	if (strcmp(schema, "kvferry") == 0)
		return 1;
	if (strncmp(schema, "kvferry_g", 9) == 0) {
		digits = strspn(schema + 9, "0123456789");
		return digits > 0 && schema[9 + digits] == '\0';
	}
	return strcmp(schema, own->schema) == 0 &&
	       strcmp(PQgetvalue(res, row, NAME), own->table) == 0;
}

/* ---- the list of tables ------------------------------------------------------------------- */

/* Why a relation is not carried without a definition, or NULL. */
static const char *left_out(const PGresult *res, int row, const struct own *own)
{
	if (is_own(own, res, row))
		return "kvferry's own";
	if (is_true(res, row, OF_EXTENSION))
		return "part of an extension";
	switch (*PQgetvalue(res, row, KIND)) {
	case 'f': return "a foreign table";
	case 'm': return "a materialized view";
	default: break;
	}
	return NULL;
}

static int is_temporary(const PGresult *res, int row)
{
	return *PQgetvalue(res, row, PERSISTENCE) == 't';
}

/* Those of other sessions, which nobody else can read: all names in one line, but for
 * those that nobody asked for. */
static void tell_temporary(const struct kvf_postgres *s, const PGresult *res)
{
	char names[900] = "";
	size_t at = 0;
	int i, n = 0, told = 0;

	for (i = 0; i < PQntuples(res); i++) {
		const char *name = PQgetvalue(res, i, NAME);

		if (!is_temporary(res, i) || *PQgetvalue(res, i, KIND) == 'v' ||
		    kvf_source_left_out(&s->base, name) != KVF_LOG_WARN)
			continue;
		n++;
		if (at + strlen(name) + 5 > sizeof(names))
			continue;
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s\"%s\"",
				       told ? ", " : "", name);
		told++;
	}
	if (n)
		kvf_source_log(&s->base, KVF_LOG_WARN,
			       "temporary tables of other sessions are left out: %s%s", names,
			       told < n ? ", ..." : "");
}

/* Is it in one of the schemas that are wanted? */
static int is_wanted(const struct kvf_postgres *s, const PGresult *res, int row)
{
	size_t i;

	if (is_temporary(res, row))
		return 0;
	if (!s->nschemas)
		return is_true(res, row, IN_SCHEMA);
	for (i = 0; i < s->nschemas; i++)
		if (kvf_glob(s->schemas[i], PQgetvalue(res, row, SCHEMA)))
			return 1;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	struct kvf_postgres_shape *const *x = a, *const *y = b;

	return strcmp((*x)->table.name, (*y)->table.name);
}

/* Say once for each schema that there is more than what is carried, unless nobody asked
 * for it. */
static void tell_other_schema(const struct kvf_postgres *s, const PGresult *res, int row,
			      const char **told)
{
	const char *schema = PQgetvalue(res, row, SCHEMA), *name = PQgetvalue(res, row, NAME);
	char full[160];

	snprintf(full, sizeof(full), "%s.%s", schema, name);
	if (s->nschemas || (*told && strcmp(*told, schema) == 0) ||
	    (kvf_source_left_out(&s->base, name) != KVF_LOG_WARN &&
	     kvf_source_left_out(&s->base, full) != KVF_LOG_WARN))
		return;
	kvf_source_log(&s->base, KVF_LOG_WARN,
		       "the tables of schema \"%s\" are not carried: name it with --schema",
		       schema);
	*told = schema;
}

/* Neither carried nor worth a word: views, and partitions, which their root has. */
static int is_silent(const PGresult *res, int row)
{
	return *PQgetvalue(res, row, KIND) == 'v' || is_true(res, row, IS_PARTITION);
}

static enum kvf_status choose(struct kvf_postgres *s, const PGresult *res,
			      const struct own *own, struct kvf_err *err)
{
	int i, n = PQntuples(res);
	enum kvf_status st = KVF_OK;
	const char *why, *told = NULL;

	s->listed = kvf_arena_zalloc(&s->arena, ((size_t)n + 1) * sizeof(*s->listed));
	if (!s->listed)
		return kvf_fail_nomem(err);
	tell_temporary(s, res);
	for (i = 0; i < n && !st; i++) {
		if (is_silent(res, i) || is_temporary(res, i))
			continue;
		if (!is_wanted(s, res, i)) {
			if (!is_own(own, res, i))
				tell_other_schema(s, res, i, &told);
			continue;
		}
		why = left_out(res, i, own);
		if (why)
			kvf_source_log(&s->base,
				       *PQgetvalue(res, i, KIND) == 'f'
					       ? kvf_source_left_out(&s->base,
								     PQgetvalue(res, i, NAME))
					       : KVF_LOG_INFO,
				       "\"%s\" is left out: it is %s", PQgetvalue(res, i, NAME),
				       why);
		else
			st = new_shape(s, res, i, s->nschemas > 0, &s->listed[s->ntables++],
				       err);
	}
	return st;
}

static enum kvf_status no_schema(const struct kvf_postgres *s, struct kvf_err *err)
{
	kvf_fail(err, KVF_EUSAGE, "no schema with tables matches --schema '%s'", s->schemas[0]);
	kvf_err_detail(err, "%s. Nothing was written.", s->pg.name);
	kvf_err_hint(err, "'*' matches all; psql's \\dn lists them.");
	return KVF_EUSAGE;
}

static enum kvf_status load_tables(struct kvf_postgres *s, struct kvf_err *err)
{
	struct own own;
	PGresult *res = NULL;
	enum kvf_status st = kvf_postgres_query(s, "list the tables", &res, err, "%s",
						RELATIONS " ORDER BY n.nspname, c.relname");
	size_t i;

	s->ntables = 0;
	if (!st)
		st = find_own(s, s->conns[0], &own, err);
	if (!st)
		st = choose(s, res, &own, err);
	PQclear(res);
	if (!st && !s->ntables && s->nschemas)
		st = no_schema(s, err);
	s->tables =
		st ? NULL : kvf_arena_zalloc(&s->arena, (s->ntables + 1) * sizeof(*s->tables));
	if (!st && !s->tables)
		st = kvf_fail_nomem(err);
	if (st)
		return st;
	qsort(s->listed, s->ntables, sizeof(*s->listed), by_name);
	for (i = 0; i < s->ntables && !st; i++) {
		if (i && strcmp(s->listed[i - 1]->table.name, s->listed[i]->table.name) == 0)
			return kvf_fail(err, KVF_ESOURCE,
					"two tables are both called \"%s\", with their schemas",
					s->listed[i]->table.name);
		st = kvf_postgres_read_table(s, s->listed[i], err);
	}
	if (!st)
		st = kvf_postgres_read_beside(s, s->listed, s->ntables, err);
	for (i = 0; i < s->ntables && !st; i++)
		s->tables[i] = s->listed[i]->table;
	s->tables_known = !st;
	return st;
}

enum kvf_status kvf_postgres_tables(struct kvf_source *base, const struct kvf_table **tables,
				    size_t *n, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	enum kvf_status st = s->tables_known ? KVF_OK : load_tables(s, err);

	*tables = st ? NULL : s->tables;
	*n = st ? 0 : s->ntables;
	return st;
}

/* Was this relation listed, under this name? */
static int was_listed(const struct kvf_postgres *s, const PGresult *res, int row)
{
	Oid oid = kvf_postgres_oid(res, row, OID);
	const char *name;
	size_t i;

	for (i = 0; i < s->ntables && s->listed[i]->oid != oid; i++)
		;
	if (i == s->ntables)
		return 0;
	name = s->listed[i]->table.name;
	if (s->nschemas)
		name += strlen(name) - strlen(PQgetvalue(res, row, NAME));
	return strcmp(name, PQgetvalue(res, row, NAME)) == 0;
}

enum kvf_status kvf_postgres_same_tables(struct kvf_postgres *s, PGconn *conn, int *same,
					 struct kvf_err *err)
{
	struct own own;
	PGresult *res = NULL;
	size_t seen = 0;
	enum kvf_status st;
	int i;

	*same = 1;
	if (!s->tables_known)
		return KVF_OK;
	st = find_own(s, conn, &own, err);
	if (!st)
		st = kvf_pg_query(&s->pg, conn, RELATIONS, NULL, "list the tables", &res, err);
	for (i = 0; !st && *same && i < PQntuples(res); i++) {
		if (is_silent(res, i) || !is_wanted(s, res, i) || left_out(res, i, &own))
			continue;
		*same = was_listed(s, res, i);
		seen++;
	}
	if (!st && seen != s->ntables)
		*same = 0;
	PQclear(res);
	return st;
}

/* ---- one record ------------------------------------------------------------------------------ */

/* Which relation does a definition mean?  "name" along the search path, else
 * "schema.name". */
static int find_relation(const PGresult *res, const char *name)
{
	size_t len;
	int i, found = -1;

	for (i = 0; i < PQntuples(res); i++) {
		const char *schema = PQgetvalue(res, i, SCHEMA);

		if (is_temporary(res, i))
			continue;
		if (is_true(res, i, VISIBLE) && strcmp(PQgetvalue(res, i, NAME), name) == 0)
			return i;
		len = strlen(schema);
		if (strncmp(schema, name, len) == 0 && name[len] == '.' &&
		    strcmp(PQgetvalue(res, i, NAME), name + len + 1) == 0)
			found = i;
	}
	return found;
}

static enum kvf_status unknown(const PGresult *res, const char *name, struct kvf_err *err)
{
	const char **names = calloc((size_t)PQntuples(res) + 1, sizeof(*names));
	enum kvf_status st;
	size_t n = 0;
	int i;

	if (!names)
		return kvf_fail_nomem(err);
	for (i = 0; i < PQntuples(res); i++)
		if (is_true(res, i, VISIBLE))
			names[n++] = PQgetvalue(res, i, NAME);
	st = kvf_source_unknown_table(name, names, n, err);
	free(names);
	return st;
}

static enum kvf_status describe_table(struct kvf_postgres *s, const char *name,
				      struct kvf_postgres_shape **out, struct kvf_err *err)
{
	struct kvf_postgres_shape *shape = NULL;
	PGresult *res = NULL;
	enum kvf_status st =
		kvf_postgres_query(s, "look for a table", &res, err, "%s", RELATIONS);
	int row;

	if (st)
		return st;
	row = find_relation(res, name);
	st = row < 0 ? unknown(res, name, err) : new_shape(s, res, row, 0, &shape, err);
	if (!st && shape) {
		shape->table.name = kvf_arena_strdup(&s->arena, name);
		st = shape->table.name ? kvf_postgres_read_table(s, shape, err)
				       : kvf_fail_nomem(err);
		/* A restore wants to know what is there; a definition does not. */
		if (!st && s->borrowed)
			st = kvf_postgres_read_beside(s, &shape, 1, err);
	}
	*out = st ? NULL : shape;
	PQclear(res);
	return st;
}

static enum kvf_status describe_query(struct kvf_postgres *s, const struct kvf_record *record,
				      struct kvf_postgres_shape **out, struct kvf_err *err)
{
	struct kvf_postgres_shape *shape = kvf_arena_zalloc(&s->arena, sizeof(*shape));
	char doing[300], *sql = NULL;
	PGresult *res = NULL;
	enum kvf_status st;

	if (!shape)
		return kvf_fail_nomem(err);
	*out = shape;
	shape->query = kvf_arena_strdup(&s->arena, record->query);
	shape->table.name = kvf_arena_strdup(&s->arena, record->name);
	shape->table.dialect = s->pg.dialect->tables;
	shape->table.rows = shape->table.bytes = UINT64_MAX;
	if (!shape->query || !shape->table.name ||
	    asprintf(&sql, "SELECT * FROM (%s\n) AS t LIMIT 0", record->query) < 0)
		return kvf_fail_nomem(err);
	snprintf(doing, sizeof(doing), "understand the query of record \"%.200s\"",
		 record->name);
	st = kvf_postgres_try(s, sql, doing, &res, err);
	free(sql);
	if (!st)
		st = kvf_postgres_read_columns(s, shape, res, err);
	PQclear(res);
	return st;
}

/* Described before?  Tables by name, queries by name and text. */
static struct kvf_postgres_shape *find_known(const struct kvf_postgres *s,
					     const struct kvf_record *record)
{
	const char *name = record->query ? record->name : record->table;
	struct kvf_postgres_shape *k;
	size_t i;

	for (i = 0; !record->query && s->tables_known && i < s->ntables; i++)
		if (strcmp(s->listed[i]->table.name, name) == 0)
			return s->listed[i];
	for (k = s->shapes; k; k = k->next)
		if (!k->query == !record->query && strcmp(k->table.name, name) == 0 &&
		    (!k->query || strcmp(k->query, record->query) == 0))
			return k;
	return NULL;
}

enum kvf_status kvf_postgres_shape(struct kvf_postgres *s, const struct kvf_record *record,
				   struct kvf_postgres_shape **out, struct kvf_err *err)
{
	enum kvf_status st;

	*out = find_known(s, record);
	if (*out)
		return KVF_OK;
	st = record->query ? describe_query(s, record, out, err)
			   : describe_table(s, record->table, out, err);
	if (st || !*out)
		return st;
	(*out)->next = s->shapes;
	s->shapes = *out;
	return KVF_OK;
}

enum kvf_status kvf_postgres_describe(struct kvf_source *base, const struct kvf_record *record,
				      const struct kvf_table **shape, struct kvf_err *err)
{
	struct kvf_postgres_shape *k;
	enum kvf_status st = kvf_postgres_shape((struct kvf_postgres *)base, record, &k, err);

	if (!st)
		*shape = &k->table;
	return st;
}
