/* text - UTF-8, near misses, glob patterns: what several modules need of text. */
#ifndef KVF_TEXT_H
#define KVF_TEXT_H

#include <kvferry/base.h>

/* Length of the longest valid UTF-8 prefix (no surrogates, no overlong forms). */
size_t kvf_utf8_valid(const void *bytes, size_t len);

/* The candidate nearest to `word` (edit distance at most a third of its length),
 * or NULL: for "did you mean". */
const char *kvf_did_you_mean(const char *word, const char *const *candidates, size_t n);

/* pg_dump's patterns: "*" any run, "?" one character, else literal; 1 = match. */
int kvf_glob(const char *pattern, const char *name);

/* "64M", "1GiB", "4096": bytes.  0 on nonsense or overflow, else 1. */
int kvf_parse_size(const char *text, uint64_t *out);

/* Microseconds since 1970 UTC, of the wall clock: for records, never for
 * decisions.  Seconds of the monotonic clock, for durations. */
int64_t kvf_now_us(void);
double kvf_monotonic(void);

#endif
