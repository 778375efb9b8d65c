/*
 * vfs_fault - a SQLite VFS that counts what changes files, and makes the n-th
 * such call fail, or the process die in it, with or without the writes that
 * were never synced.
 */
#ifndef VFS_FAULT_H
#define VFS_FAULT_H

enum vfs_fault_mode {
	VFS_COUNT,     /* nothing happens; calls are counted */
	VFS_FAIL_ONCE, /* the n-th call fails */
	VFS_FAIL_EVER, /* the n-th call and all that follow fail */
	VFS_KILL,      /* the process dies before the n-th call takes effect */
	VFS_TEAR,      /* ... after half of the n-th call, if it is a write */
	VFS_POWER_ALL, /* the machine stops: no unsynced write is on the disk */
	VFS_POWER_SOME /* ... some of the unsynced writes are */
};

/* Make it the default VFS.  It wraps the one that was; fsync is left out. */
void vfs_fault_install(void);

/* Count from 0 again; in call number `n` (from 1) do what `mode` says. */
void vfs_fault_set(enum vfs_fault_mode mode, unsigned n);

/* Calls since vfs_fault_set(), and whether the n-th was among them. */
unsigned vfs_fault_calls(void);
int vfs_fault_hit(void);

#endif
