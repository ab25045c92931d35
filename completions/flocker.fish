# fish completion for flocker(1): asks `flocker complete`, which knows all commands, options and names.

function __flocker_complete
	set -l words (commandline -opc)
	set -l command $words[1]
	set -e words[1]
	set -l typed (commandline -ct)
	# A brace that is neither quoted nor escaped is fish's own, and what fish would put behind it is refused.
	if string match -qr '^(\\\\.|[^\\\\\'"{])*\{' -- $typed
		return
	end
	# A quote that is still open cannot be taken away by unescaping.
	set -l word (string unescape -- $typed; or string replace -r '^[\'"]' '' -- $typed)
	set -l found (command $command complete -- $words "$word" 2>/dev/null)
	set -l first (string split \t -- $found[1])
	switch "$first[1]"
		case :files :directories
			set -l before $first[2]
			set -l path (string sub -s (math 1 + (string length -- "$before")) -- "$word")
			set -l candidates
			if test $first[1] = :files
				set candidates (__fish_complete_path "$path")
			else
				set candidates (__fish_complete_directories "$path" "")
			end
			for candidate in $candidates
				echo -- $before$candidate
			end
		case '*'
			string join \n -- $found
	end
end

complete -c flocker -k -f -a '(__flocker_complete)'
