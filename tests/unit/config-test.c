/* The table of settings; the file and the daemon are for tests/scenario/test_config.py. */
#include "config/config.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "tests/check.h"

#define PAGE SOURCE_ROOT "/man/flocker.ini.5.scd"

static void defaults_are_good_values(void)
{
	struct fl_error err;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_row *row = &config_rows[i];

		check(row->name && strchr(row->name, '.') && row->description);
		if (row->initial)
			check_ok(config_check(row, row->initial, &err));
	}
}

static void without_a_configuration_the_defaults_count(void)
{
	own_free char *level = config_string(NULL, CONFIG_LOG_LEVEL);

	check(config_duration(NULL, CONFIG_TRASH_KEEP) == 7 * CLOCK_DAY);
	check(config_number(NULL, CONFIG_HTTP_CONNECTIONS) == 512);
	check_string("info", level);
}

static void the_nearest_name_is_told(void)
{
	enum config_key key = CONFIG_KEYS;
	struct fl_error err;

	check_ok(config_find("http.timeout", &key, &err));
	check(key == CONFIG_HTTP_TIMEOUT);
	check_code(FL_NOT_FOUND, config_find("http.timout", &key, &err));
	check(strstr(err.hint, "'http.timeout'"));
	check_code(FL_NOT_FOUND, config_find("keep", &key, &err));
	check(strstr(err.hint, "'trash.keep'"));
	check_code(FL_NOT_FOUND, config_find("nonsense", &key, &err));
	check(!strstr(err.hint, "did you mean"));
	check_code(FL_NOT_FOUND, config_find_section("trsh", &err));
	check(strstr(err.hint, "[trash]"));
	check_code(FL_NOT_FOUND, config_find_section("nonsense", &err));
	check(!strstr(err.hint, "did you mean"));
}

static void bounds_are_kept(void)
{
	const struct config_row *number = &config_rows[CONFIG_HTTP_CONNECTIONS];
	const struct config_row *keep = &config_rows[CONFIG_TRASH_KEEP];
	struct fl_error err;

	check_ok(config_check(number, "2", &err));
	check_ok(config_check(number, "4096", &err));
	check_code(FL_INVALID, config_check(number, "1", &err));
	check_code(FL_INVALID, config_check(number, "4097", &err));
	check_code(FL_INVALID, config_check(number, "99999999999999999999", &err));
	check_ok(config_check(keep, "0s", &err));
	check_ok(config_check(keep, "3650d", &err));
	check_code(FL_INVALID, config_check(keep, "3650d1s", &err));
	check_string("trash.keep", err.object);
}

/* "1 to 4096": the same for people. */
static void bounds_are_told_as_they_are(void)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_row *row = &config_rows[i];
		char least[16], most[16];
		int64_t numbers[2];
		struct fl_error err;

		if (row->type != CONFIG_DURATION && row->type != CONFIG_NUMBER)
			continue;
		check(sscanf(row->bounds, "%15s to %15s", least, most) == 2);
		if (row->type == CONFIG_NUMBER) {
			numbers[0] = atoll(least);
			numbers[1] = atoll(most);
		} else {
			check_ok(clock_parse_duration(least, &numbers[0], &err));
			check_ok(clock_parse_duration(most, &numbers[1], &err));
		}
		check(numbers[0] == row->least && numbers[1] == row->most);
	}
}

static void a_choice_is_told_by_its_words(void)
{
	struct fl_error err;

	check_code(FL_INVALID, config_check(&config_rows[CONFIG_LOG_LEVEL], "loud", &err));
	check_string("it takes error, warning, info or debug", err.hint);
}

/* What stands behind a backslash stands for itself. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (*text != '\\')
			*to++ = *text;
	*to = '\0';
}

/* flocker.ini(5) has a paragraph "*KEY* _TYPE_" for each setting, with its default, and no other.
 */
static void the_manual_page_describes_every_setting(void)
{
	own_text struct text page = { 0 };
	struct fl_error err;
	size_t count = 0;
	char *paragraphs, *end;

	check_ok(fsat_read(AT_FDCWD, PAGE, 64 * 1024, &page, &err));
	paragraphs = strstr(text_get(&page), "# SETTINGS\n");
	check(paragraphs);
	end = strstr(paragraphs, "\n# ERRORS");
	check(end);
	*end = '\0';
	unescape(paragraphs);
	for (char *p = paragraphs; (p = strstr(p, "\n\n*")); p++)
		count++;
	check(count == CONFIG_KEYS);
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		char heading[80], initial[80] = "Default: empty", *found, *next;

		snprintf(heading, sizeof(heading), "\n\n*%s* _", config_rows[i].name);
		if (config_rows[i].initial && *config_rows[i].initial)
			snprintf(initial, sizeof(initial), "Default: *%s*", config_rows[i].initial);
		found = strstr(paragraphs, heading);
		if (!found)
			check_failed(__FILE__, __LINE__, "missing in the page", heading);
		next = strstr(found + 1, "\n\n*");
		if (config_rows[i].initial)
			check(strstr(found, initial) && (!next || strstr(found, initial) < next));
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(defaults_are_good_values),
				  CHECK(without_a_configuration_the_defaults_count),
				  CHECK(the_nearest_name_is_told),
				  CHECK(bounds_are_kept),
				  CHECK(bounds_are_told_as_they_are),
				  CHECK(a_choice_is_told_by_its_words),
				  CHECK(the_manual_page_describes_every_setting),
				  CHECK_END,
			  });
}
