/*
 * replay - run a fuzz target over files, without libFuzzer.
 *
 *     replay_fuzz_NAME FILE-OR-FOLDER ...
 *
 * Every file goes to LLVMFuzzerTestOneInput() in a heap block of exactly its
 * size, so that a sanitizer or valgrind sees each byte read too far.  The name of
 * the file stands on stderr before it runs: the last one is the one that
 * crashed.  At the end stdout has one line "saw WORD" for each word that the
 * target reported, and "N inputs".  Exit 1 when there was no input.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WORDS_MAX 1024
#define WORD_MAX 64

static char words[WORDS_MAX][WORD_MAX];
static size_t nwords;
static unsigned long inputs;

void kvf_fuzz_saw(const char *what)
{
	size_t i;

	for (i = 0; i < nwords; i++)
		if (strcmp(words[i], what) == 0)
			return;
	if (nwords == WORDS_MAX || strlen(what) >= WORD_MAX) {
		fprintf(stderr, "replay: too many words, or too long: %s\n", what);
		exit(1);
	}
	memcpy(words[nwords++], what, strlen(what) + 1);
}

static void die(const char *what, const char *path)
{
	fprintf(stderr, "replay: cannot %s %s\n", what, path);
	exit(1);
}

static void replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size ? size : 1);

	if (!f || !data)
		die("open", path);
	if (fread(data, 1, size, f) != size)
		die("read", path);
	fclose(f);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	inputs++;
	free(data);
}

static void replay(const char *path);

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* In the order of names: a report that does not depend on the file system. */
static void replay_folder(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, visible, alphasort), i;

	if (n < 0)
		die("list", path);
	for (i = 0; i < n; i++) {
		size_t size = strlen(path) + strlen(list[i]->d_name) + 2;
		char *name = malloc(size);

		if (!name)
			die("name a file in", path);
		snprintf(name, size, "%s/%s", path, list[i]->d_name);
		replay(name);
		free(name);
		free(list[i]);
	}
	free(list);
}

static void replay(const char *path)
{
	struct stat sb;

	if (stat(path, &sb) != 0)
		die("find", path);
	if (S_ISDIR(sb.st_mode))
		replay_folder(path);
	else
		replay_file(path, (size_t)sb.st_size);
}

int main(int argc, char **argv)
{
	size_t w;
	int i;

	for (i = 1; i < argc; i++)
		replay(argv[i]);
	for (w = 0; w < nwords; w++)
		printf("saw %s\n", words[w]);
	printf("%lu inputs\n", inputs);
	return inputs == 0;
}
