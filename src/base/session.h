/*
 * session - how a database server names our sessions (application_name).
 *
 * A process that was stopped, or cut off, keeps what its sessions have locked.  Where
 * that is in the way of a run that comes after, and is no part of a run whose owner
 * the control row knows, the name tells whose it is: the next one ends it.
 */
#ifndef KVF_SESSION_H
#define KVF_SESSION_H

#define KVF_SESSION "kvferry"
#define KVF_SESSION_MIGRATE KVF_SESSION " migrate"
#define KVF_SESSION_ROLLBACK KVF_SESSION " rollback"
#define KVF_SESSION_DROP KVF_SESSION " drop-legacy"

#endif
