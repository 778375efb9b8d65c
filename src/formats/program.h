/*
 * program - what a definition is compiled to: flat arrays with every name
 * resolved, walked once per row.
 *
 *   row --lets--> lets --when--> entry --templates--> partition, key
 *                                      --fields-----> value       --> sink
 *
 * Everything lives in the arena of the formats and is read by several threads
 * at once; only kvf_formats_bind() changes it, before they start.
 */
#ifndef KVF_PROGRAM_H
#define KVF_PROGRAM_H

#include "formats/def.h"

/* Compiled fields in one package; a value is compiled for each record. */
#define KVF_PROG_FIELDS_MAX ((size_t)1 << 18)

enum kvf_ref_type {
	KVF_REF_LITERAL,
	KVF_REF_COLUMN,
	KVF_REF_LET,
	KVF_REF_MEMBER,
	KVF_REF_SELF
};

struct kvf_ref {
	enum kvf_ref_type type;
	uint32_t index;        /* slot of the column, or number of the let */
	struct kvf_bytes text; /* the literal, or the member's name */
	int any_case;          /* MEMBER: capitals do not count */
};

struct kvf_prog_piece {
	const struct kvf_def_piece *def;
	struct kvf_ref ref;
	int nullable; /* NULL does not make the template NULL */
};

struct kvf_prog_template {
	const struct kvf_prog_piece *pieces;
	size_t npieces;
	int plain; /* one placeholder, no filters: keeps its type */
};

struct kvf_prog_field {
	const struct kvf_def_field *def;
	const struct kvf_prog_template *from; /* or NULL */
	struct kvf_bytes head;                /* json: "name": ; msgpack: the packed name */
	const struct kvf_prog_field *fields;  /* in the order of the bytes */
	size_t nfields;
};

struct kvf_prog_let {
	const struct kvf_def_let *def;
	const struct kvf_prog_template *alternatives;
};

/* One node of a condition; x and y are resolved where they are names. */
struct kvf_prog_test {
	const struct kvf_def_expr_node *def;
	struct kvf_ref x, y;
};

struct kvf_prog_entry {
	const struct kvf_def_entry *def;
	const struct kvf_prog_template *partition, *key;
	const struct kvf_prog_template *raw; /* raw, or a message to be copied */
	const struct kvf_prog_field *fields;
	size_t nfields;
	const struct kvf_prog_test *when; /* the root is the last; or NULL */
	size_t nwhen;
};

struct kvf_prog_record {
	const struct kvf_def_package *package;
	const struct kvf_def_record *def;
	const char *const *columns; /* by slot */
	size_t ncolumns;
	const char *const *key; /* of these, those that keys are made of */
	size_t nkey;
	uint32_t *cell_of; /* slot -> index in the row */
	size_t ncells;     /* cells that a row must have */
	int bound;
	const struct kvf_prog_let *lets;
	const struct kvf_prog_entry *entries;
};

struct kvf_prog {
	const struct kvf_def_package *def;
	struct kvf_prog_record *records; /* and sides */
	struct kvf_record *rows;         /* of both, as everybody else sees them */
	struct kvf_check *checks;
	struct kvf_back *back;
	const struct kvf_matcher *matchers; /* match.c: one for each kind */
};

struct kvf_formats {
	struct kvf_def def;
	struct kvf_prog *programs; /* by package */
	struct kvf_application application;
	struct kvf_check *checks; /* of the application */
};

/* Compile all packages of f->def and fill f->application. */
KVF_MUST_CHECK enum kvf_status kvf_formats_compile(struct kvf_formats *f, struct kvf_err *err);

/* Kinds and messages of one package, from its definition alone. */
KVF_MUST_CHECK enum kvf_status kvf_formats_kinds(struct kvf_arena *arena,
						 const struct kvf_def_package *def,
						 struct kvf_package *out, struct kvf_err *err);

/* match.c: which kind made an entry, by all that the templates say. */
KVF_MUST_CHECK enum kvf_status kvf_formats_matchers(struct kvf_arena *arena,
						    struct kvf_prog *prog, struct kvf_err *err);
size_t kvf_formats_kind_of(const struct kvf_package *self, struct kvf_bytes part,
			   struct kvf_bytes key);

/* The convert() of every package that was compiled from YAML. */
enum kvf_status kvf_formats_convert(const struct kvf_package *self, size_t record,
				    const struct kvf_row *row, struct kvf_sink *sink,
				    struct kvf_err *err);

#endif
