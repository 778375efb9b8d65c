/*
 * record - the control records of a stream, between bytes and structs.
 *
 * Writing checks that what it is given can be read back (KVF_EDEFINITION);
 * reading checks everything that one record alone can show (KVF_ESTREAM, with
 * the place inside the unit in `detail`).
 */
#ifndef KVF_RECORD_H
#define KVF_RECORD_H

#include <kvferry/stream.h>

#include "base/buf.h"
#include "stream/mp.h"

#define KVF_MAGIC_LEN 9
extern const uint8_t kvf_magic[KVF_MAGIC_LEN];

/* Format maxima; formats/stream-v1.md, "Limits". */
#define KVF_CONTROL_MAX (16u << 20)
#define KVF_PART_MAX 65535u
#define KVF_KEY_MAX 65535u
#define KVF_VALUE_MAX (1u << 30)
#define KVF_UNIT_MAX ((1u << 30) + (64u << 20))
#define KVF_UNIT_SLACK (64u << 10) /* what a chunk unit has besides entries */
#define KVF_APP_MAX 64
#define KVF_NAME_MAX 1024 /* kinds, tables, columns, sources */
#define KVF_FIELD_NAME_MAX 128
#define KVF_PACKAGE_NAME_MAX 64
#define KVF_PACKAGES_MAX 4096
#define KVF_FEATURES_MAX 16
#define KVF_FEATURE_NAME_MAX 32
#define KVF_ARGS_MAX 32
#define KVF_ARG_NAME_MAX 64
#define KVF_ARG_VALUE_MAX 65535
#define KVF_SIDES_MAX 64
#define KVF_LIST_MAX 65535 /* kinds, tables, columns, sources, ddl */
#define KVF_MESSAGES_MAX 1024
#define KVF_FIELDS_MAX 512
#define KVF_FIELD_NUMBER_MAX ((1u << 29) - 1)
#define KVF_PIECES_MAX 8
#define KVF_PIECE_MAX 1024
#define KVF_TYPE_MAX 64
#define KVF_ABORT_MAX 4096
#define KVF_VERSION_MAX 256 /* each text of the version record */

enum kvf_record_type {
	KVF_REC_NONE, /* not a control record, or an unknown one */
	KVF_REC_HEAD,
	KVF_REC_BEGIN,
	KVF_REC_CHUNK,
	KVF_REC_ENDC,
	KVF_REC_END,
	KVF_REC_TAIL,
	KVF_REC_ABORT
};

/* By the first bytes alone: a map whose first key is "$".  No check of the rest. */
enum kvf_record_type kvf_record_peek(const uint8_t *p, size_t len);

struct kvf_chunk_record {
	uint8_t h[8];
	uint64_t i, n;
};
struct kvf_endc_record {
	uint64_t b, c;
	uint8_t d[32], m[16];
};
struct kvf_abort_record {
	uint64_t code;
	char message[KVF_ABORT_MAX + 1];
};

/* The smallest and the largest encoding of the two that frame a chunk. */
#define KVF_CHUNK_RECORD_MAX 64
#define KVF_ENDC_RECORD_MAX 128
size_t kvf_write_chunk_record(uint8_t *to, const struct kvf_chunk_record *c);
size_t kvf_write_endc_record(uint8_t *to, const struct kvf_endc_record *e);

/* Append one unit to `buf`, whose cap should be KVF_CONTROL_MAX. */
KVF_MUST_CHECK enum kvf_status kvf_write_head(struct kvf_buf *buf, const struct kvf_head *head,
					      struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status
kvf_write_begin(struct kvf_buf *buf, const struct kvf_begin *begin, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_write_end(struct kvf_buf *buf, const struct kvf_end *end,
					     struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_write_tail(struct kvf_buf *buf, const struct kvf_tail *tail,
					      struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_write_abort(struct kvf_buf *buf, int code,
					       const char *message, struct kvf_err *err);

/* These two stand inside a chunk unit: they leave `m` behind the record. */
int kvf_read_chunk_record(struct kvf_mp *m, struct kvf_chunk_record *c);
int kvf_read_endc_record(struct kvf_mp *m, struct kvf_endc_record *e);

/* The whole unit is one record.  `sides` of an end live in `arena`. */
KVF_MUST_CHECK enum kvf_status kvf_read_end(struct kvf_bytes unit, struct kvf_arena *arena,
					    struct kvf_end *end, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_read_tail(struct kvf_bytes unit, struct kvf_tail *tail,
					     struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_read_abort(struct kvf_bytes unit, struct kvf_abort_record *a,
					      struct kvf_err *err);

/* ---- shared by the files of records ------------------------------------------ */

/* Expect the map of record `name`; its "$" has been read when this returns 1. */
int kvf_record_open(struct kvf_mp *m, struct kvf_mp_map *map, const char *name);
/* A key that the record does not know: "_..." is skipped, others fail. */
int kvf_record_other(struct kvf_mp *m, struct kvf_mp_map *map, unsigned open);
/* Turn a cursor that ended or failed into a status; the unit must be used up. */
KVF_MUST_CHECK enum kvf_status kvf_record_done(const struct kvf_mp *m, struct kvf_bytes unit,
					       const char *name, struct kvf_err *err);

/*
 * Where a parsed record keeps what it points to: structs in an arena, texts
 * with their NUL in one block as large as the unit (each text loses its head of
 * at least one byte and gains one NUL, so it always fits).
 */
struct kvf_pool_text {
	struct kvf_arena arena;
	char *text;
	size_t used;
	int nomem;
};
int kvf_keep_init(struct kvf_pool_text *k, size_t unit_len);
void kvf_keep_release(struct kvf_pool_text *k);
const char *kvf_keep_text(struct kvf_pool_text *k, struct kvf_bytes b);
/* n * size zeroed bytes, or NULL with `nomem` set; n may be 0. */
void *kvf_keep_array(struct kvf_pool_text *k, size_t n, size_t size);

/* `cols`: the shapes of exactly-carried tables (cols.c). */
void kvf_write_cols(struct kvf_mpw *w, const struct kvf_table *tables, size_t n);
int kvf_read_cols(struct kvf_mp *m, struct kvf_pool_text *k, const struct kvf_table **tables,
		  size_t *n);
/* NULL, or why a restore could not use these shapes. */
const char *kvf_check_cols(const struct kvf_table *tables, size_t n);

/* `kinds` and `msgs` (kinds.c). */
void kvf_write_kinds(struct kvf_mpw *w, const struct kvf_kind *kinds, size_t n);
void kvf_write_messages(struct kvf_mpw *w, const struct kvf_message *messages, size_t n);
int kvf_read_kinds(struct kvf_mp *m, struct kvf_pool_text *k, const struct kvf_kind **kinds,
		   size_t *n);
int kvf_read_messages(struct kvf_mp *m, struct kvf_pool_text *k,
		      const struct kvf_message **messages, size_t *n);
const char *kvf_check_kinds(const struct kvf_begin *begin);

/* NULL, or what is wrong: rules that hold for writers and readers alike. */
const char *kvf_check_head(const struct kvf_head *head);
const char *kvf_check_begin(const struct kvf_begin *begin);
/* Non-zero for [a-z0-9][a-z0-9_.-]* of at most `max` bytes. */
int kvf_is_word(const char *s, size_t max);
/* Non-zero for UTF-8 of 1 to `max` bytes without control characters. */
int kvf_is_name(const char *s, size_t max);

#endif
