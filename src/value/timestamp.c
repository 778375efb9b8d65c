/* timestamp - points in time: legacy texts in, seconds and nanoseconds out. */
#include "value/timestamp.h"

#define FIRST_SECOND (-INT64_C(62135596800)) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND INT64_C(253402300799)    /* 9999-12-31T23:59:59Z */

/* Days since 1970-01-01 of a date of the Gregorian calendar: years are counted
 * from March, so that the leap day is the last one. */
static int64_t days_of(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int days_in_month(int y, int m)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (m == 2 && leap);
}

/* Exactly `n` digits at *at, between lo and hi. */
static int number(struct kvf_bytes t, size_t *at, size_t n, int lo, int hi, int *out)
{
	int v = 0;

	for (; n; n--, (*at)++) {
		if (*at >= t.len || t.ptr[*at] < '0' || t.ptr[*at] > '9')
			return 0;
		v = v * 10 + (t.ptr[*at] - '0');
	}
	*out = v;
	return v >= lo && v <= hi;
}

static int literal(struct kvf_bytes t, size_t *at, char c)
{
	if (*at >= t.len || t.ptr[*at] != (uint8_t)c)
		return 0;
	(*at)++;
	return 1;
}

static int fraction(struct kvf_bytes t, size_t *at, int32_t *nanos)
{
	int32_t unit = 100000000;
	size_t n = 0;

	for (; *at < t.len && t.ptr[*at] >= '0' && t.ptr[*at] <= '9'; (*at)++, n++) {
		*nanos += unit * (t.ptr[*at] - '0');
		unit /= 10;
	}
	return n >= 1 && n <= 9;
}

/* Nothing, Z, +HH, +HH:MM: seconds to subtract. */
static int zone(struct kvf_bytes t, size_t *at, int *offset)
{
	int h, m = 0, sign;

	*offset = 0;
	if (*at == t.len)
		return 1;
	if (t.ptr[*at] == 'Z') {
		(*at)++;
		return *at == t.len;
	}
	if (t.ptr[*at] != '+' && t.ptr[*at] != '-')
		return 0;
	sign = t.ptr[*at] == '-' ? -1 : 1;
	(*at)++;
	if (!number(t, at, 2, 0, 23, &h))
		return 0;
	if (*at < t.len && (!literal(t, at, ':') || !number(t, at, 2, 0, 59, &m)))
		return 0;
	*offset = sign * (h * 3600 + m * 60);
	return *at == t.len;
}

int kvf_timestamp_parse(struct kvf_bytes t, struct kvf_timestamp *out)
{
	int year, month, day, hour = 0, minute = 0, second = 0, offset = 0;
	size_t at = 0;

	out->nanos = 0;
	if (!number(t, &at, 4, 1, 9999, &year) || !literal(t, &at, '-') ||
	    !number(t, &at, 2, 1, 12, &month) || !literal(t, &at, '-') ||
	    !number(t, &at, 2, 1, days_in_month(year, month), &day))
		return 0;
	if (at < t.len) {
		if (!literal(t, &at, ' ') && !literal(t, &at, 'T'))
			return 0;
		if (!number(t, &at, 2, 0, 23, &hour) || !literal(t, &at, ':') ||
		    !number(t, &at, 2, 0, 59, &minute))
			return 0;
		if (literal(t, &at, ':')) {
			if (!number(t, &at, 2, 0, 59, &second))
				return 0;
			if (literal(t, &at, '.') && !fraction(t, &at, &out->nanos))
				return 0;
		}
		if (!zone(t, &at, &offset))
			return 0;
	}
	out->seconds =
		days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	return out->seconds >= FIRST_SECOND && out->seconds <= LAST_SECOND;
}

int kvf_timestamp_count(int64_t n, int64_t per_second, struct kvf_timestamp *out)
{
	int64_t rest = n % per_second;

	out->seconds = n / per_second;
	if (rest < 0) {
		rest += per_second;
		out->seconds--;
	}
	out->nanos = (int32_t)(rest * (1000000000 / per_second));
	return out->seconds >= FIRST_SECOND && out->seconds <= LAST_SECOND;
}

/* `n` digits of v at out, zeros in front; returns what is behind them. */
static char *digits(char *out, int64_t v, int n)
{
	int i;

	for (i = n; i-- > 0; v /= 10)
		out[i] = (char)('0' + v % 10);
	return out + n;
}

static char *two(char *out, char before, int64_t v)
{
	*out = before;
	return digits(out + 1, v, 2);
}

size_t kvf_timestamp_format(struct kvf_timestamp t, char out[KVF_TIMESTAMP_TEXT])
{
	int64_t days = t.seconds / 86400, rest = t.seconds % 86400, era, doe, yoe, doy, mp, y;
	char *at;
	int64_t m;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	days += 719468;
	era = days / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	m = mp < 10 ? mp + 3 : mp - 9;
	y = yoe + era * 400 + (m <= 2);
	at = digits(out, y, 4);
	at = two(at, '-', m);
	at = two(at, '-', doy - (153 * mp + 2) / 5 + 1);
	at = two(at, 'T', rest / 3600);
	at = two(at, ':', rest / 60 % 60);
	at = two(at, ':', rest % 60);
	if (t.nanos) {
		*at++ = '.';
		if (t.nanos % 1000)
			at = digits(at, t.nanos, 9);
		else if (t.nanos % 1000000)
			at = digits(at, t.nanos / 1000, 6);
		else
			at = digits(at, t.nanos / 1000000, 3);
	}
	*at++ = 'Z';
	return (size_t)(at - out);
}
