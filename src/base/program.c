#include "base/program.h"

#include <string.h>

#include "base/text.h"

char *program_find(const char *folder, const char *name)
{
	own_free char *self = realpath("/proc/self/exe", NULL);
	own_text struct text beside = { 0 }, installed = { 0 };

	if (self && strrchr(self, '/')) {
		*strrchr(self, '/') = '\0';
		text_add_format(&beside, "%s/../%s/%s", self, folder, name);
		if (access(text_get(&beside), X_OK) == 0)
			return realpath(text_get(&beside), NULL);
	}
	text_add_format(&installed, "%s/%s", FLOCKER_LIBEXEC, name);
	return access(text_get(&installed), X_OK) == 0 ? text_take(&installed) : NULL;
}
