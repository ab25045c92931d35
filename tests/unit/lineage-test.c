#include "base/own.h"
#include "model/lineage.h"
#include "tests/check.h"
#include "tests/unit/random.h"

/*
 * The model: a tree in which every snapshot points to its parent, as the lines
 * do not.  Random histories (snapshots, branches, rollbacks, thinning) are played
 * on both, and the answers compared.
 */

#define NODES 160
#define BRANCHES 12
#define LINES 80
#define NONE (-1)

struct node {
	struct position position;
	int parent; /* index, or NONE */
	bool gone;
};

struct tree {
	struct node nodes[NODES];
	int count;
	struct uuid branches[BRANCHES];
	int heads[BRANCHES]; /* what the head continues from */
	int branch_count;
	struct line lines[LINES];
	size_t line_count;
	int64_t clock;
};

static struct lineage lineage_of(const struct tree *tree)
{
	static struct line sorted[LINES];

	memcpy(sorted, tree->lines, sizeof(sorted));
	lineage_sort(sorted, (size_t)tree->line_count);
	return (struct lineage){ sorted, (size_t)tree->line_count };
}

static struct position position_of(const struct tree *tree, int node)
{
	return node == NONE ? (struct position){ 0 } : tree->nodes[node].position;
}

/* At a random place: the order of lines means nothing. */
static void add_line(struct tree *tree, const struct uuid *branch, int64_t start, int parent)
{
	size_t at = random_below(tree->line_count + 1);

	tree->lines[tree->line_count++] = tree->lines[at];
	tree->lines[at] = (struct line){ *branch, start, position_of(tree, parent) };
}

static void begin_branch(struct tree *tree, int parent)
{
	struct uuid *branch = &tree->branches[tree->branch_count];

	if (tree->branch_count == BRANCHES || tree->line_count == LINES)
		return;
	for (size_t i = 0; i < sizeof(branch->bytes); i++)
		branch->bytes[i] = (uint8_t)random_next();
	add_line(tree, branch, 1, parent);
	tree->heads[tree->branch_count++] = parent;
}

static void take_snapshot(struct tree *tree, int branch)
{
	if (tree->count == NODES)
		return;
	tree->clock += 1 + (int64_t)random_below(3);
	tree->nodes[tree->count] = (struct node){
		.position = { tree->branches[branch], tree->clock },
		.parent = tree->heads[branch],
	};
	tree->heads[branch] = tree->count++;
}

static void roll_back(struct tree *tree, int branch, int target)
{
	if (tree->line_count == LINES)
		return;
	add_line(tree, &tree->branches[branch], ++tree->clock, target);
	tree->heads[branch] = target;
}

static bool begins_a_line(const struct tree *tree, int node)
{
	for (size_t i = 0; i < tree->line_count; i++)
		if (position_equal(&tree->lines[i].parent, &tree->nodes[node].position))
			return true;
	return false;
}

/* Its children and the heads on it continue from the one before it. */
static void thin(struct tree *tree, int node)
{
	struct node *gone = &tree->nodes[node];

	gone->gone = true;
	for (int i = 0; i < tree->count; i++)
		if (tree->nodes[i].parent == node)
			tree->nodes[i].parent = gone->parent;
	for (int i = 0; i < tree->branch_count; i++)
		if (tree->heads[i] == node)
			tree->heads[i] = gone->parent;
}

static int random_node(const struct tree *tree)
{
	for (int tries = 0; tree->count > 0 && tries < 20; tries++) {
		int node = (int)random_below((size_t)tree->count);

		if (!tree->nodes[node].gone)
			return node;
	}
	return NONE;
}

static void play(struct tree *tree, bool pins)
{
	*tree = (struct tree){ 0 };
	begin_branch(tree, NONE);
	for (size_t steps = 10 + random_below(300); steps > 0; steps--) {
		int branch = (int)random_below((size_t)tree->branch_count);
		int node = random_node(tree);

		switch (random_below(20)) {
		case 0:
			begin_branch(tree, random_below(4) ? node : NONE);
			break;
		case 1:
		case 2:
			roll_back(tree, branch, node);
			break;
		case 3:
		case 4:
		case 5:
			if (node != NONE && !(pins && begins_a_line(tree, node)))
				thin(tree, node);
			break;
		default:
			take_snapshot(tree, branch);
			break;
		}
	}
}

static bool naive_is_ancestor(const struct tree *tree, int node, int of)
{
	for (; of != NONE; of = tree->nodes[of].parent)
		if (of == node)
			return true;
	return false;
}

static int naive_common(const struct tree *tree, int a, int b)
{
	for (; a != NONE; a = tree->nodes[a].parent)
		if (naive_is_ancestor(tree, a, b))
			return a;
	return NONE;
}

/* The newest snapshot that still exists at `position` or before it in its ancestry. */
static int newest_existing(const struct tree *tree, const struct position *position)
{
	struct lineage lineage = lineage_of(tree);
	struct stretch stretches[LINES];
	size_t count = lineage_ancestry(&lineage, position, stretches, LINES);

	for (size_t i = 0; i < count; i++) {
		int newest = NONE;

		/* Times grow with the index. */
		for (int n = 0; n < tree->count; n++) {
			const struct node *node = &tree->nodes[n];

			if (!node->gone &&
			    uuid_equal(&node->position.branch, &stretches[i].branch) &&
			    node->position.time >= stretches[i].from &&
			    node->position.time <= stretches[i].to)
				newest = n;
		}
		if (newest != NONE)
			return newest;
	}
	return NONE;
}

/* What a reader of stretches sees, newest first, is what a follower of parents sees. */
static void check_ancestry(const struct tree *tree, int node)
{
	struct lineage lineage = lineage_of(tree);
	struct stretch stretches[LINES];
	size_t count = lineage_ancestry(&lineage, &tree->nodes[node].position, stretches, LINES);
	int at = node;

	check(count <= tree->line_count);
	for (size_t i = 0; i < count; i++) {
		check(stretches[i].from <= stretches[i].to);
		for (int n = tree->count; n-- > 0;) {
			const struct node *other = &tree->nodes[n];

			if (other->gone ||
			    !uuid_equal(&other->position.branch, &stretches[i].branch) ||
			    other->position.time < stretches[i].from ||
			    other->position.time > stretches[i].to)
				continue;
			check(n == at);
			at = tree->nodes[n].parent;
		}
	}
	check(at == NONE);
}

static void check_pair(const struct tree *tree, int a, int b, bool pins)
{
	struct lineage lineage = lineage_of(tree);
	const struct position *x = &tree->nodes[a].position, *y = &tree->nodes[b].position;
	struct position common = lineage_common(&lineage, x, y);
	int wanted = naive_common(tree, a, b);

	check(lineage_is_ancestor(&lineage, x, y) == naive_is_ancestor(tree, a, b));
	if (pins) {
		struct position exact = position_of(tree, wanted);

		check(position_equal(&common, &exact));
	}
	check(newest_existing(tree, &common) == wanted);
}

static void check_head(const struct tree *tree, int branch, bool pins)
{
	struct lineage lineage = lineage_of(tree);
	struct position parent, wanted = position_of(tree, tree->heads[branch]);
	int64_t newest = 0;

	for (int n = 0; n < tree->count; n++)
		if (!tree->nodes[n].gone &&
		    uuid_equal(&tree->nodes[n].position.branch, &tree->branches[branch]))
			newest = tree->nodes[n].position.time;
	parent = lineage_head_parent(&lineage, &tree->branches[branch], newest);
	if (pins)
		check(position_equal(&parent, &wanted));
	check(newest_existing(tree, &parent) == tree->heads[branch]);
}

static void check_tree(const struct tree *tree, bool pins)
{
	for (int branch = 0; branch < tree->branch_count; branch++)
		check_head(tree, branch, pins);
	for (int i = 0; i < 40; i++) {
		int a = random_node(tree), b = random_node(tree);

		if (a == NONE || b == NONE)
			continue;
		check_ancestry(tree, a);
		check_pair(tree, a, b, pins);
	}
}

static void histories_agree_with_parent_pointers(void)
{
	static struct tree tree;

	random_begin(51);
	for (int i = 0; i < 2000; i++) {
		play(&tree, true);
		check_tree(&tree, true);
	}
}

/* Even where the very snapshot that a line began from is gone. */
static void a_missing_parent_stands_for_the_one_before(void)
{
	static struct tree tree;

	random_begin(52);
	for (int i = 0; i < 2000; i++) {
		play(&tree, false);
		check_tree(&tree, false);
	}
}

#define NOWHERE              \
	{                    \
		{ { 0 } }, 0 \
	}

static const struct uuid A = { { 0xa } }, B = { { 0xb } }, C = { { 0xc } };

static void lines_are_found_by_time(void)
{
	const struct line lines[] = { { A, 1, NOWHERE }, { A, 10, { A, 5 } }, { B, 1, { A, 3 } } };
	const struct lineage lineage = { lines, 3 };
	const struct lineage empty = { NULL, 0 };

	check(lineage_find(&lineage, &A, 9) == &lines[0]);
	check(lineage_find(&lineage, &A, 10) == &lines[1]);
	check(lineage_find(&lineage, &A, INT64_MAX) == &lines[1]);
	check(lineage_find(&lineage, &B, 1) == &lines[2]);
	check(!lineage_find(&lineage, &A, 0));
	check(!lineage_find(&lineage, &C, 10));
	check(!lineage_find(&empty, &A, 10));
}

static void a_line_holds_its_own_start(void)
{
	const struct line lines[] = { { A, 1, NOWHERE }, { A, 10, { A, 5 } } };
	const struct lineage lineage = { lines, 2 };
	const struct position first = { A, 10 }, before = { A, 5 };
	struct position parent = lineage_head_parent(&lineage, &A, 10);

	check(position_equal(&parent, &first));
	parent = lineage_head_parent(&lineage, &A, 9);
	check(position_equal(&parent, &before));
	check(lineage_is_ancestor(&lineage, &before, &first));
	check(!lineage_is_ancestor(&lineage, &(struct position){ A, 9 }, &first));
}

static void an_ancestry_is_counted_beyond_its_room(void)
{
	const struct line lines[] = { { A, 1, NOWHERE }, { A, 10, { A, 5 } }, { B, 1, { A, 12 } } };
	const struct lineage lineage = { lines, 3 };
	struct stretch stretches[3] = { { .to = 0 } };

	check(lineage_ancestry(&lineage, &(struct position){ B, 7 }, NULL, 0) == 3);
	check(lineage_ancestry(&lineage, &(struct position){ B, 7 }, stretches, 2) == 3);
	check(uuid_equal(&stretches[0].branch, &B) && stretches[0].from == 1 &&
	      stretches[0].to == 7);
	check(uuid_equal(&stretches[1].branch, &A) && stretches[1].from == 10 &&
	      stretches[1].to == 12);
	check(stretches[2].to == 0);
}

static void nothing_has_no_ancestry(void)
{
	const struct line lines[] = { { A, 1, NOWHERE }, { B, 1, { C, 4 } } };
	const struct lineage lineage = { lines, 2 };
	const struct position none = { 0 }, a = { A, 3 }, unknown = { C, 3 };
	struct position parent;

	check(position_is_none(&none) && !position_is_none(&a));
	check(lineage_ancestry(&lineage, &none, NULL, 0) == 0);
	check(lineage_ancestry(&lineage, &unknown, NULL, 0) == 0);
	check(!lineage_is_ancestor(&lineage, &none, &a));
	check(!lineage_is_ancestor(&lineage, &a, &none));
	parent = lineage_common(&lineage, &a, &none);
	check(position_is_none(&parent));
	parent = lineage_common(&lineage, &a, &(struct position){ B, 3 });
	check(position_is_none(&parent));
	parent = lineage_head_parent(&lineage, &A, 0);
	check(position_is_none(&parent));
	parent = lineage_head_parent(&lineage, &C, 3);
	check(position_is_none(&parent));
	parent = lineage_head_parent(&lineage, &B, 0);
	check(position_equal(&parent, &(struct position){ C, 4 }));
}

static void a_cycle_ends(void)
{
	const struct line lines[] = { { A, 1, { B, 9 } }, { B, 1, { A, 9 } }, { C, 1, { C, 8 } } };
	const struct lineage lineage = { lines, 3 };
	const struct position a = { A, 5 }, c = { C, 5 };
	struct position common;

	check(lineage_ancestry(&lineage, &a, NULL, 0) == 3);
	check(lineage_ancestry(&lineage, &c, NULL, 0) == 3);
	check(!lineage_is_ancestor(&lineage, &c, &a));
	common = lineage_common(&lineage, &a, &c);
	check(position_is_none(&common));
}

/* A rollback per line, ten thousand deep: what a user waits for must not grow with the square. */
static void long_chains_are_walked_whole(void)
{
	enum { DEPTH = 10000 };
	own_free struct line *lines = calloc(DEPTH, sizeof(*lines));
	own_free struct stretch *stretches = calloc(DEPTH, sizeof(*stretches));
	struct lineage lineage = { lines, DEPTH };
	struct position tip = { A, 10 * DEPTH };

	lines[0] = (struct line){ A, 1, NOWHERE };
	for (int64_t i = 1; i < DEPTH; i++)
		lines[i] = (struct line){ A, 10 * i, { A, 10 * i - 5 } };
	check(lineage_ancestry(&lineage, &tip, stretches, DEPTH) == DEPTH);
	check(stretches[DEPTH - 1].from == 1 && stretches[DEPTH - 1].to == 5);
	check(lineage_is_ancestor(&lineage, &(struct position){ A, 3 }, &tip));
	check(!lineage_is_ancestor(&lineage, &(struct position){ A, 7 }, &tip));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(lines_are_found_by_time),
				  CHECK(a_line_holds_its_own_start),
				  CHECK(an_ancestry_is_counted_beyond_its_room),
				  CHECK(nothing_has_no_ancestry),
				  CHECK(a_cycle_ends),
				  CHECK(long_chains_are_walked_whole),
				  CHECK(histories_agree_with_parent_pointers),
				  CHECK(a_missing_parent_stands_for_the_one_before),
				  CHECK_END,
			  });
}
