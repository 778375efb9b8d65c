/*
 * cols - the shapes of tables that are carried as they are: all of struct
 * kvf_table except counts, so that a restore can make the tables again.
 *
 *   cols  = [ table ]
 *   table = { "cols": [ [name, type, flags] ], "ddl": [ [kind, name, sql] ],
 *             "dialect": str, "flags": uint, "key": [ column ], "name": bin,
 *             "uniq": [ [flags, column ...] ] }
 *
 * Names, types and statements are bin: a source does not promise UTF-8.  With
 * `begin` and the list of tables this makes exactly five open containers.
 */
#include "stream/record.h"

#include <stdlib.h>

enum { UNIQUE_NULLABLE = 1, UNIQUE_PARTIAL = 2 }; /* never renumber: on disk */

static void put_bin(struct kvf_mpw *w, const char *s)
{
	kvf_mpw_bin(w, s, strlen(s));
}

static void write_table(struct kvf_mpw *w, const struct kvf_table *t)
{
	size_t i, j;

	kvf_mpw_map(w, 7);
	kvf_mpw_str(w, "cols");
	kvf_mpw_array(w, t->ncolumns);
	for (i = 0; i < t->ncolumns; i++) {
		kvf_mpw_array(w, 3);
		put_bin(w, t->columns[i].name);
		put_bin(w, t->columns[i].type ? t->columns[i].type : "");
		kvf_mpw_uint(w, t->columns[i].flags);
	}
	kvf_mpw_str(w, "ddl");
	kvf_mpw_array(w, t->nddl);
	for (i = 0; i < t->nddl; i++) {
		kvf_mpw_array(w, 3);
		kvf_mpw_str(w, t->ddl[i].kind);
		put_bin(w, t->ddl[i].name ? t->ddl[i].name : "");
		put_bin(w, t->ddl[i].sql ? t->ddl[i].sql : "");
	}
	kvf_mpw_str(w, "dialect");
	kvf_mpw_str(w, t->dialect);
	kvf_mpw_str(w, "flags");
	kvf_mpw_uint(w, t->flags);
	kvf_mpw_str(w, "key");
	kvf_mpw_array(w, t->nkey);
	for (i = 0; i < t->nkey; i++)
		kvf_mpw_uint(w, t->key[i]);
	kvf_mpw_str(w, "name");
	put_bin(w, t->name);
	kvf_mpw_str(w, "uniq");
	kvf_mpw_array(w, t->nunique);
	for (i = 0; i < t->nunique; i++) {
		const struct kvf_unique *u = &t->unique[i];

		kvf_mpw_array(w, u->ncolumns + 1);
		kvf_mpw_uint(w, (u->nullable ? UNIQUE_NULLABLE : 0u) |
					(u->partial ? UNIQUE_PARTIAL : 0u));
		for (j = 0; j < u->ncolumns; j++)
			kvf_mpw_uint(w, u->columns[j]);
	}
}

void kvf_write_cols(struct kvf_mpw *w, const struct kvf_table *tables, size_t n)
{
	size_t i;

	kvf_mpw_array(w, n);
	for (i = 0; i < n; i++)
		write_table(w, &tables[i]);
}

/* A bin that becomes a C string. */
static int read_bin(struct kvf_mp *m, struct kvf_pool_text *k, size_t max, const char **s)
{
	struct kvf_bytes v;

	if (!kvf_mp_bin(m, max, &v))
		return 0;
	if (v.len && memchr(v.ptr, 0, v.len))
		return kvf_mp_fail(m, "a text has a NUL");
	*s = kvf_keep_text(k, v);
	return 1;
}

static int three(struct kvf_mp *m)
{
	size_t n;

	if (!kvf_mp_array(m, 3, &n))
		return 0;
	return n == 3 ? 1 : kvf_mp_fail(m, "not three elements");
}

static int read_flags(struct kvf_mp *m, unsigned *flags)
{
	uint64_t v;

	if (!kvf_mp_uint(m, &v))
		return 0;
	if (v > UINT32_MAX)
		return kvf_mp_fail(m, "flags of more than 32 bits");
	*flags = (unsigned)v;
	return 1;
}

static int read_columns(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_table *t)
{
	struct kvf_column *c;
	size_t i, n;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	c = kvf_keep_array(k, n, sizeof(*c));
	if (!c)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++)
		if (!three(m) || !read_bin(m, k, KVF_NAME_MAX, &c[i].name) ||
		    !read_bin(m, k, KVF_NAME_MAX, &c[i].type) || !read_flags(m, &c[i].flags))
			return 0;
	t->columns = c;
	t->ncolumns = n;
	return 1;
}

static int read_ddl(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_table *t)
{
	struct kvf_ddl *d;
	struct kvf_bytes v;
	size_t i, n;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	d = kvf_keep_array(k, n, sizeof(*d));
	if (!d)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++) {
		if (!three(m) || !kvf_mp_text(m, KVF_TYPE_MAX, &v))
			return 0;
		d[i].kind = kvf_keep_text(k, v);
		if (!read_bin(m, k, KVF_NAME_MAX, &d[i].name) ||
		    !read_bin(m, k, KVF_CONTROL_MAX, &d[i].sql))
			return 0;
	}
	t->ddl = d;
	t->nddl = n;
	return 1;
}

/* `n` column numbers. */
static uint32_t *read_numbers(struct kvf_mp *m, struct kvf_pool_text *k, size_t n)
{
	uint32_t *c = kvf_keep_array(k, n, sizeof(*c));
	uint64_t v;
	size_t i;

	if (!c) {
		kvf_mp_fail(m, "no memory");
		return NULL;
	}
	for (i = 0; i < n; i++) {
		if (!kvf_mp_uint(m, &v))
			return NULL;
		if (v >= KVF_LIST_MAX) {
			kvf_mp_fail(m, "a column number is out of range");
			return NULL;
		}
		c[i] = (uint32_t)v;
	}
	return c;
}

static int read_key(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_table *t)
{
	size_t n;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	t->key = read_numbers(m, k, n);
	t->nkey = n;
	return t->key != NULL;
}

static int read_uniques(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_table *t)
{
	struct kvf_unique *u;
	unsigned flags;
	size_t i, n, cols;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	u = kvf_keep_array(k, n, sizeof(*u));
	if (!u)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++) {
		if (!kvf_mp_array(m, KVF_LIST_MAX, &cols))
			return 0;
		if (cols == 0)
			return kvf_mp_fail(m, "a unique constraint has no flags");
		if (!read_flags(m, &flags))
			return 0;
		u[i].columns = read_numbers(m, k, cols - 1);
		if (!u[i].columns)
			return 0;
		u[i].ncolumns = cols - 1;
		u[i].nullable = (flags & UNIQUE_NULLABLE) != 0;
		u[i].partial = (flags & UNIQUE_PARTIAL) != 0;
		if (flags > (UNIQUE_NULLABLE | UNIQUE_PARTIAL))
			return kvf_mp_fail(m, "unknown flags of a unique constraint");
	}
	t->unique = u;
	t->nunique = n;
	return 1;
}

static int read_table(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_table *t)
{
	struct kvf_mp_map map;
	struct kvf_bytes v;
	unsigned seen = 0;

	t->rows = t->bytes = UINT64_MAX;
	if (!kvf_mp_map_open(m, &map))
		return 0;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "cols")) {
			seen |= read_columns(m, k, t) ? 1 : 0;
		} else if (kvf_mp_key_is(&map, "ddl")) {
			seen |= read_ddl(m, k, t) ? 2 : 0;
		} else if (kvf_mp_key_is(&map, "dialect")) {
			if (kvf_mp_text(m, KVF_TYPE_MAX, &v)) {
				t->dialect = kvf_keep_text(k, v);
				seen |= 4;
			}
		} else if (kvf_mp_key_is(&map, "flags")) {
			seen |= read_flags(m, &t->flags) ? 8 : 0;
		} else if (kvf_mp_key_is(&map, "key")) {
			seen |= read_key(m, k, t) ? 16 : 0;
		} else if (kvf_mp_key_is(&map, "name")) {
			seen |= read_bin(m, k, KVF_NAME_MAX, &t->name) ? 32 : 0;
		} else if (kvf_mp_key_is(&map, "uniq")) {
			seen |= read_uniques(m, k, t) ? 64 : 0;
		} else {
			kvf_record_other(m, &map, 3);
		}
	}
	return seen == 127 && !m->bad ? 1 : kvf_mp_fail(m, "a key of a table is missing");
}

int kvf_read_cols(struct kvf_mp *m, struct kvf_pool_text *k, const struct kvf_table **tables,
		  size_t *count)
{
	struct kvf_table *t;
	size_t n, i;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	if (n == 0)
		return kvf_mp_fail(m, "an empty list has to be left out");
	t = kvf_keep_array(k, n, sizeof(*t));
	if (!t)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++)
		if (!read_table(m, k, &t[i]))
			return 0;
	*tables = t;
	*count = n;
	return 1;
}

static int in_range(const uint32_t *columns, size_t n, size_t ncolumns)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (columns[i] >= ncolumns)
			return 0;
	return 1;
}

static const char *check_table(const struct kvf_table *t)
{
	size_t i;

	if (!t->name[0] || strlen(t->name) > KVF_NAME_MAX)
		return "the name of a table is not 1 to 1,024 bytes";
	if (!t->dialect || !kvf_is_name(t->dialect, KVF_TYPE_MAX))
		return "the dialect of a table is unusable";
	if (t->ncolumns > KVF_LIST_MAX || t->nunique > KVF_LIST_MAX || t->nddl > KVF_LIST_MAX)
		return "a table has more than 65,535 columns, constraints or statements";
	for (i = 0; i < t->ncolumns; i++)
		if (strlen(t->columns[i].name) > KVF_NAME_MAX ||
		    (t->columns[i].type && strlen(t->columns[i].type) > KVF_NAME_MAX))
			return "the name or type of a column is over 1,024 bytes";
	if (t->nkey > t->ncolumns || !in_range(t->key, t->nkey, t->ncolumns))
		return "a key column is out of range";
	for (i = 0; i < t->nunique; i++)
		if (t->unique[i].ncolumns > t->ncolumns ||
		    !in_range(t->unique[i].columns, t->unique[i].ncolumns, t->ncolumns))
			return "a column of a unique constraint is out of range";
	for (i = 0; i < t->nddl; i++)
		if (!kvf_is_name(t->ddl[i].kind, KVF_TYPE_MAX) ||
		    (t->ddl[i].name && strlen(t->ddl[i].name) > KVF_NAME_MAX))
			return "a statement of a table has no usable kind or name";
	return NULL;
}

const char *kvf_check_cols(const struct kvf_table *tables, size_t n)
{
	const char *wrong;
	size_t i;

	if (n > KVF_LIST_MAX)
		return "more than 65,535 tables";
	for (i = 0; i < n; i++) {
		wrong = check_table(&tables[i]);
		if (wrong)
			return wrong;
	}
	return NULL;
}
