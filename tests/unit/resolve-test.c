#include "container/resolve.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/unit/own-mounts.h"

/* In a mount namespace that ends with the test: one file system whose server never answers. */

static char place[] = "/tmp/flocker-resolve.XXXXXX";
static struct fl_error err;

/* Heap or NULL: place/NAME. */
static char *lead(const char *name)
{
	own(resolver_done) struct resolver resolver = { 0 };
	char path[PATH_MAX], ours[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	snprintf(ours, sizeof(ours), "%s/ours", place);
	check_ok(resolver_open(ours, &resolver, &err));
	return resolver_follow(&resolver, path);
}

static void leads_to(const char *name, const char *where)
{
	own_free char *found = lead(name);
	char wanted[PATH_MAX] = "";

	if (where)
		snprintf(wanted, sizeof(wanted), "%s%s%s", place, *where ? "/" : "", where);
	check_string(wanted, found ? found : "");
}

static void paths_lead_where_the_kernel_leads(void)
{
	leads_to("dir", "dir");
	leads_to("dir/sub", "dir/sub");
	leads_to("dir//sub/./../sub/", "dir/sub");
	leads_to("relative", "dir/sub");
	leads_to("relative/../sub", "dir/sub");
	leads_to("absolute/sub", "dir/sub");
	leads_to("up", "");
	leads_to("missing", NULL);
	leads_to("dir/missing", NULL);
	leads_to("loop", NULL);
	leads_to("loop/dir", NULL);
}

static void nobody_looks_where_no_answer_comes(void)
{
	char target[PATH_MAX], options[80];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	check(fd >= 0);
	snprintf(target, sizeof(target), "%s/dead one", place);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	check(mount("nobody", target, "fuse", 0, options) == 0);
	alarm(120); /* whoever looks there waits for us */
	leads_to("dead one", NULL);
	leads_to("dead one/data", NULL);
	leads_to("to-dead/data", NULL);
	leads_to("dir/sub", "dir/sub");
	alarm(0);
	close(fd);
	umount2(target, MNT_DETACH);
}

static void make(const char *name, const char *link)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	check((link ? symlink(link, path) : mkdir(path, 0700)) == 0);
}

static void prepare(void)
{
	char dir[PATH_MAX];

	make("dir", NULL);
	make("dir/sub", NULL);
	make("dead one", NULL);
	make("relative", "dir/sub");
	snprintf(dir, sizeof(dir), "%s/dir", place);
	make("absolute", dir);
	make("up", "dir/..");
	make("loop", "loop");
	make("to-dead", "dir/../dead one");
}

int main(int argc, char **argv)
{
	int r;

	if (own_mounts() < 0 || !mkdtemp(place) || mount("tmpfs", place, "tmpfs", 0, NULL) < 0)
		return 1;
	prepare();
	r = check_main(argc, argv,
		       (const struct check[]){
			       CHECK(paths_lead_where_the_kernel_leads),
			       CHECK(nobody_looks_where_no_answer_comes),
			       CHECK_END,
		       });
	umount2(place, MNT_DETACH);
	rmdir(place);
	return r;
}
