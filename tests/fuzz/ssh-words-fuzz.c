#include <string.h>

#include "base/own.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/ssh-words.h"
#include "tests/fuzz/fuzz.h"

/*
 * What an ssh said before it ended, which may be the words of another host, whoever that is.
 * The first byte is its exit status.  Whatever it is, it fails with one of two codes, in words that
 * may go to a terminal.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Neither control characters nor anything that is no UTF-8. */
static void require_plain(const char *words)
{
	while (*words) {
		size_t length = utf8_length(words);

		require(length > 0 && utf8_is_plain(words, length));
		words += length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_text struct text words = { 0 };
	struct ssh_end end = { "root@b", "", 0, NULL };
	struct fl_error err = { 0 };

	if (size == 0)
		return 0;
	text_add(&words, (const char *)data + 1, size - 1);
	end.status = data[0];
	end.words = text_get(&words);
	require(ssh_explain(&end, &err) == -(int)err.code);
	require(err.code == FL_DENIED || err.code == FL_UNREACHABLE);
	require(err.text[0] && strstr(err.text, end.destination));
	require_plain(err.text);
	require_plain(err.hint);
	return 0;
}
