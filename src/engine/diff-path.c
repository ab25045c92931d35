#include "engine/diff-path.h"

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/path.h"
#include "base/text.h"
#include "driver/compare.h"
#include "driver/pair.h"

/* One of the two ends. */
struct end {
	int parent;	  /* directory, or -1 */
	const char *name; /* in it */
	bool there;
	struct stat st;
};

struct ends {
	struct end of[2];
};

static void ends_done(struct ends *ends)
{
	own_fdp(&ends->of[0].parent);
	own_fdp(&ends->of[1].parent);
}
#define own_ends own(ends_done)
#define ENDS_NONE                                            \
	{                                                    \
		.of = { { .parent = -1 }, { .parent = -1 } } \
	}

bool diff_path_is_one(const struct diff_path *diff)
{
	return strcmp(diff->paths[0], diff->paths[1]) == 0;
}

static int find(int root, const char *path, struct end *ret, struct fl_error *err)
{
	const char *slash = strrchr(path, '/');
	own_text struct text parent = { 0 };

	ret->name = slash ? slash + 1 : path;
	text_add(&parent, path, slash ? (size_t)(slash - path) : 0);
	if (fsat_open_far(root, text_get(&parent), &ret->parent, err) < 0 ||
	    fsat_stat(ret->parent, ret->name, &ret->st, err) < 0)
		return err->code == FL_NOT_FOUND || err->sys == ENOTDIR ? 0 : fl_failed(err);
	ret->there = true;
	return 0;
}

/* It may be there in one of them alone; what stands in the way in the other does not matter then.
 */
static int find_both(const struct diff_path *diff, const int roots[static 2], struct ends *ret,
		     struct fl_error *err)
{
	struct fl_error failure = { 0 };

	for (int i = 0; i < 2; i++)
		if (find(roots[i], diff->paths[i], &ret->of[i], err) < 0)
			failure = *err;
	if (ret->of[0].there || ret->of[1].there)
		return 0;
	if (failure.code == FL_OK)
		return fl_fail(err, FL_NOT_FOUND, "there is no '%.200s' in either", diff->paths[1]);
	*err = failure;
	if (err->code == FL_INVALID)
		(void)fl_hint(err, "name the path that it leads to");
	return fl_failed(err);
}

int diff_path_check(const struct diff_path *diff, const int roots[static 2], struct fl_error *err)
{
	own_ends struct ends ends = ENDS_NONE;

	return find_both(diff, roots, &ends, err);
}

/* --- what concerns it -------------------------------------------------------------------- */

static bool concerns(const char *path, const char *changed, bool moved)
{
	return changed && (path_is_in(changed, path) || (moved && path_is_in(path, changed)));
}

int diff_path_filter(void *arg, const struct change *change, struct fl_error *err)
{
	const struct diff_path *diff = arg;
	/* What a directory takes along is not told of by itself. */
	bool moved = change->kind != CHANGE_MODIFIED || (change->what & CHANGE_TYPE);
	const char *later = change->kind == CHANGE_REMOVED ? NULL : change->path;

	if (!concerns(diff->paths[0], change->from, moved) &&
	    !concerns(diff->paths[1], later, moved))
		return 0;
	return diff->each(diff->arg, change, err);
}

/* --- two places -------------------------------------------------------------------------- */

static void put_below(const char *directory, const char *path, struct text *ret)
{
	text_clear(ret);
	text_add_string(ret, directory);
	if (*path)
		text_add_format(ret, "/%s", path);
}

struct places {
	const struct diff_path *diff;
	struct text path, from;
};

static void places_done(struct places *places)
{
	text_done(&places->path);
	text_done(&places->from);
}

/* A path in one of the directories becomes one in its tree. */
static int tell_below(void *arg, const struct change *change, struct fl_error *err)
{
	struct places *places = arg;
	const struct diff_path *diff = places->diff;
	struct change told = *change;

	put_below(diff->paths[change->kind != CHANGE_REMOVED], change->path, &places->path);
	told.path = text_get(&places->path);
	if (change->from) {
		put_below(diff->paths[0], change->from, &places->from);
		told.from = text_get(&places->from);
	}
	return diff->each(diff->arg, &told, err);
}

static int compare_directories(const struct diff_path *diff, const struct end ends[static 2],
			       bool live, struct fl_error *err)
{
	own(places_done) struct places places = { .diff = diff };
	struct comparison comparison = { .live = live };
	own_fd int earlier = -1;
	own_fd int later = -1;

	if (fsat_open_far(ends[0].parent, ends[0].name, &earlier, err) < 0 ||
	    fsat_open_far(ends[1].parent, ends[1].name, &later, err) < 0)
		return fl_failed(err);
	comparison.trees[0] = earlier;
	comparison.trees[1] = later;
	return compare_by_walking(&comparison, tell_below, &places, err);
}

static int compare_one(const struct diff_path *diff, const struct end ends[static 2],
		       struct fl_error *err)
{
	struct pair pair = { .dirs = { ends[0].parent, ends[1].parent },
			     .names = { ends[0].name, ends[1].name },
			     .st = { ends[0].st, ends[1].st } };
	struct change change = { .kind = !ends[0].there	  ? CHANGE_ADDED
					 : !ends[1].there ? CHANGE_REMOVED
							  : CHANGE_MODIFIED,
				 .path = diff->paths[ends[1].there],
				 .from = ends[0].there ? diff->paths[0] : NULL };

	if (ends[0].there)
		change.before = change_side_of(&ends[0].st);
	if (ends[1].there)
		change.after = change_side_of(&ends[1].st);
	if (change.kind == CHANGE_MODIFIED) {
		if (pair_look(&pair, false, &change.what, err) < 0)
			return fl_failed(err);
		if (!change.what)
			return 0;
	}
	return diff->each(diff->arg, &change, err);
}

int diff_path_compare(const struct diff_path *diff, const int roots[static 2], bool live,
		      struct fl_error *err)
{
	own_ends struct ends ends = ENDS_NONE;
	const struct end *earlier = &ends.of[0], *later = &ends.of[1];

	if (find_both(diff, roots, &ends, err) < 0)
		return fl_failed(err);
	if (earlier->there && later->there && S_ISDIR(earlier->st.st_mode) &&
	    S_ISDIR(later->st.st_mode))
		return compare_directories(diff, ends.of, live, err);
	return compare_one(diff, ends.of, err);
}
