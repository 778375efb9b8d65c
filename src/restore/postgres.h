/*
 * postgres - what the files of the PostgreSQL target share.
 *
 * check() makes a plan of statements out of what the stream says; create() and
 * finish() run it.  Every statement is put together here, of names that are
 * quoted and of texts that kvf_pgr_expression() let through.
 */
#ifndef KVF_RESTORE_POSTGRES_H
#define KVF_RESTORE_POSTGRES_H

#include "pg/pg.h"
#include "restore/restore.h"

/* When a statement runs; rows come between PARTITION and OWNER. */
enum kvf_pgr_phase {
	KVF_PGR_SCHEMA,
	KVF_PGR_TYPE,
	KVF_PGR_SEQUENCE,
	KVF_PGR_TABLE,
	KVF_PGR_PARTITION,
	KVF_PGR_OWNER,
	KVF_PGR_KEY,
	KVF_PGR_INDEX,
	KVF_PGR_CHECK,
	KVF_PGR_FOREIGN_KEY,
	KVF_PGR_VALUE,
	KVF_PGR_PHASES
};

struct kvf_pgr_step {
	enum kvf_pgr_phase phase;
	const struct kvf_table *table;
	const char *kind, *name, *sql;
	int may_fail; /* then it is listed as not restored */
	struct kvf_pgr_step *next;
};

/* A function that an expression calls, and whether that is let through. */
struct kvf_pgr_function {
	char schema[64], name[64];
	int is_fine;
	struct kvf_pgr_function *next;
};

/* What a column takes. */
enum kvf_pgr_column {
	KVF_PGR_TEXT,  /* the server reads the text: the table's COPY is of text */
	KVF_PGR_PLAIN, /* a text whose binary form is the text */
	KVF_PGR_JSONB,
	KVF_PGR_UUID,
	KVF_PGR_BLOB,
	KVF_PGR_BOOL,
	KVF_PGR_INT2,
	KVF_PGR_INT4,
	KVF_PGR_INT8,
	KVF_PGR_OID,
	KVF_PGR_REAL4,
	KVF_PGR_REAL8,
	KVF_PGR_DATE, /* from here on a binary form is made of the text */
	KVF_PGR_TIME,
	KVF_PGR_TIMESTAMP,
	KVF_PGR_TIMESTAMPTZ,
	KVF_PGR_NUMERIC
};

/* kvf_restore_table.own */
struct kvf_pgr_table {
	char schema[64], name[64];
	char quoted[2 * KVF_PG_QUOTED + 2]; /* "schema"."name" */
	const char **types;                 /* of a foreign table */
	enum kvf_pgr_column *columns;
	int binary;
	size_t ncopied; /* columns that are not generated */
};

struct kvf_pgr {
	struct kvf_restore base;
	struct kvf_pg pg;
	PGconn *conn;
	char schema[64]; /* where a name without a schema is made */
	struct kvf_pgr_step *first, **last;
	struct kvf_pgr_function *functions;
	struct kvf_buf rows; /* of the COPY under way */
	int committed;
};

/* ---- postgres_parse.c ------------------------------------------------------- */

enum kvf_token_kind {
	KVF_TOKEN_END,
	KVF_TOKEN_WORD,
	KVF_TOKEN_QUOTED, /* "name" */
	KVF_TOKEN_NUMBER,
	KVF_TOKEN_STRING,
	KVF_TOKEN_OPERATOR,
	KVF_TOKEN_MARK, /* one of ( ) [ ] , . */
	KVF_TOKEN_BAD   /* comments, dollar quotes, semicolons, what does not end */
};

struct kvf_lexer {
	enum kvf_token_kind kind; /* of the current token */
	const char *at;
	size_t len;
	const char *end; /* of the token before */
};

void kvf_lex(struct kvf_lexer *l, const char *text);
void kvf_lex_next(struct kvf_lexer *l);
/* Is it that word, mark ...?  Then it is taken. */
int kvf_lex_word(struct kvf_lexer *l, const char *word);
int kvf_lex_words(struct kvf_lexer *l, const char *const *words);
int kvf_lex_mark(struct kvf_lexer *l, char mark);
int kvf_lex_is_word(const struct kvf_lexer *l, const char *word);

/* name or schema.name; "" where there is no schema. */
struct kvf_pgr_name {
	char schema[64], name[64];
};
int kvf_lex_ident(struct kvf_lexer *l, char out[64]);
int kvf_lex_name(struct kvf_lexer *l, struct kvf_pgr_name *out);
/* As SQL: quoted, with its schema if it has one. */
const char *kvf_pgr_quoted(const struct kvf_pgr_name *n, char buf[2 * KVF_PG_QUOTED + 2]);

/* ---- postgres_expr.c --------------------------------------------------------- */

/*
 * Is this text, of a stream, harmless where an expression or the rest of a
 * constraint stands?  *why = NULL if it is: one balanced piece without comments,
 * queries, or calls of functions that are not known to compute only.
 */
KVF_MUST_CHECK enum kvf_status kvf_pgr_expression(struct kvf_pgr *p, const char *text,
						  const char **why, struct kvf_err *err);
/* The same for the rest of a type: no function is called there. */
const char *kvf_pgr_type_text(const char *text);
/* May a stream have this function called? */
KVF_MUST_CHECK enum kvf_status kvf_pgr_may_call(struct kvf_pgr *p, const struct kvf_pgr_name *n,
						int *may, struct kvf_err *err);

/* ---- postgres_make.c ----------------------------------------------------------- */

/* Add to the plan; the same statement of one kind is there once. */
KVF_MUST_CHECK enum kvf_status kvf_pgr_plan(struct kvf_pgr *p, enum kvf_pgr_phase phase,
					    const struct kvf_table *t, const struct kvf_ddl *d,
					    int may_fail, const char *sql, struct kvf_err *err);
/* Is it the statement that is wrong, or that finds rows wrong; not the server, the link,
 * our memory or somebody who stops us? */
int kvf_pgr_is_of_statement(const struct kvf_err *err);
/* Everything that the stream says of a table. */
KVF_MUST_CHECK enum kvf_status
kvf_pgr_plan_table(struct kvf_pgr *p, struct kvf_restore_table *t,
		   const struct kvf_table *there, struct kvf_err *err);
/* Run the phases from `from` to `to`. */
KVF_MUST_CHECK enum kvf_status kvf_pgr_run(struct kvf_pgr *p, enum kvf_pgr_phase from,
					   enum kvf_pgr_phase to, struct kvf_err *err);

/* ---- postgres_may.c -------------------------------------------------------------- */

/* KVF_EPREFLIGHT names every privilege that is missing.  The tables know their places. */
KVF_MUST_CHECK enum kvf_status kvf_pgr_may(struct kvf_pgr *p, struct kvf_err *err);

/* ---- postgres_left.c ------------------------------------------------------------- */

/* List a statement that none of the others knows. */
KVF_MUST_CHECK enum kvf_status kvf_pgr_leave(struct kvf_pgr *p, const struct kvf_table *t,
					     const struct kvf_ddl *d, struct kvf_err *err);

/* ---- postgres_table.c ------------------------------------------------------------ */

/* CREATE TABLE, out of the stream's own; the schema and types as well. */
KVF_MUST_CHECK enum kvf_status
kvf_pgr_plan_create(struct kvf_pgr *p, struct kvf_restore_table *t, const struct kvf_ddl *d,
		    struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status
kvf_pgr_plan_foreign(struct kvf_pgr *p, struct kvf_restore_table *t, struct kvf_err *err);

/* ---- postgres_copy.c -------------------------------------------------------------- */

enum kvf_status kvf_pgr_begin_rows(struct kvf_restore *r, struct kvf_restore_table *t,
				   struct kvf_err *err);
enum kvf_status kvf_pgr_put(struct kvf_restore *r, struct kvf_restore_table *t,
			    const struct kvf_cell *cells, struct kvf_err *err);
enum kvf_status kvf_pgr_end_rows(struct kvf_restore *r, struct kvf_restore_table *t,
				 struct kvf_err *err);

/* ---- postgres_binary.c ------------------------------------------------------------ */

/* Room for the binary form of a text of that length. */
size_t kvf_pgr_binary_room(size_t len);
/* The binary form of what an export writes; its length, or 0: it is none. */
size_t kvf_pgr_binary(enum kvf_pgr_column column, struct kvf_bytes b, uint8_t *out);

#endif
