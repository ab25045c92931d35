#include <string.h>

#include "cli/command.h"
#include "cli/verbs.h"

/*
 * The one table of commands.  What it says is what is accepted, what the help
 * shows, and what the man page is checked against.
 */

const struct option global_options[] = {
	{ OPT_JSON, "json", 0, NULL, "print one JSON document instead of text" },
	{ OPT_ROOT, "root", 0, "DIR", "talk to the daemon that was started with this root" },
	{ OPT_SOCKET, "socket", 0, "PATH", "talk to the daemon that listens here" },
	{ OPT_NO_COLOR, "no-color", 0, NULL, "no colours on a terminal" },
	{ OPT_HELP, "help", 'h', NULL, "explain the command" },
	{ OPT_VERSION, "version", 0, NULL, "print the version of this program" },
	{ 0 },
};

#define PLACE_OPTIONS                                                                           \
	{ OPT_FILE, "file", 0, "PATH", "in a file: Btrfs in an image of a fixed size" },        \
		{ OPT_DEVICE, "device", 0, "DEV", "on a disk or partition" },                   \
		{ OPT_DIRECTORY, "directory", 0, "PATH", "in a directory of any file system" }, \
		{ OPT_ZFS, "zfs", 0, "[DATASET]",                                               \
		  "in a ZFS pool: POOL/DATASET, which is made, or POOL ('flocker')" },          \
	{                                                                                       \
		OPT_ZFS_FILE, "zfs-file", 0, "PATH", "in a file: a ZFS pool of a fixed size"    \
	}

static const struct option pool_create_options[] = {
	PLACE_OPTIONS,
	{ OPT_SIZE, "size", 0, "SIZE", "of the file: 512M, 20G, 1T (half of what is free)" },
	{ OPT_SPARSE, "sparse", 0, NULL, "do not reserve the file's space on the host" },
	{ OPT_COMPRESS, "compress", 0, NULL, "let the file system compress" },
	{ OPT_FORCE, "force", 0, NULL, "even if the device holds something, which is lost" },
	{ OPT_DRIVER, "driver", 0, "DRIVER", "storage driver, instead of the one chosen" },
	{ 0 },
};

static const struct option pool_adopt_options[] = {
	PLACE_OPTIONS,
	{ OPT_DRIVER, "driver", 0, "DRIVER", "storage driver, instead of the one chosen" },
	{ 0 },
};

static const struct option create_options[] = {
	{ OPT_FROM, "from", 0, "REF", "begin with the contents of this snapshot, tag or branch" },
	{ OPT_FROM_DIRECTORY, "from-directory", 0, "PATH", "begin with a copy of this directory" },
	{ OPT_DESCRIPTION, "description", 'd', "TEXT", "free text" },
	{ OPT_MOUNT_PATH, "mount-path", 0, "PATH", "where a container sees the volume" },
	{ OPT_QUOTA, "quota", 0, "SIZE", "the most that it may take: 512M, 20G, 1T" },
	{ OPT_SET, "set", 0, "KEY=VALUE", "metadata; may be repeated" },
	{ OPT_POLICY, "policy", 0, "RULE=VALUE", "of its trunk, as 'policy set'; may be repeated" },
	{ 0 },
};

static const struct option import_options[] = {
	{ OPT_DESCRIPTION, "description", 'd', "TEXT", "of a new volume: free text" },
	{ OPT_MOUNT_PATH, "mount-path", 0, "PATH", "of a new volume: where a container sees it" },
	{ OPT_QUOTA, "quota", 0, "SIZE", "of a new volume: the most that it may take" },
	{ OPT_SET, "set", 0, "KEY=VALUE", "of a new volume: metadata; may be repeated" },
	{ OPT_POLICY, "policy", 0, "RULE=VALUE", "as 'policy set'; may be repeated" },
	{ OPT_DEVICES, "devices", 0, NULL, "take device nodes too" },
	{ OPT_SETUID, "setuid", 0, NULL, "take set-user-ID programs and the like too" },
	{ 0 },
};

static const struct option export_options[] = {
	{ OPT_ZSTD, "zstd", 0, NULL, "compress; also by the names .zst and .tzst" },
	{ OPT_FORCE, "force", 0, NULL, "replace ARCHIVE if it is there" },
	{ 0 },
};

static const struct option set_options[] = {
	{ OPT_DESCRIPTION, "description", 'd', "TEXT", "of a volume: free text" },
	{ OPT_MOUNT_PATH, "mount-path", 0, "PATH", "of a volume: where a container sees it" },
	{ OPT_QUOTA, "quota", 0, "SIZE", "of a volume: the most that it may take" },
	{ OPT_NAME, "name", 0, "NAME", "of a snapshot" },
	{ OPT_MESSAGE, "message", 'm', "MESSAGE", "of a snapshot" },
	{ 0 },
};

static const struct option unset_options[] = {
	{ OPT_DESCRIPTION, "description", 'd', NULL, "remove a volume's description" },
	{ OPT_MOUNT_PATH, "mount-path", 0, NULL, "remove a volume's mount path" },
	{ OPT_QUOTA, "quota", 0, NULL, "remove a volume's quota" },
	{ OPT_NAME, "name", 0, NULL, "remove a snapshot's name" },
	{ OPT_MESSAGE, "message", 'm', NULL, "remove a snapshot's message" },
	{ 0 },
};

static const struct option snapshot_options[] = {
	{ OPT_NAME, "name", 0, "NAME", "a name, unique in the branch" },
	{ OPT_MESSAGE, "message", 'm', "MESSAGE", "what this moment is" },
	{ OPT_SET, "set", 0, "KEY=VALUE", "metadata; may be repeated" },
	{ OPT_TOGETHER, "together", 0, NULL, "all at one instant: what uses them stands still" },
	{ 0 },
};

static const struct option cp_options[] = {
	{ OPT_FORCE, "force", 0, NULL, "replace DEST if it is a file that is there" },
	{ 0 },
};

static const struct option log_options[] = {
	{ OPT_COUNT, "count", 'n', "COUNT", "at most so many, the newest" },
	{ OPT_WHY, "why", 0, NULL, "say of each why thinning leaves it" },
	{ 0 },
};

static const struct option hook_options[] = {
	{ OPT_SET, "set", 0, "KEY=VALUE", "what it is told; may be repeated" },
	{ OPT_TIMEOUT, "timeout", 0, "TIME", "in which all of it must be over: 1s to 10m (30s)" },
	{ OPT_REQUIRED, "required", 0, NULL, "no snapshot, rather than one without the hook" },
	{ OPT_CONTAINER, "container", 0, "CONTAINER",
	  "where it runs; '*': in the one that uses the branch" },
	{ 0 },
};

static const struct option system_create_options[] = {
	{ OPT_FROM, "from", 0, "ARCHIVE",
	  "make the branch first, of this archive; '-' for a pipe" },
	{ OPT_SET, "set", 0, "SETTING=VALUE", "as 'system set'; may be repeated" },
	{ OPT_DESCRIPTION, "description", 'd', "TEXT", "with --from, of a new volume: free text" },
	{ OPT_QUOTA, "quota", 0, "SIZE",
	  "with --from, of a new volume: the most that it may take" },
	{ OPT_DEVICES, "devices", 0, NULL,
	  "with --from: take device nodes too, which it has no use for" },
	{ 0 },
};

static const struct option console_options[] = {
	{ OPT_FOLLOW, "follow", 'f', NULL, "print what is written from now on, too" },
	{ OPT_TAIL, "tail", 0, "SIZE", "only so much, from its end: 4K" },
	{ 0 },
};

static const struct option exec_options[] = {
	{ OPT_INTERACTIVE, "interactive", 'i', NULL, "it reads what this command reads" },
	{ OPT_TTY, "tty", 't', NULL, "it has a terminal: this one" },
	{ OPT_USER, "user", 'u', "UID[:GID]", "as whom it runs" },
	{ 0 },
};

static const struct option thin_options[] = {
	{ OPT_DRY_RUN, "dry-run", 0, NULL, "only list what would go" },
	{ 0 },
};

static const struct option diff_options[] = {
	{ OPT_STAT, "stat", 0, NULL, "count the changes instead of listing them" },
	{ OPT_CONTENT, "content", 0, NULL, "show what changed in the files: a unified diff" },
	{ 0 },
};

static const struct option branch_options[] = {
	{ OPT_FROM, "from", 0, "REF", "begin there instead of the live contents of trunk" },
	{ OPT_POLICY, "policy", 0, "RULE=VALUE", "as 'policy set'; may be repeated" },
	{ OPT_LIST, "list", 0, NULL, "list the branches of VOLUME instead" },
	{ 0 },
};

static const struct option rollback_options[] = {
	{ OPT_TO, "to", 0, "REF", "go back to this snapshot, tag or stash" },
	{ OPT_YES, "yes", 'y', NULL, "do not ask, also on a terminal" },
	{ OPT_LIVE, "live", 0, NULL, "do not stop its containers: replace what they have mounted" },
	{ OPT_FORCE, "force", 0, NULL, "leave its containers alone, on the old contents" },
	{ 0 },
};

static const struct option restore_options[] = {
	{ OPT_TO, "to", 0, "PATH", "put it there instead, from the root of the branch" },
	{ 0 },
};

static const struct option stash_restore_options[] = {
	{ OPT_AS, "as", 0, "NAME", "make a new branch of it; the present one stays" },
	{ OPT_LIVE, "live", 0, NULL, "as with rollback" },
	{ OPT_FORCE, "force", 0, NULL, "as with rollback" },
	{ 0 },
};

static const struct option trash_restore_options[] = {
	{ OPT_AS, "as", 0, "NAME", "under another name" },
	{ 0 },
};

static const struct option events_options[] = {
	{ OPT_FOLLOW, "follow", 'f', NULL, "print what happens from now on, as it does" },
	{ 0 },
};

static const struct option audit_options[] = {
	{ OPT_COUNT, "count", 'n', "COUNT", "at most so many, the newest" },
	{ OPT_VERIFY, "verify", 0, NULL, "check that nothing was changed or taken out" },
	{ 0 },
};

#define LIMIT_OPTION                                                           \
	{                                                                      \
		OPT_LIMIT, "limit", 0, "SIZE", "at most so much a second: 10M" \
	}

static const struct option peer_add_options[] = {
	{ OPT_LIMIT, "limit", 0, "SIZE",
	  "at most so much a second in each transfer that is begun here: 10M" },
	{ 0 },
};

#define TRANSFER_OPTIONS                                                                    \
	{ OPT_ALL, "all", 0, NULL,                                                          \
	  "all snapshots on the way, not only those with names or tags" },                  \
		{ OPT_ANEW, "anew", 0, NULL, "all contents, where no snapshot is common" }, \
		LIMIT_OPTION

static const struct option push_options[] = {
	{ OPT_AS, "as", 0, "NAME", "what the volume is to be called there" },
	TRANSFER_OPTIONS,
	{ 0 },
};

static const struct option fetch_options[] = {
	{ OPT_FROM, "from", 0, "PEER", "ask this peer, which has a copy" },
	{ OPT_AS, "as", 0, "NAME", "what the volume is to be called here" },
	TRANSFER_OPTIONS,
	{ 0 },
};

static const struct option pull_options[] = {
	{ OPT_FROM, "from", 0, "PEER", "ask this peer, which has a copy" },
	TRANSFER_OPTIONS,
	{ 0 },
};

static const struct option verify_options[] = {
	{ OPT_PEER, "peer", 0, "PEER", "compare with what this peer has" },
	{ 0 },
};

static const struct option pins_options[] = {
	{ OPT_PEER, "peer", 0, "PEER", "only those that are kept for it" },
	{ 0 },
};

static const struct option unpin_options[] = {
	{ OPT_PEER, "peer", 0, "PEER", "for whom it is kept; must be given" },
	{ OPT_FORCE, "force", 0, NULL, "although it costs that the next transfer sends all anew" },
	{ 0 },
};

static const struct option token_options[] = {
	{ OPT_ADDRESS, "address", 0, "HOST[:PORT]", "where this host is reached; may be repeated" },
	{ OPT_VALID, "valid", 0, "TIME", "how long it can be used: 10m, 2d (1h)" },
	{ 0 },
};

static const struct option issue_options[] = {
	{ OPT_NAME, "name", 0, "NAME", "whose it is, for people" },
	{ OPT_VALID, "valid", 0, "TIME", "how long it is good: 30d (1y)" },
	{ OPT_OUT, "out", 0, "DIR", "where the files go (the current directory)" },
	{ 0 },
};

static const struct option renew_options[] = {
	{ OPT_PEER, "peer", 0, "PEER", "the one that has the CA" },
	{ 0 },
};

static const struct option join_options[] = {
	{ OPT_ADDRESS, "address", 0, "HOST[:PORT]", "where this host is reached" },
	{ 0 },
};

static const struct option help_options[] = {
	{ OPT_TABLE, "table", 0, NULL, NULL },
	{ 0 },
};

#define GROUP_POOL "Setup"
#define GROUP_VOLUME "Volumes"
#define GROUP_PAST "Snapshots and tags"
#define GROUP_BRANCH "Branches"
#define GROUP_BACK "Going back"
#define GROUP_SYSTEM "User systems"
#define GROUP_PEER "Other hosts"
#define GROUP_TRASH "Removing"
#define GROUP_CONFIG "Configuration"
#define GROUP_OTHER "Other"

const struct command commands[] = {
	{ "pool create", GROUP_POOL, "", "make the pool that everything is kept in",
	  "Give one place: --file, --device, --directory, --zfs or --zfs-file. An instance has\n"
	  "one pool. The daemon opens it by itself from then on. A file is preallocated, so that\n"
	  "the host's disk cannot fill up under it; --sparse gives that up.",
	  pool_create_options, 0, 0, verb_pool_create },
	{ "pool show", GROUP_POOL, "", "show where the pool is, its size and health", NULL, NULL, 0,
	  0, verb_pool_show },
	{ "pool drivers", GROUP_POOL, "", "list the storage drivers, and which work here", NULL,
	  NULL, 0, 0, verb_pool_drivers },
	{ "pool grow", GROUP_POOL, "[SIZE]", "make the pool larger, while it is in use",
	  "SIZE is the new size in all. Without it the pool takes all that its device has.", NULL,
	  0, 1, verb_pool_grow },
	{ "pool recover", GROUP_POOL, "", "rebuild the catalogue from the pool",
	  "For a lost or damaged catalogue. The old one is put aside, not deleted.", NULL, 0, 0,
	  verb_pool_recover },
	{ "pool adopt", GROUP_POOL, "", "take over a pool that another instance made",
	  "Its volumes become this instance's. Without a place: the pool that the daemon\n"
	  "was told of but refused because it belongs to another instance.",
	  pool_adopt_options, 0, 0, verb_pool_adopt },

	{ "create", GROUP_VOLUME, "NAME", "make a volume",
	  "Prints where its contents are. With --from the new volume begins with the contents\n"
	  "of a snapshot of another and shares its space.",
	  create_options, 1, 1, verb_create },
	{ "import", GROUP_VOLUME, "NAME ARCHIVE", "make a volume or a branch of an archive",
	  "ARCHIVE is a tar file, plain or compressed, or '-' for standard input. NAME is a new\n"
	  "volume, or VOLUME/BRANCH. Prints where the contents are. What is refused or broken\n"
	  "off leaves nothing.",
	  import_options, 2, 2, verb_import },
	{ "export", GROUP_VOLUME, "REF[:PATH] ARCHIVE", "write contents into an archive",
	  "REF is a snapshot, tag or stash, or a branch as it is now. ARCHIVE is a file, which\n"
	  "appears when it is whole, or '-' for standard output.",
	  export_options, 2, 2, verb_export },
	{ "list", GROUP_VOLUME, "", "list the volumes", NULL, NULL, 0, 0, verb_list },
	{ "show", GROUP_VOLUME, "REF", "show a volume, branch, snapshot, tag or stash",
	  "The form of REF says what is shown: NAME a volume, NAME/BRANCH a branch,\n"
	  "NAME@{POINT} a snapshot, TAG@NAME a tag, stash/N@NAME a stash.",
	  NULL, 1, 1, verb_show },
	{ "rename", GROUP_VOLUME, "REF NAME", "rename a volume, branch, snapshot or tag", NULL,
	  NULL, 2, 2, verb_rename },
	{ "set", GROUP_VOLUME, "REF [KEY=VALUE...]", "set metadata and descriptions",
	  "REF is a volume or a snapshot.", set_options, 1, ANY_NUMBER, verb_set },
	{ "unset", GROUP_VOLUME, "REF [KEY...]", "remove metadata and descriptions",
	  "REF is a volume or a snapshot. A key that is not there is no error.", unset_options, 1,
	  ANY_NUMBER, verb_unset },
	{ "mount", GROUP_VOLUME, "REF", "make a branch or a snapshot visible, print its path",
	  "Branches are mounted when they are made. A snapshot is mounted read-only.", NULL, 1, 1,
	  verb_mount },
	{ "unmount", GROUP_VOLUME, "REF", "undo mount; refused while it is in use", NULL, NULL, 1,
	  1, verb_unmount },

	{ "snapshot", GROUP_PAST, "REF...", "take snapshots of branches as they are now",
	  "Prints a reference to each. They are durable when the command returns. Of several\n"
	  "branches all snapshots are taken, or none.",
	  snapshot_options, 1, ANY_NUMBER, verb_snapshot },
	{ "log", GROUP_PAST, "[REF]", "list what a branch has been, newest first",
	  "Follows a branch beyond its beginning, into the branch that it was made from. REF\n"
	  "may be left out where there is only one volume.",
	  log_options, 0, 1, verb_log },
	{ "policy show", GROUP_PAST, "REF", "show when a branch is snapshotted and what stays",
	  "A volume stands for its trunk.", NULL, 1, 1, verb_policy_show },
	{ "policy set", GROUP_PAST, "REF RULE=VALUE...", "change that",
	  "A policy that contradicts itself is refused.", NULL, 2, ANY_NUMBER, verb_policy_set },
	{ "policy unset", GROUP_PAST, "REF RULE...", "go by the instance's rules again", NULL, NULL,
	  2, ANY_NUMBER, verb_policy_unset },
	{ "hook list", GROUP_PAST, "[REF]", "list the hooks of a branch, or of all",
	  "A hook makes what uses a branch hold still while a snapshot of it is taken, or while "
	  "it\n"
	  "is rolled back.",
	  NULL, 0, 1, verb_hook_list },
	{ "hook available", GROUP_PAST, "", "list the hooks that there are",
	  "Those that come with Flocker, and the administrator's.", NULL, 0, 0,
	  verb_hook_available },
	{ "hook set", GROUP_PAST, "REF HOOK", "give a branch a hook, or say anew what it is told",
	  "A hook that fails does not keep a snapshot from being taken, which says so then; with\n"
	  "--required it does. It always keeps a branch from being rolled back.",
	  hook_options, 2, 2, verb_hook_set },
	{ "hook unset", GROUP_PAST, "REF HOOK", "take a hook away from a branch", NULL, NULL, 2, 2,
	  verb_hook_unset },
	{ "thin", GROUP_PAST, "[REF]", "delete the snapshots that the policy does not keep",
	  "Of one branch, or of all. The daemon does so by itself, little by little; this does\n"
	  "all of it now. What is pinned or in use stays.",
	  thin_options, 0, 1, verb_thin },
	{ "diff", GROUP_PAST, "REF[:PATH] [REF[:PATH]]", "list what differs between two moments",
	  "Between the first and the second, or what its branch holds now. A line for each path:\n"
	  "+ added, - removed, M modified, a only its attributes, T its type, R renamed. With a\n"
	  "PATH, which counts for both unless each has its own, of that file or directory alone.",
	  diff_options, 1, 2, verb_diff },
	{ "ls", GROUP_PAST, "REF[:PATH]", "list files, of any moment",
	  "What a directory holds, or one file; nothing is mounted for it. No symbolic link leads\n"
	  "out of the volume.",
	  NULL, 1, 1, verb_ls },
	{ "cat", GROUP_PAST, "REF:PATH...", "print files, of any moment",
	  "To standard output, byte by byte.", NULL, 1, ANY_NUMBER, verb_cat },
	{ "cp", GROUP_PAST, "REF[:PATH] DEST", "copy a file or directory of any moment to the host",
	  "DEST is a name, a directory, or '-' for standard output. A directory comes with all "
	  "that\n"
	  "is in it, and is there when it is whole.",
	  cp_options, 2, 2, verb_cp },
	{ "versions", GROUP_PAST, "REF:PATH", "list the contents that a file had",
	  "Newest first: each with the snapshots, from the first to the last, that hold it.", NULL,
	  1, 1, verb_versions },
	{ "run", GROUP_PAST, "REF -- COMMAND...", "run a command between two snapshots",
	  "In the branch's directory, as the user who calls. Prints what it changed to standard\n"
	  "error, and ends as the command does.",
	  NULL, 2, ANY_NUMBER, verb_run },
	{ "tag", GROUP_PAST, "TAG@VOLUME [REF]", "name a moment for good",
	  "REF is what gets the tag; without it the live contents of trunk, of which a\n"
	  "snapshot is taken.",
	  NULL, 1, 2, verb_tag },
	{ "untag", GROUP_PAST, "TAG@VOLUME", "remove a tag; its snapshot stays", NULL, NULL, 1, 1,
	  verb_untag },
	{ "tags", GROUP_PAST, "VOLUME", "list the tags of a volume", NULL, NULL, 1, 1, verb_tags },

	{ "branch", GROUP_BRANCH, "VOLUME/NEW", "make a branch and mount it",
	  "Prints where its contents are. It takes no space until it is written.", branch_options,
	  0, 1, verb_branch },
	{ "branches", GROUP_BRANCH, "[VOLUME]", "list the branches of a volume, or all", NULL, NULL,
	  0, 1, verb_branches },

	{ "rollback", GROUP_BACK, "REF", "make a branch what it was",
	  "REF@{POINT} goes back to that point: mydata@{10m ago}, mydata@{-3},\n"
	  "mydata@{before-upgrade}. REF --to REF goes to any snapshot, tag or stash of the\n"
	  "volume. What the branch was is stashed first, so nothing is lost. Containers that\n"
	  "run on it are stopped and started again. On a terminal it shows what will be\n"
	  "undone, and asks.",
	  rollback_options, 1, 1, verb_rollback },
	{ "restore", GROUP_BACK, "REF:PATH", "put back one file or directory",
	  "As it was in a snapshot, tag or stash: into the live contents of its branch, in the\n"
	  "place of what is there now. What the branch was is stashed first.",
	  restore_options, 1, 1, verb_restore },
	{ "stash list", GROUP_BACK, "VOLUME", "list what rollbacks put aside", NULL, NULL, 1, 1,
	  verb_stash_list },
	{ "stash show", GROUP_BACK, "stash/N@VOLUME", "show one of them", NULL, NULL, 1, 1,
	  verb_stash_show },
	{ "stash restore", GROUP_BACK, "stash/N@VOLUME", "go back to before a rollback",
	  "The branch becomes what it was; what it is now is stashed in turn. The stash stays\n"
	  "until it is dropped.",
	  stash_restore_options, 1, 1, verb_stash_restore },
	{ "stash drop", GROUP_BACK, "stash/N@VOLUME", "forget one of them", NULL, NULL, 1, 1,
	  verb_stash_drop },

	{ "system create", GROUP_SYSTEM, "REF", "make a branch a user system",
	  "The branch holds the tree of an operating system; with --from it is made of an archive\n"
	  "first, as 'import' does. Prints where the tree is. It is not started yet.",
	  system_create_options, 1, 1, verb_system_create },
	{ "system list", GROUP_SYSTEM, "", "list the user systems", NULL, NULL, 0, 0,
	  verb_system_list },
	{ "system show", GROUP_SYSTEM, "SYSTEM", "show how a system is, and its settings",
	  "SYSTEM is the reference of its branch.", NULL, 1, 1, verb_system_show },
	{ "system set", GROUP_SYSTEM, "SYSTEM SETTING=VALUE...", "change how it is run",
	  "Counts from its next start. Nothing behind the = gives a setting its default again.\n"
	  "There are init, env.NAME, user, directory, hostname, stop-signal, stop-timeout,\n"
	  "restart, memory, cpus, pids and network; 'system show' tells each.",
	  NULL, 2, ANY_NUMBER, verb_system_set },
	{ "system start", GROUP_SYSTEM, "SYSTEM", "start it, now and with the daemon",
	  "Returns when its init runs. An init that ends at once is an error, with its last words.",
	  NULL, 1, 1, verb_system_start },
	{ "system stop", GROUP_SYSTEM, "SYSTEM", "stop it, until it is started again",
	  "Its stop signal, and SIGKILL when stop-timeout is over.", NULL, 1, 1, verb_system_stop },
	{ "system restart", GROUP_SYSTEM, "SYSTEM", "stop it and start it again", NULL, NULL, 1, 1,
	  verb_system_restart },
	{ "system console", GROUP_SYSTEM, "SYSTEM", "print what it has written",
	  "What its init and what that started wrote to their standard output and error.",
	  console_options, 1, 1, verb_system_console },
	{ "system exec", GROUP_SYSTEM, "SYSTEM -- COMMAND...",
	  "run a command in a system that runs",
	  "Ends as the command does. It is ended when this command is.", exec_options, 2,
	  ANY_NUMBER, verb_system_exec },
	{ "system destroy", GROUP_SYSTEM, "SYSTEM", "make it a mere branch again; its data stays",
	  "Stops it first.", NULL, 1, 1, verb_system_destroy },

	{ "peer add", GROUP_PEER, "NAME ADDRESS", "make another instance a peer",
	  "ADDRESS is HOST or HOST:PORT, of a member of the same cluster ('ca init', 'join'), or\n"
	  "ssh://[USER@]HOST. NAME is what it calls itself. Of one that is a peer already the\n"
	  "address changes, and with --limit the limit (0: none). For root alone.",
	  peer_add_options, 2, 2, verb_peer_add },
	{ "peer list", GROUP_PEER, "", "list the peers", NULL, NULL, 0, 0, verb_peer_list },
	{ "peer show", GROUP_PEER, "PEER", "ask a peer how it is and what it has", NULL, NULL, 1, 1,
	  verb_peer_show },
	{ "peer remove", GROUP_PEER, "PEER", "forget a peer; what is here of its volumes stays",
	  "What was kept so that the next transfer is small may go, and what was half received\n"
	  "goes. For another address or limit: 'peer add' once more.",
	  NULL, 1, 1, verb_peer_remove },
	{ "push", GROUP_PEER, "REF PEER", "send a branch, a snapshot or a tag to a peer",
	  "Of a branch what it is now, and its named and tagged past; only what is not there yet.\n"
	  "A link that is cut is made again, and it goes on where it was.",
	  push_options, 2, 2, verb_push },
	{ "fetch", GROUP_PEER, "REMOTE", "get what a peer has of a branch, a snapshot or a tag",
	  "REMOTE is PEER/VOLUME, PEER/VOLUME/BRANCH, a snapshot of that (@{POINT}, as the\n"
	  "peer means it), or with --from any reference. It becomes a remote branch here, or\n"
	  "moves one on; no branch of this host changes. A volume goes by its name here, as\n"
	  "`flocker remotes` shows it, and by the peer's where it is not here yet.",
	  fetch_options, 1, 1, verb_fetch },
	{ "pull", GROUP_PEER, "REF", "move a branch forward to what it began from",
	  "Fetches the remote branch that REF was made from, and brings REF to its newest.\n"
	  "Refused where REF has changes of its own.",
	  pull_options, 1, 1, verb_pull },
	{ "remotes", GROUP_PEER, "[VOLUME]", "list what is here of other hosts' branches", NULL,
	  NULL, 0, 1, verb_remotes },
	{ "verify", GROUP_PEER, "REF", "compare all of a snapshot with a peer's",
	  "By a digest over contents and attributes. Of a branch its newest snapshot. Ends with\n"
	  "status 12 where they differ.",
	  verify_options, 1, 1, verb_verify },
	{ "pins", GROUP_PEER, "[REF]", "list the snapshots that are kept for peers", NULL,
	  pins_options, 0, 1, verb_pins },
	{ "unpin", GROUP_PEER, "REF", "keep them no longer",
	  "Refused without --force, saying what it costs. REF is a branch, or a volume for all.",
	  unpin_options, 1, 1, verb_unpin },
	{ "ca init", GROUP_PEER, "", "make a cluster: this host has its CA",
	  "For root alone, as all that changes certificates.", NULL, 0, 0, verb_ca_init },
	{ "ca token", GROUP_PEER, "", "let another host join: prints the command for it",
	  "On the host that has the CA. The token is a secret, and is good once.", token_options, 0,
	  0, verb_ca_token },
	{ "ca issue", GROUP_PEER, "ROLE ID", "issue a certificate",
	  "ROLE is node, plugin, admin, operate, read or user; ID a node's UUID, else a name.\n"
	  "Writes ID.key, ID.crt and ca.crt.",
	  issue_options, 2, 2, verb_ca_issue },
	{ "ca renew", GROUP_PEER, "", "renew this host's certificate", NULL, renew_options, 0, 0,
	  verb_ca_renew },
	{ "ca revoke", GROUP_PEER, "CERTIFICATE", "revoke certificates for ever",
	  "CERTIFICATE is a serial number, or the name or id of a holder: all that it has.", NULL,
	  1, 1, verb_ca_revoke },
	{ "ca show", GROUP_PEER, "", "show the certificates of this host and its cluster", NULL,
	  NULL, 0, 0, verb_ca_show },
	{ "ca leave", GROUP_PEER, "", "leave the cluster",
	  "The certificate here is deleted. To come back: on the host with the CA\n"
	  "'ca revoke NAME' and 'ca token', then 'join' here.",
	  NULL, 0, 0, verb_ca_leave },
	{ "join", GROUP_PEER, "TOKEN", "join the cluster of the host that made the token",
	  "Each becomes a peer of the other.", join_options, 1, 1, verb_join },

	{ "destroy", GROUP_TRASH, "REF...", "destroy volumes, branches, snapshots, tags, stashes",
	  "Volumes and branches go to the trash, and their names are free at once. Snapshots,\n"
	  "tags and stashes are gone, and so is a remote branch: its writer has it. Refused for\n"
	  "what is in use.",
	  NULL, 1, ANY_NUMBER, verb_destroy },
	{ "trash list", GROUP_TRASH, "", "list what is in the trash", NULL, NULL, 0, 0,
	  verb_trash_list },
	{ "trash restore", GROUP_TRASH, "ITEM", "bring back a volume or a branch",
	  "ITEM is the name that it had, or its UUID.", trash_restore_options, 1, 1,
	  verb_trash_restore },
	{ "trash empty", GROUP_TRASH, "[ITEM]", "remove one item for good, or all", NULL, NULL, 0,
	  1, verb_trash_empty },

	{ "config list", GROUP_CONFIG, "", "list all settings of the daemon", NULL, NULL, 0, 0,
	  verb_config_list },
	{ "config get", GROUP_CONFIG, "SETTING", "print the value of a setting", NULL, NULL, 1, 1,
	  verb_config_get },
	{ "config set", GROUP_CONFIG, "SETTING VALUE", "change a setting",
	  "It counts at once; where it needs a restart of the daemon, the command says so.", NULL,
	  2, 2, verb_config_set },
	{ "config unset", GROUP_CONFIG, "SETTING", "give a setting its default again", NULL, NULL,
	  1, 1, verb_config_unset },
	{ "operations", GROUP_OTHER, "", "list imports, exports, restores and transfers", NULL,
	  NULL, 0, 0, verb_operations },
	{ "operation show", GROUP_OTHER, "ID", "show one of them", NULL, NULL, 1, 1,
	  verb_operation_show },
	{ "operation cancel", GROUP_OTHER, "ID", "make one stop",
	  "ID is as many of its first digits as tell it from the others.", NULL, 1, 1,
	  verb_operation_cancel },

	{ "status", GROUP_OTHER, "", "show how it goes: what is not saved, and what fails",
	  "In a few lines: branches that were changed and not saved yet, what fails by itself,\n"
	  "when the pool will be full, what thinning does, what runs.",
	  NULL, 0, 0, verb_status },
	{ "events", GROUP_OTHER, "", "list what has happened since the daemon was started",
	  "Oldest first: changes that were made, and what the daemon did by itself.",
	  events_options, 0, 0, verb_events },
	{ "audit", GROUP_OTHER, "", "list who changed what, newest first",
	  "Every request that changes something is recorded, also where it was refused. With\n"
	  "--verify the log is checked instead: each record holds the hash of the one before.",
	  audit_options, 0, 0, verb_audit },
	{ "version", GROUP_OTHER, "", "print the versions of command and daemon", NULL, NULL, 0, 0,
	  verb_version },
	{ "help", GROUP_OTHER, "[COMMAND]", "explain a command", NULL, help_options, 0, 2,
	  verb_help },
	{ "complete", NULL, "[WORD...]", "print what the last WORD may become, for shells",
	  "The words are those after 'flocker', each its own, up to the cursor.", NULL, 0,
	  ANY_NUMBER, verb_complete },
	{ 0 },
};
