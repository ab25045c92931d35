#include "catalog/catalog.h"
#include "catalog/statement.h"

#include <assert.h>

/*
 * Ids.  SQLite's integers are signed, ids are not: an id is stored with its top
 * bit flipped, which maps 0 … 2^64-1 onto the signed range in order, so that a
 * range of ids (a prefix) stays one range of the index.
 *
 * Names, messages and metadata stand in `note`, keyed by position.  A note can
 * be there before its snapshot (after a restore of the backup); inserting the
 * snapshot takes it up.  A name is taken only by a snapshot that exists: a
 * leftover note gives way.
 *
 * Reasons are stored as numbers, so their values are part of the format.
 */

static_assert(REASON_USER == 0 && REASON_BRANCH == 1 && REASON_TAG == 2 && REASON_ROLLBACK == 3 &&
		      REASON_CHANGE == 4 && REASON_SCHEDULE == 5 && REASON_RECOVERED == 6 &&
		      REASON_IMPORT == 7 && REASON_PUSH == 8,
	      "reasons are stored by number");

static int64_t stored_id(uint64_t id)
{
	return (int64_t)(id ^ UINT64_C(1) << 63);
}

static uint64_t id_of(int64_t stored)
{
	return (uint64_t)stored ^ UINT64_C(1) << 63;
}

void snapshot_row_done(struct snapshot_row *row)
{
	free(row->message);
	metadata_done(&row->metadata);
	*row = (struct snapshot_row){};
}

static int no_such_snapshot(const struct position *position, struct fl_error *err)
{
	char time[CLOCK_TEXT], branch[UUID_TEXT];

	return fl_fail(err, FL_NOT_FOUND, "no snapshot of %s in branch %s",
		       clock_format(position->time, time), uuid_format(&position->branch, branch));
}

/* --- reading ------------------------------------------------------------ */

static int read_note(struct tx *tx, struct snapshot_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_NOTE_GET, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, &row->position);
	r = query_step(&q, err);
	if (r <= 0)
		return r;
	if (query_metadata(&q, 2, &row->metadata, err) < 0)
		return fl_failed(err);
	query_string(&q, 0, row->name, sizeof(row->name));
	row->message = query_text_copy(&q, 1);
	return 0;
}

static int read_row(struct tx *tx, struct query *q, struct snapshot_row *ret, struct fl_error *err)
{
	int64_t reason = query_int(q, 4);
	struct snapshot_row row = {
		.position = query_position(q, 0),
		.id = id_of(query_int(q, 2)),
		.sequence = (uint64_t)query_int(q, 3),
		.reason = reason >= 0 && reason < REASON_MAX ? (enum reason)reason
							     : REASON_RECOVERED,
		.late = query_int(q, 8),
	};

	row.storage = (struct snapname){ query_uuid(q, 6), row.position.time };
	query_string(q, 7, row.host, sizeof(row.host));
	if (query_int(q, 5) && read_note(tx, &row, err) < 0)
		return fl_failed(err);
	*ret = row;
	return 0;
}

static int each_row(struct tx *tx, struct query *q, size_t *ret_count,
		    int (*each)(void *arg, const struct snapshot_row *row, struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	int r = 0;

	while (query_next(q, &r, err)) {
		own_snapshot_row struct snapshot_row row = {};

		r = read_row(tx, q, &row, err);
		if (r == 0)
			r = each(arg, &row, err);
		if (r >= 0 && ret_count)
			(*ret_count)++;
	}
	return r;
}

int tx_snapshot_get(struct tx *tx, const struct position *position, struct snapshot_row *ret,
		    struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_GET, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, position);
	r = query_step(&q, err);
	if (r == 0)
		return no_such_snapshot(position, err);
	return r < 0 ? r : read_row(tx, &q, ret, err);
}

int tx_snapshot_get_id(struct tx *tx, uint64_t id, struct snapshot_row *ret, struct fl_error *err)
{
	own_query struct query q = {};
	char text[SNAPID_TEXT];
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_GET_ID, err) < 0)
		return fl_failed(err);
	query_bind_int(&q, 1, stored_id(id));
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no snapshot %s", snapid_format(id, text));
	return r < 0 ? r : read_row(tx, &q, ret, err);
}

int tx_snapshot_get_name(struct tx *tx, const struct uuid *branch, const char *name,
			 struct snapshot_row *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_GET_NAME, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_text(&q, 2, name);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no snapshot named '%s' in this branch", name);
	return r < 0 ? r : read_row(tx, &q, ret, err);
}

int tx_snapshot_each_id(struct tx *tx, const struct uuid *volume, uint64_t low, uint64_t high,
			size_t limit,
			int (*each)(void *arg, const struct snapshot_row *row,
				    struct fl_error *err),
			void *arg, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_SNAPSHOT_EACH_ID, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, volume);
	query_bind_int(&q, 2, stored_id(low));
	query_bind_int(&q, 3, stored_id(high));
	query_bind_limit(&q, 4, limit);
	return each_row(tx, &q, NULL, each, arg, err);
}

static void bind_stretch(struct query *q, const struct stretch *stretch)
{
	query_bind_uuid(q, 1, &stretch->branch);
	query_bind_int(q, 2, stretch->from);
	query_bind_int(q, 3, stretch->to);
}

int tx_snapshot_each(struct tx *tx, const struct stretch *stretch, size_t limit,
		     int (*each)(void *arg, const struct snapshot_row *row, struct fl_error *err),
		     void *arg, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_SNAPSHOT_EACH, err) < 0)
		return fl_failed(err);
	bind_stretch(&q, stretch);
	query_bind_limit(&q, 4, limit);
	return each_row(tx, &q, NULL, each, arg, err);
}

static int stretch_count(struct tx *tx, const struct stretch *stretch, uint64_t *ret,
			 struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_SNAPSHOT_STRETCH_COUNT, err) < 0)
		return fl_failed(err);
	bind_stretch(&q, stretch);
	return query_count(&q, ret, err);
}

int tx_snapshot_nth(struct tx *tx, const struct stretch *stretch, uint64_t back,
		    struct snapshot_row *ret, uint64_t *ret_count, struct fl_error *err)
{
	own_query struct query q = {};
	uint64_t count = 0;
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_NTH, err) < 0)
		return fl_failed(err);
	bind_stretch(&q, stretch);
	query_bind_limit(&q, 4, back);
	r = query_step(&q, err);
	if (r < 0)
		return r;
	if (r > 0)
		return read_row(tx, &q, ret, err);
	if (stretch_count(tx, stretch, &count, err) < 0)
		return fl_failed(err);
	if (ret_count)
		*ret_count = count;
	return fl_fail(err, FL_NOT_FOUND, "there are only %llu snapshots here",
		       (unsigned long long)count);
}

int tx_snapshot_at(struct tx *tx, const struct stretch *stretch, int64_t time,
		   struct snapshot_row *ret, struct fl_error *err)
{
	struct stretch until = *stretch;
	struct fl_error inner;
	char text[CLOCK_TEXT];
	int r;

	if (time < until.to)
		until.to = time;
	r = tx_snapshot_nth(tx, &until, 0, ret, NULL, &inner);
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "no snapshot at or before %s",
			       clock_format(time, text));
	if (r < 0)
		*err = inner;
	return r;
}

int tx_snapshot_aged(struct tx *tx, const struct stretch *stretch, int64_t stamp,
		     struct snapshot_row *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_AGED, err) < 0)
		return fl_failed(err);
	bind_stretch(&q, stretch);
	query_bind_int(&q, 4, stamp);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no snapshot here is as old");
	return r < 0 ? r : read_row(tx, &q, ret, err);
}

int tx_snapshot_floor(struct tx *tx, const struct uuid *branch, int64_t time, int64_t *ret,
		      struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_FLOOR, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_int(&q, 2, time);
	r = query_step(&q, err);
	if (r < 0)
		return r;
	*ret = r > 0 ? query_int(&q, 0) : 0;
	return 0;
}

int tx_snapshot_count(struct tx *tx, uint64_t *ret, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_SNAPSHOT_COUNT, err) < 0)
		return fl_failed(err);
	return query_count(&q, ret, err);
}

/* Two statements, so that each is one walk along a key: the rest of the branch, then those after
 * it. */
int tx_snapshot_each_all(struct tx *tx, const struct position *after, size_t limit,
			 int (*each)(void *arg, const struct snapshot_row *row,
				     struct fl_error *err),
			 void *arg, struct fl_error *err)
{
	own_query struct query rest = {};
	own_query struct query others = {};
	size_t count = 0;

	if (!position_is_none(after)) {
		if (query_begin(&rest, tx, SQL_SNAPSHOT_EACH_AFTER, err) < 0)
			return fl_failed(err);
		query_bind_position(&rest, 1, after);
		query_bind_limit(&rest, 3, limit);
		if (each_row(tx, &rest, &count, each, arg, err) < 0)
			return fl_failed(err);
	}
	if (count == limit)
		return 0;
	if (query_begin(&others, tx, SQL_SNAPSHOT_EACH_BRANCH_AFTER, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&others, 1, &after->branch);
	query_bind_limit(&others, 2, limit - count);
	return each_row(tx, &others, NULL, each, arg, err);
}

/* --- pins --------------------------------------------------------------- */

/*
 * A position is a tip in one of two ways: it lies in the last line of its own
 * branch and no snapshot of that branch is newer, or it is the parent of some
 * branch's last line and that line has no snapshots yet.
 */
int tx_snapshot_pins(struct tx *tx, const struct position *position, unsigned *ret,
		     struct fl_error *err)
{
	static const unsigned columns[] = { PIN_TAG, PIN_STASH, PIN_BRANCH,  PIN_TIP,
					    PIN_TIP, PIN_PEER,	PIN_TRANSFER };
	own_query struct query q = {};
	unsigned pins = 0;
	int r;

	if (query_begin(&q, tx, SQL_SNAPSHOT_PINS, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, position);
	r = query_step(&q, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < array_size(columns); i++)
		if (query_int(&q, (int)i))
			pins |= columns[i];
	*ret = pins;
	return 0;
}

static struct kept_row read_kept(struct query *q)
{
	static const unsigned columns[] = { PIN_TAG, PIN_STASH, PIN_BRANCH, PIN_PEER,
					    PIN_TRANSFER };
	struct kept_row row = {
		.time = query_int(q, 0),
		.stamp = query_int(q, 0) - query_int(q, 1) * CLOCK_SECOND,
		.id = id_of(query_int(q, 2)),
		.instance = query_uuid(q, 3),
	};

	for (size_t i = 0; i < array_size(columns); i++)
		if (query_int(q, 4 + (int)i))
			row.pins |= columns[i];
	return row;
}

int tx_snapshot_each_kept(struct tx *tx, const struct uuid *branch,
			  int (*each)(void *arg, const struct kept_row *row, struct fl_error *err),
			  void *arg, struct fl_error *err)
{
	own_query struct query q = {};
	int r = 0;

	if (query_begin(&q, tx, SQL_SNAPSHOT_EACH_KEPT, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	while (query_next(&q, &r, err)) {
		struct kept_row row = read_kept(&q);

		r = each(arg, &row, err);
	}
	return r;
}

int tx_snapshot_date(struct tx *tx, const struct uuid *branch, int64_t late, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_SNAPSHOT_DATE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, branch);
	query_bind_int(&q, 2, late);
	return query_run(&q, NULL, err);
}

/* --- writing ------------------------------------------------------------ */

static bool has_note(const struct snapshot_row *row)
{
	return row->name[0] || row->message || row->metadata.count > 0;
}

static int run_at(struct tx *tx, enum sql sql, const struct position *position,
		  int64_t *ret_changed, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, sql, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, position);
	return query_run(&q, ret_changed, err);
}

/* Refuses a name that another snapshot of the branch has; a note without a snapshot gives it up. */
static int free_name(struct tx *tx, const struct snapshot_row *row, struct fl_error *err)
{
	own_query struct query q = {};
	struct position other = row->position;
	int r;

	if (row->name[0] == '\0')
		return 0;
	if (query_begin(&q, tx, SQL_NOTE_NAMED, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->position.branch);
	query_bind_text(&q, 2, row->name);
	r = query_step(&q, err);
	if (r <= 0)
		return r;
	other.time = query_int(&q, 0);
	if (other.time == row->position.time)
		return 0;
	if (query_int(&q, 1))
		return fl_fail(err, FL_EXISTS, "snapshot '%s' exists already in this branch",
			       row->name);
	query_end(&q);
	return run_at(tx, SQL_NOTE_DELETE, &other, NULL, err);
}

static int write_note(struct tx *tx, const struct snapshot_row *row, struct fl_error *err)
{
	own_text struct text metadata = {};
	own_query struct query q = {};

	metadata_encode(&row->metadata, &metadata);
	if (query_begin(&q, tx, SQL_NOTE_SET, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, &row->position);
	query_bind_text(&q, 3, row->name);
	query_bind_text(&q, 4, row->message);
	query_bind_text(&q, 5, text_get(&metadata));
	return query_run(&q, NULL, err);
}

/* Is there a note that waits for this snapshot? */
static int note_waits(struct tx *tx, const struct position *position, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_NOTE_GET, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, position);
	return query_step(&q, err);
}

/* The number that stands for a UUID, and for TAKER also a host name; made when it is new. */
static int intern(struct tx *tx, enum sql get, enum sql insert, const struct uuid *uuid,
		  const char *host, int64_t *ret, struct fl_error *err)
{
	own_query struct query found = {};
	own_query struct query made = {};
	int r;

	if (query_begin(&found, tx, get, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&found, 1, uuid);
	if (host)
		query_bind_text(&found, 2, host);
	r = query_step(&found, err);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret = query_int(&found, 0);
		return 0;
	}
	if (query_begin(&made, tx, insert, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&made, 1, uuid);
	if (host)
		query_bind_text(&made, 2, host);
	if (query_run(&made, NULL, err) < 0)
		return fl_failed(err);
	*ret = sqlite3_last_insert_rowid(tx->connection->db);
	return 0;
}

static int insert_row(struct tx *tx, const struct snapshot_row *row, bool noted,
		      struct fl_error *err)
{
	own_query struct query q = {};
	char branch[UUID_TEXT], time[CLOCK_TEXT];
	int64_t number, taker;
	int r;

	r = intern(tx, SQL_NUMBER_GET, SQL_NUMBER_INSERT, &row->position.branch, NULL, &number,
		   err);
	if (r == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "no branch %s",
			       uuid_format(&row->position.branch, branch));
	if (r < 0 ||
	    intern(tx, SQL_TAKER_GET, SQL_TAKER_INSERT, &row->storage.instance, row->host, &taker,
		   err) < 0 ||
	    query_begin(&q, tx, SQL_SNAPSHOT_INSERT, err) < 0)
		return fl_failed(err);
	query_bind_int(&q, 1, number);
	query_bind_int(&q, 2, row->position.time);
	query_bind_int(&q, 3, stored_id(row->id));
	query_bind_int(&q, 4, (int64_t)row->sequence);
	query_bind_int(&q, 5, taker);
	query_bind_int(&q, 6, row->reason);
	query_bind_int(&q, 7, noted);
	query_bind_int(&q, 8, row->late);
	r = query_run(&q, NULL, err);
	if (r == -FL_EXISTS)
		return fl_fail(err, FL_EXISTS, "a snapshot of %s exists already in branch %s",
			       clock_format(row->position.time, time),
			       uuid_format(&row->position.branch, branch));
	return r;
}

static int raise_branch(struct tx *tx, const struct snapshot_row *row, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_BRANCH_RAISE, err) < 0)
		return fl_failed(err);
	query_bind_uuid(&q, 1, &row->position.branch);
	query_bind_int(&q, 2, (int64_t)row->sequence);
	query_bind_int(&q, 3, row->position.time);
	return query_run(&q, NULL, err);
}

/* What can be refused comes first, so that a caller who goes on after FL_EXISTS finds nothing
 * changed. */
int tx_snapshot_insert(struct tx *tx, const struct snapshot_row *row, struct fl_error *err)
{
	int noted = has_note(row) ? 1 : note_waits(tx, &row->position, err);

	if (noted < 0 || free_name(tx, row, err) < 0 || insert_row(tx, row, noted, err) < 0)
		return fl_failed(err);
	if (has_note(row) && write_note(tx, row, err) < 0)
		return fl_failed(err);
	return raise_branch(tx, row, err);
}

static int set_noted(struct tx *tx, const struct snapshot_row *row, bool noted,
		     struct fl_error *err)
{
	own_query struct query q = {};
	int64_t changed;

	if (query_begin(&q, tx, SQL_SNAPSHOT_SET_NOTED, err) < 0)
		return fl_failed(err);
	query_bind_position(&q, 1, &row->position);
	query_bind_int(&q, 3, noted);
	if (query_run(&q, &changed, err) < 0)
		return fl_failed(err);
	return changed ? 0 : no_such_snapshot(&row->position, err);
}

int tx_snapshot_annotate(struct tx *tx, const struct snapshot_row *row, struct fl_error *err)
{
	bool noted = has_note(row);

	if (free_name(tx, row, err) < 0 || set_noted(tx, row, noted, err) < 0)
		return fl_failed(err);
	if (noted)
		return write_note(tx, row, err);
	return run_at(tx, SQL_NOTE_DELETE, &row->position, NULL, err);
}

int tx_snapshot_delete(struct tx *tx, const struct position *position, struct fl_error *err)
{
	int64_t changed;

	if (run_at(tx, SQL_SNAPSHOT_DELETE, position, &changed, err) < 0)
		return fl_failed(err);
	if (changed == 0)
		return no_such_snapshot(position, err);
	return run_at(tx, SQL_NOTE_DELETE, position, NULL, err);
}
