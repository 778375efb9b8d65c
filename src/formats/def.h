/*
 * def - a package definition as it was written: what the loader makes of the
 * YAML, before it is compiled.  The language is described in
 * docs/definitions.md; the names are the same.
 *
 *   YAML --yaml.c--> nodes --load.c--> struct kvf_def --compile.c--> program
 *
 * Everything lives in the arena of the struct kvf_def and is never changed
 * after the load.  Texts are UTF-8 and NUL-terminated; where a NUL may stand
 * inside (template literals) there is a length.  Every part knows where it was
 * written.
 */
#ifndef KVF_DEF_H
#define KVF_DEF_H

#include <kvferry/formats.h>

#include "base/buf.h"

/* Limits of the language; what is over them is refused with its place. */
#define KVF_DEF_FILE_MAX ((size_t)1 << 20)
#define KVF_DEF_YAML_DEPTH 32      /* nested YAML collections */
#define KVF_DEF_NAME_MAX 60        /* bytes: packages, records, values, lets */
#define KVF_DEF_FIELD_NAME_MAX 128 /* bytes */
#define KVF_DEF_PACKAGES_MAX 256
#define KVF_DEF_LIST_MAX 4096  /* records, values, entries, drop ... */
#define KVF_DEF_FIELDS_MAX 512 /* in one value or nested message */
#define KVF_DEF_FIELD_DEPTH 8  /* nested fields */
#define KVF_DEF_TEMPLATE_PIECES 64
#define KVF_DEF_FILTERS_MAX 16 /* on one placeholder */
#define KVF_DEF_EXPR_DEPTH 32
#define KVF_DEF_EXPR_NODES 256
#define KVF_DEF_FOLDER_MAX ((size_t)16 << 20) /* files of an argument, as JSON */

/* file:line:column, both counted from 1.  `file` is as the loader opened it. */
struct kvf_pos {
	const char *file;
	unsigned line, column;
};

/* ---- templates ---------------------------------------------------------- */

enum kvf_filter {
	KVF_FILTER_HEX,
	KVF_FILTER_BASE32HEX,
	KVF_FILTER_LOWER,
	KVF_FILTER_UPPER,
	KVF_FILTER_URLENCODE,
	KVF_FILTER_PAD, /* n = width */
	KVF_FILTER_BE64,
	KVF_FILTER_DESC64,
	KVF_FILTER_RFC3339, /* n = enum kvf_time_unit of integers */
	KVF_FILTER_UUID,
	KVF_FILTER_UUID5,     /* uuid = namespace */
	KVF_FILTER_DECIMAL,   /* n = digits behind the point */
	KVF_FILTER_ELSE,      /* text = what stands for NULL */
	KVF_FILTER_DNS_LABEL, /* from here on: checks, they change nothing */
	KVF_FILTER_DNS_SUBDOMAIN,
	KVF_FILTER_SEGMENT,
	KVF_FILTER_NONEMPTY,
	KVF_FILTER_MAX, /* n = bytes */
	KVF_FILTER_MIN
};

enum kvf_time_unit { KVF_UNIT_S, KVF_UNIT_MS, KVF_UNIT_US, KVF_UNIT_NS };

struct kvf_def_filter {
	struct kvf_pos pos;
	enum kvf_filter id;
	const char *name; /* as written: static text */
	uint64_t n;
	uint8_t uuid[16];
	struct kvf_bytes text;
};

/*
 * A literal (name == NULL) or a placeholder.  The name is a let's of the record
 * (kvf_def_find_let()), else a column's; inside the fields of a JSON object it
 * is one of its members, or "." for the element itself.
 */
struct kvf_def_piece {
	struct kvf_pos pos;
	struct kvf_bytes literal;
	const char *name;
	int optional; /* {name?}: NULL gives nothing */
	const struct kvf_def_filter *filters;
	size_t nfilters;
};

struct kvf_def_template {
	struct kvf_pos pos;
	const char *text; /* as written, for messages */
	const struct kvf_def_piece *pieces;
	size_t npieces;
};

/* ---- conditions ----------------------------------------------------------- */

enum kvf_expr_op {
	KVF_EXPR_AND,
	KVF_EXPR_OR,
	KVF_EXPR_NOT, /* a, b */
	KVF_EXPR_EQ,
	KVF_EXPR_NE,
	KVF_EXPR_LT,
	KVF_EXPR_LE,
	KVF_EXPR_GT,
	KVF_EXPR_GE,
	KVF_EXPR_ISNULL,
	KVF_EXPR_NOTNULL /* of a */
};

enum kvf_operand_type {
	KVF_OPERAND_NAME,
	KVF_OPERAND_TEXT,
	KVF_OPERAND_INT,
	KVF_OPERAND_REAL,
	KVF_OPERAND_BOOL
};

struct kvf_def_operand {
	struct kvf_pos pos;
	enum kvf_operand_type type;
	const char *name; /* KVF_OPERAND_NAME: let or column */
	struct kvf_bytes text;
	int64_t i; /* INT, BOOL */
	double r;
};

/* `a` and `b` are indexes into the nodes, smaller than the node's own. */
struct kvf_def_expr_node {
	struct kvf_pos pos;
	enum kvf_expr_op op;
	uint32_t a, b;
	struct kvf_def_operand x, y; /* comparisons: x op y; ISNULL: x */
};

/* The root is the last node. */
struct kvf_def_expr {
	struct kvf_pos pos;
	const char *text;
	const struct kvf_def_expr_node *nodes;
	size_t nnodes;
};

/* ---- values ---------------------------------------------------------------- */

enum kvf_type {
	/* for every encoding but raw */
	KVF_TYPE_STRING,
	KVF_TYPE_BOOL,
	KVF_TYPE_BYTES,
	KVF_TYPE_TIMESTAMP,
	/* msgpack and json */
	KVF_TYPE_INT,
	KVF_TYPE_UINT,
	KVF_TYPE_FLOAT,
	KVF_TYPE_DECIMAL,
	KVF_TYPE_JSON,
	KVF_TYPE_OBJECT,
	/* protobuf */
	KVF_TYPE_DOUBLE,
	KVF_TYPE_PB_FLOAT,
	KVF_TYPE_INT32,
	KVF_TYPE_INT64,
	KVF_TYPE_UINT32,
	KVF_TYPE_UINT64,
	KVF_TYPE_SINT32,
	KVF_TYPE_SINT64,
	KVF_TYPE_FIXED32,
	KVF_TYPE_FIXED64,
	KVF_TYPE_SFIXED32,
	KVF_TYPE_SFIXED64,
	KVF_TYPE_ENUM,
	KVF_TYPE_MESSAGE
};

enum kvf_shape { KVF_SHAPE_ONE, KVF_SHAPE_REPEATED, KVF_SHAPE_MAP };

enum kvf_omit { KVF_OMIT_NULL, KVF_OMIT_EMPTY, KVF_OMIT_NEVER };

struct kvf_def_field {
	struct kvf_pos pos;
	const char *name;
	uint32_t tag; /* protobuf; else 0 */
	enum kvf_shape shape;
	enum kvf_type type;     /* of the element, or of a map's values */
	enum kvf_type key_type; /* of a map */
	/* Exactly one of them, or neither for an object/message that takes its
	 * fields from the same row or element as its parent. */
	const struct kvf_def_template *from;
	int is_const;
	struct kvf_bytes constant;
	int has_default;
	struct kvf_bytes fallback; /* default: */
	enum kvf_omit omit;
	int has_nulls;
	struct kvf_bytes nulls; /* nulls: what stands for a null among the elements */
	int any_case;           /* members: of its JSON objects, whatever their case */
	int has_scale;
	unsigned scale;          /* decimal */
	enum kvf_time_unit unit; /* timestamp from an integer */
	/* OBJECT, MESSAGE: its fields.  With `from` (always so when repeated or in
	 * a map) the names in them are members of the JSON object, not columns. */
	const struct kvf_def_field *fields;
	size_t nfields;
};

struct kvf_def_value {
	struct kvf_pos pos;
	const char *name;
	enum kvf_encoding encoding;
	const struct kvf_def_template *from; /* raw; protobuf: a message to be copied */
	const struct kvf_def_field *fields;  /* in the order written */
	size_t nfields;
};

/* ---- records ---------------------------------------------------------------- */

/* One alternative: the let is that template.  More: the first that is there. */
struct kvf_def_let {
	struct kvf_pos pos;
	const char *name;
	int first;
	const struct kvf_def_template *alternatives;
	size_t nalternatives;
};

struct kvf_def_entry {
	struct kvf_pos pos;
	const char *kind; /* name of the kind; unique in the package */
	const struct kvf_def_template *partition, *key;
	const char *value_name;
	const struct kvf_def_value *value;
	const struct kvf_def_expr *when; /* or NULL */
};

struct kvf_def_record {
	struct kvf_pos pos;
	const char *name;
	struct kvf_pos table_pos; /* of `table` or `query` */
	const char *table, *where, *query;
	int ordered;
	const struct kvf_def_let *lets; /* each sees the ones before it */
	size_t nlets;
	const struct kvf_def_entry *entries;
	size_t nentries;
};

/* ---- files ------------------------------------------------------------------- */

/* A query that other queries of the package may name like a table. */
struct kvf_def_with {
	struct kvf_pos pos;
	const char *name, *query;
};

struct kvf_def_check {
	struct kvf_pos pos;
	const char *code, *text, *hint, *query;
	int error;
};

struct kvf_def_back {
	struct kvf_pos pos;
	const char *table, *query;
};

struct kvf_def_arg {
	struct kvf_pos pos;
	const char *name, *help, *fallback, *files;
	enum kvf_arg_type type;
};

struct kvf_def_package {
	struct kvf_pos pos;
	const char *name;
	uint64_t version;
	const struct kvf_def_with *with;
	size_t nwith;
	/* The sides lie behind the records, each with one entry, its lines. */
	const struct kvf_def_record *records;
	size_t nrecords, nsides;
	const struct kvf_def_check *checks;
	size_t nchecks;
	const struct kvf_def_back *back;
	size_t nback;
	const char *const *lost;
	size_t nlost;
	const struct kvf_def_value *values;
	size_t nvalues;
};

struct kvf_def {
	struct kvf_arena arena;
	struct kvf_pos pos;
	const char *application;
	const char *source_version; /* SQL, or NULL */
	uint64_t source_requires;
	const char *source_otherwise; /* what to do about another one, or NULL */
	const struct kvf_def_arg *args;
	size_t nargs;
	const struct kvf_def_with *with; /* the first ones of every package */
	size_t nwith;
	const struct kvf_def_check *checks;
	size_t nchecks;
	uint64_t schema;
	struct kvf_bytes version_part, version_key, version_started, version_done;
	const struct kvf_def_package *packages;
	size_t npackages;
	const struct kvf_drop *drop;
	size_t ndrop;
};

/* One definition file: its name as messages show it, and its contents. */
struct kvf_def_file {
	const char *name; /* "application.yaml", "auth.yaml" ... */
	struct kvf_bytes text;
};

/*
 * Load and compile from memory; one file is "application.yaml".  As
 * kvf_formats_load() otherwise.  The files are borrowed for the call.
 */
KVF_MUST_CHECK enum kvf_status kvf_formats_load_files(const struct kvf_def_file *files,
						      size_t n, struct kvf_formats **out,
						      struct kvf_err *err);

/* The definition behind `f`; valid until kvf_formats_free(). */
const struct kvf_def *kvf_formats_def(const struct kvf_formats *f);

/* The word of the language: "string", "int32"; "hex"; "protobuf". */
const char *kvf_type_name(enum kvf_type t);
const char *kvf_filter_name(enum kvf_filter id);
const char *kvf_encoding_name(enum kvf_encoding e);

/*
 * The let of `record` called `name` among its first `upto` ones, or NULL: a let
 * sees those before it, entries and values see all (upto = nlets).
 */
const struct kvf_def_let *kvf_def_find_let(const struct kvf_def_record *record, size_t upto,
					   const char *name);

/*
 * The names of all columns that a record reads, each once, in the order of
 * their first use: lets, then entries with their values.  `names` is NULL
 * to count.  Returns how many there are.
 */
size_t kvf_def_columns(const struct kvf_def_record *record, const char **names);
/* Of these, those that partitions and keys are made of, into `names`. */
size_t kvf_def_key_columns(const struct kvf_def_record *record, const char **names);

#endif
