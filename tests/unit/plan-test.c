#include "base/own.h"
#include "repl/plan.h"
#include "tests/check.h"
#include "tests/unit/random.h"

/*
 * Histories are written in a notation of their own.  What the sender has, in the order in which
 * it came to be:
 *
 *	a	a snapshot; letters are times, so they go up
 *	<a	back to a: a line begins there
 *	/x	the branch x begins at the head (the first is w; the last one is what is sent)
 *	-a	a is thinned
 *	=a	a is sent for itself;  @a: the pointer is to stand at a, not at the newest
 *
 * What the receiver has: letters; * after the one that its pointer stands at; (a) a pointer at a
 * snapshot that is gone; <a a line that it knows to have begun after a; !a: on a branch that the
 * sender never had.  A plan: its outcome, and what is sent, "a>c" for c made from a.
 */

#define NODES 96
#define LINES 48
#define NONE (-1)

struct node {
	struct position position;
	int parent;
	bool taken, at_s, at_r;
};

struct world {
	struct node nodes[NODES];
	struct line lines[LINES];
	size_t line_count;
	struct uuid branch;
	int head, target; /* NONE: what the head stands on */
	bool single;
	int64_t clock;
	struct position tip; /* R's */
	int64_t line;
};

struct options {
	const char *worth, *others, *tagged; /* letters */
	bool every, anew;
	uint64_t epoch_there, epoch; /* 0: 1 */
	bool other_owner;
	enum have_volume volume; /* 0: the same one */
	bool empty;		 /* R has no such volume */
	bool only_native;	 /* R takes no delta */
};

static int64_t time_of(int node)
{
	return 10 * (node + 1);
}

static struct uuid branch_of(int letter)
{
	return (struct uuid){ { (uint8_t)letter } };
}

static void begin_branch(struct world *world, int letter)
{
	struct line *line = &world->lines[world->line_count++];

	world->branch = branch_of(letter);
	*line = (struct line){ .branch = world->branch, .start = 1 };
	if (world->head != NONE)
		line->parent = world->nodes[world->head].position;
}

static void begin(struct world *world)
{
	*world = (struct world){ .head = NONE, .target = NONE };
	begin_branch(world, 'w');
}

static void take(struct world *world, int node)
{
	check(node < NODES && time_of(node) > world->clock);
	world->clock = time_of(node);
	world->nodes[node] = (struct node){
		.position = { world->branch, world->clock },
		.parent = world->head,
		.taken = true,
		.at_s = true,
	};
	world->head = node;
}

static void roll_back(struct world *world, int node)
{
	check(world->line_count < LINES - 1 && world->nodes[node].taken);
	world->lines[world->line_count++] = (struct line){ world->branch, ++world->clock,
							   world->nodes[node].position };
	world->head = node;
}

static void play_one(struct world *world, char what, int node)
{
	switch (what) {
	case '<':
		roll_back(world, node);
		break;
	case '/':
		begin_branch(world, 'a' + node);
		break;
	case '-':
		world->nodes[node].at_s = false;
		break;
	case '=':
	case '@':
		world->target = node;
		world->single = what == '=';
		break;
	default:
		check(false);
	}
}

static void play(struct world *world, const char *history)
{
	begin(world);
	for (const char *p = history; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			take(world, *p - 'a');
		else if (*p != ' ') {
			play_one(world, p[0], p[1] - 'a');
			p++;
		}
}

/* A snapshot there, which the sender may not know. */
static struct position there(struct world *world, int node, bool stranger)
{
	if (stranger)
		return (struct position){ branch_of('?'), time_of(node) };
	if (!world->nodes[node].taken)
		return (struct position){ world->branch, time_of(node) };
	return world->nodes[node].position;
}

static void place(struct world *world, const char *history)
{
	bool stranger = false;

	for (const char *p = history; *p; p++)
		if (*p == '!')
			stranger = true;
		else if (*p == '<')
			world->line = time_of(*++p - 'a') + 1;
		else if (*p == '(')
			world->tip = there(world, *++p - 'a', false);
		else if (*p >= 'a' && *p <= 'z') {
			world->nodes[*p - 'a'].at_r = true;
			if (p[1] == '*')
				world->tip = there(world, *p - 'a', stranger);
			stranger = false;
		}
}

/* Both sides' lists, as the sessions make them. */
struct lists {
	struct line lines[LINES];
	struct lineage lineage;
	struct stretch past[LINES];
	size_t past_count;
	struct plan_snapshot snapshots[NODES];
	size_t count;
	int64_t times[NODES];
	size_t counts[LINES];
	size_t time_count;
	struct plan_source source;
	struct have have;
};

static bool is_among(int node, const char *letters)
{
	return letters && node < 26 && strchr(letters, 'a' + node);
}

static void fill_stretch(const struct world *world, const struct options *options,
			 const struct stretch *stretch, struct lists *lists)
{
	for (int i = NODES - 1; i >= 0; i--) {
		const struct node *node = &world->nodes[i];

		if (!node->taken || node->position.time < stretch->from ||
		    node->position.time > stretch->to ||
		    !uuid_equal(&node->position.branch, &stretch->branch))
			continue;
		if (node->at_s)
			lists->snapshots[lists->count++] = (struct plan_snapshot){
				.position = node->position,
				.worth = is_among(i, options->worth) ||
					 is_among(i, options->tagged),
				.tagged = is_among(i, options->tagged),
				.others = is_among(i, options->others),
			};
		if (node->at_r) {
			lists->times[lists->time_count++] = node->position.time;
			lists->counts[lists->past_count - 1]++;
		}
	}
}

/* Of the branch that is sent, and of those that the past goes through, as in an OFFER. */
static void keep_lines(const struct world *world, struct lists *lists)
{
	size_t kept = 0;

	for (size_t i = 0; i < world->line_count; i++) {
		bool wanted = uuid_equal(&lists->lines[i].branch, &world->branch);

		for (size_t k = 0; k < lists->past_count; k++)
			wanted |= uuid_equal(&lists->lines[i].branch, &lists->past[k].branch);
		if (wanted)
			lists->lines[kept++] = lists->lines[i];
	}
	lists->lineage.count = kept;
}

static void make_lists(const struct world *world, const struct options *options,
		       struct lists *lists)
{
	int target = world->target == NONE ? world->head : world->target;
	struct position from = { 0 };
	struct stretch past[LINES];
	size_t count;

	*lists = (struct lists){ 0 };
	memcpy(lists->lines, world->lines, sizeof(lists->lines));
	lineage_sort(lists->lines, world->line_count);
	lists->lineage = (struct lineage){ lists->lines, world->line_count };
	if (target != NONE)
		from = world->nodes[target].position;
	count = lineage_ancestry(&lists->lineage, &from, past, LINES);
	for (size_t i = 0; i < count; i++) {
		lists->past[lists->past_count++] = past[i];
		fill_stretch(world, options, &past[i], lists);
	}
	keep_lines(world, lists);
}

static void make_plan(const struct world *world, const struct options *options, struct lists *lists,
		      struct plan *ret)
{
	make_lists(world, options, lists);
	lists->source = (struct plan_source){
		.snapshots = lists->snapshots,
		.count = lists->count,
		.branch = world->branch,
		.epoch = options->epoch ? options->epoch : 1,
		.owner = { { 1 } },
		.pointer = !world->single,
		.every = options->every,
		.anew = options->anew,
	};
	lists->have = (struct have){
		.volume = options->empty    ? HAVE_NO_VOLUME
			  : options->volume ? options->volume
					    : HAVE_VOLUME,
		.epoch = options->epoch_there ? options->epoch_there : 1,
		.owner = { { options->other_owner ? 2 : 1 } },
		.tip = world->tip,
		.line = world->line,
		.times = lists->times,
		.counts = lists->counts,
		.count = options->empty ? 0 : lists->past_count,
		.forms = 1u << (options->only_native ? FORM_ZFS : FORM_DELTA),
	};
	plan_make(&lists->source, &lists->have, lists->past, lists->past_count, &lists->lineage,
		  ret);
}

static const char *tell(const struct plan *plan, struct text *out)
{
	text_add_string(out, plan_outcome_names[plan->outcome]);
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_step *step = &plan->steps[i];

		text_add_string(out, " ");
		if (!position_is_none(&step->base))
			text_add_format(out, "%c", 'a' + (char)(step->base.time / 10 - 1));
		text_add_format(out, ">%c", 'a' + (char)(step->snapshot.time / 10 - 1));
	}
	return text_get(out);
}

static const struct row {
	const char *s, *r, *wanted;
	struct options options;
} rows[] = {
	/* nothing to send; another volume of that name */
	{ "", "", "no source" },
	{ "", "", "no source", { .empty = true } },
	{ "a", "", "name taken", { .volume = HAVE_OTHER_VOLUME } },

	/* nothing there */
	{ "a", "", "full >a", { .empty = true } },
	{ "abc", "", "full >c", { .empty = true } },
	{ "abc", "", "full >c" },
	{ "abc", "", "full >a a>b b>c", { .every = true } },
	{ "abcd", "", "full >b b>d", { .worth = "b" } },
	{ "abc-b", "", "full >a a>c", { .every = true } },
	{ "abc=b", "", "full >b", { .every = true, .worth = "a" } },
	{ "abc <a", "", "full >a" },
	{ "a /x bc", "", "full >c" },
	{ "a /x bc", "", "full >a a>b b>c", { .every = true, .empty = true } },

	/* it began in another one's, who alone sends those */
	{ "ab /x cd", "", "full >c c>d", { .every = true, .others = "ab" } },
	{ "ab /x cd", "", "full >d", { .others = "ab", .worth = "ab" } },
	{ "abc /x d", "a", "fast-forward a>d", { .others = "abc", .worth = "b" } },
	{ "ab /x", "ab", "fast-forward", { .others = "ab" } },
	{ "ab /x", "b*", "up to date", { .others = "ab" } },
	{ "ab /x", "", "no source", { .others = "ab", .worth = "ab" } },
	{ "ab /x", "a", "no source", { .others = "ab", .every = true } },
	{ "ab /x cd <b", "abcd*", "rewind", { .others = "ab" } },
	{ "ab /x cd <b", "acd*", "no source", { .others = "ab" } },

	/* no pointer there, but snapshots to begin from: of the branch, of where it began */
	{ "abc", "b", "fast-forward b>c" },
	{ "abc", "c", "fast-forward" },
	{ "ab /x cd", "a", "fast-forward a>d" },
	{ "ab /x cd", "ab", "fast-forward b>d" },
	{ "ab /x cd", "ab", "fast-forward b>c c>d", { .every = true } },
	{ "ab /x", "ab", "fast-forward" },
	{ "ab /x cd /y ef", "bd", "fast-forward d>f" },
	{ "ab /x cd <a ef", "cd", "full >f" },
	{ "ab /x cd <a ef", "acd", "fast-forward a>f" },

	/* the pointer is there already */
	{ "abc", "abc*", "up to date" },
	{ "abc", "c*", "up to date" },
	{ "abc", "c*", "up to date", { .every = true } },
	{ "ab /x", "b*", "up to date" },
	{ "abc <b", "b*", "up to date" },
	{ "abc <b", "b* <c", "up to date" },
	{ "abc", "ab(c)", "fast-forward b>c" },
	{ "abc", "(c)", "no common" },
	{ "abc", "(c)", "fast-forward >c", { .anew = true } },

	/* it stands in the past */
	{ "abcd", "a*", "fast-forward a>d" },
	{ "abcd", "ab*", "fast-forward b>d" },
	{ "abcd", "ab*", "fast-forward b>c c>d", { .every = true } },
	{ "abcde", "ab*", "fast-forward b>d d>e", { .worth = "ad" } },
	{ "abcd", "ab*c", "fast-forward c>d" },
	{ "abcd", "ab*d", "fast-forward" },
	{ "abcd", "ab* <a", "remote ahead" },
	{ "ab <a cd", "a*", "fast-forward a>d" },
	{ "ab <a cd", "ac* <b", "fast-forward c>d" },
	{ "ab <a cd", "ac*", "fast-forward c>d" },
	{ "ab /x cd", "ab*", "fast-forward b>d" },
	/* ... and was thinned at the sender: the newest that both have */
	{ "abcd -b", "ab*", "fast-forward a>d" },
	{ "abcd -b", "ab*c", "fast-forward c>d" },
	{ "abcd -b", "b*", "no common" },
	{ "abcd -b", "b*", "fast-forward >d", { .anew = true } },
	{ "abcd -b", "b*", "fast-forward >a a>c c>d", { .anew = true, .every = true } },
	{ "ab /x cd -b -c", "abc*", "fast-forward a>d" },
	/* ... or at the receiver */
	{ "abcd", "a(c)", "fast-forward a>d" },
	/* all that was common went, but a snapshot of where the branch began */
	{ "ab /x cdef -c -d", "bcd*", "fast-forward b>f" },

	/* the writer went back */
	{ "abc <a d", "abc*", "rewind a>d" },
	{ "abc <a de", "abc*", "rewind a>d d>e", { .every = true } },
	{ "abc <a", "abc*", "rewind" },
	{ "abc <a", "bc*", "no common" },
	{ "abc <a", "bc*", "rewind >a", { .anew = true } },
	{ "abc <a d", "abc*d", "rewind" },
	{ "abc <a d -c", "abc*", "rewind a>d" },
	{ "abcd <b e", "abc*", "rewind b>e" },
	{ "abc <a d <c e", "ad* <c", "rewind a>e" },
	{ "abc <a d <c e", "acd* <c", "rewind c>e" },
	{ "abc <a d <b", "abd*", "rewind" },
	{ "ab /x cd <a e", "abcd*", "rewind a>e" },
	{ "ab /x <a", "ab*", "rewind" },
	{ "abc /x <a d -b", "abc*", "rewind a>d" },
	{ "ab /x c /y d <a e", "acd*", "rewind a>e" },
	{ "a /y b /x <a c", "ab*", "rewind a>c" }, /* from a branch that is not in the past now */
	/* trunk is in the past still, but not where the pointer was */
	{ "abcd /x <b e", "abd*", "rewind b>e" },
	{ "abcd /x <b e", "abc*", "rewind b>e" }, /* d was gone there from the first */

	/* the receiver knows more */
	{ "ab", "abc*", "remote ahead" },
	{ "ab", "c*", "remote ahead" },
	{ "ab", "c*", "remote ahead", { .anew = true } },
	{ "ab", "abc* <b", "remote ahead" },
	{ "abc", "a* <c", "remote ahead" },
	{ "abc", "c* <c", "remote ahead" },
	{ "ab <a", "abc* <b", "remote ahead" },
	{ "ab <a c", "ad* <b", "remote ahead" },
	{ "ab", "ab!c*", "remote ahead" },
	{ "abc @b", "abc*", "remote ahead" },
	{ "abc @b", "a*", "fast-forward a>b" },

	/* tagged since R passed it by: aside, after what is new */
	{ "abcd", "ad*", "up to date d>b", { .tagged = "ab" } },
	{ "abcd", "ad*", "up to date d>c d>b", { .tagged = "bcd" } },
	{ "abcd", "ad*", "up to date", { .worth = "bc" } },
	{ "abcd", "abd*", "up to date", { .tagged = "b" } },
	{ "abcd -b", "ad*", "up to date", { .tagged = "b" } },
	{ "abcde", "ac*", "fast-forward c>d d>e e>b", { .tagged = "bd" } },
	{ "abcde", "ace*", "up to date e>d e>b", { .tagged = "bd", .every = true } },
	{ "abc <b", "ac*b", "rewind", { .tagged = "c" } }, /* not in the past any more */
	{ "abcd <c e", "ad*c", "rewind c>e e>b", { .tagged = "b" } },
	{ "ab /x cd", "ad*", "up to date d>b", { .tagged = "b" } },
	{ "ab /x cd", "ad*", "up to date", { .tagged = "b", .others = "ab" } },
	{ "abcd", "", "full >b b>d", { .tagged = "b" } },
	{ "abcd -b", "b*", "fast-forward >c c>d", { .tagged = "c", .anew = true } },
	{ "abcd", "ad*", "diverged", { .tagged = "b", .other_owner = true } },
	{ "abc", "ad*", "remote ahead", { .tagged = "b" } },
	{ "abcd=d", "ac", "fast-forward c>d", { .tagged = "b" } },
	{ "abcd", "ac*", "fast-forward c>d", { .tagged = "b", .only_native = true } },

	/* owners */
	{ "abc", "ab*", "diverged", { .epoch_there = 2 } },
	{ "abc", "abc*", "diverged", { .epoch_there = 2, .other_owner = true } },
	{ "abc", "ab*", "diverged", { .other_owner = true } },
	{ "abc", "", "diverged", { .other_owner = true } },
	{ "abc=b", "b", "diverged", { .other_owner = true, .anew = true } },
	{ "abc", "ab*", "fast-forward b>c", { .epoch = 2, .other_owner = true } },
	{ "abc", "abc*", "up to date", { .epoch = 2 } },

	/* a snapshot for itself: the pointer says nothing, and nothing goes on the way */
	{ "abcd=c", "ac", "up to date" },
	{ "abcd=c", "a", "fast-forward a>c", { .every = true } },
	{ "abcd=c", "ad*", "fast-forward a>c", { .worth = "b" } },
	{ "abc <a d=c", "ad* <c", "fast-forward a>c" },
	{ "abc <a d=c", "ad*", "fast-forward a>c" },
	{ "ab=b", "ac* <a", "fast-forward a>b" },
	{ "abcd=a", "d*", "no common" },
	{ "abcd=a", "d*", "fast-forward >a", { .anew = true } },
	{ "abcd=a", "d", "full >a" },
};

static void outcomes_are_a_table(void)
{
	for (size_t i = 0; i < array_size(rows); i++) {
		own_text struct text out = { 0 };
		own_plan struct plan plan = { 0 };
		static struct world world;
		static struct lists lists;

		play(&world, rows[i].s);
		place(&world, rows[i].r);
		make_plan(&world, &rows[i].options, &lists, &plan);
		if (strcmp(tell(&plan, &out), rows[i].wanted) != 0)
			printf("# row %zu: '%s', there '%s'\n", i, rows[i].s, rows[i].r);
		check_string(rows[i].wanted, text_get(&out));
	}
}

static void a_plan_says_how_far_apart_they_are(void)
{
	static const struct options other = { .other_owner = true };
	static struct world world;
	static struct lists lists;
	own_plan struct plan plan = { 0 };

	play(&world, "abcde -c");
	place(&world, "abf*");
	make_plan(&world, &other, &lists, &plan);
	check(plan.outcome == PLAN_DIVERGED && plan.ours == 2 && plan.theirs && plan.count == 0);
	check(position_equal(&plan.common, &world.nodes[1].position));
}

/* A branch that began from one whose instance has a clock that is far ahead. */
static void clocks_may_differ(void)
{
	struct uuid x = branch_of('x'), w = branch_of('w');
	struct line lines[] = { { .branch = w, .start = 1 }, { x, 1, { w, 100 } } };
	struct lineage lineage = { lines, 2 };
	struct stretch past[] = { { x, 1, 10 }, { w, 1, 100 } };
	struct plan_snapshot snapshots[] = { { .position = { x, 10 } },
					     { .position = { w, 100 } } };
	struct plan_source source = {
		.snapshots = snapshots, .count = 2, .branch = x, .pointer = true
	};
	int64_t times[] = { 5, 100 };
	size_t counts[] = { 1, 1 };
	struct have have = { .volume = HAVE_VOLUME,
			     .tip = { x, 5 },
			     .line = 1,
			     .times = times,
			     .counts = counts,
			     .count = 2 };
	own_plan struct plan plan = { 0 };

	plan_make(&source, &have, past, 2, &lineage, &plan);
	check(plan.outcome == PLAN_FORWARD && plan.count == 1 && plan.theirs);
	check(position_equal(&plan.steps[0].base, &snapshots[1].position));
}

static void refusals_say_why(void)
{
	static const struct {
		enum plan_outcome outcome;
		enum fl_code code;
		const char *text, *hint;
		bool own;
	} wanted[] = {
		{ PLAN_NO_SOURCE, FL_NOT_FOUND, "no snapshot to send", "flocker snapshot db" },
		{ PLAN_FULL, FL_OK, "", "" },
		{ PLAN_UP_TO_DATE, FL_OK, "", "" },
		{ PLAN_FORWARD, FL_OK, "", "" },
		{ PLAN_REWIND, FL_OK, "", "" },
		{ PLAN_AHEAD, FL_DIVERGED, "older than what 'beta' has", "fetch" },
		{ PLAN_AHEAD, FL_DIVERGED, "'beta' has", "destroy db there", .own = true },
		{ PLAN_DIVERGED, FL_DIVERGED, "another owner", "fetch" },
		{ PLAN_NO_COMMON, FL_DIVERGED, "no snapshot in common", "--anew" },
		{ PLAN_NAME_TAKEN, FL_EXISTS, "on 'beta' another volume", "--as" },
	};

	for (size_t i = 0; i < array_size(wanted); i++) {
		struct plan plan = { .outcome = wanted[i].outcome, .own = wanted[i].own };
		struct fl_error err = { 0 };

		check(plan_check(&plan, "db", "beta", &err) == -(int)wanted[i].code);
		check(strstr(err.text, wanted[i].text) && strstr(err.hint, wanted[i].hint));
		plan.common = (struct position){ branch_of('w'), 1000000000 };
		plan.ours = 7;
		plan.theirs = true;
		check(plan_check(&plan, "db", "beta", &err) == -(int)wanted[i].code);
		if (wanted[i].own || wanted[i].outcome == PLAN_DIVERGED)
			check(strstr(err.text, "1970-01-01T00:00:01") &&
			      strstr(err.text, "7 newer ones are here, others there"));
	}
}

/* --- random histories --------------------------------------------------------- */

static int node_at(const struct world *world, const struct position *position)
{
	for (int i = 0; i < NODES; i++)
		if (world->nodes[i].taken && position_equal(&world->nodes[i].position, position))
			return i;
	return NONE;
}

static bool is_before(const struct world *world, int node, int of)
{
	while (of != NONE && of != node)
		of = world->nodes[of].parent;
	return of == node;
}

static int newest_common(const struct world *world)
{
	int node = world->head;

	while (node != NONE && !(world->nodes[node].at_s && world->nodes[node].at_r))
		node = world->nodes[node].parent;
	return node;
}

/* By the parents alone, which the planner does not see. */
static enum plan_outcome outcome_by_parents(const struct world *world)
{
	int tip = node_at(world, &world->tip);

	if (tip == NONE)
		return newest_common(world) == NONE ? PLAN_FULL : PLAN_FORWARD;
	if (newest_common(world) == NONE)
		return PLAN_NO_COMMON;
	if (tip == world->head && world->nodes[tip].at_r)
		return PLAN_UP_TO_DATE;
	return is_before(world, tip, world->head) ? PLAN_FORWARD : PLAN_REWIND;
}

/*
 * Each step begins from what is there at that moment: from the newest in common, or from the one
 * before.  In the end all of the past that is tagged is there.
 */
static void carry_out(struct world *world, const struct plan *plan, const char *tagged)
{
	int common = newest_common(world), from = common;

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_step *step = &plan->steps[i];
		int base = node_at(world, &step->base), node = node_at(world, &step->snapshot);

		check(node != NONE && world->nodes[node].at_s && !world->nodes[node].at_r);
		check(base == (step->aside ? world->head : from));
		check(base == NONE || is_before(world, base, world->head));
		check(base == NONE || world->nodes[base].at_r);
		check(base != NONE || plan->outcome == PLAN_FULL || i == 0);
		check(step->aside == (common != NONE && is_before(world, node, common)));
		world->nodes[node].at_r = true;
		if (!step->aside)
			from = node;
	}
	check(world->nodes[world->head].at_r);
	for (int node = world->head; node != NONE; node = world->nodes[node].parent)
		check(world->nodes[node].at_r || !world->nodes[node].at_s ||
		      !is_among(node, tagged));
	world->tip = world->nodes[world->head].position;
	for (size_t i = 0; i < world->line_count; i++)
		if (uuid_equal(&world->lines[i].branch, &world->branch))
			world->line = world->lines[i].start;
}

/* What a third one has, who stopped hearing of the branch: never is its word taken for newer. */
static void check_old_copy(struct world *old, const struct world *world)
{
	static const struct options plain;
	static struct lists lists;
	own_plan struct plan plan = { 0 };
	int tip = node_at(old, &world->tip);

	if (old->head == NONE || position_is_none(&world->tip))
		return;
	old->tip = world->tip;
	old->line = world->line;
	for (int i = 0; i < NODES; i++)
		old->nodes[i].at_r = old->nodes[i].taken && world->nodes[i].at_r;
	make_plan(old, &plain, &lists, &plan);
	if (tip == NONE)
		check(plan.outcome == PLAN_AHEAD);
	if (world->line > (int64_t)old->lines[old->line_count - 1].start &&
	    uuid_equal(&old->branch, &world->branch))
		check(plan.outcome == PLAN_AHEAD && plan.count == 0);
}

static void transfer(struct world *world)
{
	static struct lists lists;
	char tagged[] = { (char)('a' + random_below(26)), (char)('a' + random_below(26)), 0 };
	struct options options = { .every = random_below(3) == 0, .tagged = tagged };
	own_plan struct plan plan = { 0 };
	struct fl_error err = { 0 };

	make_plan(world, &options, &lists, &plan);
	check_ok(have_check(&lists.have, lists.past, lists.past_count, &err));
	check(plan.outcome == (world->head == NONE ? PLAN_NO_SOURCE : outcome_by_parents(world)));
	if (plan.outcome == PLAN_NO_COMMON) {
		plan_done(&plan);
		options.anew = true;
		make_plan(world, &options, &lists, &plan);
		check(plan.outcome == PLAN_FORWARD || plan.outcome == PLAN_REWIND);
	}
	if (plan_check(&plan, "db", "beta", &err) == 0)
		carry_out(world, &plan, tagged);
}

static int random_node(const struct world *world, int count)
{
	int node = count ? (int)random_below((size_t)count) : NONE;

	return node != NONE && world->nodes[node].taken && world->nodes[node].at_s ? node : NONE;
}

static void happen(struct world *world, int *count)
{
	size_t what = random_below(12);
	int node = random_node(world, *count);

	if (what < 5 && *count < NODES) {
		take(world, (*count)++);
	} else if (what == 5 && node != NONE && world->line_count < LINES - 1) {
		roll_back(world, node);
	} else if (what < 8 && node != NONE && node != world->head) {
		world->nodes[node].at_s = false;
	} else if (what < 10 && *count > 0) {
		node = (int)random_below((size_t)*count);
		if (!position_equal(&world->nodes[node].position, &world->tip))
			world->nodes[node].at_r = false;
	} else {
		transfer(world);
	}
}

static void any_history_can_be_sent(void)
{
	static struct world world, old;

	random_begin(20261122);
	for (int round = 0; round < 3000; round++) {
		size_t branch_at = random_below(40), copy_at = random_below(120);
		int count = 0;

		begin(&world);
		begin(&old);
		for (size_t i = 0; i < 120; i++) {
			happen(&world, &count);
			if (i == branch_at) {
				begin_branch(&world, 'x');
				world.tip = (struct position){ 0 };
				world.line = 0;
			}
			if (i == copy_at)
				old = world;
		}
		if (uuid_equal(&old.branch, &world.branch))
			check_old_copy(&old, &world);
	}
}

/* Each is looked at once, on either side. */
static void many_snapshots_are_planned_at_once(void)
{
	enum { MANY = 10000 };
	own_free struct plan_snapshot *snapshots = xcalloc(MANY, sizeof(*snapshots));
	own_free int64_t *times = xcalloc(MANY, sizeof(*times));
	struct line line = { .branch = branch_of('w'), .start = 1 };
	struct lineage lineage = { &line, 1 };
	struct stretch past = { branch_of('w'), 1, 10 * MANY };
	size_t count = 1;
	struct have have = { .volume = HAVE_VOLUME, .times = times, .counts = &count, .count = 1 };
	struct plan_source source = { .snapshots = snapshots,
				      .count = MANY,
				      .branch = past.branch,
				      .pointer = true,
				      .every = true };
	own_plan struct plan plan = { 0 };
	int64_t began;

	for (int i = 0; i < MANY; i++)
		snapshots[i].position = (struct position){ past.branch, 10 * (MANY - i) };
	times[0] = 10;
	have.tip = (struct position){ past.branch, 10 };
	began = clock_monotonic();
	plan_make(&source, &have, &past, 1, &lineage, &plan);
	printf("# %d snapshots, all to be sent: %" PRId64 " us\n", MANY,
	       (clock_monotonic() - began) / 1000);
	check(plan.outcome == PLAN_FORWARD && plan.count == MANY - 1);
	plan_done(&plan);
	for (int i = 0; i < MANY; i++)
		times[i] = snapshots[i].position.time;
	count = MANY;
	have.tip = snapshots[0].position;
	plan_make(&source, &have, &past, 1, &lineage, &plan);
	check(plan.outcome == PLAN_UP_TO_DATE && plan.count == 0);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(outcomes_are_a_table),
				  CHECK(a_plan_says_how_far_apart_they_are),
				  CHECK(clocks_may_differ),
				  CHECK(refusals_say_why),
				  CHECK(any_history_can_be_sent),
				  CHECK(many_snapshots_are_planned_at_once),
				  CHECK_END,
			  });
}
