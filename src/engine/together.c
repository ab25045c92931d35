#include "engine/together.h"

#include <string.h>

#include "base/text.h"
#include "container/freeze.h"
#include "engine/containers.h"
#include "engine/internal.h"

#define NAMES_PATIENCE CLOCK_SECOND

struct head { /* that was looked at */
	struct uuid branch;
	uint64_t tree; /* tree_info.id; 0: it was missing */
};

struct holding {
	struct engine *engine;
	struct together *report; /* borrowed */
	struct head *heads;
	size_t head_count;
	struct cgroup_mounts mounts;
	struct cgroup *groups;
	size_t group_count;
	struct freeze *freeze; /* NULL: nothing is to stand still */
};

void together_done(struct together *together)
{
	for (size_t i = 0; i < together->group_count; i++) {
		free(together->groups[i].path);
		free(together->groups[i].name);
	}
	free(together->groups);
	free(together->unheld);
	*together = (struct together){ 0 };
}

void together_end(struct holding *holding)
{
	if (!holding)
		return;
	freeze_free(holding->freeze); /* before what it borrows */
	for (size_t i = 0; i < holding->group_count; i++)
		cgroup_done(&holding->groups[i]);
	free(holding->groups);
	cgroup_mounts_done(&holding->mounts);
	free(holding->heads);
	free(holding);
}

/* --- who is to stand still ---------------------------------------------------------- */

static bool is_known(const struct holding *holding, const struct cgroup *cgroup)
{
	for (size_t i = 0; i < holding->group_count; i++)
		if (strcmp(holding->groups[i].directory, cgroup->directory) == 0)
			return true;
	return false;
}

static void add_unheld(struct together *report, pid_t pid, const char *command, const char *why)
{
	struct together_unheld *unheld = array_add(report->unheld, report->unheld_count);

	unheld->pid = pid;
	unheld->why = why;
	snprintf(unheld->command, sizeof(unheld->command), "%s", command);
}

static int add_process(void *arg, pid_t pid, const char *command, const char *what,
		       struct fl_error *err)
{
	struct holding *holding = arg;
	own_cgroup struct cgroup cgroup = { 0 };
	enum cgroup_verdict verdict;

	if (cgroup_of_process(&holding->mounts, pid, &cgroup, &verdict, err) < 0)
		return fl_failed(err);
	if (verdict != CGROUP_FITS && verdict != CGROUP_GONE)
		add_unheld(holding->report, pid, command, cgroup_verdict_words[verdict]);
	if (verdict != CGROUP_FITS || is_known(holding, &cgroup))
		return 0;
	*array_add(holding->groups, holding->group_count) = cgroup;
	cgroup = (struct cgroup){ 0 };
	return 0;
}

static int tree_number(struct engine *engine, const struct uuid *branch, uint64_t *ret,
		       struct fl_error *err)
{
	const struct tree tree = tree_head(branch);
	struct tree_info info = { 0 };
	int r = driver_of(engine)->tree_info(engine->pool, &tree, &info, err);

	*ret = info.id;
	return r == -FL_NOT_FOUND ? 0 : r; /* taking the snapshot will say so */
}

static int find_heads(struct holding *holding, const struct ref *refs, size_t count,
		      struct fl_error *err)
{
	struct engine *engine = holding->engine;
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++) {
		own_target struct target target = { 0 };
		struct head *head;

		if (resolve(engine, tx, &refs[i], &target, err) < 0)
			return fl_failed(err);
		head = array_add(holding->heads, holding->head_count);
		head->branch = target.branch.uuid;
		if (tree_number(engine, &head->branch, &head->tree, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int find_groups(struct holding *holding, struct fl_error *err)
{
	own_free struct tree *trees = xcalloc(holding->head_count, sizeof(*trees));

	for (size_t i = 0; i < holding->head_count; i++)
		trees[i] = tree_head(&holding->heads[i].branch);
	if (cgroup_mounts_read(&holding->mounts, err) < 0)
		return fl_failed(err);
	return each_holder(holding->engine, trees, holding->head_count, add_process, holding, err);
}

static void report_groups(const struct holding *holding)
{
	struct together *report = holding->report;

	for (size_t i = 0; i < holding->group_count; i++) {
		const struct cgroup *cgroup = &holding->groups[i];
		struct together_group *group = array_add(report->groups, report->group_count);

		group->path = xstrdup(cgroup->path);
		group->name = xstrdup(cgroup->name);
		memcpy(group->id, cgroup->id, sizeof(group->id));
	}
}

static int prepare(struct holding *holding, struct fl_error *err)
{
	const struct freeze_options options = { .keeper = holding->engine->keeper_program,
						.notes = holding->engine->frozen,
						.patience = FREEZE_PATIENCE,
						.limit = FREEZE_LIMIT };

	if (holding->group_count == 0)
		return 0;
	if (!options.keeper) {
		fl_fail(err, FL_UNSUPPORTED, "the program flocker-keeper is missing");
		return fl_hint(err, "build and install all of Flocker, then restart flockerd");
	}
	report_groups(holding);
	return freeze_prepare(&options, holding->groups, holding->group_count, &holding->freeze,
			      err);
}

int together_begin(struct engine *engine, const struct ref *refs, size_t count,
		   struct together *report, struct holding **ret, struct fl_error *err)
{
	own_holding struct holding *holding = xcalloc(1, sizeof(*holding));
	own_gate struct engine *inside = NULL;
	const struct uuid id = uuid_new();

	*report = (struct together){ 0 };
	for (size_t i = 0; i < (TOGETHER_ID - 1) / 2; i++)
		snprintf(report->id + 2 * i, 3, "%02x", id.bytes[i]);
	holding->engine = engine;
	holding->report = report;
	if (gate_enter(engine, &inside, err) < 0 || find_heads(holding, refs, count, err) < 0 ||
	    find_groups(holding, err) < 0 || prepare(holding, err) < 0 ||
	    (holding->freeze && driver_of(engine)->sync(engine->pool, err) < 0))
		return fl_failed(err);
	*ret = take_ptr(holding);
	return 0;
}

int together_note(const struct together *report, size_t count, struct metadata *ret,
		  struct fl_error *err)
{
	char number[24];

	snprintf(number, sizeof(number), "%zu", count);
	if (metadata_set(ret, TOGETHER_KEY, report->id, err) < 0 ||
	    metadata_set(ret, TOGETHER_COUNT, number, err) < 0)
		return fl_failed(err);
	if (report->unheld_count == 0)
		return 0;
	snprintf(number, sizeof(number), "%zu", report->unheld_count);
	return metadata_set(ret, TOGETHER_UNHELD, number, err);
}

/* --- the moment ------------------------------------------------------------------------ */

/* A rollback in between gives a branch another head, which others may use. */
static int check_heads(const struct holding *holding, const struct claim *claim,
		       struct fl_error *err)
{
	for (size_t i = 0; i < claim->count; i++) {
		const struct target *target = &claim->targets[i];
		const struct head *head = &holding->heads[i];
		uint64_t tree;

		if (tree_number(holding->engine, &target->branch.uuid, &tree, err) < 0)
			return fl_failed(err);
		if (!uuid_equal(&target->branch.uuid, &head->branch) || tree != head->tree) {
			fl_fail(err, FL_BUSY, "%s/%s was renamed or rolled back just now",
				target->volume.name, target->branch.name);
			return fl_hint(err, "try again");
		}
	}
	return 0;
}

/*
 * One after the other: a process may use branches of both, and would go on with the first.  With
 * the claim, and nothing is waited for behind it.
 */
static int hold_alone(struct holding *holding, struct fl_error *err)
{
	pthread_mutex_t *mutex = &holding->engine->together_mutex;
	int r;

	pthread_mutex_lock(mutex);
	r = freeze_hold(holding->freeze, err);
	if (r < 0)
		pthread_mutex_unlock(mutex);
	return r;
}

int together_hold(struct holding *holding, const struct claim *claim, struct fl_error *err)
{
	struct engine *engine = holding->engine;

	if (check_heads(holding, claim, err) < 0)
		return fl_failed(err);
	if (!holding->freeze)
		return 0;
	if (driver_of(engine)->sync(engine->pool, err) < 0)
		return fl_failed(err);
	return hold_alone(holding, err);
}

int together_release(struct holding *holding, struct fl_error *err)
{
	struct together *report = holding->report;
	struct freeze_times times;
	int r;

	if (!holding->freeze)
		return 0;
	r = freeze_release(holding->freeze, &times, err);
	pthread_mutex_unlock(&holding->engine->together_mutex);
	report->stilled = times.stilled;
	report->held = times.held;
	for (size_t i = 0; i < report->group_count; i++)
		report->groups[i].was_frozen = freeze_was_frozen(holding->freeze, i);
	return r;
}

/* --- after it --------------------------------------------------------------------------- */

static void name_group(struct together_group *group, const struct docker_containers *containers)
{
	for (size_t i = 0; i < containers->count; i++)
		if (strcmp(containers->items[i].id, group->id) == 0) {
			free(group->name);
			group->name = xstrdup(containers->items[i].name);
		}
}

void together_name(struct engine *engine, struct together *report)
{
	own_docker struct docker *docker = NULL;
	own_docker_containers struct docker_containers containers = { 0 };
	const struct docker_filter all = {
		0
	}; /* Podman's list of those that run lacks the paused */
	bool any = false;
	struct fl_error err;

	for (size_t i = 0; i < report->group_count; i++)
		any |= report->groups[i].id[0];
	if (!any || !containers_engine(engine))
		return;
	docker = docker_new(docker_socket(containers_engine(engine)), NAMES_PATIENCE);
	if (docker_containers(docker, &all, &containers, &err) < 0) {
		log_debug("containers have no names", "error=\"%s\"", err.text);
		return;
	}
	for (size_t i = 0; i < report->group_count; i++)
		name_group(&report->groups[i], &containers);
}
