#include "container/oci.h"

#include <jansson.h>

#include "tests/check.h"

static struct fl_error err;

static struct oci_options options_of(struct system_settings *settings, const char *const texts[])
{
	own_metadata struct metadata metadata = { 0 };

	for (size_t i = 0; texts[i]; i += 2)
		check_ok(metadata_set(&metadata, texts[i], texts[i + 1], &err));
	check_ok(system_read(&metadata, settings, &err));
	return (struct oci_options){
		.settings = settings,
		.hostname = "data-test",
		.root = "/run/x/rootfs",
		.console = "/run/x/console",
		.cgroup = "/flocker/i.b",
		.files = 4096,
	};
}

/* The whole document, as compact JSON with sorted keys; heap. */
static json_t *document(const struct oci_options *options)
{
	own_text struct text text = { 0 };
	json_t *root;

	oci_format(options, &text);
	root = json_loads(text_get(&text), JSON_REJECT_DUPLICATES, NULL);
	check(root != NULL);
	return root;
}

static void check_part(json_t *root, const char *const path[], const char *wanted)
{
	own_free char *found = NULL;

	for (size_t i = 0; path[i]; i++)
		root = json_object_get(root, path[i]);
	check(root != NULL);
	found = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	check_string(wanted, found);
}
#define PATH(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void the_defaults_are_an_operating_system_apart(void)
{
	static const char *const none[] = { NULL };
	own_system_settings struct system_settings settings = { 0 };
	struct oci_options options = options_of(&settings, none);
	json_t *root = document(&options);

	check_part(root, PATH("ociVersion"), "\"1.0.2\"");
	check_part(root, PATH("root"), "{\"path\":\"/run/x/rootfs\",\"readonly\":false}");
	check_part(root, PATH("hostname"), "\"data-test\"");
	check_part(root, PATH("process", "args"), "[\"/sbin/init\"]");
	check_part(root, PATH("process", "user"), "{\"gid\":0,\"uid\":0}");
	check_part(root, PATH("process", "cwd"), "\"/\"");
	check_part(root, PATH("process", "terminal"), "false");
	check_part(root, PATH("process", "noNewPrivileges"), "false");
	check_part(root, PATH("process", "rlimits"),
		   "[{\"hard\":4096,\"soft\":1024,\"type\":\"RLIMIT_NOFILE\"}]");
	check_part(root, PATH("process", "capabilities", "bounding"),
		   "[\"CAP_AUDIT_WRITE\",\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\","
		   "\"CAP_FSETID\",\"CAP_KILL\",\"CAP_MKNOD\",\"CAP_NET_BIND_SERVICE\","
		   "\"CAP_NET_RAW\",\"CAP_SETFCAP\",\"CAP_SETGID\",\"CAP_SETPCAP\",\"CAP_SETUID\","
		   "\"CAP_SYS_BOOT\",\"CAP_SYS_CHROOT\"]");
	check_part(root, PATH("linux", "namespaces"),
		   "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
		   "{\"type\":\"cgroup\"},{\"type\":\"network\"}]");
	check_part(root, PATH("linux", "cgroupsPath"), "\"/flocker/i.b\"");
	/* 4096 processes are the setting's default. */
	check_part(
		root, PATH("linux", "resources"),
		"{\"devices\":[{\"access\":\"rwm\",\"allow\":false}],\"pids\":{\"limit\":4096}}");
	check_part(root, PATH("linux", "seccomp", "defaultAction"), "\"SCMP_ACT_ALLOW\"");
	check_part(
		root, PATH("linux", "readonlyPaths"),
		"[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]");
	json_decref(root);
}

static void all_settings_arrive(void)
{
	static const char *const texts[] = {
		"init",		"/usr/bin/app --name 'two words'",
		"env.GREETING", "good day",
		"user",		"101:102",
		"directory",	"/srv",
		"memory",	"536870912",
		"cpus",		"0.5",
		"pids",		"77",
		"network",	"host",
		NULL,
	};
	own_system_settings struct system_settings settings = { 0 };
	struct oci_options options = options_of(&settings, texts);
	json_t *root = document(&options), *environment;
	bool greeted = false;
	size_t i;
	json_t *item;

	check_part(root, PATH("process", "args"), "[\"/usr/bin/app\",\"--name\",\"two words\"]");
	check_part(root, PATH("process", "user"), "{\"gid\":102,\"uid\":101}");
	check_part(root, PATH("process", "cwd"), "\"/srv\"");
	environment = json_object_get(json_object_get(root, "process"), "env");
	json_array_foreach(environment, i, item)
	{
		greeted |= strcmp(json_string_value(item), "GREETING=good day") == 0;
	}
	check(greeted);
	check_part(root, PATH("linux", "resources"),
		   "{\"cpu\":{\"period\":100000,\"quota\":50000},"
		   "\"devices\":[{\"access\":\"rwm\",\"allow\":false}],"
		   "\"memory\":{\"limit\":536870912},\"pids\":{\"limit\":77}}");
	check_part(root, PATH("linux", "namespaces"),
		   "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
		   "{\"type\":\"cgroup\"}]");
	json_decref(root);
}

/* Whatever is told, the tree's own directories are where they were. */
static const char *targets(json_t *root, char *text, size_t size)
{
	size_t i;
	json_t *mount;

	text[0] = '\0';
	json_array_foreach(json_object_get(root, "mounts"), i, mount)
	{
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s ",
			 json_string_value(json_object_get(mount, "destination")));
	}
	return text;
}

static void an_empty_run_is_for_those_that_expect_it(void)
{
	static const char *const init[] = { NULL };
	static const char *const postgres[] = { "init", "/usr/lib/postgresql/15/bin/postgres -D /x",
						NULL };
	own_system_settings struct system_settings whole = { 0 }, single = { 0 };
	struct oci_options options = options_of(&whole, init);
	json_t *root = document(&options);
	char text[512];

	(void)options_of(&single, postgres);
	check(oci_wants_empty_run(&whole) && !oci_wants_empty_run(&single));
	check_string("/proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup /dev/console ",
		     targets(root, text, sizeof(text)));
	json_decref(root);
	options.empty_run = true;
	root = document(&options);
	check(strstr(targets(root, text, sizeof(text)), " /run "));
	json_decref(root);
}

/* Kernels, modules, keyrings and new user namespaces are beyond a system. */
static void the_filter_refuses_what_reaches_out(void)
{
	static const char *const refused[] = { "kexec_load",	    "init_module", "keyctl", "bpf",
					       "open_by_handle_at", "clone3",	   "unshare" };
	static const char *const none[] = { NULL };
	own_system_settings struct system_settings settings = { 0 };
	struct oci_options options = options_of(&settings, none);
	json_t *root = document(&options);
	own_free char *filter = json_dumps(
		json_object_get(json_object_get(root, "linux"), "seccomp"), JSON_COMPACT);
	char quoted[64];

	for (size_t i = 0; i < array_size(refused); i++) {
		snprintf(quoted, sizeof(quoted), "\"%s\"", refused[i]);
		check(strstr(filter, quoted));
	}
	check(strstr(filter, "SCMP_CMP_MASKED_EQ"));
	json_decref(root);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(the_defaults_are_an_operating_system_apart),
				  CHECK(all_settings_arrive),
				  CHECK(an_empty_run_is_for_those_that_expect_it),
				  CHECK(the_filter_refuses_what_reaches_out),
				  CHECK_END,
			  });
}
