/* What happens to a request before any handler sees it, so no engine is needed. */
#include "tests/check.h"

#include "api/api.h"

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
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(an_unknown_path_is_not_found),
				  CHECK(an_unknown_method_is_told_the_known_ones),
				  CHECK(bad_input_is_refused_before_the_engine),
				  CHECK(every_answer_has_an_id_of_its_own),
				  CHECK(the_contract_is_served),
				  CHECK_END,
			  });
}
