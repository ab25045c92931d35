#include "engine/system-exec.h"

#include <string.h>

#include "base/text.h"
#include "container/session.h"
#include "engine/exec-table.h"
#include "engine/systems.h"
#include "model/system.h"
#include "model/words.h"

/*
 * A place in the table is taken from the start of a command until nobody can ask for it any
 * more: it has ended and was read, or nobody came to read it.  Such places are looked for
 * when the next command is started.  Whoever works with a session has it held, so that nobody
 * frees it meanwhile.
 */
struct exec {
	struct exec_table *table; /* NULL: the place is free */
	struct uuid id;
	struct session *session;
	unsigned users;
	int fd; /* of its reader */
};

struct exec_table {
	pthread_mutex_t mutex;
	struct exec places[EXECS];
};

struct exec_table *exec_table_new(void)
{
	struct exec_table *table = xcalloc(1, sizeof(*table));

	pthread_mutex_init(&table->mutex, NULL);
	return table;
}

/* All hear of it before the first is waited for. */
void exec_table_free(struct exec_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < EXECS; i++)
		if (table->places[i].table)
			session_leave(table->places[i].session);
	for (size_t i = 0; i < EXECS; i++)
		session_free(table->places[i].session);
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

static void sweep(struct exec_table *table)
{
	for (size_t i = 0; i < EXECS; i++) {
		struct exec *exec = &table->places[i];

		if (!exec->table || exec->users > 0 || !session_is_done(exec->session))
			continue;
		session_free(exec->session);
		*exec = (struct exec){ 0 };
	}
}

/* Takes a place for a session, which passes in; NULL: there is none. */
static struct exec *place(struct exec_table *table, struct session *session)
{
	own_lock(guard, &table->mutex);

	sweep(table);
	for (size_t i = 0; i < EXECS; i++) {
		struct exec *exec = &table->places[i];

		if (exec->table)
			continue;
		*exec = (struct exec){ table, uuid_new(), session, 0, -1 };
		return exec;
	}
	return NULL;
}

static int hold(struct engine *engine, const struct uuid *id, struct exec **ret,
		struct fl_error *err)
{
	struct exec_table *table = engine->execs;
	own_lock(guard, &table->mutex);

	for (size_t i = 0; i < EXECS; i++) {
		struct exec *exec = &table->places[i];

		if (!exec->table || !uuid_equal(&exec->id, id))
			continue;
		exec->users++;
		*ret = exec;
		return 0;
	}
	fl_fail(err, FL_NOT_FOUND, "there is no such command in a user system");
	return fl_hint(err, "one that nobody reads is ended; start it again");
}

static void let_go(struct exec *exec)
{
	own_lock(guard, &exec->table->mutex);

	exec->users--;
}

/* --- the verbs ------------------------------------------------------------------------- */

static int check_user(const char *user, struct fl_error *err)
{
	own_system_settings struct system_settings settings = { 0 };
	own_metadata struct metadata texts = { 0 };

	if (!user)
		return 0;
	if (metadata_set(&texts, system_rows[SYSTEM_KEY_USER].name, user, err) < 0)
		return fl_failed(err);
	return system_read(&texts, &settings, err);
}

static int check_options(const struct exec_options *options, struct fl_error *err)
{
	if (options->count < 1 || options->count > EXEC_WORDS)
		return fl_fail(err, FL_INVALID, "a command has 1 to %d words, not %zu", EXEC_WORDS,
			       options->count);
	if (!options->command[0][0])
		return fl_fail(err, FL_INVALID, "the command's first word is empty");
	return check_user(options->user, err);
}

/* `where`: its name, for messages. */
static int check_running(struct engine *engine, const struct ref *ref, struct text *where,
			 struct fl_error *err)
{
	own_system_report struct system_report report = { 0 };

	if (engine_system_show(engine, ref, &report, err) < 0)
		return fl_failed(err);
	text_add_format(where, "the system %s", report.ref);
	if (report.state == SYSTEM_RUNNING)
		return 0;
	fl_fail(err, FL_UNREACHABLE, "the system %s does not run", report.ref);
	fl_object(err, "%s", report.ref);
	return fl_hint(err, "start it: flocker system start %s", report.ref);
}

static int find_words(struct engine *engine, const struct exec_options *options, char ***ret,
		      struct text *where, struct fl_error *err)
{
	const struct runtime_exec exec = {
		.user = options->user,
		.terminal = options->terminal,
		.command = options->command,
		.count = options->count,
	};
	struct uuid branch;

	if (check_running(engine, options->ref, where, err) < 0 ||
	    system_resolve(engine, options->ref, &branch, err) < 0)
		return fl_failed(err);
	return runtime_exec(&engine->systems->places, &branch, &exec, ret, err);
}

int engine_exec_start(struct engine *engine, const struct exec_options *options, struct uuid *ret,
		      struct fl_error *err)
{
	own_words char **argv = NULL;
	own_session struct session *session = NULL;
	own_text struct text where = { 0 };
	struct session_options session_options = {
		.program = options->count > 0 ? options->command[0] : NULL,
		.terminal = options->terminal,
		.input = options->input,
		.size = { options->rows, options->columns },
	};
	struct exec *exec;

	if (check_options(options, err) < 0 || find_words(engine, options, &argv, &where, err) < 0)
		return fl_failed(err);
	session_options.place = text_get(&where);
	session_options.argv = (const char *const *)argv;
	if (session_start(&session_options, &session, err) < 0)
		return fl_failed(err);
	exec = place(engine->execs, session);
	if (!exec)
		return fl_fail(err, FL_BUSY,
			       "%d commands run in user systems; wait for one of them", EXECS);
	session = NULL;
	*ret = exec->id;
	return 0;
}

int engine_exec_read(struct engine *engine, const struct uuid *id, struct exec **ret,
		     struct fl_error *err)
{
	struct exec *exec;

	if (hold(engine, id, &exec, err) < 0)
		return fl_failed(err);
	if (session_attach(exec->session, &exec->fd, err) < 0) {
		let_go(exec);
		return fl_failed(err);
	}
	*ret = exec;
	return 0;
}

int exec_fd(const struct exec *exec)
{
	return exec->fd;
}

void exec_close(struct exec *exec)
{
	if (!exec)
		return;
	close(take_fd(exec->fd));
	session_leave(exec->session);
	let_go(exec);
}

int engine_exec_write(struct engine *engine, const struct uuid *id, int fd, struct fl_error *err)
{
	struct exec *exec;
	int r = hold(engine, id, &exec, err);

	if (r < 0)
		return r;
	r = session_feed(exec->session, fd, err);
	let_go(exec);
	return r;
}

int engine_exec_resize(struct engine *engine, const struct uuid *id, unsigned rows,
		       unsigned columns, struct fl_error *err)
{
	const struct terminal_size size = { rows, columns };
	struct exec *exec;
	int r = hold(engine, id, &exec, err);

	if (r < 0)
		return r;
	r = session_resize(exec->session, &size, err);
	let_go(exec);
	return r;
}
