#include "driver/zfs/accounts.h"

#include <stdlib.h>

#include "base/own.h"

void accounts_done(struct accounts *accounts)
{
	free(accounts->groups);
	free(accounts->branches);
	*accounts = (struct accounts){ 0 };
}

struct group *accounts_find_group(const struct accounts *accounts, uint64_t id)
{
	for (size_t i = 0; i < accounts->group_count; i++)
		if (accounts->groups[i].id == id)
			return &accounts->groups[i];
	return NULL;
}

void accounts_add_group(struct accounts *accounts, const struct uuid *uuid)
{
	*array_add(accounts->groups, accounts->group_count) = (struct group){ .id = group_id(uuid),
									      .uuid = *uuid };
}

void accounts_remove_group(struct accounts *accounts, uint64_t id)
{
	for (size_t i = 0; i < accounts->group_count; i++)
		if (accounts->groups[i].id == id)
			accounts->groups[i--] = accounts->groups[--accounts->group_count];
}

void accounts_suspend_group(struct accounts *accounts, uint64_t id, uint64_t limit)
{
	struct group *group = accounts_find_group(accounts, id);

	group->state = GROUP_GONE;
	if (!group->wanted)
		group->wanted = limit;
}

static struct counted *find(const struct accounts *accounts, const struct uuid *branch)
{
	for (size_t i = 0; i < accounts->branch_count; i++)
		if (uuid_equal(&accounts->branches[i].branch, branch))
			return &accounts->branches[i];
	return NULL;
}

uint64_t accounts_group_of(const struct accounts *accounts, const struct uuid *branch)
{
	const struct counted *account = find(accounts, branch);

	return account ? account->group : 0;
}

void accounts_set(struct accounts *accounts, const struct uuid *branch, uint64_t group)
{
	struct counted *account = find(accounts, branch);

	if (account && group) {
		account->group = group;
	} else if (account) {
		*account = accounts->branches[--accounts->branch_count];
	} else if (group) {
		*array_add(accounts->branches, accounts->branch_count) = (struct counted){ *branch,
											   group };
	}
}
