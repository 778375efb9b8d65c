/*
 * postgres_cell - values in PostgreSQL's binary form as cells.
 *
 * What has no type of its own among the cells becomes a text, and always the
 * one that the server itself would write with DateStyle ISO and TimeZone UTC.
 * Lengths are checked here, so that no bytes of a server can lead us astray.
 */
#include "source/postgres.h"

#include "base/hash.h"

#include <string.h>

#define TEXT_ROOM 64 /* for everything but a numeric */
#define DAYS_TO_2000 10957
#define USECS_PER_DAY INT64_C(86400000000)

/* ---- numeric: base 10000, the digit of weight w counts 10000^w ------------------- */

enum {
	NUMERIC_HEAD = 8,
	NUMERIC_NEG = 0x4000,
	NUMERIC_NAN = 0xc000,
	NUMERIC_PINF = 0xd000,
	NUMERIC_NINF = 0xf000
};

static int16_t get16(const uint8_t *p)
{
	return (int16_t)(uint16_t)(p[0] << 8 | p[1]);
}

/* 36,864 digits of four are possible: more than a signed number holds. */
static unsigned numeric_digits(const uint8_t *p)
{
	return (uint16_t)get16(p);
}

static int numeric_is_sound(const uint8_t *p, size_t len)
{
	return len >= NUMERIC_HEAD && len == NUMERIC_HEAD + 2u * numeric_digits(p) &&
	       get16(p + 6) >= 0;
}

static size_t numeric_room(const uint8_t *p, size_t len)
{
	int16_t weight;

	if (!numeric_is_sound(p, len))
		return SIZE_MAX;
	weight = get16(p + 2);
	return 16 + 4 * (weight < 0 ? 1 : (size_t)weight + 1) + (size_t)get16(p + 6);
}

static unsigned numeric_digit(const uint8_t *p, int i)
{
	return i >= 0 && (unsigned)i < numeric_digits(p)
		       ? (unsigned)(uint16_t)get16(p + NUMERIC_HEAD + 2 * i)
		       : 0;
}

static uint8_t *put_four(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)('0' + v / 1000 % 10);
	to[1] = (uint8_t)('0' + v / 100 % 10);
	to[2] = (uint8_t)('0' + v / 10 % 10);
	to[3] = (uint8_t)('0' + v % 10);
	return to + 4;
}

static uint8_t *put_str(uint8_t *to, const char *s)
{
	size_t n = strlen(s);

	memcpy(to, s, n);
	return to + n;
}

static uint8_t *put_numeric(uint8_t *to, const uint8_t *p)
{
	int weight = get16(p + 2), dscale = get16(p + 6), i;
	uint8_t *begin, four[4];

	switch ((uint16_t)get16(p + 4)) {
	case NUMERIC_NAN: return put_str(to, "NaN");
	case NUMERIC_PINF: return put_str(to, "Infinity");
	case NUMERIC_NINF: return put_str(to, "-Infinity");
	case NUMERIC_NEG: *to++ = '-'; break;
	default: break;
	}
	begin = to;
	for (i = 0; i <= weight; i++)
		to = put_four(to, numeric_digit(p, i));
	for (i = 0; begin + i < to && begin[i] == '0'; i++)
		;
	memmove(begin, begin + i, (size_t)(to - begin - i));
	to -= i;
	if (to == begin)
		*to++ = '0';
	if (dscale > 0)
		*to++ = '.';
	for (i = 0; i < dscale; i++) {
		if (i % 4 == 0)
			put_four(four, numeric_digit(p, weight + 1 + i / 4));
		*to++ = four[i % 4];
	}
	return to;
}

/* ---- dates and times ---------------------------------------------------------------- */

static uint8_t *put_two(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)('0' + v / 10 % 10);
	to[1] = (uint8_t)('0' + v % 10);
	return to + 2;
}

/* At least four digits. */
static uint8_t *put_year(uint8_t *to, uint64_t year)
{
	uint8_t digits[20];
	size_t n = 0;

	while (year || n < 4) {
		digits[n++] = (uint8_t)('0' + year % 10);
		year /= 10;
	}
	while (n)
		*to++ = digits[--n];
	return to;
}

/* YYYY-MM-DD of the day, counted from 2000-01-01; *bc for years before 1. */
static uint8_t *put_day(uint8_t *to, int64_t day, int *bc)
{
	/* Years are counted from March, so that the leap day is the last one. */
	int64_t z = day + DAYS_TO_2000 + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);

	*bc = year <= 0;
	to = put_year(to, (uint64_t)(*bc ? 1 - year : year));
	*to++ = '-';
	to = put_two(to, (unsigned)month);
	*to++ = '-';
	return put_two(to, (unsigned)(doy - (153 * mp + 2) / 5 + 1));
}

/* HH:MM:SS and as many digits of a fraction as it has. */
static uint8_t *put_clock(uint8_t *to, int64_t usecs)
{
	unsigned fraction = (unsigned)(usecs % 1000000);
	int64_t seconds = usecs / 1000000;
	int i;

	to = put_two(to, (unsigned)(seconds / 3600));
	*to++ = ':';
	to = put_two(to, (unsigned)(seconds / 60 % 60));
	*to++ = ':';
	to = put_two(to, (unsigned)(seconds % 60));
	if (!fraction)
		return to;
	*to++ = '.';
	for (i = 5; i >= 0; i--, fraction /= 10)
		to[i] = (uint8_t)('0' + fraction % 10);
	for (to += 6; to[-1] == '0'; to--)
		;
	return to;
}

static uint8_t *put_date(uint8_t *to, const uint8_t *p)
{
	int32_t day = (int32_t)kvf_get_be32(p);
	int bc;

	if (day == INT32_MAX || day == INT32_MIN)
		return put_str(to, day > 0 ? "infinity" : "-infinity");
	to = put_day(to, day, &bc);
	return bc ? put_str(to, " BC") : to;
}

static uint8_t *put_timestamp(uint8_t *to, const uint8_t *p, const char *zone)
{
	int64_t usecs = (int64_t)kvf_get_be64(p), day, rest;
	int bc;

	if (usecs == INT64_MAX || usecs == INT64_MIN)
		return put_str(to, usecs > 0 ? "infinity" : "-infinity");
	day = usecs / USECS_PER_DAY;
	rest = usecs % USECS_PER_DAY;
	if (rest < 0) {
		rest += USECS_PER_DAY;
		day--;
	}
	to = put_day(to, day, &bc);
	*to++ = ' ';
	to = put_clock(to, rest);
	to = put_str(to, zone);
	return bc ? put_str(to, " BC") : to;
}

/* The zone is seconds west of Greenwich. */
static uint8_t *put_zone(uint8_t *to, int32_t west)
{
	uint32_t v = west < 0 ? 0u - (uint32_t)west : (uint32_t)west;

	*to++ = west > 0 ? '-' : '+';
	to = put_two(to, v / 3600);
	if (v % 3600) {
		*to++ = ':';
		to = put_two(to, v / 60 % 60);
	}
	if (v % 60) {
		*to++ = ':';
		to = put_two(to, v % 60);
	}
	return to;
}

static uint8_t *put_uuid(uint8_t *to, const uint8_t *p)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = (uint8_t)digits[p[i] >> 4];
		*to++ = (uint8_t)digits[p[i] & 15];
	}
	return to;
}

/* A time of the day has at most 24 hours, a zone less than a day. */
static int is_time(const uint8_t *p)
{
	return kvf_get_be64(p) <= (uint64_t)USECS_PER_DAY;
}

/* ---- cells ----------------------------------------------------------------------------- */

size_t kvf_postgres_room(enum kvf_postgres_how how, const uint8_t *p, size_t len)
{
	if (how == KVF_POSTGRES_AS_NUMERIC)
		return numeric_room(p, len);
	return how > KVF_POSTGRES_AS_NUMERIC ? TEXT_ROOM : 0;
}

static int take_int(const uint8_t *p, size_t len, struct kvf_cell *c)
{
	c->type = KVF_CELL_INT;
	switch (len) {
	case 2: c->u.i = get16(p); return 1;
	case 4: c->u.i = (int32_t)kvf_get_be32(p); return 1;
	case 8: c->u.i = (int64_t)kvf_get_be64(p); return 1;
	default: return 0;
	}
}

/* Every float4 is a float8 of the same value. */
static int take_real(const uint8_t *p, size_t len, struct kvf_cell *c)
{
	uint64_t bits8;
	uint32_t bits4;
	float single;

	c->type = KVF_CELL_REAL;
	if (len == 4) {
		bits4 = kvf_get_be32(p);
		memcpy(&single, &bits4, sizeof(single));
		c->u.r = (double)single;
		return 1;
	}
	bits8 = len == 8 ? kvf_get_be64(p) : 0;
	memcpy(&c->u.r, &bits8, sizeof(bits8));
	return len == 8;
}

/* Of the right length?  Then its text; NULL if not. */
static uint8_t *put_made(enum kvf_postgres_how how, const uint8_t *p, size_t len, uint8_t *to)
{
	switch ((int)how) {
	case KVF_POSTGRES_AS_NUMERIC:
		return numeric_is_sound(p, len) ? put_numeric(to, p) : NULL;
	case KVF_POSTGRES_AS_UUID: return len == 16 ? put_uuid(to, p) : NULL;
	case KVF_POSTGRES_AS_DATE: return len == 4 ? put_date(to, p) : NULL;
	case KVF_POSTGRES_AS_TIME:
		return len == 8 && is_time(p) ? put_clock(to, (int64_t)kvf_get_be64(p)) : NULL;
	case KVF_POSTGRES_AS_TIMETZ:
		if (len != 12 || !is_time(p))
			return NULL;
		to = put_clock(to, (int64_t)kvf_get_be64(p));
		return put_zone(to, (int32_t)kvf_get_be32(p + 8));
	case KVF_POSTGRES_AS_TIMESTAMP: return len == 8 ? put_timestamp(to, p, "") : NULL;
	case KVF_POSTGRES_AS_TIMESTAMPTZ: return len == 8 ? put_timestamp(to, p, "+00") : NULL;
	default: return NULL;
	}
}

static int take_bytes(enum kvf_cell_type type, const uint8_t *p, size_t len, struct kvf_cell *c)
{
	c->type = type;
	c->u.b.ptr = p;
	c->u.b.len = len;
	return 1;
}

int kvf_postgres_cell(enum kvf_postgres_how how, const uint8_t *p, size_t len,
		      struct kvf_cell *c, uint8_t **room)
{
	uint8_t *end;

	switch ((int)how) {
	case KVF_POSTGRES_AS_TEXT: return take_bytes(KVF_CELL_TEXT, p, len, c);
	case KVF_POSTGRES_AS_BLOB: return take_bytes(KVF_CELL_BLOB, p, len, c);
	case KVF_POSTGRES_AS_JSONB:
		return len >= 1 && p[0] == 1 && take_bytes(KVF_CELL_TEXT, p + 1, len - 1, c);
	case KVF_POSTGRES_AS_BOOL:
		c->type = KVF_CELL_BOOL;
		c->u.i = len == 1 && p[0];
		return len == 1;
	case KVF_POSTGRES_AS_INT: return take_int(p, len, c);
	case KVF_POSTGRES_AS_OID:
		c->type = KVF_CELL_INT;
		c->u.i = len == 4 ? (int64_t)kvf_get_be32(p) : 0;
		return len == 4;
	case KVF_POSTGRES_AS_REAL: return take_real(p, len, c);
	default: break;
	}
	end = put_made(how, p, len, *room);
	if (!end)
		return 0;
	take_bytes(KVF_CELL_TEXT, *room, (size_t)(end - *room), c);
	*room = end;
	return 1;
}
