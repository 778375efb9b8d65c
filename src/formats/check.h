/* check - what the parts of check share.  One checker lives for one call. */
#ifndef KVF_CHECK_H
#define KVF_CHECK_H

#include "base/buf.h"
#include "formats/check_keys.h"
#include "formats/def.h"

/* One entry of the definition, with what its templates can make. */
struct kvf_check_entry {
	const struct kvf_def_package *package;
	const struct kvf_def_record *record;
	const struct kvf_def_entry *entry;
	const struct kvf_table *shape; /* or NULL */
	const struct kvf_kind *kind;   /* as it goes on disk */
	size_t ordinal;                /* of its kind in the package */
	struct kvf_key *part, *key;
};

struct kvf_checker {
	struct kvf_arena arena;
	const struct kvf_def *def;
	const struct kvf_application *app;
	const struct kvf_table *const *const *shapes;
	const struct kvf_table *tables;
	size_t ntables;
	struct kvf_check_entry *entries;
	size_t nentries;
	uint64_t budget; /* of all walks together: see kvf_key */
	struct kvf_findings *out;
	size_t room; /* findings that out->list has room for */
};

/* Add a finding.  `where` is text, or comes from a place. */
KVF_MUST_CHECK enum kvf_status
kvf_check_add(struct kvf_checker *c, struct kvf_err *err, enum kvf_finding_level level,
	      const char *where, const char *package, const char *record, const char *code,
	      const char *fmt, ...) KVF_PRINTF(8, 9);
KVF_MUST_CHECK enum kvf_status
kvf_check_add_at(struct kvf_checker *c, struct kvf_err *err, enum kvf_finding_level level,
		 const struct kvf_pos *pos, const struct kvf_def_package *package,
		 const struct kvf_def_record *record, const char *code, const char *fmt, ...)
	KVF_PRINTF(8, 9);

/* Keys: unique for each row, apart from each other, readable by their kinds. */
KVF_MUST_CHECK enum kvf_status kvf_check_entries(struct kvf_checker *c, struct kvf_err *err);

/* Against the source: what is not carried, and whether there is a way back. */
KVF_MUST_CHECK enum kvf_status kvf_check_live(struct kvf_checker *c, struct kvf_err *err);

/*
 * Is `column` (of a row of e->record) determined by the entry's partition and
 * key?  With `invert` also: can it be computed back from them?  YES, NO, or
 * UNDECIDED; NO leaves the reason in `why`.
 */
KVF_MUST_CHECK enum kvf_status
kvf_check_determined(const struct kvf_check_entry *e, const char *column, int invert,
		     enum kvf_answer *answer, char *why, size_t size, struct kvf_err *err);

#endif
