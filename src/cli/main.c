/* main - argument dispatch; the verbs come with src/cli. */
#include <kvferry/kvferry.h>

#include <stdio.h>

int main(void)
{
	printf("kvferry %s\n", kvf_version());
	return 0;
}
