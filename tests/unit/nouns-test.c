#include "base/text.h"
#include "model/nouns.h"
#include "tests/check.h"

static void every_reason_and_pin_has_a_name(void)
{
	for (int i = 0; i < REASON_MAX; i++)
		check(reason_names[i] && reason_names[i][0]);
	check_string("recovered", reason_names[REASON_RECOVERED]);
	for (int i = 0; i < PIN_COUNT; i++)
		check(pin_names[i] && pin_names[i][0]);
	check(1 << (PIN_COUNT - 1) == PIN_MOUNT);
	check_string("mount", pin_names[PIN_COUNT - 1]);
}

/* Fills, grows and releases one kind of list; leaks and overruns are the sanitizers' to find. */
#define CHECK_LIST(noun, field)                                            \
	static void noun##_lists_grow_zeroed(void)                         \
	{                                                                  \
		struct noun##_list list = { 0 };                           \
                                                                           \
		for (int i = 0; i < 100; i++) {                            \
			const char *item = (char *)noun##_list_add(&list); \
                                                                           \
			for (size_t k = 0; k < sizeof(*list.items); k++)   \
				check(item[k] == 0);                       \
			list.items[i].field = i;                           \
		}                                                          \
		check(list.count == 100);                                  \
		for (int i = 0; i < 100; i++)                              \
			check(list.items[i].field == i);                   \
		noun##_list_done(&list);                                   \
		check(!list.items && list.count == 0);                     \
		noun##_list_done(&list);                                   \
	}

CHECK_LIST(volume, created)
CHECK_LIST(branch, created)
CHECK_LIST(snapshot, time)
CHECK_LIST(tag, created)
CHECK_LIST(stash, created)
CHECK_LIST(trash, expires)

static void what_they_own_goes_with_them(void)
{
	struct fl_error err = { 0 };
	struct volume_list volumes = { 0 };
	struct branch_list branches = { 0 };
	struct snapshot_list snapshots = { 0 };
	struct volume *volume = volume_list_add(&volumes);
	struct branch *branch = branch_list_add(&branches);
	struct snapshot *snapshot = snapshot_list_add(&snapshots);

	volume->description = xstrdup("shop");
	volume->mount_path = xstrdup("/data");
	volume->branches = xcalloc(2, sizeof(*volume->branches));
	check_ok(metadata_set(&volume->metadata, "a", "b", &err));
	branch->path = xstrdup("/flocker/shop/trunk");
	snapshot->message = xstrdup("before");
	snapshot->tags = xcalloc(1, sizeof(*snapshot->tags));
	check_ok(metadata_set(&snapshot->metadata, "a", "b", &err));
	volume_done(volume);
	check(!volume->description && !volume->branches && volume->metadata.count == 0);
	volume_list_done(&volumes);
	branch_list_done(&branches);
	snapshot_list_done(&snapshots);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(every_reason_and_pin_has_a_name),
				  CHECK(volume_lists_grow_zeroed),
				  CHECK(branch_lists_grow_zeroed),
				  CHECK(snapshot_lists_grow_zeroed),
				  CHECK(tag_lists_grow_zeroed),
				  CHECK(stash_lists_grow_zeroed),
				  CHECK(trash_lists_grow_zeroed),
				  CHECK(what_they_own_goes_with_them),
				  CHECK_END,
			  });
}
