/* text - UTF-8, near misses, glob patterns: what several modules need of text. */
#ifndef KVF_TEXT_H
#define KVF_TEXT_H

#include <kvferry/base.h>

/* Length of the longest valid UTF-8 prefix (no surrogates, no overlong forms). */
size_t kvf_utf8_valid(const void *bytes, size_t len);

/*
 * Make `s` fit for a terminal and for JSON, in place: a control character (C0,
 * DEL, C1) or a byte that is not UTF-8 becomes "?" per byte.  `keep` is a
 * control character that may stay ('\n'), or 0.
 */
void kvf_text_clean(char *s, char keep);

/* Is it a connection string of libpq that begins with a keyword, as in
 * "service=legacy" or "host=db dbname=shop"?  1 = yes.  URIs are not meant. */
int kvf_is_conninfo(const char *text);

/* As a word of the shell: between double quotes where it has to be.  Cut to fit. */
const char *kvf_text_word(const char *text, char *buf, size_t size);

/* Passwords in connection strings and URIs become "***", in place. */
void kvf_text_redact(char *s);

/*
 * The candidate nearest to `word`, or NULL: for "did you mean".  Near means at
 * most one edit per three characters (one for a word of two to five); an edit
 * inserts, drops or replaces a character, or swaps two neighbours; capitals do
 * not count in a word that is right otherwise.  The first of equally near ones
 * wins.
 */
const char *kvf_did_you_mean(const char *word, const char *const *candidates, size_t n);

/*
 * pg_dump's patterns: "*" any run, "?" one UTF-8 character, else literal; 1 =
 * match.  Between double quotes everything is literal, "" is a quote there; a
 * quote without a second one stands for itself.  Capitals count.
 */
int kvf_glob(const char *pattern, const char *name);

/* "64M", "1GiB", "4096": bytes, in powers of 1024.  0 on nonsense or overflow, else 1. */
int kvf_parse_size(const char *text, uint64_t *out);

/* Microseconds since 1970 UTC, of the wall clock: for records, never for
 * decisions.  Seconds of the monotonic clock, for durations. */
int64_t kvf_now_us(void);
double kvf_monotonic(void);

#endif
