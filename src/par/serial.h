/*
 * serial - one env for two threads: its callbacks never run at the same time.
 */
#ifndef KVF_SERIAL_H
#define KVF_SERIAL_H

#include <kvferry/base.h>

struct kvf_serial;

/* `outer` may be NULL and must outlive the serial; so must the serial its env. */
KVF_MUST_CHECK enum kvf_status kvf_serial_new(const struct kvf_env *outer,
					      struct kvf_serial **out, struct kvf_err *err);
const struct kvf_env *kvf_serial_env(const struct kvf_serial *s);
/* From now on only progress of this step (or, NULL, of all steps) is passed on. */
void kvf_serial_only(struct kvf_serial *s, const char *step);
/* From now on everybody who asks is told to stop: the other side has ended. */
void kvf_serial_stop(struct kvf_serial *s);
/* That is over: the next ones to ask go on. */
void kvf_serial_go_on(struct kvf_serial *s);
void kvf_serial_free(struct kvf_serial *s);

#endif
