#include "container/cgroup.h"

#include <unistd.h>

#include "tests/check.h"

static struct fl_error err;

#define ID "5f2e0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7"

#define BRANCH "0b6f6c1e-52a1-4d3f-9a57-3b1f6c0d9e21"
#define SYSTEM "/flocker/7c9e6679-7425-40de-944b-e07fc1f90ae7." BRANCH

static const char hybrid[] =
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
	"37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n"
	"38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime shared:3 - cgroup cgroup rw,blkio\n"
	"41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n"
	"50 31 0:38 / /elsewhere rw - cgroup2 cgroup2 rw\n";

static void mounts_are_found(void)
{
	own_cgroup_mounts struct cgroup_mounts mounts = { 0 };

	cgroup_mounts_parse(hybrid, &mounts);
	check_string("/sys/fs/cgroup/uni fied", mounts.kinds[CGROUP_UNIFIED].place);
	check_string("/sys/fs/cgroup/freezer", mounts.kinds[CGROUP_FREEZER].place);
	check_string("/", mounts.kinds[CGROUP_FREEZER].root);
}

static void no_freezer_is_none(void)
{
	own_cgroup_mounts struct cgroup_mounts mounts = { 0 };
	own_cgroup struct cgroup cgroup = { 0 };

	cgroup_mounts_parse("38 31 0:35 / /c rw - cgroup cgroup rw,blkio\nnonsense\n\n", &mounts);
	check(!mounts.kinds[CGROUP_UNIFIED].place && !mounts.kinds[CGROUP_FREEZER].place);
	check(cgroup_choose(&mounts, CGROUP_FREEZER, "1:freezer:/a\n", "1:freezer:/\n", &cgroup) ==
	      CGROUP_NONE);
}

/* Where the daemon is in the unified group /system.slice/flockerd.service, and in the root of the
 * freezer. */
static enum cgroup_verdict choose(enum cgroup_kind kind, const char *path, struct cgroup *ret)
{
	own_cgroup_mounts struct cgroup_mounts mounts = { 0 };
	char text[512];

	cgroup_mounts_parse(hybrid, &mounts);
	snprintf(text, sizeof(text), "9:name=systemd:/x\n6:freezer:%s\n4:memory:/y\n0::%s\n",
		 kind == CGROUP_FREEZER ? path : "/", kind == CGROUP_UNIFIED ? path : "/");
	return cgroup_choose(&mounts, kind, text,
			     "6:freezer:/\n0::/system.slice/flockerd.service\n", ret);
}

static const struct {
	const char *path;
	enum cgroup_verdict verdict;
	const char *chosen; /* its path, if it fits */
	const char *name;
} cases[] = {
	{ "/", CGROUP_ROOT },
	{ "/a", CGROUP_FITS, "/a", "a" },
	{ "/system.slice/postgresql.service", CGROUP_FITS, "/system.slice/postgresql.service",
	  "postgresql.service" },
	{ "/system.slice/flockerd.service", CGROUP_OURS },
	{ "/system.slice", CGROUP_OURS },
	{ "/system.slice/flockerd.service/system-a", CGROUP_FITS,
	  "/system.slice/flockerd.service/system-a", "system-a" },
	{ "/system.slice/flockerd.serviceable", CGROUP_FITS, "/system.slice/flockerd.serviceable",
	  "flockerd.serviceable" },
	{ "/user.slice/user-0.slice/session-3.scope", CGROUP_LOGIN },
	{ "/user.slice/user-0.slice/session-3.scope/within", CGROUP_LOGIN },
	{ "/user.slice/user-0.slice/user@0.service", CGROUP_LOGIN },
	{ "/user.slice/user-0.slice/user@0.service/app.slice/mine.service", CGROUP_FITS,
	  "/user.slice/user-0.slice/user@0.service/app.slice/mine.service", "mine.service" },
	{ "/machine.slice", CGROUP_HOST },
	{ "/init.scope", CGROUP_HOST },
	{ "/system.slice/ssh.service", CGROUP_LOGIN },
	{ "/system.slice/docker.service", CGROUP_HOST },
	{ "/system.slice/systemd-journald.service", CGROUP_HOST },
	{ "/../outside", CGROUP_HIDDEN },
	{ "/docker/" ID, CGROUP_FITS, "/docker/" ID, "5f2e0a1b2c3d" },
	{ "/docker/" ID "/init.scope", CGROUP_FITS, "/docker/" ID, "5f2e0a1b2c3d" },
	{ "/system.slice/docker-" ID ".scope/a/b", CGROUP_FITS, "/system.slice/docker-" ID ".scope",
	  "5f2e0a1b2c3d" },
	{ "/user.slice/user-7.slice/session-3.scope/libpod-" ID, CGROUP_FITS,
	  "/user.slice/user-7.slice/session-3.scope/libpod-" ID, "5f2e0a1b2c3d" },
	{ "/machine.slice/libpod-conmon-" ID ".scope", CGROUP_FITS,
	  "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope" },
	{ SYSTEM, CGROUP_FITS, SYSTEM, BRANCH },
	{ SYSTEM "/init.scope", CGROUP_FITS, SYSTEM, BRANCH },
	{ SYSTEM "/system.slice/ssh.service", CGROUP_FITS, SYSTEM, BRANCH },
	{ SYSTEM "0/init.scope", CGROUP_HOST },
	{ "/flocker/other/init.scope", CGROUP_HOST },
	{ "/docker/" ID "0", CGROUP_FITS, "/docker/" ID "0", ID "0" },
};

static void which_group_is_frozen(void)
{
	for (size_t i = 0; i < array_size(cases); i++) {
		own_cgroup struct cgroup cgroup = { 0 };
		enum cgroup_verdict verdict = choose(CGROUP_UNIFIED, cases[i].path, &cgroup);

		if (verdict != cases[i].verdict)
			check_failed(__FILE__, __LINE__, cases[i].path,
				     cgroup_verdict_words[verdict]);
		if (verdict != CGROUP_FITS)
			continue;
		check_string(cases[i].chosen, cgroup.path);
		check_string(cases[i].name, cgroup.name);
		check(strncmp(cgroup.directory, "/sys/fs/cgroup/uni fied/", 24) == 0);
		check_string(cases[i].chosen, cgroup.directory + 23);
	}
}

static void the_freezers_group_counts_as_well(void)
{
	own_cgroup struct cgroup cgroup = { 0 };

	check(choose(CGROUP_FREEZER, "/docker/" ID, &cgroup) == CGROUP_FITS);
	check_string("/sys/fs/cgroup/freezer/docker/" ID, cgroup.directory);
	check_string(ID, cgroup.id);
	check(cgroup.kind == CGROUP_FREEZER);
}

/* In a container without a namespace for groups: its own group is what is mounted. */
static void a_part_of_a_hierarchy_is_mounted(void)
{
	own_cgroup_mounts struct cgroup_mounts mounts = { 0 };
	own_cgroup struct cgroup cgroup = { 0 };

	cgroup_mounts_parse("37 31 0:34 /docker/a /fr rw - cgroup cgroup rw,freezer\n", &mounts);
	check(cgroup_choose(&mounts, CGROUP_FREEZER, "6:freezer:/docker/a/b\n",
			    "6:freezer:/docker/a\n", &cgroup) == CGROUP_FITS);
	check_string("/fr/b", cgroup.directory);
	check(cgroup_choose(&mounts, CGROUP_FREEZER, "6:freezer:/docker/a\n",
			    "6:freezer:/docker/a/flockerd\n", &cgroup) == CGROUP_ROOT);
	check(cgroup_choose(&mounts, CGROUP_FREEZER, "6:freezer:/docker/ab\n",
			    "6:freezer:/docker/a\n", &cgroup) == CGROUP_HIDDEN);
}

static void a_process_that_has_ended_is_gone(void)
{
	own_cgroup_mounts struct cgroup_mounts mounts = { 0 };
	own_cgroup struct cgroup cgroup = { 0 };
	enum cgroup_verdict verdict;

	check_ok(cgroup_mounts_read(&mounts, &err));
	check_ok(cgroup_of_process(&mounts, 1 << 30, &cgroup, &verdict, &err));
	check(verdict == CGROUP_GONE);
	check_ok(cgroup_of_process(&mounts, getpid(), &cgroup, &verdict, &err));
	check(verdict != CGROUP_FITS && verdict != CGROUP_GONE);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){ CHECK(mounts_are_found), CHECK(no_freezer_is_none),
					    CHECK(which_group_is_frozen),
					    CHECK(the_freezers_group_counts_as_well),
					    CHECK(a_part_of_a_hierarchy_is_mounted),
					    CHECK(a_process_that_has_ended_is_gone), CHECK_END });
}
