/*
 * vfs_fault - see the header.  The power-loss modes keep what each write and
 * truncation replaced until the file is synced, and put it back when the
 * machine "stops".  One thread.
 */
#include "vfs_fault.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sqlite3_vfs *real;
static sqlite3_vfs shim;
static enum vfs_fault_mode mode;
static unsigned calls, target;

/* What stood where an unsynced write went; newest first. */
struct undo {
	struct undo *next;
	char *path;
	sqlite3_int64 offset, size; /* of the write; of the file before it */
	int len;                    /* bytes to put back; 0 for a truncation */
	uint8_t bytes[];
};
static struct undo *undos;

struct fault_file {
	sqlite3_file base;
	char *path;
	sqlite3_file *real; /* behind this struct */
};

static struct fault_file *of(sqlite3_file *f)
{
	return (struct fault_file *)f;
}

/* ---- losing power -------------------------------------------------------------- */

static void forget(const char *path)
{
	struct undo **p = &undos, *u;

	while ((u = *p)) {
		if (path && strcmp(u->path, path) != 0) {
			p = &u->next;
			continue;
		}
		*p = u->next;
		free(u->path);
		free(u);
	}
}

static void remember(struct fault_file *f, sqlite3_int64 offset, int len)
{
	sqlite3_int64 size = 0;
	struct undo *u;
	int have;

	if (mode != VFS_POWER_ALL && mode != VFS_POWER_SOME)
		return;
	f->real->pMethods->xFileSize(f->real, &size);
	have = offset >= size ? 0 : size - offset < len ? (int)(size - offset) : len;
	u = malloc(sizeof(*u) + (size_t)have);
	if (!u)
		abort();
	u->path = strdup(f->path);
	u->offset = offset;
	u->size = size;
	u->len = have;
	if (have)
		f->real->pMethods->xRead(f->real, u->bytes, have, offset);
	u->next = undos;
	undos = u;
}

static void lose_power(void)
{
	struct undo *u;
	unsigned i = 0;

	for (u = undos; u; u = u->next, i++) {
		int fd;

		if (mode == VFS_POWER_SOME && (i * 2654435761u + calls * 40503u) >> 7 & 1)
			continue;
		fd = open(u->path, O_RDWR);
		if (fd < 0)
			continue;
		if (u->len && pwrite(fd, u->bytes, (size_t)u->len, u->offset) != u->len)
			abort();
		if (mode == VFS_POWER_ALL && ftruncate(fd, u->size))
			abort();
		close(fd);
	}
	raise(SIGKILL);
}

/* ---- counting -------------------------------------------------------------------- */

/* Count a call; non-zero if it has to fail. */
static int strike(void)
{
	calls++;
	switch (mode) {
	case VFS_COUNT:
	case VFS_TEAR: break;
	case VFS_FAIL_ONCE: return calls == target;
	case VFS_FAIL_EVER: return calls >= target;
	case VFS_KILL:
		if (calls == target)
			raise(SIGKILL);
		break;
	case VFS_POWER_ALL:
	case VFS_POWER_SOME:
		if (calls == target)
			lose_power();
		break;
	}
	if (mode == VFS_TEAR && calls == target + 1)
		raise(SIGKILL); /* the target was no write */
	return 0;
}

/* ---- files ------------------------------------------------------------------------ */

static int f_close(sqlite3_file *f)
{
	int rc = of(f)->real->pMethods->xClose(of(f)->real);

	free(of(f)->path);
	of(f)->path = NULL;
	return rc;
}

static int f_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 at)
{
	return of(f)->real->pMethods->xRead(of(f)->real, buf, n, at);
}

static int f_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 at)
{
	if (strike())
		return calls % 2 ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	if (mode == VFS_TEAR && calls == target) {
		of(f)->real->pMethods->xWrite(of(f)->real, buf, n / 2, at);
		raise(SIGKILL);
	}
	remember(of(f), at, n);
	return of(f)->real->pMethods->xWrite(of(f)->real, buf, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (strike())
		return SQLITE_IOERR_TRUNCATE;
	remember(of(f), size, INT32_MAX);
	return of(f)->real->pMethods->xTruncate(of(f)->real, size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	(void)flags;
	if (strike())
		return SQLITE_IOERR_FSYNC;
	forget(of(f)->path);
	return SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return of(f)->real->pMethods->xFileSize(of(f)->real, size);
}

static int f_lock(sqlite3_file *f, int level)
{
	return of(f)->real->pMethods->xLock(of(f)->real, level);
}

static int f_unlock(sqlite3_file *f, int level)
{
	return of(f)->real->pMethods->xUnlock(of(f)->real, level);
}

static int f_reserved(sqlite3_file *f, int *out)
{
	return of(f)->real->pMethods->xCheckReservedLock(of(f)->real, out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return of(f)->real->pMethods->xFileControl(of(f)->real, op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return of(f)->real->pMethods->xSectorSize(of(f)->real);
}

static int f_traits(sqlite3_file *f)
{
	return of(f)->real->pMethods->xDeviceCharacteristics(of(f)->real);
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return of(f)->real->pMethods->xShmMap(of(f)->real, page, size, extend, p);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return of(f)->real->pMethods->xShmLock(of(f)->real, offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	of(f)->real->pMethods->xShmBarrier(of(f)->real);
}

static int f_shm_unmap(sqlite3_file *f, int delete)
{
	return of(f)->real->pMethods->xShmUnmap(of(f)->real, delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_reserved,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_traits,
	.xShmMap = f_shm_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

/* ---- the VFS ----------------------------------------------------------------------- */

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct fault_file *file = of(f);
	int rc;

	(void)v;
	memset(file, 0, sizeof(*file));
	if ((flags & SQLITE_OPEN_CREATE) && (flags & SQLITE_OPEN_MAIN_JOURNAL) && strike())
		return SQLITE_CANTOPEN;
	file->real = (sqlite3_file *)(void *)(file + 1);
	rc = real->xOpen(real, name, file->real, flags, out);
	if (rc)
		return rc;
	file->path = strdup(name ? name : "");
	file->base.pMethods = &methods;
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	int rc;

	(void)v;
	(void)sync; /* of the folder: left out */
	if (strike())
		return SQLITE_IOERR_DELETE;
	rc = real->xDelete(real, name, 0);
	if (!rc)
		forget(name);
	return rc;
}

void vfs_fault_install(void)
{
	if (real)
		return;
	real = sqlite3_vfs_find(NULL);
	shim = *real;
	shim.pNext = NULL;
	shim.zName = "fault";
	shim.szOsFile = (int)sizeof(struct fault_file) + real->szOsFile;
	shim.xOpen = v_open;
	shim.xDelete = v_delete;
	sqlite3_vfs_register(&shim, 1);
}

void vfs_fault_set(enum vfs_fault_mode m, unsigned n)
{
	forget(NULL);
	mode = m;
	target = n;
	calls = 0;
}

unsigned vfs_fault_calls(void)
{
	return calls;
}

int vfs_fault_hit(void)
{
	return calls >= target;
}
