#include "state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/*
 * A disk may keep what it is given in a cache and write it in any order, until it is
 * told to flush.  So in the state at position p every write before the disk's last flush
 * is there.  Of what came after that flush each write, by chance, is there, is not, or is
 * there in part: torn, each of its sectors by itself.
 *
 * That is also what reordering does: when the power goes, some of the later writes are
 * there and some of the earlier are not.  Only where two writes hit the same sector
 * does their order count, and no disk gives back the older one after it has stored
 * the newer; so they are applied in their order.
 *
 * Probabilities are drawn once for a state, so that states come in which nearly all is
 * lost, nearly none, and everything between.
 *
 * A write that was on its way when a flush arrived need not be covered by that
 * flush.  The disk takes one request at a time and sees no such pair: what it has
 * logged before the flush counts as flushed.
 */

#define CHUNK (UINT64_C(1) << 20)

/* --- chance: splitmix64, whose numbers are the same everywhere ------------------- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned percent(uint64_t *state)
{
	return (unsigned)(next_random(state) % 100);
}

/* --- the copy ---------------------------------------------------------------------- */

static int copy_range(int from, int to, off_t at, off_t end, struct fl_error *err)
{
	loff_t in = at, out = at;

	while (in < end) {
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);

		if (n < 0)
			return fl_fail_errno(err, "cannot copy an image");
		if (n == 0)
			return fl_fail(err, FL_SYSTEM, "an image became shorter");
	}
	return 0;
}

/* Only what holds data is copied. */
static int copy_image(int from, int to, struct fl_error *err)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return fl_fail_errno(err, "cannot make a copy of an image");
	for (;;) {
		off_t data = lseek(from, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return fl_fail_errno(err, "cannot read an image");
		at = lseek(from, data, SEEK_HOLE);
		if (at < 0)
			return fl_fail_errno(err, "cannot read an image");
		if (copy_range(from, to, data, at, err) < 0)
			return fl_failed(err);
	}
}

/* --- the writes ---------------------------------------------------------------------- */

struct making {
	const struct log_reader *log;
	const struct state_options *options;
	int out;
	uint64_t random;
	unsigned lost, torn; /* percent */
};

static int put(const struct making *making, const struct record *record, uint64_t from,
	       uint64_t length, struct fl_error *err)
{
	static const uint8_t zeros[CHUNK];

	while (length > 0) {
		uint64_t n = length < CHUNK ? length : CHUNK;
		const uint8_t *bytes = record->kind == RECORD_WRITE
					       ? making->log->data + record->data + from
					       : zeros;
		ssize_t done = pwrite(making->out, bytes, n, (off_t)(record->offset + from));

		if (done < 0)
			return fl_fail_errno(err, "cannot write to a copy of an image");
		from += (uint64_t)done;
		length -= (uint64_t)done;
	}
	return 0;
}

/* Each sector, or what of one was written, by itself. */
static int put_torn(struct making *making, const struct record *record, struct fl_error *err)
{
	const uint64_t sector = making->options->sector;
	uint64_t from = 0;

	while (from < record->length) {
		uint64_t length = sector - (record->offset + from) % sector;

		if (length > record->length - from)
			length = record->length - from;
		if (next_random(&making->random) % 2 == 0 &&
		    put(making, record, from, length, err) < 0)
			return fl_failed(err);
		from += length;
	}
	return 0;
}

static int put_unflushed(struct making *making, const struct record *record, struct fl_error *err)
{
	unsigned chance;

	if (making->options->loss == LOSE_NOTHING)
		return put(making, record, 0, record->length, err);
	if (making->options->loss == LOSE_ALL)
		return 0;
	chance = percent(&making->random);
	if (chance < making->lost)
		return 0;
	if (chance < making->lost + making->torn)
		return put_torn(making, record, err);
	return put(making, record, 0, record->length, err);
}

/* The number of records up to the disk's last flush before the cut. */
static uint64_t last_flush(const struct making *making)
{
	const struct record *records = making->log->records;

	for (uint64_t i = making->options->position; i > 0; i--)
		if (records[i - 1].kind == RECORD_FLUSH &&
		    records[i - 1].disk == making->options->disk)
			return i;
	return 0;
}

static int apply(struct making *making, struct fl_error *err)
{
	const uint64_t sure = last_flush(making);

	for (uint64_t i = 0; i < making->options->position; i++) {
		const struct record *record = &making->log->records[i];
		int rc = 0;

		if (record->disk != making->options->disk || record->kind == RECORD_FLUSH)
			continue;
		if (i < sure)
			rc = put(making, record, 0, record->length, err);
		else
			rc = put_unflushed(making, record, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int state_make(const struct log_reader *log, const struct state_options *options, const char *base,
	       const char *out, struct fl_error *err)
{
	own_fd int from = -1;
	own_fd int to = -1;
	struct making making = { .log = log, .options = options, .random = options->seed };

	if (options->position > log->count)
		return fl_fail(err, FL_INVALID,
			       "position %" PRIu64 " is beyond the log's end, %" PRIu64,
			       options->position, log->count);
	from = open(base, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return fl_fail_errno(err, "cannot open '%s'", base);
	to = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return fl_fail_errno(err, "cannot make '%s'", out);
	if (copy_image(from, to, err) < 0)
		return fl_failed(err);
	making.out = to;
	making.lost = percent(&making.random);
	making.torn = (100 - making.lost) * percent(&making.random) / 100;
	return apply(&making, err);
}
