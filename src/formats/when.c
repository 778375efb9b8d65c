/* when - conditions, with the three truth values of SQL. */
#include "formats/run.h"

#include <math.h>

enum truth { NO, YES, UNKNOWN };

static enum kvf_status operand(struct kvf_run *run, const struct kvf_def_operand *def,
			       const struct kvf_ref *ref, struct kvf_val *out,
			       struct kvf_err *err)
{
	static const struct kvf_scope row = { NULL, 0 };

	out->json = NULL;
	switch (def->type) {
	case KVF_OPERAND_NAME: return kvf_eval_ref(run, &row, ref, out, err);
	case KVF_OPERAND_TEXT:
		out->type = KVF_VAL_TEXT;
		out->u.b = def->text;
		return KVF_OK;
	case KVF_OPERAND_INT:
		out->type = KVF_VAL_INT;
		out->u.i = def->i;
		return KVF_OK;
	case KVF_OPERAND_REAL:
		out->type = KVF_VAL_REAL;
		out->u.r = def->r;
		return KVF_OK;
	case KVF_OPERAND_BOOL: break;
	}
	out->type = KVF_VAL_BOOL;
	out->u.i = def->i;
	return KVF_OK;
}

static int is_bytes(const struct kvf_val *v)
{
	return v->type == KVF_VAL_TEXT || v->type == KVF_VAL_BLOB;
}

static int is_number(const struct kvf_val *v)
{
	return v->type == KVF_VAL_INT || v->type == KVF_VAL_REAL;
}

static int compare_ints(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Exactly, without turning a 64-bit integer into a double. */
static int compare_int_real(int64_t a, double b)
{
	int64_t whole;

	if (b >= 9223372036854775808.0)
		return -1;
	if (b < -9223372036854775808.0)
		return 1;
	whole = (int64_t)b; /* towards zero */
	if (a != whole)
		return compare_ints(a, whole);
	return (b < (double)whole) - (b > (double)whole);
}

static int compare_numbers(const struct kvf_val *a, const struct kvf_val *b)
{
	if (a->type == KVF_VAL_INT && b->type == KVF_VAL_INT)
		return compare_ints(a->u.i, b->u.i);
	if (a->type == KVF_VAL_INT)
		return compare_int_real(a->u.i, b->u.r);
	if (b->type == KVF_VAL_INT)
		return -compare_int_real(b->u.i, a->u.r);
	return (a->u.r > b->u.r) - (a->u.r < b->u.r);
}

static enum kvf_status compare(const struct kvf_val *a, const struct kvf_val *b, int *out,
			       struct kvf_err *err)
{
	int bool_a = a->type == KVF_VAL_BOOL, bool_b = b->type == KVF_VAL_BOOL;

	if (is_bytes(a) && is_bytes(b)) {
		*out = kvf_bytes_cmp(a->u.b, b->u.b);
		return KVF_OK;
	}
	if ((a->type == KVF_VAL_REAL && isnan(a->u.r)) ||
	    (b->type == KVF_VAL_REAL && isnan(b->u.r)))
		return kvf_fail(err, KVF_EREJECT, "not a number");
	if (is_number(a) && is_number(b)) {
		*out = compare_numbers(a, b);
		return KVF_OK;
	}
	if ((bool_a || (a->type == KVF_VAL_INT && (a->u.i == 0 || a->u.i == 1))) &&
	    (bool_b || (b->type == KVF_VAL_INT && (b->u.i == 0 || b->u.i == 1)))) {
		*out = compare_ints(a->u.i, b->u.i);
		return KVF_OK;
	}
	return kvf_fail(err, KVF_EREJECT, "%s does not compare with %s", kvf_val_describe(a),
			kvf_val_describe(b));
}

static enum truth verdict(enum kvf_expr_op op, int c)
{
	if (op == KVF_EXPR_EQ)
		return c == 0 ? YES : NO;
	if (op == KVF_EXPR_NE)
		return c != 0 ? YES : NO;
	if (op == KVF_EXPR_LT)
		return c < 0 ? YES : NO;
	if (op == KVF_EXPR_LE)
		return c <= 0 ? YES : NO;
	if (op == KVF_EXPR_GT)
		return c > 0 ? YES : NO;
	return c >= 0 ? YES : NO;
}

static enum kvf_status test(struct kvf_run *run, const struct kvf_prog_test *t, enum truth *out,
			    struct kvf_err *err)
{
	const struct kvf_def_operand *named =
		t->def->x.type == KVF_OPERAND_NAME ? &t->def->x : &t->def->y;
	struct kvf_val x, y;
	enum kvf_status st;
	int c = 0;

	st = operand(run, &t->def->x, &t->x, &x, err);
	if (!st && (t->def->op == KVF_EXPR_ISNULL || t->def->op == KVF_EXPR_NOTNULL)) {
		*out = (x.type == KVF_VAL_NULL) == (t->def->op == KVF_EXPR_ISNULL) ? YES : NO;
		return KVF_OK;
	}
	if (!st)
		st = operand(run, &t->def->y, &t->y, &y, err);
	if (!st && (x.type == KVF_VAL_NULL || y.type == KVF_VAL_NULL)) {
		*out = UNKNOWN;
		return KVF_OK;
	}
	if (!st)
		st = compare(&x, &y, &c, err);
	if (st == KVF_EREJECT)
		return kvf_run_blame(run, t->def->pos, "condition on", named->name, err);
	*out = verdict(t->def->op, c);
	return st;
}

static enum truth both(enum truth a, enum truth b)
{
	if (a == NO || b == NO)
		return NO;
	return a == YES && b == YES ? YES : UNKNOWN;
}

static enum truth negated(enum truth a)
{
	return a == UNKNOWN ? UNKNOWN : a == YES ? NO : YES;
}

/* Children stand before their parents, so one pass over the nodes is enough. */
enum kvf_status kvf_eval_when(struct kvf_run *run, const struct kvf_prog_entry *e, int *made,
			      struct kvf_err *err)
{
	enum truth truths[KVF_DEF_EXPR_NODES] = { UNKNOWN };
	enum kvf_status st;
	size_t i;

	for (i = 0; i < e->nwhen; i++) {
		const struct kvf_def_expr_node *def = e->when[i].def;

		switch (def->op) {
		case KVF_EXPR_AND: truths[i] = both(truths[def->a], truths[def->b]); break;
		case KVF_EXPR_OR:
			truths[i] =
				negated(both(negated(truths[def->a]), negated(truths[def->b])));
			break;
		case KVF_EXPR_NOT: truths[i] = negated(truths[def->a]); break;
		case KVF_EXPR_EQ:
		case KVF_EXPR_NE:
		case KVF_EXPR_LT:
		case KVF_EXPR_LE:
		case KVF_EXPR_GT:
		case KVF_EXPR_GE:
		case KVF_EXPR_ISNULL:
		case KVF_EXPR_NOTNULL:
			st = test(run, &e->when[i], &truths[i], err);
			if (st)
				return st;
			break;
		}
	}
	*made = e->nwhen == 0 || truths[e->nwhen - 1] == YES;
	return KVF_OK;
}
