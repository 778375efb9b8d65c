/*
 * kvferry/package.h - the door through which every package comes, whether it
 * was compiled from YAML, written in C, or made up for tables carried as they
 * are.
 *
 * A package says which rows it wants (records), how its values can be read
 * later (kinds, messages, tables), and turns a row into entries.  That last
 * part, `convert`, is the one function to implement; all else is static data.
 */
#ifndef KVFERRY_PACKAGE_H
#define KVFERRY_PACKAGE_H

#include <kvferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- rows -------------------------------------------------------------- */

enum kvf_cell_type {
	KVF_CELL_NULL,
	KVF_CELL_INT,  /* signed 64 bit */
	KVF_CELL_REAL, /* IEEE 754 double, every bit pattern kept */
	KVF_CELL_TEXT, /* bytes the source calls text; not always UTF-8 */
	KVF_CELL_BLOB,
	KVF_CELL_BOOL /* in `i`; sources without booleans never send it */
};

/* One column of one row.  `b` is borrowed: valid until the next row is read. */
struct kvf_cell {
	enum kvf_cell_type type;
	union {
		int64_t i;
		double r;
		struct kvf_bytes b;
	} u;
};

/* One row, in the order of the record's columns.  Borrowed like its cells. */
struct kvf_row {
	const struct kvf_cell *cells;
	size_t ncells;
	uint64_t ordinal; /* 1, 2, 3 ... in the order of this scan */
};

/* ---- tables ------------------------------------------------------------ */

enum {
	KVF_COLUMN_NOTNULL = 1,   /* never renumber: these are on disk */
	KVF_COLUMN_GENERATED = 2, /* computed by the source from other columns */
	KVF_COLUMN_HIDDEN = 4,    /* not part of SELECT * */
	KVF_COLUMN_STORED = 8     /* generated, and stored rather than virtual */
};

struct kvf_column {
	const char *name; /* UTF-8, any characters */
	const char *type; /* as the source spells it; "" if none */
	unsigned flags;   /* KVF_COLUMN_* */
};

enum {
	KVF_TABLE_VIEW = 1,
	KVF_TABLE_KEY_HAS_NULLS = 2, /* key columns may be NULL: not unique then */
	KVF_TABLE_WITHOUT_ROWID = 4,
	KVF_TABLE_STRICT = 8,
	KVF_TABLE_VIRTUAL = 16
};

/* A set of columns that the source keeps unique. */
struct kvf_unique {
	const uint32_t *columns;
	size_t ncolumns;
	int nullable; /* some column may be NULL, and NULLs are distinct */
	int partial;  /* holds for some rows only; or is on expressions */
};

/* A statement that makes the table or something that hangs on it. */
struct kvf_ddl {
	const char *kind; /* "table" "index" "trigger" "view" "foreign-key" */
	const char *name;
	const char *sql;
};

/* The shape of a table, view or query.  Owned by whoever hands it out. */
struct kvf_table {
	const char *name;
	const char *dialect; /* "sqlite", "postgresql" ... */
	unsigned flags;      /* KVF_TABLE_* */
	const struct kvf_column *columns;
	size_t ncolumns;
	const uint32_t *key;             /* primary key, in key order */
	size_t nkey;                     /* 0: rows have no key */
	const struct kvf_unique *unique; /* further unique constraints */
	size_t nunique;
	const struct kvf_ddl *ddl;
	size_t nddl;
	uint64_t rows;  /* UINT64_MAX = unknown */
	uint64_t bytes; /* UINT64_MAX = unknown */
	int rows_exact; /* non-zero: counted, not estimated */
};

/* ---- how to read values without the package ---------------------------- */

/* On disk by name: raw, msgpack, json, protobuf. */
enum kvf_encoding { KVF_RAW, KVF_MSGPACK, KVF_JSON, KVF_PROTOBUF };

/*
 * The literal pieces of a template around its placeholders: one piece means
 * "equal"; else the first is a prefix, the last a suffix, and the others follow
 * in order, leftmost match.  At most 8 pieces of at most 1,024 bytes.
 */
struct kvf_pattern {
	const struct kvf_bytes *pieces;
	size_t npieces;
};

struct kvf_kind {
	const char *name; /* <= 1,024 bytes, no control characters */
	uint64_t rev;
	enum kvf_encoding enc;
	uint32_t msg; /* index of its message when enc is protobuf */
	struct kvf_pattern part, key;
};

struct kvf_field {
	uint32_t number; /* 1 ... 2^29 - 1, ascending in its message */
	const char *name;
	const char *type; /* "string", "repeated message", "map<string,string>" */
	int64_t ref;      /* index of the message table, or -1 */
};

struct kvf_message {
	const char *name;
	const struct kvf_field *fields;
	size_t nfields;
};

/* ---- entries out ------------------------------------------------------- */

/*
 * Where convert() puts its entries.  The three buffers are scratch that the
 * sink owns and reuses, so that a conversion allocates nothing once they have
 * grown: append to them, then call kvf_sink_put().  One sink belongs to one
 * thread.
 */
struct kvf_sink;

enum kvf_sink_buffer { KVF_SINK_PART, KVF_SINK_KEY, KVF_SINK_VALUE };

/* Empty one buffer. */
KVF_API void kvf_sink_reset(struct kvf_sink *sink, enum kvf_sink_buffer which);

/* Append bytes to one buffer.  KVF_ENOMEM, or KVF_EREJECT over the cap. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_sink_append(struct kvf_sink *sink, enum kvf_sink_buffer which, const void *bytes,
		size_t len, struct kvf_err *err);

enum {
	/*
	 * The key ends in a digest of the row, and equal rows are to be told
	 * apart: the sorter appends "." and ten digits that count from 1 among
	 * equal keys.
	 */
	KVF_PUT_ORDINAL = 1
};

/* One entry out of the three buffers, which keep their contents. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_sink_put(struct kvf_sink *sink, unsigned flags,
						    struct kvf_err *err);

/* One entry out of views; they are copied. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_sink_put_entry(struct kvf_sink *sink,
							  const struct kvf_entry *entry,
							  unsigned flags, struct kvf_err *err);

/* ---- packages ---------------------------------------------------------- */

/* One kind of row. Exactly one of `table` and `query` is set. */
struct kvf_record {
	const char *name;
	const char *table;          /* a table or view of the source */
	const char *where;          /* SQL condition on it, or NULL */
	const char *query;          /* a SELECT; its columns are the row */
	const char *const *columns; /* columns wanted, by name, in row order */
	size_t ncolumns;            /* 0: all columns in the source's order */
	const char *const *key;     /* columns that partitions and keys are made of, which tell
				       people the row; NULL: those of the table's own key */
	size_t nkey;
	int ordered; /* declared: entries come out ascending */
};

/*
 * A question to the source that is asked before anything is read: each row is
 * a finding, its first column names what is meant.  Findings of an error refuse
 * the run; others are counted and shown.
 */
struct kvf_check {
	const char *code;  /* stable word: "token-expired" */
	const char *text;  /* what the findings are, for people */
	const char *hint;  /* what to do, or NULL */
	const char *query; /* a SELECT */
	int error;
};

/*
 * The way back: the rows of a legacy table out of the package's entries.  For
 * the query each kind is a table of its name, with the columns partition, key,
 * value (bytes) and doc (the value as JSON, NULL where it is raw).
 */
struct kvf_back {
	const char *table;
	const char *query; /* its columns are named as the table's */
};

struct kvf_package {
	const char *name; /* [a-z0-9][a-z0-9_.-]*, <= 64 bytes */
	uint64_t rev;
	const struct kvf_record *records;
	size_t nrecords;
	/*
	 * Reports that are written beside the stream, `name` being the file's: a row
	 * becomes one line.  convert() knows them as the records behind the last
	 * one; the line is the value of the entry that it puts.  A query's order is
	 * the order of the lines.
	 */
	const struct kvf_record *sides;
	size_t nsides;
	const struct kvf_check *checks;
	size_t nchecks;
	const struct kvf_back *back; /* in the order in which tables are filled */
	size_t nback;
	const char *const *lost; /* what cannot return, for people */
	size_t nlost;
	const struct kvf_kind *kinds;
	size_t nkinds;
	const struct kvf_message *messages;
	size_t nmessages;
	const struct kvf_table *tables; /* shapes, for exactly-carried tables only */
	size_t ntables;

	/*
	 * Turn one row of records[record] into entries by calling
	 * kvf_sink_put*() any number of times.  A row that cannot be carried is
	 * KVF_EREJECT with the reason; everything else ends the export.  Called
	 * from several threads at once, each with a sink of its own: keep
	 * nothing in `self` that changes.
	 */
	enum kvf_status (*convert)(const struct kvf_package *self, size_t record,
				   const struct kvf_row *row, struct kvf_sink *sink,
				   struct kvf_err *err);
	/*
	 * Which of the kinds made the entry, where more is known than the kinds'
	 * patterns say: its index, or nkinds for none.  NULL: by the patterns.
	 */
	size_t (*kind_of)(const struct kvf_package *self, struct kvf_bytes part,
			  struct kvf_bytes key);
	void *state;                               /* for convert(); never touched by others */
	void (*release)(struct kvf_package *self); /* frees what state owns; or NULL */
};

/* What --arg gives: :'name' in a query is its value as an SQL literal. */
enum kvf_arg_type {
	KVF_ARG_TEXT,
	KVF_ARG_INTEGER,   /* signed 64 bit */
	KVF_ARG_TIMESTAMP, /* 2026-11-20T09:39:02.123456Z */
	KVF_ARG_FOLDER     /* files, as a JSON array of {"path", "content": "\\xHEX"} */
};
struct kvf_arg {
	const char *name, *help;
	enum kvf_arg_type type;
	const char *fallback; /* SQL that yields it where it is not given, or NULL */
	const char *files;    /* of a folder: which ones, by pattern */
};

/* What drop-legacy may remove from the source, in the order in which it goes. */
enum kvf_drop_kind {
	KVF_DROP_VIEW,
	KVF_DROP_TABLE,
	KVF_DROP_SEQUENCE,
	KVF_DROP_FUNCTION,
	KVF_DROP_TYPE,
};
/* And when: always, or as options of drop-legacy say. */
enum kvf_drop_part {
	KVF_DROP_LEGACY,
	KVF_DROP_LEFTOVER,      /* of older releases: --leftovers */
	KVF_DROP_VERSION_TABLE, /* the legacy schema's version: --version-table */
};
struct kvf_drop {
	const char *name; /* "NAME" or "SCHEMA.NAME" */
	enum kvf_drop_kind kind;
	enum kvf_drop_part part;
};

/*
 * An application: its packages and versions.  What formats/NAME/application.yaml
 * says, or what a C program fills in.
 */
struct kvf_application {
	const char *name;                    /* "" = tables carried as they are */
	struct kvf_package *const *packages; /* in stream order */
	size_t npackages;
	const char *source_version;   /* SQL that yields one number; NULL = none */
	uint64_t source_requires;     /* the version it must yield */
	const char *source_otherwise; /* what to do about another one, or NULL */
	const struct kvf_arg *args;
	size_t nargs;
	const struct kvf_check *checks; /* of the whole; packages have their own */
	size_t nchecks;
	uint64_t schema; /* the version that a commit sets */
	/* The application's own version record in the store; part.len + key.len
	 * == 0 means there is none. */
	struct kvf_bytes version_part, version_key, version_started, version_done;
	const struct kvf_drop *drop; /* for drop-legacy, ascending by kind */
	size_t ndrop;
};

#ifdef __cplusplus
}
#endif

#endif
