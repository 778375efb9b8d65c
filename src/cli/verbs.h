/* verbs - one function per verb; each returns enum kvf_status and fills c->err. */
#ifndef KVFERRY_CLI_VERBS_H
#define KVFERRY_CLI_VERBS_H

struct cli;

int cli_run_migrate(struct cli *c);
int cli_run_export(struct cli *c);
int cli_run_import(struct cli *c);
int cli_run_backup(struct cli *c);
int cli_run_verify(struct cli *c);
int cli_run_plan(struct cli *c);
int cli_run_status(struct cli *c);
int cli_run_history(struct cli *c);
int cli_run_info(struct cli *c);
int cli_run_cat(struct cli *c);
int cli_run_get(struct cli *c);
int cli_run_diff(struct cli *c);
int cli_run_check(struct cli *c);
int cli_run_init(struct cli *c);
int cli_run_help(struct cli *c);
int cli_run_version(struct cli *c);
int cli_run_completion(struct cli *c);

#endif
