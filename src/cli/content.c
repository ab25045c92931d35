#include "cli/content.h"

#include <string.h>

#include "cli/talk.h"

/* --- the moments ------------------------------------------------------------------------- */

void moments_done(struct moments *moments)
{
	for (int i = 0; i < 2; i++) {
		text_done(&moments->refs[i]);
		text_done(&moments->labels[i]);
		text_done(&moments->paths[i]);
	}
}

static int find_moment(struct invocation *in, const char *operand, struct moments *ret, int side,
		       struct fl_error *err)
{
	own_free struct value *snapshot = NULL;
	own_ref struct ref ref = { 0 };
	own_free char *path = NULL;

	if (ref_parse(operand, &ref, err) < 0)
		return fl_failed(err);
	path = take_ptr(ref.path);
	ref_format(&ref, &ret->labels[side]);
	if (path && path[0])
		text_add_format(&ret->paths[side], ":%s", path);
	ret->live[side] = !ref_is_snapshot(&ref);
	if (ret->live[side]) {
		ref_format(&ref, &ret->refs[side]);
		return 0;
	}
	if (talk(in, "GET", "/v1/snapshot", text_get(&ret->labels[side]), NULL, &snapshot, err) < 0)
		return fl_failed(err);
	text_add_string(&ret->refs[side], field(snapshot, "ref"));
	return 0;
}

/* The live contents of the branch that the earlier one is of. */
static void take_branch(struct moments *moments)
{
	const char *ref = text_get(&moments->refs[0]);
	size_t length = strcspn(ref, "@");

	text_add(&moments->refs[1], ref, length);
	text_add(&moments->labels[1], ref, length);
	moments->live[1] = true;
}

int moments_find(struct invocation *in, struct moments *ret, struct fl_error *err)
{
	if (find_moment(in, in->operands[0], ret, 0, err) < 0)
		return fl_failed(err);
	if (in->operand_count > 1)
		return find_moment(in, in->operands[1], ret, 1, err);
	take_branch(ret);
	return 0;
}

/* --- the files --------------------------------------------------------------------------- */

void contents_done(struct contents *contents)
{
	textdiff_done(&contents->diff);
	fl_answer_done(&contents->bytes[0]);
	fl_answer_done(&contents->bytes[1]);
}

struct file {
	const struct moments *moments;
	int side;
	const char *path;
	struct value *info; /* as the change has it */
};

static int fetch(struct invocation *in, const struct file *file, struct fl_answer *ret,
		 struct fl_error *err)
{
	own_text struct text ref = { 0 };
	own_free char *target = NULL;

	text_add_format(&ref, "%s:%s", text_get(&file->moments->refs[file->side]), file->path);
	target = fl_target("/v1/file", "ref", text_get(&ref), NULL);
	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	if (talk_connect(in, err) < 0)
		return fl_failed(err);
	return fl_client_call(in->client, "GET", target, NULL, ret, err);
}

/* Text has no NUL. */
static enum content classify(const struct fl_answer *bytes)
{
	if (bytes->length > CONTENT_LARGEST)
		return CONTENT_LARGE;
	if (bytes->length == 0)
		return CONTENT_EMPTY;
	return memchr(bytes->bytes, '\0', bytes->length) ? CONTENT_BINARY : CONTENT_TEXT;
}

/* A file of the live contents may have grown since, but not beyond what an answer holds. */
static int read_file(struct invocation *in, const struct file *file, struct contents *contents,
		     struct fl_error *err)
{
	struct fl_answer *bytes = &contents->bytes[file->side];
	enum content *content = &contents->files[file->side];

	if ((uint64_t)field_int(file->info, "size") > CONTENT_LARGEST) {
		*content = CONTENT_LARGE;
		return 0;
	}
	if (fetch(in, file, bytes, err) == 0) {
		*content = classify(bytes);
		return 0;
	}
	if (err->code == FL_UNREACHABLE)
		return fl_failed(err);
	if (err->code == FL_NOT_FOUND && file->moments->live[file->side]) {
		*content = CONTENT_GONE;
		return 0;
	}
	*content = CONTENT_UNREADABLE;
	contents->why = *err;
	return 0;
}

static bool is_file(struct value *info)
{
	return strcmp(field(info, "type"), "file") == 0;
}

static bool contents_differ(struct value *change)
{
	bool differ = !value_equals(value_get(change, "kind"), "modified") &&
		      !value_equals(value_get(change, "kind"), "renamed");

	value_each(value_get(change, "what"), what)
	{
		if (value_equals(what, "type"))
			return false; /* that says it all */
		differ = differ || value_equals(what, "contents");
	}
	return differ;
}

static bool can_show(enum content content)
{
	return content == CONTENT_TEXT || content == CONTENT_EMPTY || content == CONTENT_NONE;
}

/* Both as far as they are there. */
static int compare(struct contents *contents, struct fl_error *err)
{
	const struct fl_answer *before = &contents->bytes[0], *after = &contents->bytes[1];
	enum content *files = contents->files;

	contents->same = files[0] && files[0] == files[1] && before->bytes && after->bytes &&
			 before->length == after->length &&
			 memcmp(before->bytes, after->bytes, before->length) == 0;
	if (contents->same || !can_show(files[0]) || !can_show(files[1]) ||
	    (files[0] != CONTENT_TEXT && files[1] != CONTENT_TEXT))
		return 0;
	if (textdiff_make(before->bytes ? before->bytes : "", before->length,
			  after->bytes ? after->bytes : "", after->length, &contents->diff,
			  err) < 0) {
		if (err->code != FL_UNSUPPORTED)
			return fl_failed(err);
		for (int i = 0; i < 2; i++)
			files[i] = files[i] ? CONTENT_LARGE : CONTENT_NONE;
		return 0;
	}
	contents->shown = true;
	return 0;
}

int contents_look(struct invocation *in, const struct moments *moments, struct value *change,
		  struct contents *ret, struct fl_error *err)
{
	static const char *const sides[] = { "before", "after" };
	static const char *const paths[] = { "from", "path" };

	if (!contents_differ(change))
		return 0;
	for (int i = 0; i < 2; i++) {
		const struct file file = { moments, i, field(change, paths[i]),
					   value_get(change, sides[i]) };

		if (is_file(file.info) && read_file(in, &file, ret, err) < 0)
			return fl_failed(err);
	}
	return compare(ret, err);
}
