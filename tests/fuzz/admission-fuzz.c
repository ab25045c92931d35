#include <string.h>

#include "base/own.h"
#include "base/text.h"
#include "model/admission.h"
#include "tests/fuzz/fuzz.h"

/*
 * The first line of a link that came by ssh, of any bytes.  What is refused has a reason; what is
 * accepted holds names, or is not limited at all, and is written as it was read.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct uuid other = { { 1 } };
	own_text struct text line = { 0 };
	struct admission admission;
	struct fl_error err = { 0 };
	char written[ADMISSION_TEXT];

	text_add(&line, (const char *)data, size);
	if (admission_parse(text_get(&line), &admission, &err) < 0) {
		require(err.code == FL_INVALID && err.text[0]);
		return 0;
	}
	admission_format(&admission, written);
	require(written[strlen(written) - 1] == '\n');
	written[strlen(written) - 1] = '\0';
	require(strcmp(written, text_get(&line)) == 0);
	if (!admission_is_limited(&admission)) {
		require(!admission.from[0]);
		return 0;
	}
	require(name_check("volume", admission.volume, &err) == 0);
	require(!admission.from[0] || name_check("instance", admission.from, &err) == 0);
	require(admission_means(admission.volume, admission.volume, &other) ||
		uuid_parse(admission.volume, &(struct uuid){ 0 }, &err) == 0);
	return 0;
}
