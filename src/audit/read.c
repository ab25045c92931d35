/*
 * Reading.  What is to be read is settled under the mutex: which segments
 * there are, and which record was written last.  The reading itself holds up
 * nobody who writes.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/internal.h"
#include "base/fsat.h"

/* --- a page ------------------------------------------------------------------------ */

struct extent {
	int directory;
	unsigned first, last;
	struct audit_mark head; /* number 0 with segments: not known */
	uint64_t size;		/* of the last, as far as this process knows */
	bool foreign;		/* the last is not as long as it left it */
	bool moved;		/* the directory has not its place any more; it is still read */
	uint64_t lost;		/* records that could not be written behind it */
};

static int take_extent(struct audit *audit, struct extent *ret, struct fl_error *err)
{
	own_lock(guard, &audit->mutex);
	struct stat st;

	if (segments_find(audit, err) < 0)
		return fl_failed(err);
	*ret = (struct extent){
		.directory = audit->directory,
		.first = audit->first,
		.last = audit->last,
		.head = audit->head,
		.size = UINT64_MAX,
		.lost = audit->lost,
		.moved = !directory_is_in_place(audit),
	};
	if (audit->fd < 0 || audit->torn)
		return 0;
	if (fstat(audit->fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at the audit log");
	ret->size = audit->size;
	ret->foreign = (uint64_t)st.st_size != audit->size;
	return 0;
}

/* The page that is being made. */
struct page {
	uint64_t after;
	size_t limit;
	uint64_t newer; /* number of the line that was looked at last */
	struct audit_list list;
};

static void page_done(struct page *page)
{
	audit_list_done(&page->list);
}

/* A line that cannot be read ends the page before it, and fails the page that it would begin. */
static int list_line(struct page *page, const char *line, size_t length, struct fl_error *err)
{
	struct audit_list *list = &page->list;
	struct record_frame frame;

	if (record_frame(line, length, &frame))
		page->newer = frame.number;
	else if (page->newer > 0)
		page->newer--; /* it stands where that record was */
	if (page->after && page->newer >= page->after)
		return 0;
	list->more = list->count == page->limit;
	if (list->more)
		return 0;
	if (record_decode(line, length, &list->items[list->count], err) < 0) {
		list->more = list->count > 0;
		return list->more ? 0 : fl_failed(err);
	}
	list->count++;
	return 0;
}

/* From the end of a segment, until the page is full. */
static int list_segment(struct page *page, const struct text *text, struct fl_error *err)
{
	size_t end = whole_lines(text), length;
	const char *line;

	while (!page->list.more && line_before(text, &end, &line, &length))
		if (list_line(page, line, length, err) < 0)
			return fl_failed(err);
	return 0;
}

/* A segment of which nothing is wanted is not read: the cursor lies in an older one. */
static bool begins_at_or_after(int directory, unsigned segment, uint64_t after)
{
	char name[SEGMENT_NAME], begin[128] = "";
	own_fd int fd = -1;
	struct fl_error err;
	uint64_t number;

	if (!after || fsat_open(directory, segment_name(segment, name),
				O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &fd, &err) < 0)
		return false;
	return TEMP_FAILURE_RETRY(read(fd, begin, sizeof(begin) - 1)) > 0 &&
	       sscanf(begin, "{\"previous\":\"%*64[0-9a-f]\",\"number\":%" SCNu64 ",", &number) ==
		       1 &&
	       number >= after;
}

int audit_list(struct audit *audit, uint64_t after, size_t limit, struct audit_list *ret,
	       struct fl_error *err)
{
	own(page_done) struct page page = {
		.after = after,
		.limit = limit,
		.list.items = xcalloc(limit, sizeof(*page.list.items)),
	};
	own_text struct text text = { 0 };
	struct extent extent;

	if (take_extent(audit, &extent, err) < 0)
		return fl_failed(err);
	page.newer = extent.head.number + 1;
	for (unsigned i = extent.last; i && i >= extent.first && !page.list.more; i--) {
		int r;

		if (begins_at_or_after(extent.directory, i, after))
			continue;
		r = segment_read(audit, extent.directory, i, &text, err);
		/* The oldest may have been removed since. */
		if (r == -FL_NOT_FOUND)
			break;
		if (r < 0 || list_segment(&page, &text, err) < 0)
			return fl_failed(err);
	}
	*ret = page.list;
	page.list = (struct audit_list){ 0 };
	return 0;
}

/* --- all of it ------------------------------------------------------------------------ */

struct verification {
	struct audit_report report;
	struct audit_mark at; /* the record that was read last */
	const struct audit_mark *anchor;
	struct audit_mark head; /* what this process wrote last */
	bool begun;
};

/* The first problem is what is told: what follows may be its consequence. */
__attribute__((format(printf, 3, 4))) static void note_problem(struct verification *verification,
							       uint64_t number, const char *fmt,
							       ...)
{
	struct audit_report *report = &verification->report;
	va_list args;

	if (!report->intact)
		return;
	report->intact = false;
	report->problem_number = number;
	va_start(args, fmt);
	vsnprintf(report->problem, sizeof(report->problem), fmt, args);
	va_end(args);
}

/* Does the record stand where it should?  The very first kept may continue one that is gone. */
static void check_place(struct verification *v, const struct record_frame *frame, bool oldest)
{
	uint64_t number = v->at.number + 1;

	if (!v->begun && !oldest)
		return;
	if (!v->begun)
		memcpy(v->at.hash, FIRST_PREVIOUS, AUDIT_HASH);
	if (frame->number != number)
		note_problem(v, number, "record %" PRIu64 " stands in its place", frame->number);
	else if (strcmp(frame->previous, v->at.hash) != 0)
		note_problem(v, number, "it does not continue the record before it");
}

static void check_mark(struct verification *v, const struct record_frame *frame,
		       const struct audit_mark *mark, const char *whose)
{
	if (mark->number == frame->number && strcmp(mark->hash, frame->hash) != 0)
		note_problem(v, frame->number,
			     "it is not the one that %s remembers: it was replaced", whose);
}

static void check_line(struct verification *v, const char *line, size_t length, bool oldest)
{
	struct audit_report *report = &v->report;
	struct record_frame frame;

	report->records++;
	if (!report->intact)
		return;
	if (!record_frame(line, length, &frame)) {
		note_problem(v, v->begun ? v->at.number + 1 : report->records,
			     "the line is no record");
		return;
	}
	if (!record_is_right(line, length))
		note_problem(v, frame.number,
			     "it was changed: its hash is not that of its contents");
	check_place(v, &frame, oldest);
	check_mark(v, &frame, v->anchor, "the catalogue");
	check_mark(v, &frame, &v->head, "the daemon");
	if (!v->begun)
		report->first = frame.number;
	v->begun = true;
	v->at.number = report->last = frame.number;
	memcpy(v->at.hash, frame.hash, sizeof(frame.hash));
}

/* `limit`: bytes; what was appended after the reading began is checked the next time. */
static void check_segment(struct verification *v, struct text *text, uint64_t limit, bool oldest)
{
	size_t whole, at = 0;

	if (text->length > limit)
		text->length = limit;
	whole = whole_lines(text);
	while (at < whole) {
		const char *line = text->bytes + at;
		size_t length = (size_t)((char *)memchr(line, '\n', whole - at) - line);

		check_line(v, line, length, oldest);
		at += length + 1;
	}
	if (whole < text->length)
		note_problem(v, v->at.number + 1, "the record is not whole");
}

static void check_end(struct verification *v)
{
	uint64_t last = v->at.number;

	if (last < v->head.number)
		note_problem(v, last + 1,
			     "the end is missing: the daemon wrote %" PRIu64 " records",
			     v->head.number);
	if (last < v->anchor->number)
		note_problem(v, last + 1,
			     "the end is missing: the catalogue remembers record %" PRIu64,
			     v->anchor->number);
}

/* Of the segments up to `last`, the first that is not removed for its age. */
static unsigned oldest_kept(const struct audit *audit, unsigned last)
{
	return last > audit->limits.segments ? last - audit->limits.segments + 1 : 1;
}

/* For its age, since the reading began. */
static bool was_removed(struct audit *audit, unsigned segment)
{
	own_lock(guard, &audit->mutex);

	return segment < oldest_kept(audit, audit->last);
}

int audit_verify(struct audit *audit, const struct audit_mark *anchor, struct audit_report *ret,
		 struct fl_error *err)
{
	struct verification v = { .report.intact = true, .anchor = anchor };
	own_text struct text text = { 0 };
	struct extent extent;

	if (take_extent(audit, &extent, err) < 0)
		return fl_failed(err);
	v.head = extent.head;
	v.report.unrecorded = extent.lost;
	if (extent.moved)
		note_problem(&v, 1, "the directory of the log was moved away or removed");
	for (unsigned i = oldest_kept(audit, extent.last); i <= extent.last; i++) {
		int r = segment_read(audit, extent.directory, i, &text, err);

		if (r == -FL_NOT_FOUND && was_removed(audit, i))
			continue;
		if (r == -FL_NOT_FOUND)
			note_problem(&v, v.at.number + 1, "%06u.log is missing", i);
		else if (r == -FL_INVALID)
			note_problem(&v, v.at.number + 1,
				     "%06u.log is larger than such a file gets", i);
		else if (r < 0)
			return fl_wrap(err, "reading the audit log");
		else
			check_segment(&v, &text, i == extent.last ? extent.size : UINT64_MAX,
				      i == 1);
	}
	check_end(&v);
	if (extent.foreign)
		note_problem(&v, v.at.number + 1, "somebody else wrote to the log behind its end");
	*ret = v.report;
	return 0;
}
