/* unfreeze PLACE [STAMP]: kvf_freeze_lift(), for scripts, with the stamp that is there if
 * none is given.  Prints the run that had frozen it; ends with the status. */
#include <kvferry/kvferry.h>

#include <stdio.h>

int main(int argc, char **argv)
{
	struct kvf_freeze f;
	struct kvf_err err;
	enum kvf_status st;

	if (argc != 2 && argc != 3)
		return 2;
	st = kvf_freeze_look(argv[1], NULL, &f, &err);
	if (!st)
		st = kvf_freeze_lift(argv[1], NULL, argc == 3 ? argv[2] : f.stamp, &f, &err);
	if (st)
		fprintf(stderr, "%s\n%s\n%s\n", err.message, err.detail, err.hint);
	else
		printf("%s\n", f.run);
	return kvf_exit_status(st);
}
