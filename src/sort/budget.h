/* budget - how much memory this process may use. */
#ifndef KVF_SORT_BUDGET_H
#define KVF_SORT_BUDGET_H

#include <stdint.h>

/*
 * The least memory limit among the cgroups that `list` (the form of
 * /proc/self/cgroup) names and their ancestors, v1 and v2, below `root`
 * (/sys/fs/cgroup); UINT64_MAX if there is none.
 */
uint64_t kvf_cgroup_limit(const char *list, const char *root);

#endif
