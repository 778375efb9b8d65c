/*
 * legacy - SQLite databases for tests of sources: made in a folder of their
 * own, written to by other processes, and compared before and after.
 */
#ifndef KVF_TEST_LEGACY_H
#define KVF_TEST_LEGACY_H

#include <kvferry/source.h>

#include <sys/types.h>

/* A new empty folder; the name is static, one at a time. */
const char *legacy_folder(void);
/* Remove it with all that is in it. */
void legacy_remove(void);
/* FOLDER/name; static, valid until the next call but three. */
const char *legacy_path(const char *name);

/* Run SQL on the database FOLDER/name, which is created; asserts. */
void legacy_sql(const char *name, const char *sql);
/* One number out of it. */
long long legacy_number(const char *name, const char *sql);
/* Run `sql` in a process that then dies by SIGKILL. */
void legacy_sql_killed(const char *name, const char *sql);
/* Run `sql` in a process that keeps its connection until legacy_end(). */
pid_t legacy_sql_kept(const char *name, const char *sql);
void legacy_end(pid_t pid);

/*
 * Names, sizes, times and contents of all files in the folder, as one text; to
 * be freed.  Two equal texts: nothing has changed.
 */
char *legacy_fingerprint(void);

/* An environment whose log is collected; reset by the next call. */
struct kvf_env *legacy_env(void);
const char *legacy_log(void);

/* Open sqlite:FOLDER/name; asserts KVF_OK. */
struct kvf_source *legacy_open(const char *name);
/* Read all rows of a table; their number, or minus the status. */
long long legacy_read(struct kvf_source *s, const char *table, struct kvf_err *err);

#endif
