/* number - numbers as text, exactly and without a locale. */
#ifndef KVF_NUMBER_H
#define KVF_NUMBER_H

#include <kvferry/base.h>

#define KVF_NUMBER_TEXT 32 /* room for the text of any int64, uint64, double */
#define KVF_DECIMAL_EXPONENT_MAX 400

/* A decimal integer: "-" allowed, no "+", no leading zeros, no "-0".  1 if so. */
int kvf_parse_i64(struct kvf_bytes text, int64_t *out);
int kvf_parse_u64(struct kvf_bytes text, uint64_t *out);

/* Write the text, at most KVF_NUMBER_TEXT bytes, without a NUL; returns its length. */
size_t kvf_format_i64(int64_t v, char *out);
size_t kvf_format_u64(uint64_t v, char *out);

/*
 * The shortest decimal that reads back as the same double; it always has a
 * point or an exponent ("2.0", "1e+300").  0 for infinities and NaN.
 */
size_t kvf_format_real(double v, char *out);

/* Length of the JSON number (RFC 8259) that `text` begins with, or 0. */
size_t kvf_json_number_len(struct kvf_bytes text);

/* The double nearest to a JSON number; 0 if it is none or not finite. */
int kvf_parse_real(struct kvf_bytes text, double *out);

enum kvf_decimal { KVF_DECIMAL_OK, KVF_DECIMAL_BAD, KVF_DECIMAL_INEXACT, KVF_DECIMAL_HUGE };

/*
 * A JSON number with exactly `scale` digits behind the point and no exponent:
 * "1.5", 2 -> "1.50"; "-0.00" -> "0.00".  `out` has room for
 * kvf_decimal_room() bytes.  INEXACT: digits other than 0 would be lost.
 */
enum kvf_decimal kvf_decimal_scale(struct kvf_bytes text, unsigned scale, char *out,
				   size_t *len);
static inline size_t kvf_decimal_room(struct kvf_bytes text, unsigned scale)
{
	return text.len + scale + KVF_DECIMAL_EXPONENT_MAX + 4;
}

#endif
