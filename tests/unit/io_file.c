/* io - output files: they appear complete or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kvferry/io.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text)
{
	char buf[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(buf, text);
}

static struct kvf_output *open_out(const char *path, int replace)
{
	struct kvf_output *out;
	struct kvf_err err;

	assert_int_equal(kvf_output_file(path, replace, &out, &err), KVF_OK);
	return out;
}

static void a_file_appears_only_when_it_is_committed(void **state)
{
	struct kvf_output *out = open_out("x", 0);
	struct kvf_err err;
	struct stat st;

	(void)state;
	assert_int_equal(kvf_output_write(out, "abc", 3, &err), KVF_OK);
	assert_int_equal(access("x", F_OK), -1);
	assert_int_equal(kvf_output_tell(out), 3);
	assert_int_equal(kvf_output_commit(out, &err), KVF_OK);
	assert_file("x", "abc");
	assert_int_equal(kvf_output_commit(out, &err), KVF_OK);
	assert_int_equal(kvf_output_write(out, "d", 1, &err), KVF_EINTERNAL);
	kvf_output_close(out);
	assert_int_equal(stat("x", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(names_here(), 1);
	unlink("x");
}

static void what_is_not_committed_leaves_nothing(void **state)
{
	struct kvf_output *out = open_out("x", 1);

	(void)state;
	assert_int_equal(kvf_output_write(out, "abc", 3, NULL), KVF_OK);
	kvf_output_close(out);
	assert_int_equal(names_here(), 0);
}

static void the_mode_is_0600_whatever_the_umask(void **state)
{
	mode_t masks[] = { 0, 022, 077, 0777 };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		mode_t old = umask(masks[i]);
		struct kvf_output *out = open_out("x", 1);
		struct stat st;
		enum kvf_status rc = kvf_output_commit(out, NULL);
		int fd;

		assert_int_equal(kvf_scratch_open(".", &fd, NULL), KVF_OK);
		umask(old);
		assert_int_equal(rc, KVF_OK);
		kvf_output_close(out);
		assert_int_equal(stat("x", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		close(fd);
	}
	unlink("x");
}

static void an_existing_file_is_refused_and_not_touched(void **state)
{
	struct kvf_output *out;
	struct kvf_err err;

	(void)state;
	put_file("x", "old");
	assert_int_equal(kvf_output_file("x", 0, &out, &err), KVF_EPREFLIGHT);
	assert_null(out);
	assert_non_null(strstr(err.message, "x"));
	assert_file("x", "old");
	unlink("x");
}

static void a_file_that_appears_meanwhile_is_not_overwritten(void **state)
{
	struct kvf_output *out = open_out("x", 0);
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_output_write(out, "new", 3, &err), KVF_OK);
	put_file("x", "other");
	assert_int_equal(kvf_output_commit(out, &err), KVF_EPREFLIGHT);
	assert_int_equal(kvf_output_commit(out, &err), KVF_EPREFLIGHT);
	kvf_output_close(out);
	assert_file("x", "other");
	assert_int_equal(names_here(), 1);
	unlink("x");
}

static void replacing_keeps_the_old_file_until_commit(void **state)
{
	struct kvf_output *out;

	(void)state;
	put_file("x", "old");
	out = open_out("x", 1);
	assert_int_equal(kvf_output_write(out, "new", 3, NULL), KVF_OK);
	assert_file("x", "old");
	assert_int_equal(kvf_output_commit(out, NULL), KVF_OK);
	kvf_output_close(out);
	assert_file("x", "new");
	assert_int_equal(names_here(), 1);
	unlink("x");
}

static void links_and_folders_are_refused(void **state)
{
	struct kvf_output *out;
	struct kvf_err err;
	int replace;

	(void)state;
	put_file("real", "old");
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	for (replace = 0; replace < 2; replace++) {
		const char *bad[] = { "link", "dangling", "folder", "folder/", "", ".", ".." };
		size_t i;

		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
			assert_int_equal(kvf_output_file(bad[i], replace, &out, &err),
					 KVF_EPREFLIGHT);
	}
	assert_int_equal(kvf_output_file("missing/x", 0, &out, &err), KVF_ETARGET);
	assert_int_equal(kvf_output_file("real/x", 0, &out, &err), KVF_ETARGET);
	assert_int_equal(access("nowhere", F_OK), -1);
	assert_file("real", "old");
	assert_int_equal(unlink("real") | unlink("link") | unlink("dangling") | rmdir("folder"),
			 0);
}

static void a_link_planted_meanwhile_is_replaced_and_not_followed(void **state)
{
	struct kvf_output *out = open_out("x", 1);
	struct stat st;

	(void)state;
	put_file("victim", "precious");
	assert_int_equal(symlink("victim", "x"), 0);
	assert_int_equal(kvf_output_write(out, "new", 3, NULL), KVF_OK);
	assert_int_equal(kvf_output_commit(out, NULL), KVF_OK);
	kvf_output_close(out);
	assert_file("victim", "precious");
	assert_int_equal(lstat("x", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink("x");
	unlink("victim");
}

static void a_full_device_names_the_file_and_the_need(void **state)
{
	struct kvf_output *out;
	struct kvf_err err;
	char block[1000] = "";

	(void)state;
	out = open_out("/dev/full", 0);
	assert_int_equal(kvf_output_write(out, block, sizeof(block), &err), KVF_ETARGET);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_non_null(strstr(err.message, "/dev/full"));
	assert_non_null(strstr(err.detail, "1000"));
	assert_int_equal(kvf_output_tell(out), 0);
	assert_int_equal(kvf_output_write(out, "", 0, &err), KVF_ETARGET); /* sticky */
	assert_int_equal(kvf_output_commit(out, &err), KVF_ETARGET);
	assert_int_equal(err.sys_errno, ENOSPC);
	kvf_output_close(out);
}

static void a_file_over_the_size_limit_is_an_error_and_leaves_nothing(void **state)
{
	struct rlimit old, small = { 4096, 0 };
	struct kvf_output *out;
	struct kvf_err err;
	static char block[10000];
	enum kvf_status st;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	out = open_out("x", 0);
	setrlimit(RLIMIT_FSIZE, &small);
	st = kvf_output_write(out, block, sizeof(block), &err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(st, KVF_ETARGET);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_non_null(strstr(err.detail, "4096 bytes were written"));
	assert_non_null(strstr(err.detail, "5904"));
	kvf_output_close(out);
	assert_int_equal(names_here(), 0);
}

static void the_null_device_takes_everything_and_stays_a_device(void **state)
{
	struct kvf_output *out = open_out("/dev/null", 1);
	struct stat st;

	(void)state;
	assert_int_equal(kvf_output_write(out, "abc", 3, NULL), KVF_OK);
	assert_int_equal(kvf_output_commit(out, NULL), KVF_OK);
	kvf_output_close(out);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void *drain_fifo(void *arg)
{
	char *buf = arg;
	FILE *f = fopen("fifo", "r");

	if (f) {
		buf[fread(buf, 1, 15, f)] = '\0';
		fclose(f);
	}
	return NULL;
}

static void bytes_go_straight_into_a_fifo(void **state)
{
	char buf[16] = "";
	struct kvf_output *out;
	pthread_t t;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(pthread_create(&t, NULL, drain_fifo, buf), 0);
	out = open_out("fifo", 0);
	assert_int_equal(kvf_output_write(out, "abc", 3, NULL), KVF_OK);
	assert_int_equal(kvf_output_commit(out, NULL), KVF_OK);
	kvf_output_close(out);
	pthread_join(t, NULL);
	assert_string_equal(buf, "abc");
	unlink("fifo");
}

static void files_never_take_the_place_of_a_standard_stream(void **state)
{
	int saved = dup(0), fd;
	struct kvf_output *out;
	struct kvf_input *in;
	struct stat st;

	(void)state;
	close(0);
	out = open_out("x", 0);
	assert_int_equal(fstat(0, &st), -1);
	assert_int_equal(kvf_output_commit(out, NULL), KVF_OK);
	assert_int_equal(kvf_input_file("x", &in, NULL), KVF_OK);
	assert_int_equal(fstat(0, &st), -1);
	assert_int_equal(kvf_scratch_open(".", &fd, NULL), KVF_OK);
	assert_true(fd > 2);
	close(fd);
	kvf_output_close(out);
	kvf_input_close(in);
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
	unlink("x");
}

static void a_scratch_file_can_be_read_back_and_has_no_name(void **state)
{
	char buf[4] = "";
	struct kvf_err err;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(kvf_scratch_open(".", &fd, &err), KVF_OK);
	assert_int_equal(names_here(), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(pread(fd, buf, 3, 0), 3);
	assert_string_equal(buf, "abc");
	close(fd);
	assert_int_equal(kvf_scratch_open("missing", &fd, &err), KVF_ETARGET);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.message, "missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_appears_only_when_it_is_committed),
		cmocka_unit_test(what_is_not_committed_leaves_nothing),
		cmocka_unit_test(the_mode_is_0600_whatever_the_umask),
		cmocka_unit_test(an_existing_file_is_refused_and_not_touched),
		cmocka_unit_test(a_file_that_appears_meanwhile_is_not_overwritten),
		cmocka_unit_test(replacing_keeps_the_old_file_until_commit),
		cmocka_unit_test(links_and_folders_are_refused),
		cmocka_unit_test(a_link_planted_meanwhile_is_replaced_and_not_followed),
		cmocka_unit_test(a_full_device_names_the_file_and_the_need),
		cmocka_unit_test(a_file_over_the_size_limit_is_an_error_and_leaves_nothing),
		cmocka_unit_test(the_null_device_takes_everything_and_stays_a_device),
		cmocka_unit_test(bytes_go_straight_into_a_fifo),
		cmocka_unit_test(files_never_take_the_place_of_a_standard_stream),
		cmocka_unit_test(a_scratch_file_can_be_read_back_and_has_no_name),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
