# What the hooks that come with Flocker share.  Read by them, never run.
# The dialogue is described in docs/hooks.md.

# The dialogue's end, and the hook's: why it failed.
fail() {
	echo "failed $*"
	exit 1
}

# Fails for a setting that this hook does not know: take_settings KEY...
take_settings() {
	for given in $(env | sed -n 's/^FLOCKER_SET_\([A-Z0-9_]*\)=.*/\1/p'); do
		known=
		for key; do
			[ "$given" = "$key" ] && known=yes
		done
		[ "$known" ] || fail "it has no setting '$(echo "$given" | tr A-Z_ a-z-)'"
	done
}

# Sets $directory: where in the branch the server's files are.
find_directory() {
	[ -n "$FLOCKER_PATH" ] || fail "the branch is not mounted"
	case "/${FLOCKER_SET_DIRECTORY:-.}/" in
	*/../* | //*) fail "'directory' is a path in the branch, without '..'" ;;
	esac
	# readlink, since the realpath of small systems has no options.
	directory=$(readlink -f -- "$FLOCKER_PATH/${FLOCKER_SET_DIRECTORY:-.}") && [ -e "$directory" ] ||
		fail "the branch has no directory '${FLOCKER_SET_DIRECTORY:-}'"
	head=$(readlink -f -- "$FLOCKER_PATH")
	is_in_branch "$directory" || fail "'directory' leads out of the branch"
}

# After find_directory: does the path, without symbolic links, lie in the branch?
is_in_branch() {
	case "$1/" in
	"$head"/*) return 0 ;;
	esac
	return 1
}

# A database's server works in the directory of its files, in whatever container it runs.
# Is there one?  Sets $server to its process: find_server NAME...
find_server() {
	for process in /proc/[0-9]*; do
		# shellcheck disable=SC3013 # dash, bash, busybox and ksh have it
		[ "$process/cwd" -ef "$directory" ] || continue
		read -r server_name <"$process/comm" || continue
		for wanted; do
			server=${process#/proc/}
			[ "$server_name" = "$wanted" ] && return 0
		done
	done 2>/dev/null
	return 1
}

# Before a rollback nothing may run on the files, since those that it has open stay
# the old ones: answer_rollback TITLE NAME...
answer_rollback() {
	title=$1
	shift
	find_server "$@" && fail "$title (process $server) runs on $directory; stop it first"
	echo ready
	read -r word || exit 0
	# It may have been started meanwhile.
	find_server "$@" && fail "$title (process $server) was started meanwhile; start it again"
	echo "done"
	exit 0
}

# Nothing runs: the files hold still by themselves.
answer_stopped() {
	echo ready
	read -r word || exit 0
	echo "done"
	exit 0
}
