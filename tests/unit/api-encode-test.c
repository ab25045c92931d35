#include "tests/check.h"

#include "api/encode.h"
#include "engine/rollback.h"
#include "engine/users.h"

#define ID 0x9f3c2a1b5d6e7f80
#define TIME (INT64_C(1795168800) * CLOCK_SECOND)
#define UUID "01020304-0000-0000-0000-000000000000"

static const struct uuid uuid = { .bytes = { 1, 2, 3, 4 } };

/* Begins the JSON in `text`, which the tests own. */
static struct json writer(struct text *text)
{
	struct json json;

	json_init(&json, text);
	return json;
}

static void a_plain_volume_has_every_member(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct volume volume = { .uuid = uuid, .name = "mydata", .owner = "alpha", .epoch = 1 };

	volume.created = TIME;
	encode_volume(&json, NULL, &volume);
	check_string("{\"uuid\":\"" UUID "\",\"name\":\"mydata\",\"owner\":\"alpha\",\"epoch\":1,"
		     "\"description\":\"\",\"metadata\":{},\"mount_path\":null,\"quota\":null,"
		     "\"usage\":{\"allocated\":null},"
		     "\"origin\":null,\"created\":\"2026-11-20T10:00:00.000000000Z\","
		     "\"branches\":[]}",
		     text_get(&text));
}

static void a_full_volume_shows_all_it_has(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	char branches[][NAME_TEXT] = { "trunk", "test" };
	char description[] = "a \"b\"", path[] = "/var/lib/x";
	struct volume volume = { .description = description,
				 .mount_path = path,
				 .quota = 1048576,
				 .allocated = { true, 4096 },
				 .origin = { .ref = "v1@other", .snapshot = ID },
				 .branches = branches,
				 .branch_count = 2 };
	own_metadata struct metadata metadata = { 0 };
	struct fl_error err;

	check_ok(metadata_set(&metadata, "k", "v", &err));
	volume.metadata = metadata;
	encode_volume(&json, NULL, &volume);
	check(strstr(text_get(&text), "\"description\":\"a \\\"b\\\"\",\"metadata\":{\"k\":\"v\"},"
				      "\"mount_path\":\"/var/lib/x\",\"quota\":1048576,"
				      "\"usage\":{\"allocated\":4096}"));
	check(strstr(text_get(&text),
		     "\"origin\":{\"ref\":\"v1@other\",\"snapshot\":\"9f3c2a1b5d6e7f80\"}"));
	check(strstr(text_get(&text), "\"branches\":[\"trunk\",\"test\"]"));
}

static void a_snapshot_is_named_by_its_id(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct snapshot snapshot = { .id = ID, .volume = "mydata", .branch = "trunk" };

	snapshot.pins = PIN_TAG | PIN_STASH;
	snapshot.reason = REASON_ROLLBACK;
	encode_snapshot(&json, NULL, &snapshot);
	check(strstr(text_get(&text), "\"id\":\"9f3c2a1b5d6e7f80\","
				      "\"ref\":\"mydata/trunk@{9f3c2a1b5d6e7f80}\","
				      "\"storage_name\":\"00000000-0000-0000-0000-000000000000."
				      "19700101T000000.000000000Z\""));
	check(strstr(text_get(&text), "\"parent\":null,\"reason\":\"rollback\",\"name\":null,"
				      "\"message\":null,\"tags\":[],\"metadata\":{},"
				      "\"pins\":[\"tag\",\"stash\"],\"size_of_change\":null"));
}

static void an_operation_says_how_far_it_is_or_what_was_wrong(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct operation operation = { .verb = "import", .object = "mydata", .started = 1 };

	operation.done_bytes = 7;
	encode_operation(&json, NULL, &operation);
	check(strstr(text_get(&text), "\"verb\":\"import\",\"object\":\"mydata\","
				      "\"state\":\"running\",\"done_bytes\":7,"
				      "\"total_bytes\":null,"));
	check(strstr(text_get(&text), "\"ended\":null,\"error\":null}"));
	operation.state = OPERATION_FAILED;
	operation.total_bytes = 9;
	operation.error = (struct fl_error){ .code = FL_NO_SPACE, .text = "full" };
	text_clear(&text);
	json = writer(&text);
	encode_operation(&json, NULL, &operation);
	check(strstr(text_get(&text), "\"state\":\"failed\",\"done_bytes\":7,\"total_bytes\":9,"));
	check(strstr(text_get(&text), "\"error\":{\"code\":\"no-space\",\"message\":\"full\","
				      "\"hint\":null}}"));
}

static void a_remote_branch_is_named_with_its_instance(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct branch branch = { .volume = "mydata", .name = "trunk", .instance = "beta" };

	encode_branch(&json, NULL, &branch);
	check(strstr(text_get(&text), "\"ref\":\"beta/mydata/trunk\""));
	branch.local = true;
	text_clear(&text);
	json = writer(&text);
	encode_branch(&json, NULL, &branch);
	check(strstr(text_get(&text), "\"ref\":\"mydata/trunk\""));
}

static void a_rollback_shows_some_holders_and_counts_all(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct rollback rollback = { .stash = { .number = 3, .volume = "mydata" } };
	size_t shown = 0;

	rollback.holders.count = HOLDERS + 4;
	encode_rollback(&json, NULL, &rollback);
	for (const char *p = text_get(&text); (p = strstr(p, "\"pid\"")); p++)
		shown++;
	check(shown == HOLDERS);
	check(strstr(text_get(&text), "\"holder_count\":20,"));
	check(strstr(text_get(&text), "\"ref\":\"stash/3@mydata\""));
}

static void only_a_file_pool_has_a_host(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct pool_report pool = { .spec = { .kind = POOL_FILE } };

	pool.stats.host_free = 17;
	encode_pool(&json, NULL, &pool);
	check(strstr(text_get(&text), "\"kind\":\"file\"") &&
	      strstr(text_get(&text), "\"host_free\":17"));
	text_clear(&text);
	json = writer(&text);
	pool.spec.kind = POOL_DEVICE;
	encode_pool(&json, NULL, &pool);
	check(strstr(text_get(&text), "\"host_free\":null"));
}

static void an_error_says_all_it_knows(void)
{
	own_text struct text text = { 0 };
	struct json json = writer(&text);
	struct fl_error err;

	check(fl_fail(&err, FL_NOT_OWNER, "volume '%s' belongs to beta", "mydata") < 0);
	check(fl_object(&err, "mydata") < 0);
	encode_error(&json, &err, "abc-1");
	check_string("{\"error\":{\"code\":\"not-owner\","
		     "\"message\":\"volume 'mydata' belongs to beta\",\"object\":\"mydata\","
		     "\"hint\":null,\"operation\":\"abc-1\"}}",
		     text_get(&text));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_plain_volume_has_every_member),
				  CHECK(a_full_volume_shows_all_it_has),
				  CHECK(a_snapshot_is_named_by_its_id),
				  CHECK(an_operation_says_how_far_it_is_or_what_was_wrong),
				  CHECK(a_remote_branch_is_named_with_its_instance),
				  CHECK(a_rollback_shows_some_holders_and_counts_all),
				  CHECK(only_a_file_pool_has_a_host),
				  CHECK(an_error_says_all_it_knows),
				  CHECK_END,
			  });
}
