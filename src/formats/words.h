/* words - the words of the language, and reading them from nodes. */
#ifndef KVF_WORDS_H
#define KVF_WORDS_H

#include "formats/yaml.h"

/* A word and what it stands for. */
struct kvf_word {
	const char *name;
	int id;
};

/* The id of `text`, or -1. */
int kvf_word_find(const struct kvf_word *words, size_t n, struct kvf_bytes text);

/* Give the hint "Did you mean ...?" or "Known: ...". */
void kvf_word_hint(struct kvf_err *err, const struct kvf_word *words, size_t n,
		   struct kvf_bytes text);

/*
 * Look the scalar `node` up; an unknown word is KVF_EDEFINITION "unknown WHAT".
 */
KVF_MUST_CHECK enum kvf_status kvf_word_read(const struct kvf_node *node, const char *what,
					     const struct kvf_word *words, size_t n, int *id,
					     struct kvf_err *err);

/*
 * Find the members of a mapping: out[i] = the node of keys[i], or NULL.  Unknown
 * keys are KVF_EDEFINITION with a did-you-mean; so is a node that is no mapping,
 * and a member without a value.  At most KVF_KEYS_MAX keys.
 */
#define KVF_KEYS_MAX 16
KVF_MUST_CHECK enum kvf_status
kvf_node_members(const struct kvf_node *node, const char *what, const char *const *keys,
		 size_t n, const struct kvf_node **out, struct kvf_err *err);

/* A member that must be there. */
KVF_MUST_CHECK enum kvf_status
kvf_node_required(const struct kvf_node *node, const struct kvf_node *member, const char *what,
		  const char *key, struct kvf_err *err);

/* Scalars.  `what` names it in messages ("store.schema"). */
KVF_MUST_CHECK enum kvf_status kvf_node_scalar(const struct kvf_node *node, const char *what,
					       struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_node_text(const struct kvf_node *node, const char *what,
					     const char **out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_node_name(const struct kvf_node *node, const char *what,
					     const char **out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_node_number(const struct kvf_node *node, const char *what,
					       uint64_t least, uint64_t most, uint64_t *out,
					       struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_node_truth(const struct kvf_node *node, const char *what,
					      int *out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_node_collection(const struct kvf_node *node,
						   enum kvf_node_type type, const char *what,
						   struct kvf_err *err);

/* Is it a name of the language?  Also of a package and application? */
int kvf_def_is_name(struct kvf_bytes text);
int kvf_def_is_package_name(struct kvf_bytes text);

#endif
