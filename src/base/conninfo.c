/* conninfo - does a text look like a connection string of libpq? */
#include "base/text.h"

#include <string.h>

/* The keywords of libpq up to PostgreSQL 17, save those about GSS and TLS, which
 * begin with their prefix. */
static const char *const keywords[] = {
	"application_name",
	"channel_binding",
	"client_encoding",
	"connect_timeout",
	"dbname",
	"fallback_application_name",
	"host",
	"hostaddr",
	"keepalives",
	"keepalives_count",
	"keepalives_idle",
	"keepalives_interval",
	"krbsrvname",
	"load_balance_hosts",
	"options",
	"passfile",
	"password",
	"port",
	"replication",
	"require_auth",
	"requirepeer",
	"service",
	"target_session_attrs",
	"tcp_user_timeout",
	"user",
};

int kvf_is_conninfo(const char *text)
{
	size_t i, n;

	text += strspn(text, " \t\n");
	n = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
	if (text[n + strspn(text + n, " \t\n")] != '=')
		return 0;
	if (strncmp(text, "ssl", 3) == 0 || strncmp(text, "gss", 3) == 0)
		return n > 3;
	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strlen(keywords[i]) == n && memcmp(text, keywords[i], n) == 0)
			return 1;
	return 0;
}
