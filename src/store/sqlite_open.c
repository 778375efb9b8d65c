/*
 * sqlite_open - connections to the file of a SQLite store, the statements that
 * run on them, and what their errors mean to a person.
 *
 * A connection that reads never makes or changes a file where that can be
 * avoided: the file is opened read-only; a WAL database that nobody has open is
 * opened so that its side files go away again; and only a journal that a dead
 * writer left makes SQLite roll back, as it would for any other reader.
 */
#include "store/sqlite.h"

#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- statements -------------------------------------------------------------- */

static enum kvf_status prepare_v(struct kvf_lite *s, sqlite3 *db, sqlite3_stmt **stmt,
				 struct kvf_err *err, const char *fmt, va_list ap)
{
	char *sql = sqlite3_vmprintf(fmt, ap);
	int rc;

	*stmt = NULL;
	if (!sql)
		return kvf_fail_nomem(err);
	rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
	sqlite3_free(sql);
	return rc ? kvf_lite_fail(s, db, "read the schema", err) : KVF_OK;
}

enum kvf_status kvf_lite_prepare(struct kvf_lite *s, sqlite3 *db, sqlite3_stmt **stmt,
				 struct kvf_err *err, const char *fmt, ...)
{
	enum kvf_status st;
	va_list ap;

	va_start(ap, fmt);
	st = prepare_v(s, db, stmt, err, fmt, ap);
	va_end(ap);
	return st;
}

enum kvf_status kvf_lite_exec(struct kvf_lite *s, sqlite3 *db, struct kvf_err *err,
			      const char *fmt, ...)
{
	va_list ap;
	char *sql;
	int rc;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	if (!sql)
		return kvf_fail_nomem(err);
	rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc ? kvf_lite_fail(s, db, "write", err) : KVF_OK;
}

enum kvf_status kvf_lite_number(struct kvf_lite *s, sqlite3 *db, int64_t *n,
				struct kvf_err *err, const char *fmt, ...)
{
	sqlite3_stmt *stmt;
	enum kvf_status st;
	va_list ap;
	int rc;

	*n = 0;
	va_start(ap, fmt);
	st = prepare_v(s, db, &stmt, err, fmt, ap);
	va_end(ap);
	if (st)
		return st;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*n = sqlite3_column_int64(stmt, 0);
	else if (rc != SQLITE_DONE)
		st = kvf_lite_fail(s, db, "read", err);
	sqlite3_finalize(stmt);
	return st;
}

enum kvf_status kvf_lite_run(struct kvf_lite *s, sqlite3_stmt *stmt, const char *doing,
			     struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (sqlite3_step(stmt) != SQLITE_DONE)
		st = kvf_lite_fail(s, sqlite3_db_handle(stmt), doing, err);
	sqlite3_reset(stmt);
	return st;
}

enum kvf_status kvf_lite_finish(struct kvf_lite *s, sqlite3_stmt *stmt, enum kvf_status st,
				struct kvf_err *err)
{
	sqlite3 *db = stmt ? sqlite3_db_handle(stmt) : NULL;
	int rc = sqlite3_finalize(stmt);

	if (rc == SQLITE_NOMEM)
		return kvf_fail_nomem(err);
	return rc && !st ? kvf_lite_fail(s, db, "read", err) : st;
}

void kvf_lite_bind(sqlite3_stmt *stmt, int at, struct kvf_bytes b)
{
	/* A NULL pointer would bind NULL. */
	sqlite3_bind_blob64(stmt, at, b.len ? (const void *)b.ptr : "", b.len, SQLITE_STATIC);
}

struct kvf_bytes kvf_lite_blob(sqlite3_stmt *stmt, int column)
{
	struct kvf_bytes b;

	b.ptr = sqlite3_column_blob(stmt, column);
	b.len = b.ptr ? (size_t)sqlite3_column_bytes(stmt, column) : 0;
	return b;
}

void kvf_lite_text(sqlite3_stmt *stmt, int column, char *to, size_t size)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	snprintf(to, size, "%s", text ? (const char *)text : "");
}

/* ---- connections --------------------------------------------------------------- */

/*
 * Wait for another process's lock: 1, 2, 4 ... 50 ms, together at most
 * KVF_LITE_BUSY_MS, and no longer than until we are asked to stop.
 */
static int busy(void *ctx, int tries)
{
	struct kvf_lite *s = ctx;
	long ms = tries < 6 ? 1L << tries : 50;
	long waited = tries < 6 ? (1L << tries) - 1 : 63 + 50L * (tries - 6);
	struct timespec t = { 0, ms * 1000000L };

	if (s->hasty || waited >= KVF_PATIENCE(KVF_LITE_BUSY_MS) ||
	    kvf_store_stopped(&s->base, NULL))
		return 0;
	nanosleep(&t, NULL);
	return 1;
}

/*
 * The path as a URI, so that no spelling of it is special to SQLite (":memory:",
 * "file:..."), with one parameter or none.  Freed with sqlite3_free().
 */
static char *uri(const char *path, const char *parameter)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *lead = path[0] == '/' ? "file://" : "file:./";
	char *out = sqlite3_malloc64(strlen(lead) + 3 * strlen(path) + strlen(parameter) + 1);
	char *p = out;

	if (!out)
		return NULL;
	memcpy(p, lead, strlen(lead));
	p += strlen(lead);
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c == '%' || c == '?' || c == '#' || c == ':') {
			*p++ = '%';
			*p++ = digits[c >> 4];
			*p++ = digits[c & 15];
		} else {
			*p++ = (char)c;
		}
	}
	memcpy(p, parameter, strlen(parameter) + 1);
	return out;
}

static enum kvf_status open_as(struct kvf_lite *s, int flags, const char *parameter,
			       sqlite3 **db, struct kvf_err *err)
{
	char *name = uri(s->path, parameter);
	enum kvf_status st = KVF_OK;

	*db = NULL;
	if (!name)
		return kvf_fail_nomem(err);
	if (sqlite3_open_v2(name, db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL)) {
		st = kvf_lite_fail(s, *db, "open", err);
		sqlite3_close(*db);
		*db = NULL;
	} else {
		sqlite3_extended_result_codes(*db, 1);
		sqlite3_busy_handler(*db, busy, s);
	}
	sqlite3_free(name);
	return st;
}

/* Is there a file beside the database, such as PATH-wal? */
static int has_side_file(const struct kvf_lite *s, const char *suffix)
{
	char *name = sqlite3_mprintf("%s%s", s->path, suffix);
	struct stat st;
	int has = !name || stat(name, &st) == 0;

	sqlite3_free(name);
	return has;
}

/* May this user make files in the folder of the database? */
static int folder_is_writable(const struct kvf_lite *s)
{
	const char *slash = strrchr(s->path, '/');
	char *folder = slash ? sqlite3_mprintf("%.*s", (int)(slash - s->path) + 1, s->path)
			     : sqlite3_mprintf(".");
	int writable = folder && access(folder, W_OK | X_OK) == 0;

	sqlite3_free(folder);
	return writable;
}

/*
 * The first 100 bytes of the file, as far as there are any.  Through SQLite: to
 * close a descriptor of our own would give up every POSIX lock that this process
 * has on the file, also that of another handle, a cursor or a source.
 */
static enum kvf_status read_header(struct kvf_lite *s, sqlite3 *db, uint8_t head[100],
				   size_t *len, struct kvf_err *err)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;
	int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	*len = 0;
	if (!rc)
		rc = file->pMethods->xFileSize(file, &size);
	if (!rc && size > 0) {
		*len = size < 100 ? (size_t)size : 100;
		rc = file->pMethods->xRead(file, head, (int)*len, 0);
	}
	if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
		return kvf_fail_nomem(err);
	return rc ? kvf_fail(err, KVF_ETARGET, "%s: cannot read: %s", s->path,
			     sqlite3_errstr(rc))
		  : KVF_OK;
}

static enum kvf_status set_up(struct kvf_lite *s, sqlite3 *db, int writing, struct kvf_err *err)
{
	enum kvf_status st;

	if (!writing)
		return kvf_lite_exec(s, db, err, "PRAGMA query_only=ON; PRAGMA cache_size=-%d",
				     KVF_LITE_READ_CACHE_KIB);
	if (kvf_lite_batch_register(db, &s->batch))
		return kvf_lite_fail(s, db, "open", err);
	/* legacy_alter_table, without foreign keys: a rename leaves views, triggers
	 * and references of the application with the name that they were given. */
	st = kvf_lite_exec(s, db, err,
			   "PRAGMA page_size=%d;" /* counts while the database is empty */
			   "PRAGMA cache_size=-%d; PRAGMA synchronous=FULL;"
			   "PRAGMA legacy_alter_table=ON; PRAGMA foreign_keys=OFF;"
			   "PRAGMA recursive_triggers=OFF; PRAGMA secure_delete=FAST",
			   KVF_LITE_PAGE_SIZE, KVF_LITE_WRITE_CACHE_KIB);
	return st;
}

/*
 * Read without leaving a trace.  A rollback database is opened read-only.  A
 * WAL database needs its two side files: where nobody has made them, a
 * connection that could write makes them and takes them away again; where that
 * is not allowed nobody else can be writing either, and "immutable" reads it.
 */
static enum kvf_status connect_to_read(struct kvf_lite *s, sqlite3 **db, struct kvf_err *err)
{
	enum kvf_status st = open_as(s, SQLITE_OPEN_READONLY, "", db, err);
	uint8_t head[100];
	size_t len;
	int64_t n;

	if (!st)
		st = read_header(s, *db, head, &len, err);
	if (!st && len == sizeof(head) && head[18] == 2 && !has_side_file(s, "-wal")) {
		sqlite3_close(*db);
		st = folder_is_writable(s) && access(s->path, W_OK) == 0
			     ? open_as(s, SQLITE_OPEN_READWRITE, "", db, err)
			     : open_as(s, SQLITE_OPEN_READONLY, "?immutable=1", db, err);
	}
	if (st)
		return st;
	st = kvf_lite_number(s, *db, &n, err, "SELECT count(*) FROM sqlite_master");
	if (st && ((sqlite3_errcode(*db) & 0xff) == SQLITE_READONLY ||
		   (sqlite3_errcode(*db) & 0xff) == SQLITE_CANTOPEN)) {
		/* A dead writer left a journal: roll back, as any reader would. */
		sqlite3_close(*db);
		st = open_as(s, SQLITE_OPEN_READWRITE, "", db, err);
		if (!st)
			st = kvf_lite_number(s, *db, &n, err,
					     "SELECT count(*) FROM sqlite_master");
	}
	return st;
}

enum kvf_status kvf_lite_connect(struct kvf_lite *s, int writing, sqlite3 **db,
				 struct kvf_err *err)
{
	enum kvf_status st = writing ? open_as(s, SQLITE_OPEN_READWRITE, "", db, err)
				     : connect_to_read(s, db, err);

	if (!st)
		st = set_up(s, *db, writing, err);
	if (st) {
		sqlite3_close(*db);
		*db = NULL;
	}
	return st;
}

enum kvf_status kvf_lite_look_again(struct kvf_lite *s, struct kvf_err *err)
{
	struct stat st;

	if (s->db || stat(s->path, &st))
		return KVF_OK;
	return kvf_lite_connect(s, 1, &s->db, err);
}

enum kvf_status kvf_lite_create(struct kvf_lite *s, struct kvf_err *err)
{
	enum kvf_status st;
	int fd;

	if (s->db)
		return KVF_OK;
	/* Mode 0600 whatever SQLite would choose.  Another process may be quicker;
	 * then its file is ours as well, and the epoch decides between us. */
	fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST) {
		st = kvf_fail_errno(err, KVF_ETARGET, errno, "%s: cannot create the store",
				    s->path);
		kvf_err_detail(err, "Nothing was changed.");
		return st;
	}
	if (fd >= 0)
		close(fd);
	return kvf_lite_connect(s, 1, &s->db, err);
}

/* ---- the handle ------------------------------------------------------------------ */

static void close_store(struct kvf_store *base)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	size_t i;

	for (i = 0; i < KVF_LITE_NSTMT; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	kvf_buf_release(&s->value);
	kvf_arena_release(&s->ledger);
	free(s->table);
	free(s->path);
	free(s);
}

static const struct kvf_store_ops ops = {
	.close = close_store,
	.changes = kvf_lite_changes,
	.inspect = kvf_lite_inspect,
	.control = kvf_lite_control,
	.generation = kvf_lite_generation,
	.scan = kvf_lite_scan,
	.cursor_next = kvf_lite_cursor_next,
	.cursor_close = kvf_lite_cursor_close,
	.totals = kvf_lite_totals,
	.get = kvf_lite_get,
	.unit = kvf_lite_unit,
	.acquire = kvf_lite_acquire,
	.beat = kvf_lite_beat,
	.stage = kvf_lite_stage,
	.put = kvf_lite_put,
	.chunk = kvf_lite_chunk,
	.keep_unit = kvf_lite_keep_unit,
	.flush = kvf_lite_flush,
	.progress = kvf_lite_progress,
	.applied = kvf_lite_applied,
	.merge_stats = kvf_lite_merge_stats,
	.seal = kvf_lite_seal,
	.commit = kvf_lite_commit,
	.gc = kvf_lite_gc,
	.note_frozen = kvf_lite_note_frozen,
	.note_failure = kvf_lite_note_failure,
	.ledger_append = kvf_lite_ledger_append,
	.ledger_next = kvf_lite_ledger_next,
	.abort = kvf_lite_abort,
	.marks = kvf_lite_marks,
	.rollback = kvf_lite_rollback_to_previous,
	.sweep = kvf_lite_sweep,
	.leftovers = kvf_lite_leftovers,
	.cleanup = kvf_lite_cleanup,
	.legacy = kvf_lite_legacy,
};

/* A name that SQLite keeps for itself, or we for us, cannot be the live table. */
static enum kvf_status check_table_name(const char *name, struct kvf_err *err)
{
	enum kvf_status st;

	if (name[0] && sqlite3_strnicmp(name, "sqlite_", 7) &&
	    sqlite3_strnicmp(name, "kvferry_", 8))
		return KVF_OK;
	st = kvf_fail(err, KVF_EUSAGE, "\"%.100s\" cannot be the name of the live table", name);
	kvf_err_hint(err, "Names that begin with sqlite_ or kvferry_ are taken.");
	return st;
}

/* Is there a file that can be a database?  Sets *exists. */
static enum kvf_status look_at_file(struct kvf_lite *s, int *exists, struct kvf_err *err)
{
	enum kvf_status rc;
	uint8_t head[100];
	struct stat st;
	sqlite3 *db;
	size_t len;

	*exists = 0;
	if (stat(s->path, &st)) {
		if (errno == ENOENT && s->base.mode == KVF_STORE_READ)
			return kvf_fail(err, KVF_ENOTFOUND, "there is no store at %s", s->path);
		if (errno == ENOENT)
			return KVF_OK;
		return kvf_fail_errno(err, KVF_ETARGET, errno, "%s: cannot open the store",
				      s->path);
	}
	*exists = 1;
	if (!S_ISREG(st.st_mode))
		return kvf_fail(err, KVF_ETARGET, "%s is not a file", s->path);
	if (access(s->path, R_OK))
		return kvf_fail_errno(err, KVF_ETARGET, errno, "%s: cannot open the store",
				      s->path);
	if (st.st_size == 0)
		return KVF_OK;
	rc = open_as(s, SQLITE_OPEN_READONLY, "", &db, err);
	if (!rc)
		rc = read_header(s, db, head, &len, err);
	if (!rc && (len < 16 || memcmp(head, "SQLite format 3", 16) != 0)) {
		rc = kvf_fail(err, KVF_ETARGET, "%s is not an SQLite database", s->path);
		kvf_err_detail(err, "It was not changed.");
		kvf_err_hint(err, "Check the path; a store that is not there yet is created.");
	}
	sqlite3_close(db);
	return rc;
}

/* The live table's name: as given, as kept in the control row, or "kv". */
static enum kvf_status find_table(struct kvf_lite *s, const char *given, struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = KVF_OK;
	char name[256] = "";
	int has = 0;

	s->table_given = given != NULL;
	/* Who writes is told by inspect(). */
	if (s->db && (!given || s->base.mode == KVF_STORE_READ))
		st = kvf_lite_has(s, s->db, "table", "kvferry_control", &has, err);
	if (!st && has)
		st = kvf_lite_prepare(s, s->db, &stmt, err, "SELECT live FROM kvferry_control");
	if (st && has && sqlite3_errcode(s->db) == SQLITE_ERROR)
		return kvf_lite_not_ours(s, err);
	if (!st && has) {
		if (sqlite3_step(stmt) == SQLITE_ROW)
			kvf_lite_text(stmt, 0, name, sizeof(name));
		st = kvf_lite_finish(s, stmt, KVF_OK, err);
	}
	if (!st && given && *name && sqlite3_stricmp(name, given) != 0)
		st = kvf_store_other_table(s->path, name, given, err);
	if (st)
		return st;
	s->table = strdup(given ? given : *name ? name : "kv");
	return s->table ? KVF_OK : kvf_fail_nomem(err);
}

/* The file's full name, of what it is or of what it will be, without symlinks. */
static enum kvf_status put_place(struct kvf_lite *s, struct kvf_err *err)
{
	const char *slash = strrchr(s->path, '/'), *base = "";
	char *whole = realpath(s->path, NULL);
	int n;

	if (!whole && errno == ENOENT) {
		char *folder =
			slash ? strndup(s->path, (size_t)(slash - s->path) + 1) : strdup(".");

		base = slash ? slash + 1 : s->path;
		whole = folder ? realpath(folder, NULL) : NULL;
		free(folder);
	}
	if (!whole && errno == ENOMEM)
		return kvf_fail_nomem(err);
	n = snprintf(s->base.place, sizeof(s->base.place), "sqlite:%s%s%s", whole ? whole : "",
		     *base && whole && whole[1] ? "/" : "", base);
	if (!whole || n < 0 || (size_t)n >= sizeof(s->base.place))
		s->base.place[0] = '\0'; /* whoever needs it knows what to do without */
	free(whole);
	return KVF_OK;
}

enum kvf_status kvf_lite_open(const char *rest, enum kvf_store_mode mode,
			      const struct kvf_store_options *options,
			      const struct kvf_env *env, struct kvf_store **out,
			      struct kvf_err *err)
{
	const char *table = options ? options->table : NULL;
	struct kvf_lite *s;
	enum kvf_status st;
	int exists = 0;

	if (!rest[0])
		return kvf_fail(err, KVF_EUSAGE, "sqlite: needs the path of a file");
	if (options && options->partitions)
		return kvf_fail(err, KVF_EUSAGE, "a store in SQLite has no partitions");
	if (table) {
		st = check_table_name(table, err);
		if (st)
			return st;
		if (strlen(table) > 255)
			return kvf_fail(err, KVF_EUSAGE,
					"a table's name has at most 255 bytes");
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return kvf_fail_nomem(err);
	s->base.ops = &ops;
	s->base.env = env;
	s->base.mode = mode;
	kvf_buf_init(&s->value, SIZE_MAX / 2);
	kvf_arena_init(&s->ledger);
	snprintf(s->base.identity, sizeof(s->base.identity), "SQLite %s, %s",
		 sqlite3_libversion(), rest);
	s->path = strdup(rest);
	st = s->path ? look_at_file(s, &exists, err) : kvf_fail_nomem(err);
	if (!st && exists)
		st = kvf_lite_connect(s, mode == KVF_STORE_WRITE && access(rest, W_OK) == 0,
				      &s->db, err);
	if (!st)
		st = find_table(s, table, err);
	if (!st)
		st = put_place(s, err);
	if (st) {
		close_store(&s->base);
		return st;
	}
	*out = &s->base;
	return KVF_OK;
}
