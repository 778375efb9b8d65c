/*
 * io - output files where system calls fail.  A seccomp filter in a child makes
 * the kernel refuse one call, which needs no privilege and no special disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kvferry/io.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/kvf-io-XXXXXX";

static int enter(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

/* From now on `call` fails with `errnum`, if argument `arg` has all of `bits`. */
static int refuse(unsigned call, unsigned arg, unsigned bits, unsigned errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (unsigned)offsetof(struct seccomp_data, args) + 8 * arg),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static size_t names_here(void)
{
	DIR *d = opendir(".");
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

/* Write "new" to x; 0 if all is well, else the line where it was not. */
#define CHECK(cond)                                                                            \
	do {                                                                                   \
		if (!(cond))                                                                   \
			return __LINE__;                                                       \
	} while (0)

static int write_x(int replace, enum kvf_status want, int errnum)
{
	struct kvf_output *out;
	struct kvf_err err = { 0 };

	CHECK(kvf_output_file("x", replace, &out, NULL) == KVF_OK);
	CHECK(kvf_output_write(out, "new", 3, NULL) == KVF_OK);
	CHECK(kvf_output_commit(out, &err) == want);
	CHECK(err.sys_errno == errnum);
	CHECK(kvf_output_commit(out, NULL) == want);
	kvf_output_close(out);
	return 0;
}

static int no_unnamed_files(void)
{
	CHECK(refuse(SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, EOPNOTSUPP));
	CHECK(write_x(0, KVF_OK, 0) == 0);
	CHECK(names_here() == 1);
	CHECK(write_x(1, KVF_OK, 0) == 0);
	CHECK(names_here() == 1);
	return 0;
}

static int no_unnamed_files_and_no_flags_for_rename(void)
{
	CHECK(refuse(SYS_renameat2, 4, RENAME_NOREPLACE, EINVAL));
	return no_unnamed_files();
}

static int an_abandoned_named_file(void)
{
	struct kvf_output *out;
	int fd;

	CHECK(refuse(SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, EOPNOTSUPP));
	CHECK(kvf_output_file("x", 0, &out, NULL) == KVF_OK);
	CHECK(names_here() == 1 && access("x", F_OK) != 0);
	kvf_output_close(out);
	CHECK(names_here() == 0);
	CHECK(kvf_scratch_open(".", &fd, NULL) == KVF_OK);
	CHECK(names_here() == 0);
	return 0;
}

static int a_name_taken_meanwhile(void)
{
	struct kvf_output *out;

	CHECK(refuse(SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, EOPNOTSUPP));
	CHECK(kvf_output_file("x", 0, &out, NULL) == KVF_OK);
	CHECK(symlink("elsewhere", "x") == 0);
	CHECK(kvf_output_commit(out, NULL) == KVF_EPREFLIGHT);
	kvf_output_close(out);
	CHECK(names_here() == 1);
	return 0;
}

static int fsync_fails(void)
{
	CHECK(refuse(SYS_fsync, 0, 0, EIO));
	CHECK(write_x(0, KVF_ETARGET, EIO) == 0);
	CHECK(names_here() == 0);
	return 0;
}

static int rename_fails(void)
{
	CHECK(refuse(SYS_renameat, 0, 0, EROFS) && refuse(SYS_renameat2, 0, 0, EROFS));
	CHECK(write_x(1, KVF_ETARGET, EROFS) == 0);
	CHECK(names_here() == 0);
	return 0;
}

static int write_fails(void)
{
	struct kvf_output *out;
	struct kvf_err err;

	CHECK(kvf_output_file("x", 0, &out, NULL) == KVF_OK);
	CHECK(refuse(SYS_write, 0, 0, ENOSPC));
	CHECK(kvf_output_write(out, "new", 3, &err) == KVF_ETARGET);
	CHECK(err.sys_errno == ENOSPC && strstr(err.detail, "are free") && err.hint[0]);
	kvf_output_close(out);
	CHECK(names_here() == 0);
	return 0;
}

static int read_fails(void)
{
	struct kvf_input *in;
	struct kvf_err err;
	size_t got;
	char c;

	CHECK(kvf_input_file("/proc/self/exe", &in, NULL) == KVF_OK);
	CHECK(refuse(SYS_read, 0, 0, EIO) && refuse(SYS_pread64, 0, 0, EIO));
	CHECK(kvf_input_read(in, &c, 1, &got, &err) == KVF_ESOURCE && err.sys_errno == EIO);
	CHECK(kvf_input_pread(in, 0, &c, 1, &got, &err) == KVF_ESOURCE);
	kvf_input_close(in);
	return 0;
}

/* Run in a child, because a filter cannot be taken off again. */
static void in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int line = fn();

		unlink("x");
		_exit(line > 255 ? 255 : line);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("child: line %d", WEXITSTATUS(status));
}

static void named_files_do_where_unnamed_ones_do_not_exist(void **state)
{
	(void)state;
	in_child(no_unnamed_files);
	in_child(no_unnamed_files_and_no_flags_for_rename);
	in_child(an_abandoned_named_file);
	in_child(a_name_taken_meanwhile);
}

static void a_failed_fsync_or_rename_publishes_nothing(void **state)
{
	(void)state;
	in_child(fsync_fails);
	in_child(rename_fails);
}

static void failing_reads_and_writes_say_what_and_why(void **state)
{
	(void)state;
	in_child(write_fails);
	in_child(read_fails);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_files_do_where_unnamed_ones_do_not_exist),
		cmocka_unit_test(a_failed_fsync_or_rename_publishes_nothing),
		cmocka_unit_test(failing_reads_and_writes_say_what_and_why),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
