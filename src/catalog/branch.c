#include "catalog/catalog.h"
#include "catalog/statement.h"

static void read_row(struct query *q, struct branch_row *ret)
{
	*ret = (struct branch_row){
		.uuid = query_uuid(q, 0),
		.volume = query_uuid(q, 1),
		.instance = query_uuid(q, 2),
		.origin.snapshot = (uint64_t)query_int(q, 5),
		.created = query_int(q, 6),
		.destroyed = query_int(q, 7),
		.retired = query_uuid(q, 8),
		.mounted = query_int(q, 9) != 0,
		.last_sequence = (uint64_t)query_int(q, 10),
		.last_time = query_int(q, 11),
		.late = query_int(q, 12),
	};
	query_string(q, 3, ret->name, sizeof(ret->name));
	query_string(q, 4, ret->origin.ref, sizeof(ret->origin.ref));
}

/* Values 1 to 13 of the statements that write a row. */
static void bind_row(struct query *q, const struct branch_row *row)
{
	query_bind_uuid(q, 1, &row->uuid);
	query_bind_uuid(q, 2, &row->volume);
	query_bind_uuid(q, 3, &row->instance);
	query_bind_text(q, 4, row->name);
	query_bind_text(q, 5, row->origin.ref);
	query_bind_int(q, 6, (int64_t)row->origin.snapshot);
	query_bind_int(q, 7, row->created);
	query_bind_int(q, 8, row->destroyed);
	query_bind_uuid_or_null(q, 9, &row->retired);
	query_bind_int(q, 10, row->mounted);
	query_bind_int(q, 11, (int64_t)row->last_sequence);
	query_bind_int(q, 12, row->last_time);
	query_bind_int(q, 13, row->late);
}

static int no_such_branch(const struct uuid *uuid, struct fl_error *err)
{
	char text[UUID_TEXT];

	return fl_fail(err, FL_NOT_FOUND, "no branch %s", uuid_format(uuid, text));
}

int tx_branch_find(struct tx *tx, const struct uuid *volume, const struct uuid *instance,
		   const char *name, struct branch_row *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_BRANCH_FIND, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	query_bind_uuid(&q, 2, instance);
	query_bind_text(&q, 3, name);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no branch '%s' in this volume", name);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

int tx_branch_get(struct tx *tx, const struct uuid *uuid, struct branch_row *ret,
		  struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_BRANCH_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, uuid);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_branch(uuid, err);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

static int write_row(struct tx *tx, enum sql sql, const struct branch_row *row,
		     struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;
	int r;

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	bind_row(&q, row);
	r = query_run(&q, &changed, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "branch '%s' exists already in this volume",
			       row->name);
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "the volume of branch '%s' does not exist",
			       row->name);
	if (r < 0)
		return r;
	return changed ? 0 : no_such_branch(&row->uuid, err);
}

int tx_branch_insert(struct tx *tx, const struct branch_row *row, struct fl_error *err)
{
	return write_row(tx, SQL_BRANCH_INSERT, row, err);
}

int tx_branch_update(struct tx *tx, const struct branch_row *row, struct fl_error *err)
{
	return write_row(tx, SQL_BRANCH_UPDATE, row, err);
}

int tx_branch_delete(struct tx *tx, const struct uuid *uuid, struct fl_error *err)
{
	/* Those that refer before those that are referred to. */
	static const enum sql order[] = {
		SQL_BRANCH_DELETE_NOTES,  SQL_BRANCH_DELETE_HOOKS, SQL_BRANCH_DELETE_SYSTEM,
		SQL_BRANCH_DELETE_PINS,	  SQL_BRANCH_DELETE_LINES, SQL_BRANCH_DELETE_SNAPSHOTS,
		SQL_BRANCH_DELETE_NUMBER, SQL_BRANCH_DELETE,
	};
	int64_t count = 0;

	for (size_t i = 0; i < array_size(order); i++)
		if (query_do_uuid(tx, order[i], uuid, &count, err) < 0)
			return fl_failed(err);
	return count ? 0 : no_such_branch(uuid, err);
}

int tx_branch_each(struct tx *tx, const struct uuid *volume, bool destroyed,
		   int (*each)(void *arg, const struct branch_row *row, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	struct branch_row row;
	int r = 0;

	if (query_begin(&q, tx, volume ? SQL_BRANCH_EACH : SQL_BRANCH_EACH_ALL, err) < 0)
		return fl_failed(err);
	if (volume)
		query_bind_uuid(&q, 1, volume);
	query_bind_int(&q, volume ? 2 : 1, destroyed);
	while (query_next(&q, &r, err)) {
		read_row(&q, &row);
		r = each(arg, &row, err);
	}
	return r;
}

int tx_branch_count(struct tx *tx, const struct uuid *instance, uint64_t *ret, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_BRANCH_COUNT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, instance);
	return query_count(&q, ret, err);
}

int tx_branch_summary(struct tx *tx, const struct uuid *instance, uint64_t *ret_count,
		      int64_t *ret_newest, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_BRANCH_SUMMARY, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, instance);
	r = query_step(&q, err);
	if (r < 0)
		return r;
	*ret_count = (uint64_t)query_int(&q, 0);
	*ret_newest = query_int(&q, 1);
	return 0;
}

int tx_branch_policy_get(struct tx *tx, const struct uuid *branch, struct metadata *ret,
			 struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_BRANCH_POLICY_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_branch(branch, err);
	return r < 0 ? r : query_metadata(&q, 0, ret, err);
}

int tx_branch_policy_set(struct tx *tx, const struct uuid *branch, const struct metadata *policy,
			 struct fl_error *err)
{
	own_text struct text text = {};
	own_query struct query q = {};
	int64_t changed;

	metadata_encode(policy, &text);
	if (query_begin(&q, tx, SQL_BRANCH_POLICY_SET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_text(&q, 2, text_get(&text));
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : no_such_branch(branch, err);
}

int tx_branch_snapshots(struct tx *tx, const struct uuid *branch, uint64_t *ret,
			struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_BRANCH_SNAPSHOTS, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	return query_count(&q, ret, err);
}

/* --- lines -------------------------------------------------------------- */

static int write_line(struct tx *tx, enum sql sql, const struct line *line, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &line->branch);
	query_bind_int(&q, 2, line->start);
	query_bind_position(&q, 3, &line->parent);
	return query_run(&q, NULL, err);
}

int tx_line_set(struct tx *tx, const struct line *line, struct fl_error *err)
{
	return write_line(tx, SQL_LINE_SET, line, err);
}

int tx_line_insert(struct tx *tx, const struct line *line, struct fl_error *err)
{
	int r = write_line(tx, SQL_LINE_INSERT, line, err);

	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "a line of this branch begins at %lld already",
			       (long long)line->start);
	if (r == -FL_NOT_FOUND)
		return no_such_branch(&line->branch, err);
	return r;
}

static struct line read_line(struct query *q)
{
	return (struct line){
		.branch = query_uuid(q, 0),
		.start = query_int(q, 1),
		.parent = query_position(q, 2),
	};
}

int tx_line_list(struct tx *tx, const struct uuid *branch, struct line **ret, size_t *ret_count,
		 struct fl_error *err)
{
	own_query struct query q = {};
	own_free struct line *lines = NULL;
	size_t count = 0;
	int r = 0;

	if (query_begin(&q, tx, SQL_LINE_LIST, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	while (query_next(&q, &r, err))
		*array_add(lines, count) = read_line(&q);
	if (r < 0)
		return r;
	*ret = take_ptr(lines);
	*ret_count = count;
	return 0;
}

int tx_line_at(struct tx *tx, const struct uuid *branch, int64_t time, struct line *ret,
	       struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_LINE_AT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_int(&q, 2, time);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no line of the branch holds that time");
	if (r < 0)
		return r;
	*ret = read_line(&q);
	return 0;
}

int tx_line_children(struct tx *tx, const struct stretch *stretch, bool all,
		     int (*each)(void *arg, const struct line *line, struct fl_error *err),
		     void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_LINE_CHILDREN, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &stretch->branch);
	query_bind_int(&q, 2, stretch->from);
	query_bind_int(&q, 3, stretch->to);
	query_bind_int(&q, 4, all);
	while (query_next(&q, &r, err)) {
		struct line line = read_line(&q);

		r = each(arg, &line, err);
	}
	return r;
}

int tx_line_repoint(struct tx *tx, const struct position *from, const struct position *to,
		    struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_LINE_REPOINT, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, from);
	query_bind_position(&q, 3, to);
	return query_run(&q, NULL, err);
}
