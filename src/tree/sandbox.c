#include "tree/sandbox.h"

#include <fcntl.h>
#include <iconv.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/handover.h"
#include "base/mount.h"
#include "tree/fence.h"

/*
 * The order matters.  First what needs rights: limits, own network and IPC
 * namespaces, the root, and a fence around it (fence.h).  Then the rights go: every capability out
 * of the bounding set and out of the sets in use but those that keeping owners, modes and
 * attributes takes; no program can give any back (no_new_privs).  Last the filter on system calls,
 * because it forbids some of the steps before it.
 *
 * CAP_SYS_ADMIN has to stay, for trusted.* attributes; the filter takes away
 * what else it is good for.  Most of that is behind ioctl(): with it the tree's
 * descriptor alone would do to delete every other tree of the pool by its number,
 * to freeze or to resize it.  Two ioctls are needed, FICLONE and FICLONERANGE, and two are allowed.
 * Signals and limits are for this process alone: the daemon runs as the same
 * user.  Calls that are newer than this list of what is forbidden do not exist.
 *
 * The filter also refuses memory that can be executed.  That closes an old hole:
 * within a chroot the C library would look for its plug-ins (character sets)
 * below the new root, in files that came out of the archive.
 */

#define CAP(name) (UINT64_C(1) << (CAP_##name))
#define CAPS_READ (CAP(DAC_READ_SEARCH) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(SYS_ADMIN))
#define CAPS_WRITE (CAPS_READ | CAP(CHOWN) | CAP(FSETID) | CAP(SETFCAP))

/* An address sanitizer reserves terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__)
#define LIMIT_MEMORY false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIMIT_MEMORY false
#endif
#endif
#ifndef LIMIT_MEMORY
#define LIMIT_MEMORY true
#endif

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define FOREIGN_CALL 0x40000000u /* the first of the x32 calls */
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define FOREIGN_CALL 0xffffffffu
#else
#error "the system call filter has to learn this architecture"
#endif

/* Whatever reaches past the tree.  All of them are refused with EPERM. */
static const uint16_t forbidden[] = {
	/* programs and processes */
	SYS_execve,
	SYS_execveat,
	SYS_clone,
	SYS_clone3,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kill,
	SYS_tkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_pidfd_open,
	SYS_pidfd_getfd,
	SYS_pidfd_send_signal,
	SYS_unshare,
	SYS_setns,
	SYS_personality,
	SYS_kcmp,
#ifdef SYS_fork
	SYS_fork,
	SYS_vfork,
#endif
	/* mounts and roots */
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
	SYS_quotactl,
	SYS_quotactl_fd,
	SYS_fanotify_init,
	SYS_swapon,
	SYS_swapoff,
	/* other hosts, other processes' objects */
	SYS_socket,
	SYS_socketpair,
	SYS_connect,
	SYS_bind,
	SYS_listen,
	SYS_accept,
	SYS_accept4,
	SYS_mq_open,
	SYS_shmget,
	SYS_shmat,
	SYS_msgget,
	SYS_semget,
	/* the kernel itself */
	SYS_bpf,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_reboot,
	SYS_syslog,
	SYS_acct,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_vhangup,
	SYS_seccomp,
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
#endif
};

/* Calls that map or change memory, by the place of their protection argument: all the third. */
static const uint16_t mapping[] = { SYS_mmap, SYS_mprotect, SYS_pkey_mprotect };

/* Numbers are the same everywhere since 424; this is the last call of Linux 5.17. */
#define LAST_CALL 450u

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define IF(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (yes), (no))
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS) /* which the C library knows how to do without */
/* Of arguments the lower half counts, which comes first: both architectures are little-endian. */
#define PROTECTION args[2]

/* What may be asked for with these values of an argument alone. */
struct only {
	uint16_t call;
	uint16_t argument;
	uint32_t value, other;
};

enum { ONLY = 3 };
enum { FILTER_ROOM = 8 + 2 * array_size(forbidden) + 5 * array_size(mapping) + 6 * ONLY + 1 };

static size_t add(struct sock_filter *filter, size_t at, const struct sock_filter *more,
		  size_t count)
{
	for (size_t i = 0; i < count; i++)
		filter[at + i] = more[i];
	return at + count;
}

static size_t write_filter(struct sock_filter filter[static FILTER_ROOM])
{
	const struct sock_filter start[] = {
		LOAD(arch),
		IF(BPF_JEQ, ARCHITECTURE, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		IF(BPF_JGE, FOREIGN_CALL, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		IF(BPF_JGT, LAST_CALL, 0, 1),
		RETURN(UNKNOWN),
	};
	const uint32_t self = (uint32_t)getpid();
	const struct only only[ONLY] = {
		{ SYS_ioctl, 1, FICLONE, FICLONERANGE },
		{ SYS_tgkill, 0, self, self }, /* abort() */
		{ SYS_prlimit64, 0, 0, 0 },
	};
	const struct sock_filter end[] = { RETURN(SECCOMP_RET_ALLOW) };
	size_t n = add(filter, 0, start, array_size(start));

	for (size_t i = 0; i < array_size(forbidden); i++) {
		const struct sock_filter refuse[] = { IF(BPF_JEQ, forbidden[i], 0, 1),
						      RETURN(REFUSE) };

		n = add(filter, n, refuse, array_size(refuse));
	}
	for (size_t i = 0; i < array_size(mapping); i++) {
		const struct sock_filter check[] = {
			IF(BPF_JEQ, mapping[i], 0, 4), LOAD(PROTECTION),
			IF(BPF_JSET, PROT_EXEC, 0, 1), RETURN(REFUSE),
			RETURN(SECCOMP_RET_ALLOW),
		};

		n = add(filter, n, check, array_size(check));
	}
	for (size_t i = 0; i < array_size(only); i++) {
		const struct sock_filter check[] = {
			IF(BPF_JEQ, only[i].call, 0, 5),
			LOAD(args[only[i].argument]),
			IF(BPF_JEQ, only[i].value, 2, 0),
			IF(BPF_JEQ, only[i].other, 1, 0),
			RETURN(REFUSE),
			RETURN(SECCOMP_RET_ALLOW),
		};

		n = add(filter, n, check, array_size(check));
	}
	return add(filter, n, end, array_size(end));
}

static int filter_calls(struct fl_error *err)
{
	struct sock_filter filter[FILTER_ROOM];
	struct sock_fprog program = { .filter = filter };

	program.len = (unsigned short)write_filter(filter);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return fl_fail_errno(err, "cannot filter system calls");
	return 0;
}

static int drop_capabilities(const struct sandbox *sandbox, struct fl_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	uint64_t keep = sandbox->writes ? CAPS_WRITE : CAPS_READ;

	if (sandbox->devices)
		keep |= CAP(MKNOD);
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (!(keep & (UINT64_C(1) << cap)) && prctl(PR_CAPBSET_DROP, cap) < 0 &&
		    errno != EINVAL)
			return fl_fail_errno(err, "cannot give up capability %lu", cap);
	}
	data[0].effective = data[0].permitted = (uint32_t)keep;
	data[1].effective = data[1].permitted = (uint32_t)(keep >> 32);
	if (syscall(SYS_capset, &header, data) < 0)
		return fl_fail_errno(err, "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fl_fail_errno(err, "cannot give up new privileges");
	return 0;
}

static int limit(int resource, uint64_t value, struct fl_error *err)
{
	const struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

	if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return fl_fail_errno(err, "cannot set a limit");
	return 0;
}

/* Two descriptors for each level of a tree that is read (WALK_DEPTH), and some. */
#define DESCRIPTORS 8192

static int set_limits(const struct sandbox *sandbox, struct fl_error *err)
{
	if (limit(RLIMIT_CORE, 0, err) < 0 || limit(RLIMIT_NOFILE, DESCRIPTORS, err) < 0)
		return fl_failed(err);
	return LIMIT_MEMORY ? limit(RLIMIT_AS, sandbox->memory, err) : 0;
}

/*
 * The root of a directory that lies outside of our own root is no limit: from
 * its descriptor ".." leads to all of the machine.  As a mount that hangs
 * nowhere it has nothing above it.  It has no devices either, and the tree that
 * is made neither, so that the right to make them (CAP_MKNOD) opens none.
 *
 * Before Linux 6.15 no part can be taken of a mount that hangs nowhere itself, as
 * the pool's does; it has nothing of the machine above it either.  And an
 * ordinary user can take none: what is above his pool is his to read anyway.
 */
static int detach_source(int source, bool own, struct fl_error *err)
{
	own_fd int mount = -1;

	if (mount_clone_read_only(source, &mount, err) < 0) {
		if (own && (err->sys == EINVAL || err->sys == EPERM))
			return 0;
		if (err->sys == EINVAL)
			(void)fl_hint(err, "it may be unbindable: `mount --make-private` on what "
					   "it is mounted at");
		return fl_failed(err);
	}
	if (dup2(mount, source) < 0)
		return fl_fail_errno(err, "cannot keep the directory to read");
	return 0;
}

/* The C library reads what it needs to convert names before the root changes, not after. */
static void load_conversions(void)
{
	iconv_t to = iconv_open("UTF-8", "ANSI_X3.4-1968");
	iconv_t from = iconv_open("ANSI_X3.4-1968", "UTF-8");

	if (to != (iconv_t)-1)
		iconv_close(to);
	if (from != (iconv_t)-1)
		iconv_close(from);
}

/* Where the socket is, there the tree is then. */
static int take_root(int root, struct fl_error *err)
{
	own_fd int fd = -1;

	if (handover_take(root, &fd, err) < 0)
		return fl_wrap(err, "the tree to make");
	if (dup2(fd, root) < 0)
		return fl_fail_errno(err, "cannot keep the tree to make");
	return 0;
}

static int change_root(int root, struct fl_error *err)
{
	if (fchdir(root) < 0 || chroot(".") < 0)
		return fl_fail_errno(err, "cannot make the tree the root directory");
	umask(0);
	return 0;
}

static int write_map(const char *path, const char *text, struct fl_error *err)
{
	own_fd int fd = -1;

	if (fsat_open(AT_FDCWD, path, O_WRONLY, 0, &fd, err) < 0)
		return fl_failed(err);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return fl_fail_errno(err, "cannot write '%s'", path);
	return 0;
}

/*
 * Without root: the rights that the other steps need are had in a user namespace
 * of its own, in which nobody exists but the user.
 */
static int become_alone(struct fl_error *err)
{
	const unsigned uid = geteuid(), gid = getegid();
	char users[64], groups[64];

	if (uid == 0)
		return 0;
	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	if (unshare(CLONE_NEWUSER) < 0) {
		fl_fail_errno(err, "cannot make a user namespace");
		return fl_hint(err, "this kernel lets only root work on archives safely");
	}
	if (write_map("/proc/self/setgroups", "deny", err) < 0 ||
	    write_map("/proc/self/uid_map", users, err) < 0)
		return fl_failed(err);
	return write_map("/proc/self/gid_map", groups, err);
}

int sandbox_enter(const struct sandbox *sandbox, int root, struct fl_error *err)
{
	load_conversions();
	if (become_alone(err) < 0)
		return fl_failed(err);
	if (sandbox->source && detach_source(sandbox->source, sandbox->own_source, err) < 0)
		return fl_failed(err);
	if (close_range((unsigned)sandbox->highest + 1, ~0U, 0) < 0)
		return fl_fail_errno(err, "cannot close other descriptors");
	if (set_limits(sandbox, err) < 0)
		return fl_failed(err);
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return fl_fail_errno(err, "cannot leave the network");
	if ((sandbox->late && take_root(root, err) < 0) || change_root(root, err) < 0 ||
	    drop_capabilities(sandbox, err) < 0 ||
	    fence_enter(root, sandbox->writes, sandbox->devices,
			sandbox->source ? sandbox->source : -1, err) < 0)
		return fl_failed(err);
	return filter_calls(err);
}
