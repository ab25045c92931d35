# bash completion for flocker(1): asks `flocker complete`, which knows all commands, options and names.

# The words of a line without their quotes, into `words`; the last one is that at the cursor.
_flocker_split()
{
	local line=$1 word= quote= begun= i c

	words=()
	for ((i = 0; i < ${#line}; i++)); do
		c=${line:i:1}
		if [[ $quote == "'" && $c != "'" ]]; then
			word+=$c
		elif [[ $c == \\ ]]; then
			((++i))
			word+=${line:i:1}
		elif [[ $c == "$quote" ]]; then
			quote=
		elif [[ $quote ]]; then
			word+=$c
		elif [[ $c == [\'\"] ]]; then
			quote=$c
		elif [[ $c == [[:space:]] ]]; then
			[[ $begun ]] && words+=("$word")
			word= begun=
			continue
		else
			word+=$c
		fi
		begun=1
	done
	words+=("$word")
}

# The paths that begin with $1, of directories alone if $2 is "directory"; each ends with a NUL, as
# a name may hold anything else.
_flocker_paths()
{
	local path

	set +f
	shopt -s nullglob dotglob
	shopt -u failglob
	for path in "$1"*; do
		[[ $2 != directory || -d $path ]] && printf '%s\0' "$path"
	done
}

# bash takes words apart at @ : and =, and replaces only the part $2 of the word at the cursor.  So
# candidates, which are whole words, are cut by what stands before that part.
_flocker()
{
	local words word part cut line kind

	part=$2
	_flocker_split "${COMP_LINE:0:COMP_POINT}"
	word=${words[-1]}
	# With or without its quotes, as bash likes it.
	[[ $word == *"$part" ]] || part=$(_flocker_split "$part" && printf %s "${words[-1]}")
	cut=${word%"$part"}
	mapfile -t COMPREPLY < <("$1" complete -- "${words[@]:1}" 2>/dev/null)
	kind=${COMPREPLY[0]-}
	case $kind in
	:files* | :directories*)
		compopt -o filenames
		line=${kind#*$'\t'}
		word=${word#"$line"}
		cut=${cut#"$line"}
		[[ $kind == :files* ]] && kind=file || kind=directory
		if [[ $word == \~* ]]; then
			mapfile -t COMPREPLY < <(compgen -A "$kind" -- "$word")
		else
			mapfile -d '' -t COMPREPLY < <(_flocker_paths "$word" "$kind")
		fi
		;;
	*)
		COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
		[[ ${COMPREPLY[0]-} == *[/=] ]] && compopt -o nospace
		;;
	esac
	COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}

complete -F _flocker flocker
