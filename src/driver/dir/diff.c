#include "driver/compare.h"
#include "driver/dir/pool.h"

/*
 * What differs, by looking at both: a plain directory keeps no history.  A copy has other
 * inodes than its original, and nothing tells that a file is the one that had another name
 * before: a rename is a removal and an addition.
 */
int dir_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	     change_each *each, void *arg, struct fl_error *err)
{
	struct comparison comparison = { .live = true };
	own_fd int from = -1;
	own_fd int to = -1;

	if (dir_tree_open(pool, earlier, &from, err) < 0 ||
	    dir_tree_open(pool, later, &to, err) < 0)
		return fl_failed(err);
	comparison.trees[COMPARE_EARLIER] = from;
	comparison.trees[COMPARE_LATER] = to;
	return compare_by_walking(&comparison, each, arg, err);
}
