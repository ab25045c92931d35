#include "base/text.h"
#include "catalog/catalog.h"
#include "catalog/statement.h"

/* A state that a newer version wrote is none that this one can do something with. */
static enum operation_state state_called(const char *name)
{
	size_t found = word_find(operation_state_names, OPERATION_STATES, name);

	return found < OPERATION_STATES ? (enum operation_state)found : OPERATION_FAILED;
}

static void read_row(struct query *q, struct operation *ret)
{
	const char *code = query_text(q, 8);
	char state[16];

	*ret = (struct operation){
		.id = query_uuid(q, 0),
		.done_bytes = (uint64_t)query_int(q, 4),
		.total_bytes = (uint64_t)query_int(q, 5),
		.started = query_int(q, 6),
		.ended = query_int(q, 7),
		.error = { .code = code ? fl_code_parse(code) : FL_OK },
	};
	query_string(q, 1, ret->verb, sizeof(ret->verb));
	query_string(q, 2, ret->object, sizeof(ret->object));
	query_string(q, 3, state, sizeof(state));
	ret->state = state_called(state);
	query_string(q, 9, ret->error.text, sizeof(ret->error.text));
	query_string(q, 10, ret->error.hint, sizeof(ret->error.hint));
}

/* Code, text and hint at `at` and behind; an error without a code is none. */
static void bind_error(struct query *q, int at, const struct fl_error *error)
{
	bool any = error->code != FL_OK;

	query_bind_text(q, at, any ? fl_codes[error->code].name : NULL);
	query_bind_text(q, at + 1, any ? error->text : NULL);
	query_bind_text(q, at + 2, any ? error->hint : NULL);
}

static void bind_row(struct query *q, const struct operation *row)
{
	query_bind_uuid(q, 1, &row->id);
	query_bind_text(q, 2, row->verb);
	query_bind_text(q, 3, row->object);
	query_bind_text(q, 4, operation_state_names[row->state]);
	query_bind_int(q, 5, (int64_t)row->done_bytes);
	query_bind_int(q, 6, (int64_t)row->total_bytes);
	query_bind_int(q, 7, row->started);
	query_bind_int(q, 8, row->ended);
	bind_error(q, 9, &row->error);
}

static int no_such_operation(const struct uuid *id, struct fl_error *err)
{
	char text[UUID_TEXT];

	fl_fail(err, FL_NOT_FOUND, "there is no operation %s", uuid_format(id, text));
	return fl_hint(err, "flocker operations lists them");
}

int tx_operation_insert(struct tx *tx, const struct operation *row, struct fl_error *err)
{
	own_query struct query q = {};
	char text[UUID_TEXT];
	int r;

	if (query_begin(&q, tx, SQL_OPERATION_INSERT, err) < 0)
		return fl_failed(err);
	bind_row(&q, row);
	r = query_run(&q, NULL, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "there is an operation %s already",
			       uuid_format(&row->id, text));
	return r;
}

int tx_operation_update(struct tx *tx, const struct operation *row, struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_OPERATION_UPDATE, err) < 0)
		return fl_failed(err);
	bind_row(&q, row);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : no_such_operation(&row->id, err);
}

int tx_operation_get(struct tx *tx, const struct uuid *id, struct operation *ret,
		     struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_OPERATION_GET, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, id);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_operation(id, err);
	if (r < 0)
		return r;
	read_row(&q, ret);
	return 0;
}

int tx_operation_each(struct tx *tx, size_t limit,
		      int (*each)(void *arg, const struct operation *row, struct fl_error *err),
		      void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	struct operation row;
	int r = 0;

	if (query_begin(&q, tx, SQL_OPERATION_EACH, err) < 0)
		return fl_failed(err);
	query_bind_limit(&q, 1, limit);
	while (query_next(&q, &r, err)) {
		read_row(&q, &row);
		r = each(arg, &row, err);
	}
	return r;
}

int tx_operation_interrupt(struct tx *tx, int64_t ended, const struct fl_error *why,
			   struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_OPERATION_INTERRUPT, err) < 0)
		return fl_failed(err);
	query_bind_int(&q, 1, ended);
	bind_error(&q, 2, why);
	return query_run(&q, NULL, err);
}

int tx_operation_prune(struct tx *tx, size_t keep, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_OPERATION_PRUNE, err) < 0)
		return fl_failed(err);
	query_bind_limit(&q, 1, keep);
	return query_run(&q, NULL, err);
}
