#include "container/inside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void an_id_is_found_wherever_an_engine_puts_it(void)
{
	static const char *const texts[] = {
		"12:pids:/docker/" ID "\n1:name=systemd:/docker/" ID "\n",
		"0::/system.slice/docker-" ID ".scope\n",
		"0::/machine.slice/libpod-" ID ".scope/container\n",
		"9:freezer:/user/abcdef/" ID "/init\n",
		("0::/" ID),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char id[CONTAINER_ID] = "";

		container_id_in(texts[i], id);
		check_string(id, ID);
	}
}

static void nothing_else_is_one(void)
{
	static const char *const texts[] = {
		"",
		"0::/\n",
		"0::/user.slice/user-1000.slice/session-2.scope\n",
		"0::/docker/" ID "0\n",
		"0::/docker/0" ID "\n",
		"0::/docker/0123456789abcdef\n",
		"0::/docker/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef\n",
		"0::/machine.slice/libpod-conmon-" ID ".scope\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char id[CONTAINER_ID] = "before";

		container_id_in(texts[i], id);
		check_string(id, "");
	}
}

static void of_containers_within_each_other_the_outermost_counts(void)
{
	static const char text[] = "0::/docker/" ID "/docker/" OTHER "\n";
	char id[CONTAINER_ID] = "";

	container_id_in(text, id);
	check_string(id, ID);
}

static void a_process_that_has_ended_is_in_none(void)
{
	char id[CONTAINER_ID] = "before";

	container_id_of(-1, id);
	check_string(id, "");
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (const struct check[]){
				  CHECK(an_id_is_found_wherever_an_engine_puts_it),
				  CHECK(nothing_else_is_one),
				  CHECK(of_containers_within_each_other_the_outermost_counts),
				  CHECK(a_process_that_has_ended_is_in_none),
				  CHECK_END,
			  });
}
