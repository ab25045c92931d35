#include "base/path.h"

#include <string.h>

bool path_is_in(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/');
}

static bool is_octal(const char *digits)
{
	for (int i = 0; i < 3; i++)
		if (digits[i] < '0' || digits[i] > '7')
			return false;
	return true;
}

void path_unescape(char *field)
{
	char *out = field;

	for (; *field; field++, out++) {
		*out = *field;
		if (field[0] != '\\' || !is_octal(field + 1))
			continue;
		*out = (char)((field[1] - '0') * 64 + (field[2] - '0') * 8 + field[3] - '0');
		field += 3;
	}
	*out = '\0';
}
