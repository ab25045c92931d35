/*
 * Capabilities.  Those that Docker gives to containers, since distributions are built
 * and tested with them, and SYS_BOOT: with it reboot(2) ends the system from within
 * (`poweroff` and `reboot` of every init), without it an init that has stopped all
 * services waits for ever.  In a PID namespace it ends that alone; what else it
 * allows, loading a kernel, the filter takes away.  Not among them: SYS_ADMIN
 * (mounts), SYS_MODULE, SYS_RAWIO, SYS_TIME, SYS_PTRACE, NET_ADMIN,
 * DAC_READ_SEARCH (files by handle, from anywhere on the pool), SYSLOG.
 *
 * System calls.  A list of what is refused, not of what is allowed: a distribution may
 * use whatever its kernel has.  Refused is what capabilities do not stop and that
 * reaches beyond the namespaces (keyrings; kernels to be loaded, see above), and
 * what new user namespaces would give back (they come with all capabilities inside,
 * and most holes of the last years needed one): unshare and clone with CLONE_NEWUSER.
 * A filter cannot look into clone3's structure; ENOSYS makes every libc use clone.
 *
 * Devices.  The usual eight are made by the runtime; the cgroup refuses all others, and
 * the tree is mounted without devices.  /dev/console is the FIFO that
 * keeps the console, so that what an init writes there is kept as what it prints is.
 */

#include "container/oci.h"

#include <string.h>

#include "base/json.h"

#define CPU_PERIOD 100000 /* microseconds; the kernel's default */
#define FILES 1024	  /* as after a boot: programs that use select(2) need that */

const char *const oci_directories[] = { "/dev", "/proc", "/sys", NULL };

static const char *const capabilities[] = {
	"CAP_AUDIT_WRITE", "CAP_CHOWN",	  "CAP_DAC_OVERRIDE",	  "CAP_FOWNER",	  "CAP_FSETID",
	"CAP_KILL",	   "CAP_MKNOD",	  "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",  "CAP_SETFCAP",
	"CAP_SETGID",	   "CAP_SETPCAP", "CAP_SETUID",		  "CAP_SYS_BOOT", "CAP_SYS_CHROOT",
};

static const char *const capability_sets[] = { "bounding", "effective", "permitted" };

/* Directories of /proc and /sys that tell of the host, or reach it. */
static const char *const masked[] = {
	"/proc/acpi",	       "/proc/asound",
	"/proc/kcore",	       "/proc/keys",
	"/proc/latency_stats", "/proc/scsi",
	"/proc/sched_debug",   "/proc/timer_list",
	"/proc/timer_stats",   "/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const read_only[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

struct oci_mount {
	const char *target;
	const char *type;
	const char *options[8];
};

/* In this order: later ones lie in earlier ones. */
static const struct oci_mount mounts[] = {
	{ "/proc", "proc", { "nosuid", "noexec", "nodev" } },
	{ "/dev", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", { "nosuid", "noexec", "nodev", "mode=1777" } },
	{ "/dev/mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const struct oci_mount empty_run = { "/run",
					    "tmpfs",
					    { "nosuid", "nodev", "mode=755", "size=20%" } };

static const char *const refused[] = {
	"add_key",	   "bpf",	 "delete_module", "finit_module",      "init_module",
	"kexec_file_load", "kexec_load", "keyctl",	  "open_by_handle_at", "perf_event_open",
	"request_key",	   "setns",	 "userfaultfd",
};

/* Other word sizes that this kernel runs too; the filter would kill their programs otherwise. */
static const char *const architectures[] = {
#if defined(__x86_64__)
	"SCMP_ARCH_X86_64",
	"SCMP_ARCH_X86",
	"SCMP_ARCH_X32",
#elif defined(__aarch64__)
	"SCMP_ARCH_AARCH64",
	"SCMP_ARCH_ARM",
#endif
	NULL,
};

/* Which argument of clone(2) has the flags. */
#if defined(__s390x__)
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

static void put_strings(struct json *json, const char *key, const char *const *items, size_t count)
{
	json_put_array(json, key);
	for (size_t i = 0; i < count && items[i]; i++)
		json_put_string(json, NULL, items[i]);
	json_end(json);
}

/* --- the process ------------------------------------------------------------------------ */

static void put_limit(struct json *json, const char *type, int64_t soft, int64_t hard)
{
	json_put_object(json, NULL);
	json_put_string(json, "type", type);
	json_put_int(json, "hard", hard);
	json_put_int(json, "soft", soft);
	json_end(json);
}

static void put_process(struct json *json, const struct oci_options *options)
{
	const struct system_settings *settings = options->settings;

	json_put_object(json, "process");
	json_put_bool(json, "terminal", false);
	json_put_object(json, "user");
	json_put_int(json, "uid", settings->uid);
	json_put_int(json, "gid", settings->gid);
	json_end(json);
	put_strings(json, "args", (const char *const *)settings->init, SIZE_MAX);
	put_strings(json, "env", (const char *const *)settings->environment, SIZE_MAX);
	json_put_string(json, "cwd", settings->directory);
	json_put_object(json, "capabilities");
	for (size_t i = 0; i < array_size(capability_sets); i++)
		put_strings(json, capability_sets[i], capabilities, array_size(capabilities));
	json_end(json);
	json_put_array(json, "rlimits");
	put_limit(json, "RLIMIT_NOFILE", options->files < FILES ? options->files : FILES,
		  options->files);
	json_end(json);
	/* su and sudo belong to an operating system. */
	json_put_bool(json, "noNewPrivileges", false);
	json_put_int(json, "oomScoreAdj", 0);
	json_end(json);
}

/* --- what it sees ------------------------------------------------------------------------ */

static void put_mount(struct json *json, const struct oci_mount *mount, const char *source)
{
	json_put_object(json, NULL);
	json_put_string(json, "destination", mount->target);
	json_put_string(json, "type", mount->type);
	json_put_string(json, "source", source);
	put_strings(json, "options", mount->options, array_size(mount->options));
	json_end(json);
}

static void put_mounts(struct json *json, const struct oci_options *options)
{
	static const struct oci_mount console = { "/dev/console", "bind", { "bind", "nosuid" } };

	json_put_array(json, "mounts");
	for (size_t i = 0; i < array_size(mounts); i++)
		put_mount(json, &mounts[i], mounts[i].type);
	put_mount(json, &console, options->console);
	if (options->empty_run)
		put_mount(json, &empty_run, empty_run.type);
	json_end(json);
}

static void put_namespaces(struct json *json, const struct system_settings *settings)
{
	static const char *const always[] = { "pid", "mount", "ipc", "uts", "cgroup" };

	json_put_array(json, "namespaces");
	for (size_t i = 0; i < array_size(always); i++) {
		json_put_object(json, NULL);
		json_put_string(json, "type", always[i]);
		json_end(json);
	}
	if (settings->network == SYSTEM_NETWORK_NONE) {
		json_put_object(json, NULL);
		json_put_string(json, "type", "network");
		json_end(json);
	}
	json_end(json);
}

/* --- what it may use ---------------------------------------------------------------------- */

static void put_resources(struct json *json, const struct system_settings *settings)
{
	json_put_object(json, "resources");
	json_put_array(json, "devices");
	json_put_object(json, NULL);
	json_put_bool(json, "allow", false);
	json_put_string(json, "access", "rwm");
	json_end(json);
	json_end(json);
	if (settings->memory) {
		json_put_object(json, "memory");
		json_put_int(json, "limit", (int64_t)settings->memory);
		json_end(json);
	}
	if (settings->cpus) {
		json_put_object(json, "cpu");
		json_put_int(json, "quota", (int64_t)settings->cpus * CPU_PERIOD / 1000);
		json_put_int(json, "period", CPU_PERIOD);
		json_end(json);
	}
	if (settings->pids) {
		json_put_object(json, "pids");
		json_put_int(json, "limit", settings->pids);
		json_end(json);
	}
	json_end(json);
}

static void put_rule(struct json *json, const char *const *names, size_t count, int sys)
{
	json_put_object(json, NULL);
	put_strings(json, "names", names, count);
	json_put_string(json, "action", "SCMP_ACT_ERRNO");
	json_put_int(json, "errnoRet", sys);
}

/* `index`: of the argument that has the flags. */
static void put_user_namespace_rule(struct json *json, const char *name, int index)
{
	const int64_t new_user = 0x10000000; /* CLONE_NEWUSER of linux/sched.h */

	put_rule(json, &name, 1, EPERM);
	json_put_array(json, "args");
	json_put_object(json, NULL);
	json_put_int(json, "index", index);
	json_put_int(json, "value", new_user);
	json_put_int(json, "valueTwo", new_user);
	json_put_string(json, "op", "SCMP_CMP_MASKED_EQ");
	json_end(json);
	json_end(json);
	json_end(json);
}

static void put_filter(struct json *json)
{
	static const char *const opaque[] = { "clone3" };

	json_put_object(json, "seccomp");
	json_put_string(json, "defaultAction", "SCMP_ACT_ALLOW");
	if (architectures[0])
		put_strings(json, "architectures", architectures, array_size(architectures));
	json_put_array(json, "syscalls");
	put_rule(json, refused, array_size(refused), EPERM);
	json_end(json);
	put_rule(json, opaque, array_size(opaque), ENOSYS);
	json_end(json);
	put_user_namespace_rule(json, "clone", CLONE_FLAGS);
	put_user_namespace_rule(json, "unshare", 0);
	json_end(json);
	json_end(json);
}

static void put_linux(struct json *json, const struct oci_options *options)
{
	json_put_object(json, "linux");
	put_namespaces(json, options->settings);
	put_resources(json, options->settings);
	json_put_string(json, "cgroupsPath", options->cgroup);
	put_filter(json);
	json_put_string(json, "rootfsPropagation", "private");
	put_strings(json, "maskedPaths", masked, array_size(masked));
	put_strings(json, "readonlyPaths", read_only, array_size(read_only));
	json_end(json);
}

void oci_format(const struct oci_options *options, struct text *out)
{
	struct json json;

	json_init(&json, out);
	json_put_object(&json, NULL);
	json_put_string(&json, "ociVersion", "1.0.2");
	put_process(&json, options);
	json_put_object(&json, "root");
	json_put_string(&json, "path", options->root);
	json_put_bool(&json, "readonly", false);
	json_end(&json);
	json_put_string(&json, "hostname", options->hostname);
	put_mounts(&json, options);
	put_linux(&json, options);
	json_end(&json);
}

bool oci_wants_empty_run(const struct system_settings *settings)
{
	static const char *const inits[] = { "init", "systemd", "openrc-init", "runit-init" };
	const char *program = strrchr(settings->init[0], '/');

	program = program ? program + 1 : settings->init[0];
	return word_find(inits, array_size(inits), program) < array_size(inits);
}
