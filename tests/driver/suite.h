#pragma once

/*
 * What the programs of the driver suite share.  Each is a table of tests over
 * one pool at a time and takes the bench as its first argument; the tests know
 * the driver by its contract only.
 */

#include "check.h"

#include "bench.h"

/* The entry of the pool's driver with the pool as its first argument. */
#define call(pool, entry, ...) ((pool)->driver->entry((pool), __VA_ARGS__))

static inline struct pool *fresh(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = NULL;

	check_ok(bench_fresh(&pool, &err));
	return pool;
}

static inline struct pool *reopened(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = NULL;

	check_ok(bench_reopen(&pool, &err));
	return pool;
}

/* The n-th snapshot of a branch, always by the same instance. */
static inline struct tree snapshot_number(const struct uuid *branch, int n)
{
	const struct snapname name = { { { 1, 2, 3 } }, CLOCK_SECOND * (1700000000 + n) };

	return tree_snapshot(branch, &name);
}

static inline void write_to(const struct tree *tree, const char *path, const char *contents)
{
	struct fl_error err = { 0 };

	check_ok(bench_write(tree, path, contents, &err));
}

/* NULL: the file must be missing, but the tree there. */
static inline void check_holds(struct pool *pool, const struct tree *tree, const char *path,
			       const char *contents)
{
	struct fl_error err = { 0 };
	struct tree_info info;
	char *got = NULL;
	int r;

	check_ok(call(pool, tree_info, tree, &info, &err));
	r = bench_read(tree, path, &got, &err);
	if (!contents) {
		free(got);
		check_code(FL_NOT_FOUND, r);
		return;
	}
	check_ok(r);
	r = strcmp(contents, got);
	free(got);
	check(r == 0);
}

static inline uint64_t id_of(struct pool *pool, const struct tree *tree)
{
	struct fl_error err = { 0 };
	struct tree_info info = { 0 };

	check_ok(call(pool, tree_info, tree, &info, &err));
	return info.id;
}

static inline void check_missing(struct pool *pool, const struct tree *tree)
{
	struct fl_error err = { 0 };
	struct tree_info info;

	check_code(FL_NOT_FOUND, call(pool, tree_info, tree, &info, &err));
}

/* A text of several lines as remarks in the output. */
static inline void show_text(const char *title, const char *text)
{
	printf("# %s:\n#   ", title);
	for (; *text; text++)
		*text == '\n' ? printf("\n#   ") : putchar(*text);
	printf("\n");
}

static inline bool same_text(const char *wanted, const char *got)
{
	if (strcmp(wanted, got) == 0)
		return true;
	show_text("wanted", wanted);
	show_text("got", got);
	return false;
}

/* --- what exists, as sorted lines ------------------------------------------- */

struct listing {
	char lines[64][TREE_TEXT];
	size_t count;
};

static inline int add_to_listing(void *arg, const struct tree *tree, const struct tree_info *info,
				 struct fl_error *err)
{
	struct listing *listing = arg;

	if (listing->count == array_size(listing->lines))
		return fl_fail(err, FL_INVALID, "more trees than a test makes");
	tree_format(tree, listing->lines[listing->count++]);
	return info->id ? 0 : fl_fail(err, FL_INVALID, "a tree without an id");
}

static inline int compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static inline char *listing_of(struct pool *pool)
{
	struct listing listing = { 0 };
	struct text text = { 0 };
	struct fl_error err = { 0 };

	check_ok(call(pool, list, add_to_listing, &listing, &err));
	qsort(listing.lines, listing.count, TREE_TEXT, compare_lines);
	for (size_t i = 0; i < listing.count; i++)
		text_add_format(&text, "%s\n", listing.lines[i]);
	return text_take(&text);
}

/* The pool holds exactly these trees; NULL ends them. */
static inline void check_lists(struct pool *pool, const struct tree *const trees[])
{
	struct listing wanted = { 0 };
	struct text text = { 0 };
	char *got = listing_of(pool);
	bool same;

	for (size_t i = 0; trees[i]; i++)
		tree_format(trees[i], wanted.lines[wanted.count++]);
	qsort(wanted.lines, wanted.count, TREE_TEXT, compare_lines);
	for (size_t i = 0; i < wanted.count; i++)
		text_add_format(&text, "%s\n", wanted.lines[i]);
	same = same_text(text_get(&text), got);
	text_done(&text);
	free(got);
	check(same);
}
#define CHECK_LISTS(pool, ...) check_lists(pool, (const struct tree *const[]){ __VA_ARGS__, NULL })

/* argv: the bench, and a part of the names of the tests to run.  Skips drivers without `needs`. */
static inline int suite_main(int argc, char **argv, unsigned needs, const struct check *tests)
{
	const char *why;
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: %s BENCH [TEST]\n", argv[0]);
		return 2;
	}
	if (!bench_begin(argv[1], &why)) {
		printf("1..0 # SKIP %s: %s\n", argv[1], why);
		return 0;
	}
	if ((bench_driver()->capabilities & needs) != needs) {
		printf("1..0 # SKIP %s: the driver has no such capability\n", argv[1]);
		return 0;
	}
	r = check_main(argc - 1, argv + 1, tests);
	bench_end();
	return r;
}
