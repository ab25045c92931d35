#include "keeper/console.h"

#include <fcntl.h>

#include "base/fsat.h"
#include "keeper/files.h"

static void open_log(struct console *console, int flags)
{
	struct fl_error unwritable;
	struct stat st;

	console->size = 0;
	if (fsat_open(console->dir, KEEPER_LOG_FILE, O_WRONLY | O_APPEND | O_CREAT | flags, 0600,
		      &console->fd, &unwritable) == 0 &&
	    fstat(console->fd, &st) == 0)
		console->size = (uint64_t)st.st_size;
}

void console_open(struct console *console, int dir)
{
	*console = (struct console){ .dir = dir, .fd = -1 };
	open_log(console, 0);
}

void console_done(struct console *console)
{
	own_fdp(&console->fd);
	text_done(&console->words);
}

static void close_log(struct console *console)
{
	own_fdp(&console->fd);
	console->fd = -1;
}

/* The older half goes with the former log.1; who reads it has it open. */
static void turn_over(struct console *console)
{
	struct fl_error failed;

	close_log(console);
	/* Where it can't be put aside, it is given up rather than let grow. */
	(void)!fsat_rename(console->dir, KEEPER_LOG_FILE, console->dir, KEEPER_LOG_OLD, &failed);
	open_log(console, O_TRUNC);
}

static void write_log(struct console *console, const char *bytes, size_t length)
{
	if (console->fd < 0)
		open_log(console, 0);
	if (console->size + length > KEEPER_LOG)
		turn_over(console);
	while (console->fd >= 0 && length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(write(console->fd, bytes, length));

		if (n <= 0)
			break;
		bytes += n;
		length -= (size_t)n;
		console->size += (uint64_t)n;
	}
}

static void remember(struct console *console, const char *bytes, size_t length)
{
	struct text *words = &console->words;

	text_add(words, bytes, length);
	if (words->length > 16 * KEEPER_WORDS) {
		struct text last = { 0 };

		text_add(&last, words->bytes + words->length - KEEPER_WORDS, KEEPER_WORDS);
		text_done(words);
		*words = last;
	}
}

bool console_take(struct console *console, int pipe)
{
	char bytes[16 * 1024];
	ssize_t n = TEMP_FAILURE_RETRY(read(pipe, bytes, sizeof(bytes)));

	if (n <= 0)
		return false;
	write_log(console, bytes, (size_t)n);
	remember(console, bytes, (size_t)n);
	return true;
}

void console_words(const struct console *console, struct text *ret)
{
	const struct text *words = &console->words;
	size_t skip = words->length > KEEPER_WORDS ? words->length - KEEPER_WORDS : 0;

	text_add(ret, text_get(words) + skip, words->length - skip);
}
