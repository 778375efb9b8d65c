/* init - the text of a first definition, apart from the files it goes to. */
#ifndef KVF_INIT_H
#define KVF_INIT_H

#include "base/buf.h"
#include "formats/def.h"

/* The package that init writes: its name, and its file. */
#define KVF_INIT_PACKAGE "tables"

KVF_MUST_CHECK enum kvf_status
kvf_init_application(struct kvf_buf *out, const char *application,
		     const struct kvf_table *tables, size_t n, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_init_package(struct kvf_buf *out, const char *application,
						const struct kvf_table *tables, size_t n,
						struct kvf_err *err);

/* The comment that shows how children go into their parent's value; nothing
 * where no two tables look like a family. */
KVF_MUST_CHECK enum kvf_status kvf_init_example(struct kvf_buf *out,
						const struct kvf_table *tables, size_t n,
						struct kvf_err *err);

/* "int", "decimal" ...: the type that a column's declaration asks for. */
const char *kvf_init_type(const struct kvf_column *column);

/* Non-zero if no character of `name` needs an escape in YAML. */
int kvf_init_plain(const char *name);

/*
 * Append text in which names of any characters stand, each so that the language
 * around it reads it back:
 *
 *   %s  as it is                     %y  a YAML scalar in double quotes
 *   %w  a YAML key: a word or %y     %i  an SQL identifier
 *   %t  an SQL text                  %p  the name in a placeholder
 *   %k  a segment of a key, urlencoded, braces and all
 *   %c  for a comment: control characters as "?"
 *   %u  a uint64_t                   %%  a percent sign
 */
KVF_MUST_CHECK enum kvf_status kvf_init_emit(struct kvf_buf *out, struct kvf_err *err,
					     const char *format, ...);

#endif
