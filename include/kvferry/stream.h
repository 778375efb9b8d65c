/*
 * kvferry/stream.h - write and read a KVF stream, major version 1.
 *
 * The bytes are specified in formats/stream-v1.md; names there and here are
 * the same.  The writer turns ascending entries into units, the reader turns
 * units back into entries and checks everything that the format lets it check:
 * a stream is good only when the reader has returned KVF_EOF.
 */
#ifndef KVFERRY_STREAM_H
#define KVFERRY_STREAM_H

#include <kvferry/base.h>
#include <kvferry/io.h>
#include <kvferry/package.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KVF_CHUNK_DEFAULT (1u << 20)
#define KVF_CHUNK_MIN (4u << 10)
#define KVF_CHUNK_MAX (16u << 20)
#define KVF_CHUNK_ENTRIES_MAX (1u << 20)

/* Largest sizes allowed; what `lim` in the head says, and what readers cap. */
struct kvf_limits {
	uint64_t part, key, value; /* bytes; defaults 1,024 / 4,096 / 64 MiB */
	uint64_t unit;             /* decoded unit; 0 = chunk + the others + 64 KiB */
};

KVF_API struct kvf_limits kvf_limits_default(void);

struct kvf_pair {
	const char *name, *value;
};

/*
 * The `head` record.  Strings are borrowed by the writer until its close; where
 * app, chunk and limits are zero it takes "" and the defaults.
 */
struct kvf_head {
	const char *app;       /* "" = exported without a definition */
	uint64_t from, schema; /* schema version exported from, and to set */
	uint64_t minor;        /* head.v; 0 */
	uint64_t chunk;        /* target T in bytes */
	struct kvf_limits lim;
	const struct kvf_pair *args; /* sorted by name */
	size_t nargs;
	const char *const *packages; /* all package names, in stream order */
	size_t npackages;
	const char *const *features; /* sorted; must-understand */
	size_t nfeatures;
	uint8_t nonce[16];
	int has_nonce;
	/*
	 * head.vrec, optional: [partition, key, started, done], four bins: the
	 * application's own version record, which the commit of an import sets
	 * to `done`.  With it a stream can be restored without the definitions.
	 * An empty version_key means there is none.
	 */
	struct kvf_bytes version_part, version_key, version_started, version_done;
};

/*
 * The feature of a stream that holds a selection (--table, --package,
 * recover): it is never imported as a whole installation and never bumps.
 */
#define KVF_FEATURE_PARTIAL "partial"

/* The `begin` record: what a package says about its entries. */
struct kvf_begin {
	uint64_t n; /* ordinal of the package, from 0 */
	const char *name;
	uint64_t rev;
	const char *const *sources; /* source tables, for people */
	size_t nsources;
	const struct kvf_kind *kinds;
	size_t nkinds;
	const struct kvf_message *messages;
	size_t nmessages;
	const struct kvf_table *tables; /* `cols` */
	size_t ntables;
};

/* A report written beside the stream, named in the `end` record.  This name says
 * that rows are missing: its size and digest are those of the lines of this and all
 * earlier packages. */
#define KVF_SIDE_REJECTS "rejects"
struct kvf_side {
	const char *name;
	uint64_t size;
	uint8_t sha256[32];
};

struct kvf_end {
	uint64_t n, chunks;
	struct kvf_totals totals;
	uint8_t r[32]; /* package root */
	const struct kvf_side *sides;
	size_t nsides;
	int lacks_rows; /* read: one of them is KVF_SIDE_REJECTS */
};

struct kvf_tail {
	uint64_t packages, chunks, entries, bytes;
	uint8_t r[32]; /* stream root R */
	uint8_t m[16]; /* sum of the packages' m (not on disk) */
};

/* ---- writer ------------------------------------------------------------ */

struct kvf_writer;

struct kvf_writer_options {
	int level;                    /* zstd level, 1 by default; negative is fast */
	int level_set;                /* non-zero: `level` counts */
	const struct kvf_pair *notes; /* KVFN lines; shown, never trusted */
	size_t nnotes;
};

/*
 * Write MAGIC and head to `out`.  Compression runs on env->threads workers; L1
 * is the same for every number of them.  `out` is borrowed until
 * kvf_writer_close(); committing it is left to the caller.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_writer_open(struct kvf_output *out, const struct kvf_head *head,
		const struct kvf_writer_options *options, const struct kvf_env *env,
		struct kvf_writer **w, struct kvf_err *err);

/* Packages come in the order of head.packages; begin.n is checked. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_writer_begin(struct kvf_writer *w, const struct kvf_begin *begin, struct kvf_err *err);

/*
 * Add one entry; it is copied.  KVF_EDEFINITION if it does not ascend strictly
 * (both keys are named), KVF_EREJECT if it is over a limit of the head (the
 * option that raises it is named).  Both leave the writer as it was.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_writer_put(struct kvf_writer *w, const struct kvf_entry *entry, struct kvf_err *err);

/*
 * Remember where the stream stands, inside a package, and later take back
 * whatever was put since, as if it had never been there: for entries that are
 * written before it is known whether they are the right ones.  One mark at a
 * time, gone with the end of the package; any number of rewinds to it.  Needs an output that
 * kvf_output_can_rewind(); KVF_EUSAGE otherwise.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_writer_mark(struct kvf_writer *w,
						       struct kvf_err *err);
KVF_API KVF_MUST_CHECK enum kvf_status kvf_writer_rewind(struct kvf_writer *w,
							 struct kvf_err *err);

/* Close the package.  *out (may be NULL) is filled from the `end` record. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_writer_end(struct kvf_writer *w, const struct kvf_side *sides, size_t nsides,
	       struct kvf_end *out, struct kvf_err *err);

/* Tail, notes, seek table.  *out (may be NULL) is filled from the tail. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_writer_finish(struct kvf_writer *w, struct kvf_tail *out, struct kvf_err *err);

/* Instead of finishing: an `abort` record with the producer's exit status. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_writer_abort(struct kvf_writer *w, int code, const char *message, struct kvf_err *err);

/*
 * On an output with something of an earlier run in it (kvf_output_resumable()), the
 * units that come out the same are not compressed and written again.  Is there more
 * of that to come?  As long as there is, nothing can be rewound without losing it.
 */
KVF_API int kvf_writer_follows(const struct kvf_writer *w);
/* Chunks that stand as they were. */
KVF_API uint64_t kvf_writer_kept(const struct kvf_writer *w);

/* Join the workers and free.  NULL is allowed; never fails. */
KVF_API void kvf_writer_close(struct kvf_writer *w);

/* ---- reader ------------------------------------------------------------ */

struct kvf_reader;

struct kvf_reader_options {
	struct kvf_limits caps;     /* what the caller is willing to hold */
	int strict_physical;        /* hints, notes, table must be right as well */
	int allow_features_partial; /* accept feature "partial" */
};

enum kvf_item_type { KVF_ITEM_BEGIN, KVF_ITEM_CHUNK, KVF_ITEM_END, KVF_ITEM_TAIL };

/* A checked chunk: its digests matched before it was handed out. */
struct kvf_chunk {
	struct kvf_chunk_info info;
	struct kvf_bytes entries; /* the encoded entries */
};

/*
 * All pointers are valid until the next kvf_reader_next() or close, except that
 * a begin record stays until the next begin.
 */
struct kvf_item {
	enum kvf_item_type type;
	struct kvf_bytes raw; /* the unit's L1 bytes (BEGIN and END only) */
	union {
		const struct kvf_begin *begin;
		const struct kvf_chunk *chunk;
		const struct kvf_end *end;
		const struct kvf_tail *tail;
	} u;
};

/*
 * Read the head.  `options` may be NULL.  Memory is bounded by the caps,
 * whatever the stream claims.  `in` is borrowed until close.  KVF_EVERSION,
 * KVF_EPREFLIGHT (head.lim above the caps), KVF_ESTREAM, KVF_ETRUNC.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_reader_open(struct kvf_input *in, const struct kvf_reader_options *options,
		const struct kvf_env *env, struct kvf_reader **r, struct kvf_err *err);

/* Valid until close. */
KVF_API const struct kvf_head *kvf_reader_head(const struct kvf_reader *r);
KVF_API struct kvf_bytes kvf_reader_head_unit(const struct kvf_reader *r);

/*
 * The next item.  KVF_EOF only after a tail whose totals and root match all
 * that was read; a stream that merely stops is KVF_ETRUNC.  Errors are sticky.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_reader_next(struct kvf_reader *r, struct kvf_item *item, struct kvf_err *err);

/* How many warnings of the physical layer there were; text of the i-th. */
KVF_API size_t kvf_reader_warnings(const struct kvf_reader *r);
KVF_API const char *kvf_reader_warning(const struct kvf_reader *r, size_t i);

/* The KVFN note, known after KVF_EOF; "" if there is none.  Never trusted. */
KVF_API const char *kvf_reader_note(const struct kvf_reader *r);

/* Stream offsets reached: bytes of the file, and of L1. */
KVF_API uint64_t kvf_reader_file_offset(const struct kvf_reader *r);

KVF_API void kvf_reader_close(struct kvf_reader *r);

/* Iterate the entries of a checked chunk; *at begins at 0; 0 at the end. */
KVF_API int kvf_chunk_next(const struct kvf_chunk *chunk, size_t *at, struct kvf_entry *entry);

/*
 * Look keys up in a seekable native stream, reading only what lies on the way:
 * head, begin records, seek table and index (if those are lost: the hints), the
 * beginnings of O(log chunks) chunks, and one chunk.  KVF_EUSAGE if the stream
 * is a pipe or not in native form: read it from front to back then.
 *
 * On KVF_OK `value` holds the bytes until the next call on `v`.  KVF_ENOTFOUND
 * if no package holds the key.  `package` may be NULL = all, in stream order;
 * *n (n may be NULL) becomes the ordinal of the package.
 *
 * What a result proves: the value stands in a chunk that is whole (its d and m
 * match) and that says it is chunk i of package n of the stream with this head.
 * What it does not prove: that the chunk is one that the roots r and R cover,
 * that other chunks are whole, or, for KVF_ENOTFOUND, that the first keys of
 * the neighbouring chunks are true.  Only reading to KVF_EOF proves that.
 */
struct kvf_view;
KVF_API KVF_MUST_CHECK enum kvf_status kvf_view_open(struct kvf_input *in,
						     const struct kvf_reader_options *options,
						     struct kvf_view **v, struct kvf_err *err);
KVF_API const struct kvf_head *kvf_view_head(const struct kvf_view *v);
/* The begin record of package n, or NULL. */
KVF_API const struct kvf_begin *kvf_view_begin(const struct kvf_view *v, size_t n);
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_view_get(struct kvf_view *v, const char *package, struct kvf_bytes part,
	     struct kvf_bytes key, struct kvf_bytes *value, size_t *n, struct kvf_err *err);
/*
 * The end record of every package (ends[head->npackages], without sides) and
 * the tail, from the control records alone: their totals and the root are
 * checked one against the other, the chunks are not decoded.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_view_totals(struct kvf_view *v, struct kvf_end *ends,
						       struct kvf_tail *tail,
						       struct kvf_err *err);
/* The KVFN note, cut to fit; "" if there is none.  Never trusted. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_view_note(struct kvf_view *v, char *buf, size_t size,
						     struct kvf_err *err);
/* Bytes of the file that were read so far. */
KVF_API uint64_t kvf_view_bytes_read(const struct kvf_view *v);
KVF_API void kvf_view_close(struct kvf_view *v);

/* ---- units and kinds ------------------------------------------------------ */

/* Which kind an entry is of: index into kinds, or nkinds if none matches. */
KVF_API size_t kvf_kind_match(const struct kvf_kind *kinds, size_t nkinds,
			      const struct kvf_entry *entry);

/* Parse a begin unit's L1 bytes (as kept in a store).  Free with _free. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_begin_parse(struct kvf_bytes unit, struct kvf_begin **out, struct kvf_err *err);
KVF_API void kvf_begin_free(struct kvf_begin *begin);
/* Parse a head unit (MAGIC and head). */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_head_parse(struct kvf_bytes unit, struct kvf_head **out, struct kvf_err *err);
KVF_API void kvf_head_free(struct kvf_head *head);

#ifdef __cplusplus
}
#endif

#endif
