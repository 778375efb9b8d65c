/*
 * init - write a first definition from a database's own schema.
 *
 * The text is made in memory and loaded by the loader itself before a byte of
 * it is written: what init leaves behind can be read.
 */
#include "formats/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define PACKAGE_FILE KVF_INIT_PACKAGE ".yaml"
#define PATH_LEN 4096

static enum kvf_status check_input(const char *application, const struct kvf_table *tables,
				   size_t n, struct kvf_err *err)
{
	static const char fits[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

	if (!*application || strspn(application, fits) != strlen(application) ||
	    strchr("_.-", *application) || strlen(application) > KVF_DEF_NAME_MAX) {
		enum kvf_status st = kvf_fail(
			err, KVF_EUSAGE, "not a name for an application: \"%s\"", application);

		kvf_err_hint(
			err,
			"A name has small letters, digits, \"_\", \".\" and \"-\", begins with "
			"a letter or digit, and has at most %d bytes.",
			KVF_DEF_NAME_MAX);
		return st;
	}
	if (!n)
		return kvf_fail(err, KVF_EDEFINITION, "the source has no tables to carry");
	if (n > KVF_DEF_LIST_MAX)
		return kvf_fail(err, KVF_EDEFINITION,
				"%zu tables; a package has at most %d records", n,
				KVF_DEF_LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(tables[i].name);

		if (kvf_utf8_valid(tables[i].name, len) != len)
			return kvf_fail(err, KVF_EDEFINITION, "a table's name is not UTF-8");
		for (size_t c = 0; c < tables[i].ncolumns; c++) {
			const char *name = tables[i].columns[c].name,
				   *type = tables[i].columns[c].type;

			if (kvf_utf8_valid(name, strlen(name)) != strlen(name) ||
			    kvf_utf8_valid(type, strlen(type)) != strlen(type))
				return kvf_fail(err, KVF_EDEFINITION,
						"table %s: column %zu is not named in UTF-8",
						tables[i].name, c + 1);
		}
	}
	return KVF_OK;
}

/* `what` has been written; a second file that fails takes it away again. */
static enum kvf_status write_new(const char *path, const struct kvf_buf *text,
				 struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t at = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

	if (fd < 0 && errno == EEXIST) {
		st = kvf_fail(err, KVF_EPREFLIGHT, "%s exists already", path);
		kvf_err_hint(err, "Give a folder that has no definitions, or remove these.");
		return st;
	}
	if (fd < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot create %s", path);
	while (st == KVF_OK && at < text->len) {
		ssize_t n = write(fd, text->ptr + at, text->len - at);

		if (n < 0 && errno != EINTR)
			st = kvf_fail_errno(err, KVF_ETARGET, errno, "cannot write %s", path);
		at += n > 0 ? (size_t)n : 0;
	}
	if (close(fd) != 0 && st == KVF_OK)
		st = kvf_fail_errno(err, KVF_ETARGET, errno, "cannot write %s", path);
	if (st != KVF_OK)
		(void)unlink(path);
	return st;
}

static enum kvf_status write_files(const char *dir, const struct kvf_buf *application,
				   const struct kvf_buf *package, struct kvf_err *err)
{
	char one[PATH_LEN], two[PATH_LEN];
	int made;
	enum kvf_status st;

	if ((size_t)snprintf(one, sizeof(one), "%s/application.yaml", dir) >= sizeof(one) ||
	    (size_t)snprintf(two, sizeof(two), "%s/" PACKAGE_FILE, dir) >= sizeof(two))
		return kvf_fail(err, KVF_EUSAGE, "the path is too long");
	made = mkdir(dir, 0777) == 0;
	if (!made && errno != EEXIST)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot create the folder %s",
				      dir);
	st = write_new(one, application, err);
	if (st == KVF_OK) {
		st = write_new(two, package, err);
		if (st != KVF_OK)
			(void)unlink(one);
	}
	if (st != KVF_OK && made)
		(void)rmdir(dir);
	return st;
}

enum kvf_status kvf_formats_init(const char *dir, const char *application,
				 const struct kvf_table *tables, size_t n, struct kvf_err *err)
{
	struct kvf_def_file files[2] = { { "application.yaml", { 0 } },
					 { PACKAGE_FILE, { 0 } } };
	struct kvf_buf app, package;
	struct kvf_formats *loaded = NULL;
	enum kvf_status st = check_input(application, tables, n, err);

	if (st != KVF_OK)
		return st;
	kvf_buf_init(&app, KVF_DEF_FILE_MAX);
	kvf_buf_init(&package, KVF_DEF_FILE_MAX);
	st = kvf_init_application(&app, application, tables, n, err);
	if (st == KVF_OK)
		st = kvf_init_package(&package, application, tables, n, err);
	if (st == KVF_EREJECT) {
		st = kvf_fail(err, KVF_EDEFINITION,
			      "the definition of %zu tables is longer than a "
			      "file of definitions may be",
			      n);
		kvf_err_hint(err, "Without -f every table is carried as it is.");
	}
	if (st == KVF_OK) {
		files[0].text = kvf_buf_bytes(&app);
		files[1].text = kvf_buf_bytes(&package);
		st = kvf_formats_load_files(files, 2, &loaded, err);
	}
	if (st == KVF_OK)
		st = write_files(dir, &app, &package, err);
	kvf_formats_free(loaded);
	kvf_buf_release(&app);
	kvf_buf_release(&package);
	return st;
}
