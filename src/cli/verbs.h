/* verbs - one function per verb; each fills c->err when it fails. */
#ifndef KVFERRY_CLI_VERBS_H
#define KVFERRY_CLI_VERBS_H

#include <kvferry/base.h>

struct cli;

enum kvf_status cli_run_migrate(struct cli *c);
enum kvf_status cli_run_export(struct cli *c);
enum kvf_status cli_run_import(struct cli *c);
enum kvf_status cli_run_backup(struct cli *c);
enum kvf_status cli_run_verify(struct cli *c);
enum kvf_status cli_run_plan(struct cli *c);
enum kvf_status cli_run_status(struct cli *c);
enum kvf_status cli_run_history(struct cli *c);
enum kvf_status cli_run_abort(struct cli *c);
enum kvf_status cli_run_rollback(struct cli *c);
enum kvf_status cli_run_cleanup(struct cli *c);
enum kvf_status cli_run_drop_legacy(struct cli *c);
enum kvf_status cli_run_info(struct cli *c);
enum kvf_status cli_run_cat(struct cli *c);
enum kvf_status cli_run_get(struct cli *c);
enum kvf_status cli_run_diff(struct cli *c);
enum kvf_status cli_run_check(struct cli *c);
enum kvf_status cli_run_init(struct cli *c);
enum kvf_status cli_run_help(struct cli *c);
enum kvf_status cli_run_version(struct cli *c);
enum kvf_status cli_run_completion(struct cli *c);

#endif
