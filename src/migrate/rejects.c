/*
 * rejects - rows that cannot be carried, and are let pass by --max-rejects.
 *
 *   row that convert() refuses   -> a line of JSON
 *   end of its package           -> the lines, sorted, behind those of the packages
 *                                   before; the digest so far goes into the package's
 *                                   `end` record, as the side "rejects"
 *   end of the export            -> the rejects file
 *
 * So the stream itself says that rows are missing, and which: the last side of
 * that name has the digest of the whole file, and whoever imports the stream has
 * to accept that digest.  The lines are sorted because the same source has to give
 * the same file, in whatever order its server hands rows out.
 */
#include "migrate/run.h"

#include "base/hash.h"
#include "base/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of lines that are held. */
#define BYTES_MAX ((size_t)256 << 20)
#define EXACT_MAX (INT64_C(1) << 53)
#define REASONS 20

struct kvf_rejects {
	uint64_t max;
	char **lines; /* of the package that is read */
	size_t n, room, bytes;
	uint64_t count;
	struct kvf_buf file; /* the packages before */
	struct {
		const char *code;
		uint64_t n;
	} reasons[REASONS];
};

/* ---- reasons -------------------------------------------------------------------- */

/* What a message is about; the first that is found.  The codes are stable, and
 * tests/integration/rejects.sh holds the messages to them. */
static const struct {
	const char *words, *code;
} codes[] = {
	{ "the limit is", "too-large" },
	{ "is too long", "too-large" },
	{ "allowed are", "too-large" },
	{ "entry of more than", "too-large" },
	{ "required are", "too-small" },
	{ "key is empty", "empty-key" },
	{ "stands there twice", "duplicate-member" },
	{ "not UTF-8", "not-utf8" },
	{ "not JSON", "not-json" },
	{ "not a JSON", "not-json" },
	{ "JSON", "not-json" },
	{ "not a decimal integer", "not-an-integer" },
	{ "out of the range", "out-of-range" },
	{ "negative", "out-of-range" },
	{ "64 bits", "out-of-range" },
	{ "lose digits", "out-of-range" },
	{ "exponent", "out-of-range" },
	{ "time", "not-a-time" },
	{ "number", "not-a-number" },
	{ "boolean", "not-a-boolean" },
	{ "null", "null" },
};

const char *kvf_reject_code(const char *message)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcasestr(message, codes[i].words))
			return codes[i].code;
	return "not-convertible";
}

static void count_reason(struct kvf_rejects *r, const char *code)
{
	size_t i;

	for (i = 0; i < REASONS; i++) {
		if (!r->reasons[i].code)
			r->reasons[i].code = code;
		if (strcmp(r->reasons[i].code, code) != 0)
			continue;
		r->reasons[i].n++;
		return;
	}
}

static void print_reasons(const struct kvf_rejects *r, char *buf, size_t size)
{
	size_t i, at;

	buf[0] = '\0';
	for (i = 0; i < REASONS && r->reasons[i].code; i++) {
		at = strlen(buf);
		snprintf(buf + at, size - at, "%s%" PRIu64 " %s", i ? ", " : "",
			 r->reasons[i].n, r->reasons[i].code);
	}
}

/* ---- one line --------------------------------------------------------------------- */

/* Text as it is, everything else (and text that begins with "hex:") as hex:... */
static json_t *bytes_json(struct kvf_bytes b, int is_text)
{
	char *text;
	json_t *v;

	if (is_text && kvf_utf8_valid(b.ptr, b.len) == b.len &&
	    (b.len < 4 || memcmp(b.ptr, "hex:", 4) != 0))
		return json_stringn(b.len ? (const char *)b.ptr : "", b.len);
	text = malloc(2 * b.len + 5);
	if (!text)
		return NULL;
	memcpy(text, "hex:", 5);
	kvf_hex(b.ptr, b.len, text + 4);
	v = json_string(text);
	free(text);
	return v;
}

static json_t *cell_json(const struct kvf_cell *c)
{
	char text[64];

	switch (c->type) {
	case KVF_CELL_NULL: return json_null();
	case KVF_CELL_BOOL: return json_boolean(c->u.i != 0);
	case KVF_CELL_INT:
		if (c->u.i <= EXACT_MAX && c->u.i >= -EXACT_MAX)
			return json_integer(c->u.i);
		break;
	case KVF_CELL_REAL:
		if (isfinite(c->u.r))
			return json_real(c->u.r);
		break;
	case KVF_CELL_TEXT: return bytes_json(c->u.b, 1);
	case KVF_CELL_BLOB: return bytes_json(c->u.b, 0);
	}
	kvf_cell_print(c, text, sizeof(text));
	return json_string(text);
}

/* A set of columns with their values; NULL without memory. */
static json_t *columns_json(const struct kvf_record *record, const struct kvf_table *shape,
			    const struct kvf_row *row, int only_key)
{
	json_t *o = json_object();
	const char *name;
	size_t i, c;

	for (i = 0; o && (only_key ? kvf_bound_key(record, shape, i, &c) : i < row->ncells);
	     i++) {
		if (!only_key)
			c = i;
		name = kvf_bound_column(record, shape, c);
		if (!name || c >= row->ncells)
			continue;
		if (json_object_set_new(o, name, cell_json(&row->cells[c]))) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* Its reports are the records behind the last one. */
static const struct kvf_record *record_of(const struct kvf_package *pkg, size_t i)
{
	return i < pkg->nrecords ? &pkg->records[i] : &pkg->sides[i - pkg->nrecords];
}

static char *make_line(const struct kvf_bound *b, size_t package, size_t record_index,
		       const struct kvf_row *row, const char *code, const char *reason)
{
	const struct kvf_package *pkg = b->app->packages[package];
	const struct kvf_record *record = record_of(pkg, record_index);
	const struct kvf_table *shape = b->shapes[package][record_index];
	json_t *o = json_object();
	char *line = NULL;
	int bad = 0;

	bad |= json_object_set_new(o, "code", json_string(code));
	bad |= json_object_set_new(o, "reason", json_string(reason));
	bad |= json_object_set_new(o, "package", json_string(pkg->name));
	bad |= json_object_set_new(o, "record", json_string(record->name));
	bad |= json_object_set_new(o, "table",
				   record->table ? json_string(record->table) : json_null());
	bad |= json_object_set_new(o, "key", columns_json(record, shape, row, 1));
	bad |= json_object_set_new(o, "row", columns_json(record, shape, row, 0));
	if (!bad)
		line = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return line;
}

/* ---- taking them --------------------------------------------------------------------- */

enum kvf_status kvf_rejects_new(uint64_t max, struct kvf_rejects **out, struct kvf_err *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return kvf_fail_nomem(err);
	(*out)->max = max;
	kvf_buf_init(&(*out)->file, BYTES_MAX);
	return KVF_OK;
}

static void forget_lines(struct kvf_rejects *r)
{
	while (r->n)
		free(r->lines[--r->n]);
}

void kvf_rejects_clear(struct kvf_rejects *r)
{
	if (!r)
		return;
	forget_lines(r);
	r->count = r->bytes = r->file.len = 0;
	memset(r->reasons, 0, sizeof(r->reasons));
}

void kvf_rejects_free(struct kvf_rejects *r)
{
	if (!r)
		return;
	forget_lines(r);
	free(r->lines);
	kvf_buf_release(&r->file);
	free(r);
}

enum kvf_status kvf_rejects_take(struct kvf_rejects *r, const struct kvf_bound *b,
				 size_t package, size_t record, const struct kvf_row *row,
				 const struct kvf_env *env, struct kvf_err *err)
{
	const struct kvf_package *pkg = b->app->packages[package];
	const struct kvf_record *of = record_of(pkg, record);
	const char *code = kvf_reject_code(err->message);
	char **lines, *line;

	if (r->count >= r->max || r->bytes >= BYTES_MAX / 2)
		return KVF_EREJECT; /* with its own reason */
	if (r->n == r->room) {
		lines = realloc(r->lines, (r->room * 2 + 16) * sizeof(*lines));
		if (!lines)
			return kvf_fail_nomem(err);
		r->lines = lines;
		r->room = r->room * 2 + 16;
	}
	line = make_line(b, package, record, row, code, err->message);
	if (!line)
		return kvf_fail_nomem(err);
	r->lines[r->n++] = line;
	r->bytes += strlen(line) + 1;
	r->count++;
	count_reason(r, code);
	kvf_tell(env, "reject",
		 (const struct kvf_event_fact[]){
			 { "package", pkg->name, 0 },
			 { "table", of->table ? of->table : of->name, 0 },
			 { "code", code, 0 },
			 { "rejects", NULL, r->count } },
		 4);
	kvf_err_clear(err);
	return KVF_OK;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum kvf_status kvf_rejects_end(struct kvf_rejects *r, struct kvf_side *side, size_t *n,
				struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	*n = 0;
	if (!r)
		return KVF_OK;
	if (r->n)
		qsort(r->lines, r->n, sizeof(*r->lines), by_bytes);
	for (i = 0; !st && i < r->n; i++) {
		st = kvf_buf_append(&r->file, r->lines[i], strlen(r->lines[i]), err);
		if (!st)
			st = kvf_buf_append(&r->file, "\n", 1, err);
	}
	forget_lines(r);
	if (st || !r->file.len)
		return st;
	side->name = KVF_SIDE_REJECTS;
	side->size = r->file.len;
	kvf_sha256(r->file.ptr, r->file.len, side->sha256);
	*n = 1;
	return KVF_OK;
}

/* ---- the file ------------------------------------------------------------------------- */

/* Beside what is written, or in the current folder. */
static char *default_path(const struct kvf_options *o)
{
	const char *beside = o->keep ? o->keep : o->target;
	struct kvf_place p;
	struct kvf_err ignored;
	char *path = NULL;

	if (beside && !kvf_place_parse(beside, &p, &ignored) &&
	    (p.kind == KVF_PLACE_STREAM || strcmp(p.scheme, "sqlite") == 0) &&
	    strncmp(p.rest, "/dev/", 5) != 0) {
		if (asprintf(&path, "%s.rejects", p.rest) < 0)
			path = NULL;
		return path;
	}
	return strdup("kvferry.rejects");
}

/* Is that very file there already?  The same command, given again, writes it again. */
static int is_written(const struct kvf_rejects *r, const char *path)
{
	struct kvf_input *in = NULL;
	struct kvf_err ignored;
	uint8_t piece[4096];
	size_t at = 0, n = 1;
	struct stat sb;
	int same = !stat(path, &sb) && S_ISREG(sb.st_mode) &&
		   (uint64_t)sb.st_size == r->file.len && !kvf_input_file(path, &in, &ignored);

	while (same && n) {
		same = !kvf_input_read(in, piece, sizeof(piece), &n, &ignored) &&
		       n <= r->file.len - at && memcmp(piece, r->file.ptr + at, n) == 0;
		at += n;
	}
	kvf_input_close(in);
	return same && at == r->file.len;
}

enum kvf_status kvf_rejects_write(const struct kvf_rejects *r, const struct kvf_options *o,
				  struct kvf_report *report, struct kvf_err *err)
{
	char *path = o->rejects ? strdup(o->rejects) : default_path(o);
	struct kvf_output *out = NULL;
	enum kvf_status st = KVF_OK;

	if (!path)
		return kvf_fail_nomem(err);
	report->rejects = r->count;
	report->has_rejects = r->count != 0;
	print_reasons(r, report->rejects_by_reason, sizeof(report->rejects_by_reason));
	if (r->count) {
		kvf_sha256(r->file.ptr, r->file.len, report->rejects_digest);
		kvf_report_name(report->rejects_file, sizeof(report->rejects_file), "%s", path);
		if (!is_written(r, path))
			st = kvf_output_file(path, !o->rejects || o->overwrite, &out, err);
		if (!st && out)
			st = kvf_output_write(out, r->file.ptr, r->file.len, err);
		if (!st && out)
			st = kvf_output_commit(out, err);
		kvf_output_close(out);
	}
	free(path);
	return st;
}

enum kvf_status kvf_rejects_judge(const struct kvf_options *o, struct kvf_report *r,
				  const char *changed, struct kvf_err *err)
{
	char digest[65];

	if (!r->has_rejects)
		return KVF_OK;
	kvf_hex(r->rejects_digest, 32, digest);
	if (o->accept_rejects && strcasecmp(o->accept_rejects, digest) == 0) {
		r->rejects_accepted = 1;
		return KVF_OK;
	}
	if (o->accept_rejects)
		kvf_fail(err, KVF_EREJECT,
			 "the rejected rows are others than those that were accepted");
	else if (r->rejects)
		kvf_fail(err, KVF_EREJECT, "%" PRIu64 " row%s could not be carried", r->rejects,
			 r->rejects == 1 ? "" : "s");
	else
		kvf_fail(err, KVF_EREJECT, "the stream lacks rows that could not be carried");
	kvf_err_detail(err, "%s%s%s%s%s", r->rejects_by_reason,
		       *r->rejects_by_reason ? "; they are in " : "",
		       *r->rejects_by_reason ? r->rejects_file : "",
		       *r->rejects_by_reason ? ". " : "", changed);
	kvf_err_hint(err,
		     "Correct them in the source and run again, or accept that they are "
		     "missing: --accept-rejects %s",
		     digest);
	return KVF_EREJECT;
}
