/* events - what a run tells machines beside its progress; names and members are
 * described in docs/events.md. */
#include "migrate/run.h"

void kvf_tell(const struct kvf_env *env, const char *name, const struct kvf_event_fact *facts,
	      size_t n)
{
	const struct kvf_event event = { .name = name, .facts = facts, .n = n };

	if (env && env->event)
		env->event(env->ctx, &event);
}
