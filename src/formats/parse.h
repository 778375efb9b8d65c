/* parse - the small languages inside scalars: templates and conditions. */
#ifndef KVF_PARSE_H
#define KVF_PARSE_H

#include "formats/yaml.h"

/* KVF_EDEFINITION with the place inside the scalar. */
KVF_MUST_CHECK enum kvf_status
kvf_template_parse(struct kvf_arena *arena, const struct kvf_node *node,
		   struct kvf_def_template *out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_expr_parse(struct kvf_arena *arena,
					      const struct kvf_node *node,
					      struct kvf_def_expr *out, struct kvf_err *err);

/* A template that is the one placeholder {name}, written at `pos`. */
KVF_MUST_CHECK enum kvf_status
kvf_template_of_name(struct kvf_arena *arena, struct kvf_pos pos, const char *name,
		     struct kvf_def_template *out, struct kvf_err *err);

/* One placeholder without filters: keeps the type of what it names. */
static inline int kvf_template_is_plain(const struct kvf_def_template *t)
{
	return t->npieces == 1 && t->pieces[0].name && t->pieces[0].nfilters == 0 &&
	       !t->pieces[0].optional;
}

/* Of a word in templates and conditions: letters, digits, "_", non-ASCII. */
int kvf_is_word_byte(uint8_t c);

#endif
