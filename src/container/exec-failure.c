#include "container/exec-failure.h"

#include <jansson.h>
#include <string.h>

#include "base/json.h"

#define NOT_FOUND 127
#define NOT_RUN 126

/* The message of the line if it tells an error; "": it does not. */
static void read_line(const char *line, size_t length, struct text *ret)
{
	json_error_t why;
	json_t *root = json_loadb(line, length, 0, &why);
	const char *level = json_string_value(json_object_get(root, "level"));
	const char *message = json_string_value(json_object_get(root, "msg"));

	text_clear(ret);
	if (level && message && (strcmp(level, "error") == 0 || strcmp(level, "fatal") == 0))
		text_add_string(ret, message);
	json_decref(root);
}

/* The one that was told last. */
static void find_error(const char *log, struct text *ret)
{
	own_text struct text message = { 0 };

	for (size_t length; *log; log += length + (log[length] == '\n')) {
		length = strcspn(log, "\n");
		read_line(log, length, &message);
		if (message.length > 0) {
			text_clear(ret);
			text_add_string(ret, text_get(&message));
		}
	}
}

/* Of one line, whatever it names. */
static void tidy(char *message)
{
	for (; *message; message++)
		if ((unsigned char)*message < ' ' || *message == 0x7f)
			*message = '?';
}

bool exec_failure_parse(const char *log, const char *program, const char *place, int *ret_status,
			struct text *words)
{
	own_text struct text message = { 0 };
	bool searched;

	find_error(log, &message);
	if (message.length == 0)
		return false;
	tidy(message.bytes);
	/* Runtimes have no numbers for it, but have said it in these words ever since. */
	searched = strstr(text_get(&message), "not found in $PATH") != NULL;
	*ret_status = searched || strcasestr(text_get(&message), "no such file") ? NOT_FOUND
										 : NOT_RUN;
	if (searched)
		text_add_format(words, "there is no program '%s' in %s", program, place);
	else
		text_add_format(words, "'%s' can't be run in %s: %s", program, place,
				text_get(&message));
	return true;
}
