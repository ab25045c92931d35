/*
 * Writing.  The last segment stays open; a record is one write() at its end
 * under the mutex.  A write that fails or falls short is taken back by cutting
 * the file to where it was whole; where even that fails it is tried again
 * before the next record, and a restart finds an unfinished line and cuts it.
 */

#include "audit/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/log.h"

#define DIRECTORY "audit"

const struct audit_limits audit_limits = { .segment = 4 << 20, .segments = 16 };

char *segment_name(unsigned segment, char name[static SEGMENT_NAME])
{
	snprintf(name, SEGMENT_NAME, "%06u.log", segment);
	return name;
}

/* --- what is there ---------------------------------------------------------------- */

static int note_segment(void *arg, const char *name, unsigned char type, uint64_t inode,
			struct fl_error *err)
{
	struct audit *audit = arg;
	char wanted[SEGMENT_NAME];
	unsigned segment;

	/* Only what is named exactly so. */
	if (sscanf(name, "%9u.log", &segment) != 1 || segment == 0 ||
	    strcmp(name, segment_name(segment, wanted)) != 0)
		return 0;
	audit->first = audit->first && audit->first < segment ? audit->first : segment;
	audit->last = audit->last > segment ? audit->last : segment;
	return 0;
}

static int open_directory(struct audit *audit, int *ret, struct fl_error *err)
{
	own_fd int directory = -1;
	struct audit found = { .first = 0 };

	if (fsat_mkdir(audit->state, DIRECTORY, 0700, err) < 0 ||
	    fsat_open_dir(audit->state, DIRECTORY, &directory, err) < 0 ||
	    fsat_each(directory, note_segment, &found, err) < 0)
		return fl_wrap(err, "opening the audit log");
	audit->first = found.first;
	audit->last = found.last;
	*ret = take_fd(directory);
	return 0;
}

int segments_find(struct audit *audit, struct fl_error *err)
{
	return audit->directory >= 0 ? 0 : open_directory(audit, &audit->directory, err);
}

int segment_read(struct audit *audit, int directory, unsigned segment, struct text *ret,
		 struct fl_error *err)
{
	char name[SEGMENT_NAME];

	/* Twice its size: what others wrote there does not fill the daemon's memory. */
	return fsat_read(directory, segment_name(segment, name), 2 * audit->limits.segment, ret,
			 err);
}

bool line_before(const struct text *text, size_t *end, const char **ret, size_t *ret_length)
{
	const char *newline;

	if (*end == 0)
		return false;
	newline = *end > 1 ? memrchr(text->bytes, '\n', *end - 1) : NULL;
	*ret = newline ? newline + 1 : text->bytes;
	*ret_length = (size_t)(text->bytes + *end - 1 - *ret);
	*end = (size_t)(*ret - text->bytes);
	return true;
}

size_t whole_lines(const struct text *text)
{
	const char *newline = text->length ? memrchr(text->bytes, '\n', text->length) : NULL;

	return newline ? (size_t)(newline + 1 - text->bytes) : 0;
}

/*
 * Goes back from the end to the last line that is a record.  Lines after it
 * were made unreadable by somebody; they keep their numbers, so that
 * audit_verify() finds them where they are.
 */
static bool find_head(struct audit *audit, const struct text *text, uint64_t *unreadable)
{
	size_t end = whole_lines(text), length;
	struct record_frame frame;
	const char *line;

	while (line_before(text, &end, &line, &length)) {
		if (record_frame(line, length, &frame)) {
			audit->head.number = frame.number + *unreadable;
			memcpy(audit->head.hash, frame.hash, sizeof(frame.hash));
			return true;
		}
		++*unreadable;
	}
	return false;
}

/* Where the chain goes on.  `*ret_cut`: bytes of the last segment behind its last newline. */
static int find_end(struct audit *audit, size_t *ret_cut, struct fl_error *err)
{
	own_text struct text text = { 0 };
	uint64_t unreadable = 0;
	unsigned segment = audit->last;

	*ret_cut = 0;
	audit->size = 0;
	audit->head = (struct audit_mark){ .number = 0, .hash = FIRST_PREVIOUS };
	if (!segment)
		return 0;
	if (segment_read(audit, audit->directory, segment, &text, err) < 0)
		return fl_failed(err);
	audit->size = whole_lines(&text);
	*ret_cut = text.length - audit->size;
	while (!find_head(audit, &text, &unreadable) && segment-- > audit->first)
		if (segment_read(audit, audit->directory, segment, &text, err) < 0)
			return fl_failed(err);
	return 0;
}

/* --- writing ------------------------------------------------------------------------ */

static int cut_back(struct audit *audit, struct fl_error *err)
{
	if (ftruncate(audit->fd, (off_t)audit->size) < 0)
		return fl_fail_errno(err, "cannot cut an unfinished line off the audit log");
	audit->torn = false;
	return 0;
}

static int write_lines(struct audit *audit, const struct text *lines, struct fl_error *err)
{
	ssize_t n = TEMP_FAILURE_RETRY(write(audit->fd, lines->bytes, lines->length));
	struct fl_error ignored;

	if (n == (ssize_t)lines->length) {
		audit->size += lines->length;
		return 0;
	}
	if (n < 0)
		fl_fail_errno(err, "cannot write the audit log");
	else
		fl_fail(err, FL_NO_SPACE, "no space for the audit log");
	audit->torn = true;
	/* Tried again before the next record. */
	if (cut_back(audit, &ignored) < 0)
		audit->torn = true;
	return fl_failed(err);
}

static int open_segment(struct audit *audit, unsigned segment, int flags, int *ret,
			struct fl_error *err)
{
	char name[SEGMENT_NAME];

	return fsat_open(audit->directory, segment_name(segment, name),
			 O_WRONLY | O_APPEND | O_NOCTTY | flags, 0600, ret, err);
}

/* The log about itself. */
static void encode_own(enum fl_code outcome, const char *message, struct audit_mark *mark,
		       struct text *out)
{
	struct audit_entry entry = {
		.uid = (int64_t)getuid(),
		.pid = getpid(),
		.verb = "audit",
		.outcome = outcome,
		.message = message,
	};

	record_encode(&entry, clock_now(), mark, out);
}

/* The log is not as it was left: a record says so, behind the last that is whole. */
static int note_damage(struct audit *audit, const char *message, struct fl_error *err)
{
	own_text struct text lines = { 0 };
	struct audit_mark mark = audit->head;

	encode_own(FL_CORRUPT, message, &mark, &lines);
	if (cut_back(audit, err) < 0 || write_lines(audit, &lines, err) < 0)
		return fl_failed(err);
	audit->head = mark;
	return 0;
}

/* After a power cut. */
static int cut_off(struct audit *audit, size_t bytes, struct fl_error *err)
{
	char message[80];

	snprintf(message, sizeof(message), "%zu bytes of an unfinished record were cut off", bytes);
	log_warning("the audit log ended within a record, which was cut off", "bytes=%zu", bytes);
	return note_damage(audit, message, err);
}

static int open_log(struct audit *audit, struct fl_error *err)
{
	own_fd int fd = -1;
	size_t torn;

	if (segments_find(audit, err) < 0 || find_end(audit, &torn, err) < 0)
		return fl_failed(err);
	if (open_segment(audit, audit->last ? audit->last : 1, O_CREAT, &fd, err) < 0)
		return fl_failed(err);
	if (!audit->last)
		audit->first = audit->last = 1;
	audit->fd = take_fd(fd);
	if (torn == 0 || cut_off(audit, torn, err) == 0)
		return 0;
	own_fdp(&audit->fd);
	audit->fd = -1;
	return fl_failed(err);
}

/* Has what is open as `fd` still its name? */
static bool is_in_place(int fd, int directory, const char *name)
{
	struct stat open, named;
	struct fl_error unused;

	return fstat(fd, &open) == 0 && fsat_stat(directory, name, &named, &unused) == 0 &&
	       open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

bool directory_is_in_place(const struct audit *audit)
{
	return is_in_place(audit->directory, audit->state, DIRECTORY);
}

/* `what` is not what it was. */
static int note_replaced(struct audit *audit, const char *what, struct fl_error *err)
{
	char message[80];

	log_error("somebody removed or replaced a part of the audit log", "name=\"%s\"", what);
	snprintf(message, sizeof(message), "somebody removed or replaced %s", what);
	return note_damage(audit, message, err);
}

/*
 * An editor, a restored copy or a rotation by others puts another file in the
 * place of the open one, and nobody would see what is written to that.  The new
 * one is gone on with, and with the chain as this process knows it: so
 * audit_verify() finds what is different or missing there.
 */
static int follow_name(struct audit *audit, const char *what, struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_fd int fd = -1;

	if (open_segment(audit, audit->last, O_CREAT, &fd, err) < 0 ||
	    segment_read(audit, audit->directory, audit->last, &text, err) < 0)
		return fl_failed(err);
	own_fdp(&audit->fd);
	audit->fd = take_fd(fd);
	audit->size = whole_lines(&text);
	return note_replaced(audit, what, err);
}

/* The same of the directory.  Its descriptor keeps its number, as somebody may be reading there. */
static int follow_directory(struct audit *audit, struct fl_error *err)
{
	own_fd int directory = -1;

	if (open_directory(audit, &directory, err) < 0)
		return fl_failed(err);
	if (dup3(directory, audit->directory, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "opening the audit log");
	if (!audit->last)
		audit->first = audit->last = 1;
	return follow_name(audit, "the directory " DIRECTORY, err);
}

/* To be ready for a record. */
static int prepare(struct audit *audit, struct fl_error *err)
{
	char name[SEGMENT_NAME];

	if (audit->fd < 0)
		return open_log(audit, err);
	if (!directory_is_in_place(audit))
		return follow_directory(audit, err);
	segment_name(audit->last, name);
	if (!is_in_place(audit->fd, audit->directory, name))
		return follow_name(audit, name, err);
	return audit->torn ? cut_back(audit, err) : 0;
}

/* The old segment is synced here, once in thousands of records; audit_sync() knows only the last.
 */
static int begin_segment(struct audit *audit, struct fl_error *err)
{
	own_fd int fd = -1;
	struct fl_error ignored;
	char name[SEGMENT_NAME];

	if (fsat_sync(audit->fd, err) < 0 ||
	    open_segment(audit, audit->last + 1, O_CREAT | O_EXCL, &fd, err) < 0)
		return fl_failed(err);
	own_fdp(&audit->fd);
	audit->fd = take_fd(fd);
	audit->last++;
	audit->size = 0;
	for (; audit->last - audit->first >= audit->limits.segments; audit->first++)
		if (fsat_unlink(audit->directory, segment_name(audit->first, name), &ignored) < 0)
			log_warning("an old part of the audit log could not be removed",
				    "error=\"%s\"", ignored.text);
	return 0;
}

static void encode_lost(const struct audit *audit, struct audit_mark *mark, struct text *out)
{
	char message[600];

	if (!audit->lost)
		return;
	snprintf(message, sizeof(message), "%" PRIu64 " record%s could not be written: %s",
		 audit->lost, audit->lost == 1 ? "" : "s", audit->trouble.text);
	encode_own(audit->trouble.code, message, mark, out);
}

/* `entry` NULL: only how many are missing. */
static int append(struct audit *audit, const struct audit_entry *entry, struct fl_error *err)
{
	own_text struct text lines = { 0 };
	struct audit_mark mark;

	if (prepare(audit, err) < 0)
		return fl_failed(err);
	mark = audit->head;
	encode_lost(audit, &mark, &lines);
	if (entry)
		record_encode(entry, clock_now(), &mark, &lines);
	if (audit->size > 0 && audit->size + lines.length > audit->limits.segment &&
	    begin_segment(audit, err) < 0)
		return fl_failed(err);
	if (write_lines(audit, &lines, err) < 0)
		return fl_failed(err);
	audit->head = mark;
	return 0;
}

static void note_trouble(struct audit *audit, const struct fl_error *err)
{
	audit->trouble = *err;
	fl_add_hint(&audit->trouble,
		    "make the state directory writable or free space there; the next change says "
		    "how many records are missing");
}

void audit_append(struct audit *audit, const struct audit_entry *entry)
{
	own_lock(guard, &audit->mutex);
	struct fl_error err;

	if (append(audit, entry, &err) == 0) {
		audit->lost = 0;
		audit->trouble = (struct fl_error){ 0 };
		return;
	}
	audit->lost++;
	note_trouble(audit, &err);
}

int audit_trouble(struct audit *audit, struct fl_error *err)
{
	own_lock(guard, &audit->mutex);

	if (audit->trouble.code == FL_OK)
		return 0;
	*err = audit->trouble;
	return fl_failed(err);
}

/* --- life ------------------------------------------------------------------------------ */

struct audit *audit_open(int state, const struct audit_limits *limits)
{
	struct audit *audit = xcalloc(1, sizeof(*audit));
	struct fl_error err;

	audit->state = state;
	audit->limits = *limits;
	audit->directory = audit->fd = -1;
	pthread_mutex_init(&audit->mutex, NULL);
	if (open_log(audit, &err) < 0)
		note_trouble(audit, &err);
	return audit;
}

void audit_close(struct audit *audit)
{
	struct fl_error err;

	if (!audit)
		return;
	/* The next process does not know of them. */
	if (audit->lost && append(audit, NULL, &err) < 0)
		log_error("the audit log ends with changes missing", "lost=%" PRIu64, audit->lost);
	own_fdp(&audit->fd);
	own_fdp(&audit->directory);
	pthread_mutex_destroy(&audit->mutex);
	free(audit);
}

/* A descriptor of its own: the file is synced while others append and turn. */
static int take_head(struct audit *audit, int *ret_fd, struct audit_mark *ret, struct fl_error *err)
{
	own_lock(guard, &audit->mutex);

	if (audit->fd < 0) {
		*err = audit->trouble;
		return fl_failed(err);
	}
	*ret_fd = fcntl(audit->fd, F_DUPFD_CLOEXEC, 0);
	if (*ret_fd < 0)
		return fl_fail_errno(err, "cannot sync the audit log");
	*ret = audit->head;
	return 0;
}

int audit_sync(struct audit *audit, struct audit_mark *ret, struct fl_error *err)
{
	own_fd int fd = -1;
	struct audit_mark mark;

	if (take_head(audit, &fd, &mark, err) < 0 || fsat_sync(fd, err) < 0)
		return fl_failed(err);
	if (fsat_sync(audit->directory, err) < 0)
		return fl_failed(err);
	*ret = mark;
	return 0;
}
