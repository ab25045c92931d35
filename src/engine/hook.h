#pragma once

/*
 * Hooks: programs that make what uses a branch hold still while a snapshot of it is
 * taken, or while it is rolled back (container/hook.h, docs/hooks.md).  They belong to
 * a branch; a branch that is made of it has none.  All verbs that take a
 * snapshot of live contents go by them (engine/hooks.h); here are the verbs about them
 * (hook.c).
 */

#include "engine/engine.h"

struct hook_options {
	const char *name;		 /* of a program that is there: FL_NOT_FOUND, FL_DENIED */
	const struct metadata *settings; /* what it is told */
	const char *container;		 /* that it runs in: a name, or "*", the one that uses the
					    branch; NULL: on the host */
	int64_t timeout;		 /* ns, 1 s to 10 min; 0: 30 s */
	bool required;			 /* no snapshot without it */
};

struct hook_report {
	char ref[REF_SHORT];
	char name[NAME_TEXT];
	struct metadata settings;
	char container[CONTAINER_TEXT]; /* "": on the host */
	int64_t timeout;
	bool required;
	char *trouble; /* heap: why it can't be run as things are; NULL: it can */
};
struct hook_report_list {
	struct hook_report *items;
	size_t count;
};
struct hook_offer {
	char name[NAME_TEXT];
	char *path; /* heap */
	bool shipped;
};
struct hook_offer_list {
	struct hook_offer *items;
	size_t count;
};
void hook_report_done(struct hook_report *report);
void hook_report_list_done(struct hook_report_list *list);
void hook_offer_list_done(struct hook_offer_list *list);

/* Of a branch, or of all (`ref` NULL); by branch and name. */
must_check int engine_hooks(struct engine *engine, const struct ref *ref,
			    struct hook_report_list *ret, struct fl_error *err);
/* The programs that there are. */
must_check int engine_hooks_available(struct engine *engine, struct hook_offer_list *ret,
				      struct fl_error *err);
/* Adds it, or says anew what there is to say of one that the branch has.  Durable. */
must_check int engine_hook_set(struct engine *engine, const struct ref *ref,
			       const struct hook_options *options, struct hook_report *ret,
			       struct fl_error *err);
must_check int engine_hook_unset(struct engine *engine, const struct ref *ref, const char *name,
				 struct fl_error *err);
