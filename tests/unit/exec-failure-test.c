#include "container/exec-failure.h"

#include <string.h>

#include "tests/check.h"

#define ERROR(message) \
	"{\"level\":\"error\",\"msg\":\"" message "\",\"time\":\"2026-11-22T05:37:30Z\"}\n"

static void check_failure(const char *log, int wanted, const char *says)
{
	own_text struct text words = { 0 };
	int status = 0;

	check(exec_failure_parse(log, "tool", "the system web/trunk", &status, &words));
	check(status == wanted);
	check_string(says, text_get(&words));
}

static void a_missing_program_is_127(void)
{
	const char *says = "there is no program 'tool' in the system web/trunk";

	check_failure(ERROR("exec failed: unable to start container process: exec: \\\"tool\\\": "
			    "executable file not found in $PATH"),
		      127, says);
	check_failure("{\"msg\":\"executable file `tool` not found in $PATH: No such file or "
		      "directory\",\"level\":\"error\"}",
		      127, says);
	check_failure(ERROR("exec: \\\"/tool\\\": stat /tool: no such file or directory"), 127,
		      "'tool' can't be run in the system web/trunk: exec: \"/tool\": stat /tool: "
		      "no such file or directory");
}

static void what_can_not_be_run_is_126(void)
{
	check_failure(ERROR("exec: \\\"/etc\\\": permission denied"), 126,
		      "'tool' can't be run in the system web/trunk: exec: \"/etc\": permission "
		      "denied");
	check_failure(ERROR("first") ERROR("a\\nb"), 126,
		      "'tool' can't be run in the system web/trunk: a?b");
	check_failure("{\"level\":\"fatal\",\"msg\":\"it is stopped\"}", 126,
		      "'tool' can't be run in the system web/trunk: it is stopped");
}

static void what_is_no_error_is_none(void)
{
	static const char *const logs[] = {
		"",
		"\n\n",
		"no JSON: level=error",
		"{\"level\":\"warning\",\"msg\":\"no cpuset\"}\n",
		"{\"level\":\"error\"}",
		"[\"error\"]",
	};

	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		own_text struct text words = { 0 };
		int status;

		check(!exec_failure_parse(logs[i], "tool", "there", &status, &words));
		check(words.length == 0);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){ CHECK(a_missing_program_is_127),
					    CHECK(what_can_not_be_run_is_126),
					    CHECK(what_is_no_error_is_none), CHECK_END });
}
