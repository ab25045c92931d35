/* Operations: rows that change, are listed newest first, are interrupted and forgotten. */

#include "catalog-fixture.h"

static struct operation operation_number(int n)
{
	struct operation row = {
		.id = { { 1, (uint8_t)(n >> 8), (uint8_t)n } },
		.verb = "import",
		.state = OPERATION_RUNNING,
		.total_bytes = 1000,
		.started = 100 - n, /* a clock that goes backwards changes no order */
	};

	snprintf(row.object, sizeof(row.object), "volume%d", n);
	return row;
}

static void insert(struct tx *tx, int n, enum operation_state state)
{
	struct operation row = operation_number(n);
	struct fl_error err = {};

	row.state = state;
	check_ok(tx_operation_insert(tx, &row, &err));
}

static int see(void *arg, const struct operation *row, struct fl_error *err)
{
	return see_number(row->id.bytes[1] << 8 | row->id.bytes[2]);
}

static void a_row_comes_back_as_it_was(struct tx *tx)
{
	struct operation row = operation_number(1), found;
	struct fl_error err = {};

	check_ok(tx_operation_insert(tx, &row, &err));
	check_ok(tx_operation_get(tx, &row.id, &found, &err));
	check(uuid_equal(&found.id, &row.id) && found.state == OPERATION_RUNNING);
	check(found.total_bytes == 1000 && found.started == 99 && found.ended == 0);
	check(found.error.code == FL_OK && found.error.text[0] == '\0');
	check_string("import", found.verb);
	check_string("volume1", found.object);
	row.state = OPERATION_FAILED;
	row.done_bytes = 7;
	row.ended = 200;
	row.error = (struct fl_error){ .code = FL_NO_SPACE, .text = "full", .hint = "grow" };
	check_ok(tx_operation_update(tx, &row, &err));
	check_ok(tx_operation_get(tx, &row.id, &found, &err));
	check(found.state == OPERATION_FAILED && found.done_bytes == 7 && found.ended == 200);
	check(found.error.code == FL_NO_SPACE);
	check_string("full", found.error.text);
	check_string("grow", found.error.hint);
}

static void rows_come_back(void)
{
	in_write("rows", a_row_comes_back_as_it_was);
}

static void wrong_ids(struct tx *tx)
{
	struct operation row = operation_number(1), found;
	struct fl_error err = {};

	check_code(FL_NOT_FOUND, tx_operation_get(tx, &row.id, &found, &err));
	check_code(FL_NOT_FOUND, tx_operation_update(tx, &row, &err));
	check_ok(tx_operation_insert(tx, &row, &err));
	check_code(FL_EXISTS, tx_operation_insert(tx, &row, &err));
}

static void an_id_is_given_once(void)
{
	in_write("ids", wrong_ids);
}

static void list(struct tx *tx)
{
	struct fl_error err = {};

	for (int n = 1; n <= 4; n++)
		insert(tx, n, OPERATION_DONE);
	check_seen("4 3 2 1", tx_operation_each(tx, 10, see, NULL, &err));
	check_seen("4 3", tx_operation_each(tx, 2, see, NULL, &err));
	stop_after = 1;
	check_code(FL_BUSY, tx_operation_each(tx, 10, see, NULL, &err));
}

static void the_newest_come_first(void)
{
	in_write("list", list);
}

static void interrupt(struct tx *tx)
{
	const struct fl_error why = { .code = FL_SYSTEM, .text = "ended", .hint = "again" };
	struct operation one = operation_number(1), two = operation_number(2), found;
	struct fl_error err = {};

	insert(tx, 1, OPERATION_DONE);
	insert(tx, 2, OPERATION_RUNNING);
	check_ok(tx_operation_interrupt(tx, 500, &why, &err));
	check_ok(tx_operation_get(tx, &one.id, &found, &err));
	check(found.state == OPERATION_DONE && found.ended == 0);
	check_ok(tx_operation_get(tx, &two.id, &found, &err));
	check(found.state == OPERATION_FAILED && found.ended == 500);
	check_string("ended", found.error.text);
	check_string("again", found.error.hint);
}

static void those_that_ran_have_failed(void)
{
	in_write("interrupted", interrupt);
}

static void prune(struct tx *tx)
{
	struct fl_error err = {};

	insert(tx, 1, OPERATION_RUNNING);
	for (int n = 2; n <= 5; n++)
		insert(tx, n, n % 2 ? OPERATION_DONE : OPERATION_CANCELLED);
	check_ok(tx_operation_prune(tx, 4, &err));
	check_seen("5 4 3 2 1", tx_operation_each(tx, 10, see, NULL, &err));
	check_ok(tx_operation_prune(tx, 2, &err));
	check_seen("5 4 1", tx_operation_each(tx, 10, see, NULL, &err));
}

static void the_oldest_that_ended_are_forgotten(void)
{
	in_write("pruned", prune);
}

int main(int argc, char **argv)
{
	fixture_begin();
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(rows_come_back),
				  CHECK(an_id_is_given_once),
				  CHECK(the_newest_come_first),
				  CHECK(those_that_ran_have_failed),
				  CHECK(the_oldest_that_ended_are_forgotten),
				  CHECK_END,
			  });
}
