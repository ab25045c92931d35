/* The driver table, names for messages, the identity, and the decorators' own rules. */

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "driver/decorators.h"
#include "driver/mem/mem.h"

static void every_driver_agrees_with_its_table(void)
{
	struct fl_error err = { 0 };

	check(drivers[0] != NULL);
	for (const struct driver *const *d = drivers; *d; d++)
		check_ok(driver_check(*d, &err));
}

static void a_missing_entry_is_named(void)
{
	struct fl_error err = { 0 };
	struct driver broken = mem_driver;

	broken.head_swap = NULL;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "mem") && strstr(err.text, "lacks") &&
	      strstr(err.text, "head_swap"));
	broken = mem_driver;
	broken.file_read = NULL;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "file_read"));
	broken = mem_driver;
	broken.name = NULL;
	check_code(FL_INVALID, driver_check(&broken, &err));
}

static void a_capability_and_its_entries_go_together(void)
{
	struct fl_error err = { 0 };
	struct driver broken = mem_driver;

	broken.capabilities |= DRIVER_CAN_EXPOSE;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "lacks") && strstr(err.text, "expose"));
	broken = mem_driver;
	broken.capabilities &= ~(unsigned)DRIVER_CAN_GROW;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "has the entry 'grow'"));
	broken = mem_driver;
	broken.capabilities |= DRIVER_MUST_WALK;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "diff"));
}

static void streams_have_a_form_and_deltas_no_receiver(void)
{
	struct fl_error err = { 0 };
	struct driver broken = mem_driver;

	broken.form = 0;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "without a form"));
	broken.form = FORM_DELTA;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "deltas"));
	broken = mem_driver;
	broken.capabilities &= ~(unsigned)(DRIVER_CAN_SEND | DRIVER_CAN_RECEIVE);
	broken.send = NULL;
	broken.receive = NULL;
	broken.stream_number = NULL;
	check_code(FL_INVALID, driver_check(&broken, &err));
	check(strstr(err.text, "lacks"));
	broken.form = 0;
	check_ok(driver_check(&broken, &err));
}

static void what_a_driver_can_is_told_from_its_bits(void)
{
	static const struct {
		unsigned bits;
		enum ability ability;
		enum support support;
	} cases[] = {
		{ 0, ABILITY_SNAPSHOT, SUPPORT_EMULATED },
		{ DRIVER_CAN_SHARE, ABILITY_SNAPSHOT, SUPPORT_NATIVE },
		{ DRIVER_MUST_REVEAL, ABILITY_BROWSE, SUPPORT_NO },
		{ DRIVER_CAN_EXPOSE | DRIVER_MUST_REVEAL, ABILITY_BROWSE, SUPPORT_EMULATED },
		{ DRIVER_CAN_EXPOSE, ABILITY_BROWSE, SUPPORT_NATIVE },
		{ DRIVER_CAN_SHARE | DRIVER_MUST_WALK, ABILITY_DIFF, SUPPORT_NO },
		{ DRIVER_CAN_DIFF | DRIVER_MUST_WALK, ABILITY_DIFF, SUPPORT_EMULATED },
		{ DRIVER_CAN_DIFF, ABILITY_DIFF, SUPPORT_NATIVE },
		{ ~(unsigned)DRIVER_CAN_LIMIT, ABILITY_QUOTA, SUPPORT_NO },
		{ DRIVER_CAN_LIMIT, ABILITY_QUOTA, SUPPORT_NATIVE },
		{ DRIVER_CAN_COMPRESS, ABILITY_GROW, SUPPORT_NO },
		{ DRIVER_CAN_GROW, ABILITY_GROW, SUPPORT_NATIVE },
		{ DRIVER_CAN_GROW, ABILITY_COMPRESS, SUPPORT_NO },
		{ DRIVER_CAN_COMPRESS, ABILITY_COMPRESS, SUPPORT_NATIVE },
		{ ~(unsigned)DRIVER_CAN_SEND, ABILITY_SEND, SUPPORT_NO },
		{ DRIVER_CAN_SEND, ABILITY_SEND, SUPPORT_NATIVE },
		{ DRIVER_CAN_SEND | DRIVER_MUST_READ, ABILITY_SEND, SUPPORT_EMULATED },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		const struct driver driver = { .capabilities = cases[i].bits };

		check_string(support_names[cases[i].support],
			     support_names[driver_supports(&driver, cases[i].ability)]);
	}
}

static void a_driver_is_found_by_name(void)
{
	struct fl_error err = { 0 };
	const struct driver *driver = NULL;

	check_ok(driver_find("mem", &driver, &err));
	check(driver == &mem_driver);
	check_ok(driver_find("btrfs", &driver, &err));
	check_string("btrfs", driver->name);
	check_code(FL_INVALID, driver_find("ext4", &driver, &err));
	check(strstr(err.text, "ext4") && strstr(err.hint, "btrfs") && !strstr(err.hint, "mem"));
	for (const struct storage_driver *s = storage_drivers; s->name; s++)
		check_ok(driver_find(s->name, &driver, &err));
}

static void trees_have_names_for_messages(void)
{
	struct fl_error err = { 0 };
	char text[TREE_TEXT];
	struct uuid uuid;
	struct tree tree;

	check_ok(uuid_parse("01234567-89ab-4def-8123-456789abcdef", &uuid, &err));
	tree = tree_head(&uuid);
	check_string("heads/01234567-89ab-4def-8123-456789abcdef", tree_format(&tree, text));
	tree = tree_retired(&uuid);
	check_string("retired/01234567-89ab-4def-8123-456789abcdef", tree_format(&tree, text));
	tree = tree_staging(&uuid);
	check_string("staging/01234567-89ab-4def-8123-456789abcdef", tree_format(&tree, text));
	tree = tree_snapshot(&uuid, &(struct snapname){ uuid, 0 });
	check_string("snaps/01234567-89ab-4def-8123-456789abcdef/"
		     "01234567-89ab-4def-8123-456789abcdef.19700101T000000.000000000Z",
		     tree_format(&tree, text));
}

static void an_identity_is_read_as_it_was_written(void)
{
	struct fl_error err = { 0 };
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), uuid_new() }, got = { 0 };
	struct text text = { 0 };
	int r;

	identity_encode(&identity, &text);
	r = identity_decode(text_get(&text), &got, &err);
	text_done(&text);
	check_ok(r);
	check(got.format == POOL_FORMAT && uuid_equal(&got.pool, &identity.pool) &&
	      uuid_equal(&got.instance, &identity.instance));
}

#define POOL_UUID "\"pool\":\"01234567-89ab-4def-8123-456789abcdef\""
#define INSTANCE "\"instance\":\"11234567-89ab-4def-8123-456789abcdef\""

static void an_identity_that_is_not_exact_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"format\":1}",
		"{\"format\":1," POOL_UUID "}",
		"{\"format\":\"1\"," POOL_UUID "," INSTANCE "}",
		"{\"format\":1.5," POOL_UUID "," INSTANCE "}",
		"{\"format\":0," POOL_UUID "," INSTANCE "}",
		"{\"format\":-1," POOL_UUID "," INSTANCE "}",
		"{\"format\":1," POOL_UUID "," INSTANCE ",\"more\":1}",
		"{\"format\":1," POOL_UUID "," INSTANCE "} x",
		"{\"format\":1,\"format\":1," POOL_UUID "," INSTANCE "}",
		"{\"format\":1,\"pool\":\"0123\"," INSTANCE "}",
		"{\"format\":1," POOL_UUID ",\"instance\":null}",
	};
	struct pool_identity got = { .format = 77 };
	struct fl_error err = { 0 };

	for (size_t i = 0; i < array_size(bad); i++)
		check_code(FL_INVALID, identity_decode(bad[i], &got, &err));
	check(got.format == 77);
	check_ok(identity_decode("{\"format\":1," POOL_UUID "," INSTANCE "}", &got, &err));
	check(got.format == 1);
}

static void a_newer_identity_says_so(void)
{
	struct pool_identity got;
	struct fl_error err = { 0 };

	check_code(FL_INVALID, identity_decode("{\"format\":2,\"pools\":[],\"x\":1}", &got, &err));
	check(strstr(err.text, "format 2") && strstr(err.text, "knows 1"));
	check(strstr(err.hint, "newer"));
}

/* --- decorators -------------------------------------------------------------- */

static struct pool *open_memory(void)
{
	static const struct pool_spec spec = { "mem", POOL_MEMORY, "/table-test" };
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), uuid_new() };
	struct fl_error err = { 0 };
	struct pool *pool = NULL;

	mem_reset();
	check_ok(mem_driver.create(&spec, &identity, &err));
	check_ok(mem_driver.open(&spec, &pool, &err));
	return pool;
}

static void decorators_pass_on_what_the_driver_is(void)
{
	struct fl_error err = { 0 };
	struct fault_plan plan = { 0 };
	struct pool *inner = open_memory(), *outer = fault_wrap(trace_wrap(inner), &plan);
	struct pool_identity adopted = inner->identity;

	adopted.instance = uuid_new();
	check_ok(driver_check(outer->driver, &err));
	check_string("mem", outer->driver->name);
	check(outer->driver->capabilities == mem_driver.capabilities && !outer->driver->expose);
	check_ok(outer->driver->identify(outer, &adopted, &err));
	check(uuid_equal(&outer->identity.instance, &adopted.instance));
	check(plan.calls == 1 && plan.fired == 0);
	outer->driver->close(outer);
	mem_reset();
}

static void a_lost_answer_gives_nothing_out(void)
{
	struct fl_error err = { 0 };
	struct fault_plan plan = { .fail_at = 2 };
	struct pool *pool = fault_wrap(open_memory(), &plan);
	struct text text = { 0 };

	check_ok(pool->driver->file_write(pool, "note", "x", 1, &err));
	check_code(FL_SYSTEM, pool->driver->file_read(pool, "note", &text, &err));
	check(err.sys == EIO && strstr(err.text, "fault 2"));
	check(text.bytes == NULL && plan.fired == 1);
	check_ok(pool->driver->file_read(pool, "note", &text, &err));
	text_done(&text);
	pool->driver->close(pool);
	mem_reset();
}

/* The child's steps: 1 head_create, -, 2 file_write, -, 3 facts_write; reads do not count. */
static void take_steps(void)
{
	struct fl_error err = { 0 };
	struct uuid branch = uuid_new();
	struct pool *pool = crash_wrap_from_environment(open_memory());
	struct pool_stats stats;
	int step = 0;

	if (pool->driver->head_create(pool, &branch, &err) == 0 &&
	    pool->driver->stats(pool, &stats, &err) == 0 && ++step &&
	    pool->driver->file_write(pool, "note", "x", 1, &err) == 0 &&
	    pool->driver->sync(pool, &err) == 0 && ++step &&
	    pool->driver->facts_write(pool, &branch, "x", &err) == 0)
		++step;
	pool->driver->close(pool);
	mem_reset();
	_exit(step);
}

/* The signal that ended the child, or -(the steps that it took). */
static int crash_with(const char *variable, const char *value)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (variable)
			setenv(variable, value, 1);
		take_steps();
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void a_crash_comes_at_the_step_that_was_asked_for(void)
{
	unsetenv("FLOCKER_CRASH_AT");
	unsetenv("FLOCKER_CRASH_AFTER");
	check(crash_with(NULL, NULL) == -3);
	check(crash_with("FLOCKER_CRASH_AT", "1") == SIGKILL);
	check(crash_with("FLOCKER_CRASH_AT", "3") == SIGKILL);
	check(crash_with("FLOCKER_CRASH_AT", "4") == -3);
	check(crash_with("FLOCKER_CRASH_AFTER", "3") == SIGKILL);
	check(crash_with("FLOCKER_CRASH_AFTER", "4") == -3);
	check(crash_with("FLOCKER_CRASH_AFTER", "soon") == -3);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(every_driver_agrees_with_its_table),
				  CHECK(a_missing_entry_is_named),
				  CHECK(a_capability_and_its_entries_go_together),
				  CHECK(streams_have_a_form_and_deltas_no_receiver),
				  CHECK(what_a_driver_can_is_told_from_its_bits),
				  CHECK(a_driver_is_found_by_name),
				  CHECK(trees_have_names_for_messages),
				  CHECK(an_identity_is_read_as_it_was_written),
				  CHECK(an_identity_that_is_not_exact_is_refused),
				  CHECK(a_newer_identity_says_so),
				  CHECK(decorators_pass_on_what_the_driver_is),
				  CHECK(a_lost_answer_gives_nothing_out),
				  CHECK(a_crash_comes_at_the_step_that_was_asked_for),
				  CHECK_END,
			  });
}
