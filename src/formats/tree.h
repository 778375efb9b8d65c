/*
 * tree - values that describe themselves: one walk over fields and elements,
 * and a writer for each notation.
 */
#ifndef KVF_TREE_H
#define KVF_TREE_H

#include "formats/run.h"

enum kvf_tree_node { KVF_TREE_LIST, KVF_TREE_MAP };

/*
 * How a notation writes.  Containers are opened before it is known how much
 * will be in them: close() gets the mark that open() set, and the count.
 */
struct kvf_tree_writer {
	enum kvf_status (*open)(struct kvf_buf *b, enum kvf_tree_node node, size_t *mark,
				struct kvf_err *err);
	enum kvf_status (*close)(struct kvf_buf *b, enum kvf_tree_node node, size_t mark,
				 size_t n, struct kvf_err *err);
	/* Between two elements or members. */
	enum kvf_status (*separate)(struct kvf_buf *b, struct kvf_err *err);
	enum kvf_status (*name)(struct kvf_buf *b, struct kvf_bytes name, struct kvf_err *err);
	enum kvf_status (*null)(struct kvf_buf *b, struct kvf_err *err);
	enum kvf_status (*boolean)(struct kvf_buf *b, int v, struct kvf_err *err);
	enum kvf_status (*i64)(struct kvf_buf *b, int64_t v, struct kvf_err *err);
	enum kvf_status (*u64)(struct kvf_buf *b, uint64_t v, struct kvf_err *err);
	enum kvf_status (*real)(struct kvf_buf *b, double v, struct kvf_err *err);
	enum kvf_status (*string)(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err);
	enum kvf_status (*bytes)(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err);
	enum kvf_status (*decimal)(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err);
	enum kvf_status (*time)(struct kvf_buf *b, struct kvf_timestamp v, struct kvf_err *err);
	enum kvf_status (*json)(struct kvf_buf *b, const struct kvf_json *json, uint32_t token,
				struct kvf_scratch *scratch, struct kvf_err *err);
};

extern const struct kvf_tree_writer kvf_tree_json;
extern const struct kvf_tree_writer kvf_tree_msgpack;

/* The fields as one map.  Blames. */
KVF_MUST_CHECK enum kvf_status
kvf_encode_tree(struct kvf_run *run, const struct kvf_tree_writer *w,
		const struct kvf_prog_field *fields, size_t n, struct kvf_err *err);

#endif
