/*
 * yaml - the strict subset of YAML, as a tree of nodes that know their place.
 *
 * No anchors, aliases, tags, directives, further documents or keys that stand
 * twice.  A scalar is its text: what it means is decided by whoever reads it.
 */
#ifndef KVF_YAML_H
#define KVF_YAML_H

#include "formats/def.h"

enum kvf_node_type { KVF_NODE_SCALAR, KVF_NODE_LIST, KVF_NODE_MAP };

struct kvf_node {
	enum kvf_node_type type;
	struct kvf_pos pos;
	struct kvf_bytes text;  /* scalar; NUL-terminated behind len */
	int exact;              /* its characters stand as they are, in one line */
	int absent;             /* "key:" with nothing behind it, or a bare ~ */
	struct kvf_node *next;  /* the next element, or the next member's value */
	struct kvf_node *key;   /* in a mapping: this value's key */
	struct kvf_node *first; /* list, map: in the order written */
	size_t n;
};

/* Parse `text`; nodes and `file` live in `arena`.  KVF_EDEFINITION. */
KVF_MUST_CHECK enum kvf_status kvf_yaml_parse(struct kvf_arena *arena, const char *file,
					      struct kvf_bytes text, struct kvf_node **root,
					      struct kvf_err *err);

/* The place of byte `at` of a scalar's text; the scalar's own where the text was
 * folded or escaped. */
struct kvf_pos kvf_node_at(const struct kvf_node *node, size_t at);

/* "file:line:column: message"; KVF_EDEFINITION. */
enum kvf_status kvf_def_fail(struct kvf_err *err, struct kvf_pos pos, const char *fmt, ...)
	KVF_PRINTF(3, 4);

#endif
