/* budget - physical memory, cgroup limits, and the sort budget that follows. */
#include "sort/budget.h"
#include "sort/sort.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUDGET_MAX (4ull << 30)
#define BUDGET_MIN (1ull << 20)

/* The beginning of a small file, NUL-terminated; 0 = cannot be read. */
static int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return 0;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	buf[len] = '\0';
	return n >= 0;
}

/* The limit in one file: "max" or nothing readable is none. */
static uint64_t limit_in(const char *folder, const char *group, const char *file)
{
	char path[4096], text[32], *end;
	unsigned long long v;
	int n = snprintf(path, sizeof(path), "%s%s/%s", folder, group, file);

	if (n < 0 || (size_t)n >= sizeof(path) || !read_text(path, text, sizeof(text)))
		return UINT64_MAX;
	v = strtoull(text, &end, 10);
	return end == text ? UINT64_MAX : v;
}

/* The least limit of a group and all above it, up to the root of the folder. */
static uint64_t least_limit(const char *folder, char *group, const char *file)
{
	uint64_t least = UINT64_MAX, v;
	char *slash;

	do {
		slash = strrchr(group, '/');
		v = limit_in(folder, strcmp(group, "/") == 0 ? "" : group, file);
		if (v < least)
			least = v;
		if (slash)
			*slash = '\0';
	} while (slash);
	return least;
}

/* Is `word` one of the words of a list with commas? */
static int is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list) {
		if (strncmp(list, word, len) == 0 && (list[len] == ',' || !list[len]))
			return 1;
		list = strchr(list, ',');
		if (list)
			list++;
	}
	return 0;
}

/* One line, "ID:CONTROLLERS:PATH"; v2 has the id 0 and no controllers. */
static uint64_t limit_of_line(char *line, const char *root)
{
	char *controllers = strchr(line, ':'), *group, folder[512];

	if (!controllers)
		return UINT64_MAX;
	group = strchr(++controllers, ':');
	if (!group)
		return UINT64_MAX;
	*group++ = '\0';
	if (!*controllers)
		return least_limit(root, group, "memory.max");
	if (!is_listed(controllers, "memory"))
		return UINT64_MAX;
	snprintf(folder, sizeof(folder), "%s/memory", root);
	return least_limit(folder, group, "memory.limit_in_bytes");
}

uint64_t kvf_cgroup_limit(const char *list, const char *root)
{
	char text[8192], *line, *next;
	uint64_t least = UINT64_MAX, v;

	if (!read_text(list, text, sizeof(text)))
		return UINT64_MAX;
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		v = limit_of_line(line, root);
		if (v < least)
			least = v;
	}
	return least;
}

uint64_t kvf_memory_budget(const struct kvf_env *env)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t ram = UINT64_MAX, limit;

	if (env && env->memory)
		return env->memory;
	if (pages > 0 && page > 0)
		ram = (uint64_t)pages * (uint64_t)page;
	limit = kvf_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup");
	if (limit < ram)
		ram = limit;
	ram /= 4;
	return ram > BUDGET_MAX ? BUDGET_MAX : ram < BUDGET_MIN ? BUDGET_MIN : ram;
}
