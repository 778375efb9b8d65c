/*
 * exact - keys of tables that are carried as they are (docs/tables.md).
 *
 * A key is readable, and injective: two different lists of cells never give
 * the same key.  The first byte of a cell tells its type.
 *
 *   NULL ~ (no key has it) | INT decimal | REAL with '.' or 'e', +inf, -inf, +nan:BITS
 *   TEXT as it is after a letter, else behind ' | BLOB 0x and hex
 *   BOOL +true, +false
 *
 * In text '/', '%', control characters and what is not UTF-8 are %XX.
 */
#ifndef KVF_FORMATS_EXACT_H
#define KVF_FORMATS_EXACT_H

#include <kvferry/package.h>

#include "value/sink.h"

/* Append one cell to the key buffer.  KVF_EREJECT over the cap. */
KVF_MUST_CHECK enum kvf_status
kvf_exact_key_cell(struct kvf_sink *sink, const struct kvf_cell *cell, struct kvf_err *err);

#endif
