#include "model/system.h"

#include <signal.h>

#include "base/clock.h"
#include "tests/check.h"

static struct fl_error err;

/* Reads one setting. */
static int set(const char *key, const char *value, struct system_settings *ret)
{
	own_metadata struct metadata texts = { 0 };

	check_ok(metadata_set(&texts, key, value, &err));
	return system_read(&texts, ret, &err);
}

static void what_was_not_set_has_a_default(void)
{
	own_system_settings struct system_settings settings = { 0 };

	check_ok(system_read(NULL, &settings, &err));
	check_string("/sbin/init", settings.init[0]);
	check(!settings.init[1]);
	check_string("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		     settings.environment[0]);
	check_string("container=oci", settings.environment[1]);
	check(!settings.environment[2]);
	check(settings.uid == 0 && settings.gid == 0);
	check_string("/", settings.directory);
	check_string("", settings.hostname);
	check(settings.stop_signal == SIGTERM && settings.stop_timeout == 10 * CLOCK_SECOND);
	check(settings.restart == SYSTEM_RESTART_ON_FAILURE);
	check(settings.memory == 0 && settings.cpus == 0 && settings.pids == 4096);
	check(settings.network == SYSTEM_NETWORK_NONE);
}

static void every_setting_counts(void)
{
	static const char *const pairs[][2] = {
		{ "user", "101:102" },	  { "directory", "/srv" },  { "hostname", "db-1" },
		{ "stop-signal", "INT" }, { "stop-timeout", "1m" }, { "restart", "always" },
		{ "memory", "512M" },	  { "cpus", "1.5" },	    { "pids", "64" },
		{ "network", "host" },	  { "init", "/bin/sh -c" }, { "env.LANG", "C.UTF-8" },
	};
	own_metadata struct metadata texts = { 0 };
	own_system_settings struct system_settings settings = { 0 };

	for (size_t i = 0; i < array_size(pairs); i++)
		check_ok(metadata_set(&texts, pairs[i][0], pairs[i][1], &err));
	check_ok(system_read(&texts, &settings, &err));
	check(settings.uid == 101 && settings.gid == 102);
	check_string("/srv", settings.directory);
	check_string("db-1", settings.hostname);
	check(settings.stop_signal == SIGINT && settings.stop_timeout == CLOCK_MINUTE);
	check(settings.restart == SYSTEM_RESTART_ALWAYS);
	check(settings.memory == 512 << 20 && settings.cpus == 1500 && settings.pids == 64);
	check(settings.network == SYSTEM_NETWORK_HOST);
	check_string("/bin/sh", settings.init[0]);
	check_string("-c", settings.init[1]);
	check_string("LANG=C.UTF-8", settings.environment[0]);
	check(settings.environment[1] && settings.environment[2] && !settings.environment[3]);
}

static void commands_are_split_as_shells_do(void)
{
	static const struct {
		const char *text;
		const char *words[6];
	} cases[] = {
		{ "/a", { "/a" } },
		{ "  /a   b  ", { "/a", "b" } },
		{ "/a 'b c' \"d e\"", { "/a", "b c", "d e" } },
		{ "/a ''", { "/a", "" } },
		{ "/a \"\" b", { "/a", "", "b" } },
		{ "/a b'c'\"d\"e", { "/a", "bcde" } },
		{ "/a b\\ c \\\\ \\'", { "/a", "b c", "\\", "'" } },
		{ "/a \"b\\\"c\\\\d\\n\\$e\"", { "/a", "b\"c\\d\\n$e" } },
		{ "/a 'b\\' c", { "/a", "b\\", "c" } },
		{ "/a $HOME * ~ #b", { "/a", "$HOME", "*", "~", "#b" } },
		{ "'/a b' c", { "/a b", "c" } },
	};
	static const char *const bad[] = {
		"",	  "   ",    "sh",   "./sh",	"''",	  "/a 'b",
		"/a \"b", "/a b\\", "/a '", "/a \"b\\", "\"sh\"",
	};
	size_t word;

	for (size_t i = 0; i < array_size(cases); i++) {
		own_system_settings struct system_settings settings = { 0 };

		check_ok(set("init", cases[i].text, &settings));
		for (word = 0; cases[i].words[word] && settings.init[word]; word++)
			check_string(cases[i].words[word], settings.init[word]);
		check(!cases[i].words[word] && !settings.init[word]);
	}
	for (size_t i = 0; i < array_size(bad); i++) {
		struct system_settings settings;

		if (set("init", bad[i], &settings) != -FL_INVALID)
			check_failed(__FILE__, __LINE__, "accepted", bad[i]);
	}
}

static void what_is_set_goes_before_what_systems_find(void)
{
	own_system_settings struct system_settings settings = { 0 };

	check_ok(set("env.PATH", "/bin", &settings));
	check_string("PATH=/bin", settings.environment[0]);
	check_string("container=oci", settings.environment[1]);
	check(!settings.environment[2]);
	system_settings_done(&settings);
	check_ok(set("env.PATHS", "", &settings));
	check_string("PATHS=", settings.environment[0]);
	check(settings.environment[1] && settings.environment[2] && !settings.environment[3]);
}

static void a_user_alone_is_its_group_too(void)
{
	own_system_settings struct system_settings settings = { 0 };

	check_ok(set("user", "4294967294", &settings));
	check(settings.uid == 4294967294U && settings.gid == 4294967294U);
}

static void signals_have_names_and_numbers(void)
{
	const struct {
		const char *text;
		int number;
	} cases[] = {
		{ "SIGTERM", SIGTERM }, { "TERM", SIGTERM },	     { "PWR", SIGPWR },
		{ "SIGHUP", SIGHUP },	{ "SYS", SIGSYS },	     { "9", SIGKILL },
		{ "RTMIN", SIGRTMIN },	{ "RTMIN+3", SIGRTMIN + 3 }, { "SIGRTMIN+3", SIGRTMIN + 3 },
		{ "RTMAX", SIGRTMAX },	{ "RTMAX-2", SIGRTMAX - 2 }, { "64", 64 },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_system_settings struct system_settings settings = { 0 };

		check_ok(set("stop-signal", cases[i].text, &settings));
		check(settings.stop_signal == cases[i].number);
	}
}

static void parts_of_processors_are_thousandths(void)
{
	static const struct {
		const char *text;
		unsigned thousandths;
	} cases[] = {
		{ "0", 0 },	  { "0.0", 0 },	    { "0.01", 10 },
		{ "0.5", 500 },	  { "0.05", 50 },   { "2", 2000 },
		{ "1.25", 1250 }, { "0.125", 125 }, { "1024", 1024000 },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_system_settings struct system_settings settings = { 0 };

		check_ok(set("cpus", cases[i].text, &settings));
		check(settings.cpus == cases[i].thousandths);
	}
}

static void nonsense_is_refused(void)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "env.", "x" },
		{ "env.1A", "x" },
		{ "env.A-B", "x" },
		{ "env.A.B", "x" },
		{ "user", "root" },
		{ "user", "" },
		{ "user", "0:" },
		{ "user", ":0" },
		{ "user", "1:2:3" },
		{ "user", "-1" },
		{ "user", "4294967295" },
		{ "directory", "srv" },
		{ "directory", "" },
		{ "hostname", "-a" },
		{ "hostname", "a b" },
		{ "hostname", "" },
		{ "stop-signal", "" },
		{ "stop-signal", "SIG" },
		{ "stop-signal", "0" },
		{ "stop-signal", "65" },
		{ "stop-signal", "term" },
		{ "stop-signal", "NOPE" },
		{ "stop-signal", "RTMIN-1" },
		{ "stop-signal", "RTMIN+" },
		{ "stop-signal", "RTMIN+31" },
		{ "stop-signal", "RTMAX+1" },
		{ "stop-signal", "RTMINUTE" },
		{ "stop-timeout", "10" },
		{ "stop-timeout", "25h" },
		{ "stop-timeout", "" },
		{ "restart", "never" },
		{ "restart", "" },
		{ "memory", "4095K" },
		{ "memory", "lots" },
		{ "memory", "-1" },
		{ "cpus", "0.001" },
		{ "cpus", "1.2345" },
		{ "cpus", "1." },
		{ "cpus", ".5" },
		{ "cpus", "half" },
		{ "cpus", "1024.5" },
		{ "cpus", "1025" },
		{ "pids", "many" },
		{ "pids", "4194305" },
		{ "network", "bridge" },
		{ "network", "" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct system_settings settings;

		if (set(cases[i].key, cases[i].value, &settings) != -FL_INVALID)
			check_failed(__FILE__, __LINE__, cases[i].key, cases[i].value);
		check(strstr(err.text, cases[i].key) && strncmp(err.hint, "it takes ", 9) == 0);
	}
}

static void an_unknown_setting_is_told_which_there_are(void)
{
	struct system_settings settings;
	enum system_key key;

	check_code(FL_INVALID, set("colour", "red", &settings));
	check_string("a system has no setting 'colour'", err.text);
	check(strstr(err.hint, "there are init, env.NAME, user, directory, hostname, stop-signal"));
	check_code(FL_NOT_FOUND, system_find("env", &key, &err));
	check_ok(system_find("env.HOME", &key, &err));
	check(key == SYSTEM_KEY_ENVIRONMENT);
	check_ok(system_find("pids", &key, &err));
	check(key == SYSTEM_KEY_PIDS);
}

static void a_host_is_called_as_its_branch(void)
{
	own_system_settings struct system_settings settings = { 0 }, named = { 0 };
	char name[SYSTEM_HOSTNAME], volume[64];

	check_ok(system_read(NULL, &settings, &err));
	system_hostname(&settings, "mydata", "trunk", name);
	check_string("mydata-trunk", name);
	memset(volume, 'v', sizeof(volume) - 1);
	volume[sizeof(volume) - 1] = '\0';
	system_hostname(&settings, volume, "test", name);
	check(strlen(name) == SYSTEM_HOSTNAME - 1 && name[63] == '-');
	check_ok(set("hostname", "db", &named));
	system_hostname(&named, "mydata", "trunk", name);
	check_string("db", name);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_was_not_set_has_a_default),
				  CHECK(every_setting_counts),
				  CHECK(commands_are_split_as_shells_do),
				  CHECK(what_is_set_goes_before_what_systems_find),
				  CHECK(a_user_alone_is_its_group_too),
				  CHECK(signals_have_names_and_numbers),
				  CHECK(parts_of_processors_are_thousandths),
				  CHECK(nonsense_is_refused),
				  CHECK(an_unknown_setting_is_told_which_there_are),
				  CHECK(a_host_is_called_as_its_branch),
				  CHECK_END,
			  });
}
