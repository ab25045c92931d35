#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "cli/talk.h"
#include "cli/transfer.h"
#include "cli/verbs.h"
#include "model/nouns.h"
#include "model/policy.h"

/* Contents in: as an archive, or as a directory that the daemon reads itself. */

/* Standard input, or a file; how many bytes it has, -1 where that is not known.  `usage`: how it is
 * given. */
static int open_archive(const char *name, const char *usage, int *ret_fd, int64_t *ret_length,
			struct fl_error *err)
{
	bool standard = strcmp(name, "-") == 0;
	own_fd int fd = -1;
	struct stat st;
	off_t at;

	if (standard && isatty(STDIN_FILENO)) {
		fl_fail(err, FL_INVALID, "standard input is a terminal, not an archive");
		return fl_hint(err, "for example: tar -C DIR -c . | flocker import NAME -");
	}
	if (standard) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return fl_fail_errno(err, "standard input");
	} else if (fsat_open_named(name, O_RDONLY, &fd, err) < 0) {
		return fl_hint(err, "%s", usage);
	}
	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "'%s'", name);
	if (S_ISDIR(st.st_mode)) {
		fl_fail(err, FL_INVALID, "'%s' is a directory, not an archive", name);
		return fl_hint(err, "for example: tar -C DIR -c . | flocker import NAME -; or: "
				    "flocker create NAME --from-directory DIR");
	}
	at = S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	*ret_length = at >= 0 && at <= st.st_size ? st.st_size - at : -1;
	*ret_fd = take_fd(fd);
	return 0;
}

/* The new branch: REF, or the trunk of the volume that it names. */
static void add_branch(struct text *out, const struct ref *ref)
{
	ref_format(ref, out);
	if (ref->kind == REF_VOLUME)
		text_add_string(out, "/" TRUNK);
}

static int set_metadata(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	int r = put_metadata(body, in->settings, in->setting_count, err);

	if (r == 0 && in->setting_count > 0)
		r = talk(in, "PATCH", "/v1/volume", in->operands[0], body, &answer, err);
	return r < 0 ? fl_wrap(err, "the volume is there, but setting its metadata") : 0;
}

static int set_policy(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	int r = put_policy(body, in, err);

	if (r == 0 && in->rule_count > 0)
		r = talk(in, "PATCH", "/v1/policy", in->operands[0], body, &answer, err);
	return r < 0 ? fl_wrap(err, "the contents are there, but setting the policy") : 0;
}

/* What its words alone say: whether it fits the instance's rules, the daemon knows. */
static int check_policy(const struct invocation *in, struct fl_error *err)
{
	own_metadata struct metadata rules = { 0 };
	own_body struct body *body = body_new();
	struct policy policy;

	/* Then each has an '=', behind a name that is not too long. */
	if (put_policy(body, in, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < in->rule_count; i++) {
		const char *equals = strchr(in->rules[i], '=');
		char key[NAME_TEXT] = "";
		enum policy_key known;

		memcpy(key, in->rules[i], (size_t)(equals - in->rules[i]));
		if (policy_find(key, &known, err) < 0 ||
		    metadata_set(&rules, key, equals + 1, err) < 0) {
			err->code = FL_INVALID;
			return fl_failed(err);
		}
	}
	return policy_read(&rules, NULL, &policy, err);
}

/* As `create` does: where the contents are. */
static int print_place(struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	own_free struct value *branch = NULL;
	own_text struct text name = { 0 };
	int r;

	add_branch(&name, ref);
	r = talk(in, "GET", "/v1/branch", text_get(&name), NULL, &branch, err);
	if (r < 0)
		return fl_wrap(err, "the contents are there, but asking where");
	printf("%s\n", field(branch, "path"));
	return 0;
}

/* What can be wrong without a daemon, before gigabytes are sent to one. */
static int check_import(const struct invocation *in, struct ref *ref, struct fl_error *err)
{
	own_body struct body *body = body_new();

	if (take_ref(in->operands[0], ref, err) < 0)
		return fl_failed(err);
	if ((ref->kind != REF_VOLUME && ref->kind != REF_BRANCH) || ref->point != POINT_NONE)
		return fl_fail(err, FL_INVALID,
			       "'%s' names a past: give the new volume, or VOLUME/BRANCH",
			       in->operands[0]);
	if (ref->kind == REF_BRANCH && (in->setting_count > 0 || option_given(in, OPT_QUOTA)))
		return fl_fail(err, FL_INVALID,
			       "--set and --quota are of volumes, and '%s' is a branch",
			       in->operands[0]);
	if (check_policy(in, err) < 0)
		return fl_failed(err);
	return put_metadata(body, in->settings, in->setting_count, err);
}

/* The contents are what `fd` holds or, with it -1, the directory on the daemon's host. */
static int send_contents(struct invocation *in, int fd, int64_t length, const char *directory,
			 struct fl_answer *answer, struct fl_error *err)
{
	own_free char *target = NULL;
	struct transfer transfer;
	uint64_t quota = 0;
	char bytes[24];
	int r = 0;

	if (option_given(in, OPT_QUOTA))
		r = quota_option(in, &quota, err);
	if (r == 0)
		r = transfer_begin(&transfer, in, fd, length, err);
	if (r < 0)
		return r;
	snprintf(bytes, sizeof(bytes), "%" PRIu64, quota);
	target = fl_target("/v1/imports", "ref", in->operands[0], "operation", transfer.id,
			   "description", in->options[OPT_DESCRIPTION], "mount_path",
			   in->options[OPT_MOUNT_PATH], "quota", quota ? bytes : NULL, "devices",
			   option_given(in, OPT_DEVICES) ? "true" : NULL, "setuid",
			   option_given(in, OPT_SETUID) ? "true" : NULL, "directory", directory,
			   NULL);
	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	r = fl_client_upload(in->client, "POST", target, "application/x-tar", &transfer.stream,
			     answer, err);
	return transfer_end(&transfer, r, err);
}

static int import(struct invocation *in, int fd, int64_t length, const char *directory,
		  struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer answer = { 0 };
	own_free struct value *operation = NULL;
	own_ref struct ref ref = { 0 };
	int r = check_import(in, &ref, err);

	if (r == 0)
		r = send_contents(in, fd, length, directory, &answer, err);
	if (r == 0)
		r = set_metadata(in, err);
	if (r == 0)
		r = set_policy(in, err);
	if (r < 0)
		return r;
	if (!option_given(in, OPT_JSON))
		return print_place(in, &ref, err);
	r = value_parse(answer.bytes, answer.length, &operation, err);
	if (r < 0)
		return fl_wrap(err, "the daemon's answer");
	print_json(operation);
	return 0;
}

int verb_import(struct invocation *in, struct fl_error *err)
{
	own_fd int fd = -1;
	int64_t length;

	if (open_archive(in->operands[1], "the archive comes second: flocker import NAME ARCHIVE",
			 &fd, &length, err) < 0)
		return fl_failed(err);
	return import(in, fd, length, NULL, err);
}

int import_tree(struct invocation *in, const char *archive, struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer answer = { 0 };
	own_fd int fd = -1;
	int64_t length;

	if (open_archive(archive, "give the archive of the tree, or - for standard input", &fd,
			 &length, err) < 0)
		return fl_failed(err);
	in->options[OPT_SETUID] = "";
	return send_contents(in, fd, length, NULL, &answer, err);
}

int import_directory(struct invocation *in, struct fl_error *err)
{
	/* Where branches appear are symbolic links, and the daemon follows none.  What is not there
	 * is the daemon's to say. */
	own_free char *real = NULL;
	own_text struct text path = { 0 };

	if (option_given(in, OPT_FROM))
		return fl_fail(err, FL_INVALID, "--from and --from-directory: give one of them");
	real = realpath(in->options[OPT_FROM_DIRECTORY], NULL);
	if (absolute_path(real ? real : in->options[OPT_FROM_DIRECTORY], &path, err) < 0)
		return fl_failed(err);
	return import(in, -1, 0, text_get(&path), err);
}
