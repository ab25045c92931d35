#include "keeper/files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"

#define RUNNING_LIMIT 256
#define EXIT_LIMIT (KEEPER_WORDS + 256)

int keeper_running_save(int run, const struct keeper_running *running, struct fl_error *err)
{
	own_text struct text text = { 0 };

	text_add_format(&text, "%d %d %" PRId64 "\n", running->init, running->keeper,
			running->started);
	return fsat_write(run, KEEPER_RUNNING, text_get(&text), text.length, 0600, false, err);
}

int keeper_running_load(int run, struct keeper_running *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct keeper_running running;

	if (fsat_read(run, KEEPER_RUNNING, RUNNING_LIMIT, &text, err) < 0)
		return fl_failed(err);
	if (sscanf(text_get(&text), "%d %d %" SCNd64, &running.init, &running.keeper,
		   &running.started) != 3 ||
	    running.init <= 1 || running.keeper <= 1)
		return fl_fail(err, FL_CORRUPT,
			       "what is noted of a system that runs can't be read");
	*ret = running;
	return 0;
}

void keeper_exit_done(struct keeper_exit *end)
{
	text_done(&end->words);
	*end = (struct keeper_exit){ 0 };
}

int keeper_exit_save(int state, const struct keeper_exit *end, struct fl_error *err)
{
	own_text struct text text = { 0 };
	char boot[UUID_TEXT];

	text_add_format(&text, "%d %" PRId64 " %s\n", end->status, end->time,
			uuid_format(&end->boot, boot));
	text_add(&text, text_get(&end->words), end->words.length);
	return fsat_write(state, KEEPER_EXIT, text_get(&text), text.length, 0600, false, err);
}

int keeper_exit_load(int state, struct keeper_exit *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct keeper_exit end = { 0 };
	char boot[UUID_TEXT];
	int length = 0;

	if (fsat_read(state, KEEPER_EXIT, EXIT_LIMIT, &text, err) < 0)
		return fl_failed(err);
	if (sscanf(text_get(&text), "%d %" SCNd64 " %36s%n", &end.status, &end.time, boot,
		   &length) != 3 ||
	    uuid_parse(boot, &end.boot, err) < 0 || text_get(&text)[length] != '\n')
		return fl_fail(err, FL_CORRUPT, "what is noted of a system's end can't be read");
	length++;
	text_add(&end.words, text_get(&text) + length, text.length - (size_t)length);
	*ret = end;
	return 0;
}

struct uuid keeper_boot(void)
{
	own_text struct text text = { 0 };
	struct uuid boot = { 0 };
	struct fl_error unknown;
	char uuid[UUID_TEXT];

	if (fsat_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &text, &unknown) < 0 ||
	    sscanf(text_get(&text), "%36s", uuid) != 1 || uuid_parse(uuid, &boot, &unknown) < 0)
		return (struct uuid){ 0 };
	return boot;
}
