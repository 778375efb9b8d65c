/*
 * verb_info - info: what a stream says of itself, and what it leaves out.
 *
 * A native stream that can be searched is asked by its index: only its control
 * records are read.  Any other is read to its end.
 */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct info {
	struct cli *c;
	struct kvf_input *in;
	struct kvf_reader *reader; /* one of the two */
	struct kvf_view *view;
	const struct kvf_head *head;
	struct kvf_tail tail;
	struct cli_grid grid; /* packages, as they come */
	json_t *list;         /* with --json */
	json_t *package;      /* the one that is open */
	char note[4096];
	uint64_t size;
	int lacks_rows; /* some could not be carried */
};

static int is_partial(const struct kvf_head *head)
{
	size_t i;

	for (i = 0; i < head->nfeatures; i++)
		if (strcmp(head->features[i], KVF_FEATURE_PARTIAL) == 0)
			return 1;
	return 0;
}

static json_t *tables_json(struct cli *c, const struct kvf_begin *b)
{
	json_t *list = cli_json_array(c);
	size_t i;

	for (i = 0; i < b->nsources; i++)
		cli_json_add(c, list, cli_json_text(c, b->sources[i]));
	return list;
}

static json_t *kinds_json(struct cli *c, const struct kvf_begin *b)
{
	static const char *const encodings[] = { "raw", "msgpack", "json", "protobuf" };
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < b->nkinds; i++) {
		o = cli_json_object(c);
		cli_json_set(c, o, "name", cli_json_text(c, b->kinds[i].name));
		cli_json_set(c, o, "rev", cli_json_u64(c, b->kinds[i].rev));
		cli_json_set(c, o, "encoding", cli_json_text(c, encodings[b->kinds[i].enc]));
		cli_json_add(c, list, o);
	}
	return list;
}

static void on_begin(struct info *f, const struct kvf_begin *b)
{
	struct cli *c = f->c;

	if (!c->json) {
		cli_grid_add(&f->grid, "%s", b->name);
		cli_grid_add(&f->grid, "%llu", (unsigned long long)b->rev);
		cli_grid_add(&f->grid, "%zu", b->nkinds);
		return;
	}
	f->package = cli_json_object(c);
	cli_json_set(c, f->package, "name", cli_json_text(c, b->name));
	cli_json_set(c, f->package, "rev", cli_json_u64(c, b->rev));
	cli_json_set(c, f->package, "tables", tables_json(c, b));
	cli_json_set(c, f->package, "kinds", kinds_json(c, b));
	cli_json_add(c, f->list, f->package); /* borrowed from the list from now on */
}

static void on_end(struct info *f, const struct kvf_end *e)
{
	struct cli *c = f->c;
	char buf[32];

	f->lacks_rows |= e->lacks_rows;
	if (!c->json) {
		cli_grid_add(&f->grid, "%s", cli_number(e->totals.entries, buf));
		cli_grid_add(&f->grid, "%s", cli_number(e->totals.bytes, buf));
		cli_grid_add(&f->grid, "%s", cli_number(e->chunks, buf));
		return;
	}
	cli_json_set(c, f->package, "entries", cli_json_u64(c, e->totals.entries));
	cli_json_set(c, f->package, "bytes", cli_json_u64(c, e->totals.bytes));
	cli_json_set(c, f->package, "chunks", cli_json_u64(c, e->chunks));
	cli_json_set(c, f->package, "digest",
		     cli_json_hex(c, e->totals.m, sizeof(e->totals.m)));
	cli_json_set(c, f->package, "root", cli_json_hex(c, e->r, sizeof(e->r)));
}

static enum kvf_status read_all(struct info *f)
{
	struct kvf_item item;
	enum kvf_status st;
	size_t i;

	while (!(st = kvf_reader_next(f->reader, &item, &f->c->err))) {
		if (cli_signals_stopped(NULL))
			return kvf_fail(&f->c->err, KVF_EINTERRUPTED, "stopped on request");
		switch (item.type) {
		case KVF_ITEM_BEGIN: on_begin(f, item.u.begin); break;
		case KVF_ITEM_END: on_end(f, item.u.end); break;
		case KVF_ITEM_TAIL: f->tail = *item.u.tail; break;
		case KVF_ITEM_CHUNK: break;
		}
	}
	for (i = 0; i < kvf_reader_warnings(f->reader); i++)
		cli_warn(f->c, kvf_reader_warning(f->reader, i));
	if (st != KVF_EOF)
		return st;
	snprintf(f->note, sizeof(f->note), "%s", kvf_reader_note(f->reader));
	f->size = kvf_reader_file_offset(f->reader);
	return KVF_OK;
}

static enum kvf_status read_index(struct info *f)
{
	struct kvf_err *err = &f->c->err;
	struct kvf_end *ends = calloc(f->head->npackages + 1, sizeof(*ends));
	enum kvf_status st;
	size_t n;

	if (!ends)
		return kvf_fail_nomem(err);
	st = kvf_view_totals(f->view, ends, &f->tail, err);
	if (!st)
		st = kvf_view_note(f->view, f->note, sizeof(f->note), err);
	for (n = 0; !st && n < f->head->npackages; n++) {
		on_begin(f, kvf_view_begin(f->view, n));
		on_end(f, &ends[n]);
	}
	(void)kvf_input_seekable(f->in, &f->size);
	free(ends);
	return st;
}

static void head_text(struct info *f)
{
	FILE *out = f->c->out;
	char a[32], place[600];
	size_t i;

	fputs("stream   ", out);
	cli_puts(out, cli_place(f->c->operands.list[0], place, sizeof(place)));
	fprintf(out, ", %s", cli_size(f->size, a));
	if (f->size && f->tail.bytes > f->size)
		fprintf(out, ", %.1f : 1", (double)f->tail.bytes / (double)f->size);
	fputc('\n', out);
	if (*f->head->app) {
		fputs("app      ", out);
		cli_puts(out, f->head->app);
		fprintf(out, ", schema %llu \xe2\x86\x92 %llu\n",
			(unsigned long long)f->head->from, (unsigned long long)f->head->schema);
	} else {
		fputs("app      none: tables as they are\n", out);
	}
	for (i = 0; i < f->head->nargs; i++) {
		fputs(i ? "         " : "args     ", out);
		cli_puts(out, f->head->args[i].name);
		fputc('=', out);
		cli_puts(out, f->head->args[i].value);
		fputc('\n', out);
	}
}

static void note_text(struct info *f)
{
	const char *note = f->note, *end;
	char line[512];
	size_t n;
	int first = 1;

	for (; *note; note = *end ? end + 1 : end) {
		end = note + strcspn(note, "\n");
		n = (size_t)(end - note) < sizeof(line) ? (size_t)(end - note)
							: sizeof(line) - 1;
		memcpy(line, note, n);
		line[n] = '\0';
		fputs(first ? "note     " : "         ", f->c->out);
		cli_puts(f->c->out, line);
		fputc('\n', f->c->out);
		first = 0;
	}
}

static enum kvf_status tell(struct info *f)
{
	FILE *out = f->c->out;
	char hex[65], a[32], b[32];
	enum kvf_status st;

	head_text(f);
	fprintf(out, "root     %s\n", cli_hex(f->tail.r, 32, hex));
	note_text(f);
	fputs(is_partial(f->head) ? "left out yes: this is a selection of its source\n"
	      : f->lacks_rows ? "left out rows that could not be carried: see docs/rejects.md\n"
			      : "left out nothing that the definitions carry\n",
	      out);
	fputc('\n', out);
	st = cli_grid_print(&f->grid, out, &f->c->paint, &f->c->err);
	if (st)
		return st;
	fprintf(out, "\n%s%s%s: %s %s in %s %s, %s\n", f->c->paint.green,
		f->view ? "consistent" : "whole", f->c->paint.off,
		cli_number(f->tail.entries, a), cli_plural(f->tail.entries, "entry", "entries"),
		cli_number(f->tail.chunks, b), cli_plural(f->tail.chunks, "chunk", "chunks"),
		f->view ? "not decoded (kvferry verify does)" : "every digest matches");
	return KVF_OK;
}

static void tell_json(struct info *f)
{
	struct cli *c = f->c;
	json_t *args = cli_json_object(c), *o = cli_json_object(c);
	size_t i;

	for (i = 0; i < f->head->nargs; i++)
		cli_json_set(c, args, f->head->args[i].name,
			     cli_json_text(c, f->head->args[i].value));
	cli_json_set(c, o, "app", cli_json_text(c, f->head->app));
	cli_json_set(c, o, "from", cli_json_u64(c, f->head->from));
	cli_json_set(c, o, "schema", cli_json_u64(c, f->head->schema));
	cli_json_set(c, o, "args", args);
	cli_json_set(c, o, "partial", json_boolean(is_partial(f->head)));
	cli_json_set(c, o, "lacks_rows", json_boolean(f->lacks_rows));
	cli_json_set(c, o, "root", cli_json_hex(c, f->tail.r, sizeof(f->tail.r)));
	cli_json_set(c, o, "digest", cli_json_hex(c, f->tail.m, sizeof(f->tail.m)));
	cli_json_set(c, o, "entries", cli_json_u64(c, f->tail.entries));
	cli_json_set(c, o, "bytes", cli_json_u64(c, f->tail.bytes));
	cli_json_set(c, o, "chunks", cli_json_u64(c, f->tail.chunks));
	cli_json_set(c, o, "file_bytes", cli_json_u64(c, f->size));
	cli_json_set(c, o, "note", cli_json_text(c, f->note));
	cli_json_set(c, o, "decoded", json_boolean(!f->view));
	cli_json_set(c, o, "packages", json_incref(f->list));
	c->result = o;
}

static enum kvf_status open_stream(struct info *f)
{
	struct kvf_reader_options options;
	struct cli *c = f->c;
	struct kvf_place place;
	enum kvf_status st = kvf_place_parse(c->operands.list[0], &place, &c->err);

	if (st)
		return st;
	if (place.kind == KVF_PLACE_DATABASE) {
		kvf_fail(&c->err, KVF_EUSAGE, "info looks into streams, and '%s' is a database",
			 c->operands.list[0]);
		kvf_err_hint(&c->err, "kvferry status %s", c->operands.list[0]);
		return KVF_EUSAGE;
	}
	st = cli_stream_in(c, place.text);
	if (st)
		return st;
	memset(&options, 0, sizeof(options));
	options.caps = kvf_limits_default();
	options.caps.value = 1u << 30; /* looking costs no more than the stream says */
	options.allow_features_partial = 1;
	st = place.kind == KVF_PLACE_STDIO
		     ? kvf_input_fd(STDIN_FILENO, "standard input", &f->in, &c->err)
		     : kvf_input_file(place.text, &f->in, &c->err);
	if (st)
		return st;
	st = kvf_view_open(f->in, &options, &f->view, &c->err);
	if (!st)
		f->head = kvf_view_head(f->view);
	if (st != KVF_EUSAGE) /* neither a pipe nor recompressed */
		return st;
	kvf_err_clear(&c->err);
	st = kvf_reader_open(f->in, &options, &c->env, &f->reader, &c->err);
	if (!st)
		f->head = kvf_reader_head(f->reader);
	return st;
}

enum kvf_status cli_run_info(struct cli *c)
{
	static const char *const titles[] = { "package", "rev",   "kinds",
					      "entries", "bytes", "chunks" };
	struct info f = { .c = c };
	enum kvf_status st;
	size_t i;

	cli_grid_init(&f.grid, 6, 62);
	for (i = 0; i < 6; i++)
		cli_grid_add(&f.grid, "%s", titles[i]);
	if (c->json)
		f.list = cli_json_array(c);
	st = open_stream(&f);
	if (!st)
		st = f.view ? read_index(&f) : read_all(&f);
	if (!st && c->json)
		tell_json(&f);
	else if (!st)
		st = tell(&f);
	json_decref(f.list);
	cli_grid_release(&f.grid);
	kvf_view_close(f.view);
	kvf_reader_close(f.reader);
	kvf_input_close(f.in);
	return st;
}
