/* load - nodes into definitions. */
#ifndef KVF_LOAD_H
#define KVF_LOAD_H

#include "formats/yaml.h"

/* application.yaml; packages[] get their names and places only. */
KVF_MUST_CHECK enum kvf_status
kvf_load_application(struct kvf_def *def, const struct kvf_node *root,
		     struct kvf_def_package **packages, struct kvf_err *err);

/* `drop:` of application.yaml. */
KVF_MUST_CHECK enum kvf_status kvf_load_drop(struct kvf_def *def, const struct kvf_node *node,
					     struct kvf_err *err);

/* NAME.yaml into `p`, whose name is set. */
KVF_MUST_CHECK enum kvf_status kvf_load_package(struct kvf_arena *arena,
						const struct kvf_node *root,
						struct kvf_def_package *p, struct kvf_err *err);

/* A list of texts; `what` and `element` name them in messages. */
KVF_MUST_CHECK enum kvf_status kvf_load_texts(struct kvf_arena *arena,
					      const struct kvf_node *node, const char *what,
					      const char *element, const char *const **out,
					      size_t *count, struct kvf_err *err);

/* The mapping under `with:`, behind the *n queries that *out has already. */
KVF_MUST_CHECK enum kvf_status
kvf_load_with(struct kvf_arena *arena, const struct kvf_node *node,
	      const struct kvf_def_with **out, size_t *n, struct kvf_err *err);

/* The list under `checks:`. */
KVF_MUST_CHECK enum kvf_status
kvf_load_checks(struct kvf_arena *arena, const struct kvf_node *node,
		const struct kvf_def_check **out, size_t *n, struct kvf_err *err);

/* The mapping under `values:`. */
KVF_MUST_CHECK enum kvf_status kvf_load_values(struct kvf_arena *arena,
					       const struct kvf_node *node,
					       struct kvf_def_package *p, struct kvf_err *err);

#endif
