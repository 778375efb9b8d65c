/*
 * postgres_binary - texts of an export in PostgreSQL's binary form.
 *
 * The way back of source/postgres_cell.c: only what that writes is read, and
 * anything else is no value.  Lengths are small; a numeric may be long.
 */
#include "restore/postgres.h"

#include "base/hash.h"

#include <string.h>

#define DAYS_TO_2000 10957
#define USECS_PER_DAY INT64_C(86400000000)
#define DIGITS_MAX 20000 /* of a numeric, in base 10000 */

struct text {
	const uint8_t *at, *end;
};

static int take(struct text *t, const char *what)
{
	size_t n = strlen(what);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, what, n) != 0)
		return 0;
	t->at += n;
	return 1;
}

/* `least` digits or more, at most `most`. */
static int take_digits(struct text *t, int least, int most, int64_t *out)
{
	int n = 0;

	for (*out = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9' && n < most; n++)
		*out = *out * 10 + (*t->at++ - '0');
	return n >= least;
}

/* ---- dates and times ------------------------------------------------------------- */

/* Days from 2000-01-01. */
static int64_t day_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468 - DAYS_TO_2000;
}

struct day {
	int64_t year, month, day;
};

static int take_day(struct text *t, struct day *d)
{
	return take_digits(t, 4, 7, &d->year) && take(t, "-") &&
	       take_digits(t, 2, 2, &d->month) && take(t, "-") &&
	       take_digits(t, 2, 2, &d->day) && d->month >= 1 && d->month <= 12 &&
	       d->day >= 1 && d->day <= 31;
}

static int take_clock(struct text *t, int64_t *usecs)
{
	int64_t h, m, s, fraction = 0;
	const uint8_t *from;
	int n;

	if (!take_digits(t, 2, 2, &h) || !take(t, ":") || !take_digits(t, 2, 2, &m) ||
	    !take(t, ":") || !take_digits(t, 2, 2, &s) || h > 24 || m > 59 || s > 59)
		return 0;
	if (take(t, ".")) {
		from = t->at;
		if (!take_digits(t, 1, 6, &fraction))
			return 0;
		for (n = (int)(t->at - from); n < 6; n++)
			fraction *= 10;
	}
	*usecs = ((h * 60 + m) * 60 + s) * 1000000 + fraction;
	return *usecs <= USECS_PER_DAY;
}

/* The year 1 BC is the year 0. */
static int64_t end_day(struct text *t, const struct day *d)
{
	return day_of(take(t, " BC") ? 1 - d->year : d->year, d->month, d->day);
}

static size_t put_date(struct text t, uint8_t *out)
{
	struct day d;
	int64_t days;

	if (take(&t, "infinity"))
		days = INT32_MAX;
	else if (take(&t, "-infinity"))
		days = INT32_MIN;
	else if (take_day(&t, &d))
		days = end_day(&t, &d);
	else
		return 0;
	if (t.at != t.end || days < INT32_MIN || days > INT32_MAX)
		return 0;
	kvf_put_be32(out, (uint32_t)days);
	return 4;
}

static size_t put_time(struct text t, uint8_t *out)
{
	int64_t usecs;

	if (!take_clock(&t, &usecs) || t.at != t.end)
		return 0;
	kvf_put_be64(out, (uint64_t)usecs);
	return 8;
}

static size_t put_timestamp(struct text t, const char *zone, uint8_t *out)
{
	struct day d;
	int64_t usecs;

	if (take(&t, "infinity")) {
		usecs = INT64_MAX;
	} else if (take(&t, "-infinity")) {
		usecs = INT64_MIN;
	} else {
		if (!take_day(&t, &d) || !take(&t, " ") || !take_clock(&t, &usecs) ||
		    !take(&t, zone) || d.year > 300000)
			return 0;
		usecs += end_day(&t, &d) * USECS_PER_DAY;
	}
	if (t.at != t.end)
		return 0;
	kvf_put_be64(out, (uint64_t)usecs);
	return 8;
}

/* ---- numeric: base 10000, the digit of weight w counts 10000^w ---------------------- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static size_t put_head(uint8_t *out, size_t ndigits, long weight, unsigned sign, size_t scale)
{
	put16(out, (unsigned)ndigits);
	put16(out + 2, (unsigned)weight & 0xffff);
	put16(out + 4, sign);
	put16(out + 6, (unsigned)scale);
	return 8 + 2 * ndigits;
}

/* Digit i of the number whose digits before the point begin at `whole`; 0 outside. */
static unsigned digit_at(const struct text *whole, const struct text *fraction, long i)
{
	if (i < 0)
		return 0;
	if (whole->at && i < whole->end - whole->at)
		return (unsigned)(whole->at[i] - '0');
	i -= whole->end - whole->at;
	return fraction->at && i < fraction->end - fraction->at
		       ? (unsigned)(fraction->at[i] - '0')
		       : 0;
}

static struct text take_run(struct text *t)
{
	struct text run = { t->at, t->at };

	while (t->at < t->end && *t->at >= '0' && *t->at <= '9')
		t->at++;
	run.end = t->at;
	return run;
}

static size_t put_numeric(struct text t, uint8_t *out)
{
	struct text whole, fraction = { NULL, NULL };
	unsigned sign, four;
	long lead, at, first = -1, last = -1, i, n;

	if (take(&t, "NaN"))
		return t.at == t.end ? put_head(out, 0, 0, 0xc000, 0) : 0;
	sign = take(&t, "-") ? 0x4000 : 0;
	if (take(&t, "Infinity"))
		return t.at == t.end ? put_head(out, 0, 0, sign ? 0xf000 : 0xd000, 0) : 0;
	whole = take_run(&t);
	if (whole.at == whole.end)
		return 0;
	if (take(&t, ".")) {
		fraction = take_run(&t);
		if (fraction.at == fraction.end)
			return 0;
	}
	if (t.at != t.end || fraction.end - fraction.at > 16383)
		return 0;
	/* Groups of four, the point between two of them. */
	lead = (4 - (whole.end - whole.at) % 4) % 4;
	n = (lead + (whole.end - whole.at)) / 4 + (fraction.end - fraction.at + 3) / 4;
	if (n > DIGITS_MAX)
		return 0;
	for (i = 0; i < n; i++) {
		at = 4 * i - lead;
		four = digit_at(&whole, &fraction, at) * 1000 +
		       digit_at(&whole, &fraction, at + 1) * 100 +
		       digit_at(&whole, &fraction, at + 2) * 10 +
		       digit_at(&whole, &fraction, at + 3);
		if (!four && first < 0)
			continue;
		if (first < 0)
			first = i;
		if (four)
			last = i;
		put16(out + 8 + 2 * (i - first), four);
	}
	if (first < 0)
		return put_head(out, 0, 0, 0, (size_t)(fraction.end - fraction.at));
	return put_head(out, (size_t)(last - first + 1),
			(lead + (whole.end - whole.at)) / 4 - 1 - first, sign,
			(size_t)(fraction.end - fraction.at));
}

size_t kvf_pgr_binary_room(size_t len)
{
	return 16 + 2 * (len / 4 + 4);
}

size_t kvf_pgr_binary(enum kvf_pgr_column column, struct kvf_bytes b, uint8_t *out)
{
	struct text t = { b.ptr, b.ptr + b.len };

	switch ((int)column) {
	case KVF_PGR_DATE: return put_date(t, out);
	case KVF_PGR_TIME: return put_time(t, out);
	case KVF_PGR_TIMESTAMP: return put_timestamp(t, "", out);
	case KVF_PGR_TIMESTAMPTZ: return put_timestamp(t, "+00", out);
	case KVF_PGR_NUMERIC: return put_numeric(t, out);
	default: return 0;
	}
}
