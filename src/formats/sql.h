/*
 * sql - the little that the language adds to SQL: queries that have a name, and
 * :'arg', psql's own spelling of a value as a literal.
 */
#ifndef KVF_SQL_H
#define KVF_SQL_H

#include "formats/def.h"

/*
 * Put "WITH name AS (...)" in front of `text` for every one of p->with that it
 * names, and those that these name: each sees the ones written before it.
 * *out is `text` itself where it names none; it lives in `arena`.
 */
KVF_MUST_CHECK enum kvf_status
kvf_sql_with(struct kvf_arena *arena, const struct kvf_def_package *p, struct kvf_pos pos,
	     const char *text, const char **out, struct kvf_err *err);

/* Every :'name' in `text` is one of the arguments, or KVF_EDEFINITION. */
KVF_MUST_CHECK enum kvf_status kvf_sql_check(const struct kvf_def *def, struct kvf_pos pos,
					     const char *text, struct kvf_err *err);

/*
 * Replace every :'name' by the quoted value of the argument; *out lives in
 * `arena`, or is `text` itself where there is none.  NULL passes.
 */
KVF_MUST_CHECK enum kvf_status
kvf_sql_values(struct kvf_arena *arena, const struct kvf_def *def, const char *const *values,
	       const char *text, const char **out, struct kvf_err *err);

#endif
