/*
 * From references to rows.
 *
 * A branch's past is the ancestry of what its head continues from: stretches of
 * lines, newest first (model/lineage.h).  Only the lines that it goes through
 * are read, so it costs the same however many branches the volume has.  "latest", "-3" and times
 * walk these; names and ids are looked up in the catalogue, since a person who types one means that
 * snapshot, also when a rollback has left it beside the line.
 */

#include <string.h>

#include "engine/internal.h"

#define CANDIDATES 8

void target_done(struct target *target)
{
	volume_row_done(&target->volume);
	if (target->is_snapshot)
		snapshot_row_done(&target->snapshot);
	*target = (struct target){ 0 };
}

struct family { /* the lines of a past */
	struct line *lines;
	size_t count;
};

static void family_done(struct family *family)
{
	free(family->lines);
}
#define own_family own(family_done)

int head_position(struct tx *tx, const struct uuid *branch, struct position *ret,
		  struct fl_error *err)
{
	struct lineage lineage = { .count = 1 };
	struct line last;
	int64_t newest;
	int r = tx_line_at(tx, branch, INT64_MAX, &last, err);

	*ret = (struct position){ 0 };
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (tx_snapshot_floor(tx, branch, INT64_MAX, &newest, err) < 0)
		return fl_failed(err);
	lineage.lines = &last;
	*ret = lineage_head_parent(&lineage, branch, newest);
	return 0;
}

/* Parents are older than what began from them; a catalogue that says otherwise is not followed. */
static int load_past(struct tx *tx, struct position at, struct family *family, struct fl_error *err)
{
	while (!position_is_none(&at)) {
		struct line line;
		int r = tx_line_at(tx, &at.branch, at.time, &line, err);

		if (r < 0)
			return r == -FL_NOT_FOUND ? 0 : r;
		*array_add(family->lines, family->count) = line;
		if (line.parent.time >= at.time)
			return 0;
		at = line.parent;
	}
	return 0;
}

int past_of(struct tx *tx, const struct position *position, struct stretch **ret, size_t *ret_count,
	    struct fl_error *err)
{
	own_family struct family family = { 0 };
	struct lineage lineage;

	*ret = NULL;
	*ret_count = 0;
	if (load_past(tx, *position, &family, err) < 0)
		return fl_failed(err);
	lineage_sort(family.lines, family.count);
	lineage = (struct lineage){ family.lines, family.count };
	*ret = xcalloc(family.count, sizeof(**ret));
	*ret_count = lineage_ancestry(&lineage, position, *ret, family.count);
	return 0;
}

struct destroyed_walk {
	struct tx *tx;
	int (*each)(void *arg, const struct branch_row *row, struct fl_error *err);
	void *arg;
};

static int walk_destroyed_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	const struct destroyed_walk *walk = arg;

	return tx_branch_each(walk->tx, &row->uuid, true, walk->each, walk->arg, err);
}

int each_destroyed_branch(struct tx *tx,
			  int (*each)(void *arg, const struct branch_row *row,
				      struct fl_error *err),
			  void *arg, struct fl_error *err)
{
	struct destroyed_walk walk = { tx, each, arg };

	if (tx_branch_each(tx, NULL, true, each, arg, err) < 0)
		return fl_failed(err);
	return tx_volume_each_destroyed(tx, walk_destroyed_volume, &walk, err);
}

int check_form(const struct ref *ref, unsigned forms, const char *verb, struct fl_error *err)
{
	own_text struct text text = { 0 }, wanted = { 0 };

	ref_format(ref, &text);
	if (ref->path && !(forms & FORM_PATH))
		return fl_fail(err, FL_INVALID, "%s takes no path: '%s'", verb, text_get(&text));
	if (forms & form_of(ref))
		return 0;
	text_add_format(&wanted, "%s takes ", verb);
	form_describe(forms, &wanted);
	text_add_string(&wanted, ", not ");
	form_describe(form_of(ref), &wanted);
	return fl_fail(err, FL_INVALID, "%s: '%s'", text_get(&wanted), text_get(&text));
}

void target_format(const struct target *target, char text[static REF_SHORT])
{
	char id[SNAPID_TEXT];

	if (target->is_snapshot)
		snprintf(text, REF_SHORT, "%s/%s@{%s}", target->volume.name, target->branch.name,
			 snapid_format(target->snapshot.id, id));
	else
		snprintf(text, REF_SHORT, "%s/%s", target->volume.name, target->branch.name);
}

/* --- points -------------------------------------------------------------- */

struct past { /* of the branch that is asked about */
	struct tx *tx;
	const struct target *target;
	struct stretch *stretches;
	size_t count;
	char branch[REF_SHORT];
};

static void past_done(struct past *past)
{
	free(past->stretches);
}

static int past_load(struct tx *tx, const struct target *target, struct past *ret,
		     struct fl_error *err)
{
	struct position head;

	*ret = (struct past){ .tx = tx, .target = target };
	target_format(target, ret->branch);
	if (head_position(tx, &target->branch.uuid, &head, err) < 0)
		return fl_failed(err);
	return past_of(tx, &head, &ret->stretches, &ret->count, err);
}

static int find_back(const struct past *past, uint64_t back, struct snapshot_row *ret,
		     struct fl_error *err)
{
	uint64_t seen = 0, here;

	for (size_t i = 0; i < past->count; i++) {
		int r = tx_snapshot_nth(past->tx, &past->stretches[i], back - seen, ret, &here,
					err);

		if (r != -FL_NOT_FOUND)
			return r;
		seen += here;
	}
	if (seen == 0) {
		fl_fail(err, FL_NOT_FOUND, "%s has no snapshot yet", past->branch);
		return fl_hint(err, "take one: flocker snapshot %s", past->branch);
	}
	return fl_fail(err, FL_NOT_FOUND,
		       "%s has only %" PRIu64 " snapshot%s: the oldest is @{-%" PRIu64 "}",
		       past->branch, seen, seen == 1 ? "" : "s", seen - 1);
}

static int find_oldest(const struct past *past, struct snapshot_row *ret, struct fl_error *err)
{
	uint64_t seen = 0, here;

	for (size_t i = 0; i < past->count; i++) {
		if (tx_snapshot_nth(past->tx, &past->stretches[i], UINT64_MAX, ret, &here, err) !=
		    -FL_NOT_FOUND)
			return fl_failed(err);
		seen += here;
	}
	if (seen == 0)
		return find_back(past, 0, ret, err);
	return find_back(past, seen - 1, ret, err);
}

static int find_newest_time(const struct past *past, int64_t *ret, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row newest = { 0 };

	if (find_back(past, 0, &newest, err) < 0)
		return fl_failed(err);
	*ret = newest.position.time;
	return 0;
}

/* Says what the time asked for misses, and the snapshot that is nearest to it. */
static int fail_time(const struct past *past, int64_t time, bool future, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row nearest = { 0 };
	char asked[CLOCK_TEXT], found[CLOCK_TEXT], id[SNAPID_TEXT];

	if (future ? find_back(past, 0, &nearest, err) : find_oldest(past, &nearest, err))
		return fl_failed(err);
	time_text(time, asked);
	time_text(nearest.position.time, found);
	snapid_format(nearest.id, id);
	if (future)
		fl_fail(err, FL_NOT_FOUND,
			"%s lies in the future; the newest snapshot of %s is %.8s of %s", asked,
			past->branch, id, found);
	else
		fl_fail(err, FL_NOT_FOUND,
			"%s has no snapshot as old as %s; the nearest is %.8s of %s", past->branch,
			asked, id, found);
	return fl_hint(err, "%s@{%.8s}", past->branch, id);
}

/* A date alone stands for its end (ref.h), so today's may lie ahead. */
static bool is_future(int64_t time, int64_t now)
{
	bool whole_day = time % CLOCK_DAY == CLOCK_DAY - 1;

	return time > now && !(whole_day && time - CLOCK_DAY < now);
}

/* A snapshot that was taken while the host's clock was ahead has a time that lies in the future. */
static int find_time(const struct past *past, int64_t time, struct snapshot_row *ret,
		     struct fl_error *err)
{
	int64_t newest = 0;

	if (is_future(time, clock_now())) {
		if (find_newest_time(past, &newest, err) < 0)
			return fl_failed(err);
		if (time > newest)
			return fail_time(past, time, true, err);
	}
	for (size_t i = 0; i < past->count; i++) {
		int r = tx_snapshot_at(past->tx, &past->stretches[i], time, ret, err);

		if (r != -FL_NOT_FOUND)
			return r;
	}
	return fail_time(past, time, false, err);
}

/* In the part of a stretch that lies after `now`. */
static int find_aged(const struct past *past, struct stretch stretch, int64_t now, int64_t stamp,
		     struct snapshot_row *ret, struct fl_error *err)
{
	if (stretch.to <= now)
		return -FL_NOT_FOUND;
	if (stretch.from <= now)
		stretch.from = now + 1;
	return tx_snapshot_aged(past->tx, &stretch, stamp, ret, err);
}

/*
 * How long ago: by the wall clock.  The time of a snapshot that was taken while
 * that was ahead, and of those that came after it, says nothing of it: for them
 * the retention clock does.
 */
static int find_ago(struct engine *engine, const struct past *past, int64_t ago,
		    struct snapshot_row *ret, struct fl_error *err)
{
	int64_t now = clock_now(), stamp = retention_now(engine) - ago;

	for (size_t i = 0; i < past->count; i++) {
		const struct stretch *stretch = &past->stretches[i];
		int r = find_aged(past, *stretch, now, stamp, ret, err);

		if (r == -FL_NOT_FOUND)
			r = tx_snapshot_at(past->tx, stretch, now - ago, ret, err);
		if (r != -FL_NOT_FOUND)
			return r;
	}
	return fail_time(past, now - ago, false, err);
}

static int find_name(const struct past *past, const char *name, struct snapshot_row *ret,
		     struct fl_error *err)
{
	int r = tx_snapshot_get_name(past->tx, &past->target->branch.uuid, name, ret, err);

	for (size_t i = 0; r == -FL_NOT_FOUND && i < past->count; i++) {
		const struct stretch *stretch = &past->stretches[i];

		r = tx_snapshot_get_name(past->tx, &stretch->branch, name, ret, err);
		/* Of another branch's snapshots only those before this one began are its own past.
		 */
		if (r == 0 &&
		    (ret->position.time < stretch->from || ret->position.time > stretch->to)) {
			snapshot_row_done(ret);
			r = -FL_NOT_FOUND;
		}
	}
	if (r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_NOT_FOUND, "%s has no snapshot called '%s'", past->branch, name);
	return fl_hint(err, "flocker log %s lists them", past->branch);
}

struct candidates {
	struct position first;
	size_t count;
	struct text text;
};

static void candidates_done(struct candidates *candidates)
{
	text_done(&candidates->text);
}

static int add_candidate(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct candidates *candidates = arg;
	char id[SNAPID_TEXT], time[CLOCK_TEXT];

	if (candidates->count++ == 0)
		candidates->first = row->position;
	text_add_format(&candidates->text, "%s%s (%s)", candidates->text.length ? ", " : "",
			snapid_format(row->id, id), time_text(row->position.time, time));
	return 0;
}

/* The ids that begin with the digits lie in one range of numbers. */
static void prefix_range(const char *digits, uint64_t *low, uint64_t *high)
{
	size_t missing = 16 - strlen(digits);
	uint64_t value = strtoull(digits, NULL, 16);

	*low = missing == 0 ? value : value << (4 * missing);
	*high = missing == 0 ? value : *low | ((UINT64_C(1) << (4 * missing)) - 1);
}

static int find_id(const struct past *past, const char *digits, struct snapshot_row *ret,
		   struct fl_error *err)
{
	own(candidates_done) struct candidates candidates = { 0 };
	uint64_t low, high;

	prefix_range(digits, &low, &high);
	if (tx_snapshot_each_id(past->tx, &past->target->volume.uuid, low, high, CANDIDATES,
				add_candidate, &candidates, err) < 0)
		return fl_failed(err);
	if (candidates.count == 0) {
		fl_fail(err, FL_NOT_FOUND, "no snapshot of %s has an id beginning with %s",
			past->target->volume.name, digits);
		return fl_hint(err, "flocker log %s lists them", past->branch);
	}
	if (candidates.count > 1) {
		fl_fail(err, FL_INVALID, "%s is the beginning of several ids: %s", digits,
			text_get(&candidates.text));
		return fl_hint(err, "type more digits");
	}
	return tx_snapshot_get(past->tx, &candidates.first, ret, err);
}

static int find_id_or_name(const struct past *past, const char *word, struct snapshot_row *ret,
			   struct fl_error *err)
{
	struct fl_error other;
	int r = find_id(past, word, ret, err);

	if (r == -FL_NOT_FOUND && find_name(past, word, ret, &other) == 0)
		return 0;
	return r;
}

static int resolve_point(struct engine *engine, struct tx *tx, const struct ref *ref,
			 struct target *target, struct fl_error *err)
{
	own(past_done) struct past past = { 0 };
	struct snapshot_row *row = &target->snapshot;
	int r;

	if (past_load(tx, target, &past, err) < 0)
		return fl_failed(err);
	switch (ref->point) {
	case POINT_NONE:
		return 0;
	case POINT_LATEST:
		r = find_back(&past, 0, row, err);
		break;
	case POINT_BACK:
		r = find_back(&past, (uint64_t)ref->number, row, err);
		break;
	case POINT_TIME:
		r = find_time(&past, ref->number, row, err);
		break;
	case POINT_AGO:
		r = find_ago(engine, &past, ref->number, row, err);
		break;
	case POINT_NAME:
		r = find_name(&past, ref->name, row, err);
		break;
	default:
		r = find_id_or_name(&past, ref->name, row, err);
		break;
	}
	target->is_snapshot = r == 0;
	return r;
}

/* --- names ------------------------------------------------------------------ */

/* VOLUME@X, where X@VOLUME or VOLUME@{X} was meant. */
static void hint_turned(struct tx *tx, const struct ref *ref, struct fl_error *err)
{
	struct volume_row meant;
	struct fl_error unused;

	if (tx_volume_find(tx, ref->tag, &meant, &unused) == 0)
		fl_add_hint(err, "a snapshot of '%s' is written '%s@{%s}', a tag %s@%s", ref->tag,
			    ref->tag, ref->volume, ref->volume, ref->tag);
}

static int find_volume(struct engine *engine, struct tx *tx, const struct ref *ref,
		       struct volume_row *ret, struct fl_error *err)
{
	if (ref->instance[0] && strcmp(ref->instance, engine->name) != 0) {
		fl_fail(err, FL_NOT_FOUND, "no instance called '%s' is known here", ref->instance);
		return fl_hint(err, "this one is '%s'; leave the name away for its own branches",
			       engine->name);
	}
	if (tx_volume_find(tx, ref->volume, ret, err) == 0)
		return 0;
	if (err->code == FL_NOT_FOUND && ref->tag[0])
		hint_turned(tx, ref, err);
	return fl_hint(err, "flocker list shows the volumes");
}

static int resolve_branch(struct tx *tx, const char *name, struct target *target,
			  struct fl_error *err)
{
	if (tx_branch_find(tx, &target->volume.uuid, name, &target->branch, err) == 0)
		return 0;
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	fl_fail(err, FL_NOT_FOUND, "volume '%s' has no branch called '%s'", target->volume.name,
		name);
	return fl_hint(err, "flocker show %s lists its branches", target->volume.name);
}

/* The snapshot that a tag or a stash points at, and the branch that took it. */
static int resolve_position(struct tx *tx, const struct position *position, struct target *target,
			    struct fl_error *err)
{
	if (tx_branch_get(tx, &position->branch, &target->branch, err) < 0 ||
	    tx_snapshot_get(tx, position, &target->snapshot, err) < 0)
		return fl_failed(err);
	target->is_snapshot = true;
	return 0;
}

int fail_no_tag(const char *volume, const char *tag, struct fl_error *err)
{
	fl_fail(err, FL_NOT_FOUND, "volume '%s' has no tag called '%s'", volume, tag);
	return fl_hint(err, "flocker tags %s lists them", volume);
}

int fail_no_stash(const char *volume, uint32_t number, struct fl_error *err)
{
	fl_fail(err, FL_NOT_FOUND, "volume '%s' has no stash %u", volume, number);
	return fl_hint(err, "flocker stash list %s shows them", volume);
}

static int resolve_tag(struct tx *tx, const struct ref *ref, struct target *target,
		       struct fl_error *err)
{
	struct tag_row tag;

	if (tx_tag_find(tx, &target->volume.uuid, ref->tag, &tag, err) == 0)
		return resolve_position(tx, &tag.snapshot, target, err);
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	return fail_no_tag(target->volume.name, ref->tag, err);
}

static int resolve_stash(struct tx *tx, const struct ref *ref, struct target *target,
			 struct fl_error *err)
{
	struct stash_row stash;

	if (tx_stash_find(tx, &target->volume.uuid, ref->stash, &stash, err) == 0)
		return resolve_position(tx, &stash.snapshot, target, err);
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	return fail_no_stash(target->volume.name, ref->stash, err);
}

static int resolve_kind(struct tx *tx, const struct ref *ref, struct target *target,
			struct fl_error *err)
{
	switch (ref->kind) {
	case REF_VOLUME:
		return resolve_branch(tx, TRUNK, target, err);
	case REF_BRANCH:
		return resolve_branch(tx, ref->branch, target, err);
	case REF_TAG:
		return resolve_tag(tx, ref, target, err);
	case REF_STASH:
		break;
	}
	return resolve_stash(tx, ref, target, err);
}

int resolve(struct engine *engine, struct tx *tx, const struct ref *ref, struct target *ret,
	    struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_text struct text text = { 0 };

	if (find_volume(engine, tx, ref, &target.volume, err) < 0 ||
	    resolve_kind(tx, ref, &target, err) < 0 ||
	    (ref->point != POINT_NONE && resolve_point(engine, tx, ref, &target, err) < 0)) {
		ref_format(ref, &text);
		return fl_object(err, "%.150s", text_get(&text));
	}
	*ret = target;
	target = (struct target){ 0 };
	return 0;
}

struct ref ref_of_volume(const struct ref *ref)
{
	struct ref volume = { .kind = REF_VOLUME };

	memcpy(volume.volume, ref->volume, NAME_TEXT);
	memcpy(volume.tag, ref->tag, NAME_TEXT); /* for the hint, if there is no such volume */
	return volume;
}

int resolve_now(struct engine *engine, const struct ref *ref, struct target *ret,
		struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return resolve(engine, tx, ref, ret, err);
}

int ref_of_branch(struct engine *engine, const struct uuid *branch, struct ref *ret,
		  struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	own_tx struct tx *tx = NULL;
	struct branch_row row;

	if (tx_begin(engine->catalog, &tx, err) < 0 || tx_branch_get(tx, branch, &row, err) < 0 ||
	    tx_volume_get(tx, &row.volume, &volume, err) < 0)
		return fl_failed(err);
	if (row.destroyed || volume.destroyed)
		return fl_fail(err, FL_NOT_FOUND, "%s/%s is in the trash", volume.name, row.name);
	*ret = (struct ref){ .kind = REF_BRANCH };
	memcpy(ret->volume, volume.name, NAME_TEXT);
	memcpy(ret->branch, row.name, NAME_TEXT);
	return 0;
}
