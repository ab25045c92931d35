#include "tests/check.h"

#include "api/decode.h"

static struct fl_error err;

/* A request with the query "a=b" pairs in `query` (NULL-terminated names and values) and a body. */
static struct http_request request_of(const char *const *query, const char *body)
{
	struct http_request request = { .method = "POST", .path = "/v1/x", .body = body };

	request.body_length = strlen(body);
	for (size_t i = 0; query && query[i]; i += 2)
		request.parameters[request.parameter_count++] =
			(struct http_parameter){ .name = query[i], .value = query[i + 1] };
	return request;
}

static int decode(const struct accepts *accepts, const char *body, struct input *ret)
{
	struct http_request request = request_of(NULL, body);

	return input_decode(&request, accepts, ret, &err);
}

/* What `body` is refused with. */
static const char *refusal(uint32_t set, const char *body)
{
	struct accepts accepts = { .body = set, .forms = FORM_ANY };
	struct input input = { 0 };

	check_code(FL_INVALID, decode(&accepts, body, &input));
	check(input.given == 0 && !input.document);
	return err.text;
}

static void every_type_arrives(void)
{
	struct accepts accepts = { .body = (UINT64_C(1) << INPUT_COUNT) - 1, .forms = FORM_ANY };
	own_input struct input input = { 0 };

	check_ok(decode(&accepts,
			"{\"name\":\"a\",\"size\":9007199254740993,\"sparse\":true,\"force\":false,"
			"\"metadata\":{\"k\":\"v\",\"b\":\"w\"},\"unset\":[\"x\",\"y\"],"
			"\"ref\":\"mydata/test\",\"refs\":[\"a\",\"b/c\"],\"from\":\"v1@mydata\"}",
			&input));
	check_string("a", input.name);
	check(input.size == 9007199254740993 && input.sparse && !input.force);
	check_string("v", metadata_get(&input.metadata, "k"));
	check(input.metadata.count == 2);
	check(input.unset.count == 2);
	check_string("y", input.unset.items[1]);
	check(input.ref->kind == REF_BRANCH && input.from->kind == REF_TAG);
	check(input.refs.count == 2);
	check_string("c", input.refs.items[1].branch);
	check(!input.to && !input.message);
	check(input.given & IN_FORCE && !(input.given & IN_COMPRESS));
}

static void no_body_is_an_empty_object(void)
{
	struct accepts accepts = { .body = IN_ITEM };
	own_input struct input input = { 0 };

	check_ok(decode(&accepts, "", &input));
	check(input.given == 0 && input.limit == PAGE);
}

static void wrong_types_are_named(void)
{
	static const struct {
		uint32_t set;
		const char *body, *text;
	} cases[] = {
		{ IN_NAME, "{\"name\":1}", "'name' must be a string" },
		{ IN_NAME, "{\"name\":null}", "'name' must be a string" },
		{ IN_SIZE, "{\"size\":-1}", "'size' must be a whole number that is not negative" },
		{ IN_SIZE, "{\"size\":1.5}", "'size' must be a whole number that is not negative" },
		{ IN_FORCE, "{\"force\":\"yes\"}", "'force' must be true or false" },
		{ IN_METADATA, "{\"metadata\":[]}", "'metadata' must be an object of strings" },
		{ IN_METADATA, "{\"metadata\":{\"a\":1}}",
		  "'metadata' must be an object of strings" },
		{ IN_UNSET, "{\"unset\":[1]}", "'unset' must be an array of strings" },
		{ IN_REF, "{\"ref\":{}}", "'ref' must be a string that holds a reference" },
		{ IN_REFS, "{\"refs\":[\"a\",2]}",
		  "'refs' must be an array of strings that hold references" },
		{ IN_REFS, "{\"refs\":[]}", "'refs' must hold 1 to 1024 references, not 0" },
	};

	for (size_t i = 0; i < array_size(cases); i++)
		check_string(cases[i].text, refusal(cases[i].set, cases[i].body));
}

static void what_is_not_known_is_refused_by_name(void)
{
	check_string("member 'nane' is not known here", refusal(IN_NAME, "{\"nane\":\"a\"}"));
	check_string("known are: name", err.hint);
	check_string("member 'name' is not known here", refusal(IN_SIZE, "{\"name\":\"a\"}"));
	check_string("member 'x' is not known here", refusal(0, "{\"x\":1}"));
	check_string("", err.hint);
}

static void what_is_not_an_object_is_refused(void)
{
	check(strstr(refusal(IN_NAME, "{\"name\""), "the body is not JSON: line 1"));
	check(strstr(refusal(IN_NAME, "{\"name\":\"a\",\"name\":\"b\"}"), "duplicate"));
	check(strstr(refusal(IN_NAME, "{} x"), "the body is not JSON"));
	check_string("the body must be a JSON object", refusal(IN_NAME, "[]"));
	check_string("the body holds a NUL character in a string",
		     refusal(IN_NAME, "{\"name\":\"a\\u0000\"}"));
	check(strstr(refusal(IN_NAME, "\xff"), "the body is not JSON"));
}

static void what_is_required_is_named(void)
{
	struct accepts accepts = {
		.query = IN_REF, .body = IN_NAME, .required = IN_REF | IN_NAME, .forms = FORM_VOLUME
	};
	const char *const query[] = { "ref", "mydata", NULL };
	struct http_request request = request_of(query, "{}");
	struct input input = { 0 };

	check_code(FL_INVALID, input_decode(&request, &accepts, &input, &err));
	check_string("member 'name' is missing", err.text);
	request = request_of(NULL, "{\"name\":\"a\"}");
	check_code(FL_INVALID, input_decode(&request, &accepts, &input, &err));
	check_string("query parameter 'ref' is missing", err.text);
}

static void queries_are_checked(void)
{
	static const struct {
		const char *query[5];
		const char *text;
	} cases[] = {
		{ { "limt", "1", NULL }, "query parameter 'limt' is not known here" },
		{ { "limit", "1", "limit", "2", NULL }, "query parameter 'limit' is given twice" },
		{ { "limit", "0", NULL }, "'limit' must be 1 to 1000" },
		{ { "limit", "1001", NULL }, "'limit' must be 1 to 1000" },
		{ { "limit", "", NULL }, "'limit' must be a whole number that is not negative" },
		{ { "limit", "-1", NULL }, "'limit' must be a whole number that is not negative" },
		{ { "limit", "9999999999999999999999", NULL },
		  "'limit' must be a whole number that is not negative" },
	};
	struct accepts accepts = { .query = IN_LIMIT | IN_AFTER };
	struct input input = { 0 };

	for (size_t i = 0; i < array_size(cases); i++) {
		struct http_request request = request_of(cases[i].query, "");

		check_code(FL_INVALID, input_decode(&request, &accepts, &input, &err));
		check_string(cases[i].text, err.text);
	}
}

static void what_the_query_gave_is_not_given_again(void)
{
	static const struct {
		const char *query[3];
		const char *body, *text;
	} cases[] = {
		{ { "ref", "mydata", NULL }, "{\"ref\":\"other\"}", "'ref' is given twice" },
		{ { "limit", "1", NULL }, "{\"limit\":2}", "'limit' is given twice" },
		{ { "after", "a", NULL }, "{\"after\":\"b\"}", "'after' is given twice" },
	};
	struct accepts accepts = { .query = IN_REF | IN_LIMIT | IN_AFTER, .forms = FORM_ANY };
	struct input input = { 0 };

	accepts.body = accepts.query;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct http_request request = request_of(cases[i].query, cases[i].body);

		check_code(FL_INVALID, input_decode(&request, &accepts, &input, &err));
		check_string(cases[i].text, err.text);
	}
}

static void a_resource_takes_its_own_references_only(void)
{
	static const struct {
		const char *ref;
		unsigned form;
	} cases[] = {
		{ "mydata", FORM_VOLUME },
		{ "mydata/test", FORM_BRANCH },
		{ "host/mydata/test", FORM_BRANCH },
		{ "v1@mydata", FORM_TAG },
		{ "stash/3@mydata", FORM_STASH },
		{ "mydata@{latest}", FORM_SNAPSHOT },
		{ "mydata/test@{-2}", FORM_SNAPSHOT },
	};

	for (size_t i = 0; i < array_size(cases); i++)
		for (unsigned form = FORM_VOLUME; form <= FORM_SNAPSHOT; form <<= 1) {
			const char *const query[] = { "ref", cases[i].ref, NULL };
			struct http_request request = request_of(query, "");
			struct accepts accepts = { .query = IN_REF, .forms = form };
			own_input struct input input = { 0 };
			int r = input_decode(&request, &accepts, &input, &err);

			check(r == (form == cases[i].form ? 0 : -FL_INVALID));
		}
}

static void paths_fit_nowhere(void)
{
	const char *const query[] = { "ref", "mydata:etc", NULL };
	struct http_request request = request_of(query, "");
	struct accepts accepts = { .query = IN_REF, .forms = FORM_ANY };
	struct input input = { 0 };

	check_code(FL_INVALID, input_decode(&request, &accepts, &input, &err));
	check_string("mydata:etc", err.object);
}

static void a_refused_request_is_not_looked_at(void)
{
	struct http_request request = request_of(NULL, "{}");
	struct accepts accepts = { 0 };
	struct input input = { 0 };

	request.refused = "the body is larger than 1 MiB";
	check_code(FL_INVALID, input_decode(&request, &accepts, &input, &err));
	check_string(request.refused, err.text);
}

static void ids_are_exact(void)
{
	uint64_t id = 0;

	check_ok(decode_id("9f3c2a1b5d6e7f80", &id, &err));
	check(id == 0x9f3c2a1b5d6e7f80);
	check_code(FL_INVALID, decode_id("9f3c2a1b", &id, &err));
	check_code(FL_INVALID, decode_id("0x3c2a1b5d6e7f80", &id, &err));
	check_code(FL_INVALID, decode_id("9f3c2a1b5d6e7f801", &id, &err));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(every_type_arrives),
				  CHECK(no_body_is_an_empty_object),
				  CHECK(wrong_types_are_named),
				  CHECK(what_is_not_known_is_refused_by_name),
				  CHECK(what_is_not_an_object_is_refused),
				  CHECK(what_is_required_is_named),
				  CHECK(queries_are_checked),
				  CHECK(what_the_query_gave_is_not_given_again),
				  CHECK(a_resource_takes_its_own_references_only),
				  CHECK(paths_fit_nowhere),
				  CHECK(a_refused_request_is_not_looked_at),
				  CHECK(ids_are_exact),
				  CHECK_END,
			  });
}
