/* What happens to a request before any handler sees it: the engine only keeps the audit log. */
#include "tests/check.h"

#include <fcntl.h>

#include "api/api.h"
#include "base/fsat.h"
#include "base/log.h"

static char place[] = "/tmp/flocker-dispatch-test.XXXXXX";
static struct api api;

static void ask(const char *method, const char *path, const char *body,
		struct http_response *response)
{
	struct http_request request = { .method = method, .path = path, .body = body };

	request.body_length = strlen(body);
	api_handle(&api, &request, response);
}

static const char *header(const struct http_response *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++)
		if (strcmp(response->headers[i].name, name) == 0)
			return response->headers[i].value;
	return "";
}

static void an_unknown_path_is_not_found(void)
{
	own(http_response_done) struct http_response response = { 0 };

	ask("GET", "/v1/nowhere", "", &response);
	check(response.status == 404);
	check_string("application/json", response.type);
	check(strstr(text_get(&response.body), "\"code\":\"not-found\""));
	check(strstr(text_get(&response.body), "there is no route '/v1/nowhere'"));
}

static void an_unknown_method_is_told_the_known_ones(void)
{
	own(http_response_done) struct http_response response = { 0 };

	ask("DELETE", "/v1/pool", "", &response);
	check(response.status == 405);
	check_string("GET, POST", header(&response, "Allow"));
	check(strstr(text_get(&response.body), "\"code\":\"invalid\""));
}

static void bad_input_is_refused_before_the_engine(void)
{
	static const char *const bodies[] = { "", "{", "{\"name\":1}", "{\"name\":\"a\",\"x\":1}" };

	for (size_t i = 0; i < array_size(bodies); i++) {
		own(http_response_done) struct http_response response = { 0 };

		ask("POST", "/v1/volumes", bodies[i], &response);
		check(response.status == 400);
		check(strstr(text_get(&response.body), "\"code\":\"invalid\""));
	}
}

static void what_was_refused_is_in_the_audit_log(void)
{
	own(http_response_done) struct http_response response = { 0 };
	own(audit_list_done) struct audit_list list = { 0 };
	struct http_request request = { .method = "DELETE", .path = "/v1/tag", .uid = 7, .pid = 8 };
	struct fl_error err = { 0 };

	request.parameters[0] = (struct http_parameter){ "ref", "v 1@data" };
	request.parameter_count = 1;
	api_handle(&api, &request, &response);
	check_ok(engine_audit_list(api.engine, 0, 1, &list, &err));
	check(list.count == 1 && list.items[0].uid == 7 && list.items[0].pid == 8);
	check_string("untag", list.items[0].verb);
	check_string("v 1@data", list.items[0].object);
	check_string("invalid", list.items[0].outcome);
	check_string(header(&response, "X-Request-Id"), list.items[0].request);
}

static void every_answer_has_an_id_of_its_own(void)
{
	own(http_response_done) struct http_response first = { 0 };
	own(http_response_done) struct http_response second = { 0 };
	char wanted[64];

	ask("GET", "/", "", &first);
	ask("GET", "/", "", &second);
	check(header(&first, "X-Request-Id")[0]);
	check(strcmp(header(&first, "X-Request-Id"), header(&second, "X-Request-Id")) != 0);
	snprintf(wanted, sizeof(wanted), "\"operation\":\"%s\"", header(&second, "X-Request-Id"));
	check(strstr(text_get(&second.body), wanted));
}

static void the_contract_is_served(void)
{
	own(http_response_done) struct http_response response = { 0 };

	ask("GET", "/v1/openapi.json", "", &response);
	check(response.status == 200);
	check(strncmp(text_get(&response.body), "{\"openapi\":\"3.1.", 15) == 0);
}

int main(int argc, char **argv)
{
	struct engine_options options = {
		.state = place, .mount_root = place, .name = "here", .host = "host"
	};
	struct fl_error err;
	int status;

	log_set_level(LOG_LEVEL_ERROR);
	if (!mkdtemp(place) || engine_open(&options, &api.engine, &err) < 0)
		return 1;
	status = check_main(argc, argv,
			    (struct check[]){
				    CHECK(an_unknown_path_is_not_found),
				    CHECK(an_unknown_method_is_told_the_known_ones),
				    CHECK(bad_input_is_refused_before_the_engine),
				    CHECK(what_was_refused_is_in_the_audit_log),
				    CHECK(every_answer_has_an_id_of_its_own),
				    CHECK(the_contract_is_served),
				    CHECK_END,
			    });
	engine_close(api.engine);
	return fsat_remove_tree(AT_FDCWD, place, &err) < 0 ? 1 : status;
}
