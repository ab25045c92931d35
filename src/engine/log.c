/*
 * The log: an ancestry, page by page.
 *
 * A page costs what it prints: its stretches are keyset ranges in the
 * catalogue, and what points at its rows (lines, tags, stashes, tips) is read
 * once for all of them and looked up by position.
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/past.h"

#define LOG_LIMIT 10000

struct mark { /* something that points at a position */
	struct position position;
	unsigned pins;
	char tag[NAME_TEXT]; /* PIN_TAG */
};

struct page {
	struct engine *engine;
	struct tx *tx;
	const struct target *target;
	struct mark *marks; /* sorted by position */
	size_t mark_count;
	size_t limit;
	struct snapshot_list list;
	struct branch_row branch; /* that took the rows of the present stretch */
	char writer[NAME_TEXT];	  /* whose that is; "" = this instance's */
	bool any_linked;	  /* some snapshot of the volume is mounted */
	bool began;		  /* the rows are older than the branch asked about */
	char instance[NAME_TEXT]; /* name of `instance_uuid` */
	struct uuid instance_uuid;
};

static void page_done(struct page *page)
{
	free(page->marks);
	snapshot_list_done(&page->list);
}

static struct mark *add_mark(struct page *page, const struct position *position, unsigned pins)
{
	struct mark *mark;

	mark = array_add(page->marks, page->mark_count);
	*mark = (struct mark){ .position = *position, .pins = pins };
	return mark;
}

static int mark_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	memcpy(add_mark(arg, &row->snapshot, PIN_TAG)->tag, row->name, NAME_TEXT);
	return 0;
}

static int mark_stash(void *arg, const struct stash_row *row, struct fl_error *err)
{
	add_mark(arg, &row->snapshot, PIN_STASH);
	return 0;
}

static int compare_positions(const struct position *a, const struct position *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return memcmp(&a->branch, &b->branch, sizeof(a->branch));
}

static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	int order = compare_positions(&x->position, &y->position);

	return order ? order : strcmp(x->tag, y->tag);
}

static int mark_pin(void *arg, const struct pin_row *row, struct fl_error *err)
{
	add_mark(arg, &row->snapshot, row->kind);
	return 0;
}

/* Something began from a snapshot of the stretch; its head goes on from there if it has none of its
 * own. */
static int mark_child(void *arg, const struct line *line, struct fl_error *err)
{
	struct page *page = arg;
	struct position tip;

	add_mark(page, &line->parent, PIN_BRANCH);
	if (head_position(page->tx, &line->branch, &tip, err) < 0)
		return fl_failed(err);
	if (position_equal(&tip, &line->parent))
		add_mark(page, &tip, PIN_TIP);
	return 0;
}

static int mark_stretch(struct page *page, const struct stretch *stretch, struct fl_error *err)
{
	struct position tip;

	if (tx_line_children(page->tx, stretch, false, mark_child, page, err) < 0 ||
	    head_position(page->tx, &stretch->branch, &tip, err) < 0)
		return fl_failed(err);
	if (!position_is_none(&tip))
		add_mark(page, &tip, PIN_TIP);
	return 0;
}

/* The index of the first mark at or after the position. */
static size_t first_mark(const struct page *page, const struct position *position)
{
	size_t low = 0, high = page->mark_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_positions(&page->marks[middle].position, position) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void apply_marks(const struct page *page, const struct position *position,
			struct snapshot *snapshot)
{
	for (size_t i = first_mark(page, position);
	     i < page->mark_count && position_equal(&page->marks[i].position, position); i++) {
		snapshot->pins |= page->marks[i].pins;
		if (page->marks[i].pins != PIN_TAG)
			continue;
		memcpy(array_add(snapshot->tags, snapshot->tag_count), page->marks[i].tag,
		       NAME_TEXT);
	}
}

static void name_instance(struct page *page, const struct snapshot_row *row,
			  struct snapshot *snapshot)
{
	if (page->instance[0] == '\0' ||
	    !uuid_equal(&page->instance_uuid, &row->storage.instance)) {
		page->instance_uuid = row->storage.instance;
		answer_instance(page->engine, page->tx, &row->storage.instance, page->instance);
	}
	memcpy(snapshot->instance, page->instance, NAME_TEXT);
}

static int add_row(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct page *page = arg;
	struct snapshot *snapshot = snapshot_list_add(&page->list);

	/* The row before is younger: this one is what it came from. */
	if (page->list.count > 1)
		snapshot[-1].parent = row->id;
	snapshot->id = row->id;
	snapshot->branch_uuid = row->position.branch;
	snapshot->instance_uuid = row->storage.instance;
	snapshot->time = row->position.time;
	snapshot->sequence = row->sequence;
	snapshot->reason = row->reason;
	snapshot->message = row->message ? xstrdup(row->message) : NULL;
	snapshot->began = page->began;
	memcpy(snapshot->host, row->host, NAME_TEXT);
	memcpy(snapshot->name, row->name, NAME_TEXT);
	memcpy(snapshot->volume, page->target->volume.name, NAME_TEXT);
	memcpy(snapshot->branch, page->branch.name, NAME_TEXT);
	memcpy(snapshot->writer, page->writer, NAME_TEXT);
	metadata_copy(&row->metadata, &snapshot->metadata);
	name_instance(page, row, snapshot);
	if (page->any_linked &&
	    snapshot_is_linked(page->engine, page->target->volume.name, row->id))
		snapshot->pins |= PIN_MOUNT;
	return 0;
}

/* Marks what points at the rows that have just been added, and no more of the stretch. */
static int mark_rows(struct page *page, const struct stretch *stretch, size_t first,
		     struct fl_error *err)
{
	struct stretch shown = *stretch;

	if (first == page->list.count)
		return 0;
	shown.to = page->list.items[first].time;
	shown.from = page->list.items[page->list.count - 1].time;
	return mark_stretch(page, &shown, err);
}

static int add_stretch(struct page *page, const struct stretch *stretch, struct fl_error *err)
{
	size_t first = page->list.count;

	if (tx_branch_get(page->tx, &stretch->branch, &page->branch, err) < 0)
		return fl_failed(err);
	page->writer[0] = '\0';
	if (is_remote(page->engine, &page->branch))
		answer_instance(page->engine, page->tx, &page->branch.instance, page->writer);
	page->began = !uuid_equal(&stretch->branch, &page->target->branch.uuid);
	if (tx_snapshot_each(page->tx, stretch, page->limit - first, add_row, page, err) < 0)
		return fl_failed(err);
	return mark_rows(page, stretch, first, err);
}

static int apply_all_marks(struct page *page, struct fl_error *err)
{
	const struct uuid *volume = &page->target->volume.uuid;

	if (tx_tag_each(page->tx, volume, NULL, mark_tag, page, err) < 0 ||
	    tx_stash_each(page->tx, volume, mark_stash, page, err) < 0 ||
	    tx_pin_each(page->tx, &(struct pin_filter){ 0 }, mark_pin, page, err) < 0)
		return fl_failed(err);
	array_sort(page->marks, page->mark_count, compare_marks);
	for (size_t i = 0; i < page->list.count; i++) {
		struct snapshot *snapshot = &page->list.items[i];
		struct position position = { snapshot->branch_uuid, snapshot->time };

		apply_marks(page, &position, snapshot);
	}
	return 0;
}

/* Where the ancestry begins: the snapshot itself, or what the head continues from. */
static int start_of(struct page *page, struct position *ret, struct fl_error *err)
{
	if (!page->target->is_snapshot)
		return head_position(page->tx, &page->target->branch.uuid, ret, err);
	*ret = page->target->snapshot.position;
	return 0;
}

/* Drops from the stretches what a page before has shown, up to and with the snapshot `after`. */
static int skip_shown(struct page *page, uint64_t after, struct stretch *stretches, size_t count,
		      size_t *first, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	char id[SNAPID_TEXT];

	*first = 0;
	if (after == 0)
		return 0;
	if (tx_snapshot_get_id(page->tx, after, &row, err) < 0)
		return fl_wrap(err, "going on with the log");
	for (size_t i = 0; i < count; i++)
		if (uuid_equal(&stretches[i].branch, &row.position.branch) &&
		    row.position.time >= stretches[i].from &&
		    row.position.time <= stretches[i].to) {
			stretches[i].to = row.position.time - 1;
			*first = i;
			return 0;
		}
	return fl_fail(err, FL_INVALID, "snapshot %s is not in this log", snapid_format(after, id));
}

/* The last row's parent is the first row of the next page. */
static int fill_page(struct page *page, struct stretch *stretches, size_t count, size_t first,
		     struct fl_error *err)
{
	size_t wanted = page->limit++;

	for (size_t i = first; i < count && page->list.count < page->limit; i++)
		if (add_stretch(page, &stretches[i], err) < 0)
			return fl_failed(err);
	if (page->list.count > wanted)
		snapshot_done(&page->list.items[--page->list.count]);
	return 0;
}

static int load_page(struct page *page, uint64_t after, struct fl_error *err)
{
	own_free struct stretch *stretches = NULL;
	struct position start;
	size_t count, first;

	page->any_linked = any_snapshot_is_linked(page->engine, page->target->volume.name);
	if (start_of(page, &start, err) < 0 ||
	    past_of(page->tx, &start, &stretches, &count, err) < 0 ||
	    skip_shown(page, after, stretches, count, &first, err) < 0 ||
	    fill_page(page, stretches, count, first, err) < 0)
		return fl_failed(err);
	return apply_all_marks(page, err);
}

int engine_log(struct engine *engine, const struct ref *ref, uint64_t after, size_t limit,
	       struct snapshot_list *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	own(page_done) struct page page = { .engine = engine, .target = &target, .limit = limit };

	if (limit < 1 || limit > LOG_LIMIT)
		return fl_fail(err, FL_INVALID, "limit is %zu; it must be 1 to %d", limit,
			       LOG_LIMIT);
	if (check_form(ref, FORM_ANY, "log", err) < 0 || gate_enter(engine, &inside, err) < 0 ||
	    tx_begin(engine->catalog, &tx, err) < 0 || resolve(engine, tx, ref, &target, err) < 0)
		return fl_failed(err);
	page.tx = tx;
	if (load_page(&page, after, err) < 0)
		return fl_failed(err);
	*ret = page.list;
	page.list = (struct snapshot_list){ 0 };
	return 0;
}

int engine_snapshot_show(struct engine *engine, const struct ref *ref, struct snapshot *ret,
			 struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;
	struct ref point = *ref;

	if (point.point == POINT_NONE && (point.kind == REF_VOLUME || point.kind == REF_BRANCH))
		point.point = POINT_LATEST;
	if (check_form(&point, FORM_TAG | FORM_STASH | FORM_SNAPSHOT, "this", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, &point, &target, err) < 0)
		return fl_failed(err);
	return answer_snapshot(engine, tx, &target.volume, &target.snapshot, ret, err);
}
