/*
 * apart - operands that must not be one file.
 *
 * An output appears under its name by a rename: one that has the name of the
 * source would take the place of the database that was just read.
 */
#include "migrate/run.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that is there is its inode; one that is not yet is a name in a folder. */
struct identity {
	int known;
	int exists;
	dev_t dev;
	ino_t ino;
	const char *name;
};

static struct identity of_path(const char *path)
{
	struct identity id = { 0 };
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	char folder[PATH_MAX] = ".";
	struct stat st;

	if (!stat(path, &st)) {
		id.known = S_ISREG(st.st_mode);
		id.exists = 1;
	} else if (len < sizeof(folder)) {
		if (slash) { /* of "/name" the folder is "/" */
			memcpy(folder, path, len + !len);
			folder[len + !len] = '\0';
		}
		id.known = !stat(folder, &st);
		id.name = slash ? slash + 1 : path;
	}
	if (id.known) {
		id.dev = st.st_dev;
		id.ino = st.st_ino;
	}
	return id;
}

/* The file behind an operand; unknown where it is none. */
static struct identity of_operand(const struct kvf_operand *operand)
{
	struct identity id = { 0 };
	struct kvf_place place;
	struct kvf_err ignored;
	struct stat st;

	if (operand->is_path)
		return of_path(operand->text);
	if (kvf_place_parse(operand->text, &place, &ignored))
		return id;
	if (place.kind == KVF_PLACE_STREAM ||
	    (place.kind == KVF_PLACE_DATABASE && strcmp(place.scheme, "sqlite") == 0))
		return of_path(place.rest);
	if (place.kind == KVF_PLACE_STDIO && operand->fd >= 0 && !fstat(operand->fd, &st) &&
	    S_ISREG(st.st_mode)) {
		id.known = id.exists = 1;
		id.dev = st.st_dev;
		id.ino = st.st_ino;
	}
	return id;
}

static int is_same(const struct identity *a, const struct identity *b)
{
	return a->known && b->known && a->exists == b->exists && a->dev == b->dev &&
	       a->ino == b->ino && (a->exists || strcmp(a->name, b->name) == 0);
}

enum kvf_status kvf_refuse_same_file(const struct kvf_operand *list, size_t n,
				     struct kvf_err *err)
{
	struct identity a, b;
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (!list[i].text)
			continue;
		a = of_operand(&list[i]);
		for (k = 0; k < i; k++) {
			if (!list[k].text || !(list[i].written || list[k].written))
				continue;
			b = of_operand(&list[k]);
			if (!is_same(&a, &b))
				continue;
			kvf_fail(err, KVF_EUSAGE, "%s and %s are the same file: %s",
				 list[k].what, list[i].what, list[i].text);
			kvf_err_detail(err, "Nothing was changed.");
			kvf_err_hint(err, "Give one of them another path.");
			return KVF_EUSAGE;
		}
	}
	return KVF_OK;
}
