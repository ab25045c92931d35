#include "cli/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define PATIENCE 5000 /* milliseconds until a terminal is told that the daemon takes long */

int talk_connect_again(const struct invocation *in, struct fl_client **ret, struct fl_error *err)
{
	char socket[FL_SOCKET_TEXT];

	if (fl_socket_path(in->options[OPT_ROOT], in->options[OPT_SOCKET], socket, err) < 0)
		return fl_failed(err);
	return fl_client_open(socket, ret, err);
}

int talk_connect(struct invocation *in, struct fl_error *err)
{
	return in->client ? 0 : talk_connect_again(in, &in->client, err);
}

static int parse_answer(const struct fl_answer *answer, struct value **ret, struct fl_error *err)
{
	bool empty = answer->length == 0;

	if (value_parse(empty ? "{}" : answer->bytes, empty ? 2 : answer->length, ret, err) < 0) {
		fl_wrap(err, "the daemon's answer");
		return -(int)(err->code = FL_CORRUPT);
	}
	return 0;
}

int talk_send(struct invocation *in, const char *method, char *target, struct body *body,
	      struct fl_error *err)
{
	own_free char *owned __attribute__((unused)) = target;
	int r = talk_connect(in, err);

	if (r < 0)
		return r;
	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	return fl_client_send(in->client, method, target, body ? body_finish(body) : NULL, err);
}

/* A daemon that hangs looks like one that works: whoever sits there can decide. */
static void tell_waiting(struct invocation *in)
{
	if (in->patient || !isatty(STDERR_FILENO) || fl_client_wait(in->client, PATIENCE))
		return;
	in->patient = true;
	if (in->slow)
		fprintf(stderr, "still waiting: %s (Ctrl-C ends the waiting alone)\n", in->slow);
	else
		fputs("flockerd does not answer yet; still waiting (Ctrl-C ends)\n", stderr);
}

int talk_receive(struct invocation *in, struct value **ret, struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer answer = { 0 };
	int r;

	tell_waiting(in);
	r = fl_client_receive(in->client, &answer, err);

	return r < 0 ? r : parse_answer(&answer, ret, err);
}

int talk_to(struct invocation *in, const char *method, char *target, struct body *body,
	    struct value **ret, struct fl_error *err)
{
	int r = talk_send(in, method, target, body, err);

	return r < 0 ? r : talk_receive(in, ret, err);
}

int talk(struct invocation *in, const char *method, const char *path, const char *ref,
	 struct body *body, struct value **ret, struct fl_error *err)
{
	return talk_to(in, method, fl_target(path, "ref", ref, NULL), body, ret, err);
}

/* --- printing what came ------------------------------------------------------------ */

static void print_written(const struct value *value)
{
	size_t length;
	const char *written = value_written(value, &length);

	fwrite(written, 1, length, stdout);
}

void print_item(const struct value *item, bool first)
{
	fputs(first ? "[\n" : ",\n", stdout);
	print_written(item);
}

void print_json(const struct value *value)
{
	print_written(value);
	putchar('\n');
}

/* --- fields ------------------------------------------------------------------------ */

const char *field(struct value *object, const char *key)
{
	const char *value = value_string(value_get(object, key));

	return value ? value : "";
}

int64_t field_int(struct value *object, const char *key)
{
	return value_int(value_get(object, key));
}

bool field_bool(struct value *object, const char *key)
{
	return value_is(value_get(object, key), VALUE_TRUE);
}

char *field_size(struct value *object, const char *key, char text[static PRINT_TEXT])
{
	if (!value_is(value_get(object, key), VALUE_NUMBER))
		return NULL;
	return print_size((uint64_t)field_int(object, key), text);
}

char *field_score(struct value *object, char text[static PRINT_TEXT])
{
	struct value *score = value_get(object, "score");

	text[0] = '\0';
	if (score && value_is(score, VALUE_NUMBER))
		snprintf(text, PRINT_TEXT, "%.3g", strtod(score->text, NULL));
	return text;
}

double field_seconds(struct value *object, const char *key)
{
	struct value *number = value_get(object, key);

	return number && value_is(number, VALUE_NUMBER) ? strtod(number->text, NULL) : 0;
}

int64_t field_time(struct value *object, const char *key)
{
	const char *value = field(object, key);
	struct fl_error err;
	int64_t time;

	if (!*value || clock_parse(value, &time, &err) < 0)
		return 0;
	return time;
}

const char *field_when(struct value *object, const char *key, char text[static PRINT_TEXT])
{
	return printing.terminal ? print_time(field_time(object, key), text) : field(object, key);
}

char *field_short_id(struct value *object, const char *key, char text[static PRINT_TEXT])
{
	snprintf(text, PRINT_TEXT, "%.8s", field(object, key));
	return text;
}

char *field_joined(struct value *object, const char *key, const char *separator)
{
	struct value *array = value_get(object, key);
	struct text joined = { 0 };

	value_each(array, item)
	{
		const char *string = value_string(item);

		text_add_string(&joined, joined.length ? separator : "");
		text_add_string(&joined, string ? string : "");
	}
	return text_take(&joined);
}

/* --- what the user wrote -------------------------------------------------------------- */

int take_ref(const char *text, struct ref *ret, struct fl_error *err)
{
	struct ref ref = { 0 };
	int r = ref_parse(text, &ref, err);

	if (r < 0) {
		fl_object(err, "%.150s", text);
		return r;
	}
	if (ref.path) {
		ref_done(&ref);
		fl_fail(err, FL_INVALID,
			"'%.100s' names a file: here only a volume, a branch or "
			"a snapshot can stand",
			text);
		return fl_object(err, "%.150s", text);
	}
	*ret = ref;
	return 0;
}

void ref_branch_part(const struct ref *ref, struct text *ret)
{
	struct ref branch = *ref;

	branch.point = POINT_NONE;
	branch.path = NULL;
	ref_format(&branch, ret);
}

bool ref_is_snapshot(const struct ref *ref)
{
	return ref->point != POINT_NONE || ref->kind == REF_TAG || ref->kind == REF_STASH;
}

int take_count(const char *text, const char *what, int64_t *ret, struct fl_error *err)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || *ret == 0)
		return fl_fail(err, FL_INVALID, "'%.40s' is not a number of %s", text, what);
	return 0;
}

void put_option(struct body *body, const struct invocation *in, enum option_id id, const char *key)
{
	if (option_given(in, id))
		body_string(body, key, in->options[id]);
}

int put_metadata(struct body *body, const char *const *words, size_t count, struct fl_error *err)
{
	return put_pairs(body, "metadata", words, count, err);
}

int put_pairs(struct body *body, const char *member, const char *const *words, size_t count,
	      struct fl_error *err)
{
	if (count == 0)
		return 0;
	body_object(body, member);
	for (size_t i = 0; i < count; i++) {
		const char *equals = strchr(words[i], '=');
		char key[NAME_TEXT];

		if (!equals || equals - words[i] > NAME_MAX_LENGTH) {
			fl_fail(err, FL_INVALID, "'%.100s' is not of the form KEY=VALUE", words[i]);
			return fl_hint(err, "keys have 1 to %d letters, digits, '_', '.', '-'",
				       NAME_MAX_LENGTH);
		}
		memcpy(key, words[i], (size_t)(equals - words[i]));
		key[equals - words[i]] = '\0';
		if (name_check("key", key, err) < 0)
			return fl_failed(err);
		body_string(body, key, equals + 1);
	}
	body_end(body);
	return 0;
}

int put_policy(struct body *body, const struct invocation *in, struct fl_error *err)
{
	return put_pairs(body, "policy", in->rules, in->rule_count, err);
}

void add_command(struct text *out, const struct invocation *in)
{
	static const enum option_id ids[] = { OPT_ROOT, OPT_SOCKET };
	static const char *const names[] = { "--root", "--socket" };

	text_add_string(out, "flocker");
	for (size_t i = 0; i < array_size(ids); i++)
		if (option_given(in, ids[i])) {
			text_add_format(out, " %s ", names[i]);
			add_shell_word(out, in->options[ids[i]]);
		}
}

int absolute_path(const char *path, struct text *ret, struct fl_error *err)
{
	own_free char *here = NULL;

	if (path[0] == '/') {
		text_add_string(ret, path);
		return 0;
	}
	if (!*path)
		return fl_fail(err, FL_INVALID, "an empty path");
	here = get_current_dir_name();
	if (!here)
		return fl_fail_errno(err, "finding the working directory");
	text_add_format(ret, "%s%s%s", here, here[1] ? "/" : "", path);
	return 0;
}
