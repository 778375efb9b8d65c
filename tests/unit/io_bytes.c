/* io - inputs, descriptors, memory, and the pipe between threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kvferry/io.h>

#include <errno.h>
#include <fcntl.h>
#include "io/parcel.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- inputs ------------------------------------------------------------------ */

struct trickle {
	int fd;
	size_t n;
	pthread_t reader;
};

static void on_signal(int sig)
{
	(void)sig;
}

/* One byte at a time, and signals that interrupt the reader's read(). */
static void *feed_slowly(void *arg)
{
	struct trickle *t = arg;
	size_t i;

	for (i = 0; i < t->n; i++) {
		uint8_t byte = (uint8_t)(i * 31);

		if (i % 16 == 0) {
			pthread_kill(t->reader, SIGUSR1);
			usleep(200);
		}
		if (write(t->fd, &byte, 1) != 1)
			break;
	}
	close(t->fd);
	return NULL;
}

static void read_trickle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal }, old; /* no SA_RESTART */
	uint8_t buf[600];
	struct kvf_input *in;
	struct kvf_err err;
	struct trickle t;
	pthread_t thread;
	int fds[2];
	size_t got, i;

	sigaction(SIGUSR1, &sa, &old);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, flags), 0);
	t = (struct trickle){ fds[1], 500, pthread_self() };
	assert_int_equal(kvf_input_fd(fds[0], "trickle", &in, &err), KVF_OK);
	assert_int_equal(pthread_create(&thread, NULL, feed_slowly, &t), 0);
	assert_int_equal(kvf_input_read(in, buf, 100, &got, &err), KVF_OK);
	assert_int_equal(got, 100);
	assert_int_equal(kvf_input_read(in, buf + 100, 500, &got, &err), KVF_OK);
	assert_int_equal(got, 400);
	assert_int_equal(kvf_input_read(in, buf, 1, &got, &err), KVF_OK);
	assert_int_equal(got, 0);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
	for (i = 1; i < 500; i++)
		assert_int_equal(buf[i], (uint8_t)(i * 31));
	kvf_input_close(in);
	close(fds[0]);
}

static void short_reads_and_signals_do_not_show(void **state)
{
	(void)state;
	read_trickle(0);
	read_trickle(O_NONBLOCK);
}

static void a_file_is_read_at_any_offset_without_moving(void **state)
{
	char path[] = "/tmp/kvf-in-XXXXXX", buf[16];
	int fd = mkstemp(path);
	struct kvf_input *in;
	struct kvf_err err;
	uint64_t size;
	size_t got;

	(void)state;
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(kvf_input_file(path, &in, &err), KVF_OK);
	assert_true(kvf_input_seekable(in, &size));
	assert_int_equal(size, 10);
	assert_string_equal(kvf_input_name(in), path);
	assert_int_equal(kvf_input_pread(in, 7, buf, 16, &got, &err), KVF_OK);
	assert_int_equal(got, 3);
	assert_memory_equal(buf, "789", 3);
	assert_int_equal(kvf_input_pread(in, UINT64_MAX - 3, buf, 16, &got, &err), KVF_OK);
	assert_int_equal(got, 0);
	assert_int_equal(kvf_input_read(in, buf, 4, &got, &err), KVF_OK);
	assert_memory_equal(buf, "0123", 4);
	kvf_input_close(in);
	close(fd);
	unlink(path);
}

static void a_changed_file_is_noticed(void **state)
{
	char path[] = "/tmp/kvf-in-XXXXXX", other[] = "/tmp/kvf-in-XXXXXX";
	int fd = mkstemp(path), fd2 = mkstemp(other);
	struct kvf_input *in;

	(void)state;
	assert_int_equal(kvf_input_file(path, &in, NULL), KVF_OK);
	assert_false(kvf_input_changed(in));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_true(kvf_input_changed(in));
	kvf_input_close(in);
	assert_int_equal(kvf_input_file(path, &in, NULL), KVF_OK);
	assert_false(kvf_input_changed(in));
	assert_int_equal(rename(other, path), 0);
	assert_true(kvf_input_changed(in));
	kvf_input_close(in);
	close(fd);
	close(fd2);
	unlink(path);
}

static void what_cannot_be_read_is_a_source_error_with_its_name(void **state)
{
	struct kvf_input *in;
	struct kvf_err err;
	int fds[2];

	(void)state;
	assert_int_equal(kvf_input_file("/nonexistent\033[2J", &in, &err), KVF_ESOURCE);
	assert_null(in);
	assert_null(strchr(err.message, '\033')); /* a terminal must not obey it */
	assert_int_equal(kvf_input_file("/tmp", &in, &err), KVF_ESOURCE);
	assert_non_null(strstr(err.message, "/tmp"));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(kvf_input_fd(fds[1], "w", &in, &err), KVF_ESOURCE);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(kvf_input_fd(fds[0], "closed", &in, &err), KVF_ESOURCE);
	assert_int_equal(err.sys_errno, EBADF);
	kvf_input_close(NULL);
}

static void memory_is_read_like_a_file(void **state)
{
	struct kvf_input *in;
	struct kvf_err err;
	uint64_t size;
	char buf[8];
	size_t got;

	(void)state;
	assert_int_equal(kvf_input_memory(kvf_bytes_str("hello"), "m", &in, &err), KVF_OK);
	assert_true(kvf_input_seekable(in, &size));
	assert_int_equal(size, 5);
	assert_int_equal(kvf_input_read(in, buf, 2, &got, &err), KVF_OK);
	assert_int_equal(kvf_input_pread(in, 4, buf, 8, &got, &err), KVF_OK);
	assert_int_equal(got, 1);
	assert_int_equal(kvf_input_read(in, buf, 8, &got, &err), KVF_OK);
	assert_int_equal(got, 3);
	assert_memory_equal(buf, "llo", 3);
	assert_int_equal(kvf_input_read(in, buf, 8, &got, &err), KVF_OK);
	assert_int_equal(got, 0);
	assert_false(kvf_input_changed(in));
	kvf_input_close(in);
}

/* ---- outputs ------------------------------------------------------------------- */

static void memory_output_stops_at_its_cap(void **state)
{
	struct kvf_output *out;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_output_memory(5, &out, &err), KVF_OK);
	assert_int_equal(kvf_output_write(out, "abc", 3, &err), KVF_OK);
	assert_int_equal(kvf_output_write(out, "de", 2, &err), KVF_OK);
	assert_int_equal(kvf_output_bytes(out).len, 5);
	assert_memory_equal(kvf_output_bytes(out).ptr, "abcde", 5);
	assert_int_equal(kvf_output_write(out, "f", 1, &err), KVF_ETARGET);
	assert_int_equal(kvf_output_commit(out, &err), KVF_ETARGET);
	kvf_output_close(out);
	kvf_output_close(NULL);
}

static void what_was_written_to_a_file_can_be_taken_back(void **state)
{
	char path[] = "/tmp/kvf-out-XXXXXX", buf[16];
	int fd = mkstemp(path), ends;
	struct kvf_output *out;
	struct kvf_err err;

	(void)state;
	assert_int_equal(write(fd, "before ", 7), 7);
	assert_int_equal(kvf_output_fd(fd, "f", &out, &err), KVF_OK);
	assert_true(kvf_output_can_rewind(out));
	assert_int_equal(kvf_output_write(out, "abcdef", 6, &err), KVF_OK);
	assert_int_equal(kvf_output_rewind(out, 7, &err), KVF_EINTERNAL); /* never written */
	assert_int_equal(kvf_output_rewind(out, 2, &err), KVF_OK);
	assert_int_equal(kvf_output_tell(out), 2);
	assert_int_equal(kvf_output_write(out, "X", 1, &err), KVF_OK);
	assert_int_equal(pread(fd, buf, 16, 0), 10);
	assert_memory_equal(buf, "before abX", 10); /* what was not ours is still there */
	assert_int_equal(kvf_output_commit(out, &err), KVF_OK);
	assert_false(kvf_output_can_rewind(out));
	kvf_output_close(out);

	/* In the middle of a file, or appending, a cut would harm what is there. */
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	assert_int_equal(kvf_output_fd(fd, "f", &out, &err), KVF_OK);
	assert_false(kvf_output_can_rewind(out));
	assert_int_equal(kvf_output_rewind(out, 0, &err), KVF_EINTERNAL);
	kvf_output_close(out);
	ends = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(kvf_output_fd(ends, "f", &out, &err), KVF_OK);
	assert_false(kvf_output_can_rewind(out));
	kvf_output_close(out);
	close(ends);
	close(fd);
	unlink(path);
}

static void memory_can_be_rewound_and_a_pipe_cannot(void **state)
{
	struct kvf_output *out;
	struct kvf_input *in;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_output_memory(4, &out, &err), KVF_OK);
	assert_int_equal(kvf_output_write(out, "abcd", 4, &err), KVF_OK);
	assert_int_equal(kvf_output_rewind(out, 1, &err), KVF_OK);
	assert_int_equal(kvf_output_write(out, "XYZ", 3, &err), KVF_OK);
	assert_memory_equal(kvf_output_bytes(out).ptr, "aXYZ", 4);
	kvf_output_close(out);
	assert_int_equal(kvf_pipe_new(10, &in, &out, &err), KVF_OK);
	assert_false(kvf_output_can_rewind(out));
	assert_int_equal(kvf_output_rewind(out, 0, &err), KVF_EINTERNAL);
	kvf_output_close(out);
	kvf_input_close(in);
}

static void a_reader_that_leaves_is_a_target_error(void **state)
{
	struct kvf_output *out;
	struct kvf_err err;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(kvf_output_fd(fds[1], "the pipe", &out, &err), KVF_OK);
	assert_int_equal(kvf_output_write(out, "abc", 3, &err), KVF_OK);
	close(fds[0]);
	assert_int_equal(kvf_output_write(out, "abc", 3, &err), KVF_ETARGET);
	assert_int_equal(err.sys_errno, EPIPE);
	assert_non_null(strstr(err.message, "the pipe"));
	kvf_output_close(out);
	close(fds[1]);
}

static void a_descriptor_that_cannot_be_written_is_refused(void **state)
{
	struct kvf_output *out;
	struct kvf_err err;
	int fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(kvf_output_fd(fd, "ro", &out, &err), KVF_ETARGET);
	assert_null(out);
	close(fd);
	assert_int_equal(kvf_output_fd(fd, "closed", &out, &err), KVF_ETARGET);
	assert_int_equal(err.sys_errno, EBADF);
}

static void *drain_slowly(void *arg)
{
	int fd = *(int *)arg;
	uint8_t *all = malloc(400000);
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, all + n, 3001)) > 0) {
		n += (size_t)got;
		usleep(50);
	}
	all[0] = n == 400000 && all[399999] == (uint8_t)(399999 * 7) ? 1 : 0;
	return all;
}

static void a_nonblocking_descriptor_gets_all_bytes(void **state)
{
	uint8_t *data = malloc(400000);
	struct kvf_output *out;
	struct kvf_err err;
	pthread_t t;
	void *all;
	int fds[2];
	size_t i;

	(void)state;
	for (i = 0; i < 400000; i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	assert_int_equal(kvf_output_fd(fds[1], "socket", &out, &err), KVF_OK);
	assert_int_equal(pthread_create(&t, NULL, drain_slowly, &fds[0]), 0);
	assert_int_equal(kvf_output_write(out, data, 400000, &err), KVF_OK);
	assert_int_equal(kvf_output_commit(out, &err), KVF_OK);
	kvf_output_close(out);
	close(fds[1]);
	pthread_join(t, &all);
	assert_int_equal(*(uint8_t *)all, 1);
	close(fds[0]);
	free(all);
	free(data);
}

/* ---- the pipe ------------------------------------------------------------------ */

struct writer {
	struct kvf_output *out;
	size_t total, step;
	int commit;
	enum kvf_status st;
};

static void *write_pipe(void *arg)
{
	struct writer *w = arg;
	uint8_t block[700];
	size_t at, i, n;

	for (at = 0; at < w->total && !w->st; at += n) {
		n = w->total - at < w->step ? w->total - at : w->step;
		for (i = 0; i < n; i++)
			block[i] = (uint8_t)((at + i) * 13);
		w->st = kvf_output_write(w->out, block, n, NULL);
	}
	if (!w->st && w->commit)
		w->st = kvf_output_commit(w->out, NULL);
	kvf_output_close(w->out);
	return NULL;
}

static void through_the_pipe(size_t cap, size_t step, size_t want, size_t total)
{
	struct writer w = { .total = total, .step = step, .commit = 1 };
	uint8_t *buf = malloc(want);
	struct kvf_input *in;
	struct kvf_err err;
	size_t got, at = 0, i;
	pthread_t t;

	assert_int_equal(kvf_pipe_new(cap, &in, &w.out, &err), KVF_OK);
	assert_int_equal(pthread_create(&t, NULL, write_pipe, &w), 0);
	do {
		assert_int_equal(kvf_input_read(in, buf, want, &got, &err), KVF_OK);
		for (i = 0; i < got; i++)
			if (buf[i] != (uint8_t)((at + i) * 13))
				fail_msg("byte %zu differs", at + i);
		at += got;
	} while (got == want);
	assert_int_equal(at, total);
	assert_int_equal(kvf_input_read(in, buf, want, &got, &err), KVF_OK);
	assert_int_equal(got, 0);
	pthread_join(t, NULL);
	assert_int_equal(w.st, KVF_OK);
	kvf_input_close(in);
	free(buf);
}

static void a_pipe_delivers_all_bytes_in_order(void **state)
{
	(void)state;
	through_the_pipe(1, 3, 5, 1000);
	through_the_pipe(7, 700, 11, 20000);
	through_the_pipe(4096, 700, 1000, 300000);
	through_the_pipe(4096, 1, 4096, 20000);
	through_the_pipe(65536, 700, 65536, 0);
	through_the_pipe(0, 1, 1, 10);
}

static void an_unfinished_writer_makes_the_reader_fail(void **state)
{
	struct writer w = { .total = 10, .step = 10 };
	struct kvf_input *in;
	struct kvf_err err;
	uint8_t buf[20];
	size_t got;

	(void)state;
	assert_int_equal(kvf_pipe_new(100, &in, &w.out, &err), KVF_OK);
	write_pipe(&w);
	assert_int_equal(kvf_input_read(in, buf, 10, &got, &err), KVF_OK);
	assert_int_equal(kvf_input_read(in, buf, 10, &got, &err), KVF_ETRUNC);
	assert_int_equal(kvf_input_read(in, buf, 10, &got, &err), KVF_ETRUNC);
	kvf_input_close(in);
}

static void a_reader_that_closes_wakes_and_fails_the_writer(void **state)
{
	struct writer w = { .total = 1000, .step = 100, .commit = 1 };
	struct kvf_input *in;
	struct kvf_err err;
	uint64_t size;
	uint8_t buf[20];
	size_t got;
	pthread_t t;

	(void)state;
	assert_int_equal(kvf_pipe_new(50, &in, &w.out, &err), KVF_OK);
	assert_false(kvf_input_seekable(in, &size));
	assert_false(kvf_input_changed(in));
	assert_int_equal(kvf_input_pread(in, 0, buf, 1, &got, &err), KVF_EUSAGE);
	assert_int_equal(pthread_create(&t, NULL, write_pipe, &w), 0);
	assert_int_equal(kvf_input_read(in, buf, 20, &got, &err), KVF_OK);
	kvf_input_close(in);
	pthread_join(t, NULL);
	assert_int_equal(w.st, KVF_ETARGET);
}

struct numbered {
	struct kvf_parcel parcel;
	unsigned n;
};

struct giver {
	struct kvf_output *out;
	unsigned made, total;
	enum kvf_status st;
};

static void drop_numbered(struct kvf_parcel *p)
{
	free(p);
}

static void *give_parcels(void *arg)
{
	struct giver *g = arg;
	struct numbered *p;
	unsigned i;

	for (i = 0; !g->st && i < g->total; i++) {
		p = (struct numbered *)kvf_output_empty(g->out);
		if (!p) {
			p = calloc(1, sizeof(*p));
			g->made++;
		}
		p->parcel.drop = drop_numbered;
		p->parcel.size = i % 7 ? 10 : 1000; /* more than there is room for */
		p->n = i;
		g->st = kvf_output_give(g->out, &p->parcel, NULL);
		if (g->st)
			free(p);
	}
	if (!g->st)
		g->st = kvf_output_commit(g->out, NULL);
	kvf_output_close(g->out);
	return NULL;
}

static void parcels_arrive_in_order_and_come_back(void **state)
{
	struct giver g = { .total = 5000 };
	struct kvf_parcel *p;
	struct kvf_input *in;
	struct kvf_err err;
	enum kvf_status st;
	unsigned n = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(kvf_parcels_new(50, &in, &g.out, &err), KVF_OK);
	assert_true(kvf_input_has_parcels(in));
	assert_true(kvf_output_has_parcels(g.out));
	assert_int_equal(pthread_create(&t, NULL, give_parcels, &g), 0);
	while (!(st = kvf_input_take(in, &p, &err))) {
		assert_int_equal(((struct numbered *)p)->n, n++);
		kvf_input_give_back(in, p);
	}
	assert_int_equal(st, KVF_EOF);
	assert_int_equal(kvf_input_take(in, &p, &err), KVF_EOF);
	pthread_join(t, NULL);
	assert_int_equal(g.st, KVF_OK);
	assert_int_equal(n, g.total);
	assert_true(g.made <= 8); /* those that had room, the one taken, the one made */
	kvf_input_close(in);
}

static void parcels_are_dropped_when_the_reader_goes(void **state)
{
	struct giver g = { .total = 5000 };
	struct kvf_parcel *p;
	struct kvf_input *in;
	struct kvf_err err;
	uint8_t byte;
	pthread_t t;
	size_t got;

	(void)state;
	assert_int_equal(kvf_parcels_new(50, &in, &g.out, &err), KVF_OK);
	assert_int_equal(kvf_input_read(in, &byte, 1, &got, &err), KVF_EINTERNAL);
	assert_int_equal(pthread_create(&t, NULL, give_parcels, &g), 0);
	assert_int_equal(kvf_input_take(in, &p, &err), KVF_OK);
	kvf_input_give_back(in, p);
	kvf_input_close(in);
	pthread_join(t, NULL);
	assert_int_equal(g.st, KVF_ETARGET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_reads_and_signals_do_not_show),
		cmocka_unit_test(a_file_is_read_at_any_offset_without_moving),
		cmocka_unit_test(a_changed_file_is_noticed),
		cmocka_unit_test(what_cannot_be_read_is_a_source_error_with_its_name),
		cmocka_unit_test(memory_is_read_like_a_file),
		cmocka_unit_test(memory_output_stops_at_its_cap),
		cmocka_unit_test(what_was_written_to_a_file_can_be_taken_back),
		cmocka_unit_test(memory_can_be_rewound_and_a_pipe_cannot),
		cmocka_unit_test(a_reader_that_leaves_is_a_target_error),
		cmocka_unit_test(a_descriptor_that_cannot_be_written_is_refused),
		cmocka_unit_test(a_nonblocking_descriptor_gets_all_bytes),
		cmocka_unit_test(a_pipe_delivers_all_bytes_in_order),
		cmocka_unit_test(an_unfinished_writer_makes_the_reader_fail),
		cmocka_unit_test(a_reader_that_closes_wakes_and_fails_the_writer),
		cmocka_unit_test(parcels_arrive_in_order_and_come_back),
		cmocka_unit_test(parcels_are_dropped_when_the_reader_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
