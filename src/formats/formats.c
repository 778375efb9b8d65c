/* formats - load a folder of definitions, and what is done with it. */
#include "formats/load.h"
#include "formats/program.h"
#include "formats/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where files come from: a folder, or a list in memory. */
struct origin {
	const char *dir;
	const struct kvf_def_file *files;
	size_t nfiles;
};

static enum kvf_status read_all(int fd, const char *path, struct kvf_buf *b,
				struct kvf_err *err)
{
	enum kvf_status st;
	ssize_t n;

	for (;;) {
		st = kvf_buf_reserve(b, 4096, err);
		if (st == KVF_EREJECT)
			return kvf_fail(err, KVF_EDEFINITION, "%s: larger than %zu bytes", path,
					KVF_DEF_FILE_MAX);
		if (st)
			return st;
		n = read(fd, b->ptr + b->len, 4096);
		if (n == 0)
			return KVF_OK;
		if (n < 0 && errno != EINTR)
			return kvf_fail_errno(err, KVF_EDEFINITION, errno, "cannot read %s",
					      path);
		if (n > 0)
			b->len += (size_t)n;
	}
}

static enum kvf_status read_file(struct kvf_arena *arena, const char *path,
				 struct kvf_bytes *out, struct kvf_err *err)
{
	enum kvf_status st;
	struct kvf_buf b;
	struct stat stat;
	char *copy;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return kvf_fail_errno(err, KVF_EDEFINITION, errno, "cannot open %s", path);
	kvf_buf_init(&b, KVF_DEF_FILE_MAX + 4096);
	if (fstat(fd, &stat) || !S_ISREG(stat.st_mode))
		st = kvf_fail(err, KVF_EDEFINITION, "%s is not a file", path);
	else
		st = read_all(fd, path, &b, err);
	close(fd);
	if (!st) {
		copy = kvf_arena_strndup(arena, b.ptr, b.len);
		out->ptr = (const uint8_t *)copy;
		out->len = b.len;
		if (!copy)
			st = kvf_fail_nomem(err);
	}
	kvf_buf_release(&b);
	return st;
}

/* The nodes of NAME.yaml. */
static enum kvf_status fetch(const struct origin *from, struct kvf_arena *arena,
			     const char *name, struct kvf_node **root, struct kvf_err *err)
{
	struct kvf_bytes text;
	enum kvf_status st;
	char *path;
	size_t i;

	if (from->dir && *from->dir && from->dir[strlen(from->dir) - 1] == '/')
		path = kvf_arena_printf(arena, "%s%s.yaml", from->dir, name);
	else if (from->dir)
		path = kvf_arena_printf(arena, "%s/%s.yaml", from->dir, name);
	else
		path = kvf_arena_printf(arena, "%s.yaml", name);
	if (!path)
		return kvf_fail_nomem(err);
	if (from->dir) {
		st = read_file(arena, path, &text, err);
		return st ? st : kvf_yaml_parse(arena, path, text, root, err);
	}
	for (i = 0; i < from->nfiles; i++)
		if (strcmp(from->files[i].name, path) == 0)
			return kvf_yaml_parse(arena, path, from->files[i].text, root, err);
	return kvf_fail(err, KVF_EDEFINITION, "there is no %s", path);
}

static enum kvf_status load(const struct origin *from, struct kvf_formats *f,
			    struct kvf_err *err)
{
	struct kvf_arena *arena = &f->def.arena;
	struct kvf_def_package *packages = NULL;
	struct kvf_node *root;
	enum kvf_status st;
	size_t i;

	st = fetch(from, arena, "application", &root, err);
	if (st == KVF_EDEFINITION && from->dir && err && err->sys_errno == ENOENT)
		kvf_err_hint(err, "A folder of definitions has a file application.yaml; "
				  "\"kvferry init\" writes one.");
	if (!st)
		st = kvf_load_application(&f->def, root, &packages, err);
	for (i = 0; !st && i < f->def.npackages; i++) {
		struct kvf_pos pos = packages[i].pos;

		st = fetch(from, arena, packages[i].name, &root, err);
		if (st == KVF_EDEFINITION && err && !err->hint[0])
			kvf_err_detail(err, "the package \"%s\" is listed in %s:%u:%u",
				       packages[i].name, pos.file, pos.line, pos.column);
		if (!st)
			st = kvf_load_package(arena, root, &packages[i], err);
	}
	return st ? st : kvf_formats_compile(f, err);
}

static enum kvf_status load_new(const struct origin *from, struct kvf_formats **out,
				struct kvf_err *err)
{
	struct kvf_formats *f = calloc(1, sizeof(*f));
	enum kvf_status st;

	*out = NULL;
	if (!f)
		return kvf_fail_nomem(err);
	kvf_arena_init(&f->def.arena);
	st = load(from, f, err);
	if (st)
		kvf_formats_free(f);
	else
		*out = f;
	return st;
}

enum kvf_status kvf_formats_load(const char *dir, struct kvf_formats **out, struct kvf_err *err)
{
	struct origin from = { dir, NULL, 0 };

	return load_new(&from, out, err);
}

enum kvf_status kvf_formats_load_files(const struct kvf_def_file *files, size_t n,
				       struct kvf_formats **out, struct kvf_err *err)
{
	struct origin from = { NULL, files, n };

	return load_new(&from, out, err);
}

const struct kvf_application *kvf_formats_application(const struct kvf_formats *f)
{
	return &f->application;
}

const struct kvf_def *kvf_formats_def(const struct kvf_formats *f)
{
	return &f->def;
}

enum kvf_status kvf_formats_blame(const struct kvf_formats *f, size_t package, size_t record,
				  struct kvf_err *err)
{
	struct kvf_err was = *err;

	if (was.status != KVF_EDEFINITION || package >= f->def.npackages ||
	    record >= f->def.packages[package].nrecords + f->def.packages[package].nsides)
		return was.status;
	kvf_def_fail(err, f->def.packages[package].records[record].table_pos, "%s",
		     was.message);
	memcpy(err->detail, was.detail, sizeof(err->detail));
	memcpy(err->hint, was.hint, sizeof(err->hint));
	return err->status;
}

static enum kvf_status give_checks(struct kvf_formats *f, struct kvf_check *checks, size_t n,
				   const char *const *values, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < n; i++)
		st = kvf_sql_values(&f->def.arena, &f->def, values, checks[i].query,
				    &checks[i].query, err);
	return st;
}

enum kvf_status kvf_formats_arguments(struct kvf_formats *f, const char *const *values,
				      struct kvf_err *err)
{
	struct kvf_arena *arena = &f->def.arena;
	enum kvf_status st = give_checks(f, f->checks, f->def.nchecks, values, err);
	size_t p, r;

	for (p = 0; !st && p < f->def.npackages; p++) {
		const struct kvf_def_package *def = &f->def.packages[p];
		struct kvf_record *rows = f->programs[p].rows;

		for (r = 0; !st && r < def->nrecords + def->nsides; r++) {
			st = kvf_sql_values(arena, &f->def, values, rows[r].where,
					    &rows[r].where, err);
			if (!st)
				st = kvf_sql_values(arena, &f->def, values, rows[r].query,
						    &rows[r].query, err);
		}
		if (!st)
			st = give_checks(f, f->programs[p].checks, def->nchecks, values, err);
	}
	return st;
}

void kvf_formats_free(struct kvf_formats *f)
{
	if (!f)
		return;
	kvf_arena_release(&f->def.arena);
	free(f);
}
