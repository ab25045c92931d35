#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/metadata.h"
#include "model/ref.h"
#include "model/snapname.h"
#include "tests/fuzz/fuzz.h"

/*
 * Every text form of the model, fed with any bytes.  What is refused must be
 * FL_INVALID with a reason; what is accepted must come back from its normal
 * form as it went in.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool refused(int r, const struct fl_error *err)
{
	require(r == 0 || (r == -FL_INVALID && err->code == FL_INVALID && err->text[0]));
	return r < 0;
}

static void try_ref(const char *input)
{
	own_ref struct ref ref = { 0 }, again = { 0 };
	own_text struct text normal = { 0 }, twice = { 0 };
	struct fl_error err = { 0 };

	if (refused(ref_parse(input, &ref, &err), &err)) {
		require(err.hint[0] != '\0');
		return;
	}
	ref_format(&ref, &normal);
	require(ref_parse(text_get(&normal), &again, &err) == 0);
	require(ref_equal(&ref, &again));
	ref_format(&again, &twice);
	require(strcmp(text_get(&normal), text_get(&twice)) == 0);
}

static void try_snapshot_name(const char *input)
{
	own_text struct text use = { 0 };
	own_ref struct ref ref = { 0 };
	struct fl_error err = { 0 };

	if (refused(ref_check_snapshot_name(input, &err), &err))
		return;
	text_add_format(&use, "v@{%s}", input);
	require(ref_parse(text_get(&use), &ref, &err) == 0);
	require(ref.point == POINT_NAME && strcmp(ref.name, input) == 0);
}

static void try_clock(const char *input)
{
	struct fl_error err = { 0 };
	char text[CLOCK_TEXT];
	int64_t time, again;

	if (!refused(clock_parse(input, &time, &err), &err)) {
		require(clock_parse(clock_format(time, text), &again, &err) == 0 && again == time);
		clock_format_storage(time, text);
		require(clock_parse_storage(text, &again, &err) == 0 && again == time);
	}
	if (!refused(clock_parse_storage(input, &time, &err), &err))
		require(strcmp(clock_format_storage(time, text), input) == 0);
	if (!refused(clock_parse_duration(input, &time, &err), &err))
		require(time >= 0 && time % CLOCK_SECOND == 0);
}

static void try_snapname(const char *input)
{
	struct fl_error err = { 0 };
	char text[SNAPNAME_TEXT];
	struct snapname name;

	if (!refused(snapname_parse(input, &name, &err), &err))
		require(strcmp(snapname_format(&name, text), input) == 0);
}

static void try_metadata(const char *input)
{
	own_metadata struct metadata metadata = { 0 }, again = { 0 };
	own_text struct text normal = { 0 }, twice = { 0 };
	struct fl_error err = { 0 };

	if (refused(metadata_decode(input, &metadata, &err), &err))
		return;
	metadata_encode(&metadata, &normal);
	require(strlen(input) == normal.length);
	require(metadata_decode(text_get(&normal), &again, &err) == 0);
	metadata_encode(&again, &twice);
	require(strcmp(text_get(&normal), text_get(&twice)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *input = malloc(size + 1);

	if (size > 0)
		memcpy(input, data, size);
	input[size] = '\0';
	try_ref(input);
	try_snapshot_name(input);
	try_clock(input);
	try_snapname(input);
	try_metadata(input);
	return 0;
}
